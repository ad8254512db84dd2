"""Which rows can be learned from, in order of time, and where earlier ends and later begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    column_or_1d,
)

from earlywarn.errors import DataError, NotEnoughHistoryError

__all__ = ["MIN_ROWS", "LearnableRows", "later_from", "learnable_rows"]

#: Fewer rows than this are no history.
MIN_ROWS = 10
#: The later part is never more than this share of all rows.
LARGEST_LATER_SHARE = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LearnableRows:
    """Rows with a known outcome, from the earliest to the latest; n of them.

    Parameters
    ----------
    positions : ndarray of int, shape (n,)
        Where each stood in what was handed over.
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,)
    times : ndarray, shape (n,), optional
        datetime64[us] or numbers; None when the order of rows is the order of time.
    groups : ndarray of int, shape (n,), optional
        Customers by number.
    classes : ndarray, shape (2,)
        The two labels; the second one is late.
    notices : tuple of str
        What was left out.
    """

    positions: npt.NDArray[np.intp]
    late: Floats
    weight: Floats
    times: npt.NDArray[Any] | None
    groups: npt.NDArray[np.intp] | None
    classes: npt.NDArray[Any]
    notices: tuple[str, ...]


def learnable_rows(X: Any, y: Any, as_of: Any = None, groups: Any = None, sample_weight: Any = None) -> LearnableRows:
    """Leave out rows without an outcome or of weight 0, and put the others in order of time.

    Parameters
    ----------
    X : DataFrame, shape (n, k)
        Only its length and index are read.
    y : array-like, shape (n,)
        Two labels; NA where the outcome is not known.
    as_of : array-like, shape (n,), optional
        Moments, or numbers that grow with time. Equal moments keep the order of rows.
    groups : array-like, shape (n,), optional
        Customers.
    sample_weight : array-like, shape (n,), optional

    Returns
    -------
    LearnableRows

    Raises
    ------
    DataError
        If indices do not match (code D190), a moment is missing or not one (D191), or the labels are not two
        (D192).
    NotEnoughHistoryError
        If fewer than ten rows (code H401) or a single class (H402) are left.
    """
    for name, given in {"y": y, "as_of": as_of, "groups": groups, "sample_weight": sample_weight}.items():
        _check_same_index(X, name, given)
    labels, known = _known_labels(y)
    check_consistent_length(X, known, as_of, groups, sample_weight)
    weight = np.ones(len(known))
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    times = None if as_of is None else _times(as_of)
    kept = np.flatnonzero(known & (weight > 0))
    classes = _two_classes(labels[weight[known] > 0], len(known))
    late = np.zeros(len(known))
    late[known] = labels == classes[1]
    if times is not None:
        kept = kept[np.argsort(times[kept], kind="stable")]
    return LearnableRows(
        positions=kept,
        late=late[kept],
        weight=weight[kept],
        times=None if times is None else times[kept],
        groups=None if groups is None else _numbered(groups)[kept],
        classes=classes,
        notices=_left_out(known, weight),
    )


def later_from(rows: LearnableRows, share: float) -> int:
    """Row where the later part begins; all rows with the same `as_of` fall on one side.

    Parameters
    ----------
    rows : LearnableRows
    share : float
        Asked size of the later part, 0 to 0.5; ties move the cut to the nearest change of moment.

    Returns
    -------
    int
        n when there is no later part of at most half the rows, or the earlier part has a single class.
    """
    n = len(rows.late)
    if share <= 0:
        return n
    wanted = n - round(n * share)
    cuts = np.arange(1, n) if rows.times is None else np.flatnonzero(rows.times[1:] != rows.times[:-1]) + 1
    cuts = cuts[cuts >= n * (1 - LARGEST_LATER_SHARE)]
    if not len(cuts):
        return n
    cut = int(cuts[np.argmin(np.abs(cuts - wanted))])
    return cut if len(np.unique(rows.late[:cut])) == 2 else n


def _known_labels(y: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Labels that are known, and which rows have one."""
    if y is None:
        raise DataError("fit requires y to be passed, but the target y is None.", code="D192")
    if isinstance(y, pd.Series):
        known = y.notna().to_numpy(dtype=bool)
        found = y[known].infer_objects()
        masked = getattr(found.dtype, "numpy_dtype", None) if types.is_numeric_dtype(found.dtype) else None
        return found.to_numpy(dtype=masked) if masked is not None else np.asarray(found), known
    flat = column_or_1d(y, warn=True)
    known = ~np.asarray(pd.isna(flat), dtype=bool)
    return flat[known], known


