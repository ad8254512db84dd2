"""Pictures in scikit-learn's manner: a display holds arrays, `plot` draws them. Knows no model.

Orange raises the risk, blue lowers it; both are told apart by readers who do not see red and green alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill, shorten
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from earlywarn.errors import DataError
from earlywarn.extras import require

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReasonDisplay", "ReliabilityDisplay", "WorklistDisplay"]

RAISES, LOWERS, INK, PALE = "#c8553d", "#3b7ea1", "#333333", "#bbbbbb"
#: Characters of a label before it is broken into two lines.
LABEL_WIDTH = 52
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
        labels = [fill(label, LABEL_WIDTH) for label in self.labels]
        height = 0.4 * sum(1 + label.count("\n") for label in labels) + 1.4
        ax = ax if ax is not None else _new_axes((9.0, height))
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
    ('service call by phone: usage high',)
    """

    customers: tuple[str, ...]
    actions: tuple[str, ...]
    reasons: tuple[str, ...]
    risks: Floats
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_plan(cls, plan: pd.DataFrame, *, at_most: int = 12) -> Self:
        """Take the rows with an action, calls before notices, the highest risk first.

        Parameters
        ----------
        plan : DataFrame
            With customer_id, action, channel, angle, p_late, reasons and exclusion.
        at_most : int
            Rows of each action to show, half of the list each.

        Returns
        -------
        WorklistDisplay
        """
        acting = plan[plan["exclusion"].isna()].sort_values("p_late", ascending=False, kind="stable")
        kinds = sorted(acting["action"].unique(), reverse=True)
        share = max(1, at_most // max(1, len(kinds)))
        rows = [row for kind in kinds for row in acting[acting["action"] == kind].head(share).itertuples()]
        said = [f"{row.action} by {row.channel}: {row.angle}".replace("_", " ") for row in rows]
        return cls(
            tuple(str(row.customer_id) for row in rows),
            tuple(said),
            tuple(str(row.reasons[0]) if len(row.reasons) else "" for row in rows),
            np.array([row.p_late for row in rows], dtype=np.float64),
        )

    def plot(self, ax: Axes | None = None, *, title: str = "worklist") -> Self:
        """Draw one bar a customer, with the action on the left and the first reason beside the bar.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str

        Returns
        -------
        WorklistDisplay
            Itself, with `ax_` and `figure_`.
        """
        ax = ax if ax is not None else _new_axes((12.5, 0.42 * max(len(self.customers), 1) + 1.2))
        places = np.arange(len(self.customers), dtype=np.float64)
        ax.barh(places, np.ones(len(places)), height=0.6, color="#f2f2f2")
        ax.barh(places, np.nan_to_num(self.risks), height=0.6, color=RAISES)
        for place, risk, reason in zip(places, self.risks, self.reasons, strict=True):
            share = "–" if np.isnan(risk) else f"{risk:.0%}"
            words = shorten(reason, 2 * LABEL_WIDTH, placeholder=" …")
            ax.text(1.02, place, f"{share:>4}   {words}", va="center", ha="left", color=INK, fontsize=9)
        labels = [f"{who}   {what}" for who, what in zip(self.customers, self.actions, strict=True)]
        ax.set_yticks(places, labels, fontsize=9)
        ax.set_xlim(0.0, 4.2)
        ax.set_xticks([])
        ax.invert_yaxis()
        for side in ("top", "right", "bottom", "left"):
            ax.spines[side].set_visible(False)
        ax.tick_params(length=0)
        ax.set_title(f"{title}: late-payment risk, and the first reason", loc="left")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self


def _probability(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))


def _new_axes(size: tuple[float, float]) -> Axes:
    pyplot = require("matplotlib.pyplot", to="draw")
    axes: Axes = pyplot.subplots(figsize=size, layout="constrained")[1]
    return axes
