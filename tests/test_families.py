"""Families: exact sums, a leading feature that pushes the same way, a ranking that does not waver."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earlywarn.errors import FeatureError
from earlywarn.features.catalogue import Feature, FeatureSet
from earlywarn.reasons.codes import COLUMNS, families_of, reason_table
from earlywarn.reasons.families import NOISE, family_sums, probability_points

FAMILY = ("history", "usage", "history", "other", "usage", "debt")
VALUES = st.floats(-3, 3).map(lambda value: round(value, 3))
CONTRIBUTIONS = st.integers(0, 12).flatmap(lambda n: arrays(np.float64, (n, len(FAMILY)), elements=VALUES))


def table(contributions, top=3, **style):
    frame = pd.DataFrame(contributions, columns=[f"c{at}" for at in range(contributions.shape[1])])
    catalogue = FeatureSet(
        Feature(f"c{at}", "count(invoices)", family=family) for at, family in enumerate(FAMILY) if family != "other"
    )
    return reason_table(contributions, frame, catalogue, **{"top": top, "language": "en", "currency": "EUR"} | style)


@given(CONTRIBUTIONS)
def test_sums_are_those_of_a_pandas_groupby(contributions):
    sums = family_sums(contributions, FAMILY)
    oracle = pd.DataFrame(contributions, columns=list(FAMILY)).T.groupby(level=0, sort=False).sum().T
    assert sums.names == tuple(oracle.columns)
    np.testing.assert_allclose(sums.values, oracle.to_numpy(), atol=1e-12)


@given(CONTRIBUTIONS)
def test_the_leading_feature_is_of_the_family_and_pushes_its_way(contributions):
    sums = family_sums(contributions, FAMILY)
    for row, at in np.ndindex(sums.values.shape):
        leading, total = sums.leading[row, at], sums.values[row, at]
        assert FAMILY[leading] == sums.names[at]
        own = contributions[row, [k for k, name in enumerate(FAMILY) if name == sums.names[at]]]
        assert contributions[row, leading] == (own.max() if total >= 0 else own.min())


@given(CONTRIBUTIONS, st.integers(0, 6))
def test_what_lowers_the_risk_is_never_among_the_top(contributions, top):
    listed = table(contributions, top=top)
    assert (listed["contribution"] > NOISE).all()
    assert (listed["rank"] <= top).all()
    for (observation, name), line in listed.set_index(["observation", "feature"]).iterrows():
        assert contributions[observation, int(name[1:])] > 0, line


@given(CONTRIBUTIONS)
def test_without_a_top_every_family_is_listed_and_nothing_is_lost(contributions):
    listed = table(contributions, top=None)
    assert len(listed) == len(contributions) * len(set(FAMILY))
    sums = listed.groupby("observation")["contribution"].sum()
    np.testing.assert_allclose(sums.reindex(range(len(contributions))), contributions.sum(axis=1), atol=1e-9)


@given(CONTRIBUTIONS)
def test_ranks_start_at_one_and_fall_and_the_top_is_the_head_of_the_whole_list(contributions):
    whole = table(contributions, top=None)
    for _, lines in whole.groupby("observation"):
        assert lines["rank"].tolist() == list(range(1, len(lines) + 1))
        assert lines["contribution"].is_monotonic_decreasing
    head = whole[(whole["rank"] <= 2) & (whole["contribution"] > NOISE)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table(contributions, top=2), head)


def test_equal_families_keep_the_order_of_the_columns():
    listed = table(np.array([[0.2, 0.4, 0.2, 0.4, 0.0, 0.4]]), top=None)
    assert listed["family"].tolist() == ["history", "usage", "other", "debt"]
    assert listed["feature"].tolist() == ["c0", "c1", "c3", "c5"]


def test_a_column_outside_the_catalogue_is_of_the_family_other():
    catalogue = FeatureSet([Feature("known", "count(invoices)", family="debt")])
    assert families_of(("known", "unknown"), catalogue) == ("debt", "other")
    assert families_of(("known", "unknown"), None) == ("other", "other")


def test_the_table_has_its_columns_and_types_also_when_nothing_raises_the_risk():
    for contributions in (np.array([[0.5, 0, 0, 0, 0, 0]]), -np.ones((2, 6)), np.empty((0, 6))):
        listed = table(contributions)
        assert tuple(listed.columns) == COLUMNS
        assert listed["rank"].dtype == np.int64
        assert listed["contribution"].dtype == np.float64
        assert all(pd.api.types.is_string_dtype(listed[name]) for name in ("family", "feature", "text"))


def test_observations_are_named_by_the_index():
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=["o-17", "o-9"])
    listed = reason_table(np.array([[0.3], [0.4]]), frame, None, top=1, language="nl", currency="EUR")
    assert listed["observation"].tolist() == ["o-17", "o-9"]
    assert listed["text"].tolist() == ["a: 1", "a: 2"]


def test_a_language_nobody_wrote_texts_in_is_refused_with_those_there_are():
    with pytest.raises(FeatureError, match="known here: en, fr, nl") as caught:
        table(np.ones((1, 6)), language="de-DE")
    assert caught.value.code == "F262"


@given(CONTRIBUTIONS, st.floats(-6, 4))
def test_points_of_probability_add_up_to_the_change_in_probability_and_keep_sign_and_order(contributions, base):
    points = probability_points(contributions, base)
    gained = 1 / (1 + np.exp(-base - contributions.sum(axis=1))) - 1 / (1 + np.exp(-base))
    np.testing.assert_allclose(points.sum(axis=1), gained, atol=1e-12)
    sure = np.abs(contributions.sum(axis=1)) > 1e-6
    np.testing.assert_array_equal(np.sign(points[sure]), np.sign(contributions[sure]))
    for row in range(len(points)):
        order = np.argsort(contributions[row], kind="stable")
        assert (np.diff(points[row][order]) >= -1e-15).all()


def test_points_of_some_reasons_are_their_part_of_the_whole():
    listed = table(np.array([[0.5, -0.2, 0.1, 0.4, 0.0, 0.2]]), top=2, base=-1.0)
    whole = table(np.array([[0.5, -0.2, 0.1, 0.4, 0.0, 0.2]]), top=None, base=-1.0)
    assert listed["points"].tolist() == whole["points"].head(2).tolist()
    assert whole["points"].sum() == pytest.approx(1 / (1 + np.exp(0.0)) - 1 / (1 + np.exp(1.0)))
