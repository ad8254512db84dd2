"""The laws that every feature keeps to, and the search for the smallest ledger on which one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from earlywarn.dates import US_PER_DAY, iso
from earlywarn.errors import FeatureError
from earlywarn.extras import require
from earlywarn.features.build import compute
from earlywarn.features.definition import Feature, need_features
from earlywarn.features.evaluate import Codes, Column, evaluate
from earlywarn.features.expression import Aggregate, Expression, Name, Node
from earlywarn.outcomes import STAGES, Outcome
from earlywarn.tables.facts import Facts
from earlywarn.tables.ledger import Ledger
from earlywarn.tables.schema import STREAMS, TABLES
from earlywarn.testing.tables import Tables, tables

__all__ = ["FeatureLawError", "check_feature"]

Rows = npt.NDArray[np.int64]
#: A debtor of whom nothing is known.
NOBODY = "nobody"
#: What an aggregate of no fact gives, when it does not give missing.
OF_NOTHING = ("count", "sum", "distinct")
#: How far two ways of computing may lie apart, relative: the matrix is float32.
CLOSE = {"float32": 2.0**-22, "float64": 1e-9}
_HORIZON_DAYS = 400
#: How many smaller ledgers are tried after the first on which a law fails.
ATTEMPTS = 100


class FeatureLawError(FeatureError, AssertionError):
    """A feature does not keep to a law; the message holds the smallest ledger that shows it (code F249)."""

    default_code = "F249"


@dataclass(frozen=True)
class _Example:
    """One drawn ledger, the moment it is looked at, and the matrix of its observations."""

    features: tuple[Feature, ...]
    tables: Tables
    ledger: Ledger
    as_of: int
    seed: int
    obs: pd.DataFrame
    found: pd.DataFrame


def check_feature(
    feature: Feature | Iterable[Feature],
    *,
    examples: int = 100,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int | None = None,
) -> None:
    """Hold a feature, or several, against the laws that every feature keeps to, over random ledgers.

    What became known at or after ``as_of`` changes nothing; nor does the order of rows (among facts that became
    known at one moment it counts), nor what other customers do (unless the feature is over a group of them); an
    observation alone gets what it gets among others, and asking twice gives the same; without any fact the value
    is missing, or what the definition gives for none (count and sum 0); compiled equals plain.

    Parameters
    ----------
    feature : Feature or iterable of Feature
        A FeatureSet too; one feature at a time shrinks to smaller examples.
    examples : int
        How many ledgers are drawn.
    extra : mapping of str to mapping, optional
        Declarations of tables of your own that the feature reads, as in `Ledger.from_tables`.
    seed : int, optional
        Draw other ledgers than the usual ones, which are the same each time.

    Raises
    ------
    FeatureLawError
        F249, with the law, the smallest ledger found, the observation, both values and what to do.
    FeatureError
        F229 when something else than features is handed over.

    Examples
    --------
    >>> check_feature(ew.Feature("usage_mean_30d", "mean(usage.quantity, days=30)"), examples=5)
    """
    features = tuple(need_features((feature,) if isinstance(feature, Feature) else feature))
    hypothesis = require("hypothesis", to="check a feature on random ledgers", install="hypothesis")
    st = require("hypothesis.strategies", to="check a feature on random ledgers", install="hypothesis")
    drawn = _tables_for([item.expression for item in features], extra or {})

    smallest = _Smallest()

    def hold(data: Any) -> None:
        if smallest.searching:
            example = _example(features, data.draw(drawn), lambda few: data.draw(st.sampled_from(few)))
            smallest.hold(example)

    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    search = settings(hypothesis.given(data=st.data())(hold))
    search = search if seed is None else hypothesis.seed(seed)(search)
    try:
        search()
    except Exception:
        if smallest.error is None:
            raise
    if smallest.error is not None:
        raise smallest.error from None


class _Smallest:
    """The failure on the smallest ledger so far; after so many attempts at a smaller one the search ends."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.rows = 0
        self.attempts = 0
        self.laws = LAWS

    @property
    def searching(self) -> bool:
        return self.attempts < ATTEMPTS

    def hold(self, example: _Example) -> None:
        """Hold one example against the laws (once one is broken, against that one); keep the smallest failure."""
        self.attempts += self.error is not None
        for law in self.laws:
            try:
                law(example)
            except Exception as error:  # an engine that fails outright is made small too
                rows = sum(map(len, example.tables.frames.values()))
                if self.error is None or rows <= self.rows:
                    self.error, self.rows, self.laws = error, rows, (law,)
                raise


