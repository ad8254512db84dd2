"""What an aggregate reads and the ledger does not have, or has as today's value only: its values are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earlywarn.features.expression import Aggregate, columns_of
from earlywarn.tables.schema import STREAMS
from earlywarn.tables.undated import holds_today

if TYPE_CHECKING:
    from earlywarn.tables.ledger import Ledger

__all__ = ["absent"]


def absent(aggregate: Aggregate, ledger: Ledger) -> dict[str, str]:
    """What keeps an aggregate from being computed.

    Parameters
    ----------
    aggregate : Aggregate
    ledger : Ledger

    Returns
    -------
    dict of str to {"absent", "today"}
        By the table or ``table.column``: whether it was not handed over, or is known of today only.

    Examples
    --------
    >>> from earlywarn import Ledger
    >>> from earlywarn.simulate import make_biller
    >>> from earlywarn.features.expression import parse
    >>> (one,) = parse("days_until(contracts.price_until)").aggregates
    >>> absent(one, Ledger.from_tables(**make_biller(customers=30, months=4)))
    {'contracts.price_until': 'today'}
    """
    table = aggregate.selection.table
    if table not in STREAMS and table not in ledger.given:
        return {table: "absent"}
    held, read = ledger.facts(table).columns, columns_of(aggregate)
    today = {f"{table}.{name}": "today" for name in read if holds_today(ledger, table, name)}
    return today | {f"{table}.{name}": "absent" for name in read if name not in held}
