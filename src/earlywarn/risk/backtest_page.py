"""A backtest as one HTML page: what was tested, how good it is, how sure that is. It needs no other file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from earlywarn.errors import EarlywarnError
from earlywarn.extras import require
from earlywarn.risk.backtest_result import MODEL, POOLED, scorers_of
from earlywarn.risk.baselines import BASE_RATE

if TYPE_CHECKING:
    from earlywarn.risk.backtest_result import BacktestResult

__all__ = ["page_of"]

#: Columns of the tables, with what they are called for a reader and how they are written.
_SHOWN: dict[str, tuple[str, str]] = {
    "scorer": ("scorer", "{}"),
    "rows": ("rows", "{:,}"),
    "events": ("late", "{:,}"),
    "base_rate": ("share late", "{:.1%}"),
    "mean_p": ("mean p", "{:.1%}"),
    "auc": ("AUC", "{:.3f}"),
    "gini": ("Gini", "{:.3f}"),
    "ap": ("AP", "{:.3f}"),
    "ks": ("KS", "{:.3f}"),
    "log_loss": ("log-loss", "{:.4f}"),
    "brier": ("Brier", "{:.4f}"),
    "calibration_intercept": ("intercept", "{:+.2f}"),
    "calibration_slope": ("slope", "{:.2f}"),
    "ici": ("ICI", "{:.4f}"),
    "lift": ("lift", "{:.2f}"),
    "capture": ("caught", "{:.1%}"),
    "money": ("money caught", "{:.1%}"),
    "warned_days": ("days ahead", "{:.1f}"),
}
_GROUPS = {
    "stage": "By stage",
    "lead_days": "By days before due",
    "segment": "By segment",
    "seen": "Customers seen in training",
    "treated": "Contacted before the outcome",
}
_BY_FOLD = ("fold", "first_as_of", "last_as_of", "train_rows", *(name for name in _SHOWN if name != "scorer"))
#: More groups than this make no table that anybody reads.
_MOST_GROUPS = 30
_CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.lead { font-size: 1.05rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; white-space: nowrap; }
th, td { text-align: right; padding: .25rem .55rem; border-bottom: 1px solid #e4e4e4; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; border-bottom: 1px solid #999; }
tr.ours td { font-weight: 600; } .figures { display: flex; flex-wrap: wrap; gap: 1rem; }
.figures svg { max-width: 100%; height: auto; } .note { color: #666; font-size: 13px; }
"""


def page_of(result: BacktestResult) -> str:
    """The page.

    Parameters
    ----------
    result : BacktestResult

    Returns
    -------
    str
    """
    rows = result.predictions
    first, last = rows["as_of"].min(), rows["as_of"].max()
    parts = [
        f"<h1>Backtest</h1><p class=note>{len(rows):,} observations of {rows['customer_id'].nunique():,} customers, "
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}, in {rows['fold'].nunique()} stretches of time. Before each, the model "
        "learned only from what had matured by then.</p>",
        *(f"<p class=lead>{sentence}</p>" for sentence in _said(result)),
        *(f"<p class=note>{escape(notice)}</p>" for notice in result.notices),
        "<h2>Over all stretches</h2>",
        _table(result.overall(), [name for name in _SHOWN if name in result.table]),
        f"<p class=note>caught, lift and money: what the highest {result.capacity:.0%} of scores hold. days ahead: how "
        "long before due a late obligation was first among them. slope and intercept: 1 and 0 when calibrated. ICI: "
        "mean distance between probability and share late.</p>",
        *_pictures(result),
        "<h2>Do the probabilities mean what they say?</h2>",
        _calibration(result),
        "<h2>Stretch by stretch</h2>",
        _table(result.table[result.table["scorer"] == MODEL], _BY_FOLD),
        "<h2>How sure that is</h2>",
        _intervals(result),
        *_groups(result),
    ]  # fmt: skip
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Backtest</title>'
        f"<meta name=viewport content='width=device-width'><style>{_CSS}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>"
    )


