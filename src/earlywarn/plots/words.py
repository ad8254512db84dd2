"""Words of the plan in plain English, Dutch and French, for pictures and for printed lines.

Columns of the plan hold closed words for machines (``pre_due_reminder``); people read these. A word that is
not listed, one of a policy of your own say, is shown as it stands, with spaces.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["in_words"]

LANGUAGES = ("en", "nl", "fr")

#: Word -> English, Dutch, French, in groups: a word may mean two things.
_WORDS: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "action": {
        "service_call": ("service call", "servicegesprek", "appel de service"),
        "pre_due_reminder": ("message before the due date", "bericht vóór de vervaldag", "message avant l'échéance"),
        "nothing": ("no contact", "geen contact", "pas de contact"),
    },
    "life": {
        "use": ("use", "verbruik", "consommation"),
        "means": ("means", "ruimte", "moyens"),
        "bills": ("bills", "facturen", "factures"),
        "dispute": ("disputed", "betwist", "contesté"),
        "forgot": ("forgotten", "vergeten", "oublié"),
        "habit": ("attended to late", "laat bekeken", "traité tard"),
        "bill_shock": ("far above usual", "ver boven het gewone", "bien au-dessus de l'habitude"),
        "income_loss": ("income lost", "inkomen weggevallen", "revenu perdu"),
        "other_bills": ("other bills first", "eerst andere rekeningen", "d'autres factures d'abord"),
        "means_short": ("means short", "krap bij kas", "moyens limités"),
        "account": ("collection came back", "afschrijving kwam terug", "prélèvement rejeté"),
        "business": ("a business", "een bedrijf", "une entreprise"),
        "puts_away": (
            "puts {share} of bills away", "legt {share} van de facturen weg", "met {share} des factures de côté",
        ),
        "collected": ("paid by direct debit", "betaalt per domiciliëring", "paie par domiciliation"),
        "card": ("pays by card", "betaalt met de kaart", "paie par carte"),
        "transfer": ("pays by transfer", "betaalt per overschrijving", "paie par virement"),
        "reminded": ("reminder", "herinnering", "rappel"),
        "reminded_again": ("second reminder", "tweede herinnering", "deuxième rappel"),
        "questioned": ("asks", "vraagt", "demande"),
        "notice": ("notice", "bericht", "message"),
        "call": ("call", "oproep", "appel"),
        "limit": ("limit", "limiet", "limite"),
        "usage_notice": ("word of high use", "bericht over hoog verbruik", "message : forte consommation"),
        "usage_call": ("call about high use", "oproep over hoog verbruik", "appel : forte consommation"),
        "advance": ("higher advance offered", "hoger voorschot aangeboden", "acompte plus élevé proposé"),
        "due_day": ("another due day offered", "andere vervaldag aangeboden", "autre échéance proposée"),
    },
    "angle": {
        "due_soon": ("the due date is near", "de vervaldag komt eraan", "l'échéance approche"),
        "collection_ahead": ("a collection is coming", "er komt een afschrijving aan", "un prélèvement arrive"),
        "usage_high": ("usage is high", "het verbruik is hoog", "la consommation est élevée"),
        "bill_explained": ("explain the bill", "de factuur uitleggen", "expliquer la facture"),
        "due_day": ("offer another due day", "een andere vervaldag aanbieden", "proposer un autre jour d'échéance"),
        "check_details": (
            "check address and account", "adres en rekening nakijken", "vérifier l'adresse et le compte",
        ),
        "help_offer": ("offer help", "hulp aanbieden", "proposer de l'aide"),
        "arrangement": ("agree an arrangement", "een regeling afspreken", "convenir d'un arrangement"),
    },
    "channel": {
        "phone": ("phone", "telefoon", "téléphone"),
        "app": ("app", "app", "application"),
        "email": ("e-mail", "e-mail", "e-mail"),
        "sms": ("SMS", "sms", "SMS"),
        "letter": ("letter", "brief", "lettre"),
        "whatsapp": ("WhatsApp", "WhatsApp", "WhatsApp"),
    },
    "history": {
        "never_late": ("never late", "nooit te laat", "jamais en retard"),
        "late_pays_itself": (
            "late at times, then pays unasked", "soms te laat, betaalt dan zelf", "parfois en retard, puis paie seul",
        ),
        "late_for_means": ("late for lack of means", "te laat door krapte", "en retard faute de moyens"),
    },
    "signal": {
        "none": ("no signal", "geen signaal", "aucun signal"),
        "usage_or_bill": ("usage or bill", "verbruik of factuur", "consommation ou facture"),
        "timing": ("timing", "betaalmoment", "moment du paiement"),
        "means": ("means", "krapte", "moyens"),
    },
    "label": {
        "worklist": (
            "worklist: late-payment risk, and the first reason",
            "werklijst: risico op late betaling, en de eerste reden",
            "liste du jour : risque de retard de paiement, et la première raison",
        ),
        "risk": ("late-payment risk", "risico op late betaling", "risque de retard de paiement"),
        "average": ("average", "gemiddeld", "moyenne"),
        "this bill": ("this bill", "deze factuur", "cette facture"),
        "log-odds": ("log-odds", "log-odds", "log-odds"),
        "other": ("other", "overige", "autres"),
        "by": ("by", "per", "par"),
    },
    "lane": {
        "usage": ("usage", "verbruik", "consommation"),
        "invoices": ("bills", "facturen", "factures"),
        "payments": ("payments", "betalingen", "paiements"),
        "returns": ("returned", "teruggekomen", "rejetés"),
        "contacts": ("contacts", "contacten", "contacts"),
    },
    "timeline": {
        "window": ("window", "periode", "période"),
        "used": ("used", "gebruikt", "utilisé"),
        "unknown": ("not known yet", "nog niet bekend", "pas encore connu"),
        "left out": ("not used", "niet gebruikt", "non utilisé"),
        "level": ("value", "waarde", "valeur"),
        "as_of": ("as_of", "peilmoment", "date d'observation"),
        "due": ("due", "vervaldag", "échéance"),
        "decimal": (".", ",", ","),
    },
}  # fmt: skip


def in_words(group: str, word: str | None, language: str = "en") -> str:
    """A closed word as people say it.

    Parameters
    ----------
    group : {"action", "life", "angle", "channel", "history", "signal", "label", "lane", "timeline"}
    word : str or None
    language : str
        "en", "nl", "fr", or one with a territory; any other is answered in English.

    Returns
    -------
    str
        The word itself, with spaces, when the list does not have it; "–" for none.

    Examples
    --------
    >>> in_words("action", "service_call", "nl-BE"), in_words("angle", "my_own_angle")
    ('servicegesprek', 'my own angle')
    """
    if not isinstance(word, str):
        return "–"
    said = _WORDS[group].get(word)
    if said is None:
        return word.replace("_", " ")
    base = language.replace("_", "-").split("-")[0].lower()
    return said[LANGUAGES.index(base) if base in LANGUAGES else 0]
