"""LedgerStore: the ledger of more debtors than fit in memory, cut into buckets on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import iso, moment
from earlywarn.tables.checks import text_of
from earlywarn.tables.fingerprint import fingerprint_of_files
from earlywarn.tables.schema import STREAMS
from earlywarn.tables.store_bucket import file_of
from earlywarn.tables.store_buckets import bucket_of
from earlywarn.tables.store_files import read_labels
from earlywarn.tables.store_manifest import Plan, digest_of, read_manifest
from earlywarn.tables.store_plan import refuse_number
from earlywarn.tables.store_read import StoredLedger, latest, open_bucket, read_faults, strangers_notice
from earlywarn.tables.store_write import ingest

__all__ = ["LedgerStore"]


class LedgerStore:
    """Checked and settled tables in buckets of debtors, each of which opens as a `Ledger`.

    Write one with `LedgerStore.write`, add to it with `load`. A store is a folder of Parquet files; it stays
    as it was until a load is finished.

    Parameters
    ----------
    path : str or path
        Folder of a store that was written.

    Raises
    ------
    DataError
        D170 when there is no store or it was not written to its end, D171 when another format version wrote it,
        D172 when files of it are gone.

    Examples
    --------
    >>> import tempfile
    >>> invoices = pd.DataFrame(
    ...     {
    ...         "invoice_id": ["A", "B"],
    ...         "customer_id": ["c1", "c2"],
    ...         "issued_on": ["2026-03-01"] * 2,
    ...         "due_on": ["2026-03-15"] * 2,
    ...         "amount": [50.0, 70.0],
    ...     }
    ... )
    >>> payments = pd.DataFrame(
    ...     {"payment_id": ["p"], "customer_id": ["c1"], "paid_on": ["2026-03-20"], "amount": [50.0]}
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = LedgerStore.write(folder, invoices=invoices, payments=payments, buckets=2)
    ...     print(store)
    ...     print([ledger.customers for ledger in store.buckets()])
    ...     store.ledger_of("c1").settlements.columns["days_beyond_terms"]
    <LedgerStore: 2 customers in 2 buckets, 3 facts, EUR, until 2026-03-23 23:59:59.999999, 0 faults>
    [('c2',), ('c1',)]
    array([5.])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)
        self._labels: dict[tuple[str, str], tuple[str, ...]] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> LedgerStore:
        """Open a store; the same as ``LedgerStore(path)``.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        LedgerStore
        """
        return cls(path)

    @classmethod
    def write(
        cls,
        path: str | os.PathLike[str],
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
        buckets: int | None = None,
        progress: Callable[[float], None] | None = None,
        **tables: Any,
    ) -> LedgerStore:
        """Check and settle tables larger than memory and write them as a store.

        The result is that of `Ledger.from_tables`, cut into buckets. A store that is there already is replaced
        once the new one is finished; broken off at any moment, it can be started again.

        Parameters
        ----------
        path : str or path
            A folder of its own.
        extra : mapping of str to (table, schema), optional
        columns : mapping of str to mapping, optional
        timezone : str
        currency, country : str, optional
        until : date-like, optional
        late_after_days : int
        lags : mapping of str to int, optional
        static : mapping of str to sequence of str, optional
            All as in `Ledger.from_tables`.
        buckets : int, optional
            Into how many buckets debtors are cut; by default one for every two million rows.
        progress : callable, optional
            Called with the finished share, 0 to 1.
        **tables : path of a file, a folder or a pattern, DataFrame or Arrow table
            Parquet or CSV files; ``invoices`` and ``payments`` are required, all others of the schema may be
            handed over.

        Returns
        -------
        LedgerStore

        Raises
        ------
        DataError
            As `Ledger.from_tables`; D116 when a file cannot be read, D173 when the folder holds other files, D174
            ids that are neither text nor numbers, D175 a number of buckets that is not possible, D177 while something
            else is being written to the store, D176 when that finished meanwhile.
        """
        refuse_number(buckets)
        own = dict(extra or {})
        plan = Plan(
            buckets=buckets or 1,
            timezone=timezone,
            currency=None,
            late_after_days=late_after_days,
            asked_currency=currency,
            country=country,
            until=_stated(until, timezone),
            lags=dict(lags or {}),
            static={name: list(listed) for name, listed in (static or {}).items()},
            extra={name: dict(rule) for name, (_, rule) in own.items()},
        )
        handed = {**tables, **{name: table for name, (table, _) in own.items()}}
        ingest(Path(path), plan, None, handed, columns or {}, buckets=buckets, progress=progress)
        return cls(path)

    def load(
        self,
        *,
        extra: Mapping[str, tuple[Any, Mapping[str, Any]]] | None = None,
        columns: Mapping[str, Mapping[str, str]] | None = None,
        until: Any = None,
        progress: Callable[[float], None] | None = None,
        **tables: Any,
    ) -> LedgerStore:
        """Add new facts, and corrections with a later ``known_at``; only the buckets concerned are rewritten.

        The result is that of writing all tables at once, these rows below those before. The same tables twice
        in a row are taken for a load that broke off after its end, and change nothing.

        Parameters
        ----------
        extra : mapping of str to (table, schema), optional
        columns : mapping of str to mapping, optional
            As in `write`. A table or a column that the store did not have concerns every bucket.
        until : date-like, optional
            The data are complete up to here now; left out, what was stated before goes on to hold.
        progress : callable, optional
            Called with the finished share, 0 to 1.
        **tables : path of a file, a folder or a pattern, DataFrame or Arrow table

        Returns
        -------
        LedgerStore
            The store as it is now; this object goes on to show it as it was opened.

        Raises
        ------
        DataError
            As `write`.
        """
        before = read_manifest(self.path)
        own = dict(extra or {})
        rules = {**before.plan.extra, **{name: dict(rule) for name, (_, rule) in own.items()}}
        plan = replace(before.plan, extra=rules)
        if until is not None:
            plan = replace(plan, until=_stated(until, plan.timezone))
        handed = {**tables, **{name: table for name, (table, _) in own.items()}}
        ingest(self.path, plan, before, handed, columns or {}, progress=progress)
        return LedgerStore(self.path)

    # -- reading -----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.manifest.buckets)

    def buckets(self) -> Iterator[StoredLedger]:
        """The ledger of each bucket, one after the other; columns are read when they are asked for.

        Yields
        ------
        Ledger
        """
        for bucket in range(len(self)):
            yield self.bucket(bucket)

    def bucket(self, number: int) -> StoredLedger:
        """The ledger of one bucket.

        Parameters
        ----------
        number : int
            From 0 on, below the length of the store.

        Returns
        -------
        Ledger

        Raises
        ------
        IndexError
            No such bucket.
        """
        return open_bucket(self.path, self.manifest, number)

    def bucket_of(self, customer_ids: Iterable[Any]) -> npt.NDArray[np.int64]:
        """Number of the bucket of each debtor, whether the store knows the debtor or not.

        Parameters
        ----------
        customer_ids : iterable of str, length n
            Read as tables are: 7 and 7.0 are "7", blanks around an id are no part of it.

        Returns
        -------
        ndarray of int64, shape (n,)
        """
        ids = customer_ids if isinstance(customer_ids, pd.Series) else pd.Series(list(customer_ids), dtype=object)
        return bucket_of(text_of(ids).values(), len(self))

    def ledger_of(self, customer_id: str) -> StoredLedger:
        """The ledger of the bucket in which a debtor is.

        Parameters
        ----------
        customer_id : str
            As in `bucket_of`.

        Returns
        -------
        Ledger
        """
        return self.bucket(int(self.bucket_of([customer_id])[0]))

    def labels(self, table: str, column: str) -> tuple[str, ...]:
        """All texts of a column over all buckets, sorted.

        Parameters
        ----------
        table : str
            A table or a stream.
        column : str

        Returns
        -------
        tuple of str
            Those of rows that were set aside included; empty when there is no such column of text.
        """
        if (table, column) not in self._labels:
            name = file_of("stream" if table in STREAMS else "facts", table)
            folders = [self.manifest.shared, *(record["folder"] for record in self.manifest.buckets)]
            found = {word for folder in folders for word in read_labels(self.path / folder, name, column)}
            self._labels[table, column] = tuple(sorted(found))
        return self._labels[table, column]

    def verify(self) -> tuple[str, ...]:
        """Read every file and compare it with the manifest.

        Returns
        -------
        tuple of str
            Files whose content is not what was written; empty when all is well.
        """
        recorded = self.manifest.files.items()
        return tuple(name for name, record in recorded if digest_of(self.path / name) != record["sha256"])

    @property
    def customers(self) -> int:
        """Number of debtors."""
        return sum(record["customers"] for record in self.manifest.buckets)

    @property
    def facts(self) -> int:
        """Number of facts in all tables of debtors."""
        return sum(record["facts"] for record in self.manifest.buckets)

    @cached_property
    def faults(self) -> pd.DataFrame:
        """What was set aside, as `Ledger.faults`; rows are counted over all loads."""
        folders = [self.manifest.shared, *(record["folder"] for record in self.manifest.buckets)]
        every = [read_faults(self.path / folder) for folder in folders]
        frame = pd.concat([part for part in every if len(part)] or every[:1])
        return frame.sort_values(["table", "row", "column", "code"], kind="stable", ignore_index=True)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was assumed or left out, in words."""
        records = self.manifest.buckets
        found = [*self.manifest.notices, *(note for record in records for note in record["notices"])]
        return (*dict.fromkeys(found), *strangers_notice(records))

    @property
    def given(self) -> frozenset[str]:
        """Tables that were handed over."""
        return frozenset(self.manifest.plan.given)

    @property
    def until(self) -> pd.Timestamp:
        """The data are complete up to here."""
        return pd.Timestamp(np.datetime64(self.until_us, "us"))

    @property
    def until_us(self) -> int:
        """``until`` in microseconds."""
        return latest(self.manifest)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the hashes of the store's files, as they stand: another one after every load."""
        return fingerprint_of_files(self.manifest.files)

    @property
    def currency(self) -> str:
        """ISO code of the store's one currency."""
        return self.manifest.plan.currency or "EUR"

    @property
    def timezone(self) -> str:
        """IANA zone of the wall clock."""
        return self.manifest.plan.timezone

    @property
    def country(self) -> str | None:
        """Where the biller works."""
        return self.manifest.plan.country

    def __repr__(self) -> str:
        faults = sum(record["rows"] for name, record in self.manifest.files.items() if name.endswith("/faults.parquet"))
        return (
            f"<LedgerStore: {_counted(self.customers, 'customer')} in {_counted(len(self), 'bucket')}, "
            f"{_counted(self.facts, 'fact')}, {self.currency}, until {iso(self.until_us)}, {_counted(faults, 'fault')}>"
        )


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _stated(until: Any, timezone: str) -> int | None:
    return None if until is None else moment(until, timezone)
