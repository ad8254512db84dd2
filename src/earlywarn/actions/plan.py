"""The plan: one row per debtor, an action or why not, from gates, table and capacity.

The way is the same for all: gates stop obligations, the table says what the rest allows, one obligation leads
for its debtor, capacity is shared out. Expected value, propensity, experiment, arm and moment come with later
versions; their columns are there and missing in every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.capacity import allocate, check_capacity
from earlywarn.actions.evidence import Evidence, evidence_of
from earlywarn.actions.gates import first_gate
from earlywarn.actions.parts import Rules
from earlywarn.actions.reach import reach_of
from earlywarn.actions.rows import PLAN_COLUMNS, Case, Choice, write_plan
from earlywarn.actions.situation import Situation, situation_of
from earlywarn.actions.standing import Standing, standing_of
from earlywarn.actions.table import options_of
from earlywarn.actions.words import GATES
from earlywarn.dates import moment
from earlywarn.errors import PolicyError
from earlywarn.tables.ledger import Ledger

__all__ = ["PLAN_COLUMNS", "decide"]

Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]


def decide(
    rules: Rules,
    policy_version: str,
    scores: pd.DataFrame,
    X: pd.DataFrame,
    ledger: Ledger,
    as_of: Any,
    capacity: Mapping[str, int] | None,
) -> pd.DataFrame:
    """Decide for every debtor of the scores, see `earlywarn.actions.policy.Policy.decide`."""
    at = moment(as_of, ledger.timezone)
    limits = check_capacity(capacity, rules.limits)
    case = _case(rules, scores, X, ledger.known_before(at), at)
    plan = write_plan(
        case,
        _choose(case, limits),
        at=at,
        reasons=_reasons(scores, case.standing),
        policy_version=policy_version,
        model_version=scores.attrs.get("model_version"),
    )
    plan.attrs["as_of"] = pd.Timestamp(np.datetime64(at, "us"))
    return plan


def _case(rules: Rules, scores: pd.DataFrame, X: pd.DataFrame, known: Ledger, at: int) -> Case:
    """Gather what is known of each obligation, and what its cell allows."""
    standing = standing_of(scores, known)
    situation = situation_of(standing, known, at, rules)
    evidence = evidence_of(rules, _aligned(scores, X).iloc[standing.place])
    gate = first_gate(standing, situation)
    free = np.array([code is None for code in gate], dtype=bool)
    free |= _may_still(rules, situation, evidence, gate)
    return Case(
        rules=rules,
        standing=standing,
        situation=situation,
        evidence=evidence,
        options=options_of(rules, standing, situation, reach_of(standing, known, at, rules), evidence, free),
        gate=gate,
        free=free,
        value=np.nan_to_num(standing.p_late, nan=0.0) * standing.amount,
    )


def _aligned(scores: pd.DataFrame, X: pd.DataFrame) -> pd.DataFrame:
    """X in the order of the scores; a scored obligation without its features is refused."""
    if not X.index.is_unique or not scores.index.is_unique:
        raise PolicyError("scores and X need an index without repetition.", code="P623", hint="reset_index(drop=True).")
    lost = scores.index.difference(X.index)
    if "status" in scores.columns:
        lost = lost[(scores.loc[lost, "status"] == "scored").to_numpy(dtype=bool)]
    if len(lost):
        raise PolicyError(
            f"{len(lost):,} scored obligations have no row in X.",
            code="P624",
            found=", ".join(map(str, lost[:5])),
            hint="hand over the features that were scored, with the index of the scores.",
        )
    return X if X.index.equals(scores.index) else X.reindex(scores.index)


def _may_still(rules: Rules, situation: Situation, evidence: Evidence, gate: Words) -> Mask:
    """Obligations not yet due of a debtor in arrears, with the signal of the exception and no other gate."""
    still = rules.gates["overdue"].may_still
    if still is None:
        return np.zeros(len(gate), dtype=bool)
    later = GATES[GATES.index("overdue") + 1 : GATES.index("protected")]
    others = np.logical_or.reduce([situation.gates[code] for code in later])
    may: Mask = (gate == "overdue") & ~others & ~situation.overdue & (evidence.signal == still.signal)
    return may


def _choose(case: Case, limits: Mapping[str, int]) -> Choice:
    """Pick the leading obligation of each debtor, then share out capacity."""
    standing, lead = case.standing, _leading(case)
    usable = [option.available[lead] & case.free[lead] for option in case.options]
    available = np.array(usable, dtype=bool).reshape(len(case.options), len(lead))
    free_value = np.where(case.free, case.value, 0.0)
    option = allocate(
        available,
        tuple(case.rules.actions[option.action].limit for option in case.options),
        np.bincount(standing.debtor, weights=free_value, minlength=len(lead)).astype(np.float64),
        case.situation.gates["protected"][lead],
        limits,
    )
    return Choice(lead=lead, option=option, cut=available.any(axis=0) & (option < 0))


def _leading(case: Case) -> npt.NDArray[np.int64]:
    """The obligation that leads for each debtor, shape (n_debtors,).

    The sternest possible action, then the highest risk times amount; with nothing possible, what a gate does
    not stop; with all stopped, the earliest gate.
    """
    rank = np.array([-1 - (GATES.index(code) if code else 0) for code in case.gate], dtype=np.int64)
    rank[case.free] = 0
    for level, option in enumerate(case.options, start=1):
        rank[option.available & case.free] = level
    order = np.lexsort((-case.value, -rank, case.standing.debtor))
    debtor = case.standing.debtor[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = debtor[1:] != debtor[:-1]
    return order[first].astype(np.int64)


def _reasons(scores: pd.DataFrame, standing: Standing) -> Words:
    """The reasons of the scores, passed on."""
    reasons = np.full(len(standing), None, dtype=object)
    if "reasons" in scores.columns:
        reasons[:] = scores["reasons"].to_numpy(dtype=object)[standing.place]
    return reasons
