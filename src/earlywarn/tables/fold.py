"""Settlement of many debtors: those whose events are plain in compiled loops, all others through `Books`.

A debtor is plain when invoices, credit notes and receipts are stated once each, nothing is withdrawn, planned,
allocated by hand or paid out, and what goes back was there before. The loops run twice: the first run counts,
so that the second can write each entry and state to its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.tables import postings
from earlywarn.tables.fold_kernels import EVENT, fold_range
from earlywarn.tables.parts import cut, side_by_side
from earlywarn.tables.postings import Entries, Events, States

__all__ = ["fold", "plain_events"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Settled = tuple[Entries, States, dict[int, int]]
_PLAIN = (postings.INVOICE, postings.DUE_CHANGED, postings.CREDIT_NOTE, postings.RECEIPT, postings.RETURN)
_MONEY = (postings.CREDIT_NOTE, postings.RECEIPT)


def fold(events: Events, order: Rows, others: Callable[[Events, Rows], Settled]) -> Settled:
    """As `earlywarn.tables.settlement.settle`.

    Parameters
    ----------
    events : Events
    order : ndarray of int64, shape (n_events,)
        The order in which events are taken, debtor by debtor.
    others : callable
        Settles the events of some rows, for debtors that are not plain.

    Returns
    -------
    Entries, States, and what took the place of scheduled debts
    """
    customer = events.customer[order]
    rows = [order[start:stop] for start, stop in cut(customer)]
    found = side_by_side(lambda some: _part(events, some), rows)
    left = np.concatenate([order[:0], *(rest for _, _, rest in found)])
    more_entries, more_states, replaced = others(events, left)
    entries = _joined([entries for entries, _, _ in found], more_entries, "customer")
    return entries, _joined([states for _, states, _ in found], more_states, "debt"), replaced


def _part(events: Events, order: Rows) -> tuple[Entries, States, Rows]:
    """Entries and states of the plain debtors among some, and the events of the others."""
    plain = plain_events(events, order)
    table, begins = _table(events, order[plain])
    return *_run(table, begins, events.customer[order[plain]][begins[:-1]]), order[~plain]


def plain_events(events: Events, order: Rows) -> Mask:
    """Which events, in their order, are those of plain debtors.

    Parameters
    ----------
    events : Events
    order : ndarray of int64, shape (n_events,)

    Returns
    -------
    ndarray of bool, shape (n_events,)
    """
    customer, kind, here = events.customer[order], events.kind[order], np.arange(len(order))
    money = np.isin(kind, _MONEY)
    odd = ~np.isin(kind, _PLAIN) | (events.use[order] == postings.PAYOUT)
    odd |= _stated_again(events.debt[order], kind == postings.INVOICE) | _stated_again(events.source[order], money)
    taken = _taken_from(events, order)
    odd |= (taken > here) | ((taken >= 0) & (events.amount[order] < 0))
    first = _first_of_each(customer)
    return ~np.repeat(np.logical_or.reduceat(odd, first), np.diff(first, append=len(order)))


def _first_of_each(customer: Rows) -> Rows:
    """Where each debtor's events begin."""
    return np.flatnonzero(np.diff(customer, prepend=customer[:1] - 1))


def _stated_again(number: Rows, where: Mask) -> Mask:
    """Where a number is one that is stated more than once."""
    again = np.zeros(len(number), dtype=bool)
    code = pd.factorize(number[where])[0]
    again[where] = (np.bincount(code) > 1)[code]
    return again


def _made_at(number: Rows, where: Mask, customer: Rows) -> Rows:
    """For each event the place of the debtor's own event that made the debt or source of its number, or -1."""
    code, numbers = pd.factorize(number)
    at = np.full(len(numbers), -1, dtype=np.int64)
    at[code[where]] = np.flatnonzero(where)
    made = at[code]
    return np.where((made >= 0) & (customer[made] == customer), made, -1)


