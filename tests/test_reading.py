"""The same rows make the same facts however they are kept; files that cannot be read are named with what to do."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earlywarn.errors import DataError
from earlywarn.tables import blocks, checks, read
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import TABLES, Column
from earlywarn.tables.text import Text

ROWS = 400
WORDS = ["b1", " a2 ", None, "", "10.0", "a2", "  ", "Ω"]
INVOICES = pd.DataFrame(
    {
        "invoice_id": [f"I{row}" for row in range(ROWS)],
        "customer_id": (WORDS * ROWS)[:ROWS],
        "issued_on": pd.Timestamp("2026-03-01"),
        "due_on": pd.Timestamp("2026-03-15"),
        "amount": 20.5,
        "kind": (["recurring", "strange", None, "final", "fee"] * ROWS)[:ROWS],
        "currency": (["EUR", "EUR", None, "EUR ", "SEK"] * ROWS)[:ROWS],
    }
)
TEXT = ("invoice_id", "customer_id", "kind", "currency")
PAYMENTS = pd.DataFrame({"payment_id": ["p"], "customer_id": ["b1"], "paid_on": ["2026-03-20"], "amount": [5.0]})


def plain() -> pa.Table:
    return pa.table({name: pa.array(INVOICES[name], from_pandas=True) for name in INVOICES})


def recast(kind: pa.DataType) -> pa.Table:
    table = plain()
    for place, name in enumerate(table.column_names):
        if name in TEXT:
            table = table.set_column(place, name, table[name].cast(pa.string()).cast(kind))
    return table


def parquet(folder: Path, table: pa.Table, name: str = "invoices", **options: Any) -> Path:
    path = folder / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def parts(folder: Path) -> Path:
    """A folder of files, each with words of its own and other ways of writing them."""
    for part, options in enumerate(({}, {"use_dictionary": False}, {"row_group_size": 30})):
        parquet(folder / "parts", plain().slice(part * 150, 150), f"{part}", **options)
    return folder / "parts"


SOURCES: dict[str, Callable[[Path], Any]] = {
    "categories": lambda folder: INVOICES.astype(dict.fromkeys(TEXT, "category")),
    "categories that do not occur": lambda folder: INVOICES.astype(
        {"customer_id": pd.CategoricalDtype(["zz", *sorted({word for word in WORDS if word is not None}), "a"])}
    ),
    "arrow": lambda folder: plain(),
    "arrow dictionary": lambda folder: recast(pa.dictionary(pa.int32(), pa.string())),
    "large text": lambda folder: recast(pa.large_string()),
    "parquet": lambda folder: parquet(folder, plain()),
    "parquet of large text": lambda folder: parquet(folder, recast(pa.large_string())),
    "parquet of dictionaries": lambda folder: parquet(folder, recast(pa.dictionary(pa.int32(), pa.string()))),
    "parquet without dictionaries": lambda folder: parquet(folder, plain(), use_dictionary=False),
    "parquet in groups": lambda folder: parquet(folder, plain(), row_group_size=70),
    "folder": parts,
}


def same_facts(one: Facts, other: Facts) -> None:
    assert list(one.columns) == list(other.columns)
    for name, values in one.columns.items():
        others = other.columns[name]
        if isinstance(values, Text):
            assert isinstance(others, Text)
            assert values.labels == others.labels
            values, others = values.codes, others.codes
        assert values.dtype == np.asarray(others).dtype
        np.testing.assert_array_equal(values, others)
    for clock in ("happened_at", "known_at", "known_until", "owner", "row"):
        np.testing.assert_array_equal(getattr(one, clock), getattr(other, clock))


@pytest.mark.parametrize("kind", SOURCES)
def test_text_is_the_same_plain_as_categories_and_as_dictionaries(kind: str, tmp_path: Path):
    wanted = Ledger.from_tables(invoices=INVOICES, payments=PAYMENTS, currency="EUR")
    assert {"D106", "D135", "D138"} == set(wanted.faults["code"])
    found = Ledger.from_tables(invoices=SOURCES[kind](tmp_path), payments=PAYMENTS, currency="EUR")
    assert found.customers == wanted.customers == ("10.0", "a2", "b1", "Ω")
    same_facts(found.facts("invoices"), wanted.facts("invoices"))
    pd.testing.assert_frame_equal(found.faults, wanted.faults)
    with pytest.raises(DataError, match="EUR: 160 rows") as several:  # as each kind of column counts them
        Ledger.from_tables(invoices=SOURCES[kind](tmp_path), payments=PAYMENTS)
    assert several.value.code == "D103"


def test_only_words_that_repeat_are_read_as_dictionaries_and_only_columns_of_the_schema_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = plain().append_column("remark", plain()["customer_id"]).rename_columns(
        ["Bill.No", "who", *plain().column_names[2:], "remark"]
    )  # fmt: skip
    asked: list[str] = []
    column = read._column
    monkeypatch.setattr(read, "_column", lambda file, name: (asked.append(name), column(file, name))[1])
    mapping = {"Bill.No": "invoice_id", "who": "customer_id"}
    frame, missing, unknown = read.read_table(parquet(tmp_path, table), TABLES["invoices"], mapping)
    assert [frame[name].dtype == "category" for name in TEXT] == [False, True, True, True]
    assert (missing, unknown) == ([], ["remark"])
    assert sorted(asked) == sorted(set(table.column_names) - {"remark"})
    assert list(frame) == [name for name in TABLES["invoices"].columns if name in frame]


def refused(code: str, invoices: Path) -> str:
    with pytest.raises(DataError) as error:
        Ledger.from_tables(invoices=invoices, payments=PAYMENTS)
    assert error.value.code == code
    return str(error.value)


def test_a_file_that_is_not_in_utf8_is_refused_with_the_remedy(tmp_path: Path):
    path = tmp_path / "bills.csv"
    path.write_bytes("invoice_id,customer_id\nI1,Müller\n".encode("latin-1"))
    message = refused("D116", path)
    assert "invoices: 'bills.csv' cannot be read" in message
    assert "save it as UTF-8" in message
    path.write_text("\ufeffinvoice_id,customer_id\nI1,Müller\n", encoding="utf-8")
    assert read.read_frame(path, "invoices").to_dict("list") == {"invoice_id": ["I1"], "customer_id": ["Müller"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bills.csv", b""),
        ("bills.csv", b"a,b\n1,2\n1,2,3\n"),
        ("bills.parquet", b"a,b\n1,2\n"),
        ("bills.csv.gz", b"a,b\n1,2\n"),
        ("bills.csv.gz", zlib.compress(b"a,b\n1,2\n" * 99, wbits=31)[:-20]),
        ("bills.csv.zip", b"a,b\n1,2\n"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(name: str, content: bytes, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    assert f"invoices: {name!r} cannot be read" in refused("D116", tmp_path / name)


#: What a column may hold, as it may be kept.
CELLS: dict[str, list[pd.Series]] = {
    "money": [
        pd.Series([1.0, 19.99, 0.1 + 0.2, np.nan, np.inf, -np.inf, 1e300, 0.001, -7.25, 2.0**53, 9e13 + 0.07]),
        pd.Series([1, None, -3, 2**60], dtype="Int64"),
        pd.Series([1.5, None, 0.001], dtype=pd.ArrowDtype(pa.float64())),
        pd.Series(["1.50", " ", None, "x", "0.001"], dtype=object),
    ],
    "number": [
        pd.Series([1.5, np.nan, np.inf, -np.inf, -0.0]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series(["1.5", "", None, "x", "inf"], dtype=object),
    ],
    "date": [
        pd.Series(np.array(["2026-03-01", "NaT", "1899-12-31", "2200-01-01", "1900-01-01"], "M8[s]")),
        pd.Series(["2026-03-01", "", None, "x", "2026-03-01T10:00", "2300-01-01"], dtype=object),
        pd.Series([20260301, None]),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "cells"), [(kind, cells) for kind, several in CELLS.items() for cells in several])
def test_a_cell_is_read_the_same_alone_and_among_others(kind: str, cells: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    column = Column("x", kind)
    values, faults = checks.coerce(cells, column, timezone="UTC", digits=2)
    for row in range(len(cells)):
        value, found = checks.coerce(cells[row : row + 1], column, timezone="UTC", digits=2)
        np.testing.assert_array_equal(values[row : row + 1], value)
        assert {code for code, _, mask in faults if mask[row]} == {code for code, _, mask in found if mask[0]}
