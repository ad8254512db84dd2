"""Calibration: the line is the maximum-likelihood one, and it is only taken when it has earned it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from earlywarn.risk.calibration import Calibrator, choose_calibrator, fit_affine, fit_beta


def drawn(n, seed=0, slope=1.0, intercept=0.0, spread=1.5, shift=-1.5):
    """Margins, and outcomes whose log-odds are a line of them."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(shift, spread, n)
    return margin, (rng.random(n) < expit(slope * margin + intercept)).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.3, -1.0), (2.5, 1.0)])
def test_the_line_is_that_of_an_unpenalised_logistic_regression(slope, intercept):
    margin, late = drawn(3000, slope=slope, intercept=intercept)
    weight = np.random.default_rng(1).integers(1, 4, len(late)).astype(float)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    oracle.fit(margin[:, None], late, sample_weight=weight)
    line = fit_affine(margin, late, weight, prior_rows=0.0)
    np.testing.assert_allclose([line.slope, line.intercept], [oracle.coef_[0, 0], oracle.intercept_[0]], rtol=1e-4)


def test_a_weight_of_two_is_a_row_twice():
    margin, late = drawn(400)
    twice = fit_affine(np.tile(margin, 2), np.tile(late, 2))
    weighted = fit_affine(margin, late, np.full(400, 2.0))
    np.testing.assert_allclose([twice.slope, twice.intercept], [weighted.slope, weighted.intercept], atol=1e-9)


def test_separated_classes_still_give_a_finite_line():
    margin = np.linspace(-3, 3, 200)
    line = fit_affine(margin, (margin > 0).astype(float))
    assert 1 < line.slope < 100
    assert abs(line.intercept) < 1


def test_the_fitted_line_keeps_the_mean_probability_at_the_share_observed():
    margin, late = drawn(3000, slope=0.4, intercept=0.8)
    assert fit_affine(margin, late).probability(margin).mean() == pytest.approx(late.mean(), abs=1e-3)


def test_a_calibrated_score_is_left_as_it_is_nearly_always():
    kept = [choose_calibrator(*drawn(800, seed)).calibrator == Calibrator() for seed in range(60)]
    assert np.mean(kept) > 0.85


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, 0.0), (1.0, 0.7), (2.0, 1.0)])
def test_a_line_that_is_needed_is_taken_and_helps_on_new_rows(slope, intercept):
    choice = choose_calibrator(*drawn(4000, 1, slope, intercept))
    assert choice.gain > choice.standard_error
    assert choice.calibrator.slope == pytest.approx(slope, rel=0.15)
    margin, late = drawn(4000, 2, slope, intercept)
    assert log_loss(late, choice.calibrator.probability(margin)) < log_loss(late, expit(margin))
    assert choice.mean_p == pytest.approx(choice.base_rate, abs=2e-3)


def test_one_large_customer_cannot_decide_alone():
    """All the gain sits in one customer: by row it is certain, by customer it is one observation."""
    margin, late = drawn(3000, 3)
    own, own_late = drawn(1500, 4, intercept=1.5)
    margin, late = np.append(margin, own), np.append(late, own_late)
    customers = np.append(np.arange(3000), np.full(1500, 3000))
    order = np.random.default_rng(0).permutation(len(late))
    by_row = choose_calibrator(margin[order], late[order])
    by_customer = choose_calibrator(margin[order], late[order], groups=customers[order])
    assert by_row.calibrator != Calibrator()
    assert by_customer.calibrator == Calibrator()
    assert by_customer.standard_error > by_row.standard_error


def test_the_chosen_slope_is_always_above_zero():
    margin, late = drawn(2000, 5, slope=-0.8, intercept=-1.0)
    choice = choose_calibrator(margin, late)
    assert choice.calibrator == Calibrator()
    assert "not calibrated" in choice.notice


@pytest.mark.parametrize(("rows", "events"), [(49, 20), (200, 9), (200, 200), (200, 191), (0, 0)])
def test_too_few_rows_or_events_leave_the_score_as_it_is_and_say_so(rows, events):
    late = np.zeros(rows)
    late[:events] = 1
    choice = choose_calibrator(np.zeros(rows), late)
    assert choice.calibrator == Calibrator()
    assert f"{rows} rows, {events} of them late" in choice.notice


def test_a_mean_probability_far_from_the_share_observed_is_told():
    margin, late = drawn(2000, 5, slope=-0.8, intercept=-1.0)
    off = choose_calibrator(margin, late)
    assert abs(off.mean_p - off.base_rate) > 0.05
    assert "standard errors apart" in off.notice
    assert "standard errors apart" not in choose_calibrator(*drawn(2000, 5)).notice


def test_the_same_seed_gives_the_same_choice():
    margin, late = drawn(1000, 7, slope=0.8)
    customers = np.arange(1000) // 4
    first, again = (choose_calibrator(margin, late, groups=customers, random_state=3) for _ in range(2))
    assert first == again
    assert all(item is None or item == item for item in first.to_dict().values())


@pytest.mark.parametrize(("a", "b", "c"), [(1.0, 1.0, 0.0), (0.5, 1.5, -0.3), (2.0, 0.0, 1.0)])
def test_beta_calibration_is_that_of_the_betacal_package(a, b, c):
    """Without a pull to no change; theirs drops a negative side in the same way."""
    betacal = pytest.importorskip("betacal")
    rng = np.random.default_rng(8)
    p = rng.uniform(0.02, 0.98, 30_000)
    late = (rng.random(30_000) < expit(a * np.log(p) - b * np.log1p(-p) + c)).astype(float)
    found = fit_beta(logit(p), late)
    theirs = betacal.BetaCalibration(parameters="abm").fit(p, late)
    np.testing.assert_allclose(found, (a, b, c), atol=0.2)
    moved = found[0] * np.log(p) - found[1] * np.log1p(-p) + found[2]
    np.testing.assert_allclose(expit(moved), theirs.predict(p), atol=2e-3)


def test_beta_is_measured_beside_the_line_and_never_used():
    rng = np.random.default_rng(9)
    p = rng.uniform(0.02, 0.98, 20_000)
    late = (rng.random(20_000) < expit(0.2 * np.log(p) - 2.0 * np.log1p(-p))).astype(float)
    choice = choose_calibrator(logit(p), late)
    assert choice.beta_gain > choice.gain + choice.beta_standard_error > 0
    assert choice.to_dict()["beta_gain"] == choice.beta_gain
    few = choose_calibrator(logit(p[:20]), late[:20])
    assert few.to_dict()["beta_gain"] is None
