"""The same features in DuckDB, several ways.

Every way gives one relation per table with a row per observation; ratios are written over their join.
Days are integers since 1970; `age` is the days from a fact to the moment it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from windows_catalogue import DAY, WHOLE, WORDS, ZERO, Catalogue, Ratio, Window
from windows_data import TABLES

NAME = "DuckDB"
#: Pairs of fact and observation that one query looks at; more are cut by customer, so that memory stays bounded.
PAIRS_AT_ONCE = 100_000_000
_VALUES = {"usage": ("kind", "quantity", "cost"), "invoices": ("amount",), "payments": ("method", "amount")}
_KNOWN = "date_diff('day', DATE '1970-01-01', known_at::DATE)"


# -- tables ----------------------------------------------------------------------------------------------


def load(folder: Path, moments: str, *, codes: bool, tables: Sequence[str] = TABLES, sort: bool = True) -> Any:
    """A connection with the tables in memory under integer codes, or as views on the files under text ids."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET enable_progress_bar = false; SET preserve_insertion_order = {str(codes and sort).lower()}")
    observations = folder / f"observations_{moments}.parquet"
    if not codes:
        for name in tables:
            connection.execute(
                f"CREATE VIEW {name} AS SELECT customer_id AS customer, {_day(name)} FROM {_file(folder, name)}"
            )
        connection.execute(
            f"CREATE TABLE obs AS SELECT row, customer_id AS customer, {_as_day('as_of')} AS as_of "
            f"FROM read_parquet('{observations}')"
        )
        return connection
    connection.execute(
        "CREATE TABLE codes AS SELECT customer_id, (row_number() OVER (ORDER BY customer_id) - 1)::INTEGER AS customer "
        f"FROM (SELECT DISTINCT customer_id FROM read_parquet('{observations}'))"
    )
    for name in tables:
        order = "ORDER BY customer, day" if sort else ""
        connection.execute(
            f"CREATE TABLE {name} AS SELECT customer, {_day(name)} FROM {_file(folder, name)} "
            f"JOIN codes USING (customer_id) {order}"
        )
    order = "ORDER BY customer, as_of" if sort else ""
    connection.execute(
        f"CREATE TABLE obs AS SELECT row, customer, {_as_day('as_of')} AS as_of "
        f"FROM read_parquet('{observations}') JOIN codes USING (customer_id) {order}"
    )
    return connection


def _file(folder: Path, table: str) -> str:
    return f"read_parquet('{folder / (table + '.parquet')}')"


def _as_day(column: str) -> str:
    return f"({column} - DATE '1970-01-01')::INTEGER"


def _day(table: str) -> str:
    known = f", {_KNOWN}::INTEGER AS known" if table == "payments" else ""
    return f"{_as_day(DAY[table])} AS day, {', '.join(_VALUES[table])}{known}"


def read_and_sort(folder: Path, *, sort: bool) -> None:
    """Only read the usage columns, under integer codes, and sort them when asked."""
    load(folder, "one", codes=True, tables=("usage",), sort=sort)


# -- ways ------------------------------------------------------------------------------------------------


def compute(connection: Any, catalogue: Catalogue, way: str) -> Any:
    """All columns, one row per observation in its order, as an Arrow table."""
    parts = []
    for table in catalogue.tables:
        windows = catalogue.of(table)
        _WAYS[way](connection, table, windows)
        parts.append(table)
    joins = " ".join(f"LEFT JOIN made_{table} USING (row)" for table in parts)
    columns = ", ".join(_final(column) for column in catalogue.columns)
    result = connection.sql(f"SELECT {columns} FROM obs {joins} ORDER BY row").to_arrow_table()
    for table in parts:
        connection.execute(f"DROP TABLE made_{table}")
    return result


def to_numpy(result: Any) -> np.ndarray:
    """The result as float64, missing as NaN."""
    return np.column_stack([column.to_numpy(zero_copy_only=False).astype(np.float64) for column in result.columns])


