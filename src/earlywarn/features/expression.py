"""The expression language: Python's grammar, a closed list of functions, read and never run.

``parse`` turns text into a small tree of frozen nodes; ``evaluate`` computes a tree whose leaves somebody
else looks up. Windows and aggregates are described here and computed elsewhere.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from earlywarn.errors import FeatureError, suggest
from earlywarn.features.aggregates import AGGREGATES, GROUP_ONLY, SCALARS, WINDOW_WORDS, user_parameters

__all__ = ["Aggregate", "Expression", "Selection", "parse", "parse_condition"]

MAX_LENGTH, MAX_NODES, MAX_DEPTH = 2_000, 250, 25
DEFAULT_DAYS, MAX_DAYS = 1_095.0, 100_000
#: Parameters that belong to one aggregate rather than to its window: name -> default (None: required).
PARAMETERS: Mapping[str, Mapping[str, float | None]] = {
    "quantile": {"q": None},
    "ewma": {"alpha": 0.3},
    "drift": {"scale": None, "alpha": 0.3},
}
ENTITIES = ("customer", "account", "contract", "region", "segment", "campaign", "portfolio")
#: Functions of a date column inside an aggregate: 0 for Monday … 6, and 1 … 31.
CALENDAR = ("weekday", "monthday")


@dataclass(frozen=True)
class Literal:
    """A number or a text that stands in the expression."""

    value: float | str


@dataclass(frozen=True)
class Name:
    """A bare name: a column inside an aggregate, a feature's name in ``show``, ``value`` itself."""

    name: str


@dataclass(frozen=True)
class Field:
    """A column of the observed obligation, ``invoice.amount``."""

    table: str
    column: str


@dataclass(frozen=True)
class Operation:
    """An operator or a scalar function over its operands."""

    name: str
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Selection:
    """Which facts an aggregate sees: table, window, condition and order of cutting."""

    table: str
    days: float | None
    until: float
    skip: int
    last: int | None
    where: Node | None
    of: str
    leave_out: str | None
    ahead: bool


@dataclass(frozen=True)
class Aggregate:
    """One number per observation from the facts of a selection."""

    function: str
    argument: Node | None
    selection: Selection
    parameters: tuple[tuple[str, float], ...]


Node = Literal | Name | Field | Operation | Aggregate


@dataclass(frozen=True)
class Expression:
    """A parsed feature definition.

    Attributes
    ----------
    text : str
    root : Node
    aggregates : tuple of Aggregate, in order of appearance
    fields : tuple of Field
    names : tuple of str
        Bare names outside aggregates.
    """

    text: str
    root: Node
    aggregates: tuple[Aggregate, ...]
    fields: tuple[Field, ...]
    names: tuple[str, ...]

    def columns(self) -> set[tuple[str, str]]:
        """Every (table, column) that the expression reads.

        Examples
        --------
        >>> sorted(parse("mean(usage.quantity, days=30, where=kind == 'data')").columns())
        [('usage', 'kind'), ('usage', 'quantity')]
        """
        read = {(leaf.table, leaf.column) for leaf in self.fields}
        for aggregate in self.aggregates:
            read |= {(aggregate.selection.table, name) for name in columns_of(aggregate)}
        return read


