"""Read a run's record from the files in its folder and from its tags in MLflow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from quartet.tracking.reader import TrackedRun, TrackingReader
from quartet.types import QuartetError
from quartet_app.config.resolved import Config, config_hash, load_config
from quartet_app.files import read_json
from quartet_app.run.run_folder import names

# Where run folders are, relative to the working directory: its own runs, and those of the tables below it.
RUN_FOLDERS = ("runs/*", "runs/multirun/*/*", "results/*/*/train", "*/runs/*", "*/results/*/*/train")
# Facts that identify a run. The first digits of one are enough to find it.
ID_KEYS = ("fingerprint", "mlflow_run_id", "config_hash", "data_digest", "git_commit", "code_digest", "weights_sha256")
MAX_LISTED = 12


@dataclass(frozen=True)
class RunRecord:
    """A run that was found.

    Args:
        found_by: how it was found, for a person, such as "the row cnn-0".
        folder: the folder with its files; None where they are gone.
        tracked: its run in MLflow, where that was read already.
    """

    found_by: str
    folder: Path | None
    tracked: TrackedRun | None = None

    @cached_property
    def config(self) -> Config:
        """The resolved configuration; {} where its file is gone."""
        path = self.folder and self.folder / "config.yaml"
        return load_config(path) if path and path.exists() else {}

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The facts that were written about the run, at its end or until it was interrupted."""
        tags = self.tracked.tags if self.tracked else {}
        known: dict[str, Any] = {key: tags[key] for key in (*ID_KEYS, "experiment", "data", "seed") if key in tags}
        if self.tracked:
            known |= {"mlflow_run_id": self.tracked.id, "status": self.tracked.status}
        written = (
            {**read_json(self.folder / "state.json"), **read_json(self.folder / "run.json")} if self.folder else {}
        )
        if not self.ended and self.config:
            known |= {**names(self.config), "config_hash": config_hash(self.config)}
        status = "FINISHED" if self.ended else "RUNNING"
        return {"status": status, **known, **{key: value for key, value in written.items() if value is not None}}

    @property
    def ended(self) -> bool:
        """True where training has ended and the folder holds its results."""
        return self.folder is not None and bool(read_json(self.folder / "run.json"))

    @property
    def name(self) -> str:
        """<experiment>-<seed>."""
        return f"{self.facts.get('experiment', 'run')}-{self.facts.get('seed', '?')}"

    @property
    def handle(self) -> str:
        """An argument that finds the run again: its folder; its MLflow id where the folder is a temporary copy."""
        lies_here = self.folder is not None and (self.tracked is None or (self.folder / "state.json").exists())
        return str(self.folder) if lies_here else self.facts["mlflow_run_id"]

    @property
    def table(self) -> Path:
        """The folder of the table that holds the run. Relative paths in the run's configuration start there."""
        parents = self.folder.parents if self.folder else ()
        return next((parent.parent for parent in parents if parent.name in ("runs", "results")), Path())

    @property
    def identity(self) -> str:
        """A text that is equal for two folders of the same run."""
        return self.facts.get("fingerprint") or self.facts.get("mlflow_run_id") or str(self.folder)

    @property
    def store(self) -> TrackingReader:
        """The MLflow store that the run was tracked in."""
        return TrackingReader(self.facts.get("tracking_uri") or self.config.get("tracking", {}).get("uri"))


def list_local_runs() -> list[RunRecord]:
    """Return all runs in the working directory and in the tables below it."""
    folders = [path for place in RUN_FOLDERS for path in sorted(Path().glob(place)) if (path / "config.yaml").exists()]
    return [RunRecord("", folder) for folder in folders]


def single_run(query: str, runs: Iterable[RunRecord], found_by: str) -> RunRecord:
    """Return the run that all of `runs` are folders of; QuartetError with a list where they are different runs."""
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        groups.setdefault(run.identity, []).append(run)
    if len(groups) == 1:
        (group,) = groups.values()
        run = most_complete(group)
        return replace(run, found_by=found_by or run.found_by or f"{describe_match(run.facts, query)} {query}")
    several = [most_complete(group) for group in groups.values()]
    lines = [
        f"  {run.name:24} {str(run.facts.get('fingerprint', ''))[:12]:12} {run.facts['status'].lower():9} "
        f"{describe_match(run.facts, query):16} {run.folder or run.facts.get('mlflow_run_id')}".rstrip()
        for run in several[:MAX_LISTED]
    ]
    more = f"\n  and {len(several) - MAX_LISTED} more" if len(several) > MAX_LISTED else ""
    raise QuartetError(f"{query}: {len(several)} runs match; name one of them:\n" + "\n".join(lines) + more)


def most_complete(group: list[RunRecord]) -> RunRecord:
    """Return the finished copy of a run, else its original folder, the one with state.json."""

    def completeness(run: RunRecord) -> tuple[bool, bool, bool]:
        original = run.folder is not None and (run.folder / "state.json").exists()
        return run.ended, run.facts["status"] == "FINISHED", original

    return max(group, key=completeness)


def describe_match(facts: dict[str, Any], prefix: str) -> str:
    """Return the name, for a person, of the fact that begins with `prefix`, such as "data digest"."""
    key = next((key for key in ID_KEYS if str(facts.get(key, "")).startswith(prefix)), "")
    return {"mlflow_run_id": "the MLflow run", "git_commit": "commit", "weights_sha256": "weights"}.get(
        key, key.replace("_", " ")
    )
