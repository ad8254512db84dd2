"""The facts behind an aggregate as a reader sees them: a table, a count of what was used and what was not, figures."""

from __future__ import annotations

from typing import Any

import pandas as pd

from earlywarn.features.explain import FATES, Part, Value
from earlywarn.features.segments import argument_of
from earlywarn.reasons.formats import locale_of, number
from earlywarn.reasons.wording import said, spoken

__all__ = ["day_words", "fact_table", "figure", "tally"]

#: Letters of what an aggregate is taken of, up to which it heads the column of its values.
WIDEST = 40


def fact_table(part: Part, language: str) -> pd.DataFrame:
    """Facts in the window of an aggregate, oldest first, with headings and status in words.

    Parameters
    ----------
    part : Part
    language : str

    Returns
    -------
    DataFrame
        What happened before or after the window is left out; `tally` counts it.
    """
    if not len(part.facts):
        return pd.DataFrame()
    inside = part.facts[~part.facts["fate"].isin(("before", "after"))]
    argument = argument_of(part.text) if part.aggregate.argument is not None else ""
    names = {
        "happened_at": said("happened", language),
        "known_at": said("known", language),
        "value": argument if 0 < len(argument) <= WIDEST else said("value", language),
    }
    status = [_fate(fate, 1, language) for fate in inside["fate"]]
    shown = inside.drop(columns="fate").rename(columns=names)
    for moments in (names["happened_at"], names["known_at"]):
        shown[moments] = shown[moments].dt.floor("s")
    return shown.assign(**{said("fate", language): status}).reset_index(drop=True)


def _fate(fate: str, count: int, language: str) -> str:
    return said("skipped_fact" if fate == "skipped" else fate, language, n=count)


def tally(part: Part, language: str, *, span: bool = False) -> str:
    """How many facts were used, and how many not for which reason.

    Parameters
    ----------
    part : Part
    language : str
    span : bool
        Say the days of the window first.

    Returns
    -------
    str
    """
    if span:
        return said("counted", language, span=_span(part, language), tally=tally(part, language))
    if part.absent:
        return said(part.why_absent, language, what=part.absent)
    table = part.aggregate.selection.table
    if part.count is not None:
        return said("others", language, count=part.count)
    if not len(part.facts):
        return said("nothing", language, table=table)
    counts = {fate: int((part.facts["fate"] == fate).sum()) for fate in FATES}
    told = [fate for fate in FATES if counts[fate] or fate == "used"]
    return ", ".join(f"{counts[fate]} {_fate(fate, counts[fate], language)}" for fate in told)


def _span(part: Part, language: str) -> str:
    """The window of an aggregate as days."""
    starts, ends = pd.notna([part.start, part.end]).tolist()
    key = {(True, True): "span", (True, False): "span_start", (False, True): "span_end"}.get((starts, ends), "span_all")
    return said(key, language, start=day_words(part.start), end=day_words(part.end))


def figure(value: Value, language: str) -> str:
    """A value as people write it, with the more decimals the smaller it is.

    Examples
    --------
    >>> figure(1234.5, "en"), figure(0.0731, "nl"), figure(None, "fr"), figure("b2c", "en")
    ('1,234.5', '0,0731', 'inconnu', 'b2c')
    """
    if value is None:
        return said("not_known", language)
    if isinstance(value, str):
        return value
    places = 0 if value == round(value) else 2 if abs(value) >= 10 else 3 if abs(value) >= 1 else 4
    text = number(value, str(places), locale_of(spoken(language)))
    return (text.rstrip("0").rstrip(".,") if places else text).replace("-", "−")


def day_words(when: Any) -> str:
    """A day in figures, the time with it where it is not midnight.

    Examples
    --------
    >>> day_words("2026-03-01"), day_words(None)
    ('2026-03-01', '–')
    """
    if pd.isna(when):
        return "–"
    stamp = pd.Timestamp(when)
    return f"{stamp:%Y-%m-%d}" if stamp == stamp.floor("D") else f"{stamp:%Y-%m-%d %H:%M}"
