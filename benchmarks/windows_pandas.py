"""The same features in pandas, and in numpy as a careful hand would write it; days are integers since 1970."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from windows_catalogue import DAY, ZERO, Catalogue, Ratio, Window
from windows_data import TABLES

NAME = "pandas"
#: Pairs of fact and observation that one merge makes; more are cut by customer, so that memory stays bounded.
PAIRS_AT_ONCE = 10_000_000
_VALUES = {"usage": ("kind", "quantity", "cost"), "invoices": ("amount",), "payments": ("method", "amount")}
#: Keys are customer x this + day.
_SPAN = 1 << 20
Frames = dict[str, pd.DataFrame]


# -- tables ----------------------------------------------------------------------------------------------


def load(
    folder: Path, moments: str, *, codes: bool = True, tables: Sequence[str] = TABLES, sort: bool = True
) -> Frames:
    """Frames sorted by customer, under integer codes; text ids become codes in any case, as pandas needs them."""
    assert codes
    obs = pq.read_table(folder / f"observations_{moments}.parquet").to_pandas(date_as_object=False)
    ids = pd.Index(obs["customer_id"].unique()).sort_values()
    frames = {
        "obs": pd.DataFrame(
            {"row": obs["row"], "customer": ids.get_indexer(obs["customer_id"]), "as_of": _day(obs["as_of"])}
        )
    }
    for name in tables:
        table = pq.read_table(folder / f"{name}.parquet", columns=_columns(name))
        raw = table.to_pandas(date_as_object=False, strings_to_categorical=True)
        place = ids.get_indexer(raw["customer_id"].cat.categories)
        frame = raw[list(_VALUES[name])].assign(customer=place[raw["customer_id"].cat.codes], day=_day(raw[DAY[name]]))
        if name == "payments":
            frame["known"] = _day(raw["known_at"])
        frames[name] = frame.sort_values(["customer", "day"], ignore_index=True) if sort else frame
    return frames


def _columns(table: str) -> list[str]:
    return ["customer_id", DAY[table], *_VALUES[table], *(["known_at"] if table == "payments" else [])]


def _day(column: pd.Series) -> np.ndarray:
    return column.to_numpy().astype("M8[D]").astype(np.int64).astype(np.int32)


def read_and_sort(folder: Path, *, sort: bool) -> None:
    """Only read the usage columns, under integer codes, and sort them when asked."""
    load(folder, "one", tables=("usage",), sort=sort)


# -- ways ------------------------------------------------------------------------------------------------


def compute(frames: Frames, catalogue: Catalogue, way: str) -> pd.DataFrame:
    """All columns, one row per observation in its order."""
    rows = pd.RangeIndex(len(frames["obs"]))
    made: dict[str, np.ndarray] = {}
    for table in catalogue.tables:
        windows = catalogue.of(table)
        found = _WAYS[way](frames, table, windows).reindex(rows)
        made.update(
            {
                w.name: found[w.name].fillna(0.0).to_numpy() if w.function in ZERO else found[w.name].to_numpy()
                for w in windows
            }
        )
    with np.errstate(all="ignore"):
        return pd.DataFrame({column.name: _final(column, made) for column in catalogue.columns}, index=rows)


def to_numpy(result: pd.DataFrame) -> np.ndarray:
    """The result as float64, missing as NaN."""
    return result.to_numpy(dtype=np.float64)


def merge(frames: Frames, table: str, windows: Sequence[Window]) -> pd.DataFrame:
    """Merge on customer, keep what is in reach, group by observation; a range of customers at a time."""
    obs, facts = frames["obs"].sort_values(["customer", "as_of"]), frames[table]
    customers = int(obs["customer"].max()) + 1
    per_customer = max(1, len(facts) // customers) * max(1, len(obs) // customers)
    step = max(1, PAIRS_AT_ONCE // per_customer)
    who, whose = obs["customer"].to_numpy(), facts["customer"].to_numpy()
    made = []
    for start in range(0, customers, step):
        looks, seen = (slice(*np.searchsorted(of, [start, start + step])) for of in (who, whose))
        made.append(_grouped(_pairs(obs.iloc[looks], facts.iloc[seen], table, windows), windows))
    return pd.concat(made)


def search(frames: Frames, table: str, windows: Sequence[Window]) -> pd.DataFrame:
    """numpy: binary searches in sorted keys, running sums, `maximum.reduceat` between the bounds.

    A thousand customers at a time: sums that ran over all of them would lose the digits of the small ones.
    """
    (column,) = {w.column for w in windows}
    obs, facts = frames["obs"].sort_values(["customer", "as_of"]), frames[table]
    who, whose = obs["customer"].to_numpy(), facts["customer"].to_numpy()
    at, key = (
        who.astype(np.int64) * _SPAN + obs["as_of"].to_numpy(),
        whose.astype(np.int64) * _SPAN + facts["day"].to_numpy(),
    )
    x = facts[column].to_numpy()
    made = np.empty((len(obs), len(windows)))
    for start in range(0, int(who[-1]) + 1, 1000):
        looks, seen = (slice(*np.searchsorted(of, [start, start + 1000])) for of in (who, whose))
        made[looks] = _searched(at[looks], key[seen], x[seen], windows)
    return pd.DataFrame(made, columns=[w.name for w in windows], index=obs["row"].to_numpy())


def _searched(at: np.ndarray, key: np.ndarray, x: np.ndarray, windows: Sequence[Window]) -> np.ndarray:
    base = x.mean()
    s, ss = (np.concatenate([[0.0], np.cumsum(part)]) for part in (x - base, (x - base) ** 2))
    padded = np.append(x, -np.inf)
    found: dict[tuple[int, str], np.ndarray] = {}
    for days, newest in sorted({(w.days, w.newest) for w in windows}):
        low, high = np.searchsorted(key, at - days), np.searchsorted(key, at - newest, side="right")
        n, total, squares = (high - low).astype(np.float64), s[high] - s[low], ss[high] - ss[low]
        with np.errstate(all="ignore"):
            largest = np.maximum.reduceat(padded, np.column_stack([low, high]).ravel())[::2]
            variance = np.maximum(squares - total * total / n, 0.0) / (n - 1)
            found[days, "count"] = n
            found[days, "mean"] = np.where(n > 0, base + total / n, np.nan)
            found[days, "std"] = np.where(n > 1, np.sqrt(variance), np.nan)
            found[days, "max"] = np.where(n > 0, largest, np.nan)
    return np.column_stack([found[w.days, w.function] for w in windows])


def rolling(frames: Frames, table: str, windows: Sequence[Window]) -> pd.DataFrame:
    """`groupby.rolling` over facts and observations in one stream, observations at the newest day that they see."""
    (newest,) = {w.newest for w in windows}
    (column,) = {w.column for w in windows}
    facts, obs = frames[table][["customer", "day", column]], frames["obs"]
    looks = pd.DataFrame({"customer": obs["customer"], "day": obs["as_of"] - newest, "row": obs["row"]})
    stream = pd.concat([facts.assign(row=-1), looks]).sort_values(["customer", "day", "row"], kind="stable")
    stream["day"] = stream["day"].to_numpy().astype("M8[D]").astype("M8[s]")
    row = stream["row"].to_numpy()
    made: dict[str, np.ndarray] = {}
    for days in sorted({w.days for w in windows}):
        here = [w for w in windows if w.days == days]
        grouped = stream.groupby("customer", sort=False).rolling(f"{days - newest + 1}D", on="day", min_periods=0)[
            column
        ]
        for w in here:
            rolled = getattr(grouped, w.function)().to_numpy()
            made[w.name] = rolled[row >= 0]
    return pd.DataFrame(made, index=row[row >= 0])


_WAYS: dict[str, Callable[[Frames, str, Sequence[Window]], pd.DataFrame]] = {
    "merge and groupby": merge,
    "numpy searchsorted": search,
    "groupby rolling": rolling,
}
WAYS = {"sixteen": tuple(_WAYS), "catalogue": ("merge and groupby",)}


# -- pieces ----------------------------------------------------------------------------------------------


def _pairs(obs: pd.DataFrame, facts: pd.DataFrame, table: str, windows: Sequence[Window]) -> pd.DataFrame:
    pairs = obs.merge(facts, on="customer")
    age = pairs["as_of"] - pairs["day"]
    seen = age.between(min(w.newest for w in windows), max(w.days for w in windows))
    if table == "payments":
        seen &= pairs["known"] < pairs["as_of"]
    return pairs.assign(age=age)[seen].sort_values(["row", "day"], kind="stable")


def _grouped(pairs: pd.DataFrame, windows: Sequence[Window]) -> pd.DataFrame:
    """Windows over the same facts from one grouping."""
    alike: dict[tuple[int, int, str, str], list[Window]] = {}
    for w in windows:
        condition = ("", "") if w.function == "share" else (w.where, w.word)
        alike.setdefault((w.days, w.newest, *condition), []).append(w)
    made = {}
    for (days, newest, where, word), group in alike.items():
        inside = pairs["age"].between(newest, days)
        if where:
            inside &= pairs[where] == word
        groups = pairs[inside].groupby("row")
        made.update({w.name: _aggregate(w, pairs, inside, groups) for w in group})
    return pd.DataFrame(made)


def _aggregate(w: Window, pairs: pd.DataFrame, inside: pd.Series, groups: Any) -> pd.Series:
    if w.function == "count":
        return groups.size().astype(np.float64)
    if w.function == "days_since":
        return groups["age"].min().astype(np.float64)
    if w.function == "share":
        return (pairs[w.where] == w.word)[inside].groupby(pairs["row"][inside]).mean()
    if w.function == "distinct":
        return groups[w.column].nunique().astype(np.float64)
    if w.function == "quantile":
        return groups[w.column].quantile(w.q)
    if w.function == "slope":
        here = pairs.loc[inside, ["row", w.column, "age"]]
        parts = pd.DataFrame({"row": here["row"], "t": -here["age"].astype(np.float64), "x": here[w.column]})
        parts = parts.assign(tt=parts["t"] ** 2, tx=parts["t"] * parts["x"])
        sums, n = parts.groupby("row").sum(), groups.size()
        spread = n * sums["tt"] - sums["t"] ** 2
        return (n * sums["tx"] - sums["t"] * sums["x"]) / spread.where(spread > 0)
    return getattr(groups[w.column], w.function)()


def _final(column: Window | Ratio, made: dict[str, np.ndarray]) -> np.ndarray:
    if isinstance(column, Window):
        return made[column.name]
    over, under = made[column.over.name], made[column.under.name]
    value = np.where(under == 0, np.nan, over / under)
    return np.where(value > 0, np.log(value), np.nan) if column.log else value
