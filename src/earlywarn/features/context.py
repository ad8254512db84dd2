"""What crosses customers, reduced first: daily sums per region, segment, campaign and portfolio.

A context is data: it holds no customer and no ledger, so the one of a whole book serves a bucket, or a ledger
of one customer, with the same numbers. A fact belongs to the group its customer was in when it happened.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import length_hint
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from earlywarn.dates import FOREVER, iso, moment
from earlywarn.errors import FeatureError
from earlywarn.features.context_books import agree, of_groups, reducers_of, settings_of
from earlywarn.features.definition import Feature
from earlywarn.features.expression import DEFAULT_DAYS, Aggregate, Selection
from earlywarn.features.hierarchy import Hierarchy, statements
from earlywarn.features.membership import codes_in
from earlywarn.features.reduction import Cells, Windows, key_of, merged
from earlywarn.tables.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Context", "Reduced"]

#: Buckets whose cells are kept apart before they are added up.
_WAITING = 16


@dataclass(frozen=True, eq=False)
class Reduced:
    """Daily sums of one argument under one condition, over one kind of group.

    Attributes
    ----------
    labels : tuple of str
        Names of the groups, sorted; ``cells.group`` points here.
    cells : Cells
    scale : float
        Values were counted in units divided by this.
    """

    labels: tuple[str, ...]
    cells: Cells
    scale: float
    _windows: dict[tuple[int, int], Windows] = field(default_factory=dict, init=False, repr=False)

    def windows(self, selection: Selection) -> Windows:
        """Running sums for the window of a selection, made once."""
        edges = edges_of(selection)
        if edges not in self._windows:
            self._windows[edges] = Windows(self.cells, *edges)
        return self._windows[edges]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_windows": {}}


def edges_of(selection: Selection) -> tuple[int, int]:
    """Older and newer edge of a window over a group, in whole days before ``as_of``."""
    return round(DEFAULT_DAYS if selection.days is None else selection.days), round(selection.until)


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
    settings : mapping of str to str or int
        currency, timezone and late_after_days of the books.
    """

    reduced: Mapping[str, Reduced]
    hierarchy: Hierarchy
    known_before: int
    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        books: Any,
        wanted: Iterable[Feature | Aggregate],
        *,
        as_of: Any = None,
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
        progress : callable, optional
            Called with the share of the ledgers that is done, where their number is known.

        Returns
        -------
        Context

        Raises
        ------
        FeatureError
            F224 when the ledgers differ in currency, time zone or days until late.

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
        ledgers: Iterable[Ledger] = [books] if isinstance(books, Ledger) else getattr(books, "buckets", lambda: books)()
        total = length_hint(ledgers) or length_hint(books)
        parts: dict[str, list[tuple[tuple[str, ...], Cells]]] = {key: [] for key in aggregates}
        scale: dict[str, float] = {}
        settings: dict[str, Any] = {}
        regions: set[tuple[int, int, str, str]] = set()
        known_before = FOREVER
        for done, ledger in enumerate(ledgers, start=1):
            settings = settings or settings_of(ledger)
            agree(settings, ledger)
            known_before = FOREVER if as_of is None else _moment(as_of, ledger)
            regions.update(statements(ledger.facts("regions"), known_before))
            for key, reducer in reducers_of(ledger, aggregates, known_before):
                scale[key] = reducer.scale
                parts[key].append((reducer.membership.labels, reducer.cells()))
                if len(parts[key]) > _WAITING:
                    parts[key] = [_together(parts[key])]
            if progress is not None and total:
                progress(min(done / total, 1.0))
        reduced = {key: Reduced(*_together(found), scale[key]) for key, found in sorted(parts.items()) if found}
        return cls(MappingProxyType(reduced), Hierarchy.of(regions), known_before, MappingProxyType(settings))

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

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content: same fingerprint, same numbers."""
        digest = hashlib.sha256(json.dumps(self.header(), sort_keys=True).encode())
        for reduced in self.reduced.values():
            cells = reduced.cells
            for part in (cells.group, cells.day, cells.known, cells.sums.parts):
                digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
        return digest.hexdigest()

    def header(self) -> dict[str, Any]:
        """Everything but the cells, ready for JSON."""
        return {
            "settings": dict(self.settings),
            "known_before": self.known_before,
            "regions": [list(row) for row in self.hierarchy.stated],
            "reduced": [
                {"key": key, "scale": one.scale, "labels": one.labels, "columns": one.cells.sums.columns}
                for key, one in self.reduced.items()
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
        return _rebuilt, (dict(self.reduced), self.hierarchy, self.known_before, dict(self.settings))

    def __repr__(self) -> str:
        cells = sum(len(one.cells) for one in self.reduced.values())
        known = "everything known" if self.known_before == FOREVER else f"known before {iso(self.known_before)}"
        one, other = "" if len(self.reduced) == 1 else "s", "" if cells == 1 else "s"
        return f"<Context: {len(self.reduced)} reduction{one}, {cells:,} cell{other}, {known}>"


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
    reduced: Mapping[str, Reduced], hierarchy: Hierarchy, known_before: int, settings: Mapping[str, Any]
) -> Context:
    return Context(MappingProxyType(dict(reduced)), hierarchy, known_before, MappingProxyType(dict(settings)))
