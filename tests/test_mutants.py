"""The laws can fail: each planted mutant is caught by the checker that should catch it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from earlywarn import compiled, dates
from earlywarn.features import engine, kernels, rank_kernels, slices, windows
from earlywarn.features.build import compute
from earlywarn.features.definition import Feature
from earlywarn.outcomes import label
from earlywarn.tables import events, postings, settlement
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger
from laws_in_time import labels_are_dated_by_the_clocks, later_facts_change_nothing, returns_are_dated_by_the_bank
from oracle_features import windows_agree_with_brute_force
from strategies import NEVER, Raw, known_at, moments, random_tables
from test_compiled import ranks_hold

Bank = list[tuple[Raw, int]]


@pytest.fixture(scope="module")
def bank() -> Bank:
    """A fixed bank of examples; at each moment at least one fact becomes known exactly then."""
    examples = []
    for seed in range(12):
        raw = random_tables(seed, customers=2, invoices=3, stated=1.0)
        known = np.concatenate([known_at(raw, name) for name in ("invoices", "payments")])
        examples.append((raw, int(np.sort(known)[len(known) * 2 // 3])))
    return examples


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Any], None]:
    """Put a mutant in the place of a function, in every module that imported it."""

    def plant(original: Any, mutant: Any) -> None:
        hits = 0
        for name, module in list(sys.modules.items()):
            if name.startswith("earlywarn") and getattr(module, original.__name__, None) is original:
                monkeypatch.setattr(module, original.__name__, mutant)
                hits += 1
        assert hits

    return plant


@pytest.fixture
def reversed_settlement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order in which settlement takes its events is turned round."""
    forwards = settlement.in_order
    monkeypatch.setattr(settlement, "in_order", lambda events: forwards(events)[::-1])


def caught(law: Callable[..., None], examples: Iterator[tuple[Any, ...]] | list[Any]) -> bool:
    """Whether the law fails on one of the examples."""
    for example in examples:
        try:
            law(*example)
        except AssertionError:
            return True
    return False


def cut_law(raw: Raw, as_of: int) -> None:
    later_facts_change_nothing(raw, as_of, how=("cut",))


def test_the_laws_hold_on_the_bank_without_a_mutant(bank: Bank) -> None:
    assert not caught(cut_law, bank)
    assert not caught(returns_are_dated_by_the_bank, [(raw,) for raw, _ in bank])
    assert not caught(windows_agree_with_brute_force, [(raw, moments(raw)[-1]) for raw, _ in bank[:3]])
    labels_are_dated_by_the_clocks(HAND_WORKED)


def test_seeing_what_becomes_known_at_the_moment_itself_is_caught(bank: Bank, everywhere: Any) -> None:
    everywhere(dates.visible, lambda known, until, as_of: (known <= as_of) & (until >= as_of))
    assert caught(cut_law, bank)


