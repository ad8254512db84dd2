"""The figures of a run as Markdown: ratios beside the bars they are held to, then every way that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sections import footer

#: What must be reached, in times faster than the best of Polars and DuckDB, by (catalogue, where it starts).
BARS = {("sixteen", "memory"): 10.0, ("catalogue", "memory"): 15.0, ("catalogue", "files"): 3.0}
#: Customers for whom those bars are stated: 14.6 million facts of usage, 480,000 observations.
WORK = 20_000
FEATURETOOLS_BAR, COMPILE_BAR, STORE_SECONDS, STORE_MB, READ_BAR = 1000.0, 15.0, 60.0, 8192.0, 3.0
RIVALS = ("polars", "duckdb")
_MOMENTS = {"many": "24 moments each", "one": "one moment each", "due": "one bill each"}
_START = {"memory": "tables in memory", "files": "from Parquet"}
Row = Mapping[str, Any]


def report(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    rows = figures["rows"]
    parts = [
        _introduction(figures),
        _ratios(rows, figures),
        _featuretools(rows, figures["featuretools"]),
        _compilation(figures["compilation"]),
        _shipped(rows),
        _reading(rows),
        _growth(rows),
        _all_ways(rows),
        _equality(figures),
        _machine(about, figures["peers"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# -- parts -----------------------------------------------------------------------------------------------


def _introduction(figures: Mapping[str, Any]) -> str:
    return f"""## Point-in-time windows

