"""``earlywarn train``: learn from what has matured, and write a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import heading, progress, say, say_notes, whole
from earlywarn.cli.folder import add_data, ledger_from

__all__ = ["add", "run", "stages"]


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "train",
        help="train a model on the tables of a folder and write a bundle",
        description="Observe every obligation before its due day, train on those whose outcome is known, calibrate on "
        "the latest of them, and write a bundle of data files.",
    )
    add_data(verb)
    verb.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the bundle")
    verb.add_argument(
        "--grace", type=whole(0), default=3, metavar="DAYS", help="days after due that count as on time (%(default)s)"
    )
    verb.add_argument(
        "--lead", type=whole(0), nargs="+", default=[7], metavar="DAYS", help="days before due to observe at (7)"
    )
    verb.add_argument("--cycles", action="store_true", help="also score running periods, before their bill exists")
    verb.add_argument("--days", action="store_true", help="also learn on which day bills are paid")
    verb.add_argument(
        "--scorecard", action="store_true", help="few features with points that can be added by hand, instead of trees"
    )
    verb.add_argument("--features", type=Path, metavar="PATH", help="TOML file or folder (default: the catalogue)")
    verb.add_argument("--policy", type=Path, metavar="FILE.toml", help="the policy (default: the shipped one)")
    verb.add_argument("--seed", type=whole(0), default=0, metavar="N", help="seed of the training (%(default)s)")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.actions.policy import Policy
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.outcomes import Outcome
    from earlywarn.risk.model import RiskModel
    from earlywarn.risk.scorecard import Scorecard
    from earlywarn.scorer import train

    features = FeatureSet.from_toml(asked.features) if asked.features else FeatureSet.default()
    policy = Policy.from_toml(asked.policy) if asked.policy else Policy.default()
    outcome = Outcome(grace_days=asked.grace, lead_days=tuple(asked.lead), stages=stages(asked))
    ledger = ledger_from(asked)
    kind = Scorecard if asked.scorecard else RiskModel
    with progress(f"learning from {len(features)} features") as report:
        scorer = train(
            features, outcome, ledger, policy, model=kind(features, random_state=asked.seed),
            random_state=asked.seed, days=asked.days, progress=report,
        )  # fmt: skip
    folder = scorer.save(asked.out)
    heading("trained")
    learned = scorer.model.training_summary_
    say(
        f"{learned['rows']:,} observations with a known outcome, {learned['base_rate']:.1%} late",
        f"model {scorer.model_version}: {_size(learned)}",
    )
    say_notes((*ledger.notices, *scorer.notices))
    say(f"written: {folder}")
    return 0


def stages(asked: argparse.Namespace) -> tuple[str, ...]:
    """Stages that are asked for."""
    from earlywarn.outcomes import STAGES

    return STAGES if asked.cycles else STAGES[1:]


def _size(learned: dict[str, Any]) -> str:
    if "trees" in learned:
        return f"{learned['trees']:,} trees on {learned['columns']} features"
    return f"a scorecard of {learned['features_on_card']} features, of {learned['columns']}"
