"""Streams that settlement yields, as dated facts: settlements, returns, obligations (and see `maturities`, `balances`).

Each is computed from entries and states alone, in the order in which they became known, so a fact never
changes: it is replaced by a later version with its own ``known_at``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import ALWAYS, FOREVER, NAT, US_PER_DAY, day_end, day_number
from earlywarn.tables.checks import Text
from earlywarn.tables.events import Debts, is_collection, plan_numbers
from earlywarn.tables.facts import Facts
from earlywarn.tables.parts import stream_in_parts
from earlywarn.tables.postings import CLEARING, PAYMENT, Entries, States
from earlywarn.tables.schema import STREAMS
from earlywarn.tables.upto import UpTo, ranges, sorted_rows

__all__ = [
    "cause_family", "close_of", "failed_collections", "obligations", "plans_end", "refusals", "returns", "settlements",
    "stream", "tolerance",
]  # fmt: skip

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
    of_label = Text.of(words)
    return Text(of_label.codes[codes.codes], of_label.labels).used()


def tolerance(amount: npt.NDArray[Any], digits: int) -> npt.NDArray[Any]:
    """What may stay open on an invoice that counts as paid: one unit of currency or 1%, in minor units.

    Examples
    --------
    >>> tolerance(np.array([5_000, 50_000]), 2)
    array([100., 500.])
    """
    least: npt.NDArray[Any] = np.maximum(10.0**digits, 0.01 * np.abs(amount))
    return least


def close_of(due_at: Rows, days: int = 0) -> Rows:
    """Last microsecond of each due day, or of some days later."""
    return (due_at // US_PER_DAY + days + 1) * US_PER_DAY - 1


def stream(name: str, owner: Rows, happened_at: Rows, known_at: Rows, known_until: Rows, **values: Any) -> Facts:
    """Facts of a stream from its columns, sorted by owner and time."""
    kinds = STREAMS[name]
    columns: dict[str, Any] = {}
    for column, kind in kinds.items():
        given = values[column]
        columns[column] = given if kind == "text" else given.astype(float if kind == "number" else np.int64)
    facts = Facts(
        name=name, kinds=MappingProxyType(dict(kinds)), columns=MappingProxyType(columns), happened_at=happened_at,
        known_at=known_at, known_until=known_until, owner=owner, row=np.arange(len(owner)),
        cell_known=MappingProxyType({}),
    )  # fmt: skip
    return facts.take(sorted_rows(known_at, happened_at, owner))


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
    methods = _Methods(payments)
    return stream_in_parts(lambda some, their: _settlements(some, their, methods), entries, states)


def _settlements(entries: Entries, states: States, methods: _Methods) -> Facts:
    """Settlements from the first of the states in a row in which an invoice is closed."""
    closed = (states.open == 0) & (states.amount > 0) & ~states.withdrawn
    begins = np.diff(states.debt, prepend=-1) != 0
    begins[1:] |= ~closed[:-1]
    at = np.flatnonzero(closed)
    parts, last, value = _paid_by(entries, states, at)
    settled = parts > 0
    # of states in a row in which the invoice is closed, the first in which payments closed it
    run = np.cumsum(begins)[at[settled]]
    first = np.diff(run, prepend=-1) != 0
    at, parts, last, value = at[settled][first], parts[settled][first], last[settled][first], value[settled][first]
    opens = np.append(np.flatnonzero(~closed), len(closed))
    again = opens[np.searchsorted(opens, at)]
    undone = (again < len(closed)) & (np.append(states.debt, -1)[again] == states.debt[at])
    paid_at = np.maximum(value, states.issued_at[at])
    day = paid_at // US_PER_DAY
    return stream(
        "settlements", states.customer[at], paid_at, states.known_at[at],
        np.where(undone, np.append(states.known_at, 0)[again], FOREVER),
        days_beyond_terms=day - states.due_at[at] // US_PER_DAY, days_to_pay=day - states.issued_at[at] // US_PER_DAY,
        amount=states.amount[at], parts=parts, method=methods.of(last, states.customer[at], states.known_at[at]),
    )  # fmt: skip


def _paid_by(entries: Entries, states: States, at: Rows) -> tuple[Rows, Rows, Rows]:
    """Payments that a debt holds in each of the states: how many, the last, and its value date; 0 after a clearing."""
    own = np.flatnonzero((entries.debt >= 0) & ((entries.kind == PAYMENT) | (entries.kind == CLEARING)))
    rows = UpTo(entries.debt[own], entries.known_at[own])
    debt, by = states.debt[at], states.known_at[at]
    low, high = rows.start(debt), rows.end(debt, by)
    state, entry = np.repeat(np.arange(len(at)), high - low), own[rows.order[ranges(low, high - low)]]
    (cleared,) = rows.totals(debt, by, np.where(entries.kind[own] == CLEARING, entries.amount[own], 0))
    paying = (entries.kind[entry] == PAYMENT) & (cleared[state] <= 0)
    state, entry = state[paying], entry[paying]
    order = np.lexsort((entries.source[entry], state))
    state, entry = state[order], entry[order]
    source = entries.source[entry]
    head = np.ones(len(entry), dtype=bool)
    head[1:] = (state[1:] != state[:-1]) | (source[1:] != source[:-1])
    heads = np.flatnonzero(head)
    net = np.add.reduceat(entries.amount[entry], heads) if len(heads) else np.empty(0, dtype=np.int64)
    ends = np.append(heads[1:], len(entry))[: len(heads)] - 1
    state, source, value = (part[ends][net > 0] for part in (state, source, entries.value_at[entry]))
    parts = np.bincount(state, minlength=len(at))
    order = np.lexsort((source, value, state))
    last, last_value = np.full(len(at), -1, dtype=np.int64), np.full(len(at), NAT, dtype=np.int64)
    last[state[order]], last_value[state[order]] = source[order], value[order]
    return parts, last, last_value


class _Methods:
    """Method of each debtor's payment, as it was known at any moment; another debtor's of the same id says nothing."""

    def __init__(self, payments: Facts) -> None:
        self.method = payments.text("method")
        self.stated = np.flatnonzero(self.method.codes >= 0)
        self.owners = int(payments.owner.max(initial=-1)) + 1
        key = self._key(payments.text("payment_id").codes[self.stated], payments.owner[self.stated])
        self.rows = UpTo(key, payments.known_at[self.stated])

    def _key(self, source: Rows, owner: Rows) -> Rows:
        key: Rows = source * self.owners + owner
        return key

    def of(self, source: Rows, owner: Rows, at: Rows) -> Text:
        """The method of each source, missing where none was stated by then."""
        key = self._key(source, owner)
        end = self.rows.end(key, at)
        found = end > self.rows.start(key)
        codes = np.full(len(source), -1, dtype=np.int64)
        codes[found] = self.method.codes[self.stated[self.rows.order[end[found] - 1]]]
        return Text(codes, self.method.labels)


def refusals(payments: Facts, debts: Debts) -> tuple[Rows, Rows, Rows]:
    """(debt, happened_at, known_at) of collections that the bank refused outright and that name an invoice."""
    failed = np.flatnonzero(payments.text("event").is_word("failed") & is_collection(payments))
    named = debts.number(payments.text("invoice_id").take(failed))
    rows = failed[named >= 0]
    return named[named >= 0], payments.happened_at[rows], payments.known_at[rows]


def failed_collections(payments: Facts, debts: Debts) -> dict[int, list[tuple[int, int]]]:
    """(happened_at, known_at) of collections that the bank refused outright, by the invoice they name."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for debt, happened, known in zip(*(column.tolist() for column in refusals(payments, debts)), strict=True):
        found[debt].append((happened, known))
    return found


