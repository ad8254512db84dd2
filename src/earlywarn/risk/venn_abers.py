"""How sure a probability is: the Venn-Abers interval of a score, as steps that are looked up.

A score is put among those whose outcome is known, once as a late one and once as one on time. What isotonic
regression then says of it bounds the probability: where similar scores are few the bounds lie apart. One of the two is
calibrated whatever the scores are like (Vovk, Petej and Fedorova, "Large-scale probabilistic predictors with and
without guarantees of validity", NeurIPS 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["VennAbers", "fit_venn_abers"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VennAbers:
    """Bounds of the probability by score; both rise in steps.

    Parameters
    ----------
    starts : ndarray of float64, shape (m,)
        Scores at which steps begin, rising.
    low, high : ndarray of float64, shape (m + 1,)
        Bounds below the first start, and from each start on.
    """

    starts: Floats
    low: Floats
    high: Floats

    def interval(self, score: Floats) -> tuple[Floats, Floats]:
        """Bounds for scores.

        Parameters
        ----------
        score : ndarray of float64, shape (n,)
            On the scale of those that were fitted.

        Returns
        -------
        low, high : ndarray of float64, shape (n,)
        """
        step = np.searchsorted(self.starts, score, side="right")
        return self.low[step], self.high[step]

    def to_dict(self) -> dict[str, list[float]]:
        """Plain lists, ready for JSON; the same numbers to the bit."""
        return {"starts": self.starts.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> VennAbers:
        """What `to_dict` gave."""
        return cls(*(np.array(content[name], dtype=np.float64) for name in ("starts", "low", "high")))


def fit_venn_abers(score: Floats, late: Floats, weight: Floats | None = None) -> VennAbers:
    """Work the bounds out for every score that may come, from scores whose outcome is known.

    Parameters
    ----------
    score : ndarray of float64, shape (n,)
        Log-odds or probabilities: only their order counts.
    late : ndarray of float64, shape (n,), 0 or 1
    weight : ndarray of float64, shape (n,), optional
        A new score weighs 1.

    Returns
    -------
    VennAbers
        0 to 1 everywhere when there is no row.

    Examples
    --------
    >>> steps = fit_venn_abers(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 0.0, 1.0, 1.0]))
    >>> [bounds.round(3).tolist() for bounds in steps.interval(np.array([0.15, 0.25, 0.9]))]
    [[0.0, 0.0, 0.667], [0.5, 1.0, 1.0]]
    """
    weight = np.ones_like(score) if weight is None else weight
    values, group = np.unique(score, return_inverse=True)
    count = np.append(0.0, np.cumsum(np.bincount(group, weight, minlength=len(values))))
    events = np.append(0.0, np.cumsum(np.bincount(group, weight * late, minlength=len(values))))
    low = _bounds(count.tolist(), events.tolist(), 0.0)
    high = _bounds(count.tolist(), events.tolist(), 1.0)
    # Places are: below the first value, at it, between it and the second, at the second, …
    begins = np.stack([values, np.nextafter(values, np.inf)], axis=1).ravel()
    new = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0))
    return VennAbers(begins[new], np.append(low[0], low[1:][new]), np.append(high[0], high[1:][new]))


def _bounds(count: Sequence[float], events: Sequence[float], label: float) -> Floats:
    """What isotonic regression says of a new row with a label, at each of the places where it may stand.

    Isotonic regression is the slope of the largest convex function under the cumulative sums. The new row lifts all
    sums to its right; the slope over it is that of the line that touches the hull on its left and the lifted one on
    its right.
    """
    before, after = _hull_before(count, events), _hull_after(count, events)

    def slope(left: int, right: int) -> float:
        return (events[right] + label - events[left]) / (count[right] + 1.0 - count[left])

    places = 2 * len(count) - 1
    found = np.empty(places)
    for place in range(places):
        left, right = place // 2, (place + 1) // 2
        now = slope(left, right)
        while True:
            if after[right] >= 0 and (lower := slope(left, after[right])) <= now:
                right, now = after[right], lower
            elif before[left] >= 0 and (higher := slope(before[left], right)) >= now:
                left, now = before[left], higher
            else:
                break
        found[place] = now
    return found


def _hull_before(count: Sequence[float], events: Sequence[float]) -> list[int]:
    """For each point, the one before it on the lower hull of all points up to it; -1 for the first."""
    before = [-1]
    for point in range(1, len(count)):
        last = point - 1
        while before[last] >= 0 and _is_above(count, events, before[last], last, point):
            last = before[last]
        before.append(last)
    return before


def _hull_after(count: Sequence[float], events: Sequence[float]) -> list[int]:
    """For each point, the one after it on the lower hull of all points from it on; -1 for the last."""
    after = [-1] * len(count)
    for point in range(len(count) - 2, -1, -1):
        following = point + 1
        while after[following] >= 0 and _is_above(count, events, point, following, after[following]):
            following = after[following]
        after[point] = following
    return after


def _is_above(count: Sequence[float], events: Sequence[float], left: int, middle: int, right: int) -> bool:
    """Whether a point does not lie below the line from one on its left to one on its right."""
    rise = (events[right] - events[left]) * (count[middle] - count[left])
    return (events[middle] - events[left]) * (count[right] - count[left]) >= rise