def test_forgetting_that_a_version_was_replaced_later_is_caught(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest version is seen, whenever it came."""
    monkeypatch.setattr(windows, "visible", lambda known, until, as_of: (known < as_of) & (until == NEVER))
    assert caught(cut_law, bank)


def test_ignoring_known_until_in_windows_is_caught(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "visible", lambda known, until, as_of: known < as_of)
    assert caught(windows_agree_with_brute_force, [(raw, moments(raw)[-1]) for raw, _ in bank])


def test_reading_cells_before_they_were_filled_in_is_caught(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    from earlywarn.tables import facts

    dated = facts._date

    def at_once(*args: Any) -> Facts:
        made = dated(*args)
        return replace(made, cell_known={})

    monkeypatch.setattr(facts, "_date", at_once)
    assert caught(cut_law, bank)


def test_a_label_one_day_further_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = label.Resolver.__init__

    def one_day_further(self: Any, ledger: Any, versions: Any, grace_days: int) -> None:
        begin(self, ledger, versions, grace_days + 1)

    monkeypatch.setattr(label.Resolver, "__init__", one_day_further)
    with pytest.raises(AssertionError, match="label"):
        labels_are_dated_by_the_clocks(HAND_WORKED)


def test_a_return_dated_at_its_payment_is_caught_by_the_dates(bank: Bank, everywhere: Any) -> None:
    from earlywarn.tables import streams

    everywhere(streams.returns, _returns_at_payment(streams.returns))
    assert caught(returns_are_dated_by_the_bank, [(raw,) for raw, _ in bank])


def test_a_return_known_when_its_payment_was_is_caught_by_the_cut(bank: Bank, everywhere: Any) -> None:
    original = events.settlement_events

    def early(tables: Any, debts: Any) -> postings.Events:
        found = list(original(tables, debts).one_by_one(slice(None)))
        paid = {event.source: event.known_at for event in found if event.kind == postings.RECEIPT}
        return postings.Events.of(
            event._replace(known_at=paid[event.source])
            if event.kind == postings.RETURN and event.source in paid
            else event
            for event in found
        )

    everywhere(original, early)
    examples = [(raw, moment) for raw, _ in bank for moment in _before_each_return(raw)]
    assert caught(cut_law, examples)


def test_settlement_in_the_reverse_order_is_caught_by_the_cut(bank: Bank, reversed_settlement: None) -> None:
    assert caught(cut_law, bank)


def test_settlement_in_the_reverse_order_is_caught_by_hand(reversed_settlement: None) -> None:
    with pytest.raises(AssertionError):
        money_goes_to_the_oldest_bill_first()


def test_money_goes_to_the_oldest_bill_first() -> None:
    money_goes_to_the_oldest_bill_first()


def never_empty(facts: Facts, odd: Any = windows._odd) -> np.ndarray:
    """Counts of odd facts also where there are none, so that the search for facts out of order is taken."""
    counts: np.ndarray = odd(facts)
    return counts if len(counts) else np.zeros(len(facts) + 1, dtype=np.int32)


#: Ways to get the compiled search wrong: words of the kernels, and what they become.
WRONG_SLICES = {
    "sees what becomes known at the moment itself": (
        ("known[b - 1] >= as_of[i]", "known[b - 1] > as_of[i]"),
        ("_first_from(known, a, b - 1, as_of[i])", "_first_from(known, a, b - 1, as_of[i] + 1)"),
    ),
    "includes the nearer edge": (
        ("_first_from(happened, a, end, until[i])", "_first_from(happened, a, end, until[i] + 1)"),
    ),
    "leaves out the farther edge": (
        ("_first_from(happened, first, end, since[i])", "_first_from(happened, first, end, since[i] + 1)"),
    ),
    "takes what was replaced or came out of order for a slice": (("odd[b] > odd[a]", "odd[b] < odd[a]"),),
}


@pytest.mark.parametrize("wrong", WRONG_SLICES)
def test_a_wrong_slice_in_the_compiled_search_is_caught(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_odd", never_empty)
    monkeypatch.setattr(engine, "kernels", uncompiled(*WRONG_SLICES[wrong]))
    assert caught(windows_are_half_open, [()]) or caught(only_what_was_known_is_seen, [()])


#: Ways to get the shared places wrong: microseconds by which the moment of looking and the two edges are off.
WRONG_PLACES = {
    "sees what becomes known at the moment itself": (1, 0, 0),
    "includes the nearer edge": (0, 0, 1),
    "leaves out the farther edge": (0, 1, 0),
}


@pytest.mark.parametrize("wrong", WRONG_PLACES)
def test_a_wrong_place_of_facts_in_order_is_caught(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, since_off, until_off = WRONG_PLACES[wrong]
    place, bounds = engine._Block.place, engine._Block.plain_bounds
    monkeypatch.setattr(
        engine._Block, "place",
        lambda self, edge, moments, name: place(self, edge + looked * (name == "known"), moments, name),
    )  # fmt: skip
    monkeypatch.setattr(
        engine._Block, "plain_bounds", lambda self, since, until: bounds(self, since + since_off, until + until_off)
    )
    assert caught(windows_are_half_open, [()]) or caught(in_order_is_seen, [()])


def test_facts_in_order_are_seen() -> None:
    in_order_is_seen()


def in_order_is_seen() -> None:
    """A payment that is known at the very moment of looking is not seen yet; a microsecond later it is."""
    at = pd.Timestamp("2026-03-31")
    payments = pd.DataFrame(
        {"payment_id": ["late"], "customer_id": ["d"], "paid_on": ["2026-03-03"], "amount": [3.0], "known_at": [at]}
    )
    invoices = pd.DataFrame(
        [{"invoice_id": "A", "customer_id": "d", "issued_on": "2026-03-01", "due_on": "2026-03-20", "amount": 1.0}]
    )
    ledger = Ledger.from_tables(invoices=invoices, payments=payments, until="2026-06-01")
    obs = pd.DataFrame({"customer_id": "d", "as_of": [at, at + pd.Timedelta(microseconds=1)]})
    assert compute([Feature("sum", "sum(payments.amount)")], ledger, obs)["sum"].tolist() == [0, 3]


def only_what_was_known_is_seen() -> None:
    """Two customers' payments: one known at the very moment of looking, one whose amount was corrected after it."""
    at = pd.Timestamp("2026-03-31")
    payments = pd.DataFrame(
        {
            "payment_id": ["early", "late", "early"],
            "customer_id": ["c", "d", "c"],
            "paid_on": pd.to_datetime(["2026-03-02", "2026-03-03", "2026-03-02"]),
            "amount": [5.0, 3.0, 7.0],
            "known_at": [pd.Timestamp("2026-03-04"), at, at + pd.Timedelta(days=2)],
        }
    )
    invoices = pd.DataFrame(
        [{"invoice_id": "A", "customer_id": "c", "issued_on": "2026-03-01", "due_on": "2026-03-20", "amount": 1.0}]
    )
    soon = pd.Timedelta(microseconds=1)
    ledger = Ledger.from_tables(invoices=invoices, payments=payments, until="2026-06-01")
    seen = [at, at + soon, at + pd.Timedelta(days=2) + soon]
    obs = pd.DataFrame({"customer_id": ["c"] * 3 + ["d"] * 3, "as_of": seen * 2})
    found = compute([Feature("sum", "sum(payments.amount)")], ledger, obs)["sum"]
    assert found.tolist() == [5, 5, 7, 0, 3, 3]


def test_only_what_was_known_is_seen() -> None:
    only_what_was_known_is_seen()


#: Ways to get the bits of a window wrong.
WRONG_BITS = {
    "keeps the window before": (("_turned(marks, rank, a, b)\n        _turned", "_turned"),),
    "moves one end only": (("_turned(marks, rank, min(b, high), max(b, high))", "pass"),),
    "forgets whose facts they are": (("first = low[i], high[i], begins[owner[i]]", "first = low[i], high[i], 0"),),
    "takes places for ranks": (("rank[first + places[k]] = k", "rank[first + k] = places[k]"),),
}


@pytest.mark.parametrize("wrong", [*WRONG_BITS, None])
def test_wrong_bits_of_a_window_are_caught(wrong: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    words = () if wrong is None else WRONG_BITS[wrong]
    monkeypatch.setattr(slices, "rank_kernels", uncompiled(*words, of=rank_kernels))
    rng = np.random.default_rng(3)
    owners = [rng.normal(size=size).tolist() for size in (150, 40)]
    seen = [(0, 0, 100), (0, 30, 130), (0, 140, 150), (1, 0, 30), (1, 10, 40)]
    if wrong is None:
        ranks_hold(owners, seen)
    else:
        with pytest.raises((AssertionError, IndexError)):
            ranks_hold(owners, seen)


def uncompiled(*words: tuple[str, str], of: ModuleType = kernels) -> ModuleType:
    """The kernels as plain Python, with some of their words replaced."""
    source = Path(str(of.__file__)).read_text(encoding="utf-8")
    for old, new in words:
        assert old in source
        source = source.replace(old, new)
    module = ModuleType("kernels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "compiled", lambda signature, **options: lambda function: function)
        exec(compile(source, "kernels", "exec"), module.__dict__)
    module.__dict__.update(smaller=min, larger=max, ones=lambda marks: int(marks).bit_count())
    return module


def test_the_kernels_as_plain_python_hold_without_a_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "kernels", uncompiled())
    windows_are_half_open()
    only_what_was_known_is_seen()


def test_windows_are_half_open() -> None:
    windows_are_half_open()


def windows_are_half_open() -> None:
    """A payment a day on 1 to 20 March, seen on 31 March from 25 days back until 15: those of 6 to 15 March."""
    days = pd.date_range("2026-03-01", "2026-03-20")
    payments = pd.DataFrame(
        {"payment_id": [f"p{day.day}" for day in days], "customer_id": "c", "paid_on": days, "amount": 1.0 * days.day}
    )
    invoices = pd.DataFrame(
        [{"invoice_id": "A", "customer_id": "c", "issued_on": "2026-03-01", "due_on": "2026-03-20", "amount": 1.0}]
    )
    ledger = Ledger.from_tables(invoices=invoices, payments=payments, until="2026-06-01")
    obs = pd.DataFrame({"customer_id": ["c"], "as_of": pd.to_datetime(["2026-03-31"])})
    texts = {
        "count": "count(payments, days=25, until=15)",
        "min": "min(payments.amount, days=25, until=15)",
        "max": "max(payments.amount, days=25, until=15)",
    }
    found = compute([Feature(name, text) for name, text in texts.items()], ledger, obs).iloc[0].to_dict()
    assert found == {"count": 10, "min": 6, "max": 15}


def _returns_at_payment(original: Any) -> Any:
    def mutant(payments: Facts) -> Facts:
        came = payments.text("event")
        first: dict[int, int] = {}
        ids = payments.text("payment_id").codes
        for row in np.flatnonzero((came.codes < 0) | came.is_word("settled")):
            first[int(ids[row])] = int(payments.happened_at[row])
        moved = np.array(
            [first.get(int(number), int(at)) for number, at in zip(ids, payments.happened_at, strict=True)],
            dtype=np.int64,
        )
        return original(replace(payments, happened_at=moved))

    mutant.__name__ = original.__name__
    return mutant


def _before_each_return(raw: Raw) -> list[int]:
    frame = raw.tables["payments"]
    if "event" not in frame:
        return []
    back = frame["event"].isin(["returned", "refunded", "reversed", "failed"]).to_numpy()
    return sorted({int(moment) for moment in known_at(raw, "payments")[back]})


def money_goes_to_the_oldest_bill_first() -> None:
    """Two open bills of 60 and 70, one payment of 100 that names none: 60 on the older, 40 on the newer."""
    row = {"customer_id": "c", "issued_on": "2026-03-01"}
    bills = [
        {**row, "invoice_id": "A", "due_on": "2026-03-10", "amount": 60.0},
        {**row, "invoice_id": "B", "due_on": "2026-03-20", "amount": 70.0},
    ]
    payments = pd.DataFrame([{"payment_id": "p", "customer_id": "c", "paid_on": "2026-03-05", "amount": 100.0}])
    ledger = Ledger.from_tables(invoices=pd.DataFrame(bills), payments=payments, until="2026-06-01")
    entries = ledger.settlement.entries
    assert {
        label: int(entries.amount[entries.debt == at].sum()) for at, label in enumerate(ledger.debts.invoice_ids)
    } == {"A": 6000, "B": 4000}


def _bill(
    paid_on: str | None, *, due_on: str = "2026-03-20", back_on: str | None = None, method: str = "transfer"
) -> dict[str, Any]:
    invoices = pd.DataFrame(
        [{"invoice_id": "A", "customer_id": "c", "issued_on": "2026-03-01", "due_on": due_on, "amount": 100.0}]
    )
    row = {"payment_id": "p", "customer_id": "c", "amount": 100.0, "method": method}
    rows = [] if paid_on is None else [{**row, "paid_on": paid_on, "event": "settled"}]
    rows += [] if back_on is None else [{**row, "paid_on": back_on, "event": "returned"}]
    columns = ["payment_id", "customer_id", "amount", "method", "paid_on", "event"]
    return {"invoices": invoices, "payments": pd.DataFrame(rows, columns=columns)}


#: Due on Friday 20 March 2026, three days of grace: the close is Monday 23 March.
HAND_WORKED = [
    {"name": "paid on the due day", **_bill("2026-03-20"), "late": [0]},
    {"name": "paid on the last day of grace", **_bill("2026-03-23"), "late": [0]},
    {"name": "paid one day after the grace", **_bill("2026-03-24"), "late": [1]},
    {"name": "not paid", **_bill(None), "late": [1]},
    {
        "name": "collected on the due day, returned in the window",
        **_bill("2026-03-20", back_on="2026-03-27", method="direct_debit"),
        "late": [1],
    },
    {"name": "a transfer reversed long after", **_bill("2026-03-20", back_on="2026-04-27"), "late": [0]},
]
