"""Pictures in scikit-learn's manner: a display holds arrays, `plot` draws them. Knows no model."""

from earlywarn.plots.life import LifeDisplay
from earlywarn.plots.reasons import ReasonDisplay
from earlywarn.plots.reliability import ReliabilityDisplay
from earlywarn.plots.timeline import TimelineDisplay
from earlywarn.plots.worklist import WorklistDisplay

__all__ = ["LifeDisplay", "ReasonDisplay", "ReliabilityDisplay", "TimelineDisplay", "WorklistDisplay"]
