"""How good a score is: order, calibration, what a small capacity catches, and how sure we are.

What scikit-learn measures is scikit-learn's. Here is what it lacks, and an AUC fast enough for a bootstrap.
A measure that has no answer (one class, no rows) is NaN, not an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, brier_score_loss, roc_curve
from sklearn.metrics import log_loss as sklearn_log_loss

from earlywarn.risk.calibration import fit_affine

__all__ = [
    "Difference",
    "auc",
    "bootstrap",
    "bootstrap_by_group",
    "calibration_intercept",
    "calibration_slope",
    "capture_at",
    "capture_curve",
    "ici",
    "ks",
    "lift_at",
    "log_loss",
    "measures",
    "warned_days",
]

Floats = npt.NDArray[np.float64]
Metric = Callable[..., float]

#: Share of the rows that a local line is fitted to, and places at which it is.
SPAN, CURVE_POINTS = 0.75, 200
#: Probabilities are kept this far from 0 and 1 before a logarithm is taken.
EDGE = 1e-15


def auc(y: Any, score: Any, *, sample_weight: Any = None) -> float:
    """Chance that a late row has a higher score than one on time; ties count half.

    Parameters
    ----------
    y : array-like, shape (n,), 0 or 1
    score : array-like, shape (n,)
    sample_weight : array-like, shape (n,), optional

    Returns
    -------
    float, 0 to 1; NaN with one class

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    y, score, weight = _arrays(y, score, sample_weight)
    order = np.argsort(score, kind="stable")
    score, late = score[order], (weight * y)[order]
    on_time = weight[order] - late
    if not late.sum() > 0 or not on_time.sum() > 0:
        return float("nan")
    starts = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
    late_here, on_time_here = np.add.reduceat(late, starts), np.add.reduceat(on_time, starts)
    below = np.cumsum(on_time_here) - on_time_here
    return float(late_here @ (below + on_time_here / 2) / (late_here.sum() * on_time_here.sum()))


def log_loss(y: Any, p: Any, *, sample_weight: Any = None) -> float:
    """Mean log-loss of probabilities, also when only one class is there.

    Examples
    --------
    >>> round(log_loss([0, 1], [0.5, 0.5]), 4)
    0.6931
    """
    return float(sklearn_log_loss(y, p, labels=[0, 1], sample_weight=sample_weight))


def ks(y: Any, score: Any, *, sample_weight: Any = None) -> float:
    """Largest gap between the shares of late and of on-time rows above a cut (Kolmogorov-Smirnov).

    Examples
    --------
    >>> ks([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    1.0
    """
    if len(np.unique(np.asarray(y))) < 2:
        return float("nan")
    on_time, late, _ = roc_curve(y, score, sample_weight=sample_weight)
    return float(np.max(late - on_time))


