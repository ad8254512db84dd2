"""The point-in-time laws as plain functions that raise, so that tests and planted mutants share them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from earlywarn.features.build import compute
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.definition import Feature
from earlywarn.outcomes import Outcome
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS
from strategies import DAY, NEVER, Raw, cut, outside_the_law, scrambled

OUTCOME = Outcome(grace_days=3, lead_days=(14, 7, 3, 0))

_EXPRESSIONS = (
    # every aggregate, over tables
    "count(payments)",
    "sum(payments.amount, days=60)",
    "mean(invoices.amount, days=90)",
    "std(invoices.amount)",
    "min(payments.amount, days=45)",
    "max(invoices.amount, days=120)",
    "median(usage.quantity, days=90)",
    "quantile(usage.quantity, q=.25)",
    "mad(usage.quantity)",
    "share(usage.kind == 'data')",
    "first(payments.amount)",
    "last(payments.amount)",
    "last(payments.method)",
    "first(contacts.outcome)",
    "days_since(payments)",
    "days_since(contacts, where=outcome == 'promise')",
    "ewma(usage.quantity, alpha=.4)",
    "slope(usage.quantity)",
    "drift(usage.quantity, scale=2)",
    "distinct(payments.method)",
    "distinct(usage.quantity, days=60)",
    # windows and conditions
    "sum(usage.quantity, days=30, until=7)",
    "mean(usage.quantity, skip=1, last=2)",
    "last(invoices.amount, skip=1)",
    "count(payments, days=30, where=method == 'transfer')",
    "count(payments, where=event in ('returned', 'failed'))",
    "count(invoices, where=kind == 'credit_note')",
    "sum(invoices.amount, where=due_on > 0)",
    "count(invoices, where=isnull(withdrawn_on))",
    "max(invoices.due_on)",
    "count(invoice_events, where=event == 'due_changed')",
    # cells that are known later than their row
    "mean(contacts.satisfaction)",
    "share(contacts.accepted)",
    "count(contacts, where=isnull(outcome))",
    "count(disputes, where=isnull(closed_on))",
    "share(disputes.upheld)",
    "count(arrangements, where=ended_as == 'broken')",
    "days_since(contacts.outcome_at)",
    "sum(disputes.amount)",
    "count(contracts, where=ended_by == 'customer')",
    # other tables
    "last(arrears.days_past_due)",
    "count(mandates, where=event == 'cancelled')",
    "sum(allocations.amount)",
    "sum(visits.pages)",
    "last(visits.topic)",
    "count(visits, days=40)",
    "last(regions.value, where=metric == 'unemployment')",
    "sum(instalments.amount)",
    "count(schedule)",
    "last(contracts.fixed_fee)",
    "days_until(contracts.ends_on)",
    # streams
    "mean(settlements.days_beyond_terms)",
    "last(settlements.days_to_pay)",
    "sum(settlements.amount, days=90)",
    "max(settlements.parts)",
    "last(settlements.method)",
    "count(settlements, where=method == 'card')",
    "share(maturities.late == 1)",
    "sum(maturities.open_amount)",
    "count(maturities, days=60)",
    "last(balances.open_amount)",
    "last(balances.overdue_amount)",
    "last(balances.overdue_count)",
    "mean(balances.open_count)",
    "days_since(balances.oldest_overdue_on)",
    "count(returns, where=cause == 'funds')",
    "sum(returns.amount)",
    "days_since(returns)",
    "sum(obligations.amount)",
    "drift(settlements.days_beyond_terms, scale=7)",
    # ahead
    "ahead(sum(obligations.amount), days=30)",
    "ahead(count(instalments), days=60)",
    "days_until(instalments)",
    "ahead(count(obligations, where=stage == 'scheduled'), days=45)",
    # other customers
    "mean(maturities.late, of=region)",
    "mean(maturities.late, of=region, leave_out=customer)",
    "count(payments, days=60, of=portfolio)",
    "sum(invoices.amount, of=segment, leave_out=customer)",
    "std(invoices.amount, of=portfolio)",
    "share(contacts.accepted, of=region)",
    "share(contacts.accepted, of=portfolio, leave_out=customer)",
    "count(contacts, of=portfolio, where=isnull(outcome))",
    "count(contacts, of=portfolio, leave_out=customer, where=outcome == 'promise')",
    "sum(payments.amount, days=40, until=10, of=region, leave_out=customer)",
    "share(settlements.days_beyond_terms > 0, of=segment)",
    "count(disputes, of=region, where=isnull(closed_on))",
    "mean(usage.quantity, of=region, where=kind == 'data')",
    # the observed obligation, and scalars
    "invoice.amount",
    "invoice.open_amount",
    "invoice.kind",
    "invoice.stage",
    "invoice.terms_days",
    "invoice.days_since_issue",
    "invoice.days_to_due",
    "invoice.due_weekday",
    "invoice.due_day",
    "invoice.number",
    "log(invoice.amount / median(invoices.amount))",
    "coalesce(last(settlements.days_beyond_terms), -1)",
)
_PROFILE = (
    "last(customers.segment)",
    "last(customers.region)",
    "days_since(customers.customer_since)",
    "distinct(customers.region)",
)


def features_for(raw: Raw) -> FeatureSet:
    """A feature of every kind; attributes of customers only where their history is handed over."""
    return _features("customers" in raw.tables and not outside_the_law(raw, "customers"))


@cache
def _features(profile: bool) -> FeatureSet:
    texts = [*_EXPRESSIONS, *(_PROFILE if profile else ())]
    return FeatureSet([Feature(f"f{number:03}", text) for number, text in enumerate(texts)], families={})


def same(one: pd.DataFrame, other: pd.DataFrame, what: str) -> None:
    """Refuse two frames that differ in any value; categories are compared as text."""
    if one.equals(other):
        return
    one, other = _plain(one), _plain(other)
    if list(one.columns) != list(other.columns) or len(one) != len(other):
        raise AssertionError(f"{what}: shapes differ\n{one.to_string()}\n{other.to_string()}")
    equal = (one == other) | (one.isna() & other.isna())
    if not bool(equal.to_numpy().all()):
        rows, places = ~equal.all(axis=1), ~equal.all(axis=0)
        shown = f"{one.loc[rows, places].to_string()}\n{other.loc[rows, places].to_string()}"
        raise AssertionError(f"{what} differ\n{shown}")


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: frame[name].to_numpy(dtype=object, na_value=None) for name in frame.columns})


def observed(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Observations that could be made up to a moment, and all obligations that stand then."""
    at = pd.Timestamp(np.datetime64(as_of, "us"))
    dated = OUTCOME.observations(ledger, end=at)
    standing = OUTCOME.standing(ledger, at, 35, disputed=True)
    return pd.concat([dated.assign(how="observed"), standing.assign(how="standing")], ignore_index=True)


