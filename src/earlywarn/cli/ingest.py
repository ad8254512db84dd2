"""``earlywarn ingest``: tables larger than memory, checked and settled once, as a store of Parquet files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.check import show_faults
from earlywarn.cli.console import heading, progress, say, say_notes, table_file, whole, write_frame
from earlywarn.cli.folder import ENDINGS, columns_from, tables_in
from earlywarn.errors import DataError

if TYPE_CHECKING:
    from earlywarn.tables.store import LedgerStore

__all__ = ["add", "run"]

#: What holds for a store from its first writing on.
_ONCE = ("timezone", "currency", "country", "late_after_days", "buckets")

_ABOUT = """\
Read the tables of a folder with DuckDB, cut them into buckets of customers, check and settle each bucket once, and
write a store. A store may be far larger than memory; features, observations and labels stream over its buckets.

  earlywarn ingest data/ store/                    write a store, or replace one
  earlywarn ingest data/ store/ --until 2026-03-01  the data are complete up to here
  earlywarn ingest news/ store/ --add              new facts, and corrections with a later known_at

A table is one file (usage.parquet, usage.csv) or a folder of such files (usage/2026-01.parquet, …). Stopped at any
moment, the same command can be given again; until it has finished, the store that was there goes on to hold. Rows with
a fault are set aside and listed, as `earlywarn check` lists them. In Python: earlywarn.LedgerStore.
"""


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "ingest",
        help="write the tables of a folder as a store, larger than memory",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("data", type=Path, metavar="FOLDER", help="folder with one file, or one folder of files, a table")
    verb.add_argument("store", type=Path, metavar="STORE", help="folder of the store; it holds nothing else")
    verb.add_argument("--add", action="store_true", help="add the tables to what the store holds")
    verb.add_argument(
        "--columns",
        type=Path,
        metavar="FILE.toml",
        help='your names of columns: under [invoices] "Fälligkeit" = "due_on"',
    )
    verb.add_argument("--timezone", metavar="ZONE", help="IANA zone of the wall clock (Europe/Brussels)")
    verb.add_argument("--currency", metavar="CODE", help="ISO code (default: read from the invoices, else EUR)")
    verb.add_argument("--country", metavar="CODE", help="where the biller works, for holidays and texts")
    verb.add_argument("--until", metavar="DATE", help="the data are complete up to here (default: as the data say)")
    verb.add_argument(
        "--late-after-days", type=whole(0), metavar="N", help="an invoice is late when paid more days after due (3)"
    )
    verb.add_argument(
        "--buckets", type=whole(1), metavar="N", help="number of buckets (default: one for two million rows)"
    )
    verb.add_argument("--faults", type=table_file, metavar="FILE", help="write all faults to this CSV or Parquet file")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    store = _written(asked)
    say(repr(store))
    heading("tables")
    for name, rows in sorted(store.manifest.rows.items()):
        say(f"{name:<16} {rows:>12,} rows")
    say_notes(store.notices)
    show_faults(store)
    if asked.faults:
        write_frame(store.faults, asked.faults)
        say(f"written: {asked.faults}")
    say(f"written: {asked.store}")
    return 0


def _written(asked: argparse.Namespace) -> LedgerStore:
    from earlywarn.tables.store import LedgerStore

    once: dict[str, Any] = {name: value for name in _ONCE if (value := getattr(asked, name)) is not None}
    if asked.add and once:
        raise DataError(
            f"--{next(iter(once)).replace('_', '-')} was settled when the store was written.",
            code="D175",
            hint="leave it out, or write the store again without --add.",
        )
    tables: dict[str, Any] = dict(_sources_in(asked.data))
    columns = columns_from(asked.columns) if asked.columns else None
    with progress("ingesting") as report:
        if asked.add:
            return LedgerStore(asked.store).load(**tables, columns=columns, until=asked.until, progress=report)
        return LedgerStore.write(asked.store, **tables, columns=columns, until=asked.until, progress=report, **once)


def _sources_in(folder: Path) -> dict[str, Path]:
    """Files and folders of files that are tables, by the table's name."""
    from earlywarn.tables.schema import TABLES

    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    folders = {path.name: path for path in inside if path.is_dir() and path.name in TABLES}
    single = any(path.suffix.lower() in ENDINGS for path in inside)
    return {**folders, **(tables_in(folder) if single or not folders else {})}
