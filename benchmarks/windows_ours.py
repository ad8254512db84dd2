"""Our side of the comparison: a ledger in memory or a store on disk, and the plain engine as the reference."""

from __future__ import annotations

import importlib
import inspect
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

import earlywarn as ew
from earlywarn.features import build
from windows_catalogue import CATALOGUES, difference
from windows_data import OBSERVATIONS, TABLES, observations, reference_path, sample

NAME = "earlywarn"


def features_of(catalogue: str) -> ew.FeatureSet:
    """One of the compared catalogues, or the one that is shipped."""
    if catalogue == "shipped":
        return ew.FeatureSet.default()
    return ew.FeatureSet([ew.Feature(column.name, column.text) for column in CATALOGUES[catalogue].columns])


def files(folder: Path) -> dict[str, Path]:
    """Every table as the path of its file."""
    return {name: folder / f"{name}.parquet" for name in TABLES}


def load(folder: Path) -> ew.Ledger:
    """A ledger with its facts built; settlement is left to what asks for it."""
    ledger = ew.Ledger.from_tables(**files(folder))
    for name in TABLES:
        ledger.facts(name)
    return ledger


def write_store(folder: Path) -> Any:
    """A store in a new folder beside the files."""
    from earlywarn.tables.store import LedgerStore

    return LedgerStore.write(Path(tempfile.mkdtemp(dir=folder)) / "store", **files(folder))


def compute(source: Any, catalogue: str, obs: pd.DataFrame) -> pd.DataFrame:
    """The matrix, as users get it."""
    return features_of(catalogue).compute(source, obs)


def to_numpy(result: pd.DataFrame) -> np.ndarray:
    """The result as float64; categories are left out."""
    return result.select_dtypes("number").to_numpy(dtype=np.float64)


def doubles(catalogue: str, ledger: ew.Ledger, obs: pd.DataFrame, *, compiled: bool) -> np.ndarray:
    """The matrix in float64, by the compiled engine or the plain one."""
    choice = {"compiled": compiled} if "compiled" in inspect.signature(build.compute).parameters else {}
    with mock.patch.object(build, "DTYPE", np.float64):  # matrices keep what is computed
        return build.compute(features_of(catalogue), ledger, obs, **choice).to_numpy(dtype=np.float64)


def write_references(folder: Path) -> dict[str, float]:
    """Values of sampled customers by the plain engine, one file per catalogue and observations.

    Gives for each how far the compiled engine is from it.
    """
    tables = sample(folder)
    ledger = ew.Ledger.from_tables(**{name: tables[name] for name in TABLES})
    apart = {}
    for moments in OBSERVATIONS:
        obs = tables[f"observations_{moments}"].to_pandas(date_as_object=False)
        for name in CATALOGUES:
            values = doubles(name, ledger, obs, compiled=False)
            apart[f"{name}, {moments}"] = difference(values, doubles(name, ledger, obs, compiled=True))
            np.savez(reference_path(folder, name, moments), rows=obs["row"].to_numpy(), values=values)
    return apart


def warm_up() -> float:
    """Seconds to have every loop that features need compiled, or read from the cache; numba's own start included."""
    from earlywarn.cli.warmup import kernel_modules

    start = time.perf_counter()
    for name in kernel_modules():
        if not name.startswith("earlywarn.simulate."):
            importlib.import_module(name)
    return time.perf_counter() - start


def observe(folder: Path, moments: str) -> pd.DataFrame:
    """Observations as users have them."""
    obs = observations(folder, moments)
    return obs.drop(columns=[name for name in ("row",) if name in obs.columns])
