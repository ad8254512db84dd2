"""What customers themselves contributed to the windows of groups, exactly as the groups were summed, to be left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.features.exact import CHUNK, Sums, joined
from earlywarn.features.reduction import Reducer, Windows
from earlywarn.features.windows import Timeline
from earlywarn.tables.upto import ranges

__all__ = ["OwnPart", "own_part"]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OwnPart:
    """Own facts of observed customers, by the group they were counted in; only where there are any.

    Attributes
    ----------
    count : int
        Observations.
    observation, group : ndarray of int64, shape (n,), sorted by (observation, group)
    sums : Sums, of n cells
    """

    count: int
    observation: Rows
    group: Rows
    sums: Sums

    def of_group(self, group: Rows) -> Sums:
        """The part in one group for each observation.

        Parameters
        ----------
        group : ndarray of int64, shape (count,)

        Returns
        -------
        Sums, of ``count`` cells
        """
        same = self.group == group[self.observation]
        parts = np.zeros((self.count, len(self.sums.columns)), dtype=np.int64)
        parts[self.observation[same]] = self.sums.parts[same]
        return Sums(self.sums.columns, parts)

    def of_observations(self, observation: Rows) -> tuple[Rows, Rows]:
        """Rows of some observations, and which of them each row belongs to.

        Parameters
        ----------
        observation : ndarray of int64, shape (n,)

        Returns
        -------
        rows, place : ndarray of int64, shape (n_rows,)
        """
        low, high = (np.searchsorted(self.observation, observation, side=side) for side in ("left", "right"))
        return ranges(low, high - low), np.repeat(np.arange(len(observation)), high - low)


def own_part(reducer: Reducer, timeline: Timeline, edges: tuple[int, int], owner: Rows, day: Rows) -> OwnPart:
    """Sum the own facts of each observation's customer, group by group.

    Parameters
    ----------
    reducer : Reducer
        Over the facts of the timeline.
    timeline : Timeline
    edges : tuple of int
        Older and newer edge of the window, in days before the day.
    owner, day : ndarray of int64, shape (n,)
        Of the observations.

    Returns
    -------
    OwnPart
    """
    groups = max(len(reducer.membership.labels), 1)
    none = np.empty(0, dtype=np.int64)
    observations, codes, sums = [none], [none], [Sums.nothing(0)]
    for rows, observation in _by_customers(timeline, owner):
        cells = reducer.cells(rows, by_owner=True)
        keys = np.unique(cells.group)
        low, high = (np.searchsorted(keys, (owner[observation] + more) * groups) for more in (0, 1))
        key, at = keys[ranges(low, high - low)], np.repeat(observation, high - low)
        found = Windows(cells, *edges).at(key, day[at])
        some = np.flatnonzero(found.parts.any(axis=1))
        observations.append(at[some])
        codes.append(key[some] % groups)
        sums.append(found.take(some))
    observation, group = np.concatenate(observations), np.concatenate(codes)
    order = np.lexsort((group, observation))
    return OwnPart(len(owner), observation[order], group[order], joined(sums).take(order))


def _by_customers(timeline: Timeline, owner: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Places of facts and observations, some customers at a time, so that memory stays bounded."""
    begins = timeline.begins
    observations = np.argsort(owner, kind="stable")
    observations = observations[(owner[observations] >= 0) & (owner[observations] < len(begins) - 1)]
    who, first = np.unique(owner[observations], return_index=True)
    length = begins[who + 1] - begins[who]
    part = (np.cumsum(length) - length) // CHUNK
    for number in np.unique(part).tolist():
        low, high = np.searchsorted(part, [number, number + 1])
        stop = first[high] if high < len(first) else len(observations)
        yield ranges(begins[who[low:high]], length[low:high]), observations[first[low] : stop]
