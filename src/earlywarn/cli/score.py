"""``earlywarn score``: the late-payment risk of every obligation that is open."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import add_data, heading, ledger_from, progress, say, table, write_frame

__all__ = ["add", "add_scoring", "run"]


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "score",
        help="score every open obligation at a moment",
        description="One row per obligation that is open or due within the horizon, with its calibrated probability of "
        "being late, or the reason why it is not scored.",
    )
    add_scoring(verb)
    verb.add_argument("--out", type=Path, help="CSV or Parquet file for the scores (default: the top is shown)")
    verb.add_argument("--top", type=int, default=20, help="rows to show (%(default)s)")
    verb.set_defaults(run=run)


def add_scoring(verb: argparse.ArgumentParser) -> None:
    """Arguments of the verbs that score."""
    add_data(verb)
    verb.add_argument("--model", type=Path, required=True, help="folder of a bundle that train wrote")
    verb.add_argument("--as-of", help="only facts known before this day count (default: the end of the data)")
    verb.add_argument("--horizon", type=int, default=35, help="days ahead to look for due days (%(default)s)")


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.scorer import Scorer

    ledger, scorer = ledger_from(asked), Scorer.load(asked.model)
    with progress("scoring") as report:
        scores = scorer.score(ledger, asked.as_of, asked.horizon, progress=report)
    heading(f"{len(scores):,} obligations at {scores.attrs['as_of'][:10]}")
    counted = scores.groupby("status").size().rename("rows").reset_index()
    say(table(counted))
    if asked.out:
        write_frame(scores, asked.out)
        say(f"written: {asked.out}")
    else:
        shown = ["customer_id", "obligation_id", "due_on", "lead_days", "amount", "p_late", "band", "status"]
        say("", table(scores.sort_values("p_late", ascending=False, kind="stable").head(asked.top)[shown]))
    return 0
