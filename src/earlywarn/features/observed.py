"""``invoice.*``: attributes of the observed obligation, one value per observation.

They are read from its invoice as it was known; before there is one, from the running period and the newest bill of
its line, or from the planned amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, US_PER_DAY, moments
from earlywarn.errors import FeatureError
from earlywarn.features import due_calendar
from earlywarn.features.evaluate import Codes, Column
from earlywarn.outcomes.bills import GROUPS
from earlywarn.outcomes.cycles import AHEAD, Cycles, cycles_of
from earlywarn.outcomes.unissued import unissued
from earlywarn.outcomes.versions import as_known
from earlywarn.tables.checks import Text, text_of
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["INVOICE_FIELDS", "INVOICE_TEXTS", "Observed", "words_of"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: What ``invoice.*`` may name, and the columns of the observations that each is read from.
INVOICE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "amount": ("amount",), "open_amount": ("open_amount",), "kind": ("invoice_id",), "stage": ("stage",),
    "terms_days": ("invoice_id", "due_on"), "days_since_issue": ("invoice_id",), "days_to_due": ("due_on",),
    "due_weekday": ("due_on",), "due_day": ("due_on",), "number": (), "invoice_id": ("invoice_id",),
    "account_id": ("invoice_id",), "contract_id": ("invoice_id",), "collect_by": ("invoice_id",),
    "period_days": ("invoice_id",), "due_month": ("due_on",), "due_days_to_month_end": ("due_on",),
    "due_days_to_bank_day": ("due_on",), "due_holidays": ("due_on",), "amount_low": (), "amount_high": (),
    "due_is_estimated": (),
}  # fmt: skip
#: Columns that observations made by hand need not have; what is read from them is then missing.
OPTIONAL = ("amount_low", "amount_high", "due_is_estimated")
#: Texts that are read from the invoice as it was known, or from what comes before it.
INVOICE_TEXTS = ("kind", "invoice_id", "account_id", "contract_id", "collect_by")
#: Texts of an invoice that a planned amount has too.
PLANNED_TEXTS = tuple(name for name in INVOICE_TEXTS if name != "invoice_id")


def words_of(column: str, labels: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """All words that a text of the obligation may take, sorted: the same for every batch of observations.

    Parameters
    ----------
    column : str
        One of `INVOICE_TEXTS`.
    labels : callable
        Gives the texts of that column by the name of a table.

    Returns
    -------
    tuple of str
    """
    known = tuple(labels("invoices"))
    more = {*(labels("schedule") if column in PLANNED_TEXTS else ()), *(GROUPS if column == "kind" else ())}
    return tuple(sorted(more.union(known))) if more.difference(known) else known


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
    notices : list of str
        Which columns of the observations were absent, of those that were asked for.
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
        self.notices: list[str] = []

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
        if column in OPTIONAL and column not in self.obs.columns:
            self.notices.append(f"the observations lack {column}; what is read from it is missing.")
            return np.full(len(self.obs), np.nan)
        if column in ("amount", "open_amount", *OPTIONAL):
            return self.obs[column].to_numpy(dtype=np.float64, na_value=np.nan)
        if column == "stage":
            stage = Text.of(self.obs["stage"].to_numpy(dtype=object))
            return Codes(stage.codes, stage.labels)
        if column == "days_since_issue":
            return self._days_from_issue(self.as_of)
        if column == "period_days":
            return self._period_days()
        if column in INVOICE_TEXTS:
            return self._text(column)
        due = self.obs["due_on"].to_numpy().astype("M8[us]").astype(np.int64)
        return self._terms(due) if column == "terms_days" else self._of_due(column, due)

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
                self._note_holidays(self.ledger.currency == "EUR")
                found = due_calendar.days_to_bank_day(day, self.ledger.currency, self.ledger.country)
            case _:
                self._note_holidays(False)
                found = due_calendar.holidays_around(day, self.ledger.country)
        return np.where(missing, np.nan, found)

    def _note_holidays(self, known: bool) -> None:
        """Say that public holidays are not known, unless nothing needs them."""
        country = self.ledger.country
        if known or (country and due_calendar.knows(country)):
            return
        why = f"no public holidays are known of {country!r}" if country else "the ledger states no country"
        self.notices.append(f"{why}: public holidays around due days are missing. Hand over country=, such as 'BE'.")

    def _days_from_issue(self, end: Rows) -> Values:
        return _days_between(_at(self.invoices.happened_at, self._rows, NAT), end)

    def _terms(self, due: Rows) -> Values:
        """Days from issue to due: stated, planned, or usual for the bills of the line."""
        found = self._days_from_issue(due)
        version, plan = self._unissued
        issue = _at(self.schedule.moments("expected_issue_on"), plan, NAT)
        found = np.where(plan >= 0, _days_between(issue, due), found)
        if not (version >= 0).any():
            return found
        return np.where(version >= 0, self.cycles.bills.terms_days[version // AHEAD], found)

    def _period_days(self) -> Values:
        """Days that the bill covers, first and last included."""
        found = _whole_days(self.invoices, self._rows)
        version, plan = self._unissued
        found = np.where(plan >= 0, _whole_days(self.schedule, plan), found)
        return np.where(version >= 0, self.cycles.days[version], found) if (version >= 0).any() else found

    def _text(self, column: str) -> Codes:
        tables = {"invoices": self.invoices, "schedule": self.schedule}
        labels = words_of(column, lambda name: tables[name].text(column).labels)
        codes = _at(tables["invoices"].text(column).codes_in(labels), self._rows, -1)
        version, plan = self._unissued
        if column in PLANNED_TEXTS:
            codes = np.where(plan >= 0, _at(tables["schedule"].text(column).codes_in(labels), plan, -1), codes)
        if column in PLANNED_TEXTS and (version >= 0).any():
            codes = np.where(version >= 0, self._of_period(column, version, labels), codes)
        return Codes(codes, labels)

    def _of_period(self, column: str, version: Rows, labels: tuple[str, ...]) -> Rows:
        """A text of running periods: of their line, or of its newest bill as it was known."""
        bills = self.cycles.bills
        line = bills.line[version // AHEAD]
        words = self.invoices.text(column)
        match column:
            case "kind":
                return Text(bills.group[line], GROUPS).codes_in(labels)
            case "account_id":
                return Text(bills.account[line], words.labels).codes_in(labels)
            case "contract_id":
                return Text(bills.contract[line], words.labels).codes_in(labels)
        newest = np.where(version >= 0, bills.debt[version // AHEAD], -1)
        return _at(words.codes_in(labels), self._known(newest), -1)

    @cached_property
    def invoices(self) -> Facts:
        """The ledger's invoices."""
        return self.ledger.facts("invoices")

    @cached_property
    def schedule(self) -> Facts:
        """The ledger's planned amounts."""
        return self.ledger.facts("schedule")

    @cached_property
    def cycles(self) -> Cycles:
        """The ledger's running periods; worked out only when one is observed."""
        return cycles_of(self.ledger)

    @cached_property
    def _rows(self) -> Rows:
        """Row of the version of the observed invoice that was known at ``as_of``; -1 for none."""
        labels = self.invoices.text("invoice_id").labels
        return self._known(Text.of(self.obs["invoice_id"].to_numpy(dtype=object)).codes_in(labels))

    def _known(self, invoice: Rows) -> Rows:
        """Row of the version of invoices by number that was known at ``as_of``; -1 for none."""
        number = self.invoices.text("invoice_id").codes
        return as_known(self.invoices, number, np.arange(len(number)), invoice, self.as_of - 1, unknown=-1)

    @cached_property
    def _unissued(self) -> tuple[Rows, Rows]:
        """Version of the running period, and row of the planned amount, where no invoice is observed; -1 for none."""
        none = np.full(len(self.obs), -1, dtype=np.int64)
        if "obligation_id" not in self.obs.columns:
            return none, none
        ids = self.obs["obligation_id"].to_numpy(dtype=object).copy()
        ids[self.obs["invoice_id"].notna().to_numpy(dtype=bool)] = None
        return unissued(self.ledger, ids, self.owner, self.as_of)


def _at(cells: Rows, rows: Rows, missing: int) -> Rows:
    """Cells at rows; missing where the row is -1."""
    return np.where(rows >= 0, cells[rows], missing) if len(cells) else np.full(len(rows), missing)


def _days_between(start: Rows, end: Rows) -> Values:
    """Days from one moment to another; missing where either is."""
    missing = (start == NAT) | (end == NAT)
    return np.where(missing, np.nan, (end - np.where(missing, end, start)) / US_PER_DAY)


def _whole_days(facts: Facts, rows: Rows) -> Values:
    """Days from ``period_from`` to ``period_to``, both included; missing where either is."""
    first, last = (_at(facts.moments(f"period_{edge}"), rows, NAT) for edge in ("from", "to"))
    missing = (first == NAT) | (last == NAT)
    whole = np.where(missing, 0, last) // US_PER_DAY - np.where(missing, 0, first) // US_PER_DAY + 1
    return np.where(missing, np.nan, whole.astype(np.float64))
