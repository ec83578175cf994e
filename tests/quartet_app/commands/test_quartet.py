"""The command `quartet`: quick to answer, the same from any folder of a project, and with a user's own conf/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from running import QUARTET, ROOT, command, only_run

from quartet_app.commands import COMMANDS

Small = Callable[..., list[str]]


def quartet(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return command(*arguments, cwd=cwd, check=False)


def test_every_command_says_what_it_is_for(tmp_path: Path) -> None:
    shown = quartet("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in shown.stdout
        one = quartet(name, "--help", cwd=tmp_path)
        assert (one.returncode, one.stderr) == (0, "")
        assert f"quartet {name}" in one.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["trian"], 2, "quartet trian: no such command; did you mean train?"),
        (["train", "sweep=cnn"], 2, "sweep=cnn: a sweep is many runs; add --multirun"),
        (["grid", "--jobs", "0"], 2, "--jobs: given 0, needs at least 1"),
        (["evaluate", "nowhere"], 2, "nowhere holds no finished run"),
        (["--version"], 0, ""),
    ],
)
def test_a_mistake_is_said_in_a_line_and_by_its_code(arguments: list[str], code: int, said: str) -> None:
    done = quartet(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize("arguments", [["--help"], ["trian"], ["grid", "--jobs", "0"], ["predict", "--help"]])
def test_help_and_mistakes_are_quick(arguments: list[str], tmp_path: Path) -> None:
    def seconds() -> float:
        begun = time.perf_counter()
        quartet(*arguments, cwd=tmp_path)
        return time.perf_counter() - begun

    seconds()  # once for the file cache and .pyc files
    assert min(seconds() for _ in range(5)) < 0.5


@pytest.mark.slow
def test_runs_lie_in_the_project_wherever_the_command_was_typed(small: Small, tmp_path: Path, own: Path) -> None:
    (tmp_path / "conf" / "net").mkdir(parents=True)
    (tmp_path / "conf" / "net" / "mine.yaml").write_text((ROOT / "conf" / "net" / "mlp.yaml").read_text())
    below = tmp_path / "notes" / "today"
    below.mkdir(parents=True)
    shutil.copyfile(own / "images.npz", below / "images.npz")
    words = [word for word in small("cnn") if "data.source.file" not in word and not word.startswith("net.")]
    typed = [*words, "net=mine", "data.source.file=images.npz"]
    explained = quartet("train", *typed, "--explain", "net._target_", cwd=below)
    assert "conf/net/mine.yaml" in explained.stdout, explained.stderr
    trained = quartet("train", *typed, cwd=below)
    assert trained.returncode == 0, trained.stderr
    run = only_run(tmp_path)
    assert yaml.safe_load((run / "config.yaml").read_text())["net"]["_target_"] == "quartet.nets.MLP"
    assert not (below / "runs").exists()
    evaluated = quartet("evaluate", os.path.relpath(run, below), cwd=below)
    assert evaluated.returncode == 0, evaluated.stderr
    assert (run / "evaluate" / "metrics.json").exists()
    assert f"{run.name}" in quartet("trace", run.name, cwd=below).stdout


def test_another_clones_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "src" / "quartet_app").mkdir(parents=True)
    (tmp_path / "src" / "quartet_app" / "__init__.py").touch()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("net: null\n")
    done = quartet("train", "experiment=cnn", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path}: this is a clone, but the command runs the code of another")
    assert "make install" in done.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("quartet tr", {"train", "trace"}),
        ("quartet train experiment=mnist1d_r", {"experiment=mnist1d_rnn"}),
        ("quartet train experiment=cnn net.wid", {"net.width="}),
        ("quartet grid --jo", {"--jobs"}),
    ],
)
def test_a_shell_completes_commands_flags_and_overrides(line: str, expected: set[str], tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    asked = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " ",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answers),
    }
    subprocess.run([*QUARTET], env={**os.environ, **asked}, cwd=tmp_path, check=False, timeout=60)
    assert {word.strip() for word in answers.read_text().split("\n") if word.strip()} == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed(shell: str) -> None:
    assert "quartet" in quartet("completion", shell).stdout


def test_the_old_way_of_training_goes_on_working(small: Small, tmp_path: Path) -> None:
    stage = [sys.executable, str(ROOT / "pipelines" / "train.py")]
    done = subprocess.run([*stage, *small("cnn")], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert only_run(tmp_path).name.startswith("cnn-0-")
