"""The Ledger as an object: what it says of itself, sources, cuts, versions, and use from several threads."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bills import invoice, ledger, payment
from earlywarn.errors import DataError
from earlywarn.outcomes import Outcome
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS, TABLES

A = invoice("0007", "2026-03-01", "2026-03-16", 100)
P = payment("p", "2026-03-20", 100)
DISPUTE = {"dispute_id": "d", "customer_id": "c", "opened_on": "2026-03-05", "closed_on": "2026-03-25", "upheld": True}


# -- sources ----------------------------------------------------------------------------------------------


def written(folder: Path, name: str, frame: pd.DataFrame, kind: str) -> Any:
    if kind == "pandas":
        return frame
    if kind == "arrow":
        return pa.Table.from_pandas(frame)
    if kind == "arrow_types":
        return frame.convert_dtypes(dtype_backend="pyarrow")
    if kind == "nullable":
        return frame.convert_dtypes()
    path = folder / f"{name}.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
    return path if kind == "parquet" else str(path)


@pytest.mark.parametrize("kind", ["pandas", "arrow", "arrow_types", "nullable", "parquet", "csv"])
def test_the_same_rows_make_the_same_ledger_from_every_source(kind: str, tmp_path: Path):
    frames = {
        "invoices": pd.DataFrame([A, {**A, "invoice_id": "0008", "amount": 20.55}]),
        "payments": pd.DataFrame([P]),
        "disputes": pd.DataFrame([DISPUTE]),
    }
    books = Ledger.from_tables(**{name: written(tmp_path, name, frame, kind) for name, frame in frames.items()})
    plain = Ledger.from_tables(**frames)
    assert len(books.faults) == 0
    for name in (*frames, *STREAMS):
        pd.testing.assert_frame_equal(books.frame(name), plain.frame(name))
    assert books.frame("invoices")["invoice_id"].tolist() == ["0007", "0008"]


IDS: dict[str, Any] = {
    "int": [1, 2],
    "float": [1.0, 2.0],
    "text": ["1", "2"],
    "blanks": [" 1", "2 "],
    "object": np.array([1, "2"], dtype=object),
    "category": pd.Categorical([1, 2]),
    "category of text": pd.Categorical(["1", "2"]),
    "nullable": pd.array([1, 2], dtype="Int64"),
    "string": pd.array(["1", "2"], dtype="string"),
    "arrow int": pd.array([1, 2], dtype=pd.ArrowDtype(pa.int64())),
    "arrow float": pd.array([1.0, 2.0], dtype=pd.ArrowDtype(pa.float64())),
    "arrow text": pd.array(["1", "2"], dtype=pd.ArrowDtype(pa.string())),
    "arrow dictionary": pd.array(["1", "2"], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_every_dtype_are_the_same_text(kind: str):
    frame = pd.DataFrame([A, A]).assign(invoice_id=IDS[kind], customer_id=IDS[kind])
    paid = pd.DataFrame([P]).assign(invoice_id="2", customer_id="2")
    books = Ledger.from_tables(invoices=frame, payments=paid)
    assert len(books.faults) == 0
    assert books.customers == ("1", "2")
    assert books.frame("settlements")["customer_id"].tolist() == ["2"]


@pytest.mark.parametrize(
    "amounts",
    [
        [12.5, 30],
        ["12.50", "30"],
        pd.array([12.5, 30], dtype="Float64"),
        pd.array([12.5, 30], dtype=pd.ArrowDtype(pa.float64())),
        pa.array([12.5, 30.0]).cast(pa.decimal128(9, 2)).to_pandas(),
        pd.array(["12.5", "30.0"], dtype=pd.ArrowDtype(pa.string())),
        pd.Categorical(["12.5", "30.0"]),
    ],
)
def test_amounts_of_every_dtype_are_the_same_minor_units(amounts: Any):
    frame = pd.DataFrame([A, {**A, "invoice_id": "8"}]).assign(amount=amounts)
    books = (
        ledger(frame.to_dict("records"))
        if isinstance(amounts, list)
        else Ledger.from_tables(invoices=frame, payments=pd.DataFrame([P]))
    )
    assert books.facts("invoices").numbers("amount").tolist() == [1250, 3000]


LOCAL = pd.DatetimeIndex(["2026-03-01 00:00", "2026-03-01 14:05"])
UTC = pd.DatetimeIndex(["2026-02-28 23:00", "2026-03-01 13:05"], tz="UTC")


@pytest.mark.parametrize(
    "dates",
    [
        ["2026-03-01", "2026-03-01T14:05:00"],
        LOCAL,
        LOCAL.tz_localize("Europe/Brussels"),
        UTC,
        ["2026-03-01T00:00:00+01:00", "2026-03-01T13:05:00Z"],
        pd.array(LOCAL, dtype=pd.ArrowDtype(pa.timestamp("us"))),
        pd.array(
            UTC,
            dtype=pd.ArrowDtype(pa.timestamp("ns", "UTC")),
        ),
        [pd.Timestamp("2026-03-01").date(), pd.Timestamp("2026-03-01 14:05")],
    ],
)
def test_times_of_every_kind_are_the_same_moments_of_the_wall_clock(dates: Any):
    frame = pd.DataFrame([A, {**A, "invoice_id": "8"}]).assign(issued_on=dates)
    books = Ledger.from_tables(invoices=frame, payments=pd.DataFrame([P]))
    assert len(books.faults) == 0
    assert books.frame("invoices")["issued_on"].tolist() == [
        pd.Timestamp("2026-03-01"),
        pd.Timestamp("2026-03-01 14:05"),
    ]


def test_columns_are_renamed_table_by_table():
    theirs = pd.DataFrame([A]).rename(columns={"invoice_id": "No", "due_on": "Due"})
    books = Ledger.from_tables(
        invoices=theirs, payments=pd.DataFrame([P]), columns={"invoices": {"No": "invoice_id", "Due": "due_on"}}
    )
    assert books.frame("invoices")["invoice_id"].tolist() == ["0007"]


def test_the_frames_handed_over_are_left_as_they_were():
    frame, paid = pd.DataFrame([A, A], index=[7, 9]), pd.DataFrame([P])
    before = frame.copy(), paid.copy()
    Ledger.from_tables(invoices=frame, payments=paid)
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_frame_equal(paid, before[1])


# -- what it says of itself -------------------------------------------------------------------------------


def test_a_ledger_shows_its_size():
    assert repr(ledger([A], [P], until="2026-04-01")) == (
        "<Ledger: 1 customer, 1 invoice, 1 payment, EUR, until 2026-04-01, 0 faults>"
    )


@pytest.mark.parametrize("until", [None, "2026-04-01"])
def test_a_ledger_without_any_row_stands(until: str | None):
    books = ledger([], [], until=until)
    assert repr(books).startswith("<Ledger: 0 customers, 0 invoices, 0 payments, EUR, until ")
    assert isinstance(books.until, pd.Timestamp)
    for name in (*TABLES, *STREAMS):
        assert len(books.frame(name)) == 0


def test_until_is_the_last_moment_at_which_an_invoice_or_payment_became_known():
    assert ledger([A], [P]).until == pd.Timestamp("2026-03-23T23:59:59.999999")  # Friday's money, known on Monday
    assert ledger([A], [P], until="2026-05-01").until == pd.Timestamp("2026-05-01")


def test_currency_and_its_decimals_come_from_the_invoices():
    books = ledger([{**A, "currency": "JPY"}])
    assert (books.currency, books.digits) == ("JPY", 0)
    assert ledger([A]).currency == "EUR"


def test_a_table_that_was_not_handed_over_has_all_its_columns():
    books = ledger([A])
    for name, schema in TABLES.items():
        if name not in books.given:
            wanted = [column for column in schema.columns if column != "known_at"] + ["happened_at", "known_at"]
            assert sorted(books.frame(name).columns) == sorted(set(wanted))


def test_an_unknown_table_is_named_with_the_closest_spelling():
    with pytest.raises(DataError, match="did you mean 'settlements'"):
        ledger([A]).facts("settlement")


def test_a_customer_in_payments_only_is_there():
    books = ledger([A], [P, payment("q", "2026-03-20", 5, customer_id="only pays")])
    assert books.customers == ("c", "only pays")
    assert books.frame("payments")["customer_id"].tolist() == ["c", "only pays"]


def test_customers_without_a_row_are_kept_with_a_notice():
    books = ledger([A], customers=[{"customer_id": "x", "region": "BE2"}])
    assert books.customers == ("c", "x")
    assert any("1 customer has facts but no row in customers, first: 'c'" in note for note in books.notices)


def test_columns_that_nobody_knows_are_left_aside_with_a_notice():
    assert ledger([{**A, "colour": "red"}], currency="EUR").notices == (
        "invoices: columns not in the schema were left aside: colour.",
    )


def test_a_ledger_goes_to_another_process_and_is_the_same_there():
    books = ledger([A], [payment("p", "2026-03-20", 40)], accounts=[{"account_id": "a", "customer_id": "c"}])
    again = pickle.loads(pickle.dumps(books))
    assert repr(again) == repr(books)
    for name in books.names:
        pd.testing.assert_frame_equal(again.frame(name), books.frame(name))


def test_an_assumed_currency_is_said():
    assert any("taken as EUR" in notice for notice in ledger([A]).notices)
    assert not any("taken as EUR" in notice for notice in ledger([{**A, "currency": "SEK"}]).notices)


# -- time -------------------------------------------------------------------------------------------------


def known(books: Ledger, table: str) -> list[str]:
    return [str(moment) for moment in books.frame(table)["known_at"]]


def test_a_date_is_known_at_the_close_of_its_day_and_a_moment_at_itself():
    rows = [
        A,
        {**A, "invoice_id": "8", "issued_on": "2026-03-01T14:05:00"},
        {**A, "invoice_id": "9", "known_at": "2026-03-04"},
    ]
    assert known(ledger(rows), "invoices") == [
        "2026-03-01 23:59:59.999999",
        "2026-03-01 14:05:00",
        "2026-03-04 00:00:00",
    ]


@pytest.mark.parametrize(("lag", "day"), [(None, "2026-04-07"), (0, "2026-04-03"), (3, "2026-04-09")])
def test_a_payment_is_known_some_bank_days_later(lag: int | None, day: str):
    lags = {} if lag is None else {"payments": lag}
    books = ledger([A], [payment("p", "2026-04-03", 5)], lags=lags)  # Good Friday: counted from Thursday
    assert known(books, "payments") == [f"{day} 23:59:59.999999"]


def test_before_a_case_is_closed_one_does_not_know_how_it_ends():
    books = ledger([A], [P], disputes=[DISPUTE])
    early = books.known_before("2026-03-25").frame("disputes")
    assert early[["closed_on", "upheld"]].isna().all(axis=None)
    assert books.known_before("2026-03-26").frame("disputes")["upheld"].tolist() == [1.0]
    assert len(books.known_before("2026-03-05").frame("disputes")) == 0


def test_a_later_version_replaces_the_earlier_one_from_then_on():
    rows = [{**A, "amount": 100, "known_at": "2026-03-02"}, {**A, "amount": 80, "known_at": "2026-03-10"}]
    books = ledger(rows, until="2026-04-01")
    assert books.frame("invoices")["amount"].tolist() == [80]
    assert books.known_before("2026-03-10").frame("invoices")["amount"].tolist() == [100]
    assert books.known_before("2026-03-10T00:00:01").frame("invoices")["amount"].tolist() == [80]


def test_a_cut_ledger_is_complete_up_to_the_cut():
    books = ledger([A], [P], until="2026-04-01")
    assert books.known_before("2026-03-10").until == pd.Timestamp("2026-03-10")
    assert books.known_before("2026-05-10").until == pd.Timestamp("2026-04-01")


def test_a_child_row_is_known_no_earlier_than_its_parent():
    line = {"invoice_id": "0007", "line_id": 1, "kind": "usage", "amount": 5}
    books = ledger([{**A, "known_at": "2026-03-04"}], invoice_lines=[line])
    assert known(books, "invoice_lines") == ["2026-03-04 00:00:00"]
    assert books.facts("invoice_lines").owner.tolist() == [0]


# -- one table of invoices --------------------------------------------------------------------------------

ONE = pd.DataFrame(
    {
        "No": ["1", "2", "3", "4"],
        "Client": ["c", "c", "d", "d"],
        "Issued": "2026-03-01",
        "Due": "2026-03-15",
        "Total": [10, 20, 30, -5],
        "Settled": ["2026-03-14", None, "2026-03-20", "2026-03-21"],
    }
)
NAMES = {"No": "invoice_id", "Client": "customer_id", "Issued": "issued_on", "Due": "due_on", "Total": "amount"}


def test_one_table_of_invoices_settles_each_by_itself():
    books = Ledger.from_invoices(ONE, settled_on="Settled", columns=NAMES)
    assert books.frame("settlements")["days_beyond_terms"].tolist() == [-1, 5]
    assert books.frame("payments")["invoice_id"].tolist() == ["1", "3"]
    assert len(books.faults) == 0


@pytest.mark.parametrize("blank", ["", "  ", None, np.nan])
def test_an_invoice_without_a_day_of_settlement_is_open(blank: Any):
    frame = ONE.assign(Settled=pd.Series(["2026-03-14", blank, "2026-03-20", blank], dtype="object"))
    books = Ledger.from_invoices(frame, settled_on="Settled", columns=NAMES)
    assert len(books.faults) == 0
    assert len(books.frame("payments")) == 2


def test_one_table_of_invoices_from_a_csv_file_with_further_tables(tmp_path: Path):
    path = tmp_path / "bills.csv"
    ONE.to_csv(path, index=False)
    books = Ledger.from_invoices(
        path, settled_on="Settled", columns=NAMES, customers=pd.DataFrame({"customer_id": ["c"], "region": ["BE1"]})
    )
    assert books.regions == ("BE1",)
    assert len(books.frame("payments")) == 2


def test_the_column_of_settlement_and_the_names_must_be_there():
    with pytest.raises(DataError, match=r"D101.*\n?.*did you mean 'Settled'"):
        Ledger.from_invoices(ONE, settled_on="Setled", columns=NAMES)
    with pytest.raises(DataError, match=r"D101.*invoice_id"):
        Ledger.from_invoices(ONE, settled_on="Settled")
    with pytest.raises(DataError, match=r"D112.*'Numbr'"):
        Ledger.from_invoices(ONE, settled_on="Settled", columns={**NAMES, "Numbr": "kind"})


def test_a_bad_row_of_the_one_table_is_listed_and_the_others_stand():
    frame = ONE.astype({"Total": "object"})
    frame.loc[0, "Total"] = "ten"
    books = Ledger.from_invoices(frame, settled_on="Settled", columns=NAMES)
    assert books.faults[["table", "row", "code"]].to_numpy().tolist() == [
        ["invoices", 0, "D131"],
        ["payments", 0, "D131"],
    ]
    assert len(books.frame("invoices")) == 3


# -- use --------------------------------------------------------------------------------------------------


def test_one_ledger_asked_from_several_threads_gives_equal_answers():
    rows = [{**A, "invoice_id": f"{n:03}", "customer_id": f"c{n % 7}"} for n in range(60)]
    paid = [payment(f"p{n}", "2026-03-20", 100, customer_id=f"c{n % 7}") for n in range(40)]
    shared, alone = ledger(rows, paid, until="2026-06-01"), ledger(rows, paid, until="2026-06-01")

    def ask(books: Ledger) -> list[pd.DataFrame]:
        outcome = Outcome(3, (7, 3))
        obs = outcome.observations(books)
        cut = books.known_before("2026-03-12")
        return [obs, outcome.resolve(books, obs), cut.frame("balances"), *(books.frame(name) for name in STREAMS)]

    wanted = ask(alone)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(ask, [shared] * 8):
            for one, other in zip(answer, wanted, strict=True):
                pd.testing.assert_frame_equal(one, other)


def test_what_a_ledger_hands_out_does_not_change_it():
    books = ledger([A, {**A, "amount": "x"}])
    handed_out, frame = books.faults, books.frame("invoices")
    handed_out.loc[0, "code"] = "none"
    frame.loc[0, "amount"] = 1
    assert books.faults["code"].tolist() == ["D131"]
    assert books.frame("invoices")["amount"].tolist() == [100]
