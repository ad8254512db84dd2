"""Days, bank days and the one comparison that decides what a moment may see."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from dateutil.easter import easter
from hypothesis import given
from hypothesis import strategies as st

from earlywarn.dates import FOREVER, NAT, US_PER_DAY, add_bank_days, day_end, day_start, known_after, moment, visible
from earlywarn.errors import DataError
from earlywarn.tables.ledger import Ledger

DAYS = np.arange(np.datetime64("1999-01-01"), np.datetime64("2100-01-01"))


def target_is_open(day: dt.date) -> bool:
    """TARGET closes on Saturdays, Sundays, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December."""
    fixed = {(1, 1), (5, 1), (12, 25), (12, 26)}
    return day.weekday() < 5 and (day.month, day.day) not in fixed and (day - easter(day.year)).days not in (-2, 1)


def test_bank_days_are_those_of_the_closed_form_of_easter_from_2002_to_2099() -> None:
    days = DAYS[np.datetime64("2002-01-01") <= DAYS]
    is_open = np.array([target_is_open(day.item()) for day in days])
    number = days.astype(np.int64)
    ours = add_bank_days(number, 0, from_closed_day="backward") == number
    assert days[ours != is_open].tolist() == []


@given(start=st.integers(10_957, 40_000), count=st.integers(0, 10), forward=st.booleans())
def test_adding_bank_days_is_walking_over_open_days(start: int, count: int, forward: bool) -> None:
    step = 1 if forward else -1
    day = dt.date(1970, 1, 1) + dt.timedelta(days=max(start, 11_700))
    found = add_bank_days(
        np.array([(day - dt.date(1970, 1, 1)).days]), count, from_closed_day="forward" if forward else "backward"
    )
    while not target_is_open(day):
        day += dt.timedelta(days=step)
    for _ in range(count):
        day += dt.timedelta(days=1)
        while not target_is_open(day):
            day += dt.timedelta(days=1)
    assert found.astype("M8[D]").item(0) == day


def test_returns_fall_after_three_days_of_grace_as_often_as_the_methods_page_says() -> None:
    """Over all TARGET due days 2024 to 2030, a return on TARGET day 2, 3, 4, 5: 41, 62, 100 and 100 per cent."""
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2031-01-01"))
    due = np.array([day.astype(np.int64) for day in days if target_is_open(day.item())])
    shares = [round(100 * float((add_bank_days(due, n) > due + 3).mean())) for n in (2, 3, 4, 5)]
    assert shares == [41, 62, 100, 100]


def test_a_date_is_known_at_the_close_of_its_day_and_a_moment_at_itself() -> None:
    given_at = np.array(["2026-03-06T00:00", "2026-03-06T14:30", "NaT"], "M8[us]").astype(np.int64)
    found = known_after(given_at, 0).astype("M8[us]")
    assert [str(moment_) for moment_ in found] == ["2026-03-06T23:59:59.999999", "2026-03-06T14:30:00.000000", "NaT"]


def test_a_payment_of_the_eve_of_good_friday_is_known_after_easter() -> None:
    paid = np.array(["2026-04-02", "2026-04-04"], "M8[us]").astype(np.int64)
    assert known_after(paid, 1, bank=True).astype("M8[us]").astype("M8[D]").astype(str).tolist() == ["2026-04-07"] * 2


@given(known=st.integers(-5, 5), until=st.integers(-5, 5), as_of=st.integers(-5, 5))
def test_a_fact_is_seen_strictly_after_it_is_known_and_up_to_its_replacement(
    known: int, until: int, as_of: int
) -> None:
    seen = visible(np.array([known]), np.array([until]), as_of)
    assert seen.tolist() == [known < as_of <= until]


def test_yesterday_is_seen_at_midnight_and_today_is_not() -> None:
    days = np.array(["2026-03-05", "2026-03-06"], "M8[us]").astype(np.int64)
    known = known_after(days, 0)
    assert visible(known, np.full(2, FOREVER), moment("2026-03-06")).tolist() == [True, False]


def test_missing_moments_stay_missing() -> None:
    missing = np.array([NAT])
    for found in (day_start(missing), day_end(missing), add_bank_days(missing, 3), known_after(missing, 1, bank=True)):
        assert found.tolist() == [NAT]


@given(at=st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2090, 1, 1)))
def test_a_moment_is_microseconds_since_1970(at: dt.datetime) -> None:
    wanted = round((at - dt.datetime(1970, 1, 1)) / dt.timedelta(microseconds=1))
    assert moment(at) == wanted
    assert moment(at.isoformat()) == wanted
    assert moment(pd.Timestamp(at)) == wanted


def test_aware_times_are_wall_clock_times_in_the_zone_of_the_ledger() -> None:
    """Clocks in Brussels go forward on 29 March 2026, after 01:59, and back on 25 October."""
    for aware, wall in (
        ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00"),
        ("2026-03-29T01:30:00Z", "2026-03-29T03:30:00"),
        ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00"),
        ("2026-10-25T01:30:00Z", "2026-10-25T02:30:00"),
        ("2026-06-30T22:30:00Z", "2026-07-01T00:30:00"),
    ):
        assert moment(aware, "Europe/Brussels") == moment(wall)


def test_a_ledger_reads_aware_columns_in_its_zone() -> None:
    invoices = pd.DataFrame(
        {
            "invoice_id": ["A"],
            "customer_id": ["c"],
            "issued_on": pd.to_datetime(["2026-03-28T23:30:00Z"]),
            "due_on": ["2026-04-10"],
            "amount": [1.0],
        }
    )
    payments = pd.DataFrame({"payment_id": ["p"], "customer_id": ["c"], "paid_on": ["2026-04-01"], "amount": [1.0]})
    for zone, wall in (("Europe/Brussels", "2026-03-29T00:30"), ("UTC", "2026-03-28T23:30")):
        ledger = Ledger.from_tables(invoices=invoices, payments=payments, timezone=zone)
        assert ledger.facts("invoices").happened_at.tolist() == [moment(wall)]


@pytest.mark.parametrize("what", [None, "NaT", "not a day", "31/31/2026"])
def test_what_is_no_moment_is_refused(what: object) -> None:
    with pytest.raises(DataError, match="D140"):
        moment(what)


def test_a_day_has_as_many_microseconds_as_a_day_has() -> None:
    assert dt.timedelta(days=1) / dt.timedelta(microseconds=1) == US_PER_DAY
