"""Settlement: one fold over what became known, from invoices and payments to entries that conserve money.

Events are taken in (known_at, kind, id) order and only ever append entries, so the books as of a moment are
the entries known before it. Money is int64 minor units; the entries of a payment always add up to what was
received minus what went back.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from earlywarn.tables.books import Books
from earlywarn.tables.postings import Entries, Event, States

__all__ = ["settle"]


def settle(events: Iterable[Event]) -> tuple[Entries, States, dict[int, int]]:
    """Fold events into entries and debt states.

    Parameters
    ----------
    events : iterable of Event, in any order

    Returns
    -------
    entries : Entries
    states : States
    replaced : dict of int to int
        Scheduled debt -> the invoice that took its place; UNALLOCATED when that invoice was there before it.

    Notes
    -----
    A payment goes where allocations say, else to the invoice it names, else to an open invoice of exactly its
    amount, else to the oldest by (due, issued, id); the rest is credit and is taken by the next invoice. A
    return takes back first what is still credit, then what was placed last, and reallocates nothing.

    Examples
    --------
    >>> from earlywarn.tables.postings import INVOICE, RECEIPT
    >>> bill = Event(0, 10, INVOICE, 0, debt=0, amount=500, happened_at=0, due_at=0)
    >>> money = Event(0, 20, RECEIPT, 0, amount=300, happened_at=0, value_at=0, source=7)
    >>> entries, states, _ = settle([money, bill])
    >>> entries.debt.tolist(), entries.amount.tolist(), states.open.tolist()
    ([-1, -1, 0], [300, -300, 300], [500, 200])
    """
    entries: list[tuple[int, ...]] = []
    states: list[tuple[int, ...]] = []
    replaced: dict[int, int] = {}
    ordered = sorted(events, key=lambda event: event[:4])
    for owner, own in groupby(ordered, key=itemgetter(0)):
        books = Books(owner, entries, states, replaced)
        for event in own:
            books.take(event)
    columns = np.array(entries, dtype=np.int64).reshape(-1, 9).T
    customer, debt, source, kind, amount, known_at, value_at, counts_at, returned = columns
    written = Entries(customer, debt, source, kind, amount, known_at, value_at, counts_at, returned.astype(bool))
    return written, _states(np.array(states, dtype=np.int64).reshape(-1, 8)), replaced


def _states(rows: npt.NDArray[np.int64]) -> States:
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
