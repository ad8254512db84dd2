"""Real data to try everything on, shipped or read from a folder; for generated ones see `earlywarn.simulate`.

Each set says what its source states and what was assumed; none is read before it is asked for.
"""

from earlywarn.datasets.card_clients import (
    card_client_audit,
    card_client_features,
    card_client_groups,
    card_client_tables,
    load_card_clients,
    pack_card_clients,
)
from earlywarn.datasets.others import load_highradius, load_ibm, load_xente
from earlywarn.datasets.places import load_belgian_postcodes, load_eurostat_regions

__all__ = [
    "card_client_audit",
    "card_client_features",
    "card_client_groups",
    "card_client_tables",
    "load_belgian_postcodes",
    "load_card_clients",
    "load_eurostat_regions",
    "load_highradius",
    "load_ibm",
    "load_xente",
    "pack_card_clients",
]
