"""From a ledger and observations to the matrix: the plain engine.

Each selection of facts is made once for all aggregates that share it; each aggregate once for all features.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.errors import FeatureError, suggest
from earlywarn.features import expression as language
from earlywarn.features.aggregates import Segments, apply
from earlywarn.features.context import Context, check_group, group_values, own_sums
from earlywarn.features.definition import Feature
from earlywarn.features.evaluate import Codes, Column, evaluate
from earlywarn.features.expression import Aggregate, Field, Name, Node, Selection
from earlywarn.features.windows import Chosen, Timeline, choose, in_force
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts, units
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS, TABLES

__all__ = ["compute"]

log = logging.getLogger("earlywarn")
Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
_Seen = tuple[Segments, tuple[str, ...]]
_NUMBER_OF_INVOICES = language.parse("count(invoices, days=36500)").aggregates[0]
#: What ``invoice.*`` may name, and the columns of the observations that each is read from.
INVOICE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "amount": ("amount",), "open_amount": ("open_amount",), "kind": ("invoice_id",), "stage": ("stage",),
    "terms_days": ("invoice_id", "due_on"), "days_since_issue": ("invoice_id",), "days_to_due": ("due_on",),
    "due_weekday": ("due_on",), "due_day": ("due_on",), "number": (),
}  # fmt: skip


def compute(
    features: Iterable[Feature],
    ledger: Ledger,
    obs: pd.DataFrame,
    *,
    context: Context | None = None,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """Compute features at observations.

    Parameters
    ----------
    features : iterable of Feature
    ledger : Ledger
    obs : DataFrame
        As `Outcome.observations` gives it; customer_id and as_of are needed, the others for ``invoice.*``.
    context : Context, optional
        Reductions over groups of customers; made from the ledger when left out.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    DataFrame of float32 and category, shape (n_observations, n_features), index of ``obs``
        ``attrs["notices"]`` says which tables or columns were absent.

    Raises
    ------
    FeatureError
        F221 unknown column, F222 unknown table, F220 today's value used for the past, F223 groups.
    """
    features = list(features)
    lacking = [name for name in ("customer_id", "as_of") if name not in obs.columns]
    if lacking:
        raise FeatureError(
            f"the observations lack {' and '.join(lacking)}.",
            code="F225",
            hint="make them with Outcome.observations(ledger); further columns serve invoice.*.",
        )
    engine = _Engine(ledger, obs, context)
    engine.check(features)
    engine.aggregate_all([a for feature in features for a in feature.expression.aggregates], progress)
    columns: dict[str, Any] = {}
    for feature in features:
        columns[feature.name] = _column(evaluate(feature.expression.root, engine.leaf), len(obs))
    matrix = pd.DataFrame(columns, index=obs.index)
    matrix.attrs["notices"] = tuple(dict.fromkeys(engine.notices))
    for notice in matrix.attrs["notices"]:
        log.info(notice)
    return matrix


def _column(values: Column, count: int) -> Any:
    if isinstance(values, Codes):
        return pd.Categorical.from_codes(values.codes, categories=pd.Index(list(values.labels), dtype="str"))
    return np.broadcast_to(values, (count,)).astype(np.float32)


class _Engine:
    """Looks up the leaves of expressions for one ledger and one set of observations."""

    def __init__(self, ledger: Ledger, obs: pd.DataFrame, context: Context | None) -> None:
        self.ledger = ledger
        self.obs = obs
        self.notices: list[str] = []
        self.as_of = obs["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
        place = {label: code for code, label in enumerate(ledger.customers)}
        self.owner = np.array([place.get(label, -1) for label in obs["customer_id"]], dtype=np.int64)
        if context is not None and context.ledger.customers != ledger.customers:
            raise FeatureError(
                "the context was made from a ledger of other customers.",
                code="F224",
                hint="make it with scorer.context(ledger), from the ledger that is scored.",
            )
        self.context = context if context is not None else Context(ledger)
        self.timelines: dict[str, Timeline] = {}
        self.results: dict[Aggregate, Column] = {}
        self.fields: dict[str, Column] = {}

    # -- checks ------------------------------------------------------------------------------------------

    def check(self, features: list[Feature]) -> None:
        """Refuse unknown tables and columns and today's values, before anything is computed."""
        for feature in features:
            for table, column in sorted(feature.expression.columns()):
                self.check_column(feature.name, table, column)
            for aggregate in feature.expression.aggregates:
                self.check_table(feature.name, aggregate.selection.table)
                if aggregate.selection.of != "customer":
                    kinds = self.ledger.facts(aggregate.selection.table).kinds
                    check_group(aggregate, [name for name, kind in kinds.items() if kind == "date"])

    def check_table(self, feature: str, table: str) -> None:
        if table not in self.ledger.names:
            raise FeatureError(
                f"{feature} reads the table {table!r}, which the ledger does not have.",
                code="F222",
                hint=suggest(table, self.ledger.names),
            )

    def check_column(self, feature: str, table: str, column: str) -> None:
        if table == "invoice":
            known: Iterable[str] = INVOICE_FIELDS
        elif table in STREAMS:
            known = STREAMS[table]
        elif table in TABLES:
            known = TABLES[table].columns
        else:
            self.check_table(feature, table)
            known = self.ledger.facts(table).columns
        if column not in known:
            raise FeatureError(
                f"{feature} reads {table}.{column}, which is not there.", code="F221", hint=suggest(column, known)
            )
        if table in TABLES and TABLES[table].lasting and table in self.ledger.given:
            dated = "valid_from" in self.ledger.facts(table).columns
            if not dated and column not in self.ledger.static[table]:
                raise FeatureError(
                    f"{feature} reads {table}.{column}, which holds today's value only.",
                    code="F220",
                    hint=f"hand over valid_from, or declare static={{{table!r}: [{column!r}]}} if it never changes.",
                )

    # -- leaves ------------------------------------------------------------------------------------------

    def leaf(self, node: Node) -> Column:
        """Values of a leaf, one per observation."""
        if isinstance(node, Aggregate):
            return self.results[node]
        if isinstance(node, Field):
            if node.column not in self.fields:
                self.fields[node.column] = self.invoice_field(node.column)
            return self.fields[node.column]
        raise FeatureError(f"{node!r} cannot be looked up.", code="F216")

    def invoice_field(self, column: str) -> Column:
        """One attribute of the observed obligation."""
        lacking = [name for name in INVOICE_FIELDS[column] if name not in self.obs.columns]
        if lacking:
            raise FeatureError(
                f"invoice.{column} needs {' and '.join(lacking)} in the observations.",
                code="F225",
                hint="make them with Outcome.observations(ledger).",
            )
        if column in ("amount", "open_amount"):
            return self.obs[column].to_numpy(dtype=np.float64)
        if column == "stage":
            return _codes(Text.of(self.obs["stage"].to_numpy(dtype=object)))
        if column == "number":
            self.aggregate_all([_NUMBER_OF_INVOICES], None)
            return self.results[_NUMBER_OF_INVOICES]
        if column in ("kind", "days_since_issue"):
            return self.issued_field(column, self.as_of)
        due = self.obs["due_on"].to_numpy().astype("M8[us]").astype(np.int64)
        if column == "days_to_due":
            return (due - self.as_of) / US_PER_DAY
        if column == "due_weekday":
            return ((due // US_PER_DAY + 3) % 7).astype(np.float64)
        if column == "due_day":
            return pd.DatetimeIndex(self.obs["due_on"]).day.to_numpy(dtype=np.float64)
        return self.issued_field(column, due)

    def issued_field(self, column: str, end: Rows) -> Column:
        """Attributes of the invoice row as it was known: its kind, or the days from its issue to a moment."""
        invoices = self.ledger.facts("invoices")
        rows = self.invoice_rows(invoices)
        if column == "kind":
            kind = invoices.text("kind")
            return Codes(np.where(rows >= 0, kind.codes[rows], -1) if len(kind.codes) else rows, kind.labels)
        issued = np.where(rows >= 0, invoices.happened_at[rows] if len(invoices) else 0, NAT)
        return np.where(rows >= 0, (end - np.where(rows >= 0, issued, 0)) / US_PER_DAY, np.nan)

    def invoice_rows(self, invoices: Facts) -> Rows:
        """Row of the version of the observed invoice that was known at ``as_of``; -1 for none."""
        ids = invoices.text("invoice_id")
        order = np.lexsort((invoices.known_at, ids.codes))
        moments = np.unique(invoices.known_at)
        key = ids.codes[order] * (len(moments) + 1) + np.searchsorted(moments, invoices.known_at[order])
        place = {label: code for code, label in enumerate(ids.labels)}
        wanted = np.array([place.get(label, -1) for label in self.obs["invoice_id"]], dtype=np.int64)
        before = np.searchsorted(moments, self.as_of, side="left")
        at = np.searchsorted(key, wanted * (len(moments) + 1) + before, side="left") - 1
        rows = order[np.maximum(at, 0)] if len(order) else at
        found = (wanted >= 0) & (at >= 0) & (ids.codes[rows] == wanted if len(order) else False)
        return np.where(found, rows, -1)

    # -- aggregates --------------------------------------------------------------------------------------

    def aggregate_all(self, aggregates: list[Aggregate], progress: Callable[[float], None] | None) -> None:
        """Compute aggregates, those over the same facts together."""
        waiting: dict[Selection, list[Aggregate]] = defaultdict(list)
        for aggregate in dict.fromkeys(aggregates):
            if aggregate not in self.results:
                waiting[aggregate.selection].append(aggregate)
        for done, (selection, group) in enumerate(waiting.items(), start=1):
            present = [aggregate for aggregate in group if not self.absent(aggregate)]
            if selection.of != "customer":
                self.results.update({aggregate: self.over_group(aggregate) for aggregate in present})
            elif present:
                self.over_own_facts(selection, present)
            if progress is not None:
                progress(done / len(waiting))

    def absent(self, aggregate: Aggregate) -> bool:
        """Missing values, with a notice, for a table or column that was not handed over."""
        table = aggregate.selection.table
        if table not in STREAMS and table not in self.ledger.given:
            self.notices.append(f"the table {table} was not handed over; what is read from it is missing.")
        else:
            columns = self.ledger.facts(table).columns
            lacking = [name for name in language.columns_of(aggregate) if name not in columns]
            if not lacking:
                return False
            self.notices += [
                f"{table}.{name} was not handed over; what is read from it is missing." for name in lacking
            ]
        self.results[aggregate] = self.nothing(aggregate)
        return True

    def nothing(self, aggregate: Aggregate) -> Column:
        """Missing values of the kind that the column has, so that a matrix never changes its dtypes."""
        schema = TABLES.get(aggregate.selection.table)
        column = aggregate.argument.name if isinstance(aggregate.argument, Name) else ""
        is_text = schema is not None and column in schema.columns and schema.columns[column].kind == "text"
        if is_text and aggregate.function in ("first", "last"):
            return Codes(np.full(len(self.as_of), -1, dtype=np.int64), ())
        return np.full(len(self.as_of), np.nan)

    def timeline(self, table: str) -> Timeline:
        """Facts of a table, sorted once."""
        if table not in self.timelines:
            facts = self.ledger.facts(table)
            self.timelines[table] = Timeline(in_force(facts, TABLES[table].key[0]) if facts.lasting else facts)
        return self.timelines[table]

    def owners(self, timeline: Timeline) -> Rows:
        """Whose facts each observation looks at: the customer's, or those of the customer's region."""
        if timeline.facts.entity == "customer":
            return self.owner
        group = self.context.group_of("region", self.owner, self.as_of, self.as_of)
        labels = self.ledger.facts("customers").text("region").labels
        return _nearest_regions(labels, group, self.as_of, self.ledger.regions, timeline.facts)

    def over_own_facts(self, selection: Selection, group: list[Aggregate]) -> None:
        """Aggregates of one selection, over the facts of each observation's own entity."""
        timeline = self.timeline(selection.table)
        parts: dict[Aggregate, list[Column]] = {aggregate: [] for aggregate in group}
        reader = _Reader(self, timeline)

        def condition(chosen: Chosen) -> npt.NDArray[np.bool_]:
            assert selection.where is not None
            return np.asarray(reader.values(selection.where, chosen) == 1.0)

        where = condition if selection.where is not None else None
        for chosen in choose(timeline, selection, self.owners(timeline), self.as_of, where):
            made: dict[Any, _Seen] = {}
            for aggregate in group:
                parts[aggregate].append(reader.aggregate(aggregate, chosen, made))
        for aggregate, pieces in parts.items():
            self.results[aggregate] = _joined(pieces)

    def over_group(self, aggregate: Aggregate) -> Values:
        """An aggregate over all customers of the observed customer's group."""
        selection = aggregate.selection
        timeline = self.timeline(selection.table)
        reader = _Reader(self, timeline)
        facts = timeline.facts
        group = self.context.group_of(selection.of, self.owner, self.as_of, self.as_of)
        day = self.as_of // US_PER_DAY

        def value_at(fact: Rows, as_of: Rows) -> Values:
            return reader.part(aggregate, fact, as_of)

        def same_group(fact: Rows, observation: Rows) -> npt.NDArray[np.bool_]:
            known_before = day[observation] * US_PER_DAY
            of_fact = self.context.group_of(selection.of, facts.owner[fact], facts.happened_at[fact], known_before)
            return np.asarray(of_fact == group[observation])

        late = [facts.cell_known[name] for name in language.columns_of(aggregate) if name in facts.cell_known]
        sums = self.context.sums(aggregate, facts, value_at, late, group, day)
        if selection.leave_out and (group >= 0).any():
            sums = sums - own_sums(timeline, value_at, replace(selection, where=None), same_group, self.owner, day)
        return np.where(group >= 0, group_values(aggregate.function, sums), np.nan)


class _Reader:
    """Evaluates arguments and conditions over the columns of one table."""

    def __init__(self, engine: _Engine, timeline: Timeline) -> None:
        self.engine = engine
        self.facts = timeline.facts

    def column(self, name: str, fact: Rows, as_of: Rows) -> Column:
        """Cells of a column; those filled in later than ``as_of`` are missing."""
        values = self.facts.columns[name]
        hidden = np.zeros(len(fact), dtype=bool)
        if name in self.facts.cell_known:
            hidden = self.facts.cell_known[name][fact] >= as_of
        if isinstance(values, Text):
            return Codes(np.where(hidden, -1, values.codes[fact]), values.labels)
        kind = self.facts.kinds[name]
        cells = values[fact]
        if kind == "money":
            numbers = units(cells, self.engine.ledger.digits)
        elif kind == "date":
            numbers = np.where(cells == NAT, np.nan, np.where(cells == NAT, 0, as_of - cells) / US_PER_DAY)
        else:
            numbers = cells.astype(np.float64)
        return np.where(hidden, np.nan, numbers)

    def evaluated(self, node: Node, fact: Rows, as_of: Rows) -> Column:
        """A condition or argument at (fact, as_of) pairs; a date reads as days before ``as_of``."""
        result = evaluate(node, lambda leaf: self.column(getattr(leaf, "name", ""), fact, as_of))
        return result if isinstance(result, Codes) else np.broadcast_to(result, (len(fact),))

    def values(self, node: Node, chosen: Chosen) -> Column:
        """A condition or argument for chosen facts."""
        at = self.engine.as_of[chosen.first : chosen.stop][chosen.observation]
        return self.evaluated(node, chosen.fact, at)

    def aggregate(self, aggregate: Aggregate, chosen: Chosen, made: dict[Any, _Seen]) -> Column:
        """One aggregate for chosen facts; ``made`` keeps what several aggregates of one argument share."""
        function = aggregate.function
        positional = function in ("first", "last", "days_since")
        key = (aggregate.argument, positional, function in ("days_since", "days_until"))
        if key not in made:
            made[key] = self.seen(aggregate, chosen, keep_missing=positional)
        seen, labels = made[key]
        if labels and function not in ("first", "last", "count", "distinct"):
            raise FeatureError(
                f"{function} is asked of text in {self.facts.name}.",
                code="F217",
                hint="last, first, count or distinct.",
            )
        result = apply(function, seen, dict(aggregate.parameters))
        if labels and positional:
            return Codes(np.where(np.isnan(result), -1, np.nan_to_num(result)).astype(np.int64), labels)
        return result

    def seen(self, aggregate: Aggregate, chosen: Chosen, *, keep_missing: bool) -> _Seen:
        """Values that an aggregate sees, and the labels when they are codes of text."""
        at = self.engine.as_of[chosen.first : chosen.stop][chosen.observation]
        labels: tuple[str, ...] = ()
        values = np.ones(len(chosen.fact))
        if aggregate.argument is not None:
            found = self.values(aggregate.argument, chosen)
            if isinstance(found, Codes):
                labels = found.labels
                found = np.where(found.codes < 0, np.nan, found.codes.astype(np.float64))
            values = found
        if aggregate.argument is not None and aggregate.function in ("days_since", "days_until"):
            days = values
        else:
            days = (at - self.facts.happened_at[chosen.fact]) / US_PER_DAY
        seen = Segments(values, chosen.observation, days, chosen.count)
        missing = np.isnan(values)
        return (seen if keep_missing or not missing.any() else seen.keep(~missing)), labels

    def part(self, aggregate: Aggregate, fact: Rows, as_of: Rows) -> Values:
        """Argument at (fact, as_of) pairs, 1 for a count; NaN where it is missing or the condition does not hold."""
        values = np.ones(len(fact))
        if aggregate.argument is not None:
            found = self.evaluated(aggregate.argument, fact, as_of)
            values = np.where(found.missing(), np.nan, 1.0) if isinstance(found, Codes) else np.array(found)
        if aggregate.selection.where is not None:
            holds = self.evaluated(aggregate.selection.where, fact, as_of)
            values = np.where(holds == 1.0, values, np.nan)
        return values


def _codes(text: Text) -> Codes:
    return Codes(text.codes, text.labels)


def _joined(pieces: list[Column]) -> Column:
    if any(isinstance(piece, Codes) for piece in pieces):
        labels = next(piece.labels for piece in pieces if isinstance(piece, Codes))
        return Codes(np.concatenate([piece.codes for piece in pieces if isinstance(piece, Codes)]), labels)
    numbers = [piece for piece in pieces if not isinstance(piece, Codes)]
    return np.concatenate(numbers) if numbers else np.empty(0)


def _nearest_regions(labels: tuple[str, ...], group: Rows, as_of: Rows, regions: tuple[str, ...], facts: Facts) -> Rows:
    """The region itself, else the closest one above it (in codes such as NUTS) of which something was known."""
    known: dict[str, int] = {}
    for owner, moment in zip(facts.owner.tolist(), facts.known_at.tolist(), strict=True):
        known[regions[owner]] = min(known.get(regions[owner], moment), moment)
    place = {label: code for code, label in enumerate(regions)}
    nearest = np.full(len(group), -1, dtype=np.int64)
    for code in np.unique(group[group >= 0]).tolist():
        label = labels[code]
        for length in range(2, len(label) + 1):
            higher = label[:length]
            if higher in known:
                nearest[(group == code) & (known[higher] < as_of)] = place[higher]
    return nearest
