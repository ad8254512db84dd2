"""What all lines of bills together say about projections: how use runs through a period, and how far bills stray.

Reduced to one row a day, so that parts of a biller can be added up and handed on, and any moment can be looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY
from earlywarn.outcomes.bills import GROUPS

__all__ = ["SHARES", "CyclePool"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

#: Shares of a period at which earlier periods are looked at; a moment between two uses the errors of the earlier.
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
#: Edges of the bins of standardised errors: fine around 0, and up to 27 times the usual error.
EDGES = np.sinh(np.linspace(-4.0, 4.0, 102))
#: So many errors of a normal law stand at the beginning, when no bill has come yet.
PRIOR_ERRORS, PRIOR_PERIODS = 20.0, 3.0
#: Bills of so many days count in full, older ones by this weight: so the interval follows a season or a price rise.
RECENT_DAYS, OLDER_WEIGHT = 100, 0.1
_LEVELS = (0.1, 0.9)
_normal = NormalDist(0.0, 1.2533)  # its mean absolute value is 1
_PRIOR = np.diff([0.0, *(_normal.cdf(edge) for edge in EDGES[1:-1]), 1.0])


@dataclass(frozen=True)
class CyclePool:
    """Daily reductions over all lines of bills; a bill counts on the day on which it became known.

    Parameters
    ----------
    day : int
        The first day, as a number since 1970-01-01.
    periods : ndarray of float64, shape (n_days, n_groups)
        Billed periods with use in them, by kind of bill.
    seen : ndarray of float64, shape (n_days, n_groups, n_shares)
        Sum over them of the part of their use that was known at each of `SHARES`.
    errors : ndarray of float64, shape (n_days, n_groups, n_shares, n_bins)
        Standardised errors of projections by bin.

    Examples
    --------
    >>> pool = CyclePool.empty()
    >>> pool.shape(np.array([0]), np.array([0]))[0].tolist()
    [0.0, 0.25, 0.5, 0.75, 0.9, 1.0]
    >>> low, high = pool.quantiles(np.array([0]), np.array([0]), np.array([2]))
    >>> bool(-1.7 < low[0] < -1.5 and 1.5 < high[0] < 1.7)
    True
    """

    day: int
    periods: Values
    seen: Values
    errors: Values

    @staticmethod
    def empty(day: int = 0, n_days: int = 0) -> CyclePool:
        """A pool that nothing has been added to."""
        shape = (n_days, len(GROUPS))
        seen, errors = np.zeros((*shape, len(SHARES))), np.zeros((*shape, len(SHARES), len(EDGES) - 1))
        return CyclePool(day, np.zeros(shape), seen, errors)

    @staticmethod
    def of_shapes(known_at: Rows, group: Rows, part: Values) -> CyclePool:
        """Reduce the parts of the use of billed periods, shape (n, n_shares), by the day of their bill.

        Parts are counted in whole 2**-32, so that they add up to the same in any order, for two million bills a day.
        """
        day, pool = _daily(known_at)
        np.add.at(pool.seen, (day, group), np.rint(part * 2.0**32) / 2.0**32)
        np.add.at(pool.periods, (day, group), 1.0)
        return pool

    @staticmethod
    def of_errors(known_at: Rows, group: Rows, errors: Values) -> CyclePool:
        """Reduce standardised errors, shape (n, n_shares) with NaN where there is none, by the day of the bill."""
        day, pool = _daily(known_at)
        for share in range(len(SHARES)):
            there = ~np.isnan(errors[:, share])
            place = np.clip(np.searchsorted(EDGES, errors[there, share], "right") - 1, 0, len(EDGES) - 2)
            np.add.at(pool.errors[:, :, share], (day[there], group[there], place), 1.0)
        return pool

    def __add__(self, other: CyclePool) -> CyclePool:
        if not len(self.periods) or not len(other.periods):
            return other if not len(self.periods) else self
        first = min(self.day, other.day)
        count = max(self.day + len(self.periods), other.day + len(other.periods)) - first
        parts = []
        for name in ("periods", "seen", "errors"):
            total = np.zeros((count, *getattr(self, name).shape[1:]))
            for pool in (self, other):
                total[pool.day - first : pool.day - first + len(pool.periods)] += getattr(pool, name)
            parts.append(total)
        return CyclePool(first, *parts)

    def _row(self, as_of: Rows) -> Rows:
        """Days that count before moments: all that had closed."""
        return np.clip(as_of // US_PER_DAY - self.day, 0, len(self.periods))

    def shape(self, as_of: Rows, group: Rows) -> Values:
        """Part of a period's use that is usually known at each of `SHARES`.

        Parameters
        ----------
        as_of : ndarray of int64, shape (n,), microseconds
        group : ndarray of int64, shape (n,)
            Places in `GROUPS`.

        Returns
        -------
        ndarray of float64, shape (n, n_shares), between 0 and 1
        """
        seen, periods = _so_far(self.seen), _so_far(self.periods)[..., None]
        table = (seen + PRIOR_PERIODS * np.array(SHARES)) / (periods + PRIOR_PERIODS)
        return np.asarray(table[self._row(as_of), group])

    def quantiles(self, as_of: Rows, group: Rows, share: Rows) -> tuple[Values, Values]:
        """The standardised errors between which 80% of the bills came.

        Parameters
        ----------
        as_of : ndarray of int64, shape (n,), microseconds
        group, share : ndarray of int64, shape (n,)
            Places in `GROUPS` and `SHARES`.

        Returns
        -------
        low, high : ndarray of float64, shape (n,)
        """
        low, high = self._bounds
        row = np.clip(as_of // US_PER_DAY - self.day, 0, len(low) - 1)
        return low[row, group, share], high[row, group, share]

    @cached_property
    def _bounds(self) -> tuple[Values, Values]:
        """Both quantiles for every day up to when the last bill is no recent one any more."""
        every = _so_far(self.errors)
        every = np.concatenate([every, np.repeat(every[-1:], RECENT_DAYS, axis=0)])
        before = np.concatenate([np.zeros((RECENT_DAYS, *every.shape[1:])), every[:-RECENT_DAYS]])
        below = np.cumsum(every - (1.0 - OLDER_WEIGHT) * before + PRIOR_ERRORS * _PRIOR, axis=-1)
        low, high = (_quantile(below, level) for level in _LEVELS)
        return low, high


def _daily(known_at: Rows) -> tuple[Rows, CyclePool]:
    """Day of each moment counted from the first, and an empty pool of all these days."""
    if not len(known_at):
        return known_at, CyclePool.empty()
    day = known_at // US_PER_DAY
    first = int(day.min())
    return day - first, CyclePool.empty(first, int(day.max()) - first + 1)


def _so_far(daily: Values) -> Values:
    """Sums over the days before each, from none to all of them."""
    return np.concatenate([np.zeros((1, *daily.shape[1:])), np.cumsum(daily, axis=0)])


def _quantile(below: Values, level: float) -> Values:
    """Quantile of counts that were summed up over the bins, linear within a bin."""
    wanted = level * below[..., -1:]
    place = np.argmax(below >= wanted, axis=-1)[..., None]
    upper = np.take_along_axis(below, place, axis=-1)
    before = np.where(place > 0, np.take_along_axis(below, np.maximum(place - 1, 0), axis=-1), 0.0)
    inside = (wanted - before) / np.maximum(upper - before, 1e-12)
    found: Values = (EDGES[place] + inside * (EDGES[place + 1] - EDGES[place]))[..., 0]
    return found
