"""The same features in Polars, several ways; days are integers since 1970."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from windows_catalogue import DAY, WHOLE, WORDS, ZERO, Catalogue, Ratio, Window
from windows_data import TABLES

NAME = "Polars"
#: Pairs of fact and observation that one query looks at; more are cut by customer, so that memory stays bounded.
PAIRS_AT_ONCE = 100_000_000
_VALUES = {"usage": ("kind", "quantity", "cost"), "invoices": ("amount",), "payments": ("method", "amount")}
Frames = dict[str, pl.LazyFrame]


# -- tables ----------------------------------------------------------------------------------------------


def load(folder: Path, moments: str, *, codes: bool, tables: Sequence[str] = TABLES, sort: bool = True) -> Frames:
    """Frames in memory under integer codes, sorted; or scans of the files under text ids."""
    frames = {name: _scan(folder, name) for name in tables}
    frames["obs"] = pl.scan_parquet(folder / f"observations_{moments}.parquet").select(
        "row", customer="customer_id", as_of=pl.col("as_of").to_physical().cast(pl.Int32)
    )
    if not codes:
        return frames
    place = frames["obs"].select("customer").unique().sort("customer").with_row_index("code").collect()
    return {name: _coded(frame, place, sort).lazy() for name, frame in frames.items()}


def _scan(folder: Path, table: str) -> pl.LazyFrame:
    columns = [pl.col(DAY[table]).to_physical().cast(pl.Int32).alias("day"), *(pl.col(c) for c in _VALUES[table])]
    if table == "payments":
        columns.append(pl.col("known_at").dt.date().to_physical().cast(pl.Int32).alias("known"))
    return pl.scan_parquet(folder / f"{table}.parquet").select(pl.col("customer_id").alias("customer"), *columns)


def _coded(frame: pl.LazyFrame, place: pl.DataFrame, sort: bool) -> pl.DataFrame:
    joined = frame.join(place.lazy(), on="customer").drop("customer").rename({"code": "customer"})
    words = [name for name in ("kind", "method") if name in joined.collect_schema().names()]
    joined = joined.with_columns(pl.col(name).cast(pl.Enum(list(WORDS[name]))) for name in words)
    if sort:
        joined = joined.sort("customer", "as_of" if "as_of" in joined.collect_schema().names() else "day")
    return joined.collect(engine="streaming")


def read_and_sort(folder: Path, *, sort: bool) -> None:
    """Only read the usage columns, under integer codes, and sort them when asked."""
    load(folder, "one", codes=True, tables=("usage",), sort=sort)


# -- ways ------------------------------------------------------------------------------------------------


def compute(frames: Frames, catalogue: Catalogue, way: str) -> pl.DataFrame:
    """All columns, one row per observation in its order."""
    made = frames["obs"].select("row").collect()
    for table in catalogue.tables:
        made = made.join(_WAYS[way](frames, table, catalogue.of(table)), on="row", how="left")
    return made.sort("row").select(_final(column) for column in catalogue.columns)


def to_numpy(result: pl.DataFrame) -> np.ndarray:
    """The result as float64, missing as NaN."""
    return result.fill_null(float("nan")).to_numpy()


def join(frames: Frames, table: str, windows: Sequence[Window]) -> pl.DataFrame:
    """Streaming join on customer, range filter, one masked aggregate per window."""
    made = [_aggregate(w).alias(w.name) for w in windows]
    return _in_parts(frames, table, windows, lambda pairs: pairs.group_by("row").agg(made))


def bands(frames: Frames, table: str, windows: Sequence[Window]) -> pl.DataFrame:
    """Partial aggregates between neighbouring window edges, then each window from its bands; medians directly."""
    split = [w for w in windows if w.function not in WHOLE]
    whole = [w for w in windows if w.function in WHOLE]
    edges = sorted({w.days for w in split} | {w.newest - 1 for w in split})
    states: dict[str, pl.Expr] = {}
    finals = [_from_bands(w, states).alias(w.name) for w in split]
    band = reduce(
        lambda rest, edge: pl.when(pl.col("age") <= edge).then(pl.lit(edge, pl.Int32)).otherwise(rest),
        reversed(edges), pl.lit(None, pl.Int32),
    )  # fmt: skip

    def query(pairs: pl.LazyFrame) -> pl.LazyFrame:
        partial = pairs.with_columns(band=band).group_by("row", "band").agg(e.alias(n) for n, e in states.items())
        return partial.group_by("row").agg(finals)

    made = _in_parts(frames, table, split, query)
    return made.join(join(frames, table, whole), on="row", how="full", coalesce=True) if whole else made


def every_day(frames: Frames, table: str, windows: Sequence[Window]) -> pl.DataFrame:
    """Each observation unrolled to the days it looks at, then an equality join on customer and day."""
    longest, newest = max(w.days for w in windows), min(w.newest for w in windows)
    unrolled = (
        frames["obs"].with_columns(age=pl.lit(list(range(newest, longest + 1)), pl.List(pl.Int32))).explode("age")
    )
    pairs = unrolled.with_columns(day=pl.col("as_of") - pl.col("age")).join(frames[table], on=["customer", "day"])
    return pairs.group_by("row").agg(_aggregate(w).alias(w.name) for w in windows).collect(engine="streaming")


def rolling_frames(frames: Frames, table: str, windows: Sequence[Window]) -> pl.DataFrame:
    """`rolling` with groups over facts and observations in one stream."""
    stream = _stream(frames, table, windows)
    made = stream.filter(pl.col("row").is_not_null()).select("row").collect()
    for days, newest in sorted({(w.days, w.newest) for w in windows}):
        here = [w for w in windows if (w.days, w.newest) == (days, newest)]
        rolled = stream.rolling("day", period=f"{days - newest + 1}i", group_by="customer").agg(
            pl.col("row").last(), *(_plain(w, pl.col(w.column)).alias(w.name) for w in here)
        )
        part = rolled.filter(pl.col("row").is_not_null()).drop("customer", "day").unique("row").collect()
        made = made.join(part, on="row", how="left")
    return made


def rolling_by(frames: Frames, table: str, windows: Sequence[Window]) -> pl.DataFrame:
    """`rolling_mean_by` and its kin per customer, over facts and observations in one stream."""
    stream = _stream(frames, table, windows)
    made = [_rolled(w).over("customer").alias(w.name) for w in windows]
    rolled = stream.with_columns(is_fact=pl.col("row").is_null().cast(pl.Int32)).with_columns(made)
    return rolled.filter(pl.col("row").is_not_null()).select("row", *(w.name for w in windows)).collect()


_WAYS: dict[str, Callable[[Frames, str, Sequence[Window]], pl.DataFrame]] = {
    "streaming join": join,
    "bands": bands,
    "every day": every_day,
    "rolling with group_by": rolling_frames,
    "rolling by": rolling_by,
}
WAYS = {"sixteen": tuple(_WAYS), "catalogue": ("streaming join", "bands")}


# -- pieces ----------------------------------------------------------------------------------------------


def _in_parts(
    frames: Frames, table: str, windows: Sequence[Window], query: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> pl.DataFrame:
    """Run a query over the pairs of facts and the observations that can see them."""
    longest, newest = max(w.days for w in windows), min(w.newest for w in windows)
    count = frames["obs"].select(pl.len()).collect().item()
    parts = -(-count * (longest if table == "usage" else 1) // PAIRS_AT_ONCE)
    made = []
    for cut in _cuts(frames["obs"], parts):
        pairs = frames["obs"].filter(cut).join(frames[table].filter(cut), on="customer")
        pairs = pairs.with_columns(age=pl.col("as_of") - pl.col("day")).filter(
            pl.col("age").is_between(newest, longest)
        )
        if table == "payments":
            pairs = pairs.filter(pl.col("known") < pl.col("as_of"))
        made.append(query(pairs).collect(engine="streaming"))
    return pl.concat(made)


def _cuts(obs: pl.LazyFrame, parts: int) -> list[pl.Expr]:
    """Conditions that part the customers: ranges of codes; hashes of text ids."""
    if parts <= 1:
        return [pl.lit(True)]
    customer = pl.col("customer")
    if obs.collect_schema()["customer"] == pl.String:
        return [customer.hash(0) % parts == part for part in range(parts)]
    most = obs.select(customer.max()).collect().item()
    edges = [(most + 1) * part // parts for part in range(parts + 1)]
    return [customer.is_between(low, high, closed="left") for low, high in pairwise(edges)]


def _mask(w: Window, expression: pl.Expr) -> pl.Expr:
    inside = pl.col("age").is_between(w.newest, w.days)
    if w.where and w.function != "share":
        inside &= pl.col(w.where) == w.word
    return pl.when(inside).then(expression)


def _aggregate(w: Window) -> pl.Expr:
    """One window as aggregates of masked columns, which the streaming engine takes as they come."""
    age, x = pl.col("age"), pl.col(w.column or "age")
    if w.function == "slope":
        return _slope(*(_mask(w, part).sum() for part in (pl.lit(1), -age, age * age, x, -age * x)))
    if w.function == "distinct":
        return _any_of(_mask(w, x == word).any() for word in WORDS[w.column])
    if w.function == "share":
        return _mask(w, (pl.col(w.where) == w.word).cast(pl.Float64)).mean()
    if w.function in ("last", "first"):
        newest = _mask(w, age).min() if w.function == "last" else _mask(w, age).max()
        return x.filter(age == newest).first()
    return _plain(w, _mask(w, age if w.function in ("count", "days_since") else x))


def _plain(w: Window, x: pl.Expr) -> pl.Expr:
    return {
        "mean": lambda: x.mean(), "std": lambda: x.std(ddof=1), "max": lambda: x.max(), "min": lambda: x.min(),
        "sum": lambda: x.sum(), "count": lambda: x.count(), "median": lambda: x.median(),
        "quantile": lambda: x.quantile(w.q, "linear"), "days_since": lambda: x.min(),
    }[w.function]()  # fmt: skip


def _slope(n: pl.Expr, t: pl.Expr, tt: pl.Expr, s: pl.Expr, tx: pl.Expr) -> pl.Expr:
    spread = n * tt - t * t
    return pl.when(spread > 0).then((n * tx - t * s) / spread)


def _any_of(flags: Iterable[pl.Expr]) -> pl.Expr:
    return pl.sum_horizontal(flag.fill_null(False).cast(pl.Int32) for flag in flags)


def _from_bands(w: Window, states: dict[str, pl.Expr]) -> pl.Expr:
    """A window put together from its bands; what it needs of them is noted in `states`."""
    inside = pl.col("band").is_between(w.newest, w.days)
    seen = pl.col(w.where) == w.word if w.where and w.function != "share" else None
    age, x = pl.col("age"), pl.col(w.column or "age")

    def state(name: str, expression: pl.Expr, how: str) -> pl.Expr:
        """A partial aggregate, named once, masked by the window's condition and by its bands."""
        label = f"{name}_{w.column}_{w.where}_{w.word}"
        masked = expression if seen is None else pl.when(seen).then(expression)
        states[label] = getattr(masked, how)()
        return pl.when(inside).then(pl.col(label))

    n = state("n", age, "count").sum()
    if w.function == "count":
        return n
    if w.function in ("max", "min"):
        return getattr(state(w.function, x, w.function), w.function)()
    if w.function == "days_since":
        return state("age", age, "min").min()
    if w.function == "share":
        return state("hits", (pl.col(w.where) == w.word).cast(pl.Float64), "sum").sum() / pl.when(n > 0).then(n)
    if w.function == "distinct":
        return _any_of(state(f"has_{word}", x == word, "any").any() for word in WORDS[w.column])
    if w.function in ("last", "first"):
        side = "min" if w.function == "last" else "max"
        value, when = f"{w.function}_{w.column}_{w.where}_{w.word}", state(f"{side}_age", age, side)
        at = age if seen is None else pl.when(seen).then(age)
        states[value] = x.filter(at == getattr(at, side)()).first()
        return pl.col(value).filter(when == getattr(when, side)()).first()
    s = state("s", x, "sum").sum()
    if w.function == "sum":
        return s
    if w.function == "mean":
        return s / pl.when(n > 0).then(n)
    if w.function == "std":
        ss = state("ss", x * x, "sum").sum()
        return pl.when(n > 1).then(((ss - s * s / n).clip(0) / (n - 1)).sqrt())
    return _slope(
        n, state("t", -age, "sum").sum(), state("tt", age * age, "sum").sum(), s, state("tx", -age * x, "sum").sum()
    )


