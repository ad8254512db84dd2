"""Reading a policy file: every fault is gathered before it is refused, and some things no file may say."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from earlywarn.actions.parts import Rules, conditions
from earlywarn.actions.words import DIRECT_DEBIT_ANGLES, GATES, HISTORIES, REQUIRED_HOLDS, SIGNALS
from earlywarn.errors import FeatureError, PolicyError, suggest
from earlywarn.features.expression import parse_condition
from earlywarn.tables.schema import TABLES

__all__ = ["read_rules"]


def read_rules(text: str) -> Rules:
    """Read the text of a policy file.

    Parameters
    ----------
    text : str, TOML

    Returns
    -------
    Rules

    Raises
    ------
    PolicyError
        P601 when it is not TOML, P602 with every fault that was found.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError("the policy is not TOML.", code="P601", found=str(error)) from None
    kinds = get_type_hints(Rules, include_extras=True)
    parts: dict[str, Any] = {}
    faults = [f"{key}: unknown key, {suggest(key, kinds)}" for key in raw if key not in kinds]
    for name, kind in kinds.items():
        if name not in raw:
            faults.append(f"{name}: missing")
            continue
        try:
            parts[name] = TypeAdapter(kind, config=_config(kind)).validate_python(raw[name])
        except ValidationError as error:
            faults.extend(_said(name, kind, problem) for problem in error.errors())
    faults += [fault for needs, check in _CHECKS if needs <= set(parts) for fault in check(parts)]
    if faults:
        raise PolicyError(
            f"the policy cannot be followed: {len(faults)} fault{'s'[: len(faults) != 1]}.",
            code="P602",
            found="\n       ".join(faults),
            hint="compare with the text of Policy.default().",
        )
    return Rules(**parts)


def _config(kind: Any) -> ConfigDict | None:
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return None if is_model else ConfigDict(strict=True, allow_inf_nan=False)


