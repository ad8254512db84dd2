"""The shipped features on three customers' histories, against figures worked out by hand.

Everything is dated by hand around as_of 25 March 2026. Customer a: two invoices paid (5 days late, then on the
day in two parts), one unpaid since 15 February, one due in five days. Customer d: a year of monthly advances
and a final bill due on the Saturday before Easter. Customer e: collections that came back.
"""

from __future__ import annotations

import math
import statistics

import numpy as np
import pandas as pd
import pytest

from earlywarn.features.catalogue import FeatureSet
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import TABLES

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
    "invoice_amount_ratio_400d": math.log(300 / 100),
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
    "contact_inbound_count_30d": 1.0,
    "dispute_count_365d": 2.0,
    "arrears_days_now": 13.0,
    "arrears_days_mean_365d": 6.5,
    "arrears_days_max_365d": 13.0,
    "arrears_share_365d": 0.5,
    "arrears_streak_730d": 1.0,
    "arrears_days_change_now": 13.0,
    "customer_tenure_now": 366 + 365 + 31 + 28 + 24,
    # of the other customer, alone in region, segment and campaign, one of two was late
    "region_late_share_365d": 1 / 2,
    "segment_late_share_365d": 1 / 2,
    "campaign_late_share_365d": 1 / 2,
    "region_unemployment_now": 5.5,
    # too few payments: three to compare, four before the last six, none of the last 30 days
    "payment_change_last3": math.nan,
    "payment_drift_all": math.nan,
    "payment_change_30d": math.nan,
    "payment_spread_change_last6": math.nan,
    "payment_methods_count_365d": 2.0,
    "round_payments_share_365d": 1.0,
    # the same three matured: December and February late, 100 each of 500
    "days_beyond_terms_over30_share_all": (0 + 0.5) / (2 + 10),
    "late_count_last3": 2.0,
    "late_streak_730d": 1.0,
    "late_amount_share_365d": 200 / 500,
    "on_time_days_all": 10 + 24,
    "first_bill_late_all": 1.0,
    # against a median bill of 200; a month ago the 100 of February stood open and overdue
    "overdue_count_now": 1.0,
    "overdue_bills_400d": 100 / 200,
    "open_bills_400d": 400 / 200,
    "overdue_amount_change_30d": 100.0 - 100.0,
    "open_amount_change_30d": 400.0 - 100.0,
    "due_bills_14d": 300 / 200,
    "arrangements_kept_share_all": 1 / 2,
    # 300 against 100, 300 and 100: a settlement, so no shock; it bills a year where others bill 30, 31 and 31 days
    "bill_shock_400d": 0.0,
    "bill_excess_400d": 300.0 - 100.0,
    "bill_kind_ratio_400d": math.nan,
    "bill_change_395d": math.nan,
    "bill_first_now": 0.0,
    "bill_period_ratio_400d": 365 / 31,
    "bill_device_share_90d": 60 / (240 + 60),
    "bill_discount_ended_120d": 1.0,
    "advance_gap_365d": math.nan,
    "advance_change_365d": math.nan,
    "final_bill_now": 0.0,
    "autopay_now": 0.0,
    # 30 March 2026 is a Monday; paid on Saturday 20, Saturday 10 and Thursday 15; Tuesday 16 failed
    "due_to_bank_day_now": 0.0,
    "due_holidays_count_now": 0.0,
    "due_month_end_now": 1.0,
    "due_peak_month_now": 0.0,
    "due_to_paying_weekday_last12": 3.0,
    "due_to_paying_day_last12": min(20 + 1, 10 + 1, 15 + 1),
    "due_before_payday_last12": statistics.median([20 - 30, 10 + 31 - 30, 15 - 30]),
    "due_week_count_90d": 1.0,
    # one direct debit of December failed, two of January did not, one of these at the second attempt
    "returns_account_count_365d": 0.0,
    "returns_mandate_count_365d": 0.0,
    "returns_customer_count_365d": 0.0,
    "returns_technical_count_365d": 0.0,
    "returns_share_365d": 1 / 3,
    "returns_retry_share_365d": 1.0,
    "returns_streak_400d": 0.0,
    "returns_attempt_last1": 1.0,
    "returns_unsolved_365d": 0.0,
    "mandate_changed_count_60d": 0.0,
    "payer_account_new_60d": 0.0,
    "direct_debit_left_last1": 0.0,
    # February's invoice was viewed, January's approved; the last one neither
    "invoice_unviewed_60d": 1.0,
    "invoice_viewed_share_365d": 0.5,
    "invoice_unapproved_365d": 1.0,
    "invoice_rejected_count_365d": 1.0,
    "invoice_due_moved_count_365d": 1.0,
    "contact_undelivered_count_180d": 1.0,
    # three contracts: of 2024, of 5 March, and one that was given notice on 1 February
    "contract_newest_age_now": 20.0,
    "contract_new_count_now": 1.0,
    "contract_notice_count_now": 1.0,
    # the price of the first was fixed until 15 February, that of the third was renewed until June
    "contract_price_ended_count_now": 1.0,
    "contract_price_left_now": 68.0,
    "contact_moved_count_180d": 1.0,
    "contact_question_count_60d": 2.0,
    "contact_means_count_180d": 1.0,
    "contact_too_high_count_180d": 1.0,
    "contact_outbound_count_30d": 1.0,
    "promise_pending_count_60d": 1.0,
    "satisfaction_score_365d": 4.0,
    "notice_to_payment_365d": (8 + 25) - (16 + 28 + 25),
    "bill_corrected_count_180d": 0.0,
    "dispute_open_count_now": 1.0,
    "dispute_upheld_count_365d": 1.0,
    "own_error_count_180d": 1.0,
    "outage_count_60d": 1.0,
    # 10, 10 and 10 units, then 30 and 20
    "usage_spike_7d": math.nan,
    "usage_peak_30d": math.log(30 / 10),
    "usage_trend_180d": float(np.polyfit([-135, -105, -74, -15, -14], [10, 10, 10, 30, 20], 1)[0]) / 16,
    "usage_volatility_180d": math.sqrt((36 + 36 + 36 + 196 + 16) / 4) / 16,
    "usage_recency_all": 14.0,
    "usage_cost_spike_30d": math.log(40 / 15),
    "usage_unit_cost_change_30d": math.log((80 / 50) / (45 / 30)),
    "usage_outside_bundle_count_30d": 1.0,
    "usage_outside_bundle_share_30d": 20 / 80,
    "usage_estimated_share_400d": 1 / 6,
    # each read covers one day: 10, 30 and 20 units against the 20 of 10 March 2025; nothing was read before
    "usage_period_change_90d": math.log((60 / 3) / (20 / 1)),
    "usage_period_ratio_400d": math.nan,
    # an invoice is no running period
    "bill_projected_now": math.nan,
    "bill_projected_spread_now": math.nan,
}
IN_WORDS = {
    "customer_segment_now": "b2c",
    "invoice_kind_now": "settlement",
    "invoice_stage_now": "issued",
    "invoice_channel_last1": "email",
    "returns_cause_last1": "funds",
}
#: What the first customer's history is too short or too calm for.
YEAR_OF_ADVANCES = {
    # thirteen advances paid 0, 1, 0, 1, 0, 1, 0 | 1, 0, 5 | 6, 7 and 3 days after the 15th
    "payment_change_last3": (6 + 7 + 3) / 3 - (0 + 1 + 0 + 1 + 0 + 1 + 0 + 1 + 0 + 5) / 10,
    "payment_spread_change_last6": statistics.stdev([1, 0, 5, 6, 7, 3]) - statistics.stdev([0, 1, 0, 1, 0, 1, 0]),
    # paid 22 February and 18 March: within 30 days the last one only; the first lies more than a year back
    "payment_change_30d": 3 - (1 + 0 + 1 + 0 + 1 + 0 + 1 + 0 + 5 + 6 + 7) / 11,
    "direct_debit_left_last1": 1.0,
    "payment_methods_count_365d": 2.0,
    "bill_change_395d": math.log(130 / 50),
    "bill_shock_400d": 1.0,
    "advance_gap_365d": 51 * 20 - (11 * 50 + 40),
    "advance_change_365d": math.log(40 / 50),
    "final_bill_now": 1.0,
    "usage_spike_7d": math.log(30 / 10),
    # 51 reads of one day each within 400 days, one of 5 units before
    "usage_period_ratio_400d": math.log(((50 * 10 + 30) / 51) / 5),
    # Saturday 4 April 2026: banks open on Tuesday the 7th; Easter Monday is within three days, Good Friday is none here
    "due_to_bank_day_now": 3.0,
    "due_holidays_count_now": 1.0,
    "due_month_end_now": 26.0,
    "late_count_last3": 2.0,
}
RETURNS = {
    "returns_account_count_365d": 1.0,
    "returns_mandate_count_365d": 1.0,
    "returns_customer_count_365d": 1.0,
    "returns_technical_count_365d": 1.0,
    "returns_share_365d": 4 / 5,
    "returns_retry_share_365d": 1 / 2,
    "returns_streak_400d": 3.0,  # one came back, was tried again and paid; then a refund and two failures
    "returns_attempt_last1": 2.0,
    "returns_unsolved_365d": 1.0,
    "mandate_changed_count_60d": 1.0,
    "payer_account_new_60d": 1.0,
    # two corrections, of 50 and now of 75
    "bill_corrected_count_180d": 2.0,
    "bill_kind_ratio_400d": math.log(75 / 50),
    "bill_shock_400d": 1.0,
    "autopay_now": 1.0,
    "due_peak_month_now": 0.0,
}
#: A running period of that customer, at 80 between 60 and 100.
RUNNING = {"bill_projected_now": 80.0, "bill_projected_spread_now": (100 - 60) / 80}
MORE = {"d": YEAR_OF_ADVANCES, "e": RETURNS, "running": RUNNING}


