"""How many days each read of a meter covers, so that use can be spread over them and sparse reads told from daily ones.

A read covers the days from ``used_from`` to ``used_on``, both included. Where ``used_from`` is not stated, it covers
the days since the read before of the same contract and kind, as known when it became known itself: so the number
never changes afterwards. It is missing for the first read of all, and after more than `LONGEST` days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.tables.facts import Facts
from earlywarn.tables.order import rises

__all__ = ["COVERED", "days_covered", "with_days_covered"]

#: Name of the column.
COVERED = "days_covered"
#: The longest time between two reads that the second one covers, in days.
LONGEST = 400


def with_days_covered(usage: Facts) -> Facts:
    """Facts of usage with the column ``days_covered``, worked out when it is first looked at; a stated one is kept."""
    if COVERED in usage.columns:
        return usage
    kinds = MappingProxyType({**usage.kinds, COVERED: "number"})
    return replace(usage, kinds=kinds, columns=_Columns(usage))


class _Columns(Mapping[str, Any]):
    """The columns of usage and one more, which is worked out when it is first looked at."""

    def __init__(self, usage: Facts) -> None:
        self.usage = usage

    @cached_property
    def covered(self) -> npt.NDArray[np.float64]:
        return days_covered(self.usage)

    def __getitem__(self, name: str) -> Any:
        return self.covered if name == COVERED else self.usage.columns[name]

    def __contains__(self, name: object) -> bool:
        return name == COVERED or name in self.usage.columns

    def __iter__(self) -> Iterator[str]:
        yield from self.usage.columns
        yield COVERED

    def __len__(self) -> int:
        return len(self.usage.columns) + 1


def days_covered(usage: Facts) -> npt.NDArray[np.float64]:
    """Days that each read covers.

    Parameters
    ----------
    usage : Facts, n rows in any order

    Returns
    -------
    ndarray of float64, shape (n,), NaN where it cannot be told

    Examples
    --------
    >>> import pandas as pd
    >>> from earlywarn import Ledger
    >>> reads = pd.DataFrame({"usage_id": ["1", "2", "3"], "customer_id": "c", "quantity": [9.0, 31.0, 30.0]})
    >>> reads["used_on"] = ["2026-01-31", "2026-02-28", "2026-03-31"]
    >>> bills = pd.DataFrame({"invoice_id": [], "customer_id": [], "issued_on": [], "due_on": [], "amount": []})
    >>> paid = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    >>> days_covered(Ledger.from_tables(invoices=bills, payments=paid, usage=reads).facts("usage"))
    array([nan, 28., 31.])
    """
    from earlywarn.compiled import in_ranges
    from earlywarn.tables.read_kernels import since_the_one_before

    columns = (usage.owner, usage.happened_at, usage.known_at, usage.row)
    order = slice(None) if rises(columns) else np.lexsort(columns[::-1])
    none = np.empty(0, dtype=np.int64)
    stated = usage.moments("used_from") if "used_from" in usage.columns else none
    parts = (usage.owner, _series(usage), usage.happened_at, stated, usage.known_at, usage.known_until)
    asked = [np.require(part[order] if len(part) else part, requirements=["C", "W"]) for part in parts]
    found = np.empty(len(usage))
    in_ranges(since_the_one_before, len(usage), LONGEST, *asked, found)
    covered = np.empty(len(usage))
    covered[order] = found
    return covered


def _series(usage: Facts) -> npt.NDArray[np.int64]:
    """What is read together, as numbers: contract and kind; empty when neither is stated."""
    contract, kind = usage.text("contract_id"), usage.text("kind")
    if not contract.labels and not kind.labels:
        return np.empty(0, dtype=np.int64)
    return (contract.codes + 1) * (len(kind.labels) + 1) + kind.codes + 1
