"""Policy: a text file that says who is contacted, and the decisions that follow from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.actions.evidence import check_features, features_needed
from earlywarn.actions.gates import obligation_status
from earlywarn.actions.parts import Rules
from earlywarn.actions.plan import decide
from earlywarn.actions.rows import band_of
from earlywarn.actions.rules import read_rules
from earlywarn.errors import PolicyError
from earlywarn.tables.ledger import Ledger

__all__ = ["Policy"]


class Policy:
    """Gates, the history and signal table, actions and limits, read from TOML. It does not change.

    What the file may not change: the order of the gates, the holds they must know, that a customer who is
    never late is left in peace without a signal, and that nobody whose account is collected is asked to pay.

    Make one with `Policy.default`, `Policy.from_toml` or `Policy.from_text`.

    Parameters
    ----------
    text : str
        TOML.

    Attributes
    ----------
    version : str
        Name and short hash of the text.
    rules : Rules
        Its content, checked.

    Examples
    --------
    >>> policy = Policy.default()
    >>> Policy.from_text(policy.text) == policy
    True
    """

    __slots__ = ("rules", "text", "version")

    text: str
    version: str
    rules: Rules

    def __init__(self, text: str) -> None:
        fix = object.__setattr__
        fix(self, "text", text)
        fix(self, "rules", read_rules(text))
        digest = hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
        fix(self, "version", f"{self.rules.name}-{digest[:12]}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Policy does not change; {name} cannot be set. Use Policy.from_text().")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Policy does not change; {name} cannot be deleted.")

    def __reduce__(self) -> tuple[Any, ...]:
        return Policy, (self.text,)

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Policy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"<Policy: {self.version}, {', '.join(self.rules.ladder)}>"

    # -- construction ------------------------------------------------------------------------------------

    @classmethod
    def default(cls) -> Policy:
        """Return the shipped policy; its text is commented and is the reference of what a file may hold."""
        return _default()

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Policy:
        """Read a policy file.

        Parameters
        ----------
        path : path

        Returns
        -------
        Policy

        Raises
        ------
        PolicyError
            P600 no file, P601 not TOML, P602 with every fault found.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            name = Path(path).name
            raise PolicyError(f"the policy {name!r} cannot be read.", code="P600", found=str(error)) from None
        return cls(text)

    @classmethod
    def from_text(cls, text: str) -> Policy:
        """Read a policy from TOML, such as the ``text`` of another one.

        Parameters
        ----------
        text : str

        Returns
        -------
        Policy

        Raises
        ------
        PolicyError
            P601 not TOML, P602 with every fault found.

        Examples
        --------
        >>> Policy.from_text(Policy.default().text.replace("p_min = 0.25", "p_mim = 0.25"))
        Traceback (most recent call last):
        ...
        earlywarn.errors.PolicyError: PolicyError[P602]: the policy cannot be followed: 1 fault.
        Found: actions.service_call.p_mim: unknown key, did you mean 'p_min'?
        Hint: compare with the text of Policy.default().
        """
        return cls(text)

    # -- features ----------------------------------------------------------------------------------------

    @property
    def features_needed(self) -> tuple[str, ...]:
        """Features that the conditions read, sorted.

        Examples
        --------
        >>> "usage_spike_30d" in Policy.default().features_needed
        True
        """
        return features_needed(self.rules)

    def check_features(self, names: Iterable[str]) -> None:
        """Refuse features that the conditions cannot be answered from.

        Parameters
        ----------
        names : iterable of str

        Raises
        ------
        PolicyError
            P610 with every feature that is missing.
        """
        check_features(self.rules, names)

    # -- decisions ---------------------------------------------------------------------------------------

    def band(self, p_late: npt.ArrayLike) -> npt.NDArray[np.object_]:
        """Name of the risk band.

        Parameters
        ----------
        p_late : array_like of float, shape (n,)

        Returns
        -------
        ndarray of str, shape (n,): low, medium or high; None where p_late is missing

        Examples
        --------
        >>> Policy.default().band([0.05, 0.2, 0.9]).tolist()
        ['low', 'medium', 'high']
        """
        return band_of(self.rules, p_late)

    def obligation_status(self, obs: pd.DataFrame, ledger: Ledger, as_of: Any) -> npt.NDArray[np.object_]:
        """Status of each standing obligation, see `earlywarn.actions.gates.obligation_status`.

        Parameters
        ----------
        obs : DataFrame
            As `Outcome.standing` gives it.
        ledger : Ledger
        as_of : date-like

        Returns
        -------
        ndarray of str, shape (n,)
        """
        return obligation_status(obs, ledger, as_of, self)

    def decide(
        self,
        scores: pd.DataFrame,
        X: pd.DataFrame,
        ledger: Ledger,
        as_of: Any,
        capacity: Mapping[str, int] | None = None,
    ) -> pd.DataFrame:
        """The plan: one row per debtor, an action or why not.

        Parameters
        ----------
        scores : DataFrame
            As `Scorer.score` gives it, all obligations of each debtor, the overdue ones too. ``amount`` is
            the open amount; missing amounts count as 0, a missing p_late as unknown.
        X : DataFrame
            Their features, with the same index.
        ledger : Ledger
            Only what was known before ``as_of`` is read.
        as_of : date-like
        capacity : mapping of str to int, optional
            How many of each limit that the policy declares; a limit that is not named is not limited. Places
            go by risk times open amount for now; expected values and optimisation come with a later version.

        Returns
        -------
        DataFrame, sorted by customer_id, columns `earlywarn.actions.plan.PLAN_COLUMNS`
            ``action`` is "nothing" exactly where ``exclusion`` says why: a gate's code, "no_signal" or
            "nothing_helps" (the cell is empty), "low_risk", "too_small", "too_early", "too_late", "in_grace",
            "contact_cap", "no_channel", "marketing_refused" or "capacity". ``subjects`` lists obligations,
            the leading one first. moment, expected_value, propensity, experiment and arm are missing in every
            row until a later version computes them; holidays, quiet hours and journeys come with ``moment``.

        Raises
        ------
        PolicyError
            P610 a feature is missing, P620–P624 scores that do not fit, P630 capacity.
        """
        return decide(self.rules, self.version, scores, X, ledger, as_of, capacity)


@lru_cache(maxsize=1)
def _default() -> Policy:
    folder = files("earlywarn.actions") / "policies"
    return Policy((folder / "default.toml").read_text(encoding="utf-8"))
