"""One reduction as a context holds it: daily sums by group, and the running sums of each window over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from earlywarn.features.expression import DEFAULT_DAYS, Selection
from earlywarn.features.reduction import Cells, Windows

__all__ = ["Reduced", "edges_of"]


@dataclass(frozen=True, eq=False)
class Reduced:
    """Daily sums of one argument under one condition, over one kind of group.

    Attributes
    ----------
    labels : tuple of str
        Names of the groups, sorted; ``cells.group`` points here.
    cells : Cells
    scale : float
        Values were counted in units divided by this.
    """

    labels: tuple[str, ...]
    cells: Cells
    scale: float
    _windows: dict[tuple[int, int], Windows] = field(default_factory=dict, init=False, repr=False)

    def windows(self, selection: Selection) -> Windows:
        """Running sums for the window of a selection, made once."""
        edges = edges_of(selection)
        if edges not in self._windows:
            self._windows[edges] = Windows(self.cells, *edges)
        return self._windows[edges]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_windows": {}}


def edges_of(selection: Selection) -> tuple[int, int]:
    """Older and newer edge of a window over a group, in whole days before ``as_of``."""
    return round(DEFAULT_DAYS if selection.days is None else selection.days), round(selection.until)
