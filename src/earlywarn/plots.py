"""Pictures in scikit-learn's manner: a display holds arrays, `plot` draws them. Knows no model.

Orange raises the risk, blue lowers it; both are told apart by readers who do not see red and green alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from earlywarn.errors import DataError
from earlywarn.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReasonDisplay", "ReliabilityDisplay"]

RAISES, LOWERS, INK, PALE = "#c8553d", "#3b7ea1", "#333333", "#bbbbbb"
#: Half-width of a 95% interval in standard errors.
Z95 = 1.959963984540054

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
        height = 0.45 * len(self.labels) + 1.4
        ax = ax if ax is not None else _new_axes((7.0, height))
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
        ax.set_yticks(places, self.labels)
        ax.invert_yaxis()
        ax.margins(x=0.12)
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
        top.set_xticks(
            at[inside], [f"{mark:.1%}" if mark < 0.01 else f"{mark:.0%}" for mark in marks[inside]]
        )


@dataclass
class ReliabilityDisplay:
    """Whether probabilities mean what they say: the share late beside the mean probability, bin by bin.

    Parameters
    ----------
    mean_p, share_late : ndarray of float64, shape (b,)
    low, high : ndarray of float64, shape (b,)
        95% Wilson interval of the share late.
    count : ndarray of int64, shape (b,)
        Rows of each bin.

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> display = ReliabilityDisplay.from_arrays([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9], n_bins=2)
    >>> display.mean_p, display.share_late
    (array([0.2, 0.8]), array([0., 1.]))
    """

    mean_p: Floats
    share_late: Floats
    low: Floats
    high: Floats
    count: npt.NDArray[np.int64]
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_arrays(cls, y: Any, p: Any, *, n_bins: int = 10) -> Self:
        """Group rows into bins of about equal size by their probability.

        Parameters
        ----------
        y : array-like, shape (n,), 0 or 1
        p : array-like, shape (n,), probabilities
        n_bins : int
            Equal probabilities stay in one bin, so there may be fewer.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        DataError
            If there are no rows or the lengths differ (code D195).
        """
        late, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
        if late.shape != p.shape or not len(late):
            raise DataError(
                "every row needs an outcome and a probability.",
                code="D195",
                found=f"y of shape {late.shape}, p of shape {p.shape}",
            )
        edges = np.unique(np.quantile(p, np.linspace(0, 1, n_bins + 1)[1:-1]))
        _, at = np.unique(np.searchsorted(edges, p, side="left"), return_inverse=True)
        count = np.bincount(at)
        share = np.bincount(at, late) / count
        centre = (share + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
        half = Z95 * np.sqrt(share * (1 - share) / count + (Z95 / (2 * count)) ** 2) / (1 + Z95**2 / count)
        return cls(np.bincount(at, p) / count, share, centre - half, centre + half, count)

    def plot(self, ax: Axes | None = None, *, label: str = "", title: str = "Calibration") -> Self:
        """Draw the bins with their intervals, beside the diagonal.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out; several displays may share one.
        label : str
        title : str

        Returns
        -------
        ReliabilityDisplay
            Itself, with `ax_` and `figure_`.
        """
        ax = ax if ax is not None else _new_axes((5.0, 5.0))
        before = ax.get_xlim()[1] if ax.has_data() else 0.0
        edge = min(1.0, max(before, 1.05 * float(max(self.mean_p.max(), self.high.max()))))
        errors = np.vstack([self.share_late - self.low, self.high - self.share_late]).clip(0)
        ax.errorbar(
            self.mean_p, self.share_late, yerr=errors, fmt="o-", markersize=5, capsize=2, label=label or None
        )
        ax.plot([0, 1], [0, 1], color=PALE, linestyle="--", linewidth=1, zorder=0)
        ax.set(xlim=(0, edge), ylim=(0, edge), title=title)
        ax.set_xlabel("mean probability of late payment")
        ax.set_ylabel("share paid late (95% interval)")
        if label:
            ax.legend(frameon=False, loc="upper left")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self


def _probability(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))


def _new_axes(size: tuple[float, float]) -> Axes:
    pyplot = require("matplotlib.pyplot", to="draw")
    axes: Axes = pyplot.subplots(figsize=size, layout="constrained")[1]
    return axes
