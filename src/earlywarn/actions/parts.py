"""What a policy file may hold: its parts, with the type and range of every value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Action", "Angle", "Rules", "Signal", "conditions"]

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Days = Annotated[int, Field(ge=0)]
Words = Annotated[tuple[str, ...], Field(strict=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Bands(_Part):
    """p_late from which a risk is medium, and high."""

    medium: Share
    high: Share


class Thresholds(_Part):
    """Single numbers, see the comments of the shipped policy."""

    grace_days: Days = 3
    arrears_amount: Amount = 1.0
    mandatory_hours: Days = 48
    transit_days: Days = 21


class Cap(_Part):
    """At most so many outbound contacts in so many days."""

    days: Annotated[int, Field(ge=1)]
    most: Days


class MayStill(_Part):
    """What may go out although something is overdue."""

    action: str
    signal: Literal["usage_or_bill"]
    angles: Words


class Gate(_Part):
    """Where a stopped debtor goes, and which holds stop."""

    route: str
    holds: Words = ()
    role: str | None = None
    may_still: MayStill | None = None


class Signal(_Part):
    """When a signal holds, whether p_late must reach the action's p_min too, and the money at stake."""

    when: str
    needs_p: bool
    at_stake: str | None = None


class Choice(_Part):
    """One action that a cell allows."""

    angle: str
    at_stake_min: Amount = 0.0


class Action(_Part):
    """One action: who does it, how, within which limit, and from what risk and amount on."""

    role: Literal["customer_service", "care_agent", "account_manager"] = "customer_service"
    channels: Words = ()
    limit: str | None = None
    p_min: Share = 0.0
    amount_min: Amount = 0.0
    lead_min_days: Days = 1
    lead_max_days: Days = 35
    valid_days: Annotated[int, Field(ge=1)] = 3
    automatic: bool = False


class Angle(_Part):
    """What a contact is about."""

    tone: str
    asks_for_payment: bool = False
    commercial: bool = False
    with_direct_debit: str | None = None


class Channel(_Part):
    """What a channel needs."""

    lead_days: Days = 0
    opt_in: bool = False


@dataclass(frozen=True)
class Rules:
    """The content of a policy file, checked; one field for each of its top-level keys."""

    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[\w.@-]{1,60}$")]
    ladder: Words
    limits: Words
    purposes: Annotated[tuple[Literal["service_predue", "reminder"], ...], Field(strict=False)]
    bands: Bands
    thresholds: Thresholds
    contact_caps: Annotated[tuple[Cap, ...], Field(strict=False)]
    gates: dict[str, Gate]
    history: dict[str, str]
    if_late: dict[str, Literal["soft", "standard", "human"]]
    signals: dict[str, Signal]
    cells: dict[str, dict[str, dict[str, Choice]]]
    actions: dict[str, Action]
    angles: dict[str, Angle]
    channels: dict[str, Channel]

    def conditions(self) -> dict[str, str]:
        """Every expression of the policy by the key where it stands."""
        return dict(conditions(self.history, self.signals))


def conditions(history: Mapping[str, str], signals: Mapping[str, Signal]) -> Iterator[tuple[str, str]]:
    """Every expression with the key where it stands."""
    yield from ((f"history.{name}", text) for name, text in history.items())
    for name, signal in signals.items():
        yield f"signals.{name}.when", signal.when
        if signal.at_stake is not None:
            yield f"signals.{name}.at_stake", signal.at_stake
