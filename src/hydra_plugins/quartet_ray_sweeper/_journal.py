"""Keep a journal of a sweep: `trials.jsonl` in its folder, one event a line, written before anything else happens.

The journal restores a sweep whose driver was killed. `study.json` in the same folder identifies the sweep, so that a
different one never continues it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra_plugins.quartet_ray_sweeper._space import Point, SweeperError

JOURNAL_FILE, SWEEP_FILE = "trials.jsonl", "study.json"
RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
SEARCH, REPEAT, FINAL = "search", "repeat", "final"  # why a trial is run
OPTIONS = "options"  # key of the composed options of swept groups
MAX_DIFFERENCES = 6  # that a refusal names


@dataclass(frozen=True)
class Again:
    """Which trial (`of`) is run again, at which `stage`, and which overrides it gets then (`more`)."""

    stage: str
    of: int
    more: list[str]

    @classmethod
    def of_record(cls, record: Record) -> Again | None:
        """Return what a recorded trial runs again, None for one of the search."""
        return None if record.of is None else cls(record.stage, record.of, record.more)


@dataclass
class Record:
    """One trial: its values, its reports and its outcome.

    Attributes:
        status: running (or interrupted), finished, stopped (early, by the scheduler) or failed.
        reports: metrics, in order of arrival.
        result: the task's return value, where it is a number.
        seconds: from start to end, in the attempt in which it ended.
        stage: search, repeat (a good trial with another seed) or final (the winner, on other terms).
        of, more: the number of the trial that a repeat or final runs again, and the overrides that it adds.
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
    stage: str = SEARCH
    of: int | None = None
    more: list[str] = field(default_factory=list)


class Journal:
    """Append events to a file and keep the record of each trial. `fresh` ignores an existing file.

    Each event holds the seconds that the sweep has taken, over all attempts: `elapsed` goes on from the last one.
    Reading changes nothing, since another process may be writing. `earlier` holds the events that were read.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.path = folder / JOURNAL_FILE
        self.records: dict[int, Record] = {}
        self.earlier: list[dict[str, Any]] = []
        self.before, self.begun = 0.0, time.monotonic()
        self.whole: int | None = None  # bytes up to a last line that a killed driver left incomplete
        if self.path.exists() and not fresh:
            self._read()

    def start_clock(self) -> None:
        """Let this attempt's time begin now."""
        self.begun = time.monotonic()

    @property
    def elapsed(self) -> float:
        """The seconds of all attempts at this sweep, without the time between them."""
        return self.before + time.monotonic() - self.begun

    def _read(self) -> None:
        """Read all events, without a last line that is incomplete. `SweeperError` for one that is no event."""
        content = self.path.read_bytes()
        lines, newline, part = content.rpartition(b"\n")
        if part:  # the driver was killed while it wrote
            self.whole = len(lines + newline)
        for number, line in enumerate(lines.split(b"\n") if newline else (), 1):
            try:
                self._apply(event := json.loads(line))
                self.before = float(event.get("elapsed", self.before))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                said = f"{self.path}, line {number}: damaged ({type(error).__name__}: {error})"
                raise SweeperError(f"{said}\nput the file back as it was, or end it before this line") from error
            self.earlier.append(event)

    def _apply(self, event: dict[str, Any]) -> None:
        """Update the records by an event."""
        number, kind = event["trial"], event["event"]
        if kind == "start":
            again = {key: event[key] for key in ("stage", "of", "more") if key in event}
            folder = moved(event["folder"], self.path.parent)
            self.records[number] = Record(number, dict(event["values"]), list(event["overrides"]), folder, **again)
        elif kind == "change":
            self.records[number].values, self.records[number].overrides = event["values"], event["overrides"]
        elif kind == "report":
            self.records[number].reports.append(event["metrics"])
        elif kind == "end":
            record = self.records[number]
            record.status, record.result, record.error = event["status"], event["result"], event["error"]
            record.seconds = event["seconds"]

    def _write(self, event: str, number: int, **facts: Any) -> None:
        """Append an event to the file, on disk before this returns, and apply it."""
        line = {"event": event, "trial": number, **facts, "elapsed": round(self.elapsed, 1)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.whole is not None:
            os.truncate(self.path, self.whole)  # in place: on a full disk, a file that is written anew would be lost
            self.whole = None
        with self.path.open("ab", buffering=0) as file:
            append(file, (json.dumps(line) + "\n").encode())
        self._apply(line)

    def start(
        self, number: int, *, values: Point, overrides: list[str], folder: str, again: Again | None = None
    ) -> None:
        """Record a new trial; `again` for one that runs another trial again."""
        facts = asdict(again) if again is not None else {}
        self._write("start", number, values=values, overrides=overrides, folder=folder, **facts)

    def change(self, number: int, *, values: Point, overrides: list[str]) -> None:
        """Record other values of a running trial, set by the scheduler (PBT)."""
        self._write("change", number, values=values, overrides=overrides)

    def report(self, number: int, metrics: Mapping[str, float]) -> None:
        """Record the metrics of one report."""
        self._write("report", number, metrics=dict(metrics))

    def end(self, number: int, status: str, *, result: float | None, error: str = "", seconds: float = 0.0) -> None:
        """Record how a trial ended."""
        self._write("end", number, status=status, result=result, error=error, seconds=round(seconds, 3))

    @property
    def unfinished(self) -> list[Record]:
        """The trials that have not ended."""
        return [record for record in self.records.values() if record.status == RUNNING]


def append(file: io.FileIO, content: bytes) -> None:
    """Append to an open file and wait for the disk. After an error, as of a full disk, the file is as it was before:
    half a line would make the lines after it unreadable."""
    before = file.seek(0, os.SEEK_END)
    try:
        while content:
            content = content[file.write(content) :]
        os.fsync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), before)
        raise


