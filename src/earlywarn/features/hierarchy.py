"""Which region lies in which: as it was published, else by the codes of NUTS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.tables.facts import Facts

__all__ = ["Hierarchy", "above", "statements"]

Rows = npt.NDArray[np.int64]
#: A region of NUTS 1 to 3; without its last character it is the region above it, down to the country's two letters.
_NUTS = re.compile("[A-Z]{2}[0-9A-Z]{1,3}")


@dataclass(frozen=True)
class Hierarchy:
    """Parents of regions as they became known.

    Attributes
    ----------
    stated : tuple of (int, str, str)
        (microseconds, region, parent) in the order of knowing; only what changed something.

    Examples
    --------
    >>> Hierarchy(((10, "Flanders", "Belgium"),)).parents(1)
    {'Flanders': 'Belgium'}
    """

    stated: tuple[tuple[int, str, str], ...] = ()

    @staticmethod
    def of(rows: Iterable[tuple[int, int, str, str]]) -> Hierarchy:
        """Put statements in the order of knowing.

        Parameters
        ----------
        rows : iterable of (int, int, str, str)
            As `statements` gives them; from several copies of one table they may come twice.

        Returns
        -------
        Hierarchy
        """
        stated, parents = [], dict[str, str]()
        for known, _, region, parent in sorted(set(rows)):
            if parents.get(region) != parent:
                parents[region] = parent
                stated.append((known, region, parent))
        return Hierarchy(tuple(stated))

    def parents(self, version: int) -> dict[str, str]:
        """Parent of each region after so many statements; what would close a circle is left out.

        Parameters
        ----------
        version : int

        Returns
        -------
        dict of str to str
        """
        found = {region: parent for _, region, parent in self.stated[:version]}
        return {one: other for one, other in found.items() if one not in (other, *above(other, found))}

    def versions(self, as_of: Rows) -> Rows:
        """Number of statements known before each moment.

        Parameters
        ----------
        as_of : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        ndarray of int64, shape (n,)
        """
        return np.searchsorted(np.array([known for known, _, _ in self.stated], dtype=np.int64), as_of, side="left")


def statements(regions: Facts, known_before: int) -> Iterator[tuple[int, int, str, str]]:
    """(known_at, published, region, parent) of each row of a table of regions that names a parent.

    Parameters
    ----------
    regions : Facts
    known_before : int, microseconds

    Yields
    ------
    tuple of (int, int, str, str)
    """
    region, parent = regions.text("region"), regions.text("parent")
    for row in np.flatnonzero((region.codes >= 0) & (parent.codes >= 0) & (regions.known_at < known_before)).tolist():
        names = region.labels[region.codes[row]], parent.labels[parent.codes[row]]
        yield int(regions.known_at[row]), int(regions.happened_at[row]), *names


def above(region: str, parents: Mapping[str, str]) -> list[str]:
    """Regions above one, the nearest first; a circle ends where it closes.

    Parameters
    ----------
    region : str
    parents : mapping of str to str
        As stated; where nothing is, the code of NUTS says it.

    Returns
    -------
    list of str

    Examples
    --------
    >>> above("BE211", {}), above("Ghent", {"Ghent": "BE234"})[:2], above("north", {})
    (['BE21', 'BE2', 'BE'], ['BE234', 'BE23'], [])
    """
    chain = [region]
    while True:
        here = chain[-1]
        parent = parents.get(here) or (here[:-1] if _NUTS.fullmatch(here) else None)
        if parent is None or parent in chain:
            return chain[1:]
        chain.append(parent)
