"""What a Scorer is asked by people: why, what if, and what to say."""

from __future__ import annotations

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
from earlywarn.reasons.call_card import CallCard
from earlywarn.reasons.codes import families_of
from earlywarn.reasons.families import FamilySums, family_sums
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.scorer.columns import day_after, moment_of
from earlywarn.scorer.explanation import CustomerExplanation, explain_customer
from earlywarn.scorer.saying import Saying
from earlywarn.tables.handed_over import need_customers, need_ledger
from earlywarn.tables.ledger import Ledger
from earlywarn.whatif.asking import Question
from earlywarn.whatif.changes import Change
from earlywarn.whatif.counterfactual import Counterfactual, find_counterfactual
from earlywarn.whatif.stress import SCENARIOS, StressTest, stress

__all__ = ["Asked"]

#: Days ahead in which the bill of a contact is looked for.
FURTHEST_DAYS = 400


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
            obs = self.outcome.standing(
                ledger, plan.attrs["as_of"], FURTHEST_DAYS, disputed=True, pool=self._pool(ledger, context)
            )
            said = Saying(self.features, self.model, ledger, context, formality=formality, company=company, name=name)
            told = list(said.of(rows, obs, pd.Timestamp(plan.attrs["as_of"]), language))
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
