"""Streams that settlement yields: settlements, maturities, balances, returns and obligations as dated facts.

Each is computed from entries and states alone, in the order in which they became known, so a fact never
changes: it is replaced by a later version with its own ``known_at``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import ALWAYS, FOREVER, NAT, US_PER_DAY, add_bank_days, day_end, day_number
from earlywarn.tables.checks import Text
from earlywarn.tables.events import Debts, is_collection, plan_numbers
from earlywarn.tables.facts import Facts
from earlywarn.tables.postings import CLEARING, CREDIT, PAYMENT, Entries, States
from earlywarn.tables.schema import STREAMS

__all__ = ["balances", "cause_family", "maturities", "obligations", "returns", "settlements", "tolerance"]

Rows = npt.NDArray[np.int64]

#: Reason codes of the SEPA rulebooks by family; MS03 hides the cause and so stays unknown.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "funds": ("AM04",),
    "account": ("AC01", "AC04", "AC06", "AC13", "AG01"),
    "mandate": ("MD01", "MD02"),
    "customer": ("MS02", "SL01", "MD06"),
    "deceased": ("MD07",),
    "technical": ("AC03", "AG02", "AM05", "BE05", "CNOR", "DNOR", "FF01", "FF05", "RC01", "RR01", "TM01"),
}


def cause_family(codes: Text) -> Text:
    """Family of each return reason code: funds, account, mandate, customer, deceased, technical or unknown.

    Examples
    --------
    >>> cause_family(Text.of(["AM04", "MS03", None])).values().tolist()
    ['funds', 'unknown', 'unknown']
    """
    family = {code: name for name, listed in CAUSES.items() for code in listed}
    words = [family.get(label.upper(), "unknown") for label in codes.labels] + ["unknown"]
    return Text.of(np.array(words, dtype=object)[codes.codes])


def tolerance(amount: npt.NDArray[Any], digits: int) -> npt.NDArray[Any]:
    """What may stay open on an invoice that counts as paid: one unit of currency or 1%, in minor units.

    Examples
    --------
    >>> tolerance(np.array([5_000, 50_000]), 2)
    array([100., 500.])
    """
    least: npt.NDArray[Any] = np.maximum(10.0**digits, 0.01 * np.abs(amount))
    return least


def _stream(name: str, rows: list[tuple[Any, ...]]) -> Facts:
    """Facts from rows of (owner, happened_at, known_at, known_until, *values), sorted by owner and time."""
    kinds = STREAMS[name]
    head = np.array([row[:4] for row in rows], dtype=np.int64).reshape(-1, 4)
    values: dict[str, Any] = {}
    for place, (column, kind) in enumerate(kinds.items()):
        cells = [row[4 + place] for row in rows]
        if kind == "text":
            values[column] = Text.of(np.array(cells, dtype=object)) if cells else Text.empty(0)
        else:
            values[column] = np.array(cells, dtype=np.float64 if kind == "number" else np.int64)
    owner, happened, known, until = head.T
    facts = Facts(
        name=name, kinds=MappingProxyType(dict(kinds)), columns=MappingProxyType(values), happened_at=happened,
        known_at=known, known_until=until, owner=owner, row=np.arange(len(head)), cell_known=MappingProxyType({}),
    )  # fmt: skip
    return facts.take(np.lexsort((facts.row, known, happened, owner)))


def settlements(entries: Entries, states: States, payments: Facts) -> Facts:
    """One fact per invoice paid in full; undone from when a return is known.

    Parameters
    ----------
    entries : Entries
    states : States
    payments : Facts
        For the method of the last payment.

    Returns
    -------
    Facts with days_beyond_terms, days_to_pay (days), amount (minor units), parts (count), method
    """
    methods = _methods_of_source(payments)
    paid = _entries_by_debt(entries)
    rows: list[tuple[Any, ...]] = []
    for debt, span in _spans(states.debt):
        closed_from: int | None = None
        for i in span:
            closed = states.open[i] == 0 and states.amount[i] > 0 and not states.withdrawn[i]
            if closed and closed_from is None:
                fact = _settled(entries, states, i, paid.get(debt, []), methods)
                if fact is not None:
                    closed_from = i
                    rows.append(fact)
            elif not closed and closed_from is not None:
                rows[-1] = (*rows[-1][:3], int(states.known_at[i]), *rows[-1][4:])
                closed_from = None
    return _stream("settlements", rows)


def _settled(
    entries: Entries, states: States, i: int, own: list[int], methods: Mapping[int, list[tuple[int, str]]]
) -> tuple[Any, ...] | None:
    """The settlement fact of the debt in state ``i``; None when no payment, or a clearing, took part."""
    net: dict[int, int] = defaultdict(int)
    value: dict[int, int] = {}
    cleared = 0
    for e in own:
        if entries.known_at[e] > states.known_at[i]:
            break
        cleared += int(entries.amount[e]) if entries.kind[e] == CLEARING else 0
        if entries.kind[e] == PAYMENT:
            source = int(entries.source[e])
            net[source] += int(entries.amount[e])
            value[source] = int(entries.value_at[e])
    left = [source for source, amount in net.items() if amount > 0]
    if not left or cleared > 0:
        return None
    last = max(left, key=lambda source: (value[source], source))
    paid_at = max(value[last], int(states.issued_at[i]))
    method = next((word for known, word in reversed(methods.get(last, [])) if known <= states.known_at[i]), None)
    day, due, issued = paid_at // US_PER_DAY, states.due_at[i] // US_PER_DAY, states.issued_at[i] // US_PER_DAY
    return (
        int(states.customer[i]), paid_at, int(states.known_at[i]), FOREVER,
        float(day - due), float(day - issued), int(states.amount[i]), float(len(left)), method,
    )  # fmt: skip


def _methods_of_source(payments: Facts) -> dict[int, list[tuple[int, str]]]:
    """(known_at, method) of each payment, in the order of knowing."""
    ids, method = payments.text("payment_id").codes, payments.text("method")
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in np.argsort(payments.known_at, kind="stable"):
        if method.codes[row] >= 0:
            found[int(ids[row])].append((int(payments.known_at[row]), method.labels[method.codes[row]]))
    return found


def _spans(debt: Rows) -> list[tuple[int, range]]:
    """Debt number and the range of its rows, in an array sorted by debt."""
    if not len(debt):
        return []
    cuts = np.flatnonzero(np.diff(debt)) + 1
    starts = np.concatenate([[0], cuts])
    ends = np.concatenate([cuts, [len(debt)]])
    return [(int(debt[a]), range(int(a), int(b))) for a, b in zip(starts, ends, strict=True)]


def _entries_by_debt(entries: Entries) -> dict[int, list[int]]:
    own: dict[int, list[int]] = defaultdict(list)
    for number, debt in enumerate(entries.debt.tolist()):
        if debt >= 0:
            own[debt].append(number)
    return own


def maturities(
    entries: Entries, states: States, payments: Facts, debts: Debts, *, late_after_days: int, lag_days: int, digits: int
) -> Facts:
    """One fact per invoice at the close of its due day plus ``late_after_days``: whether it was late then.

    The fact is known once the payments of that day are; money that turns out to have been there, or a
    collection that comes back, replaces it by a later version.
    """
    own = _entries_by_debt(entries)
    refused = failed_collections(payments, debts)
    rows: list[tuple[Any, ...]] = []
    for debt, span in _spans(states.debt):
        close, base_known = _maturing_state(states, span, late_after_days, lag_days)
        moments = sorted(
            {base_known}
            | {int(entries.known_at[e]) for e in own.get(debt, []) if entries.known_at[e] > base_known}
            | {int(states.known_at[i]) for i in span if states.known_at[i] > base_known}
            | {known for happened, known in refused.get(debt, []) if happened <= close and known > base_known}
        )
        before: tuple[float, int, int] | None = None
        for known in moments:
            now = _late_at(entries, states, span, own.get(debt, []), refused.get(debt, []), close, known, digits)
            if now == before:
                continue
            if before is not None:
                rows[-1] = (*rows[-1][:3], known, *rows[-1][4:])
            before = now
            if now is not None:
                rows.append((int(states.customer[span[0]]), close, known, FOREVER, *now))
    return _stream("maturities", rows)


def _maturing_state(states: States, span: range, late_after_days: int, lag_days: int) -> tuple[int, int]:
    """Close of due + ``late_after_days`` and when it is known; a due day that had closed moves no more."""
    due, since = int(states.due_at[span.start]), int(states.known_at[span.start])
    for i in span:
        if states.due_at[i] != due and states.known_at[i] <= _close(due):
            due, since = int(states.due_at[i]), int(states.known_at[i])
    close = _close(due, late_after_days)
    day = np.array([close // US_PER_DAY])
    seen = int(day_end(add_bank_days(day, lag_days))[0]) if lag_days else close
    return close, max(close, seen, since)


def _close(due_at: int, days: int = 0) -> int:
    """Last microsecond of the due day, or of some days later."""
    return (due_at // US_PER_DAY + days + 1) * US_PER_DAY - 1


def _late_at(
    entries: Entries,
    states: States,
    span: range,
    own: list[int],
    refused: list[tuple[int, int]],
    close: int,
    known: int,
    digits: int,
) -> tuple[float, int, int] | None:
    """(late, open amount, amount) on value dates at the close, with what was known at ``known``."""
    i = max((i for i in span if states.known_at[i] <= known), default=span[0])
    if states.withdrawn[i]:
        return None
    counted = [e for e in own if entries.known_at[e] <= known and entries.counts_at[e] <= close]
    credited = sum(int(entries.amount[e]) for e in counted if entries.kind[e] == CREDIT)
    paid = sum(int(entries.amount[e]) for e in counted if entries.kind[e] == PAYMENT)
    amount = int(states.amount[i])
    if amount - credited <= 0:
        return None
    came_back = any(entries.returned[e] for e in counted) or any(
        happened <= close and seen <= known for happened, seen in refused
    )
    open_amount = max(0, amount - credited - paid)
    late = open_amount > float(tolerance(np.array(amount), digits)) or came_back
    return float(late), open_amount, amount


def failed_collections(payments: Facts, debts: Debts) -> dict[int, list[tuple[int, int]]]:
    """(happened_at, known_at) of collections that the bank refused outright, by the invoice they name."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    failed = payments.text("event").is_word("failed") & is_collection(payments)
    named = debts.number(payments.text("invoice_id"))
    for row in np.flatnonzero(failed & (named >= 0)):
        found[int(named[row])].append((int(payments.happened_at[row]), int(payments.known_at[row])))
    return found


