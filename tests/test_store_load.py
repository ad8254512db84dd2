"""Loads one after the other give what writing everything at once gives, and touch no more than they must."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earlywarn as ew
from earlywarn.errors import DataError
from earlywarn.tables.store import LedgerStore
from stores import assert_same_facts, handed, joined, split, tangled
from strategies import UNTIL, random_tables
from test_store import INVOICES, PAYMENTS, files_of, small


def assert_loads_are_one_write(seed: int, parts: int, buckets: int, *, dirty: bool) -> None:
    raw = random_tables(seed, customers=5)
    loads = split(tangled(raw, seed) if dirty else raw, parts, seed)
    whole = joined(loads).ledger()
    with tempfile.TemporaryDirectory() as folder:
        store = LedgerStore.write(f"{folder}/store", **handed(loads[0]), until=UNTIL, buckets=buckets)
        for load in loads[1:]:
            store = store.load(**handed(load))
        assert_same_facts(store, whole)
        outcome, features = ew.Outcome(lead_days=(7, 1)), ew.FeatureSet.default().select("*_90d")
        obs = outcome.observations(whole)
        pd.testing.assert_frame_equal(outcome.observations(store), obs)
        pd.testing.assert_frame_equal(features.compute(store, obs), features.compute(whole, obs))


@pytest.mark.parametrize(
    ("seed", "parts", "buckets", "dirty"),
    [
        pytest.param(1, 2, 3, False, marks=pytest.mark.slow),
        (6, 3, 3, True),
        pytest.param(10**8, 2, 2, True, marks=pytest.mark.slow),  # an account of one id in either bucket
    ],
)
def test_loads_give_what_one_write_gives(seed: int, parts: int, buckets: int, dirty: bool) -> None:
    assert_loads_are_one_write(seed, parts, buckets, dirty=dirty)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(2, 4), buckets=st.integers(1, 5), dirty=st.booleans())
@settings(max_examples=40)
def test_any_split_into_loads_gives_what_one_write_gives(seed: int, parts: int, buckets: int, dirty: bool) -> None:
    assert_loads_are_one_write(seed, parts, buckets, dirty=dirty)


def news(customer: str, number: int = 1, **changes: Any) -> dict[str, pd.DataFrame]:
    bill = {"invoice_id": f"N{number}", "customer_id": customer, "issued_on": "2026-04-02", "due_on": "2026-04-16"}
    return {"invoices": pd.DataFrame([{**bill, "amount": 10.0, **changes}])}


def folders(store: LedgerStore) -> list[str]:
    return [record["folder"] for record in store.manifest.buckets]


def test_only_the_buckets_concerned_are_rewritten(tmp_path: Path) -> None:
    store = small(tmp_path, until="2026-05-01")
    concerned = int(store.bucket_of(["c3"])[0])
    after = store.load(**news("c3"))
    changed = [one != other for one, other in zip(folders(store), folders(after), strict=True)]
    assert changed == [number == concerned for number in range(len(store))]
    assert len(after.ledger_of("c3").facts("invoices")) == 2


def test_a_correction_replaces_the_row_from_its_known_at_on(tmp_path: Path) -> None:
    dated = INVOICES.assign(known_at="2026-03-02")
    store = small(tmp_path, invoices=dated).load(**news("c3", invoice_id="C", amount=7.0, known_at="2026-04-05"))
    facts = store.ledger_of("c3").facts("invoices")
    assert facts.columns["amount"].tolist() == [2000, 700]
    assert (facts.known_until == [facts.known_at[1], 2**63 - 1]).all()
    assert store.ledger_of("c3").known_before("2026-04-01").frame("invoices")["amount"].tolist() == [20.0]


def test_a_bill_that_comes_after_what_names_it_is_joined_with_it(tmp_path: Path) -> None:
    early = pd.DataFrame({"invoice_id": ["N1"], "happened_at": ["2026-04-03"], "event": ["sent"]})
    paid = pd.DataFrame(
        {"payment_id": ["n"], "customer_id": ["c1"], "paid_on": ["2026-04-09"], "amount": [10.0], "invoice_id": ["N1"]}
    )
    options = {"until": "2026-05-01", "invoice_events": early, "payments": pd.concat([PAYMENTS, paid])}
    for customer in ("c1", "c2", "c3"):
        store = small(tmp_path, **options)
        assert {"D151", "D153"} <= set(store.faults["code"])
        after = store.load(**news(customer))
        assert len(after.ledger_of(customer).facts("invoice_events")) == 1
        assert after.faults["code"].tolist() == ([] if customer == "c1" else ["D152"])


def test_a_new_table_or_column_reaches_every_bucket(tmp_path: Path) -> None:
    store = small(tmp_path, until="2026-05-01")
    after = store.load(customers=pd.DataFrame({"customer_id": ["c1"], "segment": ["b2c"]}))
    assert all("segment" in ledger.facts("customers").columns for ledger in after.buckets())
    assert "2 customers have facts but no row in customers" in after.notices[-1]
    after = after.load(**news("c3", kind="fee"))
    assert all("kind" in ledger.facts("invoices").columns for ledger in after.buckets())


def test_until_moves_on_and_what_lay_beyond_it_comes_in(tmp_path: Path) -> None:
    store = small(tmp_path, until="2026-03-31")
    assert store.faults["code"].tolist() == ["D145"]
    later = store.load(**news("c2"), until="2026-05-01")
    assert not len(later.faults)
    assert later.until == pd.Timestamp("2026-05-01")
    back = later.load(**news("c3", 2), until="2026-03-31")
    assert back.faults["code"].tolist() == ["D145"] * 3


def test_the_same_load_twice_in_a_row_is_taken_once(tmp_path: Path) -> None:
    once = small(tmp_path, until="2026-05-01").load(**news("c3"))
    kept = files_of(once.path)
    twice = once.load(**news("c3"))
    assert files_of(twice.path) == kept
    assert len(twice.load(**news("c3", 2)).ledger_of("c3").facts("invoices")) == 3


def test_a_load_of_other_types_goes_below_the_rows_before(tmp_path: Path) -> None:
    numbered = INVOICES.assign(invoice_id=[1, 2, 3, 4], amount=["50.00", "70.00", "20.00", "55.50"])
    store = small(tmp_path, invoices=numbered, until="2026-05-01")
    bill = news("c1", invoice_id="5")["invoices"].assign(issued_on=pd.Timestamp("2026-04-02"))
    after = store.load(invoices=bill)
    ledger = ew.Ledger.from_tables(
        invoices=pd.concat([numbered.astype("object"), bill.astype("object")], ignore_index=True),
        payments=PAYMENTS, until="2026-05-01",
    )  # fmt: skip
    assert_same_facts(after, ledger)


def test_a_reader_who_opened_the_store_before_is_told_to_open_it_again(tmp_path: Path) -> None:
    store = small(tmp_path, until="2026-05-01")
    ledger = store.ledger_of("c2")
    after = store.load(**news("c2"))
    with pytest.raises(DataError, match=r"D172.*(?s:.*)open it again"):
        ledger.facts("invoices")
    assert LedgerStore(store.path).manifest == after.manifest
    assert len(store.load(**news("c2", 2)).ledger_of("c2").frame("invoices")) == 5  # c1 lies in the same bucket


def test_a_load_refuses_what_writing_refuses(tmp_path: Path) -> None:
    store = small(tmp_path)
    kept = files_of(store.path)
    for wrong, code in (({"bills": INVOICES}, "D102"), ({"invoices": INVOICES.drop(columns="amount")}, "D101")):
        with pytest.raises(DataError) as error:
            store.load(**wrong)
        assert error.value.code == code
        LedgerStore(store.path)
    store.load(**news("c2", 3))
    assert set(kept) - set(files_of(store.path))
