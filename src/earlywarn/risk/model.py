"""RiskModel: boosted trees held to directions, calibrated on later time, explained exactly.

A scikit-learn classifier. It puts the rooms in order: rows -> columns -> booster -> calibration -> reasons.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from earlywarn.errors import DataError, EarlywarnError
from earlywarn.reasons import treeshap
from earlywarn.risk import files, summary
from earlywarn.risk.boosting import Rows, train_booster
from earlywarn.risk.calibration import CalibrationChoice, choose_calibrator, is_enough
from earlywarn.risk.columns import Column, catalogue_of, encode, learn_columns, read_frame
from earlywarn.risk.explained import Explained
from earlywarn.risk.metrics import calibration_intercept
from earlywarn.risk.rows import (
    LARGEST_LATER_SHARE,
    LearnableRows,
    later_from,
    learnable_rows,
    matured_before,
    overlap_notice,
)
from earlywarn.risk.venn_abers import VennAbers, fit_venn_abers

if TYPE_CHECKING:
    import pandas as pd
    import xgboost as xgb

    from earlywarn.features.catalogue import FeatureSet

__all__ = ["RiskModel"]

Floats = npt.NDArray[np.float64]

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


class RiskModel(Explained, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
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
    n_jobs : int, optional
        Threads; all cores when left out. No result depends on it.

    Attributes
    ----------
    booster_ : xgboost.Booster
        Sees the float32 columns of `matrix`.
    n_trees_ : int
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
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        """What this estimator takes: two classes, missing values, categories."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        as_of: Any = None,
        groups: Any = None,
        sample_weight: Any = None,
        *,
        matures_at: Any = None,
        until: Any = None,
    ) -> Self:
        """Find size and calibration on the later part of time, then train on all of it.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)
            Numbers, truth values, categories and text; missing values are welcome.
        y : array-like, shape (n,)
            Late (1) or not (0), or any two labels. Rows without a label are left out, with a notice.
        as_of : array-like, shape (n,), optional
            Moment of each row. Without it, the order of rows is the order of time. Rows of one moment stay
            together on one side of the cut.
        groups : array-like, shape (n,), optional
            Customers: the calibrator is judged by customer, not by row.
        sample_weight : array-like, shape (n,), optional
            A row of weight 0 is left out. `Outcome.weights` makes up for obligations that are seen at more leads than
            others.
        matures_at : array-like, shape (n,), optional
            When each outcome was known for sure, as `Outcome.resolve` says. Then nothing is judged on the later part by
            what was learned from rows that had not matured before it.
        until : moment, optional
            The data are complete up to here (``ledger.until``): outcomes that mature later are refused.

        Returns
        -------
        RiskModel
            Itself.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than ten rows (H401) or a single class (H402) have a known outcome, or one that matures after
            ``until`` (H404).
        FeatureError
            If a category has a direction, or a column cannot be read (F28x).
        DataError
            If what goes with the rows does not match X (D19x).
        """
        self._check_parameters()
        frame = read_frame(self, X, fitting=True)
        self.features_ = catalogue_of(self)
        rows = learnable_rows(X, y, as_of, groups, sample_weight, matures_at=matures_at, until=until)
        frame = frame.iloc[rows.positions]
        cut = later_from(rows, self.calibration_share)
        own = matured_before(rows, cut)
        self.classes_ = rows.classes
        self.n_trees_, self.calibration_, self.venn_abers_ = self._judged(frame, rows, own, cut)
        self.shift_ = 0.0
        self.columns_ = learn_columns(frame, rows.late, rows.weight, self.features_)
        self.booster_ = self._grown(encode(frame, self.columns_), rows.late, rows.weight, self.columns_, self.n_trees_)
        self.expected_value_ = treeshap.expected_value(self.booster_, len(self.columns_))
        self.calibrator_ = self.calibration_.calibrator
        self.training_summary_ = summary.training_summary(rows, own, cut, self.calibration_, self.booster_)
        said = (*rows.notices, self.calibration_.notice, overlap_notice(rows, own, cut))
        self.notices_ = tuple(notice for notice in said if notice)
        for notice in self.notices_:
            logging.getLogger("earlywarn").warning("RiskModel.fit: %s", notice)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)
            The columns of `fit`, in any order.

        Returns
        -------
        ndarray of float64, shape (n, 2)
            On time and late.

        Raises
        ------
        FeatureError
            If columns are missing or unexpected (F280), or cannot be read (F283, F284).
        """
        margin = self.margin(X)
        late = self.calibrator_.probability(margin)
        return np.column_stack([1.0 - late, late])

    def predict_interval(self, X: Any) -> Floats:
        """Between which bounds the probability of being late lies, by the Venn-Abers method.

        They lie apart where the later part of the training had few rows with such a score. One of the two would be
        calibrated whatever the scores are like, were those to come to be as in that part; they are widened to the
        calibrated probability where that lies outside.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray of float64, shape (n, 2)
            Low and high; 0 and 1 where there was no later part.
        """
        return self.bounded(X)[:, 1:]

    def bounded(self, X: Any) -> Floats:
        """Calibrated probability of being late with its bounds, at the cost of one of them.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray of float64, shape (n, 3)
            As in `predict_proba`, low and high as in `predict_interval`.
        """
        margin = self.margin(X)
        late = self.calibrator_.probability(margin)
        with np.errstate(divide="ignore"):  # 0 and 1 stay what they are
            low, high = (expit(logit(bound) + self.shift_) for bound in self.venn_abers_.interval(margin))
        return np.column_stack([late, np.minimum(low, late), np.maximum(high, late)])

    def recentred(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Move the log-odds so that the mean probability is the share late of a month that has matured.

        When more or fewer people pay late than in the past, all probabilities are off by about the same log-odds. Order
        and reasons stay, but for where reasons start.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)
            The last matured month, as it was before it was due.
        y : array-like, shape (n,)
            Labels as in `fit`; rows without one are left out.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        RiskModel
            Another one; this one does not change. ``training_summary_["recentred"]`` says by how much, and how sure
            that is.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than ten rows (H401) or a single class (H402) have a known outcome.
        DataError
            If the labels are others than in training (D192).
        """
        rows = learnable_rows(X, y, sample_weight=sample_weight)
        if rows.classes.tolist() != self.classes_.tolist():
            raise DataError(
                "the labels are others than in training.",
                code="D192",
                found=f"{rows.classes.tolist()}, trained on {self.classes_.tolist()}",
            )
        p = self.predict_proba(X)[rows.positions, 1]
        shift = calibration_intercept(rows.late, p, sample_weight=rows.weight)
        moved = copy(self)
        moved.calibrator_ = replace(self.calibrator_, intercept=self.calibrator_.intercept + shift)
        moved.calibration_ = replace(self.calibration_, calibrator=moved.calibrator_)
        moved.shift_ = self.shift_ + shift
        moved.training_summary_ = {
            **self.training_summary_,
            "calibration": moved.calibration_.to_dict(),
            "recentred": {
                "rows": len(rows.late), "events": int(rows.late.sum()), "shift": shift,
                "standard_error": float(1 / np.sqrt(rows.weight @ (p * (1 - p)))),
            },
        }  # fmt: skip
        return moved

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Labels: late where that is more likely than not.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray, shape (n,)
        """
        late = self.decision_function(X) > 0
        return np.asarray(self.classes_[late.astype(np.intp)])

    def decision_function(self, X: Any) -> Floats:
        """Calibrated log-odds of being late.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        margin = self.margin(X)
        return self.calibrator_.log_odds(margin)

    @property
    def categories_(self) -> dict[str, tuple[str, ...]]:
        """Categories in the order of their codes."""
        check_is_fitted(self, "booster_")
        return {column.name: column.codes.labels for column in self.columns_ if column.codes}

    def to_files(self) -> dict[str, bytes]:
        """Everything but the catalogue, as data: `booster.ubj` and `model.json`.

        Returns
        -------
        dict of str to bytes
            No pickle, no clock time, no path.
        """
        check_is_fitted(self, "booster_")
        return files.to_files(self)

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
        RiskModel

        Raises
        ------
        BundleError
            If a file is missing, changed or of another format (B52x).
        """
        model = cls(features)
        files.fill(model, content)
        model.features_ = catalogue_of(model)
        return model

    def _judged(
        self, frame: pd.DataFrame, rows: LearnableRows, own: npt.NDArray[np.intp], cut: int
    ) -> tuple[int, CalibrationChoice, VennAbers]:
        """Trees to grow, calibration and bounds, on the later part by a booster that knows rows of the earlier part."""
        later = slice(cut, None)
        late, weight = rows.late[later], rows.weight[later]
        groups = None if rows.groups is None else rows.groups[later]
        margin, trees = np.empty(0), USUAL_TREES if self.n_estimators is None else self.n_estimators
        if len(late):
            columns = learn_columns(frame.iloc[own], rows.late[own], rows.weight[own], self.features_)
            matrix = encode(frame.iloc[later], columns)
            stops = self.n_estimators is None and is_enough(late)
            booster = self._grown(
                encode(frame.iloc[own], columns), rows.late[own], rows.weight[own], columns,
                MOST_TREES if stops else trees, later=(matrix, late, weight) if stops else None,
            )  # fmt: skip
            trees = booster.num_boosted_rounds()
            margin = treeshap.margins(booster, matrix, n_jobs=self.n_jobs)
        choice = choose_calibrator(margin, late, weight, groups, random_state=self.random_state)
        return trees, choice, fit_venn_abers(margin, late, weight)

    def _grown(
        self, matrix: npt.NDArray[np.float32], late: Floats, weight: Floats, columns: tuple[Column, ...], trees: int,
        later: Rows | None = None,
    ) -> xgb.Booster:  # fmt: skip
        chosen = {name: getattr(self, name) for name in BOOSTER_PARAMETERS}
        return train_booster(
            matrix, late, weight, columns, n_estimators=trees, n_jobs=self.n_jobs, seed=self.random_state, later=later,
            **chosen,
        )  # fmt: skip

    def _check_parameters(self) -> None:
        if self.n_estimators is not None and self.n_estimators < 1:
            raise EarlywarnError(
                "n_estimators is the number of trees.", code="E031", found=repr(self.n_estimators),
                hint="choose 1 or more, or leave it out.",
            )  # fmt: skip
        if not 0 <= self.calibration_share <= LARGEST_LATER_SHARE:
            raise EarlywarnError(
                "calibration_share is the share of the latest rows.",
                code="E031",
                found=repr(self.calibration_share),
                hint=f"choose 0 to {LARGEST_LATER_SHARE}.",
            )
