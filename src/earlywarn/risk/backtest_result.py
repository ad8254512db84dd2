"""What a backtest found: measures by fold and group, their noise, whether probabilities hold, pictures and a page."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import DataError, suggest
from earlywarn.plots.gains import GainDisplay, LiftDisplay
from earlywarn.plots.reliability import ReliabilityDisplay
from earlywarn.risk.baselines import BASE_RATE, BASELINES
from earlywarn.risk.metrics import (
    Difference,
    Metric,
    auc,
    bootstrap,
    bootstrap_by_group,
    calibration_slope,
    capture_at,
    capture_curve,
    log_loss,
    measures,
    warned_days,
)

__all__ = ["MODEL", "POOLED", "BacktestResult", "RandomSplit", "scorers_of", "table_of"]

MODEL = "earlywarn"
POOLED = "all"
#: How far the mean probability may lie from the share late, whatever the noise; and the slope from 1.
BIAS, SLOPE = 0.01, (0.9, 1.1)
#: Rows over all folds from which figures must hold by themselves.
MANY_ROWS = 10_000
#: What a missing value of a group is called.
UNKNOWN = "unknown"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RandomSplit:
    """What a test on rows drawn by lot claims.

    Parameters
    ----------
    rows : int
        Rows tested.
    same_bill : float
        Share of them that belong to an obligation which was also learned from.
    measures : dict of str to float
        As in `BacktestResult.table`.
    """

    rows: int
    same_bill: float
    measures: dict[str, float]


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """What a backtest found.

    Parameters
    ----------
    table : DataFrame
        One row per fold and scorer (`earlywarn` and the baselines), and per scorer over all folds together:
        fold, scorer, first_as_of, last_as_of, train_rows, rows, events, base_rate, auc, gini, ap, ks, log_loss, brier,
        mean_p, calibration_intercept, calibration_slope, ici; capture, lift and money (share of the late rows, and of
        their open amounts, among the highest scores within the capacity), warned_days (how many days before due a late
        obligation was first among them, on average).
    predictions : DataFrame
        The tested observations with segment, fold, train_rows, late, treated (contacted before the outcome), holdout,
        judged (whether measured), seen (whether rows of the customer were learned from) and a probability by scorer.
    notices : tuple of str
    capacity : float
        Share of the obligations that can be called.
    random_split : RandomSplit, optional
        What a test on rows drawn by lot would have claimed.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    notices: tuple[str, ...] = ()
    capacity: float = 0.1
    random_split: RandomSplit | None = None
    _kept: dict[tuple[str, int], pd.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def judged(self) -> pd.DataFrame:
        """The predictions that are measured: of debtors who were not contacted, where any were."""
        rows = self.predictions
        return rows[rows["judged"]] if "judged" in rows else rows

    def __repr__(self) -> str:
        columns = ["scorer", "rows", "events", "auc", "log_loss", "brier", "calibration_slope", "lift", "money"]
        shown = self.overall()[columns].to_string(index=False, float_format="{:.3f}".format)
        return "\n".join([f"BacktestResult\n{shown}", *self._claim()])

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.3f}".format))

    def _claim(self) -> list[str]:
        if self.random_split is None:
            return []
        honest = auc(self.judged["late"], self.judged[MODEL])
        return [f"Rows drawn by lot would have claimed an AUC of {self.random_split.measures['auc']:.3f}; "
                f"on later time it is {honest:.3f}."]  # fmt: skip

    def overall(self) -> pd.DataFrame:
        """Rows of `table` over all folds together, the best order (AUC) first.

        Returns
        -------
        DataFrame
        """
        pooled = self.table[self.table["fold"] == POOLED]
        return pooled.sort_values("auc", ascending=False, kind="stable").reset_index(drop=True)

    def by(self, column: str) -> pd.DataFrame:
        """The measures for each value of a column of `predictions`: stage, lead_days, segment, seen, one that you add.

        Parameters
        ----------
        column : str

        Returns
        -------
        DataFrame
            The column (``unknown`` where it is missing), and those of `table` from scorer on; over all folds.
            "treated" shows the rows of debtors who were contacted beside those who were not.

        Raises
        ------
        DataError
            D112 when there is no such column.
        """
        if column not in self.predictions:
            hint = suggest(column, map(str, self.predictions.columns))
            raise DataError(f"predictions have no column {column!r}.", code="D112", hint=hint)
        predictions = self.predictions if column == "treated" else self.judged
        groups = predictions.groupby(column, sort=True, observed=True, dropna=False)
        lines: list[tuple[Any, dict[str, Any]]] = [
            (value, _line(rows, scorer, self.capacity)) for value, rows in groups for scorer in scorers_of(rows)
        ]
        found = pd.DataFrame([{name: of for name, of in line.items() if name != column} for _, line in lines])
        found.insert(0, column, [UNKNOWN if pd.isna(value) else value for value, _ in lines])
        return found

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
        rows = self.judged
        _check_scorer(scorer, rows)
        return bootstrap_by_group(
            rows["late"], rows[MODEL], rows[scorer], rows["customer_id"], metric=metric, repeats=repeats
        )

    def intervals(self, scorer: str = MODEL, repeats: int = 200) -> pd.DataFrame:
        """Measures of each fold with a 95% interval, customers drawn with replacement.

        Parameters
        ----------
        scorer : str
        repeats : int

        Returns
        -------
        DataFrame
            fold, measure (auc, log_loss, capture, calibration_slope, bias: mean probability less share late), value,
            low, high, standard_error.

        Raises
        ------
        DataError
            D112 when there is no such scorer.
        """
        _check_scorer(scorer, self.predictions)
        key = (scorer, repeats)
        if key not in self._kept:
            lines = [
                {"fold": fold, "measure": name, "value": found.value, "low": found.low, "high": found.high,
                 "standard_error": found.standard_error}
                for fold, rows in _folds(self.judged)
                for name, found in _with_noise(rows, scorer, self.capacity, repeats).items()
            ]  # fmt: skip
            self._kept[key] = pd.DataFrame(lines)
        return self._kept[key].copy()

    def calibration(self, scorer: str = MODEL, repeats: int = 200) -> pd.DataFrame:
        """Whether probabilities mean what they say, fold by fold.

        Parameters
        ----------
        scorer : str
        repeats : int
            Of the bootstrap over customers.

        Returns
        -------
        DataFrame
            fold, rows, base_rate, mean_p, allowed (how far apart they may be: one point, or two standard errors),
            slope, slope_low, slope_high, holds (they are no further apart, and the interval of the slope meets 0.9 to
            1.1; over all folds, from 10,000 rows on, the figures themselves must, not their intervals).
        """
        noise: dict[tuple[str, str], Any] = {
            (line["fold"], line["measure"]): line for line in self.intervals(scorer, repeats).to_dict("records")
        }
        lines = []
        for fold, rows in _folds(self.judged):
            bias, slope = noise[fold, "bias"], noise[fold, "calibration_slope"]
            allowed = max(BIAS, 2 * bias["standard_error"])
            meets = bool(slope["low"] <= SLOPE[1] and slope["high"] >= SLOPE[0])
            if fold == POOLED and len(rows) >= MANY_ROWS:
                meets, allowed = bool(SLOPE[0] <= slope["value"] <= SLOPE[1]), BIAS
            lines.append(
                {
                    "fold": fold, "rows": len(rows), "base_rate": float(rows["late"].mean()),
                    "mean_p": float(rows[scorer].mean()), "allowed": allowed, "slope": slope["value"],
                    "slope_low": slope["low"], "slope_high": slope["high"],
                    "holds": meets and abs(bias["value"]) <= allowed,
                }
            )  # fmt: skip
        return pd.DataFrame(lines)

    def reliability(self, n_bins: int = 10) -> ReliabilityDisplay:
        """Share late beside the probability of the model, over all folds; call ``.plot()``.

        Parameters
        ----------
        n_bins : int

        Returns
        -------
        ReliabilityDisplay
        """
        return ReliabilityDisplay.from_arrays(self.judged["late"], self.judged[MODEL], n_bins=n_bins)

    def gain(self) -> GainDisplay:
        """Share of the late obligations caught by share called, for each scorer; call ``.plot()``.

        Returns
        -------
        GainDisplay
        """
        rows = self.judged
        return GainDisplay({name: capture_curve(rows["late"], rows[name]) for name in scorers_of(rows)}, self.capacity)

    def lift(self) -> LiftDisplay:
        """How many times more late obligations than by lot, by share called; call ``.plot()``.

        Returns
        -------
        LiftDisplay
        """
        return LiftDisplay(self.gain().curves, self.capacity)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """A page with everything: what was tested, how good it is and how sure that is, tables and pictures.

        Parameters
        ----------
        path : path, optional
            A file to write it to.

        Returns
        -------
        str
            The page; it needs no other file.
        """
        from earlywarn.risk.backtest_page import page_of

        page = page_of(self)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page


