"""The training benchmark, small: it runs, and training costs a few bare fits."""

from __future__ import annotations

from pathlib import Path

import pytest

import training


@pytest.mark.slow
def test_training_costs_a_few_bare_fits(tmp_path: Path) -> None:
    found = training.measure(12_000, tmp_path)
    assert found["columns"] > 100
    assert found["trees"] > 1
    assert 0 < found["ratio"] < 6  # the bar of 3 is held on half a million rows, on an idle machine
    assert found["peak_gb"] < 2
    about = {"machine": {"processor": "", "cores": 2, "system": ""}, "versions": {}}
    assert f"| {found['rows']:,} |" in training.page([found], about)
