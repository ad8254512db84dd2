"""The leakage audit: rebuild everything on data cut at ``as_of`` and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from earlywarn.features.build import compute
from earlywarn.features.definition import Feature
from earlywarn.outcomes import Outcome
from earlywarn.outcomes.obligations import obligations
from earlywarn.tables.ledger import Ledger

__all__ = ["audit_leakage"]

_COLUMNS = ["observation", "as_of", "what", "full", "cut"]


def audit_leakage(
    features: Iterable[Feature],
    ledger: Ledger,
    obs: pd.DataFrame,
    *,
    moments: int = 20,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """Compute features and eligibility again on data cut at ``as_of``, and list every difference.

    Parameters
    ----------
    features : iterable of Feature
    ledger : Ledger
    obs : DataFrame
        Observations as they are used for training, however they were made. Of obligations that the ledger does
        not have, only the features are looked at.
    moments : int
        How many different ``as_of`` are looked at, spread evenly over the observations.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    DataFrame
        observation (index label), as_of, what (a feature's name, ``eligible``, ``due_on`` or ``open_amount``),
        full and cut (values as text). Empty when clean.

    Examples
    --------
    >>> ledger = Ledger.from_tables(
    ...     invoices=pd.DataFrame(
    ...         {
    ...             "invoice_id": ["A"],
    ...             "customer_id": ["c"],
    ...             "issued_on": ["2026-03-01"],
    ...             "due_on": ["2026-03-15"],
    ...             "amount": [50.0],
    ...         }
    ...     ),
    ...     payments=pd.DataFrame(
    ...         {"payment_id": ["p"], "customer_id": ["c"], "paid_on": ["2026-03-20"], "amount": [50.0]}
    ...     ),
    ... )
    >>> obs = Outcome(lead_days=7).observations(ledger)
    >>> len(audit_leakage([Feature("invoices_count_90d", "count(invoices, days=90)")], ledger, obs))
    0
    """
    features = list(features)
    every = np.unique(obs["as_of"].to_numpy())
    picked = every[np.unique(np.linspace(0, len(every) - 1, min(moments, len(every))).astype(int))]
    known = obligations(ledger).ids
    found: list[tuple[object, ...]] = []
    for done, as_of in enumerate(picked, start=1):
        here = obs[obs["as_of"].to_numpy() == as_of]
        cut = ledger.known_before(pd.Timestamp(as_of))
        found += _matrix_differences(features, ledger, cut, here)
        found += _eligibility_differences(cut, here[here["obligation_id"].isin(known)])
        if progress is not None:
            progress(done / len(picked))
    return pd.DataFrame(found, columns=_COLUMNS)


def _matrix_differences(
    features: list[Feature], ledger: Ledger, cut: Ledger, here: pd.DataFrame
) -> list[tuple[object, ...]]:
    full, again = compute(features, ledger, here), compute(features, cut, here)
    found: list[tuple[object, ...]] = []
    for feature in features:
        one, other = full[feature.name].astype("object"), again[feature.name].astype("object")
        differs = ~((one == other) | (one.isna() & other.isna()))
        found += [
            (label, here.at[label, "as_of"], feature.name, str(one[label]), str(other[label]))
            for label in here.index[differs.to_numpy(dtype=bool)]
        ]
    return found


def _eligibility_differences(cut: Ledger, here: pd.DataFrame) -> list[tuple[object, ...]]:
    """Observations that could not have been made then, or looked otherwise."""
    if not len(here):
        return []
    horizon = int(here["lead_days"].max())
    standing = Outcome().standing(cut, here["as_of"].iloc[0], max(horizon, 0)).set_index("obligation_id")
    found: list[tuple[object, ...]] = []
    for label, row in here.iterrows():
        if row["obligation_id"] not in standing.index:
            found.append((label, row["as_of"], "eligible", "yes", "no"))
            continue
        then = standing.loc[row["obligation_id"]]
        found += [
            (label, row["as_of"], what, str(row[what]), str(then[what]))
            for what in ("due_on", "open_amount")
            if row[what] != then[what]
        ]
    return found