def balances(states: States) -> Facts:
    """What each debtor owes after each change; becoming overdue is a change."""
    changes: dict[int, list[tuple[int, int, int, int, int]]] = defaultdict(list)
    for i in range(len(states.debt)):
        after = int(states.open[i])
        due_close = _close(int(states.due_at[i]))
        row = (int(states.known_at[i]), 0, int(states.debt[i]), after, due_close)
        changes[int(states.customer[i])].append(row)
        if after > 0 and states.known_at[i] < due_close < states.known_until[i]:
            changes[int(states.customer[i])].append((due_close, 1, int(states.debt[i]), after, due_close))
    rows: list[tuple[Any, ...]] = []
    for customer in sorted(changes):
        rows.extend(_sweep(customer, sorted(changes[customer])))
    return _stream("balances", rows)


def _sweep(customer: int, changes: list[tuple[int, int, int, int, int]]) -> list[tuple[Any, ...]]:
    """Run through one debtor's changes and note the balance after each moment."""
    open_of: dict[int, tuple[int, int]] = {}
    overdue: dict[int, int] = {}
    oldest: list[tuple[int, int]] = []
    owed = late = 0
    rows: list[tuple[Any, ...]] = []
    for place, (known, _, debt, after, due_close) in enumerate(changes):
        owed += after - open_of.get(debt, (0, 0))[0]
        open_of[debt] = (after, due_close)
        if after == 0:
            del open_of[debt]
        late -= overdue.pop(debt, 0)
        if after > 0 and due_close <= known:
            overdue[debt] = after
            late += after
            heappush(oldest, (due_close, debt))
        if place + 1 < len(changes) and changes[place + 1][0] == known:
            continue
        while oldest and (oldest[0][1] not in overdue or open_of[oldest[0][1]][1] != oldest[0][0]):
            heappop(oldest)
        since = oldest[0][0] // US_PER_DAY * US_PER_DAY if oldest else NAT
        rows.append((customer, known, known, FOREVER, owed, late, float(len(open_of)), float(len(overdue)), since))
    return rows


