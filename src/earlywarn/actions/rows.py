"""Writing the plan: what the leading obligation and the chosen action of each debtor say, by column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.evidence import Evidence
from earlywarn.actions.parts import Rules
from earlywarn.actions.situation import Situation
from earlywarn.actions.standing import Standing
from earlywarn.actions.table import Option
from earlywarn.actions.words import GATES

__all__ = ["PLAN_COLUMNS", "Case", "Choice", "band_of", "write_plan"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]

#: Columns of the plan and their dtypes; "text" is ``str`` under pandas 3, else ``object``.
PLAN_COLUMNS: Mapping[str, str] = {
    "customer_id": "text", "subjects": "tuple", "as_of": "datetime64[us]", "valid_from": "datetime64[us]",
    "valid_until": "datetime64[us]", "p_late": "float64", "band": "text", "exposure": "float64",
    "action": "text", "angle": "text", "tone": "text", "asks_for_payment": "bool", "commercial": "bool",
    "channel": "text", "moment": "datetime64[us]", "role": "text", "route": "text", "purpose": "text",
    "expected_value": "float64", "propensity": "float64", "experiment": "text", "arm": "text",
    "reasons": "tuple", "exclusion": "text", "if_late": "text", "policy_version": "text",
    "model_version": "text",
}  # fmt: skip

_DAY = np.timedelta64(1, "D")
_NEVER = np.datetime64("NaT", "us")
_PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3


@dataclass(frozen=True)
class Case:
    """All that is known when decisions are taken; arrays of shape (n,), one row an obligation.

    Attributes
    ----------
    rules, standing, situation, evidence, options
        See their own pages.
    gate : ndarray of str
        The gate that stops it, None without one.
    free : ndarray of bool
        Whether it takes part in decisions: no gate stops it, or the gate's exception lets it go on.
    value : ndarray of float64
        Risk times open amount.
    """

    rules: Rules
    standing: Standing
    situation: Situation
    evidence: Evidence
    options: tuple[Option, ...]
    gate: Words
    free: Mask
    value: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """What was decided; arrays of shape (n_debtors,).

    Attributes
    ----------
    lead : ndarray of int64
        The obligation that leads for each debtor.
    option : ndarray of int64
        Index into ``case.options``; -1 for nothing.
    cut : ndarray of bool
        Whether an action was possible and capacity did not reach.
    """

    lead: Rows
    option: Rows
    cut: Mask


def write_plan(
    case: Case, choice: Choice, *, at: int, reasons: Words, policy_version: str, model_version: str | None
) -> pd.DataFrame:
    """Write one row a debtor.

    Parameters
    ----------
    case : Case
    choice : Choice
    at : int, microseconds
    reasons : ndarray of tuple, shape (n,), by obligation
    policy_version, model_version : str

    Returns
    -------
    DataFrame, columns `PLAN_COLUMNS`, sorted by customer_id
    """
    standing, lead = case.standing, choice.lead
    acts = choice.option >= 0
    angle = _of_option(case, choice, "angle")
    p_late = standing.p_late[lead]
    columns: dict[str, Any] = {
        "customer_id": standing.debtors,
        "subjects": _subjects(case, choice, angle),
        "as_of": np.full(len(lead), np.datetime64(at, "us")),
        "valid_from": np.where(acts, np.datetime64(at, "us"), _NEVER),
        "valid_until": _valid_until(case, choice, at),
        "p_late": p_late,
        "band": band_of(case.rules, p_late),
        "exposure": _exposure(standing),
        "action": _actions(case, choice),
        "angle": angle,
        **_of_angle(case, choice, angle),
        "channel": _of_option(case, choice, "channel"),
        **_who(case, choice),
        "reasons": _tuples(reasons[lead]),
        "exclusion": _exclusion(case, choice),
        "if_late": _if_late(case, lead),
        "policy_version": [policy_version] * len(lead),
        "model_version": [model_version] * len(lead),
    }
    return _typed(columns, len(lead))


def _actions(case: Case, choice: Choice) -> list[str]:
    return [case.options[number].action if number >= 0 else "nothing" for number in choice.option]


def _of_option(case: Case, choice: Choice, name: str) -> Words:
    """Angle or channel of the chosen action, None without one."""
    words = np.full(len(choice.lead), None, dtype=object)
    for number, option in enumerate(case.options):
        here = choice.option == number
        words[here] = getattr(option, name)[choice.lead[here]]
    return words


def _subjects(case: Case, choice: Choice, angle: Words) -> Words:
    """Obligations that a row is about, the leading one first.

    With an action: those of the debtor that allow it with the same angle; else all of the debtor's.
    """
    debtor = case.standing.debtor
    about = choice.option[debtor] < 0
    for number, option in enumerate(case.options):
        same = option.available & case.free & (option.angle == angle[debtor])
        about |= same & (choice.option[debtor] == number)
    leads = np.zeros(len(debtor), dtype=bool)
    leads[choice.lead] = True
    order = np.lexsort((~leads, debtor))
    lists: list[list[str]] = [[] for _ in choice.lead]
    for row in order[about[order]]:
        lists[debtor[row]].append(case.standing.obligation_id[row])
    return _tuples(lists)


def _valid_until(case: Case, choice: Choice, at: int) -> npt.NDArray[np.datetime64]:
    """So many days from now, and never after the leading obligation's due day."""
    days = [case.rules.actions[name].valid_days for name in _actions(case, choice)]
    due_close = case.standing.due_on[choice.lead] + _DAY
    until = np.minimum(np.datetime64(at, "us") + np.array(days, dtype="m8[D]"), due_close)
    return np.where(choice.option >= 0, until, _NEVER)


