"""The model as it would have done in the past: trained on what was known, tested on what came next.

Rolling origin: before each fold only rows whose outcome had matured may be learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from earlywarn.errors import DataError, NotEnoughHistoryError
from earlywarn.risk.backtest_result import MODEL, BacktestResult, RandomSplit, table_of
from earlywarn.risk.baselines import BASE_RATE, BASELINES, baseline_features, baseline_probability
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.risk.metrics import measures
from earlywarn.risk.model import RiskModel
from earlywarn.risk.newcomers import groups_of
from earlywarn.risk.rows import is_enough
from earlywarn.risk.splits import TemporalSplit, seen_before
from earlywarn.tables.handed_over import need_ledger

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.outcomes import Outcome
    from earlywarn.tables.ledger import Ledger

__all__ = ["backtest"]

Progress = Callable[[float], None]


def backtest(
    features: FeatureSet,
    outcome: Outcome,
    ledger: Ledger,
    folds: int = 4,
    baselines: bool = True,
    model: CalibratedModel | None = None,
    start: Any = None,
    end: Any = None,
    random_state: int = 0,
    capacity: float = 0.1,
    random_split: bool = True,
    edges: Sequence[Any] | None = None,
    window_days: float | None = None,
    embargo_days: float = 0.0,
    holdout: Collection[str] | None = None,
    progress: Progress | None = None,
) -> BacktestResult:
    """Train and test at successive moments of the past.

    The observations with a known outcome are cut, in order of time, into a first stretch for training and
    `folds` stretches of about equal size, rows of one moment together. For each stretch a model is trained on
    the rows before it whose outcome had matured by its first moment, and tested on the stretch itself.

    Parameters
    ----------
    features : FeatureSet
    outcome : Outcome
    ledger : Ledger
    folds : int
    baselines : bool
        Also test the last invoice late, the past late share, the average days beyond terms and the base rate.
    model : RiskModel or Scorecard, optional
        An unfitted model, cloned for each fold.
    start, end : date-like, optional
        First and last moment observed; the first invoice and `ledger.until` when left out.
    random_state : int
        Seed of the default model, and of the random split.
    capacity : float
        Share of the obligations that can be called: what the highest scores of that share catch is measured.
    random_split : bool
        Also say what a test on rows drawn by lot would have claimed. It learns from the future and from other rows of
        the same bills, so it claims too much.
    edges, window_days, embargo_days : optional
        As in `TemporalSplit`: where stretches begin and the last one ends, how far back is learned from, what is left
        out before each.
    holdout : collection of str, optional
        Ids of customers who were left alone by lot.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    BacktestResult
        The model says how likely late payment is without a contact. Where debtors were contacted before the outcome,
        measures are those of rows that were not, or of the holdout; a notice says so.

    Raises
    ------
    NotEnoughHistoryError
        If no fold has enough matured rows of both classes to train on (code H403).
    DataError
        When the data are no ledger (code D109), or the capacity is no share (D197).

    Examples
    --------
    >>> day = pd.to_timedelta(np.arange(400), unit="D")
    >>> invoices = pd.DataFrame(
    ...     {
    ...         "invoice_id": np.arange(400).astype(str),
    ...         "customer_id": (np.arange(400) % 10).astype(str),
    ...         "issued_on": pd.Timestamp("2025-01-01") + day,
    ...         "due_on": pd.Timestamp("2025-01-21") + day,
    ...         "paid_on": pd.Timestamp("2025-01-21") + day + pd.to_timedelta(np.arange(400) % 10 - 2, unit="D"),
    ...         "amount": 50.0,
    ...     }
    ... )
    >>> ledger = ew.Ledger.from_invoices(invoices, settled_on="paid_on")
    >>> habit = ew.FeatureSet([ew.Feature("late_share_365d", "mean(maturities.late, days=365)", risk="up")])
    >>> found = ew.backtest(habit, ew.Outcome(lead_days=7), ledger, folds=2, baselines=False)
    >>> found.table[["fold", "auc"]]
      fold  auc
    0    1  1.0
    1    2  1.0
    2  all  1.0
    """
    ledger = need_ledger(ledger, "backtest")
    if not 0 < capacity <= 1:
        raise DataError("capacity is the share of obligations that can be called.", code="D197", found=repr(capacity),
                        hint="choose a share above 0 and at most 1, such as 0.1.")  # fmt: skip
    steps = folds + 1 + random_split
    tell = progress if progress is not None else lambda share: None
    observed = _observed(features, outcome, ledger, baselines, start, end, holdout)
    tell(1 / steps)
    prototype = model if model is not None else RiskModel(features, random_state=random_state)
    tested, notices = [], []
    split = TemporalSplit(
        observed.frame["as_of"], observed.frame["matures_at"], n_splits=folds, edges=edges, window_days=window_days,
        embargo_days=embargo_days,
    )  # fmt: skip
    for fold, (train, test) in enumerate(split.split(observed.frame), start=1):
        try:
            tested.append(_tested(observed, train, test, fold, prototype))
        except NotEnoughHistoryError as error:
            notices.append(f"fold {fold} was left out: {error.what} {error.found or ''}".strip())
        tell((fold + 1) / steps)
    if not tested:
        raise NotEnoughHistoryError(
            "no fold has enough matured rows of either class to train on.",
            code="H403",
            found="; ".join(notices) or f"{len(observed.frame):,} observations with a known outcome",
            hint="observe over a longer time, or ask for fewer folds.",
        )
    predictions = pd.concat(tested)
    predictions["judged"], said = _judged(predictions)
    table = table_of(predictions[predictions["judged"]], capacity)
    result = BacktestResult(table, predictions, (*notices, *said), capacity)
    if random_split:
        result = replace(result, random_split=_claimed(observed, prototype, capacity, folds, random_state))
        tell(1.0)
    return result


@dataclass(frozen=True)
class _Observed:
    """Observations with a known outcome, in order of time, and their columns."""

    frame: pd.DataFrame
    weight: pd.Series[Any]
    late: pd.Series[Any]
    treated: pd.Series[Any]
    holdout: pd.Series[Any] | None
    X: pd.DataFrame
    baselines: pd.DataFrame


def _observed(
    features: FeatureSet,
    outcome: Outcome,
    ledger: Ledger,
    baselines: bool,
    start: Any,
    end: Any,
    holdout: Collection[str] | None,
) -> _Observed:
    first = ledger.frame("invoices")["issued_on"].min() if start is None else start
    frame = outcome.observations(ledger, first, ledger.until if end is None else end)
    weight = outcome.weights(frame)
    resolved = outcome.resolve(ledger, frame)
    y = resolved["late"]
    known = y.notna().to_numpy()
    treated = outcome.treated(ledger, frame)[known]
    frame = frame.assign(matures_at=resolved["matures_at"])[known]
    frame["segment"] = groups_of(ledger, frame)["segment"]
    held = None if holdout is None else frame["customer_id"].isin(set(holdout))
    X = features.compute(ledger, frame)
    plain = baseline_features().compute(ledger, frame) if baselines else pd.DataFrame(index=frame.index)
    return _Observed(frame, weight[known], y[known].astype(np.int64), treated, held, X, plain)


def _tested(
    observed: _Observed,
    train: npt.NDArray[np.intp],
    test: npt.NDArray[np.intp],
    fold: int,
    prototype: CalibratedModel,
) -> pd.DataFrame:
    """Observations of one fold with the probability of each scorer."""
    rows, late = observed.frame.iloc[train], observed.late.iloc[train]
    fitted = clone(prototype).fit(
        observed.X.iloc[train], late, as_of=rows["as_of"], groups=rows["customer_id"],
        sample_weight=observed.weight.iloc[train], matures_at=rows["matures_at"],
        until=observed.frame["as_of"].iloc[test[0]], treated=observed.treated.iloc[train],
        holdout=None if observed.holdout is None else observed.holdout.iloc[train],
    )  # fmt: skip
    result = observed.frame.iloc[test].assign(fold=str(fold), train_rows=len(train))
    result["treated"] = observed.treated.iloc[test]
    result["holdout"] = False if observed.holdout is None else observed.holdout.iloc[test]
    result["seen"] = seen_before(observed.frame["customer_id"], train, test)
    result["late"] = observed.late.iloc[test]
    result[MODEL] = fitted.predict_proba(observed.X.iloc[test])[:, 1]
    for name, (column, _) in BASELINES.items() if len(observed.baselines.columns) else ():
        values = observed.baselines[column]
        result[name] = baseline_probability(values.iloc[train], late, values.iloc[test])
    if len(observed.baselines.columns):
        result[BASE_RATE] = float(late.mean())
    return result


def _judged(predictions: pd.DataFrame) -> tuple[pd.Series[Any], list[str]]:
    """Rows that are measured, and what must be said of it: those that nobody contacted, or the holdout."""
    every = pd.Series(True, index=predictions.index)
    contacted = predictions["treated"].astype(bool)
    if not contacted.any():
        return every, []
    said = f"{int(contacted.sum()):,} of {len(predictions):,} tested rows were contacted before their outcome"
    for rows, what in (
        (predictions["holdout"] & ~contacted, "those of the holdout"),
        (~contacted, "those that were not"),
    ):
        if is_enough(predictions.loc[rows, "late"].to_numpy(dtype=np.float64)):
            return rows, [f"{said}; measured are {what}. See by('treated')."]
    return every, [f"{said}, and too few were not: what is measured is with contacts, what is predicted without."]


def _claimed(
    observed: _Observed, prototype: CalibratedModel, capacity: float, folds: int, random_state: int
) -> RandomSplit:
    """What the same model would have claimed on rows drawn by lot, as many as a fold has."""
    order = np.random.default_rng(random_state).permutation(len(observed.frame))
    test, train = np.split(order, [len(order) // (folds + 1)])
    fitted = clone(prototype).fit(
        observed.X.iloc[train], observed.late.iloc[train], groups=observed.frame["customer_id"].iloc[train],
        sample_weight=observed.weight.iloc[train], treated=observed.treated.iloc[train],
    )  # fmt: skip
    alone = ~observed.treated.iloc[test].to_numpy(dtype=bool)
    test = test[alone] if is_enough(observed.late.iloc[test[alone]].to_numpy(dtype=np.float64)) else test
    late = observed.late.iloc[test].to_numpy(dtype=np.float64)
    rows = observed.frame.iloc[test]
    shared = seen_before(observed.frame["obligation_id"], train, test)
    p = fitted.predict_proba(observed.X.iloc[test])[:, 1]
    return RandomSplit(
        rows=len(test),
        same_bill=float(shared.mean()),
        measures=measures(late, p, share=capacity, amount=rows["open_amount"]),
    )
