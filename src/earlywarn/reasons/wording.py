"""Words in which a feature is explained, in English, Dutch and French: what it reads, and what became of each fact.

Templates as those of the catalogue. Names of tables, columns and features are left as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from earlywarn.reasons.formats import tag_of
from earlywarn.reasons.texts import LANGUAGES, render

__all__ = ["WORDS", "base", "said", "spoken"]

#: Key -> English, Dutch, French.
WORDS: Mapping[str, tuple[str, str, str]] = {
    # what an aggregate makes of its facts
    "count": ("number of facts in {table}", "aantal feiten in {table}", "nombre de faits dans {table}"),
    "sum": ("sum of {what}", "som van {what}", "somme de {what}"),
    "mean": ("mean of {what}", "gemiddelde van {what}", "moyenne de {what}"),
    "share": (
        "share of the facts in {table} with {what}", "aandeel van de feiten in {table} met {what}",
        "part des faits de {table} avec {what}",
    ),
    "rate": (
        "rate of {what}, drawn towards that of all customers,",
        "aandeel van {what}, bijgesteld in de richting van dat van alle klanten,",
        "taux de {what}, ramené vers celui de tous les clients,",
    ),
    "std": ("standard deviation of {what}", "standaardafwijking van {what}", "écart type de {what}"),
    "min": ("smallest value of {what}", "kleinste waarde van {what}", "plus petite valeur de {what}"),
    "max": ("largest value of {what}", "grootste waarde van {what}", "plus grande valeur de {what}"),
    "median": ("median of {what}", "mediaan van {what}", "médiane de {what}"),
    "quantile": (
        "value of {what} that {q|percent} of the facts do not exceed",
        "waarde van {what} waar {q|percent} van de feiten niet boven ligt",
        "valeur de {what} que {q|percent} des faits ne dépassent pas",
    ),
    "mad": (
        "median absolute deviation of {what} from its median",
        "mediane absolute afwijking van {what} ten opzichte van de mediaan",
        "écart absolu médian de {what} par rapport à sa médiane",
    ),
    "first": ("oldest value of {what}", "oudste waarde van {what}", "plus ancienne valeur de {what}"),
    "last": ("newest value of {what}", "nieuwste waarde van {what}", "plus récente valeur de {what}"),
    "days_since": (
        "days since the newest fact in {table}", "dagen sinds het nieuwste feit in {table}",
        "jours depuis le fait le plus récent de {table}",
    ),
    "days_since_date": (
        "days since {what}, read from the newest fact,", "dagen sinds {what}, volgens het nieuwste feit,",
        "jours depuis {what}, d'après le fait le plus récent,",
    ),
    "days_until": (
        "days until the nearest fact in {table}", "dagen tot het eerstvolgende feit in {table}",
        "jours jusqu'au prochain fait de {table}",
    ),
    "days_until_date": ("days until {what}", "dagen tot {what}", "jours jusqu'à {what}"),
    "slope": (
        "slope of {what} per day (least squares)", "helling van {what} per dag (kleinste kwadraten)",
        "pente de {what} par jour (moindres carrés)",
    ),
    "ewma": (
        "weighted mean of {what}, the newest fact with weight {alpha|number},",
        "gewogen gemiddelde van {what}, het nieuwste feit met gewicht {alpha|number},",
        "moyenne pondérée de {what}, le fait le plus récent avec un poids de {alpha|number},",
    ),
    "drift": (
        "drift of {what}: the 6 newest facts against all those before, counted in usual spreads,",
        "verschuiving van {what}: de 6 nieuwste feiten tegenover alle eerdere, geteld in gebruikelijke spreidingen,",
        "dérive de {what} : les 6 faits les plus récents face à tous ceux d'avant, en écarts habituels,",
    ),
    "distinct": (
        "number of different values of {what}", "aantal verschillende waarden van {what}",
        "nombre de valeurs différentes de {what}",
    ),
    "streak": (
        "newest facts in a row with {what}", "nieuwste feiten op rij met {what}",
        "faits les plus récents consécutifs avec {what}",
    ),
    "own": ("{name} of {what}", "{name} van {what}", "{name} de {what}"),
    "field": (
        "{what} of the obligation that is observed", "{what} van de betalingsverplichting die wordt bekeken",
        "{what} de l'obligation de paiement observée",
    ),
    # its window; as_of is the moment of observation
    "window": (
        "in the last {days, plural, one {day} other {# days}} before as_of",
        "{days, plural, one {op de laatste dag} other {in de laatste # dagen}} vóór het peilmoment",
        "au cours {days, plural, one {du dernier jour} other {des # derniers jours}} avant la date d'observation",
    ),
    "window_until": (
        "in the {days|number} days before as_of, without the last {until, plural, one {day} other {#}}",
        "in de {days|number} dagen vóór het peilmoment, zonder de laatste {until, plural, one {dag} other {#}}",
        "au cours des {days|number} jours avant la date d'observation, sans {until, plural, one {le dernier} other "
        "{les # derniers}}",
    ),
    "lasting": (
        ", as known at as_of", ", zoals bekend op het peilmoment", ", d'après ce qui est connu à la date d'observation",
    ),
    "ahead": (
        "in the {days, plural, one {day} other {# days}} from as_of on, as far as known before as_of",
        "{days, plural, one {op de dag} other {in de # dagen}} vanaf het peilmoment, voor zover dan al bekend",
        "{days, plural, one {le jour} other {dans les # jours}} à partir de la date d'observation, dans la mesure où "
        "c'est déjà connu",
    ),
    "ahead_open": (
        "from as_of on, as far as known before as_of", "vanaf het peilmoment, voor zover dan al bekend",
        "à partir de la date d'observation, dans la mesure où c'est déjà connu",
    ),
    "where": (", only where {condition}", ", alleen waar {condition}", ", seulement si {condition}"),
    "last_kept": (
        ", only the {last, plural, one {newest fact} other {# newest facts}}",
        ", alleen {last, plural, one {het nieuwste feit} other {de # nieuwste feiten}}",
        ", seulement {last, plural, one {le fait le plus récent} other {les # faits les plus récents}}",
    ),
    "skipped": (
        ", without the {skip, plural, one {newest fact} other {# newest facts}}",
        ", zonder {skip, plural, one {het nieuwste feit} other {de # nieuwste feiten}}",
        ", sans {skip, plural, one {le fait le plus récent} other {les # faits les plus récents}}",
    ),
    "then_kept": (
        ", then the {last, plural, one {newest fact} other {# newest facts}} of the rest",
        ", daarna {last, plural, one {het nieuwste feit} other {de # nieuwste feiten}} van de rest",
        ", puis {last, plural, one {le fait le plus récent} other {les # faits les plus récents}} du reste",
    ),
    "of_portfolio": (", of all customers", ", van alle klanten", ", de tous les clients"),
    "of_group": (
        ", of all customers of the same {group}", ", van alle klanten {group} als deze klant",
        ", de tous les clients {group}",
    ),
    "leave_out": (
        ", this customer left out", ", deze klant niet meegeteld", ", ce client non compris",
    ),
    "group_region": ("region", "uit dezelfde regio", "de la même région"),
    "group_segment": ("segment", "uit hetzelfde segment", "du même segment"),
    "group_campaign": ("campaign", "uit dezelfde campagne", "de la même campagne"),
    "group_account": ("account", "met dezelfde rekening", "du même compte"),
    "group_contract": ("contract", "met hetzelfde contract", "du même contrat"),
    # without facts
    "empty_zero": ("0 if there are no facts", "0 als er geen feiten zijn", "0 s'il n'y a pas de faits"),
    "empty_missing": (
        "missing if there are no facts", "niet bekend als er geen feiten zijn", "inconnu s'il n'y a pas de faits",
    ),
    "empty_book": (
        "that of all customers if there are no facts", "dat van alle klanten als er geen feiten zijn",
        "celui de tous les clients s'il n'y a pas de faits",
    ),
    "empty_two": (
        "missing with fewer than two facts", "niet bekend bij minder dan twee feiten",
        "inconnu avec moins de deux faits",
    ),
    "empty_moments": (
        "missing unless facts fall on two moments or more", "niet bekend tenzij feiten op twee of meer momenten vallen",
        "inconnu sauf si des faits tombent à deux moments ou plus",
    ),
    "empty_ten": (
        "missing with fewer than ten facts", "niet bekend bij minder dan tien feiten",
        "inconnu avec moins de dix faits",
    ),
    # what became of a fact
    "used": ("used", "gebruikt", "{n, plural, one {utilisé} other {utilisés}}"),
    "no value": ("no value", "zonder waarde", "sans valeur"),
    "before": ("before the window", "vóór de periode", "avant la période"),
    "after": ("after the window", "na de periode", "après la période"),
    "unknown": ("not known yet", "nog niet bekend", "pas encore {n, plural, one {connu} other {connus}}"),
    "replaced": ("replaced by then", "toen al vervangen", "déjà {n, plural, one {remplacé} other {remplacés}}"),
    "condition": (
        "against the condition", "{n, plural, one {voldoet} other {voldoen}} niet aan de voorwaarde", "hors condition",
    ),
    "skipped_fact": (
        "skipped as newest", "overgeslagen als nieuwste",
        "{n, plural, one {sauté comme plus récent} other {sautés comme plus récents}}",
    ),
    "beyond": (
        "not kept", "{n, plural, one {telt} other {tellen}} niet mee",
        "non {n, plural, one {retenu} other {retenus}}",
    ),
    # a call card
    "card_opening": ("Opening", "Opening", "Ouverture"),
    "card_background": ("Not to be read out", "Niet voor te lezen", "À usage interne"),
    "card_questions": ("To ask", "Te vragen", "À demander"),
    "card_may_offer": ("To offer", "Aan te bieden", "À proposer"),
    "card_must_not_say": ("Not to say", "Niet te zeggen", "À ne pas dire"),
    # headings
    "text": ("text", "tekst", "texte"),
    "definition": ("definition", "definitie", "définition"),
    "unit": ("unit", "eenheid", "unité"),
    "direction": ("direction", "richting", "sens"),
    "family": ("family", "familie", "famille"),
    "evidence": ("evidence", "soort", "nature"),
    "reads": ("reads", "leest", "lit"),
    "missing": ("if missing", "als onbekend", "si inconnu"),
    "value": ("value", "waarde", "valeur"),
    "happened": ("happened", "gebeurd", "survenu"),
    "known": ("known", "bekend", "connu"),
    "fate": ("status", "status", "statut"),
    # sentences
    "on_customer": (
        "customer {customer} at {on}", "klant {customer} op {on}", "client {customer} au {on}",
    ),
    "bill": (
        "obligation {obligation}, due {on}", "betalingsverplichting {obligation}, vervalt op {on}",
        "obligation de paiement {obligation}, échéance le {on}",
    ),
    "span": (
        "{start} up to, not including, {end}", "{start} tot {end} (die dag niet)",
        "{start} au {end} (non compris)",
    ),
    "span_end": ("before {end}", "vóór {end}", "avant le {end}"),
    "span_start": ("from {start} on", "vanaf {start}", "à partir du {start}"),
    "span_all": ("no limit", "zonder grens", "sans limite"),
    "nothing": (
        "nothing of this customer stands in {table}", "van deze klant staat er niets in {table}",
        "rien de ce client ne figure dans {table}",
    ),
    "others": (
        "{count, plural, one {# fact} other {# facts}} of many customers, kept as daily sums and not shown one by one",
        "{count, plural, one {# feit} other {# feiten}} van vele klanten, bewaard als dagtotalen en niet afzonderlijk "
        "getoond",
        "{count, plural, one {# fait} other {# faits}} de nombreux clients, gardés en totaux journaliers et non "
        "montrés un à un",
    ),
    "absent": (
        "{what} was not handed over", "{what} is niet aangeleverd", "{what} n'a pas été fourni",
    ),
    "today": (
        "of {what} only today's value is known", "van {what} is alleen de waarde van vandaag bekend",
        "de {what}, seule la valeur d'aujourd'hui est connue",
    ),
    "between": ("… {count|number} more", "… nog {count|number}", "… encore {count|number}"),
    "generated": (
        "on a generated biller of {count} customers; name a folder to see your own tables",
        "op een gegenereerd facturatiebestand met {count} klanten; geef een map op om uw eigen tabellen te zien",
        "sur un facturier généré de {count} clients ; indiquez un dossier pour voir vos propres tables",
    ),
    "chosen": (
        "no customer was named: this is one of whom it says most",
        "er is geen klant opgegeven: dit is er een over wie dit veel zegt",
        "aucun client n'est indiqué : en voici un dont elle dit beaucoup",
    ),
    "listed": (
        "{count} of {all, plural, one {# feature} other {# features}}",
        "{count} van {all, plural, one {# kenmerk} other {# kenmerken}}",
        "{count} sur {all, plural, one {# variable} other {# variables}}",
    ),
    "and_empty": ("{words}; {empty}", "{words}; {empty}", "{words} ; {empty}"),
    "counted": ("{span}: {tally}", "{span}: {tally}", "{span} : {tally}"),
    "same_facts": ("the same facts as above", "dezelfde feiten als hierboven", "les mêmes faits que ci-dessus"),
    "not_known": ("missing", "niet bekend", "inconnu"),
    # direction and evidence
    "up": (
        "a higher value never lowers the risk", "een hogere waarde verlaagt het risico nooit",
        "une valeur plus élevée n'abaisse jamais le risque",
    ),
    "down": (
        "a higher value never raises the risk", "een hogere waarde verhoogt het risico nooit",
        "une valeur plus élevée n'augmente jamais le risque",
    ),
    "free": ("either way", "beide kanten op", "dans les deux sens"),
    "up_short": ("raises", "verhoogt", "augmente"),
    "down_short": ("lowers", "verlaagt", "abaisse"),
    "free_short": ("either way", "beide kanten", "les deux sens"),
    "history": (
        "history: how bills have been paid so far", "betaalgeschiedenis: hoe tot nu toe is betaald",
        "historique : comment les factures ont été payées jusqu'ici",
    ),
    "signal": (
        "signal: what is new in the data", "signaal: wat nieuw is in de gegevens",
        "signal : ce qui est nouveau dans les données",
    ),
    "context": (
        "context: circumstances", "context: omstandigheden", "contexte : circonstances",
    ),
    "history_short": ("history", "geschiedenis", "historique"),
    "signal_short": ("signal", "signaal", "signal"),
    "context_short": ("context", "context", "contexte"),
}  # fmt: skip


def spoken(language: str) -> str:
    """The language that our own words are in when another is asked: its own, or English.

    Examples
    --------
    >>> spoken("nl-BE"), spoken("de")
    ('nl-BE', 'en')
    """
    return language if base(language) in LANGUAGES else "en"


def said(key: str, language: str, **values: object) -> str:
    """Words by key, with their values.

    Parameters
    ----------
    key : str
        Of `WORDS`.
    language : str
        A tag; English stands in for what we do not speak.
    **values
        What the placeholders stand for.

    Returns
    -------
    str

    Examples
    --------
    >>> said("window_until", "en", days=180.0, until=30.0)
    'in the 180 days before as_of, without the last 30'
    >>> said("window", "nl", days=30.0)
    'in de laatste 30 dagen vóór het peilmoment'
    """
    tag = spoken(language)
    return render(WORDS[key][LANGUAGES.index(base(tag))], values, language=tag)


def base(language: str) -> str:
    """The language of a tag, without its territory."""
    return tag_of(language).partition("-")[0]
