"""How much of what is late is caught by calling the highest scores first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from earlywarn.plots.canvas import INK, PALE, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GainDisplay", "LiftDisplay"]

Floats = npt.NDArray[np.float64]
#: Smallest share of the rows for which a lift is drawn: below, it is noise.
LEAST = 0.01


@dataclass
class GainDisplay:
    """Cumulative gains: share of what is late that is caught, by the share that is called, the highest scores first.

    Parameters
    ----------
    curves : mapping of str to (reached, caught)
        Two arrays by scorer, each from 0 to 1.
    capacity : float, optional
        Share that can be called: marked.

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> curve = np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.9, 1.0])
    >>> GainDisplay({"earlywarn": curve}, 0.25).caught("earlywarn")
    0.45
    """

    curves: Mapping[str, tuple[Floats, Floats]]
    capacity: float | None = None
    ax_: Axes | None = None
    figure_: Figure | None = None

    def caught(self, scorer: str, share: float | None = None) -> float:
        """Share of what is late that a scorer catches.

        Parameters
        ----------
        scorer : str
        share : float, optional
            Share that is called; the capacity when left out.

        Returns
        -------
        float, 0 to 1
        """
        called = self.capacity if share is None else share
        return float(np.interp(1.0 if called is None else called, *self.curves[scorer]))

    def plot(self, ax: Axes | None = None, *, title: str = "Late obligations caught") -> Self:
        """Draw a curve for each scorer, beside who calls by lot.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str

        Returns
        -------
        GainDisplay
            Itself, with `ax_` and `figure_`.
        """
        ax = ax if ax is not None else new_axes((6.0, 4.5))
        for place, (name, (reached, caught)) in enumerate(self.curves.items()):
            ax.plot(reached, caught, label=name, linewidth=2.2 if place == 0 else 1.2, zorder=3 if place == 0 else 2)
        ax.plot([0, 1], [0, 1], color=PALE, linestyle="--", linewidth=1, zorder=0, label="by lot")
        _mark(ax, self.capacity)
        ax.set(xlim=(0, 1), ylim=(0, 1.01), title=title)
        ax.set_xlabel("share of obligations called, highest scores first")
        ax.set_ylabel("share of the late ones among them")
        ax.legend(frameon=False, loc="lower right")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self


@dataclass
class LiftDisplay:
    """Lift: how many times more late obligations than by lot are among the highest scores.

    Parameters
    ----------
    curves : mapping of str to (reached, caught)
        As in `GainDisplay`.
    capacity : float, optional

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> curve = np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.9, 1.0])
    >>> LiftDisplay({"earlywarn": curve}).lift("earlywarn", 0.5)
    1.8
    """

    curves: Mapping[str, tuple[Floats, Floats]]
    capacity: float | None = None
    ax_: Axes | None = None
    figure_: Figure | None = None

    def lift(self, scorer: str, share: float) -> float:
        """Lift of a scorer at a share that is called.

        Parameters
        ----------
        scorer : str
        share : float
            Above 0.

        Returns
        -------
        float
        """
        return float(np.interp(share, *self.curves[scorer]) / share)

    def plot(self, ax: Axes | None = None, *, title: str = "Lift over calling by lot") -> Self:
        """Draw a curve for each scorer.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str

        Returns
        -------
        LiftDisplay
            Itself, with `ax_` and `figure_`.
        """
        ax = ax if ax is not None else new_axes((6.0, 4.5))
        share = np.linspace(LEAST, 1, 100)
        for place, (name, curve) in enumerate(self.curves.items()):
            ax.plot(share, np.interp(share, *curve) / share, label=name, linewidth=2.2 if place == 0 else 1.2)
        ax.axhline(1, color=PALE, linestyle="--", linewidth=1, zorder=0)
        _mark(ax, self.capacity)
        ax.set(xlim=(0, 1), title=title)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("share of obligations called, highest scores first")
        ax.set_ylabel("times more late ones than by lot")
        ax.legend(frameon=False, loc="upper right")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self


def _mark(ax: Axes, capacity: float | None) -> None:
    if capacity is not None and capacity < 1:
        ax.axvline(capacity, color=INK, linewidth=0.8, linestyle=":")
        ax.annotate(
            f"capacity {capacity:.0%}", (capacity, 0), xytext=(4, 6), textcoords="offset points", color=INK, fontsize=8
        )
