"""Pictures in scikit-learn's manner: a display holds arrays, `plot` draws them. Knows no model."""

from earlywarn.plots.gains import GainDisplay, LiftDisplay
from earlywarn.plots.life import LifeDisplay
from earlywarn.plots.reasons import ReasonDisplay
from earlywarn.plots.reliability import ReliabilityDisplay
from earlywarn.plots.timeline import TimelineDisplay
from earlywarn.plots.worklist import WorklistDisplay

__all__ = [
    "GainDisplay",
    "LifeDisplay",
    "LiftDisplay",
    "ReasonDisplay",
    "ReliabilityDisplay",
    "TimelineDisplay",
    "WorklistDisplay",
]
