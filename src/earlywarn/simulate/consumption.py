"""What is used, read by read: season, working days, noise, and spikes that have a cause."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from earlywarn.simulate.calendar import Span
from earlywarn.simulate.chance import key_of, uniform
from earlywarn.simulate.preset import Preset
from earlywarn.simulate.preset import Use as UseFigures

__all__ = ["Contracts", "Use", "draw_contracts", "draw_use", "season_of"]

_SECOND, _LEVEL, _STARTS, _NOISE, _SPIKE, _CAUSE, _LENGTH, _FACTOR, _FIXED, _YEAR = range(300, 310)
Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Contracts:
    """Contracts of a block of customers: whose, from which day on, and how much is usual.

    Attributes
    ----------
    owner : ndarray of int64, shape (n_contracts,)
        Row of the customer in the block.
    key : ndarray of uint64
    second : ndarray of bool
    since : ndarray of int64, day
    level : ndarray of float64
        Usual use a day.
    fee, allowance : ndarray of float64
        A month; the allowance is infinite where there is none.
    price_until : ndarray of int64, day
        End of the first fixed price; -1 where no price is fixed.
    """

    owner: Rows
    key: npt.NDArray[np.uint64]
    second: npt.NDArray[np.bool_]
    since: Rows
    level: Numbers
    fee: Numbers
    allowance: Numbers
    price_until: Rows

    def take(self, rows: Rows) -> Contracts:
        """The given ones."""
        return Contracts(**{part.name: getattr(self, part.name)[rows] for part in fields(self)})


@dataclass(frozen=True)
class Use:
    """What contracts used.

    Attributes
    ----------
    days : int
        That one read covers.
    quantity : ndarray of float32, shape (n_contracts, n_reads)
    cause : ndarray of int8, shape (n_contracts, n_reads)
        Number of the spike's cause, 0 for none.
    """

    days: int
    quantity: npt.NDArray[np.float32]
    cause: npt.NDArray[np.int8]


def season_of(use: UseFigures, month: Any) -> Any:
    """Use of a month of the year (0 for January) over the mean of all."""
    return 1 + use.season * np.cos(2 * np.pi * (month + 1 - use.peak_month) / 12)


def draw_contracts(preset: Preset, seed: int, people: npt.NDArray[np.void], span: Span) -> Contracts:
    """One contract a customer, for some a second one."""
    zero = np.array(0)
    two = uniform(people["key"], _SECOND, zero) < preset.people.second_contract
    owner = np.concatenate([np.arange(len(people)), np.flatnonzero(two)])
    second = np.arange(len(owner)) >= len(people)
    key = key_of(seed, 2 * people["number"][owner] + second, salt=-2)
    since = people["since"][owner] + second * (60 + (uniform(key, _STARTS, zero) * 400).astype(np.int64))
    use, bill = preset.use, preset.bill
    size = np.where(people["business"][owner] == 1, bill.business_times, 1.0) * np.where(second, 0.6, 1.0)
    level = use.level * size * np.exp(use.spread * ndtri(uniform(key, _LEVEL, zero)))
    fixed = uniform(key, _FIXED, zero) < bill.fixed_price
    began = since + 365 * (np.maximum(-since, 0) // 365)
    return Contracts(
        owner=owner,
        key=key,
        second=second,
        since=since,
        level=level,
        fee=np.round(people["fee"][owner] * np.where(second, 0.6, 1.0), 2),
        allowance=level * bill.headroom * 365.25 / 12 if bill.scheme == "allowance" else np.full(len(owner), np.inf),
        price_until=np.where(fixed, began + 365, -1),
    )


def draw_use(preset: Preset, contracts: Contracts, span: Span, days: int) -> Use:
    """Use of each contract in reads of ``days`` days, over all that is lived.

    Returns
    -------
    Use
    """
    use, n = preset.use, len(contracts.owner)
    reads = -(-7 * span.weeks // days)
    middle = np.minimum(days * np.arange(reads) + days // 2, 7 * span.weeks - 1)
    season = season_of(use, span.month[middle])
    working = np.where(span.weekday >= 5, use.weekend, 1.0) / ((5 + 2 * use.weekend) / 7)
    edge = np.minimum(days * np.arange(reads + 1), 7 * span.weeks)
    shape = season * np.diff(np.concatenate([[0.0], np.cumsum(working)])[edge])
    noise = ndtri(uniform(contracts.key[:, None], _NOISE, np.arange(reads)[None, :]))
    quantity = contracts.level[:, None] * shape * np.exp(use.noise * noise - use.noise**2 / 2)
    cause = np.zeros((n, reads), dtype=np.int8)
    if use.spikes and use.causes:
        _add_spikes(preset, contracts, days, quantity, cause)
    return Use(days, quantity.astype(np.float32), cause)


def _add_spikes(preset: Preset, contracts: Contracts, days: int, quantity: Numbers, cause: Any) -> None:
    """Draw when each contract begins to use more, why, how much and how long; the last that begins counts."""
    use, reads = preset.use, quantity.shape[1]
    which, begins = np.nonzero(
        uniform(contracts.key[:, None], _SPIKE, np.arange(reads)[None, :]) < use.spikes * days / 365.25
    )
    key = contracts.key[which]
    spikes = list(use.causes.values())
    shares = np.cumsum([spike.share for spike in spikes])
    kind = np.minimum(np.searchsorted(shares / shares[-1], uniform(key, _CAUSE, begins), "right"), len(spikes) - 1)
    mean = np.array([spike.days for spike in spikes])[kind]
    long = np.maximum(1, np.rint(-np.log(uniform(key, _LENGTH, begins)) * mean / days)).astype(np.int64)
    median = np.array([spike.times for spike in spikes])[kind]
    times = np.maximum(1.0, median * np.exp(0.4 * ndtri(uniform(key, _FACTOR, begins))))
    for later in range(int(long.max(initial=0))):
        here = (later < long) & (begins + later < reads)
        quantity[which[here], begins[here] + later] *= times[here]
        cause[which[here], begins[here] + later] = kind[here] + 1