def moved(folder: str, sweep: Path) -> str:
    """Return a trial's folder where it is now: below that of its `sweep`, which may have been moved or copied since."""
    path = Path(folder)
    if not path.is_absolute() or path.is_relative_to(sweep.absolute()):
        return folder
    within = (sweep.absolute().joinpath(*path.parts[i:]) for i in range(1, len(path.parts)))
    return next((str(place) for place in within if place.is_dir()), folder)


def refuse_other_sweep(folder: Path, identity: Mapping[str, Any]) -> None:
    """Raise `SweeperError`, naming the differences, where the folder holds a sweep with another identity."""
    path = folder / SWEEP_FILE
    if not path.exists():
        return
    before, now = _flat(_identity_in(path)), _flat(json.loads(_as_json(identity)))
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    # A change of the base configuration changes every composed option too: name the base alone.
    changed = [key for key in changed if not key.startswith(f"{OPTIONS}.")] or changed
    if changed:
        lines = [
            f"  {key}: {before.get(key, 'absent')} → {now.get(key, 'absent')}" for key in changed[:MAX_DIFFERENCES]
        ]
        more = f"\n  and {len(changed) - MAX_DIFFERENCES} more" if len(changed) > MAX_DIFFERENCES else ""
        raise SweeperError(
            f"{folder} holds another sweep; for a new one give another hydra.sweep.dir,"
            " or hydra.sweeper.resume=false to delete this one. What differs:\n" + "\n".join(lines) + more
        )


def write_sweep_file(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write the sweep's identity to its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SWEEP_FILE
    part = path.with_suffix(f".{os.getpid()}")
    with part.open("wb", buffering=0) as file:
        append(file, _as_json(identity).encode())
    part.replace(path)


def _as_json(identity: Mapping[str, Any]) -> str:
    """Return JSON; values without a JSON form, such as paths, become text."""
    return json.dumps(identity, indent=1, sort_keys=True, default=str)


def delete_sweep(folder: Path) -> None:
    """Delete a sweep from its folder: its trials' folders and its own files, and nothing else."""
    for record in Journal(folder).records.values():
        trial = Path(os.path.abspath(record.folder))  # without the .. of a journal that somebody else has written
        inside = trial.resolve().is_relative_to(folder.resolve()) and trial != folder.absolute()
        if inside and not trial.is_symlink():
            shutil.rmtree(trial, ignore_errors=True)
    for name in (JOURNAL_FILE, SWEEP_FILE):
        (folder / name).unlink(missing_ok=True)


def holds_same_sweep(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Return whether the folder holds the sweep with this identity."""
    return (folder / SWEEP_FILE).exists() and _identity_in(folder / SWEEP_FILE) == json.loads(_as_json(identity))


def _identity_in(path: Path) -> Any:
    """Return the identity in a sweep's file. `SweeperError` where the file is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SweeperError(f"{path}: damaged ({error})\nfor a new sweep give another hydra.sweep.dir") from error


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested dicts by dotted key."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
