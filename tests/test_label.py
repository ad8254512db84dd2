"""Labels worked by hand: two clocks, collections over holidays, disputes, withdrawals, arrangements, plans."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from bills import invoice, ledger, payment
from earlywarn.outcomes import Outcome
from test_settlement import books_of, histories
from tiers import law

A = invoice("A", "2026-03-01", "2026-03-16", 100)  # due on a Monday
FAR = "2026-12-31"


def outcomes(books: Any, *, grace_days: int = 3, lead_days: Any = 7) -> pd.DataFrame:
    """Observations with their label and its ground."""
    outcome = Outcome(grace_days, lead_days)
    obs = outcome.observations(books)
    return obs.join(outcome.resolve(books, obs)[["late", "reason", "closes_at", "open_at_close"]])


def label(rows: list[dict[str, Any]], *, grace_days: int = 3, **options: Any) -> Any:
    """The label of invoice A under these payments; the reason where there is none."""
    books = ledger(options.pop("invoices", [A]), rows, **{"until": FAR, **options})
    found = outcomes(books, grace_days=grace_days)
    ((late, reason),) = found.loc[found["invoice_id"] == "A", ["late", "reason"]].to_numpy().tolist()
    return reason if late is pd.NA else late


# -- grace ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid_on", "late"),
    [("2026-03-12", 0), ("2026-03-16", 0), ("2026-03-19", 0), ("2026-03-19T23:00", 0), ("2026-03-20", 1)],
)
def test_paid_up_to_the_close_of_due_plus_grace_is_on_time(paid_on: str, late: int):
    assert label([payment("p", paid_on, 100)]) == late


def test_without_grace_the_close_of_the_due_day_decides():
    assert label([payment("p", "2026-03-16", 100)], grace_days=0) == 0
    assert label([payment("p", "2026-03-17", 100)], grace_days=0) == 1


def test_never_paid_is_late():
    assert label([]) == 1


def test_the_value_date_decides_not_the_day_of_booking():
    assert label([payment("p", "2026-03-23", 100, value_on="2026-03-19")]) == 0
    assert label([payment("p", "2026-03-18", 100, value_on="2026-03-20")]) == 1


@pytest.mark.parametrize(
    ("amount", "paid", "late"), [(100, 99.0, 0), (100, 98.99, 1), (500, 495.0, 0), (500, 494.99, 1)]
)
def test_one_unit_or_one_percent_may_stay_open(amount: float, paid: float, late: int):
    assert label([payment("p", "2026-03-10", paid)], invoices=[{**A, "amount": amount}]) == late


def test_a_part_paid_is_late():
    assert label([payment("p", "2026-03-10", 50), payment("q", "2026-03-25", 50)]) == 1


def test_a_write_off_pays_nothing():
    assert label([payment("w", "2026-03-17", 100, kind="write_off", invoice_id="A")]) == 1


# -- maturity ---------------------------------------------------------------------------------------------


def test_an_outcome_is_known_once_the_payments_of_the_last_day_are():
    # due Monday 16 + 3 days is Thursday 19, whose money is known at the close of Friday 20
    books = ledger([A], [], until="2026-03-31")
    (row,) = outcomes(books).to_dict("records")
    assert row["matures_at"] == pd.Timestamp("2026-03-20T23:59:59.999999")
    assert label([], until="2026-03-20T23:59:59") == "not mature"
    assert label([], until="2026-03-21") == 1


def test_without_a_lag_of_payments_the_close_itself_is_maturity():
    books = ledger([A], [], until="2026-03-31", lags={"payments": 0})
    assert outcomes(books)["matures_at"].tolist() == [pd.Timestamp("2026-03-19T23:59:59.999999")]


# TARGET is closed on Good Friday 3 and Easter Monday 6 April 2026, and on 25 and 26 December 2025 and 1 January 2026
RETURNS = [
    ("2026-04-01", ["2026-04-02", "2026-04-07", "2026-04-08", "2026-04-09", "2026-04-10"]),
    ("2026-04-04", ["2026-04-08", "2026-04-09", "2026-04-10", "2026-04-13", "2026-04-14"]),  # due on a Saturday
    ("2025-12-22", ["2025-12-23", "2025-12-24", "2025-12-29", "2025-12-30", "2025-12-31"]),
    ("2025-12-29", ["2025-12-30", "2025-12-31", "2026-01-02", "2026-01-05", "2026-01-06"]),
]
EXECUTED = {"2026-04-04": "2026-04-07"}
MATURE = {
    "2026-04-01": "2026-04-13",
    "2026-04-04": "2026-04-15",
    "2025-12-22": "2026-01-02",
    "2025-12-29": "2026-01-07",
}
COLLECTED = [(due, day, target_day) for due, days in RETURNS for target_day, day in enumerate(days, 1)]


def collection(due: str, back: str | None, **more: Any) -> list[dict[str, Any]]:
    money = payment("p", EXECUTED.get(due, due), 100, invoice_id="A", method="direct_debit", event="settled", **more)
    rows = [money]
    if back:
        rows.append(money | {"event": "returned", "paid_on": back, "reason_code": "AM04"})
    return rows


@pytest.mark.parametrize("known_by", ["account", "invoice", "payment"])
@pytest.mark.parametrize(("due", "back", "target_day"), COLLECTED)
def test_a_collection_that_comes_back_is_late_and_unknown_one_day_before_maturity(
    due: str, back: str, target_day: int, known_by: str
):
    bill = {**A, "issued_on": "2025-11-20", "due_on": due}
    options: dict[str, Any] = {"invoices": [bill]}
    if known_by == "account":
        options["accounts"] = [{"account_id": "a", "customer_id": "c", "collect_by": "direct_debit"}]
    if known_by == "invoice":
        bill["collect_by"] = "direct_debit"
    mature = dt.date.fromisoformat(MATURE[due])
    assert label(collection(due, back), **options, until=mature + dt.timedelta(days=1)) == 1
    assert label(collection(due, None), **options, until=mature + dt.timedelta(days=1)) == 0
    if dt.date.fromisoformat(back) < mature:
        assert label(collection(due, back), **options, until=mature) == "not mature"
    assert label(collection(due, None), **options, until=mature) == "not mature"


def test_a_business_collection_can_come_back_for_three_days():
    bill = {**A, "issued_on": "2026-03-05", "due_on": "2026-04-01", "collect_by": "direct_debit_b2b"}
    (row,) = outcomes(ledger([bill], [], until=FAR)).to_dict("records")
    assert row["matures_at"] == pd.Timestamp("2026-04-09T23:59:59.999999")  # day 3 is 8 April, known a day later
    money = [row | {"method": "direct_debit_b2b"} for row in collection("2026-04-01", "2026-04-08")]
    assert label(money, invoices=[bill]) == 1


def test_a_refund_claimed_weeks_later_changes_no_label():
    rows = collection("2026-03-16", None)
    refund = rows[0] | {"event": "refunded", "paid_on": "2026-04-29", "reason_code": "MD06"}
    assert label([*rows, refund]) == 0


def test_a_successful_retry_does_not_undo_the_first_attempt():
    retry = payment("q", "2026-03-19", 100, invoice_id="A", method="direct_debit", event="settled")
    assert label([*collection("2026-03-16", "2026-03-18"), retry]) == 1


def test_a_collection_that_the_bank_refused_is_late_though_paid_by_hand_in_time():
    failed = payment("p", "2026-03-16", 100, invoice_id="A", method="direct_debit", event="failed")
    assert label([failed, payment("q", "2026-03-19", 100, event="settled")]) == 1


def test_a_transfer_that_the_bank_refused_and_was_sent_again_in_time_is_on_time():
    failed = payment("p", "2026-03-16", 100, invoice_id="A", method="transfer", event="failed")
    assert label([failed, payment("q", "2026-03-19", 100, event="settled")]) == 0


def test_a_card_payment_under_a_card_scheme_is_no_collection():
    rows = [payment("p", "2026-03-16", 100, method="card", scheme="visa")]
    assert label(rows, until="2026-03-21") == 0


# -- withdrawn, credited, disputed ------------------------------------------------------------------------


def test_withdrawn_before_the_close_has_no_label_and_after_it_keeps_its_own():
    assert label([], invoices=[{**A, "withdrawn_on": "2026-03-18"}]) == "withdrawn"
    assert label([], invoices=[{**A, "withdrawn_on": "2026-05-18"}]) == 1
    paid = [payment("p", "2026-03-12", 100)]
    assert label(paid, invoices=[{**A, "withdrawn_on": "2026-05-18"}]) == 0


def test_fully_credited_before_the_close_has_no_label_and_in_part_the_rest_decides():
    def note(day: str, amount: float) -> dict[str, Any]:
        return invoice("N", day, day, amount, corrects_id="A")

    assert label([], invoices=[A, note("2026-03-18", -100)]) == "fully credited"
    assert label([], invoices=[A, note("2026-05-18", -100)]) == 1
    assert label([payment("p", "2026-03-12", 60)], invoices=[A, note("2026-03-18", -40)]) == 0
    assert label([payment("p", "2026-03-12", 50)], invoices=[A, note("2026-03-18", -40)]) == 1


def dispute(opened_on: str, **more: Any) -> list[dict[str, Any]]:
    return [{"dispute_id": "d", "customer_id": "c", "invoice_id": "A", "opened_on": opened_on, **more}]


@pytest.mark.parametrize(
    ("disputes", "expected"),
    [
        (dispute("2026-03-12"), "in dispute"),
        (dispute("2026-03-19"), "in dispute"),
        (dispute("2026-03-20"), 1),  # after the close of due + grace
        (dispute("2026-03-12", kind="complaint"), 1),
        (dispute("2026-03-12", invoice_id=None), "in dispute"),
        (dispute("2026-03-12", invoice_id="other"), 1),
        (dispute("2026-03-12", amount=100), "in dispute"),
        (dispute("2026-03-02", closed_on="2026-03-04", upheld=False), 1),  # over before it was observed
    ],
)
def test_a_bill_in_dispute_between_observation_and_close_has_no_label(disputes: Any, expected: Any):
    assert label([], disputes=disputes) == expected


@pytest.mark.parametrize(("paid", "late"), [(60, 0), (59, 0), (58, 1), (0.5, 1)])
def test_when_part_is_in_dispute_the_undisputed_part_decides(paid: float, late: int):
    assert label([payment("p", "2026-03-12", paid)], disputes=dispute("2026-03-10", amount=40)) == late


# -- due days that move, arrangements ---------------------------------------------------------------------


@pytest.mark.parametrize(("moved_on", "late"), [("2026-03-12", 0), ("2026-03-16", 0), ("2026-03-17", 1)])
def test_a_due_day_moved_before_it_had_closed_moves_the_label(moved_on: str, late: int):
    change = {"invoice_id": "A", "happened_at": moved_on, "event": "due_changed", "due_on": "2026-03-30"}
    books = ledger([A], [payment("p", "2026-03-31", 100)], invoice_events=[change], until=FAR)
    assert outcomes(books)["late"].iloc[0] == late


def agreed(on: str, kind: str, dues: list[str], amounts: list[float], **more: Any) -> dict[str, Any]:
    return {
        "arrangements": [
            {"arrangement_id": "r", "customer_id": "c", "agreed_on": on, "kind": kind, "invoice_ids": "A", **more}
        ],
        "instalments": [
            {"arrangement_id": "r", "number": n, "due_on": due, "amount": amount}
            for n, (due, amount) in enumerate(zip(dues, amounts, strict=True), 1)
        ],
    }


@pytest.mark.parametrize(("on", "late"), [("2026-03-12", 0), ("2026-03-16", 0), ("2026-03-17", 1)])
def test_a_postponement_agreed_before_due_moves_the_obligation(on: str, late: int):
    options = agreed(on, "postponement", ["2026-04-06"], [100])
    books = ledger([A], [payment("p", "2026-04-07", 100)], **options, until=FAR)
    found = outcomes(books)
    assert found["late"].iloc[0] == late
    if not late:
        assert found["due_on"].dt.date.astype(str).tolist() == ["2026-03-16", "2026-04-06"]
        assert found["late"].tolist() == [0, 0]


def test_a_postponement_that_names_no_day_moves_nothing():
    options = agreed("2026-03-05", "postponement", [], [])
    assert label([payment("p", "2026-04-07", 100)], arrangements=options["arrangements"]) == 1


def test_after_an_arrangement_its_instalments_are_the_obligations():
    options = agreed("2026-03-12", "instalments", ["2026-04-01", "2026-05-01", "2026-06-01"], [40, 30, 30])
    paid = [payment("p", "2026-04-02", 40), payment("q", "2026-05-11", 30), payment("r", "2026-05-28", 30)]
    found = outcomes(ledger([A], paid, **options, until=FAR))
    assert found["obligation_id"].tolist() == ["invoice:A", "instalment:r:1", "instalment:r:2", "instalment:r:3"]
    assert found["stage"].tolist() == ["issued", "scheduled", "scheduled", "scheduled"]
    assert found["late"].astype(object).where(found["late"].notna(), None).tolist() == [None, 0, 1, 0]
    assert found["reason"].iloc[0] == "instalments agreed"
    assert found["amount"].tolist() == [100, 40, 30, 30]


def test_an_overdue_bill_under_instalments_stands_no_more_and_comes_back_when_they_are_broken():
    options = agreed("2026-03-25", "instalments", ["2026-04-10", "2026-05-10"], [50, 50])
    broken = agreed(
        "2026-03-25", "instalments", ["2026-04-10", "2026-05-10"], [50, 50], ended_on="2026-04-20", ended_as="broken"
    )
    standing = Outcome().standing
    ids = ["instalment:r:1", "instalment:r:2"]
    assert standing(ledger([A], [], **options, until=FAR), "2026-04-01", 60)["obligation_id"].tolist() == ids
    books = ledger([A], [], **broken, until=FAR)
    assert standing(books, "2026-04-01", 60)["obligation_id"].tolist() == ids
    assert standing(books, "2026-05-01", 60)["obligation_id"].tolist() == ["invoice:A"]


# -- plans ------------------------------------------------------------------------------------------------

PLAN = {"customer_id": "c", "expected_due_on": "2026-03-15", "amount": 90, "known_at": "2026-02-20"}


def test_a_planned_amount_is_scheduled_then_the_invoice_under_the_same_obligation_id():
    found = outcomes(ledger([A], [payment("p", "2026-03-14", 100)], schedule=[PLAN], until=FAR), lead_days=(20, 7))
    assert found["stage"].tolist() == ["scheduled", "issued"]
    assert found["obligation_id"].nunique() == 1
    assert found["invoice_id"].fillna("").tolist() == ["", "A"]
    assert found["amount"].tolist() == [90, 100]
    assert found["late"].tolist() == [0, 0]


@pytest.mark.parametrize(("paid_on", "late"), [("2026-03-18", 0), ("2026-03-19", 1)])
def test_a_plan_that_no_invoice_bills_is_labelled_by_its_own_day(paid_on: str, late: int):
    found = outcomes(ledger([], [payment("p", paid_on, 90)], schedule=[PLAN], until=FAR))
    assert found["late"].tolist() == [late]


def test_a_plan_known_after_its_invoice_gives_the_invoice_no_other_id():
    late_plan = {**PLAN, "known_at": "2026-03-05"}
    found = outcomes(ledger([A], [], schedule=[late_plan], until=FAR), lead_days=(14, 7))
    assert found["obligation_id"].tolist() == ["invoice:A", "invoice:A"]


# -- laws -------------------------------------------------------------------------------------------------


@law(history=histories(), grace=st.integers(0, 10), few=15, many=40)
def test_every_row_has_a_label_or_a_reason_and_the_columns_that_are_promised(history: Any, grace: int):
    books = books_of(history)
    outcome = Outcome(grace, (10, 3, 0))
    obs = outcome.observations(books)
    found = outcome.resolve(books, obs)
    assert str(found["late"].dtype) == "Int8"
    assert found.index.equals(obs.index)
    assert (found["late"].isna() == found["reason"].notna()).all()
    assert outcome.label(books, obs).equals(found["late"])
    assert found["late"].dropna().isin([0, 1]).all()


@law(history=histories(), few=15, many=40)
def test_money_received_in_time_settles_the_label_of_a_bill_paid_by_transfer(history: Any):
    """On time when the books, kept only up to the close on value dates, leave at most the tolerance open."""
    bills = [row | {"withdrawn_on": None, "amount": abs(row["amount"])} for row in history["invoices"]]
    plain, ids = [], set()
    for row in bills:
        if row["invoice_id"] not in ids:
            plain.append(row)
            ids.add(row["invoice_id"])
    paid = [
        {key: row[key] for key in ("customer_id", "paid_on", "amount", "known_at")} | {"payment_id": f"P{n}"}
        for n, row in enumerate(history["payments"])
        if row["event"] == "settled"
    ]
    books = books_of({"invoices": plain, "payments": paid})
    entries, ids_of = books.settlement.entries, books.debts.invoice_ids
    found = outcomes(books, lead_days=0)
    for row in found.to_dict("records"):
        close = row["closes_at"].to_datetime64().astype("M8[us]").astype(np.int64)
        own = (entries.debt == ids_of.index(row["invoice_id"])) & (entries.value_at <= close)
        left = row["amount"] - entries.amount[own].sum() / 100
        assert row["late"] == int(left > max(1, 0.01 * row["amount"]))


@law(history=histories(), data=st.data(), few=10, many=25)
def test_a_mature_label_of_bills_whose_facts_are_known_on_their_day_never_changes(history: Any, data: st.DataObject):
    for rows in history.values():
        for row in rows:
            row.pop("known_at", None)
    bills = {row["invoice_id"]: row for row in history["invoices"]}
    payments = {(row["payment_id"], row["event"], row["attempt"]): row for row in history["payments"]}
    history = {"invoices": list(bills.values()), "payments": list(payments.values())}
    books = books_of(history)
    outcome = Outcome(3, 5)
    obs = outcome.observations(books)
    final = outcome.label(books, obs)
    if len(obs):
        at = obs["matures_at"].iloc[data.draw(st.integers(0, len(obs) - 1))] + pd.Timedelta(microseconds=1)
        cut = books.known_before(at)
        then = outcome.observations(cut)
        early = outcome.label(cut, then)
        known = then.assign(late=early).merge(obs.assign(late=final), on=["obligation_id", "as_of"])
        mature = known["late_x"].notna()
        assert known.loc[mature, "late_x"].equals(known.loc[mature, "late_y"].rename("late_x"))
