"""What became of running periods: the bill that ended each, whether it was a shock, or that none has come."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY, day_end, to_datetime64
from earlywarn.outcomes.bills import GROUPS, Bills
from earlywarn.outcomes.cycles import AHEAD, CYCLE, Cycles, cycles_of
from earlywarn.outcomes.label import Resolver
from earlywarn.outcomes.obligations import collection_days, obligations
from earlywarn.outcomes.versions import maturity
from earlywarn.tables.facts import as_text
from earlywarn.tables.ledger import Ledger

__all__ = ["SHOCK_ABOVE", "SHOCK_TIMES", "billed_debts", "cycle_accounts", "numbers_of", "shocks", "unbilled"]

Rows = npt.NDArray[np.int64]

#: From how many times the usual bill, and how many units of currency above it, a bill is a shock.
SHOCK_TIMES, SHOCK_ABOVE = 1.3, 15.0
#: How many earlier bills make a usual one.
USUAL_BILLS = 3
_SETTLEMENT = GROUPS.index("settlement")


def numbers_of(ledger: Ledger, ids: pd.Series[Any]) -> Rows:
    """Numbers of running periods by their ids; -1 for anything else.

    Parameters
    ----------
    ledger : Ledger
    ids : Series of text, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    found = np.full(len(ids), -1, dtype=np.int64)
    words = ids.to_numpy(dtype=object)
    asked = np.array([isinstance(word, str) and word.startswith(CYCLE) for word in words], dtype=bool)
    if asked.any():
        cycles = cycles_of(ledger)
        days = pd.to_datetime(pd.Series([word[-10:] for word in words[asked]]), format="%Y-%m-%d", errors="coerce")
        day = days.to_numpy().astype("M8[D]").astype(np.int64)
        candidates = np.flatnonzero(np.isin(cycles.day, day))  # so that few names are written out
        names = pd.Index(cycles.names(ledger, candidates))
        place = names.get_indexer(pd.Index(words[asked]))
        found[asked] = np.append(candidates, -1)[place]
    return found


def billed_debts(ledger: Ledger, ids: pd.Series[Any]) -> tuple[Rows, Rows]:
    """Running periods by id, and the invoice that ended each.

    Parameters
    ----------
    ledger : Ledger
    ids : Series of text, shape (n,)

    Returns
    -------
    cycle, debt : ndarray of int64, shape (n,)
        -1 where there is none.
    """
    cycle, cycles = numbers_of(ledger, ids), cycles_of(ledger)
    bill = np.append(cycles.bill, -1)[cycle]
    return cycle, np.append(cycles.bills.debt, -1)[bill]


