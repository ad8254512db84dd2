"""The benchmark of reasons, small: every library gives the same values, and ours is far ahead of xgboost's own."""

from __future__ import annotations

import pytest

import reasons


@pytest.mark.slow
def test_reasons_are_equal_and_far_faster_than_those_of_xgboost():
    (row,) = reasons.measure(4, [4_000], {"shap": 0, "WOODELF": 0})
    assert row["xgboost_ratio"] > 10  # the bars of 50 and 40 are held on 200,000 rows, on an idle machine
    assert row["seconds"] < 5 * row["predict_seconds"]
    assert row["megabytes"] < reasons.MEGABYTES
    assert row["row_reasons_ms"] < 3 * reasons.ROW_MS
    about = {"machine": {"processor": "", "cores": 2, "system": ""}, "versions": {"python": "", "xgboost": ""}}
    assert f"| 4 | {row['rows']:,} |" in reasons.page([row], about)


def test_a_bar_that_does_not_hold_is_said():
    row = {"depth": 4, "rows": reasons.FULL, "read_seconds": 1.0, "megabytes": 1.0, "row_reasons_ms": 0.1}
    held = reasons.bars({**row, "xgboost_ratio": 1.0, "WOODELF_ratio": 9.0})
    assert {name: fine for name, (_, _, fine) in held.items()} | {"xgboost_ratio": False} == {
        "read_seconds": False, "megabytes": True, "row_reasons_ms": True, "WOODELF_ratio": True, "xgboost_ratio": False,
    }  # fmt: skip