def _taken_from(events: Events, order: Rows) -> Rows:
    """For each return the place of the receipt that it takes money from; -1 when it fits none."""
    taken = np.full(len(order), -1, dtype=np.int64)
    kind = events.kind[order]
    back = np.flatnonzero(kind == postings.RETURN)
    receipt = _made_at(events.source[order], np.isin(kind, _MONEY), events.customer[order])[back]
    one, other = order[receipt], order[back]
    attempt, again = events.attempt[one], events.attempt[other]
    fits = (attempt == again) | np.isnan(attempt) | np.isnan(again)
    fits &= (receipt >= 0) & (events.happened_at[one] <= events.happened_at[other])
    taken[back[fits]] = receipt[fits]
    return taken


def _table(events: Events, order: Rows) -> tuple[npt.NDArray[np.void], Rows]:
    """The events as rows for the loops, each with the rows it is about, and where each debtor's begin."""
    customer, kind = events.customer[order], events.kind[order]
    first = _first_of_each(customer)
    start = np.repeat(first, np.diff(first, append=len(order)))
    table = np.empty(len(order), dtype=EVENT)
    given: Any = (events.known_at, events.amount, events.happened_at, events.due_at, events.value_at, events.clearing)
    for name, column in zip(("known", "amount", "happened", "due", "value", "clearing"), given, strict=True):
        table[name] = column[order]
    table["kind"], table["hold"] = kind, events.use[order] == postings.HOLD
    bill = kind == postings.INVOICE
    table["number"] = np.where(bill, events.debt[order], events.source[order])
    table["debt"] = np.maximum(_made_at(events.debt[order], bill, customer) - start, -1)
    taken = _taken_from(events, order)
    table["money"] = np.maximum(taken - start, -1)
    from_, back = order[taken], events.happened_at[order]
    in_window = ~events.refund[order] & (back <= events.returnable_until[from_])
    table["in_window"], table["counts_at"] = in_window, np.where(in_window, events.value_at[from_], back)
    return table, np.append(first, len(order))


def _run(table: npt.NDArray[np.void], begins: Rows, customers: Rows) -> tuple[Entries, States]:
    """Count, make room, write."""
    entry_at = np.zeros(len(customers), dtype=np.int64)
    state_at = np.zeros(len(table), dtype=np.int64)
    nothing = np.empty((9, 0), dtype=np.int64)
    fold_range(0, len(customers), 0, table, begins, customers, entry_at, state_at, nothing, nothing.reshape(0, 9))
    entries = np.empty((9, _to_starts(entry_at, np.arange(len(entry_at)))), dtype=np.int64)
    made = np.flatnonzero(table["kind"] == postings.INVOICE)
    by_debt = made[np.argsort(table["number"][made], kind="stable")]
    states = np.empty((_to_starts(state_at, by_debt), 9), dtype=np.int64)
    fold_range(0, len(customers), 1, table, begins, customers, entry_at, state_at, entries, states)
    states = np.ascontiguousarray(states.T)
    return _columns(Entries, entries, returned=entries[8] != 0), _columns(States, states, withdrawn=states[8] != 0)


def _columns(form: Any, table: Rows, **last: Mask) -> Any:
    """The rows of a table as the columns of entries or of states."""
    return form(**dict(zip([field.name for field in fields(form)][:8], table, strict=False)), **last)


def _to_starts(counts: Rows, order: Rows) -> int:
    """Turn counts into the places where each part begins when they follow in some order; the total."""
    ends = np.cumsum(counts[order])
    counts[order] = ends - counts[order]
    return int(ends[-1]) if len(ends) else 0


def _joined(parts: list[Any], more: Any, key: str) -> Any:
    """Entries or states of several parts as one, in the order of a column, else as they come."""
    every = [*parts, more]
    keys = np.concatenate([getattr(part, key) for part in every])
    order = slice(None) if (keys[1:] >= keys[:-1]).all() else np.argsort(keys, kind="stable")
    columns = {}
    for field in fields(more):
        columns[field.name] = np.concatenate([getattr(part, field.name) for part in every])[order]
    return type(more)(**columns)
