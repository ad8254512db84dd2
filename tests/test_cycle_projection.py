"""The projected bill of a running period: against a plain loop over the rows, and against bills that came."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bills import ledger
from cycles import CYCLES, DAY, bill, billed, month, simulated
from earlywarn.outcomes import CyclePool, Outcome
from earlywarn.outcomes.accruals import use_of
from earlywarn.outcomes.bills import bills_of
from earlywarn.outcomes.running import billed_debts
from earlywarn.tables.ledger import Ledger

LATE = "2027-12-31"
NOTHING = CyclePool.empty()
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)


def read(number: int, day: str, cost: float, *, since: str | None = None, lag: int = 1, **more: Any) -> dict[str, Any]:
    used = pd.Timestamp(day)
    row = {"usage_id": str(number), "customer_id": "c", "used_on": used, "used_from": pd.Timestamp(since or day)}
    known = used + lag * DAY + pd.Timedelta(hours=23)
    return {**row, "quantity": 1.0, "cost": cost, "known_at": known, "read": "actual", **more}


def projected(books: Ledger, as_of: str, pool: CyclePool | None = NOTHING) -> tuple[float, float, float]:
    frame = CYCLES.standing(books, as_of, 400, pool=pool)
    row = frame[frame["stage"] == "cycle"].iloc[0]
    return row["amount"], row["amount_low"], row["amount_high"]


# -- worked out by hand ----------------------------------------------------------------------------------


def test_without_use_the_bill_is_the_median_of_twelve_months_and_half_the_same_month_last_year():
    assert projected(billed(6, *(40.0, 50.0, 60.0, 90.0, 45.0, 55.0), until=LATE), "2025-07-15")[0] == 52.5
    amounts = [100.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 110.0, 120.0]
    assert projected(billed(12, *amounts, until=LATE), "2026-01-15")[0] == (100.0 + 65.0) / 2


def test_use_so_far_counts_and_the_rest_follows_the_own_shape_and_what_is_usual():
    rows = [bill(n, 50.0) for n in range(3)]  # a fee of 20 that nobody states, and 30 of use, 10 in the first ten days
    use = [read(n, f"2025-0{n + 1}-05", 10.0) for n in range(3)] + [
        read(9 + n, f"2025-0{n + 1}-25", 20.0) for n in range(3)
    ]
    books = ledger([*rows], usage=[*use, read(20, "2025-04-05", 40.0)], until=LATE)
    # at half of April: of 3 own periods a third was known, of the biller's (even, 3 periods) a half
    f = (3 * (1 / 3) + 3 * 0.5) / 6
    assert projected(books, "2025-04-16")[0] == round(20 + 40 + (1 - f) * (40 + (1 - f) * 30), 2)


def test_at_the_end_of_the_period_what_was_seen_is_what_is_billed():
    use = [read(n, f"2025-0{n + 1}-10", 30.0) for n in range(3)] + [read(9, "2025-04-10", 80.0)]
    books = ledger([bill(n, 50.0, delay=8) for n in range(3)], usage=use, until=LATE)
    amount, _, _ = projected(books, "2025-05-03")
    assert amount == 100.0


def test_a_read_is_spread_over_its_days_and_one_that_reaches_into_the_next_period_is_parted():
    use = [read(n, str((month(n + 1) - DAY).date()), 31.0, since=str(month(n).date())) for n in range(3)]
    books = ledger(
        [bill(n, 41.0, delay=9) for n in range(3)],
        usage=[*use, read(7, "2025-05-06", 36.0, since="2025-04-01")],
        until=LATE,
    )
    assert projected(books, "2025-05-10")[0] == pytest.approx(10 + 30.0, abs=0.01)  # 30 of 36 days lie in April


def test_an_estimated_read_moves_the_projection_less_than_an_actual_one():
    past = [read(n, f"2025-0{n + 1}-10", 30.0) for n in range(3)]
    bills = [bill(n, 50.0) for n in range(3)]

    def with_read(cost: float, kind: str) -> float:
        return projected(
            ledger(bills, usage=[*past, read(9, "2025-04-10", cost, read=kind)], until=LATE), "2025-04-24"
        )[0]

    for cost in (5.0, 90.0):
        usual, actual, estimated = with_read(30.0, "actual"), with_read(cost, "actual"), with_read(cost, "estimated")
        assert abs(estimated - usual) < abs(actual - usual)
        assert (estimated - usual) * (actual - usual) > 0


def test_use_is_of_the_account_that_the_contract_had_when_it_became_known():
    """A contract moves from one account to another, and back: each read stays where it was."""
    since = {"2024-01-01": "A1", "2025-03-01": "A2", "2025-06-01": "A1"}
    contracts = [
        {"contract_id": "K", "account_id": account, "starts_on": "2024-01-01", "valid_from": day, "known_at": day}
        for day, account in since.items()
    ]
    bills = [bill(n, invoice_id=f"{account}-{n}", account_id=account) for account in ("A1", "A2") for n in range(8)]
    used = {"2023-12-01": 3.0, "2025-02-10": 5.0, "2025-04-10": 7.0, "2025-06-10": 11.0}
    use = [read(n, day, cost, contract_id="K") for n, (day, cost) in enumerate(used.items())]
    accounts = pd.DataFrame({"account_id": ["A1", "A2"], "customer_id": "c"})
    for order in (1, -1):  # as handed over, and the other way round
        books = ledger(bills, usage=use, contracts=contracts[::order], accounts=accounts, until=LATE)
        lines = bills_of(books)
        rows = use_of(books, lines)
        labels = books.facts("invoices").text("account_id").labels
        found = {labels[lines.account[n]]: rows.amount[slice(*rows.rows[n : n + 2])].tolist() for n in range(2)}
        assert found == {"A1": [3.0, 5.0, 11.0], "A2": [3.0, 7.0]}, "before the first is known: of either account"


def test_a_stated_fee_that_rises_lifts_the_projection_from_when_it_is_known():
    contract = {"contract_id": "k", "account_id": "a", "starts_on": "2020-01-01"}
    fees = [
        {**contract, "fixed_fee": 20.0, "valid_from": "2020-01-01", "known_at": "2020-01-01"},
        {**contract, "fixed_fee": 26.0, "valid_from": "2025-05-01", "known_at": "2025-05-10"},
    ]
    rows = [bill(n, 50.0, account_id="a") for n in range(4)]
    accounts = [{"account_id": "a", "customer_id": "c"}]
    books = ledger(rows, contracts=fees, accounts=accounts, until=LATE)
    assert projected(books, "2025-05-10")[0] == 50.0
    assert projected(books, "2025-05-11")[0] == 56.0
    undated = [{key: value for key, value in fees[1].items() if key not in ("valid_from", "known_at")}]
    assert projected(ledger(rows, contracts=undated, accounts=accounts, until=LATE), "2025-05-11")[0] == 50.0


def test_a_settlement_is_the_years_use_less_the_advances_of_the_year():
    bills = [
        bill(0, invoice_id=f"S{year}", kind="settlement", amount=amount, period_from=f"{year}-01-01",
             period_to=f"{year}-12-31", issued_on=f"{year + 1}-01-10", due_on=f"{year + 1}-01-31")
        for year, amount in ((2025, 60.0), (2026, -42.0))
    ]  # fmt: skip
    bills += [bill(n, 100.0, kind="advance", invoice_id=f"V{n:02d}") for n in range(34)]
    use = [
        read(n, str((month(n + 1) - DAY).date()), cost, since=str(month(n).date()))
        for n, cost in enumerate([105.0] * 12 + [96.5] * 12 + [130.0] * 10)
    ]
    frame = CYCLES.standing(ledger(bills, usage=use, until=LATE), "2027-11-05", 120, pool=NOTHING)
    row = frame.set_index("obligation_id").loc["cycle:c:::settlement:2027-01-01"]
    # use runs at 130 a month, and twelve advances of 100 were or will be billed
    assert 12 * 122 - 12 * 100 < row["amount"] < 12 * 130 - 12 * 100
    assert row["amount_low"] < row["amount"] < row["amount_high"]


def test_a_period_that_will_bill_nothing_is_no_obligation():
    frame = CYCLES.standing(billed(4, 0.0, until=LATE), "2025-05-15")
    assert "cycle" not in set(frame["stage"])


# -- against a plain loop --------------------------------------------------------------------------------


class Oracle:
    """The same rule for an account billed on the first of each month, in words of the rows."""

    def __init__(self, amounts: list[float], usage: list[dict[str, Any]]) -> None:
        self.amounts, self.usage = amounts, usage

    def known(self, number: int) -> pd.Timestamp:
        return month(number + 1) + DAY  # the bill of a month is issued on the next first and known at its close

    def seen(self, number: int, as_of: pd.Timestamp) -> tuple[float, float]:
        every = trusted = 0.0
        for row in self.usage:
            if row["known_at"] < as_of:
                first, last = max(row["used_from"], month(number)), min(row["used_on"], month(number + 1) - DAY)
                part = row["cost"] * max((last - first).days + 1, 0) / ((row["used_on"] - row["used_from"]).days + 1)
                every += part
                trusted += part * (0.5 if row["read"] == "estimated" else 1.0)
        return every, trusted

    def total(self, number: int) -> float:
        return self.seen(number, self.known(number))[0]

    def moment(self, number: int, share: float) -> pd.Timestamp:
        return month(number) + math.ceil(share * (month(number + 1) - month(number)).days) * DAY

    def part(self, number: int, share: float) -> float:
        return self.seen(number, min(self.moment(number, share), self.known(number)))[0]

    def year(self, number: int) -> list[int]:
        end = month(number + 1) - DAY
        near = min((month(number + 1) - month(number)).days // 2, 15)
        recent = [k for k in range(number) if (end - (month(k + 1) - DAY)).days <= 365 + near]
        return recent if len(recent) >= 3 else list(range(max(0, number - 3), number))

    def usual(self, values: list[float], number: int) -> float:
        back = self.year(number)
        end = month(number + 1) - DAY - pd.Timedelta(days=365)
        away = {abs((month(k + 1) - DAY - end).days): k for k in back}
        middle = median(values[k] for k in back)
        near = min((month(number + 1) - month(number)).days // 2, 15)
        return middle if min(away) > near else (middle + values[away[min(away)]]) / 2

    def gross(self, number: int, as_of: pd.Timestamp) -> float:
        totals = [self.total(k) for k in range(number)]
        remainder = [self.amounts[k] - totals[k] for k in range(number)]
        passed = [share for share in SHARES if self.moment(number, share) <= as_of]
        low = passed[-1]
        high = SHARES[min(len(passed), len(SHARES) - 1)]
        span = (self.moment(number, high) - self.moment(number, low)).days
        way = (as_of - self.moment(number, low)).days / span if span else 0.0
        back = self.year(number)
        parts = [(1 - way) * self.part(k, low) + way * self.part(k, high) for k in back]
        whole = sum(totals[k] for k in back)
        even = (1 - way) * low + way * high
        f = even if whole <= 0 else (sum(parts) + 3 * whole / len(back) * even) / (whole + 3 * whole / len(back))
        every, trusted = self.seen(number, as_of)
        left = 1 - min(max(f, 0.0), 1.0) * (trusted / every if every > 0 else 1.0)
        use = trusted + left * (trusted + left * self.usual(totals, number))
        return self.usual(remainder, number) + use

    def error(self, number: int, share: float) -> float:
        made = self.gross(number, self.moment(number, share))
        return abs(math.log(max(self.amounts[number], 1)) - math.log(max(made, 1)))

    def scale(self, number: int, share: float) -> float:
        errors = [self.error(k, share) for k in self.year(number) if k >= 1]
        return (sum(errors) + 3 * 0.1) / (len(errors) + 3)


@settings(max_examples=25)
@given(data=st.data())
def test_the_projection_is_that_of_a_plain_loop(data: st.DataObject):
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    count = data.draw(st.integers(2, 15))
    usage = []
    for number in range(data.draw(st.integers(0, 40))):
        used = month(0) + int(rng.integers(0, 31 * (count + 1))) * DAY
        since = str((used - int(rng.integers(0, 12)) * DAY).date())
        row = read(
            number, str(used.date()), float(np.round(rng.gamma(1, 12), 2)), since=since, lag=int(rng.choice([0, 1, 20]))
        )
        usage.append(row | {"read": str(rng.choice(["actual", "estimated"]))})
    oracle = Oracle([], usage)
    oracle.amounts = [round(20 + oracle.total(n) + float(rng.gamma(1, 4)), 2) for n in range(count)]
    books = ledger(
        [bill(n, amount) for n, amount in enumerate(oracle.amounts)], until=LATE, **({"usage": usage} if usage else {})
    )
    share = data.draw(st.sampled_from([0.5, 0.75, 0.9]))
    obs = Outcome(stages=("cycle",), cycle_shares=(share,)).observations(books, month(count), pool=NOTHING)
    at = oracle.moment(count, share)
    row = obs[obs["as_of"] == at].iloc[0]
    gross = oracle.gross(count, at)
    assert row["amount"] == pytest.approx(gross, abs=0.006)
    low, high = NOTHING.quantiles(np.array([0]), np.array([0]), np.array([SHARES.index(share)]))
    for column, edge in (("amount_low", low[0]), ("amount_high", high[0])):
        assert row[column] == pytest.approx(max(gross, 1) * math.exp(oracle.scale(count, share) * edge), abs=0.006)


# -- against bills that came -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Projections of some thousand periods beside the bills that came."""
    books = simulated(300, 20, seed=3)
    obs = Outcome(stages=("cycle",)).observations(books, "2024-04-01")
    _, debt = billed_debts(books, obs["obligation_id"])
    amounts = books.frame("invoices").set_index("invoice_id")["amount"]
    ids = np.array([*books.debts.invoice_ids, None], dtype=object)[debt]
    days = (obs["as_of"] - pd.to_datetime(obs["obligation_id"].str[-10:])).dt.days
    share = pd.cut(days, [0, 18, 25, 40], labels=[50, 75, 90]).astype(int)
    return obs.assign(actual=amounts.reindex(ids).to_numpy(), share=share).dropna(subset="actual")


