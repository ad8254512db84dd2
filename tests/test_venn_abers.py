"""The Venn-Abers interval is what two isotonic regressions say, and what the venn-abers package says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from earlywarn.risk.venn_abers import VennAbers, fit_venn_abers

rows = st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.sampled_from([0.25, 0.5, 1.0, 2.0])), max_size=30)


def by_isotonic_regression(score: Any, late: Any, weight: Any, new: float) -> list[float]:
    """The new score once on time, once late, fitted with all others."""
    found = []
    for label in (0.0, 1.0):
        fitted = IsotonicRegression().fit(
            np.append(score, new), np.append(late, label), sample_weight=np.append(weight, 1.0)
        )
        found.append(float(fitted.predict([new])[0]))
    return found


@given(rows, st.lists(st.integers(-1, 27), min_size=1, max_size=6))
def test_bounds_are_what_two_isotonic_regressions_say(known: list[tuple[int, bool, float]], asked: list[int]) -> None:
    """Scores at, between, below and above those that are known; weights that are no whole numbers."""
    score, late, weight = (np.array([row[at] for row in known], dtype=float) for at in range(3))
    new = np.array(asked) / 2
    low, high = fit_venn_abers(score, late, weight).interval(new)
    wanted = np.array([by_isotonic_regression(score, late, weight, value) for value in new])
    np.testing.assert_allclose(np.column_stack([low, high]), wanted, atol=1e-12)


@pytest.mark.parametrize("digits", [16, 2])
def test_bounds_equal_the_venn_abers_package(digits: int) -> None:
    package = pytest.importorskip("venn_abers", reason="the reference is not installed")
    rng = np.random.default_rng(0)
    p, new = (expit(rng.normal(-1.5, 1.2, size)).round(digits) for size in (3000, 2000))
    late = (rng.random(3000) < p**1.3).astype(float)
    theirs = package.VennAbers()
    theirs.fit(np.column_stack([1 - p, p]), late)
    _, wanted = theirs.predict_proba(np.column_stack([1 - new, new]))
    low, high = fit_venn_abers(p, late).interval(new)
    np.testing.assert_allclose(np.column_stack([low, high]), wanted, rtol=0, atol=4e-16)


@given(rows)
def test_bounds_rise_with_the_score_and_keep_their_order(known: list[tuple[int, bool, float]]) -> None:
    score, late, weight = (np.array([row[at] for row in known], dtype=float) for at in range(3))
    steps = fit_venn_abers(score, late, weight)
    assert (steps.low <= steps.high).all()
    assert (np.diff(steps.low) >= 0).all()
    assert (np.diff(steps.high) >= 0).all()
    assert (np.diff(steps.starts) > 0).all()


def test_more_rows_bring_the_bounds_together() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for size in (100, 1000, 10_000):
        score = rng.normal(size=size)
        low, high = fit_venn_abers(score, (rng.random(size) < expit(score)).astype(float)).interval(np.zeros(1))
        widths.append(float((high - low)[0]))
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_without_a_row_nothing_is_known() -> None:
    low, high = fit_venn_abers(np.empty(0), np.empty(0)).interval(np.zeros(1))
    assert (low.tolist(), high.tolist()) == ([0.0], [1.0])


def test_the_steps_survive_json_to_the_bit() -> None:
    rng = np.random.default_rng(2)
    steps = fit_venn_abers(rng.normal(size=200), rng.integers(0, 2, 200).astype(float))
    back = VennAbers.from_dict(json.loads(json.dumps(steps.to_dict())))
    for name in ("starts", "low", "high"):
        assert getattr(back, name).tobytes() == getattr(steps, name).tobytes()
