"""Values as they came, turned into what the schema says; what does not fit becomes a listed fault.

Nothing is dropped in silence: a row with a fault is set aside under a code and a message, and all faults of
a run are reported together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.errors import suggest
from earlywarn.tables.schema import Column

__all__ = ["Faults", "Text", "coerce", "no_money", "stated"]

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

#: Money that is not stated (optional columns only), in minor units.
no_money = NAT
EARLIEST = int(np.datetime64("1900-01-01", "us").astype(np.int64))
LATEST = int(np.datetime64("2200-01-01", "us").astype(np.int64))


@dataclass(frozen=True)
class Text:
    """A text column as codes into sorted labels; -1 is missing.

    Attributes
    ----------
    codes : ndarray of int64, shape (n,)
    labels : tuple of str
    """

    codes: Rows
    labels: tuple[str, ...]

    def take(self, rows: Rows | Mask) -> Text:
        """The given rows."""
        return Text(self.codes[rows], self.labels)

    def values(self) -> npt.NDArray[np.object_]:
        """The texts themselves, None where missing."""
        lookup = np.array([*self.labels, None], dtype=object)
        return lookup[self.codes]

    def is_word(self, *words: str) -> Mask:
        """Where the text is one of the words."""
        asked = set(words)
        wanted = [code for code, label in enumerate(self.labels) if label in asked]
        return np.isin(self.codes, wanted)

    def codes_in(self, labels: Sequence[str]) -> Rows:
        """The same texts as codes into other labels; -1 where missing or not among them."""
        place = {label: code for code, label in enumerate(labels)}
        return np.array([place.get(label, -1) for label in self.labels] + [-1], dtype=np.int64)[self.codes]

    def filled(self, word: str) -> Text:
        """The same column with a word where the text is missing."""
        if (self.codes >= 0).all():
            return self
        return Text.of(np.where(self.codes < 0, word, self.values()))

    @staticmethod
    def of(values: Any) -> Text:
        """Encode an array of texts; None and NaN are missing."""
        codes, labels = pd.factorize(np.asarray(values, dtype=object), sort=True, use_na_sentinel=True)
        return Text(codes.astype(np.int64), tuple(map(str, labels)))

    @staticmethod
    def empty(count: int) -> Text:
        """A column without any text."""
        return Text(np.full(count, -1, dtype=np.int64), ())


@dataclass
class Faults:
    """The faults of one run, gathered in the order of finding."""

    rows: list[tuple[str, int, str, str, str, str]] = field(default_factory=list)

    def add(self, table: str, rows: Any, column: str, code: str, message: str, values: Any) -> None:
        """Note one fault for each of the rows, with the value found there."""
        for row, value in zip(rows, values, strict=True):
            self.rows.append((table, int(row), column, code, message, _shown(value)))

    def frame(self) -> pd.DataFrame:
        """All faults, shape (n_faults, 6), sorted by table and row."""
        names = ["table", "row", "column", "code", "message", "value"]
        frame = pd.DataFrame(self.rows, columns=names).astype({"row": "int64"})
        return frame.sort_values(["table", "row", "column", "code"], kind="stable", ignore_index=True)


def _shown(value: Any) -> str:
    text = "" if value is None or value is pd.NA or value is pd.NaT else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def coerce(
    series: pd.Series[Any], column: Column, *, timezone: str, digits: int
) -> tuple[Any, list[tuple[str, str, Mask]]]:
    """One column in the form that the schema's kind has inside.

    Parameters
    ----------
    series : Series, shape (n,)
    column : Column
    timezone : str
        Zone into which aware times are converted.
    digits : int
        Decimals of the ledger's currency.

    Returns
    -------
    values : Text, or ndarray of float64 or int64, shape (n,)
    faults : list of (code, message, mask)
    """
    if column.kind == "text":
        text = _to_text(series)
        return text, _outside_vocabulary(text, column)
    if column.kind == "date":
        return _to_dates(series, timezone)
    readers: dict[str, Callable[[pd.Series[Any]], tuple[Any, list[tuple[str, str, Mask]]]]] = {
        "number": _to_numbers,
        "bool": _to_bools,
        "money": lambda money: _to_money(money, digits),
    }
    return readers[column.kind](series)


_LISTS = (list, tuple, np.ndarray)


def _to_text(series: pd.Series[Any]) -> Text:
    """Ids and words: whole floats lose their ``.0``, blanks become missing."""
    if series.dtype == np.dtype(object):
        series = series.map(lambda value: " ".join(map(str, value)) if isinstance(value, _LISTS) else value)
    codes, uniques = pd.factorize(series, use_na_sentinel=True)
    words = [_word(value) for value in uniques]
    labels = sorted({word for word in words if word})
    place = {word: code for code, word in enumerate(labels)}
    recode = np.array([place.get(word, -1) for word in words] + [-1], dtype=np.int64)
    return Text(recode[codes], tuple(labels))


def _word(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _outside_vocabulary(text: Text, column: Column) -> list[tuple[str, str, Mask]]:
    strange = [label for label in text.labels if column.words and label not in column.words]
    return [
        ("D135", f"{label!r} is none of the known words; {suggest(label, column.words)}", text.is_word(label))
        for label in strange
    ]


def _to_numbers(series: pd.Series[Any]) -> tuple[Any, list[tuple[str, str, Mask]]]:
    given = stated(series)
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = given & ~np.isfinite(numbers)
    return np.where(bad, np.nan, numbers), [("D130", "is no number", bad)]


_TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0}


def _to_bools(series: pd.Series[Any]) -> tuple[Any, list[tuple[str, str, Mask]]]:
    given = stated(series)
    truth = np.array([_TRUTH.get(str(value).strip().lower(), np.nan) for value in series], dtype=np.float64)
    return np.where(given, truth, np.nan), [("D136", "is neither true nor false", given & np.isnan(truth))]


def _to_money(series: pd.Series[Any], digits: int) -> tuple[Any, list[tuple[str, str, Mask]]]:
    """Minor units; decimals beyond the currency's are a fault, binary noise of floats is not."""
    given = stated(series)
    if not pd.api.types.is_numeric_dtype(series.dtype):
        return _text_to_money(series, given, digits)
    scaled = series.to_numpy(dtype=np.float64, na_value=np.nan) * 10.0**digits
    finite = np.isfinite(scaled) & (np.abs(scaled) < 2**53)
    whole = np.rint(np.where(finite, scaled, 0.0))
    noise = np.maximum(1e-6, 8 * np.finfo(np.float64).eps * np.abs(whole))
    fine = finite & (np.abs(np.where(finite, scaled, 0.0) - whole) > noise)
    minor = np.where(given & finite & ~fine, whole, 0.0).astype(np.int64)
    faults = [
        ("D131", "is no amount", given & ~finite),
        ("D132", f"has more than {digits} decimals", fine),
    ]
    return np.where(given & finite & ~fine, minor, no_money), faults


