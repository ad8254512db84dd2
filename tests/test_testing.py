"""What is shipped for users' tests: random ledgers that hold the hard cases, and laws that can fail."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import earlywarn as ew
from cycles import billed
from earlywarn.errors import EarlywarnError
from earlywarn.features import own
from earlywarn.features.expression import parse
from earlywarn.tables.schema import TABLES
from earlywarn.testing import FeatureLawError, Tables, check_feature, laws, ledgers, tables

DAY = 86_400_000_000
USAGE = ["usage"]
ONLY = {"invoices": (), "payments": (), "usage": ("quantity", "cost", "kind")}
QUICK = settings(
    max_examples=600, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = dict(own.OWN)
    yield
    own.OWN.clear()
    own.OWN.update(before)


# -- ledgers ---------------------------------------------------------------------------------------------------


def usage(drawn: Tables) -> pd.DataFrame:
    return drawn.frames["usage"]


def happened(drawn: Tables) -> Any:
    return usage(drawn)["used_on"].to_numpy().astype("M8[us]").astype(np.int64)


def tie(drawn: Tables) -> bool:
    """Two facts of one customer at one moment."""
    frame = usage(drawn)
    return bool(frame.drop_duplicates("usage_id").duplicated(["customer_id", "used_on"]).any())


def correction(drawn: Tables) -> bool:
    """One id twice, known at two moments with two values."""
    frame = usage(drawn).dropna(subset=["known_at"])
    groups = frame.groupby("usage_id")[["known_at", "quantity"]].nunique()
    return bool((groups > 1).all(axis=1).any())


HARD = {
    "a tie": tie,
    "no facts at all": lambda drawn: not len(usage(drawn)),
    "a single fact": lambda drawn: len(usage(drawn)) == 1,
    "a duplicate": lambda drawn: bool(usage(drawn).duplicated().any()),
    "a fact on the edge of a window": lambda drawn: bool(((drawn.today - happened(drawn)) == 30 * DAY).any()),
    "a fact one microsecond inside": lambda drawn: bool(((drawn.today - happened(drawn)) == 30 * DAY - 1).any()),
    "a leap day": lambda drawn: bool((usage(drawn)["used_on"].dt.strftime("%m-%d") == "02-29").any()),
    "a missing value": lambda drawn: bool(usage(drawn)["cost"].isna().any()),
    "a negative amount": lambda drawn: bool((usage(drawn)["cost"] < 0).any()),
    "a huge amount": lambda drawn: bool((usage(drawn)["cost"].abs() > 1e12).any()),
    "a correction that became known later": correction,
}


class AllSeenError(Exception):
    """Nothing is left to be looked for."""


def test_every_hard_case_is_drawn() -> None:
    seen: set[str] = set()

    @settings(QUICK, max_examples=400, report_multiple_bugs=False)
    @given(drawn=tables(USAGE, columns=ONLY, days=[30]))
    def look(drawn: Tables) -> None:
        seen.update(case for case, holds in HARD.items() if case not in seen and holds(drawn))
        if seen == set(HARD):
            raise AllSeenError

    with contextlib.suppress(AllSeenError):
        look()
    assert seen == set(HARD)


@pytest.mark.slow
def test_a_ledger_shrinks_to_the_facts_that_matter() -> None:
    quick, fixed = settings(QUICK, phases=list(Phase)), Random(2)
    smallest = find(tables(USAGE, columns=ONLY, days=[30]), tie, settings=quick, random=fixed)
    assert 2 <= len(usage(smallest)) <= 4  # two would do; where shrinking rests also depends on hypothesis' pool
    assert len(smallest.frames["invoices"]) == len(smallest.frames["payments"]) == 0


def test_cells_that_are_filled_in_later_are_drawn() -> None:
    def later(ledger: ew.Ledger) -> bool:
        facts = ledger.facts("disputes")
        known = facts.cell_known.get("upheld", np.empty(0))
        filled = ~np.isnan(facts.numbers("upheld"))
        return bool((filled & (known > facts.known_at) & (known < np.iinfo(np.int64).max)).any())

    assert later(find(ledgers(["disputes"], customers=1, rows=2), later, settings=QUICK))


@given(drawn=tables())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_every_table_of_the_schema_is_read_and_most_rows_are_sound(drawn: Tables) -> None:
    assert set(drawn.frames) == set(TABLES)
    ledger = drawn.ledger()
    given_rows = sum(map(len, drawn.frames.values()))
    aside = ledger.faults.drop_duplicates(["table", "row"])
    assert len(aside[~aside["code"].isin(["D139", "D151", "D152", "D153", "D154"])]) <= max(6, given_rows / 4)
    assert repr(drawn).startswith("Tables around")


def test_a_table_of_ones_own_is_filled() -> None:
    visits = {"entity": "customer_id", "time": "seen_on", "values": {"pages": "number"}, "key": "visit_id"}
    strategy = ledgers([], extra={"visits": visits})
    ledger = find(strategy, lambda ledger: len(ledger.facts("visits")) == 2, settings=QUICK)
    assert {"customer_id", "seen_on", "pages", "visit_id"} <= set(ledger.frame("visits"))


def test_a_table_that_is_not_there_is_refused() -> None:
    with pytest.raises(EarlywarnError, match="did you mean 'usage'"):
        ledgers(["usag"])


def test_nothing_of_hypothesis_is_loaded_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(EarlywarnError, match=r"E010(.|\n)*pip install"):
        check_feature(ew.Feature("f", "count(payments)"))


# -- laws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "log(mean(usage.quantity, days=30) / median(usage.quantity, days=180, until=30))",
        "last(payments.method) == 'card'",
        "coalesce(share(maturities.late == 1), -1)",
        "mean(settlements.days_beyond_terms, of=segment)",
        "invoice.amount / mean(invoices.amount)",
        "ahead(sum(obligations.amount), days=30)",
        "last(regions.value, where=metric == 'unemployment')",
    ],
)
def test_features_of_the_language_keep_the_laws(text: str) -> None:
    check_feature(ew.Feature("f", text), examples=4)


def test_a_set_of_features_and_a_declared_table_are_checked_too() -> None:
    visits = {"entity": "account_id", "time": "seen_on", "values": {"pages": "number"}, "key": "visit_id"}
    features = [ew.Feature("visits_30d", "sum(visits.pages, days=30)"), ew.Feature("paid", "count(payments)")]
    check_feature(ew.FeatureSet(features), examples=5, extra={"visits": visits}, seed=3)


def _reads_contracts(feature: ew.Feature) -> bool:
    return any(table == "contracts" for table, _ in feature.expression.columns())


@pytest.mark.slow
def test_the_shipped_catalogue_keeps_the_laws() -> None:
    for feature in ew.FeatureSet.default():
        if not _reads_contracts(feature):
            check_feature(feature, examples=10)


@pytest.mark.slow
def test_features_of_contracts_keep_the_laws() -> None:
    for feature in ew.FeatureSet.default():
        if _reads_contracts(feature):
            check_feature(feature, examples=10)


@pytest.fixture
def _hardly_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "ATTEMPTS", 5)


def broken(text: str, **options: Any) -> str:
    with pytest.raises(FeatureLawError, match="F249") as error:
        check_feature(ew.Feature("mine", text), examples=200, **options)
    assert isinstance(error.value, AssertionError)
    assert error.value.hint
    return str(error.value)


@pytest.mark.slow
def test_an_aggregate_that_remembers_is_found_out_with_the_smallest_ledger() -> None:
    seen: list[float] = []

    @ew.aggregate
    def remembers(values):
        seen.append(float(values[0]))
        return len(seen)

    message = broken("remembers(usage.quantity, days=30)")
    assert "usage:" in message
    assert "remembers(usage.quantity, days=30)" in message
    assert message.count("u0") == 1, "one fact is enough to show it"


@pytest.mark.usefixtures("_hardly_shrunk")
def test_an_aggregate_that_depends_on_places_in_memory_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is made to hand the facts over in the order in which they were delivered."""
    honest = laws.compute

    def by_row(features: Any, ledger: ew.Ledger, obs: pd.DataFrame, **options: Any) -> pd.DataFrame:
        facts = ledger.facts("usage")
        first = facts.numbers("quantity")[np.argsort(facts.row)][:1]
        made = honest(features, ledger, obs, **options)
        return made.assign(mine=np.float32(first[0] if len(first) else 0.0))

    monkeypatch.setattr(laws, "LAWS", (laws.the_order_of_rows_changes_nothing,))
    monkeypatch.setattr(laws, "compute", by_row)
    assert "the order of rows changes the value" in broken("last(usage.quantity)")


