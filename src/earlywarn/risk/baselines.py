"""What anybody could do without a model: one plain figure from the past, turned into a probability.

Each baseline is one feature in the expression language and a logistic regression on it (missing values get a
sign of their own), fitted on the same training rows as the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet

__all__ = ["BASELINES", "BASE_RATE", "baseline_features", "baseline_probability"]

#: Name of the baseline and the figure it reads.
BASELINES = {
    "last invoice late": ("baseline_last_late", "last(maturities.late)"),
    "past late share": ("baseline_late_share", "mean(maturities.late)"),
    "average days beyond terms": ("baseline_days_beyond_terms", "mean(settlements.days_beyond_terms)"),
}
#: The baseline that knows nobody: the share of training rows that were late.
BASE_RATE = "base rate"

Floats = npt.NDArray[np.float64]


def baseline_features() -> FeatureSet:
    """Features that the baselines read.

    Returns
    -------
    FeatureSet

    Examples
    --------
    >>> len(baseline_features())
    3
    """
    from earlywarn.features.catalogue import Feature, FeatureSet

    return FeatureSet(Feature(name, value=value, risk="up") for name, value in BASELINES.values())


def baseline_probability(train: pd.Series[Any], y: pd.Series[Any], test: pd.Series[Any]) -> Floats:
    """Probability of being late from one figure.

    Parameters
    ----------
    train : Series of float, shape (n,)
        NaN where the figure is not known.
    y : Series of 0 and 1, shape (n,)
    test : Series of float, shape (m,)

    Returns
    -------
    ndarray of float64, shape (m,)

    Examples
    --------
    >>> baseline_probability(pd.Series([0.0, 1, 0, 1]), pd.Series([0, 1, 0, 0]), pd.Series([1.0])) > 0.25
    array([ True])
    """
    target = np.asarray(y, dtype=np.int64)
    if train.isna().all() or len(np.unique(target)) < 2:
        return np.full(len(test), target.mean())
    regression = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), LogisticRegression()
    )
    fitted = regression.fit(_column(train), target)
    return np.asarray(fitted.predict_proba(_column(test))[:, 1], dtype=np.float64)


def _column(values: pd.Series[Any]) -> Floats:
    return values.to_numpy(dtype=np.float64).reshape(-1, 1)
