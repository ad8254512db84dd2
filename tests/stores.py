"""What a store and one ledger of the same tables must have in common, laid side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.tables.checks import Text
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS
from earlywarn.tables.store import LedgerStore
from strategies import UNTIL, VISITS, Raw


def write(folder: Any, raw: Raw, **options: Any) -> LedgerStore:
    """A store of random raw tables."""
    return LedgerStore.write(folder, **handed(raw.tables), until=UNTIL, **options)


def handed(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Tables as arguments; ``visits`` with its declaration."""
    own = {"extra": {"visits": (tables["visits"], VISITS)}} if "visits" in tables else {}
    return {**{name: frame for name, frame in tables.items() if name != "visits"}, **own}


def plain_facts(ledgers: Iterable[Ledger], name: str) -> pd.DataFrame:
    """Facts of a table or stream of several ledgers, with names for codes, in an order that is always the same."""
    parts = []
    for ledger in ledgers:
        facts = ledger.facts(name)
        labels = ledger.regions if facts.entity == "region" else ledger.customers
        who = pd.Series(np.array([*labels, None], dtype=object)[facts.owner], dtype=object)
        clocks = {clock: getattr(facts, clock) for clock in ("happened_at", "known_at", "known_until")}
        row = {} if name in STREAMS else {"row": facts.row}
        values = {
            column: pd.Series(found.values(), dtype=object) if isinstance(found, Text) else found
            for column, found in facts.columns.items()
        }
        cells = {f"known {column}": moments for column, moments in facts.cell_known.items()}
        parts.append(pd.DataFrame({"who": who, **row, **clocks, **values, **cells}))
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    text = frame.apply(lambda column: column.map(lambda value: f"{value!r}" if value == value else "nan"))
    order = np.lexsort([text[column] for column in reversed(text.columns)]) if len(text) else []
    return frame.iloc[order].reset_index(drop=True)


def assert_same_facts(store: LedgerStore, ledger: Ledger) -> None:
    """All facts, streams and faults of a store are those of a ledger, each debtor in one bucket."""
    parts = list(store.buckets())
    assert sorted(label for part in parts for label in part.customers) == list(ledger.customers)
    for name in ledger.names:
        regional = name in ledger._tables and ledger.facts(name).entity == "region"
        found = plain_facts(parts[:1] if regional else parts, name)
        pd.testing.assert_frame_equal(found, plain_facts([ledger], name), check_dtype=False, obj=name)
    pd.testing.assert_frame_equal(store.faults, ledger.faults)
    assert store.until == ledger.until
    assert store.currency == ledger.currency
    assert set(store.notices) == set(ledger.notices)
    assert store.given == ledger.given


def split(raw: Raw, parts: int, seed: int) -> list[dict[str, pd.DataFrame]]:
    """Rows of every table dealt out at random over some loads; a table may be absent from any but the first.

    The tables of all loads put under each other are `joined`.
    """
    rng = np.random.default_rng(seed)
    loads: list[dict[str, pd.DataFrame]] = [{} for _ in range(parts)]
    for name, frame in raw.tables.items():
        part = rng.integers(parts, size=len(frame))
        if rng.random() < 0.2:
            part[:] = rng.integers(parts)
        for number, load in enumerate(loads):
            if (part == number).any() or (number == 0 and name in ("invoices", "payments")):
                load[name] = frame[part == number].reset_index(drop=True)
    return loads


def joined(loads: list[dict[str, pd.DataFrame]]) -> Raw:
    """All loads as one set of tables."""
    names = dict.fromkeys(name for load in loads for name in load)
    parts = {name: [load[name] for load in loads if name in load and len(load[name])] for name in names}
    empty = {name: next(load[name] for load in loads if name in load) for name in names}
    return Raw({name: pd.concat(own, ignore_index=True) if own else empty[name] for name, own in parts.items()})


def tangled(raw: Raw, seed: int) -> Raw:
    """Tables in which debtors get in each other's way: ids that two of them bear, rows that name another's, orphans."""
    rng = np.random.default_rng(seed)
    tables = dict(raw.tables)
    for name in ("invoices", "payments", "usage", "disputes", "contacts", "arrangements", "accounts"):
        frame = tables.get(name)
        if frame is None or len(frame) < 2:
            continue
        key = "usage_id" if name == "usage" else f"{name.removesuffix('s')}_id"
        again = frame.iloc[rng.integers(len(frame), size=2)].copy()
        again["customer_id"] = rng.choice(frame["customer_id"].to_numpy(dtype=object), size=2)
        tables[name] = pd.concat([frame, again], ignore_index=True)
        ids = tables[name][key].to_numpy(dtype=object).copy()
        ids[rng.integers(len(ids))] = ids[rng.integers(len(ids))]
        tables[name][key] = ids
    for name, column in (
        ("payments", "invoice_id"), ("invoice_events", "invoice_id"), ("allocations", "payment_id"),
        ("allocations", "invoice_id"), ("instalments", "arrangement_id"), ("contracts", "account_id"),
    ):  # fmt: skip
        if name in tables and len(tables[name]) and column in tables[name]:
            frame = tables[name].copy()
            words = frame[column].to_numpy(dtype=object).copy()
            words[rng.integers(len(words))] = words[rng.integers(len(words))]
            words[rng.integers(len(words))] = "nobody's"
            frame[column] = words
            tables[name] = frame
    return Raw(tables)
