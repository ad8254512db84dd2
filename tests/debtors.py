"""Debtors made by hand: a ledger of open invoices at chosen leads, their scores, and features in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.actions.policy import Policy
from earlywarn.outcomes import Outcome
from earlywarn.tables.ledger import Ledger

AS_OF = pd.Timestamp("2026-03-10")

# What the features say. Everything else is 0: never late, no signal.
LATE = {"late_share_365d": 0.5, "late_share_all": 0.3}
LATE_FOR_MEANS = {**LATE, "returns_funds_count_365d": 2, "returns_count_365d": 2, "returns_recency_all": 200}
USAGE = {"usage_spike_30d": 1.0, "usage_outside_bundle_cost_30d": 80.0}
TIMING = {"invoice_bounced_count_60d": 1}
FUNDS = {"returns_funds_count_365d": 1, "returns_count_365d": 1, "returns_recency_all": 10}


def day(lead: float) -> pd.Timestamp:
    """The day that lies so many days after the moment."""
    return AS_OF + pd.Timedelta(days=lead)


def ledger_of(leads: Mapping[str, Sequence[int]], amount: float = 60.0, **tables: Any) -> Ledger:
    """One invoice ``customer-k`` for each lead; further tables as lists of rows."""
    invoices = [
        {"invoice_id": f"{customer}-{k}", "customer_id": customer, "issued_on": day(-60), "due_on": day(lead),
         "amount": amount, "collect_by": "transfer"}
        for customer, own in leads.items()
        for k, lead in enumerate(own)
    ]  # fmt: skip
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items() if len(rows)}
    if "payments" not in frames:
        frames["payments"] = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    frames.setdefault("invoices", pd.DataFrame(invoices))
    return Ledger.from_tables(**frames, until=day(1))


def hold(customer: str, kind: str, started: float = -30, ended: float | None = None, **more: Any) -> dict[str, Any]:
    ends = pd.NaT if ended is None else day(ended)
    return {"customer_id": customer, "kind": kind, "started_on": day(started), "ended_on": ends, **more}


def scores_of(ledger: Ledger, p_late: float | Mapping[str, float] = 0.9) -> pd.DataFrame:
    """Scores of what stands open; ``p_late`` for all, or by customer."""
    obs = Outcome().standing(ledger, AS_OF, 60)
    p = obs["customer_id"].map(p_late) if isinstance(p_late, Mapping) else p_late
    scores = obs.drop(columns="open_amount").assign(amount=obs["open_amount"], p_late=p, status="scored")
    scores["reasons"] = pd.Series([("usage_spike_30d",)] * len(scores), dtype="object")
    scores.attrs["model_version"] = "m1"
    return scores


def features_of(scores: pd.DataFrame, said: Mapping[str, Mapping[str, float]] | None = None) -> pd.DataFrame:
    """Features of each obligation: 0, but what is said of its customer."""
    X = pd.DataFrame(0.0, index=scores.index, columns=list(Policy.default().features_needed))
    X["late_share_all"] = 0.05
    for customer, values in (said or {}).items():
        for name, value in values.items():
            X.loc[scores["customer_id"] == customer, name] = value
    return X.astype(np.float32)


def plan_of(
    ledger: Ledger,
    said: Mapping[str, Mapping[str, float]] | None = None,
    p_late: float | Mapping[str, float] = 0.9,
    capacity: Mapping[str, int] | None = None,
    policy: Policy | None = None,
) -> pd.DataFrame:
    """The plan, by customer."""
    scores = scores_of(ledger, p_late)
    plan = (policy or Policy.default()).decide(scores, features_of(scores, said), ledger, AS_OF, capacity)
    return plan.set_index("customer_id", drop=False)
