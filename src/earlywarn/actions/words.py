"""The closed words of the room, and what no policy may change: the gates, their order, whom they protect."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DIRECT_DEBIT_ANGLES", "GATES", "HISTORIES", "PERSON", "REQUIRED_HOLDS", "SIGNALS", "STATUSES"]

#: In this order; the first that matches wins. "protected" lets through, to a trained human.
GATES = (
    "deceased", "representative", "statutory_debt", "debt_counselling", "no_profiling", "do_not_contact",
    "dispute", "overdue", "in_transit", "collecting", "arrangement", "credit_balance", "prepaid",
    "mandatory_notice", "protected",
)  # fmt: skip

#: Holds that a policy may not take away from a gate.
REQUIRED_HOLDS: Mapping[str, tuple[str, ...]] = {
    "deceased": ("deceased",),
    "representative": ("representative",),
    "statutory_debt": ("statutory_debt", "moratorium", "bankruptcy", "reorganisation"),
    "debt_counselling": ("debt_counselling",),
    "no_profiling": ("no_profiling",),
    "do_not_contact": ("do_not_contact",),
    "protected": ("vulnerable", "medical"),
}

#: Gates about a person: a hold reaches everything of the debtor, whatever account or invoice it names.
PERSON = tuple(REQUIRED_HOLDS)

#: The first that holds; the last when none does.
HISTORIES = ("late_for_means", "late_pays_itself", "never_late")

#: The most serious first; the last when none holds.
SIGNALS = ("means", "timing", "usage_or_bill", "none")

#: What a contact may be about when the money is collected by direct debit.
DIRECT_DEBIT_ANGLES = ("collection_ahead", "due_day", "bill_explained")

#: Status of an obligation in the scores by the gate that stops it.
STATUSES: Mapping[str, str] = {
    "deceased": "hold", "representative": "hold", "statutory_debt": "hold", "debt_counselling": "hold",
    "no_profiling": "no_profiling", "do_not_contact": "hold", "dispute": "dispute", "overdue": "overdue",
    "in_transit": "in_transit", "collecting": "collecting", "arrangement": "arrangement",
    "credit_balance": "credit_balance", "prepaid": "prepaid",
}  # fmt: skip
