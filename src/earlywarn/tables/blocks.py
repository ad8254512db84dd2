"""Long arrays: worked on block by block, taken by several threads, moved about in the memory that they have.

Touching fresh memory costs more than the arithmetic does, so what lies between two steps is a block, which stays in
the processor's cache, and no array as long as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.compiled import in_parts, threads

__all__ = ["MANY", "blocks", "in_blocks", "is_one", "moved", "taken"]

#: Rows of a block: some arrays of numbers of that length fit the cache of one processor.
BLOCK = 1 << 16
#: From this many rows on, threads pay and a compiled loop is faster than sorting.
MANY = 200_000


def blocks(count: int) -> Iterator[slice]:
    """Slices that together make ``0 … count``.

    Examples
    --------
    >>> list(blocks(3))
    [slice(0, 3, None)]
    """
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def in_blocks(function: Callable[[Any], Any], values: npt.NDArray[Any], dtype: Any = np.int64) -> npt.NDArray[Any]:
    """A function of each value, as a fresh array.

    Parameters
    ----------
    function : callable
        Gives for any part of the values an array of the same length.
    values : ndarray, shape (n,)
    dtype : dtype
        Of the result.

    Examples
    --------
    >>> in_blocks(np.square, np.array([2, 3]))
    array([4, 9])
    """
    found = np.empty(len(values), dtype=dtype)
    for block in blocks(len(values)):
        found[block] = function(values[block])
    return found


def taken(arrays: Sequence[npt.NDArray[Any]], rows: Any) -> list[npt.NDArray[Any]]:
    """The given rows of each array, of several arrays at a time.

    Parameters
    ----------
    arrays : sequence of ndarray, each of shape (n,)
    rows : slice or ndarray of int64

    Examples
    --------
    >>> taken([np.array([5, 6, 7]), np.array([1.0, 2.0, 3.0])], np.array([2, 0]))
    [array([7, 5]), array([3., 1.])]
    """
    if isinstance(rows, slice) or len(rows) < MANY:
        return [_taken(values, rows) for values in arrays]
    return list(in_parts(lambda values: _taken(values, rows), arrays))


def _taken(values: npt.NDArray[Any], rows: Any) -> npt.NDArray[Any]:
    if is_one(values) and len(values) and not isinstance(rows, slice):
        return np.broadcast_to(values[0], len(rows))
    part: npt.NDArray[Any] = values[rows]
    return part


def is_one(values: npt.NDArray[Any]) -> bool:
    """Whether an array is one value for all rows, and takes no memory.

    Examples
    --------
    >>> is_one(np.broadcast_to(7, 3)), is_one(np.array([7, 7, 7]))
    (True, False)
    """
    return values.strides == (0,)


def moved(
    arrays: Sequence[npt.NDArray[Any]], order: npt.NDArray[np.int64], free: npt.NDArray[np.int64]
) -> list[npt.NDArray[Any]]:
    """As `taken` of all rows, each array put where the one before it was; all that is handed over is written to.

    Parameters
    ----------
    arrays : sequence of ndarray of int64 or float64, each of shape (n,)
    order : ndarray of int64, shape (n,)
        Each row once; it is left as it is.
    free : ndarray of int64, shape (n,)
        Where the first array is put.

    Examples
    --------
    >>> moved([np.array([5, 6, 7]), np.array([1.0, 2.0, 3.0])], np.array([2, 0, 1]), np.zeros(3, dtype=np.int64))
    [array([7, 5, 6]), array([3., 1., 2.])]
    """
    found: list[npt.NDArray[Any]] = []
    step = max(len(order) // (4 * threads()), MANY)
    parts = [slice(start, start + step) for start in range(0, len(order), step)]
    for values in arrays:
        if is_one(values):
            found.append(values)
            continue
        target = free.view(values.dtype)
        for _ in in_parts(partial(_move, values, order, target), parts):
            pass
        found.append(target)
        free = values
    return found


def _move(values: Any, order: Any, target: Any, part: slice) -> None:
    values.take(order[part], out=target[part], mode="clip")  # mode "raise" would work on a copy of the target
