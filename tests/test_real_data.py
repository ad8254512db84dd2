"""The risk model on real data, beside scikit-learn and the simplest rules; figures kept by `make evidence`.

Nothing was tuned on these test rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold

import earlywarn as ew
from earlywarn.risk.backtest_result import BacktestResult
from earlywarn.risk.metrics import auc, bootstrap_by_group, log_loss, measures

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

Keep = Callable[[str, Mapping[str, object]], None]
REPEATS = 500
#: What the reference models read. Which ten features the published reference had is not stated; both sets here are
#: ahead of it in one figure or another, the one with the calendar by far for lateness over 0 days.
SIMPLE = ew.FeatureSet(
    [
        ew.Feature("late_share", "share(settlements.days_beyond_terms > 0)"),
        ew.Feature("last_days", "last(settlements.days_beyond_terms)"),
        ew.Feature("mean_days", "mean(settlements.days_beyond_terms)"),
        ew.Feature("mean_days_last3", "mean(settlements.days_beyond_terms, last=3)"),
        ew.Feature("std_days", "std(settlements.days_beyond_terms)"),
        ew.Feature("max_days", "max(settlements.days_beyond_terms)"),
        ew.Feature("min_days", "min(settlements.days_beyond_terms)"),
        ew.Feature("paid_count", "count(settlements)"),
        ew.Feature("open_count", "last(balances.open_count)"),
        ew.Feature("amount", "log(invoice.amount)"),
        ew.Feature("due_weekday", "invoice.due_weekday"),
        ew.Feature("due_day", "invoice.due_day"),
    ]
)
TEN = {
    "history": [name for name in SIMPLE.names if not name.startswith("due_")],
    "history and calendar": [name for name in SIMPLE.names if name not in ("min_days", "open_count")],
}
BASELINES = {
    "last invoice late": "last_days",
    "past late share": "late_share",
    "average days beyond terms": "mean_days",
}


def _interval(difference: Any) -> dict[str, float]:
    return {"value": difference.value, "low": difference.low, "high": difference.high}


@pytest.fixture(scope="module")
def first_catalogue(checkout: Path) -> ew.FeatureSet:
    """The 59 features that the catalogue began with; computed by the engine of today."""
    return ew.FeatureSet.from_toml(checkout / "tests" / "first_catalogue.toml")


@pytest.fixture(scope="module")
def highradius(real_data: Path, first_catalogue: ew.FeatureSet) -> dict[str, Any]:
    """Ledger, observations at due - 7 and three matrices; computed once."""
    ledger, _ = ew.datasets.load_highradius(real_data)
    obs = ew.Outcome(grace_days=0, lead_days=7).observations(ledger)
    features = ew.FeatureSet.default()
    return {
        "ledger": ledger,
        "obs": obs,
        "features": features,
        "matrix": features.compute(ledger, obs),
        "simple": SIMPLE.compute(ledger, obs),
        "first": first_catalogue.compute(ledger, obs),
    }


@pytest.fixture(scope="module", params=[0, 5], ids="late_over_{}".format)
def months(request: pytest.FixtureRequest, highradius: dict[str, Any]) -> dict[str, Any]:
    """Train on due + grace before 2019-11-15, whatever became of them; test on due before 2020-03-01."""
    obs, grace_days = highradius["obs"], request.param
    resolved = ew.Outcome(grace_days=grace_days, lead_days=7).resolve(highradius["ledger"], obs)
    late = resolved["late"]
    train = (obs["due_on"] + pd.Timedelta(days=grace_days) < "2019-11-15").to_numpy()
    test = ((obs["as_of"] >= "2019-11-15") & (obs["due_on"] < "2020-03-01")).to_numpy()
    split = {
        "grace_days": grace_days,
        "train": train,
        "test": test,
        "late": late,
        "y": late[test].to_numpy(dtype=np.int8),
        "as_of": obs.loc[train, "as_of"],
        "matures_at": resolved.loc[train, "matures_at"],
        "customers": obs.loc[test, "customer_id"],
    }
    return split | {"ours": _on_test_months(split, highradius["features"], highradius["matrix"])}


def _on_test_months(months: dict[str, Any], features: ew.FeatureSet, matrix: pd.DataFrame, seed: int = 0) -> Any:
    train, test = months["train"], months["test"]
    model = ew.RiskModel(features, random_state=seed).fit(
        matrix[train], months["late"][train], as_of=months["as_of"], matures_at=months["matures_at"]
    )
    return model.predict_proba(matrix[test])[:, 1]


def _card_on_test_months(months: dict[str, Any], features: ew.FeatureSet, matrix: pd.DataFrame) -> Any:
    train = months["train"]
    card = ew.Scorecard(features).fit(
        matrix[train], months["late"][train], as_of=months["as_of"], matures_at=months["matures_at"]
    )
    return card.predict_proba(matrix[months["test"]])[:, 1]


def test_highradius_is_no_worse_than_gradient_boosting_on_ten_features(
    highradius: dict[str, Any], months: dict[str, Any], keep_figures: Keep
) -> None:
    simple, late, train, test = highradius["simple"], months["late"], months["train"], months["test"]
    y, ours = months["y"], months["ours"]
    figures: dict[str, Any] = {
        "train_rows": int(train.sum()),
        "test_rows": int(test.sum()),
        "earlywarn": measures(y, ours),
        "baseline_auc": {name: auc(y, simple.loc[test, column].fillna(0.0)) for name, column in BASELINES.items()},
    }
    card = _card_on_test_months(months, highradius["features"], highradius["matrix"])
    figures["scorecard"] = measures(y, card) | {"earlywarn ahead by": _ahead(y, ours, card, months["customers"])}
    tested = pd.DataFrame({"fold": "1", "customer_id": months["customers"].to_numpy(), "late": y, "earlywarn": ours})
    held = BacktestResult(pd.DataFrame(), tested).calibration(repeats=REPEATS).iloc[-1]
    figures["calibration"] = {name: held[name] for name in held.index if name != "fold"}
    for name, columns in TEN.items():
        reference = HistGradientBoostingClassifier(random_state=0).fit(
            simple.loc[train, columns], late[train].astype(int)
        )
        theirs = reference.predict_proba(simple.loc[test, columns])[:, 1]
        ahead = _ahead(y, ours, theirs, months["customers"])
        figures[f"gradient boosting, {name}"] = measures(y, theirs) | {"earlywarn ahead by": ahead}
    keep_figures(f"highradius_late_over_{months['grace_days']}", figures)
    print(figures)
    assert int(test.sum()) == 7_606
    assert held["holds"]
    assert figures["earlywarn"]["auc"] > max(figures["baseline_auc"].values())
    for name in (*(f"gradient boosting, {name}" for name in TEN), "scorecard"):
        ahead = figures[name]["earlywarn ahead by"]
        assert ahead["auc"]["value"] >= 0, name
        assert ahead["log_loss"]["value"] >= 0, name


def test_highradius_today_s_catalogue_beside_the_first(
    highradius: dict[str, Any], first_catalogue: ew.FeatureSet, months: dict[str, Any], keep_figures: Keep
) -> None:
    """Same rows, same model; ahead beyond doubt for lateness over 0 days, behind in no case.

    The mean of three seeds stands for a catalogue: what one seed adds or takes is not the features' doing, and the
    bootstrap over customers does not count it.
    """
    sides = (highradius["features"], highradius["matrix"]), (first_catalogue, highradius["first"])
    ours, first = (np.mean([_on_test_months(months, *side, seed) for seed in range(3)], axis=0) for side in sides)
    figures = _beside_the_first(months["y"], ours, first, months["customers"])
    keep_figures(f"catalogue_highradius_late_over_{months['grace_days']}", figures)
    for measure, ahead in figures["ahead by"].items():
        assert ahead["high"] >= 0, measure
        if months["grace_days"] == 0:
            assert ahead["low"] > 0, measure


def test_highradius_the_day_of_payment(highradius: dict[str, Any], keep_figures: Keep) -> None:
    """Median day of what is open a week before due, learned from what was known on 15 November 2019."""
    obs, matrix, begin = highradius["obs"], highradius["matrix"], pd.Timestamp("2019-11-15")
    outcome = ew.Outcome(grace_days=0, lead_days=7)
    train = (obs["as_of"] < begin).to_numpy()
    test = ((obs["as_of"] >= begin) & (obs["due_on"] < "2020-03-01")).to_numpy()
    known = outcome.payment(highradius["ledger"].known_before(begin), obs[train])
    became = outcome.payment(highradius["ledger"], obs[test])
    assert known["paid_on"].max() < begin
    days = ew.PaymentDayModel(highradius["features"]).fit(matrix[train], known).predict(matrix[test], obs[test])
    truth = (became["paid_on"] - became["due_on"]).dt.days.to_numpy(dtype=float)
    usual = highradius["simple"].loc[test]
    miss = {
        "earlywarn": np.abs(np.nan_to_num(days.median_day(), nan=60.0) - truth),
        "on the due day": np.abs(truth),
        "as long as the last one": np.abs(usual["last_days"].fillna(0.0).to_numpy() - truth),
        "as long as on average": np.abs(usual["mean_days"].fillna(0.0).to_numpy() - truth),
    }
    figures: dict[str, Any] = {
        "rows": int(test.sum()),
        "mean absolute error in days": {name: float(found.mean()) for name, found in miss.items()},
        "within two days": {name: float((found <= 2).mean()) for name, found in miss.items()},
    }
    for grace in (0, 5):
        late = ew.Outcome(grace_days=grace, lead_days=7).label(highradius["ledger"], obs[test]).to_numpy(dtype=np.int8)
        figures[f"late over {grace}"] = measures(late, np.clip(days.p_late(grace), 1e-9, 1 - 1e-9))
    keep_figures("highradius_day_of_payment", figures)
    print(figures)
    error = figures["mean absolute error in days"]
    assert error["earlywarn"] < 0.8 * min(value for name, value in error.items() if name != "earlywarn")
    assert figures["late over 0"]["auc"] > 0.82


def test_card_clients_today_s_catalogue_beside_the_first(first_catalogue: ew.FeatureSet, keep_figures: Keep) -> None:
    """Both read the few tables of this set: ahead in AUC, behind in no case. The set's own features beat either."""
    ledger, obs, late = ew.datasets.load_card_clients()
    y, customers = late.to_numpy(dtype=np.int8), obs["customer_id"]
    ours, first = (
        _by_group(features, features.compute(ledger, obs), y, customers)
        for features in (ew.FeatureSet.default(), first_catalogue)
    )
    figures = _beside_the_first(y, ours, first, customers)
    keep_figures("catalogue_card_clients", figures)
    assert figures["ahead by"]["auc"]["low"] > 0
    assert figures["ahead by"]["log_loss"]["high"] >= 0