The same features by earlywarn and written by hand in DuckDB, Polars and pandas, checked equal (1e-9 of the value,
or of the column's usual size, in float64), then timed in one run, each measurement in a process of its own.
Customers with daily usage over two years, 24 bills and their payments. *Sixteen*: windows of 7, 30, 90 and 180 days x
mean, std, max, count of usage. *Catalogue*: {figures["catalogue_size"]} features over usage, bills and payments.
From memory, the peers' tables are loaded, coded as integers and sorted beforehand, and ours is a built ledger; from
Parquet, text ids, all reading, coding and sorting counts, and for ours all checks of the tables too. Median of three
runs, of one where a run takes longer than ten seconds; the peers' best way counts. The bars are stated for
{WORK:,} customers, 24 moments each: 14.6 million facts of usage."""


def _ratios(rows: Iterable[Row], figures: Mapping[str, Any]) -> str:
    head = (
        "customers, features, observations, start, earlywarn s, first call s, best of Polars and DuckDB s, ratio, bar"
    )
    table = [[*head.split(", "), "best of pandas and numpy s"]]
    for ours in _computed(rows, "earlywarn"):
        if ours["catalogue"] == "shipped":
            continue
        best = _best(rows, ours)
        ratio = _ratio(best, ours)
        from_disk = ours["store"] and ours["start"] == "memory"
        stated = ours["moments"] == "many" and ours["customers"] == WORK
        bar = BARS.get((ours["catalogue"], ours["start"])) if stated else None
        start = "ours from its store on disk" if from_disk else _START[ours["start"]]
        table.append(
            [f"{ours['customers']:,}", _features(ours, figures), _MOMENTS[ours["moments"]], start,
             _seconds(ours), f"{ours['first']:.3g}" if "first" in ours else "", _named(best),
             "" if ratio is None else f"{ratio:.1f} x", _verdict(ratio, bar, ours["equal"]),
             _named(_best(rows, ours, ("pandas",)))]
        )  # fmt: skip
    return "### Ratios\n\n" + _markdown(table)


def _featuretools(rows: Iterable[Row], found: Mapping[str, Any]) -> str:
    if "failed" in found:
        return f"### featuretools\n\nNot compared: {found['failed']}."
    each = found["seconds"] / found["observations"]
    lines = [
        f"featuretools {found['version']}: {found['observations']:,} observations, sixteen features, "
        f"{found['seconds']:.1f} s, {1e3 * each:.2f} ms each; "
        + ("equal." if found["equal"] else f"**not equal** ({found['difference']:.1e}).")
    ]
    if found.get("ours_same_size"):
        lines.append(f"Ours on the same observations: {found['ours_same_size']:.3g} s.")
    mine = (row for row in _computed(rows, "earlywarn") if row["equal"] and not row["store"])
    ours = [row for row in mine if _is(row, "sixteen", "many", "memory")]
    if ours:
        last = max(ours, key=lambda row: row["customers"])
        ratio = each / (last["median"] / last["rows"])
        lines.append(
            f"Per observation, against ours at {last['customers']:,} customers ({last['rows']:,} observations): "
            f"**{ratio:,.0f} x**, {_verdict(ratio, FEATURETOOLS_BAR, found['equal'])}."
        )
    return "### featuretools\n\n" + "\n".join(lines)


def _compilation(found: Mapping[str, Any]) -> str:
    if "failed" in found:
        return f"### Compilation\n\nNot measured: {found['failed']}."
    seconds = found["seconds"][0]
    return f"### Compilation\n\nEverything, into an empty cache: {seconds:.1f} s ({_below(seconds, COMPILE_BAR, 's')})."


def _shipped(rows: Iterable[Row]) -> str:
    table = [["customers", "columns", "with values", "start", "load or write s", "compute s", "peak MB", "bar"]]
    for row in _computed(rows, "earlywarn"):
        if row["catalogue"] != "shipped":
            continue
        start = "store" if row["store"] and row["start"] == "memory" else _START[row["start"]]
        if "failed" in row:
            table.append([f"{row['customers']:,}", "", "", start, "", row["failed"], "", ""])
            continue
        bar = ""
        if row["store"] and row["start"] == "memory":
            peak = max(row["peak_mb"], row.get("load_peak_mb", 0.0))
            bar = f"{_below(row['first'], STORE_SECONDS, 's')}; {_below(peak, STORE_MB, 'MB')}"
        table.append(
            [f"{row['customers']:,}", f"{row['columns']}", f"{row['columns_with_values']}", start,
             f"{row.get('load_seconds', 0.0):.3g}", f"{row['first']:.3g}",
             f"{max(row['peak_mb'], row.get('load_peak_mb', 0.0)):,.0f}", bar]
        )  # fmt: skip
    return "### The shipped catalogue, one bill of each customer\n\n" + _markdown(table)


def _reading(rows: Iterable[Row]) -> str:
    """The floor: reading the usage columns and sorting them, beside ours from Parquet to the matrix."""
    table = [["customers", "tool", "read s", "read and sort s", "peak MB"]]
    read = [row for row in rows if row["what"] == "read"]
    for customers in sorted({row["customers"] for row in read}):
        for tool in dict.fromkeys(row["tool"] for row in read):
            plain, sorting = (
                next(
                    (r for r in read if (r["customers"], r["tool"], r["sort"]) == (customers, tool, sort)),
                    {"failed": "none"},
                )
                for sort in (False, True)
            )
            table.append(
                [f"{customers:,}", tool, _seconds(plain), _seconds(sorting), f"{sorting.get('peak_mb', 0):,.0f}"]
            )
    lines = [_markdown(table)]
    for row in _computed(rows, "earlywarn"):
        floor = [r["median"] for r in read if r["sort"] and r["customers"] == row["customers"] and "median" in r]
        if _is(row, "catalogue", "one", "files") and "median" in row and floor:
            share = row["median"] / min(floor)
            lines.append(
                f"{row['customers']:,} customers: ours from Parquet to the matrix of the catalogue takes "
                f"{share:.1f} x the fastest reading and sorting of usage alone (aim: {READ_BAR:.0f} x)."
            )
    return "### Reading and sorting only\n\n" + "\n\n".join(lines)


def _growth(rows: Iterable[Row]) -> str:
    table = [["features", "observations", "start", "tool", "from", "to", "facts x", "seconds x", "peak MB"]]
    best: dict[tuple[str, ...], dict[int, Row]] = {}
    for row in rows:
        if row["what"] == "compute" and row["equal"] and "median" in row:
            key = (row["catalogue"], row["moments"], row["start"], row["tool"])
            here = best.setdefault(key, {})
            if row["customers"] not in here or row["median"] < here[row["customers"]]["median"]:
                here[row["customers"]] = row
    for (catalogue, moments, start, tool), sizes in best.items():
        for small, large in zip(sorted(sizes), sorted(sizes)[1:], strict=False):
            table.append(
                [catalogue, _MOMENTS[moments], _START[start], tool, f"{small:,}", f"{large:,}", f"{large / small:.0f}",
                 f"{sizes[large]['median'] / sizes[small]['median']:.1f}", f"{sizes[large]['peak_mb']:,.0f}"]
            )  # fmt: skip
    return "### Growth\n\n" + _markdown(table) if len(table) > 1 else ""


def _all_ways(rows: Iterable[Row]) -> str:
    table = [["customers", "features", "observations", "start", "tool", "way", "seconds", "peak MB", "tables held MB"]]
    for row in rows:
        if row["what"] != "compute" or row["catalogue"] == "shipped":
            continue
        way = row.get("way", "store" if row.get("store") else "ledger")
        if row["start"] == "files" and row["tool"] in RIVALS:
            way += ", ids coded first" if row["codes"] else ", text ids"
        table.append(
            [f"{row['customers']:,}", row["catalogue"], _MOMENTS[row["moments"]], _START[row["start"]], row["tool"],
             way, _seconds(row), f"{row['peak_mb']:,.0f}" if "peak_mb" in row else "",
             f"{row['held_mb']:,.0f}" if "held_mb" in row else ""]
        )  # fmt: skip
    return "### Every way that was measured\n\n" + _markdown(table)


def _equality(figures: Mapping[str, Any]) -> str:
    table = [["tool", "features, way", "largest difference from the plain engine"]]
    for what, found in figures["compiled_from_plain"].items():
        table.append(["earlywarn, compiled, float64", what, f"{found:.1e}"])
    for peer, ways in figures["checks"].items():
        table += [[peer, what, f"{found:.1e}" if isinstance(found, float) else found] for what, found in ways.items()]
    return "### Equality, all rows of 200 customers\n\n" + _markdown(table)


def _machine(about: Mapping[str, Any], peers: Mapping[str, str]) -> str:
    return footer({**about, "versions": {**about["versions"], **peers}})


# -- pieces ----------------------------------------------------------------------------------------------


def _computed(rows: Iterable[Row], tool: str) -> Iterator[Row]:
    return (row for row in rows if row["tool"] == tool and row["what"] == "compute")


def _is(row: Row, catalogue: str, moments: str, start: str) -> bool:
    return (row["catalogue"], row["moments"], row["start"]) == (catalogue, moments, start)


def _best(rows: Iterable[Row], ours: Row, tools: Iterable[str] = RIVALS) -> Row | None:
    """The fastest equal row of some tools for the same work."""
    found = [
        row for tool in tools for row in _computed(rows, tool)
        if row["customers"] == ours["customers"] and _is(row, ours["catalogue"], ours["moments"], ours["start"])
        and row["equal"] and "median" in row
    ]  # fmt: skip
    return min(found, key=lambda row: row["median"], default=None)


def _ratio(best: Row | None, ours: Row) -> float | None:
    return None if best is None or "median" not in ours else best["median"] / ours["median"]


def _features(row: Row, figures: Mapping[str, Any]) -> str:
    return "16" if row["catalogue"] == "sixteen" else str(figures["catalogue_size"])


def _verdict(ratio: float | None, bar: float | None, equal: bool) -> str:
    if bar is None:
        return "none"
    if ratio is None or not equal:
        return f"{bar:,.0f} x: not shown"
    return f"{bar:,.0f} x: {'pass' if ratio >= bar else '**FAIL**'}"


def _below(found: float, bar: float, unit: str) -> str:
    return f"bar {bar:,.0f} {unit}: {'pass' if found <= bar else '**FAIL**'}"


def _seconds(row: Row) -> str:
    if "median" not in row:
        return str(row.get("failed", "not measured"))
    return f"{row['median']:.3g}" + ("" if row["equal"] else " **not equal**")


def _named(best: Row | None) -> str:
    return "none" if best is None else f"{best['median']:.3g} ({best['tool']}, {best['way']})"


def _markdown(table: list[list[str]]) -> str:
    """A table; cells may not hold the bar that parts them."""
    head, *body = [[cell.replace("|", "/") for cell in line] for line in table]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body))
