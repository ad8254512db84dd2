"""A bundle is data: a folder of JSON, TOML and UBJ files under a manifest of their SHA-256.

It holds no clock time, no path and no pickle, and reading it runs no code. What is changed, missing or
foreign is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from earlywarn.errors import BundleError

__all__ = ["FORMAT", "MANIFEST", "read_bundle", "write_bundle"]

MANIFEST = "manifest.json"
FORMAT = 1
_LIMIT = 512 * 1024 * 1024


def write_bundle(directory: str | os.PathLike[str], files: Mapping[str, bytes]) -> Path:
    """Write files and their manifest into a folder, all or nothing.

    Parameters
    ----------
    directory : path
        A new folder, or one that holds an earlier bundle, which is replaced.
    files : mapping of str to bytes
        Plain names, no folders.

    Returns
    -------
    Path, of the folder

    Raises
    ------
    BundleError
        B501 when the folder holds something else than a bundle.
    """
    target = Path(directory)
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / MANIFEST).is_file())):
        raise BundleError(
            f"{target.name!r} holds something else than a bundle.",
            code="B501",
            hint="name a new or an empty folder.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".bundle-", dir=target.parent))
    try:
        for name, content in files.items():
            (staged / name).write_bytes(content)
        (staged / MANIFEST).write_bytes(_manifest(files))
        staged.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        staged.replace(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return target


def _manifest(files: Mapping[str, bytes]) -> bytes:
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    return json.dumps({"format": FORMAT, "kind": "earlywarn scorer", "files": hashes}, indent=1).encode()


def read_bundle(directory: str | os.PathLike[str]) -> dict[str, bytes]:
    """Read a bundle and check every file against the manifest.

    Parameters
    ----------
    directory : path

    Returns
    -------
    dict of str to bytes

    Raises
    ------
    BundleError
        B510 no bundle there, B511 another format, B512 a file is missing, B513 a file is changed, B514 a file
        that does not belong to it.
    """
    folder = Path(directory)
    if not (folder / MANIFEST).is_file():
        raise BundleError(
            f"{folder.name!r} is no bundle: it has no {MANIFEST}.",
            code="B510",
            hint="name a folder that save() wrote.",
        )
    stated = _read_manifest(folder / MANIFEST)
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    _refuse("B512", "is incomplete", sorted(set(stated) - found), "copy the whole folder again.")
    _refuse("B514", "holds files that do not belong to it", sorted(found - set(stated)), "take them out.")
    content: dict[str, bytes] = {}
    for name in stated:
        path = folder / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LIMIT:
            _refuse("B513", "holds a link, a folder or a file that is too large", [name], "copy it again.")
        content[name] = (folder / name).read_bytes()
    changed = [name for name, raw in content.items() if hashlib.sha256(raw).hexdigest() != stated[name]]
    _refuse("B513", "was changed after it was written", changed, "copy the whole folder again, or train anew.")
    return content


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        manifest = json.loads(path.read_bytes())
        files, kind, form = manifest["files"], manifest["kind"], manifest["format"]
        plain = all(isinstance(name, str) and Path(name).name == name for name in files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{MANIFEST} cannot be read.", code="B510", found=str(error)) from None
    if kind != "earlywarn scorer" or form != FORMAT or not plain:
        raise BundleError(
            "the bundle is of a kind or format that this version does not read.",
            code="B511",
            found=f"kind {kind!r}, format {form!r}; this version reads format {FORMAT}",
            hint="load it with the version that wrote it, or train anew.",
        )
    return dict(files)


def _refuse(code: str, what: str, names: list[str], hint: str) -> None:
    if names:
        raise BundleError(f"the bundle {what}.", code=code, found=", ".join(names), hint=hint)
