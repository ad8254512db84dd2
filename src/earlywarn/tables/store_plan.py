"""What a store learns from the tables before any is cut: their columns, their currency, where zones are stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.tables.schema import TABLES, TableSchema, declared
from earlywarn.tables.store_cut import zoned_columns
from earlywarn.tables.store_manifest import Manifest, Plan
from earlywarn.tables.store_source import Handed

__all__ = ["NO_CURRENCY", "completed", "count_of", "names_read", "refuse_number", "schema_of"]

#: How the notice begins that no currency is stated; it may be overtaken by a later load.
NO_CURRENCY = "no currency"


def refuse_number(buckets: int | None) -> None:
    """D175 for a number of buckets that is not possible."""
    if buckets is not None and not 1 <= buckets <= 10_000:
        raise DataError(f"buckets={buckets} is not possible.", code="D175", hint="write 1 to 10,000, or leave it out.")


def schema_of(name: str, plan: Plan) -> TableSchema:
    """Schema of a table, the user's own included."""
    return TABLES[name] if name in TABLES else declared(name, plan.extra[name])


def names_read(
    plan: Plan, before: Manifest | None, sources: Mapping[str, Handed], columns: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, dict[Any, str]], list[str]]:
    """Our name of each column that is read, by table; refuses what `Ledger.from_tables` refuses."""
    heads: dict[str, pd.DataFrame] = {name: source.head() for name, source in sources.items()}
    stood = {} if before is None else {
        name: pd.DataFrame(columns=list(before.plan.columns[name])) for name in ("invoices", "payments")
    }  # fmt: skip
    absent = {name: frame for name, frame in stood.items() if name not in heads}
    intake = replace(plan, currency=None).intake({**absent, **heads}, columns)
    found = {}
    for name, head in heads.items():
        ours = set(intake.frames[name].columns)
        renamed = {theirs: columns.get(name, {}).get(theirs, theirs) for theirs in head.columns}
        found[name] = {theirs: mine for theirs, mine in renamed.items() if mine in ours}
    return found, [note for note in intake.notices if NO_CURRENCY not in note]


def completed(
    duck: Any,
    plan: Plan,
    names: Mapping[str, Mapping[Any, str]],
    relations: Mapping[str, str],
    sources: Mapping[str, Handed],
) -> tuple[Plan, list[str]]:
    """The plan with all columns, the columns that carry zones, and the currency."""
    columns = {name: list(listed) for name, listed in plan.columns.items()}
    zoned = {name: list(listed) for name, listed in plan.zoned.items()}
    for name, ours in names.items():
        known = columns.setdefault(name, [])
        order = list(schema_of(name, plan).columns)
        columns[name] = sorted({*known, *ours.values()}, key=order.index)
        with sources[name].readable():
            found = zoned_columns(duck, relations[name], schema_of(name, plan))
        zoned[name] = sorted({*zoned.get(name, []), *found})
    currencies = dict(plan.currencies)
    if "currency" in names.get("invoices", {}).values():
        with sources["invoices"].readable():
            currencies = _currencies(duck, plan, relations["invoices"])
    plan = replace(
        plan,
        columns=columns,
        zoned={name: listed for name, listed in zoned.items() if listed},
        currencies=currencies,
    )
    currency, notices = _currency(plan)
    return replace(plan, currency=currency), notices


def _currencies(duck: Any, plan: Plan, invoices: str) -> dict[str, int]:
    """Rows of each currency, those of earlier loads included."""
    found = dict(plan.currencies)
    sql = f"SELECT trim(currency), count(*) FROM ({invoices}) WHERE currency IS NOT NULL GROUP BY 1"
    for word, count in duck.execute(sql).fetchall():
        found[str(word)] = found.get(str(word), 0) + int(count)
    return found


def _currency(plan: Plan) -> tuple[str, list[str]]:
    """The currency that one ledger of all the invoices would have, and what it would say of it."""
    intake = replace(plan, currency=plan.asked_currency).intake(
        {name: pd.DataFrame(columns=plan.columns[name]) for name in ("invoices", "payments")}
    )
    intake.notices.clear()
    if "currency" in plan.columns["invoices"]:
        words = sorted(plan.currencies)
        codes = np.repeat(np.arange(len(words)), [plan.currencies[word] for word in words])
        stated = pd.Categorical.from_codes(codes, pd.Index(words, dtype="str"))
        intake.frames["invoices"] = pd.DataFrame({"currency": stated})
    return intake.find_currency(plan.asked_currency), intake.notices


def count_of(duck: Any, relation: str) -> int:
    """Rows of a relation."""
    return int(duck.execute(f"SELECT count(*) FROM ({relation})").fetchall()[0][0])
