"""``earlywarn train``: learn from what has matured, and write a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import heading, progress, say, say_notes, whole
from earlywarn.cli.folder import add_data, ledger_from

__all__ = ["add", "run"]


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
    from earlywarn.scorer import Scorer

    features = FeatureSet.from_toml(asked.features) if asked.features else FeatureSet.default()
    policy = Policy.from_toml(asked.policy) if asked.policy else Policy.default()
    outcome = Outcome(grace_days=asked.grace, lead_days=tuple(asked.lead))
    ledger = ledger_from(asked)
    observations = outcome.observations(ledger)
    resolved = outcome.resolve(ledger, observations)
    late = resolved["late"]
    with progress(f"computing {len(features)} features at {len(observations):,} observations") as report:
        matrix = features.compute(ledger, observations, progress=report)
    with progress("training"):
        model = RiskModel(features, random_state=asked.seed).fit(
            matrix, late, as_of=observations["as_of"], groups=observations["customer_id"],
            sample_weight=outcome.weights(observations), matures_at=resolved["matures_at"], until=ledger.until,
        )  # fmt: skip
    folder = Scorer(features, outcome, model, policy).save(asked.out)
    heading("trained")
    known = late.dropna()
    say(
        f"{len(known):,} observations with a known outcome, {known.mean():.1%} late",
        f"{len(late) - len(known):,} without one yet, or withdrawn, credited or in dispute",
    )
    say_notes((*ledger.notices, *model.notices_, *matrix.attrs.get("notices", ())))
    say(f"written: {folder}")
    return 0
