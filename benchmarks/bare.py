"""Training in a bare PyTorch loop: the same net, loss, batches, clipping and average, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from pipeline_leg import Leg
from torch import Tensor, nn

from pipelines import worker
from pipelines.build import build_data, build_method
from quartet.methods import Adversarial
from quartet.methods.average import update_average
from quartet.tasks.adversarial import discriminator_loss, generator_loss
from quartet.types import QuartetError

Step = Callable[[dict[str, Any], int], None]


def train(leg: Leg, *, warm: int, steps: int) -> float:
    """Samples per second of steps `warm` to `steps`, all on the CPU."""
    worker.use_machine(leg.tree["trainer"])
    data = build_data(leg.tree, leg.data)
    method = build_method(leg.tree, data)
    step = adversarial(method) if isinstance(method, Adversarial) else supervised(method)
    batches = iter(data.batches("train", seed=leg.tree["seed"]))
    samples, began = 0, 0.0
    for i in range(steps):
        if i == warm:
            samples, began = 0, time.perf_counter()
        batch = data.on_after_batch_transfer(next(batches), 0)
        step(batch, i)
        samples += batch["samples"]
    return samples / (time.perf_counter() - began)


def supervised(method: Any) -> Step:
    model, average, task = method.model.train(), method.average, method.task
    optimizer = method.make_optimizer(model.parameters())

    def step(batch: dict[str, Any], i: int) -> None:
        loss = task.loss(model, batch) / batch["count"]
        loss.backward()
        update(model.parameters(), optimizer, clip=method.clip)
        if average is not None:
            update_average(average, model, decay=method.ema, step=i)

    return step


def adversarial(method: Any) -> Step:
    players, average, task = method.model.train(), method.average, method.task
    generator, discriminator = players.generator, players.discriminator
    for_generator, for_discriminator = (
        make(player.parameters())
        for make, player in zip(method.make_optimizers, (generator, discriminator), strict=True)
    )
    if method.r1 or method.discriminator_steps != 1:
        raise QuartetError(
            "method.r1, method.discriminator_steps: the bare loop knows no penalty and takes turns by one"
        )

    def step(batch: dict[str, Any], i: int) -> None:
        size = batch["samples"]
        with torch.no_grad():
            fake = generator(torch.randn(size, task.noise))
        real_score, fake_score = discriminator(task.to_unit(batch["x"])), discriminator(fake)
        smoothing = method.label_smoothing
        told: Tensor = discriminator_loss(real_score, fake_score, kind=method.kind, label_smoothing=smoothing)
        (told / batch["count"]).backward()
        update(discriminator.parameters(), for_discriminator, clip=method.clip)
        if i >= method.head_start:
            discriminator.requires_grad_(False)
            score = discriminator(generator(torch.randn(size, task.noise)))
            (generator_loss(score, kind=method.kind) / batch["count"]).backward()
            update(generator.parameters(), for_generator, clip=method.clip)
            discriminator.requires_grad_(True)
        if average is not None:
            update_average(average, players, decay=method.ema, step=i)

    return step


def update(parameters: Iterator[nn.Parameter], optimizer: torch.optim.Optimizer, *, clip: float | None) -> None:
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(list(parameters), clip)
    optimizer.step()
    optimizer.zero_grad()
