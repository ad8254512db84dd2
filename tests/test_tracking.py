"""Scorers in MLflow: data and no pickle, a signature, an alias, a champion that is only replaced beyond noise."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import earlywarn as ew
from earlywarn import tracking
from earlywarn.bundle import read_bundle
from earlywarn.errors import BundleError, DataError, EarlywarnError, NotEnoughHistoryError
from earlywarn.risk.stored import read_predictor

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of mlflow and what it loads

NAME = "late-payment"
OUTCOME = ew.Outcome(lead_days=7)
FEATURES = ew.FeatureSet.default().select(
    "late_share_365d", "days_beyond_terms_last1", "invoice_amount_now", "invoice_kind_now"
)


@pytest.fixture(scope="module")
def books() -> ew.Ledger:
    return ew.Ledger.from_tables(**ew.simulate.make_biller(customers=300, months=14, seed=6))


@pytest.fixture(scope="module")
def cut(books: ew.Ledger) -> pd.Timestamp:
    return books.until - pd.Timedelta(days=120)


@pytest.fixture(scope="module")
def scorer(books: ew.Ledger, cut: pd.Timestamp) -> ew.Scorer:
    return ew.train(FEATURES, OUTCOME, books.known_before(cut), model=ew.RiskModel(n_estimators=40), days=False)


@pytest.fixture(scope="module")
def poor(books: ew.Ledger, cut: pd.Timestamp) -> ew.Scorer:
    """Knows amounts only."""
    return ew.train(
        FEATURES.select("invoice_amount_now"),
        OUTCOME,
        books.known_before(cut),
        model=ew.RiskModel(n_estimators=5),
        days=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store of MLflow in a folder of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    before, uri = Path.cwd(), f"sqlite:///{folder / 'mlflow.db'}"
    os.chdir(folder)
    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("earlywarn", artifact_location=(folder / "kept").as_uri())
    yield uri
    os.chdir(before)


@pytest.fixture(scope="module")
def backtest(books: ew.Ledger) -> Any:
    return ew.backtest(FEATURES, OUTCOME, books, folds=2, model=ew.RiskModel(n_estimators=20))


@pytest.fixture(scope="module")
def logged(scorer: ew.Scorer, backtest: Any, books: ew.Ledger, server: str) -> tracking.Logged:
    return ew.log_scorer(scorer, backtest=backtest, data=books, name=NAME, tracking_uri=server)


@pytest.fixture(scope="module")
def kept(logged: tracking.Logged, server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that MLflow keeps of the model."""
    folder = tmp_path_factory.mktemp("kept")
    mlflow.set_tracking_uri(server)
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=logged.model_uri, dst_path=str(folder)))


def test_figures_pictures_and_what_it_was_made_of_are_kept(
    logged: tracking.Logged, scorer: ew.Scorer, backtest: Any, books: ew.Ledger, server: str
) -> None:
    run = mlflow.MlflowClient(server).get_run(logged.run_id)
    pooled = backtest.overall().set_index("scorer")
    assert run.data.metrics["auc"] == pytest.approx(pooled.loc["earlywarn", "auc"])
    assert run.data.metrics["last_invoice_late_auc"] == pytest.approx(pooled.loc["last invoice late", "auc"])
    fold = backtest.table[(backtest.table["fold"] == "2") & (backtest.table["scorer"] == "earlywarn")].iloc[0]
    assert run.data.metrics["fold_2_log_loss"] == pytest.approx(fold["log_loss"])
    assert run.data.metrics["random_split_auc"] == pytest.approx(backtest.random_split.measures["auc"])
    assert run.data.params["model"] == "RiskModel"
    assert run.data.params["learning_rate"] == "0.03"
    assert run.data.tags["catalogue"] == scorer.features.fingerprint
    assert run.data.tags["data"] == books.fingerprint
    assert run.data.tags["model_version"] == scorer.model_version
    files = {item.path for item in mlflow.MlflowClient(server).list_artifacts(logged.run_id)}
    assert {"backtest.html", "backtest.csv", "reliability.png", "gain.png", "lift.png"} <= files


