"""Cells of one table as values: at all facts, or at (fact, observation) pairs with what was known then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.errors import FeatureError
from earlywarn.features.due_calendar import day_of_month
from earlywarn.features.evaluate import Codes, Column, evaluate
from earlywarn.features.expression import CALENDAR, Field, Name, Node, Operation, walk
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts, units

__all__ = ["Reader"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: Facts from one place to another, or the rows of some.
Which = slice | Rows


class Reader:
    """Evaluates arguments and conditions over the columns of one table.

    Parameters
    ----------
    facts : Facts
    digits : int
        Decimals of the currency.
    field : callable
        Gives the values of ``invoice.<column>``, one per observation.
    """

    def __init__(self, facts: Facts, digits: int, field: Callable[[str], Column]) -> None:
        self.facts = facts
        self.digits = digits
        self.field = field

    def needs_pairs(self, node: Node | None) -> bool:
        """Whether a value depends on the observation too: it reads a date's age, a late cell or ``invoice.*``."""
        if node is None:
            return False
        if isinstance(node, Operation) and node.name in CALENDAR:
            return _name(node) in self.facts.cell_known
        if isinstance(node, Operation):
            return any(self.needs_pairs(operand) for operand in node.operands)
        if isinstance(node, Name):
            return self.facts.kinds[node.name] == "date" or node.name in self.facts.cell_known
        return isinstance(node, Field)

    def at_facts(self, node: Node, which: Which) -> Column:
        """A condition or argument at facts, for what needs no pairs."""
        return self._evaluated(node, which, None, None)

    def at_pairs(self, node: Node, fact: Rows, as_of: Rows, observation: Rows | None = None) -> Column:
        """A condition or argument at (fact, as_of) pairs; a date reads as days before ``as_of``.

        Parameters
        ----------
        node : Node
        fact, as_of : ndarray of int64, shape (n,)
        observation : ndarray of int64, shape (n,), optional
            Whose ``invoice.*`` is meant.

        Returns
        -------
        ndarray of float64, shape (n,), or Codes
        """
        return self._evaluated(node, fact, as_of, observation)

    def _evaluated(self, node: Node, which: Which, as_of: Rows | None, observation: Rows | None) -> Column:
        def lookup(leaf: Node) -> Column:
            if isinstance(leaf, Name):
                return self._column(leaf.name, which, as_of)
            if isinstance(leaf, Field) and observation is not None:
                values = self.field(leaf.column)
                return values.take(observation) if isinstance(values, Codes) else values[observation]
            if isinstance(leaf, Operation):
                return self._calendar(leaf, which, as_of)
            raise FeatureError(f"{leaf!r} cannot be looked up.", code="F216")

        result = evaluate(node, lookup)
        count = len(range(len(self.facts))[which]) if isinstance(which, slice) else len(which)
        return result if isinstance(result, Codes) or len(result.shape) else np.full(count, float(result))

    def _hidden(self, name: str, which: Which, as_of: Rows | None) -> npt.NDArray[np.bool_] | None:
        """Where a cell was not filled in yet; None when all were."""
        if as_of is None or name not in self.facts.cell_known:
            return None
        return np.asarray(self.facts.cell_known[name][which] >= as_of)

    def _column(self, name: str, which: Which, as_of: Rows | None) -> Column:
        values = self.facts.columns[name]
        hidden = self._hidden(name, which, as_of)
        if isinstance(values, Text):
            codes = values.codes[which]
            return Codes(codes if hidden is None else np.where(hidden, -1, codes), values.labels)
        cells = values[which]
        kind = self.facts.kinds[name]
        if kind == "money":
            numbers = units(cells, self.digits)
        elif kind == "date":
            assert as_of is not None
            numbers = np.where(cells == NAT, np.nan, np.where(cells == NAT, 0, as_of - cells) / US_PER_DAY)
        else:
            numbers = cells.astype(np.float64, copy=False)
        return numbers if hidden is None else np.where(hidden, np.nan, numbers)

    def _calendar(self, node: Operation, which: Which, as_of: Rows | None) -> Values:
        """Weekday (0 is Monday) or day of the month of a date."""
        name = _name(node)
        if self.facts.kinds.get(name) != "date":
            raise FeatureError(
                f"{node.name} is asked of {self.facts.name}.{name}, which is no date.",
                code="F217",
                hint=f"{node.name}(payments.paid_on), for example.",
            )
        values: Any = self.facts.columns[name]
        cells = values[which]
        missing = cells == NAT
        hidden = self._hidden(name, which, as_of)
        if hidden is not None:
            missing = missing | hidden
        day = np.where(missing, 0, cells) // US_PER_DAY
        found = ((day + 3) % 7).astype(np.float64) if node.name == "weekday" else day_of_month(day)
        return np.where(missing, np.nan, found)


def _name(node: Operation) -> str:
    (leaf,) = node.operands
    return leaf.name if isinstance(leaf, Name) else ""


def reads_observation(node: Node | None) -> bool:
    """Whether ``invoice.*`` stands in a condition or argument."""
    return node is not None and any(isinstance(leaf, Field) for leaf in walk(node))
