"""Ask how real samples look: beside other real images, in a trained judge's features, by several measures.

Shapes: S seeds, N images, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from quartet.findings.adversarial import fresh
from quartet.findings.adversarial.distances import copies, frechet, kernel_distance, nearest, overlap
from quartet.findings.adversarial.images import described, real_images, samples
from quartet.findings.adversarial.realism_figures import draw_distances, draw_neighbours, draw_shares
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, one_a_seed

# What is measured of samples and of real images, in words; `_real` is the same of other real images, "the floor".
ABOUT = {
    "fid": "Fréchet distance (FID) to test images",
    "kid": "kernel distance (KID) to test images",
    "precision": "share of images within the reach of a test image (precision)",
    "recall": "share of test images within the reach of an image (recall)",
    "density": "density among test images, 1 for real ones",
    "coverage": "share of test images that have an image within reach (coverage)",
    "accuracy": "accuracy on test images of a classifier trained on images with the judge's labels",
    "copies": "share of images nearer to a training image than 1 % of test images, and twice as near as to a test one",
}


@dataclass(frozen=True)
class Reference:
    """What all images are compared with.

    Attributes:
        x_NHWC, y_N, f_ND: test images, their labels and features.
        train_ND: features of training images; apart_N: the test images' distances to the nearest of them.
        classes, neighbours, epochs: see `realism`.
    """

    x_NHWC: Tensor
    y_N: Tensor
    f_ND: Tensor
    train_ND: Tensor
    apart_N: Tensor
    classes: int
    neighbours: int
    epochs: int


def realism(runs: Runs, *, examples: int, neighbours: int, trained_on: int, epochs: int) -> Measured:
    """Measure how real the samples of "pair" look, in the features of the run's judge.

    Real validation images stand for perfect samples: each measure of them is the floor. The judge labels both them and
    the samples for the classifiers, so that these differ in their images alone.

    Args:
        examples: samples, validation and test images that are compared.
        neighbours: of them, those that precision, recall, density and coverage are of (every pair is compared).
        trained_on: training images among which the nearest is sought.
        epochs: how often a classifier sees its images.
    """
    pair = one_a_seed(runs, "pair")
    to = reference(pair[0], examples=examples, neighbours=neighbours, trained_on=trained_on, epochs=epochs)
    other = real_images(pair[0], "val", examples)[0]
    drawn = [samples(run, examples, seed=2) for run in pair]
    of_samples = [qualities(run, x, to) | learned(run, x, to, run.seed) for run, x in zip(pair, drawn, strict=True)]
    floor = qualities(pair[0], other, to)
    of_real = [floor | learned(run, other, to, run.seed) for run in pair]
    noise = described(pair[0], noise_like(other))[0]
    numbers = {}
    for name, about in ABOUT.items():
        numbers[name] = Number([each[name] for each in of_samples], f"{about}: samples")
        numbers[f"{name}_real"] = Number([each[name] for each in of_real], f"{about}: real validation images")
    of_noise = {"fid": frechet(to.f_ND, noise), "kid": kernel_distance(to.f_ND, noise)}
    numbers |= compared(of_samples, of_real, of_noise)
    distances = {"real": of_real, "samples": of_samples, "noise": [of_noise]}
    figures = {
        "neighbours": draw_neighbours(*shown(pair[0], drawn[0], to, trained_on)),
        "distances": draw_distances(distances),
        "shares": draw_shares(of_samples, of_real),
    }
    return Measured(numbers, figures)


def reference(run: Trained, *, examples: int, neighbours: int, trained_on: int, epochs: int) -> Reference:
    """Return what images are compared with."""
    x_NHWC, y_N = real_images(run, "test", examples)
    f_ND, _ = described(run, x_NHWC)
    train_ND, _ = described(run, real_images(run, "train", trained_on)[0])
    return Reference(
        x_NHWC=x_NHWC,
        y_N=y_N,
        f_ND=f_ND,
        train_ND=train_ND,
        apart_N=nearest(f_ND, train_ND)[0],
        classes=len(run.data.outputs.names),
        neighbours=neighbours,
        epochs=epochs,
    )


def qualities(run: Trained, x_NHWC: Tensor, to: Reference) -> dict[str, float]:
    """Return the measures of `ABOUT` that compare features."""
    f_ND, _ = described(run, x_NHWC)
    return {
        "fid": frechet(to.f_ND, f_ND),
        "kid": kernel_distance(to.f_ND, f_ND),
        **asdict(overlap(to.f_ND[: to.neighbours], f_ND[: to.neighbours])),
        "copies": copies(nearest(f_ND, to.train_ND)[0], nearest(f_ND, to.f_ND)[0], to.apart_N),
    }


def learned(run: Trained, x_NHWC: Tensor, to: Reference, seed: int) -> dict[str, float]:
    """Return how well a classifier that has seen these images alone tells the test images (Ravuri & Vinyals 2019)."""
    net = fresh.classifier(x_NHWC, described(run, x_NHWC)[1], classes=to.classes, epochs=to.epochs, seed=seed)
    return {"accuracy": fresh.accuracy(net, to.x_NHWC, to.y_N)}


def compared(
    of_samples: Sequence[Mapping[str, float]], of_real: Sequence[Mapping[str, float]], of_noise: Mapping[str, float]
) -> dict[str, Number]:
    """Return the measures of samples beside those of real images and of noise, by seed."""
    pairs = list(zip(of_samples, of_real, strict=True))
    ratios = {name: [a[name] / max(b[name], 1e-9) for a, b in pairs] for name in ("precision", "coverage", "fid")}
    return {
        "precision_over_real": Number(ratios["precision"], f"{ABOUT['precision']}: samples over real"),
        "coverage_over_real": Number(ratios["coverage"], f"{ABOUT['coverage']}: samples over real"),
        "fid_over_real": Number(ratios["fid"], f"{ABOUT['fid']}: samples over real", ratio=True),
        **{
            f"{name}_of_noise": Number(
                [(a[name] - b[name]) / (of_noise[name] - b[name]) for a, b in pairs],
                f"{ABOUT[name]}: samples, from 0 for real images to 1 for noise",
            )
            for name in of_noise
        },
        "accuracy_lost": Number(
            [b["accuracy"] - a["accuracy"] for a, b in pairs], f"{ABOUT['accuracy']}: lost by samples"
        ),
    }


def noise_like(x_NHWC: Tensor) -> Tensor:
    """Return bytes of the same shape, each as likely as any other."""
    return torch.randint(0, 256, x_NHWC.shape, generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def shown(run: Trained, drawn_NHWC: Tensor, to: Reference, trained_on: int) -> tuple[np.ndarray, ...]:
    """Return the first samples, the training image nearest to each, and as many test images; not selected."""
    few = drawn_NHWC[:12]
    _, which = nearest(described(run, few)[0], to.train_ND)
    return few.numpy(), real_images(run, "train", trained_on)[0][which].numpy(), to.x_NHWC[:12].numpy()
