"""The table of use, as meters and networks report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from earlywarn.simulate.billing import above_allowance
from earlywarn.simulate.columns import contract_number, ids

if TYPE_CHECKING:
    from earlywarn.simulate.world import Life

__all__ = ["usage"]

Frame = pd.DataFrame


def usage(life: Life) -> Frame:
    """One row a contract and read, until the contract ends."""
    born = life.born
    contracts, use, span, preset = born.contracts, life.use, born.world.span, born.world.preset
    reads = -(-span.end // use.days)
    begins = use.days * np.arange(reads)
    last = begins + use.days - 1
    ended = life.ended[contracts.owner]
    ends = np.where(ended >= 0, ended, span.end)
    there = (contracts.since[:, None] <= begins) & (last < np.minimum(ends, span.end)[:, None])
    contract, read = np.nonzero(there)
    owner = contracts.owner[contract]
    number = contract_number(born.people["number"][owner], contracts.second[contract])
    whole = np.round(use.quantity[:, :reads].astype(np.float64), 3)
    quantity = whole[contract, read]
    cost, inside = quantity * preset.bill.price, np.ones(len(quantity), dtype=bool)
    if preset.bill.scheme == "allowance":
        above = above_allowance(preset, contracts, born.starts, whole, use.days)[contract, read]
        cost, inside = above * preset.bill.price, above == 0
    return pd.DataFrame(
        {
            "customer_id": born.ids[owner],
            "contract_id": ids("C", number),
            "used_from": span.dates(begins[read]).astype("M8[us]"),
            "used_on": span.dates(last[read]).astype("M8[us]"),
            "kind": preset.use.kind,
            "unit": preset.use.unit,
            "quantity": quantity,
            "cost": np.round(cost, 2),
            "in_bundle": inside,
            "read": "actual",
        }
    )
