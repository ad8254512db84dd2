"""Categories become ordered codes that are learned on training rows only.

The booster sees floats and no category, so an unseen one cannot stop a nightly run: it is `__other__`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["OTHER", "CategoryCodes", "learn_codes"]

OTHER = "__other__"
#: A category with fewer training rows than this is part of `OTHER`.
MIN_COUNT = 20
#: A late share is pulled to the base rate as if by this many more rows.
SMOOTHING_ROWS = 20.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CategoryCodes:
    """Categories of one column in the order of their codes, from the lowest late share to the highest.

    Parameters
    ----------
    labels : tuple of str
        `OTHER` is one of them.
    """

    labels: tuple[str, ...]

    def encode(self, column: pd.Series[Any]) -> npt.NDArray[np.float32]:
        """Give each value its code.

        Parameters
        ----------
        column : Series, shape (n,)
            Categories, text or numbers.

        Returns
        -------
        ndarray of float32, shape (n,)
            The position in `labels`; that of `OTHER` for a category not seen in training; NaN where missing.

        Examples
        --------
        >>> CategoryCodes(("b2b", "__other__", "b2c")).encode(pd.Series(["b2c", "b2g", None]))
        array([ 2.,  1., nan], dtype=float32)
        """
        code_of = {label: code for code, label in enumerate(self.labels)}
        positions, found = pd.factorize(column, use_na_sentinel=True)
        codes = [code_of.get(category_text(value), code_of[OTHER]) for value in found]
        return np.array([*codes, np.nan], dtype=np.float32)[positions]  # a missing value has position −1


def learn_codes(column: pd.Series[Any], late: Floats, weight: Floats) -> CategoryCodes:
    """Order the categories of a column by their smoothed late share.

    Parameters
    ----------
    column : Series, shape (n,)
        Training rows only.
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,)

    Returns
    -------
    CategoryCodes
        Categories with fewer than 20 rows are in `OTHER`; equal shares stand in alphabetical order.
    """
    positions, found = pd.factorize(column, use_na_sentinel=True)
    known = positions >= 0
    texts = np.array([category_text(value) for value in found], dtype=object)
    rows = np.bincount(positions[known], minlength=len(texts))
    kept = {str(text): text for text in texts[rows >= MIN_COUNT]}
    label_of_code = np.array([text if text in kept else OTHER for text in texts], dtype=object)
    labels = label_of_code[positions[known]]
    base = float(np.average(late, weights=weight))
    share = {OTHER: base}
    for label in dict.fromkeys(labels):
        here = labels == label
        total = weight[known][here].sum()
        share[str(label)] = (float(weight[known][here] @ late[known][here]) + SMOOTHING_ROWS * base) / (
            total + SMOOTHING_ROWS
        )
    return CategoryCodes(tuple(sorted(share, key=lambda label: (share[label], label))))


def category_text(value: object) -> str:
    """Write a category the same way whether it came as text, a whole number or a float.

    Examples
    --------
    >>> category_text(3.0), category_text(np.int64(3)), category_text("3")
    ('3', '3', '3')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
