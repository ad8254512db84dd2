"""The folder of a store: what may lie in it, what it held when a load began, and what is swept away after one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earlywarn.errors import DataError
from earlywarn.tables.store_manifest import MANIFEST, Manifest, digest_of, file_record, is_there, read_manifest

__all__ = ["STAGING", "refuse_other_content", "refuse_what_came_between", "settled", "standing_in", "sweep"]

#: Where a load is prepared.
STAGING = "staging"


def standing_in(folder: Path) -> Manifest | None:
    """The store that is there and goes on to hold until it is replaced."""
    try:
        return read_manifest(folder)
    except DataError:
        return None


def refuse_what_came_between(folder: Path, standing: Manifest | None, manifest: Manifest | None) -> None:
    """A load goes on top of what it began with: nothing of another load is overwritten or swept away."""
    files = {} if manifest is None else manifest.files
    whole = all(is_there(folder / name, record) for name, record in files.items())
    if standing_in(folder) != standing or not whole:
        raise DataError(
            f"another load finished meanwhile in {str(folder)!r}; nothing of this one was taken in.",
            code="D176",
            hint="load these tables again.",
        )


def _is_ours(path: Path) -> bool:
    return path.name in (MANIFEST, f"{MANIFEST}.new", STAGING) or (
        path.is_dir() and path.name.startswith(("bucket-", "shared-"))
    )


def refuse_other_content(folder: Path) -> None:
    """A store has a folder of its own, since what does not belong to it is removed."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{str(folder)!r} is a file.", code="D173", hint="name a folder for the store.")
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.exists() else []
    strange = sorted(path.name for path in inside if not _is_ours(path))
    if strange:
        raise DataError(
            f"the folder {str(folder)!r} holds other files.",
            code="D173",
            found=", ".join(strange[:5]),
            hint="name a new or empty folder for the store.",
        )


def settled(draft: Path, folder: Path, files: dict[str, dict[str, Any]]) -> str:
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


def sweep(folder: Path, manifest: Manifest | None) -> None:
    """Remove what no manifest names: the staging folder and buckets that were replaced."""
    if manifest is None:
        return
    named = {manifest.shared, MANIFEST, *(record["folder"] for record in manifest.buckets)}
    for path in folder.iterdir():
        if path.name not in named and not path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
