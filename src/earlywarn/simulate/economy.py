"""Regions and how they fare: unemployment month by month, outages, and the figures that are published of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from earlywarn.simulate.calendar import Span
from earlywarn.simulate.chance import key_of, uniform

__all__ = ["MONTHS_BEFORE", "REGIONS", "Economy"]

#: Region: parent, language, weight, usual unemployment in percent.
REGIONS = {
    "BE100": ("BE10", "fr", 0.12, 11.5),
    "BE211": ("BE21", "nl", 0.14, 5.2),
    "BE234": ("BE23", "nl", 0.10, 3.6),
    "BE251": ("BE25", "nl", 0.08, 3.0),
    "BE32B": ("BE32", "fr", 0.09, 9.8),
    "BE332": ("BE33", "fr", 0.09, 9.0),
    "NL113": ("NL11", "nl", 0.06, 4.6),
    "NL310": ("NL31", "nl", 0.10, 3.3),
    "NL329": ("NL32", "nl", 0.10, 4.0),
    "NL33C": ("NL33", "nl", 0.07, 4.8),
    "NL414": ("NL41", "nl", 0.05, 3.4),
}
#: Months of regional figures before the first bill; days from the end of a month to its figure.
MONTHS_BEFORE, DAYS_TO_PUBLICATION = 15, 45
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
        shown = self.unemployment[:, : MONTHS_BEFORE + self.span.months]
        month = np.arange(shown.shape[1]) - MONTHS_BEFORE
        published = self.span.dates(self.span.day_of_month(month + 1) + DAYS_TO_PUBLICATION).astype("M8[us]")
        parent_of = {region: row[0] for region, row in REGIONS.items()}
        above = pd.DataFrame(shown).groupby(np.array(list(parent_of.values()))).mean().round(1)
        rows = {**dict(zip(REGIONS, shown, strict=True)), **dict(zip(above.index, above.to_numpy(), strict=True))}
        parent_of |= {code: code[:2] for code in above.index}
        return pd.concat(
            [
                pd.DataFrame({"region": region, "published_on": published, "metric": "unemployment",
                              "value": rate, "parent": parent_of[region]})
                for region, rate in rows.items()
            ],
            ignore_index=True,
        )  # fmt: skip
