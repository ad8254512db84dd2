"""What running periods need of other customers, as reductions like any other: whole numbers by day.

So a pool is kept in the file of a context, hashed and compared with it, and buckets add up to it exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY
from earlywarn.features.exact import Column, Sums
from earlywarn.features.reduced import Reduced
from earlywarn.features.reduction import Cells
from earlywarn.outcomes.bills import GROUPS
from earlywarn.outcomes.pool import EDGES, SHARES, CyclePool
from earlywarn.outcomes.projection import cycle_pool, projection_of
from earlywarn.tables.ledger import Ledger

__all__ = ["KEYS", "pool_in", "pool_of", "reductions_of"]

#: Names of the two reductions; their groups are a kind of bill and a share of its period, and a bin of errors.
KEYS = ("running periods | use known by then", "running periods | errors of projections")
#: Parts of use are counted in units of 2**-32, see `earlywarn.outcomes.pool.CyclePool.of_shapes`.
_UNIT = 2.0**-32
_KINDS = tuple(f"{group} {share}" for group in GROUPS for share in SHARES)
_BINS = tuple(f"{kind} {place:03}" for kind in _KINDS for place in range(len(EDGES) - 1))


def pool_in(books: Any, parts: Callable[[], Iterable[Ledger]], known_before: int) -> CyclePool:
    """The pool of some books, of bills known before a moment.

    Parameters
    ----------
    books : Ledger, LedgerStore, or iterable of Ledger
    parts : callable
        Gives their ledgers; called twice unless the books are one ledger, whose own pool is kept with it.
    known_before : int, microseconds

    Returns
    -------
    CyclePool
    """
    pool = projection_of(books).pool if isinstance(books, Ledger) else cycle_pool(parts)
    count = int(np.clip(known_before // US_PER_DAY - pool.day, 0, len(pool.periods)))
    return CyclePool(pool.day, pool.periods[:count], pool.seen[:count], pool.errors[:count])


def reductions_of(pool: CyclePool) -> dict[str, Reduced]:
    """A pool as two reductions, named by `KEYS`; days on which nothing was billed leave no trace.

    Parameters
    ----------
    pool : CyclePool

    Returns
    -------
    dict of str to Reduced

    Examples
    --------
    >>> pool = CyclePool.of_shapes(np.array([3 * US_PER_DAY]), np.array([0]), np.array([[0, 0.2, 0.4, 0.7, 1, 1]]))
    >>> seen = reductions_of(pool)[KEYS[0]]
    >>> seen.labels[1], seen.cells.day.tolist()
    ('recurring 0.25', [3, 3, 3, 3, 3, 3])
    >>> bool((pool_of(reductions_of(pool)).seen == pool.seen).all())
    True
    """
    periods = np.broadcast_to(pool.periods[..., None], pool.seen.shape).reshape(-1, len(_KINDS))
    seen = pool.seen.reshape(-1, len(_KINDS)) / _UNIT
    errors = pool.errors.reshape(-1, len(_BINS))
    columns: tuple[Column, ...] = (("count", 0), ("sum", -1))
    found = [_reduced(_KINDS, pool.day, (periods, seen), columns), _reduced(_BINS, pool.day, (errors,), columns[:1])]
    return dict(zip(KEYS, found, strict=True))


def _reduced(
    labels: tuple[str, ...], first: int, parts: tuple[npt.NDArray[np.float64], ...], columns: tuple[Column, ...]
) -> Reduced:
    """Cells of tables of counts and sums, shape (n_days, n_labels)."""
    day, group = np.nonzero(parts[0])
    kept, group = np.unique(group, return_inverse=True)
    sums = np.stack([np.rint(part[parts[0] != 0]).astype(np.int64) for part in parts], axis=1)
    cells = Cells(group.astype(np.int64), first + day, first + day, Sums(columns, sums))
    return Reduced(tuple(labels[place] for place in kept), cells, 1.0)


def pool_of(reduced: Mapping[str, Reduced]) -> CyclePool | None:
    """The pool in reductions, bit by bit; None when they hold none.

    Parameters
    ----------
    reduced : mapping of str to Reduced

    Returns
    -------
    CyclePool or None
    """
    if not set(KEYS) <= set(reduced):
        return None
    several = [reduced[key] for key in KEYS]
    days = np.concatenate([one.cells.day for one in several])
    first = int(days.min(initial=0 if not len(days) else days[0]))
    pool = CyclePool.empty(first, int(days.max(initial=first - 1)) - first + 1)
    for one, names in zip(several, (_KINDS, _BINS), strict=True):
        place = {label: number for number, label in enumerate(names)}
        where = one.cells.day - first, np.array([place[label] for label in one.labels], dtype=np.int64)[one.cells.group]
        counts = one.cells.sums.in_columns([("count", 0), ("sum", -1)])
        if names is _BINS:
            pool.errors.reshape(-1, len(names))[where] = counts[:, 0]
            continue
        pool.seen.reshape(-1, len(names))[where] = counts[:, 1] * _UNIT
        pool.periods[where[0], where[1] // len(SHARES)] = counts[:, 0]
    return pool
