"""For tests of your own features: random ledgers full of hard cases, and the laws that every feature keeps to.

Needs hypothesis; nothing of it is loaded before one of these is called.
"""

from earlywarn.testing.laws import FeatureLawError, check_feature
from earlywarn.testing.tables import Tables, ledgers, tables

__all__ = ["FeatureLawError", "Tables", "check_feature", "ledgers", "tables"]
