"""The calibration of forecasts counts rightly, trains real runs, and goes on where it was stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # its files import each other as a script's do

import calibration  # noqa: E402

EPOCHS = (1, 2, 4, 8, 16, 32, 64)


def scores(start: float, rate: float, draw: np.random.Generator) -> dict[int, list[float]]:
    return {at: [1 - start * at**-rate + 0.002 * draw.standard_normal() for _ in range(3)] for at in EPOCHS}


def test_each_budget_is_forecast_from_those_up_to_an_eighth_and_a_quarter_of_it() -> None:
    draw = np.random.default_rng(0)
    nets = {("line", "fast"): scores(0.5, 0.2, draw), ("line", "slow"): scores(0.8, 0.5, draw)}
    checks, contests = calibration.checked(nets, {"line": "max"})
    seen = [(4, 4), (4, 8), (8, 4), (8, 8), (16, 4)]
    assert [(one.largest, one.factor) for one in checks if one.net == "fast"] == seen
    assert [(one.largest, one.factor) for one in contests] == seen
    for one in checks:
        assert one.truth == pytest.approx(np.mean(nets["line", one.net][one.largest * one.factor]))
    assert sum(one.holds for one in checks) >= 9
    assert all(one.truth == "slow" for one in contests)
    assert contests[-1].named == "slow"


def test_a_missed_interval_and_a_wrong_winner_count() -> None:
    draw = np.random.default_rng(0)
    nets = {("line", "fast"): scores(0.5, 0.2, draw), ("line", "slow"): scores(0.8, 0.5, draw)}
    nets["line", "slow"][64] = [0.2, 0.2, 0.2]  # it diverges at last, which no law foresees
    checks, contests = calibration.checked(nets, {"line": "max"})
    assert [one.holds for one in checks if (one.net, one.largest * one.factor) == ("slow", 64)] == [False, False]
    assert (contests[-1].named, contests[-1].truth) == ("slow", "fast")


@pytest.mark.slow
def test_it_works_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def start(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / "calibration.py"), *words], cwd=tmp_path, check=True,
            capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=500,
        )  # fmt: skip

    words = (
        "--nets",
        "mlp",
        "--epochs",
        "1,2",
        "--seeds",
        "1",
        "match.parameters=null",
        "data.loading.limit_train=200",
    )
    start(*words)
    runs = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/calibration/mnist1d/*/run.json")}
    assert len(runs) == 2
    start(*words, "--seeds", "2")
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/calibration/mnist1d/*/run.json")}
    assert len(after) == 4
    assert after.items() >= runs.items(), "a run that had ended was trained again"
    (of,) = json.loads((tmp_path / "reports" / "calibration.json").read_text())["runs"]
    assert {at: len(scores) for at, scores in of["scores"].items()} == {"1": 2, "2": 2}
