"""The manifest of a store: what holds for all its buckets, and which files belong to it.

It is written last and replaced in one step, so a store is always the one of a finished load. It holds no
clock time and no path outside the store.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from earlywarn.dates import iso
from earlywarn.errors import DataError
from earlywarn.tables.intake import Intake

__all__ = [
    "FORMAT",
    "MANIFEST",
    "Manifest",
    "Plan",
    "digest_of",
    "file_record",
    "is_there",
    "read_manifest",
    "write_manifest",
]

#: Raised whenever the files of a store change their meaning.
FORMAT = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Plan:
    """How every bucket of a store is checked.

    Attributes
    ----------
    buckets : int
    timezone : str
    currency, asked_currency, country : str or None
    until : int or None, microseconds
        As stated; None when it is read from the data.
    late_after_days : int
    lags : mapping of str to int
    static : mapping of str to list of str
    extra : mapping of str to declaration
        Tables of the user's own.
    columns : mapping of str to list of str
        Columns of every table that was handed over.
    zoned : mapping of str to list of str
        Text columns of dates in which some value carries a zone.
    currencies : mapping of str to int
        Rows of each currency that invoices name.
    """

    buckets: int
    timezone: str
    currency: str | None
    late_after_days: int
    asked_currency: str | None = None
    country: str | None = None
    until: int | None = None
    lags: Mapping[str, int] = field(default_factory=dict)
    static: Mapping[str, list[str]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, list[str]] = field(default_factory=dict)
    zoned: Mapping[str, list[str]] = field(default_factory=dict)
    currencies: Mapping[str, int] = field(default_factory=dict)

    @property
    def given(self) -> tuple[str, ...]:
        """Tables that were handed over."""
        return tuple(self.columns)

    @property
    def regional(self) -> tuple[str, ...]:
        """Tables that belong to regions, and so to every bucket."""
        own = [name for name, rule in self.extra.items() if rule["entity"] == "region"]
        return tuple(name for name in ("regions", *own) if name in self.columns)

    def intake(self, frames: Mapping[str, Any], columns: Mapping[str, Mapping[str, str]] | None = None) -> Intake:
        """An intake of some frames under this plan."""
        own = {name: (frames[name], rule) for name, rule in self.extra.items() if name in frames}
        tables = {name: frame for name, frame in frames.items() if name not in own}
        until = None if self.until is None else iso(self.until)
        return Intake(
            tables, own, columns or {}, dict(self.lags), self.timezone, self.currency,
            self.country, until, self.late_after_days, self.static,
        )  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """What a store holds.

    Attributes
    ----------
    plan : Plan
    rows : mapping of str to int
        Rows of each table that were handed over so far.
    buckets : list of mapping
        Of each bucket: its folder, how many customers and facts it holds, the latest moment at which one of its
        invoices or payments became known, and debtors without a row in ``customers``.
    shared : str
        Folder of what belongs to every bucket.
    regions : list of str
    notices : list of str
    last_load : mapping of str to list
        Fingerprint of the rows that were loaded last.
    files : mapping of str to mapping
        Every file of the store: bytes, rows, sha256.
    rows_begin : int
        What is added to the rows handed over so far to number those of a later load. Not 0 where buckets came one by
        one: their rows are numbered bucket by bucket, up to here.
    """

    plan: Plan
    rows: Mapping[str, int]
    buckets: list[dict[str, Any]]
    shared: str
    regions: list[str]
    notices: list[str]
    last_load: Mapping[str, Any]
    files: Mapping[str, dict[str, Any]]
    rows_begin: int = 0

    def files_of(self, folder: str) -> list[str]:
        """Names of the files of one folder of the store."""
        return [name.partition("/")[2] for name in self.files if name.startswith(folder + "/")]


def file_record(path: Path) -> dict[str, Any]:
    """Size, rows and SHA-256 of a Parquet file."""
    import pyarrow.parquet as pq

    return {"bytes": path.stat().st_size, "rows": pq.read_metadata(path).num_rows, "sha256": digest_of(path)}


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a store in one step."""
    content = json.dumps({"format": FORMAT, **asdict(manifest)}, ensure_ascii=False, sort_keys=True, indent=1)
    draft = folder / f"{MANIFEST}.new"
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a store that is complete.

    Raises
    ------
    DataError
        D170 no store or a half-written one, D171 another format version, D172 files that are gone or changed.
    """
    path = folder / MANIFEST
    again = "write it again with LedgerStore.write(path, invoices=…, payments=…)."
    if not path.is_file():
        begun = folder.is_dir() and any(folder.iterdir())
        what = "was not written to its end" if begun else "is no store"
        raise DataError(f"{str(folder)!r} {what}: it has no {MANIFEST}.", code="D170", hint=again)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format")
    except (ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{MANIFEST} of {str(folder)!r} cannot be read.", code="D170", hint=again) from error
    if version != FORMAT:
        raise DataError(
            f"the store {str(folder)!r} has format {version}; this version reads format {FORMAT}.",
            code="D171",
            hint=f"its tables are needed once more: {again}",
        )
    manifest = Manifest(**{**content, "plan": Plan(**content["plan"])})
    wrong = [name for name, record in manifest.files.items() if not is_there(folder / name, record)]
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(manifest.files)} files of the store {str(folder)!r} are gone or changed.",
            code="D172",
            found=", ".join(wrong[:3]),
            hint=again,
        )
    return manifest


def is_there(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether a file of a store is there, as long as it was written."""
    return path.is_file() and path.stat().st_size == record["bytes"]
