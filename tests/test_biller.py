"""The generated biller: equal seeds, consistent days and money, causes that can be found again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from earlywarn.datasets import make_biller
from earlywarn.errors import DataError
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import TABLES

END = pd.Timestamp("2026-01-01")


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make_biller()


def bills_of(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Each bill with what was paid for it by due + 3; numbers of payments begin with that of their bill."""
    invoices, payments = tables["invoices"], tables["payments"]
    bills = invoices[invoices["kind"] == "recurring"].set_index("invoice_id")
    credit = invoices[invoices["kind"] == "credit_note"].set_index("corrects_id")["amount"]
    money = payments.assign(bill="R" + payments["payment_id"].str[1:7])
    sign = money["event"].map({"settled": 1, "returned": -1, "refunded": -1, "initiated": 0})
    money["net"] = money["amount"] * sign
    close = bills["due_on"].reindex(money["bill"]).to_numpy() + pd.Timedelta(days=3)
    in_time = (money["paid_on"] <= close) & (money["kind"] == "payment") | (money["event"] == "returned")
    bills["paid"] = money.groupby("bill")["net"].sum()
    bills["paid_in_time"] = money[in_time].groupby("bill")["net"].sum()
    bills["credit"] = -credit
    return bills.fillna({"paid": 0, "paid_in_time": 0, "credit": 0})


@pytest.fixture(scope="module")
def bills(tables) -> pd.DataFrame:
    return bills_of(tables)


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_equal_seeds_give_equal_tables(seed: int):
    first, again = (make_biller(customers=60, months=5, seed=seed) for _ in range(2))
    assert first.keys() == again.keys()
    for name, frame in first.items():
        pd.testing.assert_frame_equal(frame, again[name])


def test_another_seed_gives_other_tables():
    first, other = (make_biller(customers=60, months=5, seed=seed)["payments"] for seed in (0, 1))
    assert not first.equals(other)


@pytest.mark.parametrize(("customers", "months", "start"), [(20, 3, "2024-07-01"), (300, 26, "2020-11-17")])
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
        time = "known_at" if name in ("schedule", "instalments") else TABLES[name].time
        if name not in ("customers", "accounts", "contracts"):
            assert (frame[time] < END).all(), name


def test_a_biller_that_is_too_small_is_refused():
    with pytest.raises(DataError, match="at least 20 customers") as caught:
        make_biller(customers=5)
    assert caught.value.code == "D182"


def test_money_has_two_decimals_exactly(tables):
    columns = [("invoices", "amount"), ("payments", "amount"), ("usage", "cost"), ("instalments", "amount"),
               ("contracts", "fixed_fee"), ("schedule", "amount"), ("disputes", "amount")]  # fmt: skip
    for name, column in columns:
        amounts = tables[name][column]
        assert (amounts == amounts.map("{:.2f}".format).astype(float)).all(), name
    assert (tables["payments"]["amount"] > 0).all()


def test_a_bill_is_the_fixed_fees_and_the_use_above_the_allowance(tables):
    contracts, usage = tables["contracts"], tables["usage"]
    one = contracts.groupby("account_id").filter(lambda own: len(own) == 1 and own["ends_on"].isna().all())
    invoices = tables["invoices"].query("kind == 'recurring'").merge(one, on="account_id").head(400)
    assert invoices["amount"].gt(invoices["fixed_fee"]).any()
    by_contract = dict(list(usage.groupby("contract_id")))
    for bill in invoices.itertuples():
        own = by_contract.get(bill.contract_id, usage.head(0))
        inside = own[own["used_on"].between(bill.period_from, bill.period_to)]
        above = inside["cost"].sum()
        assert round(bill.amount - bill.fixed_fee - above, 2) == 0
        price = {"mobile": 1.0, "internet": 0.4, "voice": 0.12}[bill.product]
        assert above == pytest.approx(price * max(0, inside["quantity"].sum() - bill.allowance), abs=0.05)


def test_days_follow_each_other(tables, bills):
    assert (bills["due_on"] - bills["issued_on"]).dt.days.between(14, 21).all()
    assert (bills["due_on"].dt.day == bills["account_id"].map(
        tables["accounts"].set_index("account_id")["due_day"])).all()  # fmt: skip
    payments = tables["payments"].dropna(subset=["invoice_id"])
    issued = bills["issued_on"].reindex(payments["invoice_id"]).to_numpy()
    assert (payments["paid_on"] >= issued).all()
    for events in ("disputes", "invoice_events", "contacts"):
        frame = tables[events]
        when = frame[TABLES[events].time]
        assert (when >= bills["issued_on"].reindex(frame["invoice_id"]).to_numpy()).all(), events
    disputes = tables["disputes"].dropna(subset=["closed_on"])
    assert (disputes["closed_on"] >= disputes["opened_on"]).all()
    assert disputes["upheld"].notna().all()
    assert (bills["withdrawn_on"].dropna() > bills.loc[bills["withdrawn_on"].notna(), "issued_on"]).all()
    assert (tables["regions"]["published_on"].dt.day.between(14, 18)).all()


