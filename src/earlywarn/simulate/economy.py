"""Regions and how they fare: unemployment month by month, outages, and the figures that are published of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from earlywarn.datasets.span import Span as Months
from earlywarn.datasets.subscribers import MONTHS_BEFORE, REGIONS, make_regions
from earlywarn.simulate.calendar import Span
from earlywarn.simulate.chance import key_of, uniform

__all__ = ["Economy"]

_STEPS, _OUTAGES = 1, 2  # purposes of draws; their keys are those of regions


class Economy:
    """Unemployment by region and month, and days without service.

    Parameters
    ----------
    seed : int
    span : Span
    outages : float
        A year and region.

    Attributes
    ----------
    unemployment : ndarray of float64, shape (n_regions, n_months), percent
        From `MONTHS_BEFORE` before the first month to the last that is lived.
    out : ndarray of bool, shape (n_regions, n_weeks)
        Weeks with an outage.
    """

    def __init__(self, seed: int, span: Span, outages: float) -> None:
        self.span = span
        key = key_of(seed, np.arange(len(REGIONS)), salt=-1)[:, None]
        months = np.arange(MONTHS_BEFORE + span.months + 8)[None, :]
        usual = np.array([row[3] for row in REGIONS.values()])[:, None]
        walk = np.cumsum(0.25 * ndtri(uniform(key, _STEPS, months)), axis=1)
        self.unemployment: npt.NDArray[np.float64] = np.round(np.maximum(0.5, usual + walk), 1)
        self.out = uniform(key, _OUTAGES, np.arange(span.weeks)[None, :]) < outages / 52

    def of_week(self) -> npt.NDArray[np.float64]:
        """Unemployment of the month in which each week begins, shape (n_regions, n_weeks)."""
        begins = self.span.dates(7 * np.arange(self.span.weeks)).astype("M8[M]")
        month = (begins - self.span.first).astype(np.int64) + MONTHS_BEFORE
        return self.unemployment[:, np.minimum(month, self.unemployment.shape[1] - 1)]

    def table(self) -> pd.DataFrame:
        """One figure a region and month, and the mean of each parent, known 45 days after the month."""
        return make_regions(self.unemployment, Months(self.span.first, self.span.months))
