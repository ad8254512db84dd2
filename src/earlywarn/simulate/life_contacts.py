"""What contacts do to a customer and the bill at hand, and in no other way: notices, calls, offers."""

from __future__ import annotations

from typing import Any

import numpy as np

from earlywarn.compiled import step
from earlywarn.simulate import draws
from earlywarn.simulate.actions import ADVANCE_OFFER, CALL, DUE_DAY_OFFER, LIMIT, USAGE_CALL, USAGE_NOTICE
from earlywarn.simulate.life_state import Everybody, Person, bare_room, chance, draw, need, pays, share

__all__ = [
    "annoyance", "gets_through", "is_about_a_bill", "is_of_usage", "is_taken", "look", "meet", "meet_without_bill",
    "offer", "postpone",
]  # fmt: skip


@step
def is_about_a_bill(kind: int) -> Any:
    """Whether a contact is about an open bill: a notice or a call."""
    return kind <= CALL


@step
def is_call(kind: int) -> Any:
    """Whether it is spoken, and has to reach somebody."""
    return kind in (CALL, USAGE_CALL)


@step
def is_of_usage(kind: int) -> Any:
    """Whether it is about the use of the running period."""
    return kind in (USAGE_NOTICE, USAGE_CALL)


@step
def reach(t: Any, spread: float, window: int) -> Any:
    """Chance to reach a customer in one of twelve windows: his own, shifted by a liking drawn once."""
    liking = 0.0
    for part in range(3):
        liking += chance(t.key, draws.WINDOW, window + 100 * part)
    return share(t.reach + spread * 2 * (liking - 1.5))


@step
def reads(f: Any, t: Any, channel: int) -> Any:
    """Chance that a message is read: that of its channel, shifted by how the customer reads."""
    usual = f.reads_sms if channel == 2 else f.reads_letter
    if channel == 0:
        usual = f.reads_email
    elif channel == 1:
        usual = f.reads_app
    return share(np.log(usual / (1 - usual)) + t.reads)


@step
def gets_through(f: Any, t: Any, contact: Any) -> Any:
    """Whether a call reaches the customer, or a message is read."""
    if is_call(contact[1]):
        return chance(t.key, draws.REACHED, contact[0]) < reach(t, f.window_spread, contact[3])
    return chance(t.key, draws.READ, contact[0]) < reads(f, t, contact[2])


@step
def is_taken(f: Any, t: Any, contact: Any) -> Any:
    """Whether what was said or offered is heeded by who got it."""
    if is_of_usage(contact[1]):
        return chance(t.key, draws.HEEDS, contact[0]) < f.heeds
    return chance(t.key, draws.ACCEPTS, contact[0]) < f.accepts


@step
def annoyance(w: Everybody, x: Person, day: int) -> Any:
    """What contacts and reminders until a day have left: each fades."""
    f, felt = w.figures[0], 0.0
    for c in range(len(x.contacts)):
        at, kind = x.contacts[c, 0], x.contacts[c, 1]
        if at <= day and kind != LIMIT:
            felt += (f.annoys_call if is_call(kind) else f.annoys_notice) * np.exp(-(day - at) / f.forgiven)
    for k in range(x.state[0].slot + 1):
        if x.bills[k].issued >= 0:
            for at in (x.bills[k].reminded, x.bills[k].reminded_again):
                if 0 <= at <= day:
                    felt += f.annoys_reminder * np.exp(-(day - at) / f.forgiven)
    return felt * x.traits.annoys


@step
def look(w: Everybody, x: Person, b: Any, day: int) -> None:
    """A customer becomes aware of a bill: opens it, and disputes it where he does not accept it."""
    f, s = w.figures[0], x.state[0]
    b.attended, s.put_away = day, 0
    if b.viewed == -2:
        b.viewed = day
    if s.disputes == 1 and b.disputed < 0:
        b.disputed = day
        b.closed = day + 2 + int(-np.log(draw(x, draws.SOLVED, s.slot)) * f.dispute_days)
        b.upheld = b.wrong > 0 or draw(x, draws.UPHELD, s.slot) < 0.2
        s.in_dispute = 1


