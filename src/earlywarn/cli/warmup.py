"""``earlywarn warmup``: compile every loop ahead, so that the first run does not wait for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from time import perf_counter
from typing import Any

from earlywarn import compiled
from earlywarn.cli.console import say

__all__ = ["add", "kernel_modules", "run", "warm_up"]

_ABOUT = """\
Compile every loop that features, settlement and streams run through, and keep the result in the user's cache
folder (EARLYWARN_CACHE names another one). Needed once per machine and version; without it the first run compiles
what it needs. In a container image: run it while the image is built, with EARLYWARN_CACHE as it will be later.
A folder that was warmed up may be read-only from then on.

  earlywarn warmup                             some 10 s once, then a second to read what was kept
  EARLYWARN_CACHE=/opt/cache earlywarn warmup  keep it elsewhere; say the same when the library runs
  EARLYWARN_THREADS=1 earlywarn …              how many threads the loops use: all processors, if not said
"""


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "warmup",
        help="compile every loop ahead, once per machine",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    total = 0.0
    for name, seconds in warm_up():
        say(f"{name:<36} {seconds:6.1f} s")
        total += seconds
    folder = compiled.cache_folder()
    named = compiled.named_folder()
    where = f"kept in {named}" if folder == named else f"read from {named}, which cannot be written"
    where = where if folder else "not kept: name a folder that can be written in EARLYWARN_CACHE"
    say(f"{'together':<36} {total:6.1f} s, {where}; {compiled.threads()} threads will be used")
    return 0


def warm_up() -> Iterator[tuple[str, float]]:
    """Import every module of compiled loops.

    Yields
    ------
    (str, float)
        Its name, and the seconds it took: compiling, or reading from the cache.
    """
    for name in kernel_modules():
        start = perf_counter()
        import_module(name)
        yield name, perf_counter() - start


def kernel_modules() -> list[str]:
    """Names of the modules that hold compiled loops: all whose name says ``kernels``."""
    found = walk_packages([str(Path(compiled.__file__).parent)], "earlywarn.")
    return [module.name for module in found if "kernels" in module.name.rpartition(".")[2]]
