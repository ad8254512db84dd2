"""What the loop over lives reads, changes and writes, and what a customer has and can on a day."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from earlywarn.compiled import step
from earlywarn.simulate.chance import LAST, STEP, mixed
from earlywarn.simulate.means import bare_room_on, others_on

__all__ = [
    "ANSWER", "BILL", "FIGURES", "STATE", "Everybody", "Person", "bare_room", "chance", "draw", "need", "pays", "share",
]  # fmt: skip

#: One row a bill; days count from the first of the world, -1 for never; money in cents.
BILL = np.dtype(
    [
        (name, np.int32)
        for name in (
            "issued", "first_due", "due", "bounced", "put_away", "attended", "viewed", "disputed", "closed", "upheld",
            "collected", "collected_ok", "returned", "return_cause", "retried", "retried_ok", "paid", "part_on",
            "reminded", "reminded_again", "asked", "postponed", "agreed", "kept", "parts_paid", "lost", "questioned",
            "cause", "kind",
        )
    ]
    + [(name, np.int64) for name in ("amount", "used", "wrong", "credit", "part", "usual")]
)  # fmt: skip
#: What a contact led to: 1 or 0, -1 where it does not apply.
ANSWER = np.dtype(
    [(name, np.int32) for name in ("slot", "read", "reached", "resolved", "accepted", "satisfaction", "rated")]
)
#: Figures of the preset that the loop reads.
FIGURES = np.dtype(
    [
        (name, np.float64)
        for name in (
            "eager", "remembers", "reads_email", "reads_app", "reads_sms", "reads_letter", "strain", "at_shock",
            "at_error", "otherwise", "dispute_days", "other_returns", "retry_days", "reminder", "reminder_again",
            "reads_reminder", "written_off", "agrees", "asks", "window_spread", "resolves", "accepts", "heeds",
            "answers", "annoys_notice", "annoys_call", "annoys_reminder", "forgiven", "leaves", "leaves_annoyance",
            "leaves_good_payer", "leaves_shock", "leaves_dispute", "months", "wait_1", "wait_2", "wait_3", "wait_4",
        )
    ]
)  # fmt: skip


#: What changes while one customer lives: over all bills, and of the bill at hand.
STATE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "before", "before_cause", "late", "seen", "advance_on", "advanced", "due_day_on", "is_final", "slot",
            "next_issue", "owed", "put_away", "disputes", "high", "manual", "retry_on", "plan_on", "in_dispute",
        )
    ]
)  # fmt: skip


class Everybody(NamedTuple):
    """What everybody shares: figures, and what is true of each day."""

    figures: Any  # FIGURES, one row
    season: Any  # what each day takes
    of_month: Any
    weekday: Any
    bank_number: Any
    bank_day: Any


class Person(NamedTuple):
    """One customer: traits, means, keys of draws, what changes, and what happened so far."""

    traits: Any
    room: Any
    key: Any  # of the bill at hand
    state: Any  # STATE, one row
    bills: Any  # BILL
    contacts: Any  # day, kind, channel, window


_mixed = step(mixed)


@step
def chance(key: Any, purpose: int, number: int) -> Any:
    """One draw between 0 and 1, both excluded; as `uniform`."""
    x = _mixed(_mixed(key ^ (np.uint64(purpose) * STEP)) + np.uint64(number) * STEP)
    return (np.float64(x >> LAST) + 0.5) * 1.1102230246251565e-16


@step
def draw(x: Person, purpose: int, number: int) -> Any:
    """A draw that a bill decides, or the day of a contact."""
    return chance(x.key, purpose, number)


@step
def share(x: float) -> Any:
    """Log-odds as a share."""
    return 1 / (1 + np.exp(-x))


bare_room = step(bare_room_on)
_others = step(others_on)


@step
def need(w: Everybody, b: Any, cents: float) -> Any:
    """Means that so much of a bill needs."""
    return w.figures[0].strain * np.log(max(cents / b.usual, 0.05))


@step
def pays(w: Everybody, x: Person, b: Any, day: int, cents: float) -> Any:
    """Whether so much of a bill could be paid on a day."""
    return bare_room(w, x.traits, x.room, day) - _others(w, x.traits, day) >= need(w, b, cents)
