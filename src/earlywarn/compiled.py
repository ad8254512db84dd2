"""Compiled loops: one signature each, cached on disk for the user, run over ranges by threads of our own.

Kernels are plain functions ``kernel(start, stop, *arrays)`` that release the interpreter's lock. numba's own
threads are not used: they do not survive being asked from several threads, nor a fork.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from earlywarn.extras import require

__all__ = ["cache_folder", "compiled", "in_one_thread", "in_parts", "in_ranges", "named_folder", "step", "threads"]

log = logging.getLogger("earlywarn")
#: Fewer steps of a loop than this, about a millisecond, are not worth a thread.
STEPS_PER_THREAD = 500_000
_IMPORTED = re.compile(rb"^from earlywarn\.([\w.]+ import (?:\(|[\w, ]+)$)", re.MULTILINE)
_PROCESS = os.getpid()
_LOCK = threading.RLock()
_HERE = threading.local()
Part = TypeVar("Part")
Result = TypeVar("Result")


def named_folder() -> Path:
    """Where compiled code of these sources is kept: in ``EARLYWARN_CACHE``, else in the user's cache folder."""
    named = os.environ.get("EARLYWARN_CACHE")
    folder = Path(named or require("platformdirs", to="find the cache folder").user_cache_dir("earlywarn"))
    return folder.absolute() / f"loops-{_fingerprint()}"


