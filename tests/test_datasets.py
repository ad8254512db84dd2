"""The data sets: what their sources state, row by row, and nothing that was not known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earlywarn import datasets
from earlywarn.errors import DataError
from earlywarn.outcomes import Outcome
from earlywarn.reasons.texts import reason_text

OBSERVED = ["obligation_id", "stage", "invoice_id", "customer_id", "as_of", "due_on", "lead_days", "amount"]
OBSERVED += ["open_amount", "matures_at", "due_is_estimated", "amount_low", "amount_high"]
MONTHS = ["2005_04", "2005_05", "2005_06", "2005_07", "2005_08", "2005_09"]


@pytest.fixture(scope="module")
def cards():
    return datasets.load_card_clients()


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    """The shipped file as it lies in the package, read by pandas alone."""
    return pd.read_parquet(Path(datasets.__file__).parent / "data" / "card_clients.parquet")


def wide(source: pd.DataFrame, name: str) -> np.ndarray:
    return source[[f"{name}_{month}" for month in MONTHS]].to_numpy(dtype=float)


# -- card clients -----------------------------------------------------------


def test_the_shipped_file_is_the_source_cell_by_cell(real_data: Path, source: pd.DataFrame):
    original = pd.read_csv(real_data / "uci_credit_card_default" / "UCI_Credit_Card.csv")
    same = {"client": "ID", "credit_limit": "LIMIT_BAL", "default_next_month": "default payment next month"}
    same |= {name.lower(): name for name in ("SEX", "AGE", "EDUCATION", "MARRIAGE")}
    for back, month in enumerate(reversed(MONTHS)):
        same |= {f"bill_{month}": f"BILL_AMT{back + 1}", f"paid_{month}": f"PAY_AMT{back + 1}"}
        same[f"status_{month}"] = f"PAY_{back + 1 if back else 0}"
    assert sorted(same) == sorted(source.columns)
    for ours, theirs in same.items():
        np.testing.assert_array_equal(source[ours], original[theirs], err_msg=theirs)


def test_packing_the_source_again_gives_the_shipped_values(real_data: Path, source: pd.DataFrame, tmp_path: Path):
    made = tmp_path / "again.parquet"
    datasets.pack_card_clients(real_data / "uci_credit_card_default" / "UCI_Credit_Card.csv", made)
    pd.testing.assert_frame_equal(pd.read_parquet(made), source)


def test_the_shipped_file_is_small_and_names_its_authors():
    folder = Path(datasets.__file__).parent / "data"
    assert (folder / "card_clients.parquet").stat().st_size < 1_500_000
    text = (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert all(word in text for word in ("Yeh", "Lien", "UCI", "Attribution 4.0", "renamed"))


def test_a_payment_belongs_to_the_statement_before_it(source: pd.DataFrame):
    paid, bill = wide(source, "paid"), wide(source, "bill")
    some = paid > 0
    equal = np.array([[np.mean((paid[:, p] == bill[:, b]) & some[:, p]) for b in range(6)] for p in range(6)])
    for month in range(1, 6):
        assert equal[month].argmax() == month - 1
        assert equal[month, month - 1] > 0.13 > 5 * np.delete(equal[month], month - 1).max()


def test_every_client_is_observed_once_with_the_bill_as_stated(cards, source: pd.DataFrame):
    ledger, observations, label = cards
    assert list(observations.columns) == OBSERVED
    assert observations.index.equals(pd.RangeIndex(30_000))
    assert observations["customer_id"].is_monotonic_increasing
    np.testing.assert_array_equal(observations["amount"], source["bill_2005_09"])
    np.testing.assert_array_equal(label, source["default_next_month"])
    assert label.dtype == "Int8"
    assert label.index.equals(observations.index)
    assert len(ledger.faults) == 0
    assert ledger.notices == ()


def test_where_the_bill_is_above_zero_the_outcome_sees_the_same_observations(cards):
    ledger, observations, _ = cards
    seen = Outcome(lead_days=30).observations(ledger, "2005-10-01", "2005-10-01")
    owed = observations[observations["amount"] > 0].reset_index(drop=True)
    without = ["matures_at"]  # the source states when the default was noted, not a grace
    pd.testing.assert_frame_equal(seen.drop(columns=without), owed.drop(columns=without))
    assert list(seen.columns) == OBSERVED


def test_only_the_september_statement_is_an_invoice_and_no_payment_is_invented(cards):
    ledger, _, _ = cards
    invoices = ledger.frame("invoices")
    assert len(invoices) == 30_000
    assert invoices["issued_on"].unique().tolist() == [pd.Timestamp("2005-09-30")]
    assert set(invoices.loc[invoices["amount"] < 0, "kind"]) == {"credit_note"}
    assert (invoices["amount"] < 0).sum() == 590
    assert len(ledger.frame("payments")) == 0


def test_arrears_are_the_months_of_the_status(cards, source: pd.DataFrame):
    ledger, _, _ = cards
    facts = ledger.frame("arrears")
    arrears = facts.pivot(index="customer_id", columns="observed_on", values="days_past_due")
    np.testing.assert_array_equal(arrears, 30 * np.clip(wide(source, "status"), 0, None))
    statements = ledger.frame("statements").pivot(index="customer_id", columns="stated_on", values="status")
    np.testing.assert_array_equal(statements, wide(source, "status"))


def test_the_groups_have_the_published_base_rates(cards):
    _, observations, label = cards
    groups = datasets.card_client_groups()
    assert groups.index.equals(observations.index)
    late = label.astype(float)
    assert round(late.mean(), 3) == 0.221
    assert round(late[groups["not_late_now"]].mean(), 3) == 0.138
    assert round(late[groups["never_late"]].mean(), 3) == 0.117
    assert not (groups["never_late"] & groups["late_now"]).any()


def test_persons_are_for_the_audit_only(cards):
    ledger, observations, _ = cards
    audit = datasets.card_client_audit()
    assert audit.index.equals(observations.index)
    assert list(audit.columns) == ["sex", "age", "education", "marriage"]
    for name in ("sex", "birth_year"):
        assert ledger.frame("customers").get(name, pd.Series(dtype=float)).notna().sum() == 0


def test_no_feature_reads_a_day_beyond_terms_or_a_person():
    features = datasets.card_client_features()
    assert 18 <= len(features) <= 25
    for feature in features:
        tables = {table for table, _ in feature.expression.columns()}
        tables |= {aggregate.selection.table for aggregate in feature.expression.aggregates}
        assert tables <= {"arrears", "statements", "invoice"}, feature.name
        for aggregate in feature.expression.aggregates:
            assert aggregate.selection.days is None, f"{feature.name} depends on invented days"


def test_every_feature_says_its_fact_in_three_languages():
    features = datasets.card_client_features()
    for feature in features:
        assert set(feature.text) == {"en", "nl", "fr"}, feature.name
        assert feature.unit, feature.name
    used = {feature.family for feature in features}
    for name in used:
        family = features.families[name]
        assert set(family.label) == set(family.missing) == {"en", "nl", "fr"}


COUNTED = {"en": "one of the last six", "nl": "één van de laatste zes", "fr": "un des six derniers"}


@pytest.mark.parametrize("language", ["en", "nl", "nl-BE", "fr", "fr-BE"])
@pytest.mark.parametrize("value", range(7))
def test_a_count_is_said_as_it_is_in_every_language(language: str, value: int):
    """A figure from 2 to 5; none, one and all six in words, each its own."""
    features = datasets.card_client_features()
    for feature in features:
        if "count" in feature.value:
            said, *others = (
                reason_text(feature, {feature.name: k}, language=language, families=features.families)
                for k in (value, *(k for k in range(7) if k != value))
            )
            assert said not in others
            assert re.findall(r"\d+", said) == ([str(value)] if 2 <= value <= 5 else []), said
            one = re.search(rf"\b{COUNTED[language[:2]]}\b", said)
            assert (one is not None) == (value == 1), said


@pytest.mark.parametrize(
    ("name", "value", "language", "said"),
    [
        ("status_code_now", -2, "en", "at the latest statement the card was not used"),
        ("status_code_now", -1, "nl", "bij het laatste overzicht was alles betaald"),
        ("status_code_now", 0, "fr", "au dernier relevé, une partie avait été reportée"),
        ("status_code_now", 2, "nl", "bij het laatste overzicht was de betaling 2 maanden over de vervaldag"),
        ("paid_last_share", 2, "en", "the last payment covered 200% or more of the previous statement"),
        ("bill_change_share_now", -0.02, "en", "against the month before, the bill fell by 2% of the credit limit"),
        ("limit_used_trend_6m", 0.02, "nl",
         "het gebruikte deel van de kredietlimiet steeg over zes maanden met 2% van de limiet per maand"),
        ("arrears_since_months", 0.03, "fr", "le dernier relevé montre un retard de paiement"),
        ("arrears_now_months", 0, "en", "the latest statement shows nothing past due"),
        ("paid_nothing_count_6m", 0, "nl", "in elk van de laatste zes maanden kwam een betaling binnen"),
    ],
)  # fmt: skip
def test_sentences_about_a_card(name: str, value: float, language: str, said: str):
    features = datasets.card_client_features()
    assert reason_text(features[name], {name: value}, language=language, families=features.families) == said


@pytest.mark.parametrize("language", ["en", "nl", "fr"])
@pytest.mark.parametrize("value", [-1.2, -0.3, -0.004])
def test_a_bill_below_zero_is_said_without_a_sign(language: str, value: float):
    features = datasets.card_client_features().select("bill_*", "limit_*")
    assert len(features) == 5
    for feature in features:
        said = reason_text(feature, {feature.name: value}, language=language, families=features.families)
        assert not re.search(r"-(?=[\d€])|−", said), said


def hand_made(source: pd.DataFrame) -> dict[str, np.ndarray]:
    """The same figures from the wide table, by other means."""
    status, bill, paid = (wide(source, name) for name in ("status", "bill", "paid"))
    limit, months = source["credit_limit"].to_numpy(dtype=float), np.clip(wide(source, "status"), 0, None)
    day = pd.to_datetime([month.replace("_", "-") for month in MONTHS]) + pd.offsets.MonthEnd(1)
    age = (pd.Timestamp("2005-10-01") - day).days.to_numpy(dtype=float)
    late = months > 0
    since = np.where(late, age, np.inf).min(axis=1)
    before, five = bill[:, -2], bill[:, :-1].sum(axis=1)

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(whole > 0, np.clip(part / np.where(whole > 0, whole, 1), 0, 2), np.nan)

    return {
        "arrears_now_months": months[:, -1],
        "arrears_worst_6m": months.max(axis=1),
        "arrears_mean_6m": months.mean(axis=1),
        "arrears_count_6m": late.sum(axis=1),
        "arrears_since_months": np.where(np.isfinite(since), since, np.nan) / 30.4,
        "paid_last_share": share(paid[:, -1], before),
        "paid_mean_share_5m": share(paid[:, 1:].sum(axis=1), five),
        "paid_last_amount": paid[:, -1],
        "paid_mean_amount_6m": paid.mean(axis=1),
        "paid_limit_share_6m": paid.mean(axis=1) / limit,
        "paid_nothing_count_6m": (paid == 0).sum(axis=1),
        "bill_amount_now": bill[:, -1],
        "credit_limit_amount": limit,
        "limit_used_share_now": bill[:, -1] / limit,
        "limit_used_max_6m": bill.max(axis=1) / limit,
        "limit_used_trend_6m": 30 * np.polyfit(-age, bill.T, 1)[0] / limit,
        "bill_change_share_now": (bill[:, -1] - before) / limit,
        "status_code_now": status[:, -1],
        "unused_count_6m": (status == -2).sum(axis=1),
        "paid_in_full_count_6m": (status == -1).sum(axis=1),
        "carried_on_count_6m": (status == 0).sum(axis=1),
    }


def test_every_feature_equals_the_figure_made_by_hand(cards, source: pd.DataFrame):
    ledger, observations, _ = cards
    some = observations.iloc[::7]
    matrix = datasets.card_client_features().compute(ledger, some)
    by_hand = pd.DataFrame(hand_made(source), index=observations.index).loc[some.index, list(matrix.columns)]
    assert set(matrix.columns) == set(hand_made(source))
    np.testing.assert_allclose(matrix.to_numpy(), by_hand.to_numpy(), rtol=2e-5, atol=1e-5)


# -- sets that are read from a folder ---------------------------------------


def test_a_data_set_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("EARLYWARN_DATA", str(tmp_path))
    with pytest.raises(DataError, match="EARLYWARN_DATA") as caught:
        datasets.load_highradius()
    assert caught.value.code == "D180"
    assert tmp_path.name in str(caught.value)


def test_the_folder_may_be_that_of_the_one_data_set(real_data: Path):
    _, invoices = datasets.load_ibm(real_data / "ibm_accounts_receivable")
    assert len(invoices) == 2_466


@pytest.fixture(scope="module")
def highradius(real_data: Path):
    return datasets.load_highradius(real_data)


def test_highradius_is_as_its_provenance_says(highradius):
    ledger, invoices = highradius
    assert len(ledger.faults) == 0
    assert len(invoices) == 40_000
    assert invoices["customer_id"].nunique() == 1_056
    late = invoices["days_late"]
    assert [round(float((late > days).mean()), 3) for days in (0, 5, 30)] == [0.419, 0.093, 0.022]
    assert round(float((late < 0).mean()), 3) == 0.370
    assert (invoices["issued_on"] <= invoices["settled_on"]).all()
    assert (invoices["settled_on"] < invoices["due_on"] - pd.Timedelta(days=30)).sum() == 259


def test_highradius_settles_each_invoice_on_the_day_of_the_source(highradius):
    ledger, invoices = highradius
    settled = ledger.frame("settlements")
    assert len(settled) == 40_000
    ours = settled.groupby("customer_id")["days_beyond_terms"].agg(["sum", "size"])
    theirs = invoices.groupby("customer_id")["days_late"].agg(["sum", "size"])
    np.testing.assert_array_equal(ours, theirs.loc[ours.index])


def test_highradius_has_the_reference_s_test_rows_and_labels(highradius):
    ledger, invoices = highradius
    outcome = Outcome(grace_days=0, lead_days=7)
    observations = outcome.observations(ledger, "2019-11-15", "2020-02-22")
    asked = observations[observations["due_on"] < "2020-03-01"]
    label = outcome.label(ledger, asked).astype(float)
    late = invoices.set_index("invoice_id").loc[asked["invoice_id"], "days_late"] > 0
    assert len(asked) == 7_606
    np.testing.assert_array_equal(label, late)


def test_xente_is_as_its_provenance_says(real_data: Path):
    ledger, loans = datasets.load_xente(real_data)
    assert len(ledger.faults) == 0
    assert len(loans) == 1_159
    assert loans["defaulted"].sum() == 71
    assert (loans["defaulted"] & loans["paid_after_due"]).sum() == 40
    assert round(loans["paid_after_due"].mean(), 3) == 0.272
    assert ((loans["due_on"] - loans["issued_on"]).dt.days == 30).all()
    usage = ledger.frame("usage")
    assert (len(usage), usage["customer_id"].nunique()) == (16_327, 282)
    assert len(ledger.frame("applications")) == 1_758


def test_xente_repayments_never_exceed_the_principal(real_data: Path):
    ledger, loans = datasets.load_xente(real_data)
    paid = ledger.frame("payments").groupby("invoice_id")["amount"].sum()
    principal = loans.set_index("invoice_id")["amount"]
    left = principal - paid.reindex(principal.index).fillna(0)
    assert (left >= 0).all()
    assert (left > 0).sum() == 64  # every one of them among the 71 defaults
    assert loans.set_index("invoice_id").loc[left.index[left > 0], "defaulted"].all()
    assert (ledger.frame("payments")["kind"] == "offset").sum() == 5


def test_ibm_is_as_its_provenance_says(real_data: Path):
    ledger, invoices = datasets.load_ibm(real_data)
    assert len(ledger.faults) == 0
    assert (len(invoices), invoices["customer_id"].nunique()) == (2_466, 100)
    late = invoices["settled_on"] > invoices["due_on"]
    assert round(late.mean(), 3) == 0.356
    assert [round(late[invoices["disputed"] == asked].mean(), 3) for asked in (True, False)] == [0.683, 0.259]
    assert ledger.frame("customers")["region"].nunique() == 5
    assert len(ledger.frame("disputes")) == 0


def test_a_regional_figure_is_known_months_after_its_year(real_data: Path):
    regions = datasets.load_eurostat_regions(real_data)
    raw = pd.read_csv(real_data / "regional_eurostat_nuts2" / "eurostat_regional_long.csv")
    raw = raw[(raw["geo"] == "BE10") & (raw["variable"] == "unemployment_rate_pct") & (raw["sex"] == "T")]
    ours = regions[(regions["region"] == "BE10") & (regions["metric"] == "unemployment")]
    by_year = raw.sort_values("time")
    np.testing.assert_array_equal(ours["value"], by_year["values"])
    published = pd.to_datetime((by_year["time"] + 1).astype("str") + "-07-01")
    np.testing.assert_array_equal(ours["published_on"], published.to_numpy())
    assert set(ours["parent"]) == {"BE"}
    assert not regions.duplicated(["region", "metric", "published_on"]).any()
    assert regions["published_on"].min() >= pd.Timestamp("2001-07-01")
    assert regions["value"].notna().all()
    assert regions.loc[regions["region"].str.len() == 2, "parent"].isna().all()


@pytest.mark.parametrize(
    ("postcode", "region"),
    [("1000", "BE10"), ("2000", "BE21"), ("3500", "BE22"), ("9000", "BE23"), ("3000", "BE24"),
     ("8000", "BE25"), ("1300", "BE31"), ("6000", "BE32"), ("4000", "BE33"), ("6700", "BE34"),
     ("5000", "BE35")],
)  # fmt: skip
def test_a_belgian_postcode_leads_to_its_province(real_data: Path, postcode: str, region: str):
    places = datasets.load_belgian_postcodes(real_data)
    assert len(places) == 1_152
    assert set(places.loc[places["postcode"] == postcode, "region"]) == {region}
