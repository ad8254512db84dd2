"""The days that a world covers, and what is true of each day for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import bank_calendar

__all__ = ["Span"]

Days = npt.NDArray[np.int64]
#: Days after the end that are lived on, so that it is known how every bill ends.
AFTER = 200


@dataclass(frozen=True)
class Span:
    """Whole months, as days counted from the first. Tables show what had happened before ``end``.

    Parameters
    ----------
    first : datetime64[M]
    months : int
    """

    first: np.datetime64
    months: int

    @property
    def start(self) -> Any:
        """First day."""
        return self.first.astype("M8[D]")

    @property
    def end(self) -> int:
        """First day after the last month."""
        return int(self.day_of_month(np.array([self.months]))[0])

    @property
    def weeks(self) -> int:
        """Weeks that are begun until the last day that is lived."""
        return -(-(self.end + AFTER) // 7)

    def day_of_month(self, month: Any, of_month: Any = 1) -> Days:
        """The given day, 1 to 28, of the given month, counted from the first of each."""
        begins = (self.first + np.asarray(month).astype("m8[M]")).astype("M8[D]")
        found: Days = (begins - self.start).astype(np.int64) + np.asarray(of_month) - 1
        return found

    def dates(self, day: Any) -> npt.NDArray[np.datetime64]:
        """Dates of days, those before the first included."""
        found: npt.NDArray[np.datetime64] = self.start + np.asarray(day).astype("m8[D]")
        return found

    def day(self, date: Any) -> Days:
        """Days of dates."""
        found: Days = (np.asarray(date).astype("M8[D]") - self.start).astype(np.int64)
        return found

    @cached_property
    def _dates(self) -> npt.NDArray[np.datetime64]:
        return self.dates(np.arange(7 * self.weeks))

    @cached_property
    def month(self) -> Days:
        """Month of the year of each day, 0 for January."""
        return self._dates.astype("M8[M]").astype(np.int64) % 12

    @cached_property
    def of_month(self) -> Days:
        """Day of the month of each day, from 1 on."""
        found: Days = (self._dates - self._dates.astype("M8[M]")).astype(np.int64) + 1
        return found

    @cached_property
    def weekday(self) -> Days:
        """0 for Monday."""
        found: Days = (self._dates.astype(np.int64) + 3) % 7
        return found

    @cached_property
    def bank_number(self) -> Days:
        """How many bank days lie before each day."""
        found: Days = np.searchsorted(self.bank_day, np.arange(7 * self.weeks))
        return found

    @cached_property
    def bank_day(self) -> Days:
        """The day of each bank day, by its number."""
        found: Days = np.flatnonzero(np.is_busday(self._dates, busdaycal=bank_calendar())).astype(np.int64)
        return found
