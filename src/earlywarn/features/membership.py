"""Which region, segment or campaign a customer was in at a moment, as it was known before another.

A customer is in the region and the segment of the newest row that held, and in the campaign of the newest
contract that had started; everybody is in the portfolio.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, visible
from earlywarn.tables.checks import Text
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.upto import ranges

__all__ = ["GROUPS", "Membership"]

Rows = npt.NDArray[np.int64]
#: Entities that group customers, and the table and column that say the group; the portfolio is everybody.
GROUPS: dict[str, tuple[str, str] | None] = {
    "region": ("customers", "region"),
    "segment": ("customers", "segment"),
    "campaign": ("contracts", "campaign"),
    "portfolio": None,
}


class Membership:
    """Groups of the customers of one ledger.

    Parameters
    ----------
    ledger : Ledger
    entity : {"region", "segment", "campaign", "portfolio"}

    Attributes
    ----------
    labels : tuple of str
        Names that group codes point to.
    """

    def __init__(self, ledger: Ledger, entity: str) -> None:
        source = GROUPS[entity]
        self.everybody = source is None
        self.labels: tuple[str, ...] = ("portfolio",)
        if source is None:
            return
        rows = ledger.facts(source[0])
        starts, ties = rows.happened_at, np.zeros(len(rows), dtype=np.int64)
        if source[0] == "contracts":
            starts, ties = rows.moments("starts_on"), rows.text("contract_id").codes
        order = np.lexsort((rows.known_at, ties, rows.happened_at, starts, rows.owner))
        text = rows.text(source[1])
        self.labels = text.labels
        self.code = text.codes[order]
        self.start = np.maximum(starts, rows.happened_at)[order]
        self.known, self.until = rows.known_at[order], rows.known_until[order]
        self.owner = rows.owner[order]
        self.begins = np.searchsorted(self.owner, np.arange(len(ledger.customers) + 1))

    def at(self, owner: Rows, moment: Rows, known_before: Rows) -> Rows:
        """Group of each customer: that of the newest row that holds at ``moment`` among those known by then.

        Parameters
        ----------
        owner : ndarray of int64, shape (n,)
        moment, known_before : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        ndarray of int64, shape (n,), codes into ``labels``; -1 where there is none
        """
        if self.everybody:
            return np.zeros(len(owner), dtype=np.int64)
        group = np.full(len(owner), -1, dtype=np.int64)
        place = self.begins[owner + 1] - 1
        left = np.flatnonzero(owner >= 0)
        while len(left):
            left = left[place[left] >= self.begins[owner[left]]]
            row = place[left]
            holds = self.start[row] <= moment[left]
            holds &= visible(self.known[row], self.until[row], known_before[left])
            group[left[holds]] = self.code[row[holds]]
            left = left[~holds]
            place[left] -= 1
        return group

    def news(self, owner: Rows) -> tuple[Rows, Rows]:
        """(place in ``owner``, moment) of everything that became known about these customers' groups."""
        if self.everybody:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        length = np.where(owner >= 0, self.begins[owner + 1] - self.begins[owner], 0)
        rows = ranges(self.begins[owner], length)
        place, when = np.repeat(np.arange(len(owner)), length), [self.known[rows], self.until[rows]]
        dated = [(moments > -FOREVER) & (moments < FOREVER) for moments in when]
        return (
            np.concatenate([place[mask] for mask in dated]),
            np.concatenate([moments[mask] for moments, mask in zip(when, dated, strict=True)]),
        )


def codes_in(labels: tuple[str, ...], others: tuple[str, ...]) -> Any:
    """For each code into ``labels`` the code of the same name in ``others``; -1 where it is not there.

    Examples
    --------
    >>> codes_in(("north", "south"), ("south",))
    array([-1,  0, -1])
    """
    return np.append(Text(np.arange(len(labels), dtype=np.int64), labels).codes_in(others), -1)
