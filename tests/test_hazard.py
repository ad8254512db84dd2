"""The chance of each day: Kaplan and Meier's without features, and honest sums of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from earlywarn.errors import DataError, NotEnoughHistoryError
from earlywarn.features.catalogue import Feature, FeatureSet
from earlywarn.risk import hazard
from earlywarn.risk.hazard import HORIZON_DAYS, MOST_PERIODS, PaymentDayModel
from earlywarn.risk.paydays import PayDays

DAY = pd.Timedelta("1D")
FEATURES = FeatureSet([Feature("slow", "mean(maturities.late, days=365)", risk="up")])
PLAIN = FeatureSet([Feature("nothing", "mean(maturities.late, days=365)")])


def seen(lead: Any, paid: Any, until: Any) -> pd.DataFrame:
    """Obligations by lead, day from due of the payment (None: not seen), and last day seen."""
    due = pd.Series(pd.Timestamp("2026-03-10"), index=range(len(lead)))
    days = pd.Series(paid, dtype="float64")
    return pd.DataFrame(
        {
            "as_of": due - pd.to_timedelta(list(lead), unit="D"),
            "due_on": due,
            "paid_on": due + pd.to_timedelta(days.where(days <= pd.Series(until)), unit="D"),
            "seen_until": due + pd.to_timedelta(list(until), unit="D"),
        }
    )


@st.composite
def histories(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(1, 30))
    lead = draw(st.lists(st.sampled_from([3, 7]), min_size=n, max_size=n))
    wait = draw(st.lists(st.integers(0, 90), min_size=n, max_size=n))
    more = draw(st.lists(st.integers(0, 80), min_size=n, max_size=n))
    paid = [days - before for days, before in zip(wait, lead, strict=True)]
    until = [days - before for days, before in zip(more, lead, strict=True)]
    return seen(lead, paid, until)


def empty(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"nothing": np.zeros(rows)})


def base(frame: pd.DataFrame, **changes: Any) -> PaymentDayModel:
    options: dict[str, Any] = {"periods": 1000, "n_estimators": 0, **changes}
    return PaymentDayModel(PLAIN, **options).fit(empty(len(frame)), frame)


def day_by_day(frame: pd.DataFrame) -> dict[int, float]:
    """Share still open after each day from due, counted by hand: paid over at risk, day by day."""
    rows = [
        ((row.as_of - row.due_on).days, None if pd.isna(row.paid_on) else (row.paid_on - row.due_on).days,
         (row.seen_until - row.due_on).days)
        for row in frame.itertuples()
    ]  # fmt: skip
    open_, found = 1.0, {}
    for day in range(min(start for start, _, _ in rows), HORIZON_DAYS + 1):
        last = [until if paid is None else paid for _, paid, until in rows]
        at_risk = sum(start <= day <= end for (start, _, _), end in zip(rows, last, strict=True))
        paid = sum(paid == day for _, paid, _ in rows)
        open_ *= 1 - paid / at_risk if at_risk else 1.0
        found[day] = open_
    return found


@given(histories())
def test_without_features_it_is_counted_day_by_day(frame: pd.DataFrame) -> None:
    if frame["paid_on"].isna().all():
        return
    if not ((frame["paid_on"] - frame["due_on"]) <= HORIZON_DAYS * DAY).any():
        return
    days = base(frame).predict(empty(1), frame.sort_values("as_of", ignore_index=True).head(1))
    for day, wanted in day_by_day(frame).items():
        assert days.open_after(day)[0] == pytest.approx(wanted, abs=1e-12)


@given(histories())
def test_without_features_it_is_the_kaplan_meier_estimate_of_lifelines(frame: pd.DataFrame) -> None:
    lifelines = pytest.importorskip("lifelines", reason="needs pandas 2: run in that tier of .ci/run")
    if not ((frame["paid_on"] - frame["due_on"]) <= HORIZON_DAYS * DAY).any():
        return
    start = (frame["as_of"] - frame["due_on"]).dt.days + 8  # lifelines wants times above 0, and entries before them
    end = (frame["paid_on"].fillna(frame["seen_until"]) - frame["due_on"]).dt.days + 8
    own = end >= start
    entry = (start - 1)[own] if start.nunique() > 1 else None
    try:
        theirs = lifelines.KaplanMeierFitter().fit(end[own], frame["paid_on"].notna()[own], entry=entry)
    except lifelines.exceptions.StatError:  # it declines where all have paid before others are first seen
        assume(False)
    days = base(frame).predict(empty(1), frame.sort_values("as_of", ignore_index=True).head(1))
    shown = range(int(start.min()) - 8, int(min(end[own].max() - 8, HORIZON_DAYS)) + 1)
    wanted = theirs.survival_function_at_times([day + 8 for day in shown]).to_numpy()
    np.testing.assert_allclose([days.open_after(day)[0] for day in shown], wanted, atol=1e-12)


@given(histories(), st.integers(1, MOST_PERIODS))
@settings(max_examples=50)
def test_periods_are_few_and_lateness_is_the_same_as_day_by_day(frame: pd.DataFrame, periods: int) -> None:
    """With everybody at risk from the same day and nobody lost from sight, cutting time coarser changes no edge."""
    frame = frame.assign(as_of=frame["due_on"] - 7 * DAY, seen_until=frame["due_on"] + 100 * DAY)
    frame["paid_on"] = frame["paid_on"].fillna(frame["due_on"] + 70 * DAY)
    if not ((frame["paid_on"] - frame["due_on"]) <= HORIZON_DAYS * DAY).any():
        return
    coarse = base(frame, periods=periods)
    assert len(coarse.edges_) - 1 <= max(periods, 7)
    days, fine = (model.predict(empty(1), frame.head(1)) for model in (coarse, base(frame)))
    for edge in coarse.edges_[1:]:
        assert days.open_after(int(edge) - 1)[0] == pytest.approx(fine.open_after(int(edge) - 1)[0], abs=1e-12)
    np.testing.assert_allclose(days.probability.sum(), fine.probability.sum(), atol=1e-12)
    # of each period payments are spread as they were: every single day is met, too
    np.testing.assert_allclose(days.probability, fine.probability, atol=1e-12)


@pytest.fixture(scope="module")
def slow() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Who is slow pays later; observed on 120 days."""
    rng = np.random.default_rng(0)
    n = 3000
    share = rng.random(n)
    due = pd.Series(pd.Timestamp("2026-01-10") + pd.to_timedelta(rng.integers(0, 120, n), unit="D"))
    paid = due + pd.to_timedelta(np.floor(rng.gamma(2.0, 1 + 6 * share) - 6), unit="D")
    frame = pd.DataFrame({"as_of": due - 7 * DAY, "due_on": due, "paid_on": paid, "seen_until": due.max() + 90 * DAY})
    return pd.DataFrame({"slow": share}), frame


