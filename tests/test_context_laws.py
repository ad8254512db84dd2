"""A context is data: buckets add up to the book, it serves one customer alone, and a file keeps every bit of it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earlywarn.errors import BundleError, FeatureError
from earlywarn.features.build import compute
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.outcomes import Outcome
from earlywarn.tables.ledger import Ledger
from parts import customers_of, only
from strategies import Raw, ledgers, ledgers_and_moments, random_tables

FEATURES = [
    Feature(f"f{number:02}", text)
    for number, text in enumerate(
        (
            "count(payments, days=60, of=portfolio)",
            "sum(invoices.amount, of=segment, leave_out=customer)",
            "mean(maturities.late, of=region)",
            "std(usage.quantity, of=portfolio, days=50, until=2)",
            "std(invoices.amount, of=region, leave_out=customer)",
            "share(contacts.accepted, of=region, leave_out=customer)",
            "count(contacts, of=region, where=isnull(outcome))",
            "mean(usage.quantity / 3, of=region, where=kind == 'data', leave_out=customer)",
            "rate(maturities.late, days=90, of=region)",
            "rate(maturities.late, days=90, of=region, leave_out=customer)",
            "rate(maturities.late, of=segment, leave_out=customer)",
            "rate(invoices.amount > 20, of=portfolio, leave_out=customer)",
            "rate(usage.quantity / 3, of=region, leave_out=customer)",
            "last(regions.value, where=metric == 'unemployment')",
        )
    )
]


def observations(ledger: Ledger) -> pd.DataFrame:
    return Outcome(lead_days=(10, 0)).observations(ledger)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Every bit the same, missing where missing."""
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True)


@given(raw=ledgers(), seed=st.integers(0, 99))
@settings(max_examples=4)
def test_the_buckets_of_a_book_give_the_context_of_the_book(raw: Raw, seed: int) -> None:
    buckets_give_the_book(raw, seed)


def buckets_give_the_book(raw: Raw, seed: int) -> None:
    """Whichever way customers are divided, and in any order."""
    names = customers_of(raw)
    bucket = np.random.default_rng(seed).integers(0, 3, len(names))
    books = [only(raw, [name for name, at in zip(names, bucket, strict=True) if at == k]).ledger() for k in range(3)]
    whole = Context.of(raw.ledger(), FEATURES)
    assert Context.of(books, FEATURES) == whole
    assert Context.of(iter(books[::-1]), FEATURES).fingerprint == whole.fingerprint


@given(raw=ledgers())
@settings(max_examples=4)
def test_one_customer_alone_with_the_context_has_the_same_numbers_as_in_the_batch(raw: Raw) -> None:
    alone_as_in_the_batch(raw)


def alone_as_in_the_batch(raw: Raw) -> None:
    """A ledger of one customer and the context of all."""
    ledger = raw.ledger()
    obs = observations(ledger)
    context, batch = Context.of(ledger, FEATURES), compute(FEATURES, ledger, obs)
    same(compute(FEATURES, ledger, obs, context=context), batch)
    for customer in customers_of(raw):
        own = (obs["customer_id"] == customer).to_numpy()
        alone = compute(FEATURES, only(raw, [customer]).ledger(), obs[own], context=context)
        same(alone, batch[own])


@given(example=ledgers_and_moments())
@settings(max_examples=8)
def test_a_context_as_of_a_moment_is_that_of_the_ledger_as_it_was_known_then(example: tuple[Raw, int]) -> None:
    raw, as_of = example
    ledger = raw.ledger()
    then = Context.of(ledger.known_before(as_of), FEATURES, as_of=as_of)
    assert Context.of(ledger, FEATURES, as_of=as_of) == then


@given(raw=ledgers(), seed=st.integers(0, 99))
@settings(max_examples=4)
def test_with_oneself_left_out_ones_own_facts_never_matter(raw: Raw, seed: int) -> None:
    ones_own_facts_never_matter(raw, seed)


