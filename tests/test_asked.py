"""What people ask of a Scorer: a customer explained, messages and cards, reasons of a portfolio."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import earlywarn as ew
from earlywarn.errors import DataError
from earlywarn.plots import CustomerDisplay, ReasonHeatDisplay, ReasonTrendDisplay, StressDisplay
from earlywarn.reasons.call_card import CallCard, families_told
from earlywarn.reasons.portfolio import family_frame, reasons_by, reasons_over_time
from earlywarn.reasons.voices import check_words
from earlywarn.risk.newcomers import groups_of
from earlywarn.scorer.saying import _figures, is_news


@pytest.fixture(scope="module")
def tables():
    return ew.simulate.World("telecom", 450, 12, seed=2, read_days=7).live().tables()


@pytest.fixture(scope="module")
def ledger(tables):
    return ew.Ledger.from_tables(**tables)


@pytest.fixture(scope="module")
def scorer(ledger):
    outcome = ew.Outcome(lead_days=7, stages=("cycle", "scheduled", "issued", "collecting"))
    model = ew.RiskModel(n_estimators=60, max_depth=5, learning_rate=0.1)
    return ew.train(ew.FeatureSet.default(), outcome, ledger, model=model, days=False)


@pytest.fixture(scope="module")
def context(scorer, ledger):
    return scorer.context(ledger)


@pytest.fixture(scope="module")
def scored(scorer, ledger, context):
    scores = scorer.score(ledger, context=context)
    kept = scores[scores["status"] == "scored"]
    kept.attrs = scores.attrs
    return kept


@pytest.fixture(scope="module")
def told(scorer, ledger, context, scored):
    who = scored.sort_values("p_late")["customer_id"].iloc[-1]
    return scorer.explain(ledger, who, language="nl-BE", context=context)


@pytest.fixture(scope="module")
def plan(scorer, ledger, context):
    plan = scorer.recommend(ledger, capacity={"calls": 15, "notices": 60}, context=context)
    acting = plan.index[plan["exclusion"].isna() & (plan["action"] != "nothing")]
    assert len(acting) >= 6
    for row, angle in zip(acting[:4], ("usage_high", "help_offer", "due_day", "bill_explained"), strict=True):
        plan.loc[row, ["action", "channel", "angle"]] = ["service_call", "phone", angle]  # some of them by phone
    return plan


class TestACustomerExplained:
    def test_contributions_and_points_add_up_to_what_the_score_says(self, told, scored):
        for label, row in told.scores.iterrows():
            own = told.reasons_of(label)
            assert row["p_late"] == scored.loc[scored["obligation_id"] == row["obligation_id"], "p_late"].iloc[0]
            assert told.bases[label] + own["contribution"].sum() == pytest.approx(logit(row["p_late"]), abs=1e-9)
            assert expit(told.bases[label]) + own["points"].sum() == pytest.approx(row["p_late"], abs=1e-9)

    def test_reasons_go_both_ways_and_every_family_is_there(self, told):
        own = told.reasons_of()
        assert (own["contribution"] > 0).any()
        assert (own["contribution"] < 0).any()
        assert own["family"].is_unique

    def test_it_shows_itself_with_pictures_and_what_the_model_would_say(self, told):
        pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")
        page = told._repr_html_()
        assert page.count("data:image/png;base64,") == 2
        assert "Het model zegt" in page
        assert str(told.customer_id) in page

    def test_the_timeline_holds_what_happened_before_the_moment_and_the_windows_of_reasons(self, told, ledger):
        pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")
        display = told.timeline()
        at = pd.Timestamp(told.scores.attrs["as_of"])
        assert (display.events["at"] < at).all()
        bills = ledger.frame("invoices").query("customer_id == @told.customer_id")
        counted = bills["happened_at"].between(at - pd.Timedelta(days=400), at, inclusive="left").sum()
        assert (display.events["lane"] == "invoices").sum() == counted
        raising = told.reasons_of().query("contribution > 0")["feature"].tolist()
        assert set(display.windows["label"]) <= set(raising)

    def test_who_has_nothing_to_explain_is_told_why(self, scorer, ledger, context):
        with pytest.raises(DataError, match="D162"):
            scorer.explain(ledger, "nobody", context=context)
        with pytest.raises(DataError, match="D167"):
            scorer.explain(ledger, ledger.customers[0], "2031-01-01", context=None)


class TestWhatIsSaid:
    @pytest.mark.parametrize("language", ["en", "nl-NL", "nl-BE", "fr-BE", "fr-FR"])
    @pytest.mark.parametrize("formality", ["formal", "informal"])
    def test_every_contact_gets_a_text_and_every_call_a_card(self, scorer, ledger, context, plan, language, formality):
        said = scorer.messages(ledger, plan, language=language, formality=formality, context=context)
        acting = plan[plan["exclusion"].isna() & (plan["action"] != "nothing")]
        assert said["customer_id"].tolist() == acting["customer_id"].tolist()
        for row in said.itertuples():
            check_words(row.text, language)
            assert (row.card is not None) == (row.channel == "phone")
            assert not re.search(r"[{}]|\bnan\b", row.text)

    def test_a_card_tells_a_fact_that_fits_what_the_call_is_about(self, scorer, ledger, context, plan):
        cards = scorer.call_cards(ledger, plan, company="Aqua", name="Noor", context=context)
        assert cards
        for customer, card in cards.items():
            row = plan[plan["customer_id"] == customer].iloc[0]
            assert isinstance(card, CallCard)
            assert card.angle == row["angle"]
            assert card.background == tuple(row["reasons"])
            assert "Aqua" in card.opening
            assert "Noor" in card.opening
        assert families_told("usage_high") == ("usage", "invoice")

    def test_a_bill_is_named_with_its_own_amount_and_day_and_a_running_one_with_neither(
        self, scorer, ledger, context, plan
    ):
        said = scorer.messages(ledger, plan, language="en", context=context).set_index("customer_id")
        bills = scorer.score(ledger, context=context).set_index("obligation_id")
        some = plan[plan["angle"] == "due_soon"]
        assert len(some)
        for row in some.itertuples():
            text = said.loc[row.customer_id, "text"]
            bill = bills.loc[row.subjects[0]]
            certain = bill["stage"] != "cycle" and not bill["due_is_estimated"]
            assert (f"€{bill['amount']:,.2f}" in text) == certain

    def test_each_customer_is_addressed_in_their_own_language(self, tables, scorer, context, plan):
        customers = tables["customers"].copy()
        customers["language"] = np.where(np.arange(len(customers)) % 2, "fr", "nl")
        ledger = ew.Ledger.from_tables(**{**tables, "customers": customers})
        said = scorer.messages(ledger, plan, context=context)
        own = customers.drop_duplicates("customer_id", keep="last").set_index("customer_id")["language"]
        assert said["language"].tolist() == own.loc[said["customer_id"]].tolist()

    def test_nobody_who_is_left_in_peace_is_written_to(self, scorer, ledger, plan, context):
        quiet = plan[plan["exclusion"].notna()]
        quiet.attrs = plan.attrs
        assert len(quiet)
        assert len(scorer.messages(ledger, quiet, context=context)) == 0


def test_only_what_is_news_is_told_as_a_fact():
    assert [is_news(value) for value in (1.0, np.float32(0.5), 0.0, -1.5, float("nan"), "b2c", None)] == [
        True,
        True,
    ] + [False] * 5


def test_no_date_that_has_gone_by_and_none_that_is_only_estimated_is_told():
    bill = pd.Series(
        {"customer_id": "c", "stage": "issued", "due_is_estimated": False, "due_on": "2026-03-10", "open_amount": 5.0}
    )
    row = SimpleNamespace(angle="collection_ahead")
    assert set(_figures(bill, row, pd.Timestamp("2026-03-01"), np.nan)) == {"amount", "on", "until"}
    assert set(_figures(bill, row, pd.Timestamp("2026-03-08"), np.nan)) == {"amount", "on"}
    guessed = pd.Series({**bill, "due_is_estimated": True})
    assert _figures(guessed, row, pd.Timestamp("2026-03-01"), np.nan) == {}
    assert _figures(bill, SimpleNamespace(angle="usage_high"), pd.Timestamp("2026-03-01"), 12.5) == {"amount": 12.5}


class TestAPortfolio:
    def test_family_reasons_add_up_to_the_log_odds_of_each_row(self, scorer, ledger, context, scored):
        frame = scorer.family_reasons(ledger, scored, context=context)
        by_model = (scored["rests_on"] != "base_rate").to_numpy()
        whole = scorer.model.base_log_odds_ + frame.sum(axis=1)
        np.testing.assert_allclose(whole[by_model], logit(scored["p_late"][by_model]), atol=1e-5)

    def test_means_by_group_weighted_by_rows_cancel_out(self, scorer, ledger, context, scored):
        frame = scorer.family_reasons(ledger, scored, context=context)
        at = scored.assign(as_of=pd.Timestamp(scored.attrs["as_of"]))
        table = reasons_by(frame, groups_of(ledger, at)["region"])
        weighted = table.drop(columns="rows").mul(table["rows"], axis=0).sum()
        np.testing.assert_allclose(weighted, 0.0, atol=1e-9)
        assert table["rows"].is_monotonic_decreasing

    def test_groups_that_do_not_go_with_the_rows_are_refused_and_rows_without_a_moment_left_out(self):
        with pytest.raises(DataError, match="D195"):
            reasons_by(pd.DataFrame({"usage": [1.0, 2.0]}), ["a"])
        table = reasons_over_time(pd.DataFrame({"usage": [1.0, 2.0]}), [pd.NaT, pd.Timestamp("2026-01-05")])
        assert [str(period) for period in table.index] == ["2026-01"]

    def test_small_groups_and_rows_without_one_are_left_out(self):
        frame = pd.DataFrame({"usage": [1.0, 2.0, 3.0, 4.0]})
        table = reasons_by(frame, ["a", "a", "b", None], at_least=2)
        assert table.index.tolist() == ["a"]
        assert table.loc["a", "usage"] == 0.0

    def test_first_reasons_over_time_are_shares(self):
        frame = pd.DataFrame({"usage": [1.0, 0.2, -1.0, 0.4], "history": [0.5, 0.9, -2.0, 0.1]})
        table = reasons_over_time(frame, pd.to_datetime(["2026-01-03", "2026-01-09", "2026-02-01", "2026-03-01"]))
        assert table.loc["2026-01"].tolist() == [0.5, 0.5]
        assert table.loc["2026-02"].tolist() == [0.0, 0.0]  # nothing raises the risk
        assert table.loc["2026-03"].tolist() == [1.0, 0.0]

    def test_families_are_those_of_a_pandas_groupby(self):
        values = np.random.default_rng(0).standard_normal((5, 4))
        frame = family_frame(values, ["a", "b", "a", "c"])
        np.testing.assert_allclose(frame["a"], values[:, 0] + values[:, 2])


class TestPictures:
    @pytest.fixture(autouse=True)
    def drawing(self):
        pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")
        yield
        pytest.importorskip("matplotlib.pyplot").close("all")

    def test_the_heat_table_shows_every_figure(self):
        table = pd.DataFrame({"rows": [30, 20], "usage": [0.3, -0.1], "us": [0.0, 0.5]}, index=["north", "south"])
        display = ReasonHeatDisplay.from_frame(table).plot(labels={"us": "On our side"})
        assert [text.get_text() for text in display.ax_.texts] == ["0.00", "+0.30", "+0.50", "−0.10"]
        assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["On our side", "usage"]
        with pytest.raises(DataError, match="D195"):
            ReasonHeatDisplay.from_frame(table.drop(columns="rows"))

    def test_the_trend_keeps_the_most_frequent_and_adds_up_the_rest(self):
        periods = pd.period_range("2026-01", periods=3, freq="M")
        table = pd.DataFrame({name: [0.25, 0.25, 0.25] for name in "abcd"}, index=periods)
        display = ReasonTrendDisplay.from_frame(table, at_most=2).plot()
        assert display.families == ("a", "b", "…")
        np.testing.assert_allclose(display.table.sum(axis=1), 1.0)

    def test_a_timeline_refuses_what_it_does_not_know(self):
        events = pd.DataFrame({"lane": ["cats"], "at": pd.to_datetime(["2026-01-01"]), "value": [1.0], "label": [""]})
        with pytest.raises(DataError, match=r"D195[^$]*usage"):
            CustomerDisplay.from_frames(events, as_of="2026-02-01")
        with pytest.raises(DataError, match="D195"):
            CustomerDisplay.from_frames(events.drop(columns="at"), as_of="2026-02-01")
        empty = CustomerDisplay.from_frames(events.iloc[:0], as_of="2026-02-01", due_on="2026-02-09").plot()
        assert empty.lanes == ()

    def test_a_stress_picture_needs_as_many_of_each(self):
        with pytest.raises(DataError, match="D195"):
            StressDisplay.from_arrays(["a"], [1.0, 2.0], [0.1])

    def test_a_customer_explained_goes_through_the_plots_of_shap_too(self, scorer, ledger):
        shap = pytest.importorskip("shap")
        obs = scorer.outcome.observations(ledger).tail(40)
        explanation = scorer.model.explain(scorer.features.compute(ledger, obs))
        shap.plots.beeswarm(explanation, show=False, max_display=5)
        shap.plots.scatter(explanation[:, "invoice_amount_now"], show=False)
        shap.plots.waterfall(explanation[0], show=False, max_display=5)
