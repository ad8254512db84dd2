"""The leakage audit: make everything again from data cut at ``as_of`` and list what comes out differently.

It holds for features in the language and for any function that turns a ledger and observations into a matrix,
and for the observations themselves: those that could not have been made then, and those that were chosen by
what only became known later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import exp, lgamma
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.errors import FeatureError
from earlywarn.features.build import compute, need_observations
from earlywarn.features.definition import Feature, need_features
from earlywarn.outcomes import STAGES, Outcome
from earlywarn.outcomes.cycles import CYCLE
from earlywarn.outcomes.obligations import obligations
from earlywarn.outcomes.running import numbers_of
from earlywarn.tables.handed_over import need_ledger
from earlywarn.tables.ledger import Ledger

__all__ = ["audit_leakage"]

Build: TypeAlias = Callable[[Ledger, pd.DataFrame], Any]
Observe: TypeAlias = Callable[[Ledger], pd.DataFrame]
Mask = npt.NDArray[np.bool_]
_Finding: TypeAlias = tuple[object, object, str, str, str]
_COLUMNS = ["observation", "as_of", "what", "full", "cut"]
#: Columns of the observations that are held against what was known then.
_VALUES = ("due_on", "amount", "open_amount", "amount_low", "amount_high")
#: Numbers of a user's function that differ by less, relative, are rounding.
_ROUNDING = 1e-9
#: A choice of observations is reported when chance would make it more rarely than this.
_CHANCE = 1e-3


def audit_leakage(
    features: Iterable[Feature] | Build,
    ledger: Ledger,
    obs: pd.DataFrame | Observe,
    *,
    moments: int = 20,
    progress: Callable[[float], None] | None = None,
) -> pd.DataFrame:
    """Make features and observations again from data cut at ``as_of``, and list every difference.

    Parameters
    ----------
    features : iterable of Feature, or callable
        A callable is your own ``build(ledger, obs)``: it gives a DataFrame with a row for each observation. It is
        handed the cut ledger with the observations made up to then; what it reads from elsewhere than these two
        cannot be cut, and so not be seen.
    ledger : Ledger
    obs : DataFrame, or callable
        Observations as they are used for training, however they were made: customer_id and as_of, obligation_id
        or invoice_id where they shall be looked at, lead_days where their choice shall. A callable
        ``observe(ledger)`` makes them, and is run again on the cut ledger: nothing that it does with the future
        stays unseen. Of obligations that the ledger does not have, only the features are looked at.
    moments : int
        How many different ``as_of`` are looked at, spread evenly over the observations.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    DataFrame
        observation (index label), as_of, what, full and cut (values as text). Empty when clean. ``what`` is

        - a column of the matrix: its value changes when later facts are gone,
        - ``row``: the build gave a row only with, or only without, the later facts,
        - ``eligible``: this could not have been observed then,
        - ``due_on``, ``amount``, ``open_amount``, ``amount_low``, ``amount_high``: it looked otherwise then (running
          periods are held against the projection from this ledger, not from a pool of several),
        - ``left_out``: ``observe`` leaves out what it would have made then (observation is its id),
        - ``selection``: which observations were kept goes by what became known after them (observation is
          missing); it is looked for among the debtors who were kept, and found when it is complete. Running periods
          are looked for at the shares of the period that `Outcome` observes by itself.

        ``attrs["moments"]`` holds the moments that were looked at.

    Raises
    ------
    FeatureError
        F247 when a build gives no matrix of the observations, F248 when it gives other values for the same data,
        F225 when the observations lack customer_id or as_of, F229 when features are something else.
    DataError
        D109 when the data are no ledger.

    Examples
    --------
    >>> ledger = Ledger.from_tables(
    ...     invoices=pd.DataFrame(
    ...         {
    ...             "invoice_id": ["A"],
    ...             "customer_id": ["c"],
    ...             "issued_on": ["2026-03-01"],
    ...             "due_on": ["2026-03-15"],
    ...             "amount": [50.0],
    ...         }
    ...     ),
    ...     payments=pd.DataFrame(
    ...         {"payment_id": ["p"], "customer_id": ["c"], "paid_on": ["2026-03-20"], "amount": [50.0]}
    ...     ),
    ... )
    >>> obs = Outcome(lead_days=7).observations(ledger)
    >>> len(audit_leakage([Feature("invoices_count_90d", "count(invoices, days=90)")], ledger, obs))
    0
    >>> def payments_ever(ledger, obs):
    ...     paid = ledger.frame("payments").groupby("customer_id")["amount"].sum()
    ...     return pd.DataFrame({"paid": obs["customer_id"].map(paid)})
    >>> audit_leakage(payments_ever, ledger, obs)[["as_of", "what", "full", "cut"]]
           as_of  what  full  cut
    0 2026-03-08  paid  50.0  nan
    """
    ledger = need_ledger(ledger, "audit_leakage")
    if not callable(features):
        features = need_features(features)
    made = obs(ledger) if callable(obs) else obs
    need_observations(made)
    outcome = Outcome(stages=STAGES) if _names_cycles(made) else Outcome()
    every = np.unique(made["as_of"].to_numpy())
    picked = every[np.unique(np.linspace(0, len(every) - 1, min(moments, len(every))).astype(int))]
    matrix = _Built(features, ledger, made) if callable(features) else _Computed(list(features), ledger, made, picked)
    found: list[_Finding] = []
    for done, as_of in enumerate(picked, start=1):
        cut = ledger.known_before(pd.Timestamp(as_of))
        here = made[made["as_of"].to_numpy() == as_of]
        found += matrix.differences(cut, here)
        found += _not_eligible(outcome, ledger, cut, here)
        if callable(obs):
            found += _left_out(obs(cut), here, as_of)
        if progress is not None:
            progress(done / len(picked))
    if not callable(obs) and len(picked):
        found += _selection(outcome, ledger, made, picked)
    result = pd.DataFrame(found, columns=_COLUMNS)
    result.attrs["moments"] = [pd.Timestamp(as_of) for as_of in picked]
    return result


# -- the matrix ------------------------------------------------------------------------------------------------


class _Computed:
    """Features in the language: each row stands for itself, so only the rows of a moment are made again."""

    def __init__(self, features: list[Feature], ledger: Ledger, obs: pd.DataFrame, picked: npt.NDArray[Any]) -> None:
        self.features = features
        self.full = compute(features, ledger, obs[obs["as_of"].isin(picked)]) if features else None

    def differences(self, cut: Ledger, here: pd.DataFrame) -> list[_Finding]:
        """What differs in the rows of one moment."""
        if self.full is None:
            return []
        return list(_differences(self.full.loc[here.index], compute(self.features, cut, here), here, 0.0))


class _Built:
    """A function of the user's own: it is handed all observations up to a moment, as it would have been then."""

    def __init__(self, build: Build, ledger: Ledger, obs: pd.DataFrame) -> None:
        self.build, self.ledger, self.obs = build, ledger, obs
        self.full = _matrix(build, ledger, obs)
        self.trusted = False

    def differences(self, cut: Ledger, here: pd.DataFrame) -> list[_Finding]:
        """What differs in the rows of one moment; the first time, whether the function repeats itself."""
        until_then = self.obs[self.obs["as_of"] <= here["as_of"].iloc[0]]
        found = self._held_against(_matrix(self.build, cut, until_then), here)
        if found and not self.trusted:
            self._check_repeats()
        return found

    def _held_against(self, again: pd.DataFrame, here: pd.DataFrame) -> list[_Finding]:
        one, other = self.full.index.isin(here.index), again.index.isin(here.index)
        both = here[here.index.isin(self.full.index) & here.index.isin(again.index)]
        found = list(_differences(self.full[one].loc[both.index], again[other].loc[both.index], both, _ROUNDING))
        for frame, words in ((self.full[one], ("yes", "no")), (again[other], ("no", "yes"))):
            lonely = here[here.index.isin(frame.index) & ~here.index.isin(both.index)]
            found += [(label, as_of, "row", *words) for label, as_of in lonely["as_of"].items()]
        return found

    def _check_repeats(self) -> None:
        again = _matrix(self.build, self.ledger, self.obs)
        if self._held_against(again, self.obs):
            raise FeatureError(
                f"{_name(self.build)} gives other values when it is run on the same data again.",
                code="F248",
                hint="fix the seed of what it draws at random, and let it keep nothing between its calls.",
            )
        self.trusted = True


