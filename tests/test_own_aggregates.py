"""Aggregates of the user's own: compiled or plain the same numbers, parameters, errors that say where."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earlywarn as ew
from earlywarn.dates import US_PER_DAY
from earlywarn.errors import FeatureError
from earlywarn.features import own
from earlywarn.features.expression import parse

LIMIT = 2.0


def spread_of(values):
    return values.max() - values.min()


def sum_of_newest(values, k=3):
    return values[-k:].sum()


def decayed_sum(values, days, half_life=30.0):
    total = 0.0
    for i in range(len(values)):
        total += values[i] * 0.5 ** (days[i] / half_life)
    return total


def over_limit(values):
    return (values > LIMIT).sum()


def log_of_first(values, shift=1.0):
    return math.log(values[0] - shift) / (len(values) - 2)


def spoils_its_input(values):
    values[0] = 100.0
    return values.sum()


def only_keywords(values, *, low=0.0, high=1.0):
    return ((values >= low) & (values < high)).mean()


COMPILE = (spread_of, sum_of_newest, decayed_sum, over_limit, log_of_first, spoils_its_input, only_keywords)


def skewness(values):
    return pd.Series(values).skew()


def none_for_few(values):
    return None if len(values) < 3 else float(values[0])


def reads_a_frame(values):
    return pd.Series(values).iloc[-1]


PLAIN = (skewness, reads_a_frame)


@pytest.fixture(scope="module", autouse=True)
def _added() -> Iterator[None]:
    before = dict(own.OWN)
    for function in (*COMPILE, *PLAIN, none_for_few):
        ew.aggregate(function)
    yield
    own.OWN.clear()
    own.OWN.update(before)


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """Facts behind each other and windows of them, empty and overlapping ones among them."""
    amounts = st.one_of(st.sampled_from([0.0, 1.0, 2.0, -3.5, 1e12]), st.integers(-999, 999).map(lambda x: x / 8))
    values = np.array(draw(st.lists(amounts, max_size=12)), dtype=np.float64)
    days = st.lists(st.integers(0, 400), min_size=len(values), max_size=len(values))
    happened = np.sort(np.array(draw(days), dtype=np.int64)) * US_PER_DAY
    edge = st.integers(0, len(values))
    pairs = [sorted(pair) for pair in draw(st.lists(st.tuples(edge, edge), max_size=5))]
    low, high = np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy()
    as_of = np.full(len(pairs), 401 * US_PER_DAY + draw(st.integers(0, US_PER_DAY)))
    return {"values": values, "happened": happened, "as_of": as_of, "low": low, "high": high}


def by_hand(function: Any, drawn: dict[str, Any]) -> list[float]:
    """The function on each window as it stands; nothing, no number and infinity are missing."""
    found = []
    for at, low, high in zip(drawn["as_of"], drawn["low"], drawn["high"], strict=True):
        days = (at - drawn["happened"][low:high]) / US_PER_DAY
        takes_days = "days" in function.__code__.co_varnames[: function.__code__.co_argcount]
        try:
            with np.errstate(all="ignore"):
                given = drawn["values"][low:high].copy()
                result = (function(given, days) if takes_days else function(given)) if high > low else None
        except (ValueError, ZeroDivisionError):
            result = None
        found.append(math.nan if result is None or not math.isfinite(result) else float(result))
    return found


@pytest.mark.parametrize("function", [*COMPILE, *PLAIN, none_for_few], ids=lambda function: function.__name__)
@given(drawn=windows())
@settings(max_examples=25)
def test_compiled_and_plain_give_what_the_function_gives_by_hand(function: Any, drawn: dict[str, Any]) -> None:
    wanted = by_hand(function, drawn)
    for compiled in (True, False):
        found = own.run_own(function.__name__, **drawn, parameters={}, compiled=compiled)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, equal_nan=True)


def test_what_can_be_compiled_is_compiled() -> None:
    assert all(own._driver(own.OWN[function.__name__]) is not None for function in COMPILE)
    assert all(own._driver(own.OWN[function.__name__]) is None for function in PLAIN)


def test_what_cannot_be_compiled_runs_plainly_with_one_notice(caplog: pytest.LogCaptureFixture) -> None:
    arrays = [np.array([1.0, 2.0]), *(np.zeros(2, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64))]

    def in_words(values):
        return float(str(values[0]) + format(values[1], ".2e")[:0])

    ew.aggregate(in_words)
    with caplog.at_level(logging.WARNING, "earlywarn"):
        for _ in range(3):
            found = own.run_own("in_words", *arrays, np.array([2]), {})
    assert found.tolist() == [1.0]
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "the aggregate in_words cannot be compiled"
    ]


def test_eight_threads_at_once_get_the_same() -> None:
    rng = np.random.default_rng(0)
    values, happened = rng.random(9_000), np.arange(9_000, dtype=np.int64)
    high = np.arange(9_000, dtype=np.int64)
    low, as_of = np.maximum(high - 20, 0), happened + 1

    def run(_: int) -> np.ndarray:
        return own.run_own("sum_of_newest", values, happened, as_of, low, high, {"k": 2.0})

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(16)))
    assert all(np.array_equal(one, found[0], equal_nan=True) for one in found)
    assert found[0][20] == pytest.approx(values[18:20].sum())


# -- in the language -------------------------------------------------------------------------------------------


@pytest.fixture
def ledger() -> ew.Ledger:
    usage = pd.DataFrame(
        {"customer_id": "c", "used_on": pd.date_range("2026-03-01", periods=6), "quantity": [5.0, 1, 4, 2, 6, 3]}
    )
    bill = {"invoice_id": "A", "customer_id": "c", "issued_on": "2026-03-01", "due_on": "2026-03-31", "amount": 9.0}
    payments = pd.DataFrame(columns=["payment_id", "customer_id", "paid_on", "amount"])
    return ew.Ledger.from_tables(invoices=pd.DataFrame([bill]), payments=payments, usage=usage, until="2026-06-01")


def value(ledger: ew.Ledger, text: str, customer: str = "c") -> float:
    obs = pd.DataFrame({"customer_id": [customer], "as_of": pd.to_datetime(["2026-03-20"])})
    return float(ew.FeatureSet([ew.Feature("f", text)]).compute(ledger, obs)["f"].iloc[0])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sum_of_newest(usage.quantity)", 11.0),
        ("sum_of_newest(usage.quantity, days=90, k=1)", 3.0),
        ("sum_of_newest(usage.quantity, last=2, k=5)", 9.0),
        ("sum_of_newest(usage.quantity, where=quantity < 5, k=2)", 5.0),
        ("sum_of_newest(usage.quantity, k=1) + spread_of(usage.quantity * 2)", 13.0),
        ("decayed_sum(usage.quantity, last=1, half_life=14)", 1.5),
        ("only_keywords(usage.quantity, low=-1, high=3)", 1 / 3),
        ("coalesce(spread_of(usage.quantity, days=2), -1)", -1.0),
    ],
)
def test_an_expression_gives_the_parameters_and_the_window(ledger: ew.Ledger, text: str, wanted: float) -> None:
    assert value(ledger, text) == pytest.approx(wanted)


def test_a_customer_without_facts_is_missing(ledger: ew.Ledger) -> None:
    assert math.isnan(value(ledger, "sum_of_newest(usage.quantity)", "nobody"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sum_of_newest(usage.quantity, k=1.5)", "a whole number"),
        ("sum_of_newest(usage.quantity, kk=1)", "did you mean 'k'"),
        ("sum_of_newest(usage.quantity, k='two')", "something else than a number"),
        ("sum_of_newest(usage)", "name a column"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(text: str, says: str) -> None:
    with pytest.raises(FeatureError, match="F213") as error:
        parse(text)
    assert says in str(error.value)


def test_a_new_version_of_a_function_is_used_at_once(ledger: ew.Ledger) -> None:
    def lived_on(values, k=1):
        return values[0] + k

    ew.aggregate(lived_on)
    assert value(ledger, "lived_on(usage.quantity)") == 6.0

    def lived_on(values, step=10):
        return values[0] + step

    ew.aggregate(lived_on)
    assert value(ledger, "lived_on(usage.quantity)") == 15.0
    with pytest.raises(FeatureError, match="F213"):
        parse("lived_on(usage.quantity, k=2)")


def test_one_name_from_two_modules_is_refused_and_both_are_named() -> None:
    def spread_of(values):
        return 0.0

    spread_of.__module__ = "elsewhere"
    with pytest.raises(FeatureError, match="F218") as error:
        ew.aggregate(spread_of)
    assert "elsewhere" in str(error.value)
    assert __name__ in str(error.value)


@pytest.mark.parametrize(
    "function",
    [
        lambda: 0.0,
        lambda a, b, c: 0.0,
        lambda values, *more: 0.0,
        lambda values, **more: 0.0,
        lambda values, *, k: 0.0,
        lambda values, days=3: 0.0,
        lambda values, k=None: 0.0,
        lambda values, k="x": 0.0,
        lambda values, k=True: 0.0,
        lambda values, k=math.inf: 0.0,
    ],
)
def test_parameters_that_do_not_fit_are_refused_at_once(function: Any) -> None:
    function.__name__ = "odd_one"
    with pytest.raises(FeatureError, match="F240") as error:
        ew.aggregate(function)
    assert error.value.hint
    assert "odd_one" not in own.OWN


def test_a_function_without_a_name_is_refused_as_such() -> None:
    with pytest.raises(FeatureError, match=r"F218(?s:.)*with def"):
        ew.aggregate(lambda values: 1.0)


@pytest.mark.parametrize("compiled", [True, False])
def test_an_error_inside_names_the_aggregate_the_observation_and_the_values(compiled: bool) -> None:
    def third_value(values):
        return values[2]

    ew.aggregate(third_value)
    happened = np.arange(4, dtype=np.int64) * US_PER_DAY
    windows = {"as_of": np.full(2, 9 * US_PER_DAY), "low": np.array([0, 0]), "high": np.array([3, 2])}
    given = {"values": np.arange(4.0), "happened": happened, **windows, "parameters": {}, "compiled": compiled}
    with pytest.raises(FeatureError, match="F241") as error:
        own.run_own("third_value", **given, name_of=lambda i: f"customer {'ab'[i]}")
    for part in ("'third_value'", "customer b, as_of 1970-01-10", "IndexError", "2 value(s)", "[0., 1.]"):
        assert part in str(error.value)


def test_compiled_code_is_kept_on_disk_only_where_nothing_it_names_can_change() -> None:
    assert own._keeps(sum_of_newest)
    assert own._keeps(log_of_first)
    assert not own._keeps(over_limit), "LIMIT may be another one tomorrow"
    assert not own._keeps(skewness)
