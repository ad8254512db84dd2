"""Tables as they are handed to a store, as relations that DuckDB reads: Parquet, CSV, Arrow or pandas.

Every relation has our names of columns and ``_row``, the number of the row in the table as handed over.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.extras import require
from earlywarn.tables.checks import coerce
from earlywarn.tables.read import read_frame
from earlywarn.tables.schema import TableSchema
from earlywarn.tables.store_buckets import literal, quoted

__all__ = ["Handed", "handed"]

_PARQUET, _CSV = (".parquet", ".pq"), (".csv", ".gz")
#: As pandas reads it for a ledger: nothing is guessed, and what a short row lacks is missing.
_READ_CSV = """read_csv({}, columns={{{}}}, auto_detect=false, header=true, delim=',', quote='"', escape='"',
    nullstr='', null_padding=true, parallel=false)"""


class Handed:
    """One table as handed over.

    Parameters
    ----------
    name : str
        The table's name.
    frame : DataFrame, optional
        What was handed over, when it is in memory; or an Arrow table.
    files : sequence of Path
        Files that hold it, in order.
    """

    def __init__(self, name: str, frame: Any = None, files: Sequence[Path] = ()) -> None:
        self.name = name
        self.files = [file.as_posix() for file in files]
        self.frame = frame

    def head(self) -> pd.DataFrame:
        """The columns, without a row."""
        if isinstance(self.frame, pd.DataFrame):
            return self.frame.iloc[:0].reset_index(drop=True)
        if self.frame is not None:
            return pd.DataFrame(columns=list(self.frame.schema.names))
        return pd.DataFrame(columns=list(dict.fromkeys(name for names in self._names.values() for name in names)))

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """The columns of each file."""
        found = {}
        for file in self.files:
            with _readable(self.name, [file]):
                found[file] = list(_head(file))
        return found

    @contextmanager
    def readable(self) -> Iterator[None]:
        """Work in which the table is read; what other libraries say of it comes as one kind of error.

        Raises
        ------
        DataError
            D116 when it cannot be read.
        """
        with _readable(self.name, self.files):
            yield

    def relation(self, duck: Any, schema: TableSchema, ours: Mapping[Any, str], staging: Path) -> str:
        """Make the table known to DuckDB and give the SQL that reads it.

        Parameters
        ----------
        duck : duckdb.DuckDBPyConnection
        schema : TableSchema
        ours : mapping of column to str
            The columns that are read, and our names of them.
        staging : Path
            Where text files are first written as Parquet.

        Returns
        -------
        str
        """
        if isinstance(self.frame, pd.DataFrame):
            return self._registered(duck, _arrow_of_frame(self.frame[list(ours)].rename(columns=dict(ours)), schema))
        if self.frame is not None:
            table = self.frame.select(list(ours))
            return self._registered(duck, _decoded(table.rename_columns(list(ours.values()))))
        if _is_csv(self.files[0]):
            return self._from_text(duck, ours, staging)
        return self._from_parquet(ours)

    def _registered(self, duck: Any, table: Any) -> str:
        import pyarrow as pa

        table = table.append_column("_row", pa.array(np.arange(len(table), dtype=np.int64)))
        duck.register(f"handed_{self.name}", table)
        return f"SELECT * FROM {quoted(f'handed_{self.name}')}"

    def _from_text(self, duck: Any, ours: Mapping[Any, str], staging: Path) -> str:
        """CSV is parsed once, in order, into one Parquet file."""
        target = staging / f"text-{self.name}.parquet"
        rows = " UNION ALL ".join(_text_of(file, self._names[file], ours) for file in self.files)
        numbered = f"SELECT *, row_number() OVER () - 1 AS _row FROM ({rows})"
        duck.execute(f"COPY ({numbered}) TO {literal(target.as_posix())} (FORMAT parquet)").fetchall()
        return f"SELECT * FROM read_parquet({literal(target.as_posix())})"

    def _from_parquet(self, ours: Mapping[Any, str]) -> str:
        parts, before = [], 0
        for file in self.files:
            own = [
                f"{quoted(theirs)} AS {quoted(name)}" for theirs, name in ours.items() if theirs in self._names[file]
            ]
            parts.append(
                f"SELECT {', '.join([*own, f'file_row_number + {before} AS _row'])} "
                f"FROM read_parquet({literal(file)}, file_row_number=true)"
            )
            before += _parquet().read_metadata(file).num_rows
        return " UNION ALL BY NAME ".join(parts)


def handed(source: Any, name: str) -> Handed:
    """What was handed over for one table.

    Parameters
    ----------
    source : DataFrame, Arrow table or batch, or path of a file, a folder or a pattern such as ``usage/*.parquet``
    name : str
        The table's name, for messages.

    Returns
    -------
    Handed

    Raises
    ------
    DataError
        D110 no such file, D111 a kind of source that is not read, D116 a file that cannot be read.
    """
    import pyarrow as pa

    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, pd.DataFrame | pa.Table):
        return Handed(name, source)
    if not isinstance(source, str | Path):
        return Handed(name, read_frame(source, name))
    files = _files(Path(source))
    if not files:
        raise DataError(
            f"{name}: there is no file {Path(source).name!r}.",
            code="D110",
            hint="name a Parquet or CSV file, a folder of them, or a pattern such as usage/*.parquet.",
        )
    endings = {_kind(file) for file in files}
    if endings == {"zip"} and len(files) == 1:
        with _readable(name, [files[0].as_posix()]):
            return Handed(name, read_frame(files[0], name))
    if endings not in ({"csv"}, {"parquet"}):
        raise DataError(
            f"{name}: {Path(source).name!r} is neither Parquet nor CSV.",
            code="D111",
            found=", ".join(sorted({file.suffix for file in files})),
            hint="name files that end on .parquet or .csv, all of one kind.",
        )
    return Handed(name, files=files)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = [file for file in path.rglob("*") if file.is_file() and not file.name.startswith(("_", "."))]
        return sorted(file for file in inside if file.suffix.lower() in _PARQUET + _CSV)
    found = glob.glob(str(path), recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
    return sorted(Path(name) for name in found if Path(name).is_file())


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    return "parquet" if suffix in _PARQUET else "csv" if suffix in _CSV else suffix.lstrip(".")


def _is_csv(file: str) -> bool:
    return _kind(Path(file)) == "csv"


def _parquet() -> Any:
    import pyarrow.parquet

    return pyarrow.parquet


def _head(file: str) -> list[str]:
    if _is_csv(file):
        return [str(name) for name in pd.read_csv(file, dtype="str", nrows=0)]
    return list(_parquet().read_schema(file).names)


def _text_of(file: str, head: Sequence[str], ours: Mapping[Any, str]) -> str:
    """SQL of the columns that are read of a CSV file; one that the file does not have is empty."""
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(head)))
    cells = {theirs: f"c{place}" for place, theirs in enumerate(head)}
    wanted = [f"{cells.get(theirs, 'NULL::VARCHAR')} AS {quoted(name)}" for theirs, name in ours.items()]
    return f"SELECT {', '.join(wanted)} FROM {_READ_CSV.format(literal(file), columns)}"


@contextmanager
def _readable(name: str, files: Sequence[str]) -> Iterator[None]:
    import pyarrow as pa

    duckdb = require("duckdb", to="write a store")
    parsing = (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError)
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, pa.ArrowException, OSError, *parsing) as error:
        said = " ".join(str(error).split("Possible")[0].split())
        named = [file for file in files if file in str(error)] or files
        which = f"one of {len(named)} files" if len(named) > 1 else repr(Path(named[0]).name) if named else "the table"
        raise DataError(
            f"{name}: {which} cannot be read.",
            code="D116",
            found=said[:300],
            hint="write it again, as Parquet or as CSV in UTF-8 with commas and no row longer than its head.",
        ) from error


def _decoded(table: Any) -> Any:
    """An Arrow table with categories as what they stand for."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table


def _arrow_of_frame(frame: pd.DataFrame, schema: TableSchema) -> Any:
    import pyarrow as pa

    arrays = [_arrow_column(frame[name], schema.columns[name].kind, schema, name) for name in frame.columns]
    return _decoded(pa.table(arrays, names=[str(name) for name in frame.columns]))


def _arrow_column(series: pd.Series[Any], kind: str, schema: TableSchema, name: str) -> Any:
    """A column as Arrow has it; what pandas keeps as objects of several types becomes text."""
    import pyarrow as pa

    if series.dtype != np.dtype(object):
        return pa.array(series, from_pandas=True)
    if kind == "date":
        codes, values = pd.factorize(series, use_na_sentinel=True)
        words = pa.array([str(value) for value in values], type=pa.string())
        return words.take(pa.array(codes, mask=codes < 0))
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        if kind == "text":
            return pa.array(coerce(series, schema.columns[name], timezone="UTC", digits=0)[0].values(), pa.string())
        given = series.notna()
        return pa.array([str(value) if there else None for value, there in zip(series, given, strict=True)])
