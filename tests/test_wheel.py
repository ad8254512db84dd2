"""The wheel: exactly the listed files, and a read-only copy of it works from another folder."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import earlywarn as ew
from built_wheel import LIST, build, files_in


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The wheel, installed into a folder of its own that nobody may write to."""
    site = tmp_path_factory.mktemp("installed") / "site"
    words = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True, text=True)
    everything = [site, *site.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    yield site
    for path in everything:  # so that pytest can clear its folders
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file: also tells what root wrote, whom no permission stops."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {str(path.relative_to(folder)): (about.st_size, about.st_mtime_ns) for path, about in found.items()}


def test_the_wheel_holds_exactly_the_listed_files(wheel: Path):
    listed, found = set(LIST.read_text(encoding="utf-8").split()), set(files_in(wheel))
    difference = [f"+ {name}" for name in sorted(found - listed)] + [f"- {name}" for name in sorted(listed - found)]
    assert not difference, "if these are meant, run `make wheel-files`:\n" + "\n".join(difference)


def test_the_wheel_holds_the_catalogue_of_the_checkout_byte_for_byte(wheel: Path, checkout: Path):
    with zipfile.ZipFile(wheel) as archive:
        shipped = {
            name.removeprefix("earlywarn/_catalogue/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("earlywarn/_catalogue/")
        }
    assert shipped == {path.name: path.read_bytes() for path in (checkout / "features").glob("*.toml")}
    assert "families.toml" in shipped


@pytest.mark.slow
@pytest.mark.scoring
def test_a_read_only_copy_trains_and_scores_from_another_folder(installed: Path, checkout: Path, tmp_path: Path):
    before = snapshot(installed)
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    script = checkout / "tests" / "wheel_scores.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(tmp_path / "bundle")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["module"] == str(installed / "earlywarn"), "another copy was imported"
    assert found["version"] == found["distribution"] == ew.__version__
    assert found["features"] == json.loads(json.dumps(ew.FeatureSet.default().to_dict()))
    assert 0 < found["scored"] <= found["rows"]
    assert 0 <= found["lowest"] < found["highest"] <= 1
    assert snapshot(installed) == before, "something was written into the installed copy"
