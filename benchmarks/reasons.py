"""Exact SHAP values of boosted trees beside xgboost's own, shap's and WOODELF's: equality first, then seconds."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from earlywarn.reasons.treeshap import TreeShap, margins
from provenance import provenance, write_evidence
from sections import footer, write_section

Matrix = npt.NDArray[np.float32]
Explain = Callable[[Matrix], npt.NDArray[Any]]

COLUMNS, TREES = 80, 400
#: How far apart two libraries may be, in log-odds.
TOLERANCE = 1e-5
#: Least ratio to xgboost by its version and the depth, and to WOODELF at depth 4: of PERFORMANCE.md, at 200,000 rows.
BARS = {("3.2", 4): 50.0, ("3.2", 6): 80.0, ("3.4", 4): 40.0, ("3.4", 6): 20.0}
WOODELF_BAR, FULL = 8.0, 200_000
#: Most that reading the trees may take, in seconds and in megabytes, and reasons of one row beyond its prediction.
READ_SECONDS, MEGABYTES, ROW_MS = 0.5, 64.0, 0.3


def trained(depth: int, rows: int = 60_000) -> xgb.Booster:
    """Trees on made-up data in which every column says a little, with missing values."""
    draw = np.random.default_rng(0)
    X = made_up(rows, 0)
    Z = np.nan_to_num(X)
    score = sum(np.sin(Z[:, j] * (1 + j % 3)) / (1 + j / 8) for j in range(COLUMNS)) + Z[:, 0] * Z[:, 1]
    late = draw.random(rows) < 1 / (1 + np.exp(-score))
    settings = {
        "objective": "binary:logistic", "tree_method": "hist", "max_depth": depth, "learning_rate": 0.05, "seed": 0,
    }  # fmt: skip
    return xgb.train(settings, xgb.DMatrix(X, label=late), TREES)


def made_up(rows: int, seed: int) -> Matrix:
    """Normal numbers, a tenth of them missing."""
    draw = np.random.default_rng(seed)
    X = draw.standard_normal((rows, COLUMNS)).astype(np.float32)
    X[draw.random(X.shape) < 0.1] = np.nan
    return X


def peers(booster: xgb.Booster) -> dict[str, Explain]:
    """The same values by other libraries, those that are installed."""
    found: dict[str, Explain] = {
        "xgboost": lambda X: booster.predict(xgb.DMatrix(X), pred_contribs=True)[:, :-1],
    }
    try:
        import shap

        found["shap"] = lambda X: shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent").shap_values(X)
    except ImportError:
        print("shap is not installed and is left out", file=sys.stderr)
    try:
        import pandas as pd
        from woodelf import WoodelfExplainer

        names = [f"f{j}" for j in range(COLUMNS)]
        found["WOODELF"] = lambda X: WoodelfExplainer(booster, feature_perturbation="tree_path_dependent").shap_values(
            pd.DataFrame(X, columns=names), verbose=False
        )
    except ImportError:
        print("WOODELF is not installed and is left out", file=sys.stderr)
    return found


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The fastest of some runs."""
    took = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return min(took)


def measure(depth: int, sizes: list[int], most_rows: dict[str, int]) -> list[dict[str, Any]]:
    """One depth at each size: every library that is not left out at this size."""
    booster = trained(depth)
    read = seconds(lambda: TreeShap.of(booster, COLUMNS), 5)
    explained = TreeShap.of(booster, COLUMNS)
    others = peers(booster)
    few = made_up(300, 1)
    own = explained.contributions(few)
    for name, explain in others.items():
        gap = float(np.abs(explain(few) - own).max())
        if not gap <= TOLERANCE:
            raise SystemExit(f"depth {depth}: {name} gives other values, {gap:.2g} log-odds apart")
    found = []
    for rows in sizes:
        X = made_up(rows, 2)
        row: dict[str, Any] = {
            "depth": depth, "rows": rows, "read_seconds": read, "megabytes": explained.nbytes / 1e6,
            "predict_seconds": seconds(lambda X=X: margins(booster, X), 3),
            "seconds": seconds(lambda X=X: explained.contributions(X), 3),
        }  # fmt: skip
        for name, explain in others.items():
            if rows <= most_rows.get(name, rows):
                row[f"{name}_seconds"] = seconds(lambda X=X, explain=explain: explain(X), 1)
                row[f"{name}_ratio"] = row[f"{name}_seconds"] / row["seconds"]
        row |= one_row(explained, X)
        print(row, flush=True)
        found.append(row)
    return found


