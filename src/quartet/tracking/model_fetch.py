"""Models that a store holds: found by an MLflow uri or an alias, brought here as files. None of their code runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartet.tracking.mlflow_tracker import _client, _first_line
from quartet.tracking.uri import chosen, made, reach
from quartet.types import QuartetError


class Stored:
    """The models of the store at `uri`; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` here."""

    def __init__(self, uri: str | None = None) -> None:
        self.uri = chosen(uri)

    def version(self, name: str, alias: str) -> dict[str, str] | None:
        """The tags of the registered version that `alias` stands for, and its number as `version`; None without one."""
        from mlflow.exceptions import MlflowException

        if not self._is_there():
            return None
        try:
            found = self._client().get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise QuartetError(f"{name}@{alias}: MLflow cannot use {self.uri}: {_first_line(error)}") from error
        return {**found.tags, "version": str(found.version)}

    def fetch(self, model: str, folder: Path) -> Path:
        """Bring the files of `model` (`models:/…` or `runs:/…/model`) below `folder`; returns where its artifacts are.

        Raises QuartetError where there is no such model.
        """
        from mlflow import artifacts

        if not self._is_there():
            raise QuartetError(f"{model}: there is no MLflow store at {self.uri}; set MLFLOW_TRACKING_URI")
        self._client()
        try:
            place = Path(
                artifacts.download_artifacts(
                    f"{model}/artifacts", dst_path=str(folder), tracking_uri=self.uri, registry_uri=self.uri
                )
            )
        except Exception as error:  # MLflow lets through what requests, SQLAlchemy and the file system raise
            raise QuartetError(f"{model}: not found in {self.uri}: {_first_line(error)}") from error
        found = sorted(place.glob("*/model.json"))
        if not found:
            raise QuartetError(f"{model}: not a model of Quartet's, or of an early one; mlflow.pyfunc may load it")
        return found[0].parent

    def _client(self) -> Any:
        return _client(self.uri)

    def _is_there(self) -> bool:
        reach(self.uri)
        return made(self.uri)
