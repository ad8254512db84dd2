"""Seconds of each stage on a generated biller; import and training beside the bare library in one run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import xgboost

import earlywarn as ew
from provenance import provenance
from sections import footer, write_section


def timed(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Median seconds, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return median(seconds), result


def import_row() -> tuple[str, float, str]:
    def start(code: str) -> float:
        return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True), repeats=11)[0]

    start("import earlywarn")
    ours, bare = start("import earlywarn"), start("pass")
    return "import earlywarn", ours, f"{1000 * (ours - bare):.0f} ms over bare Python (bar: 60 ms)"


def bare_fit(model: ew.RiskModel, X: pd.DataFrame, y: pd.Series) -> float:
    """Fit a booster by xgboost alone: the same rows, tree parameters and number of rounds."""
    known = y.notna().to_numpy()
    numbers = X.apply(lambda column: column.cat.codes if column.dtype == "category" else column)
    matrix = xgboost.DMatrix(numbers.to_numpy(np.float32)[known], y[known].to_numpy(np.float32))
    trees = json.loads(model.booster_.save_config())["learner"]["gradient_booster"]["tree_train_param"]
    words = {**trees, "objective": "binary:logistic", "tree_method": "hist"}
    rounds = model.booster_.num_boosted_rounds()
    return timed(lambda: xgboost.train(words, matrix, num_boost_round=rounds))[0]


def measure(customers: int, months: int) -> list[tuple[str, float, str]]:
    """One row per stage: name, seconds, what it worked on."""
    rows = [import_row()]

    def stage(name: str, work: Callable[[], Any], size: Callable[[Any], str]) -> Any:
        seconds, result = timed(work)
        rows.append((name, seconds, size(result)))
        return result

    tables = ew.simulate.make_biller(customers=customers, months=months, seed=1)
    count = sum(len(frame) for frame in tables.values() if isinstance(frame, pd.DataFrame))
    ledger = stage("check and settle", lambda: ew.Ledger.from_tables(**tables), lambda _: f"{count:,} rows")
    outcome, features = ew.Outcome(grace_days=3, lead_days=7), ew.FeatureSet.default()
    until = ledger.until
    obs = stage(
        "observations",
        lambda: outcome.observations(ledger, until - pd.Timedelta(days=365), until),
        lambda obs: f"{len(obs):,} observations",
    )
    y = stage("labels", lambda: outcome.label(ledger, obs), lambda y: f"{int(y.notna().sum()):,} known")
    X = stage("features", lambda: features.compute(ledger, obs), lambda X: f"{X.shape[0]:,} x {X.shape[1]}")
    model = stage(
        "train and calibrate",
        lambda: ew.RiskModel(features, random_state=0).fit(X, y, as_of=obs["as_of"], groups=obs["customer_id"]),
        lambda model: f"{model.booster_.num_boosted_rounds()} rounds",
    )
    trained, bare = rows[-1][1], bare_fit(model, X, y)
    rows.append(("the bare xgboost fit", bare, f"training takes {trained / bare:.1f} x this (bar: 3 x)"))
    stage("exact SHAP values", lambda: model.shap_values(X), lambda values: f"{len(values):,} rows")
    stage("reasons in words", lambda: model.reason_codes(X.head(1000)), lambda codes: f"{len(codes):,} reasons")
    scorer = ew.Scorer(features, outcome, model, ew.Policy.default())
    stage("score", lambda: scorer.score(ledger, until), lambda scores: f"{len(scores):,} obligations")
    stage("recommend", lambda: scorer.recommend(ledger, until), lambda plan: f"{len(plan):,} debtors")
    return rows


def page(rows: list[tuple[str, float, str]], customers: int, months: int) -> str:
    """Lay the rows out as Markdown."""
    lines = [
        "## Stages",
        "",
        f"On a generated biller: {customers:,} customers, {months} months.",
        "Medians of three runs (import: eleven). Seconds are of one machine; import and training have a bare",
        "library beside them.",
        "",
        "| stage | seconds | on |",
        "|---|---:|---|",
        *(f"| {name} | {seconds:.3g} | {size} |" for name, seconds, size in rows),
        "",
        footer(provenance()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--customers", type=int, default=2000)
    words.add_argument("--months", type=int, default=24)
    chosen = words.parse_args()
    text = page(measure(chosen.customers, chosen.months), chosen.customers, chosen.months)
    print(text)
    write_section("stages", text)


if __name__ == "__main__":
    main()
