"""Outcome: which obligations are observed when, and what became of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY, moment, to_datetime64, visible
from earlywarn.errors import DataError
from earlywarn.outcomes.bearing import Disputes, stage_at
from earlywarn.outcomes.label import Resolver
from earlywarn.outcomes.obligations import obligations
from earlywarn.outcomes.versions import Obligations, maturity
from earlywarn.tables.facts import as_text, units
from earlywarn.tables.ledger import Ledger

__all__ = ["OBSERVATION_COLUMNS", "STAGES", "Outcome"]

log = logging.getLogger("earlywarn")
Rows = npt.NDArray[np.int64]

#: Stages of an obligation. The stage ``cycle`` (a running billing period) is not observed yet.
STAGES = ("cycle", "scheduled", "issued", "collecting")


#: Columns of the frame of observations and their dtypes.
OBSERVATION_COLUMNS = {
    "obligation_id": "text",
    "stage": "text",
    "invoice_id": "text",
    "customer_id": "text",
    "as_of": "datetime64[us]",
    "due_on": "datetime64[us]",
    "lead_days": "int64",
    "amount": "float64",
    "open_amount": "float64",
    "matures_at": "datetime64[us]",
}


@dataclass(frozen=True)
class Outcome:
    """What counts as late, and how long before due an obligation is observed.

    Parameters
    ----------
    grace_days : int
        Days after due that still count as on time.
    lead_days : int or tuple of int
        Days from the observation to the due day.

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

    @property
    def leads(self) -> tuple[int, ...]:
        """The leads, longest first."""
        given = [self.lead_days] if isinstance(self.lead_days, int | np.integer) else list(self.lead_days)
        return tuple(sorted({int(lead) for lead in given}, reverse=True))

    def observations(self, ledger: Ledger, start: Any = None, end: Any = None) -> pd.DataFrame:
        """One row per obligation and lead, where it was known and open then.

        Parameters
        ----------
        ledger : Ledger
        start, end : date-like, optional
            First and last ``as_of``, both included. Default: all, up to ``ledger.until``.

        Returns
        -------
        DataFrame
            The columns of `OBSERVATION_COLUMNS`, sorted by (as_of, customer_id, obligation_id), with a unique
            integer index. ``attrs["notices"]`` says what is not observed and why.
        """
        versions = obligations(ledger)
        low = np.iinfo(np.int64).min + 1 if start is None else moment(start, ledger.timezone)
        high = ledger.until_us if end is None else moment(end, ledger.timezone)
        parts, unknown = [], 0
        for lead in self.leads:
            as_of = versions.due_at - lead * US_PER_DAY
            inside = (as_of >= low) & (as_of <= high)
            seen = inside & visible(versions.known_at, versions.known_until, as_of)
            unknown += len(np.setdiff1d(versions.number[inside], versions.number[seen]))
            rows = np.flatnonzero(seen & (versions.open > 0))
            parts.append((rows, as_of[rows]))
        rows = np.concatenate([rows for rows, _ in parts])
        as_of = np.concatenate([moments for _, moments in parts])
        frame = self._frame(ledger, versions.take(rows), as_of)
        frame.attrs["notices"] = _notices(unknown)
        return frame

    def standing(self, ledger: Ledger, as_of: Any, horizon_days: int = 35, *, disputed: bool = False) -> pd.DataFrame:
        """Every obligation open at one moment and due within a horizon, at its true lead.

        Parameters
        ----------
        ledger : Ledger
        as_of : date-like
        horizon_days : int
            How far ahead due days are looked at; what is overdue already is always there.
        disputed : bool
            Also list what is wholly in dispute; it is never observed for training.

        Returns
        -------
        DataFrame, as from `observations`; ``lead_days`` is negative for what is overdue
        """
        at = moment(as_of, ledger.timezone)
        versions = obligations(ledger)
        seen = visible(versions.known_at, versions.known_until, at) & (versions.open > 0)
        rows = np.flatnonzero(seen & (versions.due_at < at + (horizon_days + 1) * US_PER_DAY))
        return self._frame(ledger, versions.take(rows), np.full(len(rows), at), disputed=disputed)

    def label(self, ledger: Ledger, observations: pd.DataFrame) -> pd.Series[Any]:
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

    def resolve(self, ledger: Ledger, observations: pd.DataFrame) -> pd.DataFrame:
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
        lacking = [name for name in ("obligation_id", "as_of") if name not in observations.columns]
        if lacking:
            raise DataError(
                f"the observations lack {' and '.join(lacking)}.",
                code="D164",
                hint="hand over the frame that Outcome.observations gave.",
            )
        versions = obligations(ledger)
        place = {label: number for number, label in enumerate(versions.ids)}
        numbers = np.array([place.get(label, -1) for label in observations["obligation_id"]], dtype=np.int64)
        if len(numbers) and numbers.min() < 0:
            strange = observations["obligation_id"].iloc[int(np.argmin(numbers))]
            raise DataError(
                f"obligation {strange!r} is not in this ledger.",
                code="D161",
                hint="label observations with the ledger they were made from.",
            )
        as_of = observations["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
        return Resolver(ledger, versions, self.grace_days).resolve(numbers, as_of, observations.index)

    def _frame(self, ledger: Ledger, versions: Obligations, as_of: Rows, *, disputed: bool = False) -> pd.DataFrame:
        if not disputed:
            in_dispute = Disputes(ledger).open_at(versions.debt, versions.owner, as_of)
            rows = np.flatnonzero(in_dispute < versions.open)
            versions, as_of = versions.take(rows), as_of[rows]
        matures = maturity(versions.due_at, versions.collected, self.grace_days, ledger.payment_lag_days)
        ids = versions.ids[versions.number]
        invoice_ids = np.array([*ledger.debts.invoice_ids, None], dtype=object)
        n_invoices = len(ledger.debts.invoice_ids)
        is_invoice = (versions.debt >= 0) & (versions.debt < n_invoices)
        customers = np.array([*ledger.customers, None], dtype=object)
        frame = pd.DataFrame(
            {
                "obligation_id": as_text(ids),
                "stage": as_text(stage_at(ledger, versions, as_of)),
                "invoice_id": as_text(invoice_ids[np.where(is_invoice, versions.debt, n_invoices)]),
                "customer_id": as_text(customers[versions.owner]),
                "as_of": to_datetime64(as_of),
                "due_on": to_datetime64(versions.due_at),
                "lead_days": (versions.due_at - as_of) // US_PER_DAY,
                "amount": units(versions.amount, ledger.digits),
                "open_amount": units(versions.open, ledger.digits),
                "matures_at": to_datetime64(matures),
            }
        )
        return frame.sort_values(["as_of", "customer_id", "obligation_id"], ignore_index=True)


def _notices(unknown: int) -> tuple[str, ...]:
    if not unknown:
        return ()
    were = "obligation was" if unknown == 1 else "obligations were"
    note = f"{unknown:,} {were} not known yet, or due on another day, at due minus lead and not observed then."
    log.info(note)
    return (note,)
