"""A world larger than memory as a store: customers bucket by bucket, from draws to settled facts."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from earlywarn.simulate.world import GRACE_DAYS
from earlywarn.simulate.writing import refuse_what_is_there

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.simulate.world import World
    from earlywarn.tables.store import LedgerStore

__all__ = ["write_store"]

#: Customers from whom the number of rows of all is judged.
SAMPLE = 500


class _Part(NamedTuple):
    """The customers of one bucket, and what is done to them."""

    bucket: int
    numbers: npt.NDArray[np.int64]
    contacts: pd.DataFrame | None


def write_store(
    world: World,
    path: str | os.PathLike[str],
    *,
    contacts: pd.DataFrame | None = None,
    truth: str | os.PathLike[str] | None = None,
    buckets: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> LedgerStore:
    """Let a world live into a `LedgerStore`, bucket by bucket; a million customers need a few gigabytes of memory.

    Parameters
    ----------
    world : World
    path : str or path
        As in `LedgerStore.write`.
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
        Rows are numbered bucket by bucket (`earlywarn.tables.store_parts`).

    Raises
    ------
    DataError
        D183 when the folder of the truth holds something; as `LedgerStore.write` and `World.live`.
    """
    from earlywarn.dates import moment
    from earlywarn.tables.store import LedgerStore
    from earlywarn.tables.store_buckets import bucket_of
    from earlywarn.tables.store_folder import refuse_other_content
    from earlywarn.tables.store_manifest import Plan
    from earlywarn.tables.store_parts import ingest_parts
    from earlywarn.tables.store_plan import refuse_number
    from earlywarn.tables.store_write import FACTS_PER_BUCKET

    refuse_number(buckets)
    refuse_other_content(Path(path))
    apart = None if truth is None else Path(truth)
    if apart is not None:
        refuse_what_is_there(apart)
    some = world.born(np.arange(min(world.customers, SAMPLE)))
    tables = some.live(None if contacts is None else contacts[contacts["customer_id"].isin(some.ids)]).tables()
    facts = sum(map(len, tables.values())) / len(some.ids) * world.customers
    plan = Plan(
        buckets=buckets or max(1, ceil(facts / FACTS_PER_BUCKET)),
        timezone="Europe/Brussels", currency="EUR", asked_currency="EUR", late_after_days=GRACE_DAYS,
        until=moment(world.span.dates(world.span.end), "Europe/Brussels"),
    )  # fmt: skip
    home = bucket_of(world.ids(np.arange(world.customers)), plan.buckets)
    numbers = [np.flatnonzero(home == bucket) for bucket in range(plan.buckets)]
    done: list[pd.DataFrame | None] = [None] * plan.buckets
    if contacts is not None:
        place = bucket_of(contacts["customer_id"], plan.buckets)
        done = [contacts.loc[place == bucket] for bucket in range(plan.buckets)]
    parts = list(map(_Part, range(plan.buckets), numbers, done))
    ingest_parts(Path(path), plan, partial(_lived, world, apart), parts, tables, progress=progress)
    return LedgerStore(path)


def _lived(world: World, truth: Path | None, part: _Part) -> dict[str, pd.DataFrame]:
    """The tables of one bucket; its truth is written."""
    life = world.born(part.numbers).live(part.contacts)
    if truth is not None:
        truth.mkdir(parents=True, exist_ok=True)
        life.truth().to_parquet(truth / f"{part.bucket:05d}.parquet", index=False, compression="lz4")
    return life.tables()
