"""One customer's life in a simulated world: what was used, billed, possible, done and paid, along time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from earlywarn.extras import require
from earlywarn.plots.canvas import INK, LOWERS, PALE, RAISES
from earlywarn.plots.words import in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LifeDisplay"]

#: How far below the usual room the picture of means goes on.
_FLOOR = -3.0
#: A cause whose word also names the picture above.
_CAUSES = {"means": "means_short"}


@dataclass
class LifeDisplay:
    """Three pictures above each other: use, means, and every bill from issue to payment.

    Parameters
    ----------
    use : DataFrame
        day, quantity.
    means : DataFrame
        day, room (0: a usual bill can just be paid).
    bills : DataFrame
        issued_on, due_on, paid_on, amount, late, cause.
    contacts : DataFrame
        day, what (a word of `earlywarn.simulate`'s actions, or reminded, reminded_again, questioned).
    customer : str
        Who it is, at the head of the picture.
    about : mapping, optional
        business, forgets (share of bills that are put away) and pays (transfer, card or collected).

    Attributes
    ----------
    figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> none = pd.DataFrame()
    >>> about = {"business": False, "forgets": 0.25, "pays": "transfer"}
    >>> LifeDisplay(none, none, none, none, "K00001", about).title("nl")
    'K00001, legt 25% van de facturen weg, betaalt per overschrijving'
    """

    use: pd.DataFrame
    means: pd.DataFrame
    bills: pd.DataFrame
    contacts: pd.DataFrame
    customer: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    figure_: Figure | None = None

    def title(self, language: str = "en") -> str:
        """What stands above the picture.

        Parameters
        ----------
        language : str

        Returns
        -------
        str
        """
        said = [self.customer]
        if self.about.get("business"):
            said.append(_word("business", language))
        if self.about.get("forgets") is not None:
            said.append(_word("puts_away", language).format(share=f"{self.about['forgets']:.0%}"))
        if self.about.get("pays"):
            said.append(_word(self.about["pays"], language))
        return ", ".join(said)

    def plot(self, *, language: str = "en") -> Self:
        """Draw the life.

        Parameters
        ----------
        language : str

        Returns
        -------
        LifeDisplay
            Itself, with `figure_`.
        """
        pyplot = require("matplotlib.pyplot", to="draw")
        height = 3.6 + 0.22 * len(self.bills)
        figure, axes = pyplot.subplots(
            3, 1, figsize=(10, height), sharex=True, layout="constrained",
            gridspec_kw={"height_ratios": [1.3, 1.3, 1.0 + 0.22 * len(self.bills)]},
        )  # fmt: skip
        self._use(axes[0])
        self._means(axes[1])
        self._bills(axes[2], language)
        for ax, word in zip(axes, ("use", "means", "bills"), strict=True):
            ax.set_ylabel(_word(word, language), fontsize=8)
            ax.tick_params(labelsize=8)
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
        figure.suptitle(self.title(language), x=0.01, ha="left", fontsize=10)
        self.figure_ = figure
        return self

    def _use(self, ax: Any) -> None:
        ax.fill_between(self.use["day"], self.use["quantity"], step="post", color=LOWERS, alpha=0.35, linewidth=0)
        ax.set_ylim(bottom=0)

    def _means(self, ax: Any) -> None:
        room = self.means["room"].to_numpy()
        ax.plot(self.means["day"], room, color=INK, linewidth=0.7)
        ax.fill_between(self.means["day"], np.minimum(room, 0), 0, color=RAISES, alpha=0.5, linewidth=0)
        ax.axhline(0, color=PALE, linewidth=0.8)
        ax.set_ylim(min(_FLOOR, room.min()), max(3.0, room.max()))

    def _bills(self, ax: Any, language: str) -> None:
        end = self.means["day"].max()
        for place, bill in enumerate(self.bills.to_dict("records")):
            paid = bill["paid_on"] if pd.notna(bill["paid_on"]) else end
            colour = RAISES if bill["late"] else LOWERS
            ax.plot([bill["issued_on"], paid], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
            ax.plot(bill["due_on"], place, marker="|", color=INK, markersize=7)
            if pd.notna(bill["paid_on"]):
                ax.plot(paid, place, marker="o", color=colour, markersize=4)
            words = f"{bill['amount']:.2f}"
            if bill["late"]:
                words += f"  {_word(_CAUSES.get(bill['cause'], bill['cause']), language)}"
            ax.annotate(words, (max(paid, bill["due_on"]), place), (6, 0), textcoords="offset points", va="center",
                        fontsize=7, color=colour if bill["late"] else INK)  # fmt: skip
        for contact in self.contacts.to_dict("records"):
            ax.axvline(contact["day"], color=PALE, linewidth=0.8, linestyle=":")
            ax.annotate(
                _word(contact["what"], language), (contact["day"], -0.9), fontsize=6, rotation=90, va="top", color=INK
            )
        ax.set_ylim(len(self.bills) - 0.3, -1.0)
        ax.set_yticks([])


def _word(word: str, language: str) -> str:
    return in_words("life", word, language)
