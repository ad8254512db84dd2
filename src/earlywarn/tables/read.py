"""Tables as they are handed over, from pandas, Arrow, Parquet or CSV, as frames under our column names.

Nothing is judged here but the names: values are coerced and checked in ``checks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from earlywarn.errors import DataError, suggest
from earlywarn.tables.schema import TableSchema

__all__ = ["credit_notes_due", "read_frame", "rename", "rename_columns"]


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
        D110 no such file, D111 a kind of source that is not read.

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


def _read_file(path: Path, name: str) -> pd.DataFrame:
    if not path.exists():
        raise DataError(f"{name}: there is no file {path.name!r}.", code="D110", hint="check the path.")
    if path.is_dir() or path.suffix.lower() in (".parquet", ".pq"):
        from pyarrow import parquet

        return _of_arrow(parquet.read_table(path))
    if path.suffix.lower() in (".csv", ".gz", ".zip"):
        return pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
    raise DataError(
        f"{name}: {path.name!r} is neither Parquet nor CSV.", code="D111", hint="end it on .parquet or .csv."
    )


def _of_arrow(table: Any) -> pd.DataFrame:
    """A frame of an Arrow table; dates stay numbers, not one object per row."""
    return pd.DataFrame(table.to_pandas(date_as_object=False)).reset_index(drop=True)


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
