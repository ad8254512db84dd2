"""``earlywarn demo``: the main job on real data that are shipped, then on a generated biller, in words."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.console import check_texts, heading, language, progress, say, table, whole
from earlywarn.cli.demo_biller import biller

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

__all__ = ["add", "run"]

FOLDS = 5
#: Customers below which the generated biller has too few late bills to learn from.
FEWEST = 200


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "demo",
        help="the main job on shipped real data and on a generated biller",
        description="Real card data, cross-validated by client; then a generated telecom biller: faults, a "
        "rolling-origin backtest, three customers with reasons, and a plan. Takes under two minutes and writes its "
        "files to --out.",
    )
    verb.add_argument(
        "--language",
        type=language,
        default="en",
        metavar="TAG",
        help="language of the reasons: en, nl, fr, nl-BE, … (%(default)s)",
    )
    verb.add_argument(
        "--customers",
        type=whole(FEWEST),
        default=2000,
        metavar="N",
        help=f"customers of the generated biller, at least {FEWEST} (%(default)s)",
    )
    verb.add_argument("--seed", type=whole(0), default=0, metavar="N", help="seed of the biller (%(default)s)")
    verb.add_argument(
        "--out",
        type=Path,
        default=Path("earlywarn-demo"),
        metavar="FOLDER",
        help="folder for the files (%(default)s)",
    )
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.features.catalogue import FeatureSet

    check_texts(asked.language, FeatureSet.default())
    started = time.monotonic()
    real_data(asked.seed)
    biller(asked.customers, asked.seed, asked.language, asked.out)
    say("", f"{time.monotonic() - started:.0f} seconds in all.")
    return 0


def real_data(seed: int) -> None:
    """UCI card clients: how well three populations are told apart, cross-validated by client."""
    from earlywarn import datasets

    heading("1  Real data: 30,000 card clients (UCI, Yeh & Lien 2009, CC BY 4.0)")
    ledger, observations, late = datasets.load_card_clients()
    features, groups = datasets.card_client_features(), datasets.card_client_groups()
    matrix = features.compute(ledger, observations)
    say(
        repr(ledger),
        f"{len(matrix):,} observations × {matrix.shape[1]} features; {late.mean():.1%} did not pay in October.",
        "One snapshot without real dates: no temporal split is possible, so clients are cross-validated in five folds.",
    )
    populations = {
        "all": late.notna(),
        "not late now": groups["not_late_now"],
        "never late": groups["never_late"],
    }
    lines = []
    with progress("cross-validating") as report:
        for done, (name, mask) in enumerate(populations.items(), start=1):
            keep = mask.to_numpy(dtype=bool)
            lines.append({"clients": name, **_cross_validated(features, matrix[keep], late[keep], seed)})
            report(done / len(populations))
    import pandas as pd

    say(table(pd.DataFrame(lines)))
    say("'never late' is the early-warning population: whoever is late already needs no prediction.")


def _cross_validated(features: Any, matrix: pd.DataFrame, late: pd.Series[Any], seed: int) -> dict[str, float]:
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    from earlywarn.risk.metrics import measures
    from earlywarn.risk.model import RiskModel

    y = late.to_numpy(dtype=np.int8)
    p = np.full(len(y), np.nan)
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(matrix, y):
        model = RiskModel(features, random_state=seed).fit(matrix.iloc[train], y[train])
        p[test] = model.predict_proba(matrix.iloc[test])[:, 1]
    status = matrix["arrears_now_months"].to_numpy()
    worst = matrix["arrears_worst_6m"].to_numpy()
    return {"count": len(y), "late": y.mean(), **_figures(measures(y, p), p), **_alone(y, status, worst)}


def _figures(found: dict[str, float], p: npt.NDArray[Any]) -> dict[str, float]:
    return {"AUC": found["auc"], "AP": found["ap"], "Brier": found["brier"], "mean p": float(p.mean())}


def _alone(y: npt.NDArray[Any], status: npt.NDArray[Any], worst: npt.NDArray[Any]) -> dict[str, float]:
    """AUC of the two simplest rules, beside the model."""
    from earlywarn.risk.metrics import auc

    return {"AUC status now": auc(y, status), "AUC worst status": auc(y, worst)}
