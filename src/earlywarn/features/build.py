"""From a ledger and observations to the matrix: leaves of expressions looked up, expressions evaluated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.compiled import in_parts
from earlywarn.errors import FeatureError, suggest
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature, need_features
from earlywarn.features.evaluate import Codes, Column, evaluate
from earlywarn.features.group_checks import check_group
from earlywarn.features.leaves import Leaves
from earlywarn.features.observed import INVOICE_FIELDS
from earlywarn.features.own import runs_plain
from earlywarn.features.reader import reads_observation
from earlywarn.features.sparse import GUARD, sparse_notices
from earlywarn.tables.handed_over import need_ledger
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS, TABLES
from earlywarn.tables.undated import holds_today

__all__ = ["compute", "need_observations"]

log = logging.getLogger("earlywarn")
Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: Of the numbers of a matrix.
DTYPE = np.float32


def compute(
    features: Iterable[Feature],
    ledger: Ledger,
    obs: pd.DataFrame,
    *,
    context: Context | None = None,
    progress: Callable[[float], None] | None = None,
    compiled: bool = True,
) -> pd.DataFrame:
    """Compute features at observations.

    Parameters
    ----------
    features : iterable of Feature
    ledger : Ledger
    obs : DataFrame
        As `Outcome.observations` gives it; customer_id and as_of are needed, the others for ``invoice.*``.
    context : Context, optional
        Reductions over groups of customers; made from the ledger when left out.
    progress : callable, optional
        Called with the share that is done.
    compiled : bool
        False takes the plain engine: slow, for tests.

    Returns
    -------
    DataFrame of float32 and category, shape (n_observations, n_features), index of ``obs``
        ``attrs["notices"]`` says which tables or columns were absent.

    Raises
    ------
    FeatureError
        F221 unknown column, F222 unknown table, F220 today's value used for the past, F223 groups,
        F224 a context that lacks what a feature needs, F225 observations without a column that is needed,
        F229 something else than features.
    DataError
        D109 something else than a ledger.
    """
    features = need_features(features)
    ledger = need_ledger(ledger, "FeatureSet.compute")
    need_observations(obs)
    if context is not None and not isinstance(context, Context):
        raise FeatureError(
            f"the context is a {type(context).__name__}.",
            code="F224",
            hint="make it with Context.of(ledger, features).",
        )
    for feature in features:
        _check(feature, ledger)
    leaves = Leaves(ledger, obs, context, (feature.expression for feature in features), compiled=compiled)
    matrix, guard = _matrix(features, leaves, obs.index, progress)
    sparse = sparse_notices(guard, leaves.observed.owner, obs["customer_id"]) if guard is not None else ()
    notices = [*leaves.notices, *sorted(leaves.observed.notices), *leaves.groups.notices, *sparse]
    matrix.attrs["notices"] = tuple(dict.fromkeys(notices))
    for notice in matrix.attrs["notices"]:
        log.info(notice)
    return matrix


def needs_one_thread(features: Iterable[Feature]) -> bool:
    """Whether aggregates of the user's own run as Python, which threads would not make faster."""
    return any(runs_plain(one.function) for feature in features for one in feature.expression.aggregates)


def need_observations(obs: pd.DataFrame) -> None:
    """Refuse observations that do not say of whom and when (F225)."""
    lacking = [name for name in ("customer_id", "as_of") if name not in obs.columns]
    if lacking:
        raise FeatureError(
            f"the observations lack {' and '.join(lacking)}.",
            code="F225",
            hint="make them with Outcome.observations(ledger); further columns serve invoice.*.",
        )


