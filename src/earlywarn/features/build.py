"""From a ledger and observations to the matrix: leaves of expressions looked up, expressions evaluated.

Each selection of facts is made once for all aggregates that share it; each aggregate once for all features.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from earlywarn.errors import FeatureError, suggest
from earlywarn.features import expression as language
from earlywarn.features import plain
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.features.evaluate import Codes, Column, evaluate
from earlywarn.features.exact import LIMIT
from earlywarn.features.expression import Aggregate, Field, Name, Node, Selection
from earlywarn.features.group_checks import check_group
from earlywarn.features.groups import Groups
from earlywarn.features.observed import INVOICE_FIELDS, Observed
from earlywarn.features.reader import Reader, reads_observation
from earlywarn.features.windows import Timeline, in_force
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS, TABLES

__all__ = ["compute"]

log = logging.getLogger("earlywarn")
#: Timelines of each ledger by table, for as long as the ledger lives.
_TIMELINES: WeakKeyDictionary[Ledger, dict[str, Timeline]] = WeakKeyDictionary()
_NUMBER_OF_INVOICES = language.parse("count(invoices, days=36500)").aggregates[0]


def compute(
    features: Iterable[Feature],
    ledger: Ledger,
    obs: pd.DataFrame,
    *,
    context: Context | None = None,
    progress: Callable[[float], None] | None = None,
    compiled: bool = True,
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
    compiled : bool
        False takes the plain engine: slow, for tests.

    Returns
    -------
    DataFrame of float32 and category, shape (n_observations, n_features), index of ``obs``
        ``attrs["notices"]`` says which tables or columns were absent.

    Raises
    ------
    FeatureError
        F221 unknown column, F222 unknown table, F220 today's value used for the past, F223 groups,
        F224 a context that lacks what a feature needs.
    """
    features = list(features)
    lacking = [name for name in ("customer_id", "as_of") if name not in obs.columns]
    if lacking:
        raise FeatureError(
            f"the observations lack {' and '.join(lacking)}.",
            code="F225",
            hint="make them with Outcome.observations(ledger); further columns serve invoice.*.",
        )
    engine = _Engine(ledger, obs, context, compiled)
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
    with np.errstate(invalid="ignore"):
        told = np.where(np.abs(values) < LIMIT, values, np.nan)  # float32 ends there
    return np.broadcast_to(told, (count,)).astype(np.float32)


class _Engine:
    """Looks up the leaves of expressions for one ledger and one set of observations."""

    def __init__(self, ledger: Ledger, obs: pd.DataFrame, context: Context | None, compiled: bool) -> None:
        self.ledger = ledger
        self.observed = Observed(ledger, obs)
        self.notices: list[str] = []
        self.groups = Groups(ledger, self.observed.owner, self.observed.as_of, context)
        self.results: dict[Aggregate, Column] = {}
        self.compiled = compiled

    # -- checks ------------------------------------------------------------------------------------------

    def check(self, features: list[Feature]) -> None:
        """Refuse unknown tables and columns and today's values, before anything is computed."""
        for feature in features:
            for table, column in sorted(feature.expression.columns()):
                self.check_column(feature.name, table, column)
            for aggregate in feature.expression.aggregates:
                self.check_table(feature.name, aggregate.selection.table)
                if aggregate.selection.of != "customer":
                    if any(reads_observation(part) for part in (aggregate.argument, aggregate.selection.where)):
                        raise FeatureError(
                            f"{feature.name} reads invoice.* inside an aggregate over a {aggregate.selection.of}.",
                            code="F223",
                            hint="groups are reduced before any observation is looked at.",
                        )
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
            return self.field(node.column)
        raise FeatureError(f"{node!r} cannot be looked up.", code="F216")

    def field(self, column: str) -> Column:
        """One attribute of the observed obligation."""
        if column == "number":
            self.aggregate_all([_NUMBER_OF_INVOICES], None)
            return self.results[_NUMBER_OF_INVOICES]
        return self.observed.field(column)

    # -- aggregates --------------------------------------------------------------------------------------

    def aggregate_all(self, aggregates: list[Aggregate], progress: Callable[[float], None] | None) -> None:
        """Compute aggregates, table by table, those over the same facts together."""
        waiting: dict[str, dict[Selection, list[Aggregate]]] = defaultdict(lambda: defaultdict(list))
        count = done = 0
        for aggregate in dict.fromkeys(aggregates):
            if aggregate not in self.results and not self.absent(aggregate):
                waiting[aggregate.selection.table][aggregate.selection].append(aggregate)
                count += 1
        self.groups.prepare(a for selections in waiting.values() for group in selections.values() for a in group)
        for table, selections in waiting.items():
            for group in self.of_table(table, selections):
                done += len(group)
                if progress is not None:
                    progress(done / count)

    def of_table(self, table: str, selections: dict[Selection, list[Aggregate]]) -> Iterable[list[Aggregate]]:
        """Compute the aggregates of one table; yields each group when it is done."""
        timeline = self.timeline(table)
        reader = Reader(timeline.facts, self.ledger.digits, self.field)
        whose = self.observed.owner
        engine = self.own_facts(timeline, reader, whose)
        for selection, group in selections.items():
            if selection.of == "customer":
                if timeline.facts.entity == "region":  # each condition on regions looks at the nearest that fulfils it
                    engine = self.own_facts(timeline, reader, self.groups.regions(reader, selection.where))
                self.results.update(engine(selection, group))
            else:
                for aggregate in group:
                    self.results[aggregate] = self.groups.over(aggregate, timeline, reader)
            yield group

    def own_facts(self, timeline: Timeline, reader: Reader, whose: Any) -> Any:
        """The engine for one table: takes a selection and its aggregates."""
        as_of = self.observed.as_of
        if self.compiled:
            from earlywarn.features.engine import OwnFacts

            return OwnFacts(timeline, reader, whose, as_of, self.observed.name_of).aggregates
        return lambda selection, group: plain.over_own_facts(timeline, reader, selection, group, whose, as_of)

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
            return Codes(np.full(len(self.observed.as_of), -1, dtype=np.int64), ())
        return np.full(len(self.observed.as_of), np.nan)

    def timeline(self, table: str) -> Timeline:
        """Facts of a table, sorted once for a ledger."""
        kept = _TIMELINES.setdefault(self.ledger, {})
        if table not in kept:
            facts = self.ledger.facts(table)
            kept[table] = Timeline(in_force(facts, TABLES[table].key[0]) if facts.lasting else facts)
        return kept[table]
