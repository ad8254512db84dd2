"""The timeline of one feature: it shows each window whole or from the first fact on, and every fact at its day."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from earlywarn.errors import DataError
from earlywarn.plots import TimelineDisplay
from earlywarn.plots.lanes import MARKS
from earlywarn.plots.timeline import WHOLE_DAYS
from earlywarn.plots.words import LANGUAGES, in_words

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

AS_OF = pd.Timestamp("2026-04-01")


@pytest.fixture
def ax() -> Iterator[Any]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


def day(text: str) -> float:
    """Days since 1970, as the axis counts them."""
    return float(np.datetime64(text, "D").astype(int))


def lanes(*rows: tuple[str, str | None, str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["aggregate", "start", "end"])
    return frame.assign(start=pd.to_datetime(frame["start"]), end=pd.to_datetime(frame["end"]), said="= 1")


def facts(*rows: tuple[str, str | None, float, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["aggregate", "happened_at", "value", "fate"])
    return frame.assign(happened_at=pd.to_datetime(frame["happened_at"]))


USAGE = facts(
    ("m", "2026-01-15", 9.0, "before"),
    ("m", "2026-02-15", 1.0, "condition"),
    ("m", "2026-03-01", 2.0, "used"),
    ("m", "2026-03-20", 4.0, "used"),
    ("m", "2026-03-31", 8.0, "unknown"),
)
SIXTY = lanes(("m", "2026-01-31", "2026-04-01"))


def drawn(ax: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Points by the kind of their mark, as (day, height)."""
    found = {}
    for kind, dots in zip(MARKS, ax.collections[-len(MARKS) :], strict=True):
        found[kind] = np.asarray(dots.get_offsets())
    return found


def test_each_fact_stands_at_its_day_with_the_mark_of_what_became_of_it(ax: Any) -> None:
    TimelineDisplay.from_frames(SIXTY, USAGE, as_of=AS_OF).plot(ax)
    points = drawn(ax)
    assert points["used"][:, 0].tolist() == [day("2026-03-01"), day("2026-03-20")]
    assert points["unknown"][:, 0].tolist() == [day("2026-03-31")]
    assert points["left out"][:, 0].tolist() == [day("2026-02-15")]  # the one of January lies before the picture


def test_a_larger_value_stands_higher_on_the_same_scale_for_one_subject(ax: Any) -> None:
    both = lanes(("m", "2026-01-31", "2026-04-01"), ("n", "2026-01-31", "2026-04-01")).assign(subject="usage quantity")
    other = USAGE.assign(aggregate="n", value=USAGE["value"] * 10)
    display = TimelineDisplay.from_frames(both, pd.concat([USAGE, other]), as_of=AS_OF).plot(ax)
    low, high = display.ax_.get_xlim()
    assert [display._scale(lane, low, high) for lane in display.lanes] == [(1.0, 80.0)] * 2
    heights = drawn(ax)["used"][:, 1]
    assert heights[1] < heights[0]  # the axis points down
    alone = TimelineDisplay.from_frames(both.drop(columns="subject"), pd.concat([USAGE, other]), as_of=AS_OF)
    assert [alone._scale(lane, low, high) for lane in alone.lanes] == [(1.0, 8.0), (10.0, 80.0)]


def test_a_short_window_is_shown_whole_and_a_long_one_from_the_first_fact_on(ax: Any) -> None:
    display = TimelineDisplay.from_frames(SIXTY, USAGE.iloc[3:], as_of=AS_OF).plot(ax)
    assert ax.get_xlim()[0] < day("2026-01-31")
    long = lanes(("m", str((AS_OF - pd.Timedelta(days=WHOLE_DAYS + 700)).date()), "2026-04-01"))
    low, high = TimelineDisplay.from_frames(long, USAGE, as_of=AS_OF)._reach()
    assert day("2026-01-01") < low < day("2026-01-15")
    assert high > display._reach()[0]


def test_lines_stand_at_the_moment_and_at_the_due_day(ax: Any) -> None:
    TimelineDisplay.from_frames(SIXTY, USAGE, as_of=AS_OF, due_on="2026-04-15").plot(ax, language="nl")
    at = {line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1}
    assert {day("2026-04-01"), day("2026-04-15")} <= at
    assert ax.get_xlim()[1] > day("2026-04-15")
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == [
        "periode",
        "gebruikt",
        "nog niet bekend",
        "niet gebruikt",
        "peilmoment 2026-04-01",
        "vervaldag 2026-04-15",
    ]


