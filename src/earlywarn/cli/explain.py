"""``earlywarn explain``: why one customer's obligations have the risk they have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import heading, ledger_from, progress, say
from earlywarn.cli.score import add_scoring
from earlywarn.errors import DataError, suggest

__all__ = ["add", "run", "show_reasons"]


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "explain",
        help="the reasons of one customer's scores, in words",
        description="Every family of reasons with its exact share in the score, in log-odds, and a sentence.",
    )
    add_scoring(verb)
    verb.add_argument("--customer", required=True, help="id of the customer")
    verb.add_argument("--language", default="en", help="en, nl, fr, nl-BE, … (%(default)s)")
    verb.add_argument("--plot", type=Path, help="write a picture of the reasons to this PNG file")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.scorer import Scorer

    ledger, scorer = ledger_from(asked), Scorer.load(asked.model)
    if asked.customer not in ledger.customers:
        raise DataError(
            f"there is no customer {asked.customer!r}.",
            code="D162",
            hint=suggest(asked.customer, ledger.customers),
        )
    with progress("scoring") as report:
        scores = scorer.score(ledger, asked.as_of, asked.horizon, customers=[asked.customer], progress=report)
    scored = scores[scores["status"] == "scored"]
    if not len(scored):
        say(f"nothing to explain: {', '.join(scores['status'].unique()) or 'no open obligation'}")
        return 0
    reasons = scorer.reasons(ledger, scored, top=None, language=asked.language)
    for label, row in scored.iterrows():
        show_reasons(row, reasons[reasons["observation"] == label])
    if asked.plot:
        from earlywarn.plots import ReasonDisplay

        label = scored.index[0]
        own = reasons[reasons["observation"] == label]
        display = ReasonDisplay.from_arrays(reasons.attrs["base_log_odds"], list(own["family"]), own["contribution"])
        figure = display.plot().figure_
        if figure is not None:
            figure.savefig(asked.plot, dpi=150, bbox_inches="tight")
        say("", f"written: {asked.plot}")
    return 0


def show_reasons(row: Any, reasons: Any) -> None:
    """Print one obligation and its reasons, those that raise the risk first."""
    heading(
        f"{row['customer_id']} · {row['obligation_id']} · due {row['due_on']:%Y-%m-%d} · late risk {row['p_late']:.0%}"
    )
    for reason in reasons.sort_values("contribution", ascending=False).itertuples():
        say(f"{reason.contribution:+6.2f}  {reason.text}")
