"""The 16 features in featuretools. Stands alone, so that it can run in an environment of its own.

    python windows_featuretools.py usage.csv observations.csv result.npy

A cut-off at the newest day that an observation sees, and a training window that reaches back to the oldest,
give the same facts as ours: data at the cut-off count, data at the start of the window do not.
"""  # fmt: skip

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd

DAYS, NEWEST = (7, 30, 90, 180), 2
PRIMITIVES = ("mean", "std", "max", "count")


def compute(usage: pd.DataFrame, obs: pd.DataFrame) -> tuple[np.ndarray, float, str]:
    """Columns of the 16 features in their order, seconds, version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of the pandas it was not made for
        import featuretools as ft

        entities = ft.EntitySet("biller")
        customers = pd.DataFrame({"customer_id": sorted(set(obs["customer_id"]))})
        entities.add_dataframe(dataframe_name="customers", dataframe=customers, index="customer_id")
        entities.add_dataframe(
            dataframe_name="usage", dataframe=usage, index="usage_id", make_index=True, time_index="used_on"
        )
        entities.add_relationship("customers", "customer_id", "usage", "customer_id")
        features = ft.dfs(
            entityset=entities, target_dataframe_name="customers", agg_primitives=list(PRIMITIVES),
            trans_primitives=[], max_depth=1, features_only=True,
        )  # fmt: skip
        named = {feature.get_name(): feature for feature in features}
        wanted = [named[f"{p.upper()}(usage.quantity)" if p != "count" else "COUNT(usage)"] for p in PRIMITIVES]
        cutoff = pd.DataFrame({"customer_id": obs["customer_id"], "time": obs["as_of"] - pd.Timedelta(days=NEWEST)})
        start, parts = time.perf_counter(), []
        for days in DAYS:
            window = ft.Timedelta(days - NEWEST + 1, "d")
            made = ft.calculate_feature_matrix(wanted, entities, cutoff_time=cutoff, training_window=window)
            parts.append(made)
        seconds = time.perf_counter() - start
    order = pd.Index(obs["customer_id"])
    if order.is_unique:
        parts = [part.reindex(order) for part in parts]
    return np.column_stack([part.to_numpy(dtype=np.float64) for part in parts]), seconds, ft.__version__


def main(usage_path: str, observations_path: str, result_path: str) -> None:
    usage = pd.read_csv(usage_path, parse_dates=["used_on"])
    obs = pd.read_csv(observations_path, parse_dates=["as_of"])
    values, seconds, version = compute(usage, obs)
    np.save(result_path, values)
    print(json.dumps({"seconds": seconds, "version": version, "observations": len(obs)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
