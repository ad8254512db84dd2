"""The tables that a billing system holds of a life, and the truth that it does not hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from earlywarn.simulate import messages
from earlywarn.simulate.accounts import standing
from earlywarn.simulate.actions import ACTIONS
from earlywarn.simulate.columns import dates, units, words
from earlywarn.simulate.ending import until_end
from earlywarn.simulate.means import bare_room_on, others_on
from earlywarn.simulate.money import Money
from earlywarn.simulate.reads import usage

if TYPE_CHECKING:
    from earlywarn.simulate.world import Born, Life

__all__ = ["make_life", "make_tables", "make_truth"]

Frame = pd.DataFrame


def make_tables(life: Life) -> dict[str, Frame]:
    """Tables for `Ledger.from_tables`, cut where the last month ends."""
    born = life.born
    money = Money(life)
    arrangements, instalments = money.arrangements()
    tables = {
        **standing(life),
        "invoices": money.invoices(),
        "invoice_lines": money.lines(),
        "invoice_events": messages.invoice_events(money),
        "payments": money.payments(),
        "usage": usage(life),
        "contacts": messages.contacts(life, money),
        "disputes": money.disputes(),
        "arrangements": arrangements,
        "instalments": instalments,
        "regions": born.world.economy.table(),
    }
    end = born.world.span.dates(born.world.span.end)
    return {name: until_end(frame, name, end) for name, frame in tables.items()}


def make_truth(life: Life, row: int | None = None) -> Frame:
    """One row a bill, of everybody or of one customer, with what it came from."""
    from earlywarn.simulate.life_kernels import CAUSES

    money = Money(life, row)
    b, span = money.bills, money.span
    own = b["amount"] > 0
    frame = pd.DataFrame(
        {
            "invoice_id": money.invoice_id,
            "customer_id": money.customer_id,
            "issued_on": dates(span, b["issued"].astype(np.int64)),
            "due_on": dates(span, b["first_due"].astype(np.int64)),
            "amount": units(b["amount"]),
            "paid_on": dates(span, b["paid"].astype(np.int64)),
            "late": b["cause"] > 0,
            "cause": words(b["cause"], *CAUSES),
            "forgot": b["put_away"] == 1,
            "attended_on": dates(span, b["attended"].astype(np.int64)),
            "disputed": b["disputed"] >= 0,
            "postponed": b["postponed"] >= 0,
            "in_instalments": b["agreed"] >= 0,
            "annoyance": life.annoyance[money.who, money.slot],
        }
    )
    return frame[own].reset_index(drop=True)


def make_life(life: Life, row: int) -> dict[str, Any]:
    """One customer, day by day and bill by bill."""
    born = life.born
    span, t = born.world.span, born.people[row]
    days = np.arange(max(0, int(t["since"])), span.end)
    own = np.flatnonzero(born.contracts.owner == row)
    ended = int(life.ended[row])
    reads = life.use.days * np.arange(life.use.quantity.shape[1])
    shown = reads < (span.end if ended < 0 else min(ended, span.end))
    used = np.where(reads >= born.contracts.since[own][:, None], life.use.quantity[own], 0).sum(axis=0)
    bills = make_truth(life, row)
    asked = slice(int(life.contact_begins[row]), int(life.contact_begins[row + 1]))
    money = life.bills[row]
    events = [
        (int(day), name)
        for name in ("reminded", "reminded_again", "questioned")
        for day in money[name][(money["issued"] >= 0) & (money[name] >= 0)]
    ]
    word = {number: action for action, number in ACTIONS.items()}
    events += [(int(row_[0]), word[row_[1]]) for row_ in life.contacts[asked]]
    events = sorted(event for event in events if event[0] < span.end)
    return {
        "use": pd.DataFrame({"day": span.dates(reads[shown]), "quantity": used[shown]}),
        "means": pd.DataFrame({"day": span.dates(days), "room": _room(born, row, days)}),
        "bills": bills[["issued_on", "due_on", "paid_on", "amount", "late", "cause"]].reset_index(drop=True),
        "contacts": pd.DataFrame({"day": span.dates([day for day, _ in events]), "what": [what for _, what in events]}),
        "customer": str(born.ids[row]),
        "about": {
            "business": bool(t["business"]),
            "forgets": None if t["debit"] else float(t["forgets"]),
            "pays": "collected" if t["debit"] else "card" if t["card"] else "transfer",
        },
    }


def _room(born: Born, row: int, days: Any) -> Any:
    """Means of one customer on each day."""
    span, season = born.world.span, np.array(born.world.preset.means.season)
    everybody = SimpleNamespace(of_month=span.of_month, season=season[span.month])
    traits = born.people.view(np.recarray)[row]
    return bare_room_on(everybody, traits, born.means[0][row], days) - others_on(everybody, traits, days)
