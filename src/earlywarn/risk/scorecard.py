"""Scorecard: a logistic regression on binned features, with points. The simple rival of RiskModel.

Anybody can work a score out with pencil and paper; what it costs in accuracy is measured beside the trees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from earlywarn.errors import EarlywarnError
from earlywarn.risk import files
from earlywarn.risk.binning import Bins, learn_bins
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.risk.columns import Column, encode, learn_columns
from earlywarn.risk.rows import LearnableRows
from earlywarn.tables.facts import as_text

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet

__all__ = ["Scorecard"]

Floats = npt.NDArray[np.float64]

#: Below this information value a column tells too little to be on the card (Siddiqi, "Credit Risk Scorecards", 2006).
LEAST_INFORMATION = 0.02
#: On top, so many times what chance gives: cuts are looked for where they tell most, so noise tells more than nothing.
CHANCE_TIMES = 3.0
#: Columns whose evidence goes together more closely than this share a place on the card: the better one has it.
LARGEST_CORRELATION = 0.7
#: Rows that bins are looked for in; drawn by lot where there are more.
MOST_ROWS = 100_000


@dataclass(frozen=True)
class _Line:
    """One feature on the card: its place in the matrix, bins, weight, and mean evidence of the training rows."""

    at: int
    bins: Bins
    weight: float
    mean: float


class Scorecard(CalibratedModel):
    """Calibrated probability that an obligation is paid late, from few features in bins, with points for each.

    Each column is cut into bins (see `earlywarn.risk.binning`), held to its direction. The columns that tell most, and
    not the same as another, go into a logistic regression on the weights of evidence; a column whose weight comes out
    negative is left out, so every direction holds. Calibration, interval, reasons and files are those of `RiskModel`.

    Parameters
    ----------
    features : FeatureSet, optional
        As in `RiskModel`.
    random_state : int
    max_features : int
        Features on the card at most.
    max_bins : int
        Bins of a feature at most, that of missing values not counted.
    min_bin_share : float
        Share of the rows with a value that a bin holds at least.
    C : float
        Inverse strength of the penalty of the regression, as in scikit-learn.
    points_to_double : float
        Points for which the odds of being on time double.
    base_points, base_odds : float
        So many points stand for so many on time for one late.
    calibration_share : float
        As in `RiskModel`.
    n_jobs : int, optional
        Not used.

    Attributes
    ----------
    card_ : tuple
        Features on the card, the one that tells most first.
    intercept_ : float
    calibrator_, calibration_, venn_abers_, shift_, expected_value_, base_log_odds_, columns_, categories_, features_, \
