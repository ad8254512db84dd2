"""Use after a limit was set, or after a customer was told of it and heeded that: less from then on.

A limit stops use above the allowance, and where there is none use beyond the usual. Who heeds goes back to usual use
until the cause of the high use is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earlywarn.simulate.actions import LIMIT
from earlywarn.simulate.billing import above_allowance
from earlywarn.simulate.consumption import Use, draw_use

if TYPE_CHECKING:
    from earlywarn.simulate.world import Born

__all__ = ["use_after"]

Rows = npt.NDArray[np.int64]


def use_after(born: Born, owner: Rows, contacts: Rows) -> Use:
    """Use as contacts leave it; the use that was drawn where none of them touches it.

    Parameters
    ----------
    born : Born
    owner : ndarray of int64, shape (n_contacts,)
        Row of the customer.
    contacts : ndarray of int64, shape (n_contacts, 4)
        Day, action, channel, window.

    Returns
    -------
    Use
    """
    from earlywarn.simulate.life_kernels import heed

    limits = contacts[:, 1] == LIMIT
    heeded = np.zeros(len(contacts), dtype=bool)
    heed(0, len(contacts), born.figures, born.people, owner, contacts, heeded)
    if not (limits.any() or heeded.any()):
        return born.use
    touched = np.zeros(len(born.people), dtype=bool)
    touched[owner[limits | heeded]] = True
    rows = np.flatnonzero(touched[born.contracts.owner])
    contracts = born.contracts.take(rows)
    usual = draw_use(born.world.preset.without_spikes, contracts, born.world.span, born.use.days).quantity
    quantity, cause = born.use.quantity[rows], born.use.cause[rows]
    for place, day in zip(*_of_contracts(contracts.owner, owner[heeded], contacts[heeded, 0]), strict=True):
        _heed(quantity[place], cause[place], usual[place], -(-day // born.use.days))
    limited = np.full(len(born.people), np.iinfo(np.int64).max)
    np.minimum.at(limited, owner[limits], contacts[limits, 0])
    begins = born.use.days * np.arange(quantity.shape[1])
    stopped = begins[None, :] >= limited[contracts.owner][:, None]
    if born.world.preset.bill.scheme == "allowance":
        above = above_allowance(born.world.preset, contracts, born.starts, quantity, born.use.days)
        quantity = np.where(stopped, quantity - above, quantity)
    else:
        quantity = np.where(stopped, np.minimum(quantity, usual), quantity)
    every, causes = born.use.quantity.copy(), born.use.cause.copy()
    every[rows], causes[rows] = quantity.astype(np.float32), np.where(stopped, 0, cause)
    return Use(born.use.days, every, causes)


def _of_contracts(of_contract: Rows, owner: Rows, day: Rows) -> tuple[Rows, Rows]:
    """A row for each contract of the customer of each day: the contract, and the day."""
    order = np.argsort(of_contract, kind="stable")
    first, end = (np.searchsorted(of_contract[order], owner, side) for side in ("left", "right"))
    count = end - first
    at = np.repeat(first, count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return order[at], np.repeat(day, count)


def _heed(quantity: Any, cause: Any, usual: Any, read: int) -> None:
    """Usual use from a read on, while the cause of the high use lasts."""
    while read < len(quantity) and cause[read] > 0:
        quantity[read], cause[read] = usual[read], 0
        read += 1
