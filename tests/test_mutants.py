"""The laws can fail: each planted mutant is caught by the checker that should catch it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from earlywarn import dates
from earlywarn.features import windows
from earlywarn.outcomes import label
from earlywarn.tables import events, settlement
from earlywarn.tables.facts import Facts
from laws_in_time import labels_are_dated_by_the_clocks, later_facts_change_nothing, returns_are_dated_by_the_bank
from oracle_features import windows_agree_with_brute_force
from strategies import NEVER, Raw, known_at, moments, random_tables

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
    """Without ``known_until`` only the newest version is seen, whenever it came."""
    everything = Facts.take

    def newest_only(self: Facts, rows: Any) -> Facts:
        return everything(self, rows)

    monkeypatch.setattr(Facts, "take", newest_only)
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

    def early(tables: Any, debts: Any) -> Iterator[settlement.Event]:
        found = list(original(tables, debts))
        paid = {event.source: event.known_at for event in found if event.kind == settlement.RECEIPT}
        for event in found:
            back = event.kind == settlement.RETURN and event.source in paid
            yield event._replace(known_at=paid[event.source]) if back else event

    everywhere(original, early)
    examples = [(raw, moment) for raw, _ in bank for moment in _before_each_return(raw)]
    assert caught(cut_law, examples)


def test_settling_in_the_order_of_payment_instead_of_knowing_is_caught(bank: Bank, everywhere: Any) -> None:
    original = events.settlement_events

    def backwards(tables: Any, debts: Any) -> Iterator[settlement.Event]:
        found = sorted(original(tables, debts), key=lambda event: event.known_at)
        moments_ = [event.known_at for event in found]
        return iter([event._replace(known_at=-at) for event, at in zip(found, moments_, strict=True)])

    everywhere(original, backwards)
    assert caught(cut_law, bank)


def test_settling_at_one_moment_in_the_reverse_order_of_kinds_is_caught(monkeypatch: pytest.MonkeyPatch, everywhere: Any) -> None:
    """A payment known at the same moment as its bill finds no bill yet, and stays credit for a moment."""
    everywhere(settlement.settle, _reversed_settle(settlement.settle))
    with pytest.raises(AssertionError):
        one_moment_is_settled_in_the_order_of_the_design()


def test_one_moment_is_settled_in_the_order_of_the_design() -> None:
    one_moment_is_settled_in_the_order_of_the_design()


def test_a_window_that_includes_its_nearer_edge_is_caught(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    original = windows.bounds

    def inclusive(timeline: Any, selection: Any, owner: Any, as_of: Any) -> Any:
        low, high = original(timeline, selection, owner, as_of)
        if selection.ahead:
            return low, high
        stop = as_of - round(selection.until * dates.US_PER_DAY)
        return low, np.where(owner < 0, high, np.maximum(high, timeline.position(owner, stop + 1)))

    monkeypatch.setattr(windows, "bounds", inclusive)
    assert caught(windows_agree_with_brute_force, [(raw, moments(raw)[-1]) for raw, _ in bank])


def _returns_at_payment(original: Any) -> Any:
    def mutant(payments: Facts) -> Facts:
        came = payments.text("event")
        first: dict[int, int] = {}
        ids = payments.text("payment_id").codes
        for row in np.flatnonzero((came.codes < 0) | came.is_word("settled")):
            first[int(ids[row])] = int(payments.happened_at[row])
        moved = np.array([first.get(int(number), int(at)) for number, at in zip(ids, payments.happened_at, strict=True)], dtype=np.int64)
        return original(replace(payments, happened_at=moved))

    mutant.__name__ = original.__name__
    return mutant


def _before_each_return(raw: Raw) -> list[int]:
    frame = raw.tables["payments"]
    if "event" not in frame:
        return []
    back = frame["event"].isin(["returned", "refunded", "reversed", "failed"]).to_numpy()
    return sorted({int(moment) for moment in known_at(raw, "payments")[back]})


def _reversed_settle(original: Any) -> Any:
    def mutant(found: Any) -> Any:
        turned = {kind: 8 - kind for kind in range(9)}
        monkey = {turned[kind]: action for kind, action in settlement._BOOK.items()}
        before = dict(settlement._BOOK)
        settlement._BOOK.clear()
        settlement._BOOK.update(monkey)
        try:
            return original([event._replace(kind=turned[event.kind]) for event in found])
        finally:
            settlement._BOOK.clear()
            settlement._BOOK.update(before)

    mutant.__name__ = original.__name__
    return mutant


def one_moment_is_settled_in_the_order_of_the_design() -> None:
    """Bill, credit note and payment become known together: the credit note is taken first, the rest is credit."""
    at = "2026-03-02T12:00:00"
    day = {"customer_id": "c", "issued_on": "2026-03-01", "known_at": at}
    invoices = pd.DataFrame(
        [
            {**day, "invoice_id": "A", "due_on": "2026-03-20", "amount": 100.0, "corrects_id": None},
            {**day, "invoice_id": "B", "due_on": "2026-03-01", "amount": -30.0, "corrects_id": "A"},
        ]
    )
    payments = pd.DataFrame([{"payment_id": "p", "customer_id": "c", "paid_on": "2026-03-02", "amount": 100.0, "known_at": at}])
    from earlywarn.tables.ledger import Ledger

    ledger = Ledger.from_tables(invoices=invoices, payments=payments, until="2026-06-01")
    entries = ledger.settlement.entries
    on_bill = entries.debt == list(ledger.debts.invoice_ids).index("A")
    by_kind = {kind: int(entries.amount[on_bill & (entries.kind == kind)].sum()) for kind in (settlement.CREDIT, settlement.PAYMENT)}
    assert by_kind == {settlement.CREDIT: 3000, settlement.PAYMENT: 7000}


def _bill(paid_on: str | None, *, due_on: str = "2026-03-20", back_on: str | None = None, method: str = "transfer") -> dict[str, Any]:
    invoices = pd.DataFrame([{"invoice_id": "A", "customer_id": "c", "issued_on": "2026-03-01", "due_on": due_on, "amount": 100.0}])
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
    {"name": "collected on the due day, returned in the window", **_bill("2026-03-20", back_on="2026-03-27", method="direct_debit"), "late": [1]},
    {"name": "a transfer reversed long after", **_bill("2026-03-20", back_on="2026-04-27"), "late": [0]},
]
