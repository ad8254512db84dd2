"""Margins and exact SHAP contributions of a booster, in log-odds.

The only file that asks a booster for numbers. Contributions come from the booster itself (path-dependent
TreeSHAP) and are checked: per row they add up to the margin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from earlywarn.errors import EarlywarnError

__all__ = ["TOLERANCE", "contributions", "expected_value", "margins"]

Floats = npt.NDArray[np.float64]

#: Largest gap allowed between a margin and the sum of its contributions, per unit of log-odds. Both are
#: float32 sums over all trees; what is measured stays below a tenth of this.
TOLERANCE = 1e-4


def margins(booster: xgb.Booster, matrix: npt.NDArray[np.float32], *, n_jobs: int | None = None) -> Floats:
    """Log-odds of each row before calibration.

    Parameters
    ----------
    booster : xgboost.Booster
    matrix : ndarray of float32, shape (n, k)
    n_jobs : int, optional
        Threads; all cores when left out.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    if not len(matrix):
        return np.empty(0)
    data = xgb.DMatrix(matrix, nthread=n_jobs)
    return np.asarray(booster.predict(data, output_margin=True), dtype=np.float64)


def expected_value(booster: xgb.Booster, n_columns: int) -> float:
    """Mean margin over the training rows, by the covers of the trees: where every explanation starts."""
    nothing_known = xgb.DMatrix(np.full((1, n_columns), np.nan, dtype=np.float32), nthread=1)
    return float(booster.predict(nothing_known, pred_contribs=True)[0, -1])


def contributions(booster: xgb.Booster, matrix: npt.NDArray[np.float32], *, n_jobs: int | None = None) -> Floats:
    """SHAP value of each column for each row, in log-odds.

    Their sum and `expected_value` are the margin. The booster adds in float32; the rounding that is left
    (below `TOLERANCE`) is spread over the row in proportion to size, so that the sum holds to the last bits
    of float64 and no sign or order changes.

    Parameters
    ----------
    booster : xgboost.Booster
    matrix : ndarray of float32, shape (n, k)
    n_jobs : int, optional
        Threads; all cores when left out.

    Returns
    -------
    ndarray of float64, shape (n, k)

    Raises
    ------
    EarlywarnError
        If they do not add up to the margin (code E030).
    """
    if not len(matrix):
        return np.empty(matrix.shape)
    data = xgb.DMatrix(matrix, nthread=n_jobs)
    raw = np.asarray(booster.predict(data, pred_contribs=True), dtype=np.float64)
    rest = margins(booster, matrix, n_jobs=n_jobs) - raw.sum(axis=1)
    _check_additive(rest, raw)
    return raw[:, :-1] + _spread(rest, raw[:, :-1])


def _check_additive(rest: Floats, raw: Floats) -> None:
    scale = np.maximum(1.0, np.abs(raw).sum(axis=1))
    worst = int(np.argmax(np.abs(rest) / scale))
    if not abs(rest[worst]) <= TOLERANCE * scale[worst]:
        raise EarlywarnError(
            "the booster's contributions do not add up to its margin.",
            code="E030",
            found=f"row {worst}: a gap of {rest[worst]:.2g} log-odds where {TOLERANCE:g} is allowed",
            hint=f"a fault of xgboost {xgb.__version__} or of the bundle: train again, and report it.",
        )


def _spread(rest: Floats, values: Floats) -> Floats:
    size = np.abs(values).sum(axis=1, keepdims=True)
    share = np.where(size > 0, np.abs(values) / np.where(size > 0, size, 1.0), 1.0 / values.shape[1])
    spread: Floats = rest[:, None] * share
    return spread
