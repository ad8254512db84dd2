"""The subscribers of the generated biller: who and where they are, what they use and are billed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.datasets.span import Span, days, stack

__all__ = [
    "MONTHS_BEFORE",
    "REGIONS",
    "make_accounts",
    "make_consents",
    "make_contracts",
    "make_customers",
    "make_economy",
    "make_holds",
    "make_invoices",
    "make_regions",
    "make_schedule",
    "make_usage",
    "region_number",
]

#: Region: parent, language, weight, usual unemployment in percent.
REGIONS = {
    "BE100": ("BE10", "fr", 0.12, 11.5),
    "BE211": ("BE21", "nl", 0.14, 5.2),
    "BE234": ("BE23", "nl", 0.10, 3.6),
    "BE251": ("BE25", "nl", 0.08, 3.0),
    "BE32B": ("BE32", "fr", 0.09, 9.8),
    "BE332": ("BE33", "fr", 0.09, 9.0),
    "NL113": ("NL11", "nl", 0.06, 4.6),
    "NL310": ("NL31", "nl", 0.10, 3.3),
    "NL329": ("NL32", "nl", 0.10, 4.0),
    "NL33C": ("NL33", "nl", 0.07, 4.8),
    "NL414": ("NL41", "nl", 0.05, 3.4),
}
#: Product: kind of use, unit, price of a unit above the allowance.
_PRODUCTS = {"mobile": ("data", "GB", 1.0), "internet": ("data", "GB", 0.4), "voice": ("calls", "min", 0.12)}
#: Days that a row of use covers: as many as features of daily use allow, so that the tables stay small.
READ_DAYS = 3
#: Months of regional figures before the first bill; days from the end of a month to its figure.
MONTHS_BEFORE, DAYS_TO_PUBLICATION = 15, 45

Frame = pd.DataFrame
Rng = np.random.Generator
Numbers = npt.NDArray[np.float64]
_NEVER = np.datetime64("NaT", "D")


def make_economy(rng: Rng, months: int) -> Numbers:
    """Unemployment in percent by region and month."""
    usual = np.array([row[3] for row in REGIONS.values()])[:, None]
    steps = rng.normal(0, 0.25, (len(REGIONS), months + MONTHS_BEFORE))
    rate: Numbers = np.maximum(0.5, usual + np.cumsum(steps, axis=1))
    return np.round(rate, 1)


def region_number(people: Frame) -> Any:
    """Row of each customer's region in the economy."""
    place = {region: number for number, region in enumerate(REGIONS)}
    return people["region"].map(place).to_numpy(dtype=np.int64)


def make_regions(economy: Numbers, span: Span) -> Frame:
    """One figure a region and month, and the mean of each parent, known 45 days after the month."""
    month = np.arange(economy.shape[1]) - MONTHS_BEFORE
    published = span.day(month + 1) + days(DAYS_TO_PUBLICATION)
    parents = [row[0] for row in REGIONS.values()]
    above = pd.DataFrame(economy).groupby(np.array(parents)).mean().round(1)
    rows = {
        **dict(zip(REGIONS, economy, strict=True)),
        **dict(zip(above.index, above.to_numpy(), strict=True)),
    }
    parent_of = {**dict(zip(REGIONS, parents, strict=True)), **{code: code[:2] for code in above.index}}
    return pd.concat(
        [
            pd.DataFrame({"region": region, "published_on": published, "metric": "unemployment",
                          "value": rate, "parent": parent_of[region]})
            for region, rate in rows.items()
        ]
    )  # fmt: skip


def make_customers(rng: Rng, n: int, span: Span) -> Frame:
    """Draw persons and firms; some join on the way."""
    names, weights = list(REGIONS), np.array([row[2] for row in REGIONS.values()])
    region = rng.choice(names, n, p=weights / weights.sum())
    business = rng.random(n) < 0.12
    joins = np.where(rng.random(n) < 0.15, rng.integers(1, 20 * span.months, n), -rng.integers(30, 3000, n))
    age = np.clip(rng.normal(46, 16, n), 18, 90).astype(int)
    sex = rng.choice(["female", "male"], n)
    return pd.DataFrame(
        {
            "customer_id": [f"K{number:05d}" for number in range(1, n + 1)],
            "segment": np.where(business, "b2b", "b2c"),
            "country": [name[:2] for name in region],
            "region": region,
            "language": [REGIONS[name][1] for name in region],
            "customer_since": span.start + days(joins),
            "signup_channel": rng.choice(["app", "web", "shop", "phone"], n, p=[0.25, 0.4, 0.2, 0.15]),
            "preferred_channel": rng.choice(["email", "app", "sms", "letter"], n, p=[0.55, 0.2, 0.15, 0.1]),
            "birth_year": pd.Series(2024 - age, dtype="Int64").where(~business),
            "sex": pd.Series(sex).where(~business),
        }
    )


