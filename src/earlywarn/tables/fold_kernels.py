"""The rules of `Books` for plain debtors, in compiled loops over rows of integers.

Read `Books` for what happens and why; each step here bears the name of the method that it repeats. A debt and a
source of money are known by the row of the event that made them. As nothing is stated twice, withdrawn or
allocated by hand (see `fold`), money that left the credit never comes back to it, so the credit is simply the
receipts with something left, in their order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from earlywarn.compiled import compiled, step
from earlywarn.dates import FOREVER
from earlywarn.extras import require
from earlywarn.tables import postings

__all__ = ["EVENT", "fold_range"]

numba = require("numba", to="run compiled loops")
INVOICE, DUE_CHANGED, RETURN, UNALLOCATED = (
    postings.INVOICE, postings.DUE_CHANGED, postings.RETURN, postings.UNALLOCATED,
)  # fmt: skip


def _row(names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in names.split()])


#: ``number`` is that of the debt or the source; ``debt`` and ``money`` are the rows, counted within the debtor, of
#: the invoice that is named and of the receipt that is taken back, -1 for none; ``counts_at`` and ``in_window`` are
#: those of a return.
EVENT = _row("known kind number amount happened due value clearing hold debt money counts_at in_window")
DEBT = _row("number owed paid due issued open_at seen states state_at")
SOURCE = _row("number kind value names free hold top")
PLACE = _row("debt amount below")
COUNTERS = _row("customer known fill entries open credit places spare")


class Rows(NamedTuple):
    """The books of one debtor: rows of debts and sources, what lies where, and what is written."""

    now: Any  # one row of counters
    debts: Any
    sources: Any
    places: Any
    open: Any
    entries: Any
    states: Any


@step
def write(b: Rows, debt: int, s: Any, amount: int, value_at: int, counts_at: int, back: int) -> None:
    """As `Books.write`."""
    if amount == 0:
        return
    now = b.now[0]
    if now.fill:
        i, out = now.entries, b.entries
        out[0, i], out[1, i], out[2, i], out[3, i] = now.customer, debt, s.number, s.kind
        out[4, i], out[5, i], out[6, i], out[7, i], out[8, i] = amount, now.known, value_at, counts_at, back
    now.entries += 1


@step
def touch(b: Rows, row: int) -> None:
    """As `Books.touch`; a later state of the same moment takes the place of the earlier."""
    d, now = b.debts[row], b.now[0]
    owed = d.owed - d.paid
    if owed > 0 and d.open_at < 0:
        d.open_at = now.open
        b.open[now.open] = row
        now.open += 1
    elif owed <= 0 and d.open_at >= 0:
        now.open -= 1
        last = b.open[now.open]
        b.open[d.open_at] = last
        b.debts[last].open_at = d.open_at
        d.open_at = -1
    another = d.states == 0 or d.seen != now.known
    d.seen = now.known
    d.states += 1 if another else 0
    if now.fill:
        i, out = d.state_at + d.states - 1, b.states
        if another and d.states > 1:
            out[i - 1, 3] = now.known
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = now.customer, d.number, now.known, FOREVER
        out[i, 4], out[i, 5], out[i, 6], out[i, 7], out[i, 8] = owed, d.owed, d.due, d.issued, 0


@step
def move(b: Rows, s: Any, row: int) -> None:
    """As `Books.move`, of all that is free."""
    d, now = b.debts[row], b.now[0]
    amount = min(s.free, d.owed - d.paid)
    if amount <= 0:
        return
    p = now.spare
    if p >= 0:
        now.spare = b.places[p].below
    else:
        p = now.places
        now.places += 1
    write(b, UNALLOCATED, s, -amount, s.value, s.value, 0)
    write(b, d.number, s, amount, s.value, s.value, 0)
    place = b.places[p]
    place.debt, place.amount, place.below = row, amount, s.top
    s.top = p
    s.free -= amount
    d.paid += amount
    touch(b, row)


@step
def older(b: Rows, row: int, other: int) -> Any:
    """Whether one debt is to be paid before another: by (due, issued, id)."""
    one, two = b.debts[row], b.debts[other]
    if one.due != two.due:
        return one.due < two.due
    if one.issued != two.issued:
        return one.issued < two.issued
    return one.number < two.number


@step
def place(b: Rows, s: Any) -> None:
    """As `Books.place`: to the invoice that is named, to one of exactly the amount, to the oldest."""
    if s.free > 0 and s.names >= 0 and b.debts[s.names].open_at >= 0:
        move(b, s, s.names)
    first = True
    while s.free > 0 and b.now[0].open > 0:
        oldest = exact = -1
        for i in range(b.now[0].open):
            row = b.open[i]
            if oldest < 0 or older(b, row, oldest):
                oldest = row
            if first and b.debts[row].owed - b.debts[row].paid == s.free and (exact < 0 or older(b, row, exact)):
                exact = row
        move(b, s, exact if exact >= 0 else oldest)
        first = False


@step
def invoice(b: Rows, e: Any, row: int) -> None:
    """As `Books.invoice`: a new debt takes what credit there is, first the credit that names it, then the oldest."""
    d = b.debts[row]
    d.number, d.owed, d.due, d.issued = e.number, e.amount, e.due, e.happened
    touch(b, row)
    while b.now[0].credit < row and b.sources[b.now[0].credit].free <= 0:
        b.now[0].credit += 1
    for names_it in (True, False):
        for i in range(b.now[0].credit, row):
            s = b.sources[i]
            if s.free > 0 and s.hold == 0 and (s.names == row) == names_it:
                move(b, s, row)


@step
def receipt(b: Rows, e: Any, row: int) -> None:
    """As `Books.receipt`."""
    s = b.sources[row]
    s.number, s.kind, s.value, s.names, s.free, s.hold = e.number, e.clearing, e.value, e.debt, e.amount, e.hold
    write(b, UNALLOCATED, s, e.amount, s.value, s.value, 0)
    if s.hold == 0:
        place(b, s)


@step
def returned(b: Rows, e: Any) -> None:
    """As `Books.take_back`: first what is free, then what was placed last."""
    s = b.sources[e.money]
    while s.top >= 0 and e.amount > s.free:
        place = b.places[s.top]
        row, part = place.debt, min(e.amount - s.free, place.amount)
        write(b, b.debts[row].number, s, -part, s.value, e.counts_at, e.in_window)
        write(b, UNALLOCATED, s, part, s.value, e.counts_at, 0)
        b.debts[row].paid -= part
        s.free += part
        place.amount -= part
        if place.amount == 0:
            spare = s.top
            s.top, place.below, b.now[0].spare = place.below, b.now[0].spare, spare
        touch(b, row)
    write(b, UNALLOCATED, s, -e.amount, e.counts_at, e.counts_at, 0)
    s.free -= e.amount


@step
def take(b: Rows, events: Any, state_at: Any) -> None:
    """All events of one debtor in their order."""
    for row in range(len(events)):
        d, s = b.debts[row], b.sources[row]
        d.paid, d.open_at, d.states, d.state_at = 0, -1, 0, state_at[row]
        s.free, s.top = 0, -1
    for row in range(len(events)):
        e = events[row]
        b.now[0].known = e.known
        if e.kind == INVOICE:
            invoice(b, e, row)
        elif e.kind == DUE_CHANGED:
            if 0 <= e.debt < row:
                b.debts[e.debt].due = e.due
                touch(b, e.debt)
        elif e.kind == RETURN:
            if e.money >= 0:
                returned(b, e)
        else:
            receipt(b, e, row)


_EVENTS = numba.from_dtype(EVENT)[::1]
_INTS, _TABLE = numba.int64[::1], numba.int64[:, ::1]


@compiled(numba.void(numba.int64, numba.int64, numba.int64, _EVENTS, _INTS, _INTS, _INTS, _INTS, _TABLE, _TABLE))
def fold_range(
    start: int, stop: int, fill: int, events: Any, begins: Any, customers: Any, entry_at: Any, state_at: Any,
    entries: Any, states: Any,
) -> None:  # fmt: skip
    """Fold the debtors ``start … stop``: first to count entries and states, then to write them.

    Parameters
    ----------
    fill : int
        0: ``entry_at`` and ``state_at`` are given counts. 1: they say where to write.
    events : ndarray of EVENT, shape (n_events,)
        Debtor by debtor, in the order in which they are taken.
    begins : ndarray of int64, shape (n_debtors + 1,)
    customers, entry_at : ndarray of int64, shape (n_debtors,)
    state_at : ndarray of int64, shape (n_events,)
        At the event that made the debt.
    entries : ndarray of int64, shape (9, n_entries)
        The columns of `Entries`.
    states : ndarray of int64, shape (n_states, 9)
        Those of `States`, row by row: they are not written in their order, and a row lies in one place of memory.
    """
    most = 1
    for debtor in range(start, stop):
        most = max(most, begins[debtor + 1] - begins[debtor])
    counters = np.zeros(1, dtype=COUNTERS)
    debts, sources = np.empty(most, dtype=DEBT), np.empty(most, dtype=SOURCE)
    # Money is placed until it is used up, once for each receipt, or closes a debt: once for each bill, and again after
    # a return opened it, which lifted a whole place or was the part of one. So there are never more places than events.
    places, open_rows = np.empty(most, dtype=PLACE), np.empty(most, dtype=np.int64)
    for debtor in range(start, stop):
        first, end = begins[debtor], begins[debtor + 1]
        now = counters[0]
        now.customer, now.fill, now.entries = customers[debtor], fill, entry_at[debtor] if fill else 0
        now.open, now.credit, now.places, now.spare = 0, 0, 0, -1
        take(Rows(counters, debts, sources, places, open_rows, entries, states), events[first:end], state_at[first:end])
        if not fill:
            entry_at[debtor] = now.entries
            for row in range(end - first):
                state_at[first + row] = debts[row].states
