"""``earlywarn train``: learn from what has matured, and write a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.console import heading, progress, say, say_notes, whole
from earlywarn.cli.folder import add_data, ledger_from

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.outcomes import Outcome
    from earlywarn.risk.calibrated import CalibratedModel

__all__ = ["add", "add_outcome", "outcome_from", "run"]


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
    add_outcome(verb)
    verb.add_argument("--policy", type=Path, metavar="FILE.toml", help="the policy (default: the shipped one)")
    verb.add_argument(
        "--tune", type=whole(0), default=0, metavar="N", help="parameters to try on folds of time first (%(default)s)"
    )
    verb.add_argument("--days", action="store_true", help="also learn on which day bills are paid")
    verb.set_defaults(run=run)


def add_outcome(verb: argparse.ArgumentParser) -> None:
    """Arguments that say what is observed, and which model learns it."""
    verb.add_argument(
        "--grace", type=whole(0), default=3, metavar="DAYS", help="days after due that count as on time (%(default)s)"
    )
    verb.add_argument(
        "--lead", type=whole(0), nargs="+", default=[7], metavar="DAYS", help="days before due to observe at (7)"
    )
    verb.add_argument("--cycles", action="store_true", help="also score running periods, before their bill exists")
    verb.add_argument("--features", type=Path, metavar="PATH", help="TOML file or folder (default: the catalogue)")
    verb.add_argument(
        "--scorecard", action="store_true", help="few features with points that can be added by hand, instead of trees"
    )
    verb.add_argument("--seed", type=whole(0), default=0, metavar="N", help="seed of the training (%(default)s)")


def outcome_from(asked: argparse.Namespace) -> tuple[FeatureSet, Outcome, CalibratedModel]:
    """Features, outcome and unfitted model that are asked for."""
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.outcomes import STAGES, Outcome
    from earlywarn.risk.model import RiskModel
    from earlywarn.risk.scorecard import Scorecard

    features = FeatureSet.from_toml(asked.features) if asked.features else FeatureSet.default()
    stages = STAGES if asked.cycles else STAGES[1:]
    kind = Scorecard if asked.scorecard else RiskModel
    outcome = Outcome(grace_days=asked.grace, lead_days=tuple(asked.lead), stages=stages)
    return features, outcome, kind(features, random_state=asked.seed)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.actions.policy import Policy
    from earlywarn.scorer import train

    features, outcome, model = outcome_from(asked)
    policy = Policy.from_toml(asked.policy) if asked.policy else Policy.default()
    ledger = ledger_from(asked)
    with progress(f"learning from {len(features)} features") as report:
        scorer = train(
            features,
            outcome,
            ledger,
            policy,
            model=model,
            tune=asked.tune,
            days=asked.days,
            random_state=asked.seed,
            progress=report,
        )
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


def _size(learned: dict[str, Any]) -> str:
    if "trees" in learned:
        return f"{learned['trees']:,} trees on {learned['columns']} features"
    return f"a scorecard of {learned['features_on_card']} features, of {learned['columns']}"
