"""Reasons over many rows: by group, and over time. Means of exact contributions, so that parts add up to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.reasons.families import family_sums

__all__ = ["family_frame", "reasons_by", "reasons_over_time"]

Floats = npt.NDArray[np.float64]


def family_frame(contributions: Floats, families: Sequence[str], index: pd.Index[Any] | None = None) -> pd.DataFrame:
    """Contributions of each row by family, as a frame.

    Parameters
    ----------
    contributions : ndarray of float64, shape (n, k)
    families : sequence of str, length k
    index : Index, optional

    Returns
    -------
    DataFrame, shape (n, f)

    Examples
    --------
    >>> family_frame(np.array([[0.5, -0.2, 0.1]]), ["history", "usage", "history"])
       history  usage
    0      0.6   -0.2
    """
    sums = family_sums(contributions, families)
    return pd.DataFrame(sums.values, columns=list(sums.names), index=index)


def reasons_by(frame: pd.DataFrame, groups: Any, *, at_least: int = 1) -> pd.DataFrame:
    """Mean contribution of each family by group, against the mean over all rows.

    Parameters
    ----------
    frame : DataFrame, shape (n, f)
        Log-odds by family.
    groups : array-like, shape (n,)
        Group of each row; rows without one are left out.
    at_least : int
        Groups with fewer rows are left out.

    Returns
    -------
    DataFrame, shape (groups, f + 1)
        Above or below the mean of all rows that are counted; ``rows`` says how many there are. Largest group first.

    Raises
    ------
    DataError
        If the lengths differ (code D195).

    Examples
    --------
    >>> reasons_by(pd.DataFrame({"usage": [1.0, 0.0, 0.0, -1.0]}), ["a", "a", "b", "b"])
           rows  usage
    group
    a         2    0.5
    b         2   -0.5
    """
    cells = np.asarray(groups, dtype=object)
    if cells.shape != (len(frame),):
        raise DataError("every row needs its group.", code="D195", found=f"{len(frame)} rows, groups {cells.shape}")
    named = pd.Series(cells, index=frame.index)
    kept = named.map(named.value_counts()).fillna(0).to_numpy() >= max(at_least, 1)
    told = frame[kept] - frame[kept].mean()
    table = told.groupby(named[kept], sort=True).mean()
    table.insert(0, "rows", named[kept].value_counts().reindex(table.index))
    table.index.name = "group"
    return table.sort_values("rows", ascending=False, kind="stable")


def reasons_over_time(frame: pd.DataFrame, moments: Any, *, every: str = "M") -> pd.DataFrame:
    """How often each family is the first reason, by period.

    Parameters
    ----------
    frame : DataFrame, shape (n, f)
        Log-odds by family.
    moments : array-like of datetime, shape (n,)
    every : str
        Period as pandas names it: "M" months, "W" weeks, "Q" quarters.

    Returns
    -------
    DataFrame, shape (periods, f)
        Shares of the rows with a reason that raises the risk; they add up to 1 where there is such a row.

    Examples
    --------
    >>> frame = pd.DataFrame({"usage": [1.0, 0.2], "history": [0.5, 0.9]})
    >>> reasons_over_time(frame, pd.to_datetime(["2026-01-03", "2026-01-09"])).loc["2026-01"].tolist()
    [0.5, 0.5]
    """
    when = pd.DatetimeIndex(np.asarray(moments))
    dated = np.asarray(when.notna())
    frame, when = frame[dated], when[dated]
    values = frame.to_numpy(dtype=np.float64)
    first = np.where(values.max(axis=1, initial=-np.inf) > 0, values.argmax(axis=1), -1)
    periods = pd.Series(when.to_period(every), index=frame.index)
    shown = {name: periods[first == place].value_counts() for place, name in enumerate(frame.columns)}
    counts = pd.DataFrame(shown, index=pd.Index(sorted(set(periods)))).fillna(0.0)
    total = counts.sum(axis=1)
    return counts.div(total.where(total > 0, 1.0), axis=0)
