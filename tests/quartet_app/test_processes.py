"""Processes that end with their parent, whatever that one dies of."""

from __future__ import annotations

import subprocess
import sys

import psutil
from running import ROOT

CHILD = """
import os, sys, time
from quartet_app.processes import die_with_parent
die_with_parent(int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid())
print(os.getpid(), flush=True)
time.sleep(60)
"""
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); time.sleep(60)"


def start(*arguments: str) -> subprocess.Popen[str]:
    env = {"PYTHONPATH": str(ROOT / "src")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", *arguments], env=env, text=True, **pipes)  # type: ignore[call-overload]


def test_a_child_does_not_outlive_a_parent_that_is_killed() -> None:
    with start(PARENT) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        child.wait(10)


def test_a_child_whose_parent_died_before_ends_at_once() -> None:
    with start(CHILD, "1") as child:  # its parent is this process, as if the one that started it were gone
        assert child.communicate(timeout=60) == ("", "")
        assert child.returncode == 1


def test_the_system_is_asked_in_one_place() -> None:
    asking = [path.name for path in (ROOT / "src").rglob("*.py") if "PR_SET_PDEATHSIG" in path.read_text()]
    assert asking == ["processes.py"]
