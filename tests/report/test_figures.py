"""Test the tracker's figures: their names, that each draws, and that matplotlib's global state stays unchanged."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np

from quartet.report import Run, figures

DRAW = np.random.default_rng(0)


def test_figures_follow_the_evidence() -> None:
    from matplotlib.figure import Figure

    run = Run(
        {"experiment": "cnn", "seed": 0, "monitor": "val/accuracy"},
        train=[{"samples": 10 * i, "loss": 1 / i, "lr": 0.1} for i in range(1, 5)],
        val=[{"samples": 20, "accuracy": 0.5, "loss": 0.4}],
        arrays={
            "confusion": np.array([[3, 0], [1, 0]]),
            "kernels": DRAW.normal(size=(4, 3, 3, 3)),
            "mistakes_x": DRAW.integers(0, 255, (3, 5, 5, 3)).astype(np.uint8),
            "maps": DRAW.normal(size=(2, 4, 5, 5)),
            "attention_0": np.full((2, 1, 2), 0.5),
            "interpolation": np.zeros((2, 10, 5, 5, 1), np.uint8),
        },
        texts={"classes": ["cat", "$1 _x^"], "attention": [{"source_tokens": ["a", "$b"], "target_tokens": ["c"]}]},
    )
    drawn = figures(run)
    expected = {"curve_accuracy", "curve_loss", "confusion", "kernels", "mistakes", "maps_0", "maps_1", "attention_0"}
    assert set(drawn) == expected | {"interpolation"}
    for figure in drawn.values():
        assert isinstance(figure, Figure)
        figure.savefig(BytesIO(), dpi=20)


def test_a_net_without_mistakes_has_none_to_show() -> None:
    none = Run({"experiment": "cnn", "seed": 0}, arrays={"mistakes_x": np.zeros((0, 28, 28, 1), np.uint8)})
    assert figures(none) == {}


def test_series_kernels_and_mistakes() -> None:
    arrays = {"kernels": DRAW.normal(size=(4, 1, 5)), "mistakes_x": DRAW.normal(size=(2, 40, 1))}
    for figure in figures(Run({"experiment": "cnn", "seed": 0}, arrays=arrays)).values():
        figure.savefig(BytesIO(), dpi=20)


def test_a_bare_run_has_none() -> None:
    assert figures(Run({"experiment": "cnn"})) == {}


def test_importing_the_report_is_light() -> None:
    heavy = (
        "import quartet.report, sys; print([m for m in ('torch', 'matplotlib', 'numpy', 'PIL') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", heavy], text=True).strip() == "[]"
