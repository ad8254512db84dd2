"""Running periods in the scores and in the plan: scored with their interval, never asked to pay."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import earlywarn as ew
from bills import ledger
from cycles import CYCLES, DAY, bill, month
from debtors import LATE, features_of
from earlywarn.actions.gates import obligation_status
from earlywarn.errors import FeatureError
from earlywarn.features.context import Context
from earlywarn.outcomes import STAGES
from parts import only
from strategies import Raw


def test_a_running_period_is_scored_and_never_asked_to_pay():
    soon = {"issued_on": "2025-05-01", "due_on": "2025-05-04"}  # usual terms are three days
    rows = [bill(n, due_on=month(n + 1) + 3 * DAY) for n in range(3)] + [bill(3, **soon)]
    rows += [{**row, "customer_id": "d", "invoice_id": row["invoice_id"] + "d"} for row in rows[:3]]
    paid = [
        {"payment_id": f"p{row['invoice_id']}", "customer_id": row["customer_id"], "paid_on": row["issued_on"],
         "amount": row["amount"], "invoice_id": row["invoice_id"]}
        for row in rows if row["invoice_id"] != "I03"
    ]  # fmt: skip
    books = ledger(rows, paid, until="2025-05-02")
    at, policy = pd.Timestamp("2025-04-28"), ew.Policy.default()
    obs = CYCLES.standing(books, at, 30)
    assert obs["stage"].tolist() == ["cycle", "cycle"]
    assert set(obligation_status(obs, books, at, policy)) == {"scored"}
    scores = obs.drop(columns="open_amount").assign(p_late=0.9, status="scored", reasons=[()] * len(obs))
    said = {"c": LATE, "d": LATE}
    plan = policy.decide(scores, features_of(scores, said), books, at)
    assert plan["action"].tolist() == ["nothing", "nothing"]
    assert plan["exclusion"].tolist() == ["too_early", "too_early"]
    as_billed = scores.assign(stage="issued")
    asked = policy.decide(as_billed, features_of(as_billed, said), books, at)
    assert asked["asks_for_payment"].all()  # the same rows, were they bills


def test_a_hold_on_one_account_stops_its_running_period_only():
    rows = [bill(n, invoice_id=f"{a}{n}", account_id=a) for n in range(3) for a in ("a1", "a2")]
    hold = {"customer_id": "c", "kind": "payment_pause", "started_on": "2025-03-01", "account_id": "a1"}
    books = ledger(rows, holds=[hold], until="2025-12-31")
    obs = CYCLES.standing(books, "2025-04-20", 40)
    status = dict(
        zip(obs["obligation_id"], obligation_status(obs, books, "2025-04-20", ew.Policy.default()), strict=True)
    )
    stopped, running = status["cycle:c:a1::recurring:2025-04-01"], status["cycle:c:a2::recurring:2025-04-01"]
    assert (stopped == "scored", running) == (False, "scored")


UNTIL, AS_OF = "2025-03-01", "2025-02-20"


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return ew.simulate.make_biller(customers=60, months=8, seed=1)


@pytest.fixture(scope="module")
def fitted(tables: dict[str, pd.DataFrame]) -> tuple[ew.Scorer, ew.Ledger]:
    books = ew.Ledger.from_tables(**tables, until=UNTIL)
    features = ew.FeatureSet.default().select("late_share_365d", "usage_spike_30d", "segment_late_share_365d")
    obs = CYCLES.observations(books)
    X, y = features.compute(books, obs), CYCLES.label(books, obs)
    model = ew.RiskModel(features).fit(X, y, as_of=obs["as_of"])
    return ew.Scorer(features, CYCLES, model, ew.Policy.default()), books


def test_the_scores_show_running_periods_with_their_interval_and_account(fitted: tuple[ew.Scorer, ew.Ledger]):
    scorer, books = fitted
    scores = scorer.score(books, AS_OF)
    assert scores["obligation_id"].is_unique
    running = scores[scores["stage"] == "cycle"]
    assert len(running) > 10
    assert running["due_is_estimated"].all()
    assert (running["amount_low"] <= running["amount"]).all()
    assert (running["amount"] <= running["amount_high"]).all()
    assert (running["account_id"] == "A" + running["customer_id"].str[1:]).all()
    assert running.loc[running["status"] == "scored", "p_late"].notna().all()
    others = scores[scores["stage"] != "cycle"]
    assert not others["due_is_estimated"].any()
    assert others[["amount_low", "amount_high"]].isna().all(axis=None)
    assert scores["p_shock"].isna().all()


def test_a_bundle_keeps_which_stages_are_observed(fitted: tuple[ew.Scorer, ew.Ledger], tmp_path):
    scorer, books = fitted
    scorer.save(tmp_path / "bundle")
    assert json.loads((tmp_path / "bundle" / "outcome.json").read_text())["stages"] == list(STAGES)
    loaded = ew.Scorer.load(tmp_path / "bundle")
    assert (loaded.outcome.stages, loaded.outcome.cycle_shares) == (STAGES, (0.5, 0.75, 0.9))
    pd.testing.assert_frame_equal(loaded.score(books, AS_OF), scorer.score(books, AS_OF))


# -- the same numbers from parts of the book -------------------------------------------------------------------


def test_a_customer_alone_with_the_context_is_scored_as_in_the_batch(fitted, tables, tmp_path):
    scorer, books = fitted
    context = Context.load(scorer.context(books).save(tmp_path / "context"))
    whole = scorer.score(books, AS_OF)
    pd.testing.assert_frame_equal(scorer.score(books, AS_OF, context=context), whole)
    running = whole.loc[whole["stage"] == "cycle", "customer_id"].unique()
    for who in running[:3]:
        alone = ew.Ledger.from_tables(**only(Raw(tables), [who]).tables, until=UNTIL)
        expected = whole[whole["customer_id"] == who].reset_index(drop=True)
        scores = scorer.score(alone, AS_OF, context=context)
        pd.testing.assert_frame_equal(scores, expected)
        by_itself = scorer.score(alone, AS_OF)
        assert (by_itself["amount_low"] != expected["amount_low"]).any()  # without the others the interval is another
        known = scores[scores["status"] == "scored"]
        pd.testing.assert_frame_equal(
            scorer.reasons(alone, known, context=context),
            scorer.reasons(books, expected.loc[known.index].assign(), context=context),
        )


def test_reasons_are_given_with_the_context_that_was_scored_with(fitted):
    scorer, books = fitted
    scores = scorer.score(books, AS_OF, context=scorer.context(books))
    known = scores[scores["status"] == "scored"].head(1)
    for other in (None, scorer.context(books, as_of="2024-12-20")):
        with pytest.raises(FeatureError, match="another context") as raised:
            scorer.reasons(books, known, context=other)
        assert raised.value.code == "F224"


def test_the_buckets_of_a_store_are_scored_as_the_book_is(fitted, tables, tmp_path):
    scorer, books = fitted
    store = ew.LedgerStore.write(tmp_path / "store", **tables, until=UNTIL, buckets=3)
    told: list[float] = []
    context = scorer.context(store, progress=told.append)
    assert (told == sorted(told), told[-1], len(told)) == (True, 1.0, 9)
    told.clear()
    assert context == scorer.context(books, progress=told.append)
    assert told == [1.0]
    parts = [scorer.score(bucket, AS_OF, context=context) for bucket in store.buckets()]
    order = ["customer_id", "obligation_id"]
    together = pd.concat(parts).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(together, scorer.score(books, AS_OF).sort_values(order, ignore_index=True))


def test_a_context_as_of_a_moment_holds_no_later_bill(fitted):
    scorer, books = fitted
    then = scorer.context(books.known_before(pd.Timestamp(AS_OF)), AS_OF)
    now = scorer.context(books, AS_OF)
    assert now == then
    assert now != scorer.context(books)
    pd.testing.assert_frame_equal(scorer.score(books, AS_OF, context=now), scorer.score(books, AS_OF))


def test_a_context_without_running_periods_is_refused_where_they_are_scored(fitted):
    scorer, books = fitted
    without = Context.of(books, scorer.features)
    with pytest.raises(FeatureError, match=r"F224[^$]*cycles=True"):
        scorer.score(books, AS_OF, context=without)
    with pytest.raises(FeatureError, match="F228"):
        Context.of(iter([books]), scorer.features, cycles=True)


def test_a_context_that_ended_long_ago_is_told_of(fitted):
    scorer, books = fitted
    for as_of, told in (("2025-01-05", False), ("2025-01-07", True)):
        context = scorer.context(books, "2024-11-22")
        notices = scorer.score(books, as_of, context=context).attrs["notices"]
        assert sum("the context ends on 2024-11-22" in note for note in notices) == told
