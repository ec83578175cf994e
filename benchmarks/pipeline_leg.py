"""Train through the pipeline as a worker (`run/workers/worker.py`) does, in this process, with a stopwatch inside.

All cores are used unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from measure import Stopwatch
from stand_in import prepared

from quartet.methods.method import Method
from quartet.methods.reporting import Reporting
from quartet_app.config.composing import compose
from quartet_app.run.build import build_data, build_method
from quartet_app.run.workers import worker
from quartet_app.run.workers.trainer import build_trainer


@dataclass(frozen=True)
class TrainSegment:
    """A piece of training: its resolved tree and where the prepared data is."""

    tree: dict[str, Any]
    data: Path


def leg(experiment: str, *overrides: str, folder: Path) -> TrainSegment:
    """The experiment as it is shipped, with `overrides`, tracked in a store of its own in `folder`."""
    threads = os.environ.get("OMP_NUM_THREADS", "null")
    own = ["trainer.progress=false", f"trainer.threads={threads}", f"tracking.uri=sqlite:///{folder}/mlflow.db"]
    tree = compose([f"experiment={experiment}", *own, *overrides])
    return TrainSegment(tree, prepared(tree))


class Watch(pl.Callback):
    """Times training from its step number `warm` on, to the checkpoint after the last; validation does not count.

    With a `target`, training ends at the first validation whose monitored metric is at or below it.
    """

    def __init__(self, *, warm: int, target: float | None = None) -> None:
        cuda = torch.cuda.is_available()
        self.watch = Stopwatch(wait=torch.cuda.synchronize if cuda else lambda: None)
        self.warm, self.target = warm, target
        self.before = 0

    def on_train_batch_start(self, trainer: pl.Trainer, method: Method, *_: Any) -> None:  # type: ignore[override]
        if method.clock.steps == self.warm:
            self.before = method.clock.samples
            self.watch.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        if method.clock.steps > self.warm and not self.watch.running:
            self.watch.start()

    def on_validation_start(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        if self.watch.running:
            self.watch.stop()

    def on_validation_end(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        value = method.history["val"][-1][method.task.MONITOR]
        if self.target is not None and value <= self.target:
            trainer.should_stop = True
        if method.clock.steps > self.warm:
            self.watch.start()

    def on_train_end(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        self.watch.stop()

    def rate(self, method: Method) -> float:
        """Samples per second."""
        return (method.clock.samples - self.before) / self.watch.seconds


def fit(leg: TrainSegment, folder: Path, watch: Watch, *, validation_batches: int | None = None) -> Method:
    """Train the leg with everything that a run has: Lightning, metrics to MLflow, checkpoints of the best and last."""
    tree = leg.tree
    worker.use_machine(tree["trainer"])
    folder.mkdir(parents=True)
    tracker = instantiate(tree["tracking"])
    run = tracker.start(name=tree["experiment"], params=tree, tags={})
    (folder / "state.json").write_text(json.dumps({"mlflow_run_id": run, "tracking_uri": tracker.uri}))
    status = "FAILED"
    try:  # from here on: what sends to MLflow must end before the folder of its store is removed, whatever happens
        data = build_data(tree, leg.data)
        method = build_method(tree, data)
        method.count_flops(data.typical_batch())
        with closing(worker.attach(folder, tree)) as metrics:
            reporting = Reporting(lambda values, checkpoint: False, checkpoint=folder / "checkpoints" / "last.ckpt")
            trainer = build_trainer(tree, method, folder, metrics, reporting, ray=False)
            if validation_batches is not None:
                trainer.limit_val_batches = validation_batches
            trainer.callbacks.insert(0, watch)  # type: ignore[attr-defined]
            trainer.fit(method, datamodule=data)
        status = "FINISHED"
    finally:
        tracker.finish(run, status)
        torch.use_deterministic_algorithms(False)  # Lightning leaves its setting on: the other side has its own
    return method
