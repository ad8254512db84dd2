"""All obligations of a ledger: invoices, scheduled amounts and instalments, each in all its versions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import NAT, to_datetime64
from earlywarn.outcomes.arrangements import apply_arrangements, instalment_versions
from earlywarn.outcomes.versions import Obligations, joined
from earlywarn.tables.events import RETURN_WINDOW_DAYS, plan_numbers
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import UNALLOCATED
from earlywarn.tables.streams import plans_end

__all__ = ["obligations"]

Rows = npt.NDArray[np.int64]


def obligations(ledger: Ledger) -> Obligations:
    """All obligations of a ledger in all their versions.

    Parameters
    ----------
    ledger : Ledger

    Returns
    -------
    Obligations
    """
    cached: Obligations | None = getattr(ledger, "_obligations", None)
    if cached is None:
        cached = _build(ledger)
        ledger._obligations = cached  # type: ignore[attr-defined]  # derived, and the same for every caller
    return cached


def _build(ledger: Ledger) -> Obligations:
    parts = [_invoice_versions(ledger), _plan_versions(ledger), instalment_versions(ledger)]
    labels = np.concatenate([part.ids[part.number] for part in parts])
    number, ids = pd.factorize(labels, sort=True)
    merged = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Obligations.__dataclass_fields__
        if name not in ("ids", "number")
    }
    return Obligations(number=number.astype(np.int64), ids=np.asarray(ids, dtype=object), **merged)


def _invoice_versions(ledger: Ledger) -> Obligations:
    """Invoices, from issue on, with postponements moving the due day and instalments taking over."""
    states = ledger.settlement.states
    n_invoices = len(ledger.debts.invoice_ids)
    rows = np.flatnonzero(states.debt < n_invoices)
    debt, due = states.debt[rows], states.due_at[rows]
    known, until = states.known_at[rows], states.known_until[rows]
    open_ = np.where(states.withdrawn[rows], 0, states.open[rows])
    names = _obligation_names(ledger)
    base = Obligations(
        number=debt, ids=names, debt=debt, plan=np.full(len(rows), -1), owner=states.customer[rows], due_at=due,
        known_at=known, known_until=until, open=open_, amount=states.amount[rows],
        collected=_collection_days(ledger, "invoices")[debt],
    )  # fmt: skip
    return apply_arrangements(ledger, base)


def _obligation_names(ledger: Ledger) -> npt.NDArray[np.object_]:
    """The id of each invoice's obligation: that of the plan it replaced, else its own."""
    names = np.array([f"invoice:{label}" for label in ledger.debts.invoice_ids], dtype=object)
    n_invoices = len(names)
    plans = _plan_names(ledger)
    for plan, invoice in ledger.settlement.replaced.items():
        if invoice != UNALLOCATED:
            names[invoice] = plans[plan - n_invoices]
    return names


def _plan_names(ledger: Ledger) -> npt.NDArray[np.object_]:
    schedule = ledger.facts("schedule")
    days = to_datetime64(schedule.happened_at).astype("M8[D]").astype(str)
    customer = [ledger.customers[code] for code in schedule.owner]
    parts = [schedule.text(name).values() for name in ("account_id", "contract_id", "kind")]
    return np.array(
        [
            ":".join(["plan", *map(str, key)])
            for key in zip(customer, *[_filled(part) for part in parts], days, strict=True)
        ],
        dtype=object,
    )


def _filled(words: npt.NDArray[np.object_]) -> list[str]:
    return ["" if word is None else str(word) for word in words]


def _plan_versions(ledger: Ledger) -> Obligations:
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
        number=number, ids=_plan_names(ledger), debt=own_debt, plan=np.full(len(number), -1), owner=schedule.owner,
        due_at=schedule.happened_at, known_at=schedule.known_at, known_until=until, open=amount, amount=amount,
        collected=_collection_days(ledger, "schedule"),
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


def _collection_days(ledger: Ledger, table: str) -> Rows:
    """TARGET days in which the collection of each invoice (by number) or plan (by row) may come back.

    Read from ``collect_by`` of the row, else of its account as it was known then.
    """
    facts = ledger.facts(table)
    by_account, by_owner = _collected_by(ledger)
    stated, accounts = facts.text("collect_by").values(), facts.text("account_id").values()
    days = np.zeros(len(facts), dtype=np.int64)
    for row in range(len(facts)):
        history = (
            by_account.get(accounts[row], []) if accounts[row] is not None else by_owner.get(int(facts.owner[row]), [])
        )
        known = [word for known_at, word in history if known_at <= facts.known_at[row]]
        days[row] = RETURN_WINDOW_DAYS.get(stated[row] or (known[-1] if known else None) or "", 0)
    if table != "invoices":
        return days
    by_number = np.zeros(len(ledger.debts.invoice_ids), dtype=np.int64)
    latest_first = np.argsort(-facts.known_at, kind="stable")
    by_number[facts.text("invoice_id").codes[latest_first]] = days[latest_first]
    return by_number


_History = list[tuple[int, str | None]]


def _collected_by(ledger: Ledger) -> tuple[dict[str | None, _History], dict[int, _History]]:
    """(known_at, collect_by) of accounts in the order of knowing, by account and by customer."""
    accounts = ledger.facts("accounts")
    words, ids = accounts.text("collect_by").values(), accounts.text("account_id").values()
    by_account: dict[str | None, _History] = {}
    by_owner: dict[int, _History] = {}
    for row in np.lexsort((accounts.happened_at, accounts.known_at)):
        fact = (int(accounts.known_at[row]), words[row])
        by_account.setdefault(ids[row], []).append(fact)
        by_owner.setdefault(int(accounts.owner[row]), []).append(fact)
    return by_account, by_owner
