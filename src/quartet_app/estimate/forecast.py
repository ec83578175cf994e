"""What one experiment will take, and whether it can run at all, found out before it runs."""

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
from quartet_app.data.origin import origin
from quartet_app.estimate.status import RunStatus, run_status
from quartet_app.run.run_folder import names

if TYPE_CHECKING:
    from quartet.data import DataModule
    from quartet_app.estimate.memory import Memory

Tree = dict[str, Any]


@dataclass
class Forecast:
    """A row of the plan. What is None is not known, and `notes` say why; `impossible` is why it cannot run, None if it
    can. Numbers are of one seed; `samples`, `steps` and `validations` are of its whole budget."""

    experiment: str
    net: str = ""
    task: str = ""
    data: str = ""
    devices: int = 1
    accelerator: str = "cpu"
    elsewhere: bool = False  # on a cluster's machines, which are not asked
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
    seconds: float | None = None
    seeds: list[RunStatus] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    impossible: str | None = None

    @property
    def flops(self) -> float | None:
        return None if None in (self.flops_per_sample, self.samples) else self.flops_per_sample * self.samples  # type: ignore[operator]

    @property
    def left(self) -> float:
        """Of the seeds together, how many whole runs are still to be trained."""
        return sum(one.left for one in self.seeds)

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "flops": self.flops}


def forecast(config: Tree, seeds: Sequence[int], *, measure: bool, prepare: bool) -> Forecast:
    """The row of a checked `config`, trained with each of `seeds`; refusals end in its `impossible`."""
    from hydra.errors import InstantiationException

    from quartet_app.config.errors import explain
    from quartet_app.run.workers.trainer import find_accelerator

    place = names(config)
    row = Forecast(config["experiment"], net=place["net"], task=place["task"], data=place["data"])
    row.devices = config["trainer"]["devices"]
    row.elsewhere = config["launcher"].get("address") is not None
    if row.elsewhere:
        row.notes.append("on a cluster, whose machines are taken for ones like this")
    reasons = []
    try:
        with data_of(config, row, prepare=prepare) as (folder, real):
            solved = not any(config["match"].values())
            row.seeds = [run_status({**config, "seed": seed}, None, solved=solved) for seed in seeds]
            try:
                row.accelerator = find_accelerator({**config["trainer"], **({"devices": 1} if row.elsewhere else {})})
            except QuartetError as error:  # a net can be counted without the GPUs that it is to be trained on
                row.accelerator, measure = "gpu", False
                if row.elsewhere:
                    row.notes.append("no time is told: a cluster's GPUs are asked for, and this machine has none")
                else:
                    reasons.append(str(error))
            if folder is not None:
                fill(row, config, folder, seeds, real=real, measure=measure)
    except (QuartetError, InstantiationException) as error:
        reasons.append(explain(error))
    row.impossible = "\n".join(reasons) or None
    return row


@contextmanager
def data_of(config: Tree, row: Forecast, *, prepare: bool) -> Iterator[tuple[Path | None, bool]]:
    """The prepared data, or a stand-in for what its source foresees, or None; and whether it is the real one."""
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
        foreseen = "computed from the shape that its source foresees" if known else "all else is known once it is"
        row.notes.append(f"data {row.data_words} ({foreseen}; --prepare prepares it)")
        yield (blank if known else None), False


def fill(row: Forecast, config: Tree, folder: Path, seeds: Sequence[int], *, real: bool, measure: bool) -> None:
    """All that depends on the data, the cheap first: where a run is refused, what was known by then stays."""
    from quartet_app.estimate import memory
    from quartet_app.estimate.activations import activations
    from quartet_app.run.build import build_data
    from quartet_app.run.match import matched, operations

    memory.resident()  # looked at before anything is built here
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
    row.flops_per_sample = operations(solved, folder, solved["net"])  # of pairs, on a whole batch: one that fits
    spend(row, solved, data, None)
    if measure:
        clock(row, solved, folder, data, real=real)


def weights_of(config: Tree, folder: Path) -> dict[str, float]:
    """Parameters of each net of the run, by its key."""
    from quartet_app.run.build import nets_of
    from quartet_app.run.match import parameters

    return {name: parameters(config, folder, name, net) for name, net in nets_of(config).items()}


def fits(row: Forecast) -> bool:
    """Note the peak of memory. Whether this machine has as much; QuartetError where it has not and is to train."""
    from quartet.report.drawing.numerals import compact
    from quartet_app.estimate.memory import machine_memory

    assert row.memory is not None
    gpu = row.accelerator == "gpu"
    row.peak = row.memory.peak(gpu=gpu, processes=1 if row.elsewhere else row.devices)
    have = machine_memory(gpu=gpu)
    if row.peak <= have:
        return True
    needed = (
        f"about {compact(row.peak)}B would be needed, {'a GPU here' if gpu else 'this machine'} has {compact(have)}B"
    )
    if row.elsewhere:
        row.notes.append(f"memory: {needed}; the cluster's have to have it, and no more is counted here")
        return False
    raise QuartetError(
        f"memory: {needed}; take a smaller net.width or data.loading.batch_size, "
        "or a larger method.accumulate_grad_batches"
    )


def spend(row: Forecast, config: Tree, data: DataModule, speed: float | None) -> None:
    """The budget in samples, whole batches of them, and validations; those that count seconds need the speed."""
    per_epoch = data.batches("train", seed=config["seed"]).per_epoch
    batch = data.batch_size if data.kind.fixed else data.examples["train"] / per_epoch
    one = Spent(1, 0, data.examples["train"], row.flops_per_sample or 0.0, 1 / speed if speed else 0.0)
    shares = {}
    for key in ("budget", "validate_every"):
        budget = Budget.parse(config[key], key=key)
        used = batch and 1 / (budget.amount * batch) if budget.unit == "steps" else budget.used(one)
        if not used:
            note = f"{key}={budget}: how many samples that is, this machine's speed decides"
            row.notes += [] if note in row.notes else [note]
            return
        shares[key] = 1 / used
    row.steps = ceil(shares["budget"] / batch - 1e-9)
    row.samples = round(row.steps * batch)
    row.validations = max(1, ceil(shares["budget"] / shares["validate_every"] - 1e-9))


def clock(row: Forecast, config: Tree, folder: Path, data: DataModule, *, real: bool) -> None:
    """The time that one seed takes: as earlier runs did, or as this machine does now; validations as it does now."""
    from quartet_app.estimate import rehearsal

    before = rehearsal.earlier(config, data.digest) if real else None
    pace = rehearsal.rehearse(config, folder, seconds=rehearsal.BRIEF if before else rehearsal.SECONDS)
    speed, row.pace = before or (pace.samples_per_second, pace.words)
    if config["trainer"]["compile"]:
        row.notes.append("measured without trainer.compile, which takes a minute or two and makes up for it later")
    spend(row, config, data, speed)
    if row.samples is not None and row.validations is not None:
        row.train_seconds = row.samples / speed
        row.seconds = row.train_seconds + row.validations * pace.validation
