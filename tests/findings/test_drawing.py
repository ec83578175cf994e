"""What the figures of all findings share: names without overlap, means of curves, rows of pictures."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from quartet.findings.drawing import (
    CNN,
    MLP,
    apart,
    dots,
    lines,
    literal,
    log_axis,
    log_places,
    mean_curve,
    mosaic,
    name_ends,
    panels,
    plain,
)


def heights(axes: Axes) -> list[tuple[float, float]]:
    """The lower and the upper end of each name beside the axes, in pixels, from below."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the stroke to the end
    return sorted((box.y0, box.y1) for box in boxes)


@pytest.mark.parametrize(
    ("wanted", "sizes", "expected"),
    [
        ([0.2, 0.5], [0.1, 0.1], [0.2, 0.5]),  # far enough from each other
        ([0.5, 0.5], [0.1, 0.1], [0.45, 0.55]),  # both give way
        ([0.5, 0.5], [0.1, 0.3], [0.4, 0.6]),  # two lines of text need more
        ([0.0, 1.0], [0.1, 0.1], [0.05, 0.95]),  # none leaves the axes
        ([0.98, 0.99, 1.0], [0.1, 0.1, 0.1], [0.75, 0.85, 0.95]),
    ],
)
def test_names_give_way(wanted: list[float], sizes: list[float], expected: list[float]) -> None:
    assert apart(np.array(wanted), np.array(sizes)) == pytest.approx(expected)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_names_of_equal_ends_do_not_overlap(scale: str) -> None:
    figure, (axes,) = panels()
    plain(axes, title="a title\nof two lines", x="x", y="y")
    names = ("one", "another", "a third\nof two lines", "not a number")
    values = (1.0, 1.0, 1.001, np.nan)
    ends = [
        lines(axes, [1, 2, 4], np.array([[5.0, 3.0, value]] * 2), colour=CNN, name=name)
        for name, value in zip(names, values, strict=True)
    ]
    if scale == "log":
        log_places(axes, [1, 2, 4])
        log_axis(axes, "y")
    name_ends(axes, ends)
    found = heights(axes)
    assert len(found) == 3
    assert all(low >= high for (_, high), (low, _) in pairwise(found))
    assert found[-1][1] <= axes.bbox.y1
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in axes.texts)


def test_a_mean_goes_as_far_as_all_seeds() -> None:
    x = np.array([1.0, 2.0, 3.0])
    places, mean = mean_curve([(x, x), (x, 3 * x)])
    assert (places.tolist(), mean.tolist()) == ([1, 2, 3], [2, 4, 6])
    places, mean = mean_curve([(x, x), (np.array([0.0, 2.5]), np.array([0.0, 5.0]))])
    assert (places.tolist(), mean.tolist()) == ([1, 2, 2.5], [1.5, 3, 3.75])
    assert mean_curve([(x, x), (x + 5, x)])[0] is x  # nowhere are both


def test_dots_of_seeds_stand_in_rows() -> None:
    _, (axes,) = panels()
    plain(axes)
    dots(axes, {"one": [1.0, 3.0], "two": [4.0]}, colours=(CNN, MLP))
    assert [text.get_text() for text in axes.texts] == ["2", "4"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    assert axes.lines[0].get_xydata().tolist() == [[1, 0], [3, 0]]  # type: ignore[union-attr]


def test_ticks_of_logarithms_are_plain_numbers() -> None:
    figure, (axes,) = panels()
    axes.plot([1, 1000], [0.004, 30])
    log_places(axes, [1, 9.25, 900, 1000])
    log_axis(axes, "y")
    figure.draw_without_rendering()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1,000", "", "9.25", "1"]
    assert {"0.01", "0.1", "1", "10"} <= {label.get_text() for label in axes.get_yticklabels()}


def test_a_mosaic_has_its_images_in_rows() -> None:
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    joined = mosaic(images, columns=2)[..., 0].tolist()
    assert joined == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 255, 255], [2, 2, 255, 255]]
    spaced = mosaic(np.arange(9.0)[:, None, None, None] * np.ones((1, 2, 2, 1)), columns=3, gap=1)[..., 0]
    assert spaced.shape == (8, 8)
    assert spaced[3:5, 6:].tolist() == [[5, 5], [5, 5]]
    assert spaced[2].tolist() == [255] * 8


def test_a_dollar_sign_begins_no_formula() -> None:
    assert literal("5 $ and 6 $") == r"5 \$ and 6 \$"
