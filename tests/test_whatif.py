"""What if: changes reach everything that reads the data, the model is the real one, and the smallest change wins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.dates import moment
from earlywarn.errors import DataError, EarlywarnError
from earlywarn.reasons.voices import check_words
from earlywarn.whatif.changes import KINDS, Change, changed_ledger
from earlywarn.whatif.counterfactual import LEVERS, find_counterfactual
from earlywarn.whatif.stress import SCENARIOS
from earlywarn.whatif.words import change_words, sentence

LANGUAGES = ("en", "nl-NL", "nl-BE", "fr-FR", "fr-BE")


@pytest.fixture(scope="module")
def ledger():
    tables = ew.simulate.World("telecom", 200, 12, seed=4, read_days=7).live().tables()
    usage = tables["usage"]  # nothing in a bundle, so that use costs
    tables["usage"] = usage.assign(cost=(usage["quantity"] * 0.3).round(2), in_bundle=0)
    return ew.Ledger.from_tables(**tables)


@pytest.fixture(scope="module")
def scorer(ledger):
    outcome = ew.Outcome(lead_days=7, stages=("cycle", "scheduled", "issued", "collecting"))
    model = ew.RiskModel(n_estimators=90, max_depth=5, learning_rate=0.1)
    return ew.train(ew.FeatureSet.default(), outcome, ledger, model=model, days=False)


@pytest.fixture(scope="module")
def context(scorer, ledger):
    return scorer.context(ledger)


@pytest.fixture(scope="module")
def question(scorer, ledger, context):
    return scorer._question(ledger, None, None, 35, context)


def test_without_a_change_the_model_says_what_the_score_says(scorer, ledger, context, question):
    scores = scorer.score(ledger, context=context).set_index("obligation_id")
    asked = question.asked().set_axis(question.obs["obligation_id"])
    scored = scores[(scores["status"] == "scored") & (scores["lead_days"] >= 0)]
    np.testing.assert_array_equal(asked.loc[scored.index, "p_late"], scored["p_late"])
    np.testing.assert_allclose(asked.loc[scored.index, "amount"], scored["amount"])


def test_one_customer_alone_gets_the_same_answer_as_among_all(scorer, ledger, context, question):
    asked = question.asked([Change("due_day", 10)])
    for customer in question.obs["customer_id"].unique()[:5]:
        alone = scorer._question(ledger, [customer], None, 35, context)
        mine = (question.obs["customer_id"] == customer).to_numpy()
        np.testing.assert_array_equal(alone.asked([Change("due_day", 10)])["p_late"], asked[mine]["p_late"])


def test_sets_asked_together_are_answered_as_asked_one_by_one(question):
    sets = [(), (Change("usage", 0.5),), (Change("usage", 0.5), Change("due_day", 5)), (Change("instalments", 2),)]
    for together, changes in zip(question.asked_all(sets), sets, strict=True):
        pd.testing.assert_frame_equal(together, question.asked(changes))


def spying(question, seen):
    """The same question, whose matrices are kept instead of being judged."""
    return replace(question, predict=lambda part, rows, matrix: seen.append(matrix) or np.zeros(len(matrix)))


def test_changes_reach_the_features_that_read_what_was_changed_and_no_others(scorer, ledger, question):
    def matrix(*changes):
        seen = []
        spying(question, seen).asked(changes)
        return seen[0]

    plain = matrix()
    for change, families in (
        (Change("usage", 0.5), {"usage", "invoice"}),
        (Change("instalments", 2), {"invoice", "debt"}),
        (Change("due_day", 10), {"invoice", "timing", "debt"}),
        (
            Change("income", 20),
            {"history", "debt", "drift", "timing", "profile", "contract", "returns", "contacts", "invoice"},
        ),
    ):
        after = matrix(change)
        moved = [
            name
            for name in plain.columns
            if not pd.Series(plain[name]).astype(object).equals(pd.Series(after[name]).astype(object))
        ]
        assert moved, change
        assert {scorer.features[name].family for name in moved} <= families, change
    halved = matrix(Change("instalments", 2))
    obs = question.obs
    known = ((obs["stage"] == "issued") & (obs["lead_days"] < 14)).to_numpy()
    assert known.any()
    assert (halved["due_amount_14d"][known] < plain["due_amount_14d"][known]).all()  # it says the same as the bill
    more = matrix(Change("usage", 0.5))["usage_spike_30d"] - plain["usage_spike_30d"]
    np.testing.assert_allclose(more.dropna(), np.log(1.5), atol=1e-5)


def test_payments_that_would_not_be_there_yet_are_gone_and_the_others_are_later(question):
    before, after = (
        question.ledger.frame("payments"),
        changed_ledger(question.ledger, [Change("income", 15)], question.at, question.obs).frame("payments"),
    )
    at = question.obs["as_of"].iloc[0]
    lately = before["happened_at"] >= at - pd.Timedelta(days=90)
    assert len(after) < len(before)
    assert (after["known_at"] < at).all()
    assert len(after) == len(before) - (lately & (before["known_at"] + pd.Timedelta(days=15) >= at)).sum()
    assert len(question.ledger.frame("payments")) == len(before)  # what was asked about does not change


def test_amounts_and_days_follow_a_change(question):
    now = question.asked()
    np.testing.assert_allclose(question.asked([Change("price", 0.25)])["amount"], 1.25 * now["amount"])
    np.testing.assert_allclose(question.asked([Change("instalments", 4)])["amount"], now["amount"] / 4)
    np.testing.assert_array_equal(question.asked([Change("due_day", 12)])["amount"], now["amount"])
    running = (question.obs["stage"] == "cycle").to_numpy()
    more = question.asked([Change("usage", 1.0)])["amount"]
    assert (more[running] >= now["amount"][running] - 1e-9).all()
    assert (more[running] > now["amount"][running]).any()
    np.testing.assert_array_equal(more[~running], now["amount"][~running])
    limited = question.asked([Change("limit")])["amount"]
    assert (limited <= now["amount"] + 1e-9).all()
    np.testing.assert_array_equal(limited[~running], now["amount"][~running])


def test_a_later_due_day_keeps_the_lead(scorer, question):
    seen = []
    spied = spying(question, seen)
    spied.asked()
    spied.asked([Change("due_day", 10)])
    np.testing.assert_array_equal(seen[0]["invoice_lead_now"], seen[1]["invoice_lead_now"])
    assert (seen[0]["due_day_now"] != seen[1]["due_day_now"]).any()


class TestCounterfactual:
    def test_the_smallest_change_that_leads_to_a_lower_band_is_taken(self, scorer, ledger, context, question):
        p_late = question.asked()["p_late"].to_numpy()
        cut = float(np.quantile(p_late, 0.8))

        def band(p):
            return np.where(np.asarray(p) >= cut, "medium", "low").astype(object)

        places = np.argsort(np.where(p_late >= cut, p_late, np.inf))[:4]  # those just above it
        found = [find_counterfactual(question.only(int(place)), band) for place in places]
        assert any(one.changes for one in found)
        for one in found:
            below = ("low", "medium", "high")[: ("low", "medium", "high").index(one.band)]
            lower = one.tried[one.tried["band"].isin(below)]
            assert bool(one.changes) == (len(lower) > 0 and one.band != "low")
            if one.changes:
                first = lower.iloc[0]
                assert one.changes == first["changes"]
                assert len(one.changes) == lower["things"].min() <= 2
                assert one.p_changed < one.p_late
                assert one.band_changed != one.band

    def test_what_is_said_is_what_the_model_gives(self, scorer, ledger, context, question):
        place = int(np.argmax(question.asked()["p_late"]))
        one = find_counterfactual(question.only(place), scorer.policy.band)
        again = question.only(place).asked(one.changes or one.tried.loc[one.tried["p_late"].idxmin(), "changes"])
        assert one.p_changed == again["p_late"].iloc[0]
        assert f"{one.p_late:.0%}" in one.text("en")

    def test_only_a_running_period_can_be_limited(self, question, scorer):
        issued = np.flatnonzero((question.obs["stage"] == "issued").to_numpy())[0]
        tried = find_counterfactual(question.only(int(issued)), scorer.policy.band).tried
        assert not {"limit", "usage"} & {change.kind for changes in tried["changes"] for change in changes}

    def test_where_nothing_leads_to_a_lower_band_it_is_said(self, question, scorer):
        stuck = find_counterfactual(question.only(0), lambda p: np.full(len(p), "high", dtype=object))
        assert stuck.changes == ()
        assert "No change" in stuck.text("en")
        low = find_counterfactual(question.only(0), lambda p: np.full(len(p), "low", dtype=object))
        assert "lowest band already" in low.text("en")

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_lever_and_scenario_is_said_in_every_language(self, language):
        for change in {step for steps in (*LEVERS, *SCENARIOS) for step in steps}:
            for said in (
                change_words(change, language),
                sentence(f"scenario_{change.kind}", language, n=abs(change.size), side=2),
            ):
                assert said.strip()
                assert not set("{}") & set(said)
                check_words(said, language, "analyst")

    def test_who_or_what_is_not_there_is_refused(self, scorer, ledger, context):
        with pytest.raises(DataError, match="D162"):
            scorer.counterfactual(ledger, "nobody", context=context)
        with pytest.raises(DataError, match="D167"):
            scorer.counterfactual(ledger, ledger.customers[0], obligation_id="none", context=context)


class TestStress:
    def test_rows_add_up_to_the_table_and_the_first_is_as_it_is(self, scorer, ledger, context, question):
        told = scorer.stress_test(ledger, scenarios=[[Change("price", 0.1)], [Change("income", 30)]], context=context)
        table = told.table
        now = question.asked()
        assert table["name"].tolist()[:2] == ["as it is", "prices 10% higher"]
        assert table["bill"].iloc[0] == pytest.approx(now["amount"].sum())
        assert table["expected_open"].iloc[0] == pytest.approx((now["amount"] * now["p_late"]).sum())
        assert table["bill"].iloc[1] == pytest.approx(1.1 * now["amount"].sum())
        assert table["p_late_change"].iloc[0] == 0
        assert table["p_late"].iloc[2] > table["p_late"].iloc[0]

    def test_one_customer_is_invited_to_a_self_check_with_own_figures_and_no_word_of_risk(
        self, scorer, ledger, context, question
    ):
        running = question.obs[question.obs["stage"] == "cycle"]["customer_id"]
        some = [scorer.stress_test(ledger, customers=[who], context=context) for who in running.unique()[:5]]
        texts = [one.self_check(language) for one in some for language in LANGUAGES]
        assert any("€" in text for text in texts)
        whole = scorer.stress_test(ledger, context=context)
        assert "€" not in whole.self_check("nl", "informal")

    def test_it_draws_itself(self, scorer, ledger, context):
        pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")
        told = scorer.stress_test(ledger, scenarios=[[Change("price", 0.1)]], context=context)
        display = told.plot(language="nl")
        assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["zoals het is", "prijzen 10% hoger"]
        assert "<table" in told._repr_html_()


def test_who_is_held_back_is_not_asked_about(scorer, ledger, context, question):
    scores = scorer.score(ledger, context=context)
    held = scores[(scores["status"] != "scored") & (scores["lead_days"] >= 0)]
    assert len(held)
    assert not set(held["obligation_id"]) & set(question.obs["obligation_id"])


def test_a_cost_that_is_missing_stays_missing():
    day = pd.Timestamp("2026-03-01")
    usage = pd.DataFrame({"customer_id": ["c"] * 2, "used_on": [day] * 2, "quantity": [1.0, 2.0], "cost": [3.0, None]})
    bill = {"invoice_id": ["A"], "customer_id": ["c"], "issued_on": [day], "due_on": [day], "amount": [5.0]}
    paid = {"payment_id": ["p"], "customer_id": ["c"], "paid_on": [day], "amount": [5.0]}
    ledger = ew.Ledger.from_tables(invoices=pd.DataFrame(bill), payments=pd.DataFrame(paid), usage=usage)
    at = moment("2026-03-10", ledger.timezone)
    changed = changed_ledger(ledger, [Change("usage", 0.2)], at, pd.DataFrame()).frame("usage")
    assert changed["cost"].iloc[0] == pytest.approx(3.6)
    assert np.isnan(changed["cost"].iloc[1])


@pytest.mark.parametrize(("kind", "size"), [("prise", 0.1), ("instalments", 0), ("usage", -2), ("due_day", 400)])
def test_a_change_that_makes_no_sense_is_refused(kind, size):
    with pytest.raises(EarlywarnError, match="E034"):
        Change(kind, size)


def test_every_kind_has_words():
    for kind, (low, high) in KINDS.items():
        assert change_words(Change(kind, min(max(2.0, low), high)), "en")


def test_a_ledger_of_some_customers_holds_their_facts_only(ledger):
    some = list(ledger.customers[3:6])
    part = ledger.of_customers(some)
    assert part.customers == ledger.customers
    for name in ("invoices", "payments", "usage"):
        whole = ledger.frame(name)
        expected = whole[whole["customer_id"].isin(some)].reset_index(drop=True)
        pd.testing.assert_frame_equal(part.frame(name).reset_index(drop=True), expected)
    assert len(part.frame("regions")) == len(ledger.frame("regions"))
    at = moment(ledger.until, ledger.timezone)
    assert set(part.known_before(at).frame("invoices")["customer_id"]) <= set(some)
