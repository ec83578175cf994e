"""The abstract method: optimizer step, averaged weights, validation by sums, and history.

It uses manual optimization, so that clipping, accumulation and mixed precision are the same code for one optimizer and
for a GAN's two (Lightning refuses clipping and accumulation under manual optimization).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from quartet.methods.average import Average, averaged_copy
from quartet.methods.batches import Batch, micro_batches, seed_draws, step_seed
from quartet.methods.clock import TrainingClock
from quartet.methods.flops import count_training_flops
from quartet.methods.ranks import share_buffers, total
from quartet.tasks import Task
from quartet.tasks.task import add, to_device

MakeOptimizer = Callable[[Iterator[nn.Parameter]], Optimizer]
Schedule = Callable[[float], float]
Row = dict[str, float]
# A function that computes a loss, and a context for it and its backward pass.
Pass = tuple[Callable[[], Tensor], Callable[[], AbstractContextManager[Any]]]
DROPOUT, NOISE = 0, 1  # streams of draws within a step


class Method(pl.LightningModule):
    """The abstract method: a subclass defines its nets and how one step trains them.

    Args:
        task: owns the loss and the metrics.
        clock: counts what is trained, for the data too; the schedule runs on the fraction of its budget.
        schedule: fraction of the budget used → factor of the learning rate.
        grad_clip_norm: the largest norm of a step's gradient, None for no limit.
        accumulate_grad_batches: the number of micro-batches that a device cuts its share of a batch into.
        ema_decay: of the averaged weights, which are then validated and saved; None uses the weights themselves.
        seed: of the draws made while training (dropout, noise).
    """

    def __init__(
        self,
        *,
        task: Task,
        model: nn.Module,
        clock: TrainingClock,
        schedule: Schedule,
        grad_clip_norm: float | None,
        accumulate_grad_batches: int,
        ema_decay: float | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.task, self.model = task, model
        self.average = averaged_copy(model) if ema_decay is not None else None
        self.clock, self.schedule = clock, schedule
        self.grad_clip_norm, self.accumulate_grad_batches = grad_clip_norm, accumulate_grad_batches
        self.ema_decay, self.seed = ema_decay, seed
        self.history: dict[str, list[Row]] = {"train": [], "val": []}
        self.sums: dict[str, Tensor] = {}
        self.loss: dict[str, list[Tensor]] = {}
        self.finished = False
        self.settings: list[list[dict[str, Any]]] = []  # each optimizer's settings at the start, by group

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning sets this 60 times a step; torch would look for a parameter of that name.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    # The subclass's part.

    UNUSED_PARAMETERS: bool  # whether a backward pass leaves some parameters without a gradient, as DDP must know
    # Nets in addition to `net`: the key of each under `method`, and the role that it needs. The task's `build_<key>`
    # builds its model; `<key>_optimizer` under `method`, if given, makes its optimizer.
    NETS: ClassVar[dict[str, str]] = {}

    @classmethod
    def build_model(cls, task: Task, nets: Mapping[str, Any], data: Any) -> nn.Module:
        """Return the model of `nets`: `net` and the nets of `NETS`, by their keys."""
        return task.build(nets["net"], data)

    @staticmethod
    def predictor(model: Any) -> nn.Module:
        """Return the part of the model that predicts once it is trained."""
        return model  # type: ignore[no-any-return]

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Train on this rank's share of a global batch."""

    @abstractmethod
    def losses(self, batch: Batch) -> list[Tensor]:
        """Return the losses whose gradients one step takes, for counting operations."""

    @abstractmethod
    def passes(self, batch: Batch) -> list[Pass]:
        """Return the passes of one step on a micro-batch, in order, for measuring the memory of each."""

    def networks(self) -> list[nn.Module]:
        """Return the modules that a training step calls; each is compiled by itself."""
        return [self.model]

    @property
    def eval_model(self) -> nn.Module:
        """Return the model to validate, test and export: the averaged weights if there are any."""
        return self.model if self.average is None else self.average

    @cached_property
    def averaging(self) -> Average | None:
        """Return the object that moves the average; made at the first step, when the weights are on their device."""
        if self.average is None or self.ema_decay is None:
            return None
        return Average(self.average, self.model, decay=self.ema_decay)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch to `device`, without Lightning's search through nested collections."""
        return to_device(batch, device)

    def begin_step(self, optimizers: list[LightningOptimizer]) -> None:
        """Seed the step's draws and set its learning rates."""
        seed_draws(
            step_seed(seed=self.seed, step=self.clock.steps, stream=DROPOUT) + self.global_rank, device=self.device
        )
        factor = self.schedule(self.clock.fraction)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor

    def end_step(self, batch: Batch, losses: dict[str, Tensor]) -> None:
        """Count the samples and keep the `losses`: this rank's means over the global batch, times the world size."""
        if self.averaging is not None:
            self.averaging.update(step=self.clock.steps)
        self.clock.count(int(batch["samples"]))
        for name, loss in losses.items():
            self.loss.setdefault(name, []).append(loss.detach())

    # The optimizer step.

    def prepare_optimizer(self, make: MakeOptimizer, parameters: Iterator[nn.Parameter]) -> Optimizer:
        """Make an optimizer, and keep its initial learning rates and settings."""
        optimizer = make(parameter for parameter in parameters if parameter.requires_grad)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        self.settings.append([{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups])
        return optimizer

    def on_train_start(self) -> None:
        """Restore this run's optimizer settings, which a checkpoint has overwritten with its own. They differ if a
        sweep continues from another run's weights."""
        for optimizer, settings in zip(self.trainer.optimizers, self.settings, strict=True):
            for group, kept in zip(optimizer.param_groups, settings, strict=True):
                group.update(kept)

    def loss_scale(self, batch: Batch) -> float:
        """Return the factor from a micro-batch's sum to this rank's part of the global mean, as DDP averages ranks."""
        return self.trainer.world_size / batch["count"]

    def synchronised(self, *, last: bool) -> AbstractContextManager[Any]:
        """Return a context in which DDP exchanges gradients for the last micro-batch only."""
        wrapped = self.trainer.strategy.model
        return wrapped.no_sync() if isinstance(wrapped, DistributedDataParallel) and not last else nullcontext()

    def backward_and_step(self, optimizer: Any, batch: Batch, loss_of: Callable[[Batch], Tensor]) -> Tensor:
        """Take one optimizer step on the sums `loss_of` of the micro-batches; return this rank's mean loss."""
        mean = torch.zeros((), device=self.device)
        for i, part in enumerate(micro_batches(batch, self.accumulate_grad_batches)):
            with self.synchronised(last=i == self.accumulate_grad_batches - 1):
                loss = loss_of(part) * self.loss_scale(batch)
                self.manual_backward(loss)
            mean = mean + loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        return mean

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradients, unscaled under 16-bit precision. Lightning would leave the unscaling to an optimizer
        whose fused kernel can do it, which is too late."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
            scaler.unscale_(optimizer)
        if self.grad_clip_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.grad_clip_norm)

    # Validation: sums that add over batches and ranks, so that no example counts twice.

    def on_validation_epoch_start(self) -> None:
        self.sums = {}
        share_buffers(self.eval_model)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.sums = add(self.sums, self.task.measure(self.eval_model, batch))

    def on_validation_epoch_end(self) -> None:
        metrics = self.task.summarize(total(self.sums))
        self.sums = {}
        monitored = metrics.get(self.task.MONITOR, float("nan"))
        self.log(f"val/{self.task.MONITOR}", monitored, rank_zero_only=False)
        self.history["val"].append({"samples": self.clock.samples, "seconds": self.clock.seconds, **metrics})
        if self.clock.over:
            self.end()

    def end(self) -> None:
        """Finish training by its own rules; a sweep that stops a run early does not call this."""
        self.finished = self.trainer.should_stop = True

    def take_losses(self) -> dict[str, float]:
        """Return the mean training losses over all ranks since the last call. Every rank must call it."""
        taken, self.loss = self.loss, {}
        means = total({name: torch.stack(losses).double().mean() for name, losses in taken.items()})
        return {name: value.item() / self.trainer.world_size for name, value in means.items()}

    # A checkpoint's other contents are plain numbers, so that it loads with weights_only.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["quartet"] = {
            **self.clock.state(),
            "history": self.history,
            "finished": self.finished,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = checkpoint["quartet"]
        self.clock.restore(kept["samples"], kept["steps"], kept["seconds"])
        self.history = kept["history"]

    # Operations.

    def count_flops(self, batch: Batch) -> float:
        """Count and store the operations of training on one sample, forward and backward."""
        operations = count_training_flops(self.model, partial(self.losses, batch))
        # The given batch is a global batch, not one rank's share.
        self.clock.flops_per_sample = operations / int(batch["samples"])
        return self.clock.flops_per_sample
