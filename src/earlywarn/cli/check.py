"""``earlywarn check``: what is in the tables, and what was set aside."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from earlywarn.cli.console import add_data, heading, ledger_from, say, table, write_frame

__all__ = ["add", "run", "show_faults"]


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "check",
        help="read the tables of a folder and list every fault",
        description="Read the tables of a folder, check them, and list what was set aside. Exit code 1 with faults.",
    )
    add_data(verb)
    verb.add_argument("--faults", type=Path, help="write all faults to this CSV or Parquet file")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    ledger = ledger_from(asked)
    say(repr(ledger))
    heading("tables")
    for name in sorted(ledger.given):
        say(f"{name:<16} {len(ledger.facts(name)):>10,} rows")
    for notice in ledger.notices:
        say(f"note: {notice}")
    show_faults(ledger)
    if asked.faults:
        write_frame(ledger.faults, asked.faults)
        say(f"written: {asked.faults}")
    return 1 if len(ledger.faults) else 0


def show_faults(ledger: Any) -> None:
    """Print the faults of a ledger, counted by kind."""
    faults = ledger.faults
    heading(f"faults: {len(faults)}")
    if not len(faults):
        say("none")
        return
    counted = faults.groupby(["table", "code", "message"], sort=True).agg(
        rows=("row", "size"), first=("value", "first")
    )
    say(table(counted.reset_index()))
