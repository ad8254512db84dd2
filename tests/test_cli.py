"""The command line: every verb on a folder of tables, and help that teaches."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.cli import main
from earlywarn.cli.console import table
from earlywarn.cli.demo_biller import three_of
from earlywarn.cli.main import VERBS, parser
from earlywarn.cli.recommend import show_plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables as CSV and Parquet, and a bundle trained on them."""
    data = tmp_path_factory.mktemp("data")
    for name, frame in ew.simulate.make_biller(customers=80, months=10, seed=2, dirty=True).items():
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
    ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=80, months=10, seed=2))
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


def test_no_such_folder_and_a_folder_without_tables_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "dta")]) == 2
    assert f"there is no folder {str(tmp_path / 'dta')!r}" in capsys.readouterr().err
    (tmp_path / "invoice.csv").write_text("invoice_id\n")
    assert main(["check", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"the folder {str(tmp_path)!r} holds no table" in told
    assert "invoice.csv" in told


INVOICES = "invoice_id,customer_id,issued_on,due_on,amount\nA,c1,2026-03-01,2026-03-15,50.00\n"
PAYMENTS = "payment_id,customer_id,paid_on,amount\np,c1,2026-03-20,50.00\n"


def test_a_file_that_is_no_table_is_named_with_a_suggestion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"invoices": INVOICES, "payments": PAYMENTS, "costumers": "customer_id\nc1\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    assert main(["check", str(tmp_path)]) == 0
    assert "note: costumers.csv is no table of the schema and is not read; did you mean 'customers'?" in (
        capsys.readouterr().out
    )


def test_semicolons_are_told_before_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "invoices.csv").write_text(INVOICES.replace(",", ";"))
    (tmp_path / "payments.csv").write_text(PAYMENTS)
    assert main(["check", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "D114" in told
    assert "sep=';'" in told


def test_columns_are_renamed_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "invoices.csv").write_text(INVOICES.replace("due_on", "Fälligkeit"))
    (tmp_path / "payments.csv").write_text(PAYMENTS)
    names = tmp_path / "names.toml"
    names.write_text('[invoices]\n"Fälligkeit" = "due_on"\n')
    assert main(["check", str(tmp_path)]) == 2
    assert "due_on" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--columns", str(names)]) == 0
    for wrong in ("[invoices", 'invoices = "due_on"', "[invoices]\namount = 3\n"):
        names.write_text(wrong)
        assert main(["check", str(tmp_path), "--columns", str(names)]) == 2
        assert "D115" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["score", "nowhere", "--model", "m", "--out", "scores.xlsx"],
        ["recommend", "nowhere", "--model", "m", "--out", "plan"],
        ["check", "nowhere", "--faults", "faults.txt"],
        ["explain", "nowhere", "--model", "m", "--customer", "c", "--plot", "reasons.csv"],
        ["explain", "nowhere", "--model", "m", "--customer", "c", "--language", "klingon"],
        ["demo", "--language", "??"],
        ["demo", "--customers", "5"],
        ["train", "nowhere", "--out", "model", "--lead", "seven"],
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 2
    assert "error: argument --" in capsys.readouterr().err


def test_a_language_without_texts_is_refused_before_the_tables_are_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", "nowhere", "--model", str(folder / "model"), "--language", "de"]) == 2
    assert "F262" in capsys.readouterr().err
    assert main(["demo", "--language", "de"]) == 2
    assert "F262" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["score"], ["recommend"], ["explain", "--customer", "K00001"]])
def test_what_was_assumed_is_printed(folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([words[0], str(folder), "--model", str(folder / "model"), *words[1:]]) == 0
    assert "note: the table arrears was not handed over" in capsys.readouterr().out


def test_check_shows_row_and_value_of_each_kind_of_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", str(folder)])
    lines = [line for line in capsys.readouterr().out.splitlines() if " D131 " in line]
    faults = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=80, months=10, seed=2, dirty=True)).faults
    row = faults.loc[faults["code"] == "D131", "row"].iloc[0]
    assert len(lines) == 1
    assert lines[0].split()[:5] == ["invoices", "D131", "1", str(row), "twelve"]


def test_reasons_begin_with_where_they_start_and_add_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=80, months=10, seed=2, dirty=True))
    scorer = ew.Scorer.load(folder / "model")
    scores = scorer.score(ledger)
    one = scores[scores["status"] == "scored"].drop_duplicates("customer_id", keep=False).iloc[0]
    assert main(["explain", str(folder), "--model", str(folder / "model"), "--customer", one["customer_id"]]) == 0
    text = capsys.readouterr().out.split(one["obligation_id"])[1]
    assert "log-odds; + raises, − lowers the risk; starts at" in text
    told = [line.split()[0].replace("−", "-") for line in text.splitlines() if line.strip()[:1] in ("+", "−")]
    start = float(text.split("starts at ")[1].split()[0].replace("−", "-"))
    log_odds = start + sum(map(float, told))
    assert 1 / (1 + 2.718281828459045**-log_odds) == pytest.approx(one["p_late"], abs=0.02)


def test_a_table_shows_two_decimals_and_a_dash_for_nothing() -> None:
    frame = pd.DataFrame(
        {"who": ["a", None], "amount": [1234.5, float("nan")], "on": pd.to_datetime(["2026-03-01"] * 2)}
    )
    assert table(frame, {"amount": 2}).splitlines() == [
        "who    amount  on",
        "a    1,234.50  2026-03-01",
        "–           –  2026-03-01",
    ]


def plan_of(*rows: tuple[str, str, str, str, float]) -> pd.DataFrame:
    """Rows of customer, action, channel, angle and risk."""
    plan = pd.DataFrame(rows, columns=["customer_id", "action", "channel", "angle", "p_late"])
    return plan.assign(
        subjects=[(f"o:{who}",) for who in plan["customer_id"]], exclusion=None, reasons=[()] * len(plan)
    )


