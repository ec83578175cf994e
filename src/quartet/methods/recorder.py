"""Record training in progress: rows of a history, a tracker's metrics, a progress bar or lines in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from quartet.methods.method import Method, Row
from quartet.types import QuartetError

SECONDS_BETWEEN_LINES = 15.0


class Sink(Protocol):
    """A receiver of metrics in addition to the history, such as a tracker."""

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Store metrics named split/name, at `step` samples seen."""


class Recorder(pl.Callback):
    """Record training metrics every `every` steps, and validation metrics after each validation.

    Rows go to the method's history (kept in checkpoints); on the first rank also to `sink` and `display`.
    """

    def __init__(self, *, every: int, sink: Sink | None, display: Display | None) -> None:
        self.every, self.sink, self.display = every, sink, display
        self.last = (0.0, 0)

    def on_train_epoch_start(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        """Start the clock, as a pause ends."""
        method.clock.start()
        self.last = (time.perf_counter(), method.clock.samples)

    def on_train_batch_end(self, trainer: pl.Trainer, method: Method, *_: Any) -> None:  # type: ignore[override]
        if method.clock.steps % self.every == 0:
            self.record_training(trainer, method)

    def on_validation_start(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        """Record the last training losses, and stop the clock."""
        if method.loss:
            self.record_training(trainer, method)
        method.clock.stop()

    def record_training(self, trainer: pl.Trainer, method: Method) -> None:
        """Add a row of training metrics. Raises QuartetError if a loss is not finite."""
        losses = method.take_losses()
        (before, samples), now = self.last, time.perf_counter()
        self.last = (now, method.clock.samples)
        rate = (method.clock.samples - samples) / max(now - before, 1e-9)
        row = {**losses, "lr": trainer.optimizers[0].param_groups[0]["lr"], "samples_per_second": rate}
        method.history["train"].append({"samples": method.clock.samples, **row})
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            raise QuartetError(
                f"training diverged: {broken[0]} is {losses[broken[0]]} after {method.clock.samples:,} samples\n"
                "try a smaller optimizer.lr, method.grad_clip_norm=1.0 or trainer.precision=32-true"
            )
        if trainer.is_global_zero:
            self.emit("train", row, method)

    def on_validation_end(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        """Send the validation metrics to the sink and the display."""
        if trainer.is_global_zero:
            row = method.history["val"][-1]
            self.emit("val", {name: value for name, value in row.items() if name not in ("samples", "seconds")}, method)

    def emit(self, split: str, row: Row, method: Method) -> None:
        """Send a row to the sink and the display."""
        if self.sink is not None:
            self.sink.log({f"{split}/{name}": value for name, value in row.items()}, step=method.clock.samples)
        if self.display is not None:
            self.display.show(split, row, method)

    def teardown(self, trainer: pl.Trainer, method: Method, stage: str) -> None:  # type: ignore[override]
        if self.display is not None:
            self.display.close()

    def on_exception(self, trainer: pl.Trainer, method: Method, exception: BaseException) -> None:  # type: ignore[override]
        """Close the display: after an exception Lightning does not call `teardown`."""
        if self.display is not None:
            self.display.close()


class Display:
    """A progress bar on a terminal; elsewhere one line every few seconds, so that a log stays readable."""

    def __init__(self, *, title: str) -> None:
        self.title, self.parts = title, {"train": "", "val": ""}
        self.said = time.monotonic()
        self.bar: Progress | None = None
        if sys.stdout.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[now]}"),
            )
            self.bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console())
            self.row = self.bar.add_task(title, total=1.0, now="")
            self.bar.start()

    def show(self, split: str, row: Row, method: Method) -> None:
        """Show a row: on the bar, or as a line for validation and every `SECONDS_BETWEEN_LINES` seconds."""
        used = method.clock.fraction
        self.parts[split] = describe(split, row, monitor=method.task.MONITOR)
        text = " · ".join(part for part in self.parts.values() if part)
        if self.bar is not None:
            self.bar.update(self.row, completed=used, now=text)
        elif split == "val" or time.monotonic() - self.said > SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            print(f"{self.title}: {used:4.0%} · {method.clock.samples:,} samples · {text}", flush=True)

    def close(self) -> None:
        """Stop the bar."""
        if self.bar is not None:
            self.bar.stop()


def describe(split: str, row: Row, *, monitor: str) -> str:
    """Return a row in a few words: losses and speed in training, the metric that chooses weights in validation."""
    if split == "val":
        return f"val {monitor.replace('_', ' ')} {row.get(monitor, float('nan')):.4g}"
    losses = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.items() if name.endswith("loss")]
    return " ".join([*losses, f"· {row['samples_per_second']:,.0f} samples/s"])
