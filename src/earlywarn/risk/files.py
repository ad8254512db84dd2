"""A fitted model as two files of data: trees as UBJ, all else as JSON. Reading runs no code.

The JSON holds the SHA-256 of the trees, because xgboost reads half a file without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb

from earlywarn.errors import BundleError
from earlywarn.reasons import treeshap
from earlywarn.risk.calibration import CalibrationChoice, Calibrator
from earlywarn.risk.categories import CategoryCodes
from earlywarn.risk.columns import Column
from earlywarn.risk.venn_abers import VennAbers

if TYPE_CHECKING:
    from earlywarn.risk.model import RiskModel

__all__ = ["BOOSTER", "FORMAT", "MODEL", "fill", "to_files"]

BOOSTER = "booster.ubj"
MODEL = "model.json"
FORMAT = 2
#: Belong to a machine or to another file of the bundle.
NOT_STORED = ("features", "n_jobs")


def to_files(model: RiskModel) -> dict[str, bytes]:
    """Write a fitted model.

    Parameters
    ----------
    model : RiskModel

    Returns
    -------
    dict of str to bytes
        The same bytes for the same model.
    """
    booster = bytes(model.booster_.save_raw("ubj"))
    named = hasattr(model, "feature_names_in_")
    content = {
        "format": FORMAT,
        "booster_sha256": hashlib.sha256(booster).hexdigest(),
        "parameters": {k: v for k, v in model.get_params(deep=False).items() if k not in NOT_STORED},
        "columns": [_column_to_dict(column) for column in model.columns_],
        "has_column_names": named,
        "classes": model.classes_.tolist(),
        "classes_dtype": "O" if model.classes_.dtype.kind in "UO" else model.classes_.dtype.str,
        "calibration": model.calibration_.to_dict(),
        "venn_abers": model.venn_abers_.to_dict(),
        "shift": model.shift_,
        "training_summary": model.training_summary_,
        "notices": list(model.notices_),
    }
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return {BOOSTER: booster, MODEL: text.encode()}


def fill(model: RiskModel, content: Mapping[str, bytes]) -> None:
    """Give a new model everything that `to_files` stored.

    Parameters
    ----------
    model : RiskModel
    content : mapping of str to bytes

    Raises
    ------
    BundleError
        If a file is missing (code B520), of another format (B521), or changed (B522).
    """
    missing = [name for name in (BOOSTER, MODEL) if name not in content]
    if missing:
        raise BundleError(
            f"the model is incomplete: {', '.join(missing)} is missing.",
            code="B520",
            found=", ".join(sorted(content)) or "nothing",
        )
    stored = _parsed(content[MODEL])
    if hashlib.sha256(content[BOOSTER]).hexdigest() != stored.get("booster_sha256"):
        raise BundleError(f"{BOOSTER} is not the file that {MODEL} was written with.", code="B522")
    try:
        _restore(model, stored, content[BOOSTER])
    except (KeyError, TypeError, ValueError, xgb.core.XGBoostError) as error:
        raise BundleError(
            f"{MODEL} does not describe a model.",
            code="B522",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            hint="write the model again with to_files().",
        ) from error


def _restore(model: RiskModel, stored: Mapping[str, Any], booster: bytes) -> None:
    model.set_params(**stored["parameters"])
    model.columns_ = tuple(_column_from_dict(column) for column in stored["columns"])
    model.n_features_in_ = len(model.columns_)
    if stored["has_column_names"]:
        model.feature_names_in_ = np.array([column.name for column in model.columns_], dtype=object)
    model.classes_ = np.array(stored["classes"], dtype=np.dtype(stored["classes_dtype"]))
    model.booster_ = xgb.Booster({"nthread": model.n_jobs or 0})
    model.booster_.load_model(bytearray(booster))
    model.n_trees_ = model.booster_.num_boosted_rounds()
    model.expected_value_ = treeshap.expected_value(model.booster_, model.n_features_in_)
    model.calibration_ = _calibration(stored["calibration"])
    model.calibrator_ = model.calibration_.calibrator
    model.venn_abers_, model.shift_ = VennAbers.from_dict(stored["venn_abers"]), stored["shift"]
    model.training_summary_ = stored["training_summary"]
    model.notices_ = tuple(stored["notices"])


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        stored = json.loads(raw)
    except ValueError as error:
        raise BundleError(f"{MODEL} is not JSON.", code="B522", found=str(error)) from None
    written = stored.get("format") if isinstance(stored, dict) else None
    if written != FORMAT:
        raise BundleError(
            f"{MODEL} is of a format that this version does not read.",
            code="B521",
            found=f"format {written!r}, this version reads {FORMAT}",
            hint="load it with the version that wrote it, or train again.",
        )
    return dict(stored)


def _column_to_dict(column: Column) -> dict[str, Any]:
    labels = list(column.codes.labels) if column.codes else None
    return {"name": column.name, "direction": column.direction, "labels": labels}


def _column_from_dict(stored: Mapping[str, Any]) -> Column:
    labels = stored["labels"]
    codes = None if labels is None else CategoryCodes(tuple(labels))
    return Column(stored["name"], stored["direction"], codes)


def _calibration(stored: Mapping[str, Any]) -> CalibrationChoice:
    figures: dict[str, Any] = {k: float("nan") if item is None else item for k, item in stored.items()}
    return CalibrationChoice(**figures | {"calibrator": Calibrator(**stored["calibrator"])})
