"""Exposure of waiting: what a debtor may owe by a later day, if the bills are paid as foreseen and use goes on.

On day t that is: open amounts that are still unpaid then, what had been used and not billed at the moment, and what
will be used from the moment to t. Parts have their own 80% intervals, widened where they would leave out what is
expected; the interval of the whole adds them up, as if all went wrong, or right, together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import moment
from earlywarn.errors import DataError
from earlywarn.outcomes import CyclePool
from earlywarn.outcomes.accruing import accruing
from earlywarn.risk.paydays import PayDays
from earlywarn.tables.facts import units
from earlywarn.tables.ledger import Ledger

__all__ = ["DAYS", "exposure_of_waiting"]

Floats = npt.NDArray[np.float64]

#: Days after the moment at which exposure is said, where nobody names others.
DAYS = (0, 7, 14, 30)
_PARTS = ("owed", "accrued", "use")
_BOUNDS = ("", "_low", "_high")
#: What a part exceeds in a tenth of the cases, and what it falls short of in a tenth.
_TENTH = 0.1


def exposure_of_waiting(
    ledger: Ledger,
    observations: pd.DataFrame,
    days: PayDays,
    as_of: pd.Timestamp,
    after: Sequence[int] = DAYS,
    *,
    pool: CyclePool | None = None,
) -> pd.DataFrame:
    """What each debtor may owe at later days.

    Parameters
    ----------
    ledger : Ledger
    observations : DataFrame, shape (n, …)
        Obligations with a known amount that stand open at ``as_of``.
    days : PayDays, n obligations
    as_of : Timestamp
    after : sequence of int
        Days after ``as_of``.
    pool : CyclePool, optional

    Returns
    -------
    DataFrame
        customer_id, date, owed, accrued, use and exposure (their sum), each with ``_low`` and ``_high``, limit (sum of
        the spending limits of the contracts; missing without any) and over_limit (whether the expected exposure is).

    Raises
    ------
    DataError
        D196 when days lie before the moment.
    """
    asked = sorted({int(day) for day in after})
    if not asked or asked[0] < 0:
        raise DataError("exposure is asked for days from the moment on.", code="D196", found=f"after={list(after)}")
    owner = ledger.owners(observations["customer_id"])
    running = accruing(ledger, moment(as_of, ledger.timezone), pool)
    who = np.unique(np.concatenate([owner, running.owner]))
    row, line = np.searchsorted(who, owner), np.searchsorted(who, running.owner)
    amount = observations["open_amount"].to_numpy(dtype=np.float64)
    limit = _limits(ledger)[who]
    frames = []
    for day in asked:
        parts: dict[str, list[Floats]] = {
            "owed": _owed(days, row, amount, day, len(who)),
            "accrued": [_added(line, value, len(who)) for value in running.accrued],
            "use": [_added(line, value * day, len(who)) for value in running.daily],
        }
        columns = {part + bound: found for part in _PARTS for bound, found in zip(_BOUNDS, parts[part], strict=True)}
        total = {"exposure" + bound: np.sum([columns[part + bound] for part in _PARTS], axis=0) for bound in _BOUNDS}
        frame = pd.DataFrame({"customer_id": pd.Series(np.array(ledger.customers, dtype=object)[who], dtype="str")})
        frame["date"] = (as_of + pd.Timedelta(days=day)).floor("D")
        frames.append(frame.assign(**columns, **total, limit=limit, over_limit=total["exposure"] > limit))
    every = pd.concat(frames, ignore_index=True)
    return every.sort_values(["customer_id", "date"], ignore_index=True)


def _owed(days: PayDays, row: npt.NDArray[np.intp], amount: Floats, after: int, count: int) -> list[Floats]:
    """Open money of each debtor at the end of a day: as expected, and with all bills paid early, or late, together."""
    still = days.open_on(days.due + days.start + after)
    shares = still, (still >= 1 - _TENTH).astype(np.float64), (still > _TENTH).astype(np.float64)
    expected, low, high = (_added(row, amount * share, count) for share in shares)
    return [expected, np.minimum(low, expected), np.maximum(high, expected)]


def _added(row: npt.NDArray[np.intp], value: Floats, count: int) -> Floats:
    """Sum by debtor."""
    return np.asarray(np.bincount(row, value, minlength=count), dtype=np.float64)


def _limits(ledger: Ledger) -> Floats:
    """Sum of the spending limits of each customer's contracts today; missing without any."""
    contracts = ledger.facts("contracts").current()
    given = np.asarray(contracts.numbers("spending_limit"))
    limit = units(given, ledger.digits) if given.dtype.kind == "i" else given
    stated = ~np.isnan(limit)
    total, count = np.zeros(len(ledger.customers)), np.zeros(len(ledger.customers))
    np.add.at(total, contracts.owner[stated], limit[stated])
    np.add.at(count, contracts.owner[stated], 1.0)
    return np.where(count > 0, total, np.nan)
