"""Facts of one customer along time, with the windows that a feature looks through."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.extras import require
from earlywarn.plots.canvas import INK, RAISES, new_axes
from earlywarn.plots.days import date_axis, day_of, moment_of
from earlywarn.plots.lanes import LETTERS, LEVEL, MARKS, WINDOW, Lane, draw_lane, heights_of
from earlywarn.plots.words import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TimelineDisplay"]

#: Height of a lane in inches.
LANE = 1.05
#: A window of up to so many days is shown whole, a longer one from the first fact on.
WHOLE_DAYS = 400
#: Share of the picture's length that is shown before the earliest window, and after the last moment.
BEFORE, AFTER = 0.12, 0.03


@dataclass
class TimelineDisplay:
    """Facts of one customer along time, a lane for each aggregate of a feature.

    Parameters
    ----------
    lanes : tuple of Lane
    as_of, due_on : float
        Days since 1970; ``due_on`` is NaN where there is none.
    title : str

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> facts = pd.DataFrame(
    ...     {
    ...         "aggregate": "sum(payments.amount, days=30)",
    ...         "happened_at": pd.to_datetime(["2026-01-05", "2026-03-10"]),
    ...         "value": [20.0, 30.0],
    ...         "fate": ["before", "used"],
    ...     }
    ... )
    >>> aggregates = pd.DataFrame(
    ...     {
    ...         "aggregate": ["sum(payments.amount, days=30)"],
    ...         "start": pd.to_datetime(["2026-03-02"]),
    ...         "end": pd.to_datetime(["2026-04-01"]),
    ...         "said": ["30"],
    ...     }
    ... )
    >>> display = TimelineDisplay.from_frames(aggregates, facts, as_of="2026-04-01")
    >>> display.lanes[0].kinds
    ('left out', 'used')
    """

    lanes: tuple[Lane, ...]
    as_of: float
    due_on: float
    title: str = ""
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_frames(
        cls, aggregates: pd.DataFrame, facts: pd.DataFrame, *, as_of: Any, due_on: Any = None, title: str = ""
    ) -> Self:
        """Take one lane a row of ``aggregates``.

        Parameters
        ----------
        aggregates : DataFrame
            aggregate, start, end, said; level, subject and note where there are.
        facts : DataFrame
            aggregate, happened_at, fate ("used", "unknown", any other), and value where there is one.
        as_of, due_on : date-like
        title : str

        Returns
        -------
        TimelineDisplay

        Raises
        ------
        DataError
            When a column is missing (code D195).
        """
        _need(aggregates, ("aggregate", "start", "end", "said"))
        _need(facts, ("aggregate", "happened_at", "fate") if len(facts) else ())
        lanes = [_lane(row, facts) for row in aggregates.to_dict("records")]
        return cls(tuple(lanes), day_of(as_of), day_of(due_on), title)

    def plot(self, ax: Axes | None = None, *, title: str = "", language: str = "en") -> Self:
        """Draw the lanes, with the windows shaded and lines at ``as_of`` and the due day.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str
            Another title than the display's own.
        language : str
            Of the words in the legend.

        Returns
        -------
        TimelineDisplay
            Itself, with `ax_` and `figure_`.
        """
        words = [fill(line, LETTERS) for line in (title or self.title).splitlines()]
        height = LANE * max(len(self.lanes), 0.4) + 0.9 + 0.2 * sum(1 + line.count("\n") for line in words)
        ax = ax if ax is not None else new_axes((10.0, height))
        low, high = self._reach()
        ax.set(xlim=(low, high), ylim=(max(len(self.lanes), 0.4), 0.0))
        for place, lane in enumerate(self.lanes):
            draw_lane(ax, lane, place, self._scale(lane, low, high))
        self._ticks(ax, language)
        date_axis(ax, low, high)
        ax.axvline(self.as_of, color=INK, linewidth=1.3, zorder=2)
        if not np.isnan(self.due_on):
            ax.axvline(self.due_on, color=RAISES, linewidth=1.3, linestyle="--", zorder=2)
        self._legend(ax, language)
        ax.set_title("\n".join(words), loc="left", fontsize=10)
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self

    def _reach(self) -> tuple[float, float]:
        """First and last day of the picture: every window as far as there are facts, and a little around."""
        at = self.as_of
        dated = np.concatenate([np.empty(0), *(lane.days[~np.isnan(lane.days)] for lane in self.lanes)])
        first = float(dated.min()) if len(dated) else -np.inf
        begun = [lane.start for lane in self.lanes if not np.isnan(lane.start)]
        starts = [start if at - start <= WHOLE_DAYS else max(start, first) for start in begun]
        starts += [first for lane in self.lanes if np.isnan(lane.start) and len(dated)]
        high = float(np.nanmax([at + 1.0, self.due_on, *(lane.end for lane in self.lanes)]))
        low = min([at - 14.0, *starts])
        span = high - low
        edge = min(first, low) if len(dated) else low
        return max(low - BEFORE * span, edge - AFTER * span), high + AFTER * span

    def _scale(self, lane: Lane, low: float, high: float) -> tuple[float, float]:
        """Smallest and largest value that is shown of all lanes that read the same."""
        same = [lane] + [one for one in self.lanes if one.subject and one.subject == lane.subject]
        values = np.concatenate([*(one.values[one.within(low, high)] for one in same), [one.level for one in same]])
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if len(values) else (np.nan, np.nan)

    def _ticks(self, ax: Axes, language: str) -> None:
        """Smallest and largest value at the edge of each lane whose facts differ."""
        places: list[float] = []
        labels: list[str] = []
        for place, lane in enumerate(self.lanes):
            scale = self._scale(lane, *ax.get_xlim())
            if scale[1] > scale[0] and len(lane.days):
                places += [float(at) for at in heights_of(np.array(scale), scale, place)]
                figures = [f"{value:.4g}".replace("-", "−") for value in scale]
                labels += [text.replace(".", _word("decimal", language)) for text in figures]
        ax.set_yticks(places, labels, fontsize=8)

    def _legend(self, ax: Axes, language: str) -> None:
        """What stands for what, only what is drawn, below the axis of time."""
        lines = require("matplotlib.lines", to="draw")
        handles: list[Any] = []
        if any(lane.has_window for lane in self.lanes):
            patch = require("matplotlib.patches", to="draw").Patch
            handles.append(patch(color=WINDOW, label=_word("window", language)))
        for kind, (marker, edge, face) in MARKS.items():
            if any((lane.of_kind(kind) & lane.within(*ax.get_xlim())).any() for lane in self.lanes):
                look = {"marker": marker, "markeredgecolor": edge, "markerfacecolor": face, "markersize": 5}
                handles.append(lines.Line2D([], [], linestyle="", label=_word(kind, language), **look))
        if any(np.isfinite(lane.level) for lane in self.lanes):
            handles.append(lines.Line2D([], [], color=LEVEL, linewidth=1.8, label=_word("level", language)))
        for word, when, colour, style in (("as_of", self.as_of, INK, "-"), ("due", self.due_on, RAISES, "--")):
            if not np.isnan(when):
                label = f"{_word(word, language)} {moment_of(when):%Y-%m-%d}"
                handles.append(lines.Line2D([], [], color=colour, linestyle=style, linewidth=1.3, label=label))
        ax.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=len(handles), borderaxespad=2.6,
            frameon=False, fontsize=8, handlelength=1.3, handletextpad=0.5, columnspacing=1.3,
        )  # fmt: skip


def _lane(row: dict[Any, Any], facts: pd.DataFrame) -> Lane:
    own = facts[facts["aggregate"] == row["aggregate"]] if len(facts) else facts
    moments = pd.to_datetime(own["happened_at"]) if len(own) else pd.Series([], dtype="datetime64[us]")
    numbers = pd.to_numeric(own["value"], errors="coerce") if "value" in own else pd.Series(np.nan, own.index)
    return Lane(
        label=str(row["aggregate"]),
        said=str(row["said"]),
        start=day_of(row["start"]),
        end=day_of(row["end"]),
        days=np.array([day_of(moment) for moment in moments], dtype=np.float64),
        values=np.asarray(numbers, dtype=np.float64),
        kinds=tuple(fate if fate in MARKS else "left out" for fate in own["fate"]) if len(own) else (),
        level=float(row.get("level", np.nan)),
        subject=str(row.get("subject", "")),
        note=str(row.get("note", "")),
    )


def _need(frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise DataError(
            f"a timeline needs the columns {', '.join(lacking)}.", code="D195", found=", ".join(frame.columns)
        )


def _word(word: str, language: str) -> str:
    return in_words("timeline", word, language)
