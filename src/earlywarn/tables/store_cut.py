"""Cutting tables into buckets with DuckDB, larger than memory.

A row lies in the bucket of its debtor; a row without ``customer_id`` where the row that it belongs to lies; a
row that belongs to nobody in the first bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from earlywarn.extras import require
from earlywarn.tables.schema import TABLES, TableSchema, declared
from earlywarn.tables.store_buckets import bucket_sql, literal, quoted, word_sql
from earlywarn.tables.store_manifest import Plan

__all__ = ["Cut", "Link", "connect", "kinds_of", "zoned_columns"]

#: What DuckDB may hold in memory before it writes to the staging folder.
MEMORY_LIMIT = "2GB"
_ZONED = r"^\s*[0-9]{4}.*:.*(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)\s*$"


def connect(staging: Path) -> Any:
    """A DuckDB that keeps within its memory and never fetches an extension."""
    duck = require("duckdb", to="write a store").connect(":memory:")
    for setting in (
        "autoinstall_known_extensions=false", "autoload_known_extensions=false", f"memory_limit='{MEMORY_LIMIT}'",
        f"temp_directory={literal((staging / 'spill').as_posix())}", "enable_progress_bar=false",
    ):  # fmt: skip
        duck.execute(f"SET {setting}").fetchall()
    return duck


class Link(NamedTuple):
    """A column that says to which row of another table a row belongs."""

    table: str
    column: str
    parent: str


class Cut:
    """Rows of all tables by bucket: those of a store, and those that are being added.

    Parameters
    ----------
    duck : duckdb.DuckDBPyConnection
    plan : Plan
    staging : Path
        Where new rows are written, ``<table>/_bucket=<number>/*.parquet``.
    kept : mapping of (table, bucket) to list of Path
        Files of rows that the store has already.
    """

    def __init__(self, duck: Any, plan: Plan, staging: Path, kept: Mapping[tuple[str, int], list[Path]]) -> None:
        self.duck = duck
        self.plan = plan
        self.folder = staging / "cut"
        self.kept = kept
        self.schemas: dict[str, TableSchema] = {
            name: TABLES[name] if name in TABLES else declared(name, plan.extra[name]) for name in plan.given
        }

    def add(self, name: str, relation: str, before: int) -> None:
        """Write the rows of one table into their buckets.

        Parameters
        ----------
        name : str
        relation : str
            SQL that gives the columns and ``_row``.
        before : int
            Rows of the table that were handed over earlier; row numbers go on from there.
        """
        source = f"(SELECT * REPLACE (_row + {before} AS _row) FROM ({relation}))"
        column, homes = self._homes(name, relation)
        self.duck.execute(f"CREATE OR REPLACE TEMP TABLE homes AS {homes}").fetchall()
        target = literal((self.folder / name).as_posix())
        rows = f"SELECT r.*, coalesce(h.home, 0) AS _bucket FROM {source} r LEFT JOIN homes h ON r.{column} = h.id"
        options = "FORMAT parquet, PARTITION_BY (_bucket), COMPRESSION lz4_raw"
        (self.folder / name).mkdir(parents=True)
        self.duck.execute(f"COPY ({rows}) TO {target} ({options})").fetchall()

    def _homes(self, name: str, relation: str) -> tuple[str, str]:
        """The column that says where a row lies, and SQL of the home of each of its values."""
        if name in self.plan.regional:
            return "region", "SELECT NULL::VARCHAR AS id, 0 AS home WHERE false"
        schema = self.schemas[name]
        link = self.link(name)
        column = "customer_id" if "customer_id" in schema.columns else (schema.parent or ("", ""))[0]
        word = word_sql(column, kinds_of(self.duck, relation)[column], f"{name}.{column}")
        ids = f"SELECT DISTINCT {quoted(column)} AS id, {word} AS word FROM ({relation})"
        if link is None:
            return quoted(column), f"SELECT id, {bucket_sql('word', self.plan.buckets)} AS home FROM ({ids})"
        key = self.schemas[link.parent].key[0]
        parents = f"SELECT id AS word, min(home) AS home FROM ({self.words(link.parent, key)}) GROUP BY id"
        return quoted(column), f"SELECT id, home FROM ({ids}) JOIN ({parents}) USING (word)"

    def link(self, name: str) -> Link | None:
        """How a table finds its debtors; None when it names them itself."""
        schema = self.schemas[name]
        if "customer_id" in schema.columns or schema.parent is None or schema.parent[1] not in self.schemas:
            return None
        return Link(name, *schema.parent)

    def order(self) -> list[str]:
        """Tables, each after the one it belongs to."""

        def depth(name: str) -> int:
            link = self.link(name)
            return 0 if link is None else 1 + depth(link.parent)

        return sorted(self.schemas, key=depth)

    def new_files(self, name: str, bucket: int) -> list[Path]:
        """Files with the rows that are being added."""
        return sorted((self.folder / name / f"_bucket={bucket}").glob("*.parquet"))

    def rows_of(self, name: str, bucket: int) -> list[Any]:
        """The rows of one table that lie in a bucket: one Arrow table for each change of its types of columns."""
        import pyarrow as pa

        kinds = {column: self.schemas[name].columns[column].kind for column in self.plan.columns[name]}
        groups: list[Any] = [_read(file, kinds) for file in self.kept.get((name, bucket), [])]
        new = [_read(file, kinds) for file in self.new_files(name, bucket)]
        if new:
            names = new[0].column_names
            stacked = pa.concat_tables([table.select(names) for table in new]).unify_dictionaries()
            groups.append(_in_number_order(stacked))
        merged: list[Any] = []
        for table in groups:
            if merged and merged[-1].schema.remove_metadata() == table.schema.remove_metadata():
                merged[-1] = pa.concat_tables([merged[-1], table]).unify_dictionaries()
            else:
                merged.append(table)
        return merged

    def words(self, name: str, *columns: str) -> str:
        """SQL of (id, id1, …, row, home) of all rows of a table, ids as the text that checks see."""
        relations = [
            f"SELECT *, {bucket} AS _bucket FROM read_parquet({literal(file.as_posix())}, hive_partitioning=false)"
            for (table, bucket), files in self.kept.items()
            for file in files
            if table == name
        ]
        if any((self.folder / name).glob("*/*.parquet")):
            every = literal((self.folder / name / "*" / "*.parquet").as_posix())
            relations.append(f"SELECT * FROM read_parquet({every}, hive_partitioning=true)")
        none = ", ".join(f"NULL::VARCHAR AS id{place or ''}" for place in range(len(columns)))
        parts = [f"SELECT {none}, 0::BIGINT AS row, 0::INTEGER AS home WHERE false"]
        for relation in relations:
            kinds = kinds_of(self.duck, relation)
            ids = [
                word_sql(column, kinds[column], f"{name}.{column}") if column in kinds else "NULL::VARCHAR"
                for column in columns
            ]
            shown = ", ".join(f"{word} AS id{place or ''}" for place, word in enumerate(ids))
            parts.append(f"SELECT {shown}, _row AS row, CAST(_bucket AS INTEGER) AS home FROM ({relation})")
        return " UNION ALL ".join(parts)

    def fingerprint(self, name: str, relation: str) -> list[int]:
        """Number of rows, and a number that changes with any of them."""
        columns = ", ".join(quoted(column) for column in kinds_of(self.duck, relation))
        found = self.duck.execute(f"SELECT count(*), bit_xor(hash({columns})) FROM ({relation})").fetchall()[0]
        return [int(found[0]), int(found[1] or 0)]


