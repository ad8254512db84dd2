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
    "DRIFT", "EWMA", "SLOPE", "STREAK",
    "bounds", "count_before", "deviations", "distinct", "moments", "places", "quantiles",
    "weighted",
]  # fmt: skip

SLOPE, EWMA, DRIFT, STREAK = 0, 1, 2, 3
_DAY = float(US_PER_DAY)
EPSILON = float(np.finfo(np.float64).eps)
#: Into how many ranges values are counted to find a quantile, at most; in groups of so many that are counted too.
RANGES, GROUP = 256, 16
#: Adding in any order, so that the processor can add several at once; values are never missing here.
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


@compiled("UniTuple(float64, 4)(float64[::1], int64, int64, float64)", fastmath=_FAST, inline="never")
def _sums_around(values: Any, low: int, high: int, centre: float) -> Any:
    """Sum and sum of magnitudes of a slice, and sums of the distances to a centre and of their squares, in one go."""
    s = size = lost = squares = 0.0
    for j in range(low, high):
        x = values[j]
        s += x
        size += abs(x)
        d = x - centre
        lost += d
        squares += d * d
    return s, size, lost, squares


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


@compiled("UniTuple(float64, 2)(float64[::1], int64, int64)", inline="never")
def _sum_and_spread(values: Any, low: int, high: int) -> Any:
    """Sum and standard deviation of a slice of two values or more.

    Distances are taken from the first value; from the mean, in a second go, where that costs more than three digits.
    """
    n = high - low
    s, size, lost, squares = _sums_around(values, low, high, values[low])
    if not n * EPSILON * size <= 1e-11 * abs(s):
        s = _compensated(values, low, high)
    rest = squares - lost * lost / n
    if not rest > 1e-3 * squares:
        lost, squares = _spread(values, low, high, s / n)  # what the mean was rounded by is taken out again
        rest = max(squares - lost * lost / n, 0.0)
    return s, np.sqrt(rest / (n - 1))


@compiled("void(int64, int64, int64, float64[::1], int64[::1], int64[::1], float64[:, ::1])")
def moments(start: int, stop: int, what: int, values: Any, low: Any, high: Any, out: Any) -> None:
    """Rows (sum, mean, std, min, max) of ``out``, each per window; ``what``: 1 sums, 2 spread, 4 extremes."""
    for i in range(start, stop):
        a, b = low[i], high[i]
        n = b - a
        if what & 3:
            s, spread = 0.0, np.nan
            if what & 2 and n > 1:
                s, spread = _sum_and_spread(values, a, b)
            elif n > 0:
                s = total(values, a, b)
            out[0, i] = s
            out[1, i] = s / n if n > 0 else np.nan
            if what & 2:
                out[2, i] = spread
        if what & 4:
            out[3, i], out[4, i] = _extremes(values, a, b) if n > 0 else (np.nan, np.nan)


@compiled("void(float64[::1], int64, int64)", inline="never")
def _placed(x: Any, n: int, k: int) -> None:
    """Order the first ``n`` values so far that none before place ``k`` is larger, and none after it smaller."""
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


@compiled("void(float64[::1], int64, int64, float64, float64, int32[::1])", fastmath=_FAST, inline="never")
def _ranged(values: Any, low: int, high: int, least: float, scale: float, range_of: Any) -> None:
    """Into which of even parts, from ``least`` on, each value of a slice falls."""
    for j in range(low, high):
        range_of[j - low] = np.int32((values[j] - least) * scale)


