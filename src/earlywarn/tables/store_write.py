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
from earlywarn.tables.store_folder import (
    STAGING,
    refuse_other_content,
    refuse_what_came_between,
    standing_in,
    sweep,
)
from earlywarn.tables.store_guests import find_guests, no_guests
from earlywarn.tables.store_lock import locked
from earlywarn.tables.store_manifest import Manifest, Plan, digest_of, file_record, write_manifest
from earlywarn.tables.store_plan import NO_CURRENCY, completed, count_of, names_read, schema_of
from earlywarn.tables.store_source import Handed, handed

__all__ = ["FACTS_PER_BUCKET", "ingest"]

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
    refuse_other_content(folder)
    sources = {name: handed(table, name) for name, table in tables.items() if table is not None}
    report = progress or (lambda share: None)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        _write(folder, plan, before, sources, columns, buckets, report)
    report(1.0)


def _write(
    folder: Path,
    plan: Plan,
    before: Manifest | None,
    sources: Mapping[str, Handed],
    columns: Mapping[str, Mapping[str, str]],
    buckets: int | None,
    report: Report,
) -> None:
    """What `ingest` does while nobody else writes."""
    standing = before if before is not None else standing_in(folder)
    refuse_what_came_between(folder, standing, before)
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        with closing(connect(staging)) as duck:
            manifest = _ingested(duck, folder, plan, before, standing, sources, columns, buckets, report)
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
    past = before.rows if before is not None else {}
    for done, name in enumerate([name for name in cut.order() if name in relations], start=1):
        with sources[name].readable():
            cut.add(name, relations[name], past.get(name, 0))
        report(_CUT_SHARE * done / (len(relations) + 1))
    report(_CUT_SHARE)
    rows = {name: past.get(name, 0) + counts.get(name, 0) for name in plan.given}
    said = _once([*_lasting_notices(before), *notices, *more])
    return replace(
        _finished(cut, folder, before, standing, list(relations), report), rows=rows, notices=said, last_load=load
    )


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
        draft = folder / STAGING / f"bucket-{bucket:05}"
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
    draft = folder / STAGING / "shared"
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
    if not _holds(folder / place, found):
        shutil.rmtree(folder / place, ignore_errors=True)  # what a broken run left, or what was damaged since
        draft.replace(folder / place)
    files.update({f"{place}/{name}": record for name, record in found.items()})
    return place


def _holds(place: Path, files: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a folder holds exactly these files, by their content."""
    if not place.is_dir() or {file.name for file in place.iterdir()} != set(files):
        return False
    return all(digest_of(place / name) == record["sha256"] for name, record in files.items())


def _lasting_notices(before: Manifest | None) -> list[str]:
    return [note for note in before.notices if NO_CURRENCY not in note] if before else []


def _once(notices: list[str]) -> list[str]:
    return list(dict.fromkeys(notices))
