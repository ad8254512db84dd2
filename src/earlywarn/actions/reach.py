"""How a debtor may be reached: open channels, consent, what was sent lately, whether money is collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.parts import Rules
from earlywarn.actions.standing import Standing
from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.tables.events import RETURN_WINDOW_DAYS
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["Reach", "reach_of"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reach:
    """How to reach the debtor of each obligation; all arrays have shape (n,).

    Attributes
    ----------
    service, commercial : mapping of str to ndarray of bool
        By channel, whether it is open for that purpose.
    capped : ndarray of bool
        Whether the debtor had as many contacts as the policy allows.
    preferred : ndarray of str, None where not stated
    direct_debit : ndarray of bool
        Whether the amount is collected from the debtor's account.
    """

    service: Mapping[str, Mask]
    commercial: Mapping[str, Mask]
    capped: Mask
    preferred: npt.NDArray[np.object_]
    direct_debit: Mask


def reach_of(standing: Standing, known: Ledger, at: int, rules: Rules) -> Reach:
    """Look up how each debtor may be reached.

    Parameters
    ----------
    standing : Standing
    known : Ledger
        As known before the moment.
    at : int, microseconds
    rules : Rules

    Returns
    -------
    Reach
    """
    consents = known.facts("consents").current()
    service, commercial = {}, {}
    for name, channel in rules.channels.items():
        given, withdrawn = _consent(standing, consents, name, "service")
        service[name] = given if channel.opt_in else ~withdrawn
        commercial[name] = _consent(standing, consents, name, "commercial")[0]
    return Reach(
        service=service,
        commercial=commercial,
        capped=_capped(standing, known, at, rules),
        preferred=_preferred(standing, known, at),
        direct_debit=_direct_debit(standing, known),
    )


def _consent(standing: Standing, consents: Facts, channel: str, purpose: str) -> tuple[Mask, Mask]:
    """Where consent stands, and where it was withdrawn and not given again."""
    about = consents.text("channel").is_word(channel) & consents.text("purpose").is_word(purpose)
    stands = consents.moments("withdrawn_on") == NAT
    given = np.isin(standing.owner, consents.owner[about & stands])
    return given, np.isin(standing.owner, consents.owner[about & ~stands]) & ~given


def _capped(standing: Standing, known: Ledger, at: int, rules: Rules) -> Mask:
    contacts = known.facts("contacts").current()
    counted = ~contacts.text("direction").is_word("inbound") & ~contacts.text("purpose").is_word("mandatory")
    counted &= contacts.owner >= 0
    capped = np.zeros(len(standing), dtype=bool)
    for cap in rules.contact_caps:
        lately = counted & (contacts.happened_at >= at - cap.days * US_PER_DAY)
        count = np.bincount(contacts.owner[lately], minlength=len(known.customers))
        capped |= count[standing.owner] >= cap.most
    return capped


def _preferred(standing: Standing, known: Ledger, at: int) -> npt.NDArray[np.object_]:
    customers = known.facts("customers").current()
    customers = customers.take((customers.happened_at < at) & (customers.owner >= 0))
    order = np.argsort(customers.happened_at, kind="stable")
    stated = np.full(len(known.customers), None, dtype=object)
    stated[customers.owner[order]] = customers.text("preferred_channel").values()[order]
    return np.asarray(stated[standing.owner], dtype=object)


def _direct_debit(standing: Standing, known: Ledger) -> Mask:
    """As the invoice says, else its account, else any account, plan or living mandate of the debtor."""
    invoices = known.facts("invoices").current()
    by_invoice = _by_id(invoices, "invoice_id")
    by_account = _by_id(known.facts("accounts").current(), "account_id")
    collected = np.zeros(len(known.customers), dtype=bool)
    for name in ("accounts", "schedule"):
        facts = known.facts(name).current()
        debited = facts.text("collect_by").is_word(*RETURN_WINDOW_DAYS) & (facts.owner >= 0)
        collected[facts.owner[debited]] = True
    collected[_mandated(known)] = True
    stated = [
        by_invoice.get(invoice) or by_account.get(account)
        for invoice, account in zip(standing.invoice_id, standing.account_id, strict=True)
    ]
    known_word = np.array([word is not None for word in stated], dtype=bool)
    debit = np.array([word in RETURN_WINDOW_DAYS for word in stated], dtype=bool)
    by_stage = standing.stage == "collecting"
    return np.asarray(by_stage | np.where(known_word, debit, collected[standing.owner]))


def _by_id(facts: Facts, key: str) -> dict[str | None, str | None]:
    return dict(zip(facts.text(key).values(), facts.text("collect_by").values(), strict=True))


def _mandated(known: Ledger) -> npt.NDArray[np.int64]:
    """Customers with a mandate that was neither cancelled nor ran out."""
    mandates = known.facts("mandates").current()
    order = np.argsort(mandates.happened_at, kind="stable")
    latest = ~pd.Series(mandates.text("mandate_id").codes[order]).duplicated(keep="last").to_numpy()
    alive = mandates.text("event").is_word("signed", "changed")[order] & latest
    owners = mandates.owner[order][alive]
    return owners[owners >= 0]
