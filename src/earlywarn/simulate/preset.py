"""A preset: the figures that make one kind of biller and its customers, read from TOML with the source of each."""

from __future__ import annotations

import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from earlywarn.errors import DataError, suggest

__all__ = ["Preset", "preset_text", "presets", "read_preset"]

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Days = Annotated[int, Field(ge=0)]
FOLDER = files("earlywarn.simulate") / "presets"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class People(_Part):
    """Who the customers are: shares, and what sets some of them apart."""

    business: Share
    direct_debit: Share = Field(description="share of accounts that the biller collects from")
    cards: Share = Field(description="share of the others that pays by card")
    joins: Share = Field(description="share that joins on the way, over 24 months")
    campaign: Share = Field(description="share of the new that came through the campaign")
    campaign_means: float = Field(description="by how much means are shorter for them")
    second_contract: Share
    channels: dict[Literal["email", "app", "sms", "letter"], Share]


class Bill(_Part):
    """What is billed and when."""

    scheme: Literal["allowance", "metered", "advance"]
    months: Annotated[int, Field(ge=1, le=12)] = Field(default=1, description="months from one bill to the next")
    per_month: Annotated[int, Field(ge=1, le=4)] = Field(default=1, description="bills a month, where months is 1")
    terms: tuple[Days, ...] = Field(description="days to pay, one of these for each account")
    fee: NotNegative = Field(description="median fixed amount a month, of a private customer")
    fee_spread: NotNegative = Field(description="standard deviation of its logarithm")
    price: NotNegative = Field(description="of a unit that is used (above the allowance, where there is one)")
    headroom: Positive = Field(default=1.0, description="allowance over usual use")
    business_times: Positive = Field(description="how many times larger a business is")
    device: Share = Field(default=0.0, description="share of accounts that pay a device off")
    discount: Share = Field(default=0.0, description="share of accounts that begin with a discount of a quarter")
    fixed_price: Share = Field(default=0.0, description="share of contracts whose price is fixed for a year")
    advance_error: NotNegative = Field(default=0.0, description="spread of the advance around the yearly cost over 12")


class Spike(_Part):
    """A cause of much more use for some days."""

    share: Share
    times: Positive = Field(description="median factor on use")
    days: Positive = Field(description="mean length")


class Use(_Part):
    """What is used."""

    kind: str
    unit: str
    level: Positive = Field(description="median use a day, of a private customer")
    spread: NotNegative = Field(description="standard deviation of the logarithm, between customers")
    noise: NotNegative = Field(description="and from one read to the next")
    season: Annotated[float, Field(ge=0, lt=1)]
    peak_month: Annotated[int, Field(ge=1, le=12)]
    weekend: Positive = Field(description="use of a Saturday or Sunday over that of a working day")
    spikes: NotNegative = Field(description="a year and contract")
    causes: dict[str, Spike]


class Attention(_Part):
    """How bills are noticed: attended on a day, or put away and forgotten."""

    habit_days: NotNegative = Field(description="median days after issue from which a bill is attended to")
    habit_spread: NotNegative = Field(description="standard deviation between customers, days")
    eager: Share = Field(description="chance a day to attend to it from then on")
    forgets: Share = Field(description="mean share of bills that are put away")
    forgets_shape: Positive = Field(description="the smaller, the fewer customers do most of the forgetting")
    remembers: Share = Field(description="chance a day to come across a bill that was put away")
    reads: dict[Literal["email", "app", "sms", "letter"], Share] = Field(description="messages read within a day")
    reads_spread: NotNegative = Field(description="between customers, log-odds")
    bounces: Share
    drifting: Share = Field(default=0.0, description="share of customers who attend to bills later and later")
    drift_days: NotNegative = Field(default=0.5, description="days later, each month")


class Means(_Part):
    """Whether a bill can be paid on a day, in units of the spread of means between days."""

    slack: float = Field(description="mean over customers; a usual bill can be paid above 0")
    between: NotNegative = Field(description="standard deviation between customers")
    within: NotNegative = Field(description="and of one customer over time")
    weeks: Positive = Field(description="how long means stay: the time of the autoregression")
    payday: NotNegative = Field(description="how much means swing from payday to payday")
    other_bills: NotNegative = Field(description="what other bills of the month take until payday")
    shocks: NotNegative = Field(description="losses of income a year, where unemployment is 5%")
    shock: NotNegative = Field(description="what such a loss takes")
    shock_weeks: Positive
    region: NotNegative = Field(description="how the rate of shocks follows unemployment; 0: region plays no part")
    strain: NotNegative = Field(description="means that a bill of e times the usual one needs")
    season: tuple[float, ...] = Field(min_length=12, max_length=12, description="what each month takes")
    part_payment: Share = Field(description="mean inclination to pay half when the whole is too much")
    asks: Share = Field(description="chance to ask for another day when means are short")


class Disputes(_Part):
    """Bills that are not accepted."""

    at_shock: Share
    at_error: Share
    otherwise: Share
    days: Positive = Field(description="mean time to solve one")


