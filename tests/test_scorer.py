"""The Scorer: scores, plan and bundle; also run with the heavy libraries unimportable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.scorer import PLAN_COLUMNS, SCORE_COLUMNS

pytestmark = pytest.mark.scoring

AS_OF = pd.Timestamp("2025-06-10")


@pytest.fixture(scope="module")
def ledger() -> ew.Ledger:
    return ew.Ledger.from_tables(**ew.simulate.make_biller(customers=250, months=12, seed=5), until="2025-07-01")


@pytest.fixture(scope="module")
def scorer(ledger: ew.Ledger) -> ew.Scorer:
    features, outcome = ew.FeatureSet.default(), ew.Outcome(grace_days=3, lead_days=7)
    obs = outcome.observations(ledger, end="2025-05-01")
    model = ew.RiskModel(features, n_estimators=60).fit(
        features.compute(ledger, obs), outcome.label(ledger, obs), as_of=obs["as_of"]
    )
    return ew.Scorer(features, outcome, model, ew.Policy.default())


@pytest.fixture(scope="module")
def scores(scorer: ew.Scorer, ledger: ew.Ledger) -> pd.DataFrame:
    return scorer.score(ledger, AS_OF)


def test_scores_have_the_columns_of_the_contract_and_one_row_an_obligation(scores: pd.DataFrame) -> None:
    assert list(scores.columns) == list(SCORE_COLUMNS)
    assert scores["obligation_id"].is_unique
    scored = scores["status"] == "scored"
    assert scored.any()
    assert scores.loc[scored, "p_late"].between(0, 1).all()
    assert scores.loc[~scored, "p_late"].isna().all()


def test_scores_have_the_dtypes_that_are_stated(scores: pd.DataFrame) -> None:
    for name, dtype in SCORE_COLUMNS.items():
        column = scores[name]
        if dtype == "tuple":
            assert column.map(type).eq(tuple).all(), name
        elif dtype == "text":
            assert pd.api.types.is_string_dtype(column.dropna()), name
        else:
            assert str(column.dtype) == dtype, name


def test_overdue_obligations_are_not_scored(scores: pd.DataFrame) -> None:
    assert (scores.loc[scores["lead_days"] < 0, "status"] != "scored").all()


def test_a_score_equals_the_model_on_the_same_facts(scorer: ew.Scorer, ledger: ew.Ledger, scores: pd.DataFrame) -> None:
    scored = scores[scores["status"] == "scored"]
    obs = scorer.outcome.standing(ledger, AS_OF, 35).set_index("obligation_id", drop=False)
    matrix = scorer.features.compute(ledger, obs.loc[scored["obligation_id"]])
    np.testing.assert_array_equal(scored["p_late"].to_numpy(), scorer.model.predict_proba(matrix)[:, 1])


def test_what_became_known_later_changes_no_score(scorer: ew.Scorer, ledger: ew.Ledger, scores: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(scorer.score(ledger.known_before(AS_OF), AS_OF), scores)


def test_one_customer_scores_as_among_all(scorer: ew.Scorer, ledger: ew.Ledger, scores: pd.DataFrame) -> None:
    customer = scores.loc[scores["status"] == "scored", "customer_id"].iloc[0]
    alone = scorer.score(ledger, AS_OF, customers=[customer], context=scorer.context(ledger))
    among = scores[scores["customer_id"] == customer].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among)


def test_reasons_add_up_to_the_score(scorer: ew.Scorer, ledger: ew.Ledger, scores: pd.DataFrame) -> None:
    scored = scores[scores["status"] == "scored"].head(20)
    reasons = scorer.reasons(ledger, scored, top=None)
    total = reasons.groupby("observation")["contribution"].sum() + reasons.attrs["base_log_odds"]
    p = scored["p_late"]
    np.testing.assert_allclose(total.loc[scored.index], np.log(p / (1 - p)), atol=1e-4)


def test_the_plan_has_one_row_a_debtor_with_an_action_or_the_reason_why_not(
    scorer: ew.Scorer, ledger: ew.Ledger, scores: pd.DataFrame
) -> None:
    plan = scorer.recommend(ledger, AS_OF, capacity={"calls": 3, "notices": 10}, language="nl")
    assert list(plan.columns) == list(PLAN_COLUMNS)
    assert sorted(plan["customer_id"]) == sorted(scores["customer_id"].unique())
    acting = plan["exclusion"].isna()
    assert acting.any()
    assert (plan.loc[acting, "action"] != "nothing").all()
    assert (plan.loc[~acting, "action"] == "nothing").all()


def test_a_saved_scorer_scores_the_same_to_the_last_digit(
    scorer: ew.Scorer, ledger: ew.Ledger, scores: pd.DataFrame, tmp_path: Path
) -> None:
    again = ew.Scorer.load(scorer.save(tmp_path / "bundle"))
    pd.testing.assert_frame_equal(again.score(ledger, AS_OF), scores)
    assert again.model_version == scorer.model_version
    assert again.policy.version == scorer.policy.version


def test_equal_scorers_give_equal_bytes(scorer: ew.Scorer, tmp_path: Path) -> None:
    one, other = scorer.save(tmp_path / "one"), scorer.save(tmp_path / "other")
    assert [path.read_bytes() for path in sorted(one.iterdir())] == [p.read_bytes() for p in sorted(other.iterdir())]


def test_a_bundle_replaces_a_bundle_and_nothing_else(scorer: ew.Scorer, tmp_path: Path) -> None:
    scorer.save(scorer.save(tmp_path / "bundle"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ew.BundleError, match="B501"):
        scorer.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def _change(folder: Path) -> None:
    path = folder / "model.json"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))


def _swap_trees(folder: Path) -> None:
    (folder / "booster.ubj").write_bytes(b"\x00" * 100)


def _format(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))


def _climb(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../outside.json"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_change, "B513"),
        (_swap_trees, "B513"),
        (_format, "B511"),
        (_climb, "B511"),
        (lambda folder: (folder / "policy.toml").unlink(), "B512"),
        (lambda folder: (folder / "extra.pkl").write_bytes(b"x"), "B514"),
        (lambda folder: (folder / "manifest.json").unlink(), "B510"),
        (lambda folder: (folder / "manifest.json").write_text("not json"), "B510"),
    ],
)
def test_a_changed_missing_or_foreign_file_is_refused(
    scorer: ew.Scorer, tmp_path: Path, spoil: Callable[[Path], object], code: str
) -> None:
    folder = scorer.save(tmp_path / "bundle")
    spoil(folder)
    with pytest.raises(ew.BundleError, match=code):
        ew.Scorer.load(folder)


def test_a_bundle_holds_no_path_and_no_clock_time(scorer: ew.Scorer, tmp_path: Path) -> None:
    folder = scorer.save(tmp_path / "bundle")
    for path in folder.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()


def test_features_and_model_must_fit(scorer: ew.Scorer) -> None:
    with pytest.raises(ew.FeatureError, match="F290"):
        ew.Scorer(scorer.features.drop("usage_*"), scorer.outcome, scorer.model, scorer.policy)


def test_a_small_set_of_features_goes_with_the_default_policy(ledger: ew.Ledger, tmp_path: Path) -> None:
    features, outcome = ew.FeatureSet.default().select("late_share_*", "invoice_amount_now"), ew.Outcome()
    obs = outcome.observations(ledger, end="2025-05-01")
    model = ew.RiskModel(features, n_estimators=20).fit(features.compute(ledger, obs), outcome.label(ledger, obs))
    small = ew.Scorer(features, outcome, model, ew.Policy.default())
    assert "usage_spike_30d" in small.policy_features
    plan = small.recommend(ledger, AS_OF)
    again = ew.Scorer.load(small.save(tmp_path / "small")).recommend(ledger, AS_OF)
    pd.testing.assert_frame_equal(plan, again)
    assert plan["exclusion"].isna().any()


def test_a_score_lies_between_its_bounds_where_there_is_one(scores: pd.DataFrame) -> None:
    scored = scores[scores["status"] == "scored"]
    assert ((scored["p_low"] <= scored["p_late"]) & (scored["p_late"] <= scored["p_high"])).all()
    assert (scored["p_high"] > scored["p_low"]).any()
    assert scores.loc[scores["status"] != "scored", ["p_low", "p_high"]].isna().all(axis=None)


def test_leads_the_model_was_not_trained_on_are_noted(scores: pd.DataFrame) -> None:
    assert (scores["lead_is_trained"] == (scores["lead_days"] == 7)).all()
    assert any("leads the model was not trained on" in notice for notice in scores.attrs["notices"])


def test_a_model_trained_on_few_tables_scores_a_ledger_with_more_and_the_reverse() -> None:
    """The kind of a column is the schema's, whatever tables were handed over."""
    tables = ew.simulate.make_biller(customers=120, months=10, seed=4)
    few = {name: tables[name] for name in ("invoices", "payments")}
    features, outcome = ew.FeatureSet.default(), ew.Outcome()
    for learned, met in ((few, tables), (tables, few)):
        ledger = ew.Ledger.from_tables(**learned)
        obs = outcome.observations(ledger)
        model = ew.RiskModel(features, n_estimators=10).fit(
            features.compute(ledger, obs), outcome.label(ledger, obs), as_of=obs["as_of"]
        )
        scores = ew.Scorer(features, outcome, model, ew.Policy.default()).score(ew.Ledger.from_tables(**met))
        assert scores["p_late"].notna().any()


def test_a_moment_with_a_zone_is_the_same_moment_on_the_wall_clock(scorer: ew.Scorer, ledger: ew.Ledger) -> None:
    noon = scorer.score(ledger, "2025-06-10 12:00")
    pd.testing.assert_frame_equal(scorer.score(ledger, pd.Timestamp("2025-06-10 10:00", tz="UTC")), noon)


def test_a_moment_that_does_not_fit_the_data_is_said(scorer: ew.Scorer, ledger: ew.Ledger) -> None:
    assert any("does not see" in notice for notice in scorer.score(ledger, AS_OF).attrs["notices"])
    assert any("lies after the data" in notice for notice in scorer.score(ledger, "2026-01-01").attrs["notices"])
    now = scorer.score(ledger)
    assert now.attrs["as_of"].startswith("2025-07-01")
    assert not any("as_of" in notice for notice in now.attrs["notices"])


def test_what_cannot_be_asked_is_refused_with_a_suggestion(scorer: ew.Scorer, ledger: ew.Ledger) -> None:
    with pytest.raises(ew.DataError, match="D140"):
        scorer.score(ledger, "morgen")
    with pytest.raises(ew.DataError, match="D162"):
        scorer.score(ledger, AS_OF, customers=["nobody"])
