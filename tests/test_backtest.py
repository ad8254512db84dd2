"""The backtest: nothing that had not matured is learned from; the figures are those of its predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from earlywarn.errors import DataError, NotEnoughHistoryError
from earlywarn.features.catalogue import Feature, FeatureSet
from earlywarn.outcomes import Outcome
from earlywarn.risk.backtest import backtest
from earlywarn.risk.backtest_result import BacktestResult
from earlywarn.risk.baselines import BASE_RATE, BASELINES, baseline_probability
from earlywarn.risk.metrics import bootstrap_by_group, capture_at, lift_at, warned_days
from earlywarn.risk.model import RiskModel
from earlywarn.tables.ledger import Ledger

FEATURES = FeatureSet(
    [
        Feature("late_share_365d", "mean(maturities.late, days=365)", risk="up"),
        Feature("days_beyond_terms_last", "last(settlements.days_beyond_terms)", risk="up"),
        Feature("invoice_amount", "invoice.amount"),
    ]
)
MODEL = RiskModel(FEATURES, n_estimators=20, max_depth=2, learning_rate=0.1)
LEAD = 7


def biller(customers=80, months=14, seed=0):
    """A ledger of monthly invoices; some customers pay late as a habit."""
    rng = np.random.default_rng(seed)
    prone = rng.beta(0.8, 2.5, customers)
    customer, month = (item.ravel() for item in np.mgrid[:customers, :months])
    n = len(customer)
    issued = pd.Timestamp("2025-01-05") + pd.to_timedelta(month * 30 + customer % 20, unit="D")
    late = rng.random(n) < prone[customer]
    days = np.where(late, rng.integers(5, 20, n), rng.integers(-6, 3, n))
    invoices = pd.DataFrame(
        {
            "invoice_id": [f"i{at}" for at in range(n)],
            "customer_id": [f"c{at}" for at in customer],
            "issued_on": issued,
            "due_on": issued + pd.Timedelta(days=20),
            "amount": rng.integers(20, 90, n).astype(float),
        }
    )
    payments = pd.DataFrame(
        {
            "payment_id": [f"p{at}" for at in range(n)],
            "customer_id": invoices["customer_id"],
            "paid_on": invoices["due_on"] + pd.to_timedelta(days, unit="D"),
            "amount": invoices["amount"],
            "invoice_id": invoices["invoice_id"],
        }
    )
    return Ledger.from_tables(invoices=invoices, payments=payments)


@pytest.fixture(scope="module")
def ledger():
    return biller()


@pytest.fixture(scope="module")
def result(ledger):
    return backtest(FEATURES, Outcome(lead_days=LEAD), ledger, folds=3, model=MODEL)


class Misled:
    """An outcome that tells the opposite about everything that matures on or after a moment."""

    def __init__(self, moment):
        self._true = Outcome(lead_days=LEAD)
        self._moment = moment

    def observations(self, *arguments):
        return self._true.observations(*arguments)

    def weights(self, observations):
        return self._true.weights(observations)

    def treated(self, ledger, observations):
        return self._true.treated(ledger, observations)

    def resolve(self, ledger, observations):
        resolved = self._true.resolve(ledger, observations)
        y = resolved["late"]
        return resolved.assign(late=y.where(resolved["matures_at"] < self._moment, 1 - y))


@pytest.mark.parametrize("fold", ["1", "2", "3"])
def test_what_had_not_matured_before_a_fold_changes_no_probability_in_it(ledger, result, fold):
    tested = result.predictions.query("fold == @fold")
    first = tested["as_of"].min()
    misled = backtest(FEATURES, Misled(first), ledger, folds=3, model=MODEL).predictions.query("fold == @fold")
    scorers = ["earlywarn", *BASELINES, BASE_RATE]
    pd.testing.assert_frame_equal(misled[scorers], tested[scorers])
    assert (misled["late"] == 1 - tested["late"]).all()


def test_what_matured_just_before_a_fold_does_change_it(ledger, result):
    """The law above can fail: told the opposite from a week earlier on, the fold is another one."""
    tested = result.predictions.query("fold == '2'")
    earlier = tested["as_of"].min() - pd.Timedelta(days=7)
    misled = backtest(FEATURES, Misled(earlier), ledger, folds=3, model=MODEL).predictions.query("fold == '2'")
    assert (misled["earlywarn"] != tested["earlywarn"]).any()


def test_folds_follow_one_another_and_no_moment_is_parted(result):
    spans = result.predictions.groupby("fold")["as_of"].agg(["min", "max"]).sort_index()
    assert (spans["min"].iloc[1:].to_numpy() > spans["max"].iloc[:-1].to_numpy()).all()
    sizes = result.predictions.groupby("fold").size()
    assert sizes.max() < 1.5 * sizes.min()


def test_the_table_is_computed_from_the_predictions(result):
    for line in result.table.itertuples():
        rows = result.predictions if line.fold == "all" else result.predictions.query("fold == @line.fold")
        p = rows[line.scorer]
        assert line.rows == len(rows)
        assert line.events == rows["late"].sum()
        assert line.auc == pytest.approx(roc_auc_score(rows["late"], p))
        assert line.brier == pytest.approx(brier_score_loss(rows["late"], p))
        assert line.mean_p == pytest.approx(p.mean())
        assert line.first_as_of == rows["as_of"].min()


def test_every_scorer_is_in_every_fold_and_the_known_cause_is_found(result):
    assert result.table.groupby("fold")["scorer"].nunique().eq(2 + len(BASELINES)).all()
    auc = result.overall().set_index("scorer")["auc"]
    assert auc["earlywarn"] > 0.65
    assert auc.drop(BASE_RATE).min() > 0.55
    assert auc.is_monotonic_decreasing


def test_without_baselines_only_the_model_is_tested(ledger):
    alone = backtest(FEATURES, Outcome(lead_days=LEAD), ledger, folds=2, model=MODEL, baselines=False)
    assert set(alone.table["scorer"]) == {"earlywarn"}


def test_a_backtest_can_be_repeated_and_tells_how_far_it_is(ledger, result):
    steps = []
    again = backtest(
        FEATURES,
        Outcome(lead_days=LEAD),
        ledger,
        folds=3,
        model=MODEL,
        progress=steps.append,
    )
    pd.testing.assert_frame_equal(again.table, result.table)
    assert again.random_split == result.random_split
    assert steps == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_the_window_can_be_chosen(ledger):
    chosen = backtest(
        FEATURES,
        Outcome(lead_days=LEAD),
        ledger,
        folds=2,
        model=MODEL,
        start="2025-03-01",
        end="2025-10-01",
    )
    assert chosen.predictions["as_of"].max() <= pd.Timestamp("2025-10-01")


def test_a_fold_without_enough_before_it_is_left_out_with_a_notice():
    few = backtest(FEATURES, Outcome(lead_days=LEAD), biller(4, 14), folds=12, model=MODEL)
    assert few.notices[0].startswith("fold 1 was left out:")
    assert "1" not in set(few.table["fold"])


def test_no_history_at_all_says_so():
    with pytest.raises(NotEnoughHistoryError, match="H403"):
        backtest(FEATURES, Outcome(lead_days=LEAD), biller(2, 3), folds=4, model=MODEL)


def test_a_result_shows_itself(result):
    assert isinstance(result, BacktestResult)
    assert "past late share" in repr(result)
    assert "<table" in result._repr_html_()


def test_a_baseline_is_the_share_late_at_each_value_of_a_yes_or_no():
    """With one yes-or-no figure a logistic regression has a closed form: the shares (up to its penalty)."""
    rng = np.random.default_rng(0)
    flag = pd.Series(rng.integers(0, 2, 20_000).astype(float))
    y = pd.Series((rng.random(20_000) < np.where(flag == 1, 0.6, 0.1)).astype(int))
    found = baseline_probability(flag, y, pd.Series([0.0, 1.0]))
    np.testing.assert_allclose(found, y.groupby(flag).mean(), atol=1e-3)


def test_a_baseline_gives_those_without_history_their_own_share():
    flag = pd.Series([0.0, 1.0, np.nan] * 4000)
    y = pd.Series(np.random.default_rng(0).random(12_000) < np.tile([0.1, 0.6, 0.3], 4000)).astype(int)
    found = baseline_probability(flag, y, pd.Series([np.nan, 0.0]))
    np.testing.assert_allclose(found, [0.3, 0.1], atol=0.02)


def test_a_baseline_nobody_has_a_figure_for_is_the_base_rate():
    found = baseline_probability(pd.Series([np.nan] * 4), pd.Series([0, 1, 0, 0]), pd.Series([1.0, 2.0]))
    assert found.tolist() == [0.25, 0.25]


def test_measures_by_a_column_are_those_of_its_rows(result):
    table = result.by("lead_days")
    assert table["lead_days"].eq(LEAD).all()
    halves = result.predictions.assign(big=result.predictions["amount"] > result.predictions["amount"].median())
    parted = type(result)(result.table, halves).by("big")
    for line in parted.itertuples():
        rows = halves[halves["big"] == line.big]
        assert line.rows == len(rows)
        assert line.auc == pytest.approx(roc_auc_score(rows["late"], rows[line.scorer]), nan_ok=True)
    with pytest.raises(DataError, match="did you mean 'lead_days'"):
        result.by("lead_day")


def test_who_was_learned_from_is_told_apart(ledger, result):
    """By hand: customers with a matured observation before the fold's first moment."""
    outcome = Outcome(lead_days=LEAD)
    obs = outcome.observations(ledger)
    matures = outcome.resolve(ledger, obs)["matures_at"]
    for _, rows in result.predictions.groupby("fold"):
        begin = rows["as_of"].min()
        known = set(obs.loc[(obs["as_of"] < begin) & (matures < begin), "customer_id"])
        assert rows["seen"].tolist() == [customer in known for customer in rows["customer_id"]]


