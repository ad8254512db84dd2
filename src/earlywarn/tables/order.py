"""The order of streams: (owner, happened_at, known_at, row), checked first, for most data arrive in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from earlywarn.tables.blocks import MANY, blocks
from earlywarn.tables.facts import Facts

__all__ = ["by_owner", "in_order", "put_in_order", "rises"]

Rows = npt.NDArray[np.int64]
LOWEST = np.iinfo(np.int64).min


def in_order(facts: Facts) -> Facts:
    """Facts sorted by (owner, happened_at, known_at, row); the very ones handed over when they are.

    Parameters
    ----------
    facts : Facts

    Returns
    -------
    Facts
    """
    order = _order(facts)
    return facts if order is None else facts.take(order)


def put_in_order(facts: Facts) -> Facts:
    """As `in_order`, in the memory of the facts handed over, which are of no use afterwards.

    Parameters
    ----------
    facts : Facts
        All arrays their own, of numbers of 8 bytes.

    Returns
    -------
    Facts
    """
    if len(facts) < MANY:
        return in_order(facts)
    order = _order(facts)
    if order is None:
        return facts
    numbered = all((facts.row[block] == np.arange(block.start, block.stop)).all() for block in blocks(len(facts)))
    rest = replace(facts, row=np.broadcast_to(np.int64(0), len(facts)))
    row = order if numbered else facts.row[order]
    return replace(rest.moved(order, facts.row), row=row)


def _order(facts: Facts) -> Rows | None:
    """The rows in the order of streams, None when they stand in it."""
    columns = (facts.owner, facts.happened_at, facts.known_at, facts.row)
    if rises(columns):
        return None
    return by_owner(facts.owner) if _rises_by_owner(*columns) else np.lexsort(columns[::-1])


def rises(columns: Sequence[Rows]) -> bool:
    """Whether rows never fall in the order of columns, the first column first.

    Examples
    --------
    >>> rises([np.array([1, 1, 2]), np.array([5, 6, 0])]), rises([np.array([1, 1]), np.array([6, 5])])
    (True, False)
    """
    ends = len(columns[0]) - 1
    return all(_rises([column[block.start : block.stop + 1] for column in columns]) for block in blocks(ends))


def _rises(columns: Sequence[Rows]) -> bool:
    tied = np.ones(len(columns[0]) - 1, dtype=bool)
    for column in columns:
        if (tied & (column[1:] < column[:-1])).any():
            return False
        tied &= column[1:] == column[:-1]
        if not tied.any():
            break
    return True


def _rises_by_owner(owner: Rows, *columns: Rows) -> bool:
    """Whether the rows of each owner never fall, so that ordering them by owner orders them altogether."""
    if len(owner) < MANY:
        order = by_owner(owner)
        return rises([column[order] for column in (owner, *columns)])
    from earlywarn.tables.order_kernels import rises_by_owner

    last = np.full((int(owner.max()) + 2, len(columns)), LOWEST, dtype=np.int64)
    return bool(rises_by_owner(*map(_plain, (owner, *columns)), last))


def _plain(rows: Rows) -> Rows:
    """Integers as compiled loops read them."""
    return np.require(rows, np.int64, ["C", "W"])


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

    order = np.empty(len(owner), dtype=np.int64)
    counted_order(_plain(owner), np.zeros(int(owner.max()) + 3, dtype=np.int64), order)
    return order
