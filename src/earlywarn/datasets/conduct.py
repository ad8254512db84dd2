"""What customers of the generated biller do with their bills: one fate a bill, and the money that follows.

A bill is paid late because it was forgotten, because means are short (which a bill above the usual one makes
worse), because a collection came back, or because it is in dispute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.datasets.span import days, stack
from earlywarn.dates import bank_calendar

__all__ = ["decide", "make_instalments", "make_payments", "make_traits"]

Frame = pd.DataFrame
Rng = np.random.Generator
Numbers = npt.NDArray[np.float64]
_NEVER = np.datetime64("NaT", "D")


def make_traits(rng: Rng, people: Frame, contracts: Frame) -> Frame:
    """How forgetful, how much at ease, how early, how regular and how attentive each customer is."""
    n = len(people)
    campaign = np.isin(np.arange(n), contracts.loc[contracts["campaign"].notna(), "account"])
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"],
            "forgets": rng.beta(0.5, 8, n),
            "ease": rng.normal(0, 1, n) + 0.5 * (people["segment"] == "b2b") - 0.5 * campaign,
            "habit_days": rng.normal(-6, 4, n),
            "spread_days": rng.gamma(2, 0.8, n),
            "reads": rng.beta(4, 2, n),
            "channel": people["preferred_channel"].replace("sms", "email"),
        }
    )


def _means(rng: Rng, ease: Numbers, unemployment: Numbers) -> Numbers:
    """What each customer can spare a month: slow swings, rare shocks, less where unemployment is high."""
    n, months = unemployment.shape
    swing = np.asarray(rng.normal(-0.13, 0.65, n))
    means = np.empty((n, months))
    for month in range(months):
        shock = np.where(rng.random(n) < 0.012, 2.2, 0)
        swing = 0.8 * swing + rng.normal(0, 0.36, n) - shock
        means[:, month] = 0.75 * ease + swing - 0.06 * (unemployment[:, month] - 5.5)
    return means


def decide(rng: Rng, invoices: Frame, traits: Frame, unemployment: Numbers) -> Frame:
    """Give each bill its fate.

    Parameters
    ----------
    rng : Generator
    invoices, traits : DataFrame
    unemployment : ndarray of float64, shape (n_customers, n_months), percent

    Returns
    -------
    DataFrame
        The invoices with ``fate``, what led to it (``shock``: log of the bill over its fixed fees; ``short``;
        ``bounced``; ``viewed``), cents (``owed`` after the ``credit`` of a dispute, ``first`` of them paid
        on ``first_on``, the rest on ``rest_on``) and days, missing where that day never comes.
    """
    bills = invoices.join(traits.drop(columns="customer_id"), on="customer")
    n, cents = len(bills), (bills["amount"] * 100).round().astype("int64").to_numpy()
    means = _means(rng, traits["ease"].to_numpy(), unemployment)[bills["customer"], bills["month"]]
    shock = np.log((bills["amount"] / bills["fees"]).to_numpy())
    short = means - 1.5 * shock < -1.85
    bounced = (rng.random(n) < 0.015) & (bills["channel"] != "letter")
    viewed = ~bounced & (rng.random(n) < bills["reads"])
    forgot = rng.random(n) < bills["forgets"] * np.select([bounced, viewed], [4.0, 0.7], 1.5)
    fate = _fates(rng, short, forgot, shock, bills["collect_by"] == "direct_debit")
    credit = np.where((fate == "disputed") & (rng.random(n) < 0.45), cents // 4, 0)
    split = rng.uniform(0.4, 0.6, n)
    known = bills.assign(
        fate=fate,
        shock=shock,
        short=short,
        bounced=bounced,
        viewed=viewed,
        usual=bills["habit_days"] + 2 * np.clip(-means, 0, 3) + rng.normal(0, bills["spread_days"]),
        credit=credit,
        owed=cents - credit,
        first=np.where(fate == "parts", (cents * split).astype(np.int64), cents - credit),
        kept=rng.random(n) < np.where(fate == "postponed", 0.85, 0.65),
    )
    return known.assign(**_days(rng, known))


def _fates(rng: Rng, short: Any, forgot: Any, shock: Any, debit: Any) -> Any:
    """One word a bill: the first that applies."""
    u, v = rng.random(len(short)), rng.random(len(short))
    choices = {
        "withdrawn": u < 0.003,
        "disputed": u > np.where(shock > 0.4, 0.85, 0.995),
        "retried": debit & short & (v < 0.4),
        "returned": debit & (short | (v < 0.006)),
        "collected": debit,
        "delayed": short & (v < 0.40),
        "parts": short & (v < 0.65),
        "instalments": short & (v < 0.78),
        "postponed": short & (v < 0.88),
        "unpaid": short,
        "forgot": forgot,
    }
    return np.select(list(choices.values()), list(choices), "on_time")


def _days(rng: Rng, bills: Frame) -> dict[str, Any]:
    """The day of everything that happens to each bill."""
    n, fate = len(bills), bills["fate"].to_numpy()
    issued, due = (bills[name].to_numpy().astype("M8[D]") for name in ("issued_on", "due_on"))

    def gap(least: float, spread: float) -> Any:
        return days(np.rint(least + rng.gamma(2, spread, n)))

    def within(least: int, most: int) -> Any:
        return days(rng.integers(least, most, n))

    def only(word: str, when: Any) -> Any:
        return np.where(fate == word, when, _NEVER)

    collected = np.busday_offset(due, 0, roll="forward", busdaycal=bank_calendar())
    closed = issued + within(2, 10) + gap(10, 8)
    first = {
        "on_time": np.maximum(due + days(np.rint(bills["usual"])), issued + days(1)),
        "forgot": due + gap(5, 5),
        "delayed": due + gap(6, 12),
        "postponed": due + days(np.where(bills["kept"], 21, 46)),
        "disputed": closed + gap(3, 3),
        "returned": np.where(rng.random(n) < 0.08, _NEVER, due + gap(18, 9)),
        "retried": np.busday_offset(collected, 8, busdaycal=bank_calendar()),
        "collected": collected,
    }
    first["parts"] = first["on_time"]
    first_on = np.select([fate == word for word in first], list(first.values()), _NEVER)
    rest_on = only("parts", np.maximum(first_on, due) + gap(8, 10))
    before, after = (
        only("postponed", due - within(1, 6)),
        only("instalments", due + within(6, 14)),
    )
    return {
        "first_on": first_on,
        "rest_on": rest_on,
        "done_on": np.where(fate == "parts", rest_on, first_on),
        "collected_on": collected,
        "opened_on": only("disputed", np.minimum(issued + within(2, 10), closed)),
        "closed_on": only("disputed", closed),
        "agreed_on": np.where(fate == "postponed", before, after),
        "withdrawn_on": only("withdrawn", issued + within(1, 12)),
    }


def make_payments(rng: Rng, bills: Frame) -> Frame:
    """Every event on money: transfers, parts, refunds, collections, returns, instalments, write-offs."""
    paid = bills[bills["first_on"].notna() & ~bills["fate"].isin(["collected", "retried"])]
    parts = bills[bills["rest_on"].notna()]
    rounded = paid["first"] + np.where(rng.random(len(paid)) < 0.004, 1000 - paid["first"] % 1000, 0)
    rest = _money(parts, "rest_on", parts["owed"] - parts["first"], "T2")
    transfers = stack([_money(paid, "first_on", rounded, "T1"), rest])
    transfers["method"] = rng.choice(["transfer", "card"], len(transfers), p=[0.9, 0.1])
    transfers.loc[rng.random(len(transfers)) < 0.12, "invoice_id"] = None
    twice = transfers[rng.random(len(transfers)) < 0.002]
    twice = twice.assign(payment_id=twice["payment_id"] + "-again")
    back = twice.assign(event="refunded", paid_on=twice["paid_on"] + pd.Timedelta(days=12))
    old = bills[bills["fate"].isin(["unpaid", "returned"]) & bills["first_on"].isna()]
    old = old.assign(lost_on=old["due_on"] + pd.Timedelta(days=180))
    lost = _money(old, "lost_on", old["owed"], "W").assign(kind="write_off")
    everything = [transfers, twice, back, _collections(rng, bills), _paid_instalments(bills), lost]
    return stack(everything).sort_values(["paid_on", "payment_id"], kind="stable")


def _money(bills: Frame, day: str, cents: Any, mark: str, event: str = "settled") -> Frame:
    return pd.DataFrame(
        {
            "payment_id": "P" + bills["invoice_id"].str[1:] + "-" + mark,
            "customer_id": bills["customer_id"],
            "paid_on": bills[day],
            "amount": cents / 100,
            "event": event,
            "kind": "payment",
            "invoice_id": bills["invoice_id"],
            "account_id": bills["account_id"],
        }
    )


def _collections(rng: Rng, bills: Frame) -> Frame:
    """Direct debits: handed to the bank, booked, some returned with the bank's code, some tried again."""
    files = bills[bills["fate"].isin(["collected", "returned", "retried"])]
    collected = files["collected_on"].to_numpy().astype("M8[D]")
    waits = rng.choice([1, 2, 3, 4, 5], len(files), p=[0.2, 0.3, 0.25, 0.15, 0.1])
    sent, back = (np.busday_offset(collected, k, busdaycal=bank_calendar()) for k in (-2, waits))
    funds = rng.choice(["AM04", "MS03"], len(files), p=[0.8, 0.2])
    other = rng.choice(["MD01", "AC04", "MS03"], len(files))
    files = files.assign(sent_on=sent, back_on=back, code=np.where(files["short"], funds, other))
    returned, retried = files[files["fate"] != "collected"], files[files["fate"] == "retried"]
    came_back = _money(returned, "back_on", returned["owed"], "D1", "returned")
    events = [
        _money(files, "sent_on", files["owed"], "D1", "initiated").assign(attempt=1),
        _money(files, "collected_on", files["owed"], "D1").assign(attempt=1),
        came_back.assign(attempt=1, reason_code=returned["code"]),
        _money(retried, "first_on", retried["owed"], "D2").assign(attempt=2),
    ]
    return stack(events).assign(method="direct_debit")


