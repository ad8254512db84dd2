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

from earlywarn.compiled import in_ranges
from earlywarn.tables import postings
from earlywarn.tables.fold_kernels import EVENT, fold_range
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
    if not len(events):
        return others(events, order)
    plain = plain_events(events, order)
    table, begins = _table(events, order[plain])
    entries, states = _run(table, begins, events.customer[order[plain]][begins[:-1]])
    if plain.all():
        return entries, states, {}
    more_entries, more_states, replaced = others(events, order[~plain])
    return _merged(entries, more_entries, "customer"), _merged(states, more_states, "debt"), replaced


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
    again[where] = (np.bincount(number[where]) > 1)[number[where]]
    return again


def _made_at(number: Rows, where: Mask, customer: Rows) -> Rows:
    """For each event the place of the debtor's own event that made the debt or source of its number, or -1."""
    at = np.full(int(number.max(initial=0)) + 2, -1, dtype=np.int64)  # the last for -1, which is no number
    at[number[where]] = np.flatnonzero(where)
    made = at[number]
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
    for name, column in {
        "known": events.known_at, "amount": events.amount, "happened": events.happened_at, "due": events.due_at,
        "value": events.value_at, "clearing": events.clearing, "hold": events.use == postings.HOLD,
    }.items():  # fmt: skip
        table[name] = column[order]
    table["kind"] = kind
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

    def run(fill: int, entries: Rows, states: Rows) -> None:
        def part(start: int, stop: int) -> None:
            fold_range(start, stop, fill, table, begins, customers, entry_at, state_at, entries, states)

        in_ranges(part, len(customers))

    run(0, np.empty((9, 0), dtype=np.int64), np.empty((0, 9), dtype=np.int64))
    entries = np.empty((9, _to_starts(entry_at, np.arange(len(entry_at)))), dtype=np.int64)
    made = np.flatnonzero(table["kind"] == postings.INVOICE)
    by_debt = made[np.argsort(table["number"][made], kind="stable")]
    states = np.empty((_to_starts(state_at, by_debt), 9), dtype=np.int64)
    run(1, entries, states)
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


def _merged(one: Any, other: Any, key: str) -> Any:
    """Two sets of entries or states as one, in the order of a column, else as they come."""
    order = np.argsort(np.concatenate([getattr(one, key), getattr(other, key)]), kind="stable")
    return type(one)(
        **{
            field.name: np.concatenate([getattr(one, field.name), getattr(other, field.name)])[order]
            for field in fields(one)
        }
    )
