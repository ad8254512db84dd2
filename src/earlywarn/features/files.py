"""Where catalogue files stand and how they are read: in the wheel, else the checkout's ``features/``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from earlywarn.errors import FeatureError
from earlywarn.features.definition import Family, Feature

__all__ = ["default_folder", "read_catalogue", "shipped_families"]

FAMILIES_FILE = "families.toml"
_Item = TypeVar("_Item", Feature, Family)


def read_catalogue(path: str | os.PathLike[str] | Traversable) -> tuple[list[Feature], dict[str, Family]]:
    """Read one TOML file, or every one of a folder in the order of their names.

    Returns
    -------
    features : list of Feature
    families : dict of str to Family
        The shipped ones and those of the ``families.toml`` in the same folder.

    Raises
    ------
    FeatureError
        F208 no file, or not TOML; else every fault of every feature in one message.
    """
    place = path if isinstance(path, Traversable) else Path(path)
    files = _toml_files(place)
    folder = place if place.is_dir() else Path(str(place)).parent
    own = folder / FAMILIES_FILE
    faults: list[FeatureError] = []
    families = _read(own, Family.from_dict, faults) if own.is_file() else []
    features = [item for file in files for item in _read(file, Feature.from_dict, faults)]
    if faults:
        raise _together(faults, str(path))
    return features, {**shipped_families(), **{family.name: family for family in families}}


def _packaged_folder() -> Traversable:
    return resources.files("earlywarn") / "_catalogue"


def _checkout_folder() -> Traversable:
    return Path(__file__).resolve().parents[3] / "features"


def default_folder() -> Traversable:
    """Return where the shipped catalogue stands: in the package, else in the checkout."""
    for folder in (_packaged_folder(), _checkout_folder()):
        if folder.is_dir() and (folder / FAMILIES_FILE).is_file():
            return folder
    raise FeatureError(
        "the shipped feature catalogue is not there.",
        code="F208",
        found="no earlywarn/_catalogue in the package, no features/ in a checkout",
        hint="install earlywarn again, or read your own with FeatureSet.from_toml(folder).",
    )


@lru_cache(maxsize=1)
def shipped_families() -> Mapping[str, Family]:
    """Return the families of the shipped catalogue, none when it is not there."""
    try:
        file = default_folder() / FAMILIES_FILE
    except FeatureError:
        return MappingProxyType({})
    return MappingProxyType({family.name: family for family in _read(file, Family.from_dict, [])})


def _toml_files(place: Traversable) -> list[Traversable]:
    if place.is_file():
        return [place]
    inside = sorted(place.iterdir(), key=lambda item: item.name) if place.is_dir() else []
    files = [item for item in inside if item.name.endswith(".toml") and item.name != FAMILIES_FILE]
    if not files:
        raise FeatureError(f"no feature file at {place}.", code="F208", hint="name a .toml file or a folder of them.")
    return files


def _read(
    file: Traversable, build: Callable[[str, Mapping[str, Any]], _Item], faults: list[FeatureError]
) -> list[_Item]:
    """Read every table of a file; what is wrong is added to ``faults``."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FeatureError(f"{file.name} is not TOML.", code="F208", found=str(error)) from error
    items = []
    for name, table in tables.items():
        try:
            items.append(build(name, table))
        except FeatureError as fault:
            faults.append(fault)
    return items


def _together(faults: list[FeatureError], where: str) -> FeatureError:
    if len(faults) == 1:
        return faults[0]
    listed = "\n".join(f"- [{fault.code}] {fault.what} {fault.hint or ''}".rstrip() for fault in faults)
    return FeatureError(
        f"{len(faults)} definitions in {where} cannot be read.", code=faults[0].code, found="\n" + listed
    )
