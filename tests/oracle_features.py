"""The feature engine again as a loop: for each observation, look at each fact in turn and ask the design.

Slow and plain. Only the facts themselves (tables and streams of the ledger) come from our code; visibility,
windows, conditions, order, aggregates and groups are written out here a second time.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.features.build import compute
from earlywarn.features.definition import Feature
from earlywarn.features.expression import parse
from earlywarn.outcomes import Outcome
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS
from strategies import ALWAYS, DAY, NAT, Raw

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One expression and the same thing as Python: which facts, which value, which aggregate."""

    text: str
    table: str
    aggregate: Callable[[Sequence[float], Sequence[float]], float]
    value: Callable[[Row], float] = lambda row: 1.0
    where: Callable[[Row], bool | None] = lambda row: True
    days: float = 1_095.0
    until: float = 0.0
    skip: int = 0
    last: int | None = None
    of: str | None = None
    leave_out: bool = False
    ahead: float | None = None
    keeps_missing: bool = False


def facts(ledger: Ledger, table: str) -> list[Row]:
    """All facts of a table or stream in the order of the stream, as dictionaries."""
    found = ledger.facts(table)
    rows = []
    for i in range(len(found)):
        row: Row = {
            "_owner": int(found.owner[i]),
            "_happened": int(found.happened_at[i]),
            "_known": int(found.known_at[i]),
        }
        row |= {"_until": int(found.known_until[i]), "_row": int(found.row[i])}
        row["_late"] = {name: int(known[i]) for name, known in found.cell_known.items()}
        for name, kind in found.kinds.items():
            cell = found.text(name).values()[i] if kind == "text" else found.columns[name][i]
            if kind == "money":
                cell = math.nan if cell == NAT else int(cell) / 10**ledger.digits
            elif kind == "date":
                cell = None if cell == NAT else int(cell)
            elif kind != "text":
                cell = float(cell)
            row[name] = cell
        rows.append(row)
    return sorted(rows, key=lambda row: (row["_owner"], row["_happened"], row["_known"], row["_row"]))


def as_known(row: Row, as_of: int) -> Row:
    """The fact with the cells emptied that were filled in at or after a moment."""
    late = {
        name: None if isinstance(row[name], str) or row[name] is None else math.nan
        for name, known in row["_late"].items()
        if known >= as_of and name in row
    }
    return {**row, **late, "_as_of": as_of}


def visible(row: Row, as_of: int) -> bool:
    """Known strictly before, and not yet replaced then."""
    return row["_known"] < as_of and as_of <= row["_until"]


def group_of(ledger: Ledger, column: str, owner: int, at: int, as_of: int) -> str | None:
    """Region or segment of a customer at a moment, as known before another."""
    rows = [
        row
        for row in facts(ledger, "customers")
        if row["_owner"] == owner and row["_happened"] <= at and visible(row, as_of)
    ]
    return max(rows, key=lambda row: row["_happened"]).get(column) if rows else None


def brute_force(ledger: Ledger, case: Case, owner: int, as_of: int, cache: dict[Any, Any]) -> float:
    """One feature of one observation."""
    rows = cache.setdefault(case.table, None) or facts(ledger, case.table)
    cache[case.table] = rows
    mine = _group(ledger, case, owner, as_of, as_of, cache)
    if case.of is not None:
        as_of = as_of // DAY * DAY  # the facts of groups are reduced by day
    low, high = as_of - case.days * DAY, as_of - case.until * DAY
    if case.ahead is not None:
        low, high = as_of, as_of + case.ahead * DAY
    seen = []
    for row in rows:
        if case.of is None and row["_owner"] != owner:
            continue
        if case.of is not None and (row["_owner"] < 0 or mine is None):
            continue
        if case.leave_out and row["_owner"] == owner:
            continue
        if not visible(row, as_of) or not low <= row["_happened"] < high or row["_happened"] == ALWAYS:
            continue
        if case.of is not None and _group(ledger, case, row["_owner"], row["_happened"], as_of, cache) != mine:
            continue
        then = as_known(row, as_of)
        if case.where(then) is not True:
            continue
        seen.append((case.value(then), (as_of - row["_happened"]) / DAY))
    if case.skip:
        seen = seen[: -case.skip]
    if case.last is not None:
        seen = seen[-case.last :]
    if case.of is not None and mine is None:
        return math.nan
    if not case.keeps_missing:
        seen = [pair for pair in seen if not math.isnan(pair[0])]
    return case.aggregate([value for value, _ in seen], [age for _, age in seen])


def _group(ledger: Ledger, case: Case, owner: int, at: int, as_of: int, cache: dict[Any, Any]) -> str | None:
    if case.of is None or owner < 0:
        return None
    if case.of == "portfolio":
        return "all"
    key = (case.of, owner, at, as_of)
    if key not in cache:
        cache[key] = group_of(ledger, case.of, owner, at, as_of)
    return cache[key]


