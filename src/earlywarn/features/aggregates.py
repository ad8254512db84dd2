"""Aggregates: one number per observation from the values it sees, oldest first.

Each is a plain function over segments, so that a compiled engine can be held against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY
from earlywarn.errors import FeatureError
from earlywarn.features.own import OWN, own_aggregate, run_own

__all__ = ["AGGREGATES", "WINDOW_WORDS", "Segments", "aggregate", "user_aggregates", "user_parameters"]

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])
#: Scalar functions of the language; no aggregate may bear their names.
SCALARS = ("where", "log", "exp", "sqrt", "abs", "clip", "coalesce", "isnull", "weekday", "monthday")
#: Aggregates over groups of customers only, computed from daily sums.
GROUP_ONLY = ("rate",)
#: Facts that ``drift`` takes as recent; all before them are the baseline.
DRIFT_RECENT, DRIFT_BASELINE, DRIFT_PRIOR, DRIFT_CLIP = 6, 4, 4, 3.0


@dataclass(frozen=True)
class Segments:
    """Values of many observations behind each other.

    Attributes
    ----------
    values : ndarray of float64, shape (n_pairs,)
        Without missing ones.
    observation : ndarray of int64, shape (n_pairs,), not falling
    days : ndarray of float64, shape (n_pairs,)
        Days from each fact to the observation's ``as_of``.
    count : int
        Observations, those without facts included.
    happened : ndarray of int64, shape (n_pairs,), microseconds, optional
        When each fact happened; tells times apart that ``days`` cannot.
    """

    values: Values
    observation: Rows
    days: Values
    count: int
    happened: Rows | None = None

    @cached_property
    def lengths(self) -> Rows:
        """Facts of each observation, shape (count,)."""
        return np.bincount(self.observation, minlength=self.count).astype(np.int64)

    def total(self, values: Values) -> Values:
        """Sum of the given values per observation without loss of digits; 0 where there is no fact."""
        edges = [0, *self.ends.tolist()]
        return np.array([_exact(values[low:high]) for low, high in pairwise(edges)], dtype=np.float64)

    @cached_property
    def ends(self) -> Rows:
        """Place after the last fact of each observation."""
        return np.cumsum(self.lengths)

    @cached_property
    def ordered(self) -> Values:
        """Values sorted within each observation."""
        return self.values[np.lexsort((self.values, self.observation))]

    def replace(self, values: Values) -> Segments:
        """The same facts with other values."""
        return Segments(values, self.observation, self.days, self.count, self.happened)

    def keep(self, mask: npt.NDArray[np.bool_]) -> Segments:
        """The marked facts."""
        happened = None if self.happened is None else self.happened[mask]
        return Segments(self.values[mask], self.observation[mask], self.days[mask], self.count, happened)

    @cached_property
    def elapsed(self) -> Values:
        """Days from each observation's first fact to each of its facts, shape (n_pairs,)."""
        first = (self.ends - self.lengths)[self.observation]
        if self.happened is None:
            return np.asarray(self.days[first] - self.days)
        return np.asarray((self.happened - self.happened[first]) / US_PER_DAY)


def _exact(values: Values) -> float:
    """Sum without loss of digits; missing beyond what a float can hold."""
    try:
        return math.fsum(values)
    except OverflowError:
        return math.nan


Aggregate = Callable[..., Values]


def count(seen: Segments) -> Values:
    """Number of facts; 0 for none."""
    return seen.lengths.astype(np.float64)


def total(seen: Segments) -> Values:
    """Sum; 0 for none."""
    return seen.total(seen.values)


def mean(seen: Segments) -> Values:
    """Arithmetic mean."""
    return _where(seen.lengths > 0, total(seen) / np.maximum(seen.lengths, 1))


def std(seen: Segments) -> Values:
    """Standard deviation with ddof 1; missing below two facts."""
    lengths = seen.lengths
    residual = seen.values - mean(seen)[seen.observation]
    rounded = seen.total(residual)  # what the mean lost in rounding
    squares = seen.total(residual**2) - rounded**2 / np.maximum(lengths, 1)
    return _where(lengths > 1, np.sqrt(np.maximum(squares, 0.0) / np.maximum(lengths - 1, 1)))


def minimum(seen: Segments) -> Values:
    """Smallest value."""
    return _extreme(seen, np.minimum)


