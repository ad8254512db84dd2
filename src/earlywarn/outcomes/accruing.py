"""What debtors have used and not been billed for, and what they use a day, as known at a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY
from earlywarn.outcomes.pool import CyclePool
from earlywarn.outcomes.projection import projection_of
from earlywarn.tables.ledger import Ledger

__all__ = ["Accruing", "accruing"]

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Accruing:
    """By running period: who, what has accrued, and what a further day adds; units of currency.

    Attributes
    ----------
    owner : ndarray of int64, shape (n,)
        Numbers of customers.
    accrued, daily : ndarray of float64, shape (3, n)
        As expected, and the bounds of an 80% interval.
    """

    owner: npt.NDArray[np.int64]
    accrued: Values
    daily: Values


def accruing(ledger: Ledger, as_of: int, pool: CyclePool | None = None) -> Accruing:
    """Running periods of everybody, each at the part of its projected bill that has passed.

    Parameters
    ----------
    ledger : Ledger
    as_of : int, microseconds
    pool : CyclePool, optional
        For parts of a biller: what all parts say about projected bills.

    Returns
    -------
    Accruing
    """
    projection = projection_of(ledger, pool)
    cycles = projection.cycles
    version = np.flatnonzero(cycles.in_force(as_of))
    amounts = np.stack(projection.amounts(version, np.full(len(version), as_of)))
    amounts = np.maximum(np.nan_to_num(amounts), 0.0)
    length = np.maximum(cycles.days[version], 1)
    passed = np.clip(as_of / US_PER_DAY - cycles.start[version], 0, length)
    owner = projection.bills.owner[projection.bills.line[version // 2]]
    runs = passed < length  # of a period that is over only the bill is awaited
    return Accruing(owner, amounts * (passed / length), amounts / length * runs)
