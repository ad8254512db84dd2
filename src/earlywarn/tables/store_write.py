"""Writing a store: cut, check, settle bucket by bucket in a staging folder, then replace the manifest.

Folders are named by their content, so what was finished before a break is found again, an equal store has
equal files, and nothing that the old manifest names is touched before the new one stands.
"""

from __future__ import annotations

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
from earlywarn.tables.store_bucket import RowsOf, build_bucket, build_shared
from earlywarn.tables.store_cut import Cut, connect
from earlywarn.tables.store_files import write_table
from earlywarn.tables.store_folder import (
    STAGING,
    refuse_other_content,
    refuse_what_came_between,
    settled,
    standing_in,
    sweep,
)
from earlywarn.tables.store_guests import find_guests, no_guests
from earlywarn.tables.store_lock import locked
from earlywarn.tables.store_manifest import Manifest, Plan, write_manifest
from earlywarn.tables.store_plan import NO_CURRENCY, completed, count_of, names_read, schema_of
from earlywarn.tables.store_source import Handed, handed

__all__ = ["FACTS_PER_BUCKET", "ingest", "manifest_of", "put", "write_shared"]

log = logging.getLogger("earlywarn")
#: Rows of one bucket, where the number of buckets is not given.
FACTS_PER_BUCKET = 2_000_000
_GUESTS = "guests.parquet"
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

    Raises
    ------
    DataError
        D173 when the folder holds other files, D176 when another load finished meanwhile, D177 while one is at work.
    """
    sources = {name: handed(table, name) for name, table in tables.items() if table is not None}
    report = progress or (lambda share: None)

    def made(standing: Manifest | None) -> Manifest | None:
        with closing(connect(folder / STAGING)) as duck:
            return _ingested(duck, folder, plan, before, standing, sources, columns, buckets, report)

    put(folder, before, made)
    report(1.0)


def put(folder: Path, before: Manifest | None, make: Callable[[Manifest | None], Manifest | None]) -> None:
    """Let a manifest and its files be made while nobody else writes to a store, and put it in the place of the last.

    Parameters
    ----------
    folder : Path
    before : Manifest, optional
        What is added to; None to write a store anew.
    make : callable
        Takes what stands in the folder and gives what shall stand there, or None to leave it.

    Raises
    ------
    DataError
        D173 when the folder holds other files, D176 when another load finished meanwhile, D177 while one is at work.
    """
    refuse_other_content(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        _put(folder, before, make)


def _put(folder: Path, before: Manifest | None, make: Callable[[Manifest | None], Manifest | None]) -> None:
    standing = before if before is not None else standing_in(folder)
    refuse_what_came_between(folder, standing, before)
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        manifest = make(standing)
        refuse_what_came_between(folder, standing, manifest)
    except Exception as error:
        shutil.rmtree(staging, ignore_errors=True)
        if not isinstance(error, DataError):
            refuse_what_came_between(folder, standing, None)
        raise
    if manifest is not None:
        write_manifest(folder, manifest)
    sweep(folder, before if manifest is None else manifest)


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
    staging = folder / STAGING
    names, notices = names_read(plan, before, sources, columns)
    relations, counts = {}, {}
    for name, ours in names.items():
        with sources[name].readable():
            relations[name] = sources[name].relation(duck, schema_of(name, plan), ours, staging)
            counts[name] = count_of(duck, relations[name])
    if before is None:
        plan = replace(plan, buckets=buckets or max(1, ceil(sum(counts.values()) / FACTS_PER_BUCKET)))
    plan, more = completed(duck, plan, names, relations, sources)
    cut = Cut(duck, plan, staging, _kept(folder, before))
    load = {} if before is None else _fingerprints(cut, relations, sources)
    if before is not None and load and load == before.last_load and plan.until == before.plan.until:
        log.info("these tables were loaded last already; the store stays as it is.")
        return None
    past, begin = (before.rows, before.rows_begin) if before is not None else ({}, 0)
    for done, name in enumerate([name for name in cut.order() if name in relations], start=1):
        with sources[name].readable():
            cut.add(name, relations[name], begin + past.get(name, 0))
        report(_CUT_SHARE * done / (len(relations) + 1))
    report(_CUT_SHARE)
    rows = {name: past.get(name, 0) + counts.get(name, 0) for name in plan.given}
    said = _once([*_lasting_notices(before), *notices, *more])
    return replace(
        _finished(cut, folder, before, standing, list(relations), report),
        rows=rows, notices=said, last_load=load, rows_begin=begin,
    )  # fmt: skip


def _fingerprints(cut: Cut, relations: Mapping[str, str], sources: Mapping[str, Handed]) -> dict[str, list[int]]:
    found = {}
    for name, relation in relations.items():
        with sources[name].readable():
            found[name] = cut.fingerprint(name, relation)
    return found


def _finished(
    cut: Cut, folder: Path, before: Manifest | None, standing: Manifest | None, added: list[str], report: Report
) -> Manifest:
    """Write the buckets that change, and what belongs to all of them; the manifest, but for what was handed over."""
    guests = find_guests(cut)
    files = {} if standing is None else dict(standing.files)
    touched = _touched(cut, before, guests, added, folder)
    records = _built(cut, folder, guests, touched, before, files, report)
    shared, regions = write_shared(cut.plan, cut.rows_of, folder, guests, files)
    return manifest_of(cut.plan, records, shared, regions, files)


def manifest_of(
    plan: Plan, records: list[dict[str, Any]], shared: str, regions: tuple[str, ...], files: Mapping[str, Any]
) -> Manifest:
    """A manifest of buckets that were built, but for what was handed over."""
    places = (shared, *(record["folder"] for record in records))
    return Manifest(
        plan=plan,
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
        draft = folder / STAGING / f"bucket-{bucket:05}"
        draft.mkdir()
        record = build_bucket(cut.plan, cut.rows_of, bucket, guests, draft)
        return {**record, "folder": settled(draft, folder, files)}

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for done, (bucket, record) in enumerate(zip(touched, pool.map(build, touched), strict=True), start=1):
            records[bucket] = record
            report(_CUT_SHARE + (1 - _CUT_SHARE) * done / (len(touched) + 1))
    finally:
        pool.shutdown(cancel_futures=True)
    return records


def write_shared(
    plan: Plan, rows_of: RowsOf, folder: Path, guests: pd.DataFrame, files: dict[str, dict[str, Any]]
) -> tuple[str, tuple[str, ...]]:
    """Write what belongs to every bucket: tables of regions, and the list of guests; its folder, and all regions."""
    draft = folder / STAGING / "shared"
    draft.mkdir()
    regions = build_shared(plan, rows_of, draft)
    write_table({str(name): guests[name].to_numpy() for name in guests}, draft / _GUESTS)
    return settled(draft, folder, files), regions


def _read_guests(place: Path) -> pd.DataFrame:
    found = pd.read_parquet(place / _GUESTS)
    return found.astype({"table": object}) if len(found) else no_guests()


def _lasting_notices(before: Manifest | None) -> list[str]:
    return [note for note in before.notices if NO_CURRENCY not in note] if before else []


def _once(notices: list[str]) -> list[str]:
    return list(dict.fromkeys(notices))
