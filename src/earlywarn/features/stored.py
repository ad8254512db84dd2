"""Features over a store: bucket by bucket, so that only few buckets' facts are in memory at a time.

What crosses debtors is reduced over all buckets first; then each bucket gives the rows of its own debtors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.compiled import in_parts
from earlywarn.errors import FeatureError
from earlywarn.features.build import compute, needs_one_thread
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.features.expression import Aggregate, Field, Name
from earlywarn.features.observed import INVOICE_TEXTS, words_of
from earlywarn.features.sparse import added_up
from earlywarn.tables.store import LedgerStore

__all__ = ["compute_stored"]

Report = Callable[[float], None]
#: Share of the work that reducing other debtors is, where features ask for it.
_CONTEXT_SHARE = 0.3
#: Buckets in work at a time, where there are as many processors: most of the time goes into reading columns.
AT_ONCE = 4


def compute_stored(
    features: Iterable[Feature],
    store: LedgerStore,
    obs: pd.DataFrame,
    *,
    context: Context | None = None,
    progress: Report | None = None,
    compiled: bool = True,
) -> pd.DataFrame:
    """Compute features at observations, the debtors of one bucket after the other.

    Parameters
    ----------
    features : iterable of Feature
    store : LedgerStore
    obs : DataFrame
    context : Context, optional
        Reduced over all buckets when left out.
    progress : callable, optional
        Called with the share that is done.
    compiled : bool
        All as in `earlywarn.features.build.compute`.

    Returns
    -------
    DataFrame of float32 and category, shape (n_observations, n_features), index of ``obs``
        The matrix that one ledger of all tables gives, its categories included.

    Raises
    ------
    FeatureError
        As `earlywarn.features.build.compute`.
    """
    features = list(features)
    if "customer_id" not in obs.columns:
        raise FeatureError(
            "the observations lack customer_id.", code="F225", hint="make them with Outcome.observations(store)."
        )
    report = progress or (lambda share: None)
    start = 0.0
    if context is None and _crosses_debtors(features):
        start = _CONTEXT_SHARE
        context = Context.of(store, features, progress=lambda share: report(start * share))
    bucket = store.bucket_of(obs["customer_id"])
    visited = np.unique(bucket) if len(bucket) else np.zeros(1, dtype=np.int64)

    def of_bucket(number: int) -> tuple[Any, pd.DataFrame]:
        rows = np.flatnonzero(bucket == number)
        return rows, compute(features, store.bucket(number), obs.iloc[rows], context=context, compiled=compiled)

    parts, notices = [], []
    at_once = 1 if not compiled or needs_one_thread(features) else AT_ONCE
    for done, part in enumerate(in_parts(of_bucket, visited.tolist(), most=at_once), start=1):
        notices += part[1].attrs["notices"]
        parts.append(part)
        report(start + (1 - start) * done / len(visited))
    matrix = pd.DataFrame({one.name: _column(one, parts, store, len(obs)) for one in features}, index=obs.index)
    matrix.attrs["notices"] = added_up(notices, obs["customer_id"].nunique())
    return matrix


def _crosses_debtors(features: list[Feature]) -> bool:
    return any(one.selection.of != "customer" for feature in features for one in feature.expression.aggregates)


def _column(feature: Feature, parts: list[tuple[Any, pd.DataFrame]], store: LedgerStore, count: int) -> Any:
    """One column of the matrix from those of the buckets, each in its rows."""
    first = parts[0][1][feature.name]
    if not isinstance(first.dtype, pd.CategoricalDtype):
        values = np.empty(count, dtype=np.float32)
        for rows, part in parts:
            values[rows] = part[feature.name].to_numpy()
        return values
    words = {word for _, part in parts for word in part[feature.name].cat.categories}
    labels = pd.Index(sorted(words.union(_labels(feature, store))), dtype="str")
    codes = np.full(count, -1, dtype=np.int64)
    for rows, part in parts:
        own = part[feature.name].cat
        place = np.append(labels.get_indexer(own.categories), -1)
        codes[rows] = place[own.codes.to_numpy()]
    return pd.Categorical.from_codes(codes, categories=labels)


def _labels(feature: Feature, store: LedgerStore) -> tuple[str, ...]:
    """Texts that the column of a feature holds in buckets that were not visited."""
    root: Any = feature.expression.root
    if isinstance(root, Aggregate) and isinstance(root.argument, Name):
        return store.labels(root.selection.table, root.argument.name)
    if isinstance(root, Field) and root.column in INVOICE_TEXTS:
        return words_of(root.column, lambda table: store.labels(table, root.column))
    return ()
