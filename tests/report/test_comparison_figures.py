from __future__ import annotations

import numpy as np
import pytest

from quartet.report import Run, page
from quartet.report.comparison_figures import comparison_figures
from quartet.report.curves import band, curves_by_seed
from quartet.report.run import comparable_experiments


def run(experiment: str, seed: int, *, data: str = "d", parameters: int = 100, curve: tuple[float, ...] = ()) -> Run:
    record = {
        "experiment": experiment, "net": experiment, "task": "classify", "data": data, "seed": seed,
        "monitor": "val/accuracy", "parameters": parameters, "flops": 10, "train_seconds": 1.0 + seed,
        "metrics": {"test/accuracy": 0.5 + 0.1 * seed},
    }  # fmt: skip
    return Run(record, val=[{"samples": 10.0 * (i + 1), "accuracy": value} for i, value in enumerate(curve)])


def test_each_task_and_data_set_has_its_own_figures() -> None:
    runs = [run("cnn", 0, curve=(0.1, 0.2)), run("rnn", 0, parameters=90_000), run("mlp", 0, data="e")]
    figures = comparison_figures(runs)
    assert set(figures) == {f"{kind}_classify_{data}" for kind in ("curves", "costs") for data in "de"}
    labels = [text.get_text() for axes in figures["costs_classify_d"].axes for text in axes.texts]
    assert labels == ["CNN", "RNN"] * 3
    scales = [axes.get_xscale() for axes in figures["costs_classify_d"].axes]
    assert scales == ["log", "linear", "linear"]
    for figure in figures.values():  # a warning is an error here: no curve makes no legend
        figure.canvas.draw()


def paced(seed: int, *steps: float) -> Run:
    """Return a run validated at these samples; its metric is `samples / 1000 + seed / 10`."""
    rows = [{"samples": at, "accuracy": at / 1000 + seed / 10} for at in steps]
    return Run(run("cnn", seed).record, train=rows, val=rows)


def test_a_band_covers_the_samples_that_all_seeds_share() -> None:
    (cell,) = comparable_experiments([paced(0, 100, 200, 305), paced(1, 110, 190, 300), paced(2, 90, 210, 310)])[
        "classify", "d"
    ]
    found = band(curves_by_seed(cell, "accuracy", "validation"))
    assert [x for x, *_ in found] == [110, 200, 300]
    for x, low, mean, high in found:
        assert (low, mean, high) == pytest.approx((x / 1000, x / 1000 + 0.1, x / 1000 + 0.2))
    figure = comparison_figures(list(cell.runs))["curves_classify_d"]
    ((drawn, *_),) = (axes.collections for axes in figure.axes)
    assert np.asarray(drawn.get_paths()[0].vertices)[:, 1].max() == pytest.approx(0.5)
    html = page(list(cell.runs))
    assert "range of 3 seeds, validation" in html
    assert "the mean over seeds, of validation with their range.</p>" in html


def test_a_seed_that_ended_early_has_its_own_line_and_a_note() -> None:
    runs = [paced(0, 100, 200, 300, 400, 500), paced(1, 100, 200)]
    html = page(runs)
    assert "cnn, seed 1, validation" in html
    assert "of 2 seeds, validation" not in html
    assert "Where seeds share few samples, each has its own line." in html
    (axes,) = comparison_figures(runs)["curves_classify_d"].axes
    assert [line.get_label() for line in axes.lines] == ["cnn, seed 0", "cnn, seed 1"]
