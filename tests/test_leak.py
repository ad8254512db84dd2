"""The leakage audit: silent when all is well, and loud when observations or features know the future."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.errors import DataError, FeatureError
from earlywarn.features import leak
from earlywarn.features.build import compute
from earlywarn.features.definition import Feature
from earlywarn.features.leak import audit_leakage
from earlywarn.outcomes import STAGES, Outcome
from earlywarn.simulate import make_biller
from earlywarn.tables.ledger import Ledger
from laws_in_time import features_for
from strategies import Raw, ledgers
from tiers import law

FEATURES = [
    Feature("paid", "sum(payments.amount)"),
    Feature("late_share", "share(maturities.late == 1)"),
    Feature("kind", "invoice.kind"),
]


@pytest.fixture
def ledger() -> Ledger:
    """Six bills of two customers; the payments are booked late."""
    issued = pd.to_datetime([f"2026-0{month}-01" for month in (1, 2, 3)] * 2)
    invoices = pd.DataFrame(
        {
            "invoice_id": list("ABCDEF"),
            "customer_id": ["c"] * 3 + ["d"] * 3,
            "issued_on": issued,
            "due_on": issued + pd.Timedelta(days=20),
            "amount": 50.0,
            "known_at": issued + pd.Timedelta(days=2, hours=9),
        }
    )
    paid = invoices["due_on"] + pd.to_timedelta([0, 10, 0, 10, 10, 1], unit="D")
    payments = pd.DataFrame(
        {
            "payment_id": list("uvwxyz"),
            "customer_id": invoices["customer_id"],
            "paid_on": paid,
            "amount": 50.0,
            "invoice_id": list("ABCDEF"),
            "known_at": paid + pd.Timedelta(days=1),
        }
    )
    return Ledger.from_tables(invoices=invoices, payments=payments, until="2026-08-01")


def test_it_is_silent_on_observations_that_were_made_in_time(ledger: Ledger) -> None:
    obs = Outcome(lead_days=(14, 7, 0)).observations(ledger)
    assert len(obs) >= 12
    assert audit_leakage(FEATURES, ledger, obs, moments=100).empty


@law(raw=ledgers(), few=3, many=8)
def test_it_is_silent_on_random_billers(raw: Raw) -> None:
    ledger = raw.ledger()
    obs = Outcome(lead_days=(9, 2)).observations(ledger)
    found = audit_leakage(features_for(raw), ledger, obs, moments=4)
    assert found.empty, found.to_string()


def test_it_is_silent_on_nothing(ledger: Ledger) -> None:
    none = Outcome().observations(ledger).iloc[:0]
    found = audit_leakage(FEATURES, ledger, none)
    assert found.empty
    assert list(found.columns) == ["observation", "as_of", "what", "full", "cut"]


def test_it_reports_bills_that_were_picked_before_they_were_known(ledger: Ledger) -> None:
    """Bills that turned out late, looked at on the day of issue, when nobody knew of them yet."""
    late = ledger.frame("invoices")
    early = Outcome(lead_days=7).observations(ledger).copy()
    early["as_of"] = pd.to_datetime(late.set_index("invoice_id")["issued_on"].reindex(early["invoice_id"]).to_numpy())
    found = audit_leakage(FEATURES, ledger, early, moments=100)
    assert set(found.loc[found["what"] == "eligible", "observation"]) == set(early.index)


def test_it_reports_a_bill_that_was_paid_by_then(ledger: Ledger) -> None:
    obs = Outcome(lead_days=7).observations(ledger).head(1).copy()
    obs["as_of"] = pd.Timestamp("2026-07-01")
    assert audit_leakage([], ledger, obs)["what"].tolist() == ["eligible"]


def test_it_reports_an_amount_or_a_due_day_that_nobody_knew(ledger: Ledger) -> None:
    obs = Outcome(lead_days=7).observations(ledger).copy()
    obs.loc[0, "open_amount"] = 1.0
    obs.loc[1, "due_on"] = pd.Timestamp("2026-09-09")
    found = audit_leakage(FEATURES[:1], ledger, obs, moments=100)
    assert sorted(zip(found["observation"], found["what"], strict=True)) == [(0, "open_amount"), (1, "due_on")]


def test_it_reports_a_feature_that_sees_what_was_not_known(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def sees_a_month_ahead(features: Any, ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
        return compute(features, ledger, obs.assign(as_of=obs["as_of"] + pd.Timedelta(days=30)))

    monkeypatch.setattr(leak, "compute", sees_a_month_ahead)
    obs = Outcome(lead_days=(14, 7, 0)).observations(ledger)
    found = audit_leakage([Feature("bills", "sum(invoices.amount)")], ledger, obs, moments=100)
    assert set(found["what"]) == {"bills"}


# -- running periods, and the bills that bear their ids --------------------------------------------------------

CYCLES = Outcome(lead_days=7, stages=STAGES)


@pytest.fixture(scope="module")
def biller() -> Ledger:
    return Ledger.from_tables(**make_biller(customers=40, months=8, seed=1))


@pytest.fixture(scope="module")
def running(biller: Ledger) -> pd.DataFrame:
    return CYCLES.observations(biller)


@pytest.mark.parametrize("stages", [STAGES, ("cycle",), ("issued",)])
def test_it_is_silent_on_running_periods_seen_in_time(
    biller: Ledger, running: pd.DataFrame, stages: tuple[str, ...]
) -> None:
    obs = running[running["stage"].isin(stages)]
    found = audit_leakage([], biller, obs, moments=5)
    assert found.empty, found.to_string()


@pytest.mark.parametrize("stage", ["cycle", "issued"])
@pytest.mark.parametrize("column", ["amount", "due_on", "amount_high"])
def test_it_reports_what_nobody_knew_of_a_running_period_or_its_bill(
    biller: Ledger, running: pd.DataFrame, stage: str, column: str
) -> None:
    """Every row of a stage gets another value; nothing but the id says that it is about periods."""
    chosen = (running["stage"] == stage) & running["obligation_id"].str.startswith("cycle:")
    obs = running[chosen].copy()
    if column == "due_on":
        obs[column] += pd.Timedelta(days=3)
    else:
        obs[column] = 2 * obs["amount"] + 1.0
    found = audit_leakage([], biller, obs.drop(columns="stage"), moments=5)
    looked_at = obs[obs["as_of"].isin(found.attrs["moments"])]
    assert set(found.loc[found["what"] == column, "observation"]) == set(looked_at.index)


def test_it_reports_a_running_period_before_its_first_day(biller: Ledger, running: pd.DataFrame) -> None:
    obs = running[running["stage"] == "cycle"].copy()
    obs["as_of"] -= pd.Timedelta(days=60)
    found = audit_leakage([], biller, obs, moments=5)
    looked_at = obs[obs["as_of"].isin(found.attrs["moments"])]
    assert set(found.loc[found["what"] == "eligible", "observation"]) == set(looked_at.index)


@pytest.mark.parametrize("stages", [STAGES, ("cycle",)])
def test_it_reports_periods_that_were_kept_for_what_became_of_them(
    biller: Ledger, running: pd.DataFrame, stages: tuple[str, ...]
) -> None:
    obs = running[running["stage"].isin(stages)]
    late = CYCLES.label(biller, obs).to_numpy(dtype=np.float64, na_value=np.nan)
    found = audit_leakage([], biller, obs[late == 0], moments=30)
    assert any(found["full"].str.contains("kept was late"))
    by_place = obs[np.random.default_rng(0).random(len(obs)) < 0.5]
    assert audit_leakage([], biller, by_place, moments=6).empty


def test_what_is_no_ledger_no_feature_or_no_observation_is_refused_where_it_is_handed_over(tmp_path: Path) -> None:
    tables = ew.simulate.make_biller(customers=20, months=6, seed=0)
    ledger = ew.Ledger.from_tables(**tables)
    store = ew.LedgerStore.write(tmp_path / "store", **tables, buckets=2)
    obs = ew.Outcome(lead_days=7).observations(ledger)
    features = ew.FeatureSet([ew.Feature("invoices_count_90d", "count(invoices, days=90)")])
    for books in (store, tables, "folder"):
        with pytest.raises(DataError, match="D109"):
            ew.audit_leakage(features, books, obs)
        with pytest.raises(DataError, match="D109"):
            ew.backtest(features, ew.Outcome(lead_days=7), books)
    with pytest.raises(DataError, match="D109"):
        features.compute(tables, obs)
    with pytest.raises(FeatureError, match="F229"):
        ew.audit_leakage(["late_share_365d"], ledger, obs)
    with pytest.raises(FeatureError, match="F225"):
        ew.audit_leakage(features, ledger, obs[["customer_id"]])
    with pytest.raises(FeatureError, match="F224"):
        features.compute(ledger, obs, context="mine")


def test_a_ledger_without_a_country_says_that_holidays_are_missing() -> None:
    tables = ew.simulate.make_biller(customers=20, months=6, seed=0)
    features = ew.FeatureSet.default().select("due_holidays_count_now")
    for country, says in ((None, "states no country"), ("Atlantis", "known of 'Atlantis'"), ("BE", None)):
        ledger = ew.Ledger.from_tables(**tables, country=country)
        found = features.compute(ledger, ew.Outcome(lead_days=7).observations(ledger))
        assert found.isna().all(axis=None) == (says is not None)
        assert [says in notice for notice in found.attrs["notices"]] == ([True] if says else [])
