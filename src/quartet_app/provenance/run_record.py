"""A run as its lineage sees it: what lies in its folder, and what MLflow keeps of it."""

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

# Where runs lie, as seen from the working directory: its own, and those of the tables in it.
PLACES = ("runs/*", "runs/multirun/*/*", "results/*/*/train", "*/runs/*", "*/results/*/*/train")
# What a run is known by, of which the beginning will do.
KEYS = ("fingerprint", "mlflow_run_id", "config_hash", "data_digest", "git_commit", "code_digest", "weights_sha256")
LISTED = 12


@dataclass(frozen=True)
class RunRecord:
    """A run: `folder` has its files (None where none is left), `tracked` is what MLflow says where that was asked
    already, `asked` how it was found, in words."""

    asked: str
    folder: Path | None
    tracked: TrackedRun | None = None

    @cached_property
    def config(self) -> Config:
        """The resolved configuration; {} where it is lost."""
        path = self.folder and self.folder / "config.yaml"
        return load_config(path) if path and path.exists() else {}

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What was written down of it, at its end or as far as it came."""
        tags = self.tracked.tags if self.tracked else {}
        known: dict[str, Any] = {key: tags[key] for key in (*KEYS, "experiment", "data", "seed") if key in tags}
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
        return self.folder is not None and bool(read_json(self.folder / "run.json"))

    @property
    def name(self) -> str:
        return f"{self.facts.get('experiment', 'run')}-{self.facts.get('seed', '?')}"

    @property
    def handle(self) -> str:
        """What names it another time: its folder, unless that is but a copy of what MLflow keeps."""
        lies_here = self.folder is not None and (self.tracked is None or (self.folder / "state.json").exists())
        return str(self.folder) if lies_here else self.facts["mlflow_run_id"]

    @property
    def table(self) -> Path:
        """The folder from which the paths of its configuration are seen: that of the table that it is a cell of."""
        around = self.folder.parents if self.folder else ()
        return next((one.parent for one in around if one.name in ("runs", "results")), Path())

    @property
    def identity(self) -> str:
        """Two folders of the same identity hold the same run, if perhaps trained twice."""
        return self.facts.get("fingerprint") or self.facts.get("mlflow_run_id") or str(self.folder)

    @property
    def store(self) -> TrackingReader:
        """The MLflow store that the run was tracked in."""
        return TrackingReader(self.facts.get("tracking_uri") or self.config.get("tracking", {}).get("uri"))


def list_local_runs() -> list[RunRecord]:
    """All runs that lie here."""
    folders = [path for place in PLACES for path in sorted(Path().glob(place)) if (path / "config.yaml").exists()]
    return [RunRecord("", folder) for folder in folders]


def single_run(asked: str, runs: Iterable[RunRecord], words: str) -> RunRecord:
    """The one run among folders of it; QuartetError that lists them where they are several."""
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        groups.setdefault(run.identity, []).append(run)
    if len(groups) == 1:
        (group,) = groups.values()
        found = most_complete(group)
        return replace(found, asked=words or found.asked or f"{known_by(found.facts, asked)} {asked}")
    several = [most_complete(group) for group in groups.values()]
    lines = [
        f"  {run.name:24} {str(run.facts.get('fingerprint', ''))[:12]:12} {run.facts['status'].lower():9} "
        f"{known_by(run.facts, asked):16} {run.folder or run.facts.get('mlflow_run_id')}".rstrip()
        for run in several[:LISTED]
    ]
    more = f"\n  and {len(several) - LISTED} more" if len(several) > LISTED else ""
    raise QuartetError(f"{asked}: {len(several)} runs are known by this; name one of them:\n" + "\n".join(lines) + more)


def most_complete(group: list[RunRecord]) -> RunRecord:
    """Of what is kept of one run, that in which it has ended; its own folder before a copy of it."""

    def kept(run: RunRecord) -> tuple[bool, bool, bool]:
        own = run.folder is not None and (run.folder / "state.json").exists()
        return run.ended, run.facts["status"] == "FINISHED", own

    return max(group, key=kept)


def known_by(facts: dict[str, Any], asked: str) -> str:
    """By what a run is known by this beginning, in words."""
    key = next((key for key in KEYS if str(facts.get(key, "")).startswith(asked)), "")
    return {"mlflow_run_id": "the MLflow run", "git_commit": "commit", "weights_sha256": "weights"}.get(
        key, key.replace("_", " ")
    )
