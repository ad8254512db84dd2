"""What crosses customers: daily reductions per region, segment and portfolio.

Other-entity aggregates read (count, sum, sum of squares) per group, day of happening and day of knowing,
in memory as everywhere else; a fact belongs to the group its customer was in when it happened. What a fact
says and where it belongs can become known in steps; each step takes out what was counted before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, US_PER_DAY, visible
from earlywarn.errors import FeatureError
from earlywarn.features.expression import DEFAULT_DAYS, Aggregate, Name, Node, Operation, Selection
from earlywarn.features.windows import Timeline, choose
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["GROUPS", "GROUP_AGGREGATES", "Context", "group_values"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: Values of facts, by place and by the moment before which they must be known.
ValueAt = Callable[[Rows, Rows], Values]
#: Entities that a group aggregate may be taken of, and the column of customers that says the group.
GROUPS = {"region": "region", "segment": "segment", "portfolio": None}
GROUP_AGGREGATES = ("count", "sum", "mean", "share", "std")


@dataclass(frozen=True)
class _Reduced:
    """Daily sums of one column over one kind of group, sorted by (group, happened day)."""

    key: Rows
    known_day: Rows
    sums: Values  # shape (n, 3): count, sum, sum of squares
    first_day: int
    span: int


class Context:
    """Reductions over groups of customers, each made when first asked for.

    Parameters
    ----------
    ledger : Ledger
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._groups = {entity: _Membership(ledger, column) for entity, column in GROUPS.items()}
        self._reduced: dict[tuple[object, ...], _Reduced] = {}

    def group_of(self, entity: str, owner: Rows, at: Rows, known_before: Rows) -> Rows:
        """Group of each customer at a moment, as it was known before another; -1 where it was not.

        Parameters
        ----------
        entity : {"region", "segment", "portfolio"}
        owner : ndarray of int64, shape (n,)
        at, known_before : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        ndarray of int64, shape (n,)
        """
        return self._groups[entity].at(owner, at, known_before)

    def sums(
        self, aggregate: Aggregate, facts: Facts, value_at: ValueAt, late: Iterable[Rows], group: Rows, day: Rows
    ) -> Values:
        """Count, sum and sum of squares per (group, day), over facts known before that day.

        Parameters
        ----------
        aggregate : Aggregate
        facts : Facts, n_facts
        value_at : callable
            Values of facts (places, moments) as known before each moment; NaN where one takes no part.
        late : iterable of ndarray of int64, shape (n_facts,), microseconds
            When cells that the aggregate reads were filled in.
        group, day : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n, 3)
        """
        selection = aggregate.selection
        key = (selection.table, aggregate.argument, selection.where, selection.of)
        if key not in self._reduced:
            membership = self._groups[selection.of]
            fact, since, until = _steps(facts, [*late], membership)
            of_fact = membership.at(facts.owner[fact], facts.happened_at[fact], since + 1)
            self._reduced[key] = _reduce(facts.happened_at[fact], value_at(fact, since + 1), of_fact, since, until)
        return _window_sums(self._reduced[key], selection, group, day)


