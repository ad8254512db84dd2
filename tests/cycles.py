"""Accounts that are billed month by month, written as rows, for tests of running periods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bills import invoice, ledger
from earlywarn.outcomes import STAGES, Outcome
from earlywarn.tables.ledger import Ledger

CYCLES = Outcome(stages=STAGES)
DAY = pd.Timedelta(days=1)


def month(number: int) -> pd.Timestamp:
    """First day of a month, counted from January 2025."""
    return pd.Timestamp(2025 + number // 12, number % 12 + 1, 1)


def bill(number: int, amount: float = 50.0, *, delay: int = 0, stated: bool = True, **more: Any) -> dict[str, Any]:
    """The bill of a calendar month, issued some days after it and due two weeks later."""
    issued = month(number + 1) + delay * DAY
    period = {"period_from": month(number), "period_to": month(number + 1) - DAY} if stated else {}
    name = more.pop("invoice_id", f"I{number:02d}")
    return {**invoice(name, str(issued.date()), str((issued + 14 * DAY).date()), amount), **period, **more}


def billed(count: int, *amounts: float, first: int = 0, until: Any = None, **more: Any) -> Ledger:
    """A ledger of the bills of months, complete up to the issue of the last unless said."""
    rows = [bill(number, *(amounts[n : n + 1] or amounts[-1:]), **more) for n, number in enumerate(range(first, count))]
    return ledger(rows, until=until or rows[-1]["issued_on"])


def days(frame: pd.DataFrame, column: str = "as_of") -> list[str]:
    return frame[column].dt.strftime("%m-%d").tolist()


def standing(books: Ledger, as_of: Any, outcome: Outcome = CYCLES) -> pd.DataFrame:
    frame = outcome.standing(books, as_of, 60)
    assert frame["obligation_id"].is_unique
    return frame


def simulated(customers: int, months: int, seed: int) -> Ledger:
    """A biller with daily use and a fixed fee: level, noise, pace in the month and billing day are the customer's."""
    rng = np.random.default_rng(seed)
    first, one = np.datetime64("2024-01-01"), np.timedelta64(1, "D")
    who, when = (
        a.ravel() for a in np.meshgrid(np.arange(customers), first + one * np.arange(months * 30), indexing="ij")
    )
    level, noise, pace = rng.gamma(3.0, 0.7, customers), rng.uniform(0.2, 1.2, customers), rng.uniform(-1, 1, customers)
    turn = (who % 28).astype("m8[D]")  # the day of the month on which the period begins
    period = (when - turn).astype("M8[M]")
    of_period = (when - turn - period.astype("M8[D]")).astype(int) / 30
    season = 1 + 0.15 * np.cos(2 * np.pi * (when - first).astype(int) / 365)
    pulse = (
        rng.lognormal(0, 0.25 * noise[who])
        * np.repeat(rng.lognormal(0, noise, (months * 2, customers)).T, 15, axis=1).ravel()
    )
    cost = np.round(level[who] * season * (1 + pace[who] * (of_period - 0.5)) * pulse, 2)
    ids = np.array([f"c{number:04d}" for number in range(customers)], dtype=object)
    total = (
        pd.DataFrame({"who": who, "period": period.astype(int), "cost": cost})
        .groupby(["who", "period"], as_index=False)
        .sum()
    )
    begins, turn = total["period"].to_numpy().astype("M8[M]"), (total["who"].to_numpy() % 28).astype("m8[D]")
    start, end = begins.astype("M8[D]") + turn, (begins + np.timedelta64(1, "M")).astype("M8[D]") + turn - one
    bills = pd.DataFrame(
        {
            "invoice_id": [f"I{number:06d}" for number in range(len(total))],
            "customer_id": ids[total["who"]],
            "issued_on": end + 2 * one,
            "due_on": end + 16 * one,
            "amount": np.round(rng.choice([10.0, 20.0, 30.0], customers)[total["who"]] + total["cost"].to_numpy(), 2),
            "period_from": start,
            "period_to": end,
        }
    )
    usage = {"usage_id": np.arange(len(who)).astype(str), "customer_id": ids[who], "used_on": when, "quantity": cost}
    payments = pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []})
    kept = (bills["period_to"] < when[-1]) & (bills["period_from"] >= first)
    return Ledger.from_tables(
        invoices=bills[kept], payments=payments, usage=pd.DataFrame({**usage, "cost": cost}), until=when[-1] + one
    )
