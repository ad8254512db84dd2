"""The expression language: a closed grammar that is read and never run, and what missing values do."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earlywarn.errors import FeatureError
from earlywarn.features.evaluate import evaluate_scalar
from earlywarn.features.expression import DEFAULT_DAYS, parse, parse_condition

NAN = math.nan

REFUSED = [
    "__import__('os').system('true')",
    "().__class__.__bases__",
    "payments.amount.real",
    "[x for x in y]",
    "{x for x in y}",
    "{1: 2}",
    "lambda: 1",
    "(x := 3)",
    "f'{x}'",
    "f(*a)",
    "count(*payments)",
    "count(**payments)",
    "x[0]",
    "x if y else z",
    "await x",
    "yield x",
    "x @ y",
    "x // y",
    "x << 2",
    "x | y",
    "x & y",
    "~x",
    "x is y",
    "x in y",
    "x in ()",
    "b'x'",
    "1j",
    "...",
    "None",
    "(1, 2)",
    "print(1)",
    "eval('1')",
    "open('x')",
    "getattr(a, 'b')",
    "value = 1",
    "import os",
    "1; 2",
    "",
    "  ",
    "(",
    "count(payments).real",
    "log.x",
    "payments.amount",
    "nobody.amount",
    "a.b.c",
    "9" * 400,
    "1e999",
    "-1e999",
]
WINDOWS = [
    "count(payments, days=-1)",
    "count(payments, days=x)",
    "count(payments, days='30')",
    "count(payments, days=True)",
    "count(payments, days=0)",
    "count(payments, days=30, until=30)",
    "count(payments, days=30, until=40)",
    "count(payments, until=2000)",
    "count(payments, days=1e30)",
    "count(payments, days=30, days=60)",
    "count(payments, last=0)",
    "count(payments, skip=1.5)",
    "count(payments, last=-1)",
    "count(payments, dyas=30)",
    "count(payments, of=planet)",
    "count(payments, of=region, leave_out=region)",
    "count()",
    "count(payments, invoices)",
    "count(payments.amount + invoices.amount)",
    "sum(payments)",
    "mean(3)",
    "mean(count(payments.amount))",
    "count(payments, where=count(invoices) > 1)",
    "count(payments, where=invoices.amount > 1)",
    "quantile(usage.quantity)",
    "quantile(usage.quantity, q=2)",
    "ewma(usage.quantity, alpha=0)",
    "ewma(usage.quantity, alpha=1.5)",
    "drift(usage.quantity)",
    "drift(usage.quantity, scale=0)",
    "mean(usage.quantity, q=.5)",
    "ahead(sum(obligations.amount))",
    "ahead(3, days=30)",
    "ahead(ahead(count(payments)), days=3)",
    "ahead(sum(obligations.amount, days=10), days=30)",
    "ahead(count(payments, until=3), days=30)",
    "log(1, 2)",
    "log()",
    "where(1, 2)",
    "clip(1)",
    "log(x, base=2)",
    "exp(x=1)",
]


@pytest.mark.parametrize("text", REFUSED + WINDOWS)
def test_what_is_not_in_the_language_is_refused_with_a_code(text: str) -> None:
    with pytest.raises(FeatureError) as caught:
        parse_condition(text)
    assert caught.value.code.startswith("F21")


@pytest.mark.parametrize(
    "deep",
    [
        "-" * 400 + "1",
        "(" * 150 + "1" + ")" * 150 + "**2" * 80,
        "not " * 300 + "1",
        "log(" * 60 + "1" + ")" * 60,
        "1" + "+1" * 900,
        "a" + ".b" * 400,
    ],
)
def test_depth_and_size_are_limited_without_a_crash(deep: str) -> None:
    with pytest.raises(FeatureError):
        parse(deep)


@given(
    text=st.text(max_size=80)
    | st.text(alphabet="count(payments.amount, days=3) +-*/<>=!'and or not in where log", max_size=60)
)
@settings(max_examples=300)
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_any_text_is_either_read_or_refused(text: str) -> None:
    with contextlib.suppress(FeatureError):
        parse(text)


def test_reading_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr("builtins.eval", lambda *_: ran.append("eval"))
    monkeypatch.setattr("builtins.exec", lambda *_: ran.append("exec"))
    for text in REFUSED[:12]:
        with pytest.raises(FeatureError):
            parse(text)
    assert ran == []


def test_a_window_is_read_as_written_and_defaults_are_those_of_the_design() -> None:
    window = (
        parse("mean(payments.amount, days=180, until=30, skip=1, last=6, where=method == 'card')")
        .aggregates[0]
        .selection
    )
    assert (window.days, window.until, window.skip, window.last, window.of, window.ahead) == (
        180,
        30,
        1,
        6,
        "customer",
        False,
    )
    plain = parse("count(payments)").aggregates[0].selection
    assert (plain.days, plain.until, plain.skip, plain.last, plain.where) == (None, 0, 0, None, None)
    assert DEFAULT_DAYS == 1_095
    assert parse("ahead(sum(obligations.amount), days=30)").aggregates[0].selection.ahead


def test_the_same_text_gives_the_same_tree_and_columns_are_listed() -> None:
    text = "sum(usage.quantity * usage.cost, where=kind == 'data') / invoice.amount"
    assert parse(text) == parse(text)
    assert parse(text).columns() == {("usage", "quantity"), ("usage", "cost"), ("usage", "kind"), ("invoice", "amount")}


X = {"x": 2.0, "y": -3.0, "zero": 0.0, "gone": NAN}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x + y * 2", -4.0),
        ("-x ** 2", -4.0),
        ("x / zero", NAN),
        ("zero / zero", NAN),
        ("x % 0", NAN),
        ("log(0)", NAN),
        ("log(y)", NAN),
        ("sqrt(y)", NAN),
        ("exp(1000)", NAN),
        ("y ** .5", NAN),
        ("x + gone", NAN),
        ("gone * 0", NAN),
        ("gone == gone", NAN),
        ("gone < 1", NAN),
        ("isnull(gone)", 1.0),
        ("isnull(x)", 0.0),
        ("coalesce(gone, gone, 3)", 3.0),
        ("coalesce(gone, gone)", NAN),
        ("where(gone, 1, 2)", NAN),
        ("where(x > 0, gone, 2)", NAN),
        ("where(x > 0, 1, gone)", 1.0),
        ("where(0, 1, 2)", 2.0),
        ("abs(y)", 3.0),
        ("clip(x, 3, 5)", 3.0),
        ("clip(gone, 0, 1)", NAN),
        ("1 < x < 3", 1.0),
        ("1 < x < 2", 0.0),
        ("3 > x > gone", NAN),
        ("3 < x < gone", 0.0),
        ("x in (1, 2)", 1.0),
        ("x not in (1, 2)", 0.0),
        ("x in [1, 3]", 0.0),
        ("gone in (1, 2)", NAN),
        ("x in (gone, 2)", 1.0),
        ("x in (gone, 3)", NAN),
        ("True + 1", 2.0),
        ("not x", 0.0),
        ("not gone", NAN),
        ("x == 2 and y == -3", 1.0),
    ],
)
def test_scalars_and_missing_values(text: str, wanted: float) -> None:
    assert evaluate_scalar(text, X) == pytest.approx(wanted, nan_ok=True)


@given(sides=st.lists(st.sampled_from([0.0, 1.0, NAN]), min_size=2, max_size=4))
def test_and_or_not_follow_three_valued_logic(sides: list[float]) -> None:
    names = {f"s{at}": side for at, side in enumerate(sides)}
    false, missing, true = 0.0 in sides, any(map(math.isnan, sides)), 1.0 in sides
    both = 0.0 if false else NAN if missing else 1.0
    either = 1.0 if true else NAN if missing else 0.0
    assert evaluate_scalar(" and ".join(names), names) == pytest.approx(both, nan_ok=True)
    assert evaluate_scalar(" or ".join(names), names) == pytest.approx(either, nan_ok=True)
    assert evaluate_scalar(f"not ({' and '.join(names)})", names) == pytest.approx(1 - both, nan_ok=True)


@given(a=st.floats(-1e6, 1e6), b=st.floats(-1e6, 1e6))
def test_arithmetic_is_that_of_python(a: float, b: float) -> None:
    for text in ("a + b", "a - b", "a * b", "a / b", "a < b", "a <= b", "a == b", "a != b", "a > b", "a >= b"):
        try:
            wanted = float(eval(text, {}, {"a": a, "b": b}))
        except ZeroDivisionError:
            wanted = NAN
        if math.isinf(wanted):
            wanted = NAN
        found = evaluate_scalar(text, {"a": a, "b": b})
        assert found == wanted or (np.isnan(found) and np.isnan(wanted))


def test_text_is_only_compared() -> None:
    for text in ("'a'", "'a' + 1", "log('a')", "x == 'a'", "coalesce('a', 1)"):
        with pytest.raises(FeatureError, match="F215"):
            evaluate_scalar(text, {"x": 1.0})
    with pytest.raises(FeatureError, match="F216"):
        evaluate_scalar("nobody + 1", {"x": 1.0})
