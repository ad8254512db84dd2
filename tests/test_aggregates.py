"""Aggregates against pandas, numpy, scipy and exact arithmetic."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from fractions import Fraction
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from earlywarn.errors import FeatureError
from earlywarn.features.aggregates import AGGREGATES, Segments, aggregate, apply, user_aggregates
from earlywarn.features.expression import parse
from oracle_features import drift as drift_by_hand

CENTS = st.integers(-(10**6), 10**6).map(lambda cents: cents / 100)
LARGE = st.integers(0, 10**5).map(lambda cents: 1e12 + cents / 64)
VALUE = st.one_of(CENTS, st.sampled_from([0.0, 1.0, 1.0, -2.5]))


@st.composite
def windows(
    draw: st.DrawFn, value: st.SearchStrategy[float] = VALUE, most: int = 14
) -> tuple[Segments, list[np.ndarray], list[np.ndarray]]:
    """Several windows behind each other, oldest fact first, empty ones among them; and each by itself."""
    values, ages = [], []
    for size in draw(st.lists(st.integers(0, most), min_size=1, max_size=4)):
        values.append(np.array(draw(st.lists(value, min_size=size, max_size=size)), dtype=np.float64))
        day = draw(st.lists(st.integers(0, 400), min_size=size, max_size=size))
        hour = draw(st.sampled_from([0.0, 0.1, 1 / 3]))
        ages.append(np.array(sorted(day, reverse=True), dtype=np.float64) + hour)
    whose = np.repeat(np.arange(len(values)), [len(part) for part in values])
    return Segments(np.concatenate(values), whose, np.concatenate(ages), len(values)), values, ages


def check(found: np.ndarray, wanted: list[float], **tolerance: float) -> None:
    np.testing.assert_allclose(
        found, np.array(wanted, dtype=np.float64), equal_nan=True, **{"rtol": 1e-9, "atol": 1e-9, **tolerance}
    )


ORACLES: dict[str, tuple[dict[str, float], Callable[[np.ndarray], float]]] = {
    "count": ({}, lambda x: float(len(x))),
    "sum": ({}, lambda x: math.fsum(x)),
    "mean": ({}, lambda x: float(np.mean(x)) if len(x) else math.nan),
    "share": ({}, lambda x: float(np.mean(x)) if len(x) else math.nan),
    "std": ({}, lambda x: float(pd.Series(x).std(ddof=1))),
    "min": ({}, lambda x: float(np.min(x)) if len(x) else math.nan),
    "max": ({}, lambda x: float(np.max(x)) if len(x) else math.nan),
    "median": ({}, lambda x: float(np.median(x)) if len(x) else math.nan),
    "quantile": ({"q": 0.3}, lambda x: float(np.quantile(x, 0.3)) if len(x) else math.nan),
    "mad": ({}, lambda x: float(stats.median_abs_deviation(x)) if len(x) else math.nan),
    "first": ({}, lambda x: float(x[0]) if len(x) else math.nan),
    "last": ({}, lambda x: float(x[-1]) if len(x) else math.nan),
    "ewma": (
        {"alpha": 0.3},
        lambda x: float(pd.Series(x).ewm(alpha=0.3, adjust=False).mean().iloc[-1]) if len(x) else math.nan,
    ),
    "drift": ({"scale": 7.0, "alpha": 0.3}, lambda x: drift_by_hand(list(x), 7.0)),
    "distinct": ({}, lambda x: float(pd.Series(x).nunique())),
    "streak": ({}, lambda x: float(len(list(takewhile(bool, x[::-1])))) if len(x) else math.nan),
}


def test_every_aggregate_of_the_language_has_an_oracle_here() -> None:
    assert set(ORACLES) | {"slope", "days_since", "days_until"} == set(AGGREGATES)


@pytest.mark.parametrize("name", ORACLES)
@given(drawn=windows())
@settings(max_examples=40)
def test_aggregates_are_those_of_the_peer_libraries(name: str, drawn: Any) -> None:
    seen, values, _ = drawn
    parameters, oracle = ORACLES[name]
    check(apply(name, seen, parameters), [oracle(part) for part in values])


@given(drawn=windows())
@settings(max_examples=60)
def test_slope_is_that_of_scipy_and_missing_when_all_facts_fall_on_one_moment(drawn: Any) -> None:
    seen, values, ages = drawn
    wanted = []
    for x, age in zip(values, ages, strict=True):
        flat = len(np.unique(age)) < 2
        wanted.append(math.nan if flat else float(stats.linregress(-age, x).slope))
    check(apply("slope", seen, {}), wanted, rtol=1e-7, atol=1e-6)


@given(drawn=windows())
def test_days_since_and_until_count_to_the_nearest_fact(drawn: Any) -> None:
    seen, _, ages = drawn
    check(apply("days_since", seen, {}), [float(age[-1]) if len(age) else math.nan for age in ages])
    ahead = [[-day for day in age if day <= 0] for age in ages]
    check(apply("days_until", seen, {}), [min(days) if days else math.nan for days in ahead])
    turned = Segments(seen.values, seen.observation, -seen.days, seen.count)
    check(apply("days_until", turned, {}), [float(age.min()) if len(age) else math.nan for age in ages])


@given(drawn=windows(LARGE, most=6))
@settings(max_examples=60)
def test_large_amounts_keep_their_digits(drawn: Any) -> None:
    """Mean, spread and slope of 1e12 plus cents, against exact fractions."""
    seen, values, _ = drawn
    exact = [[Fraction(float(x)) for x in part] for part in values]
    means = [sum(part, Fraction(0)) / len(part) if part else None for part in exact]
    check(apply("mean", seen, {}), [math.nan if mean is None else float(mean) for mean in means], rtol=4e-16, atol=0)
    check(apply("sum", seen, {}), [float(sum(part, Fraction(0))) for part in exact], rtol=1e-15, atol=0)
    spread = [
        math.nan if mean is None or len(part) < 2 else math.sqrt(sum((x - mean) ** 2 for x in part) / (len(part) - 1))
        for part, mean in zip(exact, means, strict=True)
    ]
    check(apply("std", seen, {}), spread, rtol=1e-6, atol=3e-4)


@given(drawn=windows(), q=st.floats(0, 1))
def test_quantiles_lie_between_the_extremes_and_rise_with_q(drawn: Any, q: float) -> None:
    seen, values, _ = drawn
    found = apply("quantile", seen, {"q": q})
    check(found, [float(np.quantile(part, q)) if len(part) else math.nan for part in values])


def test_nothing_at_all_gives_no_warning() -> None:
    none = Segments(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0), 0)
    empty = Segments(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, (parameters, _) in {
            **ORACLES,
            "slope": ({}, None),
            "days_since": ({}, None),
            "days_until": ({}, None),
        }.items():
            assert len(apply(name, none, parameters)) == 0
            found = apply(name, empty, parameters)
            assert found.tolist() == [0.0, 0.0] if name in ("count", "sum", "distinct") else np.isnan(found).all()


def test_drift_needs_ten_facts_and_clips_at_three() -> None:
    def of(*values: float) -> float:
        seen = Segments(np.array(values), np.zeros(len(values), dtype=np.int64), np.zeros(len(values)), 1)
        return float(apply("drift", seen, {"scale": 1.0, "alpha": 0.3})[0])

    assert math.isnan(of(*[0.0] * 9))
    assert of(*[0.0] * 10) == 0.0
    assert of(*[0.0] * 4, *[1e9] * 6) == pytest.approx(3.0)


@pytest.fixture
def own_aggregates(monkeypatch: pytest.MonkeyPatch) -> None:
    from earlywarn.features import own

    for name in list(own.OWN):
        monkeypatch.delitem(own.OWN, name)


@pytest.mark.usefixtures("own_aggregates")
def test_an_aggregate_of_ones_own_is_used_like_the_others() -> None:
    @aggregate
    def spread_of_values(values: np.ndarray) -> float:
        return float(values.max() - values.min())

    assert user_aggregates() == ("spread_of_values",)
    assert parse("spread_of_values(payments.amount, days=9)").aggregates[0].function == "spread_of_values"
    seen = Segments(np.array([1.0, 5.0]), np.array([1, 1]), np.zeros(2), 3)
    check(apply("spread_of_values", seen, {}), [math.nan, 4.0, math.nan])


@pytest.mark.usefixtures("own_aggregates")
@pytest.mark.parametrize("name", ["mean", "ahead", "log", "where", "coalesce", "<lambda>"])
def test_a_word_of_the_language_cannot_be_taken(name: str) -> None:
    def function(values: np.ndarray) -> float:
        return 0.0

    function.__name__ = name
    with pytest.raises(FeatureError, match="F218"):
        aggregate(function)
