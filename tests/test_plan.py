"""The plan: one row per debtor, an action or why not, and the laws that hold whatever the model says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

import earlywarn as ew
from debtors import (
    AS_OF,
    FUNDS,
    LATE,
    LATE_FOR_MEANS,
    TIMING,
    USAGE,
    day,
    features_of,
    hold,
    ledger_of,
    plan_of,
    scores_of,
)
from earlywarn.actions.plan import PLAN_COLUMNS
from earlywarn.actions.policy import Policy
from earlywarn.errors import PolicyError
from tiers import law

pytestmark = pytest.mark.scoring
DEFAULT = Policy.default()
STERNNESS = {name: level for level, name in enumerate(DEFAULT.rules.ladder)}
SAID = st.sampled_from([{}, LATE, LATE_FOR_MEANS, USAGE, TIMING, FUNDS, {**LATE, **USAGE}, {**LATE_FOR_MEANS, **FUNDS}])


@st.composite
def portfolios(draw):
    """A few debtors with some invoices, evidence, risk and holds each."""
    names = [f"c{k}" for k in range(draw(st.integers(1, 8)))]
    leads = {name: draw(st.lists(st.integers(-8, 30), min_size=1, max_size=3)) for name in names}
    holds = [
        hold(name, draw(st.sampled_from(["vulnerable", "medical", "debt_counselling"])))
        for name in names
        if draw(st.integers(0, 4)) == 0
    ]
    debit = [
        {"account_id": name, "customer_id": name, "collect_by": "direct_debit"} for name in names if draw(st.booleans())
    ]
    p_late = {name: draw(st.sampled_from([0.0, 0.2, 0.5, 0.99, float("nan")])) for name in names}
    ledger = ledger_of(leads, holds=holds, invoices=[
        {"invoice_id": f"{name}-{k}", "customer_id": name, "issued_on": day(-60), "due_on": day(lead),
         "amount": draw(st.sampled_from([5.0, 30.0, 60.0])), "account_id": name}
        for name in names for k, lead in enumerate(leads[name])
    ], accounts=debit)  # fmt: skip
    capacity = draw(st.dictionaries(st.sampled_from(["notices", "calls"]), st.integers(0, 3)))
    return {
        "ledger": ledger, "said": {name: draw(SAID) for name in names}, "p_late": p_late,
        "capacity": capacity, "debit": {row["customer_id"] for row in debit}, "leads": leads,
        "protected": {row["customer_id"] for row in holds if row["kind"] != "debt_counselling"},
    }  # fmt: skip


def decided(case, **changes):
    return plan_of(**{key: {**case, **changes}[key] for key in ("ledger", "said", "p_late", "capacity")})


@law(portfolios(), few=10, many=40)
def test_every_debtor_has_one_row_with_an_action_or_an_exclusion(case):
    plan = decided(case)
    assert list(plan.columns) == list(PLAN_COLUMNS)
    assert plan["customer_id"].tolist() == sorted(scores_of(case["ledger"])["customer_id"].unique())
    acts = plan["action"] != "nothing"
    assert (acts == plan["exclusion"].isna()).all()
    for name in ("angle", "tone", "channel", "role", "purpose", "valid_from", "valid_until"):
        assert (acts == plan[name].notna()).all(), name
    assert plan.loc[acts, "route"].notna().all()
    assert set(plan["purpose"].dropna()) <= {"service_predue"}
    assert not (plan["role"] == "receivables").any()
    assert (plan.loc[acts, "valid_until"] > plan.loc[acts, "valid_from"]).all()


@law(portfolios(), few=12, many=40)
def test_laws_of_the_domain_hold_in_every_plan(case):
    plan = decided(case)
    acts = plan["action"] != "nothing"
    for name, row in plan.iterrows():
        if name in case["debit"]:
            assert not row["asks_for_payment"]
            assert not acts[name] or row["angle"] in ("collection_ahead", "due_day", "bill_explained")
        if min(case["leads"][name]) < -3 and acts[name]:
            assert not row["asks_for_payment"]
            assert (row["action"], case["said"][name].get("usage_spike_30d")) == ("pre_due_reminder", 1.0)
        if case["said"][name] == {}:  # never late, no signal
            assert not acts[name]
        if name in case["protected"] and acts[name]:
            assert (row["route"], row["role"], row["if_late"]) == ("care_desk", "care_agent", "human")
    assert not plan["commercial"].any()
    limits = {"calls": "service_call", "notices": "pre_due_reminder"}
    for limit, count in case["capacity"].items():
        taken = plan.index[plan["action"] == limits[limit]]
        assert len(taken) <= max(count, sum(name in case["protected"] for name in taken))


@law(portfolios(), few=10, many=30)
def test_capacity_makes_nothing_sterner_and_cuts_no_protected_debtor(case):
    free, cut = decided(case, capacity=None), decided(case)
    for name in free.index:
        assert STERNNESS[cut.loc[name, "action"]] <= STERNNESS[free.loc[name, "action"]]
        if name in case["protected"]:
            assert cut.loc[name, "action"] == free.loc[name, "action"]
        if cut.loc[name, "action"] == "nothing" and free.loc[name, "action"] != "nothing":
            assert cut.loc[name, "exclusion"] == "capacity"


@law(portfolios(), st.randoms(use_true_random=False), few=6, many=30)
def test_the_order_of_the_rows_changes_nothing(case, random):
    scores = scores_of(case["ledger"], case["p_late"])
    X = features_of(scores, case["said"])
    rows = list(range(len(scores)))
    random.shuffle(rows)
    mixed = [scores.iloc[rows], X.iloc[rows], case["ledger"], AS_OF, case["capacity"]]
    expected = DEFAULT.decide(scores, X, case["ledger"], AS_OF, case["capacity"])
    pd.testing.assert_frame_equal(DEFAULT.decide(*mixed), expected)
    mixed[1] = X.sample(frac=1, random_state=1)[X.columns[::-1]]
    pd.testing.assert_frame_equal(DEFAULT.decide(*mixed), expected)


@law(st.floats(0, 1), few=6, many=20)
def test_a_loyal_customer_without_a_signal_gets_nothing_whatever_the_model_says(p_late):
    row = plan_of(ledger_of({"a": [5]}, amount=5000.0), p_late=p_late).loc["a"]
    assert (row["action"], row["exclusion"], row["if_late"]) == ("nothing", "no_signal", "soft")


@law(
    st.floats(0, 1), st.floats(0, 1), st.sampled_from([LATE, LATE_FOR_MEANS, {**LATE, **USAGE}, TIMING]), few=6, many=20
)
def test_no_risk_reaches_an_action_outside_the_cell(low, high, said):
    allowed = {"pre_due_reminder", "nothing"}
    for p in (low, high):
        assert plan_of(ledger_of({"a": [5]}, amount=900.0), {"a": said}, p_late=p).loc["a", "action"] in allowed


def test_who_is_left_over_gets_the_next_milder_action_and_then_none():
    ledger = ledger_of({name: [5] for name in "abcd"})
    p_late = {"a": 0.4, "b": 0.9, "c": 0.6, "d": 0.6}
    plan = plan_of(ledger, dict.fromkeys(p_late, FUNDS), p_late, {"calls": 1, "notices": 2})
    assert plan["action"].to_dict() == {
        "a": "nothing", "b": "service_call", "c": "pre_due_reminder", "d": "pre_due_reminder"
    }  # fmt: skip
    assert plan.loc["a", "exclusion"] == "capacity"


def test_a_human_first_is_never_replaced_by_a_message():
    plan = plan_of(ledger_of({"a": [5]}), {"a": {**LATE_FOR_MEANS, "returns_recency_all": 5}}, capacity={"calls": 0})
    assert plan.loc["a", ["action", "exclusion"]].tolist() == ["nothing", "capacity"]


def test_the_worst_obligation_leads_and_the_row_lists_what_it_is_about():
    invoices = [
        {
            "invoice_id": f"a-{k}",
            "customer_id": "a",
            "issued_on": day(-60),
            "due_on": day(lead),
            "amount": amount,
        }
        for k, (lead, amount) in enumerate([(5, 20.0), (7, 90.0), (25, 400.0)])
    ]
    row = plan_of(ledger_of({"a": []}, invoices=invoices), {"a": LATE}).loc["a"]
    assert row["subjects"] == ("invoice:a-1", "invoice:a-0")
    assert row["exposure"] == 510.0
    assert row["valid_until"] == AS_OF + pd.Timedelta(days=3)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"leads": [11]}, "too_early"), ({"leads": [0]}, "too_late"), ({"amount": 9.0}, "too_small"),
        ({"p_late": 0.14}, "low_risk"), ({"p_late": float("nan")}, "low_risk"), ({"leads": [-2]}, "in_grace"),
        ({"leads": [-4]}, "overdue"),
    ],
)  # fmt: skip
def test_each_bound_is_told_by_its_own_code(change, code):
    ledger = ledger_of({"a": change.get("leads", [5])}, amount=change.get("amount", 60.0))
    assert plan_of(ledger, {"a": LATE}, change.get("p_late", 0.9)).loc["a", "exclusion"] == code


def test_small_amounts_of_one_debtor_are_taken_together():
    assert plan_of(ledger_of({"a": [5, 6]}, amount=6.0), {"a": LATE}).loc["a", "action"] == "pre_due_reminder"


def test_zero_and_missing_amounts_are_too_small():
    ledger = ledger_of({"a": [5], "b": [5]})
    scores = scores_of(ledger).assign(amount=[0.0, np.nan])
    plan = DEFAULT.decide(scores, features_of(scores, {"a": LATE, "b": USAGE}), ledger, AS_OF, {"notices": 5})
    assert plan["exclusion"].tolist() == ["too_small"] * 2


def test_a_mandate_counts_as_direct_debit_where_nothing_else_says_how():
    invoice = {"issued_on": day(-60), "due_on": day(5), "amount": 60.0}
    ledger = ledger_of(
        {"a": []},
        invoices=[{"invoice_id": x, "customer_id": x, **invoice} for x in "ab"],
        mandates=[{"mandate_id": x, "customer_id": x, "event_on": day(-300), "event": "signed"} for x in "ab"]
        + [{"mandate_id": "b", "customer_id": "b", "event_on": day(-30), "event": "cancelled"}],
    )
    plan = plan_of(ledger, {"a": LATE, "b": LATE})
    assert plan["angle"].to_dict() == {"a": "collection_ahead", "b": "due_soon"}
    assert plan["asks_for_payment"].to_dict() == {"a": False, "b": True}


def test_reasons_and_versions_are_passed_on_and_later_columns_are_missing():
    ledger = ledger_of({"a": [5]})
    plan = plan_of(ledger, {"a": USAGE})
    row = plan.loc["a"]
    assert row["reasons"] == ("usage_spike_30d",)
    assert (row["policy_version"], row["model_version"]) == (DEFAULT.version, "m1")
    assert plan[["moment", "expected_value", "propensity", "experiment", "arm"]].isna().all(axis=None)
    scores = scores_of(ledger).drop(columns="reasons")
    scores.attrs.clear()
    bare = DEFAULT.decide(scores, features_of(scores), ledger, AS_OF).loc[0]
    assert bare["reasons"] == ()
    assert pd.isna(bare["model_version"])


def test_the_columns_have_the_same_dtypes_with_and_without_rows():
    ledger = ledger_of({"a": [5]})
    scores = scores_of(ledger)
    X = features_of(scores)
    full, empty = (DEFAULT.decide(scores.iloc[:n], X.iloc[:n], ledger, AS_OF, {"calls": 1}) for n in (1, 0))
    assert len(empty) == 0
    assert full.dtypes.to_dict() == empty.dtypes.to_dict()


def test_scores_that_do_not_fit_are_refused():
    ledger = ledger_of({"a": [5, 6]})
    scores = scores_of(ledger)
    X = features_of(scores)
    for code, bad, features in (
        ("P620", scores.drop(columns="due_on"), X),
        ("P621", scores.assign(obligation_id="x"), X),
        ("P622", scores.assign(customer_id="nobody"), X),
        ("P623", scores.set_axis([0, 0]), X),
        ("P624", scores, X.iloc[:1]),
    ):
        with pytest.raises(PolicyError, match=code):
            DEFAULT.decide(bad, features, ledger, AS_OF)
    with pytest.raises(PolicyError, match="did you mean 'calls'"):
        DEFAULT.decide(scores, X, ledger, AS_OF, {"call": 3})


def test_the_generated_biller_gets_a_plan_with_both_actions_and_all_laws():
    ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=400, months=10, seed=2), until="2025-05-01")
    obs = ew.Outcome().standing(ledger, "2025-04-20")
    X = ew.FeatureSet.default().compute(ledger, obs)
    scores = obs.assign(p_late=np.nan_to_num(X["late_share_365d"], nan=0.1))
    scores["status"] = DEFAULT.obligation_status(obs, ledger, "2025-04-20")
    plan = DEFAULT.decide(scores, X, ledger, "2025-04-20", {"calls": 3})
    counts = plan["action"].value_counts()
    assert plan["customer_id"].is_unique
    assert set(plan["customer_id"]) == set(scores["customer_id"])
    assert 1 <= counts["service_call"] <= 3
    assert counts["pre_due_reminder"] >= 1
    held = ledger.known_before("2025-04-20").frame("holds")
    stops = ["debt_counselling", "do_not_contact", "no_profiling", "deceased"]
    stopped = held[held["ended_on"].isna() & held["kind"].isin(stops)]["customer_id"]
    assert (plan.loc[plan["customer_id"].isin(stopped), "action"] == "nothing").all()
