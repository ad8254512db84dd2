"""RiskModel: boosted trees held to directions, calibrated on later time, explained exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.utils.validation import check_is_fitted

from earlywarn.errors import EarlywarnError
from earlywarn.reasons.treeshap import TreeShap, margins
from earlywarn.risk import files
from earlywarn.risk.boosting import Rows, loaded, train_booster
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.risk.columns import Column, encode, learn_columns
from earlywarn.risk.rows import LearnableRows, is_enough
from earlywarn.risk.untreated import with_column, without_last_column

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.features.catalogue import FeatureSet

__all__ = ["BOOSTER", "RiskModel"]

Floats = npt.NDArray[np.float64]

#: File of a bundle that holds the trees.
BOOSTER = "booster.ubj"
#: Trees at most where their number is found, and trees where it cannot be.
MOST_TREES, USUAL_TREES = 3000, 300
BOOSTER_PARAMETERS = (
    "learning_rate",
    "max_depth",
    "min_child_weight",
    "subsample",
    "colsample_bytree",
    "reg_lambda",
)


class RiskModel(CalibratedModel):
    """Calibrated probability that an obligation is paid late, with exact reasons.

    How many trees, and how their log-odds become probabilities, is found on the later part of time by a booster that
    knows the earlier part only. Then the trees are grown anew on all rows. The second of the two labels is "late".

    Parameters
    ----------
    features : FeatureSet, optional
        Direction, family and text by column name; the default catalogue when left out. A column that is not
        in it is free and belongs to the family "other".
    random_state : int
        Same seed and data, same model, to the bit.
    n_estimators : int, optional
        Number of trees. Left out, it is found by log-loss on the later part, up to `MOST_TREES`; `USUAL_TREES` where
        that has fewer than 50 rows or 10 of either class.
    learning_rate, max_depth, min_child_weight, subsample, colsample_bytree, reg_lambda
        As in xgboost.
    calibration_share : float
        Share of the rows, the latest in time, that makes the later part: 0 (none) to 0.5.
    monotone : bool
        Hold columns to the directions that the catalogue states. They are those of paying late: for another outcome,
        such as a bill far above usual (`Outcome.shock_label`), choose False.
    n_jobs : int, optional
        Threads; all cores when left out. No result depends on it.

    Attributes
    ----------
    booster_ : xgboost.Booster
        Sees the float32 columns of `matrix`.
    n_trees_ : int
    treeshap_ : TreeShap
        The trees as they are explained; ``treeshap_.nbytes`` says what that takes in memory.
    calibrator_ : Calibrator
        `slope` and `intercept` on the booster's margin.
    calibration_ : CalibrationChoice
        On what grounds the calibrator was chosen: figures of the booster that knew the earlier part only.
    venn_abers_ : VennAbers
        Bounds of the probability by margin, from the later part.
    shift_ : float
        By how much `recentred` has moved the log-odds since training.
    expected_value_ : float
        Where the SHAP values start: they and it add up to `margin`.
    base_log_odds_ : float
        `expected_value_` carried through calibration: where reason codes start.
    columns_ : tuple of Column
        Name, direction and category codes of each column.
    categories_ : dict of str to tuple of str
        Categories in the order of their codes, for the columns that have any.
    features_ : FeatureSet or None
        The catalogue used; None when X had no column names.
    classes_ : ndarray, shape (2,)
    feature_names_in_ : ndarray of str, shape (k,)
        Only when X had column names.
    n_features_in_ : int
    training_summary_ : dict
        Rows, events, dates, calibration and library versions, ready for JSON.
    notices_ : tuple of str
        What was left out or could not be done.

    Notes
    -----
    It passes `sklearn.utils.estimator_checks.check_estimator` but for one check: whole weights are not
    exactly repeated rows, because trees are grown on random parts of the rows and ten rows are asked for.
    Rows of weight 0 are exactly absent rows. Other than scikit-learn's own estimators it takes the columns
    of a frame in any order.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"late_share": rng.random(500), "amount": rng.random(500) * 90})
    >>> y = (rng.random(500) < X["late_share"]).astype(int)
    >>> model = ew.RiskModel(n_estimators=20).fit(X, y)
    >>> p_late = model.predict_proba(X)[:, 1]
    >>> model.reason_codes(X.head(1), top=1).columns.tolist()
    ['observation', 'rank', 'family', 'feature', 'contribution', 'text']
    """

    def __init__(
        self,
        features: FeatureSet | None = None,
        random_state: int = 0,
        *,
        n_estimators: int | None = None,
        learning_rate: float = 0.03,
        max_depth: int = 6,
        min_child_weight: float = 10.0,
        subsample: float = 0.8,
        colsample_bytree: float = 0.8,
        reg_lambda: float = 5.0,
        calibration_share: float = 0.1,
        monotone: bool = True,
        n_jobs: int | None = None,
    ) -> None:
        self.features = features
        self.random_state = random_state
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.calibration_share = calibration_share
        self.monotone = monotone
        self.n_jobs = n_jobs

    def to_files(self) -> dict[str, bytes]:
        """Everything but the catalogue, as data: `booster.ubj` and `model.json`.

        Returns
        -------
        dict of str to bytes
            No pickle, no clock time, no path.
        """
        check_is_fitted(self, "booster_")
        return files.to_files(self, {}, {BOOSTER: bytes(self.booster_.save_raw("ubj"))})

    def _restore(self, stored: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
        """Take the trees from a bundle."""
        self.booster_ = loaded(parts[BOOSTER], self.n_jobs)
        self.n_trees_ = self.booster_.num_boosted_rounds()
        self._read_trees()

    def _learn_earlier(
        self, frame: pd.DataFrame, rows: LearnableRows, own: npt.NDArray[np.intp], judged: npt.NDArray[np.intp]
    ) -> Floats:
        self.n_trees_ = USUAL_TREES if self.n_estimators is None else self.n_estimators
        late = rows.late[judged]
        if not len(late):
            return np.empty(0)
        columns = self._columns(frame.iloc[own], rows.late[own], rows.weight[own])
        matrix = encode(frame.iloc[judged], columns)
        stops = self.n_estimators is None and is_enough(late)
        booster = self._grown(
            encode(frame.iloc[own], columns), rows, own, columns, MOST_TREES if stops else self.n_trees_,
            later=(matrix, late, rows.weight[judged]) if stops else None,
        )  # fmt: skip
        self.n_trees_ = booster.num_boosted_rounds()
        return margins(booster, matrix)

    def _learn(self, frame: pd.DataFrame, rows: LearnableRows) -> None:
        self.columns_ = self._columns(frame, rows.late, rows.weight)
        every = np.arange(len(rows.late))
        self.booster_ = self._grown(encode(frame, self.columns_), rows, every, self.columns_, self.n_trees_)
        self._read_trees()

    def _columns(self, frame: pd.DataFrame, late: Floats, weight: Floats) -> tuple[Column, ...]:
        learned = learn_columns(frame, late, weight, self.features_)
        return learned if self.monotone else tuple(replace(column, direction=0) for column in learned)

    def _grown(
        self, matrix: npt.NDArray[np.float32], rows: LearnableRows, own: npt.NDArray[np.intp],
        columns: tuple[Column, ...], trees: int, later: Rows | None = None,
    ) -> xgb.Booster:  # fmt: skip
        """Trees of a matrix over rows ``own``, as they are where nobody is contacted."""
        chosen = {name: getattr(self, name) for name in BOOSTER_PARAMETERS}
        treated = rows.treated[own]
        if treated.any():
            matrix, columns = with_column(matrix, treated), (*columns, Column("treated"))
            later = None if later is None else (with_column(later[0], np.zeros(len(later[0]))), *later[1:])
        booster = train_booster(
            matrix, rows.late[own], rows.weight[own], columns, n_estimators=trees, n_jobs=self.n_jobs,
            seed=self.random_state, later=later, **chosen,
        )  # fmt: skip
        return without_last_column(booster) if treated.any() else booster

    def _read_trees(self) -> None:
        """Make ready for explaining; refuses trees whose contributions do not add up to their margins."""
        self.treeshap_ = TreeShap.of(self.booster_, len(self.columns_))
        self.expected_value_ = self.treeshap_.expected_value

    def _margins(self, matrix: npt.NDArray[np.float32]) -> Floats:
        return margins(self.booster_, matrix)

    def _contributions(self, matrix: npt.NDArray[np.float32], margin: Floats | None = None) -> Floats:
        return self.treeshap_.contributions(matrix, margin)

    def _size(self) -> dict[str, int]:
        return {"trees": self.n_trees_}

    def _tells_apart(self) -> bool:
        return bool(self.booster_.get_score(importance_type="weight"))

    def _check_parameters(self) -> None:
        if self.n_estimators is not None and self.n_estimators < 1:
            raise EarlywarnError(
                "n_estimators is the number of trees.", code="E031", found=repr(self.n_estimators),
                hint="choose 1 or more, or leave it out.",
            )  # fmt: skip
        super()._check_parameters()
