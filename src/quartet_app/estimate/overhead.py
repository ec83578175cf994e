"""Estimate what a run takes beside its training: starting its processes, and the evaluation after it."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from quartet_app.config.resolved import Config

PROCESSES = 2  # of a run: one trains, one evaluates
LOADED = ("torch", "pytorch_lightning", "scipy.stats", "mlflow", "matplotlib.figure", "dvc.repo")
SECONDS = 2.0  # of an evaluation's rehearsal


@dataclass(frozen=True)
class Rehearsed:
    """Hold the seconds of an evaluation. `whole` is False where its later phases were not reached."""

    seconds: float
    whole: bool


class _Enough(Exception):
    """Ends a rehearsal."""


@cache
def starting() -> float:
    """Return the seconds that a run's processes need before they train or evaluate: the import of their packages."""
    able = [name for name in LOADED if find_spec(name.partition(".")[0])]
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import " + ", ".join(able)], check=True, capture_output=True)
    return PROCESSES * (time.perf_counter() - before)


def evaluating(config: Config, folder: Path) -> Rehearsed:
    """Evaluate an untrained model on validation data for a moment, and return the time of the whole test split.

    `config` is matched already, and `folder` holds its prepared data. The evaluation reports how far each of its phases
    has come. Where a phase is cut off, its rest is extrapolated, and later phases are left out.
    """
    import torch

    from quartet_app.run.build import build_data, build_model, build_task

    data, task = build_data(config, folder), build_task(config)
    torch.manual_seed(config["seed"])
    model = build_model(config, task, data).eval()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    watch = Watch()
    try:
        with torch.inference_mode():
            task.evaluate(model.to(device), data, split="val", device=device, progress=watch.progress)
        found = Rehearsed(time.perf_counter() - watch.begun, whole=True)
    except _Enough:
        found = Rehearsed(watch.extrapolated(), whole=False)
    share = data.examples["test"] / max(1, data.examples["val"])
    return Rehearsed(found.seconds * share, found.whole)


class Watch:
    """Follow an evaluation's phases, and end it at the first report after SECONDS."""

    def __init__(self) -> None:
        self.begun = self.since = time.perf_counter()
        self.phase, self.share, self.latest = "", 0.0, self.begun

    def progress(self, what: str, done: int, total: int) -> None:
        """Take a report: `done` of `total` parts of the phase `what`."""
        now = time.perf_counter()
        if what != self.phase:
            self.phase, self.since = what, self.latest
        self.share, self.latest = done / max(1, total), now
        if now - self.begun > SECONDS and done < total:
            raise _Enough

    def extrapolated(self) -> float:
        """Return the seconds up to the end of the phase that was cut off."""
        return (self.since - self.begun) + (self.latest - self.since) / self.share
