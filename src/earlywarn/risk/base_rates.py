"""How often obligations of like customers are paid late: for whom nothing is known yet, and to look at.

Groups lie in each other: everybody, a segment, a region of it, a campaign there. The rate of a group is drawn towards
that of the group it lies in, as if by so many more obligations as fit the spread between groups of that level best (a
beta-binomial model by maximum likelihood). What is left uncertain is a beta distribution.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import betaln
from scipy.stats import beta

from earlywarn.errors import NotEnoughHistoryError
from earlywarn.risk.rows import check_same_index

__all__ = ["EVERYBODY", "BaseRates"]

Floats = npt.NDArray[np.float64]

#: Name of the level of all customers.
EVERYBODY = "portfolio"
#: Fewest and most obligations that a group's parent can count for.
_LEAST, _MOST = 0.5, 1e6
#: What the rate of everybody begins with: half a late one and half one on time (Jeffreys).
_JEFFREYS = 0.5


@dataclass(frozen=True)
class _Node:
    """A group: rows and late ones in it, and the beta distribution of its rate (its mean and its certainty, a + b)."""

    rows: float
    late: float
    a: float
    b: float

    @property
    def rate(self) -> float:
        return self.a / (self.a + self.b)


@dataclass(frozen=True)
class BaseRates:
    """Late shares of groups that lie in each other, each drawn towards the one above it, with intervals.

    Parameters
    ----------
    by : tuple of str
        What the groups of each level are told by, from the widest to the narrowest.
    nodes : mapping of tuple of str to _Node
        By the labels from the widest level down; ``()`` is everybody.
    strength : tuple of float, length of ``by``
        For how many obligations the group above counts, by level.
    design : float
        By how much rows say less than so many independent ones, because rows of one customer go together.

    Examples
    --------
    >>> groups = pd.DataFrame({"segment": ["b2b"] * 100 + ["b2c"] * 900 + ["b2g"] * 4})
    >>> late = np.r_[np.repeat([1, 0], [30, 70]), np.repeat([1, 0], [90, 810]), [1, 1, 0, 0]]
    >>> rates = BaseRates.fit(groups, late)
    >>> rates.predict(pd.DataFrame({"segment": ["b2b", "b2g", "new"]})).round(2)
       rate   low  high      level
    0  0.28  0.20  0.37    segment
    1  0.21  0.06  0.43    segment
    2  0.12  0.01  0.34  portfolio
    """

    by: tuple[str, ...]
    nodes: Mapping[tuple[str, ...], _Node]
    strength: tuple[float, ...]
    design: float

    @classmethod
    def fit(cls, groups: pd.DataFrame, late: Any, weight: Any = None, customers: Any = None) -> Self:
        """Learn the rates.

        Parameters
        ----------
        groups : DataFrame, shape (n, n_levels)
            The group of each row at each level, the widest first; missing where none is known: such a row counts in the
            groups above only.
        late : array-like, shape (n,)
            0 or 1; NA where it is not known, and such rows are left out.
        weight : array-like, shape (n,), optional
        customers : array-like, shape (n,), optional
            Then intervals are as wide as the going together of a customer's rows makes them.

        Returns
        -------
        BaseRates

        Raises
        ------
        NotEnoughHistoryError
            H401 when no outcome is known.
        DataError
            D190 when an index is another than that of ``groups``.
        """
        for name, given in {"late": late, "weight": weight, "customers": customers}.items():
            check_same_index(groups, name, given)
        y = pd.Series(late).reset_index(drop=True).astype("Float64")
        known = y.notna().to_numpy()
        if not known.any():
            raise NotEnoughHistoryError("no outcome is known.", code="H401", hint="observe over a longer time.")
        of: Any = y[known].to_numpy(dtype=np.float64)
        w: Any = (np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64))[known].astype(np.float64)
        design = 1.0 if customers is None else _design(of, w, np.asarray(pd.Series(customers), dtype=object)[known])
        labels = _labels(groups.iloc[np.flatnonzero(known)])
        rows, events = float(w.sum()) / design, float(w @ of) / design
        nodes: dict[tuple[str, ...], _Node] = {}
        nodes[()] = _Node(float(w.sum()), float(w @ of), events + _JEFFREYS, rows - events + _JEFFREYS)
        strength = []
        for depth in range(1, groups.shape[1] + 1):
            counts = _counts(labels, of, w, depth)
            mean = np.array([nodes[label[:-1]].rate for label in counts])
            n, s = (np.array(list(counts.values())).reshape(-1, 2) / design).T
            kappa = _kappa(n, s, mean)
            strength.append(kappa)
            for label, (total, bad) in counts.items():
                parent = nodes[label[:-1]]
                nodes[label] = _Node(total, bad, *_drawn(parent, kappa, total / design, bad / design))
        return cls(tuple(map(str, groups.columns)), nodes, tuple(strength), design)

    def predict(self, groups: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
        """Rates of rows by the narrowest group that is known.

        Parameters
        ----------
        groups : DataFrame, shape (n, n_levels)
            As in `fit`.
        level : float
            Of the interval.

        Returns
        -------
        DataFrame, index of ``groups``
            rate, low, high, level: the narrowest level at which there were obligations to learn from. The interval of a
            group that is new is as wide as groups of its level differ.
        """
        found = [self._of(label) for label in _labels(groups[list(self.by)])]
        a, b, depth = (np.array([one[place] for one in found], dtype=np.float64) for place in range(3))
        names = np.array([EVERYBODY, *self.by], dtype=object)
        rate, low, high = _bounded(a, b, level)
        return pd.DataFrame(
            {
                "rate": rate,
                "low": low,
                "high": high,
                "level": names[depth.astype(np.int64)],
            },
            index=groups.index,
        )

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Every group with its share late and its rate.

        Parameters
        ----------
        level : float
            Of the interval.

        Returns
        -------
        DataFrame
            level, group, rows and late (weights), share (late / rows), rate (drawn towards the group above), low, high;
            from the widest level to the narrowest.
        """
        names = [EVERYBODY, *self.by]
        nodes = sorted(self.nodes.items(), key=lambda item: (len(item[0]), item[0]))
        rows, late, a, b = np.array([[node.rows, node.late, node.a, node.b] for _, node in nodes]).T
        rate, low, high = _bounded(a, b, level)
        return pd.DataFrame(
            {
                "level": [names[len(name)] for name, _ in nodes],
                "group": [" › ".join(name) or "all" for name, _ in nodes],
                "rows": rows,
                "late": late,
                "share": late / np.where(rows > 0, rows, np.nan),
                "rate": rate,
                "low": low,
                "high": high,
            }
        )

    def to_json(self) -> bytes:
        """Everything as JSON: the same bytes for the same rates.

        Returns
        -------
        bytes
        """
        content = {
            "by": list(self.by),
            "strength": list(self.strength),
            "design": self.design,
            "nodes": [
                [list(name), [node.rows, node.late, node.a, node.b]] for name, node in sorted(self.nodes.items())
            ],
        }
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Rates from what `to_json` gave.

        Parameters
        ----------
        raw : bytes

        Returns
        -------
        BaseRates
        """
        stored = json.loads(raw)
        nodes = {tuple(name): _Node(*map(float, figures)) for name, figures in stored["nodes"]}
        return cls(tuple(stored["by"]), nodes, tuple(map(float, stored["strength"])), float(stored["design"]))

    def _of(self, label: tuple[str, ...]) -> tuple[float, float, int]:
        """Beta distribution of a group's rate, and the depth at which obligations were seen."""
        depth = len(label)
        while label[:depth] not in self.nodes:
            depth -= 1
        node = self.nodes[label[:depth]]
        if depth == len(label):
            return node.a, node.b, depth
        return *_drawn(node, self.strength[depth], 0.0, 0.0), depth  # strays from the group above as others do