def range_join(connection: Any, table: str, windows: Sequence[Window]) -> None:
    """Join on customer and range, one filtered aggregate per window."""
    columns = ", ".join(f"{_aggregate(w)} FILTER (WHERE {_inside(w)}) AS {w.name}" for w in windows)
    _in_parts(connection, table, windows, f"SELECT row, {columns} FROM ({_pairs(table, windows)}) GROUP BY row")


def bands(connection: Any, table: str, windows: Sequence[Window]) -> None:
    """Partial aggregates between neighbouring window edges, then each window from its bands; medians directly."""
    split = [w for w in windows if w.function not in WHOLE]
    whole = [w for w in windows if w.function in WHOLE]
    edges = sorted({w.days for w in split} | {w.newest - 1 for w in split})
    band = "CASE " + " ".join(f"WHEN age <= {edge} THEN {edge}" for edge in edges) + " END"
    states: dict[str, str] = {}
    finals = [f"{_from_bands(w, edges, states)} AS {w.name}" for w in split]
    partial = ", ".join(f"{sql} AS {name}" for sql, name in states.items())
    inner = f"SELECT row, {band} AS band, {partial} FROM ({_pairs(table, split)}) GROUP BY row, band"
    _in_parts(connection, table, split, f"SELECT row, {', '.join(finals)} FROM ({inner}) GROUP BY row")
    if whole:
        connection.execute(f"ALTER TABLE made_{table} RENAME TO split_{table}")
        range_join(connection, table, whole)
        connection.execute(f"ALTER TABLE made_{table} RENAME TO whole_{table}")
        connection.execute(
            f"CREATE TABLE made_{table} AS SELECT * FROM split_{table} FULL JOIN whole_{table} USING (row);"
            f"DROP TABLE split_{table}; DROP TABLE whole_{table}"
        )


def every_day(connection: Any, table: str, windows: Sequence[Window]) -> None:
    """Each observation unrolled to the days it looks at, then an equality join on customer and day."""
    longest, newest = max(w.days for w in windows), min(w.newest for w in windows)
    columns = ", ".join(f"{_aggregate(w)} FILTER (WHERE {_inside(w)}) AS {w.name}" for w in windows)
    days = f"SELECT row, customer, as_of, as_of - age AS day, age FROM obs, range({newest}, {longest + 1}) AS ages(age)"
    query = f"SELECT row, {columns} FROM ({days} %s) JOIN {table} USING (customer, day) GROUP BY row"
    _in_parts(connection, table, windows, query)


def union_frames(connection: Any, table: str, windows: Sequence[Window]) -> None:
    """Facts and observations in one stream, one range frame per window."""
    frames = {(w.days, w.newest) for w in windows}
    named = ", ".join(
        f"w{days}_{newest} AS (PARTITION BY customer ORDER BY day "
        f"RANGE BETWEEN {days} PRECEDING AND {newest} PRECEDING)"
        for days, newest in sorted(frames)
    )
    columns = ", ".join(f"{_framed(w)} OVER w{w.days}_{w.newest} AS {w.name}" for w in windows)
    value = windows[0].column
    stream = (
        f"SELECT customer, day, {value}, NULL AS row FROM {table} UNION ALL SELECT customer, as_of, NULL, row FROM obs"
    )
    connection.execute(
        f"CREATE TABLE made_{table} AS SELECT * EXCLUDE (customer, day, {value}) FROM "
        f"(SELECT *, {columns} FROM ({stream}) WINDOW {named}) WHERE row IS NOT NULL"
    )


