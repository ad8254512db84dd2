"""Instructions of the processor that compiled loops ask for by name.

Smaller and larger of two numbers: written as a comparison, the compiler goes through a slice value by value, for numba
cannot tell it that none is missing. Counting bits: one instruction, too, where the processor has it.
"""

from __future__ import annotations

from typing import Any

from earlywarn.extras import require

__all__ = ["larger", "ones", "smaller"]


def _instruction(name: str, takes: tuple[str, ...], gives: str, promised: tuple[str, ...] = ()) -> Any:
    """The LLVM instruction of that name, over numba types of the given names, with what is promised of its numbers."""
    numba = require("numba", to="run compiled loops")
    ir = require("llvmlite.ir", to="run compiled loops")
    intrinsic = require("numba.extending", to="run compiled loops").intrinsic
    low_level = {"float64": ir.DoubleType(), "uint64": ir.IntType(64), "int64": ir.IntType(64)}
    signature = getattr(numba, gives)(*(getattr(numba, kind) for kind in takes))
    kinds = [low_level[kind] for kind in takes]

    def generated(context: Any, builder: Any, signature: Any, numbers: Any) -> Any:
        function = builder.module.declare_intrinsic(f"llvm.{name}", kinds[:1], ir.FunctionType(low_level[gives], kinds))
        return builder.call(function, numbers, fastmath=promised)

    if len(takes) == 1:

        @intrinsic  # type: ignore[untyped-decorator]
        def of_one(typing: Any, number: Any) -> Any:
            return signature, generated

        return of_one

    @intrinsic  # type: ignore[untyped-decorator]
    def of_two(typing: Any, one: Any, other: Any) -> Any:
        return signature, generated

    return of_two


_TWO = ("float64", "float64")
smaller = _instruction("minimum", _TWO, "float64", ("nnan", "nsz"))
larger = _instruction("maximum", _TWO, "float64", ("nnan", "nsz"))
ones = _instruction("ctpop", ("uint64",), "int64")
