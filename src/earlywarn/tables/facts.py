"""A checked table as dated facts: numpy columns, when each row happened, and between when it was known.

A row is visible from after ``known_at`` until its next version is known; a cell that is filled in later
(``closed_on`` -> ``upheld``) has a known moment of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import ALWAYS, FOREVER, NAT, US_PER_DAY, known_after, to_datetime64, visible
from earlywarn.tables.blocks import in_blocks, moved, taken
from earlywarn.tables.checks import Faults, Text, coerce, no_money
from earlywarn.tables.schema import TableSchema

__all__ = ["Facts", "as_text", "blank", "check_table", "first_version", "known_later", "units", "versions"]

Rows = npt.NDArray[np.int64]
Values = Text | npt.NDArray[Any]
#: A planned amount without a stated ``known_at`` or ``expected_issue_on`` is known this long before its due day.
SCHEDULE_KNOWN_DAYS = 30


@dataclass(frozen=True)
class Facts:
    """Dated facts of one table or stream; all arrays have shape (n_facts,).

    Arrays are not written to: columns that hold the same share one array, and one value for all rows is kept once.

    Attributes
    ----------
    name : str
    kinds : mapping of str to str
        Kind of each column (see `schema.KINDS`).
    columns : mapping of str to Text or ndarray
        Money as int64 minor units, dates as int64 microseconds, numbers and flags as float64.
    happened_at, known_at, known_until : ndarray of int64, microseconds
    owner : ndarray of int64
        Code of the customer (or region) whose fact it is; -1 when it belongs to nobody known.
    row : ndarray of int64
        Row number in the table as it was handed over.
    cell_known : mapping of str to ndarray of int64
        For columns that are known later than their row: when.
    entity : {"customer", "region"}
    lasting : bool
        Attributes that hold on, no events.
    """

    name: str
    kinds: Mapping[str, str]
    columns: Mapping[str, Values]
    happened_at: Rows
    known_at: Rows
    known_until: Rows
    owner: Rows
    row: Rows
    cell_known: Mapping[str, Rows]
    entity: str = "customer"
    lasting: bool = False

    def __len__(self) -> int:
        return len(self.known_at)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(plain(getattr(self, field.name)) for field in fields(self))

    def text(self, column: str) -> Text:
        """A text column, empty when the table does not have it."""
        values = self.columns.get(column)
        return values if isinstance(values, Text) else Text.empty(len(self))

    def numbers(self, column: str, missing: float = np.nan) -> npt.NDArray[Any]:
        """A column of numbers, money or dates; filled with ``missing`` when the table does not have it."""
        values = self.columns.get(column)
        if values is None or isinstance(values, Text):
            return np.full(len(self), missing)
        return values

    def moments(self, column: str) -> Rows:
        """A date column, NAT when the table does not have it."""
        values = self.columns.get(column)
        return np.full(len(self), NAT, dtype=np.int64) if values is None else np.asarray(values, dtype=np.int64)

    def take(self, rows: Any) -> Facts:
        """The given rows; the facts themselves when a mask keeps them all. What shares an array goes on sharing it."""
        if isinstance(rows, np.ndarray) and rows.dtype == bool:
            if rows.all():
                return self
            rows = np.flatnonzero(rows)
        return self._rearranged(lambda arrays: taken(arrays, rows))

    def moved(self, order: Rows, free: Rows) -> Facts:
        """All rows in another order, in the memory of these facts and of ``free``; these are of no use afterwards."""
        return self._rearranged(lambda arrays: moved(arrays, order, free))

    def _rearranged(self, rearrange: Callable[[list[npt.NDArray[Any]]], list[npt.NDArray[Any]]]) -> Facts:
        columns = dict(self.columns)
        clocks = (self.happened_at, self.known_at, self.known_until, self.owner, self.row)
        arrays = {id(one): one for one in (*map(_array, columns.values()), *clocks, *self.cell_known.values())}
        new = dict(zip(arrays, rearrange(list(arrays.values())), strict=True))
        return replace(
            self,
            columns=MappingProxyType(
                {
                    name: Text(new[id(values.codes)], values.labels) if isinstance(values, Text) else new[id(values)]
                    for name, values in columns.items()
                }
            ),
            happened_at=new[id(self.happened_at)],
            known_at=new[id(self.known_at)],
            known_until=new[id(self.known_until)],
            owner=new[id(self.owner)],
            row=new[id(self.row)],
            cell_known={name: new[id(known)] for name, known in self.cell_known.items()},
        )

    def known_before(self, as_of: int) -> Facts:
        """What was known strictly before ``as_of``: later rows gone, later cells blank, later versions undone."""
        kept = self.take(self.known_at < as_of)
        columns = dict(kept.columns)
        for name, known in kept.cell_known.items():
            if name in columns:
                columns[name] = blank(columns[name], ~visible(known, np.full(len(known), FOREVER), as_of))
        return replace(
            kept,
            columns=MappingProxyType(columns),
            known_until=np.where(kept.known_until >= as_of, FOREVER, kept.known_until),
            cell_known=MappingProxyType(
                {name: np.where(known < as_of, known, FOREVER) for name, known in kept.cell_known.items()}
            ),
        )

    def current(self) -> Facts:
        """The latest version of each row."""
        return self.take(self.known_until == FOREVER)

    def frame(self, digits: int) -> pd.DataFrame:
        """The facts as a frame, money in units, dates as ``datetime64[us]``, text as text."""
        data: dict[str, Any] = {}
        for name, values in self.columns.items():
            kind = self.kinds[name]
            if isinstance(values, Text):
                data[name] = as_text(values.values())
            elif kind == "money":
                data[name] = units(values, digits)
            elif kind == "date":
                data[name] = to_datetime64(values)
            else:
                data[name] = values
        data["happened_at"] = to_datetime64(self.happened_at)
        data["known_at"] = to_datetime64(self.known_at)
        return pd.DataFrame(data)


_PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3


def as_text(words: Any) -> pd.Series[Any]:
    """A column of text in the dtype that this pandas gives to text, also when it is empty or all missing.

    Examples
    --------
    >>> as_text(["a", None]).isna().tolist()
    [False, True]
    """
    column: pd.Series[Any] = pd.Series(list(words), dtype="object")
    return column.astype("str") if _PANDAS_3 else column


def units(minor: npt.NDArray[Any], digits: int) -> npt.NDArray[np.float64]:
    """Minor units as float64 units, NaN where no amount is stated.

    Examples
    --------
    >>> units(np.array([1250, no_money]), 2)
    array([12.5,  nan])
    """
    values: npt.NDArray[np.float64] = minor / 10.0**digits
    unstated = minor == no_money
    if unstated.any():
        values = np.where(unstated, np.nan, values)
    return values


def plain(value: Any) -> Any:
    """A read-only view as the dictionary behind it, which other processes can be handed."""
    return dict(value) if isinstance(value, MappingProxyType) else value


def blank(values: Values, where: npt.NDArray[np.bool_]) -> Values:
    """Values with the marked cells emptied."""
    if isinstance(values, Text):
        return Text(np.where(where, -1, values.codes), values.labels)
    if values.dtype == np.int64:
        return np.where(where, NAT, values)
    return np.where(where, np.nan, values)


def _array(values: Values) -> npt.NDArray[Any]:
    return values.codes if isinstance(values, Text) else values


def check_table(
    schema: TableSchema,
    frame: pd.DataFrame,
    faults: Faults,
    *,
    timezone: str,
    digits: int,
    lag_days: int,
) -> Facts:
    """Coerce and check one table; rows with a fault are noted and left out.

    Parameters
    ----------
    schema : TableSchema
    frame : DataFrame
        Under the schema's names, index 0…n-1.
    faults : Faults
        Where faults are noted.
    timezone : str
    digits : int
        Decimals of the currency.
    lag_days : int
        Days from happening to being known, where no ``known_at`` is stated.

    Returns
    -------
    Facts, the owner still unset (-1)
    """
    good = np.ones(len(frame), dtype=bool)
    columns: dict[str, Values] = {}
    for name in frame.columns:
        column = schema.columns[name]
        values, found = coerce(frame[name], column, timezone=timezone, digits=digits)
        for code, message, mask in found:
            if mask.any():
                cell_only = code == "D135" and not column.required and name not in ("event", "kind")
                note = f"{schema.name}.{name} {message}" + ("; the cell is emptied" if cell_only else "")
                faults.add(schema.name, np.flatnonzero(mask), name, code, note, frame[name][mask])
                values = blank(values, mask)
                good &= ~mask | cell_only
        if column.default is not None and isinstance(values, Text):
            values = values.filled(column.default)
        if column.required:
            empty = _missing(values) & good
            if empty.any():
                note = f"{schema.name}.{name} is empty"
                faults.add(schema.name, np.flatnonzero(empty), name, "D138", note, frame[name][empty])
                good &= ~empty
        columns[name] = values
    for name, column in schema.columns.items():  # a column that was not handed over means what an empty cell means
        if column.default is not None and name not in columns:
            columns[name] = Text(np.zeros(len(frame), dtype=np.int64), (column.default,) if len(frame) else ())
    facts = _date(schema, columns, len(frame), lag_days).take(good)
    return versions(facts, schema, faults, frame)


def _missing(values: Values) -> npt.NDArray[np.bool_]:
    if isinstance(values, Text):
        return np.asarray(values.codes < 0)
    return np.asarray(values == NAT if values.dtype == np.int64 else np.isnan(values))


def _date(schema: TableSchema, columns: dict[str, Values], count: int, lag_days: int) -> Facts:
    """When each row happened and became known, and when its late cells did."""
    happened = columns.get(schema.time) if schema.time else None
    if happened is None:
        happened = np.full(count, ALWAYS if schema.lasting else NAT, dtype=np.int64)
    assert not isinstance(happened, Text)
    if schema.lasting:
        happened = np.where(happened == NAT, ALWAYS, happened)
    known = in_blocks(lambda moments: _known(moments, schema, lag_days), happened)
    if schema.name == "schedule":
        known = _schedule_known(columns, happened)
    stated = columns.pop("known_at", None)
    if stated is not None:
        assert not isinstance(stated, Text)
        known = np.where((stated == NAT) | (stated == ALWAYS), known, stated)
    cells = {}
    for column in schema.columns.values():
        if column.known_from and column.name in columns:
            source = columns.get(column.known_from, np.full(count, NAT, dtype=np.int64))
            assert not isinstance(source, Text)
            later = np.maximum(known, known_after(source, 0))
            cells[column.name] = np.where(source == NAT, FOREVER, later)
    return Facts(
        name=schema.name,
        kinds=MappingProxyType({name: schema.columns[name].kind for name in columns}),
        columns=MappingProxyType(columns),
        happened_at=happened,
        known_at=known,
        known_until=np.broadcast_to(np.int64(FOREVER), count),
        owner=np.broadcast_to(np.int64(-1), count),
        row=np.arange(count, dtype=np.int64),
        cell_known=MappingProxyType(cells),
        lasting=schema.lasting,
    )


def _known(happened: Rows, schema: TableSchema, lag_days: int) -> Rows:
    """When rows of a source that does not say so became known; each day is worked out once."""
    code, moments = pd.factorize(happened)
    known: Rows = np.where(moments == ALWAYS, ALWAYS, known_after(moments, lag_days, bank=schema.bank_lag))[code]
    return known


def _schedule_known(columns: Mapping[str, Values], due: Rows) -> Rows:
    """A plan is known from the day its bill is expected, else 30 days before it is due."""
    issue = columns.get("expected_issue_on", np.full(len(due), NAT, dtype=np.int64))
    assert not isinstance(issue, Text)
    ahead = np.where(due == NAT, NAT, np.where(due == NAT, 0, due) - SCHEDULE_KNOWN_DAYS * US_PER_DAY)
    return known_after(np.where(issue == NAT, ahead, issue), 0)


def versions(facts: Facts, schema: TableSchema, faults: Faults, frame: pd.DataFrame) -> Facts:
    """Close each row by the next version of the same key; the same key at the same moment is a fault.

    Without a ``known_at`` column a table says nothing about versions, so there any repeated key is a fault.
    """
    if not schema.key or schema.key[0] not in facts.columns or not len(facts):
        return facts
    order, same = _chains(facts, schema)
    known = facts.known_at[order]
    dated = "known_at" in frame.columns
    again = same & (known[1:] == known[:-1]) if dated else same
    twice = np.zeros(len(order), dtype=bool)
    twice[order[1:][again]] = True
    if twice.any():
        name = schema.key[0]
        rows = facts.row[twice]
        shown = frame[name].iloc[rows]
        message = f"{schema.name}: the same {' + '.join(schema.key)} twice" + (" at one known_at" if dated else "")
        faults.add(schema.name, rows, name, "D139", message, shown)
        return versions(facts.take(~twice), schema, faults, frame)
    return closed(facts, order, same)


def closed(facts: Facts, order: Rows, same: npt.NDArray[np.bool_]) -> Facts:
    """Each version ends as soon as any later one is known.

    Parameters
    ----------
    facts : Facts
    order : ndarray of int64, shape (n,)
        The rows by key, each key's versions as they follow one another.
    same : ndarray of bool, shape (n - 1,)
        Where a row in that order and the next are versions of one key.
    """
    known = facts.known_at[order]
    until = np.full(len(order), FOREVER, dtype=np.int64)
    until[:-1][same] = known[1:][same]
    while (sooner := same & (until[1:] < until[:-1])).any():  # a later version is known first
        until[:-1][sooner] = until[1:][sooner]
    ends = np.empty_like(until)
    ends[order] = until
    return replace(facts, known_until=ends)


def known_later(facts: Facts, schema: TableSchema, known_at: Rows) -> Facts:
    """The same facts, known at later moments; their versions follow one another as they did."""
    later = replace(facts, known_at=known_at)
    if not schema.key or schema.key[0] not in facts.columns or not len(facts):
        return later
    order, same = _chains(facts, schema)
    return closed(later, order, same)


def _chains(facts: Facts, schema: TableSchema) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """The rows by key and moment of knowing, and where the next row in that order has the same key."""
    keys = [_key(facts.columns[name]) for name in schema.key if name in facts.columns]
    order = np.lexsort((facts.row, facts.known_at, *keys))
    same = ~_missing(facts.columns[schema.key[0]])[order][1:]
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    return order, same


def _key(values: Values) -> npt.NDArray[Any]:
    if isinstance(values, Text):
        return values.codes
    return np.where(np.isnan(values), -1.0, values) if values.dtype == np.float64 else values


def first_version(codes: Rows, known_at: Rows) -> Rows:
    """Index of the first known row of each row's code."""
    order = np.lexsort((np.arange(len(codes)), known_at, codes))
    first = np.zeros(int(codes.max(initial=-1)) + 1, dtype=np.int64)
    first[codes[order][::-1]] = order[::-1]
    return first[codes]
