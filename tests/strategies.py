"""Random small billers as raw tables, and what of them was known when, read from the design and not from our code.

`random_tables` makes tables from a seed and a few sizes; `ledgers` draws the sizes, so that failures shrink.
`cut` removes and blanks what was not known before a moment; `scrambled` changes it instead.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from dateutil.easter import easter
from hypothesis import strategies as st

from earlywarn.tables.ledger import Ledger

START = np.datetime64("2025-01-01", "us")
UNTIL = "2025-12-01"
DAY = 86_400_000_000
NEVER = np.iinfo(np.int64).max
ALWAYS = -NEVER
NAT = np.iinfo(np.int64).min
ZERO = int(START.astype(np.int64))

#: Date column that says when a row happened, and days until it is known when nothing else is said.
HAPPENS = {
    "customers": "valid_from",
    "accounts": "valid_from",
    "contracts": "valid_from",
    "invoices": "issued_on",
    "invoice_events": "happened_at",
    "payments": "paid_on",
    "allocations": "allocated_on",
    "mandates": "event_on",
    "schedule": "expected_due_on",
    "usage": "used_on",
    "arrangements": "agreed_on",
    "instalments": "due_on",
    "disputes": "opened_on",
    "contacts": "contacted_at",
    "arrears": "observed_on",
    "regions": "published_on",
    "visits": "seen_on",
}
LASTING = ("customers", "accounts", "contracts")
PARENTS = {
    "contracts": ("account_id", "accounts"),
    "invoice_events": ("invoice_id", "invoices"),
    "allocations": ("invoice_id", "invoices"),
    "instalments": ("arrangement_id", "arrangements"),
}
#: Cells that are known from a date of their own.
CELLS = {
    "contracts": {"notice_on": "notice_on", "ended_by": "notice_on"},
    "invoices": {"withdrawn_on": "withdrawn_on"},
    "arrangements": {"ended_on": "ended_on", "ended_as": "ended_on"},
    "disputes": {"closed_on": "closed_on", "upheld": "closed_on"},
    "contacts": {
        "outcome": "outcome_at",
        "outcome_at": "outcome_at",
        "accepted": "outcome_at",
        "promised_on": "outcome_at",
        "satisfaction": "rated_on",
        "rated_on": "rated_on",
    },
}
VISITS = {"entity": "customer_id", "time": "seen_on", "values": {"pages": "number", "topic": "text"}}
WORDS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("invoices", "kind"): ("recurring", "fee", "credit_note"),
    ("payments", "method"): ("transfer", "direct_debit", "card", None),
    ("contacts", "outcome"): ("promise", "no_answer", None),
    ("contacts", "accepted"): (True, False, None),
    ("disputes", "upheld"): (True, False, None),
    ("usage", "kind"): ("data", "voice", None),
    ("customers", "region"): ("BE211", "BE212", "FR1", None),
    ("customers", "segment"): ("b2c", "b2b"),
    ("arrangements", "ended_as"): ("kept", "broken"),
    ("visits", "topic"): ("bill", "offer", None),
}
AMOUNTS = (10.0, 10.0, 25.5, 40.0, 99.99, 100.0, 1.0, 0.01, 1234.56)


@dataclass(frozen=True)
class Raw:
    """Tables as a biller hands them over.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Dates as ``datetime64[us]``. ``visits`` is a declared table.
    """

    tables: Mapping[str, pd.DataFrame]

    def ledger(self, **options: Any) -> Ledger:
        """Our ledger of these tables."""
        tables = {name: frame for name, frame in self.tables.items() if name != "visits"}
        extra = {"visits": (self.tables["visits"], VISITS)} if "visits" in self.tables else {}
        return Ledger.from_tables(**tables, extra=extra, until=UNTIL, **options)

    def __repr__(self) -> str:
        shown = [f"-- {name}\n{frame.to_string()}" for name, frame in self.tables.items() if len(frame)]
        return "\n".join(["Raw", *shown])


# -- what was known when -------------------------------------------------------------------------------------


@cache
def bank_days() -> np.ndarray[Any, np.dtype[np.int64]]:
    """TARGET days of 2024 to 2026, by the closed form of Easter."""
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2027-01-01"))
    return np.array([day.astype(np.int64) for day in days if is_bank_day(day)], dtype=np.int64)


def is_bank_day(day: Any) -> bool:
    """Whether TARGET is open, from the closed form of Easter."""
    date = day.astype("M8[D]").item()
    fixed = {(1, 1), (5, 1), (12, 25), (12, 26)}
    from_easter = (date - easter(date.year)).days
    return date.weekday() < 5 and (date.month, date.day) not in fixed and from_easter not in (-2, 1)


def micro(frame: pd.DataFrame, column: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A date column in microseconds, NAT where it is missing or absent."""
    if column not in frame.columns:
        return np.full(len(frame), NAT)
    return frame[column].to_numpy().astype("M8[us]").astype(np.int64)


