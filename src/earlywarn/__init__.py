"""Early warning for bills: who may pay late, why, and what would help, before the due date.

The root holds names only. Each is looked up in its module when first used (PEP 562), so that
``import earlywarn`` loads no numpy, no pandas and no model library.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earlywarn import datasets as datasets
    from earlywarn import plots as plots
    from earlywarn import simulate as simulate
    from earlywarn import testing as testing
    from earlywarn.actions.policy import Policy as Policy
    from earlywarn.errors import BundleError as BundleError
    from earlywarn.errors import DataError as DataError
    from earlywarn.errors import EarlywarnError as EarlywarnError
    from earlywarn.errors import ExperimentalWarning as ExperimentalWarning
    from earlywarn.errors import FeatureError as FeatureError
    from earlywarn.errors import LeakError as LeakError
    from earlywarn.errors import NotEnoughHistoryError as NotEnoughHistoryError
    from earlywarn.errors import PolicyError as PolicyError
    from earlywarn.features.aggregates import aggregate as aggregate
    from earlywarn.features.catalogue import Feature as Feature
    from earlywarn.features.catalogue import FeatureSet as FeatureSet
    from earlywarn.features.leak import audit_leakage as audit_leakage
    from earlywarn.outcomes import Outcome as Outcome
    from earlywarn.reasons.asked import explain_feature as explain_feature
    from earlywarn.reasons.call_card import call_card as call_card
    from earlywarn.reasons.portfolio import reasons_by as reasons_by
    from earlywarn.reasons.portfolio import reasons_over_time as reasons_over_time
    from earlywarn.reasons.voices import customer_text as customer_text
    from earlywarn.risk.backtest import backtest as backtest
    from earlywarn.risk.base_rates import BaseRates as BaseRates
    from earlywarn.risk.hazard import PaymentDayModel as PaymentDayModel
    from earlywarn.risk.model import RiskModel as RiskModel
    from earlywarn.risk.paydays import PayDays as PayDays
    from earlywarn.risk.scorecard import Scorecard as Scorecard
    from earlywarn.risk.splits import TemporalSplit as TemporalSplit
    from earlywarn.risk.tuning import tune as tune
    from earlywarn.scorer import Scorer as Scorer
    from earlywarn.scorer import compare as compare
    from earlywarn.scorer import log_scorer as log_scorer
    from earlywarn.scorer import promote as promote
    from earlywarn.scorer import train as train
    from earlywarn.tables.ledger import Ledger as Ledger
    from earlywarn.tables.store import LedgerStore as LedgerStore
    from earlywarn.whatif.changes import Change as Change

    __version__: str

_MODULE_OF = {
    "Ledger": "tables.ledger",
    "LedgerStore": "tables.store",
    "Outcome": "outcomes",
    "Feature": "features.catalogue",
    "FeatureSet": "features.catalogue",
    "aggregate": "features.aggregates",
    "audit_leakage": "features.leak",
    "explain_feature": "reasons.asked",
    "reasons_by": "reasons.portfolio",
    "reasons_over_time": "reasons.portfolio",
    "customer_text": "reasons.voices",
    "call_card": "reasons.call_card",
    "Change": "whatif.changes",
    "RiskModel": "risk.model",
    "Scorecard": "risk.scorecard",
    "BaseRates": "risk.base_rates",
    "PayDays": "risk.paydays",
    "PaymentDayModel": "risk.hazard",
    "TemporalSplit": "risk.splits",
    "backtest": "risk.backtest",
    "tune": "risk.tuning",
    "Policy": "actions.policy",
    "Scorer": "scorer",
    "train": "scorer",
    "compare": "scorer",
    "log_scorer": "scorer",
    "promote": "scorer",
    "EarlywarnError": "errors",
    "DataError": "errors",
    "FeatureError": "errors",
    "LeakError": "errors",
    "NotEnoughHistoryError": "errors",
    "BundleError": "errors",
    "PolicyError": "errors",
    "ExperimentalWarning": "errors",
}
_SUBMODULES = ("datasets", "plots", "simulate", "testing")

__all__ = [*_MODULE_OF, *_SUBMODULES]

logging.getLogger("earlywarn").addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        value = getattr(import_module(f"earlywarn.{_MODULE_OF[name]}"), name)
    elif name in _SUBMODULES:
        value = import_module(f"earlywarn.{name}")
    elif name == "__version__":
        value = _installed_version()
    else:
        raise AttributeError(f"module 'earlywarn' has no attribute {name!r}", name=name)
    globals()[name] = value  # looked up once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _installed_version() -> str:
    """Return the version that is installed; a bare checkout on the path has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("earlywarn")
    except PackageNotFoundError:
        return "0+unknown"
