"""Broken off at any moment and started again, a store is the one that would have been written undisturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earlywarn.tables import store_bucket, store_write
from earlywarn.tables.store import LedgerStore
from test_store import files_of, small
from test_store_load import news


class PowerCut(BaseException):
    """Not an Exception, so that nothing on the way can mend it."""


def breaking(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """Let the ``at``-th step of writing break off; the steps taken are counted."""
    steps = 0

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at:
                raise PowerCut
            return step(*args, **options)

        return wrapped

    for module, name in (
        (store_bucket, "write_facts"), (store_bucket, "write_arrays"), (store_write, "build_shared"),
        (store_write, "find_guests"), (store_write, "write_manifest"), (store_write, "sweep"), (Path, "replace"),
        (store_write.shutil, "rmtree"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    return lambda: steps


def broken_off(monkeypatch: pytest.MonkeyPatch, at: int, work: Callable[[], Any]) -> None:
    """Do some work that breaks off at a step."""
    with monkeypatch.context() as patch:
        breaking(patch, at)
        with pytest.raises(PowerCut):
            work()


@pytest.mark.parametrize("steps", ["some", pytest.param("all", marks=pytest.mark.slow)])
def test_a_store_broken_off_at_any_step_and_written_again_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str
) -> None:
    with monkeypatch.context() as patch:
        count = breaking(patch, at=-1)
        store = small(tmp_path, until="2026-05-01")
        written = count()
        store.load(**news("c3"))
        loaded = count() - written
    whole = files_of(store.path)
    shutil.rmtree(store.path)
    before = small(tmp_path / "before", until="2026-05-01").path
    rng = random.Random(0)
    writing, loading = ({rng.randrange(1, last - 1), last - 1, last} for last in (written, loaded))
    if steps == "all":
        writing, loading = (set(range(1, last + 1)) for last in (written, loaded))
    for at in sorted(writing):
        broken_off(monkeypatch, at, lambda: small(tmp_path, until="2026-05-01"))
        small(tmp_path, until="2026-05-01")
        assert files_of(store.path) == files_of(before)
        shutil.rmtree(store.path)
    for at in sorted(loading):
        shutil.copytree(before, store.path, dirs_exist_ok=True)
        broken_off(monkeypatch, at, lambda: LedgerStore(store.path).load(**news("c3")))
        LedgerStore(store.path).load(**news("c3"))
        assert files_of(store.path) == whole
        shutil.rmtree(store.path)


CHILD = """
import os, signal, sys, time
folder, at, after = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
from strategies import random_tables, UNTIL
from stores import handed, split
from earlywarn.tables.store import LedgerStore
first, second = split(random_tables(17, customers=12, invoices=6), 2, 17)
seen = 0
def watch(event, args):
    global seen
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"):
        if args and folder in str(args[0]):
            seen += 1
            if seen == at:
                os._exit(9)
sys.addaudithook(watch)
signal.setitimer(signal.ITIMER_REAL, after)  # ends the process wherever it is, in C++ too; 0 is never
begin = time.perf_counter()
LedgerStore.write(folder, **handed(first), until=UNTIL, buckets=3)
middle = seen
LedgerStore(folder).load(**handed(second))
print(middle, seen, time.perf_counter() - begin)
"""


def run(folder: Path, at: int, after: float = 0.0) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(at), str(after)],
        capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": paths}, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_process_that_dies_at_ten_random_moments_leaves_what_can_be_finished(tmp_path: Path) -> None:
    done = run(tmp_path / "whole", 0)
    assert done.returncode == 0, done.stderr
    middle, steps = map(int, done.stdout.split()[:2])
    whole = files_of(tmp_path / "whole")
    rng = random.Random(3)
    for number, at in enumerate([rng.randint(1, steps) for _ in range(8)] + [middle, steps]):
        folder = tmp_path / str(number)
        assert run(folder, at).returncode == 9
        again = run(folder, 0)
        assert again.returncode == 0, again.stderr
        assert files_of(folder) == whole


@pytest.mark.slow
def test_a_process_that_is_ended_at_any_instant_leaves_what_can_be_finished(tmp_path: Path) -> None:
    """Also in the middle of a file that a library writes; where it had ended before, nothing is left to finish."""
    done = run(tmp_path / "whole", 0)
    assert done.returncode == 0, done.stderr
    whole, seconds = files_of(tmp_path / "whole"), float(done.stdout.split()[2])
    ended = 0
    for number, share in enumerate(random.Random(5).choices(range(1, 100), k=5)):
        folder = tmp_path / str(number)
        ended += run(folder, 0, after=share / 100 * seconds).returncode == -signal.SIGALRM
        again = run(folder, 0)
        assert again.returncode == 0, again.stderr
        assert files_of(folder) == whole
    assert ended > 0
