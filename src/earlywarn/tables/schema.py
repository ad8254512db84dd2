"""The tables that a billing system hands over: names, columns, kinds, keys and vocabularies.

One place states what each table may hold; readers, checks, the expression language and the documentation
all look here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from earlywarn.errors import DataError, suggest

__all__ = ["KINDS", "STREAMS", "TABLES", "Column", "TableSchema", "declared"]

#: What a column can hold. "money" is kept in minor units, "date" in microseconds, "text" as codes.
KINDS = ("text", "money", "number", "date", "bool")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    kind : {"text", "money", "number", "date", "bool"}
    required : bool
        Must be there, and filled in every row.
    words : tuple of str
        The closed vocabulary, empty when any text goes.
    default : str, optional
        What an empty cell means.
    known_from : str, optional
        The date column from which this one is known; until then it counts as empty.
    """

    name: str
    kind: str
    required: bool = False
    words: tuple[str, ...] = ()
    default: str | None = None
    known_from: str | None = None


@dataclass(frozen=True)
class TableSchema:
    """One table: its columns, its key and its clock.

    Attributes
    ----------
    name : str
    columns : mapping of str to Column
    key : tuple of str
        Rows with the same key are versions of one fact.
    time : str or None
        The column that says when the fact happened; None for lasting attributes without a date.
    parent : tuple (column, table) or None
        Where the debtor comes from when the table has no ``customer_id``.
    lag_days : int
        Days between happening and being known, when no ``known_at`` is given.
    bank_lag : bool
        Whether the lag counts bank days.
    lasting : bool
        Rows state attributes that hold from their date on (customers, accounts, contracts), no events.
    """

    name: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    time: str | None = None
    parent: tuple[str, str] | None = None
    lag_days: int = 0
    bank_lag: bool = False
    lasting: bool = False
    forbidden: tuple[str, ...] = field(default=())

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return tuple(column.name for column in self.columns.values() if column.required)


def _columns(required: str, optional: str = "", **changes: Mapping[str, Any]) -> dict[str, Column]:
    columns = {}
    for text, must in ((required, True), (optional, False)):
        for item in text.split():
            name, _, kind = item.partition(":")
            columns[name] = Column(name, kind or "text", must, **changes.get(name, {}))
    columns.setdefault("known_at", Column("known_at", "date"))
    return columns


_METHODS = ("transfer", "direct_debit", "direct_debit_b2b", "card", "cash", "cheque", "wallet", "other")
_HOLDS = (
    "deceased", "representative", "statutory_debt", "moratorium", "bankruptcy", "reorganisation",
    "debt_counselling", "no_profiling", "do_not_contact", "vulnerable", "medical", "protected_tariff",
    "budget_meter", "barred", "disconnected", "handed_over", "early_signal", "payment_pause", "fraud", "incident",
)  # fmt: skip
_PURPOSES = ("mandatory", "service", "pre_due", "commercial", "reminder", "collection", "survey")
_STATED = (
    "forgot", "timing", "bill_too_high", "did_not_receive", "account_or_mandate", "dispute", "income_drop",
    "other_costs", "moved", "organisation_error", "already_paid", "other", "refused",
)  # fmt: skip
_INVOICE_KINDS = (
    "recurring", "advance", "settlement", "final", "correction", "credit_note", "device", "deposit", "fee", "one_off",
)  # fmt: skip


def _words(*words: str) -> dict[str, Any]:
    return {"words": words}


