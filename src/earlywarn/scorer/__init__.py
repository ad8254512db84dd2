"""Scorer: features, outcome, model and policy as one thing that scores, recommends, and is kept as data."""

from earlywarn.risk.newcomers import GROUPED_BY, groups_of
from earlywarn.scorer.registry import Comparison, compare, log_scorer, promote
from earlywarn.scorer.scorer import PLAN_COLUMNS, SCORE_COLUMNS, Scorer
from earlywarn.scorer.training import train

__all__ = [
    "GROUPED_BY",
    "PLAN_COLUMNS",
    "SCORE_COLUMNS",
    "Comparison",
    "Scorer",
    "compare",
    "groups_of",
    "log_scorer",
    "promote",
    "train",
]
