"""What is asked of an obligation before its invoice: of a running period, and of a planned amount."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from bills import invoice, ledger
from cycles import CYCLES, DAY, bill, month, standing
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.definition import Feature
from earlywarn.outcomes import Outcome
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore
from parts import only
from strategies import Raw
from test_cycle_laws import random_biller
from tiers import law

TEXTS = ("kind", "account_id", "contract_id", "collect_by")
DAYS = ("terms_days", "period_days", "days_since_issue")
FIELDS = FeatureSet([Feature(name, f"invoice.{name}") for name in (*TEXTS, *DAYS)])
UNTIL = "2025-10-31"
PLAN = {"customer_id": "c", "amount": 60.0, "expected_due_on": "2025-05-15", "known_at": "2025-04-09 12:00"}


def asked(books: Ledger, obs: pd.DataFrame) -> list[list[Any]]:
    """What is read of each obligation, None where missing; rows in the order of the observations."""
    found = FIELDS.compute(books, obs)
    return [[None if pd.isna(cell) else cell for cell in row] for row in found.astype(object).to_numpy()]


def running(books: Ledger, as_of: str) -> pd.DataFrame:
    frame = standing(books, as_of)
    return frame[frame["stage"] == "cycle"]


def test_a_running_period_has_the_kind_of_its_line_and_the_terms_usual_for_it():
    rows = [bill(n, account_id="a1", kind="recurring") for n in range(2)]
    rows.append(bill(2, account_id="a1", kind="recurring", due_on="2025-04-22", collect_by="direct_debit"))
    books = ledger(rows, until="2025-04-30")
    obs = running(books, "2025-04-10")
    assert obs["obligation_id"].tolist() == ["cycle:c:a1::recurring:2025-04-01"]
    # two bills due after 14 days and one after 21: usually 14; April has 30 days; the newest bill is collected
    assert asked(books, obs) == [["recurring", "a1", None, "direct_debit", 14.0, 30.0, None]]


def test_a_kind_that_no_bill_states_is_the_word_for_it():
    books = ledger([bill(n) for n in range(3)], until="2025-04-30")
    obs = running(books, "2025-04-20")
    assert asked(books, obs) == [["recurring", None, None, None, 14.0, 30.0, None]]
    matrix = FIELDS.compute(books, obs)
    assert matrix["kind"].cat.categories.tolist() == ["advance", "recurring", "settlement"]


def test_a_change_of_the_newest_bill_counts_from_when_it_is_known():
    rows = [bill(n, known_at=month(n + 1) + DAY) for n in range(3)]
    rows.append({**rows[-1], "collect_by": "card", "known_at": pd.Timestamp("2025-04-10 09:00")})
    books = ledger(rows, until="2025-04-30")
    found = [asked(books, running(books, day))[0][3] for day in ("2025-04-10", "2025-04-11")]
    assert found == [None, "card"]


def test_a_period_that_turns_out_longer_is_read_as_it_was_known():
    rows = [bill(n, stated=False) for n in range(3)]
    rows.append(invoice("late", "2025-05-08", "2025-05-22", 50.0, known_at="2025-05-08 20:00"))
    rows = [{"known_at": pd.Timestamp(row["issued_on"]) + pd.Timedelta(hours=20), **row} for row in rows]
    books = ledger(rows, until="2025-05-31")
    for day in ("2025-04-20", "2025-05-05"):
        obs = running(books, day)
        assert len(obs)
        assert asked(books, obs) == asked(books.known_before(day), obs)


@pytest.mark.parametrize("stages", [("cycle", "scheduled", "issued", "collecting"), ("scheduled", "issued")])
def test_a_planned_amount_says_what_its_row_said_then(stages: tuple[str, ...]):
    plan = {**PLAN, "account_id": "a1", "contract_id": "k1", "kind": "advance", "expected_issue_on": "2025-05-05",
            "period_from": "2025-04-01", "period_to": "2025-04-30", "collect_by": "direct_debit"}  # fmt: skip
    later = {**plan, "collect_by": "card", "known_at": "2025-05-07 12:00"}
    bills = [bill(n, account_id="a1", contract_id="k1", kind="advance") for n in range(3)]
    books = ledger(bills, schedule=[plan, later], until="2025-05-09")
    outcome = Outcome(stages=stages)
    name = "cycle:c:a1:k1:advance:2025-04-01" if "cycle" in stages else "plan:c:a1:k1:advance:2025-05-15"
    for day, by in (("2025-05-06", "direct_debit"), ("2025-05-08", "card")):
        frame = outcome.standing(books, day, 20)
        row = frame[frame["obligation_id"] == name]
        assert row["stage"].tolist() == ["scheduled"]
        assert asked(books, row) == [["advance", "a1", "k1", by, 10.0, 30.0, None]]


def test_two_plans_of_one_day_that_differ_in_their_hour_bear_one_name_and_are_read():
    plans = [{**PLAN, "kind": "one_off", "expected_due_on": f"2025-05-15 {hour}:00"} for hour in ("09", "17")]
    books = ledger([bill(0)], schedule=plans, until="2025-05-09")
    frame = Outcome(stages=("scheduled",)).standing(books, "2025-05-06", 20)
    assert frame["obligation_id"].unique().tolist() == ["plan:c:::one_off:2025-05-15"]
    assert asked(books, frame)[0][0] == "one_off"


def test_before_the_plan_was_known_the_period_says_it():
    books = ledger([bill(n) for n in range(3)], schedule=[{**PLAN, "kind": "recurring"}], until="2025-05-09")
    name = "cycle:c:::recurring:2025-04-01"
    for day, stage, terms in (("2025-04-09", "cycle", 14.0), ("2025-04-10", "scheduled", None)):
        frame = standing(books, day)
        row = frame[frame["obligation_id"] == name]
        assert row["stage"].tolist() == [stage]
        # as if nobody had asked for the stage; the id alone says it
        assert asked(books, row.drop(columns="stage"))[0][4] == terms


def test_without_ids_and_for_ids_of_something_else_it_is_missing():
    books = ledger([bill(n) for n in range(3)], until="2025-04-30")
    obs = running(books, "2025-04-20")
    names = ("cycle:", "cycle:c:::recurring:1999-01-01", "plan:x", None, "z")
    for other in (obs.drop(columns="obligation_id"), *(obs.assign(obligation_id=name) for name in names)):
        assert asked(books, other) == [[None] * 7]


def test_nothing_is_worked_out_where_every_obligation_has_an_invoice():
    rows = [bill(n) for n in range(3)]
    obs = Outcome().observations(ledger(rows, until="2025-04-30"))
    books = ledger(rows, until="2025-04-30")
    FIELDS.compute(books, obs)
    assert not {"_cycles", "_bills", "_obligations"} & set(vars(books))


# -- laws over random billers ------------------------------------------------------------------------------


def random_tables(seed: int) -> dict[str, pd.DataFrame]:
    """A random biller whose bills and plans say how they are collected, and plans what they are for."""
    rng, tables = np.random.default_rng(seed), random_biller(seed)
    for name in {"invoices", "schedule"} & set(tables):
        count = len(tables[name])
        tables[name] = tables[name].assign(collect_by=rng.choice(["transfer", "card", None], count))
    if "schedule" in tables:
        due = pd.to_datetime(tables["schedule"]["expected_due_on"])
        tables["schedule"] = tables["schedule"].assign(
            kind=rng.choice(["recurring", "advance", "device", None], len(due)),
            expected_issue_on=(due - 9 * DAY).where(rng.random(len(due)) < 0.7),
            period_from=due - 40 * DAY,
            period_to=(due - 20 * DAY).where(rng.random(len(due)) < 0.7),
        )
    return tables


def random_books(seed: int) -> Ledger | None:
    tables = random_tables(seed)
    return Ledger.from_tables(**tables, until=UNTIL) if "invoices" in tables else None


@law(seed=st.integers(0, 10**6), day=st.integers(40, 300), few=8, many=25)
def test_what_becomes_known_later_changes_nothing_of_it(seed: int, day: int):
    books = random_books(seed)
    if books is None:
        return
    as_of = month(0) + day * DAY
    obs = CYCLES.standing(books, as_of, 70)
    matrix = FIELDS.compute(books, obs)
    pd.testing.assert_frame_equal(matrix.astype(object), FIELDS.compute(books.known_before(as_of), obs).astype(object))


@law(seed=st.integers(0, 10**6), few=8, many=25)
def test_it_is_what_a_reader_finds_in_the_tables(seed: int):
    books = random_books(seed)
    if books is None:
        return
    tables = random_tables(seed)
    obs = CYCLES.observations(books)
    for row, found in zip(obs.itertuples(), asked(books, obs), strict=True):
        if row.stage == "cycle":
            assert [*found[:5], found[6]] == of_period(tables["invoices"], row)
        if row.stage == "scheduled":
            assert found in of_plans(tables["schedule"], row)


def of_period(invoices: pd.DataFrame, row: Any) -> list[Any]:
    """Kind, account and contract stand in the id; the newest bill says the method, the last six say the terms."""
    who, account, contract, kind = row.obligation_id.removeprefix("cycle:").split(":")[:4]
    known = invoices[(invoices["known_at"] < row.as_of) & (invoices["customer_id"] == who)]
    known = known[(known["kind"] == kind) & (known["account_id"].fillna("") == account)]
    first = known.sort_values(["known_at", "invoice_id"]).drop_duplicates("invoice_id")
    newest = known[known["invoice_id"] == first["invoice_id"].iloc[-1]].sort_values("known_at")["collect_by"].iloc[-1]
    terms = (pd.to_datetime(first["due_on"]) - pd.to_datetime(first["issued_on"])).dt.days.tail(6).median()
    return [kind, account or None, contract or None, nothing(newest), np.floor(terms + 0.5), None]


def of_plans(schedule: pd.DataFrame, row: Any) -> list[list[Any]]:
    """What each plan of this debtor for this day says."""
    plans = schedule[(schedule["customer_id"] == row.customer_id) & (schedule["expected_due_on"] == row.due_on)]
    return [
        [nothing(plan.kind), nothing(plan.account_id), None, nothing(plan.collect_by),
         nothing((plan.expected_due_on - plan.expected_issue_on) / DAY),
         nothing((plan.period_to - plan.period_from) / DAY + 1), None]
        for plan in plans[plans["known_at"] < row.as_of].itertuples()
    ]  # fmt: skip


def nothing(cell: Any) -> Any:
    return None if pd.isna(cell) else cell


@law(seed=st.integers(0, 10**6), few=3, many=10)
def test_a_customer_alone_and_a_store_of_buckets_give_the_same(seed: int):
    tables = random_tables(seed)
    if "invoices" not in tables:
        return
    books = Ledger.from_tables(**tables, until=UNTIL)
    obs = CYCLES.observations(books)
    whole = FIELDS.compute(books, obs)
    with TemporaryDirectory() as folder:
        store = LedgerStore.write(Path(folder) / "store", **tables, until=UNTIL, buckets=4)
        stored = FIELDS.compute(store, obs)
    pd.testing.assert_frame_equal(stored, whole)
    for who in sorted(set(tables["invoices"]["customer_id"])):
        alone = only(Raw(tables), [who])
        here = obs["customer_id"] == who
        found = FIELDS.compute(Ledger.from_tables(**alone.tables, until=UNTIL), obs[here])
        pd.testing.assert_frame_equal(found.astype(object), whole[here].astype(object))
