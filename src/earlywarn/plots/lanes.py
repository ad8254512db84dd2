"""One lane of a timeline: the facts that an aggregate looks at, its window and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earlywarn.plots.canvas import INK, LOWERS, PALE, RAISES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FACTS", "FLOOR", "LETTERS", "LEVEL", "MARKS", "WINDOW", "Lane", "draw_lane", "heights_of"]

Floats = npt.NDArray[np.float64]
#: The part of a lane in which facts stand, and the room below; words stand above.
FACTS, FLOOR = 0.6, 0.05
WINDOW, LEVEL = "#dfeaf1", "#1d5570"
#: How each kind of fact is drawn: marker, edge, face.
MARKS = {"used": ("o", LOWERS, LOWERS), "unknown": ("x", RAISES, RAISES), "left out": ("o", PALE, "white")}
#: Letters that a line holds.
LETTERS = 110


@dataclass(frozen=True)
class Lane:
    """One aggregate: the facts of its table, its window and what it gives.

    Parameters
    ----------
    label : str
        The aggregate as it stands in the definition.
    said : str
        What it gives, in words.
    start, end : float
        Its window, in days since 1970; NaN where it is open.
    days : ndarray of float64, shape (n_facts,)
        Days since 1970 of each fact; NaN for what holds always.
    values : ndarray of float64, shape (n_facts,)
        What the aggregate reads; NaN where that is no number.
    kinds : tuple of str, length n_facts
        "used", "unknown" (not known yet then) or "left out".
    level : float
        Value of the aggregate where it can be compared with the facts; NaN where not.
    subject : str
        Lanes of one subject share a scale, so that their heights can be compared.
    note : str
        Said in the middle of a lane without facts.
    """

    label: str
    said: str
    start: float
    end: float
    days: Floats
    values: Floats
    kinds: tuple[str, ...]
    level: float = np.nan
    subject: str = ""
    note: str = ""

    @property
    def has_window(self) -> bool:
        """Whether there is anything to shade."""
        return not self.start >= self.end

    def within(self, low: float, high: float) -> npt.NDArray[np.bool_]:
        """Facts that a picture of these days shows; what holds always stands at its edge."""
        return np.asarray(np.isnan(self.days) | ((self.days > low) & (self.days < high)))

    def of_kind(self, kind: str) -> npt.NDArray[np.bool_]:
        """Facts that are drawn with one mark."""
        return np.array([one == kind for one in self.kinds], dtype=bool)


def draw_lane(ax: Axes, lane: Lane, place: int, scale: tuple[float, float]) -> None:
    """Draw one lane: its window, its facts at the height of their values, its words above them.

    Parameters
    ----------
    ax : matplotlib Axes
    lane : Lane
    place : int
        Lanes above it.
    scale : (float, float)
        Smallest and largest value of the lane's height.
    """
    low, high = ax.get_xlim()
    start, end = float(np.fmax(lane.start, low)), float(np.fmin(lane.end, high))
    if lane.has_window:
        ax.fill_between([start, end], place + 1 - FLOOR, place + 1 - FLOOR - FACTS, color=WINDOW, linewidth=0, zorder=0)
    days = np.where(np.isnan(lane.days), low + 0.006 * (high - low), lane.days)
    heights = heights_of(lane.values, scale, place)
    for kind, (marker, edge, face) in MARKS.items():
        at = lane.of_kind(kind) & lane.within(low, high)
        look: Any = {"color": face} if marker == "x" else {"facecolor": face, "edgecolor": edge}
        size = 26.0 if len(days) < 120 else 12.0
        ax.scatter(days[at], heights[at], s=size, marker=marker, linewidth=1, zorder=3, **look)
    if np.isfinite(lane.level):
        ax.hlines(heights_of(np.array([lane.level]), scale, place), start, end, color=LEVEL, linewidth=1.8, zorder=2)
    if place:
        ax.axhline(place, color="#eeeeee", linewidth=0.8, zorder=0)
    _say(ax, lane, place)


def _say(ax: Axes, lane: Lane, place: int) -> None:
    """The aggregate above its facts, what it gives beside the picture, and a note where there are no facts."""
    across = ax.get_yaxis_transform()
    label = lane.label if len(lane.label) <= LETTERS else lane.label[: LETTERS - 1] + "…"
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    words: Any = {"transform": across, "va": "center", "color": INK, "zorder": 4}
    ax.text(0.006, place + 0.19, label, ha="left", family="monospace", fontsize=8, bbox=ground, **words)
    ax.text(1.01, place + 1 - FLOOR - FACTS / 2, lane.said, ha="left", fontsize=9, weight="bold", **words)
    if not len(lane.days):
        ax.text(0.5, place + 1 - FLOOR - FACTS / 2, lane.note, ha="center", fontsize=8, **words)


def heights_of(values: Floats, scale: tuple[float, float], place: int) -> Floats:
    """Where values stand in a lane; in its middle where they are no numbers or all the same.

    Examples
    --------
    >>> heights_of(np.array([0.0, 10.0, np.nan]), (0.0, 10.0), 0).round(3)
    array([0.902, 0.398, 0.65 ])
    """
    smallest, largest = scale
    share = (values - smallest) / (largest - smallest) if largest > smallest else np.full(len(values), 0.5)
    return np.asarray(place + 1 - FLOOR - FACTS * (0.08 + 0.84 * np.where(np.isnan(share), 0.5, share)))