def test_there_is_no_pickle_in_what_is_kept(kept: Path, scorer: ew.Scorer, tmp_path: Path) -> None:
    names = [path.name for path in kept.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib", ".skops"))]
    (bundle,) = (path.parent for path in kept.rglob("manifest.json"))
    assert read_bundle(bundle) == read_bundle(scorer.save(tmp_path / "same"))
    described = (kept / "MLmodel").read_text()
    assert "loader_module: earlywarn.tracking" in described
    assert "cloudpickle" not in described
    for path in kept.rglob("*"):
        if path.is_file():
            assert not path.read_bytes().startswith(b"\x80\x04"), path.name


def test_the_signature_exists_numbers_are_float64_and_the_example_is_nobodys(kept: Path, books: ew.Ledger) -> None:
    model = mlflow.models.Model.load(str(kept / "MLmodel"))
    assert model.signature is not None
    types = {column.name: str(column.type) for column in model.signature.inputs}
    assert set(types) == set(FEATURES.names)
    assert set(types.values()) <= {"DataType.double", "DataType.string"}
    assert [column.name for column in model.signature.outputs] == ["p_late", "p_low", "p_high", "reasons"]
    example = (kept / "input_example.json").read_text()
    assert not [customer for customer in books.customers if customer in example]
    values = [value for row in json.loads(example)["data"] for value in row]
    assert {value for value in values if isinstance(value, float | int) and value == value} <= {0.0}


def test_it_predicts_what_the_scorer_predicts(
    logged: tracking.Logged, scorer: ew.Scorer, books: ew.Ledger, server: str
) -> None:
    mlflow.set_tracking_uri(server)
    served = mlflow.pyfunc.load_model(logged.model_uri)
    X = _as_told(scorer.features.compute(books, OUTCOME.observations(books).head(20)))
    found = served.predict(X, params={"language": "nl"})
    np.testing.assert_array_equal(found[["p_late", "p_low", "p_high"]], scorer.model.bounded(X))
    first = scorer.model.reason_codes(X, top=1, language="nl").set_index("observation")["text"]
    assert all(found.loc[row, "reasons"].startswith(text) for row, text in first.items())
    example = tracking.example_of(read_predictor(read_bundle(_bundle(scorer))))
    assert np.isfinite(served.predict(example)["p_late"]).all()
    np.testing.assert_array_equal(  # a column that is not sent is missing
        served.predict(X.drop(columns="late_share_365d"))["p_late"],
        served.predict(X.assign(late_share_365d=np.nan))["p_late"],
    )


def _as_told(X: pd.DataFrame) -> pd.DataFrame:
    """Numbers as float64, categories as text: what the signature asks for."""
    told = {
        name: X[name].astype(object).where(X[name].notna(), None)
        if isinstance(X[name].dtype, pd.CategoricalDtype)
        else X[name].astype("float64")
        for name in X
    }
    return pd.DataFrame(told)


def _bundle(scorer: ew.Scorer) -> Path:
    import tempfile

    return scorer.save(Path(tempfile.mkdtemp()) / "bundle")


def test_a_champion_is_found_by_alias_and_scores_the_same(
    logged: tracking.Logged, scorer: ew.Scorer, books: ew.Ledger, server: str, cut: pd.Timestamp
) -> None:
    assert tracking.find(NAME, "nobody", tracking_uri=server) is None
    assert ew.promote(logged, books, cut, alias="first", tracking_uri=server) is None
    assert tracking.find(NAME, "first", tracking_uri=server) == logged.version
    again = ew.Scorer.load(f"models:/{NAME}@first", tracking_uri=server)
    assert again.model_version == scorer.model_version
    pd.testing.assert_frame_equal(again.score(books), scorer.score(books))


def test_only_who_is_better_beyond_noise_is_promoted(
    logged: tracking.Logged, scorer: ew.Scorer, poor: ew.Scorer, books: ew.Ledger, server: str, cut: pd.Timestamp
) -> None:
    worse = ew.log_scorer(poor, name=NAME, tracking_uri=server)
    assert ew.promote(worse, books, cut, tracking_uri=server) is None
    better = ew.promote(logged, books, cut, repeats=200, tracking_uri=server)
    assert better is not None
    assert better.is_better
    assert tracking.find(NAME, tracking_uri=server) == logged.version
    assert ew.promote(logged, books, cut, tracking_uri=server) is None  # it is one already
    back = ew.promote(worse, books, cut, repeats=200, tracking_uri=server)
    assert back is not None
    assert not back.is_better
    assert back.log_loss.value == pytest.approx(-better.log_loss.value)
    same = ew.log_scorer(scorer, name=NAME, tracking_uri=server)
    tie = ew.promote(same, books, cut, repeats=50, tracking_uri=server)
    assert tie is not None
    assert tie.log_loss.value == 0
    assert tracking.find(NAME, tracking_uri=server) == logged.version


def test_two_scorers_are_held_against_the_same_outcomes(
    scorer: ew.Scorer, poor: ew.Scorer, books: ew.Ledger, cut: pd.Timestamp
) -> None:
    found = ew.compare(scorer, poor, books, cut, repeats=50)
    obs = OUTCOME.observations(books, cut)
    late = OUTCOME.label(books, obs)
    known = (late.notna() & ~OUTCOME.treated(books, obs)).to_numpy()
    losses = []
    for one in (poor, scorer):
        p = one.model.predict_proba(one.features.compute(books, obs[known]))[:, 1]
        y = late[known].to_numpy(dtype=float)
        losses.append(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    assert found.rows == known.sum()
    assert found.log_loss.value == pytest.approx(losses[0] - losses[1])
    with pytest.raises(NotEnoughHistoryError, match="H403"):
        ew.compare(scorer, poor, books, books.until - pd.Timedelta("2D"))


def test_what_is_not_there_or_none_of_ours_is_refused(scorer: ew.Scorer, books: ew.Ledger, server: str) -> None:
    with pytest.raises(BundleError, match="B517"):
        ew.Scorer.load("models:/nobody@champion", tracking_uri=server)
    with pytest.raises(EarlywarnError, match="E033"):
        ew.promote(tracking.Logged("run", "uri"), books, tracking_uri=server)


def test_another_tracking_server_is_left_as_it_was(scorer: ew.Scorer, server: str, tmp_path: Path) -> None:
    before = mlflow.get_tracking_uri()
    mine = mlflow.set_experiment("mine").experiment_id
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert tracking.find(NAME, tracking_uri=other) is None
    ew.log_scorer(scorer, tracking_uri=other)
    assert mlflow.get_tracking_uri() == before
    with mlflow.start_run() as run:
        assert run.info.experiment_id == mine
        inside = ew.log_scorer(scorer)
    kept = mlflow.MlflowClient().get_run(inside.run_id)
    assert kept.data.tags["mlflow.parentRunId"] == run.info.run_id


def test_a_server_that_does_not_answer_is_no_missing_champion(
    logged: tracking.Logged, books: ew.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(BundleError, match="B518"):
        ew.promote(logged, books, tracking_uri="http://127.0.0.1:9")


def test_who_has_learned_from_the_months_is_not_compared_on_them(
    scorer: ew.Scorer, books: ew.Ledger, cut: pd.Timestamp
) -> None:
    newer = ew.train(FEATURES, OUTCOME, books.known_before(cut + pd.Timedelta("60D")), model=scorer.model, days=False)
    with pytest.raises(DataError, match="D198"):
        ew.compare(newer, scorer, books, cut, repeats=10)
    found = ew.compare(newer, scorer, books, repeats=10)
    obs = OUTCOME.observations(books, cut + pd.Timedelta("60D"))
    assert found.rows <= OUTCOME.label(books, obs).notna().sum()


def test_the_same_data_have_the_same_fingerprint_and_other_data_another(tmp_path: Path) -> None:
    tables = ew.simulate.make_biller(customers=20, months=6, seed=6)
    one, same = (ew.Ledger.from_tables(**tables) for _ in range(2))
    shuffled = ew.Ledger.from_tables(**tables | {"payments": tables["payments"].sample(frac=1, random_state=0)})
    cents = tables["payments"].assign(amount=tables["payments"]["amount"] + 0.01)
    other = ew.Ledger.from_tables(**tables | {"payments": cents})
    assert one.fingerprint == same.fingerprint == shuffled.fingerprint != other.fingerprint
    store = ew.LedgerStore.write(tmp_path / "store", **tables, buckets=2)
    assert store.fingerprint == ew.LedgerStore.open(tmp_path / "store").fingerprint


@pytest.mark.slow
def test_mlflow_serves_a_bundle_over_http(
    logged: tracking.Logged, kept: Path, scorer: ew.Scorer, books: ew.Ledger
) -> None:
    program = Path(sys.executable).with_name("mlflow")
    if not program.exists() and not shutil.which("mlflow"):
        pytest.skip("the command mlflow is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "models", "serve", "-m", str(kept), "--env-manager", "local", "--port", str(port)]
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, start_new_session=True
    )
    try:
        _until_it_answers(f"http://127.0.0.1:{port}/ping", process)
        X = _as_told(scorer.features.compute(books, OUTCOME.observations(books).head(5))).reset_index(drop=True)
        body = {
            "dataframe_split": json.loads(X.to_json(orient="split", double_precision=15)),
            "params": {"language": "nl"},
        }
        del body["dataframe_split"]["index"]
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            found = pd.DataFrame(json.load(answer)["predictions"])
        np.testing.assert_allclose(found["p_late"], scorer.model.predict_proba(X)[:, 1], rtol=1e-6)
        assert found["reasons"].str.len().gt(0).any()
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=30)


def _until_it_answers(url: str, process: subprocess.Popen[bytes], seconds: float = 90.0) -> None:
    end, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < end:
        assert process.poll() is None, process.stdout.read().decode() if process.stdout else "ended"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pause.wait(0.2)
    pytest.fail(f"no answer within {seconds:g} seconds")
