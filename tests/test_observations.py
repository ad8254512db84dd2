"""Observations: which obligations are seen when, in which stage, at what amount, and who stands open today."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import strategies as st

from bills import invoice, ledger, payment
from earlywarn.errors import DataError
from earlywarn.outcomes import OBSERVATION_COLUMNS, Outcome
from earlywarn.simulate import World
from earlywarn.tables.ledger import Ledger
from test_settlement import books_of, histories
from tiers import law

A = invoice("A", "2026-03-01", "2026-03-16", 100)
B = invoice("B", "2026-04-01", "2026-04-16", 60)
FAR = "2026-12-31"


def days(frame: pd.DataFrame, column: str = "as_of") -> list[str]:
    return frame[column].dt.date.astype(str).tolist()


def test_an_obligation_is_observed_once_at_each_lead():
    obs = Outcome(3, (14, 7, 0)).observations(ledger([A], until=FAR))
    assert days(obs) == ["2026-03-02", "2026-03-09", "2026-03-16"]
    assert obs["lead_days"].tolist() == [14, 7, 0]
    assert obs["obligation_id"].tolist() == ["invoice:A"] * 3


def test_leads_may_come_in_any_order_and_twice():
    books = ledger([A], until=FAR)
    pd.testing.assert_frame_equal(Outcome(3, [7, 14, 7]).observations(books), Outcome(3, (14, 7)).observations(books))


def test_start_and_end_are_both_included():
    books = ledger([A, B], until=FAR)
    outcome = Outcome(3, 7)
    assert days(outcome.observations(books, "2026-03-09", "2026-04-09")) == ["2026-03-09", "2026-04-09"]
    assert days(outcome.observations(books, "2026-03-10", "2026-04-09")) == ["2026-04-09"]
    assert days(outcome.observations(books, "2026-03-09", "2026-04-08")) == ["2026-03-09"]


def test_without_an_end_the_data_end_it():
    assert days(Outcome(3, 7).observations(ledger([A, B], until="2026-04-08"))) == ["2026-03-09"]


def test_what_was_not_known_at_due_less_the_lead_is_counted_and_not_observed():
    obs = Outcome(3, 20).observations(ledger([A], until=FAR))
    assert len(obs) == 0
    (notice,) = obs.attrs["notices"]
    assert notice.startswith("1 obligation ")


def test_what_was_paid_before_is_not_observed_and_what_was_paid_in_part_is_at_what_is_left():
    part = ledger([A], [payment("p", "2026-03-04", 30)], until=FAR)
    assert Outcome(3, 7).observations(part)[["amount", "open_amount"]].to_numpy().tolist() == [[100, 70]]
    assert len(Outcome(3, 7).observations(ledger([A], [payment("p", "2026-03-04", 100)], until=FAR))) == 0


@pytest.mark.parametrize(("paid", "rows"), [("2026-03-05", 0), ("2026-03-06", 1)])
def test_money_is_seen_one_bank_day_after_it_came_in(paid: str, rows: int):
    # observed on Monday 9 March: of Thursday's money one knows on Friday, of Friday's on Monday's close
    assert len(Outcome(3, 7).observations(ledger([A], [payment("p", paid, 100)], until=FAR))) == rows


def test_what_is_known_to_be_withdrawn_credited_or_disputed_is_not_observed():
    gone = {**A, "withdrawn_on": "2026-03-08"}
    note = invoice("N", "2026-03-08", "2026-03-08", -100, corrects_id="A")
    dispute = {"dispute_id": "d", "customer_id": "c", "invoice_id": "A", "opened_on": "2026-03-08"}
    for books in (ledger([gone], until=FAR), ledger([A, note], until=FAR), ledger([A], disputes=[dispute], until=FAR)):
        assert len(Outcome(3, 7).observations(books)) == 0
    in_part, closed = {**dispute, "amount": 40}, {**dispute, "closed_on": "2026-03-08", "upheld": False}
    for row in (in_part, closed, {**dispute, "opened_on": "2026-03-09"}, {**dispute, "kind": "complaint"}):
        assert len(Outcome(3, 7).observations(ledger([A], disputes=[row], until=FAR))) == 1


def test_a_due_day_that_moves_is_observed_under_the_day_that_was_known():
    change = {"invoice_id": "A", "happened_at": "2026-03-12", "event": "due_changed", "due_on": "2026-03-30"}
    obs = Outcome(3, 7).observations(ledger([A], invoice_events=[change], until=FAR))
    assert days(obs) == ["2026-03-09", "2026-03-23"]
    assert days(obs, "due_on") == ["2026-03-16", "2026-03-30"]


def test_a_file_sent_to_the_bank_makes_the_obligation_collecting_until_it_is_known_to_have_failed():
    sent = payment("p", "2026-03-04", 100, invoice_id="A", method="direct_debit", event="initiated")
    failed = sent | {"event": "failed", "paid_on": "2026-03-11"}
    books = ledger([A], [sent, failed], until=FAR)
    assert Outcome(3, (14, 7, 2)).observations(books)["stage"].tolist() == ["issued", "collecting", "issued"]


def test_the_frame_has_the_columns_that_are_promised_sorted_and_with_a_unique_index():
    other = {**A, "invoice_id": "0", "customer_id": "b"}
    obs = Outcome(3, (14, 7)).observations(ledger([B, A, other], until=FAR))
    assert list(obs.columns) == list(OBSERVATION_COLUMNS)
    for column, kind in OBSERVATION_COLUMNS.items():
        assert pd.api.types.is_string_dtype(obs[column].dtype) if kind == "text" else obs[column].dtype == kind
    keys = list(zip(obs["as_of"], obs["customer_id"], obs["obligation_id"], strict=True))
    assert keys == sorted(keys)
    assert obs.index.equals(pd.RangeIndex(len(obs)))


def test_no_observations_have_the_same_columns_and_an_empty_label():
    books = ledger([], until=FAR)
    obs = Outcome().observations(books)
    assert list(obs.columns) == list(OBSERVATION_COLUMNS)
    assert Outcome().label(books, obs).tolist() == []
    assert len(Outcome().standing(books, "2026-03-01")) == 0


def test_standing_lists_what_is_overdue_and_what_falls_due_within_the_horizon_at_its_true_lead():
    frame = Outcome().standing(ledger([A, B], until=FAR), "2026-04-02", horizon_days=14)
    assert frame[["invoice_id", "lead_days"]].to_numpy().tolist() == [["A", -17], ["B", 14]]
    assert Outcome().standing(ledger([A, B], until=FAR), "2026-04-02", 13)["invoice_id"].tolist() == ["A"]


@law(history=histories(), lead=st.integers(0, 12), few=15, many=40)
def test_an_observation_is_what_stands_open_at_that_moment_at_that_lead(history: Any, lead: int):
    books = books_of(history)
    outcome = Outcome(3, lead)
    obs = outcome.observations(books)
    for as_of in obs["as_of"].unique()[:3]:
        standing = outcome.standing(books, as_of, horizon_days=lead)
        there = standing[standing["lead_days"] == lead].reset_index(drop=True)
        pd.testing.assert_frame_equal(there, obs[obs["as_of"] == as_of].reset_index(drop=True))


@law(history=histories(), data=st.data(), few=12, many=40)
def test_observations_before_a_moment_need_nothing_known_from_then_on(history: Any, data: st.DataObject):
    books = books_of(history)
    outcome = Outcome(3, (9, 4, 0))
    obs = outcome.observations(books)
    at = pd.Timestamp("2026-01-01") + pd.Timedelta(days=data.draw(st.integers(1, 90)))
    cut = outcome.observations(books.known_before(at), end=at)
    pd.testing.assert_frame_equal(cut, obs[obs["as_of"] <= at].reset_index(drop=True))


@pytest.mark.parametrize("options", [{"grace_days": -1}, {"lead_days": -2}, {"lead_days": ()}])
def test_an_outcome_that_is_not_possible_is_refused(options: dict[str, Any]):
    with pytest.raises(DataError, match=r"DataError\[D160\]"):
        Outcome(**options)


def test_observations_of_another_ledger_are_refused():
    obs = Outcome(3, 7).observations(ledger([A], until=FAR))
    with pytest.raises(DataError, match=r"DataError\[D161\].*'invoice:A'"):
        Outcome(3, 7).label(ledger([B], until=FAR), obs)


def test_what_a_row_weighs_does_not_tell_who_had_paid():
    """Without any payment the rows that are there in both cases weigh the same, and each obligation weighs one."""
    tables = World("telecom", 80, 8, 2).live().tables()
    outcome = Outcome(lead_days=(14, 7, 3, 1), stages=("cycle", "scheduled", "issued", "collecting"))
    books = Ledger.from_tables(**tables, until="2025-03-01")
    unpaid = Ledger.from_tables(**{**tables, "payments": tables["payments"].head(0)}, until="2025-03-01")
    obs, every = outcome.observations(books), outcome.observations(unpaid)
    weights = [
        rows.assign(weight=outcome.weights(rows)).set_index(["obligation_id", "stage", "as_of"])["weight"]
        for rows in (obs, every)
    ]
    both = weights[0].index.intersection(weights[1].index)
    assert 400 < len(both) < len(weights[1])
    assert (weights[0].reindex(both) == weights[1].reindex(both)).all()
    due = every["due_on"] + pd.Timedelta("1D") < "2025-03-01"
    known = every[due & (every["stage"] != "cycle")].assign(weight=outcome.weights(every))
    assert known.groupby("obligation_id")["weight"].sum().round(9).isin([1.0]).mean() > 0.99


def test_what_another_debtor_says_of_a_bill_does_not_bear_on_it():
    dispute = {"dispute_id": "d", "customer_id": "someone else", "opened_on": "2026-03-05", "invoice_id": "A"}
    sent = {**payment("p", "2026-03-08", 100), "customer_id": "someone else", "invoice_id": "A"}
    sent |= {"event": "initiated", "method": "direct_debit"}
    obs = Outcome(lead_days=7).observations(ledger([A], [sent], disputes=[dispute], until=FAR))
    assert obs["stage"].tolist() == ["issued"]
    own = ledger([A], [{**sent, "customer_id": "c"}], disputes=[{**dispute, "customer_id": "c"}], until=FAR)
    assert len(Outcome(lead_days=7).observations(own)) == 0
