"""A reason in words: the catalogue's sentence with the row's own figures in it.

The analyst's voice: a fact with a figure, no judgement. A figure that is not known gives the family's own
sentence for that, and a column outside the catalogue is shown as "name: value".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from babel import Locale

from earlywarn.errors import FeatureError, suggest
from earlywarn.reasons import formats
from earlywarn.reasons.templates import Count, Node, Placeholder, Plural, Select, parse, placeholders

if TYPE_CHECKING:
    from earlywarn.features.catalogue import Family, Feature

__all__ = ["LANGUAGES", "pick", "plain_text", "reason_text", "render", "shown_values"]

LANGUAGES = ("en", "nl", "fr")
NOT_KNOWN = {
    "en": "{name} is not known",
    "nl": "{name} is niet bekend",
    "fr": "{name} n'est pas connu",
}


def render(template: str, values: Mapping[str, object], *, language: str, currency: str = "EUR") -> str:
    """Put values into a template, written the way the language writes them.

    Parameters
    ----------
    template : str
        Words with `{name}`, `{name|number:1}`, `{name|percent}`, `{name|money}`, `{name|date}`,
        `{name, plural, =0 {…} one {…} other {# …}}` and `{name, select, word {…} other {…}}`.
    values : mapping of str to number, str or date
        Shares are 0 to 1; dates are timestamps, "YYYY-MM-DD" or microseconds since 1970.
    language : str
        "en", "nl", "fr", or with a territory: "nl-BE".
    currency : str
        ISO 4217 code for `money`.

    Returns
    -------
    str

    Raises
    ------
    FeatureError
        If the template is malformed (F260), a filter is not known (F261), the language or currency is not
        known (F262, F263), a value cannot be written that way (F264), or a value is not there (F265).

    Examples
    --------
    >>> render("{k, plural, one {# dag} other {# dagen}}, {s|percent}", {"k": 3, "s": 0.5}, language="nl")
    '3 dagen, 50%'
    >>> render("{why, select, funds {onvoldoende saldo} other {{why}}}", {"why": "funds"}, language="nl")
    'onvoldoende saldo'
    """
    locale = formats.locale_of(language)
    return "".join(_write(node, values, locale, currency) for node in parse(template))


def reason_text(
    feature: Feature,
    row: Mapping[str, object],
    *,
    language: str,
    currency: str = "EUR",
    families: Mapping[str, Family] | None = None,
) -> str:
    """Say what a feature's value is, in words.

    A value that is not known gives the family's sentence for that. A text that shows another column which
    this matrix does not have (code F216) gives way to "name: value".

    Parameters
    ----------
    feature : Feature
        Its `text` by language, and `show`: what each placeholder means, as a scalar expression over `value`
        and the other columns of the row.
    row : mapping of str to float or str
        Values by feature name.
    language, currency : str
        As for `render`. A language without its own text falls back from "nl-BE" to "nl", then to English.
    families : mapping of str to Family, optional
        Where the sentence for a value that is not known comes from.

    Returns
    -------
    str

    Raises
    ------
    FeatureError
        As `render`, or if an expression of `show` cannot be evaluated.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> share = SimpleNamespace(name="s", family="history", show={}, text={"en": "{value|percent} came late"})
    >>> reason_text(share, {"s": 0.25}, language="en")
    '25% came late'
    """
    if formats.is_missing(row.get(feature.name)):
        return _not_known(feature, families, language)
    template = pick(feature.text, language)
    if template is None:
        return plain_text(feature.name, row[feature.name], language=language)
    try:
        values = shown_values(feature, template, row)
    except FeatureError as error:
        if error.code != "F216":
            raise
        return plain_text(feature.name, row[feature.name], language=language)
    if values is None:
        return _not_known(feature, families, language)
    return render(template, values, language=language, currency=currency)


def shown_values(feature: Feature, template: str, row: Mapping[str, object]) -> dict[str, object] | None:
    """What the placeholders of a text mean in a row: its value, and what `show` makes of it.

    Parameters
    ----------
    feature : Feature
    template : str
    row : mapping of str to float or str

    Returns
    -------
    dict of str to object, or None
        None where the feature or something that is shown is not known.

    Raises
    ------
    FeatureError
        F216 when it shows a column that the row does not have.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> shown_values(SimpleNamespace(name="s", show={}), "{value|percent}", {"s": 0.25})
    {'value': 0.25}
    """
    if formats.is_missing(row.get(feature.name)):
        return None
    values = {name: _shown(feature, name, row) for name in placeholders(template) & ({"value"} | set(feature.show))}
    return None if any(formats.is_missing(value) for value in values.values()) else values


def plain_text(name: str, value: object, *, language: str) -> str:
    """Say what a column without a sentence of its own holds.

    Examples
    --------
    >>> plain_text("amount", 12.5, language="nl")
    'amount: 12,5'
    """
    locale = formats.locale_of(language)
    if formats.is_missing(value):
        return render(pick(NOT_KNOWN, language) or "{name}", {"name": name}, language=language)
    return f"{name}: {formats.plain(value, locale)}"


def pick(texts: Mapping[str, str], language: str) -> str | None:
    """Choose the text for a language: its own, without the territory, or English; None when there is none.

    Examples
    --------
    >>> pick({"en": "day", "nl": "dag"}, "nl-BE"), pick({"en": "day"}, "fr")
    ('dag', 'day')
    """
    tag = formats.tag_of(language)
    for candidate in (tag, tag.partition("-")[0], "en"):
        if candidate in texts:
            return texts[candidate]
    return None


def _shown(feature: Feature, name: str, row: Mapping[str, object]) -> object:
    value = row.get(feature.name)
    if name not in feature.show:
        return value
    from earlywarn.features.evaluate import evaluate_scalar

    numbers = {key: _number(item) for key, item in row.items() if not isinstance(item, str)}
    if not isinstance(value, str):
        numbers["value"] = _number(value)
    return evaluate_scalar(feature.show[name], numbers)


def _number(value: object) -> float:
    return math.nan if formats.is_missing(value) else formats.as_number(value)


def _not_known(feature: Feature, families: Mapping[str, Family] | None, language: str) -> str:
    family = (families or {}).get(feature.family)
    template = pick(family.missing, language) if family is not None else None
    if template is None:
        template = pick(NOT_KNOWN, language) or "{name}"
    return render(template, {"name": feature.name}, language=language)


def _write(node: Node, values: Mapping[str, object], locale: Locale, currency: str) -> str:
    if isinstance(node, str):
        return node
    value = _value(node.name, values)
    if isinstance(node, Plural | Select):
        return "".join(_write(part, values, locale, currency) for part in _form(node, value, locale))
    if isinstance(node, Count):
        return formats.number(value, "", locale)
    return _filtered(node, value, locale, currency)


def _form(node: Plural | Select, value: object, locale: Locale) -> tuple[Node, ...]:
    forms = {branch.selector: branch.nodes for branch in node.branches}
    if isinstance(node, Select):
        return forms.get(str(value), forms["other"])
    count = formats.as_number(value)
    whole = int(count) if count == int(count) else count
    exact = forms.get(f"={whole}")
    return exact if exact is not None else forms.get(locale.plural_form(whole), forms["other"])


def _filtered(node: Placeholder, value: object, locale: Locale, currency: str) -> str:
    match node.filter:
        case "":
            return formats.plain(value, locale)
        case "number":
            return formats.number(value, node.argument, locale)
        case "percent":
            return formats.percent(value, node.argument, locale)
        case "ratio":
            return formats.ratio(value, node.argument, locale)
        case "money":
            return formats.money(value, currency, locale)
        case "date":
            return formats.date(value, node.argument, locale)
    raise FeatureError(
        f"{{{node.name}|{node.filter}}}: there is no filter of that name.",
        code="F261",
        hint=suggest(node.filter, formats.FILTERS),
    )


def _value(name: str, values: Mapping[str, object]) -> object:
    value = values.get(name)
    if not formats.is_missing(value):
        return value
    what = "has no value" if name in values else "is not among the values"
    raise FeatureError(
        f"a text asks for {{{name}}}, which {what}.",
        code="F265",
        hint=suggest(name, values) if values else None,
    )
