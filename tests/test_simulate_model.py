"""What is planted in the simulated world is found again by each family of features."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.simulate import World

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
    "region": ("region_late_share_365d", {"means": {"slack": 1.8}}, True),
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
