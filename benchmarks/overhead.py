"""What the pipeline costs: training through it against a bare PyTorch loop over the same net, loss and batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import bare
from measure import CONSOLE, Line, alternate, ratio, workplace
from pipeline_leg import Leg, fit, leg

from quartet.types import QuartetError

FAMILIES = ("cnn", "rnn", "transformer", "gan")
TARGET = 0.95
WARM = 5  # steps that neither side counts: memory is being allocated
NOTE = (
    "steps of the shipped experiment after {warm} of warm-up, {steps} a side. The pipeline's include Lightning, "
    "metrics, sending to MLflow (sqlite, system metrics) and one checkpoint of best and last; the bare loop's "
    "forward, loss, backward, clipping, optimizer and average. Validation counts on neither side"
)


def measure(*, repetitions: int, quick: bool, seconds: float = 12.0) -> Iterator[Line]:
    """A leg lasts about `seconds`: metrics are sent every 5."""
    for family in FAMILIES:
        line = Line(part="overhead", name=family, what="pipeline ÷ bare loop, samples/s", target=TARGET)
        try:
            with workplace() as folder:
                compare(line, folder, repetitions=repetitions, seconds=0.5 if quick else seconds)
        except QuartetError as error:
            line.note = f"skipped: {error}"
        yield line


def compare(line: Line, folder: Path, *, repetitions: int, seconds: float) -> None:
    CONSOLE.print(f"{line.name}: through the pipeline and bare")
    trial = leg(line.name, folder=folder)
    began = time.perf_counter()
    bare.train(trial, warm=1, steps=2 * WARM)
    per_step = (time.perf_counter() - began) / (2 * WARM)
    steps = WARM + max(3, round(seconds / per_step))
    ours = leg(line.name, f"budget='{steps} steps'", f"validate_every='{steps} steps'", folder=folder)
    line.ours, line.theirs = alternate(
        lambda: piped(ours, folder),
        lambda: bare.train(ours, warm=WARM, steps=steps),
        repetitions=repetitions,
        title="samples/s, pipeline · bare",
    )
    line.value, line.samples_unit = ratio(line.ours, line.theirs), "samples/s"
    line.note = NOTE.format(warm=WARM, steps=steps - WARM)
    line.command = f"pipelines/train.py experiment={line.name} budget='{steps} steps'"


def piped(leg: Leg, folder: Path) -> float:
    """Samples per second through the pipeline."""
    place = folder / f"run{len(list(folder.glob('run*')))}"
    method, watch = fit(leg, place, warm=WARM, validation_batches=2)
    return (method.samples - watch.before) / watch.watch.seconds