@compiled("int64(float64[::1], int64, int64, int32[::1], int64[::1], int64[::1])", inline="never")
def _into_ranges(values: Any, low: int, high: int, range_of: Any, begins: Any, places: Any) -> Any:
    """The places of a slice that is not empty, range by range, about as many ranges as places; how many they are.

    ``begins`` says where each range begins in ``places``. All is one range where the arithmetic tells no parts apart.
    """
    ranges = min(RANGES, ((high - low) // GROUP + 1) * GROUP)
    least, most = _extremes(values, low, high)
    scale = (ranges - 1) / (most - least)
    if most - least < 1e300 and scale < 1e300:
        _ranged(values, low, high, least, scale, range_of)
    else:
        range_of[: high - low] = 0
    begins[: ranges + 1] = 0
    for j in range(high - low):
        begins[range_of[j] + 1] += 1
    for k in range(ranges):
        begins[k + 1] += begins[k]
    for j in range(high - low - 1, -1, -1):  # each end moves down to its begin
        k = range_of[j] + 1
        begins[k] -= 1
        places[begins[k]] = low + j
    for k in range(ranges):
        begins[k] = begins[k + 1]
    begins[ranges] = high - low
    return ranges


@compiled("int64(float64[::1], int64, int64, int64, int64[::1], int64[::1], float64[::1])", inline="never")
def _inside(values: Any, low: int, high: int, part: int, begins: Any, places: Any, y: Any) -> Any:
    """Put the values of a range that stand in a slice into ``y``; how many they are."""
    m = 0
    for t in range(begins[part], begins[part + 1]):
        y[m] = values[places[t]]
        m += (places[t] >= low) & (places[t] < high)
    return m


@compiled(
    "float64(float64[::1], int64, int64, float64, int64[::1], int64[::1], int64[::1], float64[::1])", inline="never"
)
def _counted(values: Any, low: int, high: int, q: float, begins: Any, places: Any, count: Any, y: Any) -> Any:
    """Linear quantile of a slice of which is counted how many values fall into each range.

    Only the values of the range that holds the quantile are looked at; ``y`` is room for them.
    """
    place = q * (high - low - 1)
    k = int(np.floor(place))
    rest, part = place - k, RANGES
    while count[part] <= k:  # the counts of the groups stand behind those of the ranges
        k -= count[part]
        part += 1
    part = (part - RANGES) * GROUP
    while count[part] <= k:
        k -= count[part]
        part += 1
    m = _inside(values, low, high, part, begins, places, y)
    _placed(y, m, k)
    below = y[k]
    if rest == 0.0:
        return below
    if k + 1 == m:  # the next value stands in the next range that holds any
        part += 1
        while count[part] == 0:
            part += 1
        m, k = _inside(values, low, high, part, begins, places, y), -1
    above = y[k + 1]
    for j in range(k + 2, m):
        above = y[j] if y[j] < above else above
    return below + (above - below) * rest


@compiled(
    "float64(float64[::1], int64, float64, int32[::1], int64[::1], int64[::1], int64[::1], float64[::1])",
    inline="never",
)
def selected(x: Any, n: int, q: float, range_of: Any, begins: Any, places: Any, count: Any, y: Any) -> Any:
    """Linear quantile of the first ``n`` values; the arrays after ``q`` are room to work in."""
    ranges = _into_ranges(x, 0, n, range_of, begins, places)
    for k in range(ranges):
        count[k] = begins[k + 1] - begins[k]
    for k in range(ranges // GROUP):
        count[RANGES + k] = begins[(k + 1) * GROUP] - begins[k * GROUP]
    return _counted(x, 0, n, q, begins, places, count, y)


@compiled("int64(int64, int64, int64[::1], int64[::1])", inline="never")
def _run(i: int, stop: int, low: Any, high: Any) -> Any:
    """Up to where windows from ``i`` on are not empty, move on only, and each begins inside the one before."""
    j = i + 1
    while j < stop and low[j - 1] <= low[j] < high[j - 1] <= high[j]:
        j += 1
    return j


@compiled("void(int64, int64, float64[::1], float64[::1], int64[::1], int64[::1], float64[:, ::1])")
def quantiles(start: int, stop: int, shares: Any, values: Any, low: Any, high: Any, out: Any) -> None:
    """Rows of ``out``: the quantiles of each window at some shares.

    Values are told into ranges once for a run of windows that overlap, and what moved from one window to the next is
    counted: a fifth of the time of selecting by pivots in each window.
    """
    room, i = 1, start
    while i < stop:
        end = _run(i, stop, low, high)
        room = max(room, high[end - 1] - low[i])
        i = end
    y, range_of, places = np.empty(room + 1), np.empty(room, np.int32), np.empty(room, np.int64)
    begins, count = np.empty(RANGES + 1, np.int64), np.empty(RANGES + RANGES // GROUP, np.int64)
    i = start
    while i < stop:
        end, a, b = _run(i, stop, low, high), low[i], low[i]
        if high[i] > a:
            ranges = _into_ranges(values, a, high[end - 1], range_of, begins, places)
            count[:ranges] = 0
            count[RANGES : RANGES + ranges // GROUP] = 0
        first = a
        while i < end:
            while b < high[i]:
                count[range_of[b - first]] += 1
                count[RANGES + range_of[b - first] // GROUP] += 1
                b += 1
            while a < low[i]:
                count[range_of[a - first]] -= 1
                count[RANGES + range_of[a - first] // GROUP] -= 1
                a += 1
            for k in range(len(shares)):
                out[k, i] = _counted(values, a, b, shares[k], begins, places, count, y) if b > a else np.nan
            i += 1


@compiled("void(int64, int64, float64[::1], float64[::1], int64[::1], int64[::1], float64[::1])")
def deviations(start: int, stop: int, centre: Any, values: Any, low: Any, high: Any, out: Any) -> None:
    """Median distance of each window's values to a centre of its own."""
    room = 1
    for i in range(start, stop):
        room = max(room, high[i] - low[i])
    x, y, range_of, places = np.empty(room), np.empty(room + 1), np.empty(room, np.int32), np.empty(room, np.int64)
    begins, count = np.empty(RANGES + 1, np.int64), np.empty(RANGES + RANGES // GROUP, np.int64)
    for i in range(start, stop):
        n = high[i] - low[i]
        out[i] = np.nan
        for j in range(n):
            x[j] = abs(values[low[i] + j] - centre[i])
        if n > 0:
            out[i] = selected(x, n, 0.5, range_of, begins, places, count, y)


@compiled("void(int64, int64, float64[::1], int64[::1], int64[::1], float64[::1])")
def distinct(start: int, stop: int, values: Any, low: Any, high: Any, out: Any) -> None:
    """Number of different values of each window; codes of few words, whole numbers up to 62, are marked in bits."""
    for i in range(start, stop):
        marks, few = np.int64(0), True
        for j in range(low[i], high[i]):
            code = np.int64(values[j]) if 0.0 <= values[j] < 63.0 else np.int64(63)
            few &= float(code) == values[j]
            marks |= np.int64(1) << code
        different = 0
        if few:
            while marks:
                marks &= marks - 1
                different += 1
        else:
            x = np.sort(values[low[i] : high[i]])
            for j in range(len(x)):
                if j == 0 or x[j] != x[j - 1]:
                    different += 1
        out[i] = different


@compiled(
    "UniTuple(float64, 4)(float64[::1], int64[::1], int64, int64, int64, float64)", fastmath=_FAST, inline="never"
)
def _products(values: Any, happened: Any, a: int, b: int, origin: int, level: float) -> Any:
    """Sums over a slice, in any order of adding: time from an origin, value above a level, time squared, product."""
    times = rises = squares = products = 0.0
    for j in range(a, b):
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
        times, rises, squares, products = _products(values, happened, a, b, middle, total(values, a, b) / n)
        spread, product = squares - times * times / n, products - times * rises / n
    return product / spread * _DAY


@compiled("void(int64, int64, int64, float64, float64, float64[::1], int64[::1], int64[::1], int64[::1], float64[::1])")
def weighted(
    start: int, stop: int, what: int, alpha: float, scale: float,
    values: Any, happened: Any, low: Any, high: Any, out: Any,
) -> None:  # fmt: skip
    """Slope per day, exponentially weighted mean, drift, or newest values in a row that are not 0, of each window."""
    room = 1
    if what == DRIFT:
        for i in range(start, stop):
            room = max(room, high[i] - low[i])
    x, y, range_of, places = np.empty(room), np.empty(room + 1), np.empty(room, np.int32), np.empty(room, np.int64)
    begins, count = np.empty(RANGES + 1, np.int64), np.empty(RANGES + RANGES // GROUP, np.int64)
    for i in range(start, stop):
        a, b = low[i], high[i]
        n = b - a
        out[i] = np.nan
        if n <= 0:
            continue
        if what == SLOPE:
            if happened[b - 1] > happened[a]:
                out[i] = _slope(values, happened, a, b)
        elif what == STREAK:
            j = b
            while j > a and values[j - 1] != 0.0:
                j -= 1
            out[i] = b - j
        elif what == EWMA:
            e = values[a]
            for j in range(a + 1, b):
                e += alpha * (values[j] - e)
            out[i] = e
        elif n - DRIFT_RECENT >= DRIFT_BASELINE:
            m = n - DRIFT_RECENT
            for j in range(m):
                x[j] = values[a + j]
            centre = selected(x, m, 0.5, range_of, begins, places, count, y)
            for j in range(m):
                x[j] = abs(x[j] - centre)
            mad = selected(x, m, 0.5, range_of, begins, places, count, y)
            s = np.sqrt((m * mad * mad + DRIFT_PRIOR * scale * scale) / (m + DRIFT_PRIOR))
            e = 0.0
            for j in range(a + m, b):
                z = min(max((values[j] - centre) / s, -DRIFT_CLIP), DRIFT_CLIP)
                e = z if j == a + m else e + alpha * (z - e)
            out[i] = e
