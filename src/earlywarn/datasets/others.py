"""Invoices read from a folder and never shipped: what each set says, and what had to be assumed.

Each loader returns the ledger and the frame it was made from, so that a benchmark can hold both to the same
rows. Where the files are looked for is said in ``folders``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from earlywarn.datasets.folders import read_text_cells
from earlywarn.errors import DataError

if TYPE_CHECKING:
    from earlywarn.tables.ledger import Ledger

__all__ = ["load_highradius", "load_ibm", "load_xente"]


def load_highradius(folder: str | Path | None = None) -> tuple[Ledger, pd.DataFrame]:
    """Load 40,000 paid business invoices of 1,056 customers, due December 2018 to June 2020.

    Not in the source and assumed here: an invoice is issued 30 days before it is due, or on the day it was
    paid where that is earlier (259 rows); amounts are US dollar (about 8% were Canadian and are not marked);
    ids are row numbers. The day of clearing is the day of booking, so payments become known without a lag.
    The 960 rows that repeat another in customer, days and amount are kept. Invoices that were never paid are
    not in the source: end tests at 2020-02-29, later due days are thin and selected.

    Parameters
    ----------
    folder : str or path, optional
        The folder of all data sets, or of this one.

    Returns
    -------
    ledger : Ledger
    invoices : DataFrame, shape (40000, 7)
        invoice_id, customer_id, issued_on, due_on, settled_on, amount (dollar), days_late (negative: early).

    Raises
    ------
    DataError
        When the files are not found (code D180) or hold something else (code D181).
    """
    from earlywarn.tables.ledger import Ledger

    source = read_text_cells(
        folder, "highradius_invoices", "closed_invoices_40000_reconstructed.csv", "due_date", "clear_date"
    )
    due, settled = source["due_date"], source["clear_date"]
    invoices = pd.DataFrame(
        {
            "invoice_id": [f"HR{number:05d}" for number in range(1, len(source) + 1)],
            "customer_id": source["cust_number"],
            "issued_on": np.minimum(due - pd.Timedelta(days=30), settled),
            "due_on": due,
            "settled_on": settled,
            "amount": source["amount"].astype("float64"),
            "days_late": (settled - due).dt.days,
        }
    )
    if not np.array_equal(invoices["days_late"], source["days_late"].astype("int64")):
        raise DataError("days_late of the HighRadius file is not clear_date minus due_date.", code="D181")
    ledger = Ledger.from_invoices(
        invoices.drop(columns="days_late"),
        settled_on="settled_on",
        timezone="America/New_York",
        currency="USD",
        country="US",
        lags={"payments": 0},
    )
    return ledger, invoices


def load_xente(folder: str | Path | None = None) -> tuple[Ledger, pd.DataFrame]:
    """Load 1,159 pay-later loans in Uganda with their repayments, and 16,327 purchases as usage.

    **What counts as late here**: the principal (``Value``) that is not yet repaid. It is the one amount known
    when a loan is issued; the fee grows with time and is stated only as part of what was repaid, so each
    repayment counts until the principal is covered and the rest is left out. This is neither ``IsDefaulted``
    (71 loans, of which 31 saw no payment after the due day) nor "last repayment after the due day" (27.2%):
    both stand in the frame. Five loans that the source calls finally repaid below their principal are closed
    by an offset on that day. Loans without any repayment are not in the source. Many loans are repaid within
    days: of those still open a day after issue 31% will be open after the due day, at due - 7 it is 76%.

    Requests for a loan, granted or refused, are the declared table ``applications`` (customer_id, applied_at,
    value, granted). Purchases are usage with the moment they happened, some after the outcomes of earlier
    loans: features see those before ``as_of`` only.

    Parameters
    ----------
    folder : str or path, optional
        The folder of all data sets, or of this one.

    Returns
    -------
    ledger : Ledger
        In Uganda shilling; 1,159 invoices.
    loans : DataFrame, shape (1159, 8)
        invoice_id, customer_id, issued_on, due_on (30 days later), amount, last_paid_on, paid_after_due,
        defaulted.

    Raises
    ------
    DataError
        When the files are not found (code D180).
    """
    from earlywarn.tables.ledger import Ledger

    requests = read_text_cells(
        folder, "xente_uganda", "Train.csv", "TransactionStartTime", "IssuedDateLoan", "PaidOnDate", "DueDate"
    )
    rows = requests[requests["LoanId"].notna()].drop_duplicates(["LoanId", "PayBackId"])
    loans = _loans(rows)
    ledger = Ledger.from_tables(
        invoices=loans[["invoice_id", "customer_id", "issued_on", "due_on", "amount"]].assign(kind="one_off"),
        payments=_repayments(rows, loans),
        usage=_purchases(folder),
        extra={
            "applications": (
                _applications(requests),
                {
                    "entity": "customer_id",
                    "time": "applied_at",
                    "values": {"value": "money", "granted": "bool"},
                },
            )
        },
        timezone="Africa/Kampala",
        currency="UGX",
        country="UG",
        lags={"payments": 0, "usage": 0},
    )
    return ledger, loans


def _loans(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a loan; its rows in the source are repayments."""
    loans = rows.groupby("LoanId", as_index=False, sort=True).agg(
        customer_id=("CustomerId", "first"),
        issued_on=("IssuedDateLoan", "first"),
        amount=("Value", "first"),
        last_paid_on=("PaidOnDate", "max"),
        due_at=("DueDate", "first"),
        defaulted=("IsDefaulted", "max"),
    )
    days = {name: loans[name].dt.normalize() for name in ("issued_on", "last_paid_on")}
    frame = loans.rename(columns={"LoanId": "invoice_id"}).assign(**days)
    frame["due_on"] = frame["issued_on"] + pd.Timedelta(days=30)
    frame["amount"] = frame["amount"].astype("float64")
    frame["paid_after_due"] = loans["last_paid_on"] > loans["due_at"]
    frame["defaulted"] = frame["defaulted"].astype("float64") == 1
    order = "invoice_id customer_id issued_on due_on amount last_paid_on paid_after_due defaulted"
    return frame[order.split()]