def _tables_for(expressions: list[Expression], extra: Mapping[str, Mapping[str, Any]]) -> Any:
    """Strategy of the tables that expressions read, with facts on the edges of their windows."""
    selections = [item.selection for expression in expressions for item in expression.aggregates]
    read: dict[str, set[str]] = {"invoices": set(), "payments": set()}
    for table, column in {pair for expression in expressions for pair in expression.columns()}:
        read.setdefault(table, set()).add(column)
    for selection in selections:
        read.setdefault(selection.table, set())
        if selection.of in ("region", "segment") or selection.table == "regions":
            read.setdefault("customers", set()).add("region" if selection.table == "regions" else selection.of)
    wholly = set(read) & {*STREAMS, "invoice"}
    for name in wholly:
        del read[name]
    if wholly:  # streams and obligations come from whole tables
        read |= {name: set(TABLES[name].columns) for name in ("invoices", "payments", "schedule")}
    for name in [name for name in read if name not in extra and TABLES[name].parent]:
        read.setdefault(TABLES[name].parent[1], set())  # type: ignore[index]
    days = {edge for selection in selections for edge in (selection.days or 0, selection.until)} - {0}
    used = {name: rule for name, rule in extra.items() if name in read}
    columns = {name: chosen for name, chosen in read.items() if name not in extra}
    return tables(columns, columns=columns, extra=used, days=sorted(days or {90}))


def _example(features: tuple[Feature, ...], drawn: Tables, pick: Callable[[Sequence[int]], int]) -> _Example:
    ledger = drawn.ledger()
    as_of = pick(_moments(ledger, drawn.today))
    obs = _observations(features, ledger, as_of)
    return _Example(features, drawn, ledger, as_of, pick(range(1000)), obs, compute(features, ledger, obs))


def _moments(ledger: Ledger, today: int) -> list[int]:
    """Moments worth looking at: today, and when facts became known, to the microsecond and just after."""
    end = ledger.until_us
    known = {int(moment) for name in ledger.given for moment in ledger.facts(name).known_at}
    near = {moment + step for moment in known for step in (0, 1) if abs(moment - end) < 800 * US_PER_DAY}
    return [today, *sorted(moment for moment in near if moment <= end)]


