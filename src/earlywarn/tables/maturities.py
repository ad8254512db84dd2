"""The stream of maturities: whether an invoice was late, at the close of its due day plus some days."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, US_PER_DAY, add_bank_days, day_end
from earlywarn.tables.events import Debts
from earlywarn.tables.facts import Facts
from earlywarn.tables.parts import stream_in_parts
from earlywarn.tables.postings import CREDIT, PAYMENT, Entries, States
from earlywarn.tables.streams import close_of, refusals, stream, tolerance
from earlywarn.tables.upto import UpTo

__all__ = ["maturities"]

Rows = npt.NDArray[np.int64]


def maturities(
    entries: Entries, states: States, payments: Facts, debts: Debts, *, late_after_days: int, lag_days: int, digits: int
) -> Facts:
    """One fact per invoice at the close of its due day plus ``late_after_days``: whether it was late then.

    The fact is known once the payments of that day are; money that turns out to have been there, or a
    collection that comes back, replaces it by a later version.

    Returns
    -------
    Facts with late (0 or 1), open_amount and amount (minor units)
    """
    refused = refusals(payments, debts)
    return stream_in_parts(
        lambda some, their: _maturities(some, their, refused, late_after_days, lag_days, digits), entries, states
    )


def _maturities(
    entries: Entries,
    states: States,
    refused: tuple[Rows, Rows, Rows],
    late_after_days: int,
    lag_days: int,
    digits: int,
) -> Facts:
    """Maturities from all that is known of each bill at each moment from the close on."""
    heads = np.flatnonzero(np.diff(states.debt, prepend=-1))
    numbers = states.debt[heads]
    of_state = np.repeat(np.arange(len(heads)), np.diff(heads, append=len(states.debt)))
    close, base = _matures(states, heads, of_state, late_after_days, lag_days)

    moved = np.flatnonzero(entries.debt >= 0)
    of_entry = np.searchsorted(numbers, entries.debt[moved])
    refused_bill, refused_on, refused_known = refused
    of_refused = np.searchsorted(numbers, refused_bill)
    in_time = np.isin(refused_bill, numbers)
    in_time[in_time] = refused_on[in_time] <= close[of_refused[in_time]]
    of_refused, refused_known = of_refused[in_time], refused_known[in_time]

    bill, at = _moments(
        base, (of_state, states.known_at), (of_entry, entries.known_at[moved]), (of_refused, refused_known)
    )
    counts = entries.counts_at[moved] <= close[of_entry]
    moved, of_entry = moved[counts], of_entry[counts]
    known = UpTo(of_entry, entries.known_at[moved])
    kind, amount = entries.kind[moved], entries.amount[moved]
    credited, paid, returned = known.totals(
        bill, at, np.where(kind == CREDIT, amount, 0), np.where(kind == PAYMENT, amount, 0), entries.returned[moved]
    )
    (refusals_by_then,) = UpTo(of_refused, refused_known).totals(bill, at, np.ones(len(of_refused), dtype=np.int64))

    state = np.maximum(UpTo(of_state, states.known_at).end(bill, at) - 1, heads[bill])
    billed = states.amount[state]
    open_amount = np.maximum(0, billed - credited - paid)
    late = (open_amount > tolerance(billed, digits)) | (returned > 0) | (refusals_by_then > 0)
    counted = ~states.withdrawn[state] & (billed - credited > 0)
    return _versions(counted, bill, at, states.customer[heads], close, late, open_amount, billed)


def _versions(
    counted: npt.NDArray[np.bool_], bill: Rows, at: Rows, owner: Rows, close: Rows, *values: npt.NDArray[Any]
) -> Facts:
    """Facts from what holds of each bill at each of its moments; what did not change is no version."""
    late, open_amount, amount = (np.where(counted, value, -1) for value in values)
    same = np.zeros(len(bill), dtype=bool)
    same[1:] = bill[1:] == bill[:-1]
    for value in (late, open_amount, amount):
        same[1:] &= value[1:] == value[:-1]
    kept = np.flatnonzero(~same)
    b, k = bill[kept], at[kept]
    until = np.full(len(kept), FOREVER, dtype=np.int64)
    until[:-1] = np.where(b[1:] == b[:-1], k[1:], FOREVER)
    facts = counted[kept]
    rows, b = kept[facts], b[facts]
    return stream(
        "maturities", owner[b], close[b], at[rows], until[facts],
        late=late[rows], open_amount=open_amount[rows], amount=amount[rows],
    )  # fmt: skip


def _matures(states: States, heads: Rows, of_state: Rows, late_after_days: int, lag_days: int) -> tuple[Rows, Rows]:
    """Close of due + ``late_after_days`` and when it is known; a due day that had closed moves no more."""
    due, since = states.due_at[heads], states.known_at[heads]
    moves = np.zeros(len(heads), dtype=bool)
    moves[of_state[states.due_at != due[of_state]]] = True
    nth = np.arange(len(of_state)) - heads[of_state]
    later = np.flatnonzero(moves[of_state] & (nth > 0))
    for turn in range(1, int(nth[later].max(initial=0)) + 1):
        i = later[nth[later] == turn]
        b = of_state[i]
        moved = (states.due_at[i] != due[b]) & (states.known_at[i] <= close_of(due[b]))
        due[b[moved]], since[b[moved]] = states.due_at[i[moved]], states.known_at[i[moved]]
    close = close_of(due, late_after_days)
    days, day = np.unique(close // US_PER_DAY, return_inverse=True)
    seen = day_end(add_bank_days(days, lag_days))[day] if lag_days else close
    return close, np.maximum(np.maximum(close, seen), since)


def _moments(base: Rows, *others: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
    """(bill, moment) at which each bill is looked at: its first, and each later one at which something is known."""
    bills, moments = [np.arange(len(base))], [base]
    for bill, known in others:
        later = known > base[bill]
        bills.append(bill[later])
        moments.append(known[later])
    bill, at = np.concatenate(bills), np.concatenate(moments)
    order = np.lexsort((at, bill))
    bill, at = bill[order], at[order]
    new = np.ones(len(bill), dtype=bool)
    new[1:] = (bill[1:] != bill[:-1]) | (at[1:] != at[:-1])
    return bill[new], at[new]
