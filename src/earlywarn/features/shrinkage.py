"""Rates of groups by empirical Bayes: a group's own rate, drawn towards that of the group above it.

The fewer facts a group has, and the less groups differ beyond chance, the more of the rate comes from above:
a region from its NUTS parent, that from the next one, up to the portfolio. Segments and campaigns stand
directly under the portfolio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.features.hierarchy import above

__all__ = ["Tree", "shrunken"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """Groups below each other; node 0 is the portfolio.

    Attributes
    ----------
    node : mapping of str to int
    parent, depth : ndarray of int64, shape (n_nodes,)
        A parent comes before what is below it.
    """

    node: Mapping[str, int]
    parent: Rows
    depth: Rows

    @staticmethod
    def of(labels: Iterable[str], parents: Mapping[str, str], *, nested: bool) -> Tree:
        """Tree of groups and of all that they lie in.

        Parameters
        ----------
        labels : iterable of str
        parents : mapping of str to str
            As `Hierarchy.parents` gives them.
        nested : bool
            False for groups that stand directly under the portfolio.

        Returns
        -------
        Tree
        """
        node: dict[str, int] = {}
        parent, depth = [0], [0]
        for label in labels:
            at = 0
            for name in reversed([label, *(above(label, parents) if nested else [])]):
                if name not in node:
                    node[name] = len(parent)
                    parent.append(at)
                    depth.append(depth[at] + 1)
                at = node[name]
        return Tree(node, np.array(parent, dtype=np.int64), np.array(depth, dtype=np.int64))

    def nearest(self, label: str, parents: Mapping[str, str], *, nested: bool) -> int:
        """Node of a group, else of the nearest one above it that is there."""
        chain = [label, *(above(label, parents) if nested else [])]
        return next((self.node[name] for name in chain if name in self.node), 0)


def shrunken(count: Values, total: Values, tree: Tree) -> Values:
    """Empirical-Bayes rate of each node, each column on its own (Marshall 1991).

    With n facts and rate y/n of a node and the rate m of its parent: m + w (y/n - m), w = A / (A + m/n), where
    A = max(0, (sum n (y/n - m)^2 - sum m) / sum n) runs over all nodes of the same depth. A node that holds all
    facts of its parent has its parent's rate. Between one parent and its children this is the textbook's
    A = max(0, sum n (y/n - m)^2 / sum n - m / mean n).

    Parameters
    ----------
    count, total : ndarray of float64, shape (n_nodes, n)
        Facts that belong to each node itself, and the sum of their values.
    tree : Tree

    Returns
    -------
    ndarray of float64, shape (n_nodes, n); missing where the portfolio has no fact

    Examples
    --------
    >>> tree = Tree.of(["north", "south"], {}, nested=False)
    >>> shrunken(np.array([[0.0], [10.0], [1000.0]]), np.array([[0.0], [9.0], [100.0]]), tree).round(3).ravel().tolist()
    [0.108, 0.393, 0.1]
    """
    n, y = count.copy(), total.copy()
    levels = [np.flatnonzero(tree.depth == depth) for depth in range(1, int(tree.depth.max()) + 1)]
    for level in reversed(levels):
        for node in level.tolist():
            n[tree.parent[node]] += n[node]
            y[tree.parent[node]] += y[node]
    theta = np.full_like(n, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        theta[0] = y[0] / n[0]
        for level in levels:
            above_it = tree.parent[level]
            m = theta[above_it]
            here = n[level]
            some = (here > 0) & (here < n[above_it])
            apart = np.where(some, y[level] / here - m, 0.0)
            excess = _added(np.where(some, here * apart**2 - m, 0.0)) / _added(np.where(some, here, 0.0))
            variance = np.where(excess > 0, excess, 0.0)
            noise = m / here
            weight = np.where(some & (variance + noise > 0), variance / (variance + noise), 0.0)
            theta[level] = m + weight * apart
    return theta


def _added(values: Values) -> Values:
    """Sum over nodes in their order, so that the number of columns beside each other changes no digit."""
    return np.asarray(np.add.accumulate(values, axis=0)[-1])
