"""Whether patterns are built from patterns: what the layers of a CNN see, combine and tell, one after the other.

Shapes: S seeds, P layers, N images, C channels, h, w places of a map.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from quartet.findings.convolution.combining import patterns_combined
from quartet.findings.convolution.depth_figures import curves, patches
from quartet.findings.convolution.fields import diameter, gradient
from quartet.findings.convolution.maps import first_images, maps, rectified
from quartet.findings.convolution.probe import probed_accuracy
from quartet.findings.convolution.untrained import untrained
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, one_a_seed

DRAWS = 3  # choices of channels, where a layer has more than the fewest
SEED = 11  # of these choices, and of the untrained twin


def depth(runs: Runs, *, images: int = 2000, seen: int = 48) -> Measured:
    """Measure the layers of the runs `cnn` that end in a rectifier.

    Numbers: `patterns_combined`, the effective number of the maps before that a channel's strongest answer rests on,
    mean over channels and layers; `field_growth`, the diameter in pixels that the values in the middle of the last maps
    see, by the gradient over `seen` test images, over that of the first; `selectivity_gain`, how much more a linear
    probe of the last layer's channels recognises than one of the first layer's; `selectivity_gain_over_untrained`, that
    less the same of a net with fresh weights; `selectivity_order`, the rank correlation of a layer's place and what its
    probe recognises; `patterns_combined_untrained`, as the first, of the net with fresh weights. A probe gets the means
    of equally many channels of each layer, drawn; it is fitted to validation `images` and tried on test images.
    """
    trained = one_a_seed(runs, "cnn")
    fields = np.array([_fields(run, seen) for run in trained])
    twins = [_twin(run, images) for run in trained]
    told = np.array([told_by_layer(run.model, run, images) for run in trained])
    fresh = np.array([told_by_layer(twin, run, images) for twin, run in zip(twins, trained, strict=True)])
    combined = [_combined(run.model, run, seen) for run in trained]
    fresh_combined = [_combined(twin, run, seen) for twin, run in zip(twins, trained, strict=True)]
    gains, fresh_gains = told[:, -1] - told[:, 0], fresh[:, -1] - fresh[:, 0]
    return Measured(
        numbers={
            "patterns_combined": Number(combined, "maps before it that a channel's strongest answer rests on"),
            "field_growth": Number(
                fields[:, -1] / fields[:, 0], "pixels across that the last layer sees, over the first"
            ),
            "selectivity_gain": Number(gains, "accuracy of a probe of the last layer less one of the first"),
            "selectivity_gain_over_untrained": Number(gains - fresh_gains, "the same, less that of an untrained net"),
            "selectivity_order": Number(
                [order(told_P) for told_P in told], "rank correlation of a layer's place and its probe's accuracy"
            ),
            "patterns_combined_untrained": Number(fresh_combined, "maps before it, of an untrained net's channel"),
        },
        figures={
            "patches": patches(trained[0].model, first_images(trained[0].data, "test", images)[0], fields[0]),
            "layers": curves(fields, told, fresh),
        },
    )


def _fields(run: Trained, count: int) -> list[float]:
    """Return for each layer how many pixels across the value in the middle of its maps sees, effectively."""
    x_NHWC, _ = first_images(run.data, "test", count)
    layers = rectified(run.model)
    found = []
    for layer, z_NChw in zip(layers, maps(run.model, x_NHWC[:1], layers), strict=True):
        place = (z_NChw.shape[2] // 2, z_NChw.shape[3] // 2)
        found.append(diameter(gradient(run.model, x_NHWC, layer, place).mean(0).numpy()))
    return found


def told_by_layer(model: nn.Module, run: Trained, count: int) -> list[float]:
    """Return for each layer the test accuracy of probes of its channels, as many as the narrowest layer has."""
    sets = [first_images(run.data, split, count) for split in ("val", "test")]
    means = [channel_means(model, x_NHWC) for x_NHWC, _ in sets]
    fewest = min(mean_NC.shape[1] for mean_NC in means[0])
    classes = run.data.outputs.count
    found = []
    for fit_NC, test_NC in zip(*means, strict=True):
        chosen = choices(fit_NC.shape[1], fewest)
        scores = [
            probed_accuracy((fit_NC[:, which], sets[0][1]), (test_NC[:, which], sets[1][1]), classes=classes)
            for which in chosen
        ]
        found.append(float(np.mean(scores)))
    return found


def order(told_P: np.ndarray) -> float:
    """Return Spearman's rank correlation of values with their places: 1 where each is above the one before.

    It is 0 for values that are all equal, as they are in no order.
    """
    place_P = np.arange(len(told_P)) - (len(told_P) - 1) / 2
    rank_P = rankdata(told_P) - (len(told_P) + 1) / 2
    size = float(np.sqrt((place_P @ place_P) * (rank_P @ rank_P)))
    return float(place_P @ rank_P) / size if size else 0.0


def _combined(model: nn.Module, run: Trained, count: int) -> float:
    """Return on how many maps before it a channel of a model rests, the mean over its layers."""
    return float(np.mean(patterns_combined(model, first_images(run.data, "test", count)[0])))


def _twin(run: Trained, count: int) -> nn.Module:
    """Return the untrained twin of a run's model, the same each time."""
    x_NHWC, _ = first_images(run.data, "val", count)
    return untrained(run.model, x_NHWC[:500], seed=SEED + run.seed)


def channel_means(model: nn.Module, x_NHWC: Tensor) -> list[Tensor]:
    """Return for each rectified layer the means of its maps over their places, (N, C)."""
    layers = rectified(model)
    parts = [[z.mean((2, 3)) for z in maps(model, part, layers)] for part in x_NHWC.split(250)]
    return [torch.cat(pieces) for pieces in zip(*parts, strict=True)]


def choices(channels: int, count: int) -> list[Tensor]:
    """Return choices of `count` of the channels: all of them, or DRAWS that are drawn, always the same."""
    if channels == count:
        return [torch.arange(channels)]
    draw = torch.Generator().manual_seed(SEED)
    return [torch.randperm(channels, generator=draw)[:count] for _ in range(DRAWS)]
