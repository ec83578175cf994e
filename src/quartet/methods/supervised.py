"""Supervised training: a task's loss, one optimizer."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from quartet.methods.batches import Batch
from quartet.methods.method import MakeOptimizer, Method, Pass


class Supervised(Method):
    """Minimise the task's loss; `optimizer` makes an optimizer of parameters. See `Method` for the other arguments."""

    UNUSED_PARAMETERS = False

    def __init__(
        self,
        *,
        optimizer: MakeOptimizer,
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
        self.make_optimizer = optimizer

    def configure_optimizers(self) -> Optimizer:
        return self.prepare_optimizer(self.make_optimizer, self.model.parameters())

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Take one optimizer step on the task's loss."""
        optimizer = self.optimizers()
        self.begin_step([optimizer])  # type: ignore[list-item]
        loss = self.backward_and_step(optimizer, batch, partial(self.task.loss, self.model))
        self.end_step(batch, {"loss": loss})

    def losses(self, batch: Batch) -> list[Tensor]:
        return [self.task.loss(self.model, batch)]

    def passes(self, batch: Batch) -> list[Pass]:
        return [(partial(self.task.loss, self.model, batch), nullcontext)]
