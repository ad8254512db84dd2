"""The point-in-time law: what was not known before a moment changes nothing of what is said as of then."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws_in_time import (
    features_for,
    known_before_keeps_what_was_known,
    later_facts_change_nothing,
    matrix,
    observed,
    returns_are_dated_by_the_bank,
)
from strategies import Raw, known_at, ledgers, ledgers_and_moments, moments, random_tables
from tiers import law

#: Seeds that found a leak once, kept as examples: (seed, customers, invoices, share of stated tables).
FOUND_ONCE = [
    (1, 2, 2, 0.75),
    (7, 4, 2, 0.75),
    (18, 3, 1, 1.0),
    (23, 4, 3, 0.0),
    (26, 3, 3, 0.0),
    (30, 3, 1, 1.0),
    (79, 4, 2, 0.75),
]


@given(example=ledgers_and_moments(), how=st.sampled_from(["cut", "known_before", "changed"]), seed=st.integers(0, 99))
@settings(max_examples=9)
def test_what_was_not_known_before_a_moment_changes_nothing_as_of_then(
    example: tuple[Raw, int], how: str, seed: int
) -> None:
    raw, as_of = example
    later_facts_change_nothing(raw, as_of, seed=seed, how=(how,))


@pytest.mark.slow
@given(example=ledgers_and_moments(), seed=st.integers(0, 99))
@settings(max_examples=400)
def test_what_was_not_known_before_a_moment_changes_nothing_as_of_then_at_length(
    example: tuple[Raw, int], seed: int
) -> None:
    later_facts_change_nothing(*example, seed=seed)


@pytest.mark.parametrize(("seed", "customers", "invoices", "stated"), FOUND_ONCE)
def test_leaks_that_were_found_once_stay_mended(seed: int, customers: int, invoices: int, stated: float) -> None:
    raw = random_tables(seed, customers, invoices, stated)
    every = moments(raw)
    for as_of in every[:: max(1, len(every) // 3)]:
        later_facts_change_nothing(raw, as_of, how=("cut",))


@law(example=ledgers_and_moments(), few=6, many=20)
def test_known_before_hands_out_the_tables_as_a_reader_had_them_then(example: tuple[Raw, int]) -> None:
    known_before_keeps_what_was_known(*example)


@law(raw=ledgers(), few=10, many=25)
def test_every_row_is_known_when_the_design_says(raw: Raw) -> None:
    ledger = raw.ledger()
    faults = ledger.faults
    for name in raw.tables:
        facts = ledger.facts(name)
        aside = set(faults.loc[(faults["table"] == name) & ~faults["code"].isin(["D151", "D152"]), "row"])
        wanted = known_at(raw, name)
        rows = [row for row in range(len(wanted)) if row not in aside]
        found = dict(zip(facts.row.tolist(), facts.known_at.tolist(), strict=True))
        assert found == {row: int(wanted[row]) for row in rows}, name


@law(raw=ledgers(), few=8, many=20)
def test_returns_are_facts_of_the_day_on_which_they_came_back(raw: Raw) -> None:
    returns_are_dated_by_the_bank(raw)


def test_the_broad_feature_set_reads_every_table_and_stream_and_sees_something() -> None:
    examples = [random_tables(seed, 4, 4, 1.0) for seed in (4, 5, 6, 7)]
    read = {
        item.selection.table
        for raw in examples
        for feature in features_for(raw)
        for item in feature.expression.aggregates
    }
    assert {*examples[0].tables, "settlements", "maturities", "balances", "returns", "obligations"} - read <= {
        "accounts"
    }
    end = int(np.datetime64("2025-04-10", "us").astype(np.int64))
    found = [matrix(raw, raw.ledger(), observed(raw.ledger(), end)) for raw in examples]
    blind = {name for name in found[0] if all(part[name].isna().all() for part in found)}
    assert blind <= {"drift(settlements.days_beyond_terms, scale=7)"}, "features that are always missing prove nothing"
