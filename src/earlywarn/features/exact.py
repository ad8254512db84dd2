"""Sums without rounding: numbers cut into whole parts of powers of 2**32, which add up exactly in any order.

A float is cut into signed whole numbers below 2**32, one for each power that it reaches. Their int64 sums are
exact for two billion facts: the sums of buckets are the sums of the whole, and taking a part out again leaves
no residue. Rounding happens once, when a sum is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CHUNK", "LIMIT", "Column", "Sums", "countable", "joined", "spread"]

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
#: What is summed ("count", "sum" or "square"), and the power of 2**32 that it is counted in.
Column = tuple[str, int]
#: Values of this size and above are beyond float32, in which features are handed out: they count as missing.
LIMIT = 2.0**128
#: Facts summed in one go: parts below 2**33 times so many stay exact in a float64.
CHUNK = 1 << 20
_BITS = 32
_SMALLEST = {"sum": -4, "square": -8}


def countable(values: Values) -> npt.NDArray[np.bool_]:
    """Where a value is given and smaller than `LIMIT`.

    Examples
    --------
    >>> countable(np.array([1.0, np.nan, -1e39])).tolist()
    [True, False, False]
    """
    return np.asarray((values < LIMIT) & (values > -LIMIT))


@dataclass(frozen=True, eq=False)
class Sums:
    """Count, sum and sum of squares of n cells, exact.

    Attributes
    ----------
    columns : tuple of (str, int)
        What each column of ``parts`` holds, sorted; ("count", 0) is always there.
    parts : ndarray of int64, shape (n, n_columns)
    """

    columns: tuple[Column, ...]
    parts: Rows

    @staticmethod
    def of(values: Values, sign: Values, cell: Rows, count: int) -> Sums:
        """Sum values by cell.

        Parameters
        ----------
        values : ndarray of float64, shape (n,), n at most `CHUNK`
            Finite, smaller than `LIMIT`.
        sign : ndarray of float64, shape (n,)
            1 to add a value, -1 to take it out.
        cell : ndarray of int64, shape (n,), below ``count``
        count : int

        Returns
        -------
        Sums, of ``count`` cells

        Examples
        --------
        >>> tenths = Sums.of(np.full(10, 0.1), np.ones(10), np.zeros(10, dtype=np.int64), 1)
        >>> tenths.read("count")[0].item(), tenths.read("sum")[0].item()
        (10.0, 1.0)
        """
        found = {("count", 0): np.bincount(cell, weights=sign, minlength=count).astype(np.int64)}
        high, low = _squares(values)
        for name, part in (("sum", values), ("square", high), ("square", low)):
            for power, whole in _cut(part, _SMALLEST[name]):
                added = np.bincount(cell, weights=whole * sign, minlength=count).astype(np.int64)
                found[name, power] = found[name, power] + added if (name, power) in found else added
        columns = tuple(sorted(found))
        return Sums(columns, np.stack([found[column] for column in columns], axis=1))

    @staticmethod
    def nothing(count: int) -> Sums:
        """Sums of no facts."""
        return Sums((("count", 0),), np.zeros((count, 1), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.parts)

    def __sub__(self, other: Sums) -> Sums:
        """Take the same number of cells out, row by row."""
        columns = tuple(sorted({*self.columns, *other.columns}))
        return Sums(columns, self.in_columns(columns) - other.in_columns(columns))

    def take(self, rows: Rows | slice) -> Sums:
        """The given cells."""
        return Sums(self.columns, self.parts[rows])

    def in_columns(self, columns: Sequence[Column]) -> Rows:
        """Parts under other columns; what is not there is 0."""
        if tuple(columns) == self.columns:
            return self.parts
        place = {column: number for number, column in enumerate(self.columns)}
        parts = np.zeros((len(self.parts), len(columns)), dtype=np.int64)
        for number, column in enumerate(columns):
            if column in place:
                parts[:, number] = self.parts[:, place[column]]
        return parts

    def read(self, name: str) -> tuple[Values, Values]:
        """Sums as floats: the nearest one, and what is left beyond it.

        Parameters
        ----------
        name : {"count", "sum", "square"}

        Returns
        -------
        tuple of two ndarray of float64, shape (n,)
        """
        place = {power: number for number, (what, power) in enumerate(self.columns) if what == name}
        high, low = np.zeros(len(self.parts)), np.zeros(len(self.parts))
        if not place:
            return high, low
        if list(place) == [0] and np.abs(self.parts[:, place[0]]).max(initial=0) < 2**53:
            return self.parts[:, place[0]].astype(np.float64), low
        carry, digits = np.zeros(len(self.parts), dtype=np.int64), []
        for power in range(min(place), max(place) + 1):
            part = carry + self.parts[:, place[power]] if power in place else carry
            carry = part >> _BITS
            digits.append((power, part - (carry << _BITS)))
        tail = np.zeros(len(self.parts))
        for power, digit in [(max(place) + 1, carry), *reversed(digits)]:
            high, left = _two_sum(high, np.ldexp(digit.astype(np.float64), _BITS * power))
            low, lost = _two_sum(low, left)
            tail = tail + lost
        return _nearest(*_two_sum(high, low), tail)


def _nearest(high: Values, low: Values, tail: Values) -> tuple[Values, Values]:
    """Where ``low`` lies halfway between two floats, the ``tail`` beyond it decides for the outer one."""
    outer = high + 2.0 * low
    beyond = (np.sign(low) == np.sign(tail)) & (tail != 0.0) & (outer - high == 2.0 * low)
    return np.where(beyond, outer, high), np.where(beyond, -low, low)


def joined(several: Sequence[Sums]) -> Sums:
    """Cells of several sums behind each other.

    Parameters
    ----------
    several : sequence of Sums

    Returns
    -------
    Sums
    """
    columns = tuple(sorted({("count", 0), *(column for sums in several for column in sums.columns)}))
    parts = [sums.in_columns(columns) for sums in several]
    return Sums(columns, np.concatenate(parts) if parts else np.zeros((0, len(columns)), dtype=np.int64))


def spread(sums: Sums) -> Values:
    """Sample standard deviation, ddof 1; missing below two facts.

    Parameters
    ----------
    sums : Sums

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> far = np.array([1e9 + 1, 1e9 + 2, 1e9 + 3])
    >>> spread(Sums.of(far, np.ones(3), np.zeros(3, dtype=np.int64), 1))
    array([1.])
    """
    n = sums.read("count")[0]
    total, total_left = sums.read("sum")
    square, square_left = sums.read("square")
    high, low = _two_product(n, square)
    less, less_low = _two_product(total, total)
    low, less_low = low + n * square_left, less_low + 2 * total * total_left
    difference, left = _two_sum(high, -less)
    squares = difference + (left + (low - less_low))
    squares = np.where(squares <= high * 2.0**-98, 0.0, squares)  # all values the same: nothing but the last digit
    several = n > 1
    return np.where(several, np.sqrt(squares / np.where(several, n * (n - 1), 1.0)), np.nan)


def _cut(values: Values, smallest: int) -> Iterator[tuple[int, Values]]:
    """Whole numbers below 2**32 in size, for each power of 2**32 down to the smallest; exact but for what is below."""
    largest = float(np.abs(values).max(initial=0.0))
    power = (int(np.frexp(largest)[1]) - 1) // _BITS
    while power >= smallest and largest > 0:
        whole = np.trunc(np.ldexp(values, -_BITS * power))
        if whole.any():
            yield power, whole
            values = values - np.ldexp(whole, _BITS * power)
            if not values.any():
                return
        power -= 1


def _two_sum(a: Values, b: Values) -> tuple[Values, Values]:
    """Sum of two floats and what rounding left out (Knuth)."""
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def _two_product(a: Values, b: Values) -> tuple[Values, Values]:
    """Product of two floats and what rounding left out (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _squares(values: Values) -> tuple[Values, Values]:
    return _two_product(values, values)


def _halves(values: Values) -> tuple[Values, Values]:
    """Upper and lower 26 bits."""
    shifted = values * 134_217_729.0
    high = shifted - (shifted - values)
    return high, values - high
