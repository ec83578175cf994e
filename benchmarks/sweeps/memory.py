"""Whether trials that run at once share one copy of their data, by what Linux says of their memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import CONSOLE, Broken, Line, Skipped, workplace

from sweeps.runs import at_once, broken, choice, journal, on_ray, place, place_of_data, sweeping

TRIALS, FEW = 4, 2  # at once; with --quick
PATIENCE = 400.0  # seconds until all trials have validated
NOTE = (
    "{trials} trials at once of experiment=cnn, once each has trained and validated: of the files of the two splits, "
    "the sum over the trials of what each holds (Pss of its mapping; the whole file where it has no mapping and so has "
    "read it into memory of its own), divided by what one touches (the largest Rss, or the whole file). 1 is one copy"
)


def new_line() -> Line:
    made = Line(part="sweeps", name="memory of the data", what="held by 4 trials ÷ one copy", target=1.1, above=False)
    made.samples_unit = "×"
    return made


def compare(line: Line, *, repetitions: int, quick: bool) -> None:
    if sys.platform != "linux":
        raise Skipped(f"{sys.platform} has no /proc/PID/smaps; Linux has")
    data, small = place_of_data("cnn", "images", quick=quick)
    files = sorted([*data.glob("*_train.npy"), *data.glob("*_val.npy")])
    every, count = (100, FEW) if quick else (10_000, TRIALS)
    words = [
        "experiment=cnn", "budget='1_000_000 samples'", f"validate_every='{every} samples'", "tracking=none",
        "trainer.progress=false", "trainer.accelerator=cpu", "hydra/sweeper/scheduler=fifo", *at_once(count),
        choice("optimizer.lr", [0.05, 0.1, 0.2, 0.4][:count]), *small, *(["net.width=8"] if quick else []),
    ]  # fmt: skip
    with workplace() as folder:
        for i in range(repetitions):
            here = place(folder / str(i), data)
            given = [*on_ray(here), *words]
            with sweeping(given, here) as process:
                wait(process, given, here, count)
                held = [holdings(pid, files) for pid in trials(process.pid, here, count)]
            value, mapped = copies(held, files)
            line.ours.append(value)
            line.more.update(mapped=mapped, megabytes=sum(file.stat().st_size for file in files) / 1e6)
            CONSOLE.print(f"  copies of the data: {i + 1}/{repetitions}   {value:.2f}")
    line.value = statistics.median(line.ours)
    line.note = NOTE.format(trials=count)
    line.command = f"quartet train -m hydra/sweeper=ray {' '.join(words)}"


def wait(process: subprocess.Popen[bytes], words: list[str], folder: Path, count: int) -> None:
    """Until every trial has reported, and so has read both splits."""
    end = time.monotonic() + PATIENCE
    while len({event["trial"] for event in journal(folder) if event["event"] == "report"}) < count:
        if process.poll() is not None or time.monotonic() > end:
            raise broken(words, folder, process.poll())
        time.sleep(0.2)


def trials(driver: int, folder: Path, count: int) -> list[int]:
    """The processes in which a sweep's trials run: those that write their logs."""
    import psutil

    logs = {str(folder / "sweep" / str(number) / "trial.log") for number in range(count)}
    below = psutil.Process(driver).children(recursive=True)
    found = [one.pid for one in below if logs & {file.path for file in one.open_files()}]
    if len(found) != count:
        raise Broken(f"{len(found)} processes of trials were found, not {count}")
    return found


Holding = dict[Path, tuple[int, int]]  # Pss and Rss, bytes


def holdings(pid: int, files: list[Path]) -> Holding:
    """Of the files that the process has mapped, what of it is its share and what it has touched."""
    import psutil

    maps = psutil.Process(pid).memory_maps(grouped=True)
    return {Path(one.path): (one.pss, one.rss) for one in maps if Path(one.path) in files}


def copies(held: list[Holding], files: list[Path]) -> tuple[float, list[str]]:
    """How many copies of what one trial touches they hold together, and the names of the files that are mapped."""
    shares = touched = 0
    for file in files:
        size = file.stat().st_size
        shares += sum(one[file][0] if file in one else size for one in held)
        touched += max(one[file][1] if file in one else size for one in held)
    return shares / touched, sorted({file.name for one in held for file in one})
