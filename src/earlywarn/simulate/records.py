"""The tables that a billing system holds of a life, and the truth that it does not hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from earlywarn.datasets.biller import until_end
from earlywarn.datasets.subscribers import REGIONS
from earlywarn.outcomes.running import SHOCK_TIMES
from earlywarn.simulate.actions import ACTIONS, CALL, LIMIT
from earlywarn.simulate.billing import slots_of_reads
from earlywarn.simulate.chance import uniform
from earlywarn.simulate.columns import contract_number, dates, ids, invoice_ids, stack, units, words
from earlywarn.simulate.means import room_on
from earlywarn.simulate.money import Money
from earlywarn.simulate.people import CHANNELS, SIGNUPS

if TYPE_CHECKING:
    from earlywarn.simulate.world import Born, Life

__all__ = ["make_life", "make_tables", "make_truth"]

(
    _CONSENT, _WITHDRAWN, _SENT, _THERE, _HELD, _HOLD_KIND, _HOLD_FROM, _HOLD_TO, _OUTAGE, _REACHED,
) = range(700, 710)  # fmt: skip
_HOUR = 711
_MINUTE = np.timedelta64(60_000_000, "us")
Frame = pd.DataFrame


def make_tables(life: Life) -> dict[str, Frame]:
    """Tables for `Ledger.from_tables`, cut where the last month ends."""
    born = life.born
    money = Money(life)
    arrangements, instalments = money.arrangements()
    tables = {
        **_static(born, life.left),
        "invoices": money.invoices(),
        "invoice_lines": money.lines(),
        "invoice_events": _events(money),
        "payments": money.payments(),
        "usage": _usage(life),
        "contacts": _contacts(life, money),
        "disputes": money.disputes(),
        "arrangements": arrangements,
        "instalments": instalments,
        "regions": born.world.economy.table(),
    }
    end = born.world.span.dates(born.world.span.end)
    return {name: until_end(frame, name, end) for name, frame in tables.items()}


def make_truth(life: Life) -> Frame:
    """One row a bill, with what it came from."""
    from earlywarn.simulate.life_kernels import CAUSES

    money = Money(life)
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
    reads = born.use.days * np.arange(born.use.quantity.shape[1])
    shown = reads < span.end
    truth = life.truth()
    bills = truth[truth["customer_id"] == born.ids[row]]
    asked = slice(int(life.contact_begins[row]), int(life.contact_begins[row + 1]))
    money = life.bills[row]
    events = [(int(day), words_of) for name, words_of in (("reminded", "reminder"), ("reminded_again", "2nd reminder"),
              ("questioned", "asks")) for day in money[name][(money["issued"] >= 0) & (money[name] >= 0)]]  # fmt: skip
    word = {number: action for action, number in ACTIONS.items()}
    events += [(int(row_[0]), word[row_[1]]) for row_ in life.contacts[asked]]
    events = sorted(event for event in events if event[0] < span.end)
    business = ", a business" if t["business"] else ""
    return {
        "use": pd.DataFrame({"day": span.dates(reads[shown]), "quantity": born.use.quantity[own].sum(axis=0)[shown]}),
        "means": pd.DataFrame({"day": span.dates(days), "room": _room(born, row, days)}),
        "bills": bills[["issued_on", "due_on", "paid_on", "amount", "late", "cause"]].reset_index(drop=True),
        "contacts": pd.DataFrame({"day": span.dates([day for day, _ in events]), "what": [what for _, what in events]}),
        "title": f"{born.ids[row]}{business}: puts {t['forgets']:.0%} of bills away, "
        f"{'collected' if t['debit'] else 'pays by transfer'}",
    }


def _room(born: Born, row: int, days: Any) -> Any:
    """Means of one customer on each day."""
    span, season = born.world.span, np.array(born.world.preset.means.season)
    everybody = SimpleNamespace(of_month=span.of_month, season=season[span.month])
    return room_on(everybody, born.people.view(np.recarray)[row], born.means[0][row], days)


# -- people -----------------------------------------------------------------------------------------------


def _static(born: Born, left: Any) -> dict[str, Frame]:
    people, span = born.people, born.world.span
    customer_id = pd.Series(born.ids, dtype="str")
    codes = np.array(list(REGIONS))
    region = codes[people["region"]]
    since = span.dates(people["since"]).astype("M8[us]")
    private = people["business"] == 0
    customers = pd.DataFrame(
        {
            "customer_id": customer_id,
            "segment": words(people["business"], "b2c", "b2b"),
            "country": np.array([code[:2] for code in codes])[people["region"]],
            "region": region,
            "language": np.array([row[1] for row in REGIONS.values()])[people["region"]],
            "customer_since": since,
            "signup_channel": words(people["signup"], *SIGNUPS),
            "preferred_channel": words(people["channel"], *CHANNELS),
            "birth_year": pd.Series(int(str(span.first)[:4]) - people["age"], dtype="Int64").where(private),
            "sex": words(np.where(private, people["female"], -1), "male", "female"),
        }
    )
    account_id = ids("A", people["number"] + 1)
    accounts = pd.DataFrame(
        {
            "account_id": account_id,
            "customer_id": customer_id,
            "collect_by": words(people["debit"], "transfer", "direct_debit"),
            "due_day": (people["cycle"] + people["terms"] - 1) % 28 + 1,
            "opened_on": since,
        }
    )
    return {
        "customers": customers,
        "accounts": accounts,
        "contracts": _contracts(born, left, account_id),
        "mandates": _mandates(born, customer_id, since),
        "holds": _holds(born, customer_id),
        "consents": _consents(born, customer_id, since),
    }


def _contracts(born: Born, left: Any, account_id: pd.Series) -> Frame:
    contracts, people, span, preset = born.contracts, born.people, born.world.span, born.world.preset
    owner = contracts.owner
    gone = left[owner]
    size = np.digitize(contracts.level / preset.use.level, [0.7, 1.6])
    return pd.DataFrame(
        {
            "contract_id": ids("C", contract_number(people["number"][owner], contracts.second)),
            "account_id": account_id.to_numpy()[owner],
            "starts_on": span.dates(contracts.since).astype("M8[us]"),
            "ends_on": dates(span, np.where(gone >= 0, gone + 31, -1)),
            "notice_on": dates(span, gone),
            "ended_by": words(np.where(gone >= 0, 0, -1), "customer"),
            "product": preset.use.kind,
            "tariff": words(size, "S", "M", "L"),
            "payment_model": "postpaid",
            "fixed_fee": contracts.fee,
            "allowance": np.where(np.isfinite(contracts.allowance), np.round(contracts.allowance, 3), np.nan),
            "price_until": dates(span, contracts.price_until),
            "campaign": words(np.where(people["campaign"][owner] == 1, 0, -1), "switch-and-save"),
        }
    )


def _mandates(born: Born, customer_id: pd.Series, since: Any) -> Frame:
    own = born.people["debit"] == 1
    return pd.DataFrame(
        {
            "mandate_id": ids("D", born.people["number"][own] + 1),
            "customer_id": customer_id[own].to_numpy(),
            "event_on": since[own],
            "event": "signed",
            "scheme": "core",
        }
    )


def _holds(born: Born, customer_id: pd.Series) -> Frame:
    """Few customers, more among those with little to spare; some holds end."""
    people, span = born.people, born.world.span
    zero = np.array(0)
    spare = people["slack"] - born.world.preset.means.slack
    held = uniform(people["key"], _HELD, zero) < 0.015 * np.exp(-0.5 * spare)
    key = people["key"][held]
    kinds = ("vulnerable", "debt_counselling", "do_not_contact", "no_profiling", "medical", "deceased")
    kind = np.searchsorted(np.cumsum([0.35, 0.25, 0.15, 0.1, 0.1]), uniform(key, _HOLD_KIND, zero))
    began = (uniform(key, _HOLD_FROM, zero) * span.end).astype(np.int64)
    length = 30 + (uniform(key, _HOLD_TO, zero) * 170).astype(np.int64)
    ends = (kind < 3) & (uniform(key, _HOLD_TO, zero + 1) < 0.3)
    return pd.DataFrame(
        {
            "customer_id": customer_id[held].to_numpy(),
            "kind": words(kind, *kinds),
            "started_on": dates(span, began),
            "ended_on": dates(span, np.where(ends, began + length, -1)),
        }
    )


def _consents(born: Born, customer_id: pd.Series, since: Any) -> Frame:
    """Consents by channel and purpose; few are withdrawn."""
    key = born.people["key"]
    shares = {("email", "service"): 0.95, ("sms", "service"): 0.7, ("phone", "service"): 0.8,
              ("email", "commercial"): 0.4, ("phone", "commercial"): 0.2}  # fmt: skip
    frames = []
    for at, ((channel, purpose), share) in enumerate(shares.items()):
        number = np.array(at)
        given = uniform(key, _CONSENT, number) < share
        gone = uniform(key, _WITHDRAWN, number)[given]
        later = since[given] + (60 + gone * 20 * 840).astype(np.int64).astype("m8[D]")
        frames.append(
            pd.DataFrame(
                {
                    "customer_id": customer_id[given].to_numpy(),
                    "channel": channel,
                    "purpose": purpose,
                    "given_on": since[given],
                    "withdrawn_on": np.where(gone < 0.05, later, np.datetime64("NaT", "us")),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


# -- use --------------------------------------------------------------------------------------------------


def _usage(life: Life) -> Frame:
    """One row a contract and read, until the contract ends."""
    born = life.born
    contracts, use, span, preset = born.contracts, born.use, born.world.span, born.world.preset
    reads = -(-span.end // use.days)
    begins = use.days * np.arange(reads)
    last = begins + use.days - 1
    gone = life.left[contracts.owner]
    ends = np.where(gone >= 0, gone + 31, span.end)
    there = (contracts.since[:, None] <= begins) & (last < np.minimum(ends, span.end)[:, None])
    contract, read = np.nonzero(there)
    owner = contracts.owner[contract]
    number = contract_number(born.people["number"][owner], contracts.second[contract])
    quantity = np.round(use.quantity[contract, read].astype(np.float64), 3)
    cost, inside = quantity * preset.bill.price, np.ones(len(quantity), dtype=bool)
    if preset.bill.scheme == "allowance":
        slot = slots_of_reads(born.starts, contracts, last)
        period = pd.Series(contract * (slot.max() + 3) + slot[contract, read])
        so_far = pd.Series(quantity).groupby(period.to_numpy()).cumsum().to_numpy()
        allowance = contracts.allowance[contract] * preset.bill.months / preset.bill.per_month
        above = np.clip(so_far - allowance, 0, quantity)
        cost, inside = above * preset.bill.price, above == 0
    return pd.DataFrame(
        {
            "usage_id": ids("U", number * 10_000 + read),
            "customer_id": born.ids[owner],
            "contract_id": ids("C", number),
            "used_from": span.dates(begins[read]).astype("M8[us]"),
            "used_on": span.dates(last[read]).astype("M8[us]"),
            "kind": preset.use.kind,
            "unit": preset.use.unit,
            "quantity": quantity,
            "cost": np.round(cost, 2),
            "in_bundle": inside,
            "read": "actual",
        }
    )


# -- what passes between the biller and the customer ------------------------------------------------------


def _events(money: Money) -> Frame:
    """Sent in the morning of issue, delivered or bounced within the hour, viewed when it was attended to."""
    b = money.bills
    minute = 7 * 60 + (uniform(money.key, _SENT, money.slot) * 120).astype(np.int64)
    sent = money.on("issued") + minute * _MINUTE
    there = sent + (1 + (uniform(money.key, _THERE, money.slot) * 58).astype(np.int64)) * _MINUTE
    channel = words(money.life.born.people["channel"][money.who], *CHANNELS).replace("sms", "email").to_numpy()
    viewed = (b["viewed"] >= 0) & (channel != "letter")
    every = np.ones(len(b), dtype=bool)
    frames = [
        pd.DataFrame(
            {
                "invoice_id": money.invoice_id[which].to_numpy(),
                "happened_at": at[which],
                "event": event,
                "channel": channel[which],
            }
        )
        for event, at, which in (
            ("sent", sent, every),
            ("delivered", there, b["bounced"] == 0),
            ("bounced", there, b["bounced"] == 1),
            ("viewed", money.on("viewed") + 19 * 60 * _MINUTE, viewed),
        )
    ]
    return pd.concat(frames, ignore_index=True).sort_values(
        ["happened_at", "invoice_id"], kind="stable", ignore_index=True
    )


def _contacts(life: Life, money: Money) -> Frame:
    """Reminders, calls about arrears, questions of customers, and what was asked to be done."""
    from earlywarn.simulate.life_kernels import FORGOT, SHOCK

    b = money.bills
    reason = np.where(b["cause"] == FORGOT, 0, np.where(b["cause"] >= SHOCK, 1, 2))
    stated = words(reason, "forgot", "income_drop", "other")
    reached = uniform(money.key, _REACHED, money.slot) < 0.45
    high = (b["amount"] >= SHOCK_TIMES * b["usual"]).astype(np.int64)
    frames = [
        _bill_contacts(money, "reminded", 1, "email", "outbound", "reminder", "payment", np.full(len(b), "delivered")),
        _bill_contacts(
            money, "reminded_again", 2, "phone", "outbound", "collection", "payment",
            np.where(reached, "reached", "no_answer"),
        ).assign(stated_reason=stated[b["reminded_again"] >= 0].where(reached[b["reminded_again"] >= 0]).to_numpy()),
        _bill_contacts(
            money, "questioned", 3, "phone", "inbound", "service", words(high, "other", "bill").to_numpy(),
            np.full(len(b), "reached"),
        ),
        _made(life),
        _outages(life),
    ]  # fmt: skip
    made = stack(frames)
    return made.sort_values(["contacted_at", "contact_id"], kind="stable", ignore_index=True)


def _bill_contacts(
    money: Money, day: str, mark: int, channel: str, direction: str, purpose: str, topic: Any, outcome: Any
) -> Frame:
    there = money.bills[day] >= 0
    minute = 9 * 60 + (uniform(money.key, _HOUR, money.slot * 8 + mark)[there] * 480).astype(np.int64)
    at = money.on(day)[there] + minute * _MINUTE
    return pd.DataFrame(
        {
            "contact_id": ids("M", money.invoice[there] * 10 + mark),
            "customer_id": money.customer_id[there].to_numpy(),
            "contacted_at": at,
            "channel": channel,
            "direction": direction,
            "invoice_id": money.invoice_id[there].to_numpy(),
            "purpose": purpose,
            "topic": topic[there] if isinstance(topic, np.ndarray) else topic,
            "outcome": outcome[there],
            "outcome_at": at + 6 * _MINUTE,
            "role": "customer_service" if direction == "inbound" else "receivables",
        }
    )


def _made(life: Life) -> Frame:
    """The contacts that were asked for, with their outcome."""
    born, answers = life.born, life.answers
    owner = life.contact_owner
    said = (life.contacts[:, 1] != LIMIT) & (life.contacts[:, 0] >= 0)
    owner, day, kind = owner[said], life.contacts[said, 0], life.contacts[said, 1]
    channel, window, got = life.contacts[said, 2], life.contacts[said, 3], answers[said]
    span, call = born.world.span, kind == CALL
    at = span.dates(day).astype("M8[us]") + (9 * 60 + window % 12 * 55) * _MINUTE
    outcome = np.where(
        call,
        np.where(got["reached"] == 1, "reached", "no_answer"),
        np.where(got["read"] == 1, "read", "delivered"),
    )
    slot = got["slot"].astype(np.int64)
    invoice = invoice_ids(born.people["number"][owner], np.maximum(slot, 0))
    number = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return pd.DataFrame(
        {
            "contact_id": ids("E", (born.people["number"][owner] + 1) * 1000 + number),
            "customer_id": born.ids[owner],
            "contacted_at": at,
            "channel": np.where(call, "phone", np.array(CHANNELS)[channel]),
            "direction": "outbound",
            "invoice_id": invoice.where(slot >= 0).to_numpy(),
            "purpose": "pre_due",
            "topic": "payment",
            "outcome": outcome,
            "outcome_at": at + 6 * _MINUTE,
            "accepted": pd.array(got["accepted"] == 1, dtype="boolean"),
            "satisfaction": np.where(got["satisfaction"] > 0, got["satisfaction"], np.nan),
            "rated_on": dates(span, got["rated"].astype(np.int64)),
            "role": "customer_service",
            **{str(name): life.log[name].to_numpy()[said] for name in life.log},
        }
    )


def _outages(life: Life) -> Frame:
    """A fifth of the customers of a region ask what is wrong while they are without service."""
    born = life.born
    out = born.world.economy.out[born.people["region"]]
    who, week = np.nonzero(out)
    asks = uniform(born.people["key"][who], _OUTAGE, week) < 0.2
    who, week = who[asks], week[asks]
    day = 7 * week + 1
    served = day > born.people["since"][who]
    who, week, day = who[served], week[served], day[served]
    at = dates(born.world.span, day) + 11 * 60 * _MINUTE
    return pd.DataFrame(
        {
            "contact_id": ids("O", (born.people["number"][who] + 1) * 1000 + week),
            "customer_id": born.ids[who],
            "contacted_at": at,
            "channel": "phone",
            "direction": "inbound",
            "purpose": "service",
            "topic": "outage",
            "outcome": "reached",
            "outcome_at": at + 6 * _MINUTE,
            "role": "customer_service",
        }
    )
