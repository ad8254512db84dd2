"""A world: customers who exist before anything is done to them, and the lives that they lead when it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.compiled import in_ranges
from earlywarn.errors import DataError
from earlywarn.simulate.actions import ACTIONS, check_actions
from earlywarn.simulate.billing import Billing, draw_billing, starts_of
from earlywarn.simulate.calendar import AFTER, Span
from earlywarn.simulate.columns import ids
from earlywarn.simulate.consumption import Contracts, Use, draw_contracts, draw_use
from earlywarn.simulate.economy import Economy
from earlywarn.simulate.means import draw_means
from earlywarn.simulate.people import CHANNELS, draw_people
from earlywarn.simulate.preset import Preset, read_preset

__all__ = ["GRACE_DAYS", "WINDOWS", "Life", "World"]

WINDOWS = 12
#: What a plan says of its contacts besides.
LOGGED = ("experiment", "arm", "propensity")
#: A bill after the last.
NO_BILL = 1 << 30
#: Days after due that count as in time where the world says why a bill was late.
GRACE_DAYS = 3
Rows = npt.NDArray[np.int64]


class World:
    """Customers of one biller with known causes; the same arguments give the same world.

    Nothing in it is about real people. What customers feel, remember and can pay decides what they do, and stays
    apart from the tables: no feature can read it.

    Parameters
    ----------
    preset : str, path or Preset
        One of `presets`, or a file of the same form.
    customers : int
    months : int
        Length, at least 3. Every bill is lived to its end; `Life.tables` shows what had happened before the last
        month was over.
    seed : int
    start : str
        A day of the first month.
    read_days : int
        Days that one row of use covers.
    **changes : dict
        Parts of the preset of which some figures are replaced, such as ``attention={"forgets": 0.0}``.

    Raises
    ------
    DataError
        D182 fewer customers or months than 1 and 3, or no day; as `read_preset`.

    Examples
    --------
    >>> life = World("telecom", customers=200, months=6).live()
    >>> sorted(set(life.truth()["cause"]))[:3]
    ['', 'account', 'dispute']
    """

    def __init__(
        self, preset: str | os.PathLike[str] | Preset = "telecom", customers: int = 2000, months: int = 18,
        seed: int = 0, start: str = "2024-07-01", *, read_days: int = 3, **changes: Any,
    ) -> None:  # fmt: skip
        if customers < 1 or months < 3 or not 1 <= read_days <= 31:
            raise DataError(
                "a world needs at least 1 customer and 3 months, and reads of 1 to 31 days.",
                code="D182",
                found=f"customers={customers}, months={months}, read_days={read_days}",
            )
        try:
            first = np.datetime64(start, "M")
        except ValueError:
            raise DataError(f"{start!r} is no day.", code="D182", hint="write it as 2024-07-01.") from None
        self.preset = read_preset(preset, **changes)
        self.customers, self.seed, self.read_days = customers, seed, read_days
        self.span = Span(first, months)

    @cached_property
    def economy(self) -> Economy:
        """How the regions fare."""
        return Economy(self.seed, self.span, self.preset.biller.outages)

    def born(self, numbers: npt.ArrayLike | None = None) -> Born:
        """Some of the customers, with all that does not depend on what is done; the same whoever else is asked for.

        Parameters
        ----------
        numbers : array-like of int, optional
            Which of them, from 0 to ``customers - 1``, rising; all when left out.

        Returns
        -------
        Born
        """
        asked = np.arange(self.customers) if numbers is None else np.asarray(numbers, dtype=np.int64)
        people = draw_people(self.preset, self.seed, asked, self.span)
        contracts = draw_contracts(self.preset, self.seed, people, self.span)
        use = draw_use(self.preset, contracts, self.span, self.read_days)
        billing = draw_billing(self.preset, people, contracts, use, self.span)
        return Born(self, people, contracts, use, billing)

    def live(self, contacts: pd.DataFrame | None = None) -> Life:
        """Let everybody live.

        Parameters
        ----------
        contacts : DataFrame, optional
            What is done: ``customer_id``, ``day`` (a date), ``action`` (one of `ACTIONS`, or ``none``), and for a
            notice ``channel`` (the customer's own when left out), for a call ``window`` (0 to 11; 0 when left out);
            ``experiment``, ``arm`` and ``propensity`` go into the table of contacts.

        Returns
        -------
        Life
        """
        return self.born().live(contacts)

    def ids(self, number: Any) -> npt.NDArray[np.str_]:
        """Ids of customers by their number."""
        found: npt.NDArray[np.str_] = ids("K", np.asarray(number) + 1, max(5, len(str(self.customers)))).to_numpy()
        return found


@dataclass(frozen=True)
class Another:
    """A future that is drawn anew.

    Attributes
    ----------
    past : Life
        What was lived under the same contacts, from which use and the bills before ``resume`` are taken.
    key : ndarray of uint64, shape (n,)
        Of draws from bill ``anew`` on.
    resume, anew : ndarray of int64, shape (n,)
        The first bill that is lived again, and the first whose draws are others.
    room, lost : ndarray, shape (n, n_weeks)
        As `Born.means`.
    """

    past: Life
    key: npt.NDArray[np.uint64]
    resume: Rows
    anew: Rows
    room: npt.NDArray[np.float32]
    lost: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Born:
    """Customers of a world before anything is done to them."""

    world: World
    people: npt.NDArray[np.void]
    contracts: Contracts
    use: Use
    billing: Billing

    @cached_property
    def ids(self) -> npt.NDArray[np.str_]:
        """Ids of the customers."""
        return self.world.ids(self.people["number"])

    @cached_property
    def means(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Room of each customer and week, and whether an income is lost then."""
        world = self.world
        key = self.people["key"]
        return draw_means(world.preset.means, world.economy, self.people["region"], key)

    @cached_property
    def starts(self) -> Rows:
        """First days of billing periods, and of the one after the last."""
        return starts_of(self.world.preset, self.people, self.world.span)

    def live(self, contacts: pd.DataFrame | None = None) -> Life:
        """As `World.live`."""
        begins, asked, log = self._asked(contacts)
        return replace(self.lived(begins, asked), log=log)

    def lived(self, begins: Rows, asked: Rows, another: Another | None = None) -> Life:
        """Run the loop over contacts, into the one future that there is, or into another."""
        from earlywarn.simulate import life_kernels as kernels
        from earlywarn.simulate.life_state import ANSWER, BILL
        from earlywarn.simulate.restraint import use_after

        span, (n, slots) = self.world.span, self.billing.issued.shape
        answers = np.zeros(len(asked), dtype=ANSWER)
        for name in ANSWER.names or ():
            answers[name] = -1
        if another is None:
            bills, annoyance, left = np.zeros((n, slots), dtype=BILL), np.zeros((n, slots)), np.empty(n, dtype=np.int64)
            resume, anew, key = np.zeros(n, dtype=np.int64), np.full(n, NO_BILL), self.people["key"]
            room, lost = self.means
            use = use_after(self, np.repeat(np.arange(n), np.diff(begins)), asked) if len(asked) else self.use
            billing = self.billing if use is self.use else self._billed(use)
        else:
            past, resume, anew, key = another.past, another.resume, another.anew, another.key
            bills, annoyance, room, lost = past.bills.copy(), past.annoyance.copy(), another.room, another.lost
            use, billing = past.use, past.billing
            left = np.where((past.bills["issued"] + 30 == past.left[:, None]).argmax(axis=1) < resume, past.left, -1)
        stacked = np.stack(
            [
                billing.issued,
                billing.due,
                billing.fixed,
                billing.used,
                billing.wrong,
                billing.kind.astype(np.int64),
                billing.usual,
                billing.last,
            ],
            2,
        )
        means = self.world.preset.means
        in_ranges(
            kernels.live, n, span.end, GRACE_DAYS, span.end + AFTER, self.figures, np.array(means.season)[span.month],
            span.of_month, span.weekday, span.bank_number, span.bank_day, self.people,
            np.ascontiguousarray(key), resume, anew, room, lost,
            stacked, billing.raised, begins, asked,
            bills, answers, annoyance, left,
            steps=20.0 * n * slots,
        )  # fmt: skip
        return Life(self, use, billing, bills, annoyance, left, begins, asked, answers)

    def _billed(self, use: Use) -> Billing:
        """Bills of another use than the one that was drawn."""
        return draw_billing(self.world.preset, self.people, self.contracts, use, self.world.span)

    @cached_property
    def figures(self) -> npt.NDArray[np.void]:
        """The figures of the preset that the loop reads."""
        from earlywarn.simulate.life_state import FIGURES

        preset, row = self.world.preset, np.zeros(1, dtype=FIGURES)
        for part in (preset.attention, preset.means, preset.disputes, preset.biller, preset.contacts):
            for name, value in part.model_dump().items():
                if name in (FIGURES.names or ()):
                    row[name] = value
        row["dispute_days"] = preset.disputes.days
        row["reminder"], row["reminder_again"] = preset.biller.reminders
        for channel, share in preset.attention.reads.items():
            row[f"reads_{channel}"] = share
        for kind, much in preset.contacts.annoys.items():
            row[f"annoys_{kind}"] = much
        for name, value in preset.leaving.model_dump().items():
            row["leaves" if name == "usual" else f"leaves_{name}"] = value
        row["months"] = preset.bill.months / preset.bill.per_month
        by_day = {str(day): share for day, share in preset.biller.returned_after.items()}
        for day, share in enumerate(np.cumsum([by_day.get(str(day), 0.0) for day in range(1, 5)]), 1):
            row[f"wait_{day}"] = share
        return row

    def _asked(self, contacts: pd.DataFrame | None) -> tuple[Rows, Rows, pd.DataFrame]:
        """Contacts as the loop reads them, by customer and day, and what else was said of them."""
        if contacts is not None:
            contacts = contacts[contacts["action"] != "none"]
        if contacts is None or not len(contacts):
            none = np.zeros((0, 4), dtype=np.int64)
            logged = [] if contacts is None else [name for name in LOGGED if name in contacts]
            return np.zeros(len(self.people) + 1, dtype=np.int64), none, pd.DataFrame(columns=logged, index=range(0))
        check_actions(contacts["action"])
        place = _place_of(self, contacts["customer_id"])
        day = self.world.span.day(contacts["day"].to_numpy())
        own = self.people["channel"][place]
        asked = np.zeros((len(contacts), 4), dtype=np.int64)
        asked[:, 0], asked[:, 1] = day, contacts["action"].map(ACTIONS)
        asked[:, 2] = _numbers(contacts, "channel", CHANNELS, own)
        asked[:, 3] = _numbers(contacts, "window", range(WINDOWS), 0)
        order = np.lexsort((day, place))
        begins = np.searchsorted(place[order], np.arange(len(self.people) + 1))
        log = contacts[[name for name in LOGGED if name in contacts]].iloc[order].reset_index(drop=True)
        return begins.astype(np.int64), np.ascontiguousarray(asked[order]), log


def _numbers(contacts: pd.DataFrame, column: str, known: Sequence[Any], otherwise: Any) -> Rows:
    """Places of words among those that are known, where they are given; D187 for another one."""
    if column not in contacts:
        return np.broadcast_to(np.asarray(otherwise, dtype=np.int64), len(contacts))
    given = contacts[column]
    found = given.map({word: at for at, word in enumerate(known)})
    strange = given[given.notna() & found.isna()]
    if len(strange):
        raise DataError(
            f"no {column} is called {strange.iloc[0]!r}.", code="D187", hint=f"one of {', '.join(map(str, known))}."
        )
    return np.where(found.isna(), otherwise, found.fillna(0)).astype(np.int64)


def _place_of(born: Born, customer_id: pd.Series) -> Rows:
    """Rows of customers by their ids; D188 for one who is not there."""
    place: Rows = pd.Index(born.ids).get_indexer(pd.Index(customer_id.astype("str"))).astype(np.int64)
    if (place < 0).any():
        unknown = customer_id.iloc[int(np.argmax(place < 0))]
        raise DataError(f"the world has no customer {unknown!r}.", code="D188", hint="take ids from its tables.")
    return place


@dataclass(frozen=True, eq=False)
class Life:
    """What happened to the customers of a world: what the biller saw (`tables`), and the truth about it.

    Attributes
    ----------
    born : Born
    use : Use
    billing : Billing
        As it was, after what was done.
    bills : ndarray of BILL, shape (n, n_slots)
    annoyance : ndarray of float64, shape (n, n_slots)
    left : ndarray of int64, shape (n,)
        Day of notice, -1 for who stayed.
    """

    born: Born
    use: Use = field(repr=False)
    billing: Billing = field(repr=False)
    bills: npt.NDArray[np.void] = field(repr=False)
    annoyance: npt.NDArray[np.float64] = field(repr=False)
    left: Rows = field(repr=False)
    contact_begins: Rows = field(repr=False)
    contacts: Rows = field(repr=False)
    answers: npt.NDArray[np.void] = field(repr=False)
    log: pd.DataFrame = field(repr=False, default_factory=pd.DataFrame)

    @cached_property
    def ended(self) -> Rows:
        """Day on which the contracts of each customer end, with the last bill; -1 for who stayed."""
        issued = self.bills["issued"].astype(np.int64)
        far = np.int64(1) << 32
        last = np.where((issued >= 0) & (issued > self.left[:, None]), issued, far).min(axis=1, initial=far)
        return np.where(self.left < 0, -1, np.where(last < far, last, self.left + 31))

    @cached_property
    def contact_owner(self) -> Rows:
        """Row of the customer of each contact."""
        return np.repeat(np.arange(len(self.born.people)), np.diff(self.contact_begins))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables for `Ledger.from_tables`, as the biller has them when the last month is over."""
        from earlywarn.simulate.records import make_tables

        return make_tables(self)

    def of(self, customer_id: str) -> dict[str, Any]:
        """One customer's life as `earlywarn.plots.LifeDisplay` takes it.

        Parameters
        ----------
        customer_id : str

        Returns
        -------
        dict
            use, means, bills and contacts as frames, customer, and what is known about him.

        Raises
        ------
        DataError
            D188 no such customer.
        """
        from earlywarn.simulate.records import make_life

        return make_life(self, _place_of(self.born, pd.Series([customer_id]))[0])

    def truth(self) -> pd.DataFrame:
        """What nobody can read from the tables: one row a bill.

        Returns
        -------
        DataFrame
            invoice_id, customer_id, issued_on, due_on (as first stated), amount, paid_on (missing: never), late (not
            paid `GRACE_DAYS` after the day that was agreed last, collected in vain, or a plan agreed before due that
            was broken), cause (empty where it was not late), forgot (put away), attended_on, disputed, postponed,
            in_instalments, and annoyance when it was issued.
        """
        from earlywarn.simulate.records import make_truth

        return make_truth(self)
