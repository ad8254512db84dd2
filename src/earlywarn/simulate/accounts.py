"""What a billing system holds of its customers: accounts, contracts, mandates, holds, consents, planned amounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from earlywarn.simulate.actions import DUE_DAY_OFFER
from earlywarn.simulate.chance import uniform
from earlywarn.simulate.columns import account_ids, contract_number, dates, ids, words
from earlywarn.simulate.economy import REGIONS
from earlywarn.simulate.people import CHANNELS, SIGNUPS, after_payday

if TYPE_CHECKING:
    from earlywarn.simulate.world import Born, Life

__all__ = ["standing"]

_CONSENT, _WITHDRAWN, _HELD, _HOLD_KIND, _HOLD_FROM, _HOLD_TO, _PLANNED = 700, 701, 704, 705, 706, 707, 712
#: Share of accounts with a device that pay it off by a plan.
_PLANNED_SHARE = 0.15
Frame = pd.DataFrame


def standing(life: Life) -> dict[str, Frame]:
    """Customers, accounts, contracts and mandates, what protects them, what they consented to, what is planned."""
    born = life.born
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
    account_id = account_ids(customer_id)
    accounts = pd.DataFrame(
        {
            "account_id": account_id,
            "customer_id": customer_id,
            "collect_by": words(people["debit"], "transfer", "direct_debit"),
            "due_day": _due_day(life),
            "opened_on": since,
        }
    )
    planned = {"schedule": _schedule(life, accounts)} if born.world.preset.bill.device else {}
    return {
        **planned,
        "customers": customers,
        "accounts": accounts,
        "contracts": _contracts(life, account_id),
        "mandates": _mandates(born, customer_id, since),
        "holds": _holds(born, customer_id),
        "consents": _consents(born, customer_id, since),
    }


def _due_day(life: Life) -> Any:
    """The day of the month on which bills fall due, as it is in the end."""
    people, preset = life.born.people, life.born.world.preset
    day = ((people["cycle"] + people["terms"] - 1) % 28 + 1).astype(np.float64)
    if preset.bill.per_month > 1:
        day[:] = np.nan  # several a month
    moved = (life.contacts[:, 1] == DUE_DAY_OFFER) & (life.answers["accepted"] == 1)
    moved &= life.contacts[:, 0] < life.born.world.span.end
    day[life.contact_owner[moved]] = after_payday(people["payday"][life.contact_owner[moved]])
    return day


def _schedule(life: Life, accounts: Frame) -> Frame:
    """A device paid off in three parts after the end, agreed a week before it: few of those who have one."""
    people, span = life.born.people, life.born.world.span
    few = (people["device"] == 1) & (uniform(people["key"], _PLANNED, np.array(0)) < _PLANNED_SHARE)
    few &= accounts["due_day"].notna().to_numpy()
    own = accounts[few & (people["since"] < span.end - 60) & (life.left < 0)]
    parts = own.loc[own.index.repeat(3), ["customer_id", "account_id", "collect_by", "due_day"]].reset_index(drop=True)
    month = span.months + np.tile(np.arange(3), len(own)) + 1
    due = span.day_of_month(month, parts.pop("due_day").to_numpy().astype(np.int64))
    known = dates(span, np.full(len(due), span.end - 7))
    planned: Frame = parts.assign(expected_due_on=dates(span, due), amount=25.0, kind="device", known_at=known)
    return planned


def _contracts(life: Life, account_id: pd.Series) -> Frame:
    born = life.born
    people, span, preset = born.people, born.world.span, born.world.preset
    ended = life.ended[born.contracts.owner]
    contracts = born.contracts.take(np.flatnonzero((ended < 0) | (born.contracts.since <= ended)))
    owner = contracts.owner
    gone, ended = life.left[owner], life.ended[owner]
    size = np.digitize(contracts.level / preset.use.level, [0.7, 1.6])
    return pd.DataFrame(
        {
            "contract_id": ids("C", contract_number(people["number"][owner], contracts.second)),
            "account_id": account_id.to_numpy()[owner],
            "starts_on": span.dates(contracts.since).astype("M8[us]"),
            "ends_on": dates(span, ended),
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
