"""Attributes that a ledger knows of today only: they say nothing of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earlywarn.tables.schema import TABLES

if TYPE_CHECKING:
    from earlywarn.tables.ledger import Ledger

__all__ = ["holds_today"]


def holds_today(ledger: Ledger, table: str, column: str) -> bool:
    """Whether a column says what is so today, and nothing of the past.

    Parameters
    ----------
    ledger : Ledger
    table, column : str

    Returns
    -------
    bool
        True for attributes of customers, accounts and contracts without ``valid_from``, unless they never change.
    """
    if table not in TABLES or not TABLES[table].lasting or table not in ledger.given:
        return False
    return "valid_from" not in ledger.facts(table).columns and column not in ledger.static[table]
