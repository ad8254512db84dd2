"""A bucket of a store as a ledger: facts and streams are read from its files, column by column, when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from earlywarn.tables.checks import Faults
from earlywarn.tables.facts import Facts
from earlywarn.tables.intake import Checked, Settings, _empty_table
from earlywarn.tables.ledger import Ledger, Settled
from earlywarn.tables.postings import Entries, States
from earlywarn.tables.schema import STATIC, TABLES
from earlywarn.tables.store_bucket import file_of
from earlywarn.tables.store_files import Lazy, opened, read_arrays, read_facts
from earlywarn.tables.store_manifest import Manifest

__all__ = ["StoredLedger", "open_bucket", "read_faults"]


class StoredLedger(Ledger):
    """The ledger of one bucket. What was settled when the store was written is read, not settled again.

    Parameters
    ----------
    checked : Checked
    place : Path
        The store's folder.
    manifest : Manifest
    bucket : int
    """

    def __init__(self, checked: Checked, place: Path, manifest: Manifest, bucket: int) -> None:
        super().__init__(checked)
        self._origin = place, manifest, bucket
        self._folder = place / manifest.buckets[bucket]["folder"]

    def _stream(self, name: str) -> Facts:
        return read_facts(self._folder, file_of("stream", name))

    @cached_property
    def settlement(self) -> Settled:
        """Entries and debt states."""
        entries, states, replaced = (
            read_arrays(self._folder / f"{file_of('settled', name)}.parquet")
            for name in ("entries", "states", "replaced")
        )
        pairs = zip(replaced["plan"].tolist(), replaced["invoice"].tolist(), strict=True)
        return Settled(Entries(**entries), States(**states), dict(pairs))

    @cached_property
    def settlements(self) -> Facts:
        """One fact per invoice paid in full."""
        return self._stream("settlements")

    @cached_property
    def maturities(self) -> Facts:
        """One fact per invoice when it is clear whether it was late."""
        return self._stream("maturities")

    @cached_property
    def balances(self) -> Facts:
        """One fact per change of what a debtor owes."""
        return self._stream("balances")

    @cached_property
    def returns(self) -> Facts:
        """One fact per payment that came back."""
        return self._stream("returns")

    @cached_property
    def obligations(self) -> Facts:
        """Amounts that fall due, while they are known and unpaid."""
        return self._stream("obligations")

    def __reduce__(self) -> tuple[Any, ...]:
        return open_bucket, self._origin


def open_bucket(place: Path, manifest: Manifest, bucket: int) -> StoredLedger:
    """The ledger of one bucket of a store.

    Parameters
    ----------
    place : Path
        The store's folder.
    manifest : Manifest
    bucket : int

    Returns
    -------
    StoredLedger
    """
    plan = manifest.plan
    shared = place / manifest.shared
    folder = place / manifest.buckets[bucket]["folder"]

    def table(name: str) -> Facts:
        if name not in plan.given:
            return _empty_table(name)
        return read_facts(shared if name in plan.regional else folder, file_of("facts", name))

    with opened(folder / "debtors.parquet") as file:
        customers = tuple(file.read().column(0).to_pylist())
    checked = Checked(
        tables=Lazy([*TABLES, *(name for name in plan.given if name not in TABLES)], table),
        settings=_settings(manifest),
        customers=customers,
        regions=tuple(manifest.regions),
        until=latest(manifest),
        faults=read_faults(folder),
        notices=tuple(manifest.notices),
        given=frozenset(plan.given),
        static=MappingProxyType({name: (*STATIC[name], *plan.static.get(name, ())) for name in STATIC}),
    )
    return StoredLedger(checked, place, manifest, bucket)


def _settings(manifest: Manifest) -> Settings:
    from babel.numbers import get_currency_precision

    plan = manifest.plan
    currency = plan.currency or "EUR"
    lag = plan.lags.get("payments", TABLES["payments"].lag_days)
    return Settings(plan.timezone, currency, plan.country, plan.late_after_days, lag, get_currency_precision(currency))


def latest(manifest: Manifest) -> int:
    """The moment up to which the data are complete, in microseconds."""
    if manifest.plan.until is not None:
        return manifest.plan.until
    return max((record["latest"] for record in manifest.buckets if record["latest"] is not None), default=0)


def read_faults(folder: Path) -> pd.DataFrame:
    """Faults of one bucket."""
    path = folder / "faults.parquet"
    none = Faults().frame()
    found = pd.read_parquet(path) if path.is_file() else none
    return found[list(none.columns)] if len(found) else none


def strangers_notice(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What a ledger says of debtors without a row in ``customers``, over all buckets."""
    count = sum(record["strangers"][0] for record in records)
    first = min((record["strangers"][1] for record in records if record["strangers"][0]), default="")
    if not count:
        return ()
    who = f"{count:,} customer{'s have' if count > 1 else ' has'} facts"
    return (f"{who} but no row in customers, first: {first!r}; they are kept.",)
