"""Gates: whoever is protected, held or waiting is never let through, in the order of the domain."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import strategies as st

from debtors import AS_OF, FUNDS, LATE, USAGE, day, features_of, hold, ledger_of, plan_of, scores_of
from earlywarn.actions.gates import obligation_status
from earlywarn.actions.policy import Policy
from earlywarn.outcomes import Outcome
from earlywarn.tables.schema import TABLES
from tiers import law

pytestmark = pytest.mark.scoring
DEFAULT = Policy.default()

#: DECISIONS, gates 1 to 6 and 8: hold, code, route.
STOPS = [
    ("deceased", "deceased", "estate_desk"),
    ("representative", "representative", "representative"),
    ("statutory_debt", "statutory_debt", "legal_desk"),
    ("moratorium", "statutory_debt", "legal_desk"),
    ("bankruptcy", "statutory_debt", "legal_desk"),
    ("reorganisation", "statutory_debt", "legal_desk"),
    ("debt_counselling", "debt_counselling", "care_desk"),
    ("no_profiling", "no_profiling", "ordinary"),
    ("do_not_contact", "do_not_contact", "none"),
    ("handed_over", "overdue", "receivables"),
]
ORDER = ["deceased", "representative", "bankruptcy", "debt_counselling", "no_profiling", "do_not_contact"]


def status_of(ledger):
    obs = Outcome().standing(ledger, AS_OF, 60)
    return dict(zip(obs["obligation_id"], obligation_status(obs, ledger, AS_OF, DEFAULT), strict=True))


@pytest.mark.parametrize(("kind", "code", "route"), STOPS)
def test_a_hold_stops_with_its_code_and_route_and_its_end_lets_go(kind, code, route):
    ledger = ledger_of({"held": [5], "was": [5], "other": [5]}, holds=[hold("held", kind), hold("was", kind, ended=-3)])
    plan = plan_of(ledger, dict.fromkeys(("held", "was", "other"), LATE))
    assert plan.loc["held", ["action", "exclusion", "route"]].tolist() == ["nothing", code, route]
    assert plan.loc[["was", "other"], "action"].tolist() == ["pre_due_reminder"] * 2


@law(
    st.lists(
        st.tuples(
            st.sampled_from(TABLES["holds"].columns["kind"].words),
            st.integers(-200, -1),
            st.none() | st.integers(0, 150),
            st.sampled_from([None, "all", "marketing", "phone"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda row: row[:2],
    ),
    st.sampled_from([{}, LATE, USAGE, FUNDS, {**LATE, **FUNDS}]),
    few=20,
    many=40,
)
def test_nobody_under_a_hold_that_stops_gets_an_action(rows, said):
    """The oracle reads the rows themselves: known before the moment, and its end not known before it."""
    holds = [
        hold("a", kind, start, None if length is None else min(start + length, 0), scope=scope,
             invoice_id="a-0" if named else None)
        for kind, start, length, scope, named in rows
    ]  # fmt: skip
    plan = plan_of(ledger_of({"a": [5], "b": [5]}, holds=holds), {"a": said, "b": LATE})
    stopping = {kind for kind, _, _ in STOPS if kind != "handed_over"} | {"fraud"}
    active = {
        kind
        for kind, start, length, scope, _ in rows
        if (length is None or start + length >= 0) and not (kind == "do_not_contact" and scope == "marketing")
    }
    if active & stopping:
        assert plan.loc["a", "action"] == "nothing"
        assert plan.loc["a", "exclusion"] in DEFAULT.rules.gates
    if "handed_over" in active:  # nothing but a usage notice, which asks for nothing
        assert plan.loc["a", "action"] == "nothing" or plan.loc["a", "angle"] == "usage_high"
        assert not plan.loc["a", "asks_for_payment"]
    if active & {"vulnerable", "medical"}:
        assert plan.loc["a", "route"] != "automatic"
        assert plan.loc["a", "if_late"] in ("human", "standard" if "no_profiling" in active else "human")
    assert plan.loc["b", "action"] == "pre_due_reminder"


@law(st.sets(st.sampled_from(ORDER), min_size=1), few=10, many=25)
def test_the_first_gate_wins(kinds):
    plan = plan_of(ledger_of({"a": [5]}, holds=[hold("a", kind) for kind in sorted(kinds)]))
    first = next(kind for kind in ORDER if kind in kinds)
    assert plan.loc["a", "exclusion"] == {"bankruptcy": "statutory_debt"}.get(first, first)


def test_a_hold_that_becomes_known_later_changes_nothing_now():
    ledger = ledger_of({"a": [5]}, holds=[{**hold("a", "deceased"), "known_at": day(0)}])
    assert plan_of(ledger, {"a": LATE}).loc["a", "action"] == "pre_due_reminder"


def test_a_bank_code_of_death_stops_all_contact():
    back = {"payment_id": "p", "customer_id": "a", "paid_on": day(-9), "amount": 60.0, "event": "returned",
            "reason_code": "MD07", "method": "direct_debit"}  # fmt: skip
    assert plan_of(ledger_of({"a": [5]}, payments=[back]), {"a": USAGE}).loc["a", "exclusion"] == "deceased"


def test_a_dispute_goes_to_its_desk_and_the_other_obligations_go_on():
    disputes = [
        {
            "dispute_id": "d",
            "customer_id": "a",
            "opened_on": day(-5),
            "invoice_id": "a-0",
            "kind": "complaint",
        },
        {
            "dispute_id": "e",
            "customer_id": "b",
            "opened_on": day(-5),
            "invoice_id": None,
            "kind": "complaint",
        },
        {
            "dispute_id": "f",
            "customer_id": "c",
            "opened_on": day(-5),
            "invoice_id": "c-0",
            "kind": "complaint",
        },
    ]
    ledger = ledger_of({"a": [5, 6], "b": [5, 6], "c": [5]}, disputes=disputes)
    plan = plan_of(ledger, dict.fromkeys("abc", LATE))
    assert plan.loc["a", "subjects"] == ("invoice:a-1",)
    assert plan.loc["a", "action"] == "pre_due_reminder"
    assert plan.loc["b", ["exclusion", "route"]].tolist() == ["dispute", "dispute_desk"]
    assert plan.loc["c", ["exclusion", "route"]].tolist() == ["dispute", "dispute_desk"]
    assert status_of(ledger)["invoice:a-0"] == "dispute"


def test_an_arrear_stops_everything_but_a_usage_notice_that_asks_for_nothing():
    ledger = ledger_of({"a": [5, -10], "b": [5, -10], "c": [5, -2], "d": [-10]})
    plan = plan_of(ledger, {"a": LATE, "b": {**LATE, **USAGE}, "c": LATE, "d": USAGE})
    assert plan.loc["a", ["exclusion", "route"]].tolist() == ["overdue", "receivables"]
    assert plan.loc["b", ["action", "asks_for_payment"]].tolist() == ["pre_due_reminder", False]
    assert plan.loc["b", "purpose"] == "service_predue"
    assert plan.loc["b", "subjects"] == ("invoice:b-0",)
    assert plan.loc["c", "exclusion"] == "in_grace"
    assert plan.loc["d", "exclusion"] == "overdue"


def test_within_grace_a_reminder_goes_only_where_the_policy_allows_that_purpose():
    text = DEFAULT.text.replace('purposes = ["service_predue"]', 'purposes = ["service_predue", "reminder"]')
    ledger = ledger_of({"a": [5, -2], "b": [5]})
    plan = plan_of(ledger, {"a": LATE, "b": LATE}, policy=Policy.from_text(text))
    assert plan["purpose"].to_dict() == {"a": "reminder", "b": "service_predue"}


def test_money_on_its_way_is_waited_for():
    def sent(customer, event="initiated", days=-3, method="card", invoice=True):
        return {"payment_id": f"p{customer}", "customer_id": customer, "paid_on": day(days), "amount": 60.0,
                "event": event, "method": method,
                "invoice_id": f"{customer}-0" if invoice else None}  # fmt: skip

    payments = [
        sent("card"), sent("pool", invoice=False), sent("debit", method="direct_debit"),
        sent("failed", days=-4), sent("failed", "failed"), sent("stale", days=-40),
    ]  # fmt: skip
    promise = {"contact_id": "k", "customer_id": "promised", "contacted_at": day(-20), "channel": "phone",
               "direction": "inbound", "outcome_at": day(-20), "promised_on": day(3)}  # fmt: skip
    past = {**promise, "contact_id": "l", "customer_id": "lapsed", "promised_on": day(-3)}
    names = ("card", "pool", "debit", "failed", "stale", "promised", "lapsed")
    ledger = ledger_of({name: [5] for name in names}, payments=payments, contacts=[promise, past])
    status = {key.split(":")[1][:-2]: word for key, word in status_of(ledger).items()}
    assert status == {
        "card": "in_transit", "pool": "in_transit", "debit": "collecting", "failed": "scored",
        "stale": "scored", "promised": "in_transit", "lapsed": "scored",
    }  # fmt: skip
    plan = plan_of(ledger, dict.fromkeys(names, LATE))
    assert plan["exclusion"].dropna().to_dict() == {
        "card": "in_transit", "pool": "in_transit", "debit": "collecting", "promised": "in_transit"
    }  # fmt: skip


def test_credit_covers_what_falls_due_first_and_a_deposit_covers_nothing():
    def plan_row(customer, lead):
        return {"customer_id": customer, "expected_due_on": day(lead), "amount": 60.0, "kind": "device"}

    def paid(customer, amount, kind="payment"):
        return {
            "payment_id": f"p{customer}",
            "customer_id": customer,
            "paid_on": day(-9),
            "amount": amount,
            "kind": kind,
        }

    ledger = ledger_of(
        {"z": [5]},
        schedule=[plan_row("a", 5), plan_row("a", 8), plan_row("b", 5)],
        payments=[paid("a", 70.0), paid("b", 90.0, "deposit")],
    )
    assert list(status_of(ledger).values()) == ["credit_balance", "scored", "scored", "scored"]


def test_an_arrangement_on_schedule_is_left_in_peace():
    arrangement = {"arrangement_id": "g", "customer_id": "a", "agreed_on": day(-20), "kind": "instalments",
                   "invoice_ids": "a-0", "ended_on": pd.NaT, "ended_as": None}  # fmt: skip
    broken = {**arrangement, "arrangement_id": "h", "customer_id": "b", "invoice_ids": "b-0",
              "ended_on": day(-5), "ended_as": "broken"}  # fmt: skip
    parts = [
        {"arrangement_id": g, "number": k, "due_on": day(4 + 30 * k), "amount": 30.0} for g in "gh" for k in (0, 1)
    ]
    ledger = ledger_of({"a": [-30], "b": [5]}, arrangements=[arrangement, broken], instalments=parts)
    status = status_of(ledger)
    assert {word for key, word in status.items() if key.startswith("instalment:g")} == {"arrangement"}
    assert plan_of(ledger, {"a": FUNDS}).loc["a", "exclusion"] == "arrangement"


def test_prepaid_contracts_are_not_written_to():
    ledger = ledger_of(
        {"a": [5], "b": [5]},
        accounts=[{"account_id": x, "customer_id": x} for x in "ab"],
        contracts=[{"contract_id": f"c{x}", "account_id": x, "starts_on": day(-300), "payment_model": model}
                   for x, model in (("a", "prepaid"), ("b", "postpaid"))],
    )  # fmt: skip
    assert status_of(ledger) == {"invoice:a-0": "prepaid", "invoice:b-0": "scored"}


def contact(customer, hours, purpose="mandatory", invoice=None, direction="outbound"):
    return {"contact_id": f"{customer}{hours}{purpose}", "customer_id": customer, "channel": "email",
            "contacted_at": AS_OF - pd.Timedelta(hours=hours), "purpose": purpose, "invoice_id": invoice,
            "direction": direction}  # fmt: skip


def test_a_mandatory_notice_on_the_same_subject_is_given_two_days():
    contacts = [
        contact("now", 40), contact("past", 50), contact("same", 40, invoice="same-0"),
        contact("other", 40, invoice="other-1"),
    ]  # fmt: skip
    ledger = ledger_of({"now": [5], "past": [5], "same": [5], "other": [5, 50]}, contacts=contacts)
    plan = plan_of(ledger, dict.fromkeys(("now", "past", "same", "other"), LATE))
    assert plan["exclusion"].dropna().to_dict() == {"now": "mandatory_notice", "same": "mandatory_notice"}


def test_contact_caps_count_what_we_sent():
    contacts = [
        contact("sent", 24 * 6, "pre_due"), contact("older", 24 * 8, "pre_due"),
        contact("inbound", 24, "service", direction="inbound"), contact("law", 24 * 5, "mandatory"),
        *(contact("often", 24 * days, "service") for days in (10, 15, 20)),
    ]  # fmt: skip
    names = ("sent", "older", "inbound", "law", "often")
    plan = plan_of(ledger_of({name: [5] for name in names}, contacts=contacts), dict.fromkeys(names, LATE))
    assert plan["exclusion"].dropna().to_dict() == {"sent": "contact_cap", "often": "contact_cap"}


def test_a_withdrawn_consent_closes_a_channel_and_a_preference_comes_first():
    def consent(customer, channel, given, withdrawn=None):
        return {"customer_id": customer, "channel": channel, "purpose": "service", "given_on": day(given),
                "withdrawn_on": pd.NaT if withdrawn is None else day(withdrawn)}  # fmt: skip

    channels = ("app", "email", "sms", "letter")
    ledger = ledger_of(
        {"plain": [5], "prefers": [5], "closed": [5], "again": [5], "none": [5], "late": [2]},
        customers=[{"customer_id": name, "preferred_channel": "sms"} for name in ("prefers", "closed")],
        consents=[
            consent("closed", "sms", -300, -10),
            consent("again", "app", -300, -10), consent("again", "app", -5),
            *(consent("none", channel, -300, -10) for channel in channels),
            *(consent("late", channel, -300, -10) for channel in channels if channel != "letter"),
        ],
    )  # fmt: skip
    plan = plan_of(ledger, dict.fromkeys(ledger.customers, LATE))
    assert plan["channel"].dropna().to_dict() == {
        "plain": "app", "prefers": "sms", "closed": "app", "again": "app"
    }  # fmt: skip
    assert plan.loc[["none", "late"], "exclusion"].tolist() == ["no_channel"] * 2  # a letter needs four days


def test_a_commercial_angle_needs_a_recorded_opt_in_and_no_refusal_of_marketing():
    quiet = '[angles.due_soon]\ntone = "informative"'
    text = DEFAULT.text.replace(quiet, quiet + "\ncommercial = true")
    opted = {"channel": "email", "purpose": "commercial", "given_on": day(-90)}
    yes = [{"customer_id": name, **opted} for name in ("yes", "stop")]
    ledger = ledger_of(
        {"yes": [5], "no": [5], "stop": [5]},
        consents=yes,
        holds=[hold("stop", "do_not_contact", scope="marketing")],
    )
    plan = plan_of(ledger, dict.fromkeys(ledger.customers, LATE), policy=Policy.from_text(text))
    assert plan.loc["yes", ["channel", "commercial"]].tolist() == ["email", True]
    assert plan.loc[["no", "stop"], "exclusion"].tolist() == ["no_channel", "marketing_refused"]


def test_protected_debtors_go_to_a_trained_human_and_are_never_automated():
    text = DEFAULT.text.replace("automatic = false", "automatic = true")
    ledger = ledger_of({"a": [5], "b": [5]}, holds=[hold("a", "medical")])
    plan = plan_of(ledger, {"a": LATE, "b": LATE}, policy=Policy.from_text(text))
    assert plan["route"].to_dict() == {"a": "care_desk", "b": "automatic"}
    assert plan["role"].to_dict() == {"a": "care_agent", "b": "customer_service"}
    assert plan.loc["a", "if_late"] == "human"


def test_a_status_in_the_scores_stops_whatever_the_ledger_says():
    ledger = ledger_of({"a": [5]})
    for status in ("hold", "no_profiling", "dispute", "in_transit", "collecting", "arrangement", "prepaid"):
        scores = scores_of(ledger).assign(status=status)
        plan = DEFAULT.decide(scores, features_of(scores, {"a": USAGE}), ledger, AS_OF)
        assert plan["action"].tolist() == ["nothing"]


def test_statuses_come_in_the_order_of_the_frame_that_was_handed_over():
    ledger = ledger_of({"a": [5], "b": [-9], "c": [-1]}, holds=[hold("a", "deceased")])
    obs = Outcome().standing(ledger, AS_OF, 60)
    status = pd.Series(obligation_status(obs, ledger, AS_OF, DEFAULT), obs["customer_id"])
    mixed = obs.sample(frac=1, random_state=3)
    again = pd.Series(obligation_status(mixed, ledger, AS_OF, DEFAULT), mixed["customer_id"])
    assert status.to_dict() == again.to_dict() == {"a": "hold", "b": "overdue", "c": "overdue"}