def _beside_the_first(y: Any, ours: Any, first: Any, customers: Any) -> dict[str, Any]:
    figures = {
        "rows": len(y),
        "features": len(ew.FeatureSet.default()),
        "catalogue": measures(y, ours),
        "first catalogue, 59 features": measures(y, first),
        "ahead by": _ahead(y, ours, first, customers),
    }
    print(figures)
    return figures


def _ahead(y: Any, ours: Any, theirs: Any, groups: Any) -> dict[str, dict[str, float]]:
    """Paired bootstrap over customers; log-loss counted so that more is better."""

    def gain(y: Any, minus_p: Any, **weights: Any) -> float:
        return -log_loss(y, -minus_p, **weights)

    return {
        "auc": _interval(bootstrap_by_group(y, ours, theirs, groups, metric=auc, repeats=REPEATS)),
        "log_loss": _interval(bootstrap_by_group(y, -ours, -theirs, groups, metric=gain, repeats=REPEATS)),
    }


@pytest.fixture(scope="module")
def clients() -> dict[str, Any]:
    """Card clients with the probabilities of one model of all of them, cross-validated by client; computed once."""
    ledger, obs, late = ew.datasets.load_card_clients()
    features = ew.datasets.card_client_features()
    matrix, y = features.compute(ledger, obs), late.to_numpy(dtype=np.int8)
    p = _by_group(features, matrix, y, obs["customer_id"])
    return {"features": features, "matrix": matrix, "y": y, "customers": obs["customer_id"], "p": p}


