"""``earlywarn features``: what the catalogue measures, and one feature explained on one customer's data."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from earlywarn.cli.console import (
    check_texts,
    heading,
    language,
    picture_file,
    progress,
    say,
    say_notes,
    table,
    table_file,
    whole,
    write_frame,
)
from earlywarn.cli.folder import add_data, is_store, ledger_from

if TYPE_CHECKING:
    import pandas as pd

    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.features.definition import Feature
    from earlywarn.features.explain import Part
    from earlywarn.reasons.asked import FeatureExplanation
    from earlywarn.tables.ledger import Ledger
    from earlywarn.tables.store import LedgerStore

__all__ = ["add", "run"]

#: The biller that a feature is explained on when no folder is named.
CUSTOMERS, MONTHS, SEED = 60, 18, 0
_INDENT = "    "
_WIDTH = 116


def add(verbs: Any) -> None:
    """Register the verb, and ``explain`` below it."""
    verb = verbs.add_parser(
        "features",
        help="list the features, or explain one on a customer's data",
        description="The features by family: name, unit, direction, evidence, and what each says. "
        "`earlywarn features explain NAME` tells what one reads, and shows it on one customer's timeline.",
    )
    _add_catalogue(verb)
    verb.add_argument("--family", default="", metavar="NAME", help="only this family")
    verb.add_argument("--search", default="", metavar="TEXT", help="only those in which all these words are found")
    verb.add_argument(
        "--format", choices=("table", "json", "markdown"), default="table", help="how to print (%(default)s)"
    )
    verb.set_defaults(run=run)
    below = verb.add_subparsers(dest="below", metavar="explain")
    _add_explain(below)


def _add_catalogue(verb: argparse.ArgumentParser, **default: Any) -> None:
    """Which features, in which language; ``explain`` leaves both as they were given before it."""
    verb.add_argument(
        "--features", type=Path, metavar="PATH", help="TOML file or folder (default: the catalogue)", **default
    )
    default = default or {"default": "en"}
    verb.add_argument("--language", type=language, metavar="TAG", help="en, nl, fr, nl-BE, … (en)", **default)


def _add_explain(below: Any) -> None:
    verb = below.add_parser(
        "explain",
        help="what one feature reads, and its value on one customer's data",
        description="Text, unit, direction, definition and windows of a feature in words; then the facts that it used "
        "on one customer's data, those it did not use and why, each aggregate, the value and the sentence. Without a "
        "folder, on a generated biller.",
    )
    verb.add_argument("name", metavar="NAME", help="name of the feature")
    add_data(verb, needed=False)
    _add_catalogue(verb, default=argparse.SUPPRESS)
    verb.add_argument("--customer", metavar="ID", help="id of the customer (default: one whom it says most about)")
    verb.add_argument(
        "--as-of", metavar="DATE", help="only facts known before it count (default: the day after the data end)"
    )
    verb.add_argument(
        "--obligation", metavar="ID", help="whose amount and due day it reads (default: the next one due)"
    )
    verb.add_argument(
        "--rows", type=whole(2), default=8, metavar="N", help="facts to show of each window (%(default)s)"
    )
    verb.add_argument("--facts", type=table_file, metavar="FILE", help="write all facts to this CSV or Parquet file")
    verb.add_argument("--plot", type=picture_file, metavar="FILE.png", help="write the timeline to this file")
    verb.set_defaults(run=run_explain)


def run(asked: argparse.Namespace) -> int:
    """List the features."""
    from earlywarn.reasons.reference import family_page, filtered, rows
    from earlywarn.reasons.wording import said

    features = _features(asked)
    chosen = filtered(features, asked.family, asked.search, asked.language)
    families = list(dict.fromkeys(one.family for one in chosen))
    if asked.format == "json":
        say(json.dumps(rows(features, chosen, asked.language), ensure_ascii=False, indent=1))
    elif asked.format == "markdown":
        for family in families:
            say(family_page(features, [one for one in chosen if one.family == family], asked.language))
    else:
        for family in families:
            _list(features, [one for one in chosen if one.family == family], asked.language)
        say("", said("listed", asked.language, count=len(chosen), all=len(features)))
    return 0


def _list(features: FeatureSet, chosen: list[Feature], language: str) -> None:
    """Print one family."""
    from earlywarn.reasons.reading import outline
    from earlywarn.reasons.reference import summary
    from earlywarn.reasons.texts import pick

    family = features.families[chosen[0].family]
    heading(f"{pick(family.label, language) or family.name} ({family.name})")
    width = max(len(one.name) for one in chosen)
    for one in chosen:
        said = outline(pick(one.text, language) or "") or "–"
        say(f"{one.name:<{width}}  {summary(one, language)}", _wrapped(said))


def run_explain(asked: argparse.Namespace) -> int:
    """Explain one feature."""
    from earlywarn.reasons.asked import explain_feature
    from earlywarn.reasons.wording import said
    from earlywarn.tables.ledger import Ledger

    features = _features(asked)
    feature = features[asked.name]
    _show_definition(feature, features, asked.language)
    ledger = _ledger(asked)
    customer = asked.customer
    if customer is None:
        customer = _telling(features, feature, ledger if isinstance(ledger, Ledger) else ledger.bucket(0), asked.as_of)
        say_notes([said("chosen", asked.language)])
    with progress("looking"):
        told = explain_feature(
            features, asked.name, ledger, customer, asked.as_of, obligation_id=asked.obligation, language=asked.language
        )
    _show_example(told, asked.rows)
    if asked.facts:
        write_frame(told.facts, asked.facts)
        say("", f"written: {asked.facts}")
    if asked.plot:
        _draw(told, asked.plot)
        say("", f"written: {asked.plot}")
    return 0


def _features(asked: argparse.Namespace) -> FeatureSet:
    from earlywarn.features.catalogue import FeatureSet

    features = FeatureSet.from_toml(asked.features) if asked.features else FeatureSet.default()
    check_texts(asked.language, features)
    return features


def _ledger(asked: argparse.Namespace) -> Ledger | LedgerStore:
    """The folder's ledger, the store that it is, or the ledger of a generated biller."""
    if asked.data is not None and is_store(asked.data):
        from earlywarn.tables.store import LedgerStore

        return LedgerStore.open(asked.data)
    if asked.data is not None:
        return ledger_from(asked)
    from earlywarn.reasons.wording import said
    from earlywarn.simulate import make_biller
    from earlywarn.tables.ledger import Ledger

    with progress("generating a biller"):
        tables: dict[str, Any] = dict(make_biller(customers=CUSTOMERS, months=MONTHS, seed=SEED))
        ledger = Ledger.from_tables(**tables)
    say("", said("generated", asked.language, count=CUSTOMERS))
    return ledger