@step
def answer(w: Everybody, x: Person, contact: Any, a: Any) -> Any:
    """Note whether a contact gets through."""
    through = gets_through(w.figures[0], x.traits, contact)
    if is_call(contact[1]):
        a.reached = through
    else:
        a.read = through
    return through


@step
def offer(w: Everybody, x: Person, contact: Any, a: Any) -> None:
    """A contact about no bill: an offer acts on later bills; what is said of use acted on use, see ``restraint``."""
    if contact[1] == LIMIT or not answer(w, x, contact, a):
        return
    a.accepted = is_taken(w.figures[0], x.traits, contact)
    if a.accepted == 1:
        s = x.state[0]
        if contact[1] == ADVANCE_OFFER and s.advance_on < 0:
            s.advance_on = contact[0]
        elif contact[1] == DUE_DAY_OFFER and s.due_day_on < 0:
            s.due_day_on = contact[0]


@step
def meet_without_bill(w: Everybody, x: Person, contact: Any, a: Any) -> None:
    """A contact while no bill is open, or one that is about none."""
    if is_about_a_bill(contact[1]):
        answer(w, x, contact, a)
    else:
        offer(w, x, contact, a)


@step
def meet(w: Everybody, x: Person, b: Any, contact: Any, a: Any, first: bool) -> None:
    """A contact while a bill is open; it is answered once, but is about every open bill."""
    f, t, s, day = w.figures[0], x.traits, x.state[0], contact[0]
    if first:
        a.slot = s.slot
    if not answer(w, x, contact, a):
        return
    if contact[1] == CALL:
        talk(w, x, b, contact, a)
    if b.attended < 0:
        look(w, x, b, day)
    if contact[1] == CALL and first and chance(t.key, draws.ANSWERS, day) < f.answers:
        mood = 4.3 + 0.5 * chance(t.key, draws.SATISFIED, day) - 0.8 * annoyance(w, x, day) + 0.4 * t.attitude
        mood += 0.6 * (a.resolved == 1) + 0.4 * (a.accepted == 1) - 0.5 * (b.disputed >= 0) - 0.4 * s.high
        a.satisfaction, a.rated = min(5, max(1, int(mood + 0.5))), day + 1


@step
def talk(w: Everybody, x: Person, b: Any, contact: Any, a: Any) -> None:
    """What a call can do: explain a bill or correct it, and offer another day or instalments when means are short."""
    f, s, day = w.figures[0], x.state[0], contact[0]
    if s.disputes == 1 and (b.closed < 0 or b.closed > day) and (s.high == 1 or b.wrong > 0):
        a.resolved = chance(x.traits.key, draws.RESOLVES, day) < f.resolves
        if a.resolved == 1:
            s.disputes = 0
            b.credit = b.wrong
            s.owed -= b.wrong
            b.closed, b.upheld = day, b.wrong > 0
    is_free = b.postponed < 0 and b.agreed < 0 and b.disputed < 0 and s.disputes == 0 and b.part == 0
    if day < b.due and is_free and not pays(w, x, b, day, s.owed):
        a.accepted = is_taken(f, x.traits, contact)
        if a.accepted == 1:
            if _waits_for_payday(w, x, b, day):
                postpone(w, x, b, day)
            else:
                b.agreed, s.plan_on, s.manual = day, day + 15, 1


@step
def _waits_for_payday(w: Everybody, x: Person, b: Any, day: int) -> Any:
    """Whether the whole could be paid if today were payday: then another day is enough."""
    since = (w.of_month[day] - x.traits.payday + 31) % 31
    then = bare_room(w, x.traits, x.room, day) + x.traits.jump * since / 31 - w.season[day]
    return then >= need(w, b, x.state[0].owed)


@step
def postpone(w: Everybody, x: Person, b: Any, day: int) -> None:
    """Another day, after the next payday that follows the due day."""
    b.postponed = day
    later = b.due + 2
    while w.of_month[later] != x.traits.payday:
        later += 1
    b.due = later + 1
    x.state[0].manual = 1
