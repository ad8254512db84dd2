"""What a definition must keep to: names, closed lists, languages, placeholders, grounds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from earlywarn.errors import FeatureError, suggest
from earlywarn.features.expression import Expression, parse_condition
from earlywarn.tables.schema import AUDIT_ONLY

__all__ = [
    "LANGUAGES",
    "check_bare_names",
    "check_ground",
    "check_keys",
    "check_languages",
    "check_name",
    "check_placeholders",
    "check_show",
    "check_string",
    "check_word",
    "placeholders",
    "selected",
]

LANGUAGES = ("en", "nl", "fr")
NAME = re.compile(r"[a-z][a-z0-9_]*")
LANGUAGE_TAG = re.compile(rf"(?:{'|'.join(LANGUAGES)})(?:-[A-Z]{{2}})?")
_CHOICE = re.compile(r"\s*(\w+)\s*,\s*(plural|select)\s*,(.*)", re.DOTALL)


def placeholders(text: str) -> set[str]:
    """Names that a text asks for, those inside the branches of a plural or a select included.

    Raises
    ------
    FeatureError
        When the braces do not match (code F206).

    Examples
    --------
    >>> sorted(placeholders("{n, plural, one {# bill of {amount|money}} other {# bills}}, {share|percent}"))
    ['amount', 'n', 'share']
    """
    names = set()
    for _, block in _blocks(text):
        choice = _CHOICE.fullmatch(block)
        if choice is None:
            names.add(block.partition("|")[0].strip())
        else:
            names.add(choice[1])
            names.update(*(placeholders(branch) for _, branch in _blocks(choice[3])))
    return names


def selected(text: str) -> dict[str, set[str]]:
    """Words that a text says in its own way, by the name they are chosen by.

    Examples
    --------
    >>> sorted(selected("{why, select, funds {no funds} other {{why}}}")["why"])
    ['funds', 'other']
    """
    words: dict[str, set[str]] = {}
    for _, block in _blocks(text):
        choice = _CHOICE.fullmatch(block)
        for word, branch in _blocks(choice[3]) if choice else ():
            for name, inner in selected(branch).items():
                words.setdefault(name, set()).update(inner)
            if choice is not None and choice[2] == "select":
                words.setdefault(choice[1], set()).add(word)
    return words


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield what stands between outermost braces, each after the words before it."""
    depth, start, before, words = 0, 0, 0, ""
    for place, letter in enumerate(text):
        if letter == "{":
            depth += 1
            if depth == 1:
                words, start = text[before:place].strip(), place + 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                yield words, text[start:place]
                before = place + 1
        if depth < 0:
            break
    if depth:
        raise FeatureError(
            "the braces of a text do not match.",
            code="F206",
            found=repr(text),
            hint="{name} or {n, plural, …}.",
        )


def check_string(what: str, value: Any, *, table: bool) -> None:
    """Refuse what is no text, or no table of texts (code F202)."""
    if table:
        good = isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair)
    else:
        good = isinstance(value, str)
    if not good:
        raise FeatureError(f"{what} is no text.", code="F202", found=repr(value), hint="put it in quotation marks.")


def check_keys(what: str, table: Any, known: Iterable[str]) -> None:
    """Refuse a key that is not known, with the closest one that is (code F202)."""
    if not isinstance(table, Mapping):
        raise FeatureError(f"{what} is no table.", code="F202", found=repr(table), hint="begin with [name].")
    for key in table:
        if key not in known:
            raise FeatureError(f"{what} has an unknown key {key!r}.", code="F202", hint=suggest(str(key), known))


def check_name(name: Any, what: str) -> None:
    """Refuse a name that could not be a column (code F201)."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise FeatureError(
            f"{what}: a name has small letters, digits and underscores, a letter first.",
            code="F201",
            hint="<subject>_<measure>_<window>, such as usage_spike_30d.",
        )


def check_word(what: str, key: str, word: str, known: Iterable[str]) -> None:
    """Refuse a word outside a closed list (code F204)."""
    if word not in known:
        raise FeatureError(f"{what} has {key} = {word!r}.", code="F204", hint=suggest(word, known))


def check_bare_names(what: str, expression: Expression) -> None:
    """Refuse bare names outside aggregates: a feature reads tables, not other features (code F214)."""
    for name in expression.names[:1]:
        raise FeatureError(
            f"{what} uses {name!r} outside an aggregate.",
            code="F214",
            found=repr(expression.text),
            hint=f"write invoice.{name}, or an aggregate of table.{name}.",
        )


def check_ground(what: str, expression: Expression, ground: str) -> None:
    """Refuse what is for audit only, unless its ground is stated (code F209)."""
    read = expression.columns() | {(item.selection.table, "*") for item in expression.aggregates}
    audit_only = sorted(".".join(pair) for pair in read if pair[1] in AUDIT_ONLY.get(pair[0], ()))
    if audit_only and not ground.strip():
        raise FeatureError(
            f"{what} reads {', '.join(audit_only)}, which is for audit only.",
            code="F209",
            hint='leave it out, or state the ground: ground = "who decided, when, why needed and lawful".',
        )


def check_show(what: str, show: Mapping[str, str]) -> None:
    """Refuse a placeholder that reads more than ``value`` and features (codes F201, F206, F21x)."""
    for key, text in show.items():
        check_name(key, f"{what}: show.{key}")
        if key == "value":
            raise FeatureError(f"{what} gives show.value.", code="F206", hint="{value} is there already.")
        parse_condition(text)


def check_placeholders(what: str, texts: Mapping[str, str], known: Iterable[str]) -> None:
    """Refuse a placeholder that nothing gives, and a select that differs between languages (code F206)."""
    said = {language: selected(text) for language, text in texts.items()}
    first = next(iter(said), "")
    for language, words in said.items():
        for name in sorted(set(words) & set(said[first])):
            for word in sorted(words[name] ^ said[first][name]):
                raise FeatureError(
                    f"{what}: text.{language} and text.{first} do not choose between the same words of {{{name}}}.",
                    code="F206",
                    found=repr(word),
                    hint="a select names the same words in every language.",
                )
    for language, text in texts.items():
        for name in sorted(placeholders(text) - set(known)):
            raise FeatureError(
                f"{what}: text.{language} asks for {{{name}}}, which nothing gives.",
                code="F206",
                hint=f"{suggest(name, known)} Or add show.{name}.",
            )


def check_languages(what: str, texts: Mapping[str, str]) -> None:
    """Refuse a language that the library does not speak, and an empty sentence (code F205)."""
    for language, text in texts.items():
        if not LANGUAGE_TAG.fullmatch(language):
            raise FeatureError(f"{what} is in {language!r}.", code="F205", hint=suggest(language, LANGUAGES))
        if not text.strip():
            raise FeatureError(
                f"{what} in {language!r} is empty.", code="F205", hint="write a sentence, or leave it out."
            )
