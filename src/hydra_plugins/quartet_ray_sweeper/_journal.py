"""What a sweep has done so far: `trials.jsonl` in its folder, one event a line, written before anything else happens.

A sweep whose driver was killed is read back from it. `study.json` beside it says what was asked for, so that a sweep is
never gone on with as another one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra_plugins.quartet_ray_sweeper._space import Point, Refused

TRIALS, STUDY = "trials.jsonl", "study.json"
RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
OPTIONS = "options"  # of what is asked for: what each option of a swept group comes to
SHOWN = 6  # differences that a refusal names


@dataclass
class Record:
    """One trial: what it was given, what it reported, how it ended.

    Attributes:
        status: running (or interrupted), finished, stopped (early, by the scheduler) or failed.
        reports: metrics in the order in which they came.
        result: what the task returned, where it is a number.
        seconds: from its start to its end, in the attempt in which it ended.
    """

    number: int
    values: Point
    overrides: list[str]
    folder: str
    status: str = RUNNING
    reports: list[dict[str, float]] = field(default_factory=list)
    result: float | None = None
    error: str = ""
    seconds: float = 0.0


class Journal:
    """Events appended to a file, and what they come to."""

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        self.path = folder / TRIALS
        self.records: dict[int, Record] = {}
        if self.path.exists() and not anew:
            self._read()

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8")
        whole, newline, part = text.rpartition("\n")
        if part:  # the driver was killed while it wrote
            self.path.write_text(whole + newline, encoding="utf-8")
        for line in whole.splitlines():
            self._apply(json.loads(line))

    def _apply(self, event: dict[str, Any]) -> None:
        number, kind = event["trial"], event["event"]
        if kind == "start":
            self.records[number] = Record(number, event["values"], event["overrides"], event["folder"])
        elif kind == "change":
            self.records[number].values, self.records[number].overrides = event["values"], event["overrides"]
        elif kind == "report":
            self.records[number].reports.append(event["metrics"])
        elif kind == "end":
            record = self.records[number]
            record.status, record.result, record.error = event["status"], event["result"], event["error"]
            record.seconds = event["seconds"]

    def _write(self, event: str, number: int, **facts: Any) -> None:
        line = {"event": event, "trial": number, **facts}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._apply(line)

    def start(self, number: int, *, values: Point, overrides: list[str], folder: str) -> None:
        self._write("start", number, values=values, overrides=overrides, folder=folder)

    def change(self, number: int, *, values: Point, overrides: list[str]) -> None:
        """The scheduler gave a trial other values under way (PBT)."""
        self._write("change", number, values=values, overrides=overrides)

    def report(self, number: int, metrics: Mapping[str, float]) -> None:
        self._write("report", number, metrics=dict(metrics))

    def end(self, number: int, status: str, *, result: float | None, error: str = "", seconds: float = 0.0) -> None:
        self._write("end", number, status=status, result=result, error=error, seconds=round(seconds, 3))

    @property
    def unfinished(self) -> list[Record]:
        return [record for record in self.records.values() if record.status == RUNNING]


def refuse_another(folder: Path, study: Mapping[str, Any]) -> None:
    """Refuse where the folder holds a sweep that asked for something else than `study`."""
    path = folder / STUDY
    if not path.exists():
        return
    before, now = _flat(json.loads(path.read_text(encoding="utf-8"))), _flat(json.loads(_text(study)))
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    # The options are composed with all the rest, and change with it.
    changed = [key for key in changed if not key.startswith(f"{OPTIONS}.")] or changed
    if changed:
        lines = [f"  {key}: {before.get(key, 'absent')} → {now.get(key, 'absent')}" for key in changed[:SHOWN]]
        more = f"\n  and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise Refused(
            f"{folder} holds another sweep; for a new one give another hydra.sweep.dir,"
            " or hydra.sweeper.resume=false to delete this one. What differs:\n" + "\n".join(lines) + more
        )


def settle(folder: Path, study: Mapping[str, Any]) -> None:
    """Write down what is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STUDY
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(_text(study), encoding="utf-8")
    part.replace(path)


def _text(study: Mapping[str, Any]) -> str:
    """As JSON; what has no form there, as a path, by its words."""
    return json.dumps(study, indent=1, sort_keys=True, default=str)


def forget(folder: Path) -> None:
    """Delete a sweep from its folder: its trials' folders and its own files, and nothing else."""
    for record in Journal(folder).records.values():
        if folder in Path(record.folder).parents:
            shutil.rmtree(record.folder, ignore_errors=True)
    for name in (TRIALS, STUDY):
        (folder / name).unlink(missing_ok=True)


def same(folder: Path, study: Mapping[str, Any]) -> bool:
    """Whether the folder holds the sweep that is asked for."""
    path = folder / STUDY
    return path.exists() and json.loads(path.read_text(encoding="utf-8")) == json.loads(_text(study))


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
