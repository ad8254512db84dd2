"""Daily reductions: facts summed by (group, day of happening, day of knowing), and windows over them.

What a fact says and where it belongs can become known in steps; each step takes out what was counted before
it. A cell counts from the day after it is known until its day falls out of the window, so a window of any
group at any day is one running sum, looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, US_PER_DAY
from earlywarn.features.evaluate import Codes
from earlywarn.features.exact import CHUNK, Sums, countable, joined
from earlywarn.features.expression import Aggregate, Literal, Name, Node, Operation, columns_of
from earlywarn.features.membership import Membership
from earlywarn.features.reader import Reader

__all__ = ["Cells", "Reducer", "Windows", "key_of", "merged", "numbered"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cells:
    """Sums by group and day.

    Attributes
    ----------
    group, day, known : ndarray of int64, shape (n,)
        Code of the group, day of happening, day of knowing (not before the day of happening).
    sums : Sums, of n cells
    """

    group: Rows
    day: Rows
    known: Rows
    sums: Sums

    def __len__(self) -> int:
        return len(self.group)


def key_of(aggregate: Aggregate) -> str:
    """What a group aggregate reduces, as one line of text; its function and window are no part of it.

    Examples
    --------
    >>> from earlywarn.features.expression import parse
    >>> key_of(parse("share(usage.cost > 5, days=30, of=region, where=kind == 'data')").aggregates[0])
    "usage where ==(kind, 'data') | >(cost, 5.0) | region"
    """
    selection = aggregate.selection
    where = "" if selection.where is None else f" where {_written(selection.where)}"
    return f"{selection.table}{where} | {_written(aggregate.argument)} | {selection.of}"


def _written(node: Node | None) -> str:
    if isinstance(node, Operation):
        return f"{node.name}({', '.join(_written(operand) for operand in node.operands)})"
    if isinstance(node, Literal):
        return repr(node.value)
    return node.name if isinstance(node, Name) else "1"


class Reducer:
    """Reduces the facts of one table to cells.

    Parameters
    ----------
    aggregate : Aggregate
    reader : Reader
        Over the facts of its table.
    membership : Membership
        Of the same ledger.
    known_before : int, microseconds
        Facts and steps known from then on take no part.

    Attributes
    ----------
    scale : float
        Sums count in units divided by this: money is summed in minor units.
    """

    def __init__(self, aggregate: Aggregate, reader: Reader, membership: Membership, known_before: int) -> None:
        self.aggregate = aggregate
        self.reader = reader
        self.facts = reader.facts
        self.membership = membership
        self.known_before = known_before
        argument = aggregate.argument
        money = isinstance(argument, Name) and self.facts.kinds.get(argument.name) == "money"
        self.scale = 10.0**reader.digits if money else 1.0
        late = [name for name in columns_of(aggregate) if name in self.facts.cell_known]
        self.late = [self.facts.cell_known[name] for name in late]

    def cells(self, rows: Rows | None = None, *, by_owner: bool = False) -> Cells:
        """Sums over facts.

        Parameters
        ----------
        rows : ndarray of int64, optional
            Which facts; all when left out.
        by_owner : bool
            Sum by customer and group: codes are owner * number of groups + group.

        Returns
        -------
        Cells, sorted by (group, day, known)
        """
        count = len(self.facts) if rows is None else len(rows)
        parts = []
        for first in range(0, count, CHUNK // 4):
            some = slice(first, first + CHUNK // 4)
            parts.append(self._summed(np.arange(count)[some] if rows is None else rows[some], by_owner))
        return merged(parts)

    def _summed(self, rows: Rows, by_owner: bool) -> Cells:
        facts = self.facts
        rows = rows[(facts.owner[rows] >= 0) & (facts.happened_at[rows] > -FOREVER)]
        fact, since, until = self._steps(rows)
        group = self.membership.at(facts.owner[fact], facts.happened_at[fact], since + 1)
        values = self.values(fact, since + 1)
        used = (group >= 0) & countable(values)
        fact, since, until, group = (part[used] for part in (fact, since, until, group))
        values = values[used]
        if by_owner:
            group = facts.owner[fact] * len(self.membership.labels) + group
        gone = np.flatnonzero(until < FOREVER)
        every = np.concatenate([np.arange(len(fact)), gone])
        sign = np.repeat([1.0, -1.0], [len(fact), len(gone)])
        day = facts.happened_at[fact[every]] // US_PER_DAY
        known = np.maximum(np.concatenate([since, until[gone]]) // US_PER_DAY, day)
        return merged(list(_in_cells(group[every], day, known, values[every], sign)))

    def _steps(self, rows: Rows) -> tuple[Rows, Rows, Rows]:
        """(fact, since, until): the periods of knowing in which a fact says the same and belongs to the same group."""
        known, ends = self.facts.known_at[rows], self.facts.known_until[rows]
        ends = np.where(ends >= self.known_before, FOREVER, ends)
        place, when = self.membership.news(self.facts.owner[rows])
        places = [place, *(np.arange(len(rows)) for _ in self.late)]
        moments = [when, *(cells[rows] for cells in self.late)]
        place, when = np.concatenate(places), np.concatenate(moments)
        new = (when > known[place]) & (when < np.minimum(ends, self.known_before)[place])
        begun = np.flatnonzero((known < ends) & (known < self.known_before))
        place, since = np.concatenate([begun, place[new]]), np.concatenate([known[begun], when[new]])
        if new.any():
            place, since = np.unique(np.stack([place, since]), axis=1)
        until = ends[place]
        again = place[1:] == place[:-1]
        until[:-1][again] = since[1:][again]
        return rows[place], since, until

    def values(self, fact: Rows, as_of: Rows) -> Values:
        """Argument at (fact, as_of) pairs, 1 for a count; NaN where it is missing or the condition does not hold."""
        values = np.ones(len(fact))
        if self.aggregate.argument is not None:
            found = self.reader.at_pairs(self.aggregate.argument, fact, as_of)
            values = np.where(found.missing(), np.nan, 1.0) if isinstance(found, Codes) else np.array(found)
            if self.scale != 1.0:
                values = np.rint(values * self.scale)
        if self.aggregate.selection.where is not None:
            holds = self.reader.at_pairs(self.aggregate.selection.where, fact, as_of)
            values = np.where(holds == 1.0, values, np.nan)
        return values


def _in_cells(group: Rows, day: Rows, known: Rows, values: Values, sign: Values) -> Iterator[Cells]:
    """Cells of pieces that are small enough to be summed exactly."""
    for first in range(0, len(group), CHUNK):
        keys = [part[first : first + CHUNK] for part in (group, day, known)]
        cell, (groups, days, knowns), _ = numbered(keys)
        summed = Sums.of(values[first : first + CHUNK], sign[first : first + CHUNK], cell, len(groups))
        yield Cells(groups, days, knowns, summed)


def numbered(keys: Sequence[Rows]) -> tuple[Rows, list[Rows], Rows]:
    """Number of each distinct row of several columns, sorted; the distinct rows; and where each comes first.

    Examples
    --------
    >>> numbered([np.array([7, 5, 7]), np.array([1, 1, 1])])
    (array([1, 0, 1]), [array([5, 7]), array([1, 1])], array([1, 0]))
    """
    codes, room = np.zeros(len(keys[0]), dtype=np.int64), 1
    for column in keys:
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        room *= high - low + 1
        if room >= 2**63:  # more than fits: number what there is so far
            (codes, column), low = (np.unique(part, return_inverse=True)[1] for part in (codes, column)), 0
            high, room = int(column.max()), (int(codes.max()) + 1) * (int(column.max()) + 1)
        codes = codes * (high - low + 1) + (column - low)
    _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    return codes, [column[first] for column in keys], first


def merged(parts: Sequence[Cells]) -> Cells:
    """Add up cells of the same group and days; what adds up to nothing is left out.

    Parameters
    ----------
    parts : sequence of Cells
        With the same group codes.

    Returns
    -------
    Cells, sorted by (group, day, known); the same for the same facts, however they were divided
    """
    if len(parts) == 1:
        return _without_nothing(parts[0])
    none = np.empty(0, dtype=np.int64)
    keys = [np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in ("group", "day", "known")]
    sums = joined([part.sums for part in parts])
    order = np.lexsort(keys[::-1])
    keys = [column[order] for column in keys]
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in keys], axis=0)
    first = np.flatnonzero(new)
    added = np.add.reduceat(sums.parts[order], first, axis=0) if len(first) else sums.parts
    group, day, known = (column[first] for column in keys)
    return _without_nothing(Cells(group, day, known, Sums(sums.columns, added)))


def _without_nothing(cells: Cells) -> Cells:
    """Cells and columns that hold something; the count stays."""
    filled = cells.sums.parts != 0
    rows = filled.any(axis=1)
    kept = [place for place, column in enumerate(cells.sums.columns) if column[0] == "count" or filled[:, place].any()]
    sums = Sums(tuple(cells.sums.columns[place] for place in kept), cells.sums.parts[rows][:, kept])
    return Cells(cells.group[rows], cells.day[rows], cells.known[rows], sums)


class Windows:
    """Running sums of cells, so that any group's window at any day is looked up.

    Parameters
    ----------
    cells : Cells
    days, until : int
        A window at a day holds [day - days, day - until), of what was known before the day.
    """

    def __init__(self, cells: Cells, days: int, until: int) -> None:
        start = np.maximum(cells.known, cells.day + until) + 1
        stop = cells.day + days + 1
        live = np.flatnonzero(start < stop)
        group, start, stop = cells.group[live], start[live], stop[live]
        self.first = int(start.min()) if len(live) else 0
        self.span = int(stop.max()) - self.first + 1 if len(live) else 1
        key = np.concatenate([group * self.span + start - self.first, group * self.span + stop - self.first])
        order = np.argsort(key, kind="stable")
        key = key[order]
        changes = np.concatenate([cells.sums.parts[live], -cells.sums.parts[live]])[order]
        last = np.flatnonzero(np.append(key[1:] != key[:-1], True)[: len(key)])
        running = np.zeros((len(last) + 1, changes.shape[1]), dtype=np.int64)
        running[1:] = np.cumsum(changes, axis=0)[last]
        self.key = key[last]
        self.running = Sums(cells.sums.columns, running)

    def at(self, group: Rows, day: Rows) -> Sums:
        """Sums over the window of each group at each day; nothing for group -1.

        Parameters
        ----------
        group, day : ndarray of int64, shape (n,)

        Returns
        -------
        Sums, of n cells
        """
        key = group * self.span + np.clip(day - self.first, -1, self.span - 1)
        return self.running.take(np.searchsorted(self.key, key, side="right"))