def ones_own_facts_never_matter(raw: Raw, seed: int) -> None:
    """Nothing changes when they are not there at all."""
    left_out = [feature for feature in FEATURES if "leave_out" in feature.value]
    ledger = raw.ledger()
    obs = observations(ledger)
    names = customers_of(raw)
    customer = names[seed % len(names)]
    obs = obs[obs["customer_id"] == customer]
    mine = ("customers", "accounts", "contracts")
    others = {
        name: frame if name in mine else only(raw, [other for other in names if other != customer]).tables[name]
        for name, frame in raw.tables.items()
    }
    same(compute(left_out, ledger, obs), compute(left_out, Raw(others).ledger(), obs))


def test_alone_in_the_group_leaving_oneself_out_leaves_exactly_nothing() -> None:
    amounts = [0.1, 0.2, 0.3, 1e9 + 0.07, 19.99]
    ledger = bills([(f"i{n}", "a", "2026-01-05", amount) for n, amount in enumerate(amounts)])
    obs = pd.DataFrame({"customer_id": ["a"], "as_of": pd.to_datetime(["2026-03-01"])})
    texts = [f"{f}(invoices.amount, of=portfolio, leave_out=customer)" for f in ("count", "sum", "mean", "std", "rate")]
    found = compute([Feature(f"f{n}", text) for n, text in enumerate(texts)], ledger, obs).iloc[0]
    assert found.iloc[:2].tolist() == [0.0, 0.0]
    assert found.iloc[2:].isna().all()


def bills(rows: list[tuple[str, str, str, float]], **tables: Any) -> Ledger:
    frame = pd.DataFrame(rows, columns=["invoice_id", "customer_id", "issued_on", "amount"])
    payments = pd.DataFrame({"payment_id": ["p"], "customer_id": ["a"], "paid_on": ["2026-01-10"], "amount": [0.1]})
    options = {"until": "2026-12-01", **tables}
    return Ledger.from_tables(invoices=frame.assign(due_on=frame["issued_on"]), payments=payments, **options)


