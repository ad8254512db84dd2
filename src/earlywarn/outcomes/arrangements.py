"""What an arrangement does to obligations: postponements move them, instalments take their place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import FOREVER, NAT, US_PER_DAY, day_end
from earlywarn.outcomes.versions import Obligations, joined, replaced
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.settlement import PAYMENT

__all__ = ["Received", "apply_arrangements", "covered_debts", "instalment_versions", "invoice_base"]

Rows = npt.NDArray[np.int64]


def apply_arrangements(ledger: Ledger, base: Obligations) -> Obligations:
    """Move due days by postponements agreed before due; end bills where instalments take over, while they do.

    An arrangement works from when both it and its first instalment are known; one without instalments says
    nothing about a day and changes nothing.
    """
    arrangements = ledger.facts("arrangements")
    if not len(arrangements):
        return base
    covers = covered_debts(ledger, base)
    postponed = arrangements.text("kind").is_word("postponement")
    ends = _ends(arrangements)
    for row in np.argsort(arrangements.known_at, kind="stable"):
        at, new_due = _takes_effect(ledger, int(row))
        live = np.isin(base.debt, covers[int(row)]) & (base.known_until > at)
        if postponed[row]:
            live &= at <= day_end(base.due_at // US_PER_DAY)
        if new_due == NAT or not live.any():
            continue
        after = base.take(np.flatnonzero(live))
        base = replaced(base, known_until=np.where(live, np.minimum(base.known_until, at), base.known_until))
        if postponed[row]:
            moved = np.full(len(after.number), new_due, dtype=np.int64)
            after = replaced(after, due_at=moved, known_at=np.maximum(after.known_at, at))
        else:  # a plan that ended unpaid gives the bill back
            after = replaced(after, known_at=np.maximum(after.known_at, ends[row]))
        base = joined([base, after])
        base = base.take(np.flatnonzero(base.known_at < base.known_until))
    return base


def _takes_effect(ledger: Ledger, row: int) -> tuple[int, int]:
    """From when an arrangement works, and the first due day of its instalments (NAT without any)."""
    instalments, arrangements = ledger.facts("instalments"), ledger.facts("arrangements")
    label = arrangements.text("arrangement_id").values()[row]
    own = instalments.text("arrangement_id").is_word(str(label))
    if not own.any():
        return int(arrangements.known_at[row]), NAT
    at = max(int(arrangements.known_at[row]), int(instalments.known_at[own].min()))
    return at, int(instalments.happened_at[own & (instalments.known_at <= at)].min())


def _ends(arrangements: Facts) -> Rows:
    """When each arrangement is known to have ended or to be replaced by a later version."""
    ended = arrangements.cell_known.get("ended_on", np.full(len(arrangements), FOREVER))
    return np.minimum(arrangements.known_until, ended)


def covered_debts(ledger: Ledger, base: Obligations) -> dict[int, list[int]]:
    """Debts under each arrangement: the invoices it names, else all that were open when it was agreed."""
    arrangements = ledger.facts("arrangements")
    named = arrangements.text("invoice_ids").values()
    place = {label: number for number, label in enumerate(ledger.debts.invoice_ids)}
    covered: dict[int, list[int]] = {}
    for row in range(len(arrangements)):
        if named[row] is not None:
            listed = str(named[row]).replace(";", " ").replace(",", " ").replace("|", " ").split()
            numbers = [place[label] for label in listed if label in place]
            covered[row] = [n for n in numbers if ledger.debts.owner[n] == arrangements.owner[row]]
        else:
            own = (base.owner == arrangements.owner[row]) & (base.open > 0)
            at = int(arrangements.known_at[row])
            covered[row] = np.unique(base.debt[own & (base.known_at <= at) & (base.known_until > at)]).tolist()
    return covered


def instalment_versions(ledger: Ledger) -> Obligations:
    """Instalments of arrangements: open until the money received since covers them, oldest first."""
    instalments, arrangements = ledger.facts("instalments"), ledger.facts("arrangements")
    kept: list[tuple[int, ...]] = []
    names: list[str] = []
    if len(instalments):
        paid = Received(ledger)
        covers = covered_debts(ledger, invoice_base(ledger))
        labels = arrangements.text("arrangement_id").values()
        in_parts = ~arrangements.text("kind").is_word("postponement")
        owner_row = {label: row for row, label in enumerate(labels) if in_parts[row]}
        ends = _ends(arrangements)
        groups = pd.Series(range(len(instalments))).groupby(instalments.text("arrangement_id").values()).indices
        amounts = np.asarray(instalments.numbers("amount", NAT), dtype=np.int64)
        for label, members in sorted(groups.items()):
            if label not in owner_row:
                continue
            row = owner_row[label]
            since = int(arrangements.known_at[row])
            received = paid.since(covers.get(row, []), since)
            need = 0
            for i in sorted(members, key=lambda i: (instalments.happened_at[i], i)):
                number = len(names)
                names.append(f"instalment:{label}:{instalments.numbers('number')[i]:g}")
                kept.extend(
                    _instalment_states(
                        number, int(i), int(arrangements.owner[row]), int(instalments.happened_at[i]),
                        max(since, int(instalments.known_at[i])), int(ends[row]), int(amounts[i]), need, received,
                    )
                )  # fmt: skip
                need += int(amounts[i])
    columns = np.array(kept, dtype=np.int64).reshape(-1, 8).T
    numbers, plan, owner, due, known, until, open_, amount = columns
    return Obligations(
        number=numbers, ids=np.array(names, dtype=object), debt=np.full(len(numbers), -1), plan=plan, owner=owner, due_at=due,
        known_at=known, known_until=until, open=open_, amount=amount, collected=np.zeros(len(numbers), dtype=np.int64),
    )  # fmt: skip


def _instalment_states(
    number: int, row: int, owner: int, due: int, known: int, until: int, amount: int, need: int,
    received: list[tuple[int, int, int]],
) -> list[tuple[int, ...]]:  # fmt: skip
    """Versions of one instalment as money comes in: it is covered once ``need`` before it is."""
    states = []
    start, open_ = known, amount
    total = 0
    for seen, _, money in received:
        total += money
        left = amount - min(max(total - need, 0), amount)
        if left != open_:
            at = max(seen, known)
            if at > start:
                states.append((number, row, owner, due, start, at, open_, amount))
            start, open_ = at, left
    states.append((number, row, owner, due, start, until, open_, amount))
    return [state for state in states if state[4] < state[5]]


def invoice_base(ledger: Ledger) -> Obligations:
    """The states of all debts as versions, before any arrangement."""
    states = ledger.settlement.states
    none = np.full(len(states.debt), -1)
    return Obligations(
        number=states.debt, ids=np.array([], dtype=object), debt=states.debt, plan=none, owner=states.customer,
        due_at=states.due_at, known_at=states.known_at, known_until=states.known_until, open=states.open,
        amount=states.amount, collected=none,
    )  # fmt: skip


class Received:
    """Money that came in on debts, by when it was known and from when it counts."""

    def __init__(self, ledger: Ledger) -> None:
        entries = ledger.settlement.entries
        self.entries = entries
        kept = (entries.debt >= 0) & (entries.kind == PAYMENT)
        self.rows = np.flatnonzero(kept)

    def since(self, debts: list[int], known: int) -> list[tuple[int, int, int]]:
        """(known_at, counts_at, amount) of money on these debts that became known after a moment."""
        entries = self.entries
        rows = self.rows[np.isin(entries.debt[self.rows], debts) & (entries.known_at[self.rows] > known)]
        return [(int(entries.known_at[e]), int(entries.counts_at[e]), int(entries.amount[e])) for e in rows]
