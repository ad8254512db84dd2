"""Both voices: every feature can be said in every locale, and no customer is told what customers are not told."""

from __future__ import annotations

import importlib.util
import itertools
import math
import re
from pathlib import Path

import pytest

from earlywarn.actions.policy import Policy
from earlywarn.errors import FeatureError
from earlywarn.features.catalogue import Family, Feature, FeatureSet
from earlywarn.features.checks import selected
from earlywarn.reasons.call_card import call_card
from earlywarn.reasons.templates import placeholders
from earlywarn.reasons.texts import reason_text
from earlywarn.reasons.voices import (
    ANGLES,
    FORMALITIES,
    check_words,
    customer_fact,
    customer_text,
    words_file,
)

LOCALES = ("en", "nl-NL", "nl-BE", "fr-BE", "fr-FR", "nl", "fr")
FEATURES = FeatureSet.default()
#: Usual values by unit, and the ends that can occur.
TYPICAL = {"share": 0.25, "flag": 1.0, "ratio": 1.4, "log ratio": 0.9, "currency": 45.5, "days": 12.0, "score": 7.0}
EXTREME = {"share": (1.0,), "flag": (1.0,), "percent": (100.0,)}
SIGNED = ("days", "currency", "log ratio", "spreads", "days per day", "share per day")
FIGURES = {
    "amount": 42.5, "on": "2026-04-15", "until": "2026-04-12", "usual": 30.0, "period": "maart", "month": "mei",
    "fact": "x", "wish": "y", "name": "Noor", "company": "Aqua", "change": 0.2, "more": 51.0,
}  # fmt: skip


def values_of(feature):
    if feature.unit == "category":
        words = set().union(*(selected(text).get("value", set()) for text in feature.text.values()))
        return [*sorted(words), "a word of theirs", None]
    found = [TYPICAL.get(feature.unit, 2.0), 0.0, math.nan, *EXTREME.get(feature.unit, (1e6,))]
    return [*found, -3.0, -1e4] if feature.unit in SIGNED else found


def assert_is_a_text(text, language):
    assert text.strip() == text
    assert text
    assert not re.search(r"[{}|#]|\bnan\b|\binf\b|None|  |\de[+-]?\d", text), text
    assert not re.search(r" [.,;]", text.replace("\u202f", "~").replace("\xa0", "~")) or language.startswith("fr"), text


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("feature", list(FEATURES), ids=lambda feature: feature.name)
def test_every_feature_is_said_in_every_locale_and_voice_whatever_its_value(feature, language):
    for value in values_of(feature):
        row = dict.fromkeys(FEATURES.names, 1.0) | {feature.name: value}
        told = reason_text(feature, row, language=language, families=FEATURES.families)
        assert_is_a_text(told, language)
        check_words(told, language, "analyst")
        for formality in FORMALITIES:
            fact = customer_fact(feature, row, language=language, formality=formality, families=FEATURES.families)
            assert_is_a_text(fact, language)  # rendering refuses what customers are not told


def spoken_texts(language, formality):
    """Everything a customer can read or hear."""
    for angle in ANGLES:
        for given in ({}, FIGURES):
            yield customer_text(
                angle,
                FIGURES | {} if angle == "service_call_opening" else given,
                language=language,
                formality=formality,
            )
    for angle in words_file("cards"):
        if angle != "every":
            card = call_card("c1", angle, language=language, formality=formality)
            yield from (card.opening, *card.questions, *card.may_offer)


@pytest.mark.parametrize(("language", "formality"), list(itertools.product(LOCALES, FORMALITIES)))
def test_every_message_and_card_is_said_in_every_locale(language, formality):
    for text in spoken_texts(language, formality):
        assert_is_a_text(text, language)


#: Words of one form of address that the other does not hold; nothing else tells them apart.
OTHER = {
    ("nl", "formal"): r"\b(je|jij|jouw)\b", ("nl", "informal"): r"\b(u|uw)\b",
    ("fr", "formal"): r"\b(tu|te|toi|ta|ton|tes)\b", ("fr", "informal"): r"\b(vous|votre|vos)\b",
}  # fmt: skip


@pytest.mark.parametrize(("base", "formality"), list(OTHER))
def test_u_and_je_and_vous_and_tu_are_not_mixed(base, formality):
    pattern = re.compile(OTHER[base, formality], re.IGNORECASE)
    facts = (
        customer_fact(feature, {feature.name: value}, language=base, formality=formality, families=FEATURES.families)
        for feature in FEATURES
        for value in values_of(feature)
        if len(feature.show) == 0 or value is not None
    )
    for text in (*spoken_texts(base, formality), *facts):
        assert not pattern.search(text), text


@pytest.mark.parametrize("language", LOCALES)
def test_messages_ask_for_no_payment_and_leave_the_choice(language):
    asks = re.compile(r"\b(pay now|please pay|betaal nu|gelieve|veuillez payer|payez|réglez)\b", re.IGNORECASE)
    for formality in FORMALITIES:
        for text in spoken_texts(language, formality):
            assert not asks.search(text), text


def test_words_differ_by_country():
    collected = {tag: customer_text("collection_ahead", language=tag) for tag in LOCALES}
    gap = {"advance_gap_365d": 50.0}
    told = {tag: customer_fact(FEATURES["advance_gap_365d"], gap, language=tag) for tag in LOCALES}
    for tag, words in {
        "nl-NL": ("termijnbedrag", "de jaarafrekening"), "nl-BE": ("voorschot", "de afrekening"),
        "fr-FR": ("mensualité", "la facture de régularisation"), "fr-BE": ("acompte", "le décompte"),
        "NL_be": ("voorschot", "de afrekening"),
    }.items():  # fmt: skip
        text = told.get(tag) or customer_fact(FEATURES["advance_gap_365d"], gap, language=tag)
        assert all(word in text for word in words), text
    for tag, word in {
        "nl": "automatische incasso", "nl-NL": "automatische incasso", "nl-BE": "domiciliëring",
        "fr": "prélèvement", "fr-FR": "prélèvement", "fr-BE": "domiciliation", "en": "direct debit",
    }.items():  # fmt: skip
        assert word in collected[tag]