def columns_of(aggregate: Aggregate) -> list[str]:
    """Columns of its table that an aggregate reads, in its argument or its condition."""
    parts = [part for part in (aggregate.argument, aggregate.selection.where) if part is not None]
    return sorted({leaf.name for part in parts for leaf in walk(part) if isinstance(leaf, Name)})


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, aggregates not opened."""
    yield node
    if isinstance(node, Operation):
        for operand in node.operands:
            yield from walk(operand)


def parse(text: str) -> Expression:
    """Read a feature's definition.

    Parameters
    ----------
    text : str
        For example ``"mean(usage.quantity, days=30) / median(usage.quantity, days=180, until=30)"``.

    Returns
    -------
    Expression

    Raises
    ------
    FeatureError
        F210 not an expression, F211 too long or deep, F212 unknown function, F213 a window or parameter that
        does not fit, F214 something the language does not have.

    Examples
    --------
    >>> parse("count(payments, days=90)").aggregates[0].selection.days
    90.0
    >>> parse("medain(payments.amount)")
    Traceback (most recent call last):
    ...
    earlywarn.errors.FeatureError: FeatureError[F212]: there is no function 'medain' in "medain(payments.amount)".
    Hint: did you mean 'median'?
    """
    return _parse(text, user_parameters())


@lru_cache(maxsize=4096)
def _parse(text: str, added: tuple[tuple[str, tuple[tuple[str, int | float], ...]], ...]) -> Expression:
    return _Reader(text, {name: dict(parameters) for name, parameters in added}).expression()


def parse_condition(text: str) -> Expression:
    """Read an expression over bare names only, as ``show`` and policy files hold them.

    Examples
    --------
    >>> parse_condition("late_count > 0 and tenure_days < 90").names
    ('late_count', 'tenure_days')
    """
    expression = parse(text)
    if expression.aggregates or expression.fields:
        raise FeatureError(
            f"only names, numbers and scalar functions may stand in {text!r}.",
            code="F214",
            hint="put the aggregate into a feature of its own and name that feature here.",
        )
    return expression


class _Reader:
    """Walks Python's own tree once and refuses all that is not on the list."""

    def __init__(self, text: Any, own: Mapping[str, Mapping[str, int | float]]) -> None:
        self.text = text
        self.own = own  # the user's aggregates with their parameters
        self.known_aggregates = {*AGGREGATES, *GROUP_ONLY, *own}
        self.aggregates: list[Aggregate] = []
        self.fields: list[Field] = []
        self.names: list[str] = []

    def expression(self) -> Expression:
        if not isinstance(self.text, str) or not self.text.strip():
            raise FeatureError("an expression is empty.", code="F210", hint="write one, such as count(payments).")
        if len(self.text) > MAX_LENGTH:
            self.refuse("F211", f"is longer than {MAX_LENGTH} characters")
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise FeatureError(f"{self.text!r} is not an expression.", code="F210", found=str(error)) from error
        if sum(1 for _ in ast.walk(tree)) > 4 * MAX_NODES or _depth(tree) > MAX_DEPTH:
            self.refuse("F211", "is too large or too deep", "split it into several features.")
        root = self.node(tree, table=None)
        return Expression(self.text, root, tuple(self.aggregates), tuple(self.fields), tuple(dict.fromkeys(self.names)))

    def refuse(self, code: str, what: str, hint: str | None = None) -> NoReturn:
        raise FeatureError(f"{self.text!r} {what}.", code=code, hint=hint)

    def node(self, tree: ast.expr, table: str | None) -> Node:
        """Translate one node; ``table`` is set inside an aggregate."""
        match tree:
            case ast.Constant(value=bool() as flag):
                return Literal(float(flag))
            case ast.Constant(value=(int() | float()) as number):
                return Literal(self.finite(number))
            case ast.Constant(value=str() as word):
                return Literal(word)
            case ast.Name(id=name):
                if table is None:
                    self.names.append(name)
                return Name(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=column):
                return self.column(owner, column, table)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                return Operation(_UNARY[type(op)], (self.node(operand, table),))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return Operation(_BINARY[type(op)], (self.node(left, table), self.node(right, table)))
            case ast.BoolOp(op=op, values=values):
                name = "and" if isinstance(op, ast.And) else "or"
                return Operation(name, tuple(self.node(value, table) for value in values))
            case ast.Compare():
                return self.comparison(tree, table)
            case ast.Call(func=ast.Name(id=name)):
                return self.call(name, tree, table)
        self.refuse("F214", f"holds something the language does not have ({type(tree).__name__})")

    def column(self, owner: str, column: str, table: str | None) -> Node:
        if table is not None and owner != "invoice":
            if owner != table:
                self.refuse("F214", f"mixes {owner} into an aggregate of {table}", "one aggregate reads one table.")
            return Name(column)
        if table is None and owner != "invoice":
            self.refuse(
                "F214",
                f"reads {owner}.{column} outside an aggregate",
                f"say which of many facts: last({owner}.{column}), mean({owner}.{column}, days=90), …",
            )
        leaf = Field(owner, column)
        self.fields.append(leaf)
        return leaf

    def comparison(self, tree: ast.Compare, table: str | None) -> Node:
        sides = [tree.left, *tree.comparators]
        parts: list[Node] = []
        for op, left, right in zip(tree.ops, sides[:-1], sides[1:], strict=True):
            if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Tuple | ast.List | ast.Set):
                if not right.elts:
                    self.refuse("F214", "looks for something in an empty list")
                here = self.node(left, table)
                hits = tuple(Operation("==", (here, self.node(item, table))) for item in right.elts)
                found: Node = Operation("or", hits)
                parts.append(found if isinstance(op, ast.In) else Operation("not", (found,)))
            elif type(op) in _COMPARE:
                parts.append(Operation(_COMPARE[type(op)], (self.node(left, table), self.node(right, table))))
            else:
                self.refuse("F214", f"compares with {type(op).__name__}", "use == != < <= > >= or in (…).")
        return parts[0] if len(parts) == 1 else Operation("and", tuple(parts))

    def call(self, name: str, tree: ast.Call, table: str | None) -> Node:
        if name in SCALARS:
            if tree.keywords:
                self.refuse("F213", f"gives {name} a keyword it does not take")
            wanted = _ARITY.get(name)
            if (wanted is not None and len(tree.args) != wanted) or not tree.args:
                self.refuse("F213", f"calls {name} with {len(tree.args)} arguments", f"it takes {wanted or 'some'}.")
            operands = tuple(self.node(argument, table) for argument in tree.args)
            if name in CALENDAR and (table is None or not isinstance(operands[0], Name)):
                self.refuse(
                    "F213",
                    f"asks {name} of something else than a date column",
                    f"share({name}(payments.paid_on) == 1).",
                )
            return Operation(name, operands)
        if name != "ahead" and name not in self.known_aggregates:
            known = [*SCALARS, *self.known_aggregates, "ahead"]
            raise FeatureError(
                f'there is no function {name!r} in "{self.text}".', code="F212", hint=suggest(name, known)
            )
        if table is not None:
            self.refuse("F214", f"puts {name} inside another aggregate")
        return self.ahead(tree) if name == "ahead" else self.aggregate(name, tree)

    def ahead(self, tree: ast.Call) -> Node:
        match tree.args:
            case [ast.Call(func=ast.Name(id=name)) as inner] if name in self.known_aggregates:
                days = self.keywords(tree, ("days",)).get("days")
                if days is None:
                    self.refuse("F213", "looks ahead without saying how far", "ahead(sum(…), days=30).")
                if any(keyword.arg in ("days", "until") for keyword in inner.keywords):
                    self.refuse("F213", "gives a window inside ahead", "ahead(sum(…), days=30).")
                return self.aggregate(name, inner, ahead_days=self.number("days", days))
        self.refuse("F213", "gives ahead something else than one aggregate", "ahead(sum(obligations.amount), days=30).")

    def aggregate(self, name: str, tree: ast.Call, ahead_days: float | None = None) -> Node:
        allowed = {**dict.fromkeys(WINDOW_WORDS), **PARAMETERS.get(name, {}), **self.own.get(name, {})}
        words = self.keywords(tree, allowed)
        if len(tree.args) != 1:
            self.refuse("F213", f"calls {name} with {len(tree.args)} arguments", f"{name}(table.column, days=90).")
        table, argument = self.subject(name, tree.args[0])
        parameters = self.own_parameters(name, words) if name in self.own else self.parameters(name, words)
        looks_ahead = ahead_days is not None or (name == "days_until" and argument is None)
        selection = self.selection(table, words, ahead_days, looks_ahead)
        if name in GROUP_ONLY and selection.of == "customer":
            self.refuse("F213", f"asks {name} of a customer alone", f"{name}({table}.…, days=365, of=region).")
        result = Aggregate(name, argument, selection, parameters)
        self.aggregates.append(result)
        return result

    def parameters(self, name: str, words: dict[str, ast.expr]) -> tuple[tuple[str, float], ...]:
        parameters = tuple(
            (key, self.number(key, words[key]) if key in words else self.default(name, key, default))
            for key, default in PARAMETERS.get(name, {}).items()
        )
        for key, value in parameters:
            low, high, edge = _RANGES[key]
            if not (low < value <= high or (edge and value == low)):
                self.refuse("F213", f"gives {name} {key}={value:g}", f"for example {key}={_EXAMPLES[key]}.")
        return parameters

    def own_parameters(self, name: str, words: dict[str, ast.expr]) -> tuple[tuple[str, float], ...]:
        """Numbers for an aggregate of the user's own: of any sign, whole where the default is."""
        found = []
        for key, default in self.own[name].items():
            value = self.number(key, words[key], signed=True) if key in words else float(default)
            if isinstance(default, int) and value != int(value):
                self.refuse("F213", f"gives {name} {key}={value:g}", f"a whole number, such as {key}={default}.")
            found.append((key, value))
        return tuple(found)

    def default(self, name: str, key: str, value: float | None) -> float:
        if value is None:
            self.refuse("F213", f"calls {name} without {key}=", f"for example {key}={_EXAMPLES[key]}.")
        return value

    def subject(self, name: str, tree: ast.expr) -> tuple[str, Node | None]:
        """The table that an aggregate reads, and what of it."""
        if isinstance(tree, ast.Name):
            if name not in ("count", "days_since", "days_until"):
                self.refuse("F213", f"asks {name} of a table", f"name a column: {name}({tree.id}.amount).")
            return tree.id, None
        owners = {
            leaf.value.id
            for leaf in ast.walk(tree)
            if isinstance(leaf, ast.Attribute) and isinstance(leaf.value, ast.Name) and leaf.value.id != "invoice"
        }
        if len(owners) != 1:
            self.refuse("F214", f"reads {len(owners)} tables in one aggregate", "one aggregate reads one table.")
        (table,) = owners
        return table, self.node(tree, table)

    def keywords(self, tree: ast.Call, allowed: Any) -> dict[str, ast.expr]:
        words: dict[str, ast.expr] = {}
        for keyword in tree.keywords:
            if keyword.arg is None or keyword.arg not in allowed:
                self.refuse("F213", f"uses an unknown keyword {keyword.arg!r}", suggest(str(keyword.arg), allowed))
            if keyword.arg in words:
                self.refuse("F213", f"gives {keyword.arg}= twice")
            words[keyword.arg] = keyword.value
        return words

    def selection(
        self, table: str, words: dict[str, ast.expr], ahead_days: float | None, looks_ahead: bool
    ) -> Selection:
        days = self.number("days", words["days"]) if "days" in words else ahead_days
        until = self.number("until", words["until"]) if "until" in words else 0.0
        oldest = DEFAULT_DAYS if days is None else days
        if not 0 <= until < oldest:
            self.refuse("F213", f"has an empty window (days={oldest:g}, until={until:g})", "days is the older edge.")
        if oldest > MAX_DAYS:
            self.refuse("F213", f"looks {oldest:g} days back", f"days is at most {MAX_DAYS:,}.")
        last = self.whole("last", words["last"]) if "last" in words else None
        if last == 0:
            self.refuse("F213", "keeps the last 0 facts", "last is 1 or more.")
        leave_out = self.word("leave_out", words["leave_out"]) if "leave_out" in words else None
        of = self.word("of", words["of"]) if "of" in words else "customer"
        if of not in ENTITIES or leave_out not in (None, "customer"):
            self.refuse("F213", f"asks of={of}, leave_out={leave_out}", suggest(of, ENTITIES))
        return Selection(
            table=table,
            days=days,
            until=until,
            skip=self.whole("skip", words["skip"]) if "skip" in words else 0,
            last=last,
            where=self.node(words["where"], table) if "where" in words else None,
            of=of,
            leave_out=leave_out,
            ahead=looks_ahead,
        )

    def number(self, key: str, tree: ast.expr, *, signed: bool = False) -> float:
        sign = 1.0
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            sign, tree = -1.0, tree.operand
        if not (isinstance(tree, ast.Constant) and type(tree.value) in (int, float)):
            self.refuse("F213", f"gives {key}= something else than a number")
        value = sign * self.finite(tree.value)  # type: ignore[arg-type]
        if value < 0 and not signed:
            self.refuse("F213", f"gives {key}= a negative number")
        return value

    def finite(self, value: int | float) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.refuse("F214", "holds a number that is too large")
        return number

    def whole(self, key: str, tree: ast.expr) -> int:
        value = self.number(key, tree)
        if value != int(value):
            self.refuse("F213", f"gives {key}= a fraction of a fact")
        return int(value)

    def word(self, key: str, tree: ast.expr) -> str:
        match tree:
            case ast.Name(id=word) | ast.Constant(value=str() as word):
                return word
        self.refuse("F213", f"gives {key}= something else than a name")


_UNARY: dict[type, str] = {ast.USub: "neg", ast.UAdd: "pos", ast.Not: "not"}
_BINARY: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Mod: "%"}
_COMPARE: dict[type, str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_ARITY = {"where": 3, "log": 1, "exp": 1, "sqrt": 1, "abs": 1, "clip": 3, "isnull": 1, "weekday": 1, "monthday": 1}
_EXAMPLES = {"q": "0.9", "scale": "7", "alpha": "0.3"}
#: What a parameter may be: above the first and up to the second, the first itself where the third says so.
_RANGES = {"q": (0.0, 1.0, True), "alpha": (0.0, 1.0, False), "scale": (0.0, math.inf, False)}


def _depth(tree: ast.AST) -> int:
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth
