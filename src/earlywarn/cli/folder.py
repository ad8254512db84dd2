"""The folder of tables that a verb reads: which files are tables, under which names, whether they can be read."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.console import progress, say_notes
from earlywarn.errors import DataError, suggest

if TYPE_CHECKING:
    from earlywarn.tables.ledger import Ledger

__all__ = ["add_data", "columns_from", "is_store", "ledger_from", "tables_in"]

#: Endings of files that hold tables.
ENDINGS = (".csv", ".parquet", ".pq")


def add_data(verb: argparse.ArgumentParser, *, needed: bool = True) -> None:
    """Arguments that every verb on a folder of tables has."""
    verb.add_argument(
        "data",
        nargs=None if needed else "?",
        type=Path,
        metavar="FOLDER",
        help="folder with one file a table: invoices.csv, payments.parquet, customers.csv, …",
    )
    verb.add_argument(
        "--columns",
        type=Path,
        metavar="FILE.toml",
        help='your names of columns: under [invoices] a line "Fälligkeit" = "due_on"',
    )
    verb.add_argument(
        "--timezone", default="Europe/Brussels", metavar="ZONE", help="IANA zone of the wall clock (%(default)s)"
    )
    verb.add_argument("--currency", metavar="CODE", help="ISO code (default: read from the invoices, else EUR)")
    verb.add_argument(
        "--until", metavar="DATE", help="the data are complete up to here (default: the latest invoice or payment)"
    )
    verb.add_argument("--strict", action="store_true", help="refuse, listing all faults, instead of setting rows aside")


def ledger_from(asked: argparse.Namespace) -> Ledger:
    """The ledger of the folder that was named.

    Raises
    ------
    DataError
        D110 when there is no such folder or it holds no table, D114 when a CSV file is not separated by commas,
        D115 when the file of ``--columns`` cannot be read, and those of `Ledger.from_tables`.
    """
    from earlywarn.tables.ledger import Ledger

    columns = columns_from(asked.columns) if asked.columns else None
    files = tables_in(asked.data)
    with progress("reading and checking"):
        return Ledger.from_tables(
            **files,
            columns=columns,
            timezone=asked.timezone,
            currency=asked.currency,
            until=asked.until,
            strict=asked.strict,
        )


def is_store(folder: Path) -> bool:
    """Whether `earlywarn ingest` wrote a folder."""
    from earlywarn.tables.store_manifest import MANIFEST

    return (folder / MANIFEST).is_file()


def tables_in(folder: Path) -> dict[str, Any]:
    """Files of a folder that are tables of the schema, by the table's name; says which files are none.

    Raises
    ------
    DataError
        D110, D114.
    """
    from earlywarn.tables.schema import TABLES

    if not folder.is_dir():
        raise DataError(
            f"there is no folder {str(folder)!r}.",
            code="D110",
            found="a file of that name" if folder.exists() else None,
            hint="name a folder with invoices.csv and payments.csv (or .parquet); others may join.",
        )
    if is_store(folder):
        raise DataError(
            f"the folder {str(folder)!r} is a store; this reads tables.",
            code="D110",
            hint="`earlywarn features explain NAME` reads it; from Python, LedgerStore(folder) computes features, "
            "observations and labels, and scorer.score takes its buckets.",
        )
    held = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDINGS]
    files = {path.stem: path for path in held if path.stem in TABLES}
    strange = [path for path in held if path.stem not in TABLES]
    if not files:
        raise DataError(
            f"the folder {str(folder)!r} holds no table.",
            code="D110",
            found=", ".join(path.name for path in strange[:10]) or None,
            hint="it needs invoices.csv and payments.csv (or .parquet); others may join.",
        )
    say_notes(
        f"{path.name} is no table of the schema and is not read; {suggest(path.stem, TABLES)}" for path in strange
    )
    for path in files.values():
        if path.suffix.lower() == ".csv":
            _check_commas(path)
    return files


def _check_commas(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as lines:
        head = lines.readline().strip()
    if ";" in head and "," not in head:
        raise DataError(
            f"{path.name} is separated by semicolons.",
            code="D114",
            found=head[:80],
            hint="save it with commas, or read it with pandas.read_csv(path, sep=';', decimal=',') and hand the "
            "frame to Ledger.from_tables.",
        )


def columns_from(path: Path) -> dict[str, Mapping[str, str]]:
    """Names of columns from a TOML file, by table, theirs = ours.

    Raises
    ------
    DataError
        D115 when there is no such file, it is not TOML, or a table of it holds something else than names.
    """
    hint = 'write [invoices] and below it "Fälligkeit" = "due_on": your name = ours.'
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{str(path)!r} cannot be read.", code="D115", found=str(error), hint=hint) from None
    for table, names in content.items():
        if not isinstance(names, dict) or not all(isinstance(ours, str) for ours in names.values()):
            raise DataError(
                f"{table} in {path.name} holds no names of columns.", code="D115", found=repr(names), hint=hint
            )
    return content
