"""Bad input: a clear error with its code, or a listed fault, and never a row lost in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from bills import invoice, ledger, payment, placed
from earlywarn.dates import FOREVER
from earlywarn.errors import DataError
from earlywarn.outcomes import Outcome
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import TABLES
from tiers import law

A = invoice("A", "2026-03-01", "2026-03-16", 100)
B = invoice("B", "2026-04-01", "2026-04-16", 60)
P = payment("p", "2026-03-20", 100)


def faults(books: Ledger) -> list[tuple[str, int, str, str]]:
    return list(books.faults[["table", "row", "column", "code"]].itertuples(index=False, name=None))


def refused(code: str, *says: str, **tables: Any) -> str:
    """The message of the error that these tables raise."""
    with pytest.raises(DataError) as caught:
        Ledger.from_tables(**tables)
    message = str(caught.value)
    assert caught.value.code == code
    for words in says:
        assert words in message
    return message


INVOICES, PAYMENTS = pd.DataFrame([A, B]), pd.DataFrame([P])


# -- errors -----------------------------------------------------------------------------------------------


def test_an_error_says_what_where_what_was_found_and_what_to_do():
    message = refused("D101", invoices=INVOICES.rename(columns={"due_on": "due_day"}), payments=PAYMENTS)
    assert message.splitlines() == [
        "DataError[D101]: tables or columns are missing.",
        "Found: invoices.due_on is missing; did you mean 'due_day'?",
        "Hint: name yours in columns={table: {theirs: ours}}.",
    ]


def test_all_missing_columns_of_all_tables_are_in_one_error():
    refused(
        "D101", "invoices.amount", "invoices.due_on", "payments.paid_on", "'paid_at'",
        invoices=INVOICES.drop(columns=["amount", "due_on"]), payments=PAYMENTS.rename(columns={"paid_on": "paid_at"}),
    )  # fmt: skip


def test_missing_and_unknown_tables_are_named():
    refused("D101", "the table 'payments' is missing", invoices=INVOICES)
    refused("D102", "'payment'", "did you mean 'payments'?", invoices=INVOICES, payment=PAYMENTS)
    refused("D102", "'usages'", "did you mean 'usage'?", invoices=INVOICES, payments=PAYMENTS, lags={"usages": 1})


def test_a_mapping_of_names_that_are_not_there_is_refused():
    tables = {"invoices": INVOICES, "payments": PAYMENTS}
    refused("D112", "did you mean 'due_on'?", **tables, columns={"invoices": {"due_onn": "due_on"}})
    refused("D112", "did you mean 'due_on'?", **tables, columns={"invoices": {"due_on": "dueon"}})
    refused("D112", "two columns 'due_on'", **tables, columns={"invoices": {"issued_on": "due_on"}})
    refused("D102", "did you mean 'invoices'?", **tables, columns={"invoice": {}})


def test_sources_that_cannot_be_read_are_refused(tmp_path: Any):
    refused("D110", "no file 'bills.csv'", invoices=tmp_path / "bills.csv", payments=PAYMENTS)
    (tmp_path / "bills.xls").write_text("")
    refused("D111", "'bills.xls' is neither Parquet nor CSV", invoices=str(tmp_path / "bills.xls"), payments=PAYMENTS)
    refused("D111", "handed over as list", invoices=[A], payments=PAYMENTS)


def test_several_currencies_are_refused_unless_one_is_named():
    rows = [{**A, "currency": "EUR"}, {**B, "currency": "USD"}]
    message = refused("D103", "EUR: 1 rows, USD: 1 rows", "currency=", invoices=pd.DataFrame(rows), payments=PAYMENTS)
    assert "set the others aside" in message
    books = ledger(rows, currency="EUR")
    assert faults(books) == [("invoices", 1, "currency", "D106")]
    assert books.frame("invoices")["invoice_id"].tolist() == ["A"]


@pytest.mark.parametrize("column", ["called_number", "MSISDN", "latitude"])
def test_whom_and_where_a_customer_calls_is_never_taken_in(column: str):
    usage = pd.DataFrame([{"customer_id": "c", "used_on": "2026-03-01", "quantity": 1, column: "x"}])
    refused("D113", column, invoices=INVOICES, payments=PAYMENTS, usage=usage)
    hidden = {"usage": {column: "kind"}}
    refused("D113", column, invoices=INVOICES, payments=PAYMENTS, usage=usage, columns=hidden)


def test_strict_lists_all_faults_in_one_error():
    rows = [A, {**A}, {**B, "amount": "sixty"}, {**B, "invoice_id": "C", "due_on": "2026-03-01"}]
    message = refused(
        "D105", "3 faults in the tables", "[D104]", "[D131]", "[D139]", "1 of 4 rows", "strict=False",
        invoices=pd.DataFrame(rows), payments=PAYMENTS, strict=True,
    )  # fmt: skip
    assert message.startswith("DataError[D105]: ")
    assert message.splitlines()[1].startswith("Found: ")
    assert message.splitlines()[-1].startswith("Hint: ")
    assert len(ledger([A], [P], strict=True).faults) == 0


# -- faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("ten", "D131"), ("12,50", "D131"), ("€ 12", "D131"), ("1.234,56", "D131"), ("inf", "D131"), ("NaN", "D131"),
        ("1e999999", "D131"), (np.inf, "D131"), (1e300, "D131"), ("12.345", "D132"), (12.345, "D132"), (0.001, "D132"),
        (None, "D138"), ("", "D138"), (np.nan, "D138"),
    ],
)  # fmt: skip
def test_an_amount_that_is_none_is_a_listed_fault(amount: Any, code: str):
    books = ledger([{**A, "amount": amount}, B])
    assert faults(books) == [("invoices", 0, "amount", code)]
    assert books.frame("invoices")["invoice_id"].tolist() == ["B"]


@pytest.mark.parametrize("amount", [0.1 + 0.2, 1.10, 19.99, 123456789.01, "0.30", "1E2", " 5 ", 7])
def test_the_noise_of_binary_floats_is_no_fault(amount: Any):
    assert len(ledger([{**A, "amount": amount}]).faults) == 0


def test_decimals_are_those_of_the_currency():
    assert faults(ledger([{**A, "amount": 10.5}], currency="JPY")) == [("invoices", 0, "amount", "D132")]
    assert len(ledger([{**A, "amount": 10.125}], currency="KWD").faults) == 0


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("31/03/2026", "D133"), ("soon", "D133"), (20260331, "D133"), ("2026-02-30", "D133"), ("1066-10-14", "D137"),
        ("2999-01-01", "D137"), (None, "D138"), ("", "D138"), (pd.NaT, "D138"),
    ],
)  # fmt: skip
def test_a_day_that_is_none_is_a_listed_fault(day: Any, code: str):
    assert faults(ledger([{**A, "due_on": day}])) == [("invoices", 0, "due_on", code)]
    frame = pd.DataFrame([A, B]).assign(due_on=pd.Series([day, "2026-04-16"], dtype="object"))
    assert faults(Ledger.from_tables(invoices=frame, payments=PAYMENTS)) == [("invoices", 0, "due_on", code)]


def test_a_time_without_a_zone_among_times_with_one_is_a_fault_and_a_date_is_not():
    rows = [
        {**A, "invoice_id": "1", "issued_on": "2026-03-01T10:00:00+01:00"},
        {**A, "invoice_id": "2", "issued_on": "2026-03-01T10:00:00"},
        {**A, "invoice_id": "3", "issued_on": "2026-03-01"},
        {**A, "invoice_id": "4", "issued_on": "2026-03-01T10:00:00-05:00"},
    ]
    books = ledger(rows)
    assert faults(books) == [("invoices", 1, "issued_on", "D134")]
    assert books.frame("invoices")["issued_on"].dt.hour.tolist() == [10, 0, 16]


def test_the_same_key_twice_is_a_fault_and_the_first_row_stays():
    books = ledger([A, {**A, "amount": 5}, B])
    assert faults(books) == [("invoices", 1, "invoice_id", "D139")]
    assert books.frame("invoices")["amount"].tolist() == [100, 60]
    assert faults(ledger([A], [P, P])) == [("payments", 1, "payment_id", "D139")]
    stated = {**A, "known_at": "2026-03-02"}
    assert faults(ledger([stated, stated])) == [("invoices", 1, "invoice_id", "D139")]
    assert len(ledger([stated, {**stated, "known_at": "2026-03-03"}]).faults) == 0


def test_an_empty_event_is_settled_so_it_is_the_same_payment_twice():
    rows = [{**P, "event": "settled"}, {**P, "event": None}]
    assert faults(ledger([A], rows)) == [("payments", 1, "payment_id", "D139")]
    assert ledger([A], [{**P, "event": ""}]).frame("payments")["event"].tolist() == ["settled"]


def test_due_before_issued_is_a_fault_but_not_for_a_credit_note():
    books = ledger([{**A, "due_on": "2026-02-28"}, {**B, "amount": -60, "due_on": "2026-03-01"}])
    assert faults(books) == [("invoices", 0, "due_on", "D104")]


def test_what_lies_after_the_end_of_the_data_is_a_fault():
    books = ledger([A, B], [P, payment("q", "2026-03-30", 5)], until="2026-03-25")
    assert faults(books) == [("invoices", 1, "issued_on", "D145"), ("payments", 1, "paid_on", "D145")]
    ahead = (pd.Timestamp.now() + pd.Timedelta(days=40)).date().isoformat()
    assert faults(ledger([A], [payment("q", ahead, 5)])) == [("payments", 0, "paid_on", "D145")]
    plan = [{"customer_id": "c", "expected_due_on": ahead, "amount": 5}]
    assert len(ledger([A], schedule=plan).faults) == 0


def test_references_that_lead_nowhere_are_listed_money_is_kept_and_rows_without_a_parent_set_aside():
    books = ledger(
        [A, {**B, "customer_id": "d"}],
        [payment("p", "2026-03-20", 5, invoice_id="Z"), payment("q", "2026-03-20", 5, invoice_id="B")],
        allocations=[
            {"payment_id": "p", "invoice_id": "Z", "amount": 5, "allocated_on": "2026-03-21"},
            {"payment_id": "x", "invoice_id": "A", "amount": 5, "allocated_on": "2026-03-21"},
        ],
        invoice_events=[{"invoice_id": "Z", "happened_at": "2026-03-02", "event": "sent"}],
    )
    assert faults(books) == [
        ("allocations", 0, "invoice_id", "D153"), ("allocations", 1, "payment_id", "D154"),
        ("invoice_events", 0, "invoice_id", "D153"), ("payments", 0, "invoice_id", "D151"),
        ("payments", 1, "invoice_id", "D152"),
    ]  # fmt: skip
    assert [len(books.frame(name)) for name in ("payments", "allocations", "invoice_events")] == [2, 1, 0]
    assert placed(books) == {("p", "A"): 5, ("q", "A"): 5}


def test_a_word_outside_a_closed_vocabulary_empties_its_cell_and_an_unknown_event_sets_its_row_aside():
    books = ledger([A], [payment("p", "2026-03-20", 5, method="transfr"), payment("q", "2026-03-20", 5, event="paid")])
    assert faults(books) == [("payments", 0, "method", "D135"), ("payments", 1, "event", "D135")]
    assert "did you mean 'transfer'?; the cell is emptied" in books.faults["message"][0]
    assert books.frame("payments")["method"].isna().tolist() == [True]


def test_any_region_segment_and_channel_is_taken():
    customers = [{"customer_id": "c", "region": "Atlantis", "segment": "new", "signup_channel": "owl"}]
    assert len(ledger([A], customers=customers).faults) == 0


def test_numbers_and_truths_that_are_none_are_faults():
    usage = [{"customer_id": "c", "used_on": "2026-03-01", "quantity": value} for value in (1, "2.5", "many", np.inf)]
    assert faults(ledger([A], usage=usage)) == [("usage", 2, "quantity", "D130"), ("usage", 3, "quantity", "D130")]
    dispute = {"customer_id": "c", "opened_on": "2026-03-02", "closed_on": "2026-03-03"}
    rows = [{**dispute, "dispute_id": n, "upheld": value} for n, value in enumerate([True, "no", "1", None, "maybe"])]
    assert faults(ledger([A], disputes=rows)) == [("disputes", 4, "upheld", "D136")]


def test_tables_of_your_own_are_checked_like_the_others():
    frame = pd.DataFrame(
        {"customer_id": ["c", "c", None], "seen_on": ["2026-03-01", "x", "2026-03-01"], "pages": [1, 2, 3]}
    )
    schema = {"entity": "customer_id", "time": "seen_on", "values": {"pages": "number"}}
    books = Ledger.from_tables(invoices=INVOICES, payments=PAYMENTS, extra={"visits": (frame, schema)})
    assert faults(books) == [("visits", 1, "seen_on", "D133"), ("visits", 2, "customer_id", "D138")]
    assert books.frame("visits")["pages"].tolist() == [1]
    assert books.facts("visits").owner.tolist() == [0]


def test_one_single_customer_and_one_invoice_go_all_the_way():
    books = ledger([A], until="2026-05-01")
    obs = Outcome().observations(books)
    assert Outcome().label(books, obs).tolist() == [1]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_may_be_empty_and_every_cell_may_be_missing(name: str):
    columns = list(TABLES[name].columns)
    base = {"invoices": INVOICES, "payments": PAYMENTS}
    empty = Ledger.from_tables(**(base | {name: pd.DataFrame(columns=columns)}))
    assert len(empty.frame(name)) == 0
    blank = Ledger.from_tables(**(base | {name: pd.DataFrame([[None] * len(columns)], columns=columns)}))
    assert (name, 0) in set(zip(blank.faults["table"], blank.faults["row"], strict=True))
    assert len(blank.frame(name)) == 0


# -- nothing is lost --------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.none(),
    st.sampled_from(["", "A", "B", "c", "2026-03-05", "2026-03-05T10:00:00Z", "12", "12.345", "yes", "settled"]),
    st.sampled_from(["x", "Z" * 200, "2026-99-99", "１２"]),
    st.integers(-10, 10**12), st.floats(), st.booleans(), st.datetimes().map(pd.Timestamp),
)  # fmt: skip


@law(data=st.data(), name=st.sampled_from(sorted(TABLES)), few=20, many=60)
def test_rows_kept_and_rows_set_aside_are_the_rows_given_whatever_they_hold(data: st.DataObject, name: str):
    columns = list(TABLES[name].columns)
    rows = data.draw(st.lists(st.tuples(*[CELLS] * len(columns)), min_size=1, max_size=4))
    frame = pd.DataFrame(rows, columns=columns, dtype="object")
    if name == "invoices":
        frame["currency"] = "EUR"
    books = Ledger.from_tables(**({"invoices": INVOICES, "payments": PAYMENTS} | {name: frame}))
    kept = books.facts(name).row
    listed = books.faults.loc[books.faults["table"] == name, "row"]
    assert set(kept) | set(listed) == set(range(len(rows)))
    assert len(set(kept)) == len(kept)
    assert books.frame("balances") is not None
    assert Outcome(3, (7, 0)).observations(books) is not None


def test_a_negative_payment_is_listed_with_what_to_write_instead():
    books = ledger([A], [{"payment_id": "p", "customer_id": "c", "paid_on": "2026-02-01", "amount": -50}])
    assert books.faults["code"].tolist() == ["D156"]
    assert "event 'reversed'" in books.faults["message"][0]


def test_a_credit_note_without_a_due_day_is_due_when_issued():
    note = {**A, "invoice_id": "N", "amount": -5, "due_on": None}
    books = ledger([A, note])
    assert not len(books.faults)
    assert books.frame("invoices").set_index("invoice_id").loc["N", "due_on"] == pd.Timestamp(A["issued_on"])


@pytest.mark.parametrize(
    "options", [{"timezone": "Europe/Brussel"}, {"currency": "euro"}, {"late_after_days": -1}, {"lags": {"usage": -1}}]
)
def test_settings_that_cannot_be_are_refused(options):
    with pytest.raises(DataError, match="D107"):
        ledger([A], **options)


def test_invoice_ids_of_an_arrangement_may_be_a_list():
    agreed = [{"arrangement_id": "g", "customer_id": "c", "agreed_on": "2026-02-01", "invoice_ids": ["A", "B"]}]
    assert ledger([A], arrangements=agreed).frame("arrangements")["invoice_ids"].tolist() == ["A B"]


@pytest.mark.parametrize(("region", "too_fine"), [("9000", True), ("1012 AB", True), ("44021", True), ("BE234", False)])
def test_regions_that_look_like_postcodes_are_told_of(region: str, too_fine: bool) -> None:
    invoices = pd.DataFrame(
        {
            "invoice_id": ["a"],
            "customer_id": ["c"],
            "issued_on": ["2026-01-01"],
            "due_on": ["2026-01-15"],
            "amount": [5.0],
        }
    )
    none = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    customers = pd.DataFrame({"customer_id": ["c"], "region": [region]})
    books = Ledger.from_tables(invoices=invoices, payments=none, customers=customers)
    assert any("NUTS 3" in notice for notice in books.notices) == too_fine


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"customer_id": "c2"}, "D155"), ({"due_on": "2026-02-01"}, "D104"), ({"issued_on": "2027-01-01"}, "D104"),
        ({"currency": "USD"}, "D106"),
    ],
)  # fmt: skip
def test_a_later_version_that_is_set_aside_leaves_the_earlier_one_standing(wrong: dict[str, Any], code: str):
    later = {**A, "known_at": "2026-03-05", "currency": "EUR", **wrong}
    books = ledger([{**A, "currency": "EUR"}, later], [P], currency="EUR", until="2026-06-01")
    assert [fault[3] for fault in faults(books)] == [code]
    assert books.facts("invoices").known_until.tolist() == [FOREVER]
    observed = Outcome(lead_days=7).observations(books)
    assert observed["invoice_id"].tolist() == ["A"]


def test_an_arrangement_stays_with_the_debtor_who_made_it():
    agreed = {"arrangement_id": "r", "customer_id": A["customer_id"], "agreed_on": "2026-03-10"}
    other = {**agreed, "customer_id": "c2", "known_at": "2026-03-12", "kind": "instalments"}
    part = {"arrangement_id": "r", "number": 1, "due_on": "2026-04-01", "amount": 100.0}
    books = ledger([A], [P], arrangements=[agreed, other], instalments=[part])
    assert faults(books) == [("arrangements", 1, "customer_id", "D155")]
    alone = ledger([A], [P], arrangements=[agreed], instalments=[part])
    found, wanted = (Outcome(lead_days=7).observations(one) for one in (books, alone))
    pd.testing.assert_frame_equal(found, wanted)
