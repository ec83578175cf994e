"""What an evaluation leaves, and what the report reads of it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from running import curve, facts, only_run

from quartet.report.comparing.caution import guess
from quartet.report.run import ExperimentRuns
from quartet.types import QuartetError
from quartet_app.config.composing import compose
from quartet_app.config.resolved import load_config
from quartet_app.run.evaluate import evaluate
from quartet_app.run.results import load_run, read_curve
from quartet_app.run.train import train

Small = Callable[..., list[str]]


def test_an_evaluation_is_written_down_and_read_by_the_report(small: Small, here: Path) -> None:
    train(compose(small("cnn")))
    folder, out = only_run(here), here / "evaluated"
    metrics = evaluate(folder, out=out)
    assert {name.split("/")[0] for name in metrics} == {"test"}
    run = load_run(folder, out)
    assert run.metrics == {**facts(folder)["metrics"], **metrics}
    assert run["seed"] == 0
    assert run["config"] == load_config(folder / "config.yaml")
    for split, rows in (("train", run.train), ("val", run.val)):
        wanted = [
            {key: float(row[key]) for key in row if row[key] and key != "objective"} for row in curve(folder, split)
        ]
        assert rows == wanted
    with np.load(out / "evidence.npz") as arrays:
        assert run.arrays.keys() == set(arrays)
    assert run.texts == json.loads((out / "evidence.json").read_text())
    plotted = dict(csv.reader((out / "plots" / "metrics.csv").read_text().splitlines()))
    assert plotted.pop("metric") == "value"
    assert {f"test/{name}": float(value) for name, value in plotted.items()} == metrics
    header, *pairs = csv.reader((out / "plots" / "confusion.csv").read_text().splitlines())
    assert header == ["actual", "predicted"]
    classes = run.texts["classes"]
    counts = Counter((actual, predicted) for actual, predicted in pairs)
    found = [[counts[actual, predicted] for predicted in classes] for actual in classes]
    assert found == run.arrays["confusion"].tolist()
    assert len(pairs) > 0


@pytest.mark.parametrize("experiment", ["rnn", "transformer", "gan"])
def test_an_evaluation_tells_what_a_guess_reaches(experiment: str, small: Small, here: Path) -> None:
    train(compose(small(experiment)))
    metrics = evaluate(only_run(here), out=here / "evaluated")
    told = json.loads((here / "evaluated" / "evidence.json").read_text())["guess"]
    assert f"test/{told['metric']}" in metrics
    assert np.isfinite(told["value"])
    assert told["by"]
    found = guess(ExperimentRuns((load_run(only_run(here), here / "evaluated"),)))
    assert found is not None
    assert found.score == metrics[f"test/{told['metric']}"]
    if experiment == "gan":
        assert (found.low, found.high) == (None, None)
    else:
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.score <= found.high
        assert not found.better, "after six steps"


def test_a_row_of_a_curve_has_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("samples,loss,accuracy,objective\n8,0.5,,0.5\n16,0.25,0.75,0.25\n")
    assert read_curve(tmp_path / "val.csv") == [
        {"samples": 8.0, "loss": 0.5},
        {"samples": 16.0, "loss": 0.25, "accuracy": 0.75},
    ]


@pytest.mark.parametrize("lacking", ["config.yaml", "model.safetensors", "run.json"])
def test_a_run_that_lacks_a_file_is_refused(lacking: str, tmp_path: Path) -> None:
    for name in {"config.yaml", "model.safetensors", "run.json"} - {lacking}:
        (tmp_path / name).touch()
    with pytest.raises(QuartetError, match=f"holds no finished run: it lacks {lacking}"):
        evaluate(tmp_path, out=tmp_path / "evaluated")
    assert not (tmp_path / "evaluated").exists()
