"""Train small judges anew on given images: a discriminator on real and generated ones, a classifier on labelled ones.

Shapes: N images, H height, W width, C channels, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.findings.adversarial.images import in_chunks, to_unit

BATCH, RATE = 64, 2e-3


def small_net(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return two convolutions that halve an image of (height, width, channels), and two linear layers."""
    height, width, channels = shape
    return nn.Sequential(
        nn.Conv2d(channels, 16, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * (height // 4) * (width // 4), 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


@torch.enable_grad()
def classifier(x_NHWC: Tensor, y_N: Tensor, *, classes: int, epochs: int, seed: int) -> nn.Module:
    """Return a small net trained to tell the classes y_N of the bytes x_NHWC; the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = small_net(tuple(x_NHWC.shape[1:]), classes)
    order = torch.Generator().manual_seed(seed)
    x_NCHW = to_unit(x_NHWC).movedim(-1, 1).contiguous()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    for _ in range(epochs):
        for which in torch.randperm(len(x_NCHW), generator=order).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(x_NCHW[which]), y_N[which]).backward()
            optimizer.step()
    return net.eval().requires_grad_(False)


def accuracy(net: nn.Module, x_NHWC: Tensor, y_N: Tensor) -> float:
    """Return the share of the bytes x_NHWC whose class y_N the net tells."""
    logits_NK = in_chunks(lambda x: net(to_unit(x).movedim(-1, 1)), x_NHWC)
    return (logits_NK.argmax(1) == y_N).double().mean().item()


def told_apart(
    real_NHWC: Tensor, fake_NHWC: Tensor, *, new_real_NHWC: Tensor, new_fake_NHWC: Tensor, epochs: int, seed: int
) -> float:
    """Return the accuracy, on new images, of a discriminator trained anew on as many real as generated ones.

    One half means that nothing that it could learn sets them apart (a two-sample test, Lopez-Paz & Oquab 2017).
    """

    def joined(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat((real, fake)), torch.cat((torch.ones(len(real)), torch.zeros(len(fake)))).long()

    net = classifier(*joined(real_NHWC, fake_NHWC), classes=2, epochs=epochs, seed=seed)
    return accuracy(net, *joined(new_real_NHWC, new_fake_NHWC))
