"""From checked tables to the events that settlement folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, NAT, add_bank_days, day_end, day_number
from earlywarn.tables import postings as book
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts, first_version
from earlywarn.tables.postings import Events

__all__ = ["RETURN_WINDOW_DAYS", "Debts", "is_collection", "returnable_until", "settlement_events"]

Rows = npt.NDArray[np.int64]
#: TARGET days after collection within which the bank may send it back: SEPA core, SEPA business-to-business.
RETURN_WINDOW_DAYS = {"direct_debit": 5, "direct_debit_b2b": 3}
_CLEARINGS = ("write_off", "sale", "transfer")


@dataclass(frozen=True)
class Debts:
    """The numbering of debts: invoices by id, then scheduled amounts by row.

    Attributes
    ----------
    invoice_ids : tuple of str
        Debt ``i`` is the invoice ``invoice_ids[i]``.
        Debt ``len(invoice_ids) + j`` is the planned amount that row ``j`` of the schedule first states.
    owner : ndarray of int64, shape (n_debts,)
    """

    invoice_ids: tuple[str, ...]
    owner: Rows

    def number(self, ids: Text) -> Rows:
        """Debt numbers of invoice ids; UNALLOCATED where the invoice is not known."""
        return ids.codes_in(self.invoice_ids)


def debts_of(tables: Mapping[str, Facts]) -> Debts:
    """Number every debt of the tables."""
    invoices, schedule = tables["invoices"], tables["schedule"]
    ids = invoices.text("invoice_id")
    owner = np.full(len(ids.labels), -1, dtype=np.int64)
    owner[ids.codes] = invoices.owner
    return Debts(ids.labels, np.concatenate([owner, schedule.owner]))


def is_collection(payments: Facts) -> npt.NDArray[np.bool_]:
    """Which payment rows are direct debits: by their method, else because a scheme is stated.

    Parameters
    ----------
    payments : Facts

    Returns
    -------
    ndarray of bool, shape (n_payments,)
    """
    method, scheme = payments.text("method"), payments.text("scheme")
    return method.is_word(*RETURN_WINDOW_DAYS) | ((method.codes < 0) & (scheme.codes >= 0))


def settlement_events(tables: Mapping[str, Facts], debts: Debts) -> Events:
    """Every event of the tables, in no particular order."""
    invoices, payments = tables["invoices"], tables["payments"]
    parts = [
        *_invoice_events(invoices, debts, payments),
        _due_changes(tables["invoice_events"], debts),
        *_schedule_events(tables["schedule"], invoices, len(debts.invoice_ids)),
        _allocation_events(tables["allocations"], debts, payments),
        _payment_events(payments, debts),
    ]
    return Events.joined([part for part in parts if len(part)] or parts[:1])


def added_since(amount: Rows, known_at: Rows, *keys: npt.NDArray[Any]) -> Rows:
    """What each row adds to the row of the same keys that was known before it.

    Parameters
    ----------
    amount, known_at : ndarray of int64, shape (n,)
    *keys : ndarray, shape (n,)
        Rows that are equal in all of them are versions of one amount.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> added_since(np.array([70, 50, 9]), np.array([2, 1, 1]), np.array([0, 0, 1]))
    array([20, 50,  9])
    """
    order = np.lexsort((known_at, *keys))
    later = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        later &= key[order][1:] == key[order][:-1]
    before = np.zeros(len(order), dtype=np.int64)
    before[order[1:][later]] = amount[order[:-1][later]]
    return amount - before


def _invoice_events(invoices: Facts, debts: Debts, payments: Facts) -> list[Events]:
    """Invoices, credit notes, and what was withdrawn of them."""
    ids = invoices.text("invoice_id").codes
    amount = invoices.numbers("amount")
    credit = amount[first_version(ids, invoices.known_at)] < 0
    source = len(payments.text("payment_id").labels) + ids  # credit notes are numbered after the payments
    bill, note = _rows(~credit), _rows(credit)
    bills = Events.made(
        int((~credit).sum()), customer=invoices.owner[bill], known_at=invoices.known_at[bill], kind=book.INVOICE,
        order=ids[bill], debt=ids[bill], amount=amount[bill], happened_at=invoices.happened_at[bill],
        due_at=invoices.moments("due_on")[bill], account=invoices.text("account_id").codes[bill],
        contract=invoices.text("contract_id").codes[bill],
    )  # fmt: skip
    notes = Events.made(
        int(credit.sum()), customer=invoices.owner[note], known_at=invoices.known_at[note], kind=book.CREDIT_NOTE,
        order=ids[note], debt=debts.number(invoices.text("corrects_id").take(note)), amount=-amount[note],
        happened_at=invoices.happened_at[note], value_at=invoices.happened_at[note], source=source[note],
        clearing=book.CREDIT,
    )  # fmt: skip
    row, at, added = _withdrawals(invoices, credit)
    happened = np.maximum(invoices.moments("withdrawn_on")[row], invoices.happened_at[row])
    gone = Events.made(
        len(row), customer=invoices.owner[row], known_at=at, order=ids[row], debt=ids[row], amount=added,
        kind=np.where(credit[row], book.RETURN, book.WITHDRAWN), happened_at=happened, source=source[row],
    )  # fmt: skip
    return [bills, notes, gone]


def _rows(where: npt.NDArray[np.bool_]) -> Any:
    """Numbers of the rows; all of them without copying when none is left out."""
    return slice(None) if where.all() else np.flatnonzero(where)


def _withdrawals(invoices: Facts, credit: npt.NDArray[np.bool_]) -> tuple[Rows, Rows, Rows]:
    """(row, known_at, change of the credit that is withdrawn) for each version that is withdrawn, or no more."""
    if "withdrawn_on" not in invoices.cell_known:
        return (np.empty(0, dtype=np.int64),) * 3
    gone_at = invoices.cell_known["withdrawn_on"]
    gone = (gone_at < invoices.known_until) & (gone_at != FOREVER)
    lost = np.where(gone & credit, -invoices.numbers("amount"), 0)
    added = added_since(lost, invoices.known_at, invoices.text("invoice_id").codes)
    rows = np.flatnonzero(gone | (added != 0))
    rows = rows[np.argsort(invoices.known_at[rows], kind="stable")]
    return rows, np.where(gone, gone_at, invoices.known_at)[rows], added[rows]


def _due_changes(events: Facts, debts: Debts) -> Events:
    numbers, due = debts.number(events.text("invoice_id")), events.moments("due_on")
    rows = np.flatnonzero(events.text("event").is_word("due_changed") & (due != NAT) & (numbers >= 0))
    return Events.made(
        len(rows), customer=debts.owner[numbers[rows]], known_at=events.known_at[rows], kind=book.DUE_CHANGED,
        order=events.row[rows], debt=numbers[rows], happened_at=events.happened_at[rows], due_at=due[rows],
    )  # fmt: skip


def plan_numbers(schedule: Facts) -> Rows:
    """Number of the planned amount that each row of the schedule is a version of."""
    if not len(schedule):
        return np.empty(0, dtype=np.int64)
    parts = [schedule.text(name).codes for name in ("account_id", "contract_id", "kind")]
    key = np.stack([schedule.owner, schedule.happened_at, *parts], axis=1)
    _, first, number = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return first[number.reshape(-1)]


def _schedule_events(schedule: Facts, invoices: Facts, offset: int) -> list[Events]:
    """Each planned amount when it becomes known, and on its day; accounts in the codes of the invoices."""
    due, known = schedule.happened_at, schedule.known_at
    plan = {
        "customer": schedule.owner, "order": np.arange(len(schedule)), "debt": offset + plan_numbers(schedule),
        "amount": schedule.numbers("amount", 0), "happened_at": due, "due_at": due,
        "account": _stated(schedule.text("account_id"), invoices.text("account_id")),
        "contract": _stated(schedule.text("contract_id"), invoices.text("contract_id")),
    }  # fmt: skip
    return [
        Events.made(len(schedule), known_at=known, kind=book.EXPECTED, **plan),
        Events.made(len(schedule), known_at=np.maximum(known, due), kind=book.SCHEDULE_DUE, **plan),
    ]


def _allocation_events(allocations: Facts, debts: Debts, payments: Facts) -> Events:
    """One event per version, with what it adds to the version before."""
    numbers = debts.number(allocations.text("invoice_id"))
    sources = allocations.text("payment_id").codes_in(payments.text("payment_id").labels)
    rows = np.flatnonzero((numbers >= 0) & (sources >= 0))
    number, source, known = numbers[rows], sources[rows], allocations.known_at[rows]
    added = added_since(allocations.numbers("amount", 0)[rows], known, source, number)
    return Events.made(
        len(rows), customer=debts.owner[number], known_at=known, kind=book.ALLOCATION, order=rows, debt=number,
        amount=added, happened_at=allocations.happened_at[rows], source=source,
    )  # fmt: skip


def _stated(ids: Text, known: Text) -> Rows:
    """Codes in another column's labels; -1 when not stated, -2 when the other column has no such label."""
    codes = ids.codes_in(known.labels)
    return np.where((ids.codes >= 0) & (codes < 0), -2, codes)