_SCHEMAS = (
    TableSchema(
        "customers",
        _columns(
            "customer_id",
            "segment parent_id country region language customer_since:date signup_channel preferred_channel "
            "terms_days:number credit_rating birth_year:number sex valid_from:date",
        ),
        key=("customer_id", "valid_from"),
        time="valid_from",
        lasting=True,
    ),
    TableSchema(
        "accounts",
        _columns(
            "account_id customer_id",
            "collect_by due_day:number opened_on:date closed_on:date valid_from:date",
            collect_by=_words(*_METHODS),
            closed_on={"known_from": "closed_on"},
        ),
        key=("account_id", "valid_from"),
        time="valid_from",
        lasting=True,
    ),
    TableSchema(
        "contracts",
        _columns(
            "contract_id account_id starts_on:date",
            "ends_on:date notice_on:date ended_by product tariff payment_model fixed_fee:money allowance:number "
            "spending_limit:money price_until:date advance:money region user_id campaign valid_from:date",
            payment_model=_words("postpaid", "prepaid", "hybrid"),
            notice_on={"known_from": "notice_on"},
            ended_by={"known_from": "notice_on"},
        ),
        key=("contract_id", "valid_from"),
        time="valid_from",
        parent=("account_id", "accounts"),
        lasting=True,
    ),
    TableSchema(
        "invoices",
        _columns(
            "invoice_id customer_id issued_on:date due_on:date amount:money",
            "account_id contract_id currency kind period_from:date period_to:date collect_by corrects_id "
            "withdrawn_on:date",
            kind=_words(*_INVOICE_KINDS),
            collect_by=_words(*_METHODS),
            withdrawn_on={"known_from": "withdrawn_on"},
        ),
        key=("invoice_id",),
        time="issued_on",
    ),
    TableSchema(
        "invoice_lines",
        _columns(
            "invoice_id line_id kind amount:money",
            "contract_id quantity:number period_from:date period_to:date",
        ),
        key=("invoice_id", "line_id"),
        parent=("invoice_id", "invoices"),
    ),
    TableSchema(
        "invoice_events",
        _columns(
            "invoice_id happened_at:date event",
            "due_on:date channel",
            event=_words("sent", "delivered", "bounced", "viewed", "approved", "rejected", "due_changed"),
        ),
        key=("invoice_id", "event", "happened_at"),
        time="happened_at",
        parent=("invoice_id", "invoices"),
    ),
    TableSchema(
        "payments",
        _columns(
            "payment_id customer_id paid_on:date amount:money",
            "event kind value_on:date invoice_id account_id method scheme attempt:number reason_code mandate_id "
            "payer_key",
            event=_words("initiated", "settled", "failed", "returned", "refunded", "reversed") | {"default": "settled"},
            kind=_words("payment", "write_off", "sale", "offset", "deposit", "payout", "transfer")
            | {"default": "payment"},
            method=_words(*_METHODS),
        ),
        key=("payment_id", "event", "attempt"),
        time="paid_on",
        lag_days=1,
        bank_lag=True,
    ),
    TableSchema(
        "allocations",
        _columns("payment_id invoice_id amount:money allocated_on:date"),
        key=("payment_id", "invoice_id"),
        time="allocated_on",
        parent=("invoice_id", "invoices"),
    ),
    TableSchema(
        "mandates",
        _columns(
            "mandate_id customer_id event_on:date event",
            "scheme",
            event=_words("signed", "changed", "cancelled", "expired"),
        ),
        key=("mandate_id", "event", "event_on"),
        time="event_on",
    ),
    TableSchema(
        "schedule",
        _columns(
            "customer_id expected_due_on:date amount:money",
            "account_id contract_id expected_issue_on:date kind period_from:date period_to:date collect_by",
            collect_by=_words(*_METHODS),
        ),
        key=("customer_id", "account_id", "contract_id", "expected_due_on", "kind"),
        time="expected_due_on",
    ),
    TableSchema(
        "usage",
        _columns(
            "customer_id used_on:date quantity:number",
            "usage_id contract_id used_from:date kind unit cost:money in_bundle:bool read days_covered:number",
            read=_words("actual", "estimated"),
        ),
        key=("usage_id",),
        time="used_on",
        lag_days=1,
        forbidden=(
            "called_number",
            "number_called",
            "phone_number",
            "msisdn",
            "destination",
            "recipient",
            "caller",
            "cell_id",
            "location",
            "latitude",
            "longitude",
            "content",
            "url",
            "website",
            "merchant",
        ),
    ),
    TableSchema(
        "arrangements",
        _columns(
            "arrangement_id customer_id agreed_on:date",
            "kind invoice_ids ended_on:date ended_as",
            kind=_words("postponement", "instalments"),
            ended_on={"known_from": "ended_on"},
            ended_as={"known_from": "ended_on", "words": ("kept", "broken", "replaced")},
        ),
        key=("arrangement_id",),
        time="agreed_on",
    ),
    TableSchema(
        "instalments",
        _columns("arrangement_id number:number due_on:date amount:money"),
        key=("arrangement_id", "number"),
        time="due_on",
        parent=("arrangement_id", "arrangements"),
    ),
    TableSchema(
        "holds",
        _columns(
            "customer_id kind started_on:date",
            "ended_on:date account_id contract_id invoice_id scope representative_id source",
            kind=_words(*_HOLDS),
            ended_on={"known_from": "ended_on"},
        ),
        key=("customer_id", "kind", "started_on", "account_id", "contract_id", "invoice_id"),
        time="started_on",
    ),
    TableSchema(
        "disputes",
        _columns(
            "dispute_id customer_id opened_on:date",
            "invoice_id amount:money kind cause closed_on:date upheld:bool",
            kind=_words("dispute", "complaint"),
            closed_on={"known_from": "closed_on"},
            upheld={"known_from": "closed_on"},
        ),
        key=("dispute_id",),
        time="opened_on",
    ),
    TableSchema(
        "contacts",
        _columns(
            "contact_id customer_id contacted_at:date channel",
            "direction invoice_id contract_id purpose topic outcome outcome_at:date stated_reason offer accepted:bool "
            "promised_on:date promised_amount:money satisfaction:number rated_on:date recommend:number role "
            "experiment arm propensity:number",
            direction=_words("outbound", "inbound"),
            purpose=_words(*_PURPOSES),
            stated_reason={"words": _STATED, "known_from": "outcome_at"},
            outcome={"known_from": "outcome_at"},
            outcome_at={"known_from": "outcome_at"},
            accepted={"known_from": "outcome_at"},
            promised_on={"known_from": "outcome_at"},
            promised_amount={"known_from": "outcome_at"},
            satisfaction={"known_from": "rated_on"},
            rated_on={"known_from": "rated_on"},
            recommend={"known_from": "rated_on"},
        ),
        key=("contact_id",),
        time="contacted_at",
    ),
    TableSchema(
        "consents",
        _columns(
            "customer_id channel purpose given_on:date",
            "withdrawn_on:date proof",
            purpose=_words("service", "commercial", "recorded_voice"),
            withdrawn_on={"known_from": "withdrawn_on"},
        ),
        key=("customer_id", "channel", "purpose", "given_on"),
        time="given_on",
    ),
    TableSchema(
        "arrears",
        _columns("customer_id observed_on:date days_past_due:number", "amount:money"),
        key=("customer_id", "observed_on"),
        time="observed_on",
    ),
    TableSchema(
        "regions",
        _columns("region published_on:date metric value:number", "parent"),
        key=("region", "published_on", "metric"),
        time="published_on",
    ),
)

