"""Where and with what a figure was measured: commit, machine, versions. No host name, no path, no clock."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
LIBRARIES = ("earlywarn", "numpy", "pandas", "pyarrow", "scikit-learn", "xgboost", "shap")


def provenance() -> dict[str, object]:
    """Commit, machine and versions, ready for JSON."""
    return {"commit": commit(), "machine": machine(), "versions": versions()}


def commit() -> str:
    """The commit of the checkout, with `+changes` when files differ from it; `unknown` outside of git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine() -> dict[str, object]:
    """Processor, cores and system."""
    return {"system": platform.system(), "processor": _processor(), "cores": os.cpu_count()}


def versions() -> dict[str, str]:
    """Python and the libraries that the figures depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_evidence(
    folder: Path, name: str, figures: Mapping[str, object], about: Mapping[str, object] | None = None
) -> Path:
    """Write figures and their provenance to `folder/name.json`, keys sorted, so that runs can be compared."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {"figures": dict(figures), **(provenance() if about is None else about)}
    path.write_text(json.dumps(content, indent=2, sort_keys=True, default=_plain) + "\n", encoding="utf-8")
    return path


def _plain(value: Any) -> object:
    """Turn a number of numpy into one of Python."""
    return value.item()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