@pytest.fixture(scope="module")
def model(slow: tuple[pd.DataFrame, pd.DataFrame]) -> PaymentDayModel:
    return PaymentDayModel(FEATURES).fit(*slow)


def test_chances_are_chances(model: PaymentDayModel, slow: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    days = model.predict(*slow)
    assert (days.probability >= 0).all()
    assert (days.probability.sum(axis=1) <= 1 + 1e-12).all()
    open_ = np.column_stack([days.open_after(day) for day in range(-8, 62)])
    assert (open_[:, 0] == 1).all()
    assert (np.diff(open_, axis=1) <= 1e-12).all()
    assert (days.p_late(3) >= days.p_late(5)).all()
    np.testing.assert_array_equal(days.p_very_late(30), days.open_after(29))


def test_it_is_calibrated_and_knows_who_is_slow(model: PaymentDayModel) -> None:
    """Against the distribution that the payments were drawn from."""
    share = np.linspace(0.05, 0.95, 10)
    due = pd.Series(pd.Timestamp("2026-05-20"), index=range(10))
    days = model.predict(pd.DataFrame({"slow": share}), pd.DataFrame({"as_of": due - 7 * DAY, "due_on": due}))
    from scipy.stats import gamma

    truth = gamma.sf(10, 2.0, scale=1 + 6 * share)  # paid on day 3 at the latest: below 10 after shifting by 6
    assert np.abs(days.p_late(3) - truth).mean() < 0.04
    assert (np.diff(days.p_late(3)) >= -1e-9).all()
    median = np.floor(gamma.ppf(0.5, 2.0, scale=1 + 6 * share) - 6)
    assert np.abs(days.median_day() - median).max() <= 2


def test_the_direction_of_risk_is_kept_at_every_day(model: PaymentDayModel) -> None:
    due = pd.Series(pd.Timestamp("2026-04-17"), index=range(50))
    days = model.predict(
        pd.DataFrame({"slow": np.linspace(0, 1, 50)}), pd.DataFrame({"as_of": due - 7 * DAY, "due_on": due})
    )
    for day in range(-7, 61):
        assert (np.diff(days.open_after(day)) >= -1e-9).all()


def test_fewer_obligations_tell_nearly_the_same(slow: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, frame = slow
    whole, drawn = (
        PaymentDayModel(FEATURES, n_estimators=60, most_rows=rows).fit(X, frame).predict(X, frame).p_late()
        for rows in (2_000_000, 9_000)
    )
    assert np.abs(whole - drawn).mean() < 0.05
    assert abs(whole.mean() - drawn.mean()) < 0.04


@pytest.fixture(scope="module")
def unfinished() -> pd.DataFrame:
    """Each day 3 of 100 pay, whatever came before; bills of 90 days, and data that end on the last of them."""
    rng = np.random.default_rng(1)
    due = pd.Series(pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, 20_000), unit="D"))
    paid = due + pd.to_timedelta(rng.geometric(0.03, 20_000) - 8, unit="D")
    until = pd.Timestamp("2026-03-31")
    return pd.DataFrame(
        {"as_of": due - 7 * DAY, "due_on": due, "paid_on": paid.where(paid <= until), "seen_until": until}
    )


