"""Features of what was paid most, for earlywarn: the TOML files in this folder, and the aggregate below."""

from __future__ import annotations

import numpy as np

import earlywarn as ew


@ew.aggregate
def mean_of_largest(values, k=3):
    """Mean of the k largest values."""
    return np.sort(values)[-k:].mean()
