"""The shipped features on one customer's history, against figures worked out by hand.

Everything is dated by hand around as_of 25 March 2026: two invoices paid (5 days late, then on the day in two
parts), one unpaid since 15 February, one due in five days.
"""

from __future__ import annotations

import math

import pandas as pd
import pytest

from earlywarn.features.catalogue import FeatureSet
from earlywarn.tables.ledger import Ledger

AS_OF = pd.Timestamp("2026-03-25")

BY_HAND = {
    # paid 20 December for the 15th: +5; 15 January for the 15th: 0
    "days_beyond_terms_last1": 0.0,
    "days_beyond_terms_mean_last3": 2.5,
    "days_beyond_terms_mean_365d": 2.5,
    "days_beyond_terms_median_365d": 2.5,
    "days_beyond_terms_max_365d": 5.0,
    "days_beyond_terms_min_365d": 0.0,
    "days_beyond_terms_std_365d": math.sqrt(12.5),
    "days_beyond_terms_weighted_365d": (5 * 100 + 0 * 300) / 400,
    "days_beyond_terms_ewma_all": 0.7 * 5 + 0.3 * 0,
    "days_beyond_terms_over0_share_365d": 0.5,
    "days_beyond_terms_over5_share_all": (0 + 1) / (2 + 10),
    "payment_slope_365d": -5 / 26,
    "payment_recency_all": 16 + 28 + 25,
    "part_payments_share_365d": 0.5,
    "direct_debit_share_365d": 0.5,
    # three matured: December late, January not, February late; December's is more than 90 days back
    "late_share_90d": 1 / 2,
    "late_share_365d": 2 / 3,
    "late_share_all": (2 + 1) / (3 + 10),
    # open: 100 of February, overdue since the 15th, and 300 due 30 March
    "open_amount_now": 400.0,
    "open_count_now": 2.0,
    "overdue_amount_now": 100.0,
    "overdue_share_now": 0.25,
    "overdue_age_now": 13 + 25,
    "due_amount_14d": 300.0,
    "arrangements_broken_count_all": 1.0,
    "returns_funds_count_365d": 1.0,
    "returns_count_365d": 1.0,
    "returns_recency_all": 15 + 31 + 28 + 25,
    # the invoice itself: a Monday
    "invoice_amount_now": 300.0,
    "invoice_amount_ratio_400d": math.log(300 / 200),
    "invoice_open_share_now": 1.0,
    "invoice_terms_now": 20.0,
    "invoice_lead_now": 5.0,
    "invoice_count_90d": 3.0,
    "invoice_count_all": 4.0,
    "due_weekday_now": 0.0,
    "due_day_now": 30.0,
    "invoice_bounced_count_60d": 1.0,
    "mandate_ended_count_180d": 1.0,
    # 25 units now against 10 over half a year and 20 a year ago; 60 and 20 euros, the 20 outside the bundle
    "usage_spike_30d": math.log(25 / 10),
    "usage_change_365d": math.log(25 / 20),
    "usage_cost_ratio_30d": 80 / 200,
    "usage_outside_bundle_cost_30d": 20.0,
    "contact_reminder_count_365d": 1.0,
    "contact_inbound_count_30d": 1.0,
    "dispute_count_365d": 1.0,
    "arrears_days_now": 13.0,
    "arrears_days_mean_365d": 6.5,
    "arrears_days_max_365d": 13.0,
    "arrears_share_365d": 0.5,
    "customer_tenure_now": 366 + 365 + 31 + 28 + 24,
    # of the other customer one of two was late, of all three of five
    "region_late_share_365d": (1 + 50 * 3 / 5) / (2 + 50),
    "segment_late_share_365d": (1 + 50 * 3 / 5) / (2 + 50),
    "region_unemployment_now": 5.5,
    # too few payments: three to compare, four before the last six
    "payment_change_last3": math.nan,
    "payment_drift_all": math.nan,
}
IN_WORDS = {"customer_segment_now": "b2c", "invoice_kind_now": "settlement", "invoice_stage_now": "issued"}


