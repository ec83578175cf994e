"""What both methods share: the optimizer step, the average, validation by sums, and a history.

Manual optimization throughout, so that clipping, accumulation and mixed precision are the same code for a net with
one optimizer and for a GAN with two (Lightning refuses clipping and accumulation under manual optimization).
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
# What computes a loss, and the context in which it and its backward pass are run.
Pass = tuple[Callable[[], Tensor], Callable[[], AbstractContextManager[Any]]]
DROPOUT, NOISE = 0, 1  # streams of draws within a step


class Method(pl.LightningModule):
    """The abstract method: a subclass says what its players are and how one step trains them.

    Args:
        task: owns the loss and the metrics.
        clock: counts what is trained, and is the data's clock too; the schedule runs on the fraction of its budget.
        schedule: fraction of the budget used → factor of the learning rate.
        grad_clip_norm: the largest norm of a step's gradient, None for no limit.
        accumulate_grad_batches: the number of micro-batches that a device cuts its share of a batch into.
        ema_decay: of the averaged weights, by which the model is judged and kept; None to judge the weights themselves.
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
        self.settings: list[list[dict[str, Any]]] = []  # of each optimizer's groups, as they were made

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning sets this 60 times a step; torch would look for a parameter of that name.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    # The subclass's part.

    UNUSED_PARAMETERS: bool  # whether a backward pass leaves some parameters without a gradient, as DDP must know
    # The nets that it needs beside `net`: the key of each under `method`, and the role that it must have. The task
    # makes a model of it by its method `build_<key>`; `<key>_optimizer` under `method`, if given, is its optimizer.
    NETS: ClassVar[dict[str, str]] = {}

    @classmethod
    def build_model(cls, task: Task, nets: Mapping[str, Any], data: Any) -> nn.Module:
        """The model of `nets`, which are `net` and those of `NETS` by their keys."""
        return task.build(nets["net"], data)

    @staticmethod
    def predictor(model: Any) -> nn.Module:
        """The part of the model that predicts once it is trained."""
        return model  # type: ignore[no-any-return]

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Train on this rank's share of a global batch."""

    @abstractmethod
    def losses(self, batch: Batch) -> list[Tensor]:
        """The losses whose gradients one step takes, for counting operations."""

    @abstractmethod
    def passes(self, batch: Batch) -> list[Pass]:
        """The passes of one step on a micro-batch, one after another, for measuring the memory of each."""

    def networks(self) -> list[nn.Module]:
        """The modules that a training step calls, each to be compiled by itself."""
        return [self.model]

    @property
    def eval_model(self) -> nn.Module:
        """The weights that are validated, tested and handed on: the averaged ones where there are."""
        return self.model if self.average is None else self.average

    @cached_property
    def averaging(self) -> Average | None:
        """What moves the average; made at the first step, when the weights are on their device."""
        if self.average is None or self.ema_decay is None:
            return None
        return Average(self.average, self.model, decay=self.ema_decay)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Without Lightning's search through nested collections."""
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
        """Count what was trained on. `losses` are this rank's means over the global batch, times the world's size."""
        if self.averaging is not None:
            self.averaging.update(step=self.clock.steps)
        self.clock.count(int(batch["samples"]))
        for name, loss in losses.items():
            self.loss.setdefault(name, []).append(loss.detach())

    # The optimizer step.

    def prepare_optimizer(self, make: MakeOptimizer, parameters: Iterator[nn.Parameter]) -> Optimizer:
        optimizer = make(parameter for parameter in parameters if parameter.requires_grad)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        self.settings.append([{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups])
        return optimizer

    def on_train_start(self) -> None:
        """A checkpoint brings its optimizers' settings with it: those of another configuration, where a sweep has a run
        go on from another's weights. This run's hold."""
        for optimizer, settings in zip(self.trainer.optimizers, self.settings, strict=True):
            for group, kept in zip(optimizer.param_groups, settings, strict=True):
                group.update(kept)

    def loss_scale(self, batch: Batch) -> float:
        """The factor that makes a sum over a micro-batch this rank's part of the global mean: DDP averages ranks."""
        return self.trainer.world_size / batch["count"]

    def synchronised(self, *, last: bool) -> AbstractContextManager[Any]:
        """DDP exchanges gradients with the last micro-batch only."""
        wrapped = self.trainer.strategy.model
        return wrapped.no_sync() if isinstance(wrapped, DistributedDataParallel) and not last else nullcontext()

    def backward_and_step(self, optimizer: Any, batch: Batch, loss_of: Callable[[Batch], Tensor]) -> Tensor:
        """One optimizer step on what `loss_of` sums over each micro-batch; returns this rank's mean."""
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
        """Clip here: under 16-bit precision the gradients have just been unscaled. Lightning leaves that to an
        optimizer whose fused kernel can do it, which would be too late."""
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
        """Training has had enough, by its own rules: a sweep that ends it early is another matter."""
        self.finished = self.trainer.should_stop = True

    def take_losses(self) -> dict[str, float]:
        """The mean training losses over all ranks since the last call. Every rank must call it."""
        taken, self.loss = self.loss, {}
        means = total({name: torch.stack(losses).double().mean() for name, losses in taken.items()})
        return {name: value.item() / self.trainer.world_size for name, value in means.items()}

    # What a checkpoint holds beside the weights: plain numbers, so that it loads with weights_only.

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
        """Count and remember the operations of training on one sample, forward and backward."""
        operations = count_training_flops(self.model, partial(self.losses, batch))
        # A loss in a rank's share of the batch: the batch given here is a whole one.
        self.clock.flops_per_sample = operations / int(batch["samples"])
        return self.clock.flops_per_sample
