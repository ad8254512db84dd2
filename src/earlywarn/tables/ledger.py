"""The Ledger: checked tables of one biller, settled, as dated facts that can be cut at any moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import iso, moment
from earlywarn.errors import DataError, suggest
from earlywarn.tables import streams
from earlywarn.tables.balances import balances
from earlywarn.tables.checks import stated
from earlywarn.tables.events import Debts, debts_of, settlement_events
from earlywarn.tables.facts import Facts, as_text
from earlywarn.tables.fingerprint import fingerprint_of_facts
from earlywarn.tables.intake import Checked, Intake
from earlywarn.tables.maturities import maturities
from earlywarn.tables.postings import Entries, States
from earlywarn.tables.read import read_frame, rename
from earlywarn.tables.reads import with_days_covered
from earlywarn.tables.schema import STREAMS
from earlywarn.tables.settlement import settle

__all__ = ["Ledger", "Settled"]


class Settled(NamedTuple):
    """What settlement found: entries, states of debts, scheduled debts that an invoice replaced."""

    entries: Entries
    states: States
    replaced: Mapping[int, int]


class Ledger:
    """Checked billing tables as dated facts; it does not change after construction.

    Make one with `Ledger.from_tables` or `Ledger.from_invoices`; the constructor takes tables that were checked.

    Parameters
    ----------
    checked : Checked

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

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._tables = checked.tables
        self._settings = checked.settings

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
        intake = Intake(
            tables, extra or {}, columns or {}, lags or {}, timezone, currency, country, until, late_after_days,
            static or {},
        )  # fmt: skip
        return cls(intake.check(strict=strict))

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
        return self._checked.faults.copy()

    @property
    def customers(self) -> tuple[str, ...]:
        """Ids of all debtors, sorted; ``owner`` codes of facts point here."""
        return self._checked.customers

    def owners(self, customers: Any) -> npt.NDArray[np.int64]:
        """Places of customers among `customers`, as ``owner`` codes of facts; -1 for who is not there.

        Parameters
        ----------
        customers : array-like of str, shape (n,)

        Returns
        -------
        ndarray of int64, shape (n,)
        """
        asked = pd.Index(np.asarray(customers, dtype=object))
        return np.asarray(pd.Index(self.customers).get_indexer(asked), dtype=np.int64)

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of all regions, sorted; ``owner`` codes of regional facts point here."""
        return self._checked.regions

    @property
    def notices(self) -> tuple[str, ...]:
        """What was assumed or left out, in words."""
        return self._checked.notices

    @property
    def given(self) -> frozenset[str]:
        """Tables that were handed over."""
        return self._checked.given

    @property
    def static(self) -> Mapping[str, tuple[str, ...]]:
        """Columns of lasting tables whose value of today may stand for the past."""
        return self._checked.static

    @property
    def until(self) -> pd.Timestamp:
        """The data are complete up to here."""
        return pd.Timestamp(np.datetime64(self._checked.until, "us"))

    @property
    def until_us(self) -> int:
        """``until`` in microseconds."""
        return self._checked.until

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
    def fingerprint(self) -> str:
        """SHA-256 of the facts: the same data, the same name."""
        checked = self._checked
        return fingerprint_of_facts(checked.tables, checked.customers, checked.until, checked.settings)

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
        return self._usage if name == "usage" else self._tables[name]

    @cached_property
    def _usage(self) -> Facts:
        return with_days_covered(self._tables["usage"])

    def frame(self, name: str) -> pd.DataFrame:
        """The latest version of each checked row, as a frame.

        Parameters
        ----------
        name : str
            A table or a stream.

        Returns
        -------
        DataFrame
            The columns that were handed over, with ``happened_at`` and ``known_at``, in the order of the rows
            that were handed over; all the schema's columns when the table was not. Streams get ``customer_id``
            and stand in the order of debtors and time.
        """
        facts = self.facts(name) if name in STREAMS or name not in self._tables else self._tables[name]
        facts = facts.current()
        if name not in STREAMS:
            facts = facts.take(np.argsort(facts.row, kind="stable"))
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
        cut = {name: facts.known_before(at) for name, facts in self._tables.items()}
        return Ledger(replace(self._checked, tables=MappingProxyType(cut), until=min(self._checked.until, at)))

    def table(self, name: str) -> Facts:
        """Facts of a table as they were checked, without what is worked out of them.

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
        self.facts(name)  # refuses a name that is not there
        return self._tables[name]

    def of_customers(self, customers: Any) -> Ledger:
        """The facts of some debtors, and of all regions.

        Parameters
        ----------
        customers : iterable of str

        Returns
        -------
        Ledger
            `customers` stays the list of all, so that codes mean the same.
        """
        wanted = np.zeros(len(self.customers) + 1, dtype=bool)
        wanted[self.owners(list(customers))] = True
        wanted[-1] = False  # of nobody known
        return self.with_tables(
            {
                name: facts.take(wanted[facts.owner])
                for name, facts in self._tables.items()
                if facts.entity == "customer"
            }
        )

    def with_tables(self, tables: Mapping[str, Facts]) -> Ledger:
        """The same ledger with other facts in some tables; streams are worked out anew.

        Parameters
        ----------
        tables : mapping of str to Facts

        Returns
        -------
        Ledger
        """
        return Ledger(replace(self._checked, tables=MappingProxyType({**self._tables, **tables})))

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
        return maturities(
            self.settlement.entries, self.settlement.states, self._tables["payments"], self.debts,
            late_after_days=self.late_after_days, lag_days=self.payment_lag_days, digits=self.digits,
        )  # fmt: skip

    @cached_property
    def balances(self) -> Facts:
        """One fact per change of what a debtor owes."""
        return balances(self.settlement.entries, self.settlement.states)

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

    def __reduce__(self) -> tuple[Any, ...]:
        return Ledger, (self._checked,)

    def __repr__(self) -> str:
        def counted(count: int, word: str) -> str:
            return f"{count:,} {word}" + ("" if count == 1 else "s")

        return (
            f"<Ledger: {counted(len(self.customers), 'customer')}, "
            f"{counted(len(self._tables['invoices'].current()), 'invoice')}, "
            f"{counted(len(self._tables['payments'].current()), 'payment')}, "
            f"{self.currency}, until {iso(self._checked.until)}, {counted(len(self._checked.faults), 'fault')}>"
        )
