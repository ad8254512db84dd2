"""The worklist of a day as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from earlywarn.plots.canvas import INK, LABEL_WIDTH, RAISES, new_axes
from earlywarn.plots.words import in_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["WorklistDisplay"]

Floats = npt.NDArray[np.float64]
#: Inches: a letter at the size of the list, and the bar of a risk of 100%.
LETTER, BAR = 0.068, 2.0


@dataclass
class WorklistDisplay:
    """A day's worklist: whom to reach, how, at which risk, with the first reason in words.

    Parameters
    ----------
    customers, actions, reasons : tuple of str, length n
    risks : ndarray of float64, shape (n,)
        Probabilities of late payment; NaN where none was computed.

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> plan = pd.DataFrame(
    ...     {
    ...         "customer_id": ["c1", "c2"],
    ...         "action": ["service_call", "nothing"],
    ...         "channel": ["phone", None],
    ...         "angle": ["usage_high", None],
    ...         "p_late": [0.4, 0.9],
    ...         "reasons": [("usage is twice what is usual",), ()],
    ...         "exclusion": [None, "dispute"],
    ...     }
    ... )
    >>> WorklistDisplay.from_plan(plan).actions
    ('service call by phone: usage is high',)
    """

    customers: tuple[str, ...]
    actions: tuple[str, ...]
    reasons: tuple[str, ...]
    risks: Floats
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_plan(cls, plan: pd.DataFrame, *, at_most: int = 12, language: str = "en") -> Self:
        """Take the rows with an action, calls before messages, the highest risk first.

        Parameters
        ----------
        plan : DataFrame
            With customer_id, action, channel, angle, p_late, reasons and exclusion.
        at_most : int
            Rows to show, the same number of each action.
        language : str
            Of action, channel and angle; reasons are in that of the plan.

        Returns
        -------
        WorklistDisplay
        """
        acting = plan[plan["exclusion"].isna()].sort_values("p_late", ascending=False, kind="stable")
        kinds = sorted(acting["action"].unique(), reverse=True)
        share = max(1, at_most // max(1, len(kinds)))
        rows = [row for kind in kinds for row in acting[acting["action"] == kind].head(share).itertuples()]
        by = in_words("label", "by", language)
        said = [
            f"{in_words('action', row.action, language)} {by} {in_words('channel', row.channel, language)}: "
            f"{in_words('angle', row.angle, language)}"
            for row in rows
        ]
        return cls(
            tuple(str(row.customer_id) for row in rows),
            tuple(said),
            tuple(str(row.reasons[0]) if len(row.reasons) else "" for row in rows),
            np.array([row.p_late for row in rows], dtype=np.float64),
        )

    def plot(self, ax: Axes | None = None, *, title: str = "", language: str = "en") -> Self:
        """Draw one bar a customer, with the action on the left and the first reason beside the bar.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure, as wide as its words need, when left out.
        title : str
            What the picture shows when left out.
        language : str
            Of that title.

        Returns
        -------
        WorklistDisplay
            Itself, with `ax_` and `figure_`.
        """
        labels = [f"{who}   {what}" for who, what in zip(self.customers, self.actions, strict=True)]
        shown = [shorten(reason, 2 * LABEL_WIDTH, placeholder=" …") for reason in self.reasons]
        beside = LETTER * (8 + max(map(len, shown), default=0))
        width = LETTER * max(map(len, labels), default=0) + BAR + beside
        ax = ax if ax is not None else new_axes((max(width, 7.0), 0.36 * max(len(labels), 1) + 0.8))
        places = np.arange(len(labels), dtype=np.float64)
        ax.barh(places, np.ones(len(places)), height=0.6, color="#f2f2f2")
        ax.barh(places, np.nan_to_num(self.risks), height=0.6, color=RAISES)
        for place, risk, words in zip(places, self.risks, shown, strict=True):
            share = "–" if np.isnan(risk) else f"{risk:.0%}"
            ax.text(1.02, place, f"{share:>4}   {words}", va="center", ha="left", color=INK, fontsize=9)
        ax.set_yticks(places, labels, fontsize=9)
        ax.set_xlim(0.0, 1.02 + beside / BAR)
        ax.set_xticks([])
        ax.invert_yaxis()
        for side in ("top", "right", "bottom", "left"):
            ax.spines[side].set_visible(False)
        ax.tick_params(length=0)
        ax.set_title(title or in_words("label", "worklist", language), loc="left", fontsize=11)
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self
