"""Bundles in MLflow: kept with figures and pictures, registered, found by alias, served. Only this imports mlflow.

What MLflow keeps is the bundle itself, a folder of data, under a loader of ours: no pickle is written and none is read.
The tracking server is the one MLflow knows (``MLFLOW_TRACKING_URI``, or a local database in the working folder), unless
one is named.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from earlywarn.bundle import read_bundle
from earlywarn.errors import BundleError
from earlywarn.extras import require
from earlywarn.reasons.formats import locale_of
from earlywarn.risk.stored import Predictor, read_predictor

if TYPE_CHECKING:
    from types import ModuleType

    from mlflow.models import ModelSignature

__all__ = ["ADDRESSES", "CHAMPION", "Logged", "download", "find", "log_bundle", "set_alias"]

#: Alias of the version that is used.
CHAMPION = "champion"
#: How addresses of what MLflow keeps begin.
ADDRESSES = ("models:/", "runs:/")
EXPERIMENT = "earlywarn"


@dataclass(frozen=True)
class Logged:
    """Where MLflow keeps a bundle.

    Parameters
    ----------
    run_id : str
    model_uri : str
        Of the model in its run.
    name : str, optional
        Under which it is registered.
    version : str, optional
    """

    run_id: str
    model_uri: str
    name: str | None = None
    version: str | None = None


def log_bundle(
    directory: str | os.PathLike[str],
    *,
    parameters: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
    pictures: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    name: str | None = None,
    experiment: str = EXPERIMENT,
    tracking_uri: str | None = None,
) -> Logged:
    """Log a bundle as a model of its own flavour, with what is known of it.

    Parameters
    ----------
    directory : path
        A bundle.
    parameters, metrics, tags : mapping, optional
        Metrics that are no number are left out.
    tables : mapping of str to DataFrame, optional
        Kept as CSV.
    pictures : mapping of str to matplotlib Figure, optional
        Kept as PNG.
    texts : mapping of str to str, optional
        Files of text, such as a page.
    name : str, optional
        Register it under this name.
    experiment : str
    tracking_uri : str, optional

    Returns
    -------
    Logged

    Raises
    ------
    BundleError
        B51x when it is no bundle.
    """
    predictor = read_predictor(read_bundle(directory))
    mlflow = _mlflow()
    with _tracked(mlflow, tracking_uri):
        inside = mlflow.active_run() is not None
        with mlflow.start_run(experiment_id=_experiment(mlflow, experiment), nested=inside) as run:
            mlflow.log_params(dict(parameters or {}))
            mlflow.log_metrics({key: value for key, value in (metrics or {}).items() if np.isfinite(value)})
            mlflow.set_tags(dict(tags or {}))
            for key, table in (tables or {}).items():
                mlflow.log_text(table.to_csv(index=False), f"{key}.csv")
            for key, text in (texts or {}).items():
                mlflow.log_text(text, key)
            for key, figure in (pictures or {}).items():
                mlflow.log_figure(figure, f"{key}.png")
            info = mlflow.pyfunc.log_model(
                name="scorer",
                loader_module="earlywarn.tracking",
                data_path=os.fspath(directory),
                signature=signature_of(predictor),
                input_example=example_of(predictor),
                pip_requirements=_requirements(),
            )
        if name is None:
            return Logged(run.info.run_id, info.model_uri)
        found = mlflow.register_model(info.model_uri, name)
        return Logged(run.info.run_id, info.model_uri, name, str(found.version))


def download(uri: str, *, tracking_uri: str | None = None) -> dict[str, bytes]:
    """Files of a bundle that MLflow keeps, checked against its manifest.

    Parameters
    ----------
    uri : str
        ``models:/name@champion``, ``models:/name/3`` or ``runs:/…/scorer``.
    tracking_uri : str, optional

    Returns
    -------
    dict of str to bytes

    Raises
    ------
    BundleError
        B517 when MLflow has no such model, or it is none of ours; B51x when it was changed.
    """
    mlflow = _mlflow()
    folder = Path(tempfile.mkdtemp(prefix="earlywarn-"))
    try:
        with _tracked(mlflow, tracking_uri):
            try:
                kept = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
            except (mlflow.exceptions.MlflowException, OSError) as error:
                raise BundleError(
                    f"MLflow has no model {uri!r}.", code="B517", found=str(error).splitlines()[0][:200],
                    hint="name one that was logged, or another tracking server in MLFLOW_TRACKING_URI.",
                ) from error  # fmt: skip
        bundles = [path.parent for path in kept.rglob("manifest.json")]
        if len(bundles) != 1:
            raise BundleError(f"{uri!r} is no bundle of earlywarn.", code="B517", found=f"{len(bundles)} manifests")
        return read_bundle(bundles[0])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find(name: str, alias: str = CHAMPION, *, tracking_uri: str | None = None) -> str | None:
    """Version of a registered model that bears an alias; None where nobody does.

    Parameters
    ----------
    name, alias : str
    tracking_uri : str, optional

    Returns
    -------
    str or None

    Raises
    ------
    BundleError
        B518 when MLflow does not answer.
    """
    mlflow = _mlflow()
    with _tracked(mlflow, tracking_uri):
        try:
            return str(mlflow.MlflowClient().get_model_version_by_alias(name, alias).version)
        except mlflow.exceptions.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or f"alias {alias} not found" in str(error):
                return None
            raise BundleError(
                f"MLflow cannot say which version of {name!r} is {alias!r}.", code="B518",
                found=str(error).splitlines()[0][:200], hint="nothing was changed; try again when the server answers.",
            ) from error  # fmt: skip


def set_alias(name: str, version: str, alias: str = CHAMPION, *, tracking_uri: str | None = None) -> None:
    """Give an alias to a version; whoever had it loses it.

    Parameters
    ----------
    name, version, alias : str
    tracking_uri : str, optional
    """
    mlflow = _mlflow()
    with _tracked(mlflow, tracking_uri):
        mlflow.MlflowClient().set_registered_model_alias(name, alias, version)


# -- the flavour -------------------------------------------------------------------------------------------


class Served:
    """What MLflow calls: features in, probabilities and reasons out.

    Parameters
    ----------
    predictor : Predictor
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Score rows of features.

        Parameters
        ----------
        model_input : DataFrame, shape (n, k)
            The features of the model by name, numbers as float64, categories as text; one that is absent is missing.
        params : mapping, optional
            ``language`` of the reasons ("en" when left out).

        Returns
        -------
        DataFrame
            p_late, p_low, p_high, reasons (sentences, the first one weighs most).
        """
        language = str((params or {}).get("language", "en"))
        locale_of(language)
        names = [column.name for column in self.predictor.model.columns_]
        return self.predictor.predict(pd.DataFrame(model_input).reindex(columns=names), language)


def _load_pyfunc(data_path: str) -> Served:
    """Called by MLflow with the folder of the bundle; runs no code of it."""
    return Served(read_predictor(read_bundle(data_path)))


def signature_of(predictor: Predictor) -> ModelSignature:
    """Columns in and out: numbers as float64, categories as text; every one may be missing.

    Parameters
    ----------
    predictor : Predictor

    Returns
    -------
    mlflow.models.ModelSignature
    """
    _mlflow()
    models, types = require("mlflow.models", to="log models"), require("mlflow.types", to="log models")
    kind = {True: types.DataType.string, False: types.DataType.double}
    inputs = [types.ColSpec(kind[column.codes is not None], column.name, required=False)
              for column in predictor.model.columns_]  # fmt: skip
    outputs = [
        *(types.ColSpec(types.DataType.double, name) for name in ("p_late", "p_low", "p_high")),
        types.ColSpec(types.DataType.string, "reasons"),
    ]
    language = types.ParamSpec("language", types.DataType.string, "en")
    signature: ModelSignature = models.ModelSignature(
        inputs=types.Schema(inputs), outputs=types.Schema(outputs), params=types.ParamSchema([language])
    )
    return signature


def example_of(predictor: Predictor) -> pd.DataFrame:
    """Two rows of nobody: everything 0 and the first category, and everything missing.

    Parameters
    ----------
    predictor : Predictor

    Returns
    -------
    DataFrame, shape (2, k)
    """
    rows = {
        column.name: [0.0, np.nan] if column.codes is None else np.array([column.codes.labels[0], None], dtype=object)
        for column in predictor.model.columns_
    }
    return pd.DataFrame(rows)


def _experiment(mlflow: ModuleType, name: str) -> str:
    """Id of an experiment, which is made where it is not there; the one that is active stays so."""
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _requirements() -> list[str]:
    """What scoring needs, in the versions it was logged with."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in ("earlywarn", "numpy", "pandas", "scikit-learn", "xgboost"):
        try:
            found.append(f"{package}=={version(package)}")
        except PackageNotFoundError:  # a bare checkout on the path has no version
            found.append(package)
    return found


def _mlflow() -> ModuleType:
    """MLflow, which is told not to report its use to its makers."""
    for switch in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(switch, "true")
    return require("mlflow", to="keep models in MLflow")


@contextmanager
def _tracked(mlflow: ModuleType, uri: str | None) -> Iterator[None]:
    """Use a tracking server, and afterwards the one from before."""
    if uri is None:
        yield
        return
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
