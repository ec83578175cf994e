"""Evaluate a trained run on the test split. No other code reads that split."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import Evidence, QuartetError
from quartet_app.config.resolved import load_run_config
from quartet_app.files import make_folder, whole_file, write_text
from quartet_app.progress import Steps

if TYPE_CHECKING:
    from quartet.tracking import Tracker


def evaluate(folder: Path, *, out: Path, costs: bool | None = None) -> dict[str, float]:
    """Evaluate the run in `folder`; write metrics.json, evidence.npz, evidence.json, cost.json and plots/ to `out`.

    Returns the metrics by name, as "test/accuracy". `costs`: whether to measure what serving costs; None leaves that to
    the environment. QuartetError for an unfinished run or for changed data.
    """
    import torch

    from quartet_app.data.prepared import ensure
    from quartet_app.run.build import build_data, build_task, load_model, method_class
    from quartet_app.run.costs import costs_of, wanted
    from quartet_app.run.verify import verify_run

    measures = wanted() if costs is None else costs
    missing = [name for name in ("config.yaml", "model.safetensors", "run.json") if not (folder / name).exists()]
    if missing:
        raise QuartetError(f"{folder} holds no finished run: it lacks {missing[0]}\ntrain it first: quartet train")
    config = load_run_config(folder)  # refuses what names code or places: that comes before what was changed
    facts = verify_run(folder)
    data = build_data(config, ensure(config["data"], full=True))
    if data.digest != facts["data_digest"]:
        raise QuartetError(
            f"{folder} was trained on data {facts['data_digest'][:12]}, the prepared data is {data.digest[:12]}"
        )
    task = build_task(config)
    model = load_model(folder, config, task, data)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with Steps(title=f"{facts['experiment']} (seed {facts['seed']})") as progress:
        evidence = task.evaluate(model.to(device), data, split="test", device=device, progress=progress)
    if found := task.guess(data, evidence, split="test"):
        evidence.texts["guess"] = found
    serving = costs_of(folder, method_class(config).predictor(model), measures=measures)
    write_evidence(evidence, facts, out, costs=serving)
    metrics = {f"test/{name}": value for name, value in evidence.metrics.items()}
    track_evaluation(config, facts, folder=folder, out=out)
    print(f"{facts['experiment']} (seed {facts['seed']}): " + ", ".join(f"{k} {v:.4g}" for k, v in metrics.items()))
    return metrics


def write_evidence(evidence: Evidence, facts: dict[str, Any], out: Path, *, costs: dict[str, Any]) -> None:
    """Write the metrics, the arrays and texts that the report shows, and the costs of serving to `out`.

    metrics.json is deleted first and written last: where it is, the evaluation is whole.
    """
    import numpy as np

    make_folder(out / "plots")
    (out / "metrics.json").unlink(missing_ok=True)
    with whole_file(out / "evidence.npz") as part, part.open("wb") as file:
        np.savez_compressed(file, **evidence.arrays)  # type: ignore[arg-type]
    write_text(out / "evidence.json", json.dumps(evidence.texts, indent=1, ensure_ascii=False) + "\n")
    write_text(out / "cost.json", json.dumps(costs, indent=1, ensure_ascii=False) + "\n")
    write_metrics(evidence.metrics, out / "plots" / "metrics.csv")
    confusion = evidence.arrays.get("confusion")
    if confusion is not None:
        write_confusion(confusion, evidence.texts["classes"], out / "plots" / "confusion.csv")
    metrics = {**facts["metrics"], **{f"test/{name}": value for name, value in evidence.metrics.items()}}
    write_text(out / "metrics.json", json.dumps(metrics, indent=1) + "\n")


def write_metrics(metrics: dict[str, float], path: Path) -> None:
    """Write one row a metric, for DVC's bar template (x: value, y: metric), so that every task has a plot."""
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("metric", "value"), *metrics.items()])


def write_confusion(confusion: Any, classes: list[str], path: Path) -> None:
    """Write a confusion matrix (classes × classes, counts) with a row for each example: DVC's template needs that."""
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("actual", "predicted"))
        for actual, row in zip(classes, confusion, strict=True):
            for predicted, count in zip(classes, row, strict=True):
                writer.writerows([(actual, predicted)] * int(count))


def track_evaluation(config: dict[str, Any], facts: dict[str, Any], *, folder: Path, out: Path) -> None:
    """Add the evaluation in `out` to the run that training opened."""
    from hydra.utils import instantiate

    from quartet_app.run.unsent import say_what_was_lost

    if facts["mlflow_run_id"]:
        tracker = instantiate(config["tracking"])
        log_evaluation(tracker, facts, folder=folder, out=out)
        say_what_was_lost(tracker, folder)


def log_evaluation(
    tracker: Tracker, facts: dict[str, Any], *, folder: Path, out: Path, known: Mapping[str, float] | None = None
) -> None:
    """Log the test metrics, figures and evidence of the evaluation in `out`, but for metrics that are `known`."""
    from quartet.report import figures
    from quartet_app.run.costs import tracked
    from quartet_app.run.results import load_run

    run_id, run = facts["mlflow_run_id"], load_run(folder, out)
    tested = {name: value for name, value in run.record["metrics"].items() if name.startswith("test/")}
    found = {**tested, **tracked(run.record["cost"])}
    new = {name: value for name, value in found.items() if name not in (known or {})}
    if new:
        tracker.metrics(run_id, new, step=facts["samples_at_best"])
    for name in ("metrics.json", "evidence.json", "cost.json"):
        if (out / name).exists():  # an evaluation of an early version has no costs
            tracker.artifact(run_id, out / name, folder="evaluate")
    for name, figure in figures(run).items():
        tracker.figure(run_id, f"figures/{name}.png", figure)
