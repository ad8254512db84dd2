"""A random biller cut into the books of some of its customers."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from strategies import PARENTS, Raw


def only(raw: Raw, customers: Collection[str]) -> Raw:
    """The rows of some customers; what belongs to nobody, such as published figures, stays."""
    kept: dict[str, pd.DataFrame] = {}
    for name in sorted(raw.tables, key=lambda name: name in PARENTS):
        frame = raw.tables[name]
        if "customer_id" in frame.columns:
            frame = frame[frame["customer_id"].isin(customers)]
        elif name in PARENTS:
            column, parent = PARENTS[name]
            owned = set(kept[parent][column]) if parent in kept else set(customers)
            frame = frame[frame[column].isin(owned)]
        kept[name] = frame.reset_index(drop=True)
    return Raw({name: kept[name] for name in raw.tables})


def customers_of(raw: Raw) -> list[str]:
    """Everybody with a bill, in order."""
    return sorted(set(raw.tables["invoices"]["customer_id"]))
