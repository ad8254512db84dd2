"""The months that the generated biller covers, and what is added to their dates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Span", "days", "stack"]

Frame = pd.DataFrame
Days = npt.NDArray[np.datetime64]


def days(count: Any) -> Any:
    """Whole days, as what can be added to dates."""
    return np.asarray(count).astype("m8[D]")


def stack(frames: Iterable[Frame]) -> Frame:
    """Put frames under each other, empty ones left out."""
    every = list(frames)
    return pd.concat([frame for frame in every if len(frame)] or every[:1])


@dataclass(frozen=True)
class Span:
    """The months that are generated; nothing happens on or after ``end``."""

    first: np.datetime64
    months: int

    def day(self, month: Any, of_month: Any = 1) -> Days:
        """The given day, 1 to 28, of the given month, counted from the first."""
        months = self.first + np.asarray(month).astype("m8[M]")
        found: Days = months.astype("M8[D]") + days(np.asarray(of_month) - 1)
        return found

    @property
    def start(self) -> Any:
        """First day."""
        return self.first.astype("M8[D]")

    @property
    def end(self) -> Any:
        """First day after the last month."""
        return self.day(self.months)[()]
