"""Build the wheel of this checkout and list what is in it.

Run as a script it prints the list that `wheel_files.txt` holds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("wheel_files.txt")


def build(folder: Path) -> Path:
    """Build the wheel into `folder` with the backend that is installed, so without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the wheel cannot be built:\n{done.stdout}{done.stderr}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def files_in(wheel: Path) -> list[str]:
    """Every file, sorted; the version in the metadata folder's name is left out."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    return sorted(_without_version(name) for name in names)


def _without_version(name: str) -> str:
    folder, slash, rest = name.partition("/")
    return f"earlywarn.dist-info{slash}{rest}" if folder.endswith(".dist-info") else name


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(files_in(build(Path(folder)))))
