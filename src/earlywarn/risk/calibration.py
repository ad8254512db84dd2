"""Calibration: the booster's log-odds as they are, or moved by a line, judged on later time.

Affine in the logit on purpose: contributions stay exact, they are only scaled. The line is taken when it is
better by more than one standard error, so that noise in a small later part does not move every probability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from earlywarn.risk.rows import ENOUGH_OF_EACH_CLASS, ENOUGH_ROWS, is_enough

__all__ = ["CalibrationChoice", "Calibrator", "choose_calibrator", "fit_affine", "fit_beta", "standard_error"]

FOLDS = 5
#: The fitted line is pulled to "no change" as if by this many rows; it only matters when classes separate.
PRIOR_ROWS = 1.0
NEWTON_STEPS = 50
#: A mean probability further from the share observed than this many standard errors is worth a notice.
GUARD_STANDARD_ERRORS = 3.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibrator:
    """log-odds = slope * margin + intercept; the slope is above 0, so order and directions are kept.

    Parameters
    ----------
    slope, intercept : float

    Examples
    --------
    >>> Calibrator(0.5, 1.0).log_odds(np.array([-2.0, 0.0]))
    array([0., 1.])
    """

    slope: float = 1.0
    intercept: float = 0.0

    def log_odds(self, margin: Floats) -> Floats:
        """Calibrated log-odds of margins, shape (n,)."""
        return self.slope * margin + self.intercept

    def probability(self, margin: Floats) -> Floats:
        """Calibrated probabilities of margins, shape (n,)."""
        return np.asarray(expit(self.log_odds(margin)), dtype=np.float64)


@dataclass(frozen=True)
class CalibrationChoice:
    """Which calibrator was chosen on the later part, and on what grounds.

    Parameters
    ----------
    calibrator : Calibrator
    rows, events : int
        Size of the later part and how many of it were late.
    base_rate, mean_p : float
        Share late, and mean calibrated probability; NaN without a later part.
    gain, standard_error : float
        Log-loss won by the line over no change, per row, cross-validated; NaN where not measured.
    notice : str
        Empty when there is nothing to say.
    beta_gain, beta_standard_error : float
        The same of beta calibration, which is measured and not used.
    """

    calibrator: Calibrator
    rows: int
    events: int
    base_rate: float
    mean_p: float
    gain: float
    standard_error: float
    notice: str
    beta_gain: float = float("nan")
    beta_standard_error: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Plain figures, ready for JSON; what was not measured is None."""
        content = asdict(self)
        return {key: None if item != item else item for key, item in content.items()}


def choose_calibrator(
    margin: Floats,
    late: Floats,
    weight: Floats | None = None,
    groups: npt.NDArray[np.intp] | None = None,
    *,
    random_state: int = 0,
) -> CalibrationChoice:
    """Choose between no change and a line in the logit, on rows the booster has not seen.

    The gain in log-loss is measured by five-fold cross-validation inside these rows: folds of customers where
    groups are given, else consecutive blocks. Its standard error is that of the paired differences, summed by
    customer where groups are given. The line is taken when gain > standard error, then fitted on all rows.

    Parameters
    ----------
    margin : ndarray of float64, shape (n,)
        Log-odds before calibration, in order of time.
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,), optional
    groups : ndarray of int, shape (n,), optional
        Customers.
    random_state : int
        Which customers go to which fold.

    Returns
    -------
    CalibrationChoice
        No change, with a notice, when there are fewer than 50 rows or 10 of either class.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> margin = rng.normal(size=2000)
    >>> late = (rng.random(2000) < 1 / (1 + np.exp(-margin / 3))).astype(float)
    >>> choice = choose_calibrator(margin, late)
    >>> bool(choice.gain > choice.standard_error), round(choice.calibrator.slope, 1)
    (True, 0.4)
    """
    weight = np.ones_like(late) if weight is None else weight
    events = int(late.sum())
    unchanged = _described(Calibrator(), margin, late, weight)
    if not is_enough(late):
        return replace(
            unchanged,
            notice=f"not calibrated: the later part has {len(late):,} rows, {events:,} of them late; "
            f"{ENOUGH_ROWS} rows and {ENOUGH_OF_EACH_CLASS} of either class are needed.",
        )
    folds = _folds(len(late), groups, random_state)
    gain, error = _gain(margin, late, weight, groups, folds, _line)
    beta_gain, beta_error = _gain(margin, late, weight, groups, folds, _bent)
    line = fit_affine(margin, late, weight)
    chosen = line if gain > error and line.slope > 0 else Calibrator()
    choice = replace(
        _described(chosen, margin, late, weight),
        gain=gain,
        standard_error=error,
        beta_gain=beta_gain,
        beta_standard_error=beta_error,
    )
    return replace(choice, notice=_guard(choice, margin, late, weight, groups, line))


