"""`import earlywarn` is light, quick and quiet."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from blocking import Blocker

HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "xgboost", "shap", "matplotlib", "pydantic"}
LATER = {"mlflow", "duckdb", "pyspark", "numba", "sqlalchemy"}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def modules_after(code: str) -> set[str]:
    return set(json.loads(run(f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))")))


def test_import_loads_no_heavy_library():
    assert not (HEAVY | LATER) & modules_after("import earlywarn")


def test_import_loads_no_module_of_ours_but_the_root():
    ours = {name for name in modules_after("import earlywarn") if name.startswith("earlywarn.")}
    assert ours == set()


def test_looking_up_an_error_loads_no_heavy_library():
    assert not (HEAVY | LATER) & modules_after("import earlywarn; earlywarn.DataError, earlywarn.PolicyError")


def test_import_takes_at_most_60_ms_over_bare_python():
    def seconds(code: str) -> float:
        start = time.perf_counter()
        run(code)
        return time.perf_counter() - start

    seconds("import earlywarn")  # the files are read once before the clock counts
    pairs = [(seconds("import earlywarn"), seconds("pass")) for _ in range(11)]
    ours, bare = (median(times) for times in zip(*pairs, strict=True))
    assert ours - bare <= 0.060, f"import takes {1000 * (ours - bare):.0f} ms over bare Python"


def test_a_library_message_is_silent_until_someone_listens():
    code = "import earlywarn, logging; logging.getLogger('earlywarn.tables').warning('to nobody')"
    assert run(code) == ""  # and run() holds stderr against ""


def test_importing_everything_draws_no_plot_and_needs_no_later_library():
    code = "import earlywarn\nfor name in earlywarn.__all__: getattr(earlywarn, name)"
    assert not {"matplotlib", "shap", *LATER} & modules_after(code)


@pytest.mark.scoring
def test_a_blocked_package_cannot_be_imported_nor_can_what_lives_in_it_and_others_can(tmp_path: Path):
    for name in ("blocked", "blocked_too", "blockedness"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "inner.py").touch()
    code = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}, {str(Path(__file__).parent)!r}]
from blocking import block
block("blocked, blocked_too")
for name in ("blocked", "blocked.inner", "blocked_too", "blockedness", "blockedness.inner"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        print(name)
"""
    assert run(code).split() == ["blocked", "blocked.inner", "blocked_too"]


@pytest.mark.scoring
def test_what_this_run_blocks_is_absent():
    blocked = {name for finder in sys.meta_path if isinstance(finder, Blocker) for name in finder.names}
    assert not blocked & set(sys.modules)
    for name in blocked:
        with pytest.raises(ModuleNotFoundError, match="blocked by the tests"):
            __import__(name)
