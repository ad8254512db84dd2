"""Base rates: the closed form of a beta-binomial model, its likelihood, and intervals that hold the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from earlywarn.errors import DataError, NotEnoughHistoryError
from earlywarn.risk.base_rates import EVERYBODY, BaseRates


def rows(counts: dict[str, tuple[int, int]]) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """A row for each obligation of groups: how many there are, and how many of them were late."""
    label = np.repeat(list(counts), [n for n, _ in counts.values()])
    late = np.concatenate([np.arange(n) < s for n, s in counts.values()]).astype(int)
    return pd.DataFrame({"segment": label}), late


COUNTS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    min_size=2,
)


@given(counts=COUNTS)
def test_a_rate_is_that_of_the_closed_form_and_lies_between_its_own_and_the_one_above(
    counts: dict[str, tuple[int, int]],
) -> None:
    groups, late = rows(counts)
    rates = BaseRates.fit(groups, late)
    total, bad = len(late), late.sum()
    above = (bad + 0.5) / (total + 1)
    kappa = rates.strength[0]
    for name, (n, s) in counts.items():
        found = rates.predict(pd.DataFrame({"segment": [name]})).iloc[0]
        assert found["rate"] == pytest.approx((s + kappa * above) / (n + kappa), rel=1e-9)
        assert min(s / n, above) - 1e-12 <= found["rate"] <= max(s / n, above) + 1e-12
        assert found["low"] <= found["rate"] <= found["high"]


def test_the_strength_is_where_the_likelihood_of_scipy_is_largest() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(20, 300, 40)
    s = rng.binomial(n, rng.beta(3, 27, 40))
    groups, late = rows({f"g{at}": (int(a), int(b)) for at, (a, b) in enumerate(zip(n, s, strict=True))})
    rates = BaseRates.fit(groups, late)
    mean = (late.sum() + 0.5) / (len(late) + 1)

    def likelihood(kappa: float) -> float:
        return float(betabinom.logpmf(s, n, kappa * mean, kappa * (1 - mean)).sum())

    best = max(np.geomspace(1, 1000, 400).tolist(), key=likelihood)
    assert rates.strength[0] == pytest.approx(best, rel=0.03)
    assert 15 < rates.strength[0] < 60  # 30 were drawn with


def test_intervals_hold_the_true_rate_as_often_as_they_say_and_so_do_those_of_new_groups() -> None:
    rng = np.random.default_rng(3)
    inside, of_new, count = 0, 0, 0
    for _ in range(60):
        true, n = rng.beta(4, 36, 25), rng.integers(5, 200, 25)
        groups, late = rows(
            {f"g{at:02}": (int(a), int(rng.binomial(a, b))) for at, (a, b) in enumerate(zip(n, true, strict=True))}
        )
        known = BaseRates.fit(groups, late)
        found = known.predict(pd.DataFrame({"segment": [f"g{at:02}" for at in range(25)]}))
        inside += int(((found["low"] <= true) & (true <= found["high"])).sum())
        new, another = known.predict(pd.DataFrame({"segment": ["new"]})).iloc[0], rng.beta(4, 36, 25)
        assert new["level"] == EVERYBODY
        of_new += int(((new["low"] <= another) & (another <= new["high"])).sum())
        count += 25
    assert 0.93 < inside / count < 0.97
    assert 0.88 < of_new / count < 0.98  # how far groups differ is itself estimated, from 25 of them


def test_rows_of_one_customer_count_together() -> None:
    groups, late = rows({"a": (300, 30), "b": (300, 60)})
    alone = BaseRates.fit(groups, late, customers=np.arange(600))
    five = BaseRates.fit(
        groups.loc[groups.index.repeat(5)].reset_index(drop=True), late.repeat(5), customers=np.arange(600).repeat(5)
    )
    assert alone.design == pytest.approx(1.0)
    assert five.design == pytest.approx(5.0)
    asked = pd.DataFrame({"segment": ["a", "b"]})
    pd.testing.assert_frame_equal(alone.predict(asked), five.predict(asked), rtol=1e-6)


def test_a_narrow_group_is_drawn_to_the_wider_one_and_a_missing_label_stays_there() -> None:
    rng = np.random.default_rng(4)
    segment = rng.choice(["b2b", "b2c"], 4000)
    region = np.where(rng.random(4000) < 0.1, None, rng.choice(["N", "S"], 4000)).astype(object)
    late = (rng.random(4000) < np.where(segment == "b2b", 0.3, 0.1)).astype(int)
    rates = BaseRates.fit(pd.DataFrame({"segment": segment, "region": region}), late)
    found = rates.predict(
        pd.DataFrame({"segment": ["b2b", "b2b", "b2b", None], "region": ["N", None, "moon", "N"]}, dtype=object)
    )
    assert found["level"].tolist() == ["region", "segment", "segment", EVERYBODY]
    assert found["rate"].iloc[:3].between(0.26, 0.34).all()
    assert found["rate"].iloc[3] == pytest.approx(late.mean(), abs=0.01)
    table = rates.table()
    assert table["level"].tolist() == [EVERYBODY, *["segment"] * 2, *["region"] * 4]
    assert table.loc[table["level"] == "segment", "rows"].sum() == 4000
    assert table.loc[table["level"] == "region", "rows"].sum() == (pd.Series(region).notna()).sum()


def test_it_is_the_same_after_a_round_trip_to_the_bit() -> None:
    groups, late = rows({"a": (30, 3), "é": (300, 60)})
    rates = BaseRates.fit(groups, late)
    again = BaseRates.from_json(rates.to_json())
    pd.testing.assert_frame_equal(again.table(), rates.table(), check_exact=True)
    assert again.to_json() == rates.to_json()


def test_unknown_outcomes_are_left_out_and_none_at_all_is_refused() -> None:
    groups, late = rows({"a": (30, 3), "b": (30, 6)})
    more = pd.concat([groups, groups], ignore_index=True)
    label = pd.array([*late.tolist(), *[None] * 60], dtype="Int8")
    assert BaseRates.fit(more, label).to_json() == BaseRates.fit(groups, late).to_json()
    with pytest.raises(NotEnoughHistoryError, match="H401"):
        BaseRates.fit(groups, pd.array([None] * 60, dtype="Int8"))
    with pytest.raises(DataError, match="D190"):
        BaseRates.fit(groups, pd.Series(late, index=np.arange(60)[::-1]))
