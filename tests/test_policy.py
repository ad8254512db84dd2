"""A policy is text: what it may say, what it may not, and that it says what the domain asks."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debtors import FUNDS, LATE, LATE_FOR_MEANS, TIMING, USAGE, features_of, ledger_of, plan_of, scores_of
from earlywarn.actions.evidence import evidence_of
from earlywarn.actions.policy import Policy
from earlywarn.errors import PolicyError
from earlywarn.features.catalogue import FeatureSet

pytestmark = pytest.mark.scoring
DEFAULT = Policy.default()


def changed(*pairs: tuple[str, str]) -> str:
    text = DEFAULT.text
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_a_policy_comes_back_the_same_from_its_text_a_file_and_a_pickle(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_bytes(DEFAULT.text.encode())
    for again in (
        Policy.from_text(DEFAULT.text),
        Policy.from_toml(path),
        pickle.loads(pickle.dumps(DEFAULT)),
    ):
        assert again == DEFAULT
        assert again.version == DEFAULT.version
    assert Policy.from_text(changed(("high = 0.40", "high = 0.41"))).version != DEFAULT.version


def test_a_policy_does_not_change():
    with pytest.raises(AttributeError):
        DEFAULT.text = ""  # type: ignore[misc]


def test_every_fault_is_told_at_once_with_the_closest_known_word():
    text = changed(
        ("medium = 0.15", "medium = 0.15\nmedim = 2"),
        ('"moratorium", ', ""),
        ("valid_days = 3", 'valid_days = "three"'),
        ("arrears_share_365d > 0", "arrears_share_365d >> 0"),
        ('angle = "check_details"', 'angle = "due_dey"'),
        ('limit = "calls"', 'limit = "cals"'),
        ("ladder =", "laddr ="),
        ('holds = ["vulnerable", "medical"]', 'holds = ["vulnerable", "medical", "vulnerabel"]'),
    )  # fmt: skip
    with pytest.raises(PolicyError) as caught:
        Policy.from_text(text)
    said = str(caught.value)
    assert caught.value.code == "P602"
    for part in (
        "bands.medim: unknown key, did you mean 'medium'?",
        "gates.statutory_debt.holds: 'moratorium' may not be taken away",
        "actions.pre_due_reminder.valid_days = 'three'",
        "history.late_pays_itself",
        "'due_dey' is not declared, did you mean 'due_day'?",
        "laddr: unknown key, did you mean 'ladder'?",
        "unknown hold 'vulnerabel', did you mean 'vulnerable'?",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "none = {}  ",
            'none = { service_call = { angle = "due_day" } }  ',
            "left in peace without a signal",
        ),
        ('with_direct_debit = "collection_ahead"', "", "'due_soon' is not one of"),
        ("[gates.dispute]", "[gates.disputes]", "did you mean 'dispute'"),
        ('purposes = ["service_predue"]', 'purposes = ["collection"]', "purposes"),
        ("medium = 0.15", "medium = 0.6", "medium is not below high"),
        ("high = 0.40", "high = nan", "bands.high"),
        ("lead_max_days = 10", "lead_max_days = 0", "lead_min_days is above"),
        ('angles = ["usage_high", "bill_explained"]', 'angles = ["due_soon"]', "asks for payment"),
        (
            '["nothing", "pre_due_reminder", "service_call"]',
            '["pre_due_reminder", "nothing"]',
            "names every action",
        ),
        ("late_share_365d > 0 or", "mean(payments.amount) > 0 or", "history.late_pays_itself"),
        ('limit = "calls"', 'limit = "cals"', "did you mean 'calls'"),
        ('channels = ["phone"]', 'channels = ["fone"]', "did you mean 'phone'"),
    ],
)
def test_what_a_policy_may_not_say_is_refused(old, new, told):
    with pytest.raises(PolicyError, match="P602") as caught:
        Policy.from_text(changed((old, new)))
    assert told in str(caught.value)


def test_no_toml_and_no_file_are_policy_errors(tmp_path):
    with pytest.raises(PolicyError, match="P601"):
        Policy.from_text("name = ")
    with pytest.raises(PolicyError, match="P600"):
        Policy.from_toml(tmp_path / "none.toml")


def test_the_default_asks_only_for_features_of_the_shipped_catalogue():
    DEFAULT.check_features(FeatureSet.default().names)


def test_a_missing_feature_is_named_with_the_closest_one():
    ledger = ledger_of({"a": [5]})
    scores = scores_of(ledger)
    X = features_of(scores).rename(columns={"late_share_365d": "late_share_36d"})
    with pytest.raises(PolicyError, match="late_share_365d: did you mean 'late_share_36d'") as caught:
        DEFAULT.decide(scores, X, ledger, "2026-03-10")
    assert caught.value.code == "P610"


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=20))
def test_bands_follow_their_bounds(p):
    expected = [None if np.isnan(x) else "high" if x >= 0.4 else "medium" if x >= 0.15 else "low" for x in p]
    assert DEFAULT.band(p).tolist() == expected


#: DECISIONS, "History and signal": the sternest action and its angle, by history and signal.
TABLE = {
    ("never", "none"): (None, None),
    ("never", "usage"): ("service_call", "usage_high"),
    ("never", "timing"): ("pre_due_reminder", "check_details"),
    ("never", "means"): ("service_call", "help_offer"),
    ("late", "none"): ("pre_due_reminder", "due_soon"),
    ("late", "usage"): ("pre_due_reminder", "bill_explained"),
    ("late", "timing"): ("pre_due_reminder", "due_day"),
    ("late", "means"): ("service_call", "help_offer"),
    ("means", "none"): ("pre_due_reminder", "help_offer"),
    ("means", "usage"): ("service_call", "help_offer"),
    ("means", "timing"): ("pre_due_reminder", "due_day"),
    ("means", "means"): ("service_call", "arrangement"),
}
HISTORY = {"never": {}, "late": LATE, "means": LATE_FOR_MEANS}
SIGNAL = {"none": {}, "usage": USAGE, "timing": TIMING, "means": FUNDS}


@pytest.mark.parametrize(("cell", "expected"), TABLE.items(), ids=["-".join(cell) for cell in TABLE])
def test_the_table_is_that_of_the_domain(cell, expected):
    said = {**HISTORY[cell[0]], **SIGNAL[cell[1]]}
    if cell == ("means", "means"):
        said["returns_funds_count_365d"] = 2
    row = plan_of(ledger_of({"a": [5]}), {"a": said}).loc["a"]
    assert row["if_late"] == {"never": "soft", "late": "standard", "means": "human"}[cell[0]]
    if expected[0] is None:
        assert (row["action"], row["exclusion"]) == ("nothing", "no_signal")
    else:
        assert (row["action"], row["angle"]) == expected


def test_the_most_serious_of_several_signals_wins_and_missing_values_do_not_hold():
    X = pd.DataFrame(np.nan, index=range(4), columns=list(DEFAULT.features_needed))
    for row, said in enumerate([{}, USAGE, {**USAGE, **TIMING}, {**USAGE, **TIMING, **FUNDS}]):
        for name, value in said.items():
            X.loc[row, name] = value
    evidence = evidence_of(DEFAULT.rules, X)
    assert evidence.signal.tolist() == ["none", "usage_or_bill", "timing", "means"]
    assert evidence.history.tolist() == ["never_late"] * 4


def test_the_usage_call_is_decided_on_the_money_at_stake_and_not_on_p_late():
    ledger = ledger_of({"large": [5], "small": [5]})
    said = {"large": USAGE, "small": {**USAGE, "usage_outside_bundle_cost_30d": 20.0}}
    plan = plan_of(ledger, said, p_late=0.0)
    assert plan["action"].to_dict() == {"large": "service_call", "small": "pre_due_reminder"}


def test_a_policy_may_compare_a_category():
    text = changed(("arrears_share_365d > 0", "arrears_share_365d > 0 or customer_segment_now == 'b2b'"))
    ledger = ledger_of({"a": [5], "b": [5]})
    scores = scores_of(ledger)
    X = features_of(scores).assign(customer_segment_now=pd.Categorical(["b2b", None]))
    plan = Policy.from_text(text).decide(scores, X, ledger, "2026-03-10")
    assert plan["if_late"].tolist() == ["standard", "soft"]
