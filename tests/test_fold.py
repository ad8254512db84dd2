"""The compiled fold of plain debtors writes what `Books` writes, and is taken only where it may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bills import invoice, ledger, payment
from earlywarn.dates import FOREVER
from earlywarn.tables import parts
from earlywarn.tables.balances import least_over
from earlywarn.tables.events import added_since, settlement_events
from earlywarn.tables.fold import plain_events
from earlywarn.tables.postings import INVOICE, RECEIPT, RETURN, Event, Events
from earlywarn.tables.settlement import by_books, by_loops, in_order
from earlywarn.tables.upto import UpTo
from test_settlement import DAYS, books_of, day, histories
from tiers import law

CENTS = st.sampled_from([1000, 2500, 5000, 5000, 7500, 10000])
IDS = st.sampled_from([None, "I0", "I1", "I2", "I3", "none"])


@st.composite
def plain_histories(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Tables of three debtors in which each bill, credit note, receipt and return is stated once."""
    customers = st.sampled_from(["c", "d", "e"])
    invoices, payments, moved = [], [], []
    for number in range(draw(st.integers(1, 7))):
        issued = draw(DAYS)
        invoices.append(
            {"invoice_id": f"I{number}", "customer_id": draw(customers), "issued_on": day(issued),
             "due_on": day(issued + draw(st.integers(0, 20))), "known_at": day(issued + draw(st.integers(0, 9))),
             "amount": draw(CENTS) * draw(st.sampled_from([1, 1, 1, -1])), "corrects_id": draw(IDS)}
        )  # fmt: skip
        if draw(st.integers(0, 3)) == 0:
            moved.append(
                {"invoice_id": f"I{number}", "happened_at": day(issued + draw(DAYS)), "event": "due_changed",
                 "due_on": day(issued + draw(DAYS))}
            )  # fmt: skip
    for number in range(draw(st.integers(0, 8))):
        paid = draw(DAYS)
        row = {
            "payment_id": f"P{number}", "customer_id": draw(customers), "paid_on": day(paid), "invoice_id": draw(IDS),
            "amount": draw(CENTS) * draw(st.sampled_from([1, 1, 2, 3])), "event": "settled",
            "attempt": draw(st.sampled_from([None, 1, 2])), "known_at": day(paid + draw(st.integers(0, 9))),
            "kind": draw(st.sampled_from(["payment"] * 5 + ["write_off", "deposit"])),
            "method": draw(st.sampled_from(["transfer", "direct_debit"])),
        }  # fmt: skip
        payments.append(row)
        for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
            back = paid + draw(st.integers(-2, 30))
            payments.append(
                row
                | {
                    "event": draw(st.sampled_from(["failed", "returned", "refunded", "reversed"])),
                    "paid_on": day(back),
                    "known_at": row["known_at"] + (day(draw(st.integers(0, 20))) - day(0)),
                    "amount": draw(st.sampled_from([row["amount"], row["amount"] // 2, 20000])),
                    "attempt": draw(st.sampled_from([row["attempt"], None, 2])),
                }
            )
    return {"invoices": invoices, "payments": payments, "invoice_events": moved}


def books_of_plain(history: dict[str, list[dict[str, Any]]]) -> Any:
    """The ledger of a plain history, without an empty table of events."""
    moved = history["invoice_events"]
    cents = {
        name: [row | {"amount": row["amount"] / 100} for row in history[name]] for name in ("invoices", "payments")
    }
    return ledger(**cents, until="2026-12-31", **({"invoice_events": moved} if moved else {}))


def both_ways(books: Any) -> tuple[Any, Any, float]:
    """Settled through `Books`, settled by the loops, and the share of the events that went through the loops."""
    events = settlement_events(books._tables, books.debts)
    order = in_order(events)
    plain = plain_events(events, order) if len(events) else np.zeros(1)
    return by_books(events, order), by_loops(events, order), float(plain.mean())


def assert_the_same(one: Any, other: Any) -> None:
    for mine, theirs in zip(one[:2], other[:2], strict=True):
        for name in mine.__dataclass_fields__:
            left, right = getattr(mine, name), getattr(theirs, name)
            assert left.dtype == right.dtype, name
            np.testing.assert_array_equal(left, right, err_msg=name)
    assert one[2] == other[2]


@law(history=plain_histories(), few=40, many=150)
def test_the_loops_write_what_the_books_write_for_plain_debtors(history: Any):
    one, other, _ = both_ways(books_of_plain(history))
    assert_the_same(one, other)


@law(history=histories(), few=20, many=60)
def test_the_loops_leave_every_other_debtor_to_the_books(history: Any):
    one, other, _ = both_ways(books_of(history))
    assert_the_same(one, other)


A, B = invoice("A", "2026-01-01", "2026-01-15", 100), invoice("B", "2026-02-01", "2026-02-15", 60)
PAID = payment("p", "2026-01-10", 130, event="settled")


@pytest.mark.parametrize(
    ("rows", "more", "share"),
    [
        ([PAID, payment("p", "2026-01-20", 130, event="returned")], {}, 1),
        ([PAID, payment("p", "2026-01-05", 130, event="failed")], {}, 1),
        ([PAID, payment("p", "2026-01-20", 130, event="returned", known_at="2026-01-09")], {}, 0),
        ([PAID | {"kind": "payout"}], {}, 0),
        ([PAID | {"known_at": "2026-01-10"}, PAID | {"known_at": "2026-01-12"}], {}, 0),
        (
            [PAID],
            {"allocations": [{"payment_id": "p", "invoice_id": "B", "amount": 1, "allocated_on": "2026-01-20"}]},
            0,
        ),
        ([PAID], {"schedule": [{"customer_id": "c", "expected_due_on": "2026-03-14", "amount": 90}]}, 0),
    ],
)
def test_a_debtor_is_plain_when_everything_is_stated_once_and_nothing_waits(rows: Any, more: Any, share: float):
    assert both_ways(ledger([A, B], rows, **more))[2] == share


def test_one_debtor_who_is_not_plain_leaves_the_others_to_the_loops():
    gone = [{**A, "customer_id": "b", "invoice_id": "Z", "withdrawn_on": "2026-01-20"}]
    one, other, share = both_ways(ledger([A, B, *gone], [PAID]))
    assert share == 3 / 5
    assert_the_same(one, other)


def test_many_returns_in_part_leave_money_on_no_more_places_than_there_are_events():
    """One payment covers nine bills; a part of it goes back again and again, and other money takes its place."""
    events = [Event(3, 1, INVOICE, bill, debt=bill, amount=90, happened_at=0, due_at=bill) for bill in range(9)]
    events.append(Event(3, 2, RECEIPT, 100, amount=810, happened_at=0, value_at=0, source=100))
    for turn in range(40):
        events.append(Event(3, 10 + turn, RETURN, 100, amount=20, happened_at=1, source=100))
        for part in range(2):
            source = 101 + 2 * turn + part
            events.append(Event(3, 10 + turn, RECEIPT, source, amount=9, happened_at=0, value_at=0, source=source))
    every = Events.of(events)
    order = in_order(every)
    assert plain_events(every, order).all()
    assert_the_same(by_books(every, order), by_loops(every, order))


def test_debtors_in_parts_are_those_taken_at_once(monkeypatch: pytest.MonkeyPatch):
    """With parts of three rows each: entries, states and streams of a biller with some debtors who are not plain."""
    bills = [
        invoice(f"I{n}", f"2026-01-{1 + n:02}", "2026-01-25", 50 + n % 3, customer_id=f"c{n % 7}") for n in range(24)
    ]
    bills[5] |= {"withdrawn_on": "2026-01-20"}
    paid = [
        payment(
            f"p{n}", f"2026-01-{5 + n:02}", 50, customer_id=f"c{n % 5}", event="settled", method=("card", "cash")[n % 2]
        )
        for n in range(20)
    ]
    paid += [payment("p3", "2026-02-01", 50, customer_id="c3", event="returned")]
    names = ("settlements", "maturities", "balances", "obligations")
    whole = ledger(bills, paid, until="2026-06-01")
    streams = {name: whole.frame(name) for name in names}
    one, at_once, share = both_ways(whole)
    assert 0 < share < 1
    monkeypatch.setattr(parts, "ROWS_PER_PART", 3)
    assert_the_same(one, both_ways(whole)[1])
    assert_the_same(one, at_once)
    again = ledger(bills, paid, until="2026-06-01")
    for name in names:
        pd.testing.assert_frame_equal(streams[name], again.frame(name))


def test_no_events_make_no_entries():
    events = Events.made(0, customer=[], known_at=[], kind=[], order=[])
    for settled in (by_books(events, in_order(events)), by_loops(events, in_order(events))):
        assert len(settled[0].amount) == len(settled[1].open) == 0


SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9), st.integers(-5, 5)), max_size=8)


@given(spans=SPANS)
def test_the_least_over_spans_is_the_least_of_those_that_cover_a_place(spans: Any):
    start, length, value = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    found = least_over(start, start + length, value, 21)
    for place in range(21):
        over = [v for s, n, v in spans if s <= place < s + n]
        assert found[place] == min(over, default=FOREVER)


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-9, 9), st.integers(-50, 50)), max_size=12)


@given(rows=ROWS, key=st.integers(0, 4), at=st.integers(-10, 10))
def test_totals_up_to_a_moment_add_what_was_known_by_then(rows: Any, key: int, at: int):
    keys, known, amount = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    (total,) = UpTo(keys, known).totals(np.array([key]), np.array([at]), amount)
    assert total.tolist() == [sum(a for k, t, a in rows if k == key and t <= at)]


@given(rows=ROWS)
def test_what_each_version_adds_sums_to_the_last_one(rows: Any):
    keys, known, amount = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    added = added_since(amount, known, keys)
    for key in set(keys.tolist()):
        own = [(t, i) for i, (k, t, _) in enumerate(rows) if k == key]
        assert added[keys == key].sum() == amount[max(own)[1]]