def _bounded(a: Floats, b: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Mean and interval of beta distributions; the interval holds the mean, however skewed they are."""
    rate = a / (a + b)
    low, high = (beta.ppf(at, a, b) for at in ((1 - level) / 2, (1 + level) / 2))
    return rate, np.minimum(low, rate), np.maximum(high, rate)


def _drawn(parent: _Node, kappa: float, n: float, s: float) -> tuple[float, float]:
    """Beta distribution of the rate of a group of n rows, s of them late, drawn towards the group above.

    Its mean is (s + kappa m) / (n + kappa). What is uncertain is the group itself, and, as far as it is drawn, the rate
    m of the group above.
    """
    rate = (s + kappa * parent.rate) / (n + kappa)
    above = parent.rate * (1 - parent.rate) / (parent.a + parent.b + 1)
    variance = rate * (1 - rate) / (n + kappa + 1) + (kappa / (n + kappa)) ** 2 * above
    certainty = max(rate * (1 - rate) / variance - 1, 1e-6)
    return rate * certainty, (1 - rate) * certainty


def _labels(groups: pd.DataFrame) -> list[tuple[str, ...]]:
    """Labels of each row from the widest level down, up to the first that is missing."""
    columns: Sequence[Any] = [groups[name].astype(object).where(groups[name].notna(), None) for name in groups]
    rows = zip(*columns, strict=True) if columns else iter([()] * len(groups))
    return [tuple(str(word) for word in row[: row.index(None)] if word is not None) if None in row
            else tuple(map(str, row)) for row in rows]  # fmt: skip


def _counts(
    labels: list[tuple[str, ...]], late: Floats, weight: Floats, depth: int
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Rows and late rows by group of one level; rows whose label ends above it are left out."""
    names = [label[:depth] if len(label) >= depth else None for label in labels]
    codes, found = pd.factorize(pd.Series(names, dtype=object))
    kept = codes >= 0
    rows = np.bincount(codes[kept], weight[kept], minlength=len(found))
    of_late = np.bincount(codes[kept], (weight * late)[kept], minlength=len(found))
    return dict(sorted(zip(map(tuple, found), zip(rows.tolist(), of_late.tolist(), strict=True), strict=True)))


def _kappa(n: Floats, s: Floats, mean: Floats) -> float:
    """For how many obligations the group above counts: the largest likelihood of a beta-binomial model."""
    if not len(n):
        return _MOST
    mean = np.clip(mean, 1e-9, 1 - 1e-9)

    def loss(log_kappa: float) -> float:
        a, b = np.exp(log_kappa) * mean, np.exp(log_kappa) * (1 - mean)
        return -float(np.sum(betaln(a + s, b + n - s) - betaln(a, b)))

    found = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def _design(late: Floats, weight: Floats, customers: npt.NDArray[Any]) -> float:
    """Variance of the share late with rows of a customer together, over that of independent rows; 1 at least."""
    share = float(np.average(late, weights=weight))
    code = pd.factorize(pd.Series(customers))[0]
    code = np.where(code < 0, code.max(initial=-1) + 1 + np.arange(len(code)), code)
    deviation = np.bincount(code, weight * (late - share))
    alone = float(np.sum((weight * (late - share)) ** 2))
    return max(1.0, float(deviation @ deviation) / alone) if alone > 0 else 1.0
