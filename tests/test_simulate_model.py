"""What is planted in the simulated world is found again by each family of features."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import earlywarn as ew
from earlywarn.reasons.observation import standing
from earlywarn.risk.metrics import ici
from earlywarn.simulate import World, true_p_late

Changes = dict[str, dict[str, Any]]

#: One of a family's features, what is made stronger in the world, and whether the feature's mean rises with it.
MOVES: dict[str, tuple[str, Changes, bool]] = {
    "usage": ("usage_spike_30d", {"use": {"spikes": 6.0}}, True),
    "invoice": ("invoice_amount_ratio_400d", {"use": {"spikes": 6.0}, "bill": {"headroom": 1.1}}, True),
    "history": ("late_share_365d", {"attention": {"forgets": 0.2}}, True),
    "drift": ("payment_drift_all", {"attention": {"drifting": 1.0, "drift_days": 0.8}}, True),
    "debt": ("overdue_share_now", {"means": {"slack": 1.8}}, True),
    "returns": ("returns_funds_count_365d", {"means": {"slack": 1.8}}, True),
    "returns account": ("returns_account_count_365d", {"biller": {"other_returns": 0.15}}, True),
    "delivery": ("invoice_bounced_count_60d", {"attention": {"bounces": 0.2}}, True),
    "contract": ("contract_notice_count_now", {"leaving": {"usual": 0.05}}, True),
    "contacts": ("dispute_count_365d", {"disputes": {"otherwise": 0.1}}, True),
    "us": ("outage_count_60d", {"biller": {"outages": 10.0}}, True),
    "us errors": ("bill_corrected_count_180d", {"biller": {"errors": 0.15}}, True),
    "peers": ("campaign_late_share_365d", {"people": {"campaign_means": 3.0}}, True),
    "timing": ("due_to_paying_day_last12", {"bill": {"per_month": 4}}, False),
    "profile": ("direct_debit_share_365d", {"people": {"direct_debit": 0.9}}, True),
}


@cache
def observed(name: str) -> pd.Series:
    """The mean of every feature that is looked at, in the world as it is or with one change."""
    changes = MOVES[name][1] if name else {}
    world = World("telecom", 800, 14, **changes)
    ledger = ew.Ledger.from_tables(**world.live().tables(), until=str(world.span.dates(world.span.end)), country="BE")
    obs = ew.Outcome(lead_days=7).observations(ledger, start="2025-05-01")
    features = ew.FeatureSet.default().select(*{feature for feature, _, _ in MOVES.values()})
    return features.compute(ledger, obs).mean()


@pytest.mark.slow
@pytest.mark.parametrize("family", MOVES)
def test_a_familys_feature_moves_with_the_mechanism_it_is_named_after(family: str) -> None:
    feature, _, rises = MOVES[family]
    before, after = observed("")[feature], observed(family)[feature]
    assert np.isfinite([before, after]).all()
    assert (after - before > 0.2 * abs(before)) if rises else (after < before)


# -- how near the model comes to the truth ---------------------------------------------------------------------


class Learned:
    """A world seen until a day, a model of what had matured by then, and bills of later days with their outcome."""

    def __init__(
        self, preset: str, customers: int, features: ew.FeatureSet, leads: tuple[int, ...], months: int = 18
    ) -> None:
        self.world = World(preset, customers, months, 11)
        self.life = self.world.live()
        end = pd.Timestamp(str(self.world.span.dates(self.world.span.end)))
        ledger = ew.Ledger.from_tables(**self.life.tables(), until=end, country="BE")
        begin = end - pd.Timedelta(days=75)
        outcome = ew.Outcome(lead_days=leads)
        obs = outcome.observations(ledger, end=begin - pd.Timedelta(days=1))
        late = outcome.label(ledger, obs)
        ripe = late.notna() & (obs["matures_at"] < begin)
        obs, late = obs[ripe].reset_index(drop=True), late[ripe].reset_index(drop=True)
        X = features.compute(ledger, obs)
        self.model = ew.RiskModel(features).fit(
            X, late, as_of=obs["as_of"], groups=obs["customer_id"], sample_weight=outcome.weights(obs)
        )
        month = (obs["matures_at"] >= begin - pd.Timedelta("30D")).to_numpy()
        recentred = self.model.recentred(X[month], late[month])
        self.days = [begin + pd.Timedelta(days=int(day)) for day in (0, 9, 18, 27, 36)]
        bills = pd.concat([standing(ledger, day) for day in self.days], ignore_index=True)
        bills = bills[(bills["stage"] == "issued") & (bills["lead_days"] >= 0)]
        bills = bills.drop_duplicates(["customer_id", "as_of"]).reset_index(drop=True)
        Z = features.compute(ledger, bills)
        bills["p_late"] = self.model.predict_proba(Z)[:, 1]
        bills["recentred"] = recentred.predict_proba(Z)[:, 1]
        self.bills = bills.merge(self.life.truth()[["invoice_id", "late"]], on="invoice_id")

    def truth(self, draws: int) -> pd.DataFrame:
        """The bills with their true probability, given what the past could show."""
        every = [true_p_late(self.life, day, draws, given="past").assign(as_of=day) for day in self.days]
        true = pd.concat(every)[["invoice_id", "as_of", "p_late", "futures"]]
        return self.bills.merge(true, on=["invoice_id", "as_of"], suffixes=("", "_true"))


@pytest.mark.slow
def test_the_model_goes_nine_tenths_of_the_way_to_the_true_probability() -> None:
    """All leads from 0 to 20 days are tested; the true probability knows traits, and means until the last payment."""
    bills = Learned("telecom", 7000, ew.FeatureSet.default(), (14, 7, 3), months=24).truth(120)
    known = bills[bills["futures"] >= 15]
    true, found = (roc_auc_score(known["late"], known[name]) for name in ("p_late_true", "p_late"))
    print(f"AUC {found:.4f} of {true:.4f}: {(found - 0.5) / (true - 0.5):.3f} of the way, {len(known):,} bills")
    assert len(known) > 0.9 * len(bills) > 5000
    assert abs(known["p_late_true"].mean() - known["late"].mean()) < 0.01
    assert found - 0.5 >= 0.9 * (true - 0.5)
    trained = known[known["lead_days"] >= 3]  # at shorter leads it extrapolates, and says so
    off = {name: ici(trained["p_late_true"], trained[name]) for name in ("p_late", "recentred")}
    print(f"distance from the true probability (ICI): {off}, {len(trained):,} bills")
    assert off["recentred"] <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "planted"), [("telecom", True), ("wholesale", False)])
def test_a_model_of_regions_finds_something_where_it_was_planted_and_only_there(preset: str, planted: bool) -> None:
    regions = ew.FeatureSet.default().select("region_*")
    bills = Learned(preset, 4000, regions, (7,)).bills
    auc = roc_auc_score(bills["late"], bills["p_late"])
    late = bills["late"].sum()
    error = np.sqrt((1 / late + 1 / (len(bills) - late)) / 12)  # of an AUC of one half
    print(f"{preset}: AUC of regions {auc:.3f}, standard error {error:.3f}")
    assert auc > 0.5 + 2.6 * error if planted else abs(auc - 0.5) < 2.6 * error
