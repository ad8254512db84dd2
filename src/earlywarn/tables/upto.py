"""What was known of a thing up to a moment: rows by (key, known_at), counted and summed for many keys and moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.tables.order import rises

__all__ = ["UpTo", "ranges", "sorted_rows"]

Rows = npt.NDArray[np.int64]


class UpTo:
    """Rows in the order of (key, known_at), rows of one key and moment as they come.

    Parameters
    ----------
    key : ndarray of int64, shape (n,), not negative
    known_at : ndarray of int64, shape (n,)

    Attributes
    ----------
    order : ndarray of int64, shape (n,)

    Examples
    --------
    >>> rows = UpTo(np.array([1, 0, 1]), np.array([30, 10, 20]))
    >>> rows.end(np.array([1, 1]), np.array([20, 99])) - rows.start(np.array([1, 1]))
    array([1, 2])
    >>> rows.totals(np.array([1]), np.array([99]), np.array([5, 6, 7]))
    (array([12]),)
    """

    def __init__(self, key: Rows, known_at: Rows) -> None:
        self.order = sorted_rows(known_at, key)
        self._moments = np.sort(pd.unique(known_at))
        self._code = self._coded(key[self.order], np.searchsorted(self._moments, known_at[self.order]))

    def _coded(self, key: Rows, rank: Any) -> Rows:
        code: Rows = key * (len(self._moments) + 1) + rank
        return code

    def start(self, key: Rows) -> Rows:
        """Place in ``order`` of the first row of each key."""
        return np.searchsorted(self._code, self._coded(key, 0))

    def end(self, key: Rows, at: Rows) -> Rows:
        """Place in ``order`` after the last row of each key that was known by then."""
        return np.searchsorted(self._code, self._coded(key, np.searchsorted(self._moments, at, side="right")))

    def totals(self, key: Rows, at: Rows, *amounts: npt.NDArray[Any]) -> tuple[Rows, ...]:
        """Sums of what was known by then of each key; each of the amounts has one for each row, as handed over."""
        start, end = self.start(key), self.end(key, at)
        running = (np.concatenate([[0], np.cumsum(amount[self.order], dtype=np.int64)]) for amount in amounts)
        return tuple(total[end] - total[start] for total in running)


def sorted_rows(*keys: Rows) -> Rows:
    """As `numpy.lexsort`, at once when the rows are in order already.

    Examples
    --------
    >>> sorted_rows(np.array([1, 2]), np.array([7, 7])), sorted_rows(np.array([2, 1]), np.array([7, 7]))
    (array([0, 1]), array([1, 0]))
    """
    return np.arange(len(keys[0])) if rises(keys[::-1]) else np.lexsort(keys)


def ranges(start: Rows, count: Rows) -> Rows:
    """The numbers ``start … start + count`` of each pair, one after the other.

    Examples
    --------
    >>> ranges(np.array([7, 0]), np.array([2, 3]))
    array([7, 8, 0, 1, 2])
    """
    ends = np.cumsum(count)
    numbers: Rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - (ends - count), count)
    return numbers
