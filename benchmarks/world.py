"""A world of many customers straight into a store: minutes, peak memory, rows; each size in processes of its own."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from provenance import provenance, write_evidence
from sections import footer, write_section

#: The bars are stated for a million customers.
BARS = {"minutes": 10.0, "peak_gb": 6.0}
FULL = 1_000_000


def measure(customers: int, preset: str, folder: Path) -> dict[str, Any]:
    """Live and write one world of two years with weekly use, in this process."""
    from earlywarn.cli.warmup import warm_up
    from earlywarn.simulate import World, write_store

    list(warm_up())
    begin = time.perf_counter()
    store = write_store(World(preset, customers, 24, read_days=7), folder / "store")
    return {
        "customers": customers,
        "minutes": (time.perf_counter() - begin) / 60,
        "facts": store.facts,
        "buckets": len(store),
        "faults": len(store.faults),
        "gigabytes": sum(file.stat().st_size for file in store.path.rglob("*") if file.is_file()) / 1024**3,
    }


def alone(customers: int, preset: str, folder: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    words = [sys.executable, __file__, "--child", "--customers", str(customers), "--preset", preset]
    peak = 0
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        child = subprocess.Popen([*words, "--folder", scratch], stdout=subprocess.PIPE, text=True)
        while child.poll() is None:
            peak = max(peak, memory_of(child.pid))
            time.sleep(0.5)
        told, _ = child.communicate()
    if child.returncode:
        raise SystemExit(child.returncode)
    found: dict[str, Any] = {**json.loads(told.splitlines()[-1]), "peak_gb": peak / 1024**3}
    print(found, flush=True)
    return found


def memory_of(process: int) -> int:
    """Bytes that a process and those that it began hold; what they share counts for each."""
    held = 0
    try:
        first = psutil.Process(process)
        for one in (first, *first.children(recursive=True)):
            held += one.memory_info().rss
    except psutil.NoSuchProcess:  # ended meanwhile
        pass
    return held


def page(rows: list[dict[str, Any]], preset: str, about: dict[str, Any]) -> str:
    """Lay the figures out as Markdown."""
    head = ["customers", "facts", "minutes", "peak GB", "GB on disk", "faults"]
    lines = [
        "## A world into a store", "",
        f"`simulate.write_store(World({preset!r}, customers, 24, read_days=7), path)`: two years, use by the week, all "
        "tables,", "checked and settled. Memory is that of all its processes, what they share counted for each.", "",
        "| " + " | ".join(head) + " |", "|" + "---:|" * len(head),
    ]  # fmt: skip
    for row in rows:
        bars = dict.fromkeys(BARS, "")
        if row["customers"] >= FULL:
            bars = {name: f" (bar {bar:g}: {'pass' if row[name] <= bar else 'FAIL'})" for name, bar in BARS.items()}
        cells = [
            f"{row['customers']:,}", f"{row['facts']:,}", f"{row['minutes']:.2f}{bars['minutes']}",
            f"{row['peak_gb']:.1f}{bars['peak_gb']}", f"{row['gigabytes']:.1f}",
            f"{row['faults']:,}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", footer(about)]) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--customers", type=int, nargs="+", default=[20_000], help="sizes, one after another")
    words.add_argument("--preset", default="telecom")
    words.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where there is room")
    words.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = words.parse_args()
    if chosen.child:
        print(json.dumps(measure(chosen.customers[0], chosen.preset, chosen.folder)))
        return
    about: dict[str, Any] = provenance()
    rows = [alone(customers, chosen.preset, chosen.folder) for customers in sorted(chosen.customers)]
    if os.environ.get("EARLYWARN_EVIDENCE"):
        write_evidence(Path(os.environ["EARLYWARN_EVIDENCE"]), "world", {"rows": rows, "preset": chosen.preset}, about)
    text = page(rows, chosen.preset, about)
    print(text)
    write_section("world", text)


if __name__ == "__main__":
    main()
