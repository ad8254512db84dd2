"""``earlywarn features``: the list in three forms, and one feature explained as a person asks it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.cli import features, main
from earlywarn.features.catalogue import FeatureSet

SHIPPED = FeatureSet.default()
SMALL = {"customers": 20, "months": 6, "seed": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of a biller as CSV files."""
    data = tmp_path_factory.mktemp("data")
    for name, frame in ew.simulate.make_biller(**SMALL).items():
        frame.to_csv(data / f"{name}.csv", index=False)
    return data


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["features", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_the_list_names_every_feature_by_family_with_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--language", "nl")
    starts = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert [name for name in starts if name in SHIPPED] == sorted(
        SHIPPED.names, key=lambda name: list(dict.fromkeys(one.family for one in SHIPPED)).index(SHIPPED[name].family)
    )
    assert "Verbruik (usage)" in text
    assert "    het verbruik van de laatste 30 dagen ligt op … keer het gebruikelijke niveau" in text
    assert text.rstrip().endswith(f"{len(SHIPPED)} van {len(SHIPPED)} kenmerken")


def test_family_and_search_narrow_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "--family", "usage", "--search", "BUNDLE cost", "--format", "json"))
    assert {row["family"] for row in found} == {"usage"}
    assert "usage_outside_bundle_cost_30d" in [row["name"] for row in found]
    assert all("bundle" in json.dumps(row).lower() for row in found)
    assert "0 of" in printed(capsys, "--search", "nothing is called like this")


def test_markdown_is_the_page_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--family", "timing", "--format", "markdown")
    assert text.startswith("# ")
    assert text.count("\n## ") == sum(one.family == "timing" for one in SHIPPED)


def test_features_of_a_file_are_listed_and_explained(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[fees_count_365d]\nvalue = "count(invoices, where=kind == \'fee\', days=365)"\ntext.en = "{value} fees"\n'
    )
    assert "1 of 1 feature" in printed(capsys, "--features", mine)
    assert "fees_count_365d = " in printed(capsys, "explain", "fees_count_365d", folder, "--features", mine)
    assert "fees_count_365d = " in printed(capsys, "--features", mine, "explain", "fees_count_365d", folder)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["mean of usage.quantity in the last 30 days before as_of", "generated biller", "times what is usual"]),
        ("nl", ["mediaan van usage.quantity in de 180 dagen vóór het peilmoment, zonder de laatste 30", "gebruikt"]),
        ("fr", ["moyenne de usage.quantity au cours des 30 derniers jours avant la date d'observation", "utilisés"]),
    ],
)
def test_without_a_folder_a_feature_is_explained_on_a_generated_biller(
    language: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(features, "CUSTOMERS", 20)
    text = printed(capsys, "explain", "usage_spike_30d", "--language", language)
    assert all(word in text for word in words)
    assert "\nusage_spike_30d = " in text
    assert list(tmp_path.iterdir()) == []


def test_the_value_printed_is_that_of_the_matrix_for_the_customer_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(**SMALL))
    standing = ew.Outcome().standing(ledger, "2024-12-20").drop_duplicates("customer_id", ignore_index=True)
    counts = SHIPPED.select("invoice_count_90d").compute(ledger, standing)["invoice_count_90d"]
    for customer, count in list(zip(standing["customer_id"], counts, strict=True))[:2]:
        words = ["explain", "invoice_count_90d", folder, "--customer", customer, "--as-of", "2024-12-20"]
        text = printed(capsys, *words)
        assert f"customer {customer} at 2024-12-20" in text
        assert text.count(f"\ninvoice_count_90d = {count:.0f}\n") == 1


def test_many_facts_are_cut_in_the_middle_and_written_whole_to_a_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", "usage_spike_30d", folder, "--customer", "K00003", "--rows", "2"]
    text = printed(capsys, *words, "--facts", tmp_path / "facts.csv")
    assert "more\n" in text
    facts = pd.read_csv(tmp_path / "facts.csv")
    assert (facts["fate"] == "used").sum() > 4
    assert set(facts["aggregate"]) == {
        "mean(usage.quantity, days=30)",
        "median(usage.quantity, days=180, until=30)",
        "median(usage.days_covered, days=400)",
    }


def test_the_same_facts_are_listed_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = 'value = "max(payments.amount, days=90) / mean(payments.amount, days=90)"'
    (folder / "ratio.toml").write_text(f"[paid_ratio_90d]\n{own}\n")
    text = printed(
        capsys, "explain", "paid_ratio_90d", folder, "--features", folder / "ratio.toml", "--customer", "K00003"
    )
    assert text.count("the same facts as above") == 1
    assert text.count("payment_id") == 1


def test_the_picture_is_written_where_it_was_asked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    picture = tmp_path / "new" / "spike.png"
    text = printed(capsys, "explain", "usage_spike_30d", folder, "--customer", "K00003", "--plot", picture)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert f"written: {picture}" in text


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["explain", "usage_spyke_30d"], "F207", "usage_spike_30d"),
        (["explain", "usage_spike_30d", "FOLDER", "--customer", "nobody"], "D162", "Hint"),
        (["explain", "usage_spike_30d", "FOLDER", "--as-of", "1999-01-01"], "D168", "choose a day after"),
        (["explain", "usage_spike_30d", "nowhere"], "D110", "invoices.csv"),
        (
            ["explain", "invoice_amount_now", "FOLDER", "--customer", "K00003", "--obligation", "x"],
            "D167",
            "for example",
        ),
        (["explain", "invoice_amount_now", "FOLDER", "--customer", "K00003"], "D167", "for example"),
        (["--family", "usag"], "F227", "usage"),
        (["--language", "de"], "F262", "nl"),
        (["--features", "nowhere.toml"], "F208", "Hint"),
    ],
)
def test_what_cannot_be_done_is_met_with_what_to_do(
    words: list[str], code: str, hint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", *[str(folder) if word == "FOLDER" else word for word in words]]) == 2
    told = capsys.readouterr().err
    assert f"[{code}]" in told
    assert hint in told


def test_no_customer_is_named_in_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    assert main(["features", "explain", "usage_spike_30d", str(folder), "--customer", "K00003"]) == 0
    assert "K00003" not in caplog.text
