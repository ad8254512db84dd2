"""The stream of balances: what each debtor owes after each change; becoming overdue is a change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, NAT, US_PER_DAY
from earlywarn.tables.facts import Facts
from earlywarn.tables.parts import stream_in_parts
from earlywarn.tables.postings import Entries, States
from earlywarn.tables.streams import close_of, stream

__all__ = ["balances"]

Rows = npt.NDArray[np.int64]


def balances(entries: Entries, states: States) -> Facts:
    """What each debtor owes after each change.

    Parameters
    ----------
    entries : Entries
    states : States

    Returns
    -------
    Facts with open_amount, overdue_amount (minor units), open_count, overdue_count, oldest_overdue_on
    """
    return stream_in_parts(lambda _, some: _balances(some), entries, states)


def _balances(states: States) -> Facts:
    """Balances from the differences that each state makes."""
    closes = close_of(states.due_at)
    falls_due = (states.open > 0) & (states.known_at < closes) & (closes < states.known_until)
    # each state, followed by its own becoming overdue: the changes of each debt in the order of time
    of = np.repeat(np.arange(len(states.debt)), 1 + falls_due)
    second = np.diff(of, prepend=-1) == 0
    debt, open_, close = states.debt[of], states.open[of], closes[of]
    at = np.where(second, close, states.known_at[of])
    overdue = (open_ > 0) & (close <= at)
    order = np.lexsort((at, states.customer[of]))
    owner, time = states.customer[of][order], at[order]
    last = np.append((owner[1:] != owner[:-1]) | (time[1:] != time[:-1]), True)[: len(order)]
    ends = np.flatnonzero(last)
    owner, time = owner[ends], time[ends]
    first = np.flatnonzero(np.diff(owner, prepend=-1))

    same_debt = debt[1:] == debt[:-1]

    def after_each_change(value: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Rows:
        change = value.astype(np.int64)
        change[1:] -= same_debt * change[:-1]
        running = np.cumsum(change[order])[ends]
        base = np.concatenate([[0], running[first[1:] - 1]])[: len(first)]
        of_owner: Rows = running - np.repeat(base, np.diff(first, append=len(ends)))
        return of_owner

    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(last) - last
    until = np.append(np.where(same_debt, place[1:], -1), -1)[: len(debt)]
    customer_ends = np.repeat(np.append(first[1:], len(ends))[: len(first)], np.diff(first, append=len(ends)))
    until = np.where(until < 0, customer_ends[place], until) if len(place) else until
    oldest = least_over(place[overdue], until[overdue], close[overdue], len(ends))
    return stream(
        "balances", owner, time, time, np.full(len(ends), FOREVER),
        open_amount=after_each_change(open_), overdue_amount=after_each_change(np.where(overdue, open_, 0)),
        open_count=after_each_change(open_ != 0), overdue_count=after_each_change(overdue),
        oldest_overdue_on=np.where(oldest == FOREVER, NAT, oldest // US_PER_DAY * US_PER_DAY),
    )  # fmt: skip


def least_over(start: Rows, stop: Rows, value: Rows, count: int) -> Rows:
    """The least of the values that hold at each place; FOREVER where none does.

    Each span is covered by two that are a power of two long; from the longest down, each hands its value to its
    halves.

    Parameters
    ----------
    start, stop, value : ndarray of int64, shape (n,)
        A value holds over ``start <= place < stop``.
    count : int

    Returns
    -------
    ndarray of int64, shape (count,)

    Examples
    --------
    >>> least_over(np.array([0, 1]), np.array([3, 2]), np.array([7, 5]), 3)
    array([7, 5, 7])
    """
    found = np.full(count, FOREVER, dtype=np.int64)
    level = np.frexp((stop - start).astype(np.float64))[1] - 1  # 2**level <= length < 2**(level + 1)
    for power in range(int(level.max(initial=0)), -1, -1):
        here = level == power
        length = 1 << power
        np.minimum.at(found, start[here], value[here])
        np.minimum.at(found, stop[here] - length, value[here])
        if power:
            half = length // 2
            found[half:] = np.minimum(found[half:], found[: count - half].copy())
    return found