def make_instalments(bills: Frame) -> Frame:
    """Three parts a month apart, or after a postponement the whole three weeks later; the cents add up."""
    agreed = bills[bills["agreed_on"].notna()]
    whole = agreed["fate"] == "postponed"
    plan = agreed.loc[agreed.index.repeat(np.where(whole, 1, 3))].reset_index(drop=True)
    number, whole = plan.groupby("invoice_id").cumcount() + 1, plan["fate"] == "postponed"
    third = plan["owed"] // 3
    cents = np.where(whole, plan["owed"], np.where(number == 3, plan["owed"] - 2 * third, third))
    monthly = plan["agreed_on"] + pd.to_timedelta(30 * number - 15, unit="D")
    return pd.DataFrame(
        {
            "arrangement_id": "G" + plan["invoice_id"].str[1:],
            "number": number,
            "due_on": monthly.where(~whole, plan["due_on"] + pd.Timedelta(days=21)),
            "amount": cents / 100,
            "known_at": plan["agreed_on"],
            "invoice_id": plan["invoice_id"],
            "kept": plan["kept"],
            "fate": plan["fate"],
        }
    )


def _paid_instalments(bills: Frame) -> Frame:
    """All three where the plan is kept, else the first one only."""
    plan = make_instalments(bills)
    paid = plan[(plan["fate"] == "instalments") & (plan["kept"] | (plan["number"] == 1))]
    paid = paid.merge(bills[["invoice_id", "customer_id", "account_id"]], on="invoice_id", how="left")
    money = _money(paid, "due_on", (paid["amount"] * 100).round(), "I").assign(method="transfer")
    return money.assign(payment_id=money["payment_id"] + paid["number"].astype("str"))
