"""Displays: they hold what they draw, and draw what they hold."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from earlywarn.actions.policy import Policy
from earlywarn.actions.words import HISTORIES, SIGNALS
from earlywarn.errors import DataError
from earlywarn.plots import ReasonDisplay, ReliabilityDisplay, WorklistDisplay
from earlywarn.plots.words import LANGUAGES, in_words

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def ax():
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    yield axes
    pyplot.close(figure)


def test_the_waterfall_ends_at_the_log_odds_whatever_is_added_up():
    values = np.random.default_rng(0).normal(size=12)
    names = [f"f{at}" for at in range(12)]
    for at_most in (1, 5, 12, 20):
        display = ReasonDisplay.from_arrays(-2.0, names, values, at_most=at_most, rest="rest")
        assert display.log_odds == pytest.approx(-2.0 + values.sum())
        assert len(display.labels) == min(12, at_most + 1)
        assert ("rest" in display.labels) == (at_most < 12)


def test_bars_stand_from_the_largest_and_each_begins_where_the_last_one_ended(ax):
    display = ReasonDisplay.from_arrays(-1.0, ["a", "b", "c"], [0.5, -2.0, 1.0]).plot(ax)
    assert display.labels == ("b", "c", "a")
    bars = ax.patches
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    assert np.allclose([start for start, _ in spans], [-1.0, -3.0, -2.0])
    assert np.allclose(spans[-1][1], display.log_odds)
    assert bars[0].get_facecolor() != bars[1].get_facecolor() == bars[2].get_facecolor()
    assert "18%" in ax.get_title(loc="left")


def test_reasons_and_labels_must_match():
    with pytest.raises(DataError, match="D195"):
        ReasonDisplay.from_arrays(0.0, ["a"], [1.0, 2.0])


def test_reliability_bins_hold_every_row_and_mean_what_they_say():
    rng = np.random.default_rng(0)
    p = rng.random(997)
    y = (rng.random(997) < p).astype(int)
    display = ReliabilityDisplay.from_arrays(y, p)
    assert display.count.sum() == 997
    assert display.count.max() - display.count.min() <= 1
    assert display.mean_p @ display.count / 997 == pytest.approx(p.mean())
    assert display.share_late @ display.count / 997 == pytest.approx(y.mean())
    assert np.mean((display.low <= display.mean_p) & (display.mean_p <= display.high)) >= 0.8


@pytest.mark.parametrize(("late", "rows"), [(0, 5), (1, 40), (13, 40), (40, 40)])
def test_the_interval_is_wilsons(late, rows):
    display = ReliabilityDisplay.from_arrays([1] * late + [0] * (rows - late), [0.5] * rows)
    oracle = binomtest(late, rows).proportion_ci(method="wilson")
    assert (display.low[0], display.high[0]) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_equal_probabilities_share_a_bin():
    display = ReliabilityDisplay.from_arrays([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.9], n_bins=4)
    assert display.count.tolist() == [3, 1]


def test_two_displays_may_share_axes(ax):
    first = ReliabilityDisplay.from_arrays([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9]).plot(ax, label="before")
    second = ReliabilityDisplay.from_arrays([0, 0, 0, 1], [0.1, 0.1, 0.4, 0.4]).plot(ax, label="after")
    assert first.ax_ is second.ax_ is ax
    assert second.figure_ is ax.figure
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["before", "after"]
    assert ax.get_xlim() == (0, 1)


def test_without_axes_a_display_makes_its_own():
    from matplotlib import pyplot

    for display in (
        ReasonDisplay.from_arrays(-1.0, ["a"], [0.5]),
        ReliabilityDisplay.from_arrays([0, 1], [0.1, 0.9]),
    ):
        drawn = display.plot()
        drawn.figure_.canvas.draw()
        pyplot.close(drawn.figure_)


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="D195"):
        ReliabilityDisplay.from_arrays([], [])


def test_a_rest_too_small_to_see_has_no_bar_and_still_counts(ax):
    display = ReasonDisplay.from_arrays(-1.0, ["a", "b", "c"], [1.0, 0.012, -0.005], at_most=1).plot(ax)
    assert display.labels == ("a",)
    assert len(ax.patches) == 1
    assert display.log_odds == pytest.approx(0.007)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "average −1.00, this bill 0.50 (log-odds)"),
        ("nl-BE", "gemiddeld −1.00, deze factuur 0.50 (log-odds)"),
        ("de", "average −1.00, this bill 0.50 (log-odds)"),
    ],
)
def test_the_axis_says_where_the_reasons_start_and_end(ax, language, words):
    ReasonDisplay.from_arrays(-1.0, ["a"], [1.5]).plot(ax, language=language)
    assert ax.get_xlabel() == words


def test_every_word_of_the_shipped_policy_is_said_in_every_language():
    rules = Policy.default().rules
    used = {
        "action": rules.ladder,
        "angle": rules.angles,
        "channel": rules.channels,
        "history": HISTORIES,
        "signal": SIGNALS,
    }
    for group, codes in used.items():
        for code in codes:
            said = [in_words(group, code, language) for language in LANGUAGES]
            assert all(said)
            assert not any("_" in words for words in said)
            assert group == "channel" or len(set(said)) == len(LANGUAGES)


def test_a_worklist_holds_calls_before_messages_and_the_highest_risk_first(ax):
    plan = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d"],
            "action": ["pre_due_reminder", "service_call", "service_call", "nothing"],
            "channel": ["sms", "phone", "phone", None],
            "angle": ["due_soon", "help_offer", "usage_high", None],
            "p_late": [0.9, 0.4, np.nan, 0.99],
            "reasons": [("one",), ("two", "three"), (), ()],
            "exclusion": [None, None, None, "no_signal"],
        }
    )
    display = WorklistDisplay.from_plan(plan, language="fr").plot(ax, language="fr")
    assert display.customers == ("b", "c", "a")
    assert display.actions[0] == "appel de service par téléphone: proposer de l'aide"
    shown = [text.get_text().split() for text in ax.texts]
    assert shown == [["40%", "two"], ["–"], ["90%", "one"]]
    assert ax.get_title(loc="left").startswith("liste du jour")


def test_displays_are_made_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    display = ReasonDisplay.from_arrays(-1.0, ["a"], [0.5])
    with pytest.raises(Exception, match="pip install"):
        display.plot()
