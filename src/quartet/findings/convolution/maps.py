"""Read images, and the maps that the layers of a CNN write of them.

Shapes: N images, H height, W width, C channels, h, w places of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quartet.types import QuartetError

BATCH = 250  # images at a time


def first_images(data: Any, split: str, count: int) -> tuple[Tensor, Tensor]:
    """Return the first `count` images of a split, bytes x_NHWC, and their classes y_N; fewer where it has fewer."""
    pieces: list[tuple[Tensor, Tensor]] = []
    for batch in data.batches(split):
        pieces.append((batch["x"], batch["y"]))
        if sum(len(y) for _, y in pieces) >= count:
            break
    x_NHWC, y_N = (torch.cat(parts)[:count] for parts in zip(*pieces, strict=True))
    return x_NHWC, y_N


def kernels(model: Any) -> Tensor:
    """Return a CNN's first kernels (out, in, height, width). Raises QuartetError for a net without kernels."""
    found = getattr(model, "kernels", None)
    if not isinstance(found, Tensor):
        raise QuartetError(f"runs: {type(model).__name__} has no kernels, so that no maps can be read; give net=cnn")
    return found


def steps(model: Any) -> list[nn.Module]:
    """Return the layers of a CNN's encoder in order. Raises QuartetError for a net without kernels."""
    kernels(model)
    return list(model.encoder.layers)


def rectified(model: nn.Module) -> list[nn.Module]:
    """Return those layers that end in a rectifier: their maps say where a pattern was found, and nothing below zero."""
    return [layer for layer in steps(model) if any(isinstance(part, nn.ReLU) for part in layer.modules())]


def before_rectifier(model: nn.Module) -> nn.Module:
    """Return the layer before the first rectifier: its maps are linear in the pixels, but for a layer norm's scale.

    Raises QuartetError where the first rectifier is not a layer of its own that follows another.
    """
    layers, first = steps(model), rectified(model)[:1]
    place = layers.index(first[0]) if first else 0
    if not place or not isinstance(layers[place], nn.ReLU):
        raise QuartetError("runs: the first layers are not a convolution and a rectifier after it; give another net")
    return layers[place - 1]


def written(model: nn.Module, x_NHWC: Tensor, layers: Sequence[nn.Module]) -> list[Tensor]:
    """Return the maps z_NChw that each of `layers` writes, with their gradients' history where x has one."""
    found: dict[int, Tensor] = {}

    def keep(place: int) -> Any:
        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            found[place] = output

        return hook

    hooks = [layer.register_forward_hook(keep(place)) for place, layer in enumerate(layers)]
    try:
        model(x_NHWC)
    finally:
        for hook in hooks:
            hook.remove()
    return [found[place] for place in range(len(layers))]


@torch.no_grad()
def maps(model: nn.Module, x_NHWC: Tensor, layers: Sequence[nn.Module]) -> list[Tensor]:
    """Return the maps z_NChw that each of `layers` writes, in parts that fit into the memory."""
    parts = [written(model, part, layers) for part in x_NHWC.split(BATCH)]
    return [torch.cat(pieces) for pieces in zip(*parts, strict=True)]


@torch.no_grad()
def right(model: nn.Module, x_NHWC: Tensor, y_N: Tensor) -> Tensor:
    """Return whether each image's class is recognised, (N,) of 0 and 1 in double precision."""
    if not len(y_N):
        return torch.zeros(0, dtype=torch.float64)
    predicted_N = torch.cat([model(part).argmax(1) for part in x_NHWC.split(BATCH)])
    return (predicted_N == y_N).double()


def stride(pixels: int, places: int) -> int:
    """Return by how many pixels two neighbouring places of a map lie apart: 28 pixels and 3 places give 8."""
    apart = 1
    while pixels // (2 * apart) >= places:
        apart *= 2
    return apart
