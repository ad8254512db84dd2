"""Numbers, shares, money and dates written the way a language and a territory write them.

The only place that talks to Babel. A language is "nl", "fr", "en" or one with a territory, "nl-BE".
"""

from __future__ import annotations

import datetime as dt
import math
from functools import lru_cache

import numpy as np
import pandas as pd
from babel import Locale, UnknownLocaleError
from babel import dates as babel_dates
from babel import numbers as babel_numbers

from earlywarn.errors import FeatureError

__all__ = [
    "FILTERS",
    "as_date",
    "as_number",
    "date",
    "is_missing",
    "locale_of",
    "money",
    "number",
    "percent",
    "plain",
    "ratio",
    "tag_of",
]

FILTERS = ("number", "percent", "ratio", "money", "date")
WIDTHS = ("short", "medium", "long", "full")
FLOAT_STEP_SECONDS = 300
#: A share so close to 0 or to 1 is that, and was only reckoned in floats.
NOTHING = 1e-6
_LESS = {"en": "less than ", "nl": "minder dan ", "fr": "moins de "}
_MORE = {"en": "more than ", "nl": "meer dan ", "fr": "plus de "}


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """Babel's locale of a language tag.

    Raises
    ------
    FeatureError
        If the tag names no known language (code F262).

    Examples
    --------
    >>> str(locale_of("nl-BE"))
    'nl_BE'
    """
    try:
        return Locale.parse(language.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError, AttributeError, TypeError) as error:
        raise FeatureError(
            f"{language!r} is not a language that texts can be written in.",
            code="F262",
            found=str(error),
            hint='use a tag such as "en", "nl", "fr" or "nl-BE".',
        ) from None


def tag_of(language: str) -> str:
    """A language tag in its usual form.

    Examples
    --------
    >>> tag_of("NL_be"), tag_of(" fr ")
    ('nl-BE', 'fr')
    """
    base, _, territory = language.strip().replace("_", "-").partition("-")
    return f"{base.lower()}-{territory.upper()}" if territory else base.lower()


def is_missing(value: object) -> bool:
    """Tell whether a scalar stands for "not known": None, NaN, NaT or NA.

    Examples
    --------
    >>> is_missing(float("nan")), is_missing(0)
    (True, False)
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return isinstance(value, np.datetime64) and bool(np.isnat(value))


def number(value: object, decimals: str, locale: Locale) -> str:
    """Write a number with a fixed count of decimals; without one, at most two.

    Examples
    --------
    >>> number(1234.5, "1", locale_of("nl"))
    '1.234,5'
    """
    return str(babel_numbers.format_decimal(_rounded(value, decimals or "2"), _pattern(decimals), locale=locale))


def percent(value: object, decimals: str, locale: Locale) -> str:
    """Write a share (0 to 1) as a percentage; without decimals, to the whole percent.

    What is not nothing is never written as 0%, and what is not all never as 100%.

    Examples
    --------
    >>> percent(0.125, "1", locale_of("en")), percent(0.004, "", locale_of("en"))
    ('12.5%', 'less than 1%')
    """
    places = _places(decimals or "0")
    share, step = as_number(value), 10.0 ** -(places + 2)
    shown = _rounded(share, str(places + 2))
    words = ""
    if shown == 0 and share > NOTHING:
        words, shown = _LESS.get(locale.language, _LESS["en"]), step
    elif shown == 1 and share < 1 - NOTHING:
        words, shown = _MORE.get(locale.language, _MORE["en"]), 1 - step
    return words + _percentage(shown, places, locale)


def ratio(value: object, decimals: str, locale: Locale) -> str:
    """Write how much one amount is of another as a percentage; 99.7% is 100%, for it may as well be more than all.

    Examples
    --------
    >>> ratio(0.997, "", locale_of("en")), ratio(1.2, "", locale_of("nl"))
    ('100%', '120%')
    """
    places = _places(decimals or "0")
    return _percentage(_rounded(value, str(places + 2)), places, locale)


def _percentage(rounded: float, places: int, locale: Locale) -> str:
    """A number as a percentage in the locale's own pattern."""
    pattern = locale.percent_formats[None].pattern.replace("#,##0", "#,##0" + _fraction(places))
    return str(babel_numbers.format_percent(rounded, pattern, locale=locale))


