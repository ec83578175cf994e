"""Use MLflow's model registry: names with versions, each a run's model, and aliases for the versions in use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from quartet.tracking.uri import lock_store
from quartet.types import QuartetError

VERSIONS = "mlflow.modelVersions"  # the tag in which a model's page looks for its versions


@dataclass(frozen=True)
class Version:
    """A registered version: `number` of the model `name`, with the model of the run `run`."""

    name: str
    number: int
    run: str
    tags: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"v{self.number}"


class Registry:
    """The registered models of a store; `Tracker.registry` opens it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def versions(self, name: str) -> list[Version]:
        """Return all versions of `name`, the oldest first; none for an unknown name."""
        found: list[Any] = []
        page = None
        while True:
            part = self._client.search_model_versions(f"name = '{name}'", page_token=page)
            found += part
            page = part.token
            if not page:
                break
        versions = [Version(each.name, int(each.version), each.run_id, dict(each.tags)) for each in found]
        return sorted(versions, key=lambda version: version.number)

    def aliases(self, name: str) -> dict[str, int]:
        """Return the version number of each alias of `name`."""
        if not self.versions(name):
            return {}
        return {alias: int(number) for alias, number in self._client.get_registered_model(name).aliases.items()}

    def register(self, name: str, *, run: str, tags: Mapping[str, str]) -> Version:
        """Register the last model of `run` as a new version of `name`. Raise `QuartetError` where the run has no
        model."""
        outputs = self._client.get_run(run).outputs
        models = outputs.model_outputs if outputs is not None else []
        if not models:
            raise QuartetError(f"run {run} holds no model (tracking.model=false, or one that could not be exported)")
        model = self._client.get_logged_model(models[-1].model_id)
        self._create_name(name)
        # The source is the model's own location: MLflow would look up `models:/<id>` in its global store, not in this.
        created = self._client.create_model_version(
            name, model.artifact_location, run_id=run, tags=dict(tags), model_id=model.model_id
        )
        versions = json.loads(model.tags.get(VERSIONS, "[]"))
        tag = json.dumps([*versions, {"name": name, "version": int(created.version)}])
        self._client.set_logged_model_tags(model.model_id, {VERSIONS: tag})
        return Version(name, int(created.version), run, dict(tags))

    def _create_name(self, name: str) -> None:
        """Create the registered model `name` where it is missing."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(name)
        except MlflowException:
            try:
                self._client.create_registered_model(name)
            except MlflowException:  # another process may have been quicker
                self._client.get_registered_model(name)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version, replacing earlier ones of the same name."""
        for key, value in tags.items():
            self._client.set_model_version_tag(version.name, str(version.number), key, value)

    def describe(self, version: Version, text: str) -> None:
        """Set the description on the version's page."""
        self._client.update_model_version(version.name, str(version.number), description=text)

    def set_alias(self, version: Version, alias: str) -> None:
        """Set `alias` to this version, and take it from any other."""
        self._client.set_registered_model_alias(version.name, alias, str(version.number))

    def drop_alias(self, name: str, alias: str) -> None:
        """Delete an alias."""
        self._client.delete_registered_model_alias(name, alias)


@contextmanager
def open_registry(client: Any, uri: str) -> Iterator[Registry]:
    """Open the registry of the store at `uri`; lock a database file, so that no run is registered twice.

    Raises `QuartetError` for errors of the store.
    """
    from mlflow.exceptions import MlflowException

    try:
        with lock_store(uri):
            yield Registry(client)
    except (MlflowException, OSError) as error:
        raise QuartetError(f"the model registry of {uri}: {str(error).strip().partition(chr(10))[0]}") from error
