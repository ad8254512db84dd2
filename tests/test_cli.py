"""The command line: every verb on a folder of tables, and help that teaches."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.cli import main
from earlywarn.cli.main import parser

VERBS = ("demo", "check", "train", "score", "recommend", "explain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables as CSV and Parquet, and a bundle trained on them."""
    data = tmp_path_factory.mktemp("data")
    for name, frame in ew.datasets.make_biller(customers=150, months=10, seed=2, dirty=True).items():
        if name == "usage":
            frame.to_parquet(data / f"{name}.parquet")
        else:
            frame.to_csv(data / f"{name}.csv", index=False)
    assert main(["train", str(data), "--out", str(data / "model")]) == 0
    return data


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_says_what_it_does(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        parser().parse_args([verb, "--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) > 8
    assert "usage: earlywarn" in text


def test_check_lists_faults_and_exits_with_1(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "--faults", str(tmp_path / "faults.csv")]) == 1
    assert "D131" in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "faults.csv")["code"]) == {"D104", "D131", "D132", "D139", "D151"}


def test_strict_check_stops_with_one_message(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "--strict"]) == 2
    assert "DataError[D105]" in capsys.readouterr().err


def test_score_writes_one_row_an_obligation(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    assert main(["score", str(folder), "--model", str(folder / "model"), "--out", str(out)]) == 0
    assert pd.read_parquet(out)["obligation_id"].is_unique


def test_recommend_keeps_to_capacity(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.csv"
    words = ["--capacity", "calls=1", "notices=2", "--language", "nl", "--out", str(out)]
    assert main(["recommend", str(folder), "--model", str(folder / "model"), *words]) == 0
    plan = pd.read_csv(out)
    assert plan["customer_id"].is_unique
    assert (plan["action"] == "pre_due_reminder").sum() <= 2
    assert "debtors" in capsys.readouterr().out


def test_explain_says_why_in_the_language_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ew.Ledger.from_tables(**ew.datasets.make_biller(customers=150, months=10, seed=2))
    scores = ew.Scorer.load(folder / "model").score(ledger)
    customer = scores.loc[scores["status"] == "scored", "customer_id"].iloc[0]
    words = ["--customer", customer, "--language", "fr"]
    assert main(["explain", str(folder), "--model", str(folder / "model"), *words]) == 0
    assert customer in capsys.readouterr().out


def test_an_unknown_customer_is_met_with_a_suggestion(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(folder), "--model", str(folder / "model"), "--customer", "nobody"]) == 2
    assert "Hint" in capsys.readouterr().err


def test_an_empty_folder_is_met_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    assert "invoices.csv" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_plans_both_a_reminder_and_a_call_and_writes_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    assert main(["demo", "--out", str(tmp_path / "demo"), "--language", "nl"]) == 0
    text = capsys.readouterr().out
    assert "pre_due_reminder" in text
    assert "service_call" in text
    written = {path.name for path in (tmp_path / "demo").iterdir()}
    assert written == {"scores.csv", "plan.csv", "faults.csv", "reasons.png", "worklist.png", "bundle"}
