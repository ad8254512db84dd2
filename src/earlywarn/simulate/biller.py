"""The tables of a biller in one line, clean or as billing systems hand them over."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from earlywarn.simulate.preset import Preset
from earlywarn.simulate.world import World

__all__ = ["make_biller"]

Frame = pd.DataFrame


def make_biller(
    customers: int = 2000, months: int = 18, seed: int = 0, start: str = "2024-07-01", *,
    preset: str | os.PathLike[str] | Preset = "telecom", dirty: bool = False, **changes: Any,
) -> dict[str, Frame]:  # fmt: skip
    """Tables of a simulated biller, see `World`.

    Parameters
    ----------
    customers : int
    months : int
        Length, at least 3. The data end there: bills of the last weeks are still open.
    seed : int
        Equal seeds give equal tables.
    start : str
        A day of the first month; everything begins on the first of that month.
    preset : str, path or Preset
    dirty : bool
        Add five faulty rows: an amount that is text, a due day before issue, an invoice number
        that comes twice, a payment of an unknown invoice, an amount with three decimals.
    **changes : dict
        Parts of the preset of which some figures are replaced.

    Returns
    -------
    dict of DataFrame
        For `Ledger.from_tables`, in euro. Hand over ``until`` as well: the first day after the last month.

    Raises
    ------
    DataError
        As `World`.

    Examples
    --------
    >>> tables = make_biller(customers=50, months=4)
    >>> sorted(tables)[:5], len(tables["customers"])
    (['accounts', 'arrangements', 'consents', 'contacts', 'contracts'], 50)
    """
    tables = World(preset, customers, months, seed, start, **changes).live().tables()
    return soiled(tables) if dirty else tables


def soiled(tables: dict[str, Frame]) -> dict[str, Frame]:
    """Add rows as billing systems hand them over now and then."""
    invoices, payments = tables["invoices"], tables["payments"]
    owed = invoices[invoices["amount"] > 0]
    bad = owed.iloc[[10, 11, 12, 13]].copy()
    bad["invoice_id"] = ["BAD-TEXT", "BAD-DUE", owed["invoice_id"].iloc[12], "BAD-CENTS"]
    bad["amount"] = pd.Series(["twelve", 20.0, 33.0, 10.125], bad.index, dtype="object")
    early = bad["issued_on"] - pd.Timedelta(days=9)
    bad["due_on"] = bad["due_on"].where(bad["invoice_id"] != "BAD-DUE", early)
    lost = payments.iloc[[5]].assign(payment_id="BAD-INVOICE", invoice_id="UNKNOWN", event="settled")
    mixed = pd.concat([invoices.astype({"amount": "object"}), bad], ignore_index=True)
    return {**tables, "invoices": mixed, "payments": pd.concat([payments, lost], ignore_index=True)}
