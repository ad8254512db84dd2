"""Changes to what is known of debtors: to their facts, to the observed bill, or to both.

A change is applied to the data and the model is asked anew, so that everything that reads the data follows. The lead,
the days from the moment of observation to the due day, stays what it was: what is asked is the same question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY
from earlywarn.errors import EarlywarnError, suggest
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["KINDS", "Change", "changed_bills", "changed_ledger"]

Floats = npt.NDArray[np.float64]

#: Days back in which use and payments are changed.
USE_DAYS, PAID_DAYS = 30, 90
#: Columns of the observations that are amounts.
AMOUNTS = ("amount", "open_amount", "amount_low", "amount_high")
#: Date columns of payments that move with them.
PAID_COLUMNS = ("paid_on", "value_on")
DIRECT_DEBIT = "direct_debit"


@dataclass(frozen=True)
class Change:
    """One change, and how far it goes.

    Parameters
    ----------
    kind : str
        One of `KINDS`: ``usage`` (cost and quantity of the last 30 days, and the running bill), ``price`` (cost of use
        and every open bill), ``limit`` (a running bill no higher than usual), ``due_day`` (later by days),
        ``instalments`` (in how many parts), ``autopay`` (collected by direct debit), ``income`` (what was paid in the
        last 90 days came in later by days).
    size : float
        A share (0.2 is 20% more), days, or parts; 0 where it has none.

    Examples
    --------
    >>> Change("due_day", 10)
    Change(kind='due_day', size=10)
    """

    kind: str
    size: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EarlywarnError(
                f"{self.kind!r} is no change that can be asked about.", code="E034", hint=suggest(self.kind, KINDS)
            )
        low, high = KINDS[self.kind]
        if not low <= self.size <= high:
            raise EarlywarnError(
                f"a change of {self.kind} goes from {low:g} to {high:g}.", code="E034", found=f"{self.size:g}"
            )


#: Kinds of changes, and how far each may go.
KINDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "usage": (-1.0, 10.0), "price": (-1.0, 10.0), "limit": (0.0, 0.0), "due_day": (-31.0, 62.0),
        "instalments": (1.0, 36.0), "autopay": (0.0, 0.0), "income": (0.0, 90.0),
    }
)  # fmt: skip


def changed_ledger(ledger: Ledger, changes: Sequence[Change], as_of: int) -> Ledger:
    """The ledger as it would be known at a moment after changes to facts.

    Parameters
    ----------
    ledger : Ledger
        As it was known at ``as_of``.
    changes : sequence of Change
    as_of : int, microseconds

    Returns
    -------
    Ledger
        The same one where no change is about facts.
    """
    for change in changes:
        if change.kind in ("usage", "price") and "usage" in ledger.given:
            columns = ("quantity", "cost") if change.kind == "usage" else ("cost",)
            ledger = ledger.with_tables({"usage": _scaled(ledger.table("usage"), columns, 1 + change.size, as_of)})
        elif change.kind == "income":
            ledger = ledger.with_tables({"payments": _paid_later(ledger.table("payments"), change.size, as_of)})
        elif change.kind == "autopay":
            tables = [
                name for name in ("invoices", "schedule", "accounts") if "collect_by" in ledger.table(name).columns
            ]
            ledger = ledger.with_tables({name: _collected(ledger.table(name)) for name in tables})
    return ledger


def changed_bills(obs: pd.DataFrame, changes: Sequence[Change], usual: Floats) -> pd.DataFrame:
    """Observed bills after changes to them.

    Parameters
    ----------
    obs : DataFrame
        As from `Outcome.standing`.
    changes : sequence of Change
    usual : ndarray of float64, shape (n,)
        The usual bill of each debtor; missing where none is known.

    Returns
    -------
    DataFrame
    """
    amounts = [name for name in AMOUNTS if name in obs.columns]
    for change in changes:
        if change.kind == "price":
            obs = obs.assign(**{name: obs[name] * (1 + change.size) for name in amounts})
        elif change.kind == "instalments":
            obs = obs.assign(**{name: obs[name] / change.size for name in amounts})
        elif change.kind == "limit":
            running = (obs["stage"] == "cycle").to_numpy(dtype=bool)
            most = np.where(running & ~np.isnan(usual), usual, np.inf)
            obs = obs.assign(**{name: np.minimum(obs[name].to_numpy(dtype=np.float64), most) for name in amounts})
        elif change.kind == "due_day":
            obs = obs.assign(due_on=obs["due_on"] + pd.Timedelta(days=round(change.size)))
    return obs


def _scaled(facts: Facts, columns: Sequence[str], by: float, as_of: int) -> Facts:
    """Numbers of the last days, times a factor."""
    lately = facts.happened_at >= as_of - USE_DAYS * US_PER_DAY
    new: dict[str, Any] = dict(facts.columns)
    for name in columns:
        if name in new:
            values = np.where(lately, new[name] * by, new[name])
            new[name] = np.round(values).astype(np.int64) if facts.kinds[name] == "money" else values
    return replace(facts, columns=MappingProxyType(new))


def _paid_later(facts: Facts, days: float, as_of: int) -> Facts:
    """Payments of the last days, later by days; those that would not be there yet are not."""
    lately = facts.happened_at >= as_of - PAID_DAYS * US_PER_DAY
    later = np.where(lately, round(days) * US_PER_DAY, 0)
    new: dict[str, Any] = dict(facts.columns)
    for name in PAID_COLUMNS:
        if name in new:
            stated = new[name] != np.iinfo(np.int64).min
            new[name] = np.where(stated, new[name] + np.where(stated, later, 0), new[name])
    moved = replace(
        facts, columns=MappingProxyType(new), happened_at=facts.happened_at + later, known_at=facts.known_at + later
    )
    return moved.take(moved.known_at < as_of)


def _collected(facts: Facts) -> Facts:
    """Everything collected by direct debit."""
    words = Text.of(np.full(len(facts), DIRECT_DEBIT, dtype=object))
    return replace(facts, columns=MappingProxyType({**facts.columns, "collect_by": words}))
