"""Stress test: late-payment risk, amounts and bills of a customer or a portfolio, if things were otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.reasons.voices import customer_text
from earlywarn.whatif.asking import Question
from earlywarn.whatif.changes import Change
from earlywarn.whatif.words import phrase, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from earlywarn.plots.stress import StressDisplay

__all__ = ["SCENARIOS", "StressTest", "stress"]

#: What is asked when nothing else is.
SCENARIOS: tuple[tuple[Change, ...], ...] = (
    (Change("price", 0.1),),
    (Change("price", 0.25),),
    (Change("usage", 0.2),),
    (Change("usage", 0.5),),
    (Change("income", 15),),
    (Change("income", 30),),
    (Change("due_day", 10),),
)


@dataclass(frozen=True)
class StressTest:
    """What the model says of every obligation under each scenario.

    Parameters
    ----------
    scenarios : tuple of tuple of Change
        The first is empty: as it is.
    rows : DataFrame
        One row a scenario and obligation: scenario (its number), customer_id, obligation_id, stage, amount, p_late,
        band, expected_open (amount times p_late).
    currency : str
    """

    scenarios: tuple[tuple[Change, ...], ...]
    rows: pd.DataFrame
    currency: str

    @property
    def table(self) -> pd.DataFrame:
        """One row a scenario: name, bill (sum), p_late (mean), expected_open (sum), high (how many), and changes."""
        return self.named("en")

    def named(self, language: str) -> pd.DataFrame:
        """The table, with the scenarios in words.

        Parameters
        ----------
        language : str

        Returns
        -------
        DataFrame
            name, bill, p_late, expected_open, high; p_late_change and expected_open_change against the first row.
        """
        groups = self.rows.groupby("scenario", sort=True)
        table = pd.DataFrame(
            {
                "name": [scenario_words(changes, language) for changes in self.scenarios],
                "bill": groups["amount"].sum().to_numpy(),
                "p_late": groups["p_late"].mean().to_numpy(),
                "expected_open": groups["expected_open"].sum().to_numpy(),
                "high": groups["band"].agg(lambda bands: int((bands == "high").sum())).to_numpy(),
            }
        )
        for name in ("p_late", "expected_open"):
            table[f"{name}_change"] = table[name] - table[name].iloc[0]
        return table

    def self_check(self, language: str = "en", formality: str = "formal") -> str:
        """The invitation of a customer to a self-check, with figures of their own running bill where there is one.

        Parameters
        ----------
        language : str
        formality : {"formal", "informal"}

        Returns
        -------
        str
            Of one customer; without figures where several were asked about, or no period runs.
        """
        values: dict[str, object] = {}
        more = [place for place, changes in enumerate(self.scenarios) if _is_more_usage(changes)]
        running = self.rows[self.rows["stage"] == "cycle"]
        if self.rows["customer_id"].nunique() == 1 and more and len(running):
            now = running[running["scenario"] == 0]["amount"].sum()
            then = running[running["scenario"] == more[0]]["amount"].sum()
            if then > now:
                values = {"amount": now, "more": then, "change": self.scenarios[more[0]][0].size}
        return customer_text("self_check", values, language=language, formality=formality, currency=self.currency)

    def plot(self, ax: Axes | None = None, *, language: str = "en") -> StressDisplay:
        """Draw the amount expected to stay open under each scenario, with the mean risk beside it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        language : str

        Returns
        -------
        StressDisplay
        """
        from earlywarn.plots.stress import StressDisplay

        table = self.named(language)
        display = StressDisplay.from_arrays(table["name"], table["expected_open"], table["p_late"])
        return display.plot(
            ax, title=phrase("stress_title", language), amount=f"{phrase('expected_open', language)} ({self.currency})",
            risk=phrase("mean_risk", language),
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<StressTest: {len(self.scenarios)} scenarios, {self.rows['obligation_id'].nunique():,} obligations>"

    def _repr_html_(self) -> str:
        shown = self.table.round({"bill": 2, "p_late": 3, "expected_open": 2})
        return f"<p>{escape(repr(self))}</p>{shown.to_html(index=False, border=0)}"


def stress(
    question: Question,
    band: Callable[[Any], npt.NDArray[np.object_]],
    scenarios: Sequence[Sequence[Change]] = SCENARIOS,
) -> StressTest:
    """Ask the model about every scenario.

    Parameters
    ----------
    question : Question
    band : callable
        Name of the band of each probability.
    scenarios : sequence of sequence of Change

    Returns
    -------
    StressTest
    """
    asked = ((), *(tuple(changes) for changes in scenarios))
    parts = []
    for number, told in enumerate(question.asked_all(asked)):
        part = question.obs[["customer_id", "obligation_id", "stage"]].assign(
            scenario=number, amount=told["amount"], p_late=told["p_late"],
            band=band(told["p_late"].to_numpy()), expected_open=told["amount"] * told["p_late"],
        )  # fmt: skip
        parts.append(part)
    return StressTest(asked, pd.concat(parts, ignore_index=True), question.ledger.currency)


def scenario_words(changes: Sequence[Change], language: str) -> str:
    """A scenario as a heading.

    Examples
    --------
    >>> scenario_words([Change("price", 0.25)], "en"), scenario_words([], "nl")
    ('prices 25% higher', 'zoals het is')
    """
    told = [
        sentence(f"scenario_{change.kind}", language, n=abs(change.size), side=1 if change.size < 0 else 2)
        for change in changes
    ]
    return ", ".join(told) or phrase("scenario_now", language)


def _is_more_usage(changes: Sequence[Change]) -> bool:
    return len(changes) == 1 and changes[0].kind == "usage" and changes[0].size > 0
