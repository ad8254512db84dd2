"""Choosing parameters on time: by hand the same, kept unless better beyond noise, nothing immature learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss

import earlywarn as ew
from earlywarn.errors import DataError, NotEnoughHistoryError
from earlywarn.risk.splits import TemporalSplit
from earlywarn.risk.tuning import SPACES, tune
from test_risk_model import FEATURES, billing

POOR = {"n_estimators": 3, "max_depth": 1, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def data() -> tuple[Any, ...]:
    return billing(3000, seed=4)


def test_each_candidate_is_judged_on_later_time_as_by_hand(data: tuple[Any, ...]) -> None:
    X, y, as_of, groups = data
    matures = as_of + pd.Timedelta("20D")
    split = TemporalSplit(as_of, matures, n_splits=3)
    wanted = [{"max_depth": 2}, {"n_estimators": 10}]
    model = ew.RiskModel(FEATURES, n_estimators=40)
    steps: list[float] = []
    found = tune(
        model, X, y, as_of=as_of, matures_at=matures, groups=groups, split=split, candidates=wanted,
        progress=steps.append,
    )  # fmt: skip
    for candidate in [{}, *wanted]:
        p, late = [], []
        for train, test in split.split(X):
            rows = X.iloc[train]
            fitted = clone(model).set_params(**candidate).fit(
                rows, y.iloc[train], as_of=as_of.iloc[train], groups=groups.iloc[train], matures_at=matures.iloc[train]
            )  # fmt: skip
            p.append(fitted.predict_proba(X.iloc[test])[:, 1])
            late.append(y.iloc[test].to_numpy(dtype=int))
        own = found.table
        for name in ("max_depth", "n_estimators"):
            own = own[own[name].eq(candidate[name]) if name in candidate else own[name].isna()]
        assert own["log_loss"].iloc[0] == pytest.approx(log_loss(np.concatenate(late), np.concatenate(p)))
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    assert len(steps) == 9
    assert found.table["log_loss"].is_monotonic_increasing


def test_a_poor_model_is_replaced_and_a_good_one_stays(data: tuple[Any, ...]) -> None:
    X, y, as_of, groups = data
    fit = {"as_of": as_of, "groups": groups}
    poor = ew.RiskModel(FEATURES, **POOR)
    good = {"n_estimators": 60, "max_depth": 3, "learning_rate": 0.1}
    better = tune(poor, X, y, candidates=[good], **fit)
    assert better.best_params == good
    assert better.model.get_params()["max_depth"] == 3
    assert "chosen" in repr(better)
    same = tune(ew.RiskModel(FEATURES, **good), X, y, candidates=[{"subsample": 0.8}], **fit)
    assert same.table["gain"].tolist() == [0.0, 0.0]
    assert same.best_params == {"subsample": 0.8}
    assert "stays" in repr(same)
    near = tune(ew.RiskModel(FEATURES, **good), X, y, candidates=[{"subsample": 0.79}], **fit)
    other = near.table[near.table["subsample"] == 0.79].iloc[0]
    beyond = other["gain"] > other["standard_error"]
    assert near.best_params == {"subsample": 0.79 if beyond else 0.8}
    assert near.table["chosen"].sum() == 1


@pytest.mark.parametrize("kind", SPACES)
def test_candidates_are_drawn_and_can_be_repeated(kind: Any, data: tuple[Any, ...]) -> None:
    X, y, as_of, _ = data
    small = {"n_estimators": 5} if kind is ew.RiskModel else {}
    first, again = (
        tune(kind(FEATURES, **small), X, y, as_of=as_of, split=TemporalSplit(as_of, n_splits=1), candidates=3)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.table, again.table)
    assert len(first.table) == 4
    assert set(first.best_params) == set(SPACES[kind])


def test_rows_without_an_outcome_and_rows_that_were_contacted_judge_nobody(data: tuple[Any, ...]) -> None:
    X, y, as_of, _ = data
    some = y.astype("Int8").where(np.arange(len(y)) % 3 > 0)
    treated = pd.Series(np.arange(len(y)) % 4 == 1, index=y.index)
    split, model = TemporalSplit(as_of, n_splits=2), ew.RiskModel(FEATURES, n_estimators=5)
    found = tune(model, X, some, as_of=as_of, treated=treated, split=split, candidates=[{"max_depth": 2}])
    p, late = [], []
    for train, test in split.split(X):
        fitted = clone(model).set_params(max_depth=2)
        fitted.fit(X.iloc[train], some.iloc[train], as_of=as_of.iloc[train], treated=treated.iloc[train])
        kept = test[(some.notna() & ~treated).to_numpy()[test]]
        p.append(fitted.predict_proba(X.iloc[kept])[:, 1])
        late.append(some.iloc[kept].to_numpy(dtype=int))
    own = found.table[found.table["max_depth"] == 2]["log_loss"].iloc[0]
    assert own == pytest.approx(log_loss(np.concatenate(late), np.concatenate(p)))


def test_customers_without_a_name_are_customers_of_their_own(data: tuple[Any, ...]) -> None:
    X, y, as_of, groups = data
    named = groups.astype(object).where(np.arange(len(y)) % 5 > 0, None)
    found = tune(ew.RiskModel(FEATURES, n_estimators=3), X, y, as_of=as_of, groups=named, candidates=[{"max_depth": 2}])
    assert found.table["standard_error"].iloc[1] >= 0


def test_what_cannot_be_tuned_on_is_refused(data: tuple[Any, ...]) -> None:
    X, y, as_of, _ = data
    with pytest.raises(NotEnoughHistoryError, match="H403"):
        tune(ew.RiskModel(), X, y * 0, as_of=as_of, candidates=[{"max_depth": 2}])
    with pytest.raises(DataError, match="D190"):
        tune(ew.RiskModel(), X, y, as_of=as_of[::-1], candidates=1)
