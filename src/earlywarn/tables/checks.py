"""Values as they came, turned into what the schema says; what does not fit becomes a listed fault.

Nothing is dropped in silence: a row with a fault is set aside under a code and a message, and all faults of
a run are reported together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.errors import suggest
from earlywarn.tables.blocks import in_blocks
from earlywarn.tables.schema import Column
from earlywarn.tables.text import Text, occurring

__all__ = ["Faults", "Text", "coerce", "no_money", "stated", "text_of"]

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

#: Money that is not stated (optional columns only), in minor units.
no_money = NAT
EARLIEST = int(np.datetime64("1900-01-01", "us").astype(np.int64))
LATEST = int(np.datetime64("2200-01-01", "us").astype(np.int64))


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
    missing = value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)
    text = "" if missing else str(value)
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
        text = text_of(series)
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
#: What a column of objects holds when none of them is a list, as pandas says it.
_ATOMS = ("string", "empty", "integer", "floating")


def text_of(series: pd.Series[Any]) -> Text:
    """Ids and words: whole floats lose their ``.0``, blanks become missing."""
    if series.dtype == np.dtype(object) and pd.api.types.infer_dtype(series, skipna=True) not in _ATOMS:
        series = series.map(lambda value: " ".join(map(str, value)) if isinstance(value, _LISTS) else value)
    codes, values = _distinct(series)
    try:
        words = list(map(str.strip, values))
    except TypeError:  # not all are text
        words = [_word(value) for value in values]
    labels = sorted(dict.fromkeys(filter(None, words)))
    place = dict(zip(labels, range(len(labels)), strict=True))
    recode = np.fromiter(map(place.get, [*words, ""], repeat(-1)), dtype=np.int64, count=len(words) + 1)
    return Text(in_blocks(recode.take, codes), tuple(labels))


def _distinct(series: pd.Series[Any]) -> tuple[npt.NDArray[Any], list[Any]]:
    """A column as codes into its distinct values, -1 where missing; a category that does not occur counts as blank."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        values = np.array(series.cat.categories, dtype=object)
        values[~occurring(codes, len(values))] = ""
        return codes, values.tolist()
    codes, uniques = pd.factorize(series, use_na_sentinel=True)
    return codes, np.asarray(uniques, dtype=object).tolist()


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
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        bad &= stated(series)
    if not bad.any():
        return numbers.copy(), []
    return np.where(bad, np.nan, numbers), [("D130", "is no number", bad)]


_TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0}


def _to_bools(series: pd.Series[Any]) -> tuple[Any, list[tuple[str, str, Mask]]]:
    given = stated(series)
    codes, values = _distinct(series)
    truth = np.array([_TRUTH.get(str(value).strip().lower(), np.nan) for value in values] + [np.nan])[codes]
    return np.where(given, truth, np.nan), [("D136", "is neither true nor false", given & np.isnan(truth))]


def _to_money(series: pd.Series[Any], digits: int) -> tuple[Any, list[tuple[str, str, Mask]]]:
    """Minor units; decimals beyond the currency's are a fault, binary noise of floats is not."""
    if not pd.api.types.is_numeric_dtype(series.dtype):
        return _text_to_money(series, stated(series), digits)
    amounts = series.to_numpy(dtype=np.float64, na_value=np.nan)
    minor = in_blocks(lambda block: _minor_units(block, digits), amounts)
    bad = minor == no_money
    if bad.any():
        bad &= stated(series)
    if not bad.any():
        return minor, []
    fine = bad.copy()
    fine[bad] = _in_reach(_scaled(amounts[bad], digits))
    return minor, [("D131", "is no amount", bad & ~fine), ("D132", f"has more than {digits} decimals", fine)]


def _minor_units(amounts: npt.NDArray[np.float64], digits: int) -> Rows:
    """Amounts in minor units; no money where they are not whole but for the noise of floats."""
    scaled = _scaled(amounts, digits)
    with np.errstate(invalid="ignore"):  # no number, or more than an integer holds
        whole = np.rint(scaled)
        noise = np.maximum(1e-6, 8 * np.finfo(np.float64).eps * np.abs(whole))
        fit = _in_reach(scaled) & (np.abs(scaled - whole) <= noise)
        return np.where(fit, whole.astype(np.int64), no_money)


def _scaled(amounts: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return amounts * 10.0**digits


def _in_reach(scaled: npt.NDArray[np.float64]) -> Mask:
    """Which amounts are numbers that a float holds to the last digit."""
    return np.abs(scaled) < 2**53


def _text_to_money(series: pd.Series[Any], given: Mask, digits: int) -> tuple[Any, list[tuple[str, str, Mask]]]:
    minor = np.full(len(series), no_money, dtype=np.int64)
    bad, fine = np.zeros(len(series), dtype=bool), np.zeros(len(series), dtype=bool)
    rows = np.flatnonzero(given)
    for row, value in zip(rows.tolist(), np.asarray(series, dtype=object)[rows].tolist(), strict=True):
        try:
            scaled = Decimal(str(value).strip()).scaleb(digits)
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
        us = in_blocks(lambda moments: moments.astype("M8[us]").view(np.int64), series.to_numpy())
        return _within_reach(us, us == NAT)
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
    out = (us < EARLIEST) | (us >= LATEST)
    far = ~missing & out
    return np.where(out, NAT, us) if far.any() else us, [("D137", "lies before 1900 or after 2199", far)]


def stated(series: pd.Series[Any]) -> Mask:
    """Where a value is stated: not missing and not blank."""
    given = series.notna().to_numpy(dtype=bool)
    if pd.api.types.is_string_dtype(series.dtype) or pd.api.types.is_object_dtype(series.dtype):
        values = np.asarray(series, dtype=object)
        blank = [isinstance(value, str) and (not value or value.isspace()) for value in values.tolist()]
        given = given & ~np.array(blank, dtype=bool)
    return given
