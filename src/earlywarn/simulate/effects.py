"""What would have happened: every customer's outcome under every action, and the probability behind an outcome.

Both are exact up to what they say: actions are compared with the same luck (common random numbers), so the difference
between two lives is what the action caused; probabilities are shares over futures drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.simulate.actions import ACTIONS, check_actions
from earlywarn.simulate.chance import key_of
from earlywarn.simulate.columns import dates, invoice_ids
from earlywarn.simulate.means import Future, draw_means
from earlywarn.simulate.world import NO_BILL, Another, Life

__all__ = ["outcomes", "true_p_late"]

#: Days within which somebody who leaves after an action counts.
LEAVING_DAYS = 120


def outcomes(
    life: Life,
    as_of: Any,
    actions: Sequence[str] = ("none", "notice", "call"),
    *,
    window: int = 0,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """What becomes of the next bill that falls due, under every action on one day.

    Parameters
    ----------
    life : Life
        What has been done until then counts; what was done later is left out.
    as_of : date-like
        Day of the action.
    actions : sequence of str
        ``none`` and words of `ACTIONS`.
    window : int
        Of calls.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    DataFrame, one row a customer who has an unpaid bill issued before ``as_of`` and due on it or later
        invoice_id, customer_id, due_on, amount; for each action ``late_…``, ``left_…`` (notice given within
        `LEAVING_DAYS`), ``paid_days_…`` (after due, capped at 60) and ``satisfaction_…`` (missing: not asked).

    Raises
    ------
    DataError
        D187 no such action, D189 a day outside the world.

    Examples
    --------
    >>> from earlywarn.simulate import World
    >>> found = outcomes(World("telecom", customers=300, months=8).live(), "2024-12-10")
    >>> bool((found["late_call"] <= 1).all())
    True
    """
    day = _day(life, as_of)
    check_actions(actions)
    base = _relived(life, day, "none", window)
    slot = _next_due(base.bills, day)
    who = np.flatnonzero(slot >= 0)
    bill = base.bills[who, slot[who]]
    number = life.born.people["number"][who]
    span = life.born.world.span
    found = pd.DataFrame(
        {
            "invoice_id": invoice_ids(number, slot[who]),
            "customer_id": life.born.ids[who],
            "due_on": dates(span, bill["first_due"].astype(np.int64)),
            "amount": bill["amount"] / 100,
        }
    )
    for done, action in enumerate(actions):
        lived = base if action == "none" else _relived(life, day, action, window)
        b = lived.bills[who, slot[who]]
        found[f"late_{action}"] = is_late(b).astype(np.int8)
        left = lived.left[who]
        found[f"left_{action}"] = ((left >= day) & (left < day + LEAVING_DAYS)).astype(np.int8)
        ended = np.where(b["paid"] >= 0, b["paid"], b["first_due"] + 60)
        found[f"paid_days_{action}"] = np.minimum(ended - b["first_due"], 60)
        found[f"satisfaction_{action}"] = _satisfaction(lived, who, day)
        if progress is not None:
            progress((done + 1) / len(actions))
    return found


def true_p_late(
    life: Life, as_of: Any, draws: int = 200, progress: Callable[[float], None] | None = None
) -> pd.DataFrame:
    """The probability that the next bill is late, given all that a customer is and all that was seen by then.

    Futures are drawn anew from ``as_of`` on, and with them what is hidden in bills that are open then (whether one was
    put away, say); of these only those count in which the bill had the same history until then.

    Parameters
    ----------
    life : Life
    as_of : date-like
    draws : int
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    DataFrame
        invoice_id, customer_id, p_late, futures (how many of the draws had that history), late (what became of it);
        a row for each customer with an unpaid bill that is due on ``as_of`` or later.

    Raises
    ------
    DataError
        D189 a day outside the world.
    """
    day = _day(life, as_of)
    born, bills = life.born, life.bills
    slot = _next_due(bills, day)
    is_open = (bills["issued"] >= 0) & (bills["issued"] < day) & _unpaid(bills, day)
    anew = np.where(is_open.any(axis=1), is_open.argmax(axis=1), np.where(slot >= 0, slot, NO_BILL))
    later = (bills["issued"] < 0) | (bills["issued"] >= day)
    who = np.flatnonzero(slot >= 0)
    late, same = np.zeros(len(who)), np.zeros(len(who), dtype=np.int64)
    key, number = born.people["key"], born.people["number"]
    world = born.world
    for draw in range(draws):
        future = key_of(world.seed, number, salt=draw + 1)
        room, lost = draw_means(
            world.preset.means, world.economy, born.people["region"], Future(key, future, day // 7 + 1)
        )
        another = Another(future, anew.astype(np.int64), room, lost)
        lived = born.lived(life.contact_begins, life.contacts, another).bills
        agree = (_seen(lived, day) == _seen(bills, day)).all(axis=2) | later
        counts = agree.all(axis=1)[who]
        late += counts & is_late(lived[who, slot[who]])
        same += counts
        if progress is not None:
            progress((draw + 1) / draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = late / same
    return pd.DataFrame(
        {
            "invoice_id": invoice_ids(number[who], slot[who]),
            "customer_id": born.ids[who],
            "p_late": p,
            "futures": same,
            "late": is_late(bills[who, slot[who]]).astype(np.int8),
        }
    )


def is_late(bills: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Bills that are unpaid at the close of due + `GRACE_DAYS`, a collection that came back included."""
    found: npt.NDArray[np.bool_] = bills["cause"] > 0
    return found


