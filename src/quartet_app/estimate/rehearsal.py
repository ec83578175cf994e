"""How fast a run will be: as earlier runs were, or as a few real training steps and validation batches are now."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartet_app.config.resolved import load_config
from quartet_app.files import read_json
from quartet_app.run.environment import cores, threads

Tree = dict[str, Any]

SECONDS = 2.0  # of training in a rehearsal; an earlier run tells more only if it was longer
BRIEF = 0.01  # where only validation is to be timed
FIRST = 2  # steps that are left out: they also find memory and choose kernels
VALIDATED = 4  # validation batches of a rehearsal
SAME = ("net", "task", "method")  # as of an earlier run
WAY = ("accelerator", "precision", "compile", "deterministic")


@dataclass(frozen=True)
class Pace:
    """Samples trained a second and seconds of one validation, by so many devices; `words`: how that is known."""

    samples_per_second: float
    validation: float
    words: str


def rehearse(config: Tree, folder: Path, *, seconds: float = SECONDS) -> Pace:
    """Train the matched `config` for a moment, in this process, as one of its devices would; validate a few batches.

    Devices share the work; that they wait for each other is not in it. Compiling is left out: it takes longer.
    """
    from quartet.methods.reporting import Reporting
    from quartet_app.run.build import build_data, build_method
    from quartet_app.run.workers.trainer import build_trainer
    from quartet_app.run.workers.worker import use_machine

    devices, share = config["trainer"]["devices"], together(config)
    small = one_of(config, seconds, shared=build_data(config, folder).kind.fixed)
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
        samples_per_second=share * (after - before) / (ended - began),
        validation=batch * data.batches("val").per_epoch / share,  # type: ignore[union-attr]
        words=f"{after - before:,} samples trained here in {ended - began:.1f} s" + at_best,
    )


def stopwatch() -> Any:
    """Return a callback that notes when each batch ended, and how many samples had been trained by then."""
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


def one_of(config: Tree, seconds: float, *, shared: bool) -> Tree:
    """The run that one of the tree's devices would have, for so many seconds, without learning anything: rates that
    rise within seconds would diverge. `shared`: devices share `batch_size` examples; a batch of tokens stays whole, as
    too few hold no sentence."""
    trainer, loading = config["trainer"], dict(config["data"]["loading"])
    devices = trainer["devices"]
    if shared:
        loading["batch_size"] = max(1, loading["batch_size"] // devices)
    share = threads(trainer["threads"], workers=devices)
    alone = {"devices": 1, "compile": False, "progress": False, "threads": share, "log_every": 10**9}
    method = {
        key: {**value, "lr": 1e-9} if key.endswith("_optimizer") else value for key, value in config["method"].items()
    }
    return {
        **config,
        "budget": f"{seconds:f} seconds",
        "validate_every": f"{seconds:f} seconds",
        "trainer": {**trainer, **alone},
        "method": method,
        "optimizer": {**config["optimizer"], "lr": 1e-9},
        "data": {**config["data"], "loading": loading},
    }


def together(config: Tree) -> int:
    """How many devices can work at once: processes on CPUs share the cores of this machine."""
    import torch

    trainer = config["trainer"]
    if config["launcher"].get("address") is not None:
        return int(trainer["devices"])
    gpu = trainer["accelerator"] != "cpu" and torch.cuda.is_available()
    return int(trainer["devices"] if gpu else min(trainer["devices"], cores()))


def earlier(config: Tree, digest: str) -> tuple[float, str] | None:
    """Samples a second of the newest earlier run of the same net, task, method and data on as many devices of the
    same kind, each with as many threads, and where it is; None where there is none that was longer than a rehearsal."""
    from quartet_app.run.workers.worker import device_name

    devices, trainer = config["trainer"]["devices"], config["trainer"]
    asked = (digest, devices, device_name(), threads(trainer["threads"], workers=devices))
    for path in sorted(runs(), key=lambda path: path.stat().st_mtime, reverse=True):
        facts = read_json(path)
        used = (facts.get("trained_on") or {}).get("threads")
        if (facts.get("data_digest"), facts.get("devices"), facts.get("device"), used) != asked:
            continue
        before = load_config(path.with_name("config.yaml"))
        alike = all(before.get(key) == config[key] for key in SAME)
        loaded = before["data"]["loading"] == config["data"]["loading"]
        way = all(before["trainer"].get(key) == trainer[key] for key in WAY)
        if alike and loaded and way and facts["train_seconds"] >= SECONDS:
            return facts["samples_seen"] / facts["train_seconds"], f"as in {path.parent}"
    return None


def runs() -> Iterator[Path]:
    yield from Path("runs").glob("*/run.json")
    yield from Path("results").glob("*/*/train/run.json")
