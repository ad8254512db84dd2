"""A world with known causes: customers who forget, run short, dispute and leave, and what contacts do to them.

Use it to try things where the truth is known. It says nothing about real customers.
"""

from earlywarn.simulate.biller import make_biller
from earlywarn.simulate.effects import outcomes, true_p_late
from earlywarn.simulate.history import calls_to_the_riskiest, randomised_pilot
from earlywarn.simulate.preset import Preset, presets, read_preset
from earlywarn.simulate.storing import write_store
from earlywarn.simulate.world import Life, World
from earlywarn.simulate.writing import write_tables

__all__ = [
    "Life",
    "Preset",
    "World",
    "calls_to_the_riskiest",
    "make_biller",
    "outcomes",
    "presets",
    "randomised_pilot",
    "read_preset",
    "true_p_late",
    "write_store",
    "write_tables",
]
