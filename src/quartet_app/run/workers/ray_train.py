"""Start workers on a Ray cluster by Ray Train: for a sweep's trial, or for a run with `launcher=ray`.

All machines must see the project's folder at the same path. A run's checkpoints lie in its folder, so that after the
loss of a worker the run resumes from the last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_plugins.quartet_ray_sweeper import report, use_channel
from quartet.types import QuartetError
from quartet_app.run.workers.ray_reports import OnReport, ReportClient, report_actor

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import ResourceRequest, Trial
    from quartet_app.run.run_folder import Run

SECONDS_BETWEEN_CHECKS = 5.0  # for lost resources
DISCONNECT_MESSAGES = (
    "Connection closed by peer",
    "Connection reset by peer",
    "NCCL",
)  # errors of workers that lost a peer


class Cluster:
    """Launch by `launcher=ray`: on the machines of a running Ray cluster, or on a Ray that it starts here.

    Args:
        address: the cluster's address; "auto" for the cluster of this machine; None starts Ray here.
        cpus, gpus: for each of the `trainer.devices` workers; `gpus=None` takes a GPU each where there are GPUs.
        retries: how often the run resumes from its last checkpoint after the loss of a worker or a machine.
    """

    def __init__(self, *, address: str | None, cpus: float, gpus: float | None, retries: int) -> None:
        self.address, self.cpus, self.gpus, self.retries = address, cpus, gpus, retries

    def launch(self, run: Run) -> None:
        """Fit `run`; see `launch.Launcher`. QuartetError where the cluster is too small."""
        from hydra_plugins.quartet_ray_sweeper import ResourceRequest, describe_nodes, live_nodes, ray_running

        devices = run.config["trainer"]["devices"]
        with as_quartet_error(), ray_running(address=self.address, dashboard=False, key="launcher.address") as ray:
            counts = {"cpus": 0.0, "gpus": 0.0, "workers": devices, "worker_cpus": self.cpus, "worker_gpus": self.gpus}
            request = ResourceRequest.from_options(counts, live_nodes(ray))
            if not request.max_concurrent(live_nodes(ray)):
                raise QuartetError(
                    f"trainer.devices: {request.describe()} asked for, Ray has {describe_nodes(live_nodes(ray))}\n"
                    "take fewer (trainer.devices, launcher.cpus, launcher.gpus) or a larger cluster (launcher.address)"
                )
            with warn_when_resources_short(ray, request):
                fit_on_ray(
                    run,
                    worker=request.per_worker,
                    start=None,
                    retries=self.retries,
                    on_report=partial(print_validation, run),
                )


@contextlib.contextmanager
def warn_when_resources_short(ray: Any, request: ResourceRequest) -> Iterator[None]:
    """Print a warning where the machines that are left lack resources for the workers: Ray Train waits in silence."""
    from hydra_plugins.quartet_ray_sweeper import describe_nodes, live_nodes, remove_orphans

    over = threading.Event()

    def watch() -> None:
        was_short = False
        while not over.wait(SECONDS_BETWEEN_CHECKS):
            remove_orphans(ray)
            nodes = live_nodes(ray)
            short = not request.max_concurrent(nodes)
            if short and not was_short:
                print(
                    f"{request.describe()} asked for, Ray has only {describe_nodes(nodes)} left; waiting for more\n"
                    "Ctrl-C ends the run, the same command resumes it",
                    flush=True,
                )
            was_short = short

    thread = threading.Thread(target=watch, name="resources", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def as_quartet_error() -> Iterator[None]:
    """Turn refusals of the sweeper plugin into QuartetErrors."""
    from hydra_plugins.quartet_ray_sweeper import SweeperError

    try:
        yield
    except SweeperError as refusal:
        raise QuartetError(str(refusal)) from refusal


def fit_in_trial(run: Run, trial: Trial) -> None:
    """Fit the run of a sweep's trial on its workers, and report each validation to the sweep."""

    def on_report(metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        return report(metrics, checkpoint=checkpoint)

    fit_on_ray(run, worker=dict(trial.worker), start=trial.checkpoint, retries=trial.retries, on_report=on_report)


def print_validation(run: Run, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
    """Print a line for a validation, since the workers' own output goes to Ray's logs. Returns False: do not stop."""
    shown = " · ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name.startswith("val/"))
    print(f"{run.name}: {metrics['samples']:,.0f} samples · {shown}", flush=True)
    return False


def fit_on_ray(run: Run, *, worker: dict[str, float], start: Path | None, retries: int, on_report: OnReport) -> None:
    """Fit `run` on Ray Train's workers; Ray is running already. Raises as `Launcher.launch`.

    Args:
        worker: the resources of each worker.
        start: a checkpoint to start from; None for the run's own last one, if any.
        retries: how often to resume after the loss of a worker.
        on_report: called for each validation; True stops the training.
    """
    from ray.exceptions import RayActorError
    from ray.train.v2.api.exceptions import TrainingFailedError

    for attempt in range(retries + 1):
        with report_actor(on_report) as actor:
            settings = {
                "folder": str(run.folder.absolute()),
                "data": str(run.data.absolute()),
                "config_hash": run.config_hash,
                "start": None if start is None or attempt else str(start),
                "cwd": os.getcwd(),
                "actor": actor,
            }
            try:
                in_thread(build_trainer(run, worker, settings).fit)
                shutil.rmtree(run.folder / "ray", ignore_errors=True)
                return
            except (TrainingFailedError, RayActorError) as error:
                own = worker_error(error)
                if own is not None:
                    print(error, file=sys.stderr, flush=True)  # with the workers' tracebacks
                    raise own from None
                if attempt == retries:
                    raise RuntimeError(f"the workers were lost {attempt + 1} times: {error}") from None
                print(f"{run.name}: a worker was lost; resuming from the last checkpoint", flush=True)


def in_thread(fit: Callable[[], object]) -> None:
    """Call `fit` in a thread and wait for it; raise its error, or KeyboardInterrupt on an interrupt.

    In the main thread Ray Train would take Ctrl-C for itself: the run would end with exit code 0 or 1, or be resumed.
    The workers end when this process leaves Ray.
    """
    errors: list[BaseException] = []

    def work() -> None:
        try:
            fit()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="fit", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(1.0)
    if errors:
        raise errors[0]


def build_trainer(run: Run, worker: dict[str, float], settings: dict[str, Any]) -> Any:
    """Return Ray's trainer: `trainer.devices` workers with the resources `worker`, which run `train_loop(settings)`."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from quartet_app.run.workers.ray_backend import WorkersConfig

    folder = str((run.folder / "ray").absolute())
    return TorchTrainer(
        train_loop,
        train_loop_config=settings,
        scaling_config=ScalingConfig(
            num_workers=run.config["trainer"]["devices"],
            use_gpu=worker.get("GPU", 0) > 0,
            resources_per_worker={kind: amount for kind, amount in worker.items() if amount},
        ),
        run_config=RunConfig(name="train", storage_path=folder),
        torch_config=WorkersConfig(folder=folder),
    )


def worker_error(error: Any) -> Exception | None:
    """Return the error that a worker's own code raised; None where the worker or its machine was lost."""
    from ray.exceptions import RayError
    from ray.train.v2._internal.exceptions import RayTrainError

    failures = list(getattr(error, "worker_failures", {}).values())
    refusal = next((failure for failure in failures if isinstance(failure, QuartetError)), None)
    if refusal is not None:
        return refusal
    # One worker's error disconnects the others: their errors say nothing about the cause.
    own = [error for error in failures if not isinstance(error, RayError | RayTrainError)]
    own = [error for error in own if not is_peer_disconnect(error)]
    return RuntimeError(f"a worker failed: {own[0]}") if own else None


def is_peer_disconnect(error: Exception) -> bool:
    """Return True for the error of a worker that lost the connection to another one."""
    return any(message in str(error) for message in DISCONNECT_MESSAGES)


def train_loop(settings: dict[str, Any]) -> None:
    """Fit in a worker; Ray Train calls this in each of them."""
    os.chdir(settings["cwd"])
    from quartet_app.run.workers.worker import fit

    start = settings["start"] and Path(settings["start"])
    with use_channel(ReportClient(settings["actor"]), None):
        fit(Path(settings["folder"]), Path(settings["data"]), settings["config_hash"], start=start, ray=True)
