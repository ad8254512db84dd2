"""What became of an observed obligation: late, on time, or not to be said, with the reason.

Two clocks: grace says what still counts as on time, maturity when that can be known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import FOREVER, NAT, US_PER_DAY, add_bank_days, day_end, day_number, to_datetime64
from earlywarn.outcomes.arrangements import Received, covered_debts, instalments_by_label, invoice_base, rows_by
from earlywarn.outcomes.bearing import Disputes
from earlywarn.outcomes.versions import Obligations, maturity
from earlywarn.tables.events import returnable_until
from earlywarn.tables.facts import as_text, units
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import CREDIT, PAYMENT, WITHDRAWAL
from earlywarn.tables.streams import failed_collections, tolerance

__all__ = ["Resolver"]

Rows = npt.NDArray[np.int64]


class _Close(NamedTuple):
    """The books of one obligation at the close of its due day plus grace, on value dates."""

    amount: int
    open: int
    came_back: bool
    gone: str | None
    sure_at: int = NAT  # when collections that paid it can come back no more


class _Outcome(NamedTuple):
    """The label of one observation, or why there is none."""

    late: Any
    reason: str | None
    version: int
    open: int
    matures_at: int


def _sure_at(ledger: Ledger) -> dict[int, int]:
    """When a return of each collection would be known, by the number of the payment."""
    payments = ledger.facts("payments")
    until = returnable_until(payments)
    day = day_number(until)
    known = day_end(add_bank_days(day, ledger.payment_lag_days)) if ledger.payment_lag_days else day_end(day)
    sure: dict[int, int] = {}
    event = payments.text("event")
    for row in np.flatnonzero((until != NAT) & ((event.codes < 0) | event.is_word("settled"))):
        number = int(payments.text("payment_id").codes[row])
        sure[number] = max(sure.get(number, NAT), int(known[row]))
    return sure


class Resolver:
    """Looks up what became of obligations, with all that the ledger knows.

    Parameters
    ----------
    ledger : Ledger
    versions : Obligations
    grace_days : int
    """

    def __init__(self, ledger: Ledger, versions: Obligations, grace_days: int) -> None:
        self.ledger = ledger
        self.grace_days = grace_days
        self.v = versions.take(np.lexsort((versions.known_at, versions.number)))
        self.starts = np.searchsorted(self.v.number, np.arange(len(versions.ids) + 1))
        self.due_close = day_end(self.v.due_at // US_PER_DAY)
        self.close = day_end(self.v.due_at // US_PER_DAY + grace_days)
        self.matures = maturity(self.v.due_at, self.v.collected, grace_days, ledger.payment_lag_days)
        self.n_invoices = len(ledger.debts.invoice_ids)
        self.states = ledger.settlement.states
        self.state_ends = np.searchsorted(self.states.debt, np.arange(len(ledger.debts.owner) + 1))
        self.entries = ledger.settlement.entries
        own = np.flatnonzero(self.entries.debt >= 0)
        self.entry_rows = own[np.argsort(self.entries.debt[own], kind="stable")]
        self.entry_starts = np.searchsorted(self.entries.debt[self.entry_rows], np.arange(len(ledger.debts.owner) + 1))
        self.refused = failed_collections(ledger.facts("payments"), ledger.debts)
        self.disputes = Disputes(ledger)
        self.covers = covered_debts(ledger, invoice_base(ledger)) if len(ledger.facts("arrangements")) else {}
        self.instalments_agreed = self._instalments_agreed()
        self.received = Received(ledger)
        arrangements = ledger.facts("arrangements")
        ids = arrangements.text("arrangement_id")
        self.instalments_of = instalments_by_label(ledger)
        self.arrangements_of = {ids.labels[code]: rows for code, rows in rows_by(ids.codes).items()}
        self.arrangement_replaced = arrangements.text("ended_as").is_word("replaced")
        self.sure_at = _sure_at(ledger)

    def _instalments_agreed(self) -> dict[int, list[int]]:
        """When instalments were agreed, by debt."""
        arrangements = self.ledger.facts("arrangements")
        in_parts = ~arrangements.text("kind").is_word("postponement")
        found: dict[int, list[int]] = {}
        for row, debts in self.covers.items():
            for debt in debts if in_parts[row] else []:
                found.setdefault(debt, []).append(int(arrangements.known_at[row]))
        return found

    def resolve(self, numbers: Rows, as_of: Rows, index: pd.Index[Any]) -> pd.DataFrame:
        """Outcome of each observed obligation.

        Parameters
        ----------
        numbers : ndarray of int64, shape (n,)
            Obligation numbers.
        as_of : ndarray of int64, shape (n,), microseconds
        index : Index, shape (n,)

        Returns
        -------
        DataFrame, as `Outcome.resolve` describes it
        """
        found = [self.one(int(number), int(at)) for number, at in zip(numbers, as_of, strict=True)]
        version = np.array([outcome.version for outcome in found], dtype=np.int64)
        matures = np.array([outcome.matures_at for outcome in found], dtype=np.int64)
        open_ = np.array([outcome.open for outcome in found], dtype=np.int64)
        return pd.DataFrame(
            {
                "late": pd.array([outcome.late for outcome in found], dtype="Int8"),
                "reason": as_text(outcome.reason for outcome in found).set_axis(index),
                "due_on": to_datetime64(self.v.due_at[version]),
                "closes_at": to_datetime64(self.close[version]),
                "matures_at": to_datetime64(matures),
                "open_at_close": units(open_, self.ledger.digits),
            },
            index=index,
        )

    def one(self, number: int, as_of: int) -> _Outcome:
        """What became of one obligation observed at one moment."""
        i, debt, books = self.closed(number, as_of)
        disputed = 0.0
        if debt >= 0:
            disputed = self.disputes.between(debt, int(self.v.owner[i]), as_of, int(self.close[i]))
        matures = max(int(self.matures[i]), books.sure_at)
        reason = self._why_not(debt, i, as_of, books, disputed, matures)
        if reason is not None:
            return _Outcome(pd.NA, reason, i, books.open, matures)
        undisputed = books.open - min(books.open, int(disputed))
        late = books.came_back or undisputed > float(tolerance(np.array(books.amount), self.ledger.digits))
        return _Outcome(int(late), None, i, books.open, matures)

    def gone(self, number: int, as_of: int) -> bool:
        """Whether one obligation observed at one moment was withdrawn or fully credited, mature or not."""
        return self.closed(number, as_of)[2].gone is not None

    def closed(self, number: int, as_of: int) -> tuple[int, int, _Close]:
        """The version that was in force at the end, its debt, and the books at its close."""
        span = range(int(self.starts[number]), int(self.starts[number + 1]))
        seen = [i for i in span if self.v.known_at[i] < as_of]
        i = self._final_version(span, seen[-1] if seen else span.start)
        debt = self._final_debt(span, i)
        return i, debt, self._at_close(debt, i)

    def _why_not(self, debt: int, i: int, as_of: int, books: _Close, disputed: float, matures: int) -> str | None:
        """Why there is no label, or None."""
        if matures > self.ledger.until_us:
            return "not mature"
        if books.gone is not None:
            return books.gone
        agreed = self.instalments_agreed.get(debt, [])
        if any(as_of <= known <= self.due_close[i] for known in agreed):
            return "instalments agreed"
        if books.amount <= 0:
            return "nothing due"
        return "in dispute" if disputed >= books.amount else None

    def _final_version(self, span: range, start: int) -> int:
        """Follow changes of the due day that were known before the day in force had closed."""
        i = start
        for j in range(start + 1, span.stop):
            if self.v.known_at[j] <= self.due_close[i]:
                i = j
        return i

    def _final_debt(self, span: range, i: int) -> int:
        """The invoice, where one took the place of a plan."""
        debts = self.v.debt[span.start : span.stop]
        invoices = debts[(debts >= 0) & (debts < self.n_invoices)]
        return int(invoices[0]) if len(invoices) else int(self.v.debt[i])

    def _at_close(self, debt: int, i: int) -> _Close:
        if debt < 0:
            return self._instalment_at_close(i)
        first, end = int(self.state_ends[debt]), int(self.state_ends[debt + 1])
        if first == end:  # a plan that has not fallen due yet
            return _Close(int(self.v.amount[i]), int(self.v.amount[i]), False, None)
        amount = int(self.states.amount[end - 1])
        rows = self.entry_rows[self.entry_starts[debt] : self.entry_starts[debt + 1]]
        counted = rows[self.entries.counts_at[rows] <= self.close[i]]
        kind, moved = self.entries.kind[counted], self.entries.amount[counted]
        credited, paid = int(moved[kind == CREDIT].sum()), int(moved[kind == PAYMENT].sum())
        refused = any(happened <= self.close[i] for happened, _ in self.refused.get(debt, []))
        gone = None
        if int(moved[kind == WITHDRAWAL].sum()) > 0:
            gone = "withdrawn"
        elif amount <= credited and credited > 0:
            gone = "fully credited"
        came_back = bool(self.entries.returned[counted].any()) or refused
        paying = self.entries.source[counted[kind == PAYMENT]].tolist()
        sure_at = max((self.sure_at.get(source, NAT) for source in paying), default=NAT)
        return _Close(amount, max(0, amount - credited - paid), came_back, gone, sure_at)

    def received_for(self, i: int) -> tuple[int, list[tuple[int, int, int, int]], int]:
        """Money that pays an instalment: what must come in before it does, what came in, and its arrangement's row."""
        instalments, arrangements = self.ledger.facts("instalments"), self.ledger.facts("arrangements")
        ids = instalments.text("arrangement_id")
        label = ids.labels[ids.codes[self.v.plan[i]]]
        own, versions = self.instalments_of[label], self.arrangements_of[label]
        row = int(versions[np.argmax(arrangements.known_at[versions])])
        before = (instalments.known_until[own] == FOREVER) & (instalments.happened_at[own] < self.v.due_at[i])
        need = int(instalments.numbers("amount")[own[before]].sum())
        return need, self.received.since(self.covers.get(row, []), int(arrangements.known_at[versions].min())), row

    def _instalment_at_close(self, i: int) -> _Close:
        """An instalment is paid when the money received since the agreement covers all up to it."""
        need, received, row = self.received_for(i)
        money = sum(amount for _, counts_at, amount, _ in received if counts_at <= self.close[i])
        amount = int(self.v.amount[i])
        ended = self.ledger.facts("arrangements").moments("ended_on")[row]
        over = bool(self.arrangement_replaced[row]) and ended <= self.close[i]
        open_ = amount - min(max(money - need, 0), amount)
        return _Close(amount, open_, False, "arrangement replaced" if over else None)
