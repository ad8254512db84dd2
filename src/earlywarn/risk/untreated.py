"""Trees that also know who was contacted, as they are where nobody is.

A last column says of each training row whether the debtor was contacted before the outcome. What is to be known is the
risk without a contact, so in every tree that splits on this column the branch of "not contacted" takes the place of the
split. What is left is a booster of the features alone: its margin is the old one at "not contacted", and it is
explained exactly like any other.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

__all__ = ["with_column", "without_last_column"]

#: What an xgboost tree stores by node.
_BY_NODE = (
    "base_weights", "default_left", "loss_changes", "split_conditions", "split_indices", "split_type", "sum_hessian",
)  # fmt: skip


def with_column(matrix: npt.NDArray[np.float32], values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """A matrix with one more column, the last.

    Examples
    --------
    >>> with_column(np.zeros((2, 1), dtype=np.float32), np.array([True, False])).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    return np.column_stack([matrix, values.astype(np.float32)])


def without_last_column(booster: xgb.Booster) -> xgb.Booster:
    """Fix the last column at 0 and take it out.

    Parameters
    ----------
    booster : xgboost.Booster
        Of k + 1 columns of numbers.

    Returns
    -------
    xgboost.Booster
        Of k columns. The cover of a node is the sum over its leaves, so that explanations start at the mean over
        training rows as they would be spread without a contact.
    """
    model = json.loads(bytes(booster.save_raw("json")))
    learner = model["learner"]
    last = int(learner["learner_model_param"]["num_feature"]) - 1
    for tree in learner["gradient_booster"]["model"]["trees"]:
        _prune(tree, last)
        tree["tree_param"]["num_feature"] = str(last)
    learner["learner_model_param"]["num_feature"] = str(last)
    for name in ("feature_names", "feature_types"):
        learner[name] = learner.get(name, [])[:last]
    pruned = xgb.Booster(model_file=bytearray(json.dumps(model).encode()))
    return pruned


def _prune(tree: dict[str, Any], column: int) -> None:
    """Put the branch of 0 in the place of every split on a column."""
    left, right, index = tree["left_children"], tree["right_children"], tree["split_indices"]
    condition = tree["split_conditions"]

    def kept(node: int) -> int:
        while left[node] >= 0 and index[node] == column:
            node = left[node] if condition[node] > 0.0 else right[node]
        return node

    order, parents, children = [kept(0)], [_NO_PARENT], {}
    for place, node in enumerate(order):  # grows while it is walked
        if left[node] >= 0:
            children[place] = (len(order), len(order) + 1)
            order += [kept(left[node]), kept(right[node])]
            parents += [place, place]
    for name in _BY_NODE:
        tree[name] = [tree[name][node] for node in order]
    tree["parents"] = parents
    tree["left_children"] = [children.get(place, (-1, -1))[0] for place in range(len(order))]
    tree["right_children"] = [children.get(place, (-1, -1))[1] for place in range(len(order))]
    cover = tree["sum_hessian"]
    for place in sorted(children, reverse=True):
        cover[place] = cover[children[place][0]] + cover[children[place][1]]
    tree["tree_param"]["num_nodes"] = str(len(order))
    tree["tree_param"]["num_deleted"] = "0"


#: What xgboost writes as the parent of a root.
_NO_PARENT = 2147483647
