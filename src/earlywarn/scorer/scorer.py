"""The Scorer: one pass from a ledger at a moment to scores and a plan, and back from a bundle of data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn import tracking
from earlywarn.actions.gates import obligation_status
from earlywarn.actions.plan import PLAN_COLUMNS
from earlywarn.actions.policy import Policy
from earlywarn.bundle import read_bundle, write_bundle
from earlywarn.dates import moment
from earlywarn.errors import EarlywarnError, FeatureError
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.context import Context
from earlywarn.outcomes import CyclePool, Outcome
from earlywarn.risk.base_rates import BaseRates
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.risk.hazard import PaymentDayModel
from earlywarn.risk.newcomers import groups_of, has_history, with_base_rates
from earlywarn.risk.paydays import PayDays
from earlywarn.scorer.asking import Asked
from earlywarn.scorer.columns import SCORE_COLUMNS, contract_columns, day_after, exposures, moment_notice, moment_of
from earlywarn.scorer.files import from_files, to_files
from earlywarn.scorer.waiting import DAYS, exposure_of_waiting
from earlywarn.tables.facts import as_text
from earlywarn.tables.handed_over import need_customers, need_ledger
from earlywarn.tables.ledger import Ledger

__all__ = ["PLAN_COLUMNS", "SCORE_COLUMNS", "Scorer"]

#: Log-odds below which a reason is too small to be told beside a larger one.
TELLING = 0.1


#: Days ahead within which everything falls due.
EVER_DAYS = 3650


class _Scored(NamedTuple):
    scores: pd.DataFrame
    matrix: pd.DataFrame


class Scorer(Asked):
    """Features, outcome, fitted model and policy together.

    Parameters
    ----------
    features : FeatureSet
    outcome : Outcome
    model : RiskModel or Scorecard
        Fitted on exactly these features.
    policy : Policy
    policy_features : FeatureSet, optional
        What the policy's conditions name beyond ``features``; from the shipped catalogue when left out.
    shock : RiskModel or Scorecard, optional
        Fitted on the same features of running periods and `Outcome.shock_label`; gives ``p_shock``.
    days_model : PaymentDayModel, optional
        Fitted on the same features; gives `pay_days` and `exposure`.
    base_rates : BaseRates, optional
        Of the groups of `earlywarn.scorer.GROUPED_BY`.
    newcomers : {"model", "base_rates"}
        What scores debtors of whom no outcome is known yet. `train` chooses base rates where the model has seen too few
        of them.
    notices : tuple of str
        What was assumed or left out in training.

    Raises
    ------
    FeatureError
        F290 when the model was fitted on other columns.
    PolicyError
        P610 when the policy names a feature that neither these nor the catalogue have.

    Examples
    --------
    >>> ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=60, months=8, seed=1))
    >>> features, outcome = ew.FeatureSet.default(), ew.Outcome()
    >>> obs = outcome.observations(ledger)
    >>> X, y = features.compute(ledger, obs), outcome.label(ledger, obs)
    >>> scorer = ew.Scorer(features, outcome, ew.RiskModel(features).fit(X, y, as_of=obs["as_of"]), ew.Policy.default())
    >>> plan = scorer.recommend(ledger, capacity={"calls": 5})
    >>> bool(plan["customer_id"].is_unique)
    True
    """

    def __init__(
        self,
        features: FeatureSet,
        outcome: Outcome,
        model: CalibratedModel,
        policy: Policy,
        *,
        policy_features: FeatureSet | None = None,
        shock: CalibratedModel | None = None,
        days_model: PaymentDayModel | None = None,
        base_rates: BaseRates | None = None,
        newcomers: Literal["model", "base_rates"] = "model",
        notices: tuple[str, ...] = (),
    ) -> None:
        for one in (model, shock, days_model):
            if one is not None:
                _check_features(one, features)
        if newcomers == "base_rates" and base_rates is None:
            raise EarlywarnError(
                "newcomers are to be scored by base rates, and there are none.",
                code="E031",
                hint="hand over base_rates=.",
            )
        self.shock = shock
        self.days_model = days_model
        self.base_rates = base_rates
        self.newcomers = newcomers
        self.notices = notices
        self.features = features
        self.policy_features = _beyond(features, policy) if policy_features is None else policy_features
        self.outcome = outcome
        self.model = model
        self.policy = policy

    # -- scores ------------------------------------------------------------------------------------------

    def context(self, ledger: Any, as_of: Any = None, *, progress: Callable[[float], None] | None = None) -> Context:
        """What crosses customers, reduced first: made of the whole book, it serves buckets and single customers.

        With running periods among the stages it holds what their projected bills need of other customers, too.

        Parameters
        ----------
        ledger : Ledger, LedgerStore, or iterable of Ledger
        as_of : date-like, optional
            Only facts known before it take part.
        progress : callable, optional
            Called with the share that is done.

        Returns
        -------
        Context
        """
        wanted = [*self.features, *self.policy_features]
        return Context.of(ledger, wanted, as_of=as_of, cycles=self.outcome.sees_cycles, progress=progress)

    def score(
        self,
        ledger: Ledger,
        as_of: Any = None,
        horizon_days: int = 35,
        *,
        customers: Iterable[str] | None = None,
        context: Context | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> pd.DataFrame:
        """Late-payment risk of every obligation open or due within a horizon, at its true lead.

        Parameters
        ----------
        ledger : Ledger
        as_of : date-like, optional
            Only facts known strictly before it count. Default: the day after the ledger ends.
        horizon_days : int
        customers : iterable of str, optional
            Only these debtors' obligations.
        context : Context, optional
            As from `context`; made from the ledger when left out.
        progress : callable, optional
            Called with the share that is done.

        Returns
        -------
        DataFrame
            The columns of `SCORE_COLUMNS`; ``p_late`` where ``status`` is "scored", else missing. ``reasons``
            names the leading features of the families that raise the risk, at most three. ``attrs`` holds
            as_of, model_version, context (its fingerprint, or None) and notices. ``rests_on`` says whether the debtor's
            own past is behind ``p_late``.
        """
        return self._score(ledger, as_of, horizon_days, customers, context, progress).scores

    def reasons(
        self,
        ledger: Ledger,
        scores: pd.DataFrame,
        *,
        top: int | None = 3,
        language: str = "en",
        context: Context | None = None,
    ) -> pd.DataFrame:
        """Reason codes in words for rows of a score.

        Parameters
        ----------
        ledger : Ledger
            The one that was scored.
        scores : DataFrame
            Rows from `score` with status "scored"; ``attrs["as_of"]`` says the moment.
        top : int or None
            As in `RiskModel.reason_codes`.
        language : str
        context : Context, optional
            The one that was scored with.

        Returns
        -------
        DataFrame, as from `RiskModel.reason_codes`

        Raises
        ------
        FeatureError
            F224 when another context was scored with: what it says of other customers differs.
        """
        matrix = self._matrix_of(ledger, scores, context)
        codes = self.model.reason_codes(matrix, top=top, language=language, currency=ledger.currency)
        by_rate = (scores["rests_on"] == "base_rate").to_numpy(dtype=bool)
        return with_base_rates(codes, scores["p_late"], by_rate, language)

    def _matrix_of(self, ledger: Ledger, scores: pd.DataFrame, context: Context | None) -> pd.DataFrame:
        """The features that scores were made of, again."""
        ledger = need_ledger(ledger, "a Scorer")
        if scores.attrs.get("context") not in (None, _named(context)):
            raise FeatureError(
                "the scores were made with another context.",
                code="F224",
                hint="hand over the same context= to score and to reasons.",
            )
        horizon = max(int(scores["lead_days"].max()), 0) if len(scores) else 0
        obs = self.outcome.standing(ledger, scores.attrs["as_of"], horizon, pool=self._pool(ledger, context))
        asked = obs.set_index("obligation_id", drop=False).loc[scores["obligation_id"]].set_axis(scores.index)
        return self.features.compute(ledger, asked, context=context)

    def _pool(self, ledger: Ledger, context: Context | None) -> CyclePool | None:
        """What running periods need of other customers; None when the ledger itself says it."""
        if context is None or not self.outcome.sees_cycles:
            return None
        context.check((), ledger)
        if context.pool is None:
            raise FeatureError(
                "the context lacks what running periods need of other customers.",
                code="F224",
                hint="make it with scorer.context(ledger), or Context.of(ledger, features, cycles=True).",
            )
        return context.pool

    def _score(
        self,
        ledger: Ledger,
        as_of: Any,
        horizon_days: int,
        customers: Iterable[str] | None,
        context: Context | None,
        progress: Callable[[float], None] | None,
    ) -> _Scored:
        ledger = need_ledger(ledger, "a Scorer")
        at = day_after(ledger) if as_of is None else moment_of(as_of, ledger)
        pool = self._pool(ledger, context)
        obs = self.outcome.standing(ledger, at, horizon_days, disputed=True, pool=pool)
        if customers is not None:
            obs = obs[obs["customer_id"].isin(need_customers(ledger, customers))].reset_index(drop=True)
        status = obligation_status(obs, ledger, at, self.policy)
        every = self.features + self.policy_features
        matrix = every.compute(ledger, obs, context=context, progress=progress)
        scored = np.flatnonzero(status == "scored")
        bounded, shock = np.full((len(obs), 3), np.nan), np.full(len(obs), np.nan)
        reasons, rests_on = np.empty(len(obs), dtype=object), np.full(len(obs), None, dtype=object)
        reasons[:] = [()] * len(obs)
        if len(scored):
            rows = matrix.iloc[scored][list(self.features.names)]
            bounded[scored], rests_on[scored] = self._bounded(ledger, obs.iloc[scored], rows)
            told = np.flatnonzero(rests_on[scored] != "base_rate")
            reasons[scored[told]] = self._leading(rows.iloc[told])
        running = scored[(obs["stage"].iloc[scored] == "cycle").to_numpy(dtype=bool)]
        if self.shock is not None and len(running):
            shock[running] = self.shock.predict_proba(matrix.iloc[running][list(self.features.names)])[:, 1]
        scores = pd.DataFrame(
            {
                **{name: obs[name] for name in ("obligation_id", "stage", "invoice_id", "customer_id")},
                **contract_columns(ledger, obs),
                "due_on": obs["due_on"],
                "due_is_estimated": obs["due_is_estimated"],
                "lead_days": obs["lead_days"],
                "amount": obs["open_amount"],
                "amount_low": obs["amount_low"],
                "amount_high": obs["amount_high"],
                "p_late": bounded[:, 0],
                "p_low": bounded[:, 1],
                "p_high": bounded[:, 2],
                "p_shock": shock,
                "exposure": exposures(ledger, obs, at),
                "band": self.policy.band(bounded[:, 0]),
                "reasons": reasons,
                "status": status,
                "lead_is_trained": self._is_trained(obs),
                "rests_on": as_text(rests_on),
            }
        )[list(SCORE_COLUMNS)]
        scores.attrs["as_of"] = at.isoformat()
        scores.attrs["model_version"] = self.model_version
        scores.attrs["context"] = _named(context)
        stale = () if pool is None or context is None else context.stale(moment(at, ledger.timezone))
        scores.attrs["notices"] = (
            *dict.fromkeys([*matrix.attrs["notices"], *stale]),
            *self._lead_notice(scores),
            *moment_notice(ledger, at),
        )
        return _Scored(scores, matrix)

    def p_late(self, ledger: Ledger, observations: pd.DataFrame, *, context: Context | None = None) -> pd.Series[Any]:
        """Probability that observed obligations are paid late, as `score` says it, whatever their status.

        Parameters
        ----------
        ledger : Ledger
        observations : DataFrame
            As from `Outcome.observations`.
        context : Context, optional

        Returns
        -------
        Series of float64, index of ``observations``, named "p_late"
        """
        matrix = self.features.compute(ledger, observations, context=context)
        bounded, _ = self._bounded(ledger, observations, matrix)
        return pd.Series(bounded[:, 0], index=observations.index, name="p_late")

    def recentred(self, ledger: Ledger, start: Any = None, end: Any = None) -> Self:
        """Another scorer whose mean probability is the share late of a month that has matured.

        To be done monthly: when more or fewer people pay late than in the past, all log-odds are off by about the same.

        Parameters
        ----------
        ledger : Ledger
        start, end : date-like, optional
            Observations that matured between: the last thirty days of the ledger when left out.

        Returns
        -------
        Scorer
            This one does not change. ``model.training_summary_["recentred"]`` says by how much it moved.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than ten rows (H401) or a single class (H402) have a known outcome.
        """
        last = ledger.until if end is None else moment_of(end, ledger)
        first = last - pd.Timedelta(days=30) if start is None else moment_of(start, ledger)
        observed = self.outcome.observations(ledger, first - pd.Timedelta(days=120), last)
        resolved = self.outcome.resolve(ledger, observed)
        ripe = resolved["matures_at"].between(first, last) & resolved["late"].notna()
        rows = observed[ripe]
        moved = self.model.recentred(
            self.features.compute(ledger, rows), resolved.loc[ripe, "late"],
            sample_weight=self.outcome.weights(observed)[ripe], treated=self.outcome.treated(ledger, rows),
        )  # fmt: skip
        return type(self)(
            self.features, self.outcome, moved, self.policy, policy_features=self.policy_features, shock=self.shock,
            days_model=self.days_model, base_rates=self.base_rates, newcomers=self.newcomers, notices=self.notices,
        )  # fmt: skip

    def _bounded(
        self, ledger: Ledger, obs: pd.DataFrame, matrix: pd.DataFrame
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_]]:
        """p_late with its bounds, shape (n, 3), and what it rests on, shape (n,)."""
        bounded = self.model.bounded(matrix)
        rests_on = np.where(has_history(ledger, obs), "history", "newcomers").astype(object)
        new = np.flatnonzero(rests_on == "newcomers")
        if self.newcomers == "base_rates" and self.base_rates is not None and len(new):
            rates = self.base_rates.predict(groups_of(ledger, obs.iloc[new]))
            bounded[new], rests_on[new] = rates[["rate", "low", "high"]].to_numpy(), "base_rate"
        return bounded, rests_on

    def _leading(self, matrix: pd.DataFrame) -> list[tuple[str, ...]]:
        """The leading feature of each family that raises the risk, at most three, the strongest first."""
        names, sums = tuple(map(str, self.model.feature_names_in_)), self._by_family(matrix)
        order, raising = sums.ranking()[:, :3], sums.raising()
        return [
            tuple(names[sums.leading[row, family]] for family in order[row] if raising[row, family])
            for row in range(len(matrix))
        ]

    def _is_trained(self, obs: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Where the lead is one that the model was trained on; running periods are scored at any share of them."""
        return ((obs["stage"] == "cycle") | obs["lead_days"].isin(self.outcome.leads)).to_numpy(dtype=bool)

    def _lead_notice(self, scores: pd.DataFrame) -> tuple[str, ...]:
        """Say where a lead was scored that the model was not trained on."""
        leads = scores.loc[~scores["lead_is_trained"] & (scores["status"] == "scored"), "lead_days"]
        if not len(leads):
            return ()
        count, strange = len(leads), sorted(set(leads.tolist()))
        who = "1 obligation is" if count == 1 else f"{count:,} obligations are"
        span = f"{strange[0]}" if len(strange) == 1 else f"{strange[0]} to {strange[-1]}"
        trained = ", ".join(map(str, self.outcome.leads))
        return (f"{who} scored at leads the model was not trained on ({span} days; trained on {trained}).",)

    # -- days --------------------------------------------------------------------------------------------

    def pay_days(
        self, ledger: Ledger, as_of: Any = None, horizon_days: int = 35, *, context: Context | None = None
    ) -> tuple[pd.DataFrame, PayDays]:
        """When each obligation with a known amount will be paid: those open at a moment, overdue ones included.

        Parameters
        ----------
        ledger : Ledger
        as_of : date-like, optional
            As in `score`.
        horizon_days : int
        context : Context, optional

        Returns
        -------
        observations : DataFrame, shape (n, …)
            As from `Outcome.standing`, running periods left out.
        days : PayDays, n obligations
            ``days.frame()`` says median day and probabilities, ``days.cash(observations["open_amount"])`` what comes
            in by date.

        Raises
        ------
        EarlywarnError
            E032 when the scorer has no model of days.
        """
        ledger = need_ledger(ledger, "a Scorer")
        at = day_after(ledger) if as_of is None else moment_of(as_of, ledger)
        obs = self._open(ledger, at, horizon_days, context)
        return obs, self._days(ledger, obs, context)

    def exposure(
        self, ledger: Ledger, as_of: Any = None, after: Sequence[int] = DAYS, *, context: Context | None = None
    ) -> pd.DataFrame:
        """How much each debtor may owe if one waits: bills unpaid by then, use not billed yet, and further use.

        Parameters
        ----------
        ledger : Ledger
        as_of : date-like, optional
            As in `score`.
        after : sequence of int
            Days from ``as_of`` on.
        context : Context, optional

        Returns
        -------
        DataFrame
            customer_id, date, owed, accrued, use and exposure, each with the bounds of an 80% interval (``_low``,
            ``_high``), limit (of the contracts; missing without any), over_limit. Owed is what has been billed,
            whenever it is due; amounts that are only planned count as the use that they are for.

        Raises
        ------
        EarlywarnError
            E032 when the scorer has no model of days.
        """
        at = day_after(ledger) if as_of is None else moment_of(as_of, ledger)
        obs = self._open(ledger, at, EVER_DAYS, context)
        billed = (obs["stage"] != "scheduled") | obs["obligation_id"].str.startswith("instalment:")
        obs = obs[billed].reset_index(drop=True)
        pool = None if context is None else context.pool
        return exposure_of_waiting(ledger, obs, self._days(ledger, obs, context), at, after, pool=pool)

    def _open(self, ledger: Ledger, at: pd.Timestamp, horizon_days: int, context: Context | None) -> pd.DataFrame:
        """Obligations with a known amount that stand open and fall due within a horizon."""
        obs = self.outcome.standing(ledger, at, horizon_days, pool=self._pool(ledger, context))
        return obs[obs["stage"] != "cycle"].reset_index(drop=True)

    def _days(self, ledger: Ledger, obs: pd.DataFrame, context: Context | None) -> PayDays:
        if self.days_model is None:
            raise EarlywarnError(
                "this scorer does not know when bills are paid.", code="E032",
                hint="make it with ew.train(…), or hand over days_model=PaymentDayModel(…).fit(…).",
            )  # fmt: skip
        return self.days_model.predict(self.features.compute(ledger, obs, context=context), obs)

    # -- plan --------------------------------------------------------------------------------------------

    def recommend(
        self,
        ledger: Ledger,
        as_of: Any = None,
        capacity: Mapping[str, int] | None = None,
        *,
        horizon_days: int = 35,
        language: str = "en",
        context: Context | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> pd.DataFrame:
        """The plan: one row per debtor: an action, or why not.

        Parameters
        ----------
        ledger : Ledger
        as_of : date-like, optional
            As in `score`.
        capacity : mapping of str to int, optional
            Limits by the names the policy declares; what is not named is not limited.
        horizon_days : int
        language : str
            Of the reasons.
        context : Context, optional
        progress : callable, optional

        Returns
        -------
        DataFrame
            The columns of `PLAN_COLUMNS`. ``reasons`` are sentences for rows with an action. Debtors are
            ranked by risk times amount for now; values and optimisation come with a later version.
        """
        scored = self._score(ledger, as_of, horizon_days, None, context, progress)
        plan = self.policy.decide(
            scored.scores, scored.matrix, ledger, pd.Timestamp(scored.scores.attrs["as_of"]), capacity
        )
        plan["reasons"] = self._sentences(plan, scored, language, ledger.currency)
        plan.attrs.update(scored.scores.attrs)
        return plan

    def _sentences(self, plan: pd.DataFrame, scored: _Scored, language: str, currency: str) -> npt.NDArray[np.object_]:
        """Reasons in words for the leading obligation of each row with an action."""
        sentences = np.empty(len(plan), dtype=object)
        sentences[:] = [()] * len(plan)
        place = {label: row for row, label in enumerate(scored.scores["obligation_id"])}
        known = scored.scores["status"].to_numpy() == "scored"
        acting = np.flatnonzero(plan["exclusion"].isna().to_numpy())
        leading = [place.get(plan["subjects"].iloc[row][0], -1) for row in acting]
        said = [(row, at) for row, at in zip(acting, leading, strict=True) if at >= 0 and known[at]]
        if not said:
            return sentences
        rows = scored.matrix.iloc[[at for _, at in said]]
        matrix = rows[list(self.features.names)].reset_index(drop=True)
        codes = self.model.reason_codes(matrix, top=3, language=language, currency=currency)
        of_them = scored.scores.iloc[[at for _, at in said]].reset_index(drop=True)
        by_rate = (of_them["rests_on"] == "base_rate").to_numpy(dtype=bool)
        codes = with_base_rates(codes, of_them["p_late"], by_rate, language)
        telling = codes[(codes["contribution"] >= TELLING) | (codes["rank"] == 1)]
        for number, own in telling.groupby("observation", sort=False):
            sentences[said[int(number)][0]] = tuple(own["text"])  # type: ignore[arg-type]
        return sentences

    # -- bundle ------------------------------------------------------------------------------------------

    @cached_property
    def model_version(self) -> str:
        """The first 12 characters of the SHA-256 over everything that decides a score."""
        parts = sorted(self._files().items())
        return sha256(
            b"".join(sha256(content).digest() for name, content in parts if not name.startswith(("policy", "notices")))
        ).hexdigest()[:12]

    def _files(self) -> dict[str, bytes]:
        return to_files(self)

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write a bundle of data: no pickle, no clock time, no path; equal scorers give equal bytes.

        Parameters
        ----------
        directory : path
            A new folder, or an earlier bundle, which is replaced.

        Returns
        -------
        Path
        """
        return write_bundle(directory, self._files())

    @classmethod
    def load(cls, directory: str | os.PathLike[str], *, tracking_uri: str | None = None) -> Self:
        """Read a bundle; runs no code of it and refuses what is changed, missing or foreign.

        Parameters
        ----------
        directory : path
            A bundle, or the address of one that MLflow keeps: ``models:/name@champion``, ``models:/name/3``.
        tracking_uri : str, optional
            Of MLflow.

        Returns
        -------
        Scorer

        Raises
        ------
        BundleError
            B510–B514, B520–B522, B515 when a file does not hold what it should, and B516 when it needs an aggregate
            of the user's own that is not there, or is another one.
        """
        if isinstance(directory, str) and directory.startswith(tracking.ADDRESSES):
            return cls(**from_files(tracking.download(directory, tracking_uri=tracking_uri)))
        return cls(**from_files(read_bundle(directory)))

    def __repr__(self) -> str:
        return f"<Scorer: {len(self.features)} features, {self.outcome}, model {self.model_version}>"


def _check_features(model: CalibratedModel | PaymentDayModel, features: FeatureSet) -> None:
    fitted = set(map(str, model.feature_names_in_))
    if fitted != set(features.names):
        strange = sorted(fitted ^ set(features.names))
        raise FeatureError(
            "the model was fitted on other features than these.",
            code="F290",
            found=", ".join(strange[:10]),
            hint="fit it on features.compute(ledger, observations), or hand over the set it was fitted on.",
        )


def _beyond(features: FeatureSet, policy: Policy) -> FeatureSet:
    """What the policy reads beyond the model's features, from the shipped catalogue."""
    lacking = [name for name in policy.features_needed if name not in features]
    if not lacking:
        return FeatureSet([], features.families)
    catalogue = FeatureSet.default()
    policy.check_features((*features.names, *catalogue.names))
    return catalogue.select(*lacking)


def _named(context: Context | None) -> str | None:
    """The fingerprint of a context that was handed over."""
    return None if context is None else context.fingerprint
