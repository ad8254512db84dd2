"""What bears on an obligation at a moment: collections under way and disputes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, NAT, visible
from earlywarn.outcomes.versions import Obligations
from earlywarn.tables.events import is_collection
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["Disputes", "stage_at"]

Rows = npt.NDArray[np.int64]


def stage_at(ledger: Ledger, versions: Obligations, as_of: Rows) -> npt.NDArray[np.object_]:
    """Stage of each obligation; a collection that was sent to the bank and not refused makes it collecting.

    Parameters
    ----------
    ledger : Ledger
    versions : Obligations, n versions
    as_of : ndarray of int64, shape (n,), microseconds

    Returns
    -------
    ndarray of str, shape (n,)
    """
    is_invoice = (versions.debt >= 0) & (versions.debt < len(ledger.debts.invoice_ids))
    stage = np.where(is_invoice, "issued", "scheduled").astype(object)
    payments = ledger.facts("payments")
    sent = payments.text("event").is_word("initiated") & is_collection(payments)
    named = _own_debts(ledger, payments)
    ids, attempt = payments.text("payment_id").codes, np.nan_to_num(payments.numbers("attempt"), nan=-1.0)
    ended = _ended_collections(payments)
    periods: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in np.flatnonzero(sent & (named >= 0)):
        until = ended.get((int(ids[row]), float(attempt[row])), FOREVER)
        periods[int(named[row])].append((int(payments.known_at[row]), until))
    for place in np.flatnonzero(np.isin(versions.debt, list(periods))):
        at = int(as_of[place])
        if any(known < at <= until for known, until in periods[int(versions.debt[place])]):
            stage[place] = "collecting"
    return stage


def _ended_collections(payments: Facts) -> dict[tuple[int, float], int]:
    """When it was known that a collection had failed or come back, by payment and attempt (-1: not stated)."""
    ends: dict[tuple[int, float], int] = {}
    over = payments.text("event").is_word("failed", "returned", "reversed", "refunded")
    ids, attempt = payments.text("payment_id").codes, np.nan_to_num(payments.numbers("attempt"), nan=-1.0)
    for row in np.flatnonzero(over):
        key = (int(ids[row]), float(attempt[row]))
        ends[key] = min(ends.get(key, FOREVER), int(payments.known_at[row]))
    return ends


def _own_debts(ledger: Ledger, facts: Facts) -> Rows:
    """Numbers of the invoices that facts name; -1 where it is none of their debtor's."""
    numbers: Rows = ledger.debts.number(facts.text("invoice_id"))
    own = numbers >= 0
    own[own] = ledger.debts.owner[numbers[own]] == facts.owner[own]
    return np.where(own, numbers, -1)


class Disputes:
    """Disputes about bills, by the debt they are about; complaints are left aside.

    Parameters
    ----------
    ledger : Ledger
    """

    def __init__(self, ledger: Ledger) -> None:
        disputes = ledger.facts("disputes")
        self._facts = disputes.take(~disputes.text("kind").is_word("complaint"))
        ids = self._facts.text("invoice_id")
        numbers = _own_debts(ledger, self._facts)
        amount = np.asarray(self._facts.numbers("amount", NAT), dtype=np.float64)
        self._amount = np.where(amount == NAT, np.inf, amount)
        self._by_debt: dict[int, list[int]] = defaultdict(list)
        self._by_owner: dict[int, list[int]] = defaultdict(list)
        for row in range(len(self._facts)):
            if ids.codes[row] < 0:
                self._by_owner[int(self._facts.owner[row])].append(row)
            elif numbers[row] >= 0:
                self._by_debt[int(numbers[row])].append(row)
        self._known_end = self._facts.cell_known.get("closed_on", np.full(len(self._facts), FOREVER))
        closed = self._facts.moments("closed_on")
        self._closed = np.where(closed == NAT, FOREVER, closed)

    def _rows(self, debt: int, owner: int) -> list[int]:
        about_bill = self._by_debt.get(debt, [])
        return about_bill + self._by_owner.get(owner, []) if self._by_owner else about_bill

    def open_at(self, debt: Rows, owner: Rows, as_of: Rows) -> npt.NDArray[np.float64]:
        """Amount in dispute as known at ``as_of``, minor units; infinite when a whole bill is disputed.

        Parameters
        ----------
        debt, owner : ndarray of int64, shape (n,)
        as_of : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        disputed = np.zeros(len(as_of))
        concerned = np.isin(debt, list(self._by_debt)) | np.isin(owner, list(self._by_owner))
        until = np.minimum(self._facts.known_until, self._known_end)
        for place in np.flatnonzero(concerned):
            rows = np.array(self._rows(int(debt[place]), int(owner[place])), dtype=np.int64)
            seen = visible(self._facts.known_at[rows], until[rows], int(as_of[place]))
            disputed[place] = self._amount[rows[seen]].sum()
        return disputed

    def between(self, debt: int, owner: int, start: int, end: int) -> float:
        """Amount in dispute at some time from ``start`` to ``end``, whenever that became known."""
        live = [
            float(self._amount[row])
            for row in self._rows(debt, owner)
            if self._facts.known_until[row] == FOREVER
            and self._facts.happened_at[row] <= end
            and self._closed[row] >= start
        ]
        return sum(live)
