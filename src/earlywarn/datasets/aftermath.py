"""What surrounds the bills of the generated biller: delivery, disputes, arrangements and contacts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from earlywarn.datasets.conduct import make_instalments
from earlywarn.datasets.span import days, stack

__all__ = ["make_arrangements", "make_contacts", "make_credit_notes", "make_disputes", "make_invoice_events"]

Frame = pd.DataFrame
Rng = np.random.Generator


def make_invoice_events(rng: Rng, bills: Frame) -> Frame:
    """Sent in the morning of issue, delivered or bounced within the hour, viewed in the days after."""
    n = len(bills)
    sent = bills["issued_on"] + pd.to_timedelta(rng.integers(7 * 60, 9 * 60, n), unit="min")
    there = sent + pd.to_timedelta(rng.integers(1, 60, n), unit="min")
    seen = there + pd.to_timedelta(np.rint(rng.exponential(2000, n)).astype(np.int64), unit="min")
    happened: dict[str, tuple[Any, Any]] = {
        "sent": (sent, np.full(n, True)),
        "delivered": (there, ~bills["bounced"]),
        "bounced": (there, bills["bounced"]),
        "viewed": (seen, bills["viewed"] & (bills["channel"] != "letter")),
    }
    channel = {"invoice_id": bills["invoice_id"], "channel": bills["channel"]}
    events: Frame = stack(
        [
            pd.DataFrame({**channel, "happened_at": at, "event": word}).loc[where]
            for word, (at, where) in happened.items()
        ]
    )
    return events.sort_values(["happened_at", "invoice_id"], kind="stable")


def make_disputes(bills: Frame) -> Frame:
    """Bills that customers do not agree with; nearly half are upheld."""
    own = bills[bills["fate"] == "disputed"]
    return pd.DataFrame(
        {
            "dispute_id": "X" + own["invoice_id"].str[1:],
            "customer_id": own["customer_id"],
            "opened_on": own["opened_on"],
            "invoice_id": own["invoice_id"],
            "amount": own["amount"],
            "kind": "dispute",
            "cause": np.where(own["shock"] > 0.4, "bill_too_high", "other"),
            "closed_on": own["closed_on"],
            "upheld": (own["credit"] > 0).astype("boolean"),
        }
    )


def make_credit_notes(bills: Frame) -> Frame:
    """What a dispute that was upheld takes off the bill."""
    given = bills[bills["credit"] > 0]
    return pd.DataFrame(
        {
            "invoice_id": "N" + given["invoice_id"].str[1:],
            "customer_id": given["customer_id"],
            "account_id": given["account_id"],
            "issued_on": given["closed_on"],
            "due_on": given["closed_on"],
            "amount": -given["credit"] / 100,
            "currency": "EUR",
            "kind": "credit_note",
            "corrects_id": given["invoice_id"],
        }
    )


def make_arrangements(bills: Frame) -> Frame:
    """Postponements agreed before the due day, instalments after it, and what became of them."""
    agreed = bills[bills["agreed_on"].notna()]
    last_due = make_instalments(bills).groupby("invoice_id")["due_on"].max()
    last = last_due.reindex(agreed["invoice_id"]).to_numpy()
    return pd.DataFrame(
        {
            "arrangement_id": "G" + agreed["invoice_id"].str[1:],
            "customer_id": agreed["customer_id"],
            "agreed_on": agreed["agreed_on"],
            "kind": np.where(agreed["fate"] == "postponed", "postponement", "instalments"),
            "invoice_ids": agreed["invoice_id"],
            "ended_on": np.where(agreed["kept"], last, last + days(10)),
            "ended_as": np.where(agreed["kept"], "kept", "broken"),
        }
    )


def make_contacts(rng: Rng, bills: Frame) -> Frame:
    """Calls of customers about a bill, reminders a week after the due day, calls two weeks after those."""
    chased = ~bills["fate"].isin(["withdrawn", "disputed", "postponed", "instalments"])
    days_open = (bills["done_on"].fillna(pd.Timestamp("2199-01-01")) - bills["due_on"]).dt.days
    asking = bills[rng.random(len(bills)) < np.where(bills["shock"] > 0.4, 0.25, 0.01)]
    parts = [
        _contact(rng, asking, asking["issued_on"] + pd.Timedelta(days=3), "service"),
        *(
            _contact(rng, late, late["due_on"] + pd.Timedelta(days=after), purpose)
            for purpose, after in (("reminder", 7), ("collection", 21))
            for late in [bills[chased & (days_open > after)]]
        ),
    ]
    made = stack(parts).sort_values(["contacted_at", "customer_id"], kind="stable", ignore_index=True)
    made["contact_id"] = [f"M{number:06d}" for number in range(1, len(made) + 1)]
    return made


def _contact(rng: Rng, bills: Frame, day: Any, purpose: str) -> Frame:
    n, service = len(bills), purpose == "service"
    at = day + pd.to_timedelta(rng.integers(9 * 60, 17 * 60, n), unit="min")
    reached = (rng.random(n) < 0.45) | service
    promises = reached & (purpose == "collection") & (rng.random(n) < 0.5)
    rates = (rng.random(n) < 0.6) & service
    rating = pd.Series(rng.choice([1.0, 2, 3, 4, 5], n, p=[0.1, 0.1, 0.2, 0.4, 0.2]), bills.index)
    cause = np.select([bills["shock"] > 0.4, bills["short"]], ["bill_too_high", "income_drop"], "forgot")
    return pd.DataFrame(
        {
            "customer_id": bills["customer_id"],
            "contacted_at": at,
            "channel": "email" if purpose == "reminder" else "phone",
            "direction": "inbound" if service else "outbound",
            "invoice_id": bills["invoice_id"],
            "purpose": purpose,
            "topic": np.where(bills["shock"] > 0.4, "bill", "other") if service else "payment",
            "outcome": "delivered" if purpose == "reminder" else np.where(reached, "reached", "no_answer"),
            "outcome_at": at + pd.Timedelta(minutes=6),
            "stated_reason": pd.Series(cause, bills.index).where(promises),
            "promised_on": (at.dt.normalize() + pd.Timedelta(days=7)).where(promises),
            "promised_amount": bills["amount"].where(promises),
            "satisfaction": rating.where(rates),
            "rated_on": (at.dt.normalize() + pd.Timedelta(days=1)).where(rates),
            "role": "customer_service" if service else "receivables",
        }
    )
