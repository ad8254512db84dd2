"""Reason texts: the grammar, the way each language writes figures, and what is said when nothing is known."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earlywarn.errors import FeatureError
from earlywarn.features.catalogue import Family, Feature, FeatureSet
from earlywarn.features.checks import placeholders as placeholders_of_the_catalogue
from earlywarn.reasons.templates import parse, placeholders
from earlywarn.reasons.texts import pick, plain_text, reason_text, render

NBSP, THIN = "\u00a0", "\u202f"


def spoken(text: str) -> str:
    """The text with ordinary spaces, as a reader sees it."""
    return text.replace(NBSP, " ").replace(THIN, " ")


@pytest.mark.parametrize(
    ("language", "template", "values", "expected"),
    [
        ("en", "{x|number:1}", {"x": 1234.56}, "1,234.6"),
        ("nl", "{x|number:1}", {"x": 1234.56}, "1.234,6"),
        ("fr", "{x|number:1}", {"x": 1234.56}, "1 234,6"),
        ("nl", "{x|number}", {"x": 2.0}, "2"),
        ("nl", "{x|number:2}", {"x": 2}, "2,00"),
        ("en", "{x|number:1}", {"x": -0.04}, "0.0"),
        ("en", "{x|percent}", {"x": 0.125}, "12%"),
        ("nl", "{x|percent:1}", {"x": 0.125}, "12,5%"),
        ("fr", "{x|percent}", {"x": 0.5}, "50 %"),
        ("en", "{x|percent}", {"x": 0.004}, "less than 1%"),
        ("nl-BE", "{x|percent}", {"x": 0.004}, "minder dan 1%"),
        ("fr", "{x|percent}", {"x": np.float32(0.004)}, "moins de 1 %"),
        ("en", "{x|percent}", {"x": 0.997}, "more than 99%"),
        ("nl", "{x|percent}", {"x": 0.997}, "meer dan 99%"),
        ("fr-BE", "{x|percent}", {"x": 0.997}, "plus de 99 %"),
        ("de", "{x|percent}", {"x": 0.004}, "less than 1 %"),
        ("en", "{x|percent:1}", {"x": 0.0004}, "less than 0.1%"),
        ("nl", "{x|percent:1}", {"x": 0.9996}, "meer dan 99,9%"),
        ("en", "{x|percent}", {"x": 1.004}, "100%"),
        ("en", "{x|percent}", {"x": np.float32(1 - 1e-8)}, "100%"),
        ("en", "{x|percent}", {"x": 1e-9}, "0%"),
        ("en", "{x|money}", {"x": 1234.5}, "€1,234.50"),
        ("nl", "{x|money}", {"x": 1234.5}, "€ 1.234,50"),
        ("fr", "{x|money}", {"x": 1234.5}, "1 234,50 €"),
        ("en", "{x|date}", {"x": "2026-03-01"}, "March 1, 2026"),
        ("nl", "{x|date}", {"x": "2026-03-01"}, "1 maart 2026"),
        ("fr", "{x|date}", {"x": "2026-03-01"}, "1 mars 2026"),
        ("nl-BE", "{x|date:short}", {"x": "2026-03-01"}, "1/03/2026"),
        ("nl", "{x}", {"x": "b2c"}, "b2c"),
        ("nl", "{x}", {"x": 12.5}, "12,5"),
        ("nl", "{x}", {"x": np.float32(0.1)}, "0,1"),
        ("nl", "{x}", {"x": dt.date(2026, 3, 1)}, "1 maart 2026"),
        ("fr", "l'{x} d'{y}", {"x": "a", "y": "b"}, "l'a d'b"),
        ("en", "# {x}", {"x": 1}, "# 1"),
    ],
)
def test_a_value_is_written_the_way_the_language_writes_it(language, template, values, expected):
    assert spoken(render(template, values, language=language)) == expected


def test_money_follows_the_currency_and_its_decimals():
    assert spoken(render("{x|money}", {"x": 1234.5}, language="en", currency="JPY")) == "¥1,234"
    assert spoken(render("{x|money}", {"x": 1234.5}, language="nl", currency="CHF")) == "CHF 1.234,50"


# Which numbers take the singular: CLDR's plural rules, written out by hand.
@pytest.mark.parametrize(
    ("language", "singular", "plural"),
    [("en", [1], [0, 2, 1.5]), ("nl", [1], [0, 2, 1.5]), ("fr", [0, 1, 1.5], [2, 17])],
)
def test_a_plural_follows_the_rule_of_the_language(language, singular, plural):
    template = "{k, plural, one {singular} other {plural}}"
    for form, numbers in {"singular": singular, "plural": plural}.items():
        for number in numbers:
            assert render(template, {"k": number}, language=language) == form


def test_a_plural_knows_exact_numbers_the_number_sign_and_nested_placeholders():
    template = "{k, plural, =0 {none} one {# of {n}} other {# of {n|number:1}}}."
    said = [render(template, {"k": k, "n": 5}, language="en") for k in (0, 1, 1200)]
    assert said == ["none.", "1 of 5.", "1,200 of 5.0."]


def test_a_select_says_a_code_in_words_and_what_it_does_not_name_by_its_other_form():
    template = "{k, plural, one {# {why, select, funds {lack of funds} no {{k} no} other {“{why}”}}} other {# #}}"
    said = [render(template, {"k": 1, "why": why}, language="en") for why in ("funds", "no", "zzz", "other")]
    assert said == ["1 lack of funds", "1 1 no", "1 “zzz”", "1 “other”"]
    assert render("{k, plural, one {{w, select, a {#} other {x}}} other {y}}", {"k": 1, "w": "a"}, language="nl") == "1"
    assert placeholders(template) == {"k", "why"}
    with pytest.raises(FeatureError, match="F265"):
        render("{why, select, other {x}}", {"why": None}, language="en")


def test_a_select_names_the_same_words_in_every_language():
    words = {"en": "{value, select, a {x} other {y}}", "nl": "{value, select, a {x} b {z} other {y}}"}
    with pytest.raises(FeatureError, match=r"F206[^$]*'b'"):
        Feature("f", "last(payments.method)", text=words)
    Feature("f", "last(payments.method)", text=words | {"nl": "{value}"})


def test_the_sentence_of_the_style_guide_comes_out_right():
    template = (
        "Van de laatste {n} afschrijvingen {k, plural, one {is er 1} other {zijn er #}} teruggekomen wegens "
        "onvoldoende saldo, de laatste op {on|date}."
    )
    said = render(template, {"n": 6.0, "k": 2.0, "on": pd.Timestamp("2026-10-05")}, language="nl-BE")
    assert said == (
        "Van de laatste 6 afschrijvingen zijn er 2 teruggekomen wegens onvoldoende saldo, de laatste op 5 oktober 2026."
    )


MIDNIGHT = pd.Timestamp("2026-03-01")


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01",
        "2026-03-01T10:00",
        MIDNIGHT,
        MIDNIGHT.to_pydatetime(),
        MIDNIGHT.date(),
        np.datetime64("2026-03-01T23:59:59.999999", "us"),
        MIDNIGHT.value // 1000,
        np.int64(MIDNIGHT.value // 1000),
        float(MIDNIGHT.value // 1000),
        np.float32(MIDNIGHT.value // 1000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_day_is_the_same_day_in_every_form(value):
    assert render("{x|date:short}", {"x": value}, language="fr") == "01/03/2026"


@given(share=st.floats(1e-5, 1 - 1e-5), places=st.sampled_from(["", "1", "2"]))
def test_a_share_that_is_neither_nothing_nor_all_is_never_shown_as_that(share, places):
    for language in ("en", "nl", "fr"):
        said = spoken(
            render("{x|percent:" + places + "}" if places else "{x|percent}", {"x": share}, language=language)
        )
        figure = float(re.search(r"[\d.,]+", said)[0].replace(",", "."))
        bound = {"less": share * 100 < figure, "more": share * 100 > figure}
        bound |= {"minder": bound["less"], "moins": bound["less"], "meer": bound["more"], "plus": bound["more"]}
        assert 0 < figure < 100
        assert bound.get(said.split()[0], abs(figure - share * 100) <= 0.5 * 10 ** -int(places or 0) + 1e-9)


@given(day=st.dates(dt.date(1990, 1, 1), dt.date(2060, 1, 1)))
def test_a_midnight_in_float32_microseconds_stays_on_its_own_day(day):
    coarse = np.float32((day - dt.date(1970, 1, 1)).days * 86_400_000_000)
    assert render("{x|date}", {"x": coarse}, language="en") == render("{x|date}", {"x": day}, language="en")


@pytest.mark.parametrize(
    "template",
    [
        "{",
        "}",
        "a {x",
        "a x} b",
        "{}",
        "{x y}",
        "{x{y}}",
        "{x, select, a {b}}",
        "{x, select, =0 {b} other {c}}",
        "{x, select, a {b} a {c} other {d}}",
        "{x, select, other {c}",
        "{x, choice, other {c}}",
        "{x, plural, one {a}}",
        "{x, plural, several {a} other {b}}",
        "{x, plural, one {a} other {b}",
        "{x, plural, one {a other {b}}",
    ],
)
def test_a_malformed_template_says_what_and_where(template):
    with pytest.raises(FeatureError) as caught:
        render(template, {"x": 1}, language="en")
    assert caught.value.code == "F260"
    assert repr(template) in str(caught.value)


@pytest.mark.parametrize(
    ("template", "values", "code", "hint"),
    [
        ("{amuont}", {"amount": 1}, "F265", "amount"),
        ("{amount}", {"amount": math.nan}, "F265", ""),
        ("{amount}", {"amount": pd.NaT}, "F265", ""),
        ("{amount|mony}", {"amount": 1}, "F261", "money"),
        ("{amount|number:x}", {"amount": 1}, "F261", ""),
        ("{amount|date:tiny}", {"amount": 1}, "F261", "short"),
        ("{amount|date}", {"amount": "soon"}, "F264", ""),
        ("{amount|number}", {"amount": "many"}, "F264", ""),
        ("{amount, plural, other {#}}", {"amount": "many"}, "F264", ""),
    ],
)
def test_a_value_that_cannot_be_written_is_an_error_with_a_hint(template, values, code, hint):
    with pytest.raises(FeatureError) as caught:
        render(template, values, language="en")
    assert caught.value.code == code
    assert hint in str(caught.value)


def test_an_unknown_language_or_currency_is_an_error():
    for language in ("xx", "", "nederlands"):
        with pytest.raises(FeatureError, match="F262"):
            render("{x}", {"x": 1}, language=language)
    with pytest.raises(FeatureError, match="F263"):
        render("{x|money}", {"x": 1}, language="en", currency="EURO")


@given(st.text(st.characters(exclude_characters="{}")))
def test_a_text_without_braces_is_itself(text):
    assert render(text, {}, language="nl") == text


@given(st.text(alphabet="{}|:,# =01axplurone selctoh", max_size=40))
def test_no_text_whatever_makes_the_parser_fail_in_another_way(text):
    with contextlib.suppress(FeatureError):
        parse(text)


def test_the_texts_of_the_catalogue_ask_for_the_names_its_own_checks_find():
    for feature in FeatureSet.default():
        for text in feature.text.values():
            assert placeholders(text) == placeholders_of_the_catalogue(text)


@pytest.mark.parametrize("language", ["en", "nl", "fr", "nl-BE", "fr-BE"])
@pytest.mark.parametrize("level", [0.0, 1.0, 2.5])
def test_every_feature_of_the_catalogue_can_be_said_in_every_language(language, level):
    features = FeatureSet.default()
    row = dict.fromkeys(features.names, level)
    for feature in features:
        said = reason_text(feature, row, language=language, families=features.families)
        assert said.strip()
        assert not re.search(r"[{}]|\bnan\b", said), said


SPIKE = Feature(
    "usage_spike_30d",
    "count(usage, days=30)",
    family="usage",
    show={"times": "exp(value)", "usual": "usage_usual_30d"},
    text={
        "en": "usage is {times|number:1} times {usual|number}",
        "nl": "het verbruik is {times|number:1} keer {usual|number}",
    },
)
FAMILIES = {"usage": Family("usage", missing={"en": "no use is known", "nl": "geen verbruik bekend"})}


def test_a_placeholder_means_what_show_says():
    row = {"usage_spike_30d": math.log(2.5), "usage_usual_30d": np.float32(40), "segment": "b2c"}
    assert reason_text(SPIKE, row, language="nl") == "het verbruik is 2,5 keer 40"


@pytest.mark.parametrize("language", ["fr", "fr-BE", "de"])
def test_a_language_without_its_own_text_falls_back_to_english_words(language):
    row = {"usage_spike_30d": 0.0, "usage_usual_30d": 40.0}
    assert spoken(reason_text(SPIKE, row, language=language)) == "usage is 1,0 times 40"


@pytest.mark.parametrize(
    "row",
    [
        {"usage_spike_30d": math.nan, "usage_usual_30d": 40.0},
        {"usage_spike_30d": 1.0, "usage_usual_30d": math.nan},
        {"usage_usual_30d": 40.0},
    ],
)
def test_what_is_not_known_is_said_in_the_words_of_the_family(row):
    assert reason_text(SPIKE, row, language="nl-BE", families=FAMILIES) == "geen verbruik bekend"
    assert reason_text(SPIKE, row, language="en") == "usage_spike_30d is not known"


def test_a_text_that_shows_a_column_this_matrix_lacks_gives_way_to_name_and_value():
    assert reason_text(SPIKE, {"usage_spike_30d": 1.5}, language="nl") == "usage_spike_30d: 1,5"


def test_a_fault_in_show_itself_is_not_hidden():
    wrong = Feature("parts_count", "count(payments)", show={"x": "value == 'a'"}, text={"en": "{x}"})
    with pytest.raises(FeatureError, match="F215"):
        reason_text(wrong, {"parts_count": 2.0}, language="en")


def test_a_column_outside_the_catalogue_is_shown_as_name_and_value():
    assert plain_text("tariff", "night", language="fr") == "tariff: night"
    assert plain_text("tariff", None, language="fr") == "tariff n'est pas connu"


def test_texts_are_picked_from_the_territory_to_the_language_to_english():
    texts = {"en": "a", "nl": "b", "nl-BE": "c"}
    assert [pick(texts, tag) for tag in ("nl-BE", "nl_BE", "nl-NL", "nl", "de")] == ["c", "c", "b", "b", "a"]
    assert pick({"nl": "b"}, "fr") is None
