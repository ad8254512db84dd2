"""Taking tables in: read, checked, linked to their debtors; every fault of a run listed together."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import compress
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import FOREVER, NAT, US_PER_DAY, day_end, iso, moment
from earlywarn.errors import DataError, suggest
from earlywarn.tables.checks import Faults, Text
from earlywarn.tables.facts import Facts, check_table, first_version, known_later, plain
from earlywarn.tables.order import put_in_order
from earlywarn.tables.read import credit_notes_due, read_table
from earlywarn.tables.schema import STATIC, TABLES, TableSchema, declared

__all__ = ["Checked", "Intake", "Settings"]

log = logging.getLogger("earlywarn")
#: Tables whose time may lie ahead: they state plans.
_PLANS = ("schedule", "instalments")
#: Numbers of four digits and more, as postcodes and municipalities have; regions down to NUTS 3 begin with letters.
_TOO_FINE = re.compile(r"\d{4}")
_TOO_FINE_NOTICE = (
    "regions are named by what looks like postcodes or municipalities. What is finer than NUTS 3 is for audit only: "
    "hand over the region above."
)


@dataclass(frozen=True)
class Settings:
    """What holds for all tables of one ledger."""

    timezone: str
    currency: str
    country: str | None
    late_after_days: int
    payment_lag_days: int
    digits: int


@dataclass(frozen=True)
class Checked:
    """Tables that were taken in.

    Attributes
    ----------
    tables : mapping of str to Facts
    settings : Settings
    customers, regions : tuple of str
        Ids that ``owner`` codes point to.
    until : int, microseconds
    faults : DataFrame
    notices : tuple of str
    given : frozenset of str
        Tables that were handed over.
    static : mapping of str to tuple of str
        Columns whose value of today may stand for the past.
    """

    tables: Mapping[str, Facts]
    settings: Settings
    customers: tuple[str, ...]
    regions: tuple[str, ...]
    until: int
    faults: pd.DataFrame
    notices: tuple[str, ...]
    given: frozenset[str]
    static: Mapping[str, tuple[str, ...]]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(plain(getattr(self, field.name)) for field in fields(self))


class Intake:
    """Reads, checks and links the tables of one ledger, and gathers all faults on the way.

    The parameters are those of `Ledger.from_tables`.
    """

    def __init__(
        self,
        tables: Mapping[str, Any],
        extra: Mapping[str, tuple[Any, Mapping[str, Any]]],
        columns: Mapping[str, Mapping[str, str]],
        lags: Mapping[str, int],
        timezone: str,
        currency: str | None,
        country: str | None,
        until: Any,
        late_after_days: int,
        static: Mapping[str, Sequence[str]],
    ) -> None:
        self.faults = Faults()
        self.notices: list[str] = []
        self.timezone = _known_zone(timezone)
        self.until = None if until is None else moment(until, timezone)
        self.schemas: dict[str, TableSchema] = {
            **TABLES,
            **{name: declared(name, rule) for name, (_, rule) in extra.items()},
        }
        handed = {**tables, **{name: frame for name, (frame, _) in extra.items()}}
        self.entity = {name: rule["entity"] for name, (_, rule) in extra.items()}
        self.frames = self.read({name: table for name, table in handed.items() if table is not None}, columns)
        self.lags = self.check_lags(lags)
        self.currency = self.find_currency(currency)
        self.country = country
        self.late_after_days = _not_negative("late_after_days", late_after_days)
        self.static = {name: (*STATIC.get(name, ()), *static.get(name, ())) for name in STATIC}

    def read(self, tables: Mapping[str, Any], columns: Mapping[str, Mapping[str, str]]) -> dict[str, pd.DataFrame]:
        """Frames under our names; all missing columns of all tables in one error."""
        for name in [*tables, *columns]:
            if name not in self.schemas:
                raise DataError(
                    f"there is no table {name!r} in the schema.",
                    code="D102",
                    hint=suggest(name, self.schemas) + " A table of your own goes into extra={name: (frame, schema)}.",
                )
        missing = [f"the table {name!r} is missing" for name in ("invoices", "payments") if name not in tables]
        frames = {}
        for name, table in tables.items():
            frame, lacking, unknown = read_table(table, self.schemas[name], columns.get(name, {}))
            missing += lacking
            if unknown:
                self.notices.append(f"{name}: columns not in the schema were left aside: {', '.join(unknown)}.")
            frames[name] = credit_notes_due(frame) if name == "invoices" else frame
        if missing:
            raise DataError(
                "tables or columns are missing.",
                code="D101",
                found="\n       ".join(missing),
                hint="name yours in columns={table: {theirs: ours}}.",
            )
        return frames

    def check_lags(self, lags: Mapping[str, int]) -> dict[str, int]:
        """Lag of every table, those asked for included."""
        for name in lags:
            if name not in self.schemas:
                raise DataError(f"lags names {name!r}.", code="D102", hint=suggest(name, self.schemas))
            _not_negative(f"lags[{name!r}]", lags[name])
        return {name: lags.get(name, schema.lag_days) for name, schema in self.schemas.items()}

    def find_currency(self, asked: str | None) -> str:
        """The one currency of the ledger: as asked, else as the invoices say, else EUR."""
        if asked is not None and not re.fullmatch("[A-Z]{3}", asked):
            raise DataError(f"currency={asked!r} is no ISO code.", code="D107", hint="write it as EUR, SEK, USD.")
        invoices = self.frames["invoices"]
        if "currency" not in invoices.columns:
            if asked is None:
                self.notices.append("no currency is stated; amounts are taken as EUR. Name another in currency=….")
            return asked or "EUR"
        found = sorted({str(word).strip() for word in invoices["currency"].dropna().unique() if str(word).strip()})
        if asked is None and len(found) > 1:
            counts = invoices["currency"].value_counts()
            raise DataError(
                "invoices are in several currencies.",
                code="D103",
                found=", ".join(f"{word}: {int(counts[word])} rows" for word in found if word in counts.index),
                hint="make one ledger per currency, or name one in currency=… to set the others aside.",
            )
        return asked or (found[0] if found else "EUR")

    def check(self, *, strict: bool) -> Checked:
        """Check and link everything; under ``strict`` raise one error that lists all faults."""
        from babel.numbers import get_currency_precision

        digits = get_currency_precision(self.currency)
        tables = {name: self.checked(name, schema, digits) for name, schema in self.schemas.items()}
        tables["invoices"] = self.check_invoices(tables["invoices"])
        tables["payments"] = self.check_payments(tables["payments"])
        tables["arrangements"] = self.check_arrangements(tables["arrangements"])
        tables = {name: self.within_reach(facts) for name, facts in tables.items()}
        customers = _labels(tables, "customer_id")
        regions = _labels(tables, "region")
        if any(map(_TOO_FINE.match, regions)):
            self.notices.append(_TOO_FINE_NOTICE)
        for name in _in_order_of_parents(self.schemas):
            tables[name] = self.owned(tables, name, customers, regions)
        self.check_references(tables)
        faults = self.faults.frame()
        if strict and len(faults):
            raise _strict_error(faults, self.frames)
        given = frozenset(self.frames)
        self.frames.clear()  # what was handed over is not needed to put its facts in order
        for name in self.schemas:
            if name != "schedule":  # debts are numbered by its rows
                tables[name] = put_in_order(tables[name])
        if len(faults):
            log.info("%d rows or cells were set aside; see ledger.faults", len(faults))
        settings = Settings(
            self.timezone, self.currency, self.country, self.late_after_days, self.lags["payments"], digits
        )
        return Checked(
            tables=MappingProxyType(tables),
            settings=settings,
            customers=customers,
            regions=regions,
            until=self.until if self.until is not None else _latest_known(tables),
            faults=faults,
            notices=tuple(self.notices),
            given=given,
            static=MappingProxyType(self.static),
        )

    def checked(self, name: str, schema: TableSchema, digits: int) -> Facts:
        """One table as facts, its owners still unset."""
        frame = self.frames.get(name)
        if frame is None:
            return _empty_table(name) if name in TABLES else _no_rows(schema)
        return check_table(schema, frame, self.faults, timezone=self.timezone, digits=digits, lag_days=self.lags[name])

    def check_invoices(self, invoices: Facts) -> Facts:
        """Due before issued, and another currency than the ledger's."""
        frame = self.frames["invoices"]
        early = invoices.moments("due_on") // US_PER_DAY < invoices.moments("issued_on") // US_PER_DAY
        early &= invoices.numbers("amount") > 0
        currency = invoices.text("currency")
        other = (currency.codes >= 0) & ~currency.is_word(self.currency)
        moved = _of_another_debtor(invoices, "invoice_id")
        for mask, column, code, what in (
            (early, "due_on", "D104", "invoices.due_on is before issued_on"),
            (other & ~early, "currency", "D106", f"invoices.currency is not the ledger's {self.currency}"),
            (moved & ~early & ~other, "customer_id", "D155", "a later version of the invoice names another debtor"),
        ):
            rows = invoices.row[mask]
            self.faults.add("invoices", rows, column, code, what, frame[column].iloc[rows] if len(rows) else [])
        return self.kept(invoices, ~early & ~other & ~moved)

    def check_arrangements(self, arrangements: Facts) -> Facts:
        """A later version that names another debtor: its instalments would be owed by two."""
        moved = _of_another_debtor(arrangements, "arrangement_id")
        what = "a later version of the arrangement names another debtor"
        rows = arrangements.row[moved]
        if len(rows):
            named = self.frames["arrangements"]["customer_id"].iloc[rows]
            self.faults.add("arrangements", rows, "customer_id", "D155", what, named)
        return self.kept(arrangements, ~moved)

    def kept(self, facts: Facts, keep: npt.NDArray[np.bool_]) -> Facts:
        """Facts without the rows that are set aside, which close no other version."""
        if keep.all():
            return facts
        rest = facts.take(keep)
        return known_later(rest, self.schemas[facts.name], rest.known_at)

    def check_payments(self, payments: Facts) -> Facts:
        """Amounts are positive; the event says which way the money went."""
        negative = payments.numbers("amount") < 0
        rows = payments.row[negative]
        what = "payments.amount is negative; state it positive with event 'reversed', 'returned' or 'refunded'"
        if len(rows):
            self.faults.add("payments", rows, "amount", "D156", what, self.frames["payments"]["amount"].iloc[rows])
        return self.kept(payments, ~negative)

    def within_reach(self, facts: Facts) -> Facts:
        """Facts may not lie in the future: after ``until`` where it is stated, else after today."""
        schema = self.schemas[facts.name]
        if facts.lasting or facts.name in _PLANS or not len(facts) or schema.time is None:
            return facts
        limit = self.until
        if limit is None:
            limit = int(day_end(np.array([_today() + 1]))[0])
        ahead = facts.happened_at >= limit
        rows = facts.row[ahead]
        if len(rows):
            edge = iso(limit) if self.until is not None else "today"
            what = f"{facts.name}.{schema.time} lies at or after {edge}, up to which the data are said to be complete"
            what = what if self.until is not None else f"{facts.name}.{schema.time} lies in the future"
            self.faults.add(
                facts.name, rows, schema.time, "D145", what, self.frames[facts.name][schema.time].iloc[rows]
            )
        return self.kept(facts, ~ahead)

    def owned(
        self, tables: Mapping[str, Facts], name: str, customers: tuple[str, ...], regions: tuple[str, ...]
    ) -> Facts:
        """Give each fact its customer (or region); a row without its parent is set aside, else known no earlier."""
        facts, schema = tables[name], self.schemas[name]
        if name == "regions" or self.entity.get(name) == "region":
            return replace(facts, owner=facts.text("region").codes_in(regions), entity="region")
        if "customer_id" in schema.columns:
            return replace(facts, owner=facts.text("customer_id").codes_in(customers))
        assert schema.parent is not None
        column, parent_name = schema.parent
        parent = tables[parent_name]
        if parent_name in ("accounts", "contracts") and parent_name not in self.frames:  # one of each per customer
            return replace(facts, owner=facts.text(column).codes_in(customers))
        owner, known, happened = _of_parent(facts.text(column), parent)
        dated = facts.happened_at if schema.time else np.where(facts.lasting, facts.happened_at, happened)
        lost = owner < 0
        what = f"{name}.{column} names a row that {parent_name} does not have"
        self.faults.add(name, facts.row[lost], column, "D153", what, facts.text(column).values()[lost])
        no_moment = (facts.known_at == NAT) | (name == "instalments" and "known_at" not in self.frames.get(name, ()))
        known = np.where(no_moment, known, np.maximum(facts.known_at, known))
        facts = replace(facts, owner=owner, happened_at=np.asarray(dated, dtype=np.int64))
        return known_later(facts.take(~lost), schema, known[~lost])

    def check_references(self, tables: Mapping[str, Facts]) -> None:
        """List references of money that lead nowhere; the rows themselves are kept."""
        invoices = tables["invoices"]
        payments = tables["payments"]
        named = payments.text("invoice_id")
        owner, _, _ = _of_parent(named, invoices)
        for what, code, mask in (
            ("names an invoice that is not there; kept as money without an invoice", "D151",
             (named.codes >= 0) & (owner < 0)),
            ("names an invoice of another debtor; kept as money without an invoice", "D152",
             (owner >= 0) & (owner != payments.owner)),
        ):  # fmt: skip
            if mask.any():
                self.faults.add(
                    "payments", payments.row[mask], "invoice_id", code, f"payments.invoice_id {what}",
                    named.take(mask).values(),
                )  # fmt: skip
        allocations = tables["allocations"].text("payment_id")
        unpaid = allocations.codes_in(payments.text("payment_id").labels) < 0
        self.faults.add(
            "allocations", tables["allocations"].row[unpaid], "payment_id", "D154",
            "allocations.payment_id names a payment that is not there", allocations.values()[unpaid],
        )  # fmt: skip
        if "customers" in self.frames:
            known = set(tables["customers"].text("customer_id").labels)
            strange = [label for label in _labels(tables, "customer_id") if label not in known]
            if strange:
                who = f"{len(strange):,} customer{'s have' if len(strange) > 1 else ' has'} facts"
                self.notices.append(f"{who} but no row in customers, first: {strange[0]!r}; they are kept.")


