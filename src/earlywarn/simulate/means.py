"""How much room each customer has week by week: slow swings, and losses of income that follow the region's economy."""

from __future__ import annotations

from collections.abc import Iterator
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
    before = ndtri(uniform(key, _SWING, np.array(0))), np.zeros(n, dtype=bool)
    for week, swing, here in _weeks(means, economy, region, key, before, FIRST_WEEK, weeks):
        if week >= 0:
            _put(means, swing, here, room, lost, week)
    return room, lost


def draw_means_anew(
    means: Means, economy: Economy, region: npt.NDArray[np.int64], key: npt.NDArray[np.uint64], room: Any, lost: Any,
    week: int, count: int,
) -> None:  # fmt: skip
    """Draw the means of some weeks anew, from what they were in the week before on; ``room`` and ``lost`` are written.

    Parameters
    ----------
    means, economy, region, key
        As in `draw_means`.
    room, lost : ndarray, shape (n, n_weeks)
    week, count : int
        The first that is drawn anew, and how many are.
    """
    here = lost[:, week - 1].copy()
    before = (room[:, week - 1] + means.shock * here) / max(means.within, 1e-9), here
    for at, swing, here in _weeks(means, economy, region, key, before, week, min(week + count, room.shape[1])):
        _put(means, swing, here, room, lost, at)


def _weeks(
    means: Means, economy: Economy, region: Any, key: Any, before: tuple[Any, Any], first: int, stop: int
) -> Iterator[tuple[int, Any, Any]]:
    """Each week, with the swing of means and whether an income is lost, from those of the week before on."""
    swing, here = before
    rate = means.shocks / 52 * np.exp(means.region * (economy.of_week() - USUAL_UNEMPLOYMENT))
    stay = np.exp(-1 / means.weeks)
    for week in range(first, stop):
        number = np.array(week - FIRST_WEEK + 1)
        begins = uniform(key, _LOSS, number) < rate[region, max(week, 0)]
        ends = uniform(key, _RECOVERY, number) < 1 / means.shock_weeks
        here = np.where(here, ~ends, begins)
        if week >= 0:
            swing = stay * swing + np.sqrt(1 - stay * stay) * ndtri(uniform(key, _SWING, number))
        yield week, swing, here


def _put(means: Means, swing: Any, here: Any, room: Any, lost: Any, week: int) -> None:
    lost[:, week] = here
    room[:, week] = means.within * swing - means.shock * here
