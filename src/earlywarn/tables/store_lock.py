"""One load at a time: a file in the store's folder says who is writing to it.

The file of a process that has died is taken over. Should two processes do so in the same instant, the one that
finishes later is refused by its look at the manifest, so the store stays whole.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earlywarn.errors import DataError

__all__ = ["LOCK", "locked"]

LOCK = ".lock"
#: Locks of this process: after a restart in a container, another process may have had its number.
_HELD: set[Path] = set()
_GUARD = threading.Lock()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who writes to a store.

    Parameters
    ----------
    folder : Path
        A folder that is there.

    Raises
    ------
    DataError
        D177 while another one does.
    """
    path = folder.resolve() / LOCK
    with _GUARD:
        descriptor = _taken(path)
        _HELD.add(path)
    try:
        yield
    finally:
        with _GUARD:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            _HELD.discard(path)


def _taken(path: Path) -> int:
    try:
        return _created(path)
    except FileExistsError:
        owner = _owner(path)
    try:
        if _may_be_writing(owner, path):
            raise FileExistsError
        path.unlink(missing_ok=True)
        return _created(path)
    except (FileExistsError, PermissionError) as error:  # Windows removes no file that is open
        pid, _, machine = owner.partition(" ")
        raise DataError(
            f"something else is being written to the store {str(path.parent)!r}.",
            code="D177",
            found=f"process {pid or 'unknown'} on {machine or 'an unknown machine'}",
            hint=f"wait until it has finished; if that process no longer runs, remove the file {str(path)!r}.",
        ) from error


def _created(path: Path) -> int:
    """A new file, kept open, with the process and the machine in it."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(descriptor, f"{os.getpid()} {platform.node()}".encode())
    return descriptor


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # released a moment ago
        return f"{os.getpid()} {platform.node()}"


def _may_be_writing(owner: str, path: Path) -> bool:
    pid, _, machine = owner.partition(" ")
    if machine != platform.node() or not pid.isdecimal():
        return True  # cannot be known from here
    if int(pid) == os.getpid():
        return path in _HELD
    if os.name == "nt":
        return False  # if it is, its file cannot be removed
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