@pytest.mark.parametrize(("population", "least"), [("all", 0.78), ("not_late_now", 0.683), ("never_late", 0.654)])
def test_card_clients_cross_validated_by_client(
    clients: dict[str, Any], population: str, least: float, keep_figures: Keep
) -> None:
    """One model serves all clients; what it says of some of them holds too. A model of these alone stands beside it."""
    keep = np.ones(len(clients["y"]), dtype=bool)
    if population != "all":
        keep = ew.datasets.card_client_groups()[population].to_numpy(dtype=bool)
    y, p = clients["y"][keep], clients["p"][keep]
    chance = bootstrap_by_group(y, p, np.full(len(y), 0.5), np.arange(len(y)), repeats=200)
    interval = {"low": chance.low + 0.5, "high": chance.high + 0.5}
    figures = {"rows": len(y), "base_rate": float(y.mean()), **measures(y, p), "auc_interval": interval}
    if population != "all":
        alone = _by_group(clients["features"], clients["matrix"][keep], y, clients["customers"][keep])
        figures["trained on these alone"] = measures(y, alone)
    keep_figures(f"card_clients_{population}", figures)
    print(figures)
    assert figures["auc"] > least
    # 10,000 rows and more: the mean within one point, the slope from 0.9 to 1.1, by the figures themselves
    assert len(y) > 10_000
    assert abs(p.mean() - y.mean()) < 0.01
    assert 0.9 <= figures["calibration_slope"] <= 1.1


