"""When an obligation will be paid: the chance of each day, as long as it has not been paid before.

Time is cut into periods by the day from due, at most 25 of them, finer where payments are frequent. In each the odds of
paying are those of everybody (events over at risk, Kaplan and Meier's), moved by a booster that reads the features and
the calendar of the period. One model gives lateness, the expected day and what of it comes in when (Singer and Willett,
"It's about time", 1993; a row for each obligation and period at risk).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from earlywarn.errors import DataError, NotEnoughHistoryError
from earlywarn.risk.boosting import grown
from earlywarn.risk.calibration import MIN_OF_EACH_CLASS
from earlywarn.risk.columns import Column, catalogue_of, encode, learn_columns, read_frame
from earlywarn.risk.paydays import PayDays
from earlywarn.risk.rows import check_same_index

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet

__all__ = ["HORIZON_DAYS", "MOST_PERIODS", "PaymentDayModel"]

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]

#: Periods at most, and days after due at which looking ends.
MOST_PERIODS, HORIZON_DAYS = 25, 60
#: Days from due at which a period must begin, so that lateness can be read off without a guess: the day after due,
#: after grace of 3, 5 and 14 days, and day 30, from which on a payment is very late.
_SURE = (1, 4, 6, 15, 30)
#: Leads that begin a period of their own, where there are no more.
_LEADS = 5
#: Trees at most where their number is found, and where it cannot be.
MOST_TREES, USUAL_TREES = 2000, 100
#: Periods that were over before the later part of time, and those of obligations observed in it.
_EARLIER, _LATER = 1, 2
#: Obligations whose periods are in memory at the same time when days are predicted.
_BLOCK = 20_000


@dataclass(frozen=True)
class _Times:
    """Obligations as days from due: unpaid from `start`, paid on `end` or not by then, seen to the end of `seen`."""

    start: Days
    end: Days
    seen: Days
    paid: npt.NDArray[np.bool_]
    due: Days


class PaymentDayModel(BaseEstimator):  # type: ignore[misc]
    """Chance of being paid on each day from the observation to 60 days after due.

    Parameters
    ----------
    features : FeatureSet, optional
        As in `RiskModel`; a direction "up" in risk holds the chance of paying down.
    random_state : int
    periods : int
        Periods at most; one for each day where there are fewer days.
    n_estimators : int, optional
        Number of trees; found on the later tenth of time when left out, 0 for none: everybody's odds then.
    learning_rate, max_depth, min_child_weight, subsample, colsample_bytree, reg_lambda
        As in xgboost.
    most_rows : int
        Rows of obligation and period that are learned from; where there are more, obligations are drawn by lot.
    n_jobs : int, optional

    Attributes
    ----------
    edges_ : ndarray of int64, shape (n_periods + 1,)
        First days from due of the periods, and of what lies beyond the last.
    base_ : ndarray of float64, shape (n_periods,)
        Everybody's odds of paying in each period, in log-odds.
    within_ : ndarray of float64, shape (n_days,)
        Of payments in the period of each day from `edges_[0]` on, the share on that day.
    booster_ : xgboost.Booster or None
    n_trees_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> slow = rng.random(400)
    >>> due = pd.Series(pd.Timestamp("2026-03-10") + pd.to_timedelta(rng.integers(0, 90, 400), unit="D"))
    >>> paid = pd.DataFrame(
    ...     {"as_of": due - pd.Timedelta("7D"), "due_on": due, "seen_until": pd.Timestamp("2026-09-01")}
    ... )
    >>> paid["paid_on"] = due + pd.to_timedelta((20 * slow + rng.integers(-6, 3, 400)).astype(int), unit="D")
    >>> model = PaymentDayModel().fit(pd.DataFrame({"slow": slow}), paid)
    >>> days = model.predict(pd.DataFrame({"slow": [0.1, 0.9]}), paid.head(2))
    >>> bool(days.median_day()[0] < days.median_day()[1])
    True
    """

    booster_: xgb.Booster | None

    def __init__(
        self,
        features: FeatureSet | None = None,
        random_state: int = 0,
        *,
        periods: int = MOST_PERIODS,
        n_estimators: int | None = None,
        learning_rate: float = 0.05,
        max_depth: int = 7,
        min_child_weight: float = 10.0,
        subsample: float = 0.8,
        colsample_bytree: float = 0.8,
        reg_lambda: float = 5.0,
        most_rows: int = 2_000_000,
        n_jobs: int | None = None,
    ) -> None:
        self.features = features
        self.random_state = random_state
        self.periods = periods
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.most_rows = most_rows
        self.n_jobs = n_jobs

    def fit(self, X: Any, paid: pd.DataFrame, sample_weight: Any = None) -> Self:
        """Learn from obligations that were paid, and from those of which it is only known how long they were not.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
        paid : DataFrame, shape (n, …)
            as_of, due_on, paid_on and seen_until, as `Outcome.payment` gives them. Rows with a reason, without one of
            the moments but paid_on, and those seen no day, are left out.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        PaymentDayModel
            Itself.

        Raises
        ------
        NotEnoughHistoryError
            H406 when nothing was seen to be paid.
        DataError
            D194 when rows or columns of ``paid`` are missing, D190 when its index is another than that of X.
        """
        frame = read_frame(self, X, fitting=True)
        _check(frame, paid, ("as_of", "due_on", "paid_on", "seen_until"), "paid")
        weight = np.ones(len(frame))
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, frame, dtype=np.float64, ensure_non_negative=True)
        times, rows = _times(paid, weight)
        frame, weight = frame.iloc[rows], weight[rows]
        if not times.paid.any():
            raise NotEnoughHistoryError(
                "no obligation was seen to be paid.", code="H406", found=f"{len(rows):,} rows with a day at risk",
                hint="observe over a longer time.",
            )  # fmt: skip
        self.edges_ = _edges(times, self.periods)
        row, period, event = _at_risk(times, self.edges_)
        # odds of a period are those of who was at risk from its beginning, where there is anybody
        whole = times.start[row] <= self.edges_[period]
        whole |= ~np.isin(period, period[whole])
        counts = [np.bincount(period[whole], (weight[row] * of)[whole], minlength=len(self.edges_) - 1)
                  for of in (event, np.ones(len(row)))]  # fmt: skip
        with np.errstate(divide="ignore"):  # a period in which none or all paid, or none was at risk
            self.base_ = logit(np.where(counts[1] > 0, counts[0] / np.where(counts[1] > 0, counts[1], 1.0), 0.0))
        paying = row[whole & (event > 0)]
        self.within_ = _within(times.end[paying], weight[paying], self.edges_)
        as_of = times.due + times.start
        cut = np.quantile(as_of, 0.9)
        part = np.where(
            as_of[row] >= cut, _LATER, np.where(times.due[row] + self.edges_[period + 1] <= cut, _EARLIER, 0)
        )
        self.booster_, self.n_trees_, self.columns_ = self._grown(frame, times, weight, row, period, event, part)
        return self

    def predict(self, X: Any, due: pd.DataFrame) -> PayDays:
        """Chance of each day for obligations that are unpaid at ``as_of``.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
        due : DataFrame, shape (n, …)
            as_of and due_on: observations will do.

        Returns
        -------
        PayDays
            Nothing is expected of who is overdue by more than the horizon, nor before the longest lead that was learned
            from.

        Raises
        ------
        DataError
            D194 when rows, columns or moments of ``due`` are missing, D190 when its index is another than that of X.
        """
        check_is_fitted(self, "edges_")
        frame = read_frame(self, X, fitting=False)
        _check(frame, due, ("as_of", "due_on"), "due")
        unknown = due["as_of"].isna() | due["due_on"].isna()
        if unknown.any():
            raise DataError("due lacks as_of or due_on.", code="D194", found=f"{int(unknown.sum()):,} rows")
        due_day = _days(due["due_on"])
        start = _days(due["as_of"]) - due_day
        blocks = [slice(at, at + _BLOCK) for at in range(0, max(len(start), 1), _BLOCK)]
        parts = [self._of_block(frame.iloc[block], start[block], due_day[block]) for block in blocks]
        return PayDays(int(self.edges_[0]), np.concatenate([part.probability for part in parts]), due_day, start)

    def _of_block(self, frame: pd.DataFrame, start: Days, due: Days) -> PayDays:
        """As `predict`, of few enough to have all their periods in memory."""
        last = np.full(len(start), HORIZON_DAYS)
        times = _Times(start, last, last, np.zeros(len(start), dtype=bool), due)
        row, period, _ = _at_risk(times, self.edges_)
        margin = self._odds(times, row, period)
        if self.booster_ is not None and len(row):
            matrix = self._matrix(encode(frame, self.columns_), times, row, period)
            data = xgb.DMatrix(matrix, base_margin=_finite(margin), nthread=self.n_jobs)
            moved = np.asarray(self.booster_.predict(data, output_margin=True), dtype=np.float64)
            margin = np.where(np.isfinite(margin), moved, margin)
        hazard = np.zeros((len(start), len(self.base_)))
        hazard[row, period] = expit(margin)
        return PayDays.of(hazard, self.edges_, self.within_, start, due)

    def _odds(self, times: _Times, row: Days, period: Days) -> Floats:
        """Everybody's log-odds of paying in what is left of a period for each obligation at risk in it."""
        of_day = np.repeat(np.arange(len(self.base_)), np.diff(self.edges_))
        begun = np.cumsum(self.within_) - self.within_ - of_day  # the shares of each period sum to one
        start = times.start[row]
        inside = start > self.edges_[period]
        head = np.where(inside, begun[np.where(inside, start - self.edges_[0], 0)], 0.0)
        hazard = expit(self.base_[period])
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.where(inside, hazard * (1 - head) / (1 - hazard * head), hazard)
            odds = logit(np.clip(np.nan_to_num(left), 0.0, 1.0))
        return np.asarray(np.where(inside, odds, self.base_[period]), dtype=np.float64)

    def _grown(
        self, frame: pd.DataFrame, times: _Times, weight: Floats, row: Days, period: Days, event: Floats, part: Days
    ) -> tuple[xgb.Booster | None, int, tuple[Column, ...]]:
        """The booster over everybody's odds, as many trees as are best on later time."""
        late = (~times.paid | (times.end > 0)).astype(np.float64)
        known = np.flatnonzero(times.seen >= 0)
        known = known if len(known) else np.arange(len(late))
        columns = tuple(
            Column(column.name, -column.direction, column.codes)
            for column in learn_columns(frame.iloc[known], late[known], weight[known], catalogue_of(self))
        )
        if self.n_estimators == 0:
            return None, 0, columns
        kept = self._drawn(row)
        row, period, event, part = row[kept], period[kept], event[kept], part[kept]
        matrix = self._matrix(encode(frame, columns), times, row, period)
        base, weights = _finite(self._odds(times, row, period)), weight[row]

        def data(own: Any, like: Any = None) -> xgb.DMatrix:
            return xgb.QuantileDMatrix(
                matrix[own], label=event[own], weight=weights[own], base_margin=base[own], nthread=self.n_jobs, ref=like
            )

        settings = {
            "objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist", "base_score": 0.5,
            "monotone_constraints": "(" + ",".join([*(str(one.direction) for one in columns), *["0"] * _EXTRA]) + ")",
            "verbosity": 0, "nthread": self.n_jobs or 0, "seed": self.random_state, "learning_rate": self.learning_rate,
            "max_depth": self.max_depth, "min_child_weight": self.min_child_weight, "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree, "reg_lambda": self.reg_lambda,
        }  # fmt: skip
        trees = self.n_estimators
        if trees is None:
            earlier, later = part == _EARLIER, part == _LATER
            trees = USUAL_TREES
            if min(event[earlier].sum(), event[later].sum()) >= MIN_OF_EACH_CLASS:
                first = data(earlier)
                trees = grown(settings, first, MOST_TREES, data(later, first)).num_boosted_rounds()
        return grown(settings, data(slice(None)), trees), trees, columns

    def _drawn(self, row: Days) -> npt.NDArray[np.intp]:
        """Rows that are learned from: all periods of as many obligations as there is room for."""
        if len(row) <= self.most_rows:
            return np.arange(len(row))
        every = np.unique(row)
        some = np.random.default_rng(self.random_state).permutation(every)[: len(every) * self.most_rows // len(row)]
        return np.flatnonzero(np.isin(row, some))

    def _matrix(self, columns: npt.NDArray[np.float32], times: _Times, row: Days, period: Days) -> npt.NDArray[Any]:
        """Features, and what is known of each period: how far from due, how long, since when, and when in the month."""
        begin = np.maximum(self.edges_[period], times.start[row])
        day = (times.due[row] + begin).astype("M8[D]")
        of_period = np.column_stack(
            [
                self.edges_[period], self.edges_[period + 1] - begin, begin - times.start[row],
                (day.astype(np.int64) + 3) % 7, (day - day.astype("M8[M]")).astype(np.int64) + 1,
            ]
        )  # fmt: skip
        matrix = np.empty((len(row), columns.shape[1] + _EXTRA), dtype=np.float32)
        matrix[:, : columns.shape[1]], matrix[:, columns.shape[1] :] = columns[row], of_period
        return matrix


#: Columns of a period beside the features.
_EXTRA = 5


def _check(frame: pd.DataFrame, given: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    """D194 where moments do not go with X; D190 where their index is another one."""
    lacking = [column for column in columns if column not in given]
    if lacking or len(given) != len(frame):
        raise DataError(
            f"{name} does not go with X.", code="D194",
            found=f"without {', '.join(lacking)}" if lacking else f"{len(given):,} rows for {len(frame):,} of X",
            hint="hand over outcome.payment(ledger, observations), or the observations.",
        )  # fmt: skip
    check_same_index(frame, name, given[columns[0]])


def _times(paid: pd.DataFrame, weight: Floats) -> tuple[_Times, npt.NDArray[np.intp]]:
    """Rows with a day at risk, as days from due."""
    due, as_of, paid_on, until = (_days(paid[name]) for name in ("due_on", "as_of", "paid_on", "seen_until"))
    dated = paid[["as_of", "due_on", "seen_until"]].notna().all(axis=1).to_numpy()
    none = paid["reason"].notna().to_numpy() if "reason" in paid else np.zeros(len(paid), dtype=bool)
    start, seen = as_of - due, np.minimum(until - due, HORIZON_DAYS)
    # what was paid before as_of, but not known then, counts as paid at once
    was_paid = paid["paid_on"].notna().to_numpy() & (paid_on <= until)
    end = np.where(was_paid, np.maximum(paid_on - due, start), seen)
    rows = np.flatnonzero(dated & ~none & (weight > 0) & (seen >= start))
    is_paid = was_paid[rows] & (end[rows] <= HORIZON_DAYS)
    end = np.minimum(end[rows], HORIZON_DAYS)
    return _Times(start[rows], end, seen[rows], is_paid, due[rows]), rows


def _days(moments: pd.Series[Any]) -> Days:
    """Day numbers; missing ones far back."""
    found: Days = moments.to_numpy().astype("M8[D]").astype(np.int64)
    return np.where(moments.isna().to_numpy(), -(1 << 40), found)


def _edges(times: _Times, periods: int) -> Days:
    """First days of the periods, and the day after the last: sure ones, then finer where more was paid."""
    first, last = int(times.start.min()), HORIZON_DAYS + 1
    if last - first <= periods:
        return np.arange(first, last + 1)
    leads = np.unique(times.start)
    sure = {first, last, *_SURE, *(leads.tolist() if len(leads) <= _LEADS else ())}
    edges = {day for day in sure if first <= day <= last}
    on = times.end[times.paid]
    for count in range(2, periods + 1):
        cuts = np.quantile(on, np.arange(1, count) / count, method="lower").tolist()
        finer = edges | {int(day) for day in cuts if first < day < last}
        if len(finer) - 1 > periods:
            break
        edges = finer
    return np.array(sorted(edges), dtype=np.int64)


def _at_risk(times: _Times, edges: Days) -> tuple[Days, Days, Floats]:
    """A row for each obligation and period that it was at risk in and that was seen to its end.

    Of a period that is not over only those are known who paid early, so it tells nothing, paid or not.
    """
    first = np.maximum(np.searchsorted(edges, times.start, side="right") - 1, 0)
    own = np.searchsorted(edges, times.end, side="right") - 1
    over = np.searchsorted(edges[1:], times.seen + 1, side="right") - 1
    last = np.minimum(own, over)
    count = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(len(count)), count)
    period = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    event = (times.paid[row] & (period == own[row])).astype(np.float64)
    return row, period, event


def _within(day: Days, weight: Floats, edges: Days) -> Floats:
    """Of payments in the period of each day, the share on that day; equal shares where there was none."""
    length = np.diff(edges)
    found = np.bincount(np.maximum(day - edges[0], 0), weight, minlength=int(length.sum()))
    total = np.add.reduceat(found, edges[:-1] - edges[0])
    even = np.repeat(1 / length, length)
    return np.where(np.repeat(total, length) > 0, found / np.repeat(np.where(total > 0, total, 1.0), length), even)


def _finite(margin: Floats) -> Floats:
    """Log-odds a booster can start from."""
    return np.clip(margin, -15.0, 15.0)
