"""The shipped catalogue keeps to its own rules, reads well at every value, and is found where it stands."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from earlywarn.errors import FeatureError
from earlywarn.features import files
from earlywarn.features.catalogue import Family, Feature, FeatureSet
from earlywarn.features.checks import placeholders, selected
from earlywarn.features.expression import Literal, Name, Operation, walk
from earlywarn.features.observed import INVOICE_FIELDS
from earlywarn.outcomes import STAGES
from earlywarn.reasons import templates
from earlywarn.reasons.texts import reason_text
from earlywarn.tables.schema import STATIC, STREAMS, TABLES
from earlywarn.tables.streams import CAUSES

SHIPPED = FeatureSet.default()
LANGUAGES = ("en", "nl", "fr")
TAGS = (*LANGUAGES, "nl-BE", "fr-BE")
STREAM_WORDS = {("returns", "cause"): ("funds", "account", "mandate", "customer", "technical", "unknown")}
#: Words that judge a person or name a collection step; no text to an analyst needs them.
JUDGING = re.compile(
    r"bad payer|defaulter|delinquent|unreliable|suspicious|fraud|blame|fault of"
    r"|wanbetal|slechte betaler|onbetrouwbaar|verdacht|nalatig|schuldig|in gebreke"
    r"|mauvais payeur|défaillant|négligent|suspect|fautif|douteux|insolvable",
    re.IGNORECASE,
)

features = pytest.mark.parametrize("feature", SHIPPED, ids=lambda feature: feature.name)


#: Features whose value is a code of ours, which every language says in words of its own.
CODES = {
    "returns_cause_last1": (*CAUSES, "unknown"),
    "invoice_stage_now": STAGES,
    "invoice_kind_now": TABLES["invoices"].columns["kind"].words,
}


def values_of(feature: Feature) -> list[float | str]:
    """Values that the feature can take: zero, one, typical and extreme ones."""
    if feature.unit == "category":
        return ["recurring", "b2b", *CODES.get(feature.name, ())]
    if feature.unit == "share":
        return [0.0, 0.004, 1 / 3, 0.997, 1.0]
    if feature.unit == "flag":
        return [0.0, 1.0]
    if feature.unit.startswith("weekday"):
        return [float(day) for day in range(7)]
    if feature.unit == "day of the month":
        return [1.0, 2.0, 31.0]
    signed = "log" in feature.unit or "per day" in feature.unit or "side" in feature.show or "early" in feature.show
    below = [-400.25, -1.0, -0.001] if signed and "log" not in feature.unit else [-2.5] if signed else []
    above = [0.001, 3.0] if "log" in feature.unit else [0.001, 1.0, 1.5, 12.0, 1e6]
    return [*below, 0.0, *above]


# -- the shipped catalogue ---------------------------------------------------------------------------------


def test_every_declared_family_but_other_has_features() -> None:
    used = {feature.family for feature in SHIPPED}
    assert used == set(files.shipped_families()) - {"other"}
    assert len(SHIPPED) >= 100


@features
def test_a_feature_is_complete(feature: Feature) -> None:
    assert feature.unit
    assert feature.family in SHIPPED.to_dict()["families"]
    assert feature.family in files.shipped_families(), "families.toml does not declare it"
    assert set(LANGUAGES) <= set(feature.text)
    assert feature.ground == "", "nothing that is for audit only is on by default"


@pytest.mark.parametrize("family", files.shipped_families().values(), ids=lambda family: family.name)
def test_a_family_has_a_label_and_a_missing_text_in_every_language(family: Family) -> None:
    for language in LANGUAGES:
        assert family.label[language]
        assert family.missing[language]
        assert not JUDGING.search(family.label[language] + family.missing[language])


@features
def test_the_last_part_of_a_name_is_the_window_of_its_definition(feature: Feature) -> None:
    selections = [aggregate.selection for aggregate in feature.expression.aggregates]
    window = feature.name.rsplit("_", 1)[1]
    if window == "now":
        assert all(selection.days is None and selection.last is None for selection in selections)
    elif window == "all":
        assert selections
        assert all(selection.days is None for selection in selections)
    elif window.startswith("last"):
        own = int(window.removeprefix("last"))
        assert own in {selection.last for selection in selections} or own == 1
    else:
        assert float(window.removesuffix("d")) in {
            edge for selection in selections for edge in (selection.days, selection.until)
        }


@features
def test_a_feature_reads_only_what_the_schema_has_and_what_was_true_in_the_past(feature: Feature) -> None:
    for aggregate in feature.expression.aggregates:
        assert aggregate.selection.table in {*TABLES, *STREAMS}
    for table, column in feature.expression.columns():
        if table == "invoice":
            assert column in INVOICE_FIELDS
        elif table in STREAMS:
            assert column in STREAMS[table]
        else:
            assert column in TABLES[table].columns
        assert table not in STATIC or column in STATIC[table] or feature.undated == "missing", "today's value"


def texts_compared(feature: Feature) -> Iterator[tuple[str, str, str]]:
    for aggregate in feature.expression.aggregates:
        for part in (aggregate.argument, aggregate.selection.where):
            for node in walk(part) if part is not None else ():
                match node:
                    case Operation(operands=(Name(name=column), Literal(value=str(word)))):
                        yield aggregate.selection.table, column, word


def test_conditions_use_the_words_of_the_schema() -> None:
    seen = [found for feature in SHIPPED for found in texts_compared(feature)]
    assert ("returns", "cause", "funds") in seen
    for table, column, word in seen:
        known = STREAM_WORDS.get((table, column))
        if known is None and table == "settlements":
            known = TABLES["payments"].columns["method"].words
        words = known or TABLES[table].columns[column].words
        assert not words or word in words, f"{table}.{column} == {word!r}"


def test_what_is_barred_is_not_read() -> None:
    """Postcode, sex, age, household and the like have no column or no ground; what our own rules did is no feature."""
    for feature in SHIPPED:
        for aggregate in feature.expression.aggregates:
            read = feature.expression.columns()
            assert ("customers", "region") not in read, "a region enters as a rate, never as its name"
            assert aggregate.selection.table not in ("holds", "consents")
            chased = any(word in ("reminder", "collection") for _, _, word in texts_compared(feature))
            assert not chased or aggregate.function == "days_since", "how often we reminded says what we did"
    seen = {(table, column) for feature in SHIPPED for table, column in feature.expression.columns()}
    assert not {column for _, column in seen} & {"sex", "birth_year", "language", "credit_rating", "preferred_channel"}


@features
def test_only_numbers_have_a_direction_and_texts_need_no_other_feature(feature: Feature) -> None:
    assert feature.unit != "category" or feature.risk == "free"
    for text in feature.text.values():
        assert placeholders(text) == templates.placeholders(text) <= {"value", *feature.show}
    used = set().union(*(placeholders(text) for text in feature.text.values())) - {"value"}
    assert used == set(feature.show), "a placeholder that no text shows"
    for text in feature.show.values():
        assert set(re.findall(r"[a-z_]+", text)) <= {"value", "abs", "exp", "where"}


@pytest.mark.parametrize("name", CODES)
def test_a_code_of_ours_is_said_in_words_and_none_is_left_out(name: str) -> None:
    feature = SHIPPED[name]
    for language, text in feature.text.items():
        assert selected(text) == {"value": {*CODES[name], "other"}}
        said = [reason_text(feature, {name: code}, language=language) for code in CODES[name]]
        assert len(set(said)) == len(said)
        assert not any(re.search(r"[“”‘«»_]", clause) for clause in said), "a code, quoted as it is"
        assert "zzz" in reason_text(feature, {name: "zzz"}, language=language), "what is new is shown as it is"


@features
def test_a_text_reads_well_at_every_value(feature: Feature) -> None:
    for value in values_of(feature):
        for language in TAGS:
            said = reason_text(
                feature, {feature.name: value}, language=language, families=SHIPPED.families, currency="EUR"
            )
            assert not re.search(r"[{}#]|\bnan\b|\binf\b|  ", said), said
            assert said == said.strip()
            assert not said.endswith("."), "a clause, not a sentence: reports join them"
            assert not re.search(r"(?<!\w)-(?=\d)", said), f"a negative figure in words: {said}"
            assert not JUDGING.search(said), said
            assert not (language.startswith("fr") and re.search(r" [%;:!?€]", said)), "no-break space in French"


@features
def test_a_missing_value_gives_the_missing_text_of_the_family(feature: Feature) -> None:
    for language in LANGUAGES:
        said = reason_text(feature, {feature.name: float("nan")}, language=language, families=SHIPPED.families)
        assert said == SHIPPED.families[feature.family].missing[language]


@pytest.mark.parametrize(
    ("name", "value", "language", "said"),
    [
        ("usage_spike_30d", 0.9163, "en", "usage over the last 30 days is 2.5 times what is usual"),
        (
            "usage_spike_30d",
            0.9163,
            "nl",
            "het verbruik van de laatste 30 dagen ligt op 2,5 keer het gebruikelijke niveau",
        ),
        (
            "usage_spike_30d",
            0.9163,
            "fr",
            "la consommation des 30 derniers jours atteint 2,5 fois le niveau habituel",
        ),
        (
            "payment_change_last3",
            -2.3,
            "en",
            "the last 3 payments came on average 2.3 days earlier than those before",
        ),
        (
            "payment_change_last3",
            4.0,
            "nl",
            "de laatste 3 betalingen kwamen gemiddeld 4,0 dagen later binnen dan die daarvoor",
        ),
        (
            "days_beyond_terms_mean_365d",
            -3.0,
            "fr",
            "les factures payées au cours des 12 derniers mois ont été réglées en moyenne 3,0 jours avant l'échéance",
        ),
        ("days_beyond_terms_last1", 0.0, "nl", "de laatst betaalde factuur is op de vervaldag voldaan"),
        ("days_beyond_terms_last1", 1.0, "en", "the invoice paid last was settled 1 day after the due date"),
        (
            "returns_funds_count_365d",
            0.0,
            "en",
            "in the last 12 months no collection came back for lack of funds",
        ),
        (
            "returns_funds_count_365d",
            2.0,
            "nl",
            "in de laatste 12 maanden zijn 2 afschrijvingen teruggekomen wegens onvoldoende saldo",
        ),
        ("due_weekday_now", 4.0, "fr", "l'échéance tombe un vendredi"),
        (
            "mandate_ended_count_180d",
            1.0,
            "nl-BE",
            "in de laatste 180 dagen is 1 domiciliëring stopgezet",
        ),
        ("invoice_lead_now", -2.0, "nl", "de vervaldag was 2 dagen geleden"),
        ("late_share_365d", 0.0, "en", "every invoice that fell due in the last 12 months was paid on time"),
        ("late_share_365d", 1.0, "nl", "geen enkele factuur die de laatste 12 maanden verviel, is op tijd betaald"),
        (
            "late_share_365d",
            0.0,
            "fr",
            "toutes les factures échues au cours des 12 derniers mois ont été payées à temps",
        ),
        ("usage_spike_30d", 0.01, "fr", "la consommation des 30 derniers jours est proche du niveau habituel"),
        (
            "usage_spike_30d",
            -0.04,
            "nl",
            "het verbruik van de laatste 30 dagen is ongeveer gelijk aan het gebruikelijke",
        ),
        ("usage_cost_ratio_30d", 2.0, "en", "usage of the last 30 days cost 2.0 times the customer's median bill"),
        (
            "payment_drift_all",
            -2.0,
            "nl",
            "de recente betalingen komen eerder binnen dan bij deze klant gebruikelijk is, met 2,0 keer de gewone"
            " spreiding",
        ),
        ("arrears_days_now", -3.0, "en", "the latest report shows nothing past due"),
        ("customer_tenure_now", 0.0, "fr", "le client est chez nous depuis moins d'un mois"),
        ("customer_tenure_now", 365.0, "nl", "de klant is 12 maanden bij ons"),
        ("customer_tenure_now", 731.0, "en", "the customer has been with us for 2.0 years"),
        (
            "payment_recency_all",
            0.5,
            "nl",
            "de laatste volledige betaling van een factuur is minder dan een dag geleden",
        ),
        ("contact_inbound_count_30d", 1.0, "fr", "au cours des 30 derniers jours, le client nous a contactés une fois"),
        ("region_unemployment_now", 5.64, "en", "unemployment in the customer's region is 5.6%"),
        ("bill_shock_400d", 0.0, "en", "the amount is not far above the customer's median bill"),
        (
            "bill_excess_400d",
            12.5,
            "nl",
            "het bedrag ligt €\u00a012,50 boven het mediane factuurbedrag van de klant",
        ),
        ("bill_first_now", 1.0, "fr", "c'est la première facture connue de ce client"),
        (
            "advance_gap_365d",
            430.0,
            "nl-BE",
            "de voorschotten van de laatste 12 maanden zijn €\u00a0430,00 lager dan de tot nu toe bekende kosten van"
            " het verbruik",
        ),
        ("advance_change_365d", -0.2231436, "nl-NL", "het laatste termijnbedrag is 20% lager dan de eerdere"),
        ("due_to_bank_day_now", 1.0, "en", "banks open again 1 day after the due date"),
        ("due_to_bank_day_now", 0.0, "nl", "de vervaldag is een bankwerkdag"),
        (
            "due_before_payday_last12",
            5.0,
            "nl",
            "de vervaldag valt 5 dagen vóór de dag van de maand waarop deze klant gewoonlijk betaalt",
        ),
        (
            "due_before_payday_last12",
            -1.0,
            "fr",
            "l'échéance tombe 1 jour après le jour du mois où ce client paie d'ordinaire",
        ),
        (
            "due_before_payday_last12",
            0.0,
            "en",
            "the due date falls on the day of the month on which this customer usually pays",
        ),
        ("on_time_days_all", 200.0, "nl", "al 6 maanden is elke vervallen factuur op tijd betaald"),
        ("on_time_days_all", 40.0, "en", "for 1 month every invoice that fell due has been paid on time"),
        (
            "on_time_days_all",
            12.0,
            "fr",
            "il y a moins d'un mois, une facture n'a pas été payée à temps, ou la première est arrivée à échéance",
        ),
        ("first_bill_late_all", 1.0, "fr", "la première facture des 3 dernières années n'a pas été payée à temps"),
        ("due_week_count_90d", 0.0, "nl", "binnen 3 dagen van deze vervaldag vervalt geen factuur"),
        ("due_holidays_count_now", 2.0, "fr", "2 jours fériés tombent à 3 jours au plus de l'échéance"),
        ("invoice_unviewed_60d", 1.0, "en", "this invoice was not seen yet, unlike earlier ones"),
        (
            "due_to_paying_day_last12",
            1.0,
            "fr",
            "le prochain jour du mois où ce client a déjà payé suit l'échéance de 1 jour",
        ),
        (
            "due_to_paying_weekday_last12",
            2.0,
            "nl",
            "de eerstvolgende weekdag waarop deze klant eerder betaalde, valt 2 dagen na de vervaldag",
        ),
        (
            "usage_volatility_180d",
            0.35,
            "nl",
            "het verbruik van de laatste 180 dagen schommelde met 35% rond het gemiddelde",
        ),
        (
            "late_count_last3",
            1.0,
            "nl",
            "van de laatst vervallen facturen (ten hoogste 3) is er 1 niet op tijd betaald",
        ),
        ("notice_to_payment_365d", 3.2, "en", "the latest full payment came 3 days after our latest notice"),
        (
            "usage_trend_180d",
            -0.002,
            "fr",
            "sur les 180 derniers jours, la consommation a baissé d'environ 6\u00a0% de la moyenne par mois",
        ),
        (
            "contact_means_count_180d",
            1.0,
            "en",
            "in the last 180 days the customer mentioned lower income or other costs once",
        ),
        ("final_bill_now", 1.0, "nl", "dit is een eindafrekening"),
        ("returns_cause_last1", "funds", "en", "the last time, a collection came back for lack of funds"),
        (
            "returns_cause_last1",
            "mandate",
            "nl-BE",
            "de laatste keer is een afschrijving teruggekomen omdat een geldige machtiging ontbrak",
        ),
        ("returns_cause_last1", "funds", "fr", "la dernière fois, un encaissement est revenu faute de provision"),
        ("invoice_stage_now", "collecting", "nl", "het bedrag is ter afschrijving aan de bank doorgegeven"),
        ("invoice_kind_now", "credit_note", "fr-BE", "il s'agit d'une note de crédit"),
        (
            "late_share_365d",
            0.004,
            "en",
            "less than 1% of the invoices that fell due in the last 12 months were not paid on time",
        ),
        (
            "late_share_365d",
            0.997,
            "nl",
            "van de facturen die de laatste 12 maanden vervielen, is meer dan 99% niet op tijd betaald",
        ),
        (
            "segment_late_share_365d",
            0.003,
            "fr",
            "chez les autres clients du même segment, on estime que moins de 1\u00a0% des factures des 12 derniers "
            "mois n'ont pas été payées à temps",
        ),
        ("dispute_open_count_now", 0.0, "en", "no dispute or complaint waits for our answer"),
        (
            "direct_debit_left_last1",
            1.0,
            "nl-BE",
            "de laatste factuur is niet via domiciliëring betaald, de meeste daarvoor wel",
        ),
    ],
)
def test_sentences_an_analyst_reads(name: str, value: float | str, language: str, said: str) -> None:
    assert reason_text(SHIPPED[name], {name: value}, language=language, families=SHIPPED.families) == said


@pytest.mark.parametrize("name", ["late_share_all", "days_beyond_terms_over5_share_all"])
def test_a_share_with_a_prior_is_one_in_ten_where_nothing_is_known_and_is_called_an_estimate(name: str) -> None:
    assert eval(re.sub(r"(sum|count)\((?:[^()])*\)", "0", SHIPPED[name].value)) == 0.1
    for language, word in {"en": "it is estimated", "nl": "naar schatting", "fr": "on estime"}.items():
        assert SHIPPED[name].text[language].startswith(word)


@pytest.mark.parametrize("feature", [item for item in SHIPPED if "days_beyond_terms" in item.value], ids=str)
def test_what_says_that_payments_come_later_raises_the_risk(feature: Feature) -> None:
    assert feature.risk == ("free" if "std(" in feature.value else "up")


@features
def test_none_and_all_are_said_in_words(feature: Feature) -> None:
    """Counts and amounts at 0, shares of this customer's own items at 0 and 1: no figure but that of the window."""
    estimated = "+ 10)" in feature.value or feature.family in ("peers", "region")
    amounts = feature.unit == "currency" and feature.name != "invoice_amount_now"
    counted = feature.value.startswith("count(") or amounts
    shares = feature.unit == "share" and not estimated
    for value in (0.0, 1.0) if shares else (0.0,) if counted else ():
        for language in TAGS:
            said = reason_text(feature, {feature.name: value}, language=language, families=SHIPPED.families)
            assert not re.search(r"%|€|\b0\b|\b100\b", said), said


