"""Give the discriminator a head start: do the samples get better, and the training steadier?

Shapes: S seeds, V validations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.drawing import COLOURS, Curve, curves, dots, log_axis, name_ends, panels, plain
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, curve, side_by_side
from quartet.types import QuartetError

EARLY = 0.25  # of the generator's training
ABOUT = {
    "fid": "FID in validation (mean over the second half of the generator's training)",
    "test_fid": "test FID of the best validation",
    "early_fid": f"FID after {EARLY:.0%} of the generator's training",
    "unsteadiness": "unsteadiness (typical change of ln FID from validation to validation, second half)",
}


def head_start(runs: Runs, *, steps: Mapping[str, int], little: Sequence[str], much: str) -> Measured:
    """Measure quality and steadiness with and without a head start, at as many steps of the generator.

    Args:
        runs: "none" and runs with a head start, each trained longer by it, so that all generators take as many steps.
        steps: of head start, by the name of the run; 0 for "none".
        little, much: names of the runs whose head start is a little, and a lot.
    """
    if steps.get("none") != 0 or set(steps) != set(runs):
        raise QuartetError(f"steps: {dict(steps)}: give the steps of each run of {', '.join(runs)}, 0 for none")
    trained = side_by_side(runs, *steps)
    alone = {name: [alone_curve(run, steps[name]) for run in trained[name]] for name in steps}
    by_run = {
        "fid": {name: np.array([second_half(y).mean() for _, y in alone[name]]) for name in steps},
        "test_fid": {name: np.log([run.metrics["test/fid"] for run in trained[name]]) for name in steps},
        "early_fid": {name: np.array([at(each, EARLY) for each in alone[name]]) for name in steps},
        "unsteadiness": {name: np.log([unsteadiness(y) for _, y in alone[name]]) for name in steps},
    }
    numbers = {}
    for what, log_S in by_run.items():
        few_S = np.mean([log_S[name] for name in little], 0)
        few = " and ".join(str(steps[name]) for name in little)
        for name in steps:
            words = f"{ABOUT[what]}, {steps[name]} steps of head start"
            numbers[f"{what}_{name}"] = Number(np.exp(log_S[name]), words, ratio=True)
        numbers[f"{what}_little_over_none"] = Number(
            np.exp(few_S - log_S["none"]),
            f"{ABOUT[what]}, {few} steps of head start (geometric mean) over none",
            ratio=True,
        )
        numbers[f"{what}_much_over_little"] = Number(
            np.exp(log_S[much] - few_S), f"{ABOUT[what]}, {steps[much]} steps of head start over {few}", ratio=True
        )
    final = [np.exp(by_run["test_fid"][name]) for name in steps]
    return Measured(numbers, {"head_start": draw(alone, steps, final)})


def alone_curve(run: Trained, steps: int) -> Curve:
    """Return ln FID at each validation, (V,), against the thousands of images since the end of the head start.

    A last validation that comes sooner after the one before than others do is left out: its step would be a small one.
    """
    x, y = curve(run, "val/fid")
    x = x - steps * run.data.batch_size / 1000
    if len(x) > 2 and x[-1] - x[-2] < 0.99 * (x[-2] - x[-3]):
        x, y = x[:-1], y[:-1]
    if not (x > 0).any():
        raise QuartetError(
            f"runs: seed {run.seed} has no validation after its head start of {steps} steps; train longer"
        )
    return x[x > 0], np.log(y[x > 0])


def at(alone: Curve, part: float) -> float:
    """Return ln FID after a part of the generator's training, between validations on a straight line."""
    x, y = alone
    return float(np.interp(part * x[-1], x, y))


def second_half(log_fid_V: np.ndarray) -> np.ndarray:
    """Return the values of the later half of the validations; all, where that is a single one."""
    late = log_fid_V[len(log_fid_V) // 2 :]
    return late if len(late) > 1 else log_fid_V


def unsteadiness(log_fid_V: np.ndarray) -> float:
    """Return the root mean square change from one validation to the next, in the second half; at least 1e-3."""
    late = second_half(log_fid_V)
    return max(1e-3, float(np.sqrt(np.mean(np.diff(late) ** 2)))) if len(late) > 1 else 1e-3


def draw(alone: Mapping[str, Sequence[Curve]], steps: Mapping[str, int], final: Sequence[np.ndarray]) -> Figure:
    """Draw FID against the generator's training (left) and at its end (right), for each head start."""
    figure, (left, right) = panels(2)
    names = [f"{count:,}" for count in steps.values()]
    plain(left, x="thousand images since the head start", y="FID in validation, less is better")
    ends = [
        curves(left, [(x, np.exp(y)) for x, y in alone[run]], colour=colour, name=name)
        for run, colour, name in zip(steps, COLOURS, names, strict=False)
    ]
    log_axis(left, "y")
    plain(right, x="test FID; a dot a seed, with their mean", y="steps of head start")
    dots(right, dict(zip(steps, final, strict=True)), colours=COLOURS[: len(steps)])
    right.set_yticks(right.get_yticks(), names)
    right.set_xlim(left=0)
    name_ends(left, ends)
    return figure
