"""What is told from slices of values: every aggregate of one argument over the same windows.

A result depends on the values of its slice alone, so it is the same for one customer and for a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from earlywarn.compiled import in_ranges
from earlywarn.features import kernels, rank_kernels
from earlywarn.features.aggregates import DRIFT_BASELINE, DRIFT_PRIOR, DRIFT_RECENT
from earlywarn.features.expression import Aggregate

__all__ = ["Given", "Windows", "reduced"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: Rows of `kernels.moments`.
MOMENTS: Mapping[str, int] = {"sum": 0, "mean": 1, "share": 1, "min": 2, "days_until": 2, "max": 3, "std": 4}
ORDERED = ("median", "quantile", "mad")
WEIGHTED = {"slope": kernels.SLOPE, "ewma": kernels.EWMA, "streak": kernels.STREAK}


@dataclass(frozen=True, eq=False)
class Given:
    """Values that are not missing, entity by entity in the order of the stream.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
    happened : ndarray of int64, shape (n,)
    begins : ndarray of int64, shape (n_entities + 1,)
        Where the values of each entity begin.
    """

    values: Values
    happened: Rows
    begins: Rows

    @cached_property
    def ranks(self) -> tuple[Values, npt.NDArray[np.int32]]:
        """Each entity's values from the smallest on, and at which place of those each value stands."""
        in_order, rank = np.empty(len(self.values)), np.empty(len(self.values), np.int32)
        arrays = self.begins, self.values, in_order, rank
        in_ranges(rank_kernels.ranked, len(self.begins) - 1, *arrays, steps=8.0 * len(self.values))
        return in_order, rank


@dataclass(frozen=True, eq=False)
class Windows:
    """The slice of values that each observation sees.

    Attributes
    ----------
    given : Given
    owner, low, high : ndarray of int64, shape (n,)
        Entity and slice of each observation; nobody sees an empty slice.
    as_of, numbers : ndarray of int64, shape (n,)
        Moment of each, and under which number it was handed over.
    """

    given: Given
    owner: Rows
    low: Rows
    high: Rows
    as_of: Rows
    numbers: Rows

    def __len__(self) -> int:
        return len(self.low)

    @property
    def steps(self) -> float:
        """About how many steps a loop over all windows takes."""
        return float((self.high - self.low).sum()) + 10.0 * len(self.low)


def reduced(
    members: list[Aggregate], windows: Windows, name_of: Callable[[int], str] | None = None
) -> dict[Aggregate, Values]:
    """Aggregates of one argument over the same windows.

    Parameters
    ----------
    members : list of Aggregate
        No positional ones.
    windows : Windows, n
    name_of : callable, optional
        Says which observation a number means, for errors in a user's own aggregate.

    Returns
    -------
    dict of Aggregate to ndarray of float64, shape (n,)
    """
    found: dict[Aggregate, Values] = {}
    low, high, count = windows.low, windows.high, len(windows)
    asked = {one.function for one in members}
    if asked & set(MOMENTS):
        moments = np.empty((5 if "std" in asked else 4, count))
        in_ranges(kernels.moments, count, "std" in asked, windows.given.values, low, high, moments, steps=windows.steps)
    found |= _in_order([one for one in members if one.function in ORDERED], windows)
    for one in members:
        if one.function in MOMENTS:
            found[one] = moments[MOMENTS[one.function]]
        elif one.function == "count":
            found[one] = (high - low).astype(np.float64)
        elif one not in found:
            found[one] = _by_slice(one, windows, name_of)
    return found


def _in_order(members: list[Aggregate], windows: Windows) -> dict[Aggregate, Values]:
    """Quantiles, medians and median distances to the median: what the order of the values says."""
    share_of = {one: dict(one.parameters).get("q", 0.5) for one in members}
    shares = np.unique(np.array(list(share_of.values())))
    at_share = _quantiles(shares, windows)
    found = {one: at_share[int(np.searchsorted(shares, share))] for one, share in share_of.items()}
    return {one: _mad(values, windows) if one.function == "mad" else values for one, values in found.items()}


def _quantiles(shares: Values, windows: Windows) -> Values:
    """Quantiles of each window at some shares, shape (n_shares, n)."""
    out = np.empty((len(shares), len(windows)))
    if len(shares):
        arrays = *windows.given.ranks, windows.given.begins, windows.owner, windows.low, windows.high, out
        in_ranges(rank_kernels.quantiles, len(windows), shares, *arrays, steps=80.0 * len(windows))
    return out


def _mad(centre: Values, windows: Windows) -> Values:
    """Median distance of each window's values to their median."""
    out = np.empty(len(windows))
    arrays = *windows.given.ranks, windows.given.begins, windows.owner, windows.low, windows.high, out
    in_ranges(rank_kernels.deviations, len(windows), centre, *arrays, steps=4 * windows.steps)
    return out


def _drift(windows: Windows, scale: float, alpha: float) -> Values:
    """How far the newest values are from those before them, see `aggregates.drift`."""
    split = np.maximum(windows.low, windows.high - DRIFT_RECENT)
    before = replace(windows, high=split)
    n = split - windows.low
    centre = _quantiles(np.array([0.5]), before)[0]
    spread = np.sqrt((n * np.nan_to_num(_mad(centre, before)) ** 2 + DRIFT_PRIOR * scale**2) / (n + DRIFT_PRIOR))
    out = np.empty(len(windows))
    arrays = centre, spread, windows.given.values, split, windows.high, out
    in_ranges(kernels.drifts, len(windows), alpha, *arrays)
    out[n < DRIFT_BASELINE] = np.nan
    return out


def _by_slice(aggregate: Aggregate, windows: Windows, name_of: Callable[[int], str] | None) -> Values:
    """One aggregate that looks at each slice by itself."""
    function, words = aggregate.function, dict(aggregate.parameters)
    values, happened = windows.given.values, windows.given.happened
    low, high, count = windows.low, windows.high, len(windows)
    if function == "drift":
        return _drift(windows, words["scale"], words["alpha"])
    out = np.empty(count)
    if function == "distinct":
        in_ranges(rank_kernels.distinct, count, values, low, high, out, steps=20 * windows.steps)
        return out
    if function in WEIGHTED:
        arrays = WEIGHTED[function], words.get("alpha", 0.0), values, happened, low, high, out
        in_ranges(kernels.weighted, count, *arrays, steps=8 * windows.steps)
        return out
    from earlywarn.features.own import run_own

    named = None if name_of is None else (lambda i: name_of(int(windows.numbers[i])))
    return run_own(function, values, happened, windows.as_of, low, high, words, name_of=named)
