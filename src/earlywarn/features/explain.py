"""What one feature read at one observation: every fact of the customer, used or not and why, and each aggregate.

Values come from the engine that makes the matrix. The facts come from the plain selection, so that a reader
can count after the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import ALWAYS, FOREVER, US_PER_DAY, to_datetime64, visible
from earlywarn.errors import FeatureError
from earlywarn.features.absent import absent
from earlywarn.features.build import compute
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.features.evaluate import Codes, Column
from earlywarn.features.expression import Aggregate, Name, Node, Selection, columns_of, parse_condition
from earlywarn.features.groups import Groups
from earlywarn.features.observed import Observed
from earlywarn.features.plain import POSITIONAL
from earlywarn.features.reader import Reader
from earlywarn.features.segments import aggregates_in, group_counts
from earlywarn.features.windows import Chosen, Timeline, choose, edges, in_force
from earlywarn.tables.facts import Facts, blank
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import TABLES

__all__ = ["FATES", "Part", "Trace", "trace"]

Rows = npt.NDArray[np.int64]
Value = float | str | None
#: What became of a fact: "used", or why it was not.
FATES = ("used", "no value", "before", "after", "unknown", "replaced", "condition", "skipped", "beyond")


@dataclass(frozen=True)
class Part:
    """One aggregate of a feature at one observation.

    Attributes
    ----------
    text : str
        As it stands in the definition.
    aggregate : Aggregate
    value : float, str or None
        None when missing.
    start, end : Timestamp
        The window, its end not included; NaT where it is open.
    facts : DataFrame
        Every fact of the customer in that table, oldest first: ``fate`` (one of `FATES`), ``happened_at``,
        ``known_at``, the row's id and the columns that are read, as they were known then, and ``value``, what
        the aggregate saw. Empty for an aggregate over many customers, whose facts are not shown.
    count : int or None
        Facts that a group's aggregate counted; None for the customer's own.
    absent : str
        The table or column without which there is no value.
    why_absent : {"", "absent", "today"}
        It was not handed over, or is known of today only.
    """

    text: str
    aggregate: Aggregate
    value: Value
    start: pd.Timestamp
    end: pd.Timestamp
    facts: pd.DataFrame
    count: int | None = None
    absent: str = ""
    why_absent: str = ""


@dataclass(frozen=True)
class Trace:
    """One feature at one observation, with all that it was made from.

    Attributes
    ----------
    feature : Feature
    observation : mapping of str to object
        The row of the observation: customer_id, as_of and, as far as given, the obligation.
    value : float, str or None
        As the matrix holds it; None when missing.
    parts : tuple of Part
        Aggregates in the order of the definition, each once.
    fields : mapping of str to float, str or None
        Values of ``invoice.*`` that the definition reads.
    row : mapping of str to float, str or None
        The feature and those that its texts show, as `reason_text` wants them.
    notices : tuple of str
    """

    feature: Feature
    observation: Mapping[str, Any]
    value: Value
    parts: tuple[Part, ...]
    fields: Mapping[str, Value]
    row: Mapping[str, Value]
    notices: tuple[str, ...]


def trace(
    features: FeatureSet, name: str, ledger: Ledger, observation: pd.DataFrame, *, context: Context | None = None
) -> Trace:
    """Compute one feature at one observation, and keep what it was made from.

    Parameters
    ----------
    features : FeatureSet
    name : str
    ledger : Ledger
    observation : DataFrame of one row
        As `Outcome.standing` gives it; ``customer_id`` and ``as_of`` suffice where nothing of the obligation is read.
    context : Context, optional
        As for `FeatureSet.compute`.

    Returns
    -------
    Trace

    Raises
    ------
    FeatureError
        F207 no such feature, F226 not one row, and those of `FeatureSet.compute`.
    """
    feature = features[name]
    if len(observation) != 1:
        raise FeatureError(
            "one feature is explained at one observation.",
            code="F226",
            found=f"{len(observation)} rows of observations",
        )
    shown = [features[other] for other in _shown(feature) if other in features]
    texts = aggregates_in(feature.value)
    fields = [f"{leaf.table}.{leaf.column}" for leaf in dict.fromkeys(feature.expression.fields)]
    counts = group_counts(feature.value)
    asked = [*texts, *fields, *counts.values()]
    parts = [_plain(feature, f"{name}__{at}", text) for at, text in enumerate(asked)]
    matrix = compute([feature, *shown, *parts], ledger, observation, context=context)
    found = {column: _scalar(matrix[column].iloc[0]) for column in matrix.columns}
    values = {text: found[f"{name}__{at}"] for at, text in enumerate(asked)}
    looked = _Look(ledger, observation)
    return Trace(
        feature=feature,
        observation={str(name): cell for name, cell in observation.iloc[0].items()},
        value=found[name],
        parts=tuple(
            looked.part(text, aggregate, values[text], values.get(counts.get(text, "")))
            for text, aggregate in texts.items()
        ),
        fields={text: values[text] for text in fields},
        row={one.name: found[one.name] for one in (feature, *shown)},
        notices=tuple(matrix.attrs.get("notices", ())),
    )


def _shown(feature: Feature) -> list[str]:
    """Names of other features that the placeholders of a feature's texts show."""
    names = [name for text in feature.show.values() for name in parse_condition(text).names]
    return [name for name in dict.fromkeys(names) if name not in ("value", feature.name)]


