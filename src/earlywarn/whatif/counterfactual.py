"""Counterfactual: the smallest change, in at most two things somebody can act on, that leads to a lower band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.reasons.formats import locale_of, percent
from earlywarn.whatif.asking import Question
from earlywarn.whatif.changes import Change
from earlywarn.whatif.words import joined_phrases, phrase, sentence

__all__ = ["LEVERS", "Counterfactual", "find_counterfactual"]

#: What can be acted on, each from the smallest step to the largest. Order is that of effort: between changes that lead
#: to the lower band, fewer things come first, then the earlier step, then the earlier thing.
LEVERS: tuple[tuple[Change, ...], ...] = (
    (Change("due_day", 5), Change("due_day", 10), Change("due_day", 15), Change("due_day", 20)),
    (Change("autopay"),),
    (Change("instalments", 2), Change("instalments", 3), Change("instalments", 4)),
    (Change("limit"),),
    (Change("usage", -0.1), Change("usage", -0.2), Change("usage", -0.3)),
    (Change("price", -0.05), Change("price", -0.1), Change("price", -0.2)),
)
BANDS = ("low", "medium", "high")


@dataclass(frozen=True)
class Counterfactual:
    """What would have to be different for the model to say a lower band.

    Parameters
    ----------
    customer_id, obligation_id : str
    p_late : float
    band : str
    changes : tuple of Change
        At most two; none where the band is the lowest already, or where nothing that was tried is enough.
    p_changed : float
        What the model says after them; after the best of what was tried, where nothing is enough.
    band_changed : str
    tried : DataFrame
        Everything that was asked: changes, things, step, p_late, band; the smallest change first. Pairs are asked
        about only where no single change is enough, and of changes that lower the risk alone.
    """

    customer_id: str
    obligation_id: str
    p_late: float
    band: str
    changes: tuple[Change, ...]
    p_changed: float
    band_changed: str
    tried: pd.DataFrame

    def text(self, language: str = "en") -> str:
        """What the model says, in words: of the data as they are and as they might be, not of what would happen.

        Parameters
        ----------
        language : str

        Returns
        -------
        str
        """
        locale = locale_of(language)
        figures = {"now": percent(self.p_late, "", locale), "then": percent(self.p_changed, "", locale)}
        if self.band == BANDS[0]:
            return sentence("lowest", language, **figures)
        if not self.changes:
            return sentence("none" if self.p_changed < self.p_late else "worse", language, **figures)
        told = joined_phrases(self.changes, language)
        return sentence("says", language, changes=told, band=phrase_of_band(self.band_changed, language), **figures)

    def __repr__(self) -> str:
        return f"<Counterfactual of {self.obligation_id}: {self.text()}>"

    def _repr_html_(self) -> str:
        shown = self.tried.head(8).assign(p_late=self.tried["p_late"].map("{:.1%}".format))
        return f"<p>{escape(self.text())}</p>{shown.to_html(index=False, border=0)}"


def phrase_of_band(band: str, language: str) -> str:
    """A band in words."""
    return phrase(f"band_{band}", language) if band in BANDS else band


def find_counterfactual(
    question: Question,
    band: Callable[[Any], npt.NDArray[np.object_]],
    *,
    levers: Sequence[Sequence[Change]] = LEVERS,
    most: int = 2,
) -> Counterfactual:
    """Try single changes and pairs of them, and take the smallest that leads to a lower band.

    Parameters
    ----------
    question : Question
        Of one obligation.
    band : callable
        Name of the band of each probability.
    levers : sequence of sequence of Change
        Things that can be acted on, each with its steps.
    most : int
        Things changed at once.

    Returns
    -------
    Counterfactual
    """
    row = question.obs.iloc[0]
    p_now = float(question.asked()["p_late"].iloc[0])
    own = str(band(np.array([p_now]))[0])
    things = _of_use(levers, question)
    tried, lower = pd.DataFrame(), np.empty(0, dtype=bool)
    for count in range(1, most + 1):
        sets = _sets(things, count)
        told = question.asked_all([chosen for chosen, _, _ in sets])
        p_then = np.array([float(frame["p_late"].iloc[0]) for frame in told])
        part = pd.DataFrame(sets, columns=["changes", "step", "place"]).assign(
            p_late=p_then, band=band(p_then), things=count
        )
        part = part.sort_values(["step", "place"], kind="stable")[["changes", "things", "step", "p_late", "band"]]
        tried = pd.concat([tried, part], ignore_index=True)
        lower = np.array([_rank(name) < _rank(own) for name in tried["band"]], dtype=bool)
        if lower.any() or own == BANDS[0]:
            break
        helpful = {changes[0] for changes, p in zip(part["changes"], part["p_late"], strict=True) if p < p_now}
        things = [kept for steps in things if (kept := [step for step in steps if step in helpful])]
    enough = bool(lower.any()) and own != BANDS[0]
    best = tried.iloc[int(np.argmax(lower) if enough else np.argmin(tried["p_late"]))]
    return Counterfactual(
        customer_id=str(row["customer_id"]),
        obligation_id=str(row["obligation_id"]),
        p_late=p_now,
        band=own,
        changes=tuple(best["changes"]) if enough else (),
        p_changed=float(best["p_late"]),
        band_changed=str(best["band"]),
        tried=tried,
    )


def _of_use(levers: Sequence[Sequence[Change]], question: Question) -> list[Sequence[Change]]:
    """Levers that mean something for a bill: a limit while the period runs, direct debit where there is none yet."""
    useless = set() if question.obs["stage"].iloc[0] == "cycle" else {"limit", "usage"}
    if not question.may_be_collected:
        useless.add("autopay")
    return [steps for steps in levers if steps[0].kind not in useless]


def _sets(levers: Sequence[Sequence[Change]], count: int) -> list[tuple[tuple[Change, ...], int, int]]:
    """Every choice of so many things with a step of each: changes, how large the steps are together, and place."""
    return [
        (chosen, step, place)
        for place, things in enumerate(combinations(levers, count))
        for chosen, step in _steps(things)
    ]


def _steps(things: Sequence[Sequence[Change]]) -> list[tuple[tuple[Change, ...], int]]:
    """Every choice of one step a thing, and how large the steps are together."""
    chosen: list[tuple[tuple[Change, ...], int]] = [((), 0)]
    for steps in things:
        chosen = [((*so_far, step), size + at) for so_far, size in chosen for at, step in enumerate(steps)]
    return chosen


def _rank(name: Any) -> int:
    return BANDS.index(name) if name in BANDS else len(BANDS)
