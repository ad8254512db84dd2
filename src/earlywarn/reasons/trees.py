"""The trees of a booster as arrays over all their nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

__all__ = ["Trees", "read_trees"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: How far the covers of two children may be from the cover of their node: float32 sums of many rows.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees one after another, n in all, of t trees.

    Parameters
    ----------
    left, right : ndarray of int64, shape (n,)
        Places of the children among all nodes; -1 in a leaf.
    feature : ndarray of int64, shape (n,)
        Column that is split on.
    value : ndarray of float64, shape (n,)
        Threshold of a split, below which a row goes left; log-odds of a leaf.
    missing_left : ndarray of int64, shape (n,), 0 or 1
        Where missing values go.
    cover : ndarray of float64, shape (n,)
        Sum of the hessians of the training rows that came here.
    starts : ndarray of int64, shape (t + 1,)
        Where each tree begins, and the end.
    """

    left: Ints
    right: Ints
    feature: Ints
    value: Floats
    missing_left: Ints
    cover: Floats
    starts: Ints


def read_trees(booster: xgb.Booster) -> Trees | None:
    """Read trees of numeric splits with one margin each.

    Parameters
    ----------
    booster : xgboost.Booster

    Returns
    -------
    Trees or None
        None for what is no such forest: dart, a linear booster, several outputs, categories, holes left by pruning, or
        covers that do not add up.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    model, sizes = learner["gradient_booster"], learner["learner_model_param"]
    single = int(sizes.get("num_class", 0)) <= 1 and int(sizes.get("num_target", 1)) <= 1
    if model["name"] != "gbtree" or not single or "weight_drop" in model["model"]:  # dart has weights by tree
        return None
    trees = model["model"]["trees"]
    if any(tree["categories"] or int(tree["tree_param"]["num_deleted"]) for tree in trees):  # a pruned tree has holes
        return None
    sizes_of_trees = [len(tree["left_children"]) for tree in trees]
    starts = np.concatenate([[0], np.cumsum(sizes_of_trees)]).astype(np.int64)
    first = np.repeat(starts[:-1], sizes_of_trees)
    left = _joined(trees, "left_children", np.int64)
    inner = left >= 0
    found = Trees(
        np.where(inner, left + first, -1),
        np.where(inner, _joined(trees, "right_children", np.int64) + first, -1),
        _joined(trees, "split_indices", np.int64),
        _joined(trees, "split_conditions", np.float64),
        _joined(trees, "default_left", np.int64),
        _joined(trees, "sum_hessian", np.float64),
        starts,
    )
    return found if _adds_up(found) else None


def _joined(trees: list[dict[str, Any]], name: str, dtype: type[Any]) -> npt.NDArray[Any]:
    return np.fromiter(chain.from_iterable(tree[name] for tree in trees), dtype=dtype)


def _adds_up(trees: Trees) -> bool:
    """Whether the rows of each node are those of its children."""
    inner = trees.left >= 0
    both = trees.cover[trees.left[inner]] + trees.cover[trees.right[inner]]
    return bool(np.all(np.abs(both - trees.cover[inner]) <= ROUNDING * trees.cover[inner]))
