"""The Ledger: checked tables of one biller, settled, as dated facts that can be cut at any moment."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import FOREVER, NAT, US_PER_DAY, day_end, iso, moment
from earlywarn.errors import DataError, suggest
from earlywarn.tables import streams
from earlywarn.tables.checks import Faults, Text, stated
from earlywarn.tables.events import Debts, debts_of, settlement_events
from earlywarn.tables.facts import Facts, as_text, check_table
from earlywarn.tables.read import read_frame, rename, rename_columns
from earlywarn.tables.schema import STATIC, STREAMS, TABLES, TableSchema, declared
from earlywarn.tables.settlement import Entries, States, settle

__all__ = ["Ledger", "Settled"]

log = logging.getLogger("earlywarn")
#: Tables whose time may lie ahead: they state plans.
_PLANS = ("schedule", "instalments")


class Settled(NamedTuple):
    """What settlement found: entries, states of debts, scheduled debts that an invoice replaced."""

    entries: Entries
    states: States
    replaced: Mapping[int, int]


@dataclass(frozen=True)
class _Settings:
    timezone: str
    currency: str
    country: str | None
    late_after_days: int
    payment_lag_days: int
    digits: int


class Ledger:
    """Checked billing tables as dated facts; it does not change after construction.

    Make one with `Ledger.from_tables` or `Ledger.from_invoices`; the constructor takes tables that were checked.

    Parameters
    ----------
    tables : mapping of str to Facts
    settings : settings of the run
    customers, regions : tuple of str
        Ids that ``owner`` codes point to.
    until : int, microseconds
    faults : DataFrame
    notices : tuple of str
    given : frozenset of str
        Tables that were handed over.
    static : mapping of str to tuple of str
        Columns whose value of today may stand for the past.

    Attributes
    ----------
    faults : DataFrame
        table, row, column, code, message, value of what was set aside; ``row`` counts from 0 in the table as
        it was handed over.
    notices : tuple of str
        What was assumed or left out, in words.
    until : Timestamp
        The data are complete up to here.
    customers : tuple of str
        Ids of all debtors, sorted; ``owner`` codes of facts point here.

    Examples
    --------
    >>> ledger = Ledger.from_tables(
    ...     invoices=pd.DataFrame(
    ...         {
    ...             "invoice_id": ["A"],
    ...             "customer_id": ["c1"],
    ...             "issued_on": ["2026-03-01"],
    ...             "due_on": ["2026-03-15"],
    ...             "amount": [50.0],
    ...         }
    ...     ),
    ...     payments=pd.DataFrame(
    ...         {"payment_id": ["p"], "customer_id": ["c1"], "paid_on": ["2026-03-20"], "amount": [50.0]}
    ...     ),
    ... )
    >>> ledger
    <Ledger: 1 customer, 1 invoice, 1 payment, EUR, until 2026-03-23 23:59:59.999999, 0 faults>
    >>> ledger.settlements.columns["days_beyond_terms"]
    array([5.])
    """

    def __init__(
        self,
        tables: Mapping[str, Facts],
        *,
        settings: _Settings,
        customers: tuple[str, ...],
        regions: tuple[str, ...],
        until: int,
        faults: pd.DataFrame,
        notices: tuple[str, ...],
        given: frozenset[str],
        static: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._tables = MappingProxyType(dict(tables))
        self._settings = settings
        self.customers = customers
        self.regions = regions
        self._until = until
        self._faults = faults
        self.notices = notices
        self.given = given
        self.static = static

    # -- construction ------------------------------------------------------------------------------------

    @classmethod
    def from_tables(
        cls,
        *,
        extra: Mapping[str, tuple[Any, Mapping[str, Any]]] | None = None,
        columns: Mapping[str, Mapping[str, str]] | None = None,
        timezone: str = "Europe/Brussels",
        currency: str | None = None,
        country: str | None = None,
        until: Any = None,
        late_after_days: int = 3,
        lags: Mapping[str, int] | None = None,
        static: Mapping[str, Sequence[str]] | None = None,
        strict: bool = False,
        **tables: Any,
    ) -> Ledger:
        """Check tables and make a ledger of them.

        Parameters
        ----------
        extra : mapping of str to (table, schema), optional
            Tables of your own with their declaration, see `earlywarn.tables.schema.declared`.
        columns : mapping of str to mapping, optional
            For each table, their column name -> ours.
        timezone : str
            IANA zone of the wall clock; aware times are converted to it.
        currency : str, optional
            ISO code. Left out, it is read from ``invoices.currency``, else EUR. Rows in another one are faults.
        country : str, optional
            Where the biller works, for holidays and texts.
        until : date-like, optional
            The data are complete up to here. Default: the latest ``known_at`` of an invoice or payment.
        late_after_days : int
            Days after due from which a past invoice counts as late in the history.
        lags : mapping of str to int, optional
            Days between happening and being known, per table. Default: payments one bank day, usage one day.
        static : mapping of str to sequence of str, optional
            Columns of customers, accounts or contracts without ``valid_from`` that never changed, so that
            features may use today's value for the past.
        strict : bool
            Raise one error that lists all faults, instead of setting rows aside.
        **tables : DataFrame, Arrow table, or path of a Parquet or CSV file
            ``invoices`` and ``payments`` are required; all others of the schema may be handed over.

        Returns
        -------
        Ledger

        Raises
        ------
        DataError
            D101 columns missing, D102 unknown table, D103 several currencies, D105 faults under ``strict``,
            and those of reading (D110–D120).
        """
        return _Builder(
            tables, extra or {}, columns or {}, lags or {}, timezone, currency, country, until, late_after_days,
            static or {},
        ).build(strict)  # fmt: skip

    @classmethod
    def from_invoices(
        cls,
        frame: Any,
        *,
        settled_on: str,
        columns: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Ledger:
        """Make a ledger from one table with one row per invoice and the day on which it was settled.

        Parameters
        ----------
        frame : DataFrame, Arrow table, or path of a Parquet or CSV file
            The columns of ``invoices``, plus the day of settlement.
        settled_on : str
            Name of that column, as it stands in ``frame``; empty while the invoice is open. It becomes a
            payment of the whole amount that names its invoice.
        columns : mapping of str to str, optional
            Their column name -> ours.
        **options
            As in `Ledger.from_tables`; further tables may be given too.

        Returns
        -------
        Ledger

        Examples
        --------
        >>> frame = pd.DataFrame(
        ...     {
        ...         "invoice_id": [1, 2],
        ...         "customer_id": [7, 7],
        ...         "issued_on": ["2026-03-01"] * 2,
        ...         "due_on": ["2026-03-15"] * 2,
        ...         "amount": [10, 20],
        ...         "paid": ["2026-03-14", None],
        ...     }
        ... )
        >>> len(Ledger.from_invoices(frame, settled_on="paid").frame("payments"))
        1
        """
        invoices = rename(read_frame(frame, "invoices"), "invoices", columns or {})
        if settled_on not in invoices.columns:
            raise DataError(
                f"settled_on={settled_on!r} is no column of the invoices.",
                code="D101",
                hint=suggest(settled_on, map(str, invoices.columns)),
            )
        missing = [name for name in ("invoice_id", "customer_id", "amount") if name not in invoices.columns]
        if missing:
            raise DataError(
                f"invoices lacks {', '.join(missing)}.",
                code="D101",
                hint=suggest(missing[0], map(str, invoices.columns)) + " Name yours in columns={theirs: ours}.",
            )
        paid = invoices[stated(invoices[settled_on])]
        payments = pd.DataFrame(
            {
                "payment_id": "settles " + paid["invoice_id"].astype("str"),
                "customer_id": paid["customer_id"],
                "invoice_id": paid["invoice_id"],
                "paid_on": paid[settled_on],
                "amount": paid["amount"],
            }
        )
        owed = pd.to_numeric(payments["amount"], errors="coerce").fillna(1) > 0
        return cls.from_tables(
            invoices=invoices.drop(columns=[settled_on]), payments=payments[owed].reset_index(drop=True), **options
        )

    # -- reading -----------------------------------------------------------------------------------------

    @property
    def faults(self) -> pd.DataFrame:
        """What was set aside, one row per fault."""
        return self._faults.copy()

    @property
    def until(self) -> pd.Timestamp:
        """The data are complete up to here."""
        return pd.Timestamp(np.datetime64(self._until, "us"))

    @property
    def until_us(self) -> int:
        """``until`` in microseconds."""
        return self._until

    @property
    def currency(self) -> str:
        """ISO code of the ledger's one currency."""
        return self._settings.currency

    @property
    def digits(self) -> int:
        """Decimals of the currency."""
        return self._settings.digits

    @property
    def timezone(self) -> str:
        """IANA zone of the wall clock."""
        return self._settings.timezone

    @property
    def country(self) -> str | None:
        """Where the biller works."""
        return self._settings.country

    @property
    def late_after_days(self) -> int:
        """Days after due from which a past invoice counts as late."""
        return self._settings.late_after_days

    @property
    def payment_lag_days(self) -> int:
        """Bank days until a payment reaches the ledger."""
        return self._settings.payment_lag_days

    @property
    def names(self) -> tuple[str, ...]:
        """Tables and streams that can be asked for."""
        return (*self._tables, *STREAMS)

    def facts(self, name: str) -> Facts:
        """Facts of a table or a stream.

        Parameters
        ----------
        name : str

        Returns
        -------
        Facts

        Raises
        ------
        DataError
            When there is no such table (code D102).
        """
        if name in STREAMS:
            found: Facts = getattr(self, name)
            return found
        if name not in self._tables:
            raise DataError(f"there is no table {name!r}.", code="D102", hint=suggest(name, self.names))
        return self._tables[name]

    def frame(self, name: str) -> pd.DataFrame:
        """The latest version of each checked row, as a frame.

        Parameters
        ----------
        name : str
            A table or a stream.

        Returns
        -------
        DataFrame
            The columns that were handed over, with ``happened_at`` and ``known_at``; all the schema's columns
            when the table was not handed over. Streams get ``customer_id``.
        """
        facts = self.facts(name).current()
        frame = facts.frame(self.digits)
        if name in STREAMS:
            ids = np.array([*self.customers, None], dtype=object)
            frame.insert(0, "customer_id", as_text(ids[facts.owner]))
        return frame

    def known_before(self, as_of: Any) -> Ledger:
        """The ledger as it was known strictly before a moment.

        Parameters
        ----------
        as_of : date-like
            A date means 00:00.

        Returns
        -------
        Ledger
            Rows not known yet are gone, cells filled in later are blank, replaced versions are back.
        """
        at = as_of if isinstance(as_of, int) else moment(as_of, self.timezone)
        return Ledger(
            {name: facts.known_before(at) for name, facts in self._tables.items()},
            settings=self._settings,
            customers=self.customers,
            regions=self.regions,
            until=min(self._until, at),
            faults=self._faults,
            notices=self.notices,
            given=self.given,
            static=self.static,
        )

    # -- derived -----------------------------------------------------------------------------------------

    @cached_property
    def debts(self) -> Debts:
        """Numbering of invoices and scheduled amounts."""
        return debts_of(self._tables)

    @cached_property
    def settlement(self) -> Settled:
        """Entries and debt states, see `earlywarn.tables.settlement`."""
        return Settled(*settle(settlement_events(self._tables, self.debts)))

    @cached_property
    def settlements(self) -> Facts:
        """One fact per invoice paid in full."""
        return streams.settlements(self.settlement.entries, self.settlement.states, self._tables["payments"])

    @cached_property
    def maturities(self) -> Facts:
        """One fact per invoice when it is clear whether it was late."""
        return streams.maturities(
            self.settlement.entries, self.settlement.states, self._tables["payments"], self.debts,
            late_after_days=self.late_after_days, lag_days=self.payment_lag_days, digits=self.digits,
        )  # fmt: skip

    @cached_property
    def balances(self) -> Facts:
        """One fact per change of what a debtor owes."""
        return streams.balances(self.settlement.states)

    @cached_property
    def returns(self) -> Facts:
        """One fact per payment that came back."""
        return streams.returns(self._tables["payments"])

    @cached_property
    def obligations(self) -> Facts:
        """Amounts that fall due, while they are known and unpaid."""
        return streams.obligations(
            self.settlement.states, self._tables["schedule"], self._tables["instalments"],
            n_invoices=len(self.debts.invoice_ids), replaced=self.settlement.replaced,
        )  # fmt: skip

    def __repr__(self) -> str:
        def counted(count: int, word: str) -> str:
            return f"{count:,} {word}" + ("" if count == 1 else "s")

        return (
            f"<Ledger: {counted(len(self.customers), 'customer')}, "
            f"{counted(len(self._tables['invoices'].current()), 'invoice')}, "
            f"{counted(len(self._tables['payments'].current()), 'payment')}, "
            f"{self.currency}, until {iso(self._until)}, {counted(len(self._faults), 'fault')}>"
        )