def _repayments(rows: pd.DataFrame, loans: pd.DataFrame) -> pd.DataFrame:
    """What each repayment took off the principal; an offset where the source closes a loan below it."""
    paid = rows.sort_values(["LoanId", "PaidOnDate", "PayBackId"], kind="stable", ignore_index=True)
    principal = paid["LoanId"].map(loans.set_index("invoice_id")["amount"])
    amount = paid["AmountLoan"].astype("float64")
    so_far = amount.groupby(paid["LoanId"]).cumsum()
    taken = (principal - (so_far - amount)).clip(lower=0).clip(upper=amount)
    payments = pd.DataFrame(
        {
            "payment_id": paid["PayBackId"] + "-" + paid["LoanId"],
            "customer_id": paid["CustomerId"],
            "paid_on": paid["PaidOnDate"].dt.normalize(),
            "amount": taken,
            "kind": "payment",
            "invoice_id": paid["LoanId"],
        }
    )
    short = (paid["IsFinalPayBack"].astype("float64") == 1) & (so_far < principal)
    offsets = payments[short].assign(amount=(principal - so_far)[short], kind="offset")
    offsets["payment_id"] += "-offset"
    return pd.concat([payments[taken > 0], offsets], ignore_index=True)


def _purchases(folder: str | Path | None) -> pd.DataFrame:
    bought = read_text_cells(folder, "xente_uganda", "unlinked_masked_final.csv")
    value = bought["Value"].astype("float64")
    return pd.DataFrame(
        {
            "usage_id": bought["TransactionId"],
            "customer_id": bought["CustomerId"],
            "used_on": pd.to_datetime(bought["TransactionStartTime"], format="%d/%m/%y %H:%M:%S"),
            "quantity": value,
            "kind": bought["ProductCategory"],
            "unit": "UGX",
            "cost": value,
        }
    )


def _applications(requests: pd.DataFrame) -> pd.DataFrame:
    asked = requests.drop_duplicates("TransactionId")
    return pd.DataFrame(
        {
            "customer_id": asked["CustomerId"],
            "applied_at": asked["TransactionStartTime"],
            "value": asked["Value"].astype("float64"),
            "granted": asked["TransactionStatus"] == "1",
        }
    )


def load_ibm(folder: str | Path | None = None) -> tuple[Ledger, pd.DataFrame]:
    """Load 2,466 tidy invoices of 100 customers, 2012 and 2013: probably made up, so never evidence.

    The code of the country stands as the customer's region. Whether an invoice was disputed and whether it
    went on paper bear no date, so they stay in the frame and out of the ledger. The currency is assumed.

    Parameters
    ----------
    folder : str or path, optional
        The folder of all data sets, or of this one.

    Returns
    -------
    ledger : Ledger
    invoices : DataFrame, shape (2466, 8)
        invoice_id, customer_id, region, issued_on, due_on, settled_on, amount (dollar), disputed.

    Raises
    ------
    DataError
        When the file is not found (code D180).
    """
    from earlywarn.tables.ledger import Ledger

    source = read_text_cells(folder, "ibm_accounts_receivable", "WA_Fn-UseC_-Accounts-Receivable.csv")
    ours = {"invoiceNumber": "invoice_id", "customerID": "customer_id", "countryCode": "region"}
    ours |= {
        "InvoiceDate": "issued_on",
        "DueDate": "due_on",
        "SettledDate": "settled_on",
        "InvoiceAmount": "amount",
    }
    invoices = source[list(ours)].rename(columns=ours)
    for day in ("issued_on", "due_on", "settled_on"):
        invoices[day] = pd.to_datetime(invoices[day], format="%m/%d/%Y")
    invoices["amount"] = invoices["amount"].astype("float64")
    invoices["disputed"] = source["Disputed"] == "Yes"
    payments = invoices[["invoice_id", "customer_id", "settled_on", "amount"]].rename(columns={"settled_on": "paid_on"})
    ledger = Ledger.from_tables(
        invoices=invoices[["invoice_id", "customer_id", "issued_on", "due_on", "amount"]],
        payments=payments.assign(payment_id="P" + payments["invoice_id"]),
        customers=invoices[["customer_id", "region"]].drop_duplicates("customer_id", ignore_index=True),
        timezone="America/New_York",
        currency="USD",
        lags={"payments": 0},
    )
    return ledger, invoices