classes_, feature_names_in_, n_features_in_, training_summary_, notices_
        As in `RiskModel`. SHAP values are those of a linear model: weight times the difference from the mean.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"late_share": rng.random(2000), "noise": rng.random(2000)})
    >>> y = (rng.random(2000) < X["late_share"]).astype(int)
    >>> card = ew.Scorecard(max_bins=2, max_features=1).fit(X, y)
    >>> card.table()[["bin", "points"]]
            bin  points
    0      base     486
    1  ≤ 0.4108      41
    2  > 0.4108     -28
    3   missing       0
    """

    def __init__(
        self,
        features: FeatureSet | None = None,
        random_state: int = 0,
        *,
        max_features: int = 20,
        max_bins: int = 6,
        min_bin_share: float = 0.05,
        C: float = 1.0,
        points_to_double: float = 20.0,
        base_points: float = 600.0,
        base_odds: float = 50.0,
        calibration_share: float = 0.1,
        n_jobs: int | None = None,
    ) -> None:
        self.features = features
        self.random_state = random_state
        self.max_features = max_features
        self.max_bins = max_bins
        self.min_bin_share = min_bin_share
        self.C = C
        self.points_to_double = points_to_double
        self.base_points = base_points
        self.base_odds = base_odds
        self.calibration_share = calibration_share
        self.n_jobs = n_jobs

    def table(self) -> pd.DataFrame:
        """The card: points by feature and bin, more points for more likely on time.

        Returns
        -------
        DataFrame
            feature (missing for the points everybody starts with), bin, rows and share_late of the rows that bins were
            cut on (all, or 100,000 by lot), evidence, points (whole).
        """
        check_is_fitted(self, "card_")
        lines: list[dict[str, Any]] = [{"feature": None, "bin": "base", "points": self._base_points()}]
        for line in self.card_:
            column = self.columns_[line.at]
            for place, (evidence, points) in enumerate(zip(line.bins.weights, self._points(line), strict=True)):
                rows, late = line.bins.rows[place], line.bins.late[place]
                lines.append(
                    {
                        "feature": column.name, "bin": _bin_name(line.bins, place, column), "rows": rows,
                        "share_late": late / rows if rows else math.nan, "evidence": evidence, "points": int(points),
                    }
                )  # fmt: skip
        frame = pd.DataFrame(lines, columns=["feature", "bin", "rows", "share_late", "evidence", "points"])
        return frame.assign(feature=as_text(frame["feature"]), bin=as_text(frame["bin"]))

    def points(self, X: Any) -> npt.NDArray[np.int64]:
        """Points of each row: what everybody starts with, and those of its bins.

        Parameters
        ----------
        X : DataFrame or array-like, shape (n, k)

        Returns
        -------
        ndarray of int64, shape (n,)
            `base_points` where the odds are `base_odds`, but for rounding by half a point a feature.
        """
        matrix = self.matrix(X)
        total = np.full(len(matrix), self._base_points())
        for line in self.card_:
            total += self._points(line)[line.bins.of(matrix[:, line.at])]
        return total

    def to_files(self) -> dict[str, bytes]:
        """Everything but the catalogue, as data: `model.json`.

        Returns
        -------
        dict of str to bytes
            No pickle, no clock time, no path.
        """
        check_is_fitted(self, "card_")
        card = [
            {"at": line.at, "bins": line.bins.to_dict(), "weight": line.weight, "mean": line.mean}
            for line in self.card_
        ]
        return files.to_files(self, {"card": card, "intercept": self.intercept_}, {})

    def _restore(self, stored: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
        """Take the card from a bundle."""
        self.intercept_ = float(stored["intercept"])
        self.card_ = tuple(
            _Line(int(line["at"]), Bins.from_dict(line["bins"]), float(line["weight"]), float(line["mean"]))
            for line in stored["card"]
        )
        self.expected_value_ = self._expected()

    def _learn_earlier(
        self, frame: pd.DataFrame, rows: LearnableRows, own: npt.NDArray[np.intp], judged: npt.NDArray[np.intp]
    ) -> Floats:
        if not len(judged):
            return np.empty(0)
        self._learn_rows(frame, rows, own)
        return self._margins(encode(frame.iloc[judged], self.columns_))

    def _learn(self, frame: pd.DataFrame, rows: LearnableRows) -> None:
        self._learn_rows(frame, rows, np.arange(len(rows.late)))

    def _learn_rows(self, frame: pd.DataFrame, rows: LearnableRows, own: npt.NDArray[np.intp]) -> None:
        """Bins, choice of columns and regression on some rows."""
        late, weight, treated = rows.late[own], rows.weight[own], rows.treated[own]
        self.columns_ = learn_columns(frame.iloc[own], late, weight, self.features_)
        matrix = encode(frame.iloc[own], self.columns_)
        some = np.arange(len(own))
        if len(some) > MOST_ROWS:
            some = np.sort(np.random.default_rng(self.random_state).permutation(len(own))[:MOST_ROWS])
        bins = [
            learn_bins(
                matrix[some, at], late[some], weight[some], direction=column.direction, most=self.max_bins,
                least_share=self.min_bin_share,
            )
            for at, column in enumerate(self.columns_)
        ]  # fmt: skip
        chosen = self._chosen(matrix[some], bins)
        evidence = np.column_stack([bins[at].evidence(matrix[:, at]) for at in chosen] or [np.empty((len(own), 0))])
        intercept, weights = _regression(evidence, late, weight, treated, self.C)
        means = np.average(evidence, axis=0, weights=weight) if len(chosen) else np.empty(0)
        self.intercept_ = intercept
        self.card_ = tuple(
            _Line(at, bins[at], float(weights[place]), float(means[place]))
            for place, at in enumerate(chosen)
            if weights[place] > 0
        )
        self.expected_value_ = self._expected()

    def _chosen(self, matrix: npt.NDArray[np.float32], bins: list[Bins]) -> list[int]:
        """Columns for the card: those that tell most, and not the same as one taken before."""
        told = np.array([one.information - CHANCE_TIMES * one.by_chance for one in bins])
        taken: list[int] = []
        seen = np.empty((len(matrix), 0))
        for at in np.argsort(-told, kind="stable").tolist():
            if told[at] < LEAST_INFORMATION or len(taken) == self.max_features:
                break
            evidence = bins[at].evidence(matrix[:, at])
            evidence = (evidence - evidence.mean()) / max(float(evidence.std()), 1e-12)
            if seen.shape[1] and np.abs(evidence @ seen).max() / len(matrix) > LARGEST_CORRELATION:
                continue
            taken.append(at)
            seen = np.column_stack([seen, evidence])
        return taken

    def _margins(self, matrix: npt.NDArray[np.float32]) -> Floats:
        margin = np.full(len(matrix), self.intercept_)
        for line in self.card_:
            margin += line.weight * line.bins.evidence(matrix[:, line.at])
        return margin

    def _contributions(self, matrix: npt.NDArray[np.float32], margin: Floats | None = None) -> Floats:
        values = np.zeros(matrix.shape)
        for line in self.card_:
            values[:, line.at] = line.weight * (line.bins.evidence(matrix[:, line.at]) - line.mean)
        return values

    def _expected(self) -> float:
        return float(self.intercept_ + sum(line.weight * line.mean for line in self.card_))

    def _size(self) -> dict[str, int]:
        return {"features_on_card": len(self.card_)}

    def _tells_apart(self) -> bool:
        return bool(self.card_)

    def _factor(self) -> float:
        return self.points_to_double / math.log(2)

    def _base_points(self) -> int:
        """Points everybody starts with: those of evidence 0 in every feature."""
        start = self.calibrator_.slope * self.intercept_ + self.calibrator_.intercept
        return round(self.base_points - self._factor() * (math.log(self.base_odds) + start))

    def _points(self, line: _Line) -> npt.NDArray[np.int64]:
        """Points of the bins of a feature."""
        scale = -self._factor() * self.calibrator_.slope * line.weight
        return np.rint(scale * np.array(line.bins.weights)).astype(np.int64)

    def _check_parameters(self) -> None:
        wrong = {
            "max_features": self.max_features < 1,
            "max_bins": self.max_bins < 2,
            "min_bin_share": not 0 < self.min_bin_share <= 0.5,
            "C": self.C <= 0,
            "points_to_double": self.points_to_double <= 0,
            "base_odds": self.base_odds <= 0,
        }
        found = [f"{name}={getattr(self, name)!r}" for name, is_wrong in wrong.items() if is_wrong]
        if found:
            raise EarlywarnError(
                "a scorecard cannot be made so.", code="E031", found=", ".join(found),
                hint="at least one feature, two bins and a share of rows up to 0.5; the others above 0.",
            )  # fmt: skip
        super()._check_parameters()


def _regression(
    evidence: Floats, late: Floats, weight: Floats, treated: npt.NDArray[np.bool_], C: float
) -> tuple[float, Floats]:
    """Intercept and weights, none below 0: who would be is left out, one after the other, the most negative first.

    Where some were contacted, a column says so, and the margin is that without a contact.
    """
    weights = np.zeros(evidence.shape[1])
    kept = list(range(evidence.shape[1]))
    while True:
        columns = [evidence[:, kept], *([treated[:, None].astype(np.float64)] if treated.any() else [])]
        X = np.column_stack([*columns, np.zeros(len(late))])  # one column at least; nothing is learned of it
        fitted = LogisticRegression(C=C, max_iter=1000).fit(X, late.astype(int), sample_weight=weight)
        found = fitted.coef_[0, : len(kept)]
        if not len(kept) or found.min() > 0:
            weights[kept] = found
            return float(fitted.intercept_[0]), weights
        del kept[int(np.argmin(found))]


def _bin_name(bins: Bins, place: int, column: Column) -> str:
    """What a bin holds, in words."""
    edges = bins.edges
    if place == len(edges) + 1:
        return "missing"
    if column.codes is not None:
        labels = column.codes.labels
        low, high = (edges[place - 1] if place else -1.0), (edges[place] if place < len(edges) else len(labels))
        return ", ".join(label for code, label in enumerate(labels) if low < code <= high) or "none"
    if not edges:
        return "any"
    if place == 0:
        return f"≤ {edges[0]:.4g}"
    return f"> {edges[-1]:.4g}" if place == len(edges) else f"{edges[place - 1]:.4g} to {edges[place]:.4g}"
