"""What becomes of each bill, day by day: noticed or put away, disputed or not, paid on the first day that allows it.

A customer pays on the first day on which he is aware of the bill, has the means and does not dispute it. Whatever the
biller does acts through these three and through annoyance, and in no other way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from earlywarn.compiled import compiled, step
from earlywarn.extras import require
from earlywarn.outcomes.running import SHOCK_ABOVE, SHOCK_TIMES
from earlywarn.simulate.actions import CALL, LIMIT
from earlywarn.simulate.billing import SETTLEMENT
from earlywarn.simulate.chance import LAST, STEP, mixed
from earlywarn.simulate.means import room_on
from earlywarn.simulate.people import TRAITS

__all__ = ["ANSWER", "BILL", "CAUSES", "FIGURES", "chance", "live"]

numba = require("numba", to="run compiled loops")

#: Why a bill was late, by number: the first that holds.
CAUSES = ("", "dispute", "forgot", "habit", "bill_shock", "income_loss", "other_bills", "means", "account")
_, DISPUTE, FORGOT, HABIT, SHOCK, LOSS, OTHERS, MEANS, ACCOUNT = range(9)
#: What draws of a bill decide.
(
    _ATTEND, _PUT_AWAY, _REMEMBER, _DISPUTES, _SOLVED, _UPHELD, _OTHER_RETURN, _WAIT, _REMINDER, _AGREES, _KEEPS,
    _PARTS, _ASKS, _READ, _REACHED, _RESOLVES, _ACCEPTS, _LEAVES, _SATISFIED, _ANSWERS, _WINDOW, _BOUNCES, _VIEWS,
    _QUESTION,
) = range(500, 524)  # fmt: skip
#: Days of one bill at most, for the numbers of daily draws.
_LONG = 1 << 12

#: One row a bill; days count from the first of the world, -1 for never; money in cents.
BILL = np.dtype(
    [
        (name, np.int32)
        for name in (
            "issued", "first_due", "due", "bounced", "put_away", "attended", "viewed", "disputed", "closed", "upheld",
            "collected", "collected_ok", "returned", "return_cause", "retried", "retried_ok", "paid", "part_on",
            "reminded", "reminded_again", "asked", "postponed", "agreed", "kept", "parts_paid", "lost", "questioned",
            "cause", "kind",
        )
    ]
    + [(name, np.int64) for name in ("amount", "used", "wrong", "credit", "part", "usual")]
)  # fmt: skip
#: What a contact led to: 1 or 0, -1 where it does not apply.
ANSWER = np.dtype(
    [(name, np.int32) for name in ("slot", "read", "reached", "resolved", "accepted", "satisfaction", "rated")]
)
#: Figures of the preset that the loop reads.
FIGURES = np.dtype(
    [
        (name, np.float64)
        for name in (
            "eager", "remembers", "reads_email", "reads_app", "reads_sms", "reads_letter", "strain", "at_shock",
            "at_error", "otherwise", "dispute_days", "other_returns", "retry_days", "reminder", "reminder_again",
            "reads_reminder", "written_off", "agrees", "asks", "window_spread", "resolves", "accepts", "answers",
            "annoys_notice", "annoys_call", "annoys_reminder", "forgiven", "leaves", "leaves_annoyance",
            "leaves_good_payer", "leaves_shock", "leaves_dispute", "wait_1", "wait_2", "wait_3", "wait_4",
        )
    ]
)  # fmt: skip


#: What changes while one customer lives: over all bills, and of the bill at hand.
STATE = np.dtype(
    [(name, np.float64) for name in ("annoyance",)]
    + [
        (name, np.int64)
        for name in (
            "felt_at", "before", "late", "seen", "limited_on", "slot", "next_issue", "owed", "put_away", "disputes",
            "high", "manual", "retry_on", "plan_on", "in_dispute",
        )
    ]
)  # fmt: skip


class World(NamedTuple):
    """What everybody shares: figures, and what is true of each day."""

    figures: Any  # FIGURES, one row
    season: Any  # what each day takes
    of_month: Any
    weekday: Any
    bank_number: Any
    bank_day: Any


_mixed = step(mixed)


@step
def chance(key: Any, purpose: int, number: int) -> Any:
    """One draw between 0 and 1, both excluded; as `uniform`."""
    x = _mixed(_mixed(key ^ (np.uint64(purpose) * STEP)) + np.uint64(number) * STEP)
    return (np.float64(x >> LAST) + 0.5) * 1.1102230246251565e-16


@step
def _share(x: float) -> Any:
    return 1 / (1 + np.exp(-x))


_room = step(room_on)


@step
def _reach(t: Any, spread: float, window: int) -> Any:
    """Chance to reach a customer in one of twelve windows: his own, shifted by a liking drawn once."""
    liking = (
        chance(t.key, _WINDOW, window) + chance(t.key, _WINDOW, window + 100) + chance(t.key, _WINDOW, window + 200)
    )
    return _share(t.reach + spread * 2 * (liking - 1.5))


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
def _reads(f: Any, channel: int) -> Any:
    if channel == 0:
        return f.reads_email
    if channel == 1:
        return f.reads_app
    return f.reads_sms if channel == 2 else f.reads_letter


class Life(NamedTuple):
    """One customer: traits, means, keys of draws, and what changes."""

    traits: Any
    room: Any
    key: Any  # of the bill at hand
    state: Any  # STATE, one row


@step
def _draw(x: Life, purpose: int, number: int) -> Any:
    """A draw that a bill decides, or the day of a contact."""
    return chance(x.key, purpose, number)


@step
def _pays(w: World, x: Life, b: Any, day: int, cents: float) -> Any:
    need = w.figures[0].strain * np.log(max(cents / b.usual, 0.05))
    return _room(w, x.traits, x.room, day) >= need


@step
def _annoy(w: World, x: Life, day: int, much: float) -> None:
    """Annoyance fades, and more is added."""
    s = x.state[0]
    if day > s.felt_at:
        s.annoyance *= np.exp(-(day - s.felt_at) / w.figures[0].forgiven)
        s.felt_at = day
    s.annoyance += x.traits.annoys * much * np.exp(-(s.felt_at - day) / w.figures[0].forgiven)


@step
def _begin(w: World, x: Life, b: Any, bill: Any, usual: float) -> None:
    """A bill is issued: what it says, and what its customer will make of it."""
    f, t, s = w.figures[0], x.traits, x.state[0]
    b.issued, b.first_due, b.due, b.kind, b.wrong = bill[0], bill[1], bill[1], bill[5], bill[4]
    b.used = bill[3] if s.limited_on < 0 or b.issued <= s.limited_on else min(bill[3], 0)
    b.amount, b.usual = bill[2] + b.used + b.wrong, np.int64(usual)
    b.put_away, b.attended, b.viewed, b.disputed, b.closed, b.upheld, b.bounced = 0, -1, -1, -1, -1, -1, 0
    b.collected, b.collected_ok, b.returned, b.return_cause, b.retried, b.retried_ok = -1, -1, -1, 0, -1, -1
    b.paid, b.part_on, b.reminded, b.reminded_again, b.asked, b.postponed = -1, -1, -1, -1, -1, -1
    b.agreed, b.kept, b.parts_paid, b.lost, b.questioned, b.cause, b.credit, b.part = -1, -1, 0, -1, -1, 0, 0, 0
    s.owed, s.manual, s.retry_on, s.plan_on = b.amount, t.debit == 0, -1, -1
    s.high = b.kind != SETTLEMENT and b.amount >= SHOCK_TIMES * b.usual and b.amount - b.usual >= 100 * SHOCK_ABOVE
    b.bounced = _draw(x, _BOUNCES, s.slot) < t.bounces
    b.put_away = t.debit == 0 and _draw(x, _PUT_AWAY, s.slot) < t.forgets * (3.0 if b.bounced == 1 else 1.0)
    s.put_away = b.put_away
    doubt = f.at_error if b.wrong > 0 else f.at_shock if s.high == 1 else f.otherwise
    s.disputes = _draw(x, _DISPUTES, s.slot) < min(0.95, doubt * t.disputes)
    if s.high == 1 and _draw(x, _QUESTION, s.slot) < 0.25:
        b.questioned = b.issued + 3
    if b.bounced == 0 and b.put_away == 0 and _draw(x, _VIEWS, s.slot) < 0.85:
        b.viewed = -2  # on the day on which it is attended to


@step
def _meet(w: World, x: Life, b: Any, contact: Any, a: Any, first: bool) -> None:
    """A contact while a bill is open; it annoys and is answered once, but is about every open bill."""
    f, t, s, day = w.figures[0], x.traits, x.state[0], contact[0]
    is_call = contact[1] == CALL
    if first:
        _annoy(w, x, day, f.annoys_call if is_call else f.annoys_notice)
        a.slot = s.slot
    if is_call:
        through = chance(t.key, _REACHED, day) < _reach(t, f.window_spread, contact[3])
        a.reached = through
    else:
        through = chance(t.key, _READ, day) < _reads(f, contact[2])
        a.read = through
    if not through:
        return
    if b.attended < 0:
        b.attended, s.put_away = day, 0
    if is_call:
        _talk(w, x, b, day, a)
        if first and chance(t.key, _ANSWERS, day) < f.answers:
            mood = 4.3 + 0.5 * chance(t.key, _SATISFIED, day) - 0.8 * s.annoyance + 0.4 * t.attitude - 0.4 * s.high
            mood += 0.6 * (a.resolved == 1) + 0.4 * (a.accepted == 1) - 0.5 * (b.disputed >= 0)
            a.satisfaction, a.rated = min(5, max(1, int(mood + 0.5))), day + 1


@step
def _talk(w: World, x: Life, b: Any, day: int, a: Any) -> None:
    """What a call can do: explain a bill or correct it, and offer another day when means are short."""
    f, s = w.figures[0], x.state[0]
    if s.disputes == 1 and (b.closed < 0 or b.closed > day) and (s.high == 1 or b.wrong > 0):
        a.resolved = chance(x.traits.key, _RESOLVES, day) < f.resolves
        if a.resolved == 1:
            s.disputes = 0
            b.credit = b.wrong
            s.owed -= b.wrong
            b.closed, b.upheld = day, b.wrong > 0
    if day < b.due and b.postponed < 0 and b.disputed < 0 and not _pays(w, x, b, day, s.owed):
        a.accepted = chance(x.traits.key, _ACCEPTS, day) < f.accepts
        if a.accepted == 1:
            _postpone(w, x, b, day)


@step
def _postpone(w: World, x: Life, b: Any, day: int) -> None:
    """Another day, after the next payday that follows the due day."""
    b.postponed = day
    later = b.due + 2
    while w.of_month[later] != x.traits.payday:
        later += 1
    b.due = later + 1
    x.state[0].manual = 1


@step
def _notice(w: World, x: Life, b: Any, day: int) -> None:
    """Whether the customer attends to the bill on this day, and disputes it."""
    f, s = w.figures[0], x.state[0]
    if b.attended < 0:
        number = s.slot * _LONG + day - b.issued
        if s.put_away == 1:
            if _draw(x, _REMEMBER, number) < f.remembers:
                b.attended = day
        elif _draw(x, _ATTEND, number) < f.eager * _share(
            (day - b.issued - x.traits.habit - x.traits.drifts * b.issued / 30) / 1.5
        ):
            b.attended = day
    if b.attended == day:
        if b.viewed == -2:
            b.viewed = day
        if s.disputes == 1 and b.disputed < 0:
            b.disputed = day
            b.closed = day + 2 + int(-np.log(_draw(x, _SOLVED, s.slot)) * f.dispute_days)
            b.upheld = b.wrong > 0 or _draw(x, _UPHELD, s.slot) < 0.2
    if b.disputed >= 0 and day >= b.closed and b.upheld == 1 and b.credit == 0:
        b.credit = b.wrong if b.wrong > 0 else b.amount // 5
        s.owed -= b.credit
    s.in_dispute = b.disputed >= 0 and day < b.closed


@step
def _collect(w: World, x: Life, b: Any, day: int) -> None:
    """The collection of a direct debit, and its second attempt."""
    f, s = w.figures[0], x.state[0]
    due = w.bank_day[w.bank_number[b.due]]
    if s.manual == 0 and day >= due:
        s.manual = 1
        if day == due and s.in_dispute == 0:  # else it was left out for a dispute
            b.collected = day
            other = _draw(x, _OTHER_RETURN, s.slot) < f.other_returns
            b.collected_ok = not other and _pays(w, x, b, day, s.owed)
            if b.collected_ok == 1:
                b.paid = day
                return
            b.returned = w.bank_day[w.bank_number[day] + _wait(f, _draw(x, _WAIT, s.slot))]
            b.return_cause = 2 + int(3 * _draw(x, _OTHER_RETURN, s.slot + _LONG)) if other else 1
            if not other:
                s.retry_on = w.bank_day[w.bank_number[b.returned] + int(f.retry_days)]
    if b.returned >= 0 and day == b.returned + 3 and b.attended < 0:
        b.attended = day
    if day == s.retry_on and s.in_dispute == 0:
        b.retried = day
        b.retried_ok = _pays(w, x, b, day, s.owed)
        if b.retried_ok == 1:
            b.paid = day


@step
def _remind(w: World, x: Life, b: Any, day: int) -> None:
    """The biller's reminders after the due day, and a plan at the second."""
    f, s = w.figures[0], x.state[0]
    if s.in_dispute == 1 or day <= s.retry_on:
        return
    first, again = day == b.due + int(f.reminder), day == b.due + int(f.reminder_again)
    if first or again:
        _annoy(w, x, day, f.annoys_reminder)
        if b.attended < 0 and (again or _draw(x, _REMINDER, s.slot) < f.reads_reminder):
            b.attended, s.put_away = day, 0
    if first:
        b.reminded = day
    if again:
        b.reminded_again = day
        if b.part == 0 and not _pays(w, x, b, day, s.owed) and _draw(x, _AGREES, s.slot) < f.agrees:
            b.agreed, s.plan_on = day + 2, day + 17


