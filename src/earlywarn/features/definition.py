"""What one feature is: an expression with a unit, a direction, a family and words. Not how it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from earlywarn.errors import FeatureError
from earlywarn.features import checks
from earlywarn.features.expression import Expression, parse

__all__ = ["EVIDENCE", "RISKS", "Family", "Feature", "need_features"]

RISKS = ("free", "up", "down")
EVIDENCE = ("history", "signal", "context")
UNDATED = ("", "missing")
TABLES = ("show", "text", "customer")
#: Placeholders of sentences for customers that stand for words: how formal, and what differs by country.
TERMS = ("formality", "direct_debit", "advance", "statement")


@dataclass(frozen=True)
class Feature:
    """One column of the matrix: what it measures, which way it may push the risk, and how it is said.

    Parameters
    ----------
    name : str
        ``<subject>_<measure>_<window>``: small letters, digits and underscores, a letter first.
    value : str
        The definition in the expression language.
    unit : str
        Unit of the value, such as ``days``, ``share`` or ``category``.
    risk : {"free", "up", "down"}
        Direction that the model is held to, everything else equal.
    family : str
        Features of one family are summed into one reason.
    evidence : {"history", "signal", "context"}
        What the policy takes it for.
    show : mapping of str to str
        Placeholders of the texts: scalar expressions over ``value`` and names of other features.
    text : mapping of str to str
        The analyst's sentence by language (``en``, ``nl``, ``fr``, or with a country: ``nl-BE``).
    customer : mapping of str to str
        What a customer may be told of it, by language, with ``{formality}``, terms of `TERMS` and the placeholders of
        ``text``; left out, the family's own sentence is told.
    ground : str
        Why a column that is for audit only may be used here; empty for all other features.
    undated : {"", "missing"}
        What becomes of the feature where customers, accounts or contracts hold today's values only (no
        ``valid_from``) and it reads one: it is refused (F220), or missing with a notice.

    Attributes
    ----------
    expression : Expression
        ``value``, parsed.

    Raises
    ------
    FeatureError
        F201 name, F202 type, F204 word outside a closed list, F205 language, F206 placeholder or ``show``,
        F209 audit-only column without ground, F21x expression.

    Examples
    --------
    >>> spike = Feature(
    ...     "usage_spike_30d",
    ...     value="log(mean(usage.quantity, days=30) / median(usage.quantity, days=180, until=30))",
    ...     risk="up",
    ...     family="usage",
    ...     evidence="signal",
    ...     show={"times": "exp(value)"},
    ...     text={"en": "usage is {times|number:1} times what is usual"},
    ... )
    >>> spike.risk, spike.unit, spike.text["en"]
    ('up', '', 'usage is {times|number:1} times what is usual')
    """

    name: str
    value: str
    unit: str = ""
    risk: str = "free"
    family: str = "other"
    evidence: str = "history"
    show: Mapping[str, str] = field(default_factory=dict, hash=False)
    text: Mapping[str, str] = field(default_factory=dict, hash=False)
    customer: Mapping[str, str] = field(default_factory=dict, hash=False)
    ground: str = ""
    undated: str = ""
    expression: Expression = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for item in _given(self):
            checks.check_string(f"{self.name}.{item}", getattr(self, item), table=item in TABLES)
        for item in TABLES:
            object.__setattr__(self, item, MappingProxyType(dict(getattr(self, item))))
        checks.check_name(self.name, f"feature {self.name!r}")
        checks.check_name(self.family, f"{self.name}: family {self.family!r}")
        checks.check_word(self.name, "risk", self.risk, RISKS)
        checks.check_word(self.name, "evidence", self.evidence, EVIDENCE)
        checks.check_word(self.name, "undated", self.undated, UNDATED)
        object.__setattr__(self, "expression", parse(self.value))
        checks.check_bare_names(self.name, self.expression)
        checks.check_ground(self.name, self.expression, self.ground)
        checks.check_show(self.name, self.show)
        checks.check_languages(f"{self.name}: text", self.text)
        checks.check_placeholders(self.name, self.text, ("value", *self.show))
        checks.check_languages(f"{self.name}: customer", self.customer)
        checks.check_placeholders(f"{self.name}: customer", self.customer, ("value", *self.show, *TERMS))

    def __reduce__(self) -> tuple[Any, ...]:
        return Feature, tuple(_plain(getattr(self, item)) for item in _given(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain strings and dictionaries, ready for JSON; what is at its default is left out.

        Returns
        -------
        dict
        """
        full = {item: _plain(getattr(self, item)) for item in _given(self)}
        return {item: content for item, content in full.items() if content}

    @classmethod
    def from_dict(cls, name: str, table: Mapping[str, Any]) -> Feature:
        """Build a feature from one table of a TOML file or a bundle.

        Parameters
        ----------
        name : str
        table : mapping
            The definition's keys, as in `Feature`.

        Returns
        -------
        Feature

        Raises
        ------
        FeatureError
            F202 for a key that is not known or missing, else as the class.

        Examples
        --------
        >>> Feature.from_dict("payments_count_90d", {"value": "count(payments, days=90)", "risc": "up"})
        Traceback (most recent call last):
        ...
        earlywarn.errors.FeatureError: FeatureError[F202]: payments_count_90d has an unknown key 'risc'.
        Hint: did you mean 'risk'?
        """
        checks.check_keys(name, table, [item for item in _given(cls) if item != "name"])
        if "value" not in table:
            raise FeatureError(f"{name} has no value.", code="F202", hint='such as value = "count(payments, days=90)".')
        return cls(name, **table)