class _Membership:
    """Which group each customer was in, from when, and since when that is known."""

    def __init__(self, ledger: Ledger, column: str | None) -> None:
        self.single = column is None
        if column is None:
            return
        customers = ledger.facts("customers")
        rows = customers.take(np.lexsort((customers.known_at, customers.happened_at, customers.owner)))
        self.owner, self.start = rows.owner, rows.happened_at
        self.known, self.until = rows.known_at, rows.known_until
        self.code = rows.text(column).codes
        self.moments = np.unique(self.start)
        self.key = self.owner * (len(self.moments) + 1) + np.searchsorted(self.moments, self.start)

    def at(self, owner: Rows, moment: Rows, known_before: Rows) -> Rows:
        """Group of the newest row that holds at ``moment`` among those that are known by then."""
        if self.single:
            return np.where(owner >= 0, 0, -1)
        if not len(self.owner):
            return np.full(len(owner), -1, dtype=np.int64)
        rank = np.searchsorted(self.moments, moment, side="right")
        place = np.searchsorted(self.key, owner * (len(self.moments) + 1) + rank, side="left") - 1
        group = np.full(len(owner), -1, dtype=np.int64)
        left = np.arange(len(owner))
        while len(left):
            left = left[
                (place[left] >= 0) & (owner[left] >= 0) & (self.owner[np.maximum(place[left], 0)] == owner[left])
            ]
            row = place[left]
            seen = visible(self.known[row], self.until[row], known_before[left])
            group[left[seen]] = self.code[row[seen]]
            left = left[~seen]
            place[left] -= 1
        return group

    def news(self, owner: Rows) -> tuple[Rows, Rows]:
        """(place in ``owner``, moment) of everything that became known about these customers' groups."""
        if self.single or not len(self.owner):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        whose, when = np.concatenate([self.owner, self.owner]), np.concatenate([self.known, self.until])
        pairs = np.unique(np.stack([whose, when])[:, (when > -FOREVER) & (when < FOREVER)], axis=1)
        low, high = (np.searchsorted(pairs[0], owner, side=side) for side in ("left", "right"))
        length = high - low
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        return np.repeat(np.arange(len(owner)), length), pairs[1][np.repeat(low, length) + within]


def _steps(facts: Facts, late: list[Rows], membership: _Membership) -> tuple[Rows, Rows, Rows]:
    """(fact, since, until): the periods of knowing in which a fact says the same and belongs to the same group."""
    every = np.arange(len(facts))
    news = [(every, facts.known_at), *((every, cells) for cells in late), membership.news(facts.owner)]
    fact, since = np.concatenate([place for place, _ in news]), np.concatenate([when for _, when in news])
    since = np.maximum(since, facts.known_at[fact])
    pairs = np.unique(np.stack([fact, since])[:, since < facts.known_until[fact]], axis=1)
    fact, since = pairs
    until = facts.known_until[fact]
    again = fact[1:] == fact[:-1]
    until[:-1][again] = since[1:][again]
    return fact, since, until


def _reduce(happened: Rows, values: Values, group: Rows, since: Rows, until: Rows) -> _Reduced:
    """Sum facts by (group, happened day, known day); each is taken out again from the end of its period."""
    rows = np.flatnonzero(~np.isnan(values) & (group >= 0) & (since < FOREVER) & (happened > -FOREVER))
    gone = rows[until[rows] < FOREVER]
    at = np.concatenate([rows, gone])
    sign = np.concatenate([np.ones(len(rows)), -np.ones(len(gone))])
    seen = np.concatenate([since[rows], until[gone]]) // US_PER_DAY
    day = happened[at] // US_PER_DAY
    x = values[at]
    parts = np.stack([sign, sign * x, sign * x * x], axis=1)
    triples, inverse = np.unique(np.stack([group[at], day, seen], axis=1), axis=0, return_inverse=True)
    sums = np.zeros((len(triples), 3))
    np.add.at(sums, inverse.reshape(-1), parts)
    first = int(day.min()) if len(day) else 0
    span = (int(day.max()) - first + 2) if len(day) else 1
    return _Reduced(triples[:, 0] * span + triples[:, 1] - first, triples[:, 2], sums, first, span)


def _window_sums(reduced: _Reduced, selection: Selection, group: Rows, day: Rows) -> Values:
    """Sums over the window of each (group, day), each pair computed once."""
    pairs, inverse = np.unique(np.stack([group, day], axis=1), axis=0, return_inverse=True)
    days = DEFAULT_DAYS if selection.days is None else selection.days
    result = np.zeros((len(pairs), 3))
    for place, (number, at) in enumerate(pairs):
        if number < 0:
            continue
        low, high = (
            number * reduced.span + min(max(int(edge) - reduced.first_day, 0), reduced.span - 1)
            for edge in (at - round(days), at - round(selection.until))
        )
        a, b = np.searchsorted(reduced.key, [low, high])
        known = reduced.known_day[a:b] < at
        result[place] = reduced.sums[a:b][known].sum(axis=0)
    return result[inverse.reshape(-1)]


