"""The second half of the demo: a generated telecom biller, from tables with faults to a plan and its files."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.check import show_faults
from earlywarn.cli.console import heading, progress, say, say_notes, table, write_frame
from earlywarn.cli.explain import draw_reasons, show_reasons
from earlywarn.cli.recommend import cells_of, show_plan

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.risk.backtest_result import BacktestResult
    from earlywarn.scorer import Scorer
    from earlywarn.tables.ledger import Ledger

__all__ = ["biller", "three_of"]

CAPACITY = {"calls": 25, "notices": 150}
LEADS = (14, 7, 3)
SIMPLE = ("past late share", "last invoice late", "average days beyond terms")


def biller(customers: int, seed: int, language: str, out: Path) -> None:
    """Generate, check, test on the past, train, explain, plan, and write the files.

    Parameters
    ----------
    customers, seed : int
    language : str
    out : Path
        Folder; ``tables/`` in it holds what was generated.
    """
    tables, ledger = _generated(customers, seed)
    scorer = _trained(ledger, seed)
    with progress("scoring and recommending"):
        scores = scorer.score(ledger)
        plan = scorer.recommend(ledger, capacity=CAPACITY, language=language)
    three = three_of(plan, scores)
    reasons = _explained(ledger, scorer, three, language)
    heading("5  What to do")
    say(f"capacity: {', '.join(f'{name} {count}' for name, count in CAPACITY.items())}")
    show_plan(plan, language, top=3)
    with progress("writing"):
        written = _write_frames(out, tables, {"scores": scores, "plan": plan, "faults": ledger.faults})
        written += _draw(out, reasons, three, plan, language)
    heading("written")
    say(*map(str, [*written, scorer.save(out / "bundle")]))
    _say_next(out, str(three["customer_id"].iloc[0]), language)


def _generated(customers: int, seed: int) -> tuple[dict[str, pd.DataFrame], Ledger]:
    from earlywarn.simulate import make_biller
    from earlywarn.tables.ledger import Ledger

    heading(f"2  A generated telecom biller: {customers:,} customers, 18 months")
    with progress("generating and checking"):
        tables = make_biller(customers=customers, months=18, seed=seed, dirty=True)
        handed: dict[str, Any] = dict(tables)
        ledger = Ledger.from_tables(**handed)
    say(repr(ledger), ", ".join(f"{name} {len(frame):,}" for name, frame in tables.items()))
    say_notes(ledger.notices)
    show_faults(ledger)
    return tables, ledger


def _trained(ledger: Ledger, seed: int) -> Scorer:
    """Test on the past, then train on all that has matured."""
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.outcomes import Outcome
    from earlywarn.risk.backtest import backtest
    from earlywarn.risk.model import RiskModel
    from earlywarn.scorer import train

    features, outcome = FeatureSet.default(), Outcome(grace_days=3, lead_days=LEADS)
    heading("3  Rolling-origin backtest: trained on the past, tested on what came after")
    with progress("backtesting") as report:
        result = backtest(features, outcome, ledger, folds=2, random_state=seed, random_split=False, progress=report)
    say(table(by_lead(result), {"late": 3}))
    say_notes(result.notices)
    with progress("training") as report:
        model = RiskModel(features, random_state=seed)
        scorer = train(features, outcome, ledger, model=model, days=False, progress=report)
    say("", f"trained on {scorer.model.training_summary_['rows']:,} observations with a known outcome.")
    return scorer


def by_lead(result: BacktestResult) -> pd.DataFrame:
    """One row per lead: how good the model was, and the order that simple rules give beside it."""
    import pandas as pd

    from earlywarn.risk.metrics import auc, measures

    lines = []
    for days, rows in result.predictions.groupby("lead_days", sort=False):
        late = rows["late"].to_numpy(dtype=float)
        found = measures(late, rows["earlywarn"].to_numpy(dtype=float))
        lines.append(
            {
                "days before due": days,
                "tested": len(rows),
                "late": late.mean(),
                "AUC": found["auc"],
                "AP": found["ap"],
                "log-loss": found["log_loss"],
                "Brier": found["brier"],
                "mean p": found["mean_p"],
                **{f"AUC {name}": auc(late, rows[name].to_numpy(dtype=float)) for name in SIMPLE},
            }
        )
    return pd.DataFrame(lines).sort_values("days before due", ascending=False)


def three_of(plan: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of the scores to explain: the riskiest call, the riskiest message, and somebody unlike both.

    The third one was never late, or is told about usage or a bill, or has at least another angle.
    """
    place = {label: at for at, label in enumerate(scores["obligation_id"])}
    known = set(scores.loc[scores["status"] == "scored", "obligation_id"])
    acting = plan[plan["exclusion"].isna() & plan["p_late"].notna()]
    acting = acting[[subjects[0] in known for subjects in acting["subjects"]]]
    acting = acting.sort_values("p_late", ascending=False, kind="stable")
    calls, messages = acting[acting["channel"] == "phone"], acting[acting["channel"] != "phone"]
    first = [*calls.index[:1], *messages.index[:1]]
    others = acting.drop(index=first)
    cells = cells_of(plan)
    never = [who for who in others["customer_id"] if cells.get(who, ("",))[0] == "never_late"]
    liked = (
        others["customer_id"].isin(never),
        others["angle"].isin(("usage_high", "bill_explained")),
        ~others["angle"].isin(acting.loc[first, "angle"]),
        others["p_late"].notna(),
    )
    unlike = next((others.index[mask][:1] for mask in liked if mask.any()), others.index[:0])
    three = scores.iloc[[place[plan.loc[label, "subjects"][0]] for label in (*first, *unlike)]]
    three.attrs = scores.attrs
    return three


