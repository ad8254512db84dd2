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
from earlywarn.features.aggregates import DRIFT_BASELINE, DRIFT_CLIP, DRIFT_PRIOR, DRIFT_RECENT

__all__ = [
    "DRIFT", "EWMA", "MAD", "QUANTILE", "SLOPE",
    "bounds", "distinct", "moments", "ordered", "weighted",
]  # fmt: skip

QUANTILE, MAD = 0, 1
SLOPE, EWMA, DRIFT = 0, 1, 2
_DAY = float(US_PER_DAY)
EPSILON = float(np.finfo(np.float64).eps)
#: Adding in any order, so that the processor can add several at once; values are never missing here.
_FAST = {"reassoc", "nnan", "nsz", "contract"}


@compiled("int64(int64[::1], int64, int64, int64)")
def _first_from(moments: Any, low: int, high: int, edge: int) -> Any:
    """First place from ``low`` to ``high`` whose moment is not before an edge; moments do not fall."""
    while low < high:
        middle = (low + high) >> 1
        if moments[middle] < edge:
            low = middle + 1
        else:
            high = middle
    return low


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
        if len(odd) and odd[b] > odd[a]:
            dirty[i] = 1
        elif b > a and known[b - 1] >= as_of[i]:
            b = _first_from(known, a, b - 1, as_of[i])
        high[i] = b


@compiled("float64(float64[::1], int64, int64)", inline="never")
def _compensated(values: Any, low: int, high: int) -> Any:
    """Sum of a slice as if it were added with twice the digits (two-sum of Knuth; Ogita, Rump and Oishi 2005)."""
    s = lost = 0.0
    for j in range(low, high):
        x = values[j]
        t = s + x
        z = t - s
        lost += (s - (t - z)) + (x - z)
        s = t
    return s + lost


@compiled("UniTuple(float64, 2)(float64[::1], int64, int64)", fastmath=_FAST, inline="never")
def _sums(values: Any, low: int, high: int) -> Any:
    """Sum and sum of magnitudes of a slice, in any order of adding."""
    s = size = 0.0
    for j in range(low, high):
        s += values[j]
        size += abs(values[j])
    return s, size


@compiled("UniTuple(float64, 2)(float64[::1], int64, int64, float64)", fastmath=_FAST, inline="never")
def _spread(values: Any, low: int, high: int, centre: float) -> Any:
    """Sums of the distances to a centre and of their squares, in any order of adding."""
    lost = squares = 0.0
    for j in range(low, high):
        d = values[j] - centre
        lost += d
        squares += d * d
    return lost, squares


@compiled("UniTuple(float64, 2)(float64[::1], int64, int64)", inline="never")
def _extremes(values: Any, low: int, high: int) -> Any:
    """Smallest and largest value of a slice that is not empty; in four lanes, which are compared side by side."""
    a = b = c = d = p = q = r = s = values[low]
    last = low + (high - low) // 4 * 4
    for j in range(low, last, 4):
        x, y, z, w = values[j], values[j + 1], values[j + 2], values[j + 3]
        a = x if x < a else a
        b = y if y < b else b
        c = z if z < c else c
        d = w if w < d else d
        p = x if x > p else p
        q = y if y > q else q
        r = z if z > r else r
        s = w if w > s else s
    for j in range(last, high):
        x = values[j]
        a = x if x < a else a
        p = x if x > p else p
    return min(min(a, b), min(c, d)), max(max(p, q), max(r, s))


@compiled("float64(float64[::1], int64, int64)", inline="never")
def total(values: Any, low: int, high: int) -> Any:
    """Sum of a slice to 11 digits of the result at least: compensated where plain adding would not give them."""
    s, size = _sums(values, low, high)
    if (high - low) * EPSILON * size <= 1e-11 * abs(s):
        return s
    return _compensated(values, low, high)


@compiled("void(int64, int64, int64, float64[::1], int64[::1], int64[::1], float64[:, ::1])")
def moments(start: int, stop: int, what: int, values: Any, low: Any, high: Any, out: Any) -> None:
    """Rows (sum, mean, std, min, max) of ``out``, each per window; ``what``: 1 sums, 2 spread, 4 extremes."""
    for i in range(start, stop):
        a, b = low[i], high[i]
        n = b - a
        out[0, i] = 0.0
        for k in range(1, 5):
            out[k, i] = np.nan
        if n <= 0:
            continue
        if what & 3:
            s = total(values, a, b)
            out[0, i] = s
            out[1, i] = s / n
        if what & 2 and n > 1:
            lost, squares = _spread(values, a, b, s / n)  # what the mean was rounded by is taken out again
            out[2, i] = np.sqrt(max(squares - lost * lost / n, 0.0) / (n - 1))
        if what & 4:
            out[3, i], out[4, i] = _extremes(values, a, b)


