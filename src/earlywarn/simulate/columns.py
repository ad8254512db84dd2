"""Columns of the tables that a world shows: ids as text, days as dates, money in units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from earlywarn.simulate.calendar import Span

__all__ = ["account_ids", "contract_number", "dates", "ids", "invoice_ids", "invoice_number", "stack", "units", "words"]


def ids(mark: str, number: Any, width: int = 0) -> pd.Series:
    """Ids as text: a mark and a number, filled up with zeros to a width.

    Examples
    --------
    >>> ids("K", [7, 12], 3).tolist()
    ['K007', 'K012']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.cast(pa.array(np.asarray(number, dtype=np.int64)), pa.string())
    padded = pc.utf8_lpad(text, width, "0") if width else text
    return pd.Series(pc.binary_join_element_wise(mark, padded, "").to_pandas(), dtype="str")


def account_ids(customer_id: pd.Series) -> pd.Series:
    """Ids of accounts, one a customer.

    Examples
    --------
    >>> account_ids(pd.Series(["K00012"])).tolist()
    ['A00012']
    """
    return "A" + customer_id.str.slice(1)


def invoice_number(customer: Any, slot: Any) -> Any:
    """Numbers of bills, by the number of the customer and the period."""
    return (np.asarray(customer) + 1) * 1000 + slot


def invoice_ids(customer: Any, slot: Any) -> pd.Series:
    """Ids of bills, by the number of the customer and the period."""
    return ids("R", invoice_number(customer, slot))


def contract_number(customer: Any, second: Any) -> Any:
    """Numbers of contracts, by the number of the customer and whether it is the second."""
    return 2 * (np.asarray(customer) + 1) + second


def dates(span: Span, day: Any) -> npt.NDArray[np.datetime64]:
    """Days of a world as moments, those below 0 missing."""
    found = span.dates(day).astype("M8[us]")
    return np.where(np.asarray(day) < 0, np.datetime64("NaT", "us"), found)


def units(cents: Any) -> npt.NDArray[np.float64]:
    """Cents as units of currency."""
    return np.asarray(cents) / 100


def words(which: Any, *known: str) -> pd.Series:
    """Words by number; missing below 0.

    Examples
    --------
    >>> words([1, -1, 0], "no", "yes").isna().tolist()
    [False, True, False]
    """
    import pyarrow as pa

    number = np.asarray(which, dtype=np.int64)
    coded = pa.DictionaryArray.from_arrays(pa.array(number, mask=number < 0), pa.array(list(known), pa.string()))
    found: pd.Series = coded.cast(pa.string()).to_pandas()
    return found


def stack(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames under each other, with the columns of all; those without rows decide no dtype."""
    stacked = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    every = {str(column): frame[column] for frame in reversed(frames) for column in frame}
    lacking = {column: values.reindex(stacked.index) for column, values in every.items() if column not in stacked}
    return stacked.assign(**lacking)
