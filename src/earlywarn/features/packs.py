"""Packs: features and aggregates that other installed packages offer by an entry point.

An entry point of the group ``earlywarn.features`` names a package: its TOML files are the pack's features,
importing it adds its aggregates. Nothing is looked for, and no code of a pack runs, until a pack is asked for
by its name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib import import_module, resources
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from earlywarn.errors import FeatureError, suggest
from earlywarn.features.definition import Family, Feature
from earlywarn.features.files import FAMILIES_FILE, read_catalogue, shipped_families
from earlywarn.features.own import OWN, come_from

__all__ = ["GROUP", "check_needs", "installed_packs", "needs_of", "read_pack"]

GROUP = "earlywarn.features"


def installed_packs() -> dict[str, list[EntryPoint]]:
    """Packs that installed packages offer, by name; several under one name where packages clash.

    Returns
    -------
    dict of str to list of EntryPoint
    """
    found: dict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for point in entry_points(group=GROUP):
        found[point.name][_package(point), point.value] = point
    return {name: list(points.values()) for name, points in sorted(found.items())}


def read_pack(name: str) -> tuple[list[Feature], dict[str, Family], str]:
    """Read one pack: import its package, which adds its aggregates, and read its TOML files.

    Parameters
    ----------
    name : str
        Name of the entry point.

    Returns
    -------
    features : list of Feature
    families : dict of str to Family
    words : str
        What the pack is called in errors: its name with the package and version that it comes from.

    Raises
    ------
    FeatureError
        F244 no such pack, F246 two packages offer it, F245 it cannot be imported or read.
    """
    packs = installed_packs()
    if name not in packs:
        raise FeatureError(
            f"no installed package offers the pack {name!r}.",
            code="F244",
            hint=suggest(name, packs) if packs else "install the package that has it; none has a pack here.",
        )
    if len(packs[name]) > 1:
        raise FeatureError(
            f"several packages offer a pack {name!r}.",
            code="F246",
            found=", ".join(_package(point) for point in packs[name]),
            hint="uninstall all but one.",
        )
    point = packs[name][0]
    words = f"the pack {name!r} of {_package(point)}"
    come_from(point.module, words)
    try:
        features, families = _content(point.module)
    except Exception as error:  # whatever somebody else's package does
        raise FeatureError(
            f"{words} cannot be loaded.",
            code="F245",
            found=str(error) if isinstance(error, FeatureError) else f"{type(error).__name__}: {error}",
            hint=f"mend or uninstall that package; its entry point names {point.value!r}.",
        ) from error
    return features, families, words


def _content(module: str) -> tuple[list[Feature], dict[str, Family]]:
    if not hasattr(import_module(module), "__path__"):
        raise FeatureError(f"{module} is a module.", code="F245", hint="the entry point names a package, a folder.")
    folder = resources.files(module)
    if any(item.name.endswith(".toml") and item.name != FAMILIES_FILE for item in folder.iterdir()):
        return read_catalogue(folder)
    if not any(_within(own.function, module) for own in OWN.values()):
        raise FeatureError(f"{module} holds no TOML file and no aggregate.", code="F245")
    return [], dict(shipped_families())


def _within(function: Any, module: str) -> bool:
    return f"{function.__module__}.".startswith(f"{module}.")


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"


# -- what a saved set of features needs ------------------------------------------------------------------------


def needs_of(features: Iterable[Feature]) -> dict[str, dict[str, Any]]:
    """The user's aggregates that features use: where they come from, their parameters, a hash of their code.

    Returns
    -------
    dict of str to dict, ready for JSON
    """
    used = {item.function for feature in features for item in feature.expression.aggregates}
    return {
        name: {"from": own.source, "parameters": dict(own.parameters), "code": own.code_hash()}
        for name, own in sorted(OWN.items())
        if name in used
    }


def check_needs(needs: Mapping[str, Mapping[str, Any]], definitions: Iterable[Mapping[str, Any]]) -> None:
    """Refuse saved features whose aggregates are not there, or are others than those they were saved with.

    Parameters
    ----------
    needs : mapping
        As from `needs_of`.
    definitions : iterable of mapping
        The saved features, to be named.

    Raises
    ------
    FeatureError
        F242 an aggregate is not there, F243 it is another one.
    """
    rows = list(definitions)
    for name, need in needs.items():
        if name not in OWN:
            users = [str(row.get("name")) for row in rows if f"{name}(" in str(row.get("value"))]
            raise FeatureError(
                f"the aggregate {name!r} is not there; it is code, and code is not saved.",
                code="F242",
                found=f"used by {', '.join(users[:5])}; it came from {need['from']}",
                hint=f"load {need['from']} first: FeatureSet.from_pack(…), or import the module that adds it.",
            )
        here = OWN[name]
        if dict(here.parameters) != need["parameters"] or _differs(here.code_hash(), need["code"]):
            raise FeatureError(
                f"the aggregate {name!r} is another one than that these features were saved with.",
                code="F243",
                found=f"here from {here.source}, then from {need['from']}",
                hint="install the version it was saved with, or train and save again.",
            )


def _differs(one: str, other: str) -> bool:
    return bool(one and other) and one != other
