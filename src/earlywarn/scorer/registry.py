"""Scorers in MLflow: logged with their backtest, compared on the same obligations, promoted when beyond noise."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earlywarn import tracking
from earlywarn.errors import DataError, EarlywarnError, NotEnoughHistoryError
from earlywarn.risk.backtest_result import MODEL, POOLED, BacktestResult
from earlywarn.risk.files import parameters_of
from earlywarn.risk.metrics import Difference, auc, bootstrap_by_group, log_loss
from earlywarn.risk.rows import is_enough
from earlywarn.scorer.columns import moment_of
from earlywarn.scorer.scorer import Scorer
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore
from earlywarn.tracking import CHAMPION, EXPERIMENT, Logged

__all__ = ["Comparison", "compare", "log_scorer", "promote"]

#: Columns of a backtest that are kept as metrics.
_METRICS = (
    "auc", "gini", "ap", "ks", "log_loss", "brier", "mean_p", "base_rate", "calibration_intercept",
    "calibration_slope", "ici", "lift", "capture", "money", "warned_days",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Two scorers on the same obligations, the challenger less the champion; more is better in either figure.

    Parameters
    ----------
    rows, events : int
        Obligations scored by both with a known outcome, and how many were late.
    log_loss : Difference
        Log-loss of the champion less that of the challenger.
    auc : Difference
    """

    rows: int
    events: int
    log_loss: Difference
    auc: Difference

    @property
    def is_better(self) -> bool:
        """Whether the challenger's log-loss is smaller beyond the noise of drawing other customers."""
        return self.log_loss.low > 0


def log_scorer(
    scorer: Scorer,
    *,
    backtest: BacktestResult | None = None,
    data: Ledger | LedgerStore | None = None,
    name: str | None = None,
    experiment: str = EXPERIMENT,
    tracking_uri: str | None = None,
) -> Logged:
    """Keep a scorer in MLflow, with parameters, metrics by fold, pictures, and what it was made of.

    Parameters
    ----------
    scorer : Scorer
    backtest : BacktestResult, optional
        Its measures become metrics (those of fold 1 as ``fold_1_auc`` and so on), its page and pictures are kept.
    data : Ledger or LedgerStore, optional
        What was learned from: its fingerprint is kept, and nothing of its content.
    name : str, optional
        Register the model under this name.
    experiment : str
    tracking_uri : str, optional
        The one MLflow knows when left out: ``MLFLOW_TRACKING_URI``, else a database in the working folder.

    Returns
    -------
    earlywarn.tracking.Logged

    Examples
    --------
    >>> logged = ew.log_scorer(scorer, backtest=result, data=ledger, name="late-payment")  # doctest: +SKIP
    >>> scorer = ew.Scorer.load("models:/late-payment@champion")  # doctest: +SKIP
    """
    summary = scorer.model.training_summary_
    parameters: dict[str, Any] = {
        **parameters_of(scorer.model),
        "model": type(scorer.model).__name__,
        "grace_days": scorer.outcome.grace_days,
        "lead_days": list(scorer.outcome.leads),
        "stages": list(scorer.outcome.stages),
        **{key: summary[key] for key in ("rows", "events", "columns", "trees", "features_on_card") if key in summary},
    }  # fmt: skip
    tags = {
        "model_version": scorer.model_version,
        "policy_version": scorer.policy.version,
        "catalogue": scorer.features.fingerprint,
        **({} if data is None else {"data": data.fingerprint}),
        **{f"version.{library}": version for library, version in summary["versions"].items()},
    }
    with tempfile.TemporaryDirectory(prefix="earlywarn-") as folder, _pictures(backtest) as pictures:
        return tracking.log_bundle(
            scorer.save(Path(folder) / "scorer"),
            parameters=parameters,
            metrics={} if backtest is None else _metrics(backtest),
            tables={} if backtest is None else {"backtest": backtest.table},
            texts={} if backtest is None else {"backtest.html": backtest.to_html()},
            pictures=pictures,
            tags=tags,
            name=name,
            experiment=experiment,
            tracking_uri=tracking_uri,
        )


