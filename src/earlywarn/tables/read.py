"""Tables as they are handed over, from pandas, Arrow, Parquet or CSV, as frames under our column names.

Nothing is judged here but the names: values are coerced and checked in ``checks``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from earlywarn.errors import DataError, suggest
from earlywarn.tables.schema import TableSchema

__all__ = ["credit_notes_due", "read_frame", "read_table", "rename", "rename_columns"]

#: Text of fewer bytes a row is read as numbers and a dictionary: it repeats.
REPEATED_BYTES = 4


def read_frame(source: Any, name: str) -> pd.DataFrame:
    """One table as a frame, ids in CSV files kept as text.

    Parameters
    ----------
    source : DataFrame, pyarrow.Table, pyarrow.RecordBatch, or path to a .parquet or .csv file
    name : str
        The table's name, for messages.

    Returns
    -------
    DataFrame, shape (n_rows, n_columns), with a fresh 0…n-1 index

    Raises
    ------
    DataError
        D110 no such file, D111 a kind of source that is not read, D116 a file that cannot be read.

    Examples
    --------
    >>> read_frame(pd.DataFrame({"a": [1]}, index=[7]), "payments").index[0]
    0
    """
    if isinstance(source, pd.DataFrame):
        return source.reset_index(drop=True)
    if isinstance(source, str | Path):
        return _read_file(Path(source), name)
    if hasattr(source, "to_pandas"):  # pyarrow.Table and RecordBatch
        return _of_arrow(source)
    raise DataError(
        f"{name} was handed over as {type(source).__name__}.",
        code="D111",
        hint="hand over a pandas DataFrame, an Arrow table, or the path of a Parquet or CSV file.",
    )


def read_table(
    source: Any, schema: TableSchema, mapping: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """One table under the schema's names; of a Parquet file only the columns that the schema has are read.

    Parameters
    ----------
    source : DataFrame, pyarrow.Table, pyarrow.RecordBatch, or path to a .parquet or .csv file
    schema : TableSchema
    mapping : mapping of str to str
        Their name -> ours.

    Returns
    -------
    frame, missing, unknown
        As `rename_columns` gives them.

    Raises
    ------
    DataError
        Those of `read_frame` and `rename_columns`.
    """
    if not (isinstance(source, str | Path) and _is_parquet(Path(source))):
        return rename_columns(read_frame(source, schema.name), schema, mapping)
    path = Path(source)
    with _readable(schema.name, path):
        from pyarrow import parquet

        file = parquet.ParquetDataset(path)
        head = _of_arrow(file.schema.empty_table())
    asked, missing, unknown = rename_columns(head, schema, mapping)
    named: dict[Any, str] = {mapping.get(theirs, theirs): str(theirs) for theirs in head.columns}
    theirs = {str(ours): named[ours] for ours in asked}
    with _readable(schema.name, path):
        words = [name for ours, name in theirs.items() if schema.columns[ours].kind == "text"]
        file = parquet.ParquetDataset(path, read_dictionary=_repeated(file, words))
        columns = {ours: _column(file, name) for ours, name in theirs.items()}
    return pd.DataFrame(columns, copy=False), missing, unknown


def _repeated(file: Any, words: Iterable[str]) -> list[str]:
    """Columns of text whose first part on disk shows that the same words come again and again."""
    from pyarrow import types

    kinds = {name: file.schema.field(name).type for name in words}
    texts = {name for name, kind in kinds.items() if types.is_string(kind) or types.is_large_string(kind)}
    found = []
    for part in file.fragments[:1]:
        groups = [part.metadata.row_group(number) for number in range(part.metadata.num_row_groups)]
        for place in range(part.metadata.num_columns):
            pieces = [group.column(place) for group in groups]
            size = sum(piece.total_uncompressed_size for piece in pieces)
            if pieces and pieces[0].path_in_schema in texts and size < REPEATED_BYTES * part.metadata.num_rows:
                found.append(pieces[0].path_in_schema)
    return found


def _column(file: Any, name: str) -> pd.Series[Any]:
    """One column of a Parquet file; read alone, so that only one at a time is there twice."""
    return _of_arrow(file.read(columns=[name])).iloc[:, 0]


def _read_file(path: Path, name: str) -> pd.DataFrame:
    if _is_parquet(path):
        with _readable(name, path):
            from pyarrow import parquet

            return _of_arrow(parquet.read_table(path))
    if not path.exists():
        raise DataError(f"{name}: there is no file {path.name!r}.", code="D110", hint="check the path.")
    if path.suffix.lower() in (".csv", ".gz", ".zip"):
        with _readable(name, path):
            return pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
    raise DataError(
        f"{name}: {path.name!r} is neither Parquet nor CSV.", code="D111", hint="end it on .parquet or .csv."
    )


def _is_parquet(path: Path) -> bool:
    return path.is_dir() or (path.exists() and path.suffix.lower() in (".parquet", ".pq"))


@contextmanager
def _readable(name: str, path: Path) -> Iterator[None]:
    """What a library says of a file that it cannot read, said of the table."""
    from pyarrow import ArrowException

    damaged = (pd.errors.ParserError, pd.errors.EmptyDataError, ArrowException, BadZipFile, EOFError, OSError)
    try:
        yield
    except MemoryError:
        raise
    except (UnicodeDecodeError, *damaged) as error:
        hint = "write it again, as Parquet or as CSV with commas and no row longer than its head."
        if isinstance(error, UnicodeDecodeError):
            hint = "its text is not in UTF-8: save it as UTF-8 (in Excel: CSV UTF-8)."
        raise DataError(
            f"{name}: {path.name!r} cannot be read.", code="D116", found=" ".join(str(error).split())[:300], hint=hint
        ) from error


def _of_arrow(table: Any) -> pd.DataFrame:
    """A frame of an Arrow table; dates stay numbers, not one object per row."""
    frame = pd.DataFrame(table.to_pandas(date_as_object=False))
    frame.index = pd.RangeIndex(len(frame))
    return frame


def rename_columns(
    frame: pd.DataFrame, schema: TableSchema, mapping: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Bring a frame under the schema's names.

    Parameters
    ----------
    frame : DataFrame
    schema : TableSchema
    mapping : mapping of str to str
        Their name -> ours.

    Returns
    -------
    frame : DataFrame
        The schema's columns that are there, in the schema's order.
    missing : list of str
        One line for each required column that is not there, with the closest spelling.
    unknown : list of str
        Columns that are left aside because the schema has no such name.

    Raises
    ------
    DataError
        D112 a mapping from or to columns that are not there; D113 personal content that may not be read.
    """
    strange = [ours for ours in mapping.values() if ours not in schema.columns]
    if strange:
        raise DataError(
            f"columns={{{schema.name!r}: …}} maps to {strange[0]!r}, which is no column of ours.",
            code="D112",
            hint=suggest(strange[0], schema.columns),
        )
    private = [column for column in frame.columns if str(column).lower() in schema.forbidden]
    if private:
        raise DataError(
            f"{schema.name} holds {private[0]!r}: whom, where and what a customer calls or reads is never taken in.",
            code="D113",
            hint="hand over totals per contract and kind only.",
        )
    frame = rename(frame, schema.name, mapping)
    unknown = [str(column) for column in frame.columns if column not in schema.columns]
    missing = [
        f"{schema.name}.{column} is missing; {suggest(column, unknown or map(str, frame.columns))}"
        for column in schema.required
        if column not in frame.columns
    ]
    return frame[[column for column in schema.columns if column in frame.columns]], missing, unknown


