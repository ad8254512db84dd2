"""What goes into a matrix at its edges: moments in zones, ids as tables read them, huge numbers, failing functions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from earlywarn import explain_feature
from earlywarn.errors import FeatureError
from earlywarn.features.aggregates import aggregate
from earlywarn.features.build import compute
from earlywarn.features.catalogue import Feature, FeatureSet
from earlywarn.reasons.told import tally
from earlywarn.tables.ledger import Ledger


@pytest.mark.parametrize("skip", ["", ", where=amount > invoice.amount - 100"])
def test_an_error_in_an_aggregate_of_ones_own_names_the_customer(skip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from earlywarn.features import own

    monkeypatch.setitem(own.OWN, "picky", None)  # gone again after this test

    @aggregate
    def picky(values):
        if values[0] == 3.0:
            raise RuntimeError("three")
        return values[0]

    people = ["c", "b", "a"]
    due = {"issued_on": "2026-03-01", "due_on": "2026-03-20"}
    invoices = pd.DataFrame([{"invoice_id": f"i{who}", "customer_id": who, **due, "amount": 1.0} for who in people])
    payments = pd.DataFrame(
        {"payment_id": people, "customer_id": people, "paid_on": "2026-03-02", "amount": [1.0, 2.0, 3.0]}
    )
    ledger = Ledger.from_tables(invoices=invoices, payments=payments)
    obs = pd.DataFrame({"customer_id": people, "as_of": pd.Timestamp("2026-04-01"), "amount": 1.0})
    with pytest.raises(FeatureError, match="fails at customer 'a'"):
        FeatureSet([Feature("picked", f"picky(payments.amount{skip})")]).compute(ledger, obs)


def test_an_aware_as_of_is_converted_to_the_zone_of_the_ledger_and_a_missing_one_is_refused() -> None:
    """A contact at two in the night is not known at midnight, whatever the zone in which midnight is written."""
    due = {"issued_on": "2026-03-01", "due_on": "2026-03-20", "amount": 1.0}
    ledger = Ledger.from_tables(
        invoices=pd.DataFrame([{"invoice_id": "i", "customer_id": "7", **due}]),
        payments=pd.DataFrame({"payment_id": ["p"], "customer_id": "7", "paid_on": "2026-03-02", "amount": 1.0}),
        contacts=pd.DataFrame(
            {"contact_id": ["k"], "customer_id": "7", "contacted_at": ["2026-03-05 02:00"], "channel": "call"}
        ),
        timezone="America/New_York",
    )
    feature = FeatureSet([Feature("contacts", "count(contacts)")])
    night = pd.Series(pd.to_datetime(["2026-03-05 00:00", "2026-03-05 03:00"]))
    aware = night.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    for moments in (night, aware):
        found = feature.compute(ledger, pd.DataFrame({"customer_id": [7.0, "7"], "as_of": moments}))
        assert found["contacts"].tolist() == [0, 1]
    with pytest.raises(FeatureError, match="as_of is missing in 1 "):
        feature.compute(ledger, pd.DataFrame({"customer_id": ["7"], "as_of": [pd.NaT]}).astype({"as_of": "M8[us]"}))


@pytest.mark.parametrize(
    ("quantities", "wanted"),
    [
        ([1e300, 1.7e308], [0.0, np.nan, np.nan]),  # the facts count as missing
        ([3e38, 3e38], [np.nan, 3e38, 3e38]),  # only the sum is too large
    ],
)
def test_what_no_float32_can_hold_is_missing_by_both_engines(quantities: list[float], wanted: list[float]) -> None:
    due = {"issued_on": "2026-03-01", "due_on": "2026-03-20", "amount": 1.0}
    usage = pd.DataFrame({"customer_id": "c", "used_on": ["2026-03-01", "2026-03-02"], "quantity": quantities})
    ledger = Ledger.from_tables(
        invoices=pd.DataFrame([{"invoice_id": "i", "customer_id": "c", **due}]),
        payments=pd.DataFrame({"payment_id": ["p"], "customer_id": "c", "paid_on": "2026-03-02", "amount": 1.0}),
        usage=usage,
    )
    obs = pd.DataFrame({"customer_id": ["c"], "as_of": [pd.Timestamp("2026-04-01")]})
    asked = [Feature(name, f"{name}(usage.quantity)") for name in ("sum", "mean", "max")]
    for compiled in (True, False):
        found = compute(asked, ledger, obs, compiled=compiled).iloc[0].to_numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


CONTRACT = {"contract_id": "c", "account_id": "a", "starts_on": "2024-01-01", "price_until": "2026-04-11"}


def with_contract(static: dict[str, list[str]] | None = None, **more: str) -> Ledger:
    due = {"invoice_id": "i", "customer_id": "7", "issued_on": "2026-03-01", "due_on": "2026-03-20", "amount": 1.0}
    return Ledger.from_tables(
        invoices=pd.DataFrame([due]),
        payments=pd.DataFrame({"payment_id": ["p"], "customer_id": "7", "paid_on": "2026-03-02", "amount": 1.0}),
        accounts=pd.DataFrame({"account_id": ["a"], "customer_id": "7"}),
        contracts=pd.DataFrame([CONTRACT | more]),
        static=static or {},
    )


def test_todays_value_is_refused_for_the_past_or_missing_where_the_feature_says_so() -> None:
    strict = Feature("left", "days_until(contracts.price_until)")
    lenient = Feature("left", strict.value, undated="missing")
    obs = pd.DataFrame({"customer_id": ["7"], "as_of": pd.Timestamp("2026-04-01")})
    told = explain_feature(FeatureSet([lenient]), "left", with_contract(), "7", "2026-03-15", language="en")
    for feature in (strict, lenient):
        for ledger in (with_contract(valid_from="2025-01-01"), with_contract({"contracts": ["price_until"]})):
            found = FeatureSet([feature]).compute(ledger, obs)
            assert found["left"].tolist() == [10]
            assert found.attrs["notices"] == ()
    with pytest.raises(FeatureError, match="today's value only") as error:
        FeatureSet([strict]).compute(with_contract(), obs)
    assert error.value.code == "F220"
    found = FeatureSet([lenient]).compute(with_contract(), obs)
    assert found["left"].isna().all()
    assert "of contracts.price_until only today's value is known" in found.attrs["notices"][0]
    assert tally(told.trace.parts[0], "en") == "of contracts.price_until only today's value is known"
    with pytest.raises(FeatureError, match="undated = 'mising'") as error:
        Feature("left", strict.value, undated="mising")
    assert error.value.code == "F204"
