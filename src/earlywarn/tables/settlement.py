"""Settlement: one fold over what became known, from invoices and payments to entries that conserve money.

Events are taken in (known_at, kind, id) order and only ever append entries, so the books as of a moment are
the entries known before it. Money is int64 minor units; the entries of a payment always add up to what was
received minus what went back. `Books` states the rules; many events take the same steps in compiled loops.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from earlywarn.tables.books import Books
from earlywarn.tables.postings import Entries, Events, States

__all__ = ["by_books", "by_loops", "in_order", "settle"]

Rows = npt.NDArray[np.int64]
#: From so many events on, loading the compiled loops takes less time than they save.
MANY_EVENTS = 20_000


def settle(events: Events) -> tuple[Entries, States, dict[int, int]]:
    """Fold events into entries and debt states.

    Parameters
    ----------
    events : Events, in any order

    Returns
    -------
    entries : Entries, by debtor, in the order of writing
    states : States, by debt and time
    replaced : dict of int to int
        Scheduled debt -> the invoice that took its place; UNALLOCATED when that invoice was there before it.

    Notes
    -----
    A payment goes where allocations say, else to the invoice it names, else to an open invoice of exactly its
    amount, else to the oldest by (due, issued, id); the rest is credit and is taken by the next invoice. A
    return takes back first what is still credit, then what was placed last, and reallocates nothing.

    Examples
    --------
    >>> from earlywarn.tables.postings import INVOICE, RECEIPT, Event
    >>> bill = Event(0, 10, INVOICE, 0, debt=0, amount=500, happened_at=0, due_at=0)
    >>> money = Event(0, 20, RECEIPT, 0, amount=300, happened_at=0, value_at=0, source=7)
    >>> entries, states, _ = settle(Events.of([money, bill]))
    >>> entries.debt.tolist(), entries.amount.tolist(), states.open.tolist()
    ([-1, -1, 0], [300, -300, 300], [500, 200])
    """
    order = in_order(events)
    return by_books(events, order) if len(events) < MANY_EVENTS else by_loops(events, order)


def in_order(events: Events) -> Rows:
    """The order in which events are taken: debtor by debtor, as they became known."""
    return np.lexsort((events.order, events.kind, events.known_at, events.customer))


def by_books(events: Events, order: Rows) -> tuple[Entries, States, dict[int, int]]:
    """As `settle`, event by event through `Books`, in the given order of rows."""
    entries: list[tuple[int, ...]] = []
    states: list[tuple[int, ...]] = []
    replaced: dict[int, int] = {}
    for owner, own in groupby(events.one_by_one(order), key=itemgetter(0)):
        books = Books(owner, entries, states, replaced)
        for event in own:
            books.take(event)
    columns = np.array(entries, dtype=np.int64).reshape(-1, 9).T
    customer, debt, source, kind, amount, known_at, value_at, counts_at, returned = columns
    written = Entries(customer, debt, source, kind, amount, known_at, value_at, counts_at, returned.astype(bool))
    return written, _states(np.array(states, dtype=np.int64).reshape(-1, 8)), replaced


def _states(rows: Rows) -> States:
    """Keep the last state of a debt per moment and close each by the next."""
    customer, debt, known_at, open_, amount, due_at, issued_at, withdrawn = rows.T
    order = np.lexsort((np.arange(len(rows)), known_at, debt))
    d, k = debt[order], known_at[order]
    final = np.ones(len(order), dtype=bool)
    final[:-1] = (d[1:] != d[:-1]) | (k[1:] != k[:-1])
    order = order[final]
    d, k = debt[order], known_at[order]
    until = np.full(len(order), np.iinfo(np.int64).max)
    same = d[1:] == d[:-1]
    until[:-1][same] = k[1:][same]
    return States(
        customer[order], d, k, until, open_[order], amount[order], due_at[order], issued_at[order],
        withdrawn[order].astype(bool),
    )  # fmt: skip


def by_loops(events: Events, order: Rows) -> tuple[Entries, States, dict[int, int]]:
    """As `settle`, plain debtors in compiled loops, in the given order of rows."""
    from earlywarn.tables.fold import fold

    return fold(events, order, by_books)
