"""``earlywarn check``: what is in the tables, and what was set aside."""

from __future__ import annotations

import argparse
from typing import Any

from earlywarn.cli.console import heading, say, say_notes, table, table_file, write_frame
from earlywarn.cli.folder import add_data, ledger_from

__all__ = ["add", "run", "show_faults"]

_FIRST = {"row": "first row", "value": "its value"}


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "check",
        help="read the tables of a folder and list every fault",
        description="Read the tables of a folder, check them, and list what was set aside. Exit code 1 with faults.",
    )
    add_data(verb)
    verb.add_argument("--faults", type=table_file, metavar="FILE", help="write all faults to this CSV or Parquet file")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    ledger = ledger_from(asked)
    say(repr(ledger))
    heading("tables")
    for name in sorted(ledger.given):
        say(f"{name:<16} {len(ledger.facts(name)):>10,} rows")
    say_notes(ledger.notices)
    show_faults(ledger)
    if asked.faults:
        write_frame(ledger.faults, asked.faults)
        say(f"written: {asked.faults}")
    return 1 if len(ledger.faults) else 0


def show_faults(ledger: Any) -> None:
    """Print the faults of a ledger by kind, with the first row and value of each."""
    faults = ledger.faults
    heading(f"faults: {len(faults)}")
    if not len(faults):
        say("none")
        return
    kinds = faults.groupby(["table", "code", "message"], sort=True)
    counted = kinds.agg(rows=("row", "size"), row=("row", "first"), value=("value", "first")).reset_index()
    say(table(counted[["table", "code", "rows", "row", "value", "message"]].rename(columns=_FIRST)))
    say("rows count from 0, as handed over; these rows are set aside, the others go on.")
