"""Features come out the same however observations are cut into blocks, on however many threads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

import earlywarn as ew
from earlywarn.features import build, leaves
from earlywarn.testing import ledgers
from tiers import law

KINDS = [
    ew.Feature("amounts", "sum(invoices.amount, days=400)"),
    ew.Feature("medians", "median(payments.amount, last=3)"),
    ew.Feature("method", "last(payments.method)"),
    ew.Feature("same_kind", "count(invoices, where=kind == invoice.kind)"),
    ew.Feature("number", "invoice.number"),
    ew.Feature("region_late", "rate(maturities.late, of=region, leave_out=customer)"),
    ew.Feature("steady", "1"),
]


def observed(ledger: ew.Ledger) -> pd.DataFrame:
    """Every invoice at two moments, customers in any order, one of whom the ledger does not know."""
    bills = ledger.frame("invoices")[["invoice_id", "customer_id", "due_on", "amount"]]
    moments = [bills.assign(as_of=bills["due_on"] + pd.Timedelta(days=days)) for days in (3, -5)]
    strangers = bills.head(1).assign(customer_id="nobody", invoice_id="none", as_of=pd.Timestamp("2026-01-01"))
    return pd.concat([*moments, strangers], ignore_index=True)


@law(ledger=ledgers(), facts=st.integers(0, 20), few=10, many=80)
def test_blocks_of_any_size_give_the_same(ledger: ew.Ledger, facts: int) -> None:
    obs = observed(ledger)
    whole = ew.FeatureSet(KINDS).compute(ledger, obs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaves, "BLOCK_FACTS", 1 + abs(facts) % 7)
        patch.setattr(leaves, "FACTS_PER_OBSERVATION", 1 + abs(facts) % 3)
        shares: list[float] = []
        cut = ew.FeatureSet(KINDS).compute(ledger, obs, progress=shares.append)
    pd.testing.assert_frame_equal(whole, cut)
    assert whole.attrs == cut.attrs
    assert shares == sorted(shares)
    assert not shares or shares[-1] == 1.0


def test_a_block_holds_whole_customers_and_every_observation_is_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 60
    bills = pd.DataFrame(
        {
            "invoice_id": [f"i{n}" for n in range(count)],
            "customer_id": [f"c{n % 7}" for n in range(count)],
            "issued_on": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(count), unit="D"),
            "due_on": pd.Timestamp("2026-01-15") + pd.to_timedelta(np.arange(count), unit="D"),
            "amount": 10.0,
        }
    )
    none = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    ledger = ew.Ledger.from_tables(invoices=bills, payments=none)
    obs = observed(ledger)
    monkeypatch.setattr(leaves, "BLOCK_FACTS", 10)
    found = leaves.Leaves(ledger, obs, None, [KINDS[0].expression], compiled=True)
    blocks = found.blocks()
    assert len(blocks) > 3
    assert sorted(np.concatenate(blocks).tolist()) == list(range(len(obs)))
    owners = [set(obs["customer_id"].iloc[rows]) for rows in blocks]
    assert sum(map(len, owners)) == len(set.union(*owners))


def test_a_number_beyond_float32_is_missing_in_either_engine() -> None:
    bills = pd.DataFrame(
        {
            "invoice_id": ["a", "b"],
            "customer_id": ["c", "d"],
            "issued_on": pd.Timestamp("2026-01-01"),
            "due_on": pd.Timestamp("2026-01-15"),
            "amount": [10.0, -10.0],
            "kind": ["recurring", "credit_note"],
        }
    )
    none = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    ledger = ew.Ledger.from_tables(invoices=bills, payments=none)
    largest = float(np.finfo(np.float32).max)
    texts = [f"invoice.amount * {largest!r}", f"sum(invoices.amount) * {largest / 10!r}", "exp(-invoice.amount)"]
    features = [ew.Feature(f"f{n}", text) for n, text in enumerate(texts)]
    obs = bills[["invoice_id", "customer_id", "due_on", "amount"]].assign(as_of=pd.Timestamp("2026-02-01"))
    for compiled in (True, False):
        found = build.compute(features, ledger, obs, compiled=compiled)
        assert found["f0"].isna().all()
        assert found["f1"].tolist() == [np.float32(largest), -np.float32(largest)]
        assert found["f2"].tolist() == [np.float32(np.exp(-10)), np.float32(np.exp(10))]
