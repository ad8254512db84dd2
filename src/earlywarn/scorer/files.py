"""A Scorer as files of a bundle, and back: features, outcome, policy, and its models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from earlywarn.actions.policy import Policy
from earlywarn.errors import BundleError, FeatureError
from earlywarn.features.catalogue import FeatureSet
from earlywarn.outcomes import Outcome
from earlywarn.risk import hazard
from earlywarn.risk.base_rates import BaseRates
from earlywarn.risk.hazard import PaymentDayModel
from earlywarn.risk.stored import MODEL_FILES, read_model

if TYPE_CHECKING:
    from earlywarn.scorer.scorer import Scorer

__all__ = ["from_files", "to_files"]

BASE_RATES, NOTICES = "base_rates.json", "notices.json"
#: How the names of files of the model of shocks begin.
SHOCK = "shock_"
_ALWAYS = {"features.json", "policy_features.json", "outcome.json", "policy.toml", "model.json", NOTICES}
_DAYS = (hazard.MODEL, hazard.TREES)
_KNOWN = {*_ALWAYS, *MODEL_FILES, *_DAYS, BASE_RATES, *(SHOCK + name for name in MODEL_FILES)}


def to_files(scorer: Scorer) -> dict[str, bytes]:
    """Every file of a bundle.

    Parameters
    ----------
    scorer : Scorer

    Returns
    -------
    dict of str to bytes
        The same bytes for the same scorer.
    """
    outcome = {
        "grace_days": scorer.outcome.grace_days,
        "lead_days": list(scorer.outcome.leads),
        "stages": list(scorer.outcome.stages),
        "cycle_shares": list(scorer.outcome.cycle_shares),
        "newcomers": scorer.newcomers,
    }
    shock = {} if scorer.shock is None else scorer.shock.to_files()
    return {
        "features.json": _json(scorer.features.to_dict()),
        "policy_features.json": _json(scorer.policy_features.to_dict()),
        "outcome.json": _json(outcome),
        "policy.toml": scorer.policy.text.encode(),
        NOTICES: _json(list(scorer.notices)),
        **scorer.model.to_files(),
        **{SHOCK + name: raw for name, raw in shock.items()},
        **({} if scorer.days_model is None else scorer.days_model.to_files()),
        **({} if scorer.base_rates is None else {BASE_RATES: scorer.base_rates.to_json()}),
    }


def from_files(content: Mapping[str, bytes]) -> dict[str, Any]:
    """What a Scorer is made of.

    Parameters
    ----------
    content : mapping of str to bytes

    Returns
    -------
    dict
        Arguments of `Scorer`.

    Raises
    ------
    BundleError
        B514 files that are missing or do not belong to it, B515 when a file does not hold what it should, B516 when it
        needs an aggregate of the user's own that is not there, or is another one; B52x as `RiskModel.from_files`.
    """
    strange = sorted({*(_ALWAYS - set(content)), *(set(content) - _KNOWN)})
    if strange:
        raise BundleError("the bundle does not hold a scorer.", code="B514", found=", ".join(strange))
    try:
        return _parts(content)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FeatureError) and error.code in ("F242", "F243"):  # an aggregate of the user's own
            raise BundleError(error.what, code="B516", found=error.found, hint=error.hint) from error
        raise BundleError(
            "a file of the bundle does not hold what it should.",
            code="B515",
            found=str(error).splitlines()[0],
            hint="save it again with this version.",
        ) from error


def _parts(content: Mapping[str, bytes]) -> dict[str, Any]:
    features = FeatureSet.from_dict(json.loads(content["features.json"]))
    outcome = json.loads(content["outcome.json"])
    newcomers = str(outcome.pop("newcomers"))
    shock = {name.removeprefix(SHOCK): raw for name, raw in content.items() if name.startswith(SHOCK)}
    days = {name: raw for name, raw in content.items() if name in _DAYS}
    return {
        "features": features,
        "outcome": Outcome(
            grace_days=int(outcome["grace_days"]),
            lead_days=tuple(outcome["lead_days"]),
            stages=tuple(outcome["stages"]),
            cycle_shares=tuple(outcome["cycle_shares"]),
        ),
        "model": read_model({name: content[name] for name in MODEL_FILES if name in content}, features),
        "policy": Policy.from_text(content["policy.toml"].decode()),
        "policy_features": FeatureSet.from_dict(json.loads(content["policy_features.json"])),
        "shock": read_model(shock, features) if shock else None,
        "days_model": PaymentDayModel.from_files(days, features) if days else None,
        "base_rates": BaseRates.from_json(content[BASE_RATES]) if BASE_RATES in content else None,
        "newcomers": newcomers,
        "notices": tuple(json.loads(content[NOTICES])),
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode()