def rows(columns: str, *lines: tuple[object, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(list(lines), columns=columns.split())
    for name in frame:
        if name.endswith(("_on", "_at", "_since")):
            frame[name] = pd.to_datetime(frame[name])
    return frame


def tables() -> dict[str, pd.DataFrame]:
    return {
        "customers": rows(
            "customer_id segment region customer_since",
            ("a", "b2c", "BE10", "2024-01-01"),
            ("b", "b2c", "BE10", "2025-01-01"),
        ),
        "invoices": rows(
            "invoice_id customer_id issued_on due_on amount kind",
            ("a1", "a", "2025-12-01", "2025-12-15", 100.0, "recurring"),
            ("a2", "a", "2026-01-01", "2026-01-15", 300.0, "recurring"),
            ("a3", "a", "2026-02-01", "2026-02-15", 100.0, "recurring"),
            ("a4", "a", "2026-03-10", "2026-03-30", 300.0, "settlement"),
            ("b1", "b", "2026-01-01", "2026-01-15", 80.0, "recurring"),
            ("b2", "b", "2026-02-01", "2026-02-15", 80.0, "recurring"),
        ),
        "payments": rows(
            "payment_id customer_id paid_on amount event invoice_id method reason_code",
            ("p0", "a", "2025-12-16", 100.0, "failed", "a1", "direct_debit", "AM04"),
            ("p1", "a", "2025-12-20", 100.0, "settled", "a1", "transfer", None),
            ("p2", "a", "2026-01-10", 150.0, "settled", "a2", "direct_debit", None),
            ("p3", "a", "2026-01-15", 150.0, "settled", "a2", "direct_debit", None),
            ("p4", "b", "2026-01-10", 80.0, "settled", "b1", "transfer", None),
            ("p5", "b", "2026-02-20", 80.0, "settled", "b2", "transfer", None),
        ),
        "usage": rows(
            "usage_id customer_id used_on quantity cost in_bundle",
            ("u1", "a", "2025-03-10", 20.0, 15.0, True),
            ("u2", "a", "2025-11-10", 10.0, 15.0, True),
            ("u3", "a", "2025-12-10", 10.0, 15.0, True),
            ("u4", "a", "2026-01-10", 10.0, 15.0, True),
            ("u5", "a", "2026-03-10", 30.0, 60.0, True),
            ("u6", "a", "2026-03-11", 20.0, 20.0, False),
        ),
        "contacts": rows(
            "contact_id customer_id contacted_at channel direction purpose",
            ("k1", "a", "2026-02-20", "letter", "outbound", "reminder"),
            ("k2", "a", "2026-03-20", "phone", "inbound", "service"),
        ),
        "disputes": rows("dispute_id customer_id opened_on closed_on", ("d1", "a", "2025-10-01", "2025-10-10")),
        "arrangements": rows(
            "arrangement_id customer_id agreed_on ended_on ended_as",
            ("r1", "a", "2025-09-01", "2025-11-01", "broken"),
            ("r2", "a", "2025-11-02", "2025-12-01", "kept"),
        ),
        "invoice_events": rows(
            "invoice_id happened_at event", ("a4", "2026-03-10", "sent"), ("a4", "2026-03-11", "bounced")
        ),
        "mandates": rows(
            "mandate_id customer_id event_on event",
            ("m1", "a", "2025-12-01", "signed"),
            ("m1", "a", "2026-02-01", "cancelled"),
        ),
        "arrears": rows("customer_id observed_on days_past_due", ("a", "2026-01-31", 0.0), ("a", "2026-02-28", 13.0)),
        "regions": rows(
            "region published_on metric value",
            ("BE10", "2025-06-01", "unemployment", 6.0),
            ("BE10", "2026-01-01", "unemployment", 5.5),
            ("BE10", "2026-02-01", "population", 1_249_597.0),
        ),
    }


def observation() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "obligation_id": ["a4"],
            "stage": ["issued"],
            "invoice_id": ["a4"],
            "customer_id": ["a"],
            "as_of": [AS_OF],
            "due_on": [pd.Timestamp("2026-03-30")],
            "lead_days": [5],
            "amount": [300.0],
            "open_amount": [300.0],
            "matures_at": [pd.Timestamp("2026-04-03")],
        }
    )


@pytest.fixture(scope="module")
def matrix() -> pd.DataFrame:
    ledger = Ledger.from_tables(**tables(), currency="EUR")
    assert ledger.faults.empty, ledger.faults
    return FeatureSet.default().compute(ledger, observation())


def test_every_shipped_feature_is_worked_out_by_hand(matrix: pd.DataFrame) -> None:
    assert set(matrix) == set(BY_HAND) | set(IN_WORDS)
    assert matrix.attrs["notices"] == ()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_figure_is_the_one_worked_out_by_hand(matrix: pd.DataFrame, name: str) -> None:
    assert matrix[name].iloc[0] == pytest.approx(BY_HAND[name], rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", IN_WORDS)
def test_a_category_is_the_one_in_the_tables(matrix: pd.DataFrame, name: str) -> None:
    assert matrix[name].iloc[0] == IN_WORDS[name]


def test_without_optional_tables_no_column_is_dropped_and_the_gap_is_missing() -> None:
    few = {name: frame for name, frame in tables().items() if name in ("invoices", "payments")}
    shipped = FeatureSet.default()
    matrix = shipped.compute(Ledger.from_tables(**few, currency="EUR"), observation())
    assert tuple(matrix) == shipped.names
    gone = shipped.select("usage_*", "contact_*", "dispute_*", "arrears_*", "customer_*", "region_*", "mandate_*")
    assert matrix[list(gone.names)].isna().all().all()
    assert matrix["late_share_365d"].iloc[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("table", "columns", "names"),
    [
        ("usage", ["cost", "in_bundle"], ["usage_cost_ratio_30d", "usage_outside_bundle_cost_30d"]),
        ("contacts", ["purpose"], ["contact_reminder_count_365d"]),
        ("arrangements", ["ended_on", "ended_as"], ["arrangements_broken_count_all"]),
    ],
)
def test_what_is_read_from_an_absent_column_is_missing_and_never_zero(
    table: str, columns: list[str], names: list[str]
) -> None:
    given = tables()
    given[table] = given[table].drop(columns=columns)
    ledger = Ledger.from_tables(**given, currency="EUR")
    matrix = FeatureSet.default().select(*names).compute(ledger, observation())
    assert matrix.isna().all().all()
