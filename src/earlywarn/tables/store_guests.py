"""What buckets must see of each other, so that every row is judged as it would be in one ledger.

Rows that checks compare may lie in several buckets: two debtors under one invoice number, a payment that
names another debtor's bill. Such rows become guests of the other bucket; of clean data none do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.tables.store_buckets import quoted
from earlywarn.tables.store_cut import Cut, Link

__all__ = ["find_guests", "no_guests"]

#: Columns by which a table names rows of another one that is not its parent.
_REFERENCES = (("payments", "invoice_id", "invoices"), ("allocations", "payment_id", "payments"))


def find_guests(cut: Cut) -> pd.DataFrame:
    """Rows that another bucket than their own must see.

    Parameters
    ----------
    cut : Cut

    Returns
    -------
    DataFrame: table, row, home, bucket; sorted
    """
    if cut.plan.buckets == 1:
        return no_guests()
    duck = cut.duck
    links = [link for name in cut.schemas if name not in cut.plan.regional and (link := cut.link(name))]
    members = {name: [(name, key)] for name in cut.schemas if (key := _own_key(cut, name))}
    for link in links:
        members[link.parent].append((link.table, link.column))
    for name, columns in members.items():
        _spread(cut, name, columns)
    chains = [link for link in links if link.table in members]
    while sum(_chained(cut, link, members) for link in chains):
        pass  # until no id is seen in a further bucket
    parts = [
        f"SELECT '{table}' AS name, m.row, m.home, a.bucket FROM ({cut.words(table, column)}) m "
        f"JOIN {quoted('at ' + name)} a ON m.id = a.id WHERE a.bucket <> m.home"
        for name, columns in members.items()
        for table, column in columns
        if _count(duck, quoted(f"at {name}"))
    ]
    for table, column, named in _REFERENCES:
        if table in cut.schemas and named in cut.schemas and column in cut.plan.columns[table]:
            parts.append(
                f"SELECT '{named}' AS name, n.row, n.home, t.home AS bucket FROM ({cut.words(table, column)}) t "
                f"JOIN ({cut.words(named, cut.schemas[named].key[0])}) n ON t.id = n.id WHERE t.home <> n.home"
            )
    if not parts:
        return no_guests()
    found = duck.execute(f"SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)}) ORDER BY ALL").fetchnumpy()
    numbers = {name: np.asarray(found[name], dtype=np.int64) for name in ("row", "home", "bucket")}
    return pd.DataFrame({"table": np.asarray(found["name"], dtype=object), **numbers})


def no_guests() -> pd.DataFrame:
    """A list of guests without any."""
    none = np.empty(0, dtype=np.int64)
    return pd.DataFrame({"table": np.empty(0, dtype=object), "row": none, "home": none, "bucket": none})


def _own_key(cut: Cut, name: str) -> str | None:
    """The id by which rows of a table are versions of each other, unless it is that of their debtor or parent."""
    key = cut.schemas[name].key[:1]
    link = cut.link(name)
    shared = ("customer_id", "region", *([link.column] if link else []))
    return key[0] if key and key[0] not in shared and key[0] in cut.plan.columns[name] else None


def _spread(cut: Cut, name: str, members: Sequence[tuple[str, str]]) -> None:
    """Note the buckets of every id that lies in more than one, in the table ``at <name>``."""
    rows = " UNION ALL ".join(f"SELECT id, home FROM ({cut.words(*member)})" for member in members)
    spread = f"SELECT id FROM ({rows}) WHERE id IS NOT NULL GROUP BY id HAVING min(home) <> max(home)"
    table = quoted(f"at {name}")
    cut.duck.execute(f"CREATE TEMP TABLE spread AS {spread}").fetchall()
    some = _count(cut.duck, "spread")
    found = f"SELECT DISTINCT id, home AS bucket FROM ({rows}) SEMI JOIN spread USING (id)"
    none = "SELECT NULL::VARCHAR AS id, 0 AS bucket WHERE false"
    cut.duck.execute(f"CREATE TEMP TABLE {table} AS {found if some else none}").fetchall()
    cut.duck.execute("DROP TABLE spread").fetchall()


def _chained(cut: Cut, link: Link, members: Mapping[str, Sequence[tuple[str, str]]]) -> bool:
    """Carry the buckets of parents to their children and back; whether that brought news."""
    pairs = cut.words(link.table, _own_key(cut, link.table) or "", link.column)
    own, parent = quoted(f"at {link.table}"), quoted(f"at {link.parent}")
    down = f"SELECT p.id, a.bucket FROM ({pairs}) p JOIN {parent} a ON p.id1 = a.id"
    up = f"SELECT p.id1 AS id, a.bucket FROM ({pairs}) p JOIN {own} a ON p.id = a.id"
    grown = _grow(cut, own, down, members[link.table])
    return _grow(cut, parent, up, members[link.parent]) or grown


def _grow(cut: Cut, table: str, found: str, members: Sequence[tuple[str, str]]) -> bool:
    """Add (id, bucket) pairs that are new, with the homes of those ids; whether there were any."""
    new = f"(SELECT DISTINCT id, bucket FROM ({found}) WHERE id IS NOT NULL) ANTI JOIN {table} USING (id, bucket)"
    cut.duck.execute(f"CREATE OR REPLACE TEMP TABLE news AS SELECT * FROM {new}").fetchall()
    if not _count(cut.duck, "news"):
        return False
    rows = " UNION ALL ".join(f"SELECT id, home AS bucket FROM ({cut.words(*member)})" for member in members)
    homes = f"SELECT id, bucket FROM ({rows}) SEMI JOIN news USING (id)"
    every = f"(SELECT id, bucket FROM news UNION {homes}) ANTI JOIN {table} USING (id, bucket)"
    cut.duck.execute(f"INSERT INTO {table} SELECT id, bucket FROM {every}").fetchall()
    return True


def _count(duck: Any, table: str) -> int:
    return int(duck.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
