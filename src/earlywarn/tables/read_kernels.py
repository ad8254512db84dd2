"""Compiled loop over reads of meters: how many days each one covers."""

from __future__ import annotations

from typing import Any

import numpy as np

from earlywarn.compiled import compiled
from earlywarn.dates import NAT, US_PER_DAY

__all__ = ["since_the_one_before"]

_NAT, _DAY = int(NAT), int(US_PER_DAY)


@compiled(
    "void(int64, int64, int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], float64[::1])"
)
def since_the_one_before(
    start: int, stop: int, longest: int, owner: Any, series: Any, used_on: Any, used_from: Any, known_at: Any,
    known_until: Any, out: Any,
) -> None:  # fmt: skip
    """Days from each read's first day to its last, or since the read before of its series that was known then.

    Reads are sorted by (owner, used_on). ``series`` and ``used_from`` may be empty: one series, and none stated.
    """
    for row in range(start, stop):
        day, days = used_on[row] // _DAY, 0
        if len(used_from) and used_from[row] != _NAT:
            days = day - used_from[row] // _DAY + 1
        before = row - 1
        while days <= 0 and before >= 0 and owner[before] == owner[row]:
            between = day - used_on[before] // _DAY
            if between > longest:
                break
            same = len(series) == 0 or series[before] == series[row]
            if same and known_at[before] <= known_at[row] < known_until[before]:
                days = between
            before -= 1
        out[row] = days if days > 0 else np.nan
