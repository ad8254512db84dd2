"""From checked tables to the events that settlement folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, NAT, add_bank_days, day_end, day_number
from earlywarn.tables import postings as book
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts, first_version

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


def settlement_events(tables: Mapping[str, Facts], debts: Debts) -> Iterator[book.Event]:
    """Every event of the tables, in no particular order."""
    yield from _invoice_events(tables["invoices"], debts, tables["payments"])
    yield from _due_changes(tables["invoice_events"], debts)
    yield from _schedule_events(tables["schedule"], tables["invoices"], len(debts.invoice_ids))
    yield from _allocation_events(tables["allocations"], debts, tables["payments"])
    yield from _payment_events(tables["payments"], debts)


def _invoice_events(invoices: Facts, debts: Debts, payments: Facts) -> Iterator[book.Event]:
    ids = invoices.text("invoice_id").codes
    amount = invoices.numbers("amount")
    credit = amount[first_version(ids, invoices.known_at)] < 0
    corrects = debts.number(invoices.text("corrects_id"))
    accounts, contracts = invoices.text("account_id").codes, invoices.text("contract_id").codes
    due = invoices.moments("due_on")
    withdrawn = invoices.moments("withdrawn_on")
    credit_source = len(payments.text("payment_id").labels)
    for row in range(len(invoices)):
        number, owner = int(ids[row]), int(invoices.owner[row])
        known, happened = int(invoices.known_at[row]), int(invoices.happened_at[row])
        if credit[row]:
            yield book.Event(
                owner, known, book.CREDIT_NOTE, number, debt=int(corrects[row]), amount=-int(amount[row]),
                happened_at=happened, value_at=happened, source=credit_source + number, clearing=book.CREDIT,
            )  # fmt: skip
        else:
            yield book.Event(
                owner, known, book.INVOICE, number, debt=number, amount=int(amount[row]), happened_at=happened,
                due_at=int(due[row]), account=int(accounts[row]), contract=int(contracts[row]),
            )  # fmt: skip
    for row, at, added in _withdrawals(invoices, credit):
        number, happened = int(ids[row]), int(max(withdrawn[row], invoices.happened_at[row]))
        kind = book.RETURN if credit[row] else book.WITHDRAWN
        yield book.Event(
            int(invoices.owner[row]), at, kind, number, debt=number, amount=added, happened_at=happened,
            source=credit_source + number,
        )  # fmt: skip


def _withdrawals(invoices: Facts, credit: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """(row, known_at, change of the credit that is withdrawn) for each version that is withdrawn, or no more."""
    ids, amount = invoices.text("invoice_id").codes, invoices.numbers("amount")
    gone_at = invoices.cell_known.get("withdrawn_on", np.full(len(invoices), FOREVER))
    gone_at = np.where(gone_at >= invoices.known_until, FOREVER, gone_at)
    gone: dict[int, int] = {}
    for row in np.argsort(invoices.known_at, kind="stable"):
        number, is_gone = int(ids[row]), gone_at[row] != FOREVER
        before = gone.get(number, 0)
        gone[number] = -int(amount[row]) if is_gone and credit[row] else 0
        if is_gone or gone[number] != before:
            yield int(row), int(gone_at[row] if is_gone else invoices.known_at[row]), gone[number] - before


def _due_changes(events: Facts, debts: Debts) -> Iterator[book.Event]:
    numbers = debts.number(events.text("invoice_id"))
    moved = events.text("event").is_word("due_changed") & (events.moments("due_on") != NAT) & (numbers >= 0)
    due = events.moments("due_on")
    for row in np.flatnonzero(moved):
        number = int(numbers[row])
        yield book.Event(
            int(debts.owner[number]), int(events.known_at[row]), book.DUE_CHANGED, int(events.row[row]),
            debt=number, happened_at=int(events.happened_at[row]), due_at=int(due[row]),
        )  # fmt: skip


def plan_numbers(schedule: Facts) -> Rows:
    """Number of the planned amount that each row of the schedule is a version of."""
    if not len(schedule):
        return np.empty(0, dtype=np.int64)
    parts = [schedule.text(name).codes for name in ("account_id", "contract_id", "kind")]
    key = np.stack([schedule.owner, schedule.happened_at, *parts], axis=1)
    _, first, number = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return first[number.reshape(-1)]


def _schedule_events(schedule: Facts, invoices: Facts, offset: int) -> Iterator[book.Event]:
    """Each planned amount when it becomes known, and on its day; accounts in the codes of the invoices."""
    accounts = _stated(schedule.text("account_id"), invoices.text("account_id"))
    contracts = _stated(schedule.text("contract_id"), invoices.text("contract_id"))
    amount, number = schedule.numbers("amount"), plan_numbers(schedule)
    for row in range(len(schedule)):
        due, known = int(schedule.happened_at[row]), int(schedule.known_at[row])
        plan = book.Event(
            int(schedule.owner[row]), known, book.EXPECTED, row, debt=offset + int(number[row]),
            amount=int(amount[row]), happened_at=due, due_at=due, account=int(accounts[row]),
            contract=int(contracts[row]),
        )  # fmt: skip
        yield plan
        yield plan._replace(kind=book.SCHEDULE_DUE, known_at=max(known, due))


def _allocation_events(allocations: Facts, debts: Debts, payments: Facts) -> Iterator[book.Event]:
    """One event per version, with what it adds to the version before."""
    numbers = debts.number(allocations.text("invoice_id"))
    sources = allocations.text("payment_id").codes_in(payments.text("payment_id").labels)
    amount = allocations.numbers("amount")
    before: dict[tuple[int, int], int] = {}
    for row in np.argsort(allocations.known_at, kind="stable"):
        key = int(sources[row]), int(numbers[row])
        if min(key) < 0:
            continue
        added = int(amount[row]) - before.get(key, 0)
        before[key] = int(amount[row])
        yield book.Event(
            int(debts.owner[key[1]]), int(allocations.known_at[row]), book.ALLOCATION, int(row), debt=key[1],
            amount=added, happened_at=int(allocations.happened_at[row]), source=key[0],
        )  # fmt: skip


def _stated(ids: Text, known: Text) -> Rows:
    """Codes in another column's labels; -1 when not stated, -2 when the other column has no such label."""
    codes = ids.codes_in(known.labels)
    return np.where((ids.codes >= 0) & (codes < 0), -2, codes)


