"""Aggregates over groups of customers: which group an observation looks at, and the customer's own part left out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, US_PER_DAY
from earlywarn.features.context import Context
from earlywarn.features.exact import Sums, spread
from earlywarn.features.expression import Aggregate, Node
from earlywarn.features.hierarchy import Hierarchy, above, statements
from earlywarn.features.membership import Membership, codes_in
from earlywarn.features.own_part import own_part
from earlywarn.features.rates import Rates
from earlywarn.features.reader import Reader
from earlywarn.features.reduced import edges_of
from earlywarn.features.reduction import Reducer, key_of
from earlywarn.features.windows import Timeline
from earlywarn.tables.ledger import Ledger

__all__ = ["Groups"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Groups:
    """The groups of some observations.

    Parameters
    ----------
    ledger : Ledger
        With all facts of the observed customers; of others it needs none.
    owner, as_of : ndarray of int64, shape (n,)
        Of the observations.
    context : Context, optional
        Made from the ledger when left out.

    Attributes
    ----------
    notices : tuple of str
        About a context that ended long before these observations.
    """

    def __init__(self, ledger: Ledger, owner: Rows, as_of: Rows, context: Context | None = None) -> None:
        self.ledger = ledger
        self.owner = owner
        self.as_of = as_of
        self.day = as_of // US_PER_DAY
        self.given = context
        self.context = context
        self.notices: tuple[str, ...] = ()
        self._memberships: dict[str, Membership] = {}
        self._groups: dict[str, Rows] = {}

    def prepare(self, aggregates: Iterable[Aggregate]) -> None:
        """Reduce what these aggregates need, or see to it that the context that was handed over holds it.

        Raises
        ------
        FeatureError
            F224 when it does not.
        """
        wanted = [aggregate for aggregate in aggregates if aggregate.selection.of != "customer"]
        if wanted and self.given is not None:
            self.given.check(wanted, self.ledger)
            self.notices = self.given.stale(int(self.as_of.max())) if len(self.as_of) else ()
        elif wanted:
            self.context = Context.of(self.ledger, wanted)

    def membership(self, entity: str) -> Membership:
        """Groups of the ledger's customers."""
        if entity not in self._memberships:
            self._memberships[entity] = Membership(self.ledger, entity)
        return self._memberships[entity]

    def group(self, entity: str) -> Rows:
        """Group of each observation as it was known then; -1 for none."""
        if entity not in self._groups:
            self._groups[entity] = self.membership(entity).at(self.owner, self.as_of, self.as_of)
        return self._groups[entity]

    def over(self, aggregate: Aggregate, timeline: Timeline, reader: Reader) -> Values:
        """An aggregate over all customers of the observed customer's group.

        Parameters
        ----------
        aggregate : Aggregate
        timeline : Timeline
        reader : Reader
            Over the facts of the timeline.

        Returns
        -------
        ndarray of float64, shape (n,); missing where the customer is in no group
        """
        assert self.context is not None
        selection = aggregate.selection
        reduced = self.context.reduced[key_of(aggregate)]
        membership, group = self.membership(selection.of), self.group(selection.of)
        own = None
        if selection.leave_out:
            reducer = Reducer(aggregate, reader, membership, self.context.known_before)
            own = own_part(reducer, timeline, edges_of(selection), self.owner, self.day)
        windows = reduced.windows(selection)
        if aggregate.function == "rate":
            nested = selection.of == "region"
            hierarchy = self.context.hierarchy if nested else Hierarchy()
            return Rates(reduced, windows, hierarchy, nested, membership.labels).at(group, self.day, own)
        sums = windows.at(codes_in(membership.labels, reduced.labels)[group], self.day)
        if own is not None:
            sums = sums - own.of_group(group)
        return np.where(group >= 0, _read(aggregate.function, sums, reduced.scale), np.nan)

    def regions(self, reader: Reader, where: Node | None) -> Rows:
        """Region whose published figures each observation looks at.

        That is the customer's region, else the nearest one above it of which a fact under the condition was
        known: a region without its own unemployment looks at its parent's, and at its own income.

        Parameters
        ----------
        reader : Reader
            Over the facts of a table of regions.
        where : Node or None

        Returns
        -------
        ndarray of int64, shape (n,), codes into ``ledger.regions``; -1 for none
        """
        known = _first_known(reader, where, len(self.ledger.regions))
        labels, regions = self.membership("region").labels, self.ledger.regions
        place = {label: code for code, label in enumerate(regions)}
        hierarchy = Hierarchy.of(statements(self.ledger.facts("regions"), FOREVER))
        group, version = self.group("region"), hierarchy.versions(self.as_of)
        nearest = np.full(len(group), -1, dtype=np.int64)
        for code, number in np.unique(np.stack([group, version])[:, group >= 0], axis=1).T.tolist():
            rows = np.flatnonzero((group == code) & (version == number))
            for name in reversed([labels[code], *above(labels[code], hierarchy.parents(number))]):
                if name in place:
                    nearest[rows[known[place[name]] < self.as_of[rows]]] = place[name]
        return nearest


def _first_known(reader: Reader, where: Node | None, count: int) -> Rows:
    """When the first fact of each region under a condition became known; FOREVER for none."""
    facts = reader.facts
    rows = facts.owner >= 0
    if where is not None and not reader.needs_pairs(where):
        rows = rows & np.asarray(reader.at_facts(where, slice(None)) == 1.0)
    known = np.full(count, FOREVER, dtype=np.int64)
    np.minimum.at(known, facts.owner[rows], facts.known_at[rows])
    return known


def _read(function: str, sums: Sums, scale: float) -> Values:
    """Aggregate from exact sums; a customer whom the context does not know leaves nothing behind, not less."""
    n = np.maximum(sums.read("count")[0], 0.0)
    if function == "count":
        return n
    total = np.where(n > 0, sums.read("sum")[0], 0.0) / scale
    if function == "sum":
        return total
    if function == "std":
        return spread(sums) / scale
    return np.where(n > 0, total / np.where(n > 0, n, 1.0), np.nan)