@pytest.mark.slow
@given(raw=ledgers(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_the_laws_of_a_context_at_length(raw: Raw, seed: int) -> None:
    buckets_give_the_book(raw, seed)
    alone_as_in_the_batch(raw)
    ones_own_facts_never_matter(raw, seed)


# -- what it refuses -------------------------------------------------------------------------------------------


def test_a_context_that_lacks_what_a_feature_needs_says_which() -> None:
    ledger = bills([("A", "a", "2026-01-05", 10.0)])
    obs = pd.DataFrame({"customer_id": ["a"], "as_of": pd.to_datetime(["2026-03-01"])})
    context = Context.of(ledger, [Feature("f", "sum(invoices.amount, of=portfolio)")])
    other_window = Feature("f", "mean(invoices.amount, days=90, of=portfolio)")
    assert compute([other_window], ledger, obs, context=context).iat[0, 0] == 10
    with pytest.raises(FeatureError, match=r"F224.*\n.*maturities \| late \| region"):
        compute([Feature("f", "mean(maturities.late, of=region)")], ledger, obs, context=context)


@pytest.mark.parametrize("other", [{"currency": "SEK"}, {"timezone": "UTC"}, {"late_after_days": 5}])
def test_books_of_other_terms_do_not_go_together(other: dict[str, Any]) -> None:
    rows = [("A", "a", "2026-01-05", 10.0)]
    ledger, foreign = bills(rows), bills(rows, **other)
    feature = Feature("f", "mean(maturities.late, of=portfolio)")
    obs = pd.DataFrame({"customer_id": ["a"], "as_of": pd.to_datetime(["2026-03-01"])})
    with pytest.raises(FeatureError, match=f"F224.*{next(iter(other))}"):
        compute([feature], foreign, obs, context=Context.of(ledger, [feature]))
    with pytest.raises(FeatureError, match="F224"):
        Context.of([ledger, foreign], [feature])


@pytest.mark.parametrize(("as_of", "told"), [("2026-04-14", False), ("2026-04-15", False), ("2026-04-16", True)])
def test_a_context_that_ended_long_before_the_observations_is_told_of(as_of: str, told: bool) -> None:
    """From the 46th day after the end of its books, whether or not its last fact is recent."""
    ledger = bills([("A", "a", "2026-01-05", 10.0)], until="2026-03-01")
    feature = Feature("f", "sum(invoices.amount, of=portfolio)")
    context = Context.of(ledger, [feature])
    obs = pd.DataFrame({"customer_id": ["a", "a"], "as_of": pd.to_datetime([as_of, "2026-02-01"])})
    notices = compute([feature], ledger, obs, context=context).attrs["notices"]
    assert [note for note in notices if "the context ends on 2026-03-01" in note] == list(notices)
    assert bool(notices) is told
    assert compute([feature], ledger, obs[:0], context=context).attrs["notices"] == ()
    assert compute([feature], ledger, obs).attrs["notices"] == (), "made just now from the same books"


# -- the file --------------------------------------------------------------------------------------------------


def example() -> Context:
    return Context.of(random_tables(4, 4, 4, 1.0).ledger(), FEATURES, as_of="2025-06-01")


def test_a_saved_context_comes_back_bit_by_bit_and_equal_ones_give_equal_bytes(tmp_path: Path) -> None:
    context = example()
    one, other = context.save(tmp_path / "one.parquet"), example().save(tmp_path / "folder" / "two.parquet")
    assert one.read_bytes() == other.read_bytes()
    again = Context.load(one)
    assert again == context
    assert hash(again) == hash(context)
    assert repr(again) == repr(context)
    assert pickle.loads(pickle.dumps(context)) == context
    assert again.save(one).read_bytes() == other.read_bytes(), "over itself"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["one.parquet"]
    assert b"one.parquet" not in other.read_bytes()


def test_an_empty_context_is_saved_too(tmp_path: Path) -> None:
    nothing = Context.of(bills([("A", "a", "2026-01-05", 10.0)]), [])
    assert Context.load(nothing.save(tmp_path / "c")) == nothing
    unseen = Context.of(bills([("A", "a", "2026-01-05", 1.0)]), [Feature("f", "count(returns, of=region)")])
    assert Context.load(unseen.save(tmp_path / "c")) == unseen


@pytest.mark.parametrize("column", ["count", "known_on", "group", "reduction"])
def test_a_context_that_was_changed_is_refused(tmp_path: Path, column: str) -> None:
    path = example().save(tmp_path / "context.parquet")
    table = pq.read_table(path)
    place = table.schema.names.index(column)
    turned = table.column(column).take(np.arange(len(table))[::-1])
    pq.write_table(table.set_column(place, column, turned), path)
    with pytest.raises(BundleError, match="B532"):
        Context.load(path)


def test_what_is_no_context_and_what_is_of_another_format_is_refused(tmp_path: Path) -> None:
    path = example().save(tmp_path / "context.parquet")
    table = pq.read_table(path)
    for other in (b'"format": 1', b'"format": 99'):
        about = table.schema.metadata[b"earlywarn context"].replace(b'"format": 2', other)
        pq.write_table(table.replace_schema_metadata({b"earlywarn context": about}), path)
        with pytest.raises(BundleError, match=r"B531[^$]*make the context again"):
            Context.load(path)
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(BundleError, match="B530"):
        Context.load(path)
    path.write_bytes(b"no parquet")
    with pytest.raises(BundleError, match="B530"):
        Context.load(path)
    with pytest.raises(BundleError, match="B530"):
        Context.load(tmp_path / "nowhere.parquet")


def test_progress_tells_the_share_of_the_ledgers_that_is_done() -> None:
    told: list[float] = []
    rows = [("A", "a", "2026-01-05", 10.0)]
    Context.of([bills(rows), bills([])], FEATURES[:1], progress=told.append)
    assert told == [0.5, 1.0]
