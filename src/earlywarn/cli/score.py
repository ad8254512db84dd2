"""``earlywarn score``: the late-payment risk of every obligation that is open."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import heading, progress, say, say_notes, table, table_file, whole, write_frame
from earlywarn.cli.folder import add_data, ledger_from

__all__ = ["add", "add_scoring", "run"]

_SHOWN = ["customer_id", "obligation_id", "due_on", "lead_days", "amount", "p_late", "band", "status"]


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "score",
        help="score every open obligation at a moment",
        description="One row per obligation that is open or due within the horizon, with its calibrated probability of "
        "being late, or the reason why it is not scored.",
    )
    add_scoring(verb)
    verb.add_argument(
        "--out", type=table_file, metavar="FILE", help="CSV or Parquet file for the scores (default: the top is shown)"
    )
    verb.add_argument("--top", type=whole(1), default=20, metavar="N", help="rows to show (%(default)s)")
    verb.set_defaults(run=run)


def add_scoring(verb: argparse.ArgumentParser) -> None:
    """Arguments of the verbs that score."""
    add_data(verb)
    verb.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="bundle that train wrote")
    verb.add_argument(
        "--as-of", metavar="DATE", help="only facts known before it count (default: the day after the data end)"
    )
    verb.add_argument(
        "--horizon", type=whole(0), default=35, metavar="DAYS", help="days ahead to look for due days (%(default)s)"
    )


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.scorer import Scorer

    scorer = Scorer.load(asked.model)
    ledger = ledger_from(asked)
    with progress("scoring") as report:
        scores = scorer.score(ledger, asked.as_of, asked.horizon, progress=report)
    heading(f"{len(scores):,} obligations at {scores.attrs['as_of'][:10]}")
    counted = scores.groupby("status").size().rename("rows").reset_index()
    say(table(counted))
    say_notes(scores.attrs["notices"])
    if asked.out:
        write_frame(scores, asked.out)
        say(f"written: {asked.out}")
    else:
        first = scores.sort_values("p_late", ascending=False, kind="stable").head(asked.top)
        say("", table(first[_SHOWN], {"amount": 2}))
    return 0
