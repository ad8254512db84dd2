"""One measurement in a process of its own, so that peaks of memory do not mix: JSON in, JSON out.

    python windows_child.py '{"what": "peer", "folder": …}'
"""  # fmt: skip

from __future__ import annotations

import gc
import importlib
import json
import resource
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

PEERS = ("duckdb", "polars", "pandas")
#: What takes longer than this is measured once.
LONG_SECONDS, REPEATS = 10.0, 3
#: Ours gives float32: its rounding, and a little more.
SINGLE = 1e-7


def main(text: str) -> None:
    warnings.simplefilter("ignore")
    _die_first()
    job = json.loads(text)
    print(json.dumps(_JOBS[job.pop("what")](Path(job.pop("folder")), **job)))


# -- measurements ----------------------------------------------------------------------------------------


def measure_peer(
    folder: Path, *, peer: str, catalogue: str, moments: str, way: str, start: str, codes: bool
) -> dict[str, Any]:
    """A peer's way, from tables in memory or from files."""
    from windows_catalogue import CATALOGUES

    tool, wanted = importlib.import_module(f"windows_{peer}"), CATALOGUES[catalogue]

    sort = start == "memory" or peer == "pandas"  # slices and searches in pandas need sorted tables

    def load() -> Any:
        return tool.load(folder, moments, codes=codes, tables=wanted.tables, sort=sort)

    if start == "files":
        result, figures = _timed(lambda: tool.compute(load(), wanted, way))
    else:
        tables = load()
        held = _status("VmRSS")
        result, figures = _timed(lambda: tool.compute(tables, wanted, way))
        figures["held_mb"] = held
    return {**figures, "difference": _difference(tool.to_numpy(result), folder, catalogue, moments)}


def measure_ours(folder: Path, *, catalogue: str, moments: str, start: str, store: bool) -> dict[str, Any]:
    """Ours, from a built ledger (or a written store), or from files."""
    import windows_ours as ours

    ours.warm_up()
    obs = ours.observe(folder, moments)
    steps: dict[str, float] = {}

    def load() -> Any:
        begin = time.perf_counter()
        source = ours.write_store(folder) if store else ours.load(folder)
        steps["load_seconds"] = time.perf_counter() - begin
        return source

    try:
        if start == "files":
            result, figures = _timed(lambda: ours.compute(load(), catalogue, obs))
        else:
            source = load()
            figures = {"held_mb": _status("VmRSS"), "load_peak_mb": _status("VmHWM")}
            _reset_peak()
            result, more = _timed(lambda: ours.compute(source, catalogue, obs))
            figures |= more
    finally:
        for left in folder.glob("tmp*/"):
            shutil.rmtree(left, ignore_errors=True)
    figures |= steps | {"rows": len(result), "columns": result.shape[1]}
    if catalogue != "shipped":
        figures["difference"] = _difference(ours.to_numpy(result), folder, catalogue, moments)
    else:
        figures["columns_with_values"] = int(result.notna().any().sum())
    return figures


def read_only(folder: Path, *, peer: str, sort: bool) -> dict[str, Any]:
    """Only read the usage columns under integer codes, and sort them."""
    tool = importlib.import_module(f"windows_{peer}")
    return _timed(lambda: tool.read_and_sort(folder, sort=sort))[1]


def references(folder: Path) -> dict[str, Any]:
    """Write what all are checked against."""
    import windows_ours as ours

    return {"compiled_from_plain": ours.write_references(folder)}


def compilation(folder: Path) -> dict[str, Any]:
    """Compile everything; the caller names an empty cache in EARLYWARN_CACHE."""
    import windows_ours as ours

    return {"seconds": [ours.warm_up()]}


def check(folder: Path, *, peer: str) -> dict[str, Any]:
    """Every way of a peer on few customers, all rows held against ours; a way that fails says how."""
    from windows_catalogue import CATALOGUES
    from windows_data import OBSERVATIONS

    tool, found = importlib.import_module(f"windows_{peer}"), {}
    for name, catalogue in CATALOGUES.items():
        for way in tool.WAYS[name]:
            apart: list[float] = []
            try:
                for moments in OBSERVATIONS:
                    for codes in (True,) if peer == "pandas" else (True, False):
                        tables = tool.load(folder, moments, codes=codes)
                        values = tool.to_numpy(tool.compute(tables, catalogue, way))
                        apart.append(_difference(values, folder, name, moments))
                found[f"{name}, {way}"] = max(apart)
            except Exception as error:
                found[f"{name}, {way}"] = f"{type(error).__name__}: {error}"[:300]
    return {"differences": found}


_JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "peer": measure_peer, "ours": measure_ours, "read": read_only, "references": references,
    "compilation": compilation, "check": check,
}  # fmt: skip


# -- clock, memory, equality -----------------------------------------------------------------------------


def _timed(work: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """Run once, and again when it is quick; the first and the median of all, and the peak of memory."""
    seconds: list[float] = []
    result = None
    while len(seconds) < REPEATS and (not seconds or seconds[0] < LONG_SECONDS):
        result = None
        gc.collect()
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, {"seconds": seconds, "first": seconds[0], "median": median(seconds), "peak_mb": _status("VmHWM")}


def _difference(values: np.ndarray, folder: Path, catalogue: str, moments: str) -> float:
    from windows_catalogue import difference
    from windows_data import reference_path

    kept = np.load(reference_path(folder, catalogue, moments))
    return difference(kept["values"], values[kept["rows"]])


def _status(name: str) -> float:
    """Memory of this process in MB: `VmRSS` now, `VmHWM` at its peak."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(name))
    except (OSError, StopIteration):
        scale = 1024 if sys.platform != "darwin" else 1024 * 1024
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)


def _reset_peak() -> None:
    """Forget the peak so far, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return


def _die_first() -> None:
    """When memory runs out the system shall end this process and not the one that waits for it."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    except OSError:
        return


if __name__ == "__main__":
    main(sys.argv[1])
