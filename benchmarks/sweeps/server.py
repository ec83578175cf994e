"""Sixteen trials at once that all track to one MLflow server on SQLite: nothing of what they logged may be missing."""

from __future__ import annotations

import csv
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import CONSOLE, Broken, Line, workplace

from sweeps.runs import at_once, choice, journal, on_ray, place, place_of_data, swept, tiny

PATIENCE = 120.0  # seconds for the server to answer
LOCKED = "database is locked"
ENDS = {"finished": "FINISHED", "stopped": "KILLED"}
NOT_LOGGED = ("samples", "seconds", "objective")  # columns of val.csv that are no metrics of their own
NOTE = (
    "{trials} trials at once, {epochs} epochs each, validated each epoch, through mlflow server --workers 1. Runs are "
    "counted that lack a point of a validation metric that is in val.csv, their parent, or the status that the sweep's "
    "journal gives; whose trial.log speaks of a locked database; and the server's output, if it does. The sum of {n} "
    "sweeps. more.together: how many trials were under way at most"
)


def new_line() -> Line:
    made = Line(part="sweeps", name="sixteen trials, one MLflow server on SQLite", what="runs that lack something")
    made.unit, made.samples_unit, made.target, made.above = "runs", "runs", 0.0, False
    return made


def compare(line: Line, *, repetitions: int, quick: bool) -> None:
    data, small = place_of_data(quick=quick)
    trials, epochs = (2, 2) if quick else (16, 5)
    rates = [round(0.001 * (i + 1), 3) for i in range(trials)]
    words = [*tiny(epochs=epochs), *small, *at_once(trials), choice("optimizer.lr", rates)]
    said: list[str] = []
    together: list[int] = []
    with workplace() as folder:
        for i in range(repetitions):
            here = place(folder / str(i), data)
            with serving(here) as uri:
                given = [*on_ray(here), f"tracking.uri={uri}", *words]
                taken, _ = swept(given, here)
                lacks = missing(here, uri, trials=trials)
            locked = LOCKED in (here / "server.log").read_text(errors="replace")
            said += [*lacks, *([f"the server: {LOCKED}"] if locked else [])]
            line.ours.append(len(lacks) + locked)
            together.append(overlap(journal(here)))
            CONSOLE.print(f"  runs that lack something: {i + 1}/{repetitions}   {line.ours[-1]}   {taken:.0f} s")
    line.value = float(sum(line.ours))
    line.more.update(missing=said, together=together)
    line.note = NOTE.format(trials=trials, epochs=epochs, n=repetitions)
    typed = " ".join(["hydra/sweeper=ray", "tracking.uri=http://127.0.0.1:…", *words])
    line.command = f"quartet train -m {typed}"


def overlap(events: list[dict[str, Any]]) -> int:
    """How many trials were under way at most."""
    steps = [{"start": 1, "end": -1}.get(event["event"], 0) for event in events]
    return max(itertools.accumulate(steps), default=0)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server whose database and log are in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", f"{folder}/artifacts", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, "--workers", "1"], env=quiet, stdout=log, stderr=log, cwd=folder)
    try:
        wait(process, port, log=folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def wait(process: subprocess.Popen[bytes], port: int, *, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            time.sleep(1.0)
            return
        except OSError:
            time.sleep(0.5)
    raise Broken(f"mlflow server does not answer: {log.read_text(encoding='utf-8', errors='replace').strip()[-300:]}")


def missing(folder: Path, uri: str, *, trials: int) -> list[str]:
    """A line for each trial of which the store does not hold what the sweep's files do."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    study = json.loads((folder / "sweep" / "mlflow.json").read_text())["run"]
    ends = {event["trial"]: event["status"] for event in journal(folder) if event["event"] == "end"}
    found = {i: lacking(client, folder / "sweep" / str(i), study, status=ends.get(i, "lost")) for i in range(trials)}
    return [f"trial {number}: {', '.join(lacks)}" for number, lacks in found.items() if lacks]


def lacking(client: Any, trial: Path, study: str, *, status: str) -> list[str]:
    state = trial / "state.json"
    known = json.loads(state.read_text()) if state.exists() else {}
    if status not in ENDS or "mlflow_run_id" not in known or not (trial / "val.csv").exists():
        return [f"{status}, without a run or its curve"]
    run = client.get_run(known["mlflow_run_id"])
    with (trial / "val.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = {name: f"val/{name}" for name in rows[0] if name not in NOT_LOGGED}
    lengths = {name: len(client.get_metric_history(run.info.run_id, key)) for name, key in points.items()}
    lacks = [f"{points[name]} has {n} of {len(rows)} points" for name, n in lengths.items() if n < len(rows)]
    if run.info.status != ENDS[status]:
        lacks.append(f"{run.info.status} where the sweep has {status}")
    if run.data.tags.get("mlflow.parentRunId") != study:
        lacks.append("no parent")
    if LOCKED in (trial / "trial.log").read_text(errors="replace"):
        lacks.append(LOCKED)
    return lacks
