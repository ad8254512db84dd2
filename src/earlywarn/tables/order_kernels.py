"""Compiled loops that put rows in the order of their owners."""

from __future__ import annotations

from typing import Any

from earlywarn.compiled import compiled

__all__ = ["counted_order", "rises_by_owner"]


@compiled("void(int64[::1], int64[::1], int64[::1])")
def counted_order(owner: Any, place: Any, order: Any) -> None:
    """Stable order by owner; ``place`` holds zeros, then where each owner's rows begin, and is moved on."""
    for row in range(len(owner)):
        place[owner[row] + 2] += 1
    for whose in range(1, len(place)):
        place[whose] += place[whose - 1]
    for row in range(len(owner)):
        whose = owner[row] + 1
        order[place[whose]] = row
        place[whose] += 1


@compiled("boolean(int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1])")
def rises_by_owner(owner: Any, first: Any, second: Any, third: Any, last: Any) -> bool:
    """Whether each owner's rows never fall in the order of three columns; ``last`` starts at the lowest numbers."""
    for row in range(len(owner)):
        whose = owner[row] + 1
        before = last[whose, 0], last[whose, 1], last[whose, 2]
        now = first[row], second[row], third[row]
        if now < before:
            return False
        last[whose, 0], last[whose, 1], last[whose, 2] = now
    return True
