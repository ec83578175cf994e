"""Measure how well forecasts from short runs hold, on withheld longer runs; prints a table, writes a file. Hours.

python benchmarks/calibration.py                                  mnist1d, four nets, 1 to 64 epochs, three seeds
python benchmarks/calibration.py --lines mnist1d,fashion_mnist --epochs 1,2,4,8,16,32 --jobs 2
python benchmarks/calibration.py --quick                          only whether it works, on made-up data

Each run has a budget of its own, with the whole schedule of its learning rate. The laws see the runs up to a budget,
at most four of them, each half of the next; their 90 % interval should hold the mean of the runs at 4 and 8 times that
budget in 85 to 95 % of cases, and a winner that is named should be the one that those runs name in at least 90 %. Runs
that have ended are not trained again: the same command goes on where it was stopped. Other words are overrides of all
runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import chdir, nullcontext
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal, NamedTuple

from measure import CONSOLE, workplace
from rich.table import Table
from stand_in import small_data

from quartet.report.extrapolating.curve import winner
from quartet.report.extrapolating.fitting import FEWEST_COSTS, fit

RUNGS = 4  # that the laws see
FACTORS = (4, 8)
VALIDATIONS = 6
QUICK = ["match.parameters=null", "data.loading.limit_train=200"]


class Job(NamedTuple):
    """One run of the benchmark."""

    line: str
    net: str
    epochs: int
    seed: int


@dataclass(frozen=True)
class Check:
    """A forecast of a net beside what runs at that budget reached."""

    line: str
    net: str
    largest: int
    factor: int
    low: float
    middle: float
    high: float
    truth: float

    @property
    def holds(self) -> bool:
        return self.low <= self.truth <= self.high


@dataclass(frozen=True)
class Contest:
    """Which net a forecast names, and which one won; `named` is None where it cannot be said."""

    line: str
    largest: int
    factor: int
    named: str | None
    truth: str


Scores = Mapping[int, Sequence[float]]  # of one net, by epochs


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="calibration.py", description="Measure how well forecasts hold.")
    parser.add_argument("--lines", default="mnist1d", help="lines of conf/experiment/grid/, separated by commas")
    parser.add_argument("--nets", default="cnn,rnn,transformer,mlp")
    parser.add_argument("--epochs", default="1,2,4,8,16,32,64", help="budgets, each twice the one before")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, each with one thread")
    parser.add_argument("--folder", type=Path, default=Path("runs/calibration"), help="of the runs")
    parser.add_argument("--out", type=Path, default=Path("reports/calibration.json"))
    parser.add_argument("--quick", action="store_true", help="whether all works: the numbers mean little")
    chosen, overrides = parser.parse_known_args(arguments)
    out = chosen.out.resolve()
    if chosen.quick:
        chosen.nets, chosen.epochs, chosen.seeds = "cnn,mlp", "1,2,4,16,32", 2
    jobs = [
        Job(line, net, int(epochs), seed)
        for epochs in chosen.epochs.split(",")
        for line in chosen.lines.split(",")
        for net in chosen.nets.split(",")
        for seed in range(chosen.seeds)
    ]
    with workplace() as folder, chdir(folder) if chosen.quick else nullcontext():
        more = [*(QUICK + small_data("series") if chosen.quick else []), *overrides]
        scores, better = trained(jobs, chosen.folder, more, at_once=chosen.jobs)
    checks, contests = checked(scores, better)
    out.parent.mkdir(parents=True, exist_ok=True)
    facts = {"checks": [{**asdict(one), "holds": one.holds} for one in checks], "contests": [*map(asdict, contests)]}
    runs = [{"line": line, "net": net, "scores": by_epochs} for (line, net), by_epochs in scores.items()]
    out.write_text(json.dumps({"quick": chosen.quick, "runs": runs, **facts}, indent=1) + "\n", encoding="utf-8")
    show(checks, contests)
    print(f"\n{out}")
    return 0


def trained(
    jobs: Sequence[Job], folder: Path, overrides: Sequence[str], *, at_once: int
) -> tuple[dict[tuple[str, str], dict[int, list[float]]], dict[str, Literal["max", "min"]]]:
    """Train what has not been trained yet; returns scores by line and net, and the better direction by line."""
    scores: dict[tuple[str, str], dict[int, list[float]]] = {}
    better: dict[str, Literal["max", "min"]] = {}
    with ProcessPoolExecutor(at_once, get_context("spawn")) as pool:
        waiting = {pool.submit(train_one, job, place(job, folder), list(overrides)): job for job in jobs}
        for count, future in enumerate(as_completed(waiting), 1):
            job, (score, mode) = waiting[future], future.result()
            scores.setdefault((job.line, job.net), {}).setdefault(job.epochs, []).append(score)
            better[job.line] = mode
            CONSOLE.print(
                f"  {count}/{len(jobs)}   {job.line} {job.net} {job.epochs} epochs, seed {job.seed}: {score:.4g}"
            )
    return scores, better


def place(job: Job, folder: Path) -> Path:
    """Return the folder of a run."""
    return (folder / job.line / f"{job.net}-{job.epochs}-{job.seed}").resolve()


def train_one(job: Job, folder: Path, overrides: list[str]) -> tuple[float, Literal["max", "min"]]:
    """Train a run unless it has ended; returns its best validation score and the better direction."""
    if not (folder / "run.json").exists():
        from quartet_app.config.check import check
        from quartet_app.config.composing import compose
        from quartet_app.run.train import train

        every = max(1, job.epochs // VALIDATIONS)
        words = [f"experiment={job.line}_{job.net}", f"budget={job.epochs} epochs", f"validate_every={every} epochs"]
        quiet = ["tracking=none", "trainer.progress=false", "trainer.threads=1"]
        config = compose([*words, f"seed={job.seed}", *quiet, *overrides])
        check(config)
        folder.parent.mkdir(parents=True, exist_ok=True)
        train(config, folder=folder)
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return facts["metrics"][facts["monitor"]], facts["mode"]


def checked(
    scores: Mapping[tuple[str, str], Scores], better: Mapping[str, Literal["max", "min"]]
) -> tuple[list[Check], list[Contest]]:
    """Return every forecast that the runs can check."""
    checks, contests = [], []
    for line, mode in better.items():
        nets = {net: by_epochs for (of, net), by_epochs in scores.items() if of == line}
        for largest in sorted({epochs for by_epochs in nets.values() for epochs in by_epochs}):
            seen = [largest // 2**step for step in range(RUNGS) if largest % 2**step == 0]
            curves = {
                net: curve
                for net, by_epochs in nets.items()
                if (curve := fit({at: by_epochs[at] for at in seen if at in by_epochs}, better=mode))
            }
            for factor in FACTORS:
                at = factor * largest
                truth = {net: fmean(by_epochs[at]) for net, by_epochs in nets.items() if at in by_epochs}
                if sum(epochs in next(iter(nets.values())) for epochs in seen) < FEWEST_COSTS or not truth:
                    continue
                checks += [
                    Check(line, net, largest, factor, *curves[net].predict(at), truth[net])
                    for net in truth
                    if net in curves
                ]
                if len(truth) > 1:
                    best = (max if mode == "max" else min)(truth, key=lambda net: truth[net])
                    named = winner(curves, at, mode) if curves.keys() == nets.keys() else None
                    contests.append(Contest(line, largest, factor, named, best))
    return checks, contests


def show(checks: Sequence[Check], contests: Sequence[Contest]) -> None:
    """Print how often intervals held and named winners won, by line and factor."""
    table = Table("line", "at", "forecasts", "held", "half width", "contests", "named", "right")
    for line in dict.fromkeys(one.line for one in checks):
        for factor in FACTORS:
            held = [one for one in checks if (one.line, one.factor) == (line, factor)]
            asked = [one for one in contests if (one.line, one.factor) == (line, factor)]
            said = [one for one in asked if one.named is not None]
            if held:
                table.add_row(
                    line, f"{factor} ×", str(len(held)), f"{fmean(one.holds for one in held):.0%}",
                    f"{median((one.high - one.low) / 2 for one in held):.2g}", str(len(asked)), str(len(said)),
                    f"{fmean(one.named == one.truth for one in said):.0%}" if said else "–",
                )  # fmt: skip
    CONSOLE.__class__(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
