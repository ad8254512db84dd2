"""Training with calibration beside the bare xgboost fit on the same matrix: seconds, ratio, peak memory."""

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

from provenance import provenance, write_evidence
from sections import footer, write_section
from world import memory_of

#: Training may take so many times the bare fit, for half a million observations and the whole catalogue.
BAR, FULL = 3.0, 500_000


def prepare(rows: int, folder: Path) -> None:
    """Matrix, labels, moments and customers of a simulated telecom biller, kept as files."""
    import numpy as np

    import earlywarn as ew

    customers = max(300, rows // 15)
    ledger = ew.Ledger.from_tables(**ew.simulate.World("telecom", customers, 24, read_days=7).live().tables())
    outcome, features = ew.Outcome(lead_days=7), ew.FeatureSet.default()
    observed = outcome.observations(ledger)
    resolved = outcome.resolve(ledger, observed)
    known = np.flatnonzero(resolved["late"].notna())
    if len(known) > rows:
        known = known[np.sort(np.random.default_rng(0).permutation(len(known))[:rows])]
    observed, resolved = observed.iloc[known].reset_index(drop=True), resolved.iloc[known].reset_index(drop=True)
    features.compute(ledger, observed).to_parquet(folder / "X.parquet")
    observed[["as_of", "customer_id"]].assign(late=resolved["late"], matures_at=resolved["matures_at"]).to_parquet(
        folder / "rows.parquet"
    )


def ours(folder: Path) -> dict[str, Any]:
    """Training as a user calls it: trees counted, calibrated, grown anew on all rows."""
    import earlywarn as ew

    X, rows = _read(folder)
    begin = time.perf_counter()
    model = ew.RiskModel(ew.FeatureSet.default()).fit(
        X, rows["late"], as_of=rows["as_of"], groups=rows["customer_id"], matures_at=rows["matures_at"]
    )
    seconds = time.perf_counter() - begin
    (folder / "trees").write_text(str(model.n_trees_))
    return {"seconds": seconds, "trees": model.n_trees_, "rows": len(X), "columns": X.shape[1]}


def bare(folder: Path) -> dict[str, Any]:
    """As many trees with the same settings on the same numbers, already a float32 matrix: xgboost and nothing else."""
    import numpy as np
    import xgboost as xgb

    import earlywarn as ew
    from earlywarn.risk.columns import DIRECTIONS, encode, learn_columns
    from earlywarn.risk.model import BOOSTER_PARAMETERS

    X, rows = _read(folder)
    model, features = ew.RiskModel(), ew.FeatureSet.default()
    late = rows["late"].to_numpy(dtype=np.float64)
    matrix = encode(X, learn_columns(X, late, np.ones(len(X)), features))
    settings = {name: getattr(model, name) for name in BOOSTER_PARAMETERS}
    directions = ",".join(str(DIRECTIONS[features[name].risk]) for name in X.columns)
    settings |= {"objective": "binary:logistic", "tree_method": "hist", "monotone_constraints": f"({directions})"}
    begin = time.perf_counter()
    xgb.train(settings, xgb.DMatrix(matrix, label=late), int((folder / "trees").read_text()))
    return {"seconds": time.perf_counter() - begin}


def _read(folder: Path) -> tuple[Any, Any]:
    import pandas as pd

    return pd.read_parquet(folder / "X.parquet"), pd.read_parquet(folder / "rows.parquet")


PARTS = {"prepare": prepare, "ours": ours, "bare": bare}


def alone(part: str, rows: int, folder: Path) -> dict[str, Any]:
    """A part in a process of its own, with its peak memory."""
    words = [sys.executable, __file__, "--child", part, "--rows", str(rows), "--folder", str(folder)]
    # as in the Makefile: on a busy machine threads that spin while they wait make training many times slower
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    peak = 0
    while child.poll() is None:
        peak = max(peak, memory_of(child.pid))
        time.sleep(0.05)
    told, _ = child.communicate()
    if child.returncode:
        raise SystemExit(child.returncode)
    found = json.loads(told.splitlines()[-1]) or {}
    return {**found, "peak_gb": peak / 1024**3}


def measure(rows: int, folder: Path) -> dict[str, Any]:
    """Both fits of one size."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        alone("prepare", rows, Path(scratch))
        trained, plain = (alone(part, rows, Path(scratch)) for part in ("ours", "bare"))
    found = {
        "rows": trained["rows"], "columns": trained["columns"], "trees": trained["trees"],
        "seconds": trained["seconds"], "bare_seconds": plain["seconds"],
        "ratio": trained["seconds"] / plain["seconds"],
        "peak_gb": trained["peak_gb"], "bare_peak_gb": plain["peak_gb"],
    }  # fmt: skip
    print(found, flush=True)
    return found


def page(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """Lay the figures out as Markdown."""
    head = ["observations", "features", "trees", "seconds", "bare seconds", "ratio", "peak GB", "bare peak GB"]
    lines = [
        "## Training", "",
        "`RiskModel.fit` with the whole catalogue on a simulated telecom biller: columns encoded, trees counted on",
        "later time, calibrated with bounds, grown anew on all rows. Beside it xgboost alone: as many trees, the same",
        "settings, the same numbers as a float32 matrix that is there already. Each in a process of its own.", "",
        "| " + " | ".join(head) + " |", "|" + "---:|" * len(head),
    ]  # fmt: skip
    for row in rows:
        bar = ""
        if row["rows"] >= FULL:
            bar = f" (bar {BAR:g}: {'pass' if row['ratio'] <= BAR else 'FAIL'})"
        cells = [
            f"{row['rows']:,}", f"{row['columns']}", f"{row['trees']:,}", f"{row['seconds']:.1f}",
            f"{row['bare_seconds']:.1f}", f"{row['ratio']:.2f}{bar}", f"{row['peak_gb']:.1f}",
            f"{row['bare_peak_gb']:.1f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", footer(about)]) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, nargs="+", default=[50_000], help="sizes, one after another")
    words.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    words.add_argument("--child", choices=PARTS, help=argparse.SUPPRESS)
    chosen = words.parse_args()
    if chosen.child:
        work: Any = PARTS[chosen.child]
        print(json.dumps(work(chosen.rows[0], chosen.folder) if chosen.child == "prepare" else work(chosen.folder)))
        return
    about: dict[str, Any] = provenance()
    rows = [measure(size, chosen.folder) for size in sorted(chosen.rows)]
    if os.environ.get("EARLYWARN_EVIDENCE"):
        write_evidence(Path(os.environ["EARLYWARN_EVIDENCE"]), "training", {"rows": rows}, about)
    text = page(rows, about)
    print(text)
    write_section("training", text)


if __name__ == "__main__":
    main()