def test_eight_of_ten_bills_lie_within_the_interval_at_each_share_of_the_period(many: pd.DataFrame):
    inside = (many["actual"] >= many["amount_low"]) & (many["actual"] <= many["amount_high"])
    by_share = inside.groupby(many["share"]).agg(["mean", "size"])
    assert (by_share["size"] > 2000).all()
    assert by_share["mean"].between(0.75, 0.85).all(), by_share
    below, above = (many["actual"] < many["amount_low"]).mean(), (many["actual"] > many["amount_high"]).mean()
    assert 0.06 < below < 0.14
    assert 0.06 < above < 0.14


def test_the_interval_is_narrow_for_the_calm_and_wide_for_those_who_stray(many: pd.DataFrame):
    late = many[many["as_of"] >= "2025-01-01"]
    error = (np.log(late["actual"]) - np.log(late["amount"])).abs()
    width = np.log(late["amount_high"] / late["amount_low"])
    own = pd.DataFrame({"error": error, "width": width}).groupby(late["customer_id"]).mean()
    assert own.corr(method="spearman").loc["error", "width"] > 0.6


def test_the_later_in_the_period_the_closer_the_projection_and_closer_than_the_usual_bill(many: pd.DataFrame):
    error = (np.log(many["actual"]) - np.log(many["amount"])).abs().groupby(many["share"]).mean()
    assert error.is_monotonic_decreasing
    before = many.sort_values("as_of").drop_duplicates("obligation_id")
    usual = before.groupby("customer_id")["actual"].transform(lambda bills: bills.shift().expanding().median())
    naive = (np.log(before["actual"]) - np.log(usual)).abs().mean()
    assert error.loc[90] < 0.5 * naive
    assert error.loc[50] < naive


def test_the_pool_counts_a_bill_from_the_day_after_it_became_known():
    day = 86_400_000_000
    errors = np.full((1, len(SHARES)), 20.0)
    pool = CyclePool.of_errors(np.array([5 * day + 7]), np.array([0]), np.repeat(errors, 1, axis=0))
    many_bills = pool
    for _ in range(9):
        many_bills = many_bills + many_bills
    share = np.array([2])
    _, before = many_bills.quantiles(np.array([6 * day - 1]), np.array([0]), share)
    _, after = many_bills.quantiles(np.array([6 * day]), np.array([0]), share)
    _, other = many_bills.quantiles(np.array([6 * day]), np.array([2]), share)
    assert before[0] == other[0] < 2 < 19 < after[0]
