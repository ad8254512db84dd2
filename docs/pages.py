"""Pages that say what the code says: tables and columns, the catalogue, the command line's help.

``conf.py`` writes them to ``_build/generated`` before each build; hand-written pages include them from there.
"""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout
from pathlib import Path

from earlywarn.cli.main import VERBS, main
from earlywarn.features.catalogue import FeatureSet
from earlywarn.tables.schema import STREAMS, TABLES, Column, TableSchema

WIDTH = "100"


def write(folder: Path) -> None:
    """Write every page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"tables": tables(), "features": features(), "cli": command_line()}.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def tables() -> str:
    """Every table with its columns, then the streams that the ledger derives."""
    sections = [_table(schema) for schema in TABLES.values()]
    streams = [f"- `{name}`: {', '.join(f'`{column}`' for column in columns)}" for name, columns in STREAMS.items()]
    return "\n".join([*sections, "## Derived by the ledger", "", *streams, ""])


def _table(schema: TableSchema) -> str:
    rows = [_column(column) for column in schema.columns.values() if column.name != "known_at"]
    head = ["| column | kind | | |", "|---|---|---|---|"]
    return "\n".join([f"## {schema.name}", "", _clock(schema), "", *head, *rows, ""])


def _clock(schema: TableSchema) -> str:
    said = [f"One row per {', '.join(f'`{name}`' for name in schema.key)}."] if schema.key else []
    if schema.lasting:
        said.append("States what holds from `valid_from` on; without that column, what holds today.")
    elif schema.time:
        lag = (
            f" and known {schema.lag_days} {'bank day' if schema.bank_lag else 'day'} later" if schema.lag_days else ""
        )
        said.append(f"Happened on `{schema.time}`{lag}.")
    if schema.parent:
        said.append(f"The debtor comes from `{schema.parent[1]}` by `{schema.parent[0]}`.")
    if schema.forbidden:
        said.append(f"Refused, as it says whom or what a customer calls or reads: {', '.join(schema.forbidden)}.")
    return " ".join(said)


def _column(column: Column) -> str:
    notes = [f"one of {', '.join(column.words)}"] if column.words else []
    notes += [f"empty means {column.default}"] if column.default else []
    notes += [f"known from `{column.known_from}` on"] if column.known_from else []
    return f"| `{column.name}` | {column.kind} | {'required' if column.required else ''} | {'; '.join(notes)} |"


def features() -> str:
    """The shipped catalogue."""
    return FeatureSet.default().to_markdown()


def command_line() -> str:
    """Help of the program and of each verb."""
    parts = [_help(())]
    for verb in VERBS:
        parts.append(f"## earlywarn {verb}\n\n{_help((verb,))}")
    return "\n".join(parts)


def _help(words: tuple[str, ...]) -> str:
    before, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), WIDTH
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            main([*words, "--help"])
    except SystemExit:
        pass
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return f"```text\n{printed.getvalue().rstrip()}\n```\n"
