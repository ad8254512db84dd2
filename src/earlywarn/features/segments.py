"""The aggregates of a definition as they stand in its text, for those who read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from earlywarn.features.aggregates import SCALARS
from earlywarn.features.expression import Aggregate, parse

__all__ = ["aggregates_in", "argument_of", "count_text", "group_counts", "segments"]


def aggregates_in(text: str) -> dict[str, Aggregate]:
    """The aggregates of a definition by the words in which they stand there, each once, in order.

    Examples
    --------
    >>> list(aggregates_in("log(mean(usage.quantity, days=30) / median(usage.quantity, days=180, until=30))"))
    ['mean(usage.quantity, days=30)', 'median(usage.quantity, days=180, until=30)']
    """
    found: dict[str, Aggregate] = {}
    text = text.strip()
    for node in _calls(ast.parse(text, mode="eval").body):
        words = ast.get_source_segment(text, node) or ""
        root = parse(words).root
        if isinstance(root, Aggregate) and root not in found.values():
            found[words] = root
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of aggregates in the order of the text; what stands inside one is not opened."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id not in SCALARS:
        yield tree
        return
    for child in ast.iter_child_nodes(tree):
        yield from _calls(child)


def group_counts(text: str) -> dict[str, str]:
    """Aggregates over groups of an expression, and what counts their facts, as texts.

    Examples
    --------
    >>> group_counts("count(invoices, days=90) + mean(maturities.late, days=365, of=region)")
    {'mean(maturities.late, days=365, of=region)': 'count(maturities, days=365, of=region)'}
    """
    return {part: count_text(part) for part, one in aggregates_in(text).items() if one.selection.of != "customer"}


def count_text(text: str) -> str:
    """The same facts of a group, counted instead of aggregated.

    Examples
    --------
    >>> count_text("mean(maturities.late, days=365, of=region)")
    'count(maturities, days=365, of=region)'
    """
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    table = parse(text).aggregates[0].selection.table
    words = [f"{one.arg}={ast.unparse(one.value)}" for one in call.keywords if one.arg in ("days", "until", "where")]
    words += [f"{one.arg}={ast.unparse(one.value)}" for one in call.keywords if one.arg in ("of", "leave_out")]
    return f"count({', '.join([table, *words])})"


def segments(text: str) -> tuple[str, str]:
    """The argument and the condition of an aggregate, as they stand in its text; empty where there is none.

    Examples
    --------
    >>> segments("ahead(sum(obligations.amount, where=stage == 'issued'), days=14)")
    ('obligations.amount', "stage == 'issued'")
    """
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    if isinstance(call.func, ast.Name) and call.func.id == "ahead" and isinstance(call.args[0], ast.Call):
        call = call.args[0]
    where = next((one.value for one in call.keywords if one.arg == "where"), None)
    condition = "" if where is None else ast.get_source_segment(text, where) or ""
    return ast.get_source_segment(text, call.args[0]) or "", condition


def argument_of(text: str) -> str:
    """What an aggregate is taken of, as it stands in its text.

    Examples
    --------
    >>> argument_of("share(settlements.parts > 1, days=365)")
    'settlements.parts > 1'
    """
    return segments(text)[0]
