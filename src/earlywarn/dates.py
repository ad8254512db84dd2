"""Moments, days and bank days: the arithmetic of when a thing happened and when it was known.

Times are int64 microseconds of wall-clock time in the ledger's one zone. A date *happens* at 00:00 and is
*known* at the last microsecond of its day, plus its table's lag; ``visible`` is the one comparison that
decides what an ``as_of`` may see.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import DataError

__all__ = [
    "FOREVER",
    "NAT",
    "US_PER_DAY",
    "add_bank_days",
    "day_end",
    "day_number",
    "day_start",
    "known_after",
    "moment",
    "moments",
    "to_datetime64",
    "visible",
]

Moments = npt.NDArray[np.int64]

US_PER_DAY = 86_400_000_000
#: A moment that is missing (the same bits as ``numpy.datetime64("NaT")``).
NAT = int(np.iinfo(np.int64).min)
#: A moment that never comes: "not replaced so far", "always valid".
FOREVER = int(np.iinfo(np.int64).max)
#: Before every moment: the valid-from of what holds always.
ALWAYS = -FOREVER


def day_number(us: Moments) -> Moments:
    """Days since 1970-01-01 of each moment; missing stays missing.

    Examples
    --------
    >>> day_number(np.array([0, US_PER_DAY - 1, US_PER_DAY, -1]))
    array([ 0,  0,  1, -1])
    """
    return np.where(us == NAT, NAT, us // US_PER_DAY)


def day_start(day: Moments) -> Moments:
    """First microsecond of each day number; missing stays missing."""
    return np.where(day == NAT, NAT, np.where(day == NAT, 0, day) * US_PER_DAY)


def day_end(day: Moments) -> Moments:
    """Last microsecond of each day number, the close of that day; missing stays missing.

    Examples
    --------
    >>> day_end(np.array([0])) - day_start(np.array([0]))
    array([86399999999])
    """
    return np.where(day == NAT, NAT, day_start(day) + (US_PER_DAY - 1))


@cache
def bank_calendar() -> np.busdaycalendar:
    """Business days of TARGET, the euro's settlement system, 1999 to 2100."""
    import holidays

    closed = holidays.financial_holidays("XECB", years=range(1999, 2101))
    return np.busdaycalendar(holidays=np.array(sorted(closed), dtype="M8[D]"))


def add_bank_days(day: Moments, count: int, *, from_closed_day: str = "backward") -> Moments:
    """Day number ``count`` TARGET business days after each day.

    Parameters
    ----------
    day : ndarray of int64, shape (n,), day numbers
    count : int
        Business days to add.
    from_closed_day : {"backward", "forward"}
        From where to count when a day is not a business day. "backward": money booked on a Saturday is
        known one bank day after Friday. "forward": a collection due on a Saturday is executed on Monday.

    Returns
    -------
    ndarray of int64, shape (n,), day numbers; missing stays missing

    Examples
    --------
    >>> good_friday_eve = np.array(["2026-04-02"], "M8[D]").astype(np.int64)
    >>> add_bank_days(good_friday_eve, 1).astype("M8[D]")
    array(['2026-04-07'], dtype='datetime64[D]')
    """
    missing = day == NAT
    days = np.where(missing, 0, day).astype("M8[D]")
    moved = np.busday_offset(days, count, roll=from_closed_day, busdaycal=bank_calendar())  # type: ignore[call-overload]
    return np.where(missing, NAT, moved.astype(np.int64))


def known_after(happened_at: Moments, lag_days: int, *, bank: bool = False) -> Moments:
    """When facts that happened become known, for sources that do not say so.

    A date (a moment at exactly 00:00) is known at the close of its day, a moment at itself; both plus the lag.

    Parameters
    ----------
    happened_at : ndarray of int64, shape (n,), microseconds
    lag_days : int
        Days later that the fact reaches the ledger.
    bank : bool
        Count the lag in TARGET business days.

    Returns
    -------
    ndarray of int64, shape (n,), microseconds

    Examples
    --------
    >>> friday = np.array(["2026-03-06"], "M8[us]").astype(np.int64)
    >>> known_after(friday, 1, bank=True).astype("M8[us]")
    array(['2026-03-09T23:59:59.999999'], dtype='datetime64[us]')
    """
    missing = happened_at == NAT
    safe = np.where(missing, 0, happened_at)
    day, of_day = safe // US_PER_DAY, safe % US_PER_DAY
    if lag_days:
        day = add_bank_days(day, lag_days) if bank else day + lag_days
    known = day * US_PER_DAY + np.where(of_day == 0, US_PER_DAY - 1, of_day)
    return np.where(missing, NAT, known)


def visible(known_at: Moments, known_until: Moments, as_of: Moments | int) -> npt.NDArray[np.bool_]:
    """Whether each fact is known strictly before ``as_of`` and not yet replaced then.

    Parameters
    ----------
    known_at, known_until : ndarray of int64, shape (n,), microseconds
        A fact is known after ``known_at`` up to and including ``known_until``, when its next version is.
    as_of : int, or ndarray of int64, shape (n,), microseconds

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> visible(np.array([1, 2, 3]), np.array([FOREVER, FOREVER, FOREVER]), 2)
    array([ True, False, False])
    """
    seen: npt.NDArray[np.bool_] = (known_at < as_of) & (known_until >= as_of)
    return seen


def moment(value: Any, timezone: str = "UTC") -> int:
    """One moment in microseconds from a date, a datetime, a timestamp or ISO text.

    Parameters
    ----------
    value : str, date, datetime, numpy.datetime64 or pandas.Timestamp
        Aware values are converted to ``timezone``, then the zone is dropped. A date means 00:00.
    timezone : str
        IANA name.

    Returns
    -------
    int, microseconds

    Raises
    ------
    DataError
        When the value is missing or no moment (code D140).

    Examples
    --------
    >>> moment("2026-03-01") == moment(dt.date(2026, 3, 1))
    True
    """
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise DataError(f"{value!r} is not a moment.", code="D140", hint="write it as 2026-03-31.") from error
    if pd.isna(stamp):
        raise DataError("a moment is missing.", code="D140", found=repr(value), hint="write it as 2026-03-31.")
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert(timezone).tz_localize(None)
    return int(np.datetime64(stamp, "us").astype(np.int64))


def moments(values: pd.Series[Any], timezone: str = "UTC") -> Moments:
    """A column of moments in microseconds; missing stays missing.

    Parameters
    ----------
    values : Series of datetime64
        Aware values are converted to ``timezone``, then the zone is dropped.
    timezone : str
        IANA name.

    Returns
    -------
    ndarray of int64, shape (n,), microseconds

    Examples
    --------
    >>> aware = pd.Series(pd.to_datetime(["2026-03-01T00:00+01:00"]))
    >>> moments(aware, "Europe/Brussels") == moment("2026-03-01")
    array([ True])
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert(timezone).dt.tz_localize(None)
    return values.to_numpy().astype("M8[us]").astype(np.int64)


def to_datetime64(us: Moments) -> npt.NDArray[np.datetime64]:
    """Moments as ``datetime64[us]``; never and always become NaT."""
    edge = (us == FOREVER) | (us == ALWAYS)
    return np.where(edge, NAT, us).astype("M8[us]")


def iso(us: int) -> str:
    """One moment as text, the time left out at midnight.

    Examples
    --------
    >>> iso(0)
    '1970-01-01'
    """
    stamp = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=us)
    return stamp.date().isoformat() if us % US_PER_DAY == 0 else stamp.isoformat(sep=" ")