# -- aggregates over the values of one window, oldest first ---------------------------------------------------

Values = Sequence[float]


def some(function: Callable[[Values], float], least: int = 1) -> Callable[[Values, Values], float]:
    """Missing below ``least`` facts."""
    return lambda values, ages: function(values) if len(values) >= least else math.nan


def exact_sum(values: Values, ages: Values) -> float:
    return math.fsum(values)


def slope(values: Values, ages: Values) -> float:
    """Least squares by hand."""
    if len(set(ages)) < 2:
        return math.nan
    time = [-age for age in ages]
    t0, x0 = math.fsum(time) / len(time), math.fsum(values) / len(values)
    return math.fsum((t - t0) * (x - x0) for t, x in zip(time, values, strict=True)) / math.fsum(
        (t - t0) ** 2 for t in time
    )


def ewma(values: Values, alpha: float) -> float:
    """E_t = alpha x_t + (1 - alpha) E_(t-1), started at the oldest."""
    level = values[0]
    for value in values[1:]:
        level = alpha * value + (1 - alpha) * level
    return level


def mad(values: Values) -> float:
    middle = statistics.median(values)
    return statistics.median([abs(value - middle) for value in values])


def drift(values: Values, scale: float, alpha: float = 0.3) -> float:
    """METHODS section 2, step by step: baseline all but the last 6, at least 4; Huberised z, clipped at 3."""
    baseline, recent = values[:-6], values[-6:]
    if len(baseline) < 4:
        return math.nan
    n = len(baseline)
    middle = statistics.median(baseline)
    s = math.sqrt((n * mad(baseline) ** 2 + 4 * scale**2) / (n + 4))
    return ewma([min(3.0, max(-3.0, (value - middle) / s)) for value in recent], alpha)


def quantile(values: Values, q: float) -> float:
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def count(values: Values, ages: Values) -> float:
    return float(len(values))


def mean(values: Values) -> float:
    return math.fsum(values) / len(values)


def number(cell: Any) -> float:
    return math.nan if cell is None else float(cell)


def _is(column: str, word: str) -> Callable[[Row], bool | None]:
    return lambda row: None if row[column] is None else row[column] == word


def _amount(row: Row) -> float:
    return number(row["amount"])


def _quantity(row: Row) -> float:
    return number(row["quantity"])


def _days_late(row: Row) -> float:
    return number(row["days_beyond_terms"])


def _age_of(column: str) -> Callable[[Row], float]:
    return lambda row: (
        math.nan if row[column] is None or row[column] != row[column] else (row["_as_of"] - row[column]) / DAY
    )


