"""RiskModel: honest in time, held to its directions, exact in its reasons, the same after a round trip."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.metrics import log_loss as sklearn_log_loss

from earlywarn.errors import BundleError, DataError, EarlywarnError, FeatureError, NotEnoughHistoryError
from earlywarn.features.catalogue import Family, Feature, FeatureSet
from earlywarn.reasons import treeshap
from earlywarn.risk.boosting import PATIENCE
from earlywarn.risk.calibration import choose_calibrator
from earlywarn.risk.categories import OTHER, CategoryCodes, category_text, learn_codes
from earlywarn.risk.model import MOST_TREES, USUAL_TREES, RiskModel
from earlywarn.risk.rows import later_from, learnable_rows
from earlywarn.risk.venn_abers import fit_venn_abers

FEATURES = FeatureSet(
    [
        Feature(
            "late_share_12m",
            "mean(maturities.late, days=365)",
            risk="up",
            family="history",
            text={"en": "{value|percent} came late", "nl": "{value|percent} kwam te laat"},
        ),
        Feature("late_share_3m", "mean(maturities.late, days=90)", risk="up", family="history"),
        Feature("tenure_days", "days_since(customers.customer_since)", risk="down", family="loyalty"),
        Feature("segment", "last(customers.segment)", family="profile", text={"en": "segment {value}"}),
    ],
    {"history": Family("history", missing={"en": "no invoice has fallen due yet"})},
)


def billing(n=2000, seed=0):
    """A matrix with a known cause of lateness, its labels, moments and customers."""
    rng = np.random.default_rng(seed)
    share = rng.beta(1, 3, n)
    X = pd.DataFrame(
        {
            "late_share_12m": np.where(rng.random(n) < 0.1, np.nan, share).astype(np.float32),
            "late_share_3m": np.clip(share + rng.normal(0, 0.1, n), 0, 1).astype(np.float32),
            "tenure_days": rng.integers(1, 3000, n).astype(np.float32),
            "segment": pd.Categorical(rng.choice(["b2b", "b2c", "b2g"], n, p=[0.3, 0.6, 0.1])),
            "noise": rng.normal(size=n),
        },
        index=np.arange(n) + 1000,
    )
    log_odds = -2.2 + 4 * share - X["tenure_days"] / 3000 + 0.8 * (X["segment"] == "b2c").to_numpy()
    y = pd.Series((rng.random(n) < expit(log_odds)).astype(int), index=X.index, dtype="Int8")
    as_of = pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(n) // 20, unit="D"), index=X.index)
    return X, y, as_of, pd.Series(np.arange(n) % 150, index=X.index)


def small(**changes):
    return RiskModel(FEATURES, **{"n_estimators": 60, "max_depth": 3} | changes)


@pytest.fixture(scope="module")
def data():
    return billing()


@pytest.fixture(scope="module")
def model(data):
    X, y, as_of, groups = data
    return small().fit(X, y, as_of=as_of, groups=groups)


class TestTime:
    def test_the_later_part_lies_after_the_earlier(self, model, data):
        _, _, as_of, _ = data
        summary = model.training_summary_
        assert summary["earlier"]["last_as_of"] < summary["later"]["first_as_of"]
        assert summary["earlier"]["rows"] + summary["later"]["rows"] == len(as_of)
        assert summary["later"]["rows"] == pytest.approx(model.calibration_share * len(as_of), abs=20)

    def test_calibration_is_chosen_on_what_a_model_of_the_earlier_part_says_of_the_later(self, model, data):
        X, y, as_of, groups = data
        later = (as_of >= pd.Timestamp(model.training_summary_["later"]["first_as_of"])).to_numpy()
        earlier = small(calibration_share=0).fit(X[~later], y[~later], as_of=as_of[~later])
        choice = choose_calibrator(
            earlier.margin(X[later]), y[later].to_numpy(dtype=float), groups=pd.factorize(groups)[0][later]
        )
        assert choice == model.calibration_

    def test_trees_are_counted_on_the_later_part_and_grown_on_all_rows(self, data):
        X, y, as_of, _ = data
        model = small(n_estimators=None, learning_rate=0.2).fit(X, y, as_of=as_of)
        later = (as_of >= pd.Timestamp(model.training_summary_["later"]["first_as_of"])).to_numpy()
        more = small(n_estimators=model.n_trees_ + PATIENCE, learning_rate=0.2, calibration_share=0)
        more.fit(X[~later], y[~later], as_of=as_of[~later])
        matrix, truth = xgb.DMatrix(more.matrix(X[later])), y[later].to_numpy(dtype=int)
        losses = [
            sklearn_log_loss(truth, more.booster_.predict(matrix, iteration_range=(0, trees)))
            for trees in range(1, more.n_trees_ + 1)
        ]
        assert 1 < model.n_trees_ < MOST_TREES
        assert losses[model.n_trees_ - 1] == pytest.approx(min(losses), rel=1e-6)
        whole = small(n_estimators=model.n_trees_, learning_rate=0.2, calibration_share=0).fit(X, y, as_of=as_of)
        assert model.booster_.save_raw() == whole.booster_.save_raw()

    def test_a_later_part_with_too_few_of_a_class_counts_no_trees(self, data):
        X, _, _, _ = data
        y = (np.arange(len(X)) % 400 == 7).astype(int)
        assert small(n_estimators=None).fit(X, y).n_trees_ == USUAL_TREES

    def test_what_had_not_matured_is_not_learned_from_when_the_later_part_is_judged(self, data):
        """Turning their labels round changes no figure of the calibration; the trees in the end know them."""
        X, y, as_of, _ = data
        matures = as_of + pd.Timedelta("9D")
        first = small().fit(X, y, as_of=as_of, matures_at=matures)
        begin = pd.Timestamp(first.training_summary_["later"]["first_as_of"])
        between = ((as_of < begin) & (matures >= begin)).to_numpy()
        assert between.sum() == 9 * 20
        second = small().fit(X, y.where(~between, 1 - y), as_of=as_of, matures_at=matures)
        assert first.calibration_ == second.calibration_
        assert first.booster_.save_raw() != second.booster_.save_raw()
        assert first.calibration_ != small().fit(X, y, as_of=as_of).calibration_

    def test_judging_by_what_had_not_matured_is_said(self, data):
        X, y, as_of, _ = data
        never = small(n_estimators=3).fit(X, y, as_of=as_of, matures_at=as_of + pd.Timedelta("900D"))
        assert any("had not matured before the later part" in notice for notice in never.notices_)
        assert (
            never.training_summary_["earlier"]["rows"]
            == small(n_estimators=3).fit(X, y, as_of=as_of).training_summary_["earlier"]["rows"]
        )
        some = small(n_estimators=3).fit(X, y, as_of=as_of, matures_at=as_of + pd.Timedelta("9D"))
        assert not any("matured" in notice for notice in some.notices_)
        assert some.training_summary_["earlier"]["rows"] == never.training_summary_["earlier"]["rows"] - 9 * 20

    def test_moments_of_two_kinds_or_an_end_alone_are_refused(self, data):
        X, y, as_of, _ = data
        for wrong in (
            {"until": "2030-01-01"},
            {"matures_at": np.arange(len(X))},
            {"matures_at": as_of, "until": 7},
        ):
            with pytest.raises(DataError, match="D191"):
                small().fit(X, y, as_of=as_of, **wrong)

    def test_a_model_has_at_least_one_tree(self, data):
        X, y, _, _ = data
        with pytest.raises(EarlywarnError, match="E031"):
            small(n_estimators=0).fit(X, y)

    def test_a_cohort_that_has_not_matured_is_refused(self, data):
        """Early payers of the last cohort are known, the others are not: a model would learn that everybody pays."""
        X, y, as_of, _ = data
        matures = as_of + pd.Timedelta("12D")
        until = as_of.max()
        early = y.where((matures <= until) | (y == 0))
        with pytest.raises(NotEnoughHistoryError, match="H404") as caught:
            small().fit(X, early, as_of=as_of, matures_at=matures, until=until)
        assert f"{int((early.notna() & (matures > until)).sum())} of " in str(caught.value)
        small().fit(X, y.where(matures <= until), as_of=as_of, matures_at=matures, until=until)
        with pytest.raises(NotEnoughHistoryError, match="H404"):
            small().fit(X, y, as_of=as_of, matures_at=matures.where(matures > matures.min()), until="2030-01-01")

    def test_the_order_of_rows_does_not_matter_when_moments_are_given(self, data):
        X, y, _, _ = data
        moments = pd.Series(np.arange(len(X)), index=X.index)
        mixed = X.sample(frac=1, random_state=1).index
        first = small().fit(X, y, as_of=moments)
        second = small().fit(X.loc[mixed], y.loc[mixed], as_of=moments.loc[mixed])
        assert first.to_files() == second.to_files()

    def test_without_moments_the_order_of_rows_is_the_order_of_time(self, data):
        X, y, _, _ = data
        by_order = small().fit(X, y)
        by_moment = small().fit(X, y, as_of=pd.Series(np.arange(len(X)), index=X.index))
        assert by_order.booster_.save_raw() == by_moment.booster_.save_raw()

    @given(st.lists(st.integers(0, 9), min_size=12, max_size=60), st.floats(0.01, 0.5))
    def test_rows_of_one_moment_are_never_parted(self, moments, share):
        y = np.tile([0, 1], len(moments))[: len(moments)]
        rows = learnable_rows(np.zeros((len(moments), 1)), y, as_of=moments)
        cut = later_from(rows, share)
        assert len(rows.late) / 2 <= cut
        assert cut == len(rows.late) or rows.times[cut - 1] < rows.times[cut]

    def test_one_single_moment_leaves_nothing_to_calibrate_on(self, data):
        X, y, _, _ = data
        fitted = small().fit(X, y, as_of=np.full(len(X), np.datetime64("2025-01-01")))
        assert fitted.training_summary_["earlier"]["rows"] == len(X)
        assert (fitted.calibrator_.slope, fitted.calibrator_.intercept) == (1.0, 0.0)
        assert any("not calibrated" in notice for notice in fitted.notices_)

    @pytest.mark.parametrize("kind", ["aware", "text", "date", "index"])
    def test_moments_may_come_in_any_form(self, data, kind):
        X, y, as_of, _ = data
        forms = {
            "aware": as_of.dt.tz_localize("UTC"),
            "text": as_of.dt.strftime("%Y-%m-%d"),
            "date": as_of.dt.date,
            "index": pd.DatetimeIndex(as_of),
        }
        fitted = small(n_estimators=5).fit(X, y, as_of=forms[kind])
        assert fitted.training_summary_["earlier"]["first_as_of"] == "2025-01-01"

    def test_a_missing_or_meaningless_moment_is_refused(self, data):
        X, y, as_of, _ = data
        for wrong in (as_of.where(as_of != as_of.iloc[7]), as_of.astype(str).replace("2025-01-01", "soon")):
            with pytest.raises(DataError, match="D191"):
                small().fit(X, y, as_of=wrong)


class TestBounds:
    def test_bounds_hold_the_probability_and_come_from_the_later_part(self, model, data):
        X, y, as_of, _ = data
        low, high = model.predict_interval(X).T
        p = model.predict_proba(X)[:, 1]
        assert ((low <= p) & (p <= high)).all()
        later = (as_of >= pd.Timestamp(model.training_summary_["later"]["first_as_of"])).to_numpy()
        earlier = small(calibration_share=0).fit(X[~later], y[~later], as_of=as_of[~later])
        steps = fit_venn_abers(earlier.margin(X[later]), y[later].to_numpy(dtype=float))
        plain_low, plain_high = steps.interval(model.margin(X))
        np.testing.assert_allclose(low, np.minimum(plain_low, p), atol=1e-12)
        np.testing.assert_allclose(high, np.maximum(plain_high, p), atol=1e-12)

    def test_without_a_later_part_nothing_bounds_a_probability(self, data):
        X, y, _, _ = data
        interval = small(n_estimators=3, calibration_share=0).fit(X, y).predict_interval(X[:5])
        assert interval.tolist() == [[0.0, 1.0]] * 5


class TestRecentred:
    def test_the_mean_probability_becomes_the_share_late_and_the_order_stays(self, model, data):
        X, y, _, _ = data
        worse = y.where(np.arange(len(y)) % 5 > 0, 1).mask(np.arange(len(y)) % 7 == 0)
        known = worse.notna().to_numpy()
        before = model.predict_proba(X)[:, 1]
        moved = model.recentred(X, worse)
        after = moved.predict_proba(X)[:, 1]
        assert after[known].mean() == pytest.approx(worse[known].mean(), abs=1e-9)
        shift = moved.training_summary_["recentred"]["shift"]
        np.testing.assert_allclose(logit(after) - logit(before), shift, atol=1e-9)
        assert moved.base_log_odds_ == pytest.approx(model.base_log_odds_ + shift)
        low, high = moved.predict_interval(X).T
        assert ((low <= after) & (after <= high)).all()
        np.testing.assert_array_equal(model.predict_proba(X)[:, 1], before)
        again = RiskModel.from_files(moved.to_files(), FEATURES)
        np.testing.assert_array_equal(again.predict_interval(X), moved.predict_interval(X))
        np.testing.assert_array_equal(again.predict_proba(X)[:, 1], after)

    def test_twice_moves_as_far_as_once(self, model, data):
        X, y, _, _ = data
        once = model.recentred(X, 1 - y)
        twice = model.recentred(X, y).recentred(X, 1 - y)
        assert twice.shift_ == pytest.approx(once.shift_, abs=1e-9)
        assert twice.calibrator_.intercept == pytest.approx(once.calibrator_.intercept, abs=1e-9)

    def test_other_labels_or_too_little_are_refused(self, model, data):
        X, y, _, _ = data
        with pytest.raises(DataError, match="D192"):
            model.recentred(X, y.map({0: "on time", 1: "late"}))
        with pytest.raises(NotEnoughHistoryError, match="H402"):
            model.recentred(X[:20], np.zeros(20, dtype=int))


class TestLabels:
    def test_rows_without_an_outcome_are_left_out_with_a_notice(self, data, caplog):
        X, y, as_of, groups = data
        unknown = y.mask(np.arange(len(y)) % 7 == 0)
        with caplog.at_level(logging.WARNING, "earlywarn"):
            fitted = small().fit(X, unknown, as_of=as_of, groups=groups)
        known = unknown.notna()
        without = small().fit(X[known], y[known], as_of=as_of[known], groups=groups[known])
        assert fitted.booster_.save_raw() == without.booster_.save_raw()
        assert fitted.notices_[0] == "286 of 2,000 rows have no known outcome and were left out."
        assert fitted.notices_[0] in caplog.text

    @pytest.mark.parametrize("form", ["Int8", "float64", "boolean", "object", "list", "bool"])
    def test_labels_may_come_in_any_form(self, data, form):
        X, y, _, _ = data
        forms = {
            "list": y.tolist(),
            "bool": y.astype(bool).to_numpy(),
            "object": y.astype(object).where(np.arange(len(y)) > 0, None),
        }
        fitted = small(n_estimators=5).fit(X, forms[form] if form in forms else y.astype(form))
        assert fitted.classes_.tolist() == [0, 1]
        assert fitted.training_summary_["events"] == int(y.sum())

    def test_labels_may_be_words(self, data):
        X, y, _, _ = data
        fitted = small(n_estimators=5).fit(X, y.map({0: "a: on time", 1: "b: late"}))
        assert set(fitted.predict(X)) <= {"a: on time", "b: late"}
        assert fitted.classes_[1] == "b: late"

    @pytest.mark.parametrize("label", [0, 1])
    def test_one_class_only_is_not_enough_history(self, data, label):
        X, _, _, _ = data
        with pytest.raises(NotEnoughHistoryError, match="one class") as caught:
            small().fit(X, np.full(len(X), label))
        assert caught.value.code == "H402"
        assert f"2,000 rows, all {label}" in str(caught.value)

    def test_too_few_rows_are_not_enough_history(self, data):
        X, y, _, _ = data
        nine, none = np.arange(len(y)) < 9, np.arange(len(y)) < 0
        for rows, few in ((X, y.where(nine)), (X, y.where(none)), (X[none], y[none])):
            with pytest.raises(NotEnoughHistoryError, match="class") as caught:
                small().fit(rows, few)
            assert caught.value.code == "H401"
            assert isinstance(caught.value, ValueError)

    def test_three_labels_are_refused(self, data):
        X, _, _, _ = data
        with pytest.raises(DataError, match="Only binary"):
            small().fit(X, np.arange(len(X)) % 3)

    def test_late_bills_only_in_the_later_part_still_train_but_uncalibrated(self, data):
        X, _, _, _ = data
        y = (np.arange(len(X)) > 0.9 * len(X)).astype(int)
        fitted = small(n_estimators=5).fit(X, y)
        assert fitted.training_summary_["earlier"]["rows"] == len(X)
        assert "not calibrated" in fitted.notices_[0]

    def test_labels_in_another_order_than_the_matrix_are_refused(self, data):
        X, y, as_of, _ = data
        with pytest.raises(DataError, match="D190"):
            small().fit(X, y.sample(frac=1, random_state=0))
        with pytest.raises(DataError, match="as_of"):
            small().fit(X, y, as_of=as_of.reset_index(drop=True))

    def test_weight_zero_is_an_absent_row(self, data):
        X, y, as_of, _ = data
        weight = (np.arange(len(X)) % 3 > 0).astype(float)
        kept = weight > 0
        weighted = small().fit(X, y, as_of=as_of, sample_weight=weight)
        without = small().fit(X[kept], y[kept], as_of=as_of[kept])
        assert weighted.booster_.save_raw() == without.booster_.save_raw()
        assert weighted.calibrator_ == without.calibrator_


class TestDirections:
    @pytest.mark.parametrize(("name", "sign"), [("late_share_12m", 1), ("late_share_3m", 1), ("tenure_days", -1)])
    def test_a_sweep_never_goes_against_the_direction(self, model, data, name, sign):
        X = data[0].iloc[:40]
        low, high = data[0][name].min(), data[0][name].max()
        swept = [
            model.predict_proba(X.assign(**{name: np.float32(value)}))[:, 1] for value in np.linspace(low, high, 25)
        ]
        steps = sign * np.diff(np.array(swept), axis=0)
        assert steps.min() >= 0
        assert steps.max() > 0

    def test_a_direction_on_categories_is_refused(self, data):
        X, y, _, _ = data
        wrong = FeatureSet([*FEATURES.drop("segment"), Feature("segment", "last(customers.segment)", risk="up")])
        with pytest.raises(FeatureError, match="categories have no direction: segment") as caught:
            RiskModel(wrong).fit(X, y)
        assert caught.value.code == "F282"

    def test_a_column_outside_the_catalogue_is_free(self, model):
        assert {column.name: column.direction for column in model.columns_} == {
            "late_share_12m": 1,
            "late_share_3m": 1,
            "tenure_days": -1,
            "segment": 0,
            "noise": 0,
        }

    def test_the_shipped_catalogue_is_used_when_none_is_given(self):
        name = next(feature.name for feature in FeatureSet.default() if feature.risk == "up")
        rng = np.random.default_rng(0)
        X = pd.DataFrame({name: rng.random(100)})
        fitted = RiskModel(n_estimators=2).fit(X, rng.integers(0, 2, 100))
        assert fitted.columns_[0].direction == 1
        assert fitted.features_ == FeatureSet.default()


class TestCategories:
    def test_codes_follow_the_smoothed_late_share_of_the_training_rows(self):
        column = pd.Series(["a"] * 50 + ["b"] * 50 + ["c"] * 5 + [None] * 20)
        late = np.r_[np.ones(40), np.zeros(10), np.zeros(45), np.ones(5), np.zeros(5), np.zeros(20)]
        codes = learn_codes(column, late, np.ones(125))
        base = 45 / 125
        share = {"a": (40 + 20 * base) / 70, "b": (5 + 20 * base) / 70, OTHER: (0 + 20 * base) / 25}
        assert codes.labels == tuple(sorted(share, key=share.get))
        assert "c" not in codes.labels

    @given(st.lists(st.sampled_from(["a", "b", "c", "never seen", None]), min_size=1))
    def test_encoding_is_a_lookup(self, values):
        labels = ("b", OTHER, "a")
        found = CategoryCodes(labels).encode(pd.Series(values, dtype=object))
        expected = [np.nan if value is None else labels.index(value if value in labels else OTHER) for value in values]
        np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))

    def test_the_same_category_has_one_code_whatever_its_type(self):
        codes = CategoryCodes(("2", OTHER, "1"))
        for column in (
            pd.Series(["1", "2", "3"]),
            pd.Series([1, 2, 3]),
            pd.Series([1.0, 2.0, 3.0]),
            pd.Series([1, 2, 3], dtype="Int64"),
            pd.Series(["1", "2", "3"]).astype("category"),
            pd.Series([1, 2, 3]).astype("category"),
            pd.Series(["1", "2", "3"], dtype="string"),
        ):
            assert codes.encode(column).tolist() == [2.0, 0.0, 1.0]
        assert category_text(True) == "True"

    def test_an_unseen_or_missing_category_never_crashes(self, model, data):
        X = data[0].iloc[:3].copy()
        X["segment"] = pd.Series(["martian", None, "b2c"], index=X.index, dtype=object)
        p = model.predict_proba(X)[:, 1]
        assert np.isfinite(p).all()
        assert model.reason_codes(X, top=None).query("feature == 'segment'")["text"].tolist()[0]
        columns = list(model.feature_names_in_)
        matrix = model.matrix(X)[:, columns.index("segment")]
        assert matrix[0] == model.categories_["segment"].index(OTHER)
        assert np.isnan(matrix[1])

    @pytest.mark.parametrize("form", ["category", "str", "object", "string"])
    def test_text_is_learned_in_every_form_pandas_has(self, data, model, form):
        X, y, as_of, groups = data
        other = small().fit(X.assign(segment=X["segment"].astype(form)), y, as_of=as_of, groups=groups)
        assert other.categories_ == model.categories_
        assert other.booster_.save_raw() == model.booster_.save_raw()

    def test_the_order_of_a_category_type_does_not_matter(self, model, data):
        X = data[0].head(50)
        turned = X.assign(segment=X["segment"].cat.reorder_categories(["b2g", "b2c", "b2b"]))
        np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(turned))

    def test_truth_values_and_nullable_numbers_are_numbers(self):
        rng = np.random.default_rng(0)
        X = pd.DataFrame({"flag": rng.random(200) < 0.5, "count": pd.array(rng.integers(0, 9, 200), "Int32")})
        X.loc[3, "count"] = pd.NA
        fitted = RiskModel(FEATURES, n_estimators=3).fit(X, X["flag"])
        assert fitted.categories_ == {}
        assert np.isnan(fitted.matrix(X)[3, 1])
        assert set(fitted.matrix(X)[:, 0]) == {0.0, 1.0}


class TestColumns:
    def test_columns_are_matched_by_name(self, model, data):
        X = data[0].head(20)
        np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X[X.columns[::-1]]))

    def test_missing_and_unexpected_columns_are_told_with_a_suggestion(self, model, data):
        X = data[0].rename(columns={"tenure_days": "tenure_day", "noise": "hum"})
        with pytest.raises(FeatureError) as caught:
            model.predict_proba(X)
        said = str(caught.value)
        assert "missing: tenure_days, noise; unexpected: tenure_day, hum" in said
        assert "did you mean 'tenure_days'?" in said
        assert caught.value.code == "F280"

    def test_one_column_too_many_is_told_with_what_to_do(self, model, data):
        with pytest.raises(FeatureError, match="feature_names_in_"):
            model.predict_proba(data[0].assign(extra=1.0))

    def test_twins_are_refused(self, data):
        X, y, _, _ = data
        with pytest.raises(FeatureError, match="same name: noise"):
            small().fit(pd.concat([X, X[["noise"]]], axis=1), y)

    @pytest.mark.parametrize(
        ("values", "code"),
        [("many", "F283"), (pd.Timestamp("2026-01-01"), "F283"), (np.inf, "F284"), (1e300, "F284")],
    )
    def test_what_is_no_number_is_refused_with_the_name_of_the_column(self, model, data, values, code):
        with pytest.raises(FeatureError, match="noise") as caught:
            model.predict_proba(data[0].head(3).assign(noise=values))
        assert caught.value.code == code

    def test_a_column_of_nothing_but_missing_values_is_fine(self, model, data):
        X = data[0].head(3)
        for empty in (None, np.nan, pd.NA):
            p = model.predict_proba(X.assign(noise=pd.Series([empty] * 3, index=X.index, dtype=object)))
            assert np.isfinite(p).all()

    def test_no_rows_give_no_rows(self, model, data):
        nobody = data[0].head(0)
        assert model.predict_proba(nobody).shape == (0, 2)
        assert model.shap_values(nobody).shape == (0, 5)
        assert len(model.reason_codes(nobody)) == 0

    def test_one_row_is_scored_as_among_many(self, model, data):
        X = data[0].head(30)
        alone = np.vstack([model.predict_proba(X.iloc[[at]]) for at in range(30)])
        np.testing.assert_array_equal(alone, model.predict_proba(X))

    def test_a_wrong_share_for_calibration_is_refused(self, data):
        X, y, _, _ = data
        with pytest.raises(EarlywarnError, match="calibration_share"):
            small(calibration_share=0.8).fit(X, y)


class TestReasons:
    def test_shap_values_and_the_expected_value_are_the_margin(self, model, data):
        X = data[0]
        values = model.shap_values(X)
        total = values.sum(axis=1) + model.expected_value_
        np.testing.assert_allclose(total, model.margin(X), atol=1e-5, rtol=0)
        raw = model.booster_.predict(xgb.DMatrix(model.matrix(X)), pred_contribs=True)
        np.testing.assert_allclose(values, raw[:, :-1], atol=1e-5)

    def test_shap_values_are_those_of_shap(self, model, data):
        shap = pytest.importorskip("shap")
        matrix = model.matrix(data[0].head(50))
        oracle = shap.TreeExplainer(model.booster_).shap_values(matrix)
        np.testing.assert_allclose(model.shap_values(data[0].head(50)), oracle, atol=1e-5)

    def test_contributions_add_up_to_the_log_odds_of_p_late(self, model, data):
        X = data[0].head(200)
        codes = model.reason_codes(X, top=None)
        total = codes.groupby("observation")["contribution"].sum() + model.base_log_odds_
        np.testing.assert_allclose(total.loc[X.index], logit(model.predict_proba(X)[:, 1]), atol=1e-9)
        np.testing.assert_allclose(total.loc[X.index], model.decision_function(X), atol=1e-9)
        assert codes.attrs["base_log_odds"] == model.base_log_odds_

    def test_additivity_survives_a_calibrator_that_does_something(self, data):
        X, y, as_of, groups = data
        grown = small(n_estimators=400, max_depth=6, learning_rate=0.3)
        fitted = grown.fit(X, y, as_of=as_of, groups=groups)
        assert 0 < fitted.calibrator_.slope < 0.8
        codes = fitted.reason_codes(X.head(50), top=None)
        total = codes.groupby("observation")["contribution"].sum() + fitted.base_log_odds_
        np.testing.assert_allclose(total, fitted.decision_function(X.head(50)), atol=1e-9)

    def test_only_what_raises_the_risk_is_a_reason(self, model, data):
        X = data[0]
        codes = model.reason_codes(X, top=3)
        assert (codes["contribution"] > 0).all()
        values = pd.DataFrame(model.shap_values(X), index=X.index, columns=X.columns)
        pushed = [values.at[row.observation, row.feature] for row in codes.itertuples()]
        assert min(pushed) > 0
        assert codes["rank"].max() == 3
        assert codes["observation"].isin(X.index).all()

    def test_families_come_from_the_catalogue(self, model, data):
        codes = model.reason_codes(data[0].head(5), top=None)
        assert set(codes["family"]) == {"history", "loyalty", "profile", "other"}

    def test_texts_are_in_the_language_asked_and_say_when_nothing_is_known(self, model, data):
        X = data[0].head(1).assign(late_share_12m=np.float32(0.8), late_share_3m=np.float32(0.8))
        said = model.reason_codes(X, language="nl")
        assert set(said.query("family == 'history'")["text"]) <= {"80% kwam te laat", "late_share_3m: 0,8"}
        unknown = model.reason_codes(X.assign(late_share_12m=np.nan, late_share_3m=np.nan), top=None)
        assert unknown.query("family == 'history'")["text"].tolist() == ["no invoice has fallen due yet"]

    def test_the_planted_cause_is_the_first_reason_of_the_riskiest(self, model, data):
        X = data[0]
        riskiest = X.iloc[np.argsort(-model.predict_proba(X)[:, 1])[:50]]
        first = model.reason_codes(riskiest, top=1)
        assert (first["family"] == "history").mean() > 0.9

    def test_contributions_that_do_not_add_up_are_an_error(self, model, data, monkeypatch):
        margins = treeshap.margins
        monkeypatch.setattr(treeshap, "margins", lambda *a, **k: margins(*a, **k) + 0.01)
        with pytest.raises(EarlywarnError, match="do not add up") as caught:
            model.shap_values(data[0].head(5))
        assert caught.value.code == "E030"

    def test_an_explanation_works_with_the_plots_of_shap(self, model, data):
        shap = pytest.importorskip("shap")
        pyplot = pytest.importorskip("matplotlib.pyplot")
        pyplot.switch_backend("Agg")
        explanation = model.explain(data[0].head(60))
        assert isinstance(explanation, shap.Explanation)
        assert explanation.feature_names == list(data[0].columns)
        assert explanation[0].display_data[3] in ("b2b", "b2c", "b2g")
        for draw, what in (
            (shap.plots.waterfall, explanation[0]),
            (shap.plots.bar, explanation),
            (shap.plots.beeswarm, explanation),
            (shap.plots.scatter, explanation[:, "tenure_days"]),
        ):
            draw(what, show=False)
            pyplot.close("all")


class TestFiles:
    def test_predictions_are_the_same_to_the_bit_after_a_round_trip(self, model, data):
        X = data[0]
        again = RiskModel.from_files(model.to_files(), FEATURES)
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(again.shap_values(X), model.shap_values(X))
        pd.testing.assert_frame_equal(again.reason_codes(X.head(9), top=None), model.reason_codes(X.head(9), top=None))
        assert again.to_files() == model.to_files()
        assert again.get_params() == model.get_params()
        for name in ("classes_", "feature_names_in_", "n_features_in_", "expected_value_", "categories_"):
            np.testing.assert_array_equal(getattr(again, name), getattr(model, name))

    def test_the_same_seed_gives_the_same_files_and_another_seed_others(self, model, data):
        X, y, as_of, groups = data
        again = small().fit(X, y, as_of=as_of, groups=groups)
        assert again.to_files() == model.to_files()
        other = small(random_state=1).fit(X, y, as_of=as_of, groups=groups)
        assert other.to_files()["booster.ubj"] != model.to_files()["booster.ubj"]

    def test_the_number_of_threads_changes_nothing(self, model, data):
        X, y, as_of, groups = data
        for n_jobs in (1, 2):
            one = small(n_jobs=n_jobs).fit(X, y, as_of=as_of, groups=groups)
            assert one.to_files() == model.to_files()

    def test_the_json_is_sorted_and_holds_no_time_and_no_path(self, model):
        files = model.to_files()
        assert sorted(files) == ["booster.ubj", "model.json"]
        stored = json.loads(files["model.json"])
        assert list(stored) == sorted(stored)
        text = files["model.json"].decode()
        assert "/" not in text
        assert str(pd.Timestamp.now().date()) not in text
        assert "features" not in stored["parameters"]

    def test_words_as_labels_and_a_matrix_without_names_survive(self, data):
        X, y, _, _ = data
        bare = RiskModel(n_estimators=5).fit(X[["noise"]].to_numpy(), np.where(y == 1, "late", "in time"))
        again = RiskModel.from_files(bare.to_files())
        assert not hasattr(again, "feature_names_in_")
        assert again.predict(X[["noise"]].to_numpy()).tolist() == bare.predict(X[["noise"]].to_numpy()).tolist()

    @pytest.mark.parametrize("missing", ["booster.ubj", "model.json"])
    def test_a_missing_file_is_refused(self, model, missing):
        rest = {name: content for name, content in model.to_files().items() if name != missing}
        with pytest.raises(BundleError, match=missing) as caught:
            RiskModel.from_files(rest, FEATURES)
        assert caught.value.code == "B520"

    def test_half_a_booster_is_refused(self, model):
        files = model.to_files()
        half = files | {"booster.ubj": files["booster.ubj"][: len(files["booster.ubj"]) // 2]}
        with pytest.raises(BundleError, match="B522"):
            RiskModel.from_files(half, FEATURES)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            (lambda stored: stored | {"format": 99}, "B521"),
            (lambda stored: [stored], "B521"),
            (lambda stored: {k: v for k, v in stored.items() if k != "columns"}, "B522"),
            (lambda stored: stored | {"parameters": {"n_trees": 3}}, "B522"),
        ],
    )
    def test_a_foreign_or_damaged_description_is_refused(self, model, change, code):
        files = model.to_files()
        changed = json.dumps(change(json.loads(files["model.json"]))).encode()
        with pytest.raises(BundleError) as caught:
            RiskModel.from_files(files | {"model.json": changed}, FEATURES)
        assert caught.value.code == code

    def test_what_is_not_json_is_refused(self, model):
        with pytest.raises(BundleError, match="not JSON"):
            RiskModel.from_files(model.to_files() | {"model.json": b"\x80pickle"}, FEATURES)


def test_many_threads_score_the_same(model, data):
    X = data[0]
    expected, found = model.predict_proba(X), []
    threads = [threading.Thread(target=lambda: found.append(model.predict_proba(X))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for p in found:
        np.testing.assert_array_equal(p, expected)


def test_scoring_and_reasons_load_neither_shap_nor_matplotlib(model, data, tmp_path):
    for name, content in model.to_files().items():
        (tmp_path / name).write_bytes(content)
    data[0].head(3).to_pickle(tmp_path / "X.pickle")
    program = f"""
import sys, pandas as pd, pathlib
folder = pathlib.Path({str(tmp_path)!r})
from earlywarn.risk.model import RiskModel
model = RiskModel.from_files({{p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".pickle"}})
X = pd.read_pickle(folder / "X.pickle")
model.predict_proba(X); model.reason_codes(X)
sys.exit(", ".join({{"shap", "matplotlib", "duckdb", "mlflow", "sqlalchemy"}} & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
