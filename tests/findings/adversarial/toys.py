"""Toy players: images of one bright square, generators whose quality is known, discriminators trained in a second.

Shapes: N images, H height, W width, Z noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import running
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from quartet.findings import Condition, Measured, Trained, Verdict, verdict
from quartet.methods.adversarial import GAN
from quartet.report.chance import chance
from quartet.tasks import Generate
from quartet.types import Classes, Pixels

SIDE, LATENT, SEEDS = 12, 16, (0, 1, 2)
CONF = Path(__file__).parents[3] / "conf" / "finding"
PIXELS = Pixels(height=SIDE, width=SIDE, channels=1, mean=(60.0,), std=(60.0,))
CLASSES = Classes(names=("left", "middle", "right"))


def squares(count: int, *, seed: int) -> dict[str, Any]:
    """Real images: noise, and a bright square in the left, the middle or the right third, as its label says."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 60, (count, SIDE, SIDE, 1), generator=draw)
    y = torch.randint(0, 3, (count,), generator=draw)
    top = torch.randint(0, SIDE - 4, (count,), generator=draw)
    light = torch.randint(120, 196, (count,), generator=draw)
    for i in range(count):
        x[i, top[i] : top[i] + 4, 4 * y[i] : 4 * y[i] + 4] += light[i]
    return {"x": x.to(torch.uint8), "y": y, "count": count, "samples": count}


class Data:
    """What the findings ask of a DataModule."""

    inputs, outputs, batch_size = PIXELS, CLASSES, 32

    def __init__(self) -> None:
        sizes = {"train": 800, "val": 400, "test": 400}
        self.splits = {split: squares(size, seed=i) for i, (split, size) in enumerate(sizes.items())}
        self.examples = sizes

    def batches(self, split: str) -> list[dict[str, Any]]:
        return [self.splits[split]]


@cache
def data() -> Data:
    return Data()


@cache
def judge() -> nn.Module:
    """A small net of ours that has learned to tell the classes."""
    torch.manual_seed(0)
    net = running.recipe("cnn", width=8, stages=2, depth=0, dropout=0.0).classifier(PIXELS, CLASSES)
    fit(net, lambda model: F.cross_entropy(model(data().splits["train"]["x"]), data().splits["train"]["y"]), steps=60)
    return net.eval()


def fit(model: nn.Module, loss_of: Callable[[Any], Tensor], *, steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


class Painter(nn.Module):
    """A generator whose images are known: `share` of them come from `good`, the others are noise.

    Which image a noise gives depends on its numbers alone, as in any generator.
    """

    def __init__(self, good: Tensor, *, share: float = 1.0) -> None:
        super().__init__()
        self.dtype = nn.Parameter(torch.zeros(1))
        self.images = good.float() / 127.5 - 1
        self.share = share

    def forward(self, z_NZ: Tensor) -> Tensor:
        uniform_NZ = torch.special.ndtr(z_NZ.float())
        which = (uniform_NZ[:, 0] * len(self.images)).long().clamp(max=len(self.images) - 1)
        noise = (uniform_NZ.repeat(1, SIDE * SIDE // LATENT).view(-1, SIDE, SIDE, 1) * 2 - 1) * 0.9
        good = (uniform_NZ[:, 1] < self.share)[:, None, None, None]
        return torch.where(good, self.images[which], noise)


def honest(*, seed: int = 0, share: float = 1.0) -> Painter:
    """Draws new images of the real distribution."""
    return Painter(squares(1200, seed=100 + seed)["x"], share=share)


def copier() -> Painter:
    """Draws the images that it was trained on."""
    return Painter(data().splits["train"]["x"])


def net_of(kind: str, **changes: Any) -> Any:
    """A family as it is configured, but small."""
    small = {"width": 8, "layers": 1, "heads": 2, "stages": 2, "depth": 0, "dropout": 0.0, "patch": 4}
    return running.recipe(kind, **small | changes)


def task(kind: str = "cnn") -> Generate:
    """The task, which remembers how its generator began: as an untrained net of the kind."""
    made = Generate(latent_dim=LATENT, judge=judge(), samples=400, test_samples=400)
    torch.manual_seed(0)
    made.build(net_of(kind), data())
    return made


def discriminator(generator: nn.Module, *, seed: int = 0, steps: int = 30, real: bool = True) -> nn.Module:
    """A small net of ours, trained on real and generated images; without `real`, on generated ones alone."""
    torch.manual_seed(seed)
    net = net_of("cnn").discriminator(PIXELS)
    x = data().splits["train"]["x"].float() / 127.5 - 1
    with torch.no_grad():
        fake = generator(torch.randn(200, LATENT))

    def loss_of(model: nn.Module) -> Tensor:
        shown = torch.cat((x[:200], fake)) if real else fake
        label = torch.cat((torch.ones(200), torch.zeros(200))) if real else torch.zeros(200)
        return F.binary_cross_entropy_with_logits(model(shown), label)

    fit(net, loss_of, steps=steps)
    return net.eval()


@dataclass(frozen=True)
class Moment:
    """A pair of players at a validation."""

    generator: nn.Module
    discriminator: nn.Module


def trained(moments: Sequence[Moment], *, seed: int, kind: str = "cnn") -> Trained:
    """A run whose validations saw these moments, every 1,000 images. The best of them is kept and evaluated."""
    judged = task(kind)
    curve = []
    for i, each in enumerate(moments):
        sums = judged.measure(GAN(each.generator, each.discriminator).eval(), data().splits["val"])
        metrics = {f"val/{name}": value for name, value in judged.summarize(sums).items()}
        curve.append({"samples": 1000.0 * (i + 1), **metrics})
    kept = moments[min(range(len(curve)), key=lambda i: curve[i]["val/fid"])]
    model = GAN(kept.generator, kept.discriminator).eval()
    found = judged.evaluate(model, data(), device=torch.device("cpu")).metrics
    metrics = {f"test/{name}": value for name, value in found.items()}
    return Trained(
        seed=seed, values={}, parameters=1, flops=1.0, metrics=metrics, curve=curve, scores={},
        open_data=data, load=lambda: model, task=judged,
    )  # fmt: skip


def rule(finding: str) -> list[Condition]:
    """The rule of conf/finding."""
    return [Condition(**each) for each in yaml.safe_load((CONF / f"{finding}.yaml").read_text())["rule"]]


def ruled(finding: str, measured: Measured) -> Verdict:
    """The verdict of the finding's rule, with 95 % intervals over seeds."""
    intervals: dict[str, tuple[float, float]] = {}
    for name, number in measured.numbers.items():
        values = [float(value) for value in number.values]  # type: ignore[arg-type]
        mean = sum(values) / len(values)
        weighed = chance.chance_of(values)
        far = weighed.reach(0.95) if weighed.variance > 0 else 0.0
        intervals[name] = (mean - far, mean + far)
    return verdict(rule(finding), intervals)
