"""A world larger than memory: customers block by block, from draws to Parquet files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.simulate.world import World

__all__ = ["write_tables"]

#: Rows of use and bills, about, that are made at once.
BLOCK_ROWS = 2_000_000
#: The folder of what no table shows.
TRUTH = "truth"
#: Tables that are the same for every block.
_ONCE = ("regions",)


def write_tables(
    world: World,
    path: str | os.PathLike[str],
    *,
    truth: bool = True,
    progress: Callable[[float], None] | None = None,
) -> dict[str, int]:
    """Write the tables of a world as Parquet: a file a table, or a folder of files, one a block of customers.

    Parameters
    ----------
    world : World
    path : str or path
        A folder that is new or empty.
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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty.", code="D183", hint="name a new folder.")
    reads = world.span.end / world.read_days * (1 + world.preset.people.second_contract)
    size = max(100, int(BLOCK_ROWS / reads))
    rows: dict[str, int] = {}
    several = size < world.customers
    for block, first in enumerate(range(0, world.customers, size)):
        life = world.born(first, size).live()
        frames: dict[str, Any] = dict(life.tables())
        if truth:
            frames[TRUTH] = life.truth()
        for name, frame in frames.items():
            if block and name in _ONCE:
                continue
            rows[name] = rows.get(name, 0) + len(frame)
            apart = folder / name if several or name == TRUTH else folder
            _write(frame, apart / (f"{block:05d}.parquet" if several else f"{name}.parquet"))
        if progress is not None:
            progress(min(1.0, (first + size) / world.customers))
    return rows


def _write(frame: pd.DataFrame, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(file, index=False, compression="zstd")
