"""What accrues within a period before its bill: the cost of use, and the advances billed, by line of bills.

A read covers the days ``used_from … used_on`` and is spread evenly over them. An estimated read is trusted half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.compiled import in_ranges
from earlywarn.dates import FOREVER, NAT, US_PER_DAY
from earlywarn.outcomes.bills import GROUPS, Bills, agree, codes_among
from earlywarn.outcomes.versions import as_known
from earlywarn.tables.facts import units
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.upto import ranges

__all__ = ["ESTIMATED_TRUST", "Accruals", "advances_of", "use_of"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

#: Weight of an estimated read as evidence of how this period goes.
ESTIMATED_TRUST = 0.5
_ADVANCE = GROUPS.index("advance")


@dataclass(frozen=True)
class Accruals:
    """Dated amounts of each line of bills, sorted by (line, last day); a row may belong to several lines.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_lines + 1,)
        Where the rows of each line begin.
    longest : ndarray of int64, shape (n_lines,)
        Days that the longest row of each line covers.
    first, last : ndarray of int64, shape (n_rows,), days
    known_at, known_until : ndarray of int64, shape (n_rows,), microseconds
    amount, trust : ndarray of float64, shape (n_rows,)
        In units of currency, and between 0 and 1.
    """

    rows: Rows
    longest: Rows
    first: Rows
    last: Rows
    known_at: Rows
    known_until: Rows
    amount: Values
    trust: Values

    def seen(self, line: Rows, first: Rows, last: Rows, as_of: Rows) -> Values:
        """What of periods was known at moments.

        Parameters
        ----------
        line : ndarray of int64, shape (n,)
        first, last : ndarray of int64, shape (n,), days
        as_of : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        ndarray of float64, shape (n, 2), units of currency
            All of it, and the trusted part.
        """
        from earlywarn.outcomes.kernels import seen_in

        found = np.zeros((len(line), 2))
        if len(self.amount):
            in_ranges(
                seen_in, len(line), line, first, last, as_of, self.rows, self.longest, self.first, self.last,
                self.known_at, self.known_until, self.amount, self.trust, found,
            )  # fmt: skip
        return found


def use_of(ledger: Ledger, bills: Bills) -> Accruals:
    """The cost of use on each line that bills use: of its contract, else of the contracts of its account.

    Rows without a cost say nothing about money and are left out. A contract belongs to the account that was known
    when the use became known; where neither side states one, use is taken for every line of the debtor.
    """
    usage, invoices = ledger.facts("usage"), ledger.facts("invoices")
    cost = usage.columns.get("cost")
    minor = np.full(len(usage), NAT) if cost is None else np.asarray(cost, dtype=np.int64)
    usage, minor = usage.take(minor != NAT), minor[minor != NAT]
    last = usage.happened_at // US_PER_DAY
    start = usage.moments("used_from")
    first = np.minimum(np.where(start == NAT, last, start // US_PER_DAY), last)
    estimated = usage.text("read").is_word("estimated")
    columns = {
        "first": first, "last": last, "known_at": usage.known_at, "known_until": usage.known_until,
        "amount": units(minor, ledger.digits), "trust": np.where(estimated, ESTIMATED_TRUST, 1.0),
    }  # fmt: skip
    contract = codes_among(usage.text("contract_id"), invoices.text("contract_id").labels)
    return _by_line(bills, usage.owner, _account_of_use(ledger), contract, columns) if len(usage) else _none(bills)


def advances_of(bills: Bills) -> Accruals:
    """The advances billed on each line that is no advance itself, spread over the period that they are for."""
    rows = np.flatnonzero(bills.group[bills.line] == _ADVANCE)
    if not len(rows):
        return _none(bills)
    line = bills.line[rows]
    known = bills.start[rows] <= bills.end[rows]
    columns = {
        "first": np.where(known, bills.start[rows], bills.issued[rows]),
        "last": np.where(known, bills.end[rows], bills.issued[rows]),
        "known_at": bills.known_at[rows], "known_until": np.full(len(rows), FOREVER),
        "amount": bills.amount[rows], "trust": np.ones(len(rows)),
    }  # fmt: skip
    return _by_line(bills, bills.owner[line], bills.account[line], bills.contract[line], columns)


def _account_of_use(ledger: Ledger) -> Rows:
    """Account of each priced row of use, in the codes of the invoices, as it was known with the row."""
    usage, contracts = ledger.facts("usage"), ledger.facts("contracts")
    usage = usage.take(np.asarray(usage.numbers("cost", NAT), dtype=np.int64) != NAT)
    contract = contracts.text("contract_id")
    own = codes_among(contracts.text("account_id"), ledger.facts("invoices").text("account_id").labels)
    asked = usage.text("contract_id").codes_in(contract.labels)
    return as_known(contracts, contract.codes, own, asked, usage.known_at, unknown=-1)


def _by_line(
    bills: Bills, owner: Rows, account: Rows, contract: Rows, columns: dict[str, npt.NDArray[np.generic]]
) -> Accruals:
    low, high = bills.lines_of(owner)
    count = high - low
    row = np.repeat(np.arange(len(owner)), count)
    line = ranges(low, count)
    fits = (bills.group[line] != _ADVANCE) & agree(account[row], bills.account[line])
    fits &= agree(contract[row], bills.contract[line])
    row, line = row[fits], line[fits]
    part = {name: values[row] for name, values in columns.items()}
    order = np.lexsort((part["amount"], part["known_at"], part["first"], part["last"], line))
    part, line = {name: values[order] for name, values in part.items()}, line[order]
    n_lines = len(bills.owner)
    longest = np.ones(n_lines, dtype=np.int64)
    np.maximum.at(longest, line, part["last"] - part["first"] + 1)
    return Accruals(np.searchsorted(line, np.arange(n_lines + 1)).astype(np.int64), longest, **part)


def _none(bills: Bills) -> Accruals:
    day, amount = np.empty(0, dtype=np.int64), np.empty(0)
    n_lines = len(bills.owner)
    return Accruals(
        np.zeros(n_lines + 1, dtype=np.int64), np.ones(n_lines, dtype=np.int64), day, day, day, day, amount, amount
    )