def _matrix(build: Build, ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame:
    """What a build gives, its rows under the labels of the observations."""
    result = build(ledger, obs.copy())
    frame = result.to_frame() if isinstance(result, pd.Series) else result
    if isinstance(frame, pd.DataFrame) and frame.index.is_unique and frame.columns.is_unique:
        if frame.index.isin(obs.index).all():
            return frame
        if len(frame) == len(obs):
            return frame.set_axis(obs.index)
    shape = frame.shape if isinstance(frame, pd.DataFrame) else type(result).__name__
    raise FeatureError(
        f"{_name(build)} gives no matrix of the {len(obs)} observations.",
        code="F247",
        found=f"{shape}",
        hint="give a DataFrame with the index of obs, and each column once.",
    )


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _differences(one: pd.DataFrame, other: pd.DataFrame, here: pd.DataFrame, rounding: float) -> Iterator[_Finding]:
    """Cells that differ, columns that only one of two matrices has included."""
    for name in dict.fromkeys([*one.columns, *other.columns]):
        absent = pd.Series("no such column", index=here.index)
        full, cut = one.get(name, absent), other.get(name, absent)
        for place in np.flatnonzero(~_equal(full, cut, rounding)):
            label = here.index[int(place)]
            yield label, here["as_of"].iloc[place], str(name), str(full.iloc[place]), str(cut.iloc[place])


def _equal(one: pd.Series[Any], other: pd.Series[Any], rounding: float) -> Mask:
    """Where two columns say the same: numbers but for rounding, all else to the letter, both missing."""
    if pd.api.types.is_numeric_dtype(one.dtype) and pd.api.types.is_numeric_dtype(other.dtype):
        a, b = (column.to_numpy(dtype=np.float64, na_value=np.nan) for column in (one, other))
        return np.asarray(np.isclose(a, b, rtol=rounding, atol=rounding, equal_nan=True))
    missing = one.isna().to_numpy() & other.isna().to_numpy()
    same = [x is y or bool(np.all(x == y)) for x, y in zip(one.astype("object"), other.astype("object"), strict=True)]
    return np.asarray(missing | np.asarray(same, dtype=bool))


# -- the observations ------------------------------------------------------------------------------------------


def _names_cycles(obs: pd.DataFrame) -> bool:
    """Whether running periods were observed: bills that ended one bear its id then."""
    ids, stages = (obs.get(name, pd.Series(dtype="str")).astype("str") for name in ("obligation_id", "stage"))
    return bool(ids.str.startswith(CYCLE).any() or (stages == STAGES[0]).any())


def _known(outcome: Outcome, ledger: Ledger, ids: pd.Series[Any]) -> Mask:
    """Which ids the ledger has under the names that an outcome gives."""
    there = ids.isin(obligations(ledger, cycles=outcome.sees_cycles).ids).to_numpy(dtype=bool)
    return there | (numbers_of(ledger, ids) >= 0) if outcome.sees_cycles else there


def _not_eligible(outcome: Outcome, ledger: Ledger, cut: Ledger, here: pd.DataFrame) -> list[_Finding]:
    """Observations that could not have been made then, or looked otherwise."""
    key = _key(here)
    if key is None or "due_on" not in here:
        return []
    if key == "obligation_id":
        here = here[_known(outcome, ledger, here[key])]
    else:
        here = here[here[key].isin(ledger.facts("invoices").text("invoice_id").labels)]
    if not len(here):
        return []
    as_of = here["as_of"].iloc[0]
    ahead = int((here["due_on"].max() - as_of) / pd.Timedelta(days=1)) + 1
    standing = outcome.standing(cut, as_of, max(ahead, 0), disputed=True).dropna(subset=[key])
    then = standing.drop_duplicates(key).set_index(key).reindex(here[key]).set_axis(here.index)
    stood = then["as_of"].notna()
    found: list[_Finding] = [(label, as_of, "eligible", "yes", "no") for label in here.index[~stood]]
    values = [name for name in _VALUES if name in here]
    return found + list(_differences(here.loc[stood, values], then.loc[stood, values], here[stood], _ROUNDING))


def _key(obs: pd.DataFrame) -> str | None:
    return next((name for name in ("obligation_id", "invoice_id") if name in obs), None)


def _left_out(again: pd.DataFrame, here: pd.DataFrame, as_of: Any) -> list[_Finding]:
    """What ``observe`` makes from the cut ledger and not from the whole one, and the other way round."""
    key = _key(again) or "customer_id"
    then = again.loc[again["as_of"].to_numpy() == as_of, key]
    strange = here.index[~here[key].isin(then)]
    found: list[_Finding] = [(label, pd.Timestamp(as_of), "eligible", "yes", "no") for label in strange]
    return found + [(name, pd.Timestamp(as_of), "left_out", "no", "yes") for name in then[~then.isin(here[key])]]


def _could(outcome: Outcome, ledger: Ledger, obs: pd.DataFrame) -> pd.DataFrame | None:
    """What could have been observed: bills at the leads of the observations, running periods at the usual shares."""
    running = (obs["stage"] == STAGES[0]).to_numpy(dtype=bool) if "stage" in obs else np.zeros(len(obs), dtype=bool)
    leads = tuple(int(lead) for lead in obs["lead_days"][~running].unique() if lead >= 0)
    if leads:
        return replace(outcome, lead_days=leads).observations(ledger)
    return Outcome(stages=STAGES[:1]).observations(ledger) if running.any() else None


def _selection(outcome: Outcome, ledger: Ledger, obs: pd.DataFrame, picked: npt.NDArray[Any]) -> list[_Finding]:
    """Whether being kept among what could have been observed goes by what became known later."""
    if not {"obligation_id", "lead_days"} <= set(obs):
        return []
    could = _could(outcome, ledger, obs)
    if could is None:
        return []
    seen = could["as_of"].isin(picked) & (could["matures_at"] <= ledger.until)
    seen &= could["customer_id"].isin(obs["customer_id"])
    if "stage" in obs:
        seen &= could["stage"].isin(obs["stage"])
    could = could[seen]
    kept = pd.MultiIndex.from_frame(could[["obligation_id", "as_of"]]).isin(
        pd.MultiIndex.from_frame(obs[["obligation_id", "as_of"]])
    )
    late = (outcome.label(ledger, could) == 1).to_numpy(dtype=bool, na_value=False)
    at_the_end = outcome.standing(ledger, ledger.until + pd.Timedelta(microseconds=1), 0)["obligation_id"]
    unpaid = could["obligation_id"].isin(at_the_end).to_numpy()
    found: list[_Finding] = []
    for later, words in ((unpaid, "unpaid when the data end"), (late, "late"), (~late, "in time")):
        if not kept.any() or (later & kept).any() or _chance(later, kept) > _CHANCE:
            continue
        full = f"none of the {kept.sum():,} kept was {words}"
        cut = f"{(later & ~kept).sum():,} of the {(~kept).sum():,} left out were"
        found.append((None, pd.NaT, "selection", full, cut))
    return found


def _chance(later: Mask, kept: Mask) -> float:
    """Probability that as many drawn at random hold none of the marked: hypergeometric, at 0."""
    total, marked, drawn = len(later), int(later.sum()), int(kept.sum())
    if marked + drawn > total:
        return 0.0

    def ways(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    return exp(ways(total - marked, drawn) - ways(total, drawn))