def _of_another_debtor(facts: Facts, key: str) -> npt.NDArray[np.bool_]:
    """Rows that name another debtor than the first known row of the same key."""
    owner = facts.text("customer_id").codes
    return np.asarray(owner != owner[first_version(facts.text(key).codes, facts.known_at)])


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError(
            f"timezone={name!r} is not known.", code="D107", hint="write an IANA name such as Europe/Brussels."
        ) from error
    return name


def _not_negative(name: str, days: int) -> int:
    if days < 0:
        raise DataError(f"{name} is {days} days.", code="D107", hint="write 0 or more.")
    return days


@cache
def _empty_table(name: str) -> Facts:
    """A table that was not handed over: all columns of its schema, no row."""
    return _no_rows(TABLES[name])


def _no_rows(schema: TableSchema) -> Facts:
    frame = pd.DataFrame({column: pd.Series(dtype="float64") for column in schema.columns if column != "known_at"})
    return check_table(schema, frame, Faults(), timezone="UTC", digits=0, lag_days=0)


def _today() -> int:
    return (dt.datetime.now(dt.UTC).date() - dt.date(1970, 1, 1)).days


def _labels(tables: Mapping[str, Facts], column: str) -> tuple[str, ...]:
    found: set[str] = set()
    for facts in tables.values():
        text = facts.columns.get(column)
        if isinstance(text, Text):
            found.update(compress(text.labels, text.occurs()))
    return tuple(sorted(found))