@dataclass(frozen=True)
class Family:
    """Features that are summed into one reason, and what is said when nothing is known.

    Parameters
    ----------
    name : str
    label : mapping of str to str
        By language; the name itself when left out.
    missing : mapping of str to str
        The analyst's sentence when the value is missing, by language; no placeholders.
    customer : mapping of str to str
        What a customer may be told where a feature says nothing to them, by language; without figures.

    Examples
    --------
    >>> Family("loyalty").label["en"]
    'loyalty'
    """

    name: str
    label: Mapping[str, str] = field(default_factory=dict, hash=False)
    missing: Mapping[str, str] = field(default_factory=dict, hash=False)
    customer: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        checks.check_name(self.name, f"family {self.name!r}")
        plain = dict.fromkeys(checks.LANGUAGES, self.name.replace("_", " "))
        for item, fallback in (("label", plain), ("missing", _UNKNOWN), ("customer", _SUITS)):
            texts = getattr(self, item)
            checks.check_string(f"family {self.name}: {item}", texts, table=True)
            checks.check_languages(f"family {self.name}: {item}", texts)
            checks.check_placeholders(f"family {self.name}: {item}", texts, TERMS if item == "customer" else ())
            object.__setattr__(self, item, MappingProxyType(dict(texts or fallback)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Family, (self.name, dict(self.label), dict(self.missing), dict(self.customer))

    def to_dict(self) -> dict[str, dict[str, str]]:
        """Label and texts by language, ready for JSON."""
        return {"label": dict(self.label), "missing": dict(self.missing), "customer": dict(self.customer)}

    @classmethod
    def from_dict(cls, name: str, table: Mapping[str, Any]) -> Family:
        """Build a family from one table of ``families.toml`` or a bundle."""
        checks.check_keys(f"family {name}", table, ("label", "missing", "customer"))
        return cls(name, **table)


_UNKNOWN: Mapping[str, str] = {
    "en": "nothing is known about this yet",
    "nl": "hierover is nog niets bekend",
    "fr": "rien n'est encore connu à ce sujet",
}
_SUITS: Mapping[str, str] = {
    "en": "we would like to know whether your bills suit you",
    "nl": "we horen graag of de facturen {formality, select, informal {je} other {u}} goed uitkomen",
    "fr": "nous aimerions savoir si les factures {formality, select, informal {te} other {vous}} conviennent",
}


def _given(feature: Feature | type[Feature]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(feature) if item.init)


def _plain(content: Any) -> Any:
    return dict(content) if isinstance(content, Mapping) else content


def need_features(given: Any) -> list[Feature]:
    """The features that were handed over.

    Parameters
    ----------
    given : iterable of Feature

    Returns
    -------
    list of Feature

    Raises
    ------
    FeatureError
        F229 when something else is among them.

    Examples
    --------
    >>> need_features("late_share_365d")
    Traceback (most recent call last):
    ...
    earlywarn.errors.FeatureError: FeatureError[F229]: 'late_share_365d' is no Feature.
    Hint: choose from a set: FeatureSet.default().select('late_share_365d').
    """
    listed: list[Any] = [given] if isinstance(given, str) else list(given)
    for one in listed:
        if not isinstance(one, Feature):
            raise FeatureError(
                f"{one!r} is no Feature.",
                code="F229",
                hint=f"choose from a set: FeatureSet.default().select({one!r})."
                if isinstance(one, str) and one.isidentifier()
                else "write Feature(name, text): Feature('usage_mean_30d', 'mean(usage.quantity, days=30)').",
            )
    return listed
