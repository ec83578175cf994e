"""Follow the discriminator through training: does it tell real from generated images that it has not seen?

Shapes: S seeds, V validations, P bins, N images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from quartet.findings.adversarial.images import real_images, samples, scores
from quartet.findings.drawing import (
    CNN,
    COLOURS,
    MLP,
    RNN,
    SOFT,
    TRANSFORMER,
    curves,
    name_ends,
    panels,
    plain,
    reference,
)
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, column, curve, one_a_seed

BINS = 10  # of the probability of being real
OF = "val/discriminator_"  # begins the names of its metrics


def telling_apart(runs: Runs, *, examples: int) -> Measured:
    """Measure the discriminator's accuracy and calibration on held-out images, through training.

    The curves are those of the validations: real images that are never trained on, new samples of the generator of that
    moment, as many of each.

    Args:
        runs: "pair", trained with a loss whose best answer is the probability of being real.
        examples: how many training, test and generated images the kept discriminator is asked about.
    """
    pair = one_a_seed(runs, "pair")
    mean = {
        name: np.array([np.mean(column(run, OF + name)) for run in pair]) for name in ("accuracy", "calibration_error")
    }
    worse = [np.minimum(column(run, f"{OF}accuracy_real"), column(run, f"{OF}accuracy_fake")).mean() for run in pair]
    over = [(column(run, f"{OF}confidence") - column(run, f"{OF}accuracy")).mean() for run in pair]
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
            [column(run, f"{OF}accuracy")[-1] for run in pair], "held-out accuracy at the last validation"
        ),
    }
    reliability = [reliable(new, fake) for _, new, fake in kept]
    return Measured(numbers, {"through_training": draw_curves(pair), "reliability": draw_reliability(reliability)})


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
    plain(left, x="thousand images seen", y="held-out accuracy")
    plain(right, x="thousand images seen", y="calibration error; 0: its probabilities are right")
    shown = {"accuracy_real": ("on real", RNN), "accuracy_fake": ("on generated", MLP), "accuracy": ("both", CNN)}
    ends = [
        curves(left, [curve(run, OF + metric) for run in pair], colour=colour, name=name)
        for metric, (name, colour) in shown.items()
    ]
    reference(left, y=0.5)
    left.set_ylim(0, 1.02)
    curves(right, [curve(run, f"{OF}calibration_error") for run in pair], colour=TRANSFORMER)
    right.set_ylim(bottom=0)
    name_ends(left, ends)
    return figure


def draw_reliability(found: Sequence[tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw the share of real images against the probability that the kept discriminators give, a line a seed."""
    figure, (axes,) = panels(width=4.6, height=3.8)
    title = "dotted: probabilities that are right; a line a seed"
    plain(axes, title=title, x="probability of being real, as the discriminator says", y="share that is real")
    axes.plot([0, 1], [0, 1], color=SOFT, lw=0.8, ls=":")
    for i, (probability, real) in enumerate(found):
        axes.plot(probability, real, "o-", ms=4, lw=1.2, alpha=0.8, color=COLOURS[i % len(COLOURS)])
    axes.set_xlim(-0.02, 1.02)
    return figure
