"""Forecast what one experiment will take, and find out whether it can run at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.budget import Budget, Spent
from quartet.types import QuartetError
from quartet_app.config.resolved import Config
from quartet_app.data.origin import origin
from quartet_app.estimate.status import RunStatus, run_status
from quartet_app.run.run_folder import names

if TYPE_CHECKING:
    from quartet.data import DataModule
    from quartet_app.estimate.memory import Memory


@dataclass
class Forecast:
    """Hold one row of the plan. All numbers are of one seed with its whole budget.

    None means unknown, and `notes` say why. `impossible` says why the experiment cannot run; None where it can.
    `pace` says how the speed was measured. `seconds` is the sum of the four parts before it. `peak` is in bytes.
    """

    experiment: str
    net: str = ""
    task: str = ""
    data: str = ""
    devices: int = 1
    accelerator: str = "cpu"
    elsewhere: bool = False  # True for a run on a cluster, whose machines are not measured
    data_words: str = ""
    data_bytes: int | None = None
    parameters: int | None = None
    flops_per_sample: float | None = None
    samples: int | None = None
    steps: int | None = None
    validations: int | None = None
    memory: Memory | None = None
    peak: float | None = None
    pace: str = ""
    train_seconds: float | None = None
    validation_seconds: float | None = None
    start_seconds: float | None = None
    evaluation_seconds: float | None = None
    seconds: float | None = None
    seeds: list[RunStatus] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    impossible: str | None = None

    @property
    def flops(self) -> float | None:
        """Return the operations of one seed's whole training; None where they are unknown."""
        return None if None in (self.flops_per_sample, self.samples) else self.flops_per_sample * self.samples  # type: ignore[operator]

    @property
    def left(self) -> float:
        """Return how many whole runs are still to be trained: the sum over all seeds."""
        return sum(seed.left for seed in self.seeds)

    def facts(self) -> dict[str, Any]:
        """Return the row as plain values, for `quartet plan --json`."""
        return {**asdict(self), "flops": self.flops}


def forecast(config: Config, seeds: Sequence[int], *, measure: bool, prepare: bool) -> Forecast:
    """Return the row of a checked `config` that is trained with each of `seeds`.

    A refusal does not raise: its message becomes the row's `impossible`.

    Args:
        measure: train for a moment, to measure the speed.
        prepare: prepare the data where it is missing.
    """
    from hydra.errors import InstantiationException

    from quartet_app.config.errors import explain
    from quartet_app.run.workers.trainer import find_accelerator

    parts = names(config)
    row = Forecast(config["experiment"], net=parts["net"], task=parts["task"], data=parts["data"])
    row.devices = config["trainer"]["devices"]
    row.elsewhere = config["launcher"].get("address") is not None
    if row.elsewhere:
        row.notes.append("a cluster's machines are assumed to be like this one")
    reasons = []
    try:
        with data_of(config, row, prepare=prepare) as (folder, real):
            solved = not any(config["match"].values())
            row.seeds = [run_status({**config, "seed": seed}, None, solved=solved) for seed in seeds]
            try:
                row.accelerator = find_accelerator({**config["trainer"], **({"devices": 1} if row.elsewhere else {})})
            except QuartetError as error:  # counting parameters and FLOPs needs no GPU, so the row goes on
                row.accelerator, measure = "gpu", False
                if row.elsewhere:
                    row.notes.append("time unknown: the run needs a cluster's GPUs, and this machine has none")
                else:
                    reasons.append(str(error))
            if folder is not None:
                fill(row, config, folder, seeds, real=real, measure=measure)
    except (QuartetError, InstantiationException) as error:
        reasons.append(explain(error))
    row.impossible = "\n".join(reasons) or None
    return row


@contextmanager
def data_of(config: Config, row: Forecast, *, prepare: bool) -> Iterator[tuple[Path | None, bool]]:
    """Yield the data's folder, and True where the folder holds the real data.

    Where the data is not prepared, the folder holds a stand-in of blank examples. It is None where the source cannot
    say beforehand what shape its examples will have.
    """
    from hydra.utils import instantiate

    from quartet.data.loading.module import read_manifest
    from quartet_app.data.prepared import ensure, find
    from quartet_app.data.stand_in import stand_in

    folder = ensure(config["data"]) if prepare else find(config["data"])
    if folder is not None:
        row.data_bytes = sum(read_manifest(folder)["files"].values())
        row.data_words = f"prepared in {folder}"
        yield folder, True
        return
    row.data_words = origin(config["data"])
    with tempfile.TemporaryDirectory() as scratch:
        blank = Path(scratch) / config["data"]["name"]
        known = stand_in(instantiate(config["data"]["source"]), blank)
        basis = "computed from the shape that its source declares" if known else "the rest is unknown until then"
        row.notes.append(f"data {row.data_words} ({basis}; --prepare prepares it)")
        yield (blank if known else None), False


