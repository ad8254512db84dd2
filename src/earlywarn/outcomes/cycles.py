"""Running billing periods: which exist when, and which bill ends each.

**The id.** A cycle is named by debtor, account, contract, kind and first day, as they were when it began:
``cycle:c1:a1::recurring:2026-03-01`` (a ``:`` within a part as ``%3A``). Later bills may move what is expected of
the period; the cycle keeps its name, and the bill that ends it takes the name over. So the name follows from what
was known before the bill: the bills of the line in the order in which they became known. With each bill, whole
periods passed are counted (its period end less the one before, in usual lengths): none, and the bill stands beside
the cycle (a second bill of the same period); one, and it bills the running cycle; two, and it bills the one after,
whose period had begun while a bill was awaited; more, and it starts afresh. Bills of no cycle keep the name
``invoice:…``.

A planned amount (a row of ``schedule``) that becomes known for a running period takes its place, as the stage
``scheduled`` and under the same name; a period planned before its first day is no cycle at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, US_PER_DAY, day_end, day_start, visible
from earlywarn.outcomes.bills import GROUPS, Bills, agree, bills_of, codes_among, next_start
from earlywarn.outcomes.versions import name_of
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.upto import ranges

__all__ = ["AHEAD", "CYCLE", "Cycles", "cycles_of"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: How the ids of cycles begin.
CYCLE = "cycle:"
#: Periods after the last billed one that can run: the next, and one more while its bill is awaited.
AHEAD = 2
#: Days after the expected issue that a bill is waited for: half a period, at least and at most so many.
WAIT_LEAST, WAIT_MOST = 3, 15
#: A plan is for the period whose bill is expected within so many days of it, at most half a period.
PLAN_DAYS = 15


@dataclass(frozen=True)
class Cycles:
    """Versions of running periods; version ``2 n`` is the period after bill ``n``, ``2 n + 1`` the one after that.

    All arrays have shape (2 n_bills,) unless stated; days are numbers since 1970-01-01.

    Attributes
    ----------
    bills : Bills
    start, end, due : ndarray of int64, days
        First and last day, and the estimated due day.
    known_at, known_until : ndarray of int64, microseconds
        When this version is in force; nowhere when ``known_until`` is not after ``known_at``.
    number : ndarray of int64
        The cycle that this is a version of; -1 without one.
    line, day : ndarray of int64, shape (n_cycles,)
        What names each cycle.
    bill : ndarray of int64, shape (n_cycles,)
        The bill that ended it; -1 when none has.
    of_bill : ndarray of int64, shape (n_bills,)
        The cycle that each bill ended; -1 for none.
    of_plan : ndarray of int64, shape (n_schedule,)
        The cycle whose place each planned amount took; -1 for none.
    """

    bills: Bills
    start: Rows
    end: Rows
    due: Rows
    known_at: Rows
    known_until: Rows
    number: Rows
    line: Rows
    day: Rows
    bill: Rows
    of_bill: Rows
    of_plan: Rows

    @property
    def days(self) -> Rows:
        """Length of each version's period."""
        return self.end - self.start + 1

    def seen(self, version: Rows, as_of: Rows | int) -> Mask:
        """Whether versions are in force at moments."""
        return visible(self.known_at[version], self.known_until[version], as_of)

    def in_force(self, as_of: Rows | int) -> Mask:
        """Whether each version is in force at a moment, or at its own."""
        return visible(self.known_at, self.known_until, as_of)

    def names(self, ledger: Ledger, number: Rows) -> npt.NDArray[np.object_]:
        """Ids of cycles by number, shape (n,)."""
        number, every = np.unique(number, return_inverse=True)  # a period is asked for at several moments
        invoices, line = ledger.facts("invoices"), self.line[number]
        parts = [
            np.array([*ledger.customers, ""], dtype=object)[self.bills.owner[line]],
            np.array([*invoices.text("account_id").labels, ""], dtype=object)[self.bills.account[line]],
            np.array([*invoices.text("contract_id").labels, ""], dtype=object)[self.bills.contract[line]],
            np.array(GROUPS, dtype=object)[self.bills.group[line]],
            self.day[number].astype("M8[D]").astype(str).astype(object),
        ]
        names = np.array([name_of(CYCLE, words) for words in zip(*parts, strict=True)], dtype=object)
        return np.asarray(names[every])


