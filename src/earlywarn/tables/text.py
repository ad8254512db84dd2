"""A text column: integer codes into its sorted labels, so that ids and words are compared and grouped as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.tables.blocks import blocks

__all__ = ["Text", "occurring"]

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


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
        if labels is self.labels or not self.labels or tuple(labels) == self.labels:
            return self.codes
        if len(self.codes) < len(self.labels):
            return self.used().codes_in(labels)
        place = np.full(len(self.labels) + 1, -1, dtype=np.int64)
        place[:-1] = _places(self.labels, labels)
        return place[self.codes]

    def occurs(self) -> Mask:
        """Which of the labels occur, shape (n_labels,)."""
        return occurring(self.codes, len(self.labels))

    def used(self) -> Text:
        """The same column, without labels that do not occur."""
        occurs = self.occurs()
        if occurs.all():
            return self
        place = np.append(np.cumsum(occurs) - 1, -1)
        return Text(place[self.codes], tuple(self.labels[code] for code in np.flatnonzero(occurs)))

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


def _places(asked: Sequence[str], labels: Sequence[str]) -> Rows:
    """Where each of some texts stands among others; -1 where it does not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = pc.index_in(pa.array(asked, pa.string()), pa.array(labels, pa.string())).fill_null(-1)
    except UnicodeEncodeError:  # half a character, which Arrow does not take
        place = {label: code for code, label in enumerate(labels)}
        found = [place.get(label, -1) for label in asked]
    return np.asarray(found, dtype=np.int64)


def occurring(codes: npt.NDArray[Any], count: int) -> Mask:
    """Which of the codes 0 … count - 1 occur.

    Examples
    --------
    >>> occurring(np.array([2, -1, 0]), 3)
    array([ True, False,  True])
    """
    occurs = np.zeros(count + 1, dtype=bool)
    for block in blocks(len(codes)):
        occurs[codes[block]] = True
    return occurs[:count]