def returns(payments: Facts) -> Facts:
    """One fact per payment that failed, came back, was refunded or reversed."""
    back = np.flatnonzero(payments.text("event").is_word("failed", "returned", "refunded", "reversed"))
    facts = payments.take(back)
    codes = facts.text("reason_code")
    return stream(
        "returns", facts.owner, facts.happened_at, facts.known_at, facts.known_until, cause=cause_family(codes),
        attempt=facts.numbers("attempt"), amount=facts.numbers("amount", NAT), reason_code=codes.used(),
        in_a_row=_in_a_row(payments, back),
    )  # fmt: skip


def _in_a_row(payments: Facts, back: Rows) -> npt.NDArray[np.float64]:
    """How many payments came back one after another, each of the rows ``back`` included.

    A collection that was paid in between ends the row, for as long as no return of it is known. A row stated anew
    is the one it was.
    """
    if not len(back):
        return np.empty(0)
    owner, known = payments.owner, payments.known_at
    source = payments.text("payment_id").codes * (int(owner.max()) + 2) + owner + 1
    paid = np.flatnonzero(payments.text("event").is_word("settled") & is_collection(payments))
    of_debtor, of_source = UpTo(owner[paid] + 1, known[paid]), UpTo(source[paid], known[paid])
    order = np.lexsort((back, known[back], owner[back]))
    rows = back[order]
    first = np.diff(owner[rows], prepend=-2) != 0
    until, since = known[rows], np.roll(known[rows], 1)
    others = of_debtor.end(owner[rows] + 1, until) - of_debtor.end(owner[rows] + 1, since)
    kept = others - of_source.end(source[rows], until) + of_source.end(source[rows], since)
    heads = np.flatnonzero(first | (kept > 0))
    run = np.zeros(len(rows), dtype=np.int64)
    run[heads] = 1
    run = np.cumsum(run) - 1
    stated = {"run": run, "source": source[rows], "event": payments.text("event").codes[rows]}
    new = ~pd.DataFrame({**stated, "attempt": payments.numbers("attempt")[rows]}).duplicated().to_numpy()
    count = np.cumsum(new)
    found = np.empty(len(back))
    found[order] = count - count[heads][run] + 1
    return found


