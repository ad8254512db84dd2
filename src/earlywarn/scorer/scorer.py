"""The Scorer: one pass from a ledger at a moment to scores and a plan, and back from a bundle of data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.gates import obligation_status
from earlywarn.actions.plan import PLAN_COLUMNS
from earlywarn.actions.policy import Policy
from earlywarn.dates import moment
from earlywarn.errors import BundleError, DataError, FeatureError, suggest
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.context import Context
from earlywarn.outcomes import CyclePool, Outcome, cycle_accounts
from earlywarn.reasons.codes import families_of
from earlywarn.reasons.families import family_sums
from earlywarn.risk.model import RiskModel
from earlywarn.scorer.bundle import read_bundle, write_bundle
from earlywarn.tables.facts import as_text, units
from earlywarn.tables.handed_over import need_ledger
from earlywarn.tables.ledger import Ledger

__all__ = ["PLAN_COLUMNS", "SCORE_COLUMNS", "Scorer"]

#: Columns of the scores and their dtypes. amount_low and amount_high bound the projected bill of the stage
#: "cycle"; p_low and p_high p_late, see `RiskModel.predict_interval`. p_shock comes with a later version; until then it
#: is missing in every row. lead_is_trained is False where the model was trained on other leads and has to extrapolate.
SCORE_COLUMNS = {
    "obligation_id": "text",
    "stage": "text",
    "invoice_id": "text",
    "customer_id": "text",
    "account_id": "text",
    "contract_id": "text",
    "due_on": "datetime64[us]",
    "due_is_estimated": "bool",
    "lead_days": "int64",
    "amount": "float64",
    "amount_low": "float64",
    "amount_high": "float64",
    "p_late": "float64",
    "p_low": "float64",
    "p_high": "float64",
    "p_shock": "float64",
    "exposure": "float64",
    "band": "text",
    "reasons": "tuple",
    "status": "text",
    "lead_is_trained": "bool",
}
#: Log-odds below which a reason is too small to be told beside a larger one.
TELLING = 0.1
_FILES = ("features.json", "policy_features.json", "outcome.json", "policy.toml", "booster.ubj", "model.json")


class _Scored(NamedTuple):
    scores: pd.DataFrame
    matrix: pd.DataFrame


class Scorer:
    """Features, outcome, fitted model and policy together.

    Parameters
    ----------
    features : FeatureSet
    outcome : Outcome
    model : RiskModel
        Fitted on exactly these features.
    policy : Policy
    policy_features : FeatureSet, optional
        What the policy's conditions name beyond ``features``; from the shipped catalogue when left out.

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
        model: RiskModel,
        policy: Policy,
        *,
        policy_features: FeatureSet | None = None,
    ) -> None:
        fitted = set(map(str, model.feature_names_in_))
        if fitted != set(features.names):
            strange = sorted(fitted ^ set(features.names))
            raise FeatureError(
                "the model was fitted on other features than these.",
                code="F290",
                found=", ".join(strange[:10]),
                hint="fit it on features.compute(ledger, observations), or hand over the set it was fitted on.",
            )
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
            as_of, model_version, context (its fingerprint, or None) and notices.
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
        matrix = self.features.compute(ledger, asked, context=context)
        return self.model.reason_codes(matrix, top=top, language=language, currency=ledger.currency)

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
        at = _day_after(ledger) if as_of is None else _moment(as_of, ledger)
        pool = self._pool(ledger, context)
        obs = self.outcome.standing(ledger, at, horizon_days, disputed=True, pool=pool)
        if customers is not None:
            asked = list(customers)
            strange = sorted(set(asked) - set(ledger.customers))
            if strange:
                raise DataError(
                    f"there is no customer {strange[0]!r}.", code="D162", hint=suggest(strange[0], ledger.customers)
                )
            obs = obs[obs["customer_id"].isin(asked)].reset_index(drop=True)
        status = obligation_status(obs, ledger, at, self.policy)
        every = self.features + self.policy_features
        matrix = every.compute(ledger, obs, context=context, progress=progress)
        scored = np.flatnonzero(status == "scored")
        bounded = np.full((len(obs), 3), np.nan)
        reasons = np.empty(len(obs), dtype=object)
        reasons[:] = [()] * len(obs)
        if len(scored):
            rows = matrix.iloc[scored][list(self.features.names)]
            bounded[scored] = self.model.bounded(rows)
            reasons[scored] = self._leading(rows)
        scores = pd.DataFrame(
            {
                **{name: obs[name] for name in ("obligation_id", "stage", "invoice_id", "customer_id")},
                **_contract_columns(ledger, obs),
                "due_on": obs["due_on"],
                "due_is_estimated": obs["due_is_estimated"],
                "lead_days": obs["lead_days"],
                "amount": obs["open_amount"],
                "amount_low": obs["amount_low"],
                "amount_high": obs["amount_high"],
                "p_late": bounded[:, 0],
                "p_low": bounded[:, 1],
                "p_high": bounded[:, 2],
                "p_shock": np.nan,
                "exposure": _exposure(ledger, obs, at),
                "band": self.policy.band(bounded[:, 0]),
                "reasons": reasons,
                "status": status,
                "lead_is_trained": self._is_trained(obs),
            }
        )[list(SCORE_COLUMNS)]
        scores.attrs["as_of"] = at.isoformat()
        scores.attrs["model_version"] = self.model_version
        scores.attrs["context"] = _named(context)
        stale = () if pool is None or context is None else context.stale(moment(at, ledger.timezone))
        scores.attrs["notices"] = (
            *dict.fromkeys([*matrix.attrs["notices"], *stale]),
            *self._lead_notice(scores),
            *_moment_notice(ledger, at),
        )
        return _Scored(scores, matrix)

    def _leading(self, matrix: pd.DataFrame) -> list[tuple[str, ...]]:
        """The leading feature of each family that raises the risk, at most three, the strongest first."""
        names = tuple(map(str, self.model.feature_names_in_))
        values = self.model.calibrator_.slope * self.model.shap_values(matrix)
        sums = family_sums(values, families_of(names, self.features))
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
            b"".join(sha256(content).digest() for name, content in parts if not name.startswith("policy"))
        ).hexdigest()[:12]

    def _files(self) -> dict[str, bytes]:
        outcome = {
            "grace_days": self.outcome.grace_days,
            "lead_days": list(self.outcome.leads),
            "stages": list(self.outcome.stages),
            "cycle_shares": list(self.outcome.cycle_shares),
        }
        return {
            "features.json": _json(self.features.to_dict()),
            "policy_features.json": _json(self.policy_features.to_dict()),
            "outcome.json": _json(outcome),
            "policy.toml": self.policy.text.encode(),
            **self.model.to_files(),
        }

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
    def load(cls, directory: str | os.PathLike[str]) -> Self:
        """Read a bundle; runs no code of it and refuses what is changed, missing or foreign.

        Parameters
        ----------
        directory : path

        Returns
        -------
        Scorer

        Raises
        ------
        BundleError
            B510–B514, B520–B522, B515 when a file does not hold what it should, and B516 when it needs an aggregate
            of the user's own that is not there, or is another one.
        """
        content = read_bundle(directory)
        strange = sorted(set(content) ^ set(_FILES))
        if strange:
            raise BundleError("the bundle does not hold a scorer.", code="B514", found=", ".join(strange))
        try:
            features = FeatureSet.from_dict(json.loads(content["features.json"]))
            outcome = json.loads(content["outcome.json"])
            return cls(
                features,
                Outcome(
                    grace_days=int(outcome["grace_days"]),
                    lead_days=tuple(outcome["lead_days"]),
                    stages=tuple(outcome["stages"]),
                    cycle_shares=tuple(outcome["cycle_shares"]),
                ),
                RiskModel.from_files({name: content[name] for name in ("booster.ubj", "model.json")}, features),
                Policy.from_text(content["policy.toml"].decode()),
                policy_features=FeatureSet.from_dict(json.loads(content["policy_features.json"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FeatureError) and error.code in ("F242", "F243"):  # an aggregate of the user's own
                raise BundleError(error.what, code="B516", found=error.found, hint=error.hint) from error
            raise BundleError(
                "a file of the bundle does not hold what it should.",
                code="B515",
                found=str(error).splitlines()[0],
                hint="save it again with this version.",
            ) from error

    def __repr__(self) -> str:
        return f"<Scorer: {len(self.features)} features, {self.outcome}, model {self.model_version}>"


def _beyond(features: FeatureSet, policy: Policy) -> FeatureSet:
    """What the policy reads beyond the model's features, from the shipped catalogue."""
    lacking = [name for name in policy.features_needed if name not in features]
    if not lacking:
        return FeatureSet([], features.families)
    catalogue = FeatureSet.default()
    policy.check_features((*features.names, *catalogue.names))
    return catalogue.select(*lacking)


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def _named(context: Context | None) -> str | None:
    """The fingerprint of a context that was handed over."""
    return None if context is None else context.fingerprint


def _day_after(ledger: Ledger) -> pd.Timestamp:
    """The first midnight that sees everything the ledger knows."""
    return ledger.until.ceil("D")


def _moment(as_of: Any, ledger: Ledger) -> pd.Timestamp:
    return pd.Timestamp(np.datetime64(moment(as_of, ledger.timezone), "us"))


def _moment_notice(ledger: Ledger, at: pd.Timestamp) -> tuple[str, ...]:
    """Say where the moment does not fit the data: facts it does not see, or days that nobody knows of."""
    everything = _day_after(ledger)
    if at < everything:
        return (f"as_of {at} does not see what became known from then to {ledger.until}.",)
    if at > everything + pd.Timedelta(days=1):
        return (f"as_of {at} lies after the data, which are complete up to {ledger.until}; say more with until=….",)
    return ()


def _contract_columns(ledger: Ledger, obs: pd.DataFrame) -> dict[str, Any]:
    """Account and contract of each obligation, from its invoice, or from the bills before a running period."""
    invoices = ledger.facts("invoices")
    ids = invoices.text("invoice_id").values()
    columns: dict[str, Any] = {}
    running = (obs["stage"] == "cycle").to_numpy(dtype=bool)
    of_cycle = cycle_accounts(ledger, obs["obligation_id"][running])
    for name, own in zip(("account_id", "contract_id"), of_cycle, strict=True):
        of_invoice = dict(zip(ids, invoices.text(name).values(), strict=True))
        words = np.array([of_invoice.get(label) for label in obs["invoice_id"]], dtype=object)
        words[running] = own
        columns[name] = as_text(words)
    return columns


def _exposure(ledger: Ledger, obs: pd.DataFrame, as_of: pd.Timestamp) -> npt.NDArray[np.float64]:
    """Open receivable of each obligation's debtor, in units of currency."""
    balances = ledger.facts("balances").known_before(moment(as_of, ledger.timezone))
    latest = np.zeros(len(ledger.customers) + 1, dtype=np.int64)
    latest[balances.owner] = np.asarray(balances.columns["open_amount"])
    place = {label: code for code, label in enumerate(ledger.customers)}
    owners = np.array([place.get(label, -1) for label in obs["customer_id"]], dtype=np.int64)
    return units(latest[owners], ledger.digits)
