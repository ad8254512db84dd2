"""What the verbs share at the terminal: progress, notes, tables, kinds of argument, files that are written."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.errors import EarlywarnError, FeatureError, suggest

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.features.catalogue import FeatureSet

__all__ = [
    "check_texts",
    "heading",
    "language",
    "picture_file",
    "progress",
    "say",
    "say_notes",
    "table",
    "table_file",
    "whole",
    "write_frame",
]

#: Work that takes longer than this shows how far it is.
PATIENCE_SECONDS = 2.0
_WIDTH = 28


def say(*lines: str) -> None:
    """Print lines to standard output."""
    if lines:
        print(*lines, sep="\n", flush=True)


def heading(text: str) -> None:
    """Print a heading."""
    say("", text, "─" * len(text))


def say_notes(notes: Iterable[str]) -> None:
    """Print what was assumed or left out."""
    say(*[f"note: {note}" for note in notes])


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


def table(frame: pd.DataFrame, digits: Mapping[str, int] | int = 3) -> str:
    """A frame as text: numbers to the right, words to the left, – for what is missing; without its index.

    Parameters
    ----------
    frame : DataFrame
    digits : int or mapping of str to int
        Decimals of floats, of all columns or by column (3 where not named).
    """
    from pandas.api.types import is_numeric_dtype

    columns = []
    for name in map(str, frame.columns):
        places = digits if isinstance(digits, int) else digits.get(name, 3)
        cells = [name, *(_cell(value, places) for value in frame[name])]
        width = max(map(len, cells))
        right = is_numeric_dtype(frame[name])
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _cell(value: Any, digits: int) -> str:
    import pandas as pd

    if not isinstance(value, tuple | list) and pd.isna(value):
        return "–"
    if isinstance(value, pd.Timestamp):
        return str(value.date() if value == value.floor("D") else value)
    return f"{value:,.{digits}f}" if isinstance(value, float) else str(value)


# -- kinds of argument, refused before any work -------------------------------------------------------------


def table_file(text: str) -> Path:
    """A file that a table can be written to."""
    return _file(text, (".csv", ".parquet", ".pq"))


def picture_file(text: str) -> Path:
    """A file that a picture can be written to."""
    return _file(text, (".png", ".svg", ".pdf"))


def _file(text: str, endings: tuple[str, ...]) -> Path:
    path = Path(text)
    if path.suffix.lower() not in endings:
        raise argparse.ArgumentTypeError(f"{text!r} must end on {' or '.join(endings)}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; name a file")
    return path


def whole(at_least: int) -> Callable[[str], int]:
    """A whole number that is not smaller than another."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < at_least:
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, {at_least} or more")
        return int(text)

    return read


def language(text: str) -> str:
    """A language tag that is well formed."""
    from earlywarn.reasons.formats import locale_of

    try:
        locale_of(text)
    except EarlywarnError as error:
        raise argparse.ArgumentTypeError(f"{error.what} {error.hint or ''}") from None
    return text


def check_texts(asked: str, features: FeatureSet) -> None:
    """Refuse a language in which no feature has a text.

    Raises
    ------
    FeatureError
        F262.
    """
    from earlywarn.reasons.formats import locale_of
    from earlywarn.reasons.texts import LANGUAGES

    locale, written = locale_of(asked), {*LANGUAGES}.union(*(feature.text for feature in features))
    if not {str(locale).replace("_", "-"), locale.language} & written:
        raise FeatureError(f"there are no texts in {asked!r}.", code="F262", hint=suggest(locale.language, written))


# -- files --------------------------------------------------------------------------------------------------


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
