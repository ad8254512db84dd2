"""The public names: exactly these, each where the root says, documented and shown in the documentation."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from numpydoc.validate import validate

import earlywarn as ew

CLASSES = [
    "BaseRates",
    "Change",
    "Feature",
    "FeatureSet",
    "Ledger",
    "LedgerStore",
    "Outcome",
    "PayDays",
    "PaymentDayModel",
    "Policy",
    "RiskModel",
    "Scorecard",
    "Scorer",
    "TemporalSplit",
]
FUNCTIONS = [
    "aggregate",
    "audit_leakage",
    "backtest",
    "call_card",
    "compare",
    "customer_text",
    "explain_feature",
    "log_scorer",
    "promote",
    "reasons_by",
    "reasons_over_time",
    "train",
    "tune",
]
ERRORS = [
    "BundleError",
    "DataError",
    "EarlywarnError",
    "ExperimentalWarning",
    "FeatureError",
    "LeakError",
    "NotEnoughHistoryError",
    "PolicyError",
]
SUBMODULES = ["datasets", "plots", "simulate", "testing"]
PUBLIC = sorted([*CLASSES, *FUNCTIONS, *ERRORS, *SUBMODULES])

# numpydoc's own codes: no docstring; no summary, or one that is no sentence; parameters missing, unknown or
# in another order, no space before a colon; no Returns or Yields section
WANTED = {"GL08", "SS01", "SS02", "SS03", "PR01", "PR02", "PR03", "PR10", "RT01", "YD01"}


def test_the_public_names_are_exactly_these():
    assert sorted(ew.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(ew))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_the_object_of_its_module(name: str):
    found = getattr(ew, name)
    if name in SUBMODULES:
        assert isinstance(found, ModuleType)
        assert found.__name__ == f"earlywarn.{name}"
    else:
        assert found.__name__ == name
        assert getattr(import_module(found.__module__), name) is found


def test_the_version_is_that_of_the_installed_distribution():
    assert ew.__version__ == version("earlywarn")


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="'Legder'"):
        ew.Legder  # noqa: B018


def test_no_module_at_the_top_bears_the_name_of_a_public_object():
    modules = {module.name for module in pkgutil.iter_modules(ew.__path__)}
    assert modules & set(PUBLIC) == set(SUBMODULES)


def test_every_error_is_one_of_ours_with_a_code_of_its_own():
    errors = [getattr(ew, name) for name in ERRORS if name != "ExperimentalWarning"]
    assert all(issubclass(error, ew.EarlywarnError) for error in errors)
    codes = [error.default_code for error in errors]
    assert len(set(codes)) == len(codes)


def documented_objects() -> dict[str, object]:
    """Public objects by dotted name, with the public methods that they define themselves."""
    found = {}
    for name in [*CLASSES, *FUNCTIONS, *ERRORS]:
        thing = getattr(ew, name)
        place = f"{thing.__module__}.{name}"
        found[place] = thing
        if inspect.isclass(thing):
            found |= {f"{place}.{word}": item for word, item in vars(thing).items() if _is_public_method(word, item)}
    for name in ew.datasets.__all__:
        thing = getattr(ew.datasets, name)
        found[f"{thing.__module__}.{name}"] = thing
    return found


def _is_public_method(name: str, item: object) -> bool:
    kinds = classmethod | staticmethod | property
    return not name.startswith("_") and (inspect.isfunction(item) or isinstance(item, kinds))


def _inherits_its_parameters(thing: object) -> bool:
    return inspect.isclass(thing) and "__init__" not in vars(thing)


def test_every_public_docstring_tells_parameters_and_results():
    faults = []
    for place, thing in documented_objects().items():
        wanted = WANTED - {"PR01"} if _inherits_its_parameters(thing) else WANTED
        faults += [f"{place}: {code} {text}" for code, text in validate(place)["errors"] if code in wanted]
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("name", [*CLASSES, *FUNCTIONS])
def test_every_public_object_shows_an_example_that_runs(name: str):
    assert ">>>" in (getattr(ew, name).__doc__ or ""), f"{name} has no example in its docstring"


def test_every_public_name_stands_in_the_reference_of_the_documentation(checkout: Path):
    page = (checkout / "docs" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\.\. auto\w+:: earlywarn\.(\w+)", page, flags=re.MULTILINE))
    assert shown == set(PUBLIC)
