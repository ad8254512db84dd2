"""The benchmark of windows: every way of every peer gives our numbers, and the page says what was measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sections
import windows
import windows_report
from windows_catalogue import CATALOGUES, TOLERANCE, difference
from windows_data import DAYS, FIRST_DAY, make, observations, reference_path
from windows_ours import compute as ours
from windows_ours import load, to_numpy, write_references

#: (peer, catalogue, way): all that is measured. Named here because a peer may not be installed.
WAYS = {
    "duckdb": {
        "sixteen": ["range join", "bands", "every day", "window frames over the union", "as-of joins on running sums"],
        "catalogue": ["range join", "bands"],
    },
    "polars": {
        "sixteen": ["streaming join", "bands", "every day", "rolling with group_by", "rolling by"],
        "catalogue": ["streaming join", "bands"],
    },
    "pandas": {
        "sixteen": ["merge and groupby", "numpy searchsorted", "groupby rolling"],
        "catalogue": ["merge and groupby"],
    },
}
CASES = [(peer, name, way) for peer, sets in WAYS.items() for name, ways in sets.items() for way in ways]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven customers with daily usage, and what the plain engine makes of them."""
    made = make(tmp_path_factory.mktemp("windows"), 7)
    apart = write_references(made)
    assert max(apart.values()) <= TOLERANCE  # compiled against plain
    return made


def reference(folder: Path, name: str, moments: str) -> np.ndarray:
    return np.load(reference_path(folder, name, moments))["values"]


@pytest.mark.parametrize(("peer", "name", "way"), CASES)
def test_every_way_of_every_peer_gives_our_numbers(folder: Path, peer: str, name: str, way: str) -> None:
    pytest.importorskip(peer)
    tool = importlib.import_module(f"windows_{peer}")
    for moments, codes in (("many", True), ("one", peer == "pandas")):  # integer codes, and text ids where they can be
        tables = tool.load(folder, moments, codes=codes, sort=codes)
        values = tool.to_numpy(tool.compute(tables, CATALOGUES[name], way))
        assert difference(reference(folder, name, moments), values) <= TOLERANCE


@pytest.mark.parametrize(("peer", "way"), [("duckdb", "bands"), ("polars", "bands"), ("pandas", "merge and groupby")])
def test_cutting_the_work_into_parts_changes_no_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch, peer: str, way: str
) -> None:
    pytest.importorskip(peer)
    tool = importlib.import_module(f"windows_{peer}")
    monkeypatch.setattr(tool, "PAIRS_AT_ONCE", 15_000)
    for codes in {True, peer == "pandas"}:
        values = tool.to_numpy(tool.compute(tool.load(folder, "many", codes=codes), CATALOGUES["catalogue"], way))
        assert difference(reference(folder, "catalogue", "many"), values) <= TOLERANCE


@pytest.mark.parametrize("peer", WAYS)
def test_the_ways_are_the_ones_that_are_tested(peer: str) -> None:
    pytest.importorskip(peer)
    tool = importlib.import_module(f"windows_{peer}")
    assert {name: list(ways) for name, ways in tool.WAYS.items()} == WAYS[peer]


def test_our_matrix_is_the_reference_rounded_to_float32(folder: Path) -> None:
    ledger, obs = load(folder), observations(folder, "many")
    assert difference(reference(folder, "catalogue", "many"), to_numpy(ours(ledger, "catalogue", obs))) <= 1e-7


def test_the_catalogue_is_large_and_every_feature_has_values(folder: Path) -> None:
    assert len(CATALOGUES["sixteen"].columns) == 16
    assert len(CATALOGUES["catalogue"].columns) >= 60
    values = reference(folder, "catalogue", "many")
    assert np.isfinite(values).any(axis=0).all()
    assert (np.nanstd(values, axis=0) > 0).sum() >= 60


def test_the_tables_are_what_the_page_says(folder: Path) -> None:
    import pyarrow.parquet as pq

    usage = pq.read_table(folder / "usage.parquet").to_pandas(date_as_object=False)
    assert (usage.groupby("customer_id").size() == DAYS).all()
    assert usage["used_on"].is_monotonic_increasing
    assert observations(folder, "many").groupby("customer_id").size().tolist() == [24] * 7
    assert observations(folder, "one")["as_of"].unique() == np.datetime64(FIRST_DAY + DAYS, "D")


def test_a_value_missing_on_one_side_is_a_difference() -> None:
    assert difference(np.array([[1.0], [2.0]]), np.array([[1.0], [np.nan]])) == float("inf")
    assert difference(np.array([[1.0], [2.0]]), np.array([[1.0], [2.0 + 1e-6]])) > TOLERANCE
    assert difference(np.array([[1.0], [np.nan]]), np.array([[1.0], [np.nan]])) == 0.0


# -- the page --------------------------------------------------------------------------------------------


