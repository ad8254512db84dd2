"""Facts as Parquet columns, read back one by one when asked for.

Numbers, dates and codes of text stand in one file, the labels of its text columns in a second one, so that
a column that nobody asks for costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.errors import DataError
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts, Values

__all__ = [
    "Lazy",
    "StoredFacts",
    "opened",
    "read_arrays",
    "read_facts",
    "read_labels",
    "write_arrays",
    "write_facts",
    "write_table",
]

Rows = npt.NDArray[np.int64]
_CLOCKS = ("happened_at", "known_at", "known_until", "owner", "row")
_OPTIONS = {"compression": "lz4", "write_statistics": False, "row_group_size": 1 << 24}


def write_facts(facts: Facts, folder: Path, name: str) -> None:
    """Write the facts of one table or stream.

    Parameters
    ----------
    facts : Facts
    folder : Path
    name : str
        Name of the files.
    """
    arrays: dict[str, npt.NDArray[Any]] = {clock: getattr(facts, clock) for clock in _CLOCKS}
    labels = {}
    for column, values in facts.columns.items():
        if isinstance(values, Text):
            arrays[f"code {column}"] = values.codes.astype(np.int32)
            labels[column] = values.labels
        else:
            arrays[f"value {column}"] = values
    arrays |= {f"known {column}": known for column, known in facts.cell_known.items()}
    about = {
        "name": facts.name, "kinds": dict(facts.kinds), "columns": list(facts.columns), "entity": facts.entity,
        "cells": list(facts.cell_known), "lasting": facts.lasting,
    }  # fmt: skip
    write_arrays(folder / f"{name}.parquet", arrays, about)
    if labels:
        import pyarrow as pa
        import pyarrow.parquet as pq

        lists = {column: pa.array([list(words)], type=pa.list_(pa.string())) for column, words in labels.items()}
        pq.write_table(pa.table(lists), folder / f"{name}.labels.parquet", compression="zstd")


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], about: Mapping[str, Any] | None = None) -> None:
    """Write arrays of one length as the columns of a Parquet file, with a few words about them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values) for name, values in arrays.items()})
    table = table.replace_schema_metadata({"earlywarn": json.dumps(about or {}, sort_keys=True)})
    repeated = [name for name, values in arrays.items() if values.dtype.kind == "i" and name != "row"]
    steps = {"row": "DELTA_BINARY_PACKED"} if "row" in arrays else None
    pq.write_table(table, path, use_dictionary=repeated, column_encoding=steps, **_OPTIONS)


def write_table(columns: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write a small table of texts and numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        name: pa.array(list(values), pa.string()) if values.dtype.kind == "O" else pa.array(values)
        for name, values in columns.items()
    }
    pq.write_table(pa.table(arrays), path, compression="zstd")


def opened(path: Path) -> Any:
    """A Parquet file of a store.

    Raises
    ------
    DataError
        D172 when it is gone or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{path.name} of {path.parent.name} is gone.",
            code="D172",
            hint="the store was loaded or written since it was opened: open it again with LedgerStore(path).",
        ) from error
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path.name} of {path.parent.name} is damaged.",
            code="D172",
            hint="see LedgerStore.verify(), and write the store again with LedgerStore.write(path, …).",
        ) from error


def read_arrays(path: Path, names: list[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a file that `write_arrays` wrote; they may be written to."""
    with opened(path) as file:
        table = file.read(columns=names)
    found = {name: np.array(column) for name, column in zip(table.column_names, table.columns, strict=True)}
    return {name: values.astype(np.int64) if values.dtype == np.int32 else values for name, values in found.items()}


class StoredFacts(Facts):
    """Facts whose arrays are read from their file when first asked for; else like any facts."""

    def __getattr__(self, name: str) -> Any:
        path = self.__dict__.get("_path")
        if path is None or name not in _CLOCKS:
            raise AttributeError(name)
        values = read_arrays(path, [name])[name]
        object.__setattr__(self, name, values)
        return values

    def __len__(self) -> int:
        count = self.__dict__.get("_count")
        return len(self.known_at) if count is None else int(count)

    def take(self, rows: Any) -> Facts:
        """The given rows; columns are still read when asked for."""
        picked = {clock: getattr(self, clock)[rows] for clock in _CLOCKS}
        return StoredFacts(
            name=self.name, kinds=self.kinds, entity=self.entity, lasting=self.lasting,
            columns=Lazy(self.columns, lambda name: _picked(self.columns[name], rows)),
            cell_known=Lazy(self.cell_known, lambda name: self.cell_known[name][rows]),
            **picked,
        )  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        return Facts, (
            self.name, dict(self.kinds), dict(self.columns), *(getattr(self, clock) for clock in _CLOCKS),
            dict(self.cell_known), self.entity, self.lasting,
        )  # fmt: skip


def _picked(values: Values, rows: Any) -> Values:
    return values.take(rows) if isinstance(values, Text) else values[rows]


class Lazy(Mapping[str, Any]):
    """A mapping whose values are made when first asked for."""

    def __init__(self, names: Any, make: Callable[[str], Any]) -> None:
        self._names = dict.fromkeys(names)
        self._make = make
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            self._made[name] = self._make(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_facts(folder: Path, name: str) -> StoredFacts:
    """Facts that `write_facts` wrote; nothing but their description is read yet.

    Parameters
    ----------
    folder : Path
    name : str
        Name of the files.

    Returns
    -------
    StoredFacts
    """
    path = folder / f"{name}.parquet"
    with opened(path) as file:
        count, about = file.metadata.num_rows, json.loads(file.metadata.metadata[b"earlywarn"])

    def column(wanted: str) -> Values:
        if about["kinds"][wanted] == "text":
            return Text(read_arrays(path, [f"code {wanted}"])[f"code {wanted}"], _labels(folder, name, wanted))
        return read_arrays(path, [f"value {wanted}"])[f"value {wanted}"]

    def cells(wanted: str) -> Rows:
        return read_arrays(path, [f"known {wanted}"])[f"known {wanted}"]

    facts = object.__new__(StoredFacts)
    contents = {
        "name": about["name"], "kinds": MappingProxyType(about["kinds"]), "columns": Lazy(about["columns"], column),
        "cell_known": Lazy(about["cells"], cells), "entity": about["entity"], "lasting": about["lasting"],
        "_path": path, "_count": count,
    }  # fmt: skip
    for key, value in contents.items():
        object.__setattr__(facts, key, value)
    return facts


def _labels(folder: Path, name: str, column: str) -> tuple[str, ...]:
    with opened(folder / f"{name}.labels.parquet") as file:
        words = file.read(columns=[f"{column}.list.element"]).column(0)[0].values
    return tuple(words.to_pylist())


def read_labels(folder: Path, name: str, column: str) -> tuple[str, ...]:
    """All texts of a column, sorted, without reading which row has which; none when there is no such column."""
    path = folder / f"{name}.labels.parquet"
    if not path.is_file():
        return ()
    with opened(path) as file:
        there = column in file.schema_arrow.names
    return _labels(folder, name, column) if there else ()