def _plain(feature: Feature, name: str, text: str) -> Feature:
    return replace(feature, name=name, value=text, show={}, text={}, customer={})


def _scalar(value: Any) -> Value:
    if pd.isna(value):
        return None
    return value if isinstance(value, str) else float(value)


class _Look:
    """Looks up the facts behind aggregates, for one observation."""

    def __init__(self, ledger: Ledger, observation: pd.DataFrame) -> None:
        self.ledger = ledger
        self.observed = Observed(ledger, observation)
        self.as_of = self.observed.as_of
        self._timelines: dict[tuple[str, Node | None], tuple[Timeline, Rows]] = {}

    def part(self, text: str, aggregate: Aggregate, value: Value, count: Value) -> Part:
        """One aggregate with its facts."""
        window = edges(aggregate.selection, self.as_of, lasting=self._lasting(aggregate.selection.table))
        start, end = (int(edge[0]) for edge in window)
        lacking, why = next(iter(absent(aggregate, self.ledger).items()), ("", ""))
        own = aggregate.selection.of == "customer" and not lacking
        facts = self._facts(aggregate, start, end) if own else pd.DataFrame()
        counted = int(count) if isinstance(count, float) else None
        return Part(text, aggregate, value, _stamp(start), _stamp(end), facts, counted, lacking, why)

    def _lasting(self, table: str) -> bool:
        return table in TABLES and TABLES[table].lasting

    def timeline(self, table: str, where: Node | None) -> tuple[Timeline, Rows]:
        """The timeline of the customer (or of the region that is looked at) alone, and whose it is."""
        key = (table, where if self.ledger.facts(table).entity == "region" else None)
        if key not in self._timelines:
            facts = self.ledger.facts(table)
            if facts.lasting:
                facts = in_force(facts, TABLES[table].key[0])
            owner = self.observed.owner
            if facts.entity != "customer":
                reader = Reader(facts, self.ledger.digits, self._field)
                owner = Groups(self.ledger, owner, self.as_of).regions(reader, where)
            own = facts.take(np.flatnonzero((facts.owner == owner[0]) & (owner[0] >= 0)))
            self._timelines[key] = Timeline(own), owner
        return self._timelines[key]

    def _facts(self, aggregate: Aggregate, start: int, end: int) -> pd.DataFrame:
        timeline, owner = self.timeline(aggregate.selection.table, aggregate.selection.where)
        reader = Reader(timeline.facts, self.ledger.digits, self._field)
        count = len(timeline.facts)
        values = None if aggregate.argument is None else self._at_all(reader, aggregate.argument, count)
        holds = np.ones(count, dtype=bool)
        if aggregate.selection.where is not None:
            holds = np.asarray(self._at_all(reader, aggregate.selection.where, count) == 1.0)
        (chosen,) = choose(timeline, aggregate.selection, owner, self.as_of, lambda seen: holds[seen.fact])
        fate = _fates(timeline.facts, aggregate.selection, chosen, holds, start, end, int(self.as_of[0]))
        if aggregate.function in POSITIONAL:
            fate[chosen.fact[1:] if aggregate.function == "first" else chosen.fact[:-1]] = "beyond"
        elif values is not None:
            fate[(fate == "used") & _missing(values)] = "no value"
        return self._frame(timeline.facts, aggregate, fate, values)

    def _field(self, column: str) -> Column:
        return self.observed.field(column)

    def _at_all(self, reader: Reader, node: Any, count: int) -> Column:
        """A condition or argument at every fact, as known at ``as_of``."""
        nobody = np.zeros(count, dtype=np.int64)
        return reader.at_pairs(node, np.arange(count), np.repeat(self.as_of, count), nobody)

    def _frame(self, facts: Facts, aggregate: Aggregate, fate: Any, values: Column | None) -> pd.DataFrame:
        late = {name: known >= self.as_of[0] for name, known in facts.cell_known.items()}
        then = {name: blank(cells, late[name]) if name in late else cells for name, cells in facts.columns.items()}
        cells = replace(facts, columns=then).frame(self.ledger.digits)
        frame = pd.DataFrame({"fate": pd.Series(fate, dtype="str"), "happened_at": cells["happened_at"]})
        frame["known_at"] = to_datetime64(facts.known_at)
        bare = aggregate.argument.name if isinstance(aggregate.argument, Name) else ""
        for name in (*_ids(facts), *columns_of(aggregate)):
            if name != bare:
                frame[name] = cells[name]
        if values is not None:
            frame["value"] = _labels(values) if isinstance(values, Codes) else values
        elif aggregate.function in ("days_since", "days_until"):
            frame["value"] = (self.as_of[0] - facts.happened_at) / US_PER_DAY
        return frame


