"""Folds on time: learn from what had matured, be tested on what came next.

A random split lets a model learn from the future of the same customers; `backtest` shows what that would claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_consistent_length

from earlywarn.errors import DataError
from earlywarn.risk.rows import moments_of

__all__ = ["TemporalSplit", "seen_before"]

Positions = npt.NDArray[np.intp]
TESTED = ("all", "seen", "unseen")


class TemporalSplit:
    """Rolling origin, as a splitter of scikit-learn.

    Rows are cut in order of `as_of` into a first stretch and `n_splits` stretches that are tested one after the other,
    rows of one moment together. Each time the model learns from rows observed before the stretch whose outcome had
    matured before it begins (purge), less an embargo; from all of them, or from those of a window.

    Parameters
    ----------
    as_of : array-like, shape (n,)
        When each row was observed: moments, or numbers that grow with time, whose unit stands for days below.
    matures_at : array-like, shape (n,), optional
        When its outcome was known for sure; never where missing. `as_of` when left out.
    n_splits : int
        Stretches that are tested, of about equal size; fewer where many rows share a moment.
    edges : sequence of moments, optional
        Where the stretches begin, and where the last one ends: months, say. `n_splits` is not used then.
    window_days : float, optional
        Learn only from rows observed in so many days before the stretch (sliding); from all when left out (expanding).
    embargo_days : float
        Outcomes that matured in so many days before the stretch are left out as well.
    tested : {"all", "seen", "unseen"}
        Test all rows of a stretch, those of customers who are among the rows learned from, or those of others.
        ``split`` needs ``groups`` to tell.

    Raises
    ------
    DataError
        D191 a moment that is none, D193 a way to split that is not possible.

    Examples
    --------
    >>> day = pd.to_datetime(["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"])
    >>> folds = TemporalSplit(day, matures_at=day + pd.Timedelta("40D"), n_splits=3)
    >>> [(train.tolist(), test.tolist()) for train, test in folds.split(np.zeros((4, 1)))]
    [([], [1]), ([0], [2]), ([0, 1], [3])]
    """

    def __init__(
        self,
        as_of: Any,
        matures_at: Any = None,
        *,
        n_splits: int = 4,
        edges: Sequence[Any] | None = None,
        window_days: float | None = None,
        embargo_days: float = 0.0,
        tested: str = "all",
    ) -> None:
        self._as_of = moments_of(as_of)
        self._matures = self._as_of if matures_at is None else moments_of(matures_at, "matures_at", missing=True)
        check_consistent_length(self._as_of, self._matures)
        if self._matures.dtype.kind != self._as_of.dtype.kind:
            raise _impossible("as_of and matures_at are of two kinds.", "hand both over as moments, or as numbers.")
        if n_splits < 1 or embargo_days < 0 or (window_days is not None and window_days <= 0) or tested not in TESTED:
            raise _impossible(
                f"n_splits={n_splits}, window_days={window_days}, embargo_days={embargo_days}, tested={tested!r}",
                f"one fold or more, days above 0, and tested one of {', '.join(TESTED)}.",
            )
        self.window_days, self.embargo_days, self.tested = window_days, embargo_days, tested
        self._order: Positions = np.argsort(self._as_of, kind="stable")
        self._stretches = self._by_size(n_splits) if edges is None else self._between(edges)

    def __repr__(self) -> str:
        span = "expanding" if self.window_days is None else f"{self.window_days:g} days"
        return f"TemporalSplit({self.get_n_splits()} folds of {len(self._as_of):,} rows, {span})"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many folds there are.

        Parameters
        ----------
        X, y, groups : object, optional
            Not looked at.

        Returns
        -------
        int
        """
        return len(self._stretches)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Positions to learn from and to test on, fold by fold, each in order of time.

        Parameters
        ----------
        X : array-like, shape (n, k)
            Only its length is looked at.
        y : array-like, optional
            Not looked at.
        groups : array-like, shape (n,), optional
            Customers.

        Yields
        ------
        train, test : ndarray of int
            The first is empty where nothing had matured.

        Raises
        ------
        DataError
            D193 when groups are needed and missing.
        """
        check_consistent_length(X, self._as_of, groups)
        if self.tested != "all" and groups is None:
            raise _impossible(f"tested={self.tested!r} without groups.", "hand customers over: split(X, groups=…).")
        for begin, first, after in self._stretches:
            before, test = self._order[:first], self._order[first:after]
            learned = self._matures[before] < begin - self._days(self.embargo_days)
            if self.window_days is not None:
                learned &= self._as_of[before] >= begin - self._days(self.window_days)
            train = before[learned]
            if self.tested != "all":
                test = test[seen_before(groups, train, test) == (self.tested == "seen")]
            yield train, test

    def _by_size(self, n_splits: int) -> list[tuple[Any, int, int]]:
        n = len(self._order)
        if not n:
            return []
        times = self._as_of[self._order]
        begins = [n * at // (n_splits + 1) for at in range(1, n_splits + 1)]
        return _spans(times[begins], np.searchsorted(times, times[begins]).tolist(), n)

    def _between(self, edges: Sequence[Any]) -> list[tuple[Any, int, int]]:
        moments = moments_of(edges, "edges")
        if moments.dtype.kind != self._as_of.dtype.kind:
            raise _impossible("edges and as_of are of two kinds.", "hand both over as moments, or as numbers.")
        places = np.searchsorted(self._as_of[self._order], moments).tolist()
        if len(places) < 2 or places != sorted(places):
            raise _impossible(
                "edges do not make a stretch.", "name where each begins, rising, and where the last ends."
            )
        return _spans(moments[:-1], places[:-1], places[-1])

    def _days(self, count: float) -> Any:
        return np.timedelta64(round(count * 86_400_000_000), "us") if self._as_of.dtype.kind == "M" else count


def seen_before(groups: Any, train: Positions, test: Positions) -> npt.NDArray[np.bool_]:
    """Which tested rows are of customers who are among the rows learned from.

    Parameters
    ----------
    groups : array-like, shape (n,)
    train, test : ndarray of int

    Returns
    -------
    ndarray of bool, shape (n_test,)

    Examples
    --------
    >>> seen_before(["a", "b", "a"], np.array([0]), np.array([1, 2]))
    array([False,  True])
    """
    codes = pd.factorize(pd.Series(groups).reset_index(drop=True))[0]
    return np.isin(codes[test], codes[train]) & (codes[test] >= 0)


def _spans(moments: Any, places: list[int], end: int) -> list[tuple[Any, int, int]]:
    """When each stretch begins, its first row and the one after its last; those without a row left out."""
    spans = zip(moments, places, [*places[1:], end], strict=True)
    return [(moment, first, after) for moment, first, after in spans if first < after]


def _impossible(what: str, hint: str) -> DataError:
    return DataError(f"time cannot be split so: {what}", code="D193", hint=hint)
