"""Training the booster: parameters, monotone directions, a fixed seed. Data in, xgboost.Booster out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from earlywarn.risk.columns import Column

__all__ = ["PATIENCE", "grown", "loaded", "train_booster"]

#: Trees without a smaller log-loss on later rows after which growing stops.
PATIENCE = 50
BASE_RATE_MARGIN = 1e-6
#: Cells below which one thread is used: it takes seconds at most, while two threads that wait for a busy core
#: were measured to take thirty times as long.
SMALL_MATRIX = 1_000_000
Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def train_booster(
    matrix: npt.NDArray[np.float32],
    late: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    columns: tuple[Column, ...],
    *,
    n_estimators: int,
    n_jobs: int | None,
    later: Rows | None = None,
    **parameters: Any,
) -> xgb.Booster:
    """Train boosted trees on log-loss, each column held to its direction.

    No rows are repeated or weighed by their class: that would spoil the probabilities.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n, k)
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,)
    columns : tuple of Column, length k
    n_estimators : int
        Number of trees, or the most there may be where `later` is given.
    n_jobs : int, optional
        Threads; all cores when left out. The result does not depend on it.
    later : tuple of matrix, late and weight, optional
        Rows by whose log-loss the trees are counted: growing stops when it has not become smaller for `PATIENCE`
        trees, and those after the smallest are taken off.
    **parameters
        xgboost's own names: `learning_rate`, `max_depth`, `seed`, ….

    Returns
    -------
    xgboost.Booster
    """
    base_rate = float(np.average(late, weights=weight))
    settings = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "base_score": float(np.clip(base_rate, BASE_RATE_MARGIN, 1 - BASE_RATE_MARGIN)),
        "monotone_constraints": "(" + ",".join(str(column.direction) for column in columns) + ")",
        "verbosity": 0,
        "nthread": 1 if matrix.size < SMALL_MATRIX else n_jobs or 0,
        **parameters,
    }
    data = xgb.DMatrix(matrix, label=late, weight=weight, nthread=n_jobs)
    watched = None if later is None else xgb.DMatrix(later[0], label=later[1], weight=later[2], nthread=n_jobs)
    booster = grown(settings, data, n_estimators, watched)
    booster.set_param({"nthread": n_jobs or 0})
    return booster


def grown(settings: Mapping[str, Any], data: xgb.DMatrix, trees: int, later: xgb.DMatrix | None = None) -> xgb.Booster:
    """Grow trees; with later rows, until `PATIENCE` of them bring no smaller log-loss there, and no more than help.

    Parameters
    ----------
    settings : mapping
        xgboost's own.
    data : xgboost.DMatrix
    trees : int
        How many, or the most there may be where `later` is given.
    later : xgboost.DMatrix, optional

    Returns
    -------
    xgboost.Booster
    """
    if later is None:
        return xgb.train(dict(settings), data, num_boost_round=trees)
    booster = xgb.train(
        dict(settings), data, num_boost_round=trees, evals=[(later, "later")],
        early_stopping_rounds=PATIENCE, verbose_eval=False,
    )  # fmt: skip
    return booster[: booster.best_iteration + 1]


def loaded(raw: bytes, n_jobs: int | None) -> xgb.Booster:
    """Trees that were kept as UBJ, to be asked by so many threads; all cores when left out."""
    booster = xgb.Booster({"nthread": n_jobs or 0})
    booster.load_model(bytearray(raw))
    return booster
