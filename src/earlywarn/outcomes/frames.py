"""Observations as frames: one row per obligation and moment, under the columns that are promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY, day_start, to_datetime64
from earlywarn.outcomes.bearing import Disputes, stage_at
from earlywarn.outcomes.obligations import collection_days
from earlywarn.outcomes.projection import Projection
from earlywarn.outcomes.versions import Obligations, maturity
from earlywarn.tables.facts import as_text, units
from earlywarn.tables.ledger import Ledger

__all__ = ["OBSERVATION_COLUMNS", "cycle_frame", "in_order", "obligation_frame"]

Rows = npt.NDArray[np.int64]

#: Columns of the frame of observations and their dtypes. ``amount_low`` and ``amount_high`` bound the projected
#: bill of the stage ``cycle``; elsewhere the amount is known and they are missing.
OBSERVATION_COLUMNS = {
    "obligation_id": "text",
    "stage": "text",
    "invoice_id": "text",
    "customer_id": "text",
    "as_of": "datetime64[us]",
    "due_on": "datetime64[us]",
    "lead_days": "int64",
    "amount": "float64",
    "open_amount": "float64",
    "matures_at": "datetime64[us]",
    "due_is_estimated": "bool",
    "amount_low": "float64",
    "amount_high": "float64",
}


def in_order(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """All rows sorted by (as_of, customer_id, obligation_id)."""
    filled = [part for part in parts if len(part)]
    frame = pd.concat(filled, ignore_index=True) if filled else parts[0]
    return frame.sort_values(["as_of", "customer_id", "obligation_id"], ignore_index=True)[list(OBSERVATION_COLUMNS)]


def obligation_frame(
    ledger: Ledger, versions: Obligations, as_of: Rows, *, grace_days: int, disputed: bool = False
) -> pd.DataFrame:
    """Rows of obligations whose amount is known.

    Parameters
    ----------
    ledger : Ledger
    versions : Obligations, n versions
    as_of : ndarray of int64, shape (n,), microseconds
    grace_days : int
    disputed : bool
        Keep what is wholly in dispute.

    Returns
    -------
    DataFrame, columns `OBSERVATION_COLUMNS`
    """
    if not disputed:
        in_dispute = Disputes(ledger).open_at(versions.debt, versions.owner, as_of)
        rows = np.flatnonzero(in_dispute < versions.open)
        versions, as_of = versions.take(rows), as_of[rows]
    n_invoices = len(ledger.debts.invoice_ids)
    is_invoice = (versions.debt >= 0) & (versions.debt < n_invoices)
    invoice_ids = np.array([*ledger.debts.invoice_ids, None], dtype=object)
    matures = maturity(versions.due_at, versions.collected, grace_days, ledger.payment_lag_days)
    return pd.DataFrame(
        {
            "obligation_id": as_text(versions.ids[versions.number]),
            "stage": as_text(stage_at(ledger, versions, as_of)),
            "invoice_id": as_text(invoice_ids[np.where(is_invoice, versions.debt, n_invoices)]),
            "amount": units(versions.amount, ledger.digits),
            "open_amount": units(versions.open, ledger.digits),
            "due_is_estimated": False,
            "amount_low": np.nan,
            "amount_high": np.nan,
            **_moments(ledger, versions.owner, as_of, versions.due_at, matures),
        }
    )[list(OBSERVATION_COLUMNS)]


def cycle_frame(
    ledger: Ledger, projection: Projection, version: Rows, as_of: Rows, *, grace_days: int, disputed: bool = False
) -> pd.DataFrame:
    """Rows of running periods, at the bill that is projected; a period that will bill nothing is left out.

    Parameters
    ----------
    ledger : Ledger
    projection : Projection
    version : ndarray of int64, shape (n,)
        Versions of `Cycles`, in force at the moments.
    as_of : ndarray of int64, shape (n,), microseconds
    grace_days : int
    disputed : bool
        Keep periods of debtors with a dispute about everything.

    Returns
    -------
    DataFrame, columns `OBSERVATION_COLUMNS`
    """
    cycles, bills = projection.cycles, projection.bills
    amount, low, high = (np.round(values, ledger.digits) for values in projection.amounts(version, as_of))
    owner = bills.owner[bills.line[version // 2]]
    kept = amount > 0
    if not disputed:
        kept &= Disputes(ledger).open_at(np.full(len(owner), -1), owner, as_of) <= 0
    rows = np.flatnonzero(kept)
    version, as_of, owner = version[rows], as_of[rows], owner[rows]
    due_at = day_start(cycles.due[version])
    collected = collection_days(ledger, "invoices")[bills.debt[version // 2]]
    matures = maturity(due_at, collected, grace_days, ledger.payment_lag_days)
    return pd.DataFrame(
        {
            "obligation_id": as_text(cycles.names(ledger, cycles.number[version])),
            "stage": as_text(np.full(len(rows), "cycle", dtype=object)),
            "invoice_id": as_text(np.full(len(rows), None, dtype=object)),
            "amount": amount[rows],
            "open_amount": amount[rows],
            "due_is_estimated": True,
            "amount_low": np.maximum(low[rows], 0.0),
            "amount_high": high[rows],
            **_moments(ledger, owner, as_of, due_at, matures),
        }
    )[list(OBSERVATION_COLUMNS)]


def _moments(ledger: Ledger, owner: Rows, as_of: Rows, due_at: Rows, matures: Rows) -> dict[str, Any]:
    customers = np.array([*ledger.customers, None], dtype=object)
    return {
        "customer_id": as_text(customers[owner]),
        "as_of": to_datetime64(as_of),
        "due_on": to_datetime64(due_at),
        "lead_days": (due_at - as_of) // US_PER_DAY,
        "matures_at": to_datetime64(matures),
    }