def asof_sums(connection: Any, table: str, windows: Sequence[Window]) -> None:
    """Running sums met by as-of joins at both edges of a window; the maximum, which has no inverse, by a range join."""
    (value,) = {w.column for w in windows}
    connection.execute(
        f"CREATE TABLE running AS SELECT customer, day, count(*) OVER w AS n, sum({value}) OVER w AS s, "
        f"sum({value} * {value}) OVER w AS ss FROM {table} WINDOW w AS (PARTITION BY customer ORDER BY day)"
    )
    columns, joins = [], []
    for days, newest in sorted({(w.days, w.newest) for w in windows}):
        low, high = f"low{days}", f"high{newest}"
        joins.append(_asof(low, f"obs.as_of - {days + 1}"))
        if _asof(high, f"obs.as_of - {newest}") not in joins:
            joins.append(_asof(high, f"obs.as_of - {newest}"))
        n, s, ss = (f"(coalesce({high}.{x}, 0) - coalesce({low}.{x}, 0))" for x in ("n", "s", "ss"))
        sql = {
            "count": n, "mean": f"{s} / nullif({n}, 0)",
            "std": f"CASE WHEN {n} > 1 THEN sqrt(greatest({ss} - {s} * {s} / {n}, 0) / ({n} - 1)) END",
        }  # fmt: skip
        columns += [f"{sql[w.function]} AS {w.name}" for w in windows if w.days == days and w.function in sql]
    rest = [w for w in windows if w.function == "max"]
    range_join(connection, table, rest)
    connection.execute(f"ALTER TABLE made_{table} RENAME TO rest")
    connection.execute(f"CREATE TABLE sums AS SELECT obs.row, {', '.join(columns)} FROM obs {' '.join(joins)}")
    connection.execute(
        f"CREATE TABLE made_{table} AS SELECT * FROM sums LEFT JOIN rest USING (row);"
        "DROP TABLE sums; DROP TABLE rest; DROP TABLE running"
    )


_WAYS: dict[str, Callable[[Any, str, Sequence[Window]], None]] = {
    "range join": range_join,
    "bands": bands,
    "every day": every_day,
    "window frames over the union": union_frames,
    "as-of joins on running sums": asof_sums,
}
WAYS = {"sixteen": tuple(_WAYS), "catalogue": ("range join", "bands")}


# -- pieces ----------------------------------------------------------------------------------------------


def _pairs(table: str, windows: Sequence[Window]) -> str:
    """Facts met by observations that can see them; `%s` takes the part of the customers."""
    longest, newest = max(w.days for w in windows), min(w.newest for w in windows)
    known = "AND f.known < o.as_of" if table == "payments" else ""
    return (
        f"SELECT o.row, o.as_of, o.as_of - f.day AS age, f.* FROM (FROM obs %s) o "
        f"JOIN {table} f ON f.customer = o.customer {known} "
        f"AND f.day BETWEEN o.as_of - {longest} AND o.as_of - {newest}"
    )


