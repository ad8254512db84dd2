"""Which bucket a debtor belongs to: the same arithmetic in Python, DuckDB and Spark.

The bucket is the first 32 bits of the md5 of the id's UTF-8 text, modulo the number of buckets. In Spark:
``conv(substring(md5(id), 1, 8), 16, 10) % n``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import DataError

__all__ = ["bucket_of", "bucket_sql", "literal", "quoted", "word_sql"]

#: What ``str.strip`` takes off; DuckDB's ``trim`` alone takes off spaces only.
_BLANKS = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


def bucket_of(ids: Iterable[Any], count: int) -> npt.NDArray[np.int64]:
    """Bucket of each id.

    Parameters
    ----------
    ids : iterable of str, length n
    count : int
        Number of buckets.

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> bucket_of(["c1", "Zoë", "c1"], 8)
    array([1, 3, 1])
    """
    codes, words = pd.factorize(np.asarray(list(ids), dtype=object), use_na_sentinel=True)
    numbers = [int(hashlib.md5(str(word).encode(), usedforsecurity=False).hexdigest()[:8], 16) for word in words]
    return np.array([*(number % count for number in numbers), 0], dtype=np.int64)[codes]


def bucket_sql(word: str, count: int) -> str:
    """The same in DuckDB's SQL, of an expression that gives the id's text; NULL where there is none.

    Examples
    --------
    >>> bucket_sql("id", 8)
    "CAST(CAST('0x' || substring(md5(id), 1, 8) AS UBIGINT) % 8 AS INTEGER)"
    """
    return f"CAST(CAST('0x' || substring(md5({word}), 1, 8) AS UBIGINT) % {count} AS INTEGER)"


def word_sql(column: str, kind: str, where: str) -> str:
    """SQL of a column of ids as the text that checks make of it: blanks off, whole floats without their ``.0``.

    Parameters
    ----------
    column : str
        Its name.
    kind : str
        DuckDB's name of its type.
    where : str
        Table and column as they are called in messages.

    Returns
    -------
    str

    Raises
    ------
    DataError
        D174 when ids are neither text nor numbers.
    """
    name = quoted(column)
    if kind == "VARCHAR":
        plain = f"ascii({name}) BETWEEN 33 AND 126 AND ascii(right({name}, 1)) BETWEEN 33 AND 126"
        return f"CASE WHEN {plain} THEN {name} ELSE nullif(trim({name}, '{_BLANKS}'), '') END"
    if kind in _WHOLE:
        return f"CAST({name} AS VARCHAR)"
    if kind in ("FLOAT", "DOUBLE"):
        whole = f"isfinite({name}) AND {name} = trunc({name})"
        words = f"CASE WHEN {whole} THEN CAST(CAST({name} AS HUGEINT) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"
        return f"CASE WHEN isnan({name}) THEN NULL ELSE {words} END"
    if kind in ('"NULL"', "NULL"):
        return "CAST(NULL AS VARCHAR)"
    raise DataError(f"{where} holds ids of type {kind}.", code="D174", hint="hand ids over as text or whole numbers.")


def quoted(name: str) -> str:
    """A name as SQL writes it.

    Examples
    --------
    >>> quoted("due on")
    '"due on"'
    """
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def literal(words: str) -> str:
    """A text as SQL writes it.

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    doubled = words.replace("'", "''")
    return f"'{doubled}'"
