"""On which day an observed obligation was paid, and up to which day it is known that it was not.

Days are those on which money counts (value dates). A collection that may still come back has paid nothing yet, and
what is collected is seen only up to days whose collections are sure, whether or not it was paid: else of the latest
days only those would be left who did not pay.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY, add_bank_days, day_end, day_number
from earlywarn.outcomes.label import Resolver
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import CREDIT, PAYMENT, WITHDRAWAL
from earlywarn.tables.streams import tolerance

__all__ = ["NEVER", "pay_days", "seen_until"]

#: A day that has not come.
NEVER = np.iinfo(np.int64).max
Rows = npt.NDArray[np.int64]


def seen_until(ledger: Ledger, window_days: int = 0) -> int:
    """The last day of which all payments are known, and can come back no more, as a day number.

    Parameters
    ----------
    ledger : Ledger
    window_days : int
        TARGET days in which money may come back.

    Returns
    -------
    int
    """
    last = int(day_number(np.array([ledger.until_us]))[0])
    day = np.arange(last - 20 - 3 * (ledger.payment_lag_days + window_days), last + 1)
    sure = add_bank_days(day, window_days, from_closed_day="forward") if window_days else day
    known = day_end(add_bank_days(sure, ledger.payment_lag_days) if ledger.payment_lag_days else sure)
    return int(day[known <= ledger.until_us].max())


def pay_days(resolver: Resolver, numbers: Rows, as_of: Rows) -> tuple[Rows, Rows, list[str | None]]:
    """When obligations were paid.

    Parameters
    ----------
    resolver : Resolver
    numbers : ndarray of int64, shape (n,)
        Obligation numbers.
    as_of : ndarray of int64, shape (n,), microseconds

    Returns
    -------
    paid : ndarray of int64, shape (n,)
        Day number; `NEVER` where it was not seen.
    seen : ndarray of int64, shape (n,)
        The last day up to which it is known whether it was paid: the day before it was withdrawn, credited or replaced
        by instalments, if it was.
    reason : list of str or None
        Why nothing was to be paid.
    """
    ledger, collected = resolver.ledger, resolver.v.collected
    last = {window: seen_until(ledger, window) for window in {0, *np.unique(collected).tolist()}}
    paid, seen = np.full(len(numbers), NEVER), np.empty(len(numbers), dtype=np.int64)
    reasons: list[str | None] = [None] * len(numbers)
    for row, (number, at) in enumerate(zip(numbers.tolist(), as_of.tolist(), strict=True)):
        i, debt, books = resolver.closed(number, at)
        reasons[row] = books.gone if books.amount > 0 else "nothing due"
        end = min(last[int(collected[i])], _taken_away(resolver, debt, at) - 1)
        day, is_sure = _paid(resolver, debt, i, books.amount)
        if day <= end and is_sure:
            paid[row] = day
        seen[row] = end if is_sure else min(end, day - 1)
    return paid, seen, reasons


def _taken_away(resolver: Resolver, debt: int, as_of: int) -> int:
    """The day on which it became known that a debt was withdrawn, or that instalments take its place."""
    moments = [known for known in resolver.instalments_agreed.get(debt, []) if known >= as_of]
    if debt >= 0:
        rows = _entries(resolver, debt)
        rows = rows[(resolver.entries.kind[rows] == WITHDRAWAL) & (resolver.entries.amount[rows] > 0)]
        moments += resolver.entries.known_at[rows].tolist()
    return min(moments, default=NEVER) // US_PER_DAY


def _paid(resolver: Resolver, debt: int, i: int, amount: int) -> tuple[int, bool]:
    """The day from which no more than the tolerance was open, and whether money paid it that stays."""
    need = 0
    if debt < 0:
        need, received, _ = resolver.received_for(i)
        found = np.array(received, dtype=np.int64).reshape(-1, 4)
        days, money, source = found[:, 1] // US_PER_DAY, found[:, 2], found[:, 3]
        is_payment = np.ones(len(days), dtype=bool)
    else:
        rows = _entries(resolver, debt)
        entries = resolver.entries
        rows = rows[np.isin(entries.kind[rows], (CREDIT, PAYMENT))]
        days, money, source = entries.counts_at[rows] // US_PER_DAY, entries.amount[rows], entries.source[rows]
        is_payment = entries.kind[rows] == PAYMENT
    order = np.argsort(days, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(days[order]) != 0, np.ones(min(len(days), 1), dtype=bool)))
    left = amount - (np.cumsum(money[order])[ends] - need)
    done = np.flatnonzero(left <= float(tolerance(np.array(amount), resolver.ledger.digits)))
    if not len(done):
        return NEVER, True
    day = int(days[order][ends[done[0]]])
    until = days <= day
    sure_at = max((resolver.sure_at.get(number, 0) for number in source[until & is_payment].tolist()), default=0)
    by_credit = int(money[until & is_payment].sum()) <= 0
    return day, sure_at <= resolver.ledger.until_us and not by_credit


def _entries(resolver: Resolver, debt: int) -> Rows:
    """Rows of the entries of a debt."""
    return resolver.entry_rows[resolver.entry_starts[debt] : resolver.entry_starts[debt + 1]]