def rows(columns: str, *lines: tuple[object, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(list(lines), columns=columns.split())
    for name in frame:
        if name.endswith(("_on", "_at", "_since", "_from", "_to")):
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
            "invoice_id customer_id issued_on due_on amount kind period_from period_to collect_by",
            ("a1", "a", "2025-12-01", "2025-12-15", 100.0, "recurring", "2025-11-01", "2025-11-30", "direct_debit"),
            ("a2", "a", "2026-01-01", "2026-01-15", 300.0, "recurring", "2025-12-01", "2025-12-31", "direct_debit"),
            ("a3", "a", "2026-02-01", "2026-02-15", 100.0, "recurring", "2026-01-01", "2026-01-31", "transfer"),
            ("a4", "a", "2026-03-10", "2026-03-30", 300.0, "settlement", "2025-03-01", "2026-02-28", "transfer"),
            ("b1", "b", "2026-01-01", "2026-01-15", 80.0, "recurring", None, None, None),
            ("b2", "b", "2026-02-01", "2026-02-15", 80.0, "recurring", None, None, None),
        ),
        "invoice_lines": rows(
            "invoice_id line_id kind amount",
            ("a3", "1", "recurring", 110.0),
            ("a3", "2", "discount", -10.0),
            ("a4", "1", "recurring", 240.0),
            ("a4", "2", "device", 60.0),
        ),
        "contracts": rows(
            "contract_id account_id starts_on notice_on campaign valid_from price_until",
            ("c1", "a", "2024-01-01", None, "spring", "2024-01-01", "2026-02-15"),
            ("c2", "a", "2026-03-05", None, "spring", "2026-03-05", "2027-03-05"),
            ("c3", "a", "2025-06-01", "2026-02-01", "spring", "2025-06-01", "2026-02-01"),
            ("c3", "a", "2025-06-01", "2026-02-01", "spring", "2026-02-01", "2026-06-01"),
            ("c4", "b", "2025-01-01", None, "spring", "2025-01-01", "2026-02-15"),
        ),
        "payments": rows(
            "payment_id customer_id paid_on amount event invoice_id method reason_code attempt payer_key",
            ("p0", "a", "2025-12-16", 100.0, "failed", "a1", "direct_debit", "AM04", 1, "k1"),
            ("p1", "a", "2025-12-20", 100.0, "settled", "a1", "transfer", None, None, "k1"),
            ("p2", "a", "2026-01-10", 150.0, "settled", "a2", "direct_debit", None, 2, "k1"),
            ("p3", "a", "2026-01-15", 150.0, "settled", "a2", "direct_debit", None, 1, "k1"),
            ("p4", "b", "2026-01-10", 80.0, "settled", "b1", "transfer", None, None, "k9"),
            ("p5", "b", "2026-02-20", 80.0, "settled", "b2", "transfer", None, None, "k9"),
        ).assign(kind="payment"),
        "usage": rows(
            "usage_id customer_id used_on quantity cost in_bundle read",
            ("u1", "a", "2025-03-10", 20.0, 15.0, True, "actual"),
            ("u2", "a", "2025-11-10", 10.0, 15.0, True, "estimated"),
            ("u3", "a", "2025-12-10", 10.0, 15.0, True, "actual"),
            ("u4", "a", "2026-01-10", 10.0, 15.0, True, "actual"),
            ("u5", "a", "2026-03-10", 30.0, 60.0, True, "actual"),
            ("u6", "a", "2026-03-11", 20.0, 20.0, False, "actual"),
        ).assign(used_from=lambda reads: reads["used_on"]),
        "contacts": rows(
            "contact_id customer_id contacted_at channel direction purpose topic stated_reason outcome_at promised_on"
            " satisfaction rated_on",
            ("k1", "a", "2026-02-20", "letter", "outbound", "reminder", None, None, None, None, None, None),
            (
                "k2",
                "a",
                "2026-03-20",
                "phone",
                "inbound",
                "service",
                "bill",
                None,
                "2026-03-20",
                "2026-03-28",
                4.0,
                "2026-03-21",
            ),
            *(
                (f"k{number}", "a", at, "phone", "inbound", "service", topic, said, at, None, None, None)
                for number, at, topic, said in (
                    (3, "2026-02-10", "payment", "income_drop"),
                    (4, "2026-02-12", "outage", "bill_too_high"),
                    (5, "2025-12-10", "other", "did_not_receive"),
                    (6, "2026-01-05", "other", "organisation_error"),
                    (7, "2025-11-20", "other", "moved"),
                )
            ),
            ("k8", "a", "2026-03-10", "app", "outbound", "commercial", None, None, None, None, None, None),
        ),
        "disputes": rows(
            "dispute_id customer_id opened_on closed_on upheld",
            ("d1", "a", "2025-10-01", "2025-10-10", True),
            ("d2", "a", "2026-03-20", None, None),
        ),
        "arrangements": rows(
            "arrangement_id customer_id agreed_on ended_on ended_as",
            ("r1", "a", "2025-09-01", "2025-11-01", "broken"),
            ("r2", "a", "2025-11-02", "2025-12-01", "kept"),
        ),
        "invoice_events": rows(
            "invoice_id happened_at event due_on channel",
            ("a1", "2025-12-02", "rejected", None, None),
            ("a1", "2025-12-03", "due_changed", "2025-12-15", None),
            ("a2", "2026-01-02", "sent", None, "email"),
            ("a2", "2026-01-03", "approved", None, None),
            ("a3", "2026-02-02", "sent", None, "email"),
            ("a3", "2026-02-03", "viewed", None, None),
            ("a4", "2026-03-10", "sent", None, "email"),
            ("a4", "2026-03-11", "bounced", None, "email"),
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


def more_tables() -> dict[str, pd.DataFrame]:
    """Customer d's advances and usage, customer e's collections."""
    months = pd.date_range("2025-02-01", "2026-03-01", freq="MS")
    late = [0, 1, 0, 1, 0, 1, 0, 1, 0, 5, 6, 7, 3]
    advances = [
        (f"d{k}", "d", first, first + pd.Timedelta(days=14), 40.0 if k == 13 else 50.0, "advance", None)
        for k, first in enumerate(months)
    ]
    paid = [
        (f"q{k}", "d", row[3] + pd.Timedelta(days=days), row[4], "settled", row[0],
         "transfer" if k == 13 else "direct_debit", None, 1, "k1")
        for k, (row, days) in enumerate(zip(advances[1:], late, strict=True), start=1)
    ]  # fmt: skip
    return {
        "invoices": rows(
            "invoice_id customer_id issued_on due_on amount kind collect_by",
            *advances[1:],
            ("d99", "d", "2026-03-10", "2026-04-04", 130.0, "final", None),
            ("e1", "e", "2025-10-05", "2025-10-20", 50.0, "correction", "direct_debit"),
            ("e2", "e", "2026-01-05", "2026-04-10", 75.0, "correction", "direct_debit"),
        ),
        "payments": rows(
            "payment_id customer_id paid_on amount event invoice_id method reason_code attempt payer_key",
            *paid,
            ("r1", "e", "2025-10-20", 50.0, "settled", "e1", "direct_debit", None, 1, "k1"),
            ("r1", "e", "2025-10-23", 50.0, "returned", "e1", "direct_debit", "AC01", 1, "k1"),
            ("r1", "e", "2025-11-03", 50.0, "settled", "e1", "direct_debit", None, 2, "k1"),
            ("r2", "e", "2025-11-10", 50.0, "settled", None, "direct_debit", None, 1, "k1"),
            ("r2", "e", "2025-11-20", 50.0, "refunded", None, "direct_debit", "MD06", 1, "k1"),
            ("r3", "e", "2026-01-20", 50.0, "failed", "e2", "direct_debit", "MD01", 1, "k1"),
            ("r4", "e", "2026-01-25", 50.0, "failed", "e2", "direct_debit", "AC03", 2, "k1"),
            ("r5", "e", "2026-03-01", 20.0, "settled", "e2", "transfer", None, None, "k2"),
        ),
        "usage": rows(
            "usage_id customer_id used_on quantity cost",
            *((f"u{k}", "d", AS_OF - pd.Timedelta(days=7 * k + 2), 10.0 if k else 30.0, 20.0) for k in range(51)),
            ("u99", "d", AS_OF - pd.Timedelta(days=420), 5.0, 20.0),
        ).assign(used_from=lambda reads: reads["used_on"]),
        "mandates": rows("mandate_id customer_id event_on event", ("m2", "e", "2026-03-01", "changed")),
    }


def observation(
    *, customer: str = "a", invoice: str = "a4", due: str = "2026-03-30", amount: float = 300.0
) -> pd.DataFrame:
    due_on = pd.Timestamp(due)
    return pd.DataFrame(
        {
            "obligation_id": [invoice],
            "stage": ["issued"],
            "invoice_id": [invoice],
            "customer_id": [customer],
            "as_of": [AS_OF],
            "due_on": [due_on],
            "lead_days": [(due_on - AS_OF).days],
            "amount": [amount],
            "open_amount": [amount],
            "matures_at": [due_on + pd.Timedelta(days=4)],
            "due_is_estimated": [False],
            "amount_low": [math.nan],
            "amount_high": [math.nan],
        }
    )


@pytest.fixture(scope="module")
def matrix() -> pd.DataFrame:
    ledger = Ledger.from_tables(**tables(), currency="EUR", country="BE")
    assert ledger.faults.empty, ledger.faults
    return FeatureSet.default().compute(ledger, observation())


@pytest.fixture(scope="module")
def more() -> dict[str, pd.Series]:
    ledger = Ledger.from_tables(**more_tables(), currency="EUR", country="BE")
    assert ledger.faults.empty, ledger.faults
    seen = {
        "d": observation(customer="d", invoice="d99", due="2026-04-04", amount=130.0),
        "e": observation(customer="e", invoice="e2", due="2026-04-10", amount=75.0),
        "running": observation(customer="e", invoice="e2", due="2026-05-10", amount=80.0).assign(
            stage="cycle", invoice_id=None, due_is_estimated=True, amount_low=60.0, amount_high=100.0
        ),
    }
    return {customer: FeatureSet.default().compute(ledger, obs).iloc[0] for customer, obs in seen.items()}


def test_every_shipped_feature_is_worked_out_by_hand(matrix: pd.DataFrame) -> None:
    assert set(matrix) == set(BY_HAND) | set(IN_WORDS)
    assert matrix.attrs["notices"] == ()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_figure_is_the_one_worked_out_by_hand(matrix: pd.DataFrame, name: str) -> None:
    assert matrix[name].iloc[0] == pytest.approx(BY_HAND[name], rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("customer", "name"),
    [(customer, name) for customer, figures in MORE.items() for name in figures],
)
def test_a_figure_of_a_longer_history_is_the_one_worked_out_by_hand(
    more: dict[str, pd.Series], customer: str, name: str
) -> None:
    assert more[customer][name] == pytest.approx(MORE[customer][name], rel=1e-5)


def test_who_was_never_late_is_on_time_since_the_first_due_day() -> None:
    given = {name: tables()[name] for name in ("invoices", "payments")}
    given["payments"] = rows(
        "payment_id customer_id paid_on amount invoice_id",
        ("p1", "a", "2025-12-15", 100.0, "a1"),
        ("p2", "a", "2026-01-15", 300.0, "a2"),
        ("p3", "a", "2026-02-15", 100.0, "a3"),
    )
    matrix = FeatureSet.default().select("on_time_days_all").compute(Ledger.from_tables(**given), observation())
    assert matrix["on_time_days_all"].iloc[0] == 16 + 31 + 28 + 25


PAYING_DAYS = (
    "due_to_paying_day_last12",
    "due_to_paying_weekday_last12",
    "due_before_payday_last12",
    "round_payments_share_365d",
    "payer_account_new_60d",
)


@pytest.mark.parametrize(
    ("absent", "by_hand"),
    [
        # paid on Wednesday the 10th and Sunday the 1st, which is the day after the due day, Thursday 30 April
        ([], (1, 3, (11 + 2) / 2, 0, 0)),
        # the write-off of Friday 30 January counts as a payment
        (["kind"], (0, 1, 2, 1 / 3, 1)),
        # the collection that failed on Thursday 19 March does
        (["event"], (1, 0, 2, 1 / 3, 1)),
        (["event", "kind"], (0, 0, (2 + 0) / 2, 2 / 4, 1)),
    ],
)
def test_only_what_settled_and_is_a_payment_has_a_paying_day(absent: list[str], by_hand: tuple[float, ...]) -> None:
    """An empty cell means settled, and a payment; so does a column that was not handed over."""
    given = {
        "invoices": rows(
            "invoice_id customer_id issued_on due_on amount", ("x", "a", "2026-03-20", "2026-04-30", 90.0)
        ),
        "payments": rows(
            "payment_id customer_id paid_on amount event kind payer_key",
            ("p1", "a", "2025-12-10", 55.0, None, "payment", "k1"),
            ("p2", "a", "2026-03-01", 55.0, "settled", None, "k1"),
            ("p3", "a", "2026-01-30", 20.0, "settled", "write_off", "k2"),
            ("p4", "a", "2026-03-19", 60.0, "failed", "payment", "k3"),
        ).drop(columns=absent),
    }
    seen = observation(invoice="x", due="2026-04-30", amount=90.0)
    matrix = FeatureSet.default().select(*PAYING_DAYS).compute(Ledger.from_tables(**given, currency="EUR"), seen)
    assert matrix[list(PAYING_DAYS)].iloc[0].tolist() == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("kind", "invoice", "shock", "usual"),
    [
        ("recurring", "y", 1.0, 100.0),
        ("settlement", "y", 0.0, 100.0),
        (None, "y", 1.0, 100.0),
        # a running period is no bill yet: all bills are others
        ("recurring", None, 0.0, 130.0),
    ],
)
def test_a_bill_is_held_against_the_others(kind: str | None, invoice: str | None, shock: float, usual: float) -> None:
    given = {
        "invoices": rows(
            "invoice_id customer_id issued_on due_on amount kind",
            ("x", "a", "2026-01-20", "2026-02-10", 100.0, "recurring"),
            ("y", "a", "2026-03-20", "2026-04-10", 160.0, kind),
        ),
        "payments": rows("payment_id customer_id paid_on amount", ("p1", "a", "2026-02-10", 100.0)),
    }
    seen = observation(invoice="y", due="2026-04-10", amount=160.0).assign(invoice_id=invoice)
    for frame in (given["invoices"], given["invoices"].drop(columns="kind")):
        ledger = Ledger.from_tables(invoices=frame, payments=given["payments"])
        row = FeatureSet.default().select("bill_*_400d", "invoice_amount_ratio_400d").compute(ledger, seen).iloc[0]
        assert row["bill_shock_400d"] == (shock if "kind" in frame else float(invoice is not None))
        assert row["bill_excess_400d"] == 160.0 - usual
        assert row["invoice_amount_ratio_400d"] == pytest.approx(math.log(160 / usual), rel=1e-6)


def test_a_share_of_a_bill_is_never_more_than_the_bill() -> None:
    given = tables()
    given["invoice_lines"] = rows(
        "invoice_id line_id kind amount", ("a4", "1", "device", 60.0), ("a4", "2", "discount", -10.0)
    )
    matrix = FeatureSet.default().select("bill_device_share_90d").compute(Ledger.from_tables(**given), observation())
    assert matrix["bill_device_share_90d"].iloc[0] == 1.0


def test_the_drift_is_the_weighted_mean_of_clipped_distances_from_the_habit(more: dict[str, pd.Series]) -> None:
    """Baseline 0, 1, 0, 1, 0, 1, 0: median 0, MAD 0; the spread is that of the pool, 7 days, as if of 4 payments."""
    spread = math.sqrt((7 * 0 + 4 * 7**2) / (7 + 4))
    z = [min(3.0, days / spread) for days in (1, 0, 5, 6, 7, 3)]
    smoothed = z[0]
    for one in z[1:]:
        smoothed = 0.3 * one + 0.7 * smoothed
    assert more["d"]["payment_drift_all"] == pytest.approx(smoothed, rel=1e-6)


def test_every_shipped_figure_has_a_case_that_is_not_missing(more: dict[str, pd.Series]) -> None:
    missing = {name for name, figure in BY_HAND.items() if math.isnan(figure)}
    assert missing.difference(*MORE.values()) == {"payment_drift_all"}


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


@pytest.mark.parametrize("table", tables())
def test_with_the_required_columns_of_a_table_alone_nothing_is_refused(table: str) -> None:
    """No shipped feature stands on an optional column, nor on today's value of a contract or customer."""
    given = tables()
    given[table] = given[table][[name for name in given[table] if name in TABLES[table].required]]
    shipped = FeatureSet.default()
    matrix = shipped.compute(Ledger.from_tables(**given, currency="EUR"), observation())
    assert tuple(matrix) == shipped.names


@pytest.mark.parametrize(
    ("table", "columns", "names"),
    [
        ("usage", ["cost", "in_bundle"], ["usage_cost_ratio_30d", "usage_outside_bundle_cost_30d"]),
        ("contacts", ["purpose"], ["notice_to_payment_365d", "contact_outbound_count_30d"]),
        ("contracts", ["notice_on"], ["contract_notice_count_now"]),
        ("contracts", ["price_until"], ["contract_price_ended_count_now", "contract_price_left_now"]),
        ("contracts", ["valid_from"], ["contract_price_ended_count_now", "contract_price_left_now"]),
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


def test_observations_made_by_hand_need_no_columns_of_running_periods() -> None:
    few = observation().drop(columns=["due_is_estimated", "amount_low", "amount_high"])
    matrix = FeatureSet.default().compute(Ledger.from_tables(**tables(), currency="EUR", country="BE"), few)
    assert np.isnan(matrix["bill_projected_spread_now"].iloc[0])
    assert matrix.attrs["notices"] == tuple(
        f"the observations lack {name}; what is read from it is missing." for name in ("amount_high", "amount_low")
    )