def capture_curve(y: Any, score: Any, *, value: Any = None, sample_weight: Any = None) -> tuple[Floats, Floats]:
    """Share of what is late that the highest scores hold, for every share of the rows: the curve of cumulative gains.

    Parameters
    ----------
    y : array-like, shape (n,), 0 or 1
    score : array-like, shape (n,)
    value : array-like, shape (n,), optional
        What each row counts if it is late, such as its open amount; 1 when left out.
    sample_weight : array-like, shape (n,), optional

    Returns
    -------
    reached, caught : ndarray of float64
        Corners of the curve, from (0, 0) to (1, 1); equal scores are one step. NaN where nothing is late.

    Examples
    --------
    >>> reached, caught = capture_curve([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    >>> reached.tolist(), caught.tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    y, score, weight = _arrays(y, score, sample_weight)
    late = weight * y if value is None else weight * y * np.asarray(value, dtype=np.float64)
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) != 0)) if len(score) else np.empty(0, dtype=np.intp)
    if not late.sum() > 0:
        return np.array([0.0, 1.0]), np.array([np.nan, np.nan])
    reached = np.append(0.0, np.cumsum(np.add.reduceat(weight[order], starts)))
    caught = np.append(0.0, np.cumsum(np.add.reduceat(late[order], starts)))
    return reached / reached[-1], caught / caught[-1]


def capture_at(y: Any, score: Any, share: float, *, value: Any = None, sample_weight: Any = None) -> float:
    """Share of all late rows that is among the highest scores.

    Parameters
    ----------
    y : array-like, shape (n,), 0 or 1
    score : array-like, shape (n,)
    share : float
        How much of the rows the capacity reaches, 0 to 1. Equal scores at the cut are taken in proportion.
    value : array-like, shape (n,), optional
        As in `capture_curve`: with open amounts it is the share of the money at stake.
    sample_weight : array-like, shape (n,), optional

    Returns
    -------
    float, 0 to 1

    Examples
    --------
    >>> capture_at([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], 0.25)
    0.5
    """
    return float(np.interp(share, *capture_curve(y, score, value=value, sample_weight=sample_weight)))


def warned_days(y: Any, score: Any, share: float, lead_days: Any, obligations: Any) -> float:
    """How many days before due late obligations were first among the highest scores, on average over those that were.

    Parameters
    ----------
    y : array-like, shape (n,), 0 or 1
    score : array-like, shape (n,)
    share : float
        How much of the rows the capacity reaches.
    lead_days : array-like, shape (n,)
    obligations : array-like, shape (n,)
        Obligation of each row: one is seen at several leads.

    Returns
    -------
    float, days; NaN where none was

    Examples
    --------
    >>> warned_days([1, 1, 0, 0], [0.9, 0.8, 0.3, 0.2], 0.5, [14, 7, 14, 7], ["a", "a", "b", "b"])
    14.0
    """
    y, score = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if not len(score):
        return float("nan")
    reach = max(int(np.ceil(share * len(score))), 1)
    cut = np.sort(score)[::-1][reach - 1]
    among = score >= cut
    if among.sum() > reach:  # of equal scores at the cut nobody can say who is called
        among = score > cut
    warned = np.flatnonzero(among & (y > 0))
    lead = pd.Series(np.asarray(lead_days)[warned], dtype="float64")
    return float(lead.groupby(np.asarray(obligations, dtype=object)[warned]).max().mean()) if len(warned) else np.nan


def lift_at(y: Any, score: Any, share: float, *, sample_weight: Any = None) -> float:
    """How many times more late rows the highest scores hold than rows drawn by lot.

    Examples
    --------
    >>> lift_at([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], 0.25)
    2.0
    """
    return capture_at(y, score, share, sample_weight=sample_weight) / share


def calibration_intercept(y: Any, p: Any, *, sample_weight: Any = None) -> float:
    """Shift in log-odds that makes the mean probability the share observed; 0 when calibrated.

    Above 0, too few late rows were announced ("calibration in the large", slope held at 1).

    Examples
    --------
    >>> round(calibration_intercept([0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5]), 3)
    -1.099
    """
    y, p, weight = _arrays(y, p, sample_weight)
    if len(np.unique(y[weight > 0])) < 2:
        return float("nan")
    margin, events = _margin(p), weight @ y
    widest = float(np.ptp(margin)) + 2 * -logit(EDGE)
    return float(brentq(lambda shift: weight @ expit(margin + shift) - events, -widest, widest))


def calibration_slope(y: Any, p: Any, *, sample_weight: Any = None) -> float:
    """Slope of the logistic regression of the outcome on logit(p); 1 when calibrated.

    Below 1, probabilities are too extreme. NaN with one class or equal probabilities.

    Examples
    --------
    >>> round(calibration_slope([0, 0, 1, 0, 1, 1], [0.2, 0.2, 0.2, 0.8, 0.8, 0.8]), 3)
    0.5
    """
    y, p, weight = _arrays(y, p, sample_weight)
    margin = _margin(p)
    if len(np.unique(y[weight > 0])) < 2 or np.ptp(margin) == 0:
        return float("nan")
    return fit_affine(margin, y, weight, prior_rows=0.0).slope


def ici(y: Any, p: Any, *, sample_weight: Any = None) -> float:
    """Mean distance between a probability and the share late among rows with a like one.

    The share is a line fitted to the three quarters of the rows whose probabilities are nearest, the nearer the heavier
    (LOESS of first degree with tricube weights), at 200 quantiles of p and in between by interpolation. This is the
    integrated calibration index (Austin and Steyerberg 2019).

    Parameters
    ----------
    y : array-like, shape (n,), 0 or 1, or true probabilities
    p : array-like, shape (n,), probabilities
    sample_weight : array-like, shape (n,), optional
        Of the mean; each row counts once in the line.

    Returns
    -------
    float, 0 to 1; NaN without a row

    Examples
    --------
    >>> p = np.linspace(0.1, 0.9, 500)
    >>> round(ici(p, p), 6), round(ici(p, p / 2), 3)
    (0.0, 0.25)
    """
    y, p, weight = _arrays(y, p, sample_weight)
    if not weight.sum() > 0:
        return float("nan")
    order = np.argsort(p, kind="stable")
    y, p, weight = y[order], p[order], weight[order]
    asked = np.unique(p[np.linspace(0, len(p) - 1, min(len(p), CURVE_POINTS)).round().astype(int)])
    return float(np.average(np.abs(p - np.interp(p, asked, _loess(p, y, asked))), weights=weight))


def _loess(x: Floats, y: Floats, asked: Floats) -> Floats:
    """Local lines through points sorted by x, at some places."""
    span = max(int(SPAN * len(x) + 1e-10), 1)
    # the nearest points stand side by side: they begin after a point when the place is past the middle between that one
    # and the one beyond the last
    firsts = np.searchsorted((x[: len(x) - span] + x[span:]) / 2, asked)
    found = np.empty(len(asked))
    for place, (at, first) in enumerate(zip(asked, firsts, strict=True)):
        near, level = x[first : first + span], y[first : first + span]
        far = np.abs(near - at)
        width = far.max()
        heavy = np.where(far < 0.999 * width, (1 - (far / width) ** 3) ** 3, 0.0) if width > 0 else np.ones(span)
        heavy /= heavy.sum()
        middle, height = heavy @ near, heavy @ level
        spread = heavy @ (near - middle) ** 2
        slope = heavy @ ((near - middle) * (level - height)) / spread if spread > 1e-12 else 0.0
        found[place] = height + slope * (at - middle)
    return found


def measures(y: Any, p: Any, *, share: float = 0.1, amount: Any = None, sample_weight: Any = None) -> dict[str, float]:
    """Every measure of a probability beside the outcome.

    Parameters
    ----------
    y : array-like, shape (n,), 0 or 1
    p : array-like, shape (n,), probabilities
    share : float
        Capacity for `capture`, `lift` and `money`.
    amount : array-like, shape (n,), optional
        Money at stake.
    sample_weight : array-like, shape (n,), optional

    Returns
    -------
    dict of str to float
        auc, gini (2 auc - 1), ap (average precision), ks, log_loss, brier, mean_p, calibration_intercept,
        calibration_slope, ici; capture and lift at the capacity, and with amounts money (share of the amounts of late
        rows that is captured).

    Examples
    --------
    >>> measures([0, 1], [0.2, 0.8])["auc"]
    1.0
    """
    y, p, weight = _arrays(y, p, sample_weight)
    both = len(np.unique(y)) == 2
    order, capture = auc(y, p, sample_weight=weight), capture_at(y, p, share, sample_weight=weight)
    found = {
        "auc": order,
        "gini": 2 * order - 1,
        "ap": float(average_precision_score(y, p, sample_weight=weight)) if both else float("nan"),
        "log_loss": log_loss(y, p, sample_weight=weight),
        "brier": float(brier_score_loss(y, p, sample_weight=weight, pos_label=1)),
        "mean_p": float(np.average(p, weights=weight)),
        "calibration_intercept": calibration_intercept(y, p, sample_weight=weight),
        "calibration_slope": calibration_slope(y, p, sample_weight=weight),
        "ici": ici(y, p, sample_weight=weight),
        "ks": ks(y, p, sample_weight=weight),
        "capture": capture,
        "lift": capture / share,
    }
    if amount is not None:
        found["money"] = capture_at(y, p, share, value=amount, sample_weight=weight)
    return found


@dataclass(frozen=True)
class Difference:
    """A difference between two scores on the same rows, and how sure it is.

    Parameters
    ----------
    value : float
        Metric of the first minus metric of the second.
    low, high : float
        Bounds of the bootstrap interval.
    standard_error : float
    share_above_zero : float
        Share of the bootstrap replicates in which the first is ahead.
    repeats : int
        Replicates that had an answer.
    """

    value: float
    low: float
    high: float
    standard_error: float
    share_above_zero: float
    repeats: int


def bootstrap_by_group(
    y: Any,
    first: Any,
    second: Any,
    groups: Any,
    *,
    metric: Metric = auc,
    repeats: int = 1000,
    level: float = 0.95,
    random_state: int = 0,
) -> Difference:
    """Paired bootstrap over customers of a difference between two scores.

    Customers are drawn with replacement and bring all their rows, for both scores alike: rows of one customer
    are not independent, and one customer may hold a quarter of them.

    Parameters
    ----------
    y : array-like, shape (n,), 0 or 1
    first, second : array-like, shape (n,)
        Scores, or probabilities for `log_loss` and the like.
    groups : array-like, shape (n,)
        Customers.
    metric : callable
        Taken as metric(y, score, sample_weight=...); those of this module and of scikit-learn fit.
    repeats : int
    level : float
        Coverage of the interval.
    random_state : int

    Returns
    -------
    Difference

    Examples
    --------
    >>> y, good = np.tile([0, 1], 50), np.tile([0.2, 0.8], 50)
    >>> bootstrap_by_group(y, good, np.full(100, 0.5), np.arange(100) // 2, repeats=50).value
    0.5
    """
    y, first, second = (np.asarray(item) for item in (y, first, second))

    def gap(weight: Floats | None) -> float:
        return metric(y, first, sample_weight=weight) - metric(y, second, sample_weight=weight)

    return bootstrap(gap, groups, repeats=repeats, level=level, random_state=random_state)


def bootstrap(
    figure: Callable[[Floats | None], float], groups: Any, *, repeats: int, level: float = 0.95, random_state: int = 0
) -> Difference:
    """A figure of weighted rows with its noise, customers drawn with replacement.

    Parameters
    ----------
    figure : callable
        Of row weights, shape (n,); of None for the rows as they are.
    groups : array-like, shape (n,)
        Customers.
    repeats : int
    level : float
    random_state : int

    Returns
    -------
    Difference

    Examples
    --------
    >>> x = np.arange(10.0)
    >>> bootstrap(lambda weight: float(np.average(x, weights=weight)), np.arange(10) // 2, repeats=50).value
    4.5
    """
    customers, at = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(random_state)
    even = np.full(len(customers), 1 / len(customers))
    drawn = [figure(rng.multinomial(len(customers), even)[at].astype(np.float64)) for _ in range(repeats)]
    found = np.array(drawn)[np.isfinite(drawn)]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) if len(found) else (np.nan, np.nan)
    return Difference(
        value=float(figure(None)),
        low=float(low),
        high=float(high),
        standard_error=float(np.std(found, ddof=1)) if len(found) > 1 else float("nan"),
        share_above_zero=float(np.mean(found > 0)) if len(found) else float("nan"),
        repeats=len(found),
    )


def _margin(p: Floats) -> Floats:
    return np.asarray(logit(np.clip(p, EDGE, 1 - EDGE)), dtype=np.float64)


def _arrays(y: Any, score: Any, sample_weight: Any) -> tuple[Floats, Floats, Floats]:
    y, score = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    weight = np.ones_like(y) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return y, score, weight