def test_how_far_the_model_is_ahead_is_told_with_its_noise(result):
    ahead = result.ahead_of("base rate", repeats=50)
    auc = result.overall().set_index("scorer")["auc"]
    assert ahead.value == pytest.approx(auc["earlywarn"] - auc["base rate"])
    assert ahead.low < ahead.value < ahead.high
    with pytest.raises(DataError, match="D112"):
        result.ahead_of("a coin")


# -- noise, calibration, capacity, claims, pictures ------------------------------------------------------------


def test_the_gini_is_twice_the_auc_less_one_and_capture_is_counted(result):
    line = result.table[(result.table["fold"] == "all") & (result.table["scorer"] == "earlywarn")].iloc[0]
    rows = result.predictions
    assert line["gini"] == pytest.approx(2 * line["auc"] - 1)
    order = rows.sort_values("earlywarn", ascending=False, kind="stable")
    called = order.head(round(0.1 * len(rows)))
    assert line["capture"] == pytest.approx(called["late"].sum() / rows["late"].sum(), abs=0.02)
    money = (rows["late"] * rows["open_amount"]).sum()
    assert line["money"] == pytest.approx((called["late"] * called["open_amount"]).sum() / money, abs=0.02)
    assert line["lift"] == pytest.approx(line["capture"] / 0.1)
    assert line["warned_days"] == LEAD


