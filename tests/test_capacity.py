"""Capacity: never exceeded, never wasted, the most valuable first, the protected never cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earlywarn.actions.capacity import allocate, check_capacity
from earlywarn.errors import PolicyError

pytestmark = pytest.mark.scoring


@st.composite
def cases(draw):
    n, levels = draw(st.integers(0, 12)), draw(st.integers(1, 3))
    bits = st.lists(st.booleans(), min_size=n, max_size=n)
    return {
        "available": np.array([draw(bits) for _ in range(levels)], dtype=bool).reshape(levels, n),
        "limits": tuple(draw(st.sampled_from(["a", "b", None])) for _ in range(levels)),
        "value": np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), dtype=float),
        "protected": np.array(draw(bits), dtype=bool),
        "capacity": draw(st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 6))),
    }


def used(case, chosen, limit, who=None):
    who = np.ones(len(chosen), bool) if who is None else who
    return sum(int(((chosen == k) & who).sum()) for k, name in enumerate(case["limits"]) if name == limit)


@given(cases())
def test_no_limit_is_exceeded_but_by_protected_debtors_alone(case):
    chosen = allocate(**case)
    for limit, count in case["capacity"].items():
        alone = used(case, chosen, limit, case["protected"])
        assert used(case, chosen, limit) <= max(count, alone)


@given(cases())
def test_only_what_is_available_is_chosen_and_the_protected_get_their_sternest(case):
    chosen = allocate(**case)
    for debtor, choice in enumerate(chosen):
        own = np.flatnonzero(case["available"][:, debtor])
        assert choice == -1 or choice in own
        if case["protected"][debtor]:
            assert choice == (own.max() if len(own) else -1)


@given(cases())
def test_who_is_passed_over_is_worth_no_more_than_who_was_taken(case):
    chosen, free = allocate(**case), ~case["protected"]
    for action, limit in enumerate(case["limits"]):
        taken = np.flatnonzero((chosen == action) & free)
        passed = np.flatnonzero((chosen < action) & case["available"][action] & free)
        if not len(passed):
            continue
        assert limit in case["capacity"]
        assert used(case, chosen, limit) >= case["capacity"][limit]  # no place is left empty
        for other in passed:
            ahead = [(-case["value"][k], k) < (-case["value"][other], other) for k in taken]
            assert all(ahead)


@given(cases())
def test_without_limits_everyone_gets_the_sternest_available(case):
    chosen = allocate(**{**case, "capacity": {}})
    expected = [max(np.flatnonzero(column), default=-1) for column in case["available"].T]
    assert chosen.tolist() == expected


@pytest.mark.parametrize("count", [-1, 2.5, True, "3", None])
def test_what_is_no_count_is_refused(count):
    with pytest.raises(PolicyError, match="P630"):
        check_capacity({"calls": count}, ("calls",))


def test_an_unknown_limit_is_named_with_the_closest_one():
    with pytest.raises(PolicyError, match="did you mean 'calls'"):
        check_capacity({"cals": 3, "calls": 1}, ("notices", "calls"))
