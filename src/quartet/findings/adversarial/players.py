"""Cross the kinds of nets that generate with those that tell apart: does the kind matter?

Shapes: G generator kinds, D discriminator kinds, S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.adversarial.images import samples
from quartet.findings.drawing import INK, SMALL, SOFT, TEXT, mosaic, panels, picture, plain
from quartet.findings.finding import Measured, Number
from quartet.findings.seeds import Runs, one_a_seed, side_by_side, values_of

SHOWN = 9  # samples of each pair


def crossed_players(runs: Runs, *, kinds: Sequence[str]) -> Measured:
    """Measure the quality of each pair of players: the Fréchet distance (FID) of its samples to the test images.

    Args:
        runs: of each pair of kinds, by the name `<generator>_<discriminator>`.
        kinds: of nets.
    """
    fid_GDS = table(runs, kinds, "test/fid")
    left_GDS = table(runs, kinds, "test/fid_ratio")
    by_generator_GS = np.log(fid_GDS).mean(1)
    by_discriminator_DS = np.log(fid_GDS).mean(0)
    pairs_PS = np.log(fid_GDS).reshape(-1, fid_GDS.shape[-1])
    others = "the worst and the best by the other seeds"
    numbers = {
        "worst_over_best_pair": Number(
            np.exp(spread(pairs_PS)), f"FID of the worst over the best pair, {others}", ratio=True
        ),
        "worst_over_best_generator": Number(
            np.exp(spread(by_generator_GS)), f"FID of the worst over the best kind of generator, {others}", ratio=True
        ),
        "worst_over_best_discriminator": Number(
            np.exp(spread(by_discriminator_DS)),
            f"FID of the worst over the best kind of discriminator, {others}",
            ratio=True,
        ),
        "another_seed": Number(
            np.exp(np.abs(pairs_PS - pairs_PS.mean(1, keepdims=True)).mean(0)),
            "FID of a pair's other seed over the pair's mean, or the other way round, mean over pairs",
            ratio=True,
        ),
        "worst_pair_left": Number(
            left_GDS.max((0, 1)), "FID of the worst pair over that of its generator before the first step"
        ),
    }
    for g, generator in enumerate(kinds):
        for d, discriminator in enumerate(kinds):
            about = f"FID, {generator} against the discriminator {discriminator}"
            numbers[f"fid_{generator}_{discriminator}"] = Number(fid_GDS[g, d], about)
    return Measured(numbers, {"pairs": draw_table(fid_GDS, kinds), "samples": draw_samples(runs, kinds)})


def table(runs: Runs, kinds: Sequence[str], metric: str) -> np.ndarray:
    """Return a metric of each pair and seed, (G, D, S); QuartetError where a pair or a seed is missing."""
    pairs = side_by_side(runs, *(f"{g}_{d}" for g in kinds for d in kinds))
    return np.array([[values_of(pairs[f"{g}_{d}"], metric) for d in kinds] for g in kinds])


def spread(value_PS: np.ndarray) -> np.ndarray:
    """Return, for each seed, the value of the worst (highest) less that of the best, (S,).

    The other seeds choose the two, so that chance alone makes no difference: where all are alike the expectation is 0,
    while the highest less the lowest of one seed is always above it. A single seed has no others and chooses itself.
    """
    count = value_PS.shape[1]
    found = []
    for seed in range(count):
        others = [other for other in range(count) if other != seed] or [seed]
        mean_P = value_PS[:, others].mean(1)
        found.append(value_PS[mean_P.argmax(), seed] - value_PS[mean_P.argmin(), seed])
    return np.array(found)


def draw_table(fid_GDS: np.ndarray, kinds: Sequence[str]) -> Figure:
    """Draw each pair's mean FID as a shade and in figures, with the seeds' own below it."""
    figure, (axes,) = panels(width=5.4, height=4.2)
    title = "FID of each pair, less is better: mean, and each seed"
    plain(axes, title=title, x="kind of discriminator", y="kind of generator").grid(False)
    mean_GD = np.exp(np.log(fid_GDS).mean(-1))
    shade_GD = np.log(mean_GD / mean_GD.min())
    axes.imshow(shade_GD, cmap="Blues", vmin=-0.3, vmax=2 * max(1.0, shade_GD.max()))  # never darker than half
    for g, d in np.ndindex(mean_GD.shape):
        axes.text(d, g - 0.08, f"{mean_GD[g, d]:.1f}", ha="center", va="center", fontsize=14, color=INK)
        own = " · ".join(f"{each:.1f}" for each in fid_GDS[g, d])
        axes.text(d, g + 0.24, own, ha="center", va="center", fontsize=SMALL, color=INK)
    axes.set_xticks(range(len(kinds)), list(kinds))
    axes.set_yticks(range(len(kinds)), list(kinds))
    return figure


def draw_samples(runs: Runs, kinds: Sequence[str]) -> Figure:
    """Draw the first samples of each pair, first seed; not selected, from the same noise."""
    figure, axes = panels(len(kinds) ** 2, rows=len(kinds), height=6.2)
    for i, (generator, discriminator) in enumerate(product(kinds, kinds)):
        drawn = samples(one_a_seed(runs, f"{generator}_{discriminator}")[0], SHOWN, seed=0).numpy()
        label = "" if i % len(kinds) else f"{generator}\ngenerates"
        picture(axes[i], mosaic(drawn, columns=3), label=label, cmap="gray", vmin=0, vmax=255)
        if i < len(kinds):
            axes[i].set_title(f"against {discriminator}", fontsize=TEXT, color=SOFT)
    return figure
