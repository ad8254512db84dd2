"""Histories of contacts to put on a world: a pilot that was drawn by lot, and one that went to the riskiest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.simulate.actions import check_actions
from earlywarn.simulate.chance import uniform
from earlywarn.simulate.effects import is_late
from earlywarn.simulate.world import WINDOWS, World

__all__ = ["calls_to_the_riskiest", "randomised_pilot"]

_ARM, _WINDOW, _LUCK = 800, 801, 802
ARMS: Mapping[str, float] = {"none": 0.4, "notice": 0.3, "call": 0.3}


def randomised_pilot(
    world: World, start: Any, end: Any, *, arms: Mapping[str, float] = ARMS, lead_days: int = 7
) -> pd.DataFrame:
    """One arm a customer, drawn by lot, and its action before the due day of each bill.

    Parameters
    ----------
    world : World
    start, end : date-like
        Due days from ``start`` to before ``end``.
    arms : mapping of str to float
        Chance of each; words of `ACTIONS`, and ``none``.
    lead_days : int
        Days before the due day.

    Returns
    -------
    DataFrame
        For `World.live`: customer_id, day, action, window; with experiment, arm and propensity, and a row for each
        bill for which nothing is done.

    Raises
    ------
    DataError
        D187 no such action.

    Examples
    --------
    >>> pilot = randomised_pilot(World("telecom", customers=300, months=8), "2024-10-01", "2025-01-01")
    >>> sorted(pilot["arm"].unique())
    ['call', 'none', 'notice']
    """
    check_actions(arms)
    born = world.born()
    who, slot, day = _bills(world, born.billing.due, start, end, lead_days, born.billing.issued)
    names = list(arms)
    weights = np.array(list(arms.values()))
    edges = np.cumsum(weights / weights.sum())
    key = born.people["key"]
    arm = np.minimum(np.searchsorted(edges, uniform(key, _ARM, np.array(0)), side="right"), len(names) - 1)[who]
    return _log(world, born, who, slot, day, np.array(names)[arm], "pilot").assign(
        arm=np.array(names)[arm], propensity=(weights / weights.sum())[arm]
    )


def calls_to_the_riskiest(
    world: World, start: Any, end: Any, *, share: float = 0.15, lead_days: int = 7
) -> pd.DataFrame:
    """Calls as they are mostly made: month by month to those who were late most often until then.

    Who is called is in trouble already, so the called are late more often than the others, however much the calls
    help: a comparison of the two says that calls harm.

    Parameters
    ----------
    world : World
    start, end : date-like
        Due days from ``start`` to before ``end``.
    share : float
        Of the bills of a month.
    lead_days : int
        Days before the due day.

    Returns
    -------
    DataFrame
        For `World.live`: customer_id, day, action, window; a row for each bill, ``none`` where nobody is called.
    """
    born = world.born()
    bills = born.live().bills
    who, slot, day = _bills(world, born.billing.due, start, end, lead_days, born.billing.issued)
    known = (bills["issued"] >= 0) & (bills["amount"] > 0)
    late = is_late(bills) & known
    until = np.where(known, bills["first_due"] + 30, 1 << 30)
    before = until[who] < day[:, None]
    had = (late[who] & before).sum(axis=1) + 0.3
    risk = had / (before.sum(axis=1) + 4.0) * (0.7 + 0.6 * uniform(born.people["key"][who], _LUCK, slot))
    month = pd.Series(world.span.dates(day).astype("M8[M]"))
    rank = pd.Series(risk).groupby(month.to_numpy()).rank(ascending=False, pct=True, method="first")
    action = np.where(rank.to_numpy() <= share, "call", "none")
    return _log(world, born, who, slot, day, action, "usual practice")


def _bills(world: World, due: Any, start: Any, end: Any, lead_days: int, issued: Any) -> tuple[Any, Any, Any]:
    """Rows and slots of bills that fall due in a period, and the day before it on which they are acted on."""
    first, last = (int(world.span.day(np.datetime64(pd.Timestamp(at)))) for at in (start, end))
    who, slot = np.nonzero((issued >= 0) & (due >= first) & (due < last) & (due - lead_days > issued))
    return who, slot, due[who, slot] - lead_days


def _log(world: World, born: Any, who: Any, slot: Any, day: Any, action: Any, experiment: str) -> pd.DataFrame:
    window = (uniform(born.people["key"][who], _WINDOW, slot) * WINDOWS).astype(np.int64)
    return pd.DataFrame(
        {
            "customer_id": born.ids[who],
            "day": world.span.dates(day),
            "action": action,
            "window": window,
            "experiment": experiment,
        }
    )