def cycle_accounts(ledger: Ledger, ids: pd.Series[Any]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Account and contract of running periods by their ids.

    Parameters
    ----------
    ledger : Ledger
    ids : Series of text, shape (n,)

    Returns
    -------
    account_id, contract_id : ndarray of str, shape (n,)
        None where the bills state none, and for anything but a running period.
    """
    cycle, invoices = numbers_of(ledger, ids), ledger.facts("invoices")
    found = []
    for name, short in (("account_id", "account"), ("contract_id", "contract")):
        cycles = cycles_of(ledger)
        code = np.append(getattr(cycles.bills, short)[cycles.line], -1)[cycle]
        found.append(np.array([*invoices.text(name).labels, None], dtype=object)[code])
    return found[0], found[1]


def unbilled(ledger: Ledger, cycle: Rows, position: Rows, grace_days: int) -> pd.DataFrame:
    """Outcomes of running periods that are no debt: NA, and why.

    Parameters
    ----------
    ledger : Ledger
    cycle, position : ndarray of int64, shape (n,)
        Numbers of the periods, and the index to give.
    grace_days : int

    Returns
    -------
    DataFrame, as `Outcome.resolve` describes it, index ``position``
        The reason is "nothing due" when the bill came and asked for nothing, "not billed yet" while it is awaited,
        "not billed" when it did not come.
    """
    cycles = cycles_of(ledger)
    last = _last_version(cycles)[cycle]
    due_at = cycles.due[last] * US_PER_DAY
    matures = maturity(
        due_at,
        collection_days(ledger, "invoices")[cycles.bills.debt[last // AHEAD]],
        grace_days,
        ledger.payment_lag_days,
    )
    awaited = day_end(cycles.due[last] + cycles.days[last])
    reason = np.where(awaited > ledger.until_us, "not billed yet", "not billed").astype(object)
    reason[cycles.bill[cycle] >= 0] = "nothing due"
    return pd.DataFrame(
        {
            "late": pd.array([pd.NA] * len(cycle), dtype="Int8"),
            "reason": as_text(reason).set_axis(position),
            "due_on": to_datetime64(due_at),
            "closes_at": to_datetime64(day_end(cycles.due[last] + grace_days)),
            "matures_at": to_datetime64(matures),
            "open_at_close": np.zeros(len(cycle)),
        },
        index=pd.Index(position),
    )


def _last_version(cycles: Cycles) -> Rows:
    """The last version of each running period."""
    last = np.zeros(len(cycles.day), dtype=np.int64)
    there = np.flatnonzero(cycles.number >= 0)
    last[cycles.number[there]] = there
    return last


def shocks(ledger: Ledger, observations: pd.DataFrame, grace_days: int) -> pd.Series[Any]:
    """Whether the bill of each observed period was a shock, as `Outcome.shock_label` describes it."""
    cycles, bills = cycles_of(ledger), cycles_of(ledger).bills
    label = np.full(len(observations), -1, dtype=np.int64)
    cycle = numbers_of(ledger, observations["obligation_id"])
    running = (observations["stage"] == "cycle").to_numpy(dtype=bool) & (cycle >= 0)
    rows = np.flatnonzero(running)
    rows = rows[cycles.bill[cycle[rows]] >= 0]
    as_of = observations["as_of"].to_numpy().astype("M8[us]").astype(np.int64)[rows]
    bill, line = cycles.bill[cycle[rows]], cycles.line[cycle[rows]]
    usual = _usual_bill(bills, line, as_of)
    amount = bills.amount[bill]
    shock = (amount >= SHOCK_TIMES * usual - 1e-9) & (amount >= usual + SHOCK_ABOVE - 1e-9)
    shock &= bills.group[line] != _SETTLEMENT
    unsaid = np.isnan(usual) & (bills.group[line] != _SETTLEMENT)
    unsaid |= _gone(ledger, bills.debt[bill], as_of, grace_days)
    label[rows] = np.where(unsaid, -1, shock)
    values = pd.array(np.where(label < 0, 0, label), dtype="Int8")
    values[label < 0] = pd.NA
    return pd.Series(values, index=observations.index, name="shock")


def _gone(ledger: Ledger, debt: Rows, as_of: Rows, grace_days: int) -> npt.NDArray[np.bool_]:
    """Whether the bill asks for nothing any more: withdrawn or fully credited, as `Resolver` sees it."""
    versions = obligations(ledger, cycles=True)
    resolver, numbers = Resolver(ledger, versions, grace_days), versions.numbers_of_debts(debt)
    pairs = zip(numbers.tolist(), as_of.tolist(), strict=True)
    return np.array([number >= 0 and resolver.gone(number, at) for number, at in pairs], dtype=bool)


def _usual_bill(bills: Bills, line: Rows, as_of: Rows) -> npt.NDArray[np.float64]:
    """Median of the line's bills of the twelve months before each moment, as known then; NaN for too few."""
    from earlywarn.compiled import in_ranges
    from earlywarn.outcomes.kernels import usual_of

    moments = np.unique(bills.known_at)
    width = len(moments) + 1
    key = bills.line * width + np.searchsorted(moments, bills.known_at)
    newest = np.searchsorted(key, line * width + np.searchsorted(moments, as_of, "left"), "left") - 1
    found, none = np.zeros((len(line), 5)), np.zeros(len(line))
    day, nothing = as_of // US_PER_DAY, np.zeros((len(bills), 1))
    in_ranges(
        usual_of, len(line), bills.first[line], newest, day, day, np.zeros_like(line), none, bills.end, bills.amount,
        nothing, found,
    )  # fmt: skip
    return np.where(found[:, 3] >= USUAL_BILLS, found[:, 4], np.nan)
