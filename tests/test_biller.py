"""The tables of a simulated biller: consistent days and money, and rows as billing systems hand them over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from earlywarn.dates import bank_calendar
from earlywarn.simulate import make_biller
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import TABLES

END = pd.Timestamp("2026-01-01")


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_biller()


@pytest.fixture(scope="module")
def bills(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Each bill with what was credited and paid; numbers of payments begin with that of their bill."""
    invoices, payments = tables["invoices"], tables["payments"]
    bills = invoices[invoices["kind"] != "credit_note"].set_index("invoice_id")
    credit = -invoices[invoices["kind"] == "credit_note"].set_index("corrects_id")["amount"]
    sign = payments["event"].map({"settled": 1, "returned": -1, "failed": 0, "initiated": 0})
    paid = (payments["amount"] * sign).groupby("R" + payments["payment_id"].str[1:-1]).sum()
    return bills.assign(credit=credit, paid=paid).fillna({"paid": 0, "credit": 0})


@pytest.mark.parametrize(("customers", "months", "start"), [(1, 3, "2024-07-01"), (300, 26, "2020-11-17")])
def test_every_size_and_start_gives_tables_without_a_fault(customers: int, months: int, start: str):
    tables = make_biller(customers=customers, months=months, start=start)
    end = np.datetime64(start, "M") + np.timedelta64(months, "M")
    ledger = Ledger.from_tables(**tables, until=str(end.astype("M8[D]")))
    assert ledger.faults.to_dict("records") == []
    assert ledger.notices == ()
    assert len(ledger.frame("customers")) == customers


def test_the_default_biller_has_no_fault_and_nothing_happens_after_its_end(tables):
    ledger = Ledger.from_tables(**tables, until=END)
    assert ledger.faults.to_dict("records") == []
    assert ledger.notices == ()
    for name, frame in tables.items():
        assert len(frame), name
        assert set(frame.columns) <= set(TABLES[name].columns), name
        time = "known_at" if name in ("schedule", "instalments", "invoice_lines") else TABLES[name].time
        if name not in ("customers", "accounts", "contracts"):
            assert (frame[time] < END).all(), name


def test_money_has_two_decimals_exactly(tables):
    columns = [("invoices", "amount"), ("payments", "amount"), ("usage", "cost"), ("instalments", "amount"),
               ("contracts", "fixed_fee"), ("schedule", "amount"), ("disputes", "amount"),
               ("invoice_lines", "amount")]  # fmt: skip
    for name, column in columns:
        amounts = tables[name][column]
        assert (amounts == amounts.map("{:.2f}".format).astype(float)).all(), name
    assert (tables["payments"]["amount"] > 0).all()


def test_a_bill_is_the_sum_of_its_lines_and_use_is_what_lay_above_the_allowance(tables, bills):
    lines = tables["invoice_lines"].pivot_table(index="invoice_id", columns="kind", values="amount", aggfunc="sum")
    lines = lines.reindex(bills.index).fillna(0)
    np.testing.assert_allclose(lines.sum(axis=1), bills["amount"], atol=1e-6)
    contracts, usage = tables["contracts"], tables["usage"]
    one = contracts.groupby("account_id").filter(lambda own: len(own) == 1 and own["ends_on"].isna().all())
    right = bills[~bills.index.isin(tables["disputes"]["invoice_id"])]
    own = right.reset_index().merge(one, on="account_id").head(400)
    assert (lines["use"].reindex(own["invoice_id"]) > 0).any()
    by_contract = dict(list(usage.groupby("contract_id")))
    for bill in own.itertuples():
        reads = by_contract.get(bill.contract_id, usage.head(0))
        inside = reads[reads["used_on"].between(bill.period_from, bill.period_to)]
        if len(inside) and inside["used_from"].min() >= bill.starts_on and bill.period_from >= bill.starts_on:
            above = max(0.0, inside["quantity"].sum() - bill.allowance)
            wrong = bill.amount > 1.4 * (lines.loc[bill.invoice_id, ["fee", "device", "discount"]].sum() + above)
            assert wrong or lines.loc[bill.invoice_id, "use"] == pytest.approx(above, abs=0.06)
            assert inside["cost"].sum() == pytest.approx(above, abs=0.06)