def _two_classes(labels: npt.NDArray[Any], n_rows: int) -> npt.NDArray[Any]:
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name="y")
    if len(labels) < MIN_ROWS:
        raise NotEnoughHistoryError(
            f"a model needs at least {MIN_ROWS} rows with a known outcome, of either class.",
            code="H401",
            found=f"{len(labels)} sample(s) with a known outcome, of {n_rows}",
            hint="observe over a longer time; the latest labels are not known before matures_at.",
        )
    check_classification_targets(labels)
    classes = np.unique(labels)
    if len(classes) == 1:
        raise NotEnoughHistoryError(
            "the outcome has one class only: a model needs bills paid late and bills paid on time.",
            code="H402",
            found=f"{len(labels):,} rows, all {classes[0]!s}",
            hint="observe over a longer time or more customers, or choose fewer days of grace.",
        )
    if len(classes) > 2:
        raise DataError(
            f"Only binary classification is supported. The type of the target is {type_of_target(labels)}.",
            code="D192",
            found=f"{len(classes)} labels",
            hint="label late as 1 and on time as 0.",
        )
    return classes


def _times(as_of: Any) -> npt.NDArray[Any]:
    given = pd.Series(as_of.to_numpy() if isinstance(as_of, pd.Index) else as_of).reset_index(drop=True)
    if given.isna().any():
        raise DataError("as_of has missing moments.", code="D191", found=f"{int(given.isna().sum())} rows")
    if types.is_numeric_dtype(given.dtype):
        return given.to_numpy()
    try:
        text = types.infer_dtype(given, skipna=True) == "string"
        moments = pd.to_datetime(given, format="ISO8601" if text else None)
    except (ValueError, TypeError) as error:
        raise DataError(
            "as_of holds what is no moment.",
            code="D191",
            found=str(error).splitlines()[0],
            hint="write moments as 2026-03-31.",
        ) from None
    if isinstance(moments.dtype, pd.DatetimeTZDtype):
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    return moments.to_numpy().astype("datetime64[us]")


def _check_same_index(X: Any, name: str, given: Any) -> None:
    """Refuse rows that would be matched by place although their labels say otherwise."""
    both = isinstance(X, pd.DataFrame) and isinstance(given, pd.Series)
    if both and len(X) == len(given) and not X.index.equals(given.index):
        raise DataError(
            f"the index of {name} is not that of X.",
            code="D190",
            found=f"X begins {list(X.index[:3])}, {name} begins {list(given.index[:3])}",
            hint=f"bring both into one order, or hand over {name}.to_numpy() to match by place.",
        )


def _numbered(groups: Any) -> npt.NDArray[np.intp]:
    return np.asarray(pd.factorize(pd.Series(groups).reset_index(drop=True))[0], dtype=np.intp)


def _left_out(known: npt.NDArray[np.bool_], weight: Floats) -> tuple[str, ...]:
    unknown, weightless = int((~known).sum()), int((known & (weight == 0)).sum())
    notices = []
    if unknown:
        notices.append(f"{unknown:,} of {len(known):,} rows have no known outcome and were left out.")
    if weightless:
        notices.append(f"{weightless:,} of {len(known):,} rows have weight 0 and were left out.")
    return tuple(notices)