def _read(file: Path, kinds: Mapping[str, str]) -> Any:
    """Rows of one file in the order of their numbers, text that repeats as a dictionary."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(file)
    words = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)]
    wanted = [name for name, kind in kinds.items() if kind in ("text", "date") and name in words]
    return pq.ParquetFile(file, read_dictionary=wanted).read()


def _in_number_order(table: Any) -> Any:
    number = table["_row"].to_numpy()
    if (np.diff(number) > 0).all():
        return table
    return table.take(np.argsort(number, kind="stable"))


def kinds_of(duck: Any, relation: str) -> dict[str, str]:
    """Columns of a relation and DuckDB's names of their types."""
    return {row[0]: str(row[1]) for row in duck.execute(f"DESCRIBE {relation}").fetchall()}


def zoned_columns(duck: Any, relation: str, schema: TableSchema) -> list[str]:
    """Text columns of dates in which some value carries a zone.

    Parameters
    ----------
    duck : duckdb.DuckDBPyConnection
    relation : str
    schema : TableSchema

    Returns
    -------
    list of str
    """
    text = [name for name, kind in kinds_of(duck, relation).items() if kind == "VARCHAR" and name in schema.columns]
    dates = [name for name in text if schema.columns[name].kind == "date"]
    if not dates:
        return []
    asked = ", ".join(f"bool_or(regexp_matches({quoted(name)}, '{_ZONED}'))" for name in dates)
    found = duck.execute(f"SELECT {asked} FROM ({relation})").fetchall()[0]
    return [name for name, is_zoned in zip(dates, found, strict=True) if is_zoned]
