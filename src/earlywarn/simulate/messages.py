"""What passes between a biller and its customers: bills that are sent and seen, reminders, calls, questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from earlywarn.outcomes.running import SHOCK_TIMES
from earlywarn.simulate.actions import ADVANCE_OFFER, CALL, DUE_DAY_OFFER, LIMIT, USAGE_CALL
from earlywarn.simulate.chance import uniform
from earlywarn.simulate.columns import dates, ids, invoice_ids, stack, words
from earlywarn.simulate.people import CHANNELS

if TYPE_CHECKING:
    from earlywarn.simulate.money import Money
    from earlywarn.simulate.world import Life

__all__ = ["contacts", "invoice_events"]

_SENT, _THERE, _OUTAGE, _REACHED, _HOUR = 702, 703, 708, 709, 711
_MINUTE = np.timedelta64(60_000_000, "us")
#: What an action is about, by its number.
_TOPICS = ("", "payment", "payment", "limit", "usage", "usage", "advance", "due_day")
#: What may be offered.
OFFERS = ("other_day", "instalments", "advance", "due_day")
Frame = pd.DataFrame


def invoice_events(money: Money) -> Frame:
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


def contacts(life: Life, money: Money) -> Frame:
    """Reminders, calls about arrears, questions of customers, and what was asked to be done."""
    from earlywarn.simulate.life_kernels import STATED

    b = money.bills
    stated = words(b["cause"], *STATED)
    planned = (b["agreed"] >= 0) & (b["agreed"] == b["reminded_again"] + 2)  # what is agreed was talked about
    reached = planned | (uniform(money.key, _REACHED, money.slot) < 0.45)
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
    span, call = born.world.span, (kind == CALL) | (kind == USAGE_CALL)
    about_bill, offered = kind <= CALL, _offered(life, said)
    at = span.dates(day).astype("M8[us]") + (9 * 60 + window % 12 * 55) * _MINUTE
    outcome = np.where(
        call,
        np.where(got["reached"] == 1, "reached", "no_answer"),
        np.where((got["read"] == 1) & (channel != CHANNELS.index("letter")), "read", "delivered"),
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
            "purpose": np.where(about_bill, "pre_due", "service"),
            "topic": words(kind, *_TOPICS),
            "outcome": outcome,
            "outcome_at": at + 6 * _MINUTE,
            "offer": words(offered, *OFFERS),
            "accepted": pd.Series(got["accepted"] == 1, dtype="boolean").mask(offered < 0).array,
            "satisfaction": np.where(got["satisfaction"] > 0, got["satisfaction"], np.nan),
            "rated_on": dates(span, got["rated"].astype(np.int64)),
            "role": "customer_service",
            **{str(name): life.log[name].to_numpy()[said] for name in life.log},
        }
    )


def _offered(life: Life, said: Any) -> Any:
    """What was offered in each contact, -1 for nothing: by a call, when means are short, one or the other."""
    kind, got = life.contacts[said, 1], life.answers[said]
    agreed = life.bills["agreed"][life.contact_owner[said]] == life.contacts[said, :1]
    in_call = np.where(agreed.any(axis=1), OFFERS.index("instalments"), OFFERS.index("other_day"))
    offered = np.where((kind == CALL) & (got["accepted"] >= 0), in_call, -1)
    by_message = got["accepted"] >= 0  # it was read
    offered = np.where((kind == ADVANCE_OFFER) & by_message, OFFERS.index("advance"), offered)
    return np.where((kind == DUE_DAY_OFFER) & by_message, OFFERS.index("due_day"), offered)


def _outages(life: Life) -> Frame:
    """A fifth of the customers of a region ask what is wrong while they are without service."""
    born = life.born
    out = born.world.economy.out[born.people["region"]]
    who, week = np.nonzero(out)
    asks = uniform(born.people["key"][who], _OUTAGE, week) < 0.2
    who, week = who[asks], week[asks]
    day = 7 * week + 1
    ended = life.ended[who]
    served = (day > born.people["since"][who]) & ((ended < 0) | (day < ended))
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
