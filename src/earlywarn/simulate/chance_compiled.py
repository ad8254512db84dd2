"""The draws of ``chance`` for compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from earlywarn.extras import require
from earlywarn.simulate.chance import LAST, STEP, mixed

__all__ = ["chance", "step"]


def step(function: Any, **options: Any) -> Any:
    """Compile a function into the loops that call it."""
    numba = require("numba", to="run compiled loops")
    return numba.njit(error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(
        function
    )


_mixed = step(mixed)


@step
def chance(key: Any, purpose: int, number: int) -> Any:
    """One draw between 0 and 1, both excluded; as `uniform`."""
    x = _mixed(_mixed(key ^ (np.uint64(purpose) * STEP)) + np.uint64(number) * STEP)
    return (np.float64(x >> LAST) + 0.5) * 1.1102230246251565e-16
