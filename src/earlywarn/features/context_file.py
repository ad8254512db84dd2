"""A context as one Parquet file: a row for each cell, all that is not a cell in its metadata, with a fingerprint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from earlywarn.errors import BundleError
from earlywarn.extras import require
from earlywarn.features.context import Context
from earlywarn.features.context_pool import KEYS, pool_of
from earlywarn.features.exact import Sums
from earlywarn.features.hierarchy import Hierarchy
from earlywarn.features.reduced import Reduced
from earlywarn.features.reduction import Cells

__all__ = ["FORMAT", "read", "write"]

#: 2: the end of the books, and what running periods need.
FORMAT = 2
_METADATA = b"earlywarn context"


def write(context: Context, path: str | os.PathLike[str]) -> Path:
    """Write a context; equal contexts give equal bytes with the same pyarrow.

    Parameters
    ----------
    context : Context
    path : path
        Replaced when it is there.

    Returns
    -------
    Path
    """
    arrow, parquet = require("pyarrow", to="write a context"), require("pyarrow.parquet", to="write a context")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{os.getpid()}")
    about = {"format": FORMAT, "sha256": context.fingerprint, **context.header()}
    metadata = {_METADATA: json.dumps(about, sort_keys=True, ensure_ascii=False).encode()}
    table = arrow.table(_columns(context, arrow)).replace_schema_metadata(metadata)
    try:
        parquet.write_table(table, staged, compression="zstd")
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)
    return target


def _columns(context: Context, arrow: Any) -> dict[str, Any]:
    """Columns of all reductions one below the other; parts of sums that a reduction does not have are 0."""
    several = list(context.kept.values())
    every = sorted({("count", 0), *(column for one in several for column in one.cells.sums.columns)})
    lengths = [len(one.cells) for one in several]
    names = arrow.array(list(context.kept), type=arrow.string())
    numbers = arrow.array(np.repeat(np.arange(len(several), dtype=np.int32), lengths))
    labels = sorted({label for one in several for label in one.labels})
    place = {label: code for code, label in enumerate(labels)}
    groups = [np.array([place[label] for label in one.labels], dtype=np.int32)[one.cells.group] for one in several]

    def days(name: str) -> Any:
        parts = [getattr(one.cells, name).astype(np.int32) for one in several]
        return arrow.array(_joined(parts, np.int32)).cast(arrow.date32())

    parts = _joined([one.cells.sums.in_columns(every) for one in several], np.int64, width=len(every))
    return {
        "reduction": arrow.DictionaryArray.from_arrays(numbers, names),
        "group": arrow.DictionaryArray.from_arrays(_joined(groups, np.int32), arrow.array(labels, arrow.string())),
        "happened_on": days("day"),
        "known_on": days("known"),
        **{_column_name(*column): parts[:, number].copy() for number, column in enumerate(every)},
    }


def _joined(parts: list[Any], dtype: Any, *, width: int | None = None) -> Any:
    empty = np.zeros(0 if width is None else (0, width), dtype=dtype)
    return np.concatenate([empty, *parts])


def _column_name(what: str, power: int) -> str:
    """For example ``sum_x2p-32``: whole numbers, to be multiplied by 2 to the power of -32."""
    return what if what == "count" else f"{what}_x2p{32 * power}"


def read(kind: type[Any], path: str | os.PathLike[str]) -> Any:
    """Read a context and check it against its fingerprint.

    Parameters
    ----------
    kind : type
        Context, or a class of its kind.
    path : path

    Returns
    -------
    Context

    Raises
    ------
    BundleError
        B530 no context, B531 another format, B532 changed after it was written.
    """
    parquet = require("pyarrow.parquet", to="read a context")
    name = Path(path).name
    try:
        table = parquet.read_table(path)
        about = json.loads((table.schema.metadata or {})[_METADATA])
    except (OSError, KeyError, ValueError) as error:
        what = f"{name!r} is no context."
        raise BundleError(what, code="B530", found=str(error), hint="name a file that save() wrote.") from error
    if about.get("format") != FORMAT:
        raise BundleError(
            f"{name!r} is of a format that this version does not read.",
            code="B531",
            found=f"format {about.get('format')!r}; this version reads format {FORMAT}",
            hint="make the context again from the books: scorer.context(ledger).",
        )
    try:
        context = _context(kind, table, about)
        sound = context.fingerprint == about["sha256"]
    except (KeyError, TypeError, ValueError, IndexError):
        sound = False
    if not sound:
        raise BundleError(
            f"{name!r} was changed after it was written.",
            code="B532",
            hint="make the context again from the books: scorer.context(ledger).",
        )
    return context


def _context(kind: type[Any], table: Any, about: Mapping[str, Any]) -> Context:
    """A context from the rows and the metadata of its file."""
    reduction, group = (table.column(name).combine_chunks() for name in ("reduction", "group"))
    of_row = np.asarray(reduction.indices).astype(np.int64)
    names = reduction.dictionary.to_pylist()
    codes, labels = np.asarray(group.indices).astype(np.int64), group.dictionary.to_pylist()
    days = [table.column(name).cast("int32").to_numpy().astype(np.int64) for name in ("happened_on", "known_on")]
    reduced: dict[str, Reduced] = {}
    for one in about["reduced"]:
        number = names.index(one["key"]) if one["key"] in names else -1
        rows = np.flatnonzero(of_row == number)
        place = {label: code for code, label in enumerate(one["labels"])}
        codes_here = np.array([place.get(label, -1) for label in labels] + [-1], dtype=np.int64)[codes[rows]]
        columns = tuple((str(what), int(power)) for what, power in one["columns"])
        parts = [table.column(_column_name(*column)).to_numpy()[rows].astype(np.int64) for column in columns]
        cells = Cells(codes_here, days[0][rows], days[1][rows], Sums(columns, np.stack(parts, axis=1)))
        reduced[one["key"]] = Reduced(tuple(one["labels"]), cells, float(one["scale"]))
    stated = tuple((int(known), str(region), str(parent)) for known, region, parent in about["regions"])
    settings = MappingProxyType(dict(about["settings"]))
    pool = pool_of(reduced)
    own = MappingProxyType({key: one for key, one in reduced.items() if key not in KEYS})
    found: Context = kind(own, Hierarchy(stated), int(about["known_before"]), int(about["complete_to"]), settings, pool)
    return found
