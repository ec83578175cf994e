"""tiny_shakespeare by character: seconds to the loss at which nanoGPT's recipe for a CPU ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from measure import CONSOLE, Line, Skipped, alternate, ratio, workplace
from nanogpt import Recipe, Training
from pipeline_leg import TrainSegment, Watch, fit, leg
from stand_in import small_data

from quartet.types import QuartetError
from quartet_app.run.build import build_data, build_task
from quartet_app.run.workers import worker

TARGET = 2.0
LOSS = 1.8857  # nats: what nanoGPT's recipe for a CPU ends with
EXPERIMENTS = {"transformer": "tiny_shakespeare_transformer", "lstm": "tiny_shakespeare_rnn"}
NOTE = (
    "training alone is timed, validation and checkpoints are not. Validated every {every} steps (the recipe: every "
    "{theirs}, from step {first} on), on every target of the validation split once, each with half a window of "
    "{context} characters or more before it; the first validation at or below {loss} nats counts. Repetitions are seeds"
)


@dataclass
class Race:
    """What all runs have in common."""

    folder: Path
    loss: float
    every: int
    first: int  # the recipe's first validation
    batches: int | None  # of validation; None for all
    changes: list[str]  # overrides of every side


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    loss = 3.0 if quick else LOSS
    what = f"recipe ÷ ours, seconds to {loss} nats"
    lines = [Line(part="shakespeare", name=name, what=what, target=TARGET, samples_unit="s") for name in EXPERIMENTS]
    try:
        small = [*small_data("text"), f"data.loading.context={Recipe().context}"] if quick else []
        with workplace() as folder:
            every, first, batches = (10, 20, 2) if quick else (20, 1000, None)
            race = Race(folder, loss, every, first, batches, small)
            compare(lines, race, repetitions=repetitions)
    except Exception as error:
        for line in lines:
            line.explain(error)
    yield from lines


def compare(lines: list[Line], race: Race, *, repetitions: int) -> None:
    CONSOLE.print(f"tiny_shakespeare: seconds to {race.loss} nats")
    seeds = {name: iter(range(repetitions)) for name in ("recipe", *EXPERIMENTS)}
    *ours, theirs = alternate(
        *(lambda name=name: our_seconds(name, race, seed=next(seeds[name])) for name in EXPERIMENTS),  # type: ignore[misc]
        lambda: recipe_seconds(race, seed=next(seeds["recipe"])),
        repetitions=repetitions,
        title="seconds, transformer · lstm · recipe",
    )
    for line, taken in zip(lines, ours, strict=True):
        line.ours, line.theirs, line.value = taken, theirs, ratio(theirs, taken)
        line.note = NOTE.format(
            every=race.every, theirs=race.every, first=race.first, context=Recipe().context, loss=race.loss
        )
        line.command = f"quartet train experiment={EXPERIMENTS[line.name]}; benchmarks/nanogpt.py"


def our_seconds(name: str, race: Race, *, seed: int) -> float:
    """Seconds of training through the pipeline until the loss; QuartetError where the budget ends first."""
    every = f"validate_every='{race.every} steps'"
    ours = leg(EXPERIMENTS[name], f"seed={seed}", every, *race.changes, folder=race.folder)
    context = ours.tree["data"]["loading"]["context"]
    if context < Recipe().context:
        raise QuartetError(f"data.loading.context={context}: the recipe sees {Recipe().context} characters, so must we")
    watch = Watch(warm=0, target=race.loss)
    method = fit(ours, race.folder / f"{name}-{seed}", watch, validation_batches=race.batches)
    rows = [row for row in method.history["val"] if row["loss"] <= race.loss]
    if not rows:
        best = min(row["loss"] for row in method.history["val"])
        raise Skipped(f"{EXPERIMENTS[name]}: the budget ended at {best:.4f} nats (seed {seed}), above {race.loss}")
    CONSOLE.print(
        f"    {name}, seed {seed}: {rows[0]['seconds']:.1f} s to {rows[0]['loss']:.4f}, {method.clock.steps} steps"
    )
    return rows[0]["seconds"]


def recipe_seconds(race: Race, *, seed: int) -> float:
    """Seconds of nanoGPT's recipe until the loss, or until its end."""
    recipe = Recipe()
    judge = leg(EXPERIMENTS["transformer"], *race.changes, f"data.loading.context={recipe.context}", folder=race.folder)
    worker.use_machine(judge.tree["trainer"])
    tokens = np.load(judge.data / "tokens_train.npy")
    vocabulary = build_data(judge.tree, judge.data).inputs.vocabulary  # type: ignore[union-attr]
    training = Training(recipe, tokens=tokens, vocabulary=vocabulary, seed=seed)
    seconds, loss = 0.0, float("inf")
    while loss > race.loss and training.taken < recipe.steps:
        began = time.perf_counter()
        for _ in range(race.first if training.taken < race.first else race.every):
            training.step()
        seconds += time.perf_counter() - began
        loss = validation_loss(training.model, judge, batches=race.batches)
    CONSOLE.print(f"    recipe, seed {seed}: {seconds:.1f} s to {loss:.4f}, {training.taken} steps")
    return seconds


def validation_loss(model: torch.nn.Module, judge: TrainSegment, *, batches: int | None) -> float:
    """As the pipeline measures it."""
    data, task = build_data(judge.tree, judge.data), build_task(judge.tree)
    task.lengths_V = torch.ones(data.inputs.vocabulary)  # type: ignore[attr-defined, union-attr]  # characters
    model.eval()
    sums = [task.measure(model, batch) for batch in islice(data.batches("val"), batches)]
    model.train()
    return task.summarize({name: torch.stack([part[name] for part in sums]).sum(0) for name in sums[0]})["loss"]
