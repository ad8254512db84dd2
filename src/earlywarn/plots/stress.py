"""What would stay open under each scenario, and the mean risk, as bars."""

from __future__ import annotations

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

__all__ = ["StressDisplay"]

Floats = npt.NDArray[np.float64]


@dataclass
class StressDisplay:
    """A bar a scenario, the first one as it is; higher ones in the colour of what raises the risk.

    Parameters
    ----------
    labels : tuple of str, length s
    amounts : ndarray of float64, shape (s,)
    risks : ndarray of float64, shape (s,)
        Mean probability under each.

    Attributes
    ----------
    ax_, figure_
        Where it was drawn, after `plot`.

    Examples
    --------
    >>> display = StressDisplay.from_arrays(["as it is", "prices 10% higher"], [100.0, 130.0], [0.2, 0.25])
    >>> display.amounts
    array([100., 130.])
    """

    labels: tuple[str, ...]
    amounts: Floats
    risks: Floats
    ax_: Axes | None = None
    figure_: Figure | None = None

    @classmethod
    def from_arrays(cls, labels: Any, amounts: Any, risks: Any) -> Self:
        """Take one bar a scenario.

        Parameters
        ----------
        labels : sequence of str, length s
        amounts, risks : array-like, shape (s,)

        Returns
        -------
        StressDisplay

        Raises
        ------
        DataError
            If the lengths differ (code D195).
        """
        names = tuple(str(label) for label in labels)
        amount, risk = (np.asarray(values, dtype=np.float64) for values in (amounts, risks))
        if amount.shape != (len(names),) or risk.shape != amount.shape:
            raise DataError("every scenario needs a label, an amount and a risk.", code="D195")
        return cls(names, amount, risk)

    def plot(
        self, ax: Axes | None = None, *, title: str = "", amount: str = "expected open amount", risk: str = "mean risk"
    ) -> Self:
        """Draw the bars, with the risk of each at its end.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            A new figure when left out.
        title, amount, risk : str
            What is written.

        Returns
        -------
        StressDisplay
            Itself, with `ax_` and `figure_`.
        """
        labels = [fill(label, LABEL_WIDTH) for label in self.labels]
        ax = ax if ax is not None else new_axes((8.5, 0.45 * len(labels) + 1.4))
        places = np.arange(len(labels), dtype=np.float64)
        base = self.amounts[0] if len(labels) else 0.0
        colours = [PALE if at == 0 else RAISES if value > base else LOWERS for at, value in enumerate(self.amounts)]
        ax.barh(places, self.amounts, height=0.6, color=colours)
        ax.axvline(base, color=INK, linestyle=":", linewidth=1, zorder=0)
        gap = 0.01 * float(max(self.amounts.max(initial=0.0), 1e-9))
        for place, value, p_late in zip(places, self.amounts, self.risks, strict=True):
            ax.text(value + gap, place, f"{value:,.0f}  ({p_late:.1%})", va="center", ha="left", color=INK)
        ax.set_xlim(0, 1.4 * float(max(self.amounts.max(initial=0.0), 1e-9)))
        ax.set_yticks(places, labels)
        ax.invert_yaxis()
        ax.set_xlabel(f"{amount}; {risk} (%)")
        ax.set_title(title, loc="left")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self
