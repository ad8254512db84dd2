"""How much room each customer has week by week: slow swings, and losses of income that follow the region's economy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from earlywarn.simulate.chance import uniform
from earlywarn.simulate.economy import Economy
from earlywarn.simulate.preset import Means

__all__ = ["bare_room_on", "draw_means", "draw_means_anew", "others_on"]

_SWING, _LOSS, _RECOVERY = 200, 201, 202
#: The week from which on losses of income may have begun.
FIRST_WEEK = -40
#: The unemployment, in percent, at which losses come at the stated rate.
USUAL_UNEMPLOYMENT = 5.0


def bare_room_on(everybody: Any, traits: Any, room: Any, day: Any) -> Any:
    """Means of a customer on a day, were there no other bills and no season: his own, the week's, since payday.

    Parameters
    ----------
    everybody : object
        ``of_month`` and ``season`` of each day.
    traits : record of TRAITS
    room : ndarray of float32, shape (n_weeks,)
    day : int or ndarray of int64
    """
    since_payday = (everybody.of_month[day] - traits.payday + 31) % 31
    return traits.slack + room[day // 7] + traits.jump * (0.5 - since_payday / 31)


def others_on(everybody: Any, traits: Any, day: Any) -> Any:
    """What other bills of the month take on a day, until the next payday, and the season."""
    since_payday = (everybody.of_month[day] - traits.payday + 31) % 31
    since_others = (everybody.of_month[day] - traits.other_day + 31) % 31
    return traits.others * (since_others < since_payday) + everybody.season[day]


def draw_means(
    means: Means, economy: Economy, region: npt.NDArray[np.int64], key: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Room of each customer and week, around the customer's own mean.

    Parameters
    ----------
    means : Means
    economy : Economy
    region : ndarray of int64, shape (n,)
    key : ndarray of uint64, shape (n,)

    Returns
    -------
    room : ndarray of float32, shape (n, n_weeks)
    lost : ndarray of bool, shape (n, n_weeks)
        Weeks in which an income is lost.
    """
    n, weeks = len(region), economy.of_week().shape[1]
    room, lost = np.empty((n, weeks), dtype=np.float32), np.empty((n, weeks), dtype=bool)
    swing, here = ndtri(uniform(key, _SWING, np.array(0))), np.zeros(n, dtype=bool)
    rate = _rate(means, economy)
    for week in range(FIRST_WEEK, weeks):
        swing, here = _next(means, rate[region, max(week, 0)], key, swing, here, week)
        if week >= 0:
            room[:, week], lost[:, week] = means.within * swing - means.shock * here, here
    return room, lost


def draw_means_anew(
    means: Means, economy: Economy, region: npt.NDArray[np.int64], key: npt.NDArray[np.uint64],
    known: tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]], since: npt.NDArray[np.int64], stop: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:  # fmt: skip
    """Means that are drawn anew from a week on, from what they were in the week before.

    Parameters
    ----------
    means, economy, region, key
        As in `draw_means`.
    known : tuple of ndarray
        As `draw_means` gave them.
    since : ndarray of int64, shape (n,)
        The first week that is drawn anew; for 0 and below nothing is known of the means.
    stop : int
        Weeks from here on are not looked at, and stay as they were.

    Returns
    -------
    room, lost : ndarray, shape (n, n_weeks)
    """
    room, lost = known[0].copy(), known[1].copy()
    first = max(1, int(since.min(initial=stop)))
    nothing = since <= 0
    shocked = means.shocks / 52 * means.shock_weeks
    swing = np.where(nothing, ndtri(uniform(key, _SWING, np.array(0))), 0.0)
    here = nothing & (uniform(key, _LOSS, np.array(0)) < shocked / (1 + shocked))
    rate = _rate(means, economy)
    for week in range(first, min(stop, room.shape[1])):
        begins = (since == week) | (week == first) & ~nothing
        swing = np.where(begins, (room[:, week - 1] + means.shock * lost[:, week - 1]) / max(means.within, 1e-9), swing)
        here = np.where(begins, lost[:, week - 1], here)
        swing, here = _next(means, rate[region, week], key, swing, here, week)
        anew = since <= week
        room[:, week] = np.where(anew, means.within * swing - means.shock * here, room[:, week])
        lost[:, week] = np.where(anew, here, lost[:, week])
    return room, lost


def _rate(means: Means, economy: Economy) -> npt.NDArray[np.float64]:
    """Chance of a loss of income, by region and week."""
    found: npt.NDArray[np.float64] = means.shocks / 52 * np.exp(means.region * (economy.of_week() - USUAL_UNEMPLOYMENT))
    return found


def _next(means: Means, rate: Any, key: Any, swing: Any, here: Any, week: int) -> tuple[Any, Any]:
    """Swing of means and whether an income is lost, a week later."""
    number, stay = np.array(week - FIRST_WEEK + 1), np.exp(-1 / means.weeks)
    here = np.where(here, uniform(key, _RECOVERY, number) >= 1 / means.shock_weeks, uniform(key, _LOSS, number) < rate)
    if week >= 0:
        swing = stay * swing + np.sqrt(1 - stay * stay) * ndtri(uniform(key, _SWING, number))
    return swing, here
