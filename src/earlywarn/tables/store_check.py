"""One bucket: its rows as handed over, checked like any tables, and cut down to the debtors that are its own.

Besides its own rows a bucket is shown its guests: rows of other buckets that its checks depend on (the same
key, a row that is named). What is found about a guest is told by the bucket in which the guest is at home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts
from earlywarn.tables.intake import Checked
from earlywarn.tables.store_buckets import bucket_of
from earlywarn.tables.store_manifest import Plan

__all__ = ["Rows", "check_bucket", "check_shared"]

Numbers = npt.NDArray[np.int64]
_STRANGERS = "no row in customers"
_ZONED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Rows:
    """Rows of one table that a bucket looks at, sorted by number.

    Attributes
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
    number : ndarray of int64, shape (n_rows,)
        Counted over everything that was handed over.
    home : ndarray of int64, shape (n_rows,)
        The bucket that tells their faults.
    """

    frame: pd.DataFrame
    number: Numbers
    home: Numbers


def check_bucket(rows: Mapping[str, Rows], bucket: int, plan: Plan) -> Checked:
    """Check the tables of one bucket.

    Parameters
    ----------
    rows : mapping of str to Rows
        Every table that was handed over and belongs to customers.
    bucket : int
    plan : Plan

    Returns
    -------
    Checked
        Facts in the order of their rows, ``row`` counted over everything handed over; the labels of texts
        include those of guests and of rows set aside, as they do in one ledger.
    """
    checked = _checked(rows, plan)
    own = bucket_of(checked.customers, plan.buckets) == bucket
    codes = np.where(own, np.cumsum(own) - 1, -1)
    tables = {name: _own(facts, rows.get(name), codes, own, bucket) for name, facts in checked.tables.items()}
    return replace(
        checked,
        tables=MappingProxyType(tables),
        customers=tuple(label for label, is_own in zip(checked.customers, own, strict=True) if is_own),
        regions=(),
        faults=_at_home(checked.faults, rows, bucket),
        notices=tuple(note for note in checked.notices if _STRANGERS not in note),
    )


def check_shared(rows: Mapping[str, Rows], plan: Plan) -> Checked:
    """Check the tables that belong to regions.

    Parameters
    ----------
    rows : mapping of str to Rows
    plan : Plan

    Returns
    -------
    Checked
    """
    none = {name: Rows(pd.DataFrame(columns=plan.columns[name]), *_nothing()) for name in ("invoices", "payments")}
    checked = _checked({**none, **rows}, plan)
    tables = {name: _numbered(checked.tables[name], rows[name].number) for name in rows}
    return replace(checked, tables=MappingProxyType(tables), faults=_at_home(checked.faults, rows, 0))


def _nothing() -> tuple[Numbers, Numbers]:
    return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)


def _checked(rows: Mapping[str, Rows], plan: Plan) -> Checked:
    frames = {name: _with_zone(table.frame, plan.zoned.get(name, [])) for name, table in rows.items()}
    return plan.intake(frames).check(strict=False)


def _with_zone(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A frame with one row more, by which a column of dates shows that elsewhere in it zones are stated."""
    if not columns:
        return frame
    last: dict[str, Any] = {name: [_ZONED if name in columns else None] for name in frame.columns}
    return pd.concat([frame.astype("object"), pd.DataFrame(last, dtype="object")], ignore_index=True)


def _own(facts: Facts, rows: Rows | None, codes: Numbers, own: npt.NDArray[np.bool_], bucket: int) -> Facts:
    """The facts of the bucket's own debtors, and those of nobody that are at home here."""
    if rows is None or facts.entity != "customer":
        return facts
    nobody = facts.owner < 0
    if own.all() and not nobody.any():
        return _numbered(facts, rows.number)
    home = rows.home[np.minimum(facts.row, max(len(rows.home) - 1, 0))] if len(facts) else facts.row
    kept = np.where(nobody, home == bucket, np.append(own, False)[facts.owner])
    facts = _numbered(facts, rows.number).take(kept)
    return replace(facts, owner=np.append(codes, -1)[facts.owner])


def _numbered(facts: Facts, number: Numbers) -> Facts:
    return replace(facts, row=number[facts.row])


def _at_home(faults: pd.DataFrame, rows: Mapping[str, Rows], bucket: int) -> pd.DataFrame:
    """The faults of rows at home here, under the numbers that the rows have in everything handed over."""
    kept = np.zeros(len(faults), dtype=bool)
    number = faults["row"].to_numpy().copy()
    table = faults["table"].to_numpy()
    for name, own in rows.items():
        of_table = np.flatnonzero(table == name)
        of_table = of_table[number[of_table] < len(own.number)]
        place = number[of_table]
        number[of_table] = own.number[place]
        kept[of_table] = own.home[place] == bucket
    return faults.assign(row=number)[kept].reset_index(drop=True)


def strangers(checked: Checked) -> list[str]:
    """Debtors with facts but without a row in ``customers``; none when that table was not handed over."""
    if "customers" not in checked.given:
        return []
    known = checked.tables["customers"].text("customer_id")
    seen = set(known.labels)
    found = [facts.text("customer_id") for facts in checked.tables.values()]
    return sorted({label for text in found for label in _used(text) if label not in seen})


def _used(text: Text) -> list[str]:
    return [text.labels[code] for code in np.unique(text.codes[text.codes >= 0])]
