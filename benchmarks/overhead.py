"""What the pipeline costs: training through it against a bare PyTorch loop over the same net, loss and batches.

The two take turns of a few steps within one process: a machine that others use drifts by more than what is measured
here, from one minute to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from bare import Loop
from measure import CONSOLE, Line, ratio, workplace
from pipeline_leg import Watch, fit, leg
from stand_in import small_data

from quartet.methods.method import Method
from quartet.methods.recorder import Recorder

FAMILIES = {"cnn": "images", "rnn": "text", "transformer": "pairs", "gan": "images"}  # and their kinds of data
SMALLER = {  # with --quick
    "cnn": ["net.width=8", "data.loading.batch_size=16"],
    "rnn": ["net.width=16", "net.layers=1", "data.loading.batch_size=4"],
    "transformer": ["net.width=16", "net.heads=2", "net.layers=1", "data.loading.batch_size=512"],
    "gan": ["net.width=8", "method.discriminator.width=8", "data.loading.batch_size=8"],
}
TARGET = 0.95
WARM = 10  # steps that neither side counts: memory is being allocated
TURN = 10  # steps
NOTE = (
    "steps of the shipped experiment after {warm} of warm-up, {steps} a side and repetition, in turns of {turn}. The "
    "pipeline's include Lightning, metrics, sending to MLflow (sqlite, system metrics) and one checkpoint of best and "
    "last; the bare loop's forward, loss, backward, clipping, optimizer and average. Validation counts on neither side"
)


def measure(*, repetitions: int, quick: bool, seconds: float = 12.0) -> Iterator[Line]:
    """Each side trains for about `seconds` a repetition: metrics are sent every 5."""
    for family, kind in FAMILIES.items():
        line = Line(part="overhead", name=family, what="pipeline ÷ bare loop, samples/s", target=TARGET)
        try:
            with workplace() as folder:
                words = [*small_data(kind), *SMALLER[family]] if quick else []
                compare(line, folder, *words, repetitions=repetitions, seconds=0.1 if quick else seconds)
        except Exception as error:
            line.explain(error)
        yield line


def compare(line: Line, folder: Path, *words: str, repetitions: int, seconds: float) -> None:
    CONSOLE.print(f"{line.name}: through the pipeline and bare")
    trial = Loop(leg(line.name, *words, folder=folder))
    trial.train(2)
    trial.forget()
    trial.train(8)
    steps = WARM + TURN * max(1, round(seconds / trial.seconds * 8 / TURN))
    ours = leg(line.name, f"budget='{steps} steps'", f"validate_every='{steps} steps'", *words, folder=folder)
    for i in range(repetitions):
        turns = Turns(Loop(ours))
        line.ours.append(turns.rate(fit(ours, folder / f"run{i}", turns, validation_batches=2)))
        line.theirs.append(turns.loop.rate)
        shown = f"{line.ours[-1]:,.1f} · {line.theirs[-1]:,.1f}"
        CONSOLE.print(f"  samples/s, pipeline · bare: {i + 1}/{repetitions}   {shown}")
    line.value, line.samples_unit = ratio(line.ours, line.theirs), "samples/s"
    line.note = NOTE.format(warm=WARM, steps=steps - WARM, turn=TURN)
    line.command = f"quartet train experiment={line.name} budget='{steps} steps'"


class Turns(Watch):
    """Lets the bare loop train between the pipeline's steps, which alone it times."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(warm=WARM)
        self.loop, self.sending = loop, threading.Lock()

    def on_fit_start(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        """The thread that sends metrics is a part of the pipeline: keep it out of the bare loop's turns."""
        (recorder,) = (callback for callback in trainer.callbacks if isinstance(callback, Recorder))  # type: ignore[attr-defined]
        metrics: Any = recorder.sink
        flush = metrics._flush

        def flush_in_turn() -> bool:
            with self.sending:
                return flush()

        metrics._flush = flush_in_turn

    def on_train_batch_start(self, trainer: pl.Trainer, method: Method, *batch: Any) -> None:  # type: ignore[override]
        if method.clock.steps < WARM or method.clock.steps % TURN:
            return
        with self.sending:  # waiting for it is the pipeline's time
            if self.watch.running:
                self.watch.stop()
            else:
                self.loop.train(WARM)
                self.loop.forget()
                self.before = method.clock.samples
            torch.use_deterministic_algorithms(False)  # as a bare loop's author would have it
            self.loop.train(TURN)
            torch.use_deterministic_algorithms(True)
        self.watch.start()
