"""History with contacts in it: what is learned is the risk without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

import earlywarn as ew
from bills import invoice, ledger
from earlywarn.errors import DataError
from earlywarn.reasons.treeshap import TreeShap, margins
from earlywarn.risk.metrics import ici
from earlywarn.risk.untreated import with_column, without_last_column
from earlywarn.simulate import Life, World, calls_to_the_riskiest, true_p_late

BILL = invoice("A", "2026-03-01", "2026-03-20", 100)
OTHER = invoice("B", "2026-03-02", "2026-03-25", 50)


def treated(contacts: list[dict[str, Any]], **more: Any) -> list[bool]:
    """Whether the observations of two bills at due - 7, the 13th and the 18th, count as contacted."""
    rows = [
        {"contact_id": f"k{at}", "customer_id": "c", "channel": "call", "direction": "outbound", **row}
        for at, row in enumerate(contacts)
    ]
    books = ledger([BILL, OTHER], contacts=rows, until="2026-06-01", **more)
    outcome = ew.Outcome(grace_days=3, lead_days=7)
    found = outcome.treated(books, outcome.observations(books))
    assert found.name == "treated"
    return found.tolist()


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ({"contacted_at": "2026-03-12", "purpose": "service"}, [False, False]),  # before either was observed
        ({"contacted_at": "2026-03-13", "purpose": "service"}, [True, False]),
        ({"contacted_at": "2026-03-23 18:00", "purpose": "pre_due"}, [True, True]),  # the close of due + 3
        ({"contacted_at": "2026-03-24", "purpose": "reminder"}, [False, True]),
        ({"contacted_at": "2026-03-29", "purpose": "reminder"}, [False, False]),
        ({"contacted_at": "2026-03-19", "purpose": "service", "invoice_id": "B"}, [False, True]),
        ({"contacted_at": "2026-03-19", "purpose": "mandatory"}, [False, False]),
        ({"contacted_at": "2026-03-19", "purpose": "survey"}, [False, False]),
        ({"contacted_at": "2026-03-19", "purpose": "service", "direction": "inbound"}, [False, False]),
        ({"contacted_at": "2026-03-19", "purpose": None}, [True, True]),  # nobody says what for
    ],
)
def test_contacts_of_ours_about_it_between_observation_and_close_count(
    contact: dict[str, Any], expected: list[bool]
) -> None:
    assert treated([contact]) == expected


def test_without_contacts_nobody_was_contacted() -> None:
    books = ledger([BILL], until="2026-06-01")
    outcome = ew.Outcome()
    assert outcome.treated(books, outcome.observations(books)).tolist() == [False]


def test_a_running_period_counts_contacts_about_the_bill_to_come_and_not_about_older_ones() -> None:
    bills = [invoice(f"i{at}", f"2026-0{at}-01", f"2026-0{at}-20", 40.0, kind="recurring") for at in range(1, 8)]
    about = {"contact_id": "k", "customer_id": "c", "channel": "call", "direction": "outbound", "purpose": "reminder"}
    outcome = ew.Outcome(stages=("cycle",), cycle_shares=(0.5,))
    for named, day, expected in (("i5", "2026-05-28", False), ("i6", "2026-06-18", True), ("i7", "2026-07-18", False)):
        books = ledger(bills, contacts=[{**about, "contacted_at": day, "invoice_id": named}], until="2026-08-01")
        obs = outcome.observations(books)
        row = obs[(obs["as_of"] >= "2026-05-10") & (obs["as_of"] < "2026-06-01")]
        assert len(row) == 1
        assert outcome.treated(books, row).tolist() == [expected], named


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 6), share=st.sampled_from([0.05, 0.4]))
def test_pruned_trees_are_the_whole_ones_at_no_contact_and_explain_themselves(
    seed: int, depth: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(600, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    contacted = rng.random(600) < share
    risk = np.nan_to_num(X[:, 0]) - 2 * contacted * (np.nan_to_num(X[:, 1]) > 0)
    y = (rng.random(600) < 1 / (1 + np.exp(-risk))).astype(float)
    whole = xgb.train(
        {"objective": "binary:logistic", "max_depth": depth, "seed": 0, "base_score": float(y.mean())},
        xgb.DMatrix(with_column(X, contacted), label=y), 25,
    )  # fmt: skip
    pruned = without_last_column(whole)
    assert pruned.num_features() == 3
    alone = xgb.DMatrix(with_column(X, np.zeros(600)))
    np.testing.assert_array_equal(
        pruned.predict(xgb.DMatrix(X), output_margin=True), whole.predict(alone, output_margin=True)
    )
    explained = TreeShap.of(pruned, 3)  # refuses what does not add up
    values = explained.contributions(X)
    np.testing.assert_allclose(values.sum(axis=1) + explained.expected_value, margins(pruned, X), atol=1e-5)
    np.testing.assert_allclose(values, pruned.predict(xgb.DMatrix(X), pred_contribs=True)[:, :-1], atol=1e-5)


def test_a_holdout_judges_alone_and_the_rest_is_told() -> None:
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"x": rng.random(3000)})
    contacted, holdout = rng.random(3000) < 0.3, rng.random(3000) < 0.5
    y = (rng.random(3000) < np.where(contacted, 0.05, X["x"])).astype(int)
    plain, told, held = (
        ew.RiskModel(n_estimators=30).fit(X, y, **more)
        for more in ({}, {"treated": contacted}, {"treated": contacted, "holdout": holdout})
    )
    assert not any("contacted" in notice for notice in plain.notices_)
    assert any("Keep a holdout" in notice for notice in told.notices_)
    assert any("a holdout by lot calibrates" in notice for notice in held.notices_)
    later = slice(2700, None)
    assert told.calibration_.rows == (~contacted)[later].sum()
    assert held.calibration_.rows == (holdout & ~contacted)[later].sum()
    assert told.training_summary_["treated"] == contacted.sum()
    asked = pd.DataFrame({"x": [0.2, 0.5, 0.8]})
    assert np.abs(told.predict_proba(asked)[:, 1] - asked["x"]).max() < 0.1
    assert (plain.predict_proba(asked)[:, 1] < told.predict_proba(asked)[:, 1]).all()
    card = ew.Scorecard().fit(X, y, treated=contacted)
    assert np.abs(card.predict_proba(asked)[:, 1] - asked["x"]).max() < 0.15
    with pytest.raises(DataError, match="D191"):
        ew.RiskModel().fit(X, y, treated=[None] * 3000)


def test_a_holdout_that_is_too_small_or_over_leaves_judging_to_all_who_were_not_contacted() -> None:
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"x": rng.random(4000)})
    contacted = rng.random(4000) < 0.3
    y = (rng.random(4000) < np.where(contacted, 0.05, X["x"])).astype(int)
    over = np.arange(4000) < 1000  # before the later part
    found, plain = (ew.RiskModel().fit(X, y, treated=contacted, holdout=held) for held in (over, None))
    assert found.calibration_.rows == plain.calibration_.rows == (~contacted)[3600:].sum()
    assert found.n_trees_ == plain.n_trees_
    assert any("too few of the later rows are left alone" in notice for notice in found.notices_)
    some = rng.random(4000) < 0.5
    held = ew.RiskModel().fit(X, y, treated=contacted, holdout=some)
    assert held.n_trees_ == plain.n_trees_  # counted on all who were not contacted


def test_where_everybody_was_contacted_it_is_said_that_the_risk_is_that_with_a_contact() -> None:
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"x": rng.random(800)})
    model = ew.RiskModel(n_estimators=10).fit(X, (rng.random(800) < 0.2).astype(int), treated=np.ones(800, dtype=bool))
    assert any("are those with a contact" in notice for notice in model.notices_)


def test_moving_to_a_month_leaves_out_who_was_contacted() -> None:
    rng = np.random.default_rng(4)
    X = pd.DataFrame({"x": rng.random(4000)})
    contacted = rng.random(4000) < 0.5
    y = (rng.random(4000) < np.where(contacted, 0.02, 0.3)).astype(int)
    model = ew.RiskModel(n_estimators=5).fit(X, y, treated=contacted)
    mixed, alone = (
        model.recentred(X, y, treated=given).predict_proba(X[~contacted])[:, 1].mean() for given in (None, contacted)
    )
    assert alone == pytest.approx(y[~contacted].mean(), abs=1e-6)
    assert mixed < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(("practice", "left"), [("the riskiest", 0.9), ("by lot, bill by bill", 0.5)])
def test_a_history_of_calls_does_not_make_the_called_look_safe(practice: str, left: float) -> None:
    """Against the true probability without a contact: nearer than a model that was not told who was called.

    Where the riskiest are called all the time, nobody like them is ever seen alone, and their past is cleaner than they
    are: a part of the gap stays. Where lots are drawn bill by bill most of it is closed.
    """
    world = World("telecom", 4000, 20, 5, attention={"forgets": 0.25}, contacts={"reach": 0.9})
    end = pd.Timestamp(str(world.span.dates(world.span.end)))
    begin = end - pd.Timedelta(days=70)
    log = calls_to_the_riskiest(world, world.span.start, begin, share=0.4)
    if practice != "the riskiest":
        log["action"] = np.random.default_rng(0).choice(["call", "none"], len(log))
    life = world.live(log)
    books = ew.Ledger.from_tables(**life.tables(), until=end, country="BE")
    features, outcome = ew.FeatureSet.default(), ew.Outcome(lead_days=7)
    obs = outcome.observations(books, end=begin - pd.Timedelta("1D"))
    resolved = outcome.resolve(books, obs)
    ripe = (resolved["late"].notna() & (resolved["matures_at"] < begin)).to_numpy()
    obs, resolved = obs[ripe].reset_index(drop=True), resolved[ripe].reset_index(drop=True)
    contacted, X = outcome.treated(books, obs), features.compute(books, obs)
    asked = pd.concat([_due_in_a_week(life, outcome, books, begin + pd.Timedelta(days=day)) for day in range(0, 16, 2)])
    asked = asked.reset_index(drop=True)
    Z, truth = features.compute(books, asked), asked["true"].to_numpy()
    fit = {"as_of": obs["as_of"], "groups": obs["customer_id"], "matures_at": resolved["matures_at"]}
    told, untold = (
        ew.RiskModel(features).fit(X, resolved["late"], **fit, treated=given).predict_proba(Z)[:, 1]
        for given in (contacted, None)
    )
    print(
        f"{practice}: true mean {truth.mean():.4f}, told {told.mean():.4f}, not told {untold.mean():.4f}; ICI "
        f"{ici(truth, told):.4f} and {ici(truth, untold):.4f}; {len(truth):,} bills, {contacted.mean():.2f} contacted"
    )
    assert untold.mean() < told.mean()
    assert abs(told.mean() - truth.mean()) < left * abs(untold.mean() - truth.mean())
    assert ici(truth, told) < left * ici(truth, untold)


def _due_in_a_week(life: Life, outcome: ew.Outcome, books: ew.Ledger, day: pd.Timestamp) -> pd.DataFrame:
    """Bills that are due in seven days, with their true probability without a contact."""
    open_ = outcome.standing(books, day, 7)
    open_ = open_[(open_["stage"] == "issued") & (open_["lead_days"] == 7)].drop_duplicates("customer_id")
    true = true_p_late(life, day, 60, given="past").set_index("invoice_id")["p_late"].reindex(open_["invoice_id"])
    return open_.assign(true=true.to_numpy()).dropna(subset="true")
