"""Which facts each observation sees: visibility, window, condition, newest skipped, last kept.

One of the three places that decide what lies before ``as_of``. Windows are half-open:
[as_of - days, as_of - until) on ``happened_at``, over facts with ``known_at < as_of``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, US_PER_DAY, visible
from earlywarn.features.expression import DEFAULT_DAYS, Selection
from earlywarn.tables.facts import Facts
from earlywarn.tables.order import in_order
from earlywarn.tables.upto import ranges

__all__ = ["Chosen", "Timeline", "choose", "edges"]

Rows = npt.NDArray[np.int64]
#: Pairs of (observation, fact) looked at in one go; bounds the memory to about 200 MB.
CHUNK_PAIRS = 3_000_000


@dataclass(frozen=True)
class Chosen:
    """Facts chosen for a range of observations, observation by observation, in the order of the stream.

    Attributes
    ----------
    first, stop : int
        The observations that are covered.
    fact : ndarray of int64, shape (n_pairs,)
        Row in the timeline.
    observation : ndarray of int64, shape (n_pairs,)
        Counted from ``first``.
    """

    first: int
    stop: int
    fact: Rows
    observation: Rows

    @property
    def count(self) -> int:
        """Observations covered."""
        return self.stop - self.first

    def keep(self, mask: npt.NDArray[np.bool_]) -> Chosen:
        """The marked pairs."""
        return Chosen(self.first, self.stop, self.fact[mask], self.observation[mask])


class Timeline:
    """Facts sorted by (owner, happened_at, known_at, row), ready to be searched.

    Parameters
    ----------
    facts : Facts

    Attributes
    ----------
    facts : Facts
        Sorted; the very ones handed over when they were.
    begins : ndarray of int64, shape (n_owners + 1,)
        Where the facts of each owner code begin.
    odd : ndarray of int32, shape (n_facts + 1,), or empty
        Number of facts before each place that were replaced later, or became known before the one before them.
        Between two places with the same number, what is known at a moment is a slice. Empty when all are 0.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = in_order(facts)
        owners = int(self.facts.owner[-1]) + 1 if len(facts) else 0
        self.begins = np.searchsorted(self.facts.owner, np.arange(owners + 1)).astype(np.int64)
        self.odd = _odd(self.facts)

    def position(self, owner: Rows, moment: Rows) -> Rows:
        """First place of each owner's facts that happened at or after a moment.

        Parameters
        ----------
        owner, moment : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of int64, shape (n,)
        """
        last = len(self.begins) - 1
        low, high = self.begins[np.clip(owner, 0, last)], self.begins[np.clip(owner + 1, 0, last)]
        happened = self.facts.happened_at
        while (open_ := low < high).any():
            middle = np.where(open_, (low + high) // 2, 0)
            later = happened[middle] >= moment
            high = np.where(open_ & later, middle, high)
            low = np.where(open_ & ~later, middle + 1, low)
        return low


def _odd(facts: Facts) -> npt.NDArray[np.int32]:
    marks = facts.known_until != FOREVER
    marks[1:] |= (facts.known_at[1:] < facts.known_at[:-1]) & (facts.owner[1:] == facts.owner[:-1])
    if not marks.any():
        return np.empty(0, dtype=np.int32)
    before = np.zeros(len(marks) + 1, dtype=np.int32)
    np.cumsum(marks, out=before[1:])
    return before


def in_force(facts: Facts, key: str) -> Facts:
    """Rows of a lasting table, each closed by the next row of the same entity.

    A row stops holding once a later ``valid_from`` is both known and reached.

    Parameters
    ----------
    facts : Facts
    key : str
        Column that names the entity, such as ``contract_id``.

    Returns
    -------
    Facts
    """
    ids = facts.text(key).codes
    rows_of = np.bincount(ids + 1, minlength=1)
    several = np.flatnonzero((ids >= 0) & (rows_of[ids + 1] > 1))
    until = facts.known_until.copy()
    entity, start, following, later = -1, FOREVER, FOREVER, FOREVER
    for row in several[np.lexsort((facts.happened_at[several], ids[several]))][::-1]:
        if ids[row] != entity:
            entity, start, following, later = ids[row], facts.happened_at[row], FOREVER, FOREVER
        elif facts.happened_at[row] != start:
            start, following, later = facts.happened_at[row], min(following, later), FOREVER
        until[row] = min(until[row], following)
        later = min(later, max(facts.known_at[row], facts.happened_at[row]))
    return replace(facts, known_until=until)


def edges(selection: Selection, as_of: Rows, *, lasting: bool) -> tuple[Rows, Rows]:
    """Half-open window of each observation on ``happened_at``, in microseconds."""
    days = selection.days
    if days is None and not lasting and not selection.ahead:
        days = DEFAULT_DAYS
    span = None if days is None else round(days * US_PER_DAY)
    edge = np.full(len(as_of), FOREVER if selection.ahead else -FOREVER)
    if selection.ahead:
        return as_of, edge if span is None else as_of + span
    return edge if span is None else as_of - span, as_of - round(selection.until * US_PER_DAY)


def bounds(timeline: Timeline, selection: Selection, owner: Rows, as_of: Rows) -> tuple[Rows, Rows]:
    """Half-open range of places per observation whose facts happened inside the window."""
    start, stop = edges(selection, as_of, lasting=timeline.facts.lasting)
    low, high = timeline.position(owner, start), timeline.position(owner, stop)
    nobody = owner < 0
    return np.where(nobody, 0, low), np.where(nobody, 0, np.maximum(low, high))


def choose(
    timeline: Timeline,
    selection: Selection,
    owner: Rows,
    as_of: Rows,
    condition: Callable[[Chosen], npt.NDArray[np.bool_]] | None = None,
) -> Iterator[Chosen]:
    """Choose the facts of a selection, in chunks of observations that bound the memory.

    Order: visibility and window, condition, the newest skipped, the last kept.

    Parameters
    ----------
    timeline : Timeline
    selection : Selection
    owner : ndarray of int64, shape (n,)
        Whose facts each observation looks at; -1 for nobody's.
    as_of : ndarray of int64, shape (n,), microseconds
    condition : callable, optional
        Gives for pairs whether ``where=`` holds.

    Yields
    ------
    Chosen
    """
    low, high = bounds(timeline, selection, owner, as_of)
    facts = timeline.facts
    for first, stop in _chunks(high - low):
        length = (high - low)[first:stop]
        observation = np.repeat(np.arange(stop - first), length)
        fact = ranges(low[first:stop], length)
        at = as_of[first:stop][observation]
        chosen = Chosen(first, stop, fact, observation).keep(visible(facts.known_at[fact], facts.known_until[fact], at))
        if condition is not None:
            chosen = chosen.keep(condition(chosen))
        if selection.skip or selection.last is not None:
            chosen = chosen.keep(_newest(chosen, selection.skip, selection.last))
        yield chosen


def _chunks(lengths: Rows) -> Iterator[tuple[int, int]]:
    """Ranges of observations with a bounded number of pairs each."""
    if not len(lengths):
        return
    part = (np.cumsum(lengths) - lengths) // CHUNK_PAIRS
    cuts = np.flatnonzero(np.diff(part)) + 1
    edges = [0, *cuts.tolist(), len(lengths)]
    yield from pairwise(edges)


def _newest(chosen: Chosen, skip: int, last: int | None) -> npt.NDArray[np.bool_]:
    """Pairs that stay when the newest ``skip`` are left out and then ``last`` are kept."""
    counts = np.bincount(chosen.observation, minlength=chosen.count)
    ends = np.cumsum(counts)
    from_end = ends[chosen.observation] - 1 - np.arange(len(chosen.fact))
    stays = from_end >= skip
    return stays if last is None else stays & (from_end < skip + last)