def _payment_events(payments: Facts, debts: Debts) -> Events:
    ids = payments.text("payment_id").codes
    event, kind = payments.text("event"), payments.text("kind")
    comes = (event.codes < 0) | event.is_word("settled")
    goes = event.is_word("failed", "returned", "refunded", "reversed")
    value = payments.moments("value_on")
    named = debts.number(payments.text("invoice_id"))
    if len(debts.owner):
        named = np.where((named >= 0) & (debts.owner[named] == payments.owner), named, book.UNALLOCATED)
    attempt = payments.numbers("attempt")
    use = np.select([kind.is_word("deposit"), kind.is_word("payout")], [book.HOLD, book.PAYOUT], book.SETTLE)
    amount = payments.numbers("amount", 0).copy()
    out = np.flatnonzero(goes | (use == book.PAYOUT))
    amount[out] = added_since(
        amount[out], payments.known_at[out], ids[out], event.codes[out], np.nan_to_num(attempt[out], nan=-1.0)
    )
    booked = comes | (goes & (amount != 0))
    rows = _rows(booked)
    return Events.made(
        int(booked.sum()), customer=payments.owner[rows], known_at=payments.known_at[rows], order=ids[rows],
        kind=np.where(comes[rows], book.RECEIPT, book.RETURN), debt=named[rows], amount=amount[rows],
        happened_at=payments.happened_at[rows], source=ids[rows], attempt=attempt[rows], use=use[rows],
        value_at=np.where(value == NAT, payments.happened_at, value)[rows],
        clearing=np.where(kind.is_word(*_CLEARINGS), book.CLEARING, book.PAYMENT)[rows],
        returnable_until=returnable_until(payments)[rows], refund=event.is_word("refunded")[rows],
    )  # fmt: skip


def returnable_until(payments: Facts) -> Rows:
    """Until when each collection can come back through the bank; NAT for other payments."""
    day = day_number(payments.happened_at)
    core = add_bank_days(day, RETURN_WINDOW_DAYS["direct_debit"], from_closed_day="forward")
    b2b = add_bank_days(day, RETURN_WINDOW_DAYS["direct_debit_b2b"], from_closed_day="forward")
    return day_end(np.where(is_collection(payments), np.where(is_business(payments), b2b, core), NAT))


def is_business(payments: Facts) -> npt.NDArray[np.bool_]:
    """Which payment rows run under the business-to-business scheme."""
    return payments.text("method").is_word("direct_debit_b2b") | payments.text("scheme").is_word("b2b", "B2B")