def fit_affine(
    margin: Floats, late: Floats, weight: Floats | None = None, *, prior_rows: float = PRIOR_ROWS
) -> Calibrator:
    """Slope and intercept of the smallest log-loss, by Newton's method.

    Parameters
    ----------
    margin : ndarray of float64, shape (n,)
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,), optional
    prior_rows : float
        Weight of a pull towards slope 1 and intercept 0; 0 is plain maximum likelihood, which has no answer
        when the margin separates the classes.

    Returns
    -------
    Calibrator
        NaN where there is no answer.

    Examples
    --------
    >>> fit_affine(np.array([0.0, 0.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0])).slope
    1.0
    """
    weight = np.ones_like(late) if weight is None else weight
    design = np.column_stack([margin, np.ones_like(margin)])
    slope, intercept = _smallest_loss(design, late, weight, np.array([1.0, 0.0]), prior_rows)
    return Calibrator(float(slope), float(intercept))


def fit_beta(margin: Floats, late: Floats, weight: Floats | None = None) -> tuple[float, float, float]:
    """Beta calibration: log-odds = a ln p - b ln(1 - p) + c, with a and b not below 0.

    It can bend where a line in the log-odds cannot; reasons would not add up under it, so it is measured and reported
    beside the line, and not used.

    Parameters
    ----------
    margin : ndarray of float64, shape (n,)
        Log-odds of p.
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,), optional

    Returns
    -------
    a, b, c : float

    References
    ----------
    Kull, Silva Filho and Flach, "Beta calibration", AISTATS 2017: one that comes out negative is set to 0.

    Examples
    --------
    >>> margin = np.linspace(-3, 3, 2001)
    >>> late = (np.random.default_rng(0).random(2001) < expit(margin)).astype(float)
    >>> a, b, c = fit_beta(margin, late)
    >>> bool(0.8 < a < 1.2 and 0.8 < b < 1.2 and abs(c) < 0.2)
    True
    """
    weight = np.ones_like(late) if weight is None else weight
    columns = _beta_columns(margin)
    kept = [0, 1]
    found = np.zeros(3)
    while True:
        design = np.column_stack([columns[:, kept], np.ones_like(margin)])
        fitted = _smallest_loss(design, late, weight, np.array([*[1.0] * len(kept), 0.0]), PRIOR_ROWS)
        if not kept or fitted[:-1].min() >= 0 or not np.isfinite(fitted).all():
            found[kept], found[2] = fitted[:-1], fitted[-1]
            return float(found[0]), float(found[1]), float(found[2])
        del kept[int(np.argmin(fitted[:-1]))]


def _beta_columns(margin: Floats) -> Floats:
    """Ln p and -ln(1 - p) of log-odds."""
    return np.column_stack([-np.logaddexp(0.0, -margin), np.logaddexp(0.0, margin)])


def _smallest_loss(design: Floats, late: Floats, weight: Floats, start: Floats, prior_rows: float) -> Floats:
    """Coefficients of the smallest log-loss, by Newton's method; NaN where there is no answer."""

    def loss(line: Floats) -> float:
        fitted = design @ line
        return float(weight @ (np.logaddexp(0.0, fitted) - late * fitted)) + prior_rows / 2 * float(
            (line - start) @ (line - start)
        )

    line, now = start, loss(start)
    for _ in range(NEWTON_STEPS):
        p = expit(design @ line)
        gradient = design.T @ (weight * (p - late)) + prior_rows * (line - start)
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + prior_rows * np.eye(len(start))
        step = _solved(curvature, gradient)
        if step is None:
            return np.full(len(start), np.nan)
        while loss(line - step) > now and np.abs(step).max() > 1e-12:
            step = step / 2
        line, now = line - step, loss(line - step)
        if np.abs(step).max() < 1e-10:
            break
    return line


