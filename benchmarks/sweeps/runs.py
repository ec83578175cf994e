"""Sweeps of the pipeline as a user starts them, in folders of their own, and what they leave there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import Broken
from stand_in import prepared, small_data
from startup import TRAIN

from quartet_app.config.composing import compose

PATIENCE = 60.0  # seconds for a sweep to end when it is told to
EVERY = 0.1  # seconds between two looks at the journal
EXPERIMENT = "mnist1d_cnn"  # a run of a few seconds


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def place_of_data(experiment: str = EXPERIMENT, kind: str = "series", *, quick: bool) -> tuple[Path, list[str]]:
    """Return the folder of the experiment's prepared data and the overrides that ask for them: made-up ones if quick.

    Raises Skipped where they cannot be had.
    """
    # As shipped, each trial would look for the width that gives its net so many parameters.
    small = ["match.parameters=null", "data.loading.limit_train=300"]
    changes = [*small_data(kind), *small] if quick else []
    return prepared(compose([f"experiment={experiment}", *changes])), changes


def place(folder: Path, data: Path) -> Path:
    """A new working directory, in which runs find their data prepared."""
    folder.mkdir(parents=True)
    (folder / "data").symlink_to(data.parent)
    return folder


def tiny(*, epochs: int, every: int = 1) -> list[str]:
    return [
        f"experiment={EXPERIMENT}", f"budget='{epochs} epochs'", f"validate_every='{every} epochs'",
        "trainer.progress=false",
    ]  # fmt: skip


def choice(key: str, values: list[float]) -> str:
    return f"{key}=choice({','.join(f'{value:g}' for value in values)})"


def on_ray(folder: Path) -> list[str]:
    """A sweep on Ray in `folder`, that leaves the repository as it is."""
    return ["hydra/sweeper=ray", "hydra.sweep.dir=sweep", f"hydra.sweeper.observer.tuned={folder}/tuned"]


def at_once(count: int) -> list[str]:
    """Room for `count` trials at once, and for no more."""
    return [f"hydra.sweeper.cpus={min(1.0, cores() / count):g}", f"hydra.sweeper.max_batch_size={count}"]


@contextmanager
def sweeping(words: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`quartet train --multirun` under way in `folder`; ended with the block where it still runs."""
    with (folder / "output").open("wb") as output:
        command = [*TRAIN, "--multirun", *words]
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def swept(words: list[str], folder: Path) -> tuple[float, list[tuple[float, dict[str, Any]]]]:
    """Run the sweep to its end: the seconds that it took, and with Ray its journal, each event with the seconds after
    the start at which it was there."""
    began = time.perf_counter()
    seen: list[tuple[float, dict[str, Any]]] = []
    with sweeping(words, folder) as process:
        while process.poll() is None:
            time.sleep(EVERY)
            seen += [(time.perf_counter() - began, event) for event in journal(folder)[len(seen) :]]
        taken = time.perf_counter() - began
    seen += [(taken, event) for event in journal(folder)[len(seen) :]]
    if process.returncode != 0:
        raise broken(words, folder, process.returncode)
    return taken, seen


def journal(folder: Path) -> list[dict[str, Any]]:
    """The events so far; none where nothing has begun."""
    path = folder / "sweep" / "trials.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def broken(words: list[str], folder: Path, code: int | None) -> Broken:
    """What to raise for a sweep that ended with `code`."""
    said = (folder / "output").read_text(errors="replace").strip()
    return Broken(f"quartet train --multirun {' '.join(words)} ended with {code}: {said[-300:]}")


def runs(folder: Path) -> list[tuple[float, dict[str, Any]]]:
    """When each run was written down and what it came to, in that order: those of a sweep on Ray, or of a plain one."""
    found = [*(folder / "sweep").glob("*/run.json"), *(folder / "runs").glob("*/run.json")]
    return sorted(((path.stat().st_mtime, json.loads(path.read_text())) for path in found), key=lambda one: one[0])


def commands(ray: list[str], given: list[str]) -> str:
    """A sweep on Ray and the plain one, as a person types them."""
    train = "quartet train -m"
    return f"{train} hydra/sweeper=ray {' '.join([*ray, *given])}; {train} {' '.join(given)}"
