"""Share the time out equally to the nets: how many trials, how long each trains, and what the winners train again.

Each net gets the same number of trials with the same budget in seconds of training, since the question is what a net
reaches at this cost. What a trial costs besides is measured beforehand: starting, validating, evaluating.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError

if TYPE_CHECKING:
    from pathlib import Path

    from quartet_app.choose.question import Question
    from quartet_app.config.resolved import Config

VALIDATIONS = 6  # of a run with the whole budget; trials are compared at them
FEWEST, MOST = 12, 30  # trials of a net
REPEATS, REPEATED = 3, 2  # the best two, and the defaults, run with three seeds before one is chosen
SHARE_TRAINED = 0.5  # of all trials' budgets, with successive halving
SMALLER = (0.5, 0.25, 0.125)  # shares of the budget at which the winner trains too
PARTS = (0.5, 0.25)  # shares of the training data, likewise
FEWER = 2  # seeds of these
LEAST_BUDGET = 2.0  # seconds of training, below which no trial says anything
ENOUGH = 60.0  # seconds of training, from which on more trials are worth more than longer ones
SPARE = 0.85  # the part of the time that is planned; the rest is for what turns out slower
# Seconds on a machine that imports torch and Lightning in six seconds; a busy or slower one takes longer.
IMPORT = 6.0
START = 14.0  # until the first trial of a sweep trains: its processes start and import torch
AROUND = 7.0  # to compose a sweep, and to publish what it found
EXTRA = 1.5  # of a trial besides training and validation: its data, its net, its records
REPORT = 18.0  # to start evaluating, to write the page and to register the champion
RECORDS = 4.0  # to record one evaluation
SERVING = 4.0  # to measure what serving one net costs


@dataclass(frozen=True)
class Costs:
    """What a run costs besides its training, in seconds: one validation, and its evaluation on the test split."""

    validation: float
    evaluation: float


@dataclass(frozen=True)
class Timetable:
    """How the time is shared out.

    Attributes:
        budget: seconds of training of a trial and of the winner. trials: of each net.
        smaller, parts: shares of the budget, and of the training data, at which the winner trains too.
        slice: wall-clock seconds of each net's sweep. runs_share: the part of it for the winner's runs.
        at_once: how many runs train at the same time.
        after: seconds kept for evaluating and reporting.
    """

    budget: float
    trials: int
    smaller: tuple[float, ...]
    parts: tuple[float, ...]
    slice: float
    runs_share: float
    at_once: int
    after: float

    def finals(self, seeds: list[int], *, model: bool) -> list[list[str]]:
        """Return the overrides of each further run of a winner, those that the answer cannot do without first.

        `model`: whether runs with the whole budget store their model in the tracker.
        """
        whole = [[f"seed={seed}", *(["tracking.model=true"] if model else [])] for seed in seeds]
        parts = [
            [f"seed={seed}", f"data.loading.limit_train={100 * part:g}%"]
            for part in self.parts
            for seed in seeds[:FEWER]
        ]
        smaller = [
            [
                f"seed={seed}",
                f"budget={share * self.budget:.4g} seconds",
                f"validate_every={every(share * self.budget)}",
            ]
            for share in self.smaller
            for seed in seeds[:FEWER]
        ]
        return whole + smaller + parts

    def facts(self) -> dict[str, Any]:
        """Return the timetable as plain values."""
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Timetable:
        """Return the timetable that `facts` describes."""
        shares: dict[str, Any] = {key: tuple(map(float, facts[key])) for key in ("smaller", "parts")}
        whole = {key: int(facts[key]) for key in ("trials", "at_once")}
        return cls(**{**{key: float(value) for key, value in facts.items() if key not in shares}, **shares, **whole})


def every(budget: float) -> str:
    """Return how often a run with this budget, in seconds, validates."""
    return f"{budget / VALIDATIONS:.4g} seconds"


def import_slowness() -> float:
    """Import what training needs; returns how many times as long as on a usual, idle machine that took."""
    began = time.perf_counter()
    import pytorch_lightning  # noqa: F401
    import torch  # noqa: F401

    return min(6.0, max(0.5, (time.perf_counter() - began) / IMPORT))


def measure(config: Config, folder: Path) -> Costs:
    """Return what a run of this configuration costs besides its training, by rehearsals with one thread."""
    from quartet_app.estimate import overhead, rehearsal
    from quartet_app.run.match import matched

    config = matched({**config, "trainer": {**config["trainer"], "threads": 1}}, folder)
    pace = rehearsal.rehearse(config, folder, seconds=rehearsal.BRIEF)
    return Costs(pace.validation, overhead.evaluating(config, folder).seconds)


def share_out(question: Question, costs: dict[str, Costs], *, spent: float, at_once: int, slowness: float) -> Timetable:
    """Return the timetable for the seconds that are left after `spent`; QuartetError where they are too few.

    `costs` are those of each net; the dearest decides, as all nets get the same. `slowness`: as of `import_slowness`.
    """
    validation = max(cost.validation for cost in costs.values())
    evaluation = sum(cost.evaluation + RECORDS * slowness for cost in costs.values()) * question.seeds / at_once
    after = (REPORT + SERVING * len(question.nets)) * slowness + evaluation
    part = (question.seconds - spent - after) / len(question.nets) - AROUND * slowness
    work = (part * SPARE - START * slowness) * at_once  # seconds of runs, side by side
    extra = EXTRA * slowness + VALIDATIONS * validation
    for smaller, parts in ((SMALLER, PARTS), (SMALLER, ()), (SMALLER[:1], ()), ((), ())):
        more = runs_after(question.seeds, smaller, parts)
        for trials in range(FEWEST, MOST + 1):
            budget = affordable(work, extra, trials, more)
            if budget < ENOUGH:
                break
        if budget >= LEAST_BUDGET:
            runs = more[0] * budget + more[1] * extra
            return Timetable(
                budget=float(f"{budget:.3g}"), trials=trials, smaller=smaller, parts=parts, slice=part,
                runs_share=(runs / at_once * 1.15) / (part * SPARE), at_once=at_once, after=after,
            )  # fmt: skip
    least = (LEAST_BUDGET * tried(FEWEST)[0] + extra * tried(FEWEST)[1]) * len(question.nets) / at_once
    needed = spent + after + (least + (more[0] * LEAST_BUDGET + more[1] * extra) * len(question.nets) / at_once) / SPARE
    needed += (START + AROUND) * slowness * len(question.nets) / SPARE
    raise QuartetError(
        f"{question.seconds / 60:g} minutes are too few for {len(question.nets)} nets on this machine; give about "
        f"--minutes {max(1.0, needed * 1.1 / 60):.0f}, or fewer --nets"
    )


def runs_after(seeds: int, smaller: tuple[float, ...], parts: tuple[float, ...]) -> tuple[float, int]:
    """Return what a winner trains again: in whole budgets, and in runs."""
    fewer = min(FEWER, seeds)
    return seeds + fewer * (sum(smaller) + len(parts)), seeds + fewer * (len(smaller) + len(parts))


def tried(trials: int) -> tuple[float, int]:
    """Return what a search with repeats trains at most: in whole budgets, and in runs."""
    repeats = (REPEATS - 1) * (REPEATED + 1)
    return trials * SHARE_TRAINED + repeats, trials + repeats


def affordable(work: float, extra: float, trials: int, more: tuple[float, int]) -> float:
    """Return the budget in seconds that each run can have where all of a net's runs take `work` seconds together."""
    budgets, runs = tried(trials)
    return (work - extra * (runs + more[1])) / (budgets + more[0])
