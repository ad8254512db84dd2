"""The tables of money that a life leaves behind: bills, their lines, every payment, plans and disputes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.outcomes.running import SHOCK_TIMES
from earlywarn.simulate.billing import KINDS
from earlywarn.simulate.chance import uniform
from earlywarn.simulate.columns import account_ids, dates, ids, invoice_number, stack, units, words

if TYPE_CHECKING:
    from earlywarn.simulate.world import Life

__all__ = ["Money"]

_NAMED, _FUNDS = 601, 602
#: Codes of the bank by cause: funds, account, mandate, customer; MS03 hides some of them.
_CODES = ("", "AM04", "AC04", "MD01", "MS02", "MS03")
#: Days between the end of a plan that was broken and the day on which it counts as ended.
_BROKEN_AFTER = 10
#: Days after a settlement in the customer's favour until it is paid out.
PAYOUT_DAYS = 5
Frame = pd.DataFrame
Rows = npt.NDArray[np.int64]


class Money:
    """Bills of a life in rows, with all that was paid on them.

    Parameters
    ----------
    life : Life
    row : int, optional
        One customer only.
    """

    def __init__(self, life: Life, row: int | None = None) -> None:
        self.life, self.span = life, life.born.world.span
        self.who, self.slot = np.nonzero(life.bills["issued"] >= 0)
        if row is not None:
            own = self.who == row
            self.who, self.slot = self.who[own], self.slot[own]
        self.bills = life.bills[self.who, self.slot]
        people = life.born.people
        self.key = people["key"][self.who]
        number = people["number"][self.who]
        self.invoice = invoice_number(number, self.slot)
        self.customer_id = pd.Series(life.born.ids[self.who], dtype="str")
        self.account_id = account_ids(self.customer_id)
        self.invoice_id = ids("R", self.invoice)
        self.owed = self.bills["amount"] - self.bills["credit"]
        self.debit = people["debit"][self.who] == 1

    def _chance(self, purpose: int) -> Any:
        return uniform(self.key, purpose, self.slot)

    def on(self, name: str) -> Any:
        """Moments of a day of each bill."""
        return dates(self.span, self.bills[name].astype(np.int64))

    # -- bills -------------------------------------------------------------------------------------------

    def invoices(self) -> Frame:
        """Bills, and the credit notes of disputes that were upheld and of mistakes that a call put right."""
        billing = self.life.billing
        left = self.life.left[self.who]
        final = (left >= 0) & (self.bills["issued"] > left)
        begins = billing.begins[self.who, self.slot]
        bills = pd.DataFrame(
            {
                "invoice_id": self.invoice_id,
                "customer_id": self.customer_id,
                "account_id": self.account_id,
                "issued_on": self.on("issued"),
                "due_on": self.on("first_due"),
                "amount": units(self.bills["amount"]),
                "currency": "EUR",
                "kind": words(np.where(final, len(KINDS), self.bills["kind"]), *KINDS, "final"),
                "period_from": self.span.dates(begins).astype("M8[us]"),
                "period_to": self.span.dates(self.bills["issued"].astype(np.int64) - 1).astype("M8[us]"),
                "collect_by": words(self.debit.astype(np.int64), "transfer", "direct_debit"),
            }
        )
        given = (self.bills["credit"] > 0) & (self.bills["closed"] >= 0)
        closed = self.on("closed")[given]
        notes = pd.DataFrame(
            {
                "invoice_id": ids("N", self.invoice[given]),
                "customer_id": self.customer_id[given].to_numpy(),
                "account_id": self.account_id[given].to_numpy(),
                "issued_on": closed,
                "due_on": closed,
                "amount": -units(self.bills["credit"][given]),
                "currency": "EUR",
                "kind": "credit_note",
                "corrects_id": self.invoice_id[given].to_numpy(),
            }
        )
        every = (
            pd.concat([bills, notes], ignore_index=True)
            if len(notes)
            else bills.assign(corrects_id=pd.Series(index=bills.index, dtype="str"))
        )
        return every.sort_values(["issued_on", "invoice_id"], kind="stable", ignore_index=True)

    def lines(self) -> Frame:
        """What a bill is made of: the fee, use, a device, a discount."""
        billing = self.life.billing
        device, discount = (getattr(billing, name)[self.who, self.slot] for name in ("device", "discount"))
        fee = self.bills["amount"] - self.bills["used"] - self.bills["wrong"] - device + discount
        parts = {
            "fee": fee, "use": self.bills["used"] + self.bills["wrong"], "device": device, "discount": -discount,
        }  # fmt: skip
        frames = [
            pd.DataFrame(
                {
                    "invoice_id": self.invoice_id[there].to_numpy(),
                    "line_id": str(at),
                    "kind": kind,
                    "amount": units(cents[there]),
                    "known_at": self.on("issued")[there] + np.timedelta64(86_399_999_999, "us"),
                }
            )
            for at, (kind, cents) in enumerate(parts.items())
            for there in [cents != 0]
        ]
        return pd.concat(frames, ignore_index=True)

    # -- payments ----------------------------------------------------------------------------------------

    def payments(self) -> Frame:
        """Every event on money: transfers, parts, collections, returns, instalments, write-offs."""
        b = self.bills
        third = self.owed // 3
        by_plan = b["parts_paid"] * third
        collected, again = b["collected"] >= 0, b["retried"] >= 0
        whole = (b["paid"] >= 0) & (b["collected_ok"] != 1) & (b["retried_ok"] != 1) & (b["kept"] != 1)
        back = collected & (b["collected_ok"] == 0)
        funds = np.where(self._chance(_FUNDS) < 0.2, 5, b["return_cause"])
        code = words(funds, *_CODES).to_numpy()
        sent = np.where(collected, self._bank(b["collected"].astype(np.int64), -2), -1)
        transfer = words(self.life.born.people["card"][self.who], "transfer", "card").to_numpy()
        unnamed = self._chance(_NAMED) < self.life.born.world.preset.biller.unnamed
        debit = {"method": "direct_debit"}
        frames = [
            self._money(whole, b["paid"], self.owed - b["part"] - by_plan, 0, method=transfer, unnamed=unnamed),
            self._money(b["part_on"] >= 0, b["part_on"], b["part"], 1, method=transfer),
            self._money(collected, sent, self._collected(), 2, "initiated", attempt=1, **debit),
            self._money(collected, b["collected"], self._collected(), 2, attempt=1, **debit),
            self._money(back, b["returned"], self._collected(), 2, "returned", attempt=1, reason_code=code, **debit),
            self._money(again & (b["retried_ok"] == 1), b["retried"], self.owed, 3, attempt=2, **debit),
            self._money(
                again & (b["retried_ok"] == 0), b["retried"], self.owed, 3, "failed", attempt=2, reason_code="AM04",
                **debit,
            ),
            *(
                self._money(
                    b["parts_paid"] > at, b["agreed"] + 15 + 30 * at, third if at < 2 else self.owed - 2 * third,
                    4 + at, method="transfer",
                )
                for at in range(3)
            ),
            self._money(b["lost"] >= 0, b["lost"], self.owed - b["part"] - by_plan, 7, kind="write_off"),
            self._money(
                b["amount"] < 0, b["issued"] + PAYOUT_DAYS, -b["amount"], 8, kind="payout",
                unnamed=np.full(len(b), True),
            ),
        ]  # fmt: skip
        made = stack(frames)
        return made.sort_values(["paid_on", "payment_id"], kind="stable", ignore_index=True)

    def _collected(self) -> Any:
        """What a collection asks for: what was credited later was still collected."""
        b = self.bills
        return np.where((b["closed"] >= 0) & (b["closed"] <= b["collected"]), self.owed, b["amount"])

    def _bank(self, day: Rows, count: int) -> Rows:
        number = self.span.bank_number[np.maximum(day, 0)]
        return self.span.bank_day[np.maximum(number + count, 0)]

    def _money(self, there: Any, day: Any, cents: Any, mark: int, event: str = "settled", **more: Any) -> Frame:
        unnamed = more.pop("unnamed", None)
        there = there & (np.asarray(cents) > 0)
        invoice = self.invoice_id[there]
        own = {name: value[there] if isinstance(value, np.ndarray) else value for name, value in more.items()}
        return pd.DataFrame(
            {
                "payment_id": ids("P", self.invoice[there] * 10 + mark).to_numpy(),
                "customer_id": self.customer_id[there].to_numpy(),
                "paid_on": dates(self.span, np.asarray(day)[there].astype(np.int64)),
                "amount": units(np.asarray(cents)[there]),
                "event": event,
                "kind": "payment",
                "invoice_id": invoice.mask(unnamed[there]).to_numpy() if unnamed is not None else invoice.to_numpy(),
                "account_id": self.account_id[there].to_numpy(),
                **own,
            }
        )

    # -- what was agreed and disputed --------------------------------------------------------------------

    def arrangements(self) -> tuple[Frame, Frame]:
        """Postponements and plans, what became of them, and their instalments."""
        b = self.bills
        moved, plan = b["postponed"] >= 0, b["agreed"] >= 0
        kept_day = (b["paid"] >= 0) & (b["paid"] <= b["due"] + 3)
        broken = b["agreed"] + 15 + 30 * b["parts_paid"] + _BROKEN_AFTER
        frames, instalments = [], []
        third = self.owed // 3
        for there, kind, ended, kept, agreed in (
            (moved, "postponement", np.where(kept_day, b["paid"], b["due"] + _BROKEN_AFTER), kept_day, "postponed"),
            (plan, "instalments", np.where(b["kept"] == 1, b["paid"], np.where(b["kept"] == 0, broken, -1)),
             b["kept"] == 1, "agreed"),
        ):  # fmt: skip
            mark = ids("G", self.invoice[there] * 10 + (kind == "instalments")).to_numpy()
            frames.append(
                pd.DataFrame(
                    {
                        "arrangement_id": mark,
                        "customer_id": self.customer_id[there].to_numpy(),
                        "agreed_on": self.on(agreed)[there],
                        "kind": kind,
                        "invoice_ids": self.invoice_id[there].to_numpy(),
                        "ended_on": dates(self.span, ended[there].astype(np.int64)),
                        "ended_as": np.where(kept[there], "kept", "broken"),
                    }
                )
            )
            for number in range(1 if kind == "postponement" else 3):
                due = b["due"] if kind == "postponement" else b["agreed"] + 15 + 30 * number
                cents = self.owed if kind == "postponement" else third if number < 2 else self.owed - 2 * third
                instalments.append(
                    pd.DataFrame(
                        {
                            "arrangement_id": mark,
                            "number": number + 1,
                            "due_on": dates(self.span, due[there].astype(np.int64)),
                            "amount": units(cents[there]),
                            "known_at": self.on(agreed)[there],
                        }
                    )
                )
        return pd.concat(frames, ignore_index=True), pd.concat(instalments, ignore_index=True)

    def disputes(self) -> Frame:
        """Bills that customers did not accept."""
        b = self.bills
        there = b["disputed"] >= 0
        high = (b["amount"] >= SHOCK_TIMES * b["usual"]) | (b["wrong"] > 0)
        return pd.DataFrame(
            {
                "dispute_id": ids("X", self.invoice[there]),
                "customer_id": self.customer_id[there].to_numpy(),
                "opened_on": self.on("disputed")[there],
                "invoice_id": self.invoice_id[there].to_numpy(),
                "amount": units(b["amount"][there]),
                "kind": "dispute",
                "cause": words(high[there].astype(np.int64), "other", "bill_too_high"),
                "closed_on": self.on("closed")[there],
                "upheld": pd.array(b["upheld"][there] == 1, dtype="boolean"),
            }
        )
