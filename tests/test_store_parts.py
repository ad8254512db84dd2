"""A store whose buckets come one by one is the store that is cut from the same tables, also after a further load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from earlywarn.dates import moment
from earlywarn.errors import DataError
from earlywarn.simulate import World, randomised_pilot, write_store
from earlywarn.tables import store_parts
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore
from earlywarn.tables.store_buckets import bucket_of
from earlywarn.tables.store_manifest import Plan
from earlywarn.tables.text import Text
from stores import plain_facts

UNTIL = "2025-01-01"


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """A world of 40 customers in which rows of two customers are spoilt."""
    made = World("telecom", 40, 6, seed=4).live().tables()
    bills, paid = made["invoices"].copy(), made["payments"].copy()
    bills.loc[3, "due_on"] = bills.loc[3, "issued_on"] - pd.Timedelta("3D")
    bills.loc[len(bills) - 1, "amount"] = np.nan
    paid.loc[7, "invoice_id"] = "no such bill"
    return {**made, "invoices": bills, "payments": paid}


def in_parts(tables: dict[str, pd.DataFrame], folder: Path, buckets: int) -> LedgerStore:
    """A store of the same tables, each bucket handed over by itself."""
    owner = {name: "customer_id" for name, table in tables.items() if "customer_id" in table}
    invoice = tables["invoices"].set_index("invoice_id")["customer_id"]
    account = tables["accounts"].set_index("account_id")["customer_id"]
    plan_of = tables["arrangements"].set_index("arrangement_id")["customer_id"]
    named = {"invoice_id": invoice, "account_id": account, "arrangement_id": plan_of}

    def who(name: str) -> pd.Series:
        if name in owner:
            return tables[name]["customer_id"]
        column = next(column for column in named if column in tables[name])
        return tables[name][column].map(named[column])

    def make(bucket: int) -> dict[str, pd.DataFrame]:
        return {
            name: table if name == "regions" else table[bucket_of(who(name), buckets) == bucket]
            for name, table in tables.items()
        }

    plan = Plan(
        buckets=buckets, timezone="Europe/Brussels", currency="EUR", asked_currency="EUR", late_after_days=3,
        until=moment(UNTIL, "Europe/Brussels"),
    )  # fmt: skip
    store_parts.ingest_parts(folder, plan, make, range(buckets), tables)
    return LedgerStore(folder)


def without_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    rest = frame.drop(columns="row", errors="ignore")
    return rest.sort_values(list(rest.columns), ignore_index=True) if len(rest) else rest


def assert_same(one: LedgerStore, other: LedgerStore) -> None:
    assert (one.facts, one.given, one.manifest.rows) == (other.facts, other.given, other.manifest.rows)
    assert (one.until, one.currency, one.manifest.plan.currencies) == (
        other.until, other.currency, other.manifest.plan.currencies,
    )  # fmt: skip
    pd.testing.assert_frame_equal(without_numbers(one.faults), without_numbers(other.faults))
    for bucket in range(len(one)):
        mine, theirs = one.bucket(bucket), other.bucket(bucket)
        for name in mine.names:
            found, wanted = (without_numbers(plain_facts([books], name)) for books in (mine, theirs))
            pd.testing.assert_frame_equal(found, wanted, check_dtype=False, obj=name)


def test_buckets_that_come_one_by_one_make_the_store_that_is_cut(
    tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    one = in_parts(tables, tmp_path / "one", 3)
    other = LedgerStore.write(tmp_path / "other", **tables, currency="EUR", until=UNTIL, buckets=3)
    assert {"D104", "D138", "D151"} <= set(one.faults["code"])
    assert_same(one, other)
    early = one.faults[one.faults["code"] == "D104"]["row"].iloc[0]
    spoilt = tables["invoices"]["customer_id"].iloc[3]
    assert early // store_parts.ROWS_APART == bucket_of([spoilt], 3)[0]
    own = tables["invoices"][bucket_of(tables["invoices"]["customer_id"], 3) == bucket_of([spoilt], 3)[0]]
    assert own.index[early % store_parts.ROWS_APART] == 3


def test_a_load_goes_on_top_of_buckets_that_came_one_by_one(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    later = {
        "invoices": tables["invoices"].iloc[:1].assign(amount=1.0, known_at=pd.Timestamp("2024-12-30")),
        "payments": tables["payments"].iloc[:1].assign(payment_id="new", invoice_id=None),
    }
    one = in_parts(tables, tmp_path / "one", 3).load(**later)
    other = LedgerStore.write(tmp_path / "other", **tables, currency="EUR", until=UNTIL, buckets=3).load(**later)
    assert_same(one, other)
    who = later["payments"]["customer_id"].iloc[0]
    rows = one.ledger_of(who).facts("payments").row
    assert rows.max() == 3 * store_parts.ROWS_APART + len(tables["payments"])


def test_what_was_done_to_customers_is_in_the_store(tmp_path: Path) -> None:
    world = World("energy", 90, 6, seed=2)
    pilot = randomised_pilot(world, "2024-09-01", "2024-12-01")
    only = pilot[pilot["customer_id"].isin(pilot["customer_id"].unique()[:4])]  # some buckets without anybody
    store = write_store(world, tmp_path / "store", contacts=only, buckets=5)
    books = Ledger.from_tables(**world.live(only).tables(), currency="EUR", until=UNTIL)
    found = without_numbers(plain_facts(store.buckets(), "contacts"))
    wanted = without_numbers(plain_facts([books], "contacts"))
    assert {"experiment", "arm", "propensity"} <= set(wanted)
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)


def test_what_goes_wrong_in_a_bucket_is_said_and_the_store_before_stands(tmp_path: Path) -> None:
    world = World("telecom", 30, 4)
    store = write_store(world, tmp_path / "store", buckets=2)
    wrong = pd.DataFrame({"customer_id": world.ids([29]), "day": "2024-09-01", "action": "shout"})
    with pytest.raises(DataError, match="shout"):
        write_store(world, tmp_path / "store", contacts=wrong, buckets=2)
    assert LedgerStore(tmp_path / "store").manifest == store.manifest
    for buckets in (0, 10_001):
        with pytest.raises(DataError, match="D175"):
            write_store(world, tmp_path / "store", buckets=buckets)


@pytest.mark.parametrize("half", ["", "\ud800"])
def test_texts_are_found_among_others_as_by_hand(half: str) -> None:
    mine, theirs = Text.of(["b", "é" + half, None, "a", "b"]), ("a", "é" + half, "z")
    place: dict[Any, int] = {label: code for code, label in enumerate(theirs)}
    assert mine.codes_in(theirs).tolist() == [place.get(word, -1) for word in mine.values()]