def returns(payments: Facts) -> Facts:
    """One fact per payment that failed, came back, was refunded or reversed."""
    went = payments.text("event").is_word("failed", "returned", "refunded", "reversed")
    facts = payments.take(went)
    codes = facts.text("reason_code")
    rows = zip(
        facts.owner.tolist(), facts.happened_at.tolist(), facts.known_at.tolist(), facts.known_until.tolist(),
        cause_family(codes).values().tolist(), facts.numbers("attempt").tolist(),
        np.asarray(facts.numbers("amount", NAT), dtype=np.int64).tolist(), codes.values().tolist(),
        strict=True,
    )  # fmt: skip
    return _stream("returns", list(rows))


def obligations(
    states: States, schedule: Facts, instalments: Facts, *, n_invoices: int, replaced: Mapping[int, int]
) -> Facts:
    """Amounts that fall due, from when they are known until they are paid or replaced."""
    rows: list[tuple[Any, ...]] = [
        (
            int(states.customer[i]), int(states.due_at[i]), int(states.known_at[i]),
            int(states.known_until[i]), int(states.open[i]), "issued" if states.debt[i] < n_invoices else "scheduled",
        )
        for i in np.flatnonzero(states.open > 0)
    ]  # fmt: skip
    until = np.minimum(schedule.known_until, plans_end(states, schedule, n_invoices=n_invoices, replaced=replaced))
    rows += _planned(schedule, until)
    rows += _planned(instalments, np.minimum(instalments.known_until, day_end(day_number(instalments.happened_at))))
    return _stream("obligations", rows)


