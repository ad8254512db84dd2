"""The model as it would have done in the past: trained on what was known, tested on what came next.

Rolling origin: before each fold only rows whose outcome had matured may be learned from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from earlywarn.errors import DataError, NotEnoughHistoryError, suggest
from earlywarn.risk.baselines import BASE_RATE, BASELINES, baseline_features, baseline_probability
from earlywarn.risk.metrics import Difference, Metric, auc, bootstrap_by_group, measures
from earlywarn.risk.model import RiskModel
from earlywarn.risk.splits import TemporalSplit, seen_before
from earlywarn.tables.handed_over import need_ledger

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.outcomes import Outcome
    from earlywarn.tables.ledger import Ledger

__all__ = ["BacktestResult", "backtest"]

MODEL = "earlywarn"
POOLED = "all"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class BacktestResult:
    """What a backtest found.

    Parameters
    ----------
    table : DataFrame
        One row per fold and scorer (`earlywarn` and the baselines), and per scorer over all folds together:
        fold, scorer, first_as_of, last_as_of, train_rows, rows, events, base_rate, auc, ap, log_loss, brier,
        mean_p, calibration_intercept, calibration_slope, ici, ks, lift (of the top tenth).
    predictions : DataFrame
        The tested observations with fold, train_rows, late, seen (whether rows of the customer were learned from) and
        a probability by scorer.
    notices : tuple of str
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"BacktestResult\n{self.overall().to_string(index=False, float_format='{:.3f}'.format)}"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.3f}".format))

    def overall(self) -> pd.DataFrame:
        """Rows of `table` over all folds together, the best order (AUC) first.

        Returns
        -------
        DataFrame
        """
        pooled = self.table[self.table["fold"] == POOLED]
        return pooled.sort_values("auc", ascending=False, kind="stable").reset_index(drop=True)

    def by(self, column: str) -> pd.DataFrame:
        """The measures for each value of a column of `predictions`: stage, lead_days, seen, one that you add.

        Parameters
        ----------
        column : str

        Returns
        -------
        DataFrame
            The column, and those of `table` from scorer on; over all folds.

        Raises
        ------
        DataError
            D112 when there is no such column.
        """
        if column not in self.predictions:
            hint = suggest(column, map(str, self.predictions.columns))
            raise DataError(f"predictions have no column {column!r}.", code="D112", hint=hint)
        return pd.DataFrame(
            [
                {column: value, **_line(POOLED, rows, scorer)}
                for value, rows in self.predictions.groupby(column, sort=True, observed=True)
                for scorer in _scorers(rows)
            ]
        ).drop(columns=["fold"], errors="ignore")

    def ahead_of(self, scorer: str, metric: Metric = auc, repeats: int = 500) -> Difference:
        """By how much the model is ahead of a baseline, and how sure that is.

        Parameters
        ----------
        scorer : str
            A baseline in `table`.
        metric : callable
            As in `earlywarn.risk.metrics`; larger is better.
        repeats : int
            Of the bootstrap over customers.

        Returns
        -------
        Difference

        Raises
        ------
        DataError
            D112 when there is no such scorer.
        """
        if scorer not in _scorers(self.predictions):
            hint = suggest(scorer, _scorers(self.predictions))
            raise DataError(f"nothing was scored by {scorer!r}.", code="D112", hint=hint)
        rows = self.predictions
        return bootstrap_by_group(
            rows["late"], rows[MODEL], rows[scorer], rows["customer_id"], metric=metric, repeats=repeats
        )


