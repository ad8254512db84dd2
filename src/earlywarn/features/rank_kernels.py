"""Compiled loops over order: each entity's values sorted once, then quantiles of any of its windows by counting bits.

A window is a set of ranks, one bit each; from one window to the next only the bits of facts that come or go change.
What is read is the value of a fact, so a result depends on the window's values alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from earlywarn.compiled import compiled
from earlywarn.features.instructions import ones
from earlywarn.features.kernels import sums

__all__ = ["deviations", "distinct", "quantiles", "ranked"]

#: Up to so many values are sorted at once, more are told into levels first.
FEW = 32
_ONE, _SIX, _LAST = np.uint64(1), np.uint64(6), np.uint64(63)


@compiled("void(float64[::1], int64, int64, int32[::1])", inline="never")
def _levels(values: Any, low: int, high: int, level: Any) -> None:
    """On which of 65,536 levels each value of a slice stands, even in the root: amounts and use lean to the right."""
    _, least, most = sums(values, low, high)
    scale = 65535.0 * 65535.0 / (most - least)
    if most - least < 1e290 and scale < 1e290:
        mine = values[low:high]
        for j in range(np.uint64(high - low)):
            level[j] = np.int32(np.sqrt((mine[j] - least) * scale))
    else:
        level[: high - low] = 0


@compiled("void(int32[::1], int64, int32, int32[::1], int32[::1], int32[::1])", inline="never")
def _dealt(level: Any, n: int, shift: Any, ends: Any, places: Any, dealt: Any) -> None:
    """Places sorted by one byte of their level, those of the same byte as they were."""
    ends[:] = 0
    for j in range(np.uint64(n)):
        ends[((level[j] >> shift) & 255) + 1] += 1
    for k in range(256):
        ends[k + 1] += ends[k]
    for j in range(np.uint64(n)):
        byte = (level[places[j]] >> shift) & 255
        dealt[ends[byte]] = places[j]
        ends[byte] += 1


@compiled("void(float64[::1], int32[::1], int64, int64)", inline="never")
def _sorted(values: Any, places: Any, n: int, apart: int) -> None:
    """Sort ``n`` values that are about ``apart`` from where they belong, places along (Shell 1959, steps of Knuth)."""
    gap = 1
    while 8 * gap < apart:
        gap = 3 * gap + 1
    while gap > 0:
        for j in range(gap, n):
            x = values[j]
            if values[j - gap] > x:
                place, k = places[j], j
                while k >= gap and values[k - gap] > x:
                    values[k], places[k] = values[k - gap], places[k - gap]
                    k -= gap
                values[k], places[k] = x, place
        gap //= 3


@compiled("void(int64, int64, int64[::1], float64[::1], float64[::1], int32[::1])")
def ranked(start: int, stop: int, begins: Any, values: Any, in_order: Any, rank: Any) -> None:
    """Each owner's values from the smallest on, and at which place of those each value stands."""
    room = 0
    for owner in range(start, stop):
        room = max(room, begins[owner + 1] - begins[owner])
    level, places, dealt = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    ends = np.empty(257, np.int32)
    for owner in range(start, stop):
        first, n = begins[owner], begins[owner + 1] - begins[owner]
        mine, apart, run = in_order[first : first + n], n, 0
        for j in range(n):
            places[j] = j
        if n > FEW:
            _levels(values, first, first + n, level)
            _dealt(level, n, 0, ends, places, dealt)
            _dealt(level, n, 8, ends, dealt, places)
            apart = 0
            for k in range(n):  # values of the same level are still to be sorted
                run = run + 1 if k > 0 and level[places[k]] == level[places[k - 1]] else 0
                apart = max(apart, run)
        for k in range(n):
            mine[k] = values[first + places[k]]
        _sorted(mine, places, n, apart)
        for k in range(n):
            rank[first + places[k]] = k


@compiled("void(uint64[::1], int32[::1], int64, int64)")
def _turned(marks: Any, rank: Any, low: int, high: int) -> None:
    """Turn the bits of some facts."""
    for j in range(np.uint64(low), np.uint64(high)):
        r = np.uint64(rank[j])
        marks[r >> _SIX] ^= _ONE << (r & _LAST)


@compiled("void(uint64[::1], int32[::1], int64, int64, int64, int64)")
def _moved(marks: Any, rank: Any, a: int, b: int, low: int, high: int) -> None:
    """From the bits of window ``a … b`` to those of ``low … high``."""
    if low < b and a < high:
        _turned(marks, rank, min(a, low), max(a, low))
        _turned(marks, rank, min(b, high), max(b, high))
    else:
        _turned(marks, rank, a, b)
        _turned(marks, rank, low, high)


