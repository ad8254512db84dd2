"""Families: columns that tell one story are added up before they are ranked.

Credit splits arbitrarily between twins (late share over 3, 6 and 12 months); their sum does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

__all__ = ["NOISE", "FamilySums", "family_sums", "probability_points"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

#: Log-odds below which a contribution is float32 rounding and no reason.
NOISE = 1e-5
#: Log-odds below which a change in probability is its slope.
NEAR = 1e-9


@dataclass(frozen=True)
class FamilySums:
    """Contributions by family, for n rows and f families.

    Parameters
    ----------
    names : tuple of str, length f
        In order of first appearance among the columns.
    values : ndarray of float64, shape (n, f)
        Signed sums, log-odds.
    leading : ndarray of int, shape (n, f)
        The column that pushes most in the direction of the sum.
    """

    names: tuple[str, ...]
    values: Floats
    leading: Indices

    def ranking(self) -> Indices:
        """Families of each row from the one that raises the risk most to the one that lowers it most.

        Returns
        -------
        ndarray of int, shape (n, f)
            Positions in `names`; equal sums stay in the order of `names`.
        """
        return np.argsort(-self.values, axis=1, kind="stable")

    def raising(self) -> npt.NDArray[np.bool_]:
        """Where a family raises the risk by more than rounding; shape (n, f)."""
        return np.asarray(self.values > NOISE)


def family_sums(contributions: Floats, families: Sequence[str]) -> FamilySums:
    """Add up contributions by family.

    Parameters
    ----------
    contributions : ndarray of float64, shape (n, k)
    families : sequence of str, length k
        Family of each column.

    Returns
    -------
    FamilySums

    Examples
    --------
    >>> sums = family_sums(np.array([[0.5, -0.2, 0.1]]), ["history", "usage", "history"])
    >>> sums.names, sums.values, sums.leading
    (('history', 'usage'), array([[ 0.6, -0.2]]), array([[0, 1]]))
    """
    names = tuple(dict.fromkeys(families))
    values = np.zeros((len(contributions), len(names)))
    leading = np.zeros((len(contributions), len(names)), dtype=np.intp)
    for position, name in enumerate(names):
        columns = np.array([at for at, family in enumerate(families) if family == name], dtype=np.intp)
        part = contributions[:, columns]
        values[:, position] = part.sum(axis=1)
        towards = np.where(values[:, [position]] < 0, -part, part)
        if len(part):
            leading[:, position] = columns[np.argmax(towards, axis=1)]
    return FamilySums(names, values, leading)


def probability_points(contributions: Floats, base: float, total: Floats | None = None) -> Floats:
    """Contributions in log-odds as points of probability, in proportion.

    Every contribution of a row is multiplied by the same number: the change in probability from ``base`` to the whole,
    divided by the change in log-odds. So they add up to exactly that change, and signs and order stay. It is a way of
    showing, not another explanation: what a point is worth differs from row to row.

    Parameters
    ----------
    contributions : ndarray of float64, shape (n, f)
        Log-odds.
    base : float
        Log-odds where they start.
    total : ndarray of float64, shape (n,), optional
        Sums of all contributions of each row, where only some are handed over.

    Returns
    -------
    ndarray of float64, shape (n, f)
        Shares of probability, 0.01 for a point.

    Examples
    --------
    >>> points = probability_points(np.array([[2.0, -1.0]]), 0.0)
    >>> points.round(3), bool(np.isclose(points.sum(), 1 / (1 + np.exp(-1.0)) - 0.5))
    (array([[ 0.462, -0.231]]), True)
    """
    whole = contributions.sum(axis=1) if total is None else total
    start = float(expit(base))
    moved = np.abs(whole) > NEAR
    gained = expit(base + whole) - start
    scale = np.where(moved, gained / np.where(moved, whole, 1.0), start * (1 - start))
    return np.asarray(contributions * scale[:, None])
