"""Where a world ends: tables hold what had happened by then, and of it what was known."""

from __future__ import annotations

from typing import Any

import pandas as pd

from earlywarn.tables.schema import TABLES

__all__ = ["until_end"]

Frame = pd.DataFrame

#: The column that must lie before the end, and those that are not known until then.
_CLOCK = {
    "customers": "customer_since", "accounts": "opened_on", "contracts": "starts_on", "invoices": "issued_on",
    "invoice_lines": "known_at", "mandates": "event_on", "invoice_events": "happened_at", "payments": "paid_on",
    "usage": "used_on", "contacts": "contacted_at",
    "disputes": "opened_on", "arrangements": "agreed_on", "holds": "started_on", "consents": "given_on",
    "regions": "published_on", "instalments": "known_at", "schedule": "known_at",
}  # fmt: skip
_LATER = ("withdrawn_on", "closed_on", "ended_on", "rated_on", "outcome_at")
_TOLD_BY = {
    "upheld": "closed_on", "ended_as": "ended_on", "satisfaction": "rated_on", "outcome": "outcome_at",
    "accepted": "outcome_at", "stated_reason": "outcome_at",
}  # fmt: skip


def until_end(frame: Frame, name: str, end: Any) -> Frame:
    """Keep what had happened by the end, of it what was known, and the columns of the schema only."""
    columns = [column for column in TABLES[name].columns if column in frame.columns]
    frame = frame.loc[frame[_CLOCK[name]].to_numpy() < end, columns].reset_index(drop=True)
    for column in frame.columns:
        if pd.api.types.is_datetime64_dtype(frame[column].dtype):
            frame[column] = frame[column].astype("datetime64[us]")
    for column in frame.columns.intersection(list(_LATER)):
        frame[column] = frame[column].where(frame[column] < end)
    for column, day in _TOLD_BY.items():
        if column in frame and day in frame:
            frame[column] = frame[column].where(frame[day].notna())
    return frame
