"""Laws over random examples, tried with a few in the fast tier and with many in the slow one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

__all__ = ["law"]


def law(*strategies: Any, few: int, many: int, **named: Any) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """As hypothesis' `given`, but with two numbers of examples: two cases of one test, the second marked slow.

    Use it where one example takes tens of milliseconds; fixtures do not reach such a test.
    """

    def decorate(holds: Callable[..., None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.slow)])
        def test(examples: int) -> None:
            settings(max_examples=examples)(given(*strategies, **named)(holds))()

        test.__name__, test.__qualname__, test.__doc__ = holds.__name__, holds.__qualname__, holds.__doc__
        test.__module__ = holds.__module__
        return test

    return decorate
