"""Compiled loops of exact TreeSHAP: the steps of trees run over many rows at once, or their splits over one row.

Let every feature be known with the same probability t. A tree's expected margin is then a polynomial in t, and the
integral over t from 0 to 1 of its slope towards a feature is that feature's Shapley value. A Gauss-Legendre rule of n
points integrates polynomials of degree up to 2n - 1 exactly, so n points serve paths of up to 2n different features.
At one t, a tree is walked down and up once: down goes the weight of each node, up comes the expected margin below it.

A step is one visit of a node. It is carried out for a whole block of rows, or *lanes*, before the next one, so that
the processor works on many lanes with one instruction. For one row all points are carried through a node instead.
Both do the same operations and add up in the same order, so their results are equal to the bit.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from earlywarn.compiled import compiled, step

__all__ = [
    "BOTTOM", "COLUMNS", "DOWN", "LANES", "LEAF", "MOST_POINTS", "OVER", "TWIG", "UP", "explain_blocks", "explain_rows",
]  # fmt: skip

#: Kinds of steps: of a split, before its left child, between both and after its right child; of a leaf; of a bottom,
#: which is a split into two leaves; of a twig, which is a split into two bottoms. And the columns of a step.
DOWN, OVER, UP, LEAF, BOTTOM, TWIG = 0, 1, 2, 3, 4, 5
COLUMNS = 8
#: Points of a rule at most, for paths of up to twice as many different features.
MOST_POINTS = 16

#: Rows of a block, and the distance of its arrays: a little more, so that their addresses differ in the low bits.
LANES, APART = 256, 272
#: Trees whose float32 contributions are added up before they go into float64.
GROUP = 64
#: What a level of a walk keeps for each lane: weight, whether the row goes with the path, margin of the left child,
#: margin of the node. Those of the level below follow.
_S = np.uint64(APART)
_KNOWN, _LEFT, _MARGIN, _BELOW = _S, np.uint64(2) * _S, np.uint64(3) * _S, np.uint64(4) * _S
_CHILD_WEIGHT, _CHILD_MARGIN, _ROW = _BELOW, np.uint64(7) * _S, np.uint64(2) * _S
_N = np.uint64(LANES)
_U0, _U1, _U2, _U3, _U4, _U8 = (np.uint64(place) for place in (0, 1, 2, 3, 4, 8))
_inlined = partial(step, inlined=True)
_0, _1 = np.float32(0.0), np.float32(1.0)


# -- what one lane does ----------------------------------------------------------------------------------


@_inlined
def _goes_left(x: Any, threshold: Any, missing_left: Any) -> Any:
    return (x < threshold) | ((x != x) & missing_left)


@_inlined
def _share(t: Any, above: Any, known: Any, cover: Any, cover_above: Any) -> Any:
    """Weight of a left child in its node: where an earlier split on its feature left the row, and here."""
    return (cover_above * cover + t * (known - cover_above * cover)) / (cover_above + t * (above - cover_above))


@_inlined
def _slope(t: Any, above: Any, known: Any, cover: Any, cover_above: Any, share: Any) -> Any:
    """How that weight changes as the feature becomes known."""
    change = (known - cover_above * cover) - (above - cover_above) * share
    return change / (cover_above + t * (above - cover_above))


# -- the same for a block of lanes -----------------------------------------------------------------------


@step
def _down(w: Any, t: Any, f: Any, row: Any, threshold: Any, cover: Any, missing_left: Any) -> None:
    for r in range(_N):
        known = _1 if _goes_left(w[row + r], threshold, missing_left) else _0
        w[f + r + _KNOWN] = known
        w[f + r + _CHILD_WEIGHT] = w[f + r] * (cover + t * (known - cover))


@step
def _over(w: Any, f: Any) -> None:
    for r in range(_N):
        w[f + r + _KNOWN] = _1 - w[f + r + _KNOWN]
        w[f + r + _CHILD_WEIGHT] = w[f + r] - w[f + r + _CHILD_WEIGHT]
        w[f + r + _LEFT] = w[f + r + _CHILD_MARGIN]


@step
def _up(w: Any, t: Any, f: Any, row: Any, cover: Any) -> None:
    for r in range(_N):
        slope = (_1 - w[f + r + _KNOWN]) - cover
        right = w[f + r + _CHILD_MARGIN]
        apart = w[f + r + _LEFT] - right
        change = apart * slope
        w[row + r + _S] += w[f + r] * change
        w[f + r + _MARGIN] = (right + cover * apart) + t * change


@step
def _down_again(
    w: Any, t: Any, f: Any, row: Any, a: Any, threshold: Any, cover: Any, cover_above: Any, missing_left: Any
) -> None:
    for r in range(_N):
        above = w[a + r]
        known = above if _goes_left(w[row + r], threshold, missing_left) else _0
        w[f + r + _KNOWN] = known
        w[f + r + _CHILD_WEIGHT] = w[f + r] * _share(t, above, known, cover, cover_above)


@step
def _over_again(w: Any, f: Any, a: Any) -> None:
    for r in range(_N):
        w[f + r + _KNOWN] = w[a + r] - w[f + r + _KNOWN]
        w[f + r + _CHILD_WEIGHT] = w[f + r] - w[f + r + _CHILD_WEIGHT]
        w[f + r + _LEFT] = w[f + r + _CHILD_MARGIN]


@step
def _up_again(w: Any, t: Any, f: Any, row: Any, a: Any, cover: Any, cover_above: Any) -> None:
    for r in range(_N):
        above = w[a + r]
        known = above - w[f + r + _KNOWN]
        share = _share(t, above, known, cover, cover_above)
        right = w[f + r + _CHILD_MARGIN]
        apart = w[f + r + _LEFT] - right
        w[row + r + _S] += w[f + r] * (apart * _slope(t, above, known, cover, cover_above, share))
        w[f + r + _MARGIN] = right + share * apart


@step
def _leaf(w: Any, f: Any, margin: Any) -> None:
    for r in range(_N):
        w[f + r + _MARGIN] = margin


@step
def _bottom(
    w: Any, t: Any, f: Any, row: Any, threshold: Any, cover: Any, apart: Any, right: Any, missing_left: Any
) -> None:
    if_left, if_right, mean = apart * (_1 - cover), apart * (_0 - cover), right + cover * apart
    for r in range(_N):
        change = if_left if _goes_left(w[row + r], threshold, missing_left) else if_right
        w[row + r + _S] += w[f + r] * change
        w[f + r + _MARGIN] = mean + t * change


@step
def _bottom_again(
    w: Any, t: Any, f: Any, row: Any, a: Any, threshold: Any, cover: Any, cover_above: Any, apart: Any, right: Any,
    missing_left: Any,
) -> None:  # fmt: skip
    for r in range(_N):
        above = w[a + r]
        known = above if _goes_left(w[row + r], threshold, missing_left) else _0
        share = _share(t, above, known, cover, cover_above)
        w[row + r + _S] += w[f + r] * (apart * _slope(t, above, known, cover, cover_above, share))
        w[f + r + _MARGIN] = right + share * apart


@step
def _twig(
    w: Any, t: Any, f: Any, row: Any, row_1: Any, row_2: Any, threshold: Any, cover: Any, missing_left: Any,
    threshold_1: Any, cover_1: Any, apart_1: Any, right_1: Any, missing_1: Any,
    threshold_2: Any, cover_2: Any, apart_2: Any, right_2: Any, missing_2: Any,
) -> None:  # fmt: skip
    slope_left, slope_right = _1 - cover, _0 - cover
    left_1, right_of_1, mean_1 = apart_1 * (_1 - cover_1), apart_1 * (_0 - cover_1), right_1 + cover_1 * apart_1
    left_2, right_of_2, mean_2 = apart_2 * (_1 - cover_2), apart_2 * (_0 - cover_2), right_2 + cover_2 * apart_2
    for r in range(_N):
        slope = slope_left if _goes_left(w[row + r], threshold, missing_left) else slope_right
        change_1 = left_1 if _goes_left(w[row_1 + r], threshold_1, missing_1) else right_of_1
        change_2 = left_2 if _goes_left(w[row_2 + r], threshold_2, missing_2) else right_of_2
        weight = w[f + r]
        weight_1 = weight * (cover + t * slope)
        right = mean_2 + t * change_2
        apart = (mean_1 + t * change_1) - right
        change = apart * slope
        w[row_1 + r + _S] += weight_1 * change_1
        w[row_2 + r + _S] += (weight - weight_1) * change_2
        w[row + r + _S] += weight * change
        w[f + r + _MARGIN] = (right + cover * apart) + t * change


@step
def _walk_block(w: Any, t: Any, steps: Any, first: Any, last: Any, constants: Any, rows: Any) -> None:
    """Down and up one tree at one t, for a block of lanes."""
    for i in range(first, last):
        kind, above, at, missing = steps[i, 0], steps[i, 3], steps[i, 4], steps[i, 7]
        c0, c1, c2, c3 = constants[at], constants[at + 1], constants[at + 2], constants[at + 3]
        f = np.uint64(steps[i, 1]) * _BELOW
        row = rows + np.uint64(steps[i, 2]) * _ROW
        missing_left = (missing & 1) != 0
        if kind == TWIG:
            _twig(
                w, t, f, row, rows + np.uint64(steps[i, 5]) * _ROW, rows + np.uint64(steps[i, 6]) * _ROW,
                c0, c1, missing_left,
                c2, c3, constants[at + 4], constants[at + 5], (missing & 2) != 0,
                constants[at + 6], constants[at + 7], constants[at + 8], constants[at + 9], (missing & 4) != 0,
            )  # fmt: skip
        elif kind == LEAF:
            _leaf(w, f, c0)
        elif above < 0:
            if kind == BOTTOM:
                _bottom(w, t, f, row, c0, c1, c2, c3, missing_left)
            elif kind == DOWN:
                _down(w, t, f, row, c0, c1, missing_left)
            elif kind == OVER:
                _over(w, f)
            else:
                _up(w, t, f, row, c1)
        else:
            a = np.uint64(above) * _BELOW + _KNOWN
            if kind == BOTTOM:
                _bottom_again(w, t, f, row, a, c0, c1, c2, c3, constants[at + 4], missing_left)
            elif kind == DOWN:
                _down_again(w, t, f, row, a, c0, c1, c2, missing_left)
            elif kind == OVER:
                _over_again(w, f, a)
            else:
                _up_again(w, t, f, row, a, c1, c2)


@compiled(
    "void(int64, int64, float32[:, ::1], int32[:, ::1], float32[::1], int32[:, ::1], float32[:, :, ::1], int64, "
    "float64[:, ::1])"
)
def explain_blocks(
    start: Any, stop: Any, matrix: Any, steps: Any, constants: Any, trees: Any, rules: Any, depth: Any, out: Any
) -> None:
    """Contributions of blocks of rows ``start … stop``; the last block may be short.

    ``trees`` says of each its first step, its last and how many points its paths need; ``rules[n, 0]`` are the points
    of the rule of n points, ``rules[n, 1]`` their weights.
    """
    n, columns = matrix.shape
    rows = np.uint64(depth + 2) * _BELOW
    w = np.zeros((depth + 2) * np.int64(_BELOW) + columns * np.int64(_ROW), np.float32)
    totals = np.zeros((columns, LANES), np.float64)
    most = 0
    for tree in range(len(trees)):
        most = max(most, trees[tree, 2])
    for block in range(start, stop):
        first = block * LANES
        width = min(LANES, n - first)
        for j in range(columns):
            row = rows + np.uint64(j) * _ROW
            for r in range(width):
                w[row + np.uint64(r)] = matrix[first + r, j]
            for r in range(_N):
                w[row + _S + r] = _0
        totals[:] = 0.0
        for group in range(0, len(trees), GROUP):
            last = min(group + GROUP, len(trees))
            for q in range(most):
                for tree in range(group, last):
                    points = trees[tree, 2]
                    if q < points:
                        for r in range(_N):
                            w[r] = rules[points, 1, q]
                        _walk_block(w, rules[points, 0, q], steps, trees[tree, 0], trees[tree, 1], constants, rows)
                for j in range(columns):
                    row = rows + np.uint64(j) * _ROW + _S
                    for r in range(_N):
                        totals[j, r] += w[row + r]
                        w[row + r] = _0
        for j in range(columns):
            for r in range(width):
                out[first + r, j] = totals[j, r]


# -- the same for one row, four points at a time ---------------------------------------------------------


@_inlined
def _four(w: Any, at: Any) -> Any:
    return w[at], w[at + _U1], w[at + _U2], w[at + _U3]


@_inlined
def _put_four(w: Any, at: Any, four: Any) -> None:
    w[at], w[at + _U1], w[at + _U2], w[at + _U3] = four


@_inlined
def _four_if(inner: Any, four: Any, one: Any) -> Any:
    return (
        four[0] if inner else one, four[1] if inner else one, four[2] if inner else one, four[3] if inner else one,
    )  # fmt: skip


@_inlined
def _share_of_four(t: Any, above: Any, known: Any, cover: Any, cover_above: Any, again: Any) -> Any:
    if again:
        return (
            _share(t[0], above, known, cover, cover_above), _share(t[1], above, known, cover, cover_above),
            _share(t[2], above, known, cover, cover_above), _share(t[3], above, known, cover, cover_above),
        )  # fmt: skip
    slope = known - cover
    return cover + t[0] * slope, cover + t[1] * slope, cover + t[2] * slope, cover + t[3] * slope


@_inlined
def _slope_of_four(t: Any, above: Any, known: Any, cover: Any, cover_above: Any, share: Any) -> Any:
    return (
        _slope(t[0], above, known, cover, cover_above, share[0]),
        _slope(t[1], above, known, cover, cover_above, share[1]),
        _slope(t[2], above, known, cover, cover_above, share[2]),
        _slope(t[3], above, known, cover, cover_above, share[3]),
    )


@step
def _walk_row(
    w: Any,
    known: Any,
    weight: Any,
    t: Any,
    splits: Any,
    numbers: Any,
    first: Any,
    last: Any,
    x: Any,
    spare: Any,
    sums_at: Any,
) -> None:
    """Down and up one tree for one row, four points of its rule at each node.

    ``w`` holds for each node its weights and margins, then a spare place for what leaves would hold, then the sum of
    each feature. ``known`` says whether the row goes with the path to the left and to the right child.
    """
    _put_four(w, _U0, weight)
    for i in range(first, last):
        above, left, right = splits[i, 2], splits[i, 3], splits[i, 4]
        cover, at = numbers[i, 1], np.uint64(i - first) * _U8
        known_above = known[above] if above >= 0 else _1
        known_left = known_above if _goes_left(x[splits[i, 0]], numbers[i, 0], splits[i, 1] != 0) else _0
        known[2 * (i - first)], known[2 * (i - first) + 1] = known_left, known_above - known_left
        if left < 0 and right < 0:
            continue
        own = _four(w, at)
        share = _share_of_four(t, known_above, known_left, cover, numbers[i, 2], above >= 0)
        on_left = own[0] * share[0], own[1] * share[1], own[2] * share[2], own[3] * share[3]
        on_right = own[0] - on_left[0], own[1] - on_left[1], own[2] - on_left[2], own[3] - on_left[3]
        _put_four(w, np.uint64(left if left >= 0 else spare) * _U8, on_left)
        _put_four(w, np.uint64(right if right >= 0 else spare) * _U8, on_right)
    for i in range(last - 1, first - 1, -1):
        above, left, right = splits[i, 2], splits[i, 3], splits[i, 4]
        cover, at = numbers[i, 1], np.uint64(i - first) * _U8
        known_left = known[2 * (i - first)]
        lows = _four(w, np.uint64(left if left >= 0 else spare) * _U8 + _U4)
        highs = _four(w, np.uint64(right if right >= 0 else spare) * _U8 + _U4)
        lows = _four_if(left >= 0, lows, numbers[i, 3])
        highs = _four_if(right >= 0, highs, numbers[i, 4])
        apart = lows[0] - highs[0], lows[1] - highs[1], lows[2] - highs[2], lows[3] - highs[3]
        own = _four(w, at)
        if left < 0 and right < 0 and above < 0:  # the same as below, for margins that are alike at every point
            only = apart[0] * (known_left - cover)
            mean = highs[0] + cover * apart[0]
            change = only, only, only, only
            margin = mean + t[0] * only, mean + t[1] * only, mean + t[2] * only, mean + t[3] * only
        elif above >= 0:
            known_above, cover_above = known[above], numbers[i, 2]
            share = _share_of_four(t, known_above, known_left, cover, cover_above, True)
            slope = _slope_of_four(t, known_above, known_left, cover, cover_above, share)
            change = apart[0] * slope[0], apart[1] * slope[1], apart[2] * slope[2], apart[3] * slope[3]
            margin = (
                highs[0] + share[0] * apart[0], highs[1] + share[1] * apart[1],
                highs[2] + share[2] * apart[2], highs[3] + share[3] * apart[3],
            )  # fmt: skip
        else:
            only = known_left - cover
            change = apart[0] * only, apart[1] * only, apart[2] * only, apart[3] * only
            margin = (
                (highs[0] + cover * apart[0]) + t[0] * change[0], (highs[1] + cover * apart[1]) + t[1] * change[1],
                (highs[2] + cover * apart[2]) + t[2] * change[2], (highs[3] + cover * apart[3]) + t[3] * change[3],
            )  # fmt: skip
        place = sums_at + np.uint64(splits[i, 0]) * _U4
        sums = _four(w, place)
        _put_four(
            w, place,
            (
                sums[0] + own[0] * change[0], sums[1] + own[1] * change[1],
                sums[2] + own[2] * change[2], sums[3] + own[3] * change[3],
            ),
        )  # fmt: skip
        _put_four(w, at + _U4, margin)


@compiled(
    "void(int64, int64, float32[:, ::1], int32[:, ::1], float32[:, ::1], int32[:, ::1], float32[:, :, ::1], int64, "
    "float64[:, ::1])",
    straight=True,
)
def explain_rows(
    start: Any, stop: Any, matrix: Any, splits: Any, numbers: Any, trees: Any, rules: Any, most: Any, out: Any
) -> None:
    """Contributions of rows ``start … stop``, one after another: the faster way for a few.

    ``trees`` says in its last two columns the first and last node of each tree, of ``most`` splits at most.
    """
    columns = matrix.shape[1]
    known = np.zeros(2 * most, np.float32)
    w = np.zeros(8 * (most + 1) + columns * rules.shape[2], np.float32)
    for row in range(start, stop):
        x = matrix[row]
        out[row] = 0.0
        for group in range(0, len(trees), GROUP):
            longest = 0
            for tree in range(group, min(group + GROUP, len(trees))):
                points = trees[tree, 2]
                longest = max(longest, points)
                for q in range(0, points, 4):
                    t, weight = _four(rules[points, 0], np.uint64(q)), _four(rules[points, 1], np.uint64(q))
                    sums_at = np.uint64(8 * (most + 1) + q * columns)
                    _walk_row(w, known, weight, t, splits, numbers, trees[tree, 3], trees[tree, 4], x, most, sums_at)
            for q in range(longest):
                for j in range(columns):
                    place = 8 * (most + 1) + q // 4 * 4 * columns + 4 * j + q % 4
                    out[row, j] += w[place]
                    w[place] = _0
