"""A risk model out of a bundle, for who has features and wants probabilities and reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from earlywarn.errors import BundleError
from earlywarn.features.catalogue import FeatureSet
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.risk.files import MODEL, kind_of
from earlywarn.risk.model import BOOSTER, RiskModel
from earlywarn.risk.scorecard import Scorecard

__all__ = ["MODELS", "MODEL_FILES", "Predictor", "read_model", "read_predictor"]

#: Kinds of models that a bundle can hold, by the name of their class.
MODELS: dict[str, type[CalibratedModel]] = {kind.__name__: kind for kind in (RiskModel, Scorecard)}
#: Files that a model may have.
MODEL_FILES = (MODEL, BOOSTER)


@dataclass(frozen=True)
class Predictor:
    """A model and the catalogue that gives its features words.

    Parameters
    ----------
    model : RiskModel or Scorecard
    """

    model: CalibratedModel

    def predict(self, X: pd.DataFrame, language: str = "en") -> pd.DataFrame:
        """Score rows of features.

        Parameters
        ----------
        X : DataFrame, shape (n, k)
            The features of the model, in any order.
        language : str

        Returns
        -------
        DataFrame, index of X
            p_late, p_low, p_high, reasons (up to three sentences, the one that weighs most first).
        """
        frame = X.reset_index(drop=True)
        bounded = self.model.bounded(frame)
        told = self.model.reason_codes(frame, top=3, language=language)
        sentences = told.groupby("observation")["text"].agg("; ".join).reindex(frame.index)
        table = pd.DataFrame(np.asarray(bounded), columns=["p_late", "p_low", "p_high"], index=X.index)
        return table.assign(reasons=sentences.fillna("").to_numpy())


def read_model(content: Mapping[str, bytes], features: FeatureSet) -> CalibratedModel:
    """A model of whatever kind the files hold.

    Parameters
    ----------
    content : mapping of str to bytes
    features : FeatureSet
        The catalogue it was fitted with.

    Returns
    -------
    RiskModel or Scorecard

    Raises
    ------
    BundleError
        B52x as `RiskModel.from_files`.
    """
    kind = kind_of(content)
    if kind not in MODELS:
        raise BundleError(f"{MODEL} holds no model but {kind!r}.", code="B522", hint=f"one of {', '.join(MODELS)}.")
    return MODELS[kind].from_files(content, features)


def read_predictor(content: Mapping[str, bytes]) -> Predictor:
    """The model of a bundle.

    Parameters
    ----------
    content : mapping of str to bytes
        Files of a bundle.

    Returns
    -------
    Predictor

    Raises
    ------
    BundleError
        B514 when features or model are missing, B52x as `RiskModel.from_files`.
    """
    missing = [name for name in ("features.json", MODEL) if name not in content]
    if missing:
        raise BundleError("the bundle does not hold a scorer.", code="B514", found=", ".join(missing))
    features = FeatureSet.from_dict(json.loads(content["features.json"]))
    return Predictor(read_model({name: content[name] for name in MODEL_FILES if name in content}, features))
