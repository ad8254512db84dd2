"""What every risk model does the same way: rows in order of time, calibration on the later part, probabilities.

A model says how it learns (`_learn_earlier`, `_learn`) and what margin and contributions are; all else is here.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
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
from earlywarn.risk import files, summary
from earlywarn.risk.calibration import CalibrationChoice, choose_calibrator
from earlywarn.risk.columns import catalogue_of, read_frame
from earlywarn.risk.explained import Explained
from earlywarn.risk.metrics import calibration_intercept
from earlywarn.risk.rows import (
    LARGEST_LATER_SHARE,
    LearnableRows,
    contact_notice,
    held_out,
    judged_from,
    later_from,
    learnable_rows,
    matured_before,
    overlap_notice,
)
from earlywarn.risk.venn_abers import VennAbers, fit_venn_abers

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.features.catalogue import FeatureSet

__all__ = ["CalibratedModel"]

Floats = npt.NDArray[np.float64]


class CalibratedModel(Explained, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn classifier that is calibrated on later time and explains itself; what it learns is its own."""

    random_state: int
    calibration_share: float
    calibration_: CalibrationChoice
    venn_abers_: VennAbers
    shift_: float
    training_summary_: dict[str, Any]
    classes_: npt.NDArray[Any]
    notices_: tuple[str, ...]

    @abstractmethod
    def _learn_earlier(
        self, frame: pd.DataFrame, rows: LearnableRows, own: npt.NDArray[np.intp], judged: npt.NDArray[np.intp]
    ) -> Floats:
        """Learn from earlier rows, choose sizes, and give the margins of the rows that judge."""

    @abstractmethod
    def _learn(self, frame: pd.DataFrame, rows: LearnableRows) -> None:
        """Learn from all rows, with the sizes that were chosen."""

    @abstractmethod
    def _size(self) -> dict[str, int]:
        """How large the model became, for the training summary."""

    @abstractmethod
    def _restore(self, stored: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
        """Take from a bundle what only this kind of model has."""

    @abstractmethod
    def to_files(self) -> dict[str, bytes]:
        """Everything but the catalogue, as data.

        Returns
        -------
        dict of str to bytes
            No pickle, no clock time, no path.
        """

    @abstractmethod
    def _tells_apart(self) -> bool:
        """Whether any two rows can have different margins."""

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
        treated: Any = None,
        holdout: Any = None,
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
        treated : array-like of bool, shape (n,), optional
            Whether the debtor was contacted between the observation and the outcome, as `Outcome.treated` says. It is
            learned what that goes with, and every probability is that without a contact. Size and calibration are
            judged on rows that were not contacted.
        holdout : array-like of bool, shape (n,), optional
            Rows of debtors who were left alone by lot: where they are enough, they alone calibrate.

        Returns
        -------
        Self

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
        rows = learnable_rows(
            X, y, as_of, groups, sample_weight, matures_at=matures_at, until=until, treated=treated, holdout=holdout
        )
        frame = frame.iloc[rows.positions]
        cut = later_from(rows, self.calibration_share)
        own, judged = matured_before(rows, cut), judged_from(rows, cut)
        self.classes_ = rows.classes
        margin = self._learn_earlier(frame, rows, own, judged)
        sure = held_out(rows, judged)
        margin, own_part = margin[sure], judged[sure]
        late, weight = rows.late[own_part], rows.weight[own_part]
        customers = None if rows.groups is None else rows.groups[own_part]
        self.calibration_ = choose_calibrator(margin, late, weight, customers, random_state=self.random_state)
        self.venn_abers_ = fit_venn_abers(margin, late, weight)
        self.calibrator_ = self.calibration_.calibrator
        self.shift_ = 0.0
        self._learn(frame, rows)
        self.training_summary_ = summary.training_summary(
            rows, own, judged, self.calibration_, {"columns": len(self.columns_), **self._size()}
        )
        self._tell(
            *rows.notices, self.calibration_.notice, overlap_notice(rows, own, cut), contact_notice(rows, judged)
        )
        return self

    def _tell(self, *said: str) -> None:
        """Keep what must be known of the training, and log it."""
        if not self._tells_apart():
            share = self.training_summary_["base_rate"]
            said = (*said, f"too few rows to tell anybody apart: every probability is the share late, {share:.3f}.")
        self.notices_ = tuple(notice for notice in said if notice)
        for notice in self.notices_:
            logging.getLogger("earlywarn").warning("%s.fit: %s", type(self).__name__, notice)

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

    def recentred(self, X: Any, y: Any, sample_weight: Any = None, *, treated: Any = None) -> Self:
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
        treated : array-like of bool, shape (n,), optional
            Rows that were contacted before their outcome are left out.

        Returns
        -------
        Self
            Another one; this one does not change. ``training_summary_["recentred"]`` says by how much, and how sure
            that is.

        Raises
        ------
        NotEnoughHistoryError
            If fewer than ten rows (H401) or a single class (H402) have a known outcome.
        DataError
            If the labels are others than in training (D192).
        """
        rows = learnable_rows(X, y, sample_weight=_of_untreated(sample_weight, treated))
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
        check_is_fitted(self, "columns_")
        return {column.name: column.codes.labels for column in self.columns_ if column.codes}

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
        Self

        Raises
        ------
        BundleError
            If a file is missing, changed or of another format (B52x).
        """
        model = cls(features)
        files.fill(model, content)
        model.features_ = catalogue_of(model)
        return model

    def _check_parameters(self) -> None:
        if not 0 <= self.calibration_share <= LARGEST_LATER_SHARE:
            raise EarlywarnError(
                "calibration_share is the share of the latest rows.",
                code="E031",
                found=repr(self.calibration_share),
                hint=f"choose 0 to {LARGEST_LATER_SHARE}.",
            )


def _of_untreated(sample_weight: Any, treated: Any) -> Any:
    """Weights in which rows that were contacted count nothing."""
    if treated is None:
        return sample_weight
    left = ~np.asarray(treated, dtype=bool)
    return left * (1.0 if sample_weight is None else np.asarray(sample_weight, dtype=np.float64))
