"""Reasons of many customers: by group as a heat table, over time as stacked shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from earlywarn.errors import DataError
from earlywarn.extras import require
from earlywarn.plots.canvas import INK, LOWERS, RAISES, new_axes, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReasonHeatDisplay", "ReasonTrendDisplay"]

#: Log-odds from which a cell is in full colour.
FULL = 0.5
#: Colours of families in a trend; told apart by people who do not see red and green alike.
COLOURS = ("#3b7ea1", "#c8553d", "#e3b23c", "#6b8f71", "#7d6b91", "#9aa5b1", "#b5838d", "#40798c")
OTHER = "#dddddd"


@dataclass
class ReasonHeatDisplay:
    """Mean contributions by group and family, above or below the mean of all: orange raises the risk, blue lowers it.

    Parameters
    ----------
    table : DataFrame, shape (groups, families)
        Log-odds, index the groups.
    rows : ndarray of int, shape (groups,)

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> display = ReasonHeatDisplay.from_frame(pd.DataFrame({"rows": [20], "usage": [0.3]}, index=["b2c"]))
    >>> display.table.columns.tolist()
    ['usage']
    """

    table: pd.DataFrame
    rows: Any
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_frame(cls, table: pd.DataFrame) -> Self:
        """Take a table as from `reasons_by`; families in the order of their largest cell.

        Parameters
        ----------
        table : DataFrame
            With a column ``rows``.

        Returns
        -------
        ReasonHeatDisplay

        Raises
        ------
        DataError
            If ``rows`` is missing (code D195).
        """
        if "rows" not in table.columns:
            raise DataError(
                "a heat table needs the column rows.", code="D195", found=", ".join(map(str, table.columns))
            )
        values = table.drop(columns="rows")
        order = values.abs().max().sort_values(ascending=False, kind="stable").index
        return cls(values[order], table["rows"].to_numpy())

    def plot(self, ax: Axes | None = None, *, title: str = "", labels: dict[str, str] | None = None) -> Self:
        """Draw the table, every figure in its cell.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str
        labels : dict of str to str, optional
            Names of families as people say them.

        Returns
        -------
        ReasonHeatDisplay
            Itself, with `ax_` and `figure_`.
        """
        colours = require("matplotlib.colors", to="draw")
        named = [(labels or {}).get(str(name), str(name)) for name in self.table.columns]
        size = (1.6 + 0.95 * max(len(named), 2), 1.6 + 0.4 * max(len(self.table), 2))
        ax = ax if ax is not None else new_axes(size)
        shades = colours.LinearSegmentedColormap.from_list("reasons", [LOWERS, "white", RAISES])
        values = self.table.to_numpy(dtype=np.float64)
        reach = max(FULL, float(np.abs(values).max(initial=0.0)))
        ax.imshow(values, cmap=shades, vmin=-reach, vmax=reach, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            ax.text(column, row, signed(float(value)), ha="center", va="center", color=INK, fontsize=8)
        ax.set_xticks(np.arange(len(named)), named, rotation=35, ha="right", rotation_mode="anchor", fontsize=8)
        groups = [f"{group} ({count:,})" for group, count in zip(self.table.index, self.rows, strict=True)]
        ax.set_yticks(np.arange(len(groups)), groups, fontsize=8)
        ax.set_title(title, loc="left", fontsize=10)
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self


@dataclass
class ReasonTrendDisplay:
    """How often each family is the first reason, over time.

    Parameters
    ----------
    table : DataFrame, shape (periods, families)
        Shares, as from `reasons_over_time`.

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> periods = pd.period_range("2026-01", periods=2, freq="M")
    >>> ReasonTrendDisplay.from_frame(pd.DataFrame({"usage": [0.4, 0.5], "us": [0.6, 0.5]}, index=periods)).families
    ('us', 'usage')
    """

    table: pd.DataFrame
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_frame(cls, table: pd.DataFrame, *, at_most: int = len(COLOURS)) -> Self:
        """Take shares by period, the most frequent families first and the rest together.

        Parameters
        ----------
        table : DataFrame
        at_most : int
            Families shown by name.

        Returns
        -------
        ReasonTrendDisplay
        """
        order = table.mean().sort_values(ascending=False, kind="stable").index
        shown = table[order[:at_most]].copy()
        if len(order) > at_most:
            shown["…"] = table[order[at_most:]].sum(axis=1)
        return cls(shown)

    @property
    def families(self) -> tuple[str, ...]:
        """Families shown, the most frequent first."""
        return tuple(map(str, self.table.columns))

    def plot(self, ax: Axes | None = None, *, title: str = "", labels: dict[str, str] | None = None) -> Self:
        """Draw the shares, stacked.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title : str
        labels : dict of str to str, optional
            Names of families as people say them.

        Returns
        -------
        ReasonTrendDisplay
            Itself, with `ax_` and `figure_`.
        """
        ax = ax if ax is not None else new_axes((9.0, 4.0))
        places = np.arange(len(self.table), dtype=np.float64)
        bottom = np.zeros(len(self.table))
        for at, name in enumerate(self.table.columns):
            values = self.table[name].to_numpy(dtype=np.float64)
            colour = OTHER if name == "…" else COLOURS[at % len(COLOURS)]
            ax.bar(
                places, values, bottom=bottom, width=0.85, color=colour, label=(labels or {}).get(str(name), str(name))
            )
            bottom += values
        ticks = places[:: max(1, len(places) // 12)]
        ax.set_xticks(ticks, [str(self.table.index[int(at)]) for at in ticks], fontsize=8)
        ax.set_ylim(0, 1)
        ax.yaxis.set_major_formatter(require("matplotlib.ticker", to="draw").PercentFormatter(1.0))
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
        ax.set_title(title, loc="left", fontsize=10)
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self
