"""Ask when adversarial training is done: is it once the discriminator is fooled about half of the time?

Shapes: S seeds, V validations, W windows of some validations in a row, N images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from quartet.findings.adversarial.fresh import told_apart
from quartet.findings.adversarial.images import real_images, samples
from quartet.findings.drawing import CNN, COLOURS, MLP, RULE, SMALL, SOFT, dots, log_axis, panels, plain, reference
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, column, side_by_side

ACCURACY, FID = "val/discriminator_accuracy", "val/fid"
COARSE = 16  # of 256 grey levels


def half_fooled(runs: Runs, *, tolerance: float, patience: int, examples: int, epochs: int) -> Measured:
    """Measure what stopping by the rule costs against stopping at the best quality, and ask a fresh discriminator.

    The rule stops after `patience` validations in a row with an accuracy within `tolerance` of one half; where that
    never comes, at the end of the budget.

    Args:
        runs: "whole", trained to the end of its budget, and "stopped", the same but for the rule.
        examples, epochs: real and generated images that train a fresh discriminator, as many more test it, and how
            often it sees them.
    """
    pairs = side_by_side(runs, "stopped", "whole")
    whole, stopped = pairs["whole"], pairs["stopped"]
    fresh = {name: [told_fresh(run, examples, epochs) for run in of_name] for name, of_name in pairs.items()}
    numbers = {
        "fresh_accuracy_at_stop": Number(
            fresh["stopped"], "held-out accuracy of a fresh discriminator, stopped by the rule"
        ),
        "fresh_accuracy_at_stop_coarse": Number(
            [told_fresh(run, examples, epochs, step=COARSE) for run in stopped],
            "the same for images of 16 grey levels, without what no eye sees",
        ),
        "fresh_accuracy_at_best": Number(fresh["whole"], "held-out accuracy of a fresh discriminator, best quality"),
        "fid_at_stop_over_best": Number(
            [at_stop(run, tolerance, patience) for run in whole],
            f"FID over {patience} validations, where the discriminator is fooled, over the lowest",
            ratio=True,
        ),
        **stopping(whole, stopped),
        "rule_met": Number(
            [float(stops_at(column(run, ACCURACY), tolerance, patience) is not None) for run in whole],
            "whether the rule is met within the budget, 0 or 1",
        ),
    }
    figures = {"accuracy_and_quality": draw_path(whole, stopped), "fresh": draw_fresh(whole, stopped, fresh)}
    return Measured(numbers, figures)


def stopping(whole: Sequence[Trained], stopped: Sequence[Trained]) -> dict[str, Number]:
    """Return what the validations say of the stop, and of accuracy and quality through training."""
    ends = [run.curve[-1] for run in stopped]
    return {
        "distance_from_half_at_stop": Number(
            [abs(end[ACCURACY] - 0.5) for end in ends], "distance of the trained discriminator's accuracy from 1/2"
        ),
        "share_of_budget": Number(
            [end["samples"] / run.curve[-1]["samples"] for end, run in zip(ends, whole, strict=True)],
            "share of the budget when the rule stops",
        ),
        "fooled_goes_with_quality": Number(
            [together(run) for run in whole], "rank correlation of |accuracy - 1/2| with FID through training"
        ),
    }


def stops_at(accuracy_V: np.ndarray, tolerance: float, patience: int) -> int | None:
    """Return the validation at which the rule stops, None where it never does."""
    near = np.abs(accuracy_V - 0.5) <= tolerance
    return next((i for i in range(patience - 1, len(near)) if near[i - patience + 1 : i + 1].all()), None)


def at_stop(run: Trained, tolerance: float, patience: int) -> float:
    """Return the FID where the rule stops over the lowest of the whole run.

    Both are geometric means over `patience` validations in a row: the lowest of many noisy ones by itself would make
    any other look worse. Where the rule never stops, the validations count whose accuracy comes nearest to one half.
    """
    accuracy_V, log_fid_V = column(run, ACCURACY), np.log(column(run, FID))
    count = min(patience, len(log_fid_V))
    window = np.full(count, 1 / count)
    from_half_W, log_fid_W = (np.convolve(values, window, "valid") for values in (np.abs(accuracy_V - 0.5), log_fid_V))
    end = stops_at(accuracy_V, tolerance, patience)
    where = int(from_half_W.argmin()) if end is None else end - patience + 1
    return float(np.exp(log_fid_W[where] - log_fid_W.min()))


def together(run: Trained) -> float:
    """Return Spearman's rank correlation of |accuracy - 1/2| with FID; 0 where one of them never changes."""
    from_half, fid = np.abs(column(run, ACCURACY) - 0.5), column(run, FID)
    if len(fid) < 3 or not np.ptp(from_half) or not np.ptp(fid):
        return 0.0
    return float(spearmanr(from_half, fid).statistic)


def told_fresh(run: Trained, examples: int, epochs: int, *, step: int = 1) -> float:
    """Return the accuracy on new images of a discriminator trained anew on the kept generator's samples.

    All images are rounded down to multiples of `step`.
    """
    fake = samples(run, 2 * examples, seed=1) // step * step
    seen, new = (real_images(run, split, examples)[0] // step * step for split in ("train", "test"))
    return told_apart(
        seen, fake[:examples], new_real_NHWC=new, new_fake_NHWC=fake[examples:], epochs=epochs, seed=run.seed
    )


def draw_path(whole: Sequence[Trained], stopped: Sequence[Trained]) -> Figure:
    """Draw FID against the held-out accuracy through training, a path a seed, with the stop and the best marked."""
    figure, (axes,) = panels(height=4.2)
    plain(
        axes,
        title="Through training, larger dots later · square: the rule stops · star: best quality",
        x="held-out accuracy of the trained discriminator", y="FID, less is better",
    )  # fmt: skip
    axes.axvspan(0.45, 0.55, color=RULE, alpha=0.6, lw=0)
    for i, (run, short) in enumerate(zip(whole, stopped, strict=True)):
        x, y, colour = column(run, ACCURACY), column(run, FID), COLOURS[i % len(COLOURS)]
        axes.plot(x, y, "-", lw=0.8, alpha=0.6, color=colour)
        axes.scatter(x, y, s=np.linspace(4, 30, len(x)), color=colour, alpha=0.6, lw=0)
        end = short.curve[-1]
        axes.plot(end[ACCURACY], end[FID], "s", ms=11, mfc="none", mew=1.8, color=colour)
        axes.plot(x[y.argmin()], y.min(), "*", ms=13, color=colour)
    log_axis(axes, "y")
    near = axes.get_xaxis_transform()
    axes.text(0.5, 0.99, "half fooled", transform=near, ha="center", va="top", fontsize=SMALL, color=SOFT)
    return figure


def draw_fresh(whole: Sequence[Trained], stopped: Sequence[Trained], fresh: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the accuracy of the trained discriminator beside that of a fresh one, for both ways to stop."""
    figure, (axes,) = panels(height=2.4)
    plain(axes, x="held-out accuracy of the discriminator; dotted: fooled half of the time")
    kept = [run.curve[int(column(run, FID).argmin())][ACCURACY] for run in whole]
    rows = {
        "trained, rule": [run.curve[-1][ACCURACY] for run in stopped],
        "fresh, rule": fresh["stopped"],
        "trained, best quality": kept,
        "fresh, best quality": fresh["whole"],
    }
    dots(axes, rows, colours=(CNN, MLP, CNN, MLP))
    reference(axes, x=0.5)
    lowest = min(value for values in rows.values() for value in values)
    axes.set_xlim(min(0.4, lowest - 0.05), 1.02)
    return figure
