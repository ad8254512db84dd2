"""What crosses customers: groups as they were known, daily reductions, one's own part left out."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from earlywarn.errors import FeatureError
from earlywarn.features.build import compute
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.tables.ledger import Ledger


def ledger(**tables: Any) -> Ledger:
    """Three customers with one bill each, and what else is handed over."""
    invoices = pd.DataFrame(
        {
            "invoice_id": ["A", "B", "C"],
            "customer_id": ["a", "b", "c"],
            "issued_on": ["2026-01-05", "2026-01-06", "2026-01-07"],
            "due_on": ["2026-01-20"] * 3,
            "amount": [10.0, 20.0, 40.0],
        }
    )
    payments = pd.DataFrame({"payment_id": ["p"], "customer_id": ["a"], "paid_on": ["2026-01-10"], "amount": [10.0]})
    return Ledger.from_tables(invoices=invoices, payments=payments, until="2026-12-01", **tables)


def value(text: str, books: Ledger, customer: str, as_of: str) -> float:
    """One feature of one customer at one moment."""
    obs = pd.DataFrame({"customer_id": [customer], "as_of": pd.to_datetime([as_of])})
    return float(compute([Feature("f", text)], books, obs)["f"].iloc[0])


def customers(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "region", "valid_from", "known_at"])


def test_the_portfolio_is_everybody_and_leaving_out_takes_away_ones_own() -> None:
    books = ledger()
    assert value("sum(invoices.amount, of=portfolio)", books, "a", "2026-02-01") == 70
    assert value("sum(invoices.amount, of=portfolio, leave_out=customer)", books, "a", "2026-02-01") == 60
    assert value("mean(invoices.amount, of=portfolio, leave_out=customer)", books, "c", "2026-02-01") == 15
    assert value("count(invoices, of=portfolio, days=26, until=25)", books, "a", "2026-02-01") == 1


def test_a_fact_is_counted_from_the_day_after_it_is_known() -> None:
    books = ledger()
    assert value("count(invoices, of=portfolio)", books, "a", "2026-01-06") == 1
    assert value("count(invoices, of=portfolio)", books, "a", "2026-01-07") == 2


def test_a_fact_belongs_to_the_region_its_customer_had_when_it_happened() -> None:
    move = customers(
        ("a", "north", "2025-01-01", None),
        ("b", "north", "2025-01-01", None),
        ("b", "south", "2026-01-10", None),
        ("c", "south", "2025-01-01", None),
    )
    books = ledger(customers=move)
    assert value("sum(invoices.amount, of=region)", books, "a", "2026-02-01") == 30, "the bill of b is one of the north"
    assert value("sum(invoices.amount, of=region)", books, "b", "2026-02-01") == 40, "b itself lives in the south now"


def test_a_move_counts_from_when_it_is_known_and_corrects_what_was_counted() -> None:
    late = customers(
        ("a", "north", "2025-01-01", None),
        ("b", "north", "2025-01-01", None),
        ("b", "south", "2026-01-01", "2026-03-01"),
        ("c", "south", "2025-01-01", None),
    )
    books = ledger(customers=late)
    for customer, before, after in (("a", 30, 10), ("b", 30, 60), ("c", 40, 60)):
        assert value("sum(invoices.amount, of=region)", books, customer, "2026-03-01") == before
        assert value("sum(invoices.amount, of=region)", books, customer, "2026-03-02") == after


def test_a_cell_filled_in_later_counts_from_then_for_others_and_for_oneself() -> None:
    contacts = pd.DataFrame(
        {
            "contact_id": ["1", "2"],
            "customer_id": ["a", "b"],
            "contacted_at": ["2026-01-10", "2026-01-11"],
            "channel": ["phone"] * 2,
            "outcome": ["promise", "refused"],
            "outcome_at": ["2026-02-01", "2026-03-01"],
        }
    )
    books = ledger(contacts=contacts)
    promised, silent = (
        "count(contacts, of=portfolio, where=outcome == 'promise')",
        "count(contacts, of=portfolio, where=isnull(outcome))",
    )
    assert [value(promised, books, "a", day) for day in ("2026-02-01", "2026-02-02")] == [0, 1]
    assert [value(silent, books, "a", day) for day in ("2026-01-12", "2026-02-02", "2026-03-02")] == [2, 1, 0]
    left_out = promised.replace("of=portfolio", "of=portfolio, leave_out=customer")
    assert [value(left_out, books, "a", day) for day in ("2026-02-01", "2026-02-02")] == [0, 0]
    assert [value(left_out, books, "b", day) for day in ("2026-02-01", "2026-02-02")] == [0, 1]


def test_without_a_region_there_is_no_group() -> None:
    books = ledger(customers=customers(("a", None, "2025-01-01", None), ("b", "north", "2025-01-01", None)))
    for customer in ("a", "c"):
        assert math.isnan(value("count(invoices, of=region)", books, customer, "2026-02-01"))
    assert value("count(invoices, of=region)", books, "b", "2026-02-01") == 1


def test_a_published_figure_is_that_of_the_region_or_of_the_closest_above_it_that_was_known() -> None:
    who = customers(
        ("a", "BE211", "2025-01-01", None), ("b", "BE3", "2025-01-01", None), ("c", "FR1", "2025-01-01", None)
    )
    figures = pd.DataFrame(
        {
            "region": ["BE2", "BE21", "BE211"],
            "published_on": ["2025-12-01", "2026-01-15", "2026-03-01"],
            "metric": ["u"] * 3,
            "value": [1.0, 2.0, 3.0],
        }
    )
    books = ledger(customers=who, regions=figures)
    text = "last(regions.value, where=metric == 'u')"
    assert [value(text, books, "a", day) for day in ("2026-01-01", "2026-02-01", "2026-04-01")] == [1, 2, 3]
    assert math.isnan(value(text, books, "b", "2026-04-01"))
    assert math.isnan(value(text, books, "c", "2026-04-01"))


def figures(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["region", "published_on", "metric", "value", "parent"])


def test_each_metric_is_that_of_the_closest_region_that_has_it() -> None:
    published = figures(
        ("BE21", "2025-12-01", "unemployment", 6.0, None),
        ("BE21", "2025-12-01", "income", 20.0, None),
        ("BE211", "2025-12-01", "unemployment", 9.0, None),
        ("BE2", "2025-12-01", "gdp", 100.0, None),
    )
    books = ledger(customers=customers(("a", "BE211", "2025-01-01", None)), regions=published)
    for metric, wanted in (("unemployment", 9), ("income", 20), ("gdp", 100)):
        text = f"last(regions.value, where=metric == '{metric}')"
        assert value(text, books, "a", "2026-02-01") == wanted, metric
    assert value("count(regions)", books, "a", "2026-02-01") == 1, "without a condition any figure of a region will do"


def test_a_stated_parent_leads_to_a_figure_from_when_it_is_known() -> None:
    published = figures(("Flanders", "2025-12-01", "u", 5.0, None), ("Ghent", "2026-03-01", "i", 1.0, "Flanders"))
    books = ledger(customers=customers(("a", "Ghent", "2025-01-01", None)), regions=published)
    text = "last(regions.value, where=metric == 'u')"
    assert math.isnan(value(text, books, "a", "2026-03-01"))
    assert value(text, books, "a", "2026-03-02") == 5


def contracts(*rows: tuple[Any, ...]) -> dict[str, pd.DataFrame]:
    columns = ["contract_id", "account_id", "starts_on", "campaign", "valid_from", "known_at"]
    accounts = pd.DataFrame({"account_id": ["A", "B", "C"], "customer_id": ["a", "b", "c"]})
    return {"accounts": accounts, "contracts": pd.DataFrame(rows, columns=columns)}


def test_the_campaign_is_that_of_the_newest_contract_that_had_started() -> None:
    books = ledger(
        **contracts(
            ("1", "A", "2025-01-01", "spring", "2025-01-01", None),
            ("2", "B", "2025-02-01", "spring", "2025-02-01", None),
            ("3", "B", "2026-01-10", "winter", "2026-01-10", None),
            ("4", "C", "2025-03-01", "winter", "2025-03-01", None),
            ("5", "C", "2026-05-01", None, "2026-05-01", None),
        )
    )
    total = "sum(invoices.amount, of=campaign)"
    assert value(total, books, "a", "2026-02-01") == 30, "the bill of b came before its winter contract"
    assert value(total, books, "b", "2026-02-01") == 40
    assert value(total, books, "c", "2026-05-01") == 40
    assert math.isnan(value(total, books, "c", "2026-05-02")), "its newest contract is of no campaign"


def test_a_campaign_that_is_corrected_later_counts_from_then() -> None:
    books = ledger(
        **contracts(
            ("1", "A", "2025-01-01", "spring", "2025-01-01", "2025-01-02"),
            ("2", "B", "2025-02-01", "winter", "2025-02-01", "2025-02-02"),
            ("2", "B", "2025-02-01", "spring", "2025-02-01", "2026-03-01"),
        )
    )
    total = "sum(invoices.amount, of=campaign)"
    assert [value(total, books, "a", day) for day in ("2026-03-01", "2026-03-02")] == [10, 30]
    left_out = total.replace("campaign", "campaign, leave_out=customer")
    assert [value(left_out, books, "b", day) for day in ("2026-03-01", "2026-03-02")] == [0, 10]


def test_a_customer_whom_the_context_does_not_know_takes_nothing_out_of_it() -> None:
    feature = Feature("f", "sum(invoices.amount, of=portfolio, leave_out=customer)")
    book = ledger()
    context = Context.of(book, [feature], as_of="2026-01-07")
    obs = pd.DataFrame({"customer_id": ["c", "a"], "as_of": pd.to_datetime(["2026-02-01"] * 2)})
    found = compute([feature], book, obs, context=context)["f"].tolist()
    assert found == [30, 20], "the bill of c became known after the context was made"


@pytest.mark.parametrize(
    "text",
    [
        "median(invoices.amount, of=region)",
        "last(invoices.amount, of=portfolio)",
        "sum(invoices.amount, of=region, last=3)",
        "sum(invoices.amount, of=region, skip=1)",
        "count(invoices, of=contract)",
        "count(invoices, of=account)",
        "count(invoices, of=region, days=.5)",
        "mean(invoices.due_on, of=portfolio)",
        "count(invoices, of=portfolio, where=due_on > 0)",
    ],
)
def test_what_a_daily_reduction_cannot_give_is_refused(text: str) -> None:
    with pytest.raises(FeatureError, match="F223"):
        value(text, ledger(), "a", "2026-02-01")
