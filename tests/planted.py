"""Customers whose bills are on time but for the one that a planted cause makes late; what the cause is, is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: Cause -> family whose features see it.
CAUSES = {
    "usage": "usage", "bill": "invoice", "delivery": "delivery", "means": "contacts", "mandate": "returns",
    "notice": "contract",
}  # fmt: skip
LATE_WITH, LATE_WITHOUT = 0.9, 0.02
MONTHS, ISSUED_DAY, DUE_DAYS = 14, 3, 18


def planted(customers: int, seed: int = 0) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Tables of a biller, and of each bill its customer, whether a cause was there and which.

    The amount and the use vary a little around the customer's own level, independently of anything. In two months at
    least five apart each customer has one cause; payments of late bills come three weeks later, so that history says
    little of the next.
    """
    draw = np.random.default_rng(seed)
    start = pd.Timestamp("2025-01-01")
    invoices, payments, usage, events, contacts, mandates, contracts, truth = ([] for _ in range(8))
    for number in range(customers):
        customer = f"c{number:05}"
        level, used = draw.uniform(25, 80), draw.uniform(2, 9)
        first = int(draw.integers(3, 8))
        months = {first: None, first + int(draw.integers(5, 7)): None}
        names = dict(zip(months, draw.choice(list(CAUSES), len(months)), strict=True))
        ends = None
        for month in range(MONTHS):
            cause = names.get(month)
            issued = start + pd.DateOffset(months=month, days=ISSUED_DAY - 1)
            due, invoice = issued + pd.Timedelta(days=DUE_DAYS), f"{customer}-{month:02}"
            amount = level * draw.uniform(0.95, 1.05) * (2.2 if cause == "bill" else 1.0)
            invoices.append((invoice, customer, issued, due, round(amount, 2)))
            late = draw.random() < (LATE_WITH if cause else LATE_WITHOUT)
            paid = due + pd.Timedelta(days=int(21 if late else -draw.integers(0, 4)))
            payments.append((f"p{invoice}", customer, invoice, paid, round(amount, 2)))
            for read in range(14):
                more = draw.uniform(2.5, 3.5) if cause == "usage" else 1.0
                day = issued - pd.Timedelta(days=28 - 2 * read)
                usage.append((customer, day, round(used * draw.uniform(0.85, 1.15) * more, 2)))
            if cause == "delivery":
                events.append((invoice, issued + pd.Timedelta(days=1), "bounced"))
            if cause == "means":
                contacts.append(
                    (f"k{invoice}", customer, issued - pd.Timedelta(days=2), "phone", "inbound", "income_drop")
                )
            if cause == "mandate":
                mandates.append((f"m{invoice}", customer, issued - pd.Timedelta(days=4), "cancelled"))
            if cause == "notice":
                ends = issued - pd.Timedelta(days=3)
            truth.append((invoice, customer, month, cause, late))
        contracts.append((f"C{customer}", f"A{customer}", start - pd.Timedelta(days=900), ends))
    tables = {
        "invoices": pd.DataFrame(invoices, columns=["invoice_id", "customer_id", "issued_on", "due_on", "amount"]),
        "payments": pd.DataFrame(payments, columns=["payment_id", "customer_id", "invoice_id", "paid_on", "amount"]),
        "usage": pd.DataFrame(usage, columns=["customer_id", "used_on", "quantity"]),
        "invoice_events": pd.DataFrame(events, columns=["invoice_id", "happened_at", "event"]),
        "contacts": pd.DataFrame(
            contacts, columns=["contact_id", "customer_id", "contacted_at", "channel", "direction", "stated_reason"]
        ),
        "mandates": pd.DataFrame(mandates, columns=["mandate_id", "customer_id", "event_on", "event"]),
        "accounts": pd.DataFrame(
            {"account_id": [row[1] for row in contracts], "customer_id": [row[1][1:] for row in contracts]}
        ),
        "contracts": pd.DataFrame(contracts, columns=["contract_id", "account_id", "starts_on", "notice_on"]),
    }
    return tables, pd.DataFrame(truth, columns=["invoice_id", "customer_id", "month", "cause", "late"])
