"""What a Scorer is asked by people: why, what if, and what to say."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.gates import obligation_status
from earlywarn.actions.policy import Policy
from earlywarn.dates import moment
from earlywarn.errors import DataError, suggest
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.context import Context
from earlywarn.outcomes import CyclePool, Outcome
from earlywarn.reasons.call_card import CallCard, call_card, families_told
from earlywarn.reasons.codes import families_of
from earlywarn.reasons.families import FamilySums, family_sums
from earlywarn.reasons.formats import tag_of
from earlywarn.reasons.voices import customer_fact, customer_text, own_fact
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.scorer.columns import day_after, moment_of
from earlywarn.scorer.explanation import CustomerExplanation, explain_customer
from earlywarn.tables.handed_over import need_customers, need_ledger
from earlywarn.tables.ledger import Ledger
from earlywarn.whatif.asking import Question
from earlywarn.whatif.changes import Change
from earlywarn.whatif.counterfactual import Counterfactual, find_counterfactual
from earlywarn.whatif.stress import SCENARIOS, StressTest, stress

__all__ = ["Asked"]

#: Days before a collection until which its date can still be moved.
MOVABLE_DAYS = 3
#: Log-odds that put what is news before what is not.
NEWS_FIRST = 1e3
#: Tags of languages that texts are written in.
SPOKEN = re.compile(r"(en|nl|fr)([-_][a-z]{2})?", re.IGNORECASE)


class Asked(ABC):
    """The part of a Scorer that answers people: explanations, what if, messages and call cards."""

    features: FeatureSet
    outcome: Outcome
    model: CalibratedModel
    policy: Policy

    @abstractmethod
    def context(self, ledger: Any, as_of: Any = None, *, progress: Callable[[float], None] | None = None) -> Context:
        """What crosses customers."""

    @abstractmethod
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
        """Scores of obligations."""

    @abstractmethod
    def reasons(
        self,
        ledger: Ledger,
        scores: pd.DataFrame,
        *,
        top: int | None = 3,
        language: str = "en",
        context: Context | None = None,
    ) -> pd.DataFrame:
        """Reason codes of scores."""

    @abstractmethod
    def _matrix_of(self, ledger: Ledger, scores: pd.DataFrame, context: Context | None) -> pd.DataFrame: ...

    @abstractmethod
    def _pool(self, ledger: Ledger, context: Context | None) -> CyclePool | None: ...

    @abstractmethod
    def _bounded(
        self, ledger: Ledger, obs: pd.DataFrame, matrix: pd.DataFrame
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_]]: ...

    # -- why ---------------------------------------------------------------------------------------------

    def explain(
        self,
        ledger: Ledger,
        customer_id: str,
        as_of: Any = None,
        *,
        horizon_days: int = 35,
        language: str = "en",
        context: Context | None = None,
    ) -> CustomerExplanation:
        """Why one customer's obligations have the risk they have: reasons both ways, pictures, what if.

        Parameters
        ----------
        ledger : Ledger
        customer_id : str
        as_of : date-like, optional
            As in `score`.
        horizon_days : int
        language : str
            Of words and pictures.
        context : Context, optional

        Returns
        -------
        CustomerExplanation
            Shows itself in a notebook; ``.reasons`` is a frame, ``.waterfall()`` and ``.timeline()`` draw.

        Raises
        ------
        DataError
            D162 no such customer, D167 when nothing of theirs is scored then.
        """
        ledger = need_ledger(ledger, "a Scorer")
        whole = self.context(ledger, as_of) if context is None else context
        scores = self.score(ledger, as_of, horizon_days, customers=[customer_id], context=whole)
        scored = scores[scores["status"] == "scored"]
        if not len(scored):
            raise DataError(
                f"nothing of customer {customer_id!r} is scored then.",
                code="D167",
                found=", ".join(scores["status"].unique()) or "no open obligation",
                hint="look further ahead with horizon_days=, or at another moment.",
            )
        codes = self.reasons(ledger, scored, top=None, language=language, context=whole)
        question = self._question(ledger, [customer_id], scores.attrs["as_of"], horizon_days, whole)
        return explain_customer(ledger, scored, codes, self.features, question, self.policy.band, language=language)

    def family_reasons(self, ledger: Ledger, scores: pd.DataFrame, *, context: Context | None = None) -> pd.DataFrame:
        """Contributions of every family for rows of a score, ready for `reasons_by`, `reasons_over_time` and plots.

        Parameters
        ----------
        ledger : Ledger
            The one that was scored.
        scores : DataFrame
            Rows from `score` with status "scored".
        context : Context, optional
            The one that was scored with.

        Returns
        -------
        DataFrame, shape (n, families)
            Log-odds, calibrated; index of ``scores``.
        """
        sums = self._by_family(self._matrix_of(ledger, scores, context))
        return pd.DataFrame(sums.values, columns=list(sums.names), index=scores.index)

    def _by_family(self, matrix: pd.DataFrame) -> FamilySums:
        """Calibrated contributions of a matrix, added up by family."""
        names = tuple(map(str, self.model.feature_names_in_))
        values = self.model.calibrator_.slope * self.model.shap_values(matrix)
        return family_sums(values, families_of(names, self.features))

    # -- what if -----------------------------------------------------------------------------------------

    def counterfactual(
        self,
        ledger: Ledger,
        customer_id: str,
        as_of: Any = None,
        *,
        obligation_id: str | None = None,
        horizon_days: int = 35,
        context: Context | None = None,
    ) -> Counterfactual:
        """The smallest change, in at most two things that can be acted on, by which the model would say a lower band.

        Parameters
        ----------
        ledger : Ledger
        customer_id : str
        as_of : date-like, optional
            As in `score`.
        obligation_id : str, optional
            The riskiest one when left out.
        horizon_days : int
        context : Context, optional

        Returns
        -------
        Counterfactual
            ``.text(language)`` says it; ``.tried`` lists everything that was asked.

        Raises
        ------
        DataError
            D162 no such customer, D167 no such obligation open then.
        """
        question = self._question(ledger, [customer_id], as_of, horizon_days, context)
        if obligation_id is None:
            place = int(np.argmax(question.asked()["p_late"].to_numpy()))
        else:
            ids = question.obs["obligation_id"].tolist()
            if obligation_id not in ids:
                raise DataError(
                    f"obligation {obligation_id!r} is not open then.", code="D167", hint=suggest(obligation_id, ids)
                )
            place = ids.index(obligation_id)
        return find_counterfactual(question.only(place), self.policy.band)

    def stress_test(
        self,
        ledger: Ledger,
        as_of: Any = None,
        *,
        customers: Iterable[str] | None = None,
        scenarios: Sequence[Sequence[Change]] = SCENARIOS,
        horizon_days: int = 35,
        context: Context | None = None,
    ) -> StressTest:
        """Risk, open amounts and bills if prices, use, income or the due day were otherwise.

        Parameters
        ----------
        ledger : Ledger
        as_of : date-like, optional
            As in `score`.
        customers : iterable of str, optional
            Of whom; all when left out.
        scenarios : sequence of sequence of Change
            Each a set of changes that hold together.
        horizon_days : int
        context : Context, optional

        Returns
        -------
        StressTest
            ``.table`` and ``.plot()``; ``.self_check(language)`` invites one customer to look for themselves.

        Raises
        ------
        DataError
            D162 no such customer, D167 when nothing is open then.
        """
        wanted = None if customers is None else list(customers)
        return stress(self._question(ledger, wanted, as_of, horizon_days, context), self.policy.band, scenarios)

    def _question(
        self, ledger: Ledger, customers: Sequence[str] | None, as_of: Any, horizon_days: int, context: Context | None
    ) -> Question:
        """The obligations of debtors that are scored, ready to be asked about; who is held back is not asked about."""
        ledger = need_ledger(ledger, "a Scorer")
        at = day_after(ledger) if as_of is None else moment_of(as_of, ledger)
        whole = self.context(ledger, at) if context is None else context
        known = ledger.known_before(moment(at, ledger.timezone))
        if customers is not None:
            known = known.of_customers(need_customers(ledger, customers))
        pool = self._pool(ledger, whole)

        def observe(part: Ledger) -> pd.DataFrame:
            return self.outcome.standing(part, at, horizon_days, pool=pool)

        obs = observe(known)
        obs = obs[obligation_status(obs, known, at, self.policy) == "scored"].reset_index(drop=True)
        if not len(obs):
            raise DataError(
                "nothing that is scored is open then.", code="D167",
                hint="look further ahead with horizon_days=, or at another moment.",
            )  # fmt: skip
        return Question(
            known,
            obs,
            self.features,
            observe,
            lambda part, rows, matrix: self._bounded(part, rows, matrix)[0][:, 0],
            whole,
        )

    # -- what to say -------------------------------------------------------------------------------------

    def messages(
        self,
        ledger: Ledger,
        plan: pd.DataFrame,
        *,
        language: str | None = None,
        formality: str = "formal",
        company: str = "…",
        name: str = "…",
        context: Context | None = None,
    ) -> pd.DataFrame:
        """What is said to each customer of a plan who is contacted: a message, or the card of a call.

        Parameters
        ----------
        ledger : Ledger
            The one that was planned on.
        plan : DataFrame
            As from `recommend`.
        language : str, optional
            One for all; left out, each customer's own (``customers.language``), else English.
        formality : {"formal", "informal"}
        company, name : str
            Of the organisation, and of the agent who calls.
        context : Context, optional
            The one that was planned with.

        Returns
        -------
        DataFrame
            customer_id, action, angle, channel, language, text, card (a `CallCard` for calls, else None); one row a
            contact, in the order of the plan.

        Raises
        ------
        FeatureError
            F267 when a text of the catalogue's own holds a word that customers are not told.
        """
        rows = plan[plan["exclusion"].isna() & (plan["action"] != "nothing")]
        told: list[Mapping[str, Any]] = []
        if len(rows):
            told = list(self._told(ledger, plan, rows, language, formality, company, name, context))
        columns = ["customer_id", "action", "angle", "channel", "language", "text", "card"]
        return pd.DataFrame(told, columns=columns)

    def call_cards(self, ledger: Ledger, plan: pd.DataFrame, **asked: Any) -> dict[str, CallCard]:
        """The cards of the calls of a plan, by customer.

        Parameters
        ----------
        ledger : Ledger
        plan : DataFrame
            As from `recommend`.
        **asked
            As for `messages`.

        Returns
        -------
        dict of str to CallCard
        """
        told = self.messages(ledger, plan, **asked)
        return {str(who): card for who, card in zip(told["customer_id"], told["card"], strict=True) if card is not None}

    def _told(
        self, ledger: Ledger, plan: pd.DataFrame, rows: pd.DataFrame, language: str | None, formality: str,
        company: str, name: str, context: Context | None,
    ) -> Iterable[Mapping[str, Any]]:  # fmt: skip
        at = pd.Timestamp(plan.attrs["as_of"])
        obs = self.outcome.standing(ledger, at, 400, disputed=True, pool=self._pool(ledger, context))
        leading = obs.drop_duplicates("obligation_id").set_index("obligation_id", drop=False)
        leading = leading.reindex([subjects[0] for subjects in rows["subjects"]]).reset_index(drop=True)
        known = leading["customer_id"].notna().to_numpy(dtype=bool)
        matrix = self.features.compute(ledger, leading[known].reset_index(drop=True), context=context)
        facts = self._facts(matrix, rows["angle"].to_numpy()[known])
        place = np.cumsum(known) - 1
        languages = _languages(ledger, rows["customer_id"]) if language is None else [language] * len(rows)
        used = matrix.get("usage_outside_bundle_cost_30d", pd.Series(np.nan, index=matrix.index)).to_numpy()
        contacted: Iterable[Any] = rows.itertuples()
        for number, (row, tag) in enumerate(zip(contacted, languages, strict=True)):
            bill = leading.iloc[number]
            style: dict[str, Any] = {"language": tag, "formality": formality}
            lead = facts[place[number]] if known[number] else None
            text, card = "", None
            if row.channel == "phone":
                fact, wish = None, None
                if lead is not None:
                    values = matrix.iloc[place[number]].to_dict()
                    style_of_facts = {**style, "currency": ledger.currency}
                    if is_news(values[lead]):
                        fact = own_fact(self.features[lead], values, **style_of_facts)
                    wish = customer_fact(self.features[lead], {}, families=self.features.families, **style_of_facts)
                card = call_card(
                    str(row.customer_id),
                    str(row.angle),
                    fact,
                    wish=wish,
                    name=name,
                    company=company,
                    background=row.reasons,
                    **style,
                )
                text = card.opening
            else:
                figures = _figures(bill, row, at, used[place[number]] if known[number] else np.nan)
                text = customer_text(str(row.angle), figures, currency=ledger.currency, **style)
            yield {
                "customer_id": row.customer_id, "action": row.action, "angle": row.angle, "channel": row.channel,
                "language": tag, "text": text, "card": card,
            }  # fmt: skip

    def _facts(self, matrix: pd.DataFrame, angles: npt.NDArray[Any]) -> list[str | None]:
        """Of each row the feature that fits its angle and raises the risk most, one that is news to the customer first.

        None where no such feature raises the risk.
        """
        features = [self.features[str(name)] for name in self.model.feature_names_in_]
        names = [feature.name for feature in features]
        told = [at for at, feature in enumerate(features) if feature.customer]
        numbers = matrix[[names[at] for at in told]].to_numpy(dtype=np.float64)
        news = np.zeros((len(matrix), len(names)), dtype=bool)
        news[:, told] = numbers > 0
        fits = {
            angle: np.array([one.family in (families_told(angle) or (one.family,)) for one in features])
            for angle in set(angles.tolist())
        }
        may = np.array([fits[angle] for angle in angles], dtype=bool).reshape(len(matrix), len(names))
        values = np.where(may, self.model.shap_values(matrix), -np.inf)
        best = np.where(news & (values > 0), values + NEWS_FIRST, values).argmax(axis=1)
        return [names[at] if values[row, at] > 0 else None for row, at in enumerate(best)]


def is_news(value: object) -> bool:
    """Whether a value says that something is there to be told: every sentence for customers is about more of something.

    Examples
    --------
    >>> is_news(2.0), is_news(0.0), is_news(float("nan"))
    (True, False, False)
    """
    return isinstance(value, int | float | np.number) and float(value) > 0


def _figures(bill: pd.Series[Any], row: Any, at: pd.Timestamp, used: float) -> dict[str, object]:
    """What a message may show: of use what it cost outside the bundle, of a bill what is certain of it."""
    if row.angle == "usage_high":
        return {"amount": float(used)} if used > 0 else {}
    if pd.isna(bill["customer_id"]) or bill["stage"] == "cycle" or bill["due_is_estimated"]:
        return {}
    due = pd.Timestamp(bill["due_on"])
    figures: dict[str, object] = {"amount": float(bill["open_amount"]), "on": due}
    until = due - pd.Timedelta(days=MOVABLE_DAYS)
    return {**figures, "until": until} if until > at else figures


def _languages(ledger: Ledger, customers: pd.Series[Any]) -> list[str]:
    """Each customer's own language where it is known and spoken here; English else."""
    if "customers" not in ledger.given or "language" not in ledger.table("customers").columns:
        return ["en"] * len(customers)
    frame = ledger.frame("customers").drop_duplicates("customer_id", keep="last").set_index("customer_id")
    tags = frame["language"].reindex(customers.to_numpy()).tolist()
    return [tag_of(tag) if isinstance(tag, str) and SPOKEN.fullmatch(tag.strip()) else "en" for tag in tags]
