"""What settlement takes and writes: events that became known, entries, and the states of debts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from earlywarn.dates import NAT

__all__ = ["CLEARING", "CREDIT", "PAYMENT", "UNALLOCATED", "WITHDRAWAL", "Entries", "Event", "Events", "States"]

Rows = npt.NDArray[np.int64]
Small = npt.NDArray[np.uint8]

#: Kinds of entry: what closed the debt.
PAYMENT, CREDIT, CLEARING, WITHDRAWAL = 0, 1, 2, 3
#: The debt number of money that belongs to no invoice (yet).
UNALLOCATED = -1

# Kinds of event, in the order in which they are taken at one moment.
EXPECTED, INVOICE, DUE_CHANGED, SCHEDULE_DUE, WITHDRAWN, CREDIT_NOTE, ALLOCATION, RECEIPT, RETURN = range(9)

#: What received money is for: to settle debts, a deposit that no invoice takes, or credit that is paid out.
SETTLE, HOLD, PAYOUT = range(3)


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
    use : int
        SETTLE, HOLD (a deposit: never taken by an invoice) or PAYOUT.
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
    use: int = SETTLE


@dataclass(frozen=True)
class Events:
    """Many events as arrays; each attribute is that of `Event`, shape (n_events,).

    Examples
    --------
    >>> Events.of([Event(0, 10, INVOICE, 0, debt=0, amount=500)]).amount
    array([500])
    """

    customer: Rows
    known_at: Rows
    kind: Small
    order: Rows
    debt: Rows
    amount: Rows
    happened_at: Rows
    due_at: Rows
    value_at: Rows
    source: Rows
    attempt: npt.NDArray[np.float64]
    clearing: Small
    account: Rows
    contract: Rows
    returnable_until: Rows
    refund: npt.NDArray[np.bool_]
    use: Small

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def made(cls, count: int, **columns: Any) -> Events:
        """So many events; a column that is not stated, or stated once, is the same for all."""
        given = {**Event._field_defaults, **columns}
        return cls(**{name: _column(name, given[name], count) for name in Event._fields})

    @classmethod
    def of(cls, events: Iterable[Event]) -> Events:
        """The arrays of single events."""
        rows = list(events)
        return cls.made(len(rows), **{name: [getattr(row, name) for row in rows] for name in Event._fields})

    @classmethod
    def joined(cls, parts: Iterable[Events]) -> Events:
        """All events of several arrays, one after the other."""
        some = list(parts)
        return cls(**{name: np.concatenate([getattr(part, name) for part in some]) for name in Event._fields})

    def one_by_one(self, order: Rows | slice) -> Iterator[Event]:
        """The events as `Event`, in the given order of rows."""
        columns = [getattr(self, column.name)[order].tolist() for column in fields(self)]
        return map(Event, *columns)


_TYPES: dict[str, Any] = {"kind": np.uint8, "clearing": np.uint8, "use": np.uint8, "refund": bool, "attempt": float}


def _column(name: str, values: Any, count: int) -> npt.NDArray[Any]:
    """One column of events, in its type."""
    return np.broadcast_to(np.asarray(values, dtype=_TYPES.get(name, np.int64)), (count,))


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

    customer: Rows
    debt: Rows
    source: Rows
    kind: Rows
    amount: Rows
    known_at: Rows
    value_at: Rows
    counts_at: Rows
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

    customer: Rows
    debt: Rows
    known_at: Rows
    known_until: Rows
    open: Rows
    amount: Rows
    due_at: Rows
    issued_at: Rows
    withdrawn: npt.NDArray[np.bool_]