def credit_notes_due(invoices: pd.DataFrame) -> pd.DataFrame:
    """Invoices, a credit note without a due day due on the day of its issue.

    Parameters
    ----------
    invoices : DataFrame
        Under our names.

    Returns
    -------
    DataFrame
    """
    if not {"amount", "due_on", "issued_on"} <= set(invoices.columns):
        return invoices
    undated = (pd.to_numeric(invoices["amount"], errors="coerce") < 0) & invoices["due_on"].isna()
    if not undated.any():
        return invoices
    due = invoices["due_on"].astype("object").where(~undated, invoices["issued_on"].astype("object"))
    return invoices.assign(due_on=due)


def rename(frame: pd.DataFrame, name: str, mapping: Mapping[str, str]) -> pd.DataFrame:
    """A frame under our names.

    Parameters
    ----------
    frame : DataFrame
    name : str
        The table's name, for messages.
    mapping : mapping of str to str
        Their name -> ours.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        D112 when a name of theirs is not there, or two columns end under one name.
    """
    absent = [theirs for theirs in mapping if theirs not in frame.columns]
    if absent:
        raise DataError(
            f"columns names {absent[0]!r}, which {name} does not have.",
            code="D112",
            hint=suggest(absent[0], map(str, frame.columns)),
        )
    frame = frame.rename(columns=dict(mapping))
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"{name} has two columns {twice[0]!r}.", code="D112", hint="drop or rename one.")
    return frame