def test_the_three_explained_are_a_call_a_message_and_somebody_unlike_both() -> None:
    plan = plan_of(
        ("quiet", "nothing", None, None, 0.99),
        ("call 2", "service_call", "phone", "help_offer", 0.5),
        ("call 1", "service_call", "phone", "help_offer", 0.6),
        ("message 1", "pre_due_reminder", "sms", "due_soon", 0.9),
        ("message 2", "pre_due_reminder", "app", "due_soon", 0.8),
        ("usage", "pre_due_reminder", "app", "usage_high", 0.2),
    )
    plan.loc[0, "exclusion"] = "no_signal"
    scores = pd.DataFrame({"obligation_id": [f"o:{who}" for who in plan["customer_id"]], "status": "scored"})
    assert three_of(plan, scores)["obligation_id"].tolist() == ["o:call 1", "o:message 1", "o:usage"]
    plan.attrs["evidence"] = {"message 2": ("never_late", "timing")}
    assert three_of(plan, scores)["obligation_id"].tolist() == ["o:call 1", "o:message 1", "o:message 2"]


def test_a_plan_says_history_and_signal_where_it_knows_them(capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_of(("c1", "service_call", "phone", "help_offer", 0.6))
    show_plan(plan, "en")
    assert " × " not in capsys.readouterr().out
    show_plan(plan.assign(history="never_late", signal="means"), "en")
    text = capsys.readouterr().out
    assert "c1: service call by phone: offer help · late risk 60%" in text
    assert "never late × means" in text


@pytest.mark.slow
def test_the_demo_plans_both_a_message_and_a_call_and_goes_on_with_its_own_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv" / "bin" / "earlywarn")])
    monkeypatch.setenv("PATH", "")
    assert main(["demo", "--out", "demo", "--language", "nl"]) == 0
    text = capsys.readouterr().out
    assert "bericht vóór de vervaldag" in text
    assert "servicegesprek" in text
    written = {path.name for path in (tmp_path / "demo").iterdir()}
    assert written == {"tables", "scores.csv", "plan.csv", "faults.csv", "reasons.png", "worklist.png", "bundle"}
    commands = [line.split()[1:] for line in text.splitlines() if line.startswith(".venv/bin/earlywarn ")]
    assert [words[0] for words in commands] == ["check", "train", "recommend", "explain"]
    assert [main(words) for words in commands if words[0] != "train"] == [1, 0, 0]
    pd.testing.assert_frame_equal(pd.read_csv("my-plan.csv"), pd.read_csv(tmp_path / "demo" / "plan.csv"))


def test_ingest_writes_a_store_adds_to_it_and_lists_faults(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    options = ["--buckets", "2", "--late-after-days", "0", "--faults", str(tmp_path / "faults.csv")]
    assert main(["ingest", str(folder), str(store), *options]) == 0
    assert ew.LedgerStore(store).bucket(1).late_after_days == 0
    said = capsys.readouterr().out
    assert "80 customers in 2 buckets" in said
    assert "D131" in said
    assert set(pd.read_csv(tmp_path / "faults.csv")["code"]) == {"D104", "D131", "D132", "D139", "D151"}
    assert main(["check", str(store)]) == 2
    assert "is a store" in capsys.readouterr().err
    assert main(["features", "explain", "late_share_365d", str(store), "--customer", "K00007"]) == 0
    assert "K00007" in capsys.readouterr().out
    news = tmp_path / "news" / "usage"
    news.mkdir(parents=True)
    later = {"customer_id": ["K00001"], "used_on": ["2024-09-01"], "quantity": [1.0], "usage_id": ["new"]}
    pd.DataFrame(later).to_parquet(news / "2024-09.parquet")
    rows = ew.LedgerStore(store).manifest.rows["usage"]
    assert main(["ingest", str(news.parent), str(store), "--add"]) == 0
    assert ew.LedgerStore(store).manifest.rows["usage"] == rows + 1
    assert main(["ingest", str(news.parent), str(store), "--add", "--currency", "EUR"]) == 2
    assert "D175" in capsys.readouterr().err
    assert main(["ingest", str(news.parent), str(store), "--add", "--late-after-days", "7"]) == 2
    assert "--late-after-days was settled" in capsys.readouterr().err


def test_backtest_prints_the_measures_and_writes_a_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    page, rows = tmp_path / "new" / "backtest.html", tmp_path / "rows.parquet"
    words = ["backtest", str(folder), "--folds", "2", "--scorecard", "--capacity", "0.2"]
    assert main([*words, "--out", str(page), "--predictions", str(rows)]) == 0
    out = capsys.readouterr().out
    assert "past late share" in out
    assert "drawn by lot would have claimed" in out
    assert "capacity 20%" in page.read_text(encoding="utf-8") or "<svg" in page.read_text(encoding="utf-8")
    assert {"earlywarn", "late", "as_of", "segment"} <= set(pd.read_parquet(rows).columns)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--capacity", "20"], "must be a share"),
        (["--out", "page.pdf"], "must end on .html"),
        (["--folds", "0"], "1 or more"),
    ],
)
def test_backtest_refuses_what_makes_no_sense(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["backtest", "nowhere", *words])
    assert said in capsys.readouterr().err


def test_train_makes_a_scorecard_of_running_periods_too(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "card"
    assert main(["train", str(folder), "--out", str(model), "--scorecard", "--cycles", "--tune", "1"]) == 0
    assert "a scorecard of" in capsys.readouterr().out
    scorer = ew.Scorer.load(model)
    assert isinstance(scorer.model, ew.Scorecard)
    assert scorer.outcome.sees_cycles
