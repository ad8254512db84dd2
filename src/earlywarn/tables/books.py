"""The books of one debtor while settlement runs: each event appends entries and never changes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from earlywarn.dates import NAT, US_PER_DAY
from earlywarn.tables.postings import (
    ALLOCATION,
    CREDIT_NOTE,
    DUE_CHANGED,
    EXPECTED,
    INVOICE,
    PAYMENT,
    PAYOUT,
    RECEIPT,
    RETURN,
    SCHEDULE_DUE,
    SETTLE,
    UNALLOCATED,
    WITHDRAWAL,
    WITHDRAWN,
    Event,
)

__all__ = ["Books"]

#: A scheduled amount and an invoice are the same obligation when their due days lie this close.
MATCH_DAYS = 5


@dataclass(eq=False)
class Source:
    """Money that came in: where it lies now."""

    number: int
    kind: int
    booked_at: int
    value_at: int
    attempt: float
    returnable_until: int = NAT
    use: int = SETTLE
    names: int = UNALLOCATED
    received: int = 0
    gone: int = 0
    gone_at: int = NAT
    free: int = 0
    placed: list[list[int]] = field(default_factory=list)  # [debt, amount], oldest first

    def on(self, debt: int) -> int:
        """How much of it lies on a debt."""
        return sum(amount for number, amount in self.placed if number == debt)

    def is_version(self, event: Event) -> bool:
        """Whether a receipt restates this one; the same attempt booked after it had gone back is new money."""
        same = self.attempt == event.attempt or (self.attempt != self.attempt and event.attempt != event.attempt)
        return same and not (self.gone >= self.received and self.gone_at < event.happened_at)


@dataclass
class _Debt:
    amount: int
    due_at: int
    issued_at: int
    account: int = -1
    contract: int = -1
    paid: int = 0
    struck: int = 0
    withdrawn: bool = False

    @property
    def open(self) -> int:
        return 0 if self.withdrawn else self.amount - self.paid


class Books:
    """The books of one debtor while the fold runs."""

    def __init__(
        self,
        customer: int,
        entries: list[tuple[int, ...]],
        states: list[tuple[int, ...]],
        replaced: dict[int, int],
    ) -> None:
        self.customer = customer
        self.entries = entries
        self.states = states
        self.replaced = replaced
        self.debts: dict[int, _Debt] = {}
        self.open: dict[int, _Debt] = {}
        self.sources: dict[int, list[Source]] = {}
        self.credit: list[Source] = []
        self.asked: dict[int, dict[int, int]] = {}  # source -> debt -> amount that the allocations put there
        self.early_returns: dict[int, list[Event]] = {}
        self.paid_out: set[int] = set()
        self.expected: dict[int, Event] = {}
        self.unplanned: dict[int, _Debt] = {}  # invoices that took the place of no plan
        self.now = NAT

    def take(self, event: Event) -> None:
        """Book one event."""
        self.now = event.known_at
        _BOOK[event.kind](self, event)

    # -- debts -------------------------------------------------------------------------------------------

    def expect(self, event: Event) -> None:
        """Note a planned amount; one that an invoice has billed already is void."""
        if event.debt in self.replaced:
            return
        billed = None if event.debt in self.expected else self.nearest(event, self.unplanned)
        if billed is None:
            self.expected[event.debt] = event
        else:
            self.replaced[event.debt] = UNALLOCATED
            del self.unplanned[billed]

    def invoice(self, event: Event) -> None:
        """A new invoice, or a later version of one."""
        debt = self.debts.get(event.debt)
        if debt is None:
            debt = self.debts[event.debt] = _Debt(
                event.amount, event.due_at, event.happened_at, event.account, event.contract
            )
            self.replace_expected(event)
        else:
            debt.amount, debt.due_at, debt.issued_at = event.amount, event.due_at, event.happened_at
            if debt.withdrawn:
                self.write(event.debt, -1, WITHDRAWAL, -debt.struck, event.happened_at)
                debt.withdrawn = False
        self.restate(event.debt)

    def restate(self, number: int) -> None:
        """After a new or changed amount: free what is too much, take what is meant for it or free."""
        self.touch(number)
        self.release_excess(number)
        for source_number, asked in self.asked.items():
            if number in asked:
                for source in self.sources.get(source_number, []):
                    self.move(source, number, self.still_asked(source_number, number))
        self.take_credit(number)

    def replace_expected(self, event: Event) -> None:
        """Let a new invoice take the place of the scheduled amount it bills."""
        number = self.nearest(event, self.expected)
        if number is None:
            self.unplanned[event.debt] = self.debts[event.debt]
            return
        del self.expected[number]
        self.replaced[number] = event.debt
        if number in self.debts:
            self.close(number, event.happened_at)

    @staticmethod
    def nearest(event: Event, others: Mapping[int, Event | _Debt]) -> int | None:
        """The invoice (or plan) due within some days of a plan (or invoice), for the same contract."""
        near = [
            (abs(other.due_at - event.due_at), other.due_at, number)
            for number, other in others.items()
            if abs(other.due_at - event.due_at) <= MATCH_DAYS * US_PER_DAY
            and _agree(other.account, event.account)
            and _agree(other.contract, event.contract)
        ]
        return min(near)[2] if near else None

    def schedule_due(self, event: Event) -> None:
        """An agreed amount that no invoice billed is owed from its day on."""
        if event.debt in self.replaced:
            return
        if event.debt in self.debts:
            self.debts[event.debt].amount = event.amount
        else:
            self.debts[event.debt] = _Debt(event.amount, event.due_at, event.due_at)
        self.restate(event.debt)

    def due_changed(self, event: Event) -> None:
        """The due day of a known invoice moved."""
        debt = self.debts.get(event.debt)
        if debt is not None:
            debt.due_at = event.due_at
            self.touch(event.debt)

    def withdrawn(self, event: Event) -> None:
        """An invoice was taken back."""
        if event.debt in self.debts and not self.debts[event.debt].withdrawn:
            self.close(event.debt, event.happened_at)

    def close(self, number: int, happened_at: int) -> None:
        """Withdraw a debt: its money becomes credit, what is then open is struck off."""
        debt = self.debts[number]
        for source in [source for sources in self.sources.values() for source in sources]:
            for place in [place for place in source.placed if place[0] == number]:
                self.lift(source, place, place[1], happened_at)
        debt.struck = debt.amount - debt.paid
        self.write(number, -1, WITHDRAWAL, debt.struck, happened_at)
        debt.withdrawn = True
        self.touch(number)

    def release_excess(self, number: int) -> None:
        """After a lowered amount, what was paid too much becomes credit."""
        debt = self.debts[number]
        if debt.open >= 0:
            return
        for source in [source for sources in reversed(self.sources.values()) for source in reversed(sources)]:
            for place in [place for place in reversed(source.placed) if place[0] == number]:
                if debt.open < 0:
                    self.lift(source, place, min(-debt.open, place[1]))
        self.touch(number)

    def touch(self, number: int) -> None:
        """Note the state of a debt after a change."""
        debt = self.debts[number]
        if debt.open > 0:
            self.open[number] = debt
        else:
            self.open.pop(number, None)
        self.states.append(
            (self.customer, number, self.now, debt.open, debt.amount, debt.due_at, debt.issued_at, debt.withdrawn)
        )

    # -- money -------------------------------------------------------------------------------------------

    def receipt(self, event: Event) -> None:
        """Money came in, or a version of an earlier receipt replaces it."""
        if event.use == PAYOUT:
            self.payout(event)
            return
        versions = self.sources.setdefault(event.source, [])
        same = [source for source in versions if source.is_version(event)]
        if same:
            source = same[-1]
            self.take_back(source, source.received, source.value_at)
            source.booked_at, source.value_at, source.names = event.happened_at, event.value_at, event.debt
            source.returnable_until = event.returnable_until
        else:
            source = Source(
                event.source, event.clearing, event.happened_at, event.value_at, event.attempt,
                event.returnable_until, event.use, names=event.debt,
            )  # fmt: skip
            versions.append(source)
        self.write(UNALLOCATED, source.number, source.kind, event.amount, source.value_at)
        source.received = event.amount
        source.free += event.amount
        self.credit_changed(source)
        if source.use == SETTLE:
            self.place(source)
        for early in self.early_returns.pop(event.source, []):
            self.returned(early)

    def place(self, source: Source) -> None:
        """Allocate what is free of a source: as planned, as named, by exact amount, oldest first."""
        for number in self.asked.get(source.number, {}):
            self.move(source, number, self.still_asked(source.number, number))
        if source.free > 0 and source.names in self.open:
            self.move(source, source.names, source.free)
        if source.free <= 0 or not self.open:
            return
        oldest = sorted(self.open, key=lambda number: (self.open[number].due_at, self.open[number].issued_at, number))
        for number in [number for number in oldest if self.open[number].open == source.free][:1]:
            self.move(source, number, source.free)
        for number in oldest:
            if source.free > 0:
                self.move(source, number, source.free)

    def move(self, source: Source, number: int, amount: int) -> None:
        """Put up to ``amount`` of a source's free money on a debt."""
        debt = self.debts.get(number)
        amount = 0 if debt is None else min(amount, source.free, debt.open)
        if debt is None or amount <= 0:
            return
        self.write(UNALLOCATED, source.number, source.kind, -amount, source.value_at)
        self.write(number, source.number, source.kind, amount, source.value_at)
        source.free -= amount
        debt.paid += amount
        source.placed.append([number, amount])
        self.credit_changed(source)
        self.touch(number)

    def lift(
        self,
        source: Source,
        place: list[int],
        amount: int,
        counts_at: int | None = None,
        *,
        returned: bool = False,
    ) -> None:
        """Take money off a debt again; it is then the source's free money."""
        self.write(place[0], source.number, source.kind, -amount, source.value_at, counts_at, returned)
        self.write(UNALLOCATED, source.number, source.kind, amount, source.value_at, counts_at)
        self.debts[place[0]].paid -= amount
        source.free += amount
        place[1] -= amount
        if place[1] == 0:
            source.placed.remove(place)
        self.credit_changed(source)
        self.touch(place[0])

    def take_credit(self, number: int) -> None:
        """A new debt takes what credit there is, first the credit that names it, then the oldest."""
        if self.credit and self.debts[number].open > 0:
            for source in sorted(self.credit, key=lambda source: source.names != number):
                self.move(source, number, source.free)

    def credit_changed(self, source: Source) -> None:
        """Keep the list of sources that have money to give."""
        if source.use != SETTLE:
            return
        if source.free > 0 and source not in self.credit:
            self.credit.append(source)
        elif source.free <= 0 and source in self.credit:
            self.credit.remove(source)

    def allocation(self, event: Event) -> None:
        """The books say where a payment belongs; a guess made before is undone."""
        if event.amount < 0:
            self.lower_allocation(event)
            return
        asked = self.asked.setdefault(event.source, {})
        asked[event.debt] = asked.get(event.debt, 0) + event.amount
        for source in self.sources.get(event.source, []):
            debt = self.debts.get(event.debt)
            wanted = 0 if debt is None else min(self.still_asked(event.source, event.debt), debt.open)
            for place in reversed(list(source.placed)):
                guessed = min(place[1], source.on(place[0]) - asked.get(place[0], 0))
                short = wanted - source.free
                if guessed > 0 and short > 0:
                    self.lift(source, place, min(guessed, short))
            self.move(source, event.debt, wanted)

    def still_asked(self, source_number: int, debt: int) -> int:
        """What allocations put on a debt beyond what lies there."""
        there = sum(source.on(debt) for source in self.sources.get(source_number, []))
        return max(0, self.asked[source_number][debt] - there)

    def lower_allocation(self, event: Event) -> None:
        """A later version of an allocation puts less on the invoice."""
        asked = self.asked.setdefault(event.source, {})
        asked[event.debt] = max(0, asked.get(event.debt, 0) + event.amount)
        left = -event.amount
        for source in self.sources.get(event.source, []):
            for place in [place for place in reversed(source.placed) if place[0] == event.debt]:
                part = min(left, place[1])
                if part > 0:
                    self.lift(source, place, part)
                    left -= part

    def returned(self, event: Event) -> None:
        """Money goes back: first what is credit, then what was placed last."""
        if event.use == PAYOUT:
            self.paid_back_in(event)
            return
        versions = self.sources.get(event.source, [])
        fitting = [
            source
            for source in versions
            if _may_be_attempt(source.attempt, event.attempt) and source.booked_at <= event.happened_at
        ]
        if not fitting:
            self.early_returns.setdefault(event.source, []).append(event)
            return
        source = fitting[-1]
        in_window = not event.refund and event.happened_at <= source.returnable_until
        counts_at = source.value_at if in_window else event.happened_at
        source.gone += event.amount
        source.gone_at = max(source.gone_at, event.happened_at)
        self.take_back(source, event.amount, counts_at, returned=in_window)
        if event.amount < 0:  # a later version says that less went back
            self.place(source)

    def take_back(self, source: Source, amount: int, counts_at: int, *, returned: bool = False) -> None:
        """Take money out of a source: what is free first, then what was placed last."""
        need = amount
        for place in reversed(list(source.placed)):
            short = need - source.free
            if short > 0:
                self.lift(source, place, min(short, place[1]), counts_at, returned=returned)
        self.write(UNALLOCATED, source.number, source.kind, -need, counts_at)
        source.free -= need
        self.credit_changed(source)

    def payout(self, event: Event) -> None:
        """Credit paid out to the customer."""
        left = event.amount
        for source in list(self.credit):
            part = min(left, source.free)
            source.free -= part
            left -= part
            self.credit_changed(source)
        self.write(UNALLOCATED, event.source, PAYMENT, -event.amount, event.happened_at)
        self.paid_out.add(event.source)
        for early in self.early_returns.pop(event.source, []):
            self.returned(early)

    def paid_back_in(self, event: Event) -> None:
        """A payout that did not arrive is credit again; one that never went out waits."""
        if event.source not in self.paid_out:
            self.early_returns.setdefault(event.source, []).append(event)
            return
        source = Source(event.source, PAYMENT, event.happened_at, event.happened_at, event.attempt)
        self.write(UNALLOCATED, source.number, PAYMENT, event.amount, event.happened_at)
        source.received = source.free = event.amount
        self.sources.setdefault(~event.source, []).append(source)  # no receipt under this number restates it
        self.credit_changed(source)

    def write(
        self,
        debt: int,
        source: int,
        kind: int,
        amount: int,
        value_at: int,
        counts_at: int | None = None,
        returned: bool = False,
    ) -> None:
        """Append an entry."""
        if amount:
            counts = value_at if counts_at is None else counts_at
            self.entries.append((self.customer, debt, source, kind, amount, self.now, value_at, counts, returned))


def _agree(one: int, other: int) -> bool:
    """Whether two references are the same, or one is not stated."""
    return one == other or -1 in (one, other)


def _may_be_attempt(one: float, other: float) -> bool:
    """Whether two attempts are the same, or one is not stated."""
    return one == other or one != one or other != other


_BOOK = {
    EXPECTED: Books.expect,
    INVOICE: Books.invoice,
    DUE_CHANGED: Books.due_changed,
    SCHEDULE_DUE: Books.schedule_due,
    WITHDRAWN: Books.withdrawn,
    CREDIT_NOTE: Books.receipt,
    ALLOCATION: Books.allocation,
    RECEIPT: Books.receipt,
    RETURN: Books.returned,
}
