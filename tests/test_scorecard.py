"""Scorecard: bins held to their direction, points that are log-odds, and the interface of RiskModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

import earlywarn as ew
from earlywarn.errors import EarlywarnError
from earlywarn.risk.binning import PSEUDO_ROWS, Bins, learn_bins
from earlywarn.risk.metrics import auc
from earlywarn.risk.scorecard import Scorecard
from test_risk_model import FEATURES, billing
from test_sklearn_checks import EXPECTED_FAILED

Data = tuple[pd.DataFrame, "pd.Series[Any]", "pd.Series[Any]", "pd.Series[Any]"]


@pytest.fixture(scope="module")
def data() -> Data:
    return billing(4000)


@pytest.fixture(scope="module")
def card(data: Data) -> Scorecard:
    X, y, as_of, groups = data
    return Scorecard(FEATURES).fit(X, y, as_of=as_of, groups=groups)


@parametrize_with_checks([Scorecard()], expected_failed_checks=lambda _: EXPECTED_FAILED)
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@given(
    values=st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=80),
    chance=st.randoms(use_true_random=False),
    direction=st.sampled_from([-1, 0, 1]),
)
def test_bins_hold_every_row_once_and_keep_the_direction(values: list[Any], chance: Any, direction: int) -> None:
    x = np.array([np.nan if value is None else float(value) for value in values])
    late = np.array([float(chance.random() < 0.4) for _ in values])
    bins = learn_bins(x, late, np.ones(len(x)), direction=direction, most=4, least_share=0.1)
    place = bins.of(x)
    on_time = 1 - late
    for at, evidence in enumerate(bins.weights):
        own = place == at
        assert bins.rows[at] == own.sum()
        assert bins.late[at] == late[own].sum()
        share = [(part[own].sum() + PSEUDO_ROWS) / (part.sum() + PSEUDO_ROWS) for part in (late, on_time)]
        assert evidence == pytest.approx(np.log(share[0] / share[1]) if own.any() else 0.0)
    assert len(bins.edges) < 4
    assert direction == 0 or (np.diff(bins.weights[:-1]) * direction >= 0).all()


def test_the_margin_is_that_of_a_logistic_regression_on_evidence_by_hand(data: Data) -> None:
    X, y, as_of, _ = data
    card = Scorecard(FEATURES, calibration_share=0).fit(X, y, as_of=as_of)
    matrix = card.matrix(X)
    chosen = [line.at for line in card.card_]
    assert {"late_share_12m", "segment"} <= {card.columns_[at].name for at in chosen}
    assert "noise" not in {card.columns_[at].name for at in chosen}
    evidence = np.column_stack([line.bins.evidence(matrix[:, line.at]) for line in card.card_])
    plain = LogisticRegression(C=1.0, max_iter=1000).fit(evidence, y.to_numpy(dtype=int))
    np.testing.assert_allclose(card.margin(X), plain.decision_function(evidence), atol=2e-3)


def test_points_are_log_odds_and_twenty_more_double_the_odds_of_being_on_time(card: Scorecard, data: Data) -> None:
    X = data[0]
    exact = 600 - 20 / np.log(2) * (np.log(50) + logit(card.predict_proba(X)[:, 1]))
    assert np.abs(card.points(X) - exact).max() <= (len(card.card_) + 1) / 2
    table = card.table()
    assert table["points"].dtype.kind == "i"
    by_hand = table["points"].iloc[0] + sum(
        table[table["feature"] == card.columns_[line.at].name]["points"].to_numpy()[
            line.bins.of(card.matrix(X)[:, line.at])
        ]
        for line in card.card_
    )
    np.testing.assert_array_equal(by_hand, card.points(X))


def test_every_row_of_the_training_stands_in_one_bin_of_each_feature(card: Scorecard) -> None:
    table = card.table().dropna(subset="feature")
    assert (table.groupby("feature")["rows"].sum() == 4000).all()
    assert (table["points"].to_numpy() * table["evidence"].to_numpy() <= 0).all()


@pytest.mark.parametrize(("name", "sign"), [("late_share_12m", 1), ("late_share_3m", 1), ("tenure_days", -1)])
def test_a_sweep_never_goes_against_the_direction(card: Scorecard, data: Data, name: str, sign: int) -> None:
    X = data[0].iloc[np.repeat(np.arange(50), 40)].reset_index(drop=True)
    X[name] = np.tile(np.linspace(data[0][name].min(), data[0][name].max(), 40), 50).astype(np.float32)
    p = card.predict_proba(X)[:, 1].reshape(50, 40)
    assert (np.diff(p, axis=1) * sign >= 0).all()


def test_contributions_add_up_to_the_log_odds_of_p_late(card: Scorecard, data: Data) -> None:
    X = data[0].head(50)
    codes = card.reason_codes(X, top=None, language="nl")
    total = codes.groupby("observation")["contribution"].sum().reindex(X.index, fill_value=0.0) + card.base_log_odds_
    np.testing.assert_allclose(total, logit(card.predict_proba(X)[:, 1]), atol=1e-9)
    values = card.shap_values(X)
    np.testing.assert_allclose(values.sum(axis=1) + card.expected_value_, card.margin(X), atol=1e-9)
    everybody = card.shap_values(data[0])
    np.testing.assert_allclose(everybody.mean(axis=0), 0.0, atol=1e-9)


def test_it_ranks_nearly_as_well_as_the_trees_where_effects_are_simple(card: Scorecard, data: Data) -> None:
    X, y, _, _ = billing(3000, seed=9)
    trees = ew.RiskModel(FEATURES).fit(data[0], data[1], as_of=data[2], groups=data[3])
    of_card, of_trees = (auc(y, model.predict_proba(X)[:, 1]) for model in (card, trees))
    assert of_card > 0.65
    assert abs(of_card - of_trees) < 0.03


def test_predictions_are_the_same_to_the_bit_after_a_round_trip(card: Scorecard, data: Data) -> None:
    files = card.to_files()
    assert list(files) == ["model.json"]
    again = Scorecard.from_files(files, FEATURES)
    np.testing.assert_array_equal(again.bounded(data[0]), card.bounded(data[0]))
    pd.testing.assert_frame_equal(again.table(), card.table())
    assert again.to_files() == files


def test_an_unseen_category_constant_and_empty_columns_are_no_trouble(data: Data) -> None:
    X, y, as_of, _ = data
    X = X.assign(constant=1.0, empty=np.nan)
    card = Scorecard(FEATURES).fit(X, y, as_of=as_of)
    asked = X.head(5).assign(segment=pd.Series(["moon"] * 5, dtype="str", index=X.index[:5]))
    assert np.isfinite(card.predict_proba(asked)).all()
    assert not {"constant", "empty"} & set(card.table()["feature"].dropna())


def test_where_nothing_tells_the_share_late_is_said_with_a_notice(data: Data) -> None:
    _, y, as_of, _ = data
    X = pd.DataFrame({"constant": np.ones(len(y))}, index=y.index)
    card = Scorecard().fit(X, y, as_of=as_of)
    np.testing.assert_allclose(card.predict_proba(X)[:, 1], y.mean(), atol=0.01)
    assert "tell anybody apart" in card.notices_[-1]
    assert len(card.table()) == 1


@pytest.mark.parametrize("wrong", [{"max_bins": 1}, {"max_features": 0}, {"min_bin_share": 0.9}, {"C": 0}])
def test_what_cannot_be_made_is_refused(data: Data, wrong: dict[str, Any]) -> None:
    with pytest.raises(EarlywarnError, match="E031"):
        Scorecard(**wrong).fit(data[0], data[1])


def test_bins_by_hand() -> None:
    bins = Bins((0.0, 1.0), (0.1, 0.2, 0.3, 0.4), (1, 1, 1, 1), (0, 0, 1, 1))
    assert bins.of(np.array([-1.0, 0.0, 0.5, 1.0, 2.0, np.nan])).tolist() == [0, 0, 1, 1, 2, 3]


def test_a_scorer_takes_it_like_the_trees(tmp_path: Path) -> None:
    ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=150, months=10, seed=2))
    features, outcome = ew.FeatureSet.default(), ew.Outcome()
    scorer = ew.train(features, outcome, ledger, model=Scorecard(max_features=8), days=False)
    scores = scorer.score(ledger)
    assert scores["p_late"].notna().any()
    again = ew.Scorer.load(scorer.save(tmp_path / "bundle"))
    pd.testing.assert_frame_equal(again.score(ledger), scores)
    assert isinstance(again.model, Scorecard)
    plan = again.recommend(ledger, capacity={"calls": 3}, language="nl")
    assert plan["customer_id"].is_unique
