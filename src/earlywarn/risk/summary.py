"""What a model was trained on, in figures that can be stored and compared. No clock time, no path."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sklearn
import xgboost as xgb

from earlywarn.risk.calibration import CalibrationChoice
from earlywarn.risk.rows import LearnableRows

__all__ = ["training_summary"]


def training_summary(
    rows: LearnableRows,
    own: npt.NDArray[np.intp],
    judged: npt.NDArray[np.intp],
    calibration: CalibrationChoice,
    size: Mapping[str, int],
) -> dict[str, Any]:
    """Describe a training run, ready for JSON.

    Parameters
    ----------
    rows : LearnableRows
    own : ndarray of int
        Rows of the earlier part that judged the later part.
    judged : ndarray of int
        Rows of the later part.
    calibration : CalibrationChoice
    size : mapping of str to int
        Of the model: columns, and what it is made of.

    Returns
    -------
    dict
        rows, events, base_rate, size of the model, customers, treated, learned_until; earlier and later, the parts of
        time (rows, events, first and last as_of); calibration, versions.
    """
    return {
        "rows": len(rows.late),
        "events": int(rows.late.sum()),
        "base_rate": float(np.average(rows.late, weights=rows.weight)),
        **size,
        "customers": None if rows.groups is None else len(np.unique(rows.groups)),
        "treated": int(rows.treated.sum()),
        "learned_until": _learned_until(rows),
        "earlier": _part(rows, own),
        "later": _part(rows, judged),
        "calibration": calibration.to_dict(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pandas": pd.__version__,
            "scikit-learn": sklearn.__version__,
            "xgboost": xgb.__version__,
        },
    }


def _learned_until(rows: LearnableRows) -> str | float | None:
    """The latest moment that is learned from: of outcomes where they are dated, else of observations."""
    dated = rows.times if rows.matures is None else rows.matures
    if dated is None or not len(dated):
        return None
    found = np.sort(dated)
    return _stamp(found, -1) if found.dtype.kind != "M" or not np.isnat(found[-1]) else None


def _part(rows: LearnableRows, part: Any) -> dict[str, Any]:
    late = rows.late[part]
    first = last = None
    if rows.times is not None and len(late):
        first, last = (_stamp(rows.times[part], at) for at in (0, -1))
    return {"rows": len(late), "events": int(late.sum()), "first_as_of": first, "last_as_of": last}


def _stamp(times: npt.NDArray[Any], at: int) -> str | float:
    if times.dtype.kind == "M":
        stamp = pd.Timestamp(times[at])
        return stamp.date().isoformat() if stamp == stamp.normalize() else stamp.isoformat(sep=" ")
    return float(times[at])
