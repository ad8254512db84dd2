"""What the verbs share at the terminal: progress, tables, files of a folder."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.tables.ledger import Ledger

__all__ = ["add_data", "heading", "ledger_from", "progress", "say", "table", "write_frame"]

#: Work that takes longer than this shows how far it is.
PATIENCE_SECONDS = 2.0
_WIDTH = 28


def say(*lines: str) -> None:
    """Print lines to standard output."""
    print(*lines, sep="\n", flush=True)


def heading(text: str) -> None:
    """Print a heading."""
    say("", text, "─" * len(text))


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], None]]:
    """Show on standard error how far a piece of work is, once it takes longer than two seconds.

    Parameters
    ----------
    what : str

    Yields
    ------
    callable
        To be called with the finished share, 0 to 1.
    """
    started = time.monotonic()
    terminal = sys.stderr.isatty()
    shown = 0.0

    def report(share: float) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - started < PATIENCE_SECONDS or now - shown < (0.2 if terminal else 10.0):
            return
        shown = now
        done = "█" * round(share * _WIDTH)
        line = f"{what} {done:·<{_WIDTH}} {share:4.0%}  {now - started:.0f} s"
        print(f"\r{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    yield report
    if terminal and shown:
        print("\r" + " " * (len(what) + _WIDTH + 20) + "\r", end="", file=sys.stderr)
    if time.monotonic() - started >= PATIENCE_SECONDS:
        print(f"{what}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def table(frame: pd.DataFrame, digits: int = 3) -> str:
    """A frame as text, numbers to the right, without its index."""
    return frame.to_string(index=False, float_format=lambda value: f"{value:.{digits}f}", na_rep="–")


def add_data(verb: argparse.ArgumentParser) -> None:
    """Arguments that every verb on a folder of tables has."""
    verb.add_argument(
        "data",
        type=Path,
        help="folder with one file a table: invoices.csv, payments.parquet, customers.csv, …",
    )
    verb.add_argument("--timezone", default="Europe/Brussels", help="IANA zone of the wall clock (%(default)s)")
    verb.add_argument("--currency", help="ISO code; read from the invoices when left out")
    verb.add_argument("--until", help="the data are complete up to this day (default: the latest fact)")
    verb.add_argument(
        "--strict", action="store_true", help="stop at the first faulty rows instead of setting them aside"
    )


def ledger_from(asked: argparse.Namespace) -> Ledger:
    """The ledger of the folder that was named.

    Raises
    ------
    DataError
        D110 when there is no such folder or it holds no table.
    """
    from earlywarn.tables.ledger import Ledger
    from earlywarn.tables.schema import TABLES

    folder: Path = asked.data
    files: dict[str, Any] = {
        path.stem: path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if path.suffix.lower() in (".csv", ".parquet", ".pq") and path.stem in TABLES
    }
    if not files:
        raise DataError(
            f"{str(folder)!r} holds no table.",
            code="D110",
            hint="name a folder with invoices.csv and payments.csv (or .parquet); others may join.",
        )
    with progress("reading and checking"):
        return Ledger.from_tables(
            **files, timezone=asked.timezone, currency=asked.currency, until=asked.until, strict=asked.strict
        )


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV or Parquet, by the ending of the name; lists become text in CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in (".parquet", ".pq"):
        frame.to_parquet(path, index=False)
        return
    flat = frame.copy()
    for column in flat.columns:
        flat[column] = [_flat(value) for value in flat[column]]
    flat.to_csv(path, index=False)


def _flat(value: Any) -> Any:
    return " | ".join(map(str, value)) if isinstance(value, tuple | list) else value
