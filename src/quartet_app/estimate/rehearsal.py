"""Estimate the speed of a run: by an earlier run like it, or by a rehearsal.

A rehearsal trains for a few seconds and validates a few batches, both for real, and keeps no result.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartet_app.config.resolved import Config, load_config
from quartet_app.files import read_json
from quartet_app.run.environment import cores, threads

SECONDS = 2.0  # seconds of training in a rehearsal; a shorter earlier run would be a worse measure
BRIEF = 0.01  # seconds of training where only validation is to be timed
FIRST = 2  # steps that are left out: they also allocate memory and choose kernels
VALIDATED = 4  # validation batches of a rehearsal
SAME = ("net", "task", "method")  # sections in which an earlier run must equal this one
SAME_TRAINER = ("accelerator", "precision", "compile", "deterministic")  # settings of `trainer`, likewise


@dataclass(frozen=True)
class Pace:
    """Hold the speed of a run on all its devices.

    `samples_per_second` is of training, `validation` the seconds of one validation. `words` say how it was measured.
    """

    samples_per_second: float
    validation: float
    words: str


def rehearse(config: Config, folder: Path, *, seconds: float = SECONDS) -> Pace:
    """Train for some `seconds` in this process, validate a few batches, and return the pace.

    `config` is matched already, and `folder` holds its prepared data. The process does the share of one device. So the
    pace of several devices leaves out how long they wait for each other. It also leaves out compiling, which takes
    longer than a rehearsal.
    """
    from quartet.methods.reporting import Reporting
    from quartet_app.run.build import build_data, build_method
    from quartet_app.run.workers.trainer import build_trainer
    from quartet_app.run.workers.worker import use_machine

    devices, at_once = config["trainer"]["devices"], devices_at_once(config)
    small = single_device_config(config, seconds, shared=build_data(config, folder).kind.fixed)
    use_machine(small["trainer"])
    data = build_data(small, folder)
    method = build_method(small, data)
    watch = stopwatch()
    with tempfile.TemporaryDirectory() as scratch:
        reporting = Reporting(lambda *_: False, checkpoint=Path(scratch) / "last.ckpt")
        trainer = build_trainer(small, method, Path(scratch), None, reporting, ray=False)
        trainer.callbacks.insert(0, watch)  # type: ignore[attr-defined]
        trainer.limit_val_batches = VALIDATED
        trainer.fit(method, datamodule=data)
    (began, before), (ended, after) = watch.trained[min(FIRST, len(watch.trained) - 2)], watch.trained[-1]
    batch = (watch.validated[-1] - watch.validated[0]) / (len(watch.validated) - 1)
    at_best = ", at best" if devices > 1 else ""
    return Pace(
        samples_per_second=at_once * (after - before) / (ended - began),
        validation=batch * data.batches("val").per_epoch / at_once,  # type: ignore[union-attr]
        words=f"{after - before:,} samples trained here in {ended - began:.1f} s" + at_best,
    )


def stopwatch() -> Any:
    """Return a callback that records when each batch ended, and how many samples were trained by then."""
    import pytorch_lightning as pl

    class Stopwatch(pl.Callback):
        def __init__(self) -> None:
            self.trained: list[tuple[float, int]] = [(time.perf_counter(), 0)]
            self.validated: list[float] = []

        def on_train_batch_end(self, trainer: Any, method: Any, *_: Any) -> None:
            self.trained.append((time.perf_counter(), method.clock.samples))

        def on_validation_start(self, *_: Any) -> None:
            self.validated.append(time.perf_counter())

        def on_validation_batch_end(self, *_: Any) -> None:
            self.validated.append(time.perf_counter())

    return Stopwatch()


def single_device_config(config: Config, seconds: float, *, shared: bool) -> Config:
    """Return the config of a rehearsal: one device's share of `config`, for so many `seconds`.

    It has a tiny learning rate: a whole warm-up within seconds would make the weights diverge. `shared` is True where
    devices share the `batch_size` examples. A batch of tokens stays whole, as a share may be too small for a sentence.
    """
    trainer, loading = config["trainer"], dict(config["data"]["loading"])
    devices = trainer["devices"]
    if shared:
        loading["batch_size"] = max(1, loading["batch_size"] // devices)
    own_threads = threads(trainer["threads"], workers=devices)
    changes = {"devices": 1, "compile": False, "progress": False, "threads": own_threads, "log_every": 10**9}
    method = {
        key: {**value, "lr": 1e-9} if key.endswith("_optimizer") else value for key, value in config["method"].items()
    }
    return {
        **config,
        "budget": f"{seconds:f} seconds",
        "validate_every": f"{seconds:f} seconds",
        "trainer": {**trainer, **changes},
        "method": method,
        "optimizer": {**config["optimizer"], "lr": 1e-9},
        "data": {**config["data"], "loading": loading},
    }


def devices_at_once(config: Config) -> int:
    """Return how many of the run's devices can work at once. Processes on CPUs share the cores of this machine."""
    import torch

    trainer = config["trainer"]
    if config["launcher"].get("address") is not None:
        return int(trainer["devices"])
    gpu = trainer["accelerator"] != "cpu" and torch.cuda.is_available()
    return int(trainer["devices"] if gpu else min(trainer["devices"], cores()))


def earlier(config: Config, digest: str) -> tuple[float, str] | None:
    """Return the samples a second of the newest earlier run like this one, and a text that names the run's folder.

    The run must have the same net, task, method and data (`digest`), and as many devices of the same kind with as many
    threads. It must have trained at least as long as a rehearsal. None where there is no such run.
    """
    from quartet_app.run.workers.worker import device_name

    devices, trainer = config["trainer"]["devices"], config["trainer"]
    wanted = (digest, devices, device_name(), threads(trainer["threads"], workers=devices))
    for path in sorted(runs(), key=lambda path: path.stat().st_mtime, reverse=True):
        facts = read_json(path)
        used = (facts.get("trained_on") or {}).get("threads")
        if (facts.get("data_digest"), facts.get("devices"), facts.get("device"), used) != wanted:
            continue
        before = load_config(path.with_name("config.yaml"))
        same_parts = all(before.get(key) == config[key] for key in SAME)
        same_loading = before["data"]["loading"] == config["data"]["loading"]
        same_trainer = all(before["trainer"].get(key) == trainer[key] for key in SAME_TRAINER)
        if same_parts and same_loading and same_trainer and facts["train_seconds"] >= SECONDS:
            return facts["samples_seen"] / facts["train_seconds"], f"as in {path.parent}"
    return None


def runs() -> Iterator[Path]:
    """Yield the run.json of each run in runs/ and of each result in results/."""
    yield from Path("runs").glob("*/run.json")
    yield from Path("results").glob("*/*/train/run.json")