@compiled("int64(uint64[::1], int64)")
def _place(marks: Any, k: int) -> Any:
    """Where the bit stands that has ``k`` before it."""
    word = np.uint64(0)
    count = ones(marks[word])
    while count <= k:
        k -= count
        word += _ONE
        count = ones(marks[word])
    x = marks[word]
    for _ in range(k):
        x &= x - _ONE
    return 64 * np.int64(word) + ones((x ^ (x - _ONE)) >> _ONE)


@compiled("int64(uint64[::1], int64)")
def _next(marks: Any, place: int) -> Any:
    """Where the next bit stands; there must be one."""
    word = (place + 1) >> 6
    shift = np.uint64((place + 1) & 63)
    x = (marks[word] >> shift) << shift
    while x == 0:
        word += 1
        x = marks[word]
    return 64 * word + ones((x ^ (x - _ONE)) >> _ONE)


@compiled("int64(uint64[::1], int64)")
def _previous(marks: Any, place: int) -> Any:
    """Where the bit before stands; there must be one."""
    word = place >> 6
    x = marks[word] & ((_ONE << np.uint64(place & 63)) - _ONE)
    while x == 0:
        word -= 1
        x = marks[word]
    for shift in (1, 2, 4, 8, 16, 32):  # all bits below the highest
        x |= x >> np.uint64(shift)
    return 64 * word + ones(x) - 1


@compiled("uint64[::1](int64[::1])")
def _no_marks(begins: Any) -> Any:
    """Room for the bits of any owner."""
    room = 0
    for owner in range(len(begins) - 1):
        room = max(room, begins[owner + 1] - begins[owner])
    return np.zeros((room >> 6) + 1, np.uint64)


@compiled(
    "void(int64, int64, float64[::1], float64[::1], int32[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " float64[:, ::1])"
)
def quantiles(
    start: int, stop: int, shares: Any, in_order: Any, rank: Any, begins: Any, owner: Any, low: Any, high: Any,
    out: Any,
) -> None:  # fmt: skip
    """Rows of ``out``: the linear quantiles of each window at some shares."""
    marks, a, b = _no_marks(begins), 0, 0
    for i in range(start, stop):
        n = high[i] - low[i]
        if n <= 0:
            out[:, i] = np.nan
            continue
        _moved(marks, rank, a, b, low[i], high[i])
        a, b, first = low[i], high[i], begins[owner[i]]
        for s in range(len(shares)):
            place = shares[s] * (n - 1)
            k = int(np.floor(place))
            at = _place(marks, k)
            below = in_order[first + at]
            rest = place - k
            if rest > 0.0:
                below += (in_order[first + _next(marks, at)] - below) * rest
            out[s, i] = below


@compiled(
    "void(int64, int64, float64[::1], float64[::1], int32[::1], int64[::1], int64[::1], int64[::1], int64[::1],"
    " float64[::1])"
)
def deviations(
    start: int, stop: int, centre: Any, in_order: Any, rank: Any, begins: Any, owner: Any, low: Any, high: Any,
    out: Any,
) -> None:  # fmt: skip
    """Median distance of each window's values to their median: the nearest ones are counted from the middle on."""
    marks, a, b = _no_marks(begins), 0, 0
    for i in range(start, stop):
        n = high[i] - low[i]
        if n <= 0:
            out[i] = np.nan
            continue
        _moved(marks, rank, a, b, low[i], high[i])
        a, b, first = low[i], high[i], begins[owner[i]]
        left = _place(marks, (n - 1) // 2)  # the last that is not above the median
        right, lefts, rights = left, (n - 1) // 2 + 1, n - 1 - (n - 1) // 2
        if rights > 0:
            right = _next(marks, left)
        distance = before = 0.0
        for _ in range(n // 2 + 1):
            before = distance
            below, above = centre[i] - in_order[first + left], in_order[first + right] - centre[i]
            if rights == 0 or (lefts > 0 and below <= above):
                distance = below
                lefts -= 1
                if lefts > 0:
                    left = _previous(marks, left)
            else:
                distance = above
                rights -= 1
                if rights > 0:
                    right = _next(marks, right)
        out[i] = distance if n & 1 else before + (distance - before) * 0.5


@compiled("void(int64, int64, float64[::1], int64[::1], int64[::1], float64[::1])")
def distinct(start: int, stop: int, values: Any, low: Any, high: Any, out: Any) -> None:
    """Number of different values of each window; where all are whole numbers below 64, as codes are, by their bits."""
    for i in range(start, stop):
        marks, few = np.uint64(0), True
        for j in range(np.uint64(low[i]), np.uint64(high[i])):
            code = np.int64(values[j]) if 0.0 <= values[j] < 64.0 else np.int64(0)
            few &= float(code) == values[j]
            marks |= _ONE << np.uint64(code)
        different = 0
        if few:
            different = ones(marks)
        else:
            x = values[low[i] : high[i]].copy()
            _sorted(x, np.empty(len(x), np.int32), len(x), len(x))
            for j in range(len(x)):
                if j == 0 or x[j] != x[j - 1]:
                    different += 1
        out[i] = different