def _ids(facts: Facts) -> list[str]:
    """The column that names a row of the table, where it has one of its own."""
    key = TABLES[facts.name].key[:1] if facts.name in TABLES else ()
    return [name for name in key if name in facts.columns and name not in ("customer_id", "region")]


def _labels(values: Codes) -> list[str | None]:
    return [values.labels[code] if code >= 0 else None for code in values.codes.tolist()]


def _missing(values: Column) -> npt.NDArray[np.bool_]:
    return values.missing() if isinstance(values, Codes) else np.isnan(values)


def _fates(
    facts: Facts, selection: Selection, chosen: Chosen, holds: npt.NDArray[np.bool_], start: int, end: int, as_of: int
) -> npt.NDArray[np.object_]:
    """What became of each fact; what the selection chose is used, whatever the rest says."""
    fate = np.full(len(facts), "beyond", dtype=object)
    seen = visible(facts.known_at, facts.known_until, as_of)
    inside = (facts.happened_at >= start) & (facts.happened_at < end)
    candidates = np.flatnonzero(seen & inside & holds)
    fate[candidates[max(len(candidates) - selection.skip, 0) :]] = "skipped"
    fate[~holds] = "condition"
    fate[facts.known_until < as_of] = "replaced"
    fate[facts.known_at >= as_of] = "unknown"
    fate[facts.happened_at < start] = "before"
    fate[facts.happened_at >= end] = "after"
    fate[chosen.fact] = "used"
    return fate


def _stamp(us: int) -> pd.Timestamp:
    return pd.NaT if us in (FOREVER, ALWAYS) else pd.Timestamp(np.datetime64(us, "us"))  # type: ignore[return-value]
