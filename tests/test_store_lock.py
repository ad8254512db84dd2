"""Two loads at once leave a store whole, and damage is mended by writing again."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from earlywarn.errors import DataError
from earlywarn.tables import store as stores
from earlywarn.tables import store_write
from earlywarn.tables.store import LedgerStore
from earlywarn.tables.store_lock import LOCK, locked
from test_store import files_of, small
from test_store_load import news


def dead_process() -> int:
    """Number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_load_while_another_is_at_work_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = small(tmp_path)
    write_manifest = store_write.write_manifest

    def meanwhile(*args: Any) -> None:
        with pytest.raises(DataError, match=r"D177.*(?s:.*)remove the file .*\.lock"):
            LedgerStore(store.path).load(**news("c3"))
        write_manifest(*args)

    monkeypatch.setattr(store_write, "write_manifest", meanwhile)
    after = store.load(**news("c2"))
    assert after.verify() == ()
    assert not (store.path / LOCK).exists()
    assert after.load(**news("c3", 2)).facts == store.facts + 2


@pytest.mark.parametrize("again", [False, True])
def test_a_load_on_top_of_another_that_finished_meanwhile_is_refused(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = small(tmp_path, until="2026-05-01").load(**news("c2"))
    ingest = stores.ingest

    def late(*args: Any, **options: Any) -> None:
        monkeypatch.setattr(stores, "ingest", ingest)
        LedgerStore(store.path).load(**news("c3", 2))
        ingest(*args, **options)

    monkeypatch.setattr(stores, "ingest", late)
    with pytest.raises(DataError, match=r"D176.*another load finished meanwhile"):
        store.load(**(news("c2") if again else news("c1", 3)))
    after = LedgerStore(store.path)
    assert after.verify() == ()
    assert after.facts == store.facts + 1
    assert after.load(**news("c1", 3)).facts == store.facts + 2


def test_files_that_go_while_a_load_is_at_work_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = small(tmp_path, until="2026-05-01")
    manifest = (store.path / "manifest.json").read_bytes()
    shared = store_write.build_shared

    def gone(*args: Any) -> Any:
        shutil.rmtree(store.path / store.manifest.buckets[int(store.bucket_of(["c2"])[0])]["folder"])
        return shared(*args)

    monkeypatch.setattr(store_write, "build_shared", gone)
    with pytest.raises(DataError, match="D176"):
        store.load(**news("c3"))
    assert (store.path / "manifest.json").read_bytes() == manifest


@pytest.mark.parametrize("process", ["dead", "our number"])
def test_the_lock_of_a_process_that_died_is_taken_over(process: str, tmp_path: Path) -> None:
    store = small(tmp_path)
    whole = files_of(store.path)
    number = dead_process() if process == "dead" else os.getpid()
    (store.path / LOCK).write_text(f"{number} {platform.node()}", encoding="utf-8")
    small(tmp_path)
    assert files_of(store.path) == whole


@pytest.mark.parametrize("owner", [f"{os.getppid()} {platform.node()}", "17 elsewhere", ""])
@pytest.mark.skipif(os.name == "nt", reason="there an open file cannot be removed, which is what is asked")
def test_a_lock_that_may_be_held_is_left(owner: str, tmp_path: Path) -> None:
    store = small(tmp_path)
    (store.path / LOCK).write_text(owner, encoding="utf-8")
    whole = files_of(store.path)
    with pytest.raises(DataError, match="D177"):
        store.load(**news("c3"))
    assert files_of(store.path) == whole


def test_the_lock_is_released_when_work_fails(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match="D177"), locked(tmp_path), locked(tmp_path):
            pass
        assert not (tmp_path / LOCK).exists()


def test_writing_again_mends_a_damaged_file(tmp_path: Path) -> None:
    store = small(tmp_path)
    whole = files_of(store.path)
    for name in ("facts.invoices.parquet", "guests.parquet"):
        file = next(store.path.rglob(name))
        content = bytearray(file.read_bytes())
        content[20] ^= 0xFF
        file.write_bytes(bytes(content))
        assert store.verify() == (file.relative_to(store.path).as_posix(),)
        assert small(tmp_path).verify() == ()
        assert files_of(store.path) == whole


def test_a_damaged_file_of_a_store_is_said_with_the_remedy(tmp_path: Path) -> None:
    store = small(tmp_path)
    ledger = store.ledger_of("c1")
    file = store.path / store.manifest.buckets[int(store.bucket_of(["c1"])[0])]["folder"] / "facts.invoices.parquet"
    file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(DataError, match=r"D172.*damaged(?s:.*)verify"):
        ledger.facts("invoices")


def test_hidden_files_are_neither_refused_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".DS_Store").write_text("theirs", encoding="utf-8")
    store = small(tmp_path).load(**news("c3"))
    assert store.verify() == ()
    assert (store.path / ".DS_Store").read_text(encoding="utf-8") == "theirs"
