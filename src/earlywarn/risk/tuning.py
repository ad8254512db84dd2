"""Choose parameters on time: every candidate learns from what had matured and is judged on what came next.

What there is stays unless a candidate is better by more than one standard error, customers counted as one: the best of
many is lucky, and luck does not last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.model_selection import ParameterSampler

from earlywarn.errors import EarlywarnError, NotEnoughHistoryError
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.risk.calibration import standard_error
from earlywarn.risk.model import RiskModel
from earlywarn.risk.rows import check_same_index
from earlywarn.risk.scorecard import Scorecard
from earlywarn.risk.splits import TemporalSplit

__all__ = ["SPACES", "Tuning", "tune"]

Floats = npt.NDArray[np.float64]
Model = TypeVar("Model", bound=CalibratedModel)

#: Where candidates are drawn from, by class of model. Trees are counted for each candidate by itself.
SPACES: dict[type[CalibratedModel], dict[str, Any]] = {
    RiskModel: {
        "learning_rate": loguniform(0.01, 0.1),
        "max_depth": randint(3, 9),
        "min_child_weight": loguniform(1, 100),
        "subsample": uniform(0.5, 0.5),
        "colsample_bytree": uniform(0.3, 0.7),
        "reg_lambda": loguniform(0.3, 30),
    },
    Scorecard: {
        "max_features": randint(8, 41),
        "max_bins": randint(3, 11),
        "min_bin_share": loguniform(0.01, 0.1),
        "C": loguniform(0.01, 10),
    },
}


@dataclass(frozen=True)
class Tuning(Generic[Model]):
    """What was tried, and what was chosen.

    Parameters
    ----------
    table : DataFrame
        A row for each candidate, the smallest log-loss first: its parameters, log_loss (over all tested rows), gain
        over what there was (log-loss per row), standard_error of the gain, folds, chosen.
    best_params : dict
        Parameters of the chosen candidate: those of the model that was handed over, where none is better beyond noise.
    model : RiskModel or Scorecard
        Unfitted, with these parameters.
    """

    table: pd.DataFrame
    best_params: dict[str, Any]
    model: Model

    def __repr__(self) -> str:
        kept = self.table.loc[self.table["chosen"], "gain"].iloc[0] == 0
        said = "what there was stays" if kept else f"chosen: {self.best_params}"
        return f"Tuning({len(self.table)} candidates; {said})"


def tune(
    model: Model,
    X: pd.DataFrame,
    y: Any,
    *,
    as_of: Any,
    matures_at: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    treated: Any = None,
    holdout: Any = None,
    split: TemporalSplit | None = None,
    candidates: int | Sequence[Mapping[str, Any]] = 20,
    random_state: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Tuning[Model]:
    """Try parameters on folds of time, by log-loss.

    Parameters
    ----------
    model : RiskModel or Scorecard
        Unfitted; its own parameters are the first candidate.
    X : DataFrame, shape (n, k)
    y : array-like, shape (n,)
        0, 1 or NA.
    as_of : array-like, shape (n,)
    matures_at, groups, sample_weight, treated, holdout : array-like, shape (n,), optional
        As in `RiskModel.fit`; rows that were contacted judge nobody.
    split : TemporalSplit, optional
        Over these rows; four folds over `as_of` and `matures_at` when left out.
    candidates : int or sequence of mappings
        How many to draw from `SPACES`, or the candidates themselves.
    random_state : int
        Of the drawing.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    Tuning

    Raises
    ------
    NotEnoughHistoryError
        H403 when no fold has enough to learn from.
    EarlywarnError
        E031 when there is no space to draw from.
    DataError
        D190 when an index is another than that of X.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"late_share": rng.random(2000)})
    >>> y = (rng.random(2000) < X["late_share"]).astype(int)
    >>> wanted = [{"max_depth": 2}, {"max_depth": 6}]
    >>> found = ew.tune(ew.RiskModel(n_estimators=20), X, y, as_of=np.arange(2000), candidates=wanted)
    >>> len(found.table), found.table["folds"].unique().tolist()
    (3, [4])
    """
    given = {
        "as_of": as_of, "matures_at": matures_at, "groups": groups, "sample_weight": sample_weight,
        "treated": treated, "holdout": holdout,
    }  # fmt: skip
    for name, values in {"y": y, **given}.items():
        check_same_index(X, name, values)
    rows = {name: pd.Series(values).reset_index(drop=True) for name, values in given.items() if values is not None}
    label = pd.Series(y).reset_index(drop=True)
    left_out = rows["treated"].astype(bool) if "treated" in rows else pd.Series(False, index=label.index)
    own = TemporalSplit(rows["as_of"], rows.get("matures_at")) if split is None else split
    tried = [{}, *_candidates(model, candidates, random_state)]
    folds = list(own.split(X, groups=rows.get("groups")))
    losses: list[list[Floats]] = [[] for _ in tried]
    tested: list[npt.NDArray[np.intp]] = []
    for place, (train, test) in enumerate(folds):
        known = test[(label.notna() & ~left_out).to_numpy()[test]]
        found = _losses(model, tried, X, label, rows, train, known, _part_of(progress, place, len(folds)))
        if found is not None:
            tested.append(known)
            for candidate, loss in enumerate(found):
                losses[candidate].append(loss)
    if not tested:
        raise NotEnoughHistoryError(
            "no fold has enough matured rows of either class to learn from.", code="H403",
            hint="observe over a longer time, or ask for fewer folds.",
        )  # fmt: skip
    at = np.concatenate(tested)
    weight = rows["sample_weight"].to_numpy(dtype=np.float64)[at] if "sample_weight" in rows else np.ones(len(at))
    customers = pd.factorize(rows["groups"])[0][at] if "groups" in rows else None
    table = _table(tried, [np.concatenate(loss) for loss in losses], weight, customers, len(tested))
    best = {**tried[int(table.index[table["chosen"]][0])]}
    chosen: Model = clone(model).set_params(**best)
    return Tuning(table.reset_index(drop=True), {name: chosen.get_params()[name] for name in _named(tried)}, chosen)


def _candidates(model: CalibratedModel, asked: int | Sequence[Mapping[str, Any]], seed: int) -> list[dict[str, Any]]:
    if not isinstance(asked, int):
        return [dict(candidate) for candidate in asked]
    if type(model) not in SPACES:
        raise EarlywarnError(
            f"there is no space to draw parameters of a {type(model).__name__} from.", code="E031",
            hint="hand candidates over.",
        )  # fmt: skip
    drawn = ParameterSampler(SPACES[type(model)], asked, random_state=seed)
    return [{name: _plain(value) for name, value in candidate.items()} for candidate in drawn]


def _plain(value: Any) -> Any:
    """A number as Python has it, rounded to what anybody would write."""
    return float(f"{value:.3g}") if isinstance(value, float | np.floating) else int(value)


def _losses(
    model: CalibratedModel,
    tried: Sequence[Mapping[str, Any]],
    X: pd.DataFrame,
    label: pd.Series[Any],
    rows: Mapping[str, pd.Series[Any]],
    train: npt.NDArray[np.intp],
    test: npt.NDArray[np.intp],
    tell: Callable[[float], None],
) -> list[Floats] | None:
    """Log-loss of the tested rows by candidate; None where there is too little to learn from."""
    late = label.iloc[test].to_numpy(dtype=np.float64)
    found = []
    for place, candidate in enumerate(tried):
        index = X.index[train]
        fit = {name: values.iloc[train].set_axis(index) for name, values in rows.items()}
        try:
            fitted = clone(model).set_params(**candidate).fit(X.iloc[train], label.iloc[train].set_axis(index), **fit)
        except NotEnoughHistoryError:
            return None
        log_odds = fitted.decision_function(X.iloc[test])
        found.append(np.asarray(np.logaddexp(0.0, log_odds) - late * log_odds, dtype=np.float64))
        tell((place + 1) / len(tried))
    return found if len(test) else None


def _table(
    tried: Sequence[Mapping[str, Any]],
    losses: Sequence[Floats],
    weight: Floats,
    customers: npt.NDArray[Any] | None,
    folds: int,
) -> pd.DataFrame:
    """Candidates by their log-loss; the best is chosen where it is ahead of the first beyond one standard error."""
    lines = []
    for candidate, loss in zip(tried, losses, strict=True):
        won = losses[0] - loss
        gain = float(np.average(won, weights=weight))
        error = standard_error(weight * (won - gain), customers) / float(weight.sum())
        lines.append({**candidate, "log_loss": float(np.average(loss, weights=weight)), "gain": gain,
                      "standard_error": error, "folds": folds})  # fmt: skip
    table = pd.DataFrame(lines)
    best = int(table["log_loss"].to_numpy().argmin())
    better = table["gain"].iloc[best] > table["standard_error"].iloc[best]
    table["chosen"] = np.arange(len(table)) == (best if better else 0)
    return table.sort_values("log_loss", kind="stable")


def _named(tried: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({name for candidate in tried for name in candidate})


def _part_of(progress: Callable[[float], None] | None, place: int, parts: int) -> Callable[[float], None]:
    """What a part of the work calls with its own share."""
    return lambda share: None if progress is None else progress((place + share) / parts)
