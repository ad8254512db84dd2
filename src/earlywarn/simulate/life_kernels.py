"""What becomes of each bill, day by day: noticed or put away, disputed or not, paid on the first day that allows it.

A customer pays on the first day on which he is aware of the bill, has the means and does not dispute it. Whatever the
biller does acts through these three and through annoyance, and in no other way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from earlywarn.compiled import compiled, step
from earlywarn.extras import require
from earlywarn.outcomes.running import SHOCK_ABOVE, SHOCK_TIMES
from earlywarn.simulate import draws
from earlywarn.simulate.billing import ADVANCE, SETTLEMENT
from earlywarn.simulate.life_contacts import (
    annoyance,
    gets_through,
    is_about_a_bill,
    is_of_usage,
    is_taken,
    look,
    meet,
    meet_without_bill,
    offer,
    postpone,
)
from earlywarn.simulate.life_state import (
    ANSWER,
    BILL,
    FIGURES,
    STATE,
    Everybody,
    Person,
    bare_room,
    draw,
    need,
    pays,
    share,
)
from earlywarn.simulate.people import TRAITS, after_payday

__all__ = ["CAUSES", "STATED", "heed", "live"]

numba = require("numba", to="run compiled loops")

#: Why a bill was late, by number: the first that holds.
CAUSES = ("", "dispute", "forgot", "habit", "bill_shock", "income_loss", "other_bills", "means", "account")
#: What a customer states as the reason, by the number of the cause.
STATED = (
    "other", "dispute", "forgot", "timing", "bill_too_high", "income_drop", "other_costs", "other_costs",
    "account_or_mandate",
)  # fmt: skip
_, DISPUTE, FORGOT, HABIT, SHOCK, LOSS, OTHERS, MEANS, ACCOUNT = range(9)
#: Days of one bill at most, for the numbers of daily draws.
_LONG = 1 << 12

_after_payday = step(after_payday)


@step
def _wait(f: Any, u: float) -> Any:
    """Bank days until a collection comes back."""
    if u < f.wait_1:
        return 1
    if u < f.wait_2:
        return 2
    if u < f.wait_3:
        return 3
    return 4 if u < f.wait_4 else 5


@step
def _issue(w: Everybody, x: Person, b: Any, bill: Any, raised: int) -> None:
    """What a bill says: as planned, but for advances that were raised, a due day that was moved, and a last bill."""
    t, s = x.traits, x.state[0]
    b.issued, b.kind, b.used, b.wrong, b.usual = bill[0], bill[5], bill[3], bill[4], bill[6]
    fixed, due = bill[2], bill[1]
    if b.kind == ADVANCE and s.is_final == 1:  # what was used and not settled yet, instead of one more advance
        b.kind, fixed, b.used, b.wrong = SETTLEMENT, 0, bill[7], 0
    if b.kind == ADVANCE and 0 <= s.advance_on < b.issued:
        more = max(0, raised - fixed)
        fixed += more
        s.advanced += more
    elif b.kind == SETTLEMENT:
        b.used -= s.advanced
        s.advanced = 0
    if 0 <= s.due_day_on < b.issued:
        while w.of_month[due] != _after_payday(t.payday):
            due += 1
        if t.debit == 1:
            due = w.bank_day[w.bank_number[due]]
    b.first_due, b.due, b.amount = due, due, fixed + b.used + b.wrong


@step
def _begin(w: Everybody, x: Person, b: Any) -> None:
    """A bill is issued: what its customer will make of it."""
    f, t, s = w.figures[0], x.traits, x.state[0]
    b.put_away, b.attended, b.viewed, b.disputed, b.closed, b.upheld, b.bounced = 0, -1, -1, -1, -1, -1, 0
    b.collected, b.collected_ok, b.returned, b.return_cause, b.retried, b.retried_ok = -1, -1, -1, 0, -1, -1
    b.paid, b.part_on, b.reminded, b.reminded_again, b.asked, b.postponed = -1, -1, -1, -1, -1, -1
    b.agreed, b.kept, b.parts_paid, b.lost, b.questioned, b.cause, b.credit, b.part = -1, -1, 0, -1, -1, 0, 0, 0
    s.owed, s.manual, s.retry_on, s.plan_on, s.in_dispute = b.amount, t.debit == 0, -1, -1, 0
    s.high = b.kind != SETTLEMENT and b.amount >= SHOCK_TIMES * b.usual and b.amount - b.usual >= 100 * SHOCK_ABOVE
    b.bounced = draw(x, draws.BOUNCES, s.slot) < t.bounces
    b.put_away = t.debit == 0 and draw(x, draws.PUT_AWAY, s.slot) < t.forgets * (3.0 if b.bounced == 1 else 1.0)
    s.put_away = b.put_away
    doubt = f.at_error if b.wrong > 0 else f.at_shock if s.high == 1 else f.otherwise
    s.disputes = draw(x, draws.DISPUTES, s.slot) < min(0.95, doubt * t.disputes)
    if s.high == 1 and draw(x, draws.QUESTION, s.slot) < 0.25:
        b.questioned = b.issued + 3
    if b.bounced == 0 and b.put_away == 0 and draw(x, draws.VIEWS, s.slot) < 0.85:
        b.viewed = -2  # on the day on which it is attended to


@step
def _notice(w: Everybody, x: Person, b: Any, day: int) -> None:
    """Whether the customer attends to the bill on this day, and what becomes of a dispute."""
    f, s = w.figures[0], x.state[0]
    if b.attended < 0:
        number = s.slot * _LONG + day - b.issued
        if s.put_away == 1:
            is_aware = draw(x, draws.REMEMBER, number) < f.remembers
        else:
            late = (day - b.issued - x.traits.habit - x.traits.drifts * b.issued / 30) / 1.5
            is_aware = draw(x, draws.ATTEND, number) < f.eager * share(late)
        if is_aware:
            look(w, x, b, day)
    if b.disputed >= 0 and day >= b.closed and b.upheld == 1 and b.credit == 0:
        b.credit = b.wrong if b.wrong > 0 else b.amount // 5
        s.owed -= b.credit
    s.in_dispute = b.disputed >= 0 and day < b.closed


@step
def _collect(w: Everybody, x: Person, b: Any, day: int) -> None:
    """The collection of a direct debit, and its second attempt."""
    f, s = w.figures[0], x.state[0]
    due = w.bank_day[w.bank_number[b.due]]
    if s.manual == 0 and day >= due:
        s.manual = 1
        if day == due and s.in_dispute == 0:  # else it was left out for a dispute
            b.collected = day
            other = draw(x, draws.OTHER_RETURN, s.slot) < f.other_returns
            b.collected_ok = not other and pays(w, x, b, day, s.owed)
            if b.collected_ok == 1:
                b.paid = day
                return
            b.returned = w.bank_day[w.bank_number[day] + _wait(f, draw(x, draws.WAIT, s.slot))]
            b.return_cause = 2 + int(3 * draw(x, draws.OTHER_RETURN, s.slot + _LONG)) if other else 1
            if not other:
                s.retry_on = w.bank_day[w.bank_number[b.returned] + int(f.retry_days)]
    if b.returned >= 0 and day == b.returned + 3 and b.attended < 0:
        look(w, x, b, day)
    if day == s.retry_on and s.in_dispute == 0:
        b.retried = day
        b.retried_ok = pays(w, x, b, day, s.owed)
        if b.retried_ok == 1:
            b.paid = day


@step
def _remind(w: Everybody, x: Person, b: Any, day: int) -> None:
    """The biller's reminders after the due day, and a plan at the second."""
    f, s = w.figures[0], x.state[0]
    if s.in_dispute == 1 or day <= s.retry_on or (b.agreed >= 0 and b.kept < 0):
        return
    first, again = day == b.due + int(f.reminder), day == b.due + int(f.reminder_again)
    if b.attended < 0 and (again or (first and draw(x, draws.REMINDER, s.slot) < f.reads_reminder)):
        look(w, x, b, day)
    if first:
        b.reminded = day
    if again:
        b.reminded_again = day
        is_free = b.part == 0 and b.agreed < 0 and s.in_dispute == 0
        if is_free and not pays(w, x, b, day, s.owed) and draw(x, draws.AGREES, s.slot) < f.agrees:
            b.agreed, s.plan_on = day + 2, day + 17


