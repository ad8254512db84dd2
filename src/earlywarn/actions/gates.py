"""The gates, in their fixed order: which obligations are stopped, and the status that the scores show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.situation import Situation, situation_of
from earlywarn.actions.standing import Standing, standing_of
from earlywarn.actions.words import GATES, STATUSES
from earlywarn.dates import moment
from earlywarn.tables.ledger import Ledger

if TYPE_CHECKING:
    from earlywarn.actions.policy import Policy

__all__ = ["first_gate", "obligation_status"]

Words = npt.NDArray[np.object_]

#: Statuses that stop an obligation by themselves, whatever else is known, and the gate that they stand for.
#: "overdue" is not among them: whether that is beyond grace is read from the lead.
_BY_STATUS = {
    "hold": "do_not_contact",
    "no_profiling": "no_profiling",
    "dispute": "dispute",
    "in_transit": "in_transit",
    "collecting": "collecting",
    "arrangement": "arrangement",
    "credit_balance": "credit_balance",
    "prepaid": "prepaid",
}


def first_gate(standing: Standing, situation: Situation) -> Words:
    """The first gate that stops each obligation.

    Parameters
    ----------
    standing : Standing
    situation : Situation

    Returns
    -------
    ndarray of str, shape (n,); None where nothing stops it. "protected" stops nothing and is never given.
    """
    gate = np.full(len(standing), None, dtype=object)
    by_status = np.array([_BY_STATUS.get(word or "") for word in standing.status], dtype=object)
    for code in reversed(GATES):
        if code != "protected":
            gate[situation.gates[code] | (by_status == code)] = code
    return gate


def obligation_status(obs: pd.DataFrame, ledger: Ledger, as_of: Any, policy: Policy) -> Words:
    """What each obligation is at a moment: scored, or why not.

    Parameters
    ----------
    obs : DataFrame
        As `Outcome.standing` gives it.
    ledger : Ledger
    as_of : date-like
    policy : Policy

    Returns
    -------
    ndarray of str, shape (n,), in the order of ``obs``
        "scored", "overdue" (past due, in grace or beyond), "in_transit", "collecting", "arrangement",
        "dispute", "hold", "no_profiling", "prepaid" or "credit_balance": the first that holds, in the order
        of the gates. Another debt of the same debtor that is overdue does not keep an obligation from a
        score.

    Examples
    --------
    >>> from earlywarn import Ledger, Outcome, Policy
    >>> ledger = Ledger.from_tables(
    ...     invoices=pd.DataFrame(
    ...         {
    ...             "invoice_id": ["A"],
    ...             "customer_id": ["c1"],
    ...             "issued_on": ["2026-03-01"],
    ...             "due_on": ["2026-03-15"],
    ...             "amount": [50.0],
    ...         }
    ...     ),
    ...     payments=pd.DataFrame({"payment_id": [], "customer_id": [], "paid_on": [], "amount": []}),
    ...     holds=pd.DataFrame({"customer_id": ["c1"], "kind": ["debt_counselling"], "started_on": ["2026-01-01"]}),
    ...     until="2026-03-09",
    ... )
    >>> obs = Outcome().standing(ledger, "2026-03-08")
    >>> obligation_status(obs, ledger, "2026-03-08", Policy.default())
    array(['hold'], dtype=object)
    """
    at = moment(as_of, ledger.timezone)
    known = ledger.known_before(at)
    standing = standing_of(obs, known)
    situation = situation_of(standing, known, at, policy.rules)
    status = np.full(len(standing), "scored", dtype=object)
    status[situation.overdue] = "overdue"
    for code in reversed(GATES):
        if code in STATUSES:
            status[situation.beyond_grace if code == "overdue" else situation.gates[code]] = STATUSES[code]
    in_order = np.empty(len(standing), dtype=object)
    in_order[standing.place] = status
    return in_order