def _matrix(
    features: list[Feature], leaves: Leaves, index: pd.Index[Any], progress: Callable[[float], None] | None
) -> tuple[pd.DataFrame, npt.NDArray[Any] | None]:
    """Features evaluated block by block, into the memory of the frame; and what `GUARD` says, where it is asked."""
    numbers = np.empty((len(features), len(index)), dtype=DTYPE)
    guarded = any(GUARD in feature.expression.aggregates for feature in features)
    guard = np.zeros(len(index), dtype=DTYPE) if guarded else None

    def evaluated(rows: Rows) -> dict[int, Codes]:
        leaf = leaves.at(rows)
        words: dict[int, Codes] = {}
        for place, feature in enumerate(features):
            values = evaluate(feature.expression.root, leaf)
            if isinstance(values, Codes):
                words[place] = values
            else:
                _put(values, numbers[place], rows)
        if guard is not None:
            _put(leaf(GUARD), guard, rows)
        return words

    blocks = leaves.blocks()
    words: dict[int, tuple[Rows, tuple[str, ...]]] = {}
    alone = leaves.compiled and needs_one_thread(features)
    for done, found in enumerate(in_parts(evaluated, blocks, most=1 if alone else None)):
        for place, values in found.items():
            codes, _ = words.setdefault(place, (np.empty(len(index), dtype=np.int64), values.labels))
            codes[blocks[done]] = values.codes
        if progress is not None:
            progress((done + 1) / len(blocks))
    return _framed(numbers, words, [feature.name for feature in features], index), guard


def _framed(
    numbers: npt.NDArray[Any], words: Mapping[int, tuple[Rows, tuple[str, ...]]], names: list[str], index: pd.Index[Any]
) -> pd.DataFrame:
    """Columns by their places: categories where there are words, else the rows of ``numbers`` as they lie."""
    pieces, since = [], 0
    for place in [*sorted(words), len(names)]:  # numbers up to the next category, and that one
        if place > since or not names:
            pieces.append(pd.DataFrame(numbers[since:place].T, index=index, columns=names[since:place], copy=False))
        if place in words:
            codes, labels = words[place]
            column = pd.Categorical.from_codes(codes, categories=pd.Index(list(labels), dtype="str"))
            pieces.append(pd.DataFrame({names[place]: column}, index=index))
        since = place + 1
    return pieces[0] if len(pieces) == 1 else pd.concat(pieces, axis=1)


def _put(values: Column, numbers: npt.NDArray[Any], rows: Rows) -> None:
    """Write numbers as float32 at some rows; those beyond it are missing."""
    assert not isinstance(values, Codes)
    if values.ndim and numbers.dtype == np.float32 and values.flags.c_contiguous and values.flags.writeable:
        from earlywarn.features import kernels

        kernels.put(0, len(rows), rows, values, numbers)
        return
    with np.errstate(over="ignore"):
        cells = values.astype(numbers.dtype)
    numbers[rows] = np.where(np.isinf(cells), np.nan, cells)


def _check(feature: Feature, ledger: Ledger) -> None:
    """Refuse unknown tables and columns and today's values, before anything is computed."""
    for table, column in sorted(feature.expression.columns()):
        _check_column(feature, table, column, ledger)
    for aggregate in feature.expression.aggregates:
        _check_table(feature.name, aggregate.selection.table, ledger)
        if aggregate.selection.of != "customer":
            if any(reads_observation(part) for part in (aggregate.argument, aggregate.selection.where)):
                raise FeatureError(
                    f"{feature.name} reads invoice.* inside an aggregate over a {aggregate.selection.of}.",
                    code="F223",
                    hint="groups are reduced before any observation is looked at.",
                )
            kinds = ledger.facts(aggregate.selection.table).kinds
            check_group(aggregate, [name for name, kind in kinds.items() if kind == "date"])


def _check_table(feature: str, table: str, ledger: Ledger) -> None:
    if table not in ledger.names:
        raise FeatureError(
            f"{feature} reads the table {table!r}, which the ledger does not have.",
            code="F222",
            hint=suggest(table, ledger.names),
        )


def _check_column(feature: Feature, table: str, column: str, ledger: Ledger) -> None:
    if table == "invoice":
        known: Iterable[str] = INVOICE_FIELDS
    elif table in STREAMS:
        known = STREAMS[table]
    elif table in TABLES:
        known = TABLES[table].columns
    else:
        _check_table(feature.name, table, ledger)
        known = ledger.facts(table).columns
    if column not in known:
        raise FeatureError(
            f"{feature.name} reads {table}.{column}, which is not there.", code="F221", hint=suggest(column, known)
        )
    if not feature.undated and holds_today(ledger, table, column):
        raise FeatureError(
            f"{feature.name} reads {table}.{column}, which holds today's value only.",
            code="F220",
            hint=f"hand over valid_from, or declare static={{{table!r}: [{column!r}]}} if it never changes; with "
            'undated="missing" the feature does without.',
        )