def _solved(curvature: Floats, gradient: Floats) -> Floats | None:
    try:
        step = np.linalg.solve(curvature, gradient)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(step, dtype=np.float64) if np.isfinite(step).all() else None


def _folds(n: int, groups: npt.NDArray[np.intp] | None, random_state: int) -> npt.NDArray[np.intp]:
    if groups is None:
        return np.arange(n) * FOLDS // n
    customers, at = np.unique(groups, return_inverse=True)
    return np.asarray(np.random.default_rng(random_state).permutation(len(customers))[at] % FOLDS)


def _gain(
    margin: Floats,
    late: Floats,
    weight: Floats,
    groups: npt.NDArray[np.intp] | None,
    folds: npt.NDArray[np.intp],
    moved_by: Callable[[Floats, Floats, Floats, Floats], Floats],
) -> tuple[float, float]:
    """Weighted mean of the paired log-loss differences on held-out folds, and its standard error."""
    moved = np.zeros(len(late))
    for fold in range(FOLDS):
        rest = folds != fold
        moved[~rest] = moved_by(margin[rest], late[rest], weight[rest], margin[~rest]) if rest.any() else margin[~rest]
    won = _log_losses(margin, late) - _log_losses(moved, late)
    gain = float(np.average(won, weights=weight))
    return gain, standard_error(weight * (won - gain), groups) / float(weight.sum())


def _line(margin: Floats, late: Floats, weight: Floats, asked: Floats) -> Floats:
    """Log-odds moved by the line that was learned from other rows."""
    return fit_affine(margin, late, weight).log_odds(asked)


def _bent(margin: Floats, late: Floats, weight: Floats, asked: Floats) -> Floats:
    """Log-odds moved by the beta calibration that was learned from other rows."""
    a, b, c = fit_beta(margin, late, weight)
    return np.asarray(_beta_columns(asked) @ np.array([a, b]) + c)


def standard_error(deviation: Floats, groups: npt.NDArray[np.intp] | None) -> float:
    """Standard error of a sum of deviations from their mean, rows of one customer taken together.

    Parameters
    ----------
    deviation : ndarray of float64, shape (n,)
    groups : ndarray of int, shape (n,), optional
        Customers; rows of a negative one are customers of their own.

    Returns
    -------
    float
    """
    sums = deviation
    if groups is not None:
        own = np.where(groups < 0, groups.max(initial=-1) + 1 + np.arange(len(groups)), groups)
        sums = np.asarray(np.bincount(np.unique(own, return_inverse=True)[1], deviation), dtype=np.float64)
    return float(np.sqrt(sums @ sums * len(sums) / max(len(sums) - 1, 1)))


def _log_losses(log_odds: Floats, late: Floats) -> Floats:
    return np.logaddexp(0.0, log_odds) - late * log_odds


def _described(calibrator: Calibrator, margin: Floats, late: Floats, weight: Floats) -> CalibrationChoice:
    nan = float("nan")
    some = len(late) > 0
    return CalibrationChoice(
        calibrator=calibrator,
        rows=len(late),
        events=int(late.sum()),
        base_rate=float(np.average(late, weights=weight)) if some else nan,
        mean_p=float(np.average(calibrator.probability(margin), weights=weight)) if some else nan,
        gain=nan,
        standard_error=nan,
        notice="",
    )


def _guard(
    choice: CalibrationChoice,
    margin: Floats,
    late: Floats,
    weight: Floats,
    groups: npt.NDArray[np.intp] | None,
    line: Calibrator,
) -> str:
    """What must be said when the scores, or the probabilities on average, do not fit the later part."""
    notices = []
    if not line.slope > 0:
        notices.append("not calibrated: on later time a higher score did not mean more bills paid late.")
    difference = choice.mean_p - choice.base_rate
    deviation = weight * (choice.calibrator.probability(margin) - late - difference)
    error = standard_error(deviation, groups) / float(weight.sum())
    if abs(difference) > GUARD_STANDARD_ERRORS * error:
        notices.append(
            f"on later time the mean probability is {choice.mean_p:.3f} where {choice.base_rate:.3f} were "
            f"late, more than {GUARD_STANDARD_ERRORS:g} standard errors apart."
        )
    return " ".join(notices)
