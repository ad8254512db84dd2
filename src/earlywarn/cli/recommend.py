"""``earlywarn recommend``: the plan, one row per debtor: an action, or why not."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import heading, ledger_from, progress, say, table, write_frame
from earlywarn.cli.score import add_scoring
from earlywarn.errors import PolicyError

__all__ = ["add", "capacity_from", "run", "show_plan"]


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "recommend",
        help="who is best helped, how, within the capacity there is",
        description="One row per debtor: an action with its angle, channel and reasons, or why there is none.",
    )
    add_scoring(verb)
    verb.add_argument(
        "--capacity",
        nargs="*",
        default=[],
        metavar="NAME=COUNT",
        help="limits of the policy, such as calls=40 notices=200",
    )
    verb.add_argument("--language", default="en", help="language of the reasons: en, nl, fr, nl-BE, … (%(default)s)")
    verb.add_argument("--out", type=Path, help="CSV or Parquet file for the plan")
    verb.set_defaults(run=run)


def capacity_from(words: list[str]) -> dict[str, int]:
    """Limits from words such as ``calls=40``.

    Raises
    ------
    PolicyError
        P610 when a word is not of that form.
    """
    limits = {}
    for word in words:
        name, _, count = word.partition("=")
        if not count.isdigit():
            raise PolicyError(f"capacity {word!r} is no limit.", code="P610", hint="write it as calls=40.")
        limits[name] = int(count)
    return limits


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.scorer import Scorer

    ledger, scorer = ledger_from(asked), Scorer.load(asked.model)
    with progress("recommending") as report:
        plan = scorer.recommend(
            ledger, asked.as_of, capacity_from(asked.capacity) or None, horizon_days=asked.horizon,
            language=asked.language, progress=report,
        )  # fmt: skip
    show_plan(plan)
    if asked.out:
        write_frame(plan, asked.out)
        say(f"written: {asked.out}")
    return 0


def show_plan(plan: Any, top: int = 6) -> None:
    """Print what a plan holds, and of each action the rows with the highest risk."""
    heading(f"plan: {len(plan):,} debtors")
    say(table(plan.groupby(["action", "exclusion"], dropna=False).size().rename("debtors").reset_index()))
    acting = plan[plan["exclusion"].isna()].sort_values(["action", "p_late"], ascending=False, kind="stable")
    for row in acting.groupby("action", sort=False).head(top).itertuples():
        say(
            "",
            f"{row.customer_id}: {row.action} by {row.channel}, {row.angle} ({row.role}), late risk {row.p_late:.0%}",
            *[f"    · {reason}" for reason in row.reasons],
        )
