"""Try findings at once: train a few steps on made-up data, measure and conclude. Shows that all works, decides nothing.

Nothing is fetched, no DVC and no MLflow is asked, and the runs go to a folder of their own.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from quartet.report.findings import Concluded
from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose, compose_group
from quartet_app.config.overrides import as_value
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import constants
from quartet_app.config.table.axes import Point
from quartet_app.config.table.findings import Finding, Runs, finding_ids, finding_points, read_finding
from quartet_app.data.made_up import OWN, made_up
from quartet_app.findings.conclude import conclude, write_reports
from quartet_app.findings.measure import measured, write_measured
from quartet_app.findings.trained import load
from quartet_app.near import did_you_mean
from quartet_app.progress import Steps
from quartet_app.run.build import nets_of

SEEDS = (0, 1)
FEW = {"budget": "2 steps", "validate_every": "1 steps"}
EXAMPLES, SENTENCES = 480, 300  # images and series; sentences of texts and pairs
CONTEXT = 64  # tokens of a window
JUDGED = {"samples": 40, "test_samples": 64}  # images that a generator is judged by
WIDTH = 16  # of a net, where nets have one size


def run_quick(folder: Path, *, only: Sequence[str]) -> list[Concluded]:
    """Try all findings, or `only` some, in `folder`, and write its reports/; returns them with their verdicts."""
    for name in only:
        if name not in finding_ids():
            raise QuartetError(f"--only {name}: no such finding; {did_you_mean(name, finding_ids())}")
    findings = [read_finding(name) for name in finding_ids() if name in only or not only]
    experiments = {runs.experiment for finding in findings for runs in finding.runs.values()}
    plain = {name: compose([f"experiment={name}"]) for name in sorted(experiments)}
    shortened = {finding.id: shorten(finding) for finding in findings}
    points = finding_points(shortened.values(), plain)
    needed = {point.name: point for runs in points.values() for found in runs.values() for point in found}
    with Steps(title="quick") as progress:
        for count, (point, seed) in enumerate(itertools.product(needed.values(), SEEDS), 1):
            train_quickly(point, seed, folder)
            progress("runs", count, len(needed) * len(SEEDS))
        for count, finding in enumerate(findings, 1):
            measure_quickly(finding, points[finding.id], folder)
            progress("measurements", count, len(findings))
    concluded = [conclude(finding, folder / "measured" / finding.id) for finding in findings]
    write_reports(concluded, folder / "reports")
    return concluded


def shorten(finding: Finding) -> Finding:
    """Return the finding with the first and the last value of each axis alone."""
    runs = {
        name: Runs(of.experiment, of.overrides, {key: [values[0], values[-1]] for key, values in of.axes.items()})
        for name, of in finding.runs.items()
    }
    return Finding(**{**vars(finding), "runs": runs})


def train_quickly(point: Point, seed: int, folder: Path) -> None:
    """Train and evaluate a point for a few steps on made-up data, unless `folder` has it."""
    from quartet_app.run.evaluate import evaluate
    from quartet_app.run.train import train

    run = folder / point.name / str(seed)
    if (run / "evaluate" / "metrics.json").exists():
        return
    config = quick_config(point, seed, folder)
    check(config)
    with contextlib.redirect_stdout(io.StringIO()):  # the lines of so many runs that mean nothing
        train(config, folder=run / "train")
        evaluate(run / "train", out=run / "evaluate", costs=False)


def quick_config(point: Point, seed: int, folder: Path) -> Config:
    """Return the resolved configuration of a point, shortened, with small nets and made-up data of the same kind."""
    config = copy.deepcopy(composed(f"experiment={point.experiment}", *point.overrides))
    kind = str(constants(config["data"]["source"]["_target_"])["KIND"])
    config["data"]["source"] = own_source(kind, folder / "made_up")
    config["data"]["name"] = f"made_up_{kind}"
    loading = config["data"]["loading"]
    loading["batch_size"] = OWN[kind].batch
    if loading.get("context"):
        loading["context"] = min(loading["context"], CONTEXT)
    config["task"] |= {key: value for key, value in JUDGED.items() if key in config["task"]}
    config["trainer"] |= {"threads": 1, "progress": False, "accelerator": "cpu", "devices": 1}
    config["tracking"] = untracked()
    if any(config["match"].values()):  # to look for widths would take longer than all the rest
        config["match"] = dict.fromkeys(config["match"])
        for net in nets_of(config).values():
            net["width"] = min(net["width"], WIDTH)
    return {**config, **FEW, "experiment": point.name, "seed": seed}


@cache
def composed(*overrides: str) -> Config:
    """Return the resolved configuration of a point's overrides, composed once for all seeds."""
    return compose(overrides)


@cache
def untracked() -> Config:
    """Return the configuration of no tracking."""
    return compose_group("tracking", "none")


@cache
def own_source(kind: str, folder: Path) -> Config:
    """Return the configuration of a source of made-up data of a kind, which lie in `folder`."""
    option, settings = made_up(kind, folder, count=EXAMPLES, sentences=SENTENCES)
    overrides = [f"data.source.{key}={as_value(value)}" for key, value in {**settings, **OWN[kind].few}.items()]
    source: Config = compose_group("data", option, overrides)["source"]
    return source


def measure_quickly(finding: Finding, points: Mapping[str, Sequence[Point]], folder: Path) -> None:
    """Measure a finding on its quick runs, with its quick settings."""
    runs = {
        name: [load(folder / point.name / str(seed), dict(point.values)) for point in found for seed in SEEDS]
        for name, found in points.items()
    }
    measure: dict[str, Any] = {**finding.measure, **finding.quick}
    write_measured(measured(measure, runs), runs, folder / "measured" / finding.id)