def compare(
    challenger: Scorer,
    champion: Scorer,
    ledger: Ledger,
    start: Any = None,
    end: Any = None,
    *,
    repeats: int = 1000,
    random_state: int = 0,
) -> Comparison:
    """Score the same obligations with two scorers, as they were then, and hold both against what became of them.

    Parameters
    ----------
    challenger, champion : Scorer
        They may read other features and learn other leads; what counts as late is the champion's word.
    ledger : Ledger
    start, end : date-like, optional
        Moments observed: all that neither has learned from when left out.
    repeats : int
        Of the bootstrap over customers.
    random_state : int

    Returns
    -------
    Comparison

    Raises
    ------
    NotEnoughHistoryError
        H403 when fewer than 50 outcomes of debtors who were not contacted are known, or 10 of either class.
    DataError
        D198 when ``start`` lies in the time that one of them has learned from.

    Examples
    --------
    >>> ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=120, months=10, seed=1))
    >>> begin = ledger.until - pd.Timedelta(days=90)
    >>> amounts, habits = (ew.FeatureSet.default().select(name) for name in ("invoice_amount_now", "late_share_365d"))
    >>> outcome, known = ew.Outcome(), ledger.known_before(begin)
    >>> plain, better = (ew.train(some, outcome, known, days=False) for some in (amounts, habits))
    >>> found = ew.compare(better, plain, ledger, begin, repeats=50)
    >>> found.rows > 200, found.is_better
    (True, False)
    """
    begin = _after_training(challenger, champion, ledger, start)
    observed = champion.outcome.observations(ledger, begin, end)
    late, treated = champion.outcome.label(ledger, observed), champion.outcome.treated(ledger, observed)
    rows = observed[late.notna() & ~treated]
    y = late[rows.index].to_numpy(dtype=np.float64)
    if not is_enough(y):
        raise NotEnoughHistoryError(
            "too few outcomes are known to compare two scorers.", code="H403",
            found=f"{len(y):,} observations that nobody contacted, {int(y.sum())} of them late",
            hint="compare over a longer time; the latest outcomes are not known before matures_at.",
        )  # fmt: skip
    p = [one.p_late(ledger, rows).to_numpy() for one in (challenger, champion)]
    noise = {"repeats": repeats, "random_state": random_state}

    def gain(y: Any, minus_p: Any, **weights: Any) -> float:
        return -log_loss(y, -minus_p, **weights)

    return Comparison(
        rows=len(y),
        events=int(y.sum()),
        log_loss=bootstrap_by_group(y, -p[0], -p[1], rows["customer_id"], metric=gain, **noise),
        auc=bootstrap_by_group(y, p[0], p[1], rows["customer_id"], metric=auc, **noise),
    )


def promote(
    logged: Logged,
    ledger: Ledger,
    start: Any = None,
    end: Any = None,
    *,
    alias: str = CHAMPION,
    repeats: int = 1000,
    tracking_uri: str | None = None,
) -> Comparison | None:
    """Make a registered version the champion, if it is better than the one there is beyond noise.

    Parameters
    ----------
    logged : Logged
        As `log_scorer` gave it, with a name.
    ledger : Ledger
    start, end : date-like, optional
        As in `compare`.
    alias : str
    repeats : int
        Of the bootstrap over customers.
    tracking_uri : str, optional

    Returns
    -------
    Comparison or None
        None where there was no champion: then it is one now. ``is_better`` says whether it was promoted.

    Raises
    ------
    EarlywarnError
        E033 when it was logged without a name.
    NotEnoughHistoryError
        H403 when too few outcomes are known; nothing is promoted.

    Examples
    --------
    >>> logged = ew.log_scorer(challenger, name="late-payment")  # doctest: +SKIP
    >>> found = ew.promote(logged, ledger, "2026-06-01", "2026-08-31")  # doctest: +SKIP
    >>> found is None or found.is_better  # doctest: +SKIP
    True
    """
    if logged.name is None or logged.version is None:
        raise EarlywarnError("only a registered version can be promoted.", code="E033", hint="log it with name=….")
    there = tracking.find(logged.name, alias, tracking_uri=tracking_uri)
    if there == logged.version:
        return None
    found = None
    if there is not None:
        champion, challenger = (
            Scorer.load(f"models:/{logged.name}/{version}", tracking_uri=tracking_uri)
            for version in (there, logged.version)
        )
        found = compare(challenger, champion, ledger, start, end, repeats=repeats)
    if found is None or found.is_better:
        tracking.set_alias(logged.name, logged.version, alias, tracking_uri=tracking_uri)
    return found


def _after_training(challenger: Scorer, champion: Scorer, ledger: Ledger, start: Any) -> pd.Timestamp:
    """First moment to compare at: the asked one, or the first that neither has learned from; D198 if it is no such."""
    told = [one.model.training_summary_.get("learned_until") for one in (challenger, champion)]
    known = [pd.Timestamp(until) for until in told if isinstance(until, str)]
    last = max(known, default=None)
    if start is None:
        return ledger.frame("invoices")["issued_on"].min() if last is None else last.floor("D") + pd.Timedelta(days=1)
    begin = moment_of(start, ledger)
    if last is not None and begin < last:
        raise DataError(
            "one of the scorers has learned from this time.", code="D198",
            found=f"start {begin:%Y-%m-%d}, outcomes up to {last:%Y-%m-%d} were learned from",
            hint="leave start out, or compare on later months.",
        )  # fmt: skip
    return begin


def _metrics(backtest: BacktestResult) -> dict[str, float]:
    """Measures over all folds by their name, and those of each fold; the same of baselines over all folds."""
    found: dict[str, float] = {}
    for line in backtest.table.to_dict("records"):
        fold, scorer = str(line["fold"]), str(line["scorer"])
        if scorer != MODEL and fold != POOLED:
            continue
        head = "" if scorer == MODEL else f"{scorer.replace(' ', '_')}_"
        head += "" if fold == POOLED else f"fold_{fold}_"
        found |= {f"{head}{name}": float(line[name]) for name in _METRICS}
    if backtest.random_split is not None:
        found["random_split_auc"] = backtest.random_split.measures["auc"]
    return found


@contextmanager
def _pictures(backtest: BacktestResult | None) -> Iterator[Mapping[str, Any]]:
    """Figures of a backtest, closed afterwards."""
    if backtest is None:
        yield {}
        return
    shown: dict[str, Any] = {"reliability": backtest.reliability(), "gain": backtest.gain(), "lift": backtest.lift()}
    figures = {name: display.plot().figure_ for name, display in shown.items()}
    try:
        yield figures
    finally:
        import matplotlib.pyplot as pyplot

        for figure in figures.values():
            pyplot.close(figure)
