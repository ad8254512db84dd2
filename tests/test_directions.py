"""Features of the catalogue with a direction keep it, in the trees and on the scorecard; odd columns do no harm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.risk.columns import DIRECTIONS

STEPS, ROWS = 12, 25


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, dict[str, Any]]:
    """A matrix of the whole catalogue, in which every column varies, and models of an outcome that hangs on many."""
    books = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=120, months=12, seed=3))
    outcome, features = ew.Outcome(lead_days=7), ew.FeatureSet.default()
    obs = outcome.observations(books)
    X = features.compute(books, obs)
    rng = np.random.default_rng(0)
    numbers = [name for name in X if not isinstance(X[name].dtype, pd.CategoricalDtype)]
    drawn = pd.DataFrame(rng.normal(size=(len(X), len(numbers))), columns=numbers, index=X.index)
    X = X.assign(**drawn.where(rng.random(drawn.shape) > 0.1))
    # against the directions in half of the columns, so that something has to be held back
    against = rng.choice([-1.0, 1.0], len(numbers))
    late = rng.random(len(X)) < 1 / (1 + np.exp(1.5 - 0.4 * np.nan_to_num(X[numbers]) @ against))
    fit = {"as_of": obs["as_of"], "groups": obs["customer_id"]}
    trees = ew.RiskModel(features, n_estimators=120, min_child_weight=1.0).fit(X, late.astype(int), **fit)
    card = ew.Scorecard(features, max_features=60).fit(X, late.astype(int), **fit)
    return X, {"trees": trees, "scorecard": card}


@pytest.mark.parametrize("kind", ["trees", "scorecard"])
def test_a_sweep_of_every_directed_feature_never_goes_against_it(
    learned: tuple[pd.DataFrame, dict[str, Any]], kind: str
) -> None:
    X, model = learned[0], learned[1][kind]
    directed = [column for column in model.columns_ if column.direction]
    moved = 0
    for column in directed:
        rows = X.iloc[np.repeat(np.arange(ROWS), STEPS)].reset_index(drop=True)
        rows[column.name] = np.tile(np.linspace(-3, 3, STEPS), ROWS)
        margin = model.margin(rows).reshape(ROWS, STEPS)
        assert (np.diff(margin, axis=1) * column.direction >= -1e-6).all(), column.name
        moved += int(np.ptp(margin, axis=1).max() > 0)
    assert len(directed) > 60
    assert moved > {"trees": 40, "scorecard": 4}[kind]  # and they are read


def test_directions_are_those_of_the_catalogue_and_can_be_let_go(
    learned: tuple[pd.DataFrame, dict[str, Any]],
) -> None:
    X, models = learned
    catalogue = ew.FeatureSet.default()
    for model in models.values():
        assert [column.direction for column in model.columns_] == [DIRECTIONS[catalogue[name].risk] for name in X]
    y = np.arange(len(X)) % 2
    free = ew.RiskModel(catalogue, n_estimators=2, monotone=False).fit(X, y)
    assert not any(column.direction for column in free.columns_)


@pytest.mark.parametrize("make", [ew.RiskModel, ew.Scorecard])
def test_constant_missing_and_unseen_columns_do_no_harm(make: Any) -> None:
    rng = np.random.default_rng(1)
    n = 1500
    X = pd.DataFrame({"x": rng.random(n), "colour": pd.Categorical(rng.choice(["red", "blue"], n))})
    y = (rng.random(n) < X["x"]).astype(int)
    more = X.assign(constant=7.0, missing=np.nan)
    model = make().fit(more, y)
    asked = more.head(6).assign(colour=pd.Categorical(["green"] * 6), constant=-1.0, missing=5.0)
    p = model.predict_proba(asked)[:, 1]
    assert np.isfinite(p).all()
    assert np.corrcoef(p, asked["x"])[0, 1] > 0.5
    nothing = more.head(3).assign(x=np.nan, colour=pd.Categorical([None] * 3, categories=["red"]))
    assert np.isfinite(model.predict_proba(nothing)).all()
    alone = make().fit(pd.DataFrame({"missing": np.full(n, np.nan)}), y)
    np.testing.assert_allclose(alone.predict_proba(pd.DataFrame({"missing": [np.nan]}))[:, 1], y.mean(), atol=0.02)
    assert any("tell anybody apart" in notice for notice in alone.notices_)
