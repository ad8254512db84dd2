"""Colours and axes that the displays share.

Orange raises the risk, blue lowers it; both are told apart by readers who do not see red and green alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earlywarn.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["INK", "LABEL_WIDTH", "LOWERS", "PALE", "RAISES", "new_axes", "signed"]

RAISES, LOWERS, INK, PALE = "#c8553d", "#3b7ea1", "#333333", "#bbbbbb"
#: Characters of a label before it is broken into two lines.
LABEL_WIDTH = 52


def new_axes(size: tuple[float, float]) -> Axes:
    """Axes of a new figure, width and height in inches."""
    pyplot = require("matplotlib.pyplot", to="draw")
    axes: Axes = pyplot.subplots(figsize=size, layout="constrained")[1]
    return axes


def signed(value: float) -> str:
    """Write a contribution with its sign and two decimals, with a true minus.

    Examples
    --------
    >>> signed(-0.125), signed(1.5)
    ('−0.12', '+1.50')
    >>> signed(-0.001)
    '0.00'
    """
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text