CASES = (
    Case("count(payments)", "payments", count),
    Case("sum(payments.amount, days=60)", "payments", exact_sum, _amount, days=60),
    Case("mean(invoices.amount, days=90)", "invoices", some(mean), _amount, days=90),
    Case("std(invoices.amount)", "invoices", some(statistics.stdev, 2), _amount),
    Case("min(payments.amount, days=45, until=3)", "payments", some(min), _amount, days=45, until=3),
    Case("max(invoices.amount, days=30)", "invoices", some(max), _amount, days=30),
    Case("median(usage.quantity, days=90)", "usage", some(statistics.median), _quantity, days=90),
    Case("quantile(usage.quantity, q=.25)", "usage", some(lambda values: quantile(values, 0.25)), _quantity),
    Case("mad(usage.quantity)", "usage", some(mad), _quantity),
    Case("share(usage.kind == 'data')", "usage", some(mean), lambda row: number(_is("kind", "data")(row))),
    Case("first(payments.amount)", "payments", some(lambda values: values[0]), _amount, keeps_missing=True),
    Case(
        "last(payments.amount, skip=1)",
        "payments",
        some(lambda values: values[-1]),
        _amount,
        skip=1,
        keeps_missing=True,
    ),
    Case("days_since(payments, days=40)", "payments", lambda values, ages: ages[-1] if ages else math.nan, days=40),
    Case(
        "days_since(contacts.outcome_at)",
        "contacts",
        some(lambda values: values[-1]),
        _age_of("outcome_at"),
        keeps_missing=True,
    ),
    Case("ewma(usage.quantity, alpha=.4)", "usage", some(lambda values: ewma(values, 0.4)), _quantity),
    Case("slope(usage.quantity)", "usage", slope, _quantity),
    Case("drift(usage.quantity, scale=2)", "usage", some(lambda values: drift(values, 2.0)), _quantity),
    Case(
        "distinct(usage.quantity, days=60)", "usage", lambda values, ages: float(len(set(values))), _quantity, days=60
    ),
    Case("mean(usage.quantity, skip=1, last=2)", "usage", some(mean), _quantity, skip=1, last=2),
    Case("sum(usage.quantity, days=30, until=7)", "usage", exact_sum, _quantity, days=30, until=7),
    Case("count(payments, where=method == 'transfer')", "payments", count, where=_is("method", "transfer")),
    Case(
        "count(invoices, where=kind != 'fee' and amount > 10)",
        "invoices",
        count,
        where=lambda row: row["kind"] != "fee" and row["amount"] > 10,
    ),
    Case(
        "count(invoices, where=isnull(withdrawn_on))",
        "invoices",
        count,
        where=lambda row: row["withdrawn_on"] is None or row["withdrawn_on"] != row["withdrawn_on"],
    ),
    Case("max(invoices.due_on)", "invoices", some(max), _age_of("due_on")),
    Case("mean(contacts.satisfaction)", "contacts", some(mean), lambda row: number(row["satisfaction"])),
    Case("count(contacts, where=isnull(outcome))", "contacts", count, where=lambda row: row["outcome"] is None),
    Case("count(disputes, where=closed_on < 5)", "disputes", count, where=lambda row: _age_of("closed_on")(row) < 5),
    Case("sum(visits.pages, days=14)", "visits", exact_sum, lambda row: number(row["pages"]), days=14),
    Case("mean(settlements.days_beyond_terms)", "settlements", some(mean), _days_late),
    Case("slope(settlements.days_beyond_terms, days=365)", "settlements", slope, _days_late, days=365),
    Case("share(maturities.late == 1)", "maturities", some(mean), lambda row: float(row["late"] == 1)),
    Case(
        "last(balances.overdue_amount)",
        "balances",
        some(lambda values: values[-1]),
        lambda row: row["overdue_amount"],
        keeps_missing=True,
    ),
    Case("sum(returns.amount)", "returns", exact_sum, _amount),
    Case("ahead(sum(obligations.amount), days=30)", "obligations", exact_sum, _amount, ahead=30),
    Case("ahead(count(instalments), days=60)", "instalments", count, ahead=60),
    Case("count(payments, days=60, of=portfolio)", "payments", count, days=60, of="portfolio"),
    Case(
        "sum(invoices.amount, of=segment, leave_out=customer)",
        "invoices",
        exact_sum,
        _amount,
        of="segment",
        leave_out=True,
    ),
    Case(
        "mean(maturities.late, of=region, leave_out=customer)",
        "maturities",
        some(mean),
        lambda row: row["late"],
        of="region",
        leave_out=True,
    ),
    Case(
        "std(usage.quantity, of=portfolio, days=50)",
        "usage",
        some(statistics.stdev, 2),
        _quantity,
        of="portfolio",
        days=50,
    ),
    Case(
        "share(contacts.accepted, of=portfolio, leave_out=customer)",
        "contacts",
        some(mean),
        lambda row: number(row["accepted"]),
        of="portfolio",
        leave_out=True,
    ),
    Case(
        "count(contacts, of=region, where=isnull(outcome))",
        "contacts",
        count,
        where=lambda row: row["outcome"] is None,
        of="region",
    ),
    Case(
        "sum(payments.amount, days=40, until=10, of=region)",
        "payments",
        exact_sum,
        _amount,
        days=40,
        until=10,
        of="region",
    ),
)


def windows_agree_with_brute_force(raw: Raw, as_of: int) -> None:
    """Every case at every observation up to ``as_of``, and at what stands then."""
    ledger = raw.ledger()
    outcome = Outcome(lead_days=(10, 0))
    end = pd.Timestamp(np.datetime64(as_of, "us"))
    obs = pd.concat([outcome.observations(ledger, end=end), outcome.standing(ledger, end)], ignore_index=True)
    place = {label: code for code, label in enumerate(ledger.customers)}
    asked = [Feature(f"f{at}", case.text) for at, case in enumerate(CASES)]
    by_engine = [compute(asked, ledger, obs, compiled=compiled) for compiled in (True, False)]
    moments = obs["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
    cache: dict[Any, Any] = {}
    for at, case in enumerate(CASES):
        if not columns_lack(case, ledger):
            for row in range(len(obs)):
                wanted = brute_force(ledger, case, place[obs["customer_id"].iloc[row]], int(moments[row]), cache)
                for found in by_engine:
                    agree(case.text, float(found[f"f{at}"].iloc[row]), wanted, obs.iloc[row])


def columns_lack(case: Case, ledger: Ledger) -> bool:
    """Whether a table or column was not handed over: then the feature is missing, which is tested elsewhere."""
    derived = case.table in STREAMS
    given = derived or case.table in ledger.given
    return not given or any(column not in ledger.facts(table).columns for table, column in parse(case.text).columns())


def agree(what: str, found: float, wanted: float, where: Any) -> None:
    """Equal in float32, or both missing."""
    if math.isnan(found) and math.isnan(wanted):
        return
    if not math.isclose(found, wanted, rel_tol=2e-6, abs_tol=2e-5):
        raise AssertionError(f"{what} is {found}, the loop says {wanted}\n{where}")
