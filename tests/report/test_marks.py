"""Numbers, ticks and markup, the small parts of the page."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quartet.report.drawing.chart import MOST_POINTS, Line, line_chart, thin, ticks
from quartet.report.drawing.markup import Markup, tag
from quartet.report.drawing.numerals import compact, duration, plain, spread
from quartet.report.drawing.picture import sheet, signed


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.93124, "0.9312"), (2.05123, "2.051"), (21.3377, "21.34"), (612.27, "612.3"), (4512.4, "4 512"), (None, "–")],
)
def test_four_significant_digits(value: float | None, written: str) -> None:
    assert plain(value).replace("\u202f", " ") == written
    assert plain(float("nan")) == "–"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (512, "512"), (117322, "117 k"), (999_900, "1 M"), (1.31e6, "1.31 M"), (2.43e9, "2.43 G")],
)
def test_counts(value: float, written: str) -> None:
    assert compact(value).replace("\u202f", " ") == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.42, "0.42 s"), (48, "48 s"), (59.7, "1 min 00 s"), (212.4, "3 min 32 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, written: str) -> None:
    assert duration(seconds).replace("\u202f", " ") == written


def test_spread_is_the_sample_deviation() -> None:
    assert spread([1.0, 2.0, 3.0]) == "2.000 ± 1.000"
    assert spread([0.5]) == "0.5000"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.84, 0.94), (0, 540_000), (-3, 7), (1e-6, 3e-6), (5, 5)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high, 4)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


def test_thinning_keeps_the_mean_and_drops_what_is_not_a_number() -> None:
    points = [(float(i), float(i % 7)) for i in range(10_000)] + [(1.0, math.nan)]
    few = thin(points)
    assert len(few) <= MOST_POINTS
    assert abs(sum(y for _, y in few) / len(few) - 3.0) < 0.05


def test_a_chart_without_points_is_empty() -> None:
    assert line_chart([Line([(1.0, math.inf)], "cnn", "training", "")], title="", unit="samples") == ""
    assert "polyline" in line_chart([Line([(1.0, 2.0)], "cnn", "validation", "")], title="one", unit="samples")


def test_markup_escapes_all_but_markup() -> None:
    assert (
        tag("p", "<a>", Markup("<b/>"), None, [1, "&"], class_='"x"')
        == '<p class="&quot;x&quot;">&lt;a&gt;<b/>1&amp;</p>'
    )
    assert tag("img", alt="", hidden=True, width=None) == '<img alt="" hidden>'


def test_pictures_keep_their_pixels() -> None:
    pixels = sheet(np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2, 1), columns=2)
    assert pixels.shape == (5, 5, 4)
    assert pixels[0, 0, :3].tolist() == [0, 0, 0]
    assert pixels[3, 0, :3].tolist() == [8, 8, 8]
    assert pixels[2, 2, 3] == 0  # the gap is transparent
    below, zero, above = signed(np.array([-1.0, 0.0, 1.0]))
    assert below[2] > below[0]
    assert above[0] > above[2]
    assert zero.min() > 230
