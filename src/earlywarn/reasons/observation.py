"""Which observation of a customer a question is about: the moment, and the obligation that is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from earlywarn.dates import ALWAYS, moment
from earlywarn.errors import DataError
from earlywarn.outcomes import STAGES, Outcome
from earlywarn.outcomes.cycles import CYCLE
from earlywarn.tables.handed_over import need_customers
from earlywarn.tables.ledger import Ledger

__all__ = ["observe", "standing"]

#: Days ahead in which an open obligation is looked for.
HORIZON_DAYS = 366


def observe(
    ledger: Ledger, customer_id: str, as_of: Any = None, obligation_id: str | None = None, *, needs: bool = False
) -> pd.DataFrame:
    """One observation of a customer: of the obligation named, else of the next one due, else of none.

    Parameters
    ----------
    ledger : Ledger
    customer_id : str
    as_of : date-like, optional
        Default: the first midnight that sees all that the ledger knows.
    obligation_id : str, optional
    needs : bool
        Refuse a customer without an open obligation.

    Returns
    -------
    DataFrame of one row

    Raises
    ------
    DataError
        D162 no such customer, D167 no such obligation open then, D168 ``as_of`` lies before all data.
    """
    need_customers(ledger, [customer_id])
    outcome = _outcome_that_names(obligation_id)
    every = standing(ledger, as_of, outcome)
    own = every[every["customer_id"] == customer_id]
    at = pd.Timestamp(every.attrs["as_of"])
    if obligation_id is not None:
        found = own[own["obligation_id"] == obligation_id]
        if not len(found):
            raise _not_open(f"obligation {obligation_id!r} is not", ledger, own, customer_id, at)
        return found.reset_index(drop=True)
    if len(own):
        return own.head(1).reset_index(drop=True)
    if needs:
        raise _not_open(f"no obligation of customer {customer_id!r} is", ledger, own, customer_id, at)
    return pd.DataFrame({"customer_id": [customer_id], "as_of": [at]})


def _outcome_that_names(obligation_id: str | None) -> Outcome:
    """Running periods, and the bills that ended them, are there under their names only when they are asked for."""
    return Outcome(stages=STAGES) if str(obligation_id).startswith(CYCLE) else Outcome()


def standing(ledger: Ledger, as_of: Any = None, outcome: Outcome | None = None) -> pd.DataFrame:
    """Every obligation open at a moment, those that are due next first, those that are overdue last.

    Parameters
    ----------
    ledger : Ledger
    as_of : date-like, optional
        Default: the first midnight that sees all that the ledger knows.
    outcome : Outcome, optional
        What is looked at. Default: what is billed or planned.

    Returns
    -------
    DataFrame, as from `Outcome.standing`; ``attrs["as_of"]`` says the moment

    Raises
    ------
    DataError
        D168 ``as_of`` lies before all data.
    """
    at = ledger.until.ceil("D")
    if as_of is not None:
        at = pd.Timestamp(np.datetime64(moment(as_of, ledger.timezone), "us"))
    _after_the_first_fact(ledger, at)
    found = (outcome or Outcome()).standing(ledger, at, HORIZON_DAYS)
    overdue = (found["lead_days"] < 0).to_numpy()
    found = found.iloc[np.lexsort((found["due_on"].to_numpy(), overdue))].reset_index(drop=True)
    found.attrs["as_of"] = at.isoformat()
    return found


def _after_the_first_fact(ledger: Ledger, at: pd.Timestamp) -> None:
    known = np.concatenate([ledger.facts(name).known_at for name in ("invoices", "payments")])
    known = known[known > ALWAYS]
    if len(known) and known.min() >= np.datetime64(at, "us").astype(np.int64):
        day = pd.Timestamp(np.datetime64(int(known.min()), "us"))
        raise DataError(
            f"as_of {at:%Y-%m-%d} lies before all data.",
            code="D168",
            found=f"the first invoice or payment was known on {day:%Y-%m-%d}",
            hint=f"choose a day after {day:%Y-%m-%d}, up to {ledger.until.ceil('D'):%Y-%m-%d}.",
        )


def _not_open(what: str, ledger: Ledger, own: pd.DataFrame, customer_id: str, at: pd.Timestamp) -> DataError:
    observations = Outcome().observations(ledger)
    days = observations.loc[observations["customer_id"] == customer_id, "as_of"].tail(3)
    seen = ", ".join(f"{day:%Y-%m-%d}" for day in days)
    return DataError(
        f"{what} open at {at:%Y-%m-%d}.",
        code="D167",
        found=", ".join(own["obligation_id"].head(5)) or None,
        hint=f"bills of this customer were open at {seen}, for example." if seen else "choose another customer.",
    )