def fill(row: Forecast, config: Config, folder: Path, seeds: Sequence[int], *, real: bool, measure: bool) -> None:
    """Fill in all that depends on the data, the cheapest first. Where a run is refused, earlier fields stay filled."""
    from quartet_app.estimate import memory
    from quartet_app.estimate.activations import activations
    from quartet_app.run.build import build_data
    from quartet_app.run.match import matched, operations

    memory.resident()  # measures this process, so it must come before anything is built
    solved = matched(config, folder)
    row.seeds = [run_status({**solved, "seed": seed}, folder if real else None) for seed in seeds]
    weights = weights_of(solved, folder)
    row.parameters = int(sum(weights.values()))
    data = build_data(solved, folder)
    for split in ("train", "val"):
        data.batches(split, world=row.devices, seed=solved["seed"])
    files = (path for split in ("train", "val") for path in folder.glob(f"*_{split}*.npy"))
    row.memory = memory.fixed(solved, weights=weights, data=sum(path.stat().st_size for path in files))
    if not fits(row):
        return
    row.memory = row.memory.with_activations(activations(solved, folder, gpu=row.accelerator == "gpu"))
    if not fits(row):
        return
    # Pairs need a whole batch for this count, so memory is checked first.
    row.flops_per_sample = operations(solved, folder, solved["net"])
    spend(row, solved, data, None)
    if measure:
        clock(row, solved, folder, data, real=real)


def weights_of(config: Config, folder: Path) -> dict[str, float]:
    """Return the number of parameters of each net of the run, by its key."""
    from quartet_app.run.build import nets_of
    from quartet_app.run.match import parameters

    return {name: parameters(config, folder, name, net) for name, net in nets_of(config).items()}


def fits(row: Forecast) -> bool:
    """Fill in the peak of memory, and return True where this machine has as much.

    Raises QuartetError where this machine has less and the run is to train on it, not on a cluster.
    """
    from quartet.report.drawing.numerals import compact
    from quartet_app.estimate.memory import machine_memory

    assert row.memory is not None
    gpu = row.accelerator == "gpu"
    row.peak = row.memory.peak(gpu=gpu, processes=1 if row.elsewhere else row.devices)
    available = machine_memory(gpu=gpu)
    if row.peak <= available:
        return True
    needed = f"about {compact(row.peak)}B needed, {'a GPU here' if gpu else 'this machine'} has {compact(available)}B"
    if row.elsewhere:
        row.notes.append(f"memory: {needed}; the cluster's machines must have it, the rest is not estimated here")
        return False
    raise QuartetError(
        f"memory: {needed}; take a smaller net.width or data.loading.batch_size, "
        "or a larger method.accumulate_grad_batches"
    )


def spend(row: Forecast, config: Config, data: DataModule, speed: float | None) -> None:
    """Fill in the steps, samples and validations that the budget comes to.

    Budgets in seconds need `speed`, in samples a second; with None these fields stay unknown.
    """
    per_epoch = data.batches("train", seed=config["seed"]).per_epoch
    batch = data.batch_size if data.kind.fixed else data.examples["train"] / per_epoch
    one_sample = Spent(1, 0, data.examples["train"], row.flops_per_sample or 0.0, 1 / speed if speed else 0.0)
    samples = {}
    for key in ("budget", "validate_every"):
        budget = Budget.parse(config[key], key=key)
        used = batch and 1 / (budget.amount * batch) if budget.unit == "steps" else budget.used(one_sample)
        if not used:
            note = f"{key}={budget}: this machine's speed decides how many samples that is"
            row.notes += [] if note in row.notes else [note]
            return
        samples[key] = 1 / used
    row.steps = ceil(samples["budget"] / batch - 1e-9)
    row.samples = round(row.steps * batch)
    row.validations = max(1, ceil(samples["budget"] / samples["validate_every"] - 1e-9))


def clock(row: Forecast, config: Config, folder: Path, data: DataModule, *, real: bool) -> None:
    """Fill in the time that one seed takes, by the speed of an earlier run, else by a rehearsal on this machine.

    The times of validations, of starting and of the evaluation are always measured now.
    """
    from quartet_app.estimate import overhead, rehearsal

    before = rehearsal.earlier(config, data.digest) if real else None
    pace = rehearsal.rehearse(config, folder, seconds=rehearsal.BRIEF if before else rehearsal.SECONDS)
    speed, row.pace = before or (pace.samples_per_second, pace.words)
    if config["trainer"]["compile"]:
        row.notes.append("measured without trainer.compile, which takes a minute or two and then trains faster")
    spend(row, config, data, speed)
    if row.samples is not None and row.validations is not None:
        row.train_seconds = row.samples / speed
        row.validation_seconds = row.validations * pace.validation
        row.start_seconds, rehearsed = overhead.starting(), overhead.evaluating(config, folder)
        row.evaluation_seconds = rehearsed.seconds
        row.seconds = row.train_seconds + row.validation_seconds + row.start_seconds + row.evaluation_seconds
        if not rehearsed.whole:
            row.notes.append("the evaluation's later phases were not reached: it may take longer")
