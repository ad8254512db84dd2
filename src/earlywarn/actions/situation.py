"""What is known of each obligation and its debtor at the moment: holds, disputes, money on its way, arrears.

Everything comes from the ledger as it was known before the moment. A hold, dispute or arrangement is active
until its end is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.actions.parts import Rules
from earlywarn.actions.standing import Standing
from earlywarn.actions.words import PERSON
from earlywarn.dates import FOREVER, NAT, US_PER_DAY, visible
from earlywarn.outcomes.arrangements import covered_debts, invoice_base
from earlywarn.tables.checks import Text
from earlywarn.tables.events import is_collection
from earlywarn.tables.facts import Facts, units
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import UNALLOCATED

__all__ = ["Situation", "situation_of"]

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

_HOUR = US_PER_DAY // 24


@dataclass(frozen=True)
class Situation:
    """What bears on each obligation; all arrays have shape (n,), in the order of the standing obligations.

    Attributes
    ----------
    gates : mapping of str to ndarray of bool
        For every gate, whether it matches. Those about a person hold for all obligations of a debtor.
    overdue, beyond_grace : ndarray of bool
        Whether this obligation itself is past due, and past its grace.
    in_grace : ndarray of bool
        Whether any obligation of the debtor is past due and still in its grace.
    marketing_stop : ndarray of bool
        Whether commercial angles are refused.
    """

    gates: Mapping[str, Mask]
    overdue: Mask
    beyond_grace: Mask
    in_grace: Mask
    marketing_stop: Mask


def situation_of(standing: Standing, known: Ledger, at: int, rules: Rules) -> Situation:
    """Look up what is known.

    Parameters
    ----------
    standing : Standing
    known : Ledger
        As `Ledger.known_before` gives it for the moment.
    at : int, microseconds
        The moment.
    rules : Rules

    Returns
    -------
    Situation
    """
    limits = rules.thresholds
    gates = {gate: _held(standing, known, gate, rule.holds) for gate, rule in rules.gates.items()}
    gates["deceased"] |= np.isin(standing.owner, _deceased(known))
    gates["dispute"] |= standing.of(_running(known.facts("disputes"), "closed_on"))
    owed = (standing.amount > limits.arrears_amount) & ~gates["dispute"]
    overdue = standing.lead_days < 0
    beyond = standing.lead_days < -limits.grace_days
    gates["overdue"] |= standing.any_of_debtor(beyond & owed)
    coming, pool = _coming(standing, known, at, limits.transit_days)
    gates["in_transit"] |= coming | standing.covered_by(pool) | _promised(standing, known, at)
    gates["collecting"] |= standing.stage == "collecting"
    gates["arrangement"] |= _arranged(standing, known)
    gates["credit_balance"] |= standing.covered_by(_credit(known, at))
    gates["prepaid"] |= _prepaid(standing, known)
    gates["mandatory_notice"] |= _mandatory(standing, known, at, limits.mandatory_hours)
    return Situation(
        gates=gates,
        overdue=overdue,
        beyond_grace=beyond,
        in_grace=standing.any_of_debtor(overdue & ~beyond & owed),
        marketing_stop=np.isin(standing.owner, _do_not_contact(known, marketing=True).owner),
    )


def _running(facts: Facts, end: str) -> Facts:
    """Facts whose end is not known."""
    now = facts.current()
    return now.take(now.moments(end) == NAT)


def _do_not_contact(known: Ledger, *, marketing: bool) -> Facts:
    """Refusals of marketing only, or all others: any scope but "marketing" stops everything."""
    holds = _running(known.facts("holds"), "ended_on")
    narrow = holds.text("scope").is_word("marketing")
    return holds.take(holds.text("kind").is_word("do_not_contact") & (narrow if marketing else ~narrow))


def _held(standing: Standing, known: Ledger, gate: str, kinds: tuple[str, ...]) -> Mask:
    """Obligations under an active hold of these kinds."""
    holds = _running(known.facts("holds"), "ended_on")
    hit = holds.text("kind").is_word(*kinds)
    if gate == "do_not_contact":
        hit &= ~(holds.text("kind").is_word("do_not_contact") & holds.text("scope").is_word("marketing"))
    holds = holds.take(hit)
    return np.isin(standing.owner, holds.owner) if gate in PERSON else standing.of(holds)


def _deceased(known: Ledger) -> npt.NDArray[np.int64]:
    """Customers whose bank said so."""
    returns = known.facts("returns")
    return returns.owner[returns.text("cause").is_word("deceased")]


def _coming(standing: Standing, known: Ledger, at: int, days: int) -> tuple[Mask, Values]:
    """Obligations with a payment on its way, and the money on its way that names none, by customer.

    A payment is on its way while its latest event is "initiated", for some days. Collections that name an
    invoice are not meant: they are the stage "collecting".
    """
    payments = known.facts("payments").current()
    ids, started = payments.text("payment_id").codes, payments.text("event").is_word("initiated")
    order = np.lexsort((~started, payments.known_at, ids))
    last = order[np.append(ids[order][1:] != ids[order][:-1], True)] if len(order) else order
    waits = last[started[last] & (payments.happened_at[last] >= at - days * US_PER_DAY)]
    payments = payments.take(waits)
    named = payments.text("invoice_id").codes >= 0
    pool = np.zeros(len(known.customers))
    amount = units(np.asarray(payments.numbers("amount", 0.0)), known.digits)
    np.add.at(pool, payments.owner[~named], np.nan_to_num(amount[~named]))
    return standing.of(payments.take(named & ~is_collection(payments))), pool


def _promised(standing: Standing, known: Ledger, at: int) -> Mask:
    """Obligations that the debtor promised to pay on a day that is not past."""
    contacts = known.facts("contacts").current()
    promised = contacts.moments("promised_on")
    return standing.of(contacts.take((promised != NAT) & (promised >= at // US_PER_DAY * US_PER_DAY)))


def _arranged(standing: Standing, known: Ledger) -> Mask:
    """Instalments, and invoices under an arrangement that has not ended."""
    mask = np.array([word.startswith("instalment:") for word in standing.obligation_id], dtype=bool)
    arrangements = known.facts("arrangements")
    if not len(arrangements):
        return mask
    active = (arrangements.known_until == FOREVER) & (arrangements.moments("ended_on") == NAT)
    covers = covered_debts(known, invoice_base(known))
    debts = [debt for row in np.flatnonzero(active) for debt in covers.get(int(row), [])]
    debt = known.debts.number(Text.of(standing.invoice_id)) if len(standing) else np.zeros(0, dtype=np.int64)
    return mask | ((debt >= 0) & np.isin(debt, debts))


def _credit(known: Ledger, at: int) -> Values:
    """Money of each customer that no debt has taken yet, deposits left out; units of currency.

    A planned amount takes its money when it falls due, so the books run ahead of the moment.
    """
    entries, payments = known.settlement.entries, known.facts("payments")
    deposits = payments.text("payment_id").codes[payments.text("kind").is_word("deposit")]
    free = (entries.debt == UNALLOCATED) & ~np.isin(entries.source, deposits)
    free &= visible(entries.known_at, np.full(len(entries.known_at), FOREVER), at)
    credit = np.zeros(len(known.customers))
    np.add.at(credit, entries.customer[free], entries.amount[free] / 10.0**known.digits)
    return credit


def _prepaid(standing: Standing, known: Ledger) -> Mask:
    """Obligations of prepaid contracts, and of debtors that have no other contract."""
    contracts = known.facts("contracts").current()
    prepaid = contracts.text("payment_model").is_word("prepaid")
    ids = set(contracts.text("contract_id").values()[prepaid])
    only = np.setdiff1d(contracts.owner[prepaid], contracts.owner[~prepaid])
    own = np.array([word is not None and word in ids for word in standing.contract_id], dtype=bool)
    return own | np.isin(standing.owner, only)


def _mandatory(standing: Standing, known: Ledger, at: int, hours: int) -> Mask:
    """Obligations that a mandatory notice was sent about in the last hours."""
    contacts = known.facts("contacts").current()
    sent = contacts.text("purpose").is_word("mandatory") & ~contacts.text("direction").is_word("inbound")
    return standing.of(contacts.take(sent & (contacts.happened_at >= at - hours * _HOUR)))
