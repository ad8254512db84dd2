"""Small ledgers written as rows, for tests that a reader works out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd

from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import UNALLOCATED

INVOICE = ("invoice_id", "issued_on", "due_on", "amount")
PAYMENT = ("payment_id", "paid_on", "amount")


def invoice(invoice_id: str, issued_on: str, due_on: str, amount: Any, **more: Any) -> dict[str, Any]:
    return {**dict(zip(INVOICE, (invoice_id, issued_on, due_on, amount), strict=True)), "customer_id": "c", **more}


def payment(payment_id: str, paid_on: str, amount: Any, **more: Any) -> dict[str, Any]:
    return {**dict(zip(PAYMENT, (payment_id, paid_on, amount), strict=True)), "customer_id": "c", **more}


def table(rows: list[dict[str, Any]], required: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame if len(rows) else pd.DataFrame(columns=[*required, "customer_id"])


def ledger(invoices: list[dict[str, Any]], payments: list[dict[str, Any]] | None = None, **options: Any) -> Ledger:
    """A ledger from rows; other tables as lists of rows too."""
    tables = {name: pd.DataFrame(rows) if isinstance(rows, list) else rows for name, rows in options.items()}
    return Ledger.from_tables(invoices=table(invoices, INVOICE), payments=table(payments or [], PAYMENT), **tables)


def source_names(books: Ledger) -> list[str]:
    """Payments by number, then credit notes."""
    return [*books.facts("payments").text("payment_id").labels, *books.debts.invoice_ids]


def placed(books: Ledger, *, until: Any = None) -> dict[tuple[str, str], float]:
    """Net money in units: {(payment or credit note, invoice or "credit"): amount}, zeros left out."""
    books = books if until is None else books.known_before(until)
    entries, names = books.settlement.entries, source_names(books)
    n_invoices = len(books.debts.invoice_ids)
    net: dict[tuple[str, str], float] = {}
    for debt, source, amount in zip(entries.debt, entries.source, entries.amount, strict=True):
        if debt == UNALLOCATED:
            where = "credit"
        else:
            where = books.debts.invoice_ids[debt] if debt < n_invoices else f"plan {debt - n_invoices}"
        key = (names[source] if source >= 0 else "withdrawn", where)
        net[key] = net.get(key, 0) + int(amount) / 10**books.digits
    return {key: amount for key, amount in net.items() if amount}


def still_open(books: Ledger, *, at: Any = None) -> dict[str, float]:
    """Open amount of each invoice that is not closed."""
    states, last = books.settlement.states, {}
    before = None if at is None else int(pd.Timestamp(at).to_datetime64().astype("M8[us]").astype("int64"))
    for i in range(len(states.debt)):
        if before is None or states.known_at[i] < before:
            last[int(states.debt[i])] = int(states.open[i])
    return {books.debts.invoice_ids[debt]: amount / 100 for debt, amount in last.items() if amount}
