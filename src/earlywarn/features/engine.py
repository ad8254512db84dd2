"""The compiled engine: windows as slices of sorted facts, every aggregate of a stream from the same bounds.

Where what is known at a moment is no slice (facts replaced, or known out of order), and where a value depends
on the observation too, the pairs are chosen as in the plain engine and the same loops run over them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.compiled import in_ranges
from earlywarn.dates import US_PER_DAY
from earlywarn.features import kernels, plain
from earlywarn.features.aggregates import Segments
from earlywarn.features.evaluate import Codes, Column
from earlywarn.features.exact import countable
from earlywarn.features.expression import Aggregate, Node, Selection
from earlywarn.features.reader import Reader
from earlywarn.features.slices import Given, Windows, reduced
from earlywarn.features.windows import Chosen, Timeline, edges
from earlywarn.tables.order import rises

__all__ = ["over_own_facts"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def over_own_facts(
    timeline: Timeline,
    reader: Reader,
    selections: Mapping[Selection, list[Aggregate]],
    owner: Rows,
    as_of: Rows,
    numbers: Rows | None = None,
    name_of: Callable[[int], str] | None = None,
) -> dict[Aggregate, Column]:
    """Aggregates over the facts of each observation's own entity, for one table.

    Parameters
    ----------
    timeline : Timeline
    reader : Reader
    selections : mapping of Selection to list of Aggregate
        The aggregates of each.
    owner, as_of : ndarray of int64, shape (n,)
        Of the observations, in any order.
    numbers : ndarray of int64, shape (n,), optional
        Under which ``invoice.*`` of each is read; 0…n-1 when left out.
    name_of : callable, optional
        Says which observation a number means, for errors.

    Returns
    -------
    dict of Aggregate to ndarray of float64, shape (n,), or Codes; in the order of the observations
    """
    whose = np.where(owner < len(timeline.begins) - 1, owner, -1)
    named = np.arange(len(whose)) if numbers is None else numbers
    order = None if rises((whose, as_of)) else np.lexsort((as_of, whose))
    if order is not None:  # an entity's facts are still at hand for its next observation, and windows move on
        whose, as_of, named = whose[order], as_of[order], named[order]
    block = _Block(timeline, reader, whose, as_of, named, name_of)
    found: dict[Aggregate, Column] = {}
    for where in dict.fromkeys(selection.where for selection in selections):
        for selection, group in selections.items():
            if selection.where == where:
                found |= block.aggregates(selection, group)
        block.forget()  # the memory serves the next condition
    if order is None:
        return found
    place = np.empty_like(order)  # of each observation, in the order in which they were handed over
    place[order] = np.arange(len(order))
    return {one: values.take(place) if isinstance(values, Codes) else values[place] for one, values in found.items()}


@dataclass(frozen=True)
class _Stream:
    """Facts of a block that fulfil a condition: their rows, and how many stand before each place of the block."""

    rows: slice | Rows
    before: Rows | None

    def place(self, at: Rows) -> Rows:
        return at if self.before is None else self.before[at]

    def fact(self, place: Rows) -> Rows:
        return place + self.rows.start if isinstance(self.rows, slice) else self.rows[place]


@dataclass(frozen=True)
class _Cells:
    """Values of an argument in a stream; how many stand before each place of the stream (None: all), labels of text."""

    given: Given
    before: Rows | None = None
    labels: tuple[str, ...] | None = None


class _Block:
    """Aggregates at a range of observations, sorted by their entity; places are counted from the block's first fact.

    Parameters
    ----------
    timeline : Timeline
    reader : Reader
    owner, as_of, numbers : ndarray of int64, shape (n,)
        Of the observations, and under which numbers they were handed over.
    name_of : callable or None
    """

    def __init__(
        self,
        timeline: Timeline,
        reader: Reader,
        owner: Rows,
        as_of: Rows,
        numbers: Rows,
        name_of: Callable[[int], str] | None,
    ) -> None:
        self.timeline, self.reader, self.name_of = timeline, reader, name_of
        self.owner, self.as_of, self.order = owner, as_of, numbers
        known = owner[owner >= 0]
        first, last = (int(known[0]), int(known[-1]) + 1) if len(known) else (0, 0)
        self.facts = slice(int(timeline.begins[first]), int(timeline.begins[last]))
        self.begins = timeline.begins[first : last + 1] - self.facts.start
        self.place_of_owner = np.where(owner >= 0, owner - first, -1)
        self.happened = _writable(timeline.facts.happened_at[self.facts])
        self.known = _writable(timeline.facts.known_at[self.facts])
        self.odd = timeline.odd[self.facts.start : self.facts.stop + 1]
        self._places: dict[tuple[str, int, int], Rows] = {}
        self._bounds: dict[tuple[Any, ...], tuple[Rows, Rows, Rows]] = {}
        self._streams: dict[Node | None, _Stream] = {}
        self._values: dict[tuple[Node | None, Node | None], _Cells] = {}

    def aggregates(self, selection: Selection, group: list[Aggregate]) -> dict[Aggregate, Column]:
        """Aggregates of one selection, in the order of the block."""
        pairs = self.reader.needs_pairs(selection.where)
        by_slice = [] if pairs else [one for one in group if not self.needs_pairs(one)]
        by_pair = [one for one in group if one not in by_slice]
        found: dict[Aggregate, Any] = {one: _unknown(one, len(self.as_of)) for one in by_pair}
        if by_slice:
            low, high, dirty = self.slices(selection)
            found |= self.from_slices(selection, by_slice, low, high)
            if len(dirty):
                self.from_pairs(selection, by_slice, dirty, found)
        if by_pair:
            self.from_pairs(selection, by_pair, np.arange(len(self.as_of)), found)
        return {one: self.read_at(one, values) if _positional(one) else values for one, values in found.items()}

    def forget(self) -> None:
        """Let go of the streams and values of the conditions so far."""
        self._streams.clear()
        self._values.clear()

    def needs_pairs(self, aggregate: Aggregate) -> bool:
        """Whether an aggregate must look at its values fact by fact for each observation."""
        if _positional(aggregate):
            return False
        return aggregate.function == "days_until" or self.reader.needs_pairs(aggregate.argument)

    # -- slices ------------------------------------------------------------------------------------------

    def slices(self, selection: Selection) -> tuple[Rows, Rows, Rows]:
        """(low, high) in the stream of the condition, and the observations that no slice serves."""
        key = (selection.days, selection.until, selection.ahead)
        if key not in self._bounds:
            since, until = edges(selection, self.as_of, lasting=self.timeline.facts.lasting)
            self._bounds[key] = self.bounds(since, until) if len(self.odd) else self.plain_bounds(since, until)
        low, high, dirty = self._bounds[key]
        stream = self.stream(selection.where)
        low, high = stream.place(low), stream.place(high)
        if selection.skip:
            high = np.maximum(low, high - selection.skip)
        if selection.last is not None:
            low = np.maximum(low, high - selection.last)
        return low, high, dirty

    def plain_bounds(self, since: Rows, until: Rows) -> tuple[Rows, Rows, Rows]:
        """The same where each entity's facts became known in order: what is known is all up to one place."""
        low, high = self.place(since, self.happened, "happened"), self.place(until, self.happened, "happened")
        known = self.place(self.as_of, self.known, "known")
        return low, np.maximum(low, np.minimum(high, known)), np.empty(0, np.int64)

    def place(self, edge: Rows, moments: Rows, name: str) -> Rows:
        """Place of the first fact not before each observation's edge; worked out once for windows that share it."""
        some = len(edge) > 0
        key = (name, int(edge[0]) - int(self.as_of[0]), int(edge[-1]) - int(self.as_of[-1])) if some else (name, 0, 0)
        if key not in self._places:
            self._places[key] = np.empty(len(edge), np.int64)
            in_ranges(kernels.places, len(edge), self.place_of_owner, edge, self.begins, moments, self._places[key])
        return self._places[key]

    def bounds(self, since: Rows, until: Rows) -> tuple[Rows, Rows, Rows]:
        """Slices, and the observations of which no slice tells what was known."""
        count = len(self.as_of)
        low, high, no_slice = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.uint8)
        in_ranges(
            kernels.bounds, count, self.place_of_owner, self.as_of, since, until, self.begins,
            self.happened, self.known, self.odd, low, high, no_slice,
        )  # fmt: skip
        dirty = np.flatnonzero(no_slice)
        high[dirty] = low[dirty]
        return low, high, dirty

    def stream(self, where: Node | None) -> _Stream:
        """Facts that fulfil a condition."""
        if where not in self._streams:
            if where is None:
                self._streams[None] = _Stream(self.facts, None)
            else:
                holds = np.asarray(self.reader.at_facts(where, self.facts) == 1.0)
                self._streams[where] = _Stream(np.flatnonzero(holds) + self.facts.start, _before(holds))
        return self._streams[where]

    def values(self, where: Node | None, argument: Node | None) -> _Cells:
        """Values of the facts of a stream that are not missing."""
        key = where, argument
        if key not in self._values:
            stream = self.stream(where)
            begins = stream.place(self.begins)
            if argument is None:
                self._values[key] = _Cells(Given(np.ones(0), np.empty(0, np.int64), begins))
                return self._values[key]
            happened = self.happened if where is None else self.timeline.facts.happened_at[stream.rows]
            cells = self.reader.at_facts(argument, stream.rows)
            labels = cells.labels if isinstance(cells, Codes) else None
            values = _numbers(cells)
            given = countable(values)  # what no result could be told of in float32 counts as missing
            if given.all():
                self._values[key] = _Cells(Given(_writable(values), happened, begins), None, labels)
            else:
                before = _before(given)
                self._values[key] = _Cells(Given(values[given], happened[given], before[begins]), before, labels)
        return self._values[key]

    def from_slices(self, selection: Selection, group: list[Aggregate], low: Rows, high: Rows) -> dict[Aggregate, Any]:
        """Numbers of each aggregate; of a positional one the place of its fact, -1 for none."""
        found: dict[Aggregate, Any] = {}
        by_argument: dict[Node | None, list[Aggregate]] = defaultdict(list)
        for one in group:
            if _positional(one):
                found[one] = self.places(one, selection, low, high)
            else:
                by_argument[one.argument].append(one)
        for argument, members in by_argument.items():
            cells = self.values(selection.where, argument)
            for one in members:
                plain.refuse_text(self.reader, one.function, cells.labels)
            a, b = (low, high) if cells.before is None else (cells.before[low], cells.before[high])
            windows = Windows(cells.given, self.place_of_owner, a, b, self.as_of, self.order)
            found |= reduced(members, windows, self.name_of)
        return found

    def places(self, aggregate: Aggregate, selection: Selection, low: Rows, high: Rows) -> Rows:
        """Place of the first or last fact of each slice."""
        some = high > low
        place = np.full(len(low), -1, dtype=np.int64)
        place[some] = self.stream(selection.where).fact(low[some] if _is_first(aggregate) else high[some] - 1)
        return place

    # -- pairs -------------------------------------------------------------------------------------------

    def from_pairs(
        self, selection: Selection, group: list[Aggregate], which: Rows, found: dict[Aggregate, Any]
    ) -> None:
        """Fill in aggregates of the given observations from the pairs chosen one by one."""
        numbers = self.order[which]  # invoice.* is read under the number that an observation was handed over with
        owner, as_of = self.owner[which], self.as_of[which]
        positional = [one for one in group if _positional(one)]
        by_values: dict[tuple[Node | None, bool], list[Aggregate]] = defaultdict(list)  # shared, so made once
        for one in group:
            if not _positional(one):
                by_values[one.argument, one.function == "days_until"].append(one)
        for chosen in plain.pairs_of(self.timeline, self.reader, selection, owner, as_of, numbers):
            here = slice(chosen.first, chosen.stop)
            for one in positional:
                found[one][which[here]] = _chosen_places(one, chosen)
            for members in by_values.values():
                one = members[0]
                seen, labels = plain.seen_by(self.reader, one, chosen, as_of, numbers, keep_missing=False)
                for member in members:
                    plain.refuse_text(self.reader, member.function, labels)
                windows = _behind_each_other(one, seen, as_of[here], numbers[here])
                for member, values in reduced(members, windows, self.name_of).items():
                    found[member][which[here]] = values

    # -- results -----------------------------------------------------------------------------------------

    def read_at(self, aggregate: Aggregate, place: Rows) -> Column:
        """What a positional aggregate reads of one fact per observation."""
        some = np.flatnonzero(place >= 0)
        fact, as_of = place[some], self.as_of[some]
        if aggregate.argument is None:
            days = (as_of - self.timeline.facts.happened_at[fact]) / US_PER_DAY
            cells: Column = -days if aggregate.function == "days_until" else days
        else:
            cells = self.reader.at_pairs(aggregate.argument, fact, as_of, self.order[some])
        if isinstance(cells, Codes):
            plain.refuse_text(self.reader, aggregate.function, cells.labels)
            codes = np.full(len(place), -1, dtype=np.int64)
            codes[some] = cells.codes
            return Codes(codes, cells.labels)
        result = np.full(len(place), np.nan)
        result[some] = cells
        return result