def obligations(
    states: States, schedule: Facts, instalments: Facts, *, n_invoices: int, replaced: Mapping[int, int]
) -> Facts:
    """Amounts that fall due, from when they are known until they are paid or replaced."""
    owed = np.flatnonzero(states.open > 0)
    until = np.minimum(schedule.known_until, plans_end(states, schedule, n_invoices=n_invoices, replaced=replaced))
    ends = np.minimum(instalments.known_until, day_end(day_number(instalments.happened_at)))
    issued = (
        states.customer[owed], states.due_at[owed], states.known_at[owed], states.known_until[owed],
        states.open[owed], np.where(states.debt[owed] < n_invoices, 0, 1),
    )  # fmt: skip
    parts = [issued, _planned(schedule, until), _planned(instalments, ends)]
    owner, due, known, known_until, amount, stage = (np.concatenate(part) for part in zip(*parts, strict=True))
    return stream(
        "obligations", owner, due, known, known_until, amount=amount, stage=Text(stage, ("issued", "scheduled")).used()
    )


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
    begins = np.full(max(int(states.debt.max(initial=-1)), n_invoices + len(schedule)) + 1, FOREVER, dtype=np.int64)
    begins[states.debt[::-1]] = states.known_at[::-1]
    number = n_invoices + plan_numbers(schedule)
    ends = begins[number]
    for row in np.flatnonzero(np.isin(number, list(replaced))):
        invoice = replaced[int(number[row])]
        ends[row] = min(ends[row], ALWAYS if invoice < 0 or begins[invoice] == FOREVER else begins[invoice])
    return ends


def _planned(plan: Facts, until: Rows) -> tuple[Rows, ...]:
    """Columns of the stream for amounts that are only planned."""
    rows = np.flatnonzero(plan.known_at < until)
    amount = np.asarray(plan.numbers("amount", NAT), dtype=np.int64)
    return plan.owner[rows], plan.happened_at[rows], plan.known_at[rows], until[rows], amount[rows], np.ones_like(rows)
