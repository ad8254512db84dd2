"""Which facts an observation sees, held against a loop over the raw facts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earlywarn.dates import US_PER_DAY
from earlywarn.errors import FeatureError
from earlywarn.features import windows
from earlywarn.features.catalogue import Feature, FeatureSet
from earlywarn.features.expression import parse
from earlywarn.features.windows import Timeline, choose
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger
from oracle_features import windows_agree_with_brute_force
from strategies import NEVER, Raw, ledgers_and_moments


@given(example=ledgers_and_moments())
@settings(max_examples=8)
def test_features_are_what_a_loop_over_the_facts_says(example: tuple[Raw, int]) -> None:
    windows_agree_with_brute_force(*example)


@pytest.mark.slow
@given(example=ledgers_and_moments())
@settings(max_examples=400)
def test_features_are_what_a_loop_over_the_facts_says_at_length(example: tuple[Raw, int]) -> None:
    windows_agree_with_brute_force(*example)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Facts, np.ndarray, np.ndarray, int]:
    count = draw(st.integers(0, 12))
    numbers = st.lists(st.integers(0, 6), min_size=count, max_size=count)
    day = np.array(draw(numbers), dtype=np.int64)
    known = day + np.array(draw(numbers), dtype=np.int64)
    replaced = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    facts = Facts(
        name="payments",
        kinds={},
        columns={},
        happened_at=day * US_PER_DAY,
        known_at=known * US_PER_DAY,
        known_until=np.where(replaced, (known + 2) * US_PER_DAY, NEVER),
        owner=np.array(draw(numbers), dtype=np.int64) % 2,
        row=np.arange(count),
        cell_known={},
    )
    size = draw(st.integers(0, 5))
    owner = np.array(draw(st.lists(st.integers(-1, 2), min_size=size, max_size=size)), dtype=np.int64)
    as_of = np.array(draw(st.lists(st.integers(0, 10), min_size=size, max_size=size)), dtype=np.int64) * US_PER_DAY
    return facts, owner, as_of, draw(st.integers(1, 20))


@given(
    drawn=timelines(),
    days=st.integers(1, 8),
    until=st.integers(0, 3),
    skip=st.integers(0, 2),
    last=st.none() | st.integers(1, 2),
    ahead=st.booleans(),
)
def test_choosing_is_visibility_window_skip_and_last_in_that_order_for_every_size_of_chunk(
    drawn: tuple[Facts, np.ndarray, np.ndarray, int], days: int, until: int, skip: int, last: int | None, ahead: bool
) -> None:
    facts, owner, as_of, chunk = drawn
    if until >= days:
        until = 0
    tail = f", skip={skip}" + ("" if last is None else f", last={last}")
    text = (
        f"ahead(count(payments{tail}), days={days})" if ahead else f"count(payments, days={days}, until={until}{tail})"
    )
    selection = parse(text).aggregates[0].selection
    timeline = Timeline(facts)
    found: dict[int, list[int]] = {at: [] for at in range(len(owner))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "CHUNK_PAIRS", chunk)
        for chosen in choose(timeline, selection, owner, as_of):
            for observation, fact in zip(chosen.observation.tolist(), chosen.fact.tolist(), strict=True):
                found[observation + chosen.first].append(int(timeline.facts.row[fact]))
    for at in range(len(owner)):
        assert found[at] == _by_hand(facts, int(owner[at]), int(as_of[at]), days, until, skip, last, ahead)


def _by_hand(
    facts: Facts, owner: int, as_of: int, days: int, until: int, skip: int, last: int | None, ahead: bool
) -> list[int]:
    low, high = (as_of, as_of + days * US_PER_DAY) if ahead else (as_of - days * US_PER_DAY, as_of - until * US_PER_DAY)
    rows = [
        row
        for row in range(len(facts))
        if facts.owner[row] == owner
        and facts.known_at[row] < as_of <= facts.known_until[row]
        and low <= facts.happened_at[row] < high
    ]
    rows.sort(key=lambda row: (facts.happened_at[row], facts.known_at[row], row))
    rows = rows[: len(rows) - skip] if skip else rows
    return rows if last is None else rows[max(len(rows) - last, 0) :]


def test_of_a_lasting_table_only_the_row_in_force_counts() -> None:
    """Two versions of one contract are one contract: the fee in force is not added to the fee before."""
    contracts = pd.DataFrame(
        {
            "contract_id": ["k", "k", "l"],
            "account_id": ["a", "a", "a"],
            "starts_on": ["2025-01-01"] * 3,
            "fixed_fee": [10.0, 12.0, 5.0],
            "valid_from": ["2025-01-01", "2025-03-01", "2025-01-01"],
        }
    )
    ledger = Ledger.from_tables(
        invoices=pd.DataFrame(
            {
                "invoice_id": ["i"],
                "customer_id": ["c"],
                "issued_on": ["2025-01-05"],
                "due_on": ["2025-05-01"],
                "amount": [1.0],
            }
        ),
        payments=pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []}),
        accounts=pd.DataFrame({"account_id": ["a"], "customer_id": ["c"]}),
        contracts=contracts,
    )
    moments = pd.to_datetime(["2025-02-01", "2025-03-01", "2025-03-02"])
    obs = pd.DataFrame({"customer_id": "c", "as_of": moments})
    fee = FeatureSet([Feature("fee", "sum(contracts.fixed_fee)")]).compute(ledger, obs)["fee"]
    assert fee.tolist() == [15.0, 15.0, 17.0]


def test_an_attribute_of_the_obligation_asks_only_for_the_columns_it_is_read_from() -> None:
    bill = {"invoice_id": ["i"], "customer_id": ["c"], "issued_on": ["2025-01-05"], "due_on": ["2025-02-01"]}
    nothing = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    ledger = Ledger.from_tables(invoices=pd.DataFrame(bill).assign(amount=1.0), payments=nothing)
    bare = pd.DataFrame({"customer_id": ["c"], "as_of": pd.to_datetime(["2025-01-20"])})
    assert FeatureSet([Feature("nth", "invoice.number")]).compute(ledger, bare)["nth"].tolist() == [1.0]
    aged = FeatureSet([Feature("age", "invoice.days_since_issue")])
    assert aged.compute(ledger, bare.assign(invoice_id="i"))["age"].tolist() == [15.0]
    with pytest.raises(FeatureError, match="F225"):
        aged.compute(ledger, bare)