def money(value: object, currency: str, locale: Locale) -> str:
    """Write an amount in units of ``currency`` (ISO 4217), with the currency's own decimals.

    Raises
    ------
    FeatureError
        If the currency is not known (code F263).

    Examples
    --------
    >>> money(1234.5, "EUR", locale_of("en"))
    '€1,234.50'
    """
    if not babel_numbers.is_currency(currency):
        raise FeatureError(f"{currency!r} is not a currency code.", code="F263", hint='use one such as "EUR".')
    return str(babel_numbers.format_currency(as_number(value), currency, locale=locale))


def date(value: object, width: str, locale: Locale) -> str:
    """Write a day: short, medium, long (default) or full.

    Examples
    --------
    >>> date("2026-03-01", "", locale_of("nl"))
    '1 maart 2026'
    """
    if width and width not in WIDTHS:
        raise FeatureError(
            f"date:{width} is not a way to write a date.",
            code="F261",
            hint=f"use one of {', '.join(WIDTHS)}.",
        )
    return str(babel_dates.format_date(as_date(value), width or "long", locale=locale))


def plain(value: object, locale: Locale) -> str:
    """Write a value by its own kind: text as it is, a date as a date, a number as a number.

    Examples
    --------
    >>> plain("b2c", locale_of("en")), plain(12.0, locale_of("en"))
    ('b2c', '12')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dt.date | np.datetime64):
        return date(value, "", locale)
    return number(value, "", locale)


def as_date(value: object) -> dt.date:
    """Read a day from a date, a timestamp, "YYYY-MM-DD", or wall-clock microseconds since 1970.

    Floats carry microseconds too; float32 is coarse there (about a minute), so floats are rounded to five
    minutes: a midnight stays on its own day.

    Raises
    ------
    FeatureError
        If the value is none of these (code F264).

    Examples
    --------
    >>> as_date(np.datetime64("2026-03-01T23:59")), as_date(86_400_000_000)
    (datetime.date(2026, 3, 1), datetime.date(1970, 1, 2))
    """
    try:
        if isinstance(value, float | np.floating):
            step = FLOAT_STEP_SECONDS * 1_000_000
            return _from_microseconds(round(float(value) / step) * step)
        if isinstance(value, int | np.integer) and not isinstance(value, bool):
            return _from_microseconds(int(value))
        if isinstance(value, str):
            return dt.date.fromisoformat(value[:10])
        if isinstance(value, np.datetime64 | dt.date) and not is_missing(value):
            return pd.Timestamp(value).date()
    except (ValueError, OverflowError):
        pass
    raise FeatureError(
        f"{value!r} cannot be written as a date.",
        code="F264",
        hint='dates are timestamps, "YYYY-MM-DD", or microseconds since 1970.',
    )


def _from_microseconds(value: int) -> dt.date:
    return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=value)).date()


def as_number(value: object) -> float:
    """Read a number, or say that it is none (code F264).

    Examples
    --------
    >>> as_number(np.float32(0.5))
    0.5
    """
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise FeatureError(f"{value!r} is not a number and is asked to be written as one.", code="F264") from None


def _rounded(value: object, decimals: str) -> float:
    return round(as_number(value), _places(decimals)) + 0.0  # adding 0.0 turns −0.0 into 0.0


def _places(decimals: str) -> int:
    if decimals.isdigit() and len(decimals) == 1:
        return int(decimals)
    raise FeatureError(
        f"{decimals!r} is not a count of decimals.",
        code="F261",
        hint="write {name|number:1} or {name|percent:0}.",
    )


def _fraction(places: int) -> str:
    return "." + "0" * places if places else ""


def _pattern(decimals: str) -> str:
    return "#,##0" + _fraction(_places(decimals)) if decimals else "#,##0.##"
