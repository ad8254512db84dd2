"""Versions of obligations: what was expected of whom on which day, and between when that was known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY, add_bank_days, day_end
from earlywarn.tables.events import RETURN_WINDOW_DAYS
from earlywarn.tables.facts import Facts

__all__ = ["Obligations", "as_known", "joined", "maturity", "name_of", "replaced"]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Obligations:
    """Versions of obligations: what was expected of whom, and between when that was known.

    All arrays have shape (n_versions,). A version ends when the due day moves, an invoice replaces a plan,
    an arrangement takes over, or the obligation is withdrawn.

    Attributes
    ----------
    number : ndarray of int64
        The obligation that this is a version of.
    ids : ndarray of str, shape (n_obligations,)
    debt : ndarray of int64
        Debt in the settlement; -1 for instalments.
    plan : ndarray of int64
        Instalment row; -1 for others.
    owner : ndarray of int64
        Customer code.
    due_at, known_at, known_until : ndarray of int64, microseconds
    open, amount : ndarray of int64, minor units
    collected : ndarray of int64
        0 no collection, 3 or 5 TARGET days in which it may come back.
    """

    number: Rows
    ids: npt.NDArray[np.object_]
    debt: Rows
    plan: Rows
    owner: Rows
    due_at: Rows
    known_at: Rows
    known_until: Rows
    open: Rows
    amount: Rows
    collected: Rows

    def take(self, rows: Any) -> Obligations:
        """The given versions."""
        parts = {name: getattr(self, name)[rows] for name in self.__dataclass_fields__ if name != "ids"}
        return Obligations(ids=self.ids, **parts)

    def numbers_of_debts(self, debt: Rows) -> Rows:
        """The obligation of each debt; -1 for none."""
        number_of = np.full(int(max(self.debt.max(initial=0), debt.max(initial=0))) + 2, -1, dtype=np.int64)
        own = self.debt >= 0
        number_of[self.debt[own]] = self.number[own]
        return number_of[debt]


def name_of(kind: str, parts: Iterable[str]) -> str:
    """An id made of parts; what would part them is written as in a web address, so no two ids run together.

    Examples
    --------
    >>> name_of("plan:", ["a:b", "5%", "2026-04-01"])
    'plan:a%3Ab:5%25:2026-04-01'
    """
    return kind + ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)


def as_known(facts: Facts, key: Rows, values: Rows, asked: Rows, at: Rows, *, unknown: int) -> Rows:
    """Value of the last row of each asked key that was known at a moment.

    Parameters
    ----------
    facts : Facts, n rows
    key, values : ndarray of int64, shape (n,)
    asked : ndarray of int64, shape (m,)
        Keys; -1 for none.
    at : ndarray of int64, shape (m,), microseconds
        What became known at this very moment counts.
    unknown : int
        Given where there is no such row.

    Returns
    -------
    ndarray of int64, shape (m,)
    """
    order = np.lexsort((facts.happened_at, facts.known_at, key))
    moments = np.unique(facts.known_at)
    width = len(moments) + 1
    held = key[order] * width + np.searchsorted(moments, facts.known_at[order])
    wanted = asked * width + np.searchsorted(moments, at, "right")  # of this key, known at the moment at the latest
    place = np.searchsorted(held, wanted, "left") - 1
    found = np.append(order, -1)[place]
    same = (place >= 0) & (asked >= 0) & (np.append(key, -1)[found] == asked)
    return np.where(same, np.append(values, unknown)[found], unknown)


def maturity(due_at: Rows, collected: Rows, grace_days: int, lag_days: int) -> Rows:
    """When an outcome can be known: the close of due + grace, or of the return window of a collection.

    Payments of that day reach the ledger ``lag_days`` bank days later, so that much is added.

    Parameters
    ----------
    due_at : ndarray of int64, shape (n,), microseconds
    collected : ndarray of int64, shape (n,)
        TARGET days of the return window; 0 without a collection.
    grace_days, lag_days : int

    Returns
    -------
    ndarray of int64, shape (n,), microseconds

    Examples
    --------
    >>> due = np.array(["2026-04-01"], "M8[us]").astype(np.int64)  # the Wednesday before Easter
    >>> maturity(due, np.array([5]), 3, 0).astype("M8[us]").astype("M8[D]")
    array(['2026-04-10'], dtype='datetime64[D]')
    """
    day = due_at // US_PER_DAY
    last = day + grace_days
    for window in RETURN_WINDOW_DAYS.values():
        returnable = add_bank_days(day, window, from_closed_day="forward")
        last = np.where(collected == window, np.maximum(last, returnable), last)
    return day_end(add_bank_days(last, lag_days) if lag_days else last)


def joined(parts: list[Obligations]) -> Obligations:
    """Versions of several kinds of obligation that share one list of ids."""
    merged = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Obligations.__dataclass_fields__
        if name != "ids"
    }
    return Obligations(ids=parts[0].ids, **merged)


def replaced(versions: Obligations, **changes: Rows) -> Obligations:
    """The same versions with some columns changed."""
    parts = {name: getattr(versions, name) for name in versions.__dataclass_fields__}
    return Obligations(**{**parts, **changes})
