"""Two processes of one thread each against one process of two threads, the same global batch."""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import CONSOLE, Line, Skipped, alternate, ratio, workplace
from startup import TRAIN

from pipelines.configuration import compose
from pipelines.prepare import ensure
from quartet.types import QuartetError

TARGET = 0.9
SIDES = {"ddp": ["trainer=ddp", "trainer.devices=2", "trainer.threads=1"], "one": ["trainer.threads=2"]}
KINDS = {"cnn": ([], TARGET), "cnn, batch norm synchronised": (["trainer.sync_batch_norm=true"], None)}
NOTE = (
    "experiment=cnn, {steps} steps of the same global batch in fresh processes; the median of samples_per_second in "
    "each run's train.csv but for its first row"
)


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    for name, (extra, target) in KINDS.items():
        line = Line(part="processes", name=name, what="2 processes × 1 thread ÷ 1 × 2, samples/s", target=target)
        line.samples_unit = "samples/s"
        try:
            compare(line, extra, repetitions=repetitions, steps=60 if quick else 300)
        except (QuartetError, Skipped) as reason:
            line.note = f"skipped: {reason}"
        yield line


def compare(line: Line, extra: list[str], *, repetitions: int, steps: int) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        raise Skipped("one core; two are needed")
    data = ensure(compose(["experiment=cnn"])["data"]).resolve()
    CONSOLE.print(f"two processes and one: {line.name}")
    with workplace() as folder:
        (folder / "data").symlink_to(data.parent)
        words = [
            "experiment=cnn",
            f"budget='{steps} steps'",
            f"validate_every='{steps} steps'",
            "trainer.accelerator=cpu",
        ]
        words += ["trainer.progress=false", "tracking=none", "out=out"]
        line.ours, line.theirs = alternate(
            *(rate([*words, *extra, *side], folder, steps=steps) for side in SIDES.values()),
            repetitions=repetitions,
            title="samples/s, two processes · one",
        )
    line.value, line.note = ratio(line.ours, line.theirs), NOTE.format(steps=steps)
    line.command = "; ".join(
        f"pipelines/train.py experiment=cnn {' '.join([*extra, *side])}" for side in SIDES.values()
    )


def rate(words: list[str], folder: Path, *, steps: int) -> Callable[[], float]:
    """Samples per second of a real run, by what it writes."""

    def run() -> float:
        command = [sys.executable, str(TRAIN), *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skipped(f"pipelines/train.py {' '.join(words)} failed: {done.stderr.strip()[-300:]}")
        facts = json.loads((folder / "out" / "run.json").read_text())
        if facts["steps"] != steps:
            raise Skipped(f"{facts['steps']} steps were trained, not {steps}")
        with (folder / "out" / "train.csv").open(newline="") as file:
            rows = [float(row["samples_per_second"]) for row in csv.DictReader(file)]
        return statistics.median(rows[1:])

    return run
