"""``earlywarn simulate``: tables that the other verbs read, the truth apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import earlywarn as ew
from earlywarn.cli.main import main
from earlywarn.simulate import World


@pytest.mark.parametrize("preset", ["energy"])
def test_the_tables_are_those_of_the_world_and_can_be_checked(preset: str, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    asked = ["simulate", "--preset", preset, "--customers", "60", "--months", "6", "--seed", "3", str(out)]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "written" in printed
    life = World(preset, 60, 6, 3).live()
    for name, frame in life.tables().items():
        written = pd.read_parquet(out / f"{name}.parquet")
        empty = written.isna() & frame.isna()
        pd.testing.assert_frame_equal(written.isna(), frame.isna())
        pd.testing.assert_frame_equal(written.mask(empty), frame.mask(empty), check_dtype=False)
    assert len(pd.read_parquet(out / "truth" / "truth.parquet")) == len(life.truth())
    assert main(["check", str(out), "--until", "2025-01-01"]) == 0
    capsys.readouterr()
    assert main(asked) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_preset_is_shown_with_its_sources_and_a_folder_is_asked_for(capsys: Any) -> None:
    assert main(["simulate", "--preset", "water", "--show"]) == 0
    assert "EU-SILC" in capsys.readouterr().out
    assert main(["simulate"]) == 2
    assert "no folder was named" in capsys.readouterr().err
    assert main(["simulate", "--preset", "watr", "--show"]) == 2
    assert "did you mean 'water'" in capsys.readouterr().err


def test_many_customers_are_written_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earlywarn.simulate import writing

    monkeypatch.setattr(writing, "BLOCK_ROWS", 1)
    world, told = World("telecom", 250, 4), []
    rows = writing.write_tables(world, tmp_path / "out", truth=False, progress=told.append)
    assert told[-1] == 1.0
    whole = world.live().tables()
    assert rows == {name: len(frame) for name, frame in whole.items()}
    usage = pd.read_parquet(tmp_path / "out" / "usage")
    assert len(usage.merge(whole["usage"])) == len(whole["usage"])
    assert len([*(tmp_path / "out" / "usage").iterdir()]) == 3


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_world_goes_straight_into_a_store_as_its_tables_would(
    processes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earlywarn.simulate import write_store
    from earlywarn.tables import store_parts

    monkeypatch.setattr(store_parts, "WORTH_PROCESSES", 2 if processes else 9)
    world, told = World("energy", 230, 5), []
    store = write_store(world, tmp_path / "store", truth=tmp_path / "truth", buckets=3, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert {path.name for path in tmp_path.iterdir()} == {"store", "truth"}
    life = world.live()
    books = ew.Ledger.from_tables(**life.tables(), currency="EUR", until=str(world.span.dates(world.span.end)))
    assert (store.customers, len(store), len(store.faults)) == (230, 3, 0)
    assert store.facts == sum(len(books.facts(name)) for name in books.given if name != "regions")
    outcome, features = (
        ew.Outcome(lead_days=5),
        ew.FeatureSet.default().select("late_share_365d", "usage_*", "region_*"),
    )
    obs, stored = outcome.observations(books), outcome.observations(store)
    pd.testing.assert_frame_equal(stored, obs)
    pd.testing.assert_frame_equal(features.compute(store, stored), features.compute(books, obs))
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "truth").sort_values("invoice_id", ignore_index=True),
        life.truth().sort_values("invoice_id", ignore_index=True),
        check_dtype=False,
    )


def test_a_store_is_asked_for_on_the_command_line(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "big"
    assert main(["simulate", "--customers", "40", "--months", "4", "--store", str(out)]) == 0
    assert "40 customers" in capsys.readouterr().out
    assert len(pd.read_parquet(tmp_path / "big-truth")) > 80
    assert ew.LedgerStore.open(out).customers == 40
