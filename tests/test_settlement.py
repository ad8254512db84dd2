"""Settlement: each rule worked by hand, money conserved under anything, and a slow oracle of the rules."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from bills import invoice, ledger, payment, placed, still_open
from earlywarn.tables.postings import CREDIT, UNALLOCATED, WITHDRAWAL
from tiers import law

A = invoice("A", "2026-01-01", "2026-01-15", 100)
B = invoice("B", "2026-02-01", "2026-02-15", 60)
C = invoice("C", "2026-03-01", "2026-03-15", 100)


# -- one example per rule ---------------------------------------------------------------------------------


def test_money_goes_where_allocations_say_before_the_invoice_it_names():
    books = ledger(
        [A, B],
        [payment("p", "2026-03-01", 50, invoice_id="A")],
        allocations=[{"payment_id": "p", "invoice_id": "B", "amount": 50, "allocated_on": "2026-03-01"}],
    )
    assert placed(books) == {("p", "B"): 50}


def test_an_allocation_known_later_undoes_the_guess_and_no_more():
    books = ledger(
        [A, B],
        [payment("p", "2026-03-01", 130)],
        allocations=[{"payment_id": "p", "invoice_id": "B", "amount": 60, "allocated_on": "2026-03-20"}],
    )
    assert placed(books, until="2026-03-20") == {("p", "A"): 100, ("p", "B"): 30}
    assert placed(books) == {("p", "A"): 70, ("p", "B"): 60}


def test_an_allocation_that_says_what_was_guessed_changes_nothing():
    books = ledger(
        [A, B],
        [payment("p", "2026-03-01", 160)],
        allocations=[{"payment_id": "p", "invoice_id": "A", "amount": 100, "allocated_on": "2026-03-20"}],
    )
    assert placed(books) == {("p", "A"): 100, ("p", "B"): 60}


def test_a_later_version_of_an_allocation_counts_instead_of_the_first():
    books = ledger(
        [A, B],
        [payment("p", "2026-03-10", 60)],
        allocations=[
            {
                "payment_id": "p",
                "invoice_id": "A",
                "amount": 10,
                "allocated_on": "2026-03-01",
                "known_at": "2026-03-01",
            },
            {
                "payment_id": "p",
                "invoice_id": "A",
                "amount": 60,
                "allocated_on": "2026-03-01",
                "known_at": "2026-03-05",
            },
        ],
    )
    assert placed(books) == {("p", "A"): 60}


def test_a_lowered_allocation_frees_the_money():
    books = ledger(
        [A],
        [payment("p", "2026-03-01", 80)],
        allocations=[
            {
                "payment_id": "p",
                "invoice_id": "A",
                "amount": 80,
                "allocated_on": "2026-03-01",
                "known_at": "2026-03-03",
            },
            {
                "payment_id": "p",
                "invoice_id": "A",
                "amount": 30,
                "allocated_on": "2026-03-01",
                "known_at": "2026-03-09",
            },
        ],
    )
    assert placed(books) == {("p", "A"): 30, ("p", "credit"): 50}


def test_money_goes_to_the_invoice_it_names():
    assert placed(ledger([A, B], [payment("p", "2026-03-01", 60, invoice_id="A")])) == {("p", "A"): 60}


def test_money_without_a_name_goes_to_an_invoice_of_exactly_its_amount():
    assert placed(ledger([A, B], [payment("p", "2026-03-01", 60)])) == {("p", "B"): 60}


def test_of_two_invoices_of_exactly_its_amount_the_oldest_is_paid():
    assert placed(ledger([C, A, B], [payment("p", "2026-04-01", 100)])) == {("p", "A"): 100}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (invoice("Z", "2026-01-09", "2026-01-10", 70), invoice("A", "2026-01-01", "2026-01-15", 70)),  # due
        (invoice("Z", "2026-01-01", "2026-01-15", 70), invoice("A", "2026-01-02", "2026-01-15", 70)),  # issued
        (invoice("A", "2026-01-01", "2026-01-15", 70), invoice("Z", "2026-01-01", "2026-01-15", 70)),  # id
    ],
)
def test_else_the_oldest_by_due_then_issued_then_id(first: dict[str, Any], second: dict[str, Any]):
    books = ledger([second, first], [payment("p", "2026-03-01", 90)])
    assert placed(books) == {("p", first["invoice_id"]): 70, ("p", second["invoice_id"]): 20}


def test_an_overpayment_goes_to_other_invoices_then_is_credit():
    books = ledger([A, B], [payment("p", "2026-03-01", 175, invoice_id="B")])
    assert placed(books) == {("p", "B"): 60, ("p", "A"): 100, ("p", "credit"): 15}


def test_credit_is_taken_by_the_next_invoice():
    books = ledger([A, B, C], [payment("p", "2026-02-20", 175)])
    assert placed(books, until="2026-03-01") == {("p", "A"): 100, ("p", "B"): 60, ("p", "credit"): 15}
    assert placed(books) == {("p", "A"): 100, ("p", "B"): 60, ("p", "C"): 15}
    assert still_open(books) == {"C": 85}


def test_parts_add_up():
    books = ledger([A], [payment("p", "2026-01-10", 30), payment("q", "2026-01-12", 30.5)])
    assert still_open(books) == {"A": 39.5}


def test_a_credit_note_goes_to_the_invoice_it_corrects():
    note = invoice("N", "2026-02-20", "2026-02-20", -40, corrects_id="B")
    assert placed(ledger([A, B, note])) == {("N", "B"): 40}


def test_a_credit_note_that_corrects_none_goes_like_a_payment():
    exact = invoice("N", "2026-02-20", "2026-02-20", -60)
    oldest = invoice("N", "2026-02-20", "2026-02-20", -59)
    assert placed(ledger([A, B, exact])) == {("N", "B"): 60}
    assert placed(ledger([A, B, oldest])) == {("N", "A"): 59}


def test_a_credit_note_for_a_paid_invoice_is_credit():
    note = invoice("N", "2026-02-20", "2026-02-20", -40, corrects_id="A")
    assert placed(ledger([A, note], [payment("p", "2026-01-10", 100)])) == {("p", "A"): 100, ("N", "credit"): 40}


def test_a_withdrawn_credit_note_takes_its_credit_back():
    note = invoice("N", "2026-02-20", "2026-02-20", -40, corrects_id="A", withdrawn_on="2026-03-10")
    books = ledger([A, note])
    assert still_open(books, at="2026-03-01") == {"A": 60}
    assert placed(books) == {}
    assert still_open(books) == {"A": 100}


def test_a_return_opens_the_invoice_again_and_moves_no_other_money():
    books = ledger(
        [A, B],
        [
            payment("p", "2026-01-15", 100, event="settled"),
            payment("q", "2026-02-10", 80, event="settled"),
            payment("p", "2026-03-01", 100, event="returned"),
        ],
    )
    assert placed(books, until="2026-03-01") == {("p", "A"): 100, ("q", "B"): 60, ("q", "credit"): 20}
    assert placed(books) == {("q", "B"): 60, ("q", "credit"): 20}
    assert still_open(books) == {"A": 100}


def test_part_of_a_payment_that_goes_back_is_taken_from_credit_then_from_what_was_placed_last():
    books = ledger(
        [A, B],
        [payment("p", "2026-02-10", 170, event="settled"), payment("p", "2026-03-01", 30, event="refunded")],
    )
    assert placed(books) == {("p", "A"): 100, ("p", "B"): 40}


def test_a_return_known_before_its_payment_waits_for_it():
    books = ledger(
        [A],
        [
            payment("p", "2026-01-15", 100, event="settled", known_at="2026-02-01"),
            payment("p", "2026-01-20", 100, event="returned", known_at="2026-01-21"),
        ],
    )
    assert placed(books) == {}
    assert still_open(books) == {"A": 100}


def test_a_failed_collection_takes_nothing_from_the_retry_that_came_in():
    books = ledger(
        [A],
        [
            payment("p", "2026-01-15", 100, event="failed"),
            payment("p", "2026-01-25", 100, event="settled"),
        ],
    )
    assert placed(books) == {("p", "A"): 100}


def test_each_attempt_is_money_of_its_own():
    books = ledger(
        [A],
        [
            payment("p", "2026-01-15", 100, event="settled", attempt=1),
            payment("p", "2026-01-25", 100, event="settled", attempt=2),
            payment("p", "2026-01-18", 100, event="returned", attempt=1, known_at="2026-02-20"),
        ],
    )
    assert placed(books, until="2026-02-10") == {("p", "A"): 100, ("p", "credit"): 100}
    assert placed(books) == {("p", "credit"): 100}


def test_a_payment_restated_later_counts_once_and_keeps_its_return():
    books = ledger(
        [A],
        [
            payment("p", "2026-01-15", 100, event="settled", known_at="2026-01-16"),
            payment("p", "2026-01-18", 100, event="returned", known_at="2026-01-19"),
            payment("p", "2026-01-15", 120, event="settled", known_at="2026-02-01"),
        ],
    )
    assert sum(placed(books).values()) == 20


def test_a_return_restated_later_counts_once():
    books = ledger(
        [A],
        [
            payment("p", "2026-01-15", 100, event="settled", known_at="2026-01-16"),
            payment("p", "2026-01-18", 100, event="refunded", known_at="2026-01-19"),
            payment("p", "2026-01-18", 40, event="refunded", known_at="2026-02-01"),
        ],
    )
    assert placed(books) == {("p", "A"): 60}


def test_the_money_of_a_withdrawn_invoice_is_credit_and_waits_for_the_next_one():
    gone = {**A, "withdrawn_on": "2026-02-20"}
    books = ledger([gone, B, C], [payment("p", "2026-01-10", 70, invoice_id="A")])
    assert placed(books, until="2026-03-01") == {("p", "credit"): 70, ("withdrawn", "A"): 100}
    assert placed(books) == {("p", "C"): 70, ("withdrawn", "A"): 100}
    assert still_open(books) == {"B": 60, "C": 30}


def test_a_withdrawal_that_is_taken_back_at_another_amount_leaves_that_amount_open():
    first = {**A, "withdrawn_on": "2026-02-20", "known_at": "2026-01-02"}
    again = {**A, "amount": 80, "withdrawn_on": None, "known_at": "2026-03-05"}
    books = ledger([first, again])
    assert still_open(books, at="2026-03-01") == {}
    assert still_open(books) == {"A": 80}
    assert placed(books) == {}


def test_a_lowered_invoice_frees_what_was_paid_too_much():
    lower = {**A, "amount": 70, "known_at": "2026-02-01"}
    books = ledger([{**A, "known_at": "2026-01-02"}, lower], [payment("p", "2026-01-10", 100)])
    assert placed(books) == {("p", "A"): 70, ("p", "credit"): 30}


@pytest.mark.parametrize("kind", ["write_off", "sale", "transfer"])
def test_a_write_off_clears_the_invoice_and_is_no_payment(kind: str):
    books = ledger([A], [payment("w", "2026-06-01", 100, kind=kind, invoice_id="A")])
    assert still_open(books) == {}
    assert len(books.settlements) == 0
    assert books.maturities.columns["late"].tolist() == [1.0]


def test_a_deposit_pays_no_invoice_unless_an_allocation_says_so():
    deposit = payment("d", "2026-01-10", 100, kind="deposit")
    assert placed(ledger([A, B], [deposit])) == {("d", "credit"): 100}
    told = [{"payment_id": "d", "invoice_id": "A", "amount": 100, "allocated_on": "2026-02-01"}]
    assert placed(ledger([A, B], [deposit], allocations=told)) == {("d", "A"): 100}


def test_credit_that_was_paid_out_is_taken_by_no_invoice_and_comes_back_when_the_payout_fails():
    rows = [
        payment("p", "2026-01-10", 150, event="settled"),
        payment("out", "2026-02-10", 50, event="settled", kind="payout"),
    ]
    assert still_open(ledger([A, C], rows)) == {"C": 100}
    failed = payment("out", "2026-02-14", 50, event="returned", kind="payout")
    assert still_open(ledger([A, C], [*rows, failed])) == {"C": 50}
    never_sent = payment("other", "2026-02-14", 50, event="failed", kind="payout")
    assert still_open(ledger([A, C], [*rows, never_sent])) == {"C": 100}


def test_money_for_an_unknown_invoice_is_kept_and_listed():
    books = ledger([A], [payment("p", "2026-01-10", 30, invoice_id="nobody")])
    assert placed(books) == {("p", "A"): 30}
    assert books.faults[["table", "row", "code"]].to_numpy().tolist() == [["payments", 0, "D151"]]


def test_money_that_names_the_invoice_of_another_debtor_stays_with_its_payer():
    other = {**B, "customer_id": "d"}
    books = ledger([A, other], [payment("p", "2026-02-20", 60, invoice_id="B")])
    assert placed(books) == {("p", "A"): 60}
    assert books.faults["code"].tolist() == ["D152"]


def test_a_planned_amount_is_owed_from_its_day_and_gives_way_to_the_invoice_that_bills_it():
    plan = [{"customer_id": "c", "expected_due_on": "2026-03-14", "amount": 90}]
    alone = ledger([A], [payment("p", "2026-03-20", 190)], schedule=plan)
    assert placed(alone) == {("p", "A"): 100, ("p", "plan 0"): 90}
    billed = ledger([A, C], [payment("p", "2026-03-20", 200)], schedule=plan)
    assert placed(billed) == {("p", "A"): 100, ("p", "C"): 100}


def test_money_on_a_planned_amount_moves_to_the_invoice_that_comes_late():
    plan = [{"customer_id": "c", "expected_due_on": "2026-03-14", "amount": 90}]
    late = {**C, "issued_on": "2026-03-16", "due_on": "2026-03-17"}
    books = ledger([late], [payment("p", "2026-03-10", 90)], schedule=plan)
    assert placed(books, until="2026-03-16") == {("p", "plan 0"): 90}
    assert placed(books) == {("p", "C"): 90, ("withdrawn", "plan 0"): 90}
    assert still_open(books) == {"C": 10}


def test_a_plan_that_becomes_known_after_its_invoice_is_owed_only_once():
    early = {**C, "issued_on": "2026-02-01"}
    plan = [{"customer_id": "c", "expected_due_on": "2026-03-15", "amount": 90, "known_at": "2026-02-20"}]
    books = ledger([early], schedule=plan, until="2026-04-30")
    frame = books.frame("balances")
    assert frame["open_amount"].max() == 100


def test_a_changed_plan_that_was_billed_already_is_not_owed_again():
    plan = [
        {"customer_id": "c", "expected_due_on": "2026-03-15", "amount": 90, "known_at": "2026-02-20"},
        {"customer_id": "c", "expected_due_on": "2026-03-15", "amount": 95, "known_at": "2026-03-10"},
    ]
    books = ledger([C], schedule=plan, until="2026-04-30")
    assert books.frame("balances")["open_amount"].tolist()[-1] == 100


# -- random events ----------------------------------------------------------------------------------------

DAYS = st.integers(0, 60)
CENTS = st.integers(1, 40).map(lambda units: units * 250)


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp("2026-01-01") + pd.Timedelta(days=number)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Tables of two debtors in which anything may happen, in any order of knowing."""
    customers = st.sampled_from(["c", "d"])
    invoices, payments, allocations, schedule = [], [], [], []
    for number in range(draw(st.integers(1, 5))):
        issued, amount = draw(DAYS), draw(CENTS)
        row = {
            "invoice_id": f"I{number}", "customer_id": draw(customers), "issued_on": day(issued),
            "due_on": day(issued + draw(st.integers(0, 20))), "amount": amount,
            "known_at": day(issued + draw(st.integers(0, 9))),
            "withdrawn_on": day(issued + draw(DAYS)) if draw(st.integers(0, 3)) == 0 else None, "corrects_id": None,
        }  # fmt: skip
        if number and draw(st.integers(0, 3)) == 0:
            row |= {"amount": -amount, "corrects_id": draw(st.sampled_from([None, "I0", f"I{number - 1}", "none"]))}
        invoices.append(row)
        if draw(st.integers(0, 3)) == 0:
            sign = 1 if row["amount"] > 0 else -1
            later = row["known_at"] + pd.Timedelta(days=draw(st.integers(1, 40)))
            gone = draw(st.sampled_from([row["withdrawn_on"], None]))
            invoices.append(row | {"amount": sign * draw(CENTS), "known_at": later, "withdrawn_on": gone})
    for number in range(draw(st.integers(0, 6))):
        paid = draw(DAYS)
        row = {
            "payment_id": f"P{draw(st.integers(0, number))}", "customer_id": draw(customers), "paid_on": day(paid),
            "amount": draw(CENTS), "event": "settled", "attempt": draw(st.sampled_from([None, 1, 2])),
            "kind": draw(st.sampled_from(["payment"] * 6 + ["write_off", "deposit", "payout", "offset"])),
            "invoice_id": draw(st.sampled_from([None, "I0", "I1", "I2", "none"])),
            "method": draw(st.sampled_from(["transfer", "direct_debit"])),
            "known_at": day(paid + draw(st.integers(0, 15))),
        }  # fmt: skip
        payments.append(row)
        if draw(st.booleans()):
            back = paid + draw(st.integers(-2, 30))
            payments.append(
                row
                | {
                    "event": draw(st.sampled_from(["failed", "returned", "refunded", "reversed"])),
                    "paid_on": day(back),
                    "known_at": day(max(0, back + draw(st.integers(0, 9)))),
                    "amount": draw(st.sampled_from([row["amount"], row["amount"] // 2])),
                }
            )
        if draw(st.booleans()):
            allocated = draw(DAYS)
            allocations.append(
                {"payment_id": row["payment_id"], "invoice_id": draw(st.sampled_from(["I0", "I1", "I2", "none"])),
                 "amount": draw(CENTS), "allocated_on": day(allocated), "known_at": day(allocated)}
            )  # fmt: skip
    for _ in range(draw(st.integers(0, 2))):
        due = draw(DAYS)
        schedule.append(
            {"customer_id": draw(customers), "expected_due_on": day(due), "amount": draw(CENTS),
             "known_at": day(due - draw(st.integers(0, 30)))}
        )  # fmt: skip
    return {"invoices": invoices, "payments": payments, "allocations": allocations, "schedule": schedule}


def books_of(history: dict[str, list[dict[str, Any]]]) -> Any:
    """The ledger; amounts are drawn in cents."""
    tables = {
        name: [row | {"amount": row["amount"] / 100} for row in rows]
        for name, rows in history.items()
        if rows or name in ("invoices", "payments")
    }
    return ledger(tables.pop("invoices"), tables.pop("payments"), until="2026-12-31", **tables)


def moments(books: Any) -> list[int]:
    known = np.unique(books.settlement.entries.known_at)
    return [int(at) + 1 for at in known]


def received_less_gone(books: Any, before: int) -> dict[int, int]:
    """What should lie with each source: read from the tables, without settling anything.

    The latest version of each receipt counts; a return counts from when both it and the money that it takes
    back are known, money that was booked before it.
    """
    payments = books.facts("payments")
    ids, event, kind = payments.text("payment_id"), payments.text("event").values(), payments.text("kind").values()
    attempt = np.nan_to_num(payments.numbers("attempt"), nan=-1)
    net: dict[int, int] = defaultdict(int)
    latest: dict[tuple[int, str, float], int] = {}
    for row in sorted(range(len(payments)), key=lambda row: payments.known_at[row]):
        if payments.known_at[row] < before:
            latest[int(ids.codes[row]), event[row], attempt[row]] = row
    for (source, word, _), row in latest.items():
        sign = 1 if (word == "settled") != (kind[row] == "payout") else -1
        net[source] += sign * int(payments.numbers("amount")[row])
    invoices = books.facts("invoices")
    first_source = len(ids.labels)
    last: dict[int, int] = {}
    for row in sorted(range(len(invoices)), key=lambda row: invoices.known_at[row]):
        if invoices.known_at[row] < before and invoices.numbers("amount")[row] < 0:
            last[int(invoices.text("invoice_id").codes[row])] = row
    gone_at = invoices.cell_known.get("withdrawn_on")
    for number, row in last.items():
        gone = gone_at is not None and gone_at[row] < before
        net[first_source + number] += 0 if gone else -int(invoices.numbers("amount")[row])
    return {source: amount for source, amount in net.items() if amount}


@law(history=histories(), few=20, many=60)
def test_each_debt_is_its_open_amount_and_its_entries_at_every_moment(history: Any):
    books = books_of(history)
    entries, states = books.settlement.entries, books.settlement.states
    for i in range(len(states.debt)):
        own = (entries.debt == states.debt[i]) & (entries.known_at <= states.known_at[i])
        assert states.amount[i] == states.open[i] + entries.amount[own].sum()
        assert 0 <= states.open[i] <= states.amount[i]


def usable_returns_only(history: Any) -> Any:
    """Every payment id once, returns that follow their payment: what came in and went back is plain then."""
    seen: set[str] = set()
    payments = []
    for number, row in enumerate(history["payments"]):
        if row["event"] == "settled":
            row = row | {"payment_id": f"P{number}"}
            seen.add(row["payment_id"])
            payments.append(row)
        else:
            money = payments[-1]
            payments.append(
                row
                | {
                    "payment_id": money["payment_id"],
                    "paid_on": max(row["paid_on"], money["paid_on"]),
                    "known_at": max(row["known_at"], money["known_at"]) + pd.Timedelta(days=1),
                }
            )
    return history | {"payments": payments, "allocations": []}


@law(history=histories().map(usable_returns_only), few=20, many=60)
def test_the_entries_of_a_source_are_what_came_in_less_what_went_back_at_every_moment(history: Any):
    books = books_of(history)
    entries = books.settlement.entries
    for before in moments(books):
        known = (entries.known_at < before) & (entries.source >= 0)
        net = defaultdict(int)
        for source, amount in zip(entries.source[known].tolist(), entries.amount[known].tolist(), strict=True):
            net[source] += amount
        assert {source: amount for source, amount in net.items() if amount} == received_less_gone(books, before)


@law(history=histories().map(usable_returns_only), few=15, many=40)
def test_what_a_customer_owes_is_what_was_billed_less_what_came_in(history: Any):
    books = books_of(history)
    entries, states = books.settlement.entries, books.settlement.states
    payments, notes = received_less_gone(books, 2**62), len(books.facts("payments").text("payment_id").labels)
    owner_of = dict(zip(books.facts("payments").text("payment_id").codes, books.facts("payments").owner, strict=True))
    invoices = books.facts("invoices")
    owner_of |= {
        notes + code: owner for code, owner in zip(invoices.text("invoice_id").codes, invoices.owner, strict=True)
    }
    for customer in range(len(books.customers)):
        final = (states.customer == customer) & (states.known_until == np.iinfo(np.int64).max)
        credit = entries.amount[(entries.customer == customer) & (entries.debt == UNALLOCATED)].sum()
        billed = states.amount[final & ~states.withdrawn].sum()
        came_in = sum(amount for source, amount in payments.items() if owner_of[source] == customer)
        assert states.open[final].sum() - credit == billed - came_in


@law(history=histories(), few=15, many=40)
def test_entries_and_states_known_before_a_moment_are_those_of_the_cut_ledger(history: Any):
    books = books_of(history)
    entries, states = books.settlement.entries, books.settlement.states
    for before in moments(books)[::3]:
        cut = books.known_before(before).settlement
        # an amount that is planned falls due as time goes by, also in the cut ledger
        past, known = cut.entries.known_at < before, entries.known_at < before
        for name in ("customer", "source", "kind", "amount", "known_at", "value_at", "counts_at", "returned"):
            np.testing.assert_array_equal(getattr(cut.entries, name)[past], getattr(entries, name)[known])
        past, known = cut.states.known_at < before, states.known_at < before
        # plans are numbered by row, so their numbers may differ in the cut ledger
        assert sorted(cut.states.open[past].tolist()) == sorted(states.open[known].tolist())


@law(history=histories(), data=st.data(), few=10, many=25)
def test_the_order_of_rows_in_the_tables_does_not_matter(history: Any, data: st.DataObject):
    invoices = data.draw(st.permutations(history["invoices"]))
    payments = data.draw(st.permutations(history["payments"]))
    one, other = books_of(history), books_of(history | {"invoices": invoices, "payments": payments})
    if len(one.faults) == 0:
        for name in ("customer", "debt", "source", "kind", "amount", "known_at", "value_at"):
            np.testing.assert_array_equal(
                getattr(one.settlement.entries, name), getattr(other.settlement.entries, name)
            )


# -- an oracle of the rules -------------------------------------------------------------------------------


def slow_books(invoices: list[dict[str, Any]], payments: list[dict[str, Any]]) -> list[tuple[str, str, Fraction, str]]:
    """Who paid what, worked out from the text of the rules: (payment, invoice, amount, known on)."""
    events = [(row["known_at"], 0, row["invoice_id"], row) for row in invoices if row["amount"] > 0]
    events += [(row["known_at"], 1, row["invoice_id"], row) for row in invoices if row["amount"] < 0]
    events += [(row["known_at"], 2, row["payment_id"], row) for row in payments]
    open_: dict[str, list[Any]] = {}
    credit: list[list[Any]] = []
    moves: list[tuple[str, str, Fraction, str]] = []

    def pay(name: str, to: str, most: Fraction, at: Any) -> Fraction:
        amount = min(most, open_[to][3])
        if amount > 0:
            open_[to][3] -= amount
            moves.append((name, to, amount, str(at)))
        return most - amount

    for at, kind, name, row in sorted(events, key=lambda event: event[:3]):
        amount = abs(Fraction(row["amount"], 100))
        if kind == 0:
            open_[name] = [row["due_on"], row["issued_on"], name, amount]
            ours = [item for item in credit if item[2] == name]
            for item in ours + [item for item in credit if item[2] != name]:
                item[1] = pay(item[0], name, item[1], at)
            continue
        named = row["corrects_id"] if kind == 1 else row["invoice_id"]
        left = pay(name, named, amount, at) if named in open_ else amount
        owed = sorted(item for item in open_.values() if item[3] > 0)
        same = [item for item in owed if item[3] == left]
        for item in same[:1] + owed:
            left = pay(name, item[2], left, at)
        credit.append([name, left, named])
    return moves


@st.composite
def plain_histories(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Invoices, credit notes and payments of one debtor, none of them revised."""
    invoices, payments = [], []
    ids = st.sampled_from([None, "I0", "I1", "I2", "I3"])
    for number in range(draw(st.integers(1, 4))):
        issued = draw(DAYS)
        amount = draw(CENTS) * draw(st.sampled_from([1, 1, 1, -1]))
        invoices.append(
            {"invoice_id": f"I{number}", "customer_id": "c", "issued_on": day(issued), "amount": amount,
             "due_on": day(issued + draw(st.integers(0, 9))), "known_at": day(issued + draw(st.integers(0, 5))),
             "corrects_id": draw(ids)}
        )  # fmt: skip
    for number in range(draw(st.integers(1, 5))):
        paid = draw(DAYS)
        payments.append(
            {"payment_id": f"P{number}", "customer_id": "c", "paid_on": day(paid), "amount": draw(CENTS),
             "invoice_id": draw(ids), "known_at": day(paid + draw(st.integers(0, 5)))}
        )  # fmt: skip
    return invoices, payments


@law(history=plain_histories(), few=40, many=120)
def test_settlement_pays_as_the_rules_say_entry_by_entry(history: Any):
    invoices, payments = history
    books = books_of({"invoices": invoices, "payments": payments})
    entries, labels = books.settlement.entries, books.facts("payments").text("payment_id").labels
    names = [*labels, *books.debts.invoice_ids]
    on_debt = np.flatnonzero(entries.debt >= 0)
    ours = [
        (names[entries.source[e]], books.debts.invoice_ids[entries.debt[e]], Fraction(int(entries.amount[e]), 100),
         str(pd.Timestamp(np.datetime64(int(entries.known_at[e]), "us"))))
        for e in on_debt
    ]  # fmt: skip
    assert ours == slow_books(invoices, payments)


def test_credit_and_withdrawals_are_marked_as_such():
    note = invoice("N", "2026-02-20", "2026-02-20", -40, corrects_id="A")
    books = ledger([A, note, {**B, "withdrawn_on": "2026-02-10"}])
    entries = books.settlement.entries
    kinds = {books.debts.invoice_ids[d]: int(k) for d, k in zip(entries.debt, entries.kind, strict=True) if d >= 0}
    assert kinds == {"A": CREDIT, "B": WITHDRAWAL}
