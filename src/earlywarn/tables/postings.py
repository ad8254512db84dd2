"""What settlement takes and writes: events that became known, entries, and the states of debts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from earlywarn.dates import NAT

__all__ = ["CLEARING", "CREDIT", "PAYMENT", "UNALLOCATED", "WITHDRAWAL", "Entries", "Event", "States"]

#: Kinds of entry: what closed the debt.
PAYMENT, CREDIT, CLEARING, WITHDRAWAL = 0, 1, 2, 3
#: The debt number of money that belongs to no invoice (yet).
UNALLOCATED = -1

# Kinds of event, in the order in which they are taken at one moment.
EXPECTED, INVOICE, DUE_CHANGED, SCHEDULE_DUE, WITHDRAWN, CREDIT_NOTE, ALLOCATION, RECEIPT, RETURN = range(9)


class Event(NamedTuple):
    """One thing that became known.

    Attributes
    ----------
    customer : int
    known_at : int, microseconds
    kind : int
        One of the kinds above; the order at equal ``known_at``.
    order : int
        Rank of the id, for ties.
    debt : int
        Invoice or schedule number, UNALLOCATED when none is named.
    amount : int, minor units
    happened_at, due_at, value_at : int, microseconds
    source : int
        Number of the payment or credit note.
    attempt : float
        Attempt of a collection; NaN when not stated.
    clearing : int
        PAYMENT, CREDIT or CLEARING: what a receipt counts as; for payouts and deposits see `Source`.
    account, contract : int
        For matching a schedule to an invoice; -1 when not stated.
    returnable_until : int, microseconds
        Of a collection: a return that happened up to then counts from the day of the collection.
    refund : bool
        Money asked back by the payer; it never counts from the day of the collection.
    use : str
        "settle", "hold" (a deposit: never taken by an invoice) or "payout".
    """

    customer: int
    known_at: int
    kind: int
    order: int
    debt: int = UNALLOCATED
    amount: int = 0
    happened_at: int = NAT
    due_at: int = NAT
    value_at: int = NAT
    source: int = -1
    attempt: float = float("nan")
    clearing: int = PAYMENT
    account: int = -1
    contract: int = -1
    returnable_until: int = NAT
    refund: bool = False
    use: str = "settle"


@dataclass(frozen=True)
class Entries:
    """What settlement wrote, in the order of writing; all arrays have shape (n_entries,).

    Attributes
    ----------
    customer, debt, source, kind : ndarray of int64
        ``debt`` is UNALLOCATED for credit; ``source`` is -1 for withdrawals.
    amount : ndarray of int64, minor units; positive lowers the debt
    known_at : ndarray of int64, microseconds
    value_at : ndarray of int64, microseconds
        Value date of the money.
    counts_at : ndarray of int64, microseconds
        The date from which it counts for the label: a returned collection from the day it was collected.
    returned : ndarray of bool
        Whether the entry undoes a collection that came back while its return window was open.
    """

    customer: npt.NDArray[np.int64]
    debt: npt.NDArray[np.int64]
    source: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    amount: npt.NDArray[np.int64]
    known_at: npt.NDArray[np.int64]
    value_at: npt.NDArray[np.int64]
    counts_at: npt.NDArray[np.int64]
    returned: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class States:
    """The state of each debt after each event that touched it; all arrays have shape (n_states,).

    A state holds from ``known_at`` until the next state of the same debt (``known_until``).

    Attributes
    ----------
    customer, debt : ndarray of int64
    known_at, known_until : ndarray of int64, microseconds
    open, amount : ndarray of int64, minor units
    due_at, issued_at : ndarray of int64, microseconds
    withdrawn : ndarray of bool
    """

    customer: npt.NDArray[np.int64]
    debt: npt.NDArray[np.int64]
    known_at: npt.NDArray[np.int64]
    known_until: npt.NDArray[np.int64]
    open: npt.NDArray[np.int64]
    amount: npt.NDArray[np.int64]
    due_at: npt.NDArray[np.int64]
    issued_at: npt.NDArray[np.int64]
    withdrawn: npt.NDArray[np.bool_]
