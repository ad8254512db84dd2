"""A FeatureSet keeps to the laws of a set in order; every fault of a definition says what to do next."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earlywarn.errors import FeatureError
from earlywarn.features import files
from earlywarn.features.catalogue import Family, Feature, FeatureSet

SHIPPED = FeatureSet.default()

# -- laws of a set in order --------------------------------------------------------------------------------

names = st.lists(st.sampled_from(SHIPPED.names), unique=True)


@given(chosen=names)
def test_select_and_drop_share_the_set_out_and_keep_its_order(chosen: list[str]) -> None:
    kept, rest = SHIPPED.select(*chosen), SHIPPED.drop(*chosen)
    assert set(kept.names) == set(chosen)
    assert set(kept.names) | set(rest.names) == set(SHIPPED.names)
    assert not set(kept.names) & set(rest.names)
    for part in (kept, rest):
        assert list(part.names) == sorted(part.names, key=SHIPPED.names.index)


@given(chosen=names)
def test_what_was_dropped_can_be_added_again(chosen: list[str]) -> None:
    rest = SHIPPED.drop(*chosen)
    again = rest + SHIPPED.select(*chosen)
    assert set(again.names) == set(SHIPPED.names)
    assert again.names == rest.names + SHIPPED.select(*chosen).names
    assert (rest + [SHIPPED[name] for name in chosen]).names == rest.names + tuple(chosen)


@pytest.mark.parametrize(
    "again",
    [
        lambda whole: FeatureSet.from_dict(json.loads(json.dumps(whole.to_dict()))),
        lambda whole: pickle.loads(pickle.dumps(whole)),
        copy.deepcopy,
        lambda whole: FeatureSet(list(whole)),
        lambda whole: whole.select("*"),
    ],
    ids=["json", "pickle", "deepcopy", "rebuilt", "selected"],
)
def test_a_copy_is_equal_down_to_the_fingerprint(again: Callable[[FeatureSet], FeatureSet]) -> None:
    copied = again(SHIPPED)
    assert copied == SHIPPED
    assert hash(copied) == hash(SHIPPED)
    assert copied.fingerprint == SHIPPED.fingerprint
    assert list(copied) == list(SHIPPED)
    assert copied.families == SHIPPED.families


def test_a_bundle_needs_no_catalogue_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = SHIPPED.to_dict()
    monkeypatch.setattr(files, "_packaged_folder", lambda: tmp_path)
    monkeypatch.setattr(files, "_checkout_folder", lambda: tmp_path)
    files.shipped_families.cache_clear()
    try:
        assert FeatureSet.from_dict(content) == SHIPPED
    finally:
        files.shipped_families.cache_clear()


@pytest.mark.parametrize(
    "change",
    [
        {"value": "count(payments, days=91)"},
        {"risk": "up"},
        {"unit": "items"},
        {"family": "usage"},
        {"evidence": "signal"},
        {"text": {"en": "other"}},
        {"show": {"more": "value + 1"}},
        {"ground": "audit"},
        {"name": "payments_count_91d"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_a_definition_is_in_the_fingerprint(change: dict[str, str]) -> None:
    plain = {"name": "payments_count_90d", "value": "count(payments, days=90)", "text": {"en": "payments"}}
    assert FeatureSet([Feature(**plain)]) != FeatureSet([Feature(**{**plain, **change})])


def test_order_is_part_of_the_set() -> None:
    assert FeatureSet(list(SHIPPED)[::-1]) != SHIPPED


def test_nothing_can_be_changed() -> None:
    feature = SHIPPED["usage_spike_30d"]
    with pytest.raises(AttributeError):
        SHIPPED.fingerprint = "x"
    with pytest.raises(AttributeError):
        del SHIPPED.fingerprint
    with pytest.raises(AttributeError):
        feature.risk = "down"
    for mapping in (feature.text, feature.show, SHIPPED.families, SHIPPED.families["usage"].label):
        with pytest.raises(TypeError):
            mapping["en"] = "x"


def test_a_feature_is_equal_by_content_and_can_be_a_key() -> None:
    feature = SHIPPED["usage_spike_30d"]
    twin = Feature.from_dict("usage_spike_30d", {k: v for k, v in feature.to_dict().items() if k != "name"})
    assert twin == feature == copy.deepcopy(feature) == pickle.loads(pickle.dumps(feature))
    assert {feature: 1}[twin] == 1


def test_families_travel_with_a_sum() -> None:
    loyal = Family("loyalty", {"en": "Loyalty"}, {"en": "no card is known"})
    own = FeatureSet([Feature("cards_count_all", "count(cards)", family="loyalty")], {"loyalty": loyal})
    assert (SHIPPED + own).families["loyalty"] is loyal
    assert (own + SHIPPED).families["usage"].label["nl"] == "Verbruik"
    assert SHIPPED.drop("usage_*").families["usage"].label["fr"] == "Consommation"


def test_compute_hands_itself_over_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def engine(*given: object, **options: object) -> str:
        seen.append((given, options))
        return "matrix"

    importlib.import_module("earlywarn.features.stored")  # which takes more from that module
    monkeypatch.setitem(sys.modules, "earlywarn.features.build", SimpleNamespace(compute=engine))
    assert SHIPPED.compute("ledger", "obs", context="c") == "matrix"  # type: ignore[arg-type]
    assert seen == [((SHIPPED, "ledger", "obs"), {"context": "c", "progress": None})]


def test_pages_name_every_feature() -> None:
    page, table = SHIPPED.to_markdown(), SHIPPED._repr_html_()
    for feature in SHIPPED:
        assert f"| `{feature.name}` |" in page
        assert feature.name in table
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


# -- faults ------------------------------------------------------------------------------------------------

GOOD = {"name": "payments_count_90d", "value": "count(payments, days=90)"}


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"name": "Payments-90d"}, "F201", "small letters"),
        ({"name": "9_payments"}, "F201", "a letter first"),
        ({"value": 3}, "F202", "quotation marks"),
        ({"text": "payments"}, "F202", "is no text"),
        ({"risk": "upp"}, "F204", "did you mean 'up'"),
        ({"evidence": "signals"}, "F204", "did you mean 'signal'"),
        ({"text": {"de": "Zahlungen"}}, "F205", "'de'"),
        ({"text": {"nl_BE": "betalingen"}}, "F205", "'nl_BE'"),
        ({"text": {"en": " "}}, "F205", "empty"),
        (
            {"text": {"en": "{times|number:1} times"}, "show": {"time": "exp(value)"}},
            "F206",
            "did you mean 'time'",
        ),
        (
            {"text": {"en": "{k, plural, one {{n} day} other {# days}}"}, "show": {"k": "value"}},
            "F206",
            "{n}",
        ),
        ({"text": {"en": "{value days"}}, "F206", "braces"),
        ({"show": {"value": "value + 1"}}, "F206", "already"),
        ({"show": {"n": "count(payments)"}}, "F214", "feature of its own"),
        ({"value": "medain(payments.amount)"}, "F212", "did you mean 'median'"),
        ({"value": "amount / 2"}, "F214", "invoice.amount"),
        ({"value": 'share(customers.sex == "f")'}, "F209", "customers.sex"),
        ({"value": 'count(customers, where=language == "fr")'}, "F209", "customers.language"),
        ({"value": "count(holds)"}, "F209", "audit only"),
    ],
)
def test_a_fault_of_a_definition_has_a_code_and_says_what_to_do(
    change: dict[str, object], code: str, says: str
) -> None:
    with pytest.raises(FeatureError) as error:
        Feature(**{**GOOD, **change})  # type: ignore[arg-type]
    assert error.value.code == code
    assert says in str(error.value)
    assert error.value.hint


def test_what_is_for_audit_only_needs_a_stated_ground() -> None:
    stated = Feature("holds_count_all", "count(holds)", ground="audit of 2026, decided by the data protection officer")
    assert FeatureSet([stated]).to_dict()["features"][0]["ground"] == stated.ground


@pytest.mark.parametrize(
    ("attempt", "code", "says"),
    [
        (lambda: SHIPPED + SHIPPED.select("usage_spike_30d"), "F203", "comes twice"),
        (lambda: SHIPPED["usage_spike_30"], "F207", "did you mean 'usage_spike_30d'"),
        (lambda: SHIPPED.drop("usge_*"), "F207", "did you mean 'usage_*'"),
        (lambda: SHIPPED.select("usage_spike_3d"), "F207", "did you mean 'usage_spike_30d'"),
        (lambda: FeatureSet(["usage_spike_30d"]), "F202", "is no Feature"),
        (lambda: FeatureSet.from_dict({"features": []}), "F202", "to_dict"),
        (lambda: Family("usage", {"en": "{n} items"}), "F206", "{n}"),
        (lambda: Family.from_dict("usage", {"lable": {"en": "x"}}), "F202", "did you mean 'label'"),
        (lambda: FeatureSet.from_toml("no_such_folder"), "F208", "no feature file"),
    ],
)
def test_a_fault_of_a_set_has_a_code_and_says_what_to_do(attempt: Callable[[], object], code: str, says: str) -> None:
    with pytest.raises(FeatureError) as error:
        attempt()
    assert error.value.code == code
    assert says in str(error.value)


def test_all_faults_of_a_folder_come_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[one]\nvalue = "count(payments)"\nriks = "up"\n[two]\nunit = "days"\n')
    (tmp_path / "b.toml").write_text('top = "x"\n[Three]\nvalue = "count(payments)"\n')
    (tmp_path / "families.toml").write_text('[loyalty]\nlabel.de = "Treue"\n')
    with pytest.raises(FeatureError) as error:
        FeatureSet.from_toml(tmp_path)
    message = str(error.value)
    assert "5 definitions" in message
    for part in ("did you mean 'risk'", "two has no value", "top is no table", "'Three'", "'de'"):
        assert part in message


def test_one_file_is_read_with_the_families_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        '[bills_count_90d]\nvalue = "count(invoices, days=90)"\nunit = "invoices"\nfamily = "bills"\n'
        'show.half = "value / 2"\ntext.en = "{half|number:1} times two"\ntext.nl-BE = "{half} maal twee"\n'
    )
    (tmp_path / "families.toml").write_text('[bills]\nlabel.en = "Bills"\n')
    own = FeatureSet.from_toml(file)
    assert own.names == ("bills_count_90d",)
    assert own["bills_count_90d"].show == {"half": "value / 2"}
    assert own["bills_count_90d"].text["nl-BE"] == "{half} maal twee"
    assert own.families["bills"].label == {"en": "Bills"}
    assert own.families["usage"].label["en"] == "Usage"
    assert FeatureSet.from_toml(str(tmp_path)) == own


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[a\n")
    with pytest.raises(FeatureError, match=r"broken\.toml is not TOML"):
        FeatureSet.from_toml(tmp_path)
