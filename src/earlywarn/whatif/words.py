"""Changes, scenarios and what the model says of them, in three languages; the sentences stand in ``words.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from earlywarn.reasons.texts import pick, render
from earlywarn.whatif.changes import Change

__all__ = ["change_words", "joined_phrases", "phrase", "sentence"]


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    file = resources.files("earlywarn.whatif") / "words.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def sentence(name: str, language: str, **values: object) -> str:
    """A sentence by its name, with figures.

    Examples
    --------
    >>> sentence("lowest", "en", now="8%", then="8%")
    'The model says 8%, which is the lowest band already.'
    """
    return render(pick(_words()[name], language) or "", values, language=language)


def phrase(name: str, language: str) -> str:
    """A few words without figures.

    Examples
    --------
    >>> phrase("band_low", "nl")
    'laag'
    """
    return sentence(name, language)


def change_words(change: Change, language: str) -> str:
    """A change as part of a sentence that begins with "if".

    Examples
    --------
    >>> change_words(Change("usage", -0.2), "en")
    'usage had been 20% lower'
    >>> change_words(Change("due_day", 10), "nl")
    'de vervaldag 10 dagen later viel'
    """
    return sentence(change.kind, language, n=change.size, size=abs(change.size), side=1 if change.size < 0 else 2)


def joined_phrases(changes: Sequence[Change], language: str) -> str:
    """Changes one after another.

    Examples
    --------
    >>> joined_phrases([Change("autopay"), Change("instalments", 3)], "en")
    'the bill were paid by direct debit and the bill were paid in 3 parts'
    """
    return phrase("and", language).join(change_words(change, language) for change in changes)
