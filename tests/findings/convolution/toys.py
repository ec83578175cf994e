"""Small nets, trained in a moment on small pictures, as a finding gets them; and the verdict of a finding's rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from running import recipe
from torch import Tensor, nn

from quartet.findings import Measured, Trained, Verdict, verdict
from quartet.methods.flops import count_flops
from quartet.types import Classes, Pixels
from quartet_app.config.table.findings import read_finding
from quartet_app.findings.conclude import with_interval

SIDE = 16
SEEDS = (0, 1, 2)
PIXELS = Pixels(height=SIDE, width=SIDE, channels=1, mean=(20.0,), std=(60.0,))
CLASSES = Classes(names=("a", "b", "c", "d"))


def shapes() -> Tensor:
    """Four shapes of 5 × 5 pixels: upright, level, a square, a cross."""
    x_N55 = torch.zeros(4, 5, 5)
    x_N55[0, :, 2] = x_N55[1, 2] = 1
    x_N55[2, [0, -1]] = x_N55[2, :, [0, -1]] = 1
    x_N55[3] = torch.maximum(torch.eye(5), torch.eye(5).flip(1))
    return x_N55


def arrangements() -> Tensor:
    """The same two bars in four arrangements of 8 × 8 pixels, so far apart that no small window sees both."""
    x_N88 = torch.zeros(4, 8, 8)
    x_N88[0, 2:5, 1] = x_N88[0, 3, 5:8] = 1  # upright left of level
    x_N88[1, 2:5, 6] = x_N88[1, 3, 0:3] = 1  # upright right of level
    x_N88[2, 0:3, 3] = x_N88[2, 6, 2:5] = 1  # upright above level
    x_N88[3, 5:8, 3] = x_N88[3, 1, 2:5] = 1  # upright below level
    return x_N88


@dataclass(frozen=True)
class Pictures:
    """Shapes of some brightness, in the middle or up to `wander` pixels beside it."""

    wander: int = 1
    arranged: bool = False
    outputs: Classes = CLASSES

    def batches(self, split: str) -> list[dict[str, Tensor]]:
        bank_Nss = arrangements() if self.arranged else shapes()
        side = bank_Nss.shape[1]
        draw = torch.Generator().manual_seed({"train": 1, "val": 2, "test": 3}[split])
        y_N = torch.randint(0, len(bank_Nss), (256,), generator=draw)
        light_N = torch.randint(120, 256, (256,), generator=draw)
        corner_N2 = (SIDE - side) // 2 + torch.randint(-self.wander, self.wander + 1, (256, 2), generator=draw)
        x_NHWC = torch.zeros(256, SIDE, SIDE, 1, dtype=torch.uint8)
        for x_HWC, y, light, (top, left) in zip(x_NHWC, y_N, light_N, corner_N2.tolist(), strict=True):
            x_HWC[top : top + side, left : left + side, 0] = (bank_Nss[y] * light).byte()
        return [{"x": x_NHWC[:100], "y": y_N[:100]}, {"x": x_NHWC[100:], "y": y_N[100:]}]


def net(family: str, **changes: Any) -> nn.Module:
    """A classifier of the toy pictures."""
    return recipe(family, **{"dropout": 0.0} | changes).classifier(PIXELS, CLASSES)


def learn(model: nn.Module, data: Pictures, *, steps: int, seed: int, rate: float = 0.01) -> nn.Module:
    """Train for so many steps of 64 pictures."""
    batches = data.batches("train")
    x_NHWC, y_N = torch.cat([batch["x"] for batch in batches]), torch.cat([batch["y"] for batch in batches])
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    for _ in range(steps):
        chosen = torch.randint(0, len(y_N), (64,), generator=draw)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x_NHWC[chosen]), y_N[chosen]).backward()
        optimizer.step()
    return model.eval()


def trained(model: nn.Module, data: Pictures, *, seed: int) -> Trained:
    """The model as a finding gets it, with its real accuracy and costs."""
    batches = data.batches("test")
    with torch.no_grad():
        right_N = torch.cat([(model.eval()(batch["x"]).argmax(1) == batch["y"]).double() for batch in batches])
    return Trained(
        seed=seed,
        values={},
        parameters=sum(weight.numel() for weight in model.parameters()),
        flops=3 * count_flops(lambda: model(batches[0]["x"][:1])),
        metrics={"test/accuracy": float(right_N.mean())},
        curve=[],
        scores={"accuracy": right_N.numpy()},
        open_data=lambda: data,
        load=lambda: model,
    )


@cache
def runs_of(data: Pictures, family: str, *, steps: int, **changes: Any) -> list[Trained]:
    """A small net of the family, trained with each seed."""
    found = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        model = learn(net(family, **changes), data, steps=steps, seed=seed)
        found.append(trained(model, data, seed=seed))
    return found


def given(runs: Sequence[Trained], accuracy: Sequence[float], **changes: Any) -> list[Trained]:
    """The same runs with other accuracies, one a seed, and other records."""
    return [
        replace(run, metrics={"test/accuracy": share}, scores={}, **changes)
        for run, share in zip(runs, accuracy, strict=True)
    ]


def decided(finding: str, measured: Measured) -> tuple[Verdict, dict[str, bool | None]]:
    """The verdict of the finding's rule in conf/finding/, and which of its conditions are met."""
    found = {name: with_interval(np.asarray(n.values).tolist(), n.about) for name, n in measured.numbers.items()}
    intervals = {name: (number.low, number.high) for name, number in found.items()}
    rule = read_finding(finding).rule
    return verdict(rule, intervals), {
        condition.number: condition.met(intervals[condition.number]) for condition in rule
    }


class Apart(nn.Module):
    """A layer whose kernels differ from place to place: a convolution without shared weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(SIDE * SIDE, outputs, 9 * inputs) * (2 / (9 * inputs)) ** 0.5)

    @property
    def weight(self) -> Tensor:
        """The kernels of the place in the middle (out, in, 3, 3)."""
        return self.own[SIDE * SIDE // 2 + SIDE // 2].unflatten(1, (-1, 3, 3))

    def forward(self, x_NChw: Tensor) -> Tensor:
        z_NOP = torch.einsum("nkp,pok->nop", nn.functional.unfold(x_NChw, 3, padding=1), self.own)
        return z_NOP.unflatten(2, (SIDE, SIDE))


def without_shared_weights(width: int = 8) -> nn.Module:
    """A net as the CNN, but for its first layer, in which each place has kernels of its own."""
    model: Any = net("cnn", width=width, stages=2, depth=0)
    model.encoder.layers[0] = Apart(1, width)
    return model
