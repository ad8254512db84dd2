"""Names that examples in docstrings may use without importing them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _names_in_examples(doctest_namespace: dict[str, object]) -> None:
    import numpy as np
    import pandas as pd

    import earlywarn as ew

    doctest_namespace.update(np=np, pd=pd, ew=ew)
