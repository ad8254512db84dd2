"""A definition read aloud: what each aggregate makes of which facts, in the reader's language.

The grammar of `expression` in words, beside the text itself, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from earlywarn.features.expression import DEFAULT_DAYS, Aggregate, Selection
from earlywarn.features.segments import segments
from earlywarn.reasons.templates import Node, Plural, Select, parse
from earlywarn.reasons.texts import LANGUAGES, pick
from earlywarn.reasons.wording import WORDS, base, said, spoken
from earlywarn.tables.schema import TABLES

if TYPE_CHECKING:
    from earlywarn.features.definition import Family, Feature

__all__ = ["UNITS", "aggregate_words", "card", "empty_words", "outline", "reads", "unit_words"]

#: Units of the catalogue in Dutch and French; one that is not listed is shown as it stands.
UNITS: Mapping[str, tuple[str, str]] = {
    "arrangements": ("regelingen", "plans de paiement"),
    "attempt": ("poging", "tentative"),
    "bills": ("normale facturen", "factures habituelles"),
    "category": ("categorie", "catégorie"),
    "changes": ("wijzigingen", "changements"),
    "collections": ("afschrijvingen", "encaissements"),
    "contacts": ("contacten", "contacts"),
    "contracts": ("contracten", "contrats"),
    "currency": ("valuta", "monnaie"),
    "day of the month": ("dag van de maand", "jour du mois"),
    "days": ("dagen", "jours"),
    "days per day": ("dagen per dag", "jours par jour"),
    "disputes": ("betwistingen", "contestations"),
    "flag": ("ja of nee", "oui ou non"),
    "holidays": ("feestdagen", "jours fériés"),
    "invoices": ("facturen", "factures"),
    "log ratio": ("logaritme van een verhouding", "logarithme d'un rapport"),
    "mandates": ("machtigingen", "mandats"),
    "methods": ("betaalwijzen", "moyens de paiement"),
    "percent": ("procent", "pour cent"),
    "promises": ("toezeggingen", "promesses"),
    "reports": ("meldingen", "statuts communiqués"),
    "ratio": ("verhouding", "rapport"),
    "records": ("regels", "lignes"),
    "score": ("score", "note"),
    "share": ("aandeel", "part"),
    "share per day": ("aandeel per dag", "part par jour"),
    "spreads": ("spreidingen", "écarts"),
    "weekday, 0 is Monday": ("weekdag, 0 is maandag", "jour de la semaine, 0 est lundi"),
}

#: What an aggregate gives for no facts, where it is not "missing".
_EMPTY = {
    "count": "empty_zero", "sum": "empty_zero", "distinct": "empty_zero", "std": "empty_two",
    "slope": "empty_moments", "drift": "empty_ten", "rate": "empty_book",
}  # fmt: skip


def _same(text: str) -> str:
    return text


def card(
    feature: Feature, families: Mapping[str, Family], language: str, code: Callable[[str], str] = _same
) -> list[tuple[str, str]]:
    """What a feature is, line by line.

    Parameters
    ----------
    feature : Feature
    families : mapping of str to Family
    language : str
    code : callable
        How names and definitions are set, such as between backticks.

    Returns
    -------
    list of (heading, words)
    """
    family = families[feature.family]
    lines = [
        ("text", outline(pick(feature.text, language) or "") or "–"),
        ("definition", code(feature.value)),
        ("unit", unit_words(feature.unit, language)),
        ("direction", said(feature.risk, language)),
        ("family", f"{pick(family.label, language) or feature.family} ({code(feature.family)})"),
        ("evidence", said(feature.evidence, language)),
        ("missing", outline(pick(family.missing, language) or "") or "–"),
        ("reads", ", ".join(map(code, reads(feature)))),
    ]
    return [(said(heading, language), words) for heading, words in lines]


def reads(feature: Feature) -> list[str]:
    """Tables and columns that a feature reads, in the order of their names.

    Examples
    --------
    >>> from earlywarn.features.catalogue import Feature
    >>> reads(Feature("fees_90d", "count(invoices, where=kind == 'fee', days=90)"))
    ['invoices', 'invoices.kind']
    """
    columns = feature.expression.columns()
    bare = {one.selection.table for one in feature.expression.aggregates if one.argument is None}
    return sorted({*bare, *(f"{table}.{column}" for table, column in columns)})


def aggregate_words(text: str, aggregate: Aggregate, language: str, code: Callable[[str], str] = _same) -> str:
    """Say what an aggregate makes of which facts.

    Parameters
    ----------
    text : str
        As it stands in the definition.
    aggregate : Aggregate
        The same, parsed.
    language : str
    code : callable
        How names and conditions are set.

    Returns
    -------
    str

    Examples
    --------
    >>> from earlywarn.features.expression import parse
    >>> text = "mean(usage.quantity, days=180, until=30, where=kind == 'data')"
    >>> aggregate_words(text, parse(text).root, "en")
    "mean of usage.quantity in the 180 days before as_of, without the last 30, only where kind == 'data'"
    """
    argument, condition = segments(text)
    function = aggregate.function
    key = function if function in WORDS else "own"
    if function in ("days_since", "days_until") and aggregate.argument is not None:
        key += "_date"
    what = {"table": code(aggregate.selection.table), "what": code(argument), "name": code(function)}
    head = said(key, language, **what, **dict(aggregate.parameters))
    window = _window(aggregate.selection, language)
    said_so = head.rstrip(",") + window if window.startswith(",") else f"{head} {window}"
    return said_so + _cut(aggregate.selection, code(condition), language)


def _window(selection: Selection, language: str) -> str:
    if selection.ahead:
        return said("ahead" if selection.days else "ahead_open", language, days=selection.days)
    if selection.days is None and selection.table in TABLES and TABLES[selection.table].lasting:
        return said("lasting", language)
    days = DEFAULT_DAYS if selection.days is None else selection.days
    return said("window_until" if selection.until else "window", language, days=days, until=selection.until)


def _cut(selection: Selection, condition: str, language: str) -> str:
    """Condition, whose facts, and which of the newest; in the order in which they are applied."""
    said_of = ""
    if selection.of == "portfolio":
        said_of = said("of_portfolio", language)
    elif selection.of != "customer":
        said_of = said("of_group", language, group=said(f"group_{selection.of}", language))
    if selection.leave_out:
        said_of += said("leave_out", language)
    if selection.where is not None:
        said_of += said("where", language, condition=condition)
    if selection.skip:
        said_of += said("skipped", language, skip=selection.skip)
    if selection.last is not None:
        said_of += said("then_kept" if selection.skip else "last_kept", language, last=selection.last)
    return said_of


def empty_words(aggregate: Aggregate, language: str) -> str:
    """Say what an aggregate gives where there are no facts, or too few.

    Examples
    --------
    >>> from earlywarn.features.expression import parse
    >>> empty_words(parse("count(payments)").root, "nl")
    '0 als er geen feiten zijn'
    """
    return said(_EMPTY.get(aggregate.function, "empty_missing"), language)


def outline(template: str) -> str:
    """A text with … where figures will stand, in the form that it takes for most of them.

    Examples
    --------
    >>> outline("{k, plural, =0 {no bills} one {# bill} other {# bills of {amount|money}}}")
    '… bills of …'
    """
    return "".join(_outline(node) for node in parse(template))


def _outline(node: Node) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Plural | Select):
        (most,) = (branch for branch in node.branches if branch.selector == "other")
        return "".join(_outline(inner) for inner in most.nodes)
    return "…"


def unit_words(unit: str, language: str) -> str:
    """A unit in words; what the list does not have stays as it is.

    Examples
    --------
    >>> unit_words("days", "fr"), unit_words("bundles", "nl"), unit_words("", "nl")
    ('jours', 'bundles', '–')
    """
    at = LANGUAGES.index(base(spoken(language)))
    return UNITS[unit][at - 1] if at and unit in UNITS else unit or "–"
