"""How much room each customer has week by week: slow swings, and losses of income that follow the region's economy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from earlywarn.simulate.chance import uniform
from earlywarn.simulate.economy import Economy
from earlywarn.simulate.preset import Means

__all__ = ["Future", "draw_means", "room_on"]

_SWING, _LOSS, _RECOVERY = 200, 201, 202
#: Weeks before the first in which losses of income may have begun.
_BEFORE = 40
#: The unemployment, in percent, at which losses come at the stated rate.
USUAL_UNEMPLOYMENT = 5.0


class Future:
    """From when on another future is drawn: keys of the past and of the future of each customer.

    Parameters
    ----------
    past, future : ndarray of uint64, shape (n,)
    week : int
        The first that is drawn anew; beyond the last for the one future that there is.
    """

    def __init__(self, past: npt.NDArray[np.uint64], future: npt.NDArray[np.uint64], week: int = 1 << 30) -> None:
        self.past, self.future, self.week = past, future, week

    def key(self, week: int) -> npt.NDArray[np.uint64]:
        """Keys for draws of a week."""
        return self.future if week >= self.week else self.past


def room_on(everybody: Any, traits: Any, room: Any, day: Any) -> Any:
    """Means of a customer on a day: his own, the week's, since payday, until the next after other bills.

    Compiled for one day in ``life_kernels``; the same lines take an array of days.

    Parameters
    ----------
    everybody : object
        ``of_month`` and ``season`` of each day.
    traits : record of TRAITS
    room : ndarray of float32, shape (n_weeks,)
    day : int or ndarray of int64
    """
    since_payday = (everybody.of_month[day] - traits.payday + 31) % 31
    since_others = (everybody.of_month[day] - traits.other_day + 31) % 31
    others = traits.others * (since_others < since_payday)
    own = traits.slack + room[day // 7] + traits.jump * (0.5 - since_payday / 31)
    return own - others - everybody.season[day]


def draw_means(
    means: Means, economy: Economy, region: npt.NDArray[np.int64], future: Future
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Room of each customer and week, around the customer's own mean.

    Parameters
    ----------
    means : Means
    economy : Economy
    region : ndarray of int64, shape (n,)
    future : Future

    Returns
    -------
    room : ndarray of float32, shape (n, n_weeks)
    lost : ndarray of bool, shape (n, n_weeks)
        Weeks in which an income is lost.
    """
    unemployment = economy.of_week()
    rate = means.shocks / 52 * np.exp(means.region * (unemployment - USUAL_UNEMPLOYMENT))
    n, weeks = len(region), unemployment.shape[1]
    stay = np.exp(-1 / means.weeks)
    room, lost = np.empty((n, weeks), dtype=np.float32), np.empty((n, weeks), dtype=bool)
    here = np.zeros(n, dtype=bool)
    swing = ndtri(uniform(future.past, _SWING, np.array(0)))
    for week in range(-_BEFORE, weeks):
        key, number = future.key(week), np.array(week + _BEFORE + 1)
        begins = uniform(key, _LOSS, number) < rate[region, max(week, 0)]
        ends = uniform(key, _RECOVERY, number) < 1 / means.shock_weeks
        here = np.where(here, ~ends, begins)
        if week >= 0:
            swing = stay * swing + np.sqrt(1 - stay * stay) * ndtri(uniform(key, _SWING, number))
            lost[:, week] = here
            room[:, week] = means.within * swing - means.shock * here
    return room, lost
