"""The features that everyone computes: the 16 of the first comparison, and a catalogue of more than 60.

Each is stated once, as numbers a peer can write its own query from, and as text of the expression language.
`ewma` and `drift` are left to ours: the order of the facts inside a window is needed, which no peer aggregates
without sorting every window, so a comparison would only flatter us.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windows_data import KINDS, METHODS

#: When a fact is known at the earliest, in whole days before a moment at 00:00; payments say it row by row.
LEAST_AGE = {"usage": 2, "invoices": 1, "payments": 1}
DAY = {"usage": "used_on", "invoices": "issued_on", "payments": "paid_on"}
WORDS = {"kind": KINDS, "method": METHODS}
#: Aggregates that are 0, not missing, where no fact is.
ZERO = ("count", "sum", "distinct")
#: Aggregates that cannot be put together from those of parts of a window.
WHOLE = ("median", "quantile")
#: Two numbers are equal when they differ by no more than this share of the value, or of the column's usual size.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Window:
    """One aggregate over one window: `function` of `column` where `where` is `word`, `days` to `until` back."""

    name: str
    table: str
    function: str
    column: str = ""
    days: int = 30
    until: int = 0
    where: str = ""
    word: str = ""
    q: float = 0.5

    @property
    def text(self) -> str:
        """The same in the expression language."""
        subject = f"{self.table}.{self.column}" if self.column else self.table
        options = [f"days={self.days}"]
        if self.function == "share":
            subject = f"{self.table}.{self.where} == {self.word!r}"
        elif self.where:
            options.append(f"where={self.where} == {self.word!r}")
        if self.until:
            options.append(f"until={self.until}")
        if self.function == "quantile":
            options.append(f"q={self.q}")
        return f"{self.function}({subject}, {', '.join(options)})"

    @property
    def newest(self) -> int:
        """Smallest age in days that the window holds."""
        return max(LEAST_AGE[self.table], self.until + 1)


@dataclass(frozen=True)
class Ratio:
    """One window by another; its logarithm when asked."""

    name: str
    over: Window
    under: Window
    log: bool = False

    @property
    def text(self) -> str:
        """The same in the expression language."""
        text = f"{self.over.text} / {self.under.text}"
        return f"log({text})" if self.log else text


@dataclass(frozen=True)
class Catalogue:
    """Features in order."""

    name: str
    columns: tuple[Window | Ratio, ...]

    @property
    def windows(self) -> tuple[Window, ...]:
        """Every window that is needed, each once."""
        parts = [[c] if isinstance(c, Window) else [c.over, c.under] for c in self.columns]
        return tuple(dict.fromkeys(window for part in parts for window in part))

    def of(self, table: str) -> tuple[Window, ...]:
        """The windows over one table."""
        return tuple(window for window in self.windows if window.table == table)

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables that are read."""
        return tuple(dict.fromkeys(window.table for window in self.windows))

    @property
    def names(self) -> list[str]:
        """Names in order."""
        return [column.name for column in self.columns]


def _usage(function: str, column: str, days: int, **more: object) -> Window:
    tail = f"_{more['word']}" if "word" in more else ""
    if "until" in more:
        tail += f"_until{more['until']}"
    if "q" in more:
        tail += f"_q{round(100 * float(str(more['q'])))}"
    return Window(f"usage_{column or 'rows'}_{function}{tail}_{days}d", "usage", function, column, days, **more)  # type: ignore[arg-type]


def _of(table: str, function: str, column: str, days: int, **more: str) -> Window:
    tail = f"_{more['word']}" if "word" in more else ""
    return Window(f"{table}_{column or 'rows'}_{function}{tail}_{days}d", table, function, column, days, **more)


_FIRST = tuple(_usage(f, "quantity", d) for d in (7, 30, 90, 180) for f in ("mean", "std", "max", "count"))
_MORE = (
    *(_usage(f, "quantity", d) for d in (30, 90, 180) for f in ("sum", "min", "slope", "median")),
    *(_usage("quantile", "quantity", d, q=0.9) for d in (90, 180)),
    *(_usage("sum", "cost", d) for d in (7, 30, 90, 180)),
    _usage("mean", "cost", 30),
    _usage("max", "cost", 90),
    _usage("std", "cost", 90),
    *(_usage("share", "", d, where="kind", word="data") for d in (30, 90, 180)),
    *(_usage("count", "", d, where="kind", word="roaming") for d in (30, 90, 180)),
    *(_usage("sum", "cost", d, where="kind", word="roaming") for d in (30, 90)),
    _usage("mean", "quantity", 90, where="kind", word="data"),
    _usage("max", "cost", 180, where="kind", word="roaming"),
    _usage("days_since", "", 180, where="kind", word="roaming"),
    *(_usage("distinct", "kind", d) for d in (7, 30)),
    _usage("last", "quantity", 30),
    _usage("first", "quantity", 180),
    _usage("mean", "quantity", 180, until=30),
    _usage("std", "quantity", 180, until=30),
)  # fmt: skip
_BILLS = (
    *(_of("invoices", f, "amount", 365) for f in ("sum", "mean", "std", "max", "last", "median", "slope")),
    _of("invoices", "count", "", 365),
    _of("invoices", "mean", "amount", 90),
    _of("invoices", "days_since", "", 365),
    *(_of("payments", f, "amount", d) for d in (90, 365) for f in ("sum", "count")),
    *(_of("payments", f, "amount", 365) for f in ("mean", "min", "last", "first")),
    _of("payments", "days_since", "", 365),
    _of("payments", "distinct", "method", 365),
    _of("payments", "share", "", 365, where="method", word="transfer"),
)
_BY_NAME = {window.name: window for window in (*_FIRST, *_MORE, *_BILLS)}
_RATIOS = (
    Ratio("usage_spike_30d", _BY_NAME["usage_quantity_mean_30d"],
          _usage("median", "quantity", 180, until=30), log=True),
    Ratio("usage_week_by_quarter", _BY_NAME["usage_quantity_mean_7d"], _BY_NAME["usage_quantity_mean_90d"]),
    Ratio("usage_month_by_before", _BY_NAME["usage_quantity_mean_30d"],
          _BY_NAME["usage_quantity_mean_until30_180d"], log=True),
    Ratio("usage_volatility_90d", _BY_NAME["usage_quantity_std_90d"], _BY_NAME["usage_quantity_mean_90d"]),
    Ratio("usage_cost_month_by_quarter", _BY_NAME["usage_cost_sum_30d"], _BY_NAME["usage_cost_sum_90d"]),
    Ratio("invoices_last_by_mean", _BY_NAME["invoices_amount_last_365d"],
          _BY_NAME["invoices_amount_mean_365d"], log=True),
    Ratio("payments_by_invoices_365d", _BY_NAME["payments_amount_sum_365d"], _BY_NAME["invoices_amount_sum_365d"]),
)  # fmt: skip

CATALOGUES = {
    "sixteen": Catalogue("sixteen", _FIRST),
    "catalogue": Catalogue("catalogue", (*_FIRST, *_MORE, *_BILLS, *_RATIOS)),
}


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference, as a share of the value or of its column's usual size; infinite where only one is missing."""
    if ours.shape != theirs.shape:
        return float("inf")
    if not ours.size:
        return 0.0
    if (np.isnan(ours) != np.isnan(theirs)).any():
        return float("inf")
    a, b = np.nan_to_num(ours), np.nan_to_num(theirs)
    size = np.maximum(np.maximum(np.abs(a), np.abs(b)), np.abs(a).mean(axis=0))
    return float((np.abs(a - b) / np.where(size == 0, 1.0, size)).max())