@pytest.mark.parametrize(
    ("text", "language", "word"),
    [
        ("Dit is een Aanmaning.", "NL_be", "-aanmaning-"),
        ("Twee betalingsherinneringen.", "nl", "-herinnering-"),
        ("U zit in een risicogroep.", "nl", "-risico-"),
        ("Een wanbetaler.", "nl", "wanbetal-"),
        ("Des risques et des rappels.", "fr-BE", "rappel-"),
        ("Your late bills.", "de", "late"),
        ("Two reminders.", "en", "reminder-"),
        ("Vous avez des impayés.", "fr", "impayé-"),
        ("You must pay today.", "en", "must pay"),
        ("your default date", "en", "default-"),
    ],
)
def test_a_forbidden_word_is_refused_whoever_wrote_it(text, language, word):
    with pytest.raises(FeatureError, match="F267") as caught:
        check_words(text, language)
    assert repr(word) in str(caught.value)
    base = language[:2].lower()
    own = Feature("own_now", "count(invoices)", text={"en": "x"}, customer={base if base != "de" else "en": text})
    with pytest.raises(FeatureError, match="F267"):
        customer_fact(own, {"own_now": 1.0}, language=language)


def test_a_word_inside_another_is_no_forbidden_word():
    check_words("your latest bill is on the scoreboard", "en")
    check_words("Er is niets aan de hand.", "nl")


def test_a_feature_without_a_sentence_for_customers_says_that_of_its_family_and_never_its_figure():
    own = Feature("own_now", "count(invoices)", family="own", text={"en": "{value} came late"})
    families = {"own": Family("own", customer={"en": "we would like to help"})}
    assert customer_fact(own, {"own_now": 17.0}, families=families) == "we would like to help"
    assert "17" not in customer_fact(own, {"own_now": 17.0})


def test_what_is_said_of_a_kind_is_said_with_the_terms_of_the_country_and_the_formality():
    own = Feature(
        "own_now",
        "count(invoices)",
        customer={"nl": "{formality, select, informal {je} other {uw}} {advance} is {value|money}"},
    )
    said = [
        customer_fact(own, {"own_now": 5.0}, language=tag, formality=form)
        for tag, form in (("nl-NL", "formal"), ("nl-BE", "informal"))
    ]
    assert [text.replace("\xa0", " ") for text in said] == ["uw termijnbedrag is € 5,00", "je voorschot is € 5,00"]
    with pytest.raises(FeatureError, match="F206"):
        Feature("own_now", "count(invoices)", customer={"nl": "{amuont}"})


def test_the_first_sentence_is_taken_whose_figures_are_known():
    whole = customer_text("due_soon", {"amount": 10.0, "on": "2026-04-15"}, language="nl")
    half = customer_text("due_soon", {"amount": 10.0, "on": None}, language="nl")
    assert "15 april 2026" in whole
    assert "binnenkort" in half


def test_every_angle_of_the_shipped_policy_has_a_message_and_a_card():
    for angle in Policy.default().rules.angles:
        assert angle in ANGLES
        assert angle in words_file("cards")


def test_every_message_asks_for_figures_that_are_described():
    for texts in words_file("customer").values():
        for sentences in texts.values():
            for sentence in sentences:
                assert placeholders(sentence) <= {*FIGURES, *words_file("terms"), "formality"}


def test_what_is_not_there_is_refused_with_what_is():
    with pytest.raises(FeatureError, match=r"F266[^$]*due_soon"):
        customer_text("due_son")
    with pytest.raises(FeatureError, match=r"F268[^$]*informal"):
        customer_text("due_soon", formality="infromal")


def test_a_card_shows_itself_as_text_and_as_a_safe_page():
    card = call_card("<c1>", "usage_high", language="nl", company="Aqua & Co", background=["usage is 2 times"])
    assert str(card).splitlines()[0] == "Opening"
    assert "Aqua & Co" in card.opening
    page = card._repr_html_()
    assert "&lt;c1&gt;" in page
    assert "Aqua &amp; Co" in page
    assert "usage is 2 times" in page
    assert all(line in page for line in map(str, card.must_not_say))


def test_a_card_of_an_unknown_angle_offers_help():
    assert call_card("c1", "own_angle").questions == call_card("c1", "help_offer").questions


def test_twenty_texts_a_language_are_in_the_docs_and_none_says_what_customers_are_not_told():
    path = Path(__file__).parents[1] / "docs" / "pages.py"
    spec = importlib.util.spec_from_file_location("pages_of_the_docs", path)
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    sections = pages.aloud().split("### ")[1:]
    assert len(sections) == 3
    for section, base in zip(sections, ("en", "nl", "fr"), strict=True):
        lines = [line for line in section.splitlines() if line.startswith("- ")]
        assert len(lines) == 20
        for line in lines:
            text = line.split(") ", 1)[1]
            check_words(text, base)
            assert_is_a_text(text, base)
            assert not re.search(
                r"\b(pay now|please pay|betaal nu|gelieve|veuillez payer|payez|réglez)\b", text, re.IGNORECASE
            )
