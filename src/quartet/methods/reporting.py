"""Report a run's progress to a sweep, and stop the run early if the sweep says so."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from quartet.methods.method import Method

Report = Callable[[dict[str, float], Path], bool]


class Reporting(Checkpoint):
    """Report after each validation, when the checkpoint is written; stop training if the answer is True.

    It is a `Checkpoint` because Lightning calls these last and in order: after `ModelCheckpoint`.

    Args:
        report: takes the metrics and the newest checkpoint, on the first rank.
    """

    def __init__(self, report: Report, *, checkpoint: Path) -> None:
        self.report, self.checkpoint = report, checkpoint
        self.stopped = False

    def on_train_epoch_end(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        """Report on the first rank, and stop all ranks if the answer is True."""
        stop = self.report(standing(method), self.checkpoint) if trainer.is_global_zero else False
        stop = trainer.strategy.broadcast(stop)
        if stop and not trainer.should_stop:
            self.stopped = trainer.should_stop = True


def standing(method: Method) -> dict[str, float]:
    """Return the last validation's metrics, the `samples`, `flops` and `seconds` of training so far, and the
    `objective`. The objective is the best value so far of the metric that chooses the checkpoint, as a run exports
    its best."""
    monitor, mode = method.task.MONITOR, method.task.MODE
    rows = method.history["val"]
    known = [row[monitor] for row in rows if isfinite(row.get(monitor, float("nan")))]
    best = (max if mode == "max" else min)(known, default=float("nan"))
    last = {f"val/{name}": value for name, value in rows[-1].items() if name not in ("samples", "seconds")}
    spent = method.clock.spent()
    clocks = {
        "samples": float(spent.samples),
        "flops": spent.samples * spent.flops_per_sample,
        "seconds": spent.seconds,
    }
    return {**last, **clocks, "objective": best}
