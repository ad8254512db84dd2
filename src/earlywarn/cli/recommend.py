"""``earlywarn recommend``: the plan, one row per debtor: an action, or why not."""

from __future__ import annotations

import argparse
from typing import Any

from earlywarn.cli.console import (
    check_texts,
    heading,
    language,
    progress,
    say,
    say_notes,
    table,
    table_file,
    write_frame,
)
from earlywarn.cli.folder import ledger_from
from earlywarn.cli.score import add_scoring
from earlywarn.errors import PolicyError
from earlywarn.plots.words import in_words

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
    verb.add_argument(
        "--language",
        type=language,
        default="en",
        metavar="TAG",
        help="language of the reasons: en, nl, fr, nl-BE, … (%(default)s)",
    )
    verb.add_argument("--out", type=table_file, metavar="FILE", help="CSV or Parquet file for the plan")
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

    limits = capacity_from(asked.capacity) or None
    scorer = Scorer.load(asked.model)
    check_texts(asked.language, scorer.features)
    ledger = ledger_from(asked)
    with progress("recommending") as report:
        plan = scorer.recommend(
            ledger, asked.as_of, limits, horizon_days=asked.horizon, language=asked.language, progress=report
        )
    show_plan(plan, asked.language)
    if asked.out:
        write_frame(plan, asked.out)
        say(f"written: {asked.out}")
    return 0


def show_plan(plan: Any, language: str, top: int = 6) -> None:
    """Print what a plan holds, and of each action the rows with the highest risk."""
    heading(f"plan: {len(plan):,} debtors")
    say_notes(plan.attrs.get("notices", ()))
    counted = plan.groupby(["action", "exclusion"], dropna=False).size().rename("debtors").reset_index()
    counted["action"] = [in_words("action", word, language) for word in counted["action"]]
    say(table(counted.rename(columns={"exclusion": "why nothing is done"})))
    acting = plan[plan["exclusion"].isna()].sort_values(["action", "p_late"], ascending=False, kind="stable")
    cells = cells_of(plan)
    for row in acting.groupby("action", sort=False).head(top).itertuples():
        channel, angle = in_words("channel", row.channel, language), in_words("angle", row.angle, language)
        by = in_words("label", "by", language)
        risk = "not scored" if row.p_late != row.p_late else f"late risk {row.p_late:.0%}"
        say("", f"{row.customer_id}: {in_words('action', row.action, language)} {by} {channel}: {angle} · {risk}")
        if row.customer_id in cells:
            history, signal = cells[row.customer_id]
            say(f"    {in_words('history', history, language)} × {in_words('signal', signal, language)}")
        say(*[f"    · {reason}" for reason in row.reasons])


def cells_of(plan: Any) -> dict[str, tuple[str, str]]:
    """History and signal of each debtor, where the plan tells them.

    In its columns ``history`` and ``signal``, or in ``attrs["evidence"]`` as a mapping of customer to both.
    """
    if {"history", "signal"} <= set(plan.columns):
        return dict(zip(plan["customer_id"], zip(plan["history"], plan["signal"], strict=True), strict=True))
    return dict(plan.attrs.get("evidence", {}))
