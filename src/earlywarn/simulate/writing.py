"""A world larger than memory as files: customers block by block, from draws to Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from earlywarn.compiled import in_parts
from earlywarn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.simulate.world import World

__all__ = ["ONCE", "refuse_what_is_there", "write_tables"]

#: Rows of use, about, that are made at once, and how many such blocks at the same time.
BLOCK_ROWS, AT_ONCE = 1_000_000, 2
#: The folder of what no table shows.
TRUTH = "truth"
#: Tables that are the same for every block.
ONCE = ("regions",)
Report = Callable[[float], None]


def write_tables(
    world: World,
    path: str | os.PathLike[str],
    *,
    contacts: pd.DataFrame | None = None,
    truth: bool = True,
    progress: Report | None = None,
) -> dict[str, int]:
    """Write the tables of a world as Parquet: a file a table, or a folder of files, one a block of customers.

    Parameters
    ----------
    world : World
    path : str or path
        A folder that is new or empty.
    contacts : DataFrame, optional
        What is done, as `World.live` takes it: a pilot, say.
    truth : bool
        Write `Life.truth` as well, into the folder ``truth``, apart from the tables.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    dict of str to int
        Rows by table.

    Raises
    ------
    DataError
        D183 when the folder holds something.
    """
    folder = Path(path)
    refuse_what_is_there(folder)
    return _write(world, folder, contacts, folder / TRUTH if truth else None, progress)


def refuse_what_is_there(folder: Path) -> None:
    """D183 for a folder that holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty.", code="D183", hint="name a new folder.")


def _blocks(world: World) -> range:
    """First customers of the blocks."""
    reads = world.span.end / world.read_days * (1 + world.preset.people.second_contract)
    return range(0, world.customers, max(100, int(BLOCK_ROWS / reads)))


def _is_cut(world: World, name: str) -> bool:
    """Whether a table lies in a folder of its own, a file a block, and not in one file."""
    return len(_blocks(world)) > 1 and name not in ONCE


def _write(
    world: World, folder: Path, contacts: pd.DataFrame | None, truth: Path | None, progress: Report | None
) -> dict[str, int]:
    """Write every block; rows by table."""
    blocks, rows = _blocks(world), dict[str, int]()

    def written(first: int) -> dict[str, int]:
        counts = {}
        for name, frame in _frames(world, first, blocks.step, contacts, truth is not None):
            if name in ONCE and first:
                continue
            is_cut = _is_cut(world, name)
            home = truth if name == TRUTH and truth is not None else folder / name if is_cut else folder
            home.mkdir(parents=True, exist_ok=True)
            file = f"{first // blocks.step:05d}" if is_cut else name
            frame.to_parquet(home / f"{file}.parquet", index=False, compression="lz4")
            counts[name] = len(frame)
        return counts

    for done, counts in enumerate(in_parts(written, blocks, most=AT_ONCE), start=1):
        for name, count in counts.items():
            rows[name] = rows.get(name, 0) + count
        if progress is not None:
            progress(done / len(blocks))
    return rows


def _frames(
    world: World, first: int, count: int, contacts: pd.DataFrame | None, truth: bool
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of one block of customers."""
    born = world.born(np.arange(first, min(first + count, world.customers)))
    own = None if contacts is None else contacts[contacts["customer_id"].isin(born.ids)]
    life = born.live(own)
    found: dict[str, Any] = life.tables()
    yield from found.items()
    if truth:
        yield TRUTH, life.truth()