def _explained(ledger: Ledger, scorer: Scorer, three: pd.DataFrame, language: str) -> pd.DataFrame:
    heading(f"4  Why: three customers of the plan on {three.attrs['as_of'][:10]}")
    reasons = scorer.reasons(ledger, three, top=None, language=language)
    for label, row in three.iterrows():
        show_reasons(row, reasons[reasons["observation"] == label], reasons.attrs["base_log_odds"])
    return reasons


def _write_frames(out: Path, tables: dict[str, pd.DataFrame], frames: dict[str, pd.DataFrame]) -> list[Path]:
    folder = out / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    for name, frame in tables.items():
        write_frame(frame, folder / f"{name}.csv")
    for name, frame in frames.items():
        write_frame(frame, out / f"{name}.csv")
    return [folder, *[out / f"{name}.csv" for name in frames]]


def _draw(out: Path, reasons: pd.DataFrame, three: pd.DataFrame, plan: pd.DataFrame, language: str) -> list[Path]:
    from earlywarn.plots import WorklistDisplay

    own = reasons[reasons["observation"] == three.index[0]]
    draw_reasons(own, reasons.attrs["base_log_odds"], language, out / "reasons.png")
    figure = WorklistDisplay.from_plan(plan, language=language).plot(language=language).figure_
    if figure is not None:
        figure.savefig(out / "worklist.png", dpi=110, bbox_inches="tight")
    return [out / "reasons.png", out / "worklist.png"]


def _say_next(out: Path, customer: str, language: str) -> None:
    """Commands that do the same on the written tables, as they can be typed here."""
    command = _command()
    tables, bundle, model = (shlex.quote(str(out / name)) for name in ("tables", "bundle", "model"))
    limits = " ".join(f"{name}={count}" for name, count in CAPACITY.items())
    heading("next: the same on tables in a folder")
    say(
        f"{command} check {tables}",
        f"{command} train {tables} --lead {' '.join(map(str, LEADS))} --out {model}",
        f"{command} recommend {tables} --model {bundle} --capacity {limits} --language {language} --out my-plan.csv",
        f"{command} explain {tables} --model {bundle} --customer {customer} --language {language} --plot reasons.png",
    )


def _command() -> str:
    """How this program is called from here: by its name where the path finds it, else by its place."""
    called = Path(sys.argv[0])
    if called.stem != "earlywarn":
        return "python -m earlywarn"
    found, here = shutil.which("earlywarn"), Path.cwd()
    if found and Path(found).resolve() == called.resolve():
        return "earlywarn"
    return shlex.quote(
        str(called.relative_to(here) if called.is_absolute() and called.is_relative_to(here) else called)
    )
