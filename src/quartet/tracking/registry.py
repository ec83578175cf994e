"""MLflow's model registry: names whose versions are the models of runs, and aliases that say what a version is for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from quartet.tracking.uri import alone
from quartet.types import QuartetError

VERSIONS = "mlflow.modelVersions"  # the tag by which a model's page names its versions


@dataclass(frozen=True)
class Version:
    """A registered version: version `number` of `name`, the model of the run `run`."""

    name: str
    number: int
    run: str
    tags: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"v{self.number}"


class Registry:
    """The registered models of a store; a tracker's `registry` opens it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def versions(self, name: str) -> list[Version]:
        """All versions of `name`, the oldest first; none where nothing is registered by that name."""
        found: list[Any] = []
        page = None
        while True:
            part = self._client.search_model_versions(f"name = '{name}'", page_token=page)
            found += part
            page = part.token
            if not page:
                break
        versions = [Version(one.name, int(one.version), one.run_id, dict(one.tags)) for one in found]
        return sorted(versions, key=lambda version: version.number)

    def aliases(self, name: str) -> dict[str, int]:
        """The number of the version that each alias of `name` stands for."""
        if not self.versions(name):
            return {}
        return {alias: int(number) for alias, number in self._client.get_registered_model(name).aliases.items()}

    def register(self, name: str, *, run: str, tags: Mapping[str, str]) -> Version:
        """A new version of `name`: the model that `run` stored last. QuartetError where it stored none."""
        outputs = self._client.get_run(run).outputs
        models = outputs.model_outputs if outputs is not None else []
        if not models:
            raise QuartetError(f"run {run} holds no model (tracking.model=false, or one that could not be exported)")
        model = self._client.get_logged_model(models[-1].model_id)
        self._create_name(name)
        # The model's own place as the source: `models:/<id>` would be looked up in MLflow's global store, not in this.
        made = self._client.create_model_version(
            name, model.artifact_location, run_id=run, tags=dict(tags), model_id=model.model_id
        )
        known = json.loads(model.tags.get(VERSIONS, "[]"))
        said = json.dumps([*known, {"name": name, "version": int(made.version)}])
        self._client.set_logged_model_tags(model.model_id, {VERSIONS: said})
        return Version(name, int(made.version), run, dict(tags))

    def _create_name(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(name)
        except MlflowException:
            try:
                self._client.create_registered_model(name)
            except MlflowException:  # another process may have been quicker
                self._client.get_registered_model(name)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version, in place of earlier ones of the same name."""
        for key, value in tags.items():
            self._client.set_model_version_tag(version.name, str(version.number), key, value)

    def describe(self, version: Version, text: str) -> None:
        """Set what the version's page says about it."""
        self._client.update_model_version(version.name, str(version.number), description=text)

    def set_alias(self, version: Version, alias: str) -> None:
        """Let `alias` stand for this version alone."""
        self._client.set_registered_model_alias(version.name, alias, str(version.number))

    def drop_alias(self, name: str, alias: str) -> None:
        self._client.delete_registered_model_alias(name, alias)


@contextmanager
def open_registry(client: Any, uri: str) -> Iterator[Registry]:
    """The registry of the store at `uri`; a database file's is held alone, so that no run is registered twice.

    Raises `QuartetError` for what the store refuses.
    """
    from mlflow.exceptions import MlflowException

    try:
        with alone(uri):
            yield Registry(client)
    except (MlflowException, OSError) as error:
        raise QuartetError(f"the model registry of {uri}: {str(error).strip().partition(chr(10))[0]}") from error
