"""The books a context is made from: what of their tables goes into it, and on which terms they count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from operator import length_hint
from typing import Any

from earlywarn.errors import FeatureError
from earlywarn.features.definition import Feature
from earlywarn.features.evaluate import Column
from earlywarn.features.expression import Aggregate, columns_of
from earlywarn.features.membership import GROUPS, Membership
from earlywarn.features.reader import Reader
from earlywarn.features.reduction import Reducer
from earlywarn.features.windows import in_force
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS, TABLES

__all__ = ["agree", "of_groups", "reducers_of", "settings_of", "visits"]


def settings_of(ledger: Ledger) -> dict[str, Any]:
    """What decides how facts are counted, and must be the same everywhere."""
    names = ("currency", "timezone", "late_after_days")
    return {name: getattr(ledger, name) for name in names}


def agree(settings: Mapping[str, Any], ledger: Ledger) -> None:
    """Refuse books that count on other terms.

    Parameters
    ----------
    settings : mapping of str to str or int
        As `settings_of` gives them.
    ledger : Ledger

    Raises
    ------
    FeatureError
        F224.
    """
    for name, value in settings_of(ledger).items():
        if settings.get(name) != value:
            raise FeatureError(
                f"books of different {name} do not go into one context.",
                code="F224",
                found=f"{settings.get(name)} and {value}",
                hint="make a context for each kind of books.",
            )


def visits(books: Any, times: int, progress: Callable[[float], None] | None) -> Callable[[], Iterator[Ledger]]:
    """What goes through the ledgers of books, and tells the share that is done.

    Parameters
    ----------
    books : Ledger, LedgerStore, or iterable of Ledger
    times : int
        How often it will be called in all.
    progress : callable, optional

    Returns
    -------
    callable
        Gives the ledgers, one after the other.

    Raises
    ------
    FeatureError
        F228.
    """
    if times > 1 and isinstance(books, Iterator):
        raise FeatureError(
            "running periods need the ledgers several times, and an iterator gives them once.",
            code="F228",
            hint="hand over a LedgerStore, or a list of ledgers.",
        )
    ledgers = [books] if isinstance(books, Ledger) else books
    total, done = times * length_hint(ledgers), count(1)

    def visit() -> Iterator[Ledger]:
        for ledger in getattr(ledgers, "buckets", lambda: ledgers)():
            yield ledger
            if progress is not None and total:
                progress(min(next(done) / total, 1.0))

    return visit


def of_groups(wanted: Iterable[Feature | Aggregate]) -> Iterator[Aggregate]:
    """Aggregates over groups of customers among features and aggregates.

    Parameters
    ----------
    wanted : iterable of Feature or Aggregate

    Yields
    ------
    Aggregate
    """
    for one in wanted:
        for aggregate in one.expression.aggregates if isinstance(one, Feature) else (one,):
            if aggregate.selection.of in GROUPS:
                yield aggregate


def reducers_of(
    ledger: Ledger, aggregates: Mapping[str, Aggregate], known_before: int
) -> Iterator[tuple[str, Reducer]]:
    """What reduces each aggregate whose table and columns the ledger has.

    Parameters
    ----------
    ledger : Ledger
    aggregates : mapping of str to Aggregate
    known_before : int, microseconds

    Yields
    ------
    tuple of (str, Reducer)
    """
    readers: dict[str, Reader] = {}
    memberships: dict[str, Membership] = {}
    for key, aggregate in aggregates.items():
        table, entity = aggregate.selection.table, aggregate.selection.of
        if table not in ledger.names or (table not in STREAMS and table not in ledger.given):
            continue
        if table not in readers:
            facts = ledger.facts(table)
            facts = in_force(facts, TABLES[table].key[0]) if facts.lasting else facts
            readers[table] = Reader(facts, ledger.digits, _no_observation)
        if entity not in memberships:
            memberships[entity] = Membership(ledger, entity)
        if all(name in readers[table].facts.columns for name in columns_of(aggregate)):
            yield key, Reducer(aggregate, readers[table], memberships[entity], known_before)


def _no_observation(column: str) -> Column:
    raise FeatureError(f"invoice.{column} is read over a group.", code="F223", hint="groups know no observation.")
