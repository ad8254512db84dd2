"""One customer along time: use, bills, payments, returns and contacts, with the windows that reasons look through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.plots.canvas import INK, LOWERS, PALE, RAISES, new_axes
from earlywarn.plots.days import date_axis, day_of
from earlywarn.plots.words import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LANES", "CustomerDisplay"]

#: Lanes from top to bottom.
LANES = ("usage", "invoices", "payments", "returns", "contacts")
#: Marker and colour of each lane.
_MARKS = {
    "usage": ("", PALE), "invoices": ("s", INK), "payments": ("o", LOWERS), "returns": ("X", RAISES),
    "contacts": ("D", "#7d6b91"),
}  # fmt: skip
#: Height of a window's line below the lanes.
STEP = 0.4
_SHADES = ("#f3d9d2", "#e2ecf2", "#f5ecd3")


@dataclass
class CustomerDisplay:
    """What happened to one customer, a lane each for use, bills, payments, returns and contacts.

    Parameters
    ----------
    events : DataFrame
        lane (of `LANES`), at (datetime), value (amount or quantity), label.
    windows : DataFrame
        label, start, end (datetime): spans that are shaded.
    as_of, due_on : Timestamp
        ``due_on`` may be missing.

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> events = pd.DataFrame(
    ...     {"lane": ["invoices"], "at": pd.to_datetime(["2026-03-01"]), "value": [40.0], "label": ["A"]}
    ... )
    >>> CustomerDisplay.from_frames(events, as_of="2026-03-08").lanes
    ('invoices',)
    """

    events: pd.DataFrame
    windows: pd.DataFrame
    as_of: pd.Timestamp
    due_on: pd.Timestamp
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_frames(
        cls, events: pd.DataFrame, windows: pd.DataFrame | None = None, *, as_of: Any, due_on: Any = None
    ) -> Self:
        """Take events and windows.

        Parameters
        ----------
        events, windows : DataFrame
        as_of, due_on : date-like

        Returns
        -------
        CustomerDisplay

        Raises
        ------
        DataError
            When a column is missing, or a lane is not known (code D195).
        """
        lacking = [name for name in ("lane", "at", "value", "label") if name not in events.columns]
        strange = [] if lacking else sorted(set(events["lane"]) - set(LANES))
        if lacking or strange:
            raise DataError(
                "events need the columns lane, at, value and label.",
                code="D195",
                found=f"lacking {', '.join(lacking)}" if lacking else f"lanes {', '.join(map(str, strange))}",
                hint=f"lanes are {', '.join(LANES)}.",
            )
        spans = pd.DataFrame(columns=["label", "start", "end"]) if windows is None else windows
        return cls(events, spans, pd.Timestamp(as_of), pd.Timestamp(due_on) if due_on is not None else pd.NaT)  # type: ignore[arg-type]

    @property
    def lanes(self) -> tuple[str, ...]:
        """Lanes that hold anything, from top to bottom."""
        held = set(self.events["lane"])
        return tuple(lane for lane in LANES if lane in held)

    def plot(self, ax: Axes | None = None, *, title: str = "", language: str = "en") -> Self:
        """Draw the lanes on one axis of time.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str
        language : str
            Of the names of lanes.

        Returns
        -------
        CustomerDisplay
            Itself, with `ax_` and `figure_`.
        """
        count = max(len(self.lanes), 1)
        ax = ax if ax is not None else new_axes((11.0, 0.75 * (count + STEP * len(self.windows)) + 1.2))
        for place, lane in enumerate(self.lanes):
            self._lane(ax, lane, place)
        for at, window in enumerate(self.windows.itertuples()):
            low = count + STEP * at
            start, end = day_of(window.start), day_of(window.end)
            ax.axvspan(start, end, color=_SHADES[at % len(_SHADES)], alpha=0.35, zorder=0)
            ax.hlines(low, start, end, color=INK, linewidth=3, alpha=0.55)
            ax.text(start, low - 0.06, f" {window.label}", va="bottom", ha="left", fontsize=7.5, color=INK)
        ax.axvline(day_of(self.as_of), color=INK, linewidth=1.3)
        if pd.notna(self.due_on):
            ax.axvline(day_of(self.due_on), color=RAISES, linewidth=1.3, linestyle="--")
        ax.set_yticks(np.arange(count), [in_words("lane", lane, language) for lane in self.lanes] or [""])
        ax.set_ylim(count - 0.4 + STEP * len(self.windows), -0.6)
        ax.margins(x=0.03)
        date_axis(ax, *ax.get_xlim())
        ax.tick_params(labelsize=8)
        ax.set_title(title, loc="left", fontsize=10)
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self

    def _lane(self, ax: Axes, lane: str, place: int) -> None:
        """Use as stems, what else happened as marks whose size follows the amount."""
        own = self.events[self.events["lane"] == lane]
        marker, colour = _MARKS[lane]
        days = np.array([day_of(at) for at in own["at"]], dtype=np.float64)
        size = own["value"].abs().to_numpy(dtype=np.float64)
        largest = float(np.nanmax(size)) if np.isfinite(size).any() else 0.0
        share = np.nan_to_num(size / largest) if largest > 0 else np.zeros(len(size))
        if lane == "usage":
            ax.vlines(days, place + 0.35, place + 0.35 - 0.75 * share, color=LOWERS, linewidth=1.2)
            return
        ax.scatter(days, np.full(len(own), float(place)), marker=marker, s=18 + 40 * share, color=colour, zorder=3)
        for day, label in list(zip(days, map(str, own["label"]), strict=True))[-4:]:
            if label:
                ax.text(day, place - 0.28, label, ha="center", va="bottom", fontsize=6.5, color=INK)
