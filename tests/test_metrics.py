"""Metrics: equal to scikit-learn where it has them, to a count by hand where it has not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import ks_2samp
from sklearn import metrics as sklearn_metrics

from earlywarn.risk.metrics import (
    auc,
    bootstrap_by_group,
    calibration_intercept,
    calibration_slope,
    capture_at,
    ici,
    ks,
    lift_at,
    log_loss,
    measures,
)


@st.composite
def scored(draw, weights=False):
    """Outcomes of both classes with scores that tie, and whole weights."""
    n = draw(st.integers(2, 40))
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    score = np.array(draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))) / 7 + 0.05
    weight = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), dtype=float)
    assume(len(np.unique(y)) == 2)
    if weights:
        assume(len(np.unique(y[weight > 0])) == 2)
    return y, score, weight


@given(scored())
def test_auc_is_scikit_learns(rows):
    y, score, _ = rows
    assert auc(y, score) == pytest.approx(sklearn_metrics.roc_auc_score(y, score))


@given(scored(weights=True))
def test_a_weight_is_a_row_repeated(rows):
    y, score, weight = rows
    again = weight.astype(int)
    for metric in (auc, log_loss, ks, calibration_intercept, lambda *a, **k: capture_at(*a, 0.3, **k)):
        weighted = metric(y, score, sample_weight=weight)
        repeated = metric(np.repeat(y, again), np.repeat(score, again))
        assert weighted == pytest.approx(repeated, nan_ok=True, abs=1e-9)


@given(scored())
def test_ks_is_that_of_the_two_sample_test(rows):
    y, score, _ = rows
    oracle = ks_2samp(score[y == 1], score[y == 0], alternative="less", method="asymp").statistic
    assert ks(y, score) == pytest.approx(max(oracle, 0.0))


@given(scored(), st.floats(0.02, 1))
def test_capture_is_the_mean_over_every_order_of_ties(rows, share):
    """Drawing the ties at random many times is the oracle; its mean is what proportion means."""
    y, score, _ = rows
    n, rng = len(y), np.random.default_rng(0)
    reach = max(1, int(share * n))
    caught = []
    for _ in range(400):
        order = np.lexsort((rng.random(n), -score))
        caught.append(y[order[:reach]].sum() / y.sum())
    spread = np.std(caught) / 20
    assert capture_at(y, score, reach / n) == pytest.approx(np.mean(caught), abs=5 * spread + 1e-9)


def test_capture_and_lift_by_hand():
    y, score = [1, 0, 0, 1, 0], [0.9, 0.5, 0.5, 0.5, 0.1]
    assert capture_at(y, score, 0.2) == 0.5
    assert capture_at(y, score, 0.4) == pytest.approx(0.5 + 0.5 / 3)
    assert lift_at(y, score, 0.2) == 2.5
    assert capture_at(y, score, 1.0) == 1.0


def test_calibration_figures_are_those_the_data_were_drawn_with():
    rng = np.random.default_rng(0)
    margin = rng.normal(-1, 1.5, 200_000)
    p = expit(margin)
    too_extreme = (rng.random(len(p)) < expit(0.5 * margin)).astype(int)
    assert calibration_slope(too_extreme, p) == pytest.approx(0.5, abs=0.01)
    too_low = (rng.random(len(p)) < expit(margin + 0.4)).astype(int)
    assert calibration_intercept(too_low, p) == pytest.approx(0.4, abs=0.02)


def test_the_intercept_makes_the_mean_probability_the_share_observed():
    rng = np.random.default_rng(1)
    p, y = rng.random(500), rng.integers(0, 2, 500)
    shift = calibration_intercept(y, p)
    assert expit(np.log(p / (1 - p)) + shift).mean() == pytest.approx(y.mean(), abs=1e-9)


def test_measures_without_an_answer_are_nan_and_not_an_error():
    found = measures([0, 0, 0], [0.1, 0.2, 0.3])
    unanswered = {name for name, value in found.items() if np.isnan(value)}
    assert unanswered == {"auc", "gini", "ap", "ks", "capture", "lift", "calibration_intercept", "calibration_slope"}
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.9, 0.8, 0.7])))


def test_measures_are_those_of_scikit_learn_where_it_has_them():
    rng = np.random.default_rng(2)
    p, y = rng.random(300), rng.integers(0, 2, 300)
    found = measures(y, p)
    assert found["ap"] == pytest.approx(sklearn_metrics.average_precision_score(y, p))
    assert found["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(y, p))
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, p))


def test_the_bootstrap_error_of_a_mean_is_the_textbook_one():
    """For a mean over customers of one row each the standard error is known: sd / sqrt(n)."""
    rng = np.random.default_rng(0)
    first, second = rng.random(400), rng.random(400)

    def mean(y, score, sample_weight=None):
        return float(np.average(score, weights=sample_weight))

    found = bootstrap_by_group(np.zeros(400), first, second, np.arange(400), metric=mean, repeats=2000)
    assert found.value == pytest.approx(np.mean(first - second))
    assert found.standard_error == pytest.approx(np.std(first - second, ddof=1) / 20, rel=0.06)
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.standard_error, rel=0.08)


def test_rows_of_one_customer_are_drawn_together():
    """Every row ten times, for the same customer, must not look like ten times the evidence."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    first, second, customer = y + rng.normal(size=200), rng.normal(size=200), np.arange(200)
    once = bootstrap_by_group(y, first, second, customer, repeats=400)
    tenfold = bootstrap_by_group(*(np.repeat(item, 10) for item in (y, first, second, customer)), repeats=400)
    assert tenfold.standard_error == pytest.approx(once.standard_error, rel=1e-9)