class _Builder:
    """Reads, checks and links the tables of one ledger, and gathers all faults on the way."""

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
        self.timezone = timezone
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
        self.late_after_days = late_after_days
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
            frame, lacking, unknown = rename_columns(read_frame(table, name), self.schemas[name], columns.get(name, {}))
            missing += lacking
            if unknown:
                self.notices.append(f"{name}: columns not in the schema were left aside: {', '.join(unknown)}.")
            frames[name] = frame
        if missing:
            raise DataError(
                "tables or columns are missing.",
                code="D101",
                found="\n       ".join(missing),
                hint="name yours in columns={table: {theirs: ours}}.",
            )
        return frames

    def check_lags(self, lags: Mapping[str, int]) -> dict[str, int]:
        for name in lags:
            if name not in self.schemas:
                raise DataError(f"lags names {name!r}.", code="D102", hint=suggest(name, self.schemas))
        return {name: lags.get(name, schema.lag_days) for name, schema in self.schemas.items()}

    def find_currency(self, asked: str | None) -> str:
        invoices = self.frames["invoices"]
        if "currency" not in invoices.columns:
            return asked or "EUR"
        found = sorted({str(word).strip() for word in invoices["currency"].dropna() if str(word).strip()})
        if asked is None and len(found) > 1:
            counts = invoices["currency"].value_counts()
            raise DataError(
                "invoices are in several currencies.",
                code="D103",
                found=", ".join(f"{word}: {int(counts[word])} rows" for word in found if word in counts.index),
                hint="make one ledger per currency, or name one in currency=… to set the others aside.",
            )
        return asked or (found[0] if found else "EUR")

    def build(self, strict: bool) -> Ledger:
        from babel.numbers import get_currency_precision

        digits = get_currency_precision(self.currency)
        tables = {name: self.checked(name, schema, digits) for name, schema in self.schemas.items()}
        tables["invoices"] = self.check_invoices(tables["invoices"])
        tables = {name: self.within_reach(facts) for name, facts in tables.items()}
        customers = _labels(tables, "customer_id")
        regions = _labels(tables, "region")
        for name in _in_order_of_parents(self.schemas):
            tables[name] = self.owned(tables, name, customers, regions)
        self.check_references(tables)
        faults = self.faults.frame()
        if strict and len(faults):
            raise _strict_error(faults, self.frames)
        if len(faults):
            log.info("%d rows or cells were set aside; see ledger.faults", len(faults))
        settings = _Settings(
            self.timezone, self.currency, self.country, self.late_after_days, self.lags["payments"], digits
        )
        return Ledger(
            tables,
            settings=settings,
            customers=customers,
            regions=regions,
            until=self.until if self.until is not None else _latest_known(tables),
            faults=faults,
            notices=tuple(self.notices),
            given=frozenset(self.frames),
            static=MappingProxyType(self.static),
        )

    def checked(self, name: str, schema: TableSchema, digits: int) -> Facts:
        frame = self.frames.get(name)
        if frame is None:
            return _empty_table(name)
        return check_table(schema, frame, self.faults, timezone=self.timezone, digits=digits, lag_days=self.lags[name])

    def check_invoices(self, invoices: Facts) -> Facts:
        """Due before issued, and another currency than the ledger's."""
        frame = self.frames["invoices"]
        early = invoices.moments("due_on") // US_PER_DAY < invoices.moments("issued_on") // US_PER_DAY
        early &= invoices.numbers("amount") > 0
        currency = invoices.text("currency")
        other = (currency.codes >= 0) & ~currency.is_word(self.currency)
        for mask, column, code, what in (
            (early, "due_on", "D104", "invoices.due_on is before issued_on"),
            (other & ~early, "currency", "D106", f"invoices.currency is not the ledger's {self.currency}"),
        ):
            rows = invoices.row[mask]
            self.faults.add("invoices", rows, column, code, what, frame[column].iloc[rows] if len(rows) else [])
        return invoices.take(~early & ~other)

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
            what = f"{facts.name}.{schema.time} lies after {iso(limit)}"
            self.faults.add(
                facts.name, rows, schema.time, "D145", what, self.frames[facts.name][schema.time].iloc[rows]
            )
        return facts.take(~ahead)

    def owned(
        self, tables: Mapping[str, Facts], name: str, customers: tuple[str, ...], regions: tuple[str, ...]
    ) -> Facts:
        """Give each fact its customer (or region); a child row is known no earlier than its parent."""
        facts, schema = tables[name], self.schemas[name]
        if name == "regions" or self.entity.get(name) == "region":
            return replace(facts, owner=_codes(facts.text("region"), regions), entity="region")
        if "customer_id" in schema.columns:
            return replace(facts, owner=_codes(facts.text("customer_id"), customers))
        assert schema.parent is not None
        column, parent_name = schema.parent
        parent = tables[parent_name]
        if parent_name == "accounts" and "accounts" not in self.frames:
            return replace(facts, owner=_codes(facts.text("account_id"), customers))
        owner, known, happened = _of_parent(facts.text(column), parent)
        dated = facts.happened_at if schema.time else np.where(facts.lasting, facts.happened_at, happened)
        no_moment = (facts.known_at == NAT) | (name == "instalments" and "known_at" not in self.frames.get(name, ()))
        return replace(
            facts,
            owner=owner,
            happened_at=np.asarray(dated, dtype=np.int64),
            known_at=np.where(no_moment, known, np.maximum(facts.known_at, known)),
        )

    def check_references(self, tables: Mapping[str, Facts]) -> None:
        """List references that lead nowhere; the rows themselves are kept."""
        invoices = tables["invoices"]
        owner_of = dict(zip(invoices.text("invoice_id").values().tolist(), invoices.owner.tolist(), strict=True))
        payments = tables["payments"]
        named = payments.text("invoice_id").values()
        for what, code, wrong in (
            ("names an invoice that is not there; kept as money without an invoice", "D151",
             [word is not None and word not in owner_of for word in named]),
            ("names an invoice of another debtor; kept as money without an invoice", "D152",
             [word in owner_of and owner_of[word] != owner for word, owner in zip(named, payments.owner, strict=True)]),
        ):  # fmt: skip
            mask = np.array(wrong, dtype=bool)
            if mask.any():
                self.faults.add(
                    "payments", payments.row[mask], "invoice_id", code, f"payments.invoice_id {what}", named[mask]
                )
        allocations = tables["allocations"].text("payment_id")
        unpaid = ~allocations.is_word(*payments.text("payment_id").labels)
        self.faults.add(
            "allocations", tables["allocations"].row[unpaid], "payment_id", "D154",
            "allocations.payment_id names a payment that is not there", allocations.values()[unpaid],
        )  # fmt: skip
        for name, facts in tables.items():
            lost = (facts.owner < 0) & (facts.entity == "customer")
            if lost.any() and self.schemas[name].parent:
                column, parent = self.schemas[name].parent or ("", "")
                what = f"{name}.{column} names a row that {parent} does not have"
                self.faults.add(name, facts.row[lost], column, "D153", what, facts.text(column).values()[lost])
        if "customers" in self.frames:
            known = set(tables["customers"].text("customer_id").labels)
            strange = [label for label in _labels(tables, "customer_id") if label not in known]
            if strange:
                who = f"{len(strange):,} customer{'s have' if len(strange) > 1 else ' has'} facts"
                self.notices.append(f"{who} but no row in customers, first: {strange[0]!r}; they are kept.")


