"""Scorer: features, outcome, model and policy as one thing that scores, recommends, and is kept as data."""

from earlywarn.scorer.scorer import PLAN_COLUMNS, SCORE_COLUMNS, Scorer

__all__ = ["PLAN_COLUMNS", "SCORE_COLUMNS", "Scorer"]