def test_the_capacity_is_a_share(ledger):
    half = backtest(FEATURES, Outcome(lead_days=LEAD), ledger, folds=2, model=MODEL, capacity=0.5, random_split=False)
    assert half.overall()["lift"].max() <= 2
    assert half.random_split is None
    with pytest.raises(DataError, match="D197"):
        backtest(FEATURES, Outcome(lead_days=LEAD), ledger, capacity=20)


def test_warning_counts_from_the_first_lead_at_which_a_late_bill_was_among_the_highest():
    rows = pd.DataFrame(
        {
            "late": [1, 1, 1, 1, 0, 0],
            "score": [0.2, 0.9, 0.8, 0.7, 0.95, 0.1],
            "lead": [14, 7, 14, 7, 14, 7],
            "bill": ["a", "a", "b", "b", "c", "c"],
        }
    )
    found = warned_days(rows["late"], rows["score"], 0.5, rows["lead"], rows["bill"])
    assert found == (7 + 14) / 2  # a was seen at 7 days only, b at 14; c was on time
    assert np.isnan(warned_days([0, 0], [0.1, 0.2], 0.5, [7, 7], ["a", "b"]))


def test_intervals_hold_their_value_and_are_those_of_the_bootstrap(result):
    found = result.intervals(repeats=60)
    assert set(found["fold"]) == {"1", "2", "3", "all"}
    assert (found["low"] <= found["value"] + 1e-9).all()
    assert (found["value"] <= found["high"] + 1e-9).all()
    pooled = found[found["fold"] == "all"].set_index("measure")
    rows = result.predictions
    own = bootstrap_by_group(rows["late"], rows["earlywarn"], np.full(len(rows), 0.5), rows["customer_id"], repeats=60)
    assert pooled.loc["auc", "low"] == pytest.approx(own.low + 0.5)
    assert pooled.loc["bias", "value"] == pytest.approx(rows["earlywarn"].mean() - rows["late"].mean())
    pd.testing.assert_frame_equal(result.intervals(repeats=60), found)
    with pytest.raises(DataError, match="D112"):
        result.intervals("a coin")


