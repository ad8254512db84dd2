"""All obligations of a ledger: invoices, scheduled amounts and instalments, each in all its versions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, to_datetime64
from earlywarn.outcomes.arrangements import apply_arrangements, instalment_versions
from earlywarn.outcomes.cycles import cycles_of
from earlywarn.outcomes.versions import Obligations, as_known, joined, name_of
from earlywarn.tables.checks import Text
from earlywarn.tables.events import RETURN_WINDOW_DAYS, plan_numbers
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import UNALLOCATED
from earlywarn.tables.streams import plans_end

__all__ = ["PLAN", "collection_days", "obligations", "plan_names"]

Rows = npt.NDArray[np.int64]
Names = npt.NDArray[np.object_]

#: How the ids of planned amounts begin.
PLAN = "plan:"


def obligations(ledger: Ledger, *, cycles: bool = False) -> Obligations:
    """All obligations of a ledger in all their versions.

    Parameters
    ----------
    ledger : Ledger
    cycles : bool
        Name invoices and plans by the running period that they ended, where one did (see `cycles`).

    Returns
    -------
    Obligations
    """
    name = "_obligations_of_cycles" if cycles else "_obligations"
    cached: Obligations | None = getattr(ledger, name, None)
    if cached is None:
        cached = _build(ledger, cycles)
        setattr(ledger, name, cached)  # derived, and the same for every caller
    return cached


def _build(ledger: Ledger, cycles: bool) -> Obligations:
    plans = _plan_names(ledger, cycles)
    names = _invoice_names(ledger, plans, cycles)
    parts = [_invoice_versions(ledger, names), _plan_versions(ledger, plans), instalment_versions(ledger)]
    labels = np.concatenate([part.ids[part.number] for part in parts])
    number, ids = pd.factorize(labels, sort=True)
    merged = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Obligations.__dataclass_fields__
        if name not in ("ids", "number")
    }
    return Obligations(number=number.astype(np.int64), ids=np.asarray(ids, dtype=object), **merged)


def _invoice_versions(ledger: Ledger, names: Names) -> Obligations:
    """Invoices, from issue on, with postponements moving the due day and instalments taking over."""
    states = ledger.settlement.states
    n_invoices = len(ledger.debts.invoice_ids)
    rows = np.flatnonzero(states.debt < n_invoices)
    debt, due = states.debt[rows], states.due_at[rows]
    known, until = states.known_at[rows], states.known_until[rows]
    open_ = np.where(states.withdrawn[rows], 0, states.open[rows])
    base = Obligations(
        number=debt, ids=names, debt=debt, plan=np.full(len(rows), -1), owner=states.customer[rows], due_at=due,
        known_at=known, known_until=until, open=open_, amount=states.amount[rows],
        collected=collection_days(ledger, "invoices")[debt],
    )  # fmt: skip
    return apply_arrangements(ledger, base)


def _invoice_names(ledger: Ledger, plans: Names, cycles: bool) -> Names:
    """The id of each invoice's obligation: of the plan it replaced, of the period it ended, else its own."""
    names = np.array([f"invoice:{label}" for label in ledger.debts.invoice_ids], dtype=object)
    n_invoices = len(names)
    if cycles:
        running = cycles_of(ledger)
        ended = np.flatnonzero((running.of_bill >= 0) & ~np.isin(running.of_bill, running.of_plan))
        names[running.bills.debt[ended]] = running.names(ledger, running.of_bill[ended])
    for plan, invoice in ledger.settlement.replaced.items():
        if invoice != UNALLOCATED:
            names[invoice] = plans[plan - n_invoices]
    return names


def _plan_names(ledger: Ledger, cycles: bool) -> Names:
    """The id of each planned amount: of the running period whose place it took, else its own."""
    schedule = ledger.facts("schedule")
    names = plan_names(ledger, np.arange(len(schedule)))
    if cycles:
        of_plan = cycles_of(ledger).of_plan
        taken = np.flatnonzero(of_plan >= 0)
        names[plan_numbers(schedule)[taken]] = cycles_of(ledger).names(ledger, of_plan[taken])
    return names