def cycles_of(ledger: Ledger) -> Cycles:
    """All running periods of a ledger in all their versions.

    Parameters
    ----------
    ledger : Ledger

    Returns
    -------
    Cycles

    Examples
    --------
    >>> import pandas as pd
    >>> bills = pd.DataFrame({"invoice_id": ["A", "B", "C"], "customer_id": "c1", "amount": 50.0})
    >>> bills["issued_on"] = ["2026-01-01", "2026-02-01", "2026-03-01"]
    >>> bills["due_on"] = ["2026-01-15", "2026-02-15", "2026-03-15"]
    >>> none = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    >>> ledger = Ledger.from_tables(invoices=bills, payments=none)
    >>> cycles = cycles_of(ledger)
    >>> cycles.names(ledger, np.array([0])).tolist()
    ['cycle:c1:::recurring:2026-03-01']
    """
    cached: Cycles | None = getattr(ledger, "_cycles", None)
    if cached is None:
        cached = _build(ledger)
        ledger._cycles = cached  # type: ignore[attr-defined]  # derived, and the same for every caller
    return cached


@dataclass
class _Expected:
    """What each bill lets expect of the next periods; arrays of shape (n_bills, AHEAD)."""

    start: Rows
    end: Rows
    due: Rows
    known_at: Rows
    known_until: Rows

    @property
    def exists(self) -> Mask:
        there: Mask = self.known_at < self.known_until
        return there


def _build(ledger: Ledger) -> Cycles:
    bills = bills_of(ledger)
    expected = _expected(bills)
    plan, version = _planned(ledger, bills, expected)
    schedule = ledger.facts("schedule")
    before = (expected.known_at.ravel()[version] < schedule.known_at[plan]) & (
        schedule.known_at[plan] <= expected.known_until.ravel()[version]
    )
    np.minimum.at(expected.known_until.reshape(-1), version, schedule.known_at[plan])
    names = _Names(bills, expected)
    names.follow()
    of_plan = _first_plan(plan[before], names.number.ravel()[version[before]], schedule.known_at)
    bill = np.full(len(names.day), -1, dtype=np.int64)
    ended = np.flatnonzero(names.of_bill >= 0)
    bill[names.of_bill[ended]] = ended
    return Cycles(
        bills=bills, start=expected.start.ravel(), end=expected.end.ravel(), due=expected.due.ravel(),
        known_at=expected.known_at.ravel(), known_until=expected.known_until.ravel(), number=names.number.ravel(),
        line=names.line, day=names.day, bill=bill, of_bill=names.of_bill, of_plan=of_plan,
    )  # fmt: skip


