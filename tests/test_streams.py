"""The streams that settlement yields: worked by hand, and against a recomputation at every moment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from bills import invoice, ledger, payment
from earlywarn.dates import FOREVER, US_PER_DAY, visible
from earlywarn.tables.checks import Text
from earlywarn.tables.streams import cause_family, tolerance
from test_settlement import books_of, histories
from tiers import law

A = invoice("A", "2026-01-01", "2026-01-15", 100)
B = invoice("B", "2026-02-01", "2026-02-15", 60)


def seen(books: Any, stream: str, as_of: str) -> list[dict[str, Any]]:
    """The facts of a stream that an as_of may see, as rows."""
    facts = books.facts(stream)
    at = int(pd.Timestamp(as_of).to_datetime64().astype("M8[us]").astype(np.int64))
    now = facts.take(visible(facts.known_at, facts.known_until, at))
    return now.frame(books.digits).to_dict("records")


# -- settlements ------------------------------------------------------------------------------------------


def test_a_settlement_counts_days_from_due_and_from_issue_to_the_value_date_of_the_last_part():
    parts = [
        payment("p", "2026-01-12", 40, method="card"),
        payment("q", "2026-01-20", 60, value_on="2026-01-19", method="transfer"),
    ]
    (fact,) = seen(ledger([A], parts), "settlements", "2026-02-01")
    assert (fact["days_beyond_terms"], fact["days_to_pay"], fact["amount"]) == (4, 18, 100)
    assert (fact["parts"], fact["method"]) == (2, "transfer")
    assert fact["happened_at"] == pd.Timestamp("2026-01-19")


def test_a_settlement_is_known_when_its_last_part_is():
    books = ledger([A], [payment("p", "2026-01-16", 100)])  # a Friday: booked money is known on Monday's close
    assert seen(books, "settlements", "2026-01-19") == []
    assert len(seen(books, "settlements", "2026-01-20")) == 1


def test_paid_before_it_was_billed_counts_from_the_day_of_issue():
    (fact,) = seen(ledger([B], [payment("p", "2026-01-10", 60)]), "settlements", "2026-03-01")
    assert (fact["days_to_pay"], fact["days_beyond_terms"]) == (0, -14)


def test_a_settlement_is_undone_once_a_return_is_known_and_comes_again_with_the_retry():
    rows = [
        payment("p", "2026-01-15", 100, event="settled", method="direct_debit"),
        payment("p", "2026-01-20", 100, event="returned", method="direct_debit"),
        payment("q", "2026-02-10", 100, event="settled", method="transfer"),
    ]
    books = ledger([A], rows)
    assert [fact["days_beyond_terms"] for fact in seen(books, "settlements", "2026-01-20")] == [0]
    assert seen(books, "settlements", "2026-02-05") == []
    (fact,) = seen(books, "settlements", "2026-03-01")
    assert (fact["days_beyond_terms"], fact["parts"], fact["method"]) == (26, 1, "transfer")


def test_an_invoice_closed_by_credit_or_partly_written_off_is_not_settled():
    note = invoice("N", "2026-01-05", "2026-01-05", -100, corrects_id="A")
    assert len(ledger([A, note]).settlements) == 0
    rows = [payment("p", "2026-01-10", 30), payment("w", "2026-06-01", 70, kind="write_off", invoice_id="A")]
    assert len(ledger([A], rows).settlements) == 0


# -- maturities -------------------------------------------------------------------------------------------


def test_a_maturity_is_known_when_the_payments_of_its_last_day_are():
    books = ledger([A], [], until="2026-03-01")  # due Thursday 15, + 3 days is Sunday 18, known at Monday's close
    assert seen(books, "maturities", "2026-01-19") == []
    (fact,) = seen(books, "maturities", "2026-01-20")
    assert (fact["late"], fact["open_amount"], fact["amount"]) == (1, 100, 100)
    assert fact["happened_at"] == pd.Timestamp("2026-01-18T23:59:59.999999")


@pytest.mark.parametrize(("paid", "late"), [(99.0, 0), (98.99, 1)])
def test_one_unit_may_stay_open_on_a_small_invoice(paid: float, late: int):
    (fact,) = seen(ledger([A], [payment("p", "2026-01-15", paid)]), "maturities", "2026-03-01")
    assert fact["late"] == late


def test_money_that_was_there_in_time_but_known_later_replaces_the_maturity():
    books = ledger([A], [payment("p", "2026-01-25", 100, value_on="2026-01-17")])
    assert [fact["late"] for fact in seen(books, "maturities", "2026-01-25")] == [1]
    assert [fact["late"] for fact in seen(books, "maturities", "2026-02-01")] == [0]


def test_a_collection_that_came_back_makes_the_maturity_late_from_then_on():
    rows = [
        payment("p", "2026-01-15", 100, event="settled", method="direct_debit"),
        payment("p", "2026-01-22", 100, event="returned", method="direct_debit"),
    ]
    books = ledger([A], rows)
    assert [fact["late"] for fact in seen(books, "maturities", "2026-01-22")] == [0]
    assert [fact["late"] for fact in seen(books, "maturities", "2026-01-24")] == [1]


def test_a_refund_weeks_later_leaves_the_maturity_as_it_was():
    rows = [
        payment("p", "2026-01-15", 100, event="settled", method="direct_debit"),
        payment("p", "2026-02-20", 100, event="refunded", method="direct_debit"),
    ]
    assert [fact["late"] for fact in seen(ledger([A], rows), "maturities", "2026-04-01")] == [0]


def test_a_due_day_moved_before_it_had_closed_moves_the_maturity_also_after_a_part_was_paid():
    moved = {"invoice_id": "A", "happened_at": "2026-01-14", "event": "due_changed", "due_on": "2026-01-30"}
    rows = [payment("p", "2026-01-08", 20), payment("q", "2026-01-29", 80)]
    (fact,) = seen(ledger([A], rows, invoice_events=[moved]), "maturities", "2026-03-01")
    assert (fact["late"], fact["happened_at"].date().isoformat()) == (0, "2026-02-02")


def test_a_due_day_moved_after_it_had_closed_moves_no_maturity():
    moved = {"invoice_id": "A", "happened_at": "2026-01-16", "event": "due_changed", "due_on": "2026-01-30"}
    rows = [payment("q", "2026-01-29", 100)]
    (fact,) = seen(ledger([A], rows, invoice_events=[moved]), "maturities", "2026-03-01")
    assert (fact["late"], fact["happened_at"].date().isoformat()) == (1, "2026-01-18")


def test_a_withdrawn_or_fully_credited_invoice_has_no_maturity():
    note = invoice("N", "2026-01-10", "2026-01-10", -100, corrects_id="A")
    assert len(ledger([{**A, "withdrawn_on": "2026-01-10"}], until="2026-03-01").maturities) == 0
    assert len(ledger([A, note], until="2026-03-01").maturities) == 0


# -- balances ---------------------------------------------------------------------------------------------


def test_becoming_overdue_is_a_change_of_the_balance():
    frame = ledger([A], [], until="2026-03-01").frame("balances")
    columns = ["known_at", "open_amount", "overdue_amount", "open_count", "overdue_count", "oldest_overdue_on"]
    close = pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
    assert frame[columns].to_numpy().tolist() == [
        [pd.Timestamp("2026-01-01") + close, 100, 0, 1, 0, pd.NaT],
        [pd.Timestamp("2026-01-15") + close, 100, 100, 1, 1, pd.Timestamp("2026-01-15")],
    ]


def test_what_is_paid_by_the_close_of_its_due_day_never_becomes_overdue():
    books = ledger([A], [payment("p", "2026-01-14", 100)])  # known at the last microsecond of the due day
    assert books.frame("balances")[["open_amount", "overdue_amount"]].to_numpy().tolist() == [[100, 0], [0, 0]]


def owed_by_hand(books: Any, customer: int, at: int) -> tuple[float, ...]:
    """Open and overdue at a moment, read from the states of the debts one by one."""
    states = books.settlement.states
    held = (states.customer == customer) & (states.known_at <= at) & (at < states.known_until) & (states.open > 0)
    due_day = states.due_at[held] // US_PER_DAY
    late = (due_day + 1) * US_PER_DAY - 1 <= at
    oldest = float(due_day[late].min()) if late.any() else np.nan
    open_ = states.open[held]
    return float(open_.sum()), float(open_[late].sum()), float(held.sum()), float(late.sum()), oldest


@law(history=histories(), few=20, many=60)
def test_the_balance_at_every_moment_is_the_sum_over_the_states_of_the_debts(history: Any):
    books = books_of(history)
    facts, states = books.balances, books.settlement.states
    ends = (states.due_at // US_PER_DAY + 1) * US_PER_DAY
    for customer in range(len(books.customers)):
        own = facts.take(facts.owner == customer)
        mine = states.customer == customer
        for at in np.unique([*states.known_at[mine], *(ends[mine] - 1), *ends[mine]]).tolist():
            before = np.flatnonzero(own.known_at <= at)
            if not len(before):
                assert owed_by_hand(books, customer, at)[0] == 0
                continue
            last = before[-1]
            since = own.moments("oldest_overdue_on")[last]
            counted = [
                own.numbers(name)[last] for name in ("open_amount", "overdue_amount", "open_count", "overdue_count")
            ]
            day = float(since // US_PER_DAY) if counted[3] else np.nan
            np.testing.assert_array_equal([*counted, day], owed_by_hand(books, customer, at))


# -- returns, obligations ---------------------------------------------------------------------------------


def test_return_reasons_fall_into_families_and_ms03_stays_unknown():
    codes = [
        "AM04",
        "AC01",
        "AC04",
        "AC06",
        "MD01",
        "MD02",
        "MS02",
        "SL01",
        "MD06",
        "MD07",
        "MS03",
        "ZZ99",
        None,
        "am04",
    ]
    families = ["funds", *["account"] * 3, *["mandate"] * 2, *["customer"] * 3, "deceased", *["unknown"] * 3, "funds"]
    assert cause_family(Text.of(codes)).values().tolist() == families


def test_returns_list_failed_returned_refunded_and_reversed_payments_with_attempt_and_cause():
    words = ["failed", "returned", "refunded", "reversed"]
    rows = [
        payment(f"p{n}", f"2026-02-0{n + 1}", 10 + n, event=word, attempt=n, reason_code="AM04")
        for n, word in enumerate(words)
    ]
    frame = ledger([A], [*rows, payment("ok", "2026-02-01", 5, event="settled")]).frame("returns")
    assert frame[["cause", "attempt", "amount"]].to_numpy().tolist() == [["funds", n, 10 + n] for n in range(4)]


@law(
    events=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["settled", "returned", "failed"]), st.integers(0, 3)),
        max_size=14,
    ),
    few=60,
    many=400,
)
def test_returns_in_a_row_are_those_without_another_collection_paid_in_between(events):
    rows = [
        payment(
            f"p{source}",
            "2026-02-01",
            10,
            event=event,
            attempt=n,
            method="direct_debit",
            known_at=f"2026-02-{day + 2:02}",
        )
        for n, (day, event, source) in enumerate(events)
    ]
    frame = ledger([A], rows).frame("returns")
    wanted, before, count = {}, None, 0
    back = sorted((day, n) for n, (day, event, _) in enumerate(events) if event != "settled")
    for day, n in back:
        paid = [
            source
            for other, event, source in events
            if event == "settled" and other <= day and (before is None or other > before)
        ]
        count = 1 if before is None or any(source != events[n][2] for source in paid) else count + 1
        wanted[n], before = count, day
    assert dict(zip(frame["attempt"].astype(int), frame["in_a_row"], strict=True)) == wanted


def test_a_return_stated_anew_is_the_one_it_was():
    rows = [
        payment("p", "2026-02-01", 10, event="failed", attempt=1, known_at="2026-02-02"),
        payment("p", "2026-02-01", 12, event="failed", attempt=1, known_at="2026-02-05"),
        payment("q", "2026-02-07", 12, event="failed", attempt=1, known_at="2026-02-08"),
    ]
    assert ledger([A], rows).facts("returns").numbers("in_a_row").tolist() == [1, 1, 2]


def test_an_obligation_is_what_is_still_open_until_it_is_paid():
    books = ledger([A], [payment("p", "2026-01-10", 30), payment("q", "2026-01-20", 70)])
    assert [fact["amount"] for fact in seen(books, "obligations", "2026-01-05")] == [100]
    assert [fact["amount"] for fact in seen(books, "obligations", "2026-01-15")] == [70]
    assert seen(books, "obligations", "2026-02-01") == []


def test_a_planned_amount_is_one_obligation_before_and_after_its_invoice_and_past_its_day():
    plan = [{"customer_id": "c", "expected_due_on": "2026-02-14", "amount": 55, "known_at": "2026-01-20"}]
    billed = ledger([B], schedule=plan, until="2026-03-01")
    assert [(f["amount"], f["stage"]) for f in seen(billed, "obligations", "2026-02-01")] == [(55, "scheduled")]
    assert [(f["amount"], f["stage"]) for f in seen(billed, "obligations", "2026-02-10")] == [(60, "issued")]
    alone = ledger([], schedule=plan, until="2026-03-01")
    for as_of in ("2026-02-14", "2026-02-14T12:00", "2026-02-15", "2026-02-20"):
        assert [fact["amount"] for fact in seen(alone, "obligations", as_of)] == [55], as_of


@law(history=histories(), few=12, many=40)
def test_streams_never_change_what_a_moment_could_see(history: Any):
    books = books_of(history)
    last = int(pd.Timestamp("2026-12-31").to_datetime64().astype("M8[us]").astype(np.int64))
    for name in ("settlements", "maturities", "balances", "returns", "obligations"):
        whole = books.facts(name)
        for at in [*np.unique(whole.known_at)[::4].tolist(), last]:
            cut = books.known_before(at).facts(name)
            one = whole.take(visible(whole.known_at, whole.known_until, at)).frame(2)
            two = cut.take(visible(cut.known_at, cut.known_until, at)).frame(2)
            pd.testing.assert_frame_equal(one, two)


def test_versions_of_a_maturity_follow_each_other_without_gap_or_overlap():
    rows = [
        payment("p", "2026-01-15", 100, event="settled", method="direct_debit"),
        payment("p", "2026-01-21", 100, event="returned", method="direct_debit"),
        payment("q", "2026-03-01", 100, event="settled", value_on="2026-01-16"),
    ]
    facts = ledger([A], rows).maturities
    assert facts.columns["late"].tolist() == [0, 1, 1]
    assert facts.columns["open_amount"].tolist() == [0, 100_00, 0]
    assert facts.known_until[:-1].tolist() == facts.known_at[1:].tolist()
    assert facts.known_until[-1] == FOREVER


def test_the_tolerance_is_one_unit_or_one_percent():
    assert tolerance(np.array([50_00, 500_00]), 2).tolist() == [100, 500]
    assert tolerance(np.array([50, 500]), 0).tolist() == [1, 5]