def plan_names(ledger: Ledger, rows: Rows) -> Names:
    """Own ids of planned amounts, by rows of ``schedule``; shape (n,)."""
    schedule = ledger.facts("schedule").take(rows)
    days = to_datetime64(schedule.happened_at).astype("M8[D]").astype(str)
    customer = [ledger.customers[code] for code in schedule.owner]
    parts = [schedule.text(name).values() for name in ("account_id", "contract_id", "kind")]
    named = zip(customer, *[_filled(part) for part in parts], days, strict=True)
    return np.array([name_of(PLAN, key) for key in named], dtype=object)


def _filled(words: npt.NDArray[np.object_]) -> list[str]:
    return ["" if word is None else str(word) for word in words]


def _plan_versions(ledger: Ledger, names: Names) -> Obligations:
    """Scheduled amounts, from when they are known until an invoice replaces them or they are paid."""
    schedule = ledger.facts("schedule")
    states = ledger.settlement.states
    n_invoices = len(ledger.debts.invoice_ids)
    number = plan_numbers(schedule)
    own_debt = n_invoices + number
    ends = plans_end(states, schedule, n_invoices=n_invoices, replaced=ledger.settlement.replaced)
    until = np.minimum(schedule.known_until, ends)
    amount = np.asarray(schedule.numbers("amount", NAT), dtype=np.int64)
    planned = Obligations(
        number=number, ids=names, debt=own_debt, plan=np.full(len(number), -1), owner=schedule.owner,
        due_at=schedule.happened_at, known_at=schedule.known_at, known_until=until, open=amount, amount=amount,
        collected=collection_days(ledger, "schedule"),
    )  # fmt: skip
    rows = np.flatnonzero(states.debt >= n_invoices)
    place = states.debt[rows] - n_invoices
    owed = Obligations(
        number=place, ids=planned.ids, debt=states.debt[rows], plan=np.full(len(rows), -1), owner=states.customer[rows],
        due_at=states.due_at[rows], known_at=states.known_at[rows], known_until=states.known_until[rows],
        open=np.where(states.withdrawn[rows], 0, states.open[rows]), amount=states.amount[rows],
        collected=planned.collected[place],
    )  # fmt: skip
    return joined([planned, owed])


def collection_days(ledger: Ledger, table: str) -> Rows:
    """TARGET days in which the collection of each invoice (by number) or plan (by row) may come back.

    Read from ``collect_by`` of the row, else of its account as it was known then.

    Parameters
    ----------
    ledger : Ledger
    table : {"invoices", "schedule"}

    Returns
    -------
    ndarray of int64; 0 without a collection
    """
    cached: Rows | None = getattr(ledger, f"_collected_{table}", None)
    if cached is None:
        cached = _collection_days(ledger, table)
        setattr(ledger, f"_collected_{table}", cached)  # derived, and the same for every caller
    return cached


def _collection_days(ledger: Ledger, table: str) -> Rows:
    facts, accounts = ledger.facts(table), ledger.facts("accounts")
    stated = _days_of(facts.text("collect_by"))
    of_account = _days_of(accounts.text("collect_by"))
    # an account of the same id that another debtor has says nothing
    debtors = 2 + max(int(rows.owner.max(initial=-1)) for rows in (facts, accounts))
    own = _of_debtor(facts.text("account_id").codes, facts.owner, debtors)
    named = accounts.text("account_id").codes_in(facts.text("account_id").labels)
    by_account = _of_debtor(named, accounts.owner, debtors)
    then = np.where(
        own >= 0,
        as_known(accounts, by_account, of_account, own, facts.known_at, unknown=0),
        as_known(accounts, accounts.owner, of_account, facts.owner, facts.known_at, unknown=0),
    )
    days = np.where(facts.text("collect_by").codes >= 0, stated, then)
    if table != "invoices":
        return days
    by_number = np.zeros(len(ledger.debts.invoice_ids), dtype=np.int64)
    latest_first = np.argsort(-facts.known_at, kind="stable")
    by_number[facts.text("invoice_id").codes[latest_first]] = days[latest_first]
    return by_number


def _of_debtor(codes: Rows, owner: Rows, debtors: int) -> Rows:
    """One number for each id and debtor; -1 where none is stated."""
    return np.where(codes >= 0, codes * debtors + owner + 1, -1)


def _days_of(words: Text) -> Rows:
    """Days of the return window that each word stands for."""
    days = np.array([*(RETURN_WINDOW_DAYS.get(word, 0) for word in words.labels), 0], dtype=np.int64)
    return days[words.codes]
