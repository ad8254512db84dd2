"""Outcome: which obligations are observed when, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY, moment, visible
from earlywarn.errors import DataError, suggest
from earlywarn.outcomes.contacted import contacted
from earlywarn.outcomes.frames import OBSERVATION_COLUMNS, cycle_frame, in_order, obligation_frame
from earlywarn.outcomes.label import Resolver
from earlywarn.outcomes.obligations import obligations
from earlywarn.outcomes.paying import NEVER, pay_days
from earlywarn.outcomes.pool import CyclePool
from earlywarn.outcomes.projection import cycle_pool, projection_of
from earlywarn.outcomes.running import shocks
from earlywarn.outcomes.selection import at_leads, at_shares, need, numbered, unknown_notice
from earlywarn.outcomes.stored import by_debtor, from_buckets, in_all
from earlywarn.tables.facts import as_text
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore

__all__ = ["OBSERVATION_COLUMNS", "STAGES", "Outcome"]

#: Stages of an obligation, in their order.
STAGES = ("cycle", "scheduled", "issued", "collecting")
#: The stages in which day and amount are known.
KNOWN = STAGES[1:]


@dataclass(frozen=True)
class Outcome:
    """What counts as late, and how long before due an obligation is observed.

    Parameters
    ----------
    grace_days : int
        Days after due that still count as on time.
    lead_days : int or tuple of int
        Days from the observation to the due day.
    stages : tuple of str
        What is observed, of `STAGES`. Running periods (``cycle``) only when they are asked for: their amounts and
        due days are estimates, and bills that end one bear its id (``cycle:…`` instead of ``invoice:…``), so that
        an obligation keeps the id under which it was first seen.
    cycle_shares : tuple of float
        Shares of a running period, above 0 and at most 1, at which it is observed.

    Examples
    --------
    >>> ledger = Ledger.from_tables(
    ...     invoices=pd.DataFrame(
    ...         {
    ...             "invoice_id": ["A", "B"],
    ...             "customer_id": ["c1", "c1"],
    ...             "issued_on": ["2026-03-01", "2026-04-01"],
    ...             "due_on": ["2026-03-15", "2026-04-15"],
    ...             "amount": [50.0, 60.0],
    ...         }
    ...     ),
    ...     payments=pd.DataFrame(
    ...         {"payment_id": ["p"], "customer_id": ["c1"], "paid_on": ["2026-03-20"], "amount": [50.0]}
    ...     ),
    ...     until="2026-04-12",
    ... )
    >>> outcome = Outcome(grace_days=3, lead_days=7)
    >>> obs = outcome.observations(ledger, "2026-03-01", "2026-04-30")
    >>> obs[["invoice_id", "as_of", "lead_days", "open_amount"]]
      invoice_id      as_of  lead_days  open_amount
    0          A 2026-03-08          7         50.0
    1          B 2026-04-08          7         60.0
    >>> outcome.label(ledger, obs).tolist()
    [1, <NA>]
    """

    grace_days: int = 3
    lead_days: int | tuple[int, ...] = 7
    stages: tuple[str, ...] = KNOWN
    cycle_shares: tuple[float, ...] = (0.5, 0.75, 0.9)

    def __post_init__(self) -> None:
        try:
            leads = self.leads
            possible = int(self.grace_days) >= 0 and len(leads) > 0 and min(leads) >= 0
        except (TypeError, ValueError):
            possible = False
        if not possible:
            raise DataError(
                f"Outcome(grace_days={self.grace_days}, lead_days={self.lead_days}) is not possible.",
                code="D160",
                hint="both are whole days, 0 or more; several leads as a tuple such as (14, 7, 3).",
            )
        if not isinstance(self.lead_days, int | np.integer):
            object.__setattr__(self, "lead_days", tuple(self.lead_days))
        self._check_stages()

    def _check_stages(self) -> None:
        asked = tuple(self.stages)
        strange = [stage for stage in asked if stage not in STAGES]
        if strange or not asked:
            hint = suggest(strange[0], STAGES) if strange else f"name some of {', '.join(STAGES)}."
            raise DataError(f"Outcome(stages={self.stages!r}) is not possible.", code="D160", hint=hint)
        shares = tuple(sorted({float(share) for share in self.cycle_shares}))
        if not shares or not all(0 < share <= 1 for share in shares):
            raise DataError(
                f"Outcome(cycle_shares={self.cycle_shares}) is not possible.",
                code="D160",
                hint="shares of a period lie above 0 and at most at 1, such as (0.5, 0.75, 0.9).",
            )
        object.__setattr__(self, "stages", tuple(stage for stage in STAGES if stage in asked))
        object.__setattr__(self, "cycle_shares", shares)

    @property
    def sees_cycles(self) -> bool:
        """Whether running periods are observed."""
        return "cycle" in self.stages

    @property
    def leads(self) -> tuple[int, ...]:
        """The leads, longest first."""
        given = [self.lead_days] if isinstance(self.lead_days, int | np.integer) else list(self.lead_days)
        return tuple(sorted({int(lead) for lead in given}, reverse=True))

    def observations(
        self, ledger: Ledger | LedgerStore, start: Any = None, end: Any = None, *, pool: CyclePool | None = None
    ) -> pd.DataFrame:
        """One row per obligation and lead, or share of a running period, where it was known and open then.

        Parameters
        ----------
        ledger : Ledger
        start, end : date-like, optional
            First and last ``as_of``, both included. Default: all, up to ``ledger.until``.
        pool : CyclePool, optional
            For parts of a biller: what all parts say about projected bills, see `cycle_pool`.

        Returns
        -------
        DataFrame
            The columns of `OBSERVATION_COLUMNS`, sorted by (as_of, customer_id, obligation_id), with a unique
            integer index. ``attrs["notices"]`` says what is not observed and why.
        """
        if isinstance(ledger, LedgerStore):
            return self._of_store(ledger, lambda part, pool: self.observations(part, start, end, pool=pool), pool)
        low = np.iinfo(np.int64).min + 1 if start is None else moment(start, ledger.timezone)
        high = ledger.until_us if end is None else moment(end, ledger.timezone)
        parts: list[pd.DataFrame] = []
        notices: tuple[str, ...] = ()
        if self.stages != STAGES[:1]:
            versions, as_of, unknown = at_leads(ledger, self.leads, low, high, cycles=self.sees_cycles)
            parts.append(self._of_stages(obligation_frame(ledger, versions, as_of, grace_days=self.grace_days)))
            notices = unknown_notice(unknown)
        if self.sees_cycles:
            version, at = at_shares(ledger, self.cycle_shares, low, high)
            parts.append(cycle_frame(ledger, projection_of(ledger, pool), version, at, grace_days=self.grace_days))
        frame = in_order(parts)
        frame.attrs["notices"] = notices
        return frame

    def _of_store(
        self, store: LedgerStore, frame_of: Callable[[Ledger, CyclePool | None], pd.DataFrame], pool: CyclePool | None
    ) -> pd.DataFrame:
        """The rows of all buckets; what they say about projected bills together is reduced first."""
        if pool is None and self.sees_cycles:
            pool = cycle_pool(store.buckets)
        notices: list[str] = []

        def of_bucket(part: Ledger) -> pd.DataFrame:
            frame = frame_of(part, pool)
            notices.extend(frame.attrs.get("notices", ()))
            return frame

        frame = from_buckets(store, of_bucket)
        frame.attrs["notices"] = unknown_notice(in_all(notices))
        return frame

    def _of_stages(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame if set(KNOWN) <= set(self.stages) else frame[frame["stage"].isin(self.stages)]

    def standing(
        self,
        ledger: Ledger | LedgerStore,
        as_of: Any,
        horizon_days: int = 35,
        *,
        disputed: bool = False,
        pool: CyclePool | None = None,
    ) -> pd.DataFrame:
        """Every obligation open at one moment and due within a horizon, at its true lead.

        Parameters
        ----------
        ledger : Ledger
        as_of : date-like
        horizon_days : int
            How far ahead due days are looked at; what is overdue already is always there.
        disputed : bool
            Also list what is wholly in dispute; it is never observed for training.
        pool : CyclePool, optional
            As in `observations`.

        Returns
        -------
        DataFrame, as from `observations`; ``lead_days`` is negative for what is overdue
        """
        if isinstance(ledger, LedgerStore):
            asked: dict[str, Any] = {"horizon_days": horizon_days, "disputed": disputed}
            return self._of_store(ledger, lambda part, pool: self.standing(part, as_of, pool=pool, **asked), pool)
        at = moment(as_of, ledger.timezone)
        last = at + (horizon_days + 1) * US_PER_DAY
        asked = {"grace_days": self.grace_days, "disputed": disputed}
        parts = []
        if self.stages != STAGES[:1]:
            versions = obligations(ledger, cycles=self.sees_cycles)
            seen = visible(versions.known_at, versions.known_until, at) & (versions.open > 0)
            rows = np.flatnonzero(seen & (versions.due_at < last))
            frame = obligation_frame(ledger, versions.take(rows), np.full(len(rows), at), **asked)
            parts.append(self._of_stages(frame))
        if self.sees_cycles:
            projection = projection_of(ledger, pool)
            rows = np.flatnonzero(projection.cycles.in_force(at) & (projection.cycles.due * US_PER_DAY < last))
            parts.append(cycle_frame(ledger, projection, rows, np.full(len(rows), at), **asked))
        return in_order(parts)

    def label(self, ledger: Ledger | LedgerStore, observations: pd.DataFrame) -> pd.Series[Any]:
        """Whether each observed obligation was late: 1, 0, or NA while or where it cannot be said.

        Parameters
        ----------
        ledger : Ledger
        observations : DataFrame
            As from `observations`.

        Returns
        -------
        Series of Int8, index of ``observations``, named "late"
        """
        return self.resolve(ledger, observations)["late"]

    def payment(self, ledger: Ledger | LedgerStore, observations: pd.DataFrame) -> pd.DataFrame:
        """On which day each observed obligation was paid, and up to which day that is known.

        Parameters
        ----------
        ledger : Ledger
        observations : DataFrame
            As from `observations`; rows of running periods have no bill to pay yet.

        Returns
        -------
        DataFrame, index of ``observations``
            as_of, due_on (as they were observed), paid_on (datetime64, the day on which no more than the larger of one
            unit and 1% was left; missing while that is not known), seen_until (datetime64, the last day up to which it
            is known whether it was paid), reason (text; why nothing was to be paid, else missing).
        """
        need(observations, "obligation_id", "as_of", "due_on")
        if isinstance(ledger, LedgerStore):
            need(observations, "customer_id")
            by_bucket: pd.DataFrame = by_debtor(ledger, observations, self.payment)
            return by_bucket
        versions = obligations(ledger, cycles=self.sees_cycles)
        numbers, _ = numbered(ledger, versions, observations["obligation_id"], self.grace_days, cycles=self.sees_cycles)
        known = np.flatnonzero(numbers >= 0)
        as_of = observations["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
        paid, seen, reasons = pay_days(Resolver(ledger, versions, self.grace_days), numbers[known], as_of[known])
        days = np.full((2, len(numbers)), NEVER)
        days[:, known] = paid, seen
        told: npt.NDArray[np.object_] = np.full(len(numbers), "no bill yet", dtype=object)
        told[known] = reasons
        paid_on, seen_on = np.where(days == NEVER, np.datetime64("NaT", "D"), days.astype("M8[D]")).astype("M8[us]")
        return pd.DataFrame(
            {
                "as_of": observations["as_of"],
                "due_on": observations["due_on"],
                "paid_on": paid_on,
                "seen_until": seen_on,
                "reason": as_text(told).set_axis(observations.index),
            }
        )

    def treated(self, ledger: Ledger | LedgerStore, observations: pd.DataFrame) -> pd.Series[Any]:
        """Whether the debtor was contacted between each observation and its outcome.

        Contacts of ours for service, before due, as a reminder or to collect, up to the close of due + grace; one that
        names another invoice does not count. Hand it to `RiskModel.fit`: what past contacts have prevented is missing
        in the labels, and those who were helped most would look safest.

        Parameters
        ----------
        ledger : Ledger
        observations : DataFrame
            As from `observations`.

        Returns
        -------
        Series of bool, index of ``observations``, named "treated"
        """
        need(observations, "customer_id", "invoice_id", "as_of", "due_on")
        if isinstance(ledger, LedgerStore):
            found: pd.Series[Any] = by_debtor(ledger, observations, self.treated)
            return found
        mask = contacted(ledger, observations, self.grace_days)
        return pd.Series(mask, index=observations.index, name="treated")

    def weights(self, observations: pd.DataFrame) -> pd.Series[Any]:
        """What each row weighs in training, so that an obligation seen at many leads counts no more than another.

        One over the number of leads from the first sight on, whether or not it was still unpaid at the later ones. One
        over the number of rows would tell the outcome: who pays at once is seen once and would count most, and every
        probability would be too low.

        Parameters
        ----------
        observations : DataFrame
            As from `observations`, all rows of an obligation together.

        Returns
        -------
        Series of float64, index of ``observations``, named "weight"

        Examples
        --------
        >>> seen = pd.DataFrame({"obligation_id": ["a", "a", "b", "c"], "stage": "issued", "lead_days": [14, 7, 3, 14]})
        >>> Outcome(lead_days=(14, 7, 3)).weights(seen).round(2).tolist()
        [0.33, 0.33, 1.0, 0.33]
        """
        need(observations, "obligation_id", "stage", "lead_days")
        running = observations["stage"] == "cycle"
        lead = observations["lead_days"].where(~running)
        first = lead.groupby(observations["obligation_id"]).transform("max")
        from_first = np.searchsorted(np.sort(self.leads), first.fillna(0), side="right")
        seen = np.where(running, len(self.cycle_shares), np.maximum(from_first, 1))
        return pd.Series(1.0 / seen, index=observations.index, name="weight")

    def resolve(self, ledger: Ledger | LedgerStore, observations: pd.DataFrame) -> pd.DataFrame:
        """The label with its ground.

        Parameters
        ----------
        ledger : Ledger
        observations : DataFrame

        Returns
        -------
        DataFrame, index of ``observations``
            late (Int8), reason (text; why NA, else missing), due_on (in force at the end), closes_at, matures_at
            (datetime64), open_at_close (units of currency).
        """
        need(observations, "obligation_id", "as_of")
        if isinstance(ledger, LedgerStore):
            need(observations, "customer_id")
            found: pd.DataFrame = by_debtor(ledger, observations, self.resolve)
            return found
        versions = obligations(ledger, cycles=self.sees_cycles)
        as_of = observations["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
        numbers, waiting = numbered(
            ledger, versions, observations["obligation_id"], self.grace_days, cycles=self.sees_cycles
        )
        resolver = Resolver(ledger, versions, self.grace_days)
        if not len(waiting):
            return resolver.resolve(numbers, as_of, observations.index)
        known = np.flatnonzero(numbers >= 0)
        found = resolver.resolve(numbers[known], as_of[known], pd.Index(known))
        every = pd.concat([found, waiting]) if len(found) else waiting
        return every.sort_index().set_axis(observations.index)

    def shock_label(self, ledger: Ledger | LedgerStore, observations: pd.DataFrame) -> pd.Series[Any]:
        """Whether the bill of each observed running period was a shock: 1, 0, or NA where it cannot be said.

        A shock is a bill of at least 1.3 times the usual one and 15 units of currency above it. Usual is the median
        of the customer's bills of the same account, contract and kind over the last twelve months, as known at
        ``as_of``; of the last three where twelve months hold fewer, and NA where there are fewer than three. The
        label is known when the bill is; NA again once the bill is withdrawn or fully credited, as in `resolve`. A
        settlement is an event that is known to come, never a shock. Rows of other stages have their amount: NA.

        Parameters
        ----------
        ledger : Ledger
        observations : DataFrame
            As from `observations`.

        Returns
        -------
        Series of Int8, index of ``observations``, named "shock"
        """
        need(observations, "obligation_id", "stage", "as_of")
        if isinstance(ledger, LedgerStore):
            label: pd.Series[Any] = by_debtor(ledger, observations, self.shock_label)
            return label
        return shocks(ledger, observations, self.grace_days)
