"""Pictures in scikit-learn's manner: a display holds arrays, `plot` draws them. Knows no model."""

from earlywarn.plots.customer import CustomerDisplay
from earlywarn.plots.gains import GainDisplay, LiftDisplay
from earlywarn.plots.life import LifeDisplay
from earlywarn.plots.portfolio import ReasonHeatDisplay, ReasonTrendDisplay
from earlywarn.plots.reasons import ReasonDisplay
from earlywarn.plots.reliability import ReliabilityDisplay
from earlywarn.plots.stress import StressDisplay
from earlywarn.plots.timeline import TimelineDisplay
from earlywarn.plots.worklist import WorklistDisplay

__all__ = [
    "CustomerDisplay",
    "GainDisplay",
    "LifeDisplay",
    "LiftDisplay",
    "ReasonDisplay",
    "ReasonHeatDisplay",
    "ReasonTrendDisplay",
    "ReliabilityDisplay",
    "StressDisplay",
    "TimelineDisplay",
    "WorklistDisplay",
]
