"""Observations and labels over a store: each bucket gives those of its own debtors, put together in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore

__all__ = ["by_debtor", "from_buckets", "in_all"]


def from_buckets(store: LedgerStore, frame_of: Callable[[Ledger], pd.DataFrame]) -> pd.DataFrame:
    """Rows of all buckets, sorted by (as_of, customer_id, obligation_id).

    Parameters
    ----------
    store : LedgerStore
    frame_of : callable
        Gives the observations of a ledger.

    Returns
    -------
    DataFrame
    """
    parts = [frame_of(ledger) for ledger in store.buckets()]
    frame: pd.DataFrame = _under_each_other(parts).sort_values(
        ["as_of", "customer_id", "obligation_id"], ignore_index=True
    )
    frame.attrs = {}
    return frame


def in_all(notices: Iterable[str]) -> int:
    """Sum of the numbers with which notices of one kind begin.

    Examples
    --------
    >>> in_all(["1,200 obligations were not known yet.", "1 obligation was not known yet."])
    1201
    """
    return sum(int(note.split()[0].replace(",", "")) for note in notices)


def by_debtor(store: LedgerStore, observations: pd.DataFrame, result_of: Callable[[Ledger, pd.DataFrame], Any]) -> Any:
    """What ledgers say of observations, each asked of the bucket of its debtor.

    Parameters
    ----------
    store : LedgerStore
    observations : DataFrame
        With customer_id.
    result_of : callable
        Gives a frame or series with the index of the observations it is handed.

    Returns
    -------
    DataFrame or Series, index of ``observations``
    """
    bucket = store.bucket_of(observations["customer_id"])
    places = [np.flatnonzero(bucket == number) for number in np.unique(bucket)] or [np.empty(0, dtype=np.int64)]
    numbers = np.unique(bucket).tolist() or [0]
    parts = [
        result_of(store.bucket(number), observations.iloc[place]) for number, place in zip(numbers, places, strict=True)
    ]
    order = np.argsort(np.concatenate(places), kind="stable")
    return _under_each_other(parts).iloc[order].set_axis(observations.index)


def _under_each_other(parts: list[Any]) -> Any:
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
