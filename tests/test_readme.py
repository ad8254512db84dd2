"""The README's examples run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_examples_run_from_tables_to_a_plan(
    checkout: Path, in_an_empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("shap")
    blocks = re.findall(r"```python\n(.*?)```", (checkout / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
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
