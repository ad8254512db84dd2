"""The part of a risk model that says what it found: margins, SHAP values, reasons in words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from earlywarn.extras import require
from earlywarn.reasons.codes import reason_table
from earlywarn.risk.calibration import Calibrator
from earlywarn.risk.columns import Column, encode, read_frame

if TYPE_CHECKING:
    import shap

    from earlywarn.features.catalogue import FeatureSet

__all__ = ["Explained"]

Floats = npt.NDArray[np.float64]


class Explained(ABC):
    """What a trained model with a calibrator and a catalogue says about rows, and why."""

    calibrator_: Calibrator
    columns_: tuple[Column, ...]
    expected_value_: float
    features_: FeatureSet | None
    n_jobs: int | None

    @abstractmethod
    def _margins(self, matrix: npt.NDArray[np.float32]) -> Floats:
        """Log-odds of the rows of a matrix."""

    @abstractmethod
    def _contributions(self, matrix: npt.NDArray[np.float32], margin: Floats | None = None) -> Floats:
        """Shares of the columns in the log-odds; with `expected_value_` exactly the margins that are handed over."""

    def margin(self, X: Any) -> Floats:
        """Log-odds before calibration.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        return self._margins(self.matrix(X))

    def matrix(self, X: Any) -> npt.NDArray[np.float32]:
        """Columns as the model sees them: categories as ordered codes, NaN where missing.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray of float32, shape (n, k)
        """
        frame = self._frame(X)
        return encode(frame, self.columns_)

    def shap_values(self, X: Any) -> Floats:
        """Exact SHAP values in log-odds before calibration.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray of float64, shape (n, k)
            Per row they and `expected_value_` add up to `margin`, but for float32 rounding (1e-5).

        Raises
        ------
        EarlywarnError
            If they do not add up (E030).
        """
        return self._contributions(self.matrix(X))

    def explain(self, X: Any) -> shap.Explanation:
        """SHAP values as an object that every plot of shap takes.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        shap.Explanation
            `values` as `shap_values`, `base_values`, `data` as `matrix`, `display_data` as X.
        """
        explanation = require("shap", to="build a shap.Explanation").Explanation
        frame = self._frame(X)
        matrix = encode(frame, self.columns_)
        return explanation(
            values=self._contributions(matrix),
            base_values=np.full(len(matrix), self.expected_value_),
            data=matrix.astype(np.float64),
            display_data=frame.to_numpy(dtype=object),
            feature_names=[column.name for column in self.columns_],
        )

    def reason_codes(
        self, X: Any, top: int | None = 3, language: str = "en", currency: str = "EUR", *, points: bool = False
    ) -> pd.DataFrame:
        """Why each row is at risk: families in order, with a sentence each.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)
        top : int or None
            At most so many families, only those that raise the risk. None lists every family, also those
            that lower it: then `base_log_odds_` and the contributions add up to the log-odds of p_late.
        language : str
            "en", "nl", "fr", or with a territory: "nl-BE".
        currency : str
            ISO 4217 code of amounts in texts.
        points : bool
            Add a column ``points``: each contribution as points of probability, in proportion, so that those of
            ``top=None`` add up to p_late less the probability at `base_log_odds_`.

        Returns
        -------
        DataFrame
            observation (index of X), rank, family, feature, contribution (log-odds, calibrated), text.
            `attrs["base_log_odds"]` holds `base_log_odds_`.
        """
        frame = self._frame(X)
        matrix = encode(frame, self.columns_)
        values = self._contributions(matrix, self._margins(matrix))
        table = reason_table(
            self.calibrator_.slope * values,
            frame,
            self.features_,
            top=top,
            language=language,
            currency=currency,
            base=self.base_log_odds_ if points else None,
        )
        table.attrs["base_log_odds"] = self.base_log_odds_
        return table

    @property
    def base_log_odds_(self) -> float:
        """Calibrated log-odds where reason codes start."""
        check_is_fitted(self, "columns_")
        return self.calibrator_.slope * self.expected_value_ + self.calibrator_.intercept

    def _frame(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self, "columns_")
        return read_frame(self, X, fitting=False)
