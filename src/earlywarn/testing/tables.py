"""Random tables of small billers, drawn from the schema so that they shrink to the smallest that still fails.

What goes wrong in practice is drawn often: ties, duplicates, facts exactly on a window's edge, leap days, empty
cells, negative and huge amounts, corrections that became known later, cells that were filled in later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, US_PER_DAY, to_datetime64
from earlywarn.errors import DataError, suggest
from earlywarn.extras import require
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import TABLES, Column, TableSchema, declared

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["Tables", "ledgers", "tables"]

Mask = npt.NDArray[np.bool_]
Row = dict[str, Any]
#: The days around which facts lie: an ordinary one, a leap day, the day after, the last of a year.
DAYS = ("2026-03-31", "2024-02-29", "2024-03-01", "2025-12-31")
#: Days after that one at which the data end.
UNTIL_DAYS = 60
AMOUNTS = (10.0, 0.01, 25.5, 99.99, 1234.56, -40.0, 1e9, 9e12)
NUMBERS = (1.0, 0.0, 2.5, -3.0, 1e-9, 1e12)
_WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("customers", "region"): ("BE211", "BE212", "FR1"),
    ("contracts", "region"): ("BE211", "FR1"),
    ("regions", "region"): ("BE211", "BE21", "FR1"),
    ("customers", "segment"): ("b2c", "b2b"),
    ("regions", "metric"): ("unemployment",),
    ("invoices", "currency"): ("EUR",),
}


@dataclass(frozen=True)
class Tables:
    """Tables as a biller hands them over.

    Attributes
    ----------
    frames : mapping of str to DataFrame
    extra : mapping of str to mapping
        Declarations of the tables that are not of the schema.
    today : int, microseconds
        The day around which the facts lie; the data are complete until 60 days later.
    """

    frames: Mapping[str, pd.DataFrame]
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    today: int = 0

    def ledger(self, **options: Any) -> Ledger:
        """The ledger of these tables; options as for `Ledger.from_tables`.

        Returns
        -------
        Ledger
        """
        known: dict[str, Any] = {name: frame for name, frame in self.frames.items() if name not in self.extra}
        extra = {name: (frame, self.extra[name]) for name, frame in self.frames.items() if name in self.extra}
        until = _stamp(self.today + UNTIL_DAYS * US_PER_DAY)
        return Ledger.from_tables(**known, extra=extra, **{"until": until, **options})

    def take(self, rows: Mapping[str, Any]) -> Tables:
        """The same tables with other rows: for each table that is named, a mask or row numbers.

        Returns
        -------
        Tables
        """
        frames = dict(self.frames)
        for name, kept in rows.items():
            places = np.flatnonzero(kept) if kept.dtype == bool else kept
            frames[name] = frames[name].iloc[places].reset_index(drop=True)
        return Tables(frames, self.extra, self.today)

    def __repr__(self) -> str:
        shown = [f"{name}:\n{frame.dropna(axis='columns', how='all').to_string()}" for name, frame in self._filled()]
        return "\n".join([f"Tables around {_stamp(self.today).date()}", *shown])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def _filled(self) -> Iterator[tuple[str, pd.DataFrame]]:
        return ((name, frame) for name, frame in self.frames.items() if len(frame))


def ledgers(
    only: Iterable[str] | None = None,
    *,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
    days: Iterable[float] = (30, 90, 365),
    customers: int = 3,
    rows: int = 4,
) -> SearchStrategy[Ledger]:
    """Hypothesis strategy of whole ledgers, full of hard cases.

    Parameters
    ----------
    only : iterable of str, optional
        Tables that may hold rows, beside ``invoices`` and ``payments``; all of the schema when left out.
    extra : mapping of str to mapping, optional
        Declarations of tables of your own, as in `Ledger.from_tables`; they are filled too.
    days : iterable of float
        Lengths of windows at whose edges facts shall lie.
    customers, rows : int
        Debtors, and facts of each table before corrections and duplicates, at most.

    Returns
    -------
    SearchStrategy of Ledger

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, deadline=None)
    ... @given(ledger=ledgers(["usage"]))
    ... def quantities_stay_numbers(ledger):
    ...     assert ledger.frame("usage")["quantity"].dtype == "float64"
    >>> quantities_stay_numbers()
    """
    return tables(only, extra=extra, days=days, customers=customers, rows=rows).map(lambda drawn: drawn.ledger())


def tables(
    only: Iterable[str] | None = None,
    *,
    columns: Mapping[str, Iterable[str]] | None = None,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
    days: Iterable[float] = (30, 90, 365),
    customers: int = 3,
    rows: int = 4,
) -> SearchStrategy[Tables]:
    """Hypothesis strategy of the tables that `ledgers` makes ledgers of.

    Parameters
    ----------
    only, extra, days, customers, rows
        As in `ledgers`.
    columns : mapping of str to iterable of str, optional
        Optional columns to fill, for the tables that are named; all of them for the others.

    Returns
    -------
    SearchStrategy of Tables
    """
    declarations = dict(extra or {})
    schemas = {**TABLES, **{name: declared(name, rule) for name, rule in declarations.items()}}
    wanted = dict.fromkeys(["invoices", "payments", *(schemas if only is None else only), *declarations])
    for name in wanted:
        if name not in schemas:
            raise DataError(f"there is no table {name!r} to fill.", code="D102", hint=suggest(name, schemas))
    chosen = {name: _with_columns(schemas[name], (columns or {}).get(name)) for name in wanted}
    st = require("hypothesis.strategies", to="make random ledgers", install="hypothesis")

    maker = _Maker(st, tuple(days), customers, rows)
    of_table = {name: maker.rows(schema) for name, schema in chosen.items()}

    def draw_tables(draw: DrawFn) -> Tables:
        today = int(np.datetime64(draw(st.sampled_from(DAYS)), "us").astype(np.int64))
        frames = {name: _frame(draw(drawn), chosen[name], today) for name, drawn in of_table.items()}
        return Tables(frames, declarations, today)

    strategy: SearchStrategy[Tables] = st.composite(draw_tables)()
    return strategy


def _with_columns(schema: TableSchema, columns: Iterable[str] | None) -> TableSchema:
    """The schema with the optional columns that are asked for; keys, times and what is required stay."""
    if columns is None:
        return schema
    kept = {*columns, *schema.required, *schema.key[:1], schema.time, "known_at"}
    kept |= {column.known_from for column in schema.columns.values() if column.name in kept}
    return TableSchema(
        schema.name,
        {name: column for name, column in schema.columns.items() if name in kept},
        tuple(name for name in schema.key if name in kept),
        schema.time,
        lasting=schema.lasting,
    )


class _Maker:
    """Strategies of rows; moments are microseconds from the day around which they lie."""

    def __init__(self, st: Any, days: tuple[float, ...], customers: int, rows: int) -> None:
        self.st = st
        self.most = rows
        self.customers = [f"c{number}" for number in range(customers)]
        edges = sorted({round(day) + step for day in days for step in (0, 1, -1)})
        ago = st.one_of(st.sampled_from([1, 0, 2, *edges, 366, 1095, 1096]), st.integers(-30, 400))
        of_day = st.sampled_from([0, 0, 0, 1, US_PER_DAY // 2, US_PER_DAY - 1])
        self.moment = st.builds(lambda back, hour: hour - back * US_PER_DAY, ago, of_day)
        days_later = st.sampled_from([0, 1, 3, 14, 30, 60])
        self.lag = st.builds(lambda day, hour: day * US_PER_DAY + hour, days_later, of_day)

    def rows(self, schema: TableSchema) -> Any:
        """Rows of one table: facts, each perhaps twice, perhaps corrected later."""
        st = self.st
        row = st.fixed_dictionaries({name: self.cell(schema, column) for name, column in schema.columns.items()})
        once, twice, corrected = st.just(None), st.just(()), st.tuples(row, self.lag)
        again = st.one_of(once, once, twice, corrected) if schema.key else st.one_of(once, once, twice)
        return st.lists(st.tuples(row, again), max_size=self.most).map(lambda facts: self.named(schema, facts))

    def named(self, schema: TableSchema, facts: list[tuple[Row, Any]]) -> list[Row]:
        """Give each fact its own id, and write its duplicate or correction behind it."""
        found: list[Row] = []
        for number, (drawn, again) in enumerate(facts):
            row = _sound(schema, {**drawn, **_own_id(schema, number)})
            found.append(row)
            if again == ():
                found.append(dict(row))
            elif again is not None:
                if row["known_at"] is None:
                    row["known_at"] = (row.get(schema.time or "") or 0) + US_PER_DAY - 1
                same = {name: row[name] for name in (*schema.key, "customer_id") if name in row}
                found.append({**_sound(schema, {**again[0], **same}), "known_at": row["known_at"] + again[1] + 1})
        return found

    def cell(self, schema: TableSchema, column: Column) -> Any:
        """Values of one column; what must be there is there."""
        st = self.st
        filled = self.filled(schema, column)
        if column.required or column.name == schema.time:
            return filled
        return st.one_of(filled, st.none())

    def filled(self, schema: TableSchema, column: Column) -> Any:
        """Values of one column that are there."""
        st, name = self.st, column.name
        if name in ("customer_id", "account_id", "contract_id"):  # one account and contract of each, called as they
            return st.sampled_from(self.customers)
        if name in ("invoice_id", "payment_id", "arrangement_id", "corrects_id"):
            return st.sampled_from([f"{name[0]}{number}" for number in range(self.most)])
        if name == "known_at":
            return st.one_of(st.none(), self.lag) if schema.time else self.moment
        if column.kind == "date":
            return self.moment
        if column.kind == "text":
            return st.sampled_from(_WORDS.get((schema.name, name)) or column.words or ("x", "y"))
        if column.kind == "bool":
            return st.booleans()
        if column.kind == "money":
            return st.one_of(st.sampled_from(AMOUNTS), st.integers(-(10**6), 10**6).map(lambda cents: cents / 100))
        return st.one_of(st.sampled_from(NUMBERS), st.integers(-1000, 1000).map(lambda tenths: tenths / 10))


def _own_id(schema: TableSchema, number: int) -> Row:
    """A name for the fact, where its key begins with one."""
    key = schema.key[0] if schema.key else ""
    if key in ("", "customer_id", "account_id", "region") or schema.parent is not None or key not in schema.columns:
        return {}
    return {key: f"{key[0]}{number}"}


def _sound(schema: TableSchema, row: Row) -> Row:
    """What the checks would set aside in every second row is put right; some faults stay."""
    happened = row.get(schema.time or "")
    if happened is not None and row["known_at"] is not None:
        row["known_at"] += happened  # it was drawn as a lag
    if schema.name == "invoices":
        row["due_on"] = row["issued_on"] + row["due_on"] // US_PER_DAY % 31 * US_PER_DAY
    if schema.name == "payments":
        row["amount"] = abs(row["amount"])
    return row


def _frame(rows: list[Row], schema: TableSchema, today: int) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(schema.columns))
    for column in schema.columns.values():
        if column.kind == "date":
            drawn = [row[column.name] for row in rows]
            frame[column.name] = to_datetime64(np.array([NAT if at is None else today + at for at in drawn], np.int64))
        elif column.kind in ("money", "number"):
            frame[column.name] = frame[column.name].astype("float64")
        else:
            frame[column.name] = frame[column.name].astype("object")
    return frame


def _stamp(us: int) -> pd.Timestamp:
    return pd.Timestamp(np.datetime64(us, "us"))