def matrix(raw: Raw, ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    """The broad feature set, columns named by their expression."""
    features = features_for(raw)
    found = compute(features, ledger, obs)
    return found.set_axis([feature.value for feature in features], axis=1)


def books(ledger: Ledger, as_of: int) -> dict[str, pd.DataFrame]:
    """Entries, states, replaced plans and streams as they were known before a moment, in words instead of numbers."""
    entries, states, _ = ledger.settlement
    customers = np.array([*ledger.customers, "?"], dtype=object)
    debts = _debt_labels(ledger)
    sources = _source_labels(ledger)
    payouts = {
        name: getattr(entries, name) for name in ("kind", "amount", "known_at", "value_at", "counts_at", "returned")
    }
    frames = {
        "entries": pd.DataFrame(
            {
                "customer": customers[entries.customer],
                "debt": debts[entries.debt],
                "source": sources[entries.source],
                **payouts,
            }
        ),
        "states": pd.DataFrame(
            {
                "customer": customers[states.customer],
                "debt": debts[states.debt],
                **{
                    name: getattr(states, name)
                    for name in ("known_at", "open", "amount", "due_at", "issued_at", "withdrawn")
                },
                "known_until": _open_end(states.known_until, as_of),
            }
        ).sort_values("customer", kind="stable", ignore_index=True),  # whose come first is not said
    }
    for name in STREAMS:
        facts = ledger.facts(name)
        columns = {
            column: facts.text(column).values() if kind == "text" else facts.columns[column]
            for column, kind in facts.kinds.items()
        }
        owner, until = customers[facts.owner], _open_end(facts.known_until, as_of)
        moments = {"happened_at": facts.happened_at, "known_at": facts.known_at, "known_until": until}
        frames[name] = pd.DataFrame({"customer": owner, **moments, **columns})
    return {name: frame[frame["known_at"] < as_of].reset_index(drop=True) for name, frame in frames.items()}


def _open_end(until: Any, as_of: int) -> Any:
    return np.where(until >= as_of, NEVER, until)


def _debt_labels(ledger: Ledger) -> Any:
    schedule = ledger.facts("schedule")
    parts = [schedule.text(name).values() for name in ("account_id", "contract_id", "kind")]
    plans = [f"plan {key}" for key in zip(schedule.owner, schedule.happened_at, *parts, strict=True)]
    owners = np.array([*ledger.customers, "?"], dtype=object)
    plans = [f"{owners[owner]} {text.partition(',')[2]}" for owner, text in zip(schedule.owner, plans, strict=True)]
    return np.array([*ledger.debts.invoice_ids, *plans, "credit"], dtype=object)


def _source_labels(ledger: Ledger) -> Any:
    return np.array(
        [*ledger.facts("payments").text("payment_id").labels, *ledger.debts.invoice_ids, "none"], dtype=object
    )


# -- the laws ------------------------------------------------------------------------------------------------


def later_facts_change_nothing(
    raw: Raw, as_of: int, *, seed: int = 0, how: tuple[str, ...] = ("cut", "known_before", "changed")
) -> None:
    """Removing or changing what was not known before ``as_of`` changes nothing that is said as of then."""
    full = raw.ledger()
    obs = observed(full, as_of)
    if obs.duplicated(["obligation_id", "as_of", "how"]).any():
        raise AssertionError("an obligation is observed twice at one moment")
    x, then = matrix(raw, full, obs), books(full, as_of)
    others = {
        "cut": lambda: cut(raw, as_of).ledger(),
        "known_before": lambda: full.known_before(as_of),
        "changed": lambda: scrambled(raw, as_of, seed).ledger(),
    }
    for name in how:
        other = others[name]()
        for part, frame in books(other, as_of).items():
            same(then[part], frame, f"{name}: {part}")
        again = observed(other, as_of)
        same(obs, again, f"{name}: observations")
        same(x, matrix(raw, other, obs), f"{name}: features")


def known_before_keeps_what_was_known(raw: Raw, as_of: int) -> None:
    """`Ledger.known_before` hands out the tables that a reader would have had then."""
    ours, theirs = raw.ledger().known_before(as_of), cut(raw, as_of).ledger()
    for name in raw.tables:
        if len(theirs.facts(name)):
            columns = [column for column in theirs.frame(name) if column != "known_at"]
            mine, other = (ledger.frame(name)[columns] for ledger in (ours, theirs))
            key = columns[:3]
            same(_ordered(mine, key), _ordered(other, key), f"known_before: {name}")


def _ordered(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    text = frame.astype(str)
    return frame.loc[text.sort_values(list(text.columns)).index].reset_index(drop=True)


def labels_are_dated_by_the_clocks(examples: list[dict[str, Any]]) -> None:
    """The label of hand-worked bills: one invoice, what was paid on which day, and what the design says of it."""
    for example in examples:
        ledger = Ledger.from_tables(invoices=example["invoices"], payments=example["payments"], until="2026-12-01")
        obs = Outcome(grace_days=3, lead_days=7).observations(ledger)
        found = Outcome(grace_days=3, lead_days=7).label(ledger, obs).tolist()
        if found != example["late"]:
            raise AssertionError(f"{example['name']}: label {found}, the design says {example['late']}")


def returns_are_dated_by_the_bank(raw: Raw) -> None:
    """Each returned payment is a fact of the day on which it came back, and the books know it from then."""
    ledger = raw.ledger()
    facts = ledger.returns
    frame = raw.tables["payments"]
    back = (
        frame[frame["event"].isin(["failed", "returned", "refunded", "reversed"])]
        if "event" in frame
        else frame.iloc[:0]
    )
    wanted = sorted(back["paid_on"].to_numpy().astype("M8[us]").astype(np.int64).tolist())
    if sorted(facts.happened_at.tolist()) != wanted:
        raise AssertionError(f"returns happened at {sorted(facts.happened_at.tolist())}, the table says {wanted}")
    if not (facts.known_at >= facts.happened_at).all():
        raise AssertionError("a return is known before it happened")


def midnights(raw: Raw, as_of: int) -> int:
    """The same day at 00:00."""
    return as_of // DAY * DAY
