"""A fitted model as files of data: `model.json`, and what one kind has, such as trees as UBJ. Reading runs no code.

The JSON holds the SHA-256 of the other files, because xgboost reads half a file without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb

from earlywarn.errors import BundleError
from earlywarn.risk.calibration import CalibrationChoice, Calibrator
from earlywarn.risk.categories import CategoryCodes
from earlywarn.risk.columns import Column
from earlywarn.risk.venn_abers import VennAbers

if TYPE_CHECKING:
    from earlywarn.risk.calibrated import CalibratedModel

__all__ = [
    "FORMAT",
    "MODEL",
    "described",
    "describing",
    "fill",
    "kind_of",
    "pack",
    "parameters_of",
    "restore_described",
    "to_files",
    "unpack",
]

MODEL = "model.json"
FORMAT = 3
#: Belong to a machine or to another file of the bundle.
NOT_STORED = ("features", "n_jobs")


def to_files(model: CalibratedModel, own: Mapping[str, Any], parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Write a fitted model.

    Parameters
    ----------
    model : CalibratedModel
    own : mapping
        What only this kind of model has, ready for JSON.
    parts : mapping of str to bytes
        Files beside `model.json`.

    Returns
    -------
    dict of str to bytes
        The same bytes for the same model.
    """
    content = {
        **described(model),
        "classes": model.classes_.tolist(),
        "classes_dtype": "O" if model.classes_.dtype.kind in "UO" else model.classes_.dtype.str,
        "calibration": model.calibration_.to_dict(),
        "venn_abers": model.venn_abers_.to_dict(),
        "shift": model.shift_,
        "training_summary": model.training_summary_,
        "notices": list(model.notices_),
        **own,
    }
    return pack(MODEL, type(model).__name__, content, parts)


def pack(name: str, kind: str, content: Mapping[str, Any], parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files of a model: what it is as JSON, with the SHA-256 of the files beside it.

    Parameters
    ----------
    name : str
        Of the JSON file.
    kind : str
        Class of the model.
    content : mapping
        Ready for JSON.
    parts : mapping of str to bytes

    Returns
    -------
    dict of str to bytes
    """
    hashes = {part: hashlib.sha256(raw).hexdigest() for part, raw in parts.items()}
    whole = {"format": FORMAT, "kind": kind, "parts": hashes, **content}
    text = json.dumps(whole, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return {**parts, name: text.encode()}


def unpack(name: str, kind: str, content: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What `pack` was given, if nothing was changed.

    Returns
    -------
    content : dict
    parts : dict of str to bytes

    Raises
    ------
    BundleError
        As `fill`.
    """
    stored = _stored(name, content)
    named = stored.get("parts", {})
    if not isinstance(named, dict) or stored.get("kind") != kind:
        raise BundleError(f"{name} holds no {kind}.", code="B522", found=str(stored.get("kind")))
    _need(content, named)
    for part, told in named.items():
        if hashlib.sha256(content[part]).hexdigest() != told:
            raise BundleError(f"{part} is not the file that {name} was written with.", code="B522")
    return stored, {part: content[part] for part in named}


def described(model: Any) -> dict[str, Any]:
    """Parameters and columns of a fitted estimator, ready for JSON."""
    return {
        "parameters": parameters_of(model),
        "columns": [_column_to_dict(column) for column in model.columns_],
        "has_column_names": hasattr(model, "feature_names_in_"),
    }


def restore_described(model: Any, stored: Mapping[str, Any]) -> None:
    """Give a new estimator what `described` told."""
    model.set_params(**stored["parameters"])
    model.columns_ = tuple(_column_from_dict(column) for column in stored["columns"])
    model.n_features_in_ = len(model.columns_)
    if stored["has_column_names"]:
        model.feature_names_in_ = np.array([column.name for column in model.columns_], dtype=object)


def parameters_of(model: Any) -> dict[str, Any]:
    """Parameters of an estimator that do not belong to a machine or to another file."""
    return {key: value for key, value in model.get_params(deep=False).items() if key not in NOT_STORED}


def kind_of(content: Mapping[str, bytes]) -> str:
    """Name of the class whose model these files hold.

    Raises
    ------
    BundleError
        As `fill`.
    """
    return str(_stored(MODEL, content).get("kind"))


def fill(model: CalibratedModel, content: Mapping[str, bytes]) -> None:
    """Give a new model everything that `to_files` stored.

    Parameters
    ----------
    model : CalibratedModel
    content : mapping of str to bytes

    Raises
    ------
    BundleError
        If a file is missing (code B520), of another format (B521), or changed (B522).
    """
    stored, parts = unpack(MODEL, type(model).__name__, content)
    with describing(MODEL):
        _restore(model, stored, parts)


@contextmanager
def describing(name: str) -> Iterator[None]:
    """Refuse what does not describe a model: B522."""
    try:
        yield
    except (KeyError, TypeError, ValueError, xgb.core.XGBoostError) as error:
        raise BundleError(
            f"{name} does not describe a model.",
            code="B522",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            hint="write the model again with to_files().",
        ) from error


def _restore(model: CalibratedModel, stored: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
    restore_described(model, stored)
    model.classes_ = np.array(stored["classes"], dtype=np.dtype(stored["classes_dtype"]))
    model.calibration_ = _calibration(stored["calibration"])
    model.calibrator_ = model.calibration_.calibrator
    model.venn_abers_, model.shift_ = VennAbers.from_dict(stored["venn_abers"]), stored["shift"]
    model.training_summary_ = stored["training_summary"]
    model.notices_ = tuple(stored["notices"])
    model._restore(stored, parts)


def _stored(name: str, content: Mapping[str, bytes]) -> dict[str, Any]:
    _need(content, (name,))
    return _parsed(name, content[name])


def _need(content: Mapping[str, bytes], names: Any) -> None:
    missing = [name for name in names if name not in content]
    if missing:
        raise BundleError(
            f"the model is incomplete: {', '.join(missing)} is missing.",
            code="B520",
            found=", ".join(sorted(content)) or "nothing",
        )


def _parsed(name: str, raw: bytes) -> dict[str, Any]:
    try:
        stored = json.loads(raw)
    except ValueError as error:
        raise BundleError(f"{name} is not JSON.", code="B522", found=str(error)) from None
    written = stored.get("format") if isinstance(stored, dict) else None
    if written != FORMAT:
        raise BundleError(
            f"{name} is of a format that this version does not read.",
            code="B521",
            found=f"format {written!r}, this version reads {FORMAT}",
            hint="load it with the version that wrote it, or train again.",
        )
    return dict(stored)


def _column_to_dict(column: Column) -> dict[str, Any]:
    """A column, ready for JSON."""
    labels = list(column.codes.labels) if column.codes else None
    return {"name": column.name, "direction": column.direction, "labels": labels}


def _column_from_dict(stored: Mapping[str, Any]) -> Column:
    """A column from `_column_to_dict`."""
    labels = stored["labels"]
    codes = None if labels is None else CategoryCodes(tuple(labels))
    return Column(stored["name"], stored["direction"], codes)


def _calibration(stored: Mapping[str, Any]) -> CalibrationChoice:
    figures: dict[str, Any] = {k: float("nan") if item is None else item for k, item in stored.items()}
    return CalibrationChoice(**figures | {"calibrator": Calibrator(**stored["calibrator"])})
