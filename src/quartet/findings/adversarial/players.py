"""Cross the kinds of nets that generate with those that tell apart: does the kind matter?

Shapes: G generator kinds, D discriminator kinds, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.adversarial.figures import INK, show
from quartet.findings.adversarial.images import samples
from quartet.findings.finding import Measured, Number, Trained
from quartet.types import QuartetError

SHOWN = 9  # samples of each pair


def crossed_players(runs: Mapping[str, Sequence[Trained]], *, kinds: Sequence[str]) -> Measured:
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
        "worst_over_best_pair": Number(np.exp(spread(pairs_PS)), f"FID of the worst over the best pair, {others}"),
        "worst_over_best_generator": Number(
            np.exp(spread(by_generator_GS)), f"FID of the worst over the best kind of generator, {others}"
        ),
        "worst_over_best_discriminator": Number(
            np.exp(spread(by_discriminator_DS)), f"FID of the worst over the best kind of discriminator, {others}"
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


def table(runs: Mapping[str, Sequence[Trained]], kinds: Sequence[str], metric: str) -> np.ndarray:
    """Return a metric of each pair and seed, (G, D, S); QuartetError where a pair or a seed is missing."""
    if lacking := [f"{g}_{d}" for g in kinds for d in kinds if f"{g}_{d}" not in runs]:
        raise QuartetError(f"runs: has no {lacking[0]}; name the run of each pair <generator>_<discriminator>")
    seeds = {name: [run.seed for run in runs[name]] for name in (f"{g}_{d}" for g in kinds for d in kinds)}
    if len({tuple(each) for each in seeds.values()}) > 1:
        raise QuartetError(f"runs: the pairs have different seeds: {seeds}; train each with the same")
    return np.array([[[run.metrics[metric] for run in runs[f"{g}_{d}"]] for d in kinds] for g in kinds])


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
    figure = Figure(figsize=(5.4, 4.2), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    mean_GD = np.exp(np.log(fid_GDS).mean(-1))
    shade_GD = np.log(mean_GD / mean_GD.min())
    axes.imshow(shade_GD, cmap="Blues", vmin=-0.3, vmax=2 * max(1.0, shade_GD.max()))  # never darker than half
    for g, d in np.ndindex(mean_GD.shape):
        axes.text(d, g - 0.08, f"{mean_GD[g, d]:.1f}", ha="center", va="center", fontsize=14, color=INK)
        own = " · ".join(f"{each:.1f}" for each in fid_GDS[g, d])
        axes.text(d, g + 0.24, own, ha="center", va="center", fontsize=8, color=INK)
    axes.set_xticks(range(len(kinds)), list(kinds))
    axes.set_yticks(range(len(kinds)), list(kinds))
    axes.set(xlabel="kind of discriminator", ylabel="kind of generator")
    axes.set_title("FID of each pair, less is better: mean, and each seed", fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def draw_samples(runs: Mapping[str, Sequence[Trained]], kinds: Sequence[str]) -> Figure:
    """Draw the first samples of each pair, first seed; not selected, from the same noise."""
    figure = Figure(figsize=(6.4, 6.6), layout="constrained", dpi=150)
    axes = figure.subplots(len(kinds), len(kinds), squeeze=False)
    for g, generator in enumerate(kinds):
        for d, discriminator in enumerate(kinds):
            drawn = samples(runs[f"{generator}_{discriminator}"][0], SHOWN, seed=0).numpy()
            show(axes[g, d], drawn, columns=3, label=f"{generator} generates" if d == 0 else "")
            if g == 0:
                axes[g, d].set_title(f"against {discriminator}", fontsize=9)
    return figure
