"""The grammar of a reason text: plain words, `{name|filter:argument}`, ICU plurals and ICU selects.

A template is parsed once into a small tree; rendering walks that tree with values and a locale. Braces are
syntax everywhere, so a text cannot hold a literal brace; an apostrophe is always an apostrophe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from earlywarn.errors import FeatureError

__all__ = ["Branch", "Count", "Node", "Placeholder", "Plural", "Select", "parse", "placeholders"]


@dataclass(frozen=True)
class Placeholder:
    """A value put into the text through a filter; an empty filter follows the value's own kind."""

    name: str
    filter: str = ""
    argument: str = ""


@dataclass(frozen=True)
class Count:
    """The number sign inside a plural: the number the plural chooses by."""

    name: str


@dataclass(frozen=True)
class Branch:
    """One form of a plural: `one`, `other`, … or an exact number as `=0`; of a select: a word, or `other`."""

    selector: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Plural:
    """A choice between forms by the number ``name``."""

    name: str
    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Select:
    """A choice between forms by the word ``name``: how a code of ours is said in each language."""

    name: str
    branches: tuple[Branch, ...]


Node = str | Placeholder | Count | Plural | Select
SELECTORS = ("zero", "one", "two", "few", "many", "other")


@lru_cache(maxsize=4096)
def parse(template: str) -> tuple[Node, ...]:
    """Parse a template.

    Parameters
    ----------
    template : str

    Returns
    -------
    tuple of str, Placeholder, Count, Plural and Select

    Raises
    ------
    FeatureError
        If a brace is not closed, a name is not a name, or a plural or select has no `other` form (code F260).

    Examples
    --------
    >>> parse("{n|number:1} days")
    (Placeholder(name='n', filter='number', argument='1'), ' days')
    """
    nodes, end = _sequence(template, 0, None)
    if end < len(template):
        raise _malformed(template, end, "this closing brace has no opening one")
    return nodes


def placeholders(template: str) -> frozenset[str]:
    """Names a template needs.

    Examples
    --------
    >>> sorted(placeholders("{k, plural, one {{n} day} other {# days}}"))
    ['k', 'n']
    """
    return frozenset(_names(parse(template)))


def _names(nodes: tuple[Node, ...]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            continue
        yield node.name
        if isinstance(node, Plural | Select):
            for branch in node.branches:
                yield from _names(branch.nodes)


def _sequence(text: str, at: int, counted: str | None) -> tuple[tuple[Node, ...], int]:
    """Read nodes from ``at`` up to an unmatched closing brace; ``counted`` is what `#` stands for."""
    nodes: list[Node] = []
    start = at
    while at < len(text) and text[at] != "}":
        if text[at] != "{" and not (text[at] == "#" and counted):
            at += 1
            continue
        if at > start:
            nodes.append(text[start:at])
        if text[at] == "#":
            nodes.append(Count(counted or ""))
            at += 1
        else:
            node, at = _braced(text, at, counted)
            nodes.append(node)
        start = at
    if at > start:
        nodes.append(text[start:at])
    return tuple(nodes), at


def _braced(text: str, opening: int, counted: str | None) -> tuple[Node, int]:
    """Read what stands in braces from ``opening``; return it and the position after the closing brace."""
    at = opening + 1
    while at < len(text) and text[at] not in "{},":
        at += 1
    head = text[opening + 1 : at].strip()
    if at == len(text) or text[at] == "{":
        raise _malformed(text, opening, "this brace is not closed")
    if text[at] == ",":
        return _choice(text, opening, at + 1, _name(text, opening, head), counted)
    name, _, rest = head.partition("|")
    kind, _, argument = rest.partition(":")
    return Placeholder(_name(text, opening, name), kind.strip(), argument.strip()), at + 1


def _choice(text: str, opening: int, at: int, name: str, counted: str | None) -> tuple[Plural | Select, int]:
    """Read the forms of a plural or a select; `#` in a select is that of the plural around it."""
    comma = text.find(",", at)
    kind = text[at:comma].strip() if comma >= 0 else ""
    if kind not in ("plural", "select"):
        raise _malformed(text, opening, "after the comma only `plural, …` or `select, …` may follow")
    branches: list[Branch] = []
    at = comma + 1
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at < len(text) and text[at] == "}":
            break
        brace = text.find("{", at)
        if brace < 0:
            raise _malformed(text, opening, f"this {kind} is not closed")
        selector = _selector(text, at, text[at:brace].strip(), kind)
        if selector in {branch.selector for branch in branches}:
            raise _malformed(text, at, f"{selector!r} stands twice in this {kind}")
        nodes, at = _sequence(text, brace + 1, name if kind == "plural" else counted)
        if at == len(text):
            raise _malformed(text, brace, "this brace is not closed")
        branches.append(Branch(selector, nodes))
        at += 1
    if "other" not in {branch.selector for branch in branches}:
        raise _malformed(text, opening, f"this {kind} has no `other` form")
    return (Plural if kind == "plural" else Select)(name, tuple(branches)), at + 1


def _selector(text: str, at: int, selector: str, kind: str) -> str:
    if kind == "select":
        return _name(text, at, selector)
    if selector in SELECTORS or (selector.startswith("=") and selector[1:].isdigit()):
        return selector
    raise _malformed(text, at, f"{selector!r} is no plural form (zero, one, two, few, many, other, or =0)")


def _name(text: str, at: int, name: str) -> str:
    name = name.strip()
    if name.isidentifier():
        return name
    raise _malformed(text, at, f"{name!r} is not a name")


def _malformed(template: str, at: int, why: str) -> FeatureError:
    return FeatureError(
        f"a text template is malformed at position {at}: {why}.",
        code="F260",
        found=repr(template),
        hint="write {name}, {name|filter:argument}, {name, plural, one {…} other {# …}} "
        "or {name, select, word {…} other {…}}.",
    )
