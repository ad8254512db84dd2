"""The history and signal table: which actions the cell of an obligation allows, each with angle and channel.

A cell is a list of actions, never a wish: what is not in it cannot be reached, so nothing that is decided
later (capacity now, expected value in a later version) can move a debtor to a sterner one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earlywarn.actions.evidence import Evidence
from earlywarn.actions.parts import Action, Rules
from earlywarn.actions.reach import Reach
from earlywarn.actions.situation import Situation
from earlywarn.actions.standing import Standing

__all__ = ["Option", "options_of"]

Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Option:
    """One action of the ladder for each obligation; all arrays have shape (n,).

    Attributes
    ----------
    action : str
    in_cell : ndarray of bool
        Whether the cell has this action.
    code : ndarray of str
        Why an action of the cell cannot be taken now; None where it can, or is not in the cell.
    angle, channel : ndarray of str, None where there is none
    """

    action: str
    in_cell: Mask
    code: Words
    angle: Words
    channel: Words

    @property
    def available(self) -> Mask:
        """Where the action is allowed and possible."""
        possible: Mask = self.in_cell & np.array([code is None for code in self.code], dtype=bool)
        return possible


def options_of(
    rules: Rules, standing: Standing, situation: Situation, reach: Reach, evidence: Evidence, free: Mask
) -> tuple[Option, ...]:
    """Every action of the ladder but "nothing", the mildest first.

    Parameters
    ----------
    rules : Rules
    standing : Standing
    situation : Situation
    reach : Reach
    evidence : Evidence
    free : ndarray of bool, shape (n,)
        Obligations that no gate stops; the amounts of a debtor's free ones are taken together.

    Returns
    -------
    tuple of Option
    """
    total = np.bincount(standing.debtor, weights=np.where(free, standing.amount, 0.0), minlength=len(standing.debtors))[
        standing.debtor
    ]
    options = []
    for name in rules.ladder[1:]:
        in_cell, angle, at_stake_min = _from_cells(rules, name, standing, situation, evidence)
        angle = _with_direct_debit(rules, angle, reach.direct_debit)
        asks, sells = _angle_flags(rules, angle)
        action = rules.actions[name]
        channel, in_time = _channel(rules, action, standing, reach, sells)
        code = np.full(len(standing), None, dtype=object)
        for why, holds in (  # the last that holds is told
            ("no_channel", np.array([word is None for word in channel], dtype=bool)),
            ("marketing_refused", sells & situation.marketing_stop),
            ("contact_cap", reach.capped),
            ("in_grace", asks & situation.in_grace & ("reminder" not in rules.purposes)),
            ("too_late", (standing.lead_days < action.lead_min_days) | ~in_time),
            ("too_early", (standing.lead_days > action.lead_max_days) | (asks & (standing.stage == "cycle"))),
            ("too_small", (standing.amount <= 0) | (total < action.amount_min)),
            ("too_small", evidence.at_stake < at_stake_min),
            ("low_risk", evidence.needs_p & ~(standing.p_late >= action.p_min)),
            ("in_grace", situation.overdue),
        ):
            code[in_cell & holds] = why
        options.append(Option(name, in_cell, code, angle, channel))
    return tuple(options)


def _from_cells(
    rules: Rules, action: str, standing: Standing, situation: Situation, evidence: Evidence
) -> tuple[Mask, Words, npt.NDArray[np.float64]]:
    """Where the cell has this action, its angle, and from what money at stake."""
    in_cell = np.zeros(len(standing), dtype=bool)
    angle = np.full(len(standing), None, dtype=object)
    at_stake_min = np.zeros(len(standing))
    still = rules.gates["overdue"].may_still
    for history, row in rules.cells.items():
        for signal, cell in row.items():
            if action not in cell:
                continue
            here = (evidence.history == history) & (evidence.signal == signal)
            choice = cell[action]
            excepted = still is not None and (action, signal) == (still.action, still.signal)
            if still is None or not excepted or choice.angle not in still.angles:
                here = here & ~situation.gates["overdue"]
            in_cell[here], angle[here], at_stake_min[here] = True, choice.angle, choice.at_stake_min
    return in_cell, angle, at_stake_min


def _with_direct_debit(rules: Rules, angle: Words, direct_debit: Mask) -> Words:
    """The angle that takes the place of each where the money is collected."""
    other = {name: rule.with_direct_debit or name for name, rule in rules.angles.items()}
    swapped = np.array([other.get(name or "") for name in angle], dtype=object)
    return np.asarray(np.where(direct_debit, swapped, angle), dtype=object)


def _angle_flags(rules: Rules, angle: Words) -> tuple[Mask, Mask]:
    """Whether each angle asks for payment, and whether it is commercial."""
    asks = {name for name, rule in rules.angles.items() if rule.asks_for_payment}
    sells = {name for name, rule in rules.angles.items() if rule.commercial}
    return (
        np.array([name in asks for name in angle], dtype=bool),
        np.array([name in sells for name in angle], dtype=bool),
    )


def _channel(rules: Rules, action: Action, standing: Standing, reach: Reach, sells: Mask) -> tuple[Words, Mask]:
    """The stated preference where it is open, else the first open one; and whether any would be in time.

    A commercial angle needs a recorded opt-in for the channel as well.
    """
    chosen = np.full(len(standing), None, dtype=object)
    in_time = np.zeros(len(standing), dtype=bool)
    preferred = np.full(len(standing), None, dtype=object)
    for name in reversed(action.channels):
        early = standing.lead_days >= rules.channels[name].lead_days
        in_time |= early
        usable = early & reach.service[name] & (~sells | reach.commercial[name])
        chosen[usable] = name
        preferred[usable & (reach.preferred == name)] = name
    stated = np.array([word is not None for word in preferred], dtype=bool)
    chosen[stated] = preferred[stated]
    return chosen, in_time
