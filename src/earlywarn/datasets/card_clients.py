"""30,000 card clients as one snapshot: the September statement is scored, October says how it went.

Source: "Default of Credit Card Clients", Taiwan 2005, Yeh & Lien, UCI Machine Learning Repository,
CC BY 4.0 (``data/ATTRIBUTION.md``). The source names months and no days, so every calendar day here is
invented: a statement bears the last day of its month and is due on the last day of the next. Nothing
may be read from these days but their order, so the set has features of its own, over statuses and
statements, and none over days beyond terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from earlywarn.features.catalogue import FeatureSet
    from earlywarn.tables.ledger import Ledger

__all__ = [
    "card_client_audit",
    "card_client_features",
    "card_client_groups",
    "card_client_tables",
    "load_card_clients",
    "pack_card_clients",
]

_FOLDER = Path(__file__).parent / "data"
#: Last days of the six months, oldest first; the suffixes of the packed columns are their months.
_STATED_ON = pd.date_range("2005-04-30", periods=6, freq="ME", unit="us")
_MONTHS = tuple(day.strftime("%Y_%m") for day in _STATED_ON)
_AS_OF, _DUE_ON, _MATURES_AT = map(pd.Timestamp, ("2005-10-01", "2005-10-31", "2005-10-31T23:59:59.999999"))
_STATEMENTS: Mapping[str, Any] = {
    "entity": "customer_id",
    "time": "stated_on",
    "values": {"bill": "money", "paid": "money", "credit_limit": "money", "status": "number"},
}
_LEDGER: Mapping[str, Any] = {"timezone": "Asia/Taipei", "currency": "TWD", "country": "TW", "until": _AS_OF}
_NO_PAYMENTS = {"payment_id": "str", "customer_id": "str", "paid_on": "datetime64[us]", "amount": "float64"}
_SEX = {1: "male", 2: "female"}
_EDUCATION = {1: "graduate school", 2: "university", 3: "high school", 4: "other"}
_MARRIAGE = {1: "married", 2: "single", 3: "other"}


def load_card_clients() -> tuple[Ledger, pd.DataFrame, pd.Series[Any]]:
    """Load the shipped card data: a ledger, one observation a client, and the label that the source gives.

    Only the September statement is an invoice. A bill below zero is a credit balance and enters the ledger as
    a credit note; a client with a bill of zero or less is an observation all the same, with the amount as
    stated. Older statements and payments are facts of the declared table ``statements``, the monthly
    status is ``arrears`` (see `card_client_tables`).

    Returns
    -------
    ledger : Ledger
        In Taiwan dollar; complete up to 2005-10-01.
    observations : DataFrame, shape (30000, 10)
        Columns as `Outcome.observations` gives them; ``as_of`` 2005-10-01 and ``due_on`` 2005-10-31 are
        invented.
    label : Series of Int8, shape (30000,)
        1 if the client defaulted in October, on the index of ``observations``. It is not a grace of some
        days: compare it with no other set's late share.

    Examples
    --------
    >>> ledger, observations, label = load_card_clients()
    >>> len(observations), round(float(label.mean()), 4)
    (30000, 0.2212)
    """
    from earlywarn.tables.ledger import Ledger

    tables = card_client_tables()
    observations = _observations(tables["invoices"])
    extra = {"statements": (tables.pop("statements"), dict(_STATEMENTS))}
    settings: dict[str, Any] = {**tables, **_LEDGER}
    ledger = Ledger.from_tables(extra=extra, **settings)
    default = _packed()["default_next_month"].to_numpy()
    label = pd.Series(default, observations.index, dtype="Int8", name="default")
    return ledger, observations, label


def card_client_tables() -> dict[str, pd.DataFrame]:
    """Return the card data as tables, before any ledger checks them.

    Returns
    -------
    dict of DataFrame
        ``customers`` (30,000), ``invoices`` (30,000, the September statements), ``payments`` (none: the
        source gives sums a month, not payments), ``arrears`` and ``statements`` (180,000 each).

        ``statements`` holds a row a client and month: ``bill``; ``paid``, the sum received in that month for
        the statement before it; ``credit_limit``, stated once and repeated; ``status``, the source's code:
        -1 paid in full, 1 to 8 months past due, and two codes that it does not explain, read as is usual: -2
        the card was not used, 0 a part was paid and the rest carried on.
        ``arrears.days_past_due`` is 30 days for each month past due, 0 for the codes below 1.

    Examples
    --------
    >>> tables = card_client_tables()
    >>> tables["statements"][["bill", "paid", "status"]].to_numpy()[1].tolist()
    [0, 0, -2]
    """
    packed = _packed()
    statements = _long(packed)
    arrears = statements[["customer_id", "stated_on"]].rename(columns={"stated_on": "observed_on"})
    return {
        "customers": pd.DataFrame({"customer_id": packed["customer_id"], "segment": "b2c", "country": "TW"}),
        "invoices": _invoices(packed),
        "payments": pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _NO_PAYMENTS.items()}),
        "arrears": arrears.assign(days_past_due=30 * statements["status"].clip(lower=0).astype("int64")),
        "statements": statements,
    }


def card_client_features() -> FeatureSet:
    """Return the features of this data set, defined in ``data/card_clients.toml``.

    Returns
    -------
    FeatureSet
        Over arrears, statements and the amount of the invoice; none reads an invented calendar day but for
        its order and the month that lies between two of them.

    Examples
    --------
    >>> "paid_last_share" in card_client_features()
    True
    """
    from earlywarn.features.catalogue import FeatureSet

    return FeatureSet.from_toml(_FOLDER / "card_clients.toml")


def card_client_groups() -> pd.DataFrame:
    """Return who is late already: the early-warning figure is that of clients who are not.

    Returns
    -------
    DataFrame of bool, shape (30000, 3), on the index of the observations
        ``late_now`` (September's status is a month or more), ``not_late_now``, and ``never_late`` (in none of
        the six months).

    Examples
    --------
    >>> card_client_groups().sum().to_dict()
    {'late_now': 6818, 'not_late_now': 23182, 'never_late': 19931}
    """
    packed = _packed()
    late = packed[[f"status_{month}" for month in _MONTHS]].to_numpy() >= 1
    now = late[:, -1]
    return pd.DataFrame({"late_now": now, "not_late_now": ~now, "never_late": ~late.any(axis=1)})


def card_client_audit() -> pd.DataFrame:
    """Return what is known of the persons, for an audit by group only: never features.

    Returns
    -------
    DataFrame, shape (30000, 4), on the index of the observations
        ``sex``, ``age`` (years, 2005), ``education`` and ``marriage``; codes that the source does not explain
        are missing.

    Examples
    --------
    >>> card_client_audit()["sex"].value_counts().to_dict()
    {'female': 18112, 'male': 11888}
    """
    packed = _packed()
    words = {"sex": _SEX, "education": _EDUCATION, "marriage": _MARRIAGE}
    audit = pd.DataFrame({name: packed[name].map(meaning) for name, meaning in words.items()})
    audit.insert(1, "age", packed["age"].astype("int64"))
    return audit


def pack_card_clients(csv: str | Path, parquet: str | Path = _FOLDER / "card_clients.parquet") -> None:
    """Make the shipped Parquet file from the CSV file of the UCI repository.

    Values stay as they are; columns get names that state month and meaning, and the smallest integer type.

    Parameters
    ----------
    csv : str or path
        ``UCI_Credit_Card.csv``, 30,000 rows of 25 columns.
    parquet : str or path
        Where to write; the shipped file by default.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = pd.read_csv(csv)
    status = [f"PAY_{number}" for number in (6, 5, 4, 3, 2, 0)]
    names = {"ID": "client", "LIMIT_BAL": "credit_limit", "default payment next month": "default_next_month"}
    names |= {name: name.lower() for name in ("SEX", "AGE", "EDUCATION", "MARRIAGE")}
    for number, month, code in zip(range(6, 0, -1), _MONTHS, status, strict=True):
        names[code] = f"status_{month}"
        names |= {f"BILL_AMT{number}": f"bill_{month}", f"PAY_AMT{number}": f"paid_{month}"}
    packed = source[list(names)].rename(columns=names)
    small = pd.DataFrame({name: pd.to_numeric(packed[name], downcast="integer") for name in packed})
    table = pa.Table.from_pandas(small, preserve_index=False)
    pq.write_table(table, parquet, compression="zstd", compression_level=19, use_dictionary=False)


