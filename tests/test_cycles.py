"""Running periods: from when to when they exist, under which id, and how they become bills."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bills import invoice, ledger, payment
from cycles import CYCLES, DAY, bill, billed, days, month, standing
from earlywarn.errors import DataError
from earlywarn.outcomes import OBSERVATION_COLUMNS, Outcome, cycle_accounts
from earlywarn.tables.ledger import Ledger

MARCH = "cycle:c:::recurring:2025-03-01"
APRIL = "cycle:c:::recurring:2025-04-01"
LATE = "2025-12-31"


def running(books: Ledger, as_of: Any) -> list[str]:
    frame = standing(books, as_of)
    return frame.loc[frame["stage"] == "cycle", "obligation_id"].tolist()


# -- when a period exists -------------------------------------------------------------------------------


def test_a_period_is_observed_at_half_three_quarters_and_nine_tenths_of_its_days():
    obs = CYCLES.observations(billed(2, until="2025-03-31"), "2025-03-01")
    running = obs[obs["stage"] == "cycle"]
    assert running["obligation_id"].tolist() == [MARCH] * 3
    assert days(running) == ["03-17", "03-25", "03-29"]  # of 31 days: 15.5, 23.25 and 27.9, rounded up
    assert running["amount"].tolist() == [50.0] * 3
    assert days(running, "due_on") == ["04-15"] * 3
    assert running["lead_days"].tolist() == [29, 21, 17]
    assert running["due_is_estimated"].all()
    assert running["invoice_id"].isna().all()


def test_a_period_stands_from_its_first_day_until_its_bill_is_known():
    books = billed(3, delay=3, until=LATE)  # the bill of March is issued on 4 April, known at its close
    assert running(books, "2025-03-01") == ["cycle:c:::recurring:2025-02-01", MARCH]
    assert running(books, "2025-02-28") == ["cycle:c:::recurring:2025-02-01"]
    before, after = standing(books, "2025-04-04"), standing(books, "2025-04-05")
    assert before.set_index("obligation_id").loc[MARCH, "stage"] == "cycle"
    assert after.set_index("obligation_id").loc[MARCH, "stage"] == "issued"
    assert after.set_index("obligation_id").loc[MARCH, "invoice_id"] == "I02"
    assert after.set_index("obligation_id").loc[APRIL, "stage"] == "cycle"


def test_without_stated_periods_three_bills_at_even_distances_make_a_rhythm():
    assert "cycle" not in set(CYCLES.observations(billed(2, stated=False, until=LATE))["stage"])
    obs = CYCLES.observations(billed(3, stated=False, until=LATE))
    assert set(obs[obs["stage"] == "cycle"]["obligation_id"]) == {
        APRIL
    }  # from the third issue to the day before the next


def test_bills_at_odd_distances_make_no_rhythm():
    issued = ["2025-01-03", "2025-01-20", "2025-03-30", "2025-04-02", "2025-06-01"]
    rows = [bill(0, invoice_id=f"X{n}", stated=False, issued_on=day, due_on=LATE) for n, day in enumerate(issued)]
    assert "cycle" not in set(CYCLES.observations(ledger(rows, until=LATE))["stage"])


def test_a_bill_in_advance_is_cut_at_its_issue():
    rows = [bill(n, period_from=month(n + 1), period_to=month(n + 2) - DAY) for n in range(3)]
    assert running(ledger(rows, until=LATE), "2025-04-10") == [APRIL]


@pytest.mark.parametrize(("step", "starts"), [(28, "2025-03-26"), (7, "2025-01-22")])
def test_a_rhythm_in_days_is_kept_in_days(step: int, starts: str):
    issued = [pd.Timestamp("2025-01-01") + step * n * DAY for n in range(4)]
    rows = [
        bill(0, invoice_id=f"X{n}", stated=False, issued_on=day, due_on=day + 10 * DAY) for n, day in enumerate(issued)
    ]
    frame = standing(ledger(rows, until=LATE), issued[-1] + 3 * DAY)
    frame = frame[frame["stage"] == "cycle"]
    assert frame["obligation_id"].tolist() == [f"cycle:c:::recurring:{starts}"]
    assert frame["due_on"].tolist() == [issued[-1] + (step + 10) * DAY]


def test_a_period_whose_bill_does_not_come_lapses_and_nothing_more_is_expected():
    books = billed(3, until=LATE)
    assert running(books, "2025-05-10") == [APRIL, "cycle:c:::recurring:2025-05-01"]
    for day in ("2025-05-17", "2025-06-20", "2025-10-01"):
        assert running(books, day) == []


def test_accounts_contracts_and_kinds_run_apart():
    rows = [bill(n, invoice_id=f"{a}{n}", account_id=a, amount=20.0) for n in range(3) for a in ("a1", "a2")]
    rows += [bill(n, invoice_id=f"v{n}", account_id="a1", kind="advance", amount=9.0) for n in range(3)]
    rows += [bill(n, invoice_id=f"o{n}", account_id="a1", kind="fee") for n in range(3)]
    books = ledger(rows, until=LATE)
    frame = standing(books, "2025-04-10")
    running = frame[frame["stage"] == "cycle"]
    kinds = ["a1::advance", "a1::recurring", "a2::recurring"]
    assert running["obligation_id"].tolist() == [f"cycle:c:{kind}:2025-04-01" for kind in kinds]
    account, contract = cycle_accounts(books, running["obligation_id"])
    assert account.tolist() == ["a1", "a1", "a2"]
    assert contract.tolist() == [None] * 3


# -- one id from stage to stage --------------------------------------------------------------------------


def test_names_that_hold_what_parts_an_id_stay_apart():
    """Debtor "a:b" with account "c", and debtor "a" with account "b:c"; the sign of the escape itself too."""
    pairs = [("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c"), ("a%253Ab", "c")]
    bills = [
        bill(n, invoice_id=f"{place}-{n}", customer_id=who, account_id=account)
        for place, (who, account) in enumerate(pairs)
        for n in range(3)
    ]
    plan = {"expected_due_on": "2025-09-01", "amount": 5.0, "known_at": "2025-03-01"}
    plans = [{**plan, "customer_id": who, "account_id": account} for who, account in pairs]
    accounts = [{"customer_id": who, "account_id": account} for who, account in pairs]
    books = ledger(bills, schedule=plans, accounts=pd.DataFrame(accounts), until=LATE)
    obs = CYCLES.observations(books)
    assert not obs.duplicated(["obligation_id", "as_of"]).any()
    assert (obs.groupby("obligation_id")["customer_id"].nunique() == 1).all()
    assert obs.groupby(["customer_id", "stage"]).size().unstack().nunique().eq(1).all(), "each pair as the others"
    assert len(CYCLES.label(books, obs)) == len(obs)
    at_most = Outcome().standing(books, "2025-08-20", 60)
    assert at_most["obligation_id"].is_unique
    assert (at_most["stage"] == "scheduled").sum() == len(pairs)


def test_without_asking_there_are_no_cycles_and_bills_keep_their_own_names():
    obs = Outcome().observations(billed(4, until=LATE))
    assert obs["obligation_id"].tolist() == ["invoice:I00", "invoice:I01", "invoice:I02", "invoice:I03"]
    assert not obs["due_is_estimated"].any()
    assert obs[["amount_low", "amount_high"]].isna().all(axis=None)


def test_the_bill_that_ends_a_period_bears_its_name_and_gives_its_label():
    rows = [bill(0), bill(1), bill(2)]
    books = ledger(rows, [payment("p", "2025-04-20", 50.0, invoice_id="I02")], until=LATE)
    obs = CYCLES.observations(books)
    own = obs[obs["obligation_id"] == MARCH]
    assert own["stage"].tolist() == ["cycle"] * 3 + ["issued"]
    found = CYCLES.resolve(books, own)
    assert found["late"].tolist() == [1] * 4
    assert days(found, "due_on") == ["04-15"] * 4


def test_while_a_bill_is_awaited_the_next_period_runs_and_each_bill_takes_its_own():
    books = billed(4, delay=9, until=LATE)
    assert running(books, "2025-04-08") == [MARCH, APRIL]
    later = standing(books, "2025-05-15").set_index("invoice_id")
    assert later.loc["I02", "obligation_id"] == MARCH
    assert later.loc["I03", "obligation_id"] == APRIL


def test_a_bill_that_was_left_out_ends_its_own_period_only():
    rows = [bill(n, delay=9) for n in (0, 1, 3)]  # March is never billed
    books = ledger(rows, until=LATE)
    obs = CYCLES.observations(books)
    assert obs.loc[obs["invoice_id"] == "I03", "obligation_id"].tolist() == [APRIL]
    found = CYCLES.resolve(books, obs[obs["obligation_id"] == MARCH])
    assert set(found["reason"]) == {"not billed"}


def test_a_second_bill_of_a_period_stands_beside_what_runs():
    twice = bill(2, invoice_id="I02b", issued_on="2025-04-05", due_on="2025-04-20")
    books = ledger([bill(0), bill(1), bill(2), twice], until=LATE)
    frame = standing(books, "2025-04-10").set_index("obligation_id")
    assert frame.loc[MARCH, "invoice_id"] == "I02"
    assert frame.loc["invoice:I02b", "stage"] == "issued"
    assert frame.loc[APRIL, "stage"] == "cycle"


def test_a_period_that_turns_out_shorter_keeps_the_name_it_began_with():
    early = bill(2, delay=2, period_to="2025-03-27")
    books = ledger([bill(0, delay=2), bill(1, delay=2), early], until=LATE)
    assert running(books, "2025-04-02") == [MARCH, APRIL]
    assert running(books, "2025-04-10") == [APRIL]


def test_an_agreed_amount_takes_the_place_of_the_period_under_its_name():
    plan = {"customer_id": "c", "expected_due_on": "2025-04-16", "amount": 44.0, "known_at": "2025-03-20"}
    books = ledger([bill(0), bill(1), bill(2, 44.0)], schedule=[plan], until=LATE)
    assert standing(books, "2025-03-20").set_index("obligation_id").loc[MARCH, "stage"] == "cycle"
    agreed = standing(books, "2025-03-21").set_index("obligation_id").loc[MARCH]
    assert (agreed["stage"], agreed["amount"], agreed["due_is_estimated"]) == ("scheduled", 44.0, False)
    assert standing(books, "2025-04-03").set_index("obligation_id").loc[MARCH, "invoice_id"] == "I02"
    assert CYCLES.label(books, CYCLES.observations(books)).isin([0, 1]).any()


def test_a_period_planned_before_its_first_day_is_no_cycle():
    plan = {"customer_id": "c", "expected_due_on": "2025-04-16", "amount": 44.0, "known_at": "2025-02-10"}
    books = ledger([bill(0), bill(1), bill(2, 44.0)], schedule=[plan], until=LATE)
    assert MARCH not in set(CYCLES.observations(books)["obligation_id"])
    other = {**plan, "kind": "device"}
    assert MARCH in set(CYCLES.observations(ledger([bill(0), bill(1)], schedule=[other], until=LATE))["obligation_id"])


# -- labels ----------------------------------------------------------------------------------------------


def test_a_period_without_a_bill_has_no_label_and_says_why():
    soon, late = billed(2, until="2025-03-30"), billed(2, until=LATE)
    for books, reason in ((soon, "not billed yet"), (late, "not billed")):
        obs = CYCLES.observations(books, "2025-03-01")
        found = CYCLES.resolve(books, obs[obs["stage"] == "cycle"])
        assert found["late"].isna().all()
        assert set(found["reason"]) == {reason}
    free = ledger([bill(0), bill(1), bill(2, 0.0)], until=LATE)
    obs = CYCLES.observations(free, "2025-03-01", "2025-03-31")
    found = CYCLES.resolve(free, obs[obs["stage"] == "cycle"])
    assert found["late"].isna().all()
    assert found["reason"].tolist() == ["nothing due"] * 3


def test_periods_are_labelled_by_the_outcome_that_observed_them():
    books = billed(3, until=LATE)
    obs = CYCLES.observations(books)
    with pytest.raises(DataError, match=r"DataError\[D161\]"):
        Outcome().label(books, obs)
    with pytest.raises(DataError, match=r"DataError\[D161\]"):
        CYCLES.label(books, obs.assign(obligation_id="cycle:c:::recurring:2019-01-01"))


@pytest.mark.parametrize(
    ("amount", "shock"), [(64.99, 0), (65.0, 1), (50.0, 0), (500.0, 1)], ids=["below", "at", "usual", "far"]
)
def test_a_shock_is_a_bill_of_1_3_times_the_usual_and_15_units_above(amount: float, shock: int):
    books = ledger([bill(0), bill(1), bill(2), bill(3, amount)], until=LATE)
    obs = CYCLES.observations(books, "2025-04-01", "2025-04-30")
    running = obs["stage"] == "cycle"
    label = CYCLES.shock_label(books, obs)
    assert str(label.dtype) == "Int8"
    assert label[running].tolist() == [shock] * 3
    assert label[~running].isna().all()


def test_a_bill_that_was_withdrawn_or_fully_credited_is_neither_shock_nor_none():
    three = [bill(0), bill(1), bill(2)]
    withdrawn = ledger([*three, bill(3, 400.0, withdrawn_on="2025-05-05")], until=LATE)
    note = invoice("N", "2025-05-06", "2025-05-06", -400.0, refers_to="I03")
    credited = ledger([*three, bill(3, 400.0), note], until=LATE)
    for books, reason in ((withdrawn, "withdrawn"), (credited, "fully credited")):
        obs = CYCLES.observations(books, "2025-04-01", "2025-04-30")
        obs = obs[obs["stage"] == "cycle"]
        assert CYCLES.resolve(books, obs)["reason"].tolist() == [reason] * 3
        assert CYCLES.shock_label(books, obs).isna().all()
        assert CYCLES.shock_label(books.known_before("2025-05-08"), obs).isna().all()  # before it is mature
        part = ledger([*three, bill(3, 400.0), {**note, "amount": -10.0}], until=LATE)
        assert CYCLES.shock_label(part, obs).tolist() == [1] * 3
    assert CYCLES.shock_label(credited.known_before("2025-05-04"), obs).tolist() == [1] * 3


def test_a_small_bill_is_no_shock_though_it_doubles_and_few_bills_are_no_usual_one():
    small = ledger([bill(n, 10.0) for n in range(3)] + [bill(3, 24.0)], until=LATE)
    obs = CYCLES.observations(small, "2025-04-01", "2025-04-30")
    assert CYCLES.shock_label(small, obs[obs["stage"] == "cycle"]).tolist() == [0] * 3
    two = ledger([bill(0), bill(1), bill(2, 400.0)], until=LATE)
    obs = CYCLES.observations(two, "2025-03-01", "2025-03-31")
    assert CYCLES.shock_label(two, obs[obs["stage"] == "cycle"]).isna().all()
    pending = billed(4, until="2025-05-20")
    obs = CYCLES.observations(pending, "2025-05-01")
    assert CYCLES.shock_label(pending, obs[obs["stage"] == "cycle"]).isna().all()


def test_a_settlement_is_never_a_shock():
    years = [
        bill(0, invoice_id=f"S{n}", kind="settlement", amount=amount, period_from=f"{2019 + n}-01-01",
             period_to=f"{2019 + n}-12-31", issued_on=f"{2020 + n}-01-10", due_on=f"{2020 + n}-01-30")
        for n, amount in enumerate([100.0, 90.0, 110.0, 900.0])
    ]  # fmt: skip
    books = ledger(years, until=LATE)
    obs = CYCLES.observations(books, "2022-03-01", "2022-12-31")
    assert obs["obligation_id"].tolist() == ["cycle:c:::settlement:2022-01-01"] * 3
    assert CYCLES.shock_label(books, obs).tolist() == [0] * 3


# -- options and frames ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"stages": ()}, {"stages": ("cycles",)}, {"cycle_shares": ()}, {"cycle_shares": (1.5,)}]
)
def test_stages_and_shares_that_are_not_possible_are_refused(options: dict[str, Any]):
    with pytest.raises(DataError, match=r"DataError\[D160\]"):
        Outcome(**options)


def test_stages_may_be_asked_for_one_by_one():
    books = billed(5, until=LATE)
    every = CYCLES.observations(books)
    for stage in ("cycle", "issued"):
        own = Outcome(stages=(stage,)).observations(books)
        assert set(own["stage"]) == {stage}
        wanted = every[every["stage"] == stage]["as_of"]
        assert own["as_of"].tolist() == wanted.tolist()


def test_the_frame_has_the_columns_that_are_promised_also_when_it_is_empty():
    for frame in (
        CYCLES.observations(billed(3, until=LATE)),
        CYCLES.observations(ledger([], until=LATE)),
        Outcome(stages=("cycle",)).standing(ledger([], until=LATE), "2025-03-01"),
        Outcome(stages=("cycle",)).observations(billed(1, until=LATE), end="2020-01-01"),
    ):
        assert list(frame.columns) == list(OBSERVATION_COLUMNS)
        for column, kind in OBSERVATION_COLUMNS.items():
            assert pd.api.types.is_string_dtype(frame[column].dtype) if kind == "text" else frame[column].dtype == kind
        assert frame.index.equals(pd.RangeIndex(len(frame)))
