"""``earlywarn backtest``: how good the model would have been in the past."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import heading, progress, say, say_notes, table, table_file, whole, write_frame
from earlywarn.cli.folder import add_data, ledger_from
from earlywarn.cli.train import add_outcome, outcome_from

__all__ = ["add", "run"]

_SHOWN = [
    "scorer", "rows", "events", "auc", "log_loss", "brier", "mean_p", "calibration_slope", "lift", "capture", "money",
]  # fmt: skip


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "backtest",
        help="how good the model would have been: trained on what was known, tested on what came next",
        description="Cut time into stretches. Before each, train on what had matured by then; test on the stretch, "
        "beside simple rules. Prints the measures, and writes a page with tables and pictures if you name one.",
    )
    add_data(verb)
    add_outcome(verb)
    verb.add_argument("--folds", type=whole(1), default=4, metavar="N", help="stretches to test (%(default)s)")
    verb.add_argument(
        "--capacity", type=_share, default=0.1, metavar="SHARE", help="share of obligations that can be called (0.1)"
    )
    verb.add_argument("--out", type=_page, metavar="FILE.html", help="write a page with everything")
    verb.add_argument(
        "--predictions", type=table_file, metavar="FILE", help="write every tested observation (CSV or Parquet)"
    )
    verb.add_argument(
        "--no-random-split", action="store_true", help="do not show what rows drawn by lot would have claimed"
    )
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.risk.backtest import backtest

    features, outcome, model = outcome_from(asked)
    ledger = ledger_from(asked)
    with progress("testing in the past") as report:
        result = backtest(
            features, outcome, ledger, folds=asked.folds, model=model, random_state=asked.seed,
            capacity=asked.capacity, random_split=not asked.no_random_split, progress=report,
        )  # fmt: skip
    rows = result.predictions
    heading(f"{len(rows):,} observations from {rows['as_of'].min():%Y-%m-%d} to {rows['as_of'].max():%Y-%m-%d}")
    say(table(result.overall()[_SHOWN]))
    claim = result.random_split
    if claim is not None:
        say(
            "",
            f"rows drawn by lot would have claimed: AUC {claim.measures['auc']:.3f}, log-loss "
            f"{claim.measures['log_loss']:.3f}",
        )
    with progress("drawing customers anew"):
        held = result.calibration()
    say("", "do probabilities mean what they say?", table(held))
    say_notes((*ledger.notices, *result.notices))
    if asked.predictions:
        write_frame(rows, asked.predictions)
        say(f"written: {asked.predictions}")
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        result.to_html(asked.out)
        say(f"written: {asked.out}")
    return 0


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a share above 0 and at most 1, such as 0.1")
    return share


def _page(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".html", ".htm"):
        raise argparse.ArgumentTypeError(f"{text!r} must end on .html")
    return path
