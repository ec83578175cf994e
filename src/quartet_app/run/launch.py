"""The one way to start workers: N of them, each given the run's folder and the hash of what lies in it.

N = 1 is this process. Several are torch's elastic launcher on this machine, or Ray Train on a cluster; they start
`worker.fit`, never the command line that the user typed, so that nothing composes twice.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from quartet.types import QuartetError

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Trial
    from quartet_app.run.run_folder import Run


class Launcher(Protocol):
    """What `conf/launcher/` makes."""

    def launch(self, run: Run) -> None:
        """Fit `run` on as many workers as its trainer asks for; returns when all have ended well.

        Errors: QuartetError where a worker refuses, RuntimeError with the worker's traceback shown where it fails.
        """


def launch(run: Run, trial: Trial | None) -> None:
    """As the run's launcher does; the workers of a sweep's trial are Ray Train's, since the sweep runs on Ray."""
    from hydra.utils import instantiate

    start = trial.checkpoint if trial is not None else None
    if trial is not None and run.config["trainer"]["devices"] > 1:
        from quartet_app.run.ray_train import fit_in_trial

        fit_in_trial(run, trial)
    elif trial is not None:
        try:
            alone(run, start=start)
        finally:
            tidy(compiled=run.config["trainer"]["compile"])
    else:
        launcher: Launcher = instantiate(run.config["launcher"])
        launcher.launch(run)


def alone(run: Run, *, start: Path | None = None) -> None:
    from quartet_app.run.worker import fit

    fit(run.folder, run.data, run.config_hash, start=start)


def tidy(*, compiled: bool) -> None:
    """Leave nothing to the next trial of this process: what was compiled (torch gives up after eight recompilations),
    and the GPU's memory."""
    import gc

    import torch

    if compiled:
        torch._dynamo.reset()
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


class Local:
    """This process, or several on this machine."""

    def launch(self, run: Run) -> None:
        devices = run.config["trainer"]["devices"]
        if devices == 1:
            alone(run)
        else:
            elastic(run, devices=devices)


def elastic(run: Run, *, devices: int) -> None:
    """Torch's elastic launcher, as torchrun uses it."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=run.fingerprint[:12],
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
    )
    worker = ("-m", "quartet_app.run.worker", str(run.folder), str(run.data), run.config_hash)
    try:
        elastic_launch(config, sys.executable)("-u", *worker)
    except SignalException as signal:
        raise KeyboardInterrupt from signal
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        from quartet_app.run.worker import REFUSED

        if failure.exitcode == REFUSED:
            raise QuartetError(f"worker {rank} refused the run: its message is above") from None
        raise RuntimeError(f"worker {rank} ended with exit code {failure.exitcode}: its message is above") from None
