"""What may be done to a customer: its word, and the number in which the loops know it."""

from __future__ import annotations

from collections.abc import Iterable

from earlywarn.errors import DataError

__all__ = [
    "ACTIONS", "ADVANCE_OFFER", "CALL", "DUE_DAY_OFFER", "LIMIT", "NOTICE", "USAGE_CALL", "USAGE_NOTICE",
    "check_actions",
]  # fmt: skip

NOTICE, CALL, LIMIT, USAGE_NOTICE, USAGE_CALL, ADVANCE_OFFER, DUE_DAY_OFFER = range(1, 8)
#: A notice and a call are about an open bill, those of usage about the running period; a limit is set; a higher advance
#: and another due day are offered by a message.
ACTIONS = {
    "notice": NOTICE,
    "call": CALL,
    "limit": LIMIT,
    "usage_notice": USAGE_NOTICE,
    "usage_call": USAGE_CALL,
    "advance": ADVANCE_OFFER,
    "due_day": DUE_DAY_OFFER,
}


def check_actions(asked: Iterable[str]) -> None:
    """Refuse a word that is neither an action nor ``none`` (D187)."""
    strange = sorted({*asked} - {"none", *ACTIONS})
    if strange:
        raise DataError(f"no action is called {strange[0]!r}.", code="D187", hint=f"one of none, {', '.join(ACTIONS)}.")