def _exposure(standing: Standing) -> npt.NDArray[np.float64]:
    """The debtor's exposure as the scores state it for the whole debtor, else the sum of its open amounts."""
    exposure = pd.Series(standing.exposure).groupby(standing.debtor).max().to_numpy(dtype=np.float64)
    total = np.bincount(standing.debtor, weights=standing.amount, minlength=len(standing.debtors))
    return np.where(np.isnan(exposure), total, exposure)


def band_of(rules: Rules, p_late: npt.ArrayLike) -> Words:
    """Low, medium or high; None where there is no p_late."""
    p = np.asarray(p_late, dtype=np.float64)
    words = np.full(p.shape, None, dtype=object)
    words[p >= 0] = "low"
    words[p >= rules.bands.medium] = "medium"
    words[p >= rules.bands.high] = "high"
    return words


def _of_angle(case: Case, choice: Choice, angle: Words) -> dict[str, Any]:
    """Tone, flags and purpose; a row that asks while an amount is in its grace is a reminder."""
    rules = [case.rules.angles[name] if name else None for name in angle]
    asks = np.array([rule is not None and rule.asks_for_payment for rule in rules], dtype=bool)
    reminds = asks & case.situation.in_grace[choice.lead]
    purpose = np.full(len(angle), None, dtype=object)
    purpose[choice.option >= 0] = "service_predue"
    purpose[reminds] = "reminder"
    return {
        "tone": [rule.tone if rule else None for rule in rules],
        "asks_for_payment": asks,
        "commercial": np.array([rule is not None and rule.commercial for rule in rules], dtype=bool),
        "purpose": purpose,
    }


def _who(case: Case, choice: Choice) -> dict[str, list[str | None]]:
    """Who makes the contact, and where the row goes.

    Routes are "automatic" or "human", the care desk for protected debtors, and a gate's desk.
    """
    gates, care = case.rules.gates, case.rules.gates["protected"]
    role: list[str | None] = []
    route: list[str | None] = []
    for row, name in zip(choice.lead, _actions(case, choice), strict=True):
        action = case.rules.actions[name]
        if name == "nothing":
            role.append(None)
            route.append(gates[case.gate[row]].route if case.gate[row] else None)
        elif case.situation.gates["protected"][row]:
            role.append(care.role or "care_agent")
            route.append(care.route)
        else:
            role.append(action.role)
            route.append("automatic" if action.automatic else "human")
    return {"role": role, "route": route}


def _exclusion(case: Case, choice: Choice) -> Words:
    """Why nothing is done: a gate, why the mildest action is not possible, an empty cell, or capacity."""
    lead = choice.lead
    words = np.where(case.evidence.signal[lead] == "none", "no_signal", "nothing_helps").astype(object)
    for option in reversed(case.options):
        here = option.in_cell[lead] & ~option.available[lead]
        words[here] = option.code[lead][here]
    gated = np.array([code is not None for code in case.gate[lead]], dtype=bool)
    stopped = gated & (~case.free[lead] | (words == "nothing_helps"))
    words[stopped] = case.gate[lead][stopped]
    words[choice.cut] = "capacity"
    words[choice.option >= 0] = None
    return np.asarray(words, dtype=object)


def _if_late(case: Case, lead: Rows) -> Words:
    """How the dunning system should meet this debtor; history is not read where profiling is refused."""
    gates = case.situation.gates
    words = np.array([case.rules.if_late[history] for history in case.evidence.history[lead]], dtype=object)
    words[gates["no_profiling"][lead]] = "standard"
    for gate in ("protected", *GATES[: GATES.index("no_profiling")]):
        words[gates[gate][lead]] = "human"
    return words


def _tuples(rows: Any) -> Words:
    """An array that holds one tuple a row."""
    result = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows):
        result[place] = tuple(row) if isinstance(row, list | tuple | np.ndarray) else ()
    return result


def _typed(columns: Mapping[str, Any], count: int) -> pd.DataFrame:
    """All columns of the plan in their order; what is not given is missing in every row."""
    data: dict[str, Any] = {}
    for name, kind in PLAN_COLUMNS.items():
        if kind == "text":
            words = pd.Series(np.array(columns.get(name, [None] * count), dtype=object), dtype="object")
            data[name] = words.astype("str" if _PANDAS_3 else "object")
        elif kind == "tuple":
            data[name] = pd.Series(columns[name], dtype="object")
        elif kind.startswith("datetime"):
            data[name] = np.asarray(columns.get(name, np.full(count, _NEVER)), dtype="M8[us]")
        else:
            data[name] = np.asarray(columns.get(name, np.full(count, np.nan)), dtype=kind)
    return pd.DataFrame(data)
