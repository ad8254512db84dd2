"""Writing a store: cut, check, settle bucket by bucket in a staging folder, then replace the manifest.

Folders are named by their content, so what was finished before a break is found again, an equal store has
equal files, and nothing that the old manifest names is touched before the new one stands.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd

from earlywarn.errors import DataError
from earlywarn.tables.store_bucket import build_bucket, build_shared
from earlywarn.tables.store_cut import Cut, connect
from earlywarn.tables.store_files import write_table
from earlywarn.tables.store_guests import find_guests, no_guests
from earlywarn.tables.store_manifest import MANIFEST, Manifest, Plan, file_record, read_manifest, write_manifest
from earlywarn.tables.store_plan import NO_CURRENCY, completed, count_of, names_read, schema_of
from earlywarn.tables.store_source import Handed, handed

__all__ = ["FACTS_PER_BUCKET", "ingest"]

log = logging.getLogger("earlywarn")
#: Rows of one bucket, where the number of buckets is not given.
FACTS_PER_BUCKET = 2_000_000
_STAGING, _GUESTS = "staging", "guests.parquet"
#: Share of the work that cutting is.
_CUT_SHARE = 0.4
#: Buckets that are checked at the same time; each takes about a gigabyte.
_AT_ONCE = 2
Report = Callable[[float], None]


def ingest(
    folder: Path,
    plan: Plan,
    before: Manifest | None,
    tables: Mapping[str, Any],
    columns: Mapping[str, Mapping[str, str]],
    *,
    buckets: int | None = None,
    progress: Report | None = None,
) -> None:
    """Write tables into a store, or add them to what it holds.

    Parameters
    ----------
    folder : Path
    plan : Plan
        With the settings and declarations; columns and currency are found here.
    before : Manifest, optional
        What the store holds already; None to write it anew.
    tables : mapping of str to table
        Those of the user's own included.
    columns : mapping of str to mapping
    buckets : int, optional
    progress : callable, optional
        Called with the finished share.
    """
    _refuse_other_content(folder)
    staging = folder / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    report = progress or (lambda share: None)
    sources = {name: handed(table, name) for name, table in tables.items() if table is not None}
    standing = before if before is not None else _standing(folder)
    try:
        with closing(connect(staging)) as duck:
            manifest = _ingested(duck, folder, plan, before, standing, sources, columns, buckets, report)
    except Exception:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    if manifest is not None:
        write_manifest(folder, manifest)
    _sweep(folder, before if manifest is None else manifest)
    report(1.0)


def _ingested(
    duck: Any,
    folder: Path,
    plan: Plan,
    before: Manifest | None,
    standing: Manifest | None,
    sources: Mapping[str, Handed],
    columns: Mapping[str, Mapping[str, str]],
    buckets: int | None,
    report: Report,
) -> Manifest | None:
    """The manifest of the store with the tables in it; None when they were the last that were loaded."""
    staging = folder / _STAGING
    names, notices = names_read(plan, before, sources, columns)
    relations = {
        name: sources[name].relation(duck, schema_of(name, plan), ours, staging) for name, ours in names.items()
    }
    counts = {name: count_of(duck, relation) for name, relation in relations.items()}
    if before is None:
        plan = replace(plan, buckets=buckets or max(1, ceil(sum(counts.values()) / FACTS_PER_BUCKET)))
    plan, more = completed(duck, plan, names, relations)
    cut = Cut(duck, plan, staging, _kept(folder, before))
    load = {name: cut.fingerprint(name, relation) for name, relation in relations.items() if before is not None}
    if before is not None and load and load == before.last_load and plan.until == before.plan.until:
        log.info("these tables were loaded last already; the store stays as it is.")
        return None
    past = before.rows if before is not None else {}
    for done, name in enumerate([name for name in cut.order() if name in relations], start=1):
        cut.add(name, relations[name], past.get(name, 0))
        report(_CUT_SHARE * done / (len(relations) + 1))
    report(_CUT_SHARE)
    rows = {name: past.get(name, 0) + counts.get(name, 0) for name in plan.given}
    said = _once([*_lasting_notices(before), *notices, *more])
    return replace(
        _finished(cut, folder, before, standing, list(relations), report), rows=rows, notices=said, last_load=load
    )


def _finished(
    cut: Cut, folder: Path, before: Manifest | None, standing: Manifest | None, added: list[str], report: Report
) -> Manifest:
    """Write the buckets that change, and what belongs to all of them; the manifest, but for what was handed over."""
    guests = find_guests(cut)
    files = {} if standing is None else dict(standing.files)
    touched = _touched(cut, before, guests, added, folder)
    records = _built(cut, folder, guests, touched, before, files, report)
    shared, regions = _shared(cut, folder, guests, files)
    places = (shared, *(record["folder"] for record in records))
    return Manifest(
        plan=cut.plan,
        rows={},
        buckets=records,
        shared=shared,
        regions=list(regions),
        notices=[],
        last_load={},
        files={name: record for name, record in sorted(files.items()) if name.partition("/")[0] in places},
    )


# -- buckets -------------------------------------------------------------------------------------------------


def _kept(folder: Path, before: Manifest | None) -> dict[tuple[str, int], list[Path]]:
    """Files of rows that the store holds, by table and bucket; those of regions in the first bucket."""
    from urllib.parse import unquote

    kept: dict[tuple[str, int], list[Path]] = {}
    if before is None:
        return kept
    for bucket, place in [*enumerate(record["folder"] for record in before.buckets), (0, before.shared)]:
        for name in sorted(before.files_of(place)):
            kind, table = name.split(".")[:2]
            if kind == "rows":
                kept.setdefault((unquote(table), bucket), []).append(folder / place / name)
    return kept


def _touched(cut: Cut, before: Manifest | None, guests: pd.DataFrame, added: list[str], folder: Path) -> list[int]:
    """Buckets whose content changes."""
    every = range(cut.plan.buckets)
    if before is None:
        return list(every)
    old, new = before.plan, cut.plan
    if replace(old, until=new.until, currencies=new.currencies) != new or (new.until or 0) < (old.until or 0):
        return list(every)
    touched = {bucket for bucket, record in enumerate(before.buckets) if record["ahead"]}
    touched |= {
        bucket for bucket in every for name in added if cut.new_files(name, bucket) and name not in new.regional
    }
    known = _read_guests(folder / before.shared)
    both = pd.concat([guests, known], ignore_index=True)
    changed = both[~both.duplicated(keep=False)]
    touched |= {int(bucket) for bucket in changed["bucket"]}
    return sorted(touched)


def _built(
    cut: Cut,
    folder: Path,
    guests: pd.DataFrame,
    touched: list[int],
    before: Manifest | None,
    files: dict[str, dict[str, Any]],
    report: Report,
) -> list[dict[str, Any]]:
    """What the manifest says of each bucket; those touched are written first, two at a time."""
    records = [dict(record) for record in before.buckets] if before else [{} for _ in range(cut.plan.buckets)]

    def build(bucket: int) -> dict[str, Any]:
        draft = folder / _STAGING / f"bucket-{bucket:05}"
        draft.mkdir()
        record = build_bucket(cut, bucket, guests, draft)
        return {**record, "folder": _settled(draft, folder, files)}

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for done, (bucket, record) in enumerate(zip(touched, pool.map(build, touched), strict=True), start=1):
            records[bucket] = record
            report(_CUT_SHARE + (1 - _CUT_SHARE) * done / (len(touched) + 1))
    finally:
        pool.shutdown(cancel_futures=True)
    return records


def _shared(
    cut: Cut, folder: Path, guests: pd.DataFrame, files: dict[str, dict[str, Any]]
) -> tuple[str, tuple[str, ...]]:
    """Write what belongs to every bucket: tables of regions, and the list of guests."""
    draft = folder / _STAGING / "shared"
    draft.mkdir()
    regions = build_shared(cut, draft)
    write_table({str(name): guests[name].to_numpy() for name in guests}, draft / _GUESTS)
    return _settled(draft, folder, files), regions


def _read_guests(place: Path) -> pd.DataFrame:
    found = pd.read_parquet(place / _GUESTS)
    return found.astype({"table": object}) if len(found) else no_guests()


def _settled(draft: Path, folder: Path, files: dict[str, dict[str, Any]]) -> str:
    """Give a finished folder the name of its content, and note its files; the same content has the same name."""
    found = {file.name: file_record(file) for file in sorted(draft.iterdir())}
    content = json.dumps({name: record["sha256"] for name, record in found.items()})
    place = f"{draft.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    if not any(name.startswith(f"{place}/") for name in list(files)):
        shutil.rmtree(folder / place, ignore_errors=True)  # what a broken run left
        draft.replace(folder / place)
    files.update({f"{place}/{name}": record for name, record in found.items()})
    return place


def _lasting_notices(before: Manifest | None) -> list[str]:
    return [note for note in before.notices if NO_CURRENCY not in note] if before else []


def _once(notices: list[str]) -> list[str]:
    return list(dict.fromkeys(notices))


# -- the folder ----------------------------------------------------------------------------------------------


def _standing(folder: Path) -> Manifest | None:
    """The store that is there and goes on to hold until it is replaced."""
    try:
        return read_manifest(folder)
    except DataError:
        return None


def _is_ours(path: Path) -> bool:
    return path.name in (MANIFEST, f"{MANIFEST}.new", _STAGING) or (
        path.is_dir() and path.name.startswith(("bucket-", "shared-"))
    )


def _refuse_other_content(folder: Path) -> None:
    """A store has a folder of its own, since what does not belong to it is removed."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{str(folder)!r} is a file.", code="D173", hint="name a folder for the store.")
    strange = sorted(path.name for path in folder.iterdir() if not _is_ours(path)) if folder.exists() else []
    if strange:
        raise DataError(
            f"the folder {str(folder)!r} holds other files.",
            code="D173",
            found=", ".join(strange[:5]),
            hint="name a new or empty folder for the store.",
        )


def _sweep(folder: Path, manifest: Manifest | None) -> None:
    """Remove what no manifest names: the staging folder and buckets that were replaced."""
    if manifest is None:
        return
    named = {manifest.shared, MANIFEST, *(record["folder"] for record in manifest.buckets)}
    for path in folder.iterdir():
        if path.name not in named:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