def _payment_events(payments: Facts, debts: Debts) -> Iterator[book.Event]:
    ids = payments.text("payment_id").codes
    event, kind = payments.text("event"), payments.text("kind")
    comes = (event.codes < 0) | event.is_word("settled")
    goes = event.is_word("failed", "returned", "refunded", "reversed")
    clearing = kind.is_word(*_CLEARINGS)
    value = payments.moments("value_on")
    value = np.where(value == NAT, payments.happened_at, value)
    named = debts.number(payments.text("invoice_id"))
    if len(debts.owner):
        named = np.where((named >= 0) & (debts.owner[named] == payments.owner), named, book.UNALLOCATED)
    amount, attempt = payments.numbers("amount"), payments.numbers("attempt")
    refund, returnable = event.is_word("refunded"), returnable_until(payments)
    use = np.where(kind.is_word("deposit"), "hold", np.where(kind.is_word("payout"), "payout", "settle"))
    amount = _added(payments, amount, goes | (use == "payout"))
    for row in np.flatnonzero(comes | (goes & (amount != 0))):
        yield book.Event(
            int(payments.owner[row]), int(payments.known_at[row]), book.RECEIPT if comes[row] else book.RETURN,
            int(ids[row]), debt=int(named[row]), amount=int(amount[row]), happened_at=int(payments.happened_at[row]),
            value_at=int(value[row]), source=int(ids[row]), attempt=float(attempt[row]),
            clearing=book.CLEARING if clearing[row] else book.PAYMENT, returnable_until=int(returnable[row]),
            refund=bool(refund[row]), use=str(use[row]),
        )  # fmt: skip


def _added(payments: Facts, amount: Rows, where: npt.NDArray[np.bool_]) -> Rows:
    """What goes out, less what the version before said; other amounts as they are."""
    ids, attempt = payments.text("payment_id").codes, np.nan_to_num(payments.numbers("attempt"), nan=-1.0)
    event = payments.text("event").codes
    before: dict[tuple[int, int, float], int] = {}
    added = amount.copy()
    for row in np.argsort(payments.known_at, kind="stable"):
        if where[row]:
            key = int(ids[row]), int(event[row]), float(attempt[row])
            added[row] = amount[row] - before.get(key, 0)
            before[key] = int(amount[row])
    return added


def returnable_until(payments: Facts) -> Rows:
    """Until when each collection can come back through the bank; NAT for other payments."""
    day = day_number(payments.happened_at)
    core = add_bank_days(day, RETURN_WINDOW_DAYS["direct_debit"], from_closed_day="forward")
    b2b = add_bank_days(day, RETURN_WINDOW_DAYS["direct_debit_b2b"], from_closed_day="forward")
    return day_end(np.where(is_collection(payments), np.where(is_business(payments), b2b, core), NAT))


def is_business(payments: Facts) -> npt.NDArray[np.bool_]:
    """Which payment rows run under the business-to-business scheme."""
    return payments.text("method").is_word("direct_debit_b2b") | payments.text("scheme").is_word("b2b", "B2B")