def test_whether_probabilities_hold_is_said_of_each_fold():
    rng = np.random.default_rng(5)
    p = rng.beta(1, 6, 9000)
    drawn = pd.DataFrame(
        {
            "fold": np.repeat(["1", "2", "3"], 3000),
            "customer_id": rng.integers(0, 800, 9000),
            "late": (rng.random(9000) < p).astype(int),
        }
    )

    def held(claimed):
        return BacktestResult(pd.DataFrame(), drawn.assign(earlywarn=claimed)).calibration(repeats=60)

    fair = held(p)
    assert fair["fold"].tolist() == ["1", "2", "3", "all"]
    assert fair["holds"].all()
    assert fair["allowed"].ge(0.01).all()
    assert not held(p**0.5)["holds"].any()
    assert not held(0.9 * p + 0.1)["holds"].any()
    steep = p**1.5 / (p**1.5 + (1 - p) ** 1.5)
    assert not held(steep)["holds"].any()


def test_rows_drawn_by_lot_claim_more_where_the_same_bill_is_seen_twice():
    """Bills by the toss of a coin: nothing can be known of them, but a bill's own label at another lead."""
    rng = np.random.default_rng(3)
    n = 900
    issued = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(n) // 3, unit="D")
    paid = issued + pd.to_timedelta(np.where(rng.random(n) < 0.4, 30, 18), unit="D")
    books = Ledger.from_invoices(
        pd.DataFrame(
            {
                "invoice_id": np.arange(n).astype(str),
                "customer_id": (np.arange(n) % 300).astype(str),
                "issued_on": issued,
                "due_on": issued + pd.Timedelta("20D"),
                "paid_on": paid,
                "amount": 10 + rng.random(n).round(2) * 500,
            }
        ),
        settled_on="paid_on",
    )
    told = FeatureSet([Feature("amount", "invoice.amount")])  # names the bill as good as a number would
    deep = RiskModel(told, n_estimators=300, max_depth=8, learning_rate=0.3, min_child_weight=0.1, reg_lambda=0.01)
    result = backtest(told, Outcome(lead_days=(14, 7, 5)), books, folds=2, model=deep)
    honest = result.overall().set_index("scorer").loc["earlywarn", "auc"]
    assert abs(honest - 0.5) < 0.1
    assert result.random_split.same_bill > 0.7
    assert result.random_split.measures["auc"] > honest + 0.1
    assert "by lot would have claimed" in repr(result)


