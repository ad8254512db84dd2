"""Margins of a booster and their exact SHAP values, in log-odds.

The only file that asks a booster for numbers. SHAP values are path-dependent: what is not known is averaged over the
training rows that came to a node. They are checked against the margin when a booster is read and on every batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from earlywarn.compiled import in_ranges
from earlywarn.errors import EarlywarnError
from earlywarn.reasons.trees import Trees, read_trees

if TYPE_CHECKING:
    from earlywarn.reasons.treeshap_layout import Layout

__all__ = ["TOLERANCE", "TreeShap", "margins"]

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

#: Largest gap allowed between a margin and the sum of its contributions, per unit of log-odds. The margin is a
#: float32 sum over all trees; what is measured stays below a tenth of this.
TOLERANCE = 1e-4
#: Rows that are checked when a booster is read, and of every batch whose margins are not handed over.
CHECKED = 64
#: Least sum of contributions that is divided by.
SMALLEST = 1e-300
#: Rows up to which explaining one after another is faster than a block.
FEW = 16


def margins(booster: xgb.Booster, matrix: Singles) -> Floats:
    """Log-odds of each row before calibration.

    Parameters
    ----------
    booster : xgboost.Booster
    matrix : ndarray of float32, shape (n, k)

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    if not len(matrix):
        return np.empty(0)
    return np.asarray(booster.inplace_predict(matrix, predict_type="margin"), dtype=np.float64)


@dataclass(frozen=True)
class TreeShap:
    """Exact SHAP values of a booster, ready to be asked.

    Parameters
    ----------
    booster : xgboost.Booster
    layout : Layout or None
        Its trees as compiled loops read them; None where those are not made for them, and the booster itself is asked.
    expected_value : float
        Mean margin over the training rows, by the covers of the trees: where every explanation starts.

    Notes
    -----
    Path-dependent TreeSHAP as in S. Lundberg, G. Erion and S. Lee, "Consistent individualized feature attribution for
    tree ensembles" (2018), equal to that of shap and xgboost to float32 rounding. That a Shapley value is the integral
    of a slope along the diagonal is G. Owen, "Multilinear extensions of games" (1972).

    Examples
    --------
    >>> X, y = np.eye(4, dtype=np.float32), np.array([0, 1, 1, 1])
    >>> booster = xgb.train({"min_child_weight": 0}, xgb.DMatrix(X, label=y), 3)
    >>> shap = TreeShap.of(booster, 4)
    >>> bool(np.allclose(shap.contributions(X).sum(axis=1) + shap.expected_value, margins(booster, X)))
    True
    """

    booster: xgb.Booster
    layout: Layout | None
    expected_value: float

    @classmethod
    def of(cls, booster: xgb.Booster, n_columns: int) -> Self:
        """Read a booster, and check that what it is made of adds up to its margins.

        Parameters
        ----------
        booster : xgboost.Booster
        n_columns : int
            Of its matrix.

        Returns
        -------
        TreeShap

        Raises
        ------
        EarlywarnError
            If contributions do not add up to the margin (code E030).
        """
        from earlywarn.reasons.treeshap_layout import lay_out

        trees = read_trees(booster)
        layout = None if trees is None else lay_out(trees)
        if trees is None or layout is None:
            nothing_known = np.full((1, n_columns), np.nan, dtype=np.float32)
            return cls(booster, None, float(_by_booster(booster, nothing_known)[0, -1]))
        probe = _probe(trees, n_columns)
        values = _explained(layout, probe)
        start = margins(booster, probe) - values.sum(axis=1)
        found = cls(booster, layout, float(start.mean()))
        found._check(start - found.expected_value, np.abs(values).sum(axis=1))
        return found

    @property
    def nbytes(self) -> int:
        """Memory taken beside the booster."""
        return 0 if self.layout is None else self.layout.nbytes

    def contributions(self, matrix: Singles, margin: Floats | None = None) -> Floats:
        """SHAP value of each column for each row, in log-odds.

        Parameters
        ----------
        matrix : ndarray of float32, shape (n, k)
        margin : ndarray of float64, shape (n,), optional
            Margins of the same rows. Then the float32 rounding of both is spread over each row in proportion to size,
            so that the sum with `expected_value` is the margin to the last bits, and no sign or order changes.

        Returns
        -------
        ndarray of float64, shape (n, k)

        Raises
        ------
        EarlywarnError
            If they do not add up to the margin (code E030): of every row where margins are handed over, else of a
            sample.
        """
        if not len(matrix):
            return np.empty(matrix.shape)
        layout = self.layout
        values = _by_booster(self.booster, matrix)[:, :-1] if layout is None else _explained(layout, matrix)
        if margin is None:
            sample = np.unique(np.linspace(0, len(matrix) - 1, min(CHECKED, len(matrix))).astype(np.intp))
            known, told = margins(self.booster, matrix[sample]), values[sample]
            self._check(known - told.sum(axis=1) - self.expected_value, np.abs(told).sum(axis=1))
            return values
        rest = margin - values.sum(axis=1) - self.expected_value
        size = np.abs(values)
        total = size.sum(axis=1)
        self._check(rest, total)
        size *= (rest / np.maximum(total, SMALLEST))[:, None]  # the rest, in proportion to size
        if not total.all():  # nothing was known: in equal parts
            size[total == 0] = (rest[total == 0] / size.shape[1])[:, None]
        return values + size

    def _check(self, gap: Floats, size: Floats) -> None:
        scale = np.maximum(1.0, size)
        worst = int(np.argmax(np.abs(gap) / scale))
        if not abs(gap[worst]) <= TOLERANCE * scale[worst]:
            raise EarlywarnError(
                "contributions do not add up to the booster's margin.",
                code="E030",
                found=f"a gap of {gap[worst]:.2g} log-odds where {TOLERANCE:g} is allowed",
                hint=f"a fault of xgboost {xgb.__version__} or of the bundle: train again, and report it.",
            )


