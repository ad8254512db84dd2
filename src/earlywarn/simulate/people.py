"""Who the customers are: what shows of them, and what does not: memory, means, temper."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from earlywarn.simulate.calendar import Span
from earlywarn.simulate.chance import key_of, uniform
from earlywarn.simulate.economy import REGIONS
from earlywarn.simulate.preset import Preset

__all__ = ["CHANNELS", "CYCLE_DAYS", "SIGNUPS", "TRAITS", "after_payday", "draw_people"]

CHANNELS = ("email", "app", "sms", "letter")
SIGNUPS = ("app", "web", "shop", "phone")
#: Draws of a customer, by what they decide. Those of bills and weeks are in ``life_kernels`` and ``means``.
(
    _BUSINESS, _REGION, _JOINS, _JOINED, _CAMPAIGN, _CHANNEL, _SIGNUP, _AGE, _SEX, _DEBIT, _CYCLE, _TERMS, _PAYDAY,
    _OTHERS, _HABIT, _FORGETS, _SLACK, _JUMP, _PARTS, _DISPUTES, _ANNOYS, _LOYAL, _REACH, _RUN, _USUAL, _DEVICE,
    _DISCOUNT, _DRIFTS, _ATTITUDE, _READS, _CARD,
) = range(100, 131)  # fmt: skip
#: One row a customer. Days count from the first of the world; shares and rates as in `Preset`.
TRAITS = np.dtype(
    [(name, np.uint64) for name in ("key",)]
    + [
        (name, np.int64)
        for name in (
            "number", "business", "region", "since", "campaign", "channel", "signup", "age", "female",
            "debit", "card", "cycle", "terms", "payday", "other_day", "run", "device", "discount",
        )
    ]
    + [
        (name, np.float64)
        for name in (
            "habit", "forgets", "slack", "jump", "others", "parts", "disputes", "annoys", "loyal", "reach", "fee",
            "bounces", "attitude", "drifts", "reads",
        )
    ]
)  # fmt: skip
#: Days of the month on which a billing period may begin, from the first on.
CYCLE_DAYS = 28


def draw_people(preset: Preset, seed: int, numbers: npt.NDArray[np.int64], span: Span) -> npt.NDArray[np.void]:
    """Traits of some customers, the same whoever else is drawn.

    Returns
    -------
    ndarray of TRAITS, shape (n_numbers,)
    """
    key, count = key_of(seed, numbers), len(numbers)

    def u(purpose: int) -> npt.NDArray[np.float64]:
        return np.asarray(uniform(key, purpose, np.zeros(count, dtype=np.int64)))

    def normal(purpose: int) -> npt.NDArray[np.float64]:
        return np.asarray(ndtri(u(purpose)))

    def one_of(purpose: int, weights: Any) -> npt.NDArray[np.int64]:
        edges = np.cumsum(weights) / np.sum(weights)
        return np.minimum(np.searchsorted(edges, u(purpose), side="right"), len(edges) - 1)

    people, attention, means = preset.people, preset.attention, preset.means
    channels = dict[str, float](people.channels.items())
    made = np.zeros(count, dtype=TRAITS)
    made["key"], made["number"] = key, numbers
    business = u(_BUSINESS) < people.business
    joins = u(_JOINS) < people.joins * span.months / 24
    since = np.where(joins, 1 + u(_JOINED) * (span.end - 40), -30 - u(_JOINED) * 3000).astype(np.int64)
    made["business"], made["since"] = business, since
    made["region"] = one_of(_REGION, [row[2] for row in REGIONS.values()])
    made["campaign"] = (since > -120) & (u(_CAMPAIGN) < people.campaign)
    made["channel"] = one_of(_CHANNEL, [channels.get(name, 0.0) for name in CHANNELS])
    made["signup"] = one_of(_SIGNUP, [0.25, 0.4, 0.2, 0.15])
    made["age"] = np.clip(46 + 16 * normal(_AGE), 18, 90)
    made["female"] = u(_SEX) < 0.5
    made["debit"] = u(_DEBIT) < people.direct_debit
    made["card"] = (made["debit"] == 0) & (u(_CARD) < people.cards)
    made["cycle"] = 1 + (u(_CYCLE) * CYCLE_DAYS).astype(np.int64)
    terms = np.array(preset.bill.terms)
    made["terms"] = terms[(u(_TERMS) * len(terms)).astype(np.int64)]
    made["payday"] = np.array([25, 1, 15, 28])[one_of(_PAYDAY, [0.5, 0.2, 0.15, 0.15])]
    made["other_day"] = np.array([1, 5, 27])[one_of(_OTHERS, [0.6, 0.25, 0.15])]
    made["run"] = np.where(business, one_of(_RUN, [0.1, 0.2, 0.1, 0.4, 0.2]), -1)
    made["habit"] = np.maximum(0, attention.habit_days + attention.habit_spread * normal(_HABIT))
    made["drifts"] = np.where(u(_DRIFTS) < attention.drifting, attention.drift_days, 0.0)
    made["forgets"] = _share_around(attention.forgets, attention.forgets_shape, u(_FORGETS))
    made["slack"] = (
        means.slack + means.between * normal(_SLACK) - people.campaign_means * made["campaign"] + 0.3 * business
    )
    made["jump"] = np.where(business, 0.0, means.payday * np.exp(0.4 * normal(_JUMP) - 0.08))
    made["others"] = np.where(business, 0.0, means.other_bills)
    made["parts"] = u(_PARTS) * 2 * means.part_payment
    made["disputes"] = np.exp(0.7 * normal(_DISPUTES) - 0.245)
    made["annoys"] = np.exp(0.5 * normal(_ANNOYS) - 0.125)
    made["loyal"] = normal(_LOYAL)
    reach = preset.contacts.reach
    made["reach"] = np.log(reach / (1 - reach)) + preset.contacts.reach_spread * normal(_REACH) if reach > 0 else -99.0
    size = np.where(business, preset.bill.business_times, 1.0)
    made["fee"] = np.round(preset.bill.fee * size * np.exp(preset.bill.fee_spread * normal(_USUAL)), 2)
    made["device"] = u(_DEVICE) < preset.bill.device
    made["discount"] = u(_DISCOUNT) < preset.bill.discount
    made["bounces"] = np.where(made["channel"] == CHANNELS.index("letter"), 0.0, attention.bounces)
    made["attitude"] = normal(_ATTITUDE)
    made["reads"] = attention.reads_spread * normal(_READS)
    return made


def _share_around(mean: float, shape: float, u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shares with a given mean, most of them small where ``shape`` is: a power of a uniform number, cut at 0.9."""
    if mean <= 0:
        return np.zeros_like(u)
    # u**p has the mean 1 / (1 + p); the smaller the shape, the higher the power, and the rest is a factor
    power = 1 / shape
    return np.minimum(mean * (1 + power) * u**power, 0.9)


def after_payday(payday: Any) -> Any:
    """The day of the month after a payday that every month has.

    Examples
    --------
    >>> [after_payday(day) for day in (1, 15, 25, 28)]
    [2, 16, 26, 1]
    """
    return payday % 28 + 1
