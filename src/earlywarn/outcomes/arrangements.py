"""What an arrangement does to obligations: postponements move them, instalments take their place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from earlywarn.dates import FOREVER, NAT, US_PER_DAY, day_end
from earlywarn.outcomes.versions import Obligations, joined, replaced
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.postings import PAYMENT

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
    effects = _effects(ledger)
    arranged = np.isin(base.owner, arrangements.owner)
    parts = [base.take(np.flatnonzero(~arranged))]
    own_versions, own_rows = rows_by(np.where(arranged, base.owner, -1)), rows_by(arrangements.owner)
    for owner in sorted(own_versions):
        rows = own_rows[owner]
        in_order = rows[np.argsort(arrangements.known_at[rows], kind="stable")]
        parts.append(_arranged(arrangements, in_order, base.take(own_versions[owner]), covers, effects))
    return joined(parts)


def _arranged(
    arrangements: Facts,
    rows: Rows,
    base: Obligations,
    covers: dict[int, list[int]],
    effects: dict[int, tuple[int, int]],
) -> Obligations:
    """One debtor's bills after the debtor's arrangements, taken in the order in which they became known."""
    postponed = arrangements.text("kind").is_word("postponement")
    ends = _ends(arrangements)
    for row in rows:
        at, new_due = effects[int(row)]
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
            after = replaced(after, known_at=np.maximum(after.known_at, max(at, int(ends[row]))))
        base = joined([base, after])
        base = base.take(np.flatnonzero(base.known_at < base.known_until))
    return base


def rows_by(codes: Rows) -> dict[int, Rows]:
    """Rows of each code, in their order; negative codes are left out.

    Examples
    --------
    >>> {code: rows.tolist() for code, rows in rows_by(np.array([2, -1, 2, 0])).items()}
    {0: [3], 2: [0, 2]}
    """
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    found, starts = np.unique(codes[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, starts[1:]), strict=True)) if len(found) else {}


def instalments_by_label(ledger: Ledger) -> dict[str, Rows]:
    """Rows of the instalments of each arrangement, by the arrangement's id."""
    ids = ledger.facts("instalments").text("arrangement_id")
    return {ids.labels[code]: rows for code, rows in rows_by(ids.codes).items()}


def _effects(ledger: Ledger) -> dict[int, tuple[int, int]]:
    """From when each arrangement works, and the first due day of its instalments (NAT without any)."""
    instalments, arrangements = ledger.facts("instalments"), ledger.facts("arrangements")
    members = instalments_by_label(ledger)
    effects: dict[int, tuple[int, int]] = {}
    for row, label in enumerate(arrangements.text("arrangement_id").values()):
        known, own = int(arrangements.known_at[row]), members.get(label)
        if own is None:
            effects[row] = known, NAT
            continue
        at = max(known, int(instalments.known_at[own].min()))
        in_force = own[(instalments.known_at[own] <= at) & (instalments.known_until[own] > at)]
        effects[row] = at, int(instalments.happened_at[in_force].min())
    return effects


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
    own_versions = rows_by(base.owner)
    for row in range(len(arrangements)):
        if named[row] is not None:
            listed = str(named[row]).replace(";", " ").replace(",", " ").replace("|", " ").split()
            numbers = [place[label] for label in listed if label in place]
            covered[row] = [n for n in numbers if ledger.debts.owner[n] == arrangements.owner[row]]
        else:
            own = own_versions.get(int(arrangements.owner[row]), np.empty(0, dtype=np.int64))
            at = int(arrangements.known_at[row])
            then = (base.open[own] > 0) & (base.known_at[own] <= at) & (base.known_until[own] > at)
            covered[row] = np.unique(base.debt[own[then]]).tolist()
    return covered


def instalment_versions(ledger: Ledger) -> Obligations:
    """Instalments of arrangements: open until the money received since covers them, oldest first."""
    arrangements = ledger.facts("arrangements")
    plan_ids = ledger.facts("instalments").text("arrangement_id")
    names: dict[str, int] = {}
    kept: list[tuple[int, ...]] = []
    if len(plan_ids.codes):
        paid = Received(ledger)
        covers = covered_debts(ledger, invoice_base(ledger))
        labels = arrangements.text("arrangement_id").values()
        in_parts = ~arrangements.text("kind").is_word("postponement")
        ends = _ends(arrangements)
        members = instalments_by_label(ledger)
        first = {
            arrangements.text("arrangement_id").labels[code]: int(arrangements.known_at[rows].min())
            for code, rows in rows_by(arrangements.text("arrangement_id").codes).items()
        }
        for row in np.lexsort((arrangements.known_at, labels.astype(str))):
            if in_parts[row] and labels[row] in members:
                period = int(arrangements.known_at[row]), int(ends[row])
                received = paid.since(covers.get(int(row), []), first[labels[row]])
                kept += _instalment_states(ledger, members[labels[row]], period, received, names)
    columns = np.array(kept, dtype=np.int64).reshape(-1, 8).T
    numbers, plan, owner, due, known, until, open_, amount = columns
    return Obligations(
        number=numbers, ids=np.array(list(names), dtype=object), debt=np.full(len(numbers), -1), plan=plan,
        owner=owner, due_at=due, known_at=known, known_until=until, open=open_, amount=amount,
        collected=np.zeros(len(numbers), dtype=np.int64),
    )  # fmt: skip


def _instalment_states(
    ledger: Ledger,
    members: Rows,
    period: tuple[int, int],
    received: list[tuple[int, int, int, int]],
    names: dict[str, int],
) -> list[tuple[int, ...]]:
    """States of one arrangement's instalments, from each moment at which something about them became known."""
    plan = ledger.facts("instalments").take(members)
    amounts = np.asarray(plan.numbers("amount", NAT), dtype=np.int64)
    ids = [
        f"instalment:{label}:{number:g}"
        for label, number in zip(plan.text("arrangement_id").values(), plan.numbers("number"), strict=True)
    ]
    news = {*plan.known_at.tolist(), *plan.known_until.tolist(), *(seen for seen, *_ in received), *period}
    moments = sorted(moment for moment in news if period[0] <= moment <= period[1])
    states: list[tuple[int, ...]] = []
    latest: dict[int, int] = {}
    for start, end in pairwise(moments):
        money = sum(amount for seen, _, amount, _ in received if seen <= start)
        live = np.flatnonzero((plan.known_at <= start) & (plan.known_until > start))
        for i in live[np.argsort(plan.happened_at[live], kind="stable")].tolist():
            amount = int(amounts[i])
            left = amount - min(max(money, 0), amount)
            money -= amount
            number = names.setdefault(ids[i], len(names))
            head = (number, int(members[i]), int(plan.owner[i]), int(plan.happened_at[i]))
            place = latest.get(number)
            if place is not None and (*states[place][:4], *states[place][5:7]) == (*head, start, left):
                states[place] = (*states[place][:5], end, *states[place][6:])
                continue
            latest[number] = len(states)
            states.append((*head, start, end, left, amount))
    return states


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
        self._rows = rows_by(np.where(kept, entries.debt, -1))

    def since(self, debts: list[int], known: int) -> list[tuple[int, int, int, int]]:
        """(known_at, counts_at, amount, source) of money on these debts that became known after a moment."""
        e = self.entries
        rows = sorted(int(row) for debt in set(debts) for row in self._rows.get(debt, ()) if e.known_at[row] > known)
        return [(int(e.known_at[at]), int(e.counts_at[at]), int(e.amount[at]), int(e.source[at])) for at in rows]
