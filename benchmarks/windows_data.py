"""A biller with daily usage, as Parquet files with text ids: what every peer reads.

Rows lie in the order of time, as nightly exports append them, customers in one shuffled order within a day.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

#: First day of the data, 2024-01-01, as a day number; days of usage; bills and payments of each customer.
FIRST_DAY, DAYS, BILLS = 19_723, 730, 24
#: Rows of one row group.
GROUP_ROWS = 1_000_000
KINDS = ("voice", "data", "roaming")
METHODS = ("direct_debit", "transfer", "card")
TABLES = ("usage", "invoices", "payments")
#: Observations by name: how many moments each customer is looked at.
OBSERVATIONS = {"many": 24, "one": 1}

_BOOKED_AT = 6 * 3_600_000_000 + 30 * 60_000_000  # payments are booked at 06:30
_US_PER_DAY = 86_400_000_000


def make(folder: Path, customers: int, seed: int = 3) -> Path:
    """Write the tables and the observations once; a folder that is complete is left as it is."""
    folder = folder / f"{customers}"
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    ids = pa.array([f"C{code:08d}" for code in range(customers)])
    _write_usage(folder / "usage.parquet", ids, seed)
    _write_bills(folder, ids, seed)
    for name, moments in OBSERVATIONS.items():
        pq.write_table(_observations(ids, moments), folder / f"observations_{name}.parquet")
    _write_obligations(folder)
    (folder / "complete").touch()
    return folder


def _write_obligations(folder: Path) -> None:
    """The last bill of each customer, seven days before it is due: what the shipped catalogue looks at."""
    bills = pq.read_table(folder / "invoices.parquet").to_pandas(date_as_object=False)
    last = bills.groupby("customer_id", as_index=False).last()
    as_of = last["due_on"].astype("M8[us]") - np.timedelta64(7, "D")
    more = {"obligation_id": last["invoice_id"], "stage": "issued", "as_of": as_of, "open_amount": last["amount"]}
    frame = last.assign(**more, due_on=last["due_on"].astype("M8[us]"), lead_days=7)
    frame = frame.drop(columns="issued_on").sort_values(["as_of", "customer_id"], ignore_index=True)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / "observations_due.parquet")


def observations(folder: Path, name: str) -> pd.DataFrame:
    """Observations as a frame, dates as datetime64."""
    return pq.read_table(folder / f"observations_{name}.parquet").to_pandas(date_as_object=False)


def reference_path(folder: Path, catalogue: str, moments: str) -> Path:
    """Where the values that everyone is held to are kept."""
    return folder / f"reference_{catalogue}_{moments}.npz"


def sample(folder: Path, customers: int = 200) -> dict[str, pa.Table]:
    """All rows of some customers, evenly spread; the observations carry their row among all."""
    everybody = np.sort(pq.read_table(folder / "observations_one.parquet")["customer_id"].to_numpy())
    chosen = everybody[:: max(1, len(everybody) // customers)].tolist()
    names = (*TABLES, *(f"observations_{name}" for name in OBSERVATIONS))
    return {name: pq.read_table(folder / f"{name}.parquet", filters=[("customer_id", "in", chosen)]) for name in names}


def _write_usage(path: Path, ids: pa.Array, seed: int) -> None:
    """One fact per customer and day, block of days by block of days."""
    customers = len(ids)
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(customers)
    level, trend = rng.lognormal(2.0, 0.6, customers), rng.normal(0.0, 0.3, customers)
    block = max(1, GROUP_ROWS // customers)
    with pq.ParquetWriter(path, _USAGE) as writer:
        for start in range(0, DAYS, block):
            days = np.arange(start, min(start + block, DAYS))
            rng = np.random.default_rng([seed, 1, start])
            day, who = np.repeat(days, customers), np.tile(order, len(days))
            week = 1.0 + 0.2 * np.sin(2 * np.pi * day / 7)
            quantity = level[who] * week * np.exp(trend[who] * day / DAYS) * rng.gamma(4.0, 0.25, len(day))
            kind = rng.choice(len(KINDS), len(day), p=[0.45, 0.5, 0.05])
            cost = np.round(quantity * np.array([0.05, 0.02, 0.4])[kind], 2)
            columns = [ids.take(pa.array(who)), _dates(day), _words(KINDS, kind), pa.array(quantity), pa.array(cost)]
            writer.write_table(pa.table(columns, schema=_USAGE), row_group_size=GROUP_ROWS)


def _write_bills(folder: Path, ids: pa.Array, seed: int) -> None:
    """A bill a month, and its payment: mostly near the due day, now and then after it, or not at all."""
    customers = len(ids)
    rng = np.random.default_rng([seed, 2])
    who, number = np.tile(np.arange(customers), BILLS), np.repeat(np.arange(BILLS), customers)
    issued = 30 * number + (who * 7) % 12
    due = issued + 14
    amount = np.round(rng.lognormal(3.6, 0.5, customers)[who] * rng.gamma(20.0, 0.05, len(who)), 2) + 1.0
    names = [f"{letter}{code:09d}" for letter in "IP" for code in range(len(who))]
    invoice_ids, payment_ids = pa.array(names[: len(who)]), pa.array(names[len(who) :])
    invoices = pa.table(
        [invoice_ids, ids.take(pa.array(who)), _dates(issued), _dates(due), pa.array(amount)],
        names=["invoice_id", "customer_id", "issued_on", "due_on", "amount"],
    )
    pq.write_table(invoices, folder / "invoices.parquet", row_group_size=GROUP_ROWS)
    paid = due + rng.integers(-5, 16, len(who))
    kept = np.flatnonzero((rng.random(len(who)) < 0.95) & (paid + 3 < DAYS))
    kept = kept[np.argsort(paid[kept], kind="stable")]
    booked = (FIRST_DAY + paid + rng.integers(1, 4, len(who))) * _US_PER_DAY + _BOOKED_AT
    payments = pa.table(
        [
            payment_ids.take(pa.array(kept)),
            ids.take(pa.array(who[kept])),
            _dates(paid[kept]),
            pa.array(amount[kept]),
            _words(METHODS, rng.integers(0, len(METHODS), len(kept))),
            pa.array(booked[kept], pa.timestamp("us")),
        ],
        names=["payment_id", "customer_id", "paid_on", "amount", "method", "known_at"],
    )
    pq.write_table(payments, folder / "payments.parquet", row_group_size=GROUP_ROWS)


def _observations(ids: pa.Array, moments: int) -> pa.Table:
    """Every customer at its own day of each month, or all on the day after the last usage."""
    customers = len(ids)
    who, number = np.tile(np.arange(customers), moments), np.repeat(np.arange(moments), customers)
    day = np.full(customers, DAYS) if moments == 1 else 30 * (number + 1) + (who * 3) % 10
    order = np.lexsort((who, day))
    row = pa.array(np.arange(len(order), dtype=np.int32))
    return pa.table([row, ids.take(pa.array(who[order])), _dates(day[order])], names=["row", "customer_id", "as_of"])


def _dates(day: np.ndarray) -> pa.Array:
    return pa.array((FIRST_DAY + day).astype(np.int32), pa.int32()).cast(pa.date32())


def _words(words: tuple[str, ...], code: np.ndarray) -> pa.Array:
    return pa.array(words).take(pa.array(code))


_USAGE = pa.schema(
    [
        ("customer_id", pa.string()),
        ("used_on", pa.date32()),
        ("kind", pa.string()),
        ("quantity", pa.float64()),
        ("cost", pa.float64()),
    ]
)
