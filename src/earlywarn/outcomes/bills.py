"""The rhythm in which an account is billed: its periodic bills in their order, and which period runs next.

A *line* is what is billed together: one debtor, account and contract as the bills state them, and one kind
(recurring, advance, settlement). Everything about a bill is read from that bill and those known before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts, first_version, units
from earlywarn.tables.ledger import Ledger

__all__ = ["GROUPS", "Bills", "agree", "bills_of", "codes_among", "next_start"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Kinds of bill that come again and again; a bill without a kind is recurring.
GROUPS = ("recurring", "advance", "settlement")
#: From how many of the latest bills the rhythm, the delay of issue and the terms are read.
LATEST = 6
#: A month in days, and how far a length may lie from whole months to count as calendar months.
MONTH_DAYS, CALENDAR_DAYS = 30.4375, 2.0
#: The shortest and the longest period that counts as one, in days.
SHORTEST, LONGEST = 5, 400


@dataclass(frozen=True)
class Bills:
    """Periodic bills sorted by (line, known_at); days are numbers since 1970-01-01.

    Attributes
    ----------
    owner, account, contract, group : ndarray of int64, shape (n_lines,)
        Codes of the debtor, of `Facts.text` of the invoices (-1: not stated), and a place in `GROUPS`.
    first : ndarray of int64, shape (n_lines + 1,)
        Where the bills of each line begin.
    line, debt : ndarray of int64, shape (n_bills,)
        The line, and the number of the invoice in ``ledger.debts``.
    known_at : ndarray of int64, shape (n_bills,), microseconds
        Of the first version; a bill counts with what it said when it was issued.
    issued, start, end : ndarray of int64, shape (n_bills,), days
        The period runs from ``start`` to ``end``, both included: up to the stated end or the day before issue,
        whichever is earlier, so a bill in advance is cut at its issue. ``start`` is after ``end`` when unknown.
    amount : ndarray of float64, shape (n_bills,), units of currency
    length : ndarray of float64, shape (n_bills,), days
        Usual distance of period ends as known with this bill; NaN without a rhythm.
    months : ndarray of int64, shape (n_bills,)
        The same in calendar months; 0 when the rhythm is in days.
    delay_days, terms_days : ndarray of int64, shape (n_bills,)
        Usual days from the end of a period to the issue of its bill beyond the next day, and from issue to due.
    """

    owner: Rows
    account: Rows
    contract: Rows
    group: Rows
    first: Rows
    line: Rows
    debt: Rows
    known_at: Rows
    issued: Rows
    start: Rows
    end: Rows
    amount: Values
    length: Values
    months: Rows
    delay_days: Rows
    terms_days: Rows

    def __len__(self) -> int:
        return len(self.line)

    @property
    def place(self) -> Rows:
        """Number of each bill in its line, from 0."""
        return np.arange(len(self)) - self.first[self.line]

    def lines_of(self, owner: Rows) -> tuple[Rows, Rows]:
        """Half-open range of lines of each debtor."""
        return np.searchsorted(self.owner, owner, "left"), np.searchsorted(self.owner, owner, "right")


def agree(one: Rows, other: Rows) -> Mask:
    """Whether two references are the same, or one is not stated (-1).

    Examples
    --------
    >>> agree(np.array([3, -1, 3]), np.array([3, 4, 4]))
    array([ True,  True, False])
    """
    same: Mask = (one == other) | (one == -1) | (other == -1)
    return same


def codes_among(ids: Text, labels: tuple[str, ...]) -> Rows:
    """Codes in another column's labels; -1 where not stated, -2 where the other column has no such label."""
    codes = ids.codes_in(labels)
    return np.where((ids.codes >= 0) & (codes < 0), -2, codes)


def next_start(start: Rows, length: Values, months: Rows) -> Rows:
    """First day of the period after the one that starts on each day.

    Parameters
    ----------
    start : ndarray of int64, shape (n,), days
    length : ndarray of float64, shape (n,), days
    months : ndarray of int64, shape (n,)
        Calendar months, or 0 to count ``length`` in days.

    Returns
    -------
    ndarray of int64, shape (n,), days

    Examples
    --------
    >>> first = np.array(["2026-01-31", "2026-01-31"], "M8[D]").astype(np.int64)
    >>> next_start(first, np.array([30.4, 28.0]), np.array([1, 0])).astype("M8[D]")
    array(['2026-02-28', '2026-02-28'], dtype='datetime64[D]')
    """
    day = start.astype("M8[D]")
    month = day.astype("M8[M]")
    of_month = (day - month.astype("M8[D]")).astype(np.int64)
    later = month + months.astype("m8[M]")
    longest = ((later + np.timedelta64(1, "M")).astype("M8[D]") - later.astype("M8[D]")).astype(np.int64) - 1
    by_calendar = later.astype("M8[D]").astype(np.int64) + np.minimum(of_month, longest)
    by_days = start + np.floor(np.nan_to_num(length) + 0.5).astype(np.int64)
    return np.where(months > 0, by_calendar, by_days)


def bills_of(ledger: Ledger) -> Bills:
    """The periodic bills of a ledger.

    Parameters
    ----------
    ledger : Ledger

    Returns
    -------
    Bills
    """
    cached: Bills | None = getattr(ledger, "_bills", None)
    if cached is None:
        cached = _build(ledger)
        ledger._bills = cached  # type: ignore[attr-defined]  # derived, and the same for every caller
    return cached


