"""``earlywarn explain``: why one customer's obligations have the risk they have, and what if."""

from __future__ import annotations

import argparse
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.console import check_texts, heading, language, picture_file, progress, say, say_notes
from earlywarn.cli.folder import ledger_from
from earlywarn.cli.score import add_scoring
from earlywarn.plots.canvas import signed
from earlywarn.plots.words import in_words
from earlywarn.tables.handed_over import need_customers
from earlywarn.whatif.words import phrase

if TYPE_CHECKING:
    from earlywarn.scorer import Scorer
    from earlywarn.tables.ledger import Ledger

__all__ = ["add", "draw_reasons", "run", "show_reasons"]

_ABOUT = """\
Every family of reasons with its exact share in the score, in log-odds, and a sentence.

  earlywarn explain tables/ --model bundle --customer K00017
  earlywarn explain tables/ --model bundle --customer K00017 --language nl --what-if --stress
  earlywarn explain tables/ --model bundle --customer K00017 --html K00017.html
"""
#: Log-odds: smaller reasons are told together.
SMALL = 0.05


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "explain",
        help="the reasons of one customer's scores, in words",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scoring(verb)
    verb.add_argument("--customer", required=True, metavar="ID", help="id of the customer")
    verb.add_argument(
        "--language", type=language, default="en", metavar="TAG", help="en, nl, fr, nl-BE, … (%(default)s)"
    )
    verb.add_argument(
        "--plot", type=picture_file, metavar="FILE.png", help="write a picture of the reasons to this file"
    )
    verb.add_argument(
        "--what-if", action="store_true", help="the smallest change by which the model would say a lower band"
    )
    verb.add_argument("--stress", action="store_true", help="risk and amounts if prices, use or income were otherwise")
    verb.add_argument(
        "--html", type=Path, metavar="FILE.html", help="write a page with reasons, pictures and what if to this file"
    )
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.scorer import Scorer

    scorer = Scorer.load(asked.model)
    check_texts(asked.language, scorer.features)
    ledger = ledger_from(asked)
    need_customers(ledger, [asked.customer])
    with progress("scoring") as report:
        scores = scorer.score(ledger, asked.as_of, asked.horizon, customers=[asked.customer], progress=report)
    say_notes(scores.attrs["notices"])
    scored = scores[scores["status"] == "scored"]
    if not len(scored):
        say(f"nothing to explain: {', '.join(scores['status'].unique()) or 'no open obligation'}")
        return 0
    reasons = scorer.reasons(ledger, scored, top=None, language=asked.language)
    for label, row in scored.iterrows():
        show_reasons(row, reasons[reasons["observation"] == label], reasons.attrs["base_log_odds"])
    if asked.plot:
        own = reasons[reasons["observation"] == scored.index[0]]
        draw_reasons(own, reasons.attrs["base_log_odds"], asked.language, asked.plot)
        say("", f"written: {asked.plot}")
    _what_if(asked, scorer, ledger)
    return 0


def _what_if(asked: argparse.Namespace, scorer: Scorer, ledger: Ledger) -> None:
    """What was asked beyond the reasons."""
    if not (asked.what_if or asked.stress or asked.html):
        return
    common: dict[str, Any] = {"horizon_days": asked.horizon, "context": scorer.context(ledger, asked.as_of)}
    if asked.what_if:
        say("", scorer.counterfactual(ledger, asked.customer, asked.as_of, **common).text(asked.language))
    if asked.stress:
        told = scorer.stress_test(ledger, asked.as_of, customers=[asked.customer], **common).named(asked.language)
        heading(phrase("stress_title", asked.language))
        for row in told.to_dict("records"):
            say(f"{row['name']:<44} {row['bill']:>10,.2f} {row['p_late']:>7.1%} {row['expected_open']:>10,.2f}")
    if asked.html:
        page = scorer.explain(ledger, asked.customer, asked.as_of, language=asked.language, **common)
        asked.html.parent.mkdir(parents=True, exist_ok=True)
        asked.html.write_text(f"<!doctype html><meta charset='utf-8'>{page._repr_html_()}", encoding="utf-8")
        say("", f"written: {asked.html}")


def show_reasons(row: Any, reasons: Any, base: float) -> None:
    """Print one obligation and its reasons, those that raise the risk first, small ones together."""
    heading(
        f"{row['customer_id']} · {row['obligation_id']} · due {row['due_on']:%Y-%m-%d} · late risk {row['p_late']:.0%}"
    )
    start = f"{base:.2f}".replace("-", "−")
    say(f"log-odds; + raises, − lowers the risk; starts at {start} ({1 / (1 + exp(-base)):.0%})")
    telling = reasons[reasons["contribution"].abs() >= SMALL].sort_values("contribution", ascending=False)
    for reason in telling.itertuples():
        say(f"{signed(reason.contribution):>6}  {reason.text}")
    if len(telling) < len(reasons):
        rest = float(reasons["contribution"].sum() - telling["contribution"].sum())
        say(f"{signed(rest):>6}  {len(reasons) - len(telling)} smaller reasons together")


def draw_reasons(reasons: Any, base: float, language: str, path: Path) -> None:
    """Draw the reasons of one obligation, in sentences."""
    from earlywarn.plots import ReasonDisplay

    display = ReasonDisplay.from_arrays(
        base, list(reasons["text"]), reasons["contribution"], rest=in_words("label", "other", language)
    )
    figure = display.plot(language=language).figure_
    if figure is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, bbox_inches="tight")