@pytest.mark.parametrize(
    "place",
    [
        "days_beyond_terms_mean_365d",
        "payment_change_last3",
        "payment_change_30d",
        "payment_spread_change_last6",
        "arrears_days_mean_365d",
    ],
)
@pytest.mark.parametrize(("value", "unit"), [(0.06, "jour"), (1.9, "jour"), (1.96, "jours"), (1.999, "jours")])
def test_french_chooses_day_or_days_by_the_figure_it_shows(place: str, value: float, unit: str) -> None:
    said = reason_text(SHIPPED[place], {place: value}, language="fr", families=SHIPPED.families)
    assert re.search(rf"\d {unit}\b", said), said


# -- where it is found -------------------------------------------------------------------------------------


@pytest.fixture
def fresh() -> Iterator[None]:
    files.shipped_families.cache_clear()
    yield
    files.shipped_families.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_the_packaged_folder_comes_first_and_the_checkout_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkout: Path
) -> None:
    packaged = tmp_path / "_catalogue"
    monkeypatch.setattr(files, "_packaged_folder", lambda: packaged)
    assert FeatureSet.default() == FeatureSet.from_toml(checkout / "features")
    shutil.copytree(checkout / "features", packaged)
    (packaged / "usage.toml").unlink()
    assert "usage_spike_30d" not in FeatureSet.default()


@pytest.mark.usefixtures("fresh")
def test_the_package_alone_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkout: Path) -> None:
    shutil.copytree(checkout / "features", tmp_path / "_catalogue")
    monkeypatch.setattr(files, "_packaged_folder", lambda: tmp_path / "_catalogue")
    monkeypatch.setattr(files, "_checkout_folder", lambda: tmp_path / "absent")
    assert FeatureSet.default() == SHIPPED


@pytest.mark.usefixtures("fresh")
def test_without_a_catalogue_the_error_says_so_and_own_features_still_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "_packaged_folder", lambda: tmp_path / "a")
    monkeypatch.setattr(files, "_checkout_folder", lambda: tmp_path / "b")
    with pytest.raises(FeatureError, match="F208"):
        FeatureSet.default()
    own = FeatureSet([Feature("payments_count_90d", "count(payments, days=90)", family="history")])
    assert own.families["history"].label["en"] == "history"
