"""Trees laid out for `treeshap_kernels`: as steps for blocks of rows, as splits for one row.

A path may split on one feature more than once. Then the feature counts once: what is known of it on the path is known
at all of its splits, and the share of training rows is the product of theirs. So each split is told which one above it
was the last on its feature.

Everything is worked out for all trees at once, level by level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from earlywarn.reasons.trees import Trees
from earlywarn.reasons.treeshap_kernels import BOTTOM, COLUMNS, DOWN, LEAF, MOST_POINTS, OVER, TWIG, UP

__all__ = ["Layout", "lay_out"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]
Singles = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

#: Least share of training rows that is divided by.
LEAST = 1e-20
#: Memory that a layout may take, and what it takes for each node, as measured.
MOST_BYTES, BYTES_OF_NODE = 256e6, 64


@dataclass(frozen=True)
class Layout:
    """What the compiled loops read, for t trees.

    Parameters
    ----------
    steps : ndarray of int32, shape (s, 8)
        Visits of nodes, left before right: kind, depth, feature, depth of the last split above on the same feature
        (-1: none), place of the constants, features of the children of a twig, and bits that say where missing values
        go left.
    constants : ndarray of float32, shape (c,)
    splits : ndarray of int32, shape (n, 5)
        Each before its right child, and that before its left: feature, whether missing values go left, place of what
        is known of its feature from above (-1: nothing), left and right child within the tree (-1: a leaf). Read
        backwards this is the order in which the steps end.
    numbers : ndarray of float32, shape (n, 5)
        Threshold, share of training rows that go left, share that splits above let through, margins of leaves.
    trees : ndarray of int32, shape (t, 5)
        First and last step, points of the rule, first and last split.
    rules : ndarray of float32, shape (17, 2, 16)
        Points and weights of the Gauss-Legendre rule of each number of points, on 0 to 1.
    depth : int
        Of the deepest node.
    most_splits : int
        Of the largest tree.
    """

    steps: Places
    constants: Singles
    splits: Places
    numbers: Singles
    trees: Places
    rules: Singles
    depth: int
    most_splits: int

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        parts = (self.steps, self.constants, self.splits, self.numbers, self.trees, self.rules)
        return sum(part.nbytes for part in parts)


@dataclass(frozen=True)
class _Shape:
    """What each node is, for n nodes: where it hangs, what lies above it, what it is a part of."""

    trees: Trees
    parent: Ints
    levels: tuple[Ints, ...]
    depth: Ints
    above: Ints
    side: Ints
    share: Floats
    share_above: Floats
    distinct: Ints

    @classmethod
    def of(cls, trees: Trees) -> Self:
        n, inner = len(trees.left), np.flatnonzero(trees.left >= 0)
        parent = np.full(n, -1)
        parent[trees.left[inner]] = parent[trees.right[inner]] = inner
        share = np.full(n, 0.5)
        covered = inner[trees.cover[inner] > 0]
        share[covered] = trees.cover[trees.left[covered]] / trees.cover[covered]
        levels, depth = [trees.starts[:-1]], np.zeros(n, dtype=np.int64)
        while len(levels[-1]):
            split = levels[-1][trees.left[levels[-1]] >= 0]
            levels.append(np.concatenate([trees.left[split], trees.right[split]]))
            depth[levels[-1]] = len(levels) - 1
        above, side, share_above = np.full(n, -1), np.zeros(n, dtype=np.int64), np.ones(n)
        child, over = inner, parent[inner]
        node = inner
        while len(node):
            node, child, over = (part[over >= 0] for part in (node, child, over))
            same = trees.feature[over] == trees.feature[node]
            right = (trees.right[over] == child).astype(np.int64)
            first = same & (above[node] < 0)
            above[node[first]], side[node[first]] = over[first], right[first]
            share_above[node[same]] *= np.where(right[same] == 1, 1 - share[over[same]], share[over[same]])
            child, over = over, parent[over]
        distinct = (above < 0).astype(np.int64) * (trees.left >= 0)
        for level in levels[1:]:
            distinct[level] += distinct[parent[level]]
        return cls(
            trees, parent, tuple(levels[:-1]), depth, above, side, share, np.maximum(share_above, LEAST), distinct
        )

    @property
    def kind(self) -> Ints:
        """What comes first of each node; `OVER` for what is a part of a step already."""
        left, right, feature = self.trees.left, self.trees.right, self.trees.feature
        kind = np.where(left < 0, LEAF, DOWN)
        inner = np.flatnonzero(left >= 0)
        kind[inner[(left[left[inner]] < 0) & (left[right[inner]] < 0)]] = BOTTOM
        one, two = left[inner], right[inner]
        is_twig = (kind[one] == BOTTOM) & (kind[two] == BOTTOM) & (feature[one] != feature[two])
        is_twig &= (self.above[inner] < 0) & (self.above[one] < 0) & (self.above[two] < 0)
        twigs = inner[is_twig]
        kind[twigs] = TWIG
        for whole in (twigs, np.flatnonzero(kind == BOTTOM)):
            kind[left[whole]] = kind[right[whole]] = OVER
        hidden = np.concatenate([left[twigs], right[twigs]])
        kind[left[hidden]] = kind[right[hidden]] = OVER
        return kind


def lay_out(trees: Trees) -> Layout | None:
    """Lay trees out.

    Parameters
    ----------
    trees : Trees

    Returns
    -------
    Layout or None
        None when a path splits on more different features than there is a rule for, or when it would take more than
        `MOST_BYTES`.
    """
    if len(trees.left) * BYTES_OF_NODE > MOST_BYTES:
        return None
    shape = _Shape.of(trees)
    laid = np.zeros((len(trees.starts) - 1, 5), dtype=np.int32)
    if len(laid):
        laid[:, 2] = (np.maximum.reduceat(shape.distinct, trees.starts[:-1]) + 1) // 2
    if (laid[:, 2] > MOST_POINTS).any():
        return None
    steps, constants = _steps(shape, laid)
    splits, numbers = _splits(shape, laid)
    largest = int((laid[:, 4] - laid[:, 3]).max(initial=1))
    return Layout(steps, constants, splits, numbers, laid, _rules(), len(shape.levels) - 1, largest)


def _steps(shape: _Shape, laid: Places) -> tuple[Places, Singles]:
    """Steps and constants of all trees; the first and the last step of each tree are written to ``laid``."""
    trees, kind = shape.trees, shape.kind
    down, twig, bottom = (np.flatnonzero(kind == one) for one in (DOWN, TWIG, BOTTOM))
    left, right = trees.left, trees.right
    size = np.where(kind == DOWN, 3, np.where(kind == OVER, 0, 1))
    size[trees.starts[:-1][left[trees.starts[:-1]] < 0]] = 0  # a tree of one leaf needs no steps
    _add_up(size, shape, down)
    place = _places(shape, size, down, first=left, second=right, between=1)
    ends = np.cumsum(size[trees.starts[:-1]])
    laid[:, 0], laid[:, 1] = ends - size[trees.starts[:-1]], ends
    place += np.repeat(laid[:, 0], np.diff(trees.starts))

    again = shape.above >= 0
    width = np.where(kind == LEAF, 1, np.where(kind == OVER, 0, 2 + again))
    width[bottom] += 2
    width[twig] += 8
    at = np.cumsum(width) - width
    constants = np.zeros(int(width.sum()) + COLUMNS, dtype=np.float32)
    steps = np.zeros((int(ends[-1]) if len(ends) else 0, COLUMNS), dtype=np.int32)

    seen = np.flatnonzero((kind != OVER) & (size > 0))
    over = np.where(again, shape.depth[shape.above], -1)
    steps[place[seen], :5] = np.column_stack([kind, shape.depth, trees.feature, over, at])[seen]
    leaves = np.flatnonzero(kind == LEAF)
    constants[at[leaves]] = trees.value[leaves]
    split = np.concatenate([down, twig, bottom])
    constants[at[split]], constants[at[split] + 1] = trees.value[split], shape.share[split]
    steps[place[split], 7] = trees.missing_left[split]
    repeated = split[again[split]]
    constants[at[repeated] + 2] = shape.share_above[repeated]
    _put_leaves(constants, at[bottom] + 2 + again[bottom], trees, bottom)
    for number, child in enumerate((left[twig], right[twig])):
        start = at[twig] + 2 + 4 * number
        constants[start], constants[start + 1] = trees.value[child], shape.share[child]
        _put_leaves(constants, start + 2, trees, child)
        steps[place[twig], 5 + number] = trees.feature[child]
        steps[place[twig], 7] += (2 << number) * trees.missing_left[child].astype(np.int32)
    for kind_after, after in ((OVER, place[down] + 1 + size[left[down]]), (UP, place[down] + size[down] - 1)):
        steps[after] = steps[place[down]]
        steps[after, 0] = kind_after
    return steps, constants


def _put_leaves(constants: Singles, at: Ints, trees: Trees, bottom: Ints) -> None:
    """How far the leaves of bottoms are apart, and the margin of the right ones, as float32 numbers."""
    constants[at + 1] = trees.value[trees.right[bottom]]
    constants[at] = trees.value[trees.left[bottom]].astype(np.float32) - constants[at + 1]


def _splits(shape: _Shape, laid: Places) -> tuple[Places, Singles]:
    """Splits of all trees and their numbers; the first and the last split of each are written to ``laid``."""
    trees = shape.trees
    left, right, inner = trees.left, trees.right, np.flatnonzero(trees.left >= 0)
    size = (left >= 0).astype(np.int64)
    _add_up(size, shape, inner)
    place = _places(shape, size, inner, first=right, second=left, between=0)
    ends = np.cumsum(size[trees.starts[:-1]])
    laid[:, 3], laid[:, 4] = ends - size[trees.starts[:-1]], ends
    at = place[inner] + np.repeat(laid[:, 3], np.diff(trees.starts))[inner]
    splits, numbers = np.zeros((len(inner), 5), dtype=np.int32), np.zeros((len(inner), 5), dtype=np.float32)
    above = shape.above[inner]
    known = np.where(above >= 0, 2 * place[above] + shape.side[inner], -1)
    children = [np.where(left[child] >= 0, place[child], -1) for child in (left[inner], right[inner])]
    splits[at] = np.column_stack([trees.feature[inner], trees.missing_left[inner], known, *children])
    numbers[at] = np.column_stack(
        [
            trees.value[inner], shape.share[inner], shape.share_above[inner],
            trees.value[left[inner]], trees.value[right[inner]],
        ]
    )  # fmt: skip
    return splits, numbers


def _add_up(size: Ints, shape: _Shape, wanted: Ints) -> None:
    """Add to the own size of nodes that of everything below them."""
    chosen = np.zeros(len(size), dtype=bool)
    chosen[wanted] = True
    for level in reversed(shape.levels):
        node = level[chosen[level]]
        size[node] += size[shape.trees.left[node]] + size[shape.trees.right[node]]


def _places(shape: _Shape, size: Ints, wanted: Ints, *, first: Ints, second: Ints, between: int) -> Ints:
    """Place of each node within its tree: after its parent, the first child before the second."""
    place, chosen = np.zeros(len(size), dtype=np.int64), np.zeros(len(size), dtype=bool)
    chosen[wanted] = True
    for level in shape.levels:
        node = level[chosen[level]]
        place[first[node]] = place[node] + 1
        place[second[node]] = place[node] + 1 + size[first[node]] + between
    return place


def _rules() -> Singles:
    """Gauss-Legendre rules on 0 to 1."""
    rules = np.zeros((MOST_POINTS + 1, 2, MOST_POINTS), dtype=np.float32)
    for points in range(1, MOST_POINTS + 1):
        at, weight = np.polynomial.legendre.leggauss(points)
        rules[points, :, :points] = (at + 1) / 2, weight / 2
    return rules