@pytest.mark.usefixtures("_hardly_shrunk")
@pytest.mark.parametrize(
    ("law", "days", "says"),
    [(laws.later_facts_change_nothing, 30, "became known at or after"), (laws.compiled_equals_plain, 0, "compiled")],
)
def test_an_engine_that_looks_ahead_or_differs_is_found_out(
    monkeypatch: pytest.MonkeyPatch, law: Any, days: int, says: str
) -> None:
    honest = laws.compute

    def ahead(features: Any, ledger: ew.Ledger, obs: pd.DataFrame, *, compiled: bool = True) -> pd.DataFrame:
        late = obs.assign(as_of=obs["as_of"] + pd.Timedelta(days=days)) if compiled else obs
        return honest(features, ledger, late) * (1.0 if compiled else 1.001)

    monkeypatch.setattr(laws, "LAWS", (law,))
    monkeypatch.setattr(laws, "compute", ahead)
    assert says in broken("sum(usage.quantity)")


@pytest.mark.usefixtures("_hardly_shrunk")
def test_an_engine_that_can_no_longer_be_asked_for_plain_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laws.compute
    monkeypatch.setattr(laws, "compute", lambda features, ledger, obs: honest(features, ledger, obs))
    with pytest.raises(TypeError, match="compiled"):
        check_feature(ew.Feature("mine", "count(usage)"), examples=2)


