"""Reason codes: the families that push an observation's risk, ranked, with a sentence each."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import FeatureError, suggest
from earlywarn.reasons.families import FamilySums, family_sums, probability_points
from earlywarn.reasons.formats import locale_of
from earlywarn.reasons.texts import LANGUAGES, plain_text, reason_text

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet

__all__ = ["COLUMNS", "families_of", "reason_table"]

COLUMNS = ("observation", "rank", "family", "feature", "contribution", "text")


def families_of(names: tuple[str, ...], features: FeatureSet | None) -> tuple[str, ...]:
    """Family of each column; "other" for a column outside the catalogue.

    Examples
    --------
    >>> families_of(("amount",), None)
    ('other',)
    """
    known: Any = features if features is not None else {}
    return tuple(known[name].family if name in known else "other" for name in names)


def reason_table(
    contributions: npt.NDArray[np.float64],
    frame: pd.DataFrame,
    features: FeatureSet | None,
    *,
    top: int | None,
    language: str,
    currency: str,
    base: float | None = None,
) -> pd.DataFrame:
    """Rank the families of each row and say each in words.

    Parameters
    ----------
    contributions : ndarray of float64, shape (n, k)
        Log-odds, carried through calibration.
    frame : DataFrame, shape (n, k)
        The values that were scored, in the same order of columns; its index names the observations.
    features : FeatureSet, optional
        Family and text of each column; a column that is not in it belongs to "other".
    top : int or None
        How many families at most, only those that raise the risk; None for every family, also those that
        lower it.
    language, currency : str
        As for `reason_text`.
    base : float, optional
        Log-odds where contributions start; then a column ``points`` follows, see `probability_points`.

    Returns
    -------
    DataFrame
        `observation`, `rank` (from 1), `family`, `feature` (the one that pushes most in the family's
        direction), `contribution` (of the family), `text`; in order of the rows and the ranks.

    Raises
    ------
    FeatureError
        If no text is written in this language (code F262), or a text cannot be rendered (F26x).

    Examples
    --------
    >>> frame = pd.DataFrame({"amount": [80.0], "parts": [2.0]}, index=[17])
    >>> reason_table(np.array([[0.4, 0.1]]), frame, None, top=3, language="en", currency="EUR")
       observation  rank family feature  contribution        text
    0           17     1  other  amount           0.5  amount: 80
    """
    _check_language(language, features)
    names = tuple(str(name) for name in frame.columns)
    sums = family_sums(contributions, families_of(names, features))
    rows, ranks, families = _chosen(sums, top)
    leading = sums.leading[rows, families]
    writer = _Writer(features, frame, language, currency)
    texts = [writer.text(names[at], row) for row, at in zip(rows.tolist(), leading.tolist(), strict=True)]
    table = pd.DataFrame(
        {
            "observation": frame.index[rows],
            "rank": ranks.astype(np.int64),
            "family": pd.Series([sums.names[at] for at in families], dtype="str"),
            "feature": pd.Series([names[at] for at in leading], dtype="str"),
            "contribution": sums.values[rows, families],
            "text": pd.Series(texts, dtype="str"),
        }
    )
    if base is not None:
        table["points"] = probability_points(sums.values, base)[rows, families]
    return table


def _chosen(
    sums: FamilySums, top: int | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows, ranks from 1 and families that are listed, in order of row and rank."""
    order = sums.ranking()
    listed = np.ones(order.shape, dtype=bool)
    if top is not None:
        listed = np.take_along_axis(sums.raising(), order, axis=1)
        listed[:, max(top, 0) :] = False
    rows, places = np.nonzero(listed)
    return rows, places + 1, order[rows, places]


def _check_language(language: str, features: FeatureSet | None) -> None:
    locale = locale_of(language)
    written = {*LANGUAGES}.union(*(feature.text for feature in features or ()))
    if not {str(locale).replace("_", "-"), locale.language} & written:
        raise FeatureError(f"there are no texts in {language!r}.", code="F262", hint=suggest(locale.language, written))


class _Writer:
    """Writes the sentence of one column in one row."""

    def __init__(self, features: FeatureSet | None, frame: pd.DataFrame, language: str, currency: str) -> None:
        self._features: Any = features if features is not None else {}
        self._families = features.families if features is not None else {}
        self._columns = {str(name): frame.iloc[:, at].to_numpy() for at, name in enumerate(frame.columns)}
        self._language = language
        self._currency = currency

    def text(self, name: str, row: int) -> str:
        if name not in self._features:
            return plain_text(name, self._columns[name][row], language=self._language)
        return reason_text(
            self._features[name],
            _Row(self._columns, row),
            language=self._language,
            currency=self._currency,
            families=self._families,
        )


class _Row(Mapping[str, object]):
    """One row of a frame by column name, without building it."""

    def __init__(self, columns: Mapping[str, npt.NDArray[Any]], at: int) -> None:
        self._columns = columns
        self._at = at

    def __getitem__(self, name: str) -> object:
        return self._columns[name][self._at]

    def __contains__(self, name: Hashable) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
