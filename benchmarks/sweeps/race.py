"""How soon ASHA on Ray has a configuration as good as the best, against trying all of them one after another."""

from __future__ import annotations

import itertools
import random
import statistics

from measure import Line, alternate, workplace

from sweeps.runs import choice, commands, on_ray, place, place_of_data, runs, swept, tiny

Grid = dict[str, list[float]]
RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3]
GRID: Grid = {"optimizer.lr": RATES, "net.width": [8, 16], "net.dropout": [0.0, 0.3]}
SMALL_GRID: Grid = {"optimizer.lr": [1e-3, 1e-2], "net.width": [8]}
NEAR = 0.01  # of the best: as good as it
ASHA = ["hydra/sweeper/scheduler=asha", "hydra/sweeper/search=grid"]
NOTE = (
    "{count} configurations of experiment=mnist1d_cnn, {epochs} epochs each, in an order that the seed draws. theirs: "
    "the wall time of Hydra's basic sweeper in one process. ours: from the start of the process until a trial was "
    "written down that ran to its end with a val/accuracy within 1 % of the best of those. The median of the seeds' "
    "ratios. A seed at which ASHA found none counts as no faster than theirs{missed}"
)


def new_line() -> Line:
    made = Line(part="sweeps", name="ASHA ÷ one after another", what="seconds, theirs ÷ ours", target=3.0)
    made.samples_unit = "s"
    return made


def compare(line: Line, *, repetitions: int, quick: bool) -> None:
    data, small = place_of_data(quick=quick)
    grid, epochs = (SMALL_GRID, 2) if quick else (GRID, 10)
    bests: list[float] = []
    sweeps: list[list[tuple[float, float]]] = []  # of each seed: when a trial had run to its end, what it reached
    with workplace() as folder:
        ours, theirs = itertools.count(), itertools.count()

        def asha() -> float:
            seed = next(ours)
            here = place(folder / f"asha-{seed}", data)
            taken, seen = swept([*on_ray(here), *ASHA, *words(grid, *small, epochs=epochs, seed=seed)], here)
            over = [(at, event) for at, event in seen if event["event"] == "end" and event["status"] == "finished"]
            sweeps.append([(at, event["result"]) for at, event in over if event["result"] is not None])
            return taken

        def basic() -> float:
            seed = next(theirs)
            here = place(folder / f"basic-{seed}", data)
            taken, _ = swept(words(grid, *small, epochs=epochs, seed=seed), here)
            bests.append(max(facts["metrics"][facts["monitor"]] for _, facts in runs(here)))
            return taken

        whole, line.theirs = alternate(
            asha, basic, repetitions=repetitions, title="seconds, the whole sweep with ASHA · one after another"
        )
    line.more["seeds"] = []
    for seed, (ended, best) in enumerate(zip(sweeps, bests, strict=True)):
        first = found(ended, best=best)
        line.ours.append(first if first is not None else max(whole[seed], line.theirs[seed]))
        winner = max((reached for _, reached in ended), default=0.0)
        facts = {"finished": len(ended), "sweep_seconds": whole[seed], "found": first is not None}
        line.more["seeds"].append({"best": best, "winner": winner, "winner_short_by": 1 - winner / best, **facts})
    line.value = statistics.median(theirs / ours for ours, theirs in zip(line.ours, line.theirs, strict=True))
    missed = sum(not facts["found"] for facts in line.more["seeds"])
    count = len(list(itertools.product(*grid.values())))
    line.note = NOTE.format(count=count, epochs=epochs, missed=f": {missed} of {repetitions}" if missed else "")
    line.command = commands(ASHA, words(grid, *small, epochs=epochs, seed=0))


def found(ended: list[tuple[float, float]], *, best: float) -> float | None:
    """When the first of the trials had ended that is as good as the best."""
    return min((at for at, reached in ended if reached >= best * (1 - NEAR)), default=None)


def words(grid: Grid, *more: str, epochs: int, seed: int) -> list[str]:
    """The command line of a seed's sweep, on either side: the same points in the same order."""
    draw = random.Random(seed)
    order = [choice(key, draw.sample(grid[key], len(grid[key]))) for key in draw.sample(list(grid), len(grid))]
    sized = "match.parameters=null"  # the experiment's own match would set the width that is swept
    return [*tiny(epochs=epochs, every=1), *more, "tracking=none", f"seed={seed}", sized, *order]