def plans_end(states: States, schedule: Facts, *, n_invoices: int, replaced: Mapping[int, int]) -> Rows:
    """When each planned amount gives way: to the invoice that bills it, or to the debt it is from its day on.

    Parameters
    ----------
    states : States
    schedule : Facts
    n_invoices : int
    replaced : mapping of int to int
        As from `earlywarn.tables.settlement.settle`.

    Returns
    -------
    ndarray of int64, shape (n_rows of the schedule,), microseconds
    """
    backwards = zip(states.debt[::-1].tolist(), states.known_at[::-1].tolist(), strict=True)
    begins = dict(backwards)
    ends = np.full(len(schedule), FOREVER, dtype=np.int64)
    for row, number in enumerate((n_invoices + plan_numbers(schedule)).tolist()):
        by_invoice = begins.get(replaced[number], ALWAYS) if number in replaced else FOREVER
        ends[row] = min(by_invoice, begins.get(number, FOREVER))
    return ends


def _planned(plan: Facts, until: Rows) -> list[tuple[Any, ...]]:
    """Rows of the stream for amounts that are only planned."""
    amount = plan.numbers("amount", NAT)
    return [
        (int(plan.owner[row]), int(plan.happened_at[row]), int(plan.known_at[row]), int(until[row]),
         int(amount[row]), "scheduled")
        for row in np.flatnonzero(plan.known_at < until)
    ]  # fmt: skip
