"""Draw named figures of one run for the tracker. They use matplotlib's objects alone, so that no global state
changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quartet.report.curves import curve_metrics, points
from quartet.report.drawing.picture import sheet, signed, with_channels
from quartet.report.run import ExperimentRuns, Run, metric_name

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


def figures(run: Run) -> dict[str, Figure]:
    """Return the figures that the run has evidence for, by name.

    `curve_<metric>` for each curve; by task `confusion`, `kernels`, `maps_<i>`, `mistakes`, `attention_<i>`, `samples`,
    `reals`, `interpolation`.
    """
    drawn = {f"curve_{name}": _curve(run, name) for name in curve_metrics([ExperimentRuns((run,))])}
    for key, draw in DRAWN.items():
        if key in run.arrays and len(run.arrays[key]):  # a net that makes no mistakes has none to show
            drawn[key.removesuffix("_x")] = draw(run, run.arrays[key])
    for i, tokens in enumerate(run.texts.get("attention") or []):
        if f"attention_{i}" in run.arrays:
            drawn[f"attention_{i}"] = _attention(run.arrays[f"attention_{i}"], tokens)
    for i, answers in enumerate(run.arrays.get("maps", ())):
        drawn[f"maps_{i}"] = _pictures(run, with_channels(signed(answers)))
    return drawn


def _axes(width: float, height: float, title: str) -> tuple[Figure, Any]:
    """Return a figure with a title, and its axes. Sizes are in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    return figure, axes


def _curve(run: Run, name: str) -> Figure:
    """Draw a metric in training and validation against samples."""
    figure, axes = _axes(5.6, 3.6, f"{run['experiment']}, seed {run.seed}")
    if xy := points(run.train, name):
        axes.plot(*zip(*xy, strict=True), label="training", lw=0.8, alpha=0.6)
    if xy := points(run.val, name):
        axes.plot(*zip(*xy, strict=True), label="validation", marker=".")
    axes.set(xlabel="samples", ylabel=metric_name(name))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _confusion(run: Run, counts_KK: np.ndarray) -> Figure:
    """Draw the confusion matrix, each row divided by its sum. `counts_KK`: true × predicted class."""
    figure, axes = _axes(6.4, 5.6, f"{run['experiment']}, seed {run.seed}: who is taken for whom")
    shares = counts_KK / counts_KK.sum(1, keepdims=True).clip(1)
    figure.colorbar(axes.imshow(shares, cmap="Blues", vmin=0, vmax=1), label="share of the true class")
    classes = run.texts.get("classes") or []
    _tick(axes, columns=classes, rows=classes)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def _attention(weights_HTS: np.ndarray, tokens: dict[str, list[str]]) -> Figure:
    """Draw attention weights `(heads, target tokens, source tokens)`, averaged over heads."""
    figure, axes = _axes(6.4, 5.6, "Attention, mean over heads")
    figure.colorbar(axes.imshow(weights_HTS.mean(0), cmap="Purples", vmin=0))
    _tick(axes, columns=tokens["source_tokens"], rows=tokens["target_tokens"])
    return figure


def _tick(axes: Any, *, columns: list[str], rows: list[str]) -> None:
    """Label columns and rows by name."""
    # A dollar sign would begin a formula.
    axes.set_xticks(range(len(columns)), [str(name).replace("$", r"\$") for name in columns], rotation=60, ha="right")
    axes.set_yticks(range(len(rows)), [str(name).replace("$", r"\$") for name in rows])
    axes.tick_params(labelsize=7)


def _pictures(run: Run, x_NHWC: np.ndarray) -> Figure:
    """Draw pictures `(N, H, W, C)` as a sheet, eight in a row."""
    pixels = sheet(x_NHWC, columns=8)
    figure, axes = _axes(5.6, 0.5 + 5.6 * pixels.shape[0] / pixels.shape[1], f"{run['experiment']}, seed {run.seed}")
    axes.imshow(pixels, interpolation="nearest")
    axes.set_axis_off()
    return figure


def _kernels(run: Run, kernels: np.ndarray) -> Figure:
    """Draw convolution kernels as pictures, blue below zero and red above."""
    flat = kernels.reshape(len(kernels), -1, kernels.shape[-1])
    return _pictures(run, signed(flat))


def _mistakes(run: Run, x: np.ndarray) -> Figure:
    """Draw misclassified examples: pictures, or the first channel of series."""
    if x.ndim == 4:
        return _pictures(run, x[:32])
    figure, axes = _axes(5.6, 3.6, f"{run['experiment']}, seed {run.seed}: mistakes")
    for series_LC in x[:8]:
        axes.plot(series_LC[:, 0], lw=0.8)
    return figure


def _interpolation(run: Run, x_RNHWC: np.ndarray) -> Figure:
    """Draw the first eight pictures of each interpolation row."""
    rows = x_RNHWC[:, :8]
    return _pictures(run, rows.reshape(-1, *rows.shape[2:]))


DRAWN: dict[str, Callable[[Run, Any], Figure]] = {
    "confusion": _confusion,
    "kernels": _kernels,
    "mistakes_x": _mistakes,
    "samples": _pictures,
    "reals": _pictures,
    "interpolation": _interpolation,
}