@pytest.mark.parametrize("periods", [1000, 25, 12])
def test_early_payers_of_what_is_not_over_yet_do_not_count_alone(unfinished: pd.DataFrame, periods: int) -> None:
    days = base(unfinished, periods=periods).predict(empty(1), unfinished.head(1))
    for day in (0, 10, 30, 60):
        assert days.open_after(day)[0] == pytest.approx(0.97 ** (day + 8), abs=0.02)


def test_one_cohort_that_is_not_over_makes_nobody_pay(unfinished: pd.DataFrame) -> None:
    """Of the last period only payers would be known: it says nothing, and nobody is expected to pay in it."""
    frame = unfinished.assign(due_on=pd.Timestamp("2026-02-15"), as_of=pd.Timestamp("2026-02-08"))
    paid = frame["as_of"] + (unfinished["paid_on"] - unfinished["as_of"])
    frame["paid_on"] = paid.where(paid <= frame["seen_until"])
    days = base(frame, periods=12).predict(empty(1), frame.head(1))
    assert days.open_after(60)[0] >= 0.97**52 - 0.02


@pytest.mark.parametrize("periods", [1000, 25, 12])
@pytest.mark.parametrize("overdue", [-3, 20, 50, 58])
def test_what_is_left_of_a_period_is_as_likely_as_it_is_long(
    unfinished: pd.DataFrame, periods: int, overdue: int
) -> None:
    due = pd.DataFrame({"due_on": [pd.Timestamp("2026-03-01")]})
    due["as_of"] = due["due_on"] + overdue * DAY
    days = base(unfinished, periods=periods).predict(empty(1), due)
    # of the last days few were seen, so that shares within the period are rough there
    assert 1 - days.open_after(60)[0] == pytest.approx(1 - 0.97 ** (61 - overdue), abs=0.06)


