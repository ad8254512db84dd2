"""One feature asked on one customer's own data: the facts behind it, each aggregate, the value and the sentence."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.features.explain import Part, Trace, Value, trace
from earlywarn.features.segments import argument_of, group_counts
from earlywarn.reasons.observation import observe
from earlywarn.reasons.reading import aggregate_words, card
from earlywarn.reasons.texts import reason_text
from earlywarn.reasons.told import day_words, fact_table, figure, tally
from earlywarn.reasons.wording import said
from earlywarn.tables.handed_over import need_ledger
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from earlywarn.plots.timeline import TimelineDisplay

__all__ = ["FeatureExplanation", "explain_feature"]

#: Aggregates whose value can be drawn among the values of their facts.
LEVELS = ("mean", "median", "min", "max", "first", "last", "quantile", "ewma")


def explain_feature(
    features: FeatureSet,
    name: str,
    ledger: Ledger | LedgerStore,
    customer_id: str,
    as_of: Any = None,
    *,
    obligation_id: str | None = None,
    language: str = "en",
    context: Context | None = None,
) -> FeatureExplanation:
    """Explain one feature on one customer's data: what it read, what it left out and why, and what it says.

    Parameters
    ----------
    features : FeatureSet
    name : str
        Of the feature.
    ledger : Ledger or LedgerStore
        Of a store, the customer's bucket is read.
    customer_id : str
    as_of : date-like, optional
        Only facts known before it count. Default: the first midnight that sees all that the ledger knows.
    obligation_id : str, optional
        Which obligation ``invoice.*`` reads; the customer's next one due when left out.
    language : str
        Of the words: en, nl, fr, or with a territory.
    context : Context, optional
        As for `FeatureSet.compute`; made of the whole store where the feature looks at other customers.

    Returns
    -------
    FeatureExplanation

    Raises
    ------
    FeatureError
        F207 no such feature, and those of `FeatureSet.compute`.
    DataError
        D162 no such customer, D167 no such obligation open then, D168 ``as_of`` lies before all data.

    Examples
    --------
    >>> from earlywarn.simulate import make_biller
    >>> ledger = Ledger.from_tables(**make_biller(customers=30, months=4))
    >>> told = explain_feature(FeatureSet.default(), "invoice_count_90d", ledger, ledger.customers[0])
    >>> told.value == told.aggregates["value"].iloc[0] == told.aggregates["used"].iloc[0]
    np.True_
    """
    feature = features[name]
    if isinstance(ledger, LedgerStore):
        counts = group_counts(feature.value).values()
        if context is None and counts:  # how many the others are is told, too
            told = (Feature(f"told_count_{at}", text, undated=feature.undated) for at, text in enumerate(counts))
            context = Context.of(ledger, FeatureSet([*features, *told]))
        ledger = ledger.ledger_of(customer_id)
    ledger = need_ledger(ledger, "explain_feature")
    observation = observe(ledger, customer_id, as_of, obligation_id, needs=_needs(feature.expression.fields))
    traced = trace(features, name, ledger, observation, context=context)
    sentence = reason_text(feature, traced.row, language=language, currency=ledger.currency, families=features.families)
    return FeatureExplanation(traced, sentence, language, features)


def _needs(fields: tuple[Any, ...]) -> bool:
    return any(leaf.column != "number" for leaf in fields)


@dataclass(frozen=True)
class FeatureExplanation:
    """One feature at one observation: what it read, what it made of it, and how that is said.

    Parameters
    ----------
    trace : Trace
        Facts and values.
    sentence : str
        What is said of this value.
    language : str
    features : FeatureSet

    Attributes
    ----------
    value : float, str or None
        As the matrix of `FeatureSet.compute` holds it; None when missing.
    aggregates : DataFrame
        One row an aggregate.
    facts : DataFrame
        One row an aggregate and fact.
    """

    trace: Trace
    sentence: str
    language: str
    features: FeatureSet

    def __repr__(self) -> str:
        return f"<{self.trace.feature.name} of {self.heading}: {self.sentence}>"

    @property
    def value(self) -> Value:
        """The value, as in the matrix."""
        return self.trace.value

    @property
    def aggregates(self) -> pd.DataFrame:
        """One row an aggregate: its text, what it reads in words, start, end, value, facts used and left_out."""
        rows = [
            {
                "aggregate": part.text,
                "said": aggregate_words(part.text, part.aggregate, self.language),
                "start": part.start,
                "end": part.end,
                "value": part.value,
                "used": _used(part),
                "left_out": len(part.facts) - _used(part) if part.count is None else 0,
            }
            for part in self.trace.parts
        ]
        return pd.DataFrame(rows, columns=["aggregate", "said", "start", "end", "value", "used", "left_out"])

    @property
    def facts(self) -> pd.DataFrame:
        """One row an aggregate and fact: aggregate, fate, happened_at, known_at, what is read, value."""
        frames = [part.facts.assign(aggregate=part.text) for part in self.trace.parts if len(part.facts)]
        if not frames:
            return pd.DataFrame(columns=["aggregate", "fate", "happened_at", "known_at"])
        joined = pd.concat(frames, ignore_index=True)
        return joined[["aggregate", *joined.columns.drop(["aggregate"])]]

    @property
    def heading(self) -> str:
        """Whose data, at which moment, which obligation."""
        row = self.trace.observation
        parts = [said("on_customer", self.language, customer=str(row["customer_id"]), on=day_words(row["as_of"]))]
        if "obligation_id" in row:
            parts.append(said("bill", self.language, obligation=str(row["obligation_id"]), on=day_words(row["due_on"])))
        return " · ".join(parts)

    def plot(self, ax: Axes | None = None) -> TimelineDisplay:
        """Draw the customer's timeline: facts, windows, the moment of observation and the due day.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.

        Returns
        -------
        TimelineDisplay
        """
        from earlywarn.plots.timeline import TimelineDisplay

        row = self.trace.observation
        lanes = [self._lane(part) for part in self.trace.parts]
        for name, value in self.trace.fields.items():
            note = said("field", self.language, what=name)
            shown = f"= {figure(value, self.language)}"
            lanes.append({"aggregate": name, "said": shown, "start": row["as_of"], "end": row["as_of"], "note": note})
        title = f"{self.trace.feature.name} = {figure(self.value, self.language)}\n{self.sentence}"
        display = TimelineDisplay.from_frames(
            pd.DataFrame(lanes),
            self.facts,
            as_of=row["as_of"],
            due_on=row.get("due_on"),
            title=f"{title}\n{self.heading}",
        )
        return display.plot(ax, language=self.language)

    def _lane(self, part: Part) -> dict[str, Any]:
        return {
            "aggregate": part.text,
            "said": self._result(part),
            "start": part.start,
            "end": part.end,
            "level": _level(part),
            "subject": _subject(part),
            "note": tally(part, self.language),
        }

    def _result(self, part: Part) -> str:
        return f"= {figure(part.value, self.language)}"

    def _repr_html_(self) -> str:
        lines = card(self.trace.feature, self.features.families, self.language)
        head = "".join(f"<tr><th>{escape(name)}</th><td>{escape(words)}</td></tr>" for name, words in lines)
        parts = [f"<h3>{escape(self.trace.feature.name)}</h3><table>{head}</table><h4>{escape(self.heading)}</h4>"]
        for part in self.trace.parts:
            parts.append(f"<p><code>{escape(part.text)}</code> <b>{escape(self._result(part))}</b><br>")
            parts.append(f"{escape(aggregate_words(part.text, part.aggregate, self.language))}<br>")
            parts.append(f"{escape(tally(part, self.language, span=True))}</p>")
            table = fact_table(part, self.language)
            parts.append(table.to_html(index=False, max_rows=12, border=0, na_rep="–") if len(table) else "")
        parts += [f"<p>{escape(name)} = {escape(figure(value, self.language))}</p>" for name, value in self._fields()]
        parts.append(f"<p><b>{escape(figure(self.value, self.language))}</b>: {escape(self.sentence)}</p>")
        return "".join(parts)

    def _fields(self) -> list[tuple[str, Value]]:
        return list(self.trace.fields.items())


def _used(part: Part) -> int:
    if part.count is not None:
        return part.count
    return int((part.facts["fate"] == "used").sum()) if len(part.facts) else 0


def _level(part: Part) -> float:
    drawn = part.aggregate.function in LEVELS and part.aggregate.argument is not None and len(part.facts) > 0
    return part.value if drawn and isinstance(part.value, float) else float("nan")


def _subject(part: Part) -> str:
    return f"{part.aggregate.selection.table} {argument_of(part.text)}" if part.aggregate.argument is not None else ""
