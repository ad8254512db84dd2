"""Tables of the user's own, declared by a schema: in features like the rest, of every entity, with corrections."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from earlywarn.errors import DataError, FeatureError
from earlywarn.features.build import compute
from earlywarn.features.definition import Feature
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import declared

INVOICES = pd.DataFrame(
    {
        "invoice_id": ["A", "B"],
        "customer_id": ["c1", "c2"],
        "issued_on": "2026-03-01",
        "due_on": "2026-03-15",
        "amount": 50.0,
    }
)
PAYMENTS = pd.DataFrame(columns=["payment_id", "customer_id", "paid_on", "amount"])
CUSTOMERS = pd.DataFrame({"customer_id": ["c1", "c2"], "region": ["BE211", "FR1"]})
ACCOUNTS = pd.DataFrame({"account_id": ["a1", "a2"], "customer_id": ["c1", "c2"]})
CONTRACTS = pd.DataFrame({"contract_id": ["k1", "k2"], "account_id": ["a1", "a2"], "starts_on": "2025-01-01"})


def ledger(frame: Any, schema: dict[str, Any], **tables: Any) -> Ledger:
    return Ledger.from_tables(
        invoices=INVOICES, payments=PAYMENTS, extra={"scores": (frame, schema)}, until="2026-06-01", **tables
    )


def values(book: Ledger, text: str, *as_of: str) -> list[Any]:
    """The feature of c1 and c2 at each moment, c1 first."""
    moments = pd.to_datetime([moment for moment in as_of for _ in (1, 2)], format="ISO8601")
    obs = pd.DataFrame({"customer_id": ["c1", "c2"] * len(as_of), "as_of": moments})
    found = compute([Feature("f", text)], book, obs)["f"]
    return [None if pd.isna(value) else value for value in found]


@pytest.mark.parametrize(
    ("entity", "ids", "tables"),
    [
        ("customer_id", ["c1", "c1", "c2"], {}),
        ("customer", ["c1", "c1", "c2"], {"customers": CUSTOMERS}),
        ("account_id", ["a1", "a1", "a2"], {"accounts": ACCOUNTS}),
        ("account", ["c1", "c1", "c2"], {}),
        ("contract_id", ["k1", "k1", "k2"], {"accounts": ACCOUNTS, "contracts": CONTRACTS}),
        ("contract", ["c1", "c1", "c2"], {}),
        ("region", ["BE211", "BE2", "FR1"], {"customers": CUSTOMERS}),
    ],
)
def test_facts_of_every_entity_reach_their_customer(entity: str, ids: list[str], tables: dict[str, Any]) -> None:
    column = {"customer": "customer_id", "account": "account_id", "contract": "contract_id"}.get(entity, entity)
    frame = pd.DataFrame({column: ids, "seen_on": ["2026-01-05", "2026-02-05", "2026-02-10"], "score": [1.0, 2.0, 9.0]})
    book = ledger(frame, {"entity": entity, "time": "seen_on", "values": {"score": "number"}}, **tables)
    assert book.faults.empty
    nearest = 1.0 if entity == "region" else 2.0  # BE2 stands above BE211: what is closest counts
    assert values(book, "last(scores.score)", "2026-03-01") == [nearest, 9.0]
    assert values(book, "count(scores, days=30)", "2026-03-01") == ([0.0, 1.0] if entity == "region" else [1.0, 1.0])


def test_a_fact_counts_from_after_it_is_known_and_a_lag_is_kept() -> None:
    frame = pd.DataFrame({"customer_id": ["c1"], "seen_on": ["2026-02-01"], "score": [3.0]})
    rule = {"entity": "customer_id", "time": "seen_on", "values": {"score": "number"}, "lag_days": 2}
    book = ledger(frame, rule)
    assert values(book, "count(scores)", "2026-02-03", "2026-02-04") == [0.0, 0.0, 1.0, 0.0]
    stated = ledger(frame.assign(known_at="2026-02-20T10:00:00"), rule)
    early, late = "2026-02-20T10:00:00", "2026-02-20T10:00:00.000001"
    assert values(stated, "sum(scores.score)", early, late) == [0.0, 0.0, 3.0, 0.0]


def test_a_later_row_of_the_same_key_corrects_the_earlier_from_then_on() -> None:
    frame = pd.DataFrame(
        {
            "score_id": ["s1", "s1", "s2"],
            "customer_id": "c1",
            "seen_on": ["2026-01-10", "2026-01-10", "2026-01-20"],
            "score": [1.0, 5.0, 2.0],
            "known_at": pd.to_datetime(["2026-01-11", "2026-02-11", "2026-01-21"]),
        }
    )
    rule = {"entity": "customer_id", "time": "seen_on", "values": {"score": "number"}, "key": "score_id"}
    book = ledger(frame, rule)
    assert values(book, "sum(scores.score)", "2026-02-11", "2026-02-12")[::2] == [3.0, 7.0]
    assert values(book.known_before("2026-02-01"), "sum(scores.score)", "2026-03-01")[0] == 3.0
    assert len(book.frame("scores")) == 2
    twice = ledger(frame.drop(columns="known_at"), rule)
    assert twice.faults["code"].tolist() == ["D139"]


def test_a_cell_that_is_filled_in_later_is_missing_until_then() -> None:
    frame = pd.DataFrame(
        {"customer_id": ["c1"], "asked_on": ["2026-01-10"], "closed_on": ["2026-02-10"], "verdict": ["yes"]}
    )
    rule = {
        "entity": "customer_id",
        "time": "asked_on",
        "values": {"verdict": "text", "closed_on": "date"},
        "known_from": {"verdict": "closed_on", "closed_on": "closed_on"},
    }
    book = ledger(frame, rule)
    text = "count(scores, where=verdict == 'yes')"
    assert values(book, text, "2026-02-10", "2026-02-11")[::2] == [0.0, 1.0]
    assert values(book.known_before("2026-02-10"), text, "2026-03-01")[0] == 0.0
    assert values(book, "count(scores)", "2026-02-10")[0] == 1.0


def test_every_kind_of_value_is_read_as_the_schema_says() -> None:
    frame = pd.DataFrame(
        {
            "customer_id": ["c1"],
            "seen_on": ["2026-02-01"],
            "debt": ["12.34"],
            "grade": ["BB"],
            "closed": [True],
            "since": ["2026-01-31"],
        }
    )
    kinds = {"debt": "money", "grade": "text", "closed": "bool", "since": "date"}
    book = ledger(frame, {"entity": "customer_id", "time": "seen_on", "values": kinds})
    assert values(book, "last(scores.debt)", "2026-03-01")[0] == pytest.approx(12.34)
    assert values(book, "last(scores.grade)", "2026-03-01")[0] == "BB"
    assert values(book, "share(scores.closed)", "2026-03-01")[0] == 1.0
    assert values(book, "max(scores.since)", "2026-03-01")[0] == 29.0


def test_what_does_not_fit_is_set_aside_and_listed() -> None:
    frame = pd.DataFrame(
        {
            "account_id": ["a1", "a9", "a1", None],
            "seen_on": ["2026-02-01", "2026-02-01", "soon", "2026-02-01"],
            "score": [1.0, 2.0, 3.0, 4.0],
        }
    )
    rule = {"entity": "account_id", "time": "seen_on", "values": {"score": "number"}}
    book = ledger(frame, rule, accounts=ACCOUNTS)
    listed = book.faults[["row", "column", "code"]].to_records(index=False).tolist()
    assert listed == [(1, "account_id", "D153"), (2, "seen_on", "D133"), (3, "account_id", "D138")]
    assert values(book, "sum(scores.score)", "2026-03-01") == [1.0, 0.0]


def test_a_table_that_is_declared_and_not_handed_over_is_missing() -> None:
    book = ledger(None, {"entity": "customer_id", "time": "seen_on", "values": {"score": "number"}})
    assert values(book, "mean(scores.score)", "2026-03-01") == [None, None]


def test_a_column_that_was_not_declared_is_named() -> None:
    frame = pd.DataFrame({"customer_id": ["c1"], "seen_on": ["2026-02-01"], "score": [3.0]})
    book = ledger(frame, {"entity": "customer_id", "time": "seen_on", "values": {"score": "number"}})
    with pytest.raises(FeatureError, match="did you mean 'score'"):
        values(book, "mean(scores.scor)", "2026-03-01")


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("own scores", {}, "cannot stand in an expression"),
        ("scores", {"known_from": {"grade": "closed_on"}}, "name a column of values"),
        ("scores", {"known_from": {"score": "seen"}}, "one of kind date"),
        ("scores", {"keys": "score_id"}, "did you mean 'key'"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(name: str, more: dict[str, Any], says: str) -> None:
    rule = {"entity": "customer_id", "time": "seen_on", "values": {"score": "number"}, **more}
    with pytest.raises(DataError, match="D120") as caught:
        declared(name, rule)
    assert says in str(caught.value)
