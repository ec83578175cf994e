"""Start the workers of a run: this process, several processes of this machine, or workers on a Ray cluster.

Each worker gets the run's folder and the hash of its configuration. Torch's elastic launcher and Ray Train start
`worker.fit`, never the user's command line, so a configuration is composed only once.
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
    """An object that an option of conf/launcher/ makes."""

    def launch(self, run: Run) -> None:
        """Fit `run` on `trainer.devices` workers; returns when all have ended without an error.

        Raises QuartetError where a worker refuses the run, and RuntimeError where one fails; its traceback is printed.
        """


def launch(run: Run, trial: Trial | None) -> None:
    """Start the workers by the run's launcher. Those of a sweep's trial start by Ray Train: the sweep runs on Ray."""
    from hydra.utils import instantiate

    start = trial.checkpoint if trial is not None else None
    if trial is not None and run.config["trainer"]["devices"] > 1:
        from quartet_app.run.ray_train import fit_in_trial

        fit_in_trial(run, trial)
    elif trial is not None:
        try:
            fit_here(run, start=start)
        finally:
            free_memory(compiled=run.config["trainer"]["compile"])
    else:
        launcher: Launcher = instantiate(run.config["launcher"])
        launcher.launch(run)


def fit_here(run: Run, *, start: Path | None = None) -> None:
    """Fit `run` in this process, from the checkpoint `start` if one is named."""
    from quartet_app.run.worker import fit

    fit(run.folder, run.data, run.config_hash, start=start)


def free_memory(*, compiled: bool) -> None:
    """Free compiled code and GPU memory for the next trial in this process: torch stops after 8 recompilations."""
    import gc

    import torch

    if compiled:
        torch._dynamo.reset()
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


class Local:
    """`launcher=local`: this process for one device, else a process for each device of this machine."""

    def launch(self, run: Run) -> None:
        """Fit `run`; see `Launcher`."""
        devices = run.config["trainer"]["devices"]
        if devices == 1:
            fit_here(run)
        else:
            fit_on_local_workers(run, devices=devices)


def fit_on_local_workers(run: Run, *, devices: int) -> None:
    """Fit `run` in a process for each of the `devices`, by torch's elastic launcher, which torchrun uses too."""
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
