"""Laws of the simulated world that a reader of its code would doubt first: what is usual, who leaves, who settles."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from earlywarn.dates import bank_calendar
from earlywarn.plots import LifeDisplay
from earlywarn.simulate import Life, World, calls_to_the_riskiest, outcomes, presets, randomised_pilot, true_p_late
from earlywarn.simulate.billing import ADVANCE, SETTLEMENT
from earlywarn.simulate.preset import preset_text

DAY = "2025-01-20"
ALL = [pytest.param(name, marks=[] if name in ("telecom", "water") else pytest.mark.slow) for name in presets()]


@cache
def life(preset: str = "telecom", customers: int = 1500, months: int = 12) -> Life:
    return World(preset, customers, months, 8).live()


def number_of(one: Life, day: str = DAY) -> int:
    return int(one.born.world.span.day(np.datetime64(day)))


def issued(one: Life) -> np.ndarray:
    return one.bills["issued"] >= 0


# -- bills ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ALL)
def test_where_use_is_even_no_bill_is_far_above_usual(preset: str) -> None:
    even = World(preset, 400, 12, use={"spikes": 0.0, "noise": 0.0, "season": 0.0}, biller={"errors": 0.0},
                 bill={"fixed_price": 0.0}).live()  # fmt: skip
    bills = even.bills[issued(even)]
    bills = bills[bills["kind"] != SETTLEMENT]
    assert len(bills) > 500
    assert not ((bills["amount"] >= 1.3 * bills["usual"]) & (bills["amount"] - bills["usual"] >= 1500)).any()


@pytest.mark.parametrize("months", [12, 13, 14])
def test_every_customer_gets_a_bill_as_often_as_the_preset_says(months: int) -> None:
    one = World("water", 300, months, leaving={"usual": 0.0}, people={"joins": 0.0}).live()
    last = np.where(issued(one), one.bills["issued"], -1).max(axis=1)
    assert (last >= number_of(one, str(one.born.world.span.dates(one.born.world.span.end))) - 93).all()


@pytest.mark.parametrize("preset", ["energy", "water"])
def test_who_leaves_pays_for_what_was_used_and_nothing_else(preset: str) -> None:
    """From the first settlement in the world to the last bill: advances and settlements come to fees and use."""
    one = World(preset, 800, 24, leaving={"usual": 0.02}, biller={"errors": 0.0}).live()
    billing, bills = one.billing, one.bills
    gone = one.left >= 0
    first = np.argmax((bills["kind"] == SETTLEMENT) & issued(one), axis=1)
    final = np.argmax(np.where(issued(one), np.arange(bills.shape[1]), -1), axis=1)
    some = gone & (first < final) & (bills["issued"][np.arange(len(gone)), final] > one.left)
    assert some.sum() > 20
    fee = _fee_of(one)
    for who in np.flatnonzero(some):
        slots = np.arange(first[who] + 1, final[who] + 1)
        charged = bills["amount"][who, slots][bills["issued"][who, slots] >= 0].sum()
        used = _cost_of(one, who, slots)
        assert abs(charged - used - fee[who] * len(slots)) <= 2 * len(slots), who
        assert bills["kind"][who, final[who]] == SETTLEMENT
    assert (billing.kind == ADVANCE).any()


def _fee_of(one: Life) -> np.ndarray:
    contracts, bill = one.born.contracts, one.born.world.preset.bill
    cents = np.rint(contracts.fee * 100 * bill.months / bill.per_month)
    begun = contracts.since < 0
    return np.bincount(contracts.owner[begun], cents[begun], minlength=len(one.left))


def _cost_of(one: Life, who: int, slots: np.ndarray) -> float:
    """What a customer used in some periods, read by read, in cents, and the fee of contracts that began later."""
    contracts, bill, starts = one.born.contracts, one.born.world.preset.bill, one.born.starts
    total = 0.0
    for row in np.flatnonzero(contracts.owner == who):
        for slot in slots:
            begins = one.use.days * np.arange(one.use.quantity.shape[1])
            ends = begins + one.use.days - 1
            inside = (ends >= starts[who, slot]) & (ends < starts[who, slot + 1]) & (begins >= contracts.since[row])
            price = bill.price * 100
            if 0 <= contracts.price_until[row] < starts[who, slot]:
                price *= 1.25
            total += one.use.quantity[row, inside].sum(dtype=np.float64) * price
            if contracts.since[row] >= 0 and contracts.since[row] < starts[who, slot + 1]:
                total += np.rint(contracts.fee[row] * 100 * bill.months / bill.per_month)
    return total


# -- disputes and plans -----------------------------------------------------------------------------------


def test_a_bill_that_is_not_accepted_is_disputed_when_it_is_seen_however_that_came() -> None:
    cross = World("telecom", 500, 9, disputes={"otherwise": 1.0, "at_shock": 1.0, "at_error": 1.0},
                  attention={"forgets": 0.3}).live()  # fmt: skip
    bills = cross.bills[issued(cross) & (cross.bills["amount"] > 0)]
    seen = bills[bills["attended"] >= 0]
    reminded = seen[(seen["attended"] == seen["reminded"]) | (seen["attended"] == seen["reminded_again"])]
    assert len(reminded) > 20
    disputed = seen["disputed"] >= 0
    assert disputed.mean() > 0.65  # by temper, 0.95 at the most
    assert (seen["disputed"] == seen["attended"])[disputed].all()
    assert (reminded["disputed"] >= 0).mean() > 0.6


@pytest.mark.parametrize("preset", ALL)
def test_every_plan_ends_kept_or_broken(preset: str) -> None:
    poor = World(preset, 800, 12, means={"slack": 1.0}, disputes={"otherwise": 0.2}).live()
    bills = poor.bills[issued(poor)]
    plans = bills[(bills["agreed"] >= 0) & (bills["agreed"] < poor.born.world.span.end)]
    assert len(plans) > 10
    assert (plans["kept"] >= 0).all()
    thirds = plans[(plans["kept"] == 1)]
    assert (thirds["parts_paid"] == 3).all()


# -- nothing depends on what comes later ------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["telecom", "water", "wholesale"])
def test_a_contact_changes_no_annoyance_and_no_notice_before_it(preset: str) -> None:
    before = life(preset)
    asked = pd.DataFrame({"customer_id": before.born.ids, "day": pd.Timestamp(DAY), "action": "call", "window": 2})
    after = before.born.world.live(asked)
    day = number_of(before)
    earlier = issued(before) & (before.bills["issued"] < day)
    assert (before.annoyance[earlier] == after.annoyance[earlier]).all()
    assert (np.where(before.left < day, before.left, -1) == np.where(after.left < day, after.left, -1)).all()
    later = issued(before) & issued(after) & (before.bills["issued"] > day)
    assert after.annoyance[later].mean() > before.annoyance[later].mean()


def test_what_is_done_later_is_no_part_of_a_probability() -> None:
    one = life()
    late = pd.DataFrame({"customer_id": one.born.ids, "day": pd.Timestamp(DAY), "action": "call"})
    touched = one.born.world.live(late)
    plain, other = (true_p_late(some, DAY, draws=4) for some in (one, touched))
    pd.testing.assert_frame_equal(plain, other)


def test_an_outcome_under_an_action_is_what_happens_when_it_is_done() -> None:
    one = life()
    found = outcomes(one, DAY, ("none", "notice", "call"), window=3)
    for action in ("notice", "call"):
        asked = pd.DataFrame({"customer_id": one.born.ids, "day": pd.Timestamp(DAY), "action": action, "window": 3})
        truth = one.born.world.live(asked).truth().set_index("invoice_id")["late"]
        assert (truth.reindex(found["invoice_id"]).to_numpy() == (found[f"late_{action}"] == 1)).all()


# -- who leaves -------------------------------------------------------------------------------------------


def test_the_loyal_leave_less_often() -> None:
    one = World("telecom", 6000, 12, leaving={"usual": 0.02}).live()
    loyal = one.born.people["loyal"]
    assert loyal[one.left >= 0].mean() < loyal[one.left < 0].mean() - 0.1


@pytest.mark.parametrize(("preset", "months"), [("wholesale", 0.5), ("water", 3.0)])
def test_the_chance_to_leave_is_one_of_a_month_however_often_bills_come(preset: str, months: float) -> None:
    calm = {"leaving": {"usual": 0.02, "annoyance": 0.0, "shock": 0.0, "dispute": 0.0}, "people": {"joins": 0.0}}
    one = World(preset, 4000, 14, **calm).live()
    stays = (one.left < 0).mean()
    assert abs(np.log(stays) / 12 + 0.022) < 0.006  # loyalty spreads the chance


def test_nothing_is_known_of_who_has_gone() -> None:
    one = World("telecom", 1500, 14, leaving={"usual": 0.03}).live()
    tables = one.tables()
    contracts = tables["contracts"].dropna(subset=["ends_on"])
    assert len(contracts) > 100
    assert (contracts["starts_on"] <= contracts["ends_on"]).all()
    assert (contracts["notice_on"] < contracts["ends_on"]).all()
    end = contracts.groupby("account_id")["ends_on"].max()
    own = tables["invoices"].query("kind != 'credit_note'")
    own = own[own["account_id"].isin(end.index)]
    assert (own["issued_on"] <= end.reindex(own["account_id"]).to_numpy()).all()
    final = own[own["kind"] == "final"]
    assert final["account_id"].is_unique
    assert (final["issued_on"] == end.reindex(final["account_id"]).to_numpy()).all()
    usage = tables["usage"].merge(contracts[["contract_id", "ends_on"]], on="contract_id")
    assert (usage["used_on"] < usage["ends_on"]).all()


# -- what the biller sees ---------------------------------------------------------------------------------


def test_the_tables_of_contacts_say_what_was_offered_and_taken_and_nothing_hidden() -> None:
    one = life()
    words = ["call", "notice", "usage_notice", "usage_call", "advance", "due_day"]
    asked = pd.concat(
        pd.DataFrame({"customer_id": one.born.ids[at::6], "day": pd.Timestamp(DAY), "action": word, "window": 4})
        for at, word in enumerate(words)
    )
    made = one.born.world.live(asked).tables()["contacts"].query("contact_id.str.startswith('E')")
    assert set(made["topic"]) == {"payment", "usage", "advance", "due_day"}
    nothing = made["offer"].isna()
    assert made.loc[nothing, "accepted"].isna().all()
    assert made.loc[~nothing, "accepted"].notna().all()
    assert set(made.loc[~nothing, "offer"]) >= {"advance", "due_day"}
    assert not (made["channel"].eq("letter") & made["outcome"].eq("read")).any()
    assert made.loc[made["topic"] == "usage", "offer"].isna().all()


def test_collections_come_back_one_to_five_bank_days_later_in_the_stated_shares() -> None:
    one = World("telecom", 4000, 12, means={"slack": 1.5}).live()
    back = one.bills[issued(one) & (one.bills["returned"] >= 0)]
    span = one.born.world.span
    days = np.busday_count(
        span.dates(back["collected"].astype(np.int64)), span.dates(back["returned"].astype(np.int64)),
        busdaycal=bank_calendar(),
    )  # fmt: skip
    share = np.bincount(days, minlength=6)[1:] / len(days)
    stated = np.array([dict(one.born.world.preset.biller.returned_after)[str(day)] for day in range(1, 6)])
    assert len(days) > 2000
    assert set(days) == {1, 2, 3, 4, 5}
    assert (np.abs(share - stated) < 4 * np.sqrt(stated * (1 - stated) / len(days))).all()


@pytest.mark.parametrize("kind", [randomised_pilot, calls_to_the_riskiest])
def test_a_history_is_written_as_it_is_lived(kind: object, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from earlywarn.simulate import writing

    monkeypatch.setattr(writing, "BLOCK_ROWS", 1)
    world = World("telecom", 250, 6, 2)
    history = kind(world, "2024-10-01", "2024-12-15")
    writing.write_tables(world, tmp_path / "out", contacts=history)
    contacts = pd.read_parquet(tmp_path / "out" / "contacts")
    whole = world.live(history).tables()["contacts"]
    assert sorted(contacts["contact_id"]) == sorted(whole["contact_id"])
    assert contacts["experiment"].notna().sum() == (history["action"] != "none").sum()


# -- presets and pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", presets())
def test_every_figure_of_a_preset_says_where_it_comes_from(preset: str) -> None:
    above = ""
    for line in preset_text(preset).splitlines():
        if re.search(r"=.*\d", line.partition("#")[0]):
            assert "#" in line or above.startswith("#"), line
        above = line


@pytest.mark.parametrize(("language", "words"), [("en", ["bills", "reminder"]), ("nl", ["facturen", "herinnering"])])
def test_a_life_is_drawn_in_the_language_that_is_asked_for(language: str, words: list[str]) -> None:
    one = life()
    late = one.truth().query("late and cause == 'forgot'")["customer_id"].value_counts().index[0]
    shown = LifeDisplay(**one.of(late)).plot(language=language)
    figure = shown.figure_
    assert figure is not None
    said = [text.get_text() for ax in figure.axes for text in ax.texts] + [ax.get_ylabel() for ax in figure.axes]
    said += [figure.get_suptitle()]
    assert any("vergeten" in text or "forgotten" in text for text in said)
    assert all(any(word in text for text in said) for word in words)
    assert replace(shown, figure_=None).title(language).startswith(late)
