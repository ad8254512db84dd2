"""Folds on time: nothing that had not matured is learned from, every later row is tested once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from earlywarn.errors import DataError
from earlywarn.risk.splits import TemporalSplit, seen_before

DAY = np.timedelta64(86_400_000_000, "us")


@st.composite
def histories(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Moments with ties in any order, when each matures (some never), and customers."""
    n = draw(st.integers(1, 40))
    days = draw(st.lists(st.integers(0, 25), min_size=n, max_size=n))
    wait = draw(st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=n, max_size=n))
    who = draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))
    as_of = pd.Timestamp("2026-01-01") + pd.to_timedelta(days, unit="D")
    matures = [pd.NaT if more is None else at + pd.Timedelta(days=more) for at, more in zip(as_of, wait, strict=True)]
    return as_of, pd.Series(matures, dtype="datetime64[us]"), np.array(who)


@given(
    histories(), st.integers(1, 6), st.one_of(st.none(), st.integers(1, 20)), st.integers(0, 5),
    st.sampled_from(["all", "seen", "unseen"]),
)  # fmt: skip
def test_what_is_learned_from_had_matured_and_lies_in_the_window(
    history: tuple[Any, Any, Any], n_splits: int, window: int | None, embargo: int, tested: str
) -> None:
    as_of, matures, who = history
    folds = TemporalSplit(as_of, matures, n_splits=n_splits, window_days=window, embargo_days=embargo, tested=tested)
    found = list(folds.split(np.zeros((len(as_of), 1)), groups=who))
    assert len(found) == folds.get_n_splits() <= n_splits
    every = TemporalSplit(as_of, n_splits=n_splits)
    for (train, test), (_, stretch) in zip(found, every.split(as_of), strict=True):
        begin = as_of[stretch].min()
        early = begin - pd.Timedelta(days=embargo)
        least = as_of.min() if window is None else begin - pd.Timedelta(days=window)
        expected = [
            row for row in range(len(as_of))
            if least <= as_of[row] < begin and not pd.isna(matures[row]) and matures[row] < early
        ]  # fmt: skip
        assert sorted(train) == expected
        known = set(who[expected])
        wanted = [row for row in stretch if tested == "all" or (who[row] in known) == (tested == "seen")]
        assert test.tolist() == wanted
        assert (seen_before(who, train, test) == [who[row] in known for row in test]).all()


@given(histories(), st.integers(1, 6))
def test_each_row_after_the_first_stretch_is_tested_once_and_a_moment_is_never_cut(
    history: tuple[Any, Any, Any], n_splits: int
) -> None:
    as_of, _, _ = history
    tests = [test for _, test in TemporalSplit(as_of, n_splits=n_splits).split(as_of)]
    rows = np.concatenate([*tests, []]).astype(int)
    assert len(set(rows)) == len(rows)
    if tests:
        assert sorted(rows) == np.flatnonzero(as_of >= as_of[tests[0]].min()).tolist()
        moments = [set(as_of[test]) for test in tests]
        assert sum(map(len, moments)) == len(set.union(*moments))


@pytest.mark.parametrize("n_splits", [2, 3, 9])
def test_rows_of_distinct_moments_that_are_known_at_once_are_cut_as_scikit_learn_cuts_them(n_splits: int) -> None:
    rows = np.arange(10 * (n_splits + 1))
    ours = TemporalSplit(rows.astype(float), n_splits=n_splits).split(rows)
    for (train, test), (known, later) in zip(ours, TimeSeriesSplit(n_splits).split(rows), strict=True):
        assert (train.tolist(), test.tolist()) == (known.tolist(), later.tolist())


def test_months_are_tested_from_edge_to_edge() -> None:
    day = pd.date_range("2026-01-01", "2026-06-30")
    folds = TemporalSplit(day, edges=pd.date_range("2026-03-01", "2026-06-01", freq="MS"), window_days=31)
    found = list(folds.split(day))
    assert [str(day[test].to_period("M").unique()[0]) for _, test in found] == ["2026-03", "2026-04", "2026-05"]
    assert [len(train) for train, _ in found] == [31, 31, 31]
    assert repr(folds) == "TemporalSplit(3 folds of 181 rows, 31 days)"


def test_it_is_a_splitter_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    scores = cross_val_score(
        LogisticRegression(), X, y, cv=TemporalSplit(np.arange(200), n_splits=3), scoring="roc_auc"
    )
    assert len(scores) == 3
    assert scores.min() > 0.6


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"n_splits": 0}, "D193"), ({"window_days": 0}, "D193"), ({"embargo_days": -1}, "D193"),
        ({"tested": "new"}, "D193"), ({"edges": ["2026-01-03"]}, "D193"),
        ({"edges": ["2026-01-03", "2026-01-02"]}, "D193"), ({"matures_at": [1, 2, 3]}, "D193"),
        ({"matures_at": ["soon"] * 3}, "D191"), ({"as_of": [None] * 3}, "D191"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_refused(options: dict[str, Any], code: str) -> None:
    given: dict[str, Any] = {"as_of": pd.date_range("2026-01-01", periods=3), **options}
    with pytest.raises(DataError, match=code):
        TemporalSplit(**given)


def test_customers_are_asked_for_where_they_are_told_apart() -> None:
    with pytest.raises(DataError, match="D193"):
        next(TemporalSplit(np.arange(4), tested="unseen").split(np.zeros((4, 1))))


def test_whole_numbers_go_with_outcomes_of_which_some_never_mature() -> None:
    folds = TemporalSplit(np.arange(4), [0.5, 1.5, np.nan, 9], n_splits=2)
    found = [(train.tolist(), test.tolist()) for train, test in folds.split(np.zeros((4, 1)))]
    assert found == [([0], [1]), ([0, 1], [2, 3])]
    with pytest.raises(DataError, match="D193"):
        TemporalSplit(np.arange(4), edges=["2026-01-01", "2026-02-01"])


def test_a_stretch_begins_at_its_edge_and_not_at_its_first_row() -> None:
    as_of = pd.to_datetime(["2026-02-01", "2026-02-02", "2026-03-20"])
    matures = pd.to_datetime(["2026-02-10", "2026-03-10", "2026-04-01"])
    train, test = next(TemporalSplit(as_of, matures, edges=["2026-03-01", "2026-04-01"]).split(as_of))
    assert (train.tolist(), test.tolist()) == ([0], [2])


def test_customers_without_a_name_are_not_one_and_the_same() -> None:
    assert seen_before([None, "a", None, "a"], np.array([0, 1]), np.array([2, 3])).tolist() == [False, True]
