"""Looking things up in an MLflow store: runs and registered versions as plain data. Nothing is written, and a store
that is not there is not made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartet.tracking.mlflow_tracker import _client, _first_line
from quartet.tracking.uri import chosen, made, reach
from quartet.types import QuartetError

WORDS = ("fingerprint", "config_hash", "data_digest", "git_commit", "code_digest")  # tags that a run is known by
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")  # MLflow's codes for what is not there


@dataclass(frozen=True)
class TrackedRun:
    """A run as the store has it. `started`: milliseconds since 1970."""

    id: str
    name: str
    status: str
    started: int
    experiment: str
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model, with the run that it was made of ("" where the store does not say)."""

    name: str
    version: int
    run: str
    aliases: tuple[str, ...]


class Lookup:
    """What the store at `uri` knows; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` here."""

    def __init__(self, uri: str | None = None) -> None:
        self.uri = chosen(uri)

    @property
    def exists(self) -> bool:
        return made(self.uri)

    def run(self, run: str) -> TrackedRun | None:
        with self._asked() as client:
            return _tracked(client.get_run(run)) if client else None
        return None

    def search(self, start: str) -> list[TrackedRun]:
        """The runs that have a tag of `WORDS` that begins with `start`, the newest first."""
        found: dict[str, TrackedRun] = {}
        for word in WORDS:
            found |= {run.id: run for run in self.tagged(word, start)}
        return sorted(found.values(), key=lambda run: -run.started)

    def tagged(self, tag: str, start: str) -> list[TrackedRun]:
        """The runs whose `tag` begins with `start`, in all experiments of the store."""
        with self._asked() as client:
            if client is None:
                return []
            experiments = [one.experiment_id for one in client.search_experiments()]
            clause = f"tags.{tag} LIKE '{start.replace(chr(39), '')}%'"
            return [_tracked(run) for run in client.search_runs(experiments, clause, max_results=200)]
        return []

    def version(self, name: str, which: str) -> RegisteredVersion | None:
        """Version `which` of the model `name`, by its number or one of its aliases."""
        with self._asked() as client:
            if client is None:
                return None
            number = which.isdigit()
            found = client.get_model_version(name, which) if number else client.get_model_version_by_alias(name, which)
            return _version(client, found)
        return None

    def versions(self, run: str) -> list[RegisteredVersion]:
        """The registered versions that were made of a run."""
        found = []
        with self._asked() as client:
            if client is not None:
                clauses = (f"run_id = '{run}'", f"tags.mlflow_run_id = '{run}'")
                held = [one for clause in clauses for one in client.search_model_versions(clause)]
                found = [_version(client, one) for one in {(one.name, one.version): one for one in held}.values()]
        return sorted(found, key=lambda one: (one.name, one.version))

    def model_run(self, model: str) -> str:
        """The run that logged the model `m-…`, "" where there is none."""
        with self._asked() as client:
            return (client.get_logged_model(model).source_run_id or "") if client else ""
        return ""

    def files(self, run: str, folder: str, to: Path) -> Path | None:
        """Copy the folder `folder` of the run's artifacts to `to`; returns where it is, None where there is none."""
        with self._asked() as client:
            if client is None or not client.list_artifacts(run, folder):
                return None
            return Path(client.download_artifacts(run, folder, str(to)))
        return None

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """The client, None where there is no store; what is not in it ends the block, what fails is refused."""
        if not self.exists:
            yield None
            return
        reach(self.uri)
        try:
            yield _client(self.uri)
        except QuartetError:
            raise
        except Exception as error:  # whatever the network, the database or the disk says
            if getattr(error, "error_code", "") not in ABSENT:
                raise QuartetError(f"MLflow cannot read {self.uri}: {_first_line(error)}") from error


def _tracked(run: Any) -> TrackedRun:
    info, data = run.info, run.data
    return TrackedRun(
        id=info.run_id, name=info.run_name or "", status=info.status, started=info.start_time or 0,
        experiment=info.experiment_id, tags=dict(data.tags), metrics=dict(data.metrics),
    )  # fmt: skip


def _version(client: Any, found: Any) -> RegisteredVersion:
    aliases = client.get_registered_model(found.name).aliases  # a version that was searched for does not carry its own
    own = tuple(sorted(alias for alias, version in aliases.items() if int(version) == int(found.version)))
    run = (found.tags or {}).get("mlflow_run_id") or found.run_id or ""
    return RegisteredVersion(name=found.name, version=int(found.version), run=run, aliases=own)
