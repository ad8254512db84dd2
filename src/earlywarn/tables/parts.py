"""Debtors in parts: some thousands at a time, so that what is computed on the way stays small, and by several threads.

A debtor's entries, states and facts depend on no other debtor, and all that is derived is kept debtor by debtor.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from earlywarn.compiled import threads
from earlywarn.tables.facts import Facts
from earlywarn.tables.postings import Entries, States
from earlywarn.tables.text import Text

__all__ = ["cut", "in_parts", "side_by_side", "stream_in_parts"]

Rows = npt.NDArray[np.int64]
Made = TypeVar("Made")
#: Rows of a part, unless one debtor has more.
ROWS_PER_PART = 150_000


def cut(customer: Rows) -> list[tuple[int, int]]:
    """Where parts begin and end in rows that are sorted by debtor; no debtor is in two of them.

    Examples
    --------
    >>> cut(np.array([1, 1, 2]))
    [(0, 3)]
    """
    steps = np.arange(ROWS_PER_PART, len(customer), ROWS_PER_PART)
    edges = [0, *np.unique(np.searchsorted(customer, customer[steps])).tolist(), len(customer)]
    return [(start, stop) for start, stop in pairwise(edges) if start < stop]


def side_by_side(work: Callable[[Any], Made], parts: list[Any]) -> list[Made]:
    """The results for each part, in order; several threads share the parts."""
    if len(parts) < 2 or threads() == 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(work, parts))


def in_parts(entries: Entries, states: States) -> list[tuple[Entries, States]]:
    """Entries and states of some debtors after the other, each in their order."""
    if len(states.customer) <= ROWS_PER_PART:
        return [(entries, states)]
    order = np.argsort(states.customer, kind="stable")
    customer = states.customer[order]
    parts = []
    for start, stop in cut(customer):
        own = slice(*np.searchsorted(entries.customer, [customer[start], customer[stop - 1] + 1]).tolist())
        parts.append((_of(entries, own), _of(states, np.sort(order[start:stop]))))
    return parts


def _of(rows: Any, which: Any) -> Any:
    return type(rows)(**{field.name: getattr(rows, field.name)[which] for field in fields(rows)})


def stream_in_parts(derive: Callable[[Entries, States], Facts], entries: Entries, states: States) -> Facts:
    """A stream of all debtors, derived part by part.

    Parameters
    ----------
    derive : callable
        Facts of some debtors; text columns of all parts have the same labels.
    entries : Entries
    states : States

    Returns
    -------
    Facts, by owner and time
    """
    found = side_by_side(lambda part: derive(*part), in_parts(entries, states))
    one = found[0]
    if len(found) > 1:
        columns = {name: _joined([facts.columns[name] for facts in found]) for name in one.columns}
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(facts, name) for facts in found])
            for name in ("happened_at", "known_at", "known_until", "owner")
        }
        one = replace(one, columns=MappingProxyType(columns), row=np.arange(len(arrays["owner"])), **arrays)
    used = {name: value.used() if isinstance(value, Text) else value for name, value in one.columns.items()}
    return replace(one, columns=MappingProxyType(used))


def _joined(values: list[Any]) -> Any:
    if isinstance(values[0], Text):
        return Text(np.concatenate([value.codes for value in values]), values[0].labels)
    return np.concatenate(values)
