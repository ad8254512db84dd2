"""What an obligation without an invoice is about: the version of its running period, or its planned amount, then."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.outcomes.cycles import CYCLE, cycles_of
from earlywarn.outcomes.obligations import PLAN, plan_names
from earlywarn.outcomes.running import numbers_of
from earlywarn.outcomes.versions import as_known
from earlywarn.tables.events import plan_numbers
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.upto import ranges

__all__ = ["unissued"]

Rows = npt.NDArray[np.int64]


def unissued(ledger: Ledger, ids: npt.NDArray[Any], owner: Rows, as_of: Rows) -> tuple[Rows, Rows]:
    """Running periods and planned amounts by the ids of their obligations, as they were known at moments.

    Running periods are worked out only when one is asked for.

    Parameters
    ----------
    ledger : Ledger
    ids : ndarray of object, shape (n,)
        Obligation ids; None for what is not asked for.
    owner : ndarray of int64, shape (n,)
        Codes of the debtors.
    as_of : ndarray of int64, shape (n,), microseconds

    Returns
    -------
    version : ndarray of int64, shape (n,)
        Version of `Cycles` that was in force; -1 for none.
    plan : ndarray of int64, shape (n,)
        Row of ``schedule`` that was in force, under its own id or that of the period whose place it took; -1 for none.
    """
    none = np.full(len(ids), -1, dtype=np.int64)
    version, number = none, none.copy()
    periods, plans = (np.flatnonzero(_begins(ids, kind)) for kind in (CYCLE, PLAN))
    if not len(periods) and not len(plans):
        return none, none
    if len(plans):
        number[plans] = _named(ledger, ids[plans], owner[plans])
    if len(periods):
        cycle = numbers_of(ledger, pd.Series(ids[periods], dtype="object"))
        version = none.copy()
        version[periods] = _in_force(ledger, cycle, as_of[periods])
        number[periods] = _in_place_of(ledger, cycle)
    schedule = ledger.facts("schedule")
    plan = as_known(schedule, plan_numbers(schedule), np.arange(len(schedule)), number, as_of - 1, unknown=-1)
    return version, np.where(version < 0, plan, -1)


def _begins(ids: npt.NDArray[Any], kind: str) -> npt.NDArray[np.bool_]:
    return np.array([isinstance(word, str) and word.startswith(kind) for word in ids], dtype=bool)


def _named(ledger: Ledger, ids: npt.NDArray[Any], owner: Rows) -> Rows:
    """Numbers of planned amounts by their own ids; -1 for none. Only those of the debtors are written out."""
    schedule = ledger.facts("schedule")
    numbers = np.unique(plan_numbers(schedule)[np.isin(schedule.owner, owner)])
    names = pd.Index(plan_names(ledger, numbers))
    first = ~names.duplicated()  # plans of one day may differ in their hour only
    return np.append(numbers[first], -1)[names[first].get_indexer(pd.Index(ids))]


def _in_place_of(ledger: Ledger, cycle: Rows) -> Rows:
    """Numbers of the planned amounts that took the places of running periods; -1 for none."""
    cycles = cycles_of(ledger)
    taken = np.flatnonzero(cycles.of_plan >= 0)
    number = np.full(len(cycles.day) + 1, -1, dtype=np.int64)
    number[cycles.of_plan[taken]] = plan_numbers(ledger.facts("schedule"))[taken]
    return number[cycle]


def _in_force(ledger: Ledger, cycle: Rows, as_of: Rows) -> Rows:
    """Versions of running periods that were in force at moments; -1 for none."""
    cycles = cycles_of(ledger)
    order = np.argsort(cycles.number, kind="stable")
    low, high = (np.searchsorted(cycles.number[order], cycle, side) for side in ("left", "right"))
    count = np.where(cycle >= 0, high - low, 0)
    asked, candidate = np.repeat(np.arange(len(cycle)), count), order[ranges(low, count)]
    seen = cycles.seen(candidate, as_of[asked])
    found = np.full(len(cycle), -1, dtype=np.int64)
    found[asked[seen]] = candidate[seen]
    return found
