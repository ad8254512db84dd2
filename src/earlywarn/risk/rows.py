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

__all__ = [
    "MIN_ROWS",
    "LearnableRows",
    "contact_notice",
    "held_out",
    "is_enough",
    "judged_from",
    "later_from",
    "learnable_rows",
    "matured_before",
    "moments_of",
    "overlap_notice",
]

#: Fewer rows than this are no history.
MIN_ROWS = 10
#: Fewer rows, or of either class, tell nothing reliable.
ENOUGH_ROWS, ENOUGH_OF_EACH_CLASS = 50, 10
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
    matures : ndarray, shape (n,), optional
        As `times`: when each outcome was known for sure.
    groups : ndarray of int, shape (n,), optional
        Customers by number.
    treated : ndarray of bool, shape (n,)
        Who was contacted before the outcome.
    holdout : ndarray of bool, shape (n,), optional
        Who was left alone by lot; None where nobody says.
    classes : ndarray, shape (2,)
        The two labels; the second one is late.
    notices : tuple of str
        What was left out.
    """

    positions: npt.NDArray[np.intp]
    late: Floats
    weight: Floats
    times: npt.NDArray[Any] | None
    matures: npt.NDArray[Any] | None
    groups: npt.NDArray[np.intp] | None
    treated: npt.NDArray[np.bool_]
    holdout: npt.NDArray[np.bool_] | None
    classes: npt.NDArray[Any]
    notices: tuple[str, ...]


def learnable_rows(
    X: Any,
    y: Any,
    as_of: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    *,
    matures_at: Any = None,
    until: Any = None,
    treated: Any = None,
    holdout: Any = None,
) -> LearnableRows:
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
    matures_at : array-like, shape (n,), optional
        When the outcome is known for sure.
    until : moment, optional
        The data are complete up to here.
    treated, holdout : array-like of bool, shape (n,), optional
        Who was contacted before the outcome, and who was left alone by lot.

    Returns
    -------
    LearnableRows

    Raises
    ------
    DataError
        If indices do not match (code D190), a moment is missing or not one (D191), or the labels are not two
        (D192).
    NotEnoughHistoryError
        If fewer than ten rows (code H401) or a single class (H402) are left, or outcomes are given that nobody can
        know yet (H404).
    """
    by_row = {
        "y": y, "as_of": as_of, "groups": groups, "sample_weight": sample_weight, "matures_at": matures_at,
        "treated": treated, "holdout": holdout,
    }  # fmt: skip
    for name, given in by_row.items():
        check_same_index(X, name, given)
    labels, known = _known_labels(y)
    check_consistent_length(X, known, as_of, groups, sample_weight, matures_at, treated, holdout)
    weight = np.ones(len(known))
    if sample_weight is not None and len(known):
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    times = None if as_of is None else moments_of(as_of)
    matures = None if matures_at is None else moments_of(matures_at, "matures_at", missing=True)
    kept = np.flatnonzero(known & (weight > 0))
    if matures is None and until is not None:
        raise DataError("until says nothing without matures_at.", code="D191", hint="hand over matures_at as well.")
    if matures is not None and times is not None and matures.dtype.kind != times.dtype.kind:
        raise DataError("as_of and matures_at are of two kinds.", code="D191", hint="hand both over as moments.")
    if matures is not None and until is not None:
        end = moments_of([until], "until")
        if end.dtype.kind != matures.dtype.kind:
            raise DataError("until and matures_at are of two kinds.", code="D191", hint="hand both over as moments.")
        _refuse_immature(matures[kept], end[0])
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
        matures=None if matures is None else matures[kept],
        groups=None if groups is None else _numbered(groups)[kept],
        treated=np.zeros(len(kept), dtype=bool) if treated is None else _told(treated, "treated")[kept],
        holdout=None if holdout is None else _told(holdout, "holdout")[kept],
        classes=classes,
        notices=_left_out(known, weight),
    )


def is_enough(late: Floats) -> bool:
    """Whether rows tell something: at least `ENOUGH_ROWS`, and `ENOUGH_OF_EACH_CLASS` of either outcome.

    Examples
    --------
    >>> is_enough(np.zeros(100))
    False
    """
    return len(late) >= ENOUGH_ROWS and bool(min(late.sum(), len(late) - late.sum()) >= ENOUGH_OF_EACH_CLASS)


def matured_before(rows: LearnableRows, cut: int) -> npt.NDArray[np.intp]:
    """Rows of the earlier part whose outcome was known before the later part begins.

    The others overlap with it in time, and may be the same obligations at another lead. All of the earlier part where
    it is not known when outcomes mature, or fewer than ten rows or a single class would be left.

    Parameters
    ----------
    rows : LearnableRows
    cut : int
        Row where the later part begins.

    Returns
    -------
    ndarray of int
    """
    every = np.arange(cut)
    if rows.matures is None or rows.times is None or cut == len(rows.late):
        return every
    kept = np.flatnonzero(rows.matures[:cut] < rows.times[cut])
    return kept if len(kept) >= MIN_ROWS and len(np.unique(rows.late[kept])) == 2 else every