class Biller(_Part):
    """What the biller does, and gets wrong."""

    errors: Share = Field(description="share of wrong bills, too high by half")
    outages: NotNegative = Field(description="a year and region")
    other_returns: Share = Field(description="collections returned for the account or the mandate")
    returned_after: dict[Literal["1", "2", "3", "4", "5"], Share] = Field(
        description="shares by the bank days until a collection comes back"
    )
    retry_days: Days
    reminders: tuple[Days, Days] = Field(description="days after due of the first and the second")
    reads_reminder: Share
    written_off: Days = Field(description="days after due")
    unnamed: Share = Field(default=0.1, description="share of transfers that name no invoice")
    agrees: Share = Field(description="chance that a plan in instalments is agreed at the second reminder")

    @field_validator("returned_after")
    @classmethod
    def _add_up(cls, shares: dict[str, float]) -> dict[str, float]:
        if abs(sum(shares.values()) - 1) > 1e-9:
            raise ValueError(f"the shares add up to {sum(shares.values()):g}, not to 1")
        return shares


class Contacts(_Part):
    """What contacts do, by mechanism."""

    reach: Share = Field(description="median chance to be reached by one call")
    reach_spread: NotNegative = Field(description="between customers, log-odds")
    window_spread: NotNegative = Field(description="between windows of one customer, log-odds")
    resolves: Share = Field(description="chance that a call solves a dispute about a high bill")
    accepts: Share = Field(description="chance that an offer is accepted when means are short")
    heeds: Share = Field(description="chance to use no more than usual once told of high use")
    answers: Share = Field(description="chance that a satisfaction survey is answered")
    annoys: dict[Literal["notice", "call", "reminder"], NotNegative]
    forgiven: Positive = Field(description="days until annoyance has fallen to a third")


class Leaving(_Part):
    """What makes customers leave, log-odds a month."""

    usual: Share = Field(description="chance a month")
    annoyance: NotNegative
    good_payer: NotNegative = Field(description="by how much more annoyance weighs for who always paid in time")
    shock: NotNegative
    dispute: NotNegative


class Preset(_Part):
    """A kind of biller and its customers; see the comments of the shipped files for where each figure comes from.

    Examples
    --------
    >>> preset = read_preset("telecom")
    >>> preset.name, preset.bill.scheme
    ('telecom', 'allowance')
    """

    name: str
    people: People
    bill: Bill
    use: Use
    attention: Attention
    means: Means
    disputes: Disputes
    biller: Biller
    contacts: Contacts
    leaving: Leaving

    @property
    def without_spikes(self) -> Preset:
        """The same, where nobody uses more than usual."""
        return self.model_copy(update={"use": self.use.model_copy(update={"spikes": 0.0})})


def presets() -> tuple[str, ...]:
    """Names of the shipped presets.

    Examples
    --------
    >>> presets()
    ('bank', 'energy', 'insurance', 'telecom', 'water', 'wholesale')
    """
    return tuple(sorted(item.name.removesuffix(".toml") for item in FOLDER.iterdir() if item.name.endswith(".toml")))


def read_preset(name: str | os.PathLike[str] | Preset, **changes: dict[str, Any]) -> Preset:
    """Read a preset.

    Parameters
    ----------
    name : str or path
        One of `presets`, or a TOML file of the same form.
    **changes : dict
        Parts of which some figures are replaced, such as ``attention={"forgets": 0.0}``.

    Returns
    -------
    Preset

    Raises
    ------
    DataError
        D185 when there is no such preset, D186 when it cannot be read, with every fault.
    """
    raw = name.model_dump() if isinstance(name, Preset) else _read(name)
    for part, figures in changes.items():
        raw[part] = {**raw.get(part, {}), **figures}
    try:
        return Preset.model_validate(raw)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise DataError(
            f"the preset {raw.get('name', name)} cannot be used.",
            code="D186",
            found="\n       ".join(found),
            hint="compare with the shipped files in earlywarn/simulate/presets.",
        ) from None


def preset_text(name: str | os.PathLike[str]) -> str:
    """The text of a preset's file, comments included.

    Parameters
    ----------
    name : str or path

    Returns
    -------
    str

    Raises
    ------
    DataError
        D185 when there is no such preset.
    """
    try:
        if isinstance(name, str) and name in presets():
            return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
        return Path(name).read_text("utf-8")
    except FileNotFoundError:
        raise DataError(f"there is no preset {str(name)!r}.", code="D185", hint=suggest(str(name), presets())) from None


def _read(name: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        raw = tomllib.loads(preset_text(name))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{name} is not TOML.", code="D186", found=str(error)) from None
    if "like" not in raw:
        return raw
    other = _read(raw.pop("like"))
    return {
        part: {**other[part], **raw.get(part, {})}
        if isinstance(other.get(part), dict)
        else raw.get(part, other.get(part))
        for part in {**other, **raw}
    }
