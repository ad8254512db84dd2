"""Files as they come: heads that differ, short rows, another encoding, damage; and what stores say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.errors import DataError
from stores import assert_same_facts
from test_store import INVOICES, PAYMENTS, small

USAGE = pd.DataFrame(
    {
        "customer_id": ["c1", "c2", "c3"],
        "used_on": ["2026-03-01", "2026-03-02", "2026-03-03"],
        "quantity": ["1", "2", "3"],
        "cost": [None, "5", "6"],
    }
)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("first", [True, False])
def test_files_of_one_table_may_have_different_columns(ending: str, first: bool, tmp_path: Path) -> None:
    parts = [USAGE.iloc[:1].drop(columns="cost"), USAGE.iloc[1:, [3, 2, 1, 0]]]
    parts = parts if first else parts[::-1]
    (tmp_path / "usage").mkdir()
    for number, part in enumerate(parts):
        path = tmp_path / "usage" / f"{number}.{ending}"
        part.to_csv(path, index=False) if ending == "csv" else part.to_parquet(path)
    ledger = ew.Ledger.from_tables(invoices=INVOICES, payments=PAYMENTS, usage=pd.concat(parts, ignore_index=True))
    assert_same_facts(small(tmp_path, usage=tmp_path / "usage"), ledger)


@pytest.mark.parametrize(
    "text",
    [
        "customer_id,used_on,quantity,unit\nc1,2026-01-01,1,kWh\nc1,2026-01-02\n",
        'customer_id,unit,used_on,quantity\nc1,"k\nWh",2026-01-01,1\n\nc2,"",2026-01-02\n,,,\n',
        "\ufeffcustomer_id,used_on,quantity\r\nc1,2026-01-01,1\r\nc2,2026-01-02",
        "customer_id,used_on,quantity,note,note\nc1,2026-01-01,1,a,b\n",
    ],
)
def test_a_csv_file_is_read_as_a_ledger_reads_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "usage.csv").write_bytes(text.encode())
    ledger = ew.Ledger.from_tables(invoices=INVOICES, payments=PAYMENTS, usage=tmp_path / "usage.csv")
    assert_same_facts(small(tmp_path, usage=tmp_path / "usage.csv"), ledger)


HEAD = "customer_id,used_on,quantity,kind\n"
LATIN = (HEAD + "c1,2026-01-01,1,\xe9t\xe9\n").encode("latin-1")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("usage.csv", LATIN),
        ("usage.csv", (HEAD + "c1,2026-01-01,1,data\n" * 20_000).encode() + LATIN.partition(b"\n")[2]),
        ("usage.csv", HEAD.replace("kind", "\xe9").encode("latin-1")),
        ("usage.csv", (HEAD + "c1,2026-01-01,1,data,more\n").encode()),
        ("usage.csv", b""),
        ("usage.csv.gz", b"no gzip"),
        ("usage.parquet", b"PAR1junk"),
        ("usage.parquet", b""),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        small(tmp_path, usage=tmp_path / name)
    assert error.value.code == "D116"
    assert repr(name) in error.value.what
    assert "UTF-8" in str(error.value.hint)


def test_damage_inside_a_parquet_file_is_said_of_that_table(tmp_path: Path) -> None:
    path = tmp_path / "usage.parquet"
    pd.concat([USAGE] * 500).to_parquet(path)
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"D116.*usage\.parquet"):
        small(tmp_path, usage=path)


@pytest.mark.parametrize("field", ["kind", "collect_by", "account_id", "contract_id", "invoice_id"])
def test_categories_of_the_observed_invoice_are_those_of_one_ledger(field: str, tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "kind": ["recurring", "advance", "device", "fee"],
        "collect_by": ["direct_debit", "transfer", "card", "x"],
        "account_id": ["a", "b", "c", "d"],
        "contract_id": ["k", "l", "m", "n"],
    }
    invoices = INVOICES.assign(**words)
    store = small(tmp_path, invoices=invoices)
    ledger = ew.Ledger.from_tables(invoices=invoices, payments=PAYMENTS)
    features = ew.FeatureSet([ew.Feature("x_1", f"invoice.{field}")])
    obs = ew.Outcome(lead_days=1).observations(ledger)
    one = obs[obs["customer_id"] == "c2"]
    pd.testing.assert_frame_equal(features.compute(store, one), features.compute(ledger, one), check_exact=True)