@step
def _pay_by_plan(w: Everybody, x: Person, b: Any, day: int) -> None:
    """A third a month; who cannot, breaks the plan most of the time."""
    s = x.state[0]
    if day != s.plan_on:
        return
    if pays(w, x, b, day, s.owed / 3) or draw(x, draws.KEEPS, s.slot * 8 + b.parts_paid) < 0.3:
        b.parts_paid += 1
        s.plan_on += 30
        if b.parts_paid == 3:
            b.kept, b.paid = 1, day
    else:
        b.kept, s.plan_on = 0, -1


@step
def _pay(w: Everybody, x: Person, b: Any, day: int) -> None:
    """What an aware customer does on a day, the oldest bill first: pays if he can, else a part, else asks for a day."""
    s, t = x.state[0], x.traits
    if b.agreed >= 0 and b.kept < 0:
        if day >= b.agreed:
            _pay_by_plan(w, x, b, day)
        return
    if (
        s.manual == 0
        or day < b.returned + (3 if b.returned >= 0 else 0)  # until the bank has told
        or day <= s.retry_on
        or s.before > day
        or (t.run >= 0 and w.weekday[day] != t.run)
    ):
        return
    rest = s.owed - b.part - b.parts_paid * (s.owed // 3)
    if pays(w, x, b, day, rest):
        b.paid = day
    elif b.part == 0 and b.parts_paid == 0 and day >= b.due - 2:
        if draw(x, draws.PARTS, s.slot) < t.parts and pays(w, x, b, day, rest / 2):
            b.part, b.part_on = rest // 2, day
    elif b.part == 0 and b.asked < 0 and b.postponed < 0 and b.attended < day < b.due and b.returned < 0:
        b.asked = day
        if draw(x, draws.ASKS, s.slot) < w.figures[0].asks:
            postpone(w, x, b, day)


@step
def _why(w: Everybody, x: Person, b: Any, lost: Any, close: int) -> Any:
    """Why a bill was late: the first that holds."""
    s = x.state[0]
    if 0 <= b.disputed <= close and b.closed > b.first_due - 3:
        return DISPUTE
    if b.returned >= 0 and b.return_cause != 1:
        return ACCOUNT
    if b.collected < 0 and (b.attended < 0 or b.attended > close):
        return FORGOT if b.put_away == 1 else HABIT
    if b.collected < 0 and s.before > close:  # an older bill came first
        return s.before_cause if s.before_cause > 0 else MEANS
    begin, end = b.collected, b.collected
    if b.collected < 0:
        begin, end = max(max(b.attended, b.first_due - 7), s.before), close
    could, usual_one, without_others = False, False, False
    for day in range(begin, end + 1):
        could |= pays(w, x, b, day, b.amount)
        usual_one |= pays(w, x, b, day, min(b.amount, b.usual))
        without_others |= bare_room(w, x.traits, x.room, day) >= need(w, b, b.amount)
    if could:
        return FORGOT if b.put_away == 1 else HABIT
    if usual_one:
        return SHOCK
    if lost[close // 7]:
        return LOSS
    return OTHERS if without_others else MEANS


@step
def _remember(s: Any, b: Any, close: int) -> None:
    """What is left of a bill when it is over: whether it was late, and until when it came before later ones."""
    ended = b.paid if b.paid >= 0 else close
    if b.amount > 0:
        s.late += b.cause > 0
        s.seen += 1
        if b.disputed < 0 and b.agreed < 0 and ended > s.before:
            s.before, s.before_cause = ended, b.cause


@step
def _leaves(w: Everybody, x: Person, b: Any, day: int, late: int) -> Any:
    """Whether the customer gives notice on a day, a month after a bill, after so many bills that were late by then."""
    f, s = w.figures[0], x.state[0]
    if f.leaves <= 0:
        return False
    good = 1.0 + f.leaves_good_payer * (late == 0 and s.seen > 2)
    wish = np.log(f.leaves / (1 - f.leaves)) + f.leaves_annoyance * good * annoyance(w, x, day) - 0.4 * x.traits.loyal
    wish += f.leaves_shock * s.high + f.leaves_dispute * (0 <= b.disputed <= day)
    return draw(x, draws.LEAVES, s.slot) < 1 - (1 - share(wish)) ** f.months


@compiled(
    numba.void(
        numba.int64, numba.int64, numba.int64, numba.int64, numba.int64, numba.from_dtype(FIGURES)[::1],
        numba.float64[::1], numba.int64[::1], numba.int64[::1], numba.int64[::1], numba.int64[::1],
        numba.from_dtype(TRAITS)[::1], numba.uint64[::1], numba.int64[::1], numba.int64[::1], numba.float32[:, ::1],
        numba.boolean[:, ::1], numba.int64[:, :, ::1], numba.int64[::1], numba.int64[::1],
        numba.int64[:, ::1], numba.from_dtype(BILL)[:, ::1], numba.from_dtype(ANSWER)[::1],
        numba.float64[:, ::1], numba.int64[::1],
    )
)  # fmt: skip
def live(
    start: int, stop: int, end: int, grace: int, last_day: int, figures: Any, season: Any, of_month: Any,
    weekday: Any, bank_number: Any, bank_day: Any, people: Any, future: Any, resume: Any, anew: Any, rooms: Any,
    lost: Any, billing: Any, raised: Any, contact_begins: Any, contacts: Any, bills: Any, answers: Any,
    annoyed: Any, left: Any,
) -> None:  # fmt: skip
    """The lives of the customers ``start … stop``.

    Parameters
    ----------
    end : int
        Nobody gives notice from this day on.
    grace : int
        Days after due that count as in time, to say why a bill was late.
    last_day : int
        What comes later is not lived.
    future : ndarray of uint64, shape (n,)
        Keys of draws from bill ``anew`` on.
    resume : ndarray of int64, shape (n,)
        Bills before this one are taken from ``bills`` as they were lived already.
    anew : ndarray of int64, shape (n,)
    rooms, lost : ndarray, shape (n, n_weeks)
    billing : ndarray of int64, shape (n, n_slots, 8)
        Issued, due, fixed, used, wrong, kind, the usual bill, what a last bill would settle.
    raised : ndarray of int64, shape (n,)
        The advance that would cover what is used.
    contact_begins : ndarray of int64, shape (n + 1,)
    contacts : ndarray of int64, shape (n_contacts, 4)
        Day, kind, channel, window; by customer and day.
    bills : ndarray of BILL, shape (n, n_slots)
        Those from ``resume`` on are written, as are the following three.
    answers : ndarray of ANSWER, shape (n_contacts,)
        Full of -1.
    annoyed : ndarray of float64, shape (n, n_slots)
        Annoyance when each bill is issued.
    left : ndarray of int64, shape (n,)
        Day on which the customer gave notice, -1.
    """
    f, w = figures[0], Everybody(figures, season, of_month, weekday, bank_number, bank_day)
    state = np.zeros(1, dtype=STATE)
    slots = billing.shape[1]
    for i in range(start, stop):
        s, met, last = state[0], contact_begins[i], contact_begins[i + 1]
        s.before, s.before_cause, s.late, s.seen, s.slot = -1, 0, 0, 0, -1
        s.advance_on, s.advanced, s.due_day_on, s.is_final = -1, 0, -1, 0
        if resume[i] == 0:
            left[i] = -1
        own = contacts[met:last]
        for slot in range(slots):
            b = bills[i, slot]
            issued = billing[i, slot, 0]
            if slot < resume[i]:
                if b.issued >= 0:
                    s.is_final = 0 <= left[i] < b.issued
                    more = b.amount - b.used - b.wrong - billing[i, slot, 2]
                    s.advanced = 0 if b.kind == SETTLEMENT else s.advanced + more
                    _remember(s, b, min(last_day, b.first_due + int(f.written_off)))
                continue
            b.issued = -1
            if issued < 0 or s.is_final == 1:
                continue
            s.is_final = 0 <= left[i] < issued
            x = Person(people[i], rooms[i], future[i] if slot >= anew[i] else people[i].key, state, bills[i], own)
            while met < last and contacts[met, 0] <= issued:
                meet_without_bill(w, x, contacts[met], answers[met])
                met += 1
            annoyed[i, slot] = annoyance(w, x, issued)
            s.slot, s.next_issue = slot, last_day
            for later in range(slot + 1, slots):
                if billing[i, later, 0] >= 0:
                    s.next_issue = billing[i, later, 0]
                    break
            _issue(w, x, b, billing[i, slot], raised[i])
            _begin(w, x, b)
            close = min(last_day, b.first_due + int(f.written_off))
            other = met
            for day in range(issued + 1, close if b.amount > 0 else issued + 1):
                while other < last and contacts[other, 0] <= day:
                    first = contacts[other, 0] < s.next_issue
                    if is_about_a_bill(contacts[other, 1]):
                        meet(w, x, b, contacts[other], answers[other], first)
                    elif first:
                        offer(w, x, contacts[other], answers[other])
                    other += 1
                    met += first
                _notice(w, x, b, day)
                _collect(w, x, b, day)
                if b.paid < 0:
                    _remind(w, x, b, day)
                if b.paid < 0 and s.in_dispute == 0 and b.attended >= 0:
                    _pay(w, x, b, day)
                if b.paid >= 0:
                    break
            if b.viewed == -2:
                b.viewed = -1
            if b.amount <= 0:
                continue
            if b.paid < 0 and close < last_day:
                b.lost = close
            planned = 0 <= b.agreed <= b.due  # then instalments are what is owed, and when
            late_then = s.late
            if (b.kept != 1) if planned else (b.paid < 0 or b.paid > b.due + grace or b.collected_ok == 0):
                b.cause = _why(w, x, b, lost[i], b.due + grace)
                late_then += b.due + grace <= issued + 30
            _remember(s, b, close)
            if left[i] < 0 and issued + 30 < end and _leaves(w, x, b, issued + 30, late_then):
                left[i] = issued + 30
        x = Person(people[i], rooms[i], future[i], state, bills[i], own)
        for rest in range(met, last):
            meet_without_bill(w, x, contacts[rest], answers[rest])


@compiled(
    numba.void(
        numba.int64, numba.int64, numba.from_dtype(FIGURES)[::1], numba.from_dtype(TRAITS)[::1], numba.int64[::1],
        numba.int64[:, ::1], numba.boolean[::1],
    )
)  # fmt: skip
def heed(start: int, stop: int, figures: Any, people: Any, owner: Any, contacts: Any, heeded: Any) -> None:
    """Which of the contacts ``start … stop`` about usage are heeded.

    Parameters
    ----------
    owner : ndarray of int64, shape (n_contacts,)
    contacts : ndarray of int64, shape (n_contacts, 4)
        As in `live`.
    heeded : ndarray of bool, shape (n_contacts,)
        Written.
    """
    f = figures[0]
    for c in range(start, stop):
        t = people[owner[c]]
        heeded[c] = is_of_usage(contacts[c, 1]) and gets_through(f, t, contacts[c]) and is_taken(f, t, contacts[c])
