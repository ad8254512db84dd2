"""Reasons name what made a bill late, and go on naming it when the model is trained anew."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from planted import CAUSES, planted


@pytest.fixture(scope="module")
def observed():
    """Matrix, labels, moments and planted causes of the bills of many customers, seen a week before they are due."""
    tables, truth = planted(900)
    ledger = ew.Ledger.from_tables(**tables)
    features, outcome = ew.FeatureSet.default(), ew.Outcome(lead_days=7)
    obs = outcome.observations(ledger)
    obs = obs[obs["invoice_id"].notna()].reset_index(drop=True)
    late = outcome.label(ledger, obs)
    known = late.notna()
    told = truth.set_index("invoice_id").loc[obs["invoice_id"]].reset_index()
    return features, features.compute(ledger, obs)[known], late[known], obs[known], told[known]


def halves(obs):
    """The first months to learn from, the others to explain."""
    cut = obs["as_of"].quantile(0.6)
    return (obs["as_of"] < cut).to_numpy(), (obs["as_of"] >= cut).to_numpy()


@pytest.mark.slow
def test_the_first_family_is_that_of_the_planted_cause(observed):
    features, X, late, obs, told = observed
    before, after = halves(obs)
    model = ew.RiskModel(features).fit(
        X[before], late[before], as_of=obs["as_of"][before], groups=obs["customer_id"][before]
    )
    asked = after & told["cause"].notna().to_numpy() & (late == 1).to_numpy(dtype=bool)
    first = model.reason_codes(X[asked], top=1).set_index("observation")["family"]
    cause = told["cause"].set_axis(X.index)[asked].map(CAUSES)
    named = first.reindex(cause.index) == cause
    shares = named.groupby(cause).mean()
    print(f"top family names the planted cause: {named.mean():.3f} of {len(named)}", shares.round(3).to_dict())
    assert len(named) > 250
    assert named.mean() >= 0.85
    assert shares.min() > 0.6


@pytest.mark.slow
def test_ten_retrainings_agree_on_the_first_three_families(observed):
    features, X, late, obs, told = observed
    before, after = halves(obs)
    rows = X[after & (told["cause"].notna() | (late == 1)).to_numpy(dtype=bool)].iloc[:300]
    tops = []
    for seed in range(10):
        kept = before & (np.random.default_rng(seed).random(len(X)) < 0.8)  # other rows and another seed each time
        model = ew.RiskModel(features, random_state=seed).fit(
            X[kept], late[kept], as_of=obs["as_of"][kept], groups=obs["customer_id"][kept]
        )
        codes = model.reason_codes(rows, top=3)
        tops.append(codes.groupby("observation")["family"].agg(frozenset).reindex(rows.index))
    agreed = [
        np.mean(
            [
                len(a & b) / len(a | b)
                for a, b in zip(one, other, strict=True)
                if isinstance(a, frozenset) and isinstance(b, frozenset)
            ]
        )
        for one, other in combinations(tops, 2)
    ]
    print(f"mean Jaccard of the first three families over pairs of ten retrainings: {np.mean(agreed):.3f}")
    assert np.mean(agreed) >= 0.8
    assert pd.concat(tops).notna().mean() > 0.9
