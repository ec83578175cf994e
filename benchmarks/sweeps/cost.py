"""What a trial costs beyond its training: its start, composing, tracking, files."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from typing import Any

from measure import Broken, Line, alternate, workplace

from sweeps.runs import choice, commands, on_ray, place, place_of_data, runs, swept, tiny

ALONE = ["hydra/sweeper/scheduler=fifo", "hydra.sweeper.max_batch_size=1"]
TRACKED = ["tracking.model=false", "tracking.system_metrics=false"]
NOTE = (
    "{trials} trials of one epoch, one at a time, in a fresh SQLite store: of each but the first, the time since the "
    "run.json before it less its own train_seconds; the median of each sweep, and of those. theirs: Hydra's basic "
    "sweeper, in one process"
)


def new_line() -> Line:
    made = Line(
        part="sweeps", name="a trial beyond its training", what="ours: wall less training", unit="s", target=0.5
    )
    made.samples_unit, made.above = "s", False
    return made


def compare(line: Line, *, repetitions: int, quick: bool) -> None:
    data, small = place_of_data(quick=quick)
    trials = 2 if quick else 8
    given = [*tiny(epochs=1), *small, *TRACKED, choice("optimizer.lr", [0.001 * (i + 1) for i in range(trials)])]
    with workplace() as folder:
        numbers = itertools.count()

        def side(*, ray: bool) -> Callable[[], float]:
            def run() -> float:
                here = place(folder / str(next(numbers)), data)
                more = [*on_ray(here), *ALONE] if ray else []
                swept([*more, *given, f"tracking.uri=sqlite:///{here}/mlflow.db"], here)
                return statistics.median(beyond(runs(here)))

            return run

        line.ours, line.theirs = alternate(
            side(ray=True), side(ray=False), repetitions=repetitions, title="seconds, ray · basic", show="{:.2f}"
        )
    line.value = statistics.median(line.ours)
    line.note = NOTE.format(trials=trials)
    line.command = commands(ALONE, [*given, "tracking.uri=sqlite:///…"])


def beyond(found: list[tuple[float, dict[str, Any]]]) -> list[float]:
    """Seconds of each run but the first, since the end of the one before it, that were not training."""
    if len(found) < 2:
        raise Broken(f"{len(found)} runs were trained; two are needed")
    return [at - before - facts["train_seconds"] for (before, _), (at, facts) in itertools.pairwise(found)]
