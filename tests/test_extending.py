"""The page on extending runs as it stands, and the pack it shows is the one the tests install."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from earlywarn.features import own
from earlywarn.testing import laws


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = dict(own.OWN)
    yield
    own.OWN.clear()
    own.OWN.update(before)


def blocks(checkout: Path, language: str) -> list[str]:
    page = (checkout / "docs" / "extending.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_every_block_of_the_page_runs(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laws, "ATTEMPTS", 5)  # how small the ledger gets is not looked at here
    names: dict[str, object] = {"__name__": "extending"}
    for block in blocks(checkout, "python"):
        exec(compile(block, "docs/extending.md", "exec"), names)
    said = capsys.readouterr().out
    assert "FeatureLawError[F249]: asked:" in said
    assert "usage:" in said
    corrected = names["pages"].compute(names["with_visits"], names["moments"])["pages_sum_30d"]  # type: ignore[attr-defined]
    assert corrected.tolist() == [5.0, 7.0]
    assert sorted(names["saved"]["aggregates"]) == ["faded", "mean_of_largest"]  # type: ignore[index]


def test_the_pack_on_the_page_has_the_form_of_the_example_pack(checkout: Path) -> None:
    (shown,) = blocks(checkout, "toml")
    example = (checkout / "tests" / "example_pack" / "pyproject.toml").read_text(encoding="utf-8")
    points = [tomllib.loads(text)["project"]["entry-points"] for text in (shown, example)]
    assert [list(each) for each in points] == [["earlywarn.features"]] * 2
