"""Sums of groups lose nothing: against fractions and math.fsum, in any order, divided anyhow, and taken out again."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from earlywarn.features.exact import CHUNK, Sums, joined, spread
from earlywarn.features.reduction import Cells, Windows, merged

#: Money, measured quantities, counts, the huge and the tiny.
NUMBERS = st.one_of(
    st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 1.0, 2.0**-60, 12345.67, 9e13]),
    st.floats(-1e25, 1e25, allow_nan=False, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-18),
    st.integers(-(10**15), 10**15).map(float),
)
LISTS = st.lists(NUMBERS, max_size=30)


def summed(values: list[float], signs: list[float] | None = None) -> Sums:
    return Sums.of(
        np.array(values, dtype=float),
        np.ones(len(values)) if signs is None else np.array(signs),
        np.zeros(len(values), dtype=np.int64),
        1,
    )


@given(values=LISTS)
@example(values=[1e16, 1.0, 2.0**-60])  # halfway between two floats, but for the last one
@example(values=[-1e16, -1.0, -(2.0**-60)])
@example(values=[1e16, 1.0, -(2.0**-60)])
@example(values=[1e16, 1.0])
def test_a_sum_is_what_math_fsum_says_and_the_rest_is_not_lost_either(values: list[float]) -> None:
    high, low = (part.item() for part in summed(values).read("sum"))
    exact = sum(map(Fraction, values), Fraction())
    assert high == math.fsum(values)
    assert abs(Fraction(high) + Fraction(low) - exact) <= abs(exact) * Fraction(1, 2**100)


@given(values=LISTS)
def test_squares_are_summed_to_a_hundred_bits(values: list[float]) -> None:
    high, low = (part.item() for part in summed(values).read("square"))
    exact = sum((Fraction(value) ** 2 for value in values), Fraction())
    assert abs(Fraction(high) + Fraction(low) - exact) <= exact * Fraction(1, 2**90)


@given(values=LISTS, seed=st.integers(0, 999))
def test_order_and_division_change_no_bit(values: list[float], seed: int) -> None:
    mixed = list(np.random.default_rng(seed).permutation(values))
    cut = seed % (len(values) + 1)
    parts = joined([summed(mixed[:cut]), summed(mixed[cut:])])
    whole = summed(values)
    assert dict(zip(parts.columns, parts.parts.sum(axis=0).tolist(), strict=True)) == dict(
        zip(whole.columns, whole.parts[0].tolist(), strict=True)
    )


@given(values=LISTS, others=LISTS)
def test_what_is_taken_out_leaves_no_residue(values: list[float], others: list[float]) -> None:
    left = summed([*values, *others]) - summed(others)
    again = summed(values)
    assert [part.tolist() for part in left.read("sum")] == [part.tolist() for part in again.read("sum")]
    assert left.read("count")[0] == len(values)
    nothing = summed(others) - summed(others)
    assert not nothing.parts.any()


@given(values=st.lists(NUMBERS, min_size=2, max_size=30))
def test_the_standard_deviation_is_that_of_fractions(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction()) / len(exact)
    variance = sum(((value - mean) ** 2 for value in exact), Fraction()) / (len(exact) - 1)
    found = spread(summed(values)).item()
    size = max(abs(value) for value in values)
    assert found == pytest.approx(math.sqrt(variance), rel=1e-9, abs=size * 1e-14)


def test_far_from_zero_the_spread_keeps_its_digits_and_equal_values_have_none() -> None:
    far = [1e9 + 0.25, 1e9 + 0.5, 1e9 + 0.75]
    assert spread(summed(far)).item() == pytest.approx(0.25, rel=1e-12)
    assert spread(summed([0.1] * 7)).item() == 0.0
    assert math.isnan(spread(summed([3.0])).item())


def test_as_many_facts_as_are_summed_in_one_go_stay_exact() -> None:
    largest = np.full(CHUNK, np.nextafter(2.0**32, 0))
    found = Sums.of(largest, np.ones(CHUNK), np.zeros(CHUNK, dtype=np.int64), 1)
    exact = Fraction(largest[0]) * CHUNK
    assert sum(Fraction(part.item()) for part in found.read("sum")) == exact
    squares = sum(Fraction(part.item()) for part in found.read("square"))
    assert squares == Fraction(largest[0]) ** 2 * CHUNK


# -- windows over cells ----------------------------------------------------------------------------------------

SIGNS = st.sampled_from([1.0, -1.0])
CELLS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 8), st.integers(-3, 5), SIGNS), max_size=25
)


def cells(rows: list[tuple[int, int, int, int, float]]) -> Cells:
    """Cells of one fact each: (group, day, days until it is known, value, sign)."""
    parts = []
    for group, day, lag, value, sign in rows:
        keys = (np.array([number], dtype=np.int64) for number in (group, day, day + lag))
        parts.append(Cells(*keys, summed([float(value)], [sign])))
    return merged(parts)


@given(rows=CELLS, days=st.integers(1, 10), until=st.integers(0, 4))
def test_a_window_holds_what_happened_in_it_and_was_known_before_the_day(
    rows: list[tuple[int, int, int, int, float]], days: int, until: int
) -> None:
    until = min(until, days - 1)
    groups, asked = (part.ravel() for part in np.meshgrid(np.arange(-1, 4), np.arange(-2, 30)))
    found = Windows(cells(rows), days, until).at(groups, asked)
    for place, (group, day) in enumerate(zip(groups.tolist(), asked.tolist(), strict=True)):
        seen = [
            (value, sign)
            for at, happened, lag, value, sign in rows
            if at == group and day - days <= happened < day - until and happened + lag < day
        ]
        assert found.read("count")[0][place] == sum(sign for _, sign in seen)
        assert found.read("sum")[0][place] == sum(value * sign for value, sign in seen)
        assert found.read("square")[0][place] == sum(value**2 * sign for value, sign in seen)


@given(rows=CELLS, seed=st.integers(0, 999))
def test_merged_cells_are_the_same_however_they_came(rows: list[tuple[int, int, int, int, float]], seed: int) -> None:
    mixed = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    cut = seed % (len(rows) + 1)
    one, other = cells(rows), merged([cells(mixed[:cut]), cells(mixed[cut:])])
    assert one.sums.columns == other.sums.columns
    for name in ("group", "day", "known"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert one.sums.parts.tolist() == other.sums.parts.tolist()
