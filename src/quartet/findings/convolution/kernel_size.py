"""Whether a kernel far smaller than the image makes training easier: accuracy against samples seen and parameters.

Shapes: S seeds, N test examples, V validations, P sizes of nets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quartet.findings import drawing
from quartet.findings.convolution.maps import kernels
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, curve, gain, of_each_seed, values_of
from quartet.types import QuartetError

ACCURACY = "val/accuracy"
Sizes = Mapping[int, Sequence[Trained]]  # by seed, by ascending number of parameters


def kernel_size(runs: Runs, *, tolerance: float = 0.06) -> Measured:
    """Compare small kernels with kernels as large as the image, and with an MLP, at equal numbers of parameters.

    Runs: `cnn` with small kernels, `middle` with others (one a seed and size of kernel), `whole` with kernels that
    cover their grid, `mlp`; `cnn_smaller`, `whole_smaller`, `mlp_smaller` the same with fewer parameters. Nets of
    one size may differ in their parameters by the share `tolerance`.

    Numbers: `accuracy_small_minus_whole` and `accuracy_small_minus_mlp`, differences of test accuracy, means over the
    sizes of nets, and with `_largest` of the largest nets; `accuracy_small_minus_5`, of the largest nets, and the same
    for each other size of kernel in `middle`; `samples_whole_over_small`, how many times as many samples the largest
    net with whole kernels sees until it has the best validation accuracy that both reach; `samples_mlp_over_small`, the
    same of the MLP.
    """
    small = of_each_seed(runs, "cnn", "cnn_smaller")
    whole = of_each_seed(runs, "whole", "whole_smaller")
    perceptrons = of_each_seed(runs, "mlp", "mlp_smaller")
    middle = _middle(runs)
    words, whole_words = "test accuracy of small kernels less that of", "kernels as large as the image"
    by_whole, by_mlp = _gains(small, whole, tolerance), _gains(small, perceptrons, tolerance)
    ours = {seed: of_seed[-1:] for seed, of_seed in small.items()}
    more = "times as many samples until the best accuracy that both reach:"
    return Measured(
        numbers={
            "accuracy_small_minus_whole_largest": Number(by_whole[-1], f"{words} {whole_words}, largest nets"),
            "accuracy_small_minus_mlp_largest": Number(by_mlp[-1], f"{words} an MLP, largest nets"),
            "accuracy_small_minus_whole": Number(np.mean(by_whole, 0), f"{words} {whole_words}, mean of all sizes"),
            "samples_whole_over_small": Number(_ratios(small, whole), f"{more} {whole_words}"),
            "accuracy_small_minus_mlp": Number(np.mean(by_mlp, 0), f"{words} an MLP, mean of all sizes"),
            "samples_mlp_over_small": Number(_ratios(small, perceptrons), f"{more} an MLP"),
            **{
                f"accuracy_small_minus_{side}": Number(
                    _gains(ours, of_side, tolerance)[0], f"{words} kernels of {side} × {side}, largest nets"
                )
                for side, of_side in middle.items()
            },
        },
        figures={"training": _figure(small, whole, perceptrons, middle)},
    )


def samples_until(curve: Sequence[Mapping[str, float]], target: float, *, chance: float) -> float:
    """Return how many samples a training saw until its best validation accuracy so far was `target`.

    Between two validations, and before the first from `chance` on, the accuracy is taken to grow evenly. Infinite where
    it is never reached.
    """
    before, seen = chance, 0.0
    for row in curve:
        if row[ACCURACY] >= target:
            share = (target - before) / (row[ACCURACY] - before) if row[ACCURACY] > before else 0.0
            return seen + max(share, 0.0) * (row["samples"] - seen)
        seen, before = row["samples"], max(before, row[ACCURACY])
    return np.inf


def _ratios(small: Sizes, other: Sizes) -> list[float]:
    """Return for each seed how many times as many samples the largest `other` net needs as the largest `small` one.

    It is 1 where one of them has learned nothing.
    """
    found = []
    for seed, runs in small.items():
        ours, theirs = runs[-1], other[seed][-1]
        target = min(max(row[ACCURACY] for row in run.curve) for run in (ours, theirs))
        chance = 1 / ours.data.outputs.count
        theirs_needed, ours_needed = (samples_until(run.curve, target, chance=chance) for run in (theirs, ours))
        found.append(theirs_needed / ours_needed if target > chance else 1.0)
    return found


def _gains(small: Sizes, other: Sizes, tolerance: float) -> list[np.ndarray]:
    """Return the difference of test accuracy for each size of nets, (S, N) or (S,) each, the largest nets last.

    Raises QuartetError for unequal sizes.
    """
    for seed, runs in small.items():
        ours, theirs = ([run.parameters for run in nets] for nets in (runs, other.get(seed, [])))
        if len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=tolerance, atol=0):
            raise QuartetError(f"runs: nets of {ours} and {theirs} parameters; give them equal match.parameters")
    sizes = range(len(next(iter(small.values()))))
    return [gain([runs[i] for runs in small.values()], [other[seed][i] for seed in small]) for i in sizes]


def _middle(runs: Runs) -> dict[int, Sizes]:
    """Return the runs `middle` by the size of their kernels, each with one net a seed; none where none are given."""
    found: dict[int, dict[int, list[Trained]]] = {}
    for run in sorted(runs.get("middle", ()), key=lambda run: run.seed):
        found.setdefault(kernels(run.model).shape[-1], {}).setdefault(run.seed, []).append(run)
    return dict(sorted(found.items()))


def _figure(small: Sizes, whole: Sizes, perceptrons: Sizes, middle: Mapping[int, Sizes]) -> Figure:
    """Draw validation accuracy against samples for the largest nets, and test accuracy against parameters."""
    figure, (learning, sizes) = drawing.panels(2, height=3.8)
    drawn = {
        "kernels 3 × 3": (small, drawing.CNN),
        "as large as\nthe image": (whole, drawing.BAD),
        "MLP": (perceptrons, drawing.MLP),
    }
    largest = {name: ([runs[-1] for runs in nets.values()], colour, "-") for name, (nets, colour) in drawn.items()}
    for side, nets in middle.items():
        largest[f"{side} × {side}"] = ([runs[-1] for runs in nets.values()], drawing.RNN, ":")
    for nets, colour in drawn.values():
        x = np.mean([[run.parameters / 1000 for run in runs] for runs in nets.values()], 0)
        drawing.lines(sizes, x, np.stack([values_of(runs, "test/accuracy") for runs in nets.values()]), colour=colour)
    drawing.plain(
        sizes, title="Test accuracy by size of the net", x="thousand parameters", y="share of images recognised"
    )
    drawing.log_places(sizes, np.mean([[run.parameters / 1000 for run in runs] for runs in small.values()], 0))
    _learning(learning, largest)
    return figure


def _learning(axes: Axes, nets: Mapping[str, tuple[Sequence[Trained], str, str]]) -> None:
    """Draw the validation accuracy of each group of runs against the samples seen."""
    title = "Validation accuracy while training"
    drawing.plain(axes, title=title, x="thousand images seen", y="share of images recognised")
    ends = [
        drawing.curves(axes, [curve(run, ACCURACY) for run in runs], colour=colour, dash=dash, name=name)
        for name, (runs, colour, dash) in nets.items()
    ]
    axes.set_xlim(left=0)
    drawing.name_ends(axes, ends)
