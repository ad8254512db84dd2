"""One customer explained: the risk of every bill, reasons both ways, the facts behind them, and what if."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from earlywarn.errors import EarlywarnError
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.explain import trace
from earlywarn.plots.words import in_words
from earlywarn.reasons.families import probability_points
from earlywarn.reasons.formats import is_missing
from earlywarn.reasons.texts import pick
from earlywarn.tables.ledger import Ledger
from earlywarn.whatif.asking import Question
from earlywarn.whatif.counterfactual import Counterfactual, find_counterfactual

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from earlywarn.plots.customer import CustomerDisplay
    from earlywarn.plots.reasons import ReasonDisplay

__all__ = ["CustomerExplanation", "explain_customer"]

#: Windows that are drawn below the timeline, of the strongest reasons.
WINDOWS = 3
#: Points of probability below which a reason is not listed in a notebook.
SMALL_POINTS = 0.002


@dataclass(frozen=True)
class CustomerExplanation:
    """Why the obligations of one customer have the risk they have.

    Parameters
    ----------
    customer_id : str
    scores : DataFrame
        Rows of `Scorer.score` that were scored.
    reasons : DataFrame
        As from `RiskModel.reason_codes` with every family, and ``points``: contributions as points of probability.
    bases : dict
        Log-odds where the reasons of each row start: 0 where a base rate is the one reason, which is all of them.
    ledger : Ledger
        As it was known then, of this customer only.
    features : FeatureSet
    question : Question
    band : callable
    language : str
    """

    customer_id: str
    scores: pd.DataFrame
    reasons: pd.DataFrame
    bases: dict[Any, float]
    ledger: Ledger
    features: FeatureSet
    question: Question
    band: Callable[[Any], npt.NDArray[np.object_]]
    language: str

    @property
    def riskiest(self) -> Any:
        """Label of the row with the highest risk."""
        return self.scores["p_late"].idxmax()

    def reasons_of(self, label: Any = None) -> pd.DataFrame:
        """Reasons of one obligation, those that raise the risk first.

        Parameters
        ----------
        label : optional
            Of the row in ``scores``; the riskiest when left out.

        Returns
        -------
        DataFrame
        """
        own: pd.DataFrame = self.reasons[self.reasons["observation"] == self._meant(label)]
        return own

    def _meant(self, label: Any) -> Any:
        """The row that is asked about: the riskiest when none is named."""
        return self.riskiest if label is None else label

    def counterfactual(self, label: Any = None) -> Counterfactual:
        """The smallest change by which the model would say a lower band, see `Scorer.counterfactual`.

        Parameters
        ----------
        label : optional
            As in `reasons_of`.

        Returns
        -------
        Counterfactual
        """
        wanted = self.scores.loc[self._meant(label), "obligation_id"]
        place = self.question.obs["obligation_id"].tolist().index(wanted)
        return find_counterfactual(self.question.only(place), self.band)

    def waterfall(self, label: Any = None, ax: Axes | None = None) -> ReasonDisplay:
        """Draw the reasons of one obligation as a waterfall by family.

        Parameters
        ----------
        label : optional
            As in `reasons_of`.
        ax : matplotlib Axes, optional

        Returns
        -------
        ReasonDisplay
        """
        from earlywarn.plots.reasons import ReasonDisplay

        own = self.reasons_of(label)
        display = ReasonDisplay.from_arrays(
            self.bases[self._meant(label)],
            list(own["text"]),
            own["contribution"],
            rest=in_words("label", "other", self.language),
        )
        return display.plot(ax, language=self.language)

    def timeline(self, label: Any = None, ax: Axes | None = None, *, days: int = 400) -> CustomerDisplay:
        """Draw what happened, with the windows that the strongest reasons look through.

        Parameters
        ----------
        label : optional
            As in `reasons_of`.
        ax : matplotlib Axes, optional
        days : int
            How far back.

        Returns
        -------
        CustomerDisplay
        """
        from earlywarn.plots.customer import CustomerDisplay

        row = self.scores.loc[self._meant(label)]
        at = pd.Timestamp(self.scores.attrs["as_of"])
        events = _events(self.ledger, at, days)
        windows = self._windows(row["obligation_id"], self.reasons_of(row.name), at, days)
        display = CustomerDisplay.from_frames(events, windows, as_of=at, due_on=row["due_on"])
        return display.plot(ax, title=self._heading(row), language=self.language)

    def _windows(self, obligation_id: str, own: pd.DataFrame, at: pd.Timestamp, days: int) -> pd.DataFrame:
        """Windows of the aggregates of the strongest reasons that raise the risk."""
        obs = self.question.obs[self.question.obs["obligation_id"] == obligation_id].reset_index(drop=True)
        names = [name for name in own[own["contribution"] > 0]["feature"] if name in self.features][:WINDOWS]
        rows = []
        for name in names if len(obs) else ():
            traced = trace(self.features, name, self.ledger, obs, context=self.question.context)
            dated = [part for part in traced.parts if not pd.isna([part.start, part.end]).any()]
            if dated:
                start = max(min(part.start for part in dated), at - pd.Timedelta(days=days))
                rows.append({"label": name, "start": start, "end": max(part.end for part in dated)})
        return pd.DataFrame(rows, columns=["label", "start", "end"])

    def _heading(self, row: Any) -> str:
        risk = f"{in_words('label', 'risk', self.language)}: {row['p_late']:.0%}"
        return f"{self.customer_id} · {row['obligation_id']} · {row['due_on']:%Y-%m-%d} · {risk}"

    def __repr__(self) -> str:
        risks = ", ".join(f"{p:.0%}" for p in self.scores["p_late"])
        return f"<{self.customer_id}: {risks}>"

    def _repr_html_(self) -> str:
        parts = []
        for label, row in self.scores.iterrows():
            parts.append(f"<h3>{escape(self._heading(row))}</h3>{self._table(label)}")
            parts.append(f"<p>{escape(self.counterfactual(label).text(self.language))}</p>")
        with suppress(EarlywarnError):  # without matplotlib, the words are there
            parts += [_picture(draw().figure_) for draw in (self.waterfall, self.timeline)]
        return "".join(parts)

    def _table(self, label: Any) -> str:
        """Reasons with their points, what raises the risk first."""
        own = self.reasons_of(label)
        own = own[own["points"].abs() >= SMALL_POINTS]
        lines = []
        for reason in own.to_dict("records"):
            family = self.features.families.get(reason["family"])
            name = reason["family"] if family is None else pick(family.label, self.language) or family.name
            points = f"{100 * reason['points']:+.1f}".replace("-", "−")
            lines.append(f"<tr><td>{points}</td><td>{escape(name)}</td><td>{escape(reason['text'])}</td></tr>")
        start = f"{100 * float(expit(self.bases[label])):.1f}"
        said = in_words("label", "average", self.language) if self.bases[label] else "–"
        return f"<table><tr><td>{start}</td><td></td><td>{said}</td></tr>{''.join(lines)}</table>"


def explain_customer(
    ledger: Ledger,
    scored: pd.DataFrame,
    codes: pd.DataFrame,
    features: FeatureSet,
    question: Question,
    band: Callable[[Any], npt.NDArray[np.object_]],
    *,
    language: str,
) -> CustomerExplanation:
    """Put an explanation together from scores and their reason codes.

    Parameters
    ----------
    ledger : Ledger
    scored : DataFrame
        Of one customer.
    codes : DataFrame
        Every family of each row.
    features : FeatureSet
    question : Question
    band : callable
    language : str

    Returns
    -------
    CustomerExplanation
    """
    base = float(codes.attrs["base_log_odds"])
    points, bases = np.empty(len(codes)), {}
    for rows in codes.groupby("observation", sort=False).indices.values():
        own = codes["contribution"].to_numpy()[rows]
        # where a base rate is the one reason, it makes up all of the log-odds
        start = 0.0 if codes["feature"].iloc[rows[0]] == "base_rate" else base
        points[rows], bases[codes["observation"].iloc[rows[0]]] = probability_points(own[None], start)[0], start
    return CustomerExplanation(
        customer_id=str(scored["customer_id"].iloc[0]),
        scores=scored,
        reasons=codes.assign(points=points),
        bases=bases,
        ledger=question.ledger,
        features=features,
        question=question,
        band=band,
        language=language,
    )


def _events(ledger: Ledger, at: pd.Timestamp, days: int) -> pd.DataFrame:
    """What happened in the last days, a row each: lane, at, value, label."""
    first = at - pd.Timedelta(days=days)
    parts = []
    for lane, name, value, label in (
        ("usage", "usage", "quantity", ""), ("invoices", "invoices", "amount", "amount"),
        ("payments", "payments", "amount", "amount"), ("returns", "returns", "amount", "cause"),
        ("contacts", "contacts", "", "channel"),
    ):  # fmt: skip
        if name not in ledger.given and name != "returns":
            continue
        frame = ledger.frame(name)
        frame = frame[(frame["happened_at"] >= first) & (frame["happened_at"] < at)]
        values = frame[value].astype(np.float64) if value in frame.columns else pd.Series(1.0, index=frame.index)
        said = frame[label] if label in frame.columns else pd.Series("", index=frame.index)
        text = ["" if is_missing(word) else f"{word:,.0f}" if isinstance(word, float) else str(word) for word in said]
        parts.append(pd.DataFrame({"lane": lane, "at": frame["happened_at"], "value": values, "label": text}))
    joined: pd.DataFrame = pd.concat(parts, ignore_index=True).sort_values("at", kind="stable").reset_index(drop=True)
    return joined


def _picture(figure: Any) -> str:
    """A figure as an image inside a page; the figure is closed."""
    from matplotlib import pyplot

    content = BytesIO()
    figure.savefig(content, format="png", dpi=90, bbox_inches="tight")
    pyplot.close(figure)
    return f'<p><img alt="" src="data:image/png;base64,{b64encode(content.getvalue()).decode()}"></p>'
