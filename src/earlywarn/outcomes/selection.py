"""Which obligations are observed at which moments, and which obligation an observation is about."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY, visible
from earlywarn.errors import DataError
from earlywarn.outcomes.cycles import cycles_of
from earlywarn.outcomes.obligations import obligations
from earlywarn.outcomes.projection import at_share
from earlywarn.outcomes.running import billed_debts, unbilled
from earlywarn.outcomes.versions import Obligations
from earlywarn.tables.ledger import Ledger

__all__ = ["at_leads", "at_shares", "need", "numbered", "unknown_notice"]

log = logging.getLogger("earlywarn")
Rows = npt.NDArray[np.int64]


def at_leads(
    ledger: Ledger, leads: tuple[int, ...], low: int, high: int, *, cycles: bool
) -> tuple[Obligations, Rows, int]:
    """Open obligations at due less each lead.

    Parameters
    ----------
    ledger : Ledger
    leads : tuple of int, days
    low, high : int, microseconds
        First and last moment, both included.
    cycles : bool
        As in `obligations`.

    Returns
    -------
    versions : Obligations, n versions
    as_of : ndarray of int64, shape (n,), microseconds
    unknown : int
        How many obligations were not known, or due on another day, at due less the lead.
    """
    versions = obligations(ledger, cycles=cycles)
    parts, unknown = [], 0
    for lead in leads:
        as_of = versions.due_at - lead * US_PER_DAY
        inside = (as_of >= low) & (as_of <= high)
        seen = inside & visible(versions.known_at, versions.known_until, as_of)
        unknown += len(np.setdiff1d(versions.number[inside], versions.number[seen]))
        rows = np.flatnonzero(seen & (versions.open > 0))
        parts.append((rows, as_of[rows]))
    rows = np.concatenate([rows for rows, _ in parts])
    return versions.take(rows), np.concatenate([moments for _, moments in parts]), unknown


def at_shares(ledger: Ledger, shares: tuple[float, ...], low: int, high: int) -> tuple[Rows, Rows]:
    """Versions of running periods when a share of each has passed.

    Parameters
    ----------
    ledger : Ledger
    shares : tuple of float
    low, high : int, microseconds
        First and last moment, both included.

    Returns
    -------
    version, as_of : ndarray of int64, shape (n,)
    """
    cycles = cycles_of(ledger)
    parts = []
    for share in shares:
        as_of = at_share(cycles.start, cycles.days, share)
        rows = np.flatnonzero((as_of >= low) & (as_of <= high) & cycles.in_force(as_of))
        parts.append((rows, as_of[rows]))
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([moments for _, moments in parts])


def numbered(
    ledger: Ledger, versions: Obligations, ids: pd.Series[Any], grace_days: int, *, cycles: bool
) -> tuple[Rows, pd.DataFrame]:
    """Number of each obligation by its id, and the outcome of running periods that no bill has ended.

    A period whose bill bears another name (of a plan that was not for it) is that bill.

    Parameters
    ----------
    ledger : Ledger
    versions : Obligations
    ids : Series of text, shape (n,)
    grace_days : int
    cycles : bool
        Whether ids may be those of running periods.

    Returns
    -------
    numbers : ndarray of int64, shape (n,)
        -1 for periods that are no debt.
    unbilled : DataFrame
        Outcomes of those, by position.

    Raises
    ------
    DataError
        D161 when the ledger does not have an obligation.
    """
    numbers = pd.Index(versions.ids).get_indexer(pd.Index(ids.astype("object"))).astype(np.int64)
    lost = np.flatnonzero(numbers < 0)
    if not cycles:
        _refuse_strange(ids, lost)
        return numbers, pd.DataFrame()
    cycle, debt = billed_debts(ledger, ids.iloc[lost])
    _refuse_strange(ids, lost[cycle < 0])
    numbers[lost] = versions.numbers_of_debts(debt)
    still = np.flatnonzero(numbers[lost] < 0)
    return numbers, unbilled(ledger, cycle[still], lost[still], grace_days)


def _refuse_strange(ids: pd.Series[Any], rows: Rows) -> None:
    if len(rows):
        raise DataError(
            f"obligation {ids.iloc[int(rows[0])]!r} is not in this ledger.",
            code="D161",
            hint="label observations with the ledger they were made from, and the outcome that made them.",
        )


def need(observations: pd.DataFrame, *names: str) -> None:
    """Refuse a frame that lacks columns.

    Raises
    ------
    DataError
        D164.
    """
    lacking = [name for name in names if name not in observations.columns]
    if lacking:
        raise DataError(
            f"the observations lack {' and '.join(lacking)}.",
            code="D164",
            hint="hand over the frame that Outcome.observations gave.",
        )


def unknown_notice(unknown: int) -> tuple[str, ...]:
    """Say how many obligations were not observed because they were not known in time."""
    if not unknown:
        return ()
    were = "obligation was" if unknown == 1 else "obligations were"
    note = f"{unknown:,} {were} not known yet, or due on another day, at due minus lead and not observed then."
    log.info(note)
    return (note,)
