"""On which day an observed obligation was paid, and up to which day it is known that it was not.

Days are those on which money counts (value dates). A collection that may still come back has paid nothing yet.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY, add_bank_days, day_end, day_number
from earlywarn.outcomes.label import Resolver
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import CREDIT, PAYMENT
from earlywarn.tables.streams import tolerance

__all__ = ["NEVER", "pay_days", "seen_until"]

#: A day that has not come.
NEVER = np.iinfo(np.int64).max
Rows = npt.NDArray[np.int64]


def seen_until(ledger: Ledger) -> int:
    """The last day of which all payments are known, as a day number."""
    day = np.arange(day_number(np.array([ledger.until_us]))[0] - 10, day_number(np.array([ledger.until_us]))[0] + 1)
    known = day_end(add_bank_days(day, ledger.payment_lag_days)) if ledger.payment_lag_days else day_end(day)
    return int(day[known <= ledger.until_us].max(initial=day[0] - 1))


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
        The last day up to which it is known whether it was paid.
    reason : list of str or None
        Why nothing was to be paid.
    """
    last = seen_until(resolver.ledger)
    paid, seen = np.full(len(numbers), NEVER), np.full(len(numbers), last)
    reasons: list[str | None] = [None] * len(numbers)
    for row, (number, at) in enumerate(zip(numbers.tolist(), as_of.tolist(), strict=True)):
        i, debt, books = resolver.closed(number, at)
        reasons[row] = books.gone if books.amount > 0 else "nothing due"
        day, sure_at = _paid(resolver, debt, i, books.amount)
        if sure_at > resolver.ledger.until_us:
            seen[row] = min(last, day - 1)
        elif day <= last:
            paid[row] = day
    return paid, seen, reasons


def _paid(resolver: Resolver, debt: int, i: int, amount: int) -> tuple[int, int]:
    """The day from which no more than the tolerance was open, and when that cannot be undone by the bank any more."""
    need, sources = 0, np.empty(0, dtype=np.int64)
    if debt < 0:
        need, received, _ = resolver.received_for(i)
        moments = np.array([counts_at for _, counts_at, _ in received], dtype=np.int64)
        money = np.array([amount for _, _, amount in received], dtype=np.int64)
    else:
        rows = resolver.entry_rows[resolver.entry_starts[debt] : resolver.entry_starts[debt + 1]]
        kind = resolver.entries.kind[rows]
        rows = rows[(kind == CREDIT) | (kind == PAYMENT)]
        moments, money, sources = (
            resolver.entries.counts_at[rows], resolver.entries.amount[rows], resolver.entries.source[rows],
        )  # fmt: skip
    days = moments // US_PER_DAY
    order = np.argsort(days, kind="stable")
    days, ends = days[order], np.flatnonzero(np.append(np.diff(days[order]) != 0, np.ones(min(len(days), 1), bool)))
    left = amount - (np.cumsum(money[order])[ends] - need)
    done = np.flatnonzero(left <= float(tolerance(np.array(amount), resolver.ledger.digits)))
    if not len(done):
        return NEVER, 0
    day = int(days[ends[done[0]]])
    paying = sources[moments // US_PER_DAY == day].tolist() if len(sources) else []
    return day, max((resolver.sure_at.get(source, 0) for source in paying), default=0)
