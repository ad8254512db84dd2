"""Whether probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from earlywarn.errors import DataError
from earlywarn.plots.canvas import PALE, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ReliabilityDisplay"]

#: Half-width of a 95% interval in standard errors.
Z95 = 1.959963984540054

Floats = npt.NDArray[np.float64]


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
        ax = ax if ax is not None else new_axes((5.0, 5.0))
        before = ax.get_xlim()[1] if ax.has_data() else 0.0
        edge = min(1.0, max(before, 1.05 * float(max(self.mean_p.max(), self.high.max()))))
        errors = np.vstack([self.share_late - self.low, self.high - self.share_late]).clip(0)
        ax.errorbar(self.mean_p, self.share_late, yerr=errors, fmt="o-", markersize=5, capsize=2, label=label or None)
        ax.plot([0, 1], [0, 1], color=PALE, linestyle="--", linewidth=1, zorder=0)
        ax.set(xlim=(0, edge), ylim=(0, edge), title=title)
        ax.set_xlabel("mean probability of late payment")
        ax.set_ylabel("share paid late (95% interval)")
        if label:
            ax.legend(frameon=False, loc="upper left")
        self.ax_, self.figure_ = ax, ax.get_figure()  # type: ignore[assignment]
        return self
