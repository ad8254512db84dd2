"""Who was contacted between an observation and its outcome: contacts that may have changed what became of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, day_end
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["HELP", "contacted"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Purposes of contacts that can make somebody pay in time; notices that everybody gets, sales and surveys are none.
HELP = ("service", "pre_due", "reminder", "collection")


def contacted(ledger: Ledger, observations: pd.DataFrame, grace_days: int) -> Mask:
    """Whether a contact that we began fell between each observation and the close of its due day plus grace.

    A contact that names an invoice counts for that invoice, and for what has no invoice yet if it was issued later; one
    that names none counts for everything of its debtor. Whether anybody was reached does not matter: who is called is
    chosen before that.

    Parameters
    ----------
    ledger : Ledger
    observations : DataFrame
        With customer_id, invoice_id, as_of and due_on.
    grace_days : int

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    contacts = ledger.facts("contacts").current()
    purpose = contacts.text("purpose")
    ours = ~contacts.text("direction").is_word("inbound")
    ours &= (purpose.codes < 0) | np.logical_or.reduce([purpose.is_word(word) for word in HELP])
    contacts = contacts.take(ours)
    start = observations["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
    end = day_end(observations["due_on"].to_numpy().astype("M8[D]").astype(np.int64) + grace_days)
    owner = ledger.owners(observations["customer_id"])
    own, named = Text.of(observations["invoice_id"]), contacts.text("invoice_id")
    invoice = own.codes_in(named.labels)
    at = contacts.happened_at
    unnamed = named.codes < 0
    found = _between(contacts.owner[unnamed], at[unnamed], owner, start, end)
    found |= _between(named.codes[~unnamed], at[~unnamed], invoice, start, end)
    rows = np.flatnonzero(own.codes < 0)
    found[rows] |= _about_later_bills(ledger, contacts.take(~unnamed), owner[rows], start[rows], end[rows])
    return found


def _about_later_bills(ledger: Ledger, contacts: Facts, owner: Rows, start: Rows, end: Rows) -> Mask:
    """Whether a contact up to ``end`` was about a bill of the debtor that was issued from ``start`` on."""
    invoices = ledger.facts("invoices")
    place = contacts.text("invoice_id").codes_in(invoices.text("invoice_id").labels)
    issued = np.full(len(invoices.text("invoice_id").labels) + 1, NAT)
    np.maximum.at(issued, invoices.text("invoice_id").codes, invoices.happened_at)
    told = pd.DataFrame({"owner": contacts.owner, "issued": issued[place], "at": contacts.happened_at})
    asked = pd.DataFrame({"owner": owner, "row": np.arange(len(owner)), "start": start, "end": end})
    pairs = asked.merge(told, on="owner")
    mask = np.zeros(len(owner), dtype=bool)
    mask[pairs["row"][(pairs["issued"] >= pairs["start"]) & (pairs["at"] <= pairs["end"])]] = True
    return mask


def _between(who: Rows, at: Rows, asked: Rows, start: Rows, end: Rows) -> Mask:
    """Whether anything of ``asked`` lies from ``start`` to ``end``, both included; never for a negative number."""
    moments = np.unique(at)
    count = len(moments) + 1
    key = np.sort(who * count + np.searchsorted(moments, at))
    low = np.searchsorted(key, asked * count + np.searchsorted(moments, start, side="left"))
    high = np.searchsorted(key, asked * count + np.searchsorted(moments, end, side="right"))
    found: Any = (high > low) & (asked >= 0)
    return np.asarray(found)
