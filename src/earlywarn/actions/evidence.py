"""History, signal and money at stake of each obligation: the policy's conditions over the feature columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.parts import Rules
from earlywarn.actions.words import HISTORIES, SIGNALS
from earlywarn.errors import PolicyError, suggest
from earlywarn.features.evaluate import Codes, Column, evaluate
from earlywarn.features.expression import Name, Node, parse_condition

__all__ = ["Evidence", "check_features", "evidence_of", "features_needed"]


@dataclass(frozen=True)
class Evidence:
    """What the features say of each obligation; all arrays have shape (n,).

    Attributes
    ----------
    history, signal : ndarray of str
        Words of `HISTORIES` and `SIGNALS`.
    at_stake : ndarray of float64
        Money above usual, in units of currency; 0 where unknown or without a signal that states it.
    needs_p : ndarray of bool
        Whether p_late must reach the action's ``p_min``: always without a signal.
    """

    history: npt.NDArray[np.object_]
    signal: npt.NDArray[np.object_]
    at_stake: npt.NDArray[np.float64]
    needs_p: npt.NDArray[np.bool_]


def features_needed(rules: Rules) -> tuple[str, ...]:
    """Names of all features that the conditions read, sorted."""
    texts = rules.conditions().values()
    return tuple(sorted({name for text in texts for name in parse_condition(text).names}))


def check_features(rules: Rules, names: Iterable[str]) -> None:
    """Refuse a set of features that the conditions cannot be answered from.

    Raises
    ------
    PolicyError
        P610 with every feature that is missing.
    """
    known = [str(name) for name in names]
    missing = [name for name in features_needed(rules) if name not in known]
    if missing:
        raise PolicyError(
            f"the policy asks for {len(missing)} features that are not there.",
            code="P610",
            found="\n       ".join(f"{name}: {suggest(name, known)}" for name in missing),
            hint="add them to the features, or change the conditions of the policy.",
        )


def evidence_of(rules: Rules, X: pd.DataFrame) -> Evidence:
    """Evaluate the conditions.

    Parameters
    ----------
    rules : Rules
    X : DataFrame, shape (n, k)
        Features by name, in the order of the obligations.

    Returns
    -------
    Evidence

    Raises
    ------
    PolicyError
        P610 when a feature is missing.
    """
    check_features(rules, X.columns)
    history = _first([(name, rules.history[name]) for name in HISTORIES[:-1]], HISTORIES[-1], X)
    signal = _first([(name, rules.signals[name].when) for name in SIGNALS[:-1]], SIGNALS[-1], X)
    at_stake, needs_p = np.zeros(len(X)), np.ones(len(X), dtype=bool)
    for name, rule in rules.signals.items():
        here = signal == name
        needs_p[here] = rule.needs_p
        if rule.at_stake is not None:
            at_stake[here] = np.nan_to_num(_evaluate(rule.at_stake, X)[here], nan=0.0)
    return Evidence(history, signal, at_stake, needs_p)


def _first(conditions: list[tuple[str, str]], otherwise: str, X: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The first class whose condition holds; a missing value does not hold."""
    words = np.full(len(X), otherwise, dtype=object)
    for name, text in reversed(conditions):
        value = _evaluate(text, X)
        words[~np.isnan(value) & (value != 0)] = name
    return words


def _evaluate(text: str, X: pd.DataFrame) -> npt.NDArray[np.float64]:
    def lookup(node: Node) -> Column:
        assert isinstance(node, Name)
        column = X[node.name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy().astype(np.int64)
            return Codes(codes, tuple(map(str, column.cat.categories)))
        return column.to_numpy(dtype=np.float64, na_value=np.nan)

    value = evaluate(parse_condition(text).root, lookup)
    if isinstance(value, Codes):
        hint = 'compare it: customer_segment_now == "b2b".'
        raise PolicyError(f"{text!r} is a word, not a condition.", code="P611", hint=hint)
    return np.broadcast_to(value, (len(X),)).astype(np.float64)