def _explained(layout: Layout, matrix: Singles) -> Floats:
    """Contributions by compiled loops: blocks of rows, and one by one what is left over."""
    from earlywarn.reasons.treeshap_kernels import LANES, explain_blocks, explain_rows

    rows, matrix = len(matrix), np.ascontiguousarray(matrix, dtype=np.float32)
    out = np.empty(matrix.shape)
    few = rows % LANES if rows % LANES <= FEW else 0
    blocks = -(-(rows - few) // LANES)
    if blocks:
        in_ranges(
            explain_blocks, blocks, matrix, layout.steps, layout.constants, layout.trees, layout.rules, layout.depth,
            out, steps=float(len(layout.steps)) * LANES * blocks,
        )  # fmt: skip
    if few:
        explain_rows(
            rows - few, rows, matrix, layout.splits, layout.numbers, layout.trees, layout.rules, layout.most_splits, out
        )
    return out


def _by_booster(booster: xgb.Booster, matrix: Singles) -> Floats:
    """Contributions as the booster itself gives them, the expected value last."""
    return np.asarray(booster.predict(xgb.DMatrix(matrix), pred_contribs=True), dtype=np.float64)


def _probe(trees: Trees, n_columns: int) -> Singles:
    """Rows that go many ways through trees: each value a threshold of its column, or next to one, or missing."""
    draw = np.random.default_rng(0)
    probe = np.full((CHECKED, n_columns), np.nan, dtype=np.float32)
    inner = trees.left >= 0
    for column in np.unique(trees.feature[inner]):
        thresholds = trees.value[inner & (trees.feature == column)]
        chosen = draw.choice(thresholds, CHECKED).astype(np.float32)
        probe[:, column] = np.where(draw.random(CHECKED) < 0.5, chosen, np.nextafter(chosen, np.float32(-np.inf)))
    probe[draw.random(probe.shape) < 0.1] = np.nan
    return probe
