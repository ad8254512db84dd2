"""Debtors without a past of their own: who they are, which groups they are in, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.features.membership import Membership
from earlywarn.outcomes.stored import by_debtor
from earlywarn.reasons.codes import COLUMNS
from earlywarn.reasons.formats import locale_of, percent
from earlywarn.tables.facts import as_text
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore

__all__ = ["GROUPED_BY", "groups_of", "has_history", "newcomer_reasons"]

#: Groups that lie in each other, for base rates; the widest first.
GROUPED_BY = ("segment", "region", "campaign")
_TEXTS = {
    "en": "there is no payment history yet; about {share} of bills of comparable customers are paid late",
    "nl": "er is nog geen betaalgeschiedenis; van vergelijkbare klanten wordt ongeveer {share} van de facturen te laat "
    "betaald",
    "fr": "il n'y a pas encore d'historique de paiement ; environ {share} des factures de clients comparables sont "
    "payées en retard",
}


def has_history(ledger: Ledger | LedgerStore, observations: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether it was known at each observation what became of an earlier obligation of its debtor.

    Parameters
    ----------
    ledger : Ledger or LedgerStore
    observations : DataFrame
        With customer_id and as_of.

    Returns
    -------
    ndarray of bool, shape (n,)
    """

    def of(part: Ledger, rows: pd.DataFrame) -> pd.Series[Any]:
        matured = part.facts("maturities")
        first = np.full(len(part.customers) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first, matured.owner, matured.known_at)
        known = first[_owners(part, rows)] < rows["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
        return pd.Series(known, index=rows.index)

    found = by_debtor(ledger, observations, of) if isinstance(ledger, LedgerStore) else of(ledger, observations)
    return np.asarray(found, dtype=bool)


def groups_of(ledger: Ledger | LedgerStore, observations: pd.DataFrame) -> pd.DataFrame:
    """Segment, region and campaign of each observed debtor, as they were known then.

    Parameters
    ----------
    ledger : Ledger or LedgerStore
    observations : DataFrame
        With customer_id and as_of.

    Returns
    -------
    DataFrame of text, index of ``observations``; the columns of `GROUPED_BY`
    """

    def of(part: Ledger, rows: pd.DataFrame) -> pd.DataFrame:
        owner, at = _owners(part, rows), rows["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
        columns = {}
        for entity in GROUPED_BY:
            membership = Membership(part, entity)
            names = np.array([*membership.labels, None], dtype=object)
            columns[entity] = as_text(names[membership.at(owner, at, at)]).set_axis(rows.index)
        return pd.DataFrame(columns, index=rows.index)

    if isinstance(ledger, LedgerStore):
        found: pd.DataFrame = by_debtor(ledger, observations, of)
        return found
    return of(ledger, observations)


def newcomer_reasons(observations: pd.Index[Any], rate: npt.NDArray[np.float64], language: str) -> pd.DataFrame:
    """Reason codes of rows that rest on a base rate: one each, which says so.

    Parameters
    ----------
    observations : Index, shape (n,)
    rate : ndarray of float64, shape (n,)
    language : str

    Returns
    -------
    DataFrame, columns as from `RiskModel.reason_codes`; the contribution is the whole of the log-odds
    """
    locale = locale_of(language)
    words = _TEXTS.get(locale.language, _TEXTS["en"])
    return pd.DataFrame(
        {
            "observation": observations,
            "rank": np.ones(len(rate), dtype=np.int64),
            "family": "history",
            "feature": "base_rate",
            "contribution": np.log(rate) - np.log1p(-rate),
            "text": [words.format(share=percent(float(value), "", locale)) for value in rate],
        },
        columns=list(COLUMNS),
    )


def _owners(ledger: Ledger, observations: pd.DataFrame) -> npt.NDArray[np.int64]:
    place = pd.Index(ledger.customers)
    owner: Any = place.get_indexer(pd.Index(observations["customer_id"].to_numpy(dtype=object)))
    return np.asarray(owner, dtype=np.int64)
