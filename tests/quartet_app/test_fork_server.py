"""Stages that run as forks of one process: the same as by themselves, whatever happens to either."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from running import ROOT

from quartet_app.forking import ADDRESS, fork_server

IMPORTED = "sndhdr_of_nobody"  # a module that the server has imported, and a stage never would
STAGE = f"""
import os, signal, sys, time
from quartet.types import QuartetError
from quartet_app import cli

def main(arguments):
    if "say" in arguments:
        print(sys.orig_argv[1:], sys.path[0], file=sys.stderr)
    print("forked" if "{IMPORTED}" in sys.modules else "alone", os.getcwd(), os.environ["SAID"], *arguments, flush=True)
    if "refuse" in arguments:
        raise QuartetError("refused")
    if "wait" in arguments:
        with open("pid.part", "w") as file:
            file.write(str(os.getpid()))
        os.rename("pid.part", "pid")
        time.sleep(60)
    if "die" in arguments:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that starts a stage with arguments, in a process group of its own, beside a server that can fork it.
    All of it runs a copy of the code."""
    shutil.copytree(ROOT / "src", tmp_path / "src")
    for folder, name, content in (("pipelines", "stage", STAGE), ("src", IMPORTED, "")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.py").write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", "SAID": "this", **served, **variables}
        return subprocess.Popen(
            [sys.executable, "pipelines/stage.py", *arguments], cwd=tmp_path, env=env, text=True, process_group=0,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    with fork_server((IMPORTED, "numpy", "quartet_app.cli"), threads=1, folder=tmp_path) as served:
        yield start


def result(process: subprocess.Popen[str]) -> tuple[str, str, int]:
    output, errors = process.communicate(timeout=60)
    return output, errors, process.returncode


def started(folder: Path) -> psutil.Process:
    """Wait until the stage that waits has begun; returns the process that runs its code."""
    for _ in range(600):
        if (folder / "pid").exists():
            return psutil.Process(int((folder / "pid").read_text()))
        time.sleep(0.05)
    raise AssertionError("it did not begin")


def server() -> psutil.Process:
    """The server that this test started."""
    children = psutil.Process().children()
    return next(child for child in children if "quartet_app.forking.server" in child.cmdline())


Stage = Callable[..., subprocess.Popen[str]]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, no stage runs as a fork")
class TestForks:
    def test_a_fork_has_arguments_folder_environment_and_streams_of_the_stage(
        self, stage: Stage, tmp_path: Path
    ) -> None:
        for said in ("this", "that"):
            assert result(stage("a b", SAID=said)) == (f"forked {tmp_path} {said} a b\n", "", 0)

    def test_a_fork_ends_with_its_own_code(self, stage: Stage, tmp_path: Path) -> None:
        assert result(stage("refuse"))[1:] == ("refused\n", 2)
        assert result(stage("die"))[2] == 128 + signal.SIGKILL

    def test_a_fork_knows_the_command_line_and_the_path_of_its_stage(self, stage: Stage, tmp_path: Path) -> None:
        told = result(stage("say"))[1]
        assert told == f"{['pipelines/stage.py', 'say']} {tmp_path / 'pipelines'}\n"

    @pytest.mark.parametrize("to_group", [True, False])
    def test_an_interrupt_of_the_stage_reaches_the_fork(self, stage: Stage, tmp_path: Path, to_group: bool) -> None:
        waiting = stage("wait")
        started(tmp_path)
        (os.killpg if to_group else os.kill)(waiting.pid, signal.SIGINT)
        assert result(waiting)[1:] == ("interrupted\n", 130)

    def test_a_hangup_of_all_processes_is_for_the_stage(self, stage: Stage, tmp_path: Path) -> None:
        waiting = stage("wait")
        started(tmp_path)
        for process in (server().pid, waiting.pid):
            os.kill(process, signal.SIGHUP)
        assert result(waiting)[2] == 129
        assert result(stage("after"))[0].startswith("forked")

    def test_a_fork_ends_with_the_stage_that_waits_for_it(self, stage: Stage, tmp_path: Path) -> None:
        waiting = stage("wait")
        fork = started(tmp_path)
        assert fork.pid != waiting.pid
        waiting.kill()
        fork.wait(10)
        waiting.communicate()
        assert result(stage("after"))[0].startswith("forked")

    def test_a_fork_does_not_outlive_the_server(self, stage: Stage, tmp_path: Path) -> None:
        waiting = stage("wait")
        fork = started(tmp_path)
        server().kill()
        _, errors, code = result(waiting)
        assert (code, "the same command runs it again" in errors) == (1, True)
        fork.wait(10)
        assert result(stage("after"))[0].startswith("alone"), "without a server, a stage runs by itself"

    @pytest.mark.parametrize(
        "variables",
        [{"OMP_NUM_THREADS": "2"}, {"PYTHONHASHSEED": "1"}, {"PYTHONWARNINGS": "error"}, {"PYTHONOPTIMIZE": "1"}],
    )
    def test_what_a_fork_cannot_change_runs_alone(self, stage: Stage, variables: dict[str, str]) -> None:
        assert result(stage(**variables))[0].startswith("alone")

    def test_edited_code_runs_alone(self, stage: Stage, tmp_path: Path) -> None:
        assert result(stage())[0].startswith("forked")
        with open(tmp_path / "src/quartet_app/files.py", "a") as file:
            file.write("# edited\n")
        assert result(stage())[0].startswith("alone")


def test_nothing_is_started_for_no_modules(tmp_path: Path) -> None:
    with fork_server((), threads=1, folder=tmp_path) as variables:
        assert ADDRESS not in variables


@pytest.mark.parametrize("modules", [("no_such_module_at_all",), (IMPORTED, "quartet_app.cli")])
def test_a_stage_runs_without_a_server_that_cannot_be(
    modules: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 30)))  # too long for a socket's name
    if "no_such" in modules[0]:
        monkeypatch.delenv("TMPDIR")
    else:
        (tmp_path / ("long" * 30)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "stage.py").write_text(STAGE)
    with fork_server(modules, threads=1, folder=tmp_path) as variables:
        done = subprocess.run(
            [sys.executable, "pipelines/stage.py"], cwd=tmp_path, env={**os.environ, "SAID": "this", **variables},
            capture_output=True, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stdout.split()[0]) == (0, "alone")
