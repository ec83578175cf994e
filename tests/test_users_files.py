"""Tests read and write copies: what a person has made in the checkout stays as it is, and changes no test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import environment
from tracked import copy_tracked

QUICK = [
    "tests/quartet_app/config/test_compose.py",
    "tests/quartet_app/config/test_conf_tree.py",
    "tests/quartet_app/run/test_clipping.py",
    "tests/quartet_app/sweep/test_sweep.py::test_the_winners_file_composes_the_winning_config",
    "tests/tasks/test_task_configs.py",
]
MADE = {
    "conf/tuned/cnn.yaml": "# @package _global_\nnet: {width: 24}\ntuned_from: runs/multirun/a/0\n",
    "conf/experiment/mine.yaml": "# @package _global_\ndefaults:\n  - cnn\n  - _self_\nexperiment: mine\n",
    "conf/net/mine.yaml": "_target_: my.Net\n",
    "runs/cnn-0-0123456789ab/run.json": "{}",
    "mine/params.yaml": yaml.safe_dump({"experiments": ["mine"], "seeds": [0], "profile": "laptop"}),
    "mine/results/mine-0.json": "{}",
    "mlflow.db": "a store",
    "mlruns/0/meta.yaml": "name: mine\n",
}


@pytest.mark.slow
def test_what_a_person_has_made_changes_no_test_and_is_not_touched(tmp_path: Path) -> None:
    project = copy_tracked(tmp_path / "project", ".")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    for name, text in MADE.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    before = contents(project)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *QUICK],
        cwd=project, env=environment(project), capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert contents(project) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below `folder` but git's own and byte code."""
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in sorted(names.items())
        if not name.startswith(".git/") and "__pycache__" not in name
    }