def judged_from(rows: LearnableRows, cut: int) -> npt.NDArray[np.intp]:
    """Rows of the later part that judge: those not contacted.

    Parameters
    ----------
    rows : LearnableRows
    cut : int
        Row where the later part begins.

    Returns
    -------
    ndarray of int
    """
    later = np.arange(cut, len(rows.late))
    return later[~rows.treated[later]]


def held_out(rows: LearnableRows, judged: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which of the judging rows calibrate: those left alone by lot where they are enough, else all.

    Parameters
    ----------
    rows : LearnableRows
    judged : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if rows.holdout is not None and is_enough(rows.late[judged[rows.holdout[judged]]]):
        return rows.holdout[judged]
    return np.ones(len(judged), dtype=bool)


def contact_notice(rows: LearnableRows, judged: npt.NDArray[np.intp]) -> str:
    """What must be said where outcomes were changed by contacts; else nothing."""
    count, n = int(rows.treated.sum()), len(rows.late)
    if not count:
        return ""
    head = f"{count:,} of {n:,} rows were contacted before their outcome"
    if not is_enough(rows.late[~rows.treated]):
        return f"{head}, and too few were left alone: the probabilities are those with a contact."
    if rows.holdout is not None and not held_out(rows, judged).all():
        return f"{head}; a holdout by lot calibrates the probabilities without one."
    few = "too few of the later rows are" if rows.holdout is not None else "nobody is known to have been"
    return (
        f"{head}, and {few} left alone by lot: who was not contacted may differ in what no feature tells, and so may "
        "the probabilities without a contact. Keep a holdout."
    )


def overlap_notice(rows: LearnableRows, own: npt.NDArray[np.intp], cut: int) -> str:
    """What must be said when the later part is judged by rows that had not matured before it; else nothing."""
    if rows.matures is None or rows.times is None or cut == len(rows.late) or len(own) < cut:
        return ""
    over = int((~(rows.matures[own] < rows.times[cut])).sum())
    if not over:
        return ""
    return f"{over:,} of {cut:,} earlier rows had not matured before the later part, which they judge all the same."


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


def _refuse_immature(matures: npt.NDArray[Any], until: Any) -> None:
    early = ~(matures <= until)  # also where it never matures
    if early.any():
        raise NotEnoughHistoryError(
            "rows have an outcome that cannot be known yet.",
            code="H404",
            found=f"{int(early.sum()):,} of {len(early):,} rows mature after {until}",
            hint="take labels from Outcome.label, which is NA until then: of a cohort that has not matured only those "
            "who paid early are known, and a model learns from them that everybody pays.",
        )


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


def moments_of(values: Any, name: str = "as_of", *, missing: bool = False) -> npt.NDArray[Any]:
    """Moments as datetime64[us], or numbers that grow with time.

    Parameters
    ----------
    values : array-like, shape (n,)
    name : str
        What they are called in messages.
    missing : bool
        Whether some may be missing: NaT or NaN then.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    DataError
        D191 when one is missing that may not be, or is no moment.
    """
    given = pd.Series(values.to_numpy() if isinstance(values, pd.Index) else values).reset_index(drop=True)
    if not missing and given.isna().any():
        raise DataError(f"{name} has missing moments.", code="D191", found=f"{int(given.isna().sum())} rows")
    if types.is_numeric_dtype(given.dtype):
        return given.to_numpy(dtype="float64", na_value=np.nan)
    try:
        text = types.infer_dtype(given, skipna=True) == "string"
        moments = pd.to_datetime(given, format="ISO8601" if text else None)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{name} holds what is no moment.",
            code="D191",
            found=str(error).splitlines()[0],
            hint="write moments as 2026-03-31.",
        ) from None
    if isinstance(moments.dtype, pd.DatetimeTZDtype):
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    return moments.to_numpy().astype("datetime64[us]")


def check_same_index(X: Any, name: str, given: Any) -> None:
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


def _told(given: Any, name: str) -> npt.NDArray[np.bool_]:
    """Yes or no for every row; D191 where one is missing."""
    found = pd.Series(np.asarray(given) if not isinstance(given, pd.Series) else given).reset_index(drop=True)
    if found.isna().any():
        raise DataError(f"{name} is missing in some rows.", code="D191", found=f"{int(found.isna().sum()):,} rows")
    return found.to_numpy(dtype=bool)


def _left_out(known: npt.NDArray[np.bool_], weight: Floats) -> tuple[str, ...]:
    unknown, weightless = int((~known).sum()), int((known & (weight == 0)).sum())
    notices = []
    if unknown:
        notices.append(f"{unknown:,} of {len(known):,} rows have no known outcome and were left out.")
    if weightless:
        notices.append(f"{weightless:,} of {len(known):,} rows have weight 0 and were left out.")
    return tuple(notices)
