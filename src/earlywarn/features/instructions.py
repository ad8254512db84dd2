"""Smaller and larger of two numbers as one instruction each, of which a processor runs several side by side.

Written as a comparison, the compiler goes through a slice value by value: numba cannot tell it that none is missing.
"""

from __future__ import annotations

from typing import Any

from earlywarn.extras import require

__all__ = ["larger", "smaller"]


def _instruction(name: str) -> Any:
    """The LLVM instruction of that name for two numbers that are not missing."""
    numba = require("numba", to="run compiled loops")
    ir = require("llvmlite.ir", to="run compiled loops")
    intrinsic = require("numba.extending", to="run compiled loops").intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def instruction(typing: Any, one: Any, other: Any) -> Any:
        def generated(context: Any, builder: Any, signature: Any, numbers: Any) -> Any:
            double = ir.DoubleType()
            function = builder.module.declare_intrinsic(
                f"llvm.{name}", [double], ir.FunctionType(double, [double, double])
            )
            return builder.call(function, numbers, fastmath=("nnan", "nsz"))

        return numba.float64(numba.float64, numba.float64), generated

    return instruction


smaller, larger = _instruction("minimum"), _instruction("maximum")