def make_accounts(rng: Rng, people: Frame) -> Frame:
    """Give each customer an account with its billing day, which leaves 14 to 21 days to pay."""
    n = len(people)
    cycle = rng.integers(1, 29, n)
    terms = rng.choice([14, 16, 18], n)
    return pd.DataFrame(
        {
            "account_id": "A" + people["customer_id"].str[1:],
            "customer_id": people["customer_id"],
            "collect_by": np.where(rng.random(n) < 0.45, "direct_debit", "transfer"),
            "due_day": (cycle + terms - 1) % 28 + 1,
            "opened_on": people["customer_since"],
            "cycle_day": cycle,
        }
    )


def make_contracts(rng: Rng, people: Frame, accounts: Frame, span: Span) -> Frame:
    """One contract an account, for some a second one; a few end."""
    account = np.concatenate([np.arange(len(people)), np.flatnonzero(rng.random(len(people)) < 0.18)])
    n = len(account)
    second = np.arange(n) >= len(people)
    joined = people["customer_since"].to_numpy().astype("M8[D]")
    since = joined[account] + days(np.where(second, rng.integers(60, 400, n), 0))
    product = rng.choice(list(_PRODUCTS), n, p=[0.6, 0.3, 0.1])
    size = rng.choice(3, n, p=[0.4, 0.4, 0.2])
    scale = np.where(people["segment"].to_numpy()[account] == "b2b", 3, 1)
    sizes = {"mobile": 10 * 3**size, "internet": 150 * 2**size, "voice": 120 * 2**size}
    allowance = np.select([product == name for name in sizes], list(sizes.values()))
    ends = span.start + days(rng.integers(90, 32 * span.months, n))
    told = (ends > since + days(90)) & (ends - days(30) < span.end) & (rng.random(n) < 0.05)
    ends = np.where(told, ends, _NEVER)
    campaign = (rng.random(n) < 0.5) & (since > span.start - days(250))
    return pd.DataFrame(
        {
            "contract_id": [f"C{number:05d}" for number in range(1, n + 1)],
            "account_id": accounts["account_id"].to_numpy()[account],
            "starts_on": since,
            "ends_on": ends,
            "notice_on": ends - days(30),
            "ended_by": pd.Series("customer", range(n)).where(told),
            "product": product,
            "tariff": np.array(["S", "M", "L"])[size],
            "payment_model": "postpaid",
            "fixed_fee": np.round((12.5 + 9.5 * size + 14.0 * (product == "internet")) * scale, 2),
            "allowance": (allowance * scale).astype(np.float64),
            "campaign": pd.Series("switch-and-save", range(n)).where(campaign),
            "account": account,
        }
    )


def make_usage(rng: Rng, contracts: Frame, accounts: Frame, span: Span) -> Frame:
    """One row a contract and `READ_DAYS` days; now and then three weeks far above the usual level."""
    n, weeks = len(contracts), int((span.end - span.start).astype(np.int64)) // 7
    begins = span.start + days(7 * np.arange(weeks))
    week_share = contracts["allowance"].to_numpy()[:, None] * 7 / 30.4
    season = 1 + 0.1 * np.cos(2 * np.pi * (begins.astype("M8[M]").astype(np.int64) % 12) / 12)
    level = rng.uniform(0.5, 1.0, (n, 1)) * season * rng.lognormal(0, 0.2, (n, weeks))
    starts = np.pad(rng.random((n, weeks)) < 0.007, ((0, 0), (2, 0)))
    spike = starts[:, 2:] | starts[:, 1:-1] | starts[:, :-2]
    of_week = week_share * level * np.where(spike, rng.uniform(2, 5, (n, 1)), 1)
    of_day = rng.lognormal(0, 0.3, (n, weeks, 7))
    daily = (of_week[:, :, None] * of_day / of_day.sum(axis=2, keepdims=True)).reshape(n, -1)
    reads = daily.shape[1] // READ_DAYS
    quantity = np.round(daily[:, : reads * READ_DAYS].reshape(n, reads, READ_DAYS).sum(axis=2), 3)
    begins = span.start + days(READ_DAYS * np.arange(reads))
    since, until = (contracts[name].to_numpy().astype("M8[D]")[:, None] for name in ("starts_on", "ends_on"))
    contract, read = np.nonzero((since <= begins) & (np.isnat(until) | (begins + days(READ_DAYS - 1) <= until)))
    chosen = contracts.iloc[contract].reset_index(drop=True)
    used_on = begins[read] + days(READ_DAYS - 1)
    cycle = accounts["cycle_day"].to_numpy()[chosen["account"]]
    month = ((used_on - days(cycle - 1)).astype("M8[M]") - span.first).astype(np.int64)
    used = pd.DataFrame({"contract": contract, "month": month, "quantity": quantity[contract, read]})
    so_far = used.groupby(["contract", "month"])["quantity"].cumsum()
    above = (so_far - chosen["allowance"]).clip(lower=0).clip(upper=used["quantity"])
    price = chosen["product"].map({product: row[2] for product, row in _PRODUCTS.items()})
    kind, unit = (chosen["product"].map({p: row[k] for p, row in _PRODUCTS.items()}) for k in (0, 1))
    return used.assign(
        usage_id=[f"U{number:08d}" for number in range(len(used))],
        customer_id=accounts["customer_id"].to_numpy()[chosen["account"]],
        contract_id=chosen["contract_id"],
        used_from=begins[read],
        used_on=used_on,
        kind=kind,
        unit=unit,
        cost=(above * price).round(2),
        in_bundle=above == 0,
        read="actual",
    )


