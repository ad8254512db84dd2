"""From a ledger to a Scorer in one step: the same as by hand, with shocks, newcomers, days and exposure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

import earlywarn as ew
from bills import invoice, ledger, payment
from earlywarn.errors import DataError, EarlywarnError
from earlywarn.outcomes import STAGES
from earlywarn.risk.newcomers import has_history
from earlywarn.risk.paydays import PayDays
from earlywarn.scorer import GROUPED_BY, groups_of
from earlywarn.scorer.waiting import exposure_of_waiting
from earlywarn.simulate import World

OUTCOME = ew.Outcome(grace_days=3, lead_days=7, stages=STAGES)
FEATURES = ew.FeatureSet.default().select("late_share_365d", "usage_*", "invoice_*")


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return World("telecom", 350, 12, 4, use={"spikes": 6.0}).live().tables()


@pytest.fixture(scope="module")
def books(tables: dict[str, pd.DataFrame]) -> ew.Ledger:
    return ew.Ledger.from_tables(**tables, until="2024-12-20")


@pytest.fixture(scope="module")
def scorer(books: ew.Ledger) -> ew.Scorer:
    return ew.train(FEATURES, OUTCOME, books, model=ew.RiskModel(n_estimators=40))


@pytest.fixture(scope="module")
def scores(scorer: ew.Scorer, books: ew.Ledger) -> pd.DataFrame:
    return scorer.score(books)


def test_it_is_what_one_would_do_by_hand(scorer: ew.Scorer, books: ew.Ledger) -> None:
    obs = OUTCOME.observations(books)
    resolved = OUTCOME.resolve(books, obs)
    X = FEATURES.compute(books, obs)
    model = ew.RiskModel(FEATURES, n_estimators=40).fit(
        X, resolved["late"], as_of=obs["as_of"], groups=obs["customer_id"], sample_weight=OUTCOME.weights(obs),
        matures_at=resolved["matures_at"], until=books.until, treated=OUTCOME.treated(books, obs),
    )  # fmt: skip
    assert scorer.model.to_files() == model.to_files()
    known = (obs["stage"] != "cycle").to_numpy()
    days = ew.PaymentDayModel(FEATURES).fit(
        X[known], OUTCOME.payment(books, obs[known]), sample_weight=OUTCOME.weights(obs)[known]
    )
    assert scorer.days_model is not None
    assert scorer.days_model.to_files() == days.to_files()


def test_the_same_data_and_seed_give_the_same_bundle_to_the_bit_and_it_scores_the_same(
    scorer: ew.Scorer, books: ew.Ledger, scores: pd.DataFrame, tmp_path: Path
) -> None:
    again = ew.train(FEATURES, OUTCOME, books, model=ew.RiskModel(n_estimators=40))
    one, other = scorer.save(tmp_path / "one"), again.save(tmp_path / "other")
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }
    loaded = ew.Scorer.load(one)
    assert loaded.notices == scorer.notices != ()
    pd.testing.assert_frame_equal(loaded.score(books), scores)
    pd.testing.assert_frame_equal(loaded.exposure(books), scorer.exposure(books))


def test_a_store_trains_the_same_scorer(tables: dict[str, pd.DataFrame], scorer: ew.Scorer, tmp_path: Path) -> None:
    store = ew.LedgerStore.write(tmp_path / "store", **tables, until="2024-12-20", buckets=3)
    stored = ew.train(FEATURES, OUTCOME, store, model=ew.RiskModel(n_estimators=40))
    assert stored.model_version == scorer.model_version


def test_a_shock_is_scored_for_running_periods_and_follows_the_label(
    scorer: ew.Scorer, books: ew.Ledger, scores: pd.DataFrame
) -> None:
    running = (scores["stage"] == "cycle") & (scores["status"] == "scored")
    assert scores.loc[running, "p_shock"].between(0, 1).all()
    assert scores.loc[~running, "p_shock"].isna().all()
    obs = OUTCOME.observations(books)
    obs = obs[obs["stage"] == "cycle"]
    label = OUTCOME.shock_label(books, obs)
    assert scorer.shock is not None
    p = scorer.shock.predict_proba(FEATURES.compute(books, obs))[:, 1]
    known = label.notna().to_numpy()
    assert abs(p[known].mean() - label[known].mean()) < 0.01
    assert p[(label == 1).to_numpy(dtype=bool, na_value=False)].mean() > 2 * p[known].mean()


def test_without_running_periods_there_is_no_model_of_shocks(books: ew.Ledger) -> None:
    plain = ew.train(FEATURES, ew.Outcome(), books, model=ew.RiskModel(n_estimators=5), days=False)
    assert plain.shock is None
    assert plain.days_model is None
    assert plain.score(books)["p_shock"].isna().all()
    with pytest.raises(EarlywarnError, match="E032"):
        plain.pay_days(books)


def test_a_scorer_is_moved_to_the_last_matured_month(scorer: ew.Scorer, books: ew.Ledger) -> None:
    moved = scorer.recentred(books)
    obs = OUTCOME.observations(books)
    resolved = OUTCOME.resolve(books, obs)
    month = resolved["matures_at"].between(books.until - pd.Timedelta("30D"), books.until) & resolved["late"].notna()
    weight = OUTCOME.weights(obs)[month]
    share = np.average(resolved.loc[month, "late"].to_numpy(dtype=float), weights=weight)
    assert np.average(moved.p_late(books, obs[month]), weights=weight) == pytest.approx(share, abs=1e-6)
    assert moved.model_version != scorer.model_version
    assert moved.days_model is scorer.days_model


def test_probabilities_of_observations_are_those_of_the_score(
    scorer: ew.Scorer, books: ew.Ledger, scores: pd.DataFrame
) -> None:
    standing = OUTCOME.standing(books, pd.Timestamp(scores.attrs["as_of"])).set_index("obligation_id", drop=False)
    scored = scores[scores["status"] == "scored"]
    found = scorer.p_late(books, standing.loc[scored["obligation_id"]])
    np.testing.assert_array_equal(found.to_numpy(), scored["p_late"].to_numpy())


# -- newcomers -------------------------------------------------------------------------------------------------


def test_who_has_a_past_is_told_from_what_had_matured(books: ew.Ledger) -> None:
    obs = OUTCOME.observations(books).sample(300, random_state=0)
    matured = ew.FeatureSet([ew.Feature("past", "count(maturities)")]).compute(books, obs)["past"]
    np.testing.assert_array_equal(has_history(books, obs), matured > 0)


def test_debtors_without_a_past_are_flagged_and_score_by_base_rate_where_the_model_saw_too_few(
    scorer: ew.Scorer, books: ew.Ledger, tmp_path: Path
) -> None:
    as_of = books.frame("invoices")["issued_on"].min() + pd.Timedelta(days=40)  # most have no past yet
    by_model = scorer.score(books, as_of)
    assert set(by_model["rests_on"].dropna()) == {"history", "newcomers"}
    assert (by_model["rests_on"].notna() == (by_model["status"] == "scored")).all()
    few = ew.Scorer(
        FEATURES, OUTCOME, scorer.model, scorer.policy,
        shock=scorer.shock, base_rates=scorer.base_rates, newcomers="base_rates",
    )  # fmt: skip
    few = ew.Scorer.load(few.save(tmp_path / "few"))
    by_rate = few.score(books, as_of)
    new = (by_rate["rests_on"] == "base_rate").to_numpy()
    assert (new == (by_model["rests_on"] == "newcomers").to_numpy()).all()
    pd.testing.assert_frame_equal(by_rate[~new], by_model[~new])
    asked = by_rate[new].assign(as_of=pd.Timestamp(as_of))
    assert scorer.base_rates is not None
    expected = scorer.base_rates.predict(groups_of(books, asked))
    np.testing.assert_array_equal(by_rate.loc[new, "p_late"], expected["rate"])
    np.testing.assert_array_equal(by_rate.loc[new, "p_high"], expected["high"])
    both = by_rate[by_rate["status"] == "scored"]
    codes = few.reasons(books, _under(both, by_rate), top=None, language="nl")
    assert codes["observation"].drop_duplicates().tolist() == both.index.tolist()
    of_new = codes[codes["observation"].isin(both.index[both["rests_on"] == "base_rate"])]
    assert of_new["text"].str.startswith("er is nog geen betaalgeschiedenis").all()
    np.testing.assert_allclose(of_new["contribution"], logit(both.loc[of_new["observation"], "p_late"]))
    plan = few.recommend(books, as_of, capacity={"calls": 5})
    assert plan["customer_id"].is_unique


def _under(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    rows = rows.copy()
    rows.attrs = scores.attrs
    return rows


def test_too_few_newcomers_leave_them_to_base_rates() -> None:
    rows = [
        (f"c{customer}", pd.Timestamp("2025-01-05") + pd.Timedelta(days=30 * month), (customer + month) % 4 == 0)
        for customer in range(40)
        for month in range(12)
    ]
    bills = [
        invoice(f"{who}-{at:%m}", f"{at:%Y-%m-%d}", f"{at + pd.Timedelta('14D'):%Y-%m-%d}", 20.0, customer_id=who)
        for who, at, _ in rows
    ]
    paid = [
        payment(f"p{who}-{at:%m}", f"{at + pd.Timedelta(days=25 if late else 9):%Y-%m-%d}", 20.0, customer_id=who,
                invoice_id=f"{who}-{at:%m}")
        for who, at, late in rows
    ]  # fmt: skip
    books = ledger(bills, paid, until="2026-02-01")
    features = ew.FeatureSet([ew.Feature("late_share_365d", "mean(maturities.late, days=365)", risk="up")])
    scorer = ew.train(features, ew.Outcome(), books, model=ew.RiskModel(n_estimators=5), days=False)
    assert scorer.newcomers == "base_rates"  # forty first bills, ten of them late
    assert GROUPED_BY == ("segment", "region", "campaign")


def test_base_rates_are_needed_where_they_are_to_score(scorer: ew.Scorer) -> None:
    with pytest.raises(EarlywarnError, match="E031"):
        ew.Scorer(FEATURES, OUTCOME, scorer.model, scorer.policy, newcomers="base_rates")


# -- exposure of waiting ---------------------------------------------------------------------------------------


def heavy(**more: Any) -> ew.Ledger:
    """Two debtors with a bill of 50 due on 15 July: one uses 150 a month by now, the other nothing more."""
    bills, use = [], []
    for who, costs in (("heavy", [50.0] * 5 + [50.0, 150.0]), ("light", [50.0] * 7)):
        for month, cost in enumerate(costs, start=1):
            first = pd.Timestamp(2026, month, 1)
            days = pd.date_range(first, first + pd.offsets.MonthEnd(0))
            use += [
                {"customer_id": who, "usage_id": f"{who}{day:%m%d}", "used_on": f"{day:%Y-%m-%d}", "quantity": 1.0,
                 "cost": round(cost / len(days), 2), "in_bundle": False}
                for day in days if day < pd.Timestamp("2026-07-16")
            ]  # fmt: skip
            if month < 7:
                bills.append(
                    invoice(f"{who}{month}", f"{days[-1] + pd.Timedelta('1D'):%Y-%m-%d}",
                            f"{days[-1] + pd.Timedelta('15D'):%Y-%m-%d}", 50.0, customer_id=who, kind="recurring",
                            period_from=f"{first:%Y-%m-%d}", period_to=f"{days[-1]:%Y-%m-%d}")
                )  # fmt: skip
    paid = [
        payment(f"p{row['invoice_id']}", row["due_on"], 50.0, customer_id=row["customer_id"],
                invoice_id=row["invoice_id"])
        for row in bills if row["due_on"] < "2026-07-01"
    ]  # fmt: skip
    contracts = [{"contract_id": who, "account_id": who, "customer_id": who, "starts_on": "2025-01-01",
                  "spending_limit": limit} for who, limit in (("heavy", 180.0), ("light", 500.0))]  # fmt: skip
    accounts = [{"account_id": who, "customer_id": who} for who in ("heavy", "light")]
    return ledger(bills, paid, usage=use, contracts=contracts, accounts=accounts, until="2026-07-16", **more)


@pytest.fixture(scope="module")
def waiting() -> pd.DataFrame:
    books, at = heavy(), pd.Timestamp("2026-07-16")
    obs = ew.Outcome().standing(books, at)
    assert obs["customer_id"].tolist() == ["heavy", "light"]
    fading = np.full((2, 61), 1 / 61)  # of each debt as much is paid every day
    days = PayDays(0, fading, obs["due_on"].to_numpy().astype("M8[D]").astype(np.int64), np.array([1, 1]))
    return exposure_of_waiting(books, obs, days, at, (0, 10, 30, 60))


def test_what_a_heavy_user_may_owe_grows_while_the_old_debt_falls(waiting: pd.DataFrame) -> None:
    one = waiting[waiting["customer_id"] == "heavy"]
    assert (np.diff(one["owed"]) < 0).all()
    assert (np.diff(one["exposure"]) > 0).all()
    assert one["over_limit"].tolist() == [False, False, True, True]
    other = waiting[waiting["customer_id"] == "light"]
    assert (one["use"].to_numpy()[1:] > 1.5 * other["use"].to_numpy()[1:]).all()
    assert not other["over_limit"].any()


def test_exposure_is_the_sum_of_its_parts_within_its_bounds(waiting: pd.DataFrame) -> None:
    for bound in ("", "_low", "_high"):
        parts = waiting[[f"{part}{bound}" for part in ("owed", "accrued", "use")]].sum(axis=1)
        np.testing.assert_allclose(waiting[f"exposure{bound}"], parts)
    for part in ("owed", "accrued", "use", "exposure"):
        assert (waiting[f"{part}_low"] <= waiting[part] + 1e-9).all()
        assert (waiting[part] <= waiting[f"{part}_high"] + 1e-9).all()
    np.testing.assert_allclose(waiting["owed"], 50 * (1 - (2 + np.tile([0, 10, 30, 60], 2)).clip(max=61) / 61))
    assert waiting["limit"].tolist() == [180.0] * 4 + [500.0] * 4
    assert waiting["date"].dt.strftime("%m-%d").tolist()[:4] == ["07-16", "07-26", "08-15", "09-14"]


def test_exposure_is_asked_for_days_to_come(scorer: ew.Scorer, books: ew.Ledger) -> None:
    with pytest.raises(DataError, match="D196"):
        scorer.exposure(books, after=(-1,))
    found = scorer.exposure(books, after=(0, 30))
    assert found.groupby("customer_id").size().eq(2).all()
    assert (found["exposure"] >= 0).all()
    alone = scorer.exposure(books, after=(0,))
    both = found[found["date"] == found["date"].min()].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, both)  # what is owed today does not depend on how far one looks
    obs, days = scorer.pay_days(books)
    assert len(obs) == len(days)
    assert days.p_late().max() <= 1