@cache
def _fingerprint() -> str:
    """Of every file that loops are written in or import from: numba itself looks at the outermost one only."""
    package = Path(__file__).parent
    written: dict[Path, bytes] = {}
    waiting = [*package.rglob("*kernels.py")]
    while waiting:
        path = waiting.pop()
        if path in written or not path.is_file():
            continue
        written[path] = path.read_bytes()
        if b"from earlywarn.compiled import" in written[path]:  # loops, or steps of loops
            lines = [line.decode().split(" import ") for line in _IMPORTED.findall(written[path])]
            pairs = [(module, item) for module, items in lines for item in ("", *items.split(", "))]
            names = [f"{module}.{item}".rstrip(".") for module, item in pairs]
            waiting += [package.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    return hashlib.sha256(b"".join(written[path] for path in sorted(written))).hexdigest()[:12]


@cache
def cache_folder() -> Path | None:
    """The folder that compiled code is read from and written to.

    Returns
    -------
    Path or None
        `named_folder` where it can be written. Where it cannot, but holds compiled code: a folder of this process
        with links to it. Else None, with one notice.
    """
    folder = named_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        linked = _linked(folder)
        if linked is None:
            log.warning(
                "the cache folder %s cannot be written (%s): loops are compiled anew in every process. "
                "Name another one in EARLYWARN_CACHE.",
                folder,
                error,
            )
        return linked


def _linked(folder: Path) -> Path | None:
    """A folder of this process with links to the compiled code of another; None when there is none, or no room.

    numba reads only where it could write, too. What it writes here is gone with the process.
    """
    kept = [*folder.rglob("*.nb[ic]")] if folder.is_dir() else []
    if not kept:
        return None
    try:
        own = Path(tempfile.mkdtemp(prefix="earlywarn-"))
        atexit.register(_removed, own, os.getpid())
        for path in kept:
            link = own / path.relative_to(folder)
            link.parent.mkdir(exist_ok=True)
            try:
                link.symlink_to(path)
            except OSError:  # where links need a right of their own
                shutil.copyfile(path, link)
    except OSError:
        return None
    return own


def _removed(folder: Path, process: int) -> None:
    """Take a folder of a process away when that process ends, not when a child of it does."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _set(numba: Any, name: str, value: Any) -> Iterator[None]:
    """A setting of numba while something of ours is compiled, and as it was afterwards."""
    with _LOCK:
        before = getattr(numba.config, name)
        setattr(numba.config, name, value)
        try:
            yield
        finally:
            setattr(numba.config, name, before)


def step(function: Callable[..., Any], *, inlined: bool = False) -> Any:
    """Compile a function into the loops that call it, with no way in from Python or C.

    It may make no array: counting those took most of the time.

    Parameters
    ----------
    function : callable
    inlined : bool
        Write it out wherever it is called, for small ones that hand over several numbers.

    Returns
    -------
    callable
        For compiled loops only.
    """
    numba = require("numba", to="run compiled loops")
    options = {"error_model": "numpy", "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**options, **({"inline": "always"} if inlined else {}))(function)


def compiled(signature: str, *, straight: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for one signature when its module is imported, from the cache when it is there.

    Parameters
    ----------
    signature : str
        numba's words for the types, such as ``"void(int64, int64, float64[::1], float64[::1])"``.
    straight : bool
        Let the processor do equal operations that stand one after another at once, outside of loops too.
    **options
        Further options of ``numba.njit``.

    Returns
    -------
    callable
        Decorator.

    Examples
    --------
    >>> import numpy as np
    >>> @compiled("void(int64, int64, float64[::1], float64[::1])")
    ... def double(start, stop, values, out):
    ...     for i in range(start, stop):
    ...         out[i] = 2.0 * values[i]
    >>> out = np.zeros(3)
    >>> in_ranges(double, 3, np.array([1.0, 2.0, 3.0]), out)
    >>> out
    array([2., 4., 6.])
    """
    numba = require("numba", to="run compiled loops")
    # A division by zero is no error, as everywhere in the language; a way in for C, which nobody takes, costs a fifth
    # of the time.
    options = {"error_model": "numpy", "no_cfunc_wrapper": True, **options}

    def decorate(function: Callable[..., Any]) -> Any:
        folder = cache_folder()
        start = perf_counter()
        if folder is not None and not any(folder.rglob("*.nbi")):
            _say_once("compiling loops, some 10 seconds, once for this machine; `earlywarn warmup` does it ahead.")
        kept = folder if Path(function.__code__.co_filename).is_file() else None
        with _set(numba, "CACHE_DIR", str(kept or "")), _set(numba, "SLP_VECTORIZE", int(straight)):
            kernel = numba.njit(signature, nogil=True, cache=kept is not None, **options)(function)
        seconds = perf_counter() - start
        if folder not in (None, named_folder()) and kernel.stats.cache_misses:
            _say_once(
                f"the cache folder {named_folder()} cannot be written and lacks loops of this version, which are "
                "compiled anew in every process. Run `earlywarn warmup` as somebody who can write there."
            )
        elif seconds > 0.2:
            log.info(
                "compiled %s in %.1f s%s", function.__name__, seconds, "" if folder is None else ", once per machine"
            )
        return kernel

    return decorate


@cache
def _say_once(notice: str) -> None:
    log.warning(notice)


def threads() -> int:
    """How many threads a call may use: one in a forked child or in a part of `in_parts`, else all processors."""
    if os.getpid() != _PROCESS or getattr(_HERE, "is_part", False):
        return 1
    named = os.environ.get("EARLYWARN_THREADS", "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    if named:
        _say_once(f"EARLYWARN_THREADS={named!r} is no number of threads; all processors are used.")
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def in_one_thread(work: Callable[[Part], Result], part: Part) -> Result:
    """Work on one of several parts, in a thread or a process that does nothing else; loops inside keep to it."""
    _HERE.is_part = True
    return work(part)


def in_parts(work: Callable[[Part], Result], parts: Sequence[Part], *, most: int | None = None) -> Iterator[Result]:
    """Work on parts in threads, and give the results in the order of the parts; loops inside keep to their thread.

    Parameters
    ----------
    work : callable
        Takes one part.
    parts : sequence
    most : int, optional
        At most so many threads.

    Yields
    ------
    What ``work`` gives
    """
    several = min(threads(), len(parts), most or len(parts))
    if several <= 1:
        yield from map(work, parts)
        return

    with ThreadPoolExecutor(several) as pool:
        waiting = [pool.submit(in_one_thread, work, part) for part in parts]
        try:
            for done in waiting:
                yield done.result()
        finally:
            for left in waiting:
                left.cancel()


def in_ranges(kernel: Callable[..., Any], count: int, *arrays: Any, steps: float | None = None) -> None:
    """Call ``kernel(start, stop, *arrays)`` over ranges that together make ``0 … count``.

    Parameters
    ----------
    kernel : callable
        Writes to its own part of the output arrays only.
    count : int
    *arrays
        Handed on as they are.
    steps : float, optional
        How many steps the loop takes in all, to tell whether threads pay; 20 for each of ``count`` if not said.
    """
    asked = 20.0 * count if steps is None else steps
    parts = min(threads(), int(asked // STEPS_PER_THREAD), count)
    if parts <= 1:
        kernel(0, count, *arrays)
        return
    edges = [count * part // (4 * parts) for part in range(4 * parts + 1)]  # small parts even out the load
    for _ in in_parts(lambda part: kernel(*part, *arrays), list(pairwise(edges)), most=parts):
        pass
