"""RiskModel is a scikit-learn estimator: it meets every check that scikit-learn has, but for one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from earlywarn.risk.model import RiskModel

FAST = {"n_estimators": 30}

#: Where the contract differs from scikit-learn's, and why.
EXPECTED_FAILED = {
    "check_sample_weight_equivalence_on_dense_data": (
        "the rows that are left have fewer than ten, and trees are grown on random parts of the rows; "
        "test_risk_model.py holds what is exact: weight 0 is an absent row"
    ),
}


@parametrize_with_checks([RiskModel(**FAST)], expected_failed_checks=lambda _: EXPECTED_FAILED)
def test_scikit_learns_own_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn about what they try
        check(estimator)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return X, (X[:, 0] + rng.normal(size=300) > 0.5).astype(int)


def test_it_works_in_a_pipeline_and_under_cross_validation(rows):
    X, y = rows
    pipeline = make_pipeline(FunctionTransformer(), RiskModel(**FAST))
    p = cross_val_predict(pipeline, X, y, method="predict_proba", cv=3)[:, 1]
    assert p[y == 1].mean() > p[y == 0].mean() + 0.1


def test_its_parameters_can_be_searched(rows):
    X, y = rows
    search = GridSearchCV(RiskModel(**FAST), {"max_depth": [1, 3]}, cv=TimeSeriesSplit(3), scoring="neg_log_loss")
    assert search.fit(X, y).best_params_["max_depth"] in (1, 3)


def test_a_clone_is_unfitted_and_equal():
    model = RiskModel(random_state=3, max_depth=2)
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "booster_")


def test_moments_and_customers_can_be_routed_through_a_pipeline(rows):
    X, y = rows
    with config_context(enable_metadata_routing=True):
        model = RiskModel(**FAST).set_fit_request(as_of=True, groups=True)
        pipeline = make_pipeline(FunctionTransformer(), model)
        fitted = pipeline.fit(X, y, as_of=np.arange(300), groups=np.arange(300) // 3)[-1]
    assert fitted.training_summary_["customers"] == 100
    assert fitted.training_summary_["later"]["last_as_of"] == 299
