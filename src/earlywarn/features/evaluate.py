"""Computing an expression whose leaves somebody else looks up; missing values stay missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.errors import FeatureError, suggest
from earlywarn.features.expression import CALENDAR, Literal, Node, Operation, parse_condition

__all__ = ["Codes", "Column", "evaluate", "evaluate_scalar"]

Values = npt.NDArray[np.float64]


class Codes:
    """Text as integer codes into labels; -1 is missing."""

    __slots__ = ("codes", "labels")

    def __init__(self, codes: npt.NDArray[np.int64], labels: tuple[str, ...]) -> None:
        self.codes = codes
        self.labels = labels

    def equals(self, word: str) -> Values:
        """1 where the text is ``word``, 0 where it is another, NaN where missing."""
        code = self.labels.index(word) if word in self.labels else -2
        same: Values = (self.codes == code).astype(np.float64)
        if self.codes.min(initial=0) < 0:
            same[self.codes < 0] = np.nan
        return same

    def missing(self) -> npt.NDArray[np.bool_]:
        """Where no text is given."""
        return np.asarray(self.codes < 0)

    def take(self, index: npt.NDArray[np.int64]) -> Codes:
        """The rows at ``index``."""
        return Codes(self.codes[index], self.labels)


Column = Values | Codes


def evaluate(node: Node, lookup: Callable[[Node], Column]) -> Column:
    """Compute a tree; the leaves that are not literals come from ``lookup``.

    Missing values are NaN and stay missing through arithmetic and comparison; ``and`` and ``or`` follow
    three-valued logic.

    Parameters
    ----------
    node : Node
    lookup : callable
        Gives the array of a `Name`, `Field`, `Aggregate`, or of a calendar function of a date column.

    Returns
    -------
    ndarray of float64, or Codes for text

    Raises
    ------
    FeatureError
        When text is used as a number (code F215).
    """
    if isinstance(node, Literal) and isinstance(node.value, str):
        raise FeatureError(f"the text {node.value!r} is used as a number.", code="F215", hint="compare it with ==.")
    if isinstance(node, Literal):
        return np.asarray(float(node.value))
    if not isinstance(node, Operation) or node.name in CALENDAR:
        return lookup(node)
    if node.name in ("==", "!=") and any(
        isinstance(side, Literal) and isinstance(side.value, str) for side in node.operands
    ):
        return _compare_text(node, lookup)
    operands = [evaluate(operand, lookup) for operand in node.operands]
    if node.name == "isnull" and isinstance(operands[0], Codes):
        return operands[0].missing().astype(np.float64)
    if node.name in ("==", "!=") and isinstance(operands[0], Codes) and isinstance(operands[1], Codes):
        same = _same_text(operands[0], operands[1])
        return same if node.name == "==" else 1.0 - same
    numbers = [_numeric(node.name, operand) for operand in operands]
    with np.errstate(all="ignore"):
        result = np.asarray(_OPERATIONS[node.name](*numbers), dtype=np.float64)
    result[...] = np.where(np.isfinite(result), result, np.nan)
    return result


def _numeric(operation: str, operand: Column) -> Values:
    if isinstance(operand, Codes):
        raise FeatureError(
            f"{operation!r} is asked of a text column.",
            code="F215",
            hint="compare the text: where(kind == 'data', 1, 0).",
        )
    return operand


def _compare_text(node: Operation, lookup: Callable[[Node], Column]) -> Values:
    left, right = node.operands
    word, other = (left, right) if isinstance(left, Literal) and isinstance(left.value, str) else (right, left)
    column = evaluate(other, lookup)
    if not isinstance(column, Codes):
        raise FeatureError(
            f"a number is compared with the text {word.value!r}.",  # type: ignore[union-attr]
            code="F215",
            hint="leave the quotation marks out.",
        )
    same = column.equals(str(word.value))  # type: ignore[union-attr]
    return same if node.name == "==" else 1.0 - same


def _same_text(one: Codes, other: Codes) -> Values:
    """1 where two texts are the same, NaN where one is missing."""
    codes = other.codes
    if one.labels != other.labels:
        place = {label: code for code, label in enumerate(one.labels)}
        codes = np.array([place.get(label, -2) for label in other.labels] + [-1], dtype=np.int64)[codes]
    return np.where(one.missing() | other.missing(), np.nan, (one.codes == codes).astype(np.float64))


def _divide(a: Values, b: Values) -> Values:
    return np.where(b == 0, np.nan, a / np.where(b == 0, 1.0, b))


def _log(a: Values) -> Values:
    return np.where(a > 0, np.log(np.where(a > 0, a, 1.0)), np.nan)


def _all(*sides: Values) -> Values:
    result = sides[0] != 0
    missing = np.isnan(sides[0])
    result = np.where(missing, np.nan, result.astype(np.float64))
    for side in sides[1:]:
        truth = np.where(np.isnan(side), np.nan, (side != 0).astype(np.float64))
        false = (result == 0) | (truth == 0)
        result = np.where(false, 0.0, np.where(np.isnan(result) | np.isnan(truth), np.nan, 1.0))
    return result


def _any(*sides: Values) -> Values:
    return 1.0 - _all(*(_not(side) for side in sides))


def _not(a: Values) -> Values:
    return np.where(np.isnan(a), np.nan, (a == 0).astype(np.float64))


def _comparison(compare: Callable[[Values, Values], Any]) -> Callable[[Values, Values], Values]:
    def apply(a: Values, b: Values) -> Values:
        return np.where(np.isnan(a) | np.isnan(b), np.nan, compare(a, b).astype(np.float64))

    return apply


def _coalesce(*sides: Values) -> Values:
    result = sides[0].copy()  # what is handed back is written to
    for side in sides[1:]:
        result = np.where(np.isnan(result), side, result)
    return result


def _where(condition: Values, yes: Values, no: Values) -> Values:
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0, yes, no))


def _clip(a: Values, low: Values, high: Values) -> Values:
    return np.minimum(np.maximum(a, low), high)


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "neg": np.negative, "pos": np.positive, "not": _not, "and": _all, "or": _any,
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": _divide, "**": np.power, "%": np.mod,
    "==": _comparison(np.equal), "!=": _comparison(np.not_equal), "<": _comparison(np.less),
    "<=": _comparison(np.less_equal), ">": _comparison(np.greater), ">=": _comparison(np.greater_equal),
    "where": _where, "log": _log, "exp": np.exp, "sqrt": np.sqrt, "abs": np.abs, "clip": _clip,
    "coalesce": _coalesce, "isnull": np.isnan,
}  # fmt: skip


def evaluate_scalar(text: str, names: Mapping[str, float]) -> float:
    """Compute an expression over bare names for one row.

    Parameters
    ----------
    text : str
        As in a feature's ``show`` table, for example ``"exp(value)"``.
    names : mapping of str to float
        NaN where missing.

    Returns
    -------
    float, NaN when missing

    Raises
    ------
    FeatureError
        When a name is not there (code F216).

    Examples
    --------
    >>> evaluate_scalar("exp(value)", {"value": 0.0})
    1.0
    """
    expression = parse_condition(text)

    def lookup(node: Node) -> Values:
        name = getattr(node, "name", "")
        if name not in names:
            raise FeatureError(f"{name!r} in {text!r} is not known.", code="F216", hint=suggest(name, names))
        return np.asarray(float(names[name]))

    result = evaluate(expression.root, lookup)
    return float(_numeric("show", result))
