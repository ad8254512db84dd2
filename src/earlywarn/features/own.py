"""Aggregates of the user's own: kept by name, compiled where they can be, run over windows of facts.

Compiled or plain, the numbers are the same: a division by zero and a logarithm of nothing give missing, as
everywhere in the language, and a function may change the arrays it is handed, which are copies.
"""

from __future__ import annotations

import inspect
import io
import logging
import math
import threading
import tokenize
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from textwrap import dedent
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from earlywarn.dates import US_PER_DAY, iso
from earlywarn.errors import FeatureError, suggest

__all__ = ["OWN", "Own", "come_from", "own_aggregate", "run_own"]

log = logging.getLogger("earlywarn")
Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Number = int | float
_SHAPE = "f(values), f(values, days), and numbers with a default after these: f(values, days, k=3)"
#: What a compiled function may name and still be kept on disk: nothing that could change behind its back.
_STEADY = ("numpy", "math")
_LOCK = threading.RLock()
_NO_WORDS = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


@dataclass(frozen=True)
class Own:
    """One aggregate of the user's own.

    Attributes
    ----------
    name : str
    function : callable
    reads_days : bool
        Whether it takes the days from each fact to ``as_of`` beside the values.
    parameters : tuple of (str, int or float)
        Numbers that an expression may give, with their defaults; an int stays whole.
    """

    name: str
    function: Callable[..., Any]
    reads_days: bool
    parameters: tuple[tuple[str, Number], ...]

    @property
    def source(self) -> str:
        """Where it comes from: the pack that was loaded, else the module."""
        module = str(self.function.__module__)
        inside = [place for place in _PACKS if module == place or module.startswith(f"{place}.")]
        return _PACKS[max(inside, key=len)] if inside else f"the module {module}"

    def code_hash(self) -> str:
        """SHA-256 of the function's words without comments and layout; empty where the source is not there."""
        try:
            source = dedent(inspect.getsource(self.function))
            tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        except (OSError, TypeError, SyntaxError, tokenize.TokenError):
            return ""
        words = [token.string for token in tokens if token.type not in _NO_WORDS]
        return sha256(" ".join(words[words.index("def") :]).encode()).hexdigest()  # decorators left out

    def words(self, parameters: Mapping[str, float]) -> tuple[Number, ...]:
        """Parameters in the order of the function; those that are not given have their defaults."""
        given = [(parameters.get(key, default), default) for key, default in self.parameters]
        return tuple(int(value) if isinstance(default, int) else float(value) for value, default in given)


#: The user's aggregates by name.
OWN: dict[str, Own] = {}
#: Which pack a module belongs to, in words.
_PACKS: dict[str, str] = {}


def come_from(module: str, pack: str) -> None:
    """Note that a module and all below it belong to a pack, so that errors and bundles can name it."""
    _PACKS[module] = pack


def own_aggregate(function: Callable[..., Any], reserved: tuple[str, ...]) -> Own:
    """Read a function's signature: what it takes, and which numbers an expression may give it.

    Parameters
    ----------
    function : callable
    reserved : tuple of str
        Words of the language that a parameter may not bear.

    Returns
    -------
    Own

    Raises
    ------
    FeatureError
        F240 when the signature is none of those that are known.
    """
    function = getattr(function, "py_func", function)  # what the user compiled already is compiled again, checked
    name = function.__name__
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise FeatureError(f"the parameters of {name} cannot be read.", code="F240", hint=_SHAPE) from error
    needed = [item for item in found if item.default is item.empty]
    numbers = [(item.name, item.default) for item in found if item.default is not item.empty]
    starred = [item.name for item in found if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]
    if starred or len(needed) not in (1, 2) or any(item.kind is item.KEYWORD_ONLY for item in needed):
        raise FeatureError(f"{name} takes {inspect.signature(function)}.", code="F240", hint=f"write {_SHAPE}.")
    for key, default in numbers:
        if key in reserved:
            raise FeatureError(f"{name} has a parameter {key!r}, a word of windows.", code="F240", hint="rename it.")
        if type(default) not in (int, float) or not math.isfinite(default):
            raise FeatureError(f"{name} has {key}={default!r}.", code="F240", hint="a default is a number.")
    return Own(name, function, len(needed) == 2, tuple(numbers))


def runs_plain(name: str) -> bool:
    """Whether a user's aggregate cannot be compiled, so that it runs as plain Python; False for any other name."""
    return name in OWN and _driver(OWN[name]) is None


def run_own(
    name: str,
    values: Values,
    happened: Rows,
    as_of: Rows,
    low: Rows,
    high: Rows,
    parameters: Mapping[str, float],
    *,
    compiled: bool = True,
    name_of: Callable[[int], str] | None = None,
) -> Values:
    """Compute one aggregate of the user's own over windows.

    Parameters
    ----------
    name : str
    values : ndarray of float64, shape (n_facts,)
    happened : ndarray of int64, shape (n_facts,), microseconds
    as_of, low, high : ndarray of int64, shape (n,)
        Window i is ``values[low[i]:high[i]]``, oldest first.
    parameters : mapping of str to float
        As the expression gives them.
    compiled : bool
        Compile the function when it can be; else run it as it stands.
    name_of : callable, optional
        Says which observation window i belongs to, for an error.

    Returns
    -------
    ndarray of float64, shape (n,); NaN for an empty window and for what is no finite number

    Raises
    ------
    FeatureError
        F241 when the function fails, F242 when there is no such aggregate.
    """
    if name not in OWN:
        raise FeatureError(f"there is no aggregate {name!r}.", code="F242", hint=suggest(name, OWN))
    own = OWN[name]
    words = own.words(parameters)
    out = np.full(len(low), np.nan)
    moments = [np.require(rows, np.int64, ["C", "W"]) for rows in (happened, as_of, low, high)]
    arrays = (np.require(values, np.float64, ["C", "W"]), *moments)
    driver = _driver(own) if compiled else None
    if driver is None or not _ran(driver, arrays, words, out):
        _run_plain(own, arrays, words, out, name_of)
    return np.where(np.isfinite(out), out, np.nan)


