"""What would have happened: every customer's outcome under every action, and the probability behind an outcome.

Both are exact up to what they say: actions are compared with the same luck (common random numbers), so the difference
between two lives is what the action caused; probabilities are shares over futures drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.simulate.actions import ACTIONS, check_actions
from earlywarn.simulate.chance import key_of
from earlywarn.simulate.columns import dates, invoice_ids
from earlywarn.simulate.means import draw_means_anew
from earlywarn.simulate.world import NO_BILL, Another, Life

__all__ = ["outcomes", "true_p_late"]

#: Days within which somebody who leaves after an action counts.
LEAVING_DAYS = 120
#: Weeks in which means decide whether a bill is late, a plan in instalments included.
_WEEKS = 18
Bills = npt.NDArray[np.void]


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
    >>> bool((found["late_none"] - found["late_call"]).mean() > 0)
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
    life: Life,
    as_of: Any,
    draws: int = 200,
    *,
    given: Literal["state", "past"] = "state",
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """The probability that the next bill is late, given all that a customer is, and how the bill stands.

    Means are drawn anew, and so is all luck of the bill, with what is hidden in it (was it put away?); of these futures
    only those count in which the bill stood as it did: seen or not, disputed or not, paid in part or not.

    Parameters
    ----------
    life : Life
        What is done from ``as_of`` on is left out.
    as_of : date-like
    draws : int
    given : str
        ``state``: the means of the day are known; no model can be better, and none can be as good. ``past``: means are
        known until the customer's last payment, or until the day where an older bill is open; what they became since
        has shown in nothing yet. All that tables can tell of a customer is contained in it, so no model that reads
        tables can be better.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    DataFrame
        invoice_id, customer_id, p_late, futures (how many of the draws counted), late (what became of it); a row for
        each customer with an unpaid bill that is due on ``as_of`` or later.

    Raises
    ------
    DataError
        D189 a day outside the world.
    """
    day = _day(life, as_of)
    life = _relived(life, day, "none", 0)
    born, world, bills = life.born, life.born.world, life.bills
    slot = _next_due(bills, day)
    who = np.flatnonzero(slot >= 0)
    still_open = (bills["issued"] >= 0) & (bills["issued"] < day) & _unpaid(bills, day)
    oldest = np.minimum(still_open.argmax(axis=1), slot)
    resume = np.where(slot >= 0, oldest, bills.shape[1])
    anew = np.where(slot >= 0, slot, NO_BILL)
    since = np.full(len(slot), day // 7 + 1)
    if given == "past":
        paid = np.where((bills["issued"] >= 0) & (bills["paid"] >= 0) & (bills["paid"] < day), bills["paid"], -7)
        since = np.where(oldest < slot, since, paid.max(axis=1) // 7 + 1)
    wanted = _standing(bills[who, slot[who]], day)
    late, same = np.zeros(len(who)), np.zeros(len(who), dtype=np.int64)
    number, region = born.people["number"], born.people["region"]
    for draw in range(draws):
        key = key_of(world.seed, number, salt=draw + 1)
        means = draw_means_anew(world.preset.means, world.economy, region, key, born.means, since, day // 7 + _WEEKS)
        another = Another(life, key, resume, anew, *means)
        bill = born.lived(life.contact_begins, life.contacts, another).bills[who, slot[who]]
        counts = (_standing(bill, day) == wanted).all(axis=1)
        late += counts & is_late(bill)
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


#: What is seen of a bill: that it was paid, disputed, collected, viewed, moved or agreed on.
_SEEN = ("paid", "part_on", "disputed", "collected", "returned", "retried", "viewed", "postponed", "agreed")


def _standing(bills: Bills, day: int) -> npt.NDArray[np.bool_]:
    """How bills stand before a day, a row each."""
    seen = [(bills[name] >= 0) & (bills[name] < day) for name in _SEEN]
    return np.stack([*seen, bills["bounced"] == 1], axis=1)


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
