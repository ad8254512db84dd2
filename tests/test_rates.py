"""Empirical-Bayes rates: Marshall's formula, esda where it is installed, the hierarchy, and no signal from chance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earlywarn.errors import FeatureError
from earlywarn.features.build import compute
from earlywarn.features.context import Context
from earlywarn.features.definition import Feature
from earlywarn.features.expression import parse
from earlywarn.features.shrinkage import Tree, shrunken
from earlywarn.tables.ledger import Ledger

FLAT = [f"r{number}" for number in range(8)]
#: Facts and late ones of some groups, at least one fact in all.
COUNTS = st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1)), min_size=1, max_size=8).filter(
    lambda rows: any(n for n, _ in rows)
)


def facts(rows: list[tuple[int, float]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    n = np.array([count for count, _ in rows], dtype=float)
    return n, np.array([round(count * share) for count, share in rows], dtype=float)


def flat(n: Any, y: Any) -> Any:
    """Our rates of groups that stand directly under the portfolio."""
    labels = [f"r{number}" for number in range(len(n))]
    tree = Tree.of(labels, {}, nested=False)
    return shrunken(np.array([0.0, *n])[:, None], np.array([0.0, *y])[:, None], tree)[1:, 0]


def marshall(n: Any, y: Any) -> list[float]:
    """The formula of METHODS section 3 written out, group by group; groups without a fact get the mean."""
    filled = [(a, b) for a, b in zip(n, y, strict=True) if a > 0]
    total = sum(a for a, _ in filled)
    m = sum(b for _, b in filled) / total
    spread = sum(a * (b / a - m) ** 2 for a, b in filled) / total
    variance = max(0.0, spread - m / (total / len(filled)))
    weight = [variance / (variance + m / a) if a > 0 and m > 0 else 0.0 for a in n]
    return [m + w * (b / a - m) if w > 0 else m for w, a, b in zip(weight, n, y, strict=True)]


@given(rows=COUNTS)
def test_one_level_is_the_formula_of_the_book(rows: list[tuple[int, float]]) -> None:
    n, y = facts(rows)
    np.testing.assert_allclose(flat(n, y), marshall(n, y), rtol=1e-9, atol=1e-12)


def test_one_level_is_what_esda_gives() -> None:
    smoothing = pytest.importorskip("esda.smoothing")
    rng = np.random.default_rng(5)
    n = rng.integers(5, 400, 30).astype(float)
    y = rng.binomial(n.astype(int), rng.beta(2, 8, 30)).astype(float)
    np.testing.assert_allclose(flat(n, y), smoothing.Empirical_Bayes(y, n).r.ravel(), rtol=1e-12)


@given(rows=COUNTS)
def test_a_rate_lies_between_the_groups_own_and_the_one_above_it(rows: list[tuple[int, float]]) -> None:
    n, y = facts(rows)
    m = y.sum() / n.sum()
    for found, a, b in zip(flat(n, y), n, y, strict=True):
        own = b / a if a else m
        assert min(own, m) - 1e-12 <= found <= max(own, m) + 1e-12


def test_thin_groups_are_drawn_further_than_thick_ones() -> None:
    n, y = [10.0, 1000.0, 1000.0], [5.0, 500.0, 50.0]
    thin, thick, _ = flat(n, y)
    m = sum(y) / sum(n)
    assert m < thin < thick < 0.5


def nested(n: dict[str, float], y: dict[str, float]) -> dict[str, float]:
    """Regions of two depths under countries, written out: countries first, then regions towards their country."""
    countries = sorted({name[:2] for name in n})
    every = {"": ("", sum(n.values()), sum(y.values()))}
    for c in countries:
        every[c] = ("", sum(v for k, v in n.items() if k[:2] == c), sum(v for k, v in y.items() if k[:2] == c))
    every |= {name: (name[:2], n[name], y[name]) for name in n}
    rate = {"": every[""][2] / every[""][1]}
    for level in (countries, sorted(n)):
        part = [name for name in level if 0 < every[name][1] < every[every[name][0]][1]]
        total = sum(every[name][1] for name in part)
        apart = sum(every[k][1] * (every[k][2] / every[k][1] - rate[every[k][0]]) ** 2 for k in part)
        variance = max(0.0, (apart - sum(rate[every[k][0]] for k in part)) / total) if part else 0.0
        for name in level:
            above, count, late = every[name]
            m = rate[above]
            weight = variance / (variance + m / count) if name in part and variance > 0 else 0.0
            rate[name] = m + weight * ((late / count if count else m) - m)
    return rate


@given(
    rows=st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), min_size=5, max_size=5).filter(
        lambda rows: any(n for n, _ in rows)
    )
)
def test_two_levels_draw_regions_towards_their_country_and_countries_towards_all(rows: list[tuple[int, float]]) -> None:
    names = ["BE1", "BE2", "BE3", "NL1", "NL2"]
    n, y = facts(rows)
    tree = Tree.of(names, {}, nested=True)
    count, total = np.zeros((2, len(tree.parent), 1))
    nodes = [tree.node[name] for name in names]
    count[nodes, 0], total[nodes, 0] = n, y
    found = shrunken(count, total, tree)[nodes, 0]
    wanted = nested(dict(zip(names, n.tolist(), strict=True)), dict(zip(names, y.tolist(), strict=True)))
    np.testing.assert_allclose(found, [wanted[name] for name in names], rtol=1e-9, atol=1e-12)


# -- from tables -----------------------------------------------------------------------------------------------


def biller(region_of: dict[str, str | None], late: dict[str, list[int]], **tables: Any) -> Ledger:
    """One bill a month for each customer; a late one is never paid."""
    bills, paid = [], []
    for customer, marks in late.items():
        for month, mark in enumerate(marks, start=1):
            name, due = f"{customer}-{month}", f"2025-{month:02}-10"
            bills.append((name, customer, f"2025-{month:02}-01", due, 50.0))
            paid += [] if mark else [(f"p{name}", customer, due, 50.0, name)]
    customers = pd.DataFrame({"customer_id": list(region_of), "region": list(region_of.values())})
    return Ledger.from_tables(
        invoices=pd.DataFrame(bills, columns=["invoice_id", "customer_id", "issued_on", "due_on", "amount"]),
        payments=pd.DataFrame(paid, columns=["payment_id", "customer_id", "paid_on", "amount", "invoice_id"]),
        customers=customers,
        until="2025-12-31",
        **tables,
    )


def rates(ledger: Ledger, text: str, customers: list[str], as_of: str = "2025-12-01") -> list[float]:
    obs = pd.DataFrame({"customer_id": customers, "as_of": pd.to_datetime([as_of] * len(customers))})
    return compute([Feature("f", text)], ledger, obs)["f"].tolist()


REGION_OF = {"a": "BE211", "b": "BE211", "c": "BE212", "d": "BE3", "e": "NL1", "f": None}
LATE = {"a": [1] * 6, "b": [1, 0] * 3, "c": [0] * 6, "d": [0, 1, 0] * 2, "e": [0] * 5 + [1], "f": [1] * 6}
RATE = "rate(maturities.late, days=365, of=region)"


def by_hand(left_out: str | None = None) -> dict[str, float]:
    """Rates of regions from the table above; a region that is all of what it lies in is that."""
    n: dict[str, float] = {}
    y: dict[str, float] = {}
    for customer, region in REGION_OF.items():
        for depth in range(len(region or "") + 1) if region and customer != left_out else ():
            if depth != 1:
                n[region[:depth]] = n.get(region[:depth], 0) + 6
                y[region[:depth]] = y.get(region[:depth], 0) + sum(LATE[customer])
    rate = {"": y[""] / n[""]}
    for depth in (2, 3, 4, 5):
        level = sorted(name for name in n if len(name) == depth)
        above = {name: name[:-1] if depth > 2 else "" for name in level}
        part = [name for name in level if n[name] < n[above[name]]]
        total = sum(n[name] for name in part)
        apart = sum(n[k] * (y[k] / n[k] - rate[above[k]]) ** 2 - rate[above[k]] for k in part)
        variance = max(0.0, apart / total) if part else 0.0
        for name in level:
            m = rate[above[name]]
            weight = variance / (variance + m / n[name]) if name in part and variance > 0 else 0.0
            rate[name] = m + weight * (y[name] / n[name] - m)
    return rate


def test_the_rate_of_a_region_is_drawn_towards_that_of_the_region_it_lies_in() -> None:
    found = rates(biller(REGION_OF, LATE), RATE, list("abcdef"))
    wanted = by_hand()
    for customer, value in zip("abcde", found, strict=False):
        assert value == pytest.approx(wanted[REGION_OF[customer]], rel=1e-6)  # type: ignore[index]
    assert math.isnan(found[5]), "f is in no region"


def test_leaving_out_takes_oneself_out_of_every_level() -> None:
    ledger = biller(REGION_OF, LATE)
    left_out = RATE.replace(")", ", leave_out=customer)")
    for customer in "abcd":
        (found,) = rates(ledger, left_out, [customer])
        rate = by_hand(customer)
        region = REGION_OF[customer] or ""
        nearest = next(region[:depth] for depth in range(len(region), -1, -1) if region[:depth] in rate)
        assert found == pytest.approx(rate[nearest], rel=1e-6), customer
    other = biller(REGION_OF, {**LATE, "a": [0] * 6})
    assert rates(ledger, left_out, ["a"]) == rates(other, left_out, ["a"])
    assert rates(ledger, left_out, ["b"]) != rates(other, left_out, ["b"])


def test_only_matured_facts_known_before_the_day_count() -> None:
    ledger = biller({"a": "BE1", "b": "BE2"}, {"a": [1, 1], "b": [0, 0]})
    assert math.isnan(rates(ledger, RATE, ["a"], "2025-01-13")[0])
    first = rates(ledger, RATE, ["a", "b"], "2025-01-20")
    assert first == rates(ledger.known_before("2025-01-20"), RATE, ["a", "b"], "2025-01-20")
    assert first == [0.5, 0.5], "two facts say nothing about places"


def test_a_stated_parent_counts_from_its_publication() -> None:
    def regions(parent: str | None, day: str) -> pd.DataFrame:
        rows = [("east", day, parent), ("west", day, parent), ("far", day, None)]
        frame = pd.DataFrame(rows, columns=["region", "published_on", "parent"])
        return frame.assign(metric="unemployment", value=5.0)

    region_of = {"a": "east", "b": "west", "c": "far", "d": "far"}
    late = {"a": [1] * 10, "b": [1] * 9 + [0], "c": [0] * 10, "d": [0] * 10}
    flat_one = biller(region_of, late)
    nested_one = biller(region_of, late, regions=regions("coast", "2025-11-01"))
    before, after = "2025-11-01", "2025-11-03"
    assert rates(nested_one, RATE, list("abc"), before) == rates(flat_one, RATE, list("abc"), before)
    assert rates(nested_one, RATE, ["b"], after) > rates(flat_one, RATE, ["b"], after), "its neighbour is late too"
    circle = pd.concat([regions("coast", "2025-11-01"), regions("east", "2025-11-01").assign(region="coast")])
    found = rates(biller(region_of, late, regions=circle), RATE, list("abcd"), after)
    assert all(math.isfinite(rate) for rate in found)


def test_places_at_random_have_no_signal_and_places_that_differ_have_one() -> None:
    rng = np.random.default_rng(11)
    names = [f"c{number:03}" for number in range(240)]
    true = dict(zip(FLAT, np.linspace(0.02, 0.5, 8), strict=True))
    place = dict(zip(names, rng.choice(FLAT, len(names)), strict=True))
    late = {name: rng.binomial(1, true[place[name]], 10).tolist() for name in names}
    moved = dict(zip(names, rng.permutation(list(place.values())), strict=True))
    text = RATE.replace(")", ", leave_out=customer)")
    own = np.array([np.mean(late[name]) for name in names])
    real, chance = (np.array(rates(biller(where, late), text, names)) for where in (place, moved))
    assert np.corrcoef(real, own)[0, 1] > 0.6
    assert np.std(chance) < 0.1 * np.std(real)


def test_a_segment_a_campaign_and_everybody_have_rates() -> None:
    accounts = pd.DataFrame({"account_id": list("ABC"), "customer_id": list("abc")})
    contracts = pd.DataFrame(
        {
            "contract_id": list("123"),
            "account_id": list("ABC"),
            "starts_on": ["2024-01-01"] * 3,
            "campaign": ["spring", "autumn", "autumn"],
        }
    )
    late = {"a": [1] * 10, "b": [0] * 10, "c": [0] * 10}
    ledger = biller({"a": "BE1", "b": "BE2", "c": "BE2"}, late, accounts=accounts, contracts=contracts)
    everybody = rates(ledger, RATE.replace("region", "portfolio"), ["a"])
    assert everybody == [pytest.approx(1 / 3, rel=1e-6)]
    spring, autumn = rates(ledger, RATE.replace("region", "campaign"), ["a", "b"])
    wanted = marshall([10, 20], [10, 0])
    assert [spring, autumn] == [pytest.approx(value, rel=1e-6, abs=1e-9) for value in wanted]
    assert all(math.isnan(value) for value in rates(ledger, RATE.replace("region", "segment"), ["a"]))


def test_a_rate_asks_for_a_group_and_for_a_column() -> None:
    for text in ("rate(maturities.late)", "rate(maturities, of=region)", "ahead(rate(obligations.amount), days=9)"):
        with pytest.raises(FeatureError, match="F213"):
            parse(text)


def test_a_new_region_has_the_rate_of_the_one_it_lies_in() -> None:
    book = biller(REGION_OF, LATE)
    context = Context.of(book, [Feature("f", RATE)])
    newcomer = biller({"z": "BE213"}, {"z": [0]})
    obs = pd.DataFrame({"customer_id": ["z"], "as_of": pd.to_datetime(["2025-12-01"])})
    found = compute([Feature("f", RATE)], newcomer, obs, context=context)["f"].tolist()
    assert found == [pytest.approx(by_hand()["BE21"], rel=1e-6)]
