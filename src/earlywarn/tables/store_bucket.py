"""One bucket of a store on disk: the rows as handed over, the checked facts, and what settlement made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from earlywarn.tables.intake import Checked
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.order import in_order
from earlywarn.tables.schema import STREAMS
from earlywarn.tables.store_check import Rows, check_bucket, check_shared, strangers
from earlywarn.tables.store_files import write_arrays, write_facts, write_table
from earlywarn.tables.store_manifest import Plan

__all__ = ["build_bucket", "build_shared", "file_of"]

#: Debts are numbered by the rows of the schedule, so these keep their order.
_IN_ROW_ORDER = ("schedule",)
#: Gives the rows of a table that lie in a bucket.
RowsOf = Callable[[str, int], list[Any]]


def file_of(kind: str, name: str) -> str:
    """Name of a file without its ending; kinds are rows, facts, stream and settled."""
    return f"{kind}.{quote(name, safe='')}"


def build_bucket(plan: Plan, rows_of: RowsOf, bucket: int, guests: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Check and settle one bucket and write its files.

    Parameters
    ----------
    plan : Plan
    rows_of : callable
        Gives the rows of a table that lie in a bucket as Arrow tables, in the order of their numbers ``_row``; asked
        once for each table of this bucket.
    bucket : int
    guests : DataFrame
        As `earlywarn.tables.store_guests.find_guests` gives them.
    folder : Path
        An empty folder.

    Returns
    -------
    dict: what the manifest says of the bucket
    """
    invited = guests[(guests["bucket"] == bucket).to_numpy()]
    rows = {}
    for name in plan.given:
        if name not in plan.regional:
            own = _written(rows_of(name, bucket), name, folder)
            rows[name] = _rows(own, plan.columns[name], bucket, _invited(rows_of, name, invited))
    checked = check_bucket(rows, bucket, plan)
    _write_checked(checked, rows, folder)
    del rows
    ledger = Ledger(checked)
    for name in STREAMS:
        write_facts(ledger.facts(name), folder, file_of("stream", name))
    _write_settlement(ledger, folder)
    lost = strangers(checked)
    moments = [checked.tables[name].known_at for name in ("invoices", "payments")]
    latest = np.concatenate(moments)
    return {
        "customers": len(checked.customers),
        "facts": sum(len(facts) for facts in checked.tables.values()),
        "faults": len(checked.faults),
        "ahead": bool((checked.faults["code"] == "D145").any()),
        "latest": int(latest.max()) if len(latest) else None,
        "strangers": [len(lost), lost[0] if lost else None],
        "notices": list(checked.notices),
    }


def build_shared(plan: Plan, rows_of: RowsOf, folder: Path) -> tuple[str, ...]:
    """Check the tables of regions and write them; names of all regions."""
    rows = {}
    for name in plan.regional:
        rows[name] = _rows(_written(rows_of(name, 0), name, folder), plan.columns[name], 0, [])
    if not rows:
        return ()
    checked = check_shared(rows, plan)
    _write_checked(checked, plan.regional, folder)
    return checked.regions


def _write_checked(checked: Checked, names: Iterable[str], folder: Path) -> None:
    for name in names:
        facts = checked.tables[name]
        write_facts(facts if name in _IN_ROW_ORDER else in_order(facts), folder, file_of("facts", name))
    write_table({"customer_id": np.array(checked.customers, dtype=object)}, folder / "debtors.parquet")
    faults = {str(name): checked.faults[name].to_numpy(dtype=object) for name in checked.faults if name != "row"}
    write_table({**faults, "row": checked.faults["row"].to_numpy()}, folder / "faults.parquet")


def _write_settlement(ledger: Ledger, folder: Path) -> None:
    settled = ledger.settlement
    for name, part in (("entries", settled.entries), ("states", settled.states)):
        arrays = {field.name: np.asarray(getattr(part, field.name)) for field in fields(part)}
        write_arrays(folder / f"{file_of('settled', name)}.parquet", arrays)
    pairs = np.array(sorted(settled.replaced.items()), dtype=np.int64).reshape(-1, 2)
    write_arrays(folder / f"{file_of('settled', 'replaced')}.parquet", {"plan": pairs[:, 0], "invoice": pairs[:, 1]})


# -- rows as handed over -------------------------------------------------------------------------------------


def _written(groups: list[Any], name: str, folder: Path) -> list[Any]:
    import pyarrow.parquet as pq

    for place, table in enumerate(groups):
        pq.write_table(
            table, folder / f"{file_of('rows', name)}.{place:03}.parquet", compression="zstd", compression_level=1,
            write_statistics=False, column_encoding={"_row": "DELTA_BINARY_PACKED"},
            use_dictionary=[column for column in table.column_names if column != "_row"],
        )  # fmt: skip
    return groups


def _invited(rows_of: RowsOf, name: str, guests: pd.DataFrame) -> list[tuple[Any, int]]:
    """Rows of one table that a bucket is shown from each other bucket."""
    import pyarrow as pa

    found = []
    for home, own in guests[(guests["table"] == name).to_numpy()].groupby("home", sort=True):
        asked = pa.array(own["row"].to_numpy())
        for table in rows_of(name, int(str(home))):
            found.append((table.filter(pa.compute.is_in(table["_row"], asked)), int(str(home))))
    return found


def _rows(groups: list[Any], columns: list[str], bucket: int, guests: list[tuple[Any, int]]) -> Rows:
    """Own rows and guests as one frame, in the order of their numbers."""
    parts = [(table, bucket) for table in groups] + guests
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Rows(pd.DataFrame(columns=columns), none, none)
    number = np.concatenate([table["_row"].to_numpy() for table, _ in parts])
    home = np.concatenate([np.full(len(table), home, dtype=np.int64) for table, home in parts])
    frame = _stacked([table.drop_columns(["_row"]).to_pandas() for table, _ in parts], columns)
    if len(parts) > 1 and (np.diff(number) < 0).any():
        order = np.argsort(number, kind="stable")
        return Rows(frame.iloc[order].reset_index(drop=True), number[order], home[order])
    return Rows(frame, number, home)


def _stacked(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Frames under each other; a column that one of them lacks is empty there."""
    there = [name for name in columns if any(name in frame for frame in frames)]
    if len(frames) == 1:
        return frames[0].reindex(columns=columns) if len(there) < len(columns) else frames[0][there]
    lengths = [len(frame) for frame in frames]
    starts = np.cumsum([0, *lengths])
    data = {}
    for name in there:
        parts = [
            frame[name].set_axis(range(start, start + len(frame)))
            for frame, start in zip(frames, starts, strict=False)
            if name in frame
        ]
        if len({str(part.dtype) for part in parts}) > 1:
            parts = [part.astype("object") for part in parts]
        data[name] = pd.concat(parts).reindex(range(starts[-1]))
    return pd.DataFrame(data, index=range(starts[-1])).reindex(columns=columns)
