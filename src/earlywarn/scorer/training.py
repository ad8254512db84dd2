"""From a ledger to a Scorer: observe, compute, learn, with everything that goes with a risk model."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import clone

from earlywarn.actions.policy import Policy
from earlywarn.errors import NotEnoughHistoryError
from earlywarn.features.catalogue import FeatureSet
from earlywarn.outcomes import Outcome
from earlywarn.risk.base_rates import BaseRates
from earlywarn.risk.calibrated import CalibratedModel
from earlywarn.risk.hazard import PaymentDayModel
from earlywarn.risk.model import RiskModel
from earlywarn.risk.newcomers import groups_of, has_history
from earlywarn.risk.rows import is_enough
from earlywarn.risk.tuning import tune as choose
from earlywarn.scorer.scorer import Scorer
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.store import LedgerStore

__all__ = ["train"]

#: As in xgboost. Such bills are rare, so a leaf of the usual weight would have to hold thousands of them.
SHOCK_CHILD_WEIGHT = 1.0
Progress = Callable[[float], None]


def train(
    features: FeatureSet,
    outcome: Outcome,
    ledger: Ledger | LedgerStore,
    policy: Policy | None = None,
    *,
    model: CalibratedModel | None = None,
    tune: int = 0,
    days: bool = True,
    start: Any = None,
    end: Any = None,
    holdout: Collection[str] | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Scorer:
    """Learn all that a scorer holds from what has matured.

    Every obligation is observed before its due day. Those whose outcome is known train the risk model, obligations
    weighed alike; contacts between observation and outcome are accounted for: risk, base rates and days of payment are
    those without one. With running periods among the stages a
    model of bills far above usual is trained as well. How often groups of customers pay late is kept for debtors of
    whom nothing is known yet; it scores them where the model has seen too few such debtors to have learned from.

    Parameters
    ----------
    features : FeatureSet
    outcome : Outcome
    ledger : Ledger or LedgerStore
    policy : Policy, optional
        The shipped one when left out.
    model : RiskModel or Scorecard, optional
        Unfitted, with parameters of your own; it is cloned.
    tune : int
        Parameters to try on folds of time before, see `earlywarn.tune`.
    days : bool
        Also learn when bills are paid, for `Scorer.pay_days` and `Scorer.exposure`.
    start, end : date-like, optional
        First and last moment observed; all that is known when left out.
    holdout : collection of str, optional
        Ids of customers who were left alone by lot: where there are enough, they calibrate.
    random_state : int
        Seed of the models, where ``model`` is left out.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    Scorer
        ``scorer.model.training_summary_`` and ``scorer.notices`` say what was learned from.

    Raises
    ------
    NotEnoughHistoryError
        H401, H402 when too few outcomes are known, or of one class.

    Examples
    --------
    >>> ledger = ew.Ledger.from_tables(**ew.simulate.make_biller(customers=80, months=8, seed=1))
    >>> scorer = ew.train(ew.FeatureSet.default(), ew.Outcome(), ledger, days=False)
    >>> scorer.score(ledger)["rests_on"].dropna().unique().tolist()
    ['history']
    """
    tell = progress if progress is not None else lambda share: None
    observed = outcome.observations(ledger, start, end)
    resolved = outcome.resolve(ledger, observed)
    X = features.compute(ledger, observed, progress=lambda share: tell(0.5 * share))
    late, matures_at = resolved["late"], resolved["matures_at"]
    weight, treated = outcome.weights(observed), outcome.treated(ledger, observed)
    by_row: dict[str, Any] = {
        "as_of": observed["as_of"], "groups": observed["customer_id"], "sample_weight": weight,
        "matures_at": matures_at, "treated": treated,
    }  # fmt: skip
    if holdout is not None:
        by_row["holdout"] = observed["customer_id"].isin(set(holdout))
    prototype = clone(RiskModel(random_state=random_state) if model is None else model).set_params(features=features)
    if tune:
        prototype = choose(
            prototype, X, late, **by_row, candidates=tune, random_state=random_state,
            progress=lambda share: tell(0.5 + 0.1 * share),
        ).model  # fmt: skip
    fitted = prototype.fit(X, late, **by_row, until=ledger.until)
    tell(0.7)
    shock = _shock(features, outcome, ledger, observed, X, by_row, random_state)
    alone = weight.where(~treated, 0.0)
    rates, newcomers = _of_newcomers(ledger, observed, late, alone if _some(late[~treated]) else weight)
    tell(0.75)
    days_model = _days(features, outcome, ledger, observed, X, alone, random_state) if days else None
    tell(1.0)
    return Scorer(
        features, outcome, fitted, Policy.default() if policy is None else policy,
        shock=shock, days_model=days_model, base_rates=rates, newcomers=newcomers,
        notices=(*observed.attrs.get("notices", ()), *X.attrs.get("notices", ()), *fitted.notices_),
    )  # fmt: skip


def _shock(
    features: FeatureSet,
    outcome: Outcome,
    ledger: Ledger | LedgerStore,
    observed: pd.DataFrame,
    X: pd.DataFrame,
    by_row: dict[str, pd.Series[Any]],
    random_state: int,
) -> RiskModel | None:
    """A model of bills far above usual, where running periods are observed and enough of them had one."""
    running = np.flatnonzero(observed["stage"] == "cycle")
    label = outcome.shock_label(ledger, observed.iloc[running])
    if not _some(label):
        return None
    # whether a bill is a shock is known when it is there: long before it is known who pays it, and NA until then
    model = RiskModel(features, random_state, monotone=False, min_child_weight=SHOCK_CHILD_WEIGHT)
    return model.fit(X.iloc[running], label, **{name: values.iloc[running] for name, values in by_row.items()})


def _of_newcomers(
    ledger: Ledger | LedgerStore, observed: pd.DataFrame, late: pd.Series[Any], weight: pd.Series[Any]
) -> tuple[BaseRates, Literal["model", "base_rates"]]:
    """Rates of groups, of newcomers where there are enough, and what scores newcomers: the model, if it saw enough."""
    new = ~has_history(ledger, observed) & (weight > 0).to_numpy()
    enough = _some(late[new])
    rows = np.flatnonzero(new if enough else weight > 0)
    rates = BaseRates.fit(
        groups_of(ledger, observed.iloc[rows]), late.iloc[rows], weight.iloc[rows], observed["customer_id"].iloc[rows]
    )
    return rates, "model" if enough else "base_rates"


def _days(
    features: FeatureSet,
    outcome: Outcome,
    ledger: Ledger | LedgerStore,
    observed: pd.DataFrame,
    X: pd.DataFrame,
    weight: pd.Series[Any],
    random_state: int,
) -> PaymentDayModel | None:
    """A model of the day of payment; none where nothing was seen to be paid."""
    rows = np.flatnonzero(observed["stage"] != "cycle")
    paid = outcome.payment(ledger, observed.iloc[rows])
    try:
        return PaymentDayModel(features, random_state).fit(X.iloc[rows], paid, sample_weight=weight.iloc[rows])
    except NotEnoughHistoryError:
        return None


def _some(label: pd.Series[Any]) -> bool:
    """Whether enough outcomes are known to tell something."""
    return is_enough(label.dropna().to_numpy(dtype=np.float64))
