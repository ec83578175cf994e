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

from quartet_app.fork_server import ADDRESS, fork_server

IMPORTED = "sndhdr_of_nobody"  # a module that the server has imported, and a stage never would
STAGE = f"""
import os, signal, sys, time
from quartet.types import QuartetError
from quartet_app import cli

def main(arguments):
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
    return next(child for child in children if "quartet_app.fork_server" in child.cmdline())


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

    def test_an_interrupt_of_the_group_reaches_the_fork_once(self, stage: Stage, tmp_path: Path) -> None:
        waiting = stage("wait")
        started(tmp_path)
        os.killpg(waiting.pid, signal.SIGINT)
        assert result(waiting)[1:] == ("interrupted\n", 130)

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

    def test_other_threads_or_edited_code_run_alone(self, stage: Stage, tmp_path: Path) -> None:
        assert result(stage())[0].startswith("forked")
        assert result(stage(OMP_NUM_THREADS="2"))[0].startswith("alone")
        with open(tmp_path / "src/quartet_app/files.py", "a") as file:
            file.write("# edited\n")
        assert result(stage())[0].startswith("alone")


def test_nothing_is_started_for_no_modules(tmp_path: Path) -> None:
    with fork_server((), threads=1, folder=tmp_path) as variables:
        assert ADDRESS not in variables
