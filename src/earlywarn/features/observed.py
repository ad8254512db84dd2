"""``invoice.*``: attributes of the observed obligation, one value per observation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, US_PER_DAY, moments
from earlywarn.errors import FeatureError
from earlywarn.features import due_calendar
from earlywarn.features.evaluate import Codes, Column
from earlywarn.outcomes.versions import as_known
from earlywarn.tables.checks import Text, text_of
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["INVOICE_FIELDS", "Observed"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: What ``invoice.*`` may name, and the columns of the observations that each is read from.
INVOICE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "amount": ("amount",), "open_amount": ("open_amount",), "kind": ("invoice_id",), "stage": ("stage",),
    "terms_days": ("invoice_id", "due_on"), "days_since_issue": ("invoice_id",), "days_to_due": ("due_on",),
    "due_weekday": ("due_on",), "due_day": ("due_on",), "number": (), "invoice_id": ("invoice_id",),
    "account_id": ("invoice_id",), "contract_id": ("invoice_id",), "collect_by": ("invoice_id",),
    "period_days": ("invoice_id",), "due_month": ("due_on",), "due_days_to_month_end": ("due_on",),
    "due_days_to_bank_day": ("due_on",), "due_holidays": ("due_on",),
}  # fmt: skip
#: Texts that are read from the invoice as it was known.
INVOICE_TEXTS = ("kind", "invoice_id", "account_id", "contract_id", "collect_by")


class Observed:
    """Observations as arrays, and what is asked of their obligations.

    Parameters
    ----------
    ledger : Ledger
    obs : DataFrame
        With customer_id (read as in tables: 7.0 is 7) and as_of (aware ones are converted to the ledger's zone);
        the others for the fields that need them.

    Attributes
    ----------
    as_of : ndarray of int64, shape (n,), microseconds
    owner : ndarray of int64, shape (n,)
        Code of the customer in ``ledger.customers``; -1 for one it does not have.
    """

    def __init__(self, ledger: Ledger, obs: pd.DataFrame) -> None:
        self.ledger = ledger
        self.obs = obs
        self.as_of = moments(obs["as_of"], ledger.timezone)
        if (self.as_of == NAT).any():
            rows = np.flatnonzero(self.as_of == NAT)
            raise FeatureError(
                f"as_of is missing in {len(rows):,} observations.",
                code="F225",
                found=f"first in row {rows[0]}",
                hint="leave these rows out, or say when they are looked at.",
            )
        self.owner = text_of(obs["customer_id"]).codes_in(ledger.customers)
        self._fields: dict[str, Column] = {}

    def name_of(self, number: int) -> str:
        """Which observation it is, for an error."""
        return f"customer {self.obs['customer_id'].iloc[number]!r}"

    def field(self, column: str) -> Column:
        """Values of ``invoice.<column>`` other than ``number``, which is counted by the engine.

        Raises
        ------
        FeatureError
            F225 when the observations lack what it is read from.
        """
        if column not in self._fields:
            lacking = [name for name in INVOICE_FIELDS[column] if name not in self.obs.columns]
            if lacking:
                raise FeatureError(
                    f"invoice.{column} needs {' and '.join(lacking)} in the observations.",
                    code="F225",
                    hint="make them with Outcome.observations(ledger).",
                )
            self._fields[column] = self._read(column)
        return self._fields[column]

    def _read(self, column: str) -> Column:
        if column in ("amount", "open_amount"):
            return self.obs[column].to_numpy(dtype=np.float64)
        if column == "stage":
            stage = Text.of(self.obs["stage"].to_numpy(dtype=object))
            return Codes(stage.codes, stage.labels)
        if column == "days_since_issue":
            return self._days_from_issue(self.as_of)
        if column == "period_days":
            return self._period_days()
        if column in INVOICE_TEXTS:
            words = self.invoices.text(column)
            return Codes(self._of_invoice(words.codes, -1), words.labels)
        due = self.obs["due_on"].to_numpy().astype("M8[us]").astype(np.int64)
        return self._days_from_issue(due) if column == "terms_days" else self._of_due(column, due)

    def _of_due(self, column: str, due: Rows) -> Values:
        """What the due day says, missing where no due day is stated."""
        missing = due == NAT
        moment = np.where(missing, 0, due)
        day = moment // US_PER_DAY
        match column:
            case "days_to_due":
                found = (moment - self.as_of) / US_PER_DAY
            case "due_weekday":
                found = ((day + 3) % 7).astype(np.float64)
            case "due_day":
                found = due_calendar.day_of_month(day)
            case "due_month":
                found = due_calendar.month(day)
            case "due_days_to_month_end":
                found = due_calendar.days_to_month_end(day)
            case "due_days_to_bank_day":
                found = due_calendar.days_to_bank_day(day, self.ledger.currency, self.ledger.country)
            case _:
                found = due_calendar.holidays_around(day, self.ledger.country)
        return np.where(missing, np.nan, found)

    def _days_from_issue(self, end: Rows) -> Values:
        issued = self._of_invoice(self.invoices.happened_at, NAT)
        missing = (issued == NAT) | (end == NAT)
        return np.where(missing, np.nan, (end - np.where(missing, end, issued)) / US_PER_DAY)

    def _period_days(self) -> Values:
        """Days that the bill covers, first and last included."""
        first, last = (self._of_invoice(self.invoices.moments(f"period_{edge}"), NAT) for edge in ("from", "to"))
        missing = (first == NAT) | (last == NAT)
        whole = np.where(missing, 0, last) // US_PER_DAY - np.where(missing, 0, first) // US_PER_DAY + 1
        return np.where(missing, np.nan, whole.astype(np.float64))

    @cached_property
    def invoices(self) -> Facts:
        """The ledger's invoices."""
        return self.ledger.facts("invoices")

    def _of_invoice(self, cells: Rows, missing: int) -> Rows:
        """Cells of the observed invoices as they were known."""
        rows = self._rows
        return np.where(rows >= 0, cells[rows], missing) if len(cells) else np.full(len(rows), missing)

    @cached_property
    def _rows(self) -> Rows:
        """Row of the version of the observed invoice that was known at ``as_of``; -1 for none."""
        invoices = self.invoices
        ids = invoices.text("invoice_id")
        wanted = Text.of(self.obs["invoice_id"].to_numpy(dtype=object)).codes_in(ids.labels)
        return as_known(invoices, ids.codes, np.arange(len(invoices)), wanted, self.as_of - 1, unknown=-1)
