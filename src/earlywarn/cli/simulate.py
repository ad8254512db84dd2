"""``earlywarn simulate``: the tables of a biller that does not exist, with the truth apart."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.cli.console import heading, progress, say, table, whole
from earlywarn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.simulate.world import World

__all__ = ["add", "run"]

_ABOUT = """\
Make the tables of a biller that does not exist, where it is known why every bill was paid late: forgotten, a bill far
above the usual one, a loss of income that follows the region's economy, other bills before payday, a dispute, a
collection that came back. Try features, models and policies on it before real data are at hand; it says nothing about
real customers.

  earlywarn simulate out/                                       a telecom operator with 2,000 customers
  earlywarn simulate --preset energy --customers 10000 out/     advances and yearly settlements
  earlywarn simulate --preset my-biller.toml out/               figures of your own, see --show
  earlywarn simulate --history pilot out/                       notices and calls drawn by lot, with their propensities
  earlywarn simulate --preset water --show                      the figures of a preset, with their sources
  earlywarn simulate --customers 1000000 --months 24 --read-days 7 --store big/     a store, larger than memory
  earlywarn check out/                                          what was made, as any other folder of tables

The folder `truth` inside is for comparing only: no table refers to it, and no verb reads it. In Python:
earlywarn.simulate.World, where contacts can be made and every customer's outcome under every action is known.
"""


def add(verbs: Any) -> None:
    """Register the verb."""
    verb = verbs.add_parser(
        "simulate",
        help="make the tables of a biller with known causes",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("out", type=Path, nargs="?", metavar="FOLDER", help="a new folder")
    verb.add_argument(
        "--preset",
        default="telecom",
        metavar="NAME",
        help="telecom, energy, water, insurance, bank, wholesale or a file",
    )
    verb.add_argument("--customers", type=whole(1), default=2000, metavar="N", help="how many (2000)")
    verb.add_argument("--months", type=whole(3), default=18, metavar="N", help="how long (18)")
    verb.add_argument("--seed", type=whole(0), default=0, metavar="N", help="equal seeds give equal worlds (0)")
    verb.add_argument("--start", default="2024-07-01", metavar="DATE", help="a day of the first month (2024-07-01)")
    verb.add_argument("--read-days", type=whole(1), default=3, metavar="N", help="days that one row of use covers (3)")
    verb.add_argument("--no-truth", action="store_true", help="leave the folder `truth` out")
    verb.add_argument(
        "--history",
        choices=("pilot", "riskiest"),
        help="contacts over the second half: by lot with logged propensities, or calls to who was late most often",
    )
    verb.add_argument(
        "--store",
        action="store_true",
        help="make a store, larger than memory, of FOLDER, with the truth beside it in FOLDER-truth",
    )
    verb.add_argument("--show", action="store_true", help="print the preset's file and make nothing")
    verb.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Carry the verb out."""
    from earlywarn.simulate import write_store, write_tables
    from earlywarn.simulate.preset import preset_text
    from earlywarn.simulate.world import World

    if asked.show:
        say(preset_text(asked.preset))
        return 0
    if asked.out is None:
        raise DataError(
            "no folder was named.", code="D183", hint="earlywarn simulate out/, or --show for a preset's figures."
        )
    world = World(asked.preset, asked.customers, asked.months, asked.seed, asked.start, read_days=asked.read_days)
    truth = asked.out.parent / f"{asked.out.name}-truth" if asked.store else asked.out / "truth"
    truth = None if asked.no_truth else truth
    contacts = _history(world, asked.history)
    with progress("simulating") as report:
        if asked.store:
            store = write_store(world, asked.out, contacts=contacts, truth=truth, progress=report)
        else:
            rows = write_tables(world, asked.out, contacts=contacts, truth=truth is not None, progress=report)
    heading("tables")
    if asked.store:
        say(repr(store))
    else:
        for name, count in rows.items():
            say(f"{name:<16} {count:>12,} rows")
    if truth is not None:
        heading("why bills were late")
        say(table(_causes(truth), digits={"share of bills": 4}))
    until = world.span.dates(world.span.end)
    said = (
        f"earlywarn features explain late_share_365d {asked.out}"
        if asked.store
        else f"earlywarn check {asked.out} --until {until}"
    )
    say("", f"written: {asked.out}", "", said)
    return 0


def _history(world: World, kind: str | None) -> pd.DataFrame | None:
    """Contacts over the second half of a world."""
    from earlywarn.simulate.history import calls_to_the_riskiest, randomised_pilot

    if kind is None:
        return None
    span = world.span
    first, last = span.dates(span.day_of_month([span.months // 2])[0]), span.dates(span.end)
    return (randomised_pilot if kind == "pilot" else calls_to_the_riskiest)(world, first, last)


def _causes(folder: Path) -> Any:
    """How many bills were late for which cause."""
    import pandas as pd

    truth = pd.read_parquet(folder, columns=["cause", "late"])
    counts = truth.loc[truth["late"], "cause"].value_counts()
    return pd.DataFrame(
        {"cause": counts.index, "bills": counts.to_numpy(), "share of bills": counts.to_numpy() / len(truth)}
    )
