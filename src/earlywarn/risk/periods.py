"""Time as periods from due: which obligations were at risk in each, what was paid, and everybody's odds of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

__all__ = ["HORIZON_DAYS", "MOST_PERIODS", "Odds", "Times", "at_risk", "days_of", "edges_of", "times_of"]

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]

#: Periods at most, and days after due at which looking ends.
MOST_PERIODS, HORIZON_DAYS = 25, 60
#: Days from due at which a period must begin, so that lateness can be read off without a guess: the day after due,
#: after grace of 3, 5 and 14 days, and day 30, from which on a payment is very late.
_SURE = (1, 4, 6, 15, 30)
#: Leads that begin a period of their own, where there are no more.
_LEADS = 5


@dataclass(frozen=True)
class Times:
    """Obligations as days from due: unpaid from `start`, paid on `end` or not by then, seen to the end of `seen`."""

    start: Days
    end: Days
    seen: Days
    paid: npt.NDArray[np.bool_]
    due: Days


@dataclass(frozen=True)
class Odds:
    """Everybody's odds of being paid in each period, and how payments spread over its days.

    Parameters
    ----------
    base : ndarray of float64, shape (n_periods,)
        Log-odds of paying in a period, for who is at risk from its beginning (Kaplan and Meier's).
    within : ndarray of float64, shape (n_days,)
        Of payments in the period of each day, the share on that day.
    """

    base: Floats
    within: Floats

    @classmethod
    def of(cls, times: Times, weight: Floats, edges: Days, row: Days, period: Days, event: Floats) -> Self:
        """From rows of obligation and period at risk.

        Parameters
        ----------
        times : Times
        weight : ndarray of float64, by obligation
        edges : ndarray of int64, shape (n_periods + 1,)
        row, period : ndarray of int64, shape (m,)
        event : ndarray of float64, shape (m,)

        Returns
        -------
        Odds
        """
        # odds of a period are those of who was at risk from its beginning, where there is anybody
        whole = times.start[row] <= edges[period]
        whole |= ~np.isin(period, period[whole])
        events, count = (
            np.bincount(period[whole], (weight[row] * of)[whole], minlength=len(edges) - 1)
            for of in (event, np.ones(len(row)))
        )
        with np.errstate(divide="ignore"):  # a period in which none or all paid, or none was at risk
            base = logit(np.where(count > 0, events / np.where(count > 0, count, 1.0), 0.0))
        paying = row[whole & (event > 0)]
        return cls(base, _within(times.end[paying], weight[paying], edges))

    def left(self, times: Times, edges: Days, row: Days, period: Days) -> Floats:
        """Log-odds of paying in what is left of a period for each obligation at risk in it, shape (m,)."""
        of_day = np.repeat(np.arange(len(self.base)), np.diff(edges))
        begun = np.cumsum(self.within) - self.within - of_day  # the shares of each period sum to one
        start = times.start[row]
        inside = start > edges[period]
        head = np.where(inside, begun[np.where(inside, start - edges[0], 0)], 0.0)
        hazard = expit(self.base[period])
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.where(inside, hazard * (1 - head) / (1 - hazard * head), hazard)
            odds = logit(np.clip(np.nan_to_num(left), 0.0, 1.0))
        return np.asarray(np.where(inside, odds, self.base[period]), dtype=np.float64)


def times_of(paid: pd.DataFrame, weight: Floats) -> tuple[Times, npt.NDArray[np.intp]]:
    """Rows with a day at risk, as days from due."""
    due, as_of, paid_on, until = (days_of(paid[name]) for name in ("due_on", "as_of", "paid_on", "seen_until"))
    dated = paid[["as_of", "due_on", "seen_until"]].notna().all(axis=1).to_numpy()
    none = paid["reason"].notna().to_numpy() if "reason" in paid else np.zeros(len(paid), dtype=bool)
    start, seen = as_of - due, np.minimum(until - due, HORIZON_DAYS)
    # what was paid before as_of, but not known then, counts as paid at once
    was_paid = paid["paid_on"].notna().to_numpy() & (paid_on <= until)
    end = np.where(was_paid, np.maximum(paid_on - due, start), seen)
    rows = np.flatnonzero(dated & ~none & (weight > 0) & (seen >= start))
    is_paid = was_paid[rows] & (end[rows] <= HORIZON_DAYS)
    end = np.minimum(end[rows], HORIZON_DAYS)
    return Times(start[rows], end, seen[rows], is_paid, due[rows]), rows


def days_of(moments: pd.Series[Any]) -> Days:
    """Day numbers; missing ones far back."""
    found: Days = moments.to_numpy().astype("M8[D]").astype(np.int64)
    return np.where(moments.isna().to_numpy(), -(1 << 40), found)


def edges_of(times: Times, periods: int) -> Days:
    """First days of the periods, and the day after the last: sure ones, then finer where more was paid."""
    first, last = int(times.start.min()), HORIZON_DAYS + 1
    if last - first <= periods:
        return np.arange(first, last + 1)
    leads = np.unique(times.start)
    sure = {first, last, *_SURE, *(leads.tolist() if len(leads) <= _LEADS else ())}
    edges = {day for day in sure if first <= day <= last}
    on = times.end[times.paid]
    for count in range(2, periods + 1):
        cuts = np.quantile(on, np.arange(1, count) / count, method="lower").tolist()
        finer = edges | {int(day) for day in cuts if first < day < last}
        if len(finer) - 1 > periods:
            break
        edges = finer
    return np.array(sorted(edges), dtype=np.int64)


def at_risk(times: Times, edges: Days) -> tuple[Days, Days, Floats]:
    """A row for each obligation and period that it was at risk in and that was seen to its end.

    Of a period that is not over only those are known who paid early, so it tells nothing, paid or not.
    """
    first = np.maximum(np.searchsorted(edges, times.start, side="right") - 1, 0)
    own = np.searchsorted(edges, times.end, side="right") - 1
    over = np.searchsorted(edges[1:], times.seen + 1, side="right") - 1
    last = np.minimum(own, over)
    count = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(len(count)), count)
    period = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    event = (times.paid[row] & (period == own[row])).astype(np.float64)
    return row, period, event


def _within(day: Days, weight: Floats, edges: Days) -> Floats:
    """Of payments in the period of each day, the share on that day; equal shares where there was none."""
    length = np.diff(edges)
    found = np.bincount(np.maximum(day - edges[0], 0), weight, minlength=int(length.sum()))
    total = np.add.reduceat(found, edges[:-1] - edges[0])
    even = np.repeat(1 / length, length)
    return np.where(np.repeat(total, length) > 0, found / np.repeat(np.where(total > 0, total, 1.0), length), even)
