"""The customer's voice: what a customer may be told, by angle or by feature, and the words that no text holds.

The sentences stand as data in ``words/*.toml`` and, feature by feature, in the catalogue (`Feature.customer`). A text
that holds a word of ``forbidden.toml`` is refused when it is rendered, whoever wrote it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from earlywarn.errors import FeatureError, suggest
from earlywarn.reasons.formats import is_missing, tag_of
from earlywarn.reasons.templates import placeholders
from earlywarn.reasons.texts import pick, render, shown_values
from earlywarn.reasons.wording import base

if TYPE_CHECKING:
    from earlywarn.features.catalogue import Family, Feature

__all__ = [
    "ANGLES",
    "FORMALITIES",
    "check_words",
    "customer_fact",
    "customer_text",
    "own_fact",
    "rendered",
    "words_file",
]

FORMALITIES = ("formal", "informal")
#: Angles that have a message for customers.
ANGLES = (
    "usage_high", "collection_ahead", "due_soon", "due_day", "bill_explained", "check_details", "help_offer",
    "arrangement", "self_check", "service_call_opening",
)  # fmt: skip


@cache
def words_file(name: str) -> Mapping[str, Any]:
    """Read one of the files of sentences that are shipped.

    Parameters
    ----------
    name : {"customer", "cards", "terms", "forbidden"}

    Returns
    -------
    mapping
    """
    file = resources.files("earlywarn.reasons") / "words" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def customer_text(
    angle: str,
    values: Mapping[str, object] | None = None,
    *,
    language: str = "en",
    formality: str = "formal",
    currency: str = "EUR",
) -> str:
    """Write the message of an angle for a customer.

    Parameters
    ----------
    angle : str
        One of `ANGLES`.
    values : mapping of str to number, str or date, optional
        Figures of the customer's own: ``amount``, ``on`` (a day), ``until``, ``usual``, ``period``, ``month``,
        ``fact``, ``wish``, ``name``, ``company``, ``change``, ``more``. Of several sentences the first is taken whose
        figures are all known.
    language : str
        "en", "nl", "fr", or with a country: "nl-BE".
    formality : {"formal", "informal"}
        u or je, vous or tu.
    currency : str
        ISO 4217 code.

    Returns
    -------
    str

    Raises
    ------
    FeatureError
        F266 no such angle, F267 a word that customers are not told, F268 no such formality, and those of `render`.

    Examples
    --------
    >>> customer_text("due_soon", {"amount": 42.5, "on": "2026-04-15"}, language="en")[:68]
    'For your information: your bill of €42.50 is due on April 15, 2026. '
    >>> customer_text("usage_high", language="nl", formality="informal")[:51]
    'Wist je dat je verbruik deze maand hoger ligt dan j'
    """
    texts = words_file("customer")
    if angle not in texts:
        raise FeatureError(f"there is no message for {angle!r}.", code="F266", hint=suggest(angle, texts))
    known = {name: value for name, value in (values or {}).items() if not is_missing(value)}
    candidates = _in_language(texts[angle], language, formality)
    # what terms and formality stand for is always known
    told = [text for text in candidates if placeholders(text) <= {*known, *words_file("terms"), "formality"}]
    return rendered((told or candidates)[0], known, language=language, formality=formality, currency=currency)


def customer_fact(
    feature: Feature,
    row: Mapping[str, object],
    *,
    language: str = "en",
    formality: str = "formal",
    currency: str = "EUR",
    families: Mapping[str, Family] | None = None,
) -> str:
    """Say to a customer what a feature's value is, without judgement: a fact of their own, or that of its family.

    Parameters
    ----------
    feature : Feature
    row : mapping of str to float or str
        Values by feature name.
    language, formality, currency : str
        As for `customer_text`.
    families : mapping of str to Family, optional
        Where the sentence of a family comes from.

    Returns
    -------
    str
        Part of a sentence, to be put into one.

    Raises
    ------
    FeatureError
        As for `customer_text`.

    Examples
    --------
    >>> from earlywarn.features.catalogue import FeatureSet
    >>> features = FeatureSet.default()
    >>> customer_fact(features["usage_spike_30d"], {"usage_spike_30d": 1.0}, families=features.families)
    'over the last 30 days your usage was 2.7 times what you are used to'
    >>> customer_fact(features["late_share_365d"], {"late_share_365d": 0.5}, families=features.families)
    'we would like to know whether your bills still suit you'
    """
    own = own_fact(feature, row, language=language, formality=formality, currency=currency)
    if own is not None:
        return own
    family = (families or {}).get(feature.family) or _plain_family(feature.family)
    return rendered(pick(family.customer, language) or "", {}, language=language, formality=formality)


def own_fact(
    feature: Feature,
    row: Mapping[str, object],
    *,
    language: str = "en",
    formality: str = "formal",
    currency: str = "EUR",
) -> str | None:
    """What a feature says to a customer itself: something that was noticed, with a figure of their own.

    Parameters
    ----------
    feature : Feature
    row : mapping of str to float or str
    language, formality, currency : str
        As for `customer_text`.

    Returns
    -------
    str or None
        None where it has no sentence for customers, or its value is not known.

    Raises
    ------
    FeatureError
        As for `customer_text`.
    """
    template = pick(feature.customer, language)
    if template is None:
        return None
    try:
        values = shown_values(feature, template, row)
    except FeatureError as error:
        if error.code == "F216":  # it shows a column that the row does not have
            return None
        raise
    if values is None:
        return None
    return rendered(template, values, language=language, formality=formality, currency=currency)


def rendered(
    template: str, values: Mapping[str, object], *, language: str, formality: str, currency: str = "EUR"
) -> str:
    """Put values into a sentence for a customer, with the words of their country, and refuse what is not said.

    Parameters
    ----------
    template : str
    values : mapping
    language, formality, currency : str

    Returns
    -------
    str

    Raises
    ------
    FeatureError
        F267 a word that customers are not told, F268 no such formality, and those of `render`.
    """
    if formality not in FORMALITIES:
        raise FeatureError(f"{formality!r} is no formality.", code="F268", hint=suggest(formality, FORMALITIES))
    terms = {name: pick(texts, _country(language, texts)) for name, texts in words_file("terms").items()}
    text = render(template, {"formality": formality, **terms, **values}, language=language, currency=currency)
    check_words(text, language)
    return text


def check_words(text: str, language: str, voice: str = "customer") -> None:
    """Refuse a text that holds a word of ``forbidden.toml``.

    Parameters
    ----------
    text : str
    language : str
    voice : {"customer", "analyst"}

    Raises
    ------
    FeatureError
        F267, with the word.

    Examples
    --------
    >>> check_words("Dit is een herinnering.", "nl")
    Traceback (most recent call last):
    ...
    earlywarn.errors.FeatureError: FeatureError[F267]: a text for a customer holds '-herinnering-'.
    Hint: say what helps the customer; words/forbidden.toml lists what is not said.
    """
    for word, pattern in _patterns(base(language), voice):
        if pattern.search(text):
            raise FeatureError(
                f"a text for {'a customer' if voice == 'customer' else 'an analyst'} holds {word!r}.",
                code="F267",
                hint="say what helps the customer; words/forbidden.toml lists what is not said.",
            )


@cache
def _patterns(language: str, voice: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Forbidden words of a voice as whole words, or as parts of words where a hyphen says so."""

    def found() -> Iterator[tuple[str, re.Pattern[str]]]:
        for name in {"analyst", voice}:
            words = words_file("forbidden")[name]
            for word in words.get(language, words["en"]):  # what is not written in a language is said in English
                before, after = ("" if word[at] == "-" else r"\b" for at in (0, -1))
                yield word, re.compile(rf"{before}{re.escape(word.strip('-'))}{after}", re.IGNORECASE)

    return tuple(found())


def _in_language(texts: Mapping[str, list[str]], language: str, formality: str) -> list[str]:
    """Sentences of a tag, of its language, or English; those of the asked formality first."""
    tag = tag_of(language)
    for candidate in (tag, base(language), "en"):
        for name in (f"{candidate}-informal", candidate) if formality == "informal" else (candidate,):
            if name in texts:
                return texts[name]
    return texts["en"]


def _country(language: str, texts: Mapping[str, str]) -> str:
    """The tag itself, or of a bare language that of the country whose words it follows."""
    tag = tag_of(language)
    usual = {"nl": "nl-NL", "fr": "fr-FR"}.get(tag, tag)
    return usual if usual in texts else tag


def _plain_family(name: str) -> Family:
    from earlywarn.features.definition import Family

    return Family(name)
