"""Scorer: features, outcome, model and policy as one thing that scores, recommends, and is kept as data."""

from earlywarn.risk.newcomers import GROUPED_BY, groups_of
from earlywarn.scorer.scorer import PLAN_COLUMNS, SCORE_COLUMNS, Scorer
from earlywarn.scorer.training import train

__all__ = ["GROUPED_BY", "PLAN_COLUMNS", "SCORE_COLUMNS", "Scorer", "groups_of", "train"]