@compiled("float64(float64[::1], int64, float64)", inline="never")
def quantile_of(x: Any, n: int, q: float) -> Any:
    """Linear quantile of the first ``n`` values, which are put into another order."""
    place = q * (n - 1)
    k = int(np.floor(place))
    left, right = 0, n - 1
    while left < right:
        pivot = x[(left + right) >> 1]
        i, j = left, right
        while i <= j:
            while x[i] < pivot:
                i += 1
            while pivot < x[j]:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if k <= j:
            right = j
        elif k >= i:
            left = i
        else:
            break
    below = x[k]
    if place == k:
        return below
    above = x[k + 1]
    for i in range(k + 2, n):
        above = x[i] if x[i] < above else above
    return below + (above - below) * (place - k)


@compiled("float64(float64[::1], float64[::1], int64, int64)", inline="never")
def mad_of(values: Any, x: Any, a: int, n: int) -> Any:
    """Median absolute deviation of ``n`` values from ``a`` on; ``x`` is room to work in."""
    for j in range(n):
        x[j] = values[a + j]
    centre = quantile_of(x, n, 0.5)
    for j in range(n):
        x[j] = abs(values[a + j] - centre)
    return quantile_of(x, n, 0.5)


@compiled("void(int64, int64, int64, float64, float64[::1], int64[::1], int64[::1], float64[::1])")
def ordered(start: int, stop: int, what: int, q: float, values: Any, low: Any, high: Any, out: Any) -> None:
    """A quantile or the median absolute deviation of each window."""
    room = 1
    for i in range(start, stop):
        room = max(room, high[i] - low[i])
    x = np.empty(room)
    for i in range(start, stop):
        a, n = low[i], high[i] - low[i]
        out[i] = np.nan
        if n <= 0:
            continue
        if what == MAD:
            out[i] = mad_of(values, x, a, n)
        else:
            for j in range(n):
                x[j] = values[a + j]
            out[i] = quantile_of(x, n, q)


@compiled("void(int64, int64, float64[::1], int64[::1], int64[::1], float64[::1])")
def distinct(start: int, stop: int, values: Any, low: Any, high: Any, out: Any) -> None:
    """Number of different values of each window."""
    for i in range(start, stop):
        x = np.sort(values[low[i] : high[i]])
        different = 0
        for j in range(len(x)):
            if j == 0 or x[j] != x[j - 1]:
                different += 1
        out[i] = different


@compiled("void(int64, int64, int64, float64, float64, float64[::1], int64[::1], int64[::1], int64[::1], float64[::1])")
def weighted(
    start: int, stop: int, what: int, alpha: float, scale: float,
    values: Any, happened: Any, low: Any, high: Any, out: Any,
) -> None:  # fmt: skip
    """Slope per day, exponentially weighted mean or drift of each window."""
    room = 1
    if what == DRIFT:
        for i in range(start, stop):
            room = max(room, high[i] - low[i])
    x = np.empty(room)
    for i in range(start, stop):
        a, b = low[i], high[i]
        n = b - a
        out[i] = np.nan
        if n <= 0:
            continue
        if what == SLOPE:
            mean = total(values, a, b) / n
            days = 0.0
            for j in range(a, b):
                days += (happened[j] - happened[a]) / _DAY
            days /= n
            spread = product = 0.0
            for j in range(a, b):
                t = (happened[j] - happened[a]) / _DAY - days
                spread += t * t
                product += t * (values[j] - mean)
            if happened[b - 1] > happened[a]:
                out[i] = product / spread
        elif what == EWMA:
            e = values[a]
            for j in range(a + 1, b):
                e += alpha * (values[j] - e)
            out[i] = e
        elif n - DRIFT_RECENT >= DRIFT_BASELINE:
            m = n - DRIFT_RECENT
            mad = mad_of(values, x, a, m)
            for j in range(m):
                x[j] = values[a + j]
            centre = quantile_of(x, m, 0.5)
            s = np.sqrt((m * mad * mad + DRIFT_PRIOR * scale * scale) / (m + DRIFT_PRIOR))
            e = 0.0
            for j in range(a + m, b):
                z = min(max((values[j] - centre) / s, -DRIFT_CLIP), DRIFT_CLIP)
                e = z if j == a + m else e + alpha * (z - e)
            out[i] = e
