"""Exact TreeSHAP: equal to xgboost's and shap's own, and to Shapley's definition, whatever the trees are like."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from earlywarn.errors import EarlywarnError
from earlywarn.reasons import treeshap, treeshap_layout
from earlywarn.reasons.trees import read_trees
from earlywarn.reasons.treeshap import TreeShap, margins
from earlywarn.reasons.treeshap_kernels import LANES

pytestmark = pytest.mark.scoring
ROWS = 400


def sample(columns=6, seed=0, missing=0.15, rows=ROWS):
    draw = np.random.default_rng(seed)
    X = draw.standard_normal((rows, columns)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1])  # ties with thresholds
    score = X[:, 0] + np.abs(X[:, 1]) + X[:, 0] * X[:, -1]
    y = (draw.random(rows) < 1 / (1 + np.exp(-score))).astype(np.float32)
    X[draw.random(X.shape) < missing] = np.nan
    return X, y


def grown(X, y, trees=25, weight=None, **settings):
    chosen = {
        "objective": "binary:logistic", "max_depth": 4, "min_child_weight": 0.0, "eta": 0.3, "seed": 0, "nthread": 1,
        "verbosity": 0, **settings,
    }  # fmt: skip
    return xgb.train(chosen, xgb.DMatrix(X, label=y, weight=weight), trees)


def changed(booster, edit):
    """A booster whose trees were edited as JSON."""
    model = json.loads(bytes(booster.save_raw("json")))
    for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
        edit(tree)
    return xgb.Booster(model_file=bytearray(json.dumps(model).encode()))


def by_xgboost(booster, X):
    return booster.predict(xgb.DMatrix(X), pred_contribs=True)


def assert_equal_to_xgboost(booster, X, atol=1e-5):
    explained = TreeShap.of(booster, X.shape[1])
    assert explained.layout is not None
    own, theirs = explained.contributions(X), by_xgboost(booster, X)
    np.testing.assert_allclose(own, theirs[:, :-1], atol=atol, rtol=0)
    assert explained.expected_value == pytest.approx(theirs[0, -1], abs=atol)
    np.testing.assert_allclose(own.sum(axis=1) + explained.expected_value, margins(booster, X), atol=atol, rtol=0)
    return explained


KINDS = {
    "usual": {},
    "few features, repeated on a path": {"columns": 2},
    "no missing values": {"missing": 0.0},
    "mostly missing": {"missing": 0.9},
    "monotone": {"monotone_constraints": "(1,0,-1,0,0,1)"},
    "unbalanced": {"grow_policy": "lossguide", "max_leaves": 12, "max_depth": 8},
    "pruned to stumps and leaves": {"gamma": 8.0},
    "only leaves": {"gamma": 1e9},
    "strong steps": {"eta": 1.0, "reg_lambda": 0.0},
    "large rows and columns": {"columns": 40, "rows": 900},
    "base score near 0": {"base_score": 0.02, "eta": 0.1},
    "logits": {"objective": "binary:logitraw", "base_score": 0.2},
    "squared error": {"objective": "reg:squarederror"},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", range(1, 9))
def test_contributions_are_those_of_xgboost(depth, kind):
    settings = dict(KINDS[kind])
    data = {name: settings.pop(name) for name in ("columns", "missing", "rows") if name in settings}
    X, y = sample(seed=depth, **data)
    settings.setdefault("max_depth", depth)
    assert_equal_to_xgboost(grown(X, y, **settings), X)


@pytest.mark.parametrize("depth", [2, 4, 6, 8])
def test_contributions_are_those_of_shap(depth):
    shap = pytest.importorskip("shap")
    X, y = sample(seed=depth)
    booster = grown(X, y, max_depth=depth)
    theirs = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent").shap_values(X)
    np.testing.assert_allclose(TreeShap.of(booster, 6).contributions(X), theirs, atol=1e-5, rtol=0)


@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.7]))
@settings(max_examples=25, deadline=None)
def test_contributions_of_any_forest_are_those_of_xgboost(seed, depth, columns, missing):
    X, y = sample(columns=columns + 1, seed=seed, missing=missing, rows=120)
    assert_equal_to_xgboost(grown(X, y, trees=5, max_depth=depth, seed=seed), X)


def expected_margin(trees, x, known, node):
    """Margin below a node where the features ``known`` are, the others averaged over the rows that came there."""
    if trees.left[node] < 0:
        return trees.value[node]
    left, right = (expected_margin(trees, x, known, child) for child in (trees.left[node], trees.right[node]))
    if trees.feature[node] in known:
        value = x[trees.feature[node]]
        goes_left = trees.missing_left[node] if np.isnan(value) else value < np.float32(trees.value[node])
        return left if goes_left else right
    cover = trees.cover[node]
    share = trees.cover[trees.left[node]] / cover if cover > 0 else 0.5
    return share * left + (1 - share) * right


def by_definition(booster, x):
    """Shapley values: what a feature adds, averaged over all orders in which features become known."""
    trees, k = read_trees(booster), len(x)
    worth = {
        known: sum(expected_margin(trees, x, known, root) for root in trees.starts[:-1])
        for size in range(k + 1)
        for known in itertools.combinations(range(k), size)
    }
    values = np.zeros(k)
    for known in worth:
        share = (
            math.factorial(len(known)) * math.factorial(k - len(known) - 1) / math.factorial(k) if len(known) < k else 0
        )
        for j in set(range(k)) - set(known):
            values[j] += share * (worth[tuple(sorted((*known, j)))] - worth[known])
    return values


@pytest.mark.parametrize("depth", [1, 3, 5, 8])
def test_contributions_are_shapley_values_by_their_definition(depth):
    X, y = sample(columns=5, seed=depth)
    booster = grown(X, y, trees=6, max_depth=depth)
    values = TreeShap.of(booster, 5).contributions(X[:12])
    np.testing.assert_allclose(values, [by_definition(booster, x) for x in X[:12]], atol=2e-6, rtol=0)


def test_nodes_that_no_training_row_reached_split_evenly():
    X, y = sample(columns=4, missing=0.1)
    whole = grown(X, y, trees=4, max_depth=4)

    def empty_left_half(tree):
        waiting = [tree["left_children"][0]]
        while waiting:
            node = waiting.pop()
            tree["sum_hessian"][node] = 0.0
            if tree["left_children"][node] >= 0:
                waiting += [tree["left_children"][node], tree["right_children"][node]]
        tree["sum_hessian"][0] = tree["sum_hessian"][tree["right_children"][0]]

    booster = changed(whole, empty_left_half)
    values = TreeShap.of(booster, 4).contributions(X[:12])
    np.testing.assert_allclose(values, [by_definition(booster, x) for x in X[:12]], atol=2e-6, rtol=0)
    if int(xgb.__version__.split(".")[1]) >= 3:  # 3.2 stops at such nodes
        np.testing.assert_allclose(values, by_xgboost(booster, X[:12])[:, :-1], atol=1e-5, rtol=0)


def test_rows_of_weight_nothing_leave_nodes_of_next_to_no_cover_and_all_still_adds_up():
    X, y = sample(columns=4)
    booster = grown(X, y, weight=np.where(X[:, 0] > 0, 0.0, 1.0), max_depth=6, reg_lambda=0.0)
    assert_equal_to_xgboost(booster, X)


@pytest.mark.parametrize("rows", [1, 2, 16, 17, LANES - 1, LANES, LANES + 1, LANES + 20, 3 * LANES])
def test_a_row_is_explained_alike_alone_and_among_others_to_the_bit(rows):
    X, y = sample(columns=9, rows=3 * LANES)
    explained = TreeShap.of(grown(X, y, trees=150, max_depth=6), 9)
    together = explained.contributions(X[:rows])
    alone = np.vstack([explained.contributions(X[at : at + 1]) for at in range(rows)])
    np.testing.assert_array_equal(together, alone)


def test_deep_paths_of_many_features_are_explained_by_more_points():
    X, y = sample(columns=24, rows=3000, missing=0.0)
    booster = grown(X, y, trees=3, max_depth=14, reg_lambda=0.0)
    explained = assert_equal_to_xgboost(booster, X[:300])
    assert explained.layout.trees[:, 2].max() >= 5


@pytest.mark.parametrize(
    "settings",
    [
        {"booster": "dart", "rate_drop": 0.5},
        {"booster": "gblinear"},
        {"objective": "multi:softprob", "num_class": 3},
    ],
    ids=["dart", "linear", "several classes"],
)
def test_what_is_no_forest_with_one_margin_is_not_read(settings):
    X, y = sample(missing=0.0)
    assert read_trees(grown(X, y, trees=3, **settings)) is None


def test_what_cannot_be_read_is_explained_by_the_booster_itself():
    X, y = sample()
    booster = grown(X, y, booster="dart", rate_drop=0.5)
    explained = TreeShap.of(booster, 6)
    assert explained.layout is None
    assert explained.nbytes == 0
    np.testing.assert_allclose(explained.contributions(X), by_xgboost(booster, X)[:, :-1], atol=1e-6)


def test_trees_with_holes_left_by_pruning_are_explained_by_the_booster():
    X, y = sample()
    booster = grown(X, y, tree_method="exact", gamma=3.0, max_depth=5)
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    assert any(int(tree["tree_param"]["num_deleted"]) for tree in model["trees"])
    explained = TreeShap.of(booster, 6)
    assert explained.layout is None
    np.testing.assert_allclose(explained.contributions(X), by_xgboost(booster, X)[:, :-1], atol=1e-6)


def test_what_would_take_too_much_memory_is_explained_by_the_booster(monkeypatch):
    X, y = sample()
    booster = grown(X, y)
    monkeypatch.setattr(treeshap_layout, "MOST_BYTES", 1000)
    explained = TreeShap.of(booster, 6)
    assert explained.layout is None
    np.testing.assert_allclose(explained.contributions(X), by_xgboost(booster, X)[:, :-1], atol=1e-6)


def test_covers_that_do_not_add_up_and_categories_are_not_read():
    X, y = sample()
    assert read_trees(changed(grown(X, y), lambda tree: tree["sum_hessian"].__setitem__(0, 1e6))) is None
    codes = np.random.default_rng(0).integers(0, 9, (len(X), 1)).astype(np.float32)
    data = xgb.DMatrix(codes, label=y, feature_types=["c"], enable_categorical=True)
    assert read_trees(xgb.train({"max_cat_to_onehot": 1, "verbosity": 0}, data, 3)) is None


def test_handed_over_margins_are_met_to_the_last_bits_without_changing_signs_or_order():
    X, y = sample()
    booster = grown(X, y, trees=100)
    explained = TreeShap.of(booster, 6)
    margin, plain = margins(booster, X), explained.contributions(X)
    exact = explained.contributions(X, margin)
    np.testing.assert_allclose(exact.sum(axis=1) + explained.expected_value, margin, atol=1e-12)
    np.testing.assert_array_equal(np.sign(exact), np.sign(plain))
    np.testing.assert_array_equal(np.argsort(exact, axis=1), np.argsort(plain, axis=1))


def test_contributions_that_do_not_add_up_are_refused_when_read_and_on_every_batch(monkeypatch):
    X, y = sample()
    booster = grown(X, y)
    explained = TreeShap.of(booster, 6)
    broken = replace(explained.layout, constants=explained.layout.constants * np.float32(1.01))
    for ask in (
        lambda: replace(explained, layout=broken).contributions(X),
        lambda: explained.contributions(X, margins(booster, X) + 0.01),
        lambda: replace(explained, expected_value=explained.expected_value + 0.01).contributions(X[:1]),
    ):
        with pytest.raises(EarlywarnError, match="do not add up") as caught:
            ask()
        assert caught.value.code == "E030"
    whole = treeshap.read_trees
    monkeypatch.setattr(
        treeshap, "read_trees", lambda booster: replace(whole(booster), value=whole(booster).value * 1.01)
    )
    with pytest.raises(EarlywarnError, match="E030"):
        TreeShap.of(booster, 6)


def test_nothing_is_explained_of_no_rows():
    X, y = sample()
    assert TreeShap.of(grown(X, y), 6).contributions(X[:0]).shape == (0, 6)


def test_memory_is_what_the_bound_reckons_with():
    X, y = sample(rows=2000)
    booster = grown(X, y, trees=60, max_depth=6)
    layout = TreeShap.of(booster, 6).layout
    assert layout.nbytes - layout.rules.nbytes < treeshap_layout.BYTES_OF_NODE * len(read_trees(booster).left)
