"""Sections of docs/benchmarks.md, each between markers of its own, so that every benchmark replaces only its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provenance import CHECKOUT

PAGE = CHECKOUT / "docs" / "benchmarks.md"
TITLE = """# Benchmarks

Every number here was measured by `make bench`; seconds are of one machine, ratios carry further.
"""


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replace one section of the page, or add it at the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    whole = page.read_text(encoding="utf-8") if page.exists() else ""
    if "<!-- " not in whole:
        whole = TITLE
    section = f"{begin}\n{text.strip()}\n{end}"
    before, found, rest = whole.partition(begin)
    if found:
        _, _, after = rest.partition(end)
        whole = before + section + after
    else:
        whole = whole.rstrip() + "\n\n" + section + "\n"
    page.write_text(whole, encoding="utf-8")


def footer(about: Mapping[str, Any]) -> str:
    """Machine and versions in two lines, from what `provenance` gives."""
    machine, versions = about["machine"], about["versions"]
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['system']}.\nVersions: {named}."
