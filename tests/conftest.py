"""What every test relies on: blocked libraries, repeatable random laws, real data, kept figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from blocking import block

block(os.environ.get("EARLYWARN_BLOCK", ""))  # before anything else is imported

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from provenance import write_evidence  # noqa: E402

CHECKOUT = Path(__file__).resolve().parents[1]
collect_ignore = ["example_pack"]  # a package that tests install, no tests

settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder that holds pyproject.toml."""
    return CHECKOUT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets; the test is left out, and listed, where it is absent."""
    folder = Path(os.environ.get("EARLYWARN_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real data sets are not beside this checkout; name their folder in EARLYWARN_DATA")
    return folder


@pytest.fixture
def keep_figures() -> Callable[[str, Mapping[str, object]], None]:
    """Keep figures that a test measured: `keep_figures("highradius", {"auc": 0.91})`.

    `make evidence` names the folder; any other run keeps nothing.
    """
    folder = os.environ.get("EARLYWARN_EVIDENCE")

    def keep(name: str, figures: Mapping[str, object]) -> None:
        if folder:
            write_evidence(CHECKOUT / folder, name, figures)

    return keep
