"""Point-in-time windows beside DuckDB, Polars, pandas and featuretools: equal first, then timed, in one run.

    python benchmarks/windows.py --customers 2000 20000

Each measurement runs in a process of its own with a time limit. A peer that fails, runs out of time or gives
other numbers is stated as such and the run goes on; what a smaller size shows to be hopeless is not begun. The page
and the figures are written after each size.
"""  # fmt: skip

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from provenance import provenance, write_evidence
from sections import write_section
from windows_catalogue import CATALOGUES, TOLERANCE, difference
from windows_child import PEERS, SINGLE
from windows_data import OBSERVATIONS, make, observations, reference_path
from windows_report import report

HERE = Path(__file__).resolve().parent
#: Customers on whom every way is checked, all rows; customers of the featuretools run, and of a quick one.
CHECKED, SAMPLED, FEW = 200, 200, 20
#: From this many customers ours runs through a store on disk, and each peer in its best way so far only.
MANY = 50_000
#: What is compared from so many customers on, so that a run ends within the hour; with so many times the limit.
AT_MANY = (("memory", "many", "sixteen"), ("memory", "one", "catalogue"), ("files", "one", "catalogue"))
PATIENCE = 5
#: A way that took so many times as long as the fastest of its peer is left out at the next size.
HOPELESS = 5