def make_invoices(contracts: Frame, usage: Frame, accounts: Frame, span: Span) -> Frame:
    """One bill an account and month: the fixed fees, and what was used above the allowance."""
    n, months = len(accounts), np.arange(span.months)
    cycle, due_day = (accounts[name].to_numpy()[:, None] for name in ("cycle_day", "due_day"))
    begins, issued = span.day(months, cycle), span.day(months + 1, cycle)
    since, until = (contracts[name].to_numpy().astype("M8[D]")[:, None] for name in ("starts_on", "ends_on"))
    account = contracts["account"].to_numpy()
    runs = (since < issued[account]) & (np.isnat(until) | (until >= begins[account]))
    fees, costs = np.zeros((n, span.months)), np.zeros((n, span.months))
    np.add.at(fees, account, runs * contracts["fixed_fee"].to_numpy()[:, None])
    inside = usage[usage["month"].between(0, span.months - 1)]
    np.add.at(costs, (account[inside["contract"]], inside["month"]), inside["cost"])
    who, month = np.nonzero((fees > 0) & (issued < span.end))
    order = np.lexsort((who, issued[who, month]))
    who, month = who[order], month[order]
    issue = issued[who, month]
    next_month = due_day[who, 0] <= cycle[who, 0]
    return pd.DataFrame(
        {
            "invoice_id": [f"R{number:06d}" for number in range(1, len(who) + 1)],
            "customer_id": accounts["customer_id"].to_numpy()[who],
            "account_id": accounts["account_id"].to_numpy()[who],
            "issued_on": issue,
            "due_on": span.day(month + 1 + next_month, due_day[who, 0]),
            "amount": np.round(fees[who, month] + costs[who, month], 2),
            "currency": "EUR",
            "kind": "recurring",
            "period_from": begins[who, month],
            "period_to": issue - days(1),
            "collect_by": accounts["collect_by"].to_numpy()[who],
            "customer": who,
            "month": month,
            "fees": fees[who, month],
        }
    )


def make_schedule(rng: Rng, accounts: Frame, span: Span) -> Frame:
    """A device paid off in three parts after the end, agreed a week before it: few accounts."""
    few = accounts[rng.random(len(accounts)) < 0.03]
    parts = few.loc[few.index.repeat(3)].reset_index(drop=True)
    month = span.months + np.tile(np.arange(3), len(few)) + 1
    plan = parts[["customer_id", "account_id", "collect_by"]]
    return plan.assign(
        expected_due_on=span.day(month, parts["due_day"]),
        amount=25.0,
        kind="device",
        known_at=span.end - days(7),
    )


def make_holds(rng: Rng, traits: Frame, span: Span) -> Frame:
    """Few customers, more among those with little to spare; some holds end."""
    kinds = ["vulnerable", "debt_counselling", "do_not_contact", "no_profiling", "medical", "deceased"]
    held = traits[rng.random(len(traits)) < 0.015 * np.exp(-0.5 * traits["ease"])]
    kind = rng.choice(kinds, len(held), p=[0.35, 0.25, 0.15, 0.1, 0.1, 0.05])
    started = span.start + days(rng.integers(0, 30 * span.months, len(held)))
    ends = (rng.random(len(held)) < 0.3) & np.isin(kind, kinds[:3])
    ended = np.where(ends, started + days(rng.integers(30, 200, len(held))), _NEVER)
    return pd.DataFrame({"customer_id": held["customer_id"], "kind": kind, "started_on": started, "ended_on": ended})


def make_consents(rng: Rng, people: Frame) -> Frame:
    """Draw consents by channel and purpose; few are withdrawn."""
    shares = {("email", "service"): 0.95, ("sms", "service"): 0.7, ("phone", "service"): 0.8,
              ("email", "commercial"): 0.4, ("phone", "commercial"): 0.2}  # fmt: skip
    parts = []
    for (channel, purpose), share in shares.items():
        given = people[rng.random(len(people)) < share]
        since = given["customer_since"].to_numpy().astype("M8[D]")
        later = since + days(rng.integers(60, 900, len(given)))
        gone = np.where(rng.random(len(given)) < 0.05, later, _NEVER)
        parts.append(
            pd.DataFrame({"customer_id": given["customer_id"], "channel": channel, "purpose": purpose,
                          "given_on": since, "withdrawn_on": gone})
        )  # fmt: skip
    return stack(parts)