@cache
def _empty_table(name: str) -> Facts:
    """A table that was not handed over: all columns of its schema, no row."""
    schema = TABLES[name]
    frame = pd.DataFrame({column: pd.Series(dtype="float64") for column in schema.columns if column != "known_at"})
    return check_table(schema, frame, Faults(), timezone="UTC", digits=0, lag_days=0)


def _today() -> int:
    return (dt.datetime.now(dt.UTC).date() - dt.date(1970, 1, 1)).days


def _labels(tables: Mapping[str, Facts], column: str) -> tuple[str, ...]:
    found: set[str] = set()
    for facts in tables.values():
        text = facts.text(column)
        found.update(text.labels[code] for code in np.unique(text.codes[text.codes >= 0]))
    return tuple(sorted(found))


def _codes(text: Text, labels: tuple[str, ...]) -> npt.NDArray[np.int64]:
    place = {label: code for code, label in enumerate(labels)}
    return np.array([place.get(label, -1) for label in text.labels] + [-1], dtype=np.int64)[text.codes]


def _of_parent(ids: Text, parent: Facts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Owner, first known moment and moment of happening of the parent row that each id names."""
    key = parent.columns[{"invoices": "invoice_id", "accounts": "account_id"}.get(parent.name, "arrangement_id")]
    assert isinstance(key, Text)
    order = np.argsort(parent.known_at, kind="stable")[::-1]
    owner = np.full(len(key.labels) + 1, -1, dtype=np.int64)
    known = np.full(len(key.labels) + 1, FOREVER, dtype=np.int64)
    happened = np.full(len(key.labels) + 1, NAT, dtype=np.int64)
    owner[key.codes[order]] = parent.owner[order]
    known[key.codes[order]] = parent.known_at[order]
    happened[key.codes[order]] = parent.happened_at[order]
    place = {label: code for code, label in enumerate(key.labels)}
    at = np.array([place.get(label, len(key.labels)) for label in ids.labels] + [len(key.labels)])[ids.codes]
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
        f"{len(faults):,} faults in the tables.",
        code="D105",
        found="\n       ".join(lines),
        hint="mend them, or leave strict=False to set these rows aside (they stay listed in ledger.faults).",
    )
