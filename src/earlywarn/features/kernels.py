"""Compiled loops over windows: where each begins and ends, and every aggregate of a slice.

A window is a slice ``low … high`` of values in the order of the stream, so a result depends on that slice
alone: not on what lies before it, on other customers, or on how the work was cut. Sums are compensated
(two-sum), so they keep their digits on long histories and large amounts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from earlywarn.compiled import compiled
from earlywarn.dates import US_PER_DAY
from earlywarn.features.aggregates import DRIFT_CLIP
from earlywarn.features.instructions import larger, smaller

__all__ = [
    "EWMA", "SLOPE", "STREAK", "bounds", "count_before", "drifts", "moments", "places", "put", "sums",
    "weighted",
]  # fmt: skip

SLOPE, EWMA, STREAK = 0, 1, 2
_DAY = float(US_PER_DAY)
EPSILON = float(np.finfo(np.float64).eps)
#: Adding in any order, so that the processor can add several at once; values are never missing here. It can only where
#: places are unsigned: a signed one might count from the end, which is looked at each time.
_FAST = {"reassoc", "nnan", "nsz", "contract"}


@compiled("int64(int64[::1], int64, int64, int64)")
def _first_from(moments: Any, low: int, high: int, edge: int) -> Any:
    """First place from ``low`` to ``high`` whose moment is not before an edge; moments do not fall.

    Facts often come in even steps: every other look is at where the edge would then be, the others halve what is left.
    """
    if low >= high or moments[low] >= edge:
        return low
    last = high - 1
    if moments[last] < edge:
        return high
    halve = False
    while last - low > 1:  # moments[low] < edge <= moments[last]
        middle = (low + last) >> 1
        if not halve:
            since, span = float(edge) - float(moments[low]), float(moments[last]) - float(moments[low])
            middle = min(max(low + int(since / span * (last - low)), low + 1), last - 1)
        halve = not halve
        if moments[middle] < edge:
            low = middle
            if moments[middle + 1] >= edge:
                return middle + 1
        else:
            last = middle
            if moments[middle - 1] < edge:
                return middle
    return last


@compiled("void(int64, int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def places(start: int, stop: int, owner: Any, edge: Any, begins: Any, moments: Any, out: Any) -> None:
    """Place of each owner's first fact whose moment is not before an edge; 0 for nobody's."""
    for i in range(start, stop):
        out[i] = 0
        if owner[i] >= 0:
            out[i] = _first_from(moments, begins[owner[i]], begins[owner[i] + 1], edge[i])


@compiled(
    "void(int64, int64, int64[::1], int64[::1], int64[::1], int64[::1],"
    " int64[::1], int64[::1], int64[::1], int32[::1], int64[::1], int64[::1], uint8[::1])"
)
def bounds(
    start: int, stop: int, owner: Any, as_of: Any, since: Any, until: Any,
    begins: Any, happened: Any, known: Any, odd: Any, low: Any, high: Any, dirty: Any,
) -> None:  # fmt: skip
    """Slice of each observation's facts with ``since <= happened < until`` that are known before ``as_of``.

    ``dirty`` where facts of the window became known out of order or were replaced: no slice tells those apart.
    """
    for i in range(start, stop):
        dirty[i] = 0
        low[i] = 0
        high[i] = 0
        if owner[i] < 0:
            continue
        first, end = begins[owner[i]], begins[owner[i] + 1]
        a = _first_from(happened, first, end, since[i])
        b = _first_from(happened, a, end, until[i]) if until[i] > since[i] else a
        low[i] = a
        if odd[b] > odd[a]:
            dirty[i] = 1
        elif b > a and known[b - 1] >= as_of[i]:
            b = _first_from(known, a, b - 1, as_of[i])
        high[i] = b


@compiled("void(int64, int64, int64[::1], float64[::1], float32[::1])")
def put(start: int, stop: int, rows: Any, values: Any, out: Any) -> None:
    """Write numbers at some rows; those beyond float32 are missing."""
    for i in range(np.uint64(start), np.uint64(stop)):
        x = np.float32(values[i])
        out[np.uint64(rows[i])] = np.float32(np.nan) if np.isinf(x) else x


@compiled("void(uint8[::1], int64[::1])")
def count_before(marks: Any, before: Any) -> None:
    """How many marks stand before each place, and after the last."""
    count = 0
    for j in range(len(marks)):
        before[j] = count
        count += marks[j]
    before[len(marks)] = count


@compiled("float64(float64[::1], int64, int64)", inline="never")
def _compensated(values: Any, low: int, high: int) -> Any:
    """Sum of a slice as if it were added with twice the digits (two-sum of Knuth; Ogita, Rump and Oishi 2005)."""
    s = lost = 0.0
    for j in range(np.uint64(low), np.uint64(high)):
        x = values[j]
        t = s + x
        z = t - s
        lost += (s - (t - z)) + (x - z)
        s = t
    return s + lost


@compiled("UniTuple(float64, 3)(float64[::1], int64, int64)", fastmath=_FAST, inline="never")
def sums(values: Any, low: int, high: int) -> Any:
    """Sum, in any order of adding, smallest and largest value of a slice that is not empty."""
    s = 0.0
    least = most = values[low]
    for j in range(np.uint64(low), np.uint64(high)):
        x = values[j]
        s += x
        least, most = smaller(least, x), larger(most, x)
    return s, least, most


@compiled("UniTuple(float64, 5)(float64[::1], int64, int64, float64)", fastmath=_FAST, inline="never")
def _sums_around(values: Any, low: int, high: int, centre: float) -> Any:
    """The same, and sums of the distances to a centre and of their squares."""
    s = lost = squares = 0.0
    least = most = values[low]
    for j in range(np.uint64(low), np.uint64(high)):
        x = values[j]
        d = x - centre
        s += x
        lost += d
        squares += d * d
        least, most = smaller(least, x), larger(most, x)
    return s, least, most, lost, squares


@compiled("float64(float64[::1], int64, int64, float64, float64, float64)")
def _checked(values: Any, low: int, high: int, s: float, least: float, most: float) -> Any:
    """A sum to 11 digits of the result at least: compensated where plain adding would not give them."""
    n = high - low
    size = abs(s) if least >= 0.0 or most <= 0.0 else n * max(-least, most)  # no less than the sum of magnitudes
    return s if n * EPSILON * size <= 1e-11 * abs(s) else _compensated(values, low, high)


@compiled("void(int64, int64, boolean, float64[::1], int64[::1], int64[::1], float64[:, ::1])")
def moments(start: int, stop: int, spread: bool, values: Any, low: Any, high: Any, out: Any) -> None:
    """Rows (sum, mean, smallest, largest, and std where ``spread`` says so) of ``out``, each per window.

    Distances are taken from the first value; from the mean, in a second go, where that costs more than three digits.
    """
    for i in range(start, stop):
        a, b = low[i], high[i]
        n = b - a
        if n <= 0:
            out[0, i] = 0.0
            out[1:, i] = np.nan
            continue
        lost = squares = 0.0
        if spread:
            s, least, most, lost, squares = _sums_around(values, a, b, values[a])
        else:
            s, least, most = sums(values, a, b)
        s = _checked(values, a, b, s, least, most)
        out[0, i], out[1, i], out[2, i], out[3, i] = s, s / n, least, most
        if spread:
            rest = squares - lost * lost / n
            if not rest > 1e-3 * squares and n > 1:
                _, _, _, lost, squares = _sums_around(values, a, b, s / n)
                rest = max(squares - lost * lost / n, 0.0)  # what the mean was rounded by is taken out again
            out[4, i] = np.sqrt(rest / (n - 1)) if n > 1 else np.nan


@compiled(
    "UniTuple(float64, 4)(float64[::1], int64[::1], int64, int64, int64, float64)", fastmath=_FAST, inline="never"
)
def _products(values: Any, happened: Any, a: int, b: int, origin: int, level: float) -> Any:
    """Sums over a slice, in any order of adding: time from an origin, value above a level, time squared, product."""
    times = rises = squares = products = 0.0
    for j in range(np.uint64(a), np.uint64(b)):
        t = float(happened[j] - origin)
        d = values[j] - level
        times += t
        rises += d
        squares += t * t
        products += t * d
    return times, rises, squares, products


@compiled("float64(float64[::1], int64[::1], int64, int64)", inline="never")
def _slope(values: Any, happened: Any, a: int, b: int) -> Any:
    """Least-squares slope per day of a slice.

    Taken from the first fact; around the means, in a second go, where that costs more than three digits.
    """
    n, origin = b - a, happened[a]
    times, rises, squares, products = _products(values, happened, a, b, origin, values[a])
    spread, product = squares - times * times / n, products - times * rises / n
    if not (spread > 1e-3 * squares and abs(product) > 1e-3 * abs(products)):
        middle = origin + int(times / n)
        s, least, most = sums(values, a, b)
        level = _checked(values, a, b, s, least, most) / n
        times, rises, squares, products = _products(values, happened, a, b, middle, level)
        spread, product = squares - times * times / n, products - times * rises / n
    return product / spread * _DAY


@compiled("void(int64, int64, int64, float64, float64[::1], int64[::1], int64[::1], int64[::1], float64[::1])")
def weighted(
    start: int, stop: int, what: int, alpha: float, values: Any, happened: Any, low: Any, high: Any, out: Any
) -> None:
    """Slope per day, exponentially weighted mean, or newest values in a row that are not 0, of each window."""
    for i in range(start, stop):
        a, b = low[i], high[i]
        out[i] = np.nan
        if b <= a:
            continue
        if what == SLOPE:
            if happened[b - 1] > happened[a]:
                out[i] = _slope(values, happened, a, b)
        elif what == STREAK:
            j = b
            while j > a and values[j - 1] != 0.0:
                j -= 1
            out[i] = b - j
        else:
            e = values[a]
            for j in range(a + 1, b):
                e += alpha * (values[j] - e)
            out[i] = e


@compiled("void(int64, int64, float64, float64[::1], float64[::1], float64[::1], int64[::1], int64[::1], float64[::1])")
def drifts(
    start: int, stop: int, alpha: float, centre: Any, spread: Any, values: Any, low: Any, high: Any, out: Any
) -> None:
    """Exponentially weighted mean of the distances of each window's values to a centre, clipped, in units of spread."""
    for i in range(start, stop):
        e = np.nan
        for j in range(low[i], high[i]):
            z = min(max((values[j] - centre[i]) / spread[i], -DRIFT_CLIP), DRIFT_CLIP)
            e = z if j == low[i] else e + alpha * (z - e)
        out[i] = e