def test_the_same_score_twice_differs_by_exactly_nothing():
    y, score = np.tile([0, 1], 30), np.random.default_rng(0).random(60)
    found = bootstrap_by_group(y, score, score, np.arange(60) // 3, repeats=50)
    assert (found.value, found.low, found.high, found.share_above_zero) == (0.0, 0.0, 0.0, 0.0)


# -- against statsmodels, which shares no code with ours ----------------------------------------------------


@pytest.fixture(scope="module")
def forecast():
    """Outcomes of 3,000 rows, and probabilities that are too timid, rounded so that many tie."""
    rng = np.random.default_rng(3)
    truth = rng.beta(1, 5, 3000)
    return (rng.random(3000) < truth).astype(float), np.clip((0.05 + 0.6 * truth).round(3), 0.001, 0.999)


def test_intercept_and_slope_are_those_of_a_logistic_regression(forecast):
    models = pytest.importorskip("statsmodels.api", reason="the reference is not installed")
    y, p = forecast
    margin = np.log(p / (1 - p))
    binomial = models.families.Binomial()
    shift = models.GLM(y, np.ones((len(y), 1)), family=binomial, offset=margin).fit(tol=1e-12)
    line = models.GLM(y, models.add_constant(margin), family=binomial).fit(tol=1e-12)
    assert calibration_intercept(y, p) == pytest.approx(shift.params[0], abs=1e-8)
    assert calibration_slope(y, p) == pytest.approx(line.params[1], abs=1e-8)


def test_the_calibration_index_is_the_distance_to_the_lowess_curve(forecast):
    """At every row where there are few; read off between 200 places where there are many."""
    smoothers = pytest.importorskip(
        "statsmodels.nonparametric.smoothers_lowess", reason="the reference is not installed"
    )
    y, p = forecast
    for rows, within in ((150, 1e-9), (3000, 2e-4)):
        curve = smoothers.lowess(y[:rows], p[:rows], frac=0.75, it=0, delta=0, return_sorted=False)
        assert ici(y[:rows], p[:rows]) == pytest.approx(np.abs(p[:rows] - curve).mean(), abs=within)


def test_the_calibration_index_is_small_for_the_truth_and_the_distance_for_a_shift():
    rng = np.random.default_rng(4)
    p = rng.uniform(0.1, 0.8, 20_000)
    y = (rng.random(20_000) < p).astype(float)
    assert ici(y, p) < 0.01
    assert ici(p, p) == pytest.approx(0, abs=1e-9)
    assert ici(p + 0.1, p) == pytest.approx(0.1, abs=1e-9)
    assert np.isnan(ici([], []))
    assert ici([1.0], [0.25]) == 0.75