def maximum(seen: Segments) -> Values:
    """Largest value."""
    return _extreme(seen, np.maximum)


def _extreme(seen: Segments, ufunc: np.ufunc) -> Values:
    result = np.full(seen.count, np.nan)
    some = seen.lengths > 0
    if some.any():
        result[some] = ufunc.reduceat(seen.values, (seen.ends - seen.lengths)[some])
    return result


def quantile(seen: Segments, q: float) -> Values:
    """Linear quantile, as numpy's default."""
    ordered, lengths = seen.ordered, seen.lengths
    place = q * (lengths - 1)
    low = np.floor(np.maximum(place, 0)).astype(np.int64)
    start = seen.ends - lengths
    below = _take(ordered, start + low, lengths > 0)
    above = _take(ordered, start + np.minimum(low + 1, np.maximum(lengths - 1, 0)), lengths > 0)
    return np.asarray(below + (above - below) * (place - low))


def median(seen: Segments) -> Values:
    """Middle value, the mean of the two middle ones for an even number."""
    return quantile(seen, 0.5)


def mad(seen: Segments) -> Values:
    """Median absolute deviation from the median, not scaled."""
    return median(seen.replace(np.abs(seen.values - median(seen)[seen.observation])))


def first(seen: Segments) -> Values:
    """Oldest value."""
    return _at(seen, seen.ends - seen.lengths)


def last(seen: Segments) -> Values:
    """Newest value."""
    return _at(seen, seen.ends - 1)


def days_since(seen: Segments) -> Values:
    """Days from the newest fact to ``as_of``."""
    return last(seen.replace(seen.days))


def days_until(seen: Segments) -> Values:
    """Days from ``as_of`` to the nearest fact ahead."""
    ahead = -seen.days
    return minimum(seen.replace(ahead).keep(ahead >= 0))


def slope(seen: Segments) -> Values:
    """Least-squares slope per day; missing when all facts fall on one moment."""
    time = seen.elapsed
    lengths = np.maximum(seen.lengths, 1)
    t = time - (seen.total(time) / lengths)[seen.observation]
    x = seen.values - mean(seen)[seen.observation]
    spread = seen.total(t * t)
    return _where(spread > 0, seen.total(t * x) / np.where(spread > 0, spread, 1.0))


def ewma(seen: Segments, alpha: float) -> Values:
    """Exponentially weighted mean per fact, started at the oldest value (pandas ``adjust=False``)."""
    return _where(seen.lengths > 0, seen.total(seen.values * _ewma_weights(seen, alpha)))


def _ewma_weights(seen: Segments, alpha: float) -> Values:
    age = seen.ends[seen.observation] - 1 - np.arange(len(seen.values))
    oldest = age == seen.lengths[seen.observation] - 1
    return np.asarray(np.where(oldest, 1.0, alpha) * (1.0 - alpha) ** age)


def drift(seen: Segments, scale: float, alpha: float) -> Values:
    """EWMA of the Huberised personal z-score of the recent facts against those before.

    The baseline is all but the last 6 facts, at least 4; z = (x - median) / s with
    s² = (n·MAD² + 4·scale²) / (n + 4), clipped at ±3. Source: METHODS section 2.
    """
    age = seen.ends[seen.observation] - 1 - np.arange(len(seen.values))
    baseline = seen.keep(age >= DRIFT_RECENT)
    enough = baseline.lengths >= DRIFT_BASELINE
    n = baseline.lengths
    spread = (n * np.nan_to_num(mad(baseline)) ** 2 + DRIFT_PRIOR * scale**2) / (n + DRIFT_PRIOR)
    recent = seen.keep((age < DRIFT_RECENT) & enough[seen.observation])
    centre = np.nan_to_num(median(baseline))
    z = (recent.values - centre[recent.observation]) / np.sqrt(spread)[recent.observation]
    return _where(enough, ewma(recent.replace(np.clip(z, -DRIFT_CLIP, DRIFT_CLIP)), alpha))


def distinct(seen: Segments) -> Values:
    """Number of different values; 0 for none."""
    ordered = seen.ordered
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = (ordered[1:] != ordered[:-1]) | (seen.observation[1:] != seen.observation[:-1])
    return seen.total(new.astype(np.float64))