def _packed() -> pd.DataFrame:
    packed = pd.read_parquet(_FOLDER / "card_clients.parquet")
    packed.insert(0, "customer_id", packed["client"].map("C{:05d}".format).astype("str"))
    return packed


def _long(packed: pd.DataFrame) -> pd.DataFrame:
    """One row a client and month, clients in order, months oldest first."""
    long = {
        "customer_id": packed["customer_id"].repeat(len(_MONTHS)).to_numpy(),
        "stated_on": np.tile(_STATED_ON.to_numpy(), len(packed)),
        "credit_limit": packed["credit_limit"].to_numpy().repeat(len(_MONTHS)),
    }
    for value in ("bill", "paid", "status"):
        long[value] = packed[[f"{value}_{month}" for month in _MONTHS]].to_numpy().ravel()
    return pd.DataFrame(long)


def _invoices(packed: pd.DataFrame) -> pd.DataFrame:
    bill = packed[f"bill_{_MONTHS[-1]}"]
    return pd.DataFrame(
        {
            "invoice_id": packed["customer_id"] + "-" + _MONTHS[-1].replace("_", "-"),
            "customer_id": packed["customer_id"],
            "issued_on": _STATED_ON[-1],
            "due_on": _DUE_ON,
            "amount": bill.astype("float64"),
            "kind": np.where(bill < 0, "credit_note", "recurring"),
        }
    )


def _observations(invoices: pd.DataFrame) -> pd.DataFrame:
    """One row a client, in the columns and the order of `Outcome.observations`."""
    observations = pd.DataFrame(
        {
            "obligation_id": "invoice:" + invoices["invoice_id"],
            "stage": "issued",
            "invoice_id": invoices["invoice_id"],
            "customer_id": invoices["customer_id"],
            "as_of": _AS_OF,
            "due_on": _DUE_ON,
            "lead_days": (_DUE_ON - _AS_OF).days,
            "amount": invoices["amount"],
            "open_amount": invoices["amount"],
            "matures_at": _MATURES_AT,
            "due_is_estimated": False,
            "amount_low": np.nan,
            "amount_high": np.nan,
        }
    )
    return observations.astype(dict.fromkeys(("as_of", "due_on", "matures_at"), "datetime64[us]"))
