"""A store says what one ledger of the same tables says, bucket by bucket, from any kind of file."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earlywarn as ew
from earlywarn.errors import DataError
from earlywarn.features.context import Context
from earlywarn.tables.store import LedgerStore
from earlywarn.tables.store_buckets import bucket_of, bucket_sql, word_sql
from stores import assert_same_facts, plain_facts, tangled, write
from strategies import UNTIL, Raw, random_tables

INVOICES = pd.DataFrame(
    {
        "invoice_id": ["A", "B", "C", "D"],
        "customer_id": ["c1", "c2", "c3", "c1"],
        "issued_on": ["2026-03-01", "2026-03-01", "2026-03-02", "2026-04-01"],
        "due_on": ["2026-03-15", "2026-03-15", "2026-03-16", "2026-04-15"],
        "amount": [50.0, 70.0, 20.0, 55.5],
    }
)
PAYMENTS = pd.DataFrame(
    {
        "payment_id": ["p", "q", "r"],
        "customer_id": ["c1", "c2", "c3"],
        "paid_on": ["2026-03-20", "2026-03-14", "2026-03-16"],
        "amount": [50.0, 70.0, 20.0],
        "method": ["transfer", None, "card"],
    }
)


def small(folder: Path, **options: Any) -> LedgerStore:
    return LedgerStore.write(folder / "store", **{"invoices": INVOICES, "payments": PAYMENTS, "buckets": 3, **options})


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- the same as one ledger ----------------------------------------------------------------------------------


def assert_store_is_ledger(raw: Raw, buckets: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_same_facts(write(f"{folder}/store", raw, buckets=buckets), raw.ledger())


@pytest.mark.parametrize(("seed", "buckets"), [(1, 1), (2, 3), pytest.param(12, 2, marks=pytest.mark.slow)])
def test_facts_streams_and_faults_are_those_of_one_ledger(seed: int, buckets: int) -> None:
    assert_store_is_ledger(random_tables(seed, customers=4), buckets)


@pytest.mark.parametrize("seed", [*(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 3)), 9])
def test_rows_of_debtors_who_get_in_each_others_way_are_judged_as_in_one_ledger(seed: int) -> None:
    raw = tangled(random_tables(seed, customers=5), seed)
    assert len(raw.ledger().faults) > 10
    assert_store_is_ledger(raw, 3)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), buckets=st.integers(1, 6), dirty=st.booleans())
@settings(max_examples=60)
def test_any_store_says_what_one_ledger_says(seed: int, buckets: int, dirty: bool) -> None:
    raw = random_tables(seed, customers=6)
    assert_store_is_ledger(tangled(raw, seed) if dirty else raw, buckets)


def test_features_observations_and_labels_are_exactly_those_of_one_ledger(tmp_path: Path) -> None:
    raw = random_tables(8, customers=5, invoices=4)
    ledger, store = raw.ledger(), write(tmp_path / "store", raw, buckets=3)
    outcome = ew.Outcome(lead_days=(7, 1))
    obs = outcome.observations(ledger)
    assert len(np.unique(store.bucket_of(obs["customer_id"]))) > 1
    pd.testing.assert_frame_equal(outcome.observations(store), obs)
    assert outcome.observations(store).attrs == obs.attrs
    pd.testing.assert_frame_equal(outcome.resolve(store, obs), outcome.resolve(ledger, obs))
    pd.testing.assert_frame_equal(outcome.standing(store, UNTIL, 60), outcome.standing(ledger, UNTIL, 60))
    more = [
        ew.Feature("last_segment", "last(customers.segment)"),
        ew.Feature("bills_everybody_90d", "sum(invoices.amount, days=90, of=portfolio)"),
        ew.Feature("late_in_region_365d", "mean(maturities.late, days=365, of=region)"),
    ]
    features = ew.FeatureSet.default() + ew.FeatureSet(more)
    expected = features.compute(ledger, obs)
    shuffled = obs.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(features.compute(store, shuffled), expected.loc[shuffled.index], check_exact=True)
    assert set(features.compute(store, obs).attrs["notices"]) == set(expected.attrs["notices"])
    one = obs[obs["customer_id"] == obs["customer_id"].iloc[0]]
    alone = features.compute(store.ledger_of(one["customer_id"].iloc[0]), one, context=Context.of(store, features))
    pd.testing.assert_frame_equal(alone, expected.loc[one.index], check_exact=True, check_categorical=False)
    pd.testing.assert_frame_equal(features.compute(store, one), expected.loc[one.index], check_exact=True)


def test_observations_of_nobody_give_the_columns_of_everybody(tmp_path: Path) -> None:
    store = small(tmp_path)
    features = ew.FeatureSet([ew.Feature("last_method", "last(payments.method)"), ew.Feature("n", "count(invoices)")])
    none = ew.Outcome().observations(store, "2027-01-01", "2027-02-01")
    matrix = features.compute(store, none)
    assert matrix["last_method"].cat.categories.tolist() == ["card", "transfer"]
    assert matrix.shape == (0, 2)


def test_a_bucket_cut_at_a_moment_is_the_ledger_cut_at_that_moment(tmp_path: Path) -> None:
    raw = random_tables(6, customers=3)
    ledger, store = raw.ledger(), write(tmp_path / "store", raw, buckets=1)
    for at in ("2025-02-10", "2025-03-20"):
        cut, own = ledger.known_before(at), store.bucket(0).known_before(at)
        for name in ledger.names:
            pd.testing.assert_frame_equal(plain_facts([own], name), plain_facts([cut], name), check_dtype=False)


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    shares: list[float] = []
    store = small(tmp_path, progress=shares.append)
    obs = ew.Outcome(lead_days=1).observations(store)
    wanted = ew.FeatureSet([ew.Feature("bills_all_90d", "sum(invoices.amount, days=90, of=portfolio)")])
    for seen in (shares, more := []):
        if seen is more:
            wanted.compute(store, obs, progress=more.append)
        assert seen == sorted(seen)
        assert seen[-1] == 1.0
        assert len(seen) > 3


# -- buckets -------------------------------------------------------------------------------------------------

IDS = ["c1", "Zoë", "客户-7", "ß", "é", "é", "", "a'b", 'a"b', "0", "x" * 300, "🧾"]


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_the_bucket_is_the_same_in_python_and_in_duckdb(count: int) -> None:
    duckdb = pytest.importorskip("duckdb")
    ids = pd.DataFrame({"id": IDS + [f"K{number:05}" for number in range(500)]})
    duck = duckdb.connect()
    duck.register("ids", ids)
    found = duck.execute(f"SELECT {bucket_sql('id', count)} FROM ids").fetchall()
    assert bucket_of(ids["id"], count).tolist() == [bucket for (bucket,) in found]


def test_the_bucket_of_known_digests() -> None:
    # md5("") = d41d8cd9…, md5("abc") = 90015098…: RFC 1321
    np.testing.assert_array_equal(bucket_of(["", "abc"], 1_000_003), [0xD41D8CD9 % 1_000_003, 0x90015098 % 1_000_003])


def test_ids_are_read_in_sql_as_the_checks_read_them() -> None:
    duckdb = pytest.importorskip("duckdb")
    blanks = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    words = pd.DataFrame({"id": [f"{blank}a b{blank}" for blank in blanks] + [" ", "a", "é "]})
    duck = duckdb.connect()
    duck.register("words", words)
    found = duck.execute(f"SELECT {word_sql('id', 'VARCHAR', 't.id')} AS word FROM words").fetchall()
    assert [word for (word,) in found] == [word.strip() or None for word in words["id"]]
    duck.register("numbers", pd.DataFrame({"id": [1.0, 8841.0, 2.5, np.nan, -3.0]}))
    found = duck.execute(f"SELECT {word_sql('id', 'DOUBLE', 't.id')} AS word FROM numbers").fetchall()
    assert [word for (word,) in found] == ["1", "8841", "2.5", None, "-3"]


def test_ids_of_another_type_than_text_and_numbers_are_refused(tmp_path: Path) -> None:
    dated = INVOICES.assign(customer_id=pd.to_datetime(INVOICES["issued_on"]))
    with pytest.raises(DataError, match="D174"):
        small(tmp_path, invoices=dated)


def test_the_number_of_buckets_follows_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earlywarn.tables.store_write.FACTS_PER_BUCKET", 2)
    assert len(small(tmp_path, buckets=None)) == 4  # of 7 rows
    with pytest.raises(DataError, match="D175"):
        small(tmp_path, buckets=0)


def test_a_debtor_is_asked_for_in_any_way_that_a_table_may_write_the_id(tmp_path: Path) -> None:
    invoices = INVOICES.assign(customer_id=range(7, 7 + len(INVOICES)))
    store = LedgerStore.write(tmp_path, invoices=invoices, payments=PAYMENTS[:0], buckets=5)
    expected = store.bucket_of(["7", "8"]).tolist()
    assert len(set(store.bucket_of(map(str, range(7, 27))))) == 5
    ways: list[Any] = [
        [7, 8],
        [7.0, 8.0],
        [" 7", "8\t"],
        [7.0, "8"],
        pd.Series([7.0, 8.0]),
        np.array([7, 8]),
        iter("78"),
    ]
    for ids in ways:
        assert store.bucket_of(ids).tolist() == expected
    assert "7" in store.ledger_of(7.0).customers
    assert store.bucket_of([]).tolist() == []


def test_each_debtor_is_where_bucket_of_says(tmp_path: Path) -> None:
    store = small(tmp_path)
    for number, ledger in enumerate(store.buckets()):
        assert (store.bucket_of(ledger.customers) == number).all()
    assert store.customers == 3
    assert store.ledger_of("nobody").facts("invoices") is not None


# -- where tables come from ----------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same_facts(tmp_path: Path) -> None:
    ledger = ew.Ledger.from_tables(invoices=INVOICES, payments=PAYMENTS)
    INVOICES.to_csv(tmp_path / "invoices.csv", index=False)
    (tmp_path / "payments").mkdir()
    for part, rows in enumerate((slice(0, 1), slice(1, 3))):
        PAYMENTS.iloc[rows].to_parquet(tmp_path / "payments" / f"it's {part}.parquet")
    sources = (
        {},
        {"invoices": tmp_path / "invoices.csv", "payments": tmp_path / "payments"},
        {"invoices": str(tmp_path / "*.csv"), "payments": str(tmp_path / "payments" / "*.parquet")},
        {"invoices": pa.Table.from_pandas(INVOICES), "payments": pa.Table.from_pandas(PAYMENTS).to_batches()[0]},
        {"invoices": INVOICES.astype("category"), "payments": PAYMENTS.astype("object")},
    )
    for source in sources:
        assert_same_facts(small(tmp_path, **source), ledger)


def test_columns_are_renamed_and_what_is_strange_is_left_aside_with_a_notice(tmp_path: Path) -> None:
    theirs = INVOICES.rename(columns={"due_on": "Fälligkeit"}).assign(note="x")
    columns = {"invoices": {"Fälligkeit": "due_on"}}
    ledger = ew.Ledger.from_tables(invoices=theirs, payments=PAYMENTS, columns=columns)
    theirs.to_parquet(tmp_path / "theirs.parquet")
    for source in (theirs, tmp_path / "theirs.parquet"):
        assert_same_facts(small(tmp_path, invoices=source, columns=columns), ledger)


def test_objects_of_several_types_are_read_as_in_one_ledger(tmp_path: Path) -> None:
    mixed = INVOICES.assign(
        invoice_id=["A", 2, 3.0, "D "],
        amount=pd.Series(["50.00", 70, 20.0, "much"], dtype="object"),
        issued_on=pd.Series(["2026-03-01", pd.Timestamp("2026-03-01"), None, 5], dtype="object"),
        account_id=[["x", "y"], None, "z", 7],
    )
    ledger = ew.Ledger.from_tables(invoices=mixed, payments=PAYMENTS)
    store = small(tmp_path, invoices=mixed)
    names = ["table", "row", "column", "code"]
    pd.testing.assert_frame_equal(store.faults[names], ledger.faults[names])
    for name in ("invoices", "settlements"):
        left, right = plain_facts(store.buckets(), name), plain_facts([ledger], name)
        pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_a_zone_stated_in_one_bucket_is_asked_of_all(tmp_path: Path) -> None:
    dated = PAYMENTS.assign(paid_on=["2026-03-20T10:00:00+01:00", "2026-03-14 11:00:00", "2026-03-16"])
    ledger = ew.Ledger.from_tables(invoices=INVOICES, payments=dated)
    assert ledger.faults["code"].tolist() == ["D134"]
    store = small(tmp_path, payments=dated, buckets=8)
    assert len(set(store.bucket_of(PAYMENTS["customer_id"]))) > 1
    assert_same_facts(store, ledger)


def test_currency_and_debtors_without_a_row_are_seen_over_all_buckets(tmp_path: Path) -> None:
    two = INVOICES.assign(currency=["EUR", "SEK", "EUR", "EUR"])
    with pytest.raises(DataError, match="several currencies") as store_error:
        small(tmp_path, invoices=two)
    with pytest.raises(DataError, match="several currencies") as ledger_error:
        ew.Ledger.from_tables(invoices=two, payments=PAYMENTS)
    assert str(store_error.value) == str(ledger_error.value)
    customers = pd.DataFrame({"customer_id": ["c3"], "segment": ["b2c"]})
    for asked in ("SEK", "EUR"):
        ledger = ew.Ledger.from_tables(invoices=two, payments=PAYMENTS, customers=customers, currency=asked)
        store = small(tmp_path, invoices=two, customers=customers, currency=asked)
        assert_same_facts(store, ledger)
        assert any("2 customers have facts but no row" in notice for notice in store.notices)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"payments": None}, "D101"),
        ({"invoices": INVOICES.drop(columns="amount")}, "D101"),
        ({"bills": INVOICES}, "D102"),
        ({"usage": pd.DataFrame({"customer_id": ["c"], "msisdn": ["1"]})}, "D113"),
        ({"invoices": "nowhere/*.parquet"}, "D110"),
        ({"invoices": 7}, "D111"),
        ({"timezone": "Europe/Atlantis"}, "D107"),
        ({"currency": "euro"}, "D107"),
    ],
)
def test_what_a_ledger_refuses_a_store_refuses(change: dict[str, Any], code: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        small(tmp_path, **change)
    assert error.value.code == code


# -- the folder ----------------------------------------------------------------------------------------------


def test_the_same_tables_give_the_same_files_whatever_stood_there_before(tmp_path: Path) -> None:
    raw = random_tables(4, customers=4)
    write(tmp_path / "one" / "store", raw, buckets=2)
    small(tmp_path / "two")
    write(tmp_path / "two" / "store", raw, buckets=2)
    one, two = (files_of(tmp_path / name / "store") for name in ("one", "two"))
    assert one == two
    text = one["manifest.json"].decode()
    assert str(tmp_path) not in text
    assert set(json.loads(text)["files"]) == set(one) - {"manifest.json"}


def test_tables_of_regions_are_stored_once_and_seen_in_every_bucket(tmp_path: Path) -> None:
    regions = pd.DataFrame({"region": ["BE1"], "published_on": ["2026-01-01"], "metric": ["m"], "value": [1.5]})
    store = small(tmp_path, regions=regions)
    assert [len(ledger.facts("regions")) for ledger in store.buckets()] == [1, 1, 1]
    assert sum("facts.regions.parquet" in name for name in store.manifest.files) == 1


def test_what_is_not_asked_for_is_not_read(tmp_path: Path) -> None:
    usage = pd.DataFrame({"customer_id": ["c1"], "used_on": ["2026-03-01"], "quantity": [1.0], "kind": ["data"]})
    store = small(tmp_path, usage=usage)
    obs = ew.Outcome(lead_days=1).observations(store)
    for file in store.path.rglob("facts.usage.parquet"):
        table = pa.parquet.read_table(file)
        pa.parquet.write_table(table.select(["owner"]), file)  # nothing else of it can be read any more
    bills = ew.FeatureSet([ew.Feature("invoices_count_90d", "count(invoices, days=90)")])
    assert bills.compute(store, obs)["invoices_count_90d"].tolist() == [1.0] * len(obs)
    with pytest.raises(KeyError):
        ew.FeatureSet([ew.Feature("used_90d", "sum(usage.quantity, days=90)")]).compute(store, obs)


def test_a_store_of_another_format_is_refused_with_the_remedy(tmp_path: Path) -> None:
    store = small(tmp_path)
    manifest = store.path / "manifest.json"
    for version in (0, 99):
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": version}), encoding="utf-8")
        with pytest.raises(DataError, match=rf"D171.*format {version}.*(?s:.*)LedgerStore\.write"):
            LedgerStore(store.path)


def test_a_store_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"D170.*is no store"):
        LedgerStore(tmp_path / "nowhere")
    store = small(tmp_path)
    ledger = store.bucket(0)
    place = store.path / store.manifest.buckets[0]["folder"]
    assert store.verify() == ()
    (place / "faults.parquet").write_bytes((place / "faults.parquet").read_bytes()[::-1])
    assert store.verify() == (f"{place.name}/faults.parquet",)
    (place / "faults.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="D172"):
        LedgerStore.open(store.path)
    shutil.rmtree(place)
    with pytest.raises(DataError, match=r"D172.*(?s:.*)open it again"):
        ledger.facts("invoices").happened_at  # noqa: B018
    (store.path / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"D170.*not written to its end"):
        LedgerStore(store.path)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(DataError, match=r"D173.*(?s:.*)thesis\.txt"):
        small(tmp_path)
    assert (tmp_path / "store" / "thesis.txt").read_text(encoding="utf-8") == "years of work"