def _said(result: BacktestResult) -> Iterable[str]:
    """What a reader has to know, in sentences."""
    pooled: dict[Any, dict[Any, Any]] = result.overall().set_index("scorer").to_dict("index")
    ours = pooled[MODEL]
    yield (
        f"Calling the {result.capacity:.0%} with the highest scores reaches {ours['capture']:.0%} of the late "
        f"obligations and {ours['money']:.0%} of the money in them, {ours['warned_days']:.0f} days before due on "
        "average."
    )
    rivals = [name for name in scorers_of(result.predictions) if name not in (MODEL, BASE_RATE)]
    if rivals:
        best = max(rivals, key=lambda name: float(pooled[name]["auc"]))
        ahead = result.ahead_of(best, repeats=200)
        sure = "beyond the noise of drawing other customers" if ahead.low > 0 else "within the noise"
        yield (
            f"In putting late before on time it is ahead of the best simple rule ({escape(best)}) by "
            f"{ahead.value:+.3f} of AUC ({ahead.low:+.3f} to {ahead.high:+.3f}), {sure}."
        )
    claim = result.random_split
    if claim is not None:
        yield (
            f"A test on rows drawn by lot would have claimed an AUC of {claim.measures['auc']:.3f} and a log-loss of "
            f"{claim.measures['log_loss']:.4f}; on later time they are {ours['auc']:.3f} and {ours['log_loss']:.4f}. "
            f"{claim.same_bill:.0%} of those rows belong to bills that were learned from as well."
        )


def _calibration(result: BacktestResult) -> str:
    found = result.calibration()
    frame = pd.DataFrame(
        {
            "stretch": found["fold"],
            "rows": found["rows"].map("{:,}".format),
            "share late": found["base_rate"].map("{:.2%}".format),
            "mean p": found["mean_p"].map("{:.2%}".format),
            "may differ by": found["allowed"].map("{:.2%}".format),
            "slope": [f"{one.slope:.2f} ({one.slope_low:.2f} to {one.slope_high:.2f})" for one in found.itertuples()],
            "holds": found["holds"].map({True: "yes", False: "no"}),
        }
    )
    return _html(frame)


def _intervals(result: BacktestResult) -> str:
    found = result.intervals()
    wide = {
        name: [f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in rows.itertuples()]
        for name, rows in found.groupby("measure", sort=False)
    }
    folds = found["fold"].drop_duplicates().tolist()
    return _html(pd.DataFrame({"stretch": folds, **{str(name).replace("_", " "): wide[name] for name in wide}}))


def _groups(result: BacktestResult) -> Iterable[str]:
    for column, title in _GROUPS.items():
        if not 1 < result.predictions[column].nunique(dropna=False) <= _MOST_GROUPS:
            continue
        found = result.by(column)
        yield f"<h2>{title}</h2>"
        yield _table(found[found["scorer"] == MODEL], [column, *(name for name in _SHOWN if name != "scorer")])


def _pictures(result: BacktestResult) -> Iterable[str]:
    try:
        pyplot = require("matplotlib.pyplot", to="draw")
    except EarlywarnError:
        return
    drawn = []
    for display in (result.reliability(), result.gain(), result.lift()):
        figure = display.plot().figure_
        assert figure is not None
        raw = io.StringIO()
        with pyplot.rc_context({"svg.hashsalt": "earlywarn", "svg.fonttype": "path"}):
            figure.savefig(raw, format="svg", metadata={"Date": None})
        pyplot.close(figure)
        svg = raw.getvalue()
        drawn.append(svg[svg.index("<svg") :])
    yield "<div class=figures>" + "\n".join(drawn) + "</div>"


def _table(frame: pd.DataFrame, columns: Iterable[str]) -> str:
    named: dict[str, list[str]] = {}
    for column in columns:
        if column not in frame:
            continue
        title, form = _SHOWN.get(column, (column.replace("_", " "), "{}"))
        named[title] = [_written(value, form) for value in frame[column]]
    ours = [str(name) == MODEL for name in frame.get("scorer", [])]
    return _html(pd.DataFrame(named), ours if len(set(ours)) > 1 else ())


def _written(value: Any, form: str) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if pd.isna(value):
        return "–"
    return "all" if value == POOLED else form.format(value)


def _html(frame: pd.DataFrame, ours: Iterable[bool] = ()) -> str:
    """A table; rows of ours stand out."""
    bold: Mapping[int, bool] = dict(enumerate(ours))
    head = "".join(f"<th>{escape(str(name))}</th>" for name in frame.columns)
    body = "".join(
        f"<tr{' class=ours' if bold.get(place) else ''}>"
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
        + "</tr>"
        for place, row in enumerate(frame.itertuples(index=False))
    )  # fmt: skip
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
