"""Compiled loops of the projected bill: what had been seen of a period, and what is usual for a line of bills.

Imported only where it is used, because compiling costs seconds once per machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from earlywarn.compiled import compiled

__all__ = ["seen_in", "usual_of"]

#: Bills looked back at, at most.
MOST_BILLS = 60


@compiled(
    "void(int64, int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], "
    "int64[::1], int64[::1], int64[::1], float64[::1], float64[::1], float64[:, ::1])"
)
def seen_in(
    start: int, stop: int, line: Any, first: Any, last: Any, as_of: Any, rows: Any, longest: Any, row_first: Any,
    row_last: Any, row_known: Any, row_until: Any, amount: Any, trust: Any, out: Any,
) -> None:  # fmt: skip
    """Amount that falls on the days ``first … last`` of each query, of rows known at ``as_of``; all, and trusted.

    Row amounts are spread evenly over their days ``row_first … row_last``; rows are sorted by (line, row_last).
    """
    for i in range(start, stop):
        low, high = rows[line[i]], rows[line[i] + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if row_last[middle] < first[i]:
                low = middle + 1
            else:
                high = middle
        every = 0.0
        trusted = 0.0
        while low < end and row_last[low] - longest[line[i]] < last[i]:
            days = min(row_last[low], last[i]) - max(row_first[low], first[i]) + 1
            if days > 0 and row_known[low] < as_of[i] and row_until[low] >= as_of[i]:
                part = amount[low] * days / (row_last[low] - row_first[low] + 1)
                every += part
                trusted += part * trust[low]
            low += 1
        out[i, 0] = every
        out[i, 1] = trusted


@compiled(
    "void(int64, int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], float64[::1], int64[::1], "
    "float64[::1], float64[:, ::1], float64[:, ::1])"
)
def usual_of(
    start: int, stop: int, oldest: Any, newest: Any, first: Any, last: Any, column: Any, weight: Any, bill_end: Any,
    total: Any, seen: Any, out: Any,
) -> None:  # fmt: skip
    """What the bills of the last twelve months (at least three of them) say about the period ``first … last``.

    Written to ``out``: the usual total (median; half of it the period a year before, where there is one), the sum
    of what had been seen of each (columns ``column`` and the next, mixed by ``weight``), the sum of the totals it
    was seen of, their number, and the median alone. Bills without a total (NaN) are left out.
    """
    values = np.empty(MOST_BILLS)
    for i in range(start, stop):
        days = last[i] - first[i] + 1
        near = min(days // 2, 15)
        count = 0
        seasonal = np.nan
        off = near + 1
        seen_sum = 0.0
        total_sum = 0.0
        seen_count = 0
        bill = newest[i]
        while bill >= oldest[i] and count < MOST_BILLS:
            if bill_end[bill] < last[i] - 365 - near and count >= 3:
                break
            value = total[bill]
            if not np.isnan(value):
                place = count
                while place > 0 and values[place - 1] > value:
                    values[place] = values[place - 1]
                    place -= 1
                values[place] = value
                count += 1
                distance = abs(bill_end[bill] - (last[i] - 365))
                if days <= 200 and distance < off:
                    seasonal = value
                    off = distance
                part = seen[bill, column[i]]
                if weight[i] > 0.0:
                    part = (1.0 - weight[i]) * part + weight[i] * seen[bill, column[i] + 1]
                if not np.isnan(part):
                    seen_sum += part
                    total_sum += value
                    seen_count += 1
            bill -= 1
        median = np.nan
        if count > 0:
            median = 0.5 * (values[(count - 1) // 2] + values[count // 2])
        out[i, 0] = median if np.isnan(seasonal) else 0.5 * (median + seasonal)
        out[i, 1] = seen_sum
        out[i, 2] = total_sum
        out[i, 3] = seen_count
        out[i, 4] = median
