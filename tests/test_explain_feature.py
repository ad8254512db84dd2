"""Asking a feature: the value is that of the matrix, and the facts that are listed make it again by hand."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earlywarn as ew
from earlywarn.errors import DataError, FeatureError
from earlywarn.features.aggregates import AGGREGATES
from earlywarn.features.catalogue import Feature, FeatureSet
from earlywarn.features.definition import RISKS
from earlywarn.features.explain import FATES, Part, trace
from earlywarn.features.expression import parse
from earlywarn.features.segments import aggregates_in
from earlywarn.outcomes import STAGES, Outcome
from earlywarn.reasons.asked import FeatureExplanation, explain_feature
from earlywarn.reasons.observation import observe
from earlywarn.reasons.reading import UNITS, aggregate_words, card, empty_words
from earlywarn.reasons.reference import family_page, filtered, parts, rows
from earlywarn.reasons.texts import LANGUAGES, reason_text
from earlywarn.reasons.told import fact_table, figure, tally
from earlywarn.reasons.wording import WORDS
from earlywarn.tables.ledger import Ledger
from oracle_features import CASES, Case, agree, columns_lack
from strategies import UNTIL, Raw, ledgers

SHIPPED = FeatureSet.default()


@pytest.fixture(scope="module")
def biller() -> Ledger:
    """Sixty customers of a generated biller over eighteen months."""
    return Ledger.from_tables(**ew.simulate.make_biller(customers=60, months=18, seed=0))


@pytest.fixture(scope="module")
def spike(biller: Ledger) -> FeatureExplanation:
    return explain_feature(SHIPPED, "usage_spike_30d", biller, "K00009")


# -- the value ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("customer", ["K00009", "K00037"])
def test_the_value_and_its_parts_are_those_of_the_matrix(biller: Ledger, customer: str) -> None:
    observation = observe(biller, customer)
    matrix = SHIPPED.compute(biller, observation).iloc[0]
    traces = [trace(SHIPPED, name, biller, observation) for name in SHIPPED.names[::9]]
    for told in traces:
        assert told.value == told.row[told.feature.name] == none_for_missing(matrix[told.feature.name])
    found = [part for told in traces for part in told.parts]
    alone = FeatureSet([Feature(f"p{at}", part.text) for at, part in enumerate(found)]).compute(biller, observation)
    assert [part.value for part in found] == [none_for_missing(alone[name].iloc[0]) for name in alone.columns]


def none_for_missing(value: object) -> object:
    return None if pd.isna(value) else value


def by_hand(case: Case) -> Callable[[Part, pd.Timestamp], float]:
    """The aggregate of the oracle over the facts that the explanation lists as used."""

    def made(part: Part, as_of: pd.Timestamp) -> float:
        used = part.facts[part.facts["fate"] == "used"] if len(part.facts) else part.facts
        if not len(used):
            return case.aggregate([], [])
        ages = ((as_of - used["happened_at"]) / pd.Timedelta(days=1)).tolist()
        counted = part.aggregate.argument is None or "value" not in used
        return case.aggregate([1.0] * len(used) if counted else used["value"].astype(float).tolist(), ages)

    return made


@settings(max_examples=4)
@given(raw=ledgers(), at=st.integers(0, 10**6))
def test_the_facts_listed_as_used_make_the_value_by_hand(raw: Raw, at: int) -> None:
    ledger = raw.ledger()
    observations = Outcome(lead_days=(10, 0)).observations(ledger, end=UNTIL)
    if not len(observations):
        return
    observation = observations.iloc[[at % len(observations)]].reset_index(drop=True)
    cases = [case for case in CASES if case.of is None and not columns_lack(case, ledger)]
    features = FeatureSet([Feature(f"f{place}", case.text) for place, case in enumerate(cases)])
    for name, case in zip(features.names, cases, strict=True):
        told = trace(features, name, ledger, observation)
        (part,) = told.parts
        found = math.nan if part.value is None else float(part.value)
        agree(case.text, found, by_hand(case)(part, told.observation["as_of"]), part.facts.to_string())


@settings(max_examples=5)
@given(raw=ledgers(), at=st.integers(0, 10**6))
def test_every_fact_of_the_customer_has_one_fate_and_the_fate_is_true(raw: Raw, at: int) -> None:
    ledger = raw.ledger()
    observations = Outcome(lead_days=(10, 0)).observations(ledger, end=UNTIL)
    if not len(observations):
        return
    observation = observations.iloc[[at % len(observations)]].reset_index(drop=True)
    as_of, owner = observation["as_of"].iloc[0], ledger.customers.index(observation["customer_id"].iloc[0])
    text = "sum(payments.amount, days=60, until=5, skip=1, last=3, where=amount > 10)"
    (part,) = trace(FeatureSet([Feature("paid", text)]), "paid", ledger, observation).parts
    facts = part.facts
    assert len(facts) == (ledger.facts("payments").owner == owner).sum()
    assert set(facts["fate"]) <= set(FATES)
    inside = (facts["happened_at"] >= part.start) & (facts["happened_at"] < part.end)
    assert (part.start, part.end) == (as_of - pd.Timedelta(days=60), as_of - pd.Timedelta(days=5))
    assert (facts["fate"].isin(("before", "after")) == ~inside).all()
    assert (inside & (facts["known_at"] >= as_of) == (facts["fate"] == "unknown")).all()
    assert (facts.loc[facts["fate"] == "condition", "value"] <= 10).all()
    assert (facts.loc[facts["fate"].isin(("used", "skipped", "beyond")), "value"] > 10).all()
    kept = facts[facts["fate"].isin(("used", "skipped", "beyond"))]["fate"].tolist()
    assert kept == ["beyond"] * (len(kept) - 4) + ["used"] * min(3, max(len(kept) - 1, 0)) + ["skipped"] * min(
        1, len(kept)
    )


def test_a_payment_known_a_bank_day_later_is_listed_as_not_known_yet() -> None:
    invoices = {"invoice_id": ["A"], "customer_id": ["c"], "issued_on": ["2026-03-01"], "due_on": ["2026-03-31"]}
    payments = {"payment_id": ["p", "q"], "customer_id": ["c", "c"], "paid_on": ["2026-03-10", "2026-03-13"]}
    ledger = Ledger.from_tables(
        invoices=pd.DataFrame(invoices | {"amount": [50.0]}), payments=pd.DataFrame(payments | {"amount": [5.0, 6.0]})
    )
    features = FeatureSet([Feature("paid", "sum(payments.amount, days=30)")])
    told = explain_feature(features, "paid", ledger, "c", "2026-03-14")
    assert told.value == 5.0
    assert told.facts["fate"].tolist() == ["used", "unknown"]
    assert tally(told.trace.parts[0], "nl") == "1 gebruikt, 1 nog niet bekend"


def test_a_cell_filled_in_later_is_shown_empty() -> None:
    told_later = {"contact_id": ["k"], "customer_id": ["c"], "contacted_at": ["2026-03-02"], "channel": ["phone"]}
    ledger = Ledger.from_tables(
        invoices=pd.DataFrame(
            {
                "invoice_id": ["A"],
                "customer_id": ["c"],
                "issued_on": ["2026-03-01"],
                "due_on": ["2026-03-31"],
                "amount": 5.0,
            }
        ),
        payments=pd.DataFrame({"payment_id": ["p"], "customer_id": ["c"], "paid_on": ["2026-03-10"], "amount": [5.0]}),
        contacts=pd.DataFrame(told_later | {"outcome": ["promise"], "outcome_at": ["2026-03-09"]}),
    )
    features = FeatureSet([Feature("open", "count(contacts, where=isnull(outcome))")])
    early, late = (explain_feature(features, "open", ledger, "c", day) for day in ("2026-03-05", "2026-03-20"))
    assert (early.value, late.value) == (1.0, 0.0)
    assert early.facts["outcome"].isna().all()
    assert late.facts[["fate", "outcome"]].values.tolist() == [["condition", "promise"]]


def test_facts_of_other_customers_are_counted_and_never_shown(biller: Ledger) -> None:
    for words in ("days=365, of=region, leave_out=customer", "days=200, until=20, of=portfolio, where=late == 1"):
        texts = [f"mean(maturities.late, {words})", f"count(maturities, {words})"]
        features = FeatureSet([Feature("rate", f"{texts[0]} + 0 * {texts[1]}")])
        told = explain_feature(features, "rate", biller, "K00009")
        mean, count = told.trace.parts
        assert mean.count == count.count == count.value > 0
        assert not len(told.facts)
        assert str(mean.count) in tally(mean, "fr")


def test_what_was_not_handed_over_is_named(biller: Ledger) -> None:
    told = explain_feature(SHIPPED, "arrears_days_now", biller, "K00009", language="nl")
    assert told.value is None
    assert tally(told.trace.parts[0], "nl") == "arrears is niet aangeleverd"


# -- which observation ----------------------------------------------------------------------------------------


def test_the_next_obligation_due_is_observed_unless_another_is_named(biller: Ledger) -> None:
    standing = Outcome().standing(biller, "2025-06-12", 366)
    own = standing[standing["customer_id"] == "K00037"]
    wanted = own[own["lead_days"] >= 0].sort_values("due_on")["obligation_id"]
    first = wanted.iloc[0] if len(wanted) else own.sort_values("due_on")["obligation_id"].iloc[0]
    assert observe(biller, "K00037", "2025-06-12")["obligation_id"].tolist() == [first]
    for label in own["obligation_id"]:
        assert observe(biller, "K00037", "2025-06-12", label)["obligation_id"].tolist() == [label]


def test_a_running_period_is_asked_about_by_its_id(biller: Ledger) -> None:
    standing = Outcome(stages=STAGES).standing(biller, "2025-06-12", 366)
    named = standing[standing["obligation_id"].str.startswith("cycle:")]
    assert set(named["stage"]) >= {"cycle", "issued"}
    for row in named.drop_duplicates("stage").itertuples():
        pick = {"as_of": "2025-06-12", "obligation_id": row.obligation_id}
        told = explain_feature(SHIPPED, "invoice_amount_now", biller, row.customer_id, **pick)
        assert told.value == pytest.approx(row.amount, rel=1e-6)
        assert told.trace.observation["stage"] == row.stage
    with pytest.raises(DataError, match=r"D167(?s:.)*cycle:"):
        observe(biller, "K00037", "2025-06-12", "cycle:K00037:::recurring:2019-01-01")


def test_the_default_moment_is_the_first_that_sees_everything(biller: Ledger) -> None:
    assert observe(biller, "K00009")["as_of"].iloc[0] == biller.until.ceil("D")


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ({"customer_id": "K99999"}, "D162", "K"),
        ({"as_of": "2020-01-01"}, "D168", "choose a day after 2024-08-01"),
        ({"as_of": "soon"}, "D140", "2026-03-31"),
        ({"obligation_id": "x"}, "D167", "for example"),
    ],
)
def test_what_cannot_be_asked_is_met_with_what_to_do(
    biller: Ledger, words: dict[str, str], code: str, hint: str
) -> None:
    with pytest.raises(DataError) as raised:
        explain_feature(SHIPPED, "invoice_amount_now", biller, **({"customer_id": "K00009"} | words))
    assert raised.value.code == code
    assert hint in (raised.value.hint or "")


def test_an_unknown_feature_is_met_with_the_closest_name(biller: Ledger) -> None:
    with pytest.raises(FeatureError, match=r"F207(?s:.)*usage_spike"):
        explain_feature(SHIPPED, "usage_spyke_30d", biller, "K00009")


def test_one_observation_is_explained_at_a_time(biller: Ledger) -> None:
    with pytest.raises(FeatureError, match="F226"):
        trace(SHIPPED, "usage_spike_30d", biller, observe(biller, "K00009").iloc[[0, 0]])


# -- words ----------------------------------------------------------------------------------------------------


def test_the_sentence_is_that_of_a_reason(biller: Ledger, spike: FeatureExplanation) -> None:
    wanted = reason_text(
        SHIPPED["usage_spike_30d"], {"usage_spike_30d": spike.value}, language="en", families=SHIPPED.families
    )
    assert spike.sentence == wanted


def test_windows_are_said_in_words() -> None:
    said = {
        "en": "median of usage.quantity in the 180 days before as_of, without the last 30",
        "nl-BE": "mediaan van usage.quantity in de 180 dagen vóór het peilmoment, zonder de laatste 30",
        "fr": "médiane de usage.quantity au cours des 180 jours avant la date d'observation, sans les 30 derniers",
        "de": "median of usage.quantity in the 180 days before as_of, without the last 30",
    }
    text = "median(usage.quantity, days=180, until=30)"
    assert {tag: aggregate_words(text, parse(text).aggregates[0], tag) for tag in said} == said


def test_conditions_groups_and_order_of_cutting_are_said() -> None:
    text = "mean(payments.amount, days=1, where=method == 'card', skip=1, last=3)"
    assert aggregate_words(text, parse(text).aggregates[0], "nl") == (
        "gemiddelde van payments.amount op de laatste dag vóór het peilmoment, alleen waar method == 'card', "
        "zonder het nieuwste feit, daarna de 3 nieuwste feiten van de rest"
    )
    text = "mean(maturities.late, of=segment, leave_out=customer)"
    assert aggregate_words(text, parse(text).aggregates[0], "en") == (
        "mean of maturities.late in the last 1,095 days before as_of, of all customers of the same segment, "
        "this customer left out"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_aggregate_of_the_catalogue_is_said_in_every_language(language: str) -> None:
    for feature in SHIPPED:
        assert set(aggregates_in(feature.value).values()) == set(feature.expression.aggregates)
        assert all(words for _, words in card(feature, SHIPPED.families, language))
        for text, one in aggregates_in(feature.value).items():
            said = aggregate_words(text, one, language)
            assert not {"  ", "{", " ,"} & {said[at : at + size] for size in (1, 2) for at in range(len(said))}
            assert one.selection.table in said


def test_every_unit_of_the_catalogue_is_said_in_every_language() -> None:
    assert {feature.unit for feature in SHIPPED} - {*UNITS, ""} == set()


@pytest.mark.parametrize("function", [name for name in AGGREGATES if name != "count"])
def test_what_an_aggregate_gives_without_facts_is_said_as_it_is_computed(function: str, biller: Ledger) -> None:
    parameters = {"quantile": ", q=.5", "drift": ", scale=1"}.get(function, "")
    looks = "usage.used_on" if function.startswith("days_") else "usage.quantity"
    text = f"{function}({looks}, days=.1{parameters})"
    told = explain_feature(FeatureSet([Feature("none", text)]), "none", biller, "K00009")
    assert told.trace.parts[0].facts["fate"].unique().tolist() == ["before"]
    said = empty_words(parse(text).aggregates[0], "en")
    assert said.startswith("missing" if told.value is None else "0 ")
    assert told.value in (None, 0.0)


@pytest.mark.parametrize(("function", "enough"), [("std", 2), ("slope", 2), ("drift", 10), ("mean", 1)])
def test_how_many_facts_an_aggregate_needs_is_said(function: str, enough: int, biller: Ledger) -> None:
    parameters = {"drift": ", scale=1"}.get(function, "")
    for last in (enough - 1, enough):
        text = (
            f"{function}(usage.quantity, last={last}{parameters})" if last else f"{function}(usage.quantity, days=.1)"
        )
        told = explain_feature(FeatureSet([Feature("some", text)]), "some", biller, "K00009")
        assert (told.value is None) == (last < enough)
    words = {"std": "fewer than two", "slope": "two moments", "drift": "fewer than ten", "mean": "no facts"}
    assert words[function] in empty_words(parse(f"{function}(usage.quantity{parameters})").aggregates[0], "en")


def test_every_word_has_its_three_languages_with_the_same_placeholders() -> None:
    from earlywarn.reasons.templates import placeholders

    for key, texts in WORDS.items():
        assert len(texts) == len(LANGUAGES)
        assert all(texts), key
        wanted = placeholders(texts[0])
        assert all(placeholders(text) - {"n"} == wanted - {"n"} for text in texts), key
    assert {f"{risk}_short" for risk in RISKS} <= set(WORDS)
    assert {"skipped_fact" if fate == "skipped" else fate for fate in FATES} <= set(WORDS)


def test_figures_are_written_as_the_language_does() -> None:
    assert [figure(value, "nl") for value in (1234.5, -0.25, 3.0, 0.07312, None, "b2c")] == [
        "1.234,5", "−0,25", "3", "0,0731", "niet bekend", "b2c",
    ]  # fmt: skip
    assert figure(0.0, "en") == "0"
    assert figure(100.0, "fr") == "100"


# -- shown ----------------------------------------------------------------------------------------------------


def test_a_notebook_shows_definition_facts_and_sentence_and_escapes_them(biller: Ledger) -> None:
    features = FeatureSet(
        [Feature("big", "count(invoices, where=amount > 10 and kind != '<b>')", text={"en": "bills: {value|number:0}"})]
    )
    page = explain_feature(features, "big", biller, "K00009")._repr_html_()
    assert "&#x27;&lt;b&gt;&#x27;" in page
    assert "<b>')" not in page
    assert "bills: " in page
    assert page.count("<table") == page.count("</table>") == 2


def test_the_table_for_readers_holds_what_lies_in_the_window(spike: FeatureExplanation) -> None:
    usual = spike.trace.parts[1]
    table = fact_table(usual, "nl")
    assert len(table) == (~usual.facts["fate"].isin(("before", "after"))).sum()
    assert table.columns.tolist() == ["gebeurd", "bekend", "usage.quantity", "status"]
    assert set(table["status"]) == {"gebruikt"}


def test_the_values_of_a_long_argument_or_of_none_are_headed_value(biller: Ledger) -> None:
    for text in ("days_since(payments)", "max((weekday(payments.paid_on) - 2 * weekday(payments.paid_on)) % 7)"):
        told = explain_feature(FeatureSet([Feature("far", text)]), "far", biller, "K00009", language="fr")
        assert fact_table(told.trace.parts[0], "fr").columns[-2] == "valeur"


def test_the_picture_shows_each_window_and_marks_what_was_used(spike: FeatureExplanation) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure_, ax = pyplot.subplots()
    display = spike.plot(ax)
    assert [lane.label for lane in display.lanes] == [part.text for part in spike.trace.parts]
    for lane, part in zip(display.lanes, spike.trace.parts, strict=True):
        assert [pd.Timestamp(0) + pd.Timedelta(days=day) for day in (lane.start, lane.end)] == [part.start, part.end]
        assert lane.level == part.value
        assert lane.kinds.count("used") == (part.facts["fate"] == "used").sum()
    assert spike.sentence in ax.get_title(loc="left").replace("\n", " ")
    assert f"= {figure(spike.value, 'en')}" in ax.get_title(loc="left")
    pyplot.close(figure_)


# -- the catalogue for readers --------------------------------------------------------------------------------


def test_a_search_finds_all_its_words_in_the_language_asked() -> None:
    found = filtered(SHIPPED, search="Verbruik 30 dagen", language="nl")
    assert "usage_spike_30d" in [one.name for one in found]
    assert {one.family for one in filtered(SHIPPED, family="usage")} == {"usage"}
    assert filtered(SHIPPED, search="no such words here") == []
    assert sorted(one.name for one in filtered(SHIPPED)) == sorted(SHIPPED.names)
    with pytest.raises(FeatureError, match=r"F227(?s:.)*'usage'"):
        filtered(SHIPPED, family="usag")


def test_a_page_says_of_each_feature_definition_reads_and_three_sentences() -> None:
    for family in dict.fromkeys(one.family for one in SHIPPED):
        chosen = [one for one in SHIPPED if one.family == family]
        page = family_page(SHIPPED, chosen, "en")
        for one in chosen:
            own = page.split(f"## {one.name}\n")[1].split("\n## ")[0]
            assert f"```python\n{one.value}\n```" in own
            assert all(f"\n| {tag} | " in own for tag in LANGUAGES)
            assert all(f"- `{text}`: " in own for text, _ in parts(one, "en"))
        table = [line for line in page.splitlines() if line.startswith("|")]
        assert all(line.replace("\\|", "").count("|") == 3 for line in table)


def test_rows_are_ready_for_json_and_name_every_column_that_is_read() -> None:
    listed = rows(SHIPPED, SHIPPED, "fr")
    assert [row["name"] for row in listed] == list(SHIPPED.names)
    for row in listed:
        wanted = {f"{table}.{column}" for table, column in SHIPPED[row["name"]].expression.columns()}
        assert wanted <= set(row["reads"])


@pytest.mark.slow
def test_a_page_a_family_is_written_for_the_documentation_with_a_picture(checkout: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    spec = importlib.util.spec_from_file_location("docs_pages", checkout / "docs" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    pages.write_catalogue(tmp_path)
    families = {one.family for one in SHIPPED}
    assert {page.stem for page in tmp_path.glob("*.md")} == families
    for page in tmp_path.glob("*.md"):
        drawn = f"({page.stem}.png)" in page.read_text(encoding="utf-8")
        assert drawn == (tmp_path / f"{page.stem}.png").exists()
    assert len(list(tmp_path.glob("*.png"))) >= 0.7 * len(families)


@pytest.mark.parametrize("name", ["late_share_365d", "region_late_share_365d"])
def test_a_store_explains_as_the_ledger_of_all_does(name: str, tmp_path: Path) -> None:
    """Also what is told from other customers, who are in other buckets."""
    tables = ew.simulate.make_biller(customers=30, months=8, seed=1)
    store = ew.LedgerStore.write(tmp_path / "store", **tables, buckets=3)
    books = Ledger.from_tables(**tables)
    for customer in books.customers[:3]:
        whole = explain_feature(SHIPPED, name, books, customer)
        told = explain_feature(SHIPPED, name, store, customer)
        assert (told.value, told.sentence) == (whole.value, whole.sentence)
        pd.testing.assert_frame_equal(told.aggregates, whole.aggregates)


def test_an_explanation_shows_itself_in_one_line(spike: FeatureExplanation) -> None:
    assert repr(spike) == f"<usage_spike_30d of {spike.heading}: {spike.sentence}>"
    assert "\n" not in repr(spike)