def test_days_follow_each_other(tables, bills):
    assert (bills["due_on"] - bills["issued_on"]).dt.days.between(14, 22).all()
    transfer = bills[bills["collect_by"] == "transfer"]
    day = transfer["account_id"].map(tables["accounts"].set_index("account_id")["due_day"])
    apart = (transfer["due_on"].dt.day - day).abs()
    assert apart.isin([0, 1, 2, 3, 28, 29, 30]).all()  # terms are days, so months of 29 to 31 days move the due day
    payments = tables["payments"].dropna(subset=["invoice_id"])
    issued = bills["issued_on"].reindex(payments["invoice_id"]).to_numpy()
    assert (payments["paid_on"] >= issued).all()
    for events in ("disputes", "invoice_events", "contacts"):
        frame = tables[events].dropna(subset=["invoice_id"])
        assert (frame[TABLES[events].time] >= bills["issued_on"].reindex(frame["invoice_id"]).to_numpy()).all(), events
    disputes = tables["disputes"].dropna(subset=["closed_on"])
    assert (disputes["closed_on"] >= disputes["opened_on"]).all()
    assert disputes["upheld"].notna().all()
    assert (tables["regions"]["published_on"].dt.day.between(14, 18)).all()


def test_collections_come_back_within_five_bank_days_with_a_code(tables):
    debits = tables["payments"].query("method == 'direct_debit'")
    booked = debits[debits["event"] == "settled"].set_index("payment_id")["paid_on"]
    back = debits[debits["event"] == "returned"]
    since = booked.reindex(back["payment_id"]).to_numpy().astype("M8[D]")
    days = np.busday_count(since, back["paid_on"].to_numpy().astype("M8[D]"), busdaycal=bank_calendar())
    assert set(days) <= {1, 2, 3, 4, 5}
    assert set(back["reason_code"]) == {"AM04", "MS03", "MS02", "MD01", "AC04"}
    assert debits.loc[~debits["event"].isin(["returned", "failed"]), "reason_code"].isna().all()


def test_what_is_paid_never_exceeds_the_bill(bills):
    owed = bills[bills["amount"] > 0]
    left = (owed["amount"] - owed["credit"] - owed["paid"]).round(2)
    collected_first = owed["credit"] > 0  # what is credited after a collection stays as credit
    assert left[~collected_first].min() >= 0
    assert (left[owed["due_on"] < "2025-03-01"] <= 0).mean() > 0.97


def test_instalments_add_up_to_what_is_owed(tables, bills):
    total = tables["instalments"].groupby("arrangement_id")["amount"].sum()
    arranged = tables["arrangements"].set_index("arrangement_id")
    own = bills.reindex(arranged["invoice_ids"])
    clean = (own["credit"] == 0).to_numpy()
    np.testing.assert_allclose(total.reindex(arranged.index)[clean], own["amount"][clean], atol=1e-9)
    assert {"postponement", "instalments"} == set(arranged["kind"])
    assert {"kept", "broken"} == set(arranged["ended_as"].dropna())


def test_every_kind_of_event_occurs(tables):
    payments = tables["payments"]
    assert set(payments["event"]) == {"initiated", "settled", "returned", "failed"}
    assert set(payments["kind"]) == {"payment", "write_off"}
    assert set(payments["method"].dropna()) == {"direct_debit", "transfer", "card"}
    assert payments["invoice_id"].isna().mean() > 0.02
    assert set(tables["invoice_events"]["event"]) == {"sent", "delivered", "bounced", "viewed"}
    assert set(tables["contacts"]["purpose"]) == {"service", "reminder", "collection"}
    assert (tables["invoices"]["kind"] == "credit_note").any()
    assert (tables["schedule"]["expected_due_on"] >= END).all()


@pytest.mark.parametrize("preset", ["telecom", pytest.param("energy", marks=pytest.mark.slow)])
def test_a_dirty_biller_is_the_clean_one_with_five_faults_that_are_listed(preset: str):
    clean, dirty = (make_biller(customers=100, months=6, preset=preset, dirty=flag) for flag in (False, True))
    assert len(dirty["invoices"]) == len(clean["invoices"]) + 4
    assert len(dirty["payments"]) == len(clean["payments"]) + 1
    ledger = Ledger.from_tables(**dirty, until="2025-01-01")
    found = ledger.faults.set_index("code")
    assert sorted(found.index) == ["D104", "D131", "D132", "D139", "D151"]
    assert found.loc["D131", "value"] == "twelve"
    assert len(ledger.frame("invoices")) == len(clean["invoices"])
