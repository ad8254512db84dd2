"""The world with known causes: equal draws, causes that act, and tables that agree with what was lived."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.errors import DataError
from earlywarn.simulate import Life, World, presets, read_preset
from earlywarn.simulate.chance import key_of, uniform

#: All six in the slow tier, one in the fast.
PRESETS = [pytest.param(name, marks=[] if name == "telecom" else pytest.mark.slow) for name in presets()]
#: Everything that can go wrong is switched off.
CAUSELESS = {
    "attention": {
        "forgets": 0.0,
        "habit_days": 2.0,
        "habit_spread": 0.0,
        "eager": 0.9,
        "bounces": 0.0,
        "drifting": 0.0,
    },
    "means": {"slack": 60.0},
    "disputes": {"at_shock": 0.0, "at_error": 0.0, "otherwise": 0.0},
    "biller": {"other_returns": 0.0},
}


@cache
def life(preset: str = "telecom", customers: int = 3000, months: int = 15, seed: int = 0) -> Life:
    """Every payment names its invoice: else the ledger may take it for another one of the same amount."""
    return World(preset, customers, months, seed, biller={"unnamed": 0.0}).live()


@cache
def ledger(preset: str = "telecom", customers: int = 3000) -> ew.Ledger:
    one = life(preset, customers)
    span = one.born.world.span
    return ew.Ledger.from_tables(**one.tables(), currency="EUR", until=str(span.dates(span.end)))


# -- draws ------------------------------------------------------------------------------------------------


def test_draws_are_even_and_do_not_depend_on_each_other() -> None:
    key = key_of(3, np.arange(400))[:, None]
    u = uniform(key, 5, np.arange(500)[None, :])
    assert 0 < u.min() < u.max() < 1
    counts = np.histogram(u, bins=50, range=(0, 1))[0]
    assert ((counts - u.size / 50) ** 2 / (u.size / 50)).sum() < 90  # chi-squared with 49 degrees: p < .0003
    other = uniform(key, 6, np.arange(500)[None, :])
    for first, second in ((u, other), (u[:, 1:], u[:, :-1]), (u[1:], u[:-1])):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.01


def test_the_compiled_draw_is_the_one_of_numpy() -> None:
    from earlywarn.compiled import compiled
    from earlywarn.simulate.life_state import chance

    @compiled("void(uint64[::1], int64[::1], float64[::1])")
    def drawn(keys, numbers, out):  # type: ignore[no-untyped-def]
        for i in range(len(keys)):
            out[i] = chance(keys[i], 17, numbers[i])

    keys, numbers, out = key_of(1, np.arange(1000)), np.arange(1000) * 7919, np.empty(1000)
    drawn(keys, numbers, out)
    assert (out == uniform(keys, 17, numbers)).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_equal_seeds_give_equal_worlds_and_another_seed_another(preset: str) -> None:
    first, again, other = (World(preset, 150, 6, seed).live() for seed in (4, 4, 5))
    assert (first.bills == again.bills).all()
    for name, frame in first.tables().items():
        pd.testing.assert_frame_equal(frame, again.tables()[name])
    assert len(first.truth()) != len(other.truth()) or not first.truth().equals(other.truth())


def test_a_customer_lives_alone_as_among_others() -> None:
    world = World("telecom", 200, 8)
    every = world.live()
    for number in (0, 77, 199):
        alone = world.born([number]).live()
        assert (alone.bills[0] == every.bills[number]).all()
        one = every.born.ids[number]
        assert alone.born.ids[0] == one
        for name, frame in alone.tables().items():
            if "customer_id" in frame:
                there = every.tables()[name]
                there = there[there["customer_id"] == one].reset_index(drop=True)
                pd.testing.assert_frame_equal(frame, there, check_dtype=False)


def test_a_contact_changes_nobody_else_and_nothing_before_it() -> None:
    world = World("telecom", 400, 10)
    before = world.live()
    ids = before.born.ids[:200:2]
    day = pd.Timestamp("2025-01-20")
    done = pd.DataFrame({"customer_id": ids, "day": day, "action": "call", "window": 3})
    after = world.live(done)
    changed = (before.bills != after.bills).any(axis=1)
    assert changed.sum() > 0
    assert not changed[1::2].any()
    assert not changed[200:].any()
    number = int((np.datetime64(day, "D") - world.span.start).astype(int))
    closed = (before.bills["issued"] >= 0) & (before.bills["paid"] >= 0) & (before.bills["paid"] < number)
    assert (before.bills["paid"] == after.bills["paid"])[closed].all()


# -- causes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_world_without_causes_has_no_lateness(preset: str) -> None:
    truth = World(preset, 300, 12, **CAUSELESS).live().truth()
    assert len(truth) > 300
    assert not truth["late"].any()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"attention": CAUSELESS["attention"] | {"forgets": 0.2}}, {"forgot"}),
        ({"attention": CAUSELESS["attention"] | {"habit_days": 19.0}}, {"habit"}),
        ({"disputes": {"at_shock": 0.6, "at_error": 0.0, "otherwise": 0.0}}, {"dispute"}),
        ({"biller": {"other_returns": 0.1}}, {"account"}),
        ({"means": {"slack": 2.0}}, {"income_loss", "other_bills", "means", "bill_shock"}),
    ],
)
def test_a_single_cause_is_the_cause_that_is_told(change: dict[str, dict[str, float]], cause: set[str]) -> None:
    truth = World("telecom", 400, 12, **(CAUSELESS | change)).live().truth()
    assert truth["late"].mean() > 0.002
    assert set(truth.loc[truth["late"], "cause"]) <= cause


# -- the tables and the truth -----------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_the_ledger_takes_every_row_and_labels_as_it_was_lived(preset: str) -> None:
    books = ledger(preset, 600)
    assert len(books.faults) == 0, books.faults.head()
    outcome = ew.Outcome(grace_days=3, lead_days=5)
    obs = outcome.observations(books)
    label = outcome.label(books, obs)
    issued = obs["stage"].eq("issued") & label.notna()
    truth = life(preset, 600).truth().set_index("invoice_id")
    mine = obs.loc[issued, "invoice_id"]
    known = mine.isin(truth.index)
    true = truth["late"].reindex(mine[known]).to_numpy()
    found = label[issued][known].to_numpy().astype(bool)
    assert known.mean() > 0.9
    assert (true == found).mean() == 1.0, mine[known][true != found].head().tolist()


def money_of(bill: np.void) -> list[tuple[int, int]]:
    """What one bill adds to what its customer owes, and takes off again, in cents by day."""
    owed = int(bill["amount"] - bill["credit"])
    third, part = owed // 3, int(bill["part"])
    moved = [(bill["issued"], bill["amount"])]
    if bill["credit"] > 0:
        moved.append((bill["closed"], -bill["credit"]))
    if bill["collected"] >= 0:
        asked = owed if 0 <= bill["closed"] <= bill["collected"] else bill["amount"]
        moved.append((bill["collected"], -asked))
        moved += [(bill["returned"], asked)] if bill["collected_ok"] == 0 else []
    if bill["retried_ok"] == 1:
        moved.append((bill["retried"], -owed))
    if bill["part_on"] >= 0:
        moved.append((bill["part_on"], -part))
    for number in range(bill["parts_paid"]):
        moved.append((bill["agreed"] + 15 + 30 * number, -third if number < 2 else 2 * third - owed))
    rest = owed - part - bill["parts_paid"] * third
    if bill["paid"] >= 0 and bill["collected_ok"] != 1 and bill["retried_ok"] != 1 and bill["kept"] != 1:
        moved.append((bill["paid"], -rest))
    if bill["lost"] >= 0:
        moved.append((bill["lost"], -rest))
    return [(int(day), int(cents)) for day, cents in moved]


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_owed_is_what_was_billed_and_not_paid_by_then_to_the_cent(preset: str) -> None:
    """Balances of the ledger against a loop over the world's own record; left out are customers with money on the way
    that day, and those whose credit the ledger uses for the next bill, as the world does not."""
    books, one = ledger(preset, 600), life(preset, 600)
    balances, compared = books.frame("balances"), 0
    for day in (200, 260, 330, 400):
        moment = pd.Timestamp(str(one.born.world.span.dates(day)))
        found = balances[balances["happened_at"] < moment].groupby("customer_id")["open_amount"].last()
        for row, who in enumerate(one.born.ids):
            bills = one.bills[row][one.bills[row]["issued"] >= 0]
            credited_late = (bills["credit"] > 0) & (bills["collected"] >= 0) & (bills["collected"] < bills["closed"])
            moved = [each for bill in bills for each in money_of(bill)]
            if (bills["amount"] < 0).any() or credited_late.any() or any(day - 6 <= at <= day for at, _ in moved):
                continue
            compared += 1
            owed = sum(cents for at, cents in moved if at < day)
            assert round(100 * found.get(who, 0.0)) == owed, (who, day)
    assert compared > 400


def test_presets_refuse_what_they_cannot_use() -> None:
    with pytest.raises(DataError, match="telecom") as error:
        read_preset("telekom")
    assert error.value.code == "D185"
    with pytest.raises(DataError, match="forgets") as error:
        read_preset("telecom", attention={"forgets": 2.0, "wrong": 1})
    assert error.value.code == "D186"
    assert "wrong" in str(error.value)
    with pytest.raises(DataError) as error:
        World("telecom", 0)
    assert error.value.code == "D182"
    done = pd.DataFrame({"customer_id": ["K00001"], "day": pd.Timestamp("2025-01-01"), "action": "shout"})
    with pytest.raises(DataError, match="shout") as error:
        World("telecom", 10, 6).live(done)
    assert error.value.code == "D187"
    with pytest.raises(DataError) as error:
        World("telecom", 10, 6).live(done.assign(action="call", customer_id="nobody"))
    assert error.value.code == "D188"


#: SHA-256 of the bills, the use and the tables of small worlds; the same on every Python, numpy and pandas.
FINGERPRINTS = {
    "bank": "d372c80a376d8f85",
    "energy": "08d7fe76ccce2a38",
    "insurance": "da2954c250f661bf",
    "telecom": "335a4907d265d355",
    "water": "1ec3796f3ec32bfa",
    "wholesale": "f8b1cc5492996827",
}


@pytest.mark.parametrize("preset", presets())
def test_equal_seeds_give_equal_worlds_on_every_python(preset: str) -> None:
    one = World(preset, 120, 7, 9).live()
    content = hashlib.sha256(one.bills.tobytes() + one.left.tobytes())
    for name, frame in sorted(one.tables().items()):
        content.update(name.encode() + frame.to_csv(index=False).encode())
    assert content.hexdigest()[:16] == FINGERPRINTS[preset]
