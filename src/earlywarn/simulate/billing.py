"""What is billed, when, and how much of it is fixed: before anybody has seen a bill or paid one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from earlywarn.simulate.calendar import Span
from earlywarn.simulate.chance import uniform
from earlywarn.simulate.consumption import Contracts, Use, season_of
from earlywarn.simulate.people import CYCLE_DAYS
from earlywarn.simulate.preset import Preset

__all__ = ["ADVANCE", "KINDS", "RECURRING", "SETTLEMENT", "Billing", "above_allowance", "draw_billing", "starts_of"]

_WRONG, _ADVANCE, _ANNIVERSARY = 400, 401, 402
KINDS = ("recurring", "advance", "settlement")
RECURRING, ADVANCE, SETTLEMENT = range(3)
#: What a device costs a bill, in cents; how much a discount takes off the fee, and for how long.
DEVICE_CENTS, DISCOUNT, DISCOUNT_DAYS = 1_500, 0.25, 365
#: What a price that is no longer fixed adds.
PRICE_RISE = 0.25
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Billing:
    """The bills of a block of customers, one column a period; money in cents.

    Attributes
    ----------
    begins, issued, due : ndarray of int64, shape (n, n_slots), day
        -1 where there is no bill.
    fixed, used, wrong : ndarray of int64, shape (n, n_slots)
        Of which the amount is the sum: what does not depend on use, what does (in a settlement: less the
        advances), and what was billed by mistake.
    device, discount : ndarray of int64, shape (n, n_slots)
        Parts of ``fixed``.
    kind : ndarray of int8, shape (n, n_slots)
    usual : ndarray of int64, shape (n, n_slots)
        The bill that a customer is used to.
    last : ndarray of int64, shape (n, n_slots)
        What would be settled if the bill were the last, where there are advances; else 0.
    raised : ndarray of int64, shape (n,)
        The advance that would cover what is used; 0 where there are no advances.
    """

    begins: Rows
    issued: Rows
    due: Rows
    fixed: Rows
    used: Rows
    wrong: Rows
    device: Rows
    discount: Rows
    kind: npt.NDArray[np.int8]
    usual: Rows
    last: Rows
    raised: Rows


def starts_of(preset: Preset, people: npt.NDArray[np.void], span: Span) -> Rows:
    """The first day of each billing period of each customer, and of the one after the last, (n, n_slots + 1)."""
    several, each = preset.bill.per_month, preset.bill.months
    slots = np.arange((span.months + each - 1) * several // each + 1)
    apart = CYCLE_DAYS // several
    cycle = people["cycle"] if several == 1 else 1 + people["cycle"] % apart
    month = slots // several * each if several > 1 else slots * each
    phase = people["number"] % each
    begins = span.day_of_month(month[None, :] - phase[:, None], cycle[:, None])
    found: Rows = begins + (slots % several * apart if several > 1 else 0)
    return found


def slot_of(starts: Rows, day: Rows) -> Rows:
    """The period in which each day lies, by row: -1 before the first, n_slots after the last."""
    n, width = starts.shape
    row = np.arange(n)[:, None]
    far = np.int64(1) << 32  # one search for all rows: each in a range of days of its own
    flat, wanted = (starts + far * row).ravel(), (day + far * row).ravel()
    found: Rows = np.searchsorted(flat, wanted, side="right").reshape(day.shape) - 1 - width * row
    return found


def _slots_of_reads(starts: Rows, contracts: Contracts, day: Rows) -> Rows:
    """The period of its customer in which each read of a contract ends, (n_contracts, n_reads)."""
    return slot_of(starts[contracts.owner], np.broadcast_to(day, (len(contracts.owner), len(day))))


def above_allowance(preset: Preset, contracts: Contracts, starts: Rows, quantity: Any, days: int) -> Any:
    """How much of each read of ``days`` days lies above the allowance of its period, (n_contracts, n_reads)."""
    begins = days * np.arange(quantity.shape[1])
    slot = _slots_of_reads(starts, contracts, begins + days - 1)
    own = np.where(begins[None, :] >= contracts.since[:, None], quantity, 0.0)
    upto = np.cumsum(own, axis=1, dtype=np.float64)
    is_first = np.concatenate([np.ones((len(slot), 1), dtype=bool), slot[:, 1:] != slot[:, :-1]], axis=1)
    before = np.maximum.accumulate(np.where(is_first, upto - own, 0.0), axis=1)
    allowed = contracts.allowance[:, None] * preset.bill.months / preset.bill.per_month
    return np.clip(upto - before - allowed, 0.0, own)


def draw_billing(preset: Preset, people: npt.NDArray[np.void], contracts: Contracts, use: Use, span: Span) -> Billing:
    """The bills of every period, as they will be issued if nothing is done."""
    bill, n = preset.bill, len(people)
    starts = starts_of(preset, people, span)
    begins, issued = starts[:, :-1], starts[:, 1:]
    slots = begins.shape[1]
    cost = _cost(preset, contracts, use, starts)
    runs = contracts.since[:, None] < issued[contracts.owner]
    monthly = contracts.fee * 100 * bill.months / bill.per_month
    fee = _of_owner(contracts.owner, np.rint(monthly)[:, None] * runs, n)
    served = people["since"][:, None] < issued - 7
    device = np.where(people["device"][:, None] == 1, DEVICE_CENTS, 0) * served
    young = issued - people["since"][:, None] < DISCOUNT_DAYS
    discount = np.where((people["discount"][:, None] == 1) & young, np.rint(fee * DISCOUNT), 0).astype(np.int64)
    fixed = fee + device - discount
    kind = np.full((n, slots), RECURRING, dtype=np.int8)
    if bill.scheme == "advance":
        fixed, used, kind, usual, last, raised = _advances(
            preset, people, contracts, cost, fixed, served, begins[:, 0], span
        )
    else:
        expected = _of_owner(contracts.owner, _expected(preset, contracts)[:, None] * runs, n)
        usual, used = fixed + (expected if bill.scheme == "metered" else 0), cost
        last, raised = np.zeros_like(fixed), np.zeros(n, dtype=np.int64)
    wrong = uniform(people["key"][:, None], _WRONG, np.arange(slots)[None, :]) < preset.biller.errors
    amount = fixed + used
    there = served & (issued < span.end) & (amount != 0)
    stated = issued + people["terms"][:, None]
    collected = span.bank_day[span.bank_number[np.clip(stated, 0, 7 * span.weeks - 1)]]
    due = np.where(people["debit"][:, None] == 1, np.where(stated < 0, stated, collected), stated)
    never = np.int64(-1)
    return Billing(
        begins=begins,
        issued=np.where(there, issued, never),
        due=np.where(there, due, never),
        fixed=np.where(there, fixed, 0),
        used=np.where(there, used, 0),
        wrong=np.where(there & wrong & (amount > 0), amount // 2, 0),
        device=np.where(there, device, 0),
        discount=np.where(there, discount, 0),
        kind=kind,
        usual=np.maximum(1, usual),
        last=last,
        raised=raised,
    )


def _of_owner(owner: Rows, values: Any, n: int) -> Rows:
    """Sums of rows of contracts by customer."""
    summed = np.zeros((n, values.shape[1]))
    np.add.at(summed, owner, values)
    return np.rint(summed).astype(np.int64)


def _expected(preset: Preset, contracts: Contracts) -> npt.NDArray[np.float64]:
    """What usual use of each contract costs in a period, in cents."""
    bill = preset.bill
    found: npt.NDArray[np.float64] = contracts.level * 36525 / 12 * bill.price * bill.months / bill.per_month
    return found


def _cost(preset: Preset, contracts: Contracts, use: Use, starts: Rows) -> Rows:
    """What the use of each period costs each customer, in cents."""
    bill, (n, width) = preset.bill, starts.shape
    begins = use.days * np.arange(use.quantity.shape[1])
    slot = _slots_of_reads(starts, contracts, begins + use.days - 1)
    inside = (slot >= 0) & (slot < width - 1) & (begins[None, :] >= contracts.since[:, None])
    flat = (np.arange(len(contracts.owner))[:, None] * (width - 1) + slot)[inside]
    quantity = np.bincount(
        flat, use.quantity[inside].astype(np.float64), minlength=len(contracts.owner) * (width - 1)
    ).reshape(-1, width - 1)
    price = np.full((len(contracts.owner), width - 1), bill.price * 100)
    if bill.fixed_price:
        risen = (contracts.price_until[:, None] >= 0) & (contracts.price_until[:, None] < starts[contracts.owner, :-1])
        price = np.where(risen, price * (1 + PRICE_RISE), price)
    paid = quantity
    if bill.scheme == "allowance":
        paid = np.maximum(0, quantity - contracts.allowance[:, None] * bill.months / bill.per_month)
    return _of_owner(contracts.owner, paid * price, n)


def _advances(
    preset: Preset, people: npt.NDArray[np.void], contracts: Contracts, cost: Rows, fixed: Rows, served: Any,
    begins: Rows, span: Span,
) -> tuple[Rows, Rows, npt.NDArray[np.int8], Rows, Rows, Rows]:  # fmt: skip
    """Advances, and once a year the cost of that year less what was advanced.

    Returns
    -------
    advances, settlements, kinds, the advance, what a last bill would settle (n, n_slots); the advance that would cover
    what is used (n,)
    """
    bill, (n, slots) = preset.bill, cost.shape
    yearly = 12 * bill.per_month // bill.months
    usual_cost = _of_owner(contracts.owner, _expected(preset, contracts)[:, None], n)[:, 0]
    fee = fixed.max(axis=1, initial=0)
    error = np.exp(bill.advance_error * ndtri(uniform(people["key"], _ADVANCE, np.array(0))))
    right = (usual_cost + fee) * yearly / (yearly - 1) / 100
    advance, raised = (np.rint(units).astype(np.int64) * 100 for units in (right * error, right))  # whole units
    month = np.arange(slots)[None, :]
    first = (uniform(people["key"], _ANNIVERSARY, np.array(0)) * yearly).astype(np.int64)
    settles = (month + first[:, None]) % yearly == 0
    billed = np.where(served & ~settles, advance[:, None], 0)
    so_far = np.cumsum(np.where(served, cost + fixed - billed, 0), axis=1)
    so_far += _before_the_world(preset, people, usual_cost, fee, advance, first, begins, span)[:, None]
    settled, last = np.zeros((n, slots), dtype=np.int64), np.zeros((n, slots), dtype=np.int64)
    before = np.zeros(n, dtype=np.int64)
    for slot in range(slots):
        here = settles[:, slot]
        last[:, slot] = so_far[:, slot] + billed[:, slot] - before
        settled[:, slot] = np.where(here, last[:, slot], 0)
        before = np.where(here, so_far[:, slot], before)
    kind = np.where(settles, SETTLEMENT, ADVANCE).astype(np.int8)
    return billed, settled, kind, np.broadcast_to(advance[:, None], (n, slots)), last, raised


def _before_the_world(
    preset: Preset, people: npt.NDArray[np.void], usual_cost: Rows, fee: Rows, advance: Rows, first: Rows, begins: Rows,
    span: Span,
) -> Rows:  # fmt: skip
    """What use cost beyond advances since the last settlement before the first month, of who was there already."""
    bill = preset.bill
    yearly = 12 * bill.per_month // bill.months
    back = np.arange(1, yearly)[None, :]  # periods before the first, those after the last settlement then
    open_ = back <= (first[:, None] - 1) % yearly
    month = (span.first.astype(np.int64) - back * bill.months // bill.per_month) % 12
    begun = begins[:, None] - back * 30 * bill.months // bill.per_month
    there = open_ & (people["since"][:, None] < begun)
    more = usual_cost[:, None] * season_of(preset.use, month) + (fee - advance)[:, None]
    found: Rows = np.rint(np.where(there, more, 0).sum(axis=1)).astype(np.int64)
    return found