def _text_to_money(series: pd.Series[Any], given: Mask, digits: int) -> tuple[Any, list[tuple[str, str, Mask]]]:
    minor = np.full(len(series), no_money, dtype=np.int64)
    bad, fine = np.zeros(len(series), dtype=bool), np.zeros(len(series), dtype=bool)
    for row in np.flatnonzero(given):
        try:
            scaled = Decimal(str(series.iloc[row]).strip()).scaleb(digits)
        except DecimalException:
            bad[row] = True
            continue
        if not scaled.is_finite() or abs(scaled) >= 2**53:
            bad[row] = True
        elif scaled != scaled.to_integral_value():
            fine[row] = True
        else:
            minor[row] = int(scaled)
    return minor, [
        ("D131", "is no amount; write 1234.56, without a thousands sign or a currency", bad),
        ("D132", f"has more than {digits} decimals", fine),
    ]


def _to_dates(series: pd.Series[Any], timezone: str) -> tuple[Any, list[tuple[str, str, Mask]]]:
    """Microseconds of wall-clock time in the ledger's zone."""
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert(timezone).dt.tz_localize(None)
    if pd.api.types.is_datetime64_dtype(series.dtype):
        us = series.to_numpy().astype("M8[us]").astype(np.int64)
        return _within_reach(us, series.isna().to_numpy())
    if pd.api.types.is_numeric_dtype(series.dtype):
        given = stated(series)
        return np.full(len(series), NAT, dtype=np.int64), [("D133", "is a number, no date", given)]
    codes, uniques = pd.factorize(series, use_na_sentinel=True)
    parsed = [_parse_date(value, timezone) for value in uniques]
    us = np.array([us for us, _ in parsed] + [NAT], dtype=np.int64)[codes]
    aware = np.array([zone for _, zone in parsed] + [False], dtype=bool)[codes]
    missing = (codes < 0) | np.array([not _word(value) for value in uniques] + [True], dtype=bool)[codes]
    unreadable = ~missing & (us == NAT)
    mixed = ~missing & ~unreadable & ~aware & aware.any() & (us % US_PER_DAY != 0)
    us, faults = _within_reach(us, missing | unreadable)
    return np.where(mixed, NAT, us), [
        ("D133", "is no date; write 2026-03-31 or 2026-03-31T14:05:00", unreadable),
        ("D134", "has no time zone while other rows of this column have one", mixed),
        *faults,
    ]


def _parse_date(value: Any, timezone: str) -> tuple[int, bool]:
    """Microseconds, and whether the value carried a zone of its own."""
    try:
        text_or_date = value.strip() if isinstance(value, str) else value
        if isinstance(text_or_date, str):
            stamp = _parse_iso(text_or_date)
        elif isinstance(value, int | float | np.number):  # would count from 1970
            return NAT, False
        else:
            stamp = pd.Timestamp(text_or_date)
    except (ValueError, TypeError):
        return NAT, False
    if pd.isna(stamp):
        return NAT, False
    aware = stamp.tzinfo is not None
    if aware:
        stamp = stamp.tz_convert(timezone).tz_localize(None)
    return int(np.datetime64(stamp, "us").astype(np.int64)), aware


def _parse_iso(text: str) -> Any:
    try:
        return pd.to_datetime(text, format="ISO8601")
    except pd.errors.OutOfBoundsDatetime:  # pandas 2 counts nanoseconds here
        return pd.Timestamp(text)


def _within_reach(us: Rows, missing: Mask) -> tuple[Rows, list[tuple[str, str, Mask]]]:
    far = ~missing & ((us < EARLIEST) | (us >= LATEST))
    return np.where(far | missing, NAT, us), [("D137", "lies before 1900 or after 2199", far)]


def stated(series: pd.Series[Any]) -> Mask:
    """Where a value is stated: not missing and not blank."""
    given = series.notna().to_numpy(dtype=bool)
    if pd.api.types.is_string_dtype(series.dtype) or pd.api.types.is_object_dtype(series.dtype):
        blank = series.map(lambda value: isinstance(value, str) and not value.strip()).to_numpy(
            dtype=bool, na_value=False
        )
        given = given & ~blank
    return given
