"""The calendar of a due day: how far the next bank day and the month's end are, and public holidays around it.

Calendars are published years ahead, so all of this is known at any moment before the day itself.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from earlywarn.dates import bank_calendar

__all__ = ["day_of_month", "days_to_bank_day", "days_to_month_end", "holidays_around", "knows", "month"]

Days = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: Days before and after a due day in which a public holiday counts.
AROUND = 3


def month(day: Days) -> Values:
    """Month of the year, 1 to 12.

    Parameters
    ----------
    day : ndarray of int64, shape (n,)
        Days since 1970-01-01.

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> month(np.array([0, 31, 364]))
    array([ 1.,  2., 12.])
    """
    return (_months(day) % 12 + 1).astype(np.float64)


def day_of_month(day: Days) -> Values:
    """Day of the month, 1 to 31.

    Examples
    --------
    >>> day_of_month(np.array([0, 31, 364]))
    array([ 1.,  1., 31.])
    """
    return (day - _months(day).astype("M8[M]").astype("M8[D]").astype(np.int64) + 1).astype(np.float64)


def days_to_month_end(day: Days) -> Values:
    """Days from each day to the last of its month; 0 on that day.

    Examples
    --------
    >>> days_to_month_end(np.array([0, 30, 31]))
    array([30.,  0., 27.])
    """
    following = (_months(day) + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    return (following - 1 - day).astype(np.float64)


def days_to_bank_day(day: Days, currency: str, country: str | None) -> Values:
    """Days from each day to the first one on which banks settle; 0 when they do on the day itself.

    For the euro the days of TARGET; for another currency Monday to Friday without the public holidays of
    the country, where that is known.

    Parameters
    ----------
    day : ndarray of int64, shape (n,)
        Days since 1970-01-01.
    currency : str
    country : str or None
        ISO code of two letters.

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> good_friday = np.array(["2026-04-03"], "M8[D]").astype(np.int64)
    >>> days_to_bank_day(good_friday, "EUR", "BE"), days_to_bank_day(good_friday, "USD", "US")
    (array([4.]), array([0.]))
    """
    dates = day.astype("M8[D]")
    if currency == "EUR":
        open_day = np.busday_offset(dates, 0, roll="forward", busdaycal=bank_calendar())
    else:
        closed = _public_holidays(country, *_years(day)) if country else None
        off = np.empty(0, dtype="M8[D]") if closed is None else np.array(closed, dtype="M8[D]")
        open_day = np.busday_offset(dates, 0, roll="forward", holidays=off)
    return np.asarray((open_day - dates).astype(np.float64))


def knows(country: str) -> bool:
    """Whether the public holidays of a country are known.

    Examples
    --------
    >>> knows("BE"), knows("Atlantis")
    (True, False)
    """
    return _public_holidays(country, 2000, 2000) is not None


def holidays_around(day: Days, country: str | None) -> Values:
    """Public holidays on Monday to Friday within three days of each day; missing without a known country.

    Parameters
    ----------
    day : ndarray of int64, shape (n,)
        Days since 1970-01-01.
    country : str or None
        ISO code of two letters.

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> days = np.array(["2026-12-23", "2026-07-01"], "M8[D]").astype(np.int64)
    >>> holidays_around(days, "NL"), holidays_around(days, None)
    (array([1., 0.]), array([nan, nan]))
    """
    closed = _public_holidays(country, *_years(day)) if country else None
    if closed is None:
        return np.full(len(day), np.nan)
    dates = np.array(closed, dtype="M8[D]")
    weekdays = np.sort(dates[np.is_busday(dates)]).astype(np.int64)
    low = np.searchsorted(weekdays, day - AROUND, side="left")
    return (np.searchsorted(weekdays, day + AROUND, side="right") - low).astype(np.float64)


def _months(day: Days) -> Days:
    return day.astype("M8[D]").astype("M8[M]").astype(np.int64)


def _years(day: Days) -> tuple[int, int]:
    """First and last year that days around these can fall in."""
    if not len(day):
        return 1970, 1970
    years = np.array([day.min() - AROUND, day.max() + 10]).astype("M8[D]").astype("M8[Y]").astype(np.int64) + 1970
    return int(years[0]), int(years[1])


@lru_cache(maxsize=64)
def _public_holidays(country: str, first: int, last: int) -> tuple[np.datetime64, ...] | None:
    """Public holidays of a country; None for one that the calendar does not know."""
    import holidays

    try:
        known = holidays.country_holidays(country, years=range(first, last + 1))
    except NotImplementedError:
        return None
    return tuple(np.datetime64(date, "D") for date in sorted(known))
