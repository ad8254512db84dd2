"""Who is read sparsely: features of daily use are missing for them, and a notice says so.

The features say it themselves: they are divided by whether the median read of `GUARD` covers `MOST_DAYS` at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.features.expression import parse

__all__ = ["GUARD", "MOST_DAYS", "added_up", "sparse_notices"]

#: What a feature of daily use asks of the reads, and the most days that one may usually cover.
GUARD = parse("median(usage.days_covered, days=400)").aggregates[0]
MOST_DAYS = 3
_SPARSE = re.compile(r"([\d,]+) of [\d,]+ customers have sparse meter reads")


def sparse_notices(
    covered: npt.NDArray[np.float64], owner: npt.NDArray[np.int64], customer_id: pd.Series[Any]
) -> tuple[str, ...]:
    """Say how many customers are read sparsely.

    Parameters
    ----------
    covered : ndarray of float64, shape (n,)
        What `GUARD` says of each observation.
    owner : ndarray of int64, shape (n,)
        Codes of the customers.
    customer_id : Series, shape (n,)
        Their ids.

    Returns
    -------
    tuple of str
    """
    sparse = np.nan_to_num(covered) > MOST_DAYS
    return (_said(len(np.unique(owner[sparse])), customer_id.nunique()),) if sparse.any() else ()


def _said(sparse: int, customers: int) -> str:
    return (
        f"{sparse:,} of {customers:,} customers have sparse meter reads (usually more than {MOST_DAYS} days apart): "
        "features of daily use are missing for them, those of the period before stand in."
    )


def added_up(notices: Iterable[str], customers: int) -> tuple[str, ...]:
    """Notices of several buckets, each once; those on sparse reads as one.

    Examples
    --------
    >>> added_up([_said(2, 5), "a", "a", _said(1, 4)], 12)[1][:38]
    '3 of 12 customers have sparse meter re'
    """
    notices = list(notices)
    told = [_SPARSE.match(notice) for notice in notices]
    sparse = sum(int(said[1].replace(",", "")) for said in told if said is not None)
    others = tuple(dict.fromkeys(notice for notice, said in zip(notices, told, strict=True) if said is None))
    return (*others, _said(sparse, customers)) if sparse else others
