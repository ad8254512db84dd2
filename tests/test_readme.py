"""The README's examples run as they stand, one after the other."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

from earlywarn.actions.policy import Policy
from earlywarn.actions.words import GATES, STATUSES
from earlywarn.cli.main import VERBS
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.expression import parse
from earlywarn.tables.schema import TABLES

#: The biller that the README makes; the fast tier takes a smaller one.
SHOWN = "customers=400, months=12"


@pytest.fixture
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("biller", ["customers=120, months=10", pytest.param(SHOWN, marks=pytest.mark.slow)])
def test_the_readme_examples_run_from_tables_to_a_plan(
    checkout: Path, in_an_empty_folder: Path, capsys: pytest.CaptureFixture[str], biller: str
) -> None:
    pytest.importorskip("shap")
    blocks = re.findall(r"```python\n(.*?)```", (checkout / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    assert SHOWN in blocks[0]
    blocks[0] = blocks[0].replace(SHOWN, biller)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    plan = names["plan"]
    assert isinstance(plan, pd.DataFrame)
    assert plan["customer_id"].is_unique
    assert (in_an_empty_folder / "model" / "manifest.json").is_file()
    assert capsys.readouterr().out.count(" · ") > 3


def test_the_readme_names_only_files_that_are_there(checkout: Path) -> None:
    text = (checkout / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r"`(tests/[a-z_]+\.py)`", text)
    assert linked
    assert [name for name in linked if not (checkout / name).exists()] == []


def pages(checkout: Path):
    spec = importlib.util.spec_from_file_location("docs_pages", checkout / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_written_from_the_code_name_every_table_feature_and_option(checkout: Path, tmp_path: Path) -> None:
    pages(checkout).write(tmp_path)
    tables, features, cli = (
        (tmp_path / f"{name}.md").read_text(encoding="utf-8") for name in ("tables", "features", "cli")
    )
    for schema in TABLES.values():
        own = tables.split(f"## {schema.name}\n")[1].split("\n## ")[0]
        assert all(f"| `{column}` |" in own for column in schema.columns if column != "known_at")
        assert own.count("| required |") == len(schema.required)
    assert all(f"`{name}`" in features for name in FeatureSet.default().names)
    assert re.findall(r"^## earlywarn (\w+)$", cli, re.MULTILINE) == list(VERBS)
    assert all(option in cli for option in ("--columns", "--capacity", "--customer ID", "--faults FILE"))


def test_every_code_that_a_plan_or_score_may_hold_is_in_the_word_list(checkout: Path) -> None:
    text = (checkout / "docs" / "words.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`([a-z_]+)`", text))
    rules = Policy.default().rules
    routes = {gate.route for gate in rules.gates.values() if gate.route}
    assert {*GATES, *STATUSES.values(), *rules.ladder, *rules.angles, *rules.if_late.values(), *routes} <= listed
    source = "".join(path.read_text("utf-8") for path in (checkout / "src/earlywarn/actions").glob("*.py"))
    codes = re.findall(r'\("([a-z_]+)", [a-z(~]', source) + re.findall(
        r'= "(capacity|no_signal|nothing_helps)"', source
    )
    assert len(set(codes)) >= 8
    assert set(codes) <= listed


def test_the_feature_that_the_page_shows_can_be_read(checkout: Path, tmp_path: Path) -> None:
    text = (checkout / "docs" / "features.md").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(re.search(r"```toml\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    assert FeatureSet.from_toml(tmp_path / "mine.toml").names == ("contact_inbound_count_90d",)
    for shown in re.findall(r"`((?:ahead|median)\(.*?\))`", text):
        parse(shown)
