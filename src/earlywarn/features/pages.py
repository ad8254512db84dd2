"""The catalogue as a page: Markdown for the documentation, a small table for a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from earlywarn.features.definition import Family, Feature

__all__ = ["html", "markdown"]


def markdown(features: Iterable[Feature], families: Mapping[str, Family], language: str = "en") -> str:
    """Return one section and one table a family, features in their own order.

    Examples
    --------
    >>> bills = Feature("invoices_count_365d", "count(invoices, days=365)", unit="invoices", family="history")
    >>> print(markdown([bills], {"history": Family("history")}).splitlines()[-1])
    | `invoices_count_365d` | `count(invoices, days=365)` | invoices | free | history |  |
    """
    listed = list(features)
    sections = []
    for family in dict.fromkeys(feature.family for feature in listed):
        title = f"## {families[family].label.get(language, family)} (`{family}`)"
        rows = [_markdown_row(feature, language) for feature in listed if feature.family == family]
        head = "| feature | definition | unit | risk | evidence | text |\n|---|---|---|---|---|---|"
        sections.append("\n".join([title, "", head, *rows, ""]))
    return "\n".join(sections)


def html(features: Iterable[Feature], language: str = "en") -> str:
    """Return one table, a row a feature.

    Examples
    --------
    >>> html([Feature("invoices_count_365d", "count(invoices, days=365)")])[-90:]
    '<tr><td>invoices_count_365d</td><td></td><td>free</td><td>other</td><td></td></tr></table>'
    """
    head = "".join(f"<th>{title}</th>" for title in ("feature", "unit", "risk", "family", "text"))
    lines = []
    for feature in features:
        cells = (feature.name, feature.unit, feature.risk, feature.family, feature.text.get(language, ""))
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _markdown_row(feature: Feature, language: str) -> str:
    cells = (
        f"`{feature.name}`",
        f"`{' '.join(feature.value.split())}`",
        feature.unit,
        feature.risk,
        feature.evidence,
        feature.text.get(language, ""),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