@step
def _pay_by_plan(w: World, x: Life, b: Any, day: int) -> None:
    """A third a month; who cannot, breaks the plan most of the time."""
    s = x.state[0]
    if day != s.plan_on:
        return
    if _pays(w, x, b, day, s.owed / 3) or _draw(x, _KEEPS, s.slot * 8 + b.parts_paid) < 0.3:
        b.parts_paid += 1
        s.plan_on += 30
        if b.parts_paid == 3:
            b.kept, b.paid = 1, day
    else:
        b.kept, s.plan_on = 0, -1


@step
def _pay(w: World, x: Life, b: Any, day: int) -> None:
    """What an aware customer does on a day: pays if he can, else a part, else asks for another day."""
    s, t = x.state[0], x.traits
    if b.agreed >= 0 and b.kept < 0:
        if day >= b.agreed:
            _pay_by_plan(w, x, b, day)
        return
    if (
        s.manual == 0
        or day <= b.returned
        or day <= s.retry_on
        or s.before > day
        or (t.run >= 0 and w.weekday[day] != t.run)
    ):
        return
    rest = s.owed - b.part - b.parts_paid * (s.owed // 3)
    if _pays(w, x, b, day, rest):
        b.paid = day
    elif b.part == 0 and b.parts_paid == 0 and day >= b.due - 2:
        if _draw(x, _PARTS, s.slot) < t.parts and _pays(w, x, b, day, rest / 2):
            b.part, b.part_on = rest // 2, day
    elif b.asked < 0 and b.postponed < 0 and b.attended < day < b.due and b.returned < 0:
        b.asked = day
        if _draw(x, _ASKS, s.slot) < w.figures[0].asks:
            _postpone(w, x, b, day)


@step
def _why(w: World, x: Life, b: Any, lost: Any, close: int) -> Any:
    """Why a bill was late: the first that holds."""
    if 0 <= b.disputed <= close and b.closed > b.first_due - 3:
        return DISPUTE
    if b.returned >= 0 and b.return_cause != 1:
        return ACCOUNT
    if b.collected < 0 and (b.attended < 0 or b.attended > close):
        return FORGOT if b.put_away == 1 else HABIT
    begin = b.collected if b.collected >= 0 else max(b.attended, b.first_due - 7)
    could, usual_one = False, False
    for day in range(begin, close + 1):
        could |= _pays(w, x, b, day, b.amount)
        usual_one |= _pays(w, x, b, day, min(b.amount, b.usual))
    if could:
        return FORGOT if b.put_away == 1 else HABIT
    if usual_one:
        return SHOCK
    if lost[close // 7]:
        return LOSS
    for day in range(begin, close + 1):
        if _room(w, x.traits, x.room, day) + x.traits.others + w.season[day] >= 0:
            return OTHERS
    return MEANS


@step
def _leaves(w: World, x: Life, b: Any) -> Any:
    """Whether the customer gives notice, told a month after a bill."""
    f, s = w.figures[0], x.state[0]
    if f.leaves <= 0:
        return False
    good = 1.0 + f.leaves_good_payer * (s.late == 0 and s.seen > 2)
    wish = np.log(f.leaves / (1 - f.leaves)) + f.leaves_annoyance * good * s.annoyance + 0.4 * x.traits.loyal
    wish += f.leaves_shock * s.high + f.leaves_dispute * (b.disputed >= 0)
    return _draw(x, _LEAVES, s.slot) < _share(wish)


@compiled(
    numba.void(
        numba.int64, numba.int64, numba.int64, numba.int64, numba.int64, numba.from_dtype(FIGURES)[::1],
        numba.float64[::1], numba.int64[::1], numba.int64[::1], numba.int64[::1], numba.int64[::1],
        numba.from_dtype(TRAITS)[::1], numba.uint64[::1], numba.int64[::1], numba.float32[:, ::1],
        numba.boolean[:, ::1], numba.int64[:, :, ::1], numba.float64[::1], numba.int64[::1], numba.int64[:, ::1],
        numba.from_dtype(BILL)[:, ::1], numba.from_dtype(ANSWER)[::1], numba.float64[:, ::1], numba.int64[::1],
    )
)  # fmt: skip
def live(
    start: int, stop: int, end: int, grace: int, last_day: int, figures: Any, season: Any, of_month: Any,
    weekday: Any, bank_number: Any, bank_day: Any, people: Any, future: Any, anew: Any, room: Any, lost: Any,
    billing: Any, usual: Any, contact_begins: Any, contacts: Any, bills: Any, answers: Any, annoyance: Any, left: Any,
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
    anew : ndarray of int64, shape (n,)
    room, lost : ndarray, shape (n, n_weeks)
    billing : ndarray of int64, shape (n, n_slots, 6)
        Issued, due, fixed, used, wrong, kind.
    contact_begins : ndarray of int64, shape (n + 1,)
    contacts : ndarray of int64, shape (n_contacts, 4)
        Day, kind, channel, window; by customer and day.
    bills : ndarray of BILL, shape (n, n_slots)
    answers : ndarray of ANSWER, shape (n_contacts,)
        Full of -1.
    annoyance : ndarray of float64, shape (n, n_slots)
        When each bill is issued.
    left : ndarray of int64, shape (n,)
        Day on which the customer gave notice, -1. These four are written.
    """
    f, w = figures[0], World(figures, season, of_month, weekday, bank_number, bank_day)
    state = np.zeros(1, dtype=STATE)
    slots = billing.shape[1]
    for i in range(start, stop):
        s, met, last = state[0], contact_begins[i], contact_begins[i + 1]
        s.annoyance, s.felt_at, s.before, s.late, s.seen, s.limited_on = 0.0, 0, -1, 0, 0, -1
        left[i] = -1
        for slot in range(slots):
            b = bills[i, slot]
            b.issued = -1
            issued = billing[i, slot, 0]
            if issued < 0 or 0 <= left[i] < issued - 31:
                continue
            x = Life(people[i], room[i], future[i] if slot >= anew[i] else people[i].key, state)
            while met < last and contacts[met, 0] <= issued:  # between two bills it annoys, if nothing else
                if contacts[met, 1] == LIMIT:
                    s.limited_on = contacts[met, 0]
                else:
                    _annoy(w, x, contacts[met, 0], f.annoys_call if contacts[met, 1] == CALL else f.annoys_notice)
                met += 1
            _annoy(w, x, issued, 0.0)
            annoyance[i, slot] = s.annoyance
            s.slot, s.next_issue = slot, last_day
            for later in range(slot + 1, slots):
                if billing[i, later, 0] >= 0:
                    s.next_issue = billing[i, later, 0]
                    break
            _begin(w, x, b, billing[i, slot], usual[i])
            close = min(last_day, b.first_due + int(f.written_off))
            other = met
            for day in range(issued + 1, close if b.amount > 0 else issued + 1):
                while other < last and contacts[other, 0] <= day:
                    first = contacts[other, 0] < s.next_issue
                    if contacts[other, 1] == LIMIT:
                        s.limited_on = contacts[other, 0]
                    else:
                        _meet(w, x, b, contacts[other], answers[other], first)
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
            ended = b.paid if b.paid >= 0 else close
            if b.paid < 0 or ended > b.due + grace or b.collected_ok == 0:
                s.late += 1
                b.cause = _why(w, x, b, lost[i], b.due + grace)
            s.before = max(s.before, ended) if b.disputed < 0 else s.before
            s.seen += 1
            if left[i] < 0 and issued + 30 < end and _leaves(w, x, b):
                left[i] = issued + 30