#: Every table of the schema by name.
TABLES: Mapping[str, TableSchema] = {schema.name: schema for schema in _SCHEMAS}

#: Streams that the ledger derives, and the kind of each value.
STREAMS: Mapping[str, Mapping[str, str]] = {
    "settlements": {
        "days_beyond_terms": "number",
        "days_to_pay": "number",
        "amount": "money",
        "parts": "number",
        "method": "text",
    },
    "maturities": {"late": "number", "open_amount": "money", "amount": "money"},
    "balances": {
        "open_amount": "money",
        "overdue_amount": "money",
        "open_count": "number",
        "overdue_count": "number",
        "oldest_overdue_on": "date",
    },
    "returns": {
        "cause": "text",
        "attempt": "number",
        "amount": "money",
        "reason_code": "text",
        "in_a_row": "number",
    },
    "obligations": {"amount": "money", "stage": "text"},
}

#: Today's values that may stand for the past when a lasting table has no ``valid_from``: what never changes, and a
#: notice, which is known from its own day on.
STATIC: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_id", "region", "segment", "country", "customer_since"),
    "accounts": ("account_id", "customer_id", "opened_on"),
    "contracts": ("contract_id", "account_id", "starts_on", "notice_on", "region", "campaign"),
}

#: What may be looked at for an audit only, never by a feature without a stated ground.
AUDIT_ONLY: Mapping[str, tuple[str, ...]] = {
    "customers": ("sex", "birth_year", "language", "credit_rating"),
    "holds": ("*",),
}