def _expected(bills: Bills) -> _Expected:
    """The next periods after each bill, in force from their first day until the next bill, or waited for in vain."""
    count = len(bills)
    regular = ~np.isnan(bills.length)
    following = np.full(count, FOREVER)
    inside = bills.place[1:] > 0
    following[:-1][inside] = bills.known_at[1:][inside]
    start, shape = bills.end + 1, (count, AHEAD)
    found = _Expected(*(np.zeros(shape, dtype=np.int64) for _ in range(5)))
    lapse = np.full(count, FOREVER)
    for ahead in range(AHEAD):
        after = next_start(start, bills.length, bills.months)
        issue = after + bills.delay_days
        due = issue + bills.terms_days
        wait = np.clip((after - start) // 2, WAIT_LEAST, WAIT_MOST)
        if ahead == 0:  # a bill that does not come lets nothing more be expected
            lapse = day_end(np.minimum(issue + wait, due))
        known = np.maximum(bills.known_at, day_start(start) - 1)
        until = np.minimum(np.minimum(following, lapse), day_end(np.minimum(issue + wait, due)))
        found.start[:, ahead], found.end[:, ahead], found.due[:, ahead] = start, after - 1, due
        found.known_at[:, ahead] = np.where(regular, known, FOREVER)
        found.known_until[:, ahead] = np.where(regular, until, -FOREVER)
        start = after
    return found


def _planned(ledger: Ledger, bills: Bills, expected: _Expected) -> tuple[Rows, Rows]:
    """Pairs of planned amounts and the versions of periods that they are for."""
    schedule, invoices = ledger.facts("schedule"), ledger.facts("invoices")
    if not len(schedule) or not len(bills):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    plan, line = _pairs(*bills.lines_of(schedule.owner))
    account = codes_among(schedule.text("account_id"), invoices.text("account_id").labels)
    contract = codes_among(schedule.text("contract_id"), invoices.text("contract_id").labels)
    kind = codes_among(schedule.text("kind"), GROUPS)
    fits = agree(account[plan], bills.account[line]) & agree(contract[plan], bills.contract[line])
    fits &= (kind[plan] == bills.group[line]) | ((kind[plan] == -1) & (bills.group[line] != GROUPS.index("settlement")))
    plan, line = plan[fits], line[fits]
    due = schedule.happened_at // US_PER_DAY
    key = (np.repeat(bills.line, AHEAD) << 32) + expected.due.ravel()
    order = np.argsort(key, kind="stable")
    wanted = (line << 32) + due[plan]
    low = np.searchsorted(key[order], wanted - PLAN_DAYS, "left")
    pair, place = _pairs(low, np.searchsorted(key[order], wanted + PLAN_DAYS, "right"))
    plan, version = plan[pair], order[place]
    half = (expected.end - expected.start + 1).ravel()[version] // 2
    near = np.abs(expected.due.ravel()[version] - due[plan]) <= half
    return plan[near], version[near]


def _first_plan(plan: Rows, number: Rows, known_at: Rows) -> Rows:
    """The period whose place each plan took; of several plans of a period the first that became known."""
    order = np.lexsort((plan, known_at[plan], number))
    order = order[number[order] >= 0]
    _, first = np.unique(number[order], return_index=True)
    of_plan = np.full(len(known_at), -1, dtype=np.int64)
    of_plan[plan[order[first]]] = number[order[first]]
    return of_plan


def _pairs(low: Rows, high: Rows) -> tuple[Rows, Rows]:
    """Each row beside every place of its half-open range."""
    count = np.maximum(high - low, 0)
    return np.repeat(np.arange(len(low)), count), ranges(low, count)


class _Names:
    """Gives every period its number and every bill the period it ended, bill after bill of all lines at once."""

    def __init__(self, bills: Bills, expected: _Expected) -> None:
        self.bills, self.expected = bills, expected
        self.exists = expected.exists
        self.number = np.full((len(bills), AHEAD), -1, dtype=np.int64)
        self.began = np.zeros((len(bills), AHEAD), dtype=bool)  # in force with this bill or one before
        self.of_bill = np.full(len(bills), -1, dtype=np.int64)
        self.newest = np.full(len(bills.first) - 1, np.iinfo(np.int64).min)  # latest naming day of each line
        self.parts: list[tuple[Rows, Rows]] = []
        self.count = 0

    def follow(self) -> None:
        """Take all first bills, then all second ones, and so on."""
        place = self.bills.place
        by_place = np.argsort(place, kind="stable")
        for rows in np.split(by_place, np.searchsorted(place[by_place], np.arange(1, int(place.max(initial=0)) + 1))):
            self.take(rows, first=not len(rows) or place[rows[0]] == 0)

    @property
    def line(self) -> Rows:
        """The line of each cycle."""
        return np.concatenate([np.empty(0, dtype=np.int64), *(line for line, _ in self.parts)])

    @property
    def day(self) -> Rows:
        """The day that names each cycle."""
        return np.concatenate([np.empty(0, dtype=np.int64), *(day for _, day in self.parts)])

    def take(self, rows: Rows, *, first: bool) -> None:
        """Bills that are the n-th of their lines."""
        if not first:
            self.carry(rows)
        for ahead in range(AHEAD):
            new = rows[self.exists[rows, ahead] & (self.number[rows, ahead] < 0)]
            line = self.bills.line[new]
            day = np.maximum(self.expected.start[new, ahead], self.newest[line] + 1)
            self.number[new, ahead] = self.count + np.arange(len(new))
            self.count += len(new)
            self.newest[line] = day
            self.parts.append((line, day))
        self.began[rows] |= self.exists[rows]

    def carry(self, rows: Rows) -> None:
        """What the bill before let expect: billed now, or expected on under its old name."""
        passed = self.passed(rows)
        for ahead in range(AHEAD):
            billed = rows[(passed == ahead + 1) & self.began[rows - 1, ahead]]
            self.of_bill[billed] = self.number[billed - 1, ahead]
            for before in range(ahead, AHEAD):
                kept = rows[(passed == before - ahead) & self.began[rows - 1, before]]
                self.number[kept, ahead] = self.number[kept - 1, before]
                self.began[kept, ahead] = True

    def passed(self, rows: Rows) -> Rows:
        """Whole periods from the bill before to this one; -1 without a rhythm to count in."""
        bills, length = self.bills, self.bills.length[rows - 1]
        periods = np.floor((bills.end[rows] - bills.end[rows - 1]) / np.where(np.isnan(length), 1.0, length) + 0.5)
        return np.where(np.isnan(length), -1, periods).astype(np.int64)
