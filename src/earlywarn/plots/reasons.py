"""Reasons of one observation as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from earlywarn.errors import DataError
from earlywarn.plots.canvas import INK, LABEL_WIDTH, LOWERS, PALE, RAISES, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReasonDisplay"]

Floats = npt.NDArray[np.float64]


@dataclass
class ReasonDisplay:
    """Reasons of one observation as a waterfall: from the base to its own log-odds, family by family.

    Parameters
    ----------
    base : float
        Log-odds where the reasons start.
    labels : tuple of str, length f
        From the largest contribution to the smallest.
    contributions : ndarray of float64, shape (f,)
        Log-odds; they add up, with the base, to the observation's log-odds.

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> display = ReasonDisplay.from_arrays(-2.0, ["history", "usage"], [1.5, -0.5])
    >>> round(display.probability, 3)
    0.269
    """

    base: float
    labels: tuple[str, ...]
    contributions: Floats
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_arrays(
        cls, base: float, labels: Sequence[str], contributions: Any, *, at_most: int = 8, rest: str = "other"
    ) -> Self:
        """Order the reasons by size and add up the smallest.

        Parameters
        ----------
        base : float
            Log-odds.
        labels : sequence of str, length f
        contributions : array-like, shape (f,)
            Log-odds.
        at_most : int
            Bars to draw; what is left is added up in one bar more.
        rest : str
            Label of that bar.

        Returns
        -------
        ReasonDisplay

        Raises
        ------
        DataError
            If the lengths differ (code D195).
        """
        values = np.asarray(contributions, dtype=np.float64)
        if values.shape != (len(labels),):
            raise DataError(
                "every reason needs a label and a contribution.",
                code="D195",
                found=f"{len(labels)} labels, contributions of shape {values.shape}",
            )
        order = np.argsort(-np.abs(values), kind="stable")
        shown, small = order[:at_most], order[at_most:]
        names = [labels[at] for at in shown] + ([rest] if len(small) else [])
        kept = [*values[shown], values[small].sum()] if len(small) else [*values[shown]]
        return cls(float(base), tuple(names), np.array(kept, dtype=np.float64))

    @property
    def log_odds(self) -> float:
        """Log-odds of the observation."""
        return self.base + float(self.contributions.sum())

    @property
    def probability(self) -> float:
        """Probability of the observation."""
        return float(_probability(self.log_odds))

    def plot(self, ax: Axes | None = None, *, title: str = "") -> Self:
        """Draw the waterfall, with the probability scale on top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str

        Returns
        -------
        ReasonDisplay
            Itself, with `ax_` and `figure_`.
        """
        labels = [fill(label, LABEL_WIDTH) for label in self.labels]
        height = 0.4 * sum(1 + label.count("\n") for label in labels) + 1.4
        ax = ax if ax is not None else new_axes((9.0, height))
        starts = self.base + np.append(0.0, np.cumsum(self.contributions)[:-1])
        places = np.arange(len(self.labels), dtype=np.float64)
        colours = [RAISES if value > 0 else LOWERS for value in self.contributions]
        ax.barh(places, self.contributions, left=starts, height=0.6, color=colours)
        for place, start, value in zip(places, starts, self.contributions, strict=True):
            ax.text(max(start, start + value), place, f" {value:+.2f}", va="center", ha="left", color=INK)
        ends = starts + self.contributions
        ax.vlines(ends[:-1], places[:-1] + 0.3, places[1:] - 0.3, color=PALE, linewidth=1)
        ax.axvline(self.base, color=PALE, linestyle=":", linewidth=1)
        ax.axvline(self.log_odds, color=INK, linestyle=":", linewidth=1)
        ax.set_yticks(places, labels)
        ax.invert_yaxis()
        reach = np.array([self.base, *starts, *ends])
        pad = max(0.12 * float(np.ptp(reach)), 0.1)
        ax.set_xlim(reach.min() - pad, reach.max() + 1.5 * pad)
        ax.set_xlabel(f"log-odds: {self.base:.2f} for everyone, {self.log_odds:.2f} here")
        self._probability_scale(ax)
        ax.set_title(title or f"probability of late payment {self.probability:.0%}", loc="left")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self

    def _probability_scale(self, ax: Axes) -> None:
        low, high = ax.get_xlim()
        marks = np.array([0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99])
        at = np.log(marks / (1 - marks))
        inside = (at >= low) & (at <= high)
        top = ax.secondary_xaxis("top")
        top.set_xticks(at[inside], [f"{mark:.1%}" if mark < 0.01 else f"{mark:.0%}" for mark in marks[inside]])


def _probability(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))