def _of_parent(ids: Text, parent: Facts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Owner, first known moment and moment of happening of the parent row that each id names."""
    key = parent.columns[TABLES[parent.name].key[0]]
    assert isinstance(key, Text)
    order = np.argsort(parent.known_at, kind="stable")[::-1]
    owner = np.full(len(key.labels) + 1, -1, dtype=np.int64)
    known = np.full(len(key.labels) + 1, FOREVER, dtype=np.int64)
    happened = np.full(len(key.labels) + 1, NAT, dtype=np.int64)
    owner[key.codes[order]] = parent.owner[order]
    known[key.codes[order]] = parent.known_at[order]
    happened[key.codes[order]] = parent.happened_at[order]
    at = ids.codes_in(key.labels)  # -1 takes the last
    return owner[at], known[at], happened[at]


def _in_order_of_parents(schemas: Mapping[str, TableSchema]) -> list[str]:
    return sorted(schemas, key=lambda name: schemas[name].parent is not None)


def _latest_known(tables: Mapping[str, Facts]) -> int:
    """When the last invoice or payment became known; 1970 where there is neither."""
    known = np.concatenate([tables["invoices"].known_at, tables["payments"].known_at])
    return int(known.max()) if len(known) else 0


def _strict_error(faults: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> DataError:
    lines = []
    for (table, code), group in faults.groupby(["table", "code"], sort=False):
        first = group.iloc[0]
        lines.append(
            f"{table}: {len(group):,} of {len(frames.get(str(table), ())):,} rows, {first['message']} [{code}], "
            f"first: row {first['row']}, value {first['value']!r}"
        )
    return DataError(
        f"{len(faults):,} {'fault' if len(faults) == 1 else 'faults'} in the tables.",
        code="D105",
        found="\n       ".join(lines),
        hint="mend them, or leave strict=False to set these rows aside (they stay listed in ledger.faults).",
    )
