"""The fixed fee that contracts state for a period, as far as it was known at a moment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earlywarn.dates import NAT, US_PER_DAY, day_end, visible
from earlywarn.outcomes.bills import GROUPS, MONTH_DAYS, Bills, agree, codes_among
from earlywarn.tables.facts import units
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.undated import holds_today
from earlywarn.tables.upto import ranges

__all__ = ["Fees"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
_ADVANCE = GROUPS.index("advance")


class Fees:
    """Fees of the contracts of each line of bills.

    Only contracts whose fee is dated (``valid_from``) or declared never to change say anything about the past;
    for all others the fee is part of what earlier bills show.

    Parameters
    ----------
    ledger : Ledger
    bills : Bills
    """

    def __init__(self, ledger: Ledger, bills: Bills) -> None:
        contracts, invoices = ledger.facts("contracts"), ledger.facts("invoices")
        fee = contracts.columns.get("fixed_fee")
        said = fee is not None and not holds_today(ledger, "contracts", "fixed_fee")
        minor = np.asarray(fee, dtype=np.int64) if said else np.full(len(contracts), NAT)
        self.bills = bills
        self.dated = "valid_from" in contracts.columns
        self.contracts = contracts.take(minor != NAT)
        order = np.argsort(self.contracts.owner, kind="stable")
        self.contracts = self.contracts.take(order)
        self.fee = units(minor[minor != NAT][order], ledger.digits)
        self.account = codes_among(self.contracts.text("account_id"), invoices.text("account_id").labels)
        self.contract = codes_among(self.contracts.text("contract_id"), invoices.text("contract_id").labels)

    def of(self, line: Rows, first: Rows, last: Rows, months: Rows, as_of: Rows) -> Values:
        """Fees of periods, a contract that runs for a part of the days in that part.

        Parameters
        ----------
        line : ndarray of int64, shape (n,)
        first, last : ndarray of int64, shape (n,), days
        months : ndarray of int64, shape (n,)
            Calendar months of the period; 0 to count its days.
        as_of : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        ndarray of float64, shape (n,), units of currency
        """
        total = np.zeros(len(line))
        if not len(self.fee) or not len(line):
            return total
        facts, owner = self.contracts, self.bills.owner[line]
        low = np.searchsorted(facts.owner, owner, "left")
        count = np.searchsorted(facts.owner, owner, "right") - low
        query = np.repeat(np.arange(len(line)), count)
        row = ranges(low, count)
        kept = visible(facts.known_at[row], facts.known_until[row], as_of[query])
        kept &= facts.happened_at[row] <= day_end(last[query])
        kept &= agree(self.account[row], self.bills.account[line[query]])
        kept &= agree(self.contract[row], self.bills.contract[line[query]])
        kept &= self.bills.group[line[query]] != _ADVANCE
        query, row = _latest(query[kept], row[kept], facts.text("contract_id").codes, facts.happened_at)
        starts, ends = facts.moments("starts_on")[row], facts.moments("ends_on")[row]
        if not self.dated:  # today's end says nothing about the past
            ends = np.full(len(row), NAT)
        since = np.maximum(first[query], np.where(starts == NAT, first[query], starts // US_PER_DAY))
        until = np.minimum(last[query], np.where(ends == NAT, last[query], ends // US_PER_DAY))
        days = last[query] - first[query] + 1
        periods = np.where(months[query] > 0, months[query], days / MONTH_DAYS)
        part = self.fee[row] * periods * np.maximum(until - since + 1, 0) / np.maximum(days, 1)
        np.add.at(total, query, part)
        return total


def _latest(query: Rows, row: Rows, contract: Rows, valid_from: Rows) -> tuple[Rows, Rows]:
    """Of several rows of a contract, the one that took effect last."""
    order = np.lexsort((valid_from[row], contract[row], query))
    query, row = query[order], row[order]
    last = np.ones(len(row), dtype=bool)
    last[:-1] = (query[1:] != query[:-1]) | (contract[row][1:] != contract[row][:-1])
    return query[last], row[last]
