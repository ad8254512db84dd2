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

from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.errors import EarlywarnError, suggest
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["AMOUNTS", "COLLECTED", "DIRECT_DEBIT", "KINDS", "Change", "changed_bills", "changed_ledger"]

Floats = npt.NDArray[np.float64]

#: Days back in which use and payments are changed.
USE_DAYS, PAID_DAYS = 30, 90
#: Columns of the observations that are amounts.
AMOUNTS = ("amount", "open_amount", "amount_low", "amount_high")
#: Date columns of payments that move with them.
PAID_COLUMNS = ("paid_on", "value_on")
DIRECT_DEBIT = "direct_debit"
#: Tables that say how a bill is collected.
COLLECTED = ("invoices", "schedule", "accounts")


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


def changed_ledger(ledger: Ledger, changes: Sequence[Change], as_of: int, obs: pd.DataFrame) -> Ledger:
    """The ledger as it would be known at a moment after changes to facts.

    Parameters
    ----------
    ledger : Ledger
        As it was known at ``as_of``.
    changes : sequence of Change
    as_of : int, microseconds
    obs : DataFrame
        The bills that are asked about, as from `Outcome.standing`.

    Returns
    -------
    Ledger
        The same one where no change is about facts.
    """
    for change in changes:
        if change.kind in ("usage", "price") and "usage" in ledger.given:
            columns = ("quantity", "cost") if change.kind == "usage" else ("cost",)
            usage = ledger.table("usage")
            lately = usage.happened_at >= as_of - USE_DAYS * US_PER_DAY
            ledger = ledger.with_tables({"usage": _times(usage, columns, lately, 1 + change.size)})
        elif change.kind == "income":
            ledger = ledger.with_tables({"payments": _paid_later(ledger.table("payments"), change.size, as_of)})
        elif change.kind == "autopay":
            tables = [name for name in COLLECTED if "collect_by" in ledger.table(name).columns]
            ledger = ledger.with_tables({name: _collected(ledger.table(name)) for name in tables})
        if change.kind in ("price", "instalments", "due_day"):
            times = {"price": 1 + change.size, "instalments": 1 / max(change.size, 1)}.get(change.kind, 1.0)
            days = round(change.size) if change.kind == "due_day" else 0
            ledger = ledger.with_tables(_billed(ledger, obs, times, days))
    return ledger


def _billed(ledger: Ledger, obs: pd.DataFrame, times: float, days: int) -> dict[str, Facts]:
    """Invoices and planned amounts of the bills that are asked about, with other amounts or due days."""
    invoices, schedule = ledger.table("invoices"), ledger.table("schedule")
    ids = obs["invoice_id"].dropna().astype(str)
    planned = obs[obs["invoice_id"].isna()]
    owner = ledger.owners(planned["customer_id"])
    due = planned["due_on"].to_numpy().astype("M8[us]").astype(np.int64)
    wanted = {*zip(owner.tolist(), due.tolist(), strict=True)}
    found = zip(schedule.owner.tolist(), schedule.moments("expected_due_on").tolist(), strict=True)
    rows = np.fromiter((one in wanted for one in found), dtype=bool, count=len(schedule))
    return {
        "invoices": _moved(invoices, invoices.text("invoice_id").is_word(*ids), "due_on", times, days),
        "schedule": _moved(schedule, rows, "expected_due_on", times, days),
    }


def _moved(facts: Facts, rows: npt.NDArray[np.bool_], due: str, times: float, days: int) -> Facts:
    """Rows with their amounts times a factor and due later by days."""
    return _later(_times(facts, ("amount",), rows, times), (due,), rows, np.int64(days * US_PER_DAY))


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


def _paid_later(facts: Facts, days: float, as_of: int) -> Facts:
    """Payments of the last days, later by days; those that would not be there yet are not."""
    lately = facts.happened_at >= as_of - PAID_DAYS * US_PER_DAY
    by = np.int64(round(days) * US_PER_DAY)
    moved = replace(
        _later(facts, PAID_COLUMNS, lately, by),
        happened_at=facts.happened_at + by * lately, known_at=facts.known_at + by * lately,
    )  # fmt: skip
    return moved.take(moved.known_at < as_of)


def _times(facts: Facts, names: Sequence[str], rows: npt.NDArray[np.bool_], by: float) -> Facts:
    """Numbers of some rows times a factor; money to the whole unit, and what is missing stays so."""
    new: dict[str, Any] = {}
    for name in names:
        if name in facts.columns:
            cells = facts.numbers(name).copy()
            chosen = rows & (cells != NAT)
            scaled = cells[chosen] * by
            cells[chosen] = np.round(scaled) if facts.kinds[name] == "money" else scaled
            new[name] = cells
    return replace(facts, columns=MappingProxyType({**facts.columns, **new}))


def _later(facts: Facts, names: Sequence[str], rows: npt.NDArray[np.bool_], by: np.int64) -> Facts:
    """Dates of some rows later; what is missing stays so."""
    dates = {name: facts.moments(name) for name in names if name in facts.columns}
    new = {name: np.where(rows & (cells != NAT), cells + by, cells) for name, cells in dates.items()}
    return replace(facts, columns=MappingProxyType({**facts.columns, **new}))


def _collected(facts: Facts) -> Facts:
    """Everything collected by direct debit."""
    words = Text.of(np.full(len(facts), DIRECT_DEBIT, dtype=object))
    return replace(facts, columns=MappingProxyType({**facts.columns, "collect_by": words}))
