"""The card of a service call: opening, what may be asked and offered, what is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from earlywarn.reasons.voices import customer_text, rendered, words_file
from earlywarn.reasons.wording import base, said

__all__ = ["CallCard", "call_card", "families_told"]

#: Parts of a card in their order.
PARTS = ("opening", "background", "questions", "may_offer", "must_not_say")


@dataclass(frozen=True)
class CallCard:
    """What an agent has in hand for one call.

    Parameters
    ----------
    customer_id : str
    angle : str
        What the call is about.
    opening : str
        Spoken first; it states a fact and asks for nothing.
    questions, may_offer, must_not_say : tuple of str
    background : tuple of str
        Why the customer is called, in the analyst's words: not to be read out.
    language : str
    """

    customer_id: str
    angle: str
    opening: str
    questions: tuple[str, ...]
    may_offer: tuple[str, ...]
    must_not_say: tuple[str, ...]
    background: tuple[str, ...] = ()
    language: str = "en"

    def _parts(self) -> list[tuple[str, tuple[str, ...]]]:
        parts = {name: getattr(self, name) for name in PARTS} | {"opening": (self.opening,)}
        return [(said(f"card_{name}", self.language), lines) for name, lines in parts.items() if lines]

    def __str__(self) -> str:
        return "\n".join(line for head, lines in self._parts() for line in (head, *(f"  - {one}" for one in lines)))

    def _repr_html_(self) -> str:
        parts = [f"<h4>{escape(self.customer_id)}</h4>"]
        for head, lines in self._parts():
            listed = "".join(f"<li>{escape(one)}</li>" for one in lines)
            parts.append(f"<p><b>{escape(head)}</b></p><ul>{listed}</ul>")
        return "".join(parts)


def call_card(
    customer_id: str,
    angle: str,
    fact: str | None = None,
    *,
    wish: str | None = None,
    language: str = "en",
    formality: str = "formal",
    name: str = "…",
    company: str = "…",
    background: Sequence[str] = (),
) -> CallCard:
    """Write the card of a call.

    Parameters
    ----------
    customer_id : str
    angle : str
        What the call is about; an angle without a card of its own gets that of ``help_offer``.
    fact : str, optional
        What was noticed, as `own_fact` says it; left out, the opening says what the call is about.
    wish : str, optional
        What it is about, as `customer_fact` says it of a family; that of the angle when left out.
    language, formality : str
        As for `customer_text`.
    name, company : str
        Of the agent and the organisation, where they are known.
    background : sequence of str
        Why, in the analyst's words.

    Returns
    -------
    CallCard

    Raises
    ------
    FeatureError
        As for `customer_text`.

    Examples
    --------
    >>> card = call_card("c1", "usage_high", "your usage was twice what you are used to", company="Aqua")
    >>> card.opening[:52]
    'Good afternoon, this is … from the customer service '
    >>> card.may_offer[0]
    'a spending limit, free of charge'
    """
    cards = words_file("cards")
    own = cards.get(angle, cards["help_offer"])
    style: dict[str, Any] = {"language": language, "formality": formality}
    about = wish or rendered(_lines(own["wish"], language, formality)[0], {}, **style)
    opening = {"fact": fact, "wish": about, "name": name, "company": company}
    spoken = {part: _said(own[part], **style) for part in ("questions", "may_offer")}
    return CallCard(
        customer_id=customer_id,
        angle=angle,
        opening=customer_text("service_call_opening", opening, **style),
        must_not_say=tuple(_lines(cards["every"]["must_not_say"], language, formality)),
        background=tuple(background),
        language=language,
        **spoken,
    )


def families_told(angle: str) -> tuple[str, ...]:
    """Families whose facts fit an angle; none means any.

    Examples
    --------
    >>> families_told("due_day")
    ('timing',)
    """
    return tuple(words_file("cards").get(angle, {}).get("families", ()))


def _said(texts: Any, *, language: str, formality: str) -> tuple[str, ...]:
    return tuple(
        rendered(line, {}, language=language, formality=formality) for line in _lines(texts, language, formality)
    )


def _lines(texts: Any, language: str, formality: str) -> list[str]:
    """Lines of a language, those of the asked formality first; English where it has none."""
    own = base(language)
    names = (f"{own}-informal", own, "en") if formality == "informal" else (own, "en")
    found = next(texts[name] for name in names if name in texts)
    return [found] if isinstance(found, str) else list(found)
