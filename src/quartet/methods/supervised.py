"""Supervised training: a task's loss, one optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from quartet.methods.batches import Batch, micro_batches
from quartet.methods.method import MakeOptimizer, Method


class Supervised(Method):
    """Minimise the task's loss; `optimizer` makes an optimizer of parameters. The rest as in `Method`."""

    UNUSED_PARAMETERS = False

    def __init__(
        self, *, optimizer: MakeOptimizer, clip: float | None, accumulate: int, ema: float | None, **shared: Any
    ) -> None:
        super().__init__(clip=clip, accumulate=accumulate, ema=ema, **shared)
        self.make_optimizer = optimizer

    def configure_optimizers(self) -> Optimizer:
        return self.prepare_optimizer(self.make_optimizer, self.model.parameters())

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        optimizer = self.optimizers()
        self.begin_step([optimizer])  # type: ignore[list-item]
        mean = torch.zeros((), device=self.device)
        for i, part in enumerate(micro_batches(batch, self.accumulate)):
            with self.synchronised(last=i == self.accumulate - 1):
                loss = self.task.loss(self.model, part) * self.share(batch)
                self.manual_backward(loss)
            mean = mean + loss.detach()
        optimizer.step()  # type: ignore[union-attr]
        optimizer.zero_grad()  # type: ignore[union-attr]
        self.end_step(batch, {"loss": mean})

    def losses(self, batch: Batch) -> list[Tensor]:
        return [self.task.loss(self.model, batch)]