def backtest(
    features: FeatureSet,
    outcome: Outcome,
    ledger: Ledger,
    folds: int = 4,
    baselines: bool = True,
    model: RiskModel | None = None,
    start: Any = None,
    end: Any = None,
    random_state: int = 0,
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
    model : RiskModel, optional
        An unfitted model, cloned for each fold.
    start, end : date-like, optional
        First and last moment observed; the first invoice and `ledger.until` when left out.
    random_state : int
        Seed of the default model.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    BacktestResult

    Raises
    ------
    NotEnoughHistoryError
        If no fold has enough matured rows of both classes to train on (code H403).
    DataError
        When the data are no ledger (code D109).

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
    tell = progress if progress is not None else lambda share: None
    observed = _observed(features, outcome, ledger, baselines, start, end)
    tell(1 / (folds + 1))
    prototype = model if model is not None else RiskModel(features, random_state=random_state)
    tested, notices = [], []
    split = TemporalSplit(observed.frame["as_of"], observed.frame["matures_at"], n_splits=folds)
    for fold, (train, test) in enumerate(split.split(observed.frame), start=1):
        try:
            tested.append(_tested(observed, train, test, fold, prototype))
        except NotEnoughHistoryError as error:
            notices.append(f"fold {fold} was left out: {error.what} {error.found or ''}".strip())
        tell((fold + 1) / (folds + 1))
    if not tested:
        raise NotEnoughHistoryError(
            "no fold has enough matured rows of either class to train on.",
            code="H403",
            found="; ".join(notices) or f"{len(observed.frame):,} observations with a known outcome",
            hint="observe over a longer time, or ask for fewer folds.",
        )
    predictions = pd.concat(tested)
    return BacktestResult(_table(predictions), predictions, tuple(notices))


@dataclass(frozen=True)
class _Observed:
    """Observations with a known outcome, in order of time, and their columns."""

    frame: pd.DataFrame
    weight: pd.Series[Any]
    late: pd.Series[Any]
    X: pd.DataFrame
    baselines: pd.DataFrame


def _observed(
    features: FeatureSet, outcome: Outcome, ledger: Ledger, baselines: bool, start: Any, end: Any
) -> _Observed:
    first = ledger.frame("invoices")["issued_on"].min() if start is None else start
    frame = outcome.observations(ledger, first, ledger.until if end is None else end)
    weight = outcome.weights(frame)
    resolved = outcome.resolve(ledger, frame)
    y = resolved["late"]
    known = y.notna().to_numpy()
    frame = frame.assign(matures_at=resolved["matures_at"])[known]
    X = features.compute(ledger, frame)
    plain = baseline_features().compute(ledger, frame) if baselines else pd.DataFrame(index=frame.index)
    return _Observed(frame, weight[known], y[known].astype(np.int64), X, plain)


def _tested(
    observed: _Observed,
    train: npt.NDArray[np.intp],
    test: npt.NDArray[np.intp],
    fold: int,
    prototype: RiskModel,
) -> pd.DataFrame:
    """Observations of one fold with the probability of each scorer."""
    rows, late = observed.frame.iloc[train], observed.late.iloc[train]
    fitted = clone(prototype).fit(
        observed.X.iloc[train], late, as_of=rows["as_of"], groups=rows["customer_id"],
        sample_weight=observed.weight.iloc[train], matures_at=rows["matures_at"],
        until=observed.frame["as_of"].iloc[test[0]],
    )  # fmt: skip
    result = observed.frame.iloc[test].assign(fold=str(fold), train_rows=len(train))
    result["seen"] = seen_before(observed.frame["customer_id"], train, test)
    result["late"] = observed.late.iloc[test]
    result[MODEL] = fitted.predict_proba(observed.X.iloc[test])[:, 1]
    for name, (column, _) in BASELINES.items() if len(observed.baselines.columns) else ():
        values = observed.baselines[column]
        result[name] = baseline_probability(values.iloc[train], late, values.iloc[test])
    if len(observed.baselines.columns):
        result[BASE_RATE] = float(late.mean())
    return result


def _table(predictions: pd.DataFrame) -> pd.DataFrame:
    scorers = _scorers(predictions)
    folds = [(fold, rows) for fold, rows in predictions.groupby("fold", sort=False)]
    return pd.DataFrame(
        [_line(str(fold), rows, scorer) for fold, rows in [*folds, (POOLED, predictions)] for scorer in scorers]
    )


def _scorers(predictions: pd.DataFrame) -> list[str]:
    return [name for name in (MODEL, *BASELINES, BASE_RATE) if name in predictions]


def _line(fold: str, rows: pd.DataFrame, scorer: str) -> dict[str, Any]:
    late = rows["late"].to_numpy(dtype=np.float64)
    return {
        "fold": fold,
        "scorer": scorer,
        "first_as_of": rows["as_of"].min(),
        "last_as_of": rows["as_of"].max(),
        "train_rows": int(rows["train_rows"].max()),
        "rows": len(rows),
        "events": int(late.sum()),
        "base_rate": float(late.mean()),
        **measures(late, rows[scorer].to_numpy(dtype=np.float64)),
    }