def _ran(driver: Callable[..., None], arrays: tuple[Any, ...], words: tuple[Number, ...], out: Values) -> bool:
    """Run compiled code; False when it fails, so that the plain function can say where."""
    from earlywarn.compiled import in_ranges

    try:
        in_ranges(driver, len(out), *arrays, words, out)
    except Exception:
        out[:] = np.nan
        return False
    return True


def _run_plain(
    own: Own,
    arrays: tuple[Any, ...],
    words: tuple[Number, ...],
    out: Values,
    name_of: Callable[[int], str] | None,
) -> None:
    values, happened, as_of, low, high = arrays
    keywords = {key: word for (key, _), word in zip(own.parameters, words, strict=True)}
    with np.errstate(all="ignore"):
        for i in np.flatnonzero(high > low):
            part = slice(low[i], high[i])
            days = ((as_of[i] - happened[part]) / US_PER_DAY,) if own.reads_days else ()
            try:
                out[i] = _number(own.function(values[part].copy(), *days, **keywords))
            except Exception as error:
                if _no_number(error):
                    continue
                where = name_of(int(i)) if name_of is not None else f"observation {i} of these"
                raise _failure(own, values[part], f"{where}, as_of {iso(int(as_of[i]))}", error) from error


def _number(result: Any) -> float:
    """A result as float; None is missing."""
    return math.nan if result is None else float(result)


def _no_number(error: Exception) -> bool:
    """Whether Python stops where compiled code goes on without a number: 1 / 0, log(0), exp(1000)."""
    return isinstance(error, ArithmeticError) or (isinstance(error, ValueError) and "math domain" in str(error))


def _failure(own: Own, values: Values, where: str, error: Exception) -> FeatureError:
    shown = np.array2string(values[-5:], separator=", ")
    return FeatureError(
        f"the aggregate {own.name!r} fails at {where}.",
        code="F241",
        found=f"{type(error).__name__}: {error}; it was handed {len(values):,} value(s), the newest {shown}",
        hint=f"it comes from {own.source}; let it give a number, or None for missing, for one value and for many.",
    )


# -- compiling -------------------------------------------------------------------------------------------------

_DRIVERS: dict[Own, Callable[..., None] | None] = {}


def _driver(own: Own) -> Callable[..., None] | None:
    """Compiled loop over windows, made at first use; None, with one notice, where it cannot be compiled."""
    with _LOCK:
        if own not in _DRIVERS:
            try:
                _DRIVERS[own] = _compile(own)
            except Exception as error:  # whatever the compiler does not like: the plain function is there
                _DRIVERS[own] = None
                first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                log.warning("the aggregate %s cannot be compiled (%s); it runs as plain Python.", own.name, first)
        return _DRIVERS[own]


def _compile(own: Own) -> Callable[..., None]:
    from earlywarn.compiled import compiled
    from earlywarn.extras import require

    numba: Any = require("numba", to="compile an aggregate")
    kinds = ["int64" if isinstance(default, int) else "float64" for _, default in own.parameters]
    arrays = ["float64[::1]"] * (1 + own.reads_days)
    signature = f"float64({', '.join([*arrays, *kinds])})"
    options: dict[str, Any] = {"error_model": "numpy", "boundscheck": True}
    make = compiled(signature, **options) if _keeps(own.function) else numba.njit(signature, nogil=True, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", numba.NumbaWarning)
        kernel = make(own.function)
        loop = _loop_with_days(kernel) if own.reads_days else _loop(kernel)
        words = numba.types.Tuple([getattr(numba, kind) for kind in kinds])
        rows, reals = numba.int64[::1], numba.float64[::1]
        whole = numba.void(numba.int64, numba.int64, reals, rows, rows, rows, rows, words, reals)
        driver: Callable[..., None] = numba.njit(whole, nogil=True)(loop)
    return driver


def _loop(kernel: Any) -> Callable[..., None]:
    def run(start, stop, values, happened, as_of, low, high, words, out):  # type: ignore[no-untyped-def]
        for i in range(start, stop):
            if high[i] > low[i]:
                out[i] = kernel(values[low[i] : high[i]].copy(), *words)

    return run


def _loop_with_days(kernel: Any) -> Callable[..., None]:
    def run(start, stop, values, happened, as_of, low, high, words, out):  # type: ignore[no-untyped-def]
        for i in range(start, stop):
            if high[i] > low[i]:
                days = (as_of[i] - happened[low[i] : high[i]]) / US_PER_DAY
                out[i] = kernel(values[low[i] : high[i]].copy(), days, *words)

    return run


def _keeps(function: Callable[..., Any]) -> bool:
    """Whether compiled code may be kept on disk: what the function names is its own, or of numpy and math."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or any(isinstance(const, CodeType) for const in code.co_consts):
        return False
    named = inspect.getclosurevars(function)
    return all(
        isinstance(thing, ModuleType) and thing.__name__ in _STEADY
        for thing in {**named.globals, **named.nonlocals}.values()
    )
