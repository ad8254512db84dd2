"""From any matrix to the float32 columns that the booster sees, by name.

The only place that looks at the types of columns: numbers stay numbers, text and categories become codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types
from sklearn.utils.validation import validate_data

from earlywarn.errors import FeatureError, suggest
from earlywarn.risk.categories import CategoryCodes, learn_codes

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet

__all__ = ["DIRECTIONS", "Column", "catalogue_of", "encode", "learn_columns", "read_frame"]

DIRECTIONS = {"free": 0, "up": 1, "down": -1}
NUMBERS_IN_OBJECTS = ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty")
TEXTS_IN_OBJECTS = ("string", "mixed", "mixed-integer", "categorical")


@dataclass(frozen=True)
class Column:
    """One column as the booster knows it.

    Parameters
    ----------
    name : str
    direction : {-1, 0, 1}
        Which way the column may push the risk; 0 is either.
    codes : CategoryCodes, optional
        None for numbers.
    """

    name: str
    direction: int = 0
    codes: CategoryCodes | None = None


def read_frame(model: Any, X: Any, *, fitting: bool) -> pd.DataFrame:
    """Take a matrix as a frame with the fitted columns in the fitted order.

    Parameters
    ----------
    model : RiskModel
        Gets `n_features_in_` and `feature_names_in_` when fitting.
    X : DataFrame or array-like, shape (n, k)
    fitting : bool

    Returns
    -------
    DataFrame, shape (n, k)
        Columns without a name are x0, x1, ….

    Raises
    ------
    FeatureError
        If columns are missing or unexpected (code F280), or two have the same name (F281).
    """
    if not isinstance(X, pd.DataFrame):
        values = validate_data(model, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=fitting)
        return pd.DataFrame(values, columns=_positions(values.shape[1]))
    _check_no_twins(X)
    if not fitting and hasattr(model, "feature_names_in_"):
        X = _in_fitted_order(X, list(model.feature_names_in_))
    validate_data(model, X, skip_check_array=True, reset=fitting)
    if X.shape[1] == 0:
        raise FeatureError("X has 0 feature(s): there is nothing to learn from.", code="F280")
    named: pd.DataFrame = X if hasattr(model, "feature_names_in_") else X.set_axis(_positions(X.shape[1]), axis=1)
    return named


def catalogue_of(model: Any) -> FeatureSet | None:
    """The catalogue that a model was given; the default one where it was given none, but names of columns."""
    if model.features is not None or not hasattr(model, "feature_names_in_"):
        given: FeatureSet | None = model.features
        return given
    from earlywarn.features.catalogue import FeatureSet

    return FeatureSet.default()


def learn_columns(
    frame: pd.DataFrame,
    late: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    features: FeatureSet | None,
) -> tuple[Column, ...]:
    """Direction and codes of each column, from training rows.

    Raises
    ------
    FeatureError
        If a catalogue gives a direction to a column of categories (code F282).
    """
    known: Any = features if features is not None else {}
    columns = []
    for at, name in enumerate(str(name) for name in frame.columns):
        values = frame.iloc[:, at]
        direction = DIRECTIONS[known[name].risk] if name in known else 0
        codes = learn_codes(values, late, weight) if _is_category(values) else None
        columns.append(Column(name, direction, codes))
    ordered = [column.name for column in columns if column.direction and column.codes]
    if ordered:
        raise FeatureError(
            f"categories have no direction: {', '.join(ordered)}.",
            code="F282",
            found='risk = "up" or "down" on a column of text',
            hint='give these features risk = "free".',
        )
    return tuple(columns)


def encode(frame: pd.DataFrame, columns: tuple[Column, ...]) -> npt.NDArray[np.float32]:
    """Fill the booster's matrix.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
        As `read_frame` gives it.
    columns : tuple of Column, length k

    Returns
    -------
    ndarray of float32, shape (n, k)
        NaN where missing.

    Raises
    ------
    FeatureError
        If a column of numbers holds text or dates (code F283) or infinity (F284).
    """
    matrix = np.empty(frame.shape, dtype=np.float32)
    for at, column in enumerate(columns):
        values = frame.iloc[:, at]
        matrix[:, at] = column.codes.encode(values) if column.codes else _numbers(values)
    endless = np.flatnonzero(np.isinf(matrix).any(axis=0))
    if len(endless):
        names = ", ".join(columns[at].name for at in endless)
        raise FeatureError(
            f"X contains infinity or a value too large for float32, in {names}.",
            code="F284",
            hint="write NaN where a value is not known.",
        )
    return matrix


def _is_category(values: pd.Series[Any]) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return True
    if types.is_numeric_dtype(values.dtype):
        return False
    if not types.is_object_dtype(values.dtype):
        return types.is_string_dtype(values.dtype)
    return types.infer_dtype(values, skipna=True) in TEXTS_IN_OBJECTS


def _numbers(values: pd.Series[Any]) -> npt.NDArray[np.float32]:
    if not types.is_numeric_dtype(values.dtype):
        values = _numbers_from_objects(values)
    with np.errstate(over="ignore"):
        return values.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)


def _numbers_from_objects(values: pd.Series[Any]) -> pd.Series[Any]:
    if values.isna().all() or types.infer_dtype(values, skipna=True) in NUMBERS_IN_OBJECTS:
        return pd.to_numeric(values.astype(object).where(values.notna(), np.nan))
    raise FeatureError(
        f"column {values.name!r} holds {values.dtype} where numbers are expected.",
        code="F283",
        found=f"first value {values.dropna().iloc[0]!r}",
        hint="hand over a date as days, and text where text was learned from.",
    )


def _in_fitted_order(X: pd.DataFrame, fitted: list[str]) -> pd.DataFrame:
    missing = [name for name in fitted if name not in X.columns]
    unexpected = [str(name) for name in X.columns if name not in set(fitted)]
    if not missing and not unexpected:
        return X[fitted]
    hints = [f"{name!r}: {suggest(name, missing)}" for name in unexpected[:5]] if missing else []
    raise FeatureError(
        f"the columns of X are not the {len(fitted)} that the model was fitted on.",
        code="F280",
        found=f"missing: {_listed(missing)}; unexpected: {_listed(unexpected)}",
        hint=" ".join(hints) or "leave out the columns that are not expected: X[model.feature_names_in_].",
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"


def _check_no_twins(X: pd.DataFrame) -> None:
    if not X.columns.is_unique:
        twins = sorted({str(name) for name in X.columns[X.columns.duplicated()]})
        raise FeatureError(f"X has columns of the same name: {', '.join(twins)}.", code="F281")


def _positions(count: int) -> list[str]:
    return [f"x{at}" for at in range(count)]
