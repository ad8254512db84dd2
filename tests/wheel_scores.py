"""Run by test_wheel.py in an installed copy: catalogue, training, bundle, scores. Prints one JSON line."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from blocking import block

block(os.environ.get("EARLYWARN_BLOCK", ""))

import pandas as pd  # noqa: E402

import earlywarn as ew  # noqa: E402


def main(bundle: str) -> None:
    features = ew.FeatureSet.default()
    ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=200, months=12, seed=1))
    outcome = ew.Outcome(grace_days=3, lead_days=7)
    until = ledger.until
    obs = outcome.observations(ledger, until - pd.Timedelta(days=150), until)
    y = outcome.label(ledger, obs)
    X = features.compute(ledger, obs)
    model = ew.RiskModel(features, random_state=0).fit(X, y, as_of=obs["as_of"], groups=obs["customer_id"])
    ew.Scorer(features, outcome, model, ew.Policy.default()).save(bundle)
    scores = ew.Scorer.load(bundle).score(ledger, until)
    p_late = scores["p_late"].dropna()
    found = {
        "module": str(Path(ew.__file__).parent),
        "version": ew.__version__,
        "distribution": version("earlywarn"),
        "features": features.to_dict(),
        "rows": len(scores),
        "scored": len(p_late),
        "lowest": float(p_late.min()),
        "highest": float(p_late.max()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
