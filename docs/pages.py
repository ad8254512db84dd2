"""Pages that say what the code says: tables and columns, the catalogue, the command line's help.

``conf.py`` writes them to ``_build/generated`` before each build, and hand-written pages include them from there;
a page a family of features goes to ``catalogue``, which git ignores.
"""

from __future__ import annotations

import io
import os
import random
from contextlib import redirect_stdout
from pathlib import Path

import pandas as pd

from earlywarn.cli.main import VERBS, main
from earlywarn.features.catalogue import FeatureSet
from earlywarn.features.definition import Feature
from earlywarn.reasons.asked import FeatureExplanation, explain_feature
from earlywarn.reasons.call_card import call_card
from earlywarn.reasons.observation import standing
from earlywarn.reasons.reference import family_page
from earlywarn.reasons.voices import ANGLES, FORMALITIES, customer_text, own_fact
from earlywarn.simulate import make_biller
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS, TABLES, Column, TableSchema

WIDTH = "100"


def write(folder: Path) -> None:
    """Write every page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"tables": tables(), "features": features(), "cli": command_line(), "aloud": aloud()}.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def tables() -> str:
    """Every table with its columns, then the streams that the ledger derives."""
    sections = [_table(schema) for schema in TABLES.values()]
    streams = [f"- `{name}`: {', '.join(f'`{column}`' for column in columns)}" for name, columns in STREAMS.items()]
    return "\n".join([*sections, "## Derived by the ledger", "", *streams, ""])


def _table(schema: TableSchema) -> str:
    rows = [_column(column) for column in schema.columns.values() if column.name != "known_at"]
    head = ["| column | kind | | |", "|---|---|---|---|"]
    return "\n".join([f"## {schema.name}", "", _clock(schema), "", *head, *rows, ""])


def _clock(schema: TableSchema) -> str:
    said = [f"One row per {', '.join(f'`{name}`' for name in schema.key)}."] if schema.key else []
    if schema.lasting:
        said.append("States what holds from `valid_from` on; without that column, what holds today.")
    elif schema.time:
        lag = (
            f" and known {schema.lag_days} {'bank day' if schema.bank_lag else 'day'} later" if schema.lag_days else ""
        )
        said.append(f"Happened on `{schema.time}`{lag}.")
    if schema.parent:
        said.append(f"The debtor comes from `{schema.parent[1]}` by `{schema.parent[0]}`.")
    if schema.forbidden:
        said.append(f"Refused, as it says whom or what a customer calls or reads: {', '.join(schema.forbidden)}.")
    return " ".join(said)


def _column(column: Column) -> str:
    notes = [f"one of {', '.join(column.words)}"] if column.words else []
    notes += [f"empty means {column.default}"] if column.default else []
    notes += [f"known from `{column.known_from}` on"] if column.known_from else []
    return f"| `{column.name}` | {column.kind} | {'required' if column.required else ''} | {'; '.join(notes)} |"


def features() -> str:
    """The shipped catalogue."""
    return FeatureSet.default().to_markdown()


def write_catalogue(folder: Path) -> None:
    """Write a page a family of features, with an example drawn from a generated biller where it has one."""
    folder.mkdir(parents=True, exist_ok=True)
    features = FeatureSet.default()
    tables: dict[str, pd.DataFrame] = make_biller(customers=60, months=18, seed=0)
    ledger = Ledger.from_tables(**tables)
    observed = standing(ledger).drop_duplicates("customer_id", ignore_index=True)
    matrix = features.compute(ledger, observed)
    for family in dict.fromkeys(feature.family for feature in features):
        chosen = [feature for feature in features if feature.family == family]
        example = _example(features, chosen, ledger, observed["customer_id"], matrix)
        picture = "" if example is None else _drawn(example, folder / f"{family}.png")
        (folder / f"{family}.md").write_text(family_page(features, chosen, picture=picture), encoding="utf-8")


def _example(
    features: FeatureSet, chosen: list[Feature], ledger: Ledger, customers: pd.Series, matrix: pd.DataFrame
) -> FeatureExplanation | None:
    """The first feature that used facts of one customer, at the customer where it is largest; None without any."""
    for feature in chosen:
        values = pd.to_numeric(matrix[feature.name], errors="coerce").dropna()
        if len(values):
            told = explain_feature(features, feature.name, ledger, customers[values.idxmax()])
            if (told.facts["fate"] == "used").any():
                return told
    return None


def _drawn(told: FeatureExplanation, file: Path) -> str:
    """Draw a timeline into a file, and say in Markdown what it shows."""
    from matplotlib import pyplot

    figure = told.plot().figure_
    figure.savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close(figure)
    name = told.trace.feature.name
    return f"![{name} on one customer's timeline]({file.name})\n\n`{name}` on a generated customer's timeline."


def aloud(count: int = 20, seed: int = 20261130) -> str:
    """Different texts for customers, drawn at random: messages, openings of calls, questions."""
    draw = random.Random(seed)
    sections = []
    for language, locales in (
        ("English", ("en",)),
        ("Nederlands", ("nl-NL", "nl-BE")),
        ("Français", ("fr-BE", "fr-FR")),
    ):
        told: dict[str, str] = {}
        while len(told) < count:
            tag, form, text = _spoken(draw, locales)
            told.setdefault(text, f"- ({tag}, {form}) {text}")
        sections.append("\n".join([f"### {language}", "", *told.values(), ""]))
    return "\n".join(sections)


def _spoken(draw: random.Random, locales: tuple[str, ...]) -> tuple[str, str, str]:
    """One text for a customer: locale, form of address, words."""
    features = FeatureSet.default()
    tag, form = draw.choice(locales), draw.choice(FORMALITIES)
    style = {"language": tag, "formality": form}
    due, amount = pd.Timestamp("2026-12-01") + pd.Timedelta(days=draw.randrange(90)), round(draw.uniform(12, 240), 2)
    figures = {
        "amount": amount, "on": due, "until": due - pd.Timedelta(days=3), "change": 0.2, "more": round(1.2 * amount, 2),
    }  # fmt: skip
    kind = draw.choice(("message", "message", "opening", "question"))
    if kind == "message":
        angle = draw.choice([one for one in ANGLES if one != "service_call_opening"])
        return tag, form, customer_text(angle, figures, **style)
    card = call_card("c", draw.choice(ANGLES), **style)
    if kind == "question":
        return tag, form, draw.choice(card.questions)
    feature = draw.choice([one for one in features if one.customer])
    value = {"share": draw.random(), "flag": 1.0, "log ratio": draw.uniform(0.3, 1.5), "currency": amount}.get(
        feature.unit
    )
    fact = own_fact(feature, {feature.name: draw.randrange(1, 4) if value is None else value}, **style)
    fact = draw.choice((fact, None))
    return tag, form, call_card("c", draw.choice(ANGLES), fact, name="Noor", company="Aqua", **style).opening


def command_line() -> str:
    """Help of the program and of each verb."""
    parts = [_help(())]
    for verb in VERBS:
        parts.append(f"## earlywarn {verb}\n\n{_help((verb,))}")
    parts.append(f"## earlywarn features explain\n\n{_help(('features', 'explain'))}")
    return "\n".join(parts)


def _help(words: tuple[str, ...]) -> str:
    before, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), WIDTH
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            main([*words, "--help"])
    except SystemExit:
        pass
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return f"```text\n{printed.getvalue().rstrip()}\n```\n"
