"""The day of payment agrees with the world's own record, and with the label."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import earlywarn as ew
from bills import invoice, ledger, payment
from earlywarn.simulate import World

BILL = invoice("A", "2026-03-01", "2026-03-16", 100)


def paid(books: ew.Ledger, lead: int = 7) -> dict[str, Any]:
    """What became of the one observation of a small ledger."""
    outcome = ew.Outcome(lead_days=lead)
    rows = outcome.payment(books, outcome.observations(books))
    assert len(rows) == 1
    row = rows.iloc[0]
    day = None if pd.isna(row["paid_on"]) else f"{row['paid_on']:%m-%d}"
    return {"paid": day, "seen": f"{row['seen_until']:%m-%d}", "reason": row["reason"]}


@pytest.mark.parametrize("preset", ["telecom", "energy", "bank", "wholesale"])
def test_the_day_is_that_of_the_world_s_own_record_and_says_what_the_label_says(preset: str) -> None:
    world = World(preset, 120, 10, 3)
    life = world.live()
    books = ew.Ledger.from_tables(**life.tables(), currency="EUR", until=str(world.span.dates(world.span.end)))
    outcome = ew.Outcome(lead_days=(7, 3))
    obs = outcome.observations(books)
    found, resolved = outcome.payment(books, obs), outcome.resolve(books, obs)
    known = resolved["late"].notna() & found["reason"].isna()
    in_time = found["paid_on"] <= resolved["closes_at"]
    assert (in_time[known] == (resolved["late"][known] == 0)).all()
    record = life.truth().set_index("invoice_id")["paid_on"].reindex(obs["invoice_id"]).set_axis(obs.index)
    billed = obs["invoice_id"].notna() & record.notna() & (record <= found["seen_until"])
    same = found["paid_on"][billed] == record[billed]
    # in energy a settlement in the customer's favour may pay a bill before the customer does
    assert same.all() if preset != "energy" else (found["paid_on"] <= record)[billed].all()
    assert same.mean() > 0.99
    assert billed.sum() > 500


@pytest.mark.parametrize("cut", ["2025-01-14", "2025-02-03"])
def test_a_ledger_that_ends_earlier_tells_the_same_up_to_its_end(cut: str) -> None:
    books = ew.Ledger.from_tables(**World("telecom", 120, 10, 3).live().tables(), until="2025-05-01")
    outcome = ew.Outcome(lead_days=7)
    early = books.known_before(cut)
    obs = outcome.observations(early, end=pd.Timestamp(cut) - pd.Timedelta("1D"))
    known, later = outcome.payment(early, obs), outcome.payment(books, obs)
    sure = known["seen_until"].max()
    assert pd.Timestamp(cut) - pd.Timedelta("6D") < sure < pd.Timestamp(cut)
    # a collection that may still come back ends what is seen on the day before it
    seen = later["paid_on"].where(later["paid_on"] <= known["seen_until"])
    pd.testing.assert_series_equal(known["paid_on"], seen)
    assert known["paid_on"].isna().sum() > 20
    assert (known["seen_until"] < sure).any()


def test_parts_pay_when_no_more_than_the_tolerance_is_left() -> None:
    parts = [payment("p", "2026-03-10", 60), payment("q", "2026-03-20", 39.5), payment("r", "2026-03-25", 0.5)]
    assert paid(ledger([BILL], parts, until="2026-06-01"))["paid"] == "03-20"
    assert paid(ledger([BILL], parts[:1], until="2026-06-01"))["paid"] is None


def test_a_collection_that_came_back_has_not_paid_and_one_that_may_come_back_is_not_known() -> None:
    debit = payment("p", "2026-03-16", 100, method="direct_debit")
    back = {**debit, "event": "returned", "paid_on": "2026-03-19", "reason_code": "AM04"}
    again = payment("q", "2026-04-02", 100)
    assert paid(ledger([BILL], [debit, back, again], until="2026-06-01"))["paid"] == "04-02"
    assert paid(ledger([BILL], [debit], until="2026-06-01"))["paid"] == "03-16"
    early = paid(ledger([BILL], [debit], until="2026-03-18"))
    assert (early["paid"], early["seen"]) == (None, "03-15")


def test_any_of_the_collections_that_paid_a_bill_may_still_come_back() -> None:
    parts = [payment("p", "2026-03-16", 60, method="direct_debit"), payment("q", "2026-03-17", 40)]
    assert paid(ledger([BILL], parts, until="2026-03-20"))["paid"] is None
    assert paid(ledger([BILL], parts, until="2026-04-20"))["paid"] == "03-17"


def test_what_is_collected_is_seen_as_far_whether_or_not_it_was_paid() -> None:
    bills = [
        {**BILL, "collect_by": "direct_debit"},
        invoice("B", "2026-03-01", "2026-03-16", 50, collect_by="direct_debit"),
    ]
    books = ledger(bills, [payment("p", "2026-03-16", 100, method="direct_debit")], until="2026-03-20")
    outcome = ew.Outcome(lead_days=7)
    rows = outcome.payment(books, outcome.observations(books))
    assert rows["paid_on"].isna().all()
    assert rows["seen_until"].nunique() == 1
    assert rows["seen_until"].iloc[0] < pd.Timestamp("2026-03-16")


def test_what_is_taken_away_later_is_at_risk_until_then() -> None:
    late = paid(ledger([{**BILL, "withdrawn_on": "2026-04-10"}], until="2026-06-01"))
    assert (late["paid"], late["seen"]) == (None, "04-09")
    assert pd.isna(late["reason"])
    credit = invoice("K", "2026-04-20", "2026-04-20", -100, corrects_id="A", kind="credit_note")
    rows = ledger([BILL, credit], until="2026-06-01")
    outcome = ew.Outcome(lead_days=7)
    found = outcome.payment(rows, outcome.observations(rows)).iloc[0]
    assert pd.isna(found["paid_on"])
    assert found["seen_until"] < pd.Timestamp("2026-04-21")


@pytest.mark.parametrize("lag", [0, 1, 10, 15])
def test_what_is_seen_is_known_at_the_end_and_the_next_day_is_not(lag: int) -> None:
    """Held against the moment at which the ledger itself comes to know of a payment of that day."""
    last = pd.Timestamp("2026-05-29")
    seen = pd.Timestamp(f"2026-{paid(ledger([BILL], until=last, lags={'payments': lag}))['seen']}")
    for day, known in ((seen, True), (seen + pd.Timedelta("1D"), False)):
        books = ledger([BILL], [payment("p", f"{day:%Y-%m-%d}", 1)], until="2026-12-01", lags={"payments": lag})
        assert (books.facts("payments").known_at[0] <= books.known_before(last).until_us) == known


def test_what_is_seen_ends_where_payments_are_still_on_their_way() -> None:
    assert paid(ledger([BILL], until="2026-03-20"))["seen"] == "03-18"  # a Friday at 00:00: Thursday's are not known
    assert paid(ledger([BILL], until="2026-03-23"))["seen"] == "03-19"  # a Monday: Friday's come with Monday


def test_what_is_withdrawn_was_not_to_be_paid() -> None:
    found = paid(ledger([{**BILL, "withdrawn_on": "2026-03-12"}], until="2026-06-01"))
    assert (found["paid"], found["reason"]) == (None, "withdrawn")


def test_an_instalment_is_paid_when_the_money_covers_all_up_to_it() -> None:
    agreed = {"arrangement_id": "r", "customer_id": "c", "agreed_on": "2026-03-20"}
    parts = [{"arrangement_id": "r", "number": n, "due_on": f"2026-0{3 + n}-10", "amount": 50.0} for n in (1, 2)]
    money = [payment("p", "2026-04-08", 30), payment("q", "2026-04-12", 30), payment("s", "2026-05-20", 40)]
    books = ledger([BILL], money, arrangements=[agreed], instalments=parts, until="2026-08-01")
    outcome = ew.Outcome(lead_days=7)
    obs = outcome.observations(books)
    own = obs["obligation_id"].str.startswith("instalment")
    days = outcome.payment(books, obs)["paid_on"][own]
    assert [f"{day:%m-%d}" for day in days] == ["04-12", "05-20"]


def test_a_store_says_what_one_ledger_says(tmp_path: Any) -> None:
    tables = World("telecom", 40, 6, 1).live().tables()
    books = ew.Ledger.from_tables(**tables, until="2025-01-01")
    store = ew.LedgerStore.write(tmp_path / "store", **tables, until="2025-01-01", buckets=3)
    outcome = ew.Outcome(lead_days=7)
    obs = outcome.observations(books)
    pd.testing.assert_frame_equal(outcome.payment(store, obs), outcome.payment(books, obs))
