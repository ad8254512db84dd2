"""Days as numbers on an axis of time, written alike in every language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["date_axis", "day_of", "moment_of"]


def date_axis(ax: Axes, low: float, high: float) -> None:
    """Days that are easy to read, written alike in every language: first of months, or weeks in a short picture."""
    span = high - low
    if span > 120:
        months = pd.date_range(moment_of(np.ceil(low)), moment_of(high), freq="MS")
        step = max(1, int(np.ceil(len(months) / 9)))
        step = next(wide for wide in (1, 2, 3, 6, 12, 24, 60, 1200) if wide >= step)
        shown = [month for month in months if (month.year * 12 + month.month - 1) % step == 0]
        labels = [f"{month:%Y-%m}" for month in shown]
    else:
        step = next(wide for wide in (1, 2, 7, 14) if span / wide <= 9 or wide == 14)
        shown = list(pd.date_range(moment_of(np.ceil(low)), moment_of(high), freq=f"{step}D"))
        labels = [f"{day:%Y-%m-%d}" for day in shown]
    ax.set_xticks([day_of(day) for day in shown], labels, fontsize=8)


def day_of(moment: Any) -> float:
    """Days since 1970; NaN for a moment that is missing."""
    return (pd.Timestamp(moment) - pd.Timestamp(0)) / pd.Timedelta(days=1) if pd.notna(moment) else float("nan")


def moment_of(day: float) -> pd.Timestamp:
    """The moment of a number of days since 1970."""
    return pd.Timestamp(0) + pd.Timedelta(days=day)