class Run:
    """Runs measurements one by one and keeps what they gave."""

    def __init__(self, folder: Path, limit: float, compare_with: Iterable[str]) -> None:
        self.folder = folder
        self.limit = limit
        self.peers = [peer for peer in compare_with if _installed(peer)]
        self.rows: list[dict[str, Any]] = []
        self.checks: dict[str, dict[str, Any]] = {}
        self.extra: dict[str, Any] = {"catalogue_size": len(CATALOGUES["catalogue"].columns)}

    def measure(self, folder: Path, what: str, environment: dict[str, str] | None = None, **job: Any) -> dict[str, Any]:
        """One measurement; `failed` says why there are no figures."""
        words = [
            sys.executable,
            str(HERE / "windows_child.py"),
            json.dumps({"what": what, "folder": str(folder), **job}),
        ]
        begin, limit = time.perf_counter(), self.limit_at(folder)
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=limit, env={**os.environ, **(environment or {})}
            )
            figures = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"failed": _last(done)}
        except subprocess.TimeoutExpired:
            figures = {"failed": f"not done within {limit:.0f} s"}
        except (IndexError, ValueError) as error:
            figures = {"failed": f"no figures: {error}"}
        label = " ".join(f"{value}" for value in job.values())
        _say(f"{folder.name:>7} {what:<11} {label:<60} {_shown(figures)} [{time.perf_counter() - begin:.0f} s in all]")
        return figures

    def limit_at(self, folder: Path) -> float:
        """Seconds that one measurement may take at the size that a folder is named by."""
        many = folder.name.isdigit() and int(folder.name) >= MANY
        return self.limit * (PATIENCE if many else 1)

    def check(self) -> None:
        """Every way of every peer on few customers, all rows held against the plain engine."""
        folder = make(self.folder, CHECKED)
        self.extra["compiled_from_plain"] = self.measure(folder, "references").get("compiled_from_plain", {})
        for peer in self.peers:
            figures = self.measure(folder, "check", peer=peer)
            self.checks[peer] = figures.get("differences", {"all": figures.get("failed", "")})
            for what, found in self.checks[peer].items():
                if not (isinstance(found, float) and found <= TOLERANCE):
                    _say(f"        NOT EQUAL: {peer}, {what}: {found}")

    def compilation(self) -> None:
        """Everything compiled into an empty cache."""
        with tempfile.TemporaryDirectory() as cache:
            self.extra["compilation"] = self.measure(self.folder, "compilation", {"EARLYWARN_CACHE": cache})

    def size(self, customers: int) -> None:
        """All measurements at one number of customers."""
        folder = make(self.folder, customers)
        _say(f"data of {customers:,} customers are written")
        self.measure(folder, "references")
        store = customers >= MANY
        for peer in self.peers:
            for sort in (False, True):
                self.row(
                    customers, self.measure(folder, "read", peer=peer, sort=sort), tool=peer, what="read", sort=sort
                )
        for start in ("memory", "files"):
            for moments in OBSERVATIONS:
                for catalogue in CATALOGUES:
                    if store and (start, moments, catalogue) not in AT_MANY:
                        continue
                    self.ours(folder, customers, catalogue, moments, start, store)
                    self.theirs(folder, customers, catalogue, moments, start)
            self.ours(folder, customers, "shipped", "due", start, store)

    def ours(self, folder: Path, customers: int, catalogue: str, moments: str, start: str, store: bool) -> None:
        """Ours, from a built ledger or store, or from files."""
        job = {"catalogue": catalogue, "moments": moments, "start": start, "store": store}
        figures = self.measure(folder, "ours", **job)
        self.row(customers, figures, tool="earlywarn", what="compute", limit_of_difference=SINGLE, **job)

    def theirs(self, folder: Path, customers: int, catalogue: str, moments: str, start: str) -> None:
        """Every way of every peer; the best so far only from files and at large sizes."""
        for peer in self.peers:
            for way in self.ways(peer, catalogue, moments, customers, start):
                for codes in (True,) if start == "memory" or peer == "pandas" else (True, False):
                    job = {"catalogue": catalogue, "moments": moments, "way": way, "start": start, "codes": codes}
                    expected = self.expected(peer, job, customers)
                    if expected > self.limit_at(folder):
                        figures: dict[str, Any] = {"failed": f"not begun: some {expected:.0f} s to be expected"}
                    else:
                        figures = self.measure(folder, "peer", peer=peer, **job)
                    self.row(customers, figures, tool=peer, what="compute", limit_of_difference=TOLERANCE, **job)

    def expected(self, peer: str, job: dict[str, Any], customers: int) -> float:
        """Seconds that a measurement would take if it grew with the customers from the largest size so far."""
        before = [row for row in self.rows if {"tool": peer, "what": "compute", **job}.items() <= row.items()]
        if not before:
            return 0.0
        last = max(before, key=lambda row: int(row["customers"]))
        seconds = last.get("first", self.limit)  # what was not done takes longer than the limit
        return float(seconds) * customers / int(last["customers"])

    def ways(self, peer: str, catalogue: str, moments: str, customers: int, start: str) -> list[str]:
        """Which ways to measure: those that gave equal numbers, or the fastest of them."""
        known = import_module(f"windows_{peer}").WAYS[catalogue]
        checked = self.checks.get(peer, {})
        equal = [w for w in known if isinstance(d := checked.get(f"{catalogue}, {w}"), float) and d <= TOLERANCE]
        before = [
            row for row in self.rows
            if (row["tool"], row["what"], row.get("catalogue"), row.get("moments"), row.get("start"))
            == (peer, "compute", catalogue, moments, "memory") and row["equal"]
        ]  # fmt: skip
        largest = max((row["customers"] for row in before), default=0)
        ranked = sorted((row for row in before if row["customers"] == largest), key=lambda row: row["median"])
        if start == "memory" and customers < MANY:
            slow = {row["way"] for row in ranked if row["median"] > HOPELESS * ranked[0]["median"]}
            return [way for way in equal if way not in slow]
        return [row["way"] for row in ranked[:1]] or equal[:1]

    def row(self, customers: int, figures: dict[str, Any], limit_of_difference: float = 0.0, **about: Any) -> None:
        """Keep one row; `equal` says whether its numbers may be compared."""
        apart = figures.get("difference", 0.0)
        equal = "failed" not in figures and apart <= limit_of_difference
        if "difference" in figures and not equal:
            _say(f"        NOT EQUAL: {about}, {apart}")
        figures = {key: str(value) if value == float("inf") else value for key, value in figures.items()}
        self.rows.append({"customers": customers, **about, **figures, "equal": equal})

    def featuretools(self, python: str | None, customers: int) -> None:
        """featuretools on a sample, in the environment of that interpreter."""
        if python is None:
            self.extra["featuretools"] = {"failed": "not measured: no interpreter with featuretools was named"}
            return
        folder = make(self.folder, customers)
        if not reference_path(folder, "sixteen", "many").exists():
            self.measure(folder, "references")
        columns = ["customer_id", "used_on", "quantity"]
        pq.read_table(folder / "usage.parquet", columns=columns).to_pandas().to_csv(folder / "usage.csv", index=False)
        obs = observations(folder, "many")
        obs.to_csv(folder / "observations.csv", index=False)
        words = ["windows_featuretools.py", "usage.csv", "observations.csv", "featuretools.npy"]
        begin = time.perf_counter()
        try:
            script, *paths = [str(HERE / words[0]), *(str(folder / word) for word in words[1:])]
            done = subprocess.run([python, script, *paths], capture_output=True, text=True, timeout=self.limit)
            figures = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"failed": _last(done)}
        except subprocess.TimeoutExpired:
            figures = {"failed": f"not done within {self.limit:.0f} s"}
        except (OSError, IndexError, ValueError) as error:
            figures = {"failed": _without_paths(f"{type(error).__name__}: {error}")}
        if "failed" not in figures:
            kept = np.load(reference_path(folder, "sixteen", "many"))
            figures["difference"] = difference(kept["values"], np.load(folder / words[-1])[kept["rows"]])
            figures["equal"] = figures["difference"] <= TOLERANCE
            mine = self.measure(folder, "ours", catalogue="sixteen", moments="many", start="memory", store=False)
            figures["ours_same_size"] = mine.get("median")
        self.extra["featuretools"] = figures
        _say(f"{folder.name:>7} featuretools {figures} [{time.perf_counter() - begin:.0f} s in all]")

    def figures(self) -> dict[str, Any]:
        """All that was measured, ready for JSON."""
        checks = {
            peer: {k: str(v) if v == float("inf") else v for k, v in found.items()}
            for peer, found in self.checks.items()
        }
        return {"rows": self.rows, "checks": checks, **self.extra, "peers": dict(_versions(self.peers))}


