"""Runs in an MLflow store: the only file of the library that imports mlflow, and only once a run is tracked.

Everything goes through `MlflowClient`, never through MLflow's global "active run": several runs may live in one
process. Only `start` refuses; from then on tracking never ends a training: what fails is tried again and, in the end,
said. MLflow's names: an *experiment* gathers runs, a *logged model* is a run's model.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet import roles
from quartet.tracking.buffer import Buffer, Point, points
from quartet.tracking.labels import TAG_LENGTH, allowed, flatten, labels
from quartet.tracking.queries import is_there, living, tagged, write_table
from quartet.tracking.registry import Registry, open_registry
from quartet.tracking.tracker import Known, Metrics, Status, Tracker
from quartet.tracking.uri import alone, artifact_place, chosen, reach
from quartet.types import QuartetError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOG = logging.getLogger(__name__)
PARAMS_PER_CALL = 100  # limits of MLflow's store
PARAM_LENGTH, DIGEST_LENGTH = 6000, 36  # characters
# MLflow waits 15 minutes for a lost server, draws progress bars and reports usage. What a person has set wins.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


class MLflow(Tracker):
    """Tracks in an MLflow store: a database file beside the results, or a server.

    Args:
        uri: the store; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` in the working directory.
        experiment: the name of the MLflow experiment that gathers the runs.
        system_metrics: whether `attach` samples processor, memory, disk, network and GPU as well.
        model: whether `model` stores models.
    """

    def __init__(self, *, uri: str | None, experiment: str, system_metrics: bool, model: bool) -> None:
        self.uri: str = chosen(uri)
        self.experiment = experiment
        self.system_metrics = system_metrics
        self.stores_model = model

    def start(
        self,
        *,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        dataset: Mapping[str, Any] | None = None,
        resume: str | None = None,
        parent: str | None = None,
    ) -> str:
        reach(self.uri)
        try:
            with alone(self.uri):  # processes that create one SQLite store at once break the file for good
                client = _client(self.uri)
                experiment = _experiment_id(client, self.experiment, artifact_place(self.uri))
            known = living(client, resume) if resume else None
            if known is None:
                run = client.create_run(experiment, tags=labels(tags, parent), run_name=name).info.run_id
            else:
                run = known.info.run_id
                client.update_run(run, status="RUNNING")
            _log_params(client, run, flatten(params), known.data.params if known else {})
        except QuartetError:
            raise
        except Exception as error:  # MLflow lets through what requests, SQLAlchemy and the file system raise
            raise QuartetError(
                f"tracking.uri: MLflow cannot use {self.uri}: {_first_line(error)}\n"
                "Give another tracking.uri (or MLFLOW_TRACKING_URI), or tracking=none."
            ) from error
        if dataset is not None:
            self.inputs(run, dataset, context="training")
        return run

    def attach(self, run: str, *, unsent: Path | None = None) -> Metrics:
        # The client is made here: a thread that imports mlflow while the training imports risks half-loaded modules.
        client = _client(self.uri)
        return Buffer(
            place=self.uri,
            send=lambda batch: _send(client, run, batch),
            last_steps=lambda: _last_steps(client, run),
            sample=_machine(self.uri, run) if self.system_metrics else None,
            unsent=unsent,
        )

    def metrics(self, run: str, values: Mapping[str, float], *, step: int) -> None:
        batch = points(values, step)
        self._attempt("metrics", lambda: _send(_client(self.uri), run, batch))

    def tags(self, run: str, values: Mapping[str, str | None]) -> None:
        client = _client(self.uri)
        for key, value in values.items():
            call = (
                partial(client.delete_tag, run, allowed(key))
                if value is None
                else partial(client.set_tag, run, allowed(key), value[:TAG_LENGTH])
            )
            self._attempt(f"the tag {key}", call)

    def inputs(self, run: str, dataset: Mapping[str, Any], *, context: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # The bare entity, since mlflow.data's sources refuse some kinds of path (dvc://).
        used = Dataset(
            name=str(dataset["name"]),
            digest=str(dataset["digest"])[:DIGEST_LENGTH],
            source_type="local",
            source=json.dumps({"uri": str(dataset.get("path", ""))}),
            profile=json.dumps({key: value for key, value in dataset.items() if key != "path"}, default=str),
        )
        tagged = DatasetInput(used, tags=[InputTag("mlflow.data.context", context)])
        self._attempt("the data set", lambda: _client(self.uri).log_inputs(run, datasets=[tagged]))

    def artifact(self, run: str, path: Path, *, folder: str | None = None) -> None:
        client = _client(self.uri)
        log = client.log_artifacts if path.is_dir() else client.log_artifact
        self._attempt(str(path), lambda: log(run, str(path), folder))

    def figure(self, run: str, name: str, figure: Figure) -> None:
        self._attempt(name, lambda: _client(self.uri).log_figure(run, figure, name))

    def text(self, run: str, name: str, text: str) -> None:
        self._attempt(name, lambda: _client(self.uri).log_text(run, text, name))

    def table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._attempt(name, lambda: write_table(_client(self.uri), run, name, rows))

    def is_there(self) -> bool:
        return is_there(self.uri)

    def known(self, run: str) -> Known | None:
        found = self._attempt(f"a look at run {run}", lambda: living(_client(self.uri), run))
        return None if found is None else Known(dict(found.data.tags), dict(found.data.metrics))

    def registry(self) -> AbstractContextManager[Registry]:
        return open_registry(_client(self.uri), self.uri)

    def find(self, tags: Mapping[str, str]) -> list[str]:
        return self._attempt("a search", lambda: tagged(_client(self.uri), self.experiment, tags)) or []

    def model(self, run: str, folder: Path, *, name: str = "model") -> str | None:
        if not self.stores_model:
            return None
        return self._attempt("the model", lambda: _log_model(_client(self.uri), run, folder, name))

    def finish(self, run: str, status: Status) -> None:
        self._attempt(f"the status {status}", lambda: _client(self.uri).set_terminated(run, status))

    def _attempt(self, what: str, call: Callable[[], Any]) -> Any:
        for pause in (0.5, 2.0, None):
            try:
                return call()
            except Exception as error:  # whatever the network, the database or the disk says: the results come first
                if pause is None:
                    LOG.warning("tracking: %s did not reach %s: %s", what, self.uri, _first_line(error))
                else:
                    time.sleep(pause)
        return None


@cache
def _client(uri: str) -> Any:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between the libraries that MLflow stands on
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise QuartetError(
                f"tracking: mlflow cannot be imported ({error}). Install mlflow, or tracking=none."
            ) from error
        for name in ("mlflow", "alembic"):  # their INFO is a page for every new store
            logging.getLogger(name).setLevel(logging.WARNING)
        client = MlflowClient(tracking_uri=uri)
        if "sqlalchemy.orm" in sys.modules:
            sys.modules["sqlalchemy.orm"].configure_mappers()  # now, and not at the first query of some thread
    return client


def _experiment_id(client: Any, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts)
        except Exception:  # on a server another process may have been quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise QuartetError(
            f"tracking.experiment: {name!r} was deleted in this store.\n"
            f"Restore it (mlflow experiments restore -x {found.experiment_id}) or give another name."
        )
    return found.experiment_id


def _log_model(client: Any, run: str, folder: Path, name: str) -> str:
    """Store an exported model through the script of its role, which holds its signature too."""
    from mlflow import pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    experiment = client.get_run(run).info.experiment_id
    logged = client.create_logged_model(experiment, name=name, source_run_id=run, model_type=settings["role"])
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to use type hints, which would override the signature
        script: Any = roles.find(settings["role"]).script()
        pyfunc.save_model(
            f"{place}/model",
            python_model=script.__file__,
            artifacts={"model": str(folder)},
            signature=script.signature(settings),
            input_example=script.example(settings),
            pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", *script.PACKAGES)],
            mlflow_model=Model(artifact_path=logged.artifact_location, run_id=run, model_id=logged.model_id),
        )
        client.log_model_artifacts(logged.model_id, f"{place}/model")
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(logged.model_id, step=0)])
    return f"models:/{logged.model_id}"


def _log_params(client: Any, run: str, params: dict[str, str], logged: dict[str, str]) -> None:
    from mlflow.entities import Param

    values = {allowed(key): value[:PARAM_LENGTH] for key, value in params.items()}
    new = [Param(key, value) for key, value in values.items() if key not in logged]
    for first in range(0, len(new), PARAMS_PER_CALL):
        client.log_batch(run, params=new[first : first + PARAMS_PER_CALL])
    changed = [f"{key}: {logged[key]} -> {value}" for key, value in values.items() if logged.get(key, value) != value]
    if changed:  # MLflow never changes a parameter
        client.set_tag(run, "changed_on_resume", "\n".join(changed)[:TAG_LENGTH])


def _send(client: Any, run: str, batch: list[Point]) -> None:
    from mlflow.entities import Metric

    client.log_batch(run, metrics=[Metric(allowed(name), value, now, step) for name, value, now, step in batch])


def _last_steps(client: Any, run: str) -> dict[str, int]:
    names = client.get_run(run).data.metrics
    return {name: max(point.step for point in client.get_metric_history(run, name)) for name in names}


def _machine(uri: str, run: str) -> Callable[[], dict[str, float]] | None:
    """MLflow's numbers about the machine; None without psutil. MLflow's own thread ends at the first failed request."""
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
    except ImportError:
        return None
    monitor = SystemMetricsMonitor(run, tracking_uri=uri)

    def sample() -> dict[str, float]:
        monitor.collect_metrics()
        values = monitor.aggregate_metrics()
        for part in monitor.monitors:
            part.clear_metrics()
        return {f"system/{name}": value for name, value in values.items()}

    return sample


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
