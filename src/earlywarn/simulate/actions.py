"""What may be done to a customer: its word, and the number in which the loops know it."""

from __future__ import annotations

from collections.abc import Iterable

from earlywarn.errors import DataError

__all__ = ["ACTIONS", "CALL", "LIMIT", "NOTICE", "check_actions"]

NOTICE, CALL, LIMIT = 1, 2, 3
ACTIONS = {"notice": NOTICE, "call": CALL, "limit": LIMIT}


def check_actions(asked: Iterable[str]) -> None:
    """Refuse a word that is neither an action nor ``none`` (D187)."""
    strange = sorted({*asked} - {"none", *ACTIONS})
    if strange:
        raise DataError(f"no action is called {strange[0]!r}.", code="D187", hint=f"one of none, {', '.join(ACTIONS)}.")