def _behind_each_other(aggregate: Aggregate, seen: Segments, as_of: Rows, numbers: Rows) -> Windows:
    """Values that were chosen pair by pair, as windows that do not overlap."""
    if aggregate.function == "days_until":
        seen = seen.replace(-seen.days).keep(seen.days <= 0)
    assert seen.happened is not None
    high = np.cumsum(seen.lengths)
    given = Given(_writable(seen.values), _writable(seen.happened), np.concatenate([[0], high]))
    return Windows(given, np.arange(len(high)), high - seen.lengths, high, as_of, numbers)


def _chosen_places(aggregate: Aggregate, chosen: Chosen) -> Rows:
    """Fact of the first or last pair of each observation; -1 for none."""
    lengths = np.bincount(chosen.observation, minlength=chosen.count)
    ends = np.cumsum(lengths)
    some = lengths > 0
    place = np.full(chosen.count, -1, dtype=np.int64)
    place[some] = chosen.fact[(ends - lengths if _is_first(aggregate) else ends - 1)[some]]
    return place


def _positional(aggregate: Aggregate) -> bool:
    """Whether one fact says it all: the first, the last, or the nearest ahead."""
    return aggregate.function in plain.POSITIONAL or (aggregate.function == "days_until" and aggregate.argument is None)


def _is_first(aggregate: Aggregate) -> bool:
    return aggregate.function in ("first", "days_until")


def _unknown(aggregate: Aggregate, count: int) -> npt.NDArray[Any]:
    """What is not computed yet: places of -1, or missing numbers."""
    return np.full(count, -1, dtype=np.int64) if _positional(aggregate) else np.full(count, np.nan)


def _numbers(values: Column) -> Values:
    """Values as numbers; text as its codes."""
    if isinstance(values, Codes):
        return np.where(values.codes < 0, np.nan, values.codes.astype(np.float64))
    return values


def _before(marks: Mask) -> Rows:
    """How many marks stand before each place, and after the last."""
    before = np.empty(len(marks) + 1, dtype=np.int64)
    kernels.count_before(_writable(marks.view(np.uint8)), before)
    return before


def _writable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array as compiled loops take it; a copy only where it is read-only or not of one piece."""
    return np.require(values, requirements=["C", "W"])
