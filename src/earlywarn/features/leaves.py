"""What the leaves of expressions are worth: aggregates and attributes, block by block of observations.

A block holds whole customers. So what is worked out for all facts of a block is small, stays at hand for all features,
and is gone with the block; several blocks are worked on at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.compiled import threads
from earlywarn.features import expression as language
from earlywarn.features import plain
from earlywarn.features.absent import absent
from earlywarn.features.context import Context
from earlywarn.features.evaluate import Codes, Column
from earlywarn.features.expression import Aggregate, Expression, Field, Name, Node, Selection
from earlywarn.features.groups import Groups
from earlywarn.features.observed import Observed
from earlywarn.features.reader import Reader
from earlywarn.features.windows import Timeline, in_force
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.order import by_owner
from earlywarn.tables.schema import TABLES

__all__ = ["Leaves"]

Rows = npt.NDArray[np.int64]
#: About how many facts one block has, and how many of them an observation counts for.
BLOCK_FACTS, FACTS_PER_OBSERVATION = 1_000_000, 10
#: Timelines of each ledger by table, for as long as the ledger lives.
_TIMELINES: WeakKeyDictionary[Ledger, dict[str, Timeline]] = WeakKeyDictionary()
_NUMBER = language.parse("count(invoices, days=36500)").aggregates[0]
_LACKING = {
    "absent": "{} was not handed over; what is read from it is missing.",
    "today": "of {} only today's value is known; hand over valid_from. What is read from it is missing.",
}


@dataclass(frozen=True)
class _Asked:
    """What is asked of one table: whose facts each observation looks at, and the aggregates of each selection."""

    timeline: Timeline
    reader: Reader
    whose: Rows
    selections: Mapping[Selection, list[Aggregate]]


class Leaves:
    """Leaves of some expressions, for one ledger and its observations.

    Parameters
    ----------
    ledger : Ledger
    obs : DataFrame
    context : Context or None
    expressions : iterable of Expression
        Checked already.
    compiled : bool
        False takes the plain engine.

    Attributes
    ----------
    observed : Observed
    notices : list of str
        About tables and columns that were not handed over.
    groups : Groups
    """

    def __init__(
        self,
        ledger: Ledger,
        obs: pd.DataFrame,
        context: Context | None,
        expressions: Iterable[Expression],
        *,
        compiled: bool,
    ) -> None:
        self.ledger, self.compiled = ledger, compiled
        self.observed = Observed(ledger, obs)
        self.notices: list[str] = []
        self.groups = Groups(ledger, self.observed.owner, self.observed.as_of, context)
        self._everywhere: dict[Aggregate, Column] = {}
        expressions = list(expressions)
        fields = dict.fromkeys(column for one in expressions for table, column in one.columns() if table == "invoice")
        if "number" in fields:
            self._own = self._asked([_NUMBER])
            self._everywhere |= self._own_facts(np.arange(len(obs)))
        for column in fields:
            self.field(column)  # read once, before several blocks ask for it
        self._own = self._asked([aggregate for one in expressions for aggregate in one.aggregates])

    # -- what is asked -----------------------------------------------------------------------------------

    def _asked(self, aggregates: Iterable[Aggregate]) -> list[_Asked]:
        """Aggregates over own facts, table by table; those over groups, and absent ones, are computed at once."""
        waiting: dict[str, dict[Selection, list[Aggregate]]] = defaultdict(lambda: defaultdict(list))
        groups: dict[str, list[Aggregate]] = defaultdict(list)
        for one in dict.fromkeys(aggregates):
            if one in self._everywhere or self._absent(one):
                continue
            if one.selection.of == "customer":
                waiting[one.selection.table][one.selection].append(one)
            else:
                groups[one.selection.table].append(one)
        self.groups.prepare([one for group in groups.values() for one in group])
        for table, group in groups.items():
            timeline = self._timeline(table)
            reader = Reader(timeline.facts, self.ledger.digits, self.field)
            self._everywhere |= {one: self.groups.over(one, timeline, reader) for one in group}
        return [asked for table, selections in waiting.items() for asked in self._of_table(table, selections)]

    def _of_table(self, table: str, selections: Mapping[Selection, list[Aggregate]]) -> list[_Asked]:
        """The facts looked at: the customer's, or those of the nearest region that fulfils a condition."""
        timeline = self._timeline(table)
        for one in (one for group in selections.values() for one in group):
            for name in language.columns_of(one):
                timeline.facts.columns[name]  # worked out once, before several blocks ask for it
        reader = Reader(timeline.facts, self.ledger.digits, self.field)
        if timeline.facts.entity != "region":
            return [_Asked(timeline, reader, self.observed.owner, selections)]
        return [
            _Asked(timeline, reader, self.groups.regions(reader, selection.where), {selection: group})
            for selection, group in selections.items()
        ]

    def _absent(self, aggregate: Aggregate) -> bool:
        """Missing values, with a notice, for what the ledger does not have."""
        lacking = absent(aggregate, self.ledger)
        if not lacking:
            return False
        self.notices += [
            _LACKING[why].format(what if "." in what else f"the table {what}") for what, why in lacking.items()
        ]
        self._everywhere[aggregate] = self._nothing(aggregate)
        return True

    def _nothing(self, aggregate: Aggregate) -> Column:
        """Missing values of the kind that the column has, so that a matrix never changes its dtypes."""
        schema = TABLES.get(aggregate.selection.table)
        column = aggregate.argument.name if isinstance(aggregate.argument, Name) else ""
        is_text = schema is not None and column in schema.columns and schema.columns[column].kind == "text"
        if is_text and aggregate.function in ("first", "last"):
            return Codes(np.full(len(self.observed.as_of), -1, dtype=np.int64), ())
        return np.full(len(self.observed.as_of), np.nan)

    def _timeline(self, table: str) -> Timeline:
        """Facts of a table, sorted once for a ledger."""
        kept = _TIMELINES.setdefault(self.ledger, {})
        if table not in kept:
            facts = self.ledger.facts(table)
            kept[table] = Timeline(in_force(facts, TABLES[table].key[0]) if facts.lasting else facts)
        return kept[table]

    def field(self, column: str) -> Column:
        """One attribute of the observed obligation, for all observations."""
        return self._everywhere[_NUMBER] if column == "number" else self.observed.field(column)

    # -- blocks ------------------------------------------------------------------------------------------

    def blocks(self) -> list[Rows]:
        """Numbers of the observations of each block; one block at least, several of about the same work.

        Returns
        -------
        list of ndarray of int64
        """
        owner = self.observed.owner
        if not self.compiled or not len(owner):
            return [np.arange(len(owner))]
        order = by_owner(owner)
        whose = np.maximum(owner[order], 0)
        first = np.flatnonzero(np.diff(whose, prepend=-1))  # of each customer
        work = FACTS_PER_OBSERVATION * np.diff(first, append=len(order))
        tables = {id(asked.timeline): asked for asked in self._own if asked.timeline.facts.entity != "region"}
        for asked in tables.values():
            begins = asked.timeline.begins
            ends = np.minimum(np.stack([whose[first], whose[first] + 1]), len(begins) - 1)
            work += begins[ends[1]] - begins[ends[0]]
        total = int(work.sum())
        several = threads() * -(-total // (threads() * BLOCK_FACTS)) if total > BLOCK_FACTS else 1
        block = (np.cumsum(work) - work) * several // total
        cuts = first[1:][np.diff(block) > 0]
        return [order[since:until] for since, until in pairwise([0, *cuts.tolist(), len(order)])]

    def at(self, rows: Rows) -> Callable[[Node], Column]:
        """How to look leaves up at the observations of a block.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
            Numbers of observations, those of a customer together.

        Returns
        -------
        callable
            Takes a leaf, gives its values, shape (n,).
        """
        found = self._own_facts(rows)

        def leaf(node: Node) -> Column:
            if isinstance(node, Aggregate) and node in found:
                return found[node]
            everywhere = self.field(node.column) if isinstance(node, Field) else self._everywhere[node]  # type: ignore[index]
            return everywhere.take(rows) if isinstance(everywhere, Codes) else everywhere[rows]

        return leaf

    def _own_facts(self, rows: Rows) -> dict[Aggregate, Column]:
        """Aggregates over own facts at some observations, by the engine that was chosen."""
        found: dict[Aggregate, Column] = {}
        as_of = self.observed.as_of[rows]
        for asked in self._own:
            whose = asked.whose[rows]
            if self.compiled:
                from earlywarn.features.engine import over_own_facts

                found |= over_own_facts(
                    asked.timeline, asked.reader, asked.selections, whose, as_of, rows, self.observed.name_of
                )
            else:
                for selection, group in asked.selections.items():
                    found |= plain.over_own_facts(asked.timeline, asked.reader, selection, group, whose, as_of)
        return found
