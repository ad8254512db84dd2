"""A world larger than memory: customers block by block, from draws to Parquet files, and on into a store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earlywarn.compiled import in_parts
from earlywarn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.simulate.world import World
    from earlywarn.tables.store import LedgerStore

__all__ = ["write_store", "write_tables"]

#: Rows of use, about, that are made at once, and how many such blocks at the same time.
BLOCK_ROWS, AT_ONCE = 1_000_000, 2
#: The folder of what no table shows.
TRUTH = "truth"
#: Tables that are the same for every block.
_ONCE = ("regions",)
#: The share of the time that goes into living, the rest into the store.
_LIVING = 0.4
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
    _refuse_what_is_there(folder)
    return _write(world, folder, contacts, folder / TRUTH if truth else None, progress)


def write_store(
    world: World,
    path: str | os.PathLike[str],
    *,
    contacts: pd.DataFrame | None = None,
    truth: str | os.PathLike[str] | None = None,
    buckets: int | None = None,
    progress: Report | None = None,
) -> LedgerStore:
    """Let a world live into a `LedgerStore`, block by block; a million customers need a few gigabytes of memory.

    Parameters
    ----------
    world : World
    path : str or path
        As in `LedgerStore.write`. What is on the way lies in a folder beside it until the store is written.
    contacts : DataFrame, optional
        What is done, as `World.live` takes it.
    truth : str or path, optional
        A new folder for `Life.truth`, outside the store; left out when not named.
    buckets : int, optional
        As in `LedgerStore.write`.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    LedgerStore

    Raises
    ------
    DataError
        D183 when the folder of the truth holds something; as `LedgerStore.write`.
    """
    from earlywarn.tables.store import LedgerStore
    from earlywarn.tables.store_folder import refuse_other_content

    refuse_other_content(Path(path))
    apart = None if truth is None else Path(truth)
    if apart is not None:
        _refuse_what_is_there(apart)
    report = progress or (lambda share: None)
    target = Path(path).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as between:
        folder = Path(between)
        rows = _write(world, folder, contacts, apart, lambda share: report(_LIVING * share))
        tables: dict[str, Any] = {
            name: folder / (name if _is_cut(world, name) else f"{name}.parquet") for name in rows if name != TRUTH
        }
        return LedgerStore.write(
            target, currency="EUR", until=str(world.span.dates(world.span.end)), buckets=buckets,
            progress=lambda share: report(_LIVING + (1 - _LIVING) * share), **tables,
        )  # fmt: skip


def _refuse_what_is_there(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty.", code="D183", hint="name a new folder.")


def _blocks(world: World) -> range:
    """First customers of the blocks."""
    reads = world.span.end / world.read_days * (1 + world.preset.people.second_contract)
    return range(0, world.customers, max(100, int(BLOCK_ROWS / reads)))


def _is_cut(world: World, name: str) -> bool:
    """Whether a table lies in a folder of its own, a file a block, and not in one file."""
    return len(_blocks(world)) > 1 and name not in _ONCE


def _write(
    world: World, folder: Path, contacts: pd.DataFrame | None, truth: Path | None, progress: Report | None
) -> dict[str, int]:
    """Write every block; rows by table."""
    blocks, rows = _blocks(world), dict[str, int]()

    def written(first: int) -> dict[str, int]:
        counts = {}
        for name, frame in _frames(world, first, blocks.step, contacts, truth is not None):
            if name in _ONCE and first:
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
    born = world.born(first, count)
    own = None if contacts is None else contacts[contacts["customer_id"].isin(born.ids)]
    life = born.live(own)
    found: dict[str, Any] = life.tables()
    yield from found.items()
    if truth:
        yield TRUTH, life.truth()