def _build(ledger: Ledger) -> Bills:
    invoices, group = _periodic(ledger.facts("invoices"))
    codes = [invoices.owner, invoices.text("account_id").codes, invoices.text("contract_id").codes, group]
    debt = invoices.text("invoice_id").codes
    issued, due = invoices.happened_at // US_PER_DAY, invoices.moments("due_on") // US_PER_DAY
    stated_end = _days(invoices.moments("period_to"), issued)
    order = np.lexsort((debt, issued, stated_end, invoices.known_at, *reversed(codes)))
    keys = np.stack(codes, axis=1)[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    first = np.append(np.flatnonzero(new), len(order))
    line = np.cumsum(new) - 1
    issued, due = issued[order], due[order]
    own_end = np.minimum(stated_end[order], issued - 1)
    end = _running_maximum(line, own_end)
    place = np.arange(len(order)) - first[line]
    stated_start = _days(invoices.moments("period_from"), NAT)[order]
    in_arrears = (stated_end[order] < issued) & (stated_start != NAT) & (stated_start <= own_end)
    length, months = _rhythm(place, end, np.where(in_arrears, own_end - stated_start + 1.0, np.nan))
    delay, terms = (
        _median_of_latest(values.astype(np.float64), place) for values in (issued - own_end - 1, due - issued)
    )
    before = np.where(place > 0, np.roll(end, 1) + 1, end + 1)
    start = np.where(in_arrears, np.where(place > 0, np.maximum(stated_start, before), stated_start), before)
    owner, account, contract, kind = keys[new].T
    return Bills(
        owner=owner, account=account, contract=contract, group=kind, first=first, line=line, debt=debt[order],
        known_at=invoices.known_at[order], issued=issued, start=start, end=end,
        amount=units(np.asarray(invoices.numbers("amount", 0), dtype=np.int64), ledger.digits)[order],
        length=length, months=months, delay_days=np.floor(delay + 0.5).astype(np.int64),
        terms_days=np.floor(terms + 0.5).astype(np.int64),
    )  # fmt: skip


def _periodic(invoices: Facts) -> tuple[Facts, Rows]:
    """First versions of the bills that come again, with their kind; of credits only settlements."""
    if not len(invoices):
        return invoices, np.empty(0, dtype=np.int64)
    invoices = invoices.take(np.unique(first_version(invoices.text("invoice_id").codes, invoices.known_at)))
    kind = invoices.text("kind")
    group = np.where(kind.codes < 0, 0, -1)
    for number, word in enumerate(GROUPS):
        group = np.where(kind.is_word(word), number, group)
    owed = np.asarray(invoices.numbers("amount", 0)) >= 0
    kept = (group >= 0) & (owed | (group == GROUPS.index("settlement"))) & (invoices.owner >= 0)
    return invoices.take(kept), group[kept]


def _days(moments: Rows, missing: Rows | int) -> Rows:
    """Day numbers, and something else where no moment is stated."""
    return np.where(moments == NAT, missing, moments // US_PER_DAY)


def _running_maximum(line: Rows, values: Rows) -> Rows:
    """The largest value of the line so far."""
    shift = line << 32  # days lie far below that, so no line reaches into the next
    return np.asarray(np.maximum.accumulate(values + shift) - shift)


def _latest(values: Values, place: Rows) -> Values:
    """The latest values of the line up to each bill, newest first; NaN where there are fewer."""
    back = np.arange(LATEST)
    rows = np.maximum(np.arange(len(values))[:, None] - back, 0)
    return np.where(place[:, None] >= back, values[rows], np.nan)


def _median(values: Values) -> Values:
    """Median along the last axis of what is not NaN."""
    count = (~np.isnan(values)).sum(axis=1)
    in_order = np.sort(values, axis=1)
    rows = np.arange(len(values))
    low, high = in_order[rows, np.maximum(count - 1, 0) // 2], in_order[rows, np.minimum(count // 2, LATEST - 1)]
    return np.where(count > 0, (low + high) / 2, np.nan)


def _median_of_latest(values: Values, place: Rows) -> Values:
    return _median(_latest(values, place))


def _rhythm(place: Rows, end: Rows, stated: Values) -> tuple[Values, Rows]:
    """Usual length of a period, in days and in calendar months; NaN and 0 where there is no rhythm.

    Two equal distances between bills are a rhythm; with stated periods one period is.
    """
    gap = np.where(place > 0, end - np.roll(end, 1), 0).astype(np.float64)
    gaps = _latest(np.where(gap > 0, gap, np.nan), place)
    known = (~np.isnan(gaps)).sum(axis=1)
    usual = np.where(known > 0, _median(gaps), stated)
    even = _median(np.abs(gaps - usual[:, None])) <= 0.15 * usual
    regular = np.where(known > 0, even & ((known > 1) | ~np.isnan(stated)), ~np.isnan(stated))
    regular &= (usual >= SHORTEST) & (usual <= LONGEST)
    months = np.floor(np.nan_to_num(usual) / MONTH_DAYS + 0.5).astype(np.int64)
    tolerance = CALENDAR_DAYS + np.where(known <= 1, 0.5, 0.0)  # one February may be a month
    calendar = regular & (months > 0) & (np.abs(usual - months * MONTH_DAYS) <= tolerance)
    return np.where(regular, usual, np.nan), np.where(calendar, months, 0)