def _day(life: Life, as_of: Any) -> int:
    span = life.born.world.span
    day = int(span.day(np.datetime64(pd.Timestamp(as_of))))
    if not 0 < day < span.end:
        raise DataError(
            f"{as_of} lies outside the world.",
            code="D189",
            found=f"it lasts from {span.start} to {span.dates(span.end)}",
        )
    return day


def _unpaid(bills: npt.NDArray[np.void], day: int) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (bills["amount"] > 0) & ((bills["paid"] < 0) | (bills["paid"] >= day))
    return found


def _next_due(bills: npt.NDArray[np.void], day: int) -> npt.NDArray[np.int64]:
    """The unpaid bill of each customer that falls due next, -1 for none."""
    fits = (bills["issued"] >= 0) & (bills["issued"] < day) & (bills["first_due"] >= day) & _unpaid(bills, day)
    fits &= ~((bills["disputed"] >= 0) & (bills["disputed"] < day))
    return np.where(fits.any(axis=1), fits.argmax(axis=1), -1)


def _seen(bills: npt.NDArray[np.void], day: int) -> npt.NDArray[np.int64]:
    """What can be seen of bills before a day: when they were paid, disputed, collected, viewed, moved."""
    names = ("paid", "part_on", "disputed", "collected", "viewed", "postponed")
    stacked = np.stack([bills[name].astype(np.int64) for name in names], axis=-1)
    return np.where(stacked < day, stacked, -1)


def _relived(life: Life, day: int, action: str, window: int) -> Life:
    """The same life with one action on everybody on a day, and nothing done from then on but that."""
    born = life.born
    kept = life.contacts[:, 0] < day
    contacts, owner = life.contacts[kept], life.contact_owner[kept]
    if action != "none":
        more = np.zeros((len(born.people), 4), dtype=np.int64)
        more[:, 0], more[:, 1], more[:, 2], more[:, 3] = day, ACTIONS[action], born.people["channel"], window
        contacts, owner = np.vstack([contacts, more]), np.concatenate([owner, np.arange(len(born.people))])
        order = np.argsort(owner, kind="stable")
        contacts, owner = contacts[order], owner[order]
    begins = np.searchsorted(owner, np.arange(len(born.people) + 1)).astype(np.int64)
    return born.lived(begins, np.ascontiguousarray(contacts))


def _satisfaction(life: Life, who: npt.NDArray[np.int64], day: int) -> npt.NDArray[np.float64]:
    found = np.full(len(life.born.people), np.nan)
    rated = (life.contacts[:, 0] == day) & (life.answers["satisfaction"] > 0)
    found[life.contact_owner[rated]] = life.answers["satisfaction"][rated]
    return found[who]
