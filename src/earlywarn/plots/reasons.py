"""Reasons of one observation as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from earlywarn.errors import DataError
from earlywarn.plots.canvas import INK, LABEL_WIDTH, LOWERS, PALE, RAISES, new_axes, signed
from earlywarn.plots.words import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReasonDisplay"]

Floats = npt.NDArray[np.float64]
#: What the smallest reasons add up to gets a bar from here on.
TOO_SMALL = 0.02


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
        Log-odds; they add up, with the base and what is left out, to the observation's log-odds.
    left_out : float
        Sum of the reasons that are too small for a bar.

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
    left_out: float = 0.0
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
            Bars to draw; what is left is added up in one bar more, unless that is below 0.02 in size.
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
        names, kept, added = [labels[at] for at in shown], [*values[shown]], float(values[small].sum())
        if abs(added) >= TOO_SMALL:
            return cls(float(base), (*names, rest), np.array([*kept, added], dtype=np.float64))
        return cls(float(base), tuple(names), np.array(kept, dtype=np.float64), left_out=added)

    @property
    def log_odds(self) -> float:
        """Log-odds of the observation."""
        return self.base + float(self.contributions.sum()) + self.left_out

    @property
    def probability(self) -> float:
        """Probability of the observation."""
        return float(_probability(self.log_odds))

    def plot(self, ax: Axes | None = None, *, title: str = "", language: str = "en") -> Self:
        """Draw the waterfall, with the probability scale on top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str
            The risk of this observation when left out.
        language : str
            Of title and axis.

        Returns
        -------
        ReasonDisplay
            Itself, with `ax_` and `figure_`.
        """
        labels = [fill(label, LABEL_WIDTH) for label in self.labels]
        height = 0.4 * sum(1 + label.count("\n") for label in labels) + 1.4
        ax = ax if ax is not None else new_axes((9.0, height))
        starts = self.base + np.append(0.0, np.cumsum(self.contributions)[:-1])
        ends = starts + self.contributions
        reach = np.array([self.base, self.log_odds, *starts, *ends])
        pad = max(0.12 * float(np.ptp(reach)), 0.1)
        ax.set_xlim(reach.min() - pad, reach.max() + 1.5 * pad)
        self._bars(ax, starts, ends)
        ax.set_yticks(np.arange(len(labels), dtype=np.float64), labels)
        ax.invert_yaxis()
        ax.set_xlabel(self._axis_label(language))
        self._probability_scale(ax)
        ax.set_title(title or f"{in_words('label', 'risk', language)}: {self.probability:.0%}", loc="left")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self

    def _bars(self, ax: Axes, starts: Floats, ends: Floats) -> None:
        """Bars, the lines that join them, and the figure of each on a ground that keeps lines away from it."""
        places = np.arange(len(self.labels), dtype=np.float64)
        colours = [RAISES if value > 0 else LOWERS for value in self.contributions]
        ax.axvline(self.base, color=PALE, linestyle=":", linewidth=1, zorder=0)
        ax.axvline(self.log_odds, color=INK, linestyle=":", linewidth=1, zorder=0)
        ax.barh(places, self.contributions, left=starts, height=0.6, color=colours)
        ax.vlines(ends[:-1], places[:-1] + 0.3, places[1:] - 0.3, color=PALE, linewidth=1)
        gap = 0.008 * float(np.ptp(ax.get_xlim()))
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        for place, right, value in zip(places, np.maximum(starts, ends), self.contributions, strict=True):
            ax.text(right + gap, place, signed(value), va="center", ha="left", color=INK, bbox=ground)

    def _axis_label(self, language: str) -> str:
        average, here, unit = (in_words("label", word, language) for word in ("average", "this bill", "log-odds"))
        base, own = (f"{value:.2f}".replace("-", "−") for value in (self.base, self.log_odds))
        return f"{average} {base}, {here} {own} ({unit})"

    def _probability_scale(self, ax: Axes) -> None:
        low, high = ax.get_xlim()
        marks = np.array([0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99])
        at = np.log(marks / (1 - marks))
        inside = (at >= low) & (at <= high)
        top = ax.secondary_xaxis("top")
        top.set_xticks(at[inside], [f"{mark:.1%}" if mark < 0.01 else f"{mark:.0%}" for mark in marks[inside]])


def _probability(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))