def test_xente_loans_reported_with_an_interval(real_data: Path, keep_figures: Keep) -> None:
    """Small: 1,159 loans. The target is principal open after the due day, a day after issue."""
    ledger, _ = ew.datasets.load_xente(real_data)
    outcome = ew.Outcome(grace_days=0, lead_days=29)
    obs = outcome.observations(ledger)
    late = outcome.label(ledger, obs)
    known = late.notna().to_numpy()
    features = ew.FeatureSet.default()
    matrix, y = features.compute(ledger, obs)[known], late[known].to_numpy(dtype=np.int8)
    customers = obs.loc[known, "customer_id"]
    p = _by_group(features, matrix, y, customers)
    chance = bootstrap_by_group(y, p, np.full(len(y), 0.5), customers, repeats=500)
    interval = {"low": chance.low + 0.5, "high": chance.high + 0.5}
    figures = {"rows": len(y), "base_rate": float(y.mean()), **measures(y, p), "auc_interval": interval}
    keep_figures("xente_principal_open_after_due", figures)
    print(figures)
    assert interval["low"] < figures["auc"] < interval["high"]
    assert interval["high"] > 0.5


def _by_group(features: ew.FeatureSet, matrix: pd.DataFrame, y: Any, groups: pd.Series[Any]) -> Any:
    p = np.full(len(y), np.nan)
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(matrix, y, groups):
        model = ew.RiskModel(features, random_state=0).fit(matrix.iloc[train], y[train])
        p[test] = model.predict_proba(matrix.iloc[test])[:, 1]
    return p