def group_values(function: str, sums: Values) -> Values:
    """Aggregate from count, sum and sum of squares.

    Parameters
    ----------
    function : {"count", "sum", "mean", "share", "std"}
    sums : ndarray of float64, shape (n, 3)

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> group_values("mean", np.array([[4.0, 2.0, 2.0], [0.0, 0.0, 0.0]]))
    array([0.5, nan])
    """
    n, s, q = sums.T
    if function == "count":
        return np.asarray(n)
    if function == "sum":
        return np.asarray(s)
    mean = np.where(n > 0, s / np.where(n > 0, n, 1), np.nan)
    if function in ("mean", "share"):
        return mean
    return np.where(n > 1, np.sqrt(np.maximum(q - n * mean * mean, 0) / np.where(n > 1, n - 1, 1)), np.nan)


def own_sums(
    timeline: Timeline,
    value_at: ValueAt,
    selection: Selection,
    same_group: Callable[[Rows, Rows], npt.NDArray[np.bool_]],
    owner: Rows,
    day: Rows,
) -> Values:
    """The part of a group's sums that each customer contributed, to be left out.

    Parameters
    ----------
    timeline : Timeline
    value_at : callable
        Values of facts (places, moments) as known before each moment; NaN where one takes no part.
    selection : Selection
        Its window; the condition is part of ``value_at``.
    same_group : callable
        Whether a fact (place) belongs to the group of an observation (number).
    owner, day : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n, 3)
    """
    result = np.zeros((len(owner), 3))
    as_of = day * US_PER_DAY
    for chosen in choose(timeline, selection, owner, as_of):
        observation = chosen.observation + chosen.first
        x = value_at(chosen.fact, as_of[observation])
        part = ~np.isnan(x) & same_group(chosen.fact, observation)
        for column, weight in enumerate((np.ones(len(x)), x, x * x)):
            sums = np.bincount(chosen.observation[part], weights=weight[part], minlength=chosen.count)
            result[chosen.first : chosen.stop, column] = sums
    return result


def check_group(aggregate: Aggregate, dates: Collection[str]) -> None:
    """Refuse what a daily reduction cannot give.

    Parameters
    ----------
    aggregate : Aggregate
    dates : collection of str
        Columns of its table that hold dates; they read as days before ``as_of``, which no reduction knows.

    Raises
    ------
    FeatureError
        F223 an entity or aggregate that groups do not have.
    """
    selection = aggregate.selection
    if selection.of not in GROUPS:
        raise FeatureError(
            f"of={selection.of} is not computed in this version.", code="F223", hint=f"use one of {', '.join(GROUPS)}."
        )
    if aggregate.function not in GROUP_AGGREGATES or selection.skip or selection.last or selection.ahead:
        raise FeatureError(
            f"{aggregate.function} over a {selection.of} is not kept in the daily reduction.",
            code="F223",
            hint=f"use {', '.join(GROUP_AGGREGATES)} with days=, until= and where=.",
        )
    parts = [part for part in (aggregate.argument, selection.where) if part is not None]
    if any(_reads_clock(part, dates) for part in parts) or any(
        edge % 1 for edge in (selection.days or 0, selection.until)
    ):
        raise FeatureError(
            f"{aggregate.function} over a {selection.of} counts days from a date to as_of, or parts of a day.",
            code="F223",
            hint="groups are kept by whole days: give days= and until=, or the difference of two dates.",
        )


def _reads_clock(node: Node, dates: Collection[str]) -> bool:
    """Whether a value changes with ``as_of``: a date does; whether it is there, or two dates apart, does not."""
    if isinstance(node, Name):
        return node.name in dates
    if not isinstance(node, Operation):
        return False
    bare = all(isinstance(operand, Name) for operand in node.operands)
    if bare and (
        node.name == "isnull" or (node.name == "-" and all(_reads_clock(one, dates) for one in node.operands))
    ):
        return False
    return any(_reads_clock(operand, dates) for operand in node.operands)