def _in_parts(connection: Any, table: str, windows: Sequence[Window], query: str) -> None:
    (pairs,) = connection.execute("SELECT count(*) FROM obs").fetchone()
    if table == "usage":
        pairs *= max(w.days for w in windows)
    for part, cut in enumerate(_cuts(connection, -(-pairs // PAIRS_AT_ONCE))):
        verb = f"INSERT INTO made_{table}" if part else f"CREATE TABLE made_{table} AS"
        connection.execute(f"{verb} {query.replace('%s', cut)}")


def _cuts(connection: Any, parts: int) -> list[str]:
    """Conditions that part the customers: ranges of codes, which skip what lies elsewhere; hashes of text ids."""
    if parts <= 1:
        return [""]
    kind, most = connection.execute("SELECT typeof(max(customer)), max(customer) FROM obs").fetchone()
    if kind == "VARCHAR":
        return [f"WHERE hash(customer) % {parts} = {part}" for part in range(parts)]
    edges = [(most + 1) * part // parts for part in range(parts + 1)]
    return [f"WHERE customer >= {low} AND customer < {high}" for low, high in pairwise(edges)]


def _inside(w: Window) -> str:
    inside = f"age BETWEEN {w.newest} AND {w.days}"
    return f"{inside} AND {w.where} = '{w.word}'" if w.where and w.function != "share" else inside


def _aggregate(w: Window) -> str:
    x = w.column
    return {
        "mean": f"avg({x})", "std": f"stddev_samp({x})", "max": f"max({x})", "min": f"min({x})", "sum": f"sum({x})",
        "count": "count(*)", "median": f"median({x})", "quantile": f"quantile_cont({x}, {w.q})",
        "share": f"avg(({w.where} = '{w.word}')::INTEGER)", "last": f"arg_max({x}, day)", "first": f"arg_min({x}, day)",
        "days_since": "min(age)", "slope": f"regr_slope({x}, day)", "distinct": _distinct(x),
    }[w.function]  # fmt: skip


def _distinct(column: str) -> str:
    flags = " ".join(f"WHEN '{word}' THEN {1 << bit}" for bit, word in enumerate(WORDS.get(column, ())))
    return f"bit_or(CASE {column} {flags} END)"


def _framed(w: Window) -> str:
    """As `_aggregate`; observations in the stream have no value and so are not counted."""
    return f"count({w.column})" if w.function == "count" else _aggregate(w)


def _from_bands(w: Window, edges: Sequence[int], states: dict[str, str]) -> str:
    """A window put together from its bands; what it needs of them is noted in `states`."""
    where = f" FILTER (WHERE {w.where} = '{w.word}')" if w.where and w.function != "share" else ""
    inside = f"FILTER (WHERE band > {w.newest - 1} AND band <= {w.days})"

    def state(sql: str) -> str:
        return states.setdefault(sql + where, f"s{len(states)}")

    def total(sql: str) -> str:
        return f"sum({state(sql)}) {inside}"

    x = w.column
    n = total("count(*)")
    if w.function in ("sum", "count"):
        return total(f"sum({x})") if w.function == "sum" else n
    if w.function == "mean":
        return f"{total(f'sum({x})')} / nullif({n}, 0)"
    if w.function == "share":
        return f"{total(f'count(*) FILTER (WHERE {w.where} = {w.word!r})')} / nullif({n}, 0)"
    if w.function == "std":
        s, ss = total(f"sum({x})"), total(f"sum({x} * {x})")
        return f"CASE WHEN {n} > 1 THEN sqrt(greatest({ss} - {s} * {s} / {n}, 0) / ({n} - 1)) END"
    if w.function in ("max", "min"):
        return f"{w.function}({state(f'{w.function}({x})')}) {inside}"
    if w.function == "distinct":
        return f"bit_or({state(_distinct(x))}) {inside}"
    if w.function == "days_since":
        return f"min({state('min(age)')}) {inside}"
    if w.function in ("last", "first"):
        side = "max" if w.function == "last" else "min"
        return f"arg_{side}({state(f'arg_{side}({x}, day)')}, {state(f'{side}(day)')}) {inside}"
    t, tt, s, tx = (total(sql) for sql in ("sum(-age)", "sum(age * age)", f"sum({x})", f"sum(-age * {x})"))
    return f"({n} * {tx} - {t} * {s}) / nullif({n} * {tt} - {t} * {t}, 0)"


def _asof(name: str, day: str) -> str:
    return f"ASOF LEFT JOIN running AS {name} ON {name}.customer = obs.customer AND {name}.day <= {day}"


def _final(column: Window | Ratio) -> str:
    if isinstance(column, Ratio):
        value = f"({_window(column.over)}) / nullif({_window(column.under)}, 0)"
        value = f"CASE WHEN {value} > 0 THEN ln({value}) END" if column.log else value
        return f"{value} AS {column.name}"
    return f"{_window(column)} AS {column.name}"


def _window(w: Window) -> str:
    value = f"bit_count({w.name})" if w.function == "distinct" else w.name
    return f"coalesce({value}, 0)::DOUBLE" if w.function in ZERO else f"{value}::DOUBLE"