def close_of(moment: int) -> int:
    """A date is known at the last microsecond of its day, a moment at itself."""
    return moment + DAY - 1 if moment % DAY == 0 else moment


def default_known(name: str, row: Any, happened: int) -> int:
    """When a row without ``known_at`` is known."""
    if happened == NAT:
        return ALWAYS if name in LASTING else NAT
    if name == "usage":
        return close_of(happened + DAY)
    if name == "payments":
        days = bank_days()
        last_open = np.searchsorted(days, happened // DAY, side="right") - 1
        return close_of(int(days[last_open + 1]) * DAY + happened % DAY)
    if name == "schedule":
        issue = row["issue"]
        return close_of(happened - 30 * DAY if issue == NAT else issue)
    return close_of(happened)


def known_at(raw: Raw, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """When each row of a table became known: as stated, else by its date and lag; never before its parent."""
    frame = raw.tables[name]
    happened, stated = micro(frame, HAPPENS[name]), micro(frame, "known_at")
    issue = micro(frame, "expected_issue_on")
    known = np.array(
        [
            default_known(name, {"issue": issue[row]}, int(happened[row])) if stated[row] == NAT else stated[row]
            for row in range(len(frame))
        ],
        dtype=np.int64,
    )
    if name not in PARENTS:
        return known
    column, parent = PARENTS[name]
    first: dict[str, int] = {}
    for label, moment in zip(raw.tables[parent][column], known_at(raw, parent), strict=True):
        first[label] = min(first.get(label, NEVER), int(moment))
    of_parent = np.array([first.get(label, NEVER) for label in frame[column]], dtype=np.int64)
    if name == "instalments" and "known_at" not in frame.columns:
        return of_parent
    return np.maximum(known, of_parent)


def outside_the_law(raw: Raw, name: str) -> bool:
    """Lasting attributes without ``valid_from`` are today's values (rule 2)."""
    return name in LASTING and "valid_from" not in raw.tables[name].columns


def cell_known(raw: Raw, name: str, column: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """When each cell of a column that is filled in later was filled in."""
    source = micro(raw.tables[name], CELLS[name][column])
    late = np.array([NEVER if moment == NAT else close_of(int(moment)) for moment in source], dtype=np.int64)
    return np.maximum(late, known_at(raw, name))


def cut(raw: Raw, as_of: int) -> Raw:
    """Only what was known strictly before a moment: later rows gone, later cells empty."""
    tables = {}
    for name, frame in raw.tables.items():
        if outside_the_law(raw, name):
            tables[name] = frame
            continue
        kept = known_at(raw, name) < as_of
        later = {column: cell_known(raw, name, column) >= as_of for column in CELLS.get(name, {}) if column in frame}
        frame = frame.copy()
        for column, mask in later.items():
            frame[column] = frame[column].mask(pd.Series(mask, index=frame.index))
        tables[name] = frame[kept].reset_index(drop=True)
    return Raw(tables)


def scrambled(raw: Raw, as_of: int, seed: int) -> Raw:
    """Other values in everything that was not known before a moment, still not known before it."""
    rng = random.Random(seed)
    tables = {}
    for name, original in raw.tables.items():
        if outside_the_law(raw, name):
            tables[name] = original
            continue
        rows = np.flatnonzero(known_at(raw, name) >= as_of)
        frame = original.copy()
        for row in rows:
            _change_row(frame, name, int(row), rng)
        for column in [column for column in CELLS.get(name, {}) if column in frame]:
            _change_cells(raw, frame, name, column, as_of, rng)
        tables[name] = frame
    changed = Raw(tables)
    for name in tables:  # children of changed rows may not become known earlier than they were
        if not outside_the_law(raw, name):
            assert ((known_at(changed, name) >= as_of) == (known_at(raw, name) >= as_of)).all()
    return changed


def _change_row(frame: pd.DataFrame, name: str, row: int, rng: random.Random) -> None:
    stated = "known_at" in frame.columns and pd.notna(frame["known_at"].iloc[row])
    for column in frame.columns:
        place = (row, frame.columns.get_loc(column))
        if column in ("amount", "quantity", "value", "pages", "cost", "fixed_fee", "days_past_due"):
            frame.iloc[place] = rng.choice([1.0, 7.77, 5000.0])
        elif (name, column) in WORDS:
            frame.iloc[place] = rng.choice(WORDS[name, column])
        elif column in ("due_on", HAPPENS[name]) and stated and name != "instalments" and rng.random() < 0.5:
            frame.iloc[place] = _stamp(ZERO + rng.randrange(150) * DAY)


def _change_cells(raw: Raw, frame: pd.DataFrame, name: str, column: str, as_of: int, rng: random.Random) -> None:
    known = known_at(raw, name)
    for row in np.flatnonzero(cell_known(raw, name, column) >= as_of):
        if known[row] >= as_of:
            continue
        place = (int(row), frame.columns.get_loc(column))
        if column == CELLS[name][column]:
            frame.iloc[place] = _stamp((as_of // DAY + rng.randrange(1, 40)) * DAY)
        elif pd.notna(raw.tables[name][CELLS[name][column]].iloc[row]):
            frame.iloc[place] = rng.choice(WORDS.get((name, column), (frame.iloc[place],)))


def moments(raw: Raw) -> list[int]:
    """Moments worth asking at: each ``known_at`` to the microsecond, just after it, and midnights."""
    found = set()
    for name in raw.tables:
        found |= {int(moment) for moment in known_at(raw, name) if ZERO <= moment < NEVER}
        for column in CELLS.get(name, {}):
            if column in raw.tables[name]:
                found |= {int(moment) for moment in cell_known(raw, name, column) if moment < NEVER}
    edges = {moment + step for moment in found for step in (0, 1)}
    return sorted(edges | {moment // DAY * DAY for moment in found} | {ZERO + 60 * DAY})


# -- random tables -------------------------------------------------------------------------------------------


def _stamp(moment: int) -> pd.Timestamp:
    return pd.Timestamp(np.datetime64(moment, "us"))


class _Maker:
    """Makes the rows of one random biller."""

    def __init__(self, seed: int, *, stated: float) -> None:
        self.rng = random.Random(seed)
        self.stated = stated
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in HAPPENS}
        self.says_known = {name: self.rng.random() < stated for name in HAPPENS}

    def day(self, low: int, high: int) -> int:
        return ZERO + self.rng.randint(low, high) * DAY

    def pick(self, *choices: Any) -> Any:
        return self.rng.choice(choices)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def add(self, name: str, row: dict[str, Any], revise: float = 0.0, **changes: Any) -> None:
        """Add a row, with a lag of 0 to 60 days where the table says so, and perhaps a later version."""
        happened = row.get(HAPPENS[name])
        if self.says_known[name] and name != "schedule" and happened is not None:
            row["known_at"] = self.late(happened) if self.chance(0.8) else None
        elif self.says_known[name] and name == "schedule":
            row["known_at"] = happened - self.pick(0, 5, 30, 60) * DAY
        self.rows[name].append(row)
        if row.get("known_at") is not None and self.chance(revise):
            self.rows[name].append({**row, **changes, "known_at": self.late(row["known_at"] + DAY)})

    def late(self, moment: int) -> int:
        day = moment // DAY + self.pick(0, 0, 1, 1, 2, 5, 14, 30, 60)
        later = day * DAY + self.pick(0, DAY - 1, DAY - 1, 13 * 3_600_000_000)
        return max(later, moment)

    # -- one table each ------------------------------------------------------------------------------------

    def customer(self, c: str, valid_from: bool) -> None:
        regions = ("BE211", "BE211", "BE212", "FR1", None)
        base = {"customer_id": c, "segment": self.pick("b2c", "b2b"), "customer_since": self.day(-400, 0)}
        if not valid_from:
            self.rows["customers"].append({**base, "region": self.pick(*regions)})
            return
        for start in sorted(self.rng.sample((-500, -30, 0, 40, 41, 70), self.pick(1, 2, 3))):
            row = {**base, "region": self.pick(*regions), "valid_from": ZERO + start * DAY}
            self.add("customers", row, revise=0.4, region=self.pick(*regions))

    def account(self, c: str, valid_from: bool) -> None:
        words = ("transfer", "direct_debit", None)
        for start in sorted(self.rng.sample((-500, 20, 60), 2 if valid_from else 1)):
            row = {"account_id": f"a{c}", "customer_id": c, "collect_by": self.pick(*words)}
            if valid_from:
                self.add(
                    "accounts", {**row, "valid_from": ZERO + start * DAY}, revise=0.3, collect_by=self.pick(*words)
                )
            else:
                self.rows["accounts"].append(row)
        start = self.day(-300, 10)
        contract = {
            "contract_id": f"k{c}",
            "account_id": f"a{c}",
            "starts_on": start,
            "fixed_fee": self.pick(*AMOUNTS),
            "ends_on": self.day(30, 200),
            "notice_on": self.pick(None, self.day(10, 120)),
            "ended_by": self.pick("customer", None),
            "valid_from": start,
        }
        self.add("contracts", contract, revise=0.3, ends_on=self.day(30, 200), fixed_fee=self.pick(*AMOUNTS))

    def invoice(self, c: str, number: int) -> None:
        issued = self.day(0, 80)
        due = issued + self.pick(0, 7, 14, 14, 30) * DAY
        credit = self.chance(0.15)
        amount = self.pick(*AMOUNTS)
        row = {
            "invoice_id": f"{c}-{number}",
            "customer_id": c,
            "issued_on": issued,
            "due_on": due,
            "amount": -amount if credit else amount,
            "kind": "credit_note" if credit else self.pick("recurring", "fee"),
            "account_id": self.pick(None, f"a{c}"),
            "collect_by": self.pick(None, None, "direct_debit", "transfer"),
            "corrects_id": self.pick(None, f"{c}-{self.pick(0, 1)}") if credit else None,
            "withdrawn_on": None if credit or self.chance(0.85) else issued + self.pick(0, 3, 20, 60) * DAY,
        }
        change = self.pick("amount", "due_on", "both", "withdrawn_on")
        other = {}
        if change in ("amount", "both"):
            other["amount"] = (-1 if credit else 1) * self.pick(*AMOUNTS)
        if change in ("due_on", "both"):
            other["due_on"] = issued + self.pick(0, 7, 10, 30, 45) * DAY
        if change == "withdrawn_on" and not credit:
            other["withdrawn_on"] = issued + self.pick(1, 10, 40) * DAY
        self.add("invoices", row, revise=0.35, **other)
        if self.chance(0.3):
            event = {"invoice_id": row["invoice_id"], "happened_at": issued + self.pick(0, 2, 20) * DAY}
            event |= {"event": "due_changed", "due_on": due + self.pick(-3, 5, 10, 30) * DAY}
            self.add("invoice_events", event)
        if self.chance(0.3):
            self.add(
                "invoice_events",
                {"invoice_id": row["invoice_id"], "happened_at": issued, "event": self.pick("bounced", "viewed")},
            )
        if self.chance(0.25):
            self.dispute(c, self.pick(row["invoice_id"], row["invoice_id"], None), issued)
        if self.chance(0.25):
            plan = {"customer_id": c, "expected_due_on": due + self.pick(0, 0, 3, 20) * DAY, "amount": amount}
            plan |= {"account_id": row["account_id"], "kind": self.pick("advance", None)}
            plan["expected_issue_on"] = self.pick(None, issued - 10 * DAY)
            self.add("schedule", plan, revise=0.4, amount=self.pick(*AMOUNTS))

    def dispute(self, c: str, invoice: str | None, since: int) -> None:
        opened = since + self.pick(0, 5, 20) * DAY
        closed = self.pick(None, opened + self.pick(0, 10, 40) * DAY)
        row = {
            "dispute_id": f"d{len(self.rows['disputes'])}",
            "customer_id": c,
            "opened_on": opened,
            "invoice_id": invoice,
            "amount": self.pick(None, 5.0, 50.0),
            "kind": self.pick("dispute", "dispute", "complaint"),
            "closed_on": closed,
            "upheld": None if closed is None else self.pick(True, False),
        }
        self.add("disputes", row, revise=0.3, amount=self.pick(None, 1.0))

    def payment(self, c: str, number: int) -> None:
        own = [row for row in self.rows["invoices"] if row["customer_id"] == c and row["amount"] > 0]
        about = self.pick(*own) if own else None
        exact = 20.0 if about is None else abs(about["amount"])
        paid = (
            self.day(0, 110)
            if about is None or self.chance(0.4)
            else about["due_on"] + self.pick(-5, 0, 0, 3, 4, 10) * DAY
        )
        method = self.pick("transfer", "direct_debit", "card", None)
        row = {
            "payment_id": f"p{c}{number}",
            "customer_id": c,
            "paid_on": paid,
            "amount": self.pick(exact, exact, round(exact / 2 + 0.01, 2), exact + 5.0, self.pick(*AMOUNTS)),
            "event": self.pick(None, "settled"),
            "kind": self.pick(*["payment"] * 8, "write_off", "deposit", "payout", None),
            "invoice_id": about["invoice_id"] if about and self.chance(0.5) else self.pick(None, None, "nobody"),
            "method": method,
            "attempt": self.pick(None, 1.0),
            "value_on": self.pick(None, None, paid - DAY),
        }
        if method == "direct_debit" and self.chance(0.4):
            self.add("payments", {**row, "event": "initiated", "paid_on": paid - 3 * DAY, "value_on": None})
        self.add("payments", row, revise=0.25, amount=self.pick(*AMOUNTS), method=self.pick("cash", "card"))
        if self.chance(0.3):
            back = {
                **row,
                "event": self.pick("returned", "returned", "failed", "refunded", "reversed"),
                "value_on": None,
            }
            back |= {
                "paid_on": paid + self.pick(0, 1, 3, 7, 30) * DAY,
                "amount": self.pick(row["amount"], row["amount"], 5.0),
            }
            self.add("payments", {**back, "reason_code": self.pick("AM04", "MD01", "MS03", None)})
        if about and self.chance(0.25):
            part = {"payment_id": row["payment_id"], "invoice_id": self.pick(*own)["invoice_id"]}
            part |= {"amount": self.pick(row["amount"], 5.0), "allocated_on": paid + self.pick(0, 4, 20) * DAY}
            self.add("allocations", part, revise=0.3, amount=self.pick(1.0, 5.0, 50.0))

    def arrangement(self, c: str) -> None:
        own = [row for row in self.rows["invoices"] if row["customer_id"] == c and row["amount"] > 0]
        agreed = self.pick(*own)["issued_on"] + self.pick(0, 5, 12) * DAY if own else self.day(0, 60)
        ended = self.pick(None, agreed + self.pick(0, 20, 50) * DAY)
        name = f"r{c}"
        named = self.pick(
            None, ",".join(sorted({row["invoice_id"] for row in self.rng.sample(own, min(2, len(own)))})) or None
        )
        row = {
            "arrangement_id": name,
            "customer_id": c,
            "agreed_on": agreed,
            "invoice_ids": named,
            "ended_on": ended,
            "kind": self.pick("postponement", "instalments"),
            "ended_as": None if ended is None else self.pick("kept", "broken"),
        }
        self.add("arrangements", row, revise=0.4, ended_on=agreed + 30 * DAY, ended_as="replaced")
        for number in range(self.pick(1, 2, 3)):
            due = agreed + (number + 1) * self.pick(7, 14, 30) * DAY
            part: dict[str, Any] = {
                "arrangement_id": name,
                "number": number,
                "due_on": due,
                "amount": self.pick(*AMOUNTS),
            }
            if not self.says_known["instalments"]:
                self.rows["instalments"].append(part)
                continue
            part["known_at"] = self.pick(None, self.late(agreed))
            self.rows["instalments"].append(part)
            if part["known_at"] is not None and self.chance(0.4):
                later = {"due_on": due + self.pick(-6, 10) * DAY, "known_at": self.late(part["known_at"] + DAY)}
                self.rows["instalments"].append({**part, **later, "amount": self.pick(*AMOUNTS)})

    def signals(self, c: str) -> None:
        for number in range(self.pick(0, 2, 4)):
            row = {
                "customer_id": c,
                "used_on": self.day(0, 110),
                "quantity": self.pick(0.0, 1.0, 2.5, 7.0),
                "kind": self.pick("data", "voice", None),
            }
            self.add(
                "usage", {**row, "usage_id": f"u{c}{number}", "cost": self.pick(None, 0.5)}, revise=0.3, quantity=9.0
            )
        for number in range(self.pick(0, 1, 3)):
            at = self.day(0, 110) + self.pick(0, 36_000_000_000)
            answered = self.pick(None, at + self.pick(0, 3_600_000_000, 5 * DAY))
            rated = self.pick(None, at + 9 * DAY)
            row = {
                "contact_id": f"t{c}{number}",
                "customer_id": c,
                "contacted_at": at,
                "channel": self.pick("phone", "mail"),
                "outcome": None if answered is None else self.pick("promise", "no_answer"),
                "outcome_at": answered,
                "accepted": None if answered is None else self.pick(True, False),
                "rated_on": rated,
                "satisfaction": None if rated is None else self.pick(1.0, 5.0),
            }
            self.add("contacts", row, revise=0.2, channel="letter")
        for _ in range(self.pick(0, 2)):
            row = {"customer_id": c, "observed_on": self.day(0, 110), "days_past_due": self.pick(0.0, 5.0, 31.0)}
            self.add("arrears", row, revise=0.3, days_past_due=60.0)
        for number in range(self.pick(0, 1)):
            row = {"mandate_id": f"m{c}{number}", "customer_id": c, "event_on": self.day(0, 90)}
            self.add("mandates", {**row, "event": self.pick("signed", "cancelled")})
        for _ in range(self.pick(0, 2, 3)):
            row = {"customer_id": c, "seen_on": self.day(0, 110), "pages": self.pick(1.0, 2.0, None)}
            self.add("visits", {**row, "topic": self.pick("bill", "offer", None)})

    def frames(self) -> dict[str, pd.DataFrame]:
        frames = {}
        for name, rows in self.rows.items():
            if not rows and name not in _EMPTY:
                continue
            self.rng.shuffle(rows)
            frame = pd.DataFrame(rows, columns=None if rows else list(_EMPTY[name]))
            for column in frame.columns:
                if column.endswith("_on") or column in (
                    "known_at",
                    "happened_at",
                    "valid_from",
                    "outcome_at",
                    "customer_since",
                    "contacted_at",
                ):
                    values = [NAT if pd.isna(value) else int(value) for value in frame[column]]
                    frame[column] = np.array(values, dtype=np.int64).astype("M8[us]")
                elif column in ("accepted", "upheld") or not pd.api.types.is_numeric_dtype(frame[column].dtype):
                    frame[column] = frame[column].astype("object")
            frames[name] = frame
        return frames


_EMPTY = {
    "invoices": ("invoice_id", "customer_id", "issued_on", "due_on", "amount"),
    "payments": ("payment_id", "customer_id", "paid_on", "amount"),
    "visits": ("customer_id", "seen_on", "pages", "topic"),
}


def random_tables(seed: int, customers: int = 3, invoices: int = 3, stated: float = 0.75) -> Raw:
    """Tables of one small random biller; the same arguments give the same tables.

    Parameters
    ----------
    seed : int
    customers, invoices : int
        Debtors, and invoices of each at most.
    stated : float
        Share of the tables that state ``known_at``.
    """
    make = _Maker(seed, stated=stated)
    names = [f"c{number}" for number in range(customers)]
    history, accounts, describe = make.chance(0.6), make.chance(0.5), make.chance(0.85)
    for c in names:
        if describe and make.chance(0.9):
            make.customer(c, history)
        if accounts:
            make.account(c, history)
        for number in range(make.rng.randint(1, max(invoices, 1))):
            make.invoice(c, number)
        for number in range(make.rng.randint(0, invoices + 1)):
            make.payment(c, number)
        if make.chance(0.35):
            make.arrangement(c)
        make.signals(c)
    if seed % 8 == 4:  # a long history now and then, for what needs many facts
        for number in range(12):
            row = {
                "customer_id": "c0",
                "used_on": ZERO + number * 5 * DAY,
                "quantity": number % 3 + 1.0,
                "usage_id": f"long{number}",
            }
            make.rows["usage"].append({**row, "kind": "voice", "cost": None})
    for region in ("BE2", "BE21", "BE211", "FR1"):
        for _ in range(make.pick(0, 1, 2)):
            row = {
                "region": region,
                "published_on": make.day(0, 100),
                "metric": "unemployment",
                "value": make.pick(1.0, 2.0, 3.0),
            }
            make.add("regions", row, revise=0.3, value=8.0)
    return Raw(make.frames())


@st.composite
def ledgers(draw: st.DrawFn) -> Raw:
    """Random raw tables; sizes shrink."""
    return random_tables(
        draw(st.integers(0, 2**32 - 1)),
        customers=draw(st.integers(1, 4)),
        invoices=draw(st.integers(1, 4)),
        stated=draw(st.sampled_from([1.0, 0.75, 0.0])),
    )


@st.composite
def ledgers_and_moments(draw: st.DrawFn) -> tuple[Raw, int]:
    """Random raw tables and a moment: often one at which a fact becomes known."""
    raw = draw(ledgers())
    return raw, draw(st.sampled_from(moments(raw)))