def _stream(frames: Frames, table: str, windows: Sequence[Window]) -> pl.LazyFrame:
    """Facts and observations of one customer behind each other, observations at the newest day that they see."""
    (newest,) = {w.newest for w in windows}
    (value,) = {w.column for w in windows}
    facts = frames[table].select("customer", "day", value, row=pl.lit(None, pl.Int32))
    looks = frames["obs"].select(
        "customer", (pl.col("as_of") - newest).alias("day"), pl.lit(None, pl.Float64).alias(value), "row"
    )
    return pl.concat([facts, looks]).sort("customer", "day", "row", nulls_last=False)


def _rolled(w: Window) -> pl.Expr:
    size = f"{w.days - w.newest + 1}i"
    if w.function == "count":
        return pl.col("is_fact").rolling_sum_by("day", size)
    return getattr(pl.col(w.column), f"rolling_{w.function}_by")("day", size)


def _final(column: Window | Ratio) -> pl.Expr:
    if isinstance(column, Window):
        return _window(column)
    under = _window(column.under)
    value = _window(column.over) / pl.when(under != 0).then(under)
    value = pl.when(value > 0).then(value.log()) if column.log else value
    return value.alias(column.name)


def _window(w: Window) -> pl.Expr:
    value = pl.col(w.name).cast(pl.Float64)
    return value.fill_null(0.0) if w.function in ZERO else value
