"""The order of streams: (owner, happened_at, known_at, row), checked first, for most data arrive in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from earlywarn.tables.facts import Facts

__all__ = ["by_owner", "in_order", "rises"]

Rows = npt.NDArray[np.int64]
#: From this many rows on, counting in a compiled loop is faster than sorting.
MANY = 200_000


def in_order(facts: Facts) -> Facts:
    """Facts sorted by (owner, happened_at, known_at, row); the very ones handed over when they are.

    Parameters
    ----------
    facts : Facts

    Returns
    -------
    Facts
    """
    columns = (facts.owner, facts.happened_at, facts.known_at, facts.row)
    if rises(columns):
        return facts
    order = by_owner(facts.owner)
    inside = [column[order] for column in columns]
    return facts.take(order if rises(inside) else np.lexsort(columns[::-1]))


def rises(columns: Sequence[Rows]) -> bool:
    """Whether rows never fall in the order of columns, the first column first.

    Examples
    --------
    >>> rises([np.array([1, 1, 2]), np.array([5, 6, 0])]), rises([np.array([1, 1]), np.array([6, 5])])
    (True, False)
    """
    tied = np.ones(max(len(columns[0]) - 1, 0), dtype=bool)
    for column in columns:
        if (tied & (column[1:] < column[:-1])).any():
            return False
        tied &= column[1:] == column[:-1]
        if not tied.any():
            break
    return True


def by_owner(owner: Rows) -> Rows:
    """Stable order by owner code; those of nobody (-1) first.

    Examples
    --------
    >>> by_owner(np.array([1, -1, 0, 1]))
    array([1, 2, 0, 3])
    """
    if len(owner) < MANY:
        return np.argsort(owner, kind="stable")
    from earlywarn.tables.order_kernels import counted_order

    begins = np.cumsum(np.bincount(owner + 2)).astype(np.int64)
    order = np.empty(len(owner), dtype=np.int64)
    counted_order(len(owner), np.require(owner, np.int64, ["C", "W"]), begins, order)
    return order
