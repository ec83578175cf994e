"""Store models in MLflow, and fetch them as files by an MLflow uri or an alias. No code of a fetched model runs."""

from __future__ import annotations

import json
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from quartet import roles
from quartet.tracking.client import connect, first_line
from quartet.tracking.uri import check_reachable, resolve_uri, store_exists
from quartet.types import QuartetError


class ModelStore:
    """The models of the store at `uri`; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` in the working
    directory."""

    def __init__(self, uri: str | None = None) -> None:
        self.uri = resolve_uri(uri)

    def version(self, name: str, alias: str) -> dict[str, str] | None:
        """Return the tags of the version with `alias`, and its number as `version`; None without such a version."""
        from mlflow.exceptions import MlflowException

        if not self._exists():
            return None
        try:
            found = connect(self.uri).get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise QuartetError(f"{name}@{alias}: MLflow cannot use {self.uri}: {first_line(error)}") from error
        return {**found.tags, "version": str(found.version)}

    def fetch(self, model: str, folder: Path) -> Path:
        """Download the files of `model` (`models:/…` or `runs:/…/model`) below `folder`; return the folder of its
        artifacts.

        Raises `QuartetError` where there is no such model.
        """
        from mlflow import artifacts

        if not self._exists():
            raise QuartetError(f"{model}: there is no MLflow store at {self.uri}; set MLFLOW_TRACKING_URI")
        connect(self.uri)
        try:
            downloaded = Path(
                artifacts.download_artifacts(
                    f"{model}/artifacts", dst_path=str(folder), tracking_uri=self.uri, registry_uri=self.uri
                )
            )
        except Exception as error:  # MLflow passes on errors of requests, SQLAlchemy and the file system
            raise QuartetError(f"{model}: not found in {self.uri}: {first_line(error)}") from error
        found = sorted(downloaded.glob("*/model.json"))
        if not found:
            raise QuartetError(f"{model}: not a model of Quartet's, or of an early one; mlflow.pyfunc may load it")
        return found[0].parent

    def _exists(self) -> bool:
        """Return whether the store exists and answers."""
        check_reachable(self.uri)
        return store_exists(self.uri)


def log_model(client: Any, run: str, folder: Path, name: str) -> str:
    """Store an exported model with the script of its role, which defines its signature; return its uri."""
    from mlflow import pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    experiment = client.get_run(run).info.experiment_id
    logged = client.create_logged_model(experiment, name=name, source_run_id=run, model_type=settings["role"])
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to use type hints, which would override the signature
        script: Any = roles.find(settings["role"]).script(settings)
        pyfunc.save_model(
            f"{scratch}/model",
            python_model=script.__file__,
            artifacts={"model": str(folder)},
            signature=script.signature(settings),
            input_example=script.example(settings),
            pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", *script.PACKAGES)],
            mlflow_model=Model(artifact_path=logged.artifact_location, run_id=run, model_id=logged.model_id),
        )
        client.log_model_artifacts(logged.model_id, f"{scratch}/model")
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(logged.model_id, step=0)])
    return f"models:/{logged.model_id}"
