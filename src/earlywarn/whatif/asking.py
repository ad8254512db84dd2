"""Asking the model again about changed data: the same obligations at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY, moment
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.features.evaluate import Codes
from earlywarn.features.observed import Observed
from earlywarn.features.segments import group_counts
from earlywarn.tables.ledger import Ledger
from earlywarn.whatif.changes import AMOUNTS, COLLECTED, DIRECT_DEBIT, Change, changed_bills, changed_ledger

__all__ = ["Question"]

Floats = npt.NDArray[np.float64]
#: Days back over which the usual bill is taken.
USUAL_DAYS = 400


@dataclass(frozen=True)
class Question:
    """Obligations of some debtors at a moment, ready to be asked about.

    Parameters
    ----------
    ledger : Ledger
        As it was known at the moment, of these debtors only.
    obs : DataFrame, shape (n, …)
        As from `Outcome.standing`.
    features : FeatureSet
        Of the model.
    observe : callable
        Gives the obligations that stand open in a ledger.
    predict : callable
        Gives the probability of each row of a matrix, handed ledger, observations and matrix.
    context : Context
        Of the whole book.
    """

    ledger: Ledger
    obs: pd.DataFrame
    features: FeatureSet
    observe: Callable[[Ledger], pd.DataFrame]
    predict: Callable[[Ledger, pd.DataFrame, pd.DataFrame], Floats]
    context: Context

    @property
    def at(self) -> int:
        """The moment, in microseconds."""
        return moment(self.obs["as_of"].iloc[0], self.ledger.timezone)

    @property
    def may_be_collected(self) -> bool:
        """Whether the first bill is not collected yet, and could be by what the ledger says."""
        if not any("collect_by" in self.ledger.table(name).columns for name in COLLECTED):
            return False
        codes = Observed(self.ledger, self.obs.iloc[:1]).field("collect_by")
        now = codes.labels[codes.codes[0]] if isinstance(codes, Codes) and codes.codes[0] >= 0 else ""
        return not now.startswith(DIRECT_DEBIT)

    @cached_property
    def _kept(self) -> pd.DataFrame:
        """Features that no change reaches, as they are."""
        kept = [feature.name for feature in self.features if _stays(feature)]
        if not kept:
            return pd.DataFrame(index=self.obs.index)
        return self.features.select(*kept).compute(self.ledger, self.obs, context=self.context)

    @cached_property
    def _usual(self) -> Floats:
        """The usual bill of each debtor."""
        return _usual_bills(self.ledger, self.obs, self.at)

    def only(self, place: int) -> Question:
        """The same question about one obligation."""
        return replace(self, obs=self.obs.iloc[[place]].reset_index(drop=True))

    def asked(self, changes: Sequence[Change] = ()) -> pd.DataFrame:
        """What the model says after changes.

        Parameters
        ----------
        changes : sequence of Change

        Returns
        -------
        DataFrame, shape (n, 2)
            p_late and amount (what would be open), index of ``obs``.
        """
        return self.asked_all([changes])[0]

    def asked_all(self, sets: Iterable[Sequence[Change]]) -> list[pd.DataFrame]:
        """What the model says after each of several sets of changes; equal changes of facts are made once.

        Parameters
        ----------
        sets : iterable of sequence of Change

        Returns
        -------
        list of DataFrame, as from `asked`
        """
        listed = [tuple(changes) for changes in sets]
        found: dict[int, pd.DataFrame] = {}
        by_facts: dict[tuple[Change, ...], list[int]] = {}
        for place, changes in enumerate(listed):
            facts = tuple(change for change in changes if change.kind != "limit")
            by_facts.setdefault(facts, []).append(place)
        for facts, places in by_facts.items():
            ledger = changed_ledger(self.ledger, facts, self.at, self.obs)
            bills = self._bills(ledger, facts)
            frames = [changed_bills(bills, listed[place], self._usual) for place in places]
            for place, told in zip(places, self._predicted(ledger, frames), strict=True):
                found[place] = told
        return [found[place] for place in range(len(listed))]

    def _bills(self, ledger: Ledger, facts: Sequence[Change]) -> pd.DataFrame:
        """The obligations as they stand in a changed ledger; the amounts of running periods follow use."""
        if not any(change.kind == "usage" for change in facts):
            return self.obs
        anew = self.observe(ledger).drop_duplicates("obligation_id").set_index("obligation_id")
        bills, running = self.obs.copy(), (self.obs["stage"] == "cycle").to_numpy(dtype=bool)
        for name in AMOUNTS:
            if name in bills.columns:
                told = anew[name].reindex(bills["obligation_id"]).to_numpy(dtype=np.float64)
                own = bills[name].to_numpy(dtype=np.float64)
                bills[name] = np.where(running & ~np.isnan(told), told, own)
        return bills

    def _predicted(self, ledger: Ledger, frames: list[pd.DataFrame]) -> list[pd.DataFrame]:
        joined = pd.concat(frames, ignore_index=True)
        matrix = self.features.compute(ledger, joined, context=self.context)
        kept = self._kept
        matrix[kept.columns] = pd.concat([kept] * len(frames), ignore_index=True)
        p_late = self.predict(ledger, joined, matrix)
        amounts = joined["open_amount"].to_numpy(dtype=np.float64)
        n = len(self.obs)
        return [
            pd.DataFrame(
                {"p_late": p_late[place * n : (place + 1) * n], "amount": amounts[place * n : (place + 1) * n]},
                index=self.obs.index,
            )
            for place in range(len(frames))
        ]


def _stays(feature: Feature) -> bool:
    """Whether a feature stays as it is: the lead, and what it says is of other customers."""
    expression = feature.expression
    is_lead = {leaf.column for leaf in expression.fields} == {"days_to_due"} and not expression.aggregates
    return is_lead or bool(group_counts(feature.value))


def _usual_bills(ledger: Ledger, obs: pd.DataFrame, at: int) -> Floats:
    """Median bill of each debtor over the last days; missing where there is none."""
    invoices = ledger.table("invoices").current()
    amount = invoices.numbers("amount") / 10**ledger.digits
    counted = (invoices.happened_at >= at - USUAL_DAYS * US_PER_DAY) & (invoices.known_at < at) & (amount > 0)
    medians = pd.Series(amount[counted]).groupby(invoices.owner[counted]).median()
    return medians.reindex(ledger.owners(obs["customer_id"])).to_numpy(dtype=np.float64)
