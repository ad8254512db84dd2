"""Chances of being paid by day, and what follows from them: median day, lateness, cash by date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import DataError

__all__ = ["PayDays"]

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]

#: Draws behind the interval of a cash forecast.
_DRAWS = 200


@dataclass(frozen=True, eq=False)
class PayDays:
    """Chance of each day for n obligations, unpaid at their observation.

    Parameters
    ----------
    first : int
        Day from due of the first column.
    probability : ndarray of float64, shape (n, n_days)
        Chance of being paid on each day from due: 0 before the observation. Rows sum to the chance of being paid by the
        last day.
    due : ndarray of int64, shape (n,)
        Day numbers.
    start : ndarray of int64, shape (n,)
        Day from due of the observation.

    Examples
    --------
    >>> due = np.array([20_500, 20_500])
    >>> days = PayDays(-1, np.array([[0.2, 0.5, 0.2], [0.0, 0.1, 0.2]]), due, np.array([-1, -1]))
    >>> days.median_day(), days.p_late(grace_days=0).round(2)
    (array([ 0., nan]), array([0.3, 0.9]))
    >>> days.cash([100.0, 50.0])[["date", "expected"]]
            date  expected
    0 2026-02-15      20.0
    1 2026-02-16      55.0
    2 2026-02-17      30.0
    """

    first: int
    probability: Floats
    due: Days
    start: Days

    @classmethod
    def of(cls, hazard: Floats, edges: Days, within: Floats, start: Days, due: Days) -> PayDays:
        """From the odds of each period at risk, spread over its days.

        Parameters
        ----------
        hazard : ndarray of float64, shape (n, n_periods)
        edges : ndarray of int64, shape (n_periods + 1,)
        within : ndarray of float64, shape (n_days,)
        start, due : ndarray of int64, shape (n,)

        Returns
        -------
        PayDays
        """
        length = np.diff(edges)
        before = np.cumprod(np.column_stack([np.ones(len(hazard)), 1.0 - hazard]), axis=1)[:, :-1]
        period = np.repeat(np.arange(len(length)), length)
        day = edges[0] + np.arange(int(length.sum()))
        shares = np.where(day[None, :] >= start[:, None], within[None, :], 0.0)
        total = np.add.reduceat(shares, edges[:-1] - edges[0], axis=1)
        # of a period that has begun, the days that are left; the next one where nobody ever paid on those
        even = np.where(day[None, :] >= start[:, None], 1.0, 0.0)
        left = np.add.reduceat(even, edges[:-1] - edges[0], axis=1)
        spread = np.where(
            total[:, period] > 0, shares / np.where(total > 0, total, 1.0)[:, period],
            even / np.where(left > 0, left, 1.0)[:, period],
        )  # fmt: skip
        return cls(int(edges[0]), (before * hazard)[:, period] * spread, due, start)

    def __len__(self) -> int:
        return len(self.due)

    def open_after(self, day: int) -> Floats:
        """Chance of being unpaid at the end of a day from due.

        Parameters
        ----------
        day : int
            0 is the due day.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        shown = int(np.clip(day - self.first + 1, 0, self.probability.shape[1]))
        return np.asarray(1.0 - self.probability[:, :shown].sum(axis=1))

    def open_on(self, date: Days) -> Floats:
        """Chance of each obligation to be unpaid at the end of a date of its own.

        Parameters
        ----------
        date : ndarray of int64, shape (n,)
            Day numbers.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        paid = np.column_stack([np.zeros(len(self)), np.cumsum(self.probability, axis=1)])
        shown = np.clip(date - self.due - self.first + 1, 0, self.probability.shape[1])
        return np.asarray(np.clip(1.0 - paid[np.arange(len(self)), shown], 0.0, 1.0))

    def p_late(self, grace_days: int = 3) -> Floats:
        """Chance of being unpaid at the close of due + grace.

        Parameters
        ----------
        grace_days : int

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        return self.open_after(grace_days)

    def p_very_late(self, days: int = 30) -> Floats:
        """Chance of being paid so many days after due or later, if at all.

        Parameters
        ----------
        days : int

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        return self.open_after(days - 1)

    def median_day(self) -> Floats:
        """Day from due by which the chance of being paid is a half.

        Returns
        -------
        ndarray of float64, shape (n,)
            Negative before due; NaN where a half is not reached.
        """
        reached = np.cumsum(self.probability, axis=1) >= 0.5
        day = (self.first + reached.argmax(axis=1)).astype(np.float64)
        return np.where(reached.any(axis=1), day, np.nan)

    def cash(self, amount: Any, *, customers: Any = None, level: float = 0.8, random_state: int = 0) -> pd.DataFrame:
        """Money that comes in by date.

        Parameters
        ----------
        amount : array-like of float, shape (n,)
            Open amounts.
        customers : array-like, shape (n,), optional
            Obligations of one debtor are paid late together: they are drawn with one and the same luck. Each by itself
            when left out.
        level : float
            Of the interval.
        random_state : int

        Returns
        -------
        DataFrame
            date, expected, expected_so_far, low_so_far, high_so_far: the interval of what has come in by then.

        Raises
        ------
        DataError
            D194 when an amount is missing.
        """
        amount = np.asarray(amount, dtype=np.float64)
        if np.isnan(amount).any():
            raise DataError("amounts are missing.", code="D194", found=f"{int(np.isnan(amount).sum()):,} rows")
        begins = self.due + self.first
        begin = int(begins.min(initial=0 if not len(self) else np.iinfo(np.int64).max))
        place = (begins - begin)[:, None] + np.arange(self.probability.shape[1])
        dates = begin + np.arange(int(place.max(initial=-1)) + 1)
        expected = np.bincount(place.ravel(), (amount[:, None] * self.probability).ravel(), minlength=len(dates))
        drawn = np.cumsum(self._drawn(amount, customers, begins - begin, len(dates), random_state), axis=1)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        shown = dates >= (self.due + self.start).min(initial=np.iinfo(np.int64).max)
        table = pd.DataFrame(
            {
                "date": dates.astype("M8[D]").astype("M8[us]"),
                "expected": expected,
                "expected_so_far": np.cumsum(expected),
                "low_so_far": low,
                "high_so_far": high,
            }
        )
        from_first: pd.DataFrame = table.loc[shown].reset_index(drop=True)
        return from_first

    def _drawn(self, amount: Floats, customers: Any, first: Days, n_dates: int, seed: int) -> Floats:
        """Money by date as it may come in, some times over, shape (n_draws, n_dates)."""
        codes = np.arange(len(self))
        if customers is not None:
            found = pd.factorize(pd.Series(customers).reset_index(drop=True))[0]
            codes = np.where(found < 0, found.max(initial=-1) + 1 + codes, found)  # without a name: each by itself
        reached = np.cumsum(self.probability, axis=1)
        rng, drawn = np.random.default_rng(seed), np.zeros((_DRAWS, n_dates))
        for draw in drawn:
            luck = rng.random(int(codes.max(initial=-1)) + 1)[codes]
            day = (reached < luck[:, None]).sum(axis=1)
            paid = day < reached.shape[1]
            draw += np.bincount((first + day)[paid], amount[paid], minlength=n_dates)
        return drawn

    def frame(self) -> pd.DataFrame:
        """Median day and chances of being late, one row an obligation.

        Returns
        -------
        DataFrame
            median_day, p_late (3 days of grace), p_very_late (30 days), p_never (unpaid at the end of the horizon).
        """
        return pd.DataFrame(
            {
                "median_day": self.median_day(),
                "p_late": self.p_late(),
                "p_very_late": self.p_very_late(),
                "p_never": 1.0 - self.probability.sum(axis=1),
            }
        )
