"""What may be done in the simulated world beside notices and calls: limits, word of use, advances, due days, plans."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.simulate import Life, World, outcomes
from earlywarn.simulate.people import after_payday

DAY = "2025-01-15"


@cache
def world(preset: str = "telecom", customers: int = 800, months: int = 12) -> World:
    return World(preset, customers, months, 3, use={"spikes": 3.0})


@cache
def untouched(preset: str = "telecom") -> Life:
    return world(preset).live()


def number_of(life: Life, day: str = DAY) -> int:
    return int(life.born.world.span.day(np.datetime64(day)))


def done(action: str, preset: str = "telecom", **more: object) -> Life:
    """The same life with one action on everybody."""
    asked = pd.DataFrame({"customer_id": untouched(preset).born.ids, "day": pd.Timestamp(DAY), "action": action})
    return world(preset).live(asked.assign(**more))


def taken(life: Life) -> np.ndarray:
    """Whether each customer took what was said or offered to everybody."""
    assert (np.diff(life.contact_begins) == 1).all()
    return life.answers["accepted"] == 1


# -- use --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["limit", "usage_notice", "usage_call"])
def test_what_is_billed_for_use_is_what_the_table_of_use_says(action: str) -> None:
    life = done(action)
    tables = life.tables()
    usage, bills = tables["usage"], tables["invoices"].query("kind != 'credit_note'")
    lines = tables["invoice_lines"].query("kind == 'use'").set_index("invoice_id")["amount"]
    truth = life.bills[life.bills["issued"] >= 0]
    assert (truth["wrong"] > 0).any()
    both = usage.merge(bills[["customer_id", "invoice_id", "period_from", "period_to"]], on="customer_id")
    both = both[both["used_on"].between(both["period_from"], both["period_to"])]
    cost = both.groupby("invoice_id")["cost"].sum().reindex(bills["invoice_id"]).fillna(0)
    stated = lines.reindex(bills["invoice_id"]).fillna(0)
    gone = life.left[pd.Index(life.born.ids).get_indexer(bills["customer_id"])] >= 0
    wrong = bills["invoice_id"].isin(wrong_ids(life)).to_numpy()
    apart = (stated - cost).abs().to_numpy()[~gone & ~wrong]
    assert (apart < 0.15).mean() > 0.995  # reads are rounded to cents


def wrong_ids(life: Life) -> list[str]:
    from earlywarn.simulate.columns import invoice_ids

    who, slot = np.nonzero((life.bills["issued"] >= 0) & (life.bills["wrong"] > 0))
    return invoice_ids(life.born.people["number"][who], slot).tolist()


def test_a_limit_stops_use_above_the_allowance_from_its_day_on_and_changes_nothing_before() -> None:
    before, after, day = untouched(), done("limit"), number_of(untouched())
    last = after.use.days * (1 + np.arange(after.use.quantity.shape[1])) - 1
    assert (after.use.quantity <= before.use.quantity).all()
    assert (after.use.quantity == before.use.quantity)[:, last < day].all()
    both = (before.bills["issued"] >= 0) & (after.bills["issued"] >= 0)
    assert (after.bills["amount"] == before.bills["amount"])[both & (before.bills["issued"] <= day)].all()
    full_period = both & (before.billing.begins >= day)
    assert (after.bills["used"][full_period] == 0).all()
    assert (before.bills["used"][full_period] > 0).any()


@pytest.mark.parametrize("action", ["usage_notice", "usage_call"])
def test_who_heeds_goes_back_to_usual_use_and_nobody_else_changes(action: str) -> None:
    before, after, day = untouched(), done(action, window=4), number_of(untouched())
    heeds = taken(after)[before.born.contracts.owner]
    changed = (after.use.quantity != before.use.quantity).any(axis=1)
    begins = after.use.days * np.arange(after.use.quantity.shape[1])
    running = before.use.cause[:, np.argmax(begins >= day)] > 0
    assert 0.05 < taken(after).mean() < 0.9
    assert not changed[~(heeds & running)].any()
    assert changed[heeds & running].mean() > 0.9
    assert (after.use.quantity == before.use.quantity)[:, begins < day].all()
    bills = (before.bills["issued"] >= 0) & (after.bills["issued"] >= 0)
    assert (after.bills["amount"] <= before.bills["amount"])[bills].all()
    assert (after.bills["amount"] < before.bills["amount"])[bills].any()


@pytest.mark.parametrize("preset", ["energy", "bank"])
def test_without_an_allowance_a_limit_keeps_use_to_the_usual(preset: str) -> None:
    before, after, day = untouched(preset), done("limit", preset), number_of(untouched(preset))
    begins = after.use.days * np.arange(after.use.quantity.shape[1])
    assert (after.use.quantity <= before.use.quantity).all()
    assert (after.use.quantity == before.use.quantity)[before.use.cause == 0].all()
    later = (before.use.cause > 0) & (begins >= day)
    assert (after.use.quantity < before.use.quantity)[later].mean() > 0.5


# -- advances and due days --------------------------------------------------------------------------------


def test_what_a_higher_advance_adds_the_settlement_gives_back() -> None:
    before = world("energy", 600, 26).live()
    ids = before.born.ids
    after = world("energy", 600, 26).live(
        pd.DataFrame({"customer_id": ids, "day": pd.Timestamp(DAY), "action": "advance"})
    )
    day = number_of(before)
    more = np.where((before.bills["issued"] >= 0) & (after.bills["issued"] >= 0),
                    after.bills["amount"] - before.bills["amount"], 0)  # fmt: skip
    takes = taken(after)
    assert 0.1 < takes.mean() < 0.9
    assert not more[~takes].any()
    assert not more[before.bills["issued"] <= day].any()
    kind = after.bills["kind"]
    assert (more[kind == 1] >= 0).all()
    assert (more[takes] > 0).any(axis=1).mean() > 0.3  # of the others the advance was high enough
    settles = (kind == 2) & (before.billing.issued > day)
    first = settles & (np.cumsum(settles, axis=1) == 1)
    until_first = np.cumsum(first[:, ::-1], axis=1)[:, ::-1] > 0
    stays = (before.left < 0) & (after.left < 0) & first.any(axis=1)
    assert stays.sum() > 100
    assert not (more * until_first).sum(axis=1)[stays].any()


def test_a_due_day_after_payday_holds_for_later_bills() -> None:
    before, after, day = untouched(), done("due_day"), number_of(untouched())
    takes, span = taken(after), before.born.world.span
    both = (before.bills["issued"] >= 0) & (after.bills["issued"] >= 0)
    apart = after.bills["first_due"] - before.bills["first_due"]
    assert not apart[both & ~(takes[:, None] & (before.bills["issued"] > day))].any()
    people = before.born.people
    moved = both & takes[:, None] & (before.bills["issued"] > day) & (people["debit"] == 0)[:, None]
    who, slot = np.nonzero(moved)
    assert len(who) > 300
    assert (span.of_month[after.bills["first_due"][who, slot]] == after_payday(people["payday"][who])).all()
    assert ((apart[moved] >= 0) & (apart[moved] <= 31)).all()
    shown = after.tables()["accounts"].set_index("customer_id")["due_day"].reindex(before.born.ids).to_numpy()
    assert (shown[takes] == after_payday(people["payday"][takes])).all()


@pytest.mark.slow
def test_a_due_day_after_payday_helps_where_payday_decides() -> None:
    strong = World("telecom", 6000, 12, 5, means={"payday": 3.0, "slack": 2.4})
    before = strong.live()
    after = strong.live(
        pd.DataFrame({"customer_id": before.born.ids, "day": pd.Timestamp("2024-09-01"), "action": "due_day"})
    )
    takes = taken(after)
    late = [
        (life.bills["cause"] > 0) & (life.bills["issued"] > number_of(before, "2024-09-01")) for life in (before, after)
    ]
    helped = (late[0].sum(axis=1) - late[1].sum(axis=1))[takes].astype(float)
    assert helped.mean() - 2.6 * helped.std() / np.sqrt(len(helped)) > 0


# -- instalments ------------------------------------------------------------------------------------------


def test_a_call_opens_another_day_or_instalments_to_who_is_short_of_means() -> None:
    short = World("telecom", 1500, 9, 2, means={"slack": 1.0}, contacts={"reach": 0.95})
    before = short.live()
    due = before.bills["first_due"]
    place, slot = np.nonzero((before.bills["issued"] >= 0) & (due >= 150) & (due < 180))
    day = short.span.dates(due[place, slot].astype(np.int64) - 6)
    asked = pd.DataFrame({"customer_id": before.born.ids[place], "day": day, "action": "call", "window": 5})
    after = short.live(asked)
    tables = after.tables()
    issued = after.bills["issued"] >= 0
    early = issued & (after.bills["agreed"] >= 0) & (after.bills["agreed"] <= after.bills["due"])
    moved = issued & (after.bills["postponed"] >= 0) & (before.bills["postponed"] < 0)
    assert early.sum() > 30
    assert moved.sum() > 30
    kept = early & (after.bills["kept"] == 1)
    assert kept.any()
    assert not (after.bills["cause"][kept] > 0).any()
    assert (after.bills["cause"][early & (after.bills["kept"] == 0)] > 0).all()
    made = tables["contacts"].query("topic == 'payment' and purpose == 'pre_due'")
    assert set(made["offer"].dropna()) == {"other_day", "instalments"}
    ledger = ew.Ledger.from_tables(**tables, until=str(short.span.dates(short.span.end)))
    assert not len(ledger.faults)
    outcome = ew.Outcome(lead_days=8)
    obs = outcome.observations(ledger)
    told = outcome.resolve(ledger, obs)
    assert (told["reason"] == "instalments agreed").sum() > 20


def test_outcomes_know_every_action() -> None:
    found = outcomes(untouched(), DAY, ("none", "limit", "usage_notice", "usage_call", "advance", "due_day"))
    assert len(found) > 100
    for action in ("limit", "usage_notice", "usage_call", "advance", "due_day"):
        assert found[f"late_{action}"].equals(found["late_none"])  # they act on bills that are not issued yet