def table_of(predictions: pd.DataFrame, capacity: float) -> pd.DataFrame:
    """Measures by fold and scorer, and over all folds.

    Parameters
    ----------
    predictions : DataFrame
    capacity : float

    Returns
    -------
    DataFrame
    """
    return pd.DataFrame(
        [
            {"fold": fold, **_line(rows, scorer, capacity)}
            for fold, rows in _folds(predictions)
            for scorer in scorers_of(predictions)
        ]
    )


def scorers_of(predictions: pd.DataFrame) -> list[str]:
    """Who gave probabilities: the model first, then baselines."""
    return [name for name in (MODEL, *BASELINES, BASE_RATE) if name in predictions]


def _folds(predictions: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    folds = [(str(fold), rows) for fold, rows in predictions.groupby("fold", sort=False)]
    return [*folds, (POOLED, predictions)]


def _line(rows: pd.DataFrame, scorer: str, capacity: float) -> dict[str, Any]:
    late, p = rows["late"].to_numpy(dtype=np.float64), rows[scorer].to_numpy(dtype=np.float64)
    return {
        "scorer": scorer,
        "first_as_of": rows["as_of"].min(),
        "last_as_of": rows["as_of"].max(),
        "train_rows": int(rows["train_rows"].max()),
        "rows": len(rows),
        "events": int(late.sum()),
        "base_rate": float(late.mean()),
        **measures(late, p, share=capacity, amount=rows["open_amount"]),
        "warned_days": warned_days(late, p, capacity, rows["lead_days"], rows["obligation_id"]),
    }


def _with_noise(rows: pd.DataFrame, scorer: str, capacity: float, repeats: int) -> dict[str, Difference]:
    """Measures with the noise of drawing other customers."""
    late, p = rows["late"].to_numpy(dtype=np.float64), rows[scorer].to_numpy(dtype=np.float64)
    figures = {
        "auc": lambda weight: auc(late, p, sample_weight=weight),
        "log_loss": lambda weight: log_loss(late, p, sample_weight=weight),
        "capture": lambda weight: capture_at(late, p, capacity, sample_weight=weight),
        "calibration_slope": lambda weight: calibration_slope(late, p, sample_weight=weight),
        "bias": lambda weight: float(np.average(p - late, weights=weight)),
    }
    return {name: bootstrap(figure, rows["customer_id"], repeats=repeats) for name, figure in figures.items()}


def _check_scorer(scorer: str, predictions: pd.DataFrame) -> None:
    if scorer not in scorers_of(predictions):
        hint = suggest(scorer, scorers_of(predictions))
        raise DataError(f"nothing was scored by {scorer!r}.", code="D112", hint=hint)
