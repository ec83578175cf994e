"""Adversarial training: a generator and a discriminator, each built from any net (Goodfellow et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer

from quartet.methods.batches import Batch, shared_noise, step_seed
from quartet.methods.method import NOISE, MakeOptimizer, Method, Pass
from quartet.tasks import Generate
from quartet.tasks.adversarial import discriminator_loss, generator_loss, gradient_penalty


@dataclass(frozen=True, kw_only=True)
class StoppingRule:
    """When to stop before the budget is used up. `half_fooled` stops after `patience` validations in a row whose
    discriminator accuracy lies within `tolerance` of one half."""

    rule: Literal["none", "half_fooled"]
    tolerance: float
    patience: int

    def met(self, accuracies: list[float]) -> bool:
        """Return whether to stop, given the validation accuracies so far, the newest last."""
        recent = accuracies[-self.patience :]
        close = [abs(accuracy - 0.5) <= self.tolerance for accuracy in recent]
        return self.rule == "half_fooled" and len(recent) == self.patience and all(close)


class GAN(nn.Module):
    """Generator and discriminator as one module."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


class Adversarial(Method):
    """Train the discriminator to tell real from generated images, then the generator to make images that pass as real.

    Args:
        optimizer, discriminator_optimizer: make an optimizer of parameters.
        loss: which losses (see `quartet.tasks.adversarial`).
        r1: weight of the gradient penalty on real images (Mescheder et al. 2018), 0 for none.
        r1_every: apply the penalty every so many steps, and that many times stronger (Karras et al. 2020).
        n_critic: discriminator steps for each generator step.
        discriminator_warmup_steps: steps at the start that train the discriminator alone.
    The other arguments are those of `Method`; `model` is a `GAN`.
    """

    UNUSED_PARAMETERS = True
    NETS: ClassVar[dict[str, str]] = {"discriminator": "discriminate"}
    # Settings that need second-order gradients, each with its net: a batch norm synchronised over devices has none.
    SECOND_ORDER: ClassVar[dict[str, str]] = {"r1": "discriminator"}
    task: Generate
    model: GAN

    def __init__(
        self,
        *,
        optimizer: MakeOptimizer,
        discriminator_optimizer: MakeOptimizer,
        loss: Literal["non_saturating", "hinge", "least_squares"],
        label_smoothing: float,
        r1: float,
        r1_every: int,
        n_critic: int,
        discriminator_warmup_steps: int,
        stop: StoppingRule,
        grad_clip_norm: float | None,
        accumulate_grad_batches: int,
        ema_decay: float | None,
        **shared: Any,
    ) -> None:
        super().__init__(
            grad_clip_norm=grad_clip_norm,
            accumulate_grad_batches=accumulate_grad_batches,
            ema_decay=ema_decay,
            **shared,
        )
        self.make_optimizers = (optimizer, discriminator_optimizer)
        self.kind, self.label_smoothing, self.r1, self.r1_every = loss, label_smoothing, r1, r1_every
        self.n_critic, self.discriminator_warmup_steps, self.stop = n_critic, discriminator_warmup_steps, stop

    @classmethod
    def build_model(cls, task: Any, nets: Mapping[str, Any], data: Any) -> GAN:
        return GAN(task.build(nets["net"], data), task.build_discriminator(nets["discriminator"], data))

    @staticmethod
    def predictor(model: GAN) -> nn.Module:
        return model.generator

    def networks(self) -> list[nn.Module]:
        return [self.model.generator, self.model.discriminator]

    def configure_optimizers(self) -> list[Optimizer]:
        pairs = zip(self.make_optimizers, self.networks(), strict=True)
        return [self.prepare_optimizer(make, net.parameters()) for make, net in pairs]

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Train the discriminator; every `n_critic`-th step after the warm-up, train the generator too."""
        for_generator, for_discriminator = self.optimizers()  # type: ignore[misc, union-attr, attr-defined]
        self.begin_step([for_generator, for_discriminator])
        loss = self.backward_and_step(for_discriminator, self.with_noise(batch, draw=0), self.discriminator_part)
        losses = {"discriminator_loss": loss}
        if self.clock.steps >= self.discriminator_warmup_steps and (self.clock.steps + 1) % self.n_critic == 0:
            with self.discriminator_frozen():
                noisy = self.with_noise(batch, draw=1)
                losses["generator_loss"] = self.backward_and_step(for_generator, noisy, self.generator_part)
        self.end_step(batch, losses)

    @contextmanager
    def discriminator_frozen(self) -> Iterator[None]:
        """Freeze the discriminator: the generator needs gradients through it, but none of its weights."""
        for parameter in self.discriminator_parameters:
            parameter.requires_grad = False
        yield
        for parameter in self.discriminator_parameters:
            parameter.requires_grad = True

    @cached_property
    def discriminator_parameters(self) -> list[nn.Parameter]:
        """Return the discriminator's parameters, listed once: a walk over the modules is slow."""
        return list(self.model.discriminator.parameters())

    def with_noise(self, batch: Batch, *, draw: int) -> Batch:
        """Return the batch with noise for the generator; each `draw` of a step gets its own noise."""
        seed = step_seed(seed=self.seed, step=2 * self.clock.steps + draw, stream=NOISE)
        rank, world = (self.global_rank, self.trainer.world_size) if self._trainer is not None else (0, 1)
        noise = shared_noise(
            size=int(batch["samples"]),
            width=self.task.latent_dim,
            seed=seed,
            rank=rank,
            world=world,
            device=self.device,
        )
        return {**batch, "noise": noise.to(self.dtype)}

    def discriminator_part(self, batch: Batch) -> Tensor:
        """Return the discriminator's loss, summed over the examples of a micro-batch."""
        with torch.no_grad():
            fake = self.model.generator(batch["noise"])
        real = self.task.to_unit(batch["x"]).to(fake.dtype)
        penalised = self.r1 > 0 and self.clock.steps % self.r1_every == 0
        real.requires_grad_(penalised)
        # Real and generated images get separate passes, so that batch norm does not mix them (Radford et al. 2016).
        # Real images are cloned, as torch's FLOP counter cannot follow a gradient that ends at a leaf.
        discriminator = self.model.discriminator
        # The cache makes both passes share one power iteration of spectral norm. torch.compile cannot follow the cache,
        # so that a compiled discriminator does an iteration for each pass.
        compiled = discriminator._compiled_call_impl is not None
        with nullcontext() if compiled else parametrize.cached():
            real_score, fake_score = discriminator(real.clone()), discriminator(fake)
        loss = discriminator_loss(real_score, fake_score, kind=self.kind, label_smoothing=self.label_smoothing)
        if penalised:
            loss = loss + 0.5 * self.r1 * self.r1_every * gradient_penalty(real_score, real)
        return loss

    def generator_part(self, batch: Batch) -> Tensor:
        """Return the generator's loss, summed over the examples of a micro-batch."""
        return generator_loss(self.model.discriminator(self.model.generator(batch["noise"])), kind=self.kind)

    def losses(self, batch: Batch) -> list[Tensor]:
        """Return the losses of discriminator and generator."""
        noisy = self.with_noise(batch, draw=0)
        return [self.discriminator_part(noisy), self.generator_part(noisy)]

    def passes(self, batch: Batch) -> list[Pass]:
        noisy = self.with_noise(batch, draw=0)
        return [
            (partial(self.discriminator_part, noisy), nullcontext),
            (partial(self.generator_part, noisy), self.discriminator_frozen),
        ]

    def on_validation_epoch_end(self) -> None:
        """End training if the stopping rule is met."""
        super().on_validation_epoch_end()
        accuracies = [row["discriminator_accuracy"] for row in self.history["val"]]
        if self.stop.met(accuracies):
            self.end()