def _installed(peer: str) -> bool:
    return importlib.util.find_spec(peer) is not None


def _versions(peers: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in (*peers, "numba"):
        if _installed(name):
            yield name, version(name)


def _last(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"ended by signal {-done.returncode} (9: out of memory)"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return _without_paths(lines[-1]) if lines else f"exit code {done.returncode}"


def _without_paths(text: str) -> str:
    """A message as it may stand on a page: short, and without the folders of this machine."""
    return re.sub(r"(?<!\w)/[^\s'\")]+", "…", text)[:200]


def _shown(figures: dict[str, Any]) -> str:
    if "failed" in figures:
        return f"FAILED: {figures['failed']}"
    if "median" not in figures:
        return ""
    return f"{figures['median']:.3g} s (first {figures['first']:.3g}), peak {figures['peak_mb']:,.0f} MB"


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--customers", type=int, nargs="+", default=[2000, 20000], help="sizes, one after another")
    words.add_argument("--quick", action="store_true", help="300 customers, a short limit, the page left as it is")
    words.add_argument("--limit", type=float, default=900.0, help="seconds that one measurement may take")
    words.add_argument("--folder", type=Path, help="where the data are kept for the next run (default: thrown away)")
    words.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    words.add_argument("--featuretools", metavar="PYTHON", help="an interpreter whose environment has featuretools")
    words.add_argument("--json", type=Path, help="write all figures to this file")
    chosen = words.parse_args(arguments)
    sizes = [300] if chosen.quick else sorted(chosen.customers)
    about = provenance()  # before the run writes the page, which is a change itself
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(
            chosen.folder or Path(scratch), min(chosen.limit, 120.0) if chosen.quick else chosen.limit, chosen.peers
        )
        run.folder.mkdir(parents=True, exist_ok=True)
        run.check()
        run.compilation()
        python = chosen.featuretools or (sys.executable if _installed("featuretools") else None)
        run.featuretools(python, FEW if chosen.quick else SAMPLED)
        for customers in sizes:
            run.size(customers)
            text = _kept(run.figures(), about, chosen)
    _say("\n" + text)
    return run.figures()


def _kept(figures: dict[str, Any], about: dict[str, object], chosen: argparse.Namespace) -> str:
    """Write what was measured so far where it is asked for; the section of the page."""
    text = report(figures, about)
    if chosen.json:
        chosen.json.write_text(json.dumps({"figures": figures, **about}, indent=2) + "\n", encoding="utf-8")
    if os.environ.get("EARLYWARN_EVIDENCE"):
        write_evidence(Path(os.environ["EARLYWARN_EVIDENCE"]), "windows", figures, about)
    if not chosen.quick:
        write_section("windows", text)
    return text


if __name__ == "__main__":
    main()