def _said(name: str, kind: Any, problem: Any) -> str:
    """One fault in words: where, what, and the closest known key for an unknown one."""
    where = ".".join([name, *(str(step) for step in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key, {suggest(str(problem['loc'][-1]), _keys(kind, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"{where}: missing"
    return f"{where} = {problem['input']!r}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def _keys(kind: Any, steps: tuple[Any, ...]) -> list[str]:
    """Field names of the part that stands at the end of a path."""
    for step in (None, *steps):
        if isinstance(kind, type) and issubclass(kind, BaseModel) and step is not None:
            field: FieldInfo = kind.model_fields[str(step)]
            kind = field.annotation
        elif step is not None:
            while get_origin(kind) is Annotated:
                kind = get_args(kind)[0]
            kind = get_args(kind)[1] if get_origin(kind) is dict else get_args(kind)[0]
    models = [part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel)]
    return [key for model in models for key in model.model_fields]


def _check_history(parts: Mapping[str, Any]) -> Iterator[str]:
    yield from _unreadable(conditions(parts["history"], {}))


def _check_signals(parts: Mapping[str, Any]) -> Iterator[str]:
    yield from _unreadable(conditions({}, parts["signals"]))


def _unreadable(texts: Iterator[tuple[str, str]]) -> Iterator[str]:
    for where, text in texts:
        try:
            parse_condition(text)
        except FeatureError as error:
            yield f"{where}: {error.what}" + (f" {error.hint}" if error.hint else "")


def _check_closed_lists(parts: Mapping[str, Any]) -> Iterator[str]:
    for part, wanted in (
        ("gates", GATES), ("history", HISTORIES[:-1]), ("if_late", HISTORIES), ("signals", SIGNALS[:-1]),
        ("cells", HISTORIES),
    ):  # fmt: skip
        if part in parts:
            yield from _same_names(part, parts[part], wanted)
    for name, row in parts.get("cells", {}).items():
        yield from _same_names(f"cells.{name}", row, SIGNALS)


def _same_names(where: str, found: Mapping[str, Any], wanted: tuple[str, ...]) -> Iterator[str]:
    strange = [name for name in found if name not in wanted]
    yield from (f"{where}.{name}: unknown key, {suggest(name, wanted)}" for name in strange)
    yield from (f"{where}.{name}: missing" for name in wanted if name not in found)


def _check_gates(parts: Mapping[str, Any]) -> Iterator[str]:
    kinds = TABLES["holds"].columns["kind"].words
    for name, gate in parts["gates"].items():
        for lost in sorted(set(REQUIRED_HOLDS.get(name, ())) - set(gate.holds)):
            yield f"gates.{name}.holds: {lost!r} may not be taken away"
        for strange in sorted(set(gate.holds) - set(kinds)):
            yield f"gates.{name}.holds: unknown hold {strange!r}, {suggest(strange, kinds)}"


def _check_cells(parts: Mapping[str, Any]) -> Iterator[str]:
    if parts["cells"].get("never_late", {}).get("none"):
        yield "cells.never_late.none: who is never late is left in peace without a signal; write {}"
    for history, row in parts["cells"].items():
        for signal, cell in row.items():
            for action, choice in cell.items():
                where = f"cells.{history}.{signal}.{action}"
                if "actions" in parts:
                    yield from _known(f"{where}: action", action, parts["actions"])
                if "angles" in parts:
                    yield from _known(f"{where}.angle", choice.angle, parts["angles"])


def _check_actions(parts: Mapping[str, Any]) -> Iterator[str]:
    if sorted(parts["ladder"]) != sorted(parts["actions"]) or parts["ladder"][:1] != ("nothing",):
        yield "ladder: names every action once, the mildest first, beginning with 'nothing'"
    for name, action in parts["actions"].items():
        if action.limit is not None:
            yield from _known(f"actions.{name}.limit", action.limit, parts["limits"])
        for channel in action.channels:
            yield from _known(f"actions.{name}.channels", channel, parts["channels"])
        if action.lead_min_days > action.lead_max_days:
            yield f"actions.{name}: lead_min_days is above lead_max_days"


def _check_angles(parts: Mapping[str, Any]) -> Iterator[str]:
    for name, angle in parts["angles"].items():
        target = angle.with_direct_debit or name
        if target not in DIRECT_DEBIT_ANGLES:
            allowed = ", ".join(DIRECT_DEBIT_ANGLES)
            yield f"angles.{name}.with_direct_debit: {target!r} is not one of {allowed}"
        elif target not in parts["angles"]:
            yield f"angles.{name}.with_direct_debit: {target!r} is not declared"
        elif parts["angles"][target].asks_for_payment:
            yield f"angles.{target}: asks_for_payment must be false, it is for direct debit"


def _check_may_still(parts: Mapping[str, Any]) -> Iterator[str]:
    for name, gate in parts["gates"].items():
        if gate.may_still is None:
            continue
        where = f"gates.{name}.may_still"
        if name != "overdue":
            yield f"{where}: only the gate 'overdue' has an exception"
        yield from _known(f"{where}.action", gate.may_still.action, parts["actions"])
        for angle in gate.may_still.angles:
            yield from _known(f"{where}.angles", angle, parts["angles"])
            if angle in parts["angles"] and parts["angles"][angle].asks_for_payment:
                yield f"{where}.angles: {angle!r} asks for payment"


def _check_bands(parts: Mapping[str, Any]) -> Iterator[str]:
    if not parts["bands"].medium < parts["bands"].high:
        yield "bands: medium is not below high"


def _known(where: str, name: str, known: Any) -> Iterator[str]:
    if name not in known:
        yield f"{where} {name!r} is not declared, {suggest(name, known)}"


_Check = Callable[[Mapping[str, Any]], Iterator[str]]
#: What each check needs to have been read, and the check.
_CHECKS: tuple[tuple[set[str], _Check], ...] = (
    ({"history"}, _check_history),
    ({"signals"}, _check_signals),
    (set(), _check_closed_lists),
    ({"gates"}, _check_gates),
    ({"cells"}, _check_cells),
    ({"ladder", "actions", "limits", "channels"}, _check_actions),
    ({"angles"}, _check_angles),
    ({"gates", "actions", "angles"}, _check_may_still),
    ({"bands"}, _check_bands),
)