def test_a_permuted_outcome_is_no_better_than_a_coin(ledger):
    """What is left of the score when labels are dealt out anew: nothing, within two standard errors of a half."""

    class Dealt(Misled):
        def resolve(self, ledger, observations):
            resolved = self._true.resolve(ledger, observations)
            known = resolved["late"].notna()
            dealt = resolved["late"].copy()
            dealt[known] = np.random.default_rng(0).permutation(resolved.loc[known, "late"].to_numpy())
            return resolved.assign(late=dealt)

    found = backtest(FEATURES, Dealt(None), ledger, folds=3, model=MODEL).table
    pooled = found[(found["fold"] == "all") & (found["scorer"] == "earlywarn")].iloc[0]
    error = np.sqrt((1 / pooled["events"] + 1 / (pooled["rows"] - pooled["events"])) / 12)
    assert abs(pooled["auc"] - 0.5) < 2.6 * error


def test_pictures_show_the_measures(result):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    rows = result.predictions
    gain = result.gain()
    for name in gain.curves:
        assert gain.caught(name) == pytest.approx(capture_at(rows["late"], rows[name], 0.1))
        assert gain.caught(name, 1.0) == 1.0
    lift = result.lift()
    assert lift.lift("earlywarn", 0.1) == pytest.approx(lift_at(rows["late"], rows["earlywarn"], 0.1))
    for display in (gain.plot(), lift.plot(), result.reliability().plot()):
        assert display.ax_ is not None
        texts = [text.get_text() for text in display.ax_.texts]
        assert display.ax_.get_xlabel()
        assert display is not gain or texts == ["capacity 10%"]
        pyplot.close(display.figure_)


def test_the_page_says_what_was_found_and_stands_alone(result, tmp_path):
    pytest.importorskip("matplotlib")
    page = result.to_html(tmp_path / "backtest.html")
    assert (tmp_path / "backtest.html").read_text(encoding="utf-8") == page
    assert page.count("<svg") == 3
    assert "past late share" in page
    assert "drawn by lot would have claimed" in page
    for word in ("src=", 'href="http', "<script"):
        assert word not in page
    assert f"{result.overall()['auc'].iloc[0]:.3f}" in page
    assert result.to_html() == page


def test_groups_of_folds_and_of_customers_without_a_segment_are_all_there(result):
    folds = result.by("fold")
    assert folds["fold"].drop_duplicates().tolist() == ["1", "2", "3"]
    rows = result.predictions.assign(segment=np.where(np.arange(len(result.predictions)) % 3 > 0, "b2c", None))
    parted = BacktestResult(result.table, rows).by("segment")
    own = parted[parted["scorer"] == "earlywarn"]
    assert own["segment"].tolist() == ["b2c", "unknown"]
    assert own["rows"].sum() == len(rows)


def test_no_known_outcome_in_the_window_says_so(ledger):
    with pytest.raises(NotEnoughHistoryError, match="H403"):
        backtest(FEATURES, Outcome(lead_days=LEAD), ledger, start=ledger.until - pd.Timedelta("3D"))


def test_stretches_may_be_months_and_what_is_learned_from_may_slide(ledger):
    edges = ["2025-07-01", "2025-08-01", "2025-10-01"]
    found = backtest(
        FEATURES, Outcome(lead_days=LEAD), ledger, edges=edges, window_days=90, embargo_days=10, model=MODEL,
        random_split=False,
    )  # fmt: skip
    spans = found.predictions.groupby("fold")["as_of"].agg(["min", "max"])
    assert (spans["min"] >= pd.to_datetime(edges[:-1])).all()
    assert (spans["max"] < pd.to_datetime(edges[1:])).all()
    whole = backtest(FEATURES, Outcome(lead_days=LEAD), ledger, edges=edges, model=MODEL, random_split=False)
    assert (found.predictions["train_rows"] < whole.predictions["train_rows"]).all()


