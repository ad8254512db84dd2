"""The catalogue for readers: filtered, as rows for machines, and as a page a family; one source for both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from earlywarn.errors import FeatureError, suggest
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.definition import Feature
from earlywarn.features.segments import aggregates_in
from earlywarn.reasons.reading import aggregate_words, card, empty_words, outline, reads, unit_words
from earlywarn.reasons.texts import LANGUAGES, pick
from earlywarn.reasons.wording import said

__all__ = ["family_page", "filtered", "parts", "rows"]


def filtered(features: FeatureSet, family: str = "", search: str = "", language: str = "en") -> list[Feature]:
    """Features of one family, and those that all words of a search are found in.

    Parameters
    ----------
    features : FeatureSet
    family : str
        All when empty.
    search : str
        Looked for, in any case, in name, definition, unit, label of the family, and text.
    language : str

    Returns
    -------
    list of Feature, in the order of their families

    Raises
    ------
    FeatureError
        F227 no such family.

    Examples
    --------
    >>> found = filtered(FeatureSet.default(), search="spike usage")
    >>> {one.family for one in found}, "usage_spike_30d" in [one.name for one in found]
    ({'usage'}, True)
    """
    used = dict.fromkeys(one.family for one in features)
    if family and family not in used:
        raise FeatureError(f"there is no family {family!r}.", code="F227", hint=suggest(family, used))
    words = search.casefold().split()
    kept = [one for one in features if family in ("", one.family)]
    kept = [one for one in kept if all(word in _haystack(one, features, language) for word in words)]
    return [one for name in used for one in kept if one.family == name]


def _haystack(feature: Feature, features: FeatureSet, language: str) -> str:
    label = features.families[feature.family].label
    said_so = [outline(pick(feature.text, tag) or "") for tag in (language, "en")]
    labels = [pick(label, tag) or "" for tag in (language, "en")]
    return " ".join([feature.name, feature.value, feature.unit, feature.family, *labels, *said_so]).casefold()


def rows(features: FeatureSet, chosen: Iterable[Feature], language: str) -> list[dict[str, Any]]:
    """One dictionary a feature, ready for JSON.

    Parameters
    ----------
    features : FeatureSet
    chosen : iterable of Feature
    language : str
        Of label, text and what the aggregates say; ``texts`` holds the templates of all languages.

    Returns
    -------
    list of dict
    """
    found = []
    for feature in chosen:
        family = features.families[feature.family]
        found.append(
            {
                "name": feature.name,
                "family": feature.family,
                "label": pick(family.label, language) or feature.family,
                "text": outline(pick(feature.text, language) or ""),
                "unit": feature.unit,
                "risk": feature.risk,
                "evidence": feature.evidence,
                "definition": feature.value,
                "reads": reads(feature),
                "aggregates": [{"aggregate": text, "said": words} for text, words in parts(feature, language)],
                "missing": outline(pick(family.missing, language) or ""),
                "texts": dict(feature.text),
            }
        )
    return found


def parts(feature: Feature, language: str, *, code: Any = str) -> list[tuple[str, str]]:
    """What each aggregate and each ``invoice.*`` of a definition reads, in words.

    Parameters
    ----------
    feature : Feature
    language : str
    code : callable
        How names are set, such as between backticks.

    Returns
    -------
    list of (text in the definition, words)

    Examples
    --------
    >>> parts(FeatureSet.default()["invoice_amount_now"], "en")
    [('invoice.amount', 'amount of the obligation that is observed')]
    """
    found = [
        (
            text,
            said(
                "and_empty",
                language,
                words=aggregate_words(text, one, language, code),
                empty=empty_words(one, language),
            ),
        )
        for text, one in aggregates_in(feature.value).items()
    ]
    for leaf in dict.fromkeys(feature.expression.fields):
        found.append((f"{leaf.table}.{leaf.column}", said("field", language, what=code(leaf.column))))
    return found


def family_page(features: FeatureSet, chosen: Iterable[Feature], language: str = "en", picture: str = "") -> str:
    """Features of one family as a page of Markdown.

    Parameters
    ----------
    features : FeatureSet
    chosen : iterable of Feature
        All of one family.
    language : str
    picture : str
        Markdown of an example, put before the features.

    Returns
    -------
    str
    """
    chosen = list(chosen)
    family = features.families[chosen[0].family]
    labels = [f"{tag}: {family.label[tag]}" for tag in LANGUAGES if tag in family.label]
    missing = [f"{tag}: {outline(family.missing[tag])}" for tag in LANGUAGES if tag in family.missing]
    head = [
        f"# {pick(family.label, language) or family.name} (`{family.name}`)",
        " · ".join(labels),
        f"{said('missing', language).capitalize()}: {' · '.join(missing)}" if missing else "",
        picture,
    ]
    sections = [_section(feature, features, language) for feature in chosen]
    return "\n\n".join(part for part in [*head, *sections] if part) + "\n"


def _section(feature: Feature, features: FeatureSet, language: str) -> str:
    kept = {said(word, language) for word in ("unit", "direction", "evidence", "reads")}
    lines = [(name, words) for name, words in card(feature, features.families, language, _code) if name in kept]
    lines += [(tag, outline(feature.text[tag])) for tag in LANGUAGES if tag in feature.text]
    table = [f"| {name} | {_cell(words)} |" for name, words in lines]
    listed = [f"- {_code(text)}: {words}" for text, words in parts(feature, language, code=_code)]
    return "\n".join(
        [f"## {feature.name}", "", "```python", feature.value, "```", "", "| | |", "|---|---|", *table, "", *listed]
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def summary(feature: Feature, language: str) -> str:
    """Unit, direction and evidence in a few words.

    Examples
    --------
    >>> summary(FeatureSet.default()["usage_spike_30d"], "nl")
    'logaritme van een verhouding · verhoogt · signaal'
    """
    words = (said(f"{word}_short", language) for word in (feature.risk, feature.evidence))
    return " · ".join([unit_words(feature.unit, language), *words])
