"""When an obligation will be paid: the chance of each day, as long as it has not been paid before.

Time is cut into periods by the day from due, at most 25 of them, finer where payments are frequent. In each the odds of
paying are those of everybody (events over at risk, Kaplan and Meier's), moved by a booster that reads the features and
the calendar of the period. One model gives lateness, the expected day and what of it comes in when (Singer and Willett,
"It's about time", 1993; a row for each obligation and period at risk).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import xgboost as xgb
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from earlywarn.errors import DataError, NotEnoughHistoryError
from earlywarn.risk import files
from earlywarn.risk.boosting import grown, loaded
from earlywarn.risk.columns import Column, catalogue_of, encode, learn_columns, read_frame
from earlywarn.risk.paydays import PayDays
from earlywarn.risk.periods import HORIZON_DAYS, MOST_PERIODS, Odds, Times, at_risk, days_of, edges_of, times_of
from earlywarn.risk.rows import ENOUGH_OF_EACH_CLASS, check_same_index

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet

__all__ = ["HORIZON_DAYS", "MODEL", "MOST_PERIODS", "TREES", "PaymentDayModel"]

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]

#: Trees at most where their number is found, and where it cannot be.
MOST_TREES, USUAL_TREES = 2000, 100
#: Files of a bundle.
MODEL, TREES = "paydays.json", "paydays.ubj"
#: Obligations whose periods are in memory at the same time when days are predicted.
_BLOCK = 20_000


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
    odds_ : Odds
        Everybody's odds of paying in each period, and how payments spread over its days.
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
        most_rows: int = 1_000_000,
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
        times, rows = times_of(paid, weight)
        frame, weight = frame.iloc[rows], weight[rows]
        if not times.paid.any():
            raise NotEnoughHistoryError(
                "no obligation was seen to be paid.", code="H406", found=f"{len(rows):,} rows with a day at risk",
                hint="observe over a longer time.",
            )  # fmt: skip
        self.edges_ = edges_of(times, self.periods)
        row, period, event = at_risk(times, self.edges_)
        self.odds_ = Odds.of(times, weight, self.edges_, row, period, event)
        self.booster_, self.n_trees_, self.columns_ = self._grown(frame, times, weight, row, period, event)
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
        due_day = days_of(due["due_on"])
        start = days_of(due["as_of"]) - due_day
        blocks = [slice(at, at + _BLOCK) for at in range(0, max(len(start), 1), _BLOCK)]
        parts = [self._of_block(frame.iloc[block], start[block], due_day[block]) for block in blocks]
        return PayDays(int(self.edges_[0]), np.concatenate([part.probability for part in parts]), due_day, start)

    def to_files(self) -> dict[str, bytes]:
        """Everything but the catalogue, as data: `paydays.json`, and `paydays.ubj` where there are trees.

        Returns
        -------
        dict of str to bytes
            No pickle, no clock time, no path.
        """
        check_is_fitted(self, "edges_")
        lowest = -np.finfo(np.float64).max  # JSON knows no infinity
        content = {
            **files.described(self),
            "edges": self.edges_.tolist(),
            "base": np.clip(self.odds_.base, lowest, -lowest).tolist(),
            "within": self.odds_.within.tolist(),
        }
        parts = {} if self.booster_ is None else {TREES: bytes(self.booster_.save_raw("ubj"))}
        return files.pack(MODEL, type(self).__name__, content, parts)

    @classmethod
    def from_files(cls, content: Mapping[str, bytes], features: FeatureSet | None = None) -> Self:
        """Rebuild a fitted model; its predictions are the same to the bit.

        Parameters
        ----------
        content : mapping of str to bytes
            As `to_files` gave it.
        features : FeatureSet, optional
            The catalogue the model was fitted with.

        Returns
        -------
        PaymentDayModel

        Raises
        ------
        BundleError
            If a file is missing, changed or of another format (B52x).
        """
        stored, parts = files.unpack(MODEL, cls.__name__, content)
        model = cls(features)
        with files.describing(MODEL):
            files.restore_described(model, stored)
            model.edges_ = np.array(stored["edges"], dtype=np.int64)
            base, furthest = np.array(stored["base"], dtype=np.float64), np.finfo(np.float64).max
            base = np.where(np.abs(base) >= furthest, np.sign(base) * np.inf, base)
            model.odds_ = Odds(base, np.array(stored["within"], dtype=np.float64))
            model.booster_, model.n_trees_ = None, 0
            if parts:
                model.booster_ = loaded(parts[TREES], model.n_jobs)
                model.n_trees_ = model.booster_.num_boosted_rounds()
        return model

    def _of_block(self, frame: pd.DataFrame, start: Days, due: Days) -> PayDays:
        """As `predict`, of few enough to have all their periods in memory."""
        last = np.full(len(start), HORIZON_DAYS)
        times = Times(start, last, last, np.zeros(len(start), dtype=bool), due)
        row, period, _ = at_risk(times, self.edges_)
        margin = self.odds_.left(times, self.edges_, row, period)
        if self.booster_ is not None and len(row):
            matrix = self._matrix(encode(frame, self.columns_), times, row, period)
            data = xgb.DMatrix(matrix, base_margin=_finite(margin), nthread=self.n_jobs)
            moved = np.asarray(self.booster_.predict(data, output_margin=True), dtype=np.float64)
            margin = np.where(np.isfinite(margin), moved, margin)
        hazard = np.zeros((len(start), len(self.odds_.base)))
        hazard[row, period] = expit(margin)
        return PayDays.of(hazard, self.edges_, self.odds_.within, start, due)

    def _grown(
        self, frame: pd.DataFrame, times: Times, weight: Floats, row: Days, period: Days, event: Floats
    ) -> tuple[xgb.Booster | None, int, tuple[Column, ...]]:
        """The booster over everybody's odds, as many trees as are best on later time."""
        every = np.arange(len(frame))
        columns = self._columns(frame, times, weight, every)
        if self.n_estimators == 0:
            return None, 0, columns
        kept = self._drawn(row)
        row, period, event = row[kept], period[kept], event[kept]
        trees = (
            self._trees(frame, times, weight, row, period, event) if self.n_estimators is None else self.n_estimators
        )
        data = self._data(encode(frame, columns), times, weight, self.odds_, row, period, event)
        return grown(self._settings(columns), data, trees), trees, columns

    def _trees(self, frame: pd.DataFrame, times: Times, weight: Floats, row: Days, period: Days, event: Floats) -> int:
        """How many trees are best on the later tenth of time, for a booster, odds and codes of what was over before."""
        as_of = times.due + times.start
        cut = np.quantile(as_of, 0.9)
        later = np.flatnonzero(as_of[row] >= cut)
        earlier = np.flatnonzero((as_of[row] < cut) & (times.due[row] + self.edges_[period + 1] <= cut))
        if min(event[earlier].sum(), event[later].sum()) < ENOUGH_OF_EACH_CLASS:
            return USUAL_TREES
        columns = self._columns(frame, times, weight, np.unique(row[earlier]))
        matrix = encode(frame, columns)
        odds = Odds.of(times, weight, self.edges_, row[earlier], period[earlier], event[earlier])

        def data(part: npt.NDArray[np.intp], like: xgb.DMatrix | None = None) -> xgb.DMatrix:
            return self._data(matrix, times, weight, odds, row[part], period[part], event[part], like)

        first = data(earlier)
        return grown(self._settings(columns), first, MOST_TREES, data(later, first)).num_boosted_rounds()

    def _columns(
        self, frame: pd.DataFrame, times: Times, weight: Floats, own: npt.NDArray[np.intp]
    ) -> tuple[Column, ...]:
        """Codes and directions of the columns, from some obligations; what raises the risk lowers the odds."""
        late = (~times.paid | (times.end > 0)).astype(np.float64)
        known = own[times.seen[own] >= 0]
        known = known if len(known) else own
        learned = learn_columns(frame.iloc[known], late[known], weight[known], catalogue_of(self))
        return tuple(Column(column.name, -column.direction, column.codes) for column in learned)

    def _data(
        self, matrix: npt.NDArray[np.float32], times: Times, weight: Floats, odds: Odds, row: Days, period: Days,
        event: Floats, like: xgb.DMatrix | None = None,
    ) -> xgb.DMatrix:  # fmt: skip
        base = _finite(odds.left(times, self.edges_, row, period))
        return xgb.QuantileDMatrix(
            self._matrix(matrix, times, row, period), label=event, weight=weight[row], base_margin=base,
            nthread=self.n_jobs, ref=like,
        )  # fmt: skip

    def _settings(self, columns: tuple[Column, ...]) -> dict[str, Any]:
        return {
            "objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist", "base_score": 0.5,
            "monotone_constraints": "(" + ",".join([*(str(one.direction) for one in columns), *["0"] * _EXTRA]) + ")",
            "verbosity": 0, "nthread": self.n_jobs or 0, "seed": self.random_state, "learning_rate": self.learning_rate,
            "max_depth": self.max_depth, "min_child_weight": self.min_child_weight, "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree, "reg_lambda": self.reg_lambda,
        }  # fmt: skip

    def _drawn(self, row: Days) -> npt.NDArray[np.intp]:
        """Rows that are learned from: all periods of as many obligations as there is room for."""
        if len(row) <= self.most_rows:
            return np.arange(len(row))
        every = np.unique(row)
        some = np.random.default_rng(self.random_state).permutation(every)[: len(every) * self.most_rows // len(row)]
        return np.flatnonzero(np.isin(row, some))

    def _matrix(self, columns: npt.NDArray[np.float32], times: Times, row: Days, period: Days) -> npt.NDArray[Any]:
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


def _finite(margin: Floats) -> Floats:
    """Log-odds a booster can start from."""
    return np.clip(margin, -15.0, 15.0)