def _telling(features: FeatureSet, feature: Feature, ledger: Ledger, as_of: Any) -> str:
    """A customer with the value that raises the risk most, else with any value, else the first one."""
    import numpy as np

    from earlywarn.reasons.observation import standing

    observations = standing(ledger, as_of)
    first = observations.drop_duplicates("customer_id", ignore_index=True)
    if not len(first):
        return ledger.customers[0]
    with progress("looking for a customer"):
        values = features.select(feature.name).compute(ledger, first)[feature.name]
    if values.dtype == "category":
        values = values.cat.codes.where(values.notna())
    order = np.argsort(values.to_numpy(dtype=np.float64) * (1 if feature.risk == "down" else -1), kind="stable")
    return str(first["customer_id"].iloc[int(order[0])])  # what is missing comes last


def _show_definition(feature: Feature, features: FeatureSet, language: str) -> None:
    from earlywarn.reasons.reading import card
    from earlywarn.reasons.reference import parts

    heading(feature.name)
    lines = card(feature, features.families, language)
    width = max(len(name) for name, _ in lines)
    for name, words in lines:
        say(fill(f"{name:<{width}}  {words}", _WIDTH, subsequent_indent=" " * (width + 2), break_long_words=False))
    for text, words in parts(feature, language):
        say(f"{_INDENT}{text}", _wrapped(words, 2))


def _show_example(told: FeatureExplanation, rows: int) -> None:
    """Print the facts of each window, each aggregate, the value and the sentence."""
    from earlywarn.reasons.told import figure, tally

    heading(told.heading)
    shown: list[Any] = []
    for part in told.trace.parts:
        say("", f"{part.text} = {figure(part.value, told.language)}")
        say(_wrapped(tally(part, told.language, span=True)))
        _show_facts(part, told.language, rows, shown)
    for name, value in told.trace.fields.items():
        say("", f"{name} = {figure(value, told.language)}")
    say("", f"{told.trace.feature.name} = {figure(told.value, told.language)}", _wrapped(told.sentence))


def _show_facts(part: Part, language: str, rows: int, shown: list[Any]) -> None:
    """Print the facts in a window, the middle left out when there are many, and once only when they are the same."""
    from earlywarn.reasons.told import fact_table
    from earlywarn.reasons.wording import said

    facts = fact_table(part, language)
    if not len(facts):
        return
    if any(facts.equals(other) for other in shown):
        say(f"{_INDENT}{said('same_facts', language)}")
        return
    shown.append(facts)
    lines = table(facts, {name: _digits(facts[name]) for name in facts.columns}).splitlines()
    if len(facts) > rows:
        between = said("between", language, count=len(facts) - rows)
        lines = [*lines[: 1 + rows // 2], between, *lines[len(lines) - (rows - rows // 2) :]]
    say(*[f"{_INDENT}{line}" for line in lines])


def _digits(column: pd.Series[Any]) -> int:
    """Decimals that a column of figures needs: none when all are whole, more when they are small."""
    from pandas.api.types import is_float_dtype

    if not is_float_dtype(column) or not column.notna().any():
        return 0
    if (column.dropna() % 1 == 0).all():
        return 0
    return 2 if column.abs().max() >= 10 else 4


def _draw(told: FeatureExplanation, path: Path) -> None:
    figure = told.plot().figure_
    if figure is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, bbox_inches="tight")


def _wrapped(text: str, levels: int = 1) -> str:
    return fill(text, _WIDTH, initial_indent=levels * _INDENT, subsequent_indent=levels * _INDENT)
