"""One tree of errors and warnings, each with a stable code.

A message says what, where, what was found, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BundleError",
    "DataError",
    "EarlywarnError",
    "ExperimentalWarning",
    "FeatureError",
    "LeakError",
    "NotEnoughHistoryError",
    "PolicyError",
]


class EarlywarnError(Exception):
    """Root of every error that this library raises on purpose.

    Parameters
    ----------
    what : str
        One sentence: what is wrong, and where.
    code : str, optional
        Stable code for machines; the class's general code when left out.
    found : str, optional
        What was found there.
    hint : str, optional
        What to do next.

    Examples
    --------
    >>> print(EarlywarnError("invoices.due_on is missing.", code="D101", hint="name it in columns={...}."))
    EarlywarnError[D101]: invoices.due_on is missing.
    Hint: name it in columns={...}.
    """

    default_code = "E000"

    def __init__(
        self, what: str, *, code: str | None = None, found: str | None = None, hint: str | None = None
    ) -> None:
        self.what = what
        self.code = code or self.default_code
        self.found = found
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}[{self.code}]: {self.what}"]
        if self.found:
            lines.append(f"Found: {self.found}")
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.code, self.found, self.hint)


def _rebuild(cls: type[EarlywarnError], what: str, code: str, found: str | None, hint: str | None) -> EarlywarnError:
    return cls(what, code=code, found=found, hint=hint)


class DataError(EarlywarnError, ValueError):
    """Tables handed over that cannot be used as they are (codes D…)."""

    default_code = "D100"


class FeatureError(EarlywarnError, ValueError):
    """A feature's definition, or a matrix that does not fit the features asked (codes F…)."""

    default_code = "F200"


class LeakError(EarlywarnError):
    """Something depends on a fact that was not known yet (codes L…)."""

    default_code = "L300"


class NotEnoughHistoryError(EarlywarnError, ValueError):
    """Too few rows, or only one class of outcome, to learn from (codes H…)."""

    default_code = "H400"


class BundleError(EarlywarnError):
    """A saved scorer that is changed, incomplete or not ours (codes B…)."""

    default_code = "B500"


class PolicyError(EarlywarnError, ValueError):
    """A policy file that cannot be followed (codes P…)."""

    default_code = "P600"


class ExperimentalWarning(UserWarning):
    """What is used may still change in a minor release."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest known spelling, or lists what is known.

    Examples
    --------
    >>> suggest("duedate", ["due_on", "due_date", "amount"])
    "did you mean 'due_date'?"
    >>> suggest("zzz", ["due_on", "amount"])
    'known here: amount, due_on.'
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"known here: {shown}."
