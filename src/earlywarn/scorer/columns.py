"""Columns of the scores: their types, and those that come from the books and not from a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import moment
from earlywarn.outcomes import cycle_accounts
from earlywarn.tables.facts import as_text, units
from earlywarn.tables.ledger import Ledger

__all__ = ["SCORE_COLUMNS", "contract_columns", "day_after", "exposures", "moment_notice", "moment_of"]

#: Columns of the scores and their dtypes. amount_low and amount_high bound the projected bill of the stage
#: "cycle"; p_low and p_high p_late, see `RiskModel.predict_interval`. p_shock is the probability that the bill of a
#: running period is far above usual. lead_is_trained is False where the model was trained on other leads and has to
#: extrapolate. rests_on says what p_late rests on: "history" of the debtor, what is known of "newcomers", or the
#: "base_rate" of customers like this one.
SCORE_COLUMNS = {
    "obligation_id": "text",
    "stage": "text",
    "invoice_id": "text",
    "customer_id": "text",
    "account_id": "text",
    "contract_id": "text",
    "due_on": "datetime64[us]",
    "due_is_estimated": "bool",
    "lead_days": "int64",
    "amount": "float64",
    "amount_low": "float64",
    "amount_high": "float64",
    "p_late": "float64",
    "p_low": "float64",
    "p_high": "float64",
    "p_shock": "float64",
    "exposure": "float64",
    "band": "text",
    "reasons": "tuple",
    "status": "text",
    "lead_is_trained": "bool",
    "rests_on": "text",
}


def day_after(ledger: Ledger) -> pd.Timestamp:
    """The first midnight that sees everything the ledger knows."""
    return ledger.until.ceil("D")


def moment_of(as_of: Any, ledger: Ledger) -> pd.Timestamp:
    """A moment in the ledger's time zone."""
    return pd.Timestamp(np.datetime64(moment(as_of, ledger.timezone), "us"))


def moment_notice(ledger: Ledger, at: pd.Timestamp) -> tuple[str, ...]:
    """Say where the moment does not fit the data: facts it does not see, or days that nobody knows of."""
    everything = day_after(ledger)
    if at < everything:
        return (f"as_of {at} does not see what became known from then to {ledger.until}.",)
    if at > everything + pd.Timedelta(days=1):
        return (f"as_of {at} lies after the data, which are complete up to {ledger.until}; say more with until=….",)
    return ()


def contract_columns(ledger: Ledger, obs: pd.DataFrame) -> dict[str, Any]:
    """Account and contract of each obligation, from its invoice, or from the bills before a running period."""
    invoices = ledger.facts("invoices")
    ids = invoices.text("invoice_id").values()
    columns: dict[str, Any] = {}
    running = (obs["stage"] == "cycle").to_numpy(dtype=bool)
    of_cycle = cycle_accounts(ledger, obs["obligation_id"][running])
    for name, own in zip(("account_id", "contract_id"), of_cycle, strict=True):
        of_invoice = dict(zip(ids, invoices.text(name).values(), strict=True))
        words = np.array([of_invoice.get(label) for label in obs["invoice_id"]], dtype=object)
        words[running] = own
        columns[name] = as_text(words)
    return columns


def exposures(ledger: Ledger, obs: pd.DataFrame, as_of: pd.Timestamp) -> npt.NDArray[np.float64]:
    """Open receivable of each obligation's debtor, in units of currency."""
    balances = ledger.facts("balances").known_before(moment(as_of, ledger.timezone))
    latest = np.zeros(len(ledger.customers) + 1, dtype=np.int64)
    latest[balances.owner] = np.asarray(balances.columns["open_amount"])
    return units(latest[ledger.owners(obs["customer_id"])], ledger.digits)
