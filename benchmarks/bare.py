"""Training in a bare PyTorch loop: the same net, loss, batches, clipping and average, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from pipeline_leg import TrainSegment
from torch import Tensor, nn
from torch.nn.utils import parametrize

from quartet.methods import Adversarial, Supervised
from quartet.methods.average import Average
from quartet.tasks.adversarial import discriminator_loss, generator_loss
from quartet.types import QuartetError
from quartet_app.run.build import build_data, build_method
from quartet_app.run.workers import worker

Step = Callable[[dict[str, Any], int], None]


class Loop:
    """Training under way, on the CPU."""

    def __init__(self, leg: TrainSegment) -> None:
        worker.use_machine(leg.tree["trainer"])
        self.data = build_data(leg.tree, leg.data)
        method = build_method(leg.tree, self.data)
        self.step = STEPS[type(method)](method)
        self.batches = iter(self.data.batches("train", seed=leg.tree["seed"]))
        self.steps, self.samples, self.seconds = 0, 0, 0.0

    def train(self, steps: int) -> None:
        began = time.perf_counter()
        for _ in range(steps):
            batch = self.data.on_after_batch_transfer(next(self.batches), 0)
            self.step(batch, self.steps)
            self.steps += 1
            self.samples += batch["samples"]
        self.seconds += time.perf_counter() - began

    def forget(self) -> None:
        """Count from here: what came before was warm-up."""
        self.samples, self.seconds = 0, 0.0

    @property
    def rate(self) -> float:
        """Samples per second."""
        return self.samples / self.seconds


def supervised(method: Any) -> Step:
    model, averaging, task = method.model.train(), averages(method), method.task
    optimizer = method.make_optimizer(model.parameters())

    def step(batch: dict[str, Any], i: int) -> None:
        loss = task.loss(model, batch) / batch["count"]
        loss.backward()
        update(model.parameters(), optimizer, grad_clip_norm=method.grad_clip_norm)
        if averaging is not None:
            averaging.update(step=i)

    return step


def adversarial(method: Any) -> Step:
    players, averaging, task = method.model.train(), averages(method), method.task
    generator, discriminator = players.generator, players.discriminator
    for_generator, for_discriminator = (
        make(player.parameters())
        for make, player in zip(method.make_optimizers, (generator, discriminator), strict=True)
    )
    if method.r1 or method.n_critic != 1:
        raise QuartetError("method.r1, method.n_critic: the bare loop knows no penalty and takes turns by one")

    def step(batch: dict[str, Any], i: int) -> None:
        size = batch["samples"]
        with torch.no_grad():
            fake = generator(torch.randn(size, task.latent_dim))
        with parametrize.cached():  # one power iteration for both, as in the pipeline
            real_score, fake_score = discriminator(task.to_unit(batch["x"])), discriminator(fake)
        smoothing = method.label_smoothing
        told: Tensor = discriminator_loss(real_score, fake_score, kind=method.kind, label_smoothing=smoothing)
        (told / batch["count"]).backward()
        update(discriminator.parameters(), for_discriminator, grad_clip_norm=method.grad_clip_norm)
        if i >= method.discriminator_warmup_steps:
            discriminator.requires_grad_(False)
            score = discriminator(generator(torch.randn(size, task.latent_dim)))
            (generator_loss(score, kind=method.kind) / batch["count"]).backward()
            update(generator.parameters(), for_generator, grad_clip_norm=method.grad_clip_norm)
            discriminator.requires_grad_(True)
        if averaging is not None:
            averaging.update(step=i)

    return step


def averages(method: Any) -> Average | None:
    return None if method.average is None else Average(method.average, method.model, decay=method.ema_decay)


def update(
    parameters: Iterator[nn.Parameter], optimizer: torch.optim.Optimizer, *, grad_clip_norm: float | None
) -> None:
    if grad_clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(list(parameters), grad_clip_norm)
    optimizer.step()
    optimizer.zero_grad()


STEPS: dict[type, Callable[[Any], Step]] = {Adversarial: adversarial, Supervised: supervised}
