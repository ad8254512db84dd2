"""Empirical-Bayes rates at observations: the groups' windows at each day, one's own part out, shrunken by the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY
from earlywarn.features.exact import Sums
from earlywarn.features.hierarchy import Hierarchy
from earlywarn.features.membership import codes_in
from earlywarn.features.own_part import OwnPart
from earlywarn.features.reduced import Reduced
from earlywarn.features.reduction import Windows, numbered
from earlywarn.features.shrinkage import Tree, shrunken

__all__ = ["Rates"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: Cells of (group, situation) looked at in one go.
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Rates:
    """Rates over one kind of group.

    Attributes
    ----------
    reduced : Reduced
    windows : Windows
        Of the cells of ``reduced``.
    hierarchy : Hierarchy
        Empty for groups that stand directly under the portfolio.
    nested : bool
        Whether groups lie in each other, as regions do.
    labels : sequence of str
        What ``group`` of observations and own parts points to.
    """

    reduced: Reduced
    windows: Windows
    hierarchy: Hierarchy
    nested: bool
    labels: Sequence[str]

    def at(self, group: Rows, day: Rows, own: OwnPart | None) -> Values:
        """Rate of each observation's group at its day.

        Parameters
        ----------
        group, day : ndarray of int64, shape (n,)
        own : OwnPart or None
            What to leave out: of the group, of all groups above it, and of how much groups differ.

        Returns
        -------
        ndarray of float64, shape (n,); missing for group -1, and where no group has a fact
        """
        situation, first = _situations(day, own)
        order = np.argsort(situation, kind="stable")
        version = self.hierarchy.versions(day[first] * US_PER_DAY)
        values = np.full(len(group), np.nan)
        for number in np.unique(version).tolist():
            parents = self.hierarchy.parents(number)
            tree = Tree.of(self.reduced.labels, parents, nested=self.nested)
            node = np.array([tree.nearest(label, parents, nested=self.nested) for label in self.labels] + [0])
            some, size = np.flatnonzero(version == number), max(1, _CHUNK // len(tree.parent))
            for chunk in (some[low : low + size] for low in range(0, len(some), size)):
                found = shrunken(*self._facts(tree, day[first[chunk]], first[chunk], own), tree)
                low, high = np.searchsorted(situation[order], [chunk[0], chunk[-1] + 1])
                rows = order[low:high]
                values[rows] = found[node[group[rows]], situation[rows] - chunk[0]]
        return np.where(group >= 0, values, np.nan)

    def _facts(self, tree: Tree, day: Rows, observation: Rows, own: OwnPart | None) -> tuple[Values, Values]:
        """Number of facts of each node itself and the sum of their values, shape (n_nodes, n), own part left out."""
        labels = self.reduced.labels
        days, which = np.unique(day, return_inverse=True)
        every = self.windows.at(np.repeat(np.arange(len(labels)), len(days)), np.tile(days, len(labels)))
        columns = [column for column in every.columns if column[0] != "square"]
        if own is not None:
            columns = sorted({*columns, *(column for column in own.sums.columns if column[0] != "square")})
        parts = every.in_columns(columns).reshape(len(labels), len(days), len(columns))[:, which]
        if own is not None:
            rows, place = own.of_observations(observation)
            code = codes_in(tuple(self.labels), labels)[own.group[rows]]
            parts[code[code >= 0], place[code >= 0]] -= own.sums.in_columns(columns)[rows[code >= 0]]
        sums = Sums(tuple(columns), parts.reshape(-1, len(columns)))
        count, total = np.zeros((2, len(tree.parent), len(day)))
        nodes = [tree.node[label] for label in labels]
        count[nodes] = np.maximum(sums.read("count")[0], 0.0).reshape(len(labels), len(day))
        total[nodes] = sums.read("sum")[0].reshape(len(labels), len(day)) / self.reduced.scale
        return count, np.where(count > 0, total, 0.0)


def _situations(day: Rows, own: OwnPart | None) -> tuple[Rows, Rows]:
    """Number of each distinct (day, own part), sorted by day, and one observation that is in it.

    A customer with facts in several groups is a situation of its own.
    """
    keys = [day]
    if own is not None and len(own.observation):
        facts = np.bincount(own.observation, minlength=len(day))
        one = facts[own.observation] == 1
        for part in (own.group + 1, *own.sums.parts.T):
            column = np.zeros(len(day), dtype=np.int64)
            column[own.observation[one]] = part[one]
            keys.append(column)
        keys.append(np.where(facts > 1, np.arange(len(day)) + 1, 0))
    situation, _, first = numbered(keys)
    return situation, first