def test_nothing_is_expected_of_what_is_overdue_beyond_the_horizon(unfinished: pd.DataFrame) -> None:
    due = pd.DataFrame({"due_on": pd.to_datetime(["2025-11-01", "2026-05-25"])})
    due["as_of"] = pd.Timestamp("2026-06-01")
    days = base(unfinished, periods=12).predict(empty(2), due)
    assert days.probability[0].sum() == 0
    assert days.start.tolist() == [212, 7]
    cash = days.cash([100.0, 50.0])
    assert cash["date"].min() == pd.Timestamp("2026-06-01")
    assert cash["expected"].sum() == pytest.approx(50 * days.probability[1].sum())


def test_many_obligations_are_predicted_block_by_block_as_one_by_one(
    model: PaymentDayModel, slow: tuple[pd.DataFrame, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, frame = slow[0].head(50), slow[1].head(50)
    whole = model.predict(X, frame).probability
    monkeypatch.setattr(hazard, "_BLOCK", 7)
    np.testing.assert_array_equal(model.predict(X, frame).probability, whole)
    assert len(model.predict(X.head(0), frame.head(0))) == 0


def test_cash_adds_up_and_its_interval_is_wider_when_debtors_go_together() -> None:
    rng = np.random.default_rng(0)
    n = 300
    p = rng.dirichlet(np.ones(21), n)[:, :20]
    days = PayDays(-7, p, np.full(n, 20_000), np.full(n, -7))
    amount = rng.uniform(10, 90, n)
    cash = days.cash(amount)
    assert cash["expected"].sum() == pytest.approx((amount[:, None] * p).sum())
    assert cash["date"].iloc[0] == pd.Timestamp("1970-01-01") + (20_000 - 7) * DAY
    assert (cash["low_so_far"] <= cash["high_so_far"]).all()
    together = days.cash(amount, customers=np.arange(n) % 10)
    width = [(table["high_so_far"] - table["low_so_far"]).iloc[10] for table in (cash, together)]
    assert width[1] > 2 * width[0]
    unnamed = days.cash(amount, customers=[None] * n)
    pd.testing.assert_frame_equal(unnamed, cash)
    with pytest.raises(DataError, match="D194"):
        days.cash(np.where(np.arange(n) == 5, np.nan, amount))
    # each by itself: the sum of independent draws, whose spread is known
    so_far = p[:, :11].sum(axis=1)
    spread = np.sqrt((amount**2 * so_far * (1 - so_far)).sum())
    assert width[0] == pytest.approx(2 * 1.2816 * spread, rel=0.2)


def test_nobody_pays_nothing() -> None:
    none = PayDays(-7, np.empty((0, 20)), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert len(none.cash([])) == len(none.frame()) == 0


def test_the_same_seed_gives_the_same_trees(slow: tuple[pd.DataFrame, pd.DataFrame], model: PaymentDayModel) -> None:
    again = PaymentDayModel(FEATURES).fit(*slow)
    assert again.booster_ is not None
    assert model.booster_ is not None
    assert again.booster_.save_raw() == model.booster_.save_raw()


def test_what_cannot_be_learned_from_is_refused(slow: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, frame = slow
    with pytest.raises(DataError, match="D194"):
        PaymentDayModel(FEATURES).fit(X, frame.drop(columns="seen_until"))
    with pytest.raises(DataError, match="D194"):
        PaymentDayModel(FEATURES).fit(X.head(5), frame)
    with pytest.raises(DataError, match="D190"):
        PaymentDayModel(FEATURES).fit(X, frame.sample(frac=1, random_state=0))
    with pytest.raises(ValueError, match="Negative"):
        PaymentDayModel(FEATURES).fit(X, frame, sample_weight=np.full(len(X), -1.0))
    few = PaymentDayModel(FEATURES, n_estimators=2).fit(X, frame.assign(as_of=frame["as_of"].mask(frame.index == 7)))
    for wrong in (
        frame.head(3),
        frame.drop(columns="as_of"),
        frame.assign(due_on=frame["due_on"].mask(frame.index == 2)),
    ):
        with pytest.raises(DataError, match="D194"):
            few.predict(X, wrong)
    with pytest.raises(NotEnoughHistoryError, match="H406"):
        PaymentDayModel(FEATURES).fit(X, frame.assign(paid_on=pd.NaT))
