"""The projected bill of a running period, with its 80% interval, as known at a moment.

    projected = fee + use + remainder - advances

*Use* and *advances* are what is known so far (``seen``) and the rest of the period by Benktander's rule of claims
reserving: with ``f`` the part that is usually known by now, ``seen + (1 - f) * (seen + (1 - f) * usual)``. Early in
the period that is the usual total, late it is this period's own pace. ``f`` is the customer's own over the last
twelve months, shrunk to the biller's. Estimated reads are trusted half: ``f`` falls with them, the pace stays.
The *remainder* is what earlier bills held beyond stated fees, use and advances: the recurring part, if no fee is
stated, and the whole bill where there is no use. *Usual* is the median of twelve months, and half of it the same
month last year where there is one.

The interval is conformal: the log error of each earlier projection at the same share of its period, divided by the
customer's own usual error then, is pooled over the biller; its 10% and 90% quantiles, times the customer's own usual
error now, bound the bill. So what is calm stays narrow, and what is wide is wide for those who stray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY, day_start
from earlywarn.outcomes.accruals import Accruals, advances_of, use_of
from earlywarn.outcomes.bills import Bills
from earlywarn.outcomes.cycles import AHEAD, Cycles, cycles_of
from earlywarn.outcomes.fees import Fees
from earlywarn.outcomes.pool import SHARES, CyclePool
from earlywarn.tables.ledger import Ledger

__all__ = ["Projection", "at_share", "projection_of"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

#: Periods that the biller's shape counts as beside a customer's own.
SHAPE_PERIODS = 3.0
#: The error expected of a line without a past, and how many own errors it counts as.
USUAL_ERROR, ERROR_PERIODS = 0.1, 3.0
#: Bills are compared from this many units of currency on; below, their logarithm says nothing.
LEAST = 1.0
#: Days before which nothing begins, and after which nothing ends.
EVER = 1_000_000
#: Versions of periods that are looked at in one go; bounds the memory to some hundred MB.
CHUNK = 500_000
_MEDIAN = 4  # column of `kernels.usual_of`


def at_share(start: Rows, days: Rows, share: float) -> Rows:
    """Midnight by which a share of each period has passed, microseconds.

    Examples
    --------
    >>> at_share(np.array([0]), np.array([31]), 0.5) // US_PER_DAY
    array([16])
    """
    return day_start(start + np.ceil(share * days - 1e-9).astype(np.int64))


@dataclass(frozen=True)
class _Kept:
    """One kind of amount by bill: the total of its period, and what of it had been known at each share and at issue."""

    accruals: Accruals
    total: Values
    seen: Values


class Projection:
    """Projected bills of the running periods of one ledger.

    Parameters
    ----------
    ledger : Ledger
    pool : CyclePool, optional
        What all parts of the biller say together; made from this ledger when left out.

    Attributes
    ----------
    cycles : Cycles
    pool : CyclePool
    """

    def __init__(self, ledger: Ledger, pool: CyclePool | None = None, *, shapes: CyclePool | None = None) -> None:
        self.cycles: Cycles = cycles_of(ledger)
        self.bills: Bills = self.cycles.bills
        bills = self.bills
        self.group: Rows = bills.group[bills.line]
        self.fees = Fees(ledger, bills)
        self.use, self.advances = self._kept(use_of(ledger, bills)), self._kept(advances_of(bills))
        fee = self.fees.of(bills.line, bills.start, bills.end, bills.months, bills.known_at + 1)
        known = bills.start <= bills.end
        self.remainder = np.where(known, bills.amount - fee - self.use.total + self.advances.total, np.nan)
        bare = self._bare(np.flatnonzero(~known))
        self.remainder[bare] = bills.amount[bare]
        self.gross = bills.amount + np.nan_to_num(self.advances.total)
        self._nothing = np.zeros((len(bills), len(SHARES) + 1))
        self.shapes = next(given for given in (pool, shapes, self.own_shapes()) if given is not None)
        self.error, self.scale = self._errors()
        self.pool = self.shapes + self.own_errors() if pool is None else pool

    # -- earlier bills -----------------------------------------------------------------------------------

    def _bare(self, rows: Rows) -> Rows:
        """Bills on whose line nothing to take off was known with them; their period need not be known."""
        line, as_of = self.bills.line[rows], self.bills.known_at[rows] + 1
        first, last = np.full(len(rows), -EVER), np.full(len(rows), EVER)
        found = self.fees.of(line, first, last, np.zeros(len(rows), dtype=np.int64), as_of)
        for kept in (self.use, self.advances):
            found = found + kept.accruals.seen(line, first, last, as_of)[:, 0]
        return np.asarray(rows[found == 0])

    def _kept(self, accruals: Accruals) -> _Kept:
        """What each bill's period held, known with the bill, and what of it had been known at each share."""
        bills, seen = self.bills, np.full((len(self.bills), len(SHARES) + 1), np.nan)
        if not len(accruals.amount):
            return _Kept(accruals, np.zeros(len(bills)), np.zeros_like(seen))
        total = accruals.seen(bills.line, bills.start, bills.end, bills.known_at + 1)[:, 0].copy()
        for column, share in enumerate(SHARES):
            at = np.minimum(at_share(bills.start, bills.end - bills.start + 1, share), bills.known_at + 1)
            seen[:, column] = accruals.seen(bills.line, bills.start, bills.end, at)[:, 0]
        seen[:, -1] = total
        unknown = bills.start > bills.end
        total[unknown], seen[unknown] = np.nan, np.nan
        return _Kept(accruals, total, seen)

    def own_errors(self) -> CyclePool:
        """How far the bills of this ledger strayed, by their usual error."""
        return CyclePool.of_errors(self.bills.known_at, self.group, self.error / self.scale)

    def own_shapes(self) -> CyclePool:
        """How use ran through the periods of this ledger."""
        used = np.flatnonzero(self.use.total > 0)
        part = self.use.seen[used, :-1] / self.use.total[used][:, None]
        return CyclePool.of_shapes(self.bills.known_at[used], self.group[used], np.clip(part, 0.0, 1.0))

    def _errors(self) -> tuple[Values, Values]:
        """Log error of the projection that each bill ended, at each share, and the usual error then."""
        shape = (len(self.bills), len(SHARES))
        error, made_with = np.full(shape, np.nan), np.full(shape, -1, dtype=np.int64)
        for version in self._chunks():
            ended = self.cycles.bill[self.cycles.number[version]]
            version, ended = version[ended >= 0], ended[ended >= 0]
            for column, share in enumerate(SHARES):
                as_of = at_share(self.cycles.start[version], self.cycles.days[version], share)
                seen = np.flatnonzero(self.cycles.seen(version, as_of))
                bill = ended[seen]
                gross, _ = self.parts(version[seen], as_of[seen])
                error[bill, column] = _log(self.gross[bill]) - _log(gross)
                made_with[bill, column] = version[seen] // AHEAD
        scale = np.full(shape, np.nan)
        for column in range(len(SHARES)):
            rows = np.flatnonzero(made_with[:, column] >= 0)
            last = self.bills.end[rows]
            scale[rows, column] = self._usual_error(
                error, made_with[rows, column], self.bills.start[rows], last, np.full(len(rows), column)
            )
        return error, scale

    def _chunks(self) -> Iterator[Rows]:
        """Versions that were ever in force."""
        there = np.flatnonzero((self.cycles.known_at < self.cycles.known_until) & (self.cycles.number >= 0))
        for first in range(0, len(there), CHUNK):
            yield there[first : first + CHUNK]

    def _usual(
        self, newest: Rows, first: Rows, last: Rows, column: Rows, weight: Values, total: Values, seen: Values
    ) -> Values:
        """What earlier bills of the line say, see `kernels.usual_of`; shape (n, 5)."""
        from earlywarn.compiled import in_ranges
        from earlywarn.outcomes.kernels import usual_of

        found = np.zeros((len(newest), 5))
        oldest = self.bills.first[self.bills.line[newest]]
        in_ranges(
            usual_of, len(newest), oldest, newest, first, last, column, weight, self.bills.end, total, seen, found
        )
        return found

    def _usual_error(self, error: Values, newest: Rows, first: Rows, last: Rows, column: Rows) -> Values:
        """Own mean absolute error at the same share, with `USUAL_ERROR` as so many errors beside it."""
        ones = np.ones(len(self.bills))
        found = self._usual(newest, first, last, column, np.zeros(len(newest)), ones, np.abs(error))
        return np.asarray((found[:, 1] + ERROR_PERIODS * USUAL_ERROR) / (found[:, 3] + ERROR_PERIODS))

    # -- running periods ---------------------------------------------------------------------------------

    def _share(self, version: Rows, as_of: Rows) -> tuple[Rows, Values]:
        """The last of `SHARES` that has passed, and how far on the way to the next, or to the bill, the moment is."""
        start, days = self.cycles.start[version], self.cycles.days[version]
        awaited = np.maximum(self.bills.delay_days[version // AHEAD], 1)
        passed = [at_share(start, days, share) for share in SHARES]
        steps = np.stack([*passed, passed[-1] + awaited * US_PER_DAY], axis=1)
        column = np.clip((steps[:, :-1] <= as_of[:, None]).sum(axis=1) - 1, 0, None)
        rows = np.arange(len(version))
        span, gone = steps[rows, column + 1] - steps[rows, column], as_of - steps[rows, column]
        days_gone = gone // US_PER_DAY * US_PER_DAY
        return column, np.where(span > 0, np.clip(days_gone / np.maximum(span, 1), 0.0, 1.0), 0.0)

    def parts(self, version: Rows, as_of: Rows) -> tuple[Values, Values]:
        """Projected bill before advances are taken off, and the advances.

        Parameters
        ----------
        version : ndarray of int64, shape (n,)
            Versions of `Cycles` in force at the moments.
        as_of : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        gross, advances : ndarray of float64, shape (n,), units of currency
        """
        bill, line = version // AHEAD, self.bills.line[version // AHEAD]
        first, last = self.cycles.start[version], self.cycles.end[version]
        column, weight = self._share(version, as_of)
        remainder = self._usual(bill, first, last, column, weight, self.remainder, self._nothing)
        gross = np.nan_to_num(remainder[:, 0]) + self.fees.of(line, first, last, self.bills.months[bill], as_of)
        use_shape = self.shapes.shape(as_of, self.group[bill])
        evenly = np.broadcast_to(np.array(SHARES), use_shape.shape)  # advances come at even distances
        gross += self._expected(self.use, use_shape, version, as_of)
        return gross, self._expected(self.advances, evenly, version, as_of)

    def _expected(self, kept: _Kept, shape: Values, version: Rows, as_of: Rows) -> Values:
        """Total of the period to expect: Benktander's rule on what has been seen and what is usual."""
        if not len(kept.accruals.amount):
            return np.zeros(len(version))
        bill = version // AHEAD
        first, last = self.cycles.start[version], self.cycles.end[version]
        column, weight = self._share(version, as_of)
        own = self._usual(bill, first, last, column, weight, kept.total, kept.seen)
        rows = np.arange(len(version))
        table = np.concatenate([shape, np.ones((len(version), 1))], axis=1)
        biller = (1 - weight) * table[rows, column] + weight * table[rows, column + 1]
        mean = own[:, 2] / np.maximum(own[:, 3], 1)
        beside = SHAPE_PERIODS * mean
        usually = np.where(mean > 0, (own[:, 1] + beside * biller) / np.maximum(own[:, 2] + beside, 1e-12), biller)
        seen = kept.accruals.seen(self.bills.line[bill], first, last, as_of)
        trusted = np.where(seen[:, 0] > 0, seen[:, 1] / np.where(seen[:, 0] > 0, seen[:, 0], 1.0), 1.0)
        left = 1.0 - np.clip(usually, 0.0, 1.0) * trusted
        return np.asarray(seen[:, 1] + left * (seen[:, 1] + left * np.nan_to_num(own[:, 0])))

    def amounts(self, version: Rows, as_of: Rows) -> tuple[Values, Values, Values]:
        """Projected bill and the bounds of its 80% interval.

        Parameters
        ----------
        version : ndarray of int64, shape (n,)
            Versions of `Cycles` in force at the moments.
        as_of : ndarray of int64, shape (n,), microseconds

        Returns
        -------
        amount, low, high : ndarray of float64, shape (n,), units of currency
        """
        gross, advances = self.parts(version, as_of)
        column, _ = self._share(version, as_of)
        first, last = self.cycles.start[version], self.cycles.end[version]
        scale = self._usual_error(self.error, version // AHEAD, first, last, column)
        low, high = self.pool.quantiles(as_of, self.group[version // AHEAD], column)
        base = np.maximum(gross, LEAST)
        bounds = [base * np.exp(np.clip(scale * edge, -20.0, 20.0)) - advances for edge in (low, high)]
        return gross - advances, np.minimum(bounds[0], gross - advances), np.maximum(bounds[1], gross - advances)


def projection_of(ledger: Ledger, pool: CyclePool | None = None) -> Projection:
    """The projected bills of a ledger; kept with it when the pool is its own.

    Parameters
    ----------
    ledger : Ledger
    pool : CyclePool, optional

    Returns
    -------
    Projection
    """
    if pool is not None:
        return Projection(ledger, pool)
    cached: Projection | None = getattr(ledger, "_projection", None)
    if cached is None:
        cached = Projection(ledger)
        ledger._projection = cached  # type: ignore[attr-defined]  # derived, and the same for every caller
    return cached


def cycle_pool(parts: Callable[[], Iterable[Ledger]]) -> CyclePool:
    """What all parts of a biller say together about projected bills; to be handed to `Outcome` with each part.

    Parameters
    ----------
    parts : callable
        Gives the ledgers of all parts, such as ``store.buckets``; called twice, first for how use runs through a
        period, then for how far bills stray from what was projected with that.

    Returns
    -------
    CyclePool
    """
    shapes = CyclePool.empty()
    for ledger in parts():
        shapes += Projection(ledger, CyclePool.empty()).own_shapes()
    pool = shapes
    for ledger in parts():
        pool += Projection(ledger, shapes=shapes).own_errors()
    return pool


def _log(amount: Values) -> Values:
    return np.asarray(np.log(np.maximum(amount, LEAST)))
