"""Workers on a Ray cluster, by Ray Train: those of a sweep's trial, and those of a plain run with `launcher=ray`.

All machines see the project's folder at the same path, as Ray asks for its own storage: a run's checkpoints lie in the
run's folder, and workers that were lost are started again from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_plugins.quartet_ray_sweeper import TrialStopped, report, use_channel
from quartet.types import QuartetError

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import ResourceRequest, Trial
    from quartet_app.run.run_folder import Run

SECONDS_BETWEEN_LOOKS = 5.0  # for room
HUNG_UP = ("Connection closed by peer", "Connection reset by peer", "NCCL")  # what the others say of one that is lost
Tell = Callable[[Mapping[str, float], Path | None], bool]


class Cluster:
    """`launcher=ray`: a running cluster's machines, or a Ray of this machine alone.

    Args:
        address: of the cluster, "auto" for the one that this machine is part of; None starts Ray here.
        cpus, gpus: of each of the trainer's `devices` workers; None for a GPU each where there are GPUs.
        retries: how often the run goes on from its last checkpoint when a worker or a machine is lost.
    """

    def __init__(self, *, address: str | None, cpus: float, gpus: float | None, retries: int) -> None:
        self.address, self.cpus, self.gpus, self.retries = address, cpus, gpus, retries

    def launch(self, run: Run) -> None:
        from hydra_plugins.quartet_ray_sweeper import ResourceRequest, describe_nodes, live_nodes, ray_running

        devices = run.config["trainer"]["devices"]
        with as_quartet_error(), ray_running(address=self.address, dashboard=False, key="launcher.address") as ray:
            asked = {"cpus": 0.0, "gpus": 0.0, "workers": devices, "worker_cpus": self.cpus, "worker_gpus": self.gpus}
            room = ResourceRequest.from_options(asked, live_nodes(ray))
            if not room.max_concurrent(live_nodes(ray)):
                raise QuartetError(
                    f"trainer.devices: {room.describe()} asked for, Ray has {describe_nodes(live_nodes(ray))}\n"
                    "take fewer (trainer.devices, launcher.cpus, launcher.gpus) or a larger cluster (launcher.address)"
                )
            with warn_when_resources_short(ray, room):
                fit_on_ray(run, worker=room.per_worker, start=None, retries=self.retries, tell=partial(show, run))


@contextlib.contextmanager
def warn_when_resources_short(ray: Any, room: ResourceRequest) -> Iterator[None]:
    """Says when the machines that are left cannot hold the workers any more: Ray Train waits for more in silence."""
    from hydra_plugins.quartet_ray_sweeper import describe_nodes, live_nodes

    over = threading.Event()

    def look() -> None:
        lacked = False
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            nodes = live_nodes(ray)
            lacks = not room.max_concurrent(nodes)
            if lacks and not lacked:
                print(
                    f"{room.describe()} asked for, Ray has only {describe_nodes(nodes)} left; waiting for more\n"
                    "Ctrl-C ends it, the same command goes on",
                    flush=True,
                )
            lacked = lacks

    thread = threading.Thread(target=look, name="room", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def as_quartet_error() -> Iterator[None]:
    """The plugin's refusals as the pipeline's."""
    from hydra_plugins.quartet_ray_sweeper import SweeperError

    try:
        yield
    except SweeperError as refusal:
        raise QuartetError(str(refusal)) from refusal


def fit_in_trial(run: Run, trial: Trial) -> None:
    """The workers of a sweep's trial; the sweep hears of them."""

    def tell(metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        return report(metrics, checkpoint=checkpoint)

    fit_on_ray(run, worker=dict(trial.worker), start=trial.checkpoint, retries=trial.retries, tell=tell)


def show(run: Run, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
    """A line for each validation: the workers' own output is in Ray's logs."""
    shown = " · ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name.startswith("val/"))
    print(f"{run.name}: {metrics['samples']:,.0f} samples · {shown}", flush=True)
    return False


def fit_on_ray(run: Run, *, worker: dict[str, float], start: Path | None, retries: int, tell: Tell) -> None:
    """Fit `run` on Ray Train's workers, of the resources `worker` each; Ray runs already. Reports go to `tell`, whose
    True ends the training.

    Raises as `Launcher.launch`.
    """
    from ray.exceptions import RayActorError
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    for attempt in range(retries + 1):
        with mailbox(tell) as box:
            given = {
                "folder": str(run.folder.absolute()),
                "data": str(run.data.absolute()),
                "config_hash": run.config_hash,
                "start": None if start is None or attempt else str(start),
                "cwd": os.getcwd(),
                "box": box,
            }
            trainer = TorchTrainer(
                loop,
                train_loop_config=given,
                scaling_config=ScalingConfig(
                    num_workers=run.config["trainer"]["devices"],
                    use_gpu=worker.get("GPU", 0) > 0,
                    resources_per_worker={kind: amount for kind, amount in worker.items() if amount},
                ),
                run_config=RunConfig(name="train", storage_path=str((run.folder / "ray").absolute())),
            )
            try:
                trainer.fit()
                shutil.rmtree(run.folder / "ray", ignore_errors=True)
                return
            except (TrainingFailedError, RayActorError) as error:
                own = own_errors(error)
                if own is not None:
                    print(error, file=sys.stderr, flush=True)  # with the workers' tracebacks
                    raise own from None
                if attempt == retries:
                    raise RuntimeError(f"the workers were lost {attempt + 1} times: {error}") from None
                print(f"{run.name}: a worker was lost; going on from the last checkpoint", flush=True)


def own_errors(error: Any) -> Exception | None:
    """What a worker raised itself; None where it, or its machine, was lost."""
    from ray.exceptions import RayError
    from ray.train.v2._internal.exceptions import RayTrainError

    failures = list(getattr(error, "worker_failures", {}).values())
    refusal = next((one for one in failures if isinstance(one, QuartetError)), None)
    if refusal is not None:
        return refusal
    # One worker's error has the others hang up: its own comes first.
    own = [one for one in failures if not isinstance(one, RayError | RayTrainError) and not is_peer_disconnect(one)]
    return RuntimeError(f"a worker failed: {own[0]}") if own else None


def is_peer_disconnect(error: Exception) -> bool:
    return any(words in str(error) for words in HUNG_UP)


def loop(given: dict[str, Any]) -> None:
    """What each worker runs."""
    os.chdir(given["cwd"])
    from quartet_app.run.worker import fit

    start = given["start"] and Path(given["start"])
    with use_channel(ReportClient(given["box"]), None):
        fit(Path(given["folder"]), Path(given["data"]), given["config_hash"], start=start, ray=True)


class ReportClient:
    """A worker's end of the mailbox."""

    def __init__(self, box: Any) -> None:
        self.box = box

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        import ray

        return ray.get(self.box.report.remote(dict(metrics), checkpoint))  # type: ignore[no-any-return]


class ReportActor:
    """An actor between the first worker, who reports and waits, and the driver, who answers."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        self.told: asyncio.Queue[bool] = asyncio.Queue()

    async def report(self, metrics: dict[str, float], checkpoint: Path | None) -> bool:
        await self.said.put((metrics, checkpoint))
        return await self.told.get()

    async def take(self) -> Any:
        return await self.said.get()

    async def tell(self, stop: bool) -> None:
        await self.told.put(stop)


@contextlib.contextmanager
def mailbox(tell: Tell) -> Iterator[Any]:
    """A mailbox whose reports are answered by `tell`, in a thread, until the block ends."""
    import ray
    from ray.exceptions import RayError

    box: Any = ray.remote(num_cpus=0)(ReportActor).remote()

    def work() -> None:
        with contextlib.suppress(RayError):  # the box is gone: the block has ended
            while True:
                metrics, checkpoint = ray.get(box.take.remote())
                try:
                    stop = tell(metrics, checkpoint)
                except TrialStopped:  # it was told to end before its worker was lost and started again
                    stop = True
                ray.get(box.tell.remote(stop))

    thread = threading.Thread(target=work, name="mailbox", daemon=True)
    thread.start()
    try:
        yield box
    finally:
        ray.kill(box)
        thread.join(10.0)
