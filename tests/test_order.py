"""Rows in the order of streams, whatever order they came in, and the memory in which that is done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earlywarn.dates import FOREVER
from earlywarn.tables import blocks, order
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.text import Text

CLOCKS = ("happened_at", "known_at", "known_until", "owner", "row")
#: (owner, happened_at, known_at) of each row, with many ties.
ROWS = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30)


@pytest.fixture(params=["few rows", "many rows"])
def threshold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are sorted at once; many in compiled loops, by threads and in blocks, here already from one row on."""
    if request.param == "many rows":
        monkeypatch.setattr(blocks, "MANY", 1)
        monkeypatch.setattr(order, "MANY", 1)
        monkeypatch.setattr(blocks, "BLOCK", 3)
        monkeypatch.setenv("EARLYWARN_THREADS", "2")


def facts_of(rows: list[tuple[int, int, int]], first: int = 0, step: int = 1) -> Facts:
    """Facts whose columns share arrays as those of an intake do; their rows are numbered from ``first`` in steps."""
    owner, happened, known = (np.array(part, dtype=np.int64) for part in zip(*rows, strict=True))
    return Facts(
        name="usage",
        kinds={"customer_id": "text", "used_on": "date", "quantity": "number"},
        columns={
            "customer_id": Text(owner, ("a", "b", "c", "d")),
            "used_on": happened,
            "quantity": np.arange(len(rows)) / 8,
        },
        happened_at=happened,
        known_at=known,
        known_until=np.broadcast_to(np.int64(FOREVER), len(rows)),
        owner=owner,
        row=first + step * np.arange(len(rows)),
        cell_known={"quantity": known + 7},
    )


def table(facts: Facts) -> pd.DataFrame:
    columns = {name: facts.text(name).codes if name == "customer_id" else facts.numbers(name) for name in facts.columns}
    clocks = {clock: getattr(facts, clock) for clock in CLOCKS}
    return pd.DataFrame({**columns, **clocks, "cell": facts.cell_known["quantity"]})


@pytest.mark.parametrize("numbers", [(0, 1), (5, 1), (99, -1)])
@pytest.mark.parametrize("name", ["in_order", "put_in_order"])
@given(rows=ROWS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_come_in_the_order_in_which_pandas_sorts_them(threshold: None, name: str, numbers: Any, rows: Any):
    wanted = table(facts_of(rows, *numbers)).sort_values(["owner", "happened_at", "known_at", "row"], ignore_index=True)
    found = getattr(order, name)(facts_of(rows, *numbers))
    pd.testing.assert_frame_equal(table(found), wanted)
    assert found.columns["used_on"] is found.happened_at
    assert found.text("customer_id").codes is found.owner


def test_rows_in_order_are_handed_back_as_they_are(threshold: None):
    facts = facts_of([(-1, 5, 0), (0, 1, 2), (0, 1, 2), (2, 0, 0)])
    assert order.in_order(facts) is facts
    assert order.put_in_order(facts) is facts


@given(rows=ROWS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_rise_when_sorting_them_changes_nothing(threshold: None, rows: Any):
    columns = [np.array(part) for part in zip(*rows, strict=True)]
    assert order.rises(columns) == (rows == sorted(rows))
    own = [sorted(row for row in rows if row[0] == owner) for owner in range(-1, 4)]
    alike = own == [[row for row in rows if row[0] == owner] for owner in range(-1, 4)]
    assert order._rises_by_owner(*columns, np.arange(len(rows))) == alike


@given(data=st.data(), rows=ROWS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_taking_rows_is_taking_the_rows_of_the_table(threshold: None, data: st.DataObject, rows: Any):
    facts = facts_of(rows)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    chosen = data.draw(st.lists(st.integers(-len(rows), len(rows) - 1)))
    for asked in (mask, np.array(chosen, dtype=np.int64), slice(1, 4)):
        wanted = table(facts)[mask] if asked is mask else table(facts).iloc[asked]
        pd.testing.assert_frame_equal(table(facts.take(asked)), wanted.reset_index(drop=True))


@pytest.mark.parametrize("dtype", ["float64", "int64", "float32", "Float64", "object"])
def test_tables_that_are_handed_over_are_left_as_they_were(threshold: None, dtype: str):
    rows = 60
    days = pd.date_range("2026-01-01", periods=rows // 3).repeat(3)
    usage = pd.DataFrame(
        {
            "customer_id": pd.Categorical(["c", "a", "b"] * (rows // 3), categories=["b", "nobody", "c", "a"]),
            "used_on": days.astype("M8[us]"),
            "quantity": pd.Series(np.arange(rows) * 1.0).astype(dtype),
            "cost": pd.Series(np.arange(rows) * 2.0).astype(dtype),
        }
    )
    before = usage.copy(deep=True)
    bills = pd.DataFrame({"invoice_id": [], "customer_id": [], "issued_on": [], "due_on": [], "amount": []})
    paid = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    books = Ledger.from_tables(invoices=bills, payments=paid, usage=usage)
    pd.testing.assert_frame_equal(usage, before)
    assert books.customers == ("a", "b", "c")
    facts = books.facts("usage")
    assert facts.row.tolist() == [row for name in "abc" for row in range(rows) if before["customer_id"][row] == name]
    assert facts.columns["cost"].tolist() == (200 * facts.row).tolist()
    assert facts.columns["quantity"].tolist() == facts.row.tolist()
