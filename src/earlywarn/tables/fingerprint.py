"""A name for data: the same facts, the same name; anything else, another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from earlywarn.tables.checks import Text
from earlywarn.tables.facts import Facts

__all__ = ["fingerprint_of_facts", "fingerprint_of_files"]


def fingerprint_of_facts(tables: Mapping[str, Facts], *more: Any) -> str:
    """SHA-256 over every column of every table, and whatever else decides what they mean.

    Parameters
    ----------
    tables : mapping of str to Facts
    *more
        Ready for JSON.

    Returns
    -------
    str, hexadecimal
    """
    whole = hashlib.sha256(json.dumps([list(map(str, more)), sorted(tables)]).encode())
    for name in sorted(tables):
        facts = tables[name]
        _add(whole, [name], [facts.happened_at, facts.known_at, facts.known_until, facts.owner])
        for column in sorted(facts.columns):
            values = facts.columns[column]
            if isinstance(values, Text):
                _add(whole, [column, *values.labels], [values.codes])
            else:
                _add(whole, [column], [np.asarray(values)])
    return whole.hexdigest()


def fingerprint_of_files(files: Mapping[str, Mapping[str, Any]]) -> str:
    """SHA-256 over the hashes of a store's files.

    Parameters
    ----------
    files : mapping of str to mapping
        With sha256, by name.

    Returns
    -------
    str, hexadecimal
    """
    return hashlib.sha256(json.dumps([[name, files[name]["sha256"]] for name in sorted(files)]).encode()).hexdigest()


def _add(whole: Any, words: Iterable[str], arrays: Iterable[Any]) -> None:
    whole.update(json.dumps(list(words), ensure_ascii=False).encode())
    for array in arrays:
        whole.update(f"{array.dtype.str}{array.shape}".encode())
        whole.update(np.ascontiguousarray(array).view(np.uint8).data)
