"""Sharing out what capacity there is: the most valuable first, the others one step milder.

The only step that crosses debtors. Value is risk times amount for now; expected net value and shadow prices
come with a later version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.errors import PolicyError, suggest

__all__ = ["allocate", "check_capacity"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def check_capacity(capacity: Mapping[str, Any] | None, limits: tuple[str, ...]) -> dict[str, int]:
    """Capacity by limit name; refuse names that the policy does not declare, and what is no count.

    Raises
    ------
    PolicyError
        P630 with everything that is wrong.

    Examples
    --------
    >>> check_capacity({"calls": 3}, ("notices", "calls"))
    {'calls': 3}
    """
    faults = []
    for name, count in (capacity or {}).items():
        if name not in limits:
            faults.append(f"{name!r} is no limit of the policy, {suggest(str(name), limits)}")
        elif isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            faults.append(f"{name} = {count!r} is no whole number of 0 or more")
    if faults:
        raise PolicyError(
            "the capacity cannot be followed.",
            code="P630",
            found="\n       ".join(faults),
            hint=f"limits of this policy: {', '.join(limits) or 'none'}.",
        )
    return {name: int(count) for name, count in (capacity or {}).items()}


def allocate(
    available: npt.NDArray[Any],
    limits: tuple[str | None, ...],
    value: npt.NDArray[np.float64],
    protected: Mask,
    capacity: Mapping[str, int],
) -> Rows:
    """Choose one action for each debtor within the limits.

    From the sternest action to the mildest, the most valuable debtors take their places; who is left over
    tries the next milder one that is available. Protected debtors take their places first and are never cut:
    where they alone are more than a limit, nobody else gets one.

    Parameters
    ----------
    available : ndarray of bool, shape (n_actions, n_debtors)
        The mildest action first.
    limits : tuple of str or None, length n_actions
        Limit that each action counts against; None for no limit. Actions may share one.
    value : ndarray of float64, shape (n_debtors,)
        Ties go to the debtor that stands first.
    protected : ndarray of bool, shape (n_debtors,)
    capacity : mapping of str to int
        A limit that is not named is not limited.

    Returns
    -------
    ndarray of int64, shape (n_debtors,)
        Row of ``available``; -1 where none was available, or none was left.

    Examples
    --------
    >>> notice_or_call = np.array([[True, True, True], [True, True, False]])
    >>> value, protected = np.array([5.0, 9.0, 1.0]), np.zeros(3, dtype=bool)
    >>> allocate(notice_or_call, ("notices", "calls"), value, protected, {"calls": 1})
    array([0, 1, 0])
    """
    available = np.asarray(available, dtype=bool)
    chosen = np.full(len(value), -1, dtype=np.int64)
    for action, usable in enumerate(available):
        chosen[usable & protected] = action
    left = dict(capacity)
    for action, limit in enumerate(limits):
        if limit in left:
            left[limit] = max(0, left[limit] - int(((chosen == action) & protected).sum()))
    order = np.argsort(-value, kind="stable")
    for action in range(len(available) - 1, -1, -1):
        limit = limits[action]
        waiting = order[(available[action] & (chosen < 0) & ~protected)[order]]
        places = waiting[: left[limit]] if limit in left else waiting
        chosen[places] = action
        if limit in left:
            left[limit] -= len(places)
    return chosen
