"""Columns cut into few bins, each with its weight of evidence: what a scorecard reads.

Cuts are those of a small decision tree on the one column, held to the column's direction; what is missing is a bin of
its own. The weight of evidence of a bin is ln(share of the late rows in it / share of the rows on time in it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeClassifier

__all__ = ["Bins", "learn_bins"]

Floats = npt.NDArray[np.float64]
#: Rows on time and rows late that every bin is given on top, so that no weight is endless.
PSEUDO_ROWS = 0.5


@dataclass(frozen=True)
class Bins:
    """Bins of one column and what they tell.

    Parameters
    ----------
    edges : tuple of float, length m
        Rising; a value belongs to the first edge it does not exceed, to the last bin when it exceeds all.
    weights : tuple of float, length m + 2
        Weight of evidence by bin, from the smallest values to the largest, then of what is missing.
    rows, late : tuple of float, length m + 2
        Weight of the training rows in each bin, and of the late ones.
    """

    edges: tuple[float, ...]
    weights: tuple[float, ...]
    rows: tuple[float, ...]
    late: tuple[float, ...]

    def of(self, values: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """Bin of each value, shape (n,); the last one where missing.

        Examples
        --------
        >>> Bins((0.5,), (-1.0, 1.0, 0.0), (5, 5, 0), (1, 3, 0)).of(np.array([0.5, 0.6, np.nan])).tolist()
        [0, 1, 2]
        """
        place = np.searchsorted(np.array(self.edges), values, side="left")
        return np.where(np.isnan(values), len(self.edges) + 1, place)

    def evidence(self, values: npt.NDArray[Any]) -> Floats:
        """Weight of evidence of each value, shape (n,)."""
        return np.array(self.weights)[self.of(values)]

    @property
    def information(self) -> float:
        """Information value: how far the late rows and those on time are spread apart over the bins."""
        rows, late = np.array(self.rows), np.array(self.late)
        on_time = rows - late
        apart = late / max(late.sum(), 1e-300) - on_time / max(on_time.sum(), 1e-300)
        return float(apart @ np.array(self.weights))

    @property
    def by_chance(self) -> float:
        """Information value to be expected of bins that tell nothing."""
        late = sum(self.late)
        on_time = sum(self.rows) - late
        filled = sum(1 for rows in self.rows if rows > 0)
        return (filled - 1) * (1 / late + 1 / on_time) if late > 0 and on_time > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, ready for JSON."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """From `to_dict`."""
        return cls(**{name: tuple(stored[name]) for name in ("edges", "weights", "rows", "late")})


def learn_bins(
    values: npt.NDArray[Any], late: Floats, weight: Floats, *, direction: int, most: int, least_share: float
) -> Bins:
    """Cut a column where late rows and those on time part best.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        NaN where missing.
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,)
    direction : {-1, 0, 1}
        Which way the share late may go from bin to bin; 0 is either.
    most : int
        Bins at most, that of what is missing not counted.
    least_share : float
        Share of the rows with a value that a bin holds at least.

    Returns
    -------
    Bins

    Examples
    --------
    >>> x = np.repeat([1.0, 2.0, np.nan], 100)
    >>> late = np.concatenate([np.zeros(100), np.ones(100), np.tile([0.0, 1.0], 50)])
    >>> learn_bins(x, late, np.ones(300), direction=1, most=5, least_share=0.05).edges
    (1.5,)
    """
    there = np.flatnonzero(~np.isnan(values))
    edges = np.empty(0)
    if len(np.unique(late[there])) == 2:
        tree = DecisionTreeClassifier(
            criterion="log_loss", max_leaf_nodes=most, min_weight_fraction_leaf=least_share,
            monotonic_cst=[direction], random_state=0,
        )  # fmt: skip
        tree.fit(values[there, None], late[there].astype(int), sample_weight=weight[there])
        edges = np.unique(tree.tree_.threshold[tree.tree_.feature >= 0])
    while True:
        bins = _counted(edges, values, late, weight)
        wrong = np.flatnonzero(np.diff(bins.weights[:-1]) * direction < 0)
        if not len(wrong):
            return bins
        edges = np.delete(edges, wrong[0])  # small bins are drawn to the middle, and may so change places


def _counted(edges: Floats, values: npt.NDArray[Any], late: Floats, weight: Floats) -> Bins:
    """Bins between edges with what the rows in them tell."""
    cut = Bins(tuple(edges.tolist()), (), (), ())
    place = cut.of(values)
    rows, of_late = (np.bincount(place, of, minlength=len(edges) + 2) for of in (weight, weight * late))
    on_time = rows - of_late
    evidence = np.log((of_late + PSEUDO_ROWS) / (of_late.sum() + PSEUDO_ROWS)) - np.log(
        (on_time + PSEUDO_ROWS) / (on_time.sum() + PSEUDO_ROWS)
    )
    evidence = np.where(rows > 0, evidence, 0.0)
    return Bins(cut.edges, tuple(evidence.tolist()), tuple(rows.tolist()), tuple(of_late.tolist()))