def _observations(features: tuple[Feature, ...], ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Everybody at one moment; where ``invoice.*`` is read, every obligation that stands or runs then."""
    at = pd.Timestamp(np.datetime64(as_of, "us"))
    if any(feature.expression.fields or _reads_invoice(feature.expression) for feature in features):
        return Outcome(stages=STAGES).standing(ledger, at, _HORIZON_DAYS, disputed=True)
    everybody = sorted({*ledger.customers, NOBODY})
    return pd.DataFrame({"customer_id": pd.Series(everybody, dtype="str"), "as_of": at})


def _reads_invoice(expression: Expression) -> bool:
    return any(table == "invoice" for table, _ in expression.columns())


# -- the laws --------------------------------------------------------------------------------------------------


def later_facts_change_nothing(example: _Example) -> None:
    """Without the rows that became known later, and without the cells that were filled in later."""
    late = {}
    for name, frame in example.tables.frames.items():
        facts = example.ledger.facts(name)
        rows = np.ones(len(frame), dtype=bool)
        rows[facts.row[facts.known_at >= example.as_of]] = False
        late[name] = rows
    hint = "an aggregate of your own may read only the values and days that it is handed."
    what = f"what became known at or after {iso(example.as_of)} changes the value"
    _same(example, example.tables.take(late).ledger(), what, "without it", hint)
    _same(example, example.ledger.known_before(example.as_of), what, "without it", hint)


def the_order_of_rows_changes_nothing(example: _Example) -> None:
    """Rows in another order; those that became known at one moment stay in theirs."""
    rng = np.random.default_rng(example.seed)
    orders = {name: _shuffled(rng, example.ledger, name, len(frame)) for name, frame in example.tables.frames.items()}
    hint = "let it depend on values and days, not on places: sort first where the order matters."
    _same(example, example.tables.take(orders).ledger(), "the order of rows changes the value", "shuffled", hint)


def other_customers_change_nothing(example: _Example) -> None:
    """One customer, with the facts of all others taken out."""
    names = _of_one_customer(example.features)
    if not names or not example.ledger.customers:
        return
    owner = example.seed % len(example.ledger.customers)
    rows = {}
    for name, frame in example.tables.frames.items():
        facts = example.ledger.facts(name)
        rows[name] = np.ones(len(frame), dtype=bool)
        others = (facts.owner != owner) & (facts.owner >= 0) & (facts.entity == "customer")
        rows[name][facts.row[others & ~_about_the_same(facts, name, facts.owner == owner)]] = False
    mine = (example.obs["customer_id"] == example.ledger.customers[owner]).to_numpy()
    hint = "an aggregate of your own keeps something between its calls; or say of= in the definition."
    ledger = example.tables.take(rows).ledger()
    _same(example, ledger, "facts of other customers change the value", "without them", hint, mine, names)


def _about_the_same(facts: Facts, name: str, own: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Rows of a contract or account that was this customer's too: they say until when it was."""
    schema = TABLES.get(name)
    if schema is None or not schema.lasting or not schema.key:
        return np.zeros(len(facts), dtype=bool)
    key = facts.text(schema.key[0]).codes
    return np.isin(key, key[own])


def one_alone_is_as_among_others(example: _Example) -> None:
    """All observations once more, and one of them by itself."""
    hint = "an aggregate of your own keeps something between its calls, or draws at random."
    _same(example, example.ledger, "asking twice changes the value", "the second time", hint)
    here = np.arange(len(example.obs)) == example.seed % max(len(example.obs), 1)
    _same(example, example.ledger, "other observations change the value", "alone", hint, here)


def nothing_gives_missing_or_what_is_declared(example: _Example) -> None:
    """A customer without any fact: missing, or what the definition gives for none."""
    names = _of_one_customer(example.features)
    obs = example.obs.assign(customer_id=NOBODY)
    found = compute(example.features, example.ledger, obs)
    wanted = pd.DataFrame({name: _of_nothing(example, name, obs) for name in names}, index=obs.index)
    hint = "for no fact at all count and sum are 0 and all else is missing: an aggregate may not make up a value."
    _compare(example, found[names], wanted, "a customer without any fact has a value", "by the definition", hint)


def compiled_equals_plain(example: _Example) -> None:
    """The compiled engine against the plain one."""
    plain = compute(example.features, example.ledger, example.obs, compiled=False)
    hint = "an aggregate of your own gives other numbers compiled: report it if you see no reason in it."
    _compare(example, example.found, plain, "compiled and plain differ", "plain", hint)


LAWS: tuple[Callable[[_Example], None], ...] = (
    one_alone_is_as_among_others,
    later_facts_change_nothing,
    the_order_of_rows_changes_nothing,
    other_customers_change_nothing,
    nothing_gives_missing_or_what_is_declared,
    compiled_equals_plain,
)


def _of_one_customer(features: tuple[Feature, ...]) -> list[str]:
    """Names of the features that are not over a group of customers."""
    whole = ("region", "segment", "campaign", "portfolio")
    return [
        feature.name
        for feature in features
        if not any(item.selection.of in whole for item in feature.expression.aggregates)
    ]


def _shuffled(rng: np.random.Generator, ledger: Ledger, name: str, count: int) -> Rows:
    """Rows in a random order in which those known at one moment keep theirs; what was set aside comes last."""
    facts = ledger.facts(name)
    order = rng.permutation(len(facts))
    known = facts.known_at[order]
    for moment in np.unique(known):
        places = np.flatnonzero(known == moment)
        order[places] = order[places][np.argsort(facts.row[order[places]])]
    aside = np.setdiff1d(np.arange(count), facts.row)
    return np.concatenate([facts.row[order], aside])


def _of_nothing(example: _Example, name: str, obs: pd.DataFrame) -> Any:
    (feature,) = [feature for feature in example.features if feature.name == name]

    def leaf(node: Node) -> Column:
        if isinstance(node, Aggregate):
            if _gives_text(node, example.ledger):
                return Codes(np.full(len(obs), -1, dtype=np.int64), ())
            return np.full(len(obs), 0.0 if node.function in OF_NOTHING else np.nan)
        return _field(f"{getattr(node, 'table', '')}.{getattr(node, 'column', '')}", example.ledger, obs)

    result = evaluate(feature.expression.root, leaf)
    if isinstance(result, Codes):
        return [None if code < 0 else result.labels[code] for code in result.codes]
    return np.broadcast_to(result, (len(obs),)).astype(np.float32)


def _field(text: str, ledger: Ledger, obs: pd.DataFrame) -> Column:
    values = compute([Feature("field", text)], ledger, obs)["field"]
    if isinstance(values.dtype, pd.CategoricalDtype):
        return Codes(values.cat.codes.to_numpy().astype(np.int64), tuple(map(str, values.cat.categories)))
    return values.to_numpy(dtype=np.float64)


def _gives_text(aggregate: Aggregate, ledger: Ledger) -> bool:
    column = aggregate.argument.name if isinstance(aggregate.argument, Name) else ""
    is_text = ledger.facts(aggregate.selection.table).kinds.get(column) == "text"
    return is_text and aggregate.function in ("first", "last")


# -- comparing -------------------------------------------------------------------------------------------------


def _same(
    example: _Example,
    ledger: Ledger,
    what: str,
    then: str,
    hint: str,
    rows: Any = None,
    names: Iterable[str] | None = None,
) -> None:
    """Refuse when the same observations get another value from another ledger."""
    obs = example.obs if rows is None else example.obs[rows]
    columns = list(example.found if names is None else names)
    features = [feature for feature in example.features if feature.name in columns]
    _compare(example, example.found.loc[obs.index, columns], compute(features, ledger, obs), what, then, hint)


def _compare(example: _Example, one: pd.DataFrame, other: pd.DataFrame, what: str, then: str, hint: str) -> None:
    for feature in example.features:
        name = feature.name
        if name not in one:
            continue
        differs = ~_equal(one[name], other[name])
        if not differs.any():
            continue
        label = one.index[int(np.argmax(differs))]
        shown = example.obs.loc[label].to_string().replace("\n", "\n  ")
        raise FeatureLawError(
            f"{name}: {what}.",
            found=f"{one.at[label, name]!s}, {then} {other.at[label, name]!s}\n"
            f"Definition: {feature.value}\nObservation:\n  {shown}\n{example.tables!r}",
            hint=hint,
        )


def _equal(one: pd.Series[Any], other: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    """Where two columns say the same: text as text, numbers but for the last digit, both missing."""
    if pd.api.types.is_numeric_dtype(one.dtype) and pd.api.types.is_numeric_dtype(other.dtype):
        a, b = one.to_numpy(dtype=np.float64), other.to_numpy(dtype=np.float64)
        return np.asarray(np.isclose(a, b, rtol=CLOSE.get(str(one.dtype), 1e-9), atol=0.0, equal_nan=True))
    words = [column.astype("object").where(column.notna(), None) for column in (one, other)]
    return np.asarray([x == y for x, y in zip(*words, strict=True)], dtype=bool)
