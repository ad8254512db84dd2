"""The obligations to decide on, as arrays in one fixed order, whatever order the frame came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import PolicyError, suggest
from earlywarn.outcomes import cycle_accounts
from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger

__all__ = ["Standing", "standing_of"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]

_REQUIRED = ("obligation_id", "stage", "invoice_id", "customer_id", "due_on", "lead_days", "amount")


@dataclass(frozen=True)
class Standing:
    """Obligations sorted by (customer_id, obligation_id); all arrays have shape (n,) unless stated.

    Attributes
    ----------
    debtors : ndarray of str, shape (n_debtors,), sorted
    debtor : ndarray of int64
        Index into ``debtors``.
    owner : ndarray of int64
        Index into ``ledger.customers``.
    obligation_id, invoice_id, account_id, contract_id, stage, status : ndarray of str, None where not stated
    lead_days : ndarray of float64
    amount : ndarray of float64
        Open amount in units of currency, 0 where missing.
    p_late, exposure : ndarray of float64, NaN where missing
    due_on : ndarray of datetime64[us]
    place : ndarray of int64
        Row of the frame that this came from.
    """

    debtors: Words
    debtor: Rows
    owner: Rows
    obligation_id: Words
    invoice_id: Words
    account_id: Words
    contract_id: Words
    stage: Words
    status: Words
    lead_days: Values
    amount: Values
    p_late: Values
    exposure: Values
    due_on: npt.NDArray[np.datetime64]
    place: Rows

    def __len__(self) -> int:
        return len(self.debtor)

    def of(self, facts: Facts) -> Mask:
        """Obligations that any of the facts is about: its invoice, else account, else contract, else debtor.

        An obligation whose account or contract is not known counts as meant.
        """
        mask = np.zeros(len(self), dtype=bool)
        left = np.ones(len(facts), dtype=bool)
        for name in ("invoice_id", "account_id", "contract_id"):
            own = getattr(self, name)
            ids = facts.text(name)
            stated = left & (ids.codes >= 0)
            mask |= pd.Series(own).isin(list(ids.values()[stated])).to_numpy(dtype=bool) & _filled(own)
            if name != "invoice_id":
                mask |= ~_filled(own) & np.isin(self.owner, facts.owner[stated])
            left &= ~stated
        whole: Mask = mask | np.isin(self.owner, facts.owner[left])
        return whole

    def any_of_debtor(self, mask: Mask) -> Mask:
        """Whether the mask holds for any obligation of the same debtor."""
        hit = np.zeros(len(self.debtors), dtype=bool)
        hit[self.debtor[mask]] = True
        return np.asarray(hit[self.debtor])

    def covered_by(self, money: Values) -> Mask:
        """Obligations that money of their owner covers, taken in the order of due days.

        Parameters
        ----------
        money : ndarray of float64, shape (n_customers,), units of currency, by customer of the ledger
        """
        order = np.lexsort((np.arange(len(self)), self.due_on, self.debtor))
        needed = np.empty(len(self))
        needed[order] = pd.Series(self.amount[order]).groupby(self.debtor[order]).cumsum().to_numpy()
        return np.asarray((self.amount > 0) & (needed <= money[self.owner] + 0.005))


def standing_of(frame: pd.DataFrame, ledger: Ledger) -> Standing:
    """Arrays of a frame of scores, or of standing obligations.

    Parameters
    ----------
    frame : DataFrame
        As `Scorer.score` or `Outcome.standing` gives it.
    ledger : Ledger
        For the accounts and contracts of invoices.

    Returns
    -------
    Standing

    Raises
    ------
    PolicyError
        P620 columns missing, P621 an obligation twice, P622 a customer that the ledger does not have.
    """
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise PolicyError(
            f"the scores lack {', '.join(missing)}.",
            code="P620",
            hint=suggest(missing[0], map(str, frame.columns)) + " Hand over the frame of Scorer.score().",
        )
    ids, customers = _words(frame["obligation_id"]), _words(frame["customer_id"])
    owner = pd.Index(list(ledger.customers), dtype="object").get_indexer(pd.Index(customers))
    _refuse("P621", "come twice in the scores", ids[pd.Series(ids).duplicated().to_numpy()])
    _refuse("P622", "belong to customers that are not in the ledger", ids[owner < 0])
    place = np.lexsort((pd.factorize(ids, sort=True)[0], owner))
    debtor, debtors = pd.factorize(customers[place])
    own = frame.iloc[place]
    invoice_id = _words(own["invoice_id"])
    stage = _words(own["stage"])
    account_id, contract_id = _of_invoice(ledger, invoice_id)
    running = stage == "cycle"
    account_id[running], contract_id[running] = cycle_accounts(ledger, own["obligation_id"][running])
    money = "open_amount" if "open_amount" in own.columns else "amount"
    return Standing(
        debtors=np.asarray(debtors, dtype=object),
        debtor=debtor.astype(np.int64),
        owner=owner[place].astype(np.int64),
        obligation_id=ids[place],
        invoice_id=invoice_id,
        account_id=account_id,
        contract_id=contract_id,
        stage=stage,
        status=_words(own["status"]) if "status" in own.columns else np.full(len(own), None, dtype=object),
        lead_days=_numbers(own, "lead_days"),
        amount=np.nan_to_num(_numbers(own, money), nan=0.0),
        p_late=_numbers(own, "p_late"),
        exposure=_numbers(own, "exposure"),
        due_on=own["due_on"].to_numpy().astype("M8[us]"),
        place=place.astype(np.int64),
    )


def _refuse(code: str, what: str, ids: Words) -> None:
    if len(ids):
        shown = ", ".join(map(str, sorted(set(ids))[:5])) + (", …" if len(set(ids)) > 5 else "")
        raise PolicyError(f"{len(ids):,} obligations {what}.", code=code, found=shown)


def _words(column: pd.Series[Any]) -> Words:
    values = column.astype("object").to_numpy(dtype=object, copy=True)
    values[column.isna().to_numpy()] = None
    return np.asarray(values, dtype=object)


def _numbers(frame: pd.DataFrame, name: str) -> Values:
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name]).to_numpy(dtype=np.float64, na_value=np.nan)


def _filled(words: Words) -> Mask:
    return np.array([word is not None for word in words], dtype=bool)


def _of_invoice(ledger: Ledger, invoice_id: Words) -> tuple[Words, Words]:
    """Account and contract of each invoice, None where not stated."""
    invoices = ledger.facts("invoices").current()
    place = pd.Index(invoices.text("invoice_id").values()).get_indexer(pd.Index(invoice_id, dtype="object"))

    def looked_up(column: Text) -> Words:
        words: Words = np.array([*column.values(), None], dtype=object)[place]
        return words

    return looked_up(invoices.text("account_id")), looked_up(invoices.text("contract_id"))
