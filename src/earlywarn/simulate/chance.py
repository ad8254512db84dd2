"""Draws by number: each is a hash of the world, the customer, what it decides and which one of these it is.

No draw depends on another, so a customer has the same luck whatever is done to him and whoever else is there: worlds
that differ in an action differ in what the action causes (common random numbers), and one customer alone lives as in
a million. The same lines run compiled on one number, see ``life_kernels``, and as numpy on many.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["LAST", "STEP", "key_of", "mixed", "uniform"]

#: Steps and mixing constants of SplitMix64 (Steele, Lea and Flood 2014; the constants are those of Stafford's mix 13).
STEP, _ONE, _TWO = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_A, _B, _C, LAST = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def mixed(x: Any) -> Any:
    """Stir the bits of a number, or of many."""
    x = (x ^ (x >> _A)) * _ONE
    x = (x ^ (x >> _B)) * _TWO
    return x ^ (x >> _C)


def uniform(key: Any, purpose: int, number: Any) -> Any:
    """Draws between 0 and 1, both excluded.

    Parameters
    ----------
    key : ndarray of uint64
        Of customers, see `key_of`.
    purpose : int
        What is decided.
    number : ndarray of int64
        Which one: a day, a bill; shapes broadcast.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> uniform(key_of(0, np.arange(2)), 1, np.zeros(2, dtype=np.int64)).round(3)
    array([0.988, 0.581])
    """
    number = np.asarray(number).astype(np.uint64)
    x = mixed(mixed(key ^ (np.array([purpose], dtype=np.uint64) * STEP)) + number * STEP)
    return ((x >> LAST).astype(np.float64) + 0.5) * 2.0**-53


def key_of(seed: int, customer: Any, salt: int = 0) -> Any:
    """The number behind all draws of each customer of a world.

    Parameters
    ----------
    seed : int
    customer : ndarray of int64
    salt : int
        Another one for another future.

    Returns
    -------
    ndarray of uint64
    """
    world = mixed(np.array([seed, salt], dtype=np.int64).astype(np.uint64) * STEP + _ONE)
    return mixed(np.asarray(customer).astype(np.uint64) * STEP + (world[0] ^ (world[1] >> _A)))
