"""Follow the discriminator through training: does it tell real from generated images that it has not seen?

Shapes: S seeds, V validations, P bins, N images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from quartet.findings.adversarial.figures import COLOURS, FAINT, curve, draw_seeds, name_ends, panels
from quartet.findings.adversarial.images import real_images, samples, scores
from quartet.findings.finding import Measured, Number, Trained

BINS = 10  # of the probability of being real


def telling_apart(runs: Mapping[str, Sequence[Trained]], *, examples: int) -> Measured:
    """Measure the discriminator's accuracy and calibration on held-out images, through training.

    The curves are those of the validations: real images that are never trained on, new samples of the generator of that
    moment, as many of each.

    Args:
        runs: "pair", trained with a loss whose best answer is the probability of being real.
        examples: how many training, test and generated images the kept discriminator is asked about.
    """
    pair = runs["pair"]
    mean = {name: np.array([np.mean(column(run, name)) for run in pair]) for name in ("accuracy", "calibration_error")}
    worse = [np.minimum(column(run, "accuracy_real"), column(run, "accuracy_fake")).mean() for run in pair]
    over = [(column(run, "confidence") - column(run, "accuracy")).mean() for run in pair]
    kept = [answers(run, examples) for run in pair]
    through = "mean over the validations through training"
    numbers = {
        "accuracy": Number(mean["accuracy"], f"held-out accuracy, real and generated alike, {through}"),
        "accuracy_of_worse_kind": Number(
            worse, f"the lower of the accuracies on real and on generated images, {through}"
        ),
        "calibration_error": Number(
            mean["calibration_error"],
            f"distance between the probability of being real and the share of real, {through}",
        ),
        "overconfidence": Number(over, f"mean probability of its own answer less its accuracy, {through}"),
        "memorised": Number(
            [told_real(seen) - told_real(new) for seen, new, _ in kept],
            "accuracy on real images of the training split less that on real test images, kept weights",
        ),
        "last_accuracy": Number(
            [column(run, "accuracy")[-1] for run in pair], "held-out accuracy at the last validation"
        ),
    }
    reliability = [reliable(new, fake) for _, new, fake in kept]
    return Measured(numbers, {"through_training": draw_curves(pair), "reliability": draw_reliability(reliability)})


def column(run: Trained, name: str) -> np.ndarray:
    """Return a metric of the discriminator at each validation, (V,)."""
    return np.array([row[f"val/discriminator_{name}"] for row in run.curve])


def answers(run: Trained, examples: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the kept discriminator's scores of training images, of test images and of samples, each (N,)."""
    seen, new = (scores(run, real_images(run, split, examples)[0]) for split in ("train", "test"))
    return seen, new, scores(run, samples(run, examples, seed=0))


def told_real(score_N: Tensor) -> float:
    """Return the share of images that are taken for real."""
    return (score_N > 0).double().mean().item()


def reliable(real_N: Tensor, fake_N: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return, of each bin that has images, the mean probability of being real and the share of real images (Niculescu-
    Mizil & Caruana 2005), for as many real as generated ones."""
    probability = np.concatenate([each.double().sigmoid().numpy() for each in (real_N, fake_N)])
    real = np.repeat([1.0, 0.0], [len(real_N), len(fake_N)])
    which = np.minimum((probability * BINS).astype(int), BINS - 1)
    filled = [which == i for i in range(BINS) if (which == i).any()]
    return np.array([probability[each].mean() for each in filled]), np.array([real[each].mean() for each in filled])


def draw_curves(pair: Sequence[Trained]) -> Figure:
    """Draw accuracy (left), calibration error and overconfidence (right) against images seen, a line a seed."""
    figure, (left, right) = panels(2)
    shown = {"accuracy_real": "on real", "accuracy_fake": "on generated", "accuracy": "both"}
    colours = (COLOURS[2], COLOURS[1], COLOURS[0])
    ends = [
        draw_seeds(left, [curve(run.curve, f"val/discriminator_{name}") for run in pair], colour=colour)
        for name, colour in zip(shown, colours, strict=True)
    ]
    left.axhline(0.5, color=FAINT, lw=0.8, ls=":")
    left.set(ylim=(0, 1.02), ylabel="held-out accuracy")
    error = [curve(run.curve, "val/discriminator_calibration_error") for run in pair]
    draw_seeds(right, error, colour=COLOURS[3])
    right.set(ylim=(0, None), ylabel="calibration error; 0: its probabilities are right")
    for axes in (left, right):
        axes.set_xlabel("thousand images seen")
        axes.margins(x=0.02)
    left.set_xlim(right=left.get_xlim()[1] * 1.3)
    name_ends(left, list(shown.values()), ends, colours)
    return figure


def draw_reliability(found: Sequence[tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw the share of real images against the probability that the kept discriminators give, a line a seed."""
    figure, (axes,) = panels(1, width=4.2, height=3.8)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls=":")
    for i, (probability, real) in enumerate(found):
        axes.plot(probability, real, "o-", ms=4, lw=1.2, alpha=0.8, color=COLOURS[i % len(COLOURS)])
    axes.set(xlabel="probability of being real, as the discriminator says", ylabel="share that is real", xlim=(0, 1))
    axes.set_title("dotted: probabilities that are right; a line a seed", fontsize=8)
    return figure
