"""Two processes of one thread each against one process of two threads, the same global batch."""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import CONSOLE, Broken, Line, Skipped, alternate, ratio, workplace
from stand_in import prepared, small_data
from startup import TRAIN

from quartet_app.config.composing import compose

TARGET = 0.9
TWO, ONE = ["trainer=ddp", "trainer.devices=2", "trainer.threads=1"], ["trainer.threads=2"]
KINDS = {"cnn": (TWO, TARGET), "cnn, batch norm synchronised": ([*TWO, "trainer.sync_batch_norm=true"], None)}
NOTE = (
    "experiment=cnn, {steps} steps of the same global batch in fresh processes; the median of samples_per_second in "
    "each run's train.csv but for its first row"
)


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    what = "2 processes × 1 thread ÷ 1 × 2, samples/s"
    lines = [
        Line(part="processes", name=name, what=what, target=target, samples_unit="samples/s")
        for name, (_, target) in KINDS.items()
    ]
    try:
        small = [*small_data("images"), "net.width=8", "data.loading.batch_size=32"]
        changes = [*small, "trainer.log_every=5"] if quick else []  # the first row of the curve does not count
        compare(lines, repetitions=repetitions, steps=20 if quick else 300, changes=changes)
    except Exception as error:
        for line in lines:
            line.explain(error)
    yield from lines


def compare(lines: list[Line], *, repetitions: int, steps: int, changes: list[str]) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        raise Skipped("one core; two are needed")
    data = prepared(compose(["experiment=cnn", *changes]))
    CONSOLE.print("two processes and one")
    with workplace() as folder:
        (folder / "data").symlink_to(data.parent)
        words = [
            "experiment=cnn",
            f"budget='{steps} steps'",
            f"validate_every='{steps} steps'",
            "trainer.accelerator=cpu",
            *changes,
        ]
        words += ["trainer.progress=false", "tracking=none", "out=out"]
        sides = [*(two for two, _ in KINDS.values()), ONE]
        *ours, theirs = alternate(
            *(rate([*words, *side], folder, steps=steps) for side in sides),
            repetitions=repetitions,
            title="samples/s, two processes · synchronised · one",
        )
    for line, taken in zip(lines, ours, strict=True):
        line.ours, line.theirs, line.value = taken, theirs, ratio(taken, theirs)
        line.note = NOTE.format(steps=steps)
        both = (KINDS[line.name][0], ONE)
        line.command = "; ".join(f"quartet train experiment=cnn {' '.join(side)}" for side in both)


def rate(words: list[str], folder: Path, *, steps: int) -> Callable[[], float]:
    """Samples per second of a real run, by what it writes."""

    def run() -> float:
        command = [*TRAIN, *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Broken(f"quartet train {' '.join(words)} failed: {done.stderr.strip()[-300:]}")
        facts = json.loads((folder / "out" / "run.json").read_text())
        if facts["steps"] != steps:
            raise Broken(f"{facts['steps']} steps were trained, not {steps}")
        with (folder / "out" / "train.csv").open(newline="") as file:
            rows = [float(row["samples_per_second"]) for row in csv.DictReader(file)]
        return statistics.median(rows[1:])

    return run