def test_running_periods_are_looked_at_where_obligations_are_read() -> None:
    feature, at = ew.Feature("mine", "invoice.amount"), int(pd.Timestamp("2025-04-10").timestamp() * 1e6)
    obs = laws._observations((feature,), billed(3, until="2025-05-31"), at)
    assert set(obs["stage"]) == {"cycle", "issued"}


@pytest.mark.usefixtures("_hardly_shrunk")
def test_a_group_is_no_secret_and_a_value_made_up_for_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laws.compute

    def never_missing(features: Any, ledger: ew.Ledger, obs: pd.DataFrame, **options: Any) -> pd.DataFrame:
        return honest(features, ledger, obs, **options).fillna(7.0)

    def of_all(features: Any, ledger: ew.Ledger, obs: pd.DataFrame, **options: Any) -> pd.DataFrame:
        return honest(features, ledger, obs, **options) + len(ledger.facts("usage"))

    monkeypatch.setattr(laws, "compute", never_missing)
    monkeypatch.setattr(laws, "LAWS", (laws.nothing_gives_missing_or_what_is_declared,))
    assert "a customer without any fact has a value" in broken("mean(usage.quantity)")
    monkeypatch.setattr(laws, "compute", of_all)
    monkeypatch.setattr(laws, "LAWS", (laws.other_customers_change_nothing,))
    assert "facts of other customers" in broken("count(usage)")
    check_feature(ew.Feature("mine", "count(usage, of=portfolio)"), examples=5)


def test_the_edges_of_a_features_own_windows_are_drawn() -> None:
    drawn = laws._tables_for([parse("sum(usage.quantity, days=47, until=13)")], {})
    for days in (47, 13):
        assert len(usage(find(drawn, lambda t, d=days: (t.today - happened(t) == d * DAY).any(), settings=QUICK)))


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_facts_taken_out_are_gone_and_all_others_stay(data: st.DataObject) -> None:
    drawn = data.draw(tables(USAGE, columns=ONLY))
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(usage(drawn)), max_size=len(usage(drawn)))), bool)
    left = usage(drawn.take({"usage": kept}))
    pd.testing.assert_frame_equal(left, usage(drawn)[kept].reset_index(drop=True))
