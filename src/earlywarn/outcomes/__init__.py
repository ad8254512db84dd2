"""Obligations, observations and labels: the only code that looks forward."""

from earlywarn.outcomes.outcome import OBSERVATION_COLUMNS, STAGES, Outcome
from earlywarn.outcomes.pool import CyclePool
from earlywarn.outcomes.projection import cycle_pool
from earlywarn.outcomes.running import cycle_accounts

__all__ = ["OBSERVATION_COLUMNS", "STAGES", "CyclePool", "Outcome", "cycle_accounts", "cycle_pool"]