def test_collections_come_back_within_five_bank_days_with_a_code(tables):
    debits = tables["payments"].query("method == 'direct_debit'")
    booked = debits[debits["event"] == "settled"].set_index("payment_id")["paid_on"]
    back = debits[debits["event"] == "returned"]
    days = (back["paid_on"] - booked.reindex(back["payment_id"]).to_numpy()).dt.days
    assert days.between(1, 12).all()
    assert set(back["reason_code"]) == {"AM04", "MS03", "MD01", "AC04"}
    assert debits.loc[debits["event"] != "returned", "reason_code"].isna().all()


def test_what_is_paid_never_exceeds_the_bill_but_by_rounding_up(tables, bills):
    left = (bills["amount"] - bills["credit"] - bills["paid"]).round(2)
    twice = tables["payments"].groupby("payment_id")["event"].agg(set)
    twice = twice[twice.index.str.endswith("-again")]
    held = {"R" + payment[1:7] for payment, events in twice.items() if "refunded" not in events}
    assert 0 < len(twice) < 200
    assert left[~left.index.isin(held)].min() >= -10
    assert (left < 0).mean() < 0.01
    assert (left[bills["due_on"] < "2025-05-01"] == 0).mean() > 0.97


def test_instalments_add_up_to_what_is_owed(tables, bills):
    total = tables["instalments"].groupby("arrangement_id")["amount"].sum()
    arranged = tables["arrangements"].set_index("arrangement_id")
    owed = bills["amount"].reindex(arranged["invoice_ids"]).to_numpy()
    np.testing.assert_allclose(total.reindex(arranged.index), owed, atol=1e-9)
    assert {"postponement", "instalments"} == set(arranged["kind"])
    assert {"kept", "broken"} == set(arranged["ended_as"].dropna())


def test_every_kind_of_event_occurs(tables):
    payments = tables["payments"]
    assert set(payments["event"]) == {"initiated", "settled", "returned", "refunded"}
    assert set(payments["kind"]) == {"payment", "write_off"}
    assert payments["invoice_id"].isna().mean() > 0.02
    assert set(tables["invoice_events"]["event"]) == {"sent", "delivered", "bounced", "viewed"}
    assert set(tables["contacts"]["purpose"]) == {"service", "reminder", "collection"}
    assert tables["invoices"]["withdrawn_on"].notna().any()
    assert (tables["invoices"]["kind"] == "credit_note").any()
    assert (tables["schedule"]["expected_due_on"] >= END).all()


def late_among(bills: pd.DataFrame) -> pd.Series:
    known = bills[(bills["due_on"] < "2025-12-20") & bills["withdrawn_on"].isna()]
    still = known["amount"] - known["credit"] - known["paid_in_time"]
    return (still > np.maximum(1, 0.01 * known["amount"])).astype(float)


@pytest.mark.parametrize("seed", [0, 7, 99])
def test_between_8_and_15_percent_of_bills_are_late(bills, seed: int):
    own = bills if seed == 0 else bills_of(make_biller(customers=600, seed=seed))
    assert 0.08 < late_among(own).mean() < 0.15


def test_the_causes_of_late_payment_can_be_found_again(tables, bills):
    late = late_among(bills)
    known = bills.loc[late.index]
    usual = known.groupby("customer_id")["amount"].transform("median")
    assert late[known["amount"] > 1.6 * usual].mean() > 2 * late[known["amount"] < 1.1 * usual].mean()

    people = tables["customers"].set_index("customer_id")
    by_region = late.groupby(known["customer_id"].map(people["region"])).mean()
    figures = tables["regions"].groupby("region")["value"].mean().reindex(by_region.index)
    assert by_region.corr(figures, method="spearman") > 0.3

    own = late.groupby(known["customer_id"])
    past = (own.cumsum() - late) / own.cumcount().clip(lower=1)
    old = own.cumcount() >= 6
    assert late[old & (past > 0.3)].mean() > 3 * late[old & (past == 0)].mean()

    events = tables["invoice_events"]
    bounced = late.index.isin(events.loc[events["event"] == "bounced", "invoice_id"])
    assert late[bounced].mean() > late[~bounced].mean()


def test_a_dirty_biller_is_the_clean_one_with_five_faults_that_are_listed():
    clean, dirty = (make_biller(customers=100, months=6, dirty=flag) for flag in (False, True))
    assert len(dirty["invoices"]) == len(clean["invoices"]) + 4
    assert len(dirty["payments"]) == len(clean["payments"]) + 1
    ledger = Ledger.from_tables(**dirty, until="2025-01-01")
    found = ledger.faults.set_index("code")
    assert sorted(found.index) == ["D104", "D131", "D132", "D139", "D151"]
    assert found.loc["D131", "value"] == "twelve"
    assert len(ledger.frame("invoices")) == len(clean["invoices"])
