"""The plain engine: each selection chosen fact by fact, each aggregate over numpy segments.

What the compiled engine is held against. It makes every (observation, fact) pair, so it is for tests and for
what depends on both the fact and the observation.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY
from earlywarn.errors import FeatureError
from earlywarn.features.aggregates import Segments, apply
from earlywarn.features.evaluate import Codes, Column
from earlywarn.features.exact import countable
from earlywarn.features.expression import Aggregate, Node, Selection
from earlywarn.features.reader import Reader
from earlywarn.features.windows import Chosen, Timeline, choose

__all__ = ["over_own_facts", "pairs_of", "refuse_text"]

Rows = npt.NDArray[np.int64]
#: Aggregates that take one fact, whether it has a value or not.
POSITIONAL = ("first", "last", "days_since")


def over_own_facts(
    timeline: Timeline, reader: Reader, selection: Selection, group: Iterable[Aggregate], owner: Rows, as_of: Rows
) -> dict[Aggregate, Column]:
    """Aggregates of one selection, over the facts of each observation's own entity.

    Parameters
    ----------
    timeline : Timeline
    reader : Reader
    selection : Selection
    group : iterable of Aggregate
        All of this selection.
    owner, as_of : ndarray of int64, shape (n,)

    Returns
    -------
    dict of Aggregate to ndarray of float64, shape (n,), or Codes
    """
    parts: dict[Aggregate, list[Column]] = {aggregate: [] for aggregate in group}
    numbers = np.arange(len(as_of))
    for chosen in pairs_of(timeline, reader, selection, owner, as_of, numbers):
        for aggregate in parts:
            parts[aggregate].append(_aggregate(reader, aggregate, chosen, as_of, numbers))
    return {aggregate: _joined(pieces) for aggregate, pieces in parts.items()}


def pairs_of(
    timeline: Timeline, reader: Reader, selection: Selection, owner: Rows, as_of: Rows, numbers: Rows
) -> Iterable[Chosen]:
    """The facts of a selection, in chunks of observations; ``where=`` read as it was known then.

    Parameters
    ----------
    timeline : Timeline
    reader : Reader
    selection : Selection
    owner, as_of, numbers : ndarray of int64, shape (n,)
        Of some observations, and their numbers among all, under which ``invoice.*`` is read.

    Yields
    ------
    Chosen
    """

    def condition(chosen: Chosen) -> npt.NDArray[np.bool_]:
        assert selection.where is not None
        return np.asarray(values_at(reader, selection.where, chosen, as_of, numbers) == 1.0)

    return choose(timeline, selection, owner, as_of, condition if selection.where is not None else None)


def values_at(reader: Reader, node: Node, chosen: Chosen, as_of: Rows, numbers: Rows) -> Column:
    """A condition or argument for chosen facts."""
    observation = chosen.observation + chosen.first
    return reader.at_pairs(node, chosen.fact, as_of[observation], numbers[observation])


def _aggregate(reader: Reader, aggregate: Aggregate, chosen: Chosen, as_of: Rows, numbers: Rows) -> Column:
    """One aggregate for chosen facts."""
    function = aggregate.function
    positional = function in POSITIONAL
    seen, labels = seen_by(reader, aggregate, chosen, as_of, numbers, keep_missing=positional)
    refuse_text(reader, function, labels)
    result = apply(function, seen, dict(aggregate.parameters))
    if labels is not None and positional:
        return Codes(np.where(np.isnan(result), -1, np.nan_to_num(result)).astype(np.int64), labels)
    return result


def refuse_text(reader: Reader, function: str, labels: tuple[str, ...] | None) -> None:
    """Raise F217 when a number is asked of text."""
    if labels is not None and function not in ("first", "last", "count", "distinct"):
        raise FeatureError(
            f"{function} is asked of text in {reader.facts.name}.",
            code="F217",
            hint="last, first, count or distinct.",
        )


def seen_by(
    reader: Reader, aggregate: Aggregate, chosen: Chosen, as_of: Rows, numbers: Rows, *, keep_missing: bool
) -> tuple[Segments, tuple[str, ...] | None]:
    """Values that an aggregate sees, and the labels when they are codes of text; None for numbers."""
    labels: tuple[str, ...] | None = None
    values = np.ones(len(chosen.fact))
    if aggregate.argument is not None:
        found = values_at(reader, aggregate.argument, chosen, as_of, numbers)
        if isinstance(found, Codes):
            labels = found.labels
            found = np.where(found.codes < 0, np.nan, found.codes.astype(np.float64))
        values = found
    happened = reader.facts.happened_at[chosen.fact]
    if aggregate.argument is not None and aggregate.function in ("days_since", "days_until"):
        days = values
    else:
        days = (as_of[chosen.observation + chosen.first] - happened) / US_PER_DAY
    seen = Segments(values, chosen.observation, days, chosen.count, happened)
    given = countable(values)  # what no result could be told of in float32 counts as missing
    return (seen if keep_missing or given.all() else seen.keep(given)), labels


def _joined(pieces: list[Column]) -> Column:
    if any(isinstance(piece, Codes) for piece in pieces):
        labels = next(piece.labels for piece in pieces if isinstance(piece, Codes))
        return Codes(np.concatenate([piece.codes for piece in pieces if isinstance(piece, Codes)]), labels)
    numbers = [piece for piece in pieces if not isinstance(piece, Codes)]
    return np.concatenate(numbers) if numbers else np.empty(0)
