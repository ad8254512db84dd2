"""What may be asked of a group of customers: what its daily reduction holds."""

from __future__ import annotations

from collections.abc import Collection

from earlywarn.errors import FeatureError
from earlywarn.features.expression import Aggregate, Name, Node, Operation
from earlywarn.features.membership import GROUPS

__all__ = ["GROUP_AGGREGATES", "check_group"]

GROUP_AGGREGATES = ("count", "sum", "mean", "share", "std", "rate")


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
            f"of={selection.of} is no group of customers.",
            code="F223",
            hint=f"use one of {', '.join(GROUPS)}; without of= a feature reads the customer's own facts.",
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
