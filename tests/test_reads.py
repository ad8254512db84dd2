"""Days that reads of meters cover, and what features make of sparse and of daily ones, against figures by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bills import invoice, ledger
from cycles import DAY
from earlywarn.features.build import compute
from earlywarn.features.catalogue import FeatureSet
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.reads import LONGEST
from earlywarn.tables.store import LedgerStore

START = pd.Timestamp("2024-01-01")


def books(rows: list[dict[str, Any]], **options: Any) -> Ledger:
    usage = [{"usage_id": f"u{number}", "customer_id": "c", "quantity": 1.0, **row} for number, row in enumerate(rows)]
    return ledger(options.pop("invoices", []), usage=usage, **options)


def covered(read: Ledger) -> list[float | None]:
    """Days covered, in the order in which the rows were handed over; None where it cannot be told."""
    facts = read.facts("usage")
    found = np.asarray(facts.columns["days_covered"])[np.argsort(facts.row)]
    return [None if np.isnan(days) else days for days in found]


# -- one read ----------------------------------------------------------------------------------------------


def test_a_read_covers_its_days_or_those_since_the_read_before():
    on = ["2024-01-31", "2024-02-29", "2024-02-29", "2024-03-10"]
    assert covered(books([{"used_on": day} for day in on])) == [None, 29.0, 29.0, 10.0]
    stated = [None, "2024-02-01", None, "2024-03-10"]
    assert covered(books([{"used_on": day, "used_from": since} for day, since in zip(on, stated, strict=True)])) == [
        None, 29.0, 29.0, 1.0,
    ]  # fmt: skip


def test_contracts_and_kinds_are_read_apart():
    rows = [("k1", "gas", "01-10"), ("k1", "power", "01-12"), ("k2", "gas", "01-14"), ("k1", "gas", "02-10"),
            (None, "gas", "02-12"), ("k1", "power", "02-13")]  # fmt: skip
    found = covered(books([{"contract_id": k, "kind": kind, "used_on": f"2024-{day}"} for k, kind, day in rows]))
    assert found == [None, None, None, 31.0, None, 32.0]


def test_a_read_more_than_400_days_after_the_one_before_covers_nobody_knows_what():
    days = [START, START + LONGEST * DAY, START + (2 * LONGEST + 1) * DAY]
    assert covered(books([{"used_on": day} for day in days])) == [None, float(LONGEST), None]


def test_a_stated_number_of_days_is_kept_and_it_is_no_column_that_was_handed_over():
    rows = [{"used_on": "2024-01-31", "days_covered": 7.0}, {"used_on": "2024-02-29", "days_covered": None}]
    assert covered(books(rows)) == [7.0, None]
    plain = books([{"used_on": "2024-01-31"}])
    assert "days_covered" in plain.facts("usage").columns
    assert "days_covered" not in plain.frame("usage")


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_it_is_what_a_reader_counts_and_what_was_known_then(seed: int):
    """Late reads, corrections that move a day, reads on one day: looked up row by row, and on cut books."""
    rows = random_reads(np.random.default_rng(seed))
    read = ledger([], usage=rows, until="2028-01-01")
    found = covered(read)
    for row, days in zip(rows, found, strict=True):
        assert days == by_reading(rows, row)
    cut_at = START + int(np.random.default_rng(seed).integers(1, 400)) * DAY
    facts, cut = read.facts("usage"), read.known_before(cut_at).facts("usage")
    then = dict(zip(cut.row, cut.columns["days_covered"], strict=True))
    for row, days in zip(facts.row, facts.columns["days_covered"], strict=True):
        assert row not in then or np.isnan([then[row], days]).all() or then[row] == days


def random_reads(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for number in range(int(rng.integers(1, 30))):
        used = START + int(rng.integers(0, 60)) * int(rng.integers(1, 16)) * DAY
        row = {"usage_id": f"u{number}", "customer_id": str(rng.choice(["a", "b"])), "used_on": used, "quantity": 1.0,
               "kind": rng.choice(["gas", None]), "known_at": used + int(rng.choice([1, 1, 2, 40, 300])) * DAY,
               "used_from": used - int(rng.integers(0, 9)) * DAY if rng.random() < 0.2 else None}  # fmt: skip
        rows.append(row)
        if rng.random() < 0.3:
            moved = used + int(rng.integers(-9, 9)) * DAY
            rows.append({**row, "used_on": moved, "known_at": row["known_at"] + int(rng.integers(1, 60)) * DAY})
    return rows


def by_reading(rows: list[dict[str, Any]], read: dict[str, Any]) -> float | None:
    if read["used_from"] is not None and read["used_from"] <= read["used_on"]:
        return float((read["used_on"] - read["used_from"]) / DAY + 1)
    before = []
    for other in rows:
        newer = [row["known_at"] for row in rows if row["usage_id"] == other["usage_id"]]
        replaced = any(other["known_at"] < known <= read["known_at"] for known in newer)
        same = all(other[name] == read[name] for name in ("customer_id", "kind"))
        if same and other["known_at"] <= read["known_at"] and not replaced:
            before.append((read["used_on"] - other["used_on"]) / DAY)
    return min((days for days in before if 0 < days <= LONGEST), default=None)


# -- features of sparse and of daily reads -----------------------------------------------------------------

AS_OF = pd.Timestamp("2026-03-25")
SHIPPED = FeatureSet.default()
DAILY = (
    "usage_spike_30d", "usage_change_365d", "usage_cost_ratio_30d", "usage_spike_7d", "usage_peak_30d",
    "usage_trend_180d", "usage_volatility_180d", "usage_cost_spike_30d",
)  # fmt: skip
PERIOD = ("usage_period_change_90d", "usage_period_ratio_400d")


def energy_and_telecom(*, stated: bool) -> dict[str, list[dict[str, Any]]]:
    """A meter read on the first of each month, one read about yearly, and daily use; with what each read covers."""
    months = pd.date_range("2024-01-01", "2026-03-01", freq="MS")
    per_day = np.where(months > "2026-01-01", 6.0, 4.0)  # of the month that ends with the read
    lengths = np.diff(months) / DAY
    years = ["2023-02-10", "2024-02-10", "2025-02-20", "2026-02-15"]
    reads = {
        "monthly": zip(months, [99.0, *per_day[1:] * lengths], strict=True),
        "yearly": zip(pd.to_datetime(years), [99.0, 3650.0, 3760.0, 5400.0], strict=True),
        "daily": ((day, 2.0) for day in pd.date_range("2025-01-01", "2026-03-23")),
    }
    rows: list[dict[str, Any]] = []
    for who, own in reads.items():
        before = None
        for on, quantity in own:
            row = {"usage_id": f"{who}{on}", "customer_id": who, "used_on": on, "quantity": quantity, "cost": 1.0}
            rows.append({**row, "used_from": before + DAY} if stated and before is not None else row)
            before = on
    bills = [invoice(f"{who}-bill", "2026-03-01", "2026-04-01", 50.0, customer_id=who) for who in reads]
    return {"usage": rows, "invoices": bills}


OBS = pd.DataFrame({"customer_id": ["daily", "monthly", "yearly"], "as_of": AS_OF})


def matrix_of(books: Any) -> pd.DataFrame:
    return SHIPPED.select("usage_*").compute(books, OBS).set_axis(OBS["customer_id"])


@pytest.mark.parametrize("stated", [True, False], ids=["used_from", "used_on alone"])
def test_features_of_daily_use_are_missing_where_reads_are_sparse_and_those_of_periods_stand_in(stated: bool):
    found = matrix_of(ledger(**energy_and_telecom(stated=stated)))
    assert found.loc["daily", list(DAILY)].notna().all()
    assert found.loc[["monthly", "yearly"], list(DAILY)].isna().all().all()
    assert found.attrs["notices"][-1].startswith("2 of 3 customers have sparse meter reads (usually more than 3 days")
    # within 90 days the reads of January, February and March, of 31, 31 and 28 days; a year before always 4 a day
    assert found.loc["monthly", PERIOD[0]] == pytest.approx(np.log((31 * 4 + 31 * 6 + 28 * 6) / 90 / 4), rel=1e-5)
    # 400 days back is 18 February 2025: two reads, of 376 and 360 days; before that one of 365
    yearly = [(5400 / 360) / (3760 / 376), ((5400 + 3760) / (360 + 376)) / (3650 / 365)]
    assert found.loc["yearly", list(PERIOD)].tolist() == pytest.approx(np.log(yearly).tolist(), rel=1e-5)
    assert found.loc["daily", PERIOD[0]] == pytest.approx(0.0, abs=1e-6)


def test_the_same_use_in_every_winter_is_no_rise():
    months = pd.date_range("2023-01-01", "2026-03-01", freq="MS")
    per_day = np.where(months.month.isin([1, 2, 3, 4]), 12.0, 1.0)  # read on the first, for the month before
    reads = [
        {"usage_id": f"u{on}", "customer_id": "gas", "used_on": on, "quantity": use * (on - before) / DAY}
        for before, on, use in zip(months, months[1:], per_day[1:], strict=False)
    ]
    bills = [invoice("b", "2026-03-01", "2026-04-01", 50.0, customer_id="gas")]
    obs = pd.DataFrame({"customer_id": ["gas"], "as_of": AS_OF})
    found = SHIPPED.select("usage_period_change_90d").compute(ledger(usage=reads, invoices=bills), obs)
    assert found.iloc[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_one_customer_alone_a_store_and_the_plain_engine_say_the_same(tmp_path: Path):
    given = energy_and_telecom(stated=False)
    whole = matrix_of(ledger(**given))
    by_pairs = compute(SHIPPED.select("usage_*"), ledger(**given), OBS, compiled=False)
    pd.testing.assert_frame_equal(by_pairs.set_axis(OBS["customer_id"]), whole)
    tables = {name: pd.DataFrame(rows) for name, rows in given.items()}
    none = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    store = LedgerStore.write(tmp_path / "store", **tables, payments=none, buckets=8)
    assert len({int(number) for number in store.bucket_of(pd.Series(whole.index))}) > 1
    stored = matrix_of(store)
    pd.testing.assert_frame_equal(stored, whole)
    assert stored.attrs["notices"] == whole.attrs["notices"]
    for who in whole.index:
        own = {name: [row for row in rows if row["customer_id"] == who] for name, rows in given.items()}
        alone = matrix_of(ledger(**own))
        pd.testing.assert_series_equal(alone.loc[who], whole.loc[who])


def test_who_changes_to_a_meter_that_is_read_daily_is_looked_at_daily_once_most_reads_are():
    yearly = [{"used_on": f"{year}-02-10"} for year in (2023, 2024, 2025)]
    daily = [{"used_on": day} for day in pd.date_range("2025-02-11", periods=30)]
    features = SHIPPED.select("usage_volatility_180d")
    read = books(yearly + daily, invoices=[invoice("I", "2025-02-01", "2025-03-01", 9.0)], until="2025-04-01")
    seen = [features.compute(read, pd.DataFrame({"customer_id": ["c"], "as_of": [pd.Timestamp(day)]}))
            for day in ("2025-02-12", "2025-02-13", "2025-02-14", "2025-03-10")]  # fmt: skip
    # known a day later: by the 12th the yearly reads alone, by the 13th one of a day beside two of a year
    assert [matrix.isna().iloc[0, 0] for matrix in seen] == [True, True, True, False]
    assert [len(matrix.attrs["notices"]) for matrix in seen] == [1, 1, 1, 0]