def streak(seen: Segments) -> Values:
    """How many of the newest facts in a row have a value that is not 0; a condition counts where it holds."""
    age = seen.ends[seen.observation] - 1 - np.arange(len(seen.values))
    stops = minimum(seen.replace(age.astype(np.float64)).keep(seen.values == 0))
    return _where(seen.lengths > 0, np.where(np.isnan(stops), seen.lengths, stops))


def _at(seen: Segments, place: Rows) -> Values:
    return _take(seen.values, place, seen.lengths > 0)


def _take(values: Values, place: Rows, some: npt.NDArray[np.bool_]) -> Values:
    result = np.full(len(place), np.nan)
    result[some] = values[place[some]]
    return result


def _where(some: npt.NDArray[np.bool_], values: Values) -> Values:
    return np.where(some, values, np.nan)


#: Aggregates of the language by name. ``share`` is the mean of a condition.
AGGREGATES: Mapping[str, Aggregate] = {
    "count": count, "sum": total, "mean": mean, "share": mean, "std": std, "min": minimum, "max": maximum,
    "median": median, "quantile": quantile, "mad": mad, "first": first, "last": last, "days_since": days_since,
    "days_until": days_until, "slope": slope, "ewma": ewma, "drift": drift, "distinct": distinct,
    "streak": streak,
}  # fmt: skip

#: Words of windows; no parameter of an aggregate may bear them.
WINDOW_WORDS = ("days", "until", "skip", "last", "where", "of", "leave_out")


def user_aggregates() -> tuple[str, ...]:
    """Names of the aggregates that were added with `aggregate`."""
    return tuple(OWN)


def user_parameters() -> tuple[tuple[str, tuple[tuple[str, int | float], ...]], ...]:
    """Names of the aggregates that were added with `aggregate`, each with its parameters and their defaults."""
    return tuple((name, own.parameters) for name, own in OWN.items())


def aggregate(function: _Function) -> _Function:
    """Add an aggregate of your own to the expression language, under the function's name.

    It is compiled by numba when it can be, and runs as plain Python when not; the numbers are the same. What is
    no finite number (a division by zero, None) is missing; a window without facts is missing and never handed
    over.

    Parameters
    ----------
    function : callable
        ``f(values)`` gets the values of one window, oldest first, shape (n_facts,), n_facts >= 1, and gives one
        number. ``f(values, days)`` also gets the days from each fact to ``as_of``, shape (n_facts,). Further
        parameters with a number as default, ``f(values, k=3)``, can be given in an expression:
        ``top(usage.quantity, days=90, k=5)``; they stay whole where the default is.

    Returns
    -------
    callable, the same function

    Raises
    ------
    FeatureError
        F218 when the name is taken by the language or by another module, or is none; F240 when the parameters do
        not fit.

    Examples
    --------
    >>> @aggregate
    ... def value_range(values):
    ...     return values.max() - values.min()
    >>> "value_range" in user_aggregates()
    True
    """
    name = function.__name__
    if not name.isidentifier():
        raise FeatureError(
            f"{name!r} is no name that an expression can call.", code="F218", hint="define the function with def."
        )
    if name in (*AGGREGATES, *GROUP_ONLY, *SCALARS, "ahead"):
        raise FeatureError(f"{name!r} is an aggregate of the language already.", code="F218", hint="rename it.")
    new, before = own_aggregate(function, WINDOW_WORDS), OWN.get(name)
    if before is not None and before.function.__module__ != new.function.__module__:
        raise FeatureError(
            f"there are two aggregates {name!r}.",
            code="F218",
            found=f"one from {before.source}, one from {new.source}",
            hint="rename one of them, or load one of the two only.",
        )
    OWN[name] = new
    return function


def apply(name: str, seen: Segments, parameters: Mapping[str, float]) -> Values:
    """Compute one aggregate by name in plain numpy and Python, the user's own included."""
    if name in AGGREGATES:
        return AGGREGATES[name](seen, **parameters)
    from_then = np.rint(seen.days * US_PER_DAY).astype(np.int64)
    happened = -from_then if seen.happened is None else seen.happened
    as_of = np.zeros(seen.count, dtype=np.int64)
    as_of[seen.lengths > 0] = (happened + from_then)[seen.ends[seen.lengths > 0] - 1]
    low, high = seen.ends - seen.lengths, seen.ends
    return run_own(name, seen.values, happened, as_of, low, high, parameters, compiled=False)
