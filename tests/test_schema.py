"""The schema: the tables and columns that are promised, and what it says about time."""

from __future__ import annotations

import pytest

from earlywarn.errors import DataError
from earlywarn.tables.schema import KINDS, STATIC, STREAMS, TABLES, declared

#: Required columns by table, as the documentation promises them.
REQUIRED = {
    "customers": "customer_id",
    "accounts": "account_id customer_id",
    "contracts": "contract_id account_id starts_on",
    "invoices": "invoice_id customer_id issued_on due_on amount",
    "invoice_lines": "invoice_id line_id kind amount",
    "invoice_events": "invoice_id happened_at event",
    "payments": "payment_id customer_id paid_on amount",
    "allocations": "payment_id invoice_id amount allocated_on",
    "mandates": "mandate_id customer_id event_on event",
    "schedule": "customer_id expected_due_on amount",
    "usage": "customer_id used_on quantity",
    "arrangements": "arrangement_id customer_id agreed_on",
    "instalments": "arrangement_id number due_on amount",
    "holds": "customer_id kind started_on",
    "disputes": "dispute_id customer_id opened_on",
    "contacts": "contact_id customer_id contacted_at channel",
    "consents": "customer_id channel purpose given_on",
    "arrears": "customer_id observed_on days_past_due",
    "regions": "region published_on metric value",
}

#: Cells that are filled in later, and the date from which they are known.
LATER = {
    ("disputes", "upheld"): "closed_on",
    ("arrangements", "ended_as"): "ended_on",
    ("contacts", "outcome"): "outcome_at",
    ("contacts", "satisfaction"): "rated_on",
    ("holds", "ended_on"): "ended_on",
    ("consents", "withdrawn_on"): "withdrawn_on",
    ("invoices", "withdrawn_on"): "withdrawn_on",
}


def test_the_tables_and_their_required_columns_are_those_that_are_promised():
    assert {name: " ".join(schema.required) for name, schema in TABLES.items()} == REQUIRED


@pytest.mark.parametrize("name", TABLES)
def test_each_table_is_whole(name: str):
    schema = TABLES[name]
    assert "known_at" in schema.columns
    assert all(column.kind in KINDS for column in schema.columns.values())
    assert set(schema.key) <= set(schema.columns)
    assert schema.time is None or schema.columns[schema.time].kind == "date"
    for column in schema.columns.values():
        if column.known_from:
            assert schema.columns[column.known_from].kind == "date"
    owner = {"customer_id", "region"} & set(schema.columns) or {schema.parent and schema.parent[0]}
    assert owner <= set(schema.columns)


@pytest.mark.parametrize(("table", "column"), LATER)
def test_a_cell_that_is_filled_in_later_says_from_when_it_is_known(table: str, column: str):
    assert TABLES[table].columns[column].known_from == LATER[table, column]


def test_only_what_never_changes_may_stand_for_the_past():
    assert set(STATIC["customers"]) <= {"customer_id", "region", "segment", "country", "customer_since"}
    assert not set(STATIC["contracts"]) & {"tariff", "fixed_fee", "ends_on", "ended_by"}


def test_the_streams_and_their_values_are_those_that_are_promised():
    assert {name: tuple(values) for name, values in STREAMS.items()} == {
        "settlements": ("days_beyond_terms", "days_to_pay", "amount", "parts", "method"),
        "maturities": ("late", "open_amount", "amount"),
        "balances": ("open_amount", "overdue_amount", "open_count", "overdue_count", "oldest_overdue_on"),
        "returns": ("cause", "attempt", "amount", "reason_code", "in_a_row"),
        "obligations": ("amount", "stage"),
    }


def test_a_declared_table_has_its_entity_its_time_and_its_values():
    schema = declared("visits", {"entity": "region", "time": "seen_on", "values": {"pages": "number"}, "lag_days": 2})
    assert schema.required == ("region", "seen_on")
    assert (schema.time, schema.lag_days, schema.columns["pages"].kind) == ("seen_on", 2, "number")


@pytest.mark.parametrize(
    ("name", "schema", "says"),
    [
        ("payments", {}, "bears the name of a known table"),
        ("balances", {}, "bears the name of a known table"),
        ("visits", {"entity": "customer_id", "time": "seen_on"}, "does not say what it holds"),
        ("visits", {"entity": "dog", "time": "seen_on", "values": {}}, "does not say what it holds"),
        ("visits", {"entiti": "customer_id"}, "did you mean 'entity'"),
        ("visits", {"entity": "customer_id", "time": "d", "values": {"x": "numbr"}}, "did you mean 'number'"),
    ],
)
def test_a_declaration_that_does_not_say_enough_is_refused(name: str, schema: dict[str, object], says: str):
    with pytest.raises(DataError, match=r"DataError\[D120\]") as caught:
        declared(name, schema)
    assert says in str(caught.value)
