"""A telecom biller that is generated: who its customers are, what they use, and what they are billed.

Small, seeded and vectorised, for examples and tests. Who the customers are is in ``subscribers``, what they
do with their bills in ``conduct``, what surrounds them in ``aftermath``. Late payment has causes here that
a model can find: forgetting, lack of means (which follows the economy of the region and the months before), a
bill far above the usual one after a spike in usage, and collections that come back. It says nothing about
real customers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from earlywarn.datasets import aftermath, conduct, subscribers
from earlywarn.datasets.span import Span, stack
from earlywarn.errors import DataError
from earlywarn.tables.schema import TABLES

__all__ = ["make_biller", "soiled", "until_end"]

Frame = pd.DataFrame


def make_biller(
    customers: int = 2000, months: int = 18, seed: int = 0, start: str = "2024-07-01", *, dirty: bool = False
) -> dict[str, pd.DataFrame]:
    """Generate the tables of a telecom biller.

    Parameters
    ----------
    customers : int
        Number of customers, at least 20; one account each, one or two contracts.
    months : int
        Length, at least 3. The data end there: bills of the last weeks are still open.
    seed : int
        Equal seeds give equal tables.
    start : str
        A day of the first month; everything begins on the first of that month.
    dirty : bool
        Add five faulty rows: an amount that is text, a due day before issue, an invoice number
        that comes twice, a payment of an unknown invoice, an amount with three decimals.

    Returns
    -------
    dict of DataFrame
        For `Ledger.from_tables`: customers, accounts, contracts, invoices, invoice_events, payments, usage,
        contacts, disputes, arrangements, instalments, schedule, holds, consents and regions. Euro, with two
        decimals. Hand over ``until`` as well: the first day after the last month.

    Raises
    ------
    DataError
        When there are fewer customers or months than that (code D182).

    Examples
    --------
    >>> tables = make_biller(customers=50, months=4)
    >>> sorted(tables)[:5], len(tables["customers"])
    (['accounts', 'arrangements', 'consents', 'contacts', 'contracts'], 50)
    """
    if customers < 20 or months < 3:
        raise DataError(
            "make_biller needs at least 20 customers and 3 months.",
            code="D182",
            found=f"customers={customers}, months={months}",
        )
    span = Span(np.datetime64(start, "M"), months)
    draw = iter(np.random.default_rng(seed).spawn(16))
    economy = subscribers.make_economy(next(draw), months)
    people = subscribers.make_customers(next(draw), customers, span)
    accounts = subscribers.make_accounts(next(draw), people)
    contracts = subscribers.make_contracts(next(draw), people, accounts, span)
    usage = subscribers.make_usage(next(draw), contracts, accounts, span)
    invoices = subscribers.make_invoices(contracts, usage, accounts, span)
    traits = conduct.make_traits(next(draw), people, contracts)
    unemployment = economy[subscribers.region_number(people), subscribers.MONTHS_BEFORE :]
    bills = conduct.decide(next(draw), invoices, traits, unemployment)
    tables = {
        "customers": people,
        "accounts": accounts,
        "contracts": contracts,
        "invoices": stack([bills, aftermath.make_credit_notes(bills)]),
        "invoice_events": aftermath.make_invoice_events(next(draw), bills),
        "payments": conduct.make_payments(next(draw), bills),
        "usage": usage,
        "contacts": aftermath.make_contacts(next(draw), bills),
        "disputes": aftermath.make_disputes(bills),
        "arrangements": aftermath.make_arrangements(bills),
        "instalments": conduct.make_instalments(bills),
        "schedule": subscribers.make_schedule(next(draw), accounts, span),
        "holds": subscribers.make_holds(next(draw), traits, span),
        "consents": subscribers.make_consents(next(draw), people),
        "regions": subscribers.make_regions(economy, span),
    }
    tables = {name: until_end(frame, name, span.end) for name, frame in tables.items()}
    return soiled(tables) if dirty else tables


#: The column that must lie before the end, and those that are not known until then.
_CLOCK = {
    "customers": "customer_since", "accounts": "opened_on", "contracts": "starts_on", "invoices": "issued_on",
    "invoice_lines": "known_at", "mandates": "event_on", "invoice_events": "happened_at", "payments": "paid_on",
    "usage": "used_on", "contacts": "contacted_at",
    "disputes": "opened_on", "arrangements": "agreed_on", "holds": "started_on", "consents": "given_on",
    "regions": "published_on", "instalments": "known_at", "schedule": "known_at",
}  # fmt: skip
_LATER = ("withdrawn_on", "closed_on", "ended_on", "rated_on", "outcome_at")
_TOLD_BY = {
    "upheld": "closed_on", "ended_as": "ended_on", "satisfaction": "rated_on", "outcome": "outcome_at",
    "accepted": "outcome_at", "stated_reason": "outcome_at",
}  # fmt: skip


def until_end(frame: Frame, name: str, end: Any) -> Frame:
    """Keep what had happened by the end, of it what was known, and the columns of the schema only."""
    columns = [column for column in TABLES[name].columns if column in frame.columns]
    frame = frame.loc[frame[_CLOCK[name]].to_numpy() < end, columns].reset_index(drop=True)
    for column in frame.columns:
        if pd.api.types.is_datetime64_dtype(frame[column].dtype):
            frame[column] = frame[column].astype("datetime64[us]")
    for column in frame.columns.intersection(list(_LATER)):
        frame[column] = frame[column].where(frame[column] < end)
    for column, day in _TOLD_BY.items():
        if column in frame and day in frame:
            frame[column] = frame[column].where(frame[day].notna())
    return frame


def soiled(tables: dict[str, Frame]) -> dict[str, Frame]:
    """Add rows as billing systems hand them over now and then."""
    invoices, payments = tables["invoices"], tables["payments"]
    owed = invoices[invoices["amount"] > 0]
    bad = owed.iloc[[10, 11, 12, 13]].copy()
    bad["invoice_id"] = ["BAD-TEXT", "BAD-DUE", owed["invoice_id"].iloc[12], "BAD-CENTS"]
    bad["amount"] = pd.Series(["twelve", 20.0, 33.0, 10.125], bad.index, dtype="object")
    early = bad["issued_on"] - pd.Timedelta(days=9)
    bad["due_on"] = bad["due_on"].where(bad["invoice_id"] != "BAD-DUE", early)
    lost = payments.iloc[[5]].assign(payment_id="BAD-INVOICE", invoice_id="UNKNOWN", event="settled")
    mixed = pd.concat([invoices.astype({"amount": "object"}), bad], ignore_index=True)
    return {**tables, "invoices": mixed, "payments": pd.concat([payments, lost], ignore_index=True)}
