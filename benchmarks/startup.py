"""What a person waits for when there is nothing to do: dvc, --help, an error in the configuration."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import CONSOLE, Broken, Line, Skipped, alternate

ROOT = Path(__file__).resolve().parent.parent
TRAIN = (sys.executable, "-m", "quartet_app", "train")  # the command `quartet train`, by this Python
DVC_TARGET, LIGHT_TARGET = 2.0, 1.5  # seconds
LIGHT = {
    "--help": (["--help"], 0),
    "a wrong key": (["experiment=cnn", "net.widht=3"], 2),
    "a wrong type": (["experiment=cnn", "net.width=wide"], 2),
    "an impossible combination": (["experiment=cnn", "trainer=ddp", "data.loading.batch_size=127"], 2),
}


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    yield nothing_to_do(repetitions=repetitions)
    for name, (arguments, code) in LIGHT.items():
        command = [*TRAIN, *arguments]
        line = Line(
            part="startup", name=name, what="wall", unit="s", target=LIGHT_TARGET, above=False, samples_unit="s"
        )
        try:
            timed(command, code=code)()  # once for the file cache and .pyc files
            (line.ours,) = alternate(
                timed(command, code=code), repetitions=repetitions, title=f"seconds, {name}", show="{:.2f}"
            )
        except Exception as error:
            line.explain(error)
            yield line
            continue
        line.value = statistics.median(line.ours)
        line.command = " ".join(["quartet", "train", *arguments])
        line.note = "from start to exit of the process"
        yield line


def nothing_to_do(*, repetitions: int) -> Line:
    line = Line(part="startup", name="dvc repro, nothing to do", what="less dvc version", unit="s", above=False)
    line.target, line.samples_unit, line.command = DVC_TARGET, "s", "dvc repro; dvc version"
    try:
        repro, version = timed([find_dvc(), "repro"]), timed([find_dvc(), "version"])
        line.ours, line.theirs = alternate(
            repro, version, repetitions=repetitions, title="seconds, dvc repro · dvc version", show="{:.2f}"
        )
    except Skipped as reason:
        line.note = f"skipped: {reason}"
        return line
    line.value = statistics.median(line.ours) - statistics.median(line.theirs)
    line.note = "the difference of the medians"
    return line


def find_dvc() -> str:
    """Where dvc is, if there is nothing for it to do."""
    beside = Path(sys.executable).with_name("dvc")
    dvc = str(beside) if beside.exists() else shutil.which("dvc")
    if dvc is None:
        raise Skipped("dvc is not installed: pip install -e '.[pipeline]'")
    if not (ROOT / "dvc.lock").exists():
        raise Skipped("nothing has been reproduced here: make run, then make bench")
    status = subprocess.run([dvc, "status", "--quiet"], cwd=ROOT, capture_output=True, check=False)
    if status.returncode != 0:
        raise Skipped("dvc status shows something to do: make run, then make bench")
    return dvc


def timed(command: list[str], *, code: int = 0) -> Callable[[], float]:
    """Return a call that gives the seconds that a command takes; it raises Broken at another exit code than `code`."""

    def run() -> float:
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
        taken = time.perf_counter() - began
        if done.returncode != code:
            CONSOLE.print(f"  {' '.join(command)} ended with {done.returncode}, not {code}:\n{done.stderr[-1000:]}")
            raise Broken(f"{' '.join(command[1:])} ended with {done.returncode}, not {code}")
        return taken

    return run
