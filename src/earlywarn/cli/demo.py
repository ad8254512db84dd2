"""``earlywarn demo``: the main job on real data that are shipped, then on a generated biller, in words."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.check import show_faults
from earlywarn.cli.console import heading, progress, say, table, write_frame
from earlywarn.cli.explain import show_reasons
from earlywarn.cli.recommend import show_plan

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from earlywarn.scorer import Scorer
    from earlywarn.tables.ledger import Ledger

__all__ = ["add", "run"]

FOLDS = 5
CAPACITY = {"calls": 25, "notices": 150}


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "demo",
        help="the main job on shipped real data and on a generated biller",
        description="Real card data, cross-validated by client; then a generated telecom biller: faults, a "
        "rolling-origin backtest, three customers with reasons, and a plan. Takes under two minutes and writes its "
        "files to --out.",
    )
    verb.add_argument("--language", default="en", help="language of the reasons: en, nl, fr, nl-BE, … (%(default)s)")
    verb.add_argument("--customers", type=int, default=2000, help="customers of the generated biller (%(default)s)")
    verb.add_argument("--seed", type=int, default=0, help="seed of the generated biller (%(default)s)")
    verb.add_argument("--out", type=Path, default=Path("earlywarn-demo"), help="folder for the files (%(default)s)")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    started = time.monotonic()
    real_data(asked.seed)
    ledger = generated_biller(asked)
    scorer = trained(ledger, asked.seed)
    written = worklist(ledger, scorer, asked)
    heading("written")
    say(*[f"{path}" for path in written], "", f"{time.monotonic() - started:.0f} seconds in all.")
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


def generated_biller(asked: argparse.Namespace) -> Ledger:
    """Tables of a telecom biller with a few dirty rows, checked."""
    from earlywarn import datasets
    from earlywarn.tables.ledger import Ledger

    heading(f"2  A generated telecom biller: {asked.customers:,} customers, 18 months")
    with progress("generating and checking"):
        tables: dict[str, Any] = datasets.make_biller(customers=asked.customers, months=18, seed=asked.seed, dirty=True)
        ledger = Ledger.from_tables(**tables)
    say(repr(ledger), ", ".join(f"{name} {len(frame):,}" for name, frame in tables.items()))
    show_faults(ledger)
    return ledger


def trained(ledger: Ledger, seed: int) -> Scorer:
    """Backtest, then train on all that has matured."""
    from earlywarn.actions.policy import Policy
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.outcomes import Outcome
    from earlywarn.risk.backtest import backtest
    from earlywarn.risk.model import RiskModel
    from earlywarn.scorer import Scorer

    features, outcome = FeatureSet.default(), Outcome(grace_days=3, lead_days=7)
    heading("3  Rolling-origin backtest: trained on the past, tested on what came after, 7 days before due")
    with progress("backtesting") as report:
        result = backtest(features, outcome, ledger, folds=3, random_state=seed, progress=report)
    shown = ["scorer", "rows", "base_rate", "auc", "ap", "log_loss", "brier", "mean_p"]
    say(table(result.overall()[shown]))
    observations = outcome.observations(ledger)
    late = outcome.label(ledger, observations)
    with progress("training"):
        matrix = features.compute(ledger, observations)
        model = RiskModel(features, random_state=seed).fit(
            matrix, late, as_of=observations["as_of"], groups=observations["customer_id"]
        )
    say("", f"trained on {int(late.notna().sum()):,} observations with a known outcome.")
    return Scorer(features, outcome, model, Policy.default())


def worklist(ledger: Ledger, scorer: Scorer, asked: argparse.Namespace) -> list[Path]:
    """Score the last day, explain three customers, plan within capacity, and write the files."""
    as_of = ledger.until.floor("D")
    with progress("scoring and recommending"):
        scores = scorer.score(ledger, as_of)
        plan = scorer.recommend(ledger, as_of, CAPACITY, language=asked.language)
    heading(f"4  Why: three customers on {as_of:%Y-%m-%d}")
    highest = scores[scores["status"] == "scored"].sort_values("p_late", ascending=False, kind="stable")
    three = highest.drop_duplicates("customer_id").head(3)
    three.attrs = scores.attrs
    reasons = scorer.reasons(ledger, three, top=None, language=asked.language)
    for label, row in three.iterrows():
        own = reasons[(reasons["observation"] == label) & (reasons["contribution"].abs() > 0.05)]
        show_reasons(row, own)
    heading("5  What to do")
    say(f"capacity: {', '.join(f'{name} {count}' for name, count in CAPACITY.items())}")
    show_plan(plan, top=3)
    return _write(asked.out, ledger, scorer, scores, plan, reasons)


def _write(
    out: Path, ledger: Ledger, scorer: Scorer, scores: pd.DataFrame, plan: pd.DataFrame, reasons: pd.DataFrame
) -> list[Path]:
    from earlywarn.plots import ReasonDisplay, WorklistDisplay

    out.mkdir(parents=True, exist_ok=True)
    frames = {"scores.csv": scores, "plan.csv": plan, "faults.csv": ledger.faults}
    for name, frame in frames.items():
        write_frame(frame, out / name)
    first = reasons[reasons["observation"] == reasons["observation"].iloc[0]]
    waterfall = ReasonDisplay.from_arrays(reasons.attrs["base_log_odds"], list(first["text"]), first["contribution"])
    pictures = {
        "reasons.png": waterfall.plot().figure_,
        "worklist.png": WorklistDisplay.from_plan(plan).plot().figure_,
    }
    for name, figure in pictures.items():
        if figure is not None:
            figure.savefig(out / name, dpi=150, bbox_inches="tight")
    return [out / name for name in (*frames, *pictures)] + [scorer.save(out / "bundle")]