#: Whose facts a table of the user's own may hold, and the column that says so.
_ENTITY_COLUMNS = {
    "customer": "customer_id", "customer_id": "customer_id", "account": "account_id", "account_id": "account_id",
    "contract": "contract_id", "contract_id": "contract_id", "region": "region",
}  # fmt: skip


def declared(name: str, schema: Mapping[str, Any]) -> TableSchema:
    """Schema of a table of the user's own, as handed over in ``extra``.

    Parameters
    ----------
    name : str
    schema : mapping
        ``{"entity": "customer_id", "time": "seen_on", "values": {"score": "number"}}`` says whose facts these are,
        when they happened and what they hold. Also: ``"key": "score_id"`` (or several) names the fact, so that a
        later row of the same key corrects it; without it each row is a fact of its own. ``"lag_days"``: days until
        a fact is known where no ``known_at`` is stated. ``"known_from": {"outcome": "closed_on"}``: cells that are
        filled in later, and the date column that says when.

    Returns
    -------
    TableSchema

    Raises
    ------
    DataError
        When the declaration does not say entity, time and values, or says what does not fit (code D120).

    Examples
    --------
    >>> declared("visits", {"entity": "customer_id", "time": "seen_on", "values": {"pages": "number"}}).time
    'seen_on'
    """
    if name in TABLES or name in STREAMS:
        raise DataError(f"extra table {name!r} bears the name of a known table.", code="D120", hint="rename it.")
    if not name.isidentifier():
        raise DataError(f"extra table {name!r} cannot stand in an expression.", code="D120", hint="rename it.")
    allowed = {"entity", "time", "values", "lag_days", "key", "known_from"}
    for word in schema:
        if word not in allowed:
            raise DataError(f"extra table {name!r} declares {word!r}.", code="D120", hint=suggest(word, allowed))
    if not {"entity", "time", "values"} <= set(schema) or schema["entity"] not in _ENTITY_COLUMNS:
        raise DataError(
            f"extra table {name!r} does not say what it holds, or of whom.",
            code="D120",
            found=repr(dict(schema)),
            hint='declare {"entity": "customer_id", "time": "seen_on", "values": {"score": "number"}}; entity is one '
            f"of {', '.join(_ENTITY_COLUMNS)}.",
        )
    entity, time = _ENTITY_COLUMNS[schema["entity"]], schema["time"]
    known_from = dict(schema.get("known_from", {}))
    columns = {
        entity: Column(entity, "text", required=True),
        time: Column(time, "date", required=True),
        "known_at": Column("known_at", "date"),
    }
    for column, kind in schema["values"].items():
        if kind not in KINDS:
            raise DataError(f"extra.{name}.{column} has kind {kind!r}.", code="D120", hint=suggest(kind, KINDS))
        columns.setdefault(column, Column(column, kind, known_from=known_from.get(column)))
    key = (schema["key"],) if isinstance(schema.get("key"), str) else tuple(schema.get("key", ()))
    for column in key:
        columns[column] = replace(columns.get(column, Column(column, "text")), required=True)
    for column, source in known_from.items():
        if column not in schema["values"] or columns.get(source, Column("", "")).kind != "date":
            raise DataError(
                f"extra.{name}.{column} is said to be known from {source!r}.",
                code="D120",
                hint="name a column of values, and one of kind date.",
            )
    parent = {"account_id": ("account_id", "accounts"), "contract_id": ("contract_id", "contracts")}.get(entity)
    return TableSchema(name, columns, key, time, parent, lag_days=int(schema.get("lag_days", 0)))
