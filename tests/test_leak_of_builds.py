"""The audit of a user's own build and of observations that others made: planted leaks are named, honest ones pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from earlywarn.dates import visible
from earlywarn.errors import FeatureError
from earlywarn.features.definition import Feature
from earlywarn.features.leak import audit_leakage
from earlywarn.outcomes import Outcome
from earlywarn.simulate import make_biller
from earlywarn.tables.ledger import Ledger

OUTCOME = Outcome(grace_days=3, lead_days=(14, 7))
FEW = {"moments": 3}


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.from_tables(**make_biller(customers=60, months=8, seed=3, means={"slack": 1.5}))


@pytest.fixture(scope="module")
def obs(ledger: Ledger) -> pd.DataFrame:
    return OUTCOME.observations(ledger)


def known_before(frame: pd.DataFrame, obs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of an observation and a row of its customer that was known before it."""
    pairs = obs.reset_index(names="observation").merge(frame, on="customer_id", suffixes=("", "_row"))
    return pairs[pairs["known_at"] < pairs["as_of"]]


# -- builds that keep to what was known ------------------------------------------------------------------------


def paid_before(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    pairs = known_before(ledger.frame("payments"), obs)
    sums = pairs.groupby("observation")["amount_row"].agg(["sum", "count", "max"])
    return sums.reindex(obs.index).fillna({"sum": 0.0, "count": 0.0})


def usual_days_late(ledger: Ledger, obs: pd.DataFrame) -> pd.Series[Any]:
    pairs = known_before(ledger.frame("settlements"), obs)
    return pairs.groupby("observation")["days_beyond_terms"].mean().reindex(obs.index).rename("days")


def number_of_earlier_observations(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    counts = obs.groupby("customer_id")["as_of"].rank(method="min") - 1
    return pd.DataFrame({"earlier": counts.to_numpy()})  # its rows in their order, without the index


def matured_rate_of_all(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    facts = ledger.facts("maturities")
    moments = obs["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
    rate = [facts.numbers("late")[visible(facts.known_at, facts.known_until, moment)].sum() for moment in moments]
    return pd.DataFrame({"rate": rate}, index=obs.index)


# -- builds that look ahead ------------------------------------------------------------------------------------


def days_late_of_all_payments(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    settled = ledger.frame("settlements").groupby("customer_id")["days_beyond_terms"].mean()
    return pd.DataFrame({"days_late": obs["customer_id"].map(settled)})


def final_amount(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    amounts = ledger.frame("invoices").set_index("invoice_id")["amount"]
    return pd.DataFrame({"amount": obs["invoice_id"].map(amounts)})


def balance_of_today(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    last = ledger.frame("balances").sort_values("known_at").groupby("customer_id")["open_amount"].last()
    return pd.DataFrame({"balance": obs["customer_id"].map(last)})


def rate_with_labels_that_were_not_ripe(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    late = OUTCOME.label(ledger, obs).astype("float")
    by_month = late.groupby(obs["as_of"].dt.to_period("M")).transform("mean")
    return pd.DataFrame({"group_rate": by_month})


def only_who_paid(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    return obs.loc[obs["customer_id"].isin(ledger.frame("payments")["customer_id"]), ["amount"]]


def months_seen(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    """One column a month of billing: which columns there are says how the data go on."""
    months = ledger.frame("invoices")["issued_on"].dt.to_period("M").astype(str).unique()
    return pd.DataFrame(dict.fromkeys(sorted(months), 0.0), index=obs.index)


@pytest.mark.parametrize("build", [paid_before, usual_days_late, number_of_earlier_observations, matured_rate_of_all])
def test_a_build_that_keeps_to_what_was_known_passes(build: Any, ledger: Ledger, obs: pd.DataFrame) -> None:
    found = audit_leakage(build, ledger, obs, **FEW)
    assert found.empty, found.to_string()
    assert len(found.attrs["moments"]) == 3


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (days_late_of_all_payments, {"days_late"}),
        (balance_of_today, {"balance"}),
        (rate_with_labels_that_were_not_ripe, {"group_rate"}),
        (only_who_paid, {"row"}),
    ],
)
def test_a_build_that_looks_ahead_is_found_out(build: Any, what: set[str], ledger: Ledger, obs: pd.DataFrame) -> None:
    found = audit_leakage(build, ledger, obs, **FEW)
    assert set(found["what"]) == what
    assert set(found["as_of"]) <= set(found.attrs["moments"])


def test_columns_that_only_the_future_brings_are_found_out(ledger: Ledger, obs: pd.DataFrame) -> None:
    found = audit_leakage(months_seen, ledger, obs, **FEW)
    assert set(found["cut"]) == {"no such column"}


def test_an_amount_that_was_corrected_later_is_found_out() -> None:
    """The bill is known as 50 on 2 March and as 80 from 20 March on; it is looked at on 8 March."""
    bill = {"invoice_id": "A", "customer_id": "c", "issued_on": "2026-03-01", "due_on": "2026-03-15", "amount": 50.0}
    rows = [{**bill, "known_at": "2026-03-02"}, {**bill, "amount": 80.0, "known_at": "2026-03-20"}]
    paid = {"payment_id": "p", "customer_id": "c", "paid_on": "2026-03-21", "amount": 80.0}
    book = Ledger.from_tables(invoices=pd.DataFrame(rows), payments=pd.DataFrame([paid]), until="2026-05-01")
    seen = Outcome(lead_days=7).observations(book)
    found = audit_leakage(final_amount, book, seen)
    assert found[["what", "full", "cut"]].to_numpy().tolist() == [["amount", "80.0", "50.0"]]
    wrong = seen.assign(amount=80.0)
    found = audit_leakage([], book, wrong)
    assert found[["what", "full", "cut"]].to_numpy().tolist() == [["amount", "80.0", "50.0"]]


def test_a_build_that_draws_at_random_is_not_taken_for_a_leak(ledger: Ledger, obs: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)

    def noise(ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"noise": rng.random(len(obs))}, index=obs.index)

    with pytest.raises(FeatureError, match="F248"):
        audit_leakage(noise, ledger, obs, **FEW)


@pytest.mark.parametrize("result", [None, 3.0, pd.DataFrame({"x": [1.0, 2.0]}, index=["no", "such"])])
def test_a_build_that_gives_no_matrix_is_refused(result: Any, ledger: Ledger, obs: pd.DataFrame) -> None:
    with pytest.raises(FeatureError, match=r"F247.*<lambda> gives no matrix"):
        audit_leakage(lambda ledger, obs: result, ledger, obs)


def test_a_build_cannot_change_the_observations(ledger: Ledger, obs: pd.DataFrame) -> None:
    def spoils(ledger: Ledger, rows: pd.DataFrame) -> pd.DataFrame:
        rows["as_of"] = pd.Timestamp("2000-01-01")
        return rows[["lead_days"]]

    before = obs.copy()
    assert audit_leakage(spoils, ledger, obs, **FEW).empty
    pd.testing.assert_frame_equal(obs, before)


# -- observations ----------------------------------------------------------------------------------------------


def paid_in_the_end(ledger: Ledger, obs: pd.DataFrame) -> pd.Series[Any]:
    """Whether nothing of the obligation is open when the data end."""
    end = ledger.until + pd.Timedelta(microseconds=1)
    return ~obs["obligation_id"].isin(Outcome().standing(ledger, end, 400)["obligation_id"])


def test_all_that_could_be_observed_passes_and_so_does_a_part_of_it(ledger: Ledger, obs: pd.DataFrame) -> None:
    features = [Feature("paid", "count(payments)")]
    ripe = OUTCOME.label(ledger, obs).notna()
    transfers = obs["customer_id"].isin(ledger.customers[::2])
    parts = [obs, obs.tail(100), obs[ripe & transfers], obs[(obs["lead_days"] == 7) & (obs["amount"] > 40)]]
    for part in [*parts, obs.sample(100, random_state=0)]:
        found = audit_leakage(features, ledger, part, **FEW)
        assert found.empty, found.to_string()


def test_observations_kept_because_they_were_paid_later_are_found_out(ledger: Ledger, obs: pd.DataFrame) -> None:
    kept = obs[paid_in_the_end(ledger, obs)]
    found = audit_leakage([], ledger, kept, moments=20)
    assert found["what"].tolist() == ["selection"]
    assert "unpaid when the data end" in found["full"].item()


def test_observations_kept_because_they_turned_out_late_are_found_out(ledger: Ledger, obs: pd.DataFrame) -> None:
    kept = obs[(OUTCOME.label(ledger, obs) == 1).to_numpy(dtype=bool, na_value=False)]
    found = audit_leakage([], ledger, kept, moments=20)
    assert found["what"].tolist() == ["selection"]
    assert "in time" in found["full"].item()


def test_a_function_that_makes_observations_is_run_on_what_was_known(ledger: Ledger) -> None:
    def all_of_them(ledger: Ledger) -> pd.DataFrame:
        return OUTCOME.observations(ledger)

    def those_paid_later(ledger: Ledger) -> pd.DataFrame:
        made = OUTCOME.observations(ledger)
        return made[paid_in_the_end(ledger, made)]

    assert audit_leakage([], ledger, all_of_them, **FEW).empty
    found = audit_leakage([], ledger, those_paid_later, **FEW)
    assert set(found["what"]) == {"eligible"}, "as of then nothing of it was paid, so nothing would have been kept"


def test_a_function_that_leaves_out_what_the_future_cleared_is_found_out(ledger: Ledger) -> None:
    def those_still_open(ledger: Ledger) -> pd.DataFrame:
        made = OUTCOME.observations(ledger)
        return made[~paid_in_the_end(ledger, made)]

    found = audit_leakage([], ledger, those_still_open, moments=20)
    assert set(found["what"]) == {"left_out"}


def test_observations_under_the_number_of_the_invoice_are_looked_at_too(ledger: Ledger, obs: pd.DataFrame) -> None:
    others = obs[obs["invoice_id"].notna()].rename(columns={"obligation_id": "their_number"})
    assert audit_leakage([], ledger, others, **FEW).empty
    paid = ledger.frame("settlements").groupby("customer_id")["known_at"].max().max()
    found = audit_leakage([], ledger, others.head(20).assign(as_of=paid + pd.Timedelta(days=1)), **FEW)
    assert (found["what"] == "eligible").sum() > 10


def test_progress_is_told_and_ends_at_one(ledger: Ledger, obs: pd.DataFrame) -> None:
    told: list[float] = []
    audit_leakage([], ledger, obs, moments=4, progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
