"""Debtors without a past of their own: who they are, which groups they are in, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import FOREVER, visible
from earlywarn.features.membership import Membership
from earlywarn.outcomes.stored import by_debtor
from earlywarn.reasons.codes import COLUMNS
from earlywarn.reasons.formats import locale_of, percent
from earlywarn.tables.facts import as_text
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore

__all__ = ["GROUPED_BY", "groups_of", "has_history", "with_base_rates"]

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
        first = np.full(len(part.customers) + 1, FOREVER)
        np.minimum.at(first, matured.owner, matured.known_at)
        as_of = rows["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
        since = first[part.owners(rows["customer_id"])]
        known = visible(since, np.full(len(since), FOREVER), as_of)
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
        owner, at = part.owners(rows["customer_id"]), rows["as_of"].to_numpy().astype("M8[us]").astype(np.int64)
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


def with_base_rates(
    codes: pd.DataFrame, p_late: pd.Series[Any], by_rate: npt.NDArray[np.bool_], language: str
) -> pd.DataFrame:
    """Reason codes in which rows that rest on a base rate have one reason: that, which makes up all of their log-odds.

    Parameters
    ----------
    codes : DataFrame
        As from `RiskModel.reason_codes`, of all rows.
    p_late : Series, shape (n,)
        By observation, in their order.
    by_rate : ndarray of bool, shape (n,)
    language : str

    Returns
    -------
    DataFrame
    """
    if not by_rate.any():
        return codes
    locale = locale_of(language)
    words = _TEXTS.get(locale.language, _TEXTS["en"])
    rate = p_late[by_rate].to_numpy(dtype=np.float64)
    told = pd.DataFrame(
        {
            "observation": p_late.index[by_rate],
            "rank": np.ones(len(rate), dtype=np.int64),
            "family": "history",
            "feature": "base_rate",
            "contribution": np.log(rate) - np.log1p(-rate),
            "text": [words.format(share=percent(float(value), "", locale)) for value in rate],
        },
        columns=list(COLUMNS),
    )
    every = pd.concat([codes[~codes["observation"].isin(set(told["observation"]))], told], ignore_index=True)
    place = {label: row for row, label in enumerate(p_late.index)}
    order = np.lexsort((every["rank"], every["observation"].map(place)))
    both: pd.DataFrame = every.iloc[order].reset_index(drop=True)
    both.attrs = codes.attrs
    return both