def row(tool: str, seconds: float, *, equal: bool = True, **more: Any) -> dict[str, Any]:
    figures = {"median": seconds, "first": seconds, "peak_mb": 100.0, "rows": 48_000, "columns": 16, "equal": equal}
    about = {"customers": 20_000, "tool": tool, "what": "compute", "catalogue": "sixteen", "moments": "many"}
    return {**about, "start": "memory", "store": False, "codes": True, "way": "a way", **figures, **more}


def written(rows: list[dict[str, Any]], **more: Any) -> str:
    figures = {
        "rows": rows, "checks": {"duckdb": {"sixteen, a way": 1e-14}}, "compiled_from_plain": {"sixteen, many": 0.0},
        "catalogue_size": 82, "compilation": {"seconds": [9.0]}, "featuretools": {"failed": "not there"}, "peers": {},
    }  # fmt: skip
    about = {"machine": {"processor": "P", "cores": 2, "system": "Linux"}, "versions": {"python": "3"}}
    return windows_report.report({**figures, **more}, about)


def test_a_ratio_is_to_the_fastest_equal_peer_and_its_bar_is_stated() -> None:
    ours_, slow, wrong = row("earlywarn", 0.1), row("duckdb", 1.5), row("polars", 0.2, equal=False)
    assert "| 15.0 x | 10 x: pass |" in written([ours_, slow, wrong])
    assert "| 9.0 x | 10 x: **FAIL** |" in written([ours_, slow, row("polars", 0.9)])
    assert "not shown" in written([row("earlywarn", 0.1, equal=False), slow])
    small = written([row("earlywarn", 0.1, customers=2000), row("duckdb", 1.5, customers=2000)])
    assert "| 15.0 x | none |" in small


def test_every_table_of_the_page_has_as_many_cells_as_headings() -> None:
    tables = [line for line in written([row("earlywarn", 0.1), row("duckdb", 1.5)]).splitlines() if line[:1] == "|"]
    width = 0
    for line, after in zip(tables, [*tables[1:], ""], strict=True):
        width = line.count("|") if after.startswith("| ---") else width
        assert line.count("|") == width, line


def test_a_peer_that_failed_is_stated_and_is_no_rival() -> None:
    failed = {**row("polars", 0.0, equal=False), "failed": "not done within 900 s"}
    del failed["median"]
    text = written([row("earlywarn", 0.1), row("duckdb", 1.5), failed])
    assert "not done within 900 s" in text
    assert "| 15.0 x |" in text


def test_featuretools_is_compared_per_observation() -> None:
    found = {"seconds": 24.0, "observations": 4800, "version": "1", "difference": 0.0, "equal": True}
    text = written([row("earlywarn", 0.048)], featuretools=found)
    assert "5,000 x" in text
    assert "1,000 x: pass" in text


def test_a_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    sections.write_section("stages", "## Stages\n\nolder", page)
    sections.write_section("windows", "## Windows\n\nother", page)
    sections.write_section("stages", "## Stages\n\nnewer", page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks")
    assert "older" not in text
    assert text.index("newer") < text.index("other")


def test_a_measurement_that_fails_says_why_and_the_run_goes_on(tmp_path: Path) -> None:
    run = windows.Run(tmp_path, limit=60.0, compare_with=[])
    assert "KeyError" in run.measure(tmp_path, "nothing of the kind")["failed"]


def test_what_a_smaller_size_shows_to_be_hopeless_is_not_begun(tmp_path: Path) -> None:
    run = windows.Run(tmp_path, limit=60.0, compare_with=[])
    job = {"catalogue": "sixteen", "moments": "many", "way": "a way", "start": "memory", "codes": True}
    assert run.expected("duckdb", job, 2000) == 0.0
    run.rows += [row("duckdb", 3.0, customers=2000), {**row("polars", 0.0, customers=2000), "failed": "not done"}]
    del run.rows[1]["first"]
    assert run.expected("duckdb", job, 20_000) == 30.0
    assert run.expected("polars", job, 20_000) == 600.0
    assert run.expected("duckdb", {**job, "way": "another"}, 20_000) == 0.0


@pytest.mark.slow
def test_windows_are_faster_than_the_peers_written_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("polars")
    written_to = tmp_path / "figures.json"
    windows.main(["--quick", "--folder", str(tmp_path), "--peers", "duckdb", "polars", "--json", str(written_to)])
    rows = json.loads(written_to.read_text(encoding="utf-8"))["figures"]["rows"]
    assert [r for r in rows if not r["equal"]] == []
    mine = next(r for r in rows if r["tool"] == "earlywarn" and windows_report._is(r, "catalogue", "many", "memory"))
    best = windows_report._best(rows, mine)
    assert best is not None
    with capsys.disabled():
        print(f"\ncatalogue at {mine['customers']} customers: {best['median'] / mine['median']:.1f} x {best['tool']}")
    assert mine["median"] < best["median"]