def test_the_legend_names_only_what_is_drawn(ax: Any) -> None:
    used = USAGE[USAGE["fate"].isin(("used", "before"))]
    TimelineDisplay.from_frames(SIXTY.assign(level=3.0), used, as_of=AS_OF).plot(ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["window", "used", "value", "as_of 2026-04-01"]


def test_what_holds_always_and_open_windows_stand_at_the_edge(ax: Any) -> None:
    TimelineDisplay.from_frames(lanes(("m", None, "2026-04-01")), facts(("m", None, np.nan, "used")), as_of=AS_OF).plot(
        ax
    )
    low, high = ax.get_xlim()
    ((at, _),) = drawn(ax)["used"]
    assert low < at < low + 0.05 * (high - low)


def test_a_lane_without_facts_says_so_in_its_middle(ax: Any) -> None:
    TimelineDisplay.from_frames(SIXTY.assign(note="36 facts of many customers"), facts(), as_of=AS_OF).plot(ax)
    assert "36 facts of many customers" in [text.get_text() for text in ax.texts]
    assert ax.get_xlim()[0] < day("2026-01-31")


def test_no_lane_at_all_still_shows_the_moment(ax: Any) -> None:
    display = TimelineDisplay.from_frames(lanes(), facts(), as_of=AS_OF).plot(ax, title="invoice_amount_now = 3")
    assert display.figure_ is ax.figure
    assert ax.get_title(loc="left") == "invoice_amount_now = 3"


@pytest.mark.parametrize("years", [0.1, 0.5, 1.5, 4, 12])
def test_the_days_on_the_axis_are_few_and_written_alike_in_every_language(ax: Any, years: float) -> None:
    start = AS_OF - pd.Timedelta(days=round(365 * years))
    shown = facts(("m", str(start.date()), 1.0, "used"))
    TimelineDisplay.from_frames(lanes(("m", str(start.date()), "2026-04-01")), shown, as_of=AS_OF).plot(
        ax, language="fr"
    )
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert 2 <= len(labels) <= 11
    assert all(set(label) <= set("0123456789-") for label in labels)


def test_labels_do_not_overlap_and_nothing_is_cut(tmp_path: Any) -> None:
    names = (
        "count(settlements, where=days_beyond_terms > 5 and method in ('direct_debit', 'direct_debit_b2b'), days=365)",
        "n",
    )
    both = lanes(*[(name, "2025-04-01", "2026-04-01") for name in names]).assign(level=2.5)
    every = pd.concat([USAGE.assign(aggregate=name) for name in names])
    title = "long_feature_name_365d = 0.25\n" + "a sentence that goes on " * 9
    display = TimelineDisplay.from_frames(both, every, as_of=AS_OF, due_on="2026-04-03", title=title).plot(
        language="nl"
    )
    figure = display.figure_
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    page = figure.bbox
    ticks = [text.get_window_extent(renderer) for text in display.ax_.get_xticklabels()]
    assert all(one.x1 < other.x0 for one, other in pairwise(ticks))
    legend = display.ax_.get_legend().get_window_extent(renderer)
    assert legend.y1 < min(tick.y0 for tick in ticks)
    texts = [text.get_window_extent(renderer) for text in display.ax_.texts]
    for extent in [*ticks, *texts, legend, display.ax_._left_title.get_window_extent(renderer)]:
        assert page.x0 <= extent.x0 < extent.x1 <= page.x1
        assert page.y0 <= extent.y0 < extent.y1 <= page.y1
    matplotlib.pyplot.close(figure)


def test_a_frame_without_its_columns_is_refused() -> None:
    with pytest.raises(DataError, match=r"D195(?s:.)*") as raised:
        TimelineDisplay.from_frames(SIXTY.drop(columns="said"), USAGE, as_of=AS_OF)
    assert "said" in raised.value.what
    with pytest.raises(DataError, match="D195"):
        TimelineDisplay.from_frames(SIXTY, USAGE.drop(columns="fate"), as_of=AS_OF)


def test_every_word_of_the_picture_is_said_in_every_language() -> None:
    for word in ("window", "used", "unknown", "left out", "level", "as_of", "due"):
        assert len({in_words("timeline", word, language) for language in LANGUAGES}) == len(LANGUAGES)
