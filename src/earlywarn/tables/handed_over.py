"""Refuse what is no ledger where one is needed, and say how to get one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from earlywarn.errors import DataError, suggest

if TYPE_CHECKING:
    from earlywarn.tables.ledger import Ledger

__all__ = ["need_customers", "need_ledger"]


def need_ledger(given: Any, by: str) -> Ledger:
    """What was handed over, when it is a ledger.

    Parameters
    ----------
    given : object
    by : str
        What asks for it, such as ``"audit_leakage"``.

    Returns
    -------
    Ledger

    Raises
    ------
    DataError
        D109 when it is something else.

    Examples
    --------
    >>> need_ledger("folder", "audit_leakage")
    Traceback (most recent call last):
    ...
    earlywarn.errors.DataError: DataError[D109]: audit_leakage needs a Ledger.
    Found: a str
    Hint: make one: Ledger.from_tables(**tables).
    """
    from earlywarn.tables.ledger import Ledger

    if isinstance(given, Ledger):
        return given
    from earlywarn.tables.store import LedgerStore

    store = isinstance(given, LedgerStore)
    raise DataError(
        f"{by} needs a Ledger.",
        code="D109",
        found=f"a {type(given).__name__}",
        hint="take one bucket after another: for ledger in store.buckets(); what group rates need of the others comes "
        "with context=, from Context.of(store, features)."
        if store
        else "make one: Ledger.from_tables(**tables).",
    )


def need_customers(ledger: Ledger, asked: Iterable[str]) -> list[str]:
    """Customers that were named, when the ledger has them all.

    Parameters
    ----------
    ledger : Ledger
    asked : iterable of str

    Returns
    -------
    list of str

    Raises
    ------
    DataError
        D162 when it has not.
    """
    named = list(asked)
    strange = sorted(set(named) - set(ledger.customers))
    if strange:
        raise DataError(
            f"there is no customer {strange[0]!r}.", code="D162", hint=suggest(strange[0], ledger.customers)
        )
    return named
