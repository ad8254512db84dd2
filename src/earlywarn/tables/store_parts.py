"""A store whose buckets are made one by one, each with all its rows: nothing has to be cut, and no row lies in between.

Rows are numbered bucket by bucket: the number of the bucket times `ROWS_APART`, and the place among its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from earlywarn.processes import in_processes
from earlywarn.tables.store_bucket import build_bucket
from earlywarn.tables.store_folder import STAGING, settled
from earlywarn.tables.store_guests import no_guests
from earlywarn.tables.store_manifest import Manifest, Plan
from earlywarn.tables.store_plan import refuse_number, schema_of
from earlywarn.tables.store_write import manifest_of, put, write_shared

__all__ = ["ROWS_APART", "WORTH_PROCESSES", "ingest_parts"]

#: How far apart the numbers of the first rows of two buckets are.
ROWS_APART = 1 << 32
#: Buckets that are made at the same time; each takes about a gigabyte.
_AT_ONCE = 2
#: Fewer buckets than this are not worth the seconds that processes take to begin.
WORTH_PROCESSES = 4
Part = TypeVar("Part")
Tables = Mapping[str, pd.DataFrame]


class _Built(NamedTuple):
    """What became of one bucket: its line in the manifest, its files, its rows by table, and by currency."""

    record: dict[str, Any]
    files: dict[str, dict[str, Any]]
    rows: Counter[str]
    currencies: Counter[str]


def ingest_parts(
    folder: Path,
    plan: Plan,
    make: Callable[[Part], Tables],
    parts: Sequence[Part],
    like: Tables,
    *,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write a store bucket by bucket.

    Parameters
    ----------
    folder : Path
    plan : Plan
        With the settings, the number of buckets and the currency; columns are found here.
    make : callable
        Gives the tables of one bucket: all rows of its debtors under our names, dates as ``datetime64``, no id that
        another bucket has too, and nothing of regions that is not in ``like``. It is sent to other processes.
    parts : sequence
        What ``make`` takes, one for each bucket of the plan.
    like : mapping of str to DataFrame
        Tables with the columns that ``make`` gives; those of regions with all their rows.
    progress : callable, optional
        Called with the finished share.

    Raises
    ------
    DataError
        D173 when the folder holds other files, D175 a number of buckets that is not possible, D176 when another load
        finished meanwhile, D177 while one is at work.
    """
    refuse_number(plan.buckets)
    columns = {name: [one for one in schema_of(name, plan).columns if one in table] for name, table in like.items()}
    plan = replace(plan, columns=columns)
    report = progress or (lambda share: None)

    def made(standing: Manifest | None) -> Manifest:
        files = {} if standing is None else dict(standing.files)
        records: list[dict[str, Any]] = []
        rows, currencies = Counter({name: len(like[name]) for name in plan.regional}), Counter[str]()
        most = _AT_ONCE if len(parts) >= WORTH_PROCESSES else 1
        for built in in_processes(partial(_built, folder, plan, make), list(enumerate(parts)), most=most):
            records.append(built.record)
            files.update(built.files)
            rows.update(built.rows)
            currencies.update(built.currencies)
            report(len(records) / (len(parts) + 1))
        place, regions = write_shared(plan, partial(_rows_of, dict(like)), folder, no_guests(), files)
        manifest = manifest_of(replace(plan, currencies=dict(currencies)), records, place, regions, files)
        return replace(manifest, rows=dict(rows), rows_begin=len(parts) * ROWS_APART)

    put(folder, None, made)
    report(1.0)


def _built(folder: Path, plan: Plan, make: Callable[[Part], Tables], numbered: tuple[int, Part]) -> _Built:
    bucket, part = numbered
    tables = {name: table for name, table in make(part).items() if name not in plan.regional}
    rows = Counter({name: len(table) for name, table in tables.items()})
    currencies = Counter[str](tables["invoices"].get("currency", pd.Series(dtype="str")).dropna().tolist())
    draft = folder / STAGING / f"bucket-{bucket:05}"
    draft.mkdir()
    record = build_bucket(plan, partial(_rows_of, tables), bucket, no_guests(), draft)
    files: dict[str, dict[str, Any]] = {}
    place = settled(draft, folder, files)
    return _Built({**record, "folder": place}, files, rows, currencies)


def _rows_of(tables: dict[str, pd.DataFrame], name: str, bucket: int) -> list[Any]:
    """One table as an Arrow table, its text as a dictionary, its rows numbered; it is taken out of the tables."""
    import pyarrow as pa

    table = pa.Table.from_pandas(tables.pop(name), preserve_index=False).replace_schema_metadata(None)
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            words = table.column(place).cast(pa.string()).dictionary_encode()
            table = table.set_column(place, field.name, words)
    number = bucket * ROWS_APART + np.arange(len(table), dtype=np.int64)
    return [table.append_column("_row", pa.array(number))]
