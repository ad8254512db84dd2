"""What crosses customers, reduced first: daily sums per region, segment, campaign and portfolio, and of bills.

A context is data: it holds no customer and no ledger, so the one of a whole book serves a bucket, or a ledger
of one customer, with the same numbers. A fact belongs to the group its customer was in when it happened.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from earlywarn.dates import FOREVER, US_PER_DAY, iso, moment
from earlywarn.errors import FeatureError
from earlywarn.features.context_books import agree, of_groups, reducers_of, settings_of, visits
from earlywarn.features.context_pool import pool_in, reductions_of
from earlywarn.features.definition import Feature
from earlywarn.features.expression import Aggregate
from earlywarn.features.hierarchy import Hierarchy, statements
from earlywarn.features.membership import codes_in
from earlywarn.features.reduced import Reduced
from earlywarn.features.reduction import Cells, key_of, merged
from earlywarn.outcomes.pool import CyclePool
from earlywarn.tables.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Context", "Reduced"]

#: Buckets whose cells are kept apart before they are added up.
_WAITING = 16
#: So many days after the end of its books a context still serves; the rates of groups move by the month.
STALE_DAYS = 45


@dataclass(frozen=True, eq=False)
class Context:
    """Reductions over groups of customers; make one with `Context.of`, it does not change afterwards.

    Attributes
    ----------
    reduced : mapping of str to Reduced
        By what was reduced, as `earlywarn.features.reduction.key_of` says it.
    hierarchy : Hierarchy
        Which region lies in which.
    known_before : int, microseconds
        Facts known from then on take no part.
    complete_to : int, microseconds
        Up to here the books were complete, or `known_before` if that is earlier.
    settings : mapping of str to str or int
        currency, timezone and late_after_days of the books.
    pool : CyclePool or None
        What all running periods say together, for `Outcome`; None when it was not asked for.
    """

    reduced: Mapping[str, Reduced]
    hierarchy: Hierarchy
    known_before: int
    complete_to: int
    settings: Mapping[str, Any]
    pool: CyclePool | None = None

    @classmethod
    def of(
        cls,
        books: Any,
        wanted: Iterable[Feature | Aggregate],
        *,
        as_of: Any = None,
        cycles: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Context:
        """Reduce what features need of other customers.

        Parameters
        ----------
        books : Ledger, LedgerStore, or iterable of Ledger
            The buckets of a store, or ledgers of different customers, give exactly what one ledger of all does.
        wanted : iterable of Feature or Aggregate
            Those without a group are passed over.
        as_of : date-like, optional
            Only facts known strictly before it take part.
        cycles : bool
            Reduce also what running periods need, as `pool`: several books are gone through two times more.
        progress : callable, optional
            Called with the share of the ledgers that is done, where their number is known.

        Returns
        -------
        Context

        Raises
        ------
        FeatureError
            F224 when the ledgers differ in currency, time zone or days until late; F228 when they can be gone
            through only once and running periods are asked for.

        Examples
        --------
        >>> import pandas as pd
        >>> bills = pd.DataFrame(
        ...     {
        ...         "invoice_id": ["A", "B"],
        ...         "customer_id": ["a", "b"],
        ...         "amount": [10.0, 20.0],
        ...         "issued_on": ["2026-01-05"] * 2,
        ...         "due_on": ["2026-01-20"] * 2,
        ...     }
        ... )
        >>> paid = pd.DataFrame({"payment_id": ["p"], "customer_id": ["a"], "paid_on": ["2026-01-10"], "amount": [10]})
        >>> feature = Feature("bills_all_30d", "sum(invoices.amount, days=30, of=portfolio)")
        >>> Context.of(Ledger.from_tables(invoices=bills, payments=paid), [feature])
        <Context: 1 reduction, 1 cell, everything known>
        """
        aggregates = {key_of(aggregate): aggregate for aggregate in of_groups(wanted)}
        ledgers = visits(books, 3 if cycles and not isinstance(books, Ledger) else 1, progress)
        parts: dict[str, list[tuple[tuple[str, ...], Cells]]] = {key: [] for key in aggregates}
        scale: dict[str, float] = {}
        settings: dict[str, Any] = {}
        regions: set[tuple[int, int, str, str]] = set()
        known_before, ends = FOREVER, []
        for ledger in ledgers():
            settings = settings or settings_of(ledger)
            agree(settings, ledger)
            known_before = FOREVER if as_of is None else _moment(as_of, ledger)
            ends.append(ledger.until_us)
            regions.update(statements(ledger.facts("regions"), known_before))
            for key, reducer in reducers_of(ledger, aggregates, known_before):
                scale[key] = reducer.scale
                parts[key].append((reducer.membership.labels, reducer.cells()))
                if len(parts[key]) > _WAITING:
                    parts[key] = [_together(parts[key])]
        reduced = {key: Reduced(*_together(found), scale[key]) for key, found in sorted(parts.items()) if found}
        pool = pool_in(books, ledgers, known_before) if cycles else None
        complete_to = min(known_before, max(ends, default=FOREVER))
        regions_known, fixed = Hierarchy.of(regions), MappingProxyType(settings)
        return cls(MappingProxyType(reduced), regions_known, known_before, complete_to, fixed, pool)

    def check(self, aggregates: Iterable[Aggregate], ledger: Ledger) -> None:
        """Refuse a context that does not hold what is needed, or that was made from books of other terms.

        Raises
        ------
        FeatureError
            F224.
        """
        lacking = sorted({key_of(aggregate) for aggregate in aggregates} - set(self.reduced))
        if lacking:
            raise FeatureError(
                "the context lacks what features need of other customers.",
                code="F224",
                found="; ".join(lacking),
                hint="make it for these features: scorer.context(ledger), or Context.of(ledger, features).",
            )
        agree(self.settings, ledger)

    def stale(self, as_of: int) -> tuple[str, ...]:
        """A notice when the books of this context ended long before a moment.

        Parameters
        ----------
        as_of : int, microseconds
            Of the latest observation.

        Returns
        -------
        tuple of str, empty while the context is recent enough
        """
        if as_of // US_PER_DAY - self.complete_to // US_PER_DAY <= STALE_DAYS:
            return ()
        ended = iso(self.complete_to // US_PER_DAY * US_PER_DAY)[:10]
        return (
            f"the context ends on {ended}, more than {STALE_DAYS} days before an observation: what it says of other "
            "customers is out of date. Make a new one: scorer.context(ledger), or Context.of(ledger, features).",
        )

    @cached_property
    def kept(self) -> Mapping[str, Reduced]:
        """Every reduction, those of the pool included: what is hashed, and written to a file."""
        return {**self.reduced, **({} if self.pool is None else reductions_of(self.pool))}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content: same fingerprint, same numbers."""
        digest = hashlib.sha256(json.dumps(self.header(), sort_keys=True).encode())
        for reduced in self.kept.values():
            cells = reduced.cells
            for part in (cells.group, cells.day, cells.known, cells.sums.parts):
                digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
        return digest.hexdigest()

    def header(self) -> dict[str, Any]:
        """Everything but the cells, ready for JSON."""
        return {
            "settings": dict(self.settings),
            "known_before": self.known_before,
            "complete_to": self.complete_to,
            "regions": [list(row) for row in self.hierarchy.stated],
            "reduced": [
                {"key": key, "scale": one.scale, "labels": one.labels, "columns": one.cells.sums.columns}
                for key, one in self.kept.items()
            ],
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the context as one Parquet file with its fingerprint; no clock time and no path in it.

        Parameters
        ----------
        path : path

        Returns
        -------
        Path
        """
        from earlywarn.features.context_file import write

        return write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a context and check it against its fingerprint.

        Parameters
        ----------
        path : path

        Returns
        -------
        Context

        Raises
        ------
        BundleError
            B530 no context, B531 another format, B532 changed after it was written.
        """
        from earlywarn.features.context_file import read

        found: Self = read(cls, path)
        return found

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Context) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (
            dict(self.reduced), self.hierarchy, self.known_before, self.complete_to, dict(self.settings), self.pool,
        )  # fmt: skip

    def __repr__(self) -> str:
        cells = sum(len(one.cells) for one in self.reduced.values())
        known = "everything known" if self.known_before == FOREVER else f"known before {iso(self.known_before)}"
        one, other = "" if len(self.reduced) == 1 else "s", "" if cells == 1 else "s"
        cycles = "" if self.pool is None else ", running periods"
        return f"<Context: {len(self.reduced)} reduction{one}, {cells:,} cell{other}{cycles}, {known}>"


def _moment(as_of: Any, ledger: Ledger) -> int:
    return as_of if isinstance(as_of, int) else moment(as_of, ledger.timezone)


def _together(parts: list[tuple[tuple[str, ...], Cells]]) -> tuple[tuple[str, ...], Cells]:
    """Cells of several ledgers under the names of all groups that hold any."""
    filled = [{labels[code] for code in np.unique(cells.group)} for labels, cells in parts]
    every = tuple(sorted(set[str]().union(*filled)))
    again = [replace(cells, group=codes_in(labels, every)[cells.group]) for labels, cells in parts]
    cells = merged(again)
    kept = tuple(every[code] for code in np.unique(cells.group))
    return kept, replace(cells, group=codes_in(every, kept)[cells.group])


def _rebuilt(
    reduced: Mapping[str, Reduced],
    hierarchy: Hierarchy,
    known_before: int,
    complete_to: int,
    settings: Mapping[str, Any],
    pool: CyclePool | None,
) -> Context:
    fixed = MappingProxyType(dict(settings))
    return Context(MappingProxyType(dict(reduced)), hierarchy, known_before, complete_to, fixed, pool)
