"""Obligations, observations and labels: the only code that looks forward."""

from earlywarn.outcomes.outcome import OBSERVATION_COLUMNS, STAGES, Outcome

__all__ = ["OBSERVATION_COLUMNS", "STAGES", "Outcome"]
