"""What is said to the customers of a plan: messages, and the cards of calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.context import Context
from earlywarn.reasons.call_card import CallCard, call_card, families_told
from earlywarn.reasons.formats import tag_of
from earlywarn.reasons.voices import customer_fact, customer_text, own_fact
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.tables.ledger import Ledger

__all__ = ["Saying", "is_news"]

#: Days before a collection until which its date can still be moved.
MOVABLE_DAYS = 3
#: Log-odds that put what is news before what is not.
NEWS_FIRST = 1e3
#: Tags of languages that texts are written in.
SPOKEN = re.compile(r"(en|nl|fr)([-_][a-z]{2})?", re.IGNORECASE)


@dataclass(frozen=True)
class Saying:
    """How an organisation speaks to its customers.

    Parameters
    ----------
    features : FeatureSet
    model : RiskModel or Scorecard
    ledger : Ledger
    context : Context, optional
    formality : {"formal", "informal"}
    company, name : str
        Of the organisation, and of the agent who calls.
    """

    features: FeatureSet
    model: CalibratedModel
    ledger: Ledger
    context: Context | None
    formality: str
    company: str
    name: str

    def of(
        self, rows: pd.DataFrame, obs: pd.DataFrame, at: pd.Timestamp, language: str | None
    ) -> Iterable[Mapping[str, Any]]:
        """What is said for each contact.

        Parameters
        ----------
        rows : DataFrame
            Of a plan, those with an action.
        obs : DataFrame
            The obligations that stand open, as from `Outcome.standing`.
        at : Timestamp
            When the plan was made.
        language : str, optional
            One for all; each customer's own when left out.

        Yields
        ------
        mapping
            As a row of `Scorer.messages`.
        """
        leading = obs.drop_duplicates("obligation_id").set_index("obligation_id", drop=False)
        leading = leading.reindex([subjects[0] for subjects in rows["subjects"]]).reset_index(drop=True)
        known = leading["customer_id"].notna().to_numpy(dtype=bool)
        matrix = self.features.compute(self.ledger, leading[known].reset_index(drop=True), context=self.context)
        facts = self._facts(matrix, rows["angle"].to_numpy()[known])
        place = np.cumsum(known) - 1
        languages = _languages(self.ledger, rows["customer_id"]) if language is None else [language] * len(rows)
        used = matrix.get("usage_outside_bundle_cost_30d", pd.Series(np.nan, index=matrix.index)).to_numpy()
        contacted: Iterable[Any] = rows.itertuples()
        for number, (row, tag) in enumerate(zip(contacted, languages, strict=True)):
            bill = leading.iloc[number]
            style: dict[str, Any] = {"language": tag, "formality": self.formality}
            card = None
            if row.channel == "phone":
                lead = facts[place[number]] if known[number] else None
                card = self._card(row, lead, matrix.iloc[place[number]].to_dict() if lead else {}, style)
                text = card.opening
            else:
                figures = _figures(bill, row, at, used[place[number]] if known[number] else np.nan)
                text = customer_text(str(row.angle), figures, currency=self.ledger.currency, **style)
            yield {
                "customer_id": row.customer_id, "action": row.action, "angle": row.angle, "channel": row.channel,
                "language": tag, "text": text, "card": card,
            }  # fmt: skip

    def _card(self, row: Any, lead: str | None, values: Mapping[str, Any], style: Mapping[str, str]) -> CallCard:
        """The card of one call: it opens with what the leading feature says, where that is news."""
        fact, wish = None, None
        if lead is not None:
            feature, money = self.features[lead], self.ledger.currency
            fact = own_fact(feature, values, currency=money, **style) if is_news(values[lead]) else None
            wish = customer_fact(feature, {}, families=self.features.families, **style)
        return call_card(
            str(row.customer_id), str(row.angle), fact, wish=wish, name=self.name, company=self.company,
            background=row.reasons, **style,
        )  # fmt: skip

    def _facts(self, matrix: pd.DataFrame, angles: npt.NDArray[Any]) -> list[str | None]:
        """Of each row the feature that fits its angle and raises the risk most, one that is news to the customer first.

        None where no such feature raises the risk.
        """
        features = [self.features[str(name)] for name in self.model.feature_names_in_]
        names = [feature.name for feature in features]
        news = np.zeros((len(matrix), len(names)), dtype=bool)
        for at, feature in enumerate(features):
            if feature.customer:
                news[:, at] = [is_news(value) for value in matrix[feature.name]]
        fits = {
            angle: np.array([one.family in (families_told(angle) or (one.family,)) for one in features])
            for angle in set(angles.tolist())
        }
        may = np.array([fits[angle] for angle in angles], dtype=bool).reshape(len(matrix), len(names))
        values = np.where(may, self.model.shap_values(matrix), -np.inf)
        best = np.where(news & (values > 0), values + NEWS_FIRST, values).argmax(axis=1)
        return [names[at] if values[row, at] > 0 else None for row, at in enumerate(best)]


def is_news(value: object) -> bool:
    """Whether a value says that something is there to be told: every sentence for customers is about more of something.

    Examples
    --------
    >>> is_news(2.0), is_news(0.0), is_news(float("nan"))
    (True, False, False)
    """
    return isinstance(value, int | float | np.number) and float(value) > 0


def _figures(bill: pd.Series[Any], row: Any, at: pd.Timestamp, used: float) -> dict[str, object]:
    """What a message may show: of use what it cost outside the bundle, of a bill what is certain of it."""
    if row.angle == "usage_high":
        return {"amount": float(used)} if used > 0 else {}
    if pd.isna(bill["customer_id"]) or bill["stage"] == "cycle" or bill["due_is_estimated"]:
        return {}
    due = pd.Timestamp(bill["due_on"])
    figures: dict[str, object] = {"amount": float(bill["open_amount"]), "on": due}
    until = due - pd.Timedelta(days=MOVABLE_DAYS)
    return {**figures, "until": until} if until > at else figures


def _languages(ledger: Ledger, customers: pd.Series[Any]) -> list[str]:
    """Each customer's own language where it is known and spoken here; English else."""
    if "customers" not in ledger.given or "language" not in ledger.table("customers").columns:
        return ["en"] * len(customers)
    frame = ledger.frame("customers").drop_duplicates("customer_id", keep="last").set_index("customer_id")
    tags = frame["language"].reindex(customers.to_numpy()).tolist()
    return [tag_of(tag) if isinstance(tag, str) and SPOKEN.fullmatch(tag.strip()) else "en" for tag in tags]