def one_row(explained: TreeShap, X: Matrix, repeats: int = 400) -> dict[str, float]:
    """Milliseconds of a prediction alone and of its contributions, which are held against that prediction."""
    predicted, told = [], []
    for at in range(repeats):
        row = X[at % len(X)][None]
        begin = time.perf_counter()
        margin = margins(explained.booster, row)
        middle = time.perf_counter()
        explained.contributions(row, margin)
        predicted.append(1e3 * (middle - begin))
        told.append(1e3 * (time.perf_counter() - middle))
    return {
        "row_predict_ms": float(np.median(predicted)),
        "row_reasons_ms": float(np.median(told)),
        "row_reasons_p99_ms": float(np.quantile(told, 0.99)),
    }


def bars(row: dict[str, Any]) -> dict[str, tuple[float, float, bool]]:
    """What must hold of a row: its figure, the bar, and whether it holds."""
    held = {
        "read_seconds": (row["read_seconds"], READ_SECONDS, row["read_seconds"] <= READ_SECONDS),
        "megabytes": (row["megabytes"], MEGABYTES, row["megabytes"] <= MEGABYTES),
        "row_reasons_ms": (row["row_reasons_ms"], ROW_MS, row["row_reasons_ms"] <= ROW_MS),
    }
    version = ".".join(xgb.__version__.split(".")[:2])
    named = {
        "xgboost_ratio": BARS.get((version, row["depth"])),
        "WOODELF_ratio": WOODELF_BAR if row["depth"] == 4 else None,
    }
    for name, bar in named.items():
        if bar is not None and name in row and row["rows"] >= FULL:
            held[name] = (row[name], bar, row[name] >= bar)
    return held


def page(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """Lay the figures out as Markdown."""
    held = [bars(row) for row in rows]

    def cell(at: int, name: str, form: str) -> str:
        if name not in rows[at]:
            return "not run"
        bar = held[at].get(name)
        return format(rows[at][name], form) + (
            "" if bar is None else f" (bar {bar[1]:g}: {'pass' if bar[2] else 'FAIL'})"
        )

    shown = [
        ("depth", "d"), ("rows", ",d"), ("predict_seconds", ".2f"), ("seconds", ".2f"), ("xgboost_seconds", ".1f"),
        ("xgboost_ratio", ".0f"), ("shap_seconds", ".1f"), ("shap_ratio", ".0f"), ("WOODELF_seconds", ".1f"),
        ("WOODELF_ratio", ".0f"), ("read_seconds", ".3f"), ("megabytes", ".1f"), ("row_predict_ms", ".2f"),
        ("row_reasons_ms", ".2f"), ("row_reasons_p99_ms", ".2f"),
    ]  # fmt: skip
    head = [
        "depth", "rows", "predict", "ours", "xgboost", "ratio", "shap", "ratio", "WOODELF", "ratio", "reading trees",
        "MB", "one row: predict ms", "reasons ms", "p99 ms",
    ]  # fmt: skip
    lines = [
        f"## Reasons, Python {about['versions']['python']}, xgboost {about['versions']['xgboost']}", "",
        f"Exact path-dependent SHAP values of {TREES} trees on {COLUMNS} features, a tenth of the values missing. In",
        "seconds; a ratio is that library's seconds divided by ours. Before anything is timed, all are held against",
        f"ours on 300 rows ({TOLERANCE:g} log-odds). shap asks xgboost for these values, so it is timed once. Both",
        "cores are free to all; WOODELF uses one. The reasons of one row come on top of its prediction, and are",
        "held against it.", "",
        "| " + " | ".join(head) + " |", "|" + "---:|" * len(head),
        *("| " + " | ".join(cell(at, name, form) for name, form in shown) + " |" for at in range(len(rows))),
    ]  # fmt: skip
    return "\n".join([*lines, "", footer(about)]) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, nargs="+", default=[20_000, FULL], help="sizes, one after another")
    words.add_argument("--depth", type=int, nargs="+", default=[4, 6], help="depths of the trees")
    words.add_argument("--shap-rows", type=int, default=20_000, help="at most so many rows for shap")
    chosen = words.parse_args()
    about: dict[str, Any] = provenance()
    rows = [row for depth in chosen.depth for row in measure(depth, chosen.rows, {"shap": chosen.shap_rows})]
    name = f"reasons-{sys.version_info.major}.{sys.version_info.minor}"
    if os.environ.get("EARLYWARN_EVIDENCE"):
        write_evidence(Path(os.environ["EARLYWARN_EVIDENCE"]), name, {"rows": rows}, about)
    text = page(rows, about)
    print(text)
    write_section(name, text)
    if any(not fine for row in rows for _, _, fine in bars(row).values()):
        raise SystemExit("a bar does not hold")


if __name__ == "__main__":
    main()