def test_equal_scores_at_the_cut_warn_nobody():
    assert np.isnan(warned_days([1, 1, 0], [0.5, 0.5, 0.5], 0.1, [7, 14, 7], ["a", "b", "c"]))
    assert warned_days([1, 1, 0], [0.9, 0.5, 0.5], 0.5, [7, 14, 7], ["a", "b", "c"]) == 7


def test_many_rows_must_hold_by_their_figures_and_not_by_their_intervals():
    rng = np.random.default_rng(6)
    p = rng.beta(1, 6, 12_000)
    late = (rng.random(12_000) < p).astype(int)
    drawn = pd.DataFrame({"fold": "1", "customer_id": np.arange(12_000) % 30, "late": late})

    def holds(claimed, rows):
        found = BacktestResult(pd.DataFrame(), drawn.assign(earlywarn=claimed).head(rows)).calibration(repeats=60)
        return found.set_index("fold")["holds"]["all"]

    a_little_off = p**1.13 / (p**1.13 + (1 - p) ** 1.13)
    assert holds(p, 12_000)
    assert not holds(a_little_off, 12_000)


@pytest.fixture(scope="module")
def called():
    """Every third bill brings a call, after which it is paid in time whoever the customer is."""
    base = biller(150, 14, seed=8)
    invoices, payments = base.frame("invoices"), base.frame("payments")
    helped = np.random.default_rng(0).random(len(invoices)) < 0.34
    due = invoices.set_index("invoice_id")["due_on"]
    ids = set(invoices.loc[helped, "invoice_id"])
    in_time = payments["invoice_id"].isin(ids)
    payments = payments.assign(paid_on=payments["paid_on"].where(~in_time, payments["invoice_id"].map(due)))
    contacts = pd.DataFrame(
        {
            "contact_id": [f"k{at}" for at in range(int(helped.sum()))],
            "customer_id": invoices.loc[helped, "customer_id"].to_numpy(),
            "contacted_at": (invoices.loc[helped, "due_on"] - pd.Timedelta("3D")).to_numpy(),
            "channel": "call",
            "direction": "outbound",
            "purpose": "service",
            "invoice_id": invoices.loc[helped, "invoice_id"].to_numpy(),
        }
    )
    wanted = ["invoice_id", "customer_id", "issued_on", "due_on", "amount"]
    paid = ["payment_id", "customer_id", "paid_on", "amount", "invoice_id"]
    return Ledger.from_tables(invoices=invoices[wanted], payments=payments[paid], contacts=contacts)


def test_what_is_predicted_without_a_contact_is_measured_on_who_was_not_contacted(called):
    found = backtest(FEATURES, Outcome(lead_days=LEAD), called, folds=2, model=MODEL)
    rows = found.predictions
    assert 0.2 < rows["treated"].mean() < 0.5
    assert (rows["judged"] == ~rows["treated"]).all()
    line = found.overall().set_index("scorer").loc["earlywarn"]
    alone = rows[~rows["treated"]]
    assert line["rows"] == len(alone)
    assert line["base_rate"] == pytest.approx(alone["late"].mean())
    assert abs(line["mean_p"] - line["base_rate"]) < 0.05
    mixed = rows["late"].mean()
    assert abs(line["mean_p"] - line["base_rate"]) < abs(line["mean_p"] - mixed)
    assert abs(found.calibration(repeats=40)["mean_p"].iloc[-1] - line["mean_p"]) < 1e-12
    both = found.by("treated").query("scorer == 'earlywarn'").set_index("treated")
    assert both.loc[True, "base_rate"] < 0.02 < 0.1 < both.loc[True, "mean_p"]
    assert any("were contacted before their outcome" in notice for notice in found.notices)
    assert abs(found.random_split.measures["mean_p"] - line["mean_p"]) < 0.06
    chosen = {f"c{at}" for at in range(60)}
    held = backtest(FEATURES, Outcome(lead_days=LEAD), called, folds=2, model=MODEL, holdout=chosen, random_split=False)
    assert (held.predictions["judged"] <= held.predictions["customer_id"].isin(chosen)).all()
    assert "those of the holdout" in held.notices[-1]
