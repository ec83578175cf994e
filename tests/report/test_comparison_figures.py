from __future__ import annotations

import pytest

from quartet.report import Run
from quartet.report.comparison_figures import band, comparison_figures
from quartet.report.run import comparable


def run(experiment: str, seed: int, *, data: str = "d", parameters: int = 100, curve: tuple[float, ...] = ()) -> Run:
    record = {
        "experiment": experiment, "net": experiment, "task": "classify", "data": data, "seed": seed,
        "monitor": "val/accuracy", "parameters": parameters, "flops": 10, "train_seconds": 1.0 + seed,
        "metrics": {"test/accuracy": 0.5 + 0.1 * seed},
    }  # fmt: skip
    return Run(record, val=[{"samples": 10.0 * (i + 1), "accuracy": value} for i, value in enumerate(curve)])


def test_a_set_for_each_task_and_data_and_none_across() -> None:
    runs = [run("cnn", 0, curve=(0.1, 0.2)), run("rnn", 0, parameters=90_000), run("mlp", 0, data="e")]
    figures = comparison_figures(runs)
    assert set(figures) == {f"{kind}_classify_{data}" for kind in ("curves", "costs") for data in "de"}
    labels = [text.get_text() for axes in figures["costs_classify_d"].axes for text in axes.texts]
    assert labels == ["cnn", "rnn"] * 3
    scales = [axes.get_xscale() for axes in figures["costs_classify_d"].axes]
    assert scales == ["log", "linear", "linear"]
    for figure in figures.values():  # a warning is an error here: no curve makes no legend
        figure.canvas.draw()


def test_the_band_is_mean_and_deviation_where_all_seeds_were_measured() -> None:
    (cell,) = comparable([run("cnn", 0, curve=(0.1, 0.2)), run("cnn", 1, curve=(0.3, 0.6, 0.9))])["classify", "d"]
    (first, second) = band(cell, "accuracy")
    assert first == pytest.approx((10.0, 0.2, 0.1 * 2**0.5))
    assert second == pytest.approx((20.0, 0.4, 0.2 * 2**0.5))
