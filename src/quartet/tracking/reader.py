"""Read runs and registered versions from an MLflow store as plain data. Nothing is written, and no store is created."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartet.tracking.client import connect, first_line
from quartet.tracking.uri import check_reachable, resolve_uri, store_exists
from quartet.types import QuartetError

SEARCHED_TAGS = ("fingerprint", "config_hash", "data_digest", "git_commit", "code_digest")  # tags that identify a run
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")  # MLflow's codes for unknown names


@dataclass(frozen=True)
class TrackedRun:
    """A run in the store. `started`: milliseconds since 1970."""

    id: str
    name: str
    status: str
    started: int
    experiment: str
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model, with the run of its model ("" where the store does not know it)."""

    name: str
    version: int
    run: str
    aliases: tuple[str, ...]


class TrackingReader:
    """Reader of the store at `uri`; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` in the working
    directory."""

    def __init__(self, uri: str | None = None) -> None:
        self.uri = resolve_uri(uri)

    @property
    def exists(self) -> bool:
        """Whether there is a store to read."""
        return store_exists(self.uri)

    def run(self, run: str) -> TrackedRun | None:
        """Return the run with this id, None without it."""
        with self._client() as client:
            return _tracked(client.get_run(run)) if client else None
        return None

    def search(self, start: str) -> list[TrackedRun]:
        """Return the runs with a tag of `SEARCHED_TAGS` that begins with `start`, the newest first."""
        found: dict[str, TrackedRun] = {}
        for tag in SEARCHED_TAGS:
            found |= {run.id: run for run in self.runs_with_tags(tag, start)}
        return sorted(found.values(), key=lambda run: -run.started)

    def runs_with_tags(self, tag: str, start: str) -> list[TrackedRun]:
        """Return the runs whose `tag` begins with `start`, in all experiments of the store."""
        with self._client() as client:
            if client is None:
                return []
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
            clause = f"tags.{tag} LIKE '{start.replace(chr(39), '')}%'"
            return [_tracked(run) for run in client.search_runs(experiments, clause, max_results=200)]
        return []

    def version(self, name: str, which: str) -> RegisteredVersion | None:
        """Return the version `which` of the model `name`, by its number or an alias."""
        with self._client() as client:
            if client is None:
                return None
            number = which.isdigit()
            found = client.get_model_version(name, which) if number else client.get_model_version_by_alias(name, which)
            return _version(client, found)
        return None

    def versions(self, run: str) -> list[RegisteredVersion]:
        """Return the registered versions of a run's models."""
        found = []
        with self._client() as client:
            if client is not None:
                clauses = (f"run_id = '{run}'", f"tags.mlflow_run_id = '{run}'")
                held = [version for clause in clauses for version in client.search_model_versions(clause)]
                unique = {(version.name, version.version): version for version in held}
                found = [_version(client, version) for version in unique.values()]
        return sorted(found, key=lambda version: (version.name, version.version))

    def model_run(self, model: str) -> str:
        """Return the id of the run that logged the model `m-…`, "" without one."""
        with self._client() as client:
            return (client.get_logged_model(model).source_run_id or "") if client else ""
        return ""

    def files(self, run: str, folder: str, to: Path) -> Path | None:
        """Copy the folder `folder` of the run's artifacts to `to`; return its path, None where there is no such
        folder."""
        with self._client() as client:
            if client is None or not client.list_artifacts(run, folder):
                return None
            return Path(client.download_artifacts(run, folder, str(to)))
        return None

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Yield the client, None without a store. An unknown name ends the block; other errors become
        `QuartetError`."""
        if not self.exists:
            yield None
            return
        check_reachable(self.uri)
        try:
            yield connect(self.uri)
        except QuartetError:
            raise
        except Exception as error:  # of network, database or disk
            if getattr(error, "error_code", "") not in ABSENT:
                raise QuartetError(f"MLflow cannot read {self.uri}: {first_line(error)}") from error


def _tracked(run: Any) -> TrackedRun:
    """Return MLflow's run as plain data."""
    info, data = run.info, run.data
    return TrackedRun(
        id=info.run_id, name=info.run_name or "", status=info.status, started=info.start_time or 0,
        experiment=info.experiment_id, tags=dict(data.tags), metrics=dict(data.metrics),
    )  # fmt: skip


def _version(client: Any, found: Any) -> RegisteredVersion:
    """Return MLflow's version as plain data, with its own aliases."""
    aliases = client.get_registered_model(found.name).aliases  # a version from a search lacks its aliases
    own = tuple(sorted(alias for alias, version in aliases.items() if int(version) == int(found.version)))
    run = (found.tags or {}).get("mlflow_run_id") or found.run_id or ""
    return RegisteredVersion(name=found.name, version=int(found.version), run=run, aliases=own)
