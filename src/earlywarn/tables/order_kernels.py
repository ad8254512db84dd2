"""Compiled loop that puts rows in the order of their owners."""

from __future__ import annotations

from typing import Any

from earlywarn.compiled import compiled

__all__ = ["counted_order"]


@compiled("void(int64, int64[::1], int64[::1], int64[::1])")
def counted_order(count: int, owner: Any, place: Any, order: Any) -> None:
    """Stable order by owner; ``place`` holds where each owner's rows begin, and is moved on."""
    for row in range(count):
        whose = owner[row] + 1
        order[place[whose]] = row
        place[whose] += 1
