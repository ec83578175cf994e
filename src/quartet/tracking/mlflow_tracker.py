"""Track runs in an MLflow store.

All calls go through `MlflowClient`, never through MLflow's global "active run": a process may have several runs. Only
`start` raises errors. From then on an error of the store never ends a training, nor holds it for long: calls are
repeated, then a warning names the loss. MLflow's terms: an *experiment* gathers runs, a *logged model* is a run's
model.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.tracking.buffer import CLOSE_SECONDS, Buffer, Point, points
from quartet.tracking.client import connect, first_line
from quartet.tracking.labels import TAG_LENGTH, allowed_name, flatten, mlflow_tags
from quartet.tracking.model_store import log_model
from quartet.tracking.pages import KIND, mark_kind
from quartet.tracking.patience import Patience
from quartet.tracking.queries import active_run, runs_with_tags, store_readable, write_table
from quartet.tracking.registry import Registry, open_registry
from quartet.tracking.tracker import Metrics, RunData, Status, Tracker
from quartet.tracking.uri import artifact_location, check_reachable, lock_store, resolve_uri
from quartet.types import QuartetError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOG = logging.getLogger(__name__)
PARAMS_PER_CALL = 100  # limits of MLflow's store
PARAM_LENGTH, DIGEST_LENGTH = 6000, 36  # characters


class MLflow(Tracker):
    """Tracker for an MLflow store: a database file in the working directory, or a server.

    Args:
        uri: the store; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` in the working directory.
        experiment: the name of the MLflow experiment that gathers the runs.
        system_metrics: whether `attach` also samples CPU, memory, disk, network and GPU.
        model: whether `model` stores models.
        patience: the seconds that failed calls may take in all after `start`. Runs of early versions have no such key.
    """

    def __init__(
        self, *, uri: str | None, experiment: str, system_metrics: bool, model: bool, patience: float = 60.0
    ) -> None:
        self.uri: str = resolve_uri(uri)
        self._patience = Patience(patience, store=self.uri)
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
        check_reachable(self.uri)
        try:
            with lock_store(self.uri):  # processes that create one SQLite store at once corrupt the file
                client = connect(self.uri)
                experiment = _experiment_id(client, self.experiment, artifact_location(self.uri))
            resumed = active_run(client, resume) if resume else None
            if resumed is None:
                run = client.create_run(experiment, tags=mlflow_tags(tags, parent), run_name=name).info.run_id
            else:
                run = resumed.info.run_id
                client.update_run(run, status="RUNNING")
            _log_params(client, run, flatten(params), resumed.data.params if resumed else {})
        except QuartetError:
            raise
        except Exception as error:  # MLflow passes on errors of requests, SQLAlchemy and the file system
            raise QuartetError(
                f"tracking.uri: MLflow cannot use {self.uri}: {first_line(error)}\n"
                "Give another tracking.uri (or MLFLOW_TRACKING_URI), or tracking=none."
            ) from error
        if dataset is not None:
            self.inputs(run, dataset, context="training")
        return run

    def attach(self, run: str, *, unsent: Path | None = None) -> Metrics:
        # The client is created here: a thread that imports mlflow while the training imports risks half-loaded modules.
        client = connect(self.uri)
        return Buffer(
            store=self.uri,
            send=lambda batch: _send(client, run, batch),
            last_steps=lambda: _last_steps(client, run),
            sample=_system_sampler(self.uri, run) if self.system_metrics else None,
            unsent=unsent,
            patience=min(CLOSE_SECONDS, self._patience.left),
        )

    def metrics(self, run: str, values: Mapping[str, float], *, step: int) -> None:
        batch = points(values, step)
        self._patience.attempt("metrics", lambda: _send(connect(self.uri), run, batch))

    def tags(self, run: str, values: Mapping[str, str | None]) -> None:
        client = connect(self.uri)
        for key, value in values.items():
            call = (
                partial(client.delete_tag, run, allowed_name(key))
                if value is None
                else partial(client.set_tag, run, allowed_name(key), value[:TAG_LENGTH])
            )
            self._patience.attempt(f"the tag {key}", call)

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
        dataset_input = DatasetInput(used, tags=[InputTag("mlflow.data.context", context)])
        self._patience.attempt("the data set", lambda: connect(self.uri).log_inputs(run, datasets=[dataset_input]))

    def artifact(self, run: str, path: Path, *, folder: str | None = None) -> None:
        client = connect(self.uri)
        log = client.log_artifacts if path.is_dir() else client.log_artifact
        self._patience.attempt(str(path), lambda: log(run, str(path), folder))

    def figure(self, run: str, name: str, figure: Figure) -> None:
        self._patience.attempt(name, lambda: connect(self.uri).log_figure(run, figure, name))

    def text(self, run: str, name: str, text: str) -> None:
        self._patience.attempt(name, lambda: connect(self.uri).log_text(run, text, name))

    def table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._patience.attempt(name, lambda: write_table(connect(self.uri), run, name, rows))

    def store_readable(self) -> bool:
        return store_readable(self.uri)

    def run_data(self, run: str) -> RunData | None:
        found = self._patience.attempt(f"a look at run {run}", lambda: active_run(connect(self.uri), run))
        return None if found is None else RunData(dict(found.data.tags), dict(found.data.metrics))

    def registry(self) -> AbstractContextManager[Registry]:
        return open_registry(connect(self.uri), self.uri)

    def find(self, tags: Mapping[str, str]) -> list[str]:
        search = partial(runs_with_tags, connect(self.uri), self.experiment, tags)
        return self._patience.attempt("a search", search) or []

    def model(self, run: str, folder: Path, *, name: str = "model") -> str | None:
        if not self.stores_model:
            return None
        return self._patience.attempt("the model", lambda: log_model(connect(self.uri), run, folder, name))

    def has_model(self, run: str) -> bool:
        outputs = self._patience.attempt(f"a look at run {run}", lambda: connect(self.uri).get_run(run).outputs)
        return bool(outputs and outputs.model_outputs)

    @property
    def lost(self) -> Sequence[str]:
        return self._patience.lost

    def finish(self, run: str, status: Status) -> None:
        self._patience.attempt(f"the status {status}", lambda: connect(self.uri).set_terminated(run, status))


def _experiment_id(client: Any, name: str, artifacts: str | None) -> str:
    """Return the id of the experiment, created if needed. Raise `QuartetError` for a deleted one."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts, tags=KIND)
        except Exception:  # on a server another process may have been quicker
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise QuartetError(
            f"tracking.experiment: {name!r} was deleted in this store.\n"
            f"Restore it (mlflow experiments restore -x {found.experiment_id}) or give another name."
        )
    mark_kind(client, found)
    return found.experiment_id


def _log_params(client: Any, run: str, params: dict[str, str], logged: dict[str, str]) -> None:
    """Log new parameters. MLflow never changes a parameter: note changed values in the tag `changed_on_resume`."""
    from mlflow.entities import Param

    values = {allowed_name(key): value[:PARAM_LENGTH] for key, value in params.items()}
    new = [Param(key, value) for key, value in values.items() if key not in logged]
    for first in range(0, len(new), PARAMS_PER_CALL):
        client.log_batch(run, params=new[first : first + PARAMS_PER_CALL])
    changed = [f"{key}: {logged[key]} -> {value}" for key, value in values.items() if logged.get(key, value) != value]
    if changed:  # MLflow never changes a parameter
        client.set_tag(run, "changed_on_resume", "\n".join(changed)[:TAG_LENGTH])


def _send(client: Any, run: str, batch: list[Point]) -> None:
    """Send points to the run."""
    from mlflow.entities import Metric

    client.log_batch(run, metrics=[Metric(allowed_name(name), value, now, step) for name, value, now, step in batch])


def _last_steps(client: Any, run: str) -> dict[str, int]:
    """Return the last stored step of each metric."""
    names = client.get_run(run).data.metrics
    return {name: max(point.step for point in client.get_metric_history(run, name)) for name in names}


def _system_sampler(uri: str, run: str) -> Callable[[], dict[str, float]] | None:
    """Return a function that samples MLflow's system metrics; None without psutil.

    MLflow's own thread for them ends at the first failed request.
    """
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
