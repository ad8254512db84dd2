"""Libraries that are imported where they are used, with an error that says how to get them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from earlywarn.errors import EarlywarnError

__all__ = ["require"]


def require(module: str, *, to: str, install: str = "earlywarn") -> ModuleType:
    """Import a library at the moment it is needed.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    to : str
        What it is needed for, as it reads after "is needed to".
    install : str
        What to hand to ``pip install``.

    Returns
    -------
    module

    Raises
    ------
    EarlywarnError
        With the install line, when the module cannot be imported (code E010).

    Examples
    --------
    >>> require("json", to="read a manifest").__name__
    'json'
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise EarlywarnError(
            f"{module!r} is needed to {to} and cannot be imported.",
            code="E010",
            found=str(error),
            hint=f"pip install {install!r}",
        ) from error
